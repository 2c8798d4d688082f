//! Gam: swarm mode in front of an unmodified dockerd.
//!
//! This page is the architecture. Read it once and every file has its place; each module's own page says what it decides,
//! what it never does, and who calls it.
//!
//! # From above
//!
//! One daemon per host listens where Docker clients look for a Docker engine. Requests about the swarm are its own: they
//! read, or change, the cluster's state, which is replicated by Raft and kept on disk. All other requests are dockerd's, and
//! reach it byte for byte. The cluster's state says which tasks should run on which node; an agent in the same daemon makes
//! that true, through dockerd, and reports what became of them.
//!
//! Between the two edges, Docker's API and dockerd, all decisions are pure functions of (state, inputs, now). They live in a
//! crate of their own, [`gam_core`], whose dependencies know no socket, file, clock or randomness, so that the compiler
//! keeps them pure. The shells around it are thin: they gather inputs, call the core, and do what it says.
//!
//! # The life of a request
//!
//! `docker service create` makes six stops and one log entry:
//!
//! 1. [`api`] reads the body with Go's leniency and turns it into a [`gam_core::control::Request`], a value.
//! 2. [`manager`] puts it into the leader's bounded queue. The loop drains the queue and takes one
//!    [`step`](gam_core::step::step): control (is it allowed?), orchestrator (services to tasks), allocator (addresses),
//!    scheduler (tasks to nodes), each on the state that the one before it left. Out come typed changes.
//! 3. [`gam_store`] proposes them as one entry, which is on a quorum's disks before it is applied. Only then the user is
//!    answered: the tasks of the new service are already placed.
//! 4. [`dispatcher`] sees that the assignments of a node differ and hands it the newest ones.
//! 5. [`agent`] gives each task a worker, which asks [`gam_core::agent::step`] for one action at a time: prepare, start, stop,
//!    remove.
//! 6. [`engine`] and [`network`] do it in dockerd and in the kernel. What is then observed travels back as a report, which is
//!    an input of the leader's next step.
//!
//! Reading is simpler: a handler takes a state that is not older than its request and renders it.
//!
//! # The life of a packet
//!
//! An overlay network is, on every node with a task on it, a bridge network of dockerd's ([`network::backing`]) whose gateway is the
//! same address everywhere, and, once it has members on other nodes, a VXLAN device as one more port of that bridge. A container that
//! asks for an address of the network is answered by the device, which knows it from the assignments; its frame goes through the bridge
//! to the device, which knows the node behind its hardware address, and arrives at the bridge there. Nothing is learned or flooded.
//! [`gam_core::plane::render`] says what the kernel should hold; [`network::overlay`] makes it so and keeps it so. Everything goes on
//! while Gam does not run.
//!
//! Whatever somebody else takes away comes back. What can be looked at with a few messages to the kernel is compared every two seconds:
//! links, addresses and tables ([`network::overlay`], [`network::bridges`]), and the number that each network namespace gives to its
//! rules ([`network::generation`]), so that no rule is listed before one was changed. Who may send what on a network is
//! [`gam_core::plane::guard`]'s to say and [`network::guard`]'s to keep.
//!
//! # Code map
//!
//! In the order in which data meets it.
//!
//! | where | what |
//! | --- | --- |
//! | [`config`], [`logging`], [`start`] | settings, log lines; start and stop of the daemon, each in one place |
//! | [`vital`] | tasks on which the daemon depends, and what happens when one fails |
//! | [`api`] | Docker's API: the route table, versions, filters, the answers' shapes; [`api::way`] which requests go straight to dockerd as bytes; [`api::proxy`] to dockerd for the others, hijacked connections included |
//! | `gam-core` (`src/core`) | everything that decides; no I/O |
//! | … [`model`](gam_core::model), [`state`](gam_core::state) | the glossary; persistent maps, typed changes, `apply` |
//! | … [`control`](gam_core::control) | what users may ask, and Docker's words for what they may not |
//! | … [`orchestrator`](gam_core::orchestrator), [`allocator`](gam_core::allocator), [`scheduler`](gam_core::scheduler) | services to tasks; addresses and ports; tasks to nodes |
//! | … [`release`](gam_core::release) | tasks leave resolvers and balancers before they are stopped |
//! | … [`step`](gam_core::step) | the fixed order of the above |
//! | … [`assignment`](gam_core::assignment), [`agent`](gam_core::agent), [`container`](gam_core::container) | what one node must know; one action for one container; a task as a container's configuration |
//! | … [`plane`](gam_core::plane) | what the kernel of one node must hold for its overlay networks, and the steps to it |
//! | `gam-store` (`src/store`) | the state on disk and on other managers; the only user of openraft |
//! | `gam-rpc` (`src/rpc`) | calls between nodes, over mutual TLS |
//! | [`manager`] | the leader's loop, and whoever asks it |
//! | [`dispatcher`] | a session for each agent: what it must hold, what it reports, errands for clients of other nodes |
//! | [`seal`] | values of secrets, sealed until a container needs them |
//! | [`ca`] | keys and certificates |
//! | [`node`] | one node's life: founded, opened, locked, left; the composition root of its roles |
//! | [`agent`] | workers for tasks, reports, the sweep of what nobody wants |
//! | [`engine`] | dockerd through bollard |
//! | … [`discovery`](gam_core::discovery) | who is found under which name; the rules that balance virtual addresses, publish ports ([`mesh`](gam_core::discovery::mesh)) and send answers back through the host that a client came by ([`returns`](gam_core::discovery::returns)) |
//! | [`network`] | overlay networks on this host: backings in dockerd, devices in the kernel ([`network::overlay`]), container attachments; [`network::resolver`] answers for names, [`network::discovery`] keeps it and each container's rules up to date; [`network::mesh`] holds and publishes ports |
//! | `compat-tests` | cases recorded against dockerd's own swarm mode; the lab of several hosts |
//! | `tidy` (a test) | holds the arrows between modules, lengths and names against what this page says |
//!
//! # What holds
//!
//! - **One decider.** Only the leader's loop proposes changes. No other code writes cluster state.
//! - **Level, not edge.** A step looks at state, not at what changed; planning twice changes nothing. A new leader, or a
//!   daemon that was killed, needs no fix-up: its first step is like any other.
//! - **`apply` is deterministic**: no clock, no randomness, ordered maps. Times and ids are data in the log.
//! - **One writer for each field.** The spec is the user's, desired state and placement the leader's, status the agent's. A
//!   task's state only grows.
//! - **A leader can be called.** One that a majority acknowledges and cannot call hands over; until then no node is blamed for what
//!   could not be heard. Where the others could not do without it, it stays.
//! - **Acknowledged means durable.** A failed fsync is never tried again: the store is closed, and opened anew from the disk.
//! - **Everything has a bound**: queues, batches, retries, waits, bodies. Each bound is a constant with its reason.
//! - **A stop of Gam stops no container.** A start adopts what runs.
//! - **Nothing dies unnoticed.** Every task that lives as long as its role is started by [`vital::spawn`]: a panic in it is logged,
//!   and ends the daemon with exit code 6, so that the service manager starts it again. What serves one request, connection, session
//!   or container may fail alone. A part of the store that fails closes the store, which is then opened anew from the disk.
//!
//! What is deliberately absent:
//!
//! - dockerd is never configured, and no state is kept in it beyond labels on what Gam made.
//! - No conversion layer: specs are kept in Docker's own JSON spelling, on the socket, in the state and in the log.
//! - The agent never reads cluster state, only its assignments; the core never learns that there is a dockerd.
//! - No IPVS and no proxy in the way of a connection: a container's own rules turn it to a task, and it keeps its address.
//! - openraft's names end at `gam-store`, bollard's at [`engine`] and [`api::proxy`], HTTP's at [`api`], netlink's at
//!   [`network`].

pub mod config;
pub mod logging;
pub mod start;
pub mod vital;

pub mod api;

pub mod manager;

pub mod ca;
pub mod dispatcher;
pub mod node;
pub mod seal;

pub mod agent;
pub mod engine;
pub mod network;

#[cfg(test)]
mod tidy;
