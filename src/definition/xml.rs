//! Domain XML to entity: the only place that knows its parser.
//!
//! One mapping serves for definition files, for live domains and for the descriptions inside
//! images, so that they agree.

use super::DefinitionError;
use crate::entity::{
    ArchitectureType, DiskImage, DiskInterface, DisplayType, GraphicsInfo, GraphicsType,
    MemorySize, Vm, VmDynamic, VmInterfaceType, VmNetworkInterface, VmPauseStatus, VmStatic,
    VmStatus, VolumeFormat,
};
use roxmltree::{Document, Node, ParsingOptions};
use uuid::Uuid;

/// The namespace of vmlife's own metadata in a domain.
pub const METADATA_NAMESPACE: &str = "urn:vmlife:vm:1";

/// What is wrong with a piece of domain XML, and where in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct XmlError {
    line: u32,
    column: u32,
    problem: String,
}

impl XmlError {
    pub(super) fn of_file(self, file: &str) -> DefinitionError {
        DefinitionError {
            file: file.to_owned(),
            line: Some(self.line),
            column: Some(self.column),
            problem: self.problem,
        }
    }

    fn at(node: Node<'_, '_>, problem: String) -> Self {
        let place = node.document().text_pos_at(node.range().start);
        Self {
            line: place.row,
            column: place.col,
            problem,
        }
    }
}

/// Reads domain XML into the model. A live domain's XML (it has an `id`) also gives the observed
/// parts that XML tells; its status is for the caller to fill in.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub fn read_domain(text: &str) -> Result<Vm, XmlError> {
    let options = ParsingOptions {
        nodes_limit: 1_000_000,
        ..ParsingOptions::default()
    };
    let document =
        Document::parse_with_options(text, options).map_err(|error| explain(&error, text))?;
    let root = document.root_element();
    let domain = Element(root);
    if root.tag_name().name() != "domain" || root.tag_name().namespace().is_some() {
        let found = root.tag_name().name();
        return Err(XmlError::at(
            root,
            format!("the root is <{found}>, not libvirt's <domain>"),
        ));
    }
    let vm_static = read_static(domain)?;
    Ok(Vm {
        cluster_arch: domain
            .find(&["os", "type"])
            .and_then(|kind| kind.attribute("arch"))
            .map(|arch| match arch {
                "i686" => ArchitectureType::X86,
                arch => ArchitectureType::from_word(arch).unwrap_or(ArchitectureType::Undefined),
            }),
        vm_dynamic: root
            .has_attribute("id")
            .then(|| read_dynamic(domain, &vm_static)),
        vm_static,
        saved_images: Vec::new(),
    })
}

/// Turns the parser's words into ours.
fn explain(error: &roxmltree::Error, text: &str) -> XmlError {
    let place = error.pos();
    let (mut line, mut column) = (place.row, place.col);
    let problem = match error {
        roxmltree::Error::DtdDetected => {
            "a document type (<!DOCTYPE ...>) is not accepted".to_owned()
        }
        roxmltree::Error::UnclosedRootNode => {
            let (mut last_line, mut last) = (1, "");
            for (number, text) in (1..).zip(text.lines()) {
                (last_line, last) = (number, text);
            }
            line = last_line;
            column = u32::try_from(last.chars().count())
                .map_or(u32::MAX, |count| count.saturating_add(1));
            "the text ends before <domain> is closed".to_owned()
        }
        error => {
            let words = error.to_string();
            words
                .rsplit_once(" at ")
                .map_or(words.clone(), |(words, _)| words.to_owned())
        }
    };
    XmlError {
        line,
        column,
        problem,
    }
}

fn read_static(domain: Element<'_, '_>) -> Result<VmStatic, XmlError> {
    let mut vm = VmStatic {
        name: domain.text_of("name").unwrap_or_default(),
        id: domain.child("uuid").map(Element::uuid).transpose()?,
        description: domain.text_of("description").unwrap_or_default(),
        mem_size_mb: domain
            .child("memory")
            .map(Element::memory_size)
            .transpose()?,
        max_memory_size_mb: domain
            .child("maxMemory")
            .map(Element::memory_size)
            .transpose()?,
        domain_type: domain.attribute("type").map(str::to_owned),
        custom_emulated_machine: domain
            .find(&["os", "type"])
            .and_then(|kind| kind.attribute("machine"))
            .map(str::to_owned),
        kernel_url: domain
            .find(&["os", "kernel"])
            .map(|kernel| kernel.text().into()),
        initrd_url: domain
            .find(&["os", "initrd"])
            .map(|initrd| initrd.text().into()),
        kernel_params: domain.find(&["os", "cmdline"]).map(Element::text),
        ..VmStatic::default()
    };
    read_cpus(domain, &mut vm)?;
    if let Some(metadata) = domain.child("metadata")
        && let Some(own) = metadata.child_of(METADATA_NAMESPACE, "vm")
        && let Some(priority) = own.child_of(METADATA_NAMESPACE, "priority")
    {
        vm.priority = priority.number()?;
    }
    if let Some(devices) = domain.child("devices") {
        read_devices(devices, &mut vm);
    }
    Ok(vm)
}

fn read_cpus(domain: Element<'_, '_>, vm: &mut VmStatic) -> Result<(), XmlError> {
    let highest = domain.child("vcpu").map_or(Ok(1), Element::number)?;
    let plugged = match domain.child("vcpu") {
        Some(vcpu) if vcpu.attribute("current").is_some() => vcpu.attribute_number("current")?,
        _ => highest,
    };
    vm.num_of_sockets = highest;
    if let Some(topology) = domain.find(&["cpu", "topology"]) {
        vm.num_of_sockets = topology.attribute_number("sockets")?;
        vm.cpu_per_socket = topology.attribute_number("cores")?;
        vm.threads_per_cpu = topology.attribute_number("threads")?;
    }
    vm.num_of_cpus = (plugged != vm.max_num_of_cpus()).then_some(plugged);
    Ok(())
}

fn read_devices(devices: Element<'_, '_>, vm: &mut VmStatic) {
    for device in devices.children() {
        match device.name() {
            "disk" => match device.attribute("device").unwrap_or("disk") {
                "disk" | "lun" => vm.images.push(read_disk(device)),
                "cdrom" if vm.iso_path.is_none() => {
                    vm.iso_path = disk_path(device).map(Into::into);
                }
                _ => {}
            },
            "interface" => {
                let name = format!("nic{}", vm.interfaces.len() + 1);
                vm.interfaces.push(read_interface(device, name));
            }
            "graphics" => {
                let kind = device.attribute("type").and_then(GraphicsType::from_word);
                vm.graphics_types.extend(kind);
            }
            "video" if vm.default_display_type.is_none() => {
                vm.default_display_type = device
                    .child("model")
                    .and_then(|model| model.attribute("type"))
                    .and_then(|kind| match kind {
                        "virtio" => Some(DisplayType::Vga),
                        kind => DisplayType::from_word(kind),
                    });
            }
            "serial" if vm.serial_log_path.is_none() => {
                vm.serial_log_path = device
                    .child("log")
                    .and_then(|log| log.attribute("file"))
                    .map(Into::into);
            }
            _ => {}
        }
    }
}

/// Where a disk's bytes are, in one piece of text.
fn disk_path(disk: Element<'_, '_>) -> Option<String> {
    let source = disk.child("source")?;
    let (prefix, attribute) = match disk.attribute("type").unwrap_or("file") {
        "block" => (None, "dev"),
        "dir" => (None, "dir"),
        "network" => (
            source
                .attribute("protocol")
                .map(|protocol| format!("{protocol}:")),
            "name",
        ),
        "volume" => (
            source.attribute("pool").map(|pool| format!("{pool}/")),
            "volume",
        ),
        _ => (None, "file"),
    };
    let path = source.attribute(attribute)?;
    Some(format!("{}{path}", prefix.unwrap_or_default()))
}

fn read_disk(disk: Element<'_, '_>) -> DiskImage {
    let path = disk_path(disk);
    let target = disk.child("target");
    DiskImage {
        disk_alias: path
            .as_deref()
            .and_then(|path| path.rsplit(['/', ':']).next())
            .unwrap_or_default()
            .to_owned(),
        image_path: path,
        source_type: disk.attribute("type").map(str::to_owned),
        target_dev: target
            .and_then(|target| target.attribute("dev"))
            .map(str::to_owned),
        disk_interface: target.and_then(|target| match target.attribute("bus")? {
            "ide" => Some(DiskInterface::Ide),
            "scsi" => Some(DiskInterface::VirtioScsi),
            "virtio" => Some(DiskInterface::Virtio),
            "sata" => Some(DiskInterface::Sata),
            _ => None,
        }),
        volume_format: disk
            .child("driver")
            .and_then(|driver| match driver.attribute("type")? {
                "qcow2" => Some(VolumeFormat::Cow),
                "raw" => Some(VolumeFormat::Raw),
                _ => None,
            }),
        read_only: disk.child("readonly").is_some(),
        shareable: disk.child("shareable").is_some(),
    }
}

fn read_interface(interface: Element<'_, '_>, name: String) -> VmNetworkInterface {
    let source_type = interface.attribute("type");
    VmNetworkInterface {
        name,
        mac_address: interface
            .child("mac")
            .and_then(|mac| mac.attribute("address"))
            .map(str::to_lowercase),
        interface_type: match interface
            .child("model")
            .and_then(|model| model.attribute("type"))
        {
            Some("virtio" | "virtio-transitional" | "virtio-non-transitional") => {
                Some(VmInterfaceType::Pv)
            }
            Some("e1000") => Some(VmInterfaceType::E1000),
            Some("e1000e") => Some(VmInterfaceType::E1000e),
            Some("rtl8139") => Some(VmInterfaceType::Rtl8139),
            Some("spapr-vlan") => Some(VmInterfaceType::SpaprVlan),
            _ if source_type == Some("hostdev") => Some(VmInterfaceType::PciPassthrough),
            _ => None,
        },
        network_name: interface
            .child("source")
            .and_then(|source| {
                ["network", "bridge", "dev"]
                    .into_iter()
                    .find_map(|key| source.attribute(key))
            })
            .map(str::to_owned),
        source_type: source_type.map(str::to_owned),
        linked: interface
            .child("link")
            .and_then(|link| link.attribute("state"))
            != Some("down"),
    }
}

fn read_dynamic(domain: Element<'_, '_>, vm_static: &VmStatic) -> VmDynamic {
    let graphics = domain
        .child("devices")
        .into_iter()
        .flat_map(Element::children);
    let consoles = graphics
        .filter(|device| device.name() == "graphics")
        .filter_map(|console| {
            let kind = GraphicsType::from_word(console.attribute("type")?)?;
            let port = |name| {
                console
                    .attribute(name)?
                    .parse::<u16>()
                    .ok()
                    .filter(|port| *port > 0)
            };
            let info = GraphicsInfo {
                ip: console
                    .child("listen")
                    .and_then(|listen| listen.attribute("address"))
                    .or(console.attribute("listen"))
                    .map(str::to_owned),
                port: port("port"),
                tls_port: port("tlsPort"),
            };
            (info.port.is_some() || info.tls_port.is_some()).then_some((kind, info))
        });
    VmDynamic {
        id: vm_static.id,
        status: VmStatus::Unassigned,
        pause_status: VmPauseStatus::None,
        status_reason: String::new(),
        asleep: false,
        domain_id: domain.attribute("id").and_then(|id| id.parse().ok()),
        emulated_machine: vm_static.custom_emulated_machine.clone(),
        graphics_infos: consoles.collect(),
    }
}

/// An element, with the few questions that the mapping asks. Elements of foreign namespaces are
/// invisible to it.
#[derive(Clone, Copy)]
struct Element<'a, 'input>(Node<'a, 'input>);

impl<'a, 'input: 'a> Element<'a, 'input> {
    fn name(self) -> &'input str {
        self.0.tag_name().name()
    }

    fn children(self) -> impl Iterator<Item = Self> {
        self.0
            .children()
            .filter(|node| node.is_element() && node.tag_name().namespace().is_none())
            .map(Element)
    }

    fn child(self, name: &str) -> Option<Self> {
        self.children().find(|child| child.name() == name)
    }

    fn child_of(self, namespace: &str, name: &str) -> Option<Self> {
        self.0
            .children()
            .find(|node| node.has_tag_name((namespace, name)))
            .map(Element)
    }

    fn find(self, path: &[&str]) -> Option<Self> {
        path.iter()
            .try_fold(self, |element, name| element.child(name))
    }

    fn attribute(self, name: &str) -> Option<&'a str> {
        self.0.attribute(name)
    }

    fn text(self) -> String {
        self.0.text().unwrap_or_default().trim().to_owned()
    }

    /// The text of a child, as it stands: a description may begin with blanks.
    fn text_of(self, name: &str) -> Option<String> {
        self.child(name)
            .map(|child| child.0.text().unwrap_or_default().to_owned())
    }

    fn number(self) -> Result<u32, XmlError> {
        let text = self.text();
        text.parse().map_err(|_| {
            XmlError::at(
                self.0,
                format!("<{}> holds '{text}', which is not a number", self.name()),
            )
        })
    }

    fn attribute_number(self, name: &str) -> Result<u32, XmlError> {
        let text = self.attribute(name).unwrap_or_default();
        text.parse().map_err(|_| {
            let element = self.name();
            XmlError::at(
                self.0,
                format!("<{element} {name}='{text}'> is not a number"),
            )
        })
    }

    fn uuid(self) -> Result<Uuid, XmlError> {
        let text = self.text();
        text.parse()
            .map_err(|_| XmlError::at(self.0, format!("'{text}' is not a UUID")))
    }

    fn memory_size(self) -> Result<MemorySize, XmlError> {
        MemorySize::parse(&self.text(), self.attribute("unit"))
            .map_err(|problem| XmlError::at(self.0, format!("<{}>: {problem}", self.name())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(text: &str) -> String {
        crate::definition::parse("vm.xml", text)
            .expect_err("it should be refused")
            .to_string()
    }

    #[test]
    fn a_live_domain_gives_both_parts() {
        let vm = read_domain(
            "<domain type='kvm' id='7'><name>web</name><uuid>6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a11</uuid>
            <metadata><l:vm xmlns:l='urn:vmlife:vm:1'><l:priority>50</l:priority></l:vm>
            <o:vm xmlns:o='http://ovirt.org/vm/1.0'><o:priority>9</o:priority></o:vm></metadata>
            <memory unit='MiB'>512</memory><vcpu current='2'>8</vcpu>
            <os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>
            <cpu><topology sockets='2' dies='1' cores='2' threads='2'/></cpu>
            <devices>
              <disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/v/root.qcow2'/><target dev='vda' bus='virtio'/></disk>
              <disk type='network' device='disk'><source protocol='rbd' name='pool/img'/><target dev='sda' bus='scsi'/><readonly/></disk>
              <disk type='file' device='cdrom'><source file='/v/cd.iso'/></disk>
              <disk type='file' device='cdrom'/>
              <interface type='bridge'><mac address='52:54:00:AA:bb:cc'/><source bridge='br0'/><model type='virtio'/><link state='down'/></interface>
              <interface type='user'/>
              <graphics type='vnc' port='5901'><listen type='address' address='127.0.0.1'/></graphics>
              <graphics type='spice' port='-1'/><graphics type='sdl'/>
              <video><model type='virtio'/></video>
            </devices></domain>",
        )
        .unwrap();
        let configured = &vm.vm_static;
        assert_eq!(
            (configured.cpu_count(), configured.max_num_of_cpus()),
            (2, 8)
        );
        assert_eq!(configured.priority, 50);
        assert_eq!(configured.mem_size_mb, Some(MemorySize::from_mib(512)));
        let paths: Vec<_> = configured
            .images
            .iter()
            .map(|d| d.image_path.as_deref().unwrap())
            .collect();
        assert_eq!(paths, ["/v/root.qcow2", "rbd:pool/img"]);
        assert_eq!(configured.images[0].disk_alias, "root.qcow2");
        assert!(configured.images[1].read_only);
        assert_eq!(configured.iso_path.as_deref(), Some("/v/cd.iso".as_ref()));
        assert_eq!(
            configured.interfaces[0].mac_address.as_deref(),
            Some("52:54:00:aa:bb:cc")
        );
        assert!(!configured.interfaces[0].linked && configured.interfaces[1].linked);
        assert_eq!(
            configured.graphics_types,
            [GraphicsType::Vnc, GraphicsType::Spice]
        );
        assert_eq!(configured.default_display_type, Some(DisplayType::Vga));
        assert_eq!(vm.cluster_arch, Some(ArchitectureType::X86_64));
        let observed = vm.vm_dynamic.unwrap();
        assert_eq!(observed.domain_id, Some(7));
        assert_eq!(observed.graphics_infos[&GraphicsType::Vnc].port, Some(5901));
        assert!(!observed.graphics_infos.contains_key(&GraphicsType::Spice));
    }

    #[test]
    fn a_domain_that_is_not_running_has_no_observed_part() {
        assert_eq!(
            read_domain("<domain><name>a</name></domain>")
                .unwrap()
                .vm_dynamic,
            None
        );
    }

    #[test]
    fn truncated_text_a_document_type_an_entity_and_another_root_are_errors_with_a_place() {
        assert_eq!(
            complaint("<domain>\n<name>a</name>\n"),
            "vm.xml:2:15: the text ends before <domain> is closed"
        );
        assert_eq!(
            complaint(
                "<!DOCTYPE d [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>\n<domain><name>&x;</name></domain>"
            ),
            "vm.xml:1:1: a document type (<!DOCTYPE ...>) is not accepted"
        );
        assert!(complaint("<domain><name>&x;</name></domain>").contains("entity"));
        assert_eq!(
            complaint("\n<network><name>a</name></network>"),
            "vm.xml:2:1: the root is <network>, not libvirt's <domain>"
        );
        assert!(complaint("<domain/>").contains("names no VM"));
    }

    #[test]
    fn numbers_that_are_none_are_errors_with_a_place() {
        assert_eq!(
            complaint("<domain><name>a</name>\n<uuid>5</uuid></domain>"),
            "vm.xml:2:1: '5' is not a UUID"
        );
        assert!(
            complaint("<domain><name>a</name><memory unit='ells'>5</memory></domain>")
                .contains("'ells' is not a unit")
        );
        assert!(
            complaint("<domain><name>a</name><vcpu>-1</vcpu></domain>").contains("not a number")
        );
        assert!(
            complaint("<domain><name>a</name><memory>-1</memory></domain>").contains("not a size")
        );
    }

    #[test]
    fn a_hundred_thousand_elements_one_in_another_are_an_error_and_no_crash() {
        complaint(&format!("<domain>{}", "<a>".repeat(100_000)));
    }
}
