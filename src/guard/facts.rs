//! The facts that guards judge, gathered in one place, with few calls and within time limits. What is not
//! told in time stays unknown.

use crate::definition::{
    self, MovedDisk, NeededFile, Needs, Platform, Saving, knows_cpu_model, moved_disks,
};
use crate::hypervisor::{Hypervisor, HypervisorError, Machine, StatisticsGroups};
use crate::image::{Record, is_session};
use crate::interrupt::within;
use crate::inventory::Inventory;
use rustix::fs::{Access, access, statvfs};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// How long QEMU may take to tell of its jobs and its memory.
const QEMU_LIMIT: Duration = Duration::from_secs(2);
/// How long the file systems may take to tell of the VM's files: a server may be away.
const FILES_LIMIT: Duration = Duration::from_secs(2);
/// How long libvirt may take to tell what QEMU can do. It may have to examine it first, which the restore
/// would wait for, too, and then finds out by itself.
const PLATFORM_LIMIT: Duration = Duration::from_secs(2);

/// What is known of a VM that is to be hibernated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SaveFacts {
    /// What its live XML tells.
    pub saving: Saving,
    /// Its disks on which a block job runs, with how far that is and where it ends.
    pub block_jobs: Vec<(String, (u64, u64))>,
    /// Whether another job holds it.
    pub has_job: bool,
    /// Whether QEMU did not tell of jobs in time.
    pub jobs_unknown: bool,
    /// The memory of its process, in bytes. What the guest never touched is not in it, nor in an image.
    pub memory_in_use: Option<u64>,
    /// The room where its image goes.
    pub room: Room,
    /// How much of that room others are going to take first, in bytes.
    pub promised: u64,
    /// Whether libvirt starts it with the host.
    pub autostart: bool,
}

/// The room for an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Room {
    /// Nobody needs to know.
    #[default]
    Irrelevant,
    /// Only the daemon can see it.
    Elsewhere,
    /// The file system does not count it.
    Uncounted,
    /// So many bytes are free.
    Free {
        /// The folder that was looked at.
        folder: PathBuf,
        /// For those who are not the administrator.
        bytes: u64,
    },
}

impl SaveFacts {
    /// The most that the image can take, in bytes, as far as it can be told: the memory in use, with what
    /// QEMU writes beside each page, and at most all the memory that there is.
    #[must_use]
    pub fn image_at_most(&self) -> Option<u64> {
        let in_use = self.memory_in_use.filter(|_| !self.saving.is_uncounted);
        let in_use = in_use.map(|bytes| bytes.saturating_add(bytes / 256));
        in_use.into_iter().chain(self.saving.at_most).min()
    }

    /// Looks at a VM that runs, and at the room for its image, if it is known where that goes. An earlier
    /// image there makes room for the new one.
    #[must_use]
    pub fn gather(
        inventory: &Inventory,
        machine: &Machine,
        disks: Vec<String>,
        image: Option<&Path>,
        earlier: Option<&Path>,
    ) -> Self {
        let autostart = machine.autostart().unwrap_or(false);
        if !inventory.hypervisor.is_qemu() {
            return Self {
                autostart,
                ..Self::default()
            };
        }
        let saving = machine.xml().map(|xml| Saving::of(&xml));
        // Over a connection of its own: a QEMU that hangs must not hold up the others.
        let (hypervisor, asked) = (Arc::clone(&inventory.hypervisor), machine.clone());
        let told = within(QEMU_LIMIT, move || {
            let asked = hypervisor.apart().same(&asked).unwrap_or(asked);
            let has_job = asked.job().ok().flatten().is_some();
            let block_jobs: Vec<_> = disks
                .into_iter()
                .filter_map(|disk| {
                    let job = asked.block_job(&disk).ok().flatten()?;
                    Some((disk, (job.cursor_cur, job.cursor_end)))
                })
                .collect();
            let statistics = asked.statistics(StatisticsGroups::BALLOON).ok();
            let resident = statistics.and_then(|record| record.unsigned("balloon.rss"));
            (has_job, block_jobs, resident)
        });
        let jobs_unknown = told.is_none();
        let (has_job, block_jobs, resident) = told.unwrap_or_default();
        Self {
            saving: saving.unwrap_or_default(),
            block_jobs,
            has_job,
            jobs_unknown,
            memory_in_use: resident.map(|kib| kib.saturating_mul(1024)),
            room: image.map_or(Room::Elsewhere, |image| room(inventory, image, earlier)),
            promised: 0,
            autostart,
        }
    }
}

/// The room in the folder of an image, or where that is going to be made.
fn room(inventory: &Inventory, image: &Path, earlier: Option<&Path>) -> Room {
    if !inventory.looks_at(image) {
        return Room::Elsewhere;
    }
    let mut folders = image.ancestors().skip(1);
    let found = folders.find_map(|folder| match statvfs(folder) {
        Ok(found) => Some(Ok((folder, found))),
        Err(error) if error == rustix::io::Errno::NOENT => None,
        Err(error) => Some(Err(error)),
    });
    let Some(Ok((folder, found))) = found else {
        return Room::Elsewhere;
    };
    if found.f_blocks == 0 {
        return Room::Uncounted;
    }
    let gained = earlier
        .and_then(|path| path.metadata().ok())
        .map_or(0, |seen| seen.blocks().saturating_mul(512));
    Room::Free {
        folder: folder.to_path_buf(),
        bytes: found
            .f_bavail
            .saturating_mul(found.f_frsize)
            .saturating_add(gained),
    }
}

/// What is known of a VM that is to be restored, and of its host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreFacts {
    /// The name that it had when it was saved.
    pub name: String,
    /// Another VM that has that name now.
    pub namesake: Option<Uuid>,
    /// The name under which libvirt knows it now.
    pub known_as: Option<String>,
    /// The files that it needs.
    pub files: Vec<(NeededFile, Presence)>,
    /// Disks that the next boot has in other files since, than those in the image.
    pub moved: Vec<MovedDisk>,
    /// libvirt's networks that it needs.
    pub networks: Vec<(String, Neighbour)>,
    /// The host's network devices that it needs.
    pub bridges: Vec<(String, Neighbour)>,
    /// The storage pools that it needs.
    pub pools: Vec<(String, Neighbour)>,
    /// What its hardware is made of.
    pub platform: Platform,
    /// Whether that is known here.
    pub support: Support,
}

/// Whether a file is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is, and may be used as far as can be told.
    There,
    /// It is not.
    Missing,
    /// The daemon's user, who is ours, may not read it, or not write to it.
    Forbidden,
    /// It could not be looked at.
    Unseen,
}

/// Whether something of libvirt's or the host's is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Neighbour {
    /// It is, and runs.
    Active,
    /// It is, but does not run.
    Inactive,
    /// It is not.
    Missing,
    /// It could not be looked at.
    Unseen,
}

/// Whether the host's QEMU knows a VM's hardware.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Support {
    /// It does, as far as libvirt tells.
    #[default]
    Known,
    /// It does not know the machine type.
    NoMachine,
    /// It does not know the CPU model.
    NoCpu,
    /// libvirt did not tell in time.
    Unseen,
}

impl RestoreFacts {
    /// Looks at a host for what a VM needs there. `record` is that of its image: where it was saved by the
    /// same QEMU on the same host, its hardware is known.
    #[must_use]
    pub fn gather(
        inventory: &Inventory,
        needs: Needs,
        machine: Option<&Machine>,
        record: Option<&Record>,
    ) -> Self {
        let hypervisor = &inventory.hypervisor;
        let namesake = hypervisor.machine_by_name(&needs.name).ok().flatten();
        let namesake = namesake
            .map(|other| other.id())
            .filter(|other| Some(*other) != needs.id);
        let networks = with_each(needs.networks, |name| hypervisor.network_is_active(name));
        let mut pools: Vec<String> = needs.volumes.into_iter().map(|(pool, _)| pool).collect();
        pools.dedup();
        let pools = with_each(pools, |name| hypervisor.storage_pool_is_active(name));
        let defined = machine.and_then(|machine| machine.xml().ok());
        let defined = defined.as_deref().and_then(definition::needs);
        let mut moved = moved_disks(&needs.files, &defined.unwrap_or_default().files);
        let known = record.map(|record| record.next_disks.as_slice());
        moved.retain(|disk| !known.unwrap_or_default().contains(disk));
        let is_local = hypervisor.is_local();
        let bridges = needs.bridges.into_iter().map(|name| {
            let there = is_local.then(|| Path::new("/sys/class/net").join(&name).exists());
            let state = match there {
                Some(true) => Neighbour::Active,
                Some(false) => Neighbour::Missing,
                None => Neighbour::Unseen,
            };
            (name, state)
        });
        Self {
            name: needs.name,
            namesake,
            known_as: machine.map(|machine| machine.name().to_owned()),
            networks,
            bridges: bridges.collect(),
            pools,
            moved,
            files: files(hypervisor, needs.files),
            support: support(hypervisor, &needs.platform, record),
            platform: needs.platform,
        }
    }
}

fn with_each(
    names: Vec<String>,
    is_active: impl Fn(&str) -> Result<Option<bool>, HypervisorError>,
) -> Vec<(String, Neighbour)> {
    let of = |name: &str| match is_active(name) {
        Ok(Some(true)) => Neighbour::Active,
        Ok(Some(false)) => Neighbour::Inactive,
        Ok(None) => Neighbour::Missing,
        Err(_) => Neighbour::Unseen,
    };
    names
        .into_iter()
        .map(|name| {
            let state = of(&name);
            (name, state)
        })
        .collect()
}

fn files(hypervisor: &Hypervisor, needed: Vec<NeededFile>) -> Vec<(NeededFile, Presence)> {
    let unseen = |files: Vec<NeededFile>| {
        let all = files.into_iter().map(|file| (file, Presence::Unseen));
        all.collect()
    };
    if !hypervisor.is_local() {
        return unseen(needed);
    }
    // The system's daemon has rights of its own, and gives QEMU what it needs.
    let same_user = is_session(hypervisor.uri());
    let looked_at = needed.clone();
    let found = within(FILES_LIMIT, move || {
        let with = |file: NeededFile| {
            let presence = presence(&file, same_user);
            (file, presence)
        };
        looked_at.into_iter().map(with).collect()
    });
    found.unwrap_or_else(|| unseen(needed))
}

fn presence(file: &NeededFile, same_user: bool) -> Presence {
    match fs::metadata(&file.path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Presence::Missing,
        Err(_) => return Presence::Unseen,
        Ok(_) => {}
    }
    let mut rights = Access::READ_OK;
    rights.set(Access::WRITE_OK, file.written);
    if same_user && access(&file.path, rights).is_err() {
        return Presence::Forbidden;
    }
    Presence::There
}

fn support(hypervisor: &Arc<Hypervisor>, platform: &Platform, record: Option<&Record>) -> Support {
    let here = || {
        let (libvirt, qemu) = hypervisor.versions().ok()?;
        Some((hypervisor.host_name().ok()?, libvirt, qemu))
    };
    let saved = record.and_then(|record| {
        let host = record.host.clone()?;
        Some((host, record.libvirt_version?, record.hypervisor_version?))
    });
    if !hypervisor.is_qemu() || (saved.is_some() && saved == here()) {
        return Support::Known;
    }
    let (asked, wanted) = (Arc::clone(hypervisor), platform.clone());
    let told = within(PLATFORM_LIMIT, move || {
        asked.apart().domain_capabilities(&wanted)
    });
    match (told, &platform.cpu_model) {
        (Some(Ok(told)), Some(model)) if knows_cpu_model(&told, model) == Some(false) => {
            Support::NoCpu
        }
        (Some(Ok(_)), _) => Support::Known,
        (Some(Err(error)), _) if error.is_unknown_machine() => Support::NoMachine,
        _ => Support::Unseen,
    }
}
