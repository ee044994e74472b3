//! Whether a VM's disks are still what they were when its memory was saved.
//!
//! Old memory over newer disks destroys file systems: what the guest believes to be on them is there no
//! more. So a record keeps what tells each file from itself at a later time.

use crate::entity::{DiskImage, Vm};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file that a VM may write to, as it was when the VM's memory was saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DiskIdentity {
    /// The disk's name in libvirt, such as `vda`; `nvram` and `tpm` for these.
    pub target: String,
    /// Where the file lies.
    pub path: PathBuf,
    /// The number of the file system's device. The next boot of the host may give it another one, so
    /// that it is not compared.
    pub device: u64,
    /// The file's number in that file system.
    pub inode: u64,
    /// Bytes.
    pub size_bytes: u64,
    /// Nanoseconds since 1970 of the last modification.
    pub modified_ns: i128,
    /// Nanoseconds since 1970 of the last change of anything about it. libvirt itself changes owners and
    /// labels whenever a VM starts or stops, so that it is not compared.
    pub changed_ns: i128,
}

/// How a file is otherwise than it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is not there.
    Gone,
    /// Another file is in its place.
    Replaced,
    /// It has another length.
    Resized {
        /// The length that it had.
        from: u64,
        /// The length that it has.
        to: u64,
    },
    /// It was written to, at this time.
    Written(Timestamp),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("is gone"),
            Self::Replaced => f.write_str("has been replaced by another file"),
            Self::Resized { from, to } => write!(f, "has {to} bytes now, and had {from}"),
            Self::Written(at) => write!(f, "was written to since, at {at:.0}"),
        }
    }
}

impl DiskIdentity {
    /// The file as it is now. `None` if it is no regular file, of which alone this tells anything.
    ///
    /// # Errors
    /// What the file system says.
    pub fn of(target: &str, path: &Path) -> io::Result<Option<Self>> {
        let found = fs::metadata(path)?;
        Ok(found
            .is_file()
            .then(|| Self::new(target.to_owned(), path.to_owned(), &found)))
    }

    fn new(target: String, path: PathBuf, found: &Metadata) -> Self {
        let time = |seconds: i64, part: i64| i128::from(seconds) * 1_000_000_000 + i128::from(part);
        Self {
            target,
            path,
            device: found.dev(),
            inode: found.ino(),
            size_bytes: found.len(),
            modified_ns: time(found.mtime(), found.mtime_nsec()),
            changed_ns: time(found.ctime(), found.ctime_nsec()),
        }
    }

    /// How it has changed, if it is now like this; `None` stands for a file that is gone.
    #[must_use]
    pub fn change(&self, now: Option<&Self>) -> Option<Change> {
        let Some(now) = now else {
            return Some(Change::Gone);
        };
        if now.inode != self.inode {
            return Some(Change::Replaced);
        }
        if now.size_bytes != self.size_bytes {
            return Some(Change::Resized {
                from: self.size_bytes,
                to: now.size_bytes,
            });
        }
        (now.modified_ns != self.modified_ns).then(|| {
            let at = Timestamp::from_nanosecond(now.modified_ns);
            Change::Written(at.unwrap_or_default())
        })
    }
}

/// The files that the disks of a VM are made of, layers below them too, and the disks of which this
/// tells nothing: devices, the network, what may not be looked at, and what other VMs write to as well.
/// What the guest can only read does not count.
#[must_use]
pub fn writable_disks(vm: &Vm) -> (Vec<DiskIdentity>, Vec<String>) {
    let (mut disks, mut untold) = (Vec::new(), Vec::new());
    for disk in vm.vm_static.images.iter().filter(|disk| !disk.read_only) {
        let target = disk.target_dev.as_deref().unwrap_or(&disk.disk_alias);
        let layers = [disk].into_iter().chain(&disk.snapshots);
        let found: Option<Vec<DiskIdentity>> = layers
            .map(|layer| {
                let path = file_of(layer).filter(|_| !disk.shareable)?;
                DiskIdentity::of(target, path).ok()?
            })
            .collect();
        match found {
            Some(found) => disks.extend(found),
            None => untold.push(target.to_owned()),
        }
    }
    (disks, untold)
}

fn file_of(disk: &DiskImage) -> Option<&Path> {
    let is_file = disk
        .source_type
        .as_deref()
        .is_none_or(|kind| kind == "file");
    disk.image_path
        .as_deref()
        .filter(|_| is_file)
        .map(Path::new)
}

/// What has become of files since, in words: those that have changed, and those that may not be looked at.
#[must_use]
pub fn changes(disks: &[DiskIdentity]) -> (Vec<String>, Vec<String>) {
    let (mut changed, mut untold) = (Vec::new(), Vec::new());
    for disk in disks {
        let now = match DiskIdentity::of(&disk.target, &disk.path) {
            // What is no file any more is not the file that it was.
            Ok(now) => now,
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(_) => {
                untold.push(disk.target.clone());
                continue;
            }
        };
        if let Some(change) = disk.change(now.as_ref()) {
            let path = disk.path.display();
            changed.push(format!("disk {} ({path}) {change}", disk.target));
        }
    }
    (changed, untold)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk() -> DiskIdentity {
        DiskIdentity {
            target: "vda".to_owned(),
            path: "/disk".into(),
            device: 1,
            inode: 2,
            size_bytes: 3,
            modified_ns: 4,
            changed_ns: 5,
        }
    }

    #[test]
    fn length_number_and_time_decide_and_what_libvirt_does_to_owners_does_not() {
        let old = disk();
        let with = |change: fn(&mut DiskIdentity)| {
            let mut now = disk();
            change(&mut now);
            old.change(Some(&now))
        };
        assert_eq!(with(|_| ()), None);
        assert_eq!(with(|now| now.changed_ns += 1), None, "owners, labels");
        assert_eq!(with(|now| now.device += 1), None, "the host booted");
        assert_eq!(with(|now| now.inode += 1), Some(Change::Replaced));
        let resized = Change::Resized { from: 3, to: 4 };
        assert_eq!(with(|now| now.size_bytes += 1), Some(resized));
        let back = with(|now| now.modified_ns -= 1);
        assert!(
            matches!(back, Some(Change::Written(_))),
            "also an older one"
        );
        assert_eq!(old.change(None), Some(Change::Gone));
    }

    #[test]
    fn files_and_their_layers_are_told_and_what_else_there_is_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = folder.path().join(name);
            fs::write(&path, name).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let vm: Vm = serde_json::from_value(serde_json::json!({ "vmStatic": { "images": [
            { "targetDev": "vda", "imagePath": file("a"), "snapshots": [{ "imagePath": file("b") }] },
            { "targetDev": "vdb", "imagePath": file("c"), "readOnly": true },
            { "targetDev": "vdc", "imagePath": "/dev/null", "sourceType": "block" },
            { "targetDev": "vdd", "imagePath": file("d"), "shareable": true },
            { "targetDev": "vde", "imagePath": "/nonexistent" },
        ] } }))
        .unwrap();
        let (disks, untold) = writable_disks(&vm);
        let names: Vec<_> = disks.iter().map(|disk| disk.path.file_name()).collect();
        assert_eq!(names, [Some("a".as_ref()), Some("b".as_ref())]);
        assert_eq!(untold, ["vdc", "vdd", "vde"]);
        assert_eq!(changes(&disks), (vec![], vec![]));
        fs::write(&disks[0].path, "longer").unwrap();
        fs::remove_file(&disks[1].path).unwrap();
        let (changed, _) = changes(&disks);
        assert!(
            changed[0].ends_with("a) has 6 bytes now, and had 1"),
            "{changed:?}"
        );
        assert!(changed[1].ends_with("b) is gone"), "{changed:?}");
    }
}
