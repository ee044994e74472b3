//! Entity to domain XML: what libvirt is given when a definition is all that exists.

use super::METADATA_NAMESPACE;
use crate::entity::{
    ArchitectureType, DiskImage, DiskInterface, GraphicsType, Vm, VmInterfaceType,
    VmNetworkInterface, VolumeFormat,
};
use std::fmt::{self, Display, Write};

/// Makes domain XML of a definition.
///
/// What it does not say takes libvirt's default; a guest agent's channel, a serial port and a source
/// of randomness are always there, as in oVirt.
///
/// # Errors
/// What the definition lacks, as a sentence.
pub fn domain_xml(vm: &Vm) -> Result<String, String> {
    let stat = &vm.vm_static;
    if stat.name.is_empty() {
        return Err("it has no name, which a new VM needs".to_owned());
    }
    let memory = stat
        .mem_size_mb
        .filter(|memory| memory.kib() > 0)
        .ok_or("it has no memSizeMb, which a new VM needs")?;
    if stat.cpu_count() == 0 || stat.cpu_count() > stat.max_num_of_cpus() {
        return Err(format!(
            "numOfCpus is {}, outside of 1 to {} (numOfSockets x cpuPerSocket x threadsPerCpu)",
            stat.cpu_count(),
            stat.max_num_of_cpus()
        ));
    }
    let mut xml = Xml::default();
    xml.open(
        "domain",
        &[("type", &stat.domain_type.as_deref().unwrap_or("kvm"))],
    );
    xml.text("name", &[], &stat.name);
    if let Some(id) = stat.id {
        xml.text("uuid", &[], &id);
    }
    if !stat.description.is_empty() {
        xml.text("description", &[], &stat.description);
    }
    if stat.priority > 0 {
        xml.open("metadata", &[]);
        xml.open("vmlife:vm", &[("xmlns:vmlife", &METADATA_NAMESPACE)]);
        xml.text("vmlife:priority", &[], &stat.priority);
        xml.close("vmlife:vm");
        xml.close("metadata");
    }
    if let Some(most) = stat.max_memory_size_mb {
        xml.text(
            "maxMemory",
            &[("slots", &16), ("unit", &"KiB")],
            &most.kib(),
        );
    }
    xml.text("memory", &[("unit", &"KiB")], &memory.kib());
    xml.text(
        "vcpu",
        &[("current", &stat.cpu_count())],
        &stat.max_num_of_cpus(),
    );
    write_os(&mut xml, vm);
    if matches!(
        vm.cluster_arch,
        None | Some(ArchitectureType::X86_64 | ArchitectureType::X86)
    ) {
        xml.open("features", &[]);
        xml.empty("acpi", &[]);
        xml.empty("apic", &[]);
        xml.close("features");
    }
    xml.open("cpu", &[]);
    xml.empty(
        "topology",
        &[
            ("sockets", &stat.num_of_sockets),
            ("cores", &stat.cpu_per_socket),
            ("threads", &stat.threads_per_cpu),
        ],
    );
    xml.close("cpu");
    write_devices(&mut xml, vm);
    xml.close("domain");
    Ok(xml.0)
}

fn write_os(xml: &mut Xml, vm: &Vm) {
    let stat = &vm.vm_static;
    let arch = vm
        .cluster_arch
        .filter(|arch| *arch != ArchitectureType::Undefined);
    let arch = arch.map(|arch| {
        if arch == ArchitectureType::X86 {
            "i686"
        } else {
            arch.word()
        }
    });
    let mut attributes: Vec<(&str, &dyn Display)> = Vec::new();
    attributes.extend(arch.as_ref().map(|arch| ("arch", arch as &dyn Display)));
    let machine = stat.custom_emulated_machine.as_ref();
    attributes.extend(machine.map(|machine| ("machine", machine as &dyn Display)));
    xml.open("os", &[]);
    xml.text("type", &attributes, &"hvm");
    if let Some(kernel) = &stat.kernel_url {
        xml.text("kernel", &[], &kernel.display());
    }
    if let Some(initrd) = &stat.initrd_url {
        xml.text("initrd", &[], &initrd.display());
    }
    if let Some(params) = &stat.kernel_params {
        xml.text("cmdline", &[], params);
    }
    xml.close("os");
}

fn write_devices(xml: &mut Xml, vm: &Vm) {
    let stat = &vm.vm_static;
    xml.open("devices", &[]);
    let mut taken: Vec<String> = stat
        .images
        .iter()
        .filter_map(|disk| disk.target_dev.clone())
        .collect();
    for disk in &stat.images {
        write_disk(xml, disk, &mut taken);
    }
    if let Some(iso) = &stat.iso_path {
        let q35 = stat
            .custom_emulated_machine
            .as_deref()
            .is_some_and(|name| name.contains("q35"));
        let (bus, prefix) = if q35 { ("sata", "sd") } else { ("ide", "hd") };
        xml.open("disk", &[("type", &"file"), ("device", &"cdrom")]);
        xml.empty("source", &[("file", &iso.display())]);
        xml.empty(
            "target",
            &[("dev", &free_target(prefix, &mut taken)), ("bus", &bus)],
        );
        xml.empty("readonly", &[]);
        xml.close("disk");
    }
    for interface in &stat.interfaces {
        write_interface(xml, interface);
    }
    for graphics in &stat.graphics_types {
        let kind = match graphics {
            GraphicsType::Spice => "spice",
            GraphicsType::Vnc => "vnc",
        };
        xml.empty("graphics", &[("type", &kind), ("autoport", &"yes")]);
    }
    if let Some(display) = stat.default_display_type {
        xml.open("video", &[]);
        xml.empty("model", &[("type", &display)]);
        xml.close("video");
    }
    xml.open("serial", &[("type", &"pty")]);
    if let Some(log) = &stat.serial_log_path {
        xml.empty("log", &[("file", &log.display()), ("append", &"on")]);
    }
    xml.close("serial");
    xml.open("channel", &[("type", &"unix")]);
    xml.empty(
        "target",
        &[("type", &"virtio"), ("name", &"org.qemu.guest_agent.0")],
    );
    xml.close("channel");
    xml.open("rng", &[("model", &"virtio")]);
    xml.text("backend", &[("model", &"random")], &"/dev/urandom");
    xml.close("rng");
    xml.close("devices");
}

fn write_disk(xml: &mut Xml, disk: &DiskImage, taken: &mut Vec<String>) {
    let kind = disk.source_type.as_deref().unwrap_or("file");
    let (bus, prefix) = match disk.disk_interface.unwrap_or(DiskInterface::Virtio) {
        DiskInterface::Virtio => ("virtio", "vd"),
        DiskInterface::Ide => ("ide", "hd"),
        DiskInterface::Sata => ("sata", "sd"),
        DiskInterface::VirtioScsi | DiskInterface::SpaprVscsi => ("scsi", "sd"),
    };
    let target = disk
        .target_dev
        .clone()
        .unwrap_or_else(|| free_target(prefix, taken));
    xml.open("disk", &[("type", &kind), ("device", &"disk")]);
    let format = match disk.volume_format {
        Some(VolumeFormat::Cow) => "qcow2",
        Some(VolumeFormat::Raw | VolumeFormat::Unassigned) | None => "raw",
    };
    xml.empty("driver", &[("name", &"qemu"), ("type", &format)]);
    if let Some(path) = &disk.image_path {
        match (kind, path.split_once(':'), path.split_once('/')) {
            ("network", Some((protocol, name)), _) => {
                xml.empty("source", &[("protocol", &protocol), ("name", &name)]);
            }
            ("volume", _, Some((pool, volume))) => {
                xml.empty("source", &[("pool", &pool), ("volume", &volume)]);
            }
            ("block", ..) => xml.empty("source", &[("dev", path)]),
            ("dir", ..) => xml.empty("source", &[("dir", path)]),
            _ => xml.empty("source", &[("file", path)]),
        }
    }
    xml.empty("target", &[("dev", &target), ("bus", &bus)]);
    if disk.read_only {
        xml.empty("readonly", &[]);
    }
    if disk.shareable {
        xml.empty("shareable", &[]);
    }
    xml.close("disk");
}

/// The first name with this prefix that no disk has yet; from now on it is taken.
fn free_target(prefix: &str, taken: &mut Vec<String>) -> String {
    let mut number = 0;
    loop {
        let name = format!("{prefix}{}", disk_letters(number));
        if !taken.contains(&name) {
            taken.push(name.clone());
            return name;
        }
        number += 1;
    }
}

/// a, b … z, aa, ab …: the letters of the disk with this number, counted from 0.
fn disk_letters(number: usize) -> String {
    let mut letters = String::new();
    let mut rest = number + 1;
    while rest > 0 {
        rest -= 1;
        letters.insert(0, char::from(b"abcdefghijklmnopqrstuvwxyz"[rest % 26]));
        rest /= 26;
    }
    letters
}

fn write_interface(xml: &mut Xml, interface: &VmNetworkInterface) {
    let kind = interface.source_type.as_deref().unwrap_or("network");
    xml.open("interface", &[("type", &kind)]);
    if let Some(address) = &interface.mac_address {
        xml.empty("mac", &[("address", address)]);
    }
    if let Some(network) = &interface.network_name {
        let key = match kind {
            "network" | "bridge" => kind,
            _ => "dev",
        };
        xml.empty("source", &[(key, network)]);
    }
    let model = match interface.interface_type.unwrap_or(VmInterfaceType::Pv) {
        VmInterfaceType::Pv => Some("virtio"),
        VmInterfaceType::E1000 => Some("e1000"),
        VmInterfaceType::E1000e => Some("e1000e"),
        VmInterfaceType::Rtl8139 => Some("rtl8139"),
        VmInterfaceType::SpaprVlan => Some("spapr-vlan"),
        VmInterfaceType::PciPassthrough => None,
    };
    if let Some(model) = model {
        xml.empty("model", &[("type", &model)]);
    }
    if !interface.linked {
        xml.empty("link", &[("state", &"down")]);
    }
    xml.close("interface");
}

/// XML as it grows. Everything that comes from outside goes through [`Escaped`].
#[derive(Default)]
struct Xml(String);

type Attributes<'a> = [(&'a str, &'a dyn Display)];

impl Xml {
    fn tag(&mut self, name: &str, attributes: &Attributes<'_>, end: &str) {
        self.0.push('<');
        self.0.push_str(name);
        for (key, value) in attributes {
            self.push(format_args!(" {key}='{}'", Escaped(value)));
        }
        self.0.push_str(end);
    }

    fn open(&mut self, name: &str, attributes: &Attributes<'_>) {
        self.tag(name, attributes, ">");
    }

    fn empty(&mut self, name: &str, attributes: &Attributes<'_>) {
        self.tag(name, attributes, "/>");
    }

    fn text(&mut self, name: &str, attributes: &Attributes<'_>, text: &dyn Display) {
        self.tag(name, attributes, ">");
        self.push(format_args!("{}", Escaped(text)));
        self.close(name);
    }

    fn close(&mut self, name: &str) {
        self.push(format_args!("</{name}>"));
    }

    fn push(&mut self, arguments: fmt::Arguments<'_>) {
        // A String takes everything: this cannot fail.
        let _ = self.0.write_fmt(arguments);
    }
}

/// Text made fit for XML: what has a meaning there is spelt out, what may not stand there is left
/// out.
struct Escaped<T>(T);

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.to_string().chars() {
            match character {
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '&' => f.write_str("&amp;")?,
                '\'' => f.write_str("&apos;")?,
                '"' => f.write_str("&quot;")?,
                '\n' | '\t' => f.write_char(character)?,
                '\r' => f.write_str("&#13;")?,
                control if control.is_control() || matches!(control, '\u{fffe}' | '\u{ffff}') => {}
                character => f.write_char(character)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{parse, read_domain};
    use crate::entity::VmStatic;

    #[test]
    fn what_goes_into_xml_comes_back_from_it() {
        let text = "
vmStatic:
  name: \"<web> & 'co' \\\"x\\\"\"
  id: 6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a11
  description: \"two\\nlines <&>\"
  memSizeMb: 512
  numOfSockets: 2
  cpuPerSocket: 2
  numOfCpus: 3
  domainType: qemu
  customEmulatedMachine: pc
  priority: 50
  images:
  - {diskAlias: root.qcow2, imagePath: /v/root.qcow2, sourceType: file, targetDev: vda, diskInterface: VirtIO, volumeFormat: COW}
  - {diskAlias: img, imagePath: 'rbd:pool/img', sourceType: network, targetDev: sda, diskInterface: VirtIO_SCSI, volumeFormat: RAW, readOnly: true}
  - {diskAlias: vol, imagePath: pool/vol, sourceType: volume, targetDev: vdc, diskInterface: VirtIO, volumeFormat: RAW, shareable: true}
  - {diskAlias: sdq, imagePath: /dev/sdq, sourceType: block, targetDev: vdd, diskInterface: VirtIO, volumeFormat: RAW}
  isoPath: /v/cd.iso
  interfaces:
  - {name: nic1, macAddress: '52:54:00:aa:bb:cc', type: pv, networkName: default, sourceType: network, linked: false}
  - {name: nic2, type: e1000, sourceType: user}
  defaultDisplayType: vga
  graphicsTypes: [VNC]
  kernelUrl: /boot/vmlinuz
  initrdUrl: /boot/initrd
  kernelParams: console=ttyS0 quiet
  serialLogPath: /tmp/serial.log
clusterArch: x86_64
";
        let vm = parse("f", text).unwrap().remove(0).vm;
        let read = read_domain(&domain_xml(&vm).unwrap()).unwrap();
        assert_eq!(read, vm);
    }

    #[test]
    fn a_definition_that_lacks_what_a_vm_needs_says_so() {
        let mut vm = Vm {
            vm_static: VmStatic {
                name: "a".into(),
                ..VmStatic::default()
            },
            ..Vm::default()
        };
        assert!(domain_xml(&vm).unwrap_err().contains("memSizeMb"));
        vm.vm_static.mem_size_mb = Some(crate::entity::MemorySize::from_mib(64));
        vm.vm_static.num_of_cpus = Some(5);
        assert!(domain_xml(&vm).unwrap_err().contains("numOfCpus"));
    }

    #[test]
    fn disks_are_lettered_beyond_z() {
        let letters: Vec<_> = [0, 25, 26, 27, 701, 702].map(disk_letters).into();
        assert_eq!(letters, ["a", "z", "aa", "ab", "zz", "aaa"]);
        let mut taken = vec!["vda".to_owned()];
        assert_eq!(free_target("vd", &mut taken), "vdb");
        assert_eq!(free_target("vd", &mut taken), "vdc");
    }

    #[test]
    fn control_characters_never_reach_the_xml() {
        assert_eq!(Escaped("a\u{1b}[31m\u{0}b").to_string(), "a[31mb");
    }
}
