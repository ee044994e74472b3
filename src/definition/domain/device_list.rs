//! The list of all devices, and names and UUIDs for those that have none.

use super::disks::base_name;
use super::ovirt_text;
use crate::definition::tree::Element;
use crate::entity::{
    DiskImage, DiskInterface, DiskStorageType, SpecParam, VmDevice, VmDeviceGeneralType,
    VmDeviceId, VmInterfaceType, VmStatic,
};
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

/// The UUID in an alias that somebody chose.
pub(super) fn alias_id(device: &Element) -> Option<Uuid> {
    let alias = device.child("alias")?.attribute("name")?;
    alias.strip_prefix("ua-")?.parse().ok()
}

/// Gives the disks, network cards and devices the names and UUIDs that follow from what they are, where
/// the XML gives none, and lists the devices.
pub(super) fn name_what_has_no_name(domain: &Element, ovirt: Option<&Element>, vm: &mut VmStatic) {
    let vm_id = vm.id.unwrap_or_default();
    let is_live = domain.attribute("id").is_some();
    let has_spapr = has_spapr_controller(domain);
    for disk in &mut vm.images {
        if has_spapr && disk.disk_interface == Some(DiskInterface::VirtioScsi) {
            disk.disk_interface = Some(DiskInterface::SpaprVscsi);
        }
        if disk.disk_alias.is_empty() {
            disk.disk_alias = base_name(disk.image_path.as_deref());
        }
        let of_serial = disk
            .serial
            .as_deref()
            .and_then(|serial| serial.parse().ok());
        let made = || {
            made_id(
                vm_id,
                &format!("disk/{}", disk.target_dev.as_deref().unwrap_or_default()),
            )
        };
        // oVirt's metadata may have told it already.
        disk.id = of_serial.or(disk.id).or_else(|| vm.id.map(|_| made()));
        disk.plugged = is_live.then_some(true);
    }
    for (number, card) in (1..).zip(&mut vm.interfaces) {
        if card.name.is_empty() {
            card.name = format!("nic{number}");
        }
        let key = card
            .mac_address
            .clone()
            .unwrap_or_else(|| number.to_string());
        card.id = card
            .id
            .or_else(|| vm.id.map(|_| made_id(vm_id, &format!("interface/{key}"))));
        card.speed = card.interface_type.as_ref().and_then(|kind| match kind {
            VmInterfaceType::Pv => Some(10_000),
            VmInterfaceType::Rtl8139 => Some(100),
            VmInterfaceType::Other(_) => None,
            _ => Some(1_000),
        });
        card.vm_id = vm.id;
        card.vm_name = Some(vm.name.clone());
        card.plugged = is_live.then_some(true);
    }
    vm.disk_list = vm
        .images
        .iter()
        .filter(|disk| disk.disk_storage_type == Some(DiskStorageType::Image))
        .map(|disk| DiskImage {
            snapshots: Vec::new(),
            ..disk.clone()
        })
        .collect();
    let devices = domain
        .child("devices")
        .into_iter()
        .flat_map(Element::elements);
    let all_told = Told::by(ovirt);
    for (number, element) in devices
        .filter(|element| !element.is("emulator"))
        .enumerate()
    {
        let mut device = read_device(element, is_live);
        let device_id = alias_id(element);
        device.id = vm.id.map(|vm_id| device_id_of(element, number, vm_id));
        if let Some(told) = all_told.of(element) {
            device.logical_name = ovirt_text(told, "guestName");
            device.custom_properties = custom_of(told).unwrap_or_default();
        }
        match device_id {
            Some(id) => {
                vm.managed_device_map.insert(id, device);
            }
            None => vm.unmanaged_device_list.push(device),
        }
    }
}

/// Whether SCSI disks are on POWER's own controller, which libvirt makes there if it is not told otherwise.
fn has_spapr_controller(domain: &Element) -> bool {
    let arch = domain
        .find("os/type")
        .and_then(|kind| kind.attribute("arch"));
    let devices = domain
        .child("devices")
        .into_iter()
        .flat_map(Element::elements);
    let mut models = devices
        .filter(|device| device.is("controller") && device.attribute("type") == Some("scsi"))
        .map(|scsi| scsi.attribute("model"));
    matches!(arch, Some("ppc64" | "ppc64le"))
        && models.all(|model| matches!(model, None | Some("ibmvscsi")))
}

/// The same UUID for the same device, at each look.
fn made_id(vm: Uuid, place: &str) -> Uuid {
    Uuid::new_v5(&vm, place.as_bytes())
}

/// Which device this is: the alias that somebody chose tells it, else it is made.
pub(super) fn device_id_of(element: &Element, number: usize, vm_id: Uuid) -> VmDeviceId {
    let made = || made_id(vm_id, &place_of(element, number));
    VmDeviceId {
        device_id: alias_id(element).unwrap_or_else(made),
        vm_id,
    }
}

/// What oVirt's metadata says of each device, which it knows by its target, its hardware address or its
/// alias: by these keys, in small letters, with its place among the others.
struct Told<'a>(HashMap<(&'static str, String), (usize, &'a Element)>);

impl<'a> Told<'a> {
    fn by(ovirt: Option<&'a Element>) -> Self {
        let mut all = HashMap::new();
        let told = ovirt.into_iter().flat_map(Element::elements);
        for (place, element) in told.enumerate() {
            for key in ["name", "mac_address", "alias"] {
                if let Some(word) = element.attribute(key) {
                    let key = (key, word.to_ascii_lowercase());
                    all.entry(key).or_insert((place, element));
                }
            }
        }
        Self(all)
    }

    /// The first that is about a device.
    fn of(&self, device: &Element) -> Option<&'a Element> {
        let part = |name, key| device.child(name).and_then(|part| part.attribute(key));
        let target = part("target", "dev").filter(|_| device.is("disk"));
        let keys = [
            ("name", target),
            ("mac_address", part("mac", "address")),
            ("alias", part("alias", "name")),
        ];
        let found = keys.into_iter().filter_map(|(key, word)| {
            let key = (key, word?.to_ascii_lowercase());
            self.0.get(&key)
        });
        let first = found.min_by_key(|(place, _)| *place);
        first.map(|(_, element)| *element)
    }
}

/// oVirt's custom properties in what it says of a device.
fn custom_of(told: &Element) -> Option<BTreeMap<String, String>> {
    let custom = told.elements().find(|part| part.name() == "custom")?;
    let property = |one: &Element| (one.name().to_owned(), one.text().trim().to_owned());
    Some(custom.elements().map(property).collect())
}

/// What tells a device from its siblings: its target or hardware address, else its place in the XML.
fn place_of(element: &Element, number: usize) -> String {
    let target = element
        .child("target")
        .and_then(|target| target.attribute("dev"));
    let mac = element
        .child("mac")
        .and_then(|mac| mac.attribute("address"));
    let key = match element.name() {
        "disk" => target,
        "interface" => mac,
        _ => None,
    };
    match key {
        Some(key) => format!("{}/{}", element.name(), key.to_lowercase()),
        None => format!("{}/{number}", element.name()),
    }
}

fn read_device(element: &Element, is_live: bool) -> VmDevice {
    let class = match (element.name(), element.attribute("type")) {
        ("hostdev", Some("mdev")) => VmDeviceGeneralType::Mdev,
        ("serial" | "console", _) => VmDeviceGeneralType::Console,
        (name, _) => VmDeviceGeneralType::from_libvirt(name),
    };
    let model = element
        .child("model")
        .and_then(|model| model.attribute("type"));
    let what = match element.name() {
        "disk" => Some(element.attribute("device").unwrap_or("disk")),
        "video" => model,
        "controller" => match (element.attribute("type"), element.attribute("model")) {
            (Some("scsi"), Some(model)) => Some(model),
            (kind, _) => kind,
        },
        "sound" | "watchdog" | "rng" | "panic" | "memory" | "tpm" | "memballoon" => {
            element.attribute("model")
        }
        _ => element.attribute("type").or(element.attribute("model")),
    };
    let address = element.child("address").map(|address| {
        let parts: Vec<String> = address
            .attributes()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        format!("{{{}}}", parts.join(", "))
    });
    let boot = element
        .child("boot")
        .and_then(|boot| boot.attribute("order")?.parse().ok());
    let alias = element
        .child("alias")
        .and_then(|alias| alias.attribute("name"))
        .unwrap_or_default();
    VmDevice {
        general_type: Some(class),
        device: what.map(str::to_owned),
        address,
        boot_order: boot.unwrap_or_default(),
        spec_params: spec_params(element),
        managed: alias.starts_with("ua-"),
        plugged: is_live.then_some(true),
        read_only: element
            .is("disk")
            .then(|| element.child("readonly").is_some()),
        alias: alias.to_owned(),
        host_device: host_device(element),
        ..VmDevice::default()
    }
}

/// What is set of a device beside what has a field of its own. What might be secret is left out.
fn spec_params(element: &Element) -> BTreeMap<String, SpecParam> {
    const OTHERS: [&str; 9] = [
        "address",
        "alias",
        "boot",
        "source",
        "backingStore",
        "auth",
        "encryption",
        "serial",
        "readonly",
    ];
    let is_open = |name: &str| !name.starts_with("passwd");
    let mut parameters: BTreeMap<String, SpecParam> = element
        .attributes()
        .filter(|(name, _)| is_open(name))
        .map(|(name, value)| (name.to_owned(), SpecParam::Text(value.to_owned())))
        .collect();
    for child in element
        .elements()
        .filter(|child| child.is(child.name()) && !OTHERS.contains(&child.name()))
    {
        let mut group: BTreeMap<String, SpecParam> = child
            .attributes()
            .map(|(name, value)| (name.to_owned(), SpecParam::Text(value.to_owned())))
            .collect();
        let text = child.text();
        if !text.trim().is_empty() {
            group.insert("text".to_owned(), SpecParam::Text(text.trim().to_owned()));
        }
        if !group.is_empty() {
            parameters
                .entry(child.name().to_owned())
                .or_insert(SpecParam::Group(group));
        }
    }
    parameters
}

/// libvirt's name of the host's PCI device that is passed through.
fn host_device(element: &Element) -> Option<String> {
    if !element.is("hostdev") {
        return None;
    }
    let address = element.find("source/address")?;
    let number = |name: &str| {
        let text = address.attribute(name)?;
        u32::from_str_radix(text.trim_start_matches("0x"), 16).ok()
    };
    Some(format!(
        "pci_{:04x}_{:02x}_{:02x}_{:x}",
        number("domain")?,
        number("bus")?,
        number("slot")?,
        number("function")?
    ))
}

/// oVirt's custom properties of devices.
pub(super) fn custom_properties(
    domain: &Element,
    ovirt: Option<&Element>,
) -> BTreeMap<VmDeviceId, BTreeMap<String, String>> {
    let vm_id = domain
        .child("uuid")
        .and_then(|uuid| uuid.text().trim().parse().ok());
    let devices = ovirt.into_iter().flat_map(Element::elements);
    devices
        .filter_map(|device| {
            let properties = custom_of(device)?;
            let vm_id: Uuid = vm_id?;
            let key = device
                .attribute("mac_address")
                .or(device.attribute("alias"))?;
            let device_id = key
                .strip_prefix("ua-")
                .and_then(|id| id.parse().ok())
                .unwrap_or_else(|| made_id(vm_id, &format!("interface/{}", key.to_lowercase())));
            Some((VmDeviceId { device_id, vm_id }, properties))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::definition::read_domain;

    #[test]
    fn what_ovirt_says_of_thousands_of_devices_is_found_for_each() {
        let count = 5000;
        let told: String = (0..count)
            .map(|n| {
                let id = format!("44444444-0000-4000-8000-{n:012}");
                let address = format!("56:6F:00:00:{:02X}:{:02X}", n / 256, n % 256);
                format!(
                    "<o:device devtype='disk' name='vd{n}'><o:imageID>{id}</o:imageID>\
                     <o:guestName>/dev/{n}</o:guestName></o:device>\
                     <o:device mac_address='{address}'><o:custom><o:n>{n}</o:n></o:custom></o:device>"
                )
            })
            .collect();
        let devices: String = (0..count)
            .map(|n| {
                let address = format!("56:6f:00:00:{:02x}:{:02x}", n / 256, n % 256);
                format!(
                    "<disk type='file' device='disk'><target dev='vd{n}' bus='virtio'/></disk>\
                     <interface type='user'><mac address='{address}'/></interface>"
                )
            })
            .collect();
        let text = format!(
            "<domain type='kvm'><name>a</name><uuid>6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a11</uuid>\
             <metadata><o:vm xmlns:o='http://ovirt.org/vm/1.0'>{told}</o:vm></metadata>\
             <devices>{devices}</devices></domain>"
        );
        let vm = read_domain(&text).unwrap();
        assert_eq!(vm.vm_static.images.len(), count);
        for (n, disk) in vm.vm_static.images.iter().enumerate() {
            let id = format!("44444444-0000-4000-8000-{n:012}");
            assert_eq!(disk.id.unwrap().to_string(), id);
        }
        let devices = vm.vm_static.unmanaged_device_list.iter().enumerate();
        for (n, device) in devices {
            let number = (n / 2).to_string();
            if n % 2 == 0 {
                let name = device.logical_name.as_deref();
                assert_eq!(name, Some(format!("/dev/{number}").as_str()));
            } else {
                assert_eq!(device.custom_properties["n"], number);
            }
        }
    }
}
