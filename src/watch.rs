//! `show --watch`: VMs as they are, and then what changes, as libvirt tells it. Nobody is asked at intervals.

use crate::cli::{Form, Showing};
use crate::entity::{LifecycleEvent, Vm, VmStatus};
use crate::hypervisor::{HypervisorError, Machine, Notice, Notices, listen_always};
use crate::interrupt::{Interrupt, within};
use crate::inventory::{BATCH, Depth, Entry, Inventory};
use crate::observe::Observer;
use crate::render::{self, Output};
use crate::report::{Change, Failure, Kind, LifeEvent, Report, VmRef};
use crate::run::{CONNECT_LIMIT, LOOK_LIMIT, in_time};
use crate::select::{Others, Selection, is_file_name, listing_failed, patterns};
use crate::show::{look, wishes};
use glob::Pattern;
use jiff::Timestamp;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How soon the end of the time, or of the reader, is noticed.
const GLANCE: Duration = Duration::from_millis(250);
/// What follows upon something so soon belongs to it ...
const PAUSE: Duration = Duration::from_millis(100);
/// ... but nobody waits for longer than this to hear of it.
const PATIENCE: Duration = Duration::from_millis(500);
/// What is done after an event, such as the removal of an image, is seen by then.
const AFTERMATH: Duration = Duration::from_secs(2);
/// Ages are drawn anew so often.
const AGEING: Duration = Duration::from_secs(30);
/// How long a daemon is waited for that has gone away.
const RETURN_LIMIT: Duration = Duration::from_secs(20);

/// Shows the VMs that are named, and what becomes of them, until the time limit, or until nobody reads it any
/// more. A signal ends the process as it would any other.
///
/// # Errors
/// What is in the way of it; also that the daemon has gone and has not come back.
pub(crate) fn watch(
    selection: &Selection,
    showing: &Showing,
    form: Form,
    interrupt: &Interrupt,
    connect: impl FnOnce() -> Result<Arc<Inventory>, Failure>,
    output: &mut Output,
) -> Result<Kind, Failure> {
    if let Some(file) = selection.targets.iter().find(|word| is_file_name(word)) {
        let message = format!("--watch is for VMs of libvirt, and '{file}' is a file");
        return Err(Failure::new(Kind::Usage, message)
            .hint(format!("-f {file} watches the VM that a definition names")));
    }
    listen_always().map_err(|error| error.failure("libvirt cannot be listened to"))?;
    let inventory = connect()?;
    let notices = listen(&inventory, interrupt)?;
    output.watch(showing);
    let wanted = Wanted::new(selection)?;
    // Lines tell names and states only; but who is meant may need more.
    let line = render::depth(Form::Name, showing, false).max(wanted.needs());
    let depth = match form {
        Form::Table | Form::Wide => render::depth(form, showing, false).max(line),
        _ => line,
    };
    let mut watcher = Watcher {
        wanted,
        depth: if output.is_screen() { depth } else { line },
        inventory,
        notices,
        known: HashMap::new(),
        aftermath: HashMap::new(),
        showing,
        sieve: Box::new(render::sieve(showing)),
        interrupt,
        output,
    };
    let ended = watcher
        .begin(selection, depth)
        .and_then(|()| watcher.go_on());
    // Closing the connection would wait for a daemon that may never answer; the process ends now.
    std::mem::forget(watcher.inventory);
    ended
}

/// Has libvirt tell what changes.
fn listen(inventory: &Arc<Inventory>, interrupt: &Interrupt) -> Result<Notices, Failure> {
    let hypervisor = Arc::clone(&inventory.hypervisor);
    let listen = move || hypervisor.notices();
    in_time(interrupt, CONNECT_LIMIT, "libvirt has not answered", listen)?
        .map_err(|error| error.failure("libvirt does not tell what changes"))
}

/// Which VMs are watched: those that were found, and whatever comes by a name that was asked for.
struct Wanted {
    selection: Selection,
    ids: HashSet<Uuid>,
    excluded: Vec<Pattern>,
    groups: Vec<Pattern>,
}

impl Wanted {
    fn new(selection: &Selection) -> Result<Self, Failure> {
        Ok(Self {
            selection: selection.clone(),
            ids: HashSet::new(),
            excluded: patterns(&selection.exclude)?,
            groups: patterns(&selection.groups)?,
        })
    }

    /// How closely a VM must be looked at to know whether it is meant.
    fn needs(&self) -> Depth {
        if self.selection.filters() {
            Depth::Definition
        } else {
            Depth::Line
        }
    }

    /// Whether it may be meant, by its name.
    fn is(&self, name: &str, id: Uuid) -> bool {
        let is_meant = |word: &String| {
            word == name || Pattern::new(word).is_ok_and(|pattern| pattern.matches(name))
        };
        let all = self.selection.all || !self.selection.names();
        let mut names = self.selection.targets.iter();
        let is_asked_for = all || self.ids.contains(&id) || names.any(is_meant);
        is_asked_for && !self.excludes(name)
    }

    /// Whether it is left out, by its name.
    fn excludes(&self, name: &str) -> bool {
        self.excluded.iter().any(|pattern| pattern.matches(name))
    }
}

/// What was last told of a VM.
struct Known {
    name: String,
    status: VmStatus,
    reason: String,
}

impl Known {
    fn of(vm: &Vm) -> Self {
        let dynamic = vm.vm_dynamic.as_ref();
        Self {
            name: vm.name().to_owned(),
            status: vm.status(),
            reason: dynamic
                .map(|it| it.status_reason.clone())
                .unwrap_or_default(),
        }
    }
}

/// What has happened to VMs, each with all of it, in the order in which it began.
#[derive(Default)]
struct Happened {
    order: Vec<(Machine, Vec<LifecycleEvent>)>,
    lost: bool,
}

impl Happened {
    fn add(&mut self, notice: Notice) {
        match notice {
            Notice::Lost => self.lost = true,
            Notice::Changed(machine, event) => {
                let id = machine.id();
                match self.order.iter_mut().find(|(known, _)| known.id() == id) {
                    Some((known, events)) => {
                        events.push(event);
                        // Its newest name.
                        *known = machine;
                    }
                    None => self.order.push((machine, vec![event])),
                }
            }
        }
    }
}

struct Watcher<'a> {
    wanted: Wanted,
    /// How closely VMs are looked at again.
    depth: Depth,
    inventory: Arc<Inventory>,
    notices: Notices,
    known: HashMap<Uuid, Known>,
    /// What is looked at once more, and when.
    aftermath: HashMap<Uuid, (Instant, Machine)>,
    showing: &'a Showing,
    /// Whether a VM is as the filters say.
    sieve: Box<dyn Fn(&Vm) -> bool + 'a>,
    interrupt: &'a Interrupt,
    output: &'a mut Output,
}

impl Watcher<'_> {
    /// Tells how the VMs are.
    fn begin(&mut self, selection: &Selection, depth: Depth) -> Result<(), Failure> {
        let Self {
            inventory,
            wanted,
            known,
            output,
            interrupt,
            showing,
            ..
        } = self;
        let looking = (depth, Form::Table);
        // What a glob stands for may come yet.
        let selection = Selection {
            awaits: true,
            ..selection.clone()
        };
        look(
            &[Arc::clone(inventory)],
            &Others::default(),
            &selection,
            looking,
            showing,
            interrupt,
            |seen| {
                for warning in &seen.warnings {
                    output.warning(warning);
                }
                for (entry, _) in seen.entries {
                    let mut vm = entry.vm;
                    vm.hide_secrets_of_places();
                    if let Some(id) = vm.id() {
                        wanted.ids.insert(id);
                        known.insert(id, Known::of(&vm));
                    }
                    let change = change(&vm, None, &[], Timestamp::now());
                    output.found(&change, vm);
                }
                Ok(!output.is_unread())
            },
        )?;
        output.all_found();
        Ok(())
    }

    /// Tells what changes, until the time is over.
    fn go_on(&mut self) -> Result<Kind, Failure> {
        match self.follow() {
            Err(failure) if failure.kind == Kind::TimedOut => Ok(Kind::Done),
            ended => ended,
        }
    }

    fn follow(&mut self) -> Result<Kind, Failure> {
        let mut drawn = Instant::now();
        loop {
            let first = self.notices.next(GLANCE);
            if self.interrupt.left() == Some(Duration::ZERO) || self.output.is_unread() {
                return Ok(Kind::Done);
            }
            let now = Instant::now();
            if let Some(first) = first {
                let happened = self.gather(first);
                if self.output.is_screen() {
                    let touched = happened.order.iter().map(|(machine, _)| machine);
                    let later = touched.map(|it| (it.id(), (now + AFTERMATH, it.clone())));
                    self.aftermath.extend(later);
                }
                self.tell(&happened)?;
                drawn = now;
            } else if self.output.is_screen()
                && (drawn.elapsed() >= AGEING || self.output.is_resized())
            {
                self.output.draw();
                drawn = now;
            }
            let due = self.aftermath.extract_if(|_, (at, _)| *at <= now);
            let order: Vec<_> = due.map(|(_, (_, machine))| (machine, Vec::new())).collect();
            if !order.is_empty() {
                self.tell(&Happened { order, lost: false })?;
            }
        }
    }

    /// All that happens now: who saves 100 VMs does not do so in a moment.
    fn gather(&self, first: Notice) -> Happened {
        let mut happened = Happened::default();
        let until = Instant::now() + PATIENCE;
        let mut next = Some(first);
        while let Some(notice) = next {
            happened.add(notice);
            next = (Instant::now() < until && !happened.lost)
                .then(|| self.notices.next(PAUSE))
                .flatten();
        }
        happened
            .order
            .retain(|(machine, _)| self.may_be_meant(machine));
        happened
    }

    /// Looks again at what something has happened to, and tells it.
    fn tell(&mut self, happened: &Happened) -> Result<(), Failure> {
        let time = Timestamp::now();
        let mut lost = happened.lost;
        for some in happened.order.chunks(BATCH) {
            if lost {
                break;
            }
            let machines = some.iter().map(|(machine, _)| machine.clone()).collect();
            match self.look_again(machines) {
                Ok(entries) => self.compare(some, entries, time),
                Err(Lost::Connection) => lost = true,
                Err(Lost::All(failure)) => return Err(failure),
            }
        }
        if lost {
            self.reconnect()?;
        }
        self.output.draw();
        Ok(())
    }

    fn look_again(&self, machines: Vec<Machine>) -> Result<Vec<Entry>, Lost> {
        let (inventory, depth) = (Arc::clone(&self.inventory), self.depth);
        let wishes = wishes(self.showing);
        let seen = in_time(
            self.interrupt,
            LOOK_LIMIT,
            "libvirt has not answered",
            move || {
                let mut entries = inventory.look_again(machines, depth)?;
                // What cannot be learnt is not there.
                Observer::new(&inventory).observe(&mut entries, depth, wishes)?;
                Ok::<_, HypervisorError>(entries)
            },
        );
        match seen {
            Ok(Ok(entries)) => Ok(entries),
            Ok(Err(error)) if error.is_connection_lost() => Err(Lost::Connection),
            Ok(Err(error)) => Err(Lost::All(listing_failed(&error))),
            Err(failure) => Err(Lost::All(failure)),
        }
    }

    /// Tells what has become of VMs.
    fn compare(
        &mut self,
        happened: &[(Machine, Vec<LifecycleEvent>)],
        entries: Vec<Entry>,
        time: Timestamp,
    ) {
        let mut now: HashMap<Uuid, Vm> = entries
            .into_iter()
            .filter_map(|entry| Some((entry.vm.id()?, entry.vm)))
            .collect();
        for (machine, events) in happened {
            self.tell_of(
                machine.name(),
                machine.id(),
                events,
                now.remove(&machine.id()),
                time,
            );
        }
    }

    /// Tells what has become of a VM; `vm` is how it is now, unless it is gone.
    fn tell_of(
        &mut self,
        name: &str,
        id: Uuid,
        events: &[LifecycleEvent],
        vm: Option<Vm>,
        time: Timestamp,
    ) {
        let before = self.known.remove(&id);
        let stays = vm.as_ref().is_some_and(|vm| self.is_meant(vm));
        if !stays && before.is_none() && self.is_choosy() {
            return;
        }
        let told = if let Some(mut vm) = vm {
            vm.hide_secrets_of_places();
            let known = Known::of(&vm);
            let is_same = before.as_ref().is_some_and(|before| {
                (&before.name, before.status, &before.reason)
                    == (&known.name, known.status, &known.reason)
            });
            if stays {
                self.known.insert(id, known);
                self.wanted.ids.insert(id);
            }
            let change = change(&vm, before.map(|it| it.status), events, time);
            (change, Some(vm), is_same)
        } else {
            let is_same = before.is_none();
            let change = Change {
                schema_version: Report::SCHEMA_VERSION,
                time,
                vm: VmRef {
                    host: None,
                    name: before
                        .as_ref()
                        .map_or(name, |before| &before.name)
                        .to_owned(),
                    id: Some(id),
                },
                events: words(events),
                status_before: before.map(|it| it.status),
                status: None,
                status_reason: None,
            };
            (change, None, is_same)
        };
        let (change, vm, is_same) = told;
        // Looking again may find nothing new.
        let is_news = !(is_same && events.is_empty());
        self.output.changed(&change, vm, is_news, stays);
    }

    /// Whether a VM is watched, or may be from now on.
    fn may_be_meant(&self, machine: &Machine) -> bool {
        let id = machine.id();
        self.known.contains_key(&id) || self.wanted.is(machine.name(), id)
    }

    /// Whether VMs are chosen by more than their names.
    fn is_choosy(&self) -> bool {
        self.wanted.selection.filters() || !self.showing.filters.is_empty()
    }

    /// Whether a VM is chosen as it is now.
    fn is_meant(&self, vm: &Vm) -> bool {
        let Wanted {
            selection, groups, ..
        } = &self.wanted;
        selection.chooses(vm, &self.inventory.labels, groups)
            && !self.wanted.excludes(vm.name())
            && (self.sieve)(vm)
    }

    /// Makes another connection in the place of one that was lost, and tells what has changed meanwhile.
    fn reconnect(&mut self) -> Result<(), Failure> {
        self.output
            .words("the connection to libvirt is lost; trying again");
        let began = Instant::now();
        let hypervisor = loop {
            let old = Arc::clone(&self.inventory.hypervisor);
            let found = within(CONNECT_LIMIT, move || old.anew());
            if let Some(Ok(found)) = found {
                break found;
            }
            if self.interrupt.left() == Some(Duration::ZERO) || self.output.is_unread() {
                return Ok(());
            }
            if began.elapsed() >= RETURN_LIMIT {
                let message = "the connection to libvirt is lost, and it has not come back";
                let failure = Failure::new(Kind::Connection, message);
                let failure = match found {
                    Some(Err(error)) => failure.because(&error),
                    _ => failure,
                };
                return Err(
                    failure.hint("the VMs are not touched by this; look whether libvirt runs")
                );
            }
            thread::sleep(GLANCE);
        };
        let new = Arc::new(Inventory {
            hypervisor: Arc::new(hypervisor),
            ..Inventory::clone(&self.inventory)
        });
        // Closing what is lost would wait for whoever still holds it.
        std::mem::forget(std::mem::replace(&mut self.inventory, new));
        self.aftermath.clear();
        self.notices = listen(&self.inventory, self.interrupt)?;
        self.output.words("libvirt is back");
        let hypervisor = Arc::clone(&self.inventory.hypervisor);
        let machines = in_time(
            self.interrupt,
            LOOK_LIMIT,
            "libvirt has not answered",
            move || hypervisor.machines(),
        )?;
        let machines = machines.map_err(|error| listing_failed(&error))?;
        let machines: Vec<_> = machines
            .into_iter()
            .filter(|machine| self.may_be_meant(machine))
            .map(|machine| (machine, Vec::new()))
            .collect();
        let time = Timestamp::now();
        let mut gone: HashSet<Uuid> = self.known.keys().copied().collect();
        for some in machines.chunks(BATCH) {
            let again = some.iter().map(|(machine, _)| machine.clone()).collect();
            let entries = self.look_again(again).map_err(|lost| match lost {
                Lost::All(failure) => failure,
                Lost::Connection => {
                    Failure::new(Kind::Connection, "the connection to libvirt is lost again")
                }
            })?;
            for (machine, _) in some {
                gone.remove(&machine.id());
            }
            self.compare(some, entries, time);
        }
        for id in gone {
            let left = self.inventory.orphan(id).map(|entry| entry.vm);
            self.tell_of("", id, &[], left, time);
        }
        Ok(())
    }
}

/// What is in the way of a look.
enum Lost {
    /// The connection is lost, and another may do.
    Connection,
    /// It cannot be gone on.
    All(Failure),
}

/// What there is to tell of a VM.
fn change(vm: &Vm, before: Option<VmStatus>, events: &[LifecycleEvent], time: Timestamp) -> Change {
    let reason = vm.vm_dynamic.as_ref().map(|it| it.status_reason.clone());
    Change {
        schema_version: Report::SCHEMA_VERSION,
        time,
        vm: VmRef::from(vm),
        events: words(events),
        status_before: before,
        status: Some(vm.status()),
        status_reason: reason.filter(|reason| !reason.is_empty()),
    }
}

fn words(events: &[LifecycleEvent]) -> Vec<LifeEvent> {
    events
        .iter()
        .map(|event| LifeEvent {
            event: event.word(),
            detail: event.detail_word(),
        })
        .collect()
}
