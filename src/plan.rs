//! What a verb means for a VM in its present state: the whole policy, without any I/O.
//!
//! The table is total: every verb has an answer for every status, and a new status does not compile
//! until somebody has thought about it.

use crate::entity::{SavedImage, Verdict, Vm, VmDynamic, VmPauseStatus, VmStatus};
use crate::report::{Failure, Kind};
use crate::words::quoted;
use serde::Serialize;

/// What the user asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Memory to disk, and off.
    Hibernate,
    /// Back from the image.
    Restore,
    /// Freeze.
    Pause,
    /// Unfreeze.
    Resume,
    /// Look.
    Show,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 5] = [
        Self::Hibernate,
        Self::Restore,
        Self::Pause,
        Self::Resume,
        Self::Show,
    ];

    /// As it is typed.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Hibernate => "hibernate",
            Self::Restore => "restore",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Show => "show",
        }
    }

    /// "hibernated", for "cannot be …".
    #[must_use]
    pub const fn past(self) -> &'static str {
        match self {
            Self::Hibernate => "hibernated",
            Self::Restore => "restored",
            Self::Pause => "paused",
            Self::Resume => "resumed",
            Self::Show => "shown",
        }
    }
}

/// What is done to a VM: one call of libvirt each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Step {
    /// Write its memory to an image and stop it.
    Save,
    /// Load its memory from an image of ours, and let it go on.
    Restore,
    /// Let libvirt load its managed save.
    RestoreManaged,
    /// Give up its images.
    Discard,
    /// Boot it.
    Start,
    /// Freeze its vCPUs.
    Suspend,
    /// Let its vCPUs go on.
    Resume,
    /// Wake it from its own sleep.
    WakeUp,
    /// Describe it.
    Show,
}

impl Step {
    /// Whether it may take seconds or minutes.
    #[must_use]
    pub const fn takes_long(self) -> bool {
        match self {
            Self::Save | Self::Restore | Self::RestoreManaged | Self::Start => true,
            Self::Suspend | Self::Resume | Self::WakeUp | Self::Discard | Self::Show => false,
        }
    }

    /// The call of libvirt's that it is.
    #[must_use]
    pub const fn call(self) -> &'static str {
        match self {
            Self::Save => "virDomainSaveFlags",
            Self::Restore => "virDomainRestoreFlags",
            Self::RestoreManaged | Self::Start => "virDomainCreateWithFlags",
            Self::Suspend => "virDomainSuspend",
            Self::Resume => "virDomainResume",
            Self::WakeUp => "virDomainPMWakeup",
            Self::Discard => "virDomainManagedSaveRemove",
            Self::Show => "virDomainGetXMLDesc",
        }
    }
}

/// The options that change a decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Go on against a guard.
    pub force: bool,
    /// Boot a VM that has no image.
    pub or_start: bool,
    /// Give images up instead of restoring one.
    pub discard: bool,
}

/// The answer for one VM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It can be done.
    Do(Step),
    /// It is so already; the words say how.
    Already(String),
    /// It cannot be done.
    Refuse(Failure),
}

/// Why a paused VM is paused, as far as it matters here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pause {
    OnRequest,
    OnError(VmPauseStatus),
    Asleep,
    /// libvirt paused it for a job of its own, and lets it go on afterwards.
    ByJob(&'static str),
}

/// Decides what a verb means for a VM as it was last seen.
#[must_use]
pub fn decide(verb: Verb, vm: &Vm, wishes: Wishes) -> Decision {
    match verb {
        Verb::Show => Decision::Do(Step::Show),
        Verb::Pause => decide_pause(vm),
        Verb::Resume => decide_resume(vm),
        Verb::Hibernate => decide_hibernate(vm, wishes),
        Verb::Restore if wishes.discard => decide_discard(vm),
        Verb::Restore => decide_restore(vm, wishes),
    }
}

/// Decides as [`decide`] does, where it was said whether the guest is to run afterwards: then a VM that was
/// loaded and waits, or was left by a save, is no riddle.
#[must_use]
pub fn decide_as(verb: Verb, vm: &Vm, wishes: Wishes, running: Option<bool>) -> Decision {
    match (verb, running) {
        (Verb::Hibernate, Some(_)) if was_cut_off(vm) || waits_untold(vm) || was_left(vm) => {
            Decision::Do(Step::Save)
        }
        (Verb::Restore, Some(true)) if waits_untold(vm) || was_left(vm) => {
            Decision::Do(Step::Resume)
        }
        (Verb::Restore, Some(false)) if waits_for_group(vm) => already("is already there, paused"),
        (Verb::Restore, Some(false)) if was_left(vm) || waits_untold(vm) && !was_cut_off(vm) => {
            already("is already there, paused")
        }
        _ => decide(verb, vm, wishes),
    }
}

/// Images are given up also where they are of no use, but not while libvirt writes or reads one, nor where
/// they are another VM's.
fn decide_discard(vm: &Vm) -> Decision {
    use VmStatus as S;
    let failure = |kind, why: &str| Failure::new(kind, format!("its image stays: {why}"));
    let verdicts = || vm.saved_images.iter().map(|image| image.verdict);
    if vm.saved_images.is_empty() {
        return Decision::Refuse(Failure::new(Kind::NotFound, "has no image to discard"));
    }
    if let S::SavingState | S::RestoringState | S::WaitForLaunch | S::MigratingTo = vm.status() {
        let failure = failure(Kind::Busy, "it is being written or read");
        return Decision::Refuse(failure.hint("try again when that is over"));
    }
    if verdicts().any(|verdict| verdict == Verdict::Foreign) {
        let failure = failure(Kind::Guard, "it holds the memory of another VM");
        return Decision::Refuse(failure.hint("name the image with --from, and no TARGET"));
    }
    if verdicts().any(|verdict| verdict == Verdict::Unreadable) {
        let failure = failure(Kind::Connection, "it cannot be looked at from here");
        return Decision::Refuse(failure.hint("run vmlife as the user who owns it"));
    }
    Decision::Do(Step::Discard)
}

fn pause_of(vm: &Vm) -> Pause {
    match &vm.vm_dynamic {
        Some(dynamic) if dynamic.asleep => Pause::Asleep,
        Some(dynamic) if dynamic.pause_status.is_error() => Pause::OnError(dynamic.pause_status),
        Some(dynamic) if dynamic.pause_status == VmPauseStatus::Postcopy => {
            Pause::ByJob("it is being migrated")
        }
        Some(dynamic) if dynamic.status_reason == "dumping" => Pause::ByJob("it is being dumped"),
        Some(dynamic) if dynamic.status_reason == "creating snapshot" => {
            Pause::ByJob("a snapshot of it is being made")
        }
        _ => Pause::OnRequest,
    }
}

fn decide_pause(vm: &Vm) -> Decision {
    use VmStatus as S;
    match vm.status() {
        S::Up | S::PoweringUp | S::RebootInProgress | S::PoweringDown => {
            Decision::Do(Step::Suspend)
        }
        S::Paused => match pause_of(vm) {
            // On request from now on.
            Pause::OnRequest if waits_for_group(vm) => Decision::Do(Step::Suspend),
            Pause::OnRequest => already("is already paused"),
            Pause::OnError(error) => already(format!("is already paused, on an error: {error}")),
            Pause::Asleep => {
                refuse(Verb::Pause, vm, "the guest suspended itself").hint_at("resume wakes it up")
            }
            Pause::ByJob(what) => occupied(Verb::Pause, what),
        },
        S::Suspended => refuse(Verb::Pause, vm, "it is hibernated"),
        S::Down | S::ImageIllegal | S::ImageLocked => refuse(Verb::Pause, vm, "it is off"),
        status @ (S::MigratingFrom
        | S::MigratingTo
        | S::WaitForLaunch
        | S::SavingState
        | S::RestoringState
        | S::NotResponding) => busy(Verb::Pause, status),
        status @ (S::Unassigned | S::Unknown) => unclear(Verb::Pause, status),
    }
}

fn decide_resume(vm: &Vm) -> Decision {
    use VmStatus as S;
    match vm.status() {
        S::Paused => match pause_of(vm) {
            Pause::OnRequest | Pause::OnError(_) => Decision::Do(Step::Resume),
            Pause::Asleep => Decision::Do(Step::WakeUp),
            Pause::ByJob(what) => occupied(Verb::Resume, what),
        },
        S::Up | S::PoweringUp | S::RebootInProgress | S::PoweringDown => already("already runs"),
        S::Suspended => refuse(Verb::Resume, vm, "it is hibernated")
            .hint_at(format!("vmlife restore {}", quoted(vm.name()))),
        S::Down | S::ImageIllegal | S::ImageLocked => refuse(Verb::Resume, vm, "it is off"),
        status @ (S::MigratingFrom
        | S::MigratingTo
        | S::WaitForLaunch
        | S::SavingState
        | S::RestoringState
        | S::NotResponding) => busy(Verb::Resume, status),
        status @ (S::Unassigned | S::Unknown) => unclear(Verb::Resume, status),
    }
}

fn decide_hibernate(vm: &Vm, wishes: Wishes) -> Decision {
    use VmStatus as S;
    match vm.status() {
        S::Up | S::PoweringUp => Decision::Do(Step::Save),
        S::Paused if !wishes.force && was_cut_off(vm) => {
            refuse(Verb::Hibernate, vm, CUT_OFF).hint_at(format!(
                "vmlife restore {} finishes that; --running or --paused says how it is to come back",
                quoted(vm.name())
            ))
        }
        S::Paused if !wishes.force && waits_untold(vm) => refuse(Verb::Hibernate, vm, WAITS)
            .hint_at(format!(
                "vmlife resume {} lets it run; --running or --paused says how it is to come back",
                quoted(vm.name())
            )),
        S::Paused if !wishes.force && was_left(vm) => refuse(Verb::Hibernate, vm, LEFT).hint_at(format!(
            "vmlife resume {} lets it run; --running or --paused says how it is to come back",
            quoted(vm.name())
        )),
        S::Paused => match pause_of(vm) {
            Pause::OnRequest => Decision::Do(Step::Save),
            Pause::OnError(_) if wishes.force => Decision::Do(Step::Save),
            Pause::OnError(error) => refuse(
                Verb::Hibernate,
                vm,
                format!("it paused on an error of a disk: {error}"),
            )
            .hint_at("mend the disk and resume it, or save it as it is with --force"),
            Pause::Asleep => {
                refuse(Verb::Hibernate, vm, "the guest suspended itself").hint_at("resume it first")
            }
            Pause::ByJob(what) => occupied(Verb::Hibernate, what),
        },
        S::Suspended => already("is already hibernated"),
        S::RebootInProgress => refuse(Verb::Hibernate, vm, "it is rebooting"),
        S::PoweringDown => refuse(Verb::Hibernate, vm, "it is shutting down"),
        S::Down | S::ImageIllegal | S::ImageLocked => refuse(Verb::Hibernate, vm, "it is off"),
        status @ (S::MigratingFrom
        | S::MigratingTo
        | S::WaitForLaunch
        | S::SavingState
        | S::RestoringState
        | S::NotResponding) => busy(Verb::Hibernate, status),
        status @ (S::Unassigned | S::Unknown) => unclear(Verb::Hibernate, status),
    }
}

fn decide_restore(vm: &Vm, wishes: Wishes) -> Decision {
    use VmStatus as S;
    match vm.status() {
        S::Suspended => match vm.restorable_image() {
            Some(image) if image.managed => Decision::Do(Step::RestoreManaged),
            _ => Decision::Do(Step::Restore),
        },
        S::Up | S::PoweringUp | S::RebootInProgress | S::PoweringDown => already("already runs"),
        S::Paused if was_cut_off(vm) || waits_for_group(vm) => Decision::Do(Step::Resume),
        S::Paused if waits_untold(vm) => refuse(Verb::Restore, vm, WAITS).hint_at(format!(
            "vmlife resume {} lets it run; restore --from FILE finishes that of an image that lies elsewhere",
            quoted(vm.name())
        )),
        S::Paused if was_left(vm) => refuse(Verb::Restore, vm, LEFT)
            .hint_at(format!("vmlife resume {} lets it run", quoted(vm.name()))),
        S::Paused => already("is already there, paused"),
        S::Down => match vm.saved_images.first() {
            Some(image) => decide_flawed(vm, image, wishes),
            None if wishes.or_start => start_unless_saved(vm, wishes),
            None => Decision::Refuse(
                Failure::new(
                    Kind::NotFound,
                    "cannot be restored: there is no image of it",
                )
                .hint(if was_saved(vm) {
                    "libvirt saved it, but not to its place: name the image with --from"
                } else {
                    "--or-start boots it; --from FILE names an image that lies elsewhere"
                }),
            ),
        },
        S::ImageIllegal => refuse(Verb::Restore, vm, "one of its disks is bad"),
        status @ (S::MigratingFrom
        | S::MigratingTo
        | S::WaitForLaunch
        | S::SavingState
        | S::RestoringState
        | S::ImageLocked
        | S::NotResponding) => busy(Verb::Restore, status),
        status @ (S::Unassigned | S::Unknown) => unclear(Verb::Restore, status),
    }
}

/// Why a VM whose restore was cut off is not hibernated: it would come back paused, although its guest ran.
const CUT_OFF: &str = "an earlier restore loaded it, and was cut off before it let the guest run";
/// Why nothing is done to a VM that waits, and nobody knows for what.
const WAITS: &str = "it was loaded from an image and waits, paused: by somebody else, or by an earlier \
                     restore that was cut off";
/// Why a VM that libvirt left paused is not taken for one that somebody paused.
const LEFT: &str = "a save of it failed, and libvirt could not let its guest run again";

/// Whether an earlier restore loaded it, and was cut off before it let the guest run: its image is marked
/// still, and libvirt's reason for the pause says that nobody has let it run since.
pub(crate) fn was_cut_off(vm: &Vm) -> bool {
    let mut images = vm.saved_images.iter();
    is_loaded(vm)
        && images.any(|image| image.verdict == Verdict::Doubtful && image.was_running == Some(true))
}

/// Whether it was loaded from an image and waits, and no vmlife has noted that this is its end: a restore
/// that comes to its end notes when it was.
fn waits_untold(vm: &Vm) -> bool {
    let dynamic = vm.vm_dynamic.as_ref();
    is_loaded(vm) && dynamic.is_some_and(|dynamic| dynamic.last_start_time.is_none())
}

/// Whether its memory was loaded from an image, and its guest has not run since, by libvirt's reason for the
/// pause.
pub(crate) fn is_loaded(vm: &Vm) -> bool {
    let dynamic = vm.vm_dynamic.as_ref();
    vm.status() == VmStatus::Paused
        && dynamic.is_some_and(|dynamic| dynamic.status_reason == "migrating")
}

/// Whether it stands still although its guest is to run: an earlier command did not get to its end, or libvirt could
/// not let it run again.
pub(crate) fn was_to_run(vm: &Vm) -> bool {
    was_cut_off(vm) || was_left(vm) || waits_for_group(vm)
}

/// The image that it was hibernated to by vmlife's own note, and which is not where it belongs.
fn missing_image(vm: &Vm) -> Option<&SavedImage> {
    let mut images = vm.saved_images.iter();
    images.find(|image| image.verdict == Verdict::Missing)
}

pub(crate) fn waits_for_group(vm: &Vm) -> bool {
    vm.vm_dynamic
        .as_ref()
        .is_some_and(VmDynamic::waits_for_group)
}

fn was_left(vm: &Vm) -> bool {
    vm.vm_dynamic
        .as_ref()
        .is_some_and(VmDynamic::is_left_by_save)
}

/// Whether libvirt remembers that it saved the VM, and its image was not given up since.
fn was_saved(vm: &Vm) -> bool {
    let is_lost = |dynamic: &VmDynamic| dynamic.was_saved() && dynamic.image_given_up.is_none();
    vm.vm_dynamic.as_ref().is_some_and(is_lost)
}

/// Boots, unless libvirt or we remember that the VM was saved: then its memory lies somewhere else, perhaps in a
/// folder that is not mounted yet, and booting would leave that behind.
fn start_unless_saved(vm: &Vm, wishes: Wishes) -> Decision {
    let why = match missing_image(vm).and_then(|image| image.flaw.as_deref()) {
        Some(flaw) => flaw,
        None if was_saved(vm) => "libvirt saved it, and its image lies somewhere else",
        None => return Decision::Do(Step::Start),
    };
    if wishes.force {
        return Decision::Do(Step::Start);
    }
    Decision::Refuse(
        Failure::new(Kind::Guard, format!("is not booted: {why}")).hint(
            "name the image with --from; --force boots the VM, and the image is then worthless",
        ),
    )
}

/// An image lies there, and it is not good. Force can override a doubt, but nothing makes an
/// incomplete image whole. Booting would leave the image behind for good: that is done only if it is of
/// no use anyway.
fn decide_flawed(vm: &Vm, image: &SavedImage, wishes: Wishes) -> Decision {
    let path = match &image.path {
        Some(path) => format!(" {}", path.display()),
        None if image.managed => " libvirt's managed save".to_owned(),
        None => String::new(),
    };
    let flaw = image.flaw.as_deref().unwrap_or("it is of no use");
    let failure = |kind, hint: &str| {
        let message = format!("cannot be restored from{path}: {flaw}");
        Decision::Refuse(Failure::new(kind, message).hint(hint))
    };
    let managed_hint = format!(
        "vmlife restore --or-start {0} boots it, or virsh managedsave-remove {0} discards that file",
        quoted(vm.name())
    );
    let of_no_use = |hint| {
        if image.managed {
            managed_hint.as_str()
        } else {
            hint
        }
    };
    let restore = if image.managed {
        Step::RestoreManaged
    } else {
        Step::Restore
    };
    if let Some(missing) = missing_image(vm).filter(|missing| *missing != image)
        && let Some(decision) = decide_beside(vm, image, missing, wishes)
    {
        return decision;
    }
    match image.verdict {
        Verdict::Good => Decision::Do(restore),
        Verdict::Used | Verdict::Doubtful | Verdict::Stale | Verdict::Untrusted if wishes.force => {
            Decision::Do(restore)
        }
        // libvirt then discards a managed save itself.
        Verdict::Incomplete if image.managed && wishes.or_start => Decision::Do(Step::Start),
        Verdict::Used | Verdict::Incomplete | Verdict::Missing if wishes.or_start => {
            start_unless_saved(vm, wishes)
        }
        Verdict::Missing => Decision::Refuse(
            Failure::new(Kind::NotFound, format!("cannot be restored: {flaw}")).hint(
                "mount the folder that it is in, or name the image with --from FILE; if it is lost, restore \
                 --discard has it no longer missed",
            ),
        ),
        Verdict::Used => failure(
            Kind::Guard,
            "--or-start boots it; --force brings the old memory back, over newer disks",
        ),
        Verdict::Doubtful => failure(
            Kind::Guard,
            "if it has not run since, --force restores it; if it has, restore --discard gives the image up",
        ),
        Verdict::Untrusted => failure(
            Kind::Guard,
            "if you trust it all the same, make it your own (chown, chmod o-w); --force restores it as it is",
        ),
        Verdict::Stale => failure(
            Kind::Guard,
            "bring the disks back as they were; or give the image up with restore --discard; --force \
             restores the old memory all the same",
        ),
        Verdict::Incomplete => failure(
            Kind::Guard,
            of_no_use(
                "that memory is lost; --or-start boots the VM, and restore --discard removes the file",
            ),
        ),
        Verdict::Damaged | Verdict::Foreign => failure(
            Kind::Guard,
            of_no_use("name another image with --from, or move this file away if it is of no use"),
        ),
        Verdict::Unreadable => failure(Kind::Connection, "run vmlife as the user who owns it"),
    }
}

/// Another image lies there than the one that the VM was hibernated to: neither is its memory lost, nor is it of use
/// to boot it. `None` if that one is wanted all the same.
fn decide_beside(
    vm: &Vm,
    image: &SavedImage,
    missing: &SavedImage,
    wishes: Wishes,
) -> Option<Decision> {
    use Verdict as V;
    match image.verdict {
        V::Good => return None,
        V::Used | V::Incomplete if wishes.or_start => return Some(start_unless_saved(vm, wishes)),
        V::Used | V::Doubtful | V::Stale | V::Untrusted if wishes.force => return None,
        _ => {}
    }
    let words = |image: &SavedImage| image.flaw.clone().unwrap_or_default();
    let path = |image: &SavedImage| match &image.path {
        Some(path) => path.display().to_string(),
        None => "libvirt's managed save".to_owned(),
    };
    let message = format!(
        "cannot be restored from {}: {}; {}",
        path(image),
        words(image),
        words(missing)
    );
    let hint = format!(
        "vmlife restore --from {}; if that image is lost, restore --discard has it no longer missed",
        quoted(&path(missing))
    );
    Some(Decision::Refuse(
        Failure::new(Kind::Guard, message).hint(hint),
    ))
}

fn already(words: impl Into<String>) -> Decision {
    Decision::Already(words.into())
}

fn refuse(verb: Verb, vm: &Vm, why: impl AsRef<str>) -> Decision {
    let reason = vm
        .vm_dynamic
        .as_ref()
        .map_or("", |dynamic| dynamic.status_reason.as_str());
    let reason = match reason {
        "" | "unknown" => String::new(),
        reason => format!(" ({reason})"),
    };
    let message = format!("cannot be {}: {}{reason}", verb.past(), why.as_ref());
    Decision::Refuse(Failure::new(Kind::State, message))
}

fn busy(verb: Verb, status: VmStatus) -> Decision {
    let what = match status {
        VmStatus::SavingState => "its memory is being saved",
        VmStatus::MigratingFrom | VmStatus::MigratingTo => "it is being migrated",
        VmStatus::RestoringState | VmStatus::WaitForLaunch => "it is being started or restored",
        VmStatus::ImageLocked => "one of its disks is being worked on",
        _ => "its monitor does not answer",
    };
    occupied(verb, what)
}

fn occupied(verb: Verb, what: &str) -> Decision {
    let message = format!("cannot be {}: {what}", verb.past());
    Decision::Refuse(Failure::new(Kind::Busy, message).hint("try again when that is over"))
}

fn unclear(verb: Verb, status: VmStatus) -> Decision {
    let kind = if status == VmStatus::Unknown {
        Kind::Connection
    } else {
        Kind::State
    };
    let message = format!("cannot be {}: its state is not known", verb.past());
    Decision::Refuse(Failure::new(kind, message))
}

impl Decision {
    fn hint_at(self, hint: impl Into<String>) -> Self {
        match self {
            Self::Refuse(failure) => Self::Refuse(failure.hint(hint)),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the table says, shortly: a step, "already", or the exit code of a refusal.
    fn answer(decision: &Decision) -> String {
        match decision {
            Decision::Do(step) => format!("{step:?}"),
            Decision::Already(_) => "already".to_owned(),
            Decision::Refuse(failure) => failure.kind.exit_code().to_string(),
        }
    }

    fn vm(status: VmStatus) -> Vm {
        Vm {
            vm_dynamic: Some(VmDynamic {
                status,
                pause_status: VmPauseStatus::Noerr,
                ..VmDynamic::default()
            }),
            ..Vm::default()
        }
    }

    fn image(verdict: Verdict, managed: bool) -> SavedImage {
        SavedImage {
            path: (!managed).then(|| "/images/x.vmsave".into()),
            managed,
            verdict,
            flaw: (verdict != Verdict::Good).then(|| "a flaw".to_owned()),
            ..SavedImage::default()
        }
    }

    #[test]
    fn every_verb_has_its_answer_for_every_status() {
        use VmStatus as S;
        //                          pause      resume     hibernate  restore
        let table = [
            (S::Unassigned, ["5", "5", "5", "5"]),
            (S::Down, ["5", "5", "5", "4"]),
            (S::Up, ["Suspend", "already", "Save", "already"]),
            (S::PoweringUp, ["Suspend", "already", "Save", "already"]),
            (S::Paused, ["already", "Resume", "Save", "already"]),
            (S::MigratingFrom, ["9", "9", "9", "9"]),
            (S::MigratingTo, ["9", "9", "9", "9"]),
            (S::Unknown, ["10", "10", "10", "10"]),
            (S::NotResponding, ["9", "9", "9", "9"]),
            (S::WaitForLaunch, ["9", "9", "9", "9"]),
            (S::RebootInProgress, ["Suspend", "already", "5", "already"]),
            (S::SavingState, ["9", "9", "9", "9"]),
            (S::RestoringState, ["9", "9", "9", "9"]),
            (S::Suspended, ["5", "5", "already", "Restore"]),
            (S::ImageIllegal, ["5", "5", "5", "5"]),
            (S::ImageLocked, ["5", "5", "5", "9"]),
            (S::PoweringDown, ["Suspend", "already", "5", "already"]),
        ];
        assert_eq!(table.map(|(status, _)| status), VmStatus::ALL);
        for (status, answers) in table {
            let verbs = [Verb::Pause, Verb::Resume, Verb::Hibernate, Verb::Restore];
            for (verb, expected) in verbs.into_iter().zip(answers) {
                let decision = decide(verb, &vm(status), Wishes::default());
                assert_eq!(answer(&decision), expected, "{verb:?} while {status}");
            }
            assert_eq!(
                decide(Verb::Show, &vm(status), Wishes::default()),
                Decision::Do(Step::Show)
            );
        }
    }

    #[test]
    fn a_vm_that_paused_on_an_error_is_resumed_but_saved_by_force_only() {
        for error in [
            VmPauseStatus::Eother,
            VmPauseStatus::Eio,
            VmPauseStatus::Enospc,
            VmPauseStatus::Eperm,
        ] {
            let mut vm = vm(VmStatus::Paused);
            vm.vm_dynamic.as_mut().unwrap().pause_status = error;
            let force = Wishes {
                force: true,
                ..Wishes::default()
            };
            assert_eq!(
                decide(Verb::Pause, &vm, Wishes::default()),
                Decision::Already(format!("is already paused, on an error: {error}"))
            );
            assert_eq!(
                answer(&decide(Verb::Resume, &vm, Wishes::default())),
                "Resume"
            );
            assert_eq!(
                answer(&decide(Verb::Hibernate, &vm, Wishes::default())),
                "5"
            );
            assert_eq!(answer(&decide(Verb::Hibernate, &vm, force)), "Save");
        }
    }

    #[test]
    fn what_waits_is_let_run_only_where_it_is_known_that_it_should() {
        let mut untold = vm(VmStatus::Paused);
        untold.vm_dynamic.as_mut().unwrap().status_reason = "migrating".to_owned();
        let mut cut_off = untold.clone();
        cut_off.saved_images = vec![SavedImage {
            was_running: Some(true),
            ..image(Verdict::Doubtful, false)
        }];
        let mut on_purpose = untold.clone();
        on_purpose.vm_dynamic.as_mut().unwrap().last_start_time = Some(jiff::Timestamp::UNIX_EPOCH);
        let mut left = untold.clone();
        left.vm_dynamic.as_mut().unwrap().status_reason = "saving".to_owned();
        //                           restore: plain, --running, --paused        hibernate: the same, --force
        for (vm, restore, hibernate) in [
            (
                &untold,
                ["5", "Resume", "already"],
                ["5", "Save", "Save", "Save"],
            ),
            (
                &left,
                ["5", "Resume", "already"],
                ["5", "Save", "Save", "Save"],
            ),
            (&cut_off, ["Resume"; 3], ["5", "Save", "Save", "Save"]),
            (&on_purpose, ["already"; 3], ["Save"; 4]),
        ] {
            let wishes = Wishes::default();
            let all = [None, Some(true), Some(false)];
            let of = |verb, wishes, running| answer(&decide_as(verb, vm, wishes, running));
            assert_eq!(all.map(|one| of(Verb::Restore, wishes, one)), restore);
            let force = Wishes {
                force: true,
                ..wishes
            };
            assert_eq!(
                all.map(|one| of(Verb::Hibernate, wishes, one)),
                hibernate[..3]
            );
            assert_eq!(of(Verb::Hibernate, force, None), hibernate[3]);
        }
    }

    #[test]
    fn what_libvirt_paused_for_a_job_of_its_own_is_busy() {
        let mut dumped = vm(VmStatus::Paused);
        dumped.vm_dynamic.as_mut().unwrap().status_reason = "dumping".to_owned();
        let mut copied = vm(VmStatus::Paused);
        copied.vm_dynamic.as_mut().unwrap().pause_status = VmPauseStatus::Postcopy;
        for vm in [dumped, copied] {
            let answers = [Verb::Pause, Verb::Resume, Verb::Hibernate].map(|verb| {
                answer(&decide(
                    verb,
                    &vm,
                    Wishes {
                        force: true,
                        ..Wishes::default()
                    },
                ))
            });
            assert_eq!(answers, ["9", "9", "9"]);
        }
    }

    #[test]
    fn a_guest_that_sleeps_by_itself_is_woken_and_nothing_else() {
        let mut vm = vm(VmStatus::Paused);
        vm.vm_dynamic.as_mut().unwrap().asleep = true;
        let answers = [Verb::Pause, Verb::Resume, Verb::Hibernate, Verb::Restore].map(|verb| {
            answer(&decide(
                verb,
                &vm,
                Wishes {
                    force: true,
                    ..Wishes::default()
                },
            ))
        });
        assert_eq!(answers, ["5", "WakeUp", "5", "already"]);
    }

    #[test]
    fn without_a_good_image_a_restore_boots_only_when_asked() {
        let start = Wishes {
            or_start: true,
            ..Wishes::default()
        };
        let force = Wishes {
            force: true,
            ..Wishes::default()
        };
        //                             plain   --or-start  --force
        for (verdict, answers) in [
            (Some(Verdict::Incomplete), ["7", "Start", "7"]),
            (Some(Verdict::Used), ["7", "Start", "Restore"]),
            (Some(Verdict::Doubtful), ["7", "7", "Restore"]),
            (Some(Verdict::Stale), ["7", "7", "Restore"]),
            (Some(Verdict::Untrusted), ["7", "7", "Restore"]),
            (Some(Verdict::Damaged), ["7", "7", "7"]),
            (Some(Verdict::Foreign), ["7", "7", "7"]),
            (Some(Verdict::Unreadable), ["10", "10", "10"]),
            (Some(Verdict::Missing), ["4", "7", "4"]),
            (None, ["4", "Start", "4"]),
        ] {
            let mut vm = vm(VmStatus::Down);
            vm.saved_images
                .extend(verdict.map(|verdict| image(verdict, false)));
            for (wishes, expected) in [Wishes::default(), start, force].into_iter().zip(answers) {
                let decision = decide(Verb::Restore, &vm, wishes);
                assert_eq!(answer(&decision), expected, "{verdict:?} {wishes:?}");
            }
        }
    }

    #[test]
    fn a_vm_that_was_saved_elsewhere_is_booted_by_force_only() {
        let mut vm = vm(VmStatus::Down);
        vm.vm_dynamic.as_mut().unwrap().status_reason = "saved".to_owned();
        let answers = [(false, false), (false, true), (true, true)].map(|(force, or_start)| {
            answer(&decide(
                Verb::Restore,
                &vm,
                Wishes {
                    force,
                    or_start,
                    discard: false,
                },
            ))
        });
        assert_eq!(answers, ["4", "7", "Start"]);
        for verdict in [Verdict::Used, Verdict::Incomplete, Verdict::Missing] {
            vm.saved_images = vec![image(verdict, false)];
            let wishes = Wishes {
                or_start: true,
                ..Wishes::default()
            };
            assert_eq!(answer(&decide(Verb::Restore, &vm, wishes)), "7");
        }
    }

    #[test]
    fn no_other_image_hides_one_that_is_missing() {
        let wishes = |force, or_start| Wishes {
            force,
            or_start,
            discard: false,
        };
        let all = [
            wishes(false, false),
            wishes(false, true),
            wishes(true, false),
            wishes(true, true),
        ];
        //                      plain, --or-start, --force, both
        for (verdict, answers) in [
            (Verdict::Used, ["7", "7", "Restore", "Start"]),
            (Verdict::Incomplete, ["7", "7", "7", "Start"]),
            (Verdict::Doubtful, ["7", "7", "Restore", "Restore"]),
            (Verdict::Damaged, ["7", "7", "7", "7"]),
            (Verdict::Foreign, ["7", "7", "7", "7"]),
        ] {
            let missing = SavedImage {
                path: Some("/other/x.vmsave".into()),
                flaw: Some("it is in /other/x.vmsave".to_owned()),
                ..image(Verdict::Missing, false)
            };
            let mut vm = vm(VmStatus::Down);
            vm.saved_images = vec![image(verdict, false), missing];
            for (wishes, expected) in all.into_iter().zip(answers) {
                let decision = decide(Verb::Restore, &vm, wishes);
                assert_eq!(answer(&decision), expected, "{verdict:?} {wishes:?}");
                if let Decision::Refuse(failure) = decision {
                    assert!(failure.message.contains("/other/x.vmsave"), "{failure:?}");
                }
            }
        }
    }

    #[test]
    fn a_managed_save_goes_before_a_file_since_libvirt_would_load_it_anyway() {
        let mut vm = vm(VmStatus::Suspended);
        vm.saved_images = vec![image(Verdict::Good, false), image(Verdict::Good, true)];
        assert_eq!(
            answer(&decide(Verb::Restore, &vm, Wishes::default())),
            "RestoreManaged"
        );
    }

    #[test]
    fn images_are_given_up_whatever_they_are_worth_but_not_others_nor_while_they_are_in_use() {
        let discard = Wishes {
            discard: true,
            ..Wishes::default()
        };
        let of = |status, images: &[Verdict]| {
            let mut vm = vm(status);
            vm.saved_images = images.iter().map(|worth| image(*worth, false)).collect();
            answer(&decide(Verb::Restore, &vm, discard))
        };
        for verdict in [
            Verdict::Good,
            Verdict::Used,
            Verdict::Doubtful,
            Verdict::Stale,
            Verdict::Incomplete,
            Verdict::Damaged,
            Verdict::Missing,
        ] {
            for status in [VmStatus::Suspended, VmStatus::Down, VmStatus::Up] {
                assert_eq!(of(status, &[verdict]), "Discard", "{status} {verdict}");
            }
        }
        assert_eq!(of(VmStatus::Down, &[]), "4");
        assert_eq!(of(VmStatus::Down, &[Verdict::Foreign]), "7");
        assert_eq!(of(VmStatus::Down, &[Verdict::Unreadable]), "10");
        assert_eq!(of(VmStatus::SavingState, &[Verdict::Incomplete]), "9");
        assert_eq!(of(VmStatus::RestoringState, &[Verdict::Good]), "9");
    }
}
