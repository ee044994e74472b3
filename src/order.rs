//! In which order VMs take their turns: what it depends on, what matters more.
//!
//! What others need wakes first and sleeps last; so does what has a high priority. Only needs are waited for.

use crate::entity::Vm;
use crate::plan::Verb;
use crate::report::{Failure, Kind};
use crate::words::quoted;
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

/// The turns of VMs, which are told by their places in the list that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// Whose turn it is first, second ...
    pub turns: Vec<usize>,
    /// Whose end each VM waits for.
    pub waits_for: Vec<Vec<usize>>,
}

/// Puts VMs in their order. A need that is not among them is of no matter. Where time may not suffice for all, the
/// important ones come first, whatever is done to them.
///
/// # Errors
/// If VMs need each other in a circle.
pub fn order(vms: &[&Vm], verb: Verb, is_urgent: bool) -> Result<Order, Failure> {
    let needs = needs(vms);
    let sleeps = matches!(verb, Verb::Hibernate | Verb::Pause);
    let waits_for = if sleeps {
        let mut needed_by = vec![Vec::new(); vms.len()];
        for (one, needs) in needs.iter().enumerate() {
            for &need in needs {
                needed_by[need].push(one);
            }
        }
        needed_by
    } else {
        needs
    };
    let priority = |one: usize| {
        let priority = i64::from(vms[one].vm_static.priority);
        if sleeps && !is_urgent {
            priority
        } else {
            -priority
        }
    };
    let mut waiters = vec![Vec::new(); vms.len()];
    let mut open: Vec<usize> = Vec::new();
    for (one, others) in waits_for.iter().enumerate() {
        open.push(others.len());
        for &other in others {
            waiters[other].push(one);
        }
    }
    let is_free = |one: &usize| waits_for[*one].is_empty();
    let turn = |one: usize| Reverse((priority(one), one));
    let free = (0..vms.len()).filter(is_free).map(turn);
    let mut free: std::collections::BinaryHeap<_> = free.collect();
    let mut turns = Vec::new();
    while let Some(Reverse((_, one))) = free.pop() {
        turns.push(one);
        for &waiter in &waiters[one] {
            open[waiter] -= 1;
            if open[waiter] == 0 {
                free.push(turn(waiter));
            }
        }
    }
    if turns.len() < vms.len() {
        return Err(circle(vms, &waits_for, &turns));
    }
    Ok(Order { turns, waits_for })
}

/// Which of the others each VM depends on.
fn needs(vms: &[&Vm]) -> Vec<Vec<usize>> {
    // A need is one of the same host.
    let mut places: HashMap<(Option<&str>, String), Vec<usize>> = HashMap::new();
    for (place, vm) in vms.iter().enumerate() {
        let id = vm.id().map(|id| id.to_string());
        for word in [Some(vm.name().to_owned()), id].into_iter().flatten() {
            places
                .entry((vm.host.as_deref(), word))
                .or_default()
                .push(place);
        }
    }
    let needs_of = |vm: &&Vm| {
        let words = vm.vm_static.depends_on.iter();
        let host = vm.host.as_deref();
        let at = |word: String| places.get(&(host, word));
        let found = words.filter_map(|word| at(word.clone()).or_else(|| at(word.to_lowercase())));
        let found: BTreeSet<usize> = found.flatten().copied().collect();
        found.into_iter().collect()
    };
    vms.iter().map(needs_of).collect()
}

/// Names one circle among those that never got their turn.
fn circle(vms: &[&Vm], waits_for: &[Vec<usize>], turns: &[usize]) -> Failure {
    let is_stuck = |one: &usize| !turns.contains(one);
    let mut path: Vec<usize> = Vec::new();
    let mut next = (0..vms.len()).find(is_stuck);
    while let Some(one) = next.filter(|one| !path.contains(one)) {
        path.push(one);
        next = waits_for[one].iter().copied().find(is_stuck);
    }
    let begin = next.and_then(|one| path.iter().position(|other| *other == one));
    let mut names: Vec<String> = path[begin.unwrap_or_default()..]
        .iter()
        .map(|one| quoted(vms[*one].name()))
        .collect();
    names.sort();
    let message = format!(
        "these VMs depend on each other in a circle, so that none can be first: {}",
        names.join(", ")
    );
    Failure::new(Kind::Usage, message).hint("take one of them out of another's dependsOn")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vms(all: &[(&str, u32, &[&str])]) -> Vec<Vm> {
        let vm = |(name, priority, needs): &(&str, u32, &[&str])| {
            let mut vm = Vm::default();
            vm.vm_static.name = (*name).to_owned();
            vm.vm_static.priority = *priority;
            vm.vm_static.depends_on = needs.iter().map(ToString::to_string).collect();
            vm
        };
        all.iter().map(vm).collect()
    }

    fn turns(all: &[(&str, u32, &[&str])], verb: Verb) -> Vec<String> {
        let vms = vms(all);
        let vms: Vec<&Vm> = vms.iter().collect();
        let order = order(&vms, verb, false).unwrap();
        let names = order.turns.iter().map(|one| vms[*one].name().to_owned());
        names.collect()
    }

    #[test]
    fn what_matters_more_wakes_first_and_sleeps_last() {
        let all: &[(&str, u32, &[&str])] = &[
            ("a", 1, &[]),
            ("b", 100, &[]),
            ("c", 50, &[]),
            ("d", 50, &[]),
        ];
        assert_eq!(turns(all, Verb::Hibernate), ["a", "c", "d", "b"]);
        assert_eq!(turns(all, Verb::Pause), ["a", "c", "d", "b"]);
        assert_eq!(turns(all, Verb::Restore), ["b", "c", "d", "a"]);
        assert_eq!(turns(all, Verb::Resume), ["b", "c", "d", "a"]);
        let vms = vms(all);
        let vms: Vec<&Vm> = vms.iter().collect();
        let urgent = order(&vms, Verb::Hibernate, true).unwrap();
        assert_eq!(urgent.turns, [1, 2, 3, 0]);
    }

    #[test]
    fn what_is_needed_wakes_first_and_sleeps_last_whatever_its_priority() {
        let all: &[(&str, u32, &[&str])] = &[
            ("web", 100, &["db", "elsewhere"]),
            ("db", 0, &["disks"]),
            ("disks", 1, &[]),
            ("other", 50, &[]),
        ];
        assert_eq!(turns(all, Verb::Restore), ["other", "disks", "db", "web"]);
        assert_eq!(turns(all, Verb::Hibernate), ["other", "web", "db", "disks"]);
        let vms = vms(all);
        let vms: Vec<&Vm> = vms.iter().collect();
        let waits = order(&vms, Verb::Hibernate, false).unwrap().waits_for;
        assert_eq!(waits, [vec![], vec![0], vec![1], vec![]]);
    }

    #[test]
    fn a_need_may_be_told_by_uuid() {
        let mut all = vms(&[
            ("a", 0, &["6F2B1D0E-5B0E-4D0E-9D53-0C7F7B7D2A11"]),
            ("b", 0, &[]),
        ]);
        all[1].vm_static.id = "6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a11".parse().ok();
        let all: Vec<&Vm> = all.iter().collect();
        assert_eq!(order(&all, Verb::Restore, false).unwrap().turns, [1, 0]);
    }

    #[test]
    fn a_circle_is_told_by_its_names() {
        let all = vms(&[
            ("on", 0, &["a"]),
            ("a", 0, &["b"]),
            ("b", 0, &["c"]),
            ("c", 0, &["a"]),
            ("free", 0, &[]),
        ]);
        let all: Vec<&Vm> = all.iter().collect();
        for verb in [Verb::Hibernate, Verb::Restore] {
            let failure = order(&all, verb, false).unwrap_err();
            assert_eq!(failure.kind, Kind::Usage);
            assert!(
                failure.message.ends_with("can be first: a, b, c"),
                "{failure:?}"
            );
        }
        let alone = vms(&[("a", 0, &["a"])]);
        assert!(order(&[&alone[0]], Verb::Restore, false).is_err());
    }
}
