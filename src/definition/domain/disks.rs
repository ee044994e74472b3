//! Disks and CDs, and where their bytes are.

use super::payload::is_payload;
use crate::definition::binding::{Binding, put};
use crate::definition::tree::{Element, Result};
use crate::entity::{
    DiskImage, DiskInterface, DiskStorageType, PropagateErrors, VolumeClassification, VolumeFormat,
};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// The bus that a CD is on in this machine.
pub(super) fn cd_bus(domain: &Element) -> &'static str {
    let of_type = |name| domain.find("os/type").and_then(|kind| kind.attribute(name));
    let machine = of_type("machine").unwrap_or_default();
    match of_type("arch") {
        None | Some("x86_64" | "i686") if machine.contains("q35") => "sata",
        None | Some("x86_64" | "i686") => "ide",
        Some(_) => "scsi",
    }
}

pub(super) fn is_disk(device: &Element) -> bool {
    device.is("disk") && matches!(device.attribute("device"), None | Some("disk" | "lun"))
}

fn is_cd(device: &Element) -> bool {
    device.is("disk") && device.attribute("device") == Some("cdrom")
}

/// The user's CDs: the payload is none of them.
pub(super) fn cds(devices: &Element) -> impl Iterator<Item = &Element> {
    let all = devices.elements();
    all.filter(|device| is_cd(device) && !is_payload(device))
}

/// Where a disk's bytes are, in one piece of text.
pub(super) fn disk_path(disk: &Element) -> Option<String> {
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

pub(super) fn put_disk_path(disk: &mut Element, path: Option<&str>) {
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

pub(super) fn bind_disk(binding: &mut Binding<'_>, disk: &mut DiskImage) -> Result {
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
        |element| Ok(storage_type(element)),
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

/// What a disk is made of. For what lies on servers oVirt has a word only if a target lies there.
fn storage_type(disk: &Element) -> Option<DiskStorageType> {
    let source = disk.child("source");
    let protocol = source.and_then(|source| source.attribute("protocol"));
    let is_lun = disk.attribute("device") == Some("lun");
    match (disk.attribute("type"), protocol) {
        _ if is_lun => Some(DiskStorageType::Lun),
        (Some("network"), Some("iscsi")) => Some(DiskStorageType::Lun),
        (Some("network"), _) => None,
        _ => Some(DiskStorageType::Image),
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

pub(super) fn base_name(path: Option<&str>) -> String {
    // What follows these names are options of theirs, and may be secret.
    let path = path.map(|path| match path.split_once(':') {
        Some(("rbd", name)) => name.split(':').next().unwrap_or_default(),
        Some(("http" | "https" | "ftp" | "ftps", name)) => {
            name.split('?').next().unwrap_or_default()
        }
        _ => path,
    });
    let name = path.and_then(|path| path.rsplit(['/', ':']).next());
    name.unwrap_or_default().to_owned()
}

/// A disk that a definition adds; what libvirt must be told and the definition does not say is filled in.
pub(super) fn new_disk(disk: &mut DiskImage, targets: &mut Targets) -> Element {
    let bus = disk.disk_interface.get_or_insert(DiskInterface::Virtio);
    let prefix = match bus {
        DiskInterface::Virtio => "vd",
        DiskInterface::Ide => "hd",
        _ => "sd",
    };
    if disk.target_dev.is_none() {
        disk.target_dev = Some(targets.free(prefix));
    }
    // By its serial number a disk's UUID is known again, as in oVirt.
    if let (None, Some(id)) = (&disk.serial, disk.id) {
        disk.serial = Some(id.to_string());
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
pub(super) fn iso_path(disk: &Element) -> Option<PathBuf> {
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
pub(in crate::definition) fn is_elsewhere(iso: &str) -> bool {
    iso.split_once(':').is_some_and(|(kind, _)| {
        !kind.is_empty() && kind.chars().all(|letter| letter.is_ascii_lowercase())
    })
}

pub(super) fn put_iso(
    devices: &mut Element,
    iso: Option<&Path>,
    cd_bus: &str,
    targets: &mut Targets,
) {
    let text = iso.map(Path::to_string_lossy);
    if cds(devices).next().is_none() {
        if text.is_none() {
            return;
        }
        devices.append(new_cd(cd_bus, targets));
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

pub(super) fn new_cd(bus: &str, targets: &mut Targets) -> Element {
    let prefix = if bus == "ide" { "hd" } else { "sd" };
    let mut disk = Element::new("disk")
        .with("type", "file")
        .with("device", "cdrom");
    let target = targets.free(prefix);
    disk.append(Element::new("target").with("dev", &target).with("bus", bus));
    disk.append(Element::new("readonly"));
    disk
}

/// The names that disks and CDs have.
pub(super) struct Targets {
    taken: HashSet<String>,
    /// By prefix, how many names are known to be taken, so that many disks are not counted anew for
    /// each of them.
    passed: HashMap<&'static str, usize>,
}

impl Targets {
    /// The first name with this prefix that nothing has yet; from now on it is taken.
    fn free(&mut self, prefix: &'static str) -> String {
        let number = self.passed.entry(prefix).or_default();
        loop {
            let name = format!("{prefix}{}", disk_letters(*number));
            *number += 1;
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
    }
}

impl FromIterator<String> for Targets {
    fn from_iter<T: IntoIterator<Item = String>>(names: T) -> Self {
        Self {
            taken: names.into_iter().collect(),
            passed: HashMap::new(),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_on_servers_is_a_lun_only_if_it_is_one() {
        use crate::definition::tree::Document;
        for (disk, kind) in [
            (
                "<disk type='file'><source file='/a'/></disk>",
                Some(DiskStorageType::Image),
            ),
            (
                "<disk type='block' device='lun'/>",
                Some(DiskStorageType::Lun),
            ),
            (
                "<disk type='network'><source protocol='iscsi'/></disk>",
                Some(DiskStorageType::Lun),
            ),
            ("<disk type='network'><source protocol='rbd'/></disk>", None),
        ] {
            let document = Document::parse(disk).unwrap();
            assert_eq!(storage_type(&document.root), kind, "{disk}");
        }
    }

    #[test]
    fn disks_are_lettered_beyond_z() {
        let letters: Vec<_> = [0, 25, 26, 27, 701, 702].map(disk_letters).into();
        assert_eq!(letters, ["a", "z", "aa", "ab", "zz", "aaa"]);
        let mut targets: Targets = ["vda", "vdc"].map(str::to_owned).into_iter().collect();
        assert_eq!(targets.free("vd"), "vdb");
        assert_eq!(targets.free("vd"), "vdd");
        assert_eq!(targets.free("hd"), "hda");
    }
}
