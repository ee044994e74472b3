//! Whoever shares the host, and accidents that look like him: no image, no file of others and no VM is lost.

use super::support::Ran;
use super::support::guest::{Linux, boot_empty, define_empty};
use super::support::session::{Session, missing};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

#[test]
fn two_vms_that_go_to_one_file_at_once_are_not_both_written_to_it() {
    let Some(host) = Session::start() else { return };
    let to = host.path("tmp/same");
    for name in ["a", "b"] {
        boot_empty(&host, name);
    }
    for _ in 0..3 {
        let both = ["a", "b"].map(|name| {
            let mut command = host.vmlife_command(["hibernate", name, "--to", text(&to)]);
            let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().expect("vmlife runs")
        });
        let mut codes = both.map(|one| Ran::of(one.wait_with_output().expect("it ends")).code);
        codes.sort_unstable();
        assert_eq!(codes, [0, 7]);
        let states = ["a", "b"].map(|name| host.virsh(["domstate", name]));
        assert!(states.contains(&"running".to_owned()), "{states:?}");
        host.vmlife(["restore", "--from", text(&to)]).succeeds();
        for name in ["a", "b"] {
            assert_eq!(host.virsh(["domstate", name]), "running");
        }
    }
}

#[test]
fn a_daemon_that_sees_other_files_overwrites_none_of_them() {
    let Some(host) = Session::start() else { return };
    let folder = host.path("tmp/seen");
    fs::create_dir(&folder).expect("a folder");
    host.hand_over(&folder, 0o1777);
    let to = folder.join("x");
    let guest = Linux::boot(&host, "asleep", 128, "");
    let before = guest.last_tick();
    boot_empty(&host, "vm");
    // In here the folder is empty, as /tmp of a service with PrivateTmp is.
    let elsewhere = || {
        let inside = host.vmlife_command(["hibernate", "vm", "--to", text(&to)]);
        let mut command = Command::new("unshare");
        command
            .args([
                "--mount",
                "sh",
                "-c",
                "mount -t tmpfs -o mode=1777 vl \"$1\" && shift && exec \"$@\"",
                "sh",
            ])
            .arg(&folder)
            .arg(inside.get_program())
            .args(inside.get_args());
        Ran::of(command.output().expect("unshare runs"))
    };
    let ran = elsewhere();
    if ran.stderr.contains("unshare") {
        return missing("the right to a mount namespace");
    }
    ran.refuses(10, "was made, and the daemon does not see it");
    host.vmlife(["hibernate", "asleep", "--to", text(&to)])
        .succeeds();
    elsewhere().refuses(7, "is an image to the daemon, whose files are others");
    fs::remove_file(to.with_file_name("x.json")).expect("a record");
    assert_eq!(host.virsh(["domstate", "vm"]), "running");
    host.vmlife(["restore", "--from", text(&to)]).ends_with(0);
    guest.goes_on_after(&before);
}

#[test]
fn what_only_is_named_like_vmlifes_own_files_is_neither_made_nor_emptied_nor_removed() {
    let Some(host) = Session::start() else { return };
    let id = boot_empty(&host, "vm");
    for ending in [".lock", ".json", ".vmlife-half"] {
        let to = host.path(&format!("tmp/x{ending}"));
        host.vmlife(["hibernate", "vm", "--to", text(&to)])
            .refuses(2, "as vmlife's own files beside images do");
    }
    let to = host.path("tmp/x");
    let half = host.write("tmp/x.json.vmlife-half", "letters");
    host.vmlife(["hibernate", "vm", "--to", text(&to)])
        .ends_with(7);
    assert_eq!(fs::read_to_string(&half).expect("it stays"), "letters");
    assert_eq!(host.virsh(["domstate", "vm"]), "running");
    host.vmlife(["hibernate", "vm"]).succeeds();
    host.vmlife(["restore", "vm"]).succeeds();
    let lock = host.image(&id).with_extension("lock");
    let letters = host.write("tmp/letters", "letters");
    fs::hard_link(&letters, &lock).expect("a link");
    let ran = host.vmlife(["hibernate", "vm"]).ends_with(1);
    assert!(ran.stderr.contains("is no lock of vmlife's"), "{ran:?}");
    assert_eq!(fs::read_to_string(&letters).expect("it stays"), "letters");
    assert_eq!(host.virsh(["domstate", "vm"]), "running");
}

#[test]
fn a_copied_image_and_a_record_that_others_may_write_still_tell_of_disks_that_have_changed() {
    let Some(host) = Session::start() else { return };
    let disk = host.write("data/disk.raw", vec![0; 1 << 20]);
    let id = super::support::guest::define_empty(&host, "vm");
    host.virsh(["attach-disk", "vm", text(&disk), "vda", "--config"]);
    host.virsh(["start", "vm"]);
    host.vmlife(["hibernate", "vm"]).succeeds();
    let (image, away) = (host.image(&id), host.path("tmp/away"));
    let record = image.with_extension("vmsave.json");
    let mut content = fs::read(&disk).expect("the disk");
    content[0] = 1;
    fs::write(&disk, content).expect("it can be written");
    let refused = || {
        for words in [&["restore", "vm"][..], &["restore", "vm", "-n"]] {
            host.vmlife(words).refuses(7, "it is stale: disk vda");
        }
    };
    refused();
    fs::copy(&image, &away).expect("a copy");
    fs::remove_file(&image).expect("it is there");
    fs::copy(&away, &image).expect("a copy");
    host.hand_over(&image, 0o600);
    refused();
    fs::set_permissions(&record, Permissions::from_mode(0o666)).expect("it is ours");
    refused();
}

#[test]
fn an_image_place_that_everybody_may_write_to_is_not_used() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "vm");
    host.vmlife(["hibernate", "vm"]).succeeds();
    let place = host.path("state/vmlife/images");
    let everybody = || {
        fs::set_permissions(&place, Permissions::from_mode(0o777)).expect("it is there");
    };
    everybody();
    host.vmlife(["restore", "vm"])
        .refuses(7, "may be written to by everybody");
    fs::set_permissions(&place, Permissions::from_mode(0o700)).expect("it is there");
    host.vmlife(["restore", "vm"]).succeeds();
    everybody();
    host.vmlife(["hibernate", "vm"])
        .refuses(7, "may be written to by everybody");
    assert_eq!(host.virsh(["domstate", "vm"]), "running");
}

#[test]
fn an_image_that_others_may_have_written_is_not_taken_for_the_vms() {
    let Some(host) = Session::start() else { return };
    let id = boot_empty(&host, "vm");
    let image = host.image(&id);
    let with_mode = |mode| fs::set_permissions(&image, Permissions::from_mode(mode)).expect("ours");
    host.vmlife(["hibernate", "vm"]).succeeds();
    with_mode(0o666);
    let ran = host
        .vmlife(["restore", "vm"])
        .refuses(7, "everybody may write to it");
    assert!(ran.stderr.contains("--force"), "{ran:?}");
    host.vmlife(["show", "vm"]).succeeds().says("vm: Down");
    with_mode(0o644);
    // Only root can give files away; whoever is not has seen the half of this.
    if std::os::unix::fs::chown(&image, Some(1), None).is_ok() {
        let told = "it is another user's, daemon's";
        host.vmlife(["restore", "vm"]).refuses(7, told);
        host.vmlife(["restore", "vm", "--force"]).ends_with(0);
    } else {
        host.vmlife(["restore", "vm"]).ends_with(0);
    }
    assert_eq!(host.virsh(["domstate", "vm"]), "running");
}

#[test]
fn a_start_that_fails_early_hides_no_run_before_it() {
    let Some(host) = Session::start() else { return };
    let cd = host.write("data/cd.iso", vec![0; 65536]);
    let id = define_empty(&host, "vm");
    host.virsh([
        "attach-disk",
        "vm",
        text(&cd),
        "hda",
        "--type",
        "cdrom",
        "--mode",
        "readonly",
        "--config",
    ]);
    host.virsh(["start", "vm"]);
    host.vmlife(["hibernate", "vm"]).succeeds();
    host.virsh(["start", "vm"]);
    host.virsh(["destroy", "vm"]);
    let away = host.path("data/away");
    fs::rename(&cd, &away).expect("it is ours");
    let start = host.command("virsh").args(["start", "vm"]).output();
    assert!(!start.expect("virsh runs").status.success());
    fs::rename(&away, &cd).expect("it is ours");
    assert_eq!(host.state("vm"), "shut off (failed)");
    host.vmlife(["restore", "vm"])
        .refuses(7, "by libvirt's log the VM was started since");
    assert!(host.image(&id).exists());
}

#[test]
fn a_vm_is_known_in_libvirts_log_by_its_uuid_whatever_it_and_others_are_called() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "vm", 128, "");
    let before = guest.last_tick();
    host.vmlife(["hibernate", "vm"]).succeeds();
    // Another one has its name meanwhile.
    host.virsh(["domrename", "vm", "old"]);
    boot_empty(&host, "vm");
    host.vmlife(["restore", "old"])
        .refuses(7, "the VM had another name then, 'vm'");
    host.virsh(["destroy", "vm"]);
    host.virsh(["undefine", "vm"]);
    host.virsh(["domrename", "old", "vm"]);
    host.vmlife(["restore", "vm"]).succeeds();
    guest.goes_on_after(&before);

    // It runs under another name.
    let elsewhere = host.path("tmp/elsewhere");
    host.vmlife(["hibernate", "vm"]).succeeds();
    host.virsh(["domrename", "vm", "new"]);
    host.virsh(["start", "new"]);
    host.virsh(["save", "new", text(&elsewhere)]);
    host.vmlife(["show", "new"]).succeeds().says("new: Down");
    host.vmlife(["restore", "new"])
        .refuses(7, "by libvirt's log the VM was started since");
}

#[test]
fn a_restore_that_was_cut_off_before_it_began_leaves_a_good_image() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "vm", 128, "");
    let before = guest.last_tick();
    host.vmlife(["hibernate", "vm"]).succeeds();
    // As vmlife leaves it that is killed between its mark and libvirt's call.
    let record = host.image(&guest.id()).with_extension("vmsave.json");
    let mut marked: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&record).expect("a record")).expect("JSON");
    marked["usage"] = serde_json::json!({ "kind": "restoreBegan", "at": "2026-11-25T10:00:00Z" });
    fs::write(&record, marked.to_string()).expect("it is ours");
    host.vmlife(["show"]).succeeds().says("Suspended");
    host.vmlife(["restore", "vm"]).succeeds();
    guest.goes_on_after(&before);
}

#[test]
fn an_image_without_a_record_is_not_put_over_disks_that_were_written_to_since() {
    let Some(host) = Session::start() else { return };
    let disk = host.write("data/disk", vec![0; 65536]);
    define_empty(&host, "vm");
    host.virsh(["attach-disk", "vm", text(&disk), "vda", "--config"]);
    host.virsh(["start", "vm"]);
    let image = host.path("tmp/image");
    host.virsh(["save", "vm", text(&image)]);
    let restore = ["restore", "--from", text(&image)];
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(3600);
    let file = fs::File::options().write(true).open(&disk).expect("a disk");
    file.set_modified(later).expect("it is ours");
    host.vmlife(restore)
        .refuses(7, "was written to after it was saved");
    file.set_modified(std::time::SystemTime::now())
        .expect("it is ours");
    let ran = host.vmlife(restore).ends_with(0);
    assert!(ran.stderr.contains("it has no record"), "{ran:?}");
}

#[test]
fn an_image_is_not_put_where_everybody_may_take_it_away() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "vm");
    let folder = host.path("tmp/open");
    fs::create_dir(&folder).expect("a folder");
    host.hand_over(&folder, 0o777);
    let hibernate = ["hibernate", "vm", "--to", text(&folder)];
    for words in [&hibernate[..], &[&hibernate[..], &["-n"]].concat()] {
        host.vmlife(words)
            .refuses(7, "everybody may put files into the folder");
    }
    assert_eq!(host.virsh(["domstate", "vm"]), "running");
    host.hand_over(&folder, 0o1777);
    host.vmlife(hibernate).succeeds();
}
