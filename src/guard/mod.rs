//! What speaks against hibernating or restoring a VM, found out in milliseconds instead of after minutes.
//!
//! The two lists below are all of it. Each guard is a small pure function over facts; `facts` gathers
//! these beforehand, in one place and within time limits. libvirt and QEMU have the last word all the same:
//! what only they can know is left to them, and [`explain`] adds the cure to what they say.

mod facts;
mod restore;
mod save;

pub use facts::{Neighbour, Presence, RestoreFacts, Room, SaveFacts, Support};

use crate::definition::Obstacle;
use crate::plan::Verb;
use crate::report::{Failure, Kind};

/// What is looked at before a VM is hibernated.
pub const BEFORE_SAVE: &[Guard<SaveFacts>] = &[
    Guard::new("jobs", save::jobs),
    Guard::new("stateless", save::stateless),
    Guard::new("devices", save::devices),
    Guard::new("cpu", save::cpu),
    Guard::new("space", save::space),
    Guard::new("autostart", save::autostart),
];

/// What is looked at before a VM is restored.
pub const BEFORE_RESTORE: &[Guard<RestoreFacts>] = &[
    Guard::new("identity", restore::identity),
    Guard::new("files", restore::files),
    Guard::new("disks", restore::disks),
    Guard::new("networks", restore::networks),
    Guard::new("storage", restore::storage),
    Guard::new("platform", restore::platform),
];

/// One thing that is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Guard<F: 'static> {
    /// Its name, for whoever overrides it.
    pub name: &'static str,
    judge: fn(&F) -> Vec<Finding>,
}

impl<F> Guard<F> {
    const fn new(name: &'static str, judge: fn(&F) -> Vec<Finding>) -> Self {
        Self { name, judge }
    }
}

/// What a guard finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It must not go on.
    Objection(Objection),
    /// It may go on, but the user should know this.
    Caution(String),
    /// This was not looked at, and somebody else will.
    Unchecked(String),
}

/// Why it must not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    /// The kind of failure that it is, and so the exit code.
    pub kind: Kind,
    /// What is wrong, as the second half of a sentence.
    pub words: String,
    /// What to do about it.
    pub cure: String,
    /// Whether `--force` goes on all the same.
    pub overridable: bool,
}

/// What is to be said although it goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remarks {
    /// Guards that were overridden.
    pub overridden: Vec<String>,
    /// What the user should know.
    pub cautions: Vec<String>,
    /// What was not looked at.
    pub unchecked: Vec<String>,
}

/// Asks all guards of a list, in its order.
///
/// # Errors
/// The first objection that `force` does not override, with the others as warnings.
pub fn ask<F>(guards: &[Guard<F>], facts: &F, verb: Verb, force: bool) -> Result<Remarks, Failure> {
    let mut remarks = Remarks::default();
    let mut objections = Vec::new();
    for guard in guards {
        for finding in (guard.judge)(facts) {
            match finding {
                Finding::Objection(objection) if force && objection.overridable => {
                    let Objection { words, .. } = objection;
                    let name = guard.name;
                    remarks
                        .overridden
                        .push(format!("against the guard '{name}': {words} (--force)"));
                }
                Finding::Objection(objection) => objections.push(objection),
                Finding::Caution(words) => remarks.cautions.push(words),
                Finding::Unchecked(words) => remarks.unchecked.push(words),
            }
        }
    }
    let mut objections = objections.into_iter();
    let Some(first) = objections.next() else {
        return Ok(remarks);
    };
    let message = format!("cannot be {}: {}", verb.past(), first.words);
    let hint = if first.overridable {
        format!("{}; --force tries it all the same", first.cure)
    } else {
        first.cure
    };
    let others = objections.map(|other| format!("besides, {}: {}", other.words, other.cure));
    Err(Failure::new(first.kind, message)
        .hint(hint)
        .warned(others.collect()))
}

/// A save was refused by libvirt or QEMU: adds what is known of the VM that they may mean, and its cure.
#[must_use]
pub fn explain(failure: Failure, obstacles: &[Obstacle]) -> Failure {
    if failure.kind != Kind::CannotSave || obstacles.is_empty() {
        return failure;
    }
    let cures = obstacles
        .iter()
        .map(|Obstacle { what, cure, .. }| format!("if {what} is meant: {cure}"));
    let cures: Vec<String> = cures.collect();
    failure.hint(cures.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::Part;

    fn objects(overridable: bool) -> Finding {
        Finding::Objection(Objection {
            kind: Kind::Space,
            words: "it is full".to_owned(),
            cure: "make room".to_owned(),
            overridable,
        })
    }

    const GUARDS: &[Guard<bool>] = &[
        Guard::new("first", |overridable| vec![objects(*overridable)]),
        Guard::new("second", |_| {
            vec![
                Finding::Caution("look out".to_owned()),
                Finding::Unchecked("who knows".to_owned()),
                objects(true),
            ]
        }),
    ];

    #[test]
    fn the_first_objection_is_the_failure_and_the_others_are_told_with_it() {
        let failure = ask(GUARDS, &true, Verb::Hibernate, false).unwrap_err();
        assert_eq!(failure.kind, Kind::Space);
        assert_eq!(failure.message, "cannot be hibernated: it is full");
        assert_eq!(
            failure.hint.as_deref(),
            Some("make room; --force tries it all the same")
        );
        assert_eq!(failure.warnings, ["besides, it is full: make room"]);
    }

    #[test]
    fn force_overrides_by_name_and_only_what_may_be_overridden() {
        let remarks = ask(GUARDS, &true, Verb::Restore, true).unwrap();
        assert_eq!(
            remarks.overridden,
            [
                "against the guard 'first': it is full (--force)",
                "against the guard 'second': it is full (--force)"
            ]
        );
        assert_eq!(remarks.cautions, ["look out"]);
        assert_eq!(remarks.unchecked, ["who knows"]);
        let failure = ask(GUARDS, &false, Verb::Restore, true).unwrap_err();
        assert_eq!(failure.hint.as_deref(), Some("make room"));
    }

    #[test]
    fn what_qemu_refuses_is_named_with_its_cure_where_it_is_known() {
        let refused = Failure::new(Kind::CannotSave, "could not be hibernated").hint("generally");
        let obstacle = Obstacle {
            part: Part::Device,
            what: "the 9p folder 'a'".to_owned(),
            cure: "unmount it".to_owned(),
            certain: false,
        };
        let told = explain(refused.clone(), std::slice::from_ref(&obstacle));
        assert_eq!(
            told.hint.as_deref(),
            Some("if the 9p folder 'a' is meant: unmount it")
        );
        assert_eq!(explain(refused.clone(), &[]), refused);
        let other = Failure::new(Kind::Space, "could not be hibernated");
        assert_eq!(explain(other.clone(), &[obstacle]), other);
    }
}
