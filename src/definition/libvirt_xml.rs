//! What is read of libvirt's other documents: snapshots, storage volumes, the host.

use super::binding::Scalar;
use super::tree::{Document, Element};
use crate::entity::{DiskImage, QcowCompat, Secret, Snapshot, SnapshotType, Vm};
use jiff::Timestamp;
use std::path::PathBuf;
use uuid::Uuid;

/// Reads what `virDomainSnapshotGetXMLDesc` gives. What cannot be read leaves its fields empty: a
/// snapshot is told by its name all the same.
#[must_use]
pub fn read_snapshot(name: &str, is_current: bool, xml: &str) -> Snapshot {
    let mut snapshot = Snapshot {
        id: name.parse().ok(),
        name: name.to_owned(),
        current: is_current,
        snapshot_type: Some(SnapshotType::Regular),
        ..Snapshot::default()
    };
    let Ok(document) = Document::parse(xml) else {
        snapshot.vm_configuration_broken = true;
        return snapshot;
    };
    let root = &document.root;
    let text = |path| {
        root.find(path)
            .map(|element| element.text().trim().to_owned())
    };
    snapshot.parent = text("parent/name");
    snapshot.vm_state = text("state");
    snapshot.description = root.child("description").map(Element::text);
    snapshot.creation_date = text("creationTime").and_then(|time| Scalar::read(&time).ok());
    snapshot.memory = root.child("memory").and_then(|memory| {
        match (memory.attribute("snapshot"), memory.attribute("file")) {
            (_, Some(file)) => Some(PathBuf::from(file)),
            (Some("internal"), None) => Some(PathBuf::from("internal")),
            _ => None,
        }
    });
    let mut then = Vm::default();
    if let Some(domain) = root.child("domain") {
        snapshot.vm_configuration_available = true;
        let configuration = domain.to_string();
        let read = super::read_domain(&configuration);
        snapshot.vm_configuration_broken = read.is_err();
        then = read.unwrap_or_default();
        snapshot.vm_id = then.id();
        snapshot.vm_configuration = Some(Secret::new(configuration));
    }
    let disks = root.child("disks").into_iter();
    snapshot.disk_images = disks
        .flat_map(|disks| disks.children("disk"))
        .filter(|disk| disk.attribute("snapshot") != Some("no"))
        .map(|disk| {
            let target = disk.attribute("name").map(str::to_owned);
            let mut disks = then.vm_static.images.iter();
            let known = disks.find(|known| known.target_dev == target).cloned();
            known.unwrap_or(DiskImage {
                target_dev: target,
                ..DiskImage::default()
            })
        })
        .collect();
    snapshot
}

/// What a storage volume tells of a disk.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VolumeFacts {
    /// The version of its format. Source: `/volume/target/compat`.
    pub compat: Option<QcowCompat>,
    /// When it was made. Source: `/volume/target/timestamps/btime`.
    pub created: Option<Timestamp>,
    /// When it was last written to. Source: `/volume/target/timestamps/mtime`.
    pub modified: Option<Timestamp>,
}

/// Reads what `virStorageVolGetXMLDesc` gives.
#[must_use]
pub fn read_volume(xml: &str) -> VolumeFacts {
    let Ok(document) = Document::parse(xml) else {
        return VolumeFacts::default();
    };
    let text = |path| document.root.find(path).map(Element::text);
    let time = |path| {
        let time: Option<Timestamp> = text(path).and_then(|time| Scalar::read(&time).ok());
        // A time that the file system does not keep is told as 0.
        time.filter(|time| *time > Timestamp::UNIX_EPOCH)
    };
    let format = document.root.find("target/format");
    let is_qcow2 = format.and_then(|format| format.attribute("type")) == Some("qcow2");
    let version = text("target/compat").map(|version| QcowCompat::from_libvirt(version.trim()));
    VolumeFacts {
        // libvirt names the newer version only.
        compat: version.or(is_qcow2.then_some(QcowCompat::Qcow2V2)),
        created: time("target/timestamps/btime"),
        modified: time("target/timestamps/mtime"),
    }
}

/// The host's UUID in what `virConnectGetCapabilities` gives.
#[must_use]
pub fn read_host_uuid(xml: &str) -> Option<Uuid> {
    let document = Document::parse(xml).ok()?;
    document.root.find("host/uuid")?.text().trim().parse().ok()
}

/// Where the variables of a domain's firmware lie.
#[must_use]
pub fn read_nvram(xml: &str) -> Option<PathBuf> {
    let document = Document::parse(xml).ok()?;
    let nvram = document.root.find("os/nvram")?;
    let source = nvram
        .child("source")
        .and_then(|source| source.attribute("file"));
    let path = source.map_or_else(|| nvram.text().trim().to_owned(), str::to_owned);
    (!path.is_empty()).then(|| path.into())
}

/// How often a domain's balloon asks the guest for its statistics, in seconds; 0 if it does not.
#[must_use]
pub fn read_statistics_period(xml: &str) -> u32 {
    let document = Document::parse(xml).ok();
    let period = document.and_then(|document| {
        let stats = document.root.find("devices/memballoon/stats")?;
        stats.attribute("period")?.parse().ok()
    });
    period.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_balloon_that_asks_for_statistics_tells_how_often() {
        let of = |balloon: &str| {
            read_statistics_period(&format!("<domain><devices>{balloon}</devices></domain>"))
        };
        assert_eq!(
            of("<memballoon model='virtio'><stats period='5'/></memballoon>"),
            5
        );
        assert_eq!(of("<memballoon model='virtio'/>"), 0);
        assert_eq!(of(""), 0);
        assert_eq!(read_statistics_period("<domain"), 0);
    }

    #[test]
    fn a_snapshot_tells_its_place_in_the_tree_its_memory_and_its_configuration() {
        let snapshot = read_snapshot(
            "before-update",
            true,
            "<domainsnapshot><name>before-update</name><description>a
b</description><state>running</state>
            <parent><name>clean</name></parent><creationTime>1700000000</creationTime><memory snapshot='internal'/>
            <disks><disk name='vda' snapshot='internal'/></disks>
            <domain type='kvm'><name>web</name><uuid>6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a11</uuid></domain></domainsnapshot>",
        );
        assert_eq!(snapshot.parent.as_deref(), Some("clean"));
        assert_eq!(snapshot.description.as_deref(), Some("a\nb"));
        assert_eq!(snapshot.memory, Some("internal".into()));
        assert_eq!(snapshot.creation_date.unwrap().as_second(), 1_700_000_000);
        assert!(snapshot.vm_configuration_available && !snapshot.vm_configuration_broken);
        assert_eq!(snapshot.disk_images[0].target_dev.as_deref(), Some("vda"));
        assert!(read_snapshot("x", false, "<broken").vm_configuration_broken);
    }

    #[test]
    fn the_firmwares_variables_are_found_in_either_form() {
        for (nvram, path) in [
            ("<nvram>/a</nvram>", Some("/a")),
            ("<nvram type='file'><source file='/b'/></nvram>", Some("/b")),
            ("<nvram template='/c'/>", None),
            ("", None),
        ] {
            let xml = format!("<domain><os>{nvram}</os></domain>");
            assert_eq!(read_nvram(&xml), path.map(PathBuf::from), "{nvram}");
        }
    }

    #[test]
    fn a_volume_tells_its_version_and_its_times() {
        let facts = read_volume(
            "<volume><target><compat>1.1</compat><timestamps><mtime>1700000000.5</mtime></timestamps></target></volume>",
        );
        assert_eq!(facts.compat, Some(QcowCompat::Qcow2V3));
        assert_eq!(facts.modified.unwrap().as_millisecond(), 1_700_000_000_500);
        assert_eq!(facts.created, None);
        let times = |birth: &str| {
            let xml = format!(
                "<volume><target><timestamps><btime>{birth}</btime></timestamps></target></volume>"
            );
            read_volume(&xml).created
        };
        assert_eq!(times("0"), None, "the file system does not know");
        assert_eq!(times("1700000000.5").unwrap().as_second(), 1_700_000_000);
    }
}
