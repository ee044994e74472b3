//! The CD or floppy with which a guest is initialized.

use super::device_list::device_id_of;
use super::disks::{cd_bus, disk_path, new_cd, put_disk_path};
use super::ovirt_text;
use crate::definition::binding::{Binding, put};
use crate::definition::tree::{Element, Result};
use crate::entity::{Secret, Vm, VmPayload};
use std::path::{Path, PathBuf};

/// Ties the path of the payload's image to the CD of vmlife's making; what else there is to tell of it is
/// read at the end.
pub(super) fn bind_payload(
    binding: &mut Binding<'_>,
    vm: &mut Vm,
    ovirt: impl Fn(&Element) -> Option<&Element>,
) -> Result {
    let payload_of = |domain: &Element| payload(domain, ovirt(domain));
    let mut image = vm
        .vm_payload
        .as_ref()
        .and_then(|payload| payload.image_path.clone());
    let cd_bus = cd_bus(binding.element);
    binding.by(
        &mut image,
        |domain| Ok(payload_of(domain).and_then(|payload| payload.image_path)),
        |domain, image| put_payload(domain.ensure("devices"), image.as_deref(), cd_bus),
    )?;
    binding.told(&mut vm.vm_payload, payload_of);
    Ok(())
}

pub(super) fn is_payload(device: &Element) -> bool {
    device.is("disk") && alias(device) == Some(PAYLOAD_ALIAS)
}

/// Puts the CD of vmlife's making where there is none, or takes it away; an oVirt's payload is oVirt's.
fn put_payload(devices: &mut Element, image: Option<&Path>, cd_bus: &str) {
    let Some(image) = image else {
        return devices.remove(is_payload);
    };
    if !devices.elements().any(is_payload) {
        let disks = devices.children("disk");
        let targets = disks.filter_map(|disk| disk.child("target")?.attribute("dev"));
        let mut cd = new_cd(cd_bus, &mut targets.map(str::to_owned).collect());
        cd.append(Element::new("alias").with("name", PAYLOAD_ALIAS));
        put(&mut cd, "driver", Some("name"), Some("qemu"));
        put(&mut cd, "driver", Some("type"), Some("raw"));
        devices.append(cd);
    }
    if let Some(cd) = devices.elements_mut().find(|device| is_payload(device)) {
        put_disk_path(cd, Some(&image.to_string_lossy()));
    }
}

/// The CD or floppy with which the guest is initialized: oVirt's, or one of vmlife's making.
pub(super) fn payload(domain: &Element, ovirt: Option<&Element>) -> Option<VmPayload> {
    let devices = domain.child("devices")?;
    let vm_id = domain
        .child("uuid")
        .and_then(|id| id.text().trim().parse().ok());
    let id_of = |disk: &Element| Some(device_id_of(disk, 0, vm_id?));
    let mut removable = devices
        .children("disk")
        .filter(|disk| matches!(disk.attribute("device"), Some("cdrom" | "floppy")));
    let told = ovirt
        .into_iter()
        .flat_map(Element::elements)
        .find_map(|device| {
            let payload = device
                .elements()
                .find(|element| element.name() == "payload")?;
            Some((device.attribute("name")?, payload))
        });
    if let Some((target, payload)) = told {
        let of_target = |disk: &&Element| {
            disk.child("target")
                .and_then(|found| found.attribute("dev"))
                == Some(target)
        };
        let disk = removable.find(of_target)?;
        let files = payload
            .elements()
            .filter(|element| element.name() == "file");
        return Some(VmPayload {
            id: id_of(disk),
            device: disk.attribute("device").map(str::to_owned),
            volume_id: ovirt_text(payload, "volId"),
            files: files
                .filter_map(|file| {
                    Some((
                        file.attribute("path")?.to_owned(),
                        Secret::new(file.text().trim()),
                    ))
                })
                .collect(),
            image_path: disk_path(disk).map(PathBuf::from),
        });
    }
    let disk = removable.find(|disk| alias(disk) == Some(PAYLOAD_ALIAS))?;
    Some(VmPayload {
        id: id_of(disk),
        device: disk.attribute("device").map(str::to_owned),
        image_path: disk_path(disk).map(PathBuf::from),
        ..VmPayload::default()
    })
}

/// By this alias vmlife knows the CD of its own making.
const PAYLOAD_ALIAS: &str = "ua-vmlife-payload";

pub(super) fn alias(device: &Element) -> Option<&str> {
    device.child("alias")?.attribute("name")
}
