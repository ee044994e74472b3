//! Booting, and defining before it what libvirt does not know yet.

use super::restore::{Now, leave_behind, settle};
use super::watch::{Cancel, Ended, left};
use super::{Run, path_text};
use crate::definition::{Definition, DefinitionError};
use crate::entity::{DomainState, Vm, VmStatus};
use crate::hypervisor::Machine;
use crate::inventory::Entry;
use crate::payload::{self, Payload};
use crate::report::{Failure, Kind, Outcome, VmRef};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use uuid::Uuid;

impl Run<'_> {
    /// Defines a VM and boots it. If it cannot be booted, it is not left defined either, so that a
    /// corrected definition gets another chance.
    pub(super) fn define_and_start(
        &mut self,
        entry: &Entry,
        subject: VmRef,
    ) -> Result<Outcome, Failure> {
        let (xml, payload) = self.prepare(entry)?;
        let payload = payload
            .map(|(path, payload)| self.make_payload(&path, &payload).map(|()| path))
            .transpose()?;
        let hypervisor = Arc::clone(&self.inventory.hypervisor);
        let defining = move || hypervisor.define(&xml);
        let machine = match self.watch(&subject, Cancel::Impossible, defining) {
            Ended::Returned(defined) => defined.map_err(|error| {
                let failure = error.failure("could not be defined");
                without_payload(payload.as_deref(), failure)
            })?,
            Ended::Left(why) => return Err(left(why, "defined")),
        };
        let subject = VmRef {
            id: Some(machine.id()),
            ..subject
        };
        let defined = subject.clone();
        let definition = entry.definition.as_deref();
        let of_yaml = definition.filter(|definition| definition.xml.is_none());
        let useless = of_yaml.and_then(|definition| payload::useless(&definition.vm));
        let started = self.start(&machine, &entry.vm, subject);
        let started = started.map(|mut outcome| {
            outcome.warnings.extend(useless);
            outcome
        });
        started.map_err(|failure| {
            if self.met.hanging {
                return failure;
            }
            let asked = machine.clone();
            let state = self.ask(&defined, move || asked.state());
            match state {
                Ok(state) if state.is_active() => return failure,
                Ok(_) => {}
                Err(_) => return failure.warned(vec!["it may still be defined".to_owned()]),
            }
            match self.watch(&defined, Cancel::Impossible, move || machine.undefine()) {
                Ended::Returned(Ok(())) => without_payload(payload.as_deref(), failure),
                Ended::Returned(Err(error)) => {
                    failure.warned(vec![format!("it is still defined: {error}")])
                }
                Ended::Left(_) => failure.warned(vec!["it may still be defined".to_owned()]),
            }
        })
    }

    /// What libvirt is to be given so that the VM can be started, and the CD that it finds then; nothing
    /// is done yet.
    pub(super) fn prepare(
        &self,
        entry: &Entry,
    ) -> Result<(String, Option<(PathBuf, Payload)>), Failure> {
        let definition = entry.definition.as_deref().ok_or_else(|| {
            Failure::new(
                Kind::NotFound,
                "cannot be started: there is no definition of it",
            )
        })?;
        let mut definition = definition.clone();
        let payload = self.add_payload(&mut definition)?;
        let xml = definition.domain_xml();
        Ok((xml.map_err(|error| undefinable(&error))?, payload))
    }

    /// If the guest is to be told something when it boots for the first time, gives the VM a CD for it,
    /// and says what is to be on that and where. Nothing is made yet.
    fn add_payload(
        &self,
        definition: &mut Definition,
    ) -> Result<Option<(PathBuf, Payload)>, Failure> {
        // Domain XML says itself what CDs there are.
        if definition.xml.is_some() {
            return Ok(None);
        }
        let mut vm = definition.vm.clone();
        // The path of its image and cloud-init's name for the machine follow from it.
        let id = *vm.vm_static.id.get_or_insert_with(Uuid::new_v4);
        let files = payload::files(&vm)
            .map_err(|problem| undefinable(&definition.origin.error(problem)))?;
        let Some(payload) = files else {
            return Ok(None);
        };
        if !self.inventory.hypervisor.is_local() {
            let message = "cannot be started: the CD with its vmInit or vmPayload cannot be put on \
                           the daemon's host from here";
            return Err(Failure::new(Kind::Usage, message).hint("run vmlife on that host"));
        }
        let path = self.inventory.place.payload_file(id);
        path_text(&path)?;
        let cd = vm.vm_payload.get_or_insert_default();
        cd.device = Some("cdrom".to_owned());
        cd.volume_id = Some(payload.label.clone());
        cd.image_path = Some(path.clone());
        vm.initialization_type = vm.initialization_type.or(cd.initialization_type());
        definition.vm = vm;
        Ok(Some((path, payload)))
    }

    /// Makes the image of that CD.
    fn make_payload(&self, path: &Path, payload: &Payload) -> Result<(), Failure> {
        let place = &self.inventory.place;
        let made = place.prepare().map_err(io::Error::other);
        made.and_then(|()| place.let_qemu_pass())
            .and_then(|()| payload::write(path, payload))
            .map_err(|error| {
                let kind = match error.kind() {
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Kind::Space,
                    io::ErrorKind::PermissionDenied => Kind::Connection,
                    _ => Kind::Failed,
                };
                let message = format!(
                    "cannot be started: its CD {} cannot be made",
                    path.display()
                );
                Failure::new(kind, message).because(&error)
            })
    }

    /// Boots.
    pub(super) fn start(
        &mut self,
        machine: &Machine,
        vm: &Vm,
        subject: VmRef,
    ) -> Result<Outcome, Failure> {
        let mut warnings = Vec::new();
        let status = self.create(machine, vm, &subject, false, &mut warnings)?;
        let again = self.again(machine);
        self.take_note(&subject, &mut warnings, move |warnings| {
            Run::remember_start(&again(), warnings);
        });
        let message = match status {
            VmStatus::Paused => "is started, paused",
            _ => "is started",
        };
        Ok(Outcome {
            status: Some(status),
            warnings,
            ..Outcome::done(subject, message)
        })
    }

    /// `virDomainCreate`, with the image in the VM's place marked before.
    pub(super) fn create(
        &mut self,
        machine: &Machine,
        vm: &Vm,
        subject: &VmRef,
        managed: bool,
        warnings: &mut Vec<String>,
    ) -> Result<VmStatus, Failure> {
        let starts_paused = !managed && vm.vm_static.run_and_pause;
        let paused = match self.options.flags.running {
            Some(running) => !running,
            None => starts_paused,
        };
        let bypass_cache = managed && self.reading(vm, None, warnings)?.bypass_cache;
        let tried = if managed {
            "restored from libvirt's managed save"
        } else {
            "started"
        };
        let aside = self.set_aside(vm, None, warnings);
        let started = machine.clone();
        let call = move || started.start(paused, bypass_cache);
        let result = match self.watch(subject, Cancel::Impossible, call) {
            Ended::Returned(result) => result,
            Ended::Left(why) => return Err(left(why, tried)),
        };
        if let Err(error) = result {
            let mut again = Some(machine);
            if error.is_connection_lost() {
                let path = self.inventory.managed_file(machine.name());
                let path = path.as_deref().filter(|_| managed);
                if let Err(failure) = self.reconnect(subject, tried, path, &error) {
                    settle(aside, &Now::Unknown, false, warnings);
                    return Err(failure.warned(std::mem::take(warnings)));
                }
                again = None;
                if let Ok(Some((machine, vm))) =
                    self.picked_up(subject, machine.id(), Cancel::Impossible)
                    && vm.status().is_alive()
                    && (!managed || self.is_restored(subject, machine))
                {
                    leave_behind(aside, warnings);
                    return Ok(vm.status());
                }
            }
            let now = self.look_at(subject, again, machine.id());
            settle(aside, &now, false, warnings);
            let failure = match now.not_ended() {
                Some(words) => error
                    .failure(format!("may still be {tried}: {words}"))
                    .hint("vmlife show tells what became of it"),
                None => error.failure(format!("could not be {tried}")),
            };
            return Err(failure.warned(std::mem::take(warnings)));
        }
        leave_behind(aside, warnings);
        self.observe(subject, machine)
            .map(|vm| vm.status())
            .map_err(|error| error.failure(format!("was {tried}, but its state cannot be read")))
    }

    /// Whether it runs from an image, and was not booted.
    fn is_restored(&mut self, subject: &VmRef, machine: Machine) -> bool {
        let state = self.ask(subject, move || machine.state());
        state.is_ok_and(DomainState::is_restored)
    }
}

fn undefinable(error: &DefinitionError) -> Failure {
    Failure::new(Kind::Usage, format!("cannot be defined: {error}"))
}

/// The VM came to nothing, and no definition refers to the CD that was made for it: that goes, too.
fn without_payload(payload: Option<&Path>, failure: Failure) -> Failure {
    match payload.map(|path| (path, fs::remove_file(path))) {
        Some((path, Err(error))) => failure.warned(vec![format!(
            "{} is left over, and holds secrets: {error}",
            path.display()
        )]),
        _ => failure,
    }
}
