use super::*;
use gam_dice::Dice;

/// A history in words, a step a line: `BEGIN-END WHAT`, or `BEGIN- WHAT` if what came of it is not known. What: `create 1`,
/// `exists`, `update 1 2`, `remove`, `absent` (a removal of nothing), `read 1`, `read none`.
fn steps(text: &str) -> Vec<Step> {
    let number = |word: &str| word.parse::<u64>().unwrap();
    let step = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (begun, ended) = words[0].split_once('-').unwrap();
        let (needs, sets) = match words[1..] {
            ["create", value] => (Needs::Absent, Some(Some(number(value)))),
            ["exists"] => (Needs::Present, None),
            ["update", read, value] => (Needs::Value(number(read)), Some(Some(number(value)))),
            ["remove"] => (Needs::Present, Some(None)),
            ["absent"] | ["read", "none"] => (Needs::Absent, None),
            ["read", value] => (Needs::Value(number(value)), None),
            _ => panic!("{line}"),
        };
        Step { needs, sets, begun: number(begun), ended: (!ended.is_empty()).then(|| number(ended)) }
    };
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(step).collect()
}

#[track_caller]
fn yes(text: &str) {
    assert_eq!(check(&steps(text)), Ok(()));
}

#[track_caller]
fn no(text: &str, register: Option<Value>, next: &[usize]) {
    assert_eq!(check(&steps(text)), Err(Fault::Stuck { register, next: next.to_vec() }));
}

#[test]
fn one_after_the_other() {
    yes("");
    yes("0-1 create 1\n 2-3 read 1\n 4-5 update 1 2\n 6-7 read 2\n 8-9 remove\n 10-11 read none\n 12-13 create 3");
}

#[test]
fn at_once_means_in_either_order() {
    yes("0-10 create 1\n 1-2 read none\n 3-4 read 1\n 5-6 exists");
    yes("0-1 create 1\n 2-9 update 1 2\n 3-8 update 2 3\n 10-11 read 3");
    yes("0-1 create 1\n 2-9 remove\n 3-8 create 2\n 10-11 read 2");
}

#[test]
fn an_acknowledged_creation_that_is_not_there() {
    no("0-1 create 1\n 2-3 read none", Some(1), &[1]);
}

#[test]
fn an_acknowledged_update_that_is_lost() {
    no("0-1 create 1\n 2-3 update 1 2\n 4-5 read 1", Some(2), &[2]);
}

#[test]
fn a_stale_read() {
    no("0-1 create 1\n 2-9 update 1 2\n 3-4 read 2\n 5-6 read 1", Some(2), &[3]);
}

#[test]
fn two_updates_of_one_version() {
    no("0-1 create 1\n 2-9 update 1 2\n 3-8 update 1 3", Some(2), &[2]);
}

#[test]
fn two_creations_of_one_name() {
    no("0-9 create 1\n 1-8 create 2", Some(1), &[1]);
}

#[test]
fn a_removed_one_that_comes_back() {
    no("0-1 create 1\n 2-3 remove\n 4-5 read 1", None, &[2]);
}

#[test]
fn a_name_that_is_taken_by_nobody() {
    no("0-1 exists", None, &[0]);
    no("0-1 create 1\n 2-3 absent", Some(1), &[1]);
}

#[test]
fn what_nobody_knows_may_have_happened_or_not() {
    yes("0- create 1\n 2-3 read none");
    yes("0- create 1\n 2-3 read 1");
    yes("0-1 create 1\n 2- update 1 2\n 3-4 read 1\n 5-6 read 2");
    yes("0-1 create 1\n 2- remove\n 3-4 create 2\n 5-6 read 2");
    yes("0- create 1\n 1- create 2\n 2- remove\n 3-4 read 2\n 5-6 read 1");
}

#[test]
fn what_nobody_knows_happens_at_most_once_and_not_before_its_begin() {
    no("0- create 1\n 2-3 read 1\n 4-5 remove\n 6-7 read 1", None, &[3]);
    no("0-1 read 1\n 2- create 1", None, &[0]);
    no("0-1 create 1\n 2- update 1 2\n 3-4 read 2\n 5-6 read 1", Some(2), &[3]);
}

/// Clients of a true register, some of whose answers are lost: always in order. If one read is turned into another that was
/// so long before, never.
#[test]
fn histories_of_a_true_register_pass_and_falsified_ones_do_not() {
    for seed in 0..200 {
        let mut steps = simulate(seed, 4, 120);
        assert_eq!(check(&steps), Ok(()), "seed {seed}");
        let sets = |value| move |step: &&Step| step.sets == Some(Some(value)) && step.ended.is_some();
        let mut reads = steps.iter().enumerate().filter(|(_, step)| step.sets.is_none());
        let Some((at, _)) = reads.rfind(|(_, step)| matches!(step.needs, Needs::Value(_))) else { continue };
        let begun = steps[at].begun;
        // A value that was acknowledged and read over before this read began.
        let old = steps.iter().filter_map(|step| match step.needs {
            Needs::Value(value) if step.sets.is_some() && step.ended.is_some_and(|end| end < begun) => Some(value),
            _ => None,
        });
        let Some(old) = old.filter(|value| steps.iter().any(|step| sets(*value)(&step))).min() else { continue };
        steps[at].needs = Needs::Value(old);
        assert!(matches!(check(&steps), Err(Fault::Stuck { .. })), "seed {seed}");
    }
}

/// A random history of a register that takes each step at a random moment between its begin and its end.
fn simulate(seed: u64, clients: u64, steps: u64) -> Vec<Step> {
    let mut dice = Dice(seed);
    let mut planned: Vec<(u64, u64, u64, bool)> = Vec::new();
    for client in 0..clients {
        let mut at = client;
        for _ in 0..steps / clients {
            let begun = at + 10 * dice.below(5) + 10;
            let effect = begun + 10 * dice.below(5) + 10;
            let ended = effect + 10 * dice.below(5) + 10;
            planned.push((begun, effect, ended, dice.chance(10)));
            at = ended;
        }
    }
    planned.sort_by_key(|step| (step.1, step.0));
    let (mut register, mut fresh, mut history) = (None, 0, Vec::new());
    for (begun, _, ended, is_lost) in planned {
        let kind = dice.below(10);
        let (needs, sets) = match register {
            None if kind < 7 => (Needs::Absent, Some(Some(fresh))),
            None => (Needs::Absent, None),
            Some(_) if kind == 0 => (Needs::Present, Some(None)),
            Some(value) if kind < 5 => (Needs::Value(value), Some(Some(fresh))),
            Some(_) if kind == 5 => (Needs::Present, None),
            Some(value) => (Needs::Value(value), None),
        };
        fresh += 1;
        // A lost read tells nothing; a lost write may be lost on the way there or back.
        if is_lost && sets.is_none() {
            continue;
        }
        if !is_lost || dice.chance(50) {
            register = sets.unwrap_or(register);
        }
        history.push(Step { needs, sets, begun, ended: (!is_lost).then_some(ended) });
    }
    history
}
