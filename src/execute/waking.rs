//! The guest of a VM that runs again: its clock, its answer, its desktop.
//!
//! Only an agent in the guest can tell and set its clock. Agents hang, and libvirt waits for them, some seconds
//! or without end: so all of this has limits of its own, goes over a connection of its own, and fails nothing.
//! A call that is left keeps libvirt from asking that agent anything else, and no other from anything.

use super::company::Company;
use super::state_words;
use crate::definition::read_domain;
use crate::entity::{GuestAgentStatus, Vm, VmStatus};
use crate::hypervisor::{AddressSource, HypervisorError, Machine};
use crate::interrupt::{Interrupt, cause_word};
use crate::observe::is_reachable;
use crate::plan::Step;
use crate::report::{Clock, Event, Kind, Outcome};
use crate::words::{quoted, time};
use base64::prelude::{BASE64_STANDARD, Engine};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// How long all of it may take that has to do with the clock. libvirt gives up an agent that does not begin to
/// answer after 5 s, and the guest's own program may wait for the next second of the hardware's clock.
const CLOCK_LIMIT: Duration = Duration::from_secs(12);
/// A guest that has just been loaded tells only when it runs that its agent has the channel open. How long that may
/// take if it had one, and if nobody knows.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const GUESS_LIMIT: Duration = Duration::from_millis(300);
/// How long the guest may take to lock its desktops.
const DESKTOP_LIMIT: Duration = Duration::from_secs(5);
/// How long a look may take at a VM that was waited for in vain.
const LOOK_LIMIT: Duration = Duration::from_secs(5);
/// A guest whose clock was further from the host's, in seconds, before it slept lives in a time of its own.
const APART: f64 = 60.0;
/// Between two looks.
const GLANCE: Duration = Duration::from_millis(20);
/// Between two questions.
const POLL: Duration = Duration::from_millis(200);

/// What of a guest is waited for, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// For what.
    pub until: Until,
    /// So long at most.
    pub limit: Duration,
}

/// What tells that a guest is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Its agent answers.
    Agent,
    /// It has an IP address.
    Address,
}

impl Until {
    const fn words(self) -> &'static str {
        match self {
            Self::Agent => "its agent answers",
            Self::Address => "it has an IP address",
        }
    }

    /// For the end of a sentence on what did not come.
    const fn in_vain(self) -> &'static str {
        match self {
            Self::Agent => "its agent has not answered",
            Self::Address => "it has got no IP address",
        }
    }
}

impl Company<'_> {
    /// Sets the clock of a guest that goes on, and waits for the guest, as far as that is asked for.
    pub(super) fn wake(&self, outcome: &mut Outcome) {
        let watch = self.interrupt.watch();
        let runs = outcome.status == Some(VmStatus::Up);
        if let Some(clock) = outcome.clock.filter(|_| runs) {
            outcome.clock = Some(self.set_clock(outcome, clock));
        }
        if let Some(wait) = self.options.wait {
            if runs {
                self.wait(outcome, wait);
            } else {
                let words = "it does not run, and so is not waited for";
                outcome.warnings.push(words.to_owned());
            }
        }
        drop(watch);
    }

    /// Sets the clock if it is off, and tells how far it was and is.
    fn set_clock(&self, outcome: &mut Outcome, mut clock: Clock) -> Clock {
        let (sender, receiver) = mpsc::channel();
        let machine = self.apart(outcome);
        thread::spawn(move || {
            // Nobody listens if the limit has passed.
            let tell = |told| drop(sender.send(told));
            match machine() {
                Ok(machine) => set_clock(&machine, clock, tell).unwrap_or_else(|error| {
                    tell(Told::Trouble(error.to_string()));
                }),
                Err(why) => tell(Told::Trouble(why)),
            }
        });
        let began = Instant::now();
        let trouble = loop {
            match receiver.recv_timeout(GLANCE) {
                Ok(Told::Before(drift)) => clock.drift_before_seconds = Some(drift),
                Ok(Told::Set) => clock.set = true,
                Ok(Told::Now(drift)) => clock.drift_seconds = Some(drift),
                Ok(Told::Trouble(why)) => break Some(why),
                Err(RecvTimeoutError::Disconnected) => break None,
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(cause) = self.interrupt.cause() {
                        break Some(cause_word(cause));
                    }
                    if began.elapsed() >= CLOCK_LIMIT {
                        let limit = time(CLOCK_LIMIT.as_secs_f64());
                        break Some(format!("its agent has not answered within {limit}"));
                    }
                }
            }
        };
        if let Some(why) = trouble {
            outcome.warnings.push(if clock.set {
                format!("its clock is set, and could not be read back: {why}")
            } else {
                format!("its clock is not set: {why}")
            });
        }
        clock
    }

    /// Waits until the guest is there. If it does not come, the VM runs all the same.
    fn wait(&self, outcome: &mut Outcome, Wait { until, limit }: Wait) {
        let most = time(limit.as_secs_f64());
        let words = format!("waiting until {}, for {most} at most", until.words());
        self.ear.emit(Event::Waiting(&outcome.vm, &words));
        let began = Instant::now();
        let left = || limit.saturating_sub(began.elapsed());
        let mut machine = answer(self.interrupt, left(), self.apart(outcome));
        let mut came = Some(Ok(false));
        while let (Some(Ok(found)), Some(Ok(false))) = (&machine, &came) {
            let asked = found.clone();
            came = answer(self.interrupt, left(), move || is_there(&asked, until));
            let is_over = left().is_zero() || self.interrupt.cause().is_some();
            if let Some(Ok(false)) = came {
                came = came.filter(|_| !is_over);
                thread::sleep(left().min(POLL));
            }
        }
        let trouble = (machine.take().and_then(Result::err)).or(came.clone().and_then(Result::err));
        let what = until.in_vain();
        let (kind, why) = match (trouble, came, self.interrupt.cause()) {
            (Some(why), _, _) => (Kind::Failed, format!("{what}: {why}")),
            (None, Some(Ok(true)), _) => return,
            (None, _, Some(cause)) => {
                let why = cause_word(cause);
                (
                    cause,
                    format!("{what}, and is not waited for any longer: {why}"),
                )
            }
            (None, _, None) => (Kind::TimedOut, format!("{what} within {most}")),
        };
        outcome.kind = kind;
        outcome.message = format!("{}, but {why}", outcome.message);
        outcome.hint = Some("only the waiting came to nothing: the VM is not touched".to_owned());
        let (inventory, find) = (Arc::clone(&self.inventory), self.find(outcome));
        let look = move || {
            let machine = find()?;
            machine.map(|found| inventory.observe(&found)).transpose()
        };
        match answer(self.interrupt, LOOK_LIMIT, look) {
            Some(Ok(Some(vm))) if vm.status().is_running() => {}
            Some(Ok(now)) => self.tell_of_its_end(outcome, now.as_ref()),
            Some(Err(_)) | None => {}
        }
    }

    /// Tells that a VM came to its end, or stands still, while it was waited for. `now` is it, if libvirt still knows it.
    fn tell_of_its_end(&self, outcome: &mut Outcome, now: Option<&Vm>) {
        let past = match outcome.step {
            Some(Step::Start) => "was started".to_owned(),
            Some(_) => format!("was {}", self.options.verb.past()),
            None => "ran".to_owned(),
        };
        let words = now.map_or_else(
            || "libvirt does not know it any more".to_owned(),
            |vm| format!("{} now", state_words(vm)),
        );
        let status = now.map_or(VmStatus::Down, Vm::status);
        let dynamic = now.and_then(|vm| vm.vm_dynamic.as_ref());
        let is_saved = dynamic.is_some_and(|dynamic| dynamic.status_reason == "saved");
        let is_gone = status == VmStatus::Down && !is_saved;
        let memory = if is_gone {
            ", and what it had in memory is gone"
        } else {
            ""
        };
        let name = quoted(&outcome.vm.name);
        outcome.kind = Kind::Failed;
        outcome.status = Some(status);
        outcome.message =
            format!("{past}, but {words}: it stopped while it was waited for{memory}");
        outcome.hint = now.map(|_| match (is_gone, self.options.keep) {
            (true, true) => "its image is kept, but its disks have moved on since".to_owned(),
            (true, false) => format!("vmlife restore --or-start {name} boots it"),
            (false, _) => format!("vmlife show {name} tells more"),
        });
    }

    /// The VM's machine over a connection of its own, which is for a thread to find.
    fn apart(&self, outcome: &Outcome) -> impl FnOnce() -> Result<Machine, String> + Send + use<> {
        let find = self.find(outcome);
        move || {
            let found = find().map_err(|error| error.to_string())?;
            found.ok_or_else(|| "libvirt does not know the VM any more".to_owned())
        }
    }

    fn find(
        &self,
        outcome: &Outcome,
    ) -> impl FnOnce() -> Result<Option<Machine>, HypervisorError> + Send + use<> {
        let hypervisor = Arc::clone(&self.inventory.hypervisor);
        let (id, name) = (outcome.vm.id, outcome.vm.name.clone());
        move || {
            let apart = hypervisor.apart();
            match id {
                Some(id) => apart.machine_by_id(id),
                None => apart.machine_by_name(&name),
            }
        }
    }

    /// Has the guest lock its desktops.
    ///
    /// # Errors
    /// Why not, for a warning.
    pub(super) fn lock_desktop(&self, machine: &Machine) -> Result<(), String> {
        let hypervisor = Arc::clone(&self.inventory.hypervisor);
        let machine = machine.clone();
        let locked = answer(self.interrupt, DESKTOP_LIMIT, move || {
            let machine = hypervisor.apart().same(&machine);
            lock_desktop(&machine.map_err(|error| error.to_string())?)
        });
        let why = match locked {
            Some(Ok(())) => return Ok(()),
            Some(Err(why)) => why,
            None => "its agent has not answered in time".to_owned(),
        };
        Err(format!("its desktops may not be locked: {why}"))
    }
}

/// What is told of a clock while it is set.
enum Told {
    Before(f64),
    Set,
    Now(f64),
    Trouble(String),
}

/// Waits for an answer no longer than this, nor when everything is to come to an end.
fn answer<T: Send + 'static>(
    interrupt: &Interrupt,
    limit: Duration,
    call: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || drop(sender.send(call())));
    let began = Instant::now();
    while interrupt.cause().is_none() && began.elapsed() < limit {
        match receiver.recv_timeout(GLANCE) {
            Ok(answer) => return Some(answer),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
    None
}

/// Sets a guest's clock, if it is off and there is an agent.
fn set_clock(machine: &Machine, clock: Clock, tell: impl Fn(Told)) -> Result<(), HypervisorError> {
    let patience = match clock.had_agent {
        Some(true) => CONNECT_LIMIT,
        Some(false) => Duration::ZERO,
        None => GUESS_LIMIT,
    };
    if !comes_agent(machine, patience)? {
        return Ok(());
    }
    let before = drift(machine)?;
    tell(Told::Before(before));
    if before.abs() <= Clock::NEAR {
        return Ok(());
    }
    // Some guests live in another time than their host, on purpose.
    let lives_apart = match clock.slept_seconds {
        Some(slept) => (before + slept).abs() > APART,
        None => before > Clock::NEAR,
    };
    let mut now = None;
    // The hardware's clock went on, and a guest that lives apart has set it so.
    let synced = machine.set_guest_time(None);
    match &synced {
        Ok(()) => {
            tell(Told::Set);
            let drift = drift(machine)?;
            tell(Told::Now(drift));
            now = Some(drift);
        }
        Err(error) if error.is_connection_lost() || lives_apart => return synced,
        Err(_) => {}
    }
    if lives_apart || now.is_some_and(|drift| drift.abs() <= Clock::NEAR) {
        return Ok(());
    }
    machine.set_guest_time(Some(Timestamp::now()))?;
    tell(Told::Set);
    tell(Told::Now(drift(machine)?));
    Ok(())
}

/// How far the guest's clock is ahead of the host's, in seconds.
fn drift(machine: &Machine) -> Result<f64, HypervisorError> {
    let asked = Timestamp::now();
    let told = machine.guest_time()?;
    // The guest looked at it somewhere in between.
    let middle = asked + Timestamp::now().duration_since(asked) / 2;
    Ok(told.duration_since(middle).as_secs_f64())
}

/// Whether an agent has its channel open, now or in a moment.
fn comes_agent(machine: &Machine, patience: Duration) -> Result<bool, HypervisorError> {
    let began = Instant::now();
    loop {
        match agent(machine)? {
            Some(GuestAgentStatus::Exists) => return Ok(true),
            Some(_) if began.elapsed() < patience => thread::sleep(GLANCE),
            _ => return Ok(false),
        }
    }
}

/// How the agent's channel is, if there is one.
fn agent(machine: &Machine) -> Result<Option<GuestAgentStatus>, HypervisorError> {
    let vm = read_domain(&machine.xml()?).ok();
    Ok(vm.and_then(|vm| vm.vm_dynamic?.qemu_guest_agent_status))
}

/// Whether a guest is there.
fn is_there(machine: &Machine, until: Until) -> Result<bool, String> {
    let state = machine.state().map_err(|error| error.to_string())?;
    if !state.is_active() {
        return Err(format!(
            "the VM does not run any more ({})",
            state.reason_word()
        ));
    }
    // What cannot be told now may be in a moment.
    let has_agent = agent(machine).is_ok_and(|found| found == Some(GuestAgentStatus::Exists));
    let tells = |source| {
        let found = machine.interface_addresses(source);
        found.is_ok_and(|found| is_reachable(&found))
    };
    Ok(match until {
        Until::Agent => has_agent && machine.guest_time().is_ok(),
        Until::Address => {
            tells(AddressSource::Lease)
                || has_agent && tells(AddressSource::Agent)
                || tells(AddressSource::Arp)
        }
    })
}

/// Has a Linux guest lock its desktops, by what its agent can run.
fn lock_desktop(machine: &Machine) -> Result<(), String> {
    let ask = |command: &str, arguments: Value| {
        let words = json!({ "execute": command, "arguments": arguments }).to_string();
        let answer = machine.agent_command(&words, DESKTOP_LIMIT);
        let answer = answer.map_err(|error| error.to_string())?;
        serde_json::from_str::<Value>(&answer).map_err(|error| error.to_string())
    };
    let run = json!({ "path": "loginctl", "arg": ["lock-sessions"], "capture-output": true });
    let begun = ask("guest-exec", run)?;
    let pid = &begun["return"]["pid"];
    loop {
        let status = ask("guest-exec-status", json!({ "pid": pid }))?;
        let status = &status["return"];
        if status["exited"] != true {
            thread::sleep(GLANCE);
            continue;
        }
        if status["exitcode"] == 0 {
            return Ok(());
        }
        let said = status["err-data"].as_str().unwrap_or_default();
        let said = BASE64_STANDARD.decode(said).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        return Err(format!(
            "loginctl lock-sessions failed in the guest: {}",
            said.trim()
        ));
    }
}
