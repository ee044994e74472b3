//! What a domain needs of its host before it can run there.

use super::tree::{Document, Element};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use uuid::Uuid;

/// What a VM needs of the host that it is to run on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The name that it will have.
    pub name: String,
    /// Its UUID.
    pub id: Option<Uuid>,
    /// Files and devices. Those that libvirt goes without if they are missing are left out.
    pub files: Vec<NeededFile>,
    /// libvirt's networks.
    pub networks: Vec<String>,
    /// The host's own bridges and network devices.
    pub bridges: Vec<String>,
    /// Volumes: of which storage pool, which.
    pub volumes: Vec<(String, String)>,
    /// What emulates what.
    pub platform: Platform,
}

/// A file or device that a VM needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeededFile {
    /// What it is to the VM: "disk vda".
    pub role: String,
    /// Where it lies on the daemon's host.
    pub path: PathBuf,
    /// Whether the VM writes to it.
    pub written: bool,
}

/// A disk that the next boot has in another file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovedDisk {
    /// What it is to the VM: "disk vda".
    pub role: String,
    /// Where the VM's memory has it.
    pub then: PathBuf,
    /// Where the next boot has it.
    pub now: PathBuf,
}

/// The disks that the guest can write to and that are other files `now` than they were `then`.
#[must_use]
pub fn moved_disks(then: &[NeededFile], now: &[NeededFile]) -> Vec<MovedDisk> {
    let disks = then.iter().filter(|file| file.role.starts_with("disk "));
    let pairs = disks.filter(|file| file.written).filter_map(|file| {
        let other = now.iter().find(|other| other.role == file.role)?;
        Some((file, other)).filter(|(file, other)| file.path != other.path)
    });
    pairs
        .map(|(file, other)| MovedDisk {
            role: file.role.clone(),
            then: file.path.clone(),
            now: other.path.clone(),
        })
        .collect()
}

/// What a VM's hardware is made of, in the words of `virConnectGetDomainCapabilities`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Platform {
    /// `/domain/@type`.
    pub domain_type: Option<String>,
    /// `/domain/devices/emulator`.
    pub emulator: Option<String>,
    /// `/domain/os/type/@arch`.
    pub arch: Option<String>,
    /// `/domain/os/type/@machine`.
    pub machine: Option<String>,
    /// `/domain/cpu/model`, if no other will do.
    pub cpu_model: Option<String>,
}

/// What the VM of this domain XML needs; `None` if it cannot be read.
#[must_use]
pub fn needs(xml: &str) -> Option<Needs> {
    let document = Document::parse(xml).ok()?;
    let domain = &document.root;
    let text = |path: &str| {
        let text = domain.find(path)?.text();
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    let mut needs = Needs {
        name: text("name").unwrap_or_default(),
        id: text("uuid").and_then(|id| id.parse().ok()),
        ..Needs::default()
    };
    for (path, role, written) in [
        ("os/kernel", "kernel", false),
        ("os/initrd", "initrd", false),
        ("os/dtb", "device tree", false),
        ("os/loader", "firmware", false),
        ("os/nvram", "NVRAM", true),
        ("devices/emulator", "emulator", false),
    ] {
        let element = domain.find(path);
        let source = element.and_then(|element| element.child("source"));
        let file = source
            .and_then(|source| source.attribute("file"))
            .map(str::to_owned);
        let file = file.or_else(|| text(path)).map(PathBuf::from);
        if let Some(path) = file.filter(|path| path.is_absolute()) {
            needs.files.push(NeededFile {
                role: role.to_owned(),
                path,
                written,
            });
        }
    }
    let devices = domain.child("devices");
    for device in devices.into_iter().flat_map(Element::elements) {
        match device.name() {
            "disk" => needs.add_disk(device),
            "interface" => needs.add_interface(device),
            _ => {}
        }
    }
    let of_type = |name| {
        let attribute = domain.find("os/type")?.attribute(name)?;
        Some(attribute.to_owned())
    };
    let model = domain.find("cpu/model");
    needs.platform = Platform {
        domain_type: domain.attribute("type").map(str::to_owned),
        emulator: text("devices/emulator"),
        arch: of_type("arch"),
        machine: of_type("machine"),
        cpu_model: model
            .filter(|model| model.attribute("fallback") == Some("forbid"))
            .map(|model| model.text().trim().to_owned()),
    };
    Some(needs)
}

impl Needs {
    fn add_disk(&mut self, disk: &Element) {
        let Some(source) = disk.child("source") else {
            return;
        };
        // Without these libvirt starts a restored VM, the drive being empty.
        if matches!(
            source.attribute("startupPolicy"),
            Some("optional" | "requisite")
        ) {
            return;
        }
        let target = disk
            .child("target")
            .and_then(|target| target.attribute("dev"))
            .unwrap_or_default();
        let kind = match disk.attribute("device") {
            Some("cdrom") => "CD",
            Some("floppy") => "floppy",
            _ => "disk",
        };
        if let (Some(pool), Some(volume)) = (source.attribute("pool"), source.attribute("volume")) {
            self.volumes.push((pool.to_owned(), volume.to_owned()));
            return;
        }
        let read_only = kind == "CD" || disk.child("readonly").is_some();
        self.add_file(source, format!("{kind} {target}"), !read_only);
        let mut layer = disk.child("backingStore");
        while let Some(below) = layer {
            if let Some(source) = below.child("source") {
                self.add_file(source, format!("layer below {kind} {target}"), false);
            }
            layer = below.child("backingStore");
        }
    }

    fn add_file(&mut self, source: &Element, role: String, written: bool) {
        let path = source
            .attribute("file")
            .or_else(|| source.attribute("dev"))
            .filter(|path| path.starts_with('/'));
        if let Some(path) = path.map(PathBuf::from) {
            self.files.push(NeededFile {
                role,
                path,
                written,
            });
        }
    }

    fn add_interface(&mut self, interface: &Element) {
        let Some(source) = interface.child("source") else {
            return;
        };
        let (list, name) = match interface.attribute("type") {
            Some("network") => (&mut self.networks, source.attribute("network")),
            Some("bridge") => (&mut self.bridges, source.attribute("bridge")),
            Some("direct") => (&mut self.bridges, source.attribute("dev")),
            _ => return,
        };
        if let Some(name) = name.filter(|name| !list.iter().any(|known| known == name)) {
            list.push(name.to_owned());
        }
    }
}

/// Whether the host knows a CPU model, as `virConnectGetDomainCapabilities` tells. `None` where that does
/// not name any.
#[must_use]
pub fn knows_cpu_model(capabilities: &str, model: &str) -> Option<bool> {
    let document = Document::parse(capabilities).ok()?;
    let cpu = document.root.child("cpu")?;
    let custom = cpu.children("mode").find(|mode| {
        mode.attribute("name") == Some("custom") && mode.attribute("supported") == Some("yes")
    })?;
    let mut models = custom.children("model").peekable();
    models.peek()?;
    Some(models.any(|known| known.text().trim() == model))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_all_kinds_are_needed_but_not_what_libvirt_goes_without() {
        let needs = needs(
            "<domain type='kvm'><name>a</name><uuid>6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a11</uuid>
            <os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type><kernel>/k</kernel><initrd>/i</initrd>
            <loader type='pflash'>/l</loader><nvram type='file'><source file='/n'/></nvram></os>
            <cpu mode='custom'><model fallback='forbid'>EPYC</model></cpu><devices><emulator>/e</emulator>
            <disk type='file' device='disk'><source file='/a'/><backingStore type='block'><source dev='/b'/>
            <backingStore type='file'><source file='/c'/></backingStore></backingStore><target dev='vda'/></disk>
            <disk type='file' device='cdrom'><source file='/cd'/><target dev='sda'/><readonly/></disk>
            <disk type='file' device='cdrom'><source file='/x' startupPolicy='optional'/><target dev='sdb'/></disk>
            <disk type='file' device='cdrom'><target dev='sdc'/></disk>
            <disk type='network' device='disk'><source protocol='nbd' name='/y'/><target dev='vdb'/></disk>
            <disk type='volume' device='disk'><source pool='p' volume='v'/><target dev='vdc'/></disk>
            </devices></domain>",
        )
        .unwrap();
        let files: Vec<(&str, &str, bool)> = needs
            .files
            .iter()
            .map(|file| {
                let path = file.path.to_str().unwrap();
                (file.role.as_str(), path, file.written)
            })
            .collect();
        assert_eq!(
            files,
            [
                ("kernel", "/k", false),
                ("initrd", "/i", false),
                ("firmware", "/l", false),
                ("NVRAM", "/n", true),
                ("emulator", "/e", false),
                ("disk vda", "/a", true),
                ("layer below disk vda", "/b", false),
                ("layer below disk vda", "/c", false),
                ("CD sda", "/cd", false),
            ]
        );
        assert_eq!(needs.volumes, [("p".to_owned(), "v".to_owned())]);
        assert_eq!(needs.platform.machine.as_deref(), Some("pc-q35-7.2"));
        assert_eq!(needs.platform.cpu_model.as_deref(), Some("EPYC"));
        assert_eq!(needs.platform.emulator.as_deref(), Some("/e"));
    }

    #[test]
    fn networks_and_bridges_are_needed_once_each() {
        let needs = needs(
            "<domain><devices><interface type='network'><source network='n'/></interface>
            <interface type='network'><source network='n'/></interface>
            <interface type='bridge'><source bridge='br0'/></interface>
            <interface type='direct'><source dev='eth0' mode='bridge'/></interface>
            <interface type='user'/></devices></domain>",
        )
        .unwrap();
        assert_eq!(needs.networks, ["n"]);
        assert_eq!(needs.bridges, ["br0", "eth0"]);
    }

    #[test]
    fn a_cpu_model_is_known_unknown_or_not_told() {
        let told = "<domainCapabilities><cpu><mode name='custom' supported='yes'>\
                    <model usable='no'>EPYC</model></mode></cpu></domainCapabilities>";
        assert_eq!(knows_cpu_model(told, "EPYC"), Some(true));
        assert_eq!(knows_cpu_model(told, "Future"), Some(false));
        let silent = "<domainCapabilities><cpu><mode name='custom' supported='no'/></cpu></domainCapabilities>";
        assert_eq!(knows_cpu_model(silent, "EPYC"), None);
    }
}
