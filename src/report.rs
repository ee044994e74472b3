//! What became of a command: events while it runs, outcomes and the exit status at its end.

use crate::entity::{SavedImage, Vm, VmStatus};
use crate::plan::{Step, Verb};
use crate::words::{size, time};
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use std::fmt::{self, Display};
use std::path::PathBuf;
use std::time::Duration;
use uuid::Uuid;

/// The kinds of end that a command, or its part for one VM, can come to. Each has its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Done, or already so.
    Done,
    /// Any other failure.
    Failed,
    /// A mistake in the command line or in a file.
    Usage,
    /// A VM is otherwise than its definition says (`show --diff`).
    Differs,
    /// Not all VMs run (`show --exit-state`).
    NotRunning,
    /// Some VMs were done and some failed, or they failed in different ways.
    Mixed,
    /// No such VM, no such image, or nothing that matches.
    NotFound,
    /// The state of the VM forbids it.
    State,
    /// The VM cannot be saved: a device or the driver is in the way.
    CannotSave,
    /// A guard refused: the image is used, damaged, foreign, or something would be overwritten.
    Guard,
    /// Not enough space.
    Space,
    /// A job or another vmlife holds the VM.
    Busy,
    /// No connection, or no permission.
    Connection,
    /// The time limit passed.
    TimedOut,
    /// A signal of this number cancelled it.
    Cancelled(u8),
}

impl Kind {
    /// Every kind; of the signals SIGINT stands for all.
    pub const ALL: [Self; 13] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::Mixed,
        Self::NotFound,
        Self::State,
        Self::CannotSave,
        Self::Guard,
        Self::Space,
        Self::Busy,
        Self::Connection,
        Self::TimedOut,
        Self::Cancelled(2),
    ];

    /// The exit code.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed | Self::Differs => 1,
            Self::Usage => 2,
            // As systemctl says it.
            Self::Mixed | Self::NotRunning => 3,
            Self::NotFound => 4,
            Self::State => 5,
            Self::CannotSave => 6,
            Self::Guard => 7,
            Self::Space => 8,
            Self::Busy => 9,
            Self::Connection => 10,
            Self::TimedOut => 124,
            Self::Cancelled(signal) => 128_u8.saturating_add(signal),
        }
    }

    /// What the exit code means, for help and manual. The same words stand in README.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done, or already so",
            Self::Failed | Self::Differs => "any other failure; show --diff found differences",
            Self::Usage => "usage, or a bad file",
            Self::Mixed | Self::NotRunning => {
                "some done and some failed, or failed in different ways; show --exit-state: not running"
            }
            Self::NotFound => "no such VM or image, no match",
            Self::State => "the VM's state forbids it",
            Self::CannotSave => "the VM cannot be saved (a device, the driver)",
            Self::Guard => {
                "refused by a guard: image used, stale, damaged, foreign; would overwrite"
            }
            Self::Space => "not enough space",
            Self::Busy => "busy: a job or another vmlife holds the VM",
            Self::Connection => "no connection, or no permission",
            Self::TimedOut => "time limit; with --wait the VM is back, and its guest has not come",
            Self::Cancelled(1) => "cancelled by HUP",
            Self::Cancelled(15) => "cancelled by TERM",
            Self::Cancelled(_) => "cancelled by INT",
        }
    }

    /// The kind's name in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Differs => "differs",
            Self::NotRunning => "notRunning",
            Self::Mixed => "mixed",
            Self::NotFound => "notFound",
            Self::State => "state",
            Self::CannotSave => "cannotSave",
            Self::Guard => "guard",
            Self::Space => "space",
            Self::Busy => "busy",
            Self::Connection => "connection",
            Self::TimedOut => "timedOut",
            Self::Cancelled(_) => "cancelled",
        }
    }

    /// The verdict over several ends: a cancel or time limit before all, else what they have in
    /// common, else [`Kind::Mixed`]. Nothing at all is done.
    #[must_use]
    pub fn merge(kinds: impl IntoIterator<Item = Self>) -> Self {
        kinds
            .into_iter()
            .reduce(|all, next| match (all, next) {
                (end @ (Self::Cancelled(_) | Self::TimedOut), _)
                | (_, end @ (Self::Cancelled(_) | Self::TimedOut)) => end,
                (all, next) if all == next => all,
                _ => Self::Mixed,
            })
            .unwrap_or(Self::Done)
    }
}

#[cfg(test)]
impl schemars::JsonSchema for Kind {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Kind".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let words = Self::ALL.map(Self::word);
        schemars::json_schema!({ "type": "string", "enum": words })
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

/// Why something did not happen, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[error("{message}")]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// What kind of failure it is.
    pub kind: Kind,
    /// What was tried and what was in the way, as a sentence.
    pub message: String,
    /// The words of the one who refused: libvirt's or the file system's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// libvirt's number of the error, if it was libvirt's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub libvirt_error: Option<LibvirtErrorNumber>,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What else there is to know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Whether nothing was tried: something else stood in the way, and the VM is as it was. Absent if not.
    #[serde(skip_serializing_if = "is_not")]
    pub not_attempted: bool,
}

/// The numbers of one of libvirt's errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LibvirtErrorNumber {
    /// What went wrong (`virErrorNumber`).
    pub code: u32,
    /// The part of libvirt that says so (`virErrorDomain`).
    pub domain: u32,
}

/// How it is said that nothing was tried.
const NOT_ATTEMPTED: &str = "was not attempted";

impl Failure {
    /// A failure of our own finding.
    #[must_use]
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            cause: None,
            libvirt_error: None,
            hint: None,
            warnings: Vec::new(),
            not_attempted: false,
        }
    }

    /// Nothing was tried with a VM, for a reason that is not its own.
    #[must_use]
    pub fn not_attempted(kind: Kind, why: impl Display) -> Self {
        Self {
            not_attempted: true,
            ..Self::new(kind, format!("{NOT_ATTEMPTED}: {why}"))
        }
    }

    /// The same of a VM with which something was tried before.
    #[must_use]
    pub fn after_all(mut self, tried: &str) -> Self {
        if let Some(why) = self.message.strip_prefix(NOT_ATTEMPTED) {
            self.message = format!("was not {tried}{why}");
        }
        self.not_attempted = false;
        self
    }

    /// The same, with what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, with what else there is to know.
    #[must_use]
    pub fn warned(mut self, warnings: Vec<String>) -> Self {
        self.warnings.extend(warnings);
        self
    }

    /// The same, with somebody's own words.
    #[must_use]
    pub fn because(mut self, cause: &impl ToString) -> Self {
        self.cause = Some(cause.to_string());
        self
    }
}

/// What is absent where it is not so.
#[expect(clippy::trivially_copy_pass_by_ref)] // Serde hands it over so.
fn is_not(flag: &bool) -> bool {
    !flag
}

/// The VM that something is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct VmRef {
    /// Its host, if there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Its name.
    pub name: String,
    /// Its UUID; absent for a definition that leaves it to libvirt and was never defined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
}

impl From<&Vm> for VmRef {
    fn from(vm: &Vm) -> Self {
        Self {
            host: vm.host.clone(),
            name: vm.name().to_owned(),
            id: vm.id(),
        }
    }
}

impl Display for VmRef {
    /// Its name, behind its host's if there are several: "rack-1/web".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) => write!(f, "{host}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// What became of one VM.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The VM.
    #[serde(flatten)]
    pub vm: VmRef,
    /// How it ended.
    pub kind: Kind,
    /// What the command did, or would do if it is a dry run; absent if it did nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<Step>,
    /// Whether the VM is another one now than before.
    pub changed: bool,
    /// The status at the beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_before: Option<VmStatus>,
    /// The status at the end, if it could be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<VmStatus>,
    /// The image that was written or read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<PathBuf>,
    /// The size of that image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// How long it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// What a dry run expects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimate: Option<Estimate>,
    /// The guest's clock, if the guest goes on after it stood still.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock: Option<Clock>,
    /// A sentence that says it all, without the VM's name.
    pub message: String,
    /// Words of the one who refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// libvirt's number of the error, if it was libvirt's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub libvirt_error: Option<LibvirtErrorNumber>,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What else there is to know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Whether nothing was tried: something else stood in the way, and the VM is as it was. Absent if not.
    #[serde(skip_serializing_if = "is_not")]
    pub not_attempted: bool,
}

impl Outcome {
    /// A good end.
    #[must_use]
    pub fn done(vm: VmRef, message: impl Into<String>) -> Self {
        Self {
            vm,
            kind: Kind::Done,
            step: None,
            changed: false,
            status_before: None,
            status: None,
            image: None,
            size_bytes: None,
            seconds: None,
            estimate: None,
            clock: None,
            message: message.into(),
            cause: None,
            libvirt_error: None,
            hint: None,
            warnings: Vec::new(),
            not_attempted: false,
        }
    }

    /// The same, with what else there is to know.
    #[must_use]
    pub fn warned(mut self, warnings: Vec<String>) -> Self {
        self.warnings.extend(warnings);
        self
    }

    /// A bad end.
    #[must_use]
    pub fn failed(vm: VmRef, failure: Failure) -> Self {
        Self {
            kind: failure.kind,
            cause: failure.cause,
            libvirt_error: failure.libvirt_error,
            hint: failure.hint,
            warnings: failure.warnings,
            not_attempted: failure.not_attempted,
            ..Self::done(vm, failure.message)
        }
    }
}

/// How large an image is going to be, or is, and how long that may take.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Estimate {
    /// The size of the image, in bytes.
    pub size_bytes: u64,
    /// Whether that is the most that it can be: it is yet to be written.
    pub at_most: bool,
    /// The room that there is for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free_bytes: Option<u64>,
    /// How long it may take, at this rate.
    pub seconds: f64,
    /// The rate that is reckoned with, in bytes each second.
    pub bytes_per_second: u64,
    /// Whether that rate was measured, when the image was saved; else it is just assumed.
    pub measured: bool,
}

impl Estimate {
    /// A rate that a plain disk reaches.
    const ASSUMED_RATE: u64 = 200 * 1024 * 1024;

    /// The estimate for an image that is yet to be written, beside the room for it.
    #[must_use]
    pub fn of_save(most: u64, free_bytes: Option<u64>) -> Self {
        Self {
            at_most: true,
            free_bytes,
            ..Self::of_restore(most, None)
        }
    }

    /// The estimate for an image that is there. If it is known how many seconds its save took, that tells the
    /// rate.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "no estimate is that exact"
    )]
    pub fn of_restore(size_bytes: u64, took: Option<f64>) -> Self {
        let measured = took
            .filter(|took| *took > 0.0)
            .map(|took| (size_bytes as f64 / took) as u64)
            .filter(|rate| *rate > 0);
        let rate = measured.unwrap_or(Self::ASSUMED_RATE);
        Self {
            size_bytes,
            at_most: false,
            free_bytes: None,
            seconds: size_bytes as f64 / rate as f64,
            bytes_per_second: rate,
            measured: measured.is_some(),
        }
    }
}

impl Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.at_most {
            f.write_str("at most ")?;
        }
        f.write_str(&size(self.size_bytes))?;
        if let Some(free) = self.free_bytes {
            write!(f, ", and {} are free", size(free))?;
        }
        let (seconds, rate) = (self.seconds, size(self.bytes_per_second));
        if self.measured {
            write!(f, "; about {seconds:.1} s, as its save took")
        } else {
            write!(f, "; about {seconds:.1} s if the disk does {rate} in each")
        }
    }
}

/// The clock of a guest that goes on after it stood still. It stood still as well, so that it is behind then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Clock {
    /// Whether it was set, through the guest's agent.
    pub set: bool,
    /// How long the guest slept: so far its clock is behind if nobody sets it. Absent if that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slept_seconds: Option<f64>,
    /// How far it was ahead of the host's before it was set, as the agent told it; below 0 if it was behind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift_before_seconds: Option<f64>,
    /// How far it is ahead now, read back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift_seconds: Option<f64>,
    /// Whether the guest had an agent that was connected before, if that is known.
    #[serde(skip)]
    pub had_agent: Option<bool>,
}

impl Clock {
    /// A clock that is no further off than this, in seconds, is right: asking the agent takes a moment, and the
    /// hardware's clock tells whole seconds.
    pub const NEAR: f64 = 1.0;

    /// The clock of a guest that was saved at this time, if that is known.
    #[must_use]
    pub fn since(saved_at: Option<Timestamp>) -> Self {
        let slept = saved_at.map(|at| Timestamp::now().duration_since(at).as_secs_f64());
        Self {
            slept_seconds: slept.filter(|slept| *slept >= 0.0),
            ..Self::default()
        }
    }

    /// Whether it is known to be right.
    #[must_use]
    pub fn is_right(&self) -> bool {
        let drift = self.drift_seconds.or(self.drift_before_seconds);
        drift.is_some_and(|drift| drift.abs() <= Self::NEAR)
    }
}

impl Display for Clock {
    /// What is worth saying of it, for the end of a sentence: "its clock was 2h 3m behind, and is set".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let off = |drift: f64| {
            let side = if drift < 0.0 { "behind" } else { "ahead" };
            format!("{} {side}", time(drift.abs()))
        };
        match (self.set, self.drift_before_seconds, self.slept_seconds) {
            (true, Some(before), _) => write!(f, "its clock was {}, and is set", off(before))?,
            (true, None, _) => f.write_str("its clock is set")?,
            (false, _, _) if self.is_right() => {}
            (false, Some(drift), _) => write!(f, "its clock is {}", off(drift))?,
            (false, None, Some(slept)) if slept <= Self::NEAR => {}
            (false, None, Some(slept)) => {
                write!(
                    f,
                    "its clock is about {} behind, unless the guest sets it",
                    time(slept)
                )?;
            }
            (false, None, None) => f.write_str("its clock stood still meanwhile")?,
        }
        match self.drift_seconds.filter(|_| self.set && !self.is_right()) {
            Some(drift) => write!(f, ", but {}", off(drift)),
            None => Ok(()),
        }
    }
}

/// What became of a command that acts.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Grows when the meaning of a field changes.
    pub schema_version: u32,
    /// What was asked for.
    pub verb: Verb,
    /// Whether nothing was to be changed.
    pub dry_run: bool,
    /// One for each VM, in the order asked.
    pub results: Vec<Outcome>,
    /// The hosts that did not answer; of their VMs nothing is told.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub silent: Vec<SilentHost>,
    /// Why the command as a whole failed, before the first VM was touched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
}

impl Report {
    /// The version of what is written.
    pub const SCHEMA_VERSION: u32 = 1;

    /// The report of a command that failed as a whole.
    #[must_use]
    pub fn of_failure(verb: Verb, error: Failure) -> Self {
        Self {
            schema_version: Self::SCHEMA_VERSION,
            verb,
            dry_run: false,
            results: Vec::new(),
            silent: Vec::new(),
            error: Some(error),
        }
    }

    /// The verdict over all of it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        let silent = self.silent.iter().map(|host| host.failure.kind);
        Kind::merge(
            self.results
                .iter()
                .map(|outcome| outcome.kind)
                .chain(silent),
        )
    }
}

/// One of several hosts that did not answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SilentHost {
    /// What it is called.
    pub host: String,
    /// Why.
    #[serde(flatten)]
    pub failure: Failure,
}

impl SilentHost {
    /// A host that did not answer.
    #[must_use]
    pub fn new(host: Option<&str>, failure: Failure) -> Self {
        let host = host.unwrap_or_default().to_owned();
        Self { host, failure }
    }

    /// What was not found elsewhere, this one may have.
    #[must_use]
    pub fn may_have(&self, failure: Failure) -> Failure {
        if failure.kind != Kind::NotFound {
            return failure;
        }
        let message = format!(
            "{} on the hosts that answer; {} does not",
            failure.message, self.host
        );
        let cause = self.failure.cause.as_ref().unwrap_or(&self.failure.message);
        Failure::new(Kind::Connection, message).because(cause)
    }
}

/// What `show` answers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Answer<'a> {
    /// Grows when the meaning of a field changes.
    pub schema_version: u32,
    /// The VMs, in the order asked.
    pub vms: &'a [Vm],
}

/// One line of what `-o jsonl` prints of what is shown: an entry of the list that `-o json` prints.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "LineOf{T}"))]
#[serde(rename_all = "camelCase")]
pub struct Line<'a, T> {
    /// Grows when the meaning of a field changes.
    pub schema_version: u32,
    /// The entry.
    #[serde(flatten)]
    pub entry: &'a T,
}

/// One line of what `-o jsonl` prints of a command that acts: what became of one VM.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OutcomeLine<'a> {
    /// Grows when the meaning of a field changes.
    pub schema_version: u32,
    /// What was asked for.
    pub verb: Verb,
    /// Whether nothing was to be changed.
    pub dry_run: bool,
    /// What became of the VM.
    #[serde(flatten)]
    pub outcome: &'a Outcome,
}

/// One line of what `show --watch -o jsonl` prints: a VM as it is at first, or what has become of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Grows when the meaning of a field changes.
    pub schema_version: u32,
    /// When it was seen.
    pub time: Timestamp,
    /// The VM.
    #[serde(flatten)]
    pub vm: VmRef,
    /// What libvirt has told, in its order: what follows upon something at once is told with it. Empty of a VM
    /// as it is at first, and of what was found after the connection was lost.
    pub events: Vec<LifeEvent>,
    /// The status that was told last; absent if none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_before: Option<VmStatus>,
    /// The status now; absent if the VM is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<VmStatus>,
    /// libvirt's reason for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<String>,
}

/// An event in the life of a VM, in libvirt's words; a number stands for one that is newer than they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LifeEvent {
    /// Its type: `started`.
    pub event: String,
    /// More of it: `booted`.
    pub detail: String,
}

/// What `show --images` answers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Images<'a> {
    /// Grows when the meaning of a field changes.
    pub schema_version: u32,
    /// The images, folder by folder.
    pub images: &'a [ListedImage],
}

/// An image, and whose it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ListedImage {
    /// The VM's name; absent if the image does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The VM's UUID; absent if the image does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// The image.
    #[serde(flatten)]
    pub image: SavedImage,
}

/// What `show` answers when it lists settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Settings<'a> {
    /// Grows when the meaning of a field changes.
    pub schema_version: u32,
    /// The settings.
    pub settings: &'a [Setting],
}

/// What an option is when a command line does not say it, and what else can be set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Setting {
    /// The setting's name: the option's without its dashes.
    pub name: String,
    /// The verb that it is so for; absent if it is so for all that have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verb: Option<Verb>,
    /// The values, of which most settings have one; none if nothing is set.
    pub values: Vec<String>,
    /// Where they come from.
    pub source: SettingSource,
}

impl Setting {
    /// The name, with the verb's if it is about one.
    #[must_use]
    pub fn full_name(&self) -> String {
        match self.verb {
            Some(verb) => format!("{}.{}", verb.word(), self.name),
            None => self.name.clone(),
        }
    }
}

/// Where the value of a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum SettingSource {
    /// The command line.
    CommandLine,
    /// A variable of the environment.
    Environment {
        /// Its name.
        variable: String,
    },
    /// A file.
    File {
        /// Its path.
        file: String,
        /// The line of the value, counted from 1.
        line: usize,
        /// The column of the value, counted from 1.
        column: usize,
    },
    /// vmlife itself, or libvirt.
    BuiltIn,
}

impl Display for SettingSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine => f.write_str("command line"),
            Self::Environment { variable } => write!(f, "environment {variable}"),
            Self::File { file, line, .. } => write!(f, "{file}:{line}"),
            Self::BuiltIn => f.write_str("built in"),
        }
    }
}

/// What `show` answers when it compares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Differences<'a> {
    /// Grows when the meaning of a field changes.
    pub schema_version: u32,
    /// What is not as it is defined.
    pub differences: &'a [Difference],
}

/// A field of a VM that is not as a definition has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// The VM's name.
    pub vm: String,
    /// The field, by its path in the model: `vmStatic.memSizeMb`.
    pub field: String,
    /// What the definition has; absent if it has nothing there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub defined: Option<String>,
    /// What libvirt has; absent if it has nothing there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
}

/// What happens while a command runs.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// Something begins that may take a while.
    Started(&'a VmRef, Step),
    /// So much is done.
    Progress(&'a VmRef, Progress),
    /// So much of its image is read, for the checksum.
    Checking(&'a VmRef, Progress),
    /// The memory is written; what remains is the disk's and QEMU's part.
    Finishing(&'a VmRef),
    /// This was not looked at before, and shows only now.
    Unchecked(&'a VmRef, &'a str),
    /// How it is done was left to us, and this was chosen, for this reason.
    Chosen(&'a VmRef, &'a str),
    /// A cancel was asked for, and is being carried out or waited for.
    Cancelling(&'a VmRef, &'a str),
    /// The daemon has not answered for so long, and is waited for.
    Silent(&'a VmRef, Duration),
    /// The connection is lost, and another one is tried.
    Reconnecting(&'a VmRef),
    /// So many VMs are going to be worked on.
    Begun(usize),
    /// It is where it should be, and its guest is waited for: until this is so.
    Waiting(&'a VmRef, &'a str),
    /// A hook said this.
    Hook(&'a VmRef, &'a str),
    /// One thing that was done to a VM is over; there is more to come for it.
    Over(&'a VmRef),
    /// One VM's part is over.
    Finished(&'a Outcome),
}

/// How far a save is, or the reading of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes in all.
    pub total: u64,
    /// Bytes that are behind us.
    pub passed: u64,
    /// Bytes that were written for them; of what is read, those that are read.
    pub written: u64,
}

impl Progress {
    /// How far the reading of an image is.
    #[must_use]
    pub const fn of_reading(passed: u64, total: u64) -> Self {
        Self {
            total,
            passed,
            written: passed,
        }
    }
}

/// Somebody who listens.
pub trait Sink {
    /// Takes note of an event.
    fn emit(&mut self, event: Event<'_>);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_codes_are_those_of_the_contract() {
        let table = [
            (Kind::Done, 0),
            (Kind::Failed, 1),
            (Kind::Differs, 1),
            (Kind::Usage, 2),
            (Kind::Mixed, 3),
            (Kind::NotFound, 4),
            (Kind::State, 5),
            (Kind::CannotSave, 6),
            (Kind::Guard, 7),
            (Kind::Space, 8),
            (Kind::Busy, 9),
            (Kind::Connection, 10),
            (Kind::TimedOut, 124),
            (Kind::Cancelled(1), 129),
            (Kind::Cancelled(2), 130),
            (Kind::Cancelled(15), 143),
        ];
        for (kind, code) in table {
            assert_eq!(kind.exit_code(), code, "{kind:?}");
        }
    }

    #[test]
    fn an_estimate_says_what_it_rests_on() {
        let guess = Estimate::of_save(400 << 20, Some(1 << 30));
        assert_eq!(
            guess.to_string(),
            "at most 400.00 MiB, and 1.00 GiB are free; about 2.0 s if the disk does 200.00 MiB in each"
        );
        let known = Estimate::of_restore(400 << 20, Some(4.0));
        assert_eq!(
            known.to_string(),
            "400.00 MiB; about 4.0 s, as its save took"
        );
        for took in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(!Estimate::of_restore(1, Some(took)).measured, "{took}");
        }
    }

    #[test]
    fn alike_failures_keep_their_code_and_unlike_ones_are_mixed() {
        use Kind::{Busy, Cancelled, Done, Mixed, State, TimedOut};
        for (kinds, verdict) in [
            (vec![], Done),
            (vec![Done, Done], Done),
            (vec![State, State], State),
            (vec![Done, State], Mixed),
            (vec![State, Busy, State], Mixed),
            (vec![Done, Cancelled(2), State], Cancelled(2)),
            (vec![State, Done, TimedOut], TimedOut),
        ] {
            assert_eq!(Kind::merge(kinds.clone()), verdict, "{kinds:?}");
        }
    }
}
