//! The guards before a VM is hibernated.

use super::facts::{Room, SaveFacts};
use super::{Finding, Objection};
use crate::definition::{Obstacle, Part};
use crate::report::Kind;
use crate::words::size;

/// A job holds the VM: libvirt would wait for it, or refuse.
pub(super) fn jobs(facts: &SaveFacts) -> Vec<Finding> {
    let busy = |words, cure: &str| {
        Finding::Objection(Objection {
            kind: Kind::Busy,
            words,
            cure: cure.to_owned(),
            overridable: true,
        })
    };
    let block_jobs = facts.block_jobs.iter().map(|(disk, (at, end))| {
        let percent = at.saturating_mul(100).checked_div(*end).unwrap_or_default();
        busy(
            format!("a block job runs on its disk {disk} ({percent} %)"),
            "wait for its end, or end it with virsh blockjob --abort",
        )
    });
    let job = facts.has_job.then(|| {
        busy(
            "a job holds it, such as a backup".to_owned(),
            "virsh domjobinfo tells about it, virsh domjobabort ends it",
        )
    });
    let unknown = facts.jobs_unknown.then(|| {
        Finding::Unchecked("QEMU did not tell in time whether a job runs on it".to_owned())
    });
    block_jobs.chain(job).chain(unknown).collect()
}

/// A disk whose writes end with the VM has no state that a restore could come back to.
pub(super) fn stateless(facts: &SaveFacts) -> Vec<Finding> {
    obstacles(facts, Part::TransientDisk)
}

/// Devices whose state nobody can write down.
pub(super) fn devices(facts: &SaveFacts) -> Vec<Finding> {
    obstacles(facts, Part::Device)
}

/// A CPU whose state nobody can write down.
pub(super) fn cpu(facts: &SaveFacts) -> Vec<Finding> {
    obstacles(facts, Part::Cpu)
}

fn obstacles(facts: &SaveFacts, part: Part) -> Vec<Finding> {
    let found = facts.saving.obstacles.iter();
    let found = found.filter(|obstacle| obstacle.part == part);
    found.map(of_obstacle).collect()
}

fn of_obstacle(obstacle: &Obstacle) -> Finding {
    let Obstacle { what, cure, .. } = obstacle;
    if !obstacle.certain {
        return Finding::Unchecked(format!(
            "QEMU alone knows whether {what} can be saved: it is asked before the guest is stopped ({cure})"
        ));
    }
    Finding::Objection(Objection {
        kind: Kind::CannotSave,
        words: format!("{what} cannot be saved"),
        cure: cure.clone(),
        overridable: true,
    })
}

/// The file system must have room for the memory that is in use.
pub(super) fn space(facts: &SaveFacts) -> Vec<Finding> {
    let room = match &facts.room {
        Room::Free { folder, bytes } => facts.image_at_most().map(|need| (need, folder, *bytes)),
        Room::Elsewhere => {
            return vec![Finding::Caution(
                "whether there is room for its image is not known: only the daemon can see that place"
                    .to_owned(),
            )];
        }
        Room::Uncounted => {
            return vec![Finding::Unchecked(
                "the file system does not tell whether there is room for its image".to_owned(),
            )];
        }
        Room::Irrelevant => return Vec::new(),
    };
    let Some((need, folder, free)) = room else {
        return vec![Finding::Unchecked(
            "how much memory it uses is not known, and so not whether there is room for it"
                .to_owned(),
        )];
    };
    let free = free.saturating_sub(facts.promised);
    if need <= free {
        return Vec::new();
    }
    vec![Finding::Objection(Objection {
        kind: Kind::Space,
        words: format!(
            "its image may take {}, and {} has {} left{}",
            size(need),
            folder.display(),
            size(free),
            if facts.promised == 0 {
                ""
            } else {
                ", after those before it"
            }
        ),
        cure: "make room, or name another place with --to".to_owned(),
        overridable: true,
    })]
}

/// libvirt starts such a VM with the host, without its image.
pub(super) fn autostart(facts: &SaveFacts) -> Vec<Finding> {
    let words =
        "autostart is on: at the host's next start libvirt boots it fresh, without its image";
    let caution = facts.autostart.then(|| Finding::Caution(words.to_owned()));
    caution.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::Saving;

    fn objection(found: Vec<Finding>) -> Objection {
        match <[Finding; 1]>::try_from(found) {
            Ok([Finding::Objection(objection)]) => objection,
            other => panic!("not one objection: {other:?}"),
        }
    }

    fn with(part: Part, certain: bool) -> SaveFacts {
        let obstacle = Obstacle {
            part,
            what: "the thing".to_owned(),
            cure: "take it out".to_owned(),
            certain,
        };
        SaveFacts {
            saving: Saving {
                obstacles: vec![obstacle],
                ..Saving::default()
            },
            ..SaveFacts::default()
        }
    }

    fn with_room(memory: Option<u64>, at_most: Option<u64>, free: u64) -> SaveFacts {
        SaveFacts {
            memory_in_use: memory,
            saving: Saving {
                at_most,
                ..Saving::default()
            },
            room: Room::Free {
                folder: "/images".into(),
                bytes: free,
            },
            ..SaveFacts::default()
        }
    }

    #[test]
    fn nobody_objects_without_a_reason() {
        for guard in super::super::BEFORE_SAVE {
            let found = (guard.judge)(&SaveFacts::default());
            assert_eq!(found, [], "{}", guard.name);
        }
    }

    #[test]
    fn a_device_that_cannot_be_saved_is_named() {
        let found = objection(devices(&with(Part::Device, true)));
        assert_eq!(found.kind, Kind::CannotSave);
        assert_eq!(found.words, "the thing cannot be saved");
        assert_eq!(found.cure, "take it out");
        assert_eq!(objection(cpu(&with(Part::Cpu, true))).words, found.words);
        let disk = stateless(&with(Part::TransientDisk, true));
        assert_eq!(objection(disk).words, found.words);
        assert_eq!(devices(&with(Part::Cpu, true)), []);
    }

    #[test]
    fn what_only_qemu_can_know_is_left_to_qemu() {
        let found = devices(&with(Part::Device, false));
        assert!(matches!(&found[..], [Finding::Unchecked(words)] if words.contains("the thing")));
    }

    #[test]
    fn jobs_make_it_busy() {
        let facts = SaveFacts {
            block_jobs: vec![("vda".to_owned(), (1, 4))],
            ..SaveFacts::default()
        };
        let found = objection(jobs(&facts));
        assert_eq!(found.kind, Kind::Busy);
        assert_eq!(found.words, "a block job runs on its disk vda (25 %)");
        let facts = SaveFacts {
            has_job: true,
            ..SaveFacts::default()
        };
        assert_eq!(objection(jobs(&facts)).kind, Kind::Busy);
        let facts = SaveFacts {
            block_jobs: vec![("vda".to_owned(), (0, 0))],
            ..SaveFacts::default()
        };
        assert!(objection(jobs(&facts)).words.contains("0 %"));
    }

    #[test]
    fn room_is_needed_for_the_memory_in_use_and_never_for_more_than_there_is() {
        assert_eq!(space(&with_room(Some(100), Some(300), 100)), []);
        assert_eq!(space(&with_room(Some(500), Some(300), 300)), []);
        let found = objection(space(&with_room(Some(2040), Some(9999), 1024)));
        assert_eq!(found.kind, Kind::Space);
        assert_eq!(
            found.words,
            "its image may take 2.00 KiB, and /images has 1.00 KiB left"
        );
        let second = SaveFacts {
            promised: 60,
            ..with_room(Some(50), None, 100)
        };
        let found = objection(space(&second));
        assert!(
            found.words.ends_with("40 B left, after those before it"),
            "{found:?}"
        );
        assert_eq!(
            objection(space(&with_room(None, Some(2), 1))).kind,
            Kind::Space
        );
        let huge = SaveFacts {
            saving: Saving {
                is_uncounted: true,
                at_most: Some(300),
                ..Saving::default()
            },
            ..with_room(Some(1), None, 299)
        };
        assert_eq!(objection(space(&huge)).kind, Kind::Space);
    }

    #[test]
    fn room_that_cannot_be_seen_is_said_not_assumed() {
        assert!(matches!(
            space(&with_room(None, None, 1))[..],
            [Finding::Unchecked(_)]
        ));
        let elsewhere = SaveFacts {
            room: Room::Elsewhere,
            ..with_room(Some(1), Some(1), 1)
        };
        assert!(matches!(space(&elsewhere)[..], [Finding::Caution(_)]));
        let uncounted = SaveFacts {
            room: Room::Uncounted,
            ..elsewhere
        };
        assert!(matches!(space(&uncounted)[..], [Finding::Unchecked(_)]));
    }

    #[test]
    fn autostart_is_a_caution() {
        let facts = SaveFacts {
            autostart: true,
            ..SaveFacts::default()
        };
        assert!(matches!(autostart(&facts)[..], [Finding::Caution(_)]));
    }
}
