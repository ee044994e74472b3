//! What has made others lose a VM: that none of it does so here, and that README's page on what can go wrong
//! says no more than tests show.

use super::races::HeldBack;
use super::support::guest::{Linux, boot_empty};
use super::support::session::{Process, Session, missing};
use super::support::{Ran, eventually, files_below, project};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

/// README's rows, each with the tests that show it: a line with the row's first cell, then the tests' names,
/// indented.
const DANGERS: &str = include_str!("../dangers.txt");
const HEADING: &str = "\n## What can go wrong, and what vmlife does\n";

#[test]
fn each_row_of_the_page_on_what_can_go_wrong_is_shown_by_tests() {
    let readme = fs::read_to_string(project().join("README.md")).expect("README");
    let (_, page) = readme.split_once(HEADING).expect("the page");
    let page = page.split("\n## ").next().expect("a page");
    let cells = page.lines().filter_map(|line| line.strip_prefix("| "));
    let rows: Vec<&str> = cells
        .map(|cells| cells.split(" | ").next().expect("a cell"))
        .filter(|cell| *cell != "what can go wrong")
        .collect();
    let mut sources = String::new();
    for file in [files_below("src", "rs"), files_below("tests/it", "rs")].concat() {
        sources += &fs::read_to_string(file).expect("text");
    }
    let listed: Vec<&str> = DANGERS
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with(['#', ' ']))
        .collect();
    assert_eq!(
        listed, rows,
        "tests/dangers.txt has README's rows, in its order"
    );
    let mut shown = 0;
    for line in DANGERS.lines() {
        if let Some(test) = line.strip_prefix("    ") {
            let is_there = ["", "    "]
                .iter()
                .any(|indent| sources.contains(&format!("#[test]\n{indent}fn {test}(")));
            assert!(is_there, "there is no test {test}");
            shown += 1;
        } else if listed.contains(&line) {
            assert!(shown > 0 || Some(&line) == listed.first(), "{line}");
            shown = 0;
        }
    }
    assert!(shown > 0, "the last row is shown by nothing");
}

fn spawn(host: &Session, words: &[&str]) -> Child {
    let mut command = host.vmlife_command(words);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("vmlife runs")
}

fn end_of(child: Child) -> Ran {
    Ran::of(child.wait_with_output().expect("vmlife ends"))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// Defines and boots a guest of no memory to speak of, with this in its XML.
fn boot(host: &Session, name: &str, os: &str, devices: &str) -> String {
    let xml = format!(
        "<domain type='qemu'><name>{name}</name><memory unit='MiB'>16</memory>
        {os}<devices><controller type='usb' model='none'/><memballoon model='none'/>{devices}</devices>
        </domain>"
    );
    let xml = host.write("guest.xml", xml);
    host.virsh(["define".as_ref(), xml.as_os_str()]);
    host.virsh(["start", name]);
    host.virsh(["domuuid", name])
}

const PC: &str = "<os><type arch='x86_64' machine='pc'>hvm</type></os>";

fn disk(path: &Path, format: &str) -> String {
    format!(
        "<disk type='file' device='disk'><driver name='qemu' type='{format}'/>
        <source file='{}'/><target dev='vda' bus='virtio'/></disk>",
        path.display()
    )
}

/// A program as the session's user, which succeeds.
#[track_caller]
fn tool(host: &Session, program: &str, words: &[&str]) {
    let ran = host.command(program).args(words).output();
    Ran::of(ran.expect("it runs")).ends_with(0);
}

#[test]
fn what_is_no_regular_file_is_neither_written_to_nor_waited_for() {
    let Some(host) = Session::start() else { return };
    let id = boot_empty(&host, "vm");
    let (pipe, socket) = (host.path("tmp/pipe"), host.path("tmp/socket"));
    tool(&host, "mkfifo", &[text(&pipe)]);
    let _listener = UnixListener::bind(&socket).expect("a socket");
    for path in [&pipe, &socket] {
        host.vmlife(["hibernate", "vm", "--to", text(path)])
            .refuses(7, "is not a regular file");
        host.vmlife(["restore", "--from", text(path)])
            .refuses(7, "it is not a regular file");
        host.vmlife(["show", text(path)])
            .refuses(2, "it is not a regular file");
    }
    // A folder that is not there any more is no place to be relative to.
    let line = format!(
        "mkdir {0} && cd {0} && rmdir {0} && exec {1} hibernate vm --to x",
        host.path("tmp/gone").display(),
        host.path("vmlife").display()
    );
    let ran = host.command("sh").args(["-c", &line]).output();
    Ran::of(ran.expect("sh runs")).refuses(2, "--to is no path");
    // Nor in its own place, and where its record belongs.
    let place = host.path("state/vmlife/images");
    fs::create_dir_all(&place).expect("a folder");
    host.hand_over(&host.path("state/vmlife"), 0o700);
    host.hand_over(&place, 0o700);
    let image = host.image(&id);
    tool(&host, "mkfifo", &[text(&image)]);
    host.vmlife(["hibernate", "vm"])
        .refuses(7, "is not a regular file");
    fs::remove_file(&image).expect("it is there");
    let (record, theirs) = (
        PathBuf::from(format!("{}.json", image.display())),
        host.write("tmp/theirs", "of somebody else"),
    );
    symlink(&theirs, &record).expect("a link");
    host.vmlife(["hibernate", "vm"])
        .refuses(7, "is in the way of its record");
    assert_eq!(
        fs::read_to_string(&theirs).expect("text"),
        "of somebody else"
    );
    fs::remove_file(&record).expect("it is there");
    assert_eq!(host.state("vm"), "running (booted)");
    host.vmlife(["hibernate", "vm"]).succeeds();
}

#[test]
fn memory_lies_where_only_its_owner_can_read_it() {
    let Some(host) = Session::start() else { return };
    let id = boot_empty(&host, "vm");
    let held = HeldBack::start(&host, &["hibernate", "vm"]);
    let mode = |path: &Path| {
        let found = fs::symlink_metadata(path).expect("it is there");
        found.permissions().mode() & 0o777
    };
    let image = host.image(&id);
    assert_eq!(mode(&image.with_extension("lock")), 0o600);
    held.go_on().ends_with(0);
    assert_eq!(mode(&host.path("state/vmlife/images")), 0o700);
    assert_eq!(mode(&image), 0o600);
    let record = PathBuf::from(format!("{}.json", image.display()));
    assert_eq!(mode(&record), 0o600);
}

#[test]
fn a_qemu_that_dies_while_it_loads_leaves_the_image_as_it_was() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "vm", 128, "");
    let before = guest.last_tick();
    host.vmlife(["hibernate", "vm"]).succeeds();
    let image = host.image(&guest.id());
    let whole = fs::read(&image).expect("the image");
    let restoring = spawn(&host, &["restore", "vm"]);
    eventually("QEMU is there", || {
        let pid = fs::read_to_string(host.pid_file("vm")).ok()?;
        pid.trim().parse::<u32>().ok()
    });
    host.qemu("vm").signal("KILL");
    let ran = end_of(restoring).ends_with(1);
    assert!(
        ran.stderr.contains("could not be restored from ")
            && ran.stderr.contains("; the image is still there"),
        "{ran:?}"
    );
    assert!(fs::read(&image).expect("the image") == whole);
    host.vmlife(["show"]).succeeds().says("Suspended");
    host.vmlife(["restore", "vm"]).succeeds();
    guest.goes_on_after(&before);
}

#[test]
fn a_paused_vm_whose_hibernation_is_cancelled_stays_paused() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "vm", 384, "vmlife.random=256");
    let before = guest.last_tick();
    host.vmlife(["pause", "vm"]).succeeds();
    let frozen = guest.last_tick();
    let saving = spawn(&host, &["hibernate", "vm"]);
    let writer = eventually("the image is being written", || host.image_writer());
    writer.signal("STOP");
    Process(saving.id()).signal("INT");
    std::thread::sleep(std::time::Duration::from_millis(500));
    writer.signal("CONT");
    let ran = end_of(saving).ends_with(130);
    assert!(
        ran.stderr
            .contains("vm was not hibernated, interrupted (INT); it is paused, as before"),
        "{ran:?}"
    );
    assert_eq!(host.virsh(["domstate", "vm"]), "paused");
    assert_eq!(guest.last_tick(), frozen);
    // So it is with a save that fails by itself.
    let ran = host.vmlife(["hibernate", "vm", "--to", "/proc/x.vmsave"]);
    assert!(
        ran.ends_with(1)
            .stderr
            .contains("vm could not be hibernated; it is paused, as before")
    );
    host.vmlife(["resume", "vm"]).succeeds();
    guest.goes_on_after(&before);
}

#[test]
fn a_cancelled_hibernation_leaves_the_vm_as_it_was_and_not_as_it_was_to_be_restored() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "vm", 384, "vmlife.random=256");
    let before = guest.last_tick();
    // libvirt heeds these words also when the save comes to nothing.
    for (verb, word, state) in [
        ("resume", "--paused", "running"),
        ("pause", "--running", "paused"),
    ] {
        host.vmlife([verb, "vm"]).succeeds();
        let saving = spawn(&host, &["hibernate", "vm", word]);
        let writer = eventually("the image is being written", || host.image_writer());
        writer.signal("STOP");
        Process(saving.id()).signal("INT");
        std::thread::sleep(std::time::Duration::from_millis(500));
        writer.signal("CONT");
        let ran = end_of(saving).ends_with(130);
        assert!(
            ran.stderr
                .contains("vm was not hibernated, interrupted (INT); it "),
            "{ran:?}"
        );
        assert_eq!(host.virsh(["domstate", "vm"]), state, "{ran:?}");
        assert_eq!(host.images(), [""; 0], "{ran:?}");
        eventually("its writer ends", || {
            host.image_writer().is_none().then_some(())
        });
    }
    host.vmlife(["resume", "vm"]).succeeds();
    guest.goes_on_after(&before);
}

#[test]
fn an_error_of_a_disk_is_neither_hidden_by_a_pause_nor_hibernated_unseen() {
    let Some(host) = Session::start() else { return };
    let image = host.write("disk.raw", vec![0; 1 << 20]);
    let socket = host.path("nbd.sock");
    let mut server = host
        .command("qemu-nbd")
        .args(["--persistent", "--format", "raw", "--socket"])
        .args([&socket, &image])
        .spawn()
        .expect("qemu-nbd runs");
    eventually("the storage is there", || socket.exists().then_some(()));
    let guest = Linux::define(&host, "vm", 128, "vmlife.counter=/dev/vda");
    let disk = format!(
        "<disk type='network'><driver name='qemu' type='raw' error_policy='stop'/>
        <source protocol='nbd'><host transport='unix' socket='{}'/></source>
        <target dev='vda' bus='virtio'/></disk>",
        socket.display()
    );
    let disk = host.write("disk.xml", disk);
    host.virsh(["attach-device", "vm", text(&disk), "--config"]);
    host.virsh(["start", "vm"]);
    guest.ticks_beyond(0);
    server.kill().expect("it is killed");
    server.wait().expect("it ends");
    eventually("the guest is stopped", || {
        (host.state("vm") == "paused (I/O error)").then_some(())
    });
    host.vmlife(["pause", "vm"])
        .succeeds()
        .says("vm is already paused, on an error: ");
    assert_eq!(host.state("vm"), "paused (I/O error)");
    let ran = host
        .vmlife(["hibernate", "vm"])
        .refuses(5, "it paused on an error of a disk: ");
    assert!(
        ran.stderr.contains("mend the disk and resume it"),
        "{ran:?}"
    );
    assert_eq!(host.state("vm"), "paused (I/O error)");
    assert_eq!(host.images(), [""; 0]);
}

#[test]
fn what_changes_between_the_look_and_the_call_is_told_as_it_is_then() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "guest", 128, "");
    // All that takes time is done while the guest runs.
    let held = HeldBack::start(&host, &["hibernate", "guest"]);
    assert_eq!(host.state("guest"), "running (booted)");
    let before = guest.last_tick();
    guest.ticks_beyond(before.number + 1);
    held.go_on().ends_with(0);

    boot_empty(&host, "vm");
    let held = HeldBack::start(&host, &["pause", "vm"]);
    host.virsh(["suspend", "vm"]);
    held.go_on().ends_with(0).says("vm is paused");
    let held = HeldBack::start(&host, &["resume", "vm"]);
    host.virsh(["resume", "vm"]);
    held.go_on().ends_with(0).says("vm runs on");
    let held = HeldBack::start(&host, &["pause", "vm"]);
    host.virsh(["destroy", "vm"]);
    let ran = held.go_on().ends_with(5);
    let words = "error: vm could not be paused; it is off (destroyed)";
    assert!(ran.stderr.contains(words), "{ran:?}");
    let held = HeldBack::start(&host, &["restore", "guest"]);
    host.virsh(["restore".as_ref(), host.image(&guest.id()).as_os_str()]);
    let ran = held.go_on().ends_with(5);
    assert!(ran.stderr.contains("guest was not restored"), "{ran:?}");
    guest.goes_on_after(&before);
}

#[test]
fn what_is_edited_while_a_vm_sleeps_waits_for_its_next_boot() {
    const OURS: &str = "urn:vmlife:vm:1";
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "vm");
    let set = |text: &str, which: &str| {
        let words = ["metadata", "vm", "--uri", OURS, "--key", "vmlife", "--set"];
        host.virsh(words.iter().chain(&[text, which]));
    };
    let read = |which: &str| host.virsh(["metadata", "vm", "--uri", OURS, which]);
    for which in ["--live", "--config"] {
        set("<vm><priority type='int'>7</priority></vm>", which);
    }
    host.vmlife(["hibernate", "vm"]).succeeds();
    set("<vm><priority type='int'>9</priority></vm>", "--config");
    host.virsh(["setmaxmem", "vm", "32M", "--config"]);
    for restored in [false, true] {
        if restored {
            host.vmlife(["restore", "vm"]).succeeds();
        }
        let json = host.vmlife(["show", "vm", "-o", "json"]).succeeds().json();
        let changed = json["vms"][0]["nextRunChangedFields"].as_array();
        let changed = changed.expect("what the next boot changes");
        assert!(changed.contains(&"memSizeMb".into()), "{changed:?}");
    }
    // Each definition has kept its own, and the time of the restore.
    for (which, priority) in [("--live", ">7<"), ("--config", ">9<")] {
        let found = read(which);
        assert!(
            found.contains(priority) && found.contains("lastStartTime"),
            "{which}: {found}"
        );
    }
    assert!(host.virsh(["dumpxml", "vm"]).contains(">16384<"));
    assert!(
        host.virsh(["dumpxml", "vm", "--inactive"])
            .contains(">32768<")
    );
}

#[test]
fn a_record_that_cannot_be_written_harms_no_image() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "vm", 384, "vmlife.random=256");
    let before = guest.last_tick();
    let saving = spawn(&host, &["hibernate", "vm"]);
    let writer = eventually("the image is being written", || host.image_writer());
    writer.signal("STOP");
    let record = PathBuf::from(format!("{}.json", host.image(&guest.id()).display()));
    fs::create_dir(&record).expect("a folder");
    writer.signal("CONT");
    let ran = end_of(saving).ends_with(0).says("vm is hibernated to ");
    let words = "warning: vm: the record beside the image could not be written: ";
    assert!(ran.stderr.contains(words), "{ran:?}");
    host.vmlife(["show"]).succeeds().says("Suspended");
    host.vmlife(["restore", "vm"])
        .refuses(7, "it cannot be marked as used");
    fs::remove_dir(&record).expect("it is there");
    host.vmlife(["restore", "vm"]).succeeds();
    guest.goes_on_after(&before);
}

#[test]
fn the_password_of_a_console_is_the_same_after_a_restore() {
    let Some(host) = Session::start() else { return };
    let console = "<graphics type='vnc' port='-1' autoport='yes' passwd='geheim'/>";
    boot(&host, "vm", PC, console);
    for restored in [false, true] {
        if restored {
            host.vmlife(["hibernate", "vm"]).succeeds();
            host.vmlife(["restore", "vm"]).succeeds();
        }
        let xml = host.virsh(["dumpxml", "vm", "--security-info"]);
        assert!(xml.contains("passwd='geheim'"), "{xml}");
        let display = host.virsh(["vncdisplay", "vm"]);
        let number: u16 = display.rsplit(':').next().unwrap().parse().expect(&display);
        let mut console = TcpStream::connect(("127.0.0.1", 5900 + number)).expect("a console");
        let mut version = [0; 12];
        console.read_exact(&mut version).expect("its version");
        console.write_all(&version).expect("it hears");
        let mut kinds = [0; 2];
        console
            .read_exact(&mut kinds)
            .expect("its kinds of security");
        assert_eq!(kinds, [1, 2], "one kind, which is a password");
    }
}

#[test]
fn memory_is_not_put_over_a_disk_that_a_snapshot_has_left_below() {
    let Some(host) = Session::start() else { return };
    let path = host.path("data/disk.qcow2");
    tool(
        &host,
        "qemu-img",
        &["create", "-q", "-f", "qcow2", text(&path), "8M"],
    );
    boot(&host, "vm", PC, &disk(&path, "qcow2"));
    let snapshot = |name: &str| {
        host.virsh(["snapshot-create-as", "vm", name, "--disk-only"]);
    };
    // Of a VM that runs it is of no harm: the memory knows the new layer.
    snapshot("s1");
    host.vmlife(["hibernate", "vm"]).succeeds();
    host.vmlife(["restore", "vm"]).succeeds();
    host.vmlife(["hibernate", "vm"]).succeeds();
    snapshot("s2");
    let (then, now) = (host.path("data/disk.s1"), host.path("data/disk.s2"));
    let words = format!(
        "its disk vda is {} now, and its memory belongs to {}",
        now.display(),
        then.display()
    );
    // Nothing else tells of a boot once daemon and log have forgotten it: only the new layer was written to.
    host.virsh(["start", "vm"]);
    host.virsh(["destroy", "vm"]);
    host.restart();
    host.write("cache/libvirt/qemu/log/vm.log", "");
    for words_of_command in [&["restore", "vm"][..], &["restore", "vm", "--dry-run"]] {
        host.vmlife(words_of_command).refuses(7, &words);
    }
    let ran = host.vmlife(["restore", "vm", "--force"]).ends_with(0);
    assert!(ran.stderr.contains("against the guard 'disks'"), "{ran:?}");
}

#[test]
fn a_disk_that_was_to_be_another_one_at_the_next_boot_already_is_no_obstacle() {
    let Some(host) = Session::start() else { return };
    let (path, next) = (
        host.write("data/disk.raw", vec![0; 1 << 20]),
        host.write("data/next.raw", vec![0; 1 << 20]),
    );
    boot(&host, "vm", PC, &disk(&path, "raw"));
    host.virsh(["detach-disk", "vm", "vda", "--config"]);
    host.virsh(["attach-disk", "vm", text(&next), "vda", "--config"]);
    host.vmlife(["hibernate", "vm"]).succeeds();
    host.vmlife(["restore", "vm"]).succeeds();
    assert_eq!(host.virsh(["domstate", "vm"]), "running");
}

#[test]
fn an_image_that_libvirt_compresses_comes_back_and_one_that_lost_its_end_is_found_by_its_program() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "vm", 128, "");
    let settings = host.path("c/libvirt/qemu.conf");
    let mut all = fs::read_to_string(&settings).expect("settings");
    all.push_str("save_image_format = \"gzip\"\n");
    fs::write(&settings, all).expect("they can be written");
    host.restart();
    let before = guest.last_tick();
    host.vmlife(["hibernate", "vm"]).succeeds();
    host.vmlife(["show", "--images"]).succeeds().says("gzip");
    let image = host.image(&guest.id());
    let whole = fs::read(&image).expect("the image");
    // libvirt may see QEMU go before it ends it, and takes the VM for crashed then, which speaks against other images.
    let restore = || match host.virsh(["domstate", "vm", "--reason"]).as_str() {
        "shut off (crashed)" => host.vmlife(["restore", "vm", "--force"]),
        _ => host.vmlife(["restore", "vm"]),
    };
    for length in [whole.len() / 2, whole.len() - 1] {
        fs::write(&image, &whole[..length]).expect("it can be written");
        let ran = restore().ends_with(1);
        let words = "the image is still there";
        assert!(ran.stderr.contains(words), "{length}: {ran:?}");
        assert!(!ran.stderr.contains("stays marked"), "{length}: {ran:?}");
        assert!(host.virsh(["domstate", "vm"]) == "shut off");
    }
    fs::write(&image, &whole).expect("it can be written");
    restore().succeeds();
    guest.goes_on_after(&before);
}

#[test]
fn on_another_host_nothing_is_overwritten_and_what_could_not_be_checked_is_said() {
    let Some(host) = Session::start() else { return };
    if !Path::new("/usr/bin/virt-ssh-helper").exists() {
        return missing("virt-ssh-helper");
    }
    let id = boot_empty(&host, "vm");
    // To vmlife this host is another one: it is reached by a program, as by SSH.
    let folder = host.folder().display();
    let program = host.write(
        "far.sh",
        format!(
            "#!/bin/sh\nexport XDG_RUNTIME_DIR={folder}/run XDG_CONFIG_HOME={folder}/c \
             XDG_CACHE_HOME={folder}/cache LIBVIRT_AUTOSTART=0\n\
             exec virt-ssh-helper qemu:///session\n"
        ),
    );
    host.hand_over(&program, 0o755);
    let uri = format!("qemu+ext://far/session?command={}", program.display());
    let far = |words: &[&str]| host.vmlife(words.iter().copied().chain(["-c", &uri]));
    let theirs = host.write("tmp/theirs", "letters");
    // Whoever is on the daemon's host makes the folder there.
    host.vmlife(["hibernate", "vm"]).succeeds();
    host.vmlife(["restore", "vm"]).succeeds();
    far(&["hibernate", "vm", "--to", "x"]).refuses(2, "must be a whole path on the daemon's host");
    for taken in [text(&theirs), "/dev/null"] {
        far(&["hibernate", "vm", "--to", taken])
            .refuses(7, "exists already, where only the daemon can see it");
    }
    assert_eq!(fs::read_to_string(&theirs).expect("text"), "letters");
    let nowhere = host.path("nowhere/x.save");
    let ran = far(&["hibernate", "vm", "--to", text(&nowhere)]).refuses(1, "it runs on");
    assert!(ran.stderr.contains("make it there"), "{ran:?}");
    let ran = far(&["hibernate", "vm"]).ends_with(0);
    for words in [
        "whether there is room for its image is not known",
        "whether it has reached its disk is not known",
    ] {
        assert!(ran.stderr.contains(words), "{ran:?}");
    }
    let image = host.image(&id);
    let ran = far(&["restore", "vm"]).ends_with(0);
    for words in [
        "whether its disks have changed since it was saved cannot be told from here",
        "is still there, and could not be marked: remove it, and do not use it again",
    ] {
        assert!(ran.stderr.contains(words), "{ran:?}");
    }
    assert!(image.exists());
    far(&["hibernate", "vm"]).refuses(7, "exists already");
    // The daemon waits for ever for a pipe, and vmlife does not.
    let pipe = host.path("tmp/pipe");
    tool(&host, "mkfifo", &[text(&pipe)]);
    far(&["hibernate", "vm", "--to", text(&pipe)])
        .refuses(10, "libvirt has not answered within 10 s");
    fs::write(&pipe, "enough").expect("the daemon reads it");
    assert_eq!(host.virsh(["domstate", "vm"]), "running");
}

#[test]
fn the_variables_of_the_firmware_are_kept_and_missed_when_they_are_gone() {
    const CODE: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";
    const VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";
    let Some(host) = Session::start() else { return };
    if ![CODE, VARIABLES]
        .iter()
        .all(|file| Path::new(file).exists())
    {
        return missing("OVMF");
    }
    // What is in the last bytes is nobody's, so that the firmware leaves it alone.
    let mut variables = fs::read(VARIABLES).expect("the firmware's variables");
    let mark = variables.len() - 16;
    variables[mark..].copy_from_slice(b"these are my own");
    let file = host.write("data/vars.fd", variables);
    let os = format!(
        "<os><type arch='x86_64' machine='q35'>hvm</type>
        <loader readonly='yes' type='pflash'>{CODE}</loader><nvram>{}</nvram></os>
        <features><acpi/></features>",
        file.display()
    );
    boot(&host, "vm", &os, "");
    host.vmlife(["hibernate", "vm"]).succeeds();
    let away = host.path("data/away");
    fs::rename(&file, &away).expect("it is there");
    host.vmlife(["restore", "vm"])
        .refuses(7, "its NVRAM is missing");
    fs::rename(&away, &file).expect("it is there");
    host.vmlife(["restore", "vm"]).succeeds();
    assert_eq!(
        &fs::read(&file).expect("it stays")[mark..],
        b"these are my own"
    );
}

#[test]
fn an_image_whose_folder_is_not_mounted_is_missed_and_the_vm_not_booted_over_it() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "vm", 128, "");
    let before = guest.last_tick();
    host.vmlife(["hibernate", "vm"]).succeeds();
    let (place, away) = (host.path("state/vmlife"), host.path("away"));
    fs::rename(&place, &away).expect("it is there");
    let image = host.image(&guest.id());
    host.vmlife(["show"]).succeeds().says("old, missing");
    for _ in 0..2 {
        let known = format!("to {}, which is not there now", image.display());
        for words in [&["restore", "vm"][..], &["restore", "--all"]] {
            let ran = host.vmlife(words).refuses(4, &known);
            assert!(ran.stderr.contains("mount the folder"), "{ran:?}");
        }
        host.vmlife(["restore", "vm", "--or-start"])
            .refuses(7, "vm is not booted: the VM was hibernated at ");
        host.vmlife(["show", "vm"]).succeeds().says(&known);
        let vm = host.vmlife(["show", "vm", "-o", "json"]).succeeds().json();
        assert_eq!(vm["vms"][0]["vmDynamic"]["hibernatedTo"], text(&image));
        assert!(host.virsh(["domstate", "vm"]).starts_with("shut off"));
        // After the next boot of the host libvirt knows no more than that the VM is off.
        host.restart();
    }
    fs::remove_dir_all(&place).expect("it is there");
    fs::rename(&away, &place).expect("it is there");
    host.vmlife(["restore", "vm", "--or-start"]).succeeds();
    guest.goes_on_after(&before);
    // What is lost for good can be given up.
    host.vmlife(["hibernate", "vm"]).succeeds();
    fs::remove_file(&image).expect("it is there");
    host.restart();
    host.vmlife(["restore", "vm", "--or-start"]).ends_with(7);
    host.vmlife(["restore", "vm", "--discard", "--yes"])
        .succeeds()
        .says("vm has given up what is known of its image");
    host.vmlife(["restore", "vm", "--or-start"]).succeeds();
    // What has run and ended since may be booted.
    host.virsh(["destroy", "vm"]);
    host.restart();
    host.vmlife(["restore", "vm", "--or-start"])
        .succeeds()
        .says("vm is started");
}

#[test]
fn whether_disks_fit_a_managed_save_is_said_to_be_unknown() {
    let Some(host) = Session::start() else { return };
    let path = host.write("data/disk.raw", vec![0; 1 << 20]);
    boot(&host, "vm", PC, &disk(&path, "raw"));
    host.vmlife(["hibernate", "vm", "--managed"]).succeeds();
    fs::write(&path, vec![1; 1 << 20]).expect("it can be written");
    let ran = host.vmlife(["restore", "vm"]).ends_with(0);
    let words = "whether its disks have changed since it was saved cannot be told";
    assert!(ran.stderr.contains(words), "{ran:?}");
}

#[test]
fn without_a_checksum_a_flipped_bit_gets_into_the_guest() {
    let Some(host) = Session::start() else { return };
    let id = boot_empty(&host, "vm");
    host.vmlife(["hibernate", "vm"]).succeeds();
    let image = host.image(&id);
    let mut bytes = fs::read(&image).expect("the image");
    // It holds little but the guest's memory.
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&image, &bytes).expect("it can be written");
    host.vmlife(["show", "--images"]).succeeds().says("good");
    host.vmlife(["restore", "vm"]).succeeds();
    assert_eq!(host.virsh(["domstate", "vm"]), "running");
}

#[test]
fn what_virsh_has_restored_or_started_has_left_its_image_behind() {
    let Some(host) = Session::start() else { return };
    let id = boot_empty(&host, "vm");
    let image = host.image(&id);
    for start in [&["restore", text(&image)][..], &["start", "vm"]] {
        host.vmlife(["hibernate", "vm"]).succeeds();
        host.virsh(start);
        host.vmlife(["show", "vm"])
            .succeeds()
            .says("the VM runs, and has left it behind");
        // Without a daemon only libvirt's log tells, as it has no disks.
        host.vmlife(["show", "--images"])
            .succeeds()
            .says("doubtful");
        host.virsh(["destroy", "vm"]);
        host.vmlife(["restore", "vm"])
            .refuses(7, "the VM stopped otherwise since (destroyed)");
        // virsh does it a second time, and says nothing.
        host.virsh(["restore", text(&image)]);
        let ran = host.vmlife(["hibernate", "vm"]).ends_with(0);
        assert!(
            ran.stderr.contains("its earlier image was removed"),
            "{ran:?}"
        );
        host.vmlife(["restore", "vm"]).succeeds();
    }
}

#[test]
fn what_speaks_against_a_managed_save_is_found_before_it_and_by_force_libvirt_finds_out() {
    let Some(host) = Session::start() else { return };
    let path = host.write("data/disk.raw", vec![0; 1 << 20]);
    let copy = host.path("data/copy.raw");
    boot(&host, "vm", PC, &disk(&path, "raw"));
    host.virsh(["blockcopy", "vm", "vda", text(&copy), "--transient-job"]);
    let shared = "<shmem name='vl-managed' role='peer'><model type='ivshmem-plain'/>\
                  <size unit='M'>4</size></shmem>";
    boot(&host, "shared", PC, shared);
    for (name, code, why) in [
        ("vm", 9, "a block job runs on its disk vda"),
        (
            "shared",
            6,
            "the shared memory 'vl-managed' (shmem0) cannot be saved",
        ),
    ] {
        for words in [
            &["hibernate", name, "--managed"][..],
            &["hibernate", name, "--managed", "-n"],
        ] {
            host.vmlife(words).refuses(code, why);
        }
        let forced = host.vmlife(["hibernate", name, "--managed", "--force"]);
        let forced = forced.ends_with(code);
        let known = "could not be hibernated; it runs on";
        assert!(forced.stderr.contains(known), "{forced:?}");
        assert_eq!(host.state(name), "running (booted)");
    }
}
