//! The boundary: all of libvirt that the program knows. Nothing outside of this folder names it.
//!
//! Which hypervisor is asked, and where, is the URI's choice; tests choose one, too.

mod error;
mod ffi;
mod memory;
mod notice;
mod query;
mod record;

pub use error::HypervisorError;
pub use memory::GuestMemory;
pub use notice::{Notice, Notices, listen_always};
pub use record::{
    AddressSource, BlockInfo, Control, ControlState, GuestGroups, GuestInterface, MachineSnapshot,
    Record, StatisticsGroups, Value, XmlFlags,
};

use crate::definition::read_domain;
use crate::entity::{
    DomainState, ImageStatus, JobOperation, MemorySize, SavedImage, Verdict, Vm, VmStatic,
    VmStatus, vm_exit, vm_pause_status, vm_status,
};
use crate::interrupt::within;
use crate::report::Kind;
use ffi::{ConnectHandle, DomainHandle};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;
use virt::connect::Connect;
use virt::domain::Domain;
use virt::sys;

/// The oldest libvirt that the program starts with.
pub const OLDEST_LIBVIRT: &str = "8.0.0";
/// The version of the crate by which libvirt is called.
pub const VIRT_CRATE: &str = "0.5.0";

/// The version of libvirt's library here (`virGetVersion`), if it can be told.
#[must_use]
pub fn library_version() -> Option<String> {
    let number = Connect::version().ok()?;
    Some(version_words(number))
}

/// A version as libvirt numbers it, in words.
pub(crate) fn version_words(number: u32) -> String {
    let (major, minor) = (number / 1_000_000, number / 1000 % 1000);
    format!("{major}.{minor}.{}", number % 1000)
}

/// `VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN`.
const MIGRATION_IN: i32 = 4;

/// The first libvirt whose daemon takes `image_format` and `parallel.channels`.
const IMAGE_FORMAT_SINCE: u32 = 11_002_000;

/// How long a domain whose QEMU does not answer may take to tell what libvirt knows by itself.
const STUCK_LIMIT: Duration = Duration::from_secs(2);

/// How long the daemon may take to read the head of an image.
const IMAGE_LIMIT: Duration = Duration::from_secs(10);

type Result<T> = std::result::Result<T, HypervisorError>;

/// Whether a connection may change anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It may look only; most hosts allow that to everybody.
    ReadOnly,
    /// It may do all that its user may.
    ReadWrite,
}

/// A connection to one host's libvirt.
///
/// The calls block until the daemon answers. It may be shared between threads; but see
/// [`Hypervisor::apart`].
#[derive(Debug)]
pub struct Hypervisor {
    connection: Arc<ConnectHandle>,
    uri: String,
    access: Access,
}

impl Hypervisor {
    /// Opens a connection (`virConnectOpen`, `virConnectOpenReadOnly`). Without a URI libvirt's own
    /// rules choose one: `LIBVIRT_DEFAULT_URI`, its configuration, what it finds.
    ///
    /// Nothing is ever asked of a person, so that it cannot wait for one in a script.
    ///
    /// # Errors
    /// What libvirt says.
    pub fn open(uri: Option<&str>, access: Access) -> Result<Self> {
        if uri.is_some_and(|uri| uri.contains('\0')) {
            return Err(HypervisorError {
                code: sys::VIR_ERR_INVALID_ARG,
                domain: sys::VIR_FROM_URI,
                message: "a URI cannot contain NUL".to_owned(),
            });
        }
        // Errors come back as values; libvirt would also print them.
        virt::error::clear_error_callback();
        let connection = ConnectHandle::new(match access {
            Access::ReadOnly => Connect::open_read_only(uri)?,
            Access::ReadWrite => Connect::open(uri)?,
        });
        let connection = Arc::new(connection);
        let uri = connection.uri()?;
        Ok(Self {
            connection,
            uri,
            access,
        })
    }

    /// Another connection to the same daemon, for a call that goes on while others are made; this one
    /// where there can be no other.
    ///
    /// Of two threads that call over one connection the second can wait until the first is done, for its
    /// call is not even sent: libvirt before 10.1 loses the wake-up if the first is just going to wait.
    #[must_use]
    pub fn apart(self: &Arc<Self>) -> Arc<Self> {
        // The test driver's domains are each connection's own.
        let other = self.is_qemu().then(|| self.anew().ok());
        other.flatten().map_or_else(|| Arc::clone(self), Arc::new)
    }

    /// A new connection to where this one leads. libvirt has no way to mend one that was lost.
    ///
    /// # Errors
    /// What libvirt says.
    pub fn anew(&self) -> Result<Self> {
        Self::open(Some(&self.uri), self.access)
    }

    /// The URI of the connection, as libvirt completed it (`virConnectGetURI`).
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Whether it may change anything.
    #[must_use]
    pub fn access(&self) -> Access {
        self.access
    }

    /// Whether the daemon's files are those of this machine, as far as the URI tells: it names no
    /// host and no transport that reaches another one.
    #[must_use]
    pub fn is_local(&self) -> bool {
        let (scheme, rest) = self.uri.split_once("://").unwrap_or((&self.uri, ""));
        let transport = scheme
            .split_once('+')
            .map_or("unix", |(_, transport)| transport);
        transport == "unix" && rest.starts_with('/')
    }

    /// Whether it is libvirt's QEMU driver, whose images we can read.
    #[must_use]
    pub fn is_qemu(&self) -> bool {
        self.uri.starts_with("qemu:") || self.uri.starts_with("qemu+")
    }

    /// The name of the daemon's host (`virConnectGetHostname`).
    ///
    /// # Errors
    /// What libvirt says.
    pub fn host_name(&self) -> Result<String> {
        Ok(self.connection.hostname()?)
    }

    /// libvirt's and the hypervisor's versions on the daemon's host (`virConnectGetLibVersion`,
    /// `virConnectGetVersion`).
    ///
    /// # Errors
    /// What libvirt says.
    pub fn versions(&self) -> Result<(u32, u32)> {
        Ok((
            self.connection.lib_version()?,
            self.connection.hyp_version()?,
        ))
    }

    /// Whether an image's format, and channels, can be asked for: the daemon takes both since libvirt 11.2, and
    /// this machine's own library has the calls for it since 8.4.
    ///
    /// # Errors
    /// What libvirt says.
    pub fn takes_image_format(&self) -> Result<bool> {
        Ok(self.is_qemu()
            && self.connection.lib_version()? >= IMAGE_FORMAT_SINCE
            && ffi::has_image_parameters())
    }

    /// Whether the daemon still answers, whatever its domains do (`virConnectGetLibVersion`). One that
    /// hangs does not say so: the call waits.
    #[must_use]
    pub fn answers(&self) -> bool {
        self.connection.lib_version().is_ok()
    }

    /// Whether the connection itself still stands (`virConnectIsAlive`). The daemon is not asked.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.connection.is_alive().unwrap_or_default()
    }

    /// The domain of this name (`virDomainLookupByName`), if there is one.
    ///
    /// # Errors
    /// What else libvirt says.
    pub fn machine_by_name(&self, name: &str) -> Result<Option<Machine>> {
        if name.contains('\0') {
            return Ok(None);
        }
        self.found(self.connection.lookup_domain_by_name(name))
    }

    /// The domain of this UUID (`virDomainLookupByUUID`), if there is one.
    ///
    /// # Errors
    /// What else libvirt says.
    pub fn machine_by_id(&self, id: Uuid) -> Result<Option<Machine>> {
        self.found(self.connection.lookup_domain_by_uuid(id))
    }

    /// The same domain as seen over this connection.
    ///
    /// # Errors
    /// What libvirt says, also if it does not know the domain any more.
    pub fn same(&self, machine: &Machine) -> Result<Machine> {
        Machine::new(
            self.connection.lookup_domain_by_uuid(machine.id)?,
            &self.connection,
        )
    }

    /// The running domain of this number (`virDomainLookupByID`), if there is one.
    ///
    /// # Errors
    /// What else libvirt says.
    pub fn machine_by_number(&self, number: u32) -> Result<Option<Machine>> {
        self.found(self.connection.lookup_domain_by_id(number))
    }

    /// Defines a domain (`virDomainDefineXML`).
    ///
    /// # Errors
    /// What libvirt says of the XML.
    pub fn define(&self, xml: &str) -> Result<Machine> {
        Machine::new(self.connection.define_domain_xml(xml)?, &self.connection)
    }

    /// The domain that an image on the daemon's host describes (`virDomainSaveImageGetXMLDesc`). The daemon would
    /// wait for ever for what a pipe has to say: that is not waited for.
    ///
    /// # Errors
    /// What libvirt says of the image, or that it does not answer; it never tells over a read-only connection.
    pub fn image_xml(self: &Arc<Self>, path: &str) -> Result<String> {
        let (asked, path) = (Arc::clone(self), path.to_owned());
        let told = within(IMAGE_LIMIT, move || {
            Ok(asked.connection.save_image_xml_desc(&path, 0)?)
        });
        told.unwrap_or_else(|| Err(HypervisorError::silence(IMAGE_LIMIT)))
    }

    /// Brings the domain of an image back (`virDomainRestoreFlags`, with channels `virDomainRestoreParams`).
    /// libvirt leaves the image as it is.
    ///
    /// # Errors
    /// What libvirt says.
    pub fn restore(&self, path: &str, flags: ImageFlags) -> Result<()> {
        if let Some(channels) = flags.channels {
            let result = ffi::restore_by(&self.connection, path, channels.into(), flags.bits());
            return Ok(result.ok_or_else(|| HypervisorError::no_call("virDomainRestoreParams"))??);
        }
        Ok(self
            .connection
            .restore_domain_flags(path, None, flags.bits())?)
    }

    fn found(
        &self,
        domain: std::result::Result<Domain, virt::error::Error>,
    ) -> Result<Option<Machine>> {
        match domain.map_err(HypervisorError::from) {
            Ok(domain) => Machine::new(domain, &self.connection).map(Some),
            Err(error) if error.is_no_domain() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What is known of a VM can speak against images that are good in themselves. That its disks have changed
/// is no wonder once it is known to have run.
fn distrust<'a>(
    images: impl IntoIterator<Item = &'a mut SavedImage>,
    verdict: Verdict,
    words: &str,
) {
    let counts = |image: &&mut SavedImage| match image.verdict {
        Verdict::Good => true,
        Verdict::Stale => verdict == Verdict::Used,
        _ => false,
    };
    for image in images.into_iter().filter(counts) {
        image.verdict = verdict;
        image.flaw = Some(words.to_owned());
    }
}

/// How an image is written and read (`virDomainSaveRestoreFlags`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImageFlags {
    /// Go round the page cache.
    pub bypass_cache: bool,
    /// Run on afterwards (`Some(true)`), stay paused (`Some(false)`), or do as before the save.
    pub running: Option<bool>,
    /// In which of libvirt's formats (`VIR_DOMAIN_SAVE_PARAM_IMAGE_FORMAT`); `None` leaves that to the daemon's
    /// configuration. Of no use where an image is read.
    pub format: Option<&'static str>,
    /// By how many channels at once (`VIR_DOMAIN_SAVE_PARAM_PARALLEL_CHANNELS`). Sparse images only.
    pub channels: Option<u8>,
}

impl ImageFlags {
    fn bits(self) -> u32 {
        let mut bits = 0;
        if self.bypass_cache {
            bits |= sys::VIR_DOMAIN_SAVE_BYPASS_CACHE;
        }
        match self.running {
            Some(true) => bits |= sys::VIR_DOMAIN_SAVE_RUNNING,
            Some(false) => bits |= sys::VIR_DOMAIN_SAVE_PAUSED,
            None => {}
        }
        bits
    }
}

/// A running job of a domain (`virDomainGetJobStats`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Job {
    /// What it does.
    pub operation: Option<JobOperation>,
    /// Bytes in all; 0 in the first moments.
    pub total: u64,
    /// Bytes that are still to be looked at.
    pub remaining: u64,
    /// Bytes that were written. Zero pages are looked at and not written.
    pub processed: u64,
}

impl From<&Record> for Job {
    fn from(record: &Record) -> Self {
        let bytes = |key| record.unsigned(key).unwrap_or_default();
        Self {
            operation: record
                .integer("operation")
                .and_then(|number| i32::try_from(number).ok())
                .map(Into::into),
            total: bytes("data_total"),
            remaining: bytes("data_remaining"),
            processed: bytes("data_processed"),
        }
    }
}

/// One domain of a connection, which it keeps open. Cheap to clone; may be shared between threads.
#[derive(Clone, Debug)]
pub struct Machine {
    domain: Arc<DomainHandle>,
    /// Let go after the domain: the last reference closes the connection, and only [`ConnectHandle`] can do that
    /// without waiting for a silent daemon.
    connection: Arc<ConnectHandle>,
    name: String,
    id: Uuid,
}

impl Machine {
    fn new(domain: Domain, connection: &Arc<ConnectHandle>) -> Result<Self> {
        Self::of(DomainHandle::new(domain), connection)
    }

    fn of(domain: DomainHandle, connection: &Arc<ConnectHandle>) -> Result<Self> {
        Ok(Self {
            name: domain.name()?,
            id: domain.uuid()?,
            domain: Arc::new(domain),
            connection: Arc::clone(connection),
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its UUID.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// State and reason (`virDomainGetState`).
    ///
    /// # Errors
    /// What libvirt says.
    pub fn state(&self) -> Result<DomainState> {
        Ok(ffi::state(&self.domain)?)
    }

    /// Whether libvirt holds a managed save of it (`virDomainHasManagedSaveImage`).
    ///
    /// # Errors
    /// What libvirt says.
    pub fn has_managed_save(&self) -> Result<bool> {
        Ok(self.domain.has_managed_save(0)?)
    }

    /// Gives up libvirt's managed save of it (`virDomainManagedSaveRemove`).
    ///
    /// # Errors
    /// What libvirt says.
    pub fn remove_managed_save(&self) -> Result<()> {
        self.domain.managed_save_remove(0)?;
        Ok(())
    }

    /// Its XML without secrets (`virDomainGetXMLDesc`): live if it runs.
    ///
    /// # Errors
    /// What libvirt says.
    pub fn xml(&self) -> Result<String> {
        Ok(self.domain.xml_desc(0)?)
    }

    /// Whether libvirt keeps its definition when it ends (`virDomainIsPersistent`).
    ///
    /// # Errors
    /// What libvirt says.
    pub fn is_persistent(&self) -> Result<bool> {
        Ok(self.domain.is_persistent()?)
    }

    /// Whether libvirt starts it with the host (`virDomainGetAutostart`).
    ///
    /// # Errors
    /// What libvirt says.
    pub fn autostart(&self) -> Result<bool> {
        Ok(self.domain.autostart()?)
    }

    /// The VM as libvirt knows it, with the images that are known of it: what is configured, and its
    /// state.
    ///
    /// # Errors
    /// What libvirt says.
    pub fn observe(&self, images: Vec<SavedImage>) -> Result<Vm> {
        self.observe_in(self.state()?, images)
    }

    /// The same, where a record of `virConnectGetAllDomainStats` has told the state of all domains at
    /// once.
    ///
    /// # Errors
    /// What libvirt says.
    pub fn observe_record(&self, record: &Record, images: Vec<SavedImage>) -> Result<Vm> {
        self.observe_in(self.state_in(record)?, images)
    }

    fn observe_in(&self, state: DomainState, images: Vec<SavedImage>) -> Result<Vm> {
        // Since libvirt 11 even the XML waits behind a question that QEMU does not answer.
        let xml = if state.is_active() && self.is_stuck() {
            let machine = self.clone();
            within(STUCK_LIMIT, move || machine.xml()).and_then(Result::ok)
        } else {
            Some(self.xml()?)
        };
        // What libvirt prints and we cannot read must not hide the VM: name, UUID and state remain.
        let read = xml.and_then(|xml| read_domain(&xml).ok());
        let vm = read.unwrap_or_else(|| Vm {
            vm_static: VmStatic {
                name: self.name.clone(),
                id: Some(self.id),
                mem_size_mb: self.domain.max_memory().ok().map(MemorySize::from_kib),
                ..VmStatic::default()
            },
            ..Vm::default()
        });
        self.in_state(state, vm, images)
    }

    /// The VM in as many words as a list has: name, UUID, state, memory, vCPUs and images, from a record
    /// of `virConnectGetAllDomainStats`. A driver that tells too little is asked once more
    /// (`virDomainGetInfo`).
    ///
    /// # Errors
    /// What libvirt says.
    pub fn observe_line(&self, record: &Record, images: Vec<SavedImage>) -> Result<Vm> {
        let state = self.state_in(record)?;
        let count = |key: &str| {
            record
                .unsigned(key)
                .and_then(|count| u32::try_from(count).ok())
        };
        let told = count("vcpu.current").zip(record.unsigned("balloon.maximum"));
        let (plugged, memory) = if let Some(told) = told {
            told
        } else {
            let info = self.domain.info()?;
            (info.nr_virt_cpu, info.max_mem)
        };
        let most = count("vcpu.maximum").unwrap_or(plugged);
        let vm = Vm {
            vm_static: VmStatic {
                name: self.name.clone(),
                id: Some(self.id),
                mem_size_mb: Some(MemorySize::from_kib(memory)),
                num_of_sockets: most,
                num_of_cpus: (plugged != most).then_some(plugged),
                ..VmStatic::default()
            },
            ..Vm::default()
        };
        self.in_state(state, vm, images)
    }

    /// The VM in the fewest words: name, UUID, state and images, from a record that tells its state.
    ///
    /// # Errors
    /// What libvirt says.
    pub fn observe_state(&self, record: &Record, images: Vec<SavedImage>) -> Result<Vm> {
        let vm = Vm {
            vm_static: VmStatic {
                name: self.name.clone(),
                id: Some(self.id),
                ..VmStatic::default()
            },
            ..Vm::default()
        };
        self.in_state(self.state_in(record)?, vm, images)
    }

    /// The state that a record tells; a driver that leaves it out is asked.
    fn state_in(&self, record: &Record) -> Result<DomainState> {
        let number = |key: &str| {
            record
                .integer(key)
                .and_then(|number| i32::try_from(number).ok())
        };
        match (number("state.state"), number("state.reason")) {
            (Some(state), Some(reason)) => Ok(DomainState { state, reason }),
            _ => self.state(),
        }
    }

    /// A VM of which the configuration is known, in a state, with its images.
    fn in_state(&self, state: DomainState, mut vm: Vm, mut images: Vec<SavedImage>) -> Result<Vm> {
        let job = if state.job_matters() {
            match self.operation(state) {
                // It was saved until just now: that, and what was seen of its image, was so at the same time.
                Ok(None) if state.is_paused_for_save() && self.state()? != state => {
                    Ok(Some(JobOperation::Save))
                }
                // Something has held its lock for 30 s.
                Err(error) if error.kind() == Kind::Busy => Err(VmStatus::NotResponding),
                other => Ok(other?),
            }
        } else {
            Ok(None)
        };
        if state.stopped_without_save() {
            let words = format!("the VM stopped otherwise since ({})", state.reason_word());
            // A restore that was given up ends the half-started VM by force: that was no run.
            let was_given_up = |image: &SavedImage| {
                image.verdict == Verdict::Good
                    && image.flaw.is_some()
                    && (state.was_destroyed() || state.has_crashed())
            };
            let others = images.iter_mut().filter(|image| !was_given_up(image));
            distrust(others, Verdict::Doubtful, &words);
        }
        if !state.is_active() {
            images.iter_mut().for_each(SavedImage::doubt_if_started);
        }
        let has_image = if state.is_starting_up() {
            !images.is_empty()
        } else {
            images.iter().any(|image| image.verdict == Verdict::Good)
        };
        let status = job.map_or_else(|status| status, |job| vm_status(state, job, has_image));
        if status == VmStatus::SavingState {
            let unfinished = images
                .iter_mut()
                .filter(|image| image.verdict == Verdict::Incomplete);
            for image in unfinished {
                image.flaw = Some("it is being written".to_owned());
            }
        }
        if status.is_alive() {
            distrust(
                &mut images,
                Verdict::Used,
                "the VM runs, and has left it behind",
            );
        }
        let disk_errors = if state.is_paused_on_io_error() {
            ffi::disk_errors(&self.domain).unwrap_or_default()
        } else {
            Vec::new()
        };
        for (target, _) in &disk_errors {
            let mut disks = vm.vm_static.images.iter_mut();
            if let Some(disk) = disks.find(|disk| disk.target_dev.as_ref() == Some(target)) {
                disk.image_status = Some(ImageStatus::Illegal);
            }
        }
        let disk_errors: Vec<_> = disk_errors.into_iter().map(|(_, error)| error).collect();
        let dynamic = vm.vm_dynamic.get_or_insert_default();
        dynamic.id = Some(self.id);
        dynamic.domain_id = self.domain_id().filter(|_| state.is_active());
        dynamic.status = status;
        dynamic.pause_status = vm_pause_status(state, &disk_errors);
        dynamic.status_reason = state.reason_word();
        dynamic.asleep = state.is_asleep();
        if let Some((status, reason)) = vm_exit(state) {
            dynamic.exit_status = Some(status);
            dynamic.exit_reason = Some(reason);
        }
        vm.saved_images = images;
        Ok(vm)
    }

    /// What the running job does, if one runs and the driver tells; of a VM in this state.
    fn operation(&self, state: DomainState) -> Result<Option<JobOperation>> {
        if self.is_stuck() {
            return Ok(state.is_paused_for_save().then_some(JobOperation::Save));
        }
        match self.job() {
            // Where the VM is no longer there, its state tells so.
            Ok(None) if state.is_paused_for_save() && self.holds_job().unwrap_or_default() => {
                Ok(Some(JobOperation::Save))
            }
            Ok(job) => Ok(job.and_then(|job| job.operation)),
            // The test driver has no jobs; an inactive domain has none either.
            Err(error) if error.is_no_support() || error.kind() == Kind::State => Ok(None),
            // Of a migration libvirt tells at the source only.
            Err(error) if error.is_told_at_source_only() => Ok(Some(MIGRATION_IN.into())),
            Err(error) => Err(error),
        }
    }

    /// The running job, if one runs (`virDomainGetJobStats`).
    ///
    /// # Errors
    /// What libvirt says.
    pub fn job(&self) -> Result<Option<Job>> {
        Ok(self.job_record()?.as_ref().map(Job::from))
    }

    /// Whether a job holds it (`virDomainGetJobStats`), also one that has nothing to do any more but to end.
    ///
    /// # Errors
    /// What libvirt says.
    pub fn holds_job(&self) -> Result<bool> {
        Ok(ffi::holds_job(&self.domain)?)
    }

    /// Freezes the vCPUs (`virDomainSuspend`).
    ///
    /// # Errors
    /// What libvirt says.
    pub fn suspend(&self) -> Result<()> {
        Ok(self.domain.suspend().map(drop)?)
    }

    /// Lets the vCPUs go on (`virDomainResume`).
    ///
    /// # Errors
    /// What libvirt says.
    pub fn resume(&self) -> Result<()> {
        Ok(self.domain.resume().map(drop)?)
    }

    /// Wakes a guest that put itself to sleep (`virDomainPMWakeup`).
    ///
    /// # Errors
    /// What libvirt says.
    pub fn wake_up(&self) -> Result<()> {
        Ok(self.domain.pm_wakeup(0).map(drop)?)
    }

    /// Boots it, or restores its managed save (`virDomainCreateWithFlags`).
    ///
    /// # Errors
    /// What libvirt says.
    pub fn start(&self, paused: bool, bypass_cache: bool) -> Result<()> {
        let mut flags = 0;
        if paused {
            flags |= sys::VIR_DOMAIN_START_PAUSED;
        }
        if bypass_cache {
            flags |= sys::VIR_DOMAIN_START_BYPASS_CACHE;
        }
        Ok(self.domain.create_with_flags(flags).map(drop)?)
    }

    /// Makes libvirt forget it (`virDomainUndefineFlags`), but for its NVRAM file.
    ///
    /// # Errors
    /// What libvirt says.
    pub fn undefine(&self) -> Result<()> {
        Ok(self
            .domain
            .undefine_flags(sys::VIR_DOMAIN_UNDEFINE_KEEP_NVRAM)
            .map(drop)?)
    }

    /// Writes its memory to a new file on the daemon's host and stops it (`virDomainSaveFlags`, with a format
    /// or channels `virDomainSaveParams`). Returns when all is done.
    ///
    /// # Errors
    /// What libvirt says; then the domain is as it was before, unless QEMU died.
    pub fn save(&self, path: &str, flags: ImageFlags) -> Result<()> {
        if flags.format.is_some() || flags.channels.is_some() {
            let channels = flags.channels.map(Into::into);
            let result = ffi::save_as(&self.domain, path, flags.format, channels, flags.bits());
            return Ok(result.ok_or_else(|| HypervisorError::no_call("virDomainSaveParams"))??);
        }
        Ok(ffi::save(&self.domain, path, flags.bits())?)
    }

    /// The same into a file that libvirt keeps itself, and that the next start of the domain restores
    /// (`virDomainManagedSave`).
    ///
    /// # Errors
    /// As [`Machine::save`]; also if libvirt has no definition of it.
    pub fn managed_save(&self, flags: ImageFlags) -> Result<()> {
        Ok(self.domain.managed_save(flags.bits()).map(drop)?)
    }

    /// The domain that the managed save describes (`virDomainManagedSaveGetXMLDesc`). libvirt reads the
    /// head of the file for that, and leaves it alone also if it is no good.
    ///
    /// # Errors
    /// What libvirt says of the file, or that there is none.
    pub fn managed_save_xml(&self) -> Result<String> {
        Ok(ffi::managed_save_xml(&self.domain)?)
    }

    /// Ends it at once, and with it all that is in its memory (`virDomainDestroy`).
    ///
    /// # Errors
    /// What libvirt says, also if it does not run.
    pub fn destroy(&self) -> Result<()> {
        Ok(self.domain.destroy().map(drop)?)
    }

    /// Asks the running job to end (`virDomainAbortJob`). The call that started the job tells how it
    /// ended.
    ///
    /// # Errors
    /// What libvirt says, also if no job runs yet.
    pub fn abort_job(&self) -> Result<()> {
        Ok(ffi::abort_job(&self.domain)?)
    }
}
