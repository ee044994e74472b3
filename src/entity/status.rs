//! The life-cycle status of a VM, and how it follows from what libvirt and the image place tell.

use super::enumeration::ovirt_enum;
use super::{VmExitReason, VmExitStatus};

ovirt_enum! {
    /// oVirt's `VMStatus`: where a VM is in its life.
    pub enum VmStatus {
        /// A state that nobody knows a name for.
        Unassigned = -1 "Unassigned",
        /// Powered off, and no image of its memory exists.
        Down = 0 "Down",
        /// The guest runs.
        Up = 1 "Up",
        /// The process runs, the guest is not yet known to be up.
        PoweringUp = 2 "PoweringUp",
        /// The vCPUs stand still, the memory stays allocated.
        Paused = 4 "Paused",
        /// Leaving this host.
        MigratingFrom = 5 "MigratingFrom",
        /// Arriving at this host.
        MigratingTo = 6 "MigratingTo",
        /// The host cannot be reached.
        Unknown = 7 "Unknown",
        /// The VM's monitor does not answer.
        NotResponding = 8 "NotResponding",
        /// Being created.
        WaitForLaunch = 9 "WaitForLaunch",
        /// The guest restarts.
        RebootInProgress = 10 "RebootInProgress",
        /// Its memory is being written to an image.
        SavingState = 11 "SavingState",
        /// Its memory is being read from an image.
        RestoringState = 12 "RestoringState",
        /// Its memory lies in an image, and no process runs.
        Suspended = 13 "Suspended",
        /// One of its disks is bad.
        ImageIllegal = 14 "ImageIllegal",
        /// A disk operation holds it.
        ImageLocked = 15 "ImageLocked",
        /// The guest has been asked to power off.
        PoweringDown = 16 "PoweringDown",
    }
}

impl VmStatus {
    /// Whether a process of it exists: oVirt's "running or paused", with what is on its way there.
    #[must_use]
    pub const fn is_active(self) -> bool {
        match self {
            Self::Up
            | Self::PoweringUp
            | Self::Paused
            | Self::MigratingFrom
            | Self::MigratingTo
            | Self::NotResponding
            | Self::WaitForLaunch
            | Self::RebootInProgress
            | Self::SavingState
            | Self::RestoringState
            | Self::PoweringDown => true,
            Self::Unassigned
            | Self::Down
            | Self::Unknown
            | Self::Suspended
            | Self::ImageIllegal
            | Self::ImageLocked => false,
        }
    }

    /// Whether the guest runs, as far as that can be told: its vCPUs go on.
    #[must_use]
    pub const fn is_running(self) -> bool {
        matches!(
            self,
            Self::Up
                | Self::PoweringUp
                | Self::MigratingFrom
                | Self::RebootInProgress
                | Self::PoweringDown
        )
    }

    /// Whether its memory is alive in a process, so that every image of it is left behind.
    #[must_use]
    pub const fn is_alive(self) -> bool {
        match self {
            Self::SavingState | Self::RestoringState | Self::WaitForLaunch => false,
            other => other.is_active(),
        }
    }
}

ovirt_enum! {
    /// oVirt's `VmPauseStatus`: why a VM is paused.
    pub enum VmPauseStatus {
        /// It is not paused.
        None = 0 "NONE",
        /// Some error stopped it.
        Eother = 1 "EOTHER",
        /// A disk could not be read or written.
        Eio = 2 "EIO",
        /// A disk had no room left.
        Enospc = 3 "ENOSPC",
        /// A disk could not be accessed.
        Eperm = 4 "EPERM",
        /// Somebody asked for it.
        Noerr = 5 "NOERR",
        /// It is the source of a post-copy migration.
        Postcopy = 6 "POSTCOPY",
    }
}

impl VmPauseStatus {
    /// Whether an error, not a wish, stopped the VM.
    #[must_use]
    pub const fn is_error(self) -> bool {
        match self {
            Self::Eother | Self::Eio | Self::Enospc | Self::Eperm => true,
            Self::None | Self::Noerr | Self::Postcopy => false,
        }
    }
}

/// State and reason as libvirt numbers them (`virDomainGetState`).
///
/// A newer libvirt may send numbers that have no name here: they are kept, and shown as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DomainState {
    /// `virDomainState`.
    pub state: i32,
    /// The reason, numbered anew within each state.
    pub reason: i32,
}

/// `virDomainState` and those of its reasons that decide something, under libvirt's names.
mod number {
    pub(super) const RUNNING: i32 = 1;
    pub(super) const RUNNING_RESTORED: i32 = 3;
    pub(super) const RUNNING_POSTCOPY: i32 = 10;
    pub(super) const RUNNING_POSTCOPY_FAILED: i32 = 11;
    pub(super) const BLOCKED: i32 = 2;
    pub(super) const PAUSED: i32 = 3;
    pub(super) const PAUSED_MIGRATION: i32 = 2;
    pub(super) const PAUSED_SAVE: i32 = 3;
    pub(super) const PAUSED_IOERROR: i32 = 5;
    pub(super) const PAUSED_SHUTTING_DOWN: i32 = 8;
    pub(super) const PAUSED_STARTING_UP: i32 = 11;
    pub(super) const PAUSED_POSTCOPY: i32 = 12;
    pub(super) const PAUSED_POSTCOPY_FAILED: i32 = 13;
    pub(super) const SHUTDOWN: i32 = 4;
    pub(super) const SHUTOFF: i32 = 5;
    pub(super) const SHUTOFF_SHUTDOWN: i32 = 1;
    pub(super) const SHUTOFF_DESTROYED: i32 = 2;
    pub(super) const SHUTOFF_CRASHED: i32 = 3;
    pub(super) const SHUTOFF_MIGRATED: i32 = 4;
    pub(super) const SHUTOFF_SAVED: i32 = 5;
    pub(super) const SHUTOFF_FAILED: i32 = 6;
    pub(super) const SHUTOFF_FROM_SNAPSHOT: i32 = 7;
    pub(super) const CRASHED: i32 = 6;
    pub(super) const PMSUSPENDED: i32 = 7;
}

/// The reasons of each state in the words of `virsh domstate --reason`.
const REASONS: [(&str, &[&str]); 8] = [
    ("no state", &["unknown"]),
    (
        "running",
        &[
            "unknown",
            "booted",
            "migrated",
            "restored",
            "from snapshot",
            "unpaused",
            "migration canceled",
            "save canceled",
            "event wakeup",
            "crashed",
            "post-copy",
            "post-copy failed",
        ],
    ),
    ("idle", &["unknown"]),
    (
        "paused",
        &[
            "unknown",
            "user",
            "migrating",
            "saving",
            "dumping",
            "I/O error",
            "watchdog",
            "from snapshot",
            "shutting down",
            "creating snapshot",
            "crashed",
            "starting up",
            "post-copy",
            "post-copy failed",
            "API error",
        ],
    ),
    ("in shutdown", &["unknown", "user"]),
    (
        "shut off",
        &[
            "unknown",
            "shutdown",
            "destroyed",
            "crashed",
            "migrated",
            "saved",
            "failed",
            "from snapshot",
            "daemon",
        ],
    ),
    ("crashed", &["unknown", "panicked"]),
    ("pmsuspended", &["unknown"]),
];

impl DomainState {
    /// What a domain is that libvirt does not know: off, for no reason known.
    pub const ABSENT: Self = Self {
        state: number::SHUTOFF,
        reason: 0,
    };

    /// libvirt's word for the state, as virsh prints it.
    #[must_use]
    pub fn state_word(self) -> String {
        self.names().map_or_else(
            || format!("state {}", self.state),
            |(word, _)| word.to_owned(),
        )
    }

    /// libvirt's word for the reason, as virsh prints it.
    #[must_use]
    pub fn reason_word(self) -> String {
        let word = usize::try_from(self.reason)
            .ok()
            .and_then(|reason| self.names()?.1.get(reason));
        word.map_or_else(
            || format!("reason {}", self.reason),
            |word| (*word).to_owned(),
        )
    }

    fn names(self) -> Option<(&'static str, &'static [&'static str])> {
        REASONS.get(usize::try_from(self.state).ok()?).copied()
    }

    /// Whether the guest put itself to sleep (ACPI S3): only a wake-up helps, not a resume.
    #[must_use]
    pub const fn is_asleep(self) -> bool {
        self.state == number::PMSUSPENDED
    }

    /// Whether it is active because it was restored from an image. While it stays paused after that,
    /// libvirt's reason is "migrating".
    #[must_use]
    pub const fn is_restored(self) -> bool {
        matches!(
            (self.state, self.reason),
            (number::RUNNING, number::RUNNING_RESTORED)
                | (number::PAUSED, number::PAUSED_MIGRATION)
        )
    }

    /// Whether its vCPUs go on.
    #[must_use]
    pub const fn is_running(self) -> bool {
        matches!(self.state, number::RUNNING | number::BLOCKED)
    }

    /// Whether a process of it exists.
    #[must_use]
    pub const fn is_active(self) -> bool {
        !matches!(self.state, number::SHUTOFF | number::CRASHED)
    }

    /// Whether libvirt remembers that it stopped otherwise than by a save: then it may have run since
    /// an image of it was written.
    #[must_use]
    pub const fn stopped_without_save(self) -> bool {
        self.state == number::SHUTOFF
            && matches!(
                self.reason,
                number::SHUTOFF_SHUTDOWN
                    | number::SHUTOFF_DESTROYED
                    | number::SHUTOFF_CRASHED
                    | number::SHUTOFF_MIGRATED
                    | number::SHUTOFF_FROM_SNAPSHOT
            )
    }

    /// Whether it was paused for a save, which may be over: without a job libvirt could not let it run again
    /// after a save that failed.
    #[must_use]
    pub const fn is_paused_for_save(self) -> bool {
        self.state == number::PAUSED && self.reason == number::PAUSED_SAVE
    }

    /// Whether it is being started, from an image or anew.
    #[must_use]
    pub const fn is_starting_up(self) -> bool {
        self.state == number::PAUSED && self.reason == number::PAUSED_STARTING_UP
    }

    /// Whether its memory was loaded from an image, and its vCPUs have not run since, as far as libvirt
    /// can tell: its reason is then "migrating".
    #[must_use]
    pub const fn is_loaded(self) -> bool {
        self.state == number::PAUSED && self.reason == number::PAUSED_MIGRATION
    }

    /// Whether libvirt remembers that its process died, or that it ended a process itself that it found
    /// half-started when it came back.
    #[must_use]
    pub const fn has_crashed(self) -> bool {
        self.state == number::SHUTOFF && self.reason == number::SHUTOFF_CRASHED
    }

    /// Whether libvirt remembers that somebody ended it by force.
    #[must_use]
    pub const fn was_destroyed(self) -> bool {
        self.state == number::SHUTOFF && self.reason == number::SHUTOFF_DESTROYED
    }

    /// Whether disk errors are worth asking for.
    #[must_use]
    pub const fn is_paused_on_io_error(self) -> bool {
        self.state == number::PAUSED && self.reason == number::PAUSED_IOERROR
    }

    /// Whether asking for the job can tell more, and cannot block.
    ///
    /// While a domain starts or is restored libvirt lets a question for its job wait 30 s.
    #[must_use]
    pub const fn job_matters(self) -> bool {
        match self.state {
            number::RUNNING | number::BLOCKED => true,
            number::PAUSED => self.reason != number::PAUSED_STARTING_UP,
            _ => false,
        }
    }
}

/// What a running job does (`virDomainJobOperation`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobOperation {
    /// Number 2.
    Save,
    /// Number 3.
    Restore,
    /// Number 4.
    MigrationIn,
    /// Number 5.
    MigrationOut,
    /// Any other number: starting, snapshots, dumps, backups.
    Other(i32),
}

impl From<i32> for JobOperation {
    fn from(number: i32) -> Self {
        match number {
            2 => Self::Save,
            3 => Self::Restore,
            4 => Self::MigrationIn,
            5 => Self::MigrationOut,
            other => Self::Other(other),
        }
    }
}

/// oVirt's status of a domain in this state, with this job under way.
///
/// `has_image` is whether an image that can be restored lies in its place, or libvirt holds a
/// managed save; of a domain that starts up, whether there is an image at all. The reason "saved" is
/// never trusted for that: it dies with the daemon, and it says nothing about the image.
///
/// `PoweringUp` needs a guest agent's word, `ImageIllegal` and `ImageLocked` a look at the disks, and
/// `NotResponding` a call that failed: they do not come from here.
#[must_use]
pub fn vm_status(domain: DomainState, job: Option<JobOperation>, has_image: bool) -> VmStatus {
    match (domain.state, domain.reason, job) {
        (number::RUNNING | number::BLOCKED | number::PAUSED, _, Some(JobOperation::Save)) => {
            VmStatus::SavingState
        }
        (number::PAUSED, number::PAUSED_STARTING_UP, _) if has_image => VmStatus::RestoringState,
        (number::PAUSED, number::PAUSED_STARTING_UP, _) => VmStatus::WaitForLaunch,
        (number::PAUSED, number::PAUSED_MIGRATION, Some(JobOperation::Restore)) => {
            VmStatus::RestoringState
        }
        (number::PAUSED, number::PAUSED_MIGRATION, Some(JobOperation::MigrationOut))
        | (number::RUNNING | number::BLOCKED, _, Some(JobOperation::MigrationOut)) => {
            VmStatus::MigratingFrom
        }
        (number::PAUSED, number::PAUSED_MIGRATION, Some(JobOperation::MigrationIn))
        | (number::RUNNING, number::RUNNING_POSTCOPY | number::RUNNING_POSTCOPY_FAILED, _) => {
            VmStatus::MigratingTo
        }
        (number::PAUSED, number::PAUSED_SHUTTING_DOWN, _) | (number::SHUTDOWN, _, _) => {
            VmStatus::PoweringDown
        }
        // Also "paused (migrating)" without a job: that is how a restored, not resumed domain looks; and "paused
        // (saving)" without one: a save failed, and libvirt could not let the guest run again.
        (number::PAUSED | number::PMSUSPENDED, _, _) => VmStatus::Paused,
        (number::RUNNING | number::BLOCKED, _, _) => VmStatus::Up,
        (number::SHUTOFF, _, _) if has_image => VmStatus::Suspended,
        (number::SHUTOFF | number::CRASHED, _, _) => VmStatus::Down,
        _ => VmStatus::Unassigned,
    }
}

/// How and why a domain that is off ended, as far as libvirt remembers; a daemon that was restarted
/// since does not.
#[must_use]
pub fn vm_exit(domain: DomainState) -> Option<(VmExitStatus, VmExitReason)> {
    use {VmExitReason as Reason, VmExitStatus as Status};
    if domain.state == number::CRASHED {
        return Some((Status::Error, Reason::GenericError));
    }
    if domain.state != number::SHUTOFF {
        return None;
    }
    Some(match domain.reason {
        number::SHUTOFF_SHUTDOWN => (Status::Normal, Reason::UserShutdown),
        number::SHUTOFF_DESTROYED => (Status::Normal, Reason::AdminShutdown),
        number::SHUTOFF_CRASHED => (Status::Error, Reason::GenericError),
        number::SHUTOFF_MIGRATED => (Status::Normal, Reason::MigrationSucceeded),
        number::SHUTOFF_SAVED => (Status::Normal, Reason::SaveStateSucceeded),
        number::SHUTOFF_FAILED => (Status::Error, Reason::LibvirtStartFailed),
        number::SHUTOFF_FROM_SNAPSHOT => (Status::Normal, Reason::Success),
        _ => return None,
    })
}

/// An error that a disk reports (`virDomainGetDiskErrors`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskError {
    /// It could not be read or written.
    Unspecified,
    /// It had no room left.
    NoSpace,
}

/// oVirt's pause status of a domain in this state. A lack of space is told before other errors,
/// since it is the one that can be cured while the guest waits.
#[must_use]
pub fn vm_pause_status(domain: DomainState, disk_errors: &[DiskError]) -> VmPauseStatus {
    match (domain.state, domain.reason) {
        (number::PAUSED, number::PAUSED_IOERROR) => {
            if disk_errors.contains(&DiskError::NoSpace) {
                VmPauseStatus::Enospc
            } else if disk_errors.is_empty() {
                VmPauseStatus::Eother
            } else {
                VmPauseStatus::Eio
            }
        }
        (number::PAUSED, number::PAUSED_POSTCOPY | number::PAUSED_POSTCOPY_FAILED) => {
            VmPauseStatus::Postcopy
        }
        (number::PAUSED | number::PMSUSPENDED, _) => VmPauseStatus::Noerr,
        _ => VmPauseStatus::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(state: i32, reason: i32) -> DomainState {
        DomainState { state, reason }
    }

    #[test]
    fn a_saved_reason_without_an_image_is_down_and_an_image_alone_makes_it_suspended() {
        assert_eq!(vm_status(at(5, 5), None, false), VmStatus::Down);
        assert_eq!(vm_status(at(5, 0), None, true), VmStatus::Suspended);
    }

    #[test]
    fn paused_migrating_without_a_job_is_a_restored_domain_that_waits() {
        assert_eq!(vm_status(at(3, 2), None, false), VmStatus::Paused);
        assert_eq!(
            vm_status(at(3, 2), Some(JobOperation::MigrationIn), false),
            VmStatus::MigratingTo
        );
        assert_eq!(
            vm_status(at(3, 2), Some(JobOperation::MigrationOut), false),
            VmStatus::MigratingFrom
        );
    }

    #[test]
    fn a_source_that_runs_after_the_copy_is_still_the_source() {
        let out = Some(JobOperation::MigrationOut);
        assert_eq!(vm_status(at(1, 10), out, false), VmStatus::MigratingFrom);
        assert_eq!(vm_status(at(1, 1), out, false), VmStatus::MigratingFrom);
    }

    #[test]
    fn a_save_is_seen_by_its_job_and_its_reason_outlives_it() {
        let save = Some(JobOperation::Save);
        assert_eq!(vm_status(at(3, 3), save, false), VmStatus::SavingState);
        assert_eq!(vm_status(at(1, 1), save, false), VmStatus::SavingState);
        assert_eq!(vm_status(at(3, 3), None, false), VmStatus::Paused);
    }

    #[test]
    fn starting_up_with_an_image_is_a_restore() {
        assert_eq!(vm_status(at(3, 11), None, true), VmStatus::RestoringState);
        assert_eq!(vm_status(at(3, 11), None, false), VmStatus::WaitForLaunch);
    }

    #[test]
    fn every_ordinary_state_has_its_status() {
        for (state, reason, status) in [
            (0, 0, VmStatus::Unassigned),
            (1, 1, VmStatus::Up),
            (1, 7, VmStatus::Up),
            (1, 10, VmStatus::MigratingTo),
            (1, 11, VmStatus::MigratingTo),
            (2, 0, VmStatus::Up),
            (3, 1, VmStatus::Paused),
            (3, 5, VmStatus::Paused),
            (3, 8, VmStatus::PoweringDown),
            (3, 99, VmStatus::Paused),
            (4, 1, VmStatus::PoweringDown),
            (5, 3, VmStatus::Down),
            (6, 1, VmStatus::Down),
            (7, 0, VmStatus::Paused),
            (42, 0, VmStatus::Unassigned),
        ] {
            assert_eq!(
                vm_status(at(state, reason), None, false),
                status,
                "{state}/{reason}"
            );
        }
    }

    #[test]
    fn the_worst_curable_disk_error_names_the_pause() {
        use DiskError::{NoSpace, Unspecified};
        assert_eq!(
            vm_pause_status(at(3, 5), &[Unspecified, NoSpace]),
            VmPauseStatus::Enospc
        );
        assert_eq!(
            vm_pause_status(at(3, 5), &[Unspecified]),
            VmPauseStatus::Eio
        );
        assert_eq!(vm_pause_status(at(3, 5), &[]), VmPauseStatus::Eother);
        assert_eq!(vm_pause_status(at(3, 12), &[]), VmPauseStatus::Postcopy);
        assert_eq!(vm_pause_status(at(3, 1), &[]), VmPauseStatus::Noerr);
        assert_eq!(vm_pause_status(at(7, 0), &[]), VmPauseStatus::Noerr);
        assert_eq!(vm_pause_status(at(1, 1), &[NoSpace]), VmPauseStatus::None);
    }

    #[test]
    fn a_domain_that_is_off_tells_how_it_ended_unless_its_daemon_forgot() {
        use {VmExitReason as Reason, VmExitStatus as Status};
        for (state, reason, exit) in [
            (5, 1, Some((Status::Normal, Reason::UserShutdown))),
            (5, 2, Some((Status::Normal, Reason::AdminShutdown))),
            (5, 3, Some((Status::Error, Reason::GenericError))),
            (5, 4, Some((Status::Normal, Reason::MigrationSucceeded))),
            (5, 5, Some((Status::Normal, Reason::SaveStateSucceeded))),
            (5, 6, Some((Status::Error, Reason::LibvirtStartFailed))),
            (5, 7, Some((Status::Normal, Reason::Success))),
            (5, 0, None),
            (6, 1, Some((Status::Error, Reason::GenericError))),
            (1, 1, None),
        ] {
            assert_eq!(vm_exit(at(state, reason)), exit, "{state}/{reason}");
        }
    }

    #[test]
    fn numbers_without_a_name_are_shown_as_numbers() {
        assert_eq!(at(1, 77).reason_word(), "reason 77");
        assert_eq!(at(9, 1).state_word(), "state 9");
        assert_eq!(at(-1, -1).state_word(), "state -1");
        assert_eq!(at(5, 5).reason_word(), "saved");
    }

    #[test]
    fn codes_and_words_are_those_of_ovirt() {
        let codes: Vec<i32> = VmStatus::ALL.iter().map(|status| status.code()).collect();
        assert_eq!(
            codes,
            [-1, 0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]
        );
        assert_eq!(
            VmStatus::from_word("savingSTATE"),
            Some(VmStatus::SavingState)
        );
        let codes: Vec<i32> = VmPauseStatus::ALL
            .iter()
            .map(|status| status.code())
            .collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6]);
    }
}
