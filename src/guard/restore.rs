//! The guards before a VM is restored.

use super::facts::{Neighbour, Presence, RestoreFacts, Support};
use super::{Finding, Objection};
use crate::definition::MovedDisk;
use crate::report::Kind;
use crate::words::quoted;

fn objection(words: String, cure: String, overridable: bool) -> Finding {
    Finding::Objection(Objection {
        kind: Kind::Guard,
        words,
        cure,
        overridable,
    })
}

/// libvirt refuses a name that another VM has, and a VM that has another name now.
pub(super) fn identity(facts: &RestoreFacts) -> Vec<Finding> {
    let name = &facts.name;
    let namesake = facts.namesake.map(|other| {
        objection(
            format!("another VM has its name, '{name}' ({other})"),
            format!(
                "give that one another name (virsh domrename {} NAME), then restore this one",
                quoted(name)
            ),
            false,
        )
    });
    let renamed = facts.known_as.as_ref().filter(|now| *now != name);
    let renamed = renamed.map(|now| {
        objection(
            format!("the VM had another name then, '{name}'"),
            format!(
                "virsh domrename {} {}, then restore it",
                quoted(now),
                quoted(name)
            ),
            false,
        )
    });
    namesake.into_iter().chain(renamed).collect()
}

/// QEMU opens the VM's files before it loads the memory.
pub(super) fn files(facts: &RestoreFacts) -> Vec<Finding> {
    let mut unseen = Vec::new();
    let mut found = Vec::new();
    for (file, presence) in &facts.files {
        let (role, path) = (&file.role, file.path.display());
        let (words, cure) = match presence {
            Presence::There => continue,
            Presence::Unseen => {
                unseen.push(format!("{role} {path}"));
                continue;
            }
            Presence::Missing => (
                format!("its {role} is missing, {path}"),
                "put it back where it was, or mount what it lies on".to_owned(),
            ),
            Presence::Forbidden => (
                format!("its {role} may not be used, {path}"),
                format!(
                    "its owner has to allow that: ls -l {}",
                    quoted(&path.to_string())
                ),
            ),
        };
        found.push(objection(words, cure, true));
    }
    if !unseen.is_empty() {
        found.push(Finding::Unchecked(format!(
            "whether these are there could not be looked at from here: {}",
            unseen.join(", ")
        )));
    }
    found
}

/// A snapshot of the disks, or somebody else, has put another file in a disk's place while the VM slept. The
/// memory would go on with the old one: what lies in the new one is lost, or built upon what then changes.
pub(super) fn disks(facts: &RestoreFacts) -> Vec<Finding> {
    let found = facts.moved.iter().map(|MovedDisk { role, then, now }| {
        let (then, now) = (then.display(), now.display());
        objection(
            format!("its {role} is {now} now, and its memory belongs to {then}"),
            format!("if nothing was written to {now}, make {then} its disk again (virsh edit)"),
            true,
        )
    });
    found.collect()
}

/// What the VM's network cards are plugged into.
pub(super) fn networks(facts: &RestoreFacts) -> Vec<Finding> {
    let networks = facts.networks.iter().filter_map(|(name, state)| {
        Some(match state {
            Neighbour::Active => return None,
            Neighbour::Inactive => objection(
                format!("its network '{name}' is not active"),
                format!("virsh net-start {}", quoted(name)),
                true,
            ),
            Neighbour::Missing => objection(
                format!("there is no network '{name}'"),
                "virsh net-list --all tells which there are; virsh net-define makes one".to_owned(),
                true,
            ),
            Neighbour::Unseen => Finding::Unchecked(format!(
                "whether its network '{name}' is active is not known"
            )),
        })
    });
    let bridges = facts.bridges.iter().filter_map(|(name, state)| {
        Some(match state {
            Neighbour::Active | Neighbour::Inactive => return None,
            Neighbour::Missing => objection(
                format!("this host has no network device '{name}'"),
                format!(
                    "make it first, such as: ip link add {} type bridge",
                    quoted(name)
                ),
                true,
            ),
            Neighbour::Unseen => Finding::Unchecked(format!(
                "whether the host has the network device '{name}' is not known"
            )),
        })
    });
    networks.chain(bridges).collect()
}

/// The storage pools that the VM's volumes lie in.
pub(super) fn storage(facts: &RestoreFacts) -> Vec<Finding> {
    let found = facts.pools.iter().filter_map(|(name, state)| {
        Some(match state {
            Neighbour::Active => return None,
            Neighbour::Inactive => objection(
                format!("the storage pool '{name}' of its disks is not active"),
                format!("virsh pool-start {}", quoted(name)),
                true,
            ),
            Neighbour::Missing => objection(
                format!("there is no storage pool '{name}' for its disks"),
                "virsh pool-list --all tells which there are; virsh pool-define makes one"
                    .to_owned(),
                true,
            ),
            Neighbour::Unseen => Finding::Unchecked(format!(
                "whether the storage pool '{name}' is active is not known"
            )),
        })
    });
    found.collect()
}

/// Memory can be loaded only into the machine that it was laid out for.
pub(super) fn platform(facts: &RestoreFacts) -> Vec<Finding> {
    let elsewhere = "restore it on a host that has it, such as the one that it was saved on";
    let platform = &facts.platform;
    let finding = match &facts.support {
        Support::Known => return Vec::new(),
        Support::NoMachine => objection(
            format!(
                "QEMU does not know its machine type here, '{}'",
                platform.machine.as_deref().unwrap_or_default()
            ),
            elsewhere.to_owned(),
            true,
        ),
        Support::NoCpu => objection(
            format!(
                "QEMU does not know its CPU model here, '{}'",
                platform.cpu_model.as_deref().unwrap_or_default()
            ),
            elsewhere.to_owned(),
            true,
        ),
        Support::Unseen => Finding::Unchecked(
            "libvirt did not tell in time whether its machine type and CPU model are known here"
                .to_owned(),
        ),
    };
    vec![finding]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{NeededFile, Platform};
    use uuid::Uuid;

    fn only(found: Vec<Finding>) -> Objection {
        match <[Finding; 1]>::try_from(found) {
            Ok([Finding::Objection(objection)]) => {
                assert_eq!(objection.kind, Kind::Guard);
                objection
            }
            other => panic!("not one objection: {other:?}"),
        }
    }

    fn unchecked(found: &[Finding]) -> bool {
        matches!(found, [Finding::Unchecked(_)])
    }

    fn named() -> RestoreFacts {
        RestoreFacts {
            name: "web".to_owned(),
            known_as: Some("web".to_owned()),
            ..RestoreFacts::default()
        }
    }

    #[test]
    fn nobody_objects_without_a_reason() {
        for guard in super::super::BEFORE_RESTORE {
            assert_eq!((guard.judge)(&named()), [], "{}", guard.name);
        }
    }

    #[test]
    fn a_name_that_another_vm_has_is_told_and_not_overridden() {
        let facts = RestoreFacts {
            namesake: Some(Uuid::nil()),
            ..named()
        };
        let found = only(identity(&facts));
        assert!(found.words.starts_with("another VM has its name, 'web'"));
        assert!(!found.overridable);
    }

    #[test]
    fn a_vm_that_was_renamed_since_is_told() {
        let facts = RestoreFacts {
            known_as: Some("db".to_owned()),
            ..named()
        };
        let found = only(identity(&facts));
        assert_eq!(found.words, "the VM had another name then, 'web'");
        assert_eq!(found.cure, "virsh domrename db web, then restore it");
    }

    #[test]
    fn files_that_are_missing_or_forbidden_are_named_and_unseen_ones_are_said() {
        let with = |presence| RestoreFacts {
            files: vec![(
                NeededFile {
                    role: "disk vda".to_owned(),
                    path: "/a b".into(),
                    written: true,
                },
                presence,
            )],
            ..named()
        };
        assert_eq!(files(&with(Presence::There)), []);
        let found = only(files(&with(Presence::Missing)));
        assert_eq!(found.words, "its disk vda is missing, /a b");
        let found = only(files(&with(Presence::Forbidden)));
        assert!(found.cure.contains("ls -l '/a b'"), "{found:?}");
        assert!(unchecked(&files(&with(Presence::Unseen))));
    }

    #[test]
    fn a_disk_that_is_another_file_now_is_told() {
        let facts = RestoreFacts {
            moved: vec![MovedDisk {
                role: "disk vda".to_owned(),
                then: "/a".into(),
                now: "/a.s1".into(),
            }],
            ..named()
        };
        let words = "its disk vda is /a.s1 now, and its memory belongs to /a";
        assert_eq!(only(disks(&facts)).words, words);
    }

    #[test]
    fn networks_and_pools_that_are_not_there_come_with_the_word_that_starts_them() {
        let with = |state: Neighbour| {
            let it = vec![("a b".to_owned(), state)];
            RestoreFacts {
                networks: it.clone(),
                bridges: it.clone(),
                pools: it,
                ..named()
            }
        };
        let inactive = with(Neighbour::Inactive);
        assert_eq!(only(networks(&inactive)).cure, "virsh net-start 'a b'");
        assert_eq!(only(storage(&inactive)).cure, "virsh pool-start 'a b'");
        let missing = with(Neighbour::Missing);
        assert_eq!(networks(&missing).len(), 2);
        assert!(only(storage(&missing)).words.contains("no storage pool"));
        assert!(unchecked(&storage(&with(Neighbour::Unseen))));
        assert_eq!(networks(&with(Neighbour::Active)), []);
    }

    #[test]
    fn a_machine_type_or_cpu_that_is_unknown_here_is_named() {
        let with = |support| RestoreFacts {
            support,
            platform: Platform {
                machine: Some("pc-99".to_owned()),
                cpu_model: Some("Future".to_owned()),
                ..Platform::default()
            },
            ..named()
        };
        assert!(
            only(platform(&with(Support::NoMachine)))
                .words
                .contains("'pc-99'")
        );
        assert!(
            only(platform(&with(Support::NoCpu)))
                .words
                .contains("'Future'")
        );
        assert!(unchecked(&platform(&with(Support::Unseen))));
    }
}
