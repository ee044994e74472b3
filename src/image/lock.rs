//! One vmlife at a time for each VM: from the first look at it until its image and record are done.

use super::user::{own_uid, user_name};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display, Formatter};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Who holds a VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// What it does.
    pub verb: String,
    /// Since when.
    pub since: Timestamp,
    /// Whose process it is: the user's name, or his number where he has none.
    #[serde(default)]
    pub user: String,
}

impl Display for Holder {
    /// "vmlife restore (process 17 of anna) holds it since ...".
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            pid,
            verb,
            since,
            user,
        } = self;
        let of = if user.is_empty() { "" } else { " of " };
        write!(
            formatter,
            "vmlife {verb} (process {pid}{of}{user}) holds it since {since:.0}"
        )
    }
}

/// Why a VM could not be locked.
#[derive(Debug)]
pub enum LockError {
    /// Another vmlife holds it; who that is may not be readable yet.
    Held(Option<Holder>),
    /// The file system does not let us.
    Io(io::Error),
}

/// A held VM. It is free again when this is dropped, and also when the process dies: the kernel frees
/// the file's lock then, so that a dead holder is in nobody's way.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Takes the lock, or says who has it.
    ///
    /// # Errors
    /// See [`LockError`].
    pub fn take(path: &Path, verb: &str) -> Result<Self, LockError> {
        loop {
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags(super::CAREFUL)
                .open(path)
                .map_err(LockError::Io)?;
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => {
                    let mut text = String::new();
                    let _ = file.take(4096).read_to_string(&mut text);
                    return Err(LockError::Held(serde_json::from_str(&text).ok()));
                }
                Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
                Ok(()) => {}
            }
            // Its last holder may have removed the file between our opening and our locking it.
            let ours = file.metadata().map_err(LockError::Io)?;
            if !fs::symlink_metadata(path).is_ok_and(|found| found.ino() == ours.ino()) {
                continue;
            }
            // A name is no proof: what is not ours is not emptied.
            let mut text = String::new();
            let is_read = (&file).take(4096).read_to_string(&mut text).is_ok();
            let is_lock = text.is_empty() || text.starts_with("{\"pid\":");
            if !is_read || !is_lock || ours.nlink() != 1 || !ours.is_file() {
                let words = format!("{} is there, and is no lock of vmlife's", path.display());
                let error = io::Error::new(io::ErrorKind::AlreadyExists, words);
                return Err(LockError::Io(error));
            }
            let holder = Holder {
                pid: std::process::id(),
                verb: verb.to_owned(),
                since: Timestamp::now(),
                user: user(),
            };
            // Who holds it is a courtesy, which a full disk may refuse; that it is held counts.
            let _ = serde_json::to_vec(&holder)
                .map_err(io::Error::from)
                .and_then(|text| {
                    file.set_len(0)?;
                    file.rewind()?;
                    file.write_all(&text)
                });
            return Ok(Self {
                path: path.to_owned(),
                _file: file,
            });
        }
    }
}

/// Who we are: the name, else the number, of the user whose rights count.
fn user() -> String {
    own_uid().map(user_name).unwrap_or_default()
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Removed while it is held: whoever has opened it meanwhile sees that, and tries again.
        let _ = fs::remove_file(&self.path);
    }
}

/// Who holds the lock of this file, if somebody does. The kernel's list of locks tells: to try the lock
/// would be in the way of one who wants it.
#[must_use]
pub fn holder(path: &Path) -> Option<Holder> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(super::CAREFUL)
        .open(path)
        .ok()?;
    let inode = file.metadata().ok()?.ino().to_string();
    let mut text = String::new();
    file.take(4096).read_to_string(&mut text).ok()?;
    let holder: Holder = serde_json::from_str(&text).ok()?;
    let locks = fs::read_to_string("/proc/locks").ok()?;
    // 1: FLOCK  ADVISORY  WRITE 17 fe:00:3408 0 EOF
    let is_held = locks.lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let place = words.get(5).and_then(|place| place.rsplit(':').next());
        words.get(1) == Some(&"FLOCK")
            && words.get(4).and_then(|pid| pid.parse().ok()) == Some(holder.pid)
            && place == Some(inode.as_str())
    });
    is_held.then_some(holder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_names_its_holder_and_a_dropped_one_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vm.lock");
        let lock = Lock::take(&path, "hibernate").unwrap();
        let Err(LockError::Held(Some(holder))) = Lock::take(&path, "restore") else {
            panic!("it should be held");
        };
        assert_eq!(
            (holder.pid, holder.verb.as_str()),
            (std::process::id(), "hibernate")
        );
        assert!(!holder.user.is_empty());
        assert_eq!(super::holder(&path), Some(holder));
        drop(lock);
        assert!(!path.exists());
        assert_eq!(super::holder(&path), None);
        Lock::take(&path, "restore").unwrap();
    }

    #[test]
    fn what_a_dead_holder_left_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vm.lock");
        fs::write(
            &path,
            r#"{"pid":1,"verb":"hibernate","since":"2026-01-01T00:00:00Z"}"#,
        )
        .unwrap();
        assert_eq!(holder(&path), None);
        Lock::take(&path, "restore").unwrap();
    }

    #[test]
    fn a_holder_is_told_with_his_user_where_that_is_known() {
        let text = r#"{"pid":7,"verb":"restore","since":"2026-01-01T00:00:00Z"}"#;
        let mut holder: Holder = serde_json::from_str(text).unwrap();
        let since = "holds it since 2026-01-01T00:00:00Z";
        assert_eq!(
            holder.to_string(),
            format!("vmlife restore (process 7) {since}")
        );
        holder.user = "anna".to_owned();
        assert_eq!(
            holder.to_string(),
            format!("vmlife restore (process 7 of anna) {since}")
        );
    }
}
