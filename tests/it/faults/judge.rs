//! One run, and what is found after it. Virsh and the guest are asked, and the files looked at; what the
//! tool says of itself is what is judged.

use super::case::{Case, Chance, Fault, Phase};
use super::stage::{Aftermath, Moment, Room, Stage, is_complete};
use super::tool::{Ended, Running, Tool, Verb};
use crate::support::guest::Tick;
use std::time::{Duration, Instant};

/// What became of the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It ran on, or was brought back within the run.
    Runs,
    /// It lay in an image, which restored it.
    Restored,
    /// Its process was killed and its memory is gone, and the tool said so.
    Gone,
    /// It is not what it was.
    Lost,
    /// This machine cannot make it go wrong in this way.
    Skipped,
}

/// What is told of a run.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) case: Case,
    pub(super) outcome: Outcome,
    /// What the tool said and was not so, or an exit status that does not fit.
    pub(super) untrue: Vec<String>,
    /// Partial files that nobody tells of.
    pub(super) unreported: Vec<String>,
    /// What was said, in order.
    pub(super) words: Vec<String>,
    /// How many per cent of an image were there when it went wrong.
    pub(super) far: u64,
    pub(super) seconds: f64,
}

/// How the VM is once it does not change by itself any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Settled {
    /// It ticks.
    Runs,
    Paused,
    Off,
    /// It runs, and does not tick.
    Silent,
    /// libvirt does not tell.
    Unclear,
}

impl Told {
    pub(super) fn new(case: Case) -> Self {
        Self {
            case,
            outcome: Outcome::Lost,
            untrue: Vec::new(),
            unreported: Vec::new(),
            words: Vec::new(),
            far: 0,
            seconds: 0.0,
        }
    }

    pub(super) fn is_good(&self) -> bool {
        self.outcome != Outcome::Lost && self.untrue.is_empty() && self.unreported.is_empty()
    }

    fn hear(&mut self, ended: &Ended) {
        self.words.push(ended.to_string());
    }

    /// A line of the log.
    pub(super) fn line(&self, tool: Tool, seed: u64) -> String {
        let Case {
            number,
            fault,
            phase,
        } = self.case;
        serde_json::json!({
            "tool": format!("{tool:?}").to_lowercase(),
            "seed": seed,
            "run": number,
            "fault": fault.words(),
            "phase": phase.words(),
            "outcome": format!("{:?}", self.outcome).to_lowercase(),
            "untrue": self.untrue,
            "unreported": self.unreported,
            "words": self.words,
            "far": self.far,
            "seconds": (self.seconds * 100.0).round() / 100.0,
        })
        .to_string()
    }
}

/// Makes one thing go wrong, and looks what has become of the guest and what was said about it.
pub(super) fn run(stage: &mut Stage, case: Case, seed: u64) -> Told {
    let Case { fault, phase, .. } = case;
    let mut told = Told::new(case);
    if !stage.can(fault) {
        told.outcome = Outcome::Skipped;
        return told;
    }
    let mut chance = Chance::new(seed, case.number);
    let before = stage.tidy();
    let began = Instant::now();
    if !phase.is_save() {
        let slept = stage.do_it(Verb::Hibernate, Some(fault), &[]);
        told.hear(&slept);
        if slept.code != 0 {
            told.untrue.push("nothing was wrong yet".to_owned());
        }
    }
    let (running, mut after) = strike(stage, &mut told, &mut chance);
    let ended = running.end();
    told.hear(&ended);
    let second = after.second.take().map(Running::end);
    if let Some(second) = &second {
        told.hear(second);
    }
    stage.mend_daemon(&mut after);
    stage.mend_place(&after);
    let settled = come_to_rest(stage);
    told.words.push(format!("it is {settled:?}"));
    for file in stage.partial_files() {
        if stage.tool == Tool::Virsh || !stage.is_reported(&file) {
            told.unreported.push(file.display().to_string());
        }
    }
    let world = World {
        tool: stage.tool,
        fault,
        phase,
        settled,
        image: stage.image().exists(),
        complete: is_complete(&stage.image()),
        far: told.far,
        after: &after,
    };
    // Two that want the opposite are both right, each at its moment.
    let others_did_it = second
        .as_ref()
        .is_some_and(|second| second.verb != ended.verb && second.code == 0);
    let both = [Some(&ended), second.as_ref()].into_iter().flatten();
    for (ended, is_second) in both.clone().zip([false, true]) {
        told.untrue.extend(world.wrong_code(ended, is_second));
        if !others_did_it {
            told.untrue.extend(world.untruth(ended));
        }
    }
    if fault == Fault::TwoAtOnce && both.clone().all(|ended| ended.code != 0) {
        told.untrue.push("none of the two has won".to_owned());
    }
    if stage.tool == Tool::Vmlife {
        let whole = ended.verb == Verb::Hibernate && ended.code == 0 && after.damage.is_none();
        let shown = stage.shown_state();
        told.untrue.extend(world.wrongly_shown(&shown, whole));
    }
    told.outcome = bring_back(
        stage,
        &mut told,
        &mut chance,
        &before,
        &ended,
        settled,
        &after,
    );
    if told.outcome == Outcome::Runs || told.outcome == Outcome::Restored {
        stage.found_sound();
    }
    told.seconds = began.elapsed().as_secs_f64();
    told
}

/// Of an image of which so many per cent are there the rest may find room on a disk that is full.
const NEARLY_ALL: u64 = 97;

/// So many milliseconds a daemon hangs that hangs for longer than vmlife waits.
const LONG: u64 = 12_000;

/// Starts the tool, and makes it go wrong in the phase.
fn strike(stage: &mut Stage, told: &mut Told, chance: &mut Chance) -> (Running, Aftermath) {
    let Case { fault, phase, .. } = told.case;
    let verb = if phase.is_save() {
        Verb::Hibernate
    } else {
        Verb::Restore
    };
    let held = stage.tool == Tool::Vmlife && phase.is_before() && chance.one_in(2);
    let first = phase.is_before() && fault.may_come_first() && !held && chance.one_in(2);
    let (mut running, mut after);
    if first {
        after = stage.inject(fault, phase, None, chance);
        running = stage.start(verb, Some(fault), false);
        told.words.push("it went wrong first".to_owned());
    } else {
        running = stage.start(verb, Some(fault), held);
        if phase.is_before() && !held {
            std::thread::sleep(Duration::from_millis(chance.below(25)));
        }
        (after, told.far) = stage.strike(fault, phase, &mut running, chance);
        let how = match after.moment {
            Moment::Late => "it went wrong late",
            Moment::InTheMidst => "it went wrong in the midst of it",
            Moment::Somewhere if held => "it went wrong right before the call",
            Moment::Somewhere => "it went wrong",
        };
        told.words.push(how.to_owned());
    }
    running.go_on();
    after.away = match fault {
        Fault::KilledDaemon => chance.pick(&[0, 300, 1500]),
        // Longer than vmlife waits for an answer.
        Fault::HangingDaemon | Fault::HangingDaemonAndTerm if chance.one_in(8) => LONG,
        Fault::HangingDaemon | Fault::HangingDaemonAndTerm => chance.pick(&[200, 1000, 3000]),
        _ => return (running, after),
    };
    running.ends_within(Duration::from_millis(after.away));
    stage.mend_daemon(&mut after);
    (running, after)
}

/// Waits until the VM does not change by itself any more.
fn come_to_rest(stage: &Stage) -> Settled {
    let began = Instant::now();
    let (mut off, mut paused, mut unclear) = (0, None, 0);
    let mut runs: Option<(Instant, u64)> = None;
    loop {
        let now = stage.state();
        if now != "running" {
            runs = None;
        }
        match now.as_str() {
            "running" => {
                let number = stage.guest().ticks().pop().map_or(0, |tick| tick.number);
                match runs {
                    None => runs = Some((Instant::now(), number)),
                    Some((_, earlier)) if number != earlier => return Settled::Runs,
                    Some((since, _)) if since.elapsed() > Duration::from_secs(20) => {
                        return Settled::Silent;
                    }
                    Some(_) => {}
                }
            }
            // A restore that somebody left behind begins like that.
            "shut off" => {
                off += 1;
                if off == 3 {
                    return Settled::Off;
                }
            }
            "" => {
                unclear += 1;
                if unclear == 20 {
                    return Settled::Unclear;
                }
            }
            _ => {
                let since = *paused.get_or_insert_with(Instant::now);
                if since.elapsed() > Duration::from_secs(20) {
                    return Settled::Paused;
                }
            }
        }
        if began.elapsed() > Duration::from_secs(90) {
            return Settled::Unclear;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What is so after the run.
struct World<'a> {
    tool: Tool,
    fault: Fault,
    phase: Phase,
    settled: Settled,
    image: bool,
    complete: bool,
    far: u64,
    after: &'a Aftermath,
}

impl World<'_> {
    /// Whether the VM may have become otherwise after the last word of it.
    fn changed_later(&self) -> bool {
        let is_late = self.after.moment == Moment::Late || self.phase == Phase::JustAfter;
        self.fault == Fault::KilledQemu && is_late
    }

    /// Whether what a verb is for is so.
    fn is_done(&self, verb: Verb) -> bool {
        match verb {
            Verb::Hibernate => self.settled == Settled::Off && self.complete,
            Verb::Restore | Verb::Resume => self.settled == Settled::Runs,
        }
    }

    /// Whether it is as it was before a verb.
    fn is_as_before(&self, verb: Verb) -> bool {
        match verb {
            Verb::Hibernate => self.settled == Settled::Runs,
            Verb::Restore => self.settled == Settled::Off && self.image,
            Verb::Resume => true,
        }
    }

    /// An exit status that the contract does not have for this.
    fn wrong_code(&self, ended: &Ended, is_second: bool) -> Option<String> {
        let code = ended.code;
        let stderr = &ended.stderr;
        if ended.hung {
            return Some("it did not end".to_owned());
        }
        if stderr.contains("panicked") {
            return Some("it panicked".to_owned());
        }
        if ended.by_signal {
            let own = self.own_signal().filter(|_| !is_second);
            return (own != Some(code)).then(|| format!("a signal ended it: {code}"));
        }
        if self.tool == Tool::Virsh {
            return None;
        }
        if (code != 0) != stderr.contains("error: ") {
            return Some(format!(
                "it ended with {code}, and its error says otherwise"
            ));
        }
        let fits = self.fitting_codes(ended, is_second);
        (!fits.contains(&code))
            .then(|| format!("the exit status is {code} where the contract has one of {fits:?}"))
    }

    /// The exit status that its signal gives.
    fn own_signal(&self) -> Option<i32> {
        self.fault.signal().map(|signal| 128 + signal.as_raw())
    }

    /// The exit statuses that the contract has for this fault, in this phase, where it ended like this.
    fn fitting_codes(&self, ended: &Ended, is_second: bool) -> &'static [i32] {
        let (done, as_before) = (self.is_done(ended.verb), self.is_as_before(ended.verb));
        let restores = ended.verb == Verb::Restore;
        let at_first = self.phase.is_before();
        let in_the_midst = self.after.moment == Moment::InTheMidst;
        let was_long = self.after.away == LONG;
        let says = |words: &str| ended.stderr.contains(words);
        match self.fault {
            Fault::Clock => &[0],
            // In the midst of it, the signal would have ended it.
            Fault::KilledTool if !in_the_midst => &[0],
            Fault::DeadHolder if !is_second && !in_the_midst => &[0],
            // What the dead one has begun goes on in libvirt. What it was about to begin is in doubt.
            Fault::DeadHolder if is_second && self.phase == Phase::BeforeRestore => &[0, 7, 9],
            Fault::DeadHolder if is_second => &[0, 9],
            Fault::TwoAtOnce => &[0, 9],
            Fault::Int | Fault::Term | Fault::Hup | Fault::HangingDaemonAndTerm => {
                let gave_up = was_long && says("may still be ");
                // What came in the midst of it was heard.
                let done = done && (!in_the_midst || says("before the cancel took effect"));
                match self.own_signal() {
                    _ if done && !gave_up => &[0],
                    _ if !as_before && !gave_up => &[],
                    Some(129) => &[129],
                    Some(130) => &[130],
                    _ => &[143],
                }
            }
            Fault::KilledDaemon if done && !says("may be ") => &[0],
            Fault::KilledDaemon => &[10],
            Fault::HangingDaemon | Fault::ReadOnly if done => &[0],
            // It did not answer before the VM was touched.
            Fault::HangingDaemon if was_long && at_first && as_before => &[10],
            Fault::KilledQemu if self.after.moment == Moment::Late => &[0],
            Fault::KilledQemu if restores && in_the_midst => &[1],
            Fault::KilledQemu if restores => &[0, 1],
            Fault::KilledQemu if done => &[0],
            // It may have been seen to be off.
            Fault::KilledQemu if at_first => &[1, 5],
            Fault::KilledQemu => &[1],
            // To a restore no room matters.
            Fault::FullDisk if done && (restores || self.far >= NEARLY_ALL) => &[0],
            Fault::FullDisk if done && !in_the_midst => &[0],
            Fault::FullDisk if !restores => &[8],
            Fault::ReadOnly if restores && at_first => &[7],
            Fault::ReadOnly if at_first && self.after.room == Room::Forbidden => &[10],
            Fault::ReadOnly if at_first => &[1],
            // An earlier image that is not known to be its own is not replaced.
            Fault::Truncated | Fault::Flipped if !restores && at_first && as_before => &[7],
            Fault::Truncated if !restores && self.after.is_visibly_damaged() => &[1],
            Fault::Truncated | Fault::Flipped if !restores => &[0, 1],
            // It was damaged when it had been looked at.
            Fault::Truncated | Fault::Flipped if done => &[0],
            Fault::Truncated | Fault::Flipped if at_first && as_before => &[1, 7],
            Fault::Truncated | Fault::Flipped if as_before => &[1],
            _ => &[],
        }
    }

    /// What `vmlife show` says that is not so.
    fn wrongly_shown(&self, shown: &str, whole: bool) -> Option<String> {
        let fits = match self.settled {
            Settled::Runs => shown.starts_with("Up"),
            Settled::Off if whole => shown.starts_with("Suspended"),
            Settled::Off => self.complete || !shown.starts_with("Suspended"),
            _ => true,
        };
        let (now, shown) = (self.settled, shown.trim());
        (!fits).then(|| {
            format!(
                "it is {now:?}, image: {}, and shown as {shown:?}",
                self.complete
            )
        })
    }

    /// What it said of the VM that is not so.
    fn untruth(&self, ended: &Ended) -> Option<String> {
        let words = ended.words();
        let says = |what: &str| words.contains(what);
        let killed = ended.by_signal && ended.code == 128 + rustix::process::Signal::KILL.as_raw();
        if killed || ended.hung || self.changed_later() {
            return None;
        }
        let (runs, off) = (
            self.settled == Settled::Runs,
            matches!(self.settled, Settled::Off),
        );
        let (there, as_before) = (self.is_done(ended.verb), self.is_as_before(ended.verb));
        let now = format!("it is {:?}, image: {}", self.settled, self.complete);
        if ended.code == 0 {
            return (!there).then(|| format!("it said that all went well, and {now}"));
        }
        if self.tool == Tool::Virsh {
            // What is so already, and what is busy, is told truly.
            let told = ["already active", "is not running", "state change lock"];
            let excused =
                as_before || self.fault == Fault::KilledQemu || told.into_iter().any(says);
            return (!excused).then(|| format!("it said that it failed, and {now}"));
        }
        for (said, so) in [
            ("it runs on", runs),
            ("it is paused, as before", self.settled == Settled::Paused),
            ("memory is lost", off && !self.complete),
            (
                "was hibernated by libvirt, but its image",
                off && self.image,
            ),
            ("the image is still there", self.image && off),
            ("was not restored: it runs", runs),
            ("was restored from", runs),
        ] {
            if says(said) {
                return (!so).then(|| format!("it said {said:?}, and {now}"));
            }
        }
        // What is not claimed to be known is no claim.
        let open = ["is not known", "may still be ", "nobody knows", "holds it"];
        let excused = open.into_iter().any(says)
            || ended.code == 9
            // It was off, and that is what was said.
            || ended.verb == Verb::Hibernate && says("is off") && off
            || ended.code == 4 && !self.image;
        (!as_before && !excused).then(|| format!("it said that it did nothing, and {now}"))
    }
}

/// Brings the guest back with the tool if it does not run, as somebody would who reads what the tool says;
/// and looks whether it is what it was.
fn bring_back(
    stage: &mut Stage,
    told: &mut Told,
    chance: &mut Chance,
    before: &Tick,
    ended: &Ended,
    settled: Settled,
    after: &Aftermath,
) -> Outcome {
    let Case { fault, phase, .. } = told.case;
    let mut settled = settled;
    if settled == Settled::Paused {
        let resumed = stage.do_it(Verb::Resume, None, &[]);
        told.hear(&resumed);
        settled = come_to_rest(stage);
    }
    if settled == Settled::Runs {
        return if is_sound(stage, told, before) {
            Outcome::Runs
        } else {
            Outcome::Lost
        };
    }
    let complete = is_complete(&stage.image());
    let said_so = ended.code == 0 && ended.verb == Verb::Hibernate;
    if settled == Settled::Off && complete && said_so && after.damage.is_none() {
        // What vmlife writes is libvirt's own format.
        if stage.tool == Tool::Vmlife && chance.one_in(4) {
            let ran = stage.restore_by_virsh();
            told.words.push(format!("virsh restore: {ran:?}"));
            let back = ran.code == 0 && come_to_rest(stage) == Settled::Runs;
            return if back && is_sound(stage, told, before) {
                Outcome::Restored
            } else {
                Outcome::Lost
            };
        }
    }
    let mut all = vec![ended.clone()];
    let restored = stage.do_it(Verb::Restore, None, &[]);
    told.hear(&restored);
    let mut code = restored.code;
    let mut hints_at_force = restored.words().contains("--force");
    all.push(restored);
    if code != 0
        && let Some(damage) = &after.damage
        && phase != Phase::BeforeSave
    {
        if said_so && after.is_visibly_damaged() {
            told.untrue
                .push("it said that the VM is hibernated, and the image is damaged".to_owned());
        }
        let repaired = stage.repair(damage);
        told.words.push(format!("image repaired: {repaired}"));
        let restored = stage.do_it(Verb::Restore, None, &[]);
        told.hear(&restored);
        code = restored.code;
        // What was damaged before there was a checksum has that of the damage.
        hints_at_force |= restored.words().contains("--force");
    }
    // A guest whose process was killed just after may have run: that doubt is right, and forcing it wrong.
    let in_doubt = fault == Fault::KilledQemu && phase == Phase::JustAfter;
    if code != 0 && hints_at_force && stage.tool == Tool::Vmlife && !in_doubt {
        let restored = stage.do_it(Verb::Restore, None, &["--force"]);
        told.hear(&restored);
        code = restored.code;
    }
    if code == 0 {
        let settled = come_to_rest(stage);
        told.words.push(format!("it is {settled:?}"));
        if settled == Settled::Runs && is_sound(stage, told, before) {
            return Outcome::Restored;
        }
        return Outcome::Lost;
    }
    let ran_from_it = phase == Phase::JustAfter
        || after.moment == Moment::Late
        || !phase.is_save() && ended.code == 0 && ended.verb == Verb::Restore;
    let may_be_gone = fault == Fault::KilledQemu && (phase.is_save() || ran_from_it);
    let says_so = |ended: &Ended| {
        let words = ended.words();
        let of_loss = [
            "is lost",
            "is off",
            "crashed",
            "died",
            "does not run any more",
            "there is no image",
            "nobody knows whether",
            "error: Failed to",
        ];
        ended.code != 0 && of_loss.into_iter().any(|word| words.contains(word))
    };
    if may_be_gone && !complete | ran_from_it && all.iter().any(says_so) {
        Outcome::Gone
    } else {
        Outcome::Lost
    }
}

/// Whether the guest's memory is the one that it had before the run, and no part of its life was lived twice.
fn is_sound(stage: &Stage, told: &mut Told, before: &Tick) -> bool {
    let ticks = stage.guest().ticks();
    let flaw = ticks
        .iter()
        .find(|tick| tick.nonce != stage.nonce())
        .or_else(|| {
            let pairs = ticks.windows(2);
            let mut gaps = pairs.filter(|pair| pair[1].number != pair[0].number + 1);
            gaps.next().map(|pair| &pair[1])
        });
    if let Some(flaw) = flaw {
        told.words
            .push(format!("the guest had {before:?}, and then {flaw:?}"));
    }
    flaw.is_none() && ticks.last().is_some_and(|tick| tick.number > before.number)
}
