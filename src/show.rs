//! The verb that only looks: VMs of a daemon, definitions and images without one, and where they differ.

use crate::cli::{Form, Showing};
use crate::config::Settled;
use crate::definition::{self, Definition, Deviation, redact};
use crate::entity::{SavedImage, Secret, Verdict, Vm, VmStatus};
use crate::field::Field;
use crate::hypervisor::{Machine, XmlFlags};
use crate::image::{ImageFile, ImagePlace, RunLogs, begins_as_image};
use crate::interrupt::{Interrupt, cause_word};
use crate::inventory::{BATCH, Depth, Entry, Inventory, absent};
use crate::observe::{self, Observer};
use crate::payload;
use crate::plan::{Verb, Wishes};
use crate::render::{self, Filter, Output, Shown};
use crate::report::{
    Difference, Event, Failure, Kind, ListedImage, Progress, SilentHost, Sink, VmRef,
};
use crate::run::{Connected, LOOK_LIMIT, in_time};
use crate::select::{Others, Selection, is_file_name, listing_failed, patterns, select};
use crate::watch::watch;
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread;
use uuid::Uuid;

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
    /// Whether there is XML that may hold more than the model of the VM does.
    fn has_more_than(&self, vm: &Vm) -> bool {
        match self {
            Self::Defined(definition) => definition.xml.is_some() && vm.domain_xml.is_none(),
            Self::Found(machine) => machine
                .as_ref()
                .is_some_and(|machine| !vm.status().is_active() || !machine.is_stuck()),
            Self::Image(_) => true,
        }
    }

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

/// Looks at what a command line names, and prints it. `connect` opens the hosts' inventories, and tells of those
/// that do not answer; it is not called if all that is named are files.
///
/// # Errors
/// What is in the way of it.
pub(crate) fn show(
    settled: &Settled,
    selection: &Selection,
    showing: &Showing,
    interrupt: &Interrupt,
    connect: impl Fn() -> Result<Connected, Failure>,
    output: &mut Output,
) -> Result<Kind, Failure> {
    let form = settled.cli.common.output;
    let hosts = settled.hosts(Verb::Show)?;
    if hosts.len() > 1 && (showing.watch || showing.images || showing.diff.is_some()) {
        let message = "--watch, --images and --diff are about one host";
        return Err(Failure::new(Kind::Usage, message).hint("name one host with -c"));
    }
    let connect_one = || connect().map(|mut connected| connected.hosts.remove(0));
    if showing.watch {
        return watch(selection, showing, form, interrupt, connect_one, output);
    }
    if showing.images {
        let uri = hosts.first().and_then(|host| host.uri.as_deref());
        return images(settled, uri, selection, showing, interrupt, output);
    }
    if let Some(file) = &showing.diff {
        return differences(
            selection,
            file.as_deref(),
            showing,
            interrupt,
            connect_one,
            output,
        );
    }
    let (mut showing, mut selection) = (showing.clone(), selection.clone());
    leave_pages_alone(settled, &selection, &mut showing);
    let connected = read_fields(&mut selection, &mut showing, interrupt, &connect)?;
    let form = form_beside_fields(settled, &mut showing, output);
    if let Some(problem) = showing.problem(form) {
        return Err(Failure::new(Kind::Usage, problem).hint("vmlife show --help"));
    }
    let (showing, selection) = (&showing, &selection);
    if showing.pager {
        output.page(interrupt);
    }
    let is_on_host = |target: &str| {
        let named = target.rsplit_once('/').map(|(host, _)| host);
        named.is_some() && hosts.iter().any(|host| host.name.as_deref() == named)
    };
    let (files, words): (Vec<String>, Vec<String>) = selection
        .targets
        .iter()
        .cloned()
        .partition(|target| is_file_name(target) && !is_on_host(target));
    let subjects = of_files(&files, output)?;
    let named = !selection.all;
    let of_daemon = Selection {
        targets: words,
        ..selection.clone()
    };
    let mut answer = Answer {
        showing,
        interrupt,
        shown: output.shown(named, showing),
        kind: Kind::Done,
        count: 0,
    };
    let is_wanted = render::sieve(showing);
    // What tells XML as a part of a VM tells that field, too.
    let xml_form = if showing.fields.iter().any(Field::is_xml) {
        Form::Json
    } else {
        form
    };
    for (vm, source) in subjects.into_iter().filter(|(vm, _)| is_wanted(vm)) {
        let xml = xml_beneath(xml_form, None, &vm, &source, showing);
        answer.add(vm, &source, xml, output)?;
    }
    if files.is_empty() || !of_daemon.is_empty() {
        let connected = match connected {
            Some(connected) => connected,
            None => connect()?,
        };
        for host in &connected.silent {
            answer.miss(host, output);
        }
        let depth = render::depth(form, showing, named);
        let looking = (depth, xml_form);
        let take = |seen: Seen| {
            for host in &seen.silent {
                answer.miss(host, output);
            }
            for warning in &seen.warnings {
                output.warning(warning);
            }
            for (entry, xml) in seen.entries {
                answer.add(entry.vm, &Source::Found(entry.machine), xml, output)?;
            }
            Ok(!output.is_unread())
        };
        let (hosts, others) = (&connected.hosts, connected.others());
        let looked = look(
            hosts, &others, &of_daemon, looking, showing, interrupt, take,
        );
        looked.map_err(|failure| match connected.silent.first() {
            Some(host) => host.may_have(failure),
            None => failure,
        })?;
        // Closing the connection would wait for a daemon that may never answer; the process ends now.
        std::mem::forget(connected);
    }
    answer.end(output)
}

/// Whether one VM, image or definition is named, and no more.
fn is_about_one(selection: &Selection) -> bool {
    let is_name = |word: &String| !word.contains(['*', '?', '[']);
    let words = selection.targets.iter().chain(&selection.files);
    let is_plain = !selection.all && !selection.filters() && words.clone().all(is_name);
    is_plain && words.count() + selection.numbers.len() == 1
}

/// What is set for lists, and no option of the command line's own, does not make one of a page.
fn leave_pages_alone(settled: &Settled, selection: &Selection, showing: &mut Showing) {
    if !is_about_one(selection) {
        return;
    }
    if settled.origin("columns").is_some() {
        showing.columns.clear();
    }
    if settled.origin("sort_by").is_some() {
        showing.sort_by.clear();
    }
}

/// Takes fields from the words that name VMs, unless a VM is called so: what was connected to for that is given back.
fn read_fields(
    selection: &mut Selection,
    showing: &mut Showing,
    interrupt: &Interrupt,
    connect: impl Fn() -> Result<Connected, Failure>,
) -> Result<Option<Connected>, Failure> {
    if showing.exit_state {
        showing.fields.extend(Field::parse("vmDynamic.status"));
    }
    let mut without = selection.clone();
    let fields = take_fields(&mut without);
    if fields.is_empty() {
        return Ok(None);
    }
    let mut targets = without.targets.iter();
    let is_about_files = without.files.is_empty() && targets.all(|word| is_file_name(word));
    let connected = if is_about_files {
        None
    } else {
        Some(connect()?)
    };
    let hosts = connected.as_ref().map(|it| it.hosts.as_slice());
    if are_names(&fields, hosts.unwrap_or_default(), interrupt)? {
        return Ok(connected);
    }
    for field in &fields {
        showing.fields.push(Field::parse(field).map_err(|why| {
            let message = format!("'{field}' is no field of a VM, nor a VM's name: {why}");
            Failure::new(Kind::Usage, message).hint(FIELDS)
        })?);
    }
    *selection = without;
    Ok(connected)
}

/// The form of the answer. What is only set, and no option of the command line's own, gives way to fields, which are
/// known to be some only when VMs are.
fn form_beside_fields(settled: &Settled, showing: &mut Showing, output: &mut Output) -> Form {
    if showing.fields.is_empty() {
        return settled.cli.common.output;
    }
    if settled.origin("columns").is_some() {
        showing.columns.clear();
    }
    if settled.origin("output").is_none() {
        return settled.cli.common.output;
    }
    output.write_as(Form::default());
    Form::default()
}

/// Where all fields are told.
const FIELDS: &str = "vmlife show -o json NAME prints all that it has; man vmlife-definition lists what there can be";

/// Takes the words at the end that look like fields, behind those that name VMs.
fn take_fields(selection: &mut Selection) -> Vec<String> {
    let targets = &selection.targets;
    let is_alone =
        selection.files.is_empty() && selection.numbers.is_empty() && !selection.filters();
    let fields = targets
        .iter()
        .rev()
        .take_while(|word| !is_file_name(word) && Field::is_like(word));
    let names = (targets.len() - fields.count()).max(usize::from(is_alone && !targets.is_empty()));
    selection.targets.split_off(names)
}

/// Whether one of these words is the name of a VM after all.
fn are_names(
    words: &[String],
    hosts: &[Arc<Inventory>],
    interrupt: &Interrupt,
) -> Result<bool, Failure> {
    let (words, hosts) = (words.to_vec(), hosts.to_vec());
    let ask = move || {
        let mut asked = hosts
            .iter()
            .flat_map(|host| words.iter().map(move |word| (host, word)));
        asked.any(|(host, word)| matches!(host.hypervisor.machine_by_name(word), Ok(Some(_))))
    };
    in_time(interrupt, LOOK_LIMIT, "libvirt has not answered", ask)
}

/// An answer that grows by one VM after another.
struct Answer<'a> {
    showing: &'a Showing,
    interrupt: &'a Interrupt,
    shown: Shown,
    kind: Kind,
    /// How many VMs are in it.
    count: usize,
}

impl Answer<'_> {
    /// A host does not answer, so that what it has is missing.
    fn miss(&mut self, host: &SilentHost, output: &mut Output) {
        output.silent_host(host);
        self.kind = worse(self.kind, Kind::Connection);
    }

    fn add(
        &mut self,
        mut vm: Vm,
        source: &Source,
        xml: Xml,
        output: &mut Output,
    ) -> Result<(), Failure> {
        if self.showing.security_info {
            vm.reveal_secrets();
        } else {
            vm.hide_secrets_of_places();
        }
        if self.showing.verify {
            let found = verify_all(&mut vm, source, self.interrupt, output)?;
            self.kind = worse(self.kind, found);
        }
        if self.showing.exit_state && !is_running(&vm) {
            self.kind = worse(self.kind, Kind::NotRunning);
        }
        self.count += 1;
        output.show(&mut self.shown, vm, xml)
    }

    /// Prints what is left of it, and tells how the command ends.
    fn end(self, output: &mut Output) -> Result<Kind, Failure> {
        output.end(self.shown);
        if self.count == 0 && self.showing.exit_state && self.kind == Kind::Done {
            let message = "there is no VM that could run";
            return Err(Failure::new(Kind::NotFound, message));
        }
        if self.count == 0 && !self.showing.filters.is_empty() {
            output.words("no VM is as --filter says");
        }
        Ok(self.kind)
    }
}

/// Lists the images in folders.
fn images(
    settled: &Settled,
    uri: Option<&str>,
    selection: &Selection,
    showing: &Showing,
    interrupt: &Interrupt,
    output: &mut Output,
) -> Result<Kind, Failure> {
    let is_named = !selection.targets.is_empty();
    let folders = if is_named {
        let named = selection.targets.iter();
        named.map(|folder| (folder.into(), None)).collect()
    } else {
        image_folders(settled, uri)?
    };
    let mut listed = Vec::new();
    for (folder, logs) in &folders {
        let found = std::path::absolute(folder).and_then(|folder| ImageFile::in_folder(&folder));
        let failure = |kind, error: io::Error| {
            let message = format!("the folder {} cannot be listed", folder.display());
            Failure::new(kind, message).because(&error)
        };
        match found {
            Ok(found) => {
                listed.extend(found.into_iter().map(|image| {
                    let mut image = image.with_logs(logs.as_ref(), None);
                    image.summary.doubt_if_started();
                    image
                }));
            }
            // Nothing was hibernated there yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !is_named => {}
            // Of several places, others may be the user's own.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && folders.len() > 1 => {
                output.warning(&format!("{} cannot be listed: {error}", folder.display()));
            }
            Err(error) => {
                let kind = match error.kind() {
                    io::ErrorKind::NotFound => Kind::NotFound,
                    io::ErrorKind::PermissionDenied => Kind::Connection,
                    _ => Kind::Failed,
                };
                return Err(failure(kind, error));
            }
        }
    }
    let mut listed: Vec<ListedImage> = listed
        .into_iter()
        .map(|found| ListedImage {
            name: found.vm.as_ref().map(|vm| vm.name().to_owned()),
            id: found.vm.as_ref().and_then(Vm::id),
            image: found.summary,
        })
        .collect();
    let mut kind = Kind::Done;
    if showing.verify {
        for ListedImage { name, id, image } in &mut listed {
            let vm = VmRef {
                host: None,
                name: name.clone().unwrap_or_default(),
                id: *id,
            };
            kind = worse(kind, verify(&vm, image, interrupt, output)?);
        }
    }
    output.images(&listed, !showing.no_headers);
    Ok(kind)
}

/// Where images are kept for a connection, which is not opened, and where libvirt logs the runs of their VMs: for
/// one that nobody has chosen, either place may be meant.
fn image_folders(
    settled: &Settled,
    uri: Option<&str>,
) -> Result<Vec<(PathBuf, Option<RunLogs>)>, Failure> {
    let variable = |name: &str| settled.variable(name);
    let chosen = uri.map(str::to_owned).or_else(|| {
        let uri = variable("LIBVIRT_DEFAULT_URI")?
            .into_os_string()
            .into_string();
        uri.ok().filter(|uri| !uri.is_empty())
    });
    let uris = match &chosen {
        Some(uri) => vec![uri.as_str()],
        None => vec!["qemu:///system", "qemu:///session"],
    };
    let mut folders: Vec<(PathBuf, Option<RunLogs>)> = Vec::new();
    for uri in uris {
        let host = uri.split_once("://").map_or("", |(_, rest)| rest);
        if !host.is_empty() && !host.starts_with('/') {
            let message = format!("the images of {uri} lie on another host");
            return Err(Failure::new(Kind::Usage, message).hint("run vmlife show --images there"));
        }
        let place = ImagePlace::of_connection(uri, variable)
            .map_err(|error| Failure::new(Kind::Usage, error.to_string()))?;
        let folder = place.folder().to_owned();
        let logs = RunLogs::of_connection(uri, variable);
        match folders.iter_mut().find(|(known, _)| *known == folder) {
            // Whose images these are is not known, and VMs of both may have the same name.
            Some((_, logs)) => *logs = None,
            None => folders.push((folder, logs)),
        }
    }
    Ok(folders)
}

/// Reads the images of a VM. One that turns out to be damaged is nothing to come back from.
fn verify_all(
    vm: &mut Vm,
    source: &Source,
    interrupt: &Interrupt,
    output: &mut Output,
) -> Result<Kind, Failure> {
    let subject = VmRef::from(&*vm);
    let mut kind = Kind::Done;
    for image in &mut vm.saved_images {
        kind = worse(kind, verify(&subject, image, interrupt, output)?);
    }
    let is_left = vm.restorable_image().is_some();
    if let Some(dynamic) = &mut vm.vm_dynamic
        && dynamic.status == VmStatus::Suspended
        && !is_left
    {
        dynamic.status = match source {
            Source::Image(_) => VmStatus::Unknown,
            _ => VmStatus::Down,
        };
    }
    Ok(kind)
}

/// Reads an image, and compares it with its checksum.
fn verify(
    vm: &VmRef,
    image: &mut SavedImage,
    interrupt: &Interrupt,
    output: &mut Output,
) -> Result<Kind, Failure> {
    let path = match &image.path {
        Some(path) => path.display().to_string(),
        None => "libvirt's managed save".to_owned(),
    };
    if image.checksum.is_none() {
        output.words(&format!("{path} has no checksum to compare it with"));
        return Ok(Kind::Done);
    }
    let total = image.size_bytes.unwrap_or_default();
    let verified = ImageFile::verify(image, |passed| {
        output.emit(Event::Checking(vm, Progress::of_reading(passed, total)));
        interrupt.cause().is_none()
    });
    verified.map_err(|error| {
        Failure::new(Kind::Failed, format!("the image {path} cannot be read")).because(&error)
    })?;
    match image.verified {
        Some(true) => Ok(Kind::Done),
        Some(false) => Ok(Kind::Guard),
        None => {
            let cause = interrupt.cause().unwrap_or(Kind::TimedOut);
            let message = format!("{path} is not verified: {}", cause_word(cause));
            Err(Failure::new(cause, message))
        }
    }
}

/// Whether the guest goes on; one that sleeps by itself does not.
fn is_running(vm: &Vm) -> bool {
    let asleep = vm.vm_dynamic.as_ref().is_some_and(|dynamic| dynamic.asleep);
    vm.status().is_running() && !asleep
}

/// What a command ends with of which one part ended so, and another so.
fn worse(one: Kind, other: Kind) -> Kind {
    if one == Kind::Done { other } else { one }
}

/// Some of the VMs that are meant.
#[derive(Default)]
pub(crate) struct Seen {
    /// The VMs, looked at as closely as is asked for, with the XML that their form needs.
    pub(crate) entries: Vec<(Entry, Xml)>,
    /// What could not be learnt of them.
    pub(crate) warnings: Vec<String>,
    /// The hosts that turned out not to answer.
    pub(crate) silent: Vec<SilentHost>,
}

/// How many VMs are looked at closely before the first is told. All that is known of one is much.
const CLOSELY: usize = 50;

/// Hands over the VMs that are meant, some at a time, looked at as closely as is asked for; `take` says whether
/// it wants more.
pub(crate) fn look(
    hosts: &[Arc<Inventory>],
    others: &Others,
    selection: &Selection,
    looking: (Depth, Form),
    showing: &Showing,
    interrupt: &Interrupt,
    mut take: impl FnMut(Seen) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let limit = LOOK_LIMIT + showing.sample.unwrap_or_default();
    // Nobody runs ahead: what is seen is taken before more is looked at.
    let (sender, mut receiver) = mpsc::sync_channel(0);
    let (hosts, selection) = (hosts.to_vec(), selection.clone());
    let others = others.clone();
    let showing = showing.clone();
    thread::spawn(move || {
        let looked = look_at_all(&hosts, &others, &selection, looking, &showing, |seen| {
            sender.send(Ok(seen)).is_ok()
        });
        if let Err(failure) = looked {
            // Nobody listens if the limit has passed.
            let _ = sender.send(Err(failure));
        }
    });
    loop {
        let (back, seen) = in_time(interrupt, limit, "libvirt has not answered", move || {
            let seen = receiver.recv();
            (receiver, seen)
        })?;
        receiver = back;
        // When all is seen, the other end is gone.
        let Ok(seen) = seen else { return Ok(()) };
        if !take(seen?)? {
            return Ok(());
        }
    }
}

/// The same, all at once.
fn look_at_once(
    host: &Arc<Inventory>,
    selection: &Selection,
    depth: Depth,
    showing: &Showing,
    interrupt: &Interrupt,
    output: &mut Output,
) -> Result<Vec<Entry>, Failure> {
    let mut entries = Vec::new();
    let looking = (depth, Form::Table);
    let hosts = [Arc::clone(host)];
    look(
        &hosts,
        &Others::default(),
        selection,
        looking,
        showing,
        interrupt,
        |seen| {
            for warning in &seen.warnings {
                output.warning(warning);
            }
            entries.extend(seen.entries.into_iter().map(|(entry, _)| entry));
            Ok(true)
        },
    )?;
    Ok(entries)
}

/// What to look at beyond what there is.
pub(crate) fn wishes(showing: &Showing) -> observe::Wishes {
    observe::Wishes {
        sample: showing.sample,
        inactive: showing.inactive,
        secrets: showing.security_info,
    }
}

fn look_at_all(
    hosts: &[Arc<Inventory>],
    others: &Others,
    selection: &Selection,
    (depth, form): (Depth, Form),
    showing: &Showing,
    mut give: impl FnMut(Seen) -> bool,
) -> Result<(), Failure> {
    let mut observers: Vec<Observer<'_>> = hosts.iter().map(Observer::new).collect();
    // It costs a call for each VM, which a look at all of them shall not.
    let is_for_flaws = depth == Depth::Whole && !selection.all;
    let looking = (depth, form, is_for_flaws);
    let mut see = |host: usize, entries: Vec<Entry>| {
        see_closely(
            &mut observers[host],
            &hosts[host],
            entries,
            looking,
            showing,
        )
    };
    let silent = |place: usize, failure: Failure| {
        let is_one_of_several = hosts.len() > 1 && failure.kind == Kind::Connection;
        let host: &Inventory = &hosts[place];
        if is_one_of_several {
            Ok(Seen {
                silent: vec![SilentHost::new(host.host.as_deref(), failure)],
                ..Seen::default()
            })
        } else {
            Err(failure)
        }
    };
    if !selection.all {
        let selected = select(
            hosts,
            others,
            selection,
            Verb::Show,
            Wishes::default(),
            depth,
        )?;
        for (place, failure) in selected.silent {
            give(silent(place, failure)?);
        }
        if !selected.left_out.is_empty() {
            give(Seen {
                warnings: selected.left_out,
                ..Seen::default()
            });
        }
        let mut entries = selected.entries.into_iter().peekable();
        // In the order asked, what is together on a host at once.
        while let Some((place, first)) = entries.next() {
            let mut together = vec![first];
            while let Some((_, next)) = entries.next_if(|(next, _)| *next == place) {
                together.push(next);
            }
            let seen = see(place, together).or_else(|failure| silent(place, failure))?;
            if !give(seen) {
                break;
            }
        }
        return Ok(());
    }
    let size = match (depth, showing.sample) {
        // All are sampled at once.
        (_, Some(_)) => usize::MAX,
        (Depth::Line, None) => BATCH,
        (_, None) => CLOSELY,
    };
    let excluded = patterns(&selection.exclude)?;
    let wanted = |name: &str| !excluded.iter().any(|pattern| pattern.matches(name));
    let unreached = &others.unreached;
    let mut others = if hosts.len() > 1 {
        known_to(hosts)
    } else {
        HashSet::new()
    };
    // Several daemons see the images in one place.
    let mut is_its_own = |host: &Inventory, entry: &Entry| {
        hosts.len() == 1 && unreached.is_empty()
            || entry.machine.is_some()
            // It may be that one's which does not answer.
            || unreached.is_empty() && others.insert((host.place.folder().to_owned(), entry.vm.id()))
    };
    for (place, host) in hosts.iter().enumerate() {
        let batches = match host.batches(depth, size, wanted) {
            Ok(batches) => batches,
            Err(error) => {
                give(silent(place, listing_failed(&error))?);
                continue;
            }
        };
        for batch in batches {
            let seen = batch.map_err(|error| listing_failed(&error));
            let seen = seen.and_then(|mut batch| {
                batch.retain(|entry| is_its_own(host, entry));
                see(place, batch)
            });
            let is_over = seen.is_err();
            if !give(seen.or_else(|failure| silent(place, failure))?) {
                return Ok(());
            }
            if is_over {
                break;
            }
        }
    }
    Ok(())
}

/// Looks at VMs as closely as is asked for, and gives those that are to be shown. Of what is not shown no more is
/// asked than it takes to know that.
fn see_closely(
    observer: &mut Observer<'_>,
    host: &Inventory,
    mut entries: Vec<Entry>,
    (depth, form, is_for_flaws): (Depth, Form, bool),
    showing: &Showing,
) -> Result<Seen, Failure> {
    let is_wanted = render::sieve(showing);
    let mut needs = showing.filters.iter().map(Filter::needs);
    let is_soon_known = needs.all(|needs| needs <= Depth::Definition);
    if is_soon_known {
        entries.retain(|entry| is_wanted(&entry.vm));
    }
    let gaps = observer.observe(&mut entries, depth, wishes(showing));
    let gaps = gaps.map_err(|error| error.failure("libvirt does not answer any more"))?;
    if !is_soon_known {
        entries.retain(|entry| is_wanted(&entry.vm));
    }
    let mut warnings: Vec<String> = gaps.iter().map(ToString::to_string).collect();
    if is_for_flaws {
        warnings.extend(observe::flaws(&entries));
    }
    let entries = entries.into_iter().map(|entry| {
        let source = Source::Found(entry.machine.clone());
        let xml = xml_beneath(form, Some(host), &entry.vm, &source, showing);
        (entry, xml)
    });
    Ok(Seen {
        entries: entries.collect(),
        warnings,
        silent: Vec::new(),
    })
}

/// The VMs that hosts know, each with the place of its images.
fn known_to(hosts: &[Arc<Inventory>]) -> HashSet<(PathBuf, Option<Uuid>)> {
    let of = |host: &Arc<Inventory>| {
        let folder = host.place.folder().to_owned();
        // Whoever does not tell now will be told of as one that does not.
        let machines = host.hypervisor.machines().unwrap_or_default();
        let ids: Vec<_> = machines
            .iter()
            .map(|machine| (folder.clone(), Some(machine.id())))
            .collect();
        ids
    };
    hosts.iter().flat_map(of).collect()
}

/// What files hold, with a word about what their owners should mend.
fn of_files(files: &[String], output: &mut Output) -> Result<Vec<Subject>, Failure> {
    let mut subjects = Vec::new();
    for file in files {
        subjects.extend(of_file(file)?);
    }
    let warnings = subjects.iter().flat_map(|(_, source)| source.warnings());
    let mut warnings: Vec<String> = warnings.collect();
    warnings.dedup();
    for warning in &warnings {
        output.warning(warning);
    }
    Ok(subjects)
}

/// What a file holds: definitions, or an image.
fn of_file(file: &str) -> Result<Vec<Subject>, Failure> {
    if file != "-" && begins_as_image(Path::new(file)) {
        return of_image(Path::new(file)).map(|subject| vec![subject]);
    }
    let definitions =
        definition::load(file).map_err(|error| Failure::new(Kind::Usage, error.to_string()))?;
    Ok(definitions
        .into_iter()
        .map(|definition| (definition.vm.clone(), Source::Defined(Box::new(definition))))
        .collect())
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
        // An image that is nothing to come back from does not tell how its VM is.
        _ => VmStatus::Unknown,
    };
    let xml = image.xml.unwrap_or_default();
    let vm = Vm {
        vm_dynamic: Some(absent(&vm, status)),
        saved_images: vec![image.summary],
        ..vm
    };
    Ok((vm, Source::Image(xml)))
}

/// Domain XML, if it is needed, or why it cannot be told.
pub(crate) type Xml = Option<Result<String, Failure>>;

/// Domain XML of what is shown, if this form needs it.
fn xml_beneath(
    form: Form,
    inventory: Option<&Inventory>,
    vm: &Vm,
    source: &Source,
    showing: &Showing,
) -> Xml {
    let is_needed = match form {
        Form::Xml => true,
        Form::Json | Form::Jsonl | Form::Yaml => source.has_more_than(vm),
        Form::Table | Form::Wide | Form::Name => false,
    };
    is_needed.then(|| xml_of(inventory, vm, source, showing))
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

/// The XML of a VM that a definition is compared with: of the run if it is about one, else what is
/// configured. What cannot be asked is not compared, but for secrets that somebody asked for.
fn xml_beside(
    inventory: &Inventory,
    definition: &Definition,
    entry: &Entry,
    secure: bool,
) -> Result<Option<String>, Failure> {
    let Some(machine) = entry.machine.as_ref().filter(|it| !it.is_stuck()) else {
        return Ok(None);
    };
    let inactive = !definition.is_of_a_run() && machine.is_persistent().unwrap_or_default();
    let flags = XmlFlags {
        inactive,
        secure,
        ..XmlFlags::default()
    };
    if !secure {
        return Ok(machine.xml_of(flags).ok());
    }
    let told = inventory.writable(machine);
    let told = told.and_then(|machine| machine.xml_of(flags));
    told.map(Some).map_err(|error| {
        let name = machine.name();
        error.failure(format!(
            "the secrets of {name} cannot be read, which needs a connection that may write"
        ))
    })
}

/// Which secrets of a definition were not compared, and why.
fn uncompared(definition: &Definition, entry: &Entry, is_told: bool, asked: bool) -> Vec<String> {
    let (file, name) = (&definition.origin.file, entry.vm.name());
    let of_init = |vm: &Vm| {
        let mut of_init = Vm::default();
        of_init.vm_static.vm_init.clone_from(&vm.vm_static.vm_init);
        of_init.holds_secrets()
    };
    let payload = definition.vm.vm_payload.as_ref();
    let has_files = payload.is_some_and(|payload| !payload.files.is_empty());
    let is_on_cd =
        of_init(&definition.vm) && !of_init(&entry.vm) || has_files && definition.xml.is_none();
    let mut all = Vec::new();
    if is_on_cd {
        all.push(format!(
            "{name}: what {file} has for the guest's CD was not compared: only the CD itself tells its files and secrets"
        ));
    }
    if !is_told && definition.holds_secrets_of_xml() {
        let why = if asked {
            "libvirt does not tell them now"
        } else {
            "--security-info does that"
        };
        all.push(format!(
            "{name}: the secrets in {file} were not compared: {why}"
        ));
    }
    all
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
        let entries = look_at_once(
            &inventory,
            &by_file,
            Depth::Whole,
            showing,
            interrupt,
            output,
        )?;
        entries
            .into_iter()
            .filter_map(|entry| Some((*entry.definition.clone()?, entry)))
            .collect()
    } else {
        let entries = look_at_once(
            &inventory,
            &by_name,
            Depth::Whole,
            showing,
            interrupt,
            output,
        )?;
        paired(definitions, entries)?
    };
    let mut all = Vec::new();
    let mut names = Vec::new();
    for (definition, entry) in pairs {
        let name = entry.vm.name().to_owned();
        let asked = showing.security_info;
        let (host, of, beside) = (Arc::clone(&inventory), definition.clone(), entry.clone());
        let ask = move || xml_beside(&host, &of, &beside, asked);
        let xml = in_time(interrupt, LOOK_LIMIT, "libvirt has not answered", ask)??;
        for warning in uncompared(&definition, &entry, asked && xml.is_some(), asked) {
            output.warning(&warning);
        }
        let compare = |defined: &Vm, found: &Vm, has_secrets: bool| {
            let definition = Definition {
                vm: defined.clone(),
                ..definition.clone()
            };
            definition.deviations(found, xml.as_deref(), has_secrets)
        };
        let found = discreet(&definition.vm, &entry.vm, asked, compare).map_err(|error| {
            Failure::new(Kind::Failed, format!("{name} cannot be compared")).because(&error)
        })?;
        all.extend(found.into_iter().map(|deviation| Difference {
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

/// Where a VM is otherwise than its definition says, told without the secrets of places and, if these are
/// compared (`has_secrets`), all others. What the definition itself has hidden of one cannot differ.
fn discreet<E>(
    defined: &Vm,
    found: &Vm,
    has_secrets: bool,
    compare: impl Fn(&Vm, &Vm, bool) -> Result<Vec<Deviation>, E>,
) -> Result<Vec<Deviation>, E> {
    let without_secrets = |vm: &Vm| {
        let mut vm = vm.clone();
        vm.hide_secrets();
        vm.hide_secrets_of_places();
        vm
    };
    let with_secrets = |vm: &Vm| {
        let mut vm = vm.clone();
        if has_secrets {
            vm.reveal_secrets();
        }
        vm
    };
    let mut all = compare(&without_secrets(defined), &without_secrets(found), false)?;
    let exact = compare(&with_secrets(defined), &with_secrets(found), has_secrets)?;
    for exact in exact {
        let is_hidden = exact
            .defined
            .as_ref()
            .is_some_and(|words| words.contains(Secret::HIDDEN));
        if !is_hidden && all.iter().all(|other| other.field != exact.field) {
            all.push(Deviation {
                field: exact.field,
                defined: exact.defined.map(|_| Secret::HIDDEN.to_owned()),
                found: exact.found.map(|_| Secret::HIDDEN.to_owned()),
            });
        }
    }
    Ok(all)
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
    use crate::definition::deviations;

    #[test]
    fn a_difference_in_a_password_is_seen_and_not_told() {
        let vm = |iso: &str| {
            let text = format!("vmStatic: {{name: a, isoPath: '{iso}'}}");
            definition::parse("f", &text).unwrap().remove(0).vm
        };
        let found = vm("https://me:s3cret@h/a.iso");
        let told = |defined: &Vm, found: &Vm| {
            discreet(defined, found, false, |a, b, _| {
                Ok::<_, std::convert::Infallible>(deviations(a, b))
            })
            .expect("it cannot fail")
        };
        for other in ["https://me:0ther@h/a.iso", "https://me:0ther@h/b.iso"] {
            let told = told(&vm(other), &found);
            assert_eq!(told.len(), 1, "{told:?}");
            assert_eq!(told[0].field, "vmStatic.isoPath");
            let words = format!("{told:?}");
            assert!(!words.contains("s3cret") && !words.contains("0ther"));
        }
        let mut shown = found.clone();
        shown.hide_secrets_of_places();
        assert_eq!(told(&shown, &found), []);
        assert_eq!(told(&found, &found), []);
    }
}
