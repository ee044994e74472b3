//! What a VM says by way of YAML, and what differs from a definition, is all of it: also what the model has
//! no field for.

use super::support::Ran;
use super::support::guest::define_empty;
use super::support::session::Session;

/// A domain with much that the model has no field for, or fewer words than libvirt.
const RICH: &str = "<domain type='qemu'>
  <name>rich</name>
  <uuid>6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2aad</uuid>
  <memory unit='MiB'>512</memory>
  <currentMemory unit='MiB'>256</currentMemory>
  <vcpu cpuset='0-1'>8</vcpu>
  <os>
    <type arch='x86_64' machine='pc-q35-7.2'>hvm</type>
    <bootmenu enable='yes' timeout='3000'/>
  </os>
  <features><acpi/></features>
  <cpu mode='custom' match='minimum'>
    <model fallback='allow'>qemu64</model>
    <topology sockets='1' dies='2' cores='2' threads='2'/>
    <feature policy='optional' name='vmx'/>
    <feature policy='forbid' name='svm'/>
    <feature policy='force' name='pcid'/>
  </cpu>
  <clock offset='localtime'/>
  <on_reboot>destroy</on_reboot>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' discard='ignore' error_policy='enospace'/>
      <source file='/a.luks'>
        <encryption format='luks'><secret type='passphrase' uuid='6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a00'/></encryption>
      </source>
      <target dev='vdb' bus='virtio'/>
      <boot order='2'/>
    </disk>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/><source file='/c.raw'/><target dev='vda' bus='virtio'/><boot order='3'/>
    </disk>
    <disk type='file' device='cdrom'><source file='/1.iso'/><target dev='sda' bus='sata'/><readonly/></disk>
    <disk type='file' device='cdrom'><source file='/2.iso'/><target dev='sdb' bus='sata'/><readonly/></disk>
    <interface type='direct'>
      <mac address='52:54:00:00:00:02'/><source dev='eth0' mode='bridge'/><model type='virtio'/><boot order='1'/>
    </interface>
    <interface type='bridge'>
      <mac address='52:54:00:00:00:03'/><source bridge='ovs0'/><vlan><tag id='42'/></vlan>
      <virtualport type='openvswitch'/><model type='virtio'/>
    </interface>
    <interface type='user'><mac address='52:54:00:00:00:03'/><model type='e1000'/></interface>
    <filesystem type='mount'><source dir='/x'/><target dir='y'/></filesystem>
    <watchdog model='i6300esb' action='reset'/>
    <graphics type='vnc' port='5999' listen='0.0.0.0'/>
    <video><model type='virtio' heads='2'/></video>
    <tpm model='tpm-tis'><backend type='passthrough'><device path='/dev/tpm0'/></backend></tpm>
    <memballoon model='none'/>
  </devices>
</domain>
";

fn defined(host: &Session) -> String {
    let file = host.write("rich.xml", RICH);
    host.virsh(["define".as_ref(), file.as_os_str()]);
    host.virsh(["dumpxml", "--inactive", "rich"])
}

/// What libvirt makes of a definition in YAML, by way of the domain XML that becomes of it.
fn redefined(host: &Session, yaml: &str) -> String {
    let file = host.write("again.yaml", yaml);
    let xml = host.vmlife([
        "show".as_ref(),
        file.as_os_str(),
        "-o".as_ref(),
        "xml".as_ref(),
    ]);
    let file = host.write("again.xml", xml.succeeds().stdout);
    host.virsh(["define".as_ref(), file.as_os_str()]);
    host.virsh(["dumpxml", "--inactive", "rich"])
}

#[test]
fn a_vm_comes_back_from_its_yaml_as_it_was_also_where_the_model_has_no_field() {
    let Some(host) = Session::start() else { return };
    let before = defined(&host);
    let yaml = host
        .vmlife(["show", "rich", "-o", "yaml"])
        .succeeds()
        .stdout;
    assert_eq!(redefined(&host, &yaml), before);
    let more = yaml.replace("memSizeMb: 512\n", "memSizeMb: 1024\n");
    assert_ne!(more, yaml);
    let file = host.write("more.yaml", &more);
    let option = format!("--diff={}", file.display());
    let told = host.vmlife(["show", "rich", &option]).ends_with(1).stdout;
    let rows: Vec<&str> = told.lines().skip(2).collect();
    assert!(
        rows.len() == 1 && rows[0].contains("memSizeMb  1024     512"),
        "{told}"
    );
    let after = redefined(&host, &more);
    let changed: Vec<_> = before
        .lines()
        .zip(after.lines())
        .filter(|(a, b)| a != b)
        .collect();
    let memory = "  <memory unit='KiB'>524288</memory>";
    assert_eq!(changed, [(memory, "  <memory unit='KiB'>1048576</memory>")]);
}

#[test]
fn a_difference_is_seen_wherever_it_is_and_nothing_else_is_one() {
    let Some(host) = Session::start() else { return };
    defined(&host);
    let diff = |name: &str, text: &str| {
        let file = host.write(name, text);
        let option = format!("--diff={}", file.display());
        host.vmlife(["show", "rich", &option])
    };
    diff("same.xml", RICH).succeeds().says("rich is as defined");
    let secret = RICH.replace("listen='0.0.0.0'/>", "listen='0.0.0.0' passwd='s3cret'/>");
    let ran = diff("secret.xml", &secret)
        .ends_with(0)
        .says("rich is as defined");
    assert!(ran.stderr.contains("--security-info"), "{ran:?}");
    for (of, other, place) in [
        ("format='luks'", "format='luks2'", "encryption@format"),
        ("id='42'", "id='43'", "vlan/tag@id"),
        ("action='reset'", "action='poweroff'", "watchdog@action"),
        ("dir='/x'", "dir='/z'", "filesystem[y]/source@dir"),
        (
            "policy='optional'",
            "policy='require'",
            "feature[vmx]@policy",
        ),
        ("/2.iso", "/3.iso", "disk[sdb]/source@file"),
        ("order='2'", "order='4'", "disk[vdb]/boot@order"),
        ("offset='localtime'", "offset='utc'", "clock@offset"),
        ("cpuset='0-1'", "cpuset='0'", "vcpu@cpuset"),
        ("mode='bridge'", "mode='private'", "source@mode"),
        (
            "discard='ignore'",
            "discard='unmap'",
            "images[vdb].passDiscard",
        ),
    ] {
        let ran = diff("other.xml", &RICH.replacen(of, other, 1)).ends_with(1);
        let rows: Vec<&str> = ran.stdout.lines().skip(2).collect();
        assert!(rows.len() == 1 && rows[0].contains(place), "{of}: {ran:#?}");
    }
    let one = "vmStatic: { name: rich }\n";
    diff("one.yaml", one).succeeds().says("rich is as defined");
    let nothing = "vmStatic: { name: rich, tpmEnabled: false, bootMenuEnabled: false, images: [], \
                   interfaces: [], graphicsTypes: [], balloonEnabled: false }\n";
    let ran = diff("nothing.yaml", nothing).ends_with(1);
    for field in [
        "tpmEnabled",
        "bootMenuEnabled",
        "images",
        "interfaces",
        "graphicsTypes",
    ] {
        assert!(
            ran.stdout.contains(&format!("vmStatic.{field}")),
            "{field}: {ran:#?}"
        );
    }
    assert!(!ran.stdout.contains("balloonEnabled"), "{ran:#?}");
}

/// What a definition of the VM `v` is made of: whose devices, and whose CPUs.
fn plain(parts: [&str; 2]) -> String {
    let [devices, cpus] = parts;
    format!(
        "<domain type='qemu'><name>v</name><uuid>6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2aae</uuid>\
         <memory unit='MiB'>128</memory>{cpus}\
         <os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>\
         <devices>{devices}</devices></domain>"
    )
}

/// Defines a VM, and says where it differs from a definition.
fn difference(host: &Session, defined: &str, (name, text): (&str, &str), options: &[&str]) -> Ran {
    let file = host.write("defined.xml", defined);
    host.virsh(["define".as_ref(), file.as_os_str()]);
    let file = host.write(name, text);
    let diff = format!("--diff={}", file.display());
    let ran = host.vmlife([&["show", "v", &diff], options].concat());
    host.virsh(["undefine", "v"]);
    ran
}

#[test]
fn a_vm_that_was_just_defined_does_not_differ_however_libvirt_writes_it() {
    let Some(host) = Session::start() else { return };
    let cell = "<vcpu>2</vcpu><cpu><numa><cell cpus='0,1' memory='128' unit='MiB'/></numa></cpu>";
    for (parts, of, other, place) in [
        (
            [
                "<interface type='user'><mac address='52:54:00:AB:CD:EF'/></interface>",
                "",
            ],
            "EF'",
            "EE'",
            "interfaces[52:54:00:ab:cd:ee]",
        ),
        (["", cell], "'0,1'", "'0'", "vNumaNodeList[0].cpuIds"),
        (
            ["", "<vcpu cpuset='0,1'>2</vcpu>"],
            "'0,1'",
            "'0'",
            "vcpu@cpuset",
        ),
        (
            [
                "<hostdev mode='subsystem' type='pci' managed='yes'><source>\
                 <address domain='0' bus='0' slot='0x1f' function='0'/></source></hostdev>",
                "",
            ],
            "0x1f",
            "0x1e",
            "source/address@slot",
        ),
        (
            [
                "<interface type='bridge'><source bridge='br0'/><target dev='tapx'/></interface>\
                 <interface type='direct'><source dev='eth0' mode='bridge'/></interface>",
                "",
            ],
            "mode='bridge'",
            "mode='private'",
            "source@mode",
        ),
        (
            [
                "<interface type='user'><model type='e1000'/></interface>\
                 <interface type='user'><mac address='52:54:00:00:00:01'/></interface>",
                "",
            ],
            "e1000",
            "virtio",
            "].type",
        ),
    ] {
        let text = plain(parts);
        let same = difference(&host, &text, ("same.xml", &text), &[]).succeeds();
        assert!(same.stderr.is_empty(), "{same:?}");
        let changed = text.replacen(of, other, 1);
        let ran = difference(&host, &text, ("other.xml", &changed), &[]).ends_with(1);
        assert!(ran.stdout.contains(place), "{place}: {ran:#?}");
    }
}

#[test]
fn a_secret_that_differs_is_seen_where_secrets_are_asked_for_and_is_never_told() {
    let Some(host) = Session::start() else { return };
    let console = plain(["<graphics type='vnc' port='-1' passwd='s3cret'/>", ""]);
    let cd = plain([
        "<disk type='network' device='cdrom'><source protocol='https' name='a.iso'>\
         <host name='h' port='443'/><cookies><cookie name='t'>s3cret</cookie></cookies></source>\
         <target dev='sda' bus='sata'/><readonly/></disk>",
        "",
    ]);
    let ticket = |ticket: &str| {
        let infos = format!("{{graphicsInfos: {{VNC: {{ticket: {ticket}}}}}}}");
        format!("vmStatic: {{name: v}}\nvmDynamic: {infos}\n")
    };
    let none = console.replace(" passwd='s3cret'", "");
    let (same, other) = (ticket("s3cret"), ticket("0ther"));
    for (defined, same, other, is_without) in [
        (
            &console,
            &console,
            &console.replace("s3cret", "0ther"),
            false,
        ),
        (&console, &console, &none, true),
        (&console, &same, &other, false),
        (&cd, &cd, &cd.replace("s3cret", "0ther"), false),
    ] {
        let asked = ["--security-info"];
        let ran = difference(&host, defined, ("same", same), &asked).succeeds();
        assert!(ran.stderr.is_empty(), "{ran:?}");
        let ran = difference(&host, defined, ("other", other), &asked).ends_with(1);
        assert_eq!(ran.stdout.lines().count(), 3, "{ran:#?}");
        let words = format!("{ran:?}");
        assert!(!words.contains("s3cret") && !words.contains("0ther"));
        let ran = difference(&host, defined, ("other", other), &[]).ends_with(0);
        let warned = ran.stderr.contains("were not compared: --security-info");
        assert_eq!(warned, !is_without, "{ran:?}");
    }
    let init = "vmStatic: {name: v, vmInit: {rootPassword: 0ther}}\n";
    for options in [&[][..], &["--security-info"]] {
        let ran = difference(&host, &console, ("init.yaml", init), options);
        assert!(ran.stderr.contains("CD was not compared"), "{ran:?}");
        assert!(!format!("{ran:?}").contains("0ther"));
    }
}

#[test]
fn a_vm_that_is_known_and_otherwise_than_its_definition_says_is_started_with_a_word() {
    let Some(host) = Session::start() else { return };
    define_empty(&host, "web");
    let file = host.write("web.yaml", "vmStatic: { name: web, memSizeMb: 64 }\n");
    let ran = host.vmlife(["restore".as_ref(), "--or-start".as_ref(), file.as_os_str()]);
    let told = ran.ends_with(0).stderr;
    assert!(
        told.contains("vmStatic.memSizeMb") && told.contains("--diff"),
        "{told}"
    );
}

#[test]
fn what_a_definition_says_of_its_start_and_its_disks_is_done() {
    let Some(host) = Session::start() else { return };
    let disk = host.write("disk.raw", vec![0; 1 << 20]);
    let yaml = format!(
        "vmStatic:
  name: web
  memSizeMb: 32
  domainType: qemu
  runAndPause: true
  stateless: true
  images: [{{ imagePath: {}, volumeFormat: RAW }}]
  interfaces:
    - {{ name: lan, sourceType: user, type: pv, vnicProfileName: gold }}
    - {{ name: dmz, sourceType: user, type: e1000, vnicProfileName: plain }}
",
        disk.display()
    );
    let file = host.write("web.yaml", yaml);
    let start = ["restore".as_ref(), "--or-start".as_ref(), file.as_os_str()];
    host.vmlife(start).succeeds().says("web is started, paused");
    assert_eq!(host.state("web"), "paused (user)");
    let xml = host.virsh(["dumpxml", "--inactive", "web"]);
    assert!(xml.contains("<transient/>"), "{xml}");
    host.vmlife(["hibernate", "web"]).refuses(6, "");
    host.virsh(["destroy", "web"]);
    // What was said of a card goes with it.
    let card = xml
        .lines()
        .find(|line| line.contains("<mac address="))
        .expect("a card");
    let address = card.split('\'').nth(1).expect("an address");
    host.virsh([
        "detach-interface",
        "web",
        "user",
        "--mac",
        address,
        "--config",
    ]);
    let left = host.vmlife(["show", "web", "-o", "json"]).succeeds().json();
    let left = &left["vms"][0];
    let cards = left["vmStatic"]["interfaces"].as_array().expect("cards");
    assert_eq!(cards.len(), 1);
    assert_eq!(cards[0]["name"], "dmz");
    assert_eq!(cards[0]["vnicProfileName"], "plain");
}
