//! The verb that only looks: VMs of a daemon, definitions and images without one, and where they differ.

use crate::cli::{Cli, Showing};
use crate::definition::{self, Definition, Deviation, deviations, redact};
use crate::entity::{Secret, Verdict, Vm, VmStatus};
use crate::hypervisor::{Machine, XmlFlags};
use crate::image::ImageFile;
use crate::interrupt::Interrupt;
use crate::inventory::{Depth, Entry, Inventory, absent};
use crate::observe::{self, measure, observe};
use crate::payload;
use crate::plan::{Verb, Wishes};
use crate::render::{self, Output};
use crate::report::{Difference, Failure, Kind};
use crate::run::{LOOK_LIMIT, in_time};
use crate::select::{Selection, is_file_name, select};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// Something to be shown, and where it comes from.
type Subject = (Vm, Source);

/// Where a VM that is shown comes from.
enum Source {
    /// libvirt, or the image place: then there is no machine.
    Found(Option<Machine>),
    /// A definition file.
    Defined(Box<Definition>),
    /// An image, with the domain XML in it.
    Image(Secret),
}

impl Source {
    /// What its owner should mend.
    fn warnings(&self) -> Vec<String> {
        match self {
            Self::Defined(definition) => {
                // Domain XML says itself what CDs there are.
                let useless = payload::useless(&definition.vm).filter(|_| definition.xml.is_none());
                definition.warning().into_iter().chain(useless).collect()
            }
            Self::Found(_) | Self::Image(_) => Vec::new(),
        }
    }
}

/// Looks at what a command line names, and prints it. `connect` opens the daemon's inventory; it is not
/// called if all that is named are files.
///
/// # Errors
/// What is in the way of it.
pub(crate) fn show(
    cli: &Cli,
    selection: &Selection,
    showing: &Showing,
    interrupt: &Interrupt,
    connect: impl FnOnce() -> Result<Arc<Inventory>, Failure>,
    output: &mut Output,
) -> Result<Kind, Failure> {
    let form = cli.common.output;
    if let Some(problem) = showing.problem(form) {
        return Err(Failure::new(Kind::Usage, problem).hint("vmlife show --help"));
    }
    if let Some(file) = &showing.diff {
        return differences(
            selection,
            file.as_deref(),
            showing,
            interrupt,
            connect,
            output,
        );
    }
    let (files, words): (Vec<String>, Vec<String>) = selection
        .targets
        .iter()
        .cloned()
        .partition(|target| is_file_name(target));
    let mut subjects = Vec::new();
    for file in &files {
        subjects.extend(of_file(file)?);
    }
    let of_daemon = Selection {
        targets: words,
        ..selection.clone()
    };
    let mut inventory = None;
    if files.is_empty() || !of_daemon.is_empty() {
        let connected = connect()?;
        let depth = render::depth(form, &showing.columns, !selection.all);
        for entry in look(&connected, &of_daemon, depth, showing, interrupt)? {
            subjects.push((entry.vm, Source::Found(entry.machine)));
        }
        inventory = Some(connected);
    }
    let (mut vms, sources): (Vec<Vm>, Vec<Source>) = subjects.into_iter().unzip();
    if showing.security_info {
        vms.iter_mut().for_each(Vm::reveal_secrets);
    } else {
        vms.iter_mut().for_each(Vm::hide_secrets_of_places);
    }
    let mut warnings: Vec<String> = sources.iter().flat_map(Source::warnings).collect();
    warnings.dedup();
    for warning in &warnings {
        output.warning(warning);
    }
    let named = !selection.all;
    output.vms(&vms, named, showing, |index| {
        xml_of(inventory.as_deref(), &vms[index], &sources[index], showing)
    })?;
    // Closing the connection would wait for a daemon that may never answer; the process ends now.
    std::mem::forget(inventory);
    Ok(Kind::Done)
}

/// The VMs that are meant, looked at as closely as is asked for.
fn look(
    inventory: &Arc<Inventory>,
    selection: &Selection,
    depth: Depth,
    showing: &Showing,
    interrupt: &Interrupt,
) -> Result<Vec<Entry>, Failure> {
    let more = observe::Wishes {
        sample: showing.sample,
        inactive: showing.inactive,
        secrets: showing.security_info,
    };
    let limit = LOOK_LIMIT + showing.sample.unwrap_or_default();
    let (inventory, selection) = (Arc::clone(inventory), selection.clone());
    in_time(interrupt, limit, "libvirt has not answered", move || {
        let wishes = Wishes::default();
        let mut entries = select(&inventory, &selection, Verb::Show, wishes, depth)?;
        match depth {
            Depth::Line | Depth::Definition => {}
            Depth::Statistics => measure(&inventory, &mut entries, more),
            Depth::Whole => observe(&inventory, &mut entries, more),
        }
        Ok(entries)
    })?
}

/// What a file holds: definitions, or an image.
fn of_file(file: &str) -> Result<Vec<Subject>, Failure> {
    if file != "-" && is_image(Path::new(file)) {
        return of_image(Path::new(file)).map(|subject| vec![subject]);
    }
    let definitions =
        definition::load(file).map_err(|error| Failure::new(Kind::Usage, error.to_string()))?;
    Ok(definitions
        .into_iter()
        .map(|definition| (definition.vm.clone(), Source::Defined(Box::new(definition))))
        .collect())
}

/// Whether a file begins as images do.
fn is_image(path: &Path) -> bool {
    let mut begin = [0; 12];
    let is_regular = path.metadata().is_ok_and(|found| found.is_file());
    is_regular
        && File::open(path).is_ok_and(|mut file| file.read_exact(&mut begin).is_ok())
        && &begin == b"LibvirtQemud"
}

/// The VM whose memory an image holds.
fn of_image(path: &Path) -> Result<Subject, Failure> {
    let wrong =
        |why: String| Failure::new(Kind::Guard, format!("the image {}: {why}", path.display()));
    let path = std::path::absolute(path).map_err(|error| wrong(error.to_string()))?;
    let image = ImageFile::inspect(&path).ok_or_else(|| wrong("it cannot be read".to_owned()))?;
    let flaw = image.summary.flaw.clone().unwrap_or_default();
    let vm = image.vm.ok_or_else(|| wrong(flaw))?;
    let status = match image.summary.verdict {
        Verdict::Good => VmStatus::Suspended,
        _ => VmStatus::Down,
    };
    let xml = image.xml.unwrap_or_default();
    let vm = Vm {
        vm_dynamic: Some(absent(&vm, status)),
        saved_images: vec![image.summary],
        ..vm
    };
    Ok((vm, Source::Image(xml)))
}

/// Domain XML of what is shown, its secrets hidden unless they are asked for.
fn xml_of(
    inventory: Option<&Inventory>,
    vm: &Vm,
    source: &Source,
    showing: &Showing,
) -> Result<String, Failure> {
    let name = vm.name();
    let failed = |error: &dyn ToString| {
        Failure::new(Kind::Failed, format!("the XML of {name} cannot be told"))
            .because(&error.to_string())
    };
    let xml = match source {
        Source::Image(xml) => xml.expose().unwrap_or_default().to_owned(),
        Source::Defined(definition) => definition.whole_xml().map_err(|error| failed(&error))?,
        Source::Found(machine) => {
            let Some(machine) = machine else {
                let path = vm
                    .saved_images
                    .first()
                    .and_then(|image| image.path.as_ref());
                let message = format!("libvirt has no XML of {name}: only its image is left");
                let failure = Failure::new(Kind::NotFound, message);
                return Err(match path {
                    Some(path) => failure.hint(format!("vmlife show -o xml {}", path.display())),
                    None => failure,
                });
            };
            let flags = XmlFlags {
                inactive: showing.inactive,
                migratable: showing.migratable,
                secure: showing.security_info,
            };
            // The form that can move has secrets in it, too: libvirt tells it to nobody else.
            let machine = match inventory {
                Some(inventory) if flags.secure || flags.migratable => {
                    inventory.writable(machine).map_err(|error| {
                        error.failure(
                            "this form has secrets in it, and needs a connection that may write",
                        )
                    })?
                }
                _ => machine.clone(),
            };
            machine
                .xml_of(flags)
                .map_err(|error| error.failure(format!("the XML of {name} cannot be read")))?
        }
    };
    if showing.security_info {
        Ok(xml)
    } else {
        redact(&xml).map_err(|error| failed(&error))
    }
}

/// Where VMs are otherwise than their definitions say.
fn differences(
    selection: &Selection,
    file: Option<&str>,
    showing: &Showing,
    interrupt: &Interrupt,
    connect: impl FnOnce() -> Result<Arc<Inventory>, Failure>,
    output: &mut Output,
) -> Result<Kind, Failure> {
    let (files, words): (Vec<String>, Vec<String>) = selection
        .targets
        .iter()
        .cloned()
        .partition(|target| is_file_name(target));
    let files: Vec<String> = files
        .into_iter()
        .chain(selection.files.iter().cloned())
        .chain(file.map(str::to_owned))
        .collect();
    if files.is_empty() {
        let message = "from which definition should it differ?";
        return Err(Failure::new(Kind::Usage, message).hint("vmlife show --diff=FILE TARGET"));
    }
    let mut definitions = Vec::new();
    for file in &files {
        let loaded = definition::load(file);
        definitions.extend(loaded.map_err(|error| Failure::new(Kind::Usage, error.to_string()))?);
    }
    let inventory = connect()?;
    let by_name = Selection {
        targets: words,
        files: Vec::new(),
        all: false,
        ..selection.clone()
    };
    let pairs = if by_name.is_empty() {
        let by_file = Selection {
            targets: Vec::new(),
            files,
            all: false,
            ..selection.clone()
        };
        let entries = look(&inventory, &by_file, Depth::Whole, showing, interrupt)?;
        entries
            .into_iter()
            .filter_map(|entry| Some((*entry.definition.clone()?, entry)))
            .collect()
    } else {
        let entries = look(&inventory, &by_name, Depth::Whole, showing, interrupt)?;
        paired(definitions, entries)?
    };
    let mut all = Vec::new();
    let mut names = Vec::new();
    for (definition, entry) in pairs {
        let name = entry.vm.name().to_owned();
        let found = discreet_deviations(&definition.vm, &entry.vm).into_iter();
        all.extend(found.map(|deviation| Difference {
            vm: name.clone(),
            field: deviation.field,
            defined: deviation.defined,
            found: deviation.found,
        }));
        names.push(name);
    }
    output.differences(&names, &all);
    std::mem::forget(inventory);
    Ok(if all.is_empty() {
        Kind::Done
    } else {
        Kind::Differs
    })
}

/// Where a VM is otherwise than its definition says, told without the secrets of places. What the
/// definition itself has hidden of one cannot differ.
fn discreet_deviations(defined: &Vm, found: &Vm) -> Vec<Deviation> {
    let without_secrets = |vm: &Vm| {
        let mut vm = vm.clone();
        vm.hide_secrets_of_places();
        vm
    };
    let mut all = deviations(&without_secrets(defined), &without_secrets(found));
    for exact in deviations(defined, found) {
        let is_hidden = exact
            .defined
            .as_ref()
            .is_some_and(|words| words.contains(Secret::HIDDEN));
        if !is_hidden && all.iter().all(|other| other.field != exact.field) {
            all.push(Deviation {
                defined: Some(Secret::HIDDEN.to_owned()),
                found: Some(Secret::HIDDEN.to_owned()),
                ..exact
            });
        }
    }
    all
}

/// Each VM with the definition that is about it. A single definition may be meant for a VM of another
/// name; of several each must name its own.
fn paired(
    mut definitions: Vec<Definition>,
    entries: Vec<Entry>,
) -> Result<Vec<(Definition, Entry)>, Failure> {
    if let ([_], [_]) = (definitions.as_slice(), entries.as_slice()) {
        return Ok(definitions.drain(..).zip(entries).collect());
    }
    entries
        .into_iter()
        .map(|entry| {
            let is_about = |definition: &&Definition| {
                definition
                    .vm
                    .id()
                    .map_or(definition.vm.name() == entry.vm.name(), |id| {
                        Some(id) == entry.vm.id()
                    })
            };
            let definition = definitions.iter().find(is_about).cloned();
            definition
                .map(|definition| (definition, entry.clone()))
                .ok_or_else(|| {
                    let name = entry.vm.name();
                    Failure::new(Kind::NotFound, format!("no definition is about {name}"))
                })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_in_a_password_is_seen_and_not_told() {
        let vm = |iso: &str| {
            let text = format!("vmStatic: {{name: a, isoPath: '{iso}'}}");
            definition::parse("f", &text).unwrap().remove(0).vm
        };
        let found = vm("https://me:s3cret@h/a.iso");
        for other in ["https://me:0ther@h/a.iso", "https://me:0ther@h/b.iso"] {
            let told = discreet_deviations(&vm(other), &found);
            assert_eq!(told.len(), 1, "{told:?}");
            assert_eq!(told[0].field, "vmStatic.isoPath");
            let words = format!("{told:?}");
            assert!(!words.contains("s3cret") && !words.contains("0ther"));
        }
        let mut shown = found.clone();
        shown.hide_secrets_of_places();
        assert_eq!(discreet_deviations(&shown, &found), []);
        assert_eq!(discreet_deviations(&found, &found), []);
    }
}
