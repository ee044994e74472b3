//! A private libvirt for one test: its own daemon, user and folders, gone when the test is over.

use super::{Ran, project};
use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A private libvirt. Its supervisor ends it when our end of the pipe closes, so also when the test
/// dies.
pub(crate) struct Session {
    folder: PathBuf,
    supervisor: Child,
    orders: Option<ChildStdin>,
    answers: RefCell<BufReader<ChildStdout>>,
}

/// The test cannot run on this machine: with CI=true that is a failure, elsewhere it is said.
pub(crate) fn missing(what: &str) {
    assert!(
        std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "{what} is missing; sh tests/run.sh installs it"
    );
    let words = format!("SKIPPED: {what} is missing; sh tests/run.sh installs it");
    writeln!(std::io::stderr(), "{words}").expect("stderr is there");
}

impl Session {
    /// Starts one; `None` where libvirt or QEMU is not installed.
    pub(crate) fn start() -> Option<Self> {
        for program in ["libvirtd", "virsh", "qemu-system-x86_64"] {
            let found = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"]
                .iter()
                .any(|folder| Path::new(folder).join(program).exists());
            if !found {
                missing(program);
                return None;
            }
        }
        // Short: libvirt puts sockets deep below it.
        let folder = tempfile::Builder::new()
            .prefix("vl-")
            .tempdir_in("/tmp")
            .expect("a folder")
            .keep();
        let mut supervisor = Command::new("sh")
            .arg(project().join("tests/session.sh"))
            .arg(&folder)
            .env(
                "VMLIFE_TEST_QEMU_CACHE",
                Path::new(env!("CARGO_TARGET_TMPDIR")).join("qemu-cache"),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh runs");
        let orders = supervisor.stdin.take();
        let answers = RefCell::new(BufReader::new(supervisor.stdout.take().expect("a pipe")));
        let session = Self {
            folder,
            supervisor,
            orders,
            answers,
        };
        assert_eq!(session.answer(), "ready");
        // The daemon's user may not be able to reach the build folder.
        session.bring(Path::new(env!("CARGO_BIN_EXE_vmlife")), "vmlife", 0o755);
        Some(session)
    }

    /// The folder that all of the session is in.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A path in the session's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Where vmlife keeps images here.
    pub(crate) fn image(&self, id: &str) -> PathBuf {
        self.folder.join(format!("state/vmlife/images/{id}.vmsave"))
    }

    /// The names of the files in the image place.
    pub(crate) fn images(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.folder.join("state/vmlife/images")) else {
            return Vec::new();
        };
        entries
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .into_string()
                    .expect("text")
            })
            .collect()
    }

    /// Copies a file into the session's folder, for the session's user to read.
    pub(crate) fn bring(&self, file: &Path, name: &str, mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::copy(file, &path).expect("the file can be copied");
        self.hand_over(&path, mode);
        path
    }

    /// Writes a file into the session's folder, for the session's user to read and write.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).expect("the file can be written");
        self.hand_over(&path, 0o644);
        path
    }

    /// Gives a file to the session's user, with this mode.
    pub(crate) fn hand_over(&self, path: &Path, mode: u32) {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
        let user = fs::metadata(&self.folder).expect("the folder is there");
        chown(path, Some(user.uid()), Some(user.gid())).expect("an owner");
    }

    /// A program as the session's user, in the session's environment.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(self.path("in-session"));
        command.arg(program).current_dir("/").stdin(Stdio::null());
        // What the developer has set for himself is none of the tests' business.
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"VMLIFE_") {
                command.env_remove(name);
            }
        }
        command
    }

    /// vmlife, to be run in a way of one's own.
    pub(crate) fn vmlife_command<S: AsRef<OsStr>>(
        &self,
        words: impl IntoIterator<Item = S>,
    ) -> Command {
        let mut command = self.command(self.path("vmlife"));
        command.args(words);
        command
    }

    /// vmlife.
    pub(crate) fn vmlife<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Ran {
        Ran::of(self.vmlife_command(words).output().expect("vmlife runs"))
    }

    /// The judge: what virsh prints. It must succeed.
    #[track_caller]
    pub(crate) fn virsh<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> String {
        let mut command = self.command("virsh");
        let ran = Ran::of(command.arg("-q").args(words).output().expect("virsh runs"));
        assert!(ran.code == 0, "virsh should succeed: {ran:#?}");
        ran.stdout.trim().to_owned()
    }

    /// virsh's word for the state of a domain, with the reason.
    #[track_caller]
    pub(crate) fn state(&self, name: &str) -> String {
        self.virsh(["domstate", "--reason", name])
    }

    /// The process of a running guest.
    pub(crate) fn qemu(&self, name: &str) -> Process {
        let file = self.pid_file(name);
        Process(
            fs::read_to_string(file)
                .expect("a pid file")
                .trim()
                .parse()
                .expect("a number"),
        )
    }

    /// The process with which libvirt writes an image in this session, while it does.
    pub(crate) fn image_writer(&self) -> Option<Process> {
        writer_below(&self.folder)
    }

    /// The daemon's process.
    pub(crate) fn daemon(&self) -> Process {
        self.order("pid");
        Process(self.answer().parse().expect("a number"))
    }

    /// Ends the daemon and starts it again; guests run on.
    pub(crate) fn restart(&self) {
        self.order("restart");
        assert_eq!(self.answer(), "ready");
    }

    /// Kills the daemon; guests run on.
    pub(crate) fn kill_daemon(&self) {
        self.order("kill");
        assert_eq!(self.answer(), "killed");
    }

    /// Starts the daemon again.
    pub(crate) fn start_daemon(&self) {
        self.order("start");
        assert_eq!(self.answer(), "ready");
    }

    /// Where QEMU's process is told while a guest runs.
    pub(crate) fn pid_file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("run/libvirt/qemu/run/{name}.pid"))
    }

    fn order(&self, order: &str) {
        writeln!(self.orders.as_ref().expect("a pipe"), "{order}").expect("the supervisor reads");
    }

    fn answer(&self) -> String {
        let mut line = String::new();
        self.answers
            .borrow_mut()
            .read_line(&mut line)
            .expect("the supervisor writes");
        line.trim().to_owned()
    }
}

/// The process with which libvirt writes an image there, while it does.
pub(crate) fn writer_below(path: &Path) -> Option<Process> {
    let path = path.to_str().expect("text");
    fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        .find_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let line = fs::read(entry.path().join("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line);
            (line.contains("libvirt_iohelper") && line.contains(path)).then_some(Process(pid))
        })
}

impl Drop for Session {
    fn drop(&mut self) {
        drop(self.orders.take());
        let ended = self.supervisor.wait().expect("the supervisor ends");
        if !std::thread::panicking() {
            assert!(
                ended.success() && !self.folder.exists(),
                "the session left something behind"
            );
        }
    }
}

/// A process that the test started, directly or through its daemon.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process(pub(crate) u32);

impl Process {
    /// Waits until it catches INT instead of dying of it.
    pub(crate) fn catches_signals(self) {
        super::eventually("it catches signals", || {
            let status = fs::read_to_string(format!("/proc/{}/status", self.0)).ok()?;
            let caught = status
                .lines()
                .find_map(|line| line.strip_prefix("SigCgt:"))?;
            (u64::from_str_radix(caught.trim(), 16).ok()? & 0b10 != 0).then_some(())
        });
    }

    /// Whether a signal has stopped it.
    pub(crate) fn stands_still(self) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0)).unwrap_or_default();
        status.lines().any(|line| line.starts_with("State:\tT"))
    }

    /// Lets it go on, unless it has been ended while it stood still.
    pub(crate) fn goes_on(self) {
        let line = format!("kill -s CONT {} 2>/dev/null || :", self.0);
        let sent = Command::new("sh").args(["-c", &line]).status();
        assert!(sent.expect("sh runs").success(), "{self:?}");
    }

    /// Sends it a signal.
    pub(crate) fn signal(self, signal: &str) {
        // The shell's own: a small system has no program of this name.
        let line = format!("kill -s {signal} {}", self.0);
        let sent = Command::new("sh").args(["-c", &line]).status();
        assert!(sent.expect("sh runs").success(), "{self:?}");
    }
}
