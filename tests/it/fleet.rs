//! Many VMs at once, in their order, as one, and on several hosts.

use super::guards::Small;
use super::support::guest::{Linux, boot_empty, define_empty};
use super::support::session::{Process, Session, writer_below};
use super::support::{Ran, eventually};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};

fn spawn(host: &Session, words: &[&str]) -> Child {
    let mut command = host.vmlife_command(words);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("vmlife runs")
}

fn end_of(child: Child) -> Ran {
    Ran::of(child.wait_with_output().expect("vmlife ends"))
}

fn names(ran: &Ran) -> Vec<String> {
    let results = ran.json()["results"].as_array().expect("a list").clone();
    let name = |result: &Value| result["name"].as_str().expect("a name").to_owned();
    results.iter().map(name).collect()
}

/// Gives a VM something that libvirt has no word for.
fn note(host: &Session, name: &str, fields: &str) {
    let xml = format!("<vm>{fields}</vm>");
    let namespace = ["--uri", "urn:vmlife:vm:1", "--key", "vmlife", "--set"];
    for which in ["--live", "--config"] {
        let words = ["metadata", name].into_iter().chain(namespace);
        host.virsh(words.chain([xml.as_str(), which]));
    }
}

fn states(host: &Session, names: &[&str]) -> Vec<String> {
    let state = |name: &&str| host.virsh(["domstate", name]);
    names.iter().map(state).collect()
}

#[test]
fn several_sleep_and_wake_at_once_and_are_told_in_the_order_asked() {
    let Some(host) = Session::start() else { return };
    let guests = ["c", "a", "d", "b"].map(|name| Linux::boot(&host, name, 128, ""));
    let before = guests.each_ref().map(Linux::last_tick);
    let words = ["c", "a", "d", "b", "-j", "4", "-o", "json"];
    let ran = host.vmlife(["hibernate"].iter().chain(&words)).ends_with(0);
    assert_eq!(names(&ran), ["c", "a", "d", "b"]);
    assert_eq!(states(&host, &["a", "b", "c", "d"]), ["shut off"; 4]);
    assert_eq!(host.images().len(), 8, "an image and a record each");
    let ran = host.vmlife(["restore", "--all"]).ends_with(0);
    assert!(ran.stderr.contains("4 VMs: 4 done"), "{ran:?}");
    assert_eq!(ran.stdout.lines().count(), 4);
    for (guest, before) in guests.iter().zip(&before) {
        guest.goes_on_after(before);
    }
    assert_eq!(host.images(), [""; 0]);
}

#[test]
fn a_program_hears_what_happens_in_lines_of_json() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "a");
    define_empty(&host, "off");
    let words = ["hibernate", "a", "off", "--progress", "json", "-o", "name"];
    let ran = host.vmlife(words).ends_with(3);
    assert_eq!(ran.stdout, "a\n");
    let lines: Vec<Value> = ran
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines[0]["event"], "begun");
    assert_eq!(lines[0]["vms"], 2);
    let about = |event: &str, name: &str| {
        let mut lines = lines.iter();
        lines
            .find(|line| line["event"] == event && line["name"] == name)
            .expect("an event")
    };
    assert_eq!(about("started", "a")["call"], "virDomainSaveFlags");
    assert_eq!(about("finished", "a")["outcome"]["status"], "Suspended");
    assert_eq!(about("finished", "off")["outcome"]["kind"], "state");
    assert_eq!(
        lines.last().expect("a line")["text"],
        "2 VMs: 1 done, 1 failed"
    );
    host.vmlife(["restore", "a"]).succeeds();
}

#[test]
fn a_failure_of_one_stops_no_other() {
    let Some(host) = Session::start() else { return };
    for name in ["a", "b"] {
        boot_empty(&host, name);
    }
    define_empty(&host, "off");
    let ran = host.vmlife(["hibernate", "a", "off", "b"]).ends_with(3);
    assert!(
        ran.stderr.contains("error: off cannot be hibernated"),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("3 VMs: 2 done, 1 failed"), "{ran:?}");
    host.vmlife(["restore", "a", "b"]).ends_with(0);
}

#[test]
fn vms_are_chosen_by_labels_and_groups() {
    let Some(host) = Session::start() else { return };
    for (name, fields) in [
        (
            "web",
            "<vmGroupName>shop</vmGroupName><labels><tier>front</tier><zone>a</zone></labels>",
        ),
        (
            "db",
            "<vmGroupName>shop</vmGroupName><labels><tier>back</tier><zone>a</zone></labels>",
        ),
        ("other", "<labels><zone>b</zone></labels>"),
    ] {
        boot_empty(&host, name);
        note(&host, name, fields);
    }
    let listed = |words: &[&str]| {
        let words = ["show", "-o", "name"].iter().chain(words);
        let ran = host.vmlife(words).succeeds();
        ran.stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(listed(&["-l", "zone=a"]), ["db", "web"]);
    assert_eq!(listed(&["-l", "zone=a", "-l", "tier=front"]), ["web"]);
    assert_eq!(listed(&["--group", "sh*"]), ["db", "web"]);
    assert_eq!(listed(&["--group", "sh*", "w*"]), ["web"]);
    assert_eq!(listed(&["-l", "zone=a", "--exclude", "db"]), ["web"]);
    host.vmlife(["pause", "-l", "zone=c"])
        .refuses(4, "no VM has the label zone=c");
    host.vmlife(["pause", "-l", "zone"])
        .refuses(2, "it is no label");
    host.vmlife(["hibernate", "--all", "-l", "zone=a"])
        .ends_with(0);
    assert_eq!(
        states(&host, &["web", "db", "other"]),
        ["shut off", "shut off", "running"]
    );
    // There is nothing to do any more, which is no error: some have that label.
    host.vmlife(["hibernate", "--all", "-l", "zone=a"])
        .ends_with(0);
    host.vmlife(["hibernate", "--all", "-l", "zone=c"])
        .refuses(4, "no VM has the label zone=c");
    host.vmlife(["restore", "--group", "shop"]).ends_with(0);
    host.vmlife(["show", "--columns", "NAME,LABELS", "web"])
        .succeeds()
        .says("tier=front, zone=a");
}

#[test]
fn what_is_needed_wakes_first_and_sleeps_last_and_priority_orders_the_others() {
    let Some(host) = Session::start() else { return };
    for (name, fields) in [
        (
            "web",
            "<priority>100</priority><dependsOn type='list'><entry>db</entry></dependsOn>",
        ),
        ("db", ""),
        ("low", "<priority>1</priority>"),
        ("high", "<priority>90</priority>"),
    ] {
        boot_empty(&host, name);
        note(&host, name, fields);
    }
    let order = |ran: &Ran| {
        let name = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
        ran.stdout.lines().map(name).collect::<Vec<_>>()
    };
    let ran = host.vmlife(["hibernate", "--all", "-j", "1"]).ends_with(0);
    assert_eq!(order(&ran), ["low", "high", "web", "db"]);
    let ran = host.vmlife(["restore", "--all", "-j", "1"]).ends_with(0);
    assert_eq!(order(&ran), ["high", "low", "db", "web"]);

    // What needs it stays, and so it stays, too.
    let file = host.write("state/vmlife/images/in-the-way", "mine");
    let image = host.image(&host.virsh(["domuuid", "web"]));
    fs::rename(file, image).expect("it is ours");
    let ran = host.vmlife(["hibernate", "web", "db", "low"]).ends_with(3);
    let words = "error: db was not attempted: web, which depends on it, was not hibernated";
    assert!(ran.stderr.contains(words), "{ran:?}");
    assert_eq!(
        states(&host, &["web", "db", "low"]),
        ["running", "running", "shut off"]
    );

    // What is where it should be, though nothing was done to it, keeps nobody.
    host.virsh(["destroy", "web"]);
    let ran = host.vmlife(["hibernate", "web", "db"]).ends_with(3);
    assert!(ran.stdout.contains("db is hibernated"), "{ran:?}");
    host.vmlife(["restore", "db", "low"]).ends_with(0);
    host.virsh(["start", "web"]);

    note(
        &host,
        "db",
        "<dependsOn type='list'><entry>web</entry></dependsOn>",
    );
    host.vmlife(["pause", "web", "db", "high"])
        .refuses(2, "in a circle, so that none can be first: db, web");
    assert_eq!(states(&host, &["web", "db", "high"]), ["running"; 3]);
}

#[test]
fn a_cancel_ends_all_that_are_in_flight_and_tells_what_was_not_attempted() {
    let Some(host) = Session::start() else { return };
    let guests = ["a", "b"].map(|name| Linux::boot(&host, name, 256, "vmlife.random=128"));
    boot_empty(&host, "c");
    let before = guests.each_ref().map(Linux::last_tick);
    // QEMU stands still, so that neither is saved too soon.
    let processes = ["a", "b"].map(|name| host.qemu(name));
    let saving = spawn(&host, &["hibernate", "a", "b", "c", "-j", "2"]);
    eventually("both are being written", || {
        (host
            .images()
            .iter()
            .filter(|name| name.ends_with(".vmsave"))
            .count()
            == 2)
            .then_some(())
    });
    for qemu in &processes {
        qemu.signal("STOP");
    }
    Process(saving.id()).signal("INT");
    std::thread::sleep(std::time::Duration::from_millis(300));
    for qemu in &processes {
        qemu.signal("CONT");
    }
    let ran = end_of(saving).ends_with(130);
    assert!(
        ran.stderr
            .contains("error: c was not attempted: interrupted (INT)"),
        "{ran:?}"
    );
    for name in ["a", "b"] {
        let is_saved = ran.stdout.contains(&format!("{name} is hibernated"));
        if is_saved {
            host.vmlife(["restore", name]).ends_with(0);
        }
        assert!(
            is_saved || ran.stderr.contains(&format!("error: {name} ")),
            "{ran:?}"
        );
        assert_eq!(host.virsh(["domstate", name]), "running");
    }
    for (guest, before) in guests.iter().zip(&before) {
        guest.goes_on_after(before);
    }
    assert_eq!(host.images(), [""; 0]);
}

#[test]
fn room_is_counted_over_all_of_them_before_the_first() {
    let Some(host) = Session::start() else { return };
    for name in ["a", "b"] {
        boot_empty(&host, name);
    }
    let Some(small) = Small::mount(&host, "60M") else {
        return;
    };
    let folder = small.0.to_str().expect("text");
    let image = |name| format!("{folder}/{}.vmsave", host.virsh(["domuuid", name]));
    let all = ["hibernate", "a", "b", "--to", folder];
    for rehearsed in [&["-n"][..], &[]] {
        let ran = host.vmlife(all.iter().chain(rehearsed)).ends_with(3);
        assert!(
            ran.stderr.contains("error: b cannot be hibernated"),
            "{ran:?}"
        );
    }
    assert_eq!(states(&host, &["a", "b"]), ["shut off", "running"]);
    host.vmlife(["restore", "--from", &image("a")]).ends_with(0);
    let ran = host.vmlife(all.iter().chain(&["--force"])).ends_with(0);
    assert!(
        ran.stderr.contains("warning: b: against the guard 'space'"),
        "{ran:?}"
    );
    for name in ["a", "b"] {
        host.vmlife(["restore", "--from", &image(name)])
            .ends_with(0);
    }
}

#[test]
fn in_little_time_the_important_ones_are_saved_and_the_others_run_on() {
    let Some(host) = Session::start() else { return };
    // Nobody can tell how much of such memory is in use.
    let xml = "<domain type='qemu'><name>large</name><memory unit='GiB'>8</memory>
        <memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>
        <os><type arch='x86_64' machine='pc'>hvm</type></os>
        <devices><controller type='usb' model='none'/><memballoon model='none'/></devices></domain>";
    let xml = host.write("large.xml", xml);
    host.virsh(["define".as_ref(), xml.as_os_str()]);
    host.virsh(["start", "large"]);
    boot_empty(&host, "small");
    note(&host, "small", "<priority>90</priority>");
    let words = ["hibernate", "--all", "--within", "20s", "-j", "1"];
    let ran = host.vmlife(words.iter().chain(&["-n"])).ends_with(124);
    assert!(ran.stdout.contains("small would be hibernated"), "{ran:?}");
    assert!(
        ran.stderr
            .contains("error: large was not attempted: it may take "),
        "{ran:?}"
    );
    let ran = host.vmlife(words).ends_with(124);
    assert!(ran.stdout.contains("small is hibernated"), "{ran:?}");
    assert!(
        ran.stderr
            .contains("error: large was not attempted: it may take "),
        "{ran:?}"
    );
    assert_eq!(states(&host, &["large", "small"]), ["running", "shut off"]);
    host.vmlife(["hibernate", "large", "--within", "10m"])
        .ends_with(0);
    host.vmlife(["restore", "--all"]).ends_with(0);
}

#[test]
fn a_group_goes_as_one_or_stays() {
    let Some(host) = Session::start() else { return };
    let guests = ["a", "b"].map(|name| Linux::boot(&host, name, 128, ""));
    boot_empty(&host, "paused");
    host.virsh(["suspend", "paused"]);
    let before = guests.each_ref().map(Linux::last_tick);
    let all = ["a", "b", "paused", "--together"];
    host.vmlife(["hibernate"].iter().chain(&all)).ends_with(0);
    assert_eq!(states(&host, &all[..3]), ["shut off"; 3]);
    let ran = host.vmlife(["restore"].iter().chain(&all)).ends_with(0);
    assert!(
        ran.stdout
            .contains("a runs again with its group, restored from"),
        "{ran:?}"
    );
    assert_eq!(states(&host, &all[..3]), ["running", "running", "paused"]);
    for (guest, before) in guests.iter().zip(&before) {
        guest.goes_on_after(before);
    }
    assert_eq!(host.images(), [""; 0]);

    // One that cannot go keeps the others, before the first is touched.
    let before = guests.each_ref().map(Linux::last_tick);
    define_empty(&host, "off");
    let ran = host
        .vmlife(["hibernate", "a", "b", "off", "--together"])
        .ends_with(5);
    assert!(
        ran.stderr
            .contains("error: a was not attempted: off cannot go with it"),
        "{ran:?}"
    );
    assert_eq!(states(&host, &["a", "b"]), ["running"; 2]);
    assert_eq!(host.images(), [""; 0]);
    for (guest, before) in guests.iter().zip(&before) {
        guest.goes_on_after(before);
    }
}

#[test]
fn a_group_of_which_one_fails_on_the_way_is_brought_back() {
    let Some(host) = Session::start() else { return };
    let small = Linux::boot(&host, "small", 128, "");
    let large = Linux::boot(&host, "large", 384, "vmlife.random=256");
    let before = [small.last_tick(), large.last_tick()];
    let saving = spawn(&host, &["hibernate", "small", "large", "--together"]);
    eventually("the small one is saved", || {
        (host.virsh(["domstate", "small"]) == "shut off").then_some(())
    });
    Process(saving.id()).signal("TERM");
    let ran = end_of(saving);
    if ran.code == 0 {
        // Both were quicker than the signal.
        host.vmlife(["restore", "small", "large", "--together"])
            .ends_with(0);
    } else {
        assert_eq!(ran.code, 143, "{ran:?}");
        assert!(
            ran.stderr
                .contains("error: small is as it was, since large failed"),
            "{ran:?}"
        );
        assert!(ran.stderr.contains("; it runs on"), "{ran:?}");
    }
    assert_eq!(states(&host, &["small", "large"]), ["running"; 2]);
    small.goes_on_after(&before[0]);
    large.goes_on_after(&before[1]);
    assert_eq!(host.images(), [""; 0], "{ran:#?}");
}

#[test]
fn a_group_whose_daemon_is_killed_on_the_way_and_comes_back_is_brought_back() {
    let Some(host) = Session::start() else { return };
    let small = Linux::boot(&host, "small", 128, "");
    let large = Linux::boot(&host, "large", 384, "vmlife.random=256");
    let before = [small.last_tick(), large.last_tick()];
    let words = ["hibernate", "small", "large", "--together", "-j2"];
    let saving = spawn(&host, &words);
    let image = host.image(&large.id());
    let writer = eventually("the large one is being written", || writer_below(&image));
    writer.signal("STOP");
    eventually("the small one is saved", || {
        (host.virsh(["domstate", "small"]) == "shut off").then_some(())
    });
    host.kill_daemon();
    writer.signal("CONT");
    std::thread::sleep(std::time::Duration::from_secs(1));
    host.start_daemon();
    let ran = end_of(saving);
    if ran.code == 0 {
        host.vmlife(["restore", "small", "large", "--together"])
            .ends_with(0);
    } else {
        assert_eq!(ran.code, 10, "{ran:?}");
        assert!(
            ran.stderr
                .contains("error: small is as it was, since large failed"),
            "{ran:?}"
        );
    }
    assert_eq!(
        states(&host, &["small", "large"]),
        ["running"; 2],
        "{ran:?}"
    );
    small.goes_on_after(&before[0]);
    large.goes_on_after(&before[1]);
    assert_eq!(host.images(), [""; 0], "{ran:?}");
    host.vmlife(["hibernate", "small", "--together", "--to", "/tmp/x/"])
        .refuses(2, "--together and --to exclude each other");
}

#[test]
fn a_group_whose_vmlife_is_killed_is_known_to_have_been_paused_for_it_only() {
    let Some(host) = Session::start() else { return };
    let large = Linux::boot(&host, "large", 384, "vmlife.random=256");
    let small = Linux::boot(&host, "small", 128, "");
    let before = [small.last_tick(), large.last_tick()];
    let image = host.image(&large.id());
    let cut_off = || {
        let words = ["hibernate", "large", "small", "--together", "-j1"];
        let saving = spawn(&host, &words);
        let writer = eventually("the large one is being written", || writer_below(&image));
        writer.signal("STOP");
        Process(saving.id()).signal("KILL");
        end_of(saving);
        writer.signal("CONT");
        eventually("libvirt ends what it was asked for", || {
            (host.virsh(["domstate", "large"]) == "shut off").then_some(())
        });
    };

    cut_off();
    assert_eq!(host.state("small"), "paused (user)");
    host.vmlife(["show", "small"])
        .succeeds()
        .says("paused only until its group is hibernated");
    host.vmlife(["restore", "small", "large"]).ends_with(0);
    assert_eq!(states(&host, &["small", "large"]), ["running"; 2]);
    small.goes_on_after(&before[0]);
    large.goes_on_after(&before[1]);
    let noted = || host.virsh(["dumpxml", "small"]).contains("pausedForGroup");
    assert!(!noted(), "it is over");

    // Whoever hibernates it by itself gets it back running, and so does its group.
    cut_off();
    host.vmlife(["hibernate", "small"]).ends_with(0);
    host.vmlife(["restore", "small", "large"]).ends_with(0);
    assert_eq!(states(&host, &["small", "large"]), ["running"; 2]);
    assert!(!noted(), "it is over");
    cut_off();
    host.vmlife(["restore", "large"]).ends_with(0);
    host.vmlife(["hibernate", "large", "small", "--together"])
        .ends_with(0);
    host.vmlife(["restore", "large", "small", "--together"])
        .ends_with(0);
    assert_eq!(states(&host, &["small", "large"]), ["running"; 2]);

    // What is paused on purpose afterwards is not woken up.
    cut_off();
    host.vmlife(["pause", "small"]).ends_with(0);
    host.vmlife(["restore", "small"])
        .ends_with(0)
        .says("small is already there, paused");
    assert_eq!(host.state("small"), "paused (user)");
    host.vmlife(["resume", "small", "large"]).ends_with(3);
    small.goes_on_after(&before[0]);

    // Nor is what somebody else let run, and paused on purpose later.
    host.vmlife(["restore", "large"]).ends_with(0);
    cut_off();
    let before = small.last_tick();
    host.virsh(["resume", "small"]);
    small.ticks_beyond(before.number + 1);
    host.virsh(["suspend", "small"]);
    let shown = host.vmlife(["show", "small"]).succeeds();
    assert!(!shown.stdout.contains("its group"), "{shown:?}");
    host.vmlife(["restore", "small"])
        .ends_with(0)
        .says("small is already there, paused");
    host.vmlife(["resume", "small"]).ends_with(0);
    small.goes_on_after(&before);
}

/// A list of hosts that each are a daemon of their own.
fn hosts_file(first: &Session, others: &[(&str, &Path)]) -> String {
    let mut text = "hosts:\n".to_owned();
    for (name, folder) in others {
        let socket = folder.join("run/libvirt/libvirt-sock");
        text += &format!(
            "- {{ name: {name}, uri: 'qemu+unix:///session?socket={}', labels: {{ rack: {name} }} }}\n",
            socket.display()
        );
    }
    let file = first.write("hosts.yaml", text);
    file.to_str().expect("text").to_owned()
}

#[test]
fn three_daemons_are_served_at_once_and_one_that_is_killed_stops_no_other() {
    let all = [Session::start(), Session::start(), Session::start()];
    let [Some(a), Some(b), Some(c)] = &all else {
        return;
    };
    let hosts = hosts_file(
        a,
        &[("a", a.folder()), ("b", b.folder()), ("c", c.folder())],
    );
    for host in [a, b, c] {
        boot_empty(host, "web");
    }
    boot_empty(a, "only");
    let guest = Linux::boot(b, "guest", 256, "vmlife.random=128");
    let before = guest.last_tick();
    let vmlife = |words: &[&str]| a.vmlife(words.iter().chain(&["--hosts", &hosts]));
    vmlife(&["pause", "web"]).refuses(2, "'web' stands for several VMs: a/web, b/web, c/web");
    vmlife(&["pause", "b/web", "only"])
        .ends_with(0)
        .says("b/web is paused")
        .says("a/only is paused");
    assert_eq!(b.virsh(["domstate", "web"]), "paused");
    assert_eq!(c.virsh(["domstate", "web"]), "running");
    vmlife(&["resume", "*"]).ends_with(0);
    vmlife(&["pause", "-l", "rack=c"])
        .ends_with(0)
        .says("c/web is paused");
    vmlife(&["resume", "c/web"]).ends_with(0);
    let ran = vmlife(&["hibernate", "web*", "only", "-o", "json"]).ends_with(0);
    let told = ran.json()["results"].as_array().expect("a list").clone();
    let whose: Vec<_> = told
        .iter()
        .map(|one| (one["host"].clone(), one["name"].clone()))
        .collect();
    assert_eq!(
        whose,
        [("a", "web"), ("b", "web"), ("c", "web"), ("a", "only")]
            .map(|(host, name)| (host.into(), name.into()))
    );
    vmlife(&["restore", "--all"]).ends_with(0);

    let listed = vmlife(&["show", "--no-headers", "--columns", "NAME,STATE"]).succeeds();
    let lines: Vec<_> = listed
        .stdout
        .lines()
        .map(|line| line.split_whitespace().next())
        .collect();
    let all_names = ["a/only", "a/web", "b/guest", "b/web", "c/web"];
    assert_eq!(lines, all_names.map(Some), "{listed:?}");
    vmlife(&["show", "b/web"]).succeeds().says("b/web: Up");
    let shown = vmlife(&["show", "web*", "-o", "json"]).succeeds().json();
    let whose: Vec<_> = shown["vms"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|vm| vm["host"].clone())
        .collect();
    assert_eq!(whose, ["a", "b", "c"]);
    vmlife(&["show", "--watch"]).refuses(2, "about one host");

    // One daemon is killed in the middle.
    let saving = spawn(a, &["hibernate", "--all", "--hosts", &hosts]);
    let image = a.image(&guest.id());
    let writer = eventually("the image is being written", || writer_below(&image));
    writer.signal("STOP");
    b.kill_daemon();
    writer.signal("CONT");
    b.start_daemon();
    let ran = end_of(saving);
    for host in [a, c] {
        assert_eq!(host.virsh(["domstate", "web"]), "shut off", "{ran:?}");
    }
    assert!(ran.code == 3 || ran.code == 0, "{ran:?}");
    let is_saved = ran.stdout.contains("b/guest is hibernated");
    assert!(
        is_saved
            || ran
                .stderr
                .contains("b/guest could not be hibernated; it runs on"),
        "{ran:?}"
    );
    vmlife(&["restore", "--all"]).ends_with(0);
    guest.goes_on_after(&before);

    // One that is away is told, and no more.
    b.kill_daemon();
    let ran = vmlife(&["pause", "*"]).ends_with(3);
    assert!(
        ran.stderr.contains("error: host b: its VMs are left out:"),
        "{ran:?}"
    );
    assert_eq!(c.virsh(["domstate", "web"]), "paused");
    let ran = vmlife(&["show", "-o", "name"]).ends_with(10);
    assert_eq!(ran.stdout, "a/only\na/web\nc/web\n");
    assert!(
        ran.stderr.contains("error: host b: its VMs are left out:"),
        "{ran:?}"
    );
    vmlife(&["pause", "guest"]).refuses(
        10,
        "there is no VM 'guest' on the hosts that answer; b does not",
    );
    // Whoever says which hosts he means does not hear of others.
    for words in [
        &["resume", "a/web", "c/*"][..],
        &["show", "c/web", "vmDynamic.status"],
    ] {
        let ran = vmlife(words).ends_with(0);
        assert!(!ran.stderr.contains("host b"), "{ran:?}");
    }
    vmlife(&["pause", "b/web"]).refuses(10, "cannot be reached");
    b.start_daemon();
}

#[test]
fn what_sleeps_on_a_host_that_is_away_is_not_woken_up_on_another_that_sees_its_image() {
    let (Some(a), Some(c)) = (Session::start(), Session::start()) else {
        return;
    };
    let hosts = hosts_file(&a, &[("a", a.folder()), ("c", c.folder())]);
    boot_empty(&a, "only");
    let id = boot_empty(&c, "web");
    let vmlife = |words: &[&str]| a.vmlife(words.iter().chain(&["--hosts", &hosts]));
    vmlife(&["hibernate", "c/web"]).ends_with(0);
    // Nor is it that one's for not asking whose it is.
    let of_a = format!("a/{id}");
    for verb in ["show", "hibernate"] {
        let ran = vmlife(&[verb, &of_a]).ends_with(4);
        assert!(ran.stderr.contains("there is no VM"), "{ran:?}");
    }
    c.kill_daemon();
    let ran = vmlife(&["restore", "--all"]).ends_with(10);
    let away = "error: host c: its VMs are left out:";
    assert!(ran.stderr.contains(away), "{ran:?}");
    let listed = vmlife(&["show", "-o", "name"]).ends_with(10);
    assert_eq!(listed.stdout, "a/only\n");
    // Nor is anybody else held up who is named beside it, unless they go together.
    let ran = vmlife(&["pause", "c/web", "a/only"]).ends_with(3);
    assert!(ran.stdout.contains("a/only is paused"), "{ran:?}");
    for told in [
        "error: c/web was not attempted: its host does not answer",
        "2 VMs: 1 done, 1 not attempted",
    ] {
        assert!(ran.stderr.contains(told), "{ran:?}");
    }
    let ran = vmlife(&["pause", "c/web", "a/only", "-o", "json"]).ends_with(3);
    let told = &ran.json()["results"][1];
    assert_eq!(told["kind"], "connection");
    assert_eq!(told["notAttempted"], true);
    vmlife(&["resume", "*", "--together"])
        .refuses(10, "none was touched, as they go together: host c");
    assert_eq!(a.virsh(["domstate", "only"]), "paused");
    c.start_daemon();
    vmlife(&["restore", "c/web"]).ends_with(0);
    assert_eq!(c.virsh(["domstate", "web"]), "running");
}

#[test]
fn what_only_an_image_tells_of_is_found_beside_hosts_that_are_not_meant() {
    let (Some(a), Some(c)) = (Session::start(), Session::start()) else {
        return;
    };
    let hosts = hosts_file(&a, &[("a", a.folder()), ("c", c.folder())]);
    let vmlife = |words: &[&str]| a.vmlife(words.iter().chain(&["--hosts", &hosts]));
    let xml = a.write(
        "passing.xml",
        "<domain type='qemu'><name>passing</name><memory unit='MiB'>16</memory>
        <os><type arch='x86_64' machine='pc'>hvm</type></os>
        <devices><controller type='usb' model='none'/><memballoon model='none'/></devices></domain>",
    );
    a.virsh(["create".as_ref(), xml.as_os_str()]);
    // The name of the host is not known to that record.
    a.vmlife(["hibernate", "passing"]).succeeds();
    for word in ["a/passing", "a/*"] {
        vmlife(&["show", word, "-o", "name"])
            .succeeds()
            .says("a/passing");
    }
    vmlife(&["hibernate", "a/passing"])
        .succeeds()
        .says("is already hibernated");
    vmlife(&["restore", "a/passing"]).ends_with(0);
    assert_eq!(a.virsh(["domstate", "passing"]), "running");
}

#[test]
fn what_runs_on_one_host_is_not_woken_up_from_its_old_image_on_another_that_sees_it() {
    let (Some(a), Some(c)) = (Session::start(), Session::start()) else {
        return;
    };
    let hosts = hosts_file(&a, &[("a", a.folder()), ("c", c.folder())]);
    boot_empty(&a, "only");
    let guest = Linux::create(&c, "web");
    let before = guest.last_tick();
    let image = a.image(&guest.id());
    let vmlife = |words: &[&str]| a.vmlife(words.iter().chain(&["--hosts", &hosts]));
    vmlife(&["hibernate", "c/web"]).ends_with(0);
    // libvirt has no definition of it, and who restores it does not say so to vmlife.
    c.virsh(["restore".as_ref(), image.as_os_str()]);
    let ran = vmlife(&["restore", "--all"]).ends_with(0);
    assert!(!ran.stdout.contains("web"), "{ran:?}");
    assert_eq!(a.virsh(["list", "--name"]), "only");
    guest.goes_on_after(&before);

    // Nor is what sleeps on a host that is not named, unless somebody says so.
    vmlife(&["hibernate", "c/web"]).ends_with(0);
    let ran = a.vmlife(["restore", "--all"]).ends_with(0);
    let left_out = "web is left out: it was hibernated from qemu+unix:///session";
    assert!(ran.stderr.contains(left_out), "{ran:?}");
    assert_eq!(a.virsh(["list", "--name"]), "only");
    vmlife(&["restore", "c/web"]).ends_with(0);
    guest.goes_on_after(&before);
}

#[test]
fn a_vm_sleeps_on_one_host_and_wakes_on_another() {
    let (Some(a), Some(b)) = (Session::start(), Session::start()) else {
        return;
    };
    let guest = Linux::boot(&a, "vm", 128, "");
    let before = guest.last_tick();
    let image = a.path("tmp/shared.vmsave");
    let to = image.to_str().expect("text");
    a.vmlife(["hibernate", "vm", "--to", to]).succeeds();
    let uri_of_b = format!(
        "qemu+unix:///session?socket={}",
        b.path("run/libvirt/libvirt-sock").display()
    );
    let ran = a
        .vmlife(["restore", "-c", &uri_of_b, "--from", to])
        .ends_with(0);
    assert!(ran.stdout.contains("vm runs again"), "{ran:?}");
    assert_eq!(b.virsh(["domstate", "vm"]), "running");
    assert_eq!(a.virsh(["domstate", "vm"]), "shut off");
    guest.goes_on_after(&before);
    // Here it is missed, and not booted over what runs there.
    a.vmlife(["restore", "vm"]).ends_with(4);
    a.vmlife(["restore", "vm", "--or-start"]).ends_with(7);
    assert_eq!(a.virsh(["domstate", "vm"]), "shut off");
}

#[test]
fn two_hundred_hosts_are_asked_at_once() {
    let Some(host) = Session::start() else { return };
    let node = "<node><domain type='test'><name>vm</name><memory>8192</memory><os><type>hvm</type></os></domain></node>";
    let node = host.write("node.xml", node);
    let mut text = "hosts:\n".to_owned();
    for number in 0..200 {
        text += &format!(
            "- {{ name: h{number:03}, uri: 'test://{}' }}\n",
            node.display()
        );
    }
    let file = host.write("hosts.yaml", text);
    let words = ["pause", "*", "-o", "json", "--hosts"];
    let ran = host
        .vmlife(words.iter().map(AsRef::as_ref).chain([file.as_os_str()]))
        .ends_with(0);
    let told = ran.json()["results"].as_array().expect("a list").clone();
    assert_eq!(told.len(), 200);
    assert!(
        told.iter()
            .all(|one| one["changed"] == true && one["status"] == "Paused")
    );
    assert_eq!(told[199]["host"], "h199");
}
