//! The CD on which a new VM finds what its guest is told when it boots for the first time, as in oVirt:
//! cloud-init's or Ignition's data, or files of the user's own.
//!
//! What is on it is made purely, of a definition; [`write()`] then makes the image. It holds secrets, so
//! that it is for its owner only, and what is in it is shown nowhere.

mod cloud_init;
mod iso;

use crate::entity::{InitializationType, Vm, VmPayload};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use uuid::Uuid;

/// The end of the name of a VM's CD in the image place; its UUID comes before it.
pub const FILE_SUFFIX: &str = ".payload.iso";
/// What an ISO 9660 label has room for.
const LABEL_LIMIT: usize = 32;
/// As much base64 as a payload may hold. oVirt's default is 8192 characters, for all of it goes through
/// its database and its metadata; here it does not.
const SIZE_LIMIT: usize = 1024 * 1024;
/// As many files as a payload may hold.
const COUNT_LIMIT: usize = 1000;
/// ISO 9660 has eight levels of folders, of which the first is the root.
const DEPTH_LIMIT: usize = 8;
/// Joliet's limit, too; and a directory record, which holds the name twice, has room for it.
const NAME_LIMIT: usize = 64;
/// The label of a CD that was given none, as mkisofs and so oVirt has it.
const NO_LABEL: &str = "CDROM";

/// The files of a CD, by their path in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload {
    /// The label of its file system.
    pub label: String,
    /// Path to content.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl fmt::Debug for Payload {
    /// Without the content, which is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payload")
            .field("label", &self.label)
            .field("files", &self.files.keys())
            .finish()
    }
}

/// What a new VM of this definition finds on its CD; `None` if it gets none. A payload that names its
/// image (`imagePath`) is made already.
///
/// # Errors
/// What is wrong with the definition, without any secret of it.
pub fn files(vm: &Vm) -> Result<Option<Payload>, String> {
    let given = vm.vm_payload.as_ref();
    if let Some(path) = given.and_then(|payload| payload.image_path.as_ref()) {
        return match id_of(path) {
            Some(id) if Some(id) != vm.id() => Err(format!(
                "vmPayload.imagePath {} is the CD of another VM, {id}, with what that is told: leave \
                 vmPayload out, and write vmInit or vmPayload.files for this one",
                path.display()
            )),
            _ => Ok(None),
        };
    }
    let kind = vm.initialization_type.as_ref();
    let init = match (&vm.vm_static.vm_init, kind) {
        (_, Some(InitializationType::None)) => None,
        (None, Some(kind)) if given.is_none() => {
            return Err(format!(
                "initializationType is {kind}, and there is no vmInit"
            ));
        }
        (init, _) => init.as_ref(),
    };
    let payload = match (init, given) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(
                "vmInit and vmPayload exclude each other: a guest gets one CD of them".to_owned(),
            );
        }
        (None, Some(payload)) => of_files(payload)?,
        (Some(init), None) => match kind {
            None | Some(InitializationType::CloudInit) => cloud_init::cloud_init(vm, init)?,
            Some(InitializationType::Ignition) => cloud_init::ignition(vm, init)?,
            Some(kind) => {
                return Err(format!(
                    "initializationType {kind} is not supported: vmlife makes CDs for CloudInit and Ignition"
                ));
            }
        },
    };
    check_paths(&payload.files)?;
    Ok(Some(payload))
}

/// The UUID of the VM whose CD this is by its name.
fn id_of(path: &Path) -> Option<Uuid> {
    let name = path.file_name()?.to_str()?;
    name.strip_suffix(FILE_SUFFIX)?.parse().ok()
}

/// What of a definition the guest would not be told, as a sentence; `None` if that is nothing.
#[must_use]
pub fn useless(vm: &Vm) -> Option<String> {
    let init = vm.vm_static.vm_init.as_ref()?;
    let (whose, fields) = match vm.initialization_type {
        None | Some(InitializationType::CloudInit) => {
            ("cloud-init", cloud_init::beyond_cloud_init(init))
        }
        Some(InitializationType::Ignition) => ("Ignition", cloud_init::beyond_ignition(init)),
        Some(_) => return None,
    };
    if fields.is_empty() {
        return None;
    }
    let fields: Vec<String> = fields
        .iter()
        .map(|field| format!("vmInit.{field}"))
        .collect();
    Some(format!(
        "the guest is not told of {}: {whose} has no use for it",
        fields.join(", ")
    ))
}

/// The user's own files.
fn of_files(payload: &VmPayload) -> Result<Payload, String> {
    if let Some(device) = payload
        .device
        .as_deref()
        .filter(|device| *device != "cdrom")
    {
        return Err(format!(
            "vmPayload.device '{device}' is not supported: vmlife makes a cdrom"
        ));
    }
    let label = payload.volume_id.as_deref().unwrap_or(NO_LABEL);
    if label.is_empty()
        || label.len() > LABEL_LIMIT
        || !label.bytes().all(|b| matches!(b, b' '..=b'~'))
    {
        return Err(format!(
            "vmPayload.volumeId must have 1 to {LABEL_LIMIT} characters of ASCII"
        ));
    }
    if payload.files.is_empty() {
        return Err("vmPayload has no files".to_owned());
    }
    let mut total = 0;
    let mut files = BTreeMap::new();
    for (path, content) in &payload.files {
        let field = format!("vmPayload.files[{path:?}]");
        let mut text = known(content.expose(), &field)?.to_owned();
        text.retain(|c| !c.is_ascii_whitespace());
        total += text.len();
        if total > SIZE_LIMIT {
            return Err("vmPayload.files hold more than 1 MiB of base64".to_owned());
        }
        let bytes = BASE64_STANDARD
            .decode(text)
            .map_err(|_| format!("{field} is not base64"))?;
        files.insert(path.clone(), bytes);
    }
    Ok(Payload {
        label: label.to_owned(),
        files,
    })
}

/// The text of a secret; where only its placeholder is left there is none to give to a guest.
fn known<'a>(text: Option<&'a str>, field: &str) -> Result<&'a str, String> {
    text.ok_or_else(|| format!("the text of {field} is not known: only its placeholder is here"))
}

/// A path must name a place in the CD, and no file can be a folder, too.
fn check_paths(files: &BTreeMap<String, Vec<u8>>) -> Result<(), String> {
    if files.len() > COUNT_LIMIT {
        return Err(format!("vmPayload has more than {COUNT_LIMIT} files"));
    }
    for path in files.keys() {
        let names: Vec<&str> = path.split('/').collect();
        let flaw = if path.starts_with('/') {
            "is no path inside the CD: it begins at a root"
        } else if names.iter().any(|name| matches!(*name, "" | "." | "..")) {
            "is no path inside the CD: a name in it is empty, '.' or '..'"
        } else if path.chars().any(char::is_control) {
            "has a control character in it"
        } else if names.len() > DEPTH_LIMIT {
            "lies deeper than ISO 9660 allows, in more than 7 folders"
        } else if names.iter().any(|name| name.len() > NAME_LIMIT) {
            "has a name of more than 64 bytes in it"
        } else if (path.match_indices('/')).any(|(end, _)| files.contains_key(&path[..end])) {
            "lies in a folder that is a file, too"
        } else {
            continue;
        };
        return Err(format!("the payload's path {path:?} {flaw}"));
    }
    Ok(())
}

/// Makes the image: wholly or not at all, for its owner only, and so that it outlives a power cut. What
/// is there is replaced, and a link is never followed.
///
/// # Errors
/// What the file system says.
pub fn write(place: &Path, payload: &Payload) -> io::Result<()> {
    let folder = place.parent().unwrap_or(Path::new("/"));
    // tempfile makes it anew, readable for the owner only.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&iso::image(&payload.label, &payload.files))?;
    file.as_file().sync_all()?;
    file.persist(place).map_err(|error| error.error)?;
    // What may not be there tomorrow is not there today, either.
    let flushed = File::open(folder).and_then(|folder| folder.sync_all());
    flushed.inspect_err(|_| drop(std::fs::remove_file(place)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::{Secret, VmInit};
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn with_files(files: &[(&str, &str)]) -> Vm {
        let files = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), Secret::new(*text)))
            .collect();
        Vm {
            vm_payload: Some(VmPayload {
                files,
                ..VmPayload::default()
            }),
            ..Vm::default()
        }
    }

    #[test]
    fn a_payload_is_its_files_decoded() {
        let mut vm = with_files(&[("a/b.txt", "aGVs\n bG8=\n"), ("c", "")]);
        let payload = files(&vm).unwrap().unwrap();
        assert_eq!(payload.label, "CDROM");
        assert_eq!(payload.files["a/b.txt"], b"hello");
        assert_eq!(payload.files["c"], b"");
        assert!(!format!("{payload:?}").contains("104"));
        let given = vm.vm_payload.as_mut().unwrap();
        given.image_path = Some("/there/already.iso".into());
        assert_eq!(files(&vm), Ok(None));
        assert_eq!(files(&Vm::default()), Ok(None));
    }

    #[test]
    fn the_cd_of_another_vm_is_not_this_ones() {
        let id = "6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a11";
        let mut vm = with_files(&[]);
        let given = vm.vm_payload.as_mut().unwrap();
        given.image_path = Some(format!("/images/{id}{FILE_SUFFIX}").into());
        vm.vm_static.id = id.parse().ok();
        assert_eq!(files(&vm), Ok(None), "it is its own");
        for other in ["6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a12".parse().ok(), None] {
            vm.vm_static.id = other;
            let refused = files(&vm).unwrap_err();
            assert!(refused.contains(id) && refused.contains("leave vmPayload out"));
        }
    }

    #[test]
    fn what_the_guest_is_not_told_is_told_to_its_owner() {
        let told = |more: &str| {
            let text = format!("vmStatic: {{name: a, vmInit: {{{more}}}}}");
            crate::definition::parse("f", &text).unwrap().remove(0).vm
        };
        let mut vm = told("winKey: s3cret, orgName: o, domain: d, inputLocale: de, hostname: h");
        let words = useless(&vm).unwrap();
        for field in ["winKey", "orgName", "domain", "inputLocale"] {
            assert!(words.contains(&format!("vmInit.{field}")), "{words}");
        }
        assert!(!words.contains("s3cret") && !words.contains("hostname"));
        vm.initialization_type = Some(InitializationType::None);
        assert_eq!(useless(&vm), None, "it is switched off");
        vm = told("hostname: h, rootPassword: x, timeZone: UTC, userName: u, customScript: '{}'");
        assert_eq!(useless(&vm), None);
        vm.initialization_type = Some(InitializationType::Ignition);
        let words = useless(&vm).unwrap();
        assert!(words.contains("vmInit.rootPassword") && !words.contains("hostname"));
        let searching = told("dnsSearch: example.org");
        assert!(useless(&searching).unwrap().contains("vmInit.dnsSearch"));
    }

    #[test]
    fn what_is_wrong_with_a_payload_is_told_without_its_content() {
        for (path, text, complaint) in [
            ("/etc/passwd", "", "begins at a root"),
            ("a/../b", "", "'..'"),
            ("..", "", "'..'"),
            ("a//b", "", "is empty"),
            ("a/", "", "is empty"),
            ("", "", "is empty"),
            ("a\nb", "", "control character"),
            ("a/b/c/d/e/f/g/h/i", "", "deeper"),
            (&"n".repeat(65), "", "64 bytes"),
            ("f", "s3cret!", "is not base64"),
            ("f", Secret::HIDDEN, "not known"),
            ("f", &"A".repeat(SIZE_LIMIT + 4), "1 MiB"),
        ] {
            let error = files(&with_files(&[(path, text)])).unwrap_err();
            assert!(error.contains(complaint), "{path}: {error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
        let error = files(&with_files(&[("a", ""), ("a-b", ""), ("a/b", "")])).unwrap_err();
        assert!(error.contains("is a file, too"), "{error}");
        let many: Vec<String> = (0..=COUNT_LIMIT).map(|n| n.to_string()).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|path| (path.as_str(), "")).collect();
        assert!(files(&with_files(&many)).unwrap_err().contains("1000"));
        assert!(files(&with_files(&[])).unwrap_err().contains("no files"));
    }

    #[test]
    fn a_label_fits_a_device_is_a_cdrom_and_cloud_init_comes_alone() {
        let mut vm = with_files(&[("f", "")]);
        for (label, fits) in [
            ("cidata", true),
            ("", false),
            ("ü", false),
            (&"x".repeat(33), false),
        ] {
            vm.vm_payload.as_mut().unwrap().volume_id = Some(label.to_owned());
            assert_eq!(files(&vm).is_ok(), fits, "{label}");
        }
        vm = with_files(&[("f", "")]);
        vm.vm_payload.as_mut().unwrap().device = Some("floppy".to_owned());
        assert!(files(&vm).unwrap_err().contains("floppy"));
        vm = with_files(&[("f", "")]);
        vm.vm_static.vm_init = Some(VmInit::default());
        assert!(files(&vm).unwrap_err().contains("exclude each other"));
        vm.initialization_type = Some(InitializationType::None);
        assert!(files(&vm).unwrap().is_some(), "the vmInit is switched off");
        vm.vm_payload = None;
        assert_eq!(files(&vm), Ok(None));
        vm.initialization_type = Some(InitializationType::Sysprep);
        assert!(files(&vm).unwrap_err().contains("Sysprep is not supported"));
        vm.vm_static.vm_init = None;
        assert!(files(&vm).unwrap_err().contains("no vmInit"));
    }

    #[test]
    fn an_image_is_for_its_owner_and_takes_no_link_for_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let (place, other) = (folder.path().join("a.iso"), folder.path().join("other"));
        std::fs::write(&other, "untouched").unwrap();
        symlink(&other, &place).unwrap();
        let payload = files(&with_files(&[("f", "aGVsbG8=")])).unwrap().unwrap();
        write(&place, &payload).unwrap();
        let seen = place.symlink_metadata().unwrap();
        assert!(seen.is_file());
        assert_eq!(seen.permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "untouched");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
        let first = std::fs::read(&place).unwrap();
        write(&place, &payload).unwrap();
        assert_eq!(std::fs::read(&place).unwrap(), first);
    }
}
