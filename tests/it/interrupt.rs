//! Signals and time limits while a guest is being hibernated.

use super::support::Ran;
use super::support::eventually;
use super::support::guest::{Linux, boot_empty};
use super::support::session::{Process, Session};
use std::process::{Child, Stdio};
use std::time::Duration;

/// Begins to hibernate a guest whose QEMU stands still, so that the save cannot get anywhere.
fn stuck_save(host: &Session, words: &[&str]) -> (Child, Process) {
    let qemu = host.qemu("vm");
    qemu.signal("STOP");
    let saving = host
        .vmlife_command(["hibernate", "vm"].iter().chain(words))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("vmlife runs");
    Process(saving.id()).catches_signals();
    // Long enough to be in the midst of it; nothing can end it before.
    std::thread::sleep(Duration::from_secs(1));
    (saving, qemu)
}

fn end_of(saving: Child) -> Ran {
    Ran::of(saving.wait_with_output().expect("vmlife ends"))
}

#[test]
fn each_signal_cancels_and_the_vm_runs_on() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "vm", 128, "");
    for (signal, code, word) in [
        ("INT", 130, "interrupted (INT)"),
        ("TERM", 143, "asked to end (TERM)"),
        ("HUP", 129, "the terminal is gone (HUP)"),
    ] {
        let before = guest.last_tick();
        let (saving, qemu) = stuck_save(&host, &[]);
        Process(saving.id()).signal(signal);
        std::thread::sleep(Duration::from_millis(500));
        qemu.signal("CONT");
        let ran = end_of(saving).ends_with(code);
        assert!(
            ran.stderr
                .contains("cancelling, and waiting until the VM is as before"),
            "{ran:?}"
        );
        assert!(
            ran.stderr
                .contains(&format!("error: vm was not hibernated, {word}; it runs on")),
            "{ran:?}"
        );
        assert_eq!(host.virsh(["domstate", "vm"]), "running", "{signal}");
        assert_eq!(host.images(), [""; 0], "{signal}");
        guest.goes_on_after(&before);
    }
}

#[test]
fn a_time_limit_cancels_in_the_same_way() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "vm");
    host.vmlife(["pause", "vm"]).succeeds();
    host.vmlife(["hibernate", "vm", "--timeout", "5m"])
        .succeeds();
    host.vmlife(["restore", "vm", "--timeout", "300"])
        .succeeds();
    let (saving, qemu) = stuck_save(&host, &["--timeout", "500ms"]);
    qemu.signal("CONT");
    let ran = end_of(saving);
    assert!(ran.stderr.contains("cancelling, and waiting"), "{ran:?}");
    // The save may have been quicker than the abort, once QEMU went on: then that is what is told.
    if ran.code == 0 {
        assert_eq!(host.state("vm"), "shut off (saved)", "{ran:?}");
        assert!(
            ran.stderr.contains("before the cancel took effect"),
            "{ran:?}"
        );
    } else {
        ran.ends_with(124);
        assert_eq!(host.virsh(["domstate", "vm"]), "paused");
        assert_eq!(host.images(), [""; 0]);
    }
}

#[test]
fn what_comes_after_a_cancelled_vm_is_not_attempted() {
    let Some(host) = Session::start() else { return };
    // One with enough memory that its save cannot be quicker than the abort.
    let _guest = Linux::boot(&host, "vm", 128, "");
    boot_empty(&host, "zz");
    let (saving, qemu) = stuck_save(&host, &["zz"]);
    Process(saving.id()).signal("INT");
    std::thread::sleep(Duration::from_millis(500));
    qemu.signal("CONT");
    let ran = end_of(saving).ends_with(130);
    assert!(
        ran.stderr
            .contains("error: zz was not attempted: interrupted (INT)"),
        "{ran:?}"
    );
    assert_eq!(
        host.virsh(["list", "--name", "--state-running"])
            .lines()
            .count(),
        2
    );
}

#[test]
fn a_second_signal_ends_the_wait_and_says_how_to_look() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "vm");
    let (saving, qemu) = stuck_save(&host, &[]);
    let process = Process(saving.id());
    // Two in one moment are one wish: so does a closed terminal.
    process.signal("TERM");
    process.signal("TERM");
    std::thread::sleep(Duration::from_millis(1200));
    process.signal("TERM");
    let ran = end_of(saving).ends_with(143);
    assert!(
        ran.stderr.contains("vm may still be hibernated") && ran.stderr.contains("vmlife show vm"),
        "{ran:?}"
    );
    qemu.signal("CONT");
    // The abort that was asked for, or the save: one of them comes to its end.
    let state = eventually("the job ends", || {
        Some(host.virsh(["domstate", "vm"])).filter(|state| state != "paused")
    });
    assert!(state == "running" || state == "shut off", "{state}");
}

#[test]
fn a_killed_vmlife_leaves_an_image_where_it_belongs() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "vm", 128, "");
    let before = guest.last_tick();
    let (mut saving, qemu) = stuck_save(&host, &[]);
    Process(saving.id()).signal("KILL");
    saving.wait().expect("it is dead");
    qemu.signal("CONT");
    // libvirt goes on without us.
    eventually("the save ends", || {
        (host.state("vm") == "shut off (saved)").then_some(())
    });
    host.vmlife(["show"]).succeeds().says("Suspended");
    host.vmlife(["restore", "vm"]).succeeds();
    guest.goes_on_after(&before);
}

#[test]
fn signals_that_were_ignored_from_the_start_stay_ignored() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "vm");
    let qemu = host.qemu("vm");
    qemu.signal("STOP");
    let saving = host
        .command("nohup")
        .arg(host.path("vmlife"))
        .args(["hibernate", "vm"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("nohup runs");
    std::thread::sleep(Duration::from_secs(1));
    Process(saving.id()).signal("HUP");
    qemu.signal("CONT");
    end_of(saving).ends_with(0);
    assert_eq!(host.state("vm"), "shut off (saved)");
}

#[test]
fn before_a_vm_is_touched_a_signal_simply_ends_it() {
    let Some(host) = Session::start() else {
        return;
    };
    let daemon = host.daemon();
    daemon.signal("STOP");
    for verb in ["show", "pause"] {
        let mut waiting = host
            .vmlife_command([verb, "vm"])
            .spawn()
            .expect("vmlife runs");
        Process(waiting.id()).catches_signals();
        Process(waiting.id()).signal("TERM");
        let ended = waiting.wait().expect("it ends");
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&ended),
            Some(15),
            "{verb}"
        );
    }
    daemon.signal("CONT");
}
