//! What is known of a question to the leader that was not answered: whether it may have been carried out.
//!
//! A leader can be lost, demoted or stopped with a change in its hands, and an answer can come too late. Whoever asked must then
//! not be told that nothing happened, nor that there is no leader, if that is not known to be true.

use gam_core::error::{Error, Kind};
use gam_core::model::NodeId;
use gam_rpc::RpcError;

use super::standing::WORKER;
use super::{Refusal, chain, no_leader, out_of_time};

/// What earlier tries leave open about one question.
#[derive(Debug)]
pub(super) struct Doubt {
    /// Whether it asks for a change: to ask twice how things are does no harm.
    is_change: bool,
    /// A try was not answered, so what was asked for may have been done.
    is_open: bool,
    /// Somebody is being asked.
    is_asking: bool,
}

impl Doubt {
    pub(super) fn of_change() -> Doubt {
        Doubt { is_change: true, is_open: false, is_asking: false }
    }

    pub(super) fn of_read() -> Doubt {
        Doubt { is_change: false, ..Doubt::of_change() }
    }

    /// A try begins.
    pub(super) fn begin(&mut self) {
        self.is_asking = true;
    }

    /// What the caller is told after this try; `None` if there is to be another one.
    ///
    /// A leader that refuses a change may do so because an earlier try has made it already: the name is taken, the version is
    /// an old one, the thing is gone. Then all that can be said is that nobody knows.
    pub(super) fn weigh<T>(&mut self, answer: Result<T, Refusal>) -> Option<Result<T, Error>> {
        self.is_asking = false;
        match answer {
            Ok(told) => Some(Ok(told)),
            Err(Refusal::Error(error)) => Some(Err(self.give_up(error))),
            Err(Refusal::NotLeading) => None,
            Err(Refusal::Unanswered) => {
                self.is_open = true;
                None
            }
        }
    }

    /// What the caller is told when there is to be no other try, because of `error`.
    pub(super) fn give_up(&self, error: Error) -> Error {
        if self.is_open && self.is_change { in_doubt(&error) } else { error }
    }

    /// What the caller is told when time is up. A read that nobody could answer in that time says that nobody leads: a leader that
    /// does not hear a majority does not know yet that it leads no more.
    pub(super) fn out_of_time(&self) -> Error {
        if self.is_change && (self.is_asking || self.is_open) { out_of_time() } else { no_leader() }
    }
}

fn in_doubt(error: &Error) -> Error {
    Error::unavailable(format!(
        "rpc error: code = Unavailable desc = the leader was lost before it answered, and may have done what was asked; \
         asked again, the swarm says: {}",
        error.message
    ))
}

/// Whoever was asked does not lead any more, or is gone; whether it did what was asked, the next leader's state tells.
pub(super) fn unanswered(own: NodeId, leader: &str, error: &RpcError) -> Refusal {
    if let RpcError::Refused(refusal) = error
        && refusal.kind != Kind::Unavailable
    {
        // The leader is the first to know of a demotion; here it is news.
        if gam_rpc::says_no_manager(refusal, own) {
            return Refusal::Error(Error::unavailable(WORKER));
        }
        return Refusal::Error(refusal.clone());
    }
    tracing::debug!(error = %chain(error), leader, "the leader did not answer");
    if error.nothing_sent() { Refusal::NotLeading } else { Refusal::Unanswered }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn weigh(doubt: &mut Doubt, answer: Result<(), Refusal>) -> Option<Result<(), Error>> {
        doubt.begin();
        doubt.weigh(answer)
    }

    fn refusal(message: &str) -> Result<(), Refusal> {
        Err(Refusal::Error(Error::new(Kind::Conflict, message)))
    }

    #[test]
    fn a_refusal_after_a_try_without_an_answer_is_no_proof_that_nothing_happened() {
        let mut doubt = Doubt::of_change();
        assert_eq!(weigh(&mut doubt, Err(Refusal::Unanswered)), None);
        assert_eq!(weigh(&mut doubt, Err(Refusal::NotLeading)), None);
        let told = weigh(&mut doubt, refusal("name conflicts")).unwrap().unwrap_err();
        assert_eq!(told.kind, Kind::Unavailable);
        assert!(told.message.ends_with("may have done what was asked; asked again, the swarm says: name conflicts"));
        // The versions and names of the first try did not stand in the way of the second, so only that one has happened.
        assert_eq!(weigh(&mut doubt, Ok(())), Some(Ok(())));
    }

    #[test]
    fn a_refusal_without_doubt_is_passed_on() {
        let mut doubt = Doubt::of_change();
        assert_eq!(weigh(&mut doubt, Err(Refusal::NotLeading)), None);
        assert_eq!(weigh(&mut doubt, refusal("no")), Some(Err(Error::new(Kind::Conflict, "no"))));
        // To ask twice how things are does no harm.
        let mut doubt = Doubt::of_read();
        assert_eq!(weigh(&mut doubt, Err(Refusal::Unanswered)), None);
        assert_eq!(weigh(&mut doubt, refusal("no")), Some(Err(Error::new(Kind::Conflict, "no"))));
    }

    #[test]
    fn that_nobody_leads_is_said_where_nobody_can_have_done_it() {
        let mut doubt = Doubt::of_change();
        assert_eq!((doubt.out_of_time(), doubt.give_up(no_leader())), (no_leader(), no_leader()));
        assert_eq!(weigh(&mut doubt, Err(Refusal::NotLeading)), None);
        assert_eq!((doubt.out_of_time(), doubt.give_up(no_leader())), (no_leader(), no_leader()));
        // The lead was lost in the middle, and nobody has it now.
        assert_eq!(weigh(&mut doubt, Err(Refusal::Unanswered)), None);
        let told = doubt.give_up(no_leader());
        assert!(
            told.message.contains("may have done what was asked; asked again, the swarm says: rpc error"),
            "{told}"
        );
        assert_eq!(doubt.out_of_time(), out_of_time());
    }

    #[test]
    fn time_that_is_up_while_somebody_is_asked_is_told_as_docker_does() {
        let told = |mut doubt: Doubt| {
            doubt.begin();
            doubt.out_of_time()
        };
        let late = Error::internal("rpc error: code = DeadlineExceeded desc = context deadline exceeded");
        assert_eq!(told(Doubt::of_change()), late);
        assert_eq!(told(Doubt::of_read()), no_leader(), "nothing can have happened");
    }

    /// Seen for a second or two on a host that was demoted: the leader's words for another manager.
    #[test]
    fn that_the_leader_knows_of_no_such_manager_is_told_as_docker_tells_it() {
        let refused = |error| unanswered(NodeId::MIN, "a", &RpcError::Refused(error));
        let worker = Refusal::Error(Error::unavailable(WORKER));
        assert_eq!(refused(gam_rpc::no_manager(NodeId::MIN)), worker);
        let why = "the call is for managers, and the certificate is that of a swarm-worker";
        assert_eq!(refused(Error::new(Kind::Forbidden, why)), worker);
        let other = Error::new(Kind::Forbidden, "left behind");
        assert_eq!(refused(other.clone()), Refusal::Error(other));
    }

    #[test]
    fn what_was_not_sent_leaves_no_doubt() {
        let connect = RpcError::Connect { address: "a".into(), source: Arc::new(std::io::ErrorKind::NotFound.into()) };
        assert_eq!(unanswered(NodeId::MIN, "a", &connect), Refusal::NotLeading);
        let broken = RpcError::Call { address: "a".into(), cause: "broken".into() };
        assert_eq!(unanswered(NodeId::MIN, "a", &broken), Refusal::Unanswered);
        let stopping = RpcError::Refused(Error::unavailable("stopping"));
        assert_eq!(unanswered(NodeId::MIN, "a", &stopping), Refusal::Unanswered);
    }
}
