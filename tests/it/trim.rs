//! Guests that are shrunk before they are hibernated, and get their memory back.

use super::guards::Small;
use super::support::Ran;
use super::support::eventually;
use super::support::guest::{Linux, boot_empty};
use super::support::session::{Process, Session};
use std::fs;
use std::process::{Child, Stdio};

const MIB: u64 = 1024;

/// What the balloon leaves to the guest, in KiB, by virsh.
fn actual(host: &Session) -> u64 {
    let told = host.virsh(["dommemstat", "vm"]);
    let actual = told.lines().find_map(|line| line.strip_prefix("actual "));
    actual.expect("it is told").parse().expect("a number")
}

/// Whether virsh finds the note that a guest was shrunk.
fn is_noted(host: &Session) -> bool {
    host.virsh(["dumpxml", "vm"]).contains("memoryBeforeTrim")
}

/// Its memory is all there, libvirt's definition is what it was, and nothing tells of trimming any more.
#[track_caller]
fn has_all_of(memory: u64, host: &Session) {
    assert_eq!(actual(host), memory);
    assert!(!is_noted(host));
    let xml = host.virsh(["dumpxml", "vm"]);
    assert!(!xml.contains("<stats"), "{xml}");
    let kept = host.virsh(["dumpxml", "vm", "--inactive"]);
    let configured = format!("<currentMemory unit='KiB'>{memory}</currentMemory>");
    assert!(
        kept.contains(&configured) && !kept.contains("memoryBeforeTrim"),
        "{kept}"
    );
}

fn size_of_image(host: &Session, guest: &Linux<'_>) -> u64 {
    let image = fs::metadata(host.image(&guest.id())).expect("the image");
    image.len() / 1024
}

/// vmlife, of which the end is still to come.
fn begin(host: &Session, words: &[&str]) -> Child {
    host.vmlife_command(words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("vmlife runs")
}

/// Begins to hibernate a guest of so much memory, and waits until it shrinks.
fn begin_to_trim(host: &Session, memory: u64) -> Child {
    let trimming = begin(host, &["hibernate", "vm", "--trim"]);
    eventually("it shrinks", || (actual(host) < memory).then_some(()));
    trimming
}

fn end_of(child: Child) -> Ran {
    Ran::of(child.wait_with_output().expect("vmlife ends"))
}

fn kill(mut child: Child) {
    child.kill().expect("it is there");
    child.wait().expect("it ends");
}

#[test]
fn a_guest_full_of_cache_takes_a_fraction_and_comes_back_with_all_of_its_memory() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::with_balloon(&host, "vm", (640, 640), 440);
    let all = 640 * MIB;
    let before = guest.last_tick();
    host.vmlife(["hibernate", "vm"]).succeeds();
    let whole = size_of_image(&host, &guest);
    host.vmlife(["restore", "vm"]).succeeds();
    // It has told nothing since, and a dry run does not ask.
    host.vmlife(["hibernate", "vm", "--trim", "-n"])
        .ends_with(0)
        .says("would be hibernated");
    host.vmlife(["hibernate", "vm", "--trim"])
        .succeeds()
        .says(", trimmed from 640.00 MiB to ");
    // How far it gets in time is the machine's affair.
    let trimmed = size_of_image(&host, &guest);
    assert!(trimmed * 4 < whole * 3, "{trimmed} KiB of {whole}");
    host.vmlife(["restore", "vm"]).succeeds();
    has_all_of(all, &host);
    guest.goes_on_after(&before);
    // One MiB more is near enough.
    let ran = host.vmlife(["hibernate", "vm", "--trim=400M"]);
    ran.succeeds().says(", trimmed from 640.00 MiB to 40");
    // virsh gives nothing back, and the next vmlife does.
    let image = host.image(&guest.id());
    host.virsh(["restore".as_ref(), image.as_os_str()]);
    eventually("the balloon is where it was to go", || {
        (actual(&host) == 400 * MIB).then_some(())
    });
    host.vmlife(["show", "vm"]).says("from 640.00 MiB");
    host.vmlife(["restore", "vm"])
        .succeeds()
        .says("already runs, and has all of its memory back (640.00 MiB)");
    has_all_of(all, &host);
    guest.goes_on_after(&before);
    // What is less than it uses it does not get.
    let ran = host.vmlife(["hibernate", "vm", "--trim=1M"]).ends_with(0);
    assert!(
        ran.stderr.contains("it was not trimmed to 1.00 MiB"),
        "{ran:?}"
    );
    host.vmlife(["restore", "vm"]).succeeds();
    has_all_of(all, &host);
    guest.goes_on_after(&before);
}

#[test]
fn trimming_makes_room_and_where_that_is_not_enough_gives_the_memory_back() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::with_balloon(&host, "vm", (384, 384), 220);
    let Some(small) = Small::mount(&host, "310M") else {
        return;
    };
    let before = guest.last_tick();
    let to = small.0.join("vm.save");
    let to = to.to_str().expect("text");
    host.vmlife(["hibernate", "vm", "--to", to])
        .refuses(8, "has 310.00 MiB left");
    let ran = host.vmlife(["hibernate", "vm", "--trim", "--to", to, "-n"]);
    assert!(ran.stderr.contains("its image may take"), "{ran:?}");
    ran.ends_with(0);
    host.vmlife(["hibernate", "vm", "--trim", "--to", to])
        .succeeds();
    host.vmlife(["restore", "--from", to]).succeeds();
    has_all_of(384 * MIB, &host);
    fs::write(to, vec![0; 308 << 20]).expect("it is filled");
    let other = format!("{to}2");
    host.vmlife(["hibernate", "vm", "--trim", "--to", &other])
        .refuses(8, "has 2.00 MiB left");
    has_all_of(384 * MIB, &host);
    guest.goes_on_after(&before);
}

#[test]
fn whatever_ends_vmlife_meanwhile_the_next_one_gives_the_memory_back() {
    let Some(host) = Session::start() else { return };
    // Not all that it could have.
    let guest = Linux::with_balloon(&host, "vm", (448, 384), 200);
    let all = 384 * MIB;
    let before = guest.last_tick();

    kill(begin_to_trim(&host, all));
    assert!(is_noted(&host), "before the balloon is touched");
    host.vmlife(["resume", "vm"])
        .succeeds()
        .says("already runs, and has all of its memory back (384.00 MiB)");
    has_all_of(all, &host);
    assert!(!host.virsh(["dumpxml", "vm"]).contains("<stats period="));
    guest.goes_on_after(&before);

    // The next one hibernates it as it is, and remembers what it had.
    kill(begin_to_trim(&host, all));
    host.vmlife(["hibernate", "vm"]).succeeds();
    let restoring = begin(&host, &["restore", "vm"]);
    eventually("it is loaded", || {
        (host.virsh(["domstate", "vm"]) != "shut off").then_some(())
    });
    kill(restoring);
    eventually("libvirt has loaded it", || {
        let state = host.state("vm");
        ["paused (migrating)", "running (unpaused)"]
            .contains(&state.as_str())
            .then_some(())
    });
    host.vmlife(["restore", "vm"]).succeeds();
    has_all_of(all, &host);
    guest.goes_on_after(&before);

    for signal in ["INT", "KILL"] {
        // Paused it gets it back when it runs.
        host.vmlife(["hibernate", "vm", "--trim"]).succeeds();
        host.vmlife(["restore", "vm", "--paused"]).succeeds();
        assert!(actual(&host) < all && is_noted(&host));
        if signal == "INT" {
            host.vmlife(["resume", "vm"])
                .succeeds()
                .says("runs on, and has all of its memory back");
        } else {
            host.virsh(["resume", "vm"]);
            eventually("it has all", || (actual(&host) == all).then_some(()));
            host.vmlife(["resume", "vm"]).succeeds();
        }
        has_all_of(all, &host);
    }
    guest.goes_on_after(&before);
}

#[test]
fn a_cancel_gives_the_memory_back_at_once() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::with_balloon(&host, "vm", (384, 384), 200);
    let all = 384 * MIB;
    let before = guest.last_tick();
    let trimming = begin_to_trim(&host, all);
    Process(trimming.id()).signal("INT");
    let ran = end_of(trimming).ends_with(130);
    assert!(
        ran.stderr
            .contains("vm was not hibernated, interrupted (INT); it runs on"),
        "{ran:?}"
    );
    has_all_of(all, &host);
    assert_eq!(host.images(), [""; 0]);

    // Also when the memory is being written.
    let saving = begin_to_trim(&host, all);
    let writer = eventually("it is being written", || host.image_writer());
    writer.signal("STOP");
    Process(saving.id()).signal("TERM");
    std::thread::sleep(std::time::Duration::from_millis(500));
    writer.goes_on();
    let ran = end_of(saving);
    if ran.code == 0 {
        // All had been written.
        host.vmlife(["restore", "vm"]).succeeds();
    } else {
        ran.ends_with(143);
    }
    has_all_of(all, &host);
    guest.goes_on_after(&before);
}

#[test]
fn a_daemon_that_dies_meanwhile_and_comes_back_gives_the_memory_back() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::with_balloon(&host, "vm", (384, 384), 200);
    let before = guest.last_tick();
    let trimming = begin_to_trim(&host, 384 * MIB);
    host.kill_daemon();
    host.start_daemon();
    let ran = end_of(trimming);
    if ran.code == 0 {
        // It was done before the daemon died, and the save was asked of the new one.
        host.vmlife(["restore", "vm"]).succeeds();
    } else {
        ran.ends_with(10);
    }
    has_all_of(384 * MIB, &host);
    guest.goes_on_after(&before);
}

#[test]
fn what_cannot_be_trimmed_is_hibernated_all_the_same() {
    let Some(host) = Session::start() else { return };
    host.vmlife(["hibernate", "vm", "--trim", "--managed"])
        .refuses(2, "--managed and --trim exclude each other");
    host.vmlife(["hibernate", "vm", "--trim=much"]).ends_with(2);
    boot_empty(&host, "vm");
    let told = |words: &str| {
        let rehearsed = host.vmlife(["hibernate", "vm", "--trim", "-n"]);
        let ran = host.vmlife(["hibernate", "vm", "--trim"]).ends_with(0);
        assert!(
            ran.stderr
                .contains(&format!("warning: vm: it was not trimmed: {words}")),
            "{ran:?}"
        );
        host.vmlife(["restore", "vm"]).succeeds();
        rehearsed.ends_with(0).stderr
    };
    let rehearsed = told("it has no balloon");
    assert!(rehearsed.contains("it would not be trimmed: it has no balloon"));
    // Now with one, which nobody drives.
    host.virsh(["destroy", "vm"]);
    let xml = host.virsh(["dumpxml", "vm", "--inactive"]);
    let xml = xml.replace("<memballoon model='none'/>", "<memballoon model='virtio'/>");
    let file = host.write("vm.xml", xml);
    host.virsh(["define".as_ref(), file.as_os_str()]);
    host.virsh(["start", "vm"]);
    let rehearsed = told("its guest does not tell what it uses");
    assert!(
        rehearsed.contains("how far it would be trimmed is not known"),
        "{rehearsed}"
    );
    host.vmlife(["pause", "vm"]).succeeds();
    told("it is paused, so that its guest can do nothing");
    assert!(!is_noted(&host));
}
