//! Asking the guards, before anything is touched.

use super::{Run, id_of, path_text};
use crate::definition::{Saving, needs};
use crate::entity::{Secret, Vm};
use crate::guard::{BEFORE_RESTORE, BEFORE_SAVE, Remarks, RestoreFacts, Room, SaveFacts, ask};
use crate::hypervisor::Machine;
use crate::image::{ImageFile, Record};
use crate::plan::Verb;
use crate::report::{Estimate, Event, Failure, VmRef};
use std::path::Path;
use std::sync::Arc;

impl Run<'_> {
    /// Asks the guards of a save to this file; `earlier` is the image that it would replace.
    pub(super) fn before_save(
        &mut self,
        machine: &Machine,
        vm: &Vm,
        path: &Path,
        earlier: Option<&ImageFile>,
    ) -> Result<(Remarks, Option<Estimate>), Failure> {
        let facts = self.save_facts(machine, vm, Some(path), earlier)?;
        self.judge(&facts)
    }

    /// Asks the guards of a managed save, which goes to a file that libvirt names, and from which whatever starts
    /// the VM restores it.
    pub(super) fn before_managed_save(
        &mut self,
        machine: &Machine,
        vm: &Vm,
    ) -> Result<(Remarks, Option<Estimate>), Failure> {
        let path = self.inventory.managed_file(machine.name());
        let earlier = path.as_deref().and_then(ImageFile::inspect);
        let facts = self.save_facts(machine, vm, path.as_deref(), earlier.as_ref())?;
        self.judge(&SaveFacts {
            autostart: false,
            ..facts
        })
    }

    fn save_facts(
        &mut self,
        machine: &Machine,
        vm: &Vm,
        path: Option<&Path>,
        earlier: Option<&ImageFile>,
    ) -> Result<SaveFacts, Failure> {
        let disks = vm.vm_static.images.iter();
        let disks = disks.filter_map(|disk| disk.target_dev.clone()).collect();
        let earlier = earlier.map(|image| image.path.clone());
        let (inventory, machine) = (Arc::clone(&self.inventory), machine.clone());
        let path = path.map(Path::to_path_buf);
        let facts = self.look(&VmRef::from(vm), move || {
            let (path, earlier) = (path.as_deref(), earlier.as_deref());
            Ok(SaveFacts::gather(
                &inventory, &machine, disks, path, earlier,
            ))
        })?;
        Ok(SaveFacts {
            promised: self.promised,
            ..facts
        })
    }

    fn judge(&self, facts: &SaveFacts) -> Result<(Remarks, Option<Estimate>), Failure> {
        let force = self.options.wishes.force;
        let remarks = ask(BEFORE_SAVE, facts, Verb::Hibernate, force)?;
        let estimate = facts.image_at_most();
        let free = match facts.room {
            Room::Free { bytes, .. } => Some(bytes),
            Room::Elsewhere | Room::Uncounted | Room::Irrelevant => None,
        };
        let estimate = estimate.map(|bytes| Estimate::of_save(bytes, free));
        Ok((remarks, estimate))
    }

    /// Asks the guards of a restore from this file; `None` stands for a managed save whose file cannot be looked
    /// at.
    pub(super) fn before_restore(
        &mut self,
        vm: &Vm,
        path: Option<&Path>,
        machine: Option<&Machine>,
    ) -> Result<(Remarks, Option<Estimate>), Failure> {
        if !self.inventory.hypervisor.is_qemu() {
            return Ok((Remarks::default(), None));
        }
        let seen = path.filter(|path| self.inventory.looks_at(path));
        let id = id_of(vm)?;
        let image = seen.and_then(|path| ImageFile::inspect_of(path, id));
        let record = image.as_ref().and_then(ImageFile::record);
        let xml = match (&image, path, machine) {
            (Some(image), _, _) => {
                let xml = image.xml.as_ref().and_then(Secret::expose);
                xml.map(str::to_owned)
            }
            (None, Some(path), _) => {
                let (hypervisor, path) = (Arc::clone(&self.inventory.hypervisor), path_text(path)?);
                let look = move || Ok(hypervisor.image_xml(&path).ok());
                self.look(&VmRef::from(vm), look)?
            }
            (None, None, Some(machine)) => {
                let machine = machine.clone();
                let look = move || Ok(machine.managed_save_xml().ok());
                self.look(&VmRef::from(vm), look)?
            }
            (None, None, None) => None,
        };
        let Some(needs) = xml.as_deref().and_then(needs) else {
            // Whoever reads it next says what is wrong with it.
            return Ok((Remarks::default(), None));
        };
        let inventory = Arc::clone(&self.inventory);
        let (asked, saved) = (machine.cloned(), record.clone());
        let facts = self.look(&VmRef::from(vm), move || {
            let (machine, record) = (asked.as_ref(), saved.as_ref());
            Ok(RestoreFacts::gather(&inventory, needs, machine, record))
        })?;
        let force = self.options.wishes.force;
        let remarks = ask(BEFORE_RESTORE, &facts, Verb::Restore, force)?;
        let size = image.and_then(|image| image.summary.size_bytes);
        let estimate = size.map(|bytes| {
            let took = record.as_ref().and_then(|record: &Record| record.seconds);
            Estimate::of_restore(bytes, took)
        });
        Ok((remarks, estimate))
    }

    /// Asks the guards of a restore from libvirt's own image.
    pub(super) fn before_managed_restore(
        &mut self,
        vm: &Vm,
        machine: &Machine,
    ) -> Result<(Remarks, Option<Estimate>), Failure> {
        let path = self.inventory.managed_file(machine.name());
        let (mut remarks, estimate) = self.before_restore(vm, path.as_deref(), Some(machine))?;
        if vm.vm_static.images.iter().any(|disk| !disk.read_only) {
            let words = "whether its disks have changed since it was saved cannot be told: libvirt keeps no record";
            remarks.cautions.push(words.to_owned());
        }
        Ok((remarks, estimate))
    }

    /// Tells those who want to know all what was not looked at.
    pub(super) fn tell_unchecked(&mut self, subject: &VmRef, remarks: &Remarks) {
        for words in &remarks.unchecked {
            self.sink.emit(Event::Unchecked(subject, words));
        }
    }

    /// A save was refused: names what in the VM may be meant.
    pub(super) fn explain(
        &mut self,
        subject: &VmRef,
        failure: Failure,
        machine: &Machine,
    ) -> Failure {
        let machine = machine.clone();
        let xml = self.ask(subject, move || machine.xml());
        let saving = xml.map(|xml| Saving::of(&xml)).unwrap_or_default();
        crate::guard::explain(failure, &saving.obstacles)
    }
}
