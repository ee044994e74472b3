//! When the daemon, not the VM, is in trouble: another connection, and what can be told without one.

use super::Run;
use super::watch::{Cancel, end_loading};
use crate::entity::{Verdict, Vm, VmStatus};
use crate::hypervisor::{HypervisorError, Machine};
use crate::image::ImageFile;
use crate::interrupt::within;
use crate::inventory::Inventory;
use crate::report::{Event, Failure, Kind, VmRef};
use crate::run::CONNECT_LIMIT;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How long a daemon is waited for that has gone away. One that is restarted comes back sooner.
pub(super) const RETURN_LIMIT: Duration = Duration::from_secs(20);
/// How long it may take until it has picked up its VMs again.
const PICK_UP_LIMIT: Duration = Duration::from_secs(60);
/// Between two looks.
const GLANCE: Duration = Duration::from_millis(100);

impl Run<'_> {
    /// Makes another connection, in the place of one that was lost. The daemon may need a moment.
    ///
    /// # Errors
    /// If it does not come back in time, or somebody will not wait: what is known from here.
    pub(super) fn reconnect(
        &mut self,
        subject: &VmRef,
        tried: &str,
        path: Option<&Path>,
        lost: &HypervisorError,
    ) -> Result<(), Failure> {
        self.sink.emit(Event::Reconnecting(subject));
        let began = Instant::now();
        let watch = self.interrupt.watch();
        let found = loop {
            let old = Arc::clone(&self.inventory.hypervisor);
            if let Some(Ok(found)) = within(CONNECT_LIMIT, move || old.anew()) {
                break Some(found);
            }
            if began.elapsed() >= RETURN_LIMIT || self.interrupt.cause().is_some() {
                break None;
            }
            thread::sleep(GLANCE);
        };
        drop(watch);
        let Some(hypervisor) = found else {
            self.met.hanging = true;
            self.met.silence |= began.elapsed() >= RETURN_LIMIT;
            self.met.impatience |= self.interrupt.insists();
            return Err(self.out_of_touch(subject, tried, path, lost));
        };
        self.inventory = Arc::new(Inventory {
            hypervisor: Arc::new(hypervisor),
            ..Inventory::clone(&self.inventory)
        });
        self.reconnected = true;
        Ok(())
    }

    /// The VM over the new connection, once the daemon has picked it up again: `None` if it does not know
    /// it. A job that the old daemon left behind is waited for, and so is one that goes on because only
    /// we were cut off; that one is still cancelled if it should be, and can.
    pub(super) fn picked_up(
        &mut self,
        subject: &VmRef,
        id: Uuid,
        cancel: Cancel<'_>,
    ) -> Result<Option<(Machine, Vm)>, HypervisorError> {
        let mut seen_at_work = Instant::now();
        let mut cancelling: Option<Instant> = None;
        let watch = self.interrupt.watch();
        let found = loop {
            let hypervisor = Arc::clone(&self.inventory.hypervisor);
            let Some(machine) = self.ask(subject, move || hypervisor.machine_by_id(id))? else {
                break None;
            };
            let vm = match self.observe(subject, &machine) {
                Ok(vm) => vm,
                Err(error) if error.is_no_domain() => break None,
                Err(error) => return Err(error),
            };
            let saving = match vm.status() {
                VmStatus::SavingState => true,
                VmStatus::RestoringState | VmStatus::WaitForLaunch => false,
                _ => break Some((machine, vm)),
            };
            let asked = machine.clone();
            let holds_job = move || asked.holds_job();
            if !saving || self.ask(subject, holds_job).unwrap_or_default() {
                seen_at_work = Instant::now();
            }
            if self.interrupt.cause().is_some() && cancelling.is_none() {
                cancelling = Some(Instant::now());
                let (inventory, machine) = (Arc::clone(&self.inventory), machine.clone());
                let aborts = saving && matches!(cancel, Cancel::Abort(_));
                let ends = !saving && matches!(cancel, Cancel::Destroy(_));
                let end = move || {
                    if aborts {
                        return machine.abort_job();
                    }
                    if ends {
                        end_loading(&inventory.hypervisor, id);
                    }
                    Ok(())
                };
                // It may have ended just now: the next look tells.
                let _ = self.ask(subject, end);
            }
            self.met.impatience |= self.interrupt.insists();
            if self.met.impatience
                || seen_at_work.elapsed() >= PICK_UP_LIMIT
                || cancelling.is_some_and(|since| since.elapsed() >= PICK_UP_LIMIT)
            {
                break Some((machine, vm));
            }
            thread::sleep(GLANCE);
        };
        drop(watch);
        Ok(found)
    }

    /// Finds the same machine, over another connection if there is one now. A daemon that hangs may not answer
    /// to that: it is for a thread to do.
    pub(super) fn again(&self, machine: &Machine) -> impl FnOnce() -> Machine + Send + use<> {
        let anew = self
            .reconnected
            .then(|| Arc::clone(&self.inventory.hypervisor));
        let machine = machine.clone();
        move || {
            let found = anew.and_then(|hypervisor| hypervisor.same(&machine).ok());
            found.unwrap_or(machine)
        }
    }

    /// The VM as it is now. A daemon that hangs is an error, not a wait without end.
    pub(super) fn observe(
        &mut self,
        subject: &VmRef,
        machine: &Machine,
    ) -> Result<Vm, HypervisorError> {
        let (inventory, machine) = (Arc::clone(&self.inventory), machine.clone());
        self.ask(subject, move || inventory.observe(&machine))
    }

    /// Nobody answers: what the image and the list of processes tell, and how to go on.
    pub(super) fn out_of_touch(
        &self,
        subject: &VmRef,
        tried: &str,
        path: Option<&Path>,
        lost: &HypervisorError,
    ) -> Failure {
        let mut known = Vec::new();
        if self.inventory.hypervisor.is_local() {
            known.push(match subject.id.and_then(process_of) {
                Some(process) => format!("its QEMU is alive (process {process})"),
                None => "no QEMU of it is seen".to_owned(),
            });
        }
        if let Some(path) = path.filter(|path| self.inventory.looks_at(path)) {
            let image = ImageFile::inspect(path);
            let what = image.map_or("is not there".to_owned(), |image| match image.summary {
                // Its head is not there from the first moment on.
                summary
                    if summary.verdict == Verdict::Incomplete || summary.size_bytes == Some(0) =>
                {
                    "is incomplete".to_owned()
                }
                summary
                    if matches!(
                        summary.verdict,
                        Verdict::Good | Verdict::Doubtful | Verdict::Untrusted
                    ) =>
                {
                    "is whole".to_owned()
                }
                summary => format!("is {}", summary.verdict),
            });
            known.push(format!("its image {} {what}", path.display()));
        }
        if known.is_empty() {
            known.push("nothing can be told of it from here".to_owned());
        }
        let why = if lost.is_connection_lost() {
            "the connection to libvirt is lost"
        } else {
            "libvirt has not told"
        };
        let message = format!("may be {tried} or not: {why}; {}", known.join(", "));
        Failure::new(Kind::Connection, message)
            .because(lost)
            .hint("when libvirt answers, vmlife show tells what became of it; until then leave QEMU and image alone")
    }
}

/// The QEMU of a VM on this machine: libvirt gives it the UUID on its command line.
fn process_of(id: Uuid) -> Option<u32> {
    let wanted = format!("-uuid\0{id}\0");
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let process = entry.file_name().to_str()?.parse().ok()?;
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        let found = String::from_utf8_lossy(&line).contains(&wanted);
        found.then_some(process)
    })
}
