//! The record beside an image: what its own header does not tell.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use uuid::Uuid;

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
    /// When a restore began that may have let the guest run: from then on the disks move on, and the
    /// image must not be used again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_at: Option<Timestamp>,
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

    /// The record of an image, if there is one that is about this very file.
    #[must_use]
    pub fn load(image: &Path, identity: FileIdentity) -> Option<Self> {
        let text = fs::read(Self::path_of(image)).ok()?;
        let record: Self = serde_json::from_slice(&text).ok()?;
        (record.schema_version == Self::SCHEMA_VERSION && record.image == identity)
            .then_some(record)
    }

    /// Writes the record beside the image: wholly or not at all, and so that it outlives a power cut.
    ///
    /// # Errors
    /// What the file system says.
    pub fn store(&self, image: &Path) -> io::Result<()> {
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
