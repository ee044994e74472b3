//! Signals and time limits while a guest is being hibernated.

use super::support::Ran;
use super::support::eventually;
use super::support::guest::{Linux, boot_empty};
use super::support::session::{Process, Session};
use std::fs;
use std::io::{Read, Write};
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
    let (saving, qemu) = stuck_save(&host, &["zz", "-j1"]);
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

/// Begins to restore a guest whose QEMU stands still, so that its memory is not loaded.
fn stuck_restore(host: &Session, words: &[&str]) -> (Child, Process) {
    let restoring = host
        .vmlife_command(["restore", "vm"].iter().chain(words))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("vmlife runs");
    eventually("QEMU is there", || {
        let text = fs::read_to_string(host.pid_file("vm")).ok()?;
        text.trim().parse::<u32>().ok()
    });
    let qemu = host.qemu("vm");
    qemu.signal("STOP");
    (restoring, qemu)
}

#[test]
fn a_cancelled_restore_ends_the_half_started_vm_and_leaves_its_image_as_it_was() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "vm", 384, "vmlife.random=256");
    let before = guest.last_tick();
    host.vmlife(["hibernate", "-q", "vm"]).succeeds();
    let image = host.image(&guest.id());
    let whole = fs::read(&image).expect("the image");
    for (signal, code, word, words) in [
        ("INT", 130, "interrupted (INT)", &[][..]),
        ("TERM", 143, "asked to end (TERM)", &["--running"]),
        ("HUP", 129, "the terminal is gone (HUP)", &["--paused"]),
        ("", 124, "the time limit has passed", &["--timeout", "1s"]),
    ] {
        let (restoring, qemu) = stuck_restore(&host, words);
        if !signal.is_empty() {
            Process(restoring.id()).signal(signal);
        }
        std::thread::sleep(Duration::from_millis(1500));
        // libvirt may have ended it as it stood.
        qemu.goes_on();
        let ran = end_of(restoring).ends_with(code);
        let told = format!(
            "error: vm was not restored, {word}; its image {} is as it was",
            image.display()
        );
        assert!(ran.stderr.contains(&told), "{ran:?}");
        assert_eq!(host.virsh(["domstate", "vm"]), "shut off");
        assert!(fs::read(&image).expect("the image") == whole);
        host.vmlife(["show"]).succeeds().says("Suspended");
    }
    host.vmlife(["restore", "vm"]).succeeds();
    guest.goes_on_after(&before);
    assert_eq!(host.images(), [""; 0]);
}

/// Cancels a restore whose memory is loaded by the time that the cancel is carried out, and gives what it
/// says.
fn cancel_when_loaded(host: &Session, words: &[&str]) -> String {
    // It stands still where it says that it cancels, as this pipe is full, and QEMU goes on loading.
    let (mut pipe, mut full) = std::io::pipe().expect("a pipe");
    full.write_all(&vec![b'\n'; 65536]).expect("it fits");
    let restoring = host
        .vmlife_command(["restore", "vm"].iter().chain(words))
        .stdout(Stdio::piped())
        .stderr(full)
        .spawn()
        .expect("vmlife runs");
    eventually("QEMU is there", || {
        let text = fs::read_to_string(host.pid_file("vm")).ok()?;
        text.trim().parse::<u32>().ok()
    });
    let qemu = host.qemu("vm");
    qemu.signal("STOP");
    Process(restoring.id()).signal("INT");
    eventually("it stands still", || {
        let call = fs::read_to_string(format!("/proc/{}/syscall", restoring.id())).ok()?;
        let write = format!("{} 0x2 ", libc::SYS_write);
        call.starts_with(&write).then_some(())
    });
    qemu.signal("CONT");
    eventually("it is loaded", || {
        (host.state("vm") == "paused (migrating)").then_some(())
    });
    let mut said = String::new();
    pipe.read_to_string(&mut said).expect("text");
    end_of(restoring).ends_with(130);
    // What libvirt was still about when it was ended, has failed.
    let state = host.state("vm");
    assert!(
        state == "shut off (destroyed)" || state == "shut off (failed)",
        "{state}"
    );
    said
}

#[test]
fn a_vm_that_is_loaded_when_the_cancel_comes_is_ended_too_as_its_guest_has_not_run() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "vm", 128, "");
    let before = guest.last_tick();
    host.vmlife(["hibernate", "-q", "vm"]).succeeds();
    let said = cancel_when_loaded(&host, &[]);
    assert!(
        said.contains("vm was not restored, interrupted (INT)"),
        "{said}"
    );
    host.vmlife(["show", "vm"])
        .succeeds()
        .says("vm: Suspended")
        .says("the guest has not run since");
    host.vmlife(["restore", "vm"]).succeeds();
    guest.goes_on_after(&before);
}

#[test]
fn a_vm_that_somebody_booted_after_a_cancelled_restore_is_known_by_its_disks() {
    let Some(host) = Session::start() else { return };
    let disk = host.write("tmp/disk", vec![0; 65536]);
    let xml = format!(
        "<domain type='qemu'><name>vm</name><memory unit='MiB'>16</memory>
        <os><type arch='x86_64' machine='pc'>hvm</type></os>
        <devices><disk type='file' device='disk'><driver name='qemu' type='raw'/>
        <source file='{}'/><target dev='vda' bus='virtio'/></disk>
        <controller type='usb' model='none'/><memballoon model='none'/></devices></domain>",
        disk.display()
    );
    let xml = host.write("vm.xml", xml);
    host.virsh(["define".as_ref(), xml.as_os_str()]);
    host.virsh(["start", "vm"]);
    host.vmlife(["hibernate", "vm"]).succeeds();
    cancel_when_loaded(&host, &[]);
    host.vmlife(["show"]).succeeds().says("Suspended");
    // A guest that ran would have written to it.
    host.virsh(["start", "vm"]);
    host.virsh(["destroy", "vm"]);
    host.write("tmp/disk", vec![1; 65536]);
    host.vmlife(["restore", "vm"])
        .refuses(7, "was written to since");
}

#[test]
fn a_vm_without_disks_that_somebody_booted_after_a_cancelled_restore_is_known_by_libvirts_log() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "vm", 128, "");
    let before = guest.last_tick();
    host.vmlife(["hibernate", "vm"]).succeeds();
    cancel_when_loaded(&host, &[]);
    host.vmlife(["show"]).succeeds().says("Suspended");
    host.virsh(["start", "vm"]);
    host.virsh(["destroy", "vm"]);
    let told = "by libvirt's log the VM was started since";
    host.vmlife(["restore", "vm"]).refuses(7, told);
    // What is forced, and given up, is in doubt still.
    cancel_when_loaded(&host, &["--force"]);
    host.vmlife(["restore", "vm"]).refuses(7, told);
    host.vmlife(["restore", "vm", "--force"])
        .ends_with(0)
        .says("vm runs again");
    guest.goes_on_after(&before);
}

#[test]
fn a_restore_whose_vmlife_was_killed_is_finished_by_the_next_one() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "vm", 128, "");
    let before = guest.last_tick();
    host.vmlife(["hibernate", "vm"]).succeeds();
    restore_and_kill(&host, &[]);
    host.vmlife(["restore", "vm"])
        .succeeds()
        .says("vm runs again, as an earlier restore from ");
    guest.goes_on_after(&before);
    assert_eq!(host.images(), [""; 0]);
    host.vmlife(["restore", "vm"])
        .succeeds()
        .says("already runs");
}

/// Begins to restore a guest, kills vmlife meanwhile, and waits until libvirt has loaded it without it.
fn restore_and_kill(host: &Session, words: &[&str]) {
    let (mut restoring, qemu) = stuck_restore(host, words);
    Process(restoring.id()).signal("KILL");
    restoring.wait().expect("it is dead");
    qemu.signal("CONT");
    eventually("libvirt goes on without it", || {
        (host.state("vm") == "paused (migrating)").then_some(())
    });
}

#[test]
fn a_vm_whose_restore_from_elsewhere_was_cut_off_is_never_said_to_be_as_it_should() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "vm", 128, "");
    let before = guest.last_tick();
    let file = host.path("tmp/file");
    let elsewhere = file.to_str().expect("text");
    host.vmlife(["hibernate", "vm", "--to", elsewhere])
        .succeeds();
    restore_and_kill(&host, &["--from", elsewhere]);
    for words in [&["vm"][..], &["vm", "-n"], &["--all"]] {
        host.vmlife(["restore"].iter().chain(words))
            .refuses(5, "by an earlier restore that was cut off");
    }
    // It would come back paused, and its guest ran.
    for words in [&["vm"][..], &["--all"]] {
        host.vmlife(["hibernate"].iter().chain(words))
            .refuses(5, "it was loaded from an image and waits, paused");
    }
    assert_eq!(host.state("vm"), "paused (migrating)");
    host.vmlife(["restore", "vm", "--from", elsewhere])
        .succeeds()
        .says("vm runs again, as an earlier restore from ");
    guest.goes_on_after(&before);
    assert!(!file.exists());

    // Who does not know the file, but knows what is to be, is not held up.
    let before = guest.last_tick();
    host.vmlife(["hibernate", "vm", "--to", elsewhere])
        .succeeds();
    restore_and_kill(&host, &["--from", elsewhere]);
    host.vmlife(["restore", "vm", "--paused"])
        .succeeds()
        .says("is already there, paused");
    host.vmlife(["restore", "vm", "--running"])
        .succeeds()
        .says("vm runs again, as it was loaded before");
    guest.goes_on_after(&before);
}

#[test]
fn a_vm_whose_restore_was_cut_off_is_hibernated_only_as_was_said_that_it_is_to_come_back() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "vm", 128, "");
    let before = guest.last_tick();
    host.vmlife(["hibernate", "vm"]).succeeds();
    restore_and_kill(&host, &[]);
    let ran = host.vmlife(["hibernate", "vm"]).ends_with(5);
    for words in [
        "was cut off before it let the guest run",
        "vmlife restore vm finishes that",
    ] {
        assert!(ran.stderr.contains(words), "{ran:?}");
    }
    // The image that it was loaded from is replaced.
    host.vmlife(["hibernate", "vm", "--running", "-q"])
        .ends_with(0);
    host.vmlife(["restore", "vm"]).succeeds();
    guest.goes_on_after(&before);
    // What was restored paused on purpose is paused on purpose.
    host.vmlife(["hibernate", "vm"]).succeeds();
    host.vmlife(["restore", "vm", "--paused"]).succeeds();
    host.vmlife(["restore", "vm"])
        .succeeds()
        .says("is already there, paused");
    host.vmlife(["hibernate", "vm"]).succeeds();
    host.vmlife(["restore", "vm"])
        .succeeds()
        .says("vm is back, paused");
}

#[test]
fn a_cancel_before_libvirt_has_begun_and_one_in_the_flush_are_told_as_they_end() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "vm", 384, "vmlife.random=256");
    let before = guest.last_tick();
    // The daemon stands still before it hears of the save, and QEMU so that the save cannot be quicker.
    let (daemon, qemu) = (host.daemon(), host.qemu("vm"));
    qemu.signal("STOP");
    let saving = host
        .vmlife_command(["hibernate", "vm"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("vmlife runs");
    Process(saving.id()).catches_signals();
    let lock = host.image(&guest.id()).with_extension("lock");
    eventually("it holds the VM", || lock.exists().then_some(()));
    daemon.signal("STOP");
    Process(saving.id()).signal("INT");
    std::thread::sleep(Duration::from_millis(300));
    daemon.signal("CONT");
    std::thread::sleep(Duration::from_millis(500));
    qemu.signal("CONT");
    let ran = end_of(saving).ends_with(130);
    let said = |words| ran.stderr.contains(words);
    assert!(
        said("vm was not hibernated, interrupted (INT); it runs on") || said("was not attempted"),
        "{ran:?}"
    );
    assert_eq!(host.images(), [""; 0]);
    guest.goes_on_after(&before);

    // The writer has written all, and waits for the disk: an abort then changes nothing.
    let before = guest.last_tick();
    let saving = host
        .vmlife_command(["hibernate", "vm"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("vmlife runs");
    let writer = eventually("the image is being written", || host.image_writer());
    let flush = format!("{} ", libc::SYS_fdatasync);
    let call = format!("/proc/{}/syscall", writer.0);
    while let Ok(found) = fs::read_to_string(&call) {
        if found.starts_with(&flush) {
            writer.signal("STOP");
            break;
        }
    }
    Process(saving.id()).signal("INT");
    std::thread::sleep(Duration::from_millis(500));
    if fs::exists(&call).is_ok_and(|there| there) {
        writer.signal("CONT");
    }
    let ran = end_of(saving).ends_with(0);
    assert!(ran.stdout.contains("vm is hibernated to"), "{ran:?}");
    assert!(
        ran.stderr
            .contains("it was hibernated before the cancel took effect (interrupted (INT))"),
        "{ran:?}"
    );
    assert_eq!(host.state("vm"), "shut off (saved)");
    host.vmlife(["restore", "vm"]).succeeds();
    guest.goes_on_after(&before);
}

#[test]
fn nobody_who_listens_ends_the_printing_and_not_the_work() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "vm");
    for words in [&["hibernate", "vm"][..], &["restore", "vm", "-v"]] {
        let deaf = || std::io::pipe().expect("a pipe").1;
        let ended = host
            .vmlife_command(words)
            .stdout(deaf())
            .stderr(deaf())
            .status()
            .expect("vmlife runs");
        assert_eq!(ended.code(), Some(0), "{words:?}");
    }
    assert_eq!(host.virsh(["domstate", "vm"]), "running");
    assert_eq!(host.images(), [""; 0]);
}

#[test]
fn a_lost_terminal_cancels_and_loses_nothing() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "vm", 384, "vmlife.random=256");
    let before = guest.last_tick();
    let line = format!("exec {} hibernate vm", host.path("vmlife").display());
    let mut script = host
        .command("script")
        .args(["-qec", &line, "/dev/null"])
        .env("TERM", "xterm")
        .stdout(Stdio::null())
        .spawn()
        .expect("script runs");
    let writer = eventually("the image is being written", || host.image_writer());
    writer.signal("STOP");
    let lock = host.image(&guest.id()).with_extension("lock");
    // With `script` dies the terminal: HUP comes, and each write fails from now on.
    script.kill().expect("it is there");
    script.wait().expect("it is dead");
    std::thread::sleep(Duration::from_millis(500));
    writer.signal("CONT");
    eventually("vmlife is done", || (!lock.exists()).then_some(()));
    // On a slow machine the save is over before the cancel has come to libvirt.
    if host.virsh(["domstate", "vm"]) == "running" {
        assert_eq!(host.images(), [""; 0]);
    } else {
        host.vmlife(["restore", "vm"]).succeeds();
    }
    guest.goes_on_after(&before);
}
