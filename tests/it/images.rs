//! Images and their records: what is whole, stale, damaged or given up, on real guests.

use super::support::guest::{Linux, Tick, boot_empty, define_empty};
use super::support::session::Session;
use super::support::{Ran, vmlife_command};
use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The folder of images.
fn place(host: &Session) -> PathBuf {
    host.path("state/vmlife/images")
}

fn record_of(image: &Path) -> PathBuf {
    PathBuf::from(format!("{}.json", image.display()))
}

fn json_of(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(path).expect("a record")).expect("JSON")
}

/// What somebody does to a record.
type Tamper = fn(&Path);

/// A program of QEMU's, as the session's user.
#[track_caller]
fn tool(host: &Session, program: &str, words: &str) {
    let mut command = host.command(program);
    let words = words.replace("DATA", host.path("data").to_str().expect("text"));
    command.args(words.split_whitespace());
    Ran::of(command.output().expect("it runs")).ends_with(0);
}

/// A guest that boots nothing, with a raw disk, one in qcow2 that has a snapshot and a layer below, and one
/// that it can only read.
fn boot_with_disks(host: &Session) -> String {
    for line in [
        "create -q -f raw DATA/raw.img 8M",
        "create -q -f qcow2 DATA/base.qcow2 8M",
        "create -q -f qcow2 -b DATA/base.qcow2 -F qcow2 DATA/top.qcow2",
        "snapshot -c first DATA/top.qcow2",
        "create -q -f raw DATA/read-only.img 8M",
    ] {
        tool(host, "qemu-img", line);
    }
    let data = host.path("data").display().to_string();
    let disk = |format: &str, file: &str, target: &str, more: &str| {
        format!(
            "<disk type='file' device='disk'><driver name='qemu' type='{format}'/>
            <source file='{data}/{file}'/><target dev='{target}' bus='virtio'/>{more}</disk>"
        )
    };
    let xml = format!(
        "<domain type='qemu'><name>vm</name><memory unit='MiB'>16</memory>
        <os><type arch='x86_64' machine='pc'>hvm</type></os><devices>{}{}{}
        <controller type='usb' model='none'/><memballoon model='none'/></devices></domain>",
        disk("raw", "raw.img", "vda", ""),
        disk("qcow2", "top.qcow2", "vdb", ""),
        disk("raw", "read-only.img", "vdc", "<readonly/>"),
    );
    let file = host.write("disks.xml", xml);
    host.virsh(["define".as_ref(), file.as_os_str()]);
    host.virsh(["start", "vm"]);
    host.virsh(["domuuid", "vm"])
}

#[test]
fn what_only_looks_at_disks_makes_no_image_stale() {
    let Some(host) = Session::start() else { return };
    let id = boot_with_disks(&host);
    for round in 0..4_u8 {
        host.vmlife(["hibernate", "vm"]).succeeds();
        let record = json_of(&record_of(&host.image(&id)));
        let disks = record["disks"].as_array().expect("disks");
        let targets: Vec<_> = disks.iter().map(|disk| disk["target"].as_str()).collect();
        assert_eq!(targets, [Some("vda"), Some("vdb"), Some("vdb")], "{record}");
        assert_eq!(record["persistent"], true);
        assert_eq!(record["wasRunning"], true);
        for file in ["raw.img", "top.qcow2", "base.qcow2", "read-only.img"] {
            tool(&host, "qemu-img", &format!("info DATA/{file}"));
            // As the system's daemon does to it whenever a VM starts or stops.
            let path = host.path("data").join(file);
            fs::set_permissions(
                &path,
                Permissions::from_mode(0o600 + u32::from(round % 2) * 0o44),
            )
            .unwrap();
        }
        host.virsh(["dumpxml", "vm"]);
        host.virsh(["domblkinfo", "vm", "vda"]);
        // What the guest can only read may change.
        fs::write(host.path("data/read-only.img"), vec![round; 8 << 20]).unwrap();
        if round % 2 == 0 {
            host.restart();
        }
        host.vmlife(["show", "vm"]).succeeds().says("vm: Suspended");
        host.vmlife(["restore", "vm"]).succeeds();
    }
    // Nor does a guest that went on have its own older image back.
    host.vmlife(["hibernate", "vm"]).succeeds();
    host.vmlife(["restore", "vm", "--keep"]).succeeds();
    host.vmlife(["hibernate", "vm"]).ends_with(0);
    host.vmlife(["restore", "vm"]).succeeds();
}

#[test]
fn old_memory_is_not_put_over_newer_disks() {
    let Some(host) = Session::start() else { return };
    let id = boot_with_disks(&host);
    let refused = |disk: &str, how: &str| {
        let ran = host.vmlife(["restore", "vm"]).refuses(7, "it is stale: ");
        let says = |words: &str| assert!(ran.stderr.contains(words), "{words}: {ran:#?}");
        says(&format!("disk {disk} ("));
        says(how);
        says("old memory over newer disks destroys file systems");
        let shown = host.vmlife(["show", "vm"]).succeeds();
        assert!(shown.stdout.contains("vm: Down"), "{shown:?}");
        let json = host.vmlife(["show", "vm", "-o", "json"]).succeeds().json();
        assert_eq!(json["vms"][0]["savedImages"][0]["verdict"], "stale");
        assert_eq!(host.virsh(["domstate", "vm"]), "shut off");
        let ran = host
            .vmlife(["restore", "vm", "--force", "--paused"])
            .ends_with(0);
        assert!(
            ran.stderr.contains("--force overrode this: it is stale"),
            "{ran:?}"
        );
    };
    for (format, file, target) in [
        ("raw", "raw.img", "vda"),
        ("qcow2", "top.qcow2", "vdb"),
        ("qcow2", "base.qcow2", "vdb"),
    ] {
        host.vmlife(["hibernate", "vm"]).succeeds();
        let mut write = host.command("qemu-io");
        let path = host.path("data").join(file);
        write.args(["-f", format, "-c", "write 0 512"]).arg(path);
        Ran::of(write.output().expect("qemu-io runs")).ends_with(0);
        // The file of a qcow2 grows by that.
        let how = if file == "raw.img" {
            "was written to since"
        } else {
            "bytes now, and had"
        };
        refused(target, how);
    }
    let disk = host.path("data/raw.img");
    for (change, how) in [
        (0, "bytes now, and had 8388608"),
        (1, "has been replaced by another file"),
    ] {
        host.vmlife(["hibernate", "vm"]).succeeds();
        if change == 0 {
            File::options()
                .write(true)
                .open(&disk)
                .unwrap()
                .set_len(9 << 20)
                .unwrap();
        } else {
            let copy = host.path("data/copy");
            fs::copy(&disk, &copy).unwrap();
            host.hand_over(&copy, 0o644);
            fs::rename(&copy, &disk).unwrap();
        }
        refused("vda", how);
    }
    // One that is gone could not be restored anyway; but nothing is tried.
    host.vmlife(["hibernate", "vm"]).succeeds();
    fs::rename(&disk, host.path("data/away")).unwrap();
    host.vmlife(["restore", "vm"])
        .refuses(7, "raw.img) is gone");
    fs::rename(host.path("data/away"), &disk).unwrap();
    host.vmlife(["restore", "vm", "--keep"]).succeeds();
    let kept = json_of(&record_of(&host.image(&id)));
    assert_eq!(kept["usage"]["kind"], "leftBehind", "{kept}");
}

#[test]
fn a_boot_in_between_is_seen_by_what_the_guest_wrote_also_when_libvirt_has_forgotten_it() {
    let Some(host) = Session::start() else { return };
    tool(&host, "qemu-img", "create -q -f raw DATA/disk.img 8M");
    // It writes to its disk at each boot.
    let guest = Linux::define(&host, "vm", 128, "vmlife.cache=1");
    let disk = host.path("data/disk.img");
    let attach = [
        "attach-disk".as_ref(),
        "vm".as_ref(),
        disk.as_os_str(),
        "vda".as_ref(),
    ];
    let how = [
        "--targetbus",
        "virtio",
        "--driver",
        "qemu",
        "--subdriver",
        "raw",
        "--config",
    ];
    host.virsh(attach.into_iter().chain(how.iter().map(AsRef::as_ref)));
    host.virsh(["start", "vm"]);
    let before = guest.ticks_beyond(0);
    for _ in 0..3 {
        host.vmlife(["hibernate", "vm"]).succeeds();
        host.vmlife(["restore", "vm"]).succeeds();
    }
    guest.goes_on_after(&before);
    host.vmlife(["hibernate", "vm"]).succeeds();
    let ticked = guest.ticks().len();
    host.virsh(["start", "vm"]);
    super::support::eventually("it boots", || (guest.ticks().len() > ticked).then_some(()));
    host.virsh(["destroy", "vm"]);
    host.restart();
    assert_eq!(host.state("vm"), "shut off (unknown)");
    host.vmlife(["restore", "vm"])
        .refuses(7, "was written to since");
}

#[test]
fn what_was_forced_and_by_whom_is_recorded() {
    let Some(host) = Session::start() else { return };
    let id = boot_empty(&host, "vm");
    host.vmlife(["hibernate", "vm"]).succeeds();
    host.vmlife(["restore", "vm", "--keep"]).succeeds();
    host.virsh(["destroy", "vm"]);
    host.vmlife(["restore", "vm", "--keep", "--force"])
        .ends_with(0);
    let record = json_of(&record_of(&host.image(&id)));
    let against = record["forced"][0]["against"].as_str().expect("a reason");
    assert!(against.contains("the VM has run since"), "{record}");
    assert!(record["forced"][0]["uid"].is_number(), "{record}");
}

#[test]
fn an_image_that_has_lost_its_end_is_refused_before_anything_is_touched() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "vm", 128, "");
    let id = guest.id();
    let before = guest.last_tick();
    host.vmlife(["hibernate", "vm"]).succeeds();
    let image = host.image(&id);
    let whole = fs::read(&image).unwrap();
    let longer = [whole.as_slice(), b"\0"].concat();
    for content in [
        &whole[..whole.len() - 1],
        &whole[..whole.len() - 200_000],
        &whole[..whole.len() / 2],
        &longer,
    ] {
        fs::write(&image, content).unwrap();
        host.vmlife(["restore", "vm"])
            .refuses(7, "it seems to be cut short");
        assert_eq!(host.state("vm"), "shut off (saved)");
        assert_eq!(fs::read(&image).unwrap(), content);
    }
    // libvirt's note to itself, without which it would not restore.
    let at = u32::from_ne_bytes(whole[32..36].try_into().unwrap());
    let mut flipped = whole.clone();
    flipped[92 + usize::try_from(at).unwrap()] ^= 1;
    fs::write(&image, &flipped).unwrap();
    host.vmlife(["restore", "vm"])
        .refuses(7, "its cookie is no XML");
    // Half of the memory is none: QEMU itself finds out, also against the guard, and nothing is lost.
    fs::write(&image, &whole[..whole.len() / 2]).unwrap();
    host.vmlife(["restore", "vm", "--force"]).ends_with(1);
    // What another machine wrote has its numbers the other way round, which libvirt understands.
    let mut swapped = whole.clone();
    for number in swapped[16..36].chunks_mut(4) {
        number.reverse();
    }
    fs::write(&image, &swapped).unwrap();
    host.vmlife(["show", "--images"]).succeeds().says("good");
    host.vmlife(["restore", "vm"]).succeeds();
    guest.goes_on_after(&before);
}

#[test]
fn every_flipped_bit_is_found_by_the_checksum_and_a_clean_image_never_refused() {
    let Some(host) = Session::start() else { return };
    let id = boot_empty(&host, "vm");
    host.vmlife(["hibernate", "vm", "--checksum"]).succeeds();
    let image = host.image(&id);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&image)
        .unwrap();
    let size = file.metadata().unwrap().len();
    let flip = |at: u64, bit: u32| {
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ (1 << bit)], at).unwrap();
    };
    // The head, where everything has a meaning, and the rest evenly.
    let head = (0..40).map(|at| at * 5);
    let rest = (0..160).map(|step| 200 + step * ((size - 200) / 160));
    for (number, at) in head.chain(rest).enumerate() {
        let bit = u32::try_from(number % 8).unwrap();
        flip(at, bit);
        host.vmlife(["restore", "vm"]).ends_with(7);
        assert_eq!(host.state("vm"), "shut off (saved)", "{at}");
        flip(at, bit);
    }
    host.vmlife(["show", "vm", "--verify"])
        .succeeds()
        .says("good, verified");
    flip(size / 2, 0);
    let ran = host.vmlife(["show", "--images", "--verify"]).ends_with(7);
    assert!(ran.stdout.contains("damaged"), "{ran:?}");
    let ran = host
        .vmlife(["show", "--verify", image.to_str().unwrap()])
        .ends_with(7);
    assert!(
        ran.stdout.contains("its checksum is not the one"),
        "{ran:?}"
    );
    host.vmlife(["restore", "vm"])
        .refuses(7, "it is damaged: its checksum is not the one");
    flip(size / 2, 0);
    for _ in 0..5 {
        host.vmlife(["restore", "vm"]).succeeds();
        host.vmlife(["hibernate", "vm", "--checksum"]).succeeds();
    }
    host.vmlife(["restore", "vm"]).succeeds();
}

#[test]
fn a_real_guests_image_is_verified_too_and_comes_back_also_when_the_checksum_is_overridden() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "vm", 128, "");
    let before = guest.last_tick();
    host.vmlife(["hibernate", "vm", "--checksum"]).succeeds();
    let record = record_of(&host.image(&guest.id()));
    let right = fs::read_to_string(&record).unwrap();
    assert!(
        json_of(&record)["checksum"]
            .as_str()
            .unwrap()
            .starts_with("blake3:")
    );
    let wrong = right.replace("\"blake3:", "\"blake3:0");
    fs::write(&record, wrong).unwrap();
    host.vmlife(["restore", "vm"]).refuses(7, "it is damaged");
    let ran = host.vmlife(["restore", "vm", "--force"]).ends_with(0);
    assert!(
        ran.stderr.contains("--force overrode this: it is damaged"),
        "{ran:?}"
    );
    guest.goes_on_after(&before);
}

#[test]
fn a_record_that_is_not_this_images_or_that_others_may_write_vouches_for_nothing() {
    let Some(host) = Session::start() else { return };
    let id = boot_with_disks(&host);
    let image = host.image(&id);
    let record = record_of(&image);
    let tampered: [(Tamper, &str); 5] = [
        (
            |record| fs::remove_file(record).unwrap(),
            "it has no record",
        ),
        (
            |record| fs::set_permissions(record, Permissions::from_mode(0o606)).unwrap(),
            "others may write its record, which is not trusted",
        ),
        (
            |record| {
                let mut changed = json_of(record);
                changed["id"] = "6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a11".into();
                fs::write(record, changed.to_string()).unwrap();
            },
            "the record beside it is about another image",
        ),
        (
            |record| {
                let mut changed = json_of(record);
                changed["image"]["sizeBytes"] = 5.into();
                fs::write(record, changed.to_string()).unwrap();
            },
            "the record beside it is about another image",
        ),
        (
            |record| {
                let mut older = json_of(record);
                older.as_object_mut().unwrap().remove("disks");
                fs::write(record, older.to_string()).unwrap();
            },
            "its record does not tell of disks",
        ),
    ];
    for (tamper, why) in tampered {
        host.vmlife(["hibernate", "vm"]).succeeds();
        tamper(&record);
        host.vmlife(["show", "vm"]).succeeds().says("vm: Suspended");
        let ran = host.vmlife(["restore", "vm"]).ends_with(0);
        let words =
            format!("whether its disks have changed since it was saved cannot be told: {why}");
        assert!(ran.stderr.contains(&words), "{ran:#?}");
    }
    // So it is with what virsh saved.
    let file = host.path("tmp/by-virsh");
    host.virsh(["save".as_ref(), "vm".as_ref(), file.as_os_str()]);
    let ran = host
        .vmlife(["restore".as_ref(), "--from".as_ref(), file.as_os_str()])
        .ends_with(0);
    assert!(
        ran.stderr.contains("cannot be told: it has no record"),
        "{ran:?}"
    );
}

#[test]
fn images_are_listed_without_a_daemon() {
    let Some(host) = Session::start() else { return };
    let id = boot_empty(&host, "a\u{202e}b");
    host.vmlife(["hibernate", "--all", "-q"]).succeeds();
    let paused = boot_empty(&host, "paused");
    host.vmlife(["hibernate", "paused", "--paused"]).succeeds();
    let other = define_empty(&host, "other");
    let copy = |name: &str, size: Option<u64>| {
        let path = place(&host).join(name);
        fs::copy(host.image(&id), &path).unwrap();
        if let Some(size) = size {
            File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_len(size)
                .unwrap();
        }
        host.hand_over(&path, 0o600);
    };
    copy(&format!("{other}.vmsave"), None);
    copy("cut", Some(1_000_000));
    copy("short.vmsave", Some(10));
    copy("partial", Some(500));
    let partial = File::options()
        .write(true)
        .open(place(&host).join("partial"))
        .unwrap();
    partial.write_all_at(b"LibvirtQemudPart", 0).unwrap();
    host.write("state/vmlife/images/letters", "of mine, which are no image");
    host.daemon().signal("STOP");
    let list = host.vmlife(["show", "--images"]);
    let json = host.vmlife(["show", "--images", "-o", "json"]);
    let folder = place(&host);
    let of_folder = [
        "show".as_ref(),
        "--images".as_ref(),
        folder.as_os_str(),
        "-o".as_ref(),
        "name".as_ref(),
    ];
    let names = host.vmlife(of_folder);
    let yaml = host.vmlife(["show", "--images", "-o", "yaml", "-c", "qemu:///session"]);
    let wide = host.vmlife(["show", "--images", "-o", "wide", "--no-headers"]);
    host.daemon().signal("CONT");
    let list = list.succeeds().says("NAME").says("a\\u{202e}b").says("raw");
    assert!(!list.stdout.contains('\u{202e}'), "{list:?}");
    assert_eq!(list.stdout.lines().count(), 7, "{list:?}");
    let json = json.succeeds().json();
    let images = json["images"].as_array().unwrap();
    let told = |file: String| {
        let path = folder.join(file);
        let found = images
            .iter()
            .find(|image| image["path"] == path.to_str().unwrap());
        found.unwrap_or_else(|| panic!("{path:?}: {json:#}"))
    };
    for (file, verdict) in [
        (format!("{id}.vmsave"), "good"),
        (format!("{paused}.vmsave"), "good"),
        (format!("{other}.vmsave"), "foreign"),
        ("cut".to_owned(), "doubtful"),
        ("short.vmsave".to_owned(), "damaged"),
        ("partial".to_owned(), "incomplete"),
    ] {
        assert_eq!(told(file.clone())["verdict"], verdict, "{file}");
    }
    let good = told(format!("{id}.vmsave"));
    assert_eq!(good["name"], "a\u{202e}b");
    assert_eq!((&good["format"], &good["id"]), (&"raw".into(), &id.into()));
    assert_eq!(good["wasRunning"], true);
    assert_eq!(good["persistent"], true);
    assert_eq!(
        told(format!("{paused}.vmsave")).get("wasRunning"),
        Some(&false.into())
    );
    assert_eq!(names.succeeds().stdout.lines().count(), 6);
    yaml.succeeds().says("verdict: foreign");
    assert_eq!(wide.succeeds().stdout.lines().count(), 6);
    for (words, code) in [
        (["show", "--images", "/nonexistent", "-q"].as_slice(), 4),
        (&["show", "--images", "-o", "xml"], 2),
        (&["show", "--images", "-c", "qemu+ssh://far/system"], 2),
        (&["show", "--images", "--inactive"], 2),
    ] {
        host.vmlife(words.iter().copied()).ends_with(code);
    }
    let mut nowhere = vmlife_command(["show", "--images"]);
    Ran::of(nowhere.output().unwrap()).succeeds();
}

#[test]
fn an_image_is_given_up_only_on_purpose() {
    let Some(host) = Session::start() else { return };
    let id = boot_empty(&host, "vm");
    host.vmlife(["restore", "vm", "--discard", "--yes"])
        .refuses(4, "vm has no image to discard");
    host.vmlife(["hibernate", "vm"]).succeeds();
    let image = host.image(&id);
    host.vmlife(["restore", "vm", "--discard"])
        .refuses(2, "nobody can be asked here");
    host.vmlife(["restore", "vm", "--discard", "-n"])
        .succeeds()
        .says("would give up the image ");
    for words in ["--all", "--keep", "--or-start", "--force", "--paused"] {
        host.vmlife(["restore", "vm", "--discard", "--yes", words])
            .ends_with(2);
    }
    host.vmlife(["restore", "vm", "--yes"]).ends_with(2);
    let asked = |answer: &str, option: &str| {
        let line = format!(
            "echo {answer} | script -qec '{} restore vm --discard {option}' /dev/null",
            host.path("vmlife").display()
        );
        let ran = host.command("sh").args(["-c", &line]).output().unwrap();
        String::from_utf8(ran.stdout).unwrap()
    };
    let on_terminal = |answer: &str| asked(answer, "");
    let shown = asked("y", "--no-input");
    assert!(shown.contains("nobody can be asked here"), "{shown}");
    for answer in ["n", "''", "nonsense"] {
        let shown = on_terminal(answer);
        assert!(shown.contains("Do it? [y/N]"), "{shown}");
        assert!(shown.contains("nothing was given up"), "{shown}");
        assert!(image.exists());
    }
    let shown = on_terminal("y");
    assert!(shown.contains("vm has given up the image "), "{shown}");
    assert_eq!(host.images(), [""; 0], "image, record and lock are gone");
    host.vmlife(["restore", "vm", "--or-start", "--force"])
        .succeeds();

    host.virsh(["managedsave", "vm"]);
    host.vmlife(["restore", "vm", "--discard", "--yes"])
        .succeeds()
        .says("vm has given up libvirt's managed save");
    assert_eq!(
        host.virsh(["list", "--all", "--with-managed-save", "--name"]),
        ""
    );
    host.virsh(["start", "vm"]);

    let file = host.path("tmp/x");
    let to = [
        "hibernate".as_ref(),
        "vm".as_ref(),
        "--to".as_ref(),
        file.as_os_str(),
    ];
    host.vmlife(to).succeeds();
    let from = [
        "restore".as_ref(),
        "--from".as_ref(),
        file.as_os_str(),
        "--discard".as_ref(),
        "--yes".as_ref(),
    ];
    host.vmlife(from).succeeds();
    assert!(!file.exists() && !record_of(&file).exists());
    // Nor is anything removed that is no image.
    let letters = host.write("tmp/letters", "of mine");
    let from = [
        "restore".as_ref(),
        "--from".as_ref(),
        letters.as_os_str(),
        "--discard".as_ref(),
        "--yes".as_ref(),
    ];
    host.vmlife(from).ends_with(7);
    assert!(letters.exists());
}

#[test]
fn who_gives_up_the_image_of_a_transient_vm_is_told_that_its_definition_goes_too() {
    let Some(host) = Session::start() else { return };
    let xml = host.write(
        "passing.xml",
        "<domain type='qemu'><name>passing</name><memory unit='MiB'>16</memory>
        <os><type arch='x86_64' machine='pc'>hvm</type></os>
        <devices><controller type='usb' model='none'/><memballoon model='none'/></devices></domain>",
    );
    host.virsh(["create".as_ref(), xml.as_os_str()]);
    host.vmlife(["hibernate", "passing"]).succeeds();
    let json = host
        .vmlife(["show", "--images", "-o", "json"])
        .succeeds()
        .json();
    assert_eq!(json["images"][0]["persistent"], false);
    host.vmlife(["restore", "passing", "--discard", "--yes"])
        .succeeds()
        .says("and with it the only definition of the VM");
    host.vmlife(["show", "passing"]).ends_with(4);
}

#[test]
fn a_run_in_between_of_a_vm_without_disks_is_known_by_libvirts_log() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "vm", 128, "");
    let before = guest.last_tick();
    host.vmlife(["hibernate", "vm"]).succeeds();
    let image = host.image(&guest.id());
    host.vmlife(["show", "--images"]).succeeds().says("good");

    // libvirt's reason is "saved" then, whoever saved it, and after its next start it knows none.
    let elsewhere = host.path("tmp/elsewhere");
    host.virsh(["start", "vm"]);
    host.virsh(["save".as_ref(), "vm".as_ref(), elsewhere.as_os_str()]);
    let told = "by libvirt's log the VM was started since, at 20";
    host.vmlife(["restore", "vm"]).refuses(7, told);
    host.vmlife(["show", "--images"])
        .succeeds()
        .says("doubtful");
    host.restart();
    host.vmlife(["restore", "vm"]).refuses(7, told);
    host.vmlife(["show", "vm"]).succeeds().says("vm: Down");

    let ran = host.vmlife(["restore", "vm", "--force"]).ends_with(0);
    let overridden = format!("--force overrode this: {told}");
    assert!(ran.stderr.contains(&overridden), "{ran:?}");
    guest.goes_on_after(&before);
    assert!(!image.exists());
}

/// A guest whose image was kept when it was restored from it, and which sleeps in another folder now.
fn asleep_elsewhere(host: &Session) -> (Linux<'_>, Tick, PathBuf) {
    let guest = Linux::boot(host, "vm", 128, "");
    host.vmlife(["hibernate", "vm"]).succeeds();
    host.vmlife(["restore", "vm", "--keep"]).succeeds();
    let other = host.path("data/other");
    fs::create_dir(&other).expect("a folder");
    host.hand_over(&other, 0o700);
    let before = guest.last_tick();
    host.vmlife(["hibernate", "vm", "--to", other.to_str().expect("text")])
        .ends_with(0);
    host.restart();
    let image = other.join(format!("{}.vmsave", guest.id()));
    assert!(image.is_file());
    (guest, before, image)
}

#[test]
fn another_image_in_the_place_does_not_hide_where_the_vm_sleeps() {
    let Some(host) = Session::start() else { return };
    let (guest, before, image) = asleep_elsewhere(&host);
    let told = format!("to {}, which is not its place", image.display());
    let (place, from) = (host.image(&guest.id()), image.to_str().expect("text"));
    for _ in 0..2 {
        for words in [
            &["restore", "vm"][..],
            &["restore", "--all"],
            &["restore", "vm", "--or-start"],
            &["restore", "--all", "--or-start"],
            &["restore", "vm", "--or-start", "-n"],
        ] {
            host.vmlife(words).refuses(7, &told);
        }
        let ran = host.vmlife(["restore", "vm"]).ends_with(7);
        let hint = format!("vmlife restore --from {from}");
        assert!(ran.stderr.contains(&hint), "{ran:?}");
        assert!(!ran.stderr.contains("memory is lost"), "{ran:?}");
        host.vmlife(["show", "vm"]).ends_with(0).says(&told);
        assert_eq!(host.state("vm"), "shut off (unknown)");
        // Now one whose save was interrupted.
        let partial = fs::read(&image).expect("an image");
        let partial = [b"LibvirtQemudPart", &partial[16..2048]].concat();
        fs::write(&place, partial).expect("it is ours");
    }
    host.vmlife(["restore", "vm", "--from", from]).ends_with(0);
    guest.goes_on_after(&before);
}

#[test]
fn who_gives_up_an_old_image_does_not_give_up_where_the_vm_sleeps() {
    let Some(host) = Session::start() else { return };
    let (guest, before, image) = asleep_elsewhere(&host);
    let (place, from) = (host.image(&guest.id()), image.to_str().expect("text"));
    let old = place.to_str().expect("text");
    // Both are named to whoever means both.
    let ran = host
        .vmlife(["restore", "vm", "--discard", "-n"])
        .ends_with(0);
    assert!(
        ran.stdout.contains(old) && ran.stdout.contains(from),
        "{ran:?}"
    );
    host.vmlife(["restore", "--from", old, "--discard", "--yes"])
        .ends_with(0);
    assert!(!place.exists() && image.exists());
    host.vmlife(["restore", "vm", "--or-start"])
        .refuses(7, from);
    host.vmlife(["restore", "vm", "--from", from]).ends_with(0);
    guest.goes_on_after(&before);
}

#[test]
fn a_vm_whose_image_was_given_up_is_booted_but_not_over_what_virsh_saved_since() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "vm");
    let discard = ["restore", "vm", "--discard", "--yes"];
    for more in [&[][..], &["--managed"]] {
        host.vmlife([&["hibernate", "vm"], more].concat())
            .ends_with(0);
        host.vmlife(discard).succeeds();
        assert_eq!(host.state("vm"), "shut off (saved)");
        host.vmlife(["restore", "vm", "--or-start"])
            .succeeds()
            .says("vm is started");
    }
    // The same reason for libvirt, and another image: before it was given up, and after that.
    let save = |name: &str| {
        let file = host.path(name);
        host.virsh(["start", "vm"]);
        host.virsh(["save".as_ref(), "vm".as_ref(), file.as_os_str()]);
    };
    host.vmlife(["hibernate", "vm"]).ends_with(0);
    save("tmp/first");
    host.vmlife(discard).ends_with(0);
    host.vmlife(["restore", "vm", "--or-start"])
        .refuses(7, "libvirt saved it");
    save("tmp/second");
    host.vmlife(["restore", "vm", "--or-start"])
        .refuses(7, "libvirt saved it");
}

#[test]
fn who_gives_up_two_images_of_which_one_stays_is_told_of_both() {
    let Some(host) = Session::start() else { return };
    let id = boot_empty(&host, "vm");
    host.vmlife(["hibernate", "vm"]).succeeds();
    host.virsh(["start", "vm"]);
    host.virsh(["managedsave", "vm"]);
    let kept = host.path("c/libvirt/qemu/save");
    let allow = |mode| fs::set_permissions(&kept, fs::Permissions::from_mode(mode));
    allow(0o500).expect("the folder is there");
    let is_noted = || host.virsh(["dumpxml", "vm"]).contains("imageGivenUp");
    assert!(!is_noted());
    let discard = ["restore", "vm", "--discard", "--yes"];
    let ran = host.vmlife(discard).ends_with(10);
    let gone = format!(
        "vm: it has given up the image {}",
        host.image(&id).display()
    );
    assert!(ran.stderr.contains(&gone), "{ran:?}");
    let stays = "error: vm keeps libvirt's managed save";
    assert!(ran.stderr.contains(stays), "{ran:?}");
    assert_eq!(host.images(), [""; 0]);
    assert!(is_noted());
    allow(0o700).expect("the folder is there");
    host.vmlife(discard).succeeds();
}

#[test]
fn a_bit_that_hides_whose_an_image_is_does_not_hide_that_it_is_damaged() {
    let Some(host) = Session::start() else { return };
    let id = boot_empty(&host, "vm");
    host.vmlife(["hibernate", "vm", "--checksum"]).succeeds();
    let image = host.image(&id);
    let whole = fs::read(&image).expect("an image");
    let uuid = whole.windows(36).position(|text| text == id.as_bytes());
    let uuid = uuid.expect("the UUID in its XML");
    for at in [0, 17, 29, 34, uuid, whole.len() - 1] {
        for bit in [0, 4] {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << bit;
            fs::write(&image, flipped).expect("it is ours");
            for words in [
                &["show", "--images", "--verify"][..],
                &["show", "vm", "--verify"],
            ] {
                let ran = host.vmlife(words).ends_with(7);
                assert!(ran.stdout.contains("damaged"), "{at}: {ran:?}");
            }
        }
    }
    fs::write(&image, &whole[..whole.len() / 2]).expect("it is ours");
    host.vmlife(["show", "--images", "--verify"]).ends_with(7);
    fs::write(&image, &whole).expect("it is ours");
    host.vmlife(["show", "--images", "--verify"])
        .succeeds()
        .says("verified");
    host.vmlife(["restore", "vm"]).ends_with(0);
}

#[test]
fn what_is_no_record_in_the_place_of_one_is_put_aside_and_the_image_restored() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "vm", 128, "");
    let record = record_of(&host.image(&guest.id()));
    let aside = PathBuf::from(format!("{}.bad", record.display()));
    let precious = host.write("tmp/precious", "of mine");
    let spoil: [fn(&Path, &Path); 2] = [
        |record, _| fs::write(record, "{{{").expect("it is ours"),
        |record, precious| {
            fs::remove_file(record).expect("it is ours");
            std::os::unix::fs::symlink(precious, record).expect("a link");
        },
    ];
    for spoil in spoil {
        let before = guest.last_tick();
        // Of the second one the warning is that the kept image is replaced.
        host.vmlife(["hibernate", "vm"]).ends_with(0);
        spoil(&record, &precious);
        host.vmlife(["restore", "vm", "-n"])
            .ends_with(0)
            .says("would be restored");
        let ran = host.vmlife(["restore", "vm", "--keep"]).ends_with(0);
        let told = format!("is none, and is {} now", aside.display());
        assert!(ran.stderr.contains(&told), "{ran:?}");
        guest.goes_on_after(&before);
        assert_eq!(json_of(&record)["usage"]["kind"], "leftBehind");
        assert_eq!(
            fs::read_to_string(&precious).expect("it is there"),
            "of mine"
        );
        fs::remove_file(&aside).expect("it was put there");
    }
    // What may hold more than a record stays, and the image can be tried otherwise.
    let before = guest.last_tick();
    host.vmlife(["hibernate", "vm"]).ends_with(0);
    fs::remove_file(&record).expect("it is ours");
    fs::create_dir(&record).expect("a folder");
    for words in [&["restore", "vm"][..], &["restore", "vm", "-n"]] {
        host.vmlife(words).refuses(7, "is there, and is no record");
    }
    fs::remove_dir(&record).expect("it is empty");
    host.vmlife(["restore", "vm"]).ends_with(0);
    guest.goes_on_after(&before);
}

#[test]
fn a_start_that_failed_is_no_run_in_libvirts_log() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "vm", 128, "");
    let before = guest.last_tick();
    host.vmlife(["hibernate", "vm"]).succeeds();
    let (image, spoilt) = (host.image(&guest.id()), host.path("tmp/spoilt"));
    let mut bytes = fs::read(&image).expect("the image");
    let middle = bytes.len() / 2;
    bytes[middle..].fill(0xff);
    fs::write(&spoilt, bytes).expect("written");
    let failed = host.command("virsh").arg("restore").arg(&spoilt).output();
    assert!(!failed.expect("virsh runs").status.success());
    host.vmlife(["show"]).succeeds().says("Suspended");
    host.vmlife(["restore", "vm"]).succeeds();
    guest.goes_on_after(&before);
}
