//! The place of an image, taken before libvirt writes to it.

use super::CAREFUL;
use crate::interrupt::aside;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// How often what was written is sent to the disk.
const PACE: Duration = Duration::from_millis(100);

/// An empty file that was made for an image. libvirt opens whatever lies where it is to write, and empties it. So
/// the file is made first: two saves cannot go to the same one, and neither a link nor a device can be put in
/// its place where others may not remove it.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    number: (u64, u64),
    file: Option<File>,
}

/// What is written to a file goes to the disk at once, until that is over.
#[derive(Debug, Default)]
pub struct WriteBack {
    over: AtomicBool,
    trouble: Mutex<Option<io::Error>>,
}

impl WriteBack {
    /// No more is written.
    pub fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    /// What went wrong: a file system tells that once, and not again to a flush that comes later.
    ///
    /// # Errors
    /// What the file system said.
    pub fn went_well(&self) -> io::Result<()> {
        let trouble = self.trouble.lock();
        let trouble = trouble.unwrap_or_else(PoisonError::into_inner).take();
        trouble.map_or(Ok(()), Err)
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
            file: Some(file),
        })
    }

    /// Has the kernel write to the disk what it holds of the file while that is written: it would begin only when it
    /// holds much, and the flush at the end take the longer. QEMU's end is time enough for most of it.
    #[must_use]
    pub fn write_back(&mut self) -> Arc<WriteBack> {
        let write_back = Arc::<WriteBack>::default();
        let (file, shared) = (self.file.take(), Arc::clone(&write_back));
        // Some file systems flush a file when it is closed: that, too, is nothing to wait for here.
        aside(move || {
            let Some(file) = file else { return };
            let mut sent = 0;
            while !shared.over.load(Ordering::SeqCst) {
                thread::sleep(PACE);
                let length = file.metadata().map_or(sent, |found| found.len());
                if length > sent
                    && let Err(error) = file.sync_data()
                {
                    let trouble = shared.trouble.lock();
                    *trouble.unwrap_or_else(PoisonError::into_inner) = Some(error);
                }
                sent = length;
            }
        });
        write_back
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
