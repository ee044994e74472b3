//! Somebody else acts on the same VM, or something dies, at the worst moment.

use super::support::guest::{Linux, boot_empty, define_empty};
use super::support::session::Session;
use super::support::{Ran, eventually};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, Stdio};

/// A vmlife that stands still right before its call of libvirt's: with `-v` it says what it is about to do,
/// and this pipe is full.
pub(super) struct HeldBack {
    child: Child,
    pipe: std::io::PipeReader,
}

impl HeldBack {
    pub(super) fn start(host: &Session, words: &[&str]) -> Self {
        let (pipe, mut full) = std::io::pipe().expect("a pipe");
        // A pipe holds 64 KiB.
        full.write_all(&vec![b'\n'; 65536]).expect("it fits");
        let child = host
            .vmlife_command(words.iter().chain(&["-v"]))
            .stdout(Stdio::piped())
            .stderr(full)
            .spawn()
            .expect("vmlife runs");
        let held = Self { child, pipe };
        // It sleeps in the write: nothing more happens until the pipe is read.
        eventually("it stands still", || {
            let call = fs::read_to_string(format!("/proc/{}/syscall", held.child.id())).ok()?;
            call.starts_with(&format!("{} 0x2 ", libc::SYS_write))
                .then_some(())
        });
        held
    }

    /// Lets it go on, and tells how it ended.
    pub(super) fn go_on(mut self) -> Ran {
        let mut stderr = String::new();
        self.pipe.read_to_string(&mut stderr).expect("text");
        let mut output = self.child.wait_with_output().expect("it ends");
        output.stderr = stderr.trim_start_matches('\n').as_bytes().to_vec();
        Ran::of(output)
    }
}

#[test]
fn of_two_at_once_one_wins_and_the_other_is_told_who_holds_the_vm() {
    let Some(host) = Session::start() else {
        return;
    };
    let guest = Linux::boot(&host, "vm", 128, "");
    let before = guest.last_tick();
    let first = HeldBack::start(&host, &["hibernate", "vm"]);
    for verb in ["hibernate", "restore"] {
        let ran = host
            .vmlife([verb, "vm"])
            .refuses(9, "vmlife hibernate (process ");
        assert!(ran.stderr.contains(" holds it since "), "{ran:?}");
        assert!(ran.stderr.contains(" of "), "its user is named: {ran:?}");
    }
    first.go_on().ends_with(0);
    assert_eq!(host.state("vm"), "shut off (saved)");
    let first = HeldBack::start(&host, &["restore", "vm"]);
    host.vmlife(["restore", "vm", "--or-start"])
        .refuses(9, "vmlife restore (process ");
    first.go_on().ends_with(0);
    guest.goes_on_after(&before);
    assert_eq!(host.images(), [""; 0], "neither image nor lock is left");
}

#[test]
fn what_a_killed_vmlife_held_is_free() {
    let Some(host) = Session::start() else {
        return;
    };
    let id = boot_empty(&host, "vm");
    let mut held = HeldBack::start(&host, &["hibernate", "vm"]);
    let lock = host.image(&id).with_extension("lock");
    assert!(lock.exists());
    held.child.kill().expect("it is there");
    held.child.wait().expect("it is dead");
    assert!(lock.exists(), "nobody has tidied up");
    host.vmlife(["hibernate", "vm"]).succeeds();
    host.vmlife(["restore", "vm"]).succeeds();
    assert_eq!(host.images(), [""; 0]);
}

#[test]
fn a_vm_that_somebody_else_booted_is_not_called_restored_and_its_image_stays() {
    let Some(host) = Session::start() else {
        return;
    };
    let id = boot_empty(&host, "vm");
    host.vmlife(["hibernate", "vm"]).succeeds();
    let held = HeldBack::start(&host, &["restore", "vm"]);
    host.virsh(["start", "vm"]);
    let ran = held.go_on().ends_with(5);
    assert!(
        ran.stderr
            .contains("error: vm was not restored: it runs (booted), but not from "),
        "{ran:?}"
    );
    assert!(host.image(&id).exists());
    host.virsh(["destroy", "vm"]);
    host.vmlife(["restore", "vm"])
        .refuses(7, "the VM has run since");
}

#[test]
fn a_vm_that_somebody_else_hibernated_keeps_its_image() {
    let Some(host) = Session::start() else {
        return;
    };
    let id = boot_empty(&host, "vm");
    let held = HeldBack::start(&host, &["hibernate", "vm"]);
    let elsewhere = host.path("tmp/other.save");
    host.virsh(["save".as_ref(), "vm".as_ref(), elsewhere.as_os_str()]);
    let ran = held.go_on().ends_with(5);
    assert!(
        ran.stderr
            .contains("libvirt saved it for somebody else, to another place"),
        "{ran:?}"
    );
    assert!(elsewhere.exists() && !host.image(&id).exists());
    host.vmlife(["restore".as_ref(), "--from".as_ref(), elsewhere.as_os_str()])
        .succeeds();
}

#[test]
fn an_image_that_was_left_behind_is_told_so_and_not_restored() {
    let Some(host) = Session::start() else {
        return;
    };
    let id = boot_empty(&host, "vm");
    host.vmlife(["hibernate", "vm"]).succeeds();
    host.virsh(["start", "vm"]);
    host.vmlife(["show", "vm"])
        .succeeds()
        .says("the VM runs, and has left it behind");
    host.virsh(["destroy", "vm"]);
    host.vmlife(["show", "vm"])
        .succeeds()
        .says("the VM stopped otherwise since (destroyed)");
    host.vmlife(["restore", "vm"])
        .refuses(7, "the VM stopped otherwise since (destroyed)");
    host.vmlife(["restore", "vm", "--or-start"])
        .refuses(7, "the VM stopped otherwise since");
    assert_eq!(host.virsh(["domstate", "vm"]), "shut off");
    // A newer image elsewhere makes the one in its place worthless, and vmlife knows.
    host.virsh(["start", "vm"]);
    let elsewhere = host.path("tmp/new.vmsave");
    let to = [
        "hibernate".as_ref(),
        "vm".as_ref(),
        "--to".as_ref(),
        elsewhere.as_os_str(),
    ];
    let ran = host.vmlife(to).ends_with(0);
    assert!(
        ran.stderr.contains("is left behind, and marked as used"),
        "{ran:?}"
    );
    host.vmlife(["restore", "vm"])
        .refuses(7, "the VM has run since");
    host.vmlife(["restore".as_ref(), "--from".as_ref(), elsewhere.as_os_str()])
        .succeeds();
    assert!(host.image(&id).exists());
}

#[test]
fn a_daemon_killed_in_a_restore_leaves_a_doubt_and_the_memory() {
    let Some(host) = Session::start() else {
        return;
    };
    let guest = Linux::boot(&host, "vm", 384, "vmlife.random=256");
    let before = guest.last_tick();
    host.vmlife(["hibernate", "-q", "vm"]).succeeds();
    let restoring = host
        .vmlife_command(["restore", "vm"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("vmlife runs");
    eventually("QEMU runs", || host.pid_file("vm").exists().then_some(()));
    host.kill_daemon();
    let ran = Ran::of(restoring.wait_with_output().expect("it ends"));
    host.start_daemon();
    if ran.code == 0 {
        return guest.goes_on_after(&before); // The restore was quicker.
    }
    let ran = ran.ends_with(10);
    assert!(
        ran.stderr
            .contains("whether the guest has run from it is not known"),
        "{ran:?}"
    );
    if host.virsh(["domstate", "vm"]) != "running" {
        let doubt = "nobody knows whether the guest ran";
        host.vmlife(["restore", "vm"]).refuses(7, doubt);
        host.vmlife(["restore", "vm", "--or-start"])
            .refuses(7, doubt);
        host.vmlife(["restore", "vm", "--force"]).ends_with(0);
    }
    guest.goes_on_after(&before);
}

#[test]
fn a_daemon_killed_in_a_save_leaves_the_vm_running() {
    let Some(host) = Session::start() else {
        return;
    };
    let guest = Linux::boot(&host, "vm", 384, "vmlife.random=256");
    let before = guest.last_tick();
    let saving = host
        .vmlife_command(["hibernate", "-q", "vm"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("vmlife runs");
    eventually("it is being saved", || {
        (host.state("vm") == "paused (saving)").then_some(())
    });
    host.kill_daemon();
    Ran::of(saving.wait_with_output().expect("it ends")).refuses(10, "vm may be hibernated or not");
    host.start_daemon();
    eventually("it runs again", || {
        (host.virsh(["domstate", "vm"]) == "running").then_some(())
    });
    guest.goes_on_after(&before);
    host.vmlife(["restore", "vm"])
        .succeeds()
        .says("vm already runs");
    // What the dead daemon left is told, and in nobody's way.
    host.vmlife(["hibernate", "-q", "vm"]).ends_with(0);
    host.vmlife(["restore", "vm"]).succeeds();
    guest.goes_on_after(&before);
}

#[test]
fn a_managed_save_that_libvirt_throws_away_is_told_as_the_loss_that_it_is() {
    let Some(host) = Session::start() else {
        return;
    };
    boot_empty(&host, "vm");
    for words in [&["restore", "vm"][..], &["restore", "vm", "--paused"]] {
        host.virsh(["managedsave", "vm"]);
        // It was good when it was looked at.
        let held = HeldBack::start(&host, words);
        let file = host.path("c/libvirt/qemu/save/vm.save");
        let mut image = fs::read(&file).expect("the managed save");
        image[..16].copy_from_slice(b"LibvirtQemudPart");
        fs::write(&file, image).expect("it can be written");
        let ran = held.go_on().ends_with(1);
        assert!(
            ran.stderr
                .contains("vm was booted fresh by libvirt: its managed save was of no use"),
            "{ran:?}"
        );
    }
}

#[test]
fn an_image_that_was_named_is_not_ignored_for_a_managed_save() {
    let Some(host) = Session::start() else {
        return;
    };
    boot_empty(&host, "vm");
    let file = host.path("tmp/vm.vmsave");
    host.virsh(["save".as_ref(), "vm".as_ref(), file.as_os_str()]);
    host.virsh(["start", "vm"]);
    host.virsh(["managedsave", "vm"]);
    host.vmlife(["restore".as_ref(), "--from".as_ref(), file.as_os_str()])
        .refuses(7, "libvirt holds a managed save of it, too");
    assert_eq!(host.virsh(["domstate", "vm"]), "shut off");
    assert!(file.exists());
}

#[test]
fn somebody_elses_file_beside_an_image_is_neither_overwritten_nor_removed() {
    let Some(host) = Session::start() else {
        return;
    };
    boot_empty(&host, "vm");
    let image = host.path("tmp/web");
    let theirs = host.write("tmp/web.json", "{\"precious\": true}");
    let to = [
        "hibernate".as_ref(),
        "vm".as_ref(),
        "--to".as_ref(),
        image.as_os_str(),
    ];
    host.vmlife(to).refuses(7, "is in the way of its record");
    host.virsh(["save".as_ref(), "vm".as_ref(), image.as_os_str()]);
    let from = ["restore".as_ref(), "--from".as_ref(), image.as_os_str()];
    host.vmlife(from).refuses(7, "it cannot be marked as used");
    let ran = host
        .vmlife(from.iter().chain(&["--force".as_ref()]))
        .ends_with(0);
    assert!(
        ran.stderr.contains("remove it, and do not use it again"),
        "{ran:?}"
    );
    assert_eq!(
        fs::read_to_string(theirs).expect("it is there"),
        "{\"precious\": true}"
    );
}

#[test]
fn what_cannot_work_touches_nothing() {
    let Some(host) = Session::start() else {
        return;
    };
    boot_empty(&host, "a");
    boot_empty(&host, "b");
    let file = host.path("tmp/one");
    let to = [
        "hibernate".as_ref(),
        "a".as_ref(),
        "b".as_ref(),
        "--to".as_ref(),
        file.as_os_str(),
    ];
    host.vmlife(to).refuses(2, "is one file, for 2 VMs");
    let mut command = host.vmlife_command(["hibernate", "a"]);
    command.env("VMLIFE_IMAGES", "here");
    Ran::of(command.output().expect("vmlife runs")).refuses(2, "it must be a whole path");
    let odd = Path::new(std::ffi::OsStr::from_bytes(b"/tmp/\xff"));
    host.vmlife([
        "hibernate".as_ref(),
        "a".as_ref(),
        "--to".as_ref(),
        odd.as_os_str(),
    ])
    .refuses(2, "it is not text in UTF-8");
    host.vmlife(["restore".as_ref(), "--from".as_ref(), odd.as_os_str()])
        .refuses(2, "is not text in UTF-8");
    host.vmlife(["hibernate", "a", "--timeout", "0"])
        .refuses(2, "a time limit of 0");
    assert_eq!(
        host.virsh(["list", "--name", "--state-running"])
            .lines()
            .count(),
        2
    );
    let wrong = host.write(
        "wrong.yaml",
        "vmStatic: {name: c, memSizeMb: 16, domainType: qemu, kernelUrl: /nonexistent}",
    );
    let start = ["restore".as_ref(), "--or-start".as_ref(), wrong.as_os_str()];
    host.vmlife(start).refuses(1, "c could not be started");
    assert!(
        !host.virsh(["list", "--all", "--name"]).contains('c'),
        "it is not left defined"
    );
}

#[test]
fn a_vm_of_another_name_is_told_the_name_that_its_image_knows() {
    let Some(host) = Session::start() else {
        return;
    };
    boot_empty(&host, "old");
    host.vmlife(["hibernate", "old"]).succeeds();
    host.virsh(["domrename", "old", "new"]);
    let ran = host
        .vmlife(["restore", "new"])
        .refuses(7, "the VM had another name then, 'old'");
    assert!(ran.stderr.contains("virsh domrename new old"), "{ran:?}");
    host.virsh(["domrename", "new", "old"]);
    host.vmlife(["restore", "old"]).succeeds();
}

#[test]
fn a_command_that_failed_as_a_whole_says_so_in_json() {
    let Some(host) = Session::start() else {
        return;
    };
    define_empty(&host, "vm");
    let ran = host.vmlife(["pause", "nobody", "-o", "json"]).ends_with(4);
    assert_eq!(ran.json()["error"]["kind"], "notFound");
    assert_eq!(ran.json()["results"], serde_json::json!([]));
}

#[test]
fn whatever_lies_in_its_place_cannot_make_a_vm_leave_its_memory_elsewhere_behind() {
    let Some(host) = Session::start() else {
        return;
    };
    let id = boot_empty(&host, "vm");
    let elsewhere = host.path("tmp/only.vmsave");
    let to = [
        "hibernate".as_ref(),
        "vm".as_ref(),
        "--to".as_ref(),
        elsewhere.as_os_str(),
    ];
    let from = ["restore".as_ref(), "--from".as_ref(), elsewhere.as_os_str()];
    // A used image in its place, and the only memory elsewhere.
    host.vmlife(["hibernate", "vm"]).succeeds();
    host.vmlife(["restore", "vm", "--keep"]).succeeds();
    host.vmlife(to).succeeds();
    host.vmlife(["restore", "vm", "--or-start"])
        .refuses(7, "only.vmsave, which is not its place");
    host.vmlife(from).succeeds();
    // A fresh image in its place is left behind by a restore from elsewhere.
    host.vmlife(["hibernate", "vm"]).ends_with(0);
    host.virsh(["start", "vm"]);
    host.virsh(["save".as_ref(), "vm".as_ref(), elsewhere.as_os_str()]);
    let ran = host.vmlife(from).ends_with(0);
    assert!(
        ran.stderr.contains("is left behind, and marked as used"),
        "{ran:?}"
    );
    host.virsh(["destroy", "vm"]);
    host.restart();
    host.vmlife(["restore", "vm"])
        .refuses(7, "the VM has run since");
    // What a removed image's record says is not said of the next image.
    fs::remove_file(host.image(&id)).expect("it is there");
    host.virsh(["start", "vm"]);
    host.vmlife(["hibernate", "vm"]).succeeds();
    host.vmlife(["restore", "vm"]).succeeds();
}
