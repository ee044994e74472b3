//! Where a run takes place: a private libvirt with one guest, an image place that can fill up, and the
//! means to hit a phase and to make things go wrong in it.

use super::case::{Chance, Fault, Phase};
use super::tool::{Ended, Running, Tool, Verb};
use crate::support::Ran;
use crate::support::guest::{Linux, Tick};
use crate::support::session::Session;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The guest's memory in MiB, and how much of it is filled so that a save takes a while.
const MEMORY: u32 = 192;
const FILLED: u32 = 64;

/// Where images lie. For root it is a file system of its own.
struct Place {
    folder: PathBuf,
    mounted: bool,
}

impl Place {
    fn make(host: &Session) -> Self {
        let folder = host.path("images");
        fs::create_dir(&folder).expect("a folder");
        host.hand_over(&folder, 0o700);
        let owner = fs::metadata(&folder).expect("it is there");
        let mounted = fs::metadata("/proc/self").expect("/proc").uid() == 0;
        let place = Self { folder, mounted };
        if mounted {
            let (user, group) = (owner.uid(), owner.gid());
            let options = format!("size=640m,mode=0700,uid={user},gid={group}");
            let folder = place.folder.to_str().expect("text");
            run("mount", &["-t", "tmpfs", "-o", &options, "tmpfs", folder]);
        }
        place
    }

    fn remount(&self, options: &str) -> bool {
        let options = format!("remount,{options}");
        Command::new("mount")
            .args(["-o", &options])
            .arg(&self.folder)
            .output()
            .expect("mount runs")
            .status
            .success()
    }

    /// Leaves room for so many bytes only.
    fn fill(&self, room: u64) {
        // What is written meanwhile needs room, too.
        for more in 0..100 {
            let used: u64 = self.files().iter().map(|file| blocks(file) * 512).sum();
            let size = (used + room) / 4096 * 4096 + 65536 + more * 1_048_576;
            if self.remount(&format!("size={size}")) {
                return;
            }
        }
        panic!("the image place could not be made smaller");
    }

    /// Lets nobody write any more.
    fn close(&self, chance: &mut Chance) -> Room {
        if self.mounted && chance.one_in(2) && self.remount("ro") {
            return Room::ReadOnly;
        }
        // A file system that is being written to does not become read-only. A folder does.
        self.set_mode(0o500);
        Room::Forbidden
    }

    /// As it was.
    fn mend(&self) {
        if self.mounted {
            assert!(self.remount("rw,size=640m"), "the image place is mended");
        }
        self.set_mode(0o700);
    }

    fn set_mode(&self, mode: u32) {
        let _ = fs::set_permissions(&self.folder, fs::Permissions::from_mode(mode));
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.folder).expect("it can be read");
        entries
            .map(|entry| entry.expect("an entry").path())
            .collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.mounted {
            let _ = Command::new("umount").arg("-l").arg(&self.folder).status();
        }
    }
}

fn blocks(file: &Path) -> u64 {
    fs::metadata(file).map_or(0, |found| found.blocks())
}

fn run(program: &str, words: &[&str]) {
    let ran = Command::new(program).args(words).output().expect("it runs");
    assert!(ran.status.success(), "{program} {words:?}: {ran:?}");
}

/// What was done to an image, so that it can be undone.
#[derive(Debug)]
pub(super) struct Damage {
    at: u64,
    was: Vec<u8>,
    /// Whether it was done while the image was written and left no hole: then nobody can see it there.
    is_hidden: bool,
}

/// How the daemon is.
#[derive(Default)]
enum Daemon {
    #[default]
    Well,
    Dead,
    Hanging,
}

/// How the image place is.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Room {
    #[default]
    Well,
    Full,
    /// The file system is.
    ReadOnly,
    /// The folder lets nobody write.
    Forbidden,
}

/// Whether it went wrong while the tool was at work.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Moment {
    /// Nobody knows exactly.
    #[default]
    Somewhere,
    /// What the tool waited for stood still.
    InTheMidst,
    /// The tool had ended before.
    Late,
}

/// What a fault has left to be undone, and to be judged.
#[derive(Default)]
pub(super) struct Aftermath {
    daemon: Daemon,
    pub(super) room: Room,
    pub(super) damage: Option<Damage>,
    /// Another one, that was started meanwhile.
    pub(super) second: Option<Running>,
    pub(super) moment: Moment,
    /// For how many milliseconds at most the daemon was hanging or away.
    pub(super) away: u64,
}

impl Aftermath {
    /// Whether an image was damaged before the tool had its last look at it, so that this could be seen.
    pub(super) fn is_visibly_damaged(&self) -> bool {
        let is_visible = self.damage.as_ref().is_some_and(|damage| !damage.is_hidden);
        is_visible && self.moment == Moment::InTheMidst
    }
}

/// A process that stands still.
struct Held(u32);

impl Held {
    /// Stops it, and waits until it does: a call that it is in comes to its end before.
    fn stop(&self) {
        signal(self.0, Signal::STOP);
        while self.state().is_some_and(|state| !"TtZX".contains(state)) {
            std::thread::sleep(Duration::from_micros(50));
        }
    }

    /// Whether it stands still, and has not come to its end before.
    fn stands(&self) -> bool {
        self.state() == Some('T')
    }

    /// The kernel's letter for its state.
    fn state(&self) -> Option<char> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.0)).ok()?;
        text.rsplit_once(") ")?.1.chars().next()
    }

    fn go_on(&self) {
        signal(self.0, Signal::CONT);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.go_on();
    }
}

/// Sends a signal to a process, which may have ended.
fn signal(process: u32, signal: Signal) {
    let process = Pid::from_raw(process.cast_signed()).expect("a process");
    let _ = kill_process(process, signal);
}

/// A private libvirt with one guest.
pub(super) struct Stage {
    place: Place,
    host: Session,
    words: tempfile::TempDir,
    pub(super) tool: Tool,
    id: String,
    nonce: String,
    /// A save of the guest, from which a lost one is had again.
    golden: PathBuf,
    size: u64,
    /// Whether the guest was all right when it was last looked at.
    sound: bool,
    clock: Option<PathBuf>,
    checksum: bool,
    started: u32,
}

impl Stage {
    /// Boots the guest; `None` where libvirt or QEMU is not installed.
    pub(super) fn set(tool: Tool) -> Option<Self> {
        let host = Session::start()?;
        let place = Place::make(&host);
        let filled = format!("vmlife.random={FILLED}");
        let guest = Linux::boot(&host, "vm", MEMORY, &filled);
        let (id, nonce) = (guest.id(), guest.last_tick().nonce);
        let golden = host.path("data/golden");
        host.virsh(["save".as_ref(), "vm".as_ref(), golden.as_os_str()]);
        let size = fs::metadata(&golden).expect("it is there").len();
        let help = host.vmlife(["hibernate", "--help"]);
        let clock = fs::read_dir("/usr/lib").ok().and_then(|folders| {
            folders
                .flatten()
                .map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"))
                .find(|library| library.exists())
        });
        Some(Self {
            place,
            host,
            words: tempfile::tempdir().expect("a folder"),
            tool,
            id,
            nonce,
            golden,
            size,
            sound: false,
            clock,
            checksum: help.stdout.contains("--checksum"),
            started: 0,
        })
    }

    /// Whether this machine can do that.
    pub(super) fn can(&self, fault: Fault) -> bool {
        match fault {
            Fault::FullDisk => self.place.mounted,
            Fault::Clock => self.clock.is_some(),
            _ => true,
        }
    }

    pub(super) fn guest(&self) -> Linux<'_> {
        Linux::defined(&self.host, "vm")
    }

    pub(super) fn nonce(&self) -> &str {
        &self.nonce
    }

    /// Where the VM's image lies.
    pub(super) fn image(&self) -> PathBuf {
        self.place.folder.join(format!("{}.vmsave", self.id))
    }

    /// Makes all as it should be before a run, and gives the guest's last tick.
    pub(super) fn tidy(&mut self) -> Tick {
        self.host.start_daemon();
        self.place.mend();
        for file in self.place.files() {
            fs::remove_file(file).expect("it can be removed");
        }
        // A flipped bit may have made another VM of it.
        for name in self.host.virsh(["list", "--all", "--name"]).lines() {
            if !name.is_empty() && name != "vm" {
                self.ask(&["destroy", name]);
                self.ask(&["undefine", name]);
            }
        }
        if !(self.sound && self.state() == "running") {
            self.ask(&["destroy", "vm"]);
            self.ask(&["managedsave-remove", "vm"]);
            let log = OpenOptions::new()
                .write(true)
                .open(self.host.path("vm.log"));
            log.and_then(|log| log.set_len(0)).expect("its console");
            self.host
                .virsh(["restore".as_ref(), self.golden.as_os_str()]);
            self.guest().ticks_beyond(0);
        }
        self.sound = false;
        self.guest().last_tick()
    }

    /// The guest was seen to be all right.
    pub(super) fn found_sound(&mut self) {
        self.sound = true;
    }

    /// The judge: what virsh says, whatever that is.
    pub(super) fn ask(&self, words: &[&str]) -> Ran {
        let mut command = self.host.command("timeout");
        command.args(["40", "virsh", "-q"]).args(words);
        Ran::of(command.output().expect("virsh runs"))
    }

    /// virsh's word for the VM's state.
    pub(super) fn state(&self) -> String {
        let ran = self.ask(&["domstate", "vm"]);
        ran.stdout.trim().to_owned()
    }

    /// Brings the VM back by virsh.
    pub(super) fn restore_by_virsh(&self) -> Ran {
        let image = self.image();
        self.ask(&["restore", image.to_str().expect("text")])
    }

    /// The files in the image place that no restore would take, though they are named like an image.
    pub(super) fn partial_files(&self) -> Vec<PathBuf> {
        let is_partial = |file: &PathBuf| {
            let image = file.extension().is_some_and(|ending| ending == "vmsave");
            image && !is_complete(file)
        };
        self.place.files().into_iter().filter(is_partial).collect()
    }

    /// Whether vmlife tells of this file.
    pub(super) fn is_reported(&self, file: &Path) -> bool {
        let mut command = self.vmlife();
        command.args(["show", "-o", "json", "vm"]);
        let shown = Ran::of(command.output().expect("vmlife runs"));
        shown.stdout.contains(file.to_str().expect("text"))
    }

    /// vmlife's word for the VM's state.
    pub(super) fn shown_state(&self) -> String {
        let mut command = self.vmlife();
        command.args(["show", "vm", "--columns", "STATE", "--no-headers"]);
        Ran::of(command.output().expect("vmlife runs")).stdout
    }

    fn vmlife(&self) -> Command {
        let mut command = self.host.command(self.host.path("vmlife"));
        command.env("VMLIFE_IMAGES", &self.place.folder);
        command
    }

    fn command(&self, verb: Verb, fault: Option<Fault>, more: &[&str]) -> Command {
        let image = self.image();
        let mut command = match (self.tool, fault, &self.clock) {
            (_, Some(Fault::Clock), Some(library)) => {
                let mut command = self.host.command("env");
                command
                    .arg(format!("LD_PRELOAD={}", library.display()))
                    .arg(format!(
                        "FAKETIME_TIMESTAMP_FILE={}",
                        self.clock_file().display()
                    ))
                    .args(["FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"])
                    .arg("NO_FAKE_STAT=1")
                    .env("VMLIFE_IMAGES", &self.place.folder);
                match self.tool {
                    Tool::Vmlife => command.arg(self.host.path("vmlife")),
                    Tool::Virsh => command.arg("virsh"),
                };
                command
            }
            (Tool::Vmlife, ..) => self.vmlife(),
            (Tool::Virsh, ..) => self.host.command("virsh"),
        };
        match (self.tool, verb) {
            (Tool::Vmlife, Verb::Hibernate) => command.args(["hibernate", "vm"]),
            (Tool::Vmlife, Verb::Restore) => command.args(["restore", "vm"]),
            (Tool::Virsh, Verb::Hibernate) => command.args(["save", "vm"]).arg(&image),
            (Tool::Virsh, Verb::Restore) => command.arg("restore").arg(&image),
            (_, Verb::Resume) => command.args(["resume", "vm"]),
        };
        if self.checksum
            && self.tool == Tool::Vmlife
            && verb == Verb::Hibernate
            && fault == Some(Fault::Flipped)
        {
            command.arg("--checksum");
        }
        command.args(more);
        command
    }

    fn clock_file(&self) -> PathBuf {
        self.host.path("data/clock")
    }

    /// Sets the clock that the tool sees, with the other clocks of the machine as they are.
    fn set_clock(&self, seconds: i64) {
        self.host
            .write("data/clock", format!("{seconds:+}").as_bytes());
    }

    /// Starts the tool.
    pub(super) fn start(&mut self, verb: Verb, fault: Option<Fault>, held: bool) -> Running {
        if fault == Some(Fault::Clock) && !self.clock_file().exists() {
            self.set_clock(0);
        }
        let files = self.next_files();
        let command = self.command(verb, fault, &[]);
        if held {
            Running::hold_back(command, verb, &files)
        } else {
            Running::start(command, verb, &files)
        }
    }

    /// Runs the tool, with nothing in its way.
    pub(super) fn do_it(&mut self, verb: Verb, fault: Option<Fault>, more: &[&str]) -> Ended {
        let files = self.next_files();
        Running::start(self.command(verb, fault, more), verb, &files).end()
    }

    fn next_files(&mut self) -> PathBuf {
        self.started += 1;
        self.words.path().join(self.started.to_string())
    }

    /// Waits for a phase of what the tool does, and makes it go wrong there. What was held for that goes
    /// on afterwards. Tells how many per cent of an image were there.
    pub(super) fn strike(
        &mut self,
        fault: Fault,
        phase: Phase,
        running: &mut Running,
        chance: &mut Chance,
    ) -> (Aftermath, u64) {
        let held = match phase {
            Phase::BeforeSave | Phase::BeforeRestore => {
                if fault == Fault::KilledQemu && phase == Phase::BeforeRestore {
                    // There is none before the restore begins.
                    running.go_on();
                    self.hold_restore(running, 0)
                } else {
                    None
                }
            }
            Phase::Tenth => self.hold_save(running, 10, false),
            Phase::Half => self.hold_save(running, 50, false),
            Phase::NineTenths => self.hold_save(running, 90, false),
            Phase::Finishing => self.hold_save(running, 97, true),
            Phase::InRestore => {
                let share = chance.below(90);
                self.hold_restore(running, share)
            }
            Phase::JustAfter => {
                drop(self.hold_restore(running, 100));
                if fault == Fault::KilledQemu && chance.one_in(2) {
                    // The guest has moved on: what its image holds is old.
                    self.wait_for_a_tick(running);
                } else {
                    pause(chance.below(60));
                }
                None
            }
        };
        let in_the_midst = held.as_ref().is_some_and(Held::stands);
        let far = fs::metadata(self.image()).map_or(0, |image| image.len());
        let mut aftermath = self.inject(fault, phase, Some(running), chance);
        if in_the_midst && aftermath.moment != Moment::Late {
            aftermath.moment = Moment::InTheMidst;
        }
        if held.is_some() && chance.one_in(2) {
            pause(chance.below(100));
        }
        (aftermath, far * 100 / self.size)
    }

    /// Makes something go wrong.
    pub(super) fn inject(
        &mut self,
        fault: Fault,
        phase: Phase,
        running: Option<&mut Running>,
        chance: &mut Chance,
    ) -> Aftermath {
        let mut after = Aftermath::default();
        if let Some(running) = running {
            if running.has_ended() {
                after.moment = Moment::Late;
            }
            if fault == Fault::HangingDaemonAndTerm {
                signal(self.host.daemon().0, Signal::STOP);
                after.daemon = Daemon::Hanging;
                pause(chance.below(300));
            }
            if let Some(which) = fault.signal().filter(|_| !running.has_ended()) {
                signal(running.id(), which);
            }
            let second = match fault {
                Fault::TwoAtOnce => true,
                Fault::DeadHolder => running.ends_within(Duration::from_secs(10)),
                _ => false,
            };
            if second {
                let other = chance.one_in(3) && fault == Fault::TwoAtOnce;
                let verb = match (running.verb, other) {
                    (Verb::Hibernate, true) | (Verb::Restore, false) => Verb::Restore,
                    _ => Verb::Hibernate,
                };
                after.second = Some(self.start(verb, None, false));
            }
        }
        match fault {
            Fault::KilledDaemon => {
                self.host.kill_daemon();
                after.daemon = Daemon::Dead;
            }
            Fault::HangingDaemon => {
                signal(self.host.daemon().0, Signal::STOP);
                after.daemon = Daemon::Hanging;
            }
            Fault::KilledQemu => {
                if let Some(process) = self.qemu() {
                    signal(process, Signal::KILL);
                }
            }
            Fault::FullDisk => {
                let room = if phase == Phase::BeforeSave {
                    chance.below(self.size * 9 / 10)
                } else {
                    0
                };
                self.place.fill(room);
                after.room = Room::Full;
            }
            Fault::ReadOnly => {
                after.room = self.place.close(chance);
            }
            Fault::Truncated | Fault::Flipped => {
                if phase == Phase::BeforeSave {
                    // An older one of this VM lies in its place.
                    fs::copy(&self.golden, self.image()).expect("it can be copied");
                    self.host.hand_over(&self.image(), 0o600);
                }
                after.damage = self.damage(fault, phase, chance);
            }
            Fault::Clock => {
                let seconds = chance.pick(&[1, 30, 3600, 86_400, 40_000_000, 900_000_000]);
                self.set_clock(if chance.one_in(2) { -seconds } else { seconds });
            }
            _ => {}
        }
        after
    }

    /// The damaged image as it was; `None` if there is none to damage.
    fn damage(&self, fault: Fault, phase: Phase, chance: &mut Chance) -> Option<Damage> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.image())
            .ok()?;
        let size = file.metadata().ok()?.len();
        let mut header = [0; 92];
        file.read_exact_at(&mut header, 0).ok()?;
        let described = 92 + u64::from(u32::from_ne_bytes(header[20..24].try_into().ok()?));
        let is_written = phase.is_save() && !phase.is_before();
        // libvirt writes the magic anew at the end of a save.
        let first = if phase.is_save() { 16 } else { 0 };
        if fault == Fault::Flipped {
            let seen = phase.is_before() && !phase.is_save() && self.checksum;
            let end = if seen { size } else { described.min(size) };
            let at = first + chance.below(end - first);
            let mut was = vec![0];
            file.read_exact_at(&mut was, at).ok()?;
            let flipped = was[0] ^ (1 << chance.below(8));
            file.write_all_at(&[flipped], at).ok()?;
            return Some(Damage {
                at,
                was,
                is_hidden: is_written,
            });
        }
        let range = chance.pick(&[described, size, 4096]);
        let at = if range == 4096 {
            size - 1 - chance.below(range.min(size - 1))
        } else {
            chance.below(range)
        };
        let from = at.max(first);
        let mut was = vec![0; usize::try_from(size - from).ok()?];
        file.read_exact_at(&mut was, from).ok()?;
        file.set_len(at).ok()?;
        Some(Damage {
            at: from,
            was,
            is_hidden: is_written && from.next_multiple_of(4096) + 4096 > size,
        })
    }

    /// Takes the damage back.
    pub(super) fn repair(&self, damage: &Damage) -> bool {
        let image = OpenOptions::new().write(true).open(self.image());
        image
            .and_then(|image| image.write_all_at(&damage.was, damage.at))
            .is_ok()
    }

    /// Lets the daemon answer again.
    pub(super) fn mend_daemon(&self, after: &mut Aftermath) {
        match std::mem::take(&mut after.daemon) {
            Daemon::Well => {}
            Daemon::Dead => self.host.start_daemon(),
            Daemon::Hanging => signal(self.host.daemon().0, Signal::CONT),
        }
    }

    /// Makes the image place usable again.
    pub(super) fn mend_place(&self, after: &Aftermath) {
        if after.room != Room::Well {
            self.place.mend();
        }
    }

    /// Waits until the tool is done and the guest has ticked; not for ever, as it may not have come back.
    fn wait_for_a_tick(&self, running: &mut Running) {
        let (guest, began) = (self.guest(), Instant::now());
        let seen = guest.ticks().pop();
        while began.elapsed() < Duration::from_secs(5)
            && !(running.has_ended() && guest.ticks().pop() != seen)
        {
            pause(5);
        }
    }

    /// The guest's process.
    fn qemu(&self) -> Option<u32> {
        let file = fs::read_to_string(self.host.pid_file("vm")).ok()?;
        let process: u32 = file.trim().parse().ok()?;
        let name = fs::read_to_string(format!("/proc/{process}/comm")).ok()?;
        name.starts_with("qemu").then_some(process)
    }

    /// Stops the process that writes the image when it has come so far, and on request only when QEMU
    /// has written all that it has to.
    fn hold_save(&self, running: &mut Running, share: u64, finishing: bool) -> Option<Held> {
        let writer = loop {
            match self.host.image_writer() {
                Some(writer) => break Held(writer.0),
                None if running.has_ended() => return None,
                None => {}
            }
        };
        writer.stop();
        let pipe = fs::read_link(format!("/proc/{}/fd/0", writer.0)).ok()?;
        let enough = self.size * share / 100;
        let began = Instant::now();
        loop {
            let written = fs::metadata(self.image()).map_or(0, |image| image.len());
            let feeds = || {
                self.qemu()
                    .is_some_and(|qemu| open_file(qemu, &pipe).is_some())
            };
            if written >= enough && !(finishing && feeds()) {
                return Some(writer);
            }
            if running.has_ended() || began.elapsed() > Duration::from_secs(20) {
                return None;
            }
            writer.go_on();
            std::thread::sleep(Duration::from_micros(200));
            writer.stop();
            if finishing && written >= enough {
                // QEMU needs a moment to fill the pipe.
                pause(2);
            }
        }
    }

    /// Stops the QEMU that reads the image when it has come so far; all of it is read when the file is
    /// no longer open.
    fn hold_restore(&self, running: &mut Running, share: u64) -> Option<Held> {
        running.go_on();
        let qemu = loop {
            match self.qemu() {
                Some(qemu) => break Held(qemu),
                None if running.has_ended() => return None,
                None => std::thread::sleep(Duration::from_micros(200)),
            }
        };
        let began = Instant::now();
        let mut seen = false;
        let image = self.image();
        let enough = fs::metadata(&image).map_or(0, |image| image.len()) * share / 100;
        loop {
            let file = open_file(qemu.0, &image);
            let read = file.and_then(|descriptor| position(qemu.0, &descriptor));
            let over = seen && read.is_none();
            seen |= read.is_some();
            let there = share < 100 && read.is_some_and(|read| read >= enough);
            if share == 0 || there || over {
                qemu.stop();
                return Some(qemu);
            }
            if running.has_ended() || began.elapsed() > Duration::from_secs(20) {
                return None;
            }
            std::thread::sleep(Duration::from_micros(100));
        }
    }
}

fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

/// Whether it begins like an image that libvirt has completed.
pub(super) fn is_complete(file: &Path) -> bool {
    use std::io::Read;
    let mut magic = [0; 16];
    let read = fs::File::open(file).and_then(|mut file| file.read_exact(&mut magic));
    read.is_ok() && &magic == b"LibvirtQemudSave"
}

/// The number under which a process has this file open.
fn open_file(process: u32, file: &Path) -> Option<String> {
    let entries = fs::read_dir(format!("/proc/{process}/fd")).ok()?;
    entries.flatten().find_map(|entry| {
        let found = fs::read_link(entry.path()).ok()?;
        (found == file).then(|| entry.file_name().to_string_lossy().into_owned())
    })
}

/// How far a process has got in a file.
fn position(process: u32, descriptor: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/fdinfo/{descriptor}")).ok()?;
    text.lines()
        .find_map(|line| line.strip_prefix("pos:"))?
        .trim()
        .parse()
        .ok()
}
