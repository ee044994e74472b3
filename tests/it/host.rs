//! The host's shutdown and boot: what the script of the units does, without systemd.

use super::support::guest::{Linux, boot_empty, define_empty};
use super::support::session::{Session, missing, writer_below};
use super::support::{Ran, eventually, files_below, project};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// A session whose VMs the script of the units puts to sleep and wakes.
struct Host(Session);

impl Host {
    fn start() -> Option<Self> {
        let host = Self(Session::start()?);
        let script = project().join("examples/systemd/vmlife-host");
        host.0.bring(&script, "vmlife-host", 0o755);
        // Nobody else puts VMs to sleep here.
        host.tool("systemctl", "exit 4");
        Some(host)
    }

    /// A program of this host.
    fn tool(&self, name: &str, does: &str) {
        let path = self.0.write(name, format!("#!/bin/sh\n{does}\n"));
        self.0.hand_over(&path, 0o755);
    }

    /// A program as the session's user, in the session's environment and these settings; the first that is set counts.
    fn command(&self, settings: &[&str], words: &[&OsStr]) -> Command {
        let path = |name: &str| self.0.path(name).display().to_string();
        let mut command = self.0.command("env");
        command
            .arg(format!("VMLIFE={}", path("vmlife")))
            .arg(format!("SYSTEMCTL={}", path("systemctl")))
            .arg(format!("VMLIFE_HOST_NOTE={}", path("state/note")))
            .arg(format!("VMLIFE_HOST_QEMU_CONF={}", path("qemu.conf")))
            .arg(format!("VMLIFE_HOST_RUNS={}", path("run/libvirt/qemu/run")))
            .arg("VMLIFE_HOST_PATIENCE=1")
            .args(settings)
            .args(words);
        command
    }

    fn with(&self, settings: &[&str], verb: &str) -> Ran {
        let script = self.0.path("vmlife-host");
        let words = [script.as_os_str(), verb.as_ref()];
        Ran::of(self.command(settings, &words).output().expect("it runs"))
    }

    fn sleep(&self) -> Ran {
        self.with(&[], "sleep")
    }

    fn wake(&self) -> Ran {
        self.with(&[], "wake")
    }

    /// What is noted as put to sleep.
    fn noted(&self) -> Vec<String> {
        let note = fs::read_to_string(self.0.path("state/note")).unwrap_or_default();
        note.lines().map(str::to_owned).collect()
    }

    fn states(&self, names: &[&str]) -> Vec<String> {
        let state = |name: &&str| self.0.virsh(["domstate", "--", name]);
        names.iter().map(state).collect()
    }

    /// Gives a VM something that libvirt has no word for.
    fn keep(&self, name: &str, fields: &str) {
        let xml = format!("<vm>{fields}</vm>");
        for which in ["--live", "--config"] {
            let active = self.0.virsh(["domstate", name]) != "shut off";
            if active || which == "--config" {
                self.0.virsh([
                    "metadata",
                    name,
                    "urn:vmlife:vm:1",
                    "--key",
                    "vmlife",
                    "--set",
                    &xml,
                    which,
                ]);
            }
        }
    }

    fn policy(&self, name: &str, policy: &str) {
        let field = format!("<hostShutdownPolicy>{policy}</hostShutdownPolicy>");
        self.keep(name, &field);
    }
}

fn sorted<const N: usize>(ids: [String; N]) -> Vec<String> {
    let mut ids = Vec::from(ids);
    ids.sort();
    ids
}

#[test]
fn what_the_host_puts_to_sleep_it_wakes_and_nothing_else() {
    let Some(host) = Host::start() else { return };
    let guests = ["a", "b"].map(|name| Linux::boot(&host.0, name, 128, ""));
    let paused = boot_empty(&host.0, "$(exit 1) `x` <&;|");
    host.0.virsh(["suspend", &paused]);
    let before = guests.each_ref().map(Linux::last_tick);
    boot_empty(&host.0, "sleeper");
    host.0.vmlife(["hibernate", "sleeper"]).ends_with(0);
    define_empty(&host.0, "off");
    host.sleep().ends_with(0).says("is hibernated");
    let all = ["a", "b", &paused, "sleeper", "off"];
    assert_eq!(host.states(&all), ["shut off"; 5]);
    let ids = sorted([guests[0].id(), guests[1].id(), paused.clone()]);
    assert_eq!(host.noted(), ids);

    // Once more: what sleeps already stays noted.
    let ran = host.sleep().ends_with(0);
    assert!(ran.stderr.contains("nothing runs that is"), "{ran:?}");
    assert_eq!(host.noted(), ids);

    // The host has been off meanwhile.
    host.0.restart();
    host.wake().ends_with(0).says("runs again");
    assert_eq!(
        host.states(&all),
        ["running", "running", "paused", "shut off", "shut off"]
    );
    assert_eq!(host.noted(), [""; 0]);
    for (guest, before) in guests.iter().zip(&before) {
        guest.goes_on_after(before);
    }
    host.0.vmlife(["restore", "sleeper"]).ends_with(0);
    let ran = host.wake().ends_with(0);
    assert!(ran.stderr.contains("nothing was put to sleep"), "{ran:?}");
}

#[test]
fn each_vm_is_put_to_sleep_as_its_policy_says() {
    let Some(host) = Host::start() else { return };
    let saved = Linux::boot(&host.0, "saved", 128, "");
    let usual = Linux::boot(&host.0, "usual", 128, "");
    for name in ["left", "odd"] {
        boot_empty(&host.0, name);
    }
    host.policy("saved", "hibernate");
    host.policy("left", "leave");
    host.policy("odd", "explode");
    let before = saved.last_tick();
    host.0
        .vmlife(["show", "--columns", "NAME,POLICY"])
        .ends_with(0)
        .says("left   leave")
        .says("odd    -")
        .says("saved  hibernate")
        .says("usual  -");
    // What has no policy that is known has the usual one, which no firmware heeds.
    let settings = [
        "VMLIFE_HOST_POLICY=shutDown",
        "VMLIFE_HOST_BUDGET=30",
        "VMLIFE_HOST_RESERVE=5",
    ];
    let ran = host.with(&settings, "sleep").ends_with(1);
    assert!(ran.stderr.contains("these still run: "), "{ran:?}");
    assert!(ran.stderr.contains("odd  "), "{ran:?}");
    assert!(
        usual.remarks().contains(&"power button".to_owned()),
        "{ran:?}"
    );
    assert_eq!(
        ["saved", "usual", "left", "odd"].map(|name| host.0.state(name)),
        [
            "shut off (saved)",
            "shut off (shutdown)",
            "running (booted)",
            "running (booted)"
        ],
        "{ran:?}"
    );
    assert_eq!(host.noted(), [saved.id()]);
    host.wake().ends_with(0);
    saved.goes_on_after(&before);
    assert_eq!(host.0.state("usual"), "shut off (shutdown)");
}

#[test]
fn what_is_not_hibernated_in_time_is_asked_to_shut_down_and_never_switched_off() {
    let Some(host) = Host::start() else { return };
    let fast = Linux::boot(&host.0, "fast", 128, "");
    let slow = Linux::boot(&host.0, "slow", 192, "vmlife.random=64");
    // It cannot be saved, and its firmware does not heed a power button.
    let deaf = "<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
        <name>deaf</name><memory unit='MiB'>16</memory>
        <os><type arch='x86_64' machine='pc'>hvm</type></os>
        <devices><controller type='usb' model='none'/><memballoon model='none'/></devices>
        <qemu:commandline>
        <qemu:arg value='-object'/><qemu:arg value='memory-backend-ram,id=m,size=1M,share=on'/>
        <qemu:arg value='-device'/><qemu:arg value='ivshmem-plain,memdev=m'/>
        </qemu:commandline></domain>";
    let deaf = host.0.write("deaf.xml", deaf);
    host.0.virsh(["create".as_ref(), deaf.as_os_str()]);
    let before = fast.last_tick();
    let words = host.0.write("tmp/words", "");
    let script = host.0.path("vmlife-host");
    let settings = ["VMLIFE_HOST_BUDGET=22", "VMLIFE_HOST_RESERVE=12"];
    let mut command = host.command(&settings, &[script.as_os_str(), "sleep".as_ref()]);
    let file = File::create(&words).expect("a file");
    let also = file.try_clone().expect("a file");
    let mut sleeping = command.stdout(also).stderr(file).spawn().expect("it runs");
    // The disk of one has become slow.
    let image = host.0.image(&slow.id());
    let writer = eventually("the image is being written", || writer_below(&image));
    writer.signal("STOP");
    eventually("its time is up", || {
        let said = fs::read_to_string(&words).expect("text");
        said.contains("slow: cancelling").then_some(())
    });
    writer.signal("CONT");
    let ended = sleeping.wait().expect("it ends");
    let said = fs::read_to_string(&words).expect("text");
    assert_eq!(ended.code(), Some(1), "{said}");
    let (_, over) = said.split_once("these were not hibernated").expect(&said);
    let (over, runs) = over.split_once("these still run: ").expect(&said);
    assert!(over.contains("slow  ") && over.contains("deaf  "), "{said}");
    assert!(
        runs.contains("deaf  ") && !runs.contains("slow  "),
        "{said}"
    );
    assert_eq!(host.0.state("fast"), "shut off (saved)", "{said}");
    assert_eq!(host.0.state("slow"), "shut off (shutdown)", "{said}");
    assert!(host.0.state("deaf").starts_with("running"), "{said}");
    assert!(!image.exists(), "{said}");
    assert_eq!(host.noted(), [fast.id()]);
    host.wake().ends_with(0);
    fast.goes_on_after(&before);
    assert_eq!(host.0.state("slow"), "shut off (shutdown)");
}

#[test]
fn what_libvirt_starts_with_the_host_does_not_boot_without_its_memory() {
    let Some(host) = Host::start() else { return };
    let guest = Linux::boot(&host.0, "auto", 128, "");
    host.0.virsh(["autostart", "auto"]);
    let other = boot_empty(&host.0, "other");
    let before = guest.last_tick();
    host.sleep().ends_with(0);
    assert_eq!(host.states(&["auto", "other"]), ["shut off"; 2]);
    assert_eq!(host.noted(), sorted([guest.id(), other]));
    // The host boots: libvirt has started nothing yet.
    host.0.kill_daemon();
    let mark = host.0.path("run/libvirt/qemu/run/autostarted");
    fs::remove_file(mark).expect("libvirt marks what it has done");
    host.0.start_daemon();
    guest.goes_on_after(&before);
    assert_eq!(host.states(&["auto", "other"]), ["running", "shut off"]);
    host.wake().ends_with(0);
    assert_eq!(host.states(&["auto", "other"]), ["running"; 2]);
    assert_eq!(host.noted(), [""; 0]);
    guest.goes_on_after(&before);
}

#[test]
fn a_guest_that_suspended_itself_is_woken_up_to_be_hibernated() {
    let Some(host) = Host::start() else { return };
    let guest = Linux::boot(&host.0, "vm", 128, "vmlife.agent");
    eventually("the agent answers", || {
        let ping = ["qemu-agent-command", "vm", "{\"execute\":\"guest-ping\"}"];
        let answered = host.0.command("virsh").args(ping).output();
        let answered = answered.expect("virsh runs");
        answered.status.success().then_some(())
    });
    let before = guest.last_tick();
    host.0.virsh(["dompmsuspend", "vm", "mem"]);
    eventually("it sleeps", || {
        (host.states(&["vm"]) == ["pmsuspended"]).then_some(())
    });
    host.sleep().ends_with(0);
    assert_eq!(host.noted(), [guest.id()]);
    host.wake().ends_with(0);
    guest.goes_on_after(&before);
}

#[test]
fn where_nothing_can_be_noted_vms_are_put_to_sleep_all_the_same() {
    let Some(host) = Host::start() else { return };
    let id = boot_empty(&host.0, "vm");
    let ran = host.with(&["VMLIFE_HOST_NOTE=/proc/none/note"], "sleep");
    let ran = ran.ends_with(1);
    assert!(ran.stderr.contains("it could not be noted"), "{ran:?}");
    assert_eq!(host.states(&[&id]), ["shut off"]);
    // A slip in the settings is told, and lets nobody down.
    host.0.vmlife(["restore", "vm"]).ends_with(0);
    let settings = ["VMLIFE_HOST_BUDGET=5m", "VMLIFE_HOST_POLICY=sleep"];
    let ran = host.with(&settings, "sleep").ends_with(0);
    for words in ["no number of seconds: '5m'", "no policy: 'sleep'"] {
        assert!(ran.stderr.contains(words), "{words}: {ran:?}");
    }
    assert_eq!(host.noted(), [id]);
    host.with(&[], "rest").ends_with(2);
}

#[test]
fn two_at_once_wait_for_one_another() {
    let Some(host) = Host::start() else { return };
    let id = boot_empty(&host.0, "vm");
    host.sleep().ends_with(0);
    let note = host.0.path("state/note.lock");
    let hold = "echo held && read -r _";
    let mut holder = host.0.command("flock");
    let mut holder = holder
        .arg(&note)
        .args(["sh", "-c", hold])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("flock runs");
    let mut line = String::new();
    let mut told = BufReader::new(holder.stdout.take().expect("a pipe"));
    told.read_line(&mut line).expect("it is held");
    let ran = host.wake().ends_with(1);
    assert!(
        ran.stderr.contains("another vmlife-host is at work"),
        "{ran:?}"
    );
    assert_eq!(host.states(&[&id]), ["shut off"]);
    drop(holder.stdin.take());
    holder.wait().expect("it ends");
    host.wake().ends_with(0);
    assert_eq!(host.states(&[&id]), ["running"]);
}

#[test]
fn killed_between_the_saves_and_the_note_it_wakes_all_the_same() {
    let Some(host) = Host::start() else { return };
    let guest = Linux::boot(&host.0, "vm", 128, "");
    // One was not yet saved when the host went down.
    let lost = boot_empty(&host.0, "lost");
    let before = guest.last_tick();
    let real = host.0.path("vmlife").display().to_string();
    let does =
        format!("[ \"$1\" = hibernate ] || exec {real} \"$@\"\n{real} hibernate vm\nkill -9 $PPID");
    host.tool("killing", &does);
    let killing = format!("VMLIFE={}", host.0.path("killing").display());
    host.with(&[&killing], "sleep").ends_with(-1);
    assert_eq!(host.noted(), sorted([guest.id(), lost.clone()]));
    host.0.virsh(["destroy", &lost]);
    host.0.restart();
    let ran = host.wake().ends_with(1);
    guest.goes_on_after(&before);
    // It is not booted, and not forgotten.
    assert!(ran.stderr.contains("these are not back"), "{ran:?}");
    assert_eq!(host.states(&["vm", "lost"]), ["running", "shut off"]);
    assert_eq!(host.noted(), [lost.as_str()]);
    host.0.virsh(["start", &lost]);
    host.wake().ends_with(0);
    assert_eq!(host.noted(), [""; 0]);
}

#[test]
fn what_cannot_be_woken_up_stays_noted_and_holds_up_no_other() {
    let Some(host) = Host::start() else { return };
    let ids = ["good", "restored", "gone", "forgotten"].map(|name| boot_empty(&host.0, name));
    let [good, restored, gone, forgotten] = &ids;
    host.sleep().ends_with(0);
    assert_eq!(host.noted(), sorted(ids.clone()));
    host.0.vmlife(["restore", "restored"]).ends_with(0);
    let away = host.0.path("away.vmsave");
    fs::rename(host.0.image(gone), &away).expect("it is there");
    host.0.virsh(["undefine", "forgotten"]);
    fs::remove_file(host.0.image(forgotten)).expect("it is there");
    let ran = host.wake().ends_with(1);
    assert_eq!(
        host.states(&[good, restored, gone]),
        ["running", "running", "shut off"]
    );
    let unknown = format!("{forgotten}, which libvirt does not know");
    assert!(ran.stderr.contains(&unknown), "{ran:?}");
    assert_eq!(host.noted(), sorted([gone.clone(), forgotten.clone()]));
    // Its image is back: the next try takes it, and what sleeps meanwhile does not push it off the note.
    host.sleep().ends_with(0);
    assert_eq!(host.noted(), sorted(ids.clone()));
    fs::rename(&away, host.0.image(gone)).expect("it is there");
    host.wake().ends_with(1);
    assert_eq!(host.states(&[good, restored, gone]), ["running"; 3]);
    assert_eq!(host.noted(), [forgotten.as_str()]);
}

#[test]
fn what_depends_on_one_another_in_a_circle_goes_one_by_one() {
    let Some(host) = Host::start() else { return };
    let ids = ["a", "b", "c"].map(|name| boot_empty(&host.0, name));
    for (name, needs) in [("a", "b"), ("b", "a")] {
        let needs = format!("<dependsOn type='list'><entry>{needs}</entry></dependsOn>");
        host.keep(name, &needs);
    }
    let ran = host.sleep().ends_with(0);
    assert!(ran.stderr.contains("each goes by itself"), "{ran:?}");
    assert_eq!(host.states(&["a", "b", "c"]), ["shut off"; 3]);
    assert_eq!(host.noted(), sorted(ids));
    host.wake().ends_with(0);
    assert_eq!(host.states(&["a", "b", "c"]), ["running"; 3]);
}

#[test]
fn it_refuses_to_be_the_third_and_says_who_else_is_there() {
    let Some(host) = Host::start() else { return };
    let id = boot_empty(&host.0, "vm");
    host.with(&[], "check").ends_with(0);
    let refuses = |words: &str| {
        for verb in ["check", "sleep"] {
            let ran = host.with(&[], verb).ends_with(1);
            assert!(ran.stderr.contains(words), "{words}: {ran:?}");
            assert!(ran.stderr.contains("To turn it off: ") || words.contains("once more"));
        }
        assert_eq!(host.states(&["vm"]), ["running"]);
        assert_eq!(host.noted(), [""; 0]);
    };
    for (enabled, active, words) in [
        ("enabled", "active", "libvirt-guests.service is enabled"),
        (
            "enabled",
            "inactive",
            "systemctl disable libvirt-guests.service",
        ),
        ("disabled", "active", "once more"),
        ("disabled", "deactivating", "once more"),
    ] {
        let tells =
            format!("case $1 in is-enabled) echo {enabled} ;; is-active) echo {active} ;; esac");
        host.tool("systemctl", &tells);
        refuses(words);
    }
    host.tool(
        "systemctl",
        "case $1 in is-enabled) echo masked ;; *) echo inactive; exit 3 ;; esac",
    );
    for (setting, value) in [
        ("auto_shutdown_try_save", "\"persistent\""),
        ("auto_shutdown_try_shutdown", "\"all\" # \"none\""),
        ("auto_shutdown_poweroff", "1"),
    ] {
        host.0
            .write("qemu.conf", format!("user = \"x\"\n  {setting}={value}\n"));
        refuses(&format!("{setting} is on in"));
    }
    let off = "#auto_shutdown_try_save = \"all\"\nauto_shutdown_try_save = \"none\"\n\
        auto_shutdown_try_shutdown = 0\nauto_shutdown_poweroff=\"off\" # all\nauto_shutdown_wait = 30\n";
    host.0.write("qemu.conf", off);
    host.with(&[], "check").ends_with(0);
    host.sleep().ends_with(0);
    // What sleeps is woken up all the same: nobody else would.
    host.0
        .write("qemu.conf", "auto_shutdown_try_save = \"all\"\n");
    let ran = host.wake().ends_with(1);
    assert!(ran.stderr.contains("is on in"), "{ran:?}");
    assert_eq!(host.states(&[&id]), ["running"]);
    assert_eq!(host.noted(), [""; 0]);
}

#[test]
fn a_libvirt_that_does_not_answer_loses_nothing_and_is_told() {
    let Some(host) = Host::start() else { return };
    let id = boot_empty(&host.0, "vm");
    host.0.kill_daemon();
    let ran = host.sleep().ends_with(1);
    assert!(ran.stderr.contains("nothing was put to sleep"), "{ran:?}");
    host.0.start_daemon();
    assert_eq!(host.states(&[&id]), ["running"]);
    host.sleep().ends_with(0);
    host.0.kill_daemon();
    // It has ended since nothing runs.
    let ran = host.sleep().ends_with(0);
    assert!(ran.stderr.contains("nothing runs"), "{ran:?}");
    let ran = host.wake().ends_with(1);
    assert!(ran.stderr.contains("nothing was woken up"), "{ran:?}");
    assert_eq!(host.noted(), [id.as_str()]);
    host.0.start_daemon();
    host.wake().ends_with(0);
    assert_eq!(host.states(&[&id]), ["running"]);
}

#[test]
fn networks_and_pools_that_go_with_the_host_are_started_first() {
    let Some(host) = Host::start() else { return };
    let network = |name: &str| {
        let xml = format!(
            "<network><name>{name}</name><forward mode='bridge'/><bridge name='lo'/></network>"
        );
        let file = host.0.write("network.xml", xml);
        host.0.virsh(["net-define".as_ref(), file.as_os_str()]);
    };
    network("$(n) '");
    network("other");
    host.0.virsh(["net-autostart", "$(n) '"]);
    let folder = host.0.path("tmp").display().to_string();
    host.0
        .virsh(["pool-define-as", "p", "dir", "--target", &folder]);
    host.0.virsh(["pool-start", "p"]);
    host.0.virsh(["pool-autostart", "p"]);
    host.0.virsh(["vol-create-as", "p", "v", "1M"]);
    let xml = "<domain type='qemu'><name>vm</name><memory unit='MiB'>16</memory>
        <os><type arch='x86_64' machine='pc'>hvm</type></os>
        <devices><controller type='usb' model='none'/><memballoon model='none'/>
        <disk type='volume'><source pool='p' volume='v'/><target dev='vda' bus='virtio'/></disk>
        </devices></domain>";
    let file = host.0.write("vm.xml", xml);
    host.0.virsh(["define".as_ref(), file.as_os_str()]);
    host.0.virsh(["start", "vm"]);
    host.sleep().ends_with(0);
    host.0.virsh(["pool-destroy", "p"]);
    host.wake().ends_with(0);
    assert_eq!(host.states(&["vm"]), ["running"]);
    assert_eq!(host.0.virsh(["net-list", "--name"]), "$(n) '");
}

#[test]
fn systemd_takes_the_units() {
    if Command::new("systemd-analyze")
        .arg("--version")
        .output()
        .is_err()
    {
        return missing("systemd-analyze");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let script = project().join("examples/systemd/vmlife-host");
    let script = script.to_str().expect("text");
    let units = files_below("examples/systemd", "service");
    assert_eq!(units.len(), 2);
    let mut command = Command::new("systemd-analyze");
    command.arg("verify");
    // libvirt orders each VM before this target; without these lines systemd ends VMs while they are saved.
    let host = fs::read_to_string(project().join("examples/systemd/vmlife-host.service"));
    let host = host.expect("text");
    for line in ["Requires", "After"].map(|word| format!("\n{word}=virt-guest-shutdown.target\n")) {
        assert!(host.contains(&line), "{host}");
    }
    for unit in &units {
        let text = fs::read_to_string(unit).expect("text");
        let placed = text.replace("/usr/local/sbin/vmlife-host", script);
        assert!(text != placed, "{} names the script", unit.display());
        let path = folder.path().join(unit.file_name().expect("a name"));
        fs::write(&path, placed).expect("it can be written");
        command.arg(path);
    }
    // libvirt brings it.
    fs::write(folder.path().join("virt-guest-shutdown.target"), "[Unit]\n").expect("a unit");
    let path = format!("{}:", folder.path().display());
    let ran = Ran::of(
        command
            .env("SYSTEMD_UNIT_PATH", path)
            .output()
            .expect("it runs"),
    );
    assert!(ran.code == 0 && ran.stderr.is_empty(), "{ran:#?}");
}

/// Words of a shell that finds its libvirt, and has no more than that: no PATH.
fn bare(host: &Host, settings: &[&str], words: &[&str]) -> Ran {
    let path = |name: &str| host.0.path(name).display().to_string();
    let mut command = host.0.command("env");
    command
        .arg("-i")
        .arg("LIBVIRT_AUTOSTART=0")
        .arg(format!("XDG_RUNTIME_DIR={}", path("run")))
        .arg(format!("XDG_STATE_HOME={}", path("state")))
        .args(settings)
        .arg("/bin/sh")
        .args(words);
    Ran::of(command.output().expect("sh runs"))
}

#[test]
fn cron_puts_those_with_the_label_to_sleep_and_wakes_them() {
    let Some(host) = Host::start() else { return };
    for name in ["nightly", "off", "other"] {
        boot_empty(&host.0, name);
        if name != "other" {
            host.keep(name, "<labels><nightly>yes</nightly></labels>");
        }
    }
    host.0.virsh(["destroy", "off"]);
    let table = fs::read_to_string(project().join("examples/cron/vmlife")).expect("text");
    let jobs: Vec<&str> = table
        .lines()
        .filter_map(|line| line.split_once(" root "))
        .map(|(_, job)| job.trim())
        .collect();
    let vmlife = format!("VMLIFE={}", host.0.path("vmlife").display());
    let settings = [vmlife.as_str(), "LIBVIRT_DEFAULT_URI=qemu:///session"];
    // cron makes a new line of it.
    assert!(jobs.len() == 2 && !table.contains('%'), "{jobs:?}");
    for (job, state) in jobs.iter().zip(["shut off", "running"]) {
        let ran = bare(&host, &settings, &["-c", job]).ends_with(0);
        assert!(ran.stderr.is_empty(), "{ran:?}");
        assert_eq!(
            host.states(&["nightly", "off", "other"]),
            [state, "shut off", "running"]
        );
    }
}

#[test]
fn a_ups_puts_vms_to_sleep_and_wakes_them_when_power_is_back() {
    let Some(host) = Host::start() else { return };
    let id = boot_empty(&host.0, "vm");
    boot_empty(&host.0, "sleeper");
    host.0.vmlife(["hibernate", "sleeper"]).ends_with(0);
    let script = host
        .0
        .bring(&project().join("examples/ups.sh"), "ups.sh", 0o644);
    let script = script.to_str().expect("text");
    // The settings are read by systemd and by shells.
    let given = fs::read_to_string(project().join("examples/systemd/vmlife-host.env"));
    let path = |name: &str| host.0.path(name).display().to_string();
    let given = given
        .expect("text")
        .replace("qemu:///system", "qemu:///session")
        .replace("/var/lib/vmlife/host-asleep", &path("state/note"));
    let settings = host.0.write("settings", given);
    let settings = [
        format!("VMLIFE={}", path("vmlife")),
        format!("SYSTEMCTL={}", path("systemctl")),
        format!("VMLIFE_HOST={}", path("vmlife-host")),
        format!("VMLIFE_HOST_SETTINGS={}", settings.display()),
    ];
    let settings = settings.each_ref().map(String::as_str);
    bare(&host, &settings, &[script, "low"]).ends_with(0);
    assert_eq!(host.states(&["vm", "sleeper"]), ["shut off"; 2]);
    assert_eq!(host.noted(), [id]);
    bare(&host, &settings, &[script, "back"]).ends_with(0);
    assert_eq!(host.states(&["vm", "sleeper"]), ["running", "shut off"]);
    assert_eq!(host.noted(), [""; 0]);
    bare(&host, &settings, &[script, "else"]).ends_with(2);
}
