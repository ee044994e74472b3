//! The way from words to an exit status: open, select, execute, render.

use crate::cli::{Acting, Cli, Command, Form, Image, Targets};
use crate::entity::Vm;
use crate::execute::{Options, execute};
use crate::hypervisor::{Access, Hypervisor, ImageFlags};
use crate::image::ImagePlace;
use crate::interrupt::Interrupt;
use crate::inventory::{Entry, Inventory};
use crate::plan::{Verb, Wishes};
use crate::render::Output;
use crate::report::{Failure, Kind};
use crate::select::{Selection, select};
use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A connection that takes longer than this is none.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Runs a command line, prints what it has to say, and tells how it ended.
#[must_use]
pub fn run(cli: &Cli) -> Kind {
    let common = &cli.common;
    let mut output = Output::new(common.output, common.quiet, common.verbose);
    let kind = attempt(cli, &mut output).unwrap_or_else(|failure| {
        output.failure(&failure);
        failure.kind
    });
    match output.finish() {
        Kind::Done => kind,
        trouble if kind == Kind::Done => trouble,
        _ => kind,
    }
}

fn attempt(cli: &Cli, output: &mut Output) -> Result<Kind, Failure> {
    let request = request(cli)?;
    let interrupt = Interrupt::install(cli.common.timeout)
        .map_err(|error| Failure::new(Kind::Failed, "signals cannot be caught").because(&error))?;
    let inventory = Arc::new(open(cli, &request)?);
    let Options { verb, wishes, .. } = request.options;
    if verb == Verb::Show {
        return show(&inventory, &request, output);
    }
    let entries = select(&inventory, &request.selection, verb, wishes)?;
    if entries.is_empty() {
        output.words(&format!("no VM can be {}", verb.past()));
    }
    let report = execute(&inventory, entries, &request.options, &interrupt, output);
    output.report(&report);
    // Closing the connection would wait for a daemon that may never answer; the process ends now.
    std::mem::forget(inventory);
    Ok(report.kind())
}

/// What the command line asks for.
struct Request {
    selection: Selection,
    options: Options,
    from: Option<PathBuf>,
}

fn request(cli: &Cli) -> Result<Request, Failure> {
    let (verb, acting) = match &cli.command {
        Command::Hibernate { acting, .. } => (Verb::Hibernate, Some(acting)),
        Command::Restore { acting, .. } => (Verb::Restore, Some(acting)),
        Command::Pause { acting } => (Verb::Pause, Some(acting)),
        Command::Resume { acting } => (Verb::Resume, Some(acting)),
        Command::Show { .. } => (Verb::Show, None),
        Command::Suspend { .. } => {
            return Err(Failure::new(Kind::Usage, "'suspend' means two things").hint(
                "vmlife pause freezes a VM in memory; vmlife hibernate writes its memory to disk",
            ));
        }
    };
    let mut request = Request {
        selection: match &cli.command {
            Command::Show { targets } => selection(targets, false),
            _ => acting
                .map(|acting| selection(&acting.targets, acting.all))
                .unwrap_or_default(),
        },
        options: Options {
            verb,
            wishes: Wishes::default(),
            to: None,
            flags: ImageFlags::default(),
            keep: false,
            strict: acting.is_some_and(|acting| acting.strict),
            dry_run: acting.is_some_and(|acting| acting.dry_run),
        },
        from: None,
    };
    match &cli.command {
        Command::Hibernate {
            to, image, force, ..
        } => {
            request.options.to.clone_from(to);
            request.options.flags = image_flags(image);
            request.options.wishes.force = *force;
        }
        Command::Restore {
            from,
            image,
            keep,
            or_start,
            force,
            ..
        } => {
            request.from = from.as_deref().map(whole_path).transpose()?;
            request.options.flags = image_flags(image);
            request.options.keep = *keep;
            request.options.wishes = Wishes {
                force: *force,
                or_start: *or_start,
            };
        }
        _ => {}
    }
    if let Some(acting) = acting {
        check(acting, &request, cli.common.output)?;
    }
    Ok(request)
}

fn selection(targets: &Targets, all: bool) -> Selection {
    Selection {
        targets: targets.targets.clone(),
        files: targets.files.clone(),
        numbers: targets.numbers.clone(),
        all,
        exclude: targets.exclude.clone(),
    }
}

fn image_flags(image: &Image) -> ImageFlags {
    ImageFlags {
        bypass_cache: image.bypass_cache,
        running: match (image.running, image.paused) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        },
    }
}

fn whole_path(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| {
        Failure::new(Kind::Usage, format!("'{}' is no path", path.display())).because(&error)
    })
}

/// What clap cannot check: words that only together make no sense.
fn check(acting: &Acting, request: &Request, form: Form) -> Result<(), Failure> {
    let targets = &acting.targets;
    let named = targets.targets.len() + targets.files.len() + targets.numbers.len();
    let problem = if form == Form::Xml {
        "-o xml is for show only"
    } else if acting.all && named > 0 {
        "--all and TARGETs exclude each other"
    } else if request.from.is_some() && (acting.all || named > 1) {
        "--from names one image, which is of one VM"
    } else if !acting.all && named == 0 && request.from.is_none() {
        "which VM? Name at least one TARGET, or say --all"
    } else {
        return Ok(());
    };
    let verb = request.options.verb.word();
    Err(Failure::new(Kind::Usage, problem).hint(format!("vmlife {verb} --help")))
}

fn open(cli: &Cli, request: &Request) -> Result<Inventory, Failure> {
    let access = match request.options.verb {
        Verb::Show => Access::ReadOnly,
        _ => Access::ReadWrite,
    };
    let uri = cli.common.connect.as_deref();
    let limit = cli
        .common
        .timeout
        .map_or(CONNECT_LIMIT, |limit| limit.min(CONNECT_LIMIT));
    let hypervisor = Hypervisor::open(uri, access, limit).map_err(|error| {
        let whom = uri.map_or_else(|| "libvirt".to_owned(), |uri| format!("libvirt at {uri}"));
        let mut failure = error.failure(format!("{whom} cannot be reached"));
        failure.kind = Kind::Connection;
        failure
    })?;
    let variable = |name: &str| env::var_os(name).map(PathBuf::from);
    let place = ImagePlace::of_connection(hypervisor.uri(), variable)
        .map_err(|error| Failure::new(Kind::Usage, error.to_string()))?;
    Ok(Inventory {
        hypervisor: Arc::new(hypervisor),
        place,
        from: request.from.clone(),
    })
}

fn show(inventory: &Inventory, request: &Request, output: &mut Output) -> Result<Kind, Failure> {
    let selection = &request.selection;
    let named = !selection.is_empty();
    let selection = Selection {
        all: !named,
        ..selection.clone()
    };
    let entries = select(inventory, &selection, Verb::Show, Wishes::default())?;
    let vms: Vec<Vm> = entries.iter().map(|entry| entry.vm.clone()).collect();
    output.vms(&vms, named, |index| xml_of(inventory, &entries[index]))?;
    Ok(Kind::Done)
}

/// libvirt's XML of a VM. Of a VM that it does not know there is one inside the image, with secrets in
/// it: that is not for us to print.
fn xml_of(inventory: &Inventory, entry: &Entry) -> Result<String, Failure> {
    let name = entry.vm.name();
    let Some(machine) = &entry.machine else {
        let message = format!("libvirt has no XML of {name}: only its image is left");
        let path = entry
            .vm
            .id()
            .map(|id| inventory.image_path(id))
            .unwrap_or_default();
        return Err(Failure::new(Kind::NotFound, message)
            .hint(format!("virsh save-image-dumpxml {}", path.display())));
    };
    machine
        .xml()
        .map_err(|error| error.failure(format!("the XML of {name} cannot be read")))
}
