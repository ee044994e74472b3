//! What is noted of operations, for those who look later.

use super::support::guest::{boot_empty, define_empty};
use super::support::session::Session;
use std::os::unix::net::UnixDatagram;

#[test]
fn each_operation_is_one_entry_of_the_journal_and_what_was_so_already_is_none() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "web");
    define_empty(&host, "off");
    let place = host.path("journal");
    let journal = UnixDatagram::bind(&place).expect("a socket");
    host.hand_over(&place, 0o600);
    journal.set_nonblocking(true).expect("a mode");
    let heard = || {
        let mut bytes = vec![0; 65536];
        let length = journal.recv(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes[..length]).into_owned())
    };
    let tells = |lines: &[&str]| {
        let entry = heard().expect("an entry");
        for line in lines {
            assert!(entry.lines().any(|found| found == *line), "{line}: {entry}");
        }
        entry
    };

    host.vmlife(["hibernate", "web", "--dry-run"]).ends_with(0);
    host.vmlife(["hibernate", "web"]).succeeds();
    let entry = tells(&[
        "VMLIFE_VERB=hibernate",
        "VMLIFE_RESULT=done",
        "VMLIFE_VM=web",
        "VMLIFE_URI=qemu:///session",
        "VMLIFE_FROM=Up",
        "VMLIFE_TO=Suspended",
        "PRIORITY=6",
    ]);
    let bytes = entry
        .lines()
        .find_map(|line| line.strip_prefix("VMLIFE_BYTES="));
    assert!(
        bytes.is_some_and(|bytes| bytes.parse::<u64>().is_ok()),
        "{entry}"
    );
    host.vmlife(["hibernate", "web"]).succeeds().says("already");
    host.vmlife(["restore", "web", "-v"]).ends_with(0);
    tells(&["VMLIFE_FROM=Suspended", "VMLIFE_TO=Up"]);
    host.vmlife(["pause", "off"]).ends_with(5);
    tells(&["VMLIFE_RESULT=state", "VMLIFE_FROM=Down", "PRIORITY=3"]);
    assert_eq!(heard(), None);
}

#[test]
fn without_a_journal_verbose_is_told_on_standard_error() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "web");
    let quiet = host.vmlife(["pause", "web"]).succeeds();
    assert_eq!(quiet.stderr, "");
    let told = host.vmlife(["resume", "web", "-v"]).ends_with(0).stderr;
    let line = r#"verb="resume" result="done" vm="web" uuid=""#;
    assert!(told.contains(line), "{told}");
}
