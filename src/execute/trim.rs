//! Shrinking a guest before it is hibernated, and giving its memory back.
//!
//! What lies in a guest's caches has to be written like all else, and is of little use when it comes back.
//! So the balloon takes what the guest can do without, by its own account: the guest drops its caches, and what
//! the balloon holds is not written.
//!
//! How much the guest had is noted in the live metadata before the balloon is touched, and goes into the image
//! with it. Whichever vmlife next meets the guest with that note gives the memory back, whatever has become of
//! the one that took it.

use super::Run;
use super::watch::Cancel;
use crate::definition::read_statistics_period;
use crate::entity::{MemorySize, Vm, VmStatus};
use crate::guard::Remarks;
use crate::hypervisor::{GuestMemory, HypervisorError, Machine, XmlFlags};
use crate::interrupt::{cause_word, within};
use crate::plan::Verb;
use crate::report::{Estimate, Failure, Kind, Outcome, VmRef};
use crate::words::{quoted, size};
use jiff::Timestamp;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// What a guest keeps at least beyond what it uses, in KiB. A Linux needs some for its own reserves, and to hold
/// the pages of the programs that run; without it reads its disks all the time, or ends a program.
const LEAST_MARGIN: u64 = 64 * 1024;
/// What a large guest uses goes up and down by more than that: of what it uses it keeps this part beyond it.
const MARGIN_PART: u64 = 10;
/// Less than this, in KiB, is not worth the wait.
const WORTHWHILE: u64 = 16 * 1024;
/// Nearer to each other than this, in KiB, two sizes are the same: the guest's use goes up and down meanwhile, and
/// the balloon works in chunks.
const NEAR: u64 = 1024;

/// How often the guest is to tell what it uses while it shrinks, in seconds.
const PERIOD: u32 = 1;
/// How often the balloon is looked at: so often that little happens between what the guest tells and the look
/// before.
const POLL: Duration = Duration::from_millis(20);
/// How long QEMU may take to answer.
const QEMU_LIMIT: Duration = Duration::from_secs(10);
/// A guest that has never told what it uses, and does not when it is asked, has no driver.
const DRIVER_LIMIT: Duration = Duration::from_secs(3);
/// How long a guest may take to answer, or to begin with it.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);
/// When it has begun, so long without progress means that there is no more to be had.
const STALL_LIMIT: Duration = Duration::from_secs(5);
/// So long the shrinking lasts at most. What has been achieved then counts.
const SHRINK_LIMIT: Duration = Duration::from_secs(120);
/// So long it takes for most guests.
const ABOUT: Duration = Duration::from_secs(4);
/// How old what a guest has told may be, in seconds, to say beforehand how far it can be shrunk.
const STALE: i64 = 60;

/// How far guests are shrunk before they are hibernated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trim {
    /// To what they use, and a margin.
    ToUse,
    /// To this size, but no further than to what they use, and a margin.
    To(MemorySize),
}

/// A guest that has been shrunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Trimmed {
    before: MemorySize,
    after: MemorySize,
}

/// Why a guest was not shrunk.
enum Stop {
    /// Everything is to come to an end.
    Cancelled(Kind),
    /// The connection is lost.
    Lost(HypervisorError),
    /// It cannot be, or does not do it.
    Vain(String),
}

impl From<HypervisorError> for Stop {
    fn from(error: HypervisorError) -> Self {
        if error.is_connection_lost() {
            Self::Lost(error)
        } else {
            Self::Vain(error.to_string())
        }
    }
}

/// To how much memory a guest is shrunk that has `actual`, and can do without `usable` of that.
fn target(actual: MemorySize, usable: MemorySize, trim: Trim) -> MemorySize {
    let used = actual.kib().saturating_sub(usable.kib());
    let margin = LEAST_MARGIN.max(used / MARGIN_PART);
    let least = used.saturating_add(margin);
    let wish = match trim {
        Trim::ToUse => 0,
        Trim::To(size) => size.kib(),
    };
    MemorySize::from_kib(least.max(wish).min(actual.kib()))
}

/// Why the guest of a VM cannot be shrunk, if that can be seen.
fn obstacle(vm: &Vm) -> Option<&'static str> {
    if vm.status() == VmStatus::Paused {
        Some("it is paused, so that its guest can do nothing")
    } else if !vm.vm_static.balloon_enabled {
        Some("it has no balloon (<memballoon model='virtio'/>, from its next start on)")
    } else {
        None
    }
}

/// How often a VM's balloon asks the guest when it boots, in seconds. A VM that libvirt has no other definition of than
/// that which runs has asked as often.
fn defined_period(machine: &Machine) -> u32 {
    let inactive = XmlFlags {
        inactive: true,
        ..XmlFlags::default()
    };
    let xml = machine.xml_of(inactive);
    xml.map_or(PERIOD, |xml| read_statistics_period(&xml))
}

/// What is noted of a VM that was shrunk, and has not got its memory back.
fn noted(vm: &Vm) -> Option<MemorySize> {
    vm.vm_dynamic.as_ref()?.memory_before_trim
}

fn size_of(memory: MemorySize) -> String {
    size(memory.bytes())
}

impl Run<'_> {
    /// Hibernates a VM, and shrinks its guest first if that is asked for. If it is not hibernated after all, the
    /// guest gets its memory back.
    pub(super) fn hibernate(
        &mut self,
        machine: &Machine,
        vm: &Vm,
        subject: &VmRef,
    ) -> Result<Outcome, Failure> {
        let mut warnings = Vec::new();
        // What starts a VM from libvirt's own image would not give its memory back.
        let is_managed = self.is_managed(machine, subject)?;
        let trimmed = match self.options.trim.filter(|_| !is_managed) {
            Some(trim) => self.trim(machine, vm, subject, trim, &mut warnings)?,
            None => None,
        };
        let mut vm = vm.clone();
        if let Some(Trimmed { before, .. }) = trimmed {
            vm.vm_dynamic.get_or_insert_default().memory_before_trim = Some(before);
        }
        let saved = if is_managed {
            self.save_managed(machine, &vm, subject.clone())
        } else {
            self.save(machine, &vm, subject.clone())
        };
        match saved {
            Ok(mut outcome) => {
                if let Some(Trimmed { before, after }) = trimmed {
                    let (before, after) = (size_of(before), size_of(after));
                    outcome.message += &format!(", trimmed from {before} to {after}");
                }
                outcome.warnings.extend(warnings);
                Ok(outcome)
            }
            Err(mut failure) => {
                if noted(&vm).is_some() {
                    failure = failure.after_all("hibernated");
                    self.give_back(subject, machine.id(), None, false, &mut warnings);
                }
                Err(failure.warned(warnings))
            }
        }
    }

    /// Shrinks a guest that is about to be hibernated. What keeps it from that is said in a warning only.
    fn trim(
        &mut self,
        machine: &Machine,
        vm: &Vm,
        subject: &VmRef,
        trim: Trim,
        warnings: &mut Vec<String>,
    ) -> Result<Option<Trimmed>, Failure> {
        // What speaks against the save is found before the guest is touched. Room may be enough afterwards.
        let path = self.destination(machine.id())?;
        let earlier = self.replaceable(&path, machine.id())?;
        let estimate = match self.before_save(machine, vm, &path, earlier.as_ref()) {
            Err(failure) if failure.kind != Kind::Space => return Err(failure),
            Ok((_, estimate)) => estimate,
            Err(_) => None,
        };
        if let Some((budget, estimate)) = self.budget.zip(estimate)
            && budget.has_time_for(&estimate, Duration::ZERO)
            && !budget.has_time_for(&estimate, ABOUT)
        {
            warnings.push("it was not trimmed: there is no time for that (--within)".to_owned());
            return Ok(None);
        }
        let mut period = None;
        let shrunk = self.ask_and_shrink(machine, vm, subject, trim, &mut period);
        if let Err(Stop::Lost(error)) = &shrunk {
            let back = self.reconnect(subject, "hibernated", None, error);
            back.map_err(|failure| failure.warned(vec![not_yet_back(subject)]))?;
            // What it says of the VM is of no matter: whatever is done next finds that out.
            let _ = self.picked_up(subject, machine.id(), Cancel::Impossible);
        }
        if let Some(period) = period {
            let again = self.again(machine);
            let reset = self.of_qemu(subject, move || again().set_statistics_period(period));
            if reset.is_err() {
                warnings.push(format!(
                    "its balloon asks the guest every {PERIOD} s what it uses, and no longer as before"
                ));
            }
        }
        let stop = match shrunk {
            Ok(trimmed) => {
                warnings.extend(shortfall(trim, trimmed));
                return Ok(trimmed);
            }
            Err(stop) => stop,
        };
        self.give_back(subject, machine.id(), None, false, warnings);
        let mut given_up = |failure: Failure| Err(failure.warned(std::mem::take(warnings)));
        match stop {
            Stop::Vain(why) => {
                warnings.push(format!("it was not trimmed: {why}"));
                Ok(None)
            }
            Stop::Cancelled(cause) => {
                let why = cause_word(cause);
                given_up(Failure::new(
                    cause,
                    format!("was not hibernated, {why}; it runs on"),
                ))
            }
            Stop::Lost(error) => given_up(
                error.failure("was not hibernated: the connection was lost when it was trimmed"),
            ),
        }
    }

    /// Shrinks a guest, and has it tell meanwhile what it uses; `period` is how often it did before, if that was
    /// otherwise.
    fn ask_and_shrink(
        &mut self,
        machine: &Machine,
        vm: &Vm,
        subject: &VmRef,
        trim: Trim,
        period: &mut Option<u32>,
    ) -> Result<Option<Trimmed>, Stop> {
        if let Some(why) = obstacle(vm) {
            return Err(Stop::Vain(why.to_owned()));
        }
        // Over a connection of its own: a QEMU that hangs must not hold up what follows.
        let (hypervisor, asked) = (Arc::clone(&self.inventory.hypervisor), machine.clone());
        // Who was at it before has not put that back.
        let was_cut_off = noted(vm).is_some();
        let (machine, first, before) = self.of_qemu(subject, move || {
            let asked = hypervisor.apart().same(&asked)?;
            let first = asked.guest_memory()?;
            let period = if was_cut_off {
                defined_period(&asked)
            } else {
                read_statistics_period(&asked.xml()?)
            };
            Ok((asked, first, period))
        })?;
        if before != PERIOD {
            *period = Some(before);
            let asked = machine.clone();
            self.of_qemu(subject, move || asked.set_statistics_period(PERIOD))?;
        }
        self.shrink(&machine, noted(vm), subject, trim, first)
    }

    /// Asks libvirt for something that QEMU has to do or to tell. One that hangs is no reason to wait.
    fn of_qemu<T: Send + 'static>(
        &mut self,
        subject: &VmRef,
        call: impl FnOnce() -> Result<T, HypervisorError> + Send + 'static,
    ) -> Result<T, Stop> {
        let answer = self.ask(subject, move || Ok(within(QEMU_LIMIT, call)))?;
        let silent = || {
            let seconds = QEMU_LIMIT.as_secs();
            Stop::Vain(format!("QEMU has not answered for {seconds} s"))
        };
        Ok(answer.ok_or_else(silent)??)
    }

    /// Shrinks a guest of which `first` is known, and watches that until it is there, or does not get any
    /// further. `None` if that is not worth it.
    fn shrink(
        &mut self,
        machine: &Machine,
        noted: Option<MemorySize>,
        subject: &VmRef,
        trim: Trim,
        first: GuestMemory,
    ) -> Result<Option<Trimmed>, Stop> {
        let silent =
            "its guest does not tell what it uses: it has no driver for the balloon, or hangs";
        let silent = || Stop::Vain(silent.to_owned());
        let began = Instant::now();
        let limit = if first.told_at == 0 {
            DRIVER_LIMIT
        } else {
            ANSWER_LIMIT
        };
        let mut told = self.memory_of(machine, subject)?;
        while told.told_at == first.told_at {
            if began.elapsed() >= limit {
                return Err(silent());
            }
            self.rest()?;
            told = self.memory_of(machine, subject)?;
        }
        let (Some(start), Some(usable)) = (told.actual, told.usable) else {
            return Err(silent());
        };
        let before = noted.unwrap_or(start);
        let mut goal = target(start, usable, trim);
        if start.kib().saturating_sub(goal.kib()) < WORTHWHILE {
            return Ok(None);
        }
        let (asked, size) = (machine.clone(), goal);
        let is_noted = self.of_qemu(subject, move || {
            let is_noted = Run::remember_trim(&asked, Some(before))?;
            if is_noted && let Err(error) = asked.set_memory(size) {
                // Over a connection that is lost this does not get through either, and the note stays.
                Run::remember_trim(&asked, noted)?;
                return Err(error);
            }
            Ok(is_noted)
        })?;
        if !is_noted {
            let why = "its metadata cannot keep how much memory it had";
            return Err(Stop::Vain(why.to_owned()));
        }
        let began = Instant::now();
        let (mut least, mut since) = (start, began);
        let mut earlier = start;
        loop {
            self.rest()?;
            let now = self.memory_of(machine, subject)?;
            let actual = now.actual.unwrap_or(earlier);
            if actual.kib() <= goal.kib().saturating_add(NEAR) {
                return Ok(Some(Trimmed {
                    before,
                    after: actual,
                }));
            }
            if actual.kib().saturating_add(NEAR) <= least.kib() {
                (least, since) = (actual, Instant::now());
            }
            // What the guest tells is of a moment since the last look: it had no more than then. The smaller it
            // is, the better it knows what it can do without.
            if let Some(usable) = now.usable.filter(|_| now.told_at != told.told_at) {
                let better = target(earlier, usable, trim);
                if better.kib().abs_diff(goal.kib()) > NEAR {
                    goal = better;
                    self.resize(machine, subject, goal)?;
                }
            }
            (told, earlier) = (now, actual);
            let has_begun = start.kib().saturating_sub(least.kib()) >= WORTHWHILE;
            let limit = if has_begun { STALL_LIMIT } else { ANSWER_LIMIT };
            if since.elapsed() < limit && began.elapsed() < SHRINK_LIMIT {
                continue;
            }
            if has_begun {
                // It must not go on with that when it is restored.
                self.resize(machine, subject, actual)?;
                return Ok(Some(Trimmed {
                    before,
                    after: actual,
                }));
            }
            return Err(Stop::Vain(format!(
                "its guest has given nothing up for {} s",
                limit.as_secs()
            )));
        }
    }

    fn memory_of(&mut self, machine: &Machine, subject: &VmRef) -> Result<GuestMemory, Stop> {
        let machine = machine.clone();
        self.of_qemu(subject, move || machine.guest_memory())
    }

    fn resize(&mut self, machine: &Machine, subject: &VmRef, size: MemorySize) -> Result<(), Stop> {
        let machine = machine.clone();
        self.of_qemu(subject, move || machine.set_memory(size))
    }

    /// Waits until the next look, if there is to be one.
    fn rest(&self) -> Result<(), Stop> {
        let watch = self.interrupt.watch();
        thread::sleep(POLL);
        drop(watch);
        match self.interrupt.cause() {
            Some(cause) => Err(Stop::Cancelled(cause)),
            None => Ok(()),
        }
    }

    /// Gives a guest back what it had before it was shrunk, if that is noted with it, or known otherwise, and waits
    /// until it has it. Gives how much that is. It never fails a command; as long as it has not been seen to be
    /// done, the note stays. If it was another vmlife that shrunk it, that may not have put back how often the guest
    /// tells what it uses.
    pub(super) fn give_back(
        &mut self,
        subject: &VmRef,
        id: Uuid,
        known: Option<MemorySize>,
        is_anothers: bool,
        warnings: &mut Vec<String>,
    ) -> Option<MemorySize> {
        if self.met.hanging {
            warnings.push(not_yet_back(subject));
            return None;
        }
        let inventory = Arc::clone(&self.inventory);
        let asked = self.of_qemu(subject, move || {
            let found = inventory.hypervisor.machine_by_id(id)?;
            let Some(machine) = found.filter(|found| found.domain_id().is_some()) else {
                return Ok(None);
            };
            let Some(before) = Run::trimmed_from(&machine)?.or(known) else {
                return Ok(None);
            };
            let before = before.min(machine.max_memory()?);
            machine.set_memory(before)?;
            if is_anothers && read_statistics_period(&machine.xml()?) == PERIOD {
                machine.set_statistics_period(defined_period(&machine))?;
            }
            Ok(Some((machine, before)))
        });
        let Ok(found) = asked else {
            warnings.push(not_yet_back(subject));
            return None;
        };
        let (machine, before) = found?;
        let (mut most, mut since) = (MemorySize::default(), Instant::now());
        loop {
            let asked = machine.clone();
            let told = self.of_qemu(subject, move || Ok((asked.state()?, asked.guest_memory()?)));
            let Ok((state, memory)) = told else { break };
            let actual = memory.actual.unwrap_or_default();
            if actual.kib().saturating_add(NEAR) >= before.kib() {
                let noted = self.ask(subject, move || Run::remember_trim(&machine, None));
                return noted.is_ok().then_some(before);
            }
            if !state.is_running() {
                // The balloon knows, and the guest does it when it runs.
                return None;
            }
            if actual > most {
                (most, since) = (actual, Instant::now());
            }
            if since.elapsed() >= ANSWER_LIMIT || self.interrupt.insists() {
                break;
            }
            let watch = self.interrupt.watch();
            thread::sleep(POLL);
            drop(watch);
        }
        warnings.push(not_yet_back(subject));
        None
    }

    /// Gives its memory back to a VM that an earlier vmlife has shrunk, and that did not come to the end of it;
    /// says so in the end of a sentence.
    pub(super) fn make_up_for_trim(
        &mut self,
        vm: &Vm,
        subject: &VmRef,
        warnings: &mut Vec<String>,
    ) -> Option<String> {
        noted(vm)?;
        let _lock = if self.options.verb == Verb::Resume {
            // Whoever holds it may be about to hibernate it, and sees to the memory.
            self.lock(vm).ok()?
        } else {
            None
        };
        let before = self.give_back(subject, vm.id()?, None, true, warnings)?;
        let before = size_of(before);
        Some(format!(", and has all of its memory back ({before})"))
    }

    /// Adds to what the guards of a save have `judged`, and to the `words` of a dry run, how far the guest would be
    /// shrunk.
    pub(super) fn rehearse_trim(
        &mut self,
        machine: &Machine,
        vm: &Vm,
        subject: &VmRef,
        judged: Result<(Remarks, Option<Estimate>), Failure>,
        words: &mut String,
    ) -> Result<(Remarks, Option<Estimate>), Failure> {
        let Some(trim) = self.options.trim else {
            return judged;
        };
        let (mut remarks, estimate) = match judged {
            // That is judged again when it is trimmed.
            Err(Failure {
                kind: Kind::Space,
                message,
                ..
            }) => {
                let cautions = vec![format!("untrimmed it {message}")];
                (
                    Remarks {
                        cautions,
                        ..Remarks::default()
                    },
                    None,
                )
            }
            judged => judged?,
        };
        match self.foresee(machine, vm, subject, trim) {
            Ok(Some((actual, goal))) => {
                let (actual, goal) = (size_of(actual), size_of(goal));
                *words += &format!(", trimmed from {actual} to about {goal}");
            }
            Ok(None) => *words += ", and not trimmed: its guest can give up too little",
            Err(why) => remarks.cautions.push(why),
        }
        Ok((remarks, estimate))
    }

    /// From where to where a guest would be shrunk, as far as that can be told without asking it. `None` if that is
    /// not worth it.
    fn foresee(
        &mut self,
        machine: &Machine,
        vm: &Vm,
        subject: &VmRef,
        trim: Trim,
    ) -> Result<Option<(MemorySize, MemorySize)>, String> {
        if let Some(why) = obstacle(vm) {
            return Err(format!("it would not be trimmed: {why}"));
        }
        let machine = machine.clone();
        let told = self.of_qemu(subject, move || machine.guest_memory());
        let is_fresh = |told: &GuestMemory| {
            let at = i64::try_from(told.told_at).unwrap_or_default();
            Timestamp::now().as_second().saturating_sub(at) <= STALE
        };
        let told = told.ok().filter(is_fresh);
        let Some((actual, usable)) = told.and_then(|told| told.actual.zip(told.usable)) else {
            return Err(
                "how far it would be trimmed is not known: its guest is asked only then".to_owned(),
            );
        };
        let goal = target(actual, usable, trim);
        let is_worth = actual.kib().saturating_sub(goal.kib()) >= WORTHWHILE;
        Ok(is_worth.then_some((actual, goal)))
    }
}

/// What is to be said if a guest has not been shrunk as far as was wished.
fn shortfall(trim: Trim, trimmed: Option<Trimmed>) -> Option<String> {
    let (Trim::To(wish), Some(Trimmed { after, .. })) = (trim, trimmed) else {
        return None;
    };
    (after.kib() > wish.kib().saturating_add(NEAR)).then(|| {
        format!(
            "it was not trimmed to {}: its guest needs more, or has not given it up",
            size_of(wish)
        )
    })
}

fn not_yet_back(subject: &VmRef) -> String {
    format!(
        "its guest has not got all of its memory back yet; vmlife resume {} sees to it",
        quoted(&subject.name)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_keeps_what_it_uses_and_a_margin_whatever_is_wished_for() {
        let mib = MemorySize::from_mib;
        for (actual, usable, trim, kept, why) in [
            (1536, 1336, Trim::ToUse, 264, "the least margin"),
            (16384, 8384, Trim::ToUse, 8800, "a tenth of what it uses"),
            (1536, 1336, Trim::To(mib(600)), 600, "as wished"),
            (1536, 1336, Trim::To(mib(100)), 264, "less is not enough"),
            (1536, 1336, Trim::To(mib(9999)), 1536, "nothing is added"),
            (128, 40, Trim::ToUse, 128, "it has no margin as it is"),
            (128, 0, Trim::To(mib(1)), 128, "it uses all"),
            (128, 999, Trim::ToUse, 64, "what it tells makes no sense"),
        ] {
            assert_eq!(target(mib(actual), mib(usable), trim), mib(kept), "{why}");
        }
        let most = MemorySize::from_kib(u64::MAX);
        assert_eq!(target(most, mib(0), Trim::ToUse), most);
    }
}
