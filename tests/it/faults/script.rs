//! A host's shutdown script, as such scripts are, and as it is with vmlife.

use crate::support::guest::Linux;
use crate::support::session::{Process, Session};
use crate::support::{eventually, project};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command};

/// What many hosts do when they go down.
const AS_THEY_ARE: &str = "
for vm in $(virsh -q list --name); do
    timeout 2 virsh -q save $vm $1/$vm.save && continue
    timeout 2 virsh -q shutdown $vm
    sleep 1
    virsh -q destroy $vm
done";

/// The process that writes this image, standing still: the disk has become slow.
fn slow_writer(host: &Session, image: &Path) -> Process {
    let writer = eventually("the image is being written", || {
        image.exists().then(|| host.image_writer()).flatten()
    });
    writer.signal("STOP");
    writer
}

fn start(command: &mut Command, words: &Path) -> Child {
    let file = File::create(words).expect("a file");
    let also = file.try_clone().expect("a file");
    let command = command.stdout(file).stderr(also);
    command.spawn().expect("sh runs")
}

#[test]
fn a_shutdown_script_with_a_time_limit_and_virsh_loses_vm_and_image() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "vm", 192, "vmlife.random=64");
    let before = guest.last_tick();
    let script = host.write("shutdown.sh", AS_THEY_ARE);
    let folder = host.path("tmp");
    let image = host.path("tmp/vm.save");
    let mut command = host.command("sh");
    let mut script = start(
        command.args([&script, &folder]),
        &host.write("tmp/words", ""),
    );
    let writer = slow_writer(&host, &image);
    assert!(script.wait().expect("it ends").success(), "it saw nothing");
    writer.signal("CONT");
    eventually("libvirt has given up", || {
        (!image.exists() && host.state("vm").starts_with("shut off")).then_some(())
    });
    // All that is left of the guest is a boot.
    host.virsh(["start", "vm"]);
    eventually("another guest ticks", || {
        guest
            .ticks()
            .pop()
            .filter(|tick| tick.nonce != before.nonce)
    });
}

#[test]
fn the_same_script_with_vmlife_loses_nothing() {
    let Some(host) = Session::start() else { return };
    let fast = Linux::boot(&host, "fast", 128, "");
    let slow = Linux::boot(&host, "slow", 192, "vmlife.random=64");
    // It cannot be saved, and its firmware does not listen to a power button.
    let xml = host.write(
        "deaf.xml",
        "<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
        <name>deaf</name><memory unit='MiB'>16</memory>
        <os><type arch='x86_64' machine='pc'>hvm</type></os>
        <devices><controller type='usb' model='none'/><memballoon model='none'/></devices>
        <qemu:commandline>
        <qemu:arg value='-object'/><qemu:arg value='memory-backend-ram,id=m,size=1M,share=on'/>
        <qemu:arg value='-device'/><qemu:arg value='ivshmem-plain,memdev=m'/>
        </qemu:commandline></domain>",
    );
    host.virsh(["create".as_ref(), xml.as_os_str()]);
    let before = fast.last_tick();
    let script = host.bring(
        &project().join("examples/shutdown.sh"),
        "shutdown.sh",
        0o644,
    );
    let words = host.write("tmp/words", "");
    let path = format!("PATH={}:/usr/bin:/bin", host.folder().display());
    let mut command = host.command("env");
    command.args([&path, "sh"]).arg(script).arg("4");
    let mut script = start(&mut command, &words);
    let image = host.image(&slow.id());
    let writer = slow_writer(&host, &image);
    eventually("its time is up", || {
        let said = fs::read_to_string(&words).expect("text");
        said.contains("slow: cancelling").then_some(())
    });
    writer.signal("CONT");
    let ended = script.wait().expect("it ends");
    let said = fs::read_to_string(&words).expect("text");
    assert_eq!(ended.code(), Some(1), "{said}");
    assert!(
        said.contains("slow was not hibernated, the time limit has passed; it runs on"),
        "{said}"
    );
    assert!(
        said.contains("deaf still runs: it could be neither"),
        "{said}"
    );
    // One sleeps, one was shut down by itself, and one runs.
    assert_eq!(host.state("fast"), "shut off (saved)", "{said}");
    assert_eq!(host.state("slow"), "shut off (shutdown)", "{said}");
    assert!(slow.remarks().contains(&"power button".to_owned()));
    assert!(host.state("deaf").starts_with("running"), "{said}");
    assert!(!image.exists(), "{said}");
    host.vmlife(["restore", "fast"]).succeeds();
    fast.goes_on_after(&before);
}
