//! The place of an image, taken before libvirt writes to it.

use super::CAREFUL;
use crate::interrupt::aside;
use rustix::fs::{Advice, fadvise};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// How often what was written is sent to the disk.
const PACE: Duration = Duration::from_millis(50);

/// An empty file that was made for an image. libvirt opens whatever lies where it is to write, and empties it. So
/// the file is made first: two saves cannot go to the same one, and neither a link nor a device can be put in
/// its place where others may not remove it.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    number: (u64, u64),
    file: Arc<File>,
}

/// What is written to a file is on its way to the disk until this is dropped.
#[derive(Debug)]
pub struct WriteBack(Arc<AtomicBool>);

impl Drop for WriteBack {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Claim {
    /// Makes the file, readable for its owner only.
    ///
    /// # Errors
    /// What the file system says: `AlreadyExists` if anything is there, be it a link to nowhere.
    pub fn make(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(CAREFUL)
            .open(path)?;
        let made = file.metadata()?;
        Ok(Self {
            path: path.to_owned(),
            number: (made.dev(), made.ino()),
            file: Arc::new(file),
        })
    }

    /// Has the kernel write to the disk what it holds of the file while that is written: it would begin only when it
    /// holds much, and the flush at the end take the longer. QEMU's end is time enough for most of it.
    #[must_use]
    pub fn write_back(&self) -> WriteBack {
        let over = Arc::new(AtomicBool::new(false));
        let (file, is_over) = (Arc::clone(&self.file), Arc::clone(&over));
        aside(move || {
            let mut sent = 0;
            while !is_over.load(Ordering::SeqCst) {
                thread::sleep(PACE);
                let length = file.metadata().map_or(sent, |found| found.len());
                if let Some(more) = NonZeroU64::new(length.saturating_sub(sent)) {
                    // Linux takes this for a wish to begin with what is dirty there; that is kept, too. Whatever goes
                    // wrong with it the flush finds.
                    let _ = fadvise(&file, sent, Some(more), Advice::DontNeed);
                    sent = length;
                }
            }
        });
        WriteBack(over)
    }

    /// Whether it is that file which lies there.
    #[must_use]
    pub fn is_there(&self) -> bool {
        let found = fs::symlink_metadata(&self.path);
        found.is_ok_and(|found| (found.dev(), found.ino()) == self.number)
    }

    /// Gives the place up again: nothing was written.
    ///
    /// # Errors
    /// What the file system says.
    pub fn withdraw(self) -> io::Result<()> {
        if self.is_there() {
            fs::remove_file(&self.path)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_taken_once_and_never_by_way_of_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let claim = Claim::make(&path).unwrap();
        assert!(claim.is_there());
        let again = Claim::make(&path).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        fs::rename(&path, folder.path().join("b")).unwrap();
        fs::write(&path, "another's").unwrap();
        assert!(!claim.is_there());
        claim.withdraw().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "another's");
        let link = folder.path().join("l");
        std::os::unix::fs::symlink(folder.path().join("nowhere"), &link).unwrap();
        assert!(Claim::make(&link).is_err());
        Claim::make(&folder.path().join("c"))
            .unwrap()
            .withdraw()
            .unwrap();
        assert!(!folder.path().join("c").exists());
    }
}
