//! Waking properly: guests' clocks, waiting for guests, and hooks, on real guests with a real agent.

use super::support::guest::{Linux, boot_empty};
use super::support::session::{Process, Session};
use super::support::{Ran, eventually};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Boots a guest with an agent, and waits until that answers.
fn with_agent<'a>(host: &'a Session, name: &str) -> Linux<'a> {
    let guest = Linux::boot(host, name, 128, "vmlife.agent");
    eventually("the agent answers", || agent(host, name, "guest-ping"));
    guest
}

/// What virsh gets from the agent for a command.
fn agent(host: &Session, name: &str, command: &str) -> Option<String> {
    let words = format!("{{\"execute\": \"{command}\"}}");
    let asked = host
        .command("virsh")
        .args(["-q", "qemu-agent-command", name, &words])
        .output();
    let asked = asked.expect("virsh runs");
    let text = String::from_utf8(asked.stdout).expect("text");
    asked.status.success().then_some(text)
}

/// How far the guest's own clock is behind the host's, in seconds, by virsh.
fn behind(host: &Session, name: &str) -> i64 {
    let told = host.virsh(["domtime", name]);
    let told: i64 = told.trim_start_matches("Time: ").parse().expect("seconds");
    jiff::Timestamp::now().as_second() - told
}

/// The agent stops itself, when it has answered: its channel stays connected.
fn stop_agent(host: &Session, name: &str) {
    let stop = r#"{"execute": "guest-exec", "arguments": {"path": "/bin/sh",
        "arg": ["-c", "sleep 1; kill -STOP $PPID"]}}"#;
    host.virsh(["qemu-agent-command", name, stop]);
    eventually("the agent stands still", || {
        agent(host, name, "guest-ping").is_none().then_some(())
    });
}

/// Puts a hook into the user's folder.
fn hook(host: &Session, name: &str, mode: u32, script: &str) -> PathBuf {
    for folder in ["c/vmlife", "c/vmlife/hooks.d"] {
        if !host.path(folder).exists() {
            fs::create_dir(host.path(folder)).expect("a folder");
            host.hand_over(&host.path(folder), 0o755);
        }
    }
    let path = host.write(
        &format!("c/vmlife/hooks.d/{name}"),
        format!("#!/bin/sh\n{script}\n"),
    );
    host.hand_over(&path, mode);
    path
}

fn clock(ran: &Ran) -> serde_json::Value {
    ran.json()["results"][0]["clock"].clone()
}

#[test]
fn a_guest_that_slept_gets_the_time_from_its_agent_and_the_drift_is_told() {
    let Some(host) = Session::start() else { return };
    let guest = with_agent(&host, "web");
    let before = guest.last_tick();
    host.vmlife(["hibernate", "web"]).succeeds();
    std::thread::sleep(Duration::from_secs(31));
    let ran = host.vmlife(["restore", "web", "-o", "json"]).succeeds();
    let clock = clock(&ran);
    assert_eq!(clock["set"], true, "{ran:?}");
    let number = |key: &str| {
        clock[key]
            .as_f64()
            .unwrap_or_else(|| panic!("{key}: {ran:?}"))
    };
    assert!(number("sleptSeconds") >= 31.0, "{ran:?}");
    assert!(number("driftBeforeSeconds") <= -31.0, "{ran:?}");
    assert!(number("driftSeconds").abs() < 2.0, "{ran:?}");
    assert!(behind(&host, "web").abs() <= 2);
    guest.goes_on_after(&before);

    // It is not touched if that is not wished for, and a pause is made up for as well.
    host.vmlife(["pause", "web"]).succeeds();
    std::thread::sleep(Duration::from_secs(4));
    let ran = host.vmlife(["resume", "web", "--no-clock"]).succeeds();
    assert_eq!(ran.stdout, "web runs on\n");
    assert!(behind(&host, "web") >= 4);
    host.vmlife(["pause", "web"]).succeeds();
    let ran = host.vmlife(["resume", "web"]).succeeds();
    assert!(
        ran.stdout.contains("web runs on; its clock was "),
        "{ran:?}"
    );
    assert!(ran.stdout.contains(" behind, and is set\n"), "{ran:?}");
    assert!(behind(&host, "web").abs() <= 2);
}

#[test]
fn a_guest_without_an_agent_is_told_to_be_behind() {
    let Some(host) = Session::start() else { return };
    Linux::boot(&host, "web", 128, "");
    host.vmlife(["hibernate", "web"]).succeeds();
    std::thread::sleep(Duration::from_secs(3));
    let ran = host.vmlife(["restore", "web"]).succeeds();
    let words = " s; its clock is about ";
    assert!(ran.stdout.contains(words), "{ran:?}");
    assert!(
        ran.stdout.ends_with(" behind, unless the guest sets it\n"),
        "{ran:?}"
    );
    host.vmlife(["pause", "web"]).succeeds();
    let ran = host.vmlife(["resume", "web"]).succeeds();
    assert_eq!(ran.stdout, "web runs on; its clock stood still meanwhile\n");
}

#[test]
fn an_agent_that_hangs_neither_fails_a_command_nor_holds_it_up_for_long() {
    let Some(host) = Session::start() else { return };
    let guest = with_agent(&host, "web");
    stop_agent(&host, "web");
    let before = guest.last_tick();
    host.vmlife(["hibernate", "web"]).succeeds();
    let ran = host.vmlife(["restore", "web", "-o", "json"]).ends_with(0);
    assert!(
        ran.stderr.contains("warning: web: its clock is not set: "),
        "{ran:?}"
    );
    let result = &ran.json()["results"][0];
    assert_eq!(
        (&result["kind"], &result["changed"]),
        (&"done".into(), &true.into())
    );
    // What a restore takes, and the limit.
    let seconds = ran.json()["results"][0]["clock"]["sleptSeconds"].clone();
    assert!(seconds.is_f64(), "{ran:?}");
    host.vmlife(["pause", "web"]).succeeds();
    let began = Instant::now();
    host.vmlife(["resume", "web"]).ends_with(0);
    let took = began.elapsed();
    assert!(took < Duration::from_secs(30), "{took:?}");
    guest.goes_on_after(&before);

    // It is waited for in vain, and that undoes nothing.
    let ran = host.vmlife(["restore", "web", "--wait", "--wait-limit", "2s"]);
    let ran = ran.refuses(
        124,
        "web already runs, but its agent has not answered within 2.0s",
    );
    assert!(ran.stderr.contains("the VM is not touched"), "{ran:?}");
    assert_eq!(host.virsh(["domstate", "web"]), "running");
}

#[test]
fn a_guest_is_waited_for_until_its_agent_answers_or_it_has_an_address() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::define(&host, "web", 128, "vmlife.agent");
    // One that boots: its agent comes late.
    host.vmlife(["restore", "web", "--or-start", "--wait=agent"])
        .ends_with(0);
    assert!(
        agent(&host, "web", "guest-ping").is_some(),
        "it was not waited for"
    );
    guest.ticks_beyond(0);
    let before = guest.last_tick();
    host.vmlife(["hibernate", "web"]).succeeds();
    let words = [
        "restore",
        "web",
        "--wait=ip",
        "--wait-limit",
        "3s",
        "-o",
        "json",
    ];
    let ran = host.vmlife(words).ends_with(124);
    let result = &ran.json()["results"][0];
    assert_eq!(result["kind"], "timedOut");
    assert_eq!(
        (&result["changed"], &result["status"]),
        (&true.into(), &"Up".into())
    );
    assert!(
        ran.stderr
            .contains("but it has got no IP address within 3.0s"),
        "{ran:?}"
    );
    guest.goes_on_after(&before);
    host.vmlife(["pause", "web"]).succeeds();
    host.vmlife(["resume", "web", "--wait"]).succeeds();
    host.vmlife(["resume", "web", "--wait", "--wait-limit", "0"])
        .refuses(2, "a time limit of 0");
}

#[test]
fn an_interrupt_ends_the_waiting_and_nothing_else() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "web", 128, "");
    let before = guest.last_tick();
    host.vmlife(["hibernate", "web"]).succeeds();
    let waiting = host
        .vmlife_command(["restore", "web", "--wait", "-v"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("vmlife runs");
    eventually("it runs", || (host.images().is_empty()).then_some(()));
    guest.ticks_beyond(before.number);
    Process(waiting.id()).signal("INT");
    let ran = Ran::of(waiting.wait_with_output().expect("it ends")).ends_with(130);
    let words =
        "but its agent has not answered, and is not waited for any longer: interrupted (INT)";
    assert!(ran.stderr.contains(words), "{ran:?}");
    guest.goes_on_after(&before);
}

#[test]
fn many_are_waited_for_at_once_and_hold_up_no_others() {
    let Some(host) = Session::start() else { return };
    let names = ["a", "b", "c", "d"];
    for name in names {
        boot_empty(&host, name);
        host.virsh(["suspend", name]);
    }
    for group in [&["-j", "1"][..], &["--together"]] {
        let began = Instant::now();
        let words = [
            "resume",
            "--all",
            "--wait",
            "--wait-limit",
            "8s",
            "-o",
            "json",
        ];
        let ran = host.vmlife(words.iter().chain(group)).ends_with(124);
        assert!(
            began.elapsed() < Duration::from_secs(24),
            "{:?}",
            began.elapsed()
        );
        for result in ran.json()["results"].as_array().expect("a list") {
            let (kind, changed) = (&result["kind"], &result["changed"]);
            assert_eq!(
                (kind, changed),
                (&"timedOut".into(), &true.into()),
                "{result}"
            );
        }
        for name in names {
            assert_eq!(host.virsh(["domstate", name]), "running");
            host.virsh(["suspend", name]);
        }
    }
}

#[test]
fn hooks_run_around_each_vm_with_the_facts_in_their_environment() {
    let Some(host) = Session::start() else { return };
    let name = "a'b\"; touch $HOME.hacked `id` & <c>";
    let id = boot_empty(&host, name);
    let told = host.write("told", "");
    let script = format!(
        "{{ env | grep ^VMLIFE_; printf '%s\\n' \"$0\"; }} >>{}",
        told.display()
    );
    let second = hook(&host, "20-second", 0o755, &script);
    let first = hook(&host, "10-first", 0o755, &script);
    hook(&host, "15-no-program", 0o644, "exit 1");
    let post = format!(
        "echo \"last $VMLIFE_HOOK $VMLIFE_NAME\" >>{}; echo answer",
        told.display()
    );
    let ran = host
        .vmlife(["pause", "--post", &post, "--", name])
        .succeeds();
    assert_eq!(ran.stdout, format!("{name} is paused\n"));
    let told = fs::read_to_string(told).expect("they told");
    let at = |words: &str| {
        told.find(words)
            .unwrap_or_else(|| panic!("{words}: {told}"))
    };
    assert!(at(first.to_str().unwrap()) < at(second.to_str().unwrap()));
    for (key, value) in [
        ("HOOK", "pre"),
        ("HOOK", "post"),
        ("VERB", "pause"),
        ("NAME", name),
        ("UUID", &id),
        ("URI", "qemu:///session"),
        ("STATUS_BEFORE", "Up"),
        ("STATUS", "Paused"),
        ("RESULT", "done"),
        ("EXIT", "0"),
        ("CHANGED", "true"),
    ] {
        at(&format!("VMLIFE_{key}={value}\n"));
    }
    assert!(told.ends_with(&format!("last post {name}\n")), "{told}");
    assert!(!host.path("home.hacked").exists());

    // A dry run names them; what is already so has none.
    let ran = host
        .vmlife(["resume", "-n", name, "--no-hooks", "--pre", "exit 1"])
        .succeeds();
    assert!(
        ran.stdout
            .contains("would be resumed; before it 'exit 1' would be run"),
        "{ran:?}"
    );
    let ran = host.vmlife(["pause", name, "--pre", "exit 1"]).succeeds();
    assert!(ran.stdout.contains("is already paused"), "{ran:?}");
    let image = host.image(&id);
    let post = "printf 'image %s' \"$VMLIFE_IMAGE\"";
    let ran = host
        .vmlife(["hibernate", name, "--no-hooks", "-v", "--post", post])
        .ends_with(0);
    assert!(
        ran.stderr.contains(&format!(": image {}", image.display())),
        "{ran:?}"
    );
}

#[test]
fn a_pre_hook_that_fails_keeps_its_vm_from_being_touched_and_no_other() {
    let Some(host) = Session::start() else { return };
    for name in ["a", "b"] {
        boot_empty(&host, name);
    }
    let pre = "echo quiet; echo 'the backup runs' >&2; [ $VMLIFE_NAME = b ]";
    let ran = host
        .vmlife(["hibernate", "a", "b", "--pre", pre])
        .ends_with(3);
    let words = format!(
        "error: a was not attempted: its pre hook {} ended with 1",
        quoted(pre)
    );
    assert!(ran.stderr.contains(&words), "{ran:?}");
    assert!(ran.stderr.contains("  cause: the backup runs\n"), "{ran:?}");
    assert!(!ran.stdout.contains("quiet"), "{ran:?}");
    assert_eq!(host.virsh(["domstate", "a"]), "running");
    assert_eq!(host.virsh(["domstate", "b"]), "shut off");
    // Of a group none is touched then.
    host.vmlife(["restore", "b"]).succeeds();
    let post = "[ $VMLIFE_CHANGED = false ] && [ $VMLIFE_RESULT = guard ]";
    let words = [
        "pause",
        "a",
        "b",
        "--together",
        "--pre",
        pre,
        "--post",
        post,
    ];
    let ran = host.vmlife(words).ends_with(7);
    assert!(!ran.stderr.contains("warning"), "{ran:?}");
    for name in ["a", "b"] {
        assert_eq!(host.virsh(["domstate", name]), "running");
    }
    // One that takes too long is ended, and counts as failed.
    let words = ["pause", "a", "--pre", "sleep 900", "--hook-limit", "1s"];
    host.vmlife(words).refuses(
        7,
        "its pre hook 'sleep 900' took longer than 1.0s, and was ended",
    );
    assert_eq!(host.virsh(["domstate", "a"]), "running");
}

#[test]
fn a_post_hook_that_fails_is_a_warning_and_changes_nothing() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "a");
    let words = ["pause", "a", "--post", "echo bad >&2; exit 5"];
    let ran = host.vmlife(words).ends_with(0);
    let words = "warning: a: its post hook 'echo bad >&2; exit 5' ended with 5: bad\n";
    assert_eq!(ran.stderr, words);
    assert_eq!(host.virsh(["domstate", "a"]), "paused");
}

/// A hook that runs, and writes its process there.
fn hook_whose_pid_is_in(file: &Path) -> Process {
    eventually("the hook runs", || {
        let pid = fs::read_to_string(file).ok()?;
        pid.trim().parse().ok().map(Process)
    })
}

fn ends(hook: Process) {
    eventually("the hook is gone", || {
        (!fs::exists(format!("/proc/{}", hook.0)).expect("/proc")).then_some(())
    });
}

#[test]
fn an_interrupt_in_a_pre_hook_ends_the_hook_and_touches_nothing() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "a");
    let pid = host.write("hook-pid", "");
    let pre = format!("echo $$ >{}; sleep 900", pid.display());
    let running = host
        .vmlife_command(["hibernate", "a", "--pre", &pre])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("vmlife runs");
    let hook = hook_whose_pid_is_in(&pid);
    Process(running.id()).signal("INT");
    let ran = Ran::of(running.wait_with_output().expect("it ends")).ends_with(130);
    assert!(
        ran.stderr
            .contains("a was not attempted: interrupted (INT) in its pre hook"),
        "{ran:?}"
    );
    ends(hook);
    assert_eq!(host.virsh(["domstate", "a"]), "running");
    assert_eq!(host.images(), [""; 0]);
}

#[test]
fn a_daemon_that_hangs_in_a_pre_hook_holds_nobody_up_and_nothing_is_touched() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "a");
    let daemon = host.daemon();
    let hanging = |more: &[&str], signal: bool| {
        let (pid, told) = (host.write("hook-pid", ""), host.write("told", ""));
        let go = host.path("go");
        fs::remove_file(&go).ok();
        let pre = format!(
            "echo $$ >{}; until [ -e {} ]; do sleep 0.05; done",
            pid.display(),
            go.display()
        );
        let post = format!("echo $VMLIFE_EXIT >{}", told.display());
        let words = ["hibernate", "a", "--pre", &pre, "--post", &post];
        let mut command = host.vmlife_command(words);
        command.args(more);
        let running = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("vmlife runs");
        let hook = hook_whose_pid_is_in(&pid);
        daemon.signal("STOP");
        fs::write(&go, "").expect("a file");
        ends(hook);
        if signal {
            Process(running.id()).signal("INT");
        }
        let ran = Ran::of(running.wait_with_output().expect("it ends"));
        daemon.signal("CONT");
        assert_eq!(host.virsh(["domstate", "a"]), "running");
        assert_eq!(host.images(), [""; 0]);
        let told = fs::read_to_string(told).expect("text");
        assert_eq!(told, format!("{}\n", ran.code), "what the post hook got");
        ran
    };
    let words = "a was not attempted: libvirt has not answered within ";
    hanging(&[], false).refuses(10, words);
    let words = "a was not attempted: the time limit has passed, and the call has not ended";
    hanging(&["--timeout", "6s"], false).refuses(124, words);
    let words = "a was not attempted: interrupted (INT), and the call has not ended";
    hanging(&[], true).refuses(130, words);
    host.vmlife(["hibernate", "a"]).succeeds();
}

#[test]
fn a_vm_that_dies_while_it_is_waited_for_is_told_to_be_off() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "web", 128, "");
    let before = guest.last_tick();
    host.vmlife(["hibernate", "web"]).succeeds();
    let told = host.write("told", "");
    let post = format!("echo $VMLIFE_STATUS >{}", told.display());
    let words = ["restore", "web", "--wait", "-o", "json", "--post", &post];
    let waiting = host
        .vmlife_command(words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("vmlife runs");
    eventually("it runs", || (host.images().is_empty()).then_some(()));
    guest.ticks_beyond(before.number);
    host.qemu("web").signal("KILL");
    let ran = Ran::of(waiting.wait_with_output().expect("it ends")).ends_with(1);
    let result = &ran.json()["results"][0];
    assert_eq!(
        (&result["status"], &result["message"]),
        (
            &"Down".into(),
            &"was restored, but is off (crashed) now: it stopped while it was waited for, and what it had in memory is gone".into()
        )
    );
    assert_eq!(result["hint"], "vmlife restore --or-start web boots it");
    assert!(!ran.stderr.contains("is not touched"), "{ran:?}");
    assert_eq!(fs::read_to_string(told).expect("text"), "Down\n");
}

#[test]
fn a_pre_hook_that_starts_its_vm_without_its_image_is_told_of() {
    let Some(host) = Session::start() else { return };
    let id = boot_empty(&host, "a");
    host.vmlife(["hibernate", "a"]).succeeds();
    let image = host.image(&id);
    let ran = host
        .vmlife(["restore", "a", "--pre", "virsh -q start a"])
        .ends_with(0);
    assert_eq!(ran.stdout, "a already runs\n");
    let words = format!(
        "warning: a: it was started while its pre hooks ran, without its image {}, which is of no use now\n",
        image.display()
    );
    assert_eq!(ran.stderr, words);

    // One that restores it itself has nothing to be told of.
    host.vmlife(["hibernate", "a", "--force"]).ends_with(0);
    let pre = format!("virsh -q restore {}", image.display());
    host.vmlife(["restore", "a", "--pre", &pre]).succeeds();
}

#[test]
fn what_is_refused_before_has_no_post_hook_and_a_group_locks_no_desktops() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "a");
    let told = host.write("told", "");
    let post = format!("echo $VMLIFE_NAME >>{}", told.display());
    host.virsh(["suspend", "a"]);
    for words in [
        ["restore", "a", "--strict", "--pre", "true", "--post", &post],
        ["pause", "a", "--strict", "--pre", "true", "--post", &post],
        ["resume", "a", "-q", "--pre", "exit 1", "--post", &post],
    ] {
        let ran = host.vmlife(words);
        assert!(ran.code == 5 || ran.code == 7, "{ran:?}");
    }
    assert_eq!(fs::read_to_string(&told).expect("text"), "");
    let words = ["resume", "a", "--pre", "true", "--post", &post];
    host.vmlife(words).succeeds();
    assert_eq!(fs::read_to_string(told).expect("text"), "a\n");
    host.vmlife(["hibernate", "a", "--together", "--lock-desktop"])
        .refuses(2, "'--together' cannot be used with '--lock-desktop'");
    assert_eq!(host.virsh(["domstate", "a"]), "running");
}

#[test]
fn a_hook_that_calls_vmlife_on_its_vm_is_told_that_it_is_busy_and_runs_no_hooks() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "a");
    let vmlife = host.path("vmlife");
    let called = host.write("called", "");
    let script = format!(
        "echo $VMLIFE_HOOK >>{}; [ $VMLIFE_HOOK = post ] || {} hibernate a; [ $? = 9 ] || [ $VMLIFE_HOOK = post ]",
        called.display(),
        vmlife.display()
    );
    hook(&host, "10-again", 0o755, &script);
    host.vmlife(["hibernate", "a"]).succeeds();
    assert_eq!(fs::read_to_string(called).expect("text"), "pre\npost\n");
}

#[test]
fn hooks_that_others_can_write_to_are_not_run_and_that_is_told() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "a");
    let open = hook(&host, "10-open", 0o777, "exit 1");
    let ran = host.vmlife(["pause", "a"]).ends_with(0);
    let open = open.display();
    let words = format!(
        "warning: a: the hook {open} is not run: others may write to {open} (chmod go-w)\n"
    );
    assert_eq!(ran.stderr, words);
    hook(&host, "10-open", 0o755, "exit 1");
    host.hand_over(&host.path("c/vmlife/hooks.d"), 0o777);
    let ran = host.vmlife(["resume", "a"]).ends_with(0);
    assert!(
        ran.stderr.contains("is not run: others may write to "),
        "{ran:?}"
    );
    host.hand_over(&host.path("c/vmlife/hooks.d"), 0o755);
    host.vmlife(["pause", "a"]).refuses(7, "ended with 1");
}

#[test]
fn a_desktop_that_cannot_be_locked_is_a_warning() {
    let Some(host) = Session::start() else { return };
    with_agent(&host, "web");
    let ran = host
        .vmlife(["hibernate", "web", "--lock-desktop"])
        .ends_with(0);
    // The guest has no such program, which its agent tells.
    assert!(
        ran.stderr
            .starts_with("warning: web: its desktops may not be locked: "),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("loginctl"), "{ran:?}");
}

/// As the tool tells it.
fn quoted(word: &str) -> String {
    vmlife::words::quoted(word)
}
