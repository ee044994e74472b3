//! The way from words to an exit status: open, select, execute, render.

use crate::cli::{
    Acting, Cli, Command, Common, Form, Image, ImageFormat, Managed, ProgressForm, Targets,
    WaitFor, WakingArgs,
};
use crate::config::{CommandLine, Settled, Sources, Unread, list, settle, slips};
use crate::entity::Secret;
use crate::execute::{Fleet, FormatWish, Keeping, Options, Trim, Until, Wait, execute, losses};
use crate::hooks::{Hooks, hooks_folder};
use crate::hosts::Host;
use crate::hypervisor::{
    Access, Hypervisor, ImageFlags, OLDEST_LIBVIRT, VIRT_CRATE, library_version,
};
use crate::image::{Format, ImagePlace, RunLogs, is_session, managed_folder, run_folder};
use crate::interrupt::{Interrupt, within};
use crate::inventory::{Depth, Entry, Inventory};
use crate::journal::{self, Journal};
use crate::plan::{Decision, Verb, Wishes, decide};
use crate::render::{self, Output};
use crate::report::{Event, Failure, Kind, Outcome, Report, SilentHost, Sink};
use crate::select::{Others, PassedBy, Selection, select};
use crate::show::show;
use crate::virsh;
use crate::words::count;
use anyhow::Context;
use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// A connection that takes longer than this is none.
pub(crate) const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Looking that takes longer than this has come upon a daemon that hangs.
pub(crate) const LOOK_LIMIT: Duration = Duration::from_secs(120);

/// Runs a command line, prints what it has to say, and tells how it ended.
#[must_use]
pub fn run(line: &CommandLine) -> Kind {
    let sources = Sources::of(&variable, line.cli().common.no_config);
    let settled = settle(line, &sources, goes);
    let cli = settled.as_ref().map_or(line.cli(), |settled| &settled.cli);
    let common = &cli.common;
    let verb = verb_of(&cli.command);
    let dry_run = acting_of(&cli.command).is_some_and(|acting| acting.dry_run);
    let mut output = Output::new(verb, dry_run, common);
    let ended = match &settled {
        Ok(settled) => attempt(line, &sources, settled, &mut output),
        Err(failure) => Err(failure.clone().into()),
    };
    let kind = ended.unwrap_or_else(|error| {
        // What is no failure of ours has its causes in a chain.
        let failure = error.downcast::<Failure>().unwrap_or_else(|error| {
            let causes: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
            Failure::new(Kind::Failed, error.to_string()).because(&causes.join(": "))
        });
        let kind = failure.kind;
        output.failure(failure);
        kind
    });
    match output.finish() {
        Kind::Done => kind,
        trouble if kind == Kind::Done => trouble,
        _ => kind,
    }
}

/// Prints why there is no command, in the form that was asked for: a mistake, or the help or the version.
#[must_use]
pub fn refuse(unread: &Unread) -> Kind {
    if unread.asks_version() {
        return version();
    }
    if !unread.is_mistake() {
        return render::told(unread.print());
    }
    let advice = unread.no_verb().and_then(virsh::advice);
    let is_for_programs = |common: &Common| {
        let is_form = matches!(common.output, Form::Json | Form::Jsonl | Form::Yaml);
        is_form || common.progress == ProgressForm::Json
    };
    let manner = unread.manner();
    match manner.filter(|common| advice.is_some() || is_for_programs(common)) {
        Some(common) => {
            let mut output = Output::new(unread.verb(), false, &common);
            output.failure(advice.unwrap_or_else(|| unread.failure()));
            // What cannot be written either changes nothing.
            let _ = output.finish();
        }
        None => drop(unread.print()),
    }
    Kind::Usage
}

/// Prints which version this is, and which libvirt it works with.
fn version() -> Kind {
    let libvirt = library_version().unwrap_or_else(|| "not known".to_owned());
    let lines = [
        format!("vmlife {}", env!("CARGO_PKG_VERSION")),
        format!(
            "libvirt {libvirt} here; built for {OLDEST_LIBVIRT} and newer, by the crate virt {VIRT_CRATE}"
        ),
    ];
    render::version(&lines)
}

/// What is set for a verb where nothing else is said; where that is wrong, nothing is.
pub(crate) fn settings_of(verb: Verb) -> Option<Settled> {
    let line = CommandLine::read(["vmlife", verb.word()].map(OsString::from)).ok()?;
    let settled = |sources| settle(&line, &sources, |_| Ok(())).ok();
    settled(Sources::of(&variable, false)).or_else(|| settled(Sources::of(&|_| None, true)))
}

/// Whether a command line makes sense, as far as that can be told without looking.
fn goes(cli: &Cli) -> Result<(), Failure> {
    request(cli).map(drop)
}

fn attempt(
    line: &CommandLine,
    sources: &Sources<'_>,
    settled: &Settled,
    output: &mut Output,
) -> anyhow::Result<Kind> {
    let cli = &settled.cli;
    let request = request(cli)?;
    if let Command::Show { showing, .. } = &cli.command
        && showing.config
    {
        for slip in slips(line, env::vars_os().map(|(name, _)| name)) {
            output.warning(&slip);
        }
        output.settings(&list(line, sources, goes)?, !showing.no_headers);
        return Ok(Kind::Done);
    }
    for words in &settled.gave_way {
        output.log(words);
    }
    let limits = [cli.common.timeout, request.options.within];
    let limit = limits.into_iter().flatten().min();
    let interrupt = Interrupt::install(limit).context("signals cannot be caught")?;
    if let Command::Show { showing, .. } = &cli.command {
        let connect = || Connected::open(settled, &request, &interrupt);
        let selection = &request.selection;
        return Ok(show(
            settled, selection, showing, &interrupt, connect, output,
        )?);
    }
    let connected = Connected::open(settled, &request, &interrupt)?;
    let others = connected.others();
    let Connected {
        hosts, mut silent, ..
    } = connected;
    let Options { verb, wishes, .. } = request.options;
    let selected = {
        let (hosts, selection) = (hosts.clone(), request.selection.clone());
        let look = move || select(&hosts, &others, &selection, verb, wishes, Depth::Definition);
        let found = in_time(&interrupt, LOOK_LIMIT, "libvirt has not answered", look)?;
        found.map_err(|failure| match silent.first() {
            Some(host) => host.may_have(failure),
            None => failure,
        })?
    };
    for (place, failure) in selected.silent {
        silent.push(SilentHost::new(hosts[place].host.as_deref(), failure));
    }
    if let Some(first) = silent.first().filter(|_| request.options.together) {
        let message = format!(
            "none was touched, as they go together: host {} does not answer",
            first.host
        );
        let cause = first
            .failure
            .cause
            .as_ref()
            .unwrap_or(&first.failure.message);
        return Err(Failure::new(Kind::Connection, message)
            .because(cause)
            .into());
    }
    for words in &selected.left_out {
        output.words(words);
    }
    one_file_for_one_vm(&hosts, &request, selected.entries.len())?;
    if request.asks {
        ask(&selected.entries, &request, output)?;
    }
    for host in &silent {
        output.silent_host(host);
    }
    if selected.entries.is_empty() && selected.out_of_reach.is_empty() {
        output.words(&format!("no VM can be {}", verb.past()));
    }
    let fleet = Fleet {
        hosts,
        vms: selected.entries,
    };
    let mut recorder = Recorder {
        output,
        journal: Journal::new(env::var_os("VMLIFE_JOURNAL")),
        options: &request.options,
        hosts: &fleet.hosts,
    };
    let report = execute(&fleet, &request.options, &interrupt, &mut recorder);
    let report = report.map(|mut report| {
        for vm in selected.out_of_reach {
            let failure = Failure::not_attempted(Kind::Connection, "its host does not answer");
            let outcome = Outcome::failed(vm, failure);
            recorder.emit(Event::Finished(&outcome));
            report.results.push(outcome);
        }
        Report { silent, ..report }
    });
    // Closing the connections would wait for daemons that may never answer; the process ends now.
    std::mem::forget(fleet);
    let report = report?;
    output.report(&report);
    Ok(report.kind())
}

/// Prints what happens, and notes in the journal what has been done.
struct Recorder<'a> {
    output: &'a mut Output,
    journal: Journal,
    options: &'a Options,
    hosts: &'a [Arc<Inventory>],
}

impl Sink for Recorder<'_> {
    fn emit(&mut self, event: Event<'_>) {
        self.output.emit(event);
        let Event::Finished(outcome) = event else {
            return;
        };
        let mut hosts = self.hosts.iter();
        let host = hosts.find(|host| host.host == outcome.vm.host);
        let uri = host.map_or("", |host| host.hypervisor.uri());
        let entry = journal::Entry::of(self.options.verb, &Secret::hide_in_uri(uri), outcome);
        if let Some(entry) = entry.filter(|_| !self.options.dry_run)
            && !self.journal.note(&entry)
        {
            self.output.log(&entry.line());
        }
    }
}

/// Does something before a VM is touched, within the time limit and within a limit of its own.
pub(crate) fn in_time<T: Send + 'static>(
    interrupt: &Interrupt,
    limit: Duration,
    what: &str,
    call: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let left = interrupt.left();
    let limit = left.map_or(limit, |left| left.min(limit));
    within(limit, call).ok_or_else(|| {
        let kind = match left {
            Some(left) if left <= limit => Kind::TimedOut,
            _ => Kind::Connection,
        };
        Failure::new(
            kind,
            format!(
                "{what} within {:.0} s; nothing was touched",
                limit.as_secs_f64()
            ),
        )
    })
}

/// An image is of one VM, so that a single file cannot take several.
fn one_file_for_one_vm(
    hosts: &[Arc<Inventory>],
    request: &Request,
    vms: usize,
) -> Result<(), Failure> {
    let Some(to) = request.options.to.as_deref().filter(|_| vms > 1) else {
        return Ok(());
    };
    let mut hosts = hosts.iter();
    let is_folder = to.as_os_str().as_encoded_bytes().ends_with(b"/")
        || hosts.any(|host| host.hypervisor.is_local()) && to.is_dir();
    if is_folder {
        return Ok(());
    }
    let message = format!(
        "--to {} is one file, for {}",
        to.display(),
        count(vms, "VM")
    );
    Err(Failure::new(Kind::Usage, message).hint("name a folder: it gets a file for each"))
}

/// Asks whether images are to be given up. Who cannot be asked has to say so beforehand.
fn ask(entries: &[(usize, Entry)], request: &Request, output: &mut Output) -> Result<(), Failure> {
    let is_meant = |entry: &&Entry| {
        let decision = decide(Verb::Restore, &entry.vm, request.options.wishes);
        matches!(decision, Decision::Do(_))
    };
    let entries = entries.iter().map(|(_, entry)| entry);
    let lost: Vec<String> = entries
        .filter(is_meant)
        .map(|entry| {
            let lost = losses(&entry.vm, request.from.as_deref(), entry.machine.is_some());
            format!("{} gives up {lost}", entry.vm.name())
        })
        .collect();
    if lost.is_empty() {
        return Ok(());
    }
    let failure = |words: &str| Failure::new(Kind::Usage, words.to_owned());
    match output.confirm(&lost, "What is in there is lost then. Do it?") {
        Some(true) => Ok(()),
        Some(false) => Err(failure("nothing was given up")),
        None => Err(
            failure("an image is given up only on purpose, and nobody can be asked here")
                .hint("--yes says so beforehand; -n tells what would be lost"),
        ),
    }
}

/// What the command line asks for.
pub(crate) struct Request {
    selection: Selection,
    options: Options,
    from: Option<PathBuf>,
    /// Whether the user is asked before anything is done.
    asks: bool,
}

fn verb_of(command: &Command) -> Verb {
    match command {
        Command::Hibernate { .. } => Verb::Hibernate,
        Command::Restore { .. } => Verb::Restore,
        Command::Pause { .. } | Command::Suspend { .. } => Verb::Pause,
        Command::Resume { .. } => Verb::Resume,
        Command::Show { .. } => Verb::Show,
    }
}

fn acting_of(command: &Command) -> Option<&Acting> {
    match command {
        Command::Hibernate { acting, .. }
        | Command::Restore { acting, .. }
        | Command::Pause { acting }
        | Command::Resume { acting, .. } => Some(acting),
        Command::Show { .. } | Command::Suspend { .. } => None,
    }
}

fn request(cli: &Cli) -> Result<Request, Failure> {
    let verb = verb_of(&cli.command);
    if let Command::Show { showing, .. } = &cli.command
        && let Some(problem) = showing.problem(cli.common.output)
    {
        return Err(Failure::new(Kind::Usage, problem).hint("vmlife show --help"));
    }
    if let Command::Suspend { .. } = &cli.command {
        return Err(virsh::two_things());
    }
    let acting = acting_of(&cli.command);
    let mut request = Request {
        selection: match &cli.command {
            Command::Show { targets, .. } => {
                let named = selection(targets, false);
                Selection {
                    all: named.is_empty(),
                    ..named
                }
            }
            _ => acting
                .map(|acting| selection(&acting.targets, acting.all))
                .unwrap_or_default(),
        },
        options: Options {
            verb,
            wishes: Wishes::default(),
            to: None,
            managed: None,
            trim: None,
            flags: ImageFlags::default(),
            format: None,
            keep: false,
            checksum: false,
            strict: acting.is_some_and(|acting| acting.strict),
            dry_run: acting.is_some_and(|acting| acting.dry_run),
            within: None,
            together: acting.is_some_and(|acting| acting.together),
            for_group: false,
            jobs: acting.and_then(|acting| acting.jobs),
            hooks: acting.map(hooks).unwrap_or_default(),
            lock_desktop: false,
            clock: false,
            wait: None,
        },
        from: None,
        asks: false,
    };
    match &cli.command {
        Command::Hibernate {
            to,
            managed,
            trim,
            image_format,
            image,
            checksum,
            force,
            within,
            lock_desktop,
            ..
        } => {
            request.options.within = *within;
            request.options.lock_desktop = *lock_desktop;
            request.options.checksum = *checksum;
            request.options.to.clone_from(to);
            request.options.managed = managed.map(keeping);
            request.options.trim = trim.map(|size| size.map_or(Trim::ToUse, Trim::To));
            request.options.format = image_format.map(format_wish);
            request.options.flags = image_flags(image);
            request.options.wishes.force = *force;
        }
        Command::Restore {
            from,
            image,
            keep,
            or_start,
            force,
            discard,
            yes,
            waking,
            ..
        } => {
            wake(waking, &mut request.options);
            request.asks = *discard && !*yes && !request.options.dry_run;
            request.from = from.as_deref().map(whole_path).transpose()?;
            request.options.flags = image_flags(image);
            request.options.keep = *keep;
            request.options.wishes = Wishes {
                force: *force,
                or_start: *or_start,
                discard: *discard,
            };
        }
        Command::Resume { waking, .. } => wake(waking, &mut request.options),
        _ => {}
    }
    if let Some(acting) = acting {
        check(acting, &request, cli.common.output)?;
    }
    Ok(request)
}

fn hooks(acting: &Acting) -> Hooks {
    let hooks = acting.hooks.clone();
    Hooks {
        pre: hooks.pre,
        post: hooks.post,
        limit: hooks.hook_limit,
        without_folder: hooks.no_hooks,
    }
}

fn wake(waking: &WakingArgs, options: &mut Options) {
    let until = match waking.wait {
        WaitFor::Agent => Some(Until::Agent),
        WaitFor::Ip => Some(Until::Address),
        WaitFor::None => None,
    };
    options.clock = !waking.no_clock;
    options.wait = until.map(|until| Wait {
        until,
        limit: waking.wait_limit,
    });
}

fn selection(targets: &Targets, all: bool) -> Selection {
    Selection {
        targets: targets.targets.clone(),
        files: targets.files.clone(),
        numbers: targets.numbers.clone(),
        all,
        exclude: targets.exclude.clone(),
        labels: targets.labels.clone(),
        groups: targets.groups.clone(),
        awaits: false,
    }
}

fn keeping(which: Managed) -> Keeping {
    match which {
        Managed::All => Keeping::All,
        Managed::Autostart => Keeping::Autostart,
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
        format: None,
        channels: image.parallel_channels,
    }
}

fn format_wish(format: ImageFormat) -> FormatWish {
    FormatWish::Given(match format {
        ImageFormat::Auto => return FormatWish::Auto,
        ImageFormat::Raw => Format::Raw,
        ImageFormat::Sparse => Format::Sparse,
        ImageFormat::Gzip => Format::Compressed("gzip"),
        ImageFormat::Bzip2 => Format::Compressed("bzip2"),
        ImageFormat::Xz => Format::Compressed("xz"),
        ImageFormat::Lzop => Format::Compressed("lzop"),
        ImageFormat::Zstd => Format::Compressed("zstd"),
    })
}

pub(crate) fn whole_path(path: &Path) -> Result<PathBuf, Failure> {
    if path.to_str().is_none() {
        let message = format!("the path {} is not text in UTF-8", path.display());
        return Err(Failure::new(Kind::Usage, message));
    }
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
    } else if acting.together
        && (request.options.managed.is_some() || request.options.wishes != Wishes::default())
    {
        "--together goes with none of --managed, --force, --or-start and --discard"
    } else if request.from.is_some() && (acting.all || named > 1) {
        "--from names one image, which is of one VM"
    } else if request.options.managed == Some(Keeping::All)
        && (request.options.format.is_some() || request.options.flags.channels.is_some())
    {
        "--managed goes with neither --image-format nor --parallel-channels: libvirt's own settings decide"
    } else if request.options.managed == Some(Keeping::All) && request.options.trim.is_some() {
        "--managed and --trim exclude each other: what starts the VM next would not give its memory back"
    } else if acting.together && request.options.to.is_some() {
        "--together and --to exclude each other: the way back leads from the images' own place"
    } else if acting.together && request.options.trim.is_some() {
        "--together and --trim exclude each other: a paused guest gives no memory"
    } else if request.selection.is_empty() && request.from.is_none() {
        "which VM? Name at least one TARGET, or say --all, -l or --group"
    } else if let Some(problem) = channels_problem(&request.options) {
        problem
    } else {
        return Ok(());
    };
    let verb = request.options.verb.word();
    Err(Failure::new(Kind::Usage, problem).hint(format!("vmlife {verb} --help")))
}

/// Several channels write sparse images only, which nobody but the user knows the daemon to write unasked.
fn channels_problem(options: &Options) -> Option<&'static str> {
    let sparse = [FormatWish::Auto, FormatWish::Given(Format::Sparse)].map(Some);
    let is_wrong = options.verb == Verb::Hibernate
        && options.flags.channels.is_some()
        && !sparse.contains(&options.format);
    is_wrong.then_some("--parallel-channels goes with --image-format sparse, or auto")
}

/// The hosts that are asked, and those that are not.
pub(crate) struct Connected {
    pub(crate) hosts: Vec<Arc<Inventory>>,
    /// Those that could not be reached.
    pub(crate) silent: Vec<SilentHost>,
    /// Those that need not be asked.
    passed_by: Vec<PassedBy>,
}

impl Connected {
    /// Opens the hosts that are meant, all at once. Of several those that cannot be reached are told.
    fn open(settled: &Settled, request: &Request, interrupt: &Interrupt) -> Result<Self, Failure> {
        let mut wanted = settled.hosts(request.options.verb)?;
        let mut passed_by = Vec::new();
        // Who restores must know whose the images in a shared place are.
        if request.options.verb != Verb::Restore {
            let names: Vec<String> = wanted.iter().filter_map(|host| host.name.clone()).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let verb = request.options.verb;
            let is_passed_by = |name: &String| request.selection.passes_by(name, &names, verb);
            let is_asked = |host: &Host| !host.name.as_ref().is_some_and(is_passed_by);
            let (asked, others) = wanted.into_iter().partition(is_asked);
            wanted = asked;
            let others: Vec<Host> = others;
            let passed = others.into_iter().filter_map(|host| {
                let name = host.name?;
                Some(PassedBy::new(name, host.uri))
            });
            passed_by.extend(passed);
        }
        if wanted.len() == 1 {
            let only = wanted.into_iter().next().unwrap_or_default();
            let only = open(only, settled, request, interrupt)?;
            return Ok(Self {
                hosts: vec![Arc::new(only)],
                silent: Vec::new(),
                passed_by,
            });
        }
        if request.from.is_some() && wanted.len() > 1 {
            return Err(Failure::new(
                Kind::Usage,
                "--from names one image, which goes to one host",
            ));
        }
        let opened: Vec<_> = thread::scope(|scope| {
            let one = |host: Host| {
                let name = host.name.clone();
                scope.spawn(move || (name, open(host, settled, request, interrupt)))
            };
            let opening: Vec<_> = wanted.into_iter().map(one).collect();
            let opened = opening.into_iter().map(thread::ScopedJoinHandle::join);
            opened
                .map(|opened| opened.unwrap_or_else(|panic| resume_unwind(panic)))
                .collect()
        });
        let (mut hosts, mut silent) = (Vec::new(), Vec::new());
        for (name, opened) in opened {
            match opened {
                Ok(inventory) => hosts.push(Arc::new(inventory)),
                Err(failure) if failure.kind == Kind::Connection => {
                    silent.push(SilentHost::new(name.as_deref(), failure));
                }
                Err(failure) => return Err(failure),
            }
        }
        match silent.first() {
            Some(first) if hosts.is_empty() => {
                let message = format!("none of {} can be reached", count(silent.len(), "host"));
                let failure = Failure::new(Kind::Connection, message);
                Err(failure.because(
                    &first
                        .failure
                        .cause
                        .as_ref()
                        .unwrap_or(&first.failure.message),
                ))
            }
            _ => Ok(Self {
                hosts,
                silent,
                passed_by,
            }),
        }
    }

    /// The hosts that are not asked.
    pub(crate) fn others(&self) -> Others {
        Others {
            unreached: self.silent.iter().map(|host| host.host.clone()).collect(),
            passed_by: self.passed_by.clone(),
        }
    }
}

/// Opens one host.
fn open(
    host: Host,
    settled: &Settled,
    request: &Request,
    interrupt: &Interrupt,
) -> Result<Inventory, Failure> {
    let access = match request.options.verb {
        Verb::Show => Access::ReadOnly,
        _ => Access::ReadWrite,
    };
    let uri = host.uri;
    let whom = uri.as_ref().map_or_else(
        || "libvirt".to_owned(),
        |uri| format!("libvirt at {}", Secret::hide_in_uri(uri)),
    );
    let silence = format!("{whom} has not answered");
    let opened = in_time(interrupt, CONNECT_LIMIT, &silence, move || {
        Hypervisor::open(uri.as_deref(), access)
    })?;
    let hypervisor = opened.map_err(|error| {
        let failure = error.failure(format!("{whom} cannot be reached"));
        Failure {
            kind: Kind::Connection,
            ..failure
        }
    })?;
    inventory(
        hypervisor,
        host.name,
        host.labels,
        request.from.clone(),
        settled,
    )
}

/// What there is behind a connection to a host.
pub(crate) fn inventory(
    hypervisor: Hypervisor,
    host: Option<String>,
    labels: BTreeMap<String, String>,
    from: Option<PathBuf>,
    settled: &Settled,
) -> Result<Inventory, Failure> {
    let variable = |name: &str| settled.variable(name);
    let place = ImagePlace::of_connection(hypervisor.uri(), variable)
        .map_err(|error| Failure::new(Kind::Usage, error.to_string()))?;
    let managed = managed_folder(hypervisor.uri(), variable);
    let runs = run_folder(hypervisor.uri(), variable);
    let logs = RunLogs::of_connection(hypervisor.uri(), variable);
    Ok(Inventory {
        managed,
        runs,
        logs,
        hooks: hooks_folder(is_session(hypervisor.uri()), variable),
        host,
        labels,
        ..Inventory::new(hypervisor, place, from)
    })
}

/// A variable of the environment.
fn variable(name: &str) -> Option<OsString> {
    match name {
        // Where the variable is missing, the user's entry in the system's list tells.
        "HOME" => env::home_dir().map(PathBuf::into_os_string),
        name => env::var_os(name),
    }
}
