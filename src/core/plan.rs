//! What the passes of one step write on: a private copy of the state, on which each pass sees the changes of the
//! passes before it, made by the very `apply` that every manager will run.

use crate::focus::Focus;
use crate::model::{IdSource, ServiceId, Timestamp};
use crate::state::{Change, Event, Proposal, State};

/// The work of one step.
#[derive(Debug)]
pub struct Plan<'a> {
    /// The state as it will be once the changes so far are committed.
    state: State,
    changes: Vec<Change>,
    index: u64,
    /// The moment of the decision; the only clock there is.
    pub now: Timestamp,
    /// Where new identifiers come from.
    pub ids: &'a mut IdSource,
    wake_at: Option<Timestamp>,
    focus: Option<Focus>,
}

impl<'a> Plan<'a> {
    /// A plan that starts from `state` at `now`.
    pub fn new(state: &State, now: Timestamp, ids: &'a mut IdSource) -> Plan<'a> {
        let index = state.index() + 1;
        Plan { state: state.clone(), changes: Vec::new(), index, now, ids, wake_at: None, focus: None }
    }

    /// The state with all changes so far.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Adds a change and shows it to whoever looks at [`Plan::state`] from now on.
    pub fn push(&mut self, change: Change) -> Vec<Event> {
        let proposal = Proposal { at: self.now, changes: vec![change] };
        let events = self.state.apply(self.index, &proposal);
        self.changes.extend(proposal.changes);
        events
    }

    /// How many changes there are so far.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Has the passes look at no more than this; otherwise they look at everything.
    pub fn look_at(&mut self, focus: Focus) {
        self.focus = Some(focus);
    }

    /// What the passes are to look at, and note what they find in.
    pub fn focus(&mut self) -> &mut Focus {
        self.focus.get_or_insert_with(|| Focus::on_all(&self.state))
    }

    /// The services whose pending tasks may find a node.
    pub fn services_to_place(&mut self) -> Vec<ServiceId> {
        let state = self.state.clone();
        self.focus().to_place(&state)
    }

    /// Asks for another step at `at` at the latest, because something becomes due then.
    pub fn wake(&mut self, at: Timestamp) {
        self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// The changes, and when to look again.
    pub fn finish(self) -> (Vec<Change>, Option<Timestamp>) {
        (self.changes, self.wake_at)
    }
}
