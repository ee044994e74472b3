//! The mapping between `<devices>` and the model.

use super::binding::{Binding, Direction, put};
use super::domain::{migration_support, ovirt_text};
use super::tree::{Element, Result};
use crate::entity::{
    DiskImage, DiskInterface, DiskStorageType, DisplayType, GraphicsInfo, GraphicsType,
    PropagateErrors, Secret, SpecParam, UsbPolicy, Vm, VmDevice, VmDeviceGeneralType, VmDeviceId,
    VmInterfaceType, VmNetworkInterface, VmPayload, VmStatic, VolumeClassification, VolumeFormat,
};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use uuid::Uuid;

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
    let taken = vm.images.iter().filter_map(|disk| disk.target_dev.clone());
    let targets = RefCell::new(taken.collect::<Vec<String>>());
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
            Element::new("interface").with("type", kind)
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
    binding.told(&mut vm.stateless, |devices| {
        devices
            .children("disk")
            .any(|disk| disk.child("transient").is_some())
    });
    binding.told(&mut vm.migration_support, migration_support);
    binding.told(&mut vm.multi_queues_enabled, |devices| {
        devices.children("interface").any(|card| {
            card.child("driver")
                .is_some_and(|driver| driver.attribute("queues").is_some())
        })
    });
    binding.told(&mut vm.virtio_scsi_multi_queues, |devices| {
        let mut controllers = devices.children("controller");
        let scsi = controllers.find(|controller| controller.attribute("type") == Some("scsi"));
        let queues = scsi.and_then(|scsi| scsi.child("driver")?.attribute("queues")?.parse().ok());
        queues.unwrap_or_default()
    });
    Ok(())
}

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

/// The bus that a CD is on in this machine.
fn cd_bus(domain: &Element) -> &'static str {
    let of_type = |name| domain.find("os/type").and_then(|kind| kind.attribute(name));
    let machine = of_type("machine").unwrap_or_default();
    match of_type("arch") {
        None | Some("x86_64" | "i686") if machine.contains("q35") => "sata",
        None | Some("x86_64" | "i686") => "ide",
        Some(_) => "scsi",
    }
}

fn bind_console(binding: &mut Binding<'_>, vm: &mut VmStatic) -> Result {
    let of = |devices: &Element, kind: &'static str| -> Option<Element> {
        devices
            .children("graphics")
            .find(|device| device.attribute("type") == Some(kind))
            .cloned()
    };
    let set =
        |devices: &mut Element, kind: &str, path: &str, attribute: &str, text: Option<&str>| {
            for device in devices
                .elements_mut()
                .filter(|device| device.is("graphics"))
            {
                if device.attribute("type") == Some(kind) {
                    put(device, path, Some(attribute), text);
                }
            }
        };
    binding.by(
        &mut vm.vnc_keyboard_layout,
        |devices| Ok(of(devices, "vnc").and_then(|vnc| vnc.attribute("keymap").map(str::to_owned))),
        |devices, layout| set(devices, "vnc", "", "keymap", layout.as_deref()),
    )?;
    for (field, path, attribute) in [
        (
            &mut vm.spice_file_transfer_enabled,
            "filetransfer",
            "enable",
        ),
        (&mut vm.spice_copy_paste_enabled, "clipboard", "copypaste"),
    ] {
        binding.by(
            field,
            |devices| {
                let spice = of(devices, "spice");
                let word = spice
                    .as_ref()
                    .and_then(|spice| spice.child(path)?.attribute(attribute));
                Ok(word != Some("no"))
            },
            |devices, wanted| {
                set(
                    devices,
                    "spice",
                    path,
                    attribute,
                    Some(if *wanted { "yes" } else { "no" }),
                );
            },
        )?;
    }
    binding.by(
        &mut vm.num_of_monitors,
        |devices| {
            let heads = |video: &Element| video.child("model")?.attribute("heads")?.parse().ok();
            let most = devices
                .children("video")
                .filter_map(heads)
                .max()
                .unwrap_or(1);
            let adapters = devices
                .children("video")
                .filter(|video| is_qxl(video))
                .count();
            Ok(most.max(u32::try_from(adapters).unwrap_or(1)))
        },
        |devices, monitors| {
            // Others have one at most.
            let has_heads = |kind| matches!(kind, Some("qxl" | "virtio"));
            let model = devices.find("video/model");
            if model.is_some_and(|model| has_heads(model.attribute("type"))) {
                put(
                    devices,
                    "video/model",
                    Some("heads"),
                    Some(&monitors.to_string()),
                );
            }
        },
    )?;
    binding.told(&mut vm.single_qxl_pci, |devices| {
        let mut adapters = devices.children("video").filter(|video| is_qxl(video));
        let heads = |video: &Element| {
            video
                .child("model")?
                .attribute("heads")?
                .parse::<u32>()
                .ok()
        };
        let single = adapters
            .next()
            .and_then(heads)
            .is_some_and(|heads| heads > 1);
        single && adapters.next().is_none()
    });
    Ok(())
}

fn is_qxl(video: &Element) -> bool {
    video
        .child("model")
        .and_then(|model| model.attribute("type"))
        == Some("qxl")
}

fn is_disk(device: &Element) -> bool {
    device.is("disk") && matches!(device.attribute("device"), None | Some("disk" | "lun"))
}

fn is_cd(device: &Element) -> bool {
    device.is("disk") && device.attribute("device") == Some("cdrom")
}

/// The user's CDs: the payload is none of them.
fn cds(devices: &Element) -> impl Iterator<Item = &Element> {
    let all = devices.elements();
    all.filter(|device| is_cd(device) && !is_payload(device))
}

fn is_payload(device: &Element) -> bool {
    device.is("disk") && alias(device) == Some(PAYLOAD_ALIAS)
}

fn graphics_types(devices: &Element) -> Vec<GraphicsType> {
    let mut kinds = Vec::new();
    for device in devices.children("graphics") {
        let kind = GraphicsType::from_libvirt(device.attribute("type").unwrap_or_default());
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
}

/// Where a disk's bytes are, in one piece of text.
fn disk_path(disk: &Element) -> Option<String> {
    source_path(
        disk.attribute("type").unwrap_or("file"),
        disk.child("source")?,
    )
}

fn source_path(kind: &str, source: &Element) -> Option<String> {
    let (prefix, attribute) = match kind {
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
    // A server may have just one thing to offer.
    let nameless = prefix.as_ref().filter(|_| kind == "network").map(|_| "");
    let path = source.attribute(attribute).or(nameless)?;
    Some(format!("{}{path}", prefix.unwrap_or_default()))
}

fn put_disk_path(disk: &mut Element, path: Option<&str>) {
    let kind = disk.attribute("type").unwrap_or("file").to_owned();
    let Some(path) = path else {
        return disk.remove(|element| element.is("source"));
    };
    let source = disk.ensure("source");
    for attribute in ["file", "dev", "dir", "protocol", "name", "pool", "volume"] {
        source.set_attribute(attribute, None);
    }
    let mut set = |name, value| source.set_attribute(name, Some(value));
    match (kind.as_str(), path.split_once(':'), path.split_once('/')) {
        ("network", Some((protocol, name)), _) => {
            set("protocol", protocol);
            if !name.is_empty() {
                set("name", name);
            }
        }
        ("volume", _, Some((pool, volume))) => {
            set("pool", pool);
            set("volume", volume);
        }
        ("block", ..) => set("dev", path),
        ("dir", ..) => set("dir", path),
        _ => set("file", path),
    }
}

fn bind_disk(binding: &mut Binding<'_>, disk: &mut DiskImage) -> Result {
    binding.field("@type", &mut disk.source_type)?;
    binding.by(
        &mut disk.image_path,
        |element| Ok(disk_path(element)),
        |element, path| put_disk_path(element, path.as_deref()),
    )?;
    binding.by(
        &mut disk.source_hosts,
        |element| Ok(source_hosts(element)),
        |element, hosts| put_source_hosts(element, hosts.iter().map(String::as_str)),
    )?;
    binding.field("target/@dev", &mut disk.target_dev)?;
    binding.by(
        &mut disk.disk_interface,
        |element| {
            let bus = element
                .child("target")
                .and_then(|target| target.attribute("bus"));
            Ok(bus.map(DiskInterface::from_libvirt))
        },
        |element, bus| {
            put(
                element,
                "target",
                Some("bus"),
                bus.as_ref().map(DiskInterface::libvirt).as_deref(),
            );
        },
    )?;
    binding.field("serial", &mut disk.serial)?;
    binding.field("driver/@type", &mut disk.volume_format)?;
    binding.field("driver/@cache", &mut disk.cache)?;
    binding.field("driver/@io", &mut disk.io)?;
    binding.flag("driver/@discard", "unmap", None, &mut disk.pass_discard)?;
    binding.by(
        &mut disk.propagate_errors,
        |element| {
            let policy = element
                .child("driver")
                .and_then(|driver| driver.attribute("error_policy"));
            Ok(policy.map(|policy| match policy {
                "stop" => PropagateErrors::Off,
                _ => PropagateErrors::On,
            }))
        },
        |element, wanted| {
            let word = wanted.as_ref().map(|wanted| match wanted {
                PropagateErrors::On => "report",
                _ => "stop",
            });
            put(element, "driver", Some("error_policy"), word);
        },
    )?;
    binding.field("@sgio", &mut disk.sgio)?;
    binding.flag(
        "source/reservations/@managed",
        "yes",
        None,
        &mut disk.using_scsi_reservation,
    )?;
    binding.presence("readonly", &mut disk.read_only, || Element::new("readonly"))?;
    binding.presence("shareable", &mut disk.shareable, || {
        Element::new("shareable")
    })?;
    binding.flag("boot/@order", "1", None, &mut disk.boot)?;
    binding.by(
        &mut disk.disk_storage_type,
        |element| Ok(Some(storage_type(element))),
        |element, kind| {
            if element.attribute("type") == Some("block") {
                let device = if *kind == Some(DiskStorageType::Lun) {
                    "lun"
                } else {
                    "disk"
                };
                element.set_attribute("device", Some(device));
            }
        },
    )?;
    binding.told(&mut disk.volume_classification, |_| {
        Some(VolumeClassification::Volume)
    });
    binding.told(&mut disk.active, |_| Some(true));
    binding.told(&mut disk.parent_id, |element| {
        element.child("backingStore").and_then(disk_path)
    });
    binding.told(&mut disk.snapshots, |element| {
        let mut layers = Vec::new();
        let mut below = element.child("backingStore");
        while let Some(layer) = below.filter(|layer| layer.child("source").is_some()) {
            layers.push(read_layer(layer));
            below = layer.child("backingStore");
        }
        layers
    });
    Ok(())
}

fn source_hosts(disk: &Element) -> Vec<String> {
    let source = disk.child("source").into_iter();
    let hosts = source.flat_map(|source| source.children("host"));
    hosts.filter_map(source_host).collect()
}

fn put_source_hosts<'a>(disk: &mut Element, hosts: impl Iterator<Item = &'a str>) {
    let source = disk.ensure("source");
    source.remove(|element| element.is("host"));
    for host in hosts {
        source.append(new_host(host));
    }
}

/// A server: `host`, `host:port`, `[address]:port`, or the path of a socket.
fn new_host(text: &str) -> Element {
    let host = Element::new("host");
    if text.starts_with('/') {
        return host.with("transport", "unix").with("socket", text);
    }
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (name, port) = match (bracketed, text.split_once(':')) {
        (Some((name, rest)), _) => (name, rest.strip_prefix(':')),
        (None, Some((name, port))) if !port.contains(':') => (name, Some(port)),
        _ => (text, None),
    };
    let mut host = host.with("name", name);
    host.set_attribute("port", port);
    host
}

fn source_host(host: &Element) -> Option<String> {
    if let Some(socket) = host.attribute("socket") {
        return Some(socket.to_owned());
    }
    let name = host.attribute("name")?;
    let is_address = name.contains(':') && !name.starts_with('[');
    let name = if is_address {
        format!("[{name}]")
    } else {
        name.to_owned()
    };
    Some(match host.attribute("port") {
        Some(port) => format!("{name}:{port}"),
        None => name,
    })
}

fn storage_type(disk: &Element) -> DiskStorageType {
    let is_lun =
        disk.attribute("device") == Some("lun") || disk.attribute("type") == Some("network");
    if is_lun {
        DiskStorageType::Lun
    } else {
        DiskStorageType::Image
    }
}

/// A layer below a disk's top one.
fn read_layer(layer: &Element) -> DiskImage {
    let path = disk_path(layer);
    DiskImage {
        disk_alias: base_name(path.as_deref()),
        image_path: path,
        source_type: layer.attribute("type").map(str::to_owned),
        volume_format: layer
            .child("format")
            .and_then(|format| format.attribute("type"))
            .map(VolumeFormat::from_libvirt),
        volume_classification: Some(VolumeClassification::Snapshot),
        active: Some(false),
        parent_id: layer.child("backingStore").and_then(disk_path),
        ..DiskImage::default()
    }
}

fn base_name(path: Option<&str>) -> String {
    let name = path.and_then(|path| path.rsplit(['/', ':']).next());
    name.unwrap_or_default().to_owned()
}

/// A disk that a definition adds; what libvirt must be told and the definition does not say is filled in.
fn new_disk(disk: &mut DiskImage, taken: &mut Vec<String>) -> Element {
    let bus = disk.disk_interface.get_or_insert(DiskInterface::Virtio);
    let prefix = match bus {
        DiskInterface::Virtio => "vd",
        DiskInterface::Ide => "hd",
        _ => "sd",
    };
    if disk.target_dev.is_none() {
        disk.target_dev = Some(free_target(prefix, taken));
    }
    disk.source_type.get_or_insert_with(|| "file".to_owned());
    disk.volume_format.get_or_insert(VolumeFormat::Raw);
    let mut element = Element::new("disk")
        .with("type", "file")
        .with("device", "disk");
    element.append(Element::new("driver").with("name", "qemu"));
    element
}

/// Where a CD is, in one piece of text that tells by itself what kind of place that is: a path,
/// `volume:pool/volume`, `protocol://host,host/name`, or `protocol:name`.
fn iso_path(disk: &Element) -> Option<PathBuf> {
    let path = disk_path(disk)?;
    let hosts = source_hosts(disk).join(",");
    Some(match (disk.attribute("type"), path.split_once(':')) {
        (Some("volume"), _) => format!("volume:{path}").into(),
        // A path in a place of hosts would not be told from what follows.
        (Some("network"), Some((protocol, name))) if !hosts.is_empty() && !hosts.contains('/') => {
            format!("{protocol}://{hosts}/{name}").into()
        }
        _ => path.into(),
    })
}

/// Whether such a text is no path.
pub(super) fn is_elsewhere(iso: &str) -> bool {
    iso.split_once(':').is_some_and(|(kind, _)| {
        !kind.is_empty() && kind.chars().all(|letter| letter.is_ascii_lowercase())
    })
}

fn put_iso(devices: &mut Element, iso: Option<&Path>, cd_bus: &str, taken: &mut Vec<String>) {
    let text = iso.map(Path::to_string_lossy);
    if cds(devices).next().is_none() {
        if text.is_none() {
            return;
        }
        devices.append(new_cd(cd_bus, taken));
    }
    let mut all = devices.elements_mut();
    let Some(cd) = all.find(|device| is_cd(device) && !is_payload(device)) else {
        return;
    };
    let (kind, path) = match text.as_deref() {
        Some(text) if text.starts_with("volume:") => ("volume", text.strip_prefix("volume:")),
        Some(text) if is_elsewhere(text) => ("network", Some(text)),
        Some(text) if text.starts_with("/dev/") => ("block", Some(text)),
        text => ("file", text),
    };
    if cd.attribute("type").unwrap_or("file") != kind || kind == "network" {
        // What else is said of a place is of no use for one of another kind.
        cd.remove(|element| element.is("source"));
        cd.set_attribute("type", Some(kind));
    }
    let url = path
        .filter(|_| kind == "network")
        .and_then(|path| path.split_once("://"))
        .and_then(|(protocol, rest)| Some((protocol, rest.split_once('/')?)));
    if let Some((protocol, (hosts, name))) = url {
        put_disk_path(cd, Some(&format!("{protocol}:{name}")));
        put_source_hosts(cd, hosts.split(','));
    } else {
        put_disk_path(cd, path);
        if cd.child("source").is_some() {
            put_source_hosts(cd, std::iter::empty());
        }
    }
}

fn new_cd(bus: &str, taken: &mut Vec<String>) -> Element {
    let prefix = if bus == "ide" { "hd" } else { "sd" };
    let mut disk = Element::new("disk")
        .with("type", "file")
        .with("device", "cdrom");
    let target = free_target(prefix, taken);
    disk.append(Element::new("target").with("dev", &target).with("bus", bus));
    disk.append(Element::new("readonly"));
    disk
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

fn bind_interface(binding: &mut Binding<'_>, card: &mut VmNetworkInterface) -> Result {
    binding.field("@type", &mut card.source_type)?;
    binding.by(
        &mut card.mac_address,
        |element| {
            let address = element
                .child("mac")
                .and_then(|mac| mac.attribute("address"));
            Ok(address.map(str::to_lowercase))
        },
        |element, address| put(element, "mac", Some("address"), address.as_deref()),
    )?;
    binding.by(
        &mut card.network_name,
        |element| {
            let source = element.child("source");
            let mut keys = ["network", "bridge", "dev"].into_iter();
            Ok(source.and_then(|source| {
                keys.find_map(|key| source.attribute(key))
                    .map(str::to_owned)
            }))
        },
        |element, network| {
            let key = match element.attribute("type") {
                Some("bridge") => "bridge",
                None | Some("network") => "network",
                _ => "dev",
            };
            put(element, "source", Some(key), network.as_deref());
        },
    )?;
    binding.by(
        &mut card.interface_type,
        |element| {
            let model = element
                .child("model")
                .and_then(|model| model.attribute("type"));
            Ok(match model {
                Some(model) => Some(VmInterfaceType::from_libvirt(model)),
                None if element.attribute("type") == Some("hostdev") => {
                    Some(VmInterfaceType::PciPassthrough)
                }
                None => None,
            })
        },
        |element, model| {
            let word = match model {
                Some(VmInterfaceType::PciPassthrough) => None,
                model => model.as_ref().map(VmInterfaceType::libvirt),
            };
            put(element, "model", Some("type"), word.as_deref());
        },
    )?;
    binding.by(
        &mut card.linked,
        |element| {
            let state = element
                .child("link")
                .and_then(|link| link.attribute("state"));
            Ok(state != Some("down"))
        },
        |element, linked| {
            put(
                element,
                "link",
                Some("state"),
                Some(if *linked { "up" } else { "down" }),
            );
        },
    )?;
    binding.told(&mut card.target_dev, |element| {
        element
            .child("target")
            .and_then(|target| target.attribute("dev"))
            .map(str::to_owned)
    });
    binding.told(&mut card.id, alias_id);
    Ok(())
}

/// The UUID in an alias that somebody chose.
fn alias_id(device: &Element) -> Option<Uuid> {
    let alias = device.child("alias")?.attribute("name")?;
    alias.strip_prefix("ua-")?.parse().ok()
}

/// Gives the disks, network cards and devices the names and UUIDs that follow from what they are, where
/// the XML gives none, and lists the devices.
pub(super) fn name_what_has_no_name(domain: &Element, ovirt: Option<&Element>, vm: &mut VmStatic) {
    let vm_id = vm.id.unwrap_or_default();
    let is_live = domain.attribute("id").is_some();
    for disk in &mut vm.images {
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
        .filter(|disk| !disk.is_lun())
        .map(|disk| DiskImage {
            snapshots: Vec::new(),
            ..disk.clone()
        })
        .collect();
    let devices = domain
        .child("devices")
        .into_iter()
        .flat_map(Element::elements);
    for (number, element) in devices
        .filter(|element| !element.is("emulator"))
        .enumerate()
    {
        let mut device = read_device(element, is_live);
        let device_id = alias_id(element);
        device.id = vm.id.map(|vm_id| device_id_of(element, number, vm_id));
        if let Some(told) = told_of(ovirt, element) {
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

/// The same UUID for the same device, at each look.
fn made_id(vm: Uuid, place: &str) -> Uuid {
    Uuid::new_v5(&vm, place.as_bytes())
}

/// Which device this is: the alias that somebody chose tells it, else it is made.
fn device_id_of(element: &Element, number: usize, vm_id: Uuid) -> VmDeviceId {
    let made = || made_id(vm_id, &place_of(element, number));
    VmDeviceId {
        device_id: alias_id(element).unwrap_or_else(made),
        vm_id,
    }
}

/// What oVirt's metadata says of a device, which it knows by its target, its hardware address or its
/// alias.
fn told_of<'a>(ovirt: Option<&'a Element>, device: &Element) -> Option<&'a Element> {
    let part = |name, key| device.child(name).and_then(|part| part.attribute(key));
    let target = part("target", "dev").filter(|_| device.is("disk"));
    let keys = [
        ("name", target),
        ("mac_address", part("mac", "address")),
        ("alias", part("alias", "name")),
    ];
    let is_same = |told: &&Element| {
        keys.iter().any(|(key, of_device)| {
            let (told, of_device) = (told.attribute(key), of_device.as_deref());
            told.zip(of_device)
                .is_some_and(|(a, b)| a.eq_ignore_ascii_case(b))
        })
    };
    ovirt?.elements().find(is_same)
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

/// The consoles that a viewer can open.
pub(super) fn consoles(domain: &Element) -> BTreeMap<GraphicsType, GraphicsInfo> {
    let devices = domain.child("devices").into_iter();
    devices
        .flat_map(|devices| devices.children("graphics"))
        .filter_map(|console| {
            let kind = GraphicsType::from_libvirt(console.attribute("type")?);
            let port = |name| {
                console
                    .attribute(name)?
                    .parse::<u16>()
                    .ok()
                    .filter(|port| *port > 0)
            };
            let listen = |name: &str| {
                let inside = console
                    .child("listen")
                    .and_then(|listen| listen.attribute(name));
                inside.map(str::to_owned)
            };
            let info = GraphicsInfo {
                ip: listen("address").or(console.attribute("listen").map(str::to_owned)),
                port: port("port"),
                tls_port: port("tlsPort"),
                socket: listen("socket")
                    .or(console.attribute("socket").map(str::to_owned))
                    .map(PathBuf::from),
                ticket: console.attribute("passwd").map(Secret::new),
                ticket_valid_to: console.attribute("passwdValidTo").map(str::to_owned),
            };
            let is_open = info.port.is_some() || info.tls_port.is_some() || info.socket.is_some();
            is_open.then_some((kind, info))
        })
        .collect()
}

/// Whether an agent's channel is connected; `None` without such a channel, or where it is not told.
pub(super) fn agent_is_connected(domain: &Element, name: &str) -> Option<bool> {
    let mut targets = domain
        .child("devices")?
        .children("channel")
        .filter_map(|channel| channel.child("target"));
    let target = targets.find(|target| target.attribute("name") == Some(name))?;
    Some(target.attribute("state")? == "connected")
}

/// The CD or floppy with which the guest is initialized: oVirt's, or one of vmlife's making.
fn payload(domain: &Element, ovirt: Option<&Element>) -> Option<VmPayload> {
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
pub(super) const PAYLOAD_ALIAS: &str = "ua-vmlife-payload";

fn alias(device: &Element) -> Option<&str> {
    device.child("alias")?.attribute("name")
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
    use super::*;

    #[test]
    fn disks_are_lettered_beyond_z() {
        let letters: Vec<_> = [0, 25, 26, 27, 701, 702].map(disk_letters).into();
        assert_eq!(letters, ["a", "z", "aa", "ab", "zz", "aaa"]);
        let mut taken = vec!["vda".to_owned()];
        assert_eq!(free_target("vd", &mut taken), "vdb");
        assert_eq!(free_target("vd", &mut taken), "vdc");
    }
}
