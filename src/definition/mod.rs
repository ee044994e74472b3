//! Text to entity and back: definitions in YAML or libvirt XML.

mod binding;
mod check;
mod difference;
mod domain;
mod libvirt_xml;
mod measure;
mod metadata;
mod needs;
mod next_run;
mod obstacles;
mod redaction;
mod tree;
mod yaml;
mod yaml_writer;

pub(crate) use difference::modern;
pub use difference::{Deviation, Said, deviations};
pub use libvirt_xml::{
    VolumeFacts, read_host_uuid, read_nvram, read_snapshot, read_statistics_period, read_volume,
};
pub use metadata::{METADATA_NAMESPACE, METADATA_PREFIX, Metadata};
pub use needs::{MovedDisk, NeededFile, Needs, Platform, knows_cpu_model, moved_disks, needs};
pub use next_run::next_run_changes;
pub use obstacles::{Obstacle, Part, Saving};
pub use redaction::redact;
pub use tree::XmlError;
#[cfg(test)]
pub(crate) use yaml::{OLDER_NAMES, values as yaml_values};
pub use yaml::{from_yaml, to_yaml};
pub(crate) use yaml::{from_yaml_with, place_of, wrong_word, yaml_flaw};

use crate::entity::{
    ArchitectureType, Secret, SerialNumberPolicy, SpecParam, Vm, VmDevice, VmDeviceGeneralType,
    VmNumaNode,
};
use crate::words::quoted;
use binding::Direction;
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tree::{Document, Element};
use uuid::Uuid;

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
    pub xml: Option<Secret>,
    /// Which fields it gives, if it came as YAML.
    pub said: Option<Said>,
    /// Whether it holds secrets and others than its owner may read its file.
    pub secrets_are_open: bool,
}

impl Definition {
    /// What its owner should mend, though it can be used.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let file = &self.origin.file;
        self.secrets_are_open.then(|| {
            format!(
                "{file} holds secrets, and others than its owner may use it: chmod 600 {}",
                quoted(file)
            )
        })
    }

    /// Where a VM is otherwise than this says. What it leaves open cannot differ; a list that it gives
    /// is meant to be whole. `found_xml` is the VM's XML, for what the model has no field for; `has_secrets`
    /// if its secrets are in it: then they are compared, and told.
    ///
    /// # Errors
    /// If one of the XMLs is none.
    pub fn deviations(
        &self,
        found: &Vm,
        found_xml: Option<&str>,
        has_secrets: bool,
    ) -> Result<Vec<Deviation>, XmlError> {
        let said = self.said.as_ref();
        let vm = difference::with_addresses(&self.vm, said, found);
        let mut all = difference::of_model(&vm, said, found);
        let Some(found) = found_xml else {
            return Ok(all);
        };
        if has_secrets && self.xml.is_none() {
            all.extend(difference::of_tickets(&vm, found)?);
        }
        let own = self.xml.as_ref().and_then(Secret::expose);
        if let Some(own) = own.or(vm.domain_xml.as_deref()) {
            let seen = |xml: &str| {
                if has_secrets {
                    Ok(xml.to_owned())
                } else {
                    redact(xml)
                }
            };
            let (mut own, found) = (seen(own)?, seen(found)?);
            if self.xml.is_none() {
                // In it the other fields count.
                own = written(&own, &vm)?.0;
            }
            let mut rest = difference::of_rest(&own, &found, &vm)?;
            // In YAML it may stand without its secrets.
            rest.retain(|deviation| self.xml.is_some() || deviation.defined.is_some());
            all.extend(rest);
        }
        Ok(all)
    }

    /// Whether it holds secrets that can be compared with those of a VM that libvirt tells to few: all but
    /// those in the places of disks, which are always compared, and those that the guest gets on a CD.
    #[must_use]
    pub fn holds_secrets_of_xml(&self) -> bool {
        let mut vm = self.vm.clone();
        vm.hide_secrets_of_places();
        let is_in = |xml: &str| {
            let without_places = written(xml, &vm);
            without_places.is_ok_and(|(xml, _)| redact(&xml).is_ok_and(|hidden| hidden != xml))
        };
        let consoles = vm.vm_dynamic.iter();
        let mut consoles = consoles.flat_map(|dynamic| dynamic.graphics_infos.values());
        let own = self.xml.as_ref().and_then(Secret::expose);
        own.or(vm.domain_xml.as_deref()).is_some_and(is_in)
            || consoles
                .any(|console| (console.ticket.as_ref()).is_some_and(|it| it.expose().is_some()))
    }

    /// Whether it is about a run of the VM, not about how it is configured.
    #[must_use]
    pub fn is_of_a_run(&self) -> bool {
        let own = self.xml.as_ref().and_then(Secret::expose);
        let own = own.or(self.vm.domain_xml.as_deref());
        let document = own.and_then(|xml| Document::parse(xml).ok());
        document.is_some_and(|document| document.root.attribute("id").is_some())
    }

    /// The domain XML that libvirt is to be given: the text itself, or one made from the model.
    ///
    /// # Errors
    /// What the definition lacks to be a domain, and what libvirt may not be told: it would keep a secret
    /// in the metadata for everybody to read.
    pub fn domain_xml(&self) -> Result<String, DefinitionError> {
        let xml = self.whole_xml()?;
        if self.xml.is_none() && self.vm.domain_xml.is_none() {
            return Ok(xml);
        }
        let problem = if let Some(field) = redaction::kept_secret(&xml) {
            format!(
                "its metadata holds a secret, {field}, which everybody who may look at the VM could read: \
                 write it into a definition in YAML, whose secrets reach the guest on a CD"
            )
        } else if redaction::has_placeholder(&xml) {
            "a secret in it is not known: only its placeholder is here; \
             vmlife show -o xml --security-info writes the secret itself"
                .to_owned()
        } else {
            return Ok(xml);
        };
        Err(self.origin.error(problem))
    }

    /// The same, to be looked at: nothing that can be made is refused.
    ///
    /// # Errors
    /// What the definition lacks to be a domain.
    pub fn whole_xml(&self) -> Result<String, DefinitionError> {
        match self.xml.as_ref().and_then(Secret::expose) {
            Some(xml) => Ok(xml.to_owned()),
            None => domain_xml(&self.vm).map_err(|problem| self.origin.error(problem)),
        }
    }
}

/// Whether a text is XML at all, of whatever kind.
#[must_use]
pub fn is_xml(text: &str) -> bool {
    Document::parse(text).is_ok()
}

/// Reads domain XML into the model, with what vmlife's and oVirt's metadata in it say. A live domain's
/// XML (it has an `id`) also gives the observed parts that XML tells; its status is for the caller to
/// fill in.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub fn read_domain(text: &str) -> Result<Vm, XmlError> {
    read(text).map(|(vm, _)| vm)
}

/// The same, with what is wrong in vmlife's own metadata. That may be another version's, or somebody's
/// mistake: it must not hide a VM, and must not pass where somebody has just written it.
fn read(text: &str) -> Result<(Vm, Vec<XmlError>), XmlError> {
    let mut document = domain_of(text)?;
    let domain = &mut document.root;
    let mut vm = read_alone(domain).map_err(|problem| problem.place(text))?;
    let mistakes = Metadata::of_domain(domain).apply(&mut vm).into_iter();
    let mistakes = mistakes.map(|(field, why)| {
        let element = metadata::element_of(domain, &field).unwrap_or(domain);
        let complaint = yaml::discreet(&format!("{field}: {why}"));
        let why = complaint.strip_prefix(&field).unwrap_or(&complaint);
        element.problem(format!("<{field}>{why}")).place(text)
    });
    Ok((vm, mistakes.collect()))
}

/// What is wrong in the metadata of a domain in vmlife's own namespace: each field that is not read, and
/// why. Of XML that cannot be read at all nothing is told.
#[must_use]
pub fn metadata_flaws(text: &str) -> Vec<String> {
    let mistakes = read(text).map(|(_, mistakes)| mistakes);
    let mistakes = mistakes.unwrap_or_default().into_iter();
    mistakes.map(XmlError::into_words).collect()
}

/// What the XML alone says, without vmlife's metadata.
fn read_alone(domain: &mut Element) -> Result<Vm, tree::Problem> {
    let mut vm = Vm::default();
    domain::bind(domain, Direction::Read, &mut vm)?;
    Ok(vm)
}

fn domain_of(text: &str) -> Result<Document, XmlError> {
    let document = Document::parse(text)?;
    if document.root.is("domain") {
        return Ok(document);
    }
    let words = format!(
        "the root is <{}>, not libvirt's <domain>",
        document.root.name()
    );
    Err(document.root.problem(words).place(text))
}

/// Writes the model back into domain XML. What the XML says as the model does keeps its bytes, and so
/// does all that the model has no field for; what is observed of a VM is not written.
///
/// # Errors
/// What is wrong with the XML, with its place; or a field for which neither XML nor metadata has one.
pub fn update(text: &str, vm: &Vm) -> Result<String, XmlError> {
    with_homes(written(text, vm)?).map_err(|words| tree::Problem { offset: 0, words }.place(text))
}

/// The same, with the fields for which neither XML nor metadata has a place.
fn written(text: &str, vm: &Vm) -> Result<(String, Vec<String>), XmlError> {
    let mut document = domain_of(text)?;
    let domain = &mut document.root;
    let mut wish = vm.clone();
    let placed = |problem: tree::Problem| problem.place(text);
    domain::bind(domain, Direction::Write, &mut wish).map_err(placed)?;
    let base = read_alone(domain).map_err(placed)?;
    Metadata::update(domain, &wish, &base);
    let written = document.to_string();
    let (there, _) = read(&written)?;
    Ok((written, metadata::homeless(&wish, &there)))
}

/// The CPUs of a list such as `0-3,^2`, if it is one.
#[must_use]
pub fn cpu_numbers(list: &str) -> Option<Vec<u32>> {
    domain::numbers(list).ok()
}

/// What every new VM has: an agent's channel, a serial port, a source of randomness, and of the
/// balloon the guest's own statistics, as in oVirt.
const NEW: &str = "<domain type='kvm'>
  <os>
    <type>hvm</type>
  </os>
  <features>
    <acpi/>
    <apic/>
  </features>
  <devices>
    <serial type='pty'/>
    <channel type='unix'>
      <target type='virtio' name='org.qemu.guest_agent.0'/>
    </channel>
    <memballoon model='virtio'>
      <stats period='5'/>
    </memballoon>
    <rng model='virtio'>
      <backend model='random'>/dev/urandom</backend>
    </rng>
  </devices>
</domain>
";

/// Makes domain XML of a definition: of the XML that it holds, in which its fields are written, else anew.
/// What it does not say takes libvirt's default.
///
/// # Errors
/// What the definition lacks, as a sentence.
pub fn domain_xml(vm: &Vm) -> Result<String, String> {
    if let Some(text) = &vm.domain_xml {
        if redaction::has_placeholder(text) {
            return Err(
                "domainXml holds secrets, of which only placeholders are here; show -o yaml \
                 --security-info prints them"
                    .to_owned(),
            );
        }
        let written = written(text, vm).map_err(|error| format!("domainXml: {error}"))?;
        return with_homes(written);
    }
    check::check(vm)?;
    let mut wish = vm.clone();
    let configured = &mut wish.vm_static;
    configured
        .domain_type
        .get_or_insert_with(|| "kvm".to_owned());
    // The number that follows from the UUID has to be known now.
    if configured.serial_number_policy == Some(SerialNumberPolicy::VmId) {
        configured.id.get_or_insert_with(Uuid::new_v4);
    }
    // What is kept of a card is kept by its address, which libvirt would choose too late.
    for card in &mut configured.interfaces {
        card.mac_address.get_or_insert_with(new_mac_address);
    }
    // libvirt plugs memory into nodes only.
    if configured.max_memory_size_mb.is_some() && configured.v_numa_node_list.is_empty() {
        configured.v_numa_node_list.push(VmNumaNode {
            cpu_ids: (0..configured.max_num_of_cpus()).collect(),
            mem_total: configured.mem_size_mb.unwrap_or_default(),
            ..VmNumaNode::default()
        });
    }
    if let Some(init) = &mut wish.vm_static.vm_init {
        init.id = init.id.or(vm.vm_static.id);
    }
    let is_x86 = matches!(
        vm.cluster_arch,
        None | Some(ArchitectureType::X86_64 | ArchitectureType::X86)
    );
    let new = if is_x86 {
        NEW.to_owned()
    } else {
        NEW.replace("    <apic/>\n", "")
            .replace("    <acpi/>\n", "")
    };
    with_homes(written(&new, &wish).map_err(|error| error.to_string())?)
}

/// The XML, if it says all that it should.
fn with_homes((xml, homeless): (String, Vec<String>)) -> Result<String, String> {
    match homeless.as_slice() {
        [] => Ok(xml),
        fields => Err(format!(
            "{} cannot be written to libvirt as the definition has it",
            fields.join(", ")
        )),
    }
}

/// A hardware address of QEMU's range, as libvirt makes them.
fn new_mac_address() -> String {
    let bytes = Uuid::new_v4().into_bytes();
    format!(
        "52:54:00:{:02x}:{:02x}:{:02x}",
        bytes[0], bytes[1], bytes[2]
    )
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
    let mut mode = None;
    let bytes = if file == "-" {
        bounded(file, io::stdin().lock())?
    } else {
        let path = Path::new(file);
        if !path.metadata().map_err(unreadable)?.is_file() {
            let problem = "it is not a regular file".to_owned();
            return Err(DefinitionError::unreadable(file, problem));
        }
        let opened = File::open(path).map_err(unreadable)?;
        mode = opened.metadata().ok().map(|seen| seen.permissions().mode());
        bounded(file, opened)?
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
    let mut definitions = parse(file, text.strip_prefix('\u{feff}').unwrap_or(&text))?;
    for definition in &mut definitions {
        definition.secrets_are_open = mode.is_some_and(|mode| are_open(mode, definition));
    }
    Ok(definitions)
}

/// Whether a file of this mode shows this definition's secrets to others than its owner. Those of XML need
/// not have a field in the model.
fn are_open(mode: u32, definition: &Definition) -> bool {
    let in_xml = |xml: &str| redact(xml).is_ok_and(|hidden| hidden != xml);
    let xml = definition.xml.as_ref().and_then(Secret::expose);
    mode & 0o077 != 0 && (definition.vm.holds_secrets() || xml.is_some_and(in_xml))
}

/// Parses the text of a definition file; `file` serves for messages and for relative paths.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub fn parse(file: &str, text: &str) -> Result<Vec<Definition>, DefinitionError> {
    let mut definitions = if text.trim_start().starts_with('<') {
        let (vm, mistakes) = read(text).map_err(|error| error.of_file(file))?;
        if let Some(mistake) = mistakes.into_iter().next() {
            return Err(mistake.of_file(file));
        }
        let origin = Origin {
            file: file.to_owned(),
            line: 1,
        };
        vec![Definition {
            origin,
            vm,
            xml: Some(Secret::new(text)),
            said: None,
            secrets_are_open: false,
        }]
    } else {
        yaml::read(file, text)?
    };
    for definition in &mut definitions {
        for card in &mut definition.vm.vm_static.interfaces {
            card.mac_address = card.mac_address.take().map(|text| text.to_lowercase());
        }
        check_identity(definition, text)?;
        if let Some(xml) = &definition.vm.domain_xml {
            let wrong = |error| definition.origin.error(format!("domainXml: {error}"));
            read_domain(xml).map_err(wrong)?;
        }
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
    check_apart(&definitions)?;
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

fn check_identity(definition: &Definition, text: &str) -> Result<(), DefinitionError> {
    let vm = &definition.vm;
    let problem = if vm.name().is_empty() && vm.id().is_none() {
        "it names no VM: vmStatic needs a name or an id (the UUID)".to_owned()
    } else if let Some(problem) = unfit_name(vm.name()) {
        problem
    } else {
        return check_twice(definition, text);
    };
    Err(definition.origin.error(problem))
}

/// No two of its disks may be one. Two network cards may have one address: libvirt takes that.
fn check_twice(definition: &Definition, text: &str) -> Result<(), DefinitionError> {
    let vm = &definition.vm.vm_static;
    let targets: Vec<&String> = if definition.xml.is_some() {
        // Its CDs and floppies have targets, too, and stand among the devices only.
        let managed = vm.managed_device_map.values();
        let devices = managed.chain(&vm.unmanaged_device_list);
        devices.filter_map(target_of).collect()
    } else {
        let disks = vm.images.iter();
        disks.filter_map(|disk| disk.target_dev.as_ref()).collect()
    };
    let Some(word) = twice(targets) else {
        return Ok(());
    };
    let problem = format!("two disks have the target '{word}'");
    let error = definition.origin.error(problem);
    Err(match second_place(text, definition.origin.line, word) {
        Some((line, column)) => DefinitionError {
            line: Some(line),
            column: Some(column),
            ..error
        },
        None => error,
    })
}

/// The name of a disk, CD or floppy.
fn target_of(device: &VmDevice) -> Option<&String> {
    let is_disk = device.general_type == Some(VmDeviceGeneralType::Disk);
    match device.spec_params.get("target")? {
        SpecParam::Group(target) if is_disk => match target.get("dev")? {
            SpecParam::Text(name) => Some(name),
            SpecParam::Group(_) => None,
        },
        _ => None,
    }
}

/// Where a word stands for the second time, from a line on: a reader gives no places of what it has read.
fn second_place(text: &str, from: u32, word: &str) -> Option<(u32, u32)> {
    let is_apart = |neighbour: Option<char>| neighbour.is_none_or(|c| !c.is_alphanumeric());
    let mut places = (1..)
        .zip(text.lines())
        .filter(|(number, _)| *number >= from)
        .flat_map(|(number, line)| {
            let lower = line.to_lowercase();
            let found: Vec<usize> = lower
                .match_indices(&word.to_lowercase())
                .filter(|(at, found)| {
                    is_apart(lower[..*at].chars().next_back())
                        && is_apart(lower[at + found.len()..].chars().next())
                })
                .map(|(at, _)| lower[..at].chars().count() + 1)
                .collect();
            found.into_iter().map(move |column| (number, column))
        });
    let (line, column) = places.nth(1)?;
    Some((line, u32::try_from(column).ok()?))
}

/// Each definition is about a VM of its own.
fn check_apart(definitions: &[Definition]) -> Result<(), DefinitionError> {
    let mut ids = BTreeMap::new();
    let mut names = BTreeMap::new();
    for definition in definitions {
        let (vm, line) = (&definition.vm, definition.origin.line);
        let same = |line: u32, what: &str| {
            let problem = format!("the definition in line {line} has the same {what}");
            Err(definition.origin.error(problem))
        };
        if let Some(id) = vm.id()
            && let Some(line) = ids.insert(id, line)
        {
            return same(line, &format!("id: {id}"));
        }
        if vm.name().is_empty() {
            continue;
        }
        let has_id = vm.id().is_some();
        match names.insert(vm.name(), (line, has_id)) {
            // An image may be left of an earlier VM of this name, which then has its own id.
            Some((line, other_has)) if !(other_has && has_id) => {
                return same(line, &format!("name: {}", vm.name()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The first value that comes again.
fn twice<'a>(values: impl IntoIterator<Item = &'a String>) -> Option<&'a String> {
    let mut seen = HashSet::new();
    values.into_iter().find(|value| !seen.insert(*value))
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
    // Elsewhere a place may be written in another way: `[store] folder/file`, `C:\folder\file`.
    let has_paths = matches!(
        stat.domain_type.as_deref(),
        None | Some("kvm" | "qemu" | "hvf" | "xen" | "bhyve" | "test")
    );
    if !has_paths {
        return;
    }
    for path in [
        &mut stat.kernel_url,
        &mut stat.initrd_url,
        &mut stat.iso_path,
        &mut stat.serial_log_path,
    ]
    .into_iter()
    .flatten()
    {
        if !domain::is_elsewhere(&path.to_string_lossy()) {
            *path = folder.join(&path);
        }
    }
    for disk in &mut stat.images {
        let is_file = matches!(disk.source_type.as_deref(), None | Some("file" | "block"));
        // A definition that takes the network for a file is told so when a domain is made of it.
        if let (true, Some(path)) = (is_file, &mut disk.image_path)
            && !domain::is_elsewhere(path)
        {
            *path = folder.join(&path).to_string_lossy().into_owned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::{
        DisplayType, GraphicsType, InitializationType, MemorySize, VmPayload, VmStatic,
    };

    #[test]
    fn the_xml_in_a_definition_is_looked_at_when_it_is_loaded() {
        for xml in [
            "<domain><garbage",
            "<network/>",
            "<domain><memory unit='banana'>1</memory></domain>",
        ] {
            let text = format!("vmStatic: {{name: q}}\ndomainXml: \"{xml}\"\n");
            let error = parse("f", &text).unwrap_err().to_string();
            assert!(error.starts_with("f:1:1: domainXml: "), "{error}");
        }
    }

    #[test]
    fn a_payload_is_a_cd_of_its_own_and_stays_out_of_the_isos_way() {
        let payload = |path: &str| {
            Some(VmPayload {
                device: Some("cdrom".to_owned()),
                volume_id: Some("config-2".to_owned()),
                image_path: Some(path.into()),
                ..VmPayload::default()
            })
        };
        for (machine, iso, cd) in [("pc", "hda", "hdb"), ("q35", "sda", "sdb")] {
            let mut vm = Vm {
                initialization_type: Some(InitializationType::CloudInit),
                vm_payload: payload("/p/a.iso"),
                ..Vm::default()
            };
            vm.vm_static.name = "web".to_owned();
            vm.vm_static.mem_size_mb = Some(MemorySize::from_mib(64));
            vm.vm_static.custom_emulated_machine = Some(machine.to_owned());
            vm.vm_static.iso_path = Some("/v/cd.iso".into());
            let xml = domain_xml(&vm).unwrap();
            let places = [iso, cd].map(|dev| xml.find(&format!("<target dev='{dev}'")).unwrap());
            assert!(places[0] < places[1], "{xml}");
            assert!(xml.contains("<alias name='ua-vmlife-payload'/>"), "{xml}");
            let read = read_domain(&xml).unwrap();
            assert_eq!(read.vm_payload, vm.vm_payload);
            assert_eq!(read.initialization_type, vm.initialization_type);
            assert_eq!(read.vm_static.iso_path, vm.vm_static.iso_path);
            assert_eq!(update(&xml, &read).unwrap(), xml, "nothing has changed");

            let mut wish = read.clone();
            wish.vm_static.iso_path = None;
            wish.vm_payload = payload("/p/b.iso");
            let moved = update(&xml, &wish).unwrap();
            assert!(
                moved.contains("/p/b.iso") && !moved.contains("/p/a.iso"),
                "{moved}"
            );
            assert_eq!(read_domain(&moved).unwrap().vm_static.iso_path, None);
            wish.vm_payload = None;
            let without = update(&moved, &wish).unwrap();
            assert!(!without.contains("ua-vmlife-payload"), "{without}");
        }
    }

    #[test]
    fn secrets_are_open_where_others_may_use_their_file() {
        let with = |text: &str| parse("f", text).unwrap().remove(0);
        let secret = [
            "vmStatic: {name: a, vmInit: {rootPassword: x}}",
            "vmStatic: {name: a, vmInit: {authorizedKeys: x}}",
            "vmStatic: {name: a, vmInit: {customScript: x}}",
            "vmStatic: {name: a, vmInit: {winKey: x}}",
            "{vmStatic: {name: a}, vmPayload: {files: {a: ''}}}",
            "{vmStatic: {name: a}, vmDynamic: {graphicsInfos: {VNC: {ticket: x}}}}",
            "vmStatic: {name: a, vmInit: {authorizedKeys: x}}",
            "vmStatic: {name: a, isoPath: 'https://me:x@h/a.iso'}",
            "vmStatic: {name: a, images: [{sourceType: network, imagePath: 'rbd:p/a:key=x'}]}",
            "<domain><name>a</name><devices><graphics type='vnc' passwd='x'/></devices></domain>",
            "<domain><name>a</name><sysinfo type='fwcfg'><entry name='opt/x'>x</entry></sysinfo></domain>",
            "<domain><name>a</name><metadata><v:vm xmlns:v='urn:vmlife:vm:1'><v:vmInit>\
             <v:rootPassword>x</v:rootPassword></v:vmInit></v:vm></metadata></domain>",
            "<domain><name>a</name><q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'>\
             <q:arg value='secret,id=a,data=x'/></q:commandline></domain>",
        ];
        for text in secret {
            assert!(are_open(0o100_640, &with(text)), "{text}");
            assert!(are_open(0o100_602, &with(text)), "{text}");
            assert!(!are_open(0o100_600, &with(text)), "{text}");
        }
        for text in [
            "vmStatic: {name: a, vmInit: {hostname: x}}",
            "<domain><name>a</name><devices><graphics type='vnc'/></devices></domain>",
            "vmStatic: {name: a, vmInit: {rootPassword: '(hidden; --security-info shows it)'}}",
        ] {
            assert!(!are_open(0o100_644, &with(text)), "{text}");
        }
    }

    #[test]
    fn a_secret_in_the_metadata_never_reaches_libvirt() {
        let with = |password: &str| {
            let text = format!(
                "<domain type='qemu'><name>a</name><metadata><v:vm xmlns:v='urn:vmlife:vm:1'><v:vmInit>\
                 <v:rootPassword>{password}</v:rootPassword></v:vmInit></v:vm></metadata></domain>"
            );
            parse("vm.xml", &text).unwrap().remove(0)
        };
        let refused = with("s3cret").domain_xml().unwrap_err().to_string();
        assert!(refused.contains("rootPassword") && refused.contains("YAML"));
        assert!(!refused.contains("s3cret"), "{refused}");
        assert!(with("s3cret").whole_xml().unwrap().contains("s3cret"));
        assert!(with(Secret::HIDDEN).domain_xml().is_ok());
        let text = format!(
            "<domain type='qemu'><name>a</name><devices><graphics type='vnc' passwd='{}'/></devices></domain>",
            Secret::HIDDEN
        );
        let refused = parse("vm.xml", &text).unwrap().remove(0).domain_xml();
        assert!(refused.unwrap_err().to_string().contains("placeholder"));
    }

    #[test]
    fn what_was_hidden_of_a_place_is_no_place() {
        let text = format!(
            "vmStatic: {{name: a, memSizeMb: 64, isoPath: 'https://me:{}@h/a.iso'}}",
            Secret::HIDDEN
        );
        let refused = parse("f", &text).unwrap().remove(0).domain_xml();
        assert!(refused.unwrap_err().to_string().contains("isoPath"));
    }

    fn complaint(text: &str) -> String {
        crate::definition::parse("vm.xml", text)
            .expect_err("it should be refused")
            .to_string()
    }

    #[test]
    fn a_live_domain_gives_both_parts() {
        let vm = read_domain(
            "<domain type='kvm' id='7'><name>web</name><uuid>6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a11</uuid>
            <metadata><l:vm xmlns:l='urn:vmlife:vm:1'><l:priority>50</l:priority></l:vm>
            <o:vm xmlns:o='http://ovirt.org/vm/1.0'><o:priority>9</o:priority></o:vm></metadata>
            <memory unit='MiB'>512</memory><vcpu current='2'>8</vcpu>
            <os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>
            <cpu><topology sockets='2' dies='1' cores='2' threads='2'/></cpu>
            <devices>
              <disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/v/root.qcow2'/><target dev='vda' bus='virtio'/></disk>
              <disk type='network' device='disk'><source protocol='rbd' name='pool/img'/><target dev='sda' bus='scsi'/><readonly/></disk>
              <disk type='file' device='cdrom'><source file='/v/cd.iso'/></disk>
              <disk type='file' device='cdrom'/>
              <interface type='bridge'><mac address='52:54:00:AA:bb:cc'/><source bridge='br0'/><model type='virtio'/><link state='down'/></interface>
              <interface type='user'/>
              <graphics type='vnc' port='5901'><listen type='address' address='127.0.0.1'/></graphics>
              <graphics type='spice' port='-1'/><graphics type='sdl'/>
              <video><model type='virtio'/></video>
            </devices></domain>",
        )
        .unwrap();
        let configured = &vm.vm_static;
        assert_eq!(
            (configured.cpu_count(), configured.max_num_of_cpus()),
            (2, 8)
        );
        assert_eq!(configured.priority, 50);
        assert_eq!(configured.mem_size_mb, Some(MemorySize::from_mib(512)));
        let paths: Vec<_> = configured
            .images
            .iter()
            .map(|d| d.image_path.as_deref().unwrap())
            .collect();
        assert_eq!(paths, ["/v/root.qcow2", "rbd:pool/img"]);
        assert_eq!(configured.images[0].disk_alias, "root.qcow2");
        assert!(configured.images[1].read_only);
        assert_eq!(configured.iso_path.as_deref(), Some("/v/cd.iso".as_ref()));
        assert_eq!(
            configured.interfaces[0].mac_address.as_deref(),
            Some("52:54:00:aa:bb:cc")
        );
        assert!(!configured.interfaces[0].linked && configured.interfaces[1].linked);
        assert_eq!(
            configured.graphics_types,
            [
                GraphicsType::Vnc,
                GraphicsType::Spice,
                GraphicsType::Other("sdl".into())
            ]
        );
        assert_eq!(configured.default_display_type, Some(DisplayType::Vga));
        assert_eq!(vm.cluster_arch, Some(ArchitectureType::X86_64));
        let observed = vm.vm_dynamic.unwrap();
        assert_eq!(observed.domain_id, Some(7));
        assert_eq!(observed.graphics_infos[&GraphicsType::Vnc].port, Some(5901));
        assert!(!observed.graphics_infos.contains_key(&GraphicsType::Spice));
    }

    #[test]
    fn a_domain_that_is_not_running_has_no_observed_part() {
        assert_eq!(
            read_domain("<domain><name>a</name></domain>")
                .unwrap()
                .vm_dynamic,
            None
        );
    }

    #[test]
    fn truncated_text_a_document_type_an_entity_and_another_root_are_errors_with_a_place() {
        assert_eq!(
            complaint("<domain>\n<name>a</name>\n"),
            "vm.xml:2:15: the text ends before its root is closed"
        );
        assert_eq!(
            complaint(
                "<!DOCTYPE d [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>\n<domain><name>&x;</name></domain>"
            ),
            "vm.xml:1:1: a document type (<!DOCTYPE ...>) is not accepted"
        );
        assert!(complaint("<domain><name>&x;</name></domain>").contains("entity"));
        assert_eq!(
            complaint("\n<network><name>a</name></network>"),
            "vm.xml:2:1: the root is <network>, not libvirt's <domain>"
        );
        assert!(complaint("<domain/>").contains("names no VM"));
    }

    #[test]
    fn numbers_that_are_none_are_errors_with_a_place() {
        assert_eq!(
            complaint("<domain><name>a</name>\n<uuid>5</uuid></domain>"),
            "vm.xml:2:1: <uuid>: '5' is not a UUID"
        );
        assert!(
            complaint("<domain><name>a</name><memory unit='ells'>5</memory></domain>")
                .contains("'ells' is not a unit")
        );
        assert!(
            complaint("<domain><name>a</name><vcpu>-1</vcpu></domain>").contains("not a number")
        );
        assert!(
            complaint("<domain><name>a</name><memory>-1</memory></domain>").contains("not a size")
        );
    }

    #[test]
    fn a_hundred_thousand_elements_one_in_another_are_an_error_and_no_crash() {
        complaint(&format!("<domain>{}", "<a>".repeat(100_000)));
    }
    #[test]
    fn what_goes_into_xml_comes_back_from_it() {
        let text = "
vmStatic:
  name: \"<web> & 'co' \\\"x\\\"\"
  id: 6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a11
  description: \"two\\nlines <&>\"
  memSizeMb: 512
  numOfSockets: 2
  cpuPerSocket: 2
  numOfCpus: 3
  domainType: qemu
  customEmulatedMachine: pc
  priority: 50
  images:
  - {diskAlias: root.qcow2, imagePath: /v/root.qcow2, sourceType: file, targetDev: vda, diskInterface: VirtIO, volumeFormat: COW}
  - {diskAlias: img, imagePath: 'rbd:pool/img', sourceType: network, targetDev: sda, diskInterface: VirtIO_SCSI, volumeFormat: RAW, readOnly: true}
  - {diskAlias: vol, imagePath: pool/vol, sourceType: volume, targetDev: vdc, diskInterface: VirtIO, volumeFormat: RAW, shareable: true}
  - {diskAlias: sdq, imagePath: /dev/sdq, sourceType: block, targetDev: vdd, diskInterface: VirtIO, volumeFormat: RAW}
  isoPath: /v/cd.iso
  interfaces:
  - {name: nic1, macAddress: '52:54:00:aa:bb:cc', type: pv, networkName: default, sourceType: network, linked: false}
  - {name: nic2, type: e1000, sourceType: user}
  defaultDisplayType: vga
  graphicsTypes: [VNC]
  kernelUrl: /boot/vmlinuz
  initrdUrl: /boot/initrd
  kernelParams: console=ttyS0 quiet
  serialLogPath: /tmp/serial.log
clusterArch: x86_64
";
        let vm = parse("f", text).unwrap().remove(0).vm;
        let xml = domain_xml(&vm).unwrap();
        let read = read_domain(&xml).unwrap();
        assert_eq!(deviations(&vm, &read), []);
        assert_eq!(update(&xml, &read).unwrap(), xml);
    }

    #[test]
    fn a_definition_that_lacks_what_a_vm_needs_says_so() {
        let mut vm = Vm {
            vm_static: VmStatic {
                name: "a".into(),
                ..VmStatic::default()
            },
            ..Vm::default()
        };
        assert!(domain_xml(&vm).unwrap_err().contains("memSizeMb"));
        vm.vm_static.mem_size_mb = Some(crate::entity::MemorySize::from_mib(64));
        vm.vm_static.num_of_cpus = Some(5);
        assert!(domain_xml(&vm).unwrap_err().contains("numOfCpus"));
    }
}
