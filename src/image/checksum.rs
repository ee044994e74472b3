//! The checksum of an image: BLAKE3, over all of its bytes.

use super::CAREFUL;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// What is wrong with an image whose checksum is not that of its record.
pub const DAMAGED: &str =
    "it is damaged: its checksum is not the one that was taken when it was saved";
/// How much is read at once: also how often the watcher is asked.
const PIECE: usize = 1024 * 1024;

/// Reads a file, and gives its checksum as records have it: `blake3:` and 64 hexadecimal digits. `watch`
/// hears how many bytes are behind, and says whether to go on; if not, there is no checksum.
///
/// # Errors
/// What the file system says.
pub fn checksum(path: &Path, mut watch: impl FnMut(u64) -> bool) -> io::Result<Option<String>> {
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(CAREFUL)
        .open(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![0; PIECE];
    while watch(hasher.count()) {
        match file.read(&mut piece) {
            Ok(0) => return Ok(Some(format!("blake3:{}", hasher.finalize().to_hex()))),
            Ok(count) => drop(hasher.update(&piece[..count])),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_that_of_the_whole_file_and_comes_only_if_nobody_stops_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let content = vec![7; PIECE * 2 + 5];
        std::fs::write(&path, &content).unwrap();
        let mut seen = Vec::new();
        let sum = checksum(&path, |passed| {
            seen.push(passed);
            true
        });
        assert_eq!(
            sum.unwrap(),
            Some(format!("blake3:{}", blake3::hash(&content)))
        );
        assert_eq!((seen[0], seen.last()), (0, Some(&(content.len() as u64))));
        assert_eq!(checksum(&path, |passed| passed == 0).unwrap(), None);
        assert!(checksum(folder.path(), |_| true).is_err());
    }
}
