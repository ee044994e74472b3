//! The examples for scripts do what they say, on real guests.

use super::support::guest::{Linux, boot_empty, define_empty};
use super::support::session::{Session, missing};
use super::support::{Ran, project};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs an example of this name in the session, with these words.
fn run(host: &Session, example: &str, words: &[&str]) -> Ran {
    run_with(host, env!("CARGO_BIN_EXE_vmlife").as_ref(), example, words)
}

/// The same, with this in the place of vmlife.
fn run_with(host: &Session, vmlife: &Path, example: &str, words: &[&str]) -> Ran {
    let name = Path::new(example).file_name().expect("a name");
    let script = host.bring(
        &project().join("examples").join(example),
        name.to_str().expect("text"),
        0o755,
    );
    let mut command = host.command("env");
    command
        .arg(format!("VMLIFE={}", vmlife.display()))
        .arg("sh")
        .arg(script)
        .args(words);
    Ran::of(command.output().expect("sh runs"))
}

/// Whether a program is there that an example needs.
fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        missing(program);
    }
    found
}

#[test]
fn shell_loops_go_by_exit_status_names_and_values() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "vm", 128, "");
    boot_empty(&host, "a sleeper");
    host.vmlife(["hibernate", "a sleeper"]).ends_with(0);
    let before = guest.last_tick();
    let ran = run(&host, "loops.sh", &["vm"]).ends_with(0);
    assert_eq!(
        ran.stdout.lines().collect::<Vec<_>>(),
        [
            "vm runs",
            "vm has 128 MiB",
            "a sleeper sleeps",
            "the moment for a snapshot of the storage",
            "vm sleeps",
        ],
        "{ran:?}"
    );
    assert_eq!(host.virsh(["domstate", "vm"]), "running");
    guest.goes_on_after(&before);
    let ran = run(&host, "loops.sh", &["nobody"]);
    assert_ne!(ran.code, 0, "{ran:?}");
}

#[test]
fn a_night_keeps_memory_and_disks_together_and_older_nights_go() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::with_balloon(&host, "vm", (192, 192), 8);
    let before = guest.last_tick();
    let folder = host.path("nights");
    let nights = folder.to_str().expect("text");
    for old in ["2026-01-01", "2026-01-02", "2026-01-03"] {
        let old = host.path(&format!("nights/{old}"));
        fs::create_dir_all(&old).expect("a folder");
        host.hand_over(&old, 0o700);
    }
    fs::write(host.path("nights/2026-01-04"), "no night").expect("a file");
    host.hand_over(&folder, 0o700);
    run(&host, "nightly.sh", &[nights, "2", "vm"]).ends_with(0);
    assert_eq!(host.virsh(["domstate", "vm"]), "running");
    guest.goes_on_after(&before);
    let mut kept: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .collect();
    kept.sort();
    let [tonight] = &kept[1..] else {
        panic!("{kept:?}")
    };
    assert!(!kept.contains(&host.path("nights/2026-01-02")), "{kept:?}");

    // The night comes back: its disks to where they were, and its memory.
    let at_night = guest.last_tick();
    host.virsh(["destroy", "vm"]);
    let disk = host.path("vm.img");
    let copy = PathBuf::from(format!("{}/vm.disks{}", tonight.display(), disk.display()));
    fs::copy(copy, &disk).expect("the disk can be copied");
    let image = tonight.join("vm.vmsave");
    let words = ["restore", "--from", image.to_str().expect("text")];
    host.vmlife(words.iter().chain(&["--keep", "--force"]))
        .ends_with(0);
    assert_eq!(host.virsh(["domstate", "vm"]), "running");
    assert!(image.exists());
    // It is the same boot, at an earlier time.
    let after = guest.ticks_beyond(0);
    assert_eq!(after.nonce, at_night.nonce);
    // What is not done is told.
    run(&host, "nightly.sh", &[nights, "2", "nobody"]).ends_with(1);
    run(&host, "nightly.sh", &[nights, "none", "vm"]).ends_with(2);
}

#[test]
fn a_night_has_each_disk_of_each_vm_also_where_their_files_and_vms_are_called_alike() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "first");
    let number = host.virsh(["domid", "first"]);
    // virsh would take this name for the number of the other one.
    for (name, folders) in [(number.as_str(), ["a", "b"].as_slice()), ("disk", &["c"])] {
        let disks = folders.iter().zip(["vda", "vdb"]).map(|(folder, target)| {
            let words = format!("of {name} in {folder}");
            fs::create_dir_all(host.path(&format!("data/{folder}"))).expect("a folder");
            let file = host.write(&format!("data/{folder}/root.img"), words);
            let file = file.display();
            format!(
                "<disk type='file'><driver name='qemu' type='raw'/><source file='{file}'/>\
                 <target dev='{target}' bus='virtio'/></disk>"
            )
        });
        let xml = format!(
            "<domain type='qemu'><name>{name}</name><memory unit='MiB'>32</memory><os>\
             <type arch='x86_64' machine='pc'>hvm</type></os><devices>{}</devices></domain>",
            disks.collect::<String>()
        );
        let file = host.write("vm.xml", xml);
        // It is there only as long as it runs.
        host.virsh(["create", file.to_str().expect("text")]);
    }
    let folder = host.path("nights");
    fs::create_dir(&folder).expect("a folder");
    host.hand_over(&folder, 0o700);
    let nights = folder.to_str().expect("text");
    run(&host, "nightly.sh", &[nights, "1", &number, "disk"]).ends_with(0);
    let night = fs::read_dir(&folder).expect("a folder").next();
    let night = night.expect("a night").expect("an entry").path();
    for (name, folder) in [(number.as_str(), "a"), (&number, "b"), ("disk", "c")] {
        let disk = host.path(&format!("data/{folder}/root.img"));
        let copy = format!("{}/{name}.disks{}", night.display(), disk.display());
        let found = fs::read_to_string(&copy).expect("a copy");
        assert!(
            found.starts_with(&format!("of {name} in {folder}")),
            "{copy}"
        );
    }
    let running = host.virsh(["list", "--name"]);
    let running = running.lines().filter(|name| !name.is_empty());
    assert_eq!(running.count(), 3);
}

#[test]
fn no_night_removes_the_image_in_which_a_vm_still_sleeps() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "vm", 128, "");
    let before = guest.last_tick();
    let folder = host.path("nights");
    let nights = folder.to_str().expect("text");
    let cannot_restore = format!(
        "#!/bin/sh\n[ \"$1\" != restore ] || exit 1\nexec {} \"$@\"\n",
        env!("CARGO_BIN_EXE_vmlife")
    );
    let cannot_restore = host.write("cannot-restore", cannot_restore);
    host.hand_over(&cannot_restore, 0o755);
    run_with(&host, &cannot_restore, "nightly.sh", &[nights, "1", "vm"]).ends_with(1);
    assert_eq!(host.virsh(["domstate", "vm"]), "shut off");
    let only_night = || {
        let entries = fs::read_dir(&folder).expect("a folder");
        let mut nights: Vec<PathBuf> = entries.map(|it| it.expect("an entry").path()).collect();
        nights.sort();
        assert_eq!(nights.len(), 1, "{nights:?}");
        nights.remove(0)
    };
    let tonight = only_night();

    // The same night once more, and one that is over.
    run(&host, "nightly.sh", &[nights, "1", "vm"]).ends_with(1);
    assert!(tonight.join("vm.vmsave").exists());
    let old = folder.join("2026-01-01");
    fs::rename(&tonight, &old).expect("it can be renamed");
    let image = old.join("vm.vmsave");
    let ran = run(&host, "nightly.sh", &[nights, "1", "vm"]).ends_with(1);
    let told = format!("{}/ is kept: {} is good", old.display(), image.display());
    assert!(ran.stderr.contains(&told), "{ran:?}");
    let image = image.to_str().expect("text");
    host.vmlife(["restore", "--from", image, "--keep"])
        .ends_with(0);
    guest.goes_on_after(&before);

    // What is used up may go.
    run(&host, "nightly.sh", &[nights, "1", "vm"]).ends_with(0);
    assert_eq!(only_night(), tonight);
    guest.goes_on_after(&before);
}

#[test]
fn prometheus_reads_what_is_so_whatever_names_are_like() {
    let Some(host) = Session::start() else { return };
    if !has("jq") {
        return;
    }
    let hostile = r#"a "quoted\" name"#;
    boot_empty(&host, "vm");
    let id = boot_empty(&host, "sleeper");
    define_empty(&host, hostile);
    host.vmlife(["hibernate", "sleeper"]).ends_with(0);
    let file = host.path("tmp/vmlife.prom");
    let words = [file.to_str().expect("text")];
    run(&host, "prometheus.sh", &words).ends_with(0);
    let told = fs::read_to_string(&file).expect("metrics");
    let size = fs::metadata(host.image(&id)).expect("the image").len();
    for line in [
        "vmlife_up 1".to_owned(),
        format!("vmlife_vm_status{{name=\"sleeper\",uuid=\"{id}\",status=\"Suspended\"}} 1"),
        format!("vmlife_vm_image_bytes{{name=\"sleeper\",uuid=\"{id}\"}} {size}"),
    ] {
        assert!(told.lines().any(|found| found == line), "{line}\n{told}");
    }
    assert!(told.contains(r#"name="a \"quoted\\\" name""#), "{told}");
    for line in told.lines().filter(|line| !line.starts_with('#')) {
        let (_, value) = line.rsplit_once(' ').expect("a value");
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
    host.kill_daemon();
    let ran = run(&host, "prometheus.sh", &words);
    assert_eq!(ran.code, 10, "{ran:?}");
    let told = fs::read_to_string(&file).expect("metrics");
    assert!(
        told.contains("vmlife_up 0") && !told.contains("sleeper"),
        "{told}"
    );
}

#[test]
fn an_ansible_play_puts_vms_to_sleep_and_wakes_them() {
    let Some(host) = Session::start() else { return };
    if !has("ansible-playbook") {
        return;
    }
    for name in ["web", "other", "late"] {
        boot_empty(&host, name);
    }
    host.vmlife(["hibernate", "other"]).ends_with(0);
    let play = host.bring(
        &project().join("examples/ansible/hibernate.yml"),
        "hibernate.yml",
        0o644,
    );
    let tmp = host.path("tmp").display().to_string();
    let run = |more: &[&str]| {
        let mut command = host.command("env");
        command
            .args(more)
            .args(["ANSIBLE_NOCOLOR=1", "LC_ALL=C.UTF-8"])
            .args([
                format!("ANSIBLE_HOME={tmp}/ansible"),
                format!("ANSIBLE_LOCAL_TEMP={tmp}/ansible-local"),
            ])
            .arg("ansible-playbook")
            .args(["-e", &format!("ansible_remote_tmp={tmp}/ansible-remote")])
            .args(["-i", "localhost,", "-c", "local", "-e"])
            .arg(format!("vmlife={}", env!("CARGO_BIN_EXE_vmlife")))
            .args(["-e", "ansible_python_interpreter=/usr/bin/python3"])
            .arg(&play);
        Ran::of(command.output().expect("ansible runs"))
    };
    let states = || ["web", "other", "late"].map(|name| host.virsh(["domstate", name]));
    let ran = run(&[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("late, web can rest"), "{ran:?}");
    assert!(ran.stdout.contains("changed=2"), "{ran:?}");
    assert_eq!(states(), ["running", "shut off", "running"]);

    // One of them cannot sleep: the others are not left asleep for that.
    let refused = "VMLIFE_PRE=[ $VMLIFE_NAME != late ]";
    let ran = run(&[refused]);
    assert_ne!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("its pre hook"), "{ran:?}");
    assert_eq!(states(), ["running", "shut off", "running"]);
}
