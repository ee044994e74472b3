//! The head of a save image, as libvirt's QEMU driver writes it.
//!
//! ```text
//! offset  size
//!      0    16  LibvirtQemudSave (complete) or LibvirtQemudPart (its save was interrupted)
//!     16     4  version: 1 or 2
//!     20     4  length of everything between the header and the memory
//!     24     4  1 if the guest ran when it was saved
//!     28     4  format of the memory: 0 raw, 1 gzip, 2 bzip2, 3 xz, 4 lzop, 5 zstd, 6 sparse
//!     32     4  offset of libvirt's cookie behind the XML, 0 if there is none
//!     36    56  unused
//!     92        the domain XML, NUL, the cookie, NUL, padding
//!               the memory
//! ```
//!
//! The numbers are in the byte order of the machine that wrote them, and libvirt restores either. It
//! writes the complete magic last; that the file was not cut since, only the memory's own end tells.

use super::stream::is_cut_short;
use crate::entity::Secret;
use std::io::{self, Read, Seek};

const LENGTH: usize = 92;
const COMPLETE: &[u8] = b"LibvirtQemudSave";
const PARTIAL: &[u8] = b"LibvirtQemudPart";
/// libvirt reserves 64 KiB beyond the XML; nothing honest comes near this.
const XML_LIMIT: u32 = 64 * 1024 * 1024;

/// How the memory is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// QEMU's migration stream, as it is.
    Raw,
    /// Compressed by this program.
    Compressed(&'static str),
    /// QEMU's stream with each page at its own place, zero pages as holes.
    Sparse,
}

impl Format {
    fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Raw),
            1 => Some(Self::Compressed("gzip")),
            2 => Some(Self::Compressed("bzip2")),
            3 => Some(Self::Compressed("xz")),
            4 => Some(Self::Compressed("lzop")),
            5 => Some(Self::Compressed("zstd")),
            6 => Some(Self::Sparse),
            _ => None,
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        (0..)
            .map_while(Self::from_number)
            .find(|format| format.word() == word)
    }

    /// Its name, as libvirt's `image_format` has it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Compressed(program) => program,
            Self::Sparse => "sparse",
        }
    }

    /// The bytes with which memory in this format begins.
    fn magic(self) -> &'static [u8] {
        match self {
            Self::Raw | Self::Sparse => b"QEVM",
            Self::Compressed("gzip") => b"\x1f\x8b",
            Self::Compressed("bzip2") => b"BZh",
            Self::Compressed("xz") => b"\xfd7zXZ\0",
            Self::Compressed("lzop") => b"\x89LZO\0\r\n\x1a\n",
            Self::Compressed(_) => b"\x28\xb5\x2f\xfd",
        }
    }
}

/// The head of a save image, checked as far as that needs no reading of the memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// Whether the save came to its end.
    pub complete: bool,
    /// Whether the guest ran when it was saved, and so runs on when it is restored.
    pub was_running: bool,
    /// How the memory is stored.
    pub format: Format,
    /// The domain as it was saved. Holds secrets; empty if an interrupted save had not got so far.
    pub xml: Secret,
    /// What libvirt notes there for itself, as XML of its own; empty if it does not, or an interrupted save had
    /// not got so far. Without it libvirt does not restore.
    pub cookie: String,
    /// Where in the file the memory begins.
    pub memory_at: u64,
}

/// Why a file is no save image that can be used.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// Reading failed.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// Something else altogether, or empty.
    #[error("it is no image of a VM's memory")]
    NotAnImage,
    /// Made by a libvirt that knows more.
    #[error("it was written by a newer libvirt ({0})")]
    TooNew(String),
    /// It contradicts itself.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
}

impl Header {
    /// Reads and checks the head of an image of `size` bytes.
    ///
    /// # Errors
    /// What is wrong with it. An interrupted save is no error: see [`Header::complete`].
    pub fn read(mut source: impl Read, size: u64) -> Result<Self, HeaderError> {
        if size == 0 {
            // A save that was cut off before libvirt's helper came to write the first byte.
            return Ok(Self {
                complete: false,
                was_running: false,
                format: Format::Raw,
                xml: Secret::new(""),
                cookie: String::new(),
                memory_at: 0,
            });
        }
        let mut head = [0; LENGTH];
        if size < LENGTH as u64 {
            return Err(HeaderError::NotAnImage);
        }
        source.read_exact(&mut head)?;
        let complete = match &head[..16] {
            COMPLETE => true,
            PARTIAL => false,
            _ => return Err(HeaderError::NotAnImage),
        };
        let [version, data_length, was_running, format, cookie] = numbers(&head)?;
        let format = Format::from_number(format)
            .ok_or_else(|| HeaderError::TooNew(format!("memory format {format}")))?;
        if version == 0 || data_length == 0 || data_length > XML_LIMIT {
            return Err(HeaderError::Damaged("its lengths cannot be right"));
        }
        let header = |(xml, cookie): (String, String)| Self {
            complete,
            was_running: was_running != 0,
            format,
            xml: Secret::new(xml),
            cookie,
            memory_at: u64::from(data_length) + LENGTH as u64,
        };
        if u64::from(data_length) + LENGTH as u64 >= size {
            return if complete {
                Err(HeaderError::Damaged("it ends before the memory begins"))
            } else {
                Ok(header(Default::default()))
            };
        }
        let mut data = vec![0; data_length as usize];
        source.read_exact(&mut data)?;
        let texts = descriptions(&data, cookie as usize);
        if !complete {
            return Ok(header(texts.unwrap_or_default()));
        }
        let texts = texts?;
        let mut begin = vec![0; format.magic().len()];
        if source.read_exact(&mut begin).is_err() || begin != format.magic() {
            // libvirt does not look, and QEMU 7.2 given such an image spins for ever.
            return Err(HeaderError::Damaged(
                "its memory is not in the format that it names",
            ));
        }
        Ok(header(texts))
    }

    /// Whether the memory lacks its end. What is compressed has none that could be looked at.
    ///
    /// # Errors
    /// What the file system says.
    pub fn is_cut_short(&self, source: impl Read + Seek, size: u64) -> io::Result<bool> {
        match self.format {
            Format::Raw | Format::Sparse => is_cut_short(source, self.memory_at, size),
            Format::Compressed(_) => Ok(false),
        }
    }
}

/// The five numbers, in whatever byte order makes the version sensible.
fn numbers(head: &[u8; LENGTH]) -> Result<[u32; 5], HeaderError> {
    let number = |index: usize| {
        let at = 16 + 4 * index;
        u32::from_ne_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]])
    };
    let native = [0, 1, 2, 3, 4].map(number);
    let swapped = native.map(u32::swap_bytes);
    match (native[0], swapped[0]) {
        (0..=2, _) => Ok(native),
        (_, 0..=2) => Ok(swapped),
        (version, _) => Err(HeaderError::TooNew(format!("image version {version}"))),
    }
}

/// The domain XML and the cookie in what lies between header and memory.
fn descriptions(data: &[u8], cookie: usize) -> Result<(String, String), HeaderError> {
    let (room, rest) = match cookie {
        0 => (data, None),
        _ if data.get(cookie.wrapping_sub(1)) != Some(&0) => {
            return Err(HeaderError::Damaged("its cookie is not where it says"));
        }
        cookie => (&data[..cookie], Some(&data[cookie..])),
    };
    let text = |room: &[u8]| {
        let end = room
            .iter()
            .position(|byte| *byte == 0)
            .ok_or(HeaderError::Damaged("its description has no end"))?;
        String::from_utf8(room[..end].to_vec())
            .map_err(|_| HeaderError::Damaged("its description is no text"))
    };
    Ok((text(room)?, rest.map(text).transpose()?.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An image as libvirt writes it, with a little padding.
    fn image(magic: &[u8], format: u32, memory: &[u8]) -> Vec<u8> {
        let xml = b"<domain/>\0<cookie/>\0\0\0\0\0";
        let mut bytes = magic.to_vec();
        for number in [2, u32::try_from(xml.len()).unwrap(), 1, format, 10] {
            bytes.extend(number.to_ne_bytes());
        }
        bytes.resize(LENGTH, 0);
        bytes.extend(xml);
        bytes.extend(memory);
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Header, HeaderError> {
        Header::read(bytes, bytes.len() as u64)
    }

    fn complaint(bytes: &[u8]) -> String {
        read(bytes).expect_err("it should be refused").to_string()
    }

    #[test]
    fn a_whole_image_tells_its_vm_and_whether_it_ran() {
        let header = read(&image(COMPLETE, 0, b"QEVM\0\0\0\x03")).unwrap();
        assert_eq!(
            (
                header.complete,
                header.was_running,
                header.xml.expose().unwrap_or_default()
            ),
            (true, true, "<domain/>")
        );
        assert_eq!(header.cookie, "<cookie/>");
        assert_eq!(header.format, Format::Raw);
    }

    #[test]
    fn each_format_is_known_by_number_and_by_its_first_bytes() {
        for number in 0..=6 {
            let format = Format::from_number(number).unwrap();
            assert_eq!(Format::named(format.word()), Some(format));
            assert_eq!(
                read(&image(COMPLETE, number, format.magic()))
                    .unwrap()
                    .format,
                format
            );
            assert!(
                complaint(&image(COMPLETE, number, b"something else"))
                    .contains("not in the format")
            );
        }
        assert!(complaint(&image(COMPLETE, 7, b"QEVM")).contains("newer libvirt"));
    }

    #[test]
    fn an_interrupted_save_is_told_from_a_damaged_file() {
        assert!(!read(&image(PARTIAL, 0, b"QEVM")).unwrap().complete);
        assert!(!read(&image(PARTIAL, 0, b"")).unwrap().complete);
        assert!(complaint(&image(COMPLETE, 0, b"")).contains("ends before the memory"));
    }

    #[test]
    fn the_other_byte_order_is_read_too() {
        let mut bytes = image(COMPLETE, 0, b"QEVM");
        for number in bytes[16..36].chunks_mut(4) {
            number.reverse();
        }
        assert!(read(&bytes).unwrap().was_running);
    }

    #[test]
    fn what_is_short_or_foreign_is_no_image_and_what_is_empty_was_to_be_one() {
        assert!(!read(b"").unwrap().complete);
        for bytes in [&b"LibvirtQemudSave"[..], &[b'x'; 500][..]] {
            assert_eq!(complaint(bytes), "it is no image of a VM's memory");
        }
    }

    #[test]
    fn lengths_and_offsets_that_cannot_be_are_damage() {
        let whole = image(COMPLETE, 0, b"QEVM");
        for (at, value) in [
            (20, 0_u32),
            (20, u32::MAX),
            (20, 5),
            (32, 11),
            (32, 4000),
            (32, u32::MAX),
        ] {
            let mut bytes = whole.clone();
            bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
            assert!(complaint(&bytes).contains("damaged"), "{value} at {at}");
        }
    }

    #[test]
    fn no_truncation_and_no_flipped_byte_of_the_head_makes_it_panic() {
        let whole = image(COMPLETE, 0, b"QEVM");
        for length in 1..whole.len() {
            assert!(read(&whole[..length]).is_err(), "{length}");
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << bit;
                let _ = read(&bytes);
            }
        }
    }
}
