//! Images that libvirt keeps itself.

use super::support::Ran;
use super::support::guest::{Linux, boot_empty, define_empty};
use super::support::session::{Process, Session};
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

fn file(host: &Session) -> PathBuf {
    host.path("c/libvirt/qemu/save/vm.save")
}

fn is_held(host: &Session) -> bool {
    host.virsh(["list", "--all", "--name", "--with-managed-save"])
        .contains("vm")
}

#[test]
fn a_managed_hibernation_is_restored_by_whatever_starts_the_vm() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "vm", 128, "");
    let before = guest.last_tick();
    host.vmlife(["hibernate", "vm", "--managed", "--dry-run"])
        .succeeds()
        .says("vm would be hibernated, managed by libvirt");
    host.vmlife(["hibernate", "vm", "--managed"])
        .succeeds()
        .says("vm is hibernated, its image managed by libvirt (");
    assert!(is_held(&host) && host.images().is_empty());
    host.vmlife(["show"])
        .succeeds()
        .says("Suspended")
        .says("managed by libvirt");
    host.virsh(["start", "vm"]);
    guest.goes_on_after(&before);
    let before = guest.last_tick();
    host.vmlife(["hibernate", "vm", "--managed"]).succeeds();
    host.vmlife(["restore", "vm"])
        .succeeds()
        .says("restored from libvirt's managed save");
    guest.goes_on_after(&before);
    assert!(!is_held(&host) && !file(&host).exists());
}

#[test]
fn libvirt_keeps_only_what_it_starts_by_itself_if_that_is_said() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "vm");
    let other = boot_empty(&host, "other");
    host.virsh(["autostart", "vm"]);
    let words = ["hibernate", "--all", "--managed=autostart"];
    host.vmlife(words.iter().chain(&["-n"]))
        .ends_with(0)
        .says("vm would be hibernated, managed by libvirt")
        .says("other would be hibernated to");
    // What is for images of our own is for those that are.
    let ran = host.vmlife(words.iter().chain(&["--trim"])).ends_with(0);
    let not_trimmed = "warning: other: it was not trimmed: it has no balloon";
    assert!(ran.stderr.contains(not_trimmed), "{ran:?}");
    assert!(!ran.stderr.contains("warning: vm:"), "{ran:?}");
    assert!(is_held(&host));
    let images = host.images();
    assert!(
        !images.is_empty() && images.iter().all(|name| name.starts_with(&other)),
        "{images:?}"
    );
    host.virsh(["autostart", "vm", "--disable"]);
    host.vmlife(["restore", "--all"]).ends_with(0);
    host.vmlife(["hibernate", "vm", "--managed=both"])
        .ends_with(2);
}

#[test]
fn what_libvirt_cannot_keep_is_refused_before_it_is_touched() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::create(&host, "vm");
    let before = guest.last_tick();
    host.vmlife(["hibernate", "vm", "--managed"])
        .refuses(5, "libvirt has no definition of it");
    host.vmlife(["hibernate", "vm", "--managed", "--to", "/tmp/x"])
        .ends_with(2);
    guest.goes_on_after(&before);
}

#[test]
fn the_guards_stand_before_libvirts_own_images_too() {
    let Some(host) = Session::start() else { return };
    define_empty(&host, "vm");
    let image = host.write("data/disk.raw", vec![0; 1 << 20]);
    let shared = host.write(
        "shared.xml",
        "<shmem name='vl-managed' role='peer'><model type='ivshmem-plain'/><size unit='M'>4</size></shmem>",
    );
    let device = |verb: &str| {
        host.virsh([
            verb.as_ref(),
            "vm".as_ref(),
            shared.as_os_str(),
            "--config".as_ref(),
        ]);
    };
    device("attach-device");
    host.virsh(["start", "vm"]);
    for words in [
        &["hibernate", "vm", "--managed"][..],
        &["hibernate", "vm", "--managed", "-n"],
    ] {
        host.vmlife(words)
            .refuses(6, "the shared memory 'vl-managed' (shmem0) cannot be saved");
    }
    host.virsh(["destroy", "vm"]);
    device("detach-device");
    let disk = image.to_str().expect("text");
    host.virsh(["attach-disk", "vm", disk, "vda", "--config"]);
    host.virsh(["autostart", "vm"]);
    host.virsh(["start", "vm"]);
    host.vmlife(["hibernate", "vm", "--managed", "-n"])
        .succeeds()
        .says("managed by libvirt (at most ");
    // Whatever starts it restores it: no word of autostart.
    host.vmlife(["hibernate", "vm", "--managed"]).succeeds();
    let away = host.path("data/away.raw");
    fs::rename(&image, &away).expect("it is there");
    for words in [&["restore", "vm"][..], &["restore", "vm", "-n"]] {
        host.vmlife(words).refuses(7, "its disk vda is missing");
    }
    fs::rename(&away, &image).expect("it is there");
    let plan = host.vmlife(["restore", "vm", "-n"]).ends_with(0);
    assert!(plan.stderr.contains("libvirt keeps no record"), "{plan:?}");
    host.vmlife(["restore", "vm"]).ends_with(0);
    assert_eq!(host.state("vm"), "running (restored)");
}

#[test]
fn a_managed_save_that_libvirt_would_throw_away_is_refused_and_stays() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "vm");
    host.vmlife(["hibernate", "vm", "--managed"]).succeeds();
    let mut image = fs::read(file(&host)).expect("the managed save");
    let whole = image.clone();
    image[..16].copy_from_slice(b"LibvirtQemudPart");
    fs::write(file(&host), &image).expect("it can be written");
    let ran = host.vmlife(["restore", "vm"]).refuses(
        7,
        "vm cannot be restored from libvirt's managed save: its save was interrupted",
    );
    assert!(
        ran.stderr.contains("virsh managedsave-remove vm"),
        "{ran:?}"
    );
    assert_eq!(fs::read(file(&host)).expect("it stays"), image);
    fs::remove_file(file(&host)).expect("it is there");
    host.vmlife(["restore", "vm"]).refuses(
        7,
        "libvirt has noted a managed save of it, whose file is missing",
    );
    assert_eq!(host.virsh(["domstate", "vm"]), "shut off");
    fs::write(file(&host), &whole).expect("it can be written");
    host.hand_over(&file(&host), 0o600);
    host.vmlife(["restore", "vm"]).succeeds();
    // To boot it all the same is the user's word.
    host.vmlife(["hibernate", "vm", "--managed"]).succeeds();
    fs::write(file(&host), &image).expect("it can be written");
    host.vmlife(["restore", "vm", "--or-start"])
        .succeeds()
        .says("vm is started");
    assert_eq!(host.state("vm"), "running (booted)");
}

#[test]
fn a_managed_save_that_was_left_behind_is_removed_before_it_can_be_taken_for_the_newest() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "vm", 128, "");
    host.vmlife(["hibernate", "vm", "--managed"]).succeeds();
    let copy = host.bring(&file(&host), "tmp/copy.save", 0o600);
    host.virsh(["restore".as_ref(), copy.as_os_str()]);
    assert!(is_held(&host), "libvirt keeps it");
    for words in [&["hibernate", "vm"][..], &["hibernate", "vm", "--managed"]] {
        let before = guest.last_tick();
        let ran = host.vmlife(words).ends_with(0);
        let removed = ran.stderr.contains("its earlier managed save");
        assert_eq!(removed, words.len() == 2, "{ran:?}");
        host.vmlife(["restore", "vm"]).succeeds();
        guest.goes_on_after(&before);
    }
}

#[test]
fn a_managed_hibernation_is_cancelled_like_any_other() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "vm", 128, "");
    let before = guest.last_tick();
    let qemu = host.qemu("vm");
    qemu.signal("STOP");
    let saving = host
        .vmlife_command(["hibernate", "vm", "--managed"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("vmlife runs");
    super::support::eventually("libvirt saves it, and waits for QEMU", || {
        let control = host.virsh(["domcontrol", "vm"]);
        control.contains("background job").then_some(())
    });
    Process(saving.id()).signal("TERM");
    std::thread::sleep(std::time::Duration::from_millis(500));
    qemu.signal("CONT");
    let ran = Ran::of(saving.wait_with_output().expect("it ends")).ends_with(143);
    assert!(
        ran.stderr
            .contains("vm was not hibernated, asked to end (TERM); it runs on"),
        "{ran:?}"
    );
    assert!(!is_held(&host) && !file(&host).exists());
    guest.goes_on_after(&before);
}
