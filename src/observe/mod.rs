//! Looks at all that can be known of a VM beyond its state: statistics, the guest, snapshots, jobs, locks,
//! its next run. The calls are made here; what their answers mean is decided purely, beside.
//!
//! Nothing that is asked here may hold up the rest for long: a QEMU that hangs, or an agent that does
//! not answer, leaves its part unknown.

mod guest;
mod statistics;

use crate::definition::{
    metadata_flaws, next_run_changes, read_domain, read_host_uuid, read_snapshot, read_volume,
};
use crate::entity::{
    DiskImage, GuestAgentStatus, ImageStatus, LockInfo, Seconds, Snapshot, SnapshotStatus,
    SnapshotType, Vm, VmStatistics, VmStatus,
};
use crate::hypervisor::{
    AddressSource, Control, ControlState, GuestGroups, Machine, Record, StatisticsGroups, XmlFlags,
};
use crate::image::{ImageFile, holder};
use crate::interrupt::within;
use crate::inventory::{Entry, Inventory};
use jiff::Timestamp;
use statistics::Before;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How long QEMU may take to tell its statistics.
const STATISTICS_LIMIT: Duration = Duration::from_secs(5);
/// How long a guest's agent may take to answer one question.
const AGENT_LIMIT: Duration = Duration::from_secs(3);
/// How long libvirt may take to tell what the host can do: it may have to examine QEMU first.
const HOST_LIMIT: Duration = Duration::from_secs(3);
/// A monitor that has been busy for longer than this, without a job that takes long, does not answer.
const MONITOR_LIMIT_MILLISECONDS: u64 = 60_000;

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

/// Fills in all that can be known of these VMs. What cannot be known stays absent.
pub fn observe(inventory: &Arc<Inventory>, entries: &mut [Entry], wishes: Wishes) {
    let observer = Observer {
        inventory,
        host: host(inventory, entries),
    };
    for entry in entries.iter_mut() {
        if let Some(machine) = &entry.machine {
            observer.compare_runs(machine, &mut entry.vm, wishes);
        }
    }
    measure(inventory, entries, wishes);
    for entry in entries {
        let Some(machine) = entry.machine.clone() else {
            continue;
        };
        let vm = &mut entry.vm;
        observer.ask_guest(&machine, vm);
        let job = observer.look_at_jobs(&machine, vm);
        observer.look_at_storage(&machine, vm);
        observer.look_at_run(vm);
        list_disks(vm);
        list_snapshots(&machine, vm, job);
        if wishes.secrets {
            vm.reveal_secrets();
        }
    }
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

/// Fills in the statistics alone.
pub fn measure(inventory: &Inventory, entries: &mut [Entry], wishes: Wishes) {
    let began = Instant::now();
    let before = wishes.sample.map(|apart| {
        let sample = sample(inventory, entries);
        thread::sleep(apart.saturating_sub(began.elapsed()));
        sample
    });
    let ago = began.elapsed();
    let now = sample(inventory, entries);
    for entry in entries {
        let id = entry.machine.as_ref().map(Machine::id);
        if let Some((id, now)) = id.and_then(|id| Some((id, now.get(&id)?))) {
            let before = before.as_ref().and_then(|all| all.get(&id));
            let before = before.map(|record| Before { record, ago });
            statistics::apply(&mut entry.vm, now, before);
        }
    }
}

/// The host's UUID, if a VM runs on it.
fn host(inventory: &Inventory, entries: &[Entry]) -> Option<Uuid> {
    if !entries.iter().any(|entry| entry.vm.status().is_active()) {
        return None;
    }
    let hypervisor = Arc::clone(&inventory.hypervisor);
    let capabilities = within(HOST_LIMIT, move || hypervisor.apart().capabilities())?.ok()?;
    read_host_uuid(&capabilities)
}

/// The statistics of these VMs: of several in one call.
fn sample(inventory: &Inventory, entries: &[Entry]) -> BTreeMap<Uuid, Record> {
    let all = StatisticsGroups::default();
    let mut machines = entries.iter().filter_map(|entry| entry.machine.clone());
    let hypervisor = Arc::clone(&inventory.hypervisor);
    let found = match (machines.next(), machines.next()) {
        (None, _) => None,
        (Some(machine), None) => within(STATISTICS_LIMIT, move || {
            let other = hypervisor.apart().machine_by_id(machine.id())?;
            let machine = other.unwrap_or(machine);
            Ok(vec![(machine.clone(), machine.statistics(all)?)])
        }),
        _ => within(STATISTICS_LIMIT, move || hypervisor.apart().statistics(all)),
    };
    let found = found.and_then(Result::ok).unwrap_or_default();
    found
        .into_iter()
        .map(|(machine, record)| (machine.id(), record))
        .collect()
}

/// Whether the guest's agent can be asked: a paused guest would only make us wait.
fn agent_answers(vm: &Vm) -> bool {
    vm.status() == VmStatus::Up
        && vm.vm_dynamic.as_ref().is_some_and(|dynamic| {
            dynamic.qemu_guest_agent_status == Some(GuestAgentStatus::Exists)
        })
}

struct Observer<'a> {
    inventory: &'a Inventory,
    host: Option<Uuid>,
}

impl Observer<'_> {
    /// Compares what runs with what the next run will be.
    fn compare_runs(&self, machine: &Machine, vm: &mut Vm, wishes: Wishes) {
        if wishes.secrets && !wishes.inactive {
            let secure = XmlFlags {
                secure: true,
                ..XmlFlags::default()
            };
            let xml = self
                .inventory
                .writable(machine)
                .and_then(|machine| machine.xml_of(secure))
                .ok();
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
        let is_kept = machine.is_persistent().unwrap_or_default();
        let persistent = is_kept
            .then(|| machine.xml_of(inactive).ok())
            .flatten()
            .and_then(|xml| read_domain(&xml).ok());
        let Some(persistent) = persistent else {
            return;
        };
        let running = if vm.status().is_active() {
            Some(vm.clone())
        } else {
            self.hibernated(vm)
        };
        if let Some(running) = &running {
            vm.next_run_changed_fields = next_run_changes(running, &persistent);
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
            let is_attached = |target: &Option<String>| {
                vm.vm_static
                    .images
                    .iter()
                    .any(|disk| disk.target_dev == *target)
            };
            let mut configured = persistent.vm_static;
            for disk in &mut configured.images {
                disk.plugged = Some(vm.status().is_active() && is_attached(&disk.target_dev));
            }
            for card in &mut configured.interfaces {
                let same = vm
                    .vm_static
                    .interfaces
                    .iter()
                    .find(|live| live.mac_address == card.mac_address);
                card.plugged = Some(vm.status().is_active() && same.is_some());
            }
            vm.vm_static = configured;
            vm.cluster_arch = persistent.cluster_arch;
            vm.disk_map = persistent.disk_map;
        } else if vm.status().is_active() {
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

    /// The VM as it was when it was hibernated: that is how it comes back.
    fn hibernated(&self, vm: &Vm) -> Option<Vm> {
        let image = vm.restorable_image()?;
        let path = image
            .path
            .as_deref()
            .filter(|path| self.inventory.looks_at(path))?;
        ImageFile::inspect_of(path, vm.id()?)?.vm
    }

    /// Asks the guest's agent, and for addresses also those who give them out.
    fn ask_guest(&self, machine: &Machine, vm: &mut Vm) {
        let asked = agent_answers(vm)
            .then(|| self.inventory.writable(machine).ok())
            .flatten();
        if let Some(machine) = asked {
            let questions = machine.clone();
            let info = within(AGENT_LIMIT, move || {
                questions.guest_info(GuestGroups::default())
            });
            // An agent that does not answer the first question is asked no other.
            let Some(info) = info else { return };
            if let Ok(info) = info {
                guest::apply(vm, &info);
            }
            let questions = machine.clone();
            let found = within(AGENT_LIMIT, move || {
                (
                    questions.interface_addresses(AddressSource::Agent),
                    questions.guest_vcpus(),
                )
            });
            let Some((found, vcpus)) = found else { return };
            let online = vcpus.ok().and_then(|vcpus| {
                let online = crate::definition::cpu_numbers(vcpus.text("online")?)?;
                u32::try_from(online.len()).ok()
            });
            if let Some(dynamic) = &mut vm.vm_dynamic {
                dynamic.guest_cpu_count = online;
            }
            if let Ok(found) = found {
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
            if let Ok(found) = machine.interface_addresses(source) {
                guest::apply_addresses(vm, &found, false);
            }
        }
    }

    /// What is being done with the VM, and who holds it for that; gives the operation's number.
    fn look_at_jobs(&self, machine: &Machine, vm: &mut Vm) -> Option<i64> {
        // What does not run has no job, and no monitor.
        let running = vm.status().is_active().then_some(machine);
        let control = running.and_then(|machine| machine.control().ok());
        let is_stuck = control.is_some_and(Control::is_stuck);
        let asked = running.filter(|_| !is_stuck);
        let job = asked.and_then(|machine| machine.job_record().ok().flatten());
        let operation = job.as_ref().and_then(|job| job.integer("operation"));
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

    /// Where the disks lie, and what goes on with them.
    fn look_at_storage(&self, machine: &Machine, vm: &mut Vm) {
        let may_have_jobs = vm.status().is_active() && !machine.is_stuck();
        for disk in &mut vm.vm_static.images {
            if let Some(target) = disk.target_dev.as_deref().filter(|_| may_have_jobs)
                && let Ok(Some((done, all))) = machine.block_job_progress(target)
            {
                let percent = (done.saturating_mul(100))
                    .checked_div(all)
                    .unwrap_or_default();
                disk.progress = u32::try_from(percent).ok();
                disk.image_status = Some(ImageStatus::Locked);
            }
            let is_path = matches!(disk.source_type.as_deref(), Some("file" | "block"));
            let Some(path) = disk.image_path.as_deref().filter(|_| is_path) else {
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
        4 => "it is arriving from another host",
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
fn list_snapshots(machine: &Machine, vm: &mut Vm, job: Option<i64>) {
    let Ok(found) = machine.snapshots() else {
        return;
    };
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
