//! The memory of a guest that runs, and the balloon that takes it and gives it back.

use super::{Machine, Result};
use crate::entity::MemorySize;
use virt::sys;

/// What is told of a guest's memory (`virDomainMemoryStats`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GuestMemory {
    /// What the balloon leaves to the guest. QEMU tells it.
    pub actual: Option<MemorySize>,
    /// What the guest could do without: it is free, or holds what can be read again. The guest's driver tells it
    /// (`usable`; an older one only what is free, `unused`).
    pub usable: Option<MemorySize>,
    /// When the guest last told, in seconds since 1970; 0 if it never has.
    pub told_at: u64,
}

impl Machine {
    /// What is told of the guest's memory (`virDomainMemoryStats`). What the guest has to tell is as old as
    /// [`GuestMemory::told_at`] says; see [`Machine::set_statistics_period`].
    ///
    /// # Errors
    /// What libvirt says; also if it does not run.
    pub fn guest_memory(&self) -> Result<GuestMemory> {
        let told = self.domain.memory_stats(0)?;
        let value = |tag| {
            let mut told = told.iter();
            told.find(|one| one.tag == tag).map(|one| one.val)
        };
        let size = |tag| value(tag).map(MemorySize::from_kib);
        Ok(GuestMemory {
            actual: size(sys::VIR_DOMAIN_MEMORY_STAT_ACTUAL_BALLOON),
            usable: size(sys::VIR_DOMAIN_MEMORY_STAT_USABLE)
                .or_else(|| size(sys::VIR_DOMAIN_MEMORY_STAT_UNUSED)),
            told_at: value(sys::VIR_DOMAIN_MEMORY_STAT_LAST_UPDATE).unwrap_or_default(),
        })
    }

    /// The most memory that it can have now (`virDomainGetMaxMemory`).
    ///
    /// # Errors
    /// What libvirt says.
    pub fn max_memory(&self) -> Result<MemorySize> {
        Ok(MemorySize::from_kib(self.domain.max_memory()?))
    }

    /// Has the balloon leave so much memory to the guest that runs (`virDomainSetMemoryFlags`); its definition
    /// stays as it is. The guest's driver does it, in its own time.
    ///
    /// # Errors
    /// What libvirt says, also if there is no balloon; that the guest has no driver it does not say.
    pub fn set_memory(&self, size: MemorySize) -> Result<()> {
        let flags = sys::VIR_DOMAIN_AFFECT_LIVE;
        Ok(self.domain.set_memory_flags(size.kib(), flags)?)
    }

    /// Has QEMU ask the guest for its statistics every so many seconds, while it runs
    /// (`virDomainSetMemoryStatsPeriod`); with 0 never.
    ///
    /// # Errors
    /// What libvirt says, also if there is no balloon.
    pub fn set_statistics_period(&self, seconds: u32) -> Result<()> {
        let seconds = i32::try_from(seconds).unwrap_or(i32::MAX);
        let flags = sys::VIR_DOMAIN_AFFECT_LIVE;
        Ok(self.domain.set_memory_stats_period(seconds, flags)?)
    }
}
