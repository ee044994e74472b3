//! From a definition in YAML alone to a machine: libvirt's schema, libvirt itself and the guest are the
//! judges.

use super::definitions::{assert_valid, schema_is_there};
use super::support::guest::Linux;
use super::support::session::{Session, missing};
use super::support::{Ran, eventually, files_below, project};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use vmlife::definition::{Definition, load, parse, read_domain, to_yaml, update};

/// The machines that are described in one file of the corpus.
fn machines(file: &str) -> Vec<Definition> {
    let path = project().join("tests/corpus/yaml").join(file);
    load(path.to_str().expect("text")).unwrap_or_else(|error| panic!("{error}"))
}

/// What stands in examples/.
fn examples() -> Vec<Definition> {
    let files = files_below("examples", "yaml").into_iter();
    // That one holds settings.
    let definitions = files.filter(|file| !file.ends_with("config.yaml"));
    let all = definitions.map(|file| load(file.to_str().expect("text")).expect("it loads"));
    all.flatten().collect()
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
        examples(),
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
        examples(),
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
    let Some(host) = Session::start().filter(|_| is_there(FIRMWARE)) else {
        return;
    };
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

#[test]
fn what_is_defined_stands_where_libvirt_has_it() {
    let Some(host) = Session::start().filter(|_| is_there(FIRMWARE)) else {
        return;
    };
    let mut all = machines("machines.yaml").into_iter();
    let everything = all
        .find(|definition| definition.vm.name() == "everything")
        .expect("it is there");
    let file = host.write("everything.xml", xml(&everything));
    host.virsh(["define".as_ref(), file.as_os_str()]);
    let file = host.write(
        "defined.xml",
        host.virsh(["dumpxml", "--inactive", "everything"]),
    );
    for (place, value) in [
        ("string(/domain/@type)", "qemu"),
        (
            "string(/domain/uuid)",
            "6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a02",
        ),
        ("string(/domain/title)", "everything"),
        ("string(/domain/memory)", "131072"),
        ("string(/domain/maxMemory)", "2097152"),
        ("string(/domain/vcpu)", "8"),
        ("string(/domain/vcpu/@current)", "6"),
        ("string(/domain/cpu/topology/@threads)", "2"),
        ("string(/domain/cpu/model)", "qemu64"),
        (
            "string(/domain/cpu/feature[@name='x2apic']/@policy)",
            "require",
        ),
        ("string(/domain/cpu/numa/cell[@id='1']/@cpus)", "4-7"),
        (
            "string(/domain/numatune/memnode[@cellid='0']/@mode)",
            "preferred",
        ),
        ("string(/domain/cputune/vcpupin[@vcpu='1']/@cpuset)", "1"),
        ("string(/domain/cputune/shares)", "512"),
        ("string(/domain/iothreads)", "1"),
        ("string(/domain/os/loader/@secure)", "yes"),
        ("string(/domain/os/kernel)", "/v/vmlinuz"),
        ("string(/domain/os/bootmenu/@enable)", "yes"),
        ("string(/domain/sysinfo/system/entry[@name='serial'])", "42"),
        (
            "string(//disk[source/@file='/v/root.qcow2']/boot/@order)",
            "1",
        ),
        (
            "string(//disk[source/@dev='/dev/vg/data']/target/@bus)",
            "scsi",
        ),
        (
            "string(//disk[source/@protocol='rbd']/source/host/@port)",
            "6789",
        ),
        (
            "string(//disk[source/@pool='pool']/source/@volume)",
            "volume",
        ),
        ("string(//disk[@device='cdrom']/source/@file)", "/v/cd.iso"),
        ("string(//interface[@type='user']/link/@state)", "down"),
        (
            "string(//interface[@type='network']/mac/@address)",
            "52:54:00:aa:bb:02",
        ),
        ("string(//graphics[@type='vnc']/@keymap)", "en-us"),
        (
            "string(//graphics[@type='spice']/clipboard/@copypaste)",
            "no",
        ),
        ("string(//video/model/@heads)", "2"),
        ("string(//tpm/backend/@type)", "emulator"),
        ("string(//redirdev/@bus)", "usb"),
        ("string(//smartcard/@type)", "spicevmc"),
        ("string(//serial/log/@file)", "/v/serial.log"),
        ("string(//*[local-name()='priority'])", "100"),
    ] {
        let mut xmllint = Command::new("xmllint");
        let ran = xmllint.args(["--xpath", place]).arg(&file).output();
        let ran = Ran::of(ran.expect("xmllint runs"));
        assert_eq!(ran.stdout.trim_end(), value, "{place}");
    }
}

/// What is wrong in a definition of a machine of 64 MiB, and how the complaint begins.
const WRONG: &[(&str, &str)] = &[
    ("memSizeMb: 0", "it has no memSizeMb"),
    (
        "maxMemorySizeMb: 32",
        "maxMemorySizeMb is less than memSizeMb",
    ),
    ("numOfSockets: 0", "numOfSockets is 0"),
    ("numOfCpus: 2", "numOfCpus is 2, outside of 1 to 1"),
    ("numOfCpus: 0", "numOfCpus is 0"),
    ("cpuShares: 1", "cpuShares is outside of 2 to 262144"),
    ("cpuPinning: '0'", "cpuPinning: '0' is not of the form"),
    ("cpuPinning: '0#a'", "cpuPinning: '0#a' is not of the form"),
    (
        "cpuPinning: '0#1_0#2'",
        "cpuPinning: vCPU 0 has no host CPU, or is named twice",
    ),
    ("cpuPinning: '1#0'", "cpuPinning: there is no vCPU 1"),
    (
        "vNumaNodeList: [{ index: 1, cpuIds: [0], memTotal: 64 }]",
        "vNumaNodeList: the index",
    ),
    (
        "vNumaNodeList: [{ index: 0, memTotal: 64 }]",
        "vNumaNodeList: its cpuIds",
    ),
    (
        "vNumaNodeList: [{ index: 0, cpuIds: [0, 0], memTotal: 64 }]",
        "vNumaNodeList: its cpuIds",
    ),
    (
        "vNumaNodeList: [{ index: 0, cpuIds: [0] }]",
        "vNumaNodeList: a node has no memTotal",
    ),
    (
        "vNumaNodeList: [{ index: 0, cpuIds: [0], memTotal: 32 }]",
        "vNumaNodeList: the memTotal",
    ),
    (
        "biosType: Q35_OVMF, customEmulatedMachine: pc",
        "biosType Q35_OVMF does not fit",
    ),
    (
        "kernelParams: quiet",
        "initrdUrl and kernelParams mean nothing",
    ),
    ("serialNumberPolicy: CUSTOM", "serialNumberPolicy is CUSTOM"),
    ("smartcardEnabled: true", "smartcardEnabled needs SPICE"),
    ("usbPolicy: ENABLED_NATIVE", "usbPolicy needs SPICE"),
    ("images: [{}]", "images[0].imagePath is missing"),
    (
        "images: [{ imagePath: /a }, { imagePath: x, sourceType: network }]",
        "images[1].imagePath 'x' is not of the form protocol:name",
    ),
    (
        "images: [{ imagePath: x, sourceType: volume }]",
        "images[0].imagePath 'x' is not of the form pool/volume",
    ),
    (
        "images: [{ imagePath: x, sourceType: nvme }]",
        "images[0].sourceType is nvme",
    ),
    (
        "images: [{ imagePath: x, targetDev: ../a }]",
        "images[0].targetDev '../a'",
    ),
    (
        "images: [{ imagePath: x, serial: 'a,b' }]",
        "images[0].serial 'a,b'",
    ),
    (
        "images: [{ imagePath: /a, targetDev: vda }, { imagePath: /b, targetDev: vda }]",
        "two disks have the target 'vda'",
    ),
    ("interfaces: [{}]", "interfaces[0].networkName is missing"),
    (
        "interfaces: [{ sourceType: hostdev }]",
        "interfaces[0].sourceType is hostdev",
    ),
    (
        "interfaces: [{ sourceType: user, macAddress: 52:54 }]",
        "interfaces[0].macAddress '52:54' is not one",
    ),
    (
        "interfaces: [{ sourceType: user, macAddress: '01:00:00:00:00:01' }]",
        "interfaces[0].macAddress '01:00:00:00:00:01' is one of many",
    ),
    (
        "interfaces: [{ networkName: eth0, sourceType: direct, type: pciPassthrough, macAddress: '52:54:00:00:00:0a' }]",
        "interfaces[52:54:00:00:00:0a].type cannot be written",
    ),
    (
        "leaseStorageDomainId: 6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a11",
        "leaseStorageDomainId cannot be written",
    ),
    ("useTscFrequency: true", "useTscFrequency cannot be written"),
    (
        "description: \"a\\eb\"",
        "vmStatic.description holds the character '\\u{1b}'",
    ),
    (
        "images: [{ imagePath: \"/a\\0\" }]",
        "vmStatic.images[0].imagePath holds the character '\\0'",
    ),
    (
        "vmInit: { hostname: \"a\\u0001\" }",
        "vmStatic.vmInit.hostname holds the character",
    ),
];

#[test]
fn what_no_domain_can_be_made_of_is_refused_by_the_name_of_its_field() {
    let mut wrong = Vec::new();
    for (said, complaint) in WRONG {
        let size = if said.starts_with("memSizeMb") {
            ""
        } else {
            "memSizeMb: 64, "
        };
        let text = format!("# a comment\nvmStatic: {{ name: a, {size}{said} }}\n");
        let refused = parse("vm.yaml", &text).and_then(|all| all[0].domain_xml());
        let told = refused.unwrap_or_else(|error| error.to_string());
        // Where a device is named twice is told, too.
        let in_place = told.starts_with("vm.yaml:2:") && told.contains(&format!(": {complaint}"));
        if !in_place {
            wrong.push(format!("{said}: {told}"));
        }
    }
    let twice = "vmStatic: {name: a, id: 6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a11}\n";
    let told = parse("vm.yaml", &format!("{twice}---\n{twice}")).expect_err("one id, two machines");
    assert!(
        told.to_string()
            .starts_with("vm.yaml:3:1: the definition in line 1 has the same id"),
        "{told}"
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Defines and starts what a definition says, of which this is the rest, and sees that it is so.
#[track_caller]
fn start(host: &Session, name: &str, rest: &str) {
    let folder = host.folder().display();
    let text = format!(
        "vmStatic:
  name: {name}
  domainType: qemu
  memSizeMb: 192
  serialLogPath: {folder}/{name}.log
{rest}"
    );
    let file = host.write(&format!("{name}.yaml"), text);
    let file = file.to_str().expect("text");
    host.vmlife(["restore", "--or-start", file])
        .ends_with(0)
        .says(&format!("{name} is started"));
    host.vmlife(["show", "--inactive", "--diff", file])
        .succeeds()
        .says("is as defined");
}

/// The same of the Linux guest, which ticks then.
#[track_caller]
fn boot<'a>(host: &'a Session, name: &str, parameters: &str, rest: &str) -> Linux<'a> {
    Linux::bring(host);
    let folder = host.folder().display();
    let kernel = format!(
        "  kernelUrl: {folder}/vmlinuz
  initrdUrl: {folder}/initrd.img
  kernelParams: console=ttyS0 quiet panic=-1 cryptomgr.notests noreplace-smp nokaslr {parameters}
{rest}"
    );
    start(host, name, &kernel);
    let guest = Linux::defined(host, name);
    guest.ticks_beyond(1);
    guest
}

/// Waits until the first serial port of a machine has printed this.
#[track_caller]
fn prints(host: &Session, name: &str, words: &str) {
    eventually(words, || {
        let log = fs::read(host.path(&format!("{name}.log"))).unwrap_or_default();
        String::from_utf8_lossy(&log).contains(words).then_some(())
    });
}

/// Whether what a test needs beside libvirt and QEMU is there.
fn is_there(path: &str) -> bool {
    let found = Path::new(path).exists();
    if !found {
        missing(path);
    }
    found
}

/// libvirt finds firmware by these.
const FIRMWARE: &str = "/usr/share/qemu/firmware/60-edk2-x86_64.json";

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
fn a_machine_boots_from_the_disk_that_is_to_be_booted() {
    let Some(host) = Session::start() else { return };
    // Prints what stands behind it.
    let mut sector =
        b"\x31\xc0\x8e\xd8\xbe\x15\x7c\xba\xf8\x03\xac\x84\xc0\x74\x03\xee\xeb\xf8\xf4\xeb\xfd"
            .to_vec();
    sector.extend(b"Booted from the second disk.\n\0");
    sector.resize(510, 0);
    sector.extend([0x55, 0xaa]);
    sector.resize(1 << 20, 0); // The firmware overlooks a disk of one sector.
    let (first, second) = (disk(&host, "raw", "first"), host.write("second", sector));
    let disks = format!(
        "  images: [{{ imagePath: {} }}, {{ imagePath: {}, boot: true }}]\n",
        first.display(),
        second.display()
    );
    for (name, bios) in [("pc", "I440FX_SEA_BIOS"), ("q35", "Q35_SEA_BIOS")] {
        start(&host, name, &format!("  biosType: {bios}\n{disks}"));
        prints(&host, name, "Booted from the second disk.");
        host.virsh(["destroy", name]);
    }
}

#[test]
fn a_machine_with_uefi_boots() {
    let Some(host) = Session::start().filter(|_| is_there(FIRMWARE)) else {
        return;
    };
    boot(&host, "uefi", "", "  biosType: Q35_OVMF\n");
    let xml = host.virsh(["dumpxml", "uefi"]);
    assert!(xml.contains("OVMF_CODE"), "{xml}");
}

#[test]
fn a_machine_with_secure_boot_and_a_tpm_starts_nothing_that_is_not_signed() {
    let programs = [FIRMWARE, "/usr/bin/swtpm", "/usr/bin/swtpm_setup"];
    let Some(host) = Session::start().filter(|_| programs.into_iter().all(is_there)) else {
        return;
    };
    start(
        &host,
        "safe",
        "  biosType: Q35_SECURE_BOOT\n  tpmEnabled: true\n",
    );
    let xml = host.virsh(["dumpxml", "safe"]);
    assert!(
        xml.contains("secure='yes'") && xml.contains("<tpm model='tpm-crb'>"),
        "{xml}"
    );
    // The firmware's own shell bears no signature.
    prints(&host, "safe", "Security Violation");
}

#[test]
fn a_disk_of_the_network_is_the_guests() {
    let Some(host) = Session::start().filter(|_| is_there("/usr/bin/qemu-nbd")) else {
        return;
    };
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
