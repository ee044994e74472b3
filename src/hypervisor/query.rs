//! Queries whose answers are passed on as libvirt gives them: records, XML, text.

use super::ffi::{self, DomainHandle, Handle};
use super::{
    AddressSource, BlockInfo, Control, GuestGroups, GuestInterface, Hypervisor, HypervisorError,
    Machine, MachineSnapshot, Record, Result, StatisticsGroups, XmlFlags,
};
use crate::definition::Platform;
use crate::entity::VmBlockJob;
use jiff::Timestamp;
use std::ffi::CString;
use std::path::Path;
use std::time::Duration;
use uuid::Uuid;
use virt::domain::Domain;
use virt::domain_snapshot::DomainSnapshot;
use virt::error::Error;
use virt::sys;

impl Hypervisor {
    /// All domains, in one call (`virConnectListAllDomains`), in no order.
    ///
    /// # Errors
    /// What libvirt says.
    pub fn machines(&self) -> Result<Vec<Machine>> {
        let domains = self.domains_that(0)?.into_iter();
        domains
            .map(|domain| Machine::of(domain, &self.connection))
            .collect()
    }

    /// The domains of which libvirt holds a managed save, in one call (`virConnectListAllDomains`).
    ///
    /// # Errors
    /// What libvirt says.
    pub fn machines_with_managed_save(&self) -> Result<Vec<Uuid>> {
        self.machines_that(sys::VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE)
    }

    /// The domains whose definitions libvirt keeps when they end, in one call
    /// (`virConnectListAllDomains`).
    ///
    /// # Errors
    /// What libvirt says.
    pub fn persistent_machines(&self) -> Result<Vec<Uuid>> {
        self.machines_that(sys::VIR_CONNECT_LIST_DOMAINS_PERSISTENT)
    }

    /// The domains that libvirt starts with the host, in one call (`virConnectListAllDomains`).
    ///
    /// # Errors
    /// What libvirt says.
    pub fn machines_with_autostart(&self) -> Result<Vec<Uuid>> {
        self.machines_that(sys::VIR_CONNECT_LIST_DOMAINS_AUTOSTART)
    }

    fn machines_that(&self, are: u32) -> Result<Vec<Uuid>> {
        let domains = self.domains_that(are)?;
        domains.iter().map(|domain| Ok(domain.uuid()?)).collect()
    }

    fn domains_that(&self, are: u32) -> Result<Vec<DomainHandle>> {
        let domains = self.connection.list_all_domains(are)?;
        // All are wrapped before the first can fail, so that no panicking `Drop` is left.
        Ok(domains.into_iter().map(Handle::new).collect())
    }

    /// What the daemon's host can do, as XML (`virConnectGetCapabilities`). The first call after the
    /// daemon's start or an update of QEMU can take seconds, as libvirt then examines each QEMU.
    ///
    /// # Errors
    /// What libvirt says.
    pub fn capabilities(&self) -> Result<String> {
        Ok(self.connection.capabilities()?)
    }

    /// What the host's QEMU can emulate of this platform, as XML (`virConnectGetDomainCapabilities`). libvirt
    /// may have to examine QEMU first, which takes seconds.
    ///
    /// # Errors
    /// What libvirt says; see [`HypervisorError::is_unknown_machine`].
    pub fn domain_capabilities(&self, platform: &Platform) -> Result<String> {
        Ok(self.connection.domain_capabilities(
            platform.emulator.as_deref(),
            platform.arch.as_deref(),
            platform.machine.as_deref(),
            platform.domain_type.as_deref(),
            0,
        )?)
    }

    /// Whether the network of this name is active (`virNetworkLookupByName`, `virNetworkIsActive`). `None`
    /// if there is no such network.
    ///
    /// # Errors
    /// What else libvirt says; also that the connection has no networks at all.
    pub fn network_is_active(&self, name: &str) -> Result<Option<bool>> {
        let lookup = || Handle::new(self.connection.lookup_network_by_name(name)?).is_active();
        unless(HypervisorError::is_no_network, lookup())
    }

    /// Whether the storage pool of this name is active (`virStoragePoolLookupByName`,
    /// `virStoragePoolIsActive`). `None` if there is no such pool, or if the connection has no storage.
    ///
    /// # Errors
    /// What else libvirt says.
    pub fn storage_pool_is_active(&self, name: &str) -> Result<Option<bool>> {
        let lookup = || Handle::new(self.connection.lookup_storage_pool_by_name(name)?).is_active();
        unless(HypervisorError::is_no_storage, lookup())
    }

    /// Name and UUID of the active storage pool whose folder holds the file of this path
    /// (`virStoragePoolLookupByTargetPath`). `None` if there is none, or if the connection has no
    /// storage.
    ///
    /// # Errors
    /// What else libvirt says.
    pub fn storage_pool_of(&self, path: &str) -> Result<Option<(String, Uuid)>> {
        let Some(folder) = Path::new(path).parent().and_then(Path::to_str) else {
            return Ok(None);
        };
        // libvirt would take no folder for a mistake of the program's.
        if folder.is_empty() {
            return Ok(None);
        }
        let lookup = || {
            let pool = Handle::new(self.connection.lookup_storage_pool_by_target_path(folder)?);
            Ok((pool.name()?, pool.uuid()?))
        };
        unless(HypervisorError::is_no_storage, lookup())
    }

    /// The `<volume>` of this path (`virStorageVolLookupByPath`, `virStorageVolGetXMLDesc`). `None` if
    /// no active storage pool has such, or if the connection has no storage.
    ///
    /// # Errors
    /// What else libvirt says.
    pub fn volume_xml(&self, path: &str) -> Result<Option<String>> {
        let lookup = || {
            let volume = Handle::new(self.connection.lookup_storage_vol_by_path(path)?);
            volume.xml_desc(0)
        };
        unless(HypervisorError::is_no_storage, lookup())
    }
}

impl Machine {
    /// Statistics of domains of one connection, in one call (`virDomainListGetStats`), in their order; those
    /// that are no more are left out.
    ///
    /// It does not wait for a domain that is busy with a job: what only QEMU could tell is then absent.
    /// It does wait for a QEMU that is asked and has hung, and all other domains with it; see
    /// [`StatisticsGroups`].
    ///
    /// # Errors
    /// What libvirt says.
    pub fn statistics_of(
        machines: &[Self],
        groups: StatisticsGroups,
    ) -> Result<Vec<(Self, Record)>> {
        // libvirt takes an empty list for a mistake of the program's.
        let Some(Self { connection, .. }) = machines.first() else {
            return Ok(Vec::new());
        };
        let domains: Vec<&Domain> = machines.iter().map(|machine| &**machine.domain).collect();
        without_waiting(|flags| ffi::statistics(&domains, groups.0, flags))?
            .into_iter()
            .map(|(domain, record)| Ok((Self::of(domain, connection)?, record)))
            .collect()
    }

    /// Its statistics, as [`Machine::statistics_of`] gives them.
    ///
    /// # Errors
    /// What libvirt says; also that there is no such domain any more.
    pub fn statistics(&self, groups: StatisticsGroups) -> Result<Record> {
        let found = Self::statistics_of(std::slice::from_ref(self), groups)?;
        // libvirt leaves out what it does not find, where all other calls report it.
        let record = found.into_iter().next().map(|(_, record)| record);
        record.ok_or_else(|| HypervisorError {
            code: sys::VIR_ERR_NO_DOMAIN,
            domain: sys::VIR_FROM_DOM,
            message: format!("Domain not found: {}", self.name),
        })
    }

    /// How long its vCPUs have run and been ready to run in all, in nanoseconds, as the host counts it
    /// (`VIR_DOMAIN_STATS_VCPU`). The first is counted in steps of 10 ms, the second is exact: as long as neither
    /// changes, none has run.
    ///
    /// # Errors
    /// What libvirt says.
    pub fn vcpu_time(&self) -> Result<Option<u64>> {
        let record = self.statistics(StatisticsGroups::VCPU)?;
        let number = record.unsigned("vcpu.maximum").unwrap_or_default();
        let time = |vcpu, kind| record.unsigned(&format!("vcpu.{vcpu}.{kind}"));
        let times = (0..number).filter_map(|vcpu| {
            Some(time(vcpu, "time")?.saturating_add(time(vcpu, "delay").unwrap_or_default()))
        });
        Ok(times.reduce(u64::saturating_add))
    }

    /// Its number while it runs (`virDomainGetID`), as it was when the domain was looked up. Nothing is
    /// asked of the daemon.
    #[must_use]
    pub fn domain_id(&self) -> Option<u32> {
        self.domain.id()
    }

    /// What the agent in the guest tells of it (`virDomainGetGuestInfo`). It waits for the agent, some seconds
    /// if that does not answer. It needs a connection that may write.
    ///
    /// Of an agent that stops answering libvirt can report one success with nothing in it, before it
    /// reports errors: an absent key means that nothing is known.
    ///
    /// # Errors
    /// What libvirt says: that there is no agent or that it does not answer, and also that the agent
    /// does not know one of the groups, unless `groups` is the default.
    pub fn guest_info(&self, groups: GuestGroups) -> Result<Record> {
        Ok(ffi::guest_info(&self.domain, groups.0)?)
    }

    /// Its network cards with their addresses (`virDomainInterfaceAddresses`). The agent is asked over
    /// a connection only that may write.
    ///
    /// # Errors
    /// What libvirt says.
    pub fn interface_addresses(&self, source: AddressSource) -> Result<Vec<GuestInterface>> {
        Ok(ffi::interface_addresses(&self.domain, source.number())?)
    }

    /// The guest's clock, as its agent tells it (`virDomainGetTime`).
    ///
    /// An agent that does not answer is given up after some seconds, but one that has begun to is waited for
    /// without end, and libvirt asks it nothing else meanwhile.
    ///
    /// # Errors
    /// What libvirt says; also that there is no agent, or that it does not answer.
    pub fn guest_time(&self) -> Result<Timestamp> {
        let (seconds, nanoseconds) = self.domain.time(0)?;
        // What a guest says can be anything.
        Ok(Timestamp::new(seconds, nanoseconds).unwrap_or(Timestamp::MAX))
    }

    /// Sets the guest's clock, through its agent (`virDomainSetTime`): to this time, or to that of its hardware's
    /// clock, which has gone on with the host's. It waits as [`Machine::guest_time`] does.
    ///
    /// # Errors
    /// What libvirt says; also what the agent says that cannot.
    pub fn set_guest_time(&self, time: Option<Timestamp>) -> Result<()> {
        let (seconds, nanoseconds, flags) = match time {
            Some(time) => (time.as_second(), time.subsec_nanosecond(), 0),
            None => (0, 0, sys::VIR_DOMAIN_TIME_SYNC),
        };
        Ok(self.domain.set_time(seconds, nanoseconds, flags)?)
    }

    /// Asks the guest's agent in its own words, JSON (`virDomainQemuAgentCommand`). One that takes longer than
    /// this, in whole seconds, is given up. libvirt notes in its log that the VM was talked to so.
    ///
    /// # Errors
    /// What libvirt says, or the agent; also that this machine has no library of libvirt's for it.
    pub fn agent_command(&self, command: &str, limit: Duration) -> Result<String> {
        let seconds = i32::try_from(limit.as_secs()).unwrap_or(i32::MAX);
        let answer = ffi::agent_command(&self.domain, command, seconds);
        Ok(answer.ok_or_else(|| HypervisorError::no_call("virDomainQemuAgentCommand"))??)
    }

    /// Its snapshots, in no order (`virDomainListAllSnapshots`).
    ///
    /// # Errors
    /// What libvirt says.
    pub fn snapshots(&self) -> Result<Vec<MachineSnapshot>> {
        let snapshots = self.domain.list_all_snapshots(0)?;
        let snapshots: Vec<_> = snapshots.into_iter().map(Handle::new).collect();
        let mut found = Vec::new();
        for snapshot in &snapshots {
            // One that is deleted meanwhile is just not there.
            found.extend(unless(HypervisorError::is_no_snapshot, describe(snapshot))?);
        }
        Ok(found)
    }

    /// How libvirt gets on with its QEMU (`virDomainGetControlInfo`). It answers also while a job holds
    /// the domain.
    ///
    /// # Errors
    /// What libvirt says; also if it does not run.
    pub fn control(&self) -> Result<Control> {
        Ok(ffi::control(&self.domain)?)
    }

    /// Whether what needs its QEMU would wait behind another question that has waited long already.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.control().is_ok_and(Control::is_stuck)
    }

    /// The guest's view of its virtual CPUs (`virDomainGetGuestVcpus`): `vcpus`, `online` and
    /// `offlinable`, each a set such as `0-2,5`. The agent is asked, over a connection that may write.
    ///
    /// # Errors
    /// What libvirt says.
    pub fn guest_vcpus(&self) -> Result<Record> {
        Ok(ffi::guest_vcpus(&self.domain)?)
    }

    /// All that is known of the running job, if one runs (`virDomainGetJobStats`).
    ///
    /// # Errors
    /// What libvirt says.
    pub fn job_record(&self) -> Result<Option<Record>> {
        Ok(ffi::job(&self.domain)?)
    }

    /// Its XML, as these flags say (`virDomainGetXMLDesc`).
    ///
    /// # Errors
    /// What libvirt says.
    pub fn xml_of(&self, flags: XmlFlags) -> Result<String> {
        Ok(self.domain.xml_desc(flags.bits())?)
    }

    /// The element that a program keeps with the domain under a namespace of its own
    /// (`virDomainGetMetadata`), if there is one: of the definition (`config`), or of the domain that
    /// runs.
    ///
    /// # Errors
    /// What libvirt says; also if it does not run, or has no definition.
    pub fn own_metadata(&self, uri: &str, config: bool) -> Result<Option<String>> {
        without_nul([Some(uri)])?;
        let kind = sys::VIR_DOMAIN_METADATA_ELEMENT.cast_signed();
        let found = self
            .domain
            .metadata(kind, Some(uri), impact(!config, config));
        unless(HypervisorError::is_no_metadata, found)
    }

    /// Keeps an element with the domain under a namespace of the program's own, or takes it away
    /// (`virDomainSetMetadata`): in the domain that runs (`live`), in the definition (`config`), in both,
    /// or with neither in that which counts now. `key` is the prefix under which libvirt prints it.
    ///
    /// # Errors
    /// What libvirt says; also if it does not run, or has no definition.
    pub fn set_own_metadata(
        &self,
        uri: &str,
        key: &str,
        xml: Option<&str>,
        live: bool,
        config: bool,
    ) -> Result<()> {
        without_nul([Some(uri), Some(key), xml])?;
        let kind = sys::VIR_DOMAIN_METADATA_ELEMENT.cast_signed();
        let flags = impact(live, config);
        Ok(self
            .domain
            .set_metadata(kind, xml, Some(key), Some(uri), flags)?)
    }

    /// The job of a disk, if one runs (`virDomainGetBlockJobInfo`). The disk is named by its target or its
    /// path.
    ///
    /// # Errors
    /// What libvirt says.
    pub fn block_job(&self, disk: &str) -> Result<Option<VmBlockJob>> {
        Ok(ffi::block_job(&self.domain, disk)?)
    }

    /// How large a disk is, or the uppermost layer of it (`virDomainGetBlockInfo`). The disk is named by its
    /// target or its path; while the domain runs, QEMU is asked.
    ///
    /// # Errors
    /// What libvirt says.
    pub fn block_info(&self, disk: &str) -> Result<BlockInfo> {
        let info = self.domain.block_info(disk, 0)?;
        Ok(BlockInfo {
            capacity: info.capacity,
            allocation: info.allocation,
            physical: info.physical,
        })
    }
}

/// Asks for statistics without waiting for busy domains, unless the driver does not know how.
fn without_waiting<T>(ask: impl Fn(u32) -> std::result::Result<T, Error>) -> Result<T> {
    let answer = ask(sys::VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
        | sys::VIR_CONNECT_GET_ALL_DOMAINS_STATS_BACKING)
    .map_err(HypervisorError::from);
    match answer {
        Err(error) if error.is_unsupported_flag() => Ok(ask(0)?),
        answer => answer,
    }
}

/// `None` for an error that only says that there is no such thing.
fn unless<T>(
    is_absence: impl Fn(&HypervisorError) -> bool,
    answer: std::result::Result<T, Error>,
) -> Result<Option<T>> {
    match answer.map_err(HypervisorError::from) {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_absence(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn describe(snapshot: &DomainSnapshot) -> std::result::Result<MachineSnapshot, Error> {
    Ok(MachineSnapshot {
        name: snapshot.name()?,
        is_current: snapshot.is_current(0)?,
        xml: snapshot.xml_desc(0)?,
    })
}

fn impact(live: bool, config: bool) -> u32 {
    let live = if live { sys::VIR_DOMAIN_AFFECT_LIVE } else { 0 };
    let config = if config {
        sys::VIR_DOMAIN_AFFECT_CONFIG
    } else {
        0
    };
    live | config
}

/// The wrapper for metadata would panic on a NUL.
fn without_nul<const N: usize>(texts: [Option<&str>; N]) -> Result<()> {
    for text in texts.into_iter().flatten() {
        CString::new(text).map_err(Error::from)?;
    }
    Ok(())
}
