//! Lists of images.

use super::table::table;
use super::text::View;
use crate::report::ListedImage;
use crate::words::size;

/// What stands above a list.
const USUAL: [&str; 7] = [
    "NAME", "AGE", "SIZE", "FORMAT", "RESTORED", "VERDICT", "FILE",
];
/// What the wide list has beyond that.
const MORE: [&str; 3] = ["UUID", "CHECKSUM", "REMARK"];

/// Longer words are broken, before a list becomes no list.
const WHOLE: u16 = 36;

/// One line for each image. What is not known is a dash, so that scripts can count.
#[must_use]
pub(super) fn list(images: &[ListedImage], wide: bool, titled: bool, view: &View) -> String {
    let more = if wide { MORE.as_slice() } else { &[] };
    let header = [USUAL.as_slice(), more].concat();
    let rows = images
        .iter()
        .map(|listed| {
            let mut cells = cells(listed, view);
            cells.truncate(header.len());
            let told = cells
                .into_iter()
                .map(|cell| cell.filter(|cell| !cell.is_empty()));
            told.map(|cell| cell.unwrap_or_else(|| "-".to_owned()))
                .collect()
        })
        .collect();
    table(&header, titled, rows, WHOLE, view.width)
}

fn cells(listed: &ListedImage, view: &View) -> Vec<Option<String>> {
    let image = &listed.image;
    let restored = match image.was_running {
        Some(true) => Some("running"),
        Some(false) => Some("paused"),
        None => None,
    };
    let verdict = match image.verified {
        Some(true) => format!("{}, verified", image.verdict),
        _ => image.verdict.to_string(),
    };
    let remarks: Vec<&str> = [&image.flaw, &image.unchecked]
        .into_iter()
        .filter_map(Option::as_deref)
        .collect();
    vec![
        listed.name.clone(),
        image.saved_at.map(|at| view.age(at)),
        image.size_bytes.map(size),
        image.format.clone(),
        restored.map(str::to_owned),
        Some(verdict),
        image.path.as_ref().map(|path| path.display().to_string()),
        listed.id.map(|id| id.to_string()),
        image.checksum.clone(),
        Some(remarks.join("; ")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::{SavedImage, Verdict};
    use jiff::tz::TimeZone;

    fn view() -> View {
        View {
            width: None,
            now: "2026-03-01T13:00:00Z".parse().unwrap(),
            zone: TimeZone::UTC,
            colored: false,
        }
    }

    #[test]
    fn every_image_has_every_column_and_hostile_names_are_spelt_out() {
        let good = ListedImage {
            name: Some("web\u{1b}[31m".to_owned()),
            id: Some(uuid::Uuid::nil()),
            image: SavedImage {
                path: Some("/a\nb".into()),
                verdict: Verdict::Good,
                size_bytes: Some(1024),
                saved_at: Some("2026-03-01T10:00:00Z".parse().unwrap()),
                was_running: Some(true),
                format: Some("raw".to_owned()),
                verified: Some(true),
                ..SavedImage::default()
            },
        };
        let bad = ListedImage {
            name: None,
            id: None,
            image: SavedImage {
                verdict: Verdict::Damaged,
                flaw: Some("it is no image".to_owned()),
                ..SavedImage::default()
            },
        };
        assert_eq!(
            list(&[good, bad.clone()], false, true, &view()),
            r"NAME           AGE      SIZE      FORMAT  RESTORED  VERDICT         FILE
web\u{1b}[31m  3 hours  1.00 KiB  raw     running   good, verified  /a\nb
-              -        -         -       -         damaged         -
"
        );
        assert_eq!(
            list(&[bad], true, false, &view()),
            "-  -  -  -  -  damaged  -  -  -  it is no image\n"
        );
    }
}
