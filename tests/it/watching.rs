//! `show --watch`: what it tells while virsh does things to real guests.

use super::support::guest::{boot_empty, define_empty};
use super::support::session::{Process, Session};
use super::support::{Ran, eventually, vmlife};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// A `show --watch` that runs, and the lines that it has told.
struct Watch {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    reader: thread::JoinHandle<()>,
}

impl Watch {
    fn start(host: &Session, words: &[&str]) -> Self {
        let mut child = host
            .vmlife_command(["show", "--watch"].iter().chain(words))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("vmlife runs");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&lines);
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let reader = thread::spawn(move || {
            for line in stdout.lines() {
                told.lock().expect("it is free").push(line.expect("text"));
            }
        });
        Self {
            child,
            lines,
            reader,
        }
    }

    /// Waits until all of these are told in one line, and gives that line.
    #[track_caller]
    fn tells(&self, words: &[&str]) -> String {
        let what = format!("{words:?} is told");
        eventually(&what, || {
            let lines = self.lines.lock().expect("it is free");
            let says_all = |line: &&String| words.iter().all(|word| line.contains(word));
            lines.iter().find(says_all).cloned()
        })
    }

    /// How often something was told.
    fn count(&self, words: &str) -> usize {
        let lines = self.lines.lock().expect("it is free");
        lines.iter().filter(|line| line.contains(words)).count()
    }

    fn process(&self) -> Process {
        Process(self.child.id())
    }

    /// Waits until it ends.
    fn end(mut self) -> Ran {
        let mut stderr = String::new();
        let mut pipe = self.child.stderr.take().expect("a pipe");
        pipe.read_to_string(&mut stderr).expect("text");
        let code = self.child.wait().expect("it ends").code();
        self.reader.join().expect("all is read");
        let lines = self.lines.lock().expect("it is free");
        Ran {
            code: code.unwrap_or(-1),
            stdout: lines.iter().map(|line| format!("{line}\n")).collect(),
            stderr,
        }
    }
}

#[test]
fn whatever_virsh_does_to_a_guest_is_told_in_a_line() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "vm");
    define_empty(&host, "other");
    let watch = Watch::start(&host, &[]);
    watch.tells(&["NAME", "STATE"]);
    watch.tells(&["vm ", "Up (booted)"]);
    watch.tells(&["other ", "Down"]);
    let image = host.path("tmp/vm.save");
    let image = image.to_str().expect("text");
    // A save is told in one line or in two: it takes its time.
    for (words, told) in [
        (
            &["suspend", "vm"][..],
            &["vm  Up -> Paused (user)  suspended (paused)"][..],
        ),
        (
            &["resume", "vm"],
            &["vm  Paused -> Up (unpaused)  resumed (unpaused)"],
        ),
        (
            &["save", "vm", image],
            &["  vm  ", "Down (saved)", "stopped (saved)"],
        ),
        (
            &["restore", image],
            &["  vm  Down -> Up", "started (restored)"],
        ),
        (
            &["destroy", "vm"],
            &["  vm  Up -> Down", "stopped (destroyed)"],
        ),
        (
            &["start", "other"],
            &["other  Down -> Up (booted)", "started (booted)"],
        ),
        (
            &["managedsave", "other"],
            &["  other  ", "Suspended  ", "stopped (saved)"],
        ),
        (
            &["undefine", "vm"],
            &["vm  Down -> gone  undefined (removed)"],
        ),
    ] {
        host.virsh(words);
        watch.tells(told);
    }
    define_empty(&host, "third");
    watch.tells(&["third  new -> Down", "defined (added)"]);
    watch.process().signal("INT");
    let ran = watch.end();
    assert!(ran.code == -1 && ran.stderr.is_empty(), "{ran:?}");
}

#[test]
fn programs_are_told_each_change_as_a_line_of_json() {
    let Some(host) = Session::start() else { return };
    let id = boot_empty(&host, "vm");
    let watch = Watch::start(&host, &["-o", "jsonl"]);
    let first: Value = serde_json::from_str(&watch.tells(&["\"vm\""])).expect("JSON");
    assert_eq!(first["id"], id);
    assert_eq!(first["status"], "Up");
    assert_eq!(first["events"], serde_json::json!([]));
    host.vmlife(["hibernate", "vm"]).succeeds();
    let line = watch.tells(&["\"stopped\""]);
    let change: Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(change["status"], "Suspended", "{change}");
    assert_eq!(change["name"], "vm");
    assert_eq!(change["schemaVersion"], 1);
    host.vmlife(["restore", "vm"]).succeeds();
    let line = watch.tells(&["\"started\""]);
    let change: Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(change["statusBefore"], "Suspended", "{change}");
    let schema = std::fs::read(super::support::project().join("examples/line.schema.json"));
    let schema = serde_json::from_slice(&schema.expect("the schema")).expect("JSON");
    let options = jsonschema::options().should_validate_formats(true);
    let validator = options.build(&schema).expect("a schema");
    watch.process().signal("TERM");
    for line in watch.end().stdout.lines() {
        let change = serde_json::from_str(line).expect("JSON");
        let flaws: Vec<_> = validator.iter_errors(&change).collect();
        assert!(flaws.is_empty(), "{flaws:?}\n{line}");
    }
}

#[test]
fn only_what_was_asked_for_is_watched_also_if_it_comes_later() {
    let Some(host) = Session::start() else { return };
    define_empty(&host, "web-1");
    define_empty(&host, "db");
    let watch = Watch::start(&host, &["web-*", "--exclude", "*-9", "--timeout", "20s"]);
    watch.tells(&["web-1 ", "Down"]);
    host.virsh(["start", "db"]);
    define_empty(&host, "web-9");
    define_empty(&host, "web-2");
    watch.tells(&["web-2  new -> Down"]);
    host.virsh(["start", "web-1"]);
    watch.tells(&["web-1  Down -> Up (booted)"]);
    // The time that was asked for is over: that is its end.
    let ran = watch.end().ends_with(0);
    assert!(
        !ran.stdout.contains("db") && !ran.stdout.contains("web-9"),
        "{ran:?}"
    );
}

#[test]
fn a_burst_is_told_together_and_nothing_of_it_is_lost() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "vm");
    let watch = Watch::start(&host, &["-o", "jsonl"]);
    watch.tells(&["\"vm\""]);
    // One client of many commands: as fast as libvirt can do it.
    let often = "suspend vm; resume vm; ".repeat(20);
    host.virsh([often.as_str()]);
    eventually("all of it is told", || {
        (count_events(&watch, "resumed") == 20).then_some(())
    });
    assert_eq!(count_events(&watch, "suspended"), 20);
    assert!(watch.count("resumed") < 20, "it is told together");
    watch.process().signal("HUP");
    watch.end();
}

fn count_events(watch: &Watch, word: &str) -> usize {
    let lines = watch.lines.lock().expect("it is free");
    let events = lines.iter().flat_map(|line| {
        let change: Value = serde_json::from_str(line).expect("JSON");
        change["events"].as_array().cloned().expect("a list")
    });
    events.filter(|event| event["event"] == word).count()
}

#[test]
fn a_daemon_that_comes_back_is_watched_on_and_what_changed_meanwhile_is_told() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "vm");
    define_empty(&host, "other");
    let watch = Watch::start(&host, &[]);
    watch.tells(&["vm ", "Up (booted)"]);
    host.kill_daemon();
    // It dies without a daemon to tell of it.
    host.qemu("vm").signal("KILL");
    host.start_daemon();
    watch.tells(&["vm  Up -> Down"]);
    host.virsh(["start", "other"]);
    watch.tells(&["other  Down -> Up (booted)", "started (booted)"]);
    watch.process().signal("TERM");
    let ran = watch.end();
    assert!(
        ran.stderr.contains("the connection to libvirt is lost"),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("libvirt is back"), "{ran:?}");
}

#[test]
fn a_daemon_that_does_not_come_back_ends_it() {
    let Some(host) = Session::start() else { return };
    define_empty(&host, "vm");
    let watch = Watch::start(&host, &["-o", "jsonl"]);
    watch.tells(&["\"vm\""]);
    host.kill_daemon();
    let ran = watch.end().ends_with(10);
    assert!(ran.stderr.contains("has not come back"), "{ran:?}");
    let last = ran.stdout.lines().last().expect("a line");
    let last: Value = serde_json::from_str(last).expect("JSON");
    assert_eq!(last["error"]["kind"], "connection");
    host.start_daemon();
}

#[test]
fn a_daemon_that_falls_silent_is_noticed() {
    let Some(host) = Session::start() else { return };
    define_empty(&host, "vm");
    let watch = Watch::start(&host, &[]);
    watch.tells(&["vm ", "Down"]);
    let daemon = host.daemon();
    daemon.signal("STOP");
    let ran = watch.end();
    daemon.signal("CONT");
    assert!(
        ran.stderr.contains("the connection to libvirt is lost"),
        "{ran:?}"
    );
    ran.ends_with(10);
}

#[test]
fn it_ends_when_nobody_reads_it_any_more() {
    let Some(host) = Session::start() else { return };
    define_empty(&host, "vm");
    let mut child = host
        .vmlife_command(["show", "--watch"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("vmlife runs");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    lines.read_line(&mut line).expect("it tells");
    // Nothing happens that it could want to write.
    drop(lines);
    let began = Instant::now();
    assert!(child.wait().expect("it ends").success());
    assert!(began.elapsed() < Duration::from_secs(30));
}

#[test]
fn what_makes_no_sense_with_it_is_refused() {
    for (words, error) in [
        (&["-o", "json"][..], "--watch tells changes"),
        (&["-o", "name"], "--watch tells changes"),
        (&["./vm.yaml"], "is a file"),
    ] {
        let ran = vmlife(["show", "--watch"].iter().chain(words));
        assert!(ran.code == 2 && ran.stderr.contains(error), "{ran:?}");
    }
    for words in [
        &["--images"][..],
        &["--diff"],
        &["--sample", "1s"],
        &["--verify"],
    ] {
        let ran = vmlife(["show", "--watch"].iter().chain(words));
        assert!(
            ran.code == 2 && ran.stderr.contains("cannot be used with"),
            "{ran:?}"
        );
    }
    vmlife(["show", "--watch", "nobody"]).ends_with(4);
    vmlife(["show", "--watch", "--timeout", "1s"])
        .succeeds()
        .says("test  Up");
}
