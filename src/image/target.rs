//! What the file system can do that an image is to be written to.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// So far into the file a page is written, to see whether what lies before it takes room.
const FAR: u64 = 1024 * 1024;
/// Bytes of a page; no disk wants to be written to in larger pieces than that.
const PAGE: usize = 4096;

/// What a file system can do, as far as it could be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Whether it can be written to past the page cache (`O_DIRECT`). `None` if that could not be tried.
    pub direct: Option<bool>,
    /// Whether what was never written takes no room. `None` as above.
    pub holes: Option<bool>,
}

/// A page as `O_DIRECT` wants it.
#[repr(align(4096))]
struct Page([u8; PAGE]);

impl Target {
    /// What could not be tried.
    pub const UNKNOWN: Self = Self {
        direct: None,
        holes: None,
    };

    /// Tries it with a file that has no name, in the folder or, before that is made, in the next one above.
    #[must_use]
    pub fn at(folder: &Path) -> Self {
        let Some(folder) = folder.ancestors().find(|folder| folder.is_dir()) else {
            return Self::UNKNOWN;
        };
        let has_holes = |file: File| {
            file.write_all_at(&Page([1; PAGE]).0, FAR)?;
            Ok(file.metadata()?.blocks() * 512 < FAR)
        };
        let Ok(holes) = nameless(folder, 0).and_then(has_holes) else {
            return Self::UNKNOWN;
        };
        Self {
            direct: Some(nameless(folder, libc::O_DIRECT).and_then(has_holes).is_ok()),
            holes: Some(holes),
        }
    }
}

fn nameless(folder: &Path, flags: i32) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .mode(0o600)
        .custom_flags(libc::O_TMPFILE | flags)
        .open(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn trying_leaves_nothing_behind_and_works_before_the_folder_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let found = Target::at(&folder.path().join("images/of/mine"));
        assert_eq!(found, Target::at(folder.path()));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn where_nothing_can_be_written_nothing_is_known() {
        assert_eq!(Target::at(Path::new("/proc/self")), Target::UNKNOWN);
    }
}
