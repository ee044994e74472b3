//! Text to entity and back: definitions in YAML or libvirt XML.

mod domain_xml;
mod xml;
mod yaml;
mod yaml_writer;

pub use domain_xml::domain_xml;
pub use xml::{METADATA_NAMESPACE, read_domain};
pub use yaml::to_yaml;

use crate::entity::Vm;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// No definition may be longer: it is also the longest text that libvirt takes.
const SIZE_LIMIT: u64 = 4 * 1024 * 1024;

/// A definition, as it was loaded.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// Where it came from, for messages.
    pub origin: Origin,
    /// What it says.
    pub vm: Vm,
    /// The XML itself, if it came as libvirt XML: what the model does not know must not be lost.
    pub xml: Option<String>,
}

impl Definition {
    /// The domain XML that libvirt is to be given: the text itself, or one made from the model.
    ///
    /// # Errors
    /// What the definition lacks to be a domain.
    pub fn domain_xml(&self) -> Result<String, DefinitionError> {
        match &self.xml {
            Some(xml) => Ok(xml.clone()),
            None => domain_xml(&self.vm).map_err(|problem| self.origin.error(problem)),
        }
    }
}

/// The place of a definition: its file, and the line that it begins at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file as the user named it; `-` is standard input.
    pub file: String,
    /// Counted from 1.
    pub line: u32,
}

impl Origin {
    /// An error that concerns the definition as a whole.
    #[must_use]
    pub fn error(&self, problem: String) -> DefinitionError {
        DefinitionError {
            file: self.file.clone(),
            line: Some(self.line),
            column: Some(1),
            problem,
        }
    }
}

/// What is wrong with a definition, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {problem}", self.place())]
pub struct DefinitionError {
    /// The file as the user named it; `-` is standard input.
    pub file: String,
    /// The line, counted from 1; absent when the file could not be read at all.
    pub line: Option<u32>,
    /// The column, counted from 1.
    pub column: Option<u32>,
    /// A sentence.
    pub problem: String,
}

impl DefinitionError {
    fn place(&self) -> String {
        let file = if self.file == "-" {
            "standard input"
        } else {
            &self.file
        };
        match (self.line, self.column) {
            (Some(line), Some(column)) => format!("{file}:{line}:{column}"),
            (Some(line), None) => format!("{file}:{line}"),
            _ => file.to_owned(),
        }
    }

    fn unreadable(file: &str, problem: String) -> Self {
        Self {
            file: file.to_owned(),
            line: None,
            column: None,
            problem,
        }
    }
}

/// Loads all definitions of a file: XML if its first character is `<`, else YAML. `-` is standard
/// input.
///
/// Paths in YAML that are relative start at the file's own folder.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub fn load(file: &str) -> Result<Vec<Definition>, DefinitionError> {
    let unreadable = |problem: io::Error| DefinitionError::unreadable(file, plain(&problem));
    let bytes = if file == "-" {
        bounded(file, io::stdin().lock())?
    } else {
        let path = Path::new(file);
        if !path.metadata().map_err(unreadable)?.is_file() {
            let problem = "it is not a regular file".to_owned();
            return Err(DefinitionError::unreadable(file, problem));
        }
        bounded(file, File::open(path).map_err(unreadable)?)?
    };
    if bytes.starts_with(b"LibvirtQemud") {
        let problem = "it is an image of a VM's memory, not a definition; to bring its VM back: \
                       vmlife restore --from FILE";
        return Err(DefinitionError::unreadable(file, problem.to_owned()));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + valid.split(|byte| *byte == b'\n').skip(1).count();
        DefinitionError {
            file: file.to_owned(),
            line: u32::try_from(line).ok(),
            column: None,
            problem: "this is not text in UTF-8".to_owned(),
        }
    })?;
    parse(file, text.strip_prefix('\u{feff}').unwrap_or(&text))
}

/// Parses the text of a definition file; `file` serves for messages and for relative paths.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub fn parse(file: &str, text: &str) -> Result<Vec<Definition>, DefinitionError> {
    let mut definitions = if text.trim_start().starts_with('<') {
        let vm = read_domain(text).map_err(|error| error.of_file(file))?;
        let origin = Origin {
            file: file.to_owned(),
            line: 1,
        };
        vec![Definition {
            origin,
            vm,
            xml: Some(text.to_owned()),
        }]
    } else {
        yaml::read(file, text)?
    };
    for definition in &mut definitions {
        check_identity(definition)?;
        if definition.xml.is_none() {
            let folder = match Path::new(file).parent() {
                Some(folder) if !folder.as_os_str().is_empty() => folder,
                _ => Path::new("."),
            };
            let folder = std::path::absolute(folder)
                .map_err(|error| DefinitionError::unreadable(file, plain(&error)))?;
            make_paths_absolute(&mut definition.vm, &folder);
        }
    }
    Ok(definitions)
}

fn bounded(file: &str, source: impl Read) -> Result<Vec<u8>, DefinitionError> {
    let mut bytes = Vec::new();
    source
        .take(SIZE_LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| DefinitionError::unreadable(file, plain(&error)))?;
    if bytes.len() as u64 > SIZE_LIMIT {
        let problem = "it is longer than 4 MiB, which no definition is".to_owned();
        return Err(DefinitionError::unreadable(file, problem));
    }
    Ok(bytes)
}

/// The words of an I/O error without its number.
fn plain(error: &io::Error) -> String {
    let words = error.to_string();
    match words.split_once(" (os error") {
        Some((words, _)) => words.to_owned(),
        None => words,
    }
}

fn check_identity(definition: &Definition) -> Result<(), DefinitionError> {
    let vm = &definition.vm;
    let problem = if vm.name().is_empty() && vm.id().is_none() {
        "it names no VM: vmStatic needs a name or an id (the UUID)".to_owned()
    } else if let Some(problem) = unfit_name(vm.name()) {
        problem
    } else {
        return Ok(());
    };
    Err(definition.origin.error(problem))
}

/// Why libvirt would not take this name, if so.
fn unfit_name(name: &str) -> Option<String> {
    let flaw = if name == "." || name == ".." {
        "is a folder's"
    } else if name.contains('/') {
        "contains a '/'"
    } else if name.contains(['\n', '\r', '\0']) {
        "contains a line break or NUL"
    } else {
        return None;
    };
    Some(format!(
        "the name {name:?} {flaw}, which libvirt does not allow"
    ))
}

fn make_paths_absolute(vm: &mut Vm, folder: &Path) {
    let stat = &mut vm.vm_static;
    for path in [
        &mut stat.kernel_url,
        &mut stat.initrd_url,
        &mut stat.iso_path,
        &mut stat.serial_log_path,
    ]
    .into_iter()
    .flatten()
    {
        *path = folder.join(&path);
    }
    for disk in &mut stat.images {
        let is_file = matches!(disk.source_type.as_deref(), None | Some("file" | "block"));
        if let (true, Some(path)) = (is_file, &mut disk.image_path) {
            *path = folder.join(&path).to_string_lossy().into_owned();
        }
    }
}
