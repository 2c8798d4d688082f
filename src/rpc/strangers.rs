//! Places for connections whose caller has shown no certificate, or not yet, shared fairly among where they come from.
//!
//! Decides who gets a place and who must give one up for it; `serve` opens and closes. Nobody is turned away for want of a
//! place: whoever holds most loses the oldest one, as a rule one whose question is not being answered. A stranger who takes all that he can get so keeps out neither others nor, for
//! long, a host behind the same address, whose handshake takes a moment.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Places in all: a whole cluster that starts at once shakes hands a thousand at a time. Tests must do with the descriptors
/// of an ordinary shell.
pub(crate) const PLACES: usize = if cfg!(test) { 64 } else { 1024 };
/// Places of one source: the hosts of a site behind one address, all at once.
pub(crate) const PLACES_OF_SOURCE: usize = PLACES / 8;
/// The bits of an IPv6 address that tell sources apart: whoever has one address has the whole of its /64.
const SOURCE_BITS: u32 = 64;
/// How often at most the log says the same thing.
const COMPLAIN_EVERY: Duration = Duration::from_secs(10);

/// All places. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Strangers(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    last: u64,
    total: usize,
    /// The places of each source, the oldest first; no source has none.
    sources: HashMap<IpAddr, VecDeque<Holder>>,
}

/// Who holds a place.
#[derive(Clone, Default)]
struct Holder {
    id: u64,
    lost: CancellationToken,
    calls: watch::Sender<u32>,
}

impl Holder {
    /// A join that is being answered has shown a token, and would have to be begun anew.
    fn is_answered(&self) -> bool {
        *self.calls.borrow() > 0
    }
}

/// A place, held until it is dropped.
pub(crate) struct Place {
    holder: Holder,
    source: IpAddr,
    strangers: Strangers,
}

impl Place {
    /// Returns once somebody else needs the place more.
    pub(crate) async fn lost(&self) {
        self.holder.lost.cancelled().await;
    }

    /// How many calls are being answered in this place, for whoever answers to count.
    pub(crate) fn calls(&self) -> &watch::Sender<u32> {
        &self.holder.calls
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.strangers.with(|table| table.leave(self.source, self.holder.id));
    }
}

impl Strangers {
    fn with<T>(&self, with: impl FnOnce(&mut Table) -> T) -> T {
        // The table is whole between any two of its operations.
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A place for a connection from `addr`; and whether another one was closed for it.
    pub(crate) fn enter(&self, addr: IpAddr) -> (Place, bool) {
        let source = source(addr);
        let (holder, had_to_go) = self.with(|table| table.enter(source));
        (Place { holder, source, strangers: self.clone() }, had_to_go)
    }
}

impl Table {
    fn enter(&mut self, source: IpAddr) -> (Holder, bool) {
        let own = self.sources.get(&source).map_or(0, VecDeque::len);
        let loser = if own >= PLACES_OF_SOURCE {
            Some(source)
        } else if self.total >= PLACES {
            // Among those that have as many it is the one whose oldest place is the oldest.
            let oldest = |places: &VecDeque<Holder>| Reverse(places.front().map(|holder| holder.id));
            let most = self.sources.iter().max_by_key(|(_, places)| (places.len(), oldest(places)));
            most.map(|(other, places)| if places.len() > own { *other } else { source })
        } else {
            None
        };
        if let Some(loser) = loser {
            self.evict(loser);
        }
        self.last += 1;
        self.total += 1;
        let holder = Holder { id: self.last, ..Holder::default() };
        self.sources.entry(source).or_default().push_back(holder.clone());
        (holder, loser.is_some())
    }

    /// The oldest goes that is not being answered; of more than half of the places also one that is, or those who ask at length
    /// would keep out who only just comes.
    fn evict(&mut self, source: IpAddr) {
        let Some(places) = self.sources.get(&source) else { return };
        let answered = places.iter().filter(|holder| holder.is_answered()).count();
        let is_many = answered * 2 > places.len();
        if let Some(holder) = places.iter().find(|holder| holder.is_answered() == is_many).cloned() {
            holder.lost.cancel();
            self.leave(source, holder.id);
        }
    }

    fn leave(&mut self, source: IpAddr, id: u64) {
        let Some(places) = self.sources.get_mut(&source) else { return };
        let before = places.len();
        places.retain(|holder| holder.id != id);
        self.total -= before - places.len();
        if places.is_empty() {
            self.sources.remove(&source);
        }
    }
}

/// Where an address belongs.
fn source(addr: IpAddr) -> IpAddr {
    match addr.to_canonical() {
        IpAddr::V4(addr) => addr.into(),
        IpAddr::V6(addr) => Ipv6Addr::from(u128::from(addr) & (u128::MAX << SOURCE_BITS)).into(),
    }
}

/// Something that others can cause as often as they like, and that the log says only now and then, with its number.
#[derive(Default)]
pub(crate) struct Complaint {
    said: Option<Instant>,
    count: u64,
}

impl Complaint {
    /// It happened: how often since it was last said, if it is to be said now.
    pub(crate) fn due(&mut self, now: Instant) -> Option<u64> {
        self.count += 1;
        if self.said.is_some_and(|said| now.saturating_duration_since(said) < COMPLAIN_EVERY) {
            return None;
        }
        self.said = Some(now);
        Some(std::mem::take(&mut self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(number: usize) -> IpAddr {
        IpAddr::from([10, 0, (number / 256) as u8, (number % 256) as u8])
    }

    fn is_lost(place: &Place) -> bool {
        place.holder.lost.is_cancelled()
    }

    fn kept(places: &[Place]) -> usize {
        places.iter().filter(|place| !is_lost(place)).count()
    }

    #[test]
    fn a_source_that_has_all_that_it_may_loses_its_oldest() {
        let strangers = Strangers::default();
        let mut places: Vec<Place> = (0..PLACES_OF_SOURCE).map(|_| strangers.enter(addr(1)).0).collect();
        assert_eq!(kept(&places), PLACES_OF_SOURCE);
        let (place, had_to_go) = strangers.enter(addr(1));
        assert!(had_to_go && is_lost(&places[0]) && !is_lost(&place));
        places.push(place);
        assert_eq!(kept(&places), PLACES_OF_SOURCE);
        assert!(!strangers.enter(addr(2)).1, "that is nothing to others");
    }

    #[test]
    fn whoever_is_being_answered_is_spared_unless_most_are() {
        let strangers = Strangers::default();
        let places: Vec<Place> = (0..PLACES_OF_SOURCE).map(|_| strangers.enter(addr(1)).0).collect();
        let half = PLACES_OF_SOURCE / 2;
        places[..half].iter().for_each(|place| place.calls().send_modify(|calls| *calls += 1));
        let second = strangers.enter(addr(1)).0;
        assert_eq!((kept(&places[..half]), is_lost(&places[half])), (half, true));
        second.calls().send_modify(|calls| *calls += 1);
        let _third = strangers.enter(addr(1)).0;
        assert_eq!((kept(&places[..half]), is_lost(&places[0]), kept(&places[half..])), (half - 1, true, half - 1));
    }

    #[test]
    fn when_all_is_full_whoever_has_most_makes_room() {
        let strangers = Strangers::default();
        let mut greedy = Vec::new();
        for number in 0..PLACES {
            greedy.push(strangers.enter(addr(number % 8)).0);
        }
        // As many others as there are greedy ones' places beyond a fair share come in, and stay.
        let mut others = Vec::new();
        for number in 0..PLACES / 2 {
            others.push(strangers.enter(addr(100 + number)).0);
        }
        assert_eq!((kept(&others), kept(&greedy)), (PLACES / 2, PLACES / 2));
        // Among equals whoever wants more gives up his own.
        let equal: Vec<Place> = (0..PLACES).map(|number| strangers.enter(addr(1000 + number)).0).collect();
        assert_eq!((kept(&equal), kept(&others) + kept(&greedy)), (PLACES, 0));
        let (_again, had_to_go) = strangers.enter(addr(1000));
        assert!(had_to_go && is_lost(&equal[0]));
        assert_eq!(kept(&equal), PLACES - 1);
    }

    #[test]
    fn places_are_given_back() {
        let strangers = Strangers::default();
        for _ in 0..3 {
            let places: Vec<Place> = (0..2 * PLACES).map(|number| strangers.enter(addr(number)).0).collect();
            assert_eq!(strangers.with(|table| table.total), PLACES);
            drop(places);
            assert_eq!(strangers.with(|table| (table.total, table.sources.len())), (0, 0));
        }
    }

    #[test]
    fn a_host_has_one_ipv4_address_or_a_whole_net_of_ipv6() {
        let of = |text: &str| source(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2:3:4"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"), "as a socket for both families sees it");
    }

    #[test]
    fn a_flood_is_told_of_now_and_then_and_counted() {
        let (mut complaint, start) = (Complaint::default(), Instant::now());
        assert_eq!(complaint.due(start), Some(1));
        for _ in 0..1000 {
            assert_eq!(complaint.due(start + Duration::from_secs(1)), None);
        }
        assert_eq!(complaint.due(start + COMPLAIN_EVERY), Some(1001));
        assert_eq!(complaint.due(start + COMPLAIN_EVERY * 3), Some(1));
    }
}
