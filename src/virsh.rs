//! Words of virsh's, for those who type them here.

use crate::report::{Failure, Kind};

/// The words of each, and what vmlife has in their stead; nothing where it has none.
const WORDS: &[(&[&str], &str)] = &[
    (&["list"], "vmlife show lists all VMs"),
    (
        &[
            "dominfo",
            "domstats",
            "domblklist",
            "domiflist",
            "domifaddr",
            "domjobinfo",
            "vncdisplay",
            "snapshot-list",
        ],
        "vmlife show NAME tells all of it",
    ),
    (
        &["domstate"],
        "vmlife show NAME --exit-state prints the state",
    ),
    (&["dumpxml"], "vmlife show NAME -o xml prints it"),
    (&["save-image-dumpxml"], "vmlife show -o xml FILE prints it"),
    (
        &["managedsave"],
        "vmlife hibernate NAME --managed does that",
    ),
    (
        &["managedsave-remove"],
        "vmlife restore NAME --discard gives an image up",
    ),
    (&["dompmwakeup"], "vmlife resume NAME wakes it, too"),
    (
        &["start"],
        "vmlife restore NAME wakes a VM that sleeps; with --or-start it boots one that does not",
    ),
    (
        &["define", "create"],
        "vmlife restore --or-start FILE defines a VM and boots it",
    ),
    (&["domjobabort"], "Ctrl-C ends a save, and the VM runs on"),
    (&["event"], "vmlife show --watch tells what happens"),
    (
        &[
            "shutdown",
            "reboot",
            "reset",
            "destroy",
            "undefine",
            "migrate",
            "autostart",
            "edit",
            "console",
            "dompmsuspend",
            "save-image-edit",
            "snapshot-create",
            "snapshot-create-as",
            "snapshot-revert",
            "snapshot-delete",
        ],
        "",
    ),
];

/// What to say to whoever types `suspend`.
pub(crate) fn two_things() -> Failure {
    Failure::new(Kind::Usage, "'suspend' means two things")
        .hint("vmlife pause freezes a VM in memory; vmlife hibernate writes its memory to disk")
}

/// What to say to whoever takes this word of virsh's for one of vmlife's.
pub(crate) fn advice(word: &str) -> Option<Failure> {
    let (_, instead) = WORDS.iter().find(|(words, _)| words.contains(&word))?;
    let failure = Failure::new(Kind::Usage, format!("'{word}' is a word of virsh's"));
    Some(failure.hint(if instead.is_empty() {
        format!("it stays virsh's: virsh {word}; see vmlife-virsh(7)")
    } else {
        format!("{instead}; see vmlife-virsh(7)")
    }))
}
