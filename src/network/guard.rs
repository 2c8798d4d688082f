//! Keeps rules in this host's own network namespace as they should be, also when somebody else flushes or changes them.
//!
//! The text is [`gam_core::plane::guard`]'s. Whether anything was changed is told by the number of the namespace's rule
//! set ([`super::generation`]); only if it was, by anybody, the tables are listed and compared with what they were.

use std::io;
use std::path::Path;

use super::balancing;
use super::generation::Generation;
use super::namespace::Namespace;

/// Rules of this host.
#[derive(Debug, Default)]
pub struct Guard {
    place: Option<(Namespace, Generation)>,
    done: Option<Done>,
}

#[derive(Debug)]
struct Done {
    /// What was programmed.
    text: String,
    /// What the kernel made of it, as it lists it.
    listed: String,
    /// The number at which it was that.
    generation: u32,
}

impl Guard {
    /// The number of the whole rule set at which these rules were last seen to be what they should be.
    pub fn generation(&self) -> Option<u32> {
        self.done.as_ref().map(|done| done.generation)
    }

    /// Makes the rules what `text` says; `list` lists them. Does nothing if they are that already; whether it did anything.
    pub async fn keep(&mut self, text: String, list: String) -> io::Result<bool> {
        if self.place.is_none() {
            let own = Namespace::open(Path::new("/proc/self/ns/net"))?;
            self.place = Some((own.clone(), Generation::open(&own).await?));
        }
        let Some((namespace, number)) = &self.place else { return Ok(false) };
        if let Some(done) = self.done.as_mut().filter(|done| done.text == text) {
            let generation = number.read()?;
            if done.generation == generation {
                return Ok(false);
            }
            // A table that is gone cannot be listed.
            if listed(namespace, &list).await.is_ok_and(|listed| listed == done.listed) {
                done.generation = generation;
                return Ok(false);
            }
        }
        self.done = None;
        let before = number.read()?;
        match balancing::program(namespace, text.clone()).await {
            // A host without `nft` has no rules of Gam's, and needs none as long as it has no overlay networks.
            Err(error) if error.kind() == io::ErrorKind::NotFound && list.is_empty() => return Ok(false),
            done => done?,
        }
        let listed = listed(namespace, &list).await?;
        // If somebody else changed something meanwhile, what was listed may be wrong: the next look does it again.
        let generation = before.wrapping_add(1);
        if number.read()? == generation {
            self.done = Some(Done { text, listed, generation });
        }
        Ok(true)
    }
}

/// What the kernel has of the tables. Each is asked for by itself: of several in one go `nft` (1.0.6) only reads the last one,
/// and says of all others that they are not there.
async fn listed(namespace: &Namespace, list: &str) -> io::Result<String> {
    let mut listed = String::new();
    for table in list.lines() {
        listed.push_str(&balancing::ask(namespace, table.to_owned()).await?);
    }
    Ok(listed)
}
