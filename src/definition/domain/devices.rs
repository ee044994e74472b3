//! The mapping between `<devices>` and the model.

use super::consoles::{bind_console, graphics_types};
use super::disks::{Targets, bind_disk, cd_bus, cds, is_disk, iso_path, new_disk, put_iso};
use super::interfaces::bind_interface;
use crate::definition::binding::{Binding, Direction, put};
use crate::definition::tree::{Element, Result};
use crate::entity::{DisplayType, GraphicsType, MigrationSupport, UsbPolicy, VmStatic};
use std::cell::RefCell;

/// Whether it may migrate, as far as its devices tell.
pub(super) fn migration_support(devices: &Element) -> MigrationSupport {
    let is_bound = |device: &Element| {
        device.is("hostdev") && device.attribute("type") != Some("usb")
            || device.is("interface") && device.attribute("type") == Some("hostdev")
    };
    if devices.elements().any(is_bound) {
        MigrationSupport::PinnedToHost
    } else {
        MigrationSupport::Migratable
    }
}

/// Ties what is configured of devices to them.
pub(super) fn bind(binding: &mut Binding<'_>, vm: &mut VmStatic) -> Result {
    let cd_bus = cd_bus(binding.element);
    if binding.element.child("devices").is_some() {
        let direction = binding.direction;
        let element = binding.element.ensure("devices");
        return bind_devices(&mut Binding { element, direction }, vm, cd_bus);
    }
    // Nothing to read; and where nothing comes of it, nothing is written either.
    let mut devices = Element::new("devices");
    let (element, direction) = (&mut devices, binding.direction);
    bind_devices(&mut Binding { element, direction }, vm, cd_bus)?;
    if devices.elements().next().is_some() {
        binding.element.append(devices);
    }
    Ok(())
}

fn bind_devices(binding: &mut Binding<'_>, vm: &mut VmStatic, cd_bus: &str) -> Result {
    let of_disks = vm.images.iter().filter_map(|disk| disk.target_dev.clone());
    let others = binding.element.children("disk");
    let of_others = others
        .filter(|device| !is_disk(device))
        .filter_map(|device| device.child("target")?.attribute("dev"));
    let targets: Targets = of_disks.chain(of_others.map(str::to_owned)).collect();
    let targets = RefCell::new(targets);
    binding.list(
        &mut vm.images,
        is_disk,
        |disk| disk.target_dev.clone(),
        |disk| new_disk(disk, &mut targets.borrow_mut()),
        bind_disk,
    )?;
    binding.by(
        &mut vm.iso_path,
        |devices| Ok(cds(devices).next().and_then(iso_path)),
        |devices, iso| put_iso(devices, iso.as_deref(), cd_bus, &mut targets.borrow_mut()),
    )?;
    binding.list(
        &mut vm.interfaces,
        |device| device.is("interface"),
        |card| card.mac_address.clone(),
        |card| {
            let kind = card.source_type.get_or_insert_with(|| "network".to_owned());
            let mut element = Element::new("interface").with("type", kind);
            if let Some(id) = card.id {
                let alias = format!("ua-{id}");
                element.append(Element::new("alias").with("name", &alias));
            }
            element
        },
        bind_interface,
    )?;
    binding.by(
        &mut vm.graphics_types,
        |devices| Ok(graphics_types(devices)),
        |devices, wanted| {
            devices.remove(|device| {
                device.is("graphics") && {
                    let kind = device.attribute("type").unwrap_or_default();
                    !wanted.contains(&GraphicsType::from_libvirt(kind))
                }
            });
            let there = graphics_types(devices);
            for kind in wanted.iter().filter(|kind| !there.contains(kind)) {
                devices.append(
                    Element::new("graphics")
                        .with("type", &kind.libvirt())
                        .with("autoport", "yes"),
                );
            }
            put_in_order(devices, wanted);
        },
    )?;
    binding.by(
        &mut vm.default_display_type,
        |devices| {
            let model = devices.find("video/model");
            let kind = model.and_then(|model| model.attribute("type"));
            Ok(kind.map(DisplayType::from_libvirt))
        },
        |devices, kind| {
            let word = kind.as_ref().map(DisplayType::libvirt);
            put(devices, "video/model", Some("type"), word.as_deref());
            if *kind != Some(DisplayType::Qxl) {
                // Memory of kinds that only QXL has.
                for name in ["ram", "vram64", "vgamem"] {
                    put(devices, "video/model", Some(name), None);
                }
            }
        },
    )?;
    bind_console(binding, vm)?;
    bind_others(binding, vm, cd_bus)
}

/// Consoles that stand in another order than they are wished in change places.
fn put_in_order(devices: &mut Element, wanted: &[GraphicsType]) {
    if graphics_types(devices) == wanted {
        return;
    }
    let place = |console: &Element| {
        let kind = GraphicsType::from_libvirt(console.attribute("type").unwrap_or_default());
        wanted.iter().position(|other| *other == kind)
    };
    let mut consoles: Vec<Element> = devices.children("graphics").cloned().collect();
    consoles.sort_by_key(place);
    let places = devices
        .elements_mut()
        .filter(|device| device.is("graphics"));
    for (place, console) in places.zip(consoles) {
        *place = console;
    }
}

/// Devices that are there or not.
fn bind_others(binding: &mut Binding<'_>, vm: &mut VmStatic, cd_bus: &str) -> Result {
    binding.presence("tpm", &mut vm.tpm_enabled, || {
        let model = if cd_bus == "sata" {
            "tpm-crb"
        } else {
            "tpm-tis"
        };
        let mut tpm = Element::new("tpm").with("model", model);
        tpm.append(
            Element::new("backend")
                .with("type", "emulator")
                .with("version", "2.0"),
        );
        tpm
    })?;
    binding.presence("smartcard", &mut vm.smartcard_enabled, || {
        Element::new("smartcard")
            .with("mode", "passthrough")
            .with("type", "spicevmc")
    })?;
    binding.by(
        &mut vm.balloon_enabled,
        |devices| {
            let model = devices
                .child("memballoon")
                .and_then(|balloon| balloon.attribute("model"));
            Ok(model != Some("none"))
        },
        |devices, wanted| {
            let model = if *wanted { "virtio" } else { "none" };
            put(devices, "memballoon", Some("model"), Some(model));
        },
    )?;
    binding.by(
        &mut vm.usb_policy,
        |devices| {
            let redirects =
                |device: &Element| device.is("redirdev") && device.attribute("bus") == Some("usb");
            Ok(if devices.elements().any(redirects) {
                UsbPolicy::EnabledNative
            } else {
                UsbPolicy::Disabled
            })
        },
        |devices, policy| {
            devices.remove(|device| device.is("redirdev"));
            if *policy == UsbPolicy::EnabledNative {
                devices.append(
                    Element::new("redirdev")
                        .with("bus", "usb")
                        .with("type", "spicevmc"),
                );
            }
        },
    )?;
    let is_logged = vm.serial_log_path.is_some();
    if binding.direction == Direction::Write
        && is_logged
        && binding.element.child("serial").is_none()
    {
        let port = Element::new("serial").with("type", "pty");
        binding.element.append(port);
    }
    binding.field("serial/log/@file", &mut vm.serial_log_path)?;
    if binding.direction == Direction::Write && vm.serial_log_path.is_some() {
        let log = binding.element.ensure("serial/log");
        if log.attribute("append").is_none() {
            log.set_attribute("append", Some("on"));
        }
    }
    binding.told(&mut vm.lease_storage_domain_id, |devices| {
        devices
            .child("lease")?
            .child("lockspace")?
            .text()
            .trim()
            .parse()
            .ok()
    });
    binding.by(
        &mut vm.stateless,
        |devices| {
            let mut disks = devices.elements().filter(|device| is_disk(device));
            Ok(disks.any(|disk| disk.child("transient").is_some()))
        },
        |devices, wanted| {
            for disk in devices.elements_mut().filter(|device| is_disk(device)) {
                match wanted {
                    false => disk.remove(|element| element.is("transient")),
                    true if disk.child("readonly").is_some() => {}
                    true => disk.append(Element::new("transient")),
                }
            }
        },
    )?;
    binding.told(&mut vm.migration_support, migration_support);
    bind_queues(binding, vm)
}

/// As many queues a network card gets in oVirt at most.
const CARD_QUEUES: u32 = 4;

fn bind_queues(binding: &mut Binding<'_>, vm: &mut VmStatic) -> Result {
    // One queue is what a card has without a word.
    let queues = Some(vm.cpu_count().min(CARD_QUEUES)).filter(|queues| *queues > 1);
    let queues = queues.map(|queues| queues.to_string());
    binding.by(
        &mut vm.multi_queues_enabled,
        |devices| {
            let mut cards = devices.children("interface");
            let has_queues = |card: &Element| card.child("driver")?.attribute("queues").map(drop);
            Ok(cards.any(|card| has_queues(card).is_some()))
        },
        |devices, wanted| {
            for card in devices
                .elements_mut()
                .filter(|device| device.is("interface"))
            {
                // Of other cards QEMU has one queue only.
                let is_virtio = card
                    .child("model")
                    .is_some_and(|model| model.attribute("type") == Some("virtio"));
                let is_user = card.attribute("type") == Some("user");
                let has_queues = *wanted && is_virtio && !is_user;
                let queues = queues.as_deref().filter(|_| has_queues);
                put(card, "driver", Some("queues"), queues);
            }
        },
    )?;
    let is_scsi =
        |device: &Element| device.is("controller") && device.attribute("type") == Some("scsi");
    binding.by(
        &mut vm.virtio_scsi_multi_queues,
        |devices| {
            let scsi = devices.elements().find(|device| is_scsi(device));
            let queues =
                scsi.and_then(|scsi| scsi.child("driver")?.attribute("queues")?.parse().ok());
            Ok(queues.unwrap_or_default())
        },
        |devices, queues| {
            if *queues > 0 && !devices.elements().any(is_scsi) {
                let scsi = Element::new("controller").with("type", "scsi");
                devices.append(scsi.with("index", "0").with("model", "virtio-scsi"));
            }
            let queues = Some(queues.to_string()).filter(|_| *queues > 0);
            if let Some(scsi) = devices.elements_mut().find(|device| is_scsi(device)) {
                put(scsi, "driver", Some("queues"), queues.as_deref());
            }
        },
    )
}
