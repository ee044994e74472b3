//! Whether QEMU's stream in an image comes to its end.
//!
//! ```text
//! QEVM 0 0 0 3                      magic and version, as all numbers big endian
//! 7 <length> <machine type>         the configuration; no machine type up to 2.3 has it
//! ...                               sections
//! 0 6 <length> <JSON>               the end, and the description of all of it
//! ```
//!
//! The description ends with the file. It is also there where the machine type is new enough for a
//! configuration, unless somebody has QEMU leave it out (`suppress-vmdesc`).

use std::io::{self, Read, Seek, SeekFrom};

/// What is read of the end at first: the description of a usual VM is about 100 KiB long.
const USUAL: u64 = 256 * 1024;
/// No description is longer.
const LONGEST: u64 = 16 * 1024 * 1024;
/// The marks of the end and of the description, and the description's length.
const MARK: usize = 6;
/// Where in the stream the configuration is, and what stands there.
const CONFIGURATION: (u64, u8) = (8, 7);

/// Whether a stream, which begins at this offset of an image of `size` bytes, lacks the description that it
/// should end with.
///
/// # Errors
/// What the file system says.
pub(super) fn is_cut_short(
    mut source: impl Read + Seek,
    begin: u64,
    size: u64,
) -> io::Result<bool> {
    let (offset, section) = CONFIGURATION;
    let mut found = [0];
    source.seek(SeekFrom::Start(begin + offset))?;
    if source.read(&mut found)? == 1 && found[0] != section {
        return Ok(false);
    }
    for length in [USUAL, LONGEST] {
        let from = begin.max(size.saturating_sub(length));
        let mut tail = Vec::new();
        source.seek(SeekFrom::Start(from))?;
        source
            .by_ref()
            .take(size.saturating_sub(from))
            .read_to_end(&mut tail)?;
        if ends_with_description(&tail) {
            return Ok(false);
        }
        if from == begin {
            break;
        }
    }
    Ok(true)
}

fn ends_with_description(tail: &[u8]) -> bool {
    tail.windows(MARK).enumerate().any(|(at, mark)| {
        let rest = &tail[at + MARK..];
        let length = u32::from_be_bytes([mark[2], mark[3], mark[4], mark[5]]);
        mark[..2] == [0, 6]
            && usize::try_from(length).is_ok_and(|length| length == rest.len())
            && rest.first() == Some(&b'{')
            && rest.last() == Some(&b'}')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    const BEGIN: usize = 92;

    /// An image's header, then a stream with so much memory and a description of this length.
    fn image(section: u8, memory: usize, description: usize) -> Vec<u8> {
        let mut bytes = vec![b'x'; BEGIN];
        bytes.extend(b"QEVM\0\0\0\x03");
        bytes.push(section);
        // Memory that is full of what could be taken for the mark.
        bytes.extend([0, 6, 0, 0, 0, 9].iter().cycle().take(memory));
        bytes.extend([0, 6]);
        bytes.extend(u32::try_from(description).unwrap().to_be_bytes());
        bytes.push(b'{');
        bytes.resize(bytes.len() + description - 2, b' ');
        bytes.push(b'}');
        bytes
    }

    fn cut_short(bytes: &[u8]) -> bool {
        is_cut_short(Cursor::new(bytes), BEGIN as u64, bytes.len() as u64).unwrap()
    }

    #[test]
    fn a_description_that_ends_with_the_file_makes_a_stream_whole_however_long_it_is() {
        for (memory, description) in [(0, 2), (100, 99_000), (3_000_000, 7), (9, 3_000_000)] {
            assert!(!cut_short(&image(7, memory, description)));
        }
    }

    #[test]
    fn no_length_but_the_whole_one_has_its_end() {
        let whole = image(7, 600, 300);
        for length in BEGIN..whole.len() {
            assert!(cut_short(&whole[..length]), "{length}");
        }
        let longer = [whole.as_slice(), b"}"].concat();
        assert!(cut_short(&longer));
    }

    #[test]
    fn what_an_old_machine_type_wrote_cannot_be_told() {
        assert!(!cut_short(&image(1, 600, 300)[..400]));
    }
}
