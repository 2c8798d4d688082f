//! Is there an order in which a register could have done all this? Every step takes effect at one moment between its begin
//! and its end; one whose outcome nobody knows takes effect at some moment after its begin, or never. (The search is Wing
//! and Gong's, with Lowe's memory of where it has been.)
//!
//! Pure. The register is one service: absent, or present with the value in its label. Values are never used twice.

use std::collections::HashSet;

/// What an operation writes; no two write the same.
pub type Value = u64;

/// Places the search may visit before it gives up. Histories of this driver need some thousands.
const PLACES_MAX: usize = 300_000;

/// What must be so at the moment at which a step takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// There is no such service.
    Absent,
    /// There is one.
    Present,
    /// There is one with this value.
    Value(Value),
}

/// One operation on the register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// What must be so.
    pub needs: Needs,
    /// What is so afterwards, if it changes anything.
    pub sets: Option<Option<Value>>,
    /// When it was called.
    pub begun: u64,
    /// When it was answered; `None` if what came of it is not known.
    pub ended: Option<u64>,
}

impl Step {
    fn is_possible(&self, register: Option<Value>) -> bool {
        match self.needs {
            Needs::Absent => register.is_none(),
            Needs::Present => register.is_some(),
            Needs::Value(value) => register == Some(value),
        }
    }
}

/// Why there is no such order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// In the order that goes furthest the register holds this, and none of these steps, by their places, can come next.
    Stuck { register: Option<Value>, next: Vec<usize> },
    /// There were too many orders to try.
    TooHard,
}

/// Whether the steps can be put in order, from a register that is absent.
///
/// # Errors
/// When they cannot, and where that shows.
pub fn check(steps: &[Step]) -> Result<(), Fault> {
    let left = steps.iter().filter(|step| step.ended.is_some()).count();
    let mut order: Vec<usize> = (0..steps.len()).collect();
    order.sort_by_key(|at| (steps[*at].begun, *at));
    let taken = vec![false; steps.len()];
    let stuck = Fault::Stuck { register: None, next: Vec::new() };
    let mut search = Search { steps, order, taken, left, furthest: left + 1, stuck, been: HashSet::new() };
    match search.goes_on(None) {
        true => Ok(()),
        false if search.been.len() >= PLACES_MAX => Err(Fault::TooHard),
        false => Err(search.stuck),
    }
}

struct Search<'a> {
    steps: &'a [Step],
    /// Places by their begin.
    order: Vec<usize>,
    taken: Vec<bool>,
    /// Answered steps that are not taken yet.
    left: usize,
    /// The fewest of them that were ever left, and what was so then.
    furthest: usize,
    stuck: Fault,
    been: HashSet<(Vec<bool>, Option<Value>)>,
}

impl Search<'_> {
    /// Whether the rest can be put in order behind what is taken.
    fn goes_on(&mut self, register: Option<Value>) -> bool {
        if self.left == 0 {
            return true;
        }
        if self.been.len() >= PLACES_MAX || !self.been.insert((self.taken.clone(), register)) {
            return false;
        }
        let mut next = self.next();
        if self.left < self.furthest {
            self.furthest = self.left;
            let next = next.iter().copied().filter(|at| self.steps[*at].ended.is_some()).collect();
            self.stuck = Fault::Stuck { register, next };
        }
        next.retain(|at| self.steps[*at].is_possible(register));
        // What changes nothing and is possible may as well come now: it is in nobody's way.
        if let Some(idle) = next.iter().copied().find(|at| self.steps[*at].sets.is_none()) {
            next = vec![idle];
        }
        next.sort_by_key(|at| self.steps[*at].ended.is_none());
        next.into_iter().any(|at| {
            let step = self.steps[at];
            self.take(at, true);
            let goes_on = self.goes_on(step.sets.unwrap_or(register));
            self.take(at, false);
            goes_on
        })
    }

    /// What may come next: whatever began before the first end among what is left.
    fn next(&self) -> Vec<usize> {
        let open = || self.order.iter().copied().filter(|at| !self.taken[*at]);
        let first_end = open().filter_map(|at| self.steps[at].ended).min().unwrap_or(u64::MAX);
        open().take_while(|at| self.steps[*at].begun <= first_end).collect()
    }

    fn take(&mut self, at: usize, taken: bool) {
        self.taken[at] = taken;
        if self.steps[at].ended.is_some() {
            self.left = if taken { self.left - 1 } else { self.left + 1 };
        }
    }
}

#[cfg(test)]
mod tests;
