//! What shells offer while a line is typed: real ones, and what they are told.
//!
//! On a busy machine a shell may be offered nothing, since nobody waits for long: it is asked again.

use super::support::guest::{boot_empty, define_empty};
use super::support::session::{Session, missing};
use super::support::{eventually, project, vmlife_command};
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// The files of `completions/`, by the names of their shells.
const SCRIPTS: [(&str, &str); 5] = [
    ("bash", "vmlife.bash"),
    ("zsh", "_vmlife"),
    ("fish", "vmlife.fish"),
    ("elvish", "vmlife.elv"),
    ("powershell", "_vmlife.ps1"),
];

fn is_there(program: &str) -> bool {
    let found = ["/usr/bin", "/bin", "/usr/local/bin"]
        .iter()
        .any(|folder| Path::new(folder).join(program).exists());
    if !found {
        missing(program);
    }
    found
}

/// The words that are offered after these, of which the last one is being typed.
fn offered_by(mut command: Command, words: &[&str]) -> Vec<String> {
    let ran = command.args(["--", "vmlife"]).args(words).output();
    let ran = ran.expect("vmlife runs");
    assert!(ran.status.success() && ran.stderr.is_empty(), "{ran:?}");
    let lines = String::from_utf8(ran.stdout).expect("text");
    let word = |line: &str| line.split('\t').next().unwrap_or_default().to_owned();
    lines.lines().map(word).collect()
}

/// The same, of libvirt's test driver.
fn offered(words: &[&str]) -> Vec<String> {
    let mut command = vmlife_command([""; 0]);
    command.env("VMLIFE_COMPLETE", "zsh");
    offered_by(command, words)
}

/// It offers this, and nothing else.
#[track_caller]
fn offers(words: &[&str], expected: &[&str]) {
    let began = Instant::now();
    loop {
        let found = offered(words);
        if found == expected {
            return;
        }
        let is_late = began.elapsed() > Duration::from_secs(30);
        assert!(!is_late, "{words:?} offers {found:?}, not {expected:?}");
    }
}

/// A session in which vmlife is in the PATH of shells that know its completions.
struct Shells(Session);

impl Shells {
    /// With VMs that run, wait, sleep and are off.
    fn start() -> Option<Self> {
        if !["bash", "zsh", "fish"].into_iter().all(is_there) {
            return None;
        }
        let host = Session::start()?;
        for (_, script) in SCRIPTS {
            host.bring(&project().join("completions").join(script), script, 0o644);
        }
        for name in ["runs", "waits", "sleeps"] {
            boot_empty(&host, name);
        }
        define_empty(&host, "off");
        host.vmlife(["pause", "waits"]).succeeds();
        host.vmlife(["hibernate", "sleeps"]).succeeds();
        Some(Self(host))
    }

    /// A program that finds vmlife as its users do.
    fn command(&self, program: &str) -> Command {
        let mut command = self.0.command("env");
        let path = format!("PATH={}:/usr/bin:/bin:/usr/sbin", self.0.folder().display());
        // As users have it: who opens a session starts its daemon.
        command.args(["-u", "LIBVIRT_AUTOSTART", &path, "TERM=xterm", program]);
        command
    }

    /// What bash would do with a line: its own words, at its own breaks.
    fn bash(&self, line: &str) -> Command {
        let mut command = self.command("bash");
        let script = format!(
            ". {}; COMP_LINE=$1 COMP_POINT=${{#1}}; read -ra COMP_WORDS <<<\"$1\"
            [[ $1 == *' ' ]] && COMP_WORDS+=('')
            COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _vmlife
            printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            self.0.path("vmlife.bash").display()
        );
        command.args(["-c", &script, "bash", line]);
        command
    }

    /// What fish would do with it.
    fn fish(&self, line: &str) -> Command {
        let mut command = self.command("fish");
        let script = format!(
            "source {}; complete -C $argv[1]",
            self.0.path("vmlife.fish").display()
        );
        command.args(["--no-config", "-c", &script, line]);
        command
    }

    /// A terminal with a shell that knows vmlife's completions.
    fn terminal(&self, shell: &str) -> Terminal {
        let folder = self.0.folder().display();
        let (start, learn) = match shell {
            "bash" => ("bash --norc -i", format!(". {folder}/vmlife.bash")),
            "zsh" => (
                "zsh -f -i",
                format!("fpath=({folder} $fpath); autoload -U compinit; compinit -D -u"),
            ),
            _ => (
                "fish --no-config -i",
                format!("source {folder}/vmlife.fish"),
            ),
        };
        let mut command = self.command("script");
        command.args(["-qfec", start, "/dev/null"]);
        let mut terminal = Terminal::open(command);
        terminal.types(&format!("{learn}; echo lear''ned\r"));
        terminal.shows("learned");
        terminal
    }
}

/// A person's terminal.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    fn open(mut script: Command) -> Self {
        let child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("script runs");
        let keys = child.stdin.take().expect("a pipe");
        let mut output = child.stdout.take().expect("a pipe");
        let screen = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&screen);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                seen.lock()
                    .expect("a screen")
                    .extend_from_slice(&bytes[..count]);
            }
        });
        Self {
            child,
            keys,
            screen,
        }
    }

    fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("keys");
    }

    /// All that was drawn since the last line was begun, without the terminal's own codes.
    fn screen(&self) -> String {
        let bytes = self.screen.lock().expect("a screen");
        // It rings where it has nothing to offer yet.
        let drawn = String::from_utf8_lossy(&bytes).replace(['\r', '\u{7}'], "");
        let mut parts = drawn.split("\u{1b}[");
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let end = part.find(|character: char| character.is_ascii_alphabetic());
            text.push_str(end.map_or("", |end| &part[end + 1..]));
        }
        text
    }

    #[track_caller]
    fn shows(&self, words: &str) {
        let began = Instant::now();
        while !self.screen().contains(words) {
            let is_late = began.elapsed() > Duration::from_secs(60);
            assert!(!is_late, "should show {words:?}: {}", self.screen());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Types the start of a line, and lets the shell complete it until it does this.
    #[track_caller]
    fn completes<T>(
        &mut self,
        start: &str,
        what: &str,
        mut look: impl FnMut(&str) -> Option<T>,
    ) -> T {
        self.screen.lock().expect("a screen").clear();
        self.types(start);
        eventually(what, || {
            self.types("\t");
            thread::sleep(Duration::from_millis(300));
            look(&self.screen())
        })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Its shell ends with the terminal.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_program_prints_the_scripts_and_shells_can_read_them() {
    for (shell, script) in SCRIPTS {
        let mut command = vmlife_command([""; 0]);
        let printed = command.env("VMLIFE_COMPLETE", shell).output();
        let printed = printed.expect("vmlife runs").stdout;
        let kept = fs::read(project().join("completions").join(script));
        assert!(printed == kept.expect("a script"), "{script}");
    }
    for (program, option) in [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")] {
        let script = SCRIPTS
            .iter()
            .find(|(shell, _)| *shell == program)
            .expect("it is ours")
            .1;
        if is_there(program) {
            let script = project().join("completions").join(script);
            let ran = Command::new(program).arg(option).arg(script).output();
            let ran = ran.expect("the shell runs");
            assert!(ran.status.success() && ran.stderr.is_empty(), "{ran:?}");
        }
    }
}

#[test]
fn bash_zsh_and_fish_offer_the_vms_that_a_verb_can_be_done_to() {
    let Some(shells) = Shells::start() else {
        return;
    };
    for (verb, names) in [
        ("pause", ["runs"].as_slice()),
        ("resume", &["waits"]),
        ("restore", &["sleeps"]),
        ("hibernate", &["runs", "waits"]),
        ("show", &["off", "runs", "sleeps", "waits"]),
    ] {
        for shell in ["bash", "fish"] {
            eventually(&format!("{shell} offers {names:?} to {verb}"), || {
                let line = format!("vmlife {verb} ");
                let mut command = if shell == "bash" {
                    shells.bash(&line)
                } else {
                    shells.fish(&line)
                };
                let ran = command.output().expect("it runs");
                assert!(ran.stderr.is_empty(), "{ran:?}");
                let lines = String::from_utf8(ran.stdout).expect("text");
                let has_states = lines.lines().all(|line| line.contains('\t'));
                let words = lines
                    .lines()
                    .map(|line| line.split('\t').next().unwrap_or_default());
                let is_so = words.eq(names.iter().copied()) && has_states == (shell == "fish");
                is_so.then_some(())
            });
        }
    }
    let mut zsh = shells.terminal("zsh");
    zsh.completes("vmlife resume ", "zsh knows who is paused", |screen| {
        screen.contains("vmlife resume waits").then_some(())
    });
    zsh.types("\u{15}");
    let start = "vmlife show --columns name,me";
    zsh.completes(start, "zsh knows columns in small letters", |screen| {
        screen.contains("name,MEMORY").then_some(())
    });
    zsh.types("\u{15}");
    zsh.completes(
        "vmlife show ",
        "zsh tells what states VMs are in",
        |screen| {
            let lines = [
                "off     -- Down",
                "runs    -- Up (booted)",
                "sleeps  -- Suspended",
            ];
            lines.iter().all(|line| screen.contains(line)).then_some(())
        },
    );
}

#[test]
fn a_hostile_name_is_completed_to_that_vm_and_to_nothing_else() {
    let Some(shells) = Shells::start() else {
        return;
    };
    let host = &shells.0;
    let name = "x $(touch pwned) 'q\" `touch pwned` !a *;touch pwned&|<>{b,c} ~ #\\n \\ %s ä";
    let id = boot_empty(host, name);
    // It would be a command, a line, a colour, or an option.
    let steering = "xx\u{202e}y";
    boot_empty(host, steering);
    boot_empty(host, "-x");
    let is_paused = |wanted: bool| {
        let state = host.virsh(["domstate", &id]);
        ((state == "paused") == wanted).then_some(())
    };
    for (shell, verb, start, wanted) in [
        ("bash", "pause", "x", true),
        ("bash", "resume", "'x", false),
        ("bash", "pause", "\"x", true),
        ("zsh", "resume", "x", false),
        ("zsh", "pause", "'x", true),
        ("fish", "resume", "x", false),
        ("fish", "pause", "'x", true),
    ] {
        let mut terminal = shells.terminal(shell);
        let folder = host.path("tmp").display().to_string();
        terminal.types(&format!("cd {folder}; echo mov''ed\r"));
        terminal.shows("moved");
        terminal.completes(
            &format!("vmlife {verb} {start}"),
            "the name is completed",
            |screen| screen.contains('ä').then_some(()),
        );
        terminal.types("\r");
        eventually(&format!("{shell} has {verb} done"), || is_paused(wanted));
        assert!(!host.path("tmp/pwned").exists(), "{shell} {start}");
    }
    let offered = || {
        let mut command = host.command("env");
        command
            .args(["VMLIFE_COMPLETE=zsh"])
            .arg(host.path("vmlife"));
        offered_by(command, &["show", ""])
    };
    let names = eventually("all are offered", || {
        Some(offered()).filter(|names| !names.is_empty())
    });
    assert_eq!(names, ["off", "runs", "sleeps", "waits", name]);
}

#[test]
fn a_daemon_that_hangs_holds_nobody_up_and_one_that_is_away_is_not_started() {
    let Some(shells) = Shells::start() else {
        return;
    };
    let host = &shells.0;
    let daemon = host.daemon();
    daemon.signal("STOP");
    for (line, expected) in [
        ("vmlife pause ", "\n"),
        ("vmlife pause --ex", "--exclude\n"),
    ] {
        let mut asked = shells
            .bash(line)
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash runs");
        eventually("bash goes on while the daemon stands still", || {
            asked.try_wait().expect("it can be asked")
        });
        let ran = asked.wait_with_output().expect("it ended");
        assert_eq!(String::from_utf8_lossy(&ran.stdout), expected);
    }
    daemon.signal("CONT");
    host.kill_daemon();
    let ran = shells.bash("vmlife pause ").output().expect("bash runs");
    assert_eq!(
        (ran.stdout.as_slice(), ran.stderr.as_slice()),
        (b"\n".as_slice(), b"".as_slice())
    );
    let judge = host
        .command("virsh")
        .arg("list")
        .output()
        .expect("virsh runs");
    assert!(!judge.status.success(), "a daemon was started: {judge:?}");
    host.start_daemon();
}

#[test]
fn looking_leaves_no_trace() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "vm");
    for verb in ["pause", "restore", "hibernate", "show"] {
        let mut command = host.command("env");
        command
            .args(["VMLIFE_COMPLETE=zsh"])
            .arg(host.path("vmlife"));
        offered_by(command, &[verb, ""]);
    }
    assert!(!host.path("state/vmlife").exists() && !host.path("journal").exists());
}

#[test]
fn elvish_offers_vms_with_their_states() {
    let Some(shells) = Shells::start() else {
        return;
    };
    if !is_there("elvish") {
        return;
    }
    let script = shells.0.path("vmlife.elv").display().to_string();
    let asks = format!(
        "eval (slurp <{script})\n$edit:completion:arg-completer[vmlife] vmlife resume '' | each {{|c| echo (repr $c) }}\nexit\n"
    );
    let start = shells.0.write("rc.elv", asks);
    eventually("elvish offers who is paused", || {
        let mut script = shells.command("script");
        script.args([
            "-qec",
            &format!("elvish -rc {}", start.display()),
            "/dev/null",
        ]);
        let shown = script.output().expect("script runs").stdout;
        let shown = String::from_utf8_lossy(&shown).into_owned();
        assert!(!shown.contains("xception"), "{shown}");
        let is_so = shown.contains("edit:complex-candidate waits &code-suffix=' '")
            && shown.contains("'waits  Paused (user)'");
        is_so.then_some(())
    });
}

#[test]
fn what_stands_on_the_line_is_heeded() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = folder.path().join("node.xml");
    let domain = |name: &str, state: u8| {
        format!(
            "<domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>
            <test:runstate>{state}</test:runstate><name>{name}</name><memory>1</memory>
            <os><type>hvm</type></os></domain>"
        )
    };
    let domains = [
        domain("a", 1),
        domain("b", 1),
        domain("c", 3),
        domain("d", 5),
    ];
    fs::write(&node, format!("<node>{}</node>", domains.concat())).expect("it can be written");
    let uri = format!("test://{}", node.display());
    let uri = uri.as_str();
    offers(&["-c", uri, "pause", ""], &["a", "b"]);
    offers(&["pause", "--connect", uri, ""], &["a", "b"]);
    offers(&["-c", uri, "pause", "b"], &["b"]);
    offers(&["-c", uri, "pause", "a", ""], &["b"]);
    offers(&["-c", uri, "pause", "--exclude", "a*", ""], &["b"]);
    offers(&["-c", uri, "pause", "--exclude", ""], &["a", "b"]);
    offers(&["-c", uri, "unpause", ""], &["c"]);
    offers(&["-c", uri, "restore", "--or-start", ""], &["d"]);
    offers(&["-c", uri, "hibernate", "c", "--", ""], &["a", "b"]);
    offers(&["-c", uri, "show", "--id", ""], &["1", "2", "3"]);
    offers(&["-c", uri, "show", ""], &["a", "b", "c", "d"]);
    offers(&["-c", uri, "pause", "--all", ""], &[]);
    offers(&["show", "6695eb01-f6a4-8304-79aa-97f2502e193f", ""], &[]);
    offers(
        &["-c", "qemu+unix:///system?socket=/nonexistent", "pause", ""],
        &[],
    );
    offers(
        &["-c", "qemu+ssh://root@nowhere.invalid/system", "pause", ""],
        &[],
    );
    offers(&["-c", "q"], &["qemu:///system", "qemu:///session"]);
    offers(&["-o", "j"], &["json", "jsonl"]);
    offers(&["show", "--columns", "na"], &["NAME"]);
    offers(&["show", "--columns", "NAME,STAT"], &["NAME,STATE"]);
    offers(&["show", "--columns=name,NEX"], &["--columns=name,NEXT"]);
    offers(&["show", "--sort-by", "memo"], &["MEMORY"]);
    let reason = "vmDynamic.statusReason";
    offers(&["show", "--field", "vmDynamic.statusR"], &[reason]);
    offers(&["show", "test", "vmDynamic.statusR"], &[reason]);
    offers(&["show", "--sort-by", "-cpu%,-memo"], &["-cpu%,-MEMORY"]);
    offers(&["show", "--sort-by=-NEX"], &["--sort-by=-NEXT"]);
    offers(&["show", "--sort-by", "-STATE,STA"], &["-STATE,STARTED"]);
    offers(&["show", "--filter", "stat"], &["STATE="]);
    offers(&["show", "--filter=STAT"], &["--filter=STATE="]);
    offers(&["pa"], &["pause"]);
    offers(&["pause", "--stri"], &["--strict"]);
}

#[test]
fn hosts_labels_and_groups_are_offered() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("it can be written");
        path.to_str().expect("text").to_owned()
    };
    let domain = |name: &str, state: u8, own: &str| {
        format!(
            "<domain type='test'><name>{name}</name><memory>8192</memory><os><type>hvm</type></os>
            <test:runstate>{state}</test:runstate>
            <metadata><v:vm xmlns:v='urn:vmlife:vm:1'>{own}</v:vm></metadata></domain>"
        )
    };
    let node = |name: &str, domains: &[String]| {
        let node = "<node xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>";
        let path = write(name, &format!("{node}{}</node>", domains.concat()));
        format!("test://{path}")
    };
    let shop =
        "<vmGroupName>shop [1]</vmGroupName><labels><tier>front</tier><zone>a</zone></labels>";
    let one = node(
        "one.xml",
        &[
            domain("web", 1, shop),
            domain("db", 3, "<labels><zone>b</zone></labels>"),
        ],
    );
    let two = node("two.xml", &[domain("web", 1, ""), domain("mail", 1, "")]);

    offers(
        &["-c", &one, "show", "-l", ""],
        &["tier=front", "zone=a", "zone=b"],
    );
    offers(
        &["-c", &one, "show", "-l", "zone=a", "--selector", ""],
        &["tier=front"],
    );
    offers(&["-c", &one, "show", "-l", "zone=b", ""], &["db"]);
    offers(&["-c", &one, "show", "--group", ""], &["shop [[]1[]]"]);
    offers(&["-c", &one, "show", "--group", "shop*", ""], &["web"]);
    offers(&["-c", &one, "resume", ""], &["db"]);

    let hosts = write(
        "hosts.yaml",
        &format!(
            "hosts:\n- {{ name: a, uri: '{one}', labels: {{ rack: '7' }} }}\n- {{ name: b, uri: '{two}' }}\n"
        ),
    );
    let hosts = hosts.as_str();
    offers(
        &["pause", "--hosts", hosts, ""],
        &["mail", "a/web", "b/web", "a/", "b/"],
    );
    offers(&["pause", "--hosts", hosts, "b/"], &["b/mail", "b/web"]);
    offers(&["pause", "--hosts", hosts, "b/web", "b/"], &["b/mail"]);
    offers(&["pause", "--hosts", hosts, "-l", "rack"], &["rack=7"]);
}

#[test]
fn files_are_offered_where_they_belong() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| format!("{}/{name}", folder.path().display());
    for name in [
        "vm.yaml",
        "vm.yml",
        "vm.xml",
        "vm.txt",
        "vm \"x\".yaml",
        "vm\n.yaml",
    ] {
        fs::write(path(name), "").expect("it can be written");
    }
    fs::write(path("vm.save"), "LibvirtQemudSave and more").expect("it can be written");
    fs::create_dir(path("vms")).expect("a folder");
    let offers_in = |words: &[&str], expected: &[&str]| {
        let begun = path("vm");
        let words: Vec<&str> = words.iter().copied().chain([begun.as_str()]).collect();
        let expected: Vec<String> = expected.iter().map(|name| path(name)).collect();
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        offers(&words, &expected);
    };
    let definitions = ["vm \"x\".yaml", "vm.xml", "vm.yaml", "vm.yml", "vms/"];
    offers_in(&["pause"], &definitions);
    offers_in(&["pause", "-f"], &definitions);
    offers_in(
        &["show", "--hosts"],
        &["vm \"x\".yaml", "vm.yaml", "vm.yml", "vms/"],
    );
    offers_in(&["restore", "--from"], &["vm.save", "vms/"]);
    offers_in(&["hibernate", "--to"], &["vms/"]);
    offers_in(&["show", "--images"], &["vms/"]);
    let mut shown = definitions.to_vec();
    shown.insert(5, "vm.save");
    offers_in(&["show"], &shown);
}
