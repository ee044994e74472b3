//! A CD's file system: ISO 9660 with Rock Ridge, as small as it can be, and the same at each making.
//!
//! Sources: ECMA-119, whose sections are named below, SUSP 1.10 and RRIP 1.09. ECMA-119's rules for
//! names are not kept, as with mkisofs' `-l -allow-lowercase -allow-multidot -N`: Linux takes the name
//! of Rock Ridge, and who does not know Rock Ridge finds the same one in the record itself.

use std::collections::BTreeMap;

/// The size of a sector, and of a block.
const SECTOR: usize = 2048;
/// The sectors before the volume descriptors, which belong to the system.
const SYSTEM_AREA: usize = 16;
/// The first sector after them: there are two, the primary one and the end.
const PATH_TABLES: usize = SYSTEM_AREA + 2;
/// POSIX' modes: in the guest, too, it is for root only.
const FOLDER: u32 = 0o040_500;
const FILE: u32 = 0o100_400;

/// A byte order, as the way to write a number in it.
type Endian = fn(u32) -> [u8; 4];

/// A folder.
#[derive(Default)]
struct Folder<'a> {
    name: &'a str,
    /// Its parent's number; the root is its own parent.
    parent: usize,
    entries: BTreeMap<&'a str, Entry<'a>>,
    sector: usize,
    size: usize,
}

/// What a name in a folder stands for.
enum Entry<'a> {
    /// A folder, by its number.
    Folder(usize),
    /// A file: its content, and the sector at which that begins.
    File(&'a [u8], usize),
}

/// Makes the image of a CD with these files. Each name in a path has at most 64 bytes.
pub(super) fn image(label: &str, files: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let mut folders = tree(files);
    // How long a folder is does not depend on where things lie.
    let table_size = path_table(&folders, u32::to_le_bytes).len();
    let mut next = PATH_TABLES + 2 * table_size.div_ceil(SECTOR);
    for number in 0..folders.len() {
        folders[number].size = records(&folders, number).len();
        folders[number].sector = next;
        next += folders[number].size / SECTOR;
    }
    let entries = folders
        .iter_mut()
        .flat_map(|folder| folder.entries.values_mut());
    for entry in entries {
        if let Entry::File(content, sector) = entry {
            *sector = next;
            next += content.len().div_ceil(SECTOR);
        }
    }

    let mut image = vec![0; SYSTEM_AREA * SECTOR];
    image.extend(primary_descriptor(label, &folders[0], next, table_size));
    image.extend(b"\xffCD001\x01");
    fill_sector(&mut image);
    for endian in [u32::to_le_bytes as Endian, u32::to_be_bytes] {
        image.extend(path_table(&folders, endian));
        fill_sector(&mut image);
    }
    for number in 0..folders.len() {
        image.extend(records(&folders, number));
    }
    for entry in folders.iter().flat_map(|folder| folder.entries.values()) {
        if let Entry::File(content, _) = entry {
            image.extend(*content);
            fill_sector(&mut image);
        }
    }
    image
}

/// The folders that hold these files, the root first, in the path table's order: level by level, then
/// by their parents, then by their names (6.9.1).
fn tree(files: &BTreeMap<String, Vec<u8>>) -> Vec<Folder<'_>> {
    let mut folders = vec![Folder::default()];
    // Of each file the folder that it was followed into, and what is left of its path.
    let mut open: Vec<(usize, &str, &[u8])> = files
        .iter()
        .map(|(path, content)| (0, path.as_str(), content.as_slice()))
        .collect();
    open.sort_by(|(_, a, _), (_, b, _)| a.split('/').cmp(b.split('/')));
    while !open.is_empty() {
        let mut deeper = Vec::new();
        for (parent, path, content) in open {
            let Some((name, rest)) = path.split_once('/') else {
                let file = Entry::File(content, 0);
                folders[parent].entries.insert(path, file);
                continue;
            };
            let number = match folders[parent].entries.get(name) {
                Some(Entry::Folder(number)) => *number,
                _ => folders.len(),
            };
            if number == folders.len() {
                folders.push(Folder {
                    name,
                    parent,
                    ..Folder::default()
                });
                let folder = Entry::Folder(number);
                folders[parent].entries.insert(name, folder);
            }
            deeper.push((number, rest, content));
        }
        open = deeper;
    }
    folders
}

/// What a folder holds, in whole sectors (6.8): itself, its parent, then its entries.
fn records(folders: &[Folder<'_>], number: usize) -> Vec<u8> {
    let folder = &folders[number];
    let parent = &folders[folder.parent];
    let mut own = posix(FOLDER);
    if number == 0 {
        // Here is who reads told that the system's part of records is Rock Ridge's (SUSP 5.3, 5.5).
        own = [
            b"SP\x07\x01\xbe\xef\x00".as_slice(),
            &own,
            b"ER\x12\x01\x0a\x00\x00\x01RRIP_1991A",
        ]
        .concat();
    }
    let mut bytes = record(&[0], true, folder.sector, folder.size, &own);
    bytes.extend(record(
        &[1],
        true,
        parent.sector,
        parent.size,
        &posix(FOLDER),
    ));
    for (name, entry) in &folder.entries {
        let (mode, sector, size) = match entry {
            Entry::Folder(number) => (FOLDER, folders[*number].sector, folders[*number].size),
            Entry::File(content, sector) => (FILE, *sector, content.len()),
        };
        let name = name.as_bytes();
        let mut system = posix(mode);
        system.extend([b'N', b'M', byte(5 + name.len()), 1, 0]);
        system.extend(name);
        let next = record(name, mode == FOLDER, sector, size, &system);
        // None goes across the end of a sector.
        if next.len() > SECTOR - bytes.len() % SECTOR {
            fill_sector(&mut bytes);
        }
        bytes.extend(next);
    }
    fill_sector(&mut bytes);
    bytes
}

/// A directory record (9.1), with what is the system's in it. It has no time: the same files make the
/// same image.
fn record(name: &[u8], is_folder: bool, sector: usize, size: usize, system: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0];
    bytes.extend(both32(sector));
    bytes.extend(both32(size));
    bytes.extend([0; 7]);
    bytes.extend([if is_folder { 2 } else { 0 }, 0, 0]);
    bytes.extend(both16(1));
    bytes.push(byte(name.len()));
    bytes.extend(name);
    fill(&mut bytes, 2);
    bytes.extend(system);
    fill(&mut bytes, 2);
    bytes[0] = byte(bytes.len());
    bytes
}

/// Rock Ridge's POSIX attributes (RRIP 4.1.1): root's, and with one link, which for a folder means that
/// nobody counted.
fn posix(mode: u32) -> Vec<u8> {
    let mut bytes = b"PX\x24\x01".to_vec();
    for number in [mode as usize, 1, 0, 0] {
        bytes.extend(both32(number));
    }
    bytes
}

/// A path table (6.9, 9.4), in the byte order of one of its two kinds.
fn path_table(folders: &[Folder<'_>], endian: Endian) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, folder) in folders.iter().enumerate() {
        let name = if number == 0 { "\0" } else { folder.name };
        bytes.extend([byte(name.len()), 0]);
        bytes.extend(endian(number32(folder.sector)));
        // Two bytes of the four: the lower ones.
        let parent = endian(number32(folder.parent + 1));
        let is_little = endian(1)[0] == 1;
        bytes.extend(if is_little {
            &parent[..2]
        } else {
            &parent[2..]
        });
        bytes.extend(name.as_bytes());
        fill(&mut bytes, 2);
    }
    bytes
}

/// The primary volume descriptor (8.4), of a volume with so many sectors.
fn primary_descriptor(
    label: &str,
    root: &Folder<'_>,
    sectors: usize,
    table_size: usize,
) -> Vec<u8> {
    let mut bytes = b"\x01CD001\x01\x00".to_vec();
    bytes.extend(format!("{:32}{label:32}", "LINUX").bytes());
    bytes.extend([0; 8]);
    bytes.extend(both32(sectors));
    bytes.extend([0; 32]);
    for number in [1, 1, 2048] {
        bytes.extend(both16(number));
    }
    bytes.extend(both32(table_size));
    bytes.extend(number32(PATH_TABLES).to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(number32(PATH_TABLES + table_size.div_ceil(SECTOR)).to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(record(&[0], true, root.sector, root.size, &[]));
    // Whose it is and by whom, and files that tell of it.
    bytes.extend([b' '; 4 * 128 + 3 * 37]);
    for _ in 0..4 {
        bytes.extend(b"0000000000000000\0");
    }
    bytes.push(1);
    fill_sector(&mut bytes);
    bytes
}

/// A number in both byte orders (7.3.3).
fn both32(number: usize) -> Vec<u8> {
    let number = number32(number);
    [number.to_le_bytes(), number.to_be_bytes()].concat()
}

/// A number in both byte orders (7.2.3).
fn both16(number: u16) -> Vec<u8> {
    [number.to_le_bytes(), number.to_be_bytes()].concat()
}

/// A size or place: what a payload may hold keeps all of them far below the limit.
fn number32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A length: that of a record with a name of 64 bytes still fits.
fn byte(number: usize) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

/// Adds zeros up to a multiple of this size.
fn fill(bytes: &mut Vec<u8>, size: usize) {
    bytes.resize(bytes.len().next_multiple_of(size), 0);
}

fn fill_sector(bytes: &mut Vec<u8>) {
    fill(bytes, SECTOR);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(image: &[u8], at: usize) -> usize {
        u32::from_le_bytes(image[at..at + 4].try_into().unwrap()) as usize
    }

    /// Reads an image back: the path of each file by its Rock Ridge name, and its content.
    fn read(
        image: &[u8],
        folder: (usize, usize),
        path: &str,
        found: &mut BTreeMap<String, Vec<u8>>,
    ) {
        let records = &image[folder.0 * SECTOR..folder.0 * SECTOR + folder.1];
        let (mut at, mut count) = (0, 0);
        while at < records.len() {
            let size = usize::from(records[at]);
            if size == 0 {
                at = (at / SECTOR + 1) * SECTOR;
                continue;
            }
            assert!(
                at / SECTOR == (at + size - 1) / SECTOR,
                "it crosses sectors"
            );
            let record = &records[at..at + size];
            let (sector, length) = (number(record, 2), number(record, 10));
            let name_end = 33 + usize::from(record[32]);
            let name = &record[33..name_end];
            if count > 1 {
                let mut system = &record[name_end.next_multiple_of(2)..];
                let mut long = Vec::new();
                while system.len() > 4 {
                    let (field, rest) = system.split_at(usize::from(system[2]));
                    if field.starts_with(b"NM") {
                        long.extend(&field[5..]);
                    }
                    system = rest;
                }
                assert_eq!(long, name);
                let path = format!("{path}{}", String::from_utf8(long).unwrap());
                if record[25] == 2 {
                    read(image, (sector, length), &format!("{path}/"), found);
                } else {
                    let content = &image[sector * SECTOR..sector * SECTOR + length];
                    found.insert(path, content.to_vec());
                }
            }
            count += 1;
            at += size;
        }
    }

    fn files_of(image: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let primary = SYSTEM_AREA * SECTOR;
        let mut found = BTreeMap::new();
        let root = (number(image, primary + 158), number(image, primary + 166));
        read(image, root, "", &mut found);
        found
    }

    #[test]
    fn what_is_written_can_be_read() {
        let mut files = BTreeMap::from([
            ("openstack/latest/meta_data.json".to_owned(), b"{}".to_vec()),
            ("openstack/content/0000".to_owned(), vec![7; 5000]),
            ("a/b/c/d/e/f/g/h".to_owned(), vec![1; SECTOR]),
            ("a-b/x".to_owned(), vec![]),
            (format!("a/{}", "n".repeat(64)), vec![2]),
            ("ünï code".to_owned(), vec![3]),
        ]);
        // Enough for several sectors of records.
        for number in 0..300 {
            files.insert(format!("many/file-{number}"), vec![9; number]);
        }
        let image = image("config-2", &files);
        assert_eq!(files_of(&image), files);
        assert_eq!(&image[0x8028..0x8030], b"config-2");
        assert_eq!(
            image.len(),
            number(&image, 0x8050) * SECTOR,
            "its size is told"
        );
    }

    #[test]
    fn the_path_table_is_in_order() {
        let paths = ["b/x/1", "a-b/1", "a/y/1", "a/1"];
        let files = paths.map(|path| (path.to_owned(), vec![])).into();
        let folders = tree(&files);
        let found: Vec<_> = folders.iter().map(|f| (f.name, f.parent)).collect();
        assert_eq!(
            found,
            [("", 0), ("a", 0), ("a-b", 0), ("b", 0), ("y", 1), ("x", 3)]
        );
        let table = path_table(&folders, u32::to_be_bytes);
        assert_eq!(
            &table[..18],
            b"\x01\0\0\0\0\0\0\x01\0\0\x01\0\0\0\0\0\0\x01"
        );
    }
}
