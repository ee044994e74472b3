//! How many calls of libvirt a look takes, counted in the log of libvirt's own client library.

use super::support::guest::define_empty;
use super::support::session::Session;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::process::Stdio;
use vmlife::hypervisor::{Access, Hypervisor};

const FEW: usize = 10;
const MANY: usize = 160;

/// Defines VMs that only exist, each with a disk.
fn define(host: &Session, numbers: Range<usize>) {
    let socket = host.path("run/libvirt/libvirt-sock");
    let uri = format!("qemu+unix:///session?socket={}", socket.display());
    let hypervisor = Hypervisor::open(Some(&uri), Access::ReadWrite).expect("the daemon answers");
    for number in numbers {
        let xml = format!(
            "<domain type='qemu'><name>vm-{number:03}</name><memory unit='MiB'>16</memory>
            <os><type arch='x86_64' machine='pc'>hvm</type></os><devices><disk type='file'>
            <source file='/nowhere/{number}.raw'/><target dev='vda'/></disk></devices></domain>"
        );
        hypervisor.define(&xml).expect("it is well");
    }
}

/// How often each remote procedure is called by a command.
#[track_caller]
fn calls(host: &Session, words: &[&str]) -> BTreeMap<String, usize> {
    let log = host.path("tmp/calls.log");
    let mut command = host.vmlife_command(words);
    command.env("LIBVIRT_LOG_FILTERS", "1:rpc");
    command.env("LIBVIRT_LOG_OUTPUTS", format!("1:file:{}", log.display()));
    let output = command.output().expect("vmlife runs");
    // A guest that is off cannot be paused; that is seen by looking, too.
    let code = output.status.code();
    assert!(matches!(code, Some(0 | 5)), "{words:?}: {output:?}");
    let text = fs::read_to_string(&log).expect("there is a log");
    fs::remove_file(&log).expect("it can go");
    let mut calls = BTreeMap::new();
    for line in text.lines().filter(|line| line.contains("_MSG_TX_QUEUE:")) {
        let procedure = line.split(' ').find_map(|word| word.strip_prefix("proc="));
        *calls
            .entry(procedure.expect("a number").to_owned())
            .or_default() += 1;
    }
    assert!(!calls.is_empty(), "libvirt's log has changed: {text}");
    calls
}

fn all(calls: &BTreeMap<String, usize>) -> usize {
    calls.values().sum()
}

#[test]
fn a_look_at_many_vms_asks_only_for_what_it_prints() {
    // Each look, and how many calls it may take for each VM.
    let looks: [(&[&str], usize); 18] = [
        (&["show"], 0),
        (&["show", "-o", "name"], 0),
        (&["show", "-o", "name", "vm-*"], 0),
        (&["show", "--columns", "NAME,STATE,MEMORY"], 0),
        (
            &["show", "--filter", "STATE=Down", "--sort-by", "-MEMORY"],
            0,
        ),
        (&["show", "vm-*", "vmDynamic.status"], 0),
        // Of what is not shown no more is asked than its definition.
        (&["show", "-o", "json", "--filter", "STATE=Up"], 1),
        (
            &["show", "-o", "wide", "--filter", "vmDynamic.status=Up"],
            1,
        ),
        // The definition.
        (&["show", "--filter", "GROUP=shop"], 1),
        (&["show", "--columns", "NAME,MAC,DESCRIPTION"], 1),
        (&["show", "--columns", "NAME,STATE,MEMORY,DISKS"], 1),
        // The snapshots, too.
        (&["show", "-o", "wide"], 2),
        // And the pool and the volume of the disk, and the XML.
        (&["show", "-o", "json"], 5),
        (&["show", "-o", "xml"], 1),
        (&["pause", "--all", "-n"], 1),
        (&["pause", "vm-*", "-n"], 1),
        (&["hibernate", "--all", "-n"], 1),
        (&["restore", "--all", "-n"], 1),
    ];
    let Some(host) = Session::start() else { return };
    define(&host, 0..FEW);
    let few = looks.map(|(words, _)| calls(&host, words));
    define(&host, FEW..MANY);
    for ((words, each), few) in looks.into_iter().zip(few) {
        let many = calls(&host, words);
        // VMs that are looked at closely are asked for their state, and for their statistics, some at a time, and half of
        // many over another connection, which is opened and lists them.
        let batches = if each > 0 {
            2 * MANY.div_ceil(50) + 10
        } else {
            0
        };
        assert!(
            all(&many) <= all(&few) + each * (MANY - FEW) + batches,
            "{words:?} for {FEW} VMs: {few:?}, for {MANY}: {many:?}"
        );
        // Opening the connection, a list, and what a word that is no name costs; a second connection
        // for statistics that may hang, with a list of its own; which VMs libvirt keeps, and which it starts
        // with the host.
        let once = all(&few).saturating_sub(each * FEW);
        assert!(once <= 16, "{words:?}: {few:?}");
    }
    // Its XML twice: also for what is wrong in its metadata.
    let page = calls(&host, &["show", "vm-001"]);
    assert!(all(&page) <= 21, "{page:?}");
}

#[test]
fn a_vm_is_told_before_all_others_are_looked_at() {
    let Some(host) = Session::start() else { return };
    define(&host, 0..MANY);
    let mut showing = host
        .vmlife_command(["show", "-o", "jsonl", "--timeout", "20s"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("vmlife runs");
    let mut lines = BufReader::new(showing.stdout.take().expect("a pipe")).lines();
    let first = lines.next().expect("a line").expect("text");
    let first: serde_json::Value = serde_json::from_str(&first).expect("JSON");
    assert_eq!(first["vmStatic"]["name"], "vm-000");
    // It cannot have looked at what does not fit into the pipe.
    let daemon = host.daemon();
    daemon.signal("STOP");
    let rest: Vec<String> = lines.map(|line| line.expect("text")).collect();
    daemon.signal("CONT");
    assert_eq!(showing.wait().expect("it ends").code(), Some(124));
    assert!(rest.len() < MANY - 1, "{}", rest.len());
    let last: serde_json::Value = serde_json::from_str(rest.last().expect("a line")).expect("JSON");
    assert_eq!(last["error"]["kind"], "timedOut", "{last}");
    // A reader that wants no more is no failure.
    let mut showing = host
        .vmlife_command(["show", "-o", "jsonl"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("vmlife runs");
    drop(showing.stdout.take());
    assert!(showing.wait().expect("it ends").success());
}

#[test]
fn qemu_is_asked_for_the_sizes_of_disks_only_where_they_are_shown() {
    // `REMOTE_PROC_DOMAIN_GET_BLOCK_INFO`, `REMOTE_PROC_DOMAIN_GET_BLOCK_JOB_INFO`.
    let of_disks = ["194", "238"];
    let Some(host) = Session::start() else { return };
    define_empty(&host, "vm");
    let image = host.write("disk.raw", vec![0; 1 << 20]);
    let image = image.to_str().expect("text");
    host.virsh(["attach-disk", "vm", image, "vda", "--config"]);
    host.virsh(["start", "vm"]);
    let asked = |words: &[&str]| {
        let calls = calls(&host, words);
        of_disks.map(|call| calls.get(call).copied().unwrap_or_default())
    };
    for list in [
        &["show"][..],
        &["show", "-o", "wide"],
        &["show", "-o", "name"],
    ] {
        assert_eq!(asked(list), [0, 0], "{list:?}");
    }
    for whole in [&["show", "vm"][..], &["show", "-o", "json"]] {
        assert_eq!(asked(whole), [1, 1], "{whole:?}");
    }
}
