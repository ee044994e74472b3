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

impl Run<'_> {
    /// Asks the guards of a save; `earlier` is the image that it would replace.
    pub(super) fn before_save(
        &self,
        machine: &Machine,
        vm: &Vm,
        path: &Path,
        earlier: Option<&ImageFile>,
    ) -> Result<(Remarks, Option<Estimate>), Failure> {
        let disks = vm.vm_static.images.iter();
        let disks = disks.filter_map(|disk| disk.target_dev.clone()).collect();
        let earlier = earlier.map(|image| image.path.as_path());
        let facts = SaveFacts {
            promised: self.promised,
            ..SaveFacts::gather(&self.inventory, machine, disks, path, earlier)
        };
        let remarks = ask(
            BEFORE_SAVE,
            &facts,
            Verb::Hibernate,
            self.options.wishes.force,
        )?;
        let free = match facts.room {
            Room::Free { bytes, .. } => Some(bytes),
            Room::Elsewhere | Room::Uncounted | Room::Irrelevant => None,
        };
        let estimate = facts
            .image_at_most()
            .map(|bytes| Estimate::of_save(bytes, free));
        Ok((remarks, estimate))
    }

    /// Asks the guards of a restore.
    pub(super) fn before_restore(
        &self,
        vm: &Vm,
        path: &Path,
        machine: Option<&Machine>,
    ) -> Result<(Remarks, Option<Estimate>), Failure> {
        if !self.inventory.hypervisor.is_qemu() {
            return Ok((Remarks::default(), None));
        }
        let image = if self.inventory.looks_at(path) {
            ImageFile::inspect_of(path, id_of(vm)?)
        } else {
            None
        };
        let record = image.as_ref().and_then(ImageFile::record);
        let xml = match &image {
            Some(image) => image
                .xml
                .as_ref()
                .and_then(Secret::expose)
                .map(str::to_owned),
            None => self.inventory.hypervisor.image_xml(&path_text(path)?).ok(),
        };
        let Some(needs) = xml.as_deref().and_then(needs) else {
            // Whoever reads it next says what is wrong with it.
            return Ok((Remarks::default(), None));
        };
        let facts = RestoreFacts::gather(&self.inventory, needs, machine, record.as_ref());
        let force = self.options.wishes.force;
        let remarks = ask(BEFORE_RESTORE, &facts, Verb::Restore, force)?;
        let size = image.and_then(|image| image.summary.size_bytes);
        let estimate = size.map(|bytes| {
            let took = record.as_ref().and_then(|record: &Record| record.seconds);
            Estimate::of_restore(bytes, took)
        });
        Ok((remarks, estimate))
    }

    /// Tells those who want to know all what was not looked at.
    pub(super) fn tell_unchecked(&mut self, subject: &VmRef, remarks: &Remarks) {
        for words in &remarks.unchecked {
            self.sink.emit(Event::Unchecked(subject, words));
        }
    }
}

/// A save was refused: names what in the VM may be meant.
pub(super) fn explain(failure: Failure, machine: &Machine) -> Failure {
    let saving = machine.xml().map(|xml| Saving::of(&xml));
    crate::guard::explain(failure, &saving.unwrap_or_default().obstacles)
}
