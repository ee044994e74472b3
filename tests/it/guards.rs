//! What speaks against touching a VM is told before it is touched, with what to do about it.

use super::support::eventually;
use super::support::guest::{Linux, boot_empty, define_empty};
use super::support::session::{Session, missing};
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

/// Runs a guest of no memory to speak of, with this in its XML.
fn run(host: &Session, name: &str, devices: &str) {
    let xml = host.write(
        &format!("{name}.xml"),
        format!(
            "<domain type='qemu'><name>{name}</name><memory unit='MiB'>16</memory>
            <os><type arch='x86_64' machine='pc'>hvm</type></os>
            <devices><controller type='usb' model='none'/>{devices}</devices>
            </domain>"
        ),
    );
    host.virsh(["create".as_ref(), xml.as_os_str()]);
}

fn disk(host: &Session, name: &str) -> String {
    let path = host.write(name, vec![0; 1 << 20]);
    path.to_str().expect("text").to_owned()
}

#[test]
fn a_device_that_cannot_be_saved_is_named_with_its_cure_and_the_vm_runs_on() {
    let Some(host) = Session::start() else { return };
    let path = disk(&host, "tmp/a.img");
    run(
        &host,
        "shared",
        "<shmem name='vl-guard' role='peer'><model type='ivshmem-plain'/><size unit='M'>4</size></shmem>",
    );
    run(
        &host,
        "stateless",
        &format!(
            "<disk type='file'><source file='{path}'/><target dev='vda' bus='virtio'/><transient/></disk>"
        ),
    );
    for (vm, error, cure) in [
        (
            "shared",
            "the shared memory 'vl-guard' (shmem0) cannot be saved",
            "with role='master' it can be saved",
        ),
        (
            "stateless",
            "the transient disk vda",
            "shut the VM down instead",
        ),
    ] {
        for words in [&["hibernate", vm][..], &["hibernate", vm, "--dry-run"]] {
            let ran = host.vmlife(words).refuses(6, error);
            assert!(ran.stderr.contains(cure), "{ran:?}");
            assert!(
                ran.stderr.contains("--force tries it all the same"),
                "{ran:?}"
            );
        }
        // Then libvirt says the same.
        let ran = host.vmlife(["hibernate", vm, "--force"]).ends_with(6);
        assert!(
            ran.stderr.contains("could not be hibernated; it runs on"),
            "{ran:?}"
        );
        assert!(ran.stderr.contains("against the guard '"), "{ran:?}");
        assert_eq!(host.state(vm), "running (booted)");
    }
    assert_eq!(host.images(), [""; 0]);
}

#[test]
fn what_qemu_alone_can_know_is_left_to_it_and_said() {
    let Some(host) = Session::start() else { return };
    let folder = host.folder().display();
    run(
        &host,
        "vm",
        &format!(
            "<filesystem type='mount'><source dir='{folder}'/><target dir='share'/></filesystem>
            <interface type='user'/>"
        ),
    );
    let ran = host.vmlife(["hibernate", "vm", "--dry-run"]).ends_with(0);
    assert!(
        ran.stderr.contains("the 9p folder 'share' (fs0)"),
        "{ran:?}"
    );
    host.vmlife(["hibernate", "vm"]).succeeds();
    host.vmlife(["restore", "vm"]).ends_with(0);
}

#[test]
fn a_block_job_makes_the_vm_busy() {
    let Some(host) = Session::start() else { return };
    let path = disk(&host, "tmp/a.img");
    run(
        &host,
        "vm",
        &format!(
            "<disk type='file'><source file='{path}'/><target dev='vda' bus='virtio'/></disk>"
        ),
    );
    let copy = host.path("tmp/copy.img");
    host.virsh([
        "blockcopy".as_ref(),
        "vm".as_ref(),
        "vda".as_ref(),
        copy.as_os_str(),
        "--transient-job".as_ref(),
    ]);
    let ran = host
        .vmlife(["hibernate", "vm"])
        .refuses(9, "a block job runs on its disk vda");
    assert!(ran.stderr.contains("virsh blockjob --abort"), "{ran:?}");
    host.virsh(["blockjob", "vm", "vda", "--abort"]);
    host.vmlife(["hibernate", "vm"]).succeeds();
}

#[test]
fn a_backup_makes_the_vm_busy_at_once() {
    let Some(host) = Session::start() else { return };
    let path = host.path("tmp/a.qcow2");
    let made = host
        .command("qemu-img")
        .args(["create", "-q", "-f", "qcow2"])
        .arg(&path)
        .arg("1M")
        .status();
    if !made.is_ok_and(|status| status.success()) {
        return missing("qemu-img");
    }
    run(
        &host,
        "vm",
        &format!(
            "<disk type='file'><driver name='qemu' type='qcow2'/><source file='{}'/>
            <target dev='vda' bus='virtio'/></disk>",
            path.display()
        ),
    );
    let backup = host.write(
        "backup.xml",
        format!(
            "<domainbackup mode='pull'><server transport='unix' socket='{}'/></domainbackup>",
            host.path("tmp/nbd").display()
        ),
    );
    host.virsh(["backup-begin".as_ref(), "vm".as_ref(), backup.as_os_str()]);
    host.vmlife(["hibernate", "vm"])
        .refuses(9, "a job holds it, such as a backup");
    host.virsh(["domjobabort", "vm"]);
    eventually("the backup is over", || {
        let job = host.virsh(["domjobinfo", "vm"]);
        job.contains("None").then_some(())
    });
    host.vmlife(["hibernate", "vm"]).succeeds();
}

/// A file system of its own, as small as it gets; only root can make one.
pub(super) struct Small(pub(super) std::path::PathBuf);

impl Small {
    pub(super) fn mount(host: &Session, size: &str) -> Option<Self> {
        let folder = host.path("tmp/small");
        fs::create_dir(&folder).expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size},mode=1777"), "vl"])
            .arg(&folder)
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(folder));
        }
        missing("the right to mount a file system");
        None
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(&self.0).status();
        assert!(unmounted.expect("umount runs").success());
    }
}

#[test]
fn room_that_is_too_small_is_told_before_a_byte_is_written() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "vm", 128, "");
    let Some(small) = Small::mount(&host, "4M") else {
        return;
    };
    let folder = small.0.to_str().expect("text");
    let before = guest.last_tick();
    for words in [
        &["hibernate", "vm", "--to", folder][..],
        &["hibernate", "vm", "--to", folder, "--dry-run"],
    ] {
        let ran = host.vmlife(words).refuses(8, "has 4.00 MiB left");
        assert!(ran.stderr.contains("its image may take "), "{ran:?}");
        assert!(
            ran.stderr.contains("name another place with --to"),
            "{ran:?}"
        );
    }
    assert_eq!(host.state("vm"), "running (booted)");
    // libvirt finds out when it is too late, but harms nothing.
    let ran = host
        .vmlife(["hibernate", "vm", "--to", folder, "--force"])
        .ends_with(8);
    assert!(ran.stderr.contains("against the guard 'space'"), "{ran:?}");
    assert_eq!(fs::read_dir(&small.0).expect("a folder").count(), 0);
    guest.goes_on_after(&before);
    // Of a VM that needs less than it might, who knew better is noted beside its image.
    let id = boot_empty(&host, "lean");
    let to = format!("{folder}/lean.save");
    host.vmlife(["hibernate", "lean", "--to", &to, "--force"])
        .ends_with(0);
    let record = fs::read_to_string(format!("{to}.json")).expect("a record");
    assert!(record.contains(&id) && record.contains("against the guard 'space'"));
    host.vmlife(["restore", "lean", "--from", &to]).succeeds();
}

#[test]
fn a_dry_run_tells_what_a_hibernation_and_a_restore_would_take() {
    let Some(host) = Session::start() else { return };
    let id = boot_empty(&host, "vm");
    let plan = host.vmlife(["hibernate", "vm", "--dry-run", "-o", "json"]);
    let plan = plan.succeeds().json();
    let estimate = &plan["results"][0]["estimate"];
    let most = estimate["sizeBytes"].as_u64().expect("bytes");
    assert_eq!(estimate["atMost"], true);
    assert_eq!(estimate["measured"], false);
    assert!(
        estimate["freeBytes"].as_u64().expect("bytes") > most,
        "{estimate}"
    );
    host.vmlife(["hibernate", "vm", "--dry-run"])
        .succeeds()
        .says("; about ");
    assert_eq!(host.state("vm"), "running (booted)");
    host.vmlife(["hibernate", "vm"]).succeeds();
    let image = fs::metadata(host.image(&id)).expect("an image").len();
    assert!(image <= most, "{image} bytes, and {most} were told");
    let plan = host.vmlife(["restore", "vm", "--dry-run", "-o", "json"]);
    let plan = plan.succeeds().json();
    let estimate = &plan["results"][0]["estimate"];
    assert_eq!(estimate["sizeBytes"], image);
    assert_eq!(estimate["measured"], true);
    assert_eq!(host.state("vm"), "shut off (saved)");
}

#[test]
fn a_dry_run_says_that_libvirt_would_boot_the_vm_fresh_with_the_host() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "vm");
    host.virsh(["autostart", "vm"]);
    for words in [&["hibernate", "vm", "--dry-run"][..], &["hibernate", "vm"]] {
        let ran = host.vmlife(words).ends_with(0);
        assert!(
            ran.stderr.contains("warning: vm: autostart is on"),
            "{ran:?}"
        );
    }
}

#[test]
fn a_qemu_that_hangs_holds_up_no_dry_run_and_what_it_did_not_tell_is_said() {
    let Some(host) = Session::start() else { return };
    // It has a balloon, which only QEMU can tell of.
    run(&host, "vm", "");
    let qemu = host.qemu("vm");
    qemu.signal("STOP");
    let began = Instant::now();
    let ran = host.vmlife(["hibernate", "vm", "--dry-run"]);
    let took = began.elapsed();
    qemu.signal("CONT");
    let ran = ran.ends_with(0);
    assert!(
        ran.stderr
            .contains("QEMU did not tell in time whether a job runs on it"),
        "{ran:?}"
    );
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[test]
fn a_file_that_is_missing_or_forbidden_is_named_before_the_restore() {
    let Some(host) = Session::start() else { return };
    let path = disk(&host, "tmp/a.img");
    run(
        &host,
        "vm",
        &format!(
            "<disk type='file'><source file='{path}'/><target dev='vda' bus='virtio'/></disk>"
        ),
    );
    host.vmlife(["hibernate", "vm"]).succeeds();
    let away = host.path("tmp/away.img");
    fs::rename(&path, &away).unwrap();
    for words in [&["restore", "vm"][..], &["restore", "vm", "--dry-run"]] {
        host.vmlife(words)
            .refuses(7, &format!("disk vda ({path}) is gone"));
    }
    fs::rename(&away, &path).unwrap();
    host.hand_over(path.as_ref(), 0o400);
    host.vmlife(["restore", "vm"])
        .refuses(7, &format!("its disk vda may not be used, {path}"));
    // QEMU has the last word, and the memory is safe.
    let ran = host.vmlife(["restore", "vm", "--force"]).ends_with(1);
    assert!(ran.stderr.contains("against the guard 'files'"), "{ran:?}");
    assert!(
        ran.stderr
            .contains("it stays paused, with all of its memory"),
        "{ran:?}"
    );
    host.hand_over(path.as_ref(), 0o600);
    let ran = host.vmlife(["restore", "vm"]).ends_with(0);
    assert!(!ran.stderr.contains("error"), "{ran:?}");
    assert_eq!(host.state("vm"), "running (unpaused)");
}

#[test]
fn the_kernel_of_a_guest_is_missed_too() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "vm", 128, "");
    let before = guest.last_tick();
    host.vmlife(["hibernate", "vm"]).succeeds();
    let (kernel, away) = (host.path("vmlinuz"), host.path("away"));
    fs::rename(&kernel, &away).unwrap();
    host.vmlife(["restore", "vm"])
        .refuses(7, "its kernel is missing");
    fs::rename(&away, &kernel).unwrap();
    host.vmlife(["restore", "vm"]).succeeds();
    guest.goes_on_after(&before);
}

/// Gives the image of a VM another description, as if it had been saved on a host that has more. libvirt
/// leaves room for that behind the description and its own cookie.
fn rewrite(host: &Session, id: &str, from: &str, to: &str) {
    let path = host.image(id);
    let mut image = fs::read(&path).unwrap();
    let number = |image: &[u8], at: usize| {
        u32::from_ne_bytes(image[at..at + 4].try_into().unwrap()) as usize
    };
    let (length, cookie) = (number(&image, 20), number(&image, 32));
    let data = image[92..92 + length].to_vec();
    let xml = String::from_utf8(data[..cookie - 1].to_vec()).expect("text");
    assert!(xml.contains(from), "the image has it: {xml}");
    let mut new = xml.replacen(from, to, 1).into_bytes();
    new.push(0);
    let moved = u32::try_from(new.len()).unwrap();
    new.extend(&data[cookie..]);
    assert!(new[length..].iter().all(|byte| *byte == 0));
    new.resize(length, 0);
    image[92..92 + length].copy_from_slice(&new);
    image[32..36].copy_from_slice(&moved.to_ne_bytes());
    fs::write(&path, image).unwrap();
}

#[test]
fn networks_that_are_not_there_come_with_the_word_that_starts_them() {
    let Some(host) = Session::start() else { return };
    let id = boot_empty(&host, "vm");
    host.vmlife(["hibernate", "vm"]).succeeds();
    // The daemon of a session plugs no guest into networks, so that this one had none.
    rewrite(
        &host,
        &id,
        "</devices>",
        "<interface type='network'><source network='n'/></interface>\
         <interface type='bridge'><source bridge='vl-no-bridge'/></interface></devices>",
    );
    let ran = host
        .vmlife(["restore", "vm"])
        .refuses(7, "there is no network 'n'");
    let bridge = "besides, this host has no network device 'vl-no-bridge'";
    assert!(ran.stderr.contains(bridge), "{ran:?}");
    let network = "<network><name>n</name><forward mode='bridge'/><bridge name='lo'/></network>";
    let network = host.write("network.xml", network);
    host.virsh(["net-define".as_ref(), network.as_os_str()]);
    let ran = host
        .vmlife(["restore", "vm", "--dry-run"])
        .refuses(7, "its network 'n' is not active");
    assert!(ran.stderr.contains("virsh net-start n"), "{ran:?}");
    host.virsh(["net-start", "n"]);
    host.vmlife(["restore", "vm"])
        .refuses(7, "this host has no network device 'vl-no-bridge'");
}

#[test]
fn a_storage_pool_that_is_not_active_comes_with_the_word_that_starts_it() {
    let Some(host) = Session::start() else { return };
    let folder = host.path("tmp");
    host.virsh([
        "pool-define-as".as_ref(),
        "p".as_ref(),
        "dir".as_ref(),
        "--target".as_ref(),
        folder.as_os_str(),
    ]);
    host.virsh(["pool-start", "p"]);
    host.virsh(["vol-create-as", "p", "v", "1M"]);
    run(
        &host,
        "vm",
        "<disk type='volume'><source pool='p' volume='v'/><target dev='vda' bus='virtio'/></disk>",
    );
    host.vmlife(["hibernate", "vm"]).succeeds();
    host.virsh(["pool-destroy", "p"]);
    let ran = host
        .vmlife(["restore", "vm"])
        .refuses(7, "the storage pool 'p' of its disks is not active");
    assert!(ran.stderr.contains("virsh pool-start p"), "{ran:?}");
    host.virsh(["pool-start", "p"]);
    host.vmlife(["restore", "vm"]).ends_with(0);
    assert_eq!(host.state("vm"), "running (unpaused)");
}

#[test]
fn a_name_that_another_vm_has_now_is_told_before_the_restore() {
    let Some(host) = Session::start() else { return };
    run(&host, "vm", "");
    let id = host.virsh(["domuuid", "vm"]);
    host.vmlife(["hibernate", "vm"]).succeeds();
    let other = define_empty(&host, "vm");
    let ran = host
        .vmlife(["restore", &id])
        .refuses(7, &format!("another VM has its name, 'vm' ({other})"));
    assert!(ran.stderr.contains("virsh domrename vm NAME"), "{ran:?}");
    host.vmlife(["restore", &id, "--force"])
        .refuses(7, "another VM has its name");
    host.virsh(["domrename", "vm", "other"]);
    host.vmlife(["restore", &id]).ends_with(0);
    assert_eq!(host.state("vm"), "running (unpaused)");
}

#[test]
fn a_machine_type_that_qemu_does_not_know_is_named() {
    let Some(host) = Session::start() else { return };
    let id = boot_empty(&host, "vm");
    host.vmlife(["hibernate", "vm"]).succeeds();
    let xml = host.virsh(["dumpxml", "vm"]);
    let machine = xml
        .split("machine='")
        .nth(1)
        .and_then(|rest| rest.split('\'').next())
        .expect("a machine type");
    let unknown = format!("{}9", &machine[..machine.len() - 1]);
    rewrite(
        &host,
        &id,
        &format!("machine='{machine}'"),
        &format!("machine='{unknown}'"),
    );
    host.vmlife(["restore", "vm"]).refuses(
        7,
        &format!("QEMU does not know its machine type here, '{unknown}'"),
    );
}
