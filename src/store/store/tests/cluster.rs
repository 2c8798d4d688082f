use std::collections::BTreeSet;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use openraft::raft::VoteRequest;
use openraft::vote::RaftLeaderId;
use tokio::time::Instant;

use super::net::{Cluster, follows, leads, patiently};
use super::{SOON, snapshot_files, term, until};
use crate::fixture::{bytes, numbers, proposal};
use crate::lineage::Descent;
use crate::machine::Machine;
use crate::message::{self, Envelope, Request};
use crate::raft::{LeaderId, Vote};
use crate::transport::Purpose;
use crate::{Config, Kinship, Leadership, Member, Message, Store, StoreError};

fn small(config: Config) -> Config {
    Config { snapshot_interval: 50, ..config }
}

fn id(store: &Store) -> u64 {
    store.inner.member
}

fn voters(store: &Store) -> Vec<u64> {
    store.members().into_iter().filter(|member| member.voter).map(|member| member.id).collect()
}

fn raft_term(store: &Store) -> u64 {
    store.inner.raft.metrics().borrow_watched().current_term
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_members_replicate() {
    let cluster = Cluster::of(3).await;
    let leader = cluster.leader().await;
    for number in 0..50 {
        leader.propose(proposal([number])).await.unwrap();
    }
    cluster.level().await;
    for store in cluster.stores() {
        assert_eq!(numbers(&store.state()), (0..50).collect());
        assert_eq!(bytes(&store.state()), bytes(&leader.state()));
        let addresses: Vec<String> = store.members().into_iter().map(|member| member.address).collect();
        assert_eq!(addresses, ["member-1:2377", "member-2:2377", "member-3:2377"]);
        assert_eq!(voters(store), [1, 2, 3]);
        assert_eq!(store.unreachable(), Vec::<u64>::new());
    }
    let follower = cluster.stores().find(|store| !leads(store)).unwrap();
    let refused = follower.propose(proposal([99])).await;
    assert!(matches!(refused, Err(StoreError::NotLeader { leader: one, .. }) if one == id(&leader)));
    assert!(matches!(follower.read_index().await, Err(StoreError::NotLeader { .. })));
    assert!(matches!(follower.add_member(9, "x").await, Err(StoreError::NotLeader { .. })));
    // Read index: asked of the leader, waited for on the follower.
    let written = leader.propose(proposal([50])).await.unwrap();
    let index = leader.read_index().await.unwrap();
    assert!(index >= written.index);
    assert!(numbers(&follower.applied(index).await.unwrap()).contains(&50));
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_its_leader_cut_off_the_rest_takes_writes() {
    let cluster = Cluster::of(3).await;
    cluster.propose(1).await;
    let old = cluster.leader().await;
    let cut = Instant::now();
    cluster.net.isolate(id(&old), cluster.ids());
    let new = cluster.leader_but(&[id(&old)]).await;
    new.propose(proposal([2])).await.unwrap();
    println!("a write succeeded {:?} after the cut", cut.elapsed());
    assert!(cut.elapsed() < Duration::from_secs(5));
    assert!(term(&new) > 1);
    until("the old leader's insight", || *old.leadership().borrow() == Leadership::NoLeader).await;
    assert!(!old.unreachable().is_empty());
    until("the new leader's view", || new.unreachable() == [id(&old)]).await;

    cluster.net.heal();
    assert_eq!(id(&cluster.leader().await), id(&new), "what comes back does not lead");
    cluster.propose(3).await;
    cluster.level().await;
    assert_eq!(numbers(&old.state()), BTreeSet::from([1, 2, 3]));
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_comes_back_disturbs_nobody() {
    let cluster = Cluster::of(3).await;
    let leader = cluster.leader().await;
    let before = term(&leader);
    let away = cluster.stores().find(|store| !leads(store)).unwrap();
    until("signs of life", || leader.acknowledged().len() == 2).await;
    assert!(away.acknowledged().is_empty(), "it does not lead");
    cluster.net.isolate(id(away), cluster.ids());
    until("the end of its patience", || *away.leadership().borrow() == Leadership::NoLeader).await;
    // It has asked for votes meanwhile, several times.
    let (_, asked) = cluster.net.carried(Purpose::Heartbeat);
    until("its questions", || cluster.net.carried(Purpose::Heartbeat).1 > asked + 60).await;
    let last = leader.acknowledged()[&id(away)];
    assert!(leader.acknowledged().into_values().any(|at| at > last), "one of them is heard, the other not");
    assert_eq!(raft_term(away), before, "no term is used up by a member that cannot win");
    for number in 0..20 {
        leader.propose(proposal([number])).await.unwrap();
    }
    cluster.net.heal();
    until("its return", || follows(away, id(&leader))).await;
    cluster.level().await;
    assert_eq!(term(&leader), before);
    assert_eq!(numbers(&away.state()), (0..20).collect());
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ticks_rest_while_alone_and_come_back_with_company() {
    let mut cluster = Cluster::of(1).await;
    let (_, before) = cluster.net.carried(Purpose::Heartbeat);
    assert_eq!(before, 0);
    cluster.add(2).await;
    until("heartbeats", || cluster.net.carried(Purpose::Heartbeat).1 > 5).await;
    cluster.add(3).await;
    let leader = cluster.leader().await;
    // Alone again: the others are removed, and no heartbeat follows any more.
    for member in [2, 3] {
        leader.remove_member(member).await.unwrap();
        cluster.unplug(member).shutdown().await;
    }
    assert_eq!(voters(&leader), [1]);
    leader.propose(proposal([1])).await.unwrap();
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_member_catches_up_by_snapshot() {
    let mut cluster = Cluster::tweaked(1, small).await;
    let leader = cluster.leader().await;
    leader.propose(proposal(0..3000)).await.unwrap();
    for number in 3000..3700 {
        leader.propose(proposal([number])).await.unwrap();
    }
    let purged = || leader.inner.raft.metrics().borrow_watched().purged.is_some();
    until("a shorter log", purged).await;
    cluster.join(2).await;
    let mut subscription = cluster.store(2).subscribe();
    leader.add_member(2, "member-2:2377").await.unwrap();
    cluster.level().await;
    assert_eq!(bytes(&cluster.store(2).state()), bytes(&leader.state()));
    let (largest, count) = cluster.net.carried(Purpose::Snapshot);
    assert!(count > 10 && largest < (4 << 10) + 500, "{count} pieces, the largest of {largest} bytes");
    assert!(subscription.recv().await.unwrap().events.is_empty(), "subscribers learn of the jump");
    assert!(!snapshot_files(&cluster.config(2)).is_empty(), "it has the snapshot too");

    cluster.kill(2);
    cluster.reopen(2).await;
    cluster.level().await;
    assert_eq!(bytes(&cluster.store(2).state()), bytes(&leader.state()));
    let dir = cluster.config(2).dir;
    let is_litter =
        |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name().to_string_lossy().ends_with(".tmp");
    until("a clean folder", || !std::fs::read_dir(&dir).unwrap().any(is_litter)).await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_lags_gets_a_snapshot_and_the_log_stays_small() {
    let cluster = Cluster::tweaked(3, small).await;
    let leader = cluster.leader().await;
    let slow = cluster.stores().find(|store| !leads(store)).unwrap();
    // Slow, not dead: it is heard, but entries do not get through.
    cluster.net.hold(id(slow), Purpose::Replication);
    cluster.net.hold(id(slow), Purpose::Snapshot);
    let purged = || leader.inner.raft.metrics().borrow_watched().purged.map_or(0, |last| last.index());
    let deadline = Instant::now() + SOON;
    let mut number = 0;
    // Its call takes its time; then the log is let go of, and it stays short.
    while purged() < 150 {
        assert!(
            Instant::now() < deadline,
            "the log grows: {} bytes after {number} proposals",
            leader.inner.log.bytes()
        );
        leader.propose(proposal([number])).await.unwrap();
        number += 1;
    }
    println!("a shorter log after {number} proposals");
    assert!(slow.state().index() < 50);
    assert_eq!(leader.unreachable(), Vec::<u64>::new());
    cluster.net.heal();
    cluster.level().await;
    assert_eq!(bytes(&slow.state()), bytes(&leader.state()));
    assert!(cluster.net.carried(Purpose::Snapshot).1 > 0);
    let membership = slow.inner.raft.with_state_machine(|machine: &mut Machine| {
        let membership = machine.freeze().meta.last_membership;
        Box::pin(async move { membership })
    });
    assert_eq!(membership.await.unwrap().voter_ids().collect::<Vec<_>>(), [1, 2, 3]);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_are_removed_but_never_the_quorum() {
    let mut cluster = Cluster::of(3).await;
    let leader = cluster.leader().await;
    let others: Vec<u64> = cluster.ids().into_iter().filter(|other| *other != id(&leader)).collect();
    let [gone, left] = others[..] else { panic!("three members") };
    leader.remove_member(77).await.unwrap();
    cluster.net.isolate(left, cluster.ids());
    until("its silence", || leader.unreachable() == [left]).await;
    assert!(matches!(leader.remove_member(gone).await, Err(StoreError::QuorumLoss)));
    // The silent one itself can go.
    leader.remove_member(left).await.unwrap();
    leader.remove_member(left).await.unwrap();
    assert_eq!(
        voters(&leader),
        [id(&leader), gone].into_iter().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    );
    leader.propose(proposal([1])).await.unwrap();
    // What was removed asks for votes in vain.
    cluster.net.heal();
    let removed = cluster.unplug(left);
    let before = term(&leader);
    leader.propose(proposal([2])).await.unwrap();
    assert_eq!(term(&leader), before);
    removed.shutdown().await;

    leader.remove_member(gone).await.unwrap();
    assert!(matches!(leader.remove_member(id(&leader)).await, Err(StoreError::QuorumLoss)), "the last one stays");
    leader.propose(proposal([3])).await.unwrap();
    cluster.unplug(gone).shutdown().await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_member_that_falls_silent_gets_no_vote_and_holds_nobody_up() {
    let mut cluster = Cluster::of(3).await;
    let leader = cluster.leader().await;
    let gone = cluster.ids().into_iter().find(|other| *other != id(&leader)).unwrap();
    cluster.join(4).await;
    cluster.net.isolate(4, 1..=3);
    leader.add_learner(4, "member-4:2377").await.unwrap();
    leader.add_learner(4, "member-4:2377").await.unwrap();
    let (store, began) = (leader.clone(), Instant::now());
    let waiting = tokio::spawn(async move { store.caught_up(4, "member-4:2377").await });
    leader.remove_member(gone).await.unwrap();
    cluster.unplug(gone).shutdown().await;
    cluster.join(5).await;
    leader.add_member(5, "member-5:2377").await.unwrap();
    let refused = leader.add_voter(4, "member-4:2377").await;
    assert!(matches!(refused, Err(StoreError::NotCaughtUp { member: 4, .. })), "{refused:?}");
    assert!(began.elapsed() < SOON && !waiting.is_finished(), "{:?}", began.elapsed());
    assert!(!voters(&leader).contains(&4) && voters(&leader).contains(&5));
    // Whoever has caught up and then falls silent gets no vote either.
    cluster.net.heal();
    waiting.await.unwrap().unwrap();
    cluster.net.isolate(4, cluster.ids());
    until("its silence", || leader.unreachable() == [4]).await;
    assert!(matches!(leader.add_voter(4, "member-4:2377").await, Err(StoreError::NotCaughtUp { .. })));
    leader.remove_member(4).await.unwrap();
    assert!(leader.members().iter().all(|member| member.id != 4));
    assert!(leader.add_voter(4, "member-4:2377").await.is_err(), "nor whoever is no member");
    cluster.unplug(4).shutdown().await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_hands_over_and_is_removed_by_its_successor() {
    let mut cluster = Cluster::of(3).await;
    let old = cluster.leader().await;
    let wished = cluster.ids().into_iter().rfind(|other| *other != id(&old)).unwrap();
    let started = Instant::now();
    old.transfer_leadership(Some(wished)).await.unwrap();
    println!("handed over in {:?}", started.elapsed());
    let new = cluster.leader().await;
    assert_eq!(id(&new), wished);
    assert!(matches!(old.transfer_leadership(None).await, Err(StoreError::NotLeader { .. })));
    assert!(matches!(new.transfer_leadership(Some(99)).await, Err(StoreError::NotHandedOver(_))));
    // Asked to remove itself, a leader names the one that can.
    let Err(StoreError::NotLeader { leader: next, .. }) = new.remove_member(wished).await else { panic!("it cannot") };
    let next = cluster.store(next).clone();
    next.remove_member(wished).await.unwrap();
    cluster.unplug(wished).shutdown().await;
    cluster.propose(1).await;
    assert_eq!(voters(&cluster.leader().await).len(), 2);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_nobody_can_call_offers_the_lead_and_hears_that_it_was_taken() {
    let cluster = Cluster::of(3).await;
    cluster.propose(1).await;
    let old = cluster.leader().await;
    cluster.net.deafen(id(&old));
    old.offer_leadership(0).await.unwrap();
    assert_ne!(
        old.inner.raft.metrics().borrow_watched().current_leader,
        Some(id(&old)),
        "by the answer to a call of its own"
    );
    let new = cluster.leader_but(&[id(&old)]).await;
    assert_ne!(id(&new), id(&old));
    new.propose(proposal([2])).await.unwrap();
    cluster.net.heal();
    cluster.level().await;
    assert!(follows(&old, id(&new)));
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offer_that_nobody_can_take_costs_nobody_the_leader() {
    let cluster = Cluster::of(3).await;
    let old = cluster.leader().await;
    let others: Vec<u64> = cluster.ids().into_iter().filter(|other| *other != id(&old)).collect();
    cluster.net.deafen(id(&old));
    cluster.net.cut(others[0], others[1]);
    cluster.net.cut(others[1], others[0]);
    for turn in 0..3 {
        // Whoever was asked has no majority; the old leader may have to be elected anew.
        let _ = old.offer_leadership(turn).await;
        until("the lead again", || leads(&old)).await;
        old.propose(proposal([turn as u64])).await.unwrap();
    }
    assert!(matches!(cluster.store(others[0]).offer_leadership(0).await, Err(StoreError::NotLeader { .. })));
    cluster.net.heal();
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_stops_hands_over() {
    let mut cluster = Cluster::of(3).await;
    cluster.propose(1).await;
    let old = cluster.leader().await;
    let others = cluster.ids().into_iter().filter(|other| *other != id(&old)).collect::<Vec<_>>();
    let started = Instant::now();
    old.shutdown().await;
    cluster.unplug(id(&old));
    let new = cluster.leader().await;
    new.propose(proposal([2])).await.unwrap();
    println!("stopped, and a write succeeded elsewhere, in {:?}", started.elapsed());
    assert!(others.contains(&id(&new)));
    assert!(started.elapsed() < Duration::from_millis(600), "{:?}: sooner than any election", started.elapsed());
    // With nobody to hand over to, it does not wait.
    cluster.kill(*others.iter().find(|other| **other != id(&new)).unwrap());
    until("the loss", || new.unreachable().len() == 2).await;
    let started = Instant::now();
    cluster.shutdown().await;
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_member_goes_on_alone_and_takes_others_again() {
    for interval in [10_000, 7] {
        let mut cluster = Cluster::tweaked(3, small).await;
        for number in 0..30 {
            cluster.propose(number).await;
        }
        cluster.level().await;
        let survivor = id(&cluster.leader().await);
        let others: Vec<u64> = cluster.ids().into_iter().filter(|other| *other != survivor).collect();
        let before = cluster.store(survivor).state();
        cluster.kill(survivor);
        let config = Config { snapshot_interval: interval, ..cluster.config(survivor) };
        let store = patiently(|| Store::recover_alone(config.clone())).await;
        assert_eq!(bytes(&store.state()), bytes(&before));
        cluster.plug(survivor, store.clone());
        assert_eq!(store.members(), [Member { id: survivor, address: config.address.clone(), voter: true }]);
        let first = store.propose(proposal([100])).await.unwrap();
        assert!(first.index > before.index());

        // The two that were left behind are a quorum of the old cluster: they lead each other, but not the survivor.
        let old = cluster.leader_but(&[survivor]).await;
        old.propose(proposal([200])).await.unwrap();
        for number in 101..120 {
            store.propose(proposal([number])).await.unwrap();
        }
        assert!(leads(&store) && !numbers(&store.state()).contains(&200));
        let (history, past) = (store.history(), old.history());
        assert_eq!(history.kinship(past.number().unwrap()), Kinship::Past);
        assert_eq!(past.kinship(history.number().unwrap()), Kinship::Other);
        for other in others {
            cluster.unplug(other).shutdown().await;
        }

        for member in [14, 15] {
            cluster.add(member).await;
        }
        cluster.propose(120).await;
        cluster.level().await;
        for store in cluster.stores() {
            assert_eq!(numbers(&store.state()), (0..30).chain(100..121).collect());
            assert_eq!(store.history().number(), history.number());
            assert_eq!(store.history().kinship(past.number().unwrap()), Kinship::Past, "who joins learns of it too");
        }
        // And it is all there after a restart of everybody.
        drop(store);
        for member in cluster.ids() {
            cluster.kill(member);
        }
        for member in [survivor, 14, 15] {
            cluster.reopen(member).await;
        }
        cluster.propose(121).await;
        assert_eq!(numbers(&cluster.leader().await.state()).len(), 52);
        cluster.shutdown().await;
    }
}

/// Two members that change addresses with each other must not be taken for one another: what one has written would count as
/// written by both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_for_another_member_is_refused() {
    let cluster = Cluster::of(2).await;
    let descent = cluster.store(1).inner.lineage.known().unwrap().clone();
    let vote = Vote { leader_id: LeaderId::new(1, 1), committed: false };
    let message = |to, lineage| {
        let envelope = Envelope { from: 1, to, descent: Descent { lineage, ..descent.clone() } };
        let request = Request::PreVote(VoteRequest::new(vote, None));
        Message::read(&message::encode_request(&envelope, &request)).unwrap()
    };
    let ask = async |message| cluster.store(2).handle(message).await;
    assert!(matches!(ask(message(Some(3), descent.lineage)).await, Err(StoreError::Misdirected { meant: 3, own: 2 })));
    assert!(matches!(ask(message(Some(2), descent.lineage ^ 1)).await, Err(StoreError::OtherLineage)));
    for to in [None, Some(2)] {
        ask(message(to, descent.lineage)).await.unwrap();
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_half_of_four_takes_writes() {
    let cluster = Cluster::of(4).await;
    cluster.propose(0).await;
    cluster.level().await;
    let leader = cluster.leader().await;
    let mut halves = [vec![id(&leader)], Vec::new()];
    for other in cluster.ids().into_iter().filter(|other| *other != id(&leader)) {
        halves[usize::from(halves[0].len() == 2)].push(other);
    }
    for one in &halves[0] {
        for other in &halves[1] {
            cluster.net.cut(*one, *other);
            cluster.net.cut(*other, *one);
        }
    }
    // One still hears the leader, which itself knows better.
    let leaderless = || cluster.stores().filter(|store| *store.leadership().borrow() == Leadership::NoLeader).count();
    until("the insight", || leaderless() == 3 && !leads(&leader)).await;
    let proposers = (1..).zip(cluster.stores().cloned());
    let proposers = proposers.map(|(number, store)| async move { store.propose(proposal([number])).await });
    for refused in futures_util::future::join_all(proposers).await {
        assert!(matches!(refused, Err(StoreError::NoLeader | StoreError::NotLeader { .. })), "{refused:?}");
    }
    assert!(leader.read_index().await.is_err());
    for store in cluster.stores() {
        assert_eq!(numbers(&store.state()), BTreeSet::from([0]));
    }
    cluster.net.heal();
    cluster.propose(10).await;
    cluster.level().await;
    assert!(cluster.stores().all(|store| numbers(&store.state()) == BTreeSet::from([0, 10])));
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_killed_at_once_keep_every_acknowledged_write() {
    let mut cluster = Cluster::tweaked(3, small).await;
    let mut acknowledged = BTreeSet::new();
    for round in 0..3 {
        let leader = cluster.leader().await;
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let leader = leader.clone();
                tokio::spawn(async move {
                    let mut done = Vec::new();
                    for number in (round * 1000 + writer * 100..).take(100) {
                        match leader.propose(proposal([number])).await {
                            Ok(_) => done.push(number),
                            Err(_) => break,
                        }
                    }
                    done
                })
            })
            .collect();
        until("some writes", || leader.state().configs().count() >= acknowledged.len() + 100).await;
        drop(leader);
        for member in cluster.ids() {
            // Raft's tasks end in the middle of what they do.
            let store = cluster.unplug(member);
            store.inner.raft.shutdown().await.unwrap();
        }
        for writer in writers {
            acknowledged.extend(writer.await.unwrap());
        }
        for member in [1, 2, 3] {
            cluster.reopen(member).await;
        }
        let state = cluster.leader().await.read().await.unwrap();
        let lost: Vec<u64> = acknowledged.difference(&numbers(&state)).copied().collect();
        assert!(lost.is_empty(), "round {round}: lost {lost:?} of {}", acknowledged.len());
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_may_move_to_another_address() {
    let mut cluster = Cluster::of(3).await;
    let leader = cluster.leader().await;
    let moving = cluster.stores().find(|store| !leads(store)).map(id).unwrap();
    cluster.kill(moving);
    cluster.move_to(moving, "elsewhere:2377");
    cluster.reopen(moving).await;
    leader.propose(proposal([1])).await.unwrap();
    leader.add_member(moving, "elsewhere:2377").await.unwrap();
    leader.add_member(moving, "elsewhere:2377").await.unwrap();
    cluster.level().await;
    assert_eq!(numbers(&cluster.store(moving).state()), BTreeSet::from([1]));
    let knows = |store: &Store, id: u64, at: &str| store.members().iter().any(|one| one.id == id && one.address == at);
    until("the news", || cluster.stores().all(|store| knows(store, moving, "elsewhere:2377"))).await;
    assert!(cluster.stores().all(|store| voters(store) == [1, 2, 3]));
    // Also the leader, by its own word.
    leader.add_member(id(&leader), "there:2377").await.unwrap();
    until("the news", || cluster.stores().all(|store| knows(store, id(&leader), "there:2377"))).await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_waits_across_a_restart_and_belongs_to_the_first_cluster_that_calls() {
    let mut cluster = Cluster::of(1).await;
    cluster.join(2).await;
    assert!(matches!(Store::join(cluster.config(2)).await, Err(StoreError::Exists(_))));
    assert_eq!(cluster.store(2).members(), []);
    cluster.kill(2);
    cluster.reopen(2).await;
    let leader = cluster.leader_but(&[2]).await;
    leader.add_member(2, "member-2:2377").await.unwrap();
    cluster.propose(1).await;
    cluster.level().await;

    // Another cluster that knows its address and its raft id gets no answer.
    let mut other = Cluster::of(1).await;
    other.config(2);
    other.plug(2, cluster.store(2).clone());
    let stranger = other.leader_but(&[2]).await;
    let add = tokio::time::timeout(Duration::from_secs(1), stranger.add_member(2, "member-2:2377"));
    assert!(add.await.is_err(), "it waits for a member that does not answer");
    assert_eq!(voters(&stranger), [1]);
    stranger.propose(proposal([5])).await.unwrap();
    assert_eq!(numbers(&cluster.store(2).state()), BTreeSet::from([1]));
    other.unplug(2);
    other.shutdown().await;
    cluster.shutdown().await;
}
