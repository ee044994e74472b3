//! The head of a save image, and the domain XML inside it: no bytes may make the reader panic or take
//! memory beyond measure.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmlife::definition::read_domain;
use vmlife::image::Header;

fuzz_target!(|bytes: &[u8]| {
    // A file can shrink between the look at its size and the reading.
    let _ = Header::read(bytes, bytes.len() as u64 + 100);
    if let Ok(header) = Header::read(bytes, bytes.len() as u64) {
        assert!(header.xml.expose().unwrap_or_default().len() < bytes.len());
        let _ = read_domain(header.xml.expose().unwrap_or_default());
    }
});
