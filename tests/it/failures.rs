//! What goes wrong, and whether vmlife tells the truth about it.

use super::support::eventually;
use super::support::guest::{Linux, boot_empty, define_empty};
use super::support::session::Session;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Stdio;
use std::time::{Duration, Instant};

#[test]
fn a_killed_qemu_under_a_paused_guest_is_told_as_the_loss_that_it_is() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "vm");
    host.vmlife(["pause", "vm"]).succeeds();
    host.qemu("vm").signal("KILL");
    eventually("libvirt notices", || {
        (host.state("vm") == "shut off (crashed)").then_some(())
    });
    host.vmlife(["resume", "vm"])
        .refuses(5, "vm cannot be resumed: it is off (crashed)");
    host.vmlife(["hibernate", "vm"])
        .refuses(5, "vm cannot be hibernated: it is off (crashed)");
    host.vmlife(["restore", "vm"])
        .refuses(4, "there is no image of it");
    host.vmlife(["show"]).succeeds().says("Down (crashed)");
}

#[test]
fn a_killed_qemu_during_a_save_is_told_as_the_loss_that_it_is() {
    let Some(host) = Session::start() else { return };
    let id = boot_empty(&host, "vm");
    let qemu = host.qemu("vm");
    qemu.signal("STOP");
    let saving = host
        .vmlife_command(["hibernate", "vm"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    eventually("libvirt saves it, and waits for QEMU", || {
        let control = host.virsh(["domcontrol", "vm"]);
        control.contains("background job").then_some(())
    });
    qemu.signal("KILL");
    let ran = super::support::Ran::of(saving.wait_with_output().unwrap());
    ran.refuses(
        1,
        "vm could not be hibernated; it is off (crashed): what was in its memory is lost",
    );
    assert!(!host.image(&id).exists());
}

#[test]
fn verbs_that_do_not_fit_the_state_are_refused_with_what_to_do_instead() {
    let Some(host) = Session::start() else { return };
    define_empty(&host, "vm");
    for verb in ["pause", "resume", "hibernate"] {
        host.vmlife([verb, "vm"]).refuses(5, "it is off");
    }
    host.vmlife(["restore", "vm"])
        .refuses(4, "--or-start boots it");
    host.virsh(["start", "vm"]);
    host.vmlife(["hibernate", "vm"]).succeeds();
    host.vmlife(["pause", "vm"]).refuses(5, "it is hibernated");
    host.vmlife(["resume", "vm"])
        .refuses(5, "vmlife restore vm");
}

#[test]
fn nothing_is_ever_overwritten() {
    let Some(host) = Session::start() else { return };
    let id = boot_empty(&host, "vm");
    let other = boot_empty(&host, "other");
    let before = [
        ("tmp/a", Some("my letters")),
        ("tmp/empty", Some("")),
        ("tmp/folder/x", None),
    ];
    for (name, content) in before {
        if let Some(content) = content {
            host.write(name, content);
        }
        let file = host.path(name);
        let ran = host.vmlife([
            "hibernate".as_ref(),
            "vm".as_ref(),
            "--to".as_ref(),
            file.as_os_str(),
        ]);
        match content {
            Some(content) => {
                ran.refuses(7, "exists already, and is no image of this VM");
                assert_eq!(fs::read_to_string(&file).unwrap(), content);
            }
            None => drop(ran.refuses(1, "there is no folder")),
        }
    }
    symlink("/dev/null", host.path("tmp/link")).unwrap();
    for target in [
        "/dev/null",
        "/dev/full",
        host.path("tmp/link").to_str().unwrap(),
    ] {
        host.vmlife(["hibernate", "vm", "--to", target])
            .refuses(7, "is not a regular file");
    }
    // Nor another VM's image, wherever it lies.
    host.vmlife(["hibernate", "other"]).succeeds();
    let theirs = host.image(&other);
    host.vmlife([
        "hibernate".as_ref(),
        "vm".as_ref(),
        "--to".as_ref(),
        theirs.as_os_str(),
    ])
    .refuses(7, "exists already, and is no image of this VM");
    fs::rename(&theirs, host.image(&id)).unwrap();
    host.vmlife(["hibernate", "vm"])
        .refuses(7, "exists already, and is no image of this VM");
    assert_eq!(host.state("vm"), "running (booted)");
}

#[test]
fn an_image_that_is_missing_empty_foreign_or_partial_is_refused_and_stays() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "vm", 128, "");
    let id = guest.id();
    let before = guest.last_tick();
    host.vmlife(["hibernate", "vm"]).succeeds();
    let image = host.image(&id);
    let whole = fs::read(&image).unwrap();
    let mut partial = whole.clone();
    partial[..16].copy_from_slice(b"LibvirtQemudPart");
    let mut wrong_format = whole.clone();
    wrong_format[28] = 1;
    let size = u32::from_ne_bytes(whole[20..24].try_into().unwrap()) as usize;
    for (content, code, error) in [
        (&b""[..], 7, "its save was interrupted"),
        (b"something else, of which there is more than a header's length, so that it must be read", 7, "it is no image"),
        (&partial, 7, "its save was interrupted"),
        (&partial[..300], 7, "its save was interrupted"),
        (&whole[..92 + size], 7, "it ends before the memory begins"),
        (&wrong_format, 7, "its memory is not in the format that it names"),
    ] {
        fs::write(&image, content).unwrap();
        host.vmlife(["restore", "vm"]).refuses(code, error);
        host.vmlife(["show", "vm"]).succeeds().says("vm: Down");
        assert_eq!(fs::read(&image).unwrap(), content);
        assert_eq!(host.virsh(["domstate", "vm"]), "shut off");
    }
    host.vmlife(["restore", "--from", "/nonexistent"])
        .refuses(4, "there is no such file");
    host.vmlife(["restore", "vm", "--from", "/dev/null"])
        .refuses(7, "it is not a regular file");
    let other = define_empty(&host, "other");
    let theirs = host.image(&other);
    fs::write(&image, &whole).unwrap();
    fs::rename(&image, &theirs).unwrap();
    host.vmlife(["restore", "other"])
        .refuses(7, "it holds the memory of another VM, \"vm\"");
    // libvirt's truncated image: whoever insists hears it from QEMU, and it is as good or bad as before.
    let cut = host.write("tmp/cut", &whole[..whole.len() / 2]);
    let from = ["restore".as_ref(), "--from".as_ref(), cut.as_os_str()];
    host.vmlife(from).refuses(7, "it seems to be cut short");
    let ran = host
        .vmlife(from.into_iter().chain(["--force".as_ref()]))
        .ends_with(1);
    assert!(
        ran.stderr.contains("could not be restored from") && ran.stderr.contains("cause: "),
        "{ran:?}"
    );
    assert_eq!(fs::read(&cut).unwrap().len(), whole.len() / 2);
    let beside = host.path("tmp/cut.json");
    assert!(!beside.exists(), "a failed restore leaves all as it was");

    fs::rename(&theirs, &image).unwrap();
    host.vmlife(["restore", "vm"]).succeeds();
    guest.goes_on_after(&before);
}

#[test]
fn an_interrupted_save_that_was_left_behind_is_replaced_with_a_word() {
    let Some(host) = Session::start() else { return };
    let id = boot_empty(&host, "vm");
    host.vmlife(["hibernate", "vm"]).succeeds();
    host.vmlife(["restore", "vm", "--keep"]).succeeds();
    let mut image = fs::read(host.image(&id)).unwrap();
    image[..16].copy_from_slice(b"LibvirtQemudPart");
    for partial in [&image[..], &image[..200]] {
        fs::write(host.image(&id), partial).unwrap();
        let ran = host.vmlife(["hibernate", "vm"]).ends_with(0);
        assert!(
            ran.stderr.contains("its incomplete image was removed"),
            "{ran:?}"
        );
        host.vmlife(["restore", "vm"]).succeeds();
    }
}

#[test]
fn a_save_that_fails_leaves_the_vm_running_and_no_file() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "vm", 128, "");
    let before = guest.last_tick();
    for (folder, code) in [("/proc", 1), ("/sys/kernel", 10)] {
        let target = format!("{folder}/x.vmsave");
        let ran = host
            .vmlife(["hibernate", "vm", "--to", &target])
            .ends_with(code);
        assert!(
            ran.stderr
                .contains("vm could not be hibernated; it runs on"),
            "{ran:?}"
        );
        assert!(
            ran.stderr.contains("cause: Failed to create file"),
            "{ran:?}"
        );
    }
    guest.goes_on_after(&before);
}

#[test]
fn a_device_that_cannot_be_saved_is_named_and_the_vm_runs_on() {
    let Some(host) = Session::start() else { return };
    let xml = host.write(
        "ivshmem.xml",
        "<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
        <name>vm</name><memory unit='MiB'>16</memory>
        <os><type arch='x86_64' machine='pc'>hvm</type></os>
        <devices><controller type='usb' model='none'/><memballoon model='none'/></devices>
        <qemu:commandline>
        <qemu:arg value='-object'/><qemu:arg value='memory-backend-ram,id=m,size=1M,share=on'/>
        <qemu:arg value='-device'/><qemu:arg value='ivshmem-plain,memdev=m'/>
        </qemu:commandline></domain>",
    );
    host.virsh(["create".as_ref(), xml.as_os_str()]);
    let ran = host
        .vmlife(["hibernate", "vm"])
        .refuses(6, "vm could not be hibernated; it runs on");
    assert!(ran.stderr.contains("ivshmem"), "{ran:?}");
    assert_eq!(host.images(), [""; 0]);
}

#[test]
fn a_vm_that_is_being_saved_is_busy_for_everybody_else() {
    let Some(host) = Session::start() else { return };
    Linux::boot(&host, "vm", 384, "vmlife.random=256");
    let saving = host
        .vmlife_command(["hibernate", "-q", "vm"])
        .spawn()
        .unwrap();
    // Who writes the image stands still, so that the save lasts as long as we look.
    let writer = eventually("the image is being written", || host.image_writer());
    writer.signal("STOP");
    assert_eq!(host.state("vm"), "paused (saving)");
    let began = Instant::now();
    for verb in ["pause", "resume"] {
        host.vmlife([verb, "vm"])
            .refuses(9, "its memory is being saved");
    }
    for verb in ["hibernate", "restore"] {
        host.vmlife([verb, "vm"])
            .refuses(9, "vmlife hibernate (process ");
    }
    host.vmlife(["show"])
        .succeeds()
        .says("SavingState (saving)");
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "nobody waits for libvirt's lock"
    );
    writer.signal("CONT");
    assert!(saving.wait_with_output().unwrap().status.success());
    host.vmlife(["restore", "vm"]).succeeds();
}

#[test]
fn a_vm_that_a_failed_save_left_paused_is_no_longer_being_saved_and_resume_frees_it() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "vm", 384, "vmlife.random=256");
    let before = guest.last_tick();
    // To virsh libvirt leaves it paused after a save that was to bring it back so, also when that fails.
    let mut saving = host
        .command("virsh")
        .args(["save", "--paused", "vm"])
        .arg(host.path("tmp/image"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let writer = eventually("the image is being written", || host.image_writer());
    writer.signal("STOP");
    host.virsh(["domjobabort", "vm"]);
    writer.signal("CONT");
    assert!(!saving.wait().unwrap().success());
    assert_eq!(host.state("vm"), "paused (saving)");
    host.vmlife(["show"]).succeeds().says("Paused (saving)");
    let left = "a save of it failed, and libvirt could not let its guest run again";
    let ran = host.vmlife(["hibernate", "vm"]).refuses(5, left);
    assert!(ran.stderr.contains("vmlife resume vm"), "{ran:?}");
    host.vmlife(["restore", "vm"]).refuses(5, left);
    host.vmlife(["resume", "vm"]).succeeds();
    assert_eq!(host.virsh(["domstate", "vm"]), "running");
    guest.goes_on_after(&before);
}

#[test]
fn a_daemon_that_hangs_is_no_connection_after_ten_seconds() {
    let Some(host) = Session::start() else { return };
    let daemon = host.daemon();
    daemon.signal("STOP");
    let began = Instant::now();
    let ran = host.vmlife(["show"]);
    let took = began.elapsed();
    let quick = host.vmlife(["show", "--timeout", "1s"]);
    daemon.signal("CONT");
    ran.refuses(10, "libvirt has not answered within 10 s");
    quick.refuses(124, "has not answered within 1 s");
    assert!(took < Duration::from_secs(12), "{took:?}");
    host.vmlife(["show"]).succeeds();
}

#[test]
fn a_daemon_that_is_not_there_is_no_connection_at_once() {
    let Some(host) = Session::start() else { return };
    let mut command = host.vmlife_command(["show"]);
    command.env(
        "LIBVIRT_DEFAULT_URI",
        "qemu+unix:///session?socket=/tmp/nobody-listens-here",
    );
    let began = Instant::now();
    super::support::Ran::of(command.output().unwrap()).refuses(10, "libvirt cannot be reached");
    assert!(began.elapsed() < Duration::from_secs(10));
}
