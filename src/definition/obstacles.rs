//! What in a domain is in the way of saving its memory.

use super::binding::Scalar;
use super::tree::{Document, Element};
use crate::entity::MemorySize;
use crate::words::quoted;

/// Something in a VM that keeps its memory from being saved, or may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// What part of the VM it is.
    pub part: Part,
    /// It, named, for the middle of a sentence.
    pub what: String,
    /// What to do about it.
    pub cure: String,
    /// Whether every libvirt refuses it. Of the others QEMU alone knows: a device may have learnt to tell
    /// its state, and a folder counts only while the guest has mounted it.
    pub certain: bool,
}

/// The parts of a VM that can be in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A device, or the memory itself.
    Device,
    /// The CPU.
    Cpu,
    /// A disk whose writes are thrown away when the VM stops.
    TransientDisk,
}

/// What libvirt and QEMU look at before a VM is saved, and how much there is to save.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saving {
    /// What is, or may be, in the way: what libvirt checks before it saves (`qemuMigrationSrcIsAllowed`),
    /// and what QEMU is known to refuse.
    pub obstacles: Vec<Obstacle>,
    /// The most that has to be written down, in bytes: the memory with that of the video adapters, and 200
    /// MiB for the state of the devices, as oVirt reckons. Absent if the XML does not tell.
    pub at_most: Option<u64>,
    /// Whether the memory lies in huge pages or is shared, so that the host does not count all of it as the
    /// process's.
    pub is_uncounted: bool,
}

impl Saving {
    /// Reads live domain XML. What cannot be read tells nothing.
    #[must_use]
    pub fn of(xml: &str) -> Self {
        let Ok(document) = Document::parse(xml) else {
            return Self::default();
        };
        let domain = &document.root;
        Self {
            obstacles: obstacles(domain),
            at_most: memory_at_most(domain),
            is_uncounted: domain.child("memoryBacking").is_some_and(|backing| {
                let has = |name| backing.child(name).is_some();
                has("hugepages") || has("source") || has("access")
            }),
        }
    }
}

fn obstacles(domain: &Element) -> Vec<Obstacle> {
    let name = domain.child("name").map(Element::text).unwrap_or_default();
    let devices = domain.child("devices");
    let devices = devices.into_iter().flat_map(Element::elements);
    let mut found: Vec<Obstacle> = devices
        .filter_map(|device| of_device(device, &name))
        .collect();
    found.extend(of_cpu(domain));
    let security = domain.child("launchSecurity");
    if let Some(kind) = security.and_then(|security| security.attribute("type")) {
        found.push(maybe(
            Part::Cpu,
            format!("the encryption of its memory ({kind})"),
            "shut the VM down instead".to_owned(),
        ));
    }
    found
}

fn certain(part: Part, what: String, cure: impl Into<String>) -> Obstacle {
    Obstacle {
        part,
        what,
        cure: cure.into(),
        certain: true,
    }
}

fn maybe(part: Part, what: String, cure: String) -> Obstacle {
    Obstacle {
        certain: false,
        ..certain(part, what, cure)
    }
}

fn of_device(device: &Element, vm: &str) -> Option<Obstacle> {
    let attribute = |name| device.attribute(name).unwrap_or_default();
    let alias = device
        .child("alias")
        .and_then(|alias| alias.attribute("name"));
    let named = |what: String| match alias {
        Some(alias) => format!("{what} ({alias})"),
        None => what,
    };
    let detach = || match alias {
        Some(alias) => format!(
            "virsh detach-device-alias {} {} --live takes it out while the VM runs",
            quoted(vm),
            quoted(alias)
        ),
        None => "virsh detach-device --live takes it out while the VM runs".to_owned(),
    };
    let teaming = device
        .child("teaming")
        .and_then(|team| team.attribute("type"));
    match device.name() {
        // QEMU unplugs the transient half of a team by itself.
        "hostdev" | "interface" if teaming == Some("transient") => None,
        "hostdev" if attribute("mode") == "capabilities" => Some(maybe(
            Part::Device,
            named("a device of the host".to_owned()),
            detach(),
        )),
        "hostdev" => {
            let kind = attribute("type");
            let what = match kind {
                "usb" => return None,
                "pci" => format!("the host's PCI device{}", address_of(device)),
                "scsi" => format!("the host's SCSI device{}", address_of(device)),
                "scsi_host" => "the host's SCSI adapter".to_owned(),
                "mdev" => format!("the host's mediated device{}", address_of(device)),
                kind => format!("the host's {kind} device"),
            };
            Some(maybe(Part::Device, named(what), detach()))
        }
        "interface" => {
            let kind @ ("hostdev" | "vdpa" | "vhostuser") = attribute("type") else {
                return None;
            };
            let card = device
                .child("mac")
                .and_then(|mac| mac.attribute("address"))
                .map(|mac| format!(" {mac}"))
                .unwrap_or_default();
            let what = named(format!("the network card{card} of type {kind}"));
            Some(maybe(Part::Device, what, detach()))
        }
        "shmem" if attribute("role") != "master" => Some(certain(
            Part::Device,
            named(format!("the shared memory '{}'", attribute("name"))),
            "with role='master' it can be saved, from the VM's next start on; or shut the VM down instead",
        )),
        "filesystem" => of_filesystem(device, &named, &detach),
        "memory" if attribute("model") == "dimm" => {
            let address = device.child("address");
            if address.is_some_and(|address| address.attribute("type") == Some("dimm")) {
                return None;
            }
            Some(certain(
                Part::Device,
                named("a memory module without slot and base address".to_owned()),
                "give it an <address type='dimm'/>, from the VM's next start on; or shut the VM down instead",
            ))
        }
        "disk" => {
            let target = device
                .child("target")
                .and_then(|target| target.attribute("dev"))
                .unwrap_or_default();
            if device.child("transient").is_some() {
                return Some(certain(
                    Part::TransientDisk,
                    format!("the transient disk {target}"),
                    "shut the VM down instead: what it wrote to that disk goes with it in any case",
                ));
            }
            (attribute("type") == "vhostuser").then(|| {
                let what = named(format!("the disk {target} of type vhostuser"));
                maybe(Part::Device, what, detach())
            })
        }
        _ => None,
    }
}

fn of_filesystem(
    device: &Element,
    named: &dyn Fn(String) -> String,
    detach: &dyn Fn() -> String,
) -> Option<Obstacle> {
    let tag = device
        .child("target")
        .and_then(|target| target.attribute("dir"))
        .unwrap_or_default();
    let driver = device
        .child("driver")
        .and_then(|driver| driver.attribute("type"));
    match driver {
        Some("virtiofs") => Some(maybe(
            Part::Device,
            named(format!("the virtiofs folder '{tag}'")),
            format!("unmount it in the guest; then {}", detach()),
        )),
        None | Some("path" | "handle") => Some(maybe(
            Part::Device,
            named(format!("the 9p folder '{tag}'")),
            "unmount it in the guest: it is in the way only while it is mounted".to_owned(),
        )),
        _ => None,
    }
}

/// The address of a device on the host, with a blank before it.
fn address_of(device: &Element) -> String {
    let Some(source) = device.child("source") else {
        return String::new();
    };
    if let Some(name) = source.attribute("name") {
        return format!(" {name}");
    }
    let Some(address) = source.child("address") else {
        return String::new();
    };
    if let Some(id) = address.attribute("uuid") {
        return format!(" {id}");
    }
    let number = |name: &str| {
        let text = address.attribute(name).unwrap_or("0");
        let text = text.strip_prefix("0x").unwrap_or(text);
        text.to_owned()
    };
    if address.attribute("slot").is_some() {
        return format!(
            " {}:{}:{}.{}",
            number("domain"),
            number("bus"),
            number("slot"),
            number("function")
        );
    }
    let adapter = source
        .child("adapter")
        .and_then(|adapter| adapter.attribute("name"))
        .unwrap_or_default();
    let place = ["bus", "target", "unit"].map(number).join(":");
    format!(" {adapter}:{place}")
}

fn of_cpu(domain: &Element) -> Option<Obstacle> {
    let cpu = domain.child("cpu")?;
    let has_invariant_tsc = cpu.children("feature").any(|feature| {
        feature.attribute("name") == Some("invtsc")
            && matches!(
                feature.attribute("policy"),
                None | Some("require" | "force")
            )
    });
    let has_frequency = domain.child("clock").is_some_and(|clock| {
        clock.children("timer").any(|timer| {
            timer.attribute("name") == Some("tsc") && timer.attribute("frequency").is_some()
        })
    });
    if has_frequency {
        return None;
    }
    let cure = "name the frequency (<timer name='tsc' frequency='…'/>) or take invtsc out, from the VM's \
                next start on; or shut the VM down instead";
    if has_invariant_tsc {
        let what = "the CPU's feature invtsc, without the TSC's frequency".to_owned();
        return Some(certain(Part::Cpu, what, cure));
    }
    let not_migratable = cpu.attribute("migratable") == Some("off");
    not_migratable.then(|| {
        let what = "the CPU's migratable='off'".to_owned();
        maybe(
            Part::Cpu,
            what,
            "take that out, from the VM's next start on; or shut the VM down instead".to_owned(),
        )
    })
}

fn memory_at_most(domain: &Element) -> Option<u64> {
    const DEVICES: u64 = 200 * 1024 * 1024;
    let memory = domain.child("memory")?;
    let memory = MemorySize::parse(memory.text().trim(), memory.attribute("unit")).ok()?;
    let devices = domain.child("devices").into_iter();
    let adapters = devices.flat_map(|devices| devices.children("video"));
    let video = adapters
        .flat_map(|adapter| adapter.children("model"))
        .flat_map(|model| ["ram", "vram"].map(|name| model.attribute(name)))
        .flatten()
        .filter_map(|kib| <u64 as Scalar>::read(kib).ok())
        .map(|kib| kib.saturating_mul(1024))
        .fold(0, u64::saturating_add);
    let all = memory.bytes().saturating_add(video);
    Some(all.saturating_add(DEVICES))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(devices: &str, rest: &str) -> Vec<Obstacle> {
        let xml = format!(
            "<domain type='kvm' id='1'><name>web 1</name>{rest}<devices>{devices}</devices></domain>"
        );
        Saving::of(&xml).obstacles
    }

    fn only(devices: &str) -> Obstacle {
        let mut found = of(devices, "");
        assert_eq!(found.len(), 1, "{devices}: {found:?}");
        found.remove(0)
    }

    #[test]
    fn each_device_that_may_be_in_the_way_is_named_with_its_cure() {
        for (device, certain, what, cure) in [
            (
                "<hostdev mode='subsystem' type='pci'><source><address domain='0x0000' bus='0x06' slot='0x02' \
                 function='0x0'/></source><alias name='hostdev0'/></hostdev>",
                false,
                "the host's PCI device 0000:06:02.0 (hostdev0)",
                "virsh detach-device-alias 'web 1' hostdev0 --live",
            ),
            (
                "<hostdev mode='subsystem' type='scsi'><source><adapter name='scsi_host0'/>\
                 <address bus='0' target='1' unit='2'/></source></hostdev>",
                false,
                "the host's SCSI device scsi_host0:0:1:2",
                "virsh detach-device --live",
            ),
            (
                "<hostdev mode='subsystem' type='scsi_host'/>",
                false,
                "the host's SCSI adapter",
                "virsh detach-device",
            ),
            (
                "<hostdev mode='subsystem' type='mdev'><source><address uuid='c217'/></source></hostdev>",
                false,
                "the host's mediated device c217",
                "virsh detach-device",
            ),
            (
                "<interface type='hostdev'><mac address='52:54:00:00:00:01'/><alias name='net0'/></interface>",
                false,
                "the network card 52:54:00:00:00:01 of type hostdev (net0)",
                "virsh detach-device-alias",
            ),
            (
                "<disk type='vhostuser'><target dev='vdb'/></disk>",
                false,
                "the disk vdb of type vhostuser",
                "virsh detach-device",
            ),
            (
                "<interface type='vdpa'/>",
                false,
                "the network card of type vdpa",
                "virsh detach-device",
            ),
            (
                "<filesystem type='mount'><driver type='virtiofs'/><target dir='share'/></filesystem>",
                false,
                "the virtiofs folder 'share'",
                "unmount it in the guest",
            ),
            (
                "<filesystem type='mount'><target dir='share'/></filesystem>",
                false,
                "the 9p folder 'share'",
                "only while it is mounted",
            ),
            (
                "<shmem name='s' role='peer'><alias name='shmem0'/></shmem>",
                true,
                "the shared memory 's' (shmem0)",
                "role='master'",
            ),
            (
                "<shmem name='s'/>",
                true,
                "the shared memory 's'",
                "role='master'",
            ),
            (
                "<memory model='dimm'/>",
                true,
                "a memory module without slot",
                "<address type='dimm'/>",
            ),
            (
                "<disk><target dev='vda'/><transient/></disk>",
                true,
                "the transient disk vda",
                "shut the VM down",
            ),
        ] {
            let found = only(device);
            assert_eq!(found.certain, certain, "{device}");
            assert!(found.what.contains(what), "{found:?}");
            assert!(found.cure.contains(cure), "{found:?}");
        }
    }

    #[test]
    fn what_libvirt_saves_well_is_not_in_the_way() {
        for device in [
            "<hostdev mode='subsystem' type='usb'/>",
            "<hostdev mode='subsystem' type='pci'><teaming type='transient' persistent='n'/></hostdev>",
            "<interface type='hostdev'><teaming type='transient' persistent='n'/></interface>",
            "<interface type='user'/>",
            "<interface type='network'/>",
            "<shmem name='s' role='master'/>",
            "<controller type='sata'/>",
            "<disk><target dev='sda' bus='sata'/></disk>",
            "<memory model='dimm'><address type='dimm' slot='0' base='0x1'/></memory>",
            "<memory model='nvdimm'/>",
        ] {
            assert_eq!(of(device, ""), [], "{device}");
        }
        assert_eq!(Saving::of("no XML"), Saving::default());
    }

    #[test]
    fn an_invariant_tsc_is_in_the_way_unless_its_frequency_is_known() {
        let cpu = "<cpu><feature policy='require' name='invtsc'/></cpu>";
        let clock = "<clock><timer name='tsc' frequency='3504000000'/></clock>";
        assert!(of("", cpu)[0].certain);
        assert_eq!(of("", &format!("{cpu}{clock}")), []);
        assert_eq!(
            of("", "<cpu><feature policy='disable' name='invtsc'/></cpu>"),
            []
        );
        let host = "<cpu mode='host-passthrough' migratable='off'/>";
        assert!(!of("", host)[0].certain);
    }

    #[test]
    fn the_bound_of_an_image_is_memory_video_and_200_mib() {
        let xml = "<domain><memory unit='MiB'>1024</memory><devices>\
                   <video><model type='qxl' ram='65536' vram='65536'/></video></devices></domain>";
        let saving = Saving::of(xml);
        assert_eq!(saving.at_most, Some((1024 + 64 + 64 + 200) << 20));
        assert!(!saving.is_uncounted);
        let saving = Saving::of("<domain><memoryBacking><hugepages/></memoryBacking></domain>");
        assert_eq!((saving.at_most, saving.is_uncounted), (None, true));
    }
}
