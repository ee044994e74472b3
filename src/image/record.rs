//! The record beside an image: what its own header does not tell.

use super::place::SUFFIX;
use super::user::own_uid;
use super::{CAREFUL, DiskIdentity};
use crate::definition::MovedDisk;
use crate::entity::{MemorySize, VmStatus};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// No record is longer, however many disks there are.
const SIZE_LIMIT: u64 = 1024 * 1024;

/// What is known about an image, as `<image>.json` beside it. Losing it never invalidates the image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Grows when the meaning of a field changes.
    pub schema_version: u32,
    /// The VM's name.
    pub name: String,
    /// The VM's UUID.
    pub id: Uuid,
    /// When the save ended.
    pub saved_at: Timestamp,
    /// The status before the save.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_before: Option<VmStatus>,
    /// Whether the guest ran, and so runs on when it is restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was_running: Option<bool>,
    /// Whether libvirt kept a definition of the VM; if not, the image has the only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent: Option<bool>,
    /// The machine type that the memory was laid out for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emulated_machine: Option<String>,
    /// The connection through which it was saved; absent if vmlife did not save it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// The host of that connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// libvirt's version there, as it numbers itself: major × 1,000,000 + minor × 1,000 + release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub libvirt_version: Option<u32>,
    /// The hypervisor's version there, numbered likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hypervisor_version: Option<u32>,
    /// How long the save took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// How the memory is stored, as the image's header tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_format: Option<String>,
    /// By how many channels it was written, if by several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel_channels: Option<u8>,
    /// Whether it was written past the page cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bypass_cache: Option<bool>,
    /// Which file this is about. A record whose image has been replaced says nothing of the new one.
    pub image: FileIdentity,
    /// The image's checksum, as [`super::checksum`] gives it, if one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    /// The files that the VM's disks were made of when libvirt had ended the VM. Absent if they were not
    /// looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disks: Option<Vec<DiskIdentity>>,
    /// The disks that the guest could write to and of which no file tells.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub untold_disks: Vec<String>,
    /// The files of the firmware's variables and of the TPM. They are not compared: a restore writes both anew,
    /// from the image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub firmware: Vec<DiskIdentity>,
    /// Disks that the next boot was to have in other files already when it was saved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next_disks: Vec<MovedDisk>,
    /// The memory that the guest had, in MiB, before it was shrunk for the save; it is given back after a restore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_before_trim: Option<MemorySize>,
    /// Whether the guest's agent was connected: it will be again when the guest runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub had_agent: Option<bool>,
    /// What was done against a guard.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forced: Vec<Forced>,
    /// What has been done with the image since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// The last start in libvirt's log that was none from which the guest ran, if a restore was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_start: Option<Timestamp>,
    /// Whether others than the image's owner, root and we may have written the record: then nothing
    /// that it says in the image's favour is believed.
    #[serde(skip)]
    pub is_open: bool,
}

/// A guard that somebody overrode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Forced {
    /// When.
    pub at: Timestamp,
    /// The user's number.
    pub uid: u32,
    /// What the guard said.
    pub against: String,
}

impl Forced {
    /// By this process's user, now.
    #[must_use]
    pub fn now(against: impl Into<String>) -> Self {
        Self {
            at: Timestamp::now(),
            uid: own_uid().unwrap_or_default(),
            against: against.into(),
        }
    }
}

/// What has been done with an image since it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind", content = "at")]
pub enum Usage {
    /// A restore of it began. As long as this stands, nobody knows whether the guest ran.
    RestoreBegan(Timestamp),
    /// The guest has not run since, although libvirt says that the VM was ended by force or crashed: a restore
    /// was given up before it let the guest run, or QEMU died when all had been written.
    NotRunSince(Timestamp),
    /// The VM has run since: from this image, or without it. Its disks have moved on.
    LeftBehind(Timestamp),
}

/// What tells a file from another one in the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileIdentity {
    /// Bytes.
    pub size_bytes: u64,
    /// Nanoseconds since 1970 of the last modification.
    pub modified_ns: i128,
}

impl From<&Metadata> for FileIdentity {
    fn from(file: &Metadata) -> Self {
        Self {
            size_bytes: file.len(),
            modified_ns: i128::from(file.mtime()) * 1_000_000_000 + i128::from(file.mtime_nsec()),
        }
    }
}

impl Record {
    /// The version of what is written.
    pub const SCHEMA_VERSION: u32 = 1;

    /// The record's own file.
    #[must_use]
    pub fn path_of(image: &Path) -> PathBuf {
        let mut name = image.as_os_str().to_owned();
        name.push(Self::SUFFIX);
        name.into()
    }

    /// The record beside an image, whichever image it is about. `None` if there is none, or if what is
    /// there is no record: a lost record is no harm.
    ///
    /// # Errors
    /// If a newer vmlife wrote it: what it says then must not be ignored.
    pub fn beside(image: &Path) -> io::Result<Option<Self>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Version {
            schema_version: u32,
        }
        let mut text = Vec::new();
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(CAREFUL)
            .open(Self::path_of(image));
        let Ok(file) = opened else {
            return Ok(None);
        };
        let is_open = file.metadata().is_ok_and(|found| is_open(&found, image));
        if file.take(SIZE_LIMIT).read_to_end(&mut text).is_err() {
            return Ok(None);
        }
        if serde_json::from_slice(&text)
            .is_ok_and(|record: Version| record.schema_version > Self::SCHEMA_VERSION)
        {
            return Err(io::Error::other("its record was written by a newer vmlife"));
        }
        let record: Option<Self> = serde_json::from_slice(&text).ok();
        Ok(record.map(|record| {
            // What it says against the image is heeded all the same.
            let checksum = record.checksum.filter(|_| !is_open);
            Self {
                checksum,
                is_open,
                ..record
            }
        }))
    }

    /// The record of this image of this VM. That the file has been touched or copied since is no matter:
    /// what has the same size is the same image.
    ///
    /// # Errors
    /// As [`Record::beside`].
    pub fn of(image: &Path, identity: FileIdentity, id: Uuid) -> io::Result<Option<Self>> {
        Ok(Self::beside(image)?
            .filter(|record| record.id == id && record.image.size_bytes == identity.size_bytes))
    }

    /// Whether it was written on this machine: elsewhere files have other numbers.
    #[must_use]
    pub fn is_of_this_host(&self) -> bool {
        let name = rustix::system::uname();
        let name = name.nodename().to_string_lossy();
        let short = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
        let host = self.host.as_deref();
        host.is_none_or(|host| short(host) == short(&name))
    }

    /// Up to when starts in libvirt's log are known not to have run the guest.
    #[must_use]
    pub fn known_start(&self) -> Option<Timestamp> {
        match self.usage {
            Some(Usage::NotRunSince(_)) => self.known_start,
            _ => None,
        }
    }

    /// Why it cannot tell whether the disks are as they were when this image was written, if so.
    #[must_use]
    pub fn doubt(&self, identity: FileIdentity) -> Option<&'static str> {
        if self.is_open {
            Some("others may write its record, which is not trusted")
        } else if self.image != identity {
            Some("the file has been copied or changed since its record was written")
        } else if self.disks.is_none() {
            Some("its record does not tell of disks")
        } else {
            None
        }
    }

    /// Whether the place of an image's record is free, or taken by a record: nothing else may be
    /// overwritten or removed.
    #[must_use]
    pub fn may_be_written(image: &Path) -> bool {
        match Self::path_of(image).symlink_metadata() {
            Err(error) => error.kind() == io::ErrorKind::NotFound,
            Ok(_) => Self::beside(image).is_ok_and(|record| record.is_some()),
        }
    }

    /// Whether there can be a record of this image: its place is free, or taken by a record, or by what can be
    /// put aside.
    ///
    /// # Errors
    /// If there is something else.
    pub fn has_room(image: &Path) -> io::Result<()> {
        if Self::may_be_written(image) || Self::may_be_put_aside(image) {
            return Ok(());
        }
        Err(in_the_way(&Self::path_of(image)))
    }

    /// Whether what lies in the place of a record is none, and nobody else's either: beside an image that is named
    /// as ours are, a file that can be read, or a link. What cannot be read may be a record.
    fn may_be_put_aside(image: &Path) -> bool {
        let path = Self::path_of(image);
        let is_read = || {
            let opened = OpenOptions::new()
                .read(true)
                .custom_flags(CAREFUL)
                .open(&path);
            let text = &mut Vec::new();
            opened.is_ok_and(|file| file.take(SIZE_LIMIT).read_to_end(text).is_ok())
        };
        let is_none = || Self::beside(image).is_ok_and(|record| record.is_none());
        image.extension().is_some_and(|end| end == SUFFIX)
            && path
                .symlink_metadata()
                .is_ok_and(|found| found.is_symlink() || found.is_file() && is_read() && is_none())
    }

    /// Renames what lies in the place of a record and is none, such as a garbled one: not read, followed nor removed.
    /// Says what it is called then.
    ///
    /// # Errors
    /// What the file system says; or that something has that name already.
    pub fn put_aside(image: &Path) -> io::Result<Option<PathBuf>> {
        if !Self::may_be_put_aside(image) {
            return Ok(None);
        }
        let path = Self::path_of(image);
        let mut aside = path.clone().into_os_string();
        aside.push(".bad");
        let aside = PathBuf::from(aside);
        if aside.symlink_metadata().is_ok() {
            let words = format!("{} and {} are no records", path.display(), aside.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, words));
        }
        std::fs::rename(path, &aside)?;
        Ok(Some(aside))
    }

    /// How a record's file ends.
    pub(super) const SUFFIX: &'static str = ".json";
    /// How the file ends in which a record is written before it is one.
    pub(super) const HALF_SUFFIX: &'static str = ".vmlife-half";

    /// Where a record is written before it is one. Its name is always the same, so that a half of it, which
    /// a killed vmlife left, is found.
    fn half_of(image: &Path) -> PathBuf {
        let mut name = Self::path_of(image).into_os_string();
        name.push(Self::HALF_SUFFIX);
        name.into()
    }

    /// Removes what a killed vmlife had written of a record. Whoever does that holds the VM's lock.
    ///
    /// # Errors
    /// What the file system says.
    pub(super) fn discard_half(image: &Path) -> io::Result<()> {
        const BEGIN: &[u8] = b"{\n  \"schemaVersion\"";
        let half = Self::half_of(image);
        // A read-only file system refuses also to remove what is not there.
        if half.symlink_metadata().is_err() {
            return Ok(());
        }
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(CAREFUL)
            .open(&half);
        let mut begin = Vec::new();
        let read = opened.and_then(|file| file.take(BEGIN.len() as u64).read_to_end(&mut begin));
        if read.is_err() || !BEGIN.starts_with(&begin) {
            let words = format!("{} is there, and is no half of a record", half.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, words));
        }
        std::fs::remove_file(half)
    }

    /// Removes what an earlier image in this place left: it must not be taken for the next one's.
    ///
    /// # Errors
    /// What the file system says.
    pub fn discard(image: &Path) -> io::Result<()> {
        Self::discard_half(image)?;
        if Self::beside(image)?.is_some() {
            std::fs::remove_file(Self::path_of(image))?;
            File::open(image.parent().unwrap_or(Path::new("/")))?.sync_all()?;
        }
        Ok(())
    }

    /// Writes the record beside the image: wholly or not at all, and so that it outlives a power cut.
    ///
    /// # Errors
    /// What the file system says; or that something else is there.
    pub fn store(&self, image: &Path) -> io::Result<()> {
        let path = Self::path_of(image);
        if !Self::may_be_written(image) {
            return Err(in_the_way(&path));
        }
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        Self::discard_half(image)?;
        let half = Self::half_of(image);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(CAREFUL)
            .open(&half)?;
        let written = file
            .write_all(&text)
            .and_then(|()| file.sync_all())
            .and_then(|()| std::fs::rename(&half, &path));
        if written.is_err() {
            Self::discard_half(image)?;
        }
        written?;
        File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
    }
}

fn in_the_way(path: &Path) -> io::Error {
    let words = format!("{} is there, and is no record", path.display());
    io::Error::new(io::ErrorKind::AlreadyExists, words)
}

/// Whether others than the image's owner, root and we may have written a record.
fn is_open(record: &Metadata, image: &Path) -> bool {
    let owner = image.symlink_metadata().ok().map(|image| image.uid());
    let is_known = record.uid() == 0 || [owner, own_uid()].contains(&Some(record.uid()));
    record.mode() & 0o022 != 0 || !is_known
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    /// A record as the first vmlife wrote it.
    const OLD: &str = r#"{ "schemaVersion": 1, "name": "vm", "id": "6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a11",
        "savedAt": "2026-03-01T10:00:00Z", "statusBefore": "Up", "uri": "qemu:///system",
        "image": { "sizeBytes": 8, "modifiedNs": 1772359200000000000 } }"#;

    struct Place(tempfile::TempDir);

    impl Place {
        fn new(record: &str) -> Self {
            let place = Self(tempfile::tempdir().unwrap());
            fs::write(place.image(), "anything").unwrap();
            let path = Record::path_of(&place.image());
            fs::write(&path, record).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            place
        }

        fn image(&self) -> PathBuf {
            self.0.path().join("a.vmsave")
        }

        fn of(&self, id: &str, size_bytes: u64) -> Option<Record> {
            let identity = FileIdentity {
                size_bytes,
                modified_ns: 0,
            };
            Record::of(&self.image(), identity, id.parse().unwrap()).unwrap()
        }
    }

    const ID: &str = "6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a11";

    #[test]
    fn an_older_record_is_read_and_does_not_tell_of_disks() {
        let record = Place::new(OLD).of(ID, 8).unwrap();
        let doubt = record.doubt(record.image);
        assert_eq!(doubt, Some("its record does not tell of disks"));
        let written: Record =
            serde_json::from_str(&serde_json::to_string(&record).unwrap()).unwrap();
        assert_eq!(written, record);
    }

    #[test]
    fn a_record_of_another_vm_or_of_another_length_says_nothing() {
        let place = Place::new(OLD);
        assert_eq!(place.of("6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a12", 8), None);
        assert_eq!(place.of(ID, 9), None);
        assert_eq!(Place::new("{\"mine\": 1}").of(ID, 8), None);
        assert_eq!(Place::new(&"[".repeat(100_000)).of(ID, 8), None);
    }

    #[test]
    fn what_others_may_write_is_not_believed_but_a_mark_of_use_is() {
        let record = Place::new(OLD).of(ID, 8).unwrap();
        let usage = Some(Usage::LeftBehind(record.saved_at));
        let tampered = Record {
            disks: Some(Vec::new()),
            checksum: Some("blake3:00".to_owned()),
            usage,
            ..record
        };
        let place = Place::new(&serde_json::to_string(&tampered).unwrap());
        let trusted = place.of(ID, 8).unwrap();
        assert_eq!((trusted.doubt(trusted.image), &trusted), (None, &tampered));
        let path = Record::path_of(&place.image());
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        let open = place.of(ID, 8).unwrap();
        assert!(open.doubt(open.image).unwrap().contains("not trusted"));
        assert_eq!((open.checksum, open.usage), (None, usage));
    }
}
