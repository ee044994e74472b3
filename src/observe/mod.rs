//! Looks at all that can be known of a VM beyond its state: statistics, the guest, snapshots, jobs, locks,
//! its next run. The calls are made here; what their answers mean is decided purely, beside.
//!
//! Nothing that is asked here may hold up the rest for long: a QEMU that hangs, or an agent that does
//! not answer, leaves its part unknown, and that is told.

mod gaps;
mod guest;
mod statistics;

pub use gaps::Gap;
pub(crate) use guest::is_reachable;

use crate::definition::{
    metadata_flaws, next_run_changes, read_domain, read_host_uuid, read_snapshot, read_volume,
};
use crate::entity::{
    DiskImage, ImageStatus, LockInfo, Seconds, Snapshot, SnapshotStatus, SnapshotType, Vm,
    VmBlockJob, VmBlockJobType, VmDynamic, VmStatistics, VmStatus,
};
use crate::hypervisor::{
    AddressSource, ControlState, GuestGroups, Hypervisor, HypervisorError, Machine,
    MachineSnapshot, Record, StatisticsGroups, XmlFlags,
};
use crate::image::{ImageFile, holder};
use crate::interrupt::within;
use crate::inventory::{Depth, Entry, Inventory};
use gaps::Gaps;
use jiff::Timestamp;
use statistics::Before;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How long QEMU may take to tell its statistics, and of its disks.
const STATISTICS_LIMIT: Duration = Duration::from_secs(5);
/// How long a guest's agent may take to answer one question.
const AGENT_LIMIT: Duration = Duration::from_secs(3);
/// How long libvirt may take to tell what the host can do: it may have to examine QEMU first.
const HOST_LIMIT: Duration = Duration::from_secs(3);
/// A monitor that has been busy for longer than this, without a job that takes long, does not answer.
const MONITOR_LIMIT_MILLISECONDS: u64 = 60_000;
/// `VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN`.
const ARRIVES: i64 = 4;

/// What to look at beyond what there is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wishes {
    /// Take two samples of the statistics, so far apart, for rates.
    pub sample: Option<Duration>,
    /// Describe what is configured for the next run, not what runs.
    pub inactive: bool,
    /// Show secrets.
    pub secrets: bool,
}

/// What these VMs' metadata say in vmlife's namespace and cannot be: it is not read.
#[must_use]
pub fn flaws(entries: &[Entry]) -> Vec<String> {
    let machines = entries.iter().filter_map(|entry| {
        let is_active = entry.vm.status().is_active();
        let machine = entry.machine.as_ref();
        machine.filter(|machine| !(is_active && machine.is_stuck()))
    });
    machines
        .flat_map(|machine| {
            let xml = machine.xml().unwrap_or_default();
            let flaws = metadata_flaws(&xml).into_iter();
            flaws.map(|flaw| format!("{}: its metadata is not read in {flaw}", machine.name()))
        })
        .collect()
}

/// The host's UUID.
fn host(inventory: &Inventory) -> Result<Option<Uuid>, HypervisorError> {
    let hypervisor = Arc::clone(&inventory.hypervisor);
    let capabilities = answered(HOST_LIMIT, move || hypervisor.apart().capabilities())?;
    Ok(read_host_uuid(&capabilities))
}

/// An answer of libvirt's that may never come.
fn answered<T: Send + 'static>(
    limit: Duration,
    ask: impl FnOnce() -> Result<T, HypervisorError> + Send + 'static,
) -> Result<T, HypervisorError> {
    within(limit, ask).unwrap_or_else(|| Err(HypervisorError::silence(limit)))
}

/// Whether the guest's agent can be asked: a paused guest would only make us wait.
fn agent_answers(vm: &Vm) -> bool {
    vm.status() == VmStatus::Up && vm.vm_dynamic.as_ref().is_some_and(VmDynamic::has_agent)
}

/// Who looks at VMs, some at a time. What is the same for all of them it asks for once.
pub struct Observer<'a> {
    inventory: &'a Arc<Inventory>,
    host: Option<Uuid>,
    /// Whether the host was asked for.
    knows_host: bool,
    kept: Option<Kept>,
    /// All machines, on a connection that waits for their statistics.
    measured: Option<BTreeMap<Uuid, Machine>>,
    gaps: Gaps,
    /// A connection for what a QEMU that hangs would not answer.
    apart: Option<Arc<Hypervisor>>,
}

/// What libvirt does with definitions, as far as it tells.
struct Kept {
    /// The VMs whose definitions it keeps.
    persistent: Option<BTreeSet<Uuid>>,
    /// The VMs that it starts with the host.
    autostart: Option<BTreeSet<Uuid>>,
}

impl<'a> Observer<'a> {
    /// One who has seen nothing yet.
    #[must_use]
    pub fn new(inventory: &'a Arc<Inventory>) -> Self {
        Self {
            inventory,
            host: None,
            knows_host: false,
            kept: None,
            measured: None,
            gaps: Gaps::default(),
            apart: None,
        }
    }

    /// Fills in all that can be known of these VMs at this depth, and tells what should be known and is not.
    /// What cannot be known stays absent.
    ///
    /// # Errors
    /// If the daemon does not answer any more.
    pub fn observe(
        &mut self,
        entries: &mut [Entry],
        depth: Depth,
        wishes: Wishes,
    ) -> Result<Vec<Gap>, HypervisorError> {
        match depth {
            Depth::State | Depth::Line | Depth::Definition => return Ok(Vec::new()),
            Depth::Statistics => {
                self.measure(entries, wishes);
                return self.gaps();
            }
            Depth::Run | Depth::Whole => {}
        }
        let running = entries.iter().find(|entry| entry.vm.status().is_active());
        if let Some(entry) = running.filter(|_| !self.knows_host) {
            let host = host(self.inventory);
            self.host = self.gaps.known(&entry.vm, "its host", host).flatten();
            self.knows_host = true;
        }
        if depth == Depth::Whole {
            self.look_at_definitions(entries);
        }
        // First, as a VM whose next run is asked for is no longer the one that was measured.
        self.measure(entries, wishes);
        // What is asked below has no limits of its own.
        self.unless_lost()?;
        for entry in entries {
            let Some(machine) = entry.machine.clone() else {
                continue;
            };
            let vm = &mut entry.vm;
            self.compare_runs(&machine, vm, wishes);
            if !wishes.inactive {
                self.ask_guest(&machine, vm);
            }
            let job = self.look_at_jobs(&machine, vm);
            if depth == Depth::Whole {
                self.look_at_storage(&machine, vm, wishes);
            }
            if !wishes.inactive {
                self.look_at_run(vm);
            }
            list_disks(vm);
            let snapshots = self.gaps.known(vm, "its snapshots", machine.snapshots());
            if let Some(snapshots) = snapshots {
                list_snapshots(&snapshots, vm, job);
            }
            if wishes.secrets {
                vm.reveal_secrets();
            }
        }
        self.gaps()
    }

    /// Fills in the statistics alone.
    fn measure(&mut self, entries: &mut [Entry], wishes: Wishes) {
        let began = Instant::now();
        let before = wishes.sample.map(|apart| {
            let sample = self.sample(entries);
            thread::sleep(apart.saturating_sub(began.elapsed()));
            sample.unwrap_or_default()
        });
        let ago = began.elapsed();
        let now = match self.sample(entries) {
            Ok(now) => now,
            Err(why) => {
                for entry in entries.iter().filter(|entry| entry.machine.is_some()) {
                    let none: Result<(), _> = Err(why.clone());
                    self.gaps.known(&entry.vm, "its statistics", none);
                }
                return;
            }
        };
        for entry in entries {
            let id = entry.machine.as_ref().map(Machine::id);
            if let Some((id, now)) = id.and_then(|id| Some((id, now.get(&id)?))) {
                let before = before.as_ref().and_then(|all| all.get(&id));
                let before = before.map(|record| Before { record, ago });
                statistics::apply(&mut entry.vm, now, before);
            }
        }
    }

    /// The statistics of these VMs: of several in one call.
    fn sample(&mut self, entries: &[Entry]) -> Result<BTreeMap<Uuid, Record>, HypervisorError> {
        let all = StatisticsGroups::default();
        let machines: Vec<_> = entries.iter().filter_map(|it| it.machine.clone()).collect();
        let hypervisor = Arc::clone(&self.inventory.hypervisor);
        let found = match machines.as_slice() {
            [] => return Ok(BTreeMap::new()),
            [machine] => {
                let machine = machine.clone();
                answered(STATISTICS_LIMIT, move || {
                    let other = hypervisor.apart().machine_by_id(machine.id())?;
                    let machine = other.unwrap_or(machine);
                    Ok(vec![(machine.clone(), machine.statistics(all)?)])
                })
            }
            machines => {
                // It is left to a call that does not come back.
                let measured = self.measured.take();
                let ids: Vec<Uuid> = machines.iter().map(Machine::id).collect();
                answered(STATISTICS_LIMIT, move || {
                    let measured = if let Some(measured) = measured {
                        measured
                    } else {
                        let machines = hypervisor.apart().machines()?.into_iter();
                        machines.map(|machine| (machine.id(), machine)).collect()
                    };
                    let machines = ids.iter().filter_map(|id| measured.get(id).cloned());
                    let found = Machine::statistics_of(&machines.collect::<Vec<_>>(), all)?;
                    Ok((measured, found))
                })
                .map(|(measured, found)| {
                    self.measured = Some(measured);
                    found
                })
            }
        };
        let found = found?.into_iter();
        Ok(found
            .map(|(machine, record)| (machine.id(), record))
            .collect())
    }

    /// Whether libvirt keeps the definitions of these VMs, and starts them with the host: of several in one
    /// call each.
    fn look_at_definitions(&mut self, entries: &mut [Entry]) {
        let hypervisor = &self.inventory.hypervisor;
        let set = |ids: Result<Vec<Uuid>, _>| Some(BTreeSet::from_iter(ids.ok()?));
        if entries.len() > 1 && self.kept.is_none() {
            self.kept = Some(Kept {
                persistent: set(hypervisor.persistent_machines()),
                autostart: set(hypervisor.machines_with_autostart()),
            });
        }
        for entry in entries {
            let (Some(machine), Some(dynamic)) = (&entry.machine, &mut entry.vm.vm_dynamic) else {
                continue;
            };
            let is_in = |ids: &Option<BTreeSet<Uuid>>| Some(ids.as_ref()?.contains(&machine.id()));
            (dynamic.persistent, dynamic.autostart) = match &self.kept {
                Some(kept) => (is_in(&kept.persistent), is_in(&kept.autostart)),
                None => (machine.is_persistent().ok(), machine.autostart().ok()),
            };
        }
    }

    /// What could not be learnt since this was asked last, unless that is because the daemon itself is silent or
    /// gone.
    fn gaps(&mut self) -> Result<Vec<Gap>, HypervisorError> {
        self.unless_lost()?;
        Ok(std::mem::take(&mut self.gaps).0)
    }

    /// Whether the daemon still answers, if what could not be learnt makes that doubtful.
    fn unless_lost(&self) -> Result<(), HypervisorError> {
        if let Some(sign) = self.gaps.of_connection() {
            let hypervisor = Arc::clone(&self.inventory.hypervisor);
            let answers = within(HOST_LIMIT, move || {
                hypervisor.is_alive() && hypervisor.anew().is_ok_and(|other| other.answers())
            });
            if answers != Some(true) {
                return Err(sign.clone());
            }
        }
        Ok(())
    }

    /// Asks what only the QEMU of a running VM can tell. One that does not answer in time keeps the connection
    /// to itself.
    fn ask_qemu<T: Send + 'static>(
        &mut self,
        (machine, vm): (&Machine, &Vm),
        what: &'static str,
        question: impl FnOnce(&Machine) -> T + Send + 'static,
    ) -> Option<T> {
        if machine.is_stuck() {
            return None;
        }
        let apart = self.apart.take();
        let apart = apart.unwrap_or_else(|| self.inventory.hypervisor.apart());
        let (hypervisor, machine) = (Arc::clone(&apart), machine.clone());
        let answer = answered(STATISTICS_LIMIT, move || {
            Ok(question(&hypervisor.same(&machine).unwrap_or(machine)))
        });
        let answer = self.gaps.known(vm, what, answer)?;
        self.apart = Some(apart);
        Some(answer)
    }

    /// Compares what runs with what the next run will be.
    fn compare_runs(&mut self, machine: &Machine, vm: &mut Vm, wishes: Wishes) {
        if wishes.secrets && !wishes.inactive {
            let secure = XmlFlags {
                secure: true,
                ..XmlFlags::default()
            };
            let xml = self.inventory.writable(machine);
            let xml = xml.and_then(|machine| machine.xml_of(secure));
            let xml = self.gaps.known(vm, "the secrets of its consoles", xml);
            let told = xml
                .and_then(|xml| read_domain(&xml).ok())
                .and_then(|vm| vm.vm_dynamic);
            if let (Some(dynamic), Some(told)) = (&mut vm.vm_dynamic, told) {
                dynamic.graphics_infos = told.graphics_infos;
            }
        }
        // What neither runs nor will come back is its own next run; and of a QEMU that hangs not even
        // the XML is told.
        let is_active = vm.status().is_active();
        let has_next_run = is_active || vm.restorable_image().is_some();
        if !wishes.inactive && (!has_next_run || is_active && machine.is_stuck()) {
            return;
        }
        let inactive = XmlFlags {
            inactive: true,
            ..XmlFlags::default()
        };
        // What libvirt forgets when it ends has no next run, but can be told as if it had.
        let told = vm.vm_dynamic.as_ref();
        let is_kept = match told.and_then(|dynamic| dynamic.persistent) {
            Some(persistent) => Some(persistent),
            None => self.gaps.known(vm, "its next run", machine.is_persistent()),
        };
        let is_kept = is_kept.unwrap_or_default();
        let xml = (is_kept || wishes.inactive).then(|| machine.xml_of(inactive));
        let xml = xml.and_then(|xml| self.gaps.known(vm, "its next run", xml));
        let persistent = xml.and_then(|xml| Some((read_domain(&xml).ok()?, xml)));
        let Some((persistent, persistent_xml)) = persistent else {
            return;
        };
        let running = if !is_kept {
            None
        } else if is_active {
            let xml = self.gaps.known(vm, "its next run", machine.xml());
            xml.map(|xml| (vm.clone(), xml))
        } else {
            self.hibernated(vm)
        };
        if let Some((running, xml)) = running {
            vm.next_run_changed_fields =
                next_run_changes((&running, &xml), (&persistent, &persistent_xml));
            vm.next_run_configuration_exists = !vm.next_run_changed_fields.is_empty();
            let of_boot = [
                "defaultBootSequence",
                "kernelUrl",
                "initrdUrl",
                "kernelParams",
                "isoPath",
            ];
            if let Some(dynamic) = &mut vm.vm_dynamic {
                dynamic.run_once |= of_boot
                    .iter()
                    .any(|field| vm.next_run_changed_fields.contains(*field));
            }
        }
        if wishes.inactive {
            if is_active {
                *vm = configured(std::mem::take(vm), persistent);
            }
        } else if is_active {
            for card in &mut vm.vm_static.interfaces {
                let mut kept = persistent.vm_static.interfaces.iter();
                let kept = kept.find(|kept| kept.mac_address == card.mac_address);
                card.synced = Some(kept.is_some_and(|kept| {
                    (&kept.interface_type, &kept.network_name, kept.linked)
                        == (&card.interface_type, &card.network_name, card.linked)
                }));
            }
        }
    }

    /// The VM as it was when it was hibernated, and its XML: that is how it comes back.
    fn hibernated(&self, vm: &Vm) -> Option<(Vm, String)> {
        let image = vm.restorable_image()?;
        let path = image
            .path
            .as_deref()
            .filter(|path| self.inventory.looks_at(path))?;
        let image = ImageFile::inspect_of(path, vm.id()?)?;
        Some((image.vm?, image.xml?.expose()?.to_owned()))
    }

    /// Asks the guest's agent, and for addresses also those who give them out.
    fn ask_guest(&mut self, machine: &Machine, vm: &mut Vm) {
        const TOLD: &str = "what its guest's agent tells";
        let asked = agent_answers(vm).then(|| self.inventory.writable(machine));
        let asked = asked.and_then(|machine| self.gaps.known(vm, TOLD, machine));
        if let Some(machine) = asked {
            let questions = machine.clone();
            let info = answered(AGENT_LIMIT, move || {
                questions.guest_info(GuestGroups::default())
            });
            let is_silent = info
                .as_ref()
                .is_err_and(HypervisorError::is_connection_lost);
            if let Some(info) = self.gaps.known(vm, TOLD, info) {
                guest::apply(vm, &info);
            }
            // An agent that does not answer the first question is asked no other.
            if is_silent {
                return;
            }
            let questions = machine.clone();
            let found = answered(AGENT_LIMIT, move || {
                Ok((
                    questions.interface_addresses(AddressSource::Agent),
                    questions.guest_vcpus(),
                ))
            });
            let Some((found, vcpus)) = self.gaps.known(vm, "its guest's addresses", found) else {
                return;
            };
            let vcpus = self.gaps.known(vm, "its guest's count of CPUs", vcpus);
            let online = vcpus.and_then(|vcpus| {
                let online = crate::definition::cpu_numbers(vcpus.text("online")?)?;
                u32::try_from(online.len()).ok()
            });
            if let Some(dynamic) = &mut vm.vm_dynamic {
                dynamic.guest_cpu_count = online;
            }
            if let Some(found) = self.gaps.known(vm, "its guest's addresses", found) {
                guest::apply_addresses(vm, &found, true);
            }
        }
        let has_address = |vm: &Vm| {
            vm.vm_dynamic
                .as_ref()
                .is_some_and(|dynamic| dynamic.ip.is_some())
        };
        for source in [AddressSource::Lease, AddressSource::Arp] {
            if !vm.status().is_active() || has_address(vm) {
                return;
            }
            let found = match machine.interface_addresses(source) {
                // Of several sources, each may know nothing.
                Err(why) if !why.is_connection_lost() => continue,
                found => found,
            };
            if let Some(found) = self.gaps.known(vm, "its addresses", found) {
                guest::apply_addresses(vm, &found, false);
            }
        }
    }

    /// What is being done with the VM, and who holds it for that; gives the operation's number.
    fn look_at_jobs(&mut self, machine: &Machine, vm: &mut Vm) -> Option<i64> {
        // What does not run has no job, and no monitor.
        let running = vm.status().is_active().then_some(machine);
        let control = running.and_then(|machine| {
            let control = machine.control();
            self.gaps.known(vm, "how its QEMU answers", control)
        });
        let stuck = control.filter(|control| control.is_stuck());
        if let Some(control) = stuck {
            let since = Duration::from_millis(control.milliseconds);
            self.gaps.busy(vm, since);
        }
        let asked = running.filter(|_| stuck.is_none());
        let (job, operation) = match asked.map(Machine::job_record) {
            Some(Err(error)) if error.is_told_at_source_only() => (None, Some(ARRIVES)),
            Some(job) => {
                let job = self.gaps.known(vm, "its job", job).flatten();
                let operation = job.as_ref().and_then(|job| job.integer("operation"));
                (job, operation)
            }
            None => (None, None),
        };
        let word = operation.map(job_word);
        if let Some(job) = &job {
            let percent = percent(job);
            vm.background_operation_progress = percent;
            vm.background_operation_description = word.map(str::to_owned);
            if operation == Some(5) {
                let statistics = vm.vm_statistics.get_or_insert_with(VmStatistics::default);
                statistics.migration_progress_percent = percent;
            }
        }
        let place = &self.inventory.place;
        let holder = (self.inventory.hypervisor.is_local())
            .then(|| holder(&place.lock_file(machine.id())))
            .flatten();
        let is_busy = job.is_some()
            || operation.is_some()
            || control.is_some_and(|control| {
                matches!(control.state, ControlState::Job | ControlState::Occupied)
            });
        let mut messages: Vec<String> = holder
            .map(|holder| {
                format!(
                    "vmlife {}, process {}, since {}",
                    holder.verb, holder.pid, holder.since
                )
            })
            .into_iter()
            .collect();
        messages.extend(is_busy.then(|| format!("libvirt: {}", word.unwrap_or("a job"))));
        vm.lock_info = (!messages.is_empty()).then(|| LockInfo {
            exclusive: true,
            messages: messages.into_iter().collect(),
        });
        let hangs = control.is_some_and(|control| match control.state {
            ControlState::Error => true,
            ControlState::Job | ControlState::Occupied => {
                job.is_none() && control.milliseconds > MONITOR_LIMIT_MILLISECONDS
            }
            _ => false,
        });
        if let Some(dynamic) = &mut vm.vm_dynamic
            && hangs
            && dynamic.status == VmStatus::Up
        {
            dynamic.status = VmStatus::NotResponding;
        }
        operation
    }

    /// Where the disks lie, how large they are, and what goes on with them.
    fn look_at_storage(&mut self, machine: &Machine, vm: &mut Vm, wishes: Wishes) {
        if vm.status().is_active() {
            self.ask_for_disks(machine, vm, wishes);
        } else {
            self.look_for_files(vm);
        }
        for disk in &mut vm.vm_static.images {
            let Some(path) = disk.image_path.as_deref().filter(|_| is_on_host(disk)) else {
                continue;
            };
            let hypervisor = &self.inventory.hypervisor;
            if let Ok(Some((name, id))) = hypervisor.storage_pool_of(path) {
                if disk.storage_ids.is_empty() {
                    disk.storage_ids = vec![id];
                }
                disk.storages_names = vec![name];
            }
            if let Ok(Some(xml)) = hypervisor.volume_xml(path) {
                let facts = read_volume(&xml);
                disk.qcow_compat = facts.compat;
                disk.creation_date = facts.created.or(disk.creation_date);
                disk.last_modified = facts.modified.or(disk.last_modified);
            }
        }
    }

    /// Which files of disks are not there. Those that may not be looked for are not judged.
    fn look_for_files(&self, vm: &mut Vm) {
        let is_missing = |layer: &DiskImage| {
            let path = layer.image_path.as_deref().filter(|_| is_on_host(layer));
            let found = path.map(|path| Path::new(path).metadata());
            found.is_some_and(|found| found.is_err_and(|why| why.kind() == io::ErrorKind::NotFound))
        };
        if !self.inventory.reads_images() {
            return;
        }
        for disk in &mut vm.vm_static.images {
            if is_missing(disk) {
                disk.image_status = Some(ImageStatus::Illegal);
            }
            for layer in disk.snapshots.iter_mut().filter(|layer| is_missing(layer)) {
                layer.image_status = Some(ImageStatus::Illegal);
            }
        }
    }

    /// What QEMU tells of the disks that it holds. Of what is configured that is only what it holds, too, and
    /// the jobs are no part of it.
    fn ask_for_disks(&mut self, machine: &Machine, vm: &mut Vm, wishes: Wishes) {
        let images = &vm.vm_static.images;
        let names: Vec<_> = images
            .iter()
            .map(|disk| {
                let of_file = disk.image_path.clone().filter(|_| is_on_host(disk));
                if wishes.inactive {
                    of_file
                } else {
                    disk.target_dev.clone()
                }
            })
            .collect();
        let told = self.ask_qemu((machine, vm), "its disks in use", move |machine| {
            let tell = |name: Option<String>| {
                let name = name?;
                let job = (!wishes.inactive).then(|| machine.block_job(&name).ok().flatten());
                Some((machine.block_info(&name).ok(), job.flatten()))
            };
            names.into_iter().map(tell).collect::<Vec<_>>()
        });
        for (disk, told) in vm
            .vm_static
            .images
            .iter_mut()
            .zip(told.into_iter().flatten())
        {
            let (info, job) = told.unwrap_or_default();
            if let Some(info) = info {
                statistics::apply_block_info(disk, info);
            }
            if let Some(job) = job {
                disk.progress = Some(job.percent().unwrap_or_default());
                disk.image_status = Some(ImageStatus::Locked);
                disk.block_job = Some(job);
            }
        }
        if vm.background_operation_description.is_none() {
            tell_block_jobs(vm);
        }
    }

    /// The run that it is in.
    fn look_at_run(&self, vm: &mut Vm) {
        if !vm.status().is_active() {
            return;
        }
        let Some(dynamic) = &mut vm.vm_dynamic else {
            return;
        };
        dynamic.run_on_vds = self.host;
        if let Some(started) = dynamic.last_start_time {
            let elapsed = Timestamp::now().duration_since(started).as_secs_f64();
            let statistics = vm.vm_statistics.get_or_insert_with(VmStatistics::default);
            statistics.elapsed_time = Some(Seconds(elapsed.max(0.0)));
        }
    }
}

/// What is configured for the next run of a VM, and the state that the VM is in; nothing else of its run.
fn configured(vm: Vm, persistent: Vm) -> Vm {
    let remembered = persistent.vm_dynamic.unwrap_or_default();
    let dynamic = vm.vm_dynamic.map(|now| VmDynamic {
        id: now.id,
        status: now.status,
        status_reason: now.status_reason,
        pause_status: now.pause_status,
        asleep: now.asleep,
        domain_id: now.domain_id,
        persistent: now.persistent,
        autostart: now.autostart,
        ..remembered
    });
    Vm {
        vm_dynamic: dynamic,
        saved_images: vm.saved_images,
        next_run_changed_fields: vm.next_run_changed_fields,
        next_run_configuration_exists: vm.next_run_configuration_exists,
        ..persistent
    }
}

/// Whether a disk is a file or a device of the host.
fn is_on_host(disk: &DiskImage) -> bool {
    matches!(disk.source_type.as_deref(), Some("file" | "block"))
}

/// Tells of the VM what jobs run on its disks.
fn tell_block_jobs(vm: &mut Vm) {
    let images = vm.vm_static.images.iter();
    let jobs: Vec<_> = images
        .filter_map(|disk| Some((disk.target_dev.as_deref()?, disk.block_job.as_ref()?)))
        .collect();
    let words = jobs.iter().map(|(disk, job)| block_job_word(disk, job));
    let words = words.collect::<Vec<_>>().join(", ");
    let all = jobs
        .iter()
        .fold(VmBlockJob::default(), |all, (_, job)| VmBlockJob {
            cursor_cur: all.cursor_cur.saturating_add(job.cursor_cur),
            cursor_end: all.cursor_end.saturating_add(job.cursor_end),
            ..all
        });
    vm.background_operation_progress = all.percent();
    vm.background_operation_description = Some(words).filter(|words| !words.is_empty());
}

/// What a job does to a disk.
fn block_job_word(disk: &str, job: &VmBlockJob) -> String {
    match job.block_job_type {
        VmBlockJobType::Pull => format!("{disk} takes in the layers below it"),
        VmBlockJobType::Copy => format!("{disk} is being copied"),
        VmBlockJobType::Commit => format!("a layer of {disk} is being committed"),
        VmBlockJobType::ActiveCommit => format!("{disk} is being committed"),
        VmBlockJobType::Backup => format!("{disk} is being backed up"),
        VmBlockJobType::Unknown | VmBlockJobType::Other(_) => format!("a job on {disk}"),
    }
}

/// How far a job is.
fn percent(job: &Record) -> Option<u32> {
    let total = job.unsigned("data_total").filter(|total| *total > 0)?;
    let remaining = job.unsigned("data_remaining")?;
    let passed = u128::from(total.saturating_sub(remaining)) * 100 / u128::from(total);
    u32::try_from(passed).ok()
}

/// What a job of libvirt's does (`virDomainJobOperation`).
fn job_word(operation: i64) -> &'static str {
    match operation {
        1 => "it is being started",
        2 => "it is being saved",
        3 => "it is being restored",
        ARRIVES => "it is arriving from another host",
        5 => "it is migrating to another host",
        6 => "a snapshot of it is being made",
        7 => "it is going back to a snapshot",
        8 => "it is being dumped",
        9 => "it is being backed up",
        10 => "a snapshot of it is being removed",
        _ => "a job",
    }
}

/// Says of the disks in the other lists what is known by now of them.
fn list_disks(vm: &mut Vm) {
    let images = &vm.vm_static.images;
    for (id, disk) in &mut vm.disk_map {
        let same = images.iter().find(|image| image.id == Some(*id));
        disk.size = same.and_then(|image| image.size);
    }
    for disk in &mut vm.vm_static.disk_list {
        let same = |image: &&DiskImage| image.id == disk.id && image.target_dev == disk.target_dev;
        if let Some(image) = images.iter().find(same) {
            *disk = DiskImage {
                snapshots: Vec::new(),
                ..image.clone()
            };
        }
    }
}

/// Lists the snapshots, the oldest first, the present, and the next run.
fn list_snapshots(found: &[MachineSnapshot], vm: &mut Vm, job: Option<i64>) {
    let mut snapshots: Vec<Snapshot> = found
        .iter()
        .map(|found| read_snapshot(&found.name, found.is_current, &found.xml))
        .collect();
    snapshots.sort_by(|a, b| (a.creation_date, &a.name).cmp(&(b.creation_date, &b.name)));
    let is_worked_on = matches!(job, Some(6 | 7 | 10));
    for snapshot in &mut snapshots {
        snapshot.vm_id = vm.vm_static.id;
        snapshot.status = Some(if is_worked_on {
            SnapshotStatus::Locked
        } else {
            SnapshotStatus::Ok
        });
    }
    let current = snapshots.iter().find(|snapshot| snapshot.current);
    let present = Snapshot {
        snapshot_type: Some(SnapshotType::Active),
        parent: current.map(|current| current.name.clone()),
        vm_id: vm.vm_static.id,
        status: Some(SnapshotStatus::Ok),
        memory: vm.restorable_image().and_then(|image| image.path.clone()),
        vm_configuration_available: true,
        ..Snapshot::default()
    };
    snapshots.push(present);
    if vm.next_run_configuration_exists {
        snapshots.push(Snapshot {
            snapshot_type: Some(SnapshotType::NextRun),
            vm_id: vm.vm_static.id,
            status: Some(SnapshotStatus::Ok),
            changed_fields: vm.next_run_changed_fields.clone(),
            vm_configuration_available: true,
            ..Snapshot::default()
        });
    }
    vm.snapshots = snapshots;
}
