//! From a definition in YAML alone to a machine: libvirt's schema, libvirt itself and the guest are the
//! judges.

use super::definitions::{assert_valid, schema_is_there};
use super::support::guest::Linux;
use super::support::session::Session;
use super::support::{eventually, project};
use std::fs;
use std::path::{Path, PathBuf};
use vmlife::definition::{Definition, load, read_domain, to_yaml, update};

/// The machines that are described in one file of the corpus.
fn machines(file: &str) -> Vec<Definition> {
    let path = project().join("tests/corpus/yaml").join(file);
    load(path.to_str().expect("text")).unwrap_or_else(|error| panic!("{error}"))
}

/// The XML that becomes of a definition.
fn xml(definition: &Definition) -> String {
    let name = definition.vm.name();
    let made = definition.domain_xml();
    made.unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn what_becomes_of_yaml_is_valid_by_libvirts_own_schema() {
    if !schema_is_there() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let all = [
        machines("machines.yaml"),
        machines("machines-elsewhere.yaml"),
    ]
    .concat();
    let write = |(number, definition): (usize, &Definition)| -> PathBuf {
        let name: String = definition
            .vm
            .name()
            .chars()
            .take_while(|c| !" /".contains(*c))
            .collect();
        let path = folder.path().join(format!("{number}-{name}.xml"));
        fs::write(&path, xml(definition)).expect("a file");
        path
    };
    let files: Vec<PathBuf> = all.iter().enumerate().map(write).collect();
    assert_valid(&files);
}

#[test]
fn the_machine_that_becomes_of_yaml_says_what_the_yaml_says() {
    let mut wrong = Vec::new();
    for definition in [
        machines("machines.yaml"),
        machines("machines-elsewhere.yaml"),
    ]
    .concat()
    {
        let xml = xml(&definition);
        let found = read_domain(&xml).expect("it loads");
        let deviations = vmlife::definition::deviations(&definition.vm, &found);
        if !deviations.is_empty() {
            wrong.push(format!("{}: {deviations:#?}", definition.vm.name()));
        }
        assert_eq!(
            update(&xml, &found).expect("it can be written"),
            xml,
            "nothing has changed"
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn libvirt_defines_what_becomes_of_yaml_and_it_is_as_defined() {
    let Some(host) = Session::start() else { return };
    let mut wrong = Vec::new();
    for definition in machines("machines.yaml") {
        let name = definition.vm.name();
        let file = host.write("machine.xml", xml(&definition));
        let defined = host
            .command("virsh")
            .arg("define")
            .arg(&file)
            .output()
            .expect("virsh runs");
        if !defined.status.success() {
            wrong.push(format!(
                "{name}: {}",
                String::from_utf8_lossy(&defined.stderr)
            ));
            continue;
        }
        let file = host.write("machine.yaml", to_yaml(&definition.vm));
        let file = file.to_str().expect("text");
        let ran = host.vmlife(["show", "--inactive", "--diff", file]);
        if ran.code != 0 {
            wrong.push(format!("{name}: {ran:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Defines and boots the Linux guest of a definition, of which this is the rest, and waits for its ticks.
#[track_caller]
fn boot<'a>(host: &'a Session, name: &str, parameters: &str, rest: &str) -> Linux<'a> {
    Linux::bring(host);
    let folder = host.folder().display();
    let text = format!(
        "vmStatic:
  name: {name}
  domainType: qemu
  memSizeMb: 192
  kernelUrl: {folder}/vmlinuz
  initrdUrl: {folder}/initrd.img
  kernelParams: console=ttyS0 quiet panic=-1 cryptomgr.notests noreplace-smp nokaslr {parameters}
  serialLogPath: {folder}/{name}.log
{rest}"
    );
    let file = host.write(&format!("{name}.yaml"), text);
    let file = file.to_str().expect("text");
    host.vmlife(["restore", "--or-start", file])
        .ends_with(0)
        .says(&format!("{name} is started in"));
    let guest = Linux::defined(host, name);
    guest.ticks_beyond(1);
    host.vmlife(["show", "--inactive", "--diff", file])
        .succeeds()
        .says("is as defined");
    guest
}

/// The guest counts on this disk, which lies in a file of the host.
#[track_caller]
fn counts_in(guest: &Linux<'_>, file: &Path) {
    eventually("the guest's ticks are on its disk", || {
        let disk = fs::read(file).expect("the disk");
        let text = str::from_utf8(disk.get(..512)?).ok()?;
        let number: u64 = text.trim().parse().ok()?;
        (number >= 1 && number <= guest.last_tick().number).then_some(())
    });
}

/// Makes a disk of some MiB for the session's user.
fn disk(host: &Session, format: &str, name: &str) -> PathBuf {
    let path = host.path(name);
    let made = host
        .command("qemu-img")
        .args(["create", "-q", "-f", format])
        .arg(&path)
        .arg("4M")
        .status();
    assert!(made.expect("qemu-img runs").success());
    path
}

#[test]
fn a_pc_with_a_bit_of_everything_boots_on_each_chipset() {
    let Some(host) = Session::start() else { return };
    for (name, bios, machine) in [
        ("pc", "I440FX_SEA_BIOS", "pc-i440fx"),
        ("q35", "Q35_SEA_BIOS", "pc-q35"),
    ] {
        let [one, two] = ["one", "two"]
            .map(|disk_name| disk(&host, "qcow2", &format!("{name}-{disk_name}.qcow2")));
        let guest = boot(
            &host,
            name,
            "vmlife.counter=/dev/vdb",
            &format!(
                "  biosType: {bios}
  numOfSockets: 2
  vNumaNodeList:
    - {{ index: 0, cpuIds: [0], memTotal: 128 }}
    - {{ index: 1, cpuIds: [1], memTotal: 64 }}
  images:
    - {{ imagePath: {}, volumeFormat: COW }}
    - {{ imagePath: {}, volumeFormat: COW, serial: second }}
  interfaces: [{{ name: lan, sourceType: user, type: pv }}, {{ sourceType: user, type: e1000e }}]
  graphicsTypes: [VNC]
  defaultDisplayType: vga
",
                one.display(),
                two.display()
            ),
        );
        assert!(
            !guest
                .remarks()
                .iter()
                .any(|remark| remark.starts_with("cannot")),
            "{:?}",
            guest.remarks()
        );
        let xml = host.virsh(["dumpxml", name]);
        assert!(
            xml.contains(machine) && xml.contains("<cell id='1' cpus='1'"),
            "{xml}"
        );
        host.vmlife(["hibernate", name]).succeeds();
        host.vmlife(["restore", name]).succeeds();
        host.virsh(["destroy", name]);
    }
}

#[test]
fn a_machine_with_uefi_boots() {
    let Some(host) = Session::start() else { return };
    boot(&host, "uefi", "", "  biosType: Q35_OVMF\n");
    let xml = host.virsh(["dumpxml", "uefi"]);
    assert!(xml.contains("OVMF_CODE"), "{xml}");
}

#[test]
fn a_machine_with_secure_boot_and_a_tpm_starts() {
    let Some(host) = Session::start() else { return };
    boot(
        &host,
        "safe",
        "",
        "  biosType: Q35_SECURE_BOOT\n  tpmEnabled: true\n",
    );
    let xml = host.virsh(["dumpxml", "safe"]);
    assert!(
        xml.contains("OVMF_CODE_4M.ms.fd") && xml.contains("<tpm "),
        "{xml}"
    );
}

#[test]
fn a_disk_of_the_network_is_the_guests() {
    let Some(host) = Session::start() else { return };
    let file = disk(&host, "raw", "export.raw");
    let socket = host.path("nbd.sock");
    let mut server = host
        .command("qemu-nbd")
        .args(["--persistent", "-f", "raw", "-x", "export", "-k"])
        .arg(&socket)
        .arg(&file)
        .spawn()
        .expect("qemu-nbd runs");
    eventually("the server listens", || socket.exists().then_some(()));
    let guest = boot(
        &host,
        "far",
        "vmlife.counter=/dev/vda",
        &format!(
            "  images: [{{ imagePath: 'nbd:export', sourceType: network, sourceHosts: [{}] }}]\n",
            socket.display()
        ),
    );
    counts_in(&guest, &file);
    host.virsh(["destroy", "far"]);
    server.kill().expect("it ends");
    server.wait().expect("it has ended");
}

#[test]
fn a_volume_of_a_pool_is_the_guests() {
    let Some(host) = Session::start() else { return };
    let pool = host.path("tmp/pool");
    host.virsh([
        "pool-create-as",
        "store",
        "dir",
        "--build",
        "--target",
        pool.to_str().expect("text"),
    ]);
    host.virsh([
        "vol-create-as",
        "store",
        "counter.raw",
        "4M",
        "--format",
        "raw",
    ]);
    let guest = boot(
        &host,
        "pooled",
        "vmlife.counter=/dev/vda",
        "  images: [{ imagePath: store/counter.raw, sourceType: volume }]\n",
    );
    counts_in(&guest, &pool.join("counter.raw"));
}
