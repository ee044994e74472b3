//! The record beside an image: what its own header does not tell.

use super::CAREFUL;
use crate::entity::VmStatus;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// No record is longer.
const SIZE_LIMIT: u64 = 64 * 1024;

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
    /// Which file this is about. A record whose image has been replaced says nothing of the new one.
    pub image: FileIdentity,
    /// What has been done with the image since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// What has been done with an image since it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind", content = "at")]
pub enum Usage {
    /// A restore of it began. As long as this stands, nobody knows whether the guest ran.
    RestoreBegan(Timestamp),
    /// A restore of it was given up before the guest ran: libvirt then remembers only that the VM was
    /// ended by force.
    GivenUp(Timestamp),
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
        name.push(".json");
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
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(CAREFUL)
            .open(Self::path_of(image));
        if file
            .and_then(|file| file.take(SIZE_LIMIT).read_to_end(&mut text))
            .is_err()
        {
            return Ok(None);
        }
        if serde_json::from_slice(&text)
            .is_ok_and(|record: Version| record.schema_version > Self::SCHEMA_VERSION)
        {
            return Err(io::Error::other("its record was written by a newer vmlife"));
        }
        Ok(serde_json::from_slice(&text).ok())
    }

    /// The record of this very file. A mark of use also sticks to a file that has only been touched or
    /// copied since: what has the same size is the same image.
    ///
    /// # Errors
    /// As [`Record::beside`].
    pub fn of(image: &Path, identity: FileIdentity) -> io::Result<Option<Self>> {
        Ok(Self::beside(image)?.filter(|record| {
            record.image == identity
                || record.usage.is_some() && record.image.size_bytes == identity.size_bytes
        }))
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

    /// Removes what an earlier image in this place left: it must not be taken for the next one's.
    ///
    /// # Errors
    /// What the file system says.
    pub fn discard(image: &Path) -> io::Result<()> {
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
        if !Self::may_be_written(image) {
            let path = Self::path_of(image);
            let words = format!("{} is there, and is no record", path.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, words));
        }
        let path = Self::path_of(image);
        let folder = path.parent().unwrap_or(Path::new("/"));
        // tempfile makes it readable for the owner only.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer_pretty(&mut file, self)?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|error| error.error)?;
        File::open(folder)?.sync_all()
    }
}
