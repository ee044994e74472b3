//! Many VMs: workers take them in their order, each over connections of its own, since a daemon serves few requests
//! of one connection at a time.

use super::budget::Budget;
use super::company::Company;
use super::trouble::RETURN_LIMIT;
use super::{Escort, Met, Options, Run};
use crate::entity::{Vm, VmStatus};
use crate::interrupt::{Interrupt, within};
use crate::inventory::{Entry, Inventory};
use crate::order::{Order, order};
use crate::plan::{Decision, Step, Verb, decide_as};
use crate::report::{Event, Failure, Kind, Outcome, Sink, VmRef};
use crate::run::CONNECT_LIMIT;
use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How many VMs of a host are worked on at once for each processor.
const JOBS_PER_PROCESSOR: usize = 4;
/// However many processors there are.
const JOBS_AT_MOST: usize = 16;
/// However many hosts there are.
const WORKERS_AT_MOST: usize = 128;
/// Where the images are on a rotating disk.
const ON_ROTATING_DISK: usize = 4;

/// Between two attempts to connect.
const GLANCE: Duration = Duration::from_millis(100);

/// VMs on their hosts.
#[derive(Debug)]
pub struct Fleet {
    /// The hosts.
    pub hosts: Vec<Arc<Inventory>>,
    /// The VMs, in the order asked, each with the place of its host.
    pub vms: Vec<(usize, Entry)>,
}

/// Where several workers tell what happens, one at a time.
#[derive(Clone, Copy)]
pub(super) struct Ear<'a>(&'a (dyn Fn(Event<'_>) + Sync));

impl Ear<'_> {
    pub(super) fn emit(&self, event: Event<'_>) {
        (self.0)(event);
    }
}

/// Lets several workers tell a listener what happens.
pub(super) fn heard_by<T>(sink: &mut (dyn Sink + Send), work: impl FnOnce(Ear<'_>) -> T) -> T {
    let sink = Mutex::new(sink);
    let tell = |event: Event<'_>| locked(&sink).emit(event);
    work(Ear(&tell))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is to be done to VMs of a fleet, and how.
#[derive(Clone, Copy)]
pub(super) struct Phase<'a> {
    pub options: &'a Options,
    pub interrupt: &'a Interrupt,
    pub ear: Ear<'a>,
    /// The time that all saves share, if it is limited.
    pub budget: Option<&'a Budget>,
    /// How many are worked on at once.
    pub jobs: usize,
    /// Of each host whether its daemon does not answer any more.
    pub silent: &'a [AtomicBool],
    /// Whether each VM has its own hooks around it, and its guest is waited for: not if it goes with a group, around
    /// which all of that is.
    pub goes_alone: bool,
}

impl<'a> Phase<'a> {
    /// Those who go with the VMs of a host.
    pub(super) fn company(self, inventory: &Arc<Inventory>) -> Company<'a> {
        Company {
            inventory: Arc::clone(inventory),
            options: self.options,
            interrupt: self.interrupt,
            ear: self.ear,
        }
    }
}

impl Fleet {
    /// Does the same to some of the VMs, in their order. A failure of one stops no others than those that come after
    /// it for a reason. `ended` hears of each as it ends; what became of them is given in the order of `which`.
    ///
    /// # Errors
    /// If they depend on each other in a circle; then nothing has been touched.
    pub(super) fn carry_out(
        &self,
        which: &[usize],
        phase: Phase<'_>,
        ended: &(dyn Fn(&Outcome) + Sync),
    ) -> Result<Vec<Outcome>, Failure> {
        let vms: Vec<&Vm> = which.iter().map(|one| &self.vms[*one].1.vm).collect();
        let hosts: Vec<usize> = which.iter().map(|one| self.vms[*one].0).collect();
        let line = Line::new(
            order(&vms, phase.options.verb, phase.budget.is_some())?,
            hosts,
            phase.jobs,
        );
        let (refused, promised) = self.beyond_the_room(which, phase);
        let outcomes: Vec<Mutex<Option<Outcome>>> =
            which.iter().map(|_| Mutex::default()).collect();
        // A run has connections of its own, and is left to the next worker of its host.
        let idle: Vec<Mutex<Vec<Run<'_>>>> = self.hosts.iter().map(|_| Mutex::default()).collect();
        let fresh: Vec<AtomicBool> = self.hosts.iter().map(|_| AtomicBool::new(true)).collect();
        let over = |place: usize, outcome: Outcome| {
            ended(&outcome);
            line.has_ended(place, is_where_it_should_be(phase.options.verb, &outcome));
            *locked(&outcomes[place]) = Some(outcome);
        };
        let post_hooks = Gate::new(phase.jobs);
        let workers = (phase.jobs * self.hosts.len())
            .min(which.len())
            .min(WORKERS_AT_MOST);
        let (line, over, post_hooks) = (&line, &over, &post_hooks);
        let (idle_runs, fresh, vms) = (&idle, &fresh, &vms);
        let (refused, promised) = (&refused, &promised);
        thread::scope(|scope| {
            let work = move || {
                while let Some(turn) = line.next() {
                    let place = turn.whose();
                    let (host, entry) = &self.vms[which[place]];
                    let failure = match turn {
                        Turn::InVain(_, other) => Some(in_vain(phase.options.verb, vms[other])),
                        Turn::Of(_) => refused[place].clone(),
                    };
                    let (mut outcome, accompanied) = if let Some(failure) = failure {
                        (Outcome::failed(VmRef::from(&entry.vm), failure), false)
                    } else {
                        let resting = locked(&idle_runs[*host]).pop();
                        // Whose connection was lost meanwhile cannot go on.
                        let alive = resting.filter(Run::is_connected);
                        let silent = &phase.silent[*host];
                        let mut run = alive.unwrap_or_else(|| {
                            let is_first = fresh[*host].swap(false, Ordering::SeqCst);
                            // A daemon that did not come back is not waited for again.
                            let patience = if silent.load(Ordering::SeqCst) {
                                Duration::ZERO
                            } else {
                                RETURN_LIMIT
                            };
                            let run = Run::new(&self.hosts[*host], phase, is_first, patience);
                            if !run.is_connected() {
                                silent.store(true, Ordering::SeqCst);
                            }
                            run
                        });
                        // What is only rehearsed adds up by itself.
                        if !phase.options.dry_run {
                            run.promised = promised[place];
                        }
                        let outcome = run.one(entry);
                        if run.met.silence {
                            silent.store(true, Ordering::SeqCst);
                        } else if outcome.status.is_some() {
                            // It has answered.
                            silent.store(false, Ordering::SeqCst);
                        }
                        let accompanied = run.escort == Escort::Begun;
                        locked(&idle_runs[*host]).push(run);
                        (outcome, accompanied)
                    };
                    line.leave(place);
                    let company = phase.company(&self.hosts[*host]);
                    let attends = phase.goes_alone && company.attends(&outcome);
                    if !attends && !accompanied {
                        over(place, outcome);
                        continue;
                    }
                    // Nothing is done to the VM any more: another one can have its turn.
                    scope.spawn(move || {
                        if attends {
                            company.wake(&mut outcome);
                        }
                        if accompanied {
                            post_hooks.pass(|| company.after(&mut outcome));
                        }
                        over(place, outcome);
                    });
                }
            };
            for _ in 1..workers {
                scope.spawn(work);
            }
            work();
        });
        // Closing them takes time, most of all where a daemon has fallen silent; the end of the program does it at once.
        idle.into_iter().for_each(std::mem::forget);
        let outcomes = outcomes.into_iter();
        Ok(outcomes
            .filter_map(|outcome| locked(&outcome).take())
            .collect())
    }

    /// How many VMs are worked on at once. Most of a save or restore waits for QEMU to end or to begin, and needs
    /// neither processor nor disk; what is left shares them. A rotating disk writes several files in turns, which
    /// costs more than the waiting.
    pub(super) fn jobs(&self, options: &Options) -> usize {
        let writes = matches!(options.verb, Verb::Hibernate | Verb::Restore);
        let here = self.hosts.iter().find(|host| host.hypervisor.is_local());
        let folder = here.map(|host| options.to.as_deref().unwrap_or(host.place.folder()));
        // What is only rehearsed counts the room in turns.
        if options.dry_run {
            1
        } else if let Some(jobs) = options.jobs {
            usize::from(jobs.get())
        } else if writes && folder.is_some_and(rotates) {
            ON_ROTATING_DISK
        } else {
            let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
            (JOBS_PER_PROCESSOR * processors).clamp(JOBS_PER_PROCESSOR, JOBS_AT_MOST)
        }
    }

    /// Those for whose images there is no room when the ones before them have theirs; one that is alone finds out by
    /// itself. Beside that what is promised to those before each one whose guard is overridden: it tells of that.
    fn beyond_the_room(
        &self,
        which: &[usize],
        phase: Phase<'_>,
    ) -> (Vec<Option<Failure>>, Vec<u64>) {
        let options = phase.options;
        let counts = options.verb == Verb::Hibernate && !options.dry_run && which.len() > 1;
        let mut runs: Vec<Option<Run<'_>>> = self.hosts.iter().map(|_| None).collect();
        // What several daemons on this machine write goes to the same disks.
        let mut promised_here = 0;
        let mut promised = Vec::new();
        let refusal = |one: &usize| {
            promised.push(0);
            let (host, entry) = &self.vms[*one];
            let inventory = &self.hosts[*host];
            let decision = decide_as(
                options.verb,
                &entry.vm,
                options.wishes,
                options.flags.running,
            );
            if !counts || decision != Decision::Do(Step::Save) || phase.interrupt.cause().is_some()
            {
                return None;
            }
            let run =
                runs[*host].get_or_insert_with(|| Run::new(inventory, phase, true, RETURN_LIMIT));
            let is_here = inventory.hypervisor.is_local();
            if is_here {
                run.promised = promised_here;
            }
            if let Some(last) = promised.last_mut().filter(|_| options.wishes.force) {
                *last = run.promised;
            }
            let found = run.rehearse(Step::Save, entry, VmRef::from(&entry.vm));
            if is_here {
                promised_here = run.promised;
            }
            found.err().filter(|failure| failure.kind == Kind::Space)
        };
        let refused = which.iter().map(refusal).collect();
        (refused, promised)
    }
}

impl<'a> Run<'a> {
    /// A worker's part on a host; all but the first have a connection of their own, and so has the first if the one
    /// there was is lost. The daemon may need a moment.
    fn new(
        inventory: &Arc<Inventory>,
        phase: Phase<'a>,
        is_first: bool,
        patience: Duration,
    ) -> Self {
        let began = Instant::now();
        let needs_none = is_first && inventory.hypervisor.is_alive();
        let mut apart = None;
        while !needs_none && apart.is_none() {
            let shared = Arc::clone(&inventory.hypervisor);
            apart = within(CONNECT_LIMIT, move || shared.apart());
            apart = apart.filter(|apart| apart.is_alive());
            if apart.is_some() || began.elapsed() >= patience || phase.interrupt.cause().is_some() {
                break;
            }
            thread::sleep(GLANCE);
        }
        let apart = apart.filter(|apart| !Arc::ptr_eq(apart, &inventory.hypervisor));
        let reconnected = apart.is_some();
        let inventory = apart.map_or_else(
            || Arc::clone(inventory),
            |hypervisor| {
                Arc::new(Inventory {
                    hypervisor,
                    ..Inventory::clone(inventory)
                })
            },
        );
        Self {
            inventory,
            options: phase.options,
            interrupt: phase.interrupt,
            sink: phase.ear,
            budget: phase.budget,
            met: Met::default(),
            reconnected,
            promised: 0,
            escort: if phase.goes_alone {
                Escort::Due
            } else {
                Escort::Group
            },
        }
    }

    /// Whether its connection still is one.
    fn is_connected(&self) -> bool {
        self.inventory.hypervisor.is_alive()
    }
}

/// Whether a folder, or the one in which it is going to be made, is on a rotating disk, as far as the kernel tells.
///
/// To a kernel in a virtual machine all disks seem to rotate.
fn rotates(folder: &Path) -> bool {
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let mut flags = processor
        .lines()
        .filter(|line| line.starts_with("flags"))
        .flat_map(str::split_whitespace);
    if flags.any(|flag| flag == "hypervisor") {
        return false;
    }
    let device = folder
        .ancestors()
        .find_map(|folder| Some(fs::metadata(folder).ok()?.dev()));
    let told = device.and_then(|device| {
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        let device = format!("/sys/dev/block/{major}:{minor}");
        // A partition has its disk above it.
        let paths = ["queue/rotational", "../queue/rotational"];
        paths
            .iter()
            .find_map(|path| fs::read_to_string(format!("{device}/{path}")).ok())
    });
    told.is_some_and(|told| told.trim() == "1")
}

/// Whether others may count on this one: whatever has failed, it may be where the verb leads to.
fn is_where_it_should_be(verb: Verb, outcome: &Outcome) -> bool {
    let status = outcome.status;
    outcome.kind == Kind::Done
        || match verb {
            Verb::Hibernate => matches!(status, Some(VmStatus::Down | VmStatus::Suspended)),
            Verb::Pause => matches!(
                status,
                Some(VmStatus::Paused | VmStatus::Down | VmStatus::Suspended)
            ),
            Verb::Restore | Verb::Resume | Verb::Show => status == Some(VmStatus::Up),
        }
}

/// Its turn does not come.
fn in_vain(verb: Verb, other: &Vm) -> Failure {
    let other = VmRef::from(other);
    let past = verb.past();
    let why = match verb {
        Verb::Hibernate | Verb::Pause => format!("{other}, which depends on it, was not {past}"),
        _ => format!("it depends on {other}, which was not {past}"),
    };
    Failure::not_attempted(Kind::State, why)
}

/// The line in which VMs wait for their turns, each told by its place.
struct Line {
    order: Order,
    /// Whose each VM is.
    hosts: Vec<usize>,
    /// How many turns a host can have at once.
    at_once: usize,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// Those that wait, in their order.
    waiting: Vec<usize>,
    /// How each VM ended, that has: whether others may count on it.
    ended: Vec<Option<bool>>,
    /// How many turns each host has now.
    busy: Vec<usize>,
}

/// Whose turn it is.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    Of(usize),
    /// It is in vain, as the other one has failed, which had to come before it.
    InVain(usize, usize),
}

impl Turn {
    const fn whose(&self) -> usize {
        match self {
            Self::Of(one) | Self::InVain(one, _) => *one,
        }
    }
}

impl Line {
    fn new(order: Order, hosts: Vec<usize>, at_once: usize) -> Self {
        let state = State {
            waiting: order.turns.clone(),
            ended: vec![None; order.turns.len()],
            busy: vec![0; hosts.iter().max().map_or(0, |last| last + 1)],
        };
        Self {
            order,
            hosts,
            at_once: at_once.max(1),
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// The next turn; waits while all that are left wait for others, or for their hosts.
    fn next(&self) -> Option<Turn> {
        let mut state = locked(&self.state);
        loop {
            if state.waiting.is_empty() {
                return None;
            }
            let found = state.waiting.iter().enumerate().find_map(|(at, one)| {
                let others = &self.order.waits_for[*one];
                let failed = others
                    .iter()
                    .find(|other| state.ended[**other] == Some(false));
                if let Some(other) = failed {
                    return Some((at, Turn::InVain(*one, *other)));
                }
                let is_free = others.iter().all(|other| state.ended[*other].is_some())
                    && state.busy[self.hosts[*one]] < self.at_once;
                is_free.then_some((at, Turn::Of(*one)))
            });
            if let Some((at, turn)) = found {
                state.waiting.remove(at);
                state.busy[self.hosts[turn.whose()]] += 1;
                return Some(turn);
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Its turn is over, though it has not ended: its guest is waited for.
    fn leave(&self, one: usize) {
        locked(&self.state).busy[self.hosts[one]] -= 1;
        self.changed.notify_all();
    }

    fn has_ended(&self, one: usize, well: bool) {
        locked(&self.state).ended[one] = Some(well);
        self.changed.notify_all();
    }
}

/// Lets so many through at once.
struct Gate {
    free: Mutex<usize>,
    changed: Condvar,
}

impl Gate {
    fn new(at_once: usize) -> Self {
        Self {
            free: Mutex::new(at_once.max(1)),
            changed: Condvar::new(),
        }
    }

    fn pass(&self, work: impl FnOnce()) {
        let free = self
            .changed
            .wait_while(locked(&self.free), |free| *free == 0);
        *free.unwrap_or_else(PoisonError::into_inner) -= 1;
        work();
        *locked(&self.free) += 1;
        self.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_come_in_their_order_and_wait_for_those_they_need() {
        let line = Line::new(
            Order {
                turns: vec![2, 0, 1],
                waits_for: vec![vec![2], vec![], vec![]],
            },
            vec![0; 3],
            3,
        );
        assert_eq!(line.next(), Some(Turn::Of(2)));
        assert_eq!(line.next(), Some(Turn::Of(1)), "0 waits for 2");
        thread::scope(|scope| {
            let waiting = scope.spawn(|| line.next());
            line.leave(2);
            line.has_ended(2, true);
            assert_eq!(waiting.join().unwrap(), Some(Turn::Of(0)));
        });
        assert_eq!(line.next(), None);
    }

    #[test]
    fn what_has_failed_takes_those_along_that_come_after_it() {
        let line = Line::new(
            Order {
                turns: vec![0, 1, 2],
                waits_for: vec![vec![], vec![0], vec![1]],
            },
            vec![0; 3],
            3,
        );
        assert_eq!(line.next(), Some(Turn::Of(0)));
        line.leave(0);
        line.has_ended(0, false);
        assert_eq!(line.next(), Some(Turn::InVain(1, 0)));
        line.leave(1);
        line.has_ended(1, false);
        assert_eq!(line.next(), Some(Turn::InVain(2, 1)));
        assert_eq!(line.next(), None);
    }

    #[test]
    fn a_host_has_only_so_many_turns_at_once() {
        let order = Order {
            turns: vec![0, 1, 2],
            waits_for: vec![vec![]; 3],
        };
        let line = Line::new(order, vec![0, 0, 1], 1);
        assert_eq!(line.next(), Some(Turn::Of(0)));
        assert_eq!(line.next(), Some(Turn::Of(2)), "1 waits for its host");
        line.leave(0);
        assert_eq!(line.next(), Some(Turn::Of(1)));
    }
}
