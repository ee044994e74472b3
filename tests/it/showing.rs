//! Looking: files without a daemon, differences, secrets, and what is remembered of a VM's runs.

use super::support::guest::{boot_empty, define_empty};
use super::support::session::Session;
use super::support::{Ran, project, vmlife, vmlife_command};
use std::fs;

const TICKET: &str = "t1cket-9";

/// vmlife where there is no libvirt at all.
fn without_daemon(words: &[&str]) -> Ran {
    let mut command = vmlife_command(words);
    command.env(
        "LIBVIRT_DEFAULT_URI",
        "qemu+unix:///system?socket=/nonexistent",
    );
    Ran::of(command.output().expect("vmlife runs"))
}

/// A domain with all kinds of secrets.
fn secretive(name: &str) -> String {
    format!(
        "<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{name}</name>
  <memory unit='MiB'>16</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <features><acpi/></features>
  <devices>
    <graphics type='vnc' autoport='yes' passwd='{TICKET}'/>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
  </devices>
  <qemu:commandline>
    <qemu:arg value='-object'/>
    <qemu:arg value='secret,id=s0,data={TICKET}'/>
  </qemu:commandline>
</domain>
"
    )
}

#[test]
fn a_definition_is_shown_without_a_daemon_in_every_form() {
    let yaml = project().join("examples/quickstart.yaml");
    let yaml = yaml.to_str().expect("text");
    without_daemon(&["show", yaml])
        .succeeds()
        .says("quickstart: as defined");
    without_daemon(&["show", yaml, "-o", "name"])
        .succeeds()
        .says("quickstart\n");
    without_daemon(&["show", yaml, "-o", "xml"])
        .succeeds()
        .says("<name>quickstart</name>");
    let shown = without_daemon(&["show", yaml, "-o", "json"])
        .succeeds()
        .json();
    assert_eq!(shown["vms"][0]["vmStatic"]["name"], "quickstart");
    assert_eq!(
        shown["vms"][0].get("vmDynamic"),
        None,
        "nothing was observed"
    );
    without_daemon(&["show", "-f", yaml]).ends_with(10);
}

#[test]
fn an_image_is_shown_without_a_daemon_and_keeps_its_secrets() {
    let Some(host) = Session::start() else { return };
    let xml = host.write(
        "vm.xml",
        secretive("vm")
            .replace("xmlns:qemu", "xmlns:q")
            .replace("qemu:", "q:"),
    );
    host.virsh(["define".as_ref(), xml.as_os_str()]);
    host.virsh(["start", "vm"]);
    let image = host.path("vm.vmsave");
    let image = image.to_str().expect("text");
    host.vmlife(["hibernate", "vm", "--to", image]).ends_with(0);
    let elsewhere = [
        "-c",
        "qemu+unix:///system?socket=/nonexistent",
        "show",
        image,
    ];
    host.vmlife(elsewhere)
        .succeeds()
        .says("vm: Suspended")
        .says("good");
    let xml = host
        .vmlife(elsewhere.iter().chain(&["-o", "xml"]))
        .succeeds();
    assert!(
        !xml.stdout.contains(TICKET) && xml.stdout.contains("hidden"),
        "{xml:?}"
    );
    let all = host
        .vmlife(elsewhere.iter().chain(&["-o", "xml", "--security-info"]))
        .succeeds();
    assert_eq!(all.stdout.matches(TICKET).count(), 2, "{all:?}");
    let broken = host.write("broken.vmsave", "LibvirtQemudSave and no more");
    let broken = broken.to_str().expect("text");
    host.vmlife(["show", broken]).refuses(7, "no image");
}

#[test]
fn secrets_of_a_running_vm_are_shown_to_nobody_who_does_not_ask() {
    let Some(host) = Session::start() else { return };
    let xml = host.write("vm.xml", secretive("vm"));
    host.virsh(["define".as_ref(), xml.as_os_str()]);
    host.virsh(["start", "vm"]);
    let file = xml.to_str().expect("text");
    for form in ["table", "wide", "json", "yaml", "xml"] {
        for target in ["vm", file] {
            let shown = host.vmlife(["show", target, "-v", "-o", form]).ends_with(0);
            assert!(
                !shown.stdout.contains(TICKET) && !shown.stderr.contains(TICKET),
                "{shown:?}"
            );
        }
        let migratable = host
            .vmlife(["show", "vm", "--migratable", "-o", form])
            .ends_with(0);
        assert!(!migratable.stdout.contains(TICKET), "{migratable:?}");
    }
    for form in ["json", "yaml", "xml"] {
        host.vmlife(["show", "vm", "-o", form, "--security-info"])
            .ends_with(0)
            .says(TICKET);
    }
    let errors = host.vmlife(["show", "vm", "--columns", TICKET]);
    assert_eq!(errors.code, 2, "a mistake of one's own may be quoted");
}

#[test]
fn a_vm_is_as_its_own_yaml_says_and_otherwise_where_that_was_changed() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "vm");
    let yaml = host.vmlife(["show", "vm", "-o", "yaml"]).succeeds().stdout;
    let same = host.write("vm.yaml", &yaml);
    let same = same.to_str().expect("text");
    host.vmlife(["show", same, "--diff"])
        .succeeds()
        .says("vm is as defined");
    host.vmlife(["show", "--diff", "-f", same]).succeeds();
    let changed = yaml.replace("memSizeMb: 16\n", "memSizeMb: 32\n  priority: 50\n");
    let changed = host.write("changed.yaml", changed);
    let changed = format!("--diff={}", changed.display());
    let ran = host.vmlife(["show", "vm", &changed]).ends_with(1);
    let ran = ran.says("vmStatic.memSizeMb").says("vmStatic.priority");
    assert!(ran.stderr.is_empty(), "{ran:?}");
    let json = host
        .vmlife(["show", "vm", &changed, "-o", "json"])
        .ends_with(1)
        .json();
    assert_eq!(json["differences"][0]["defined"], "32");
    assert_eq!(json["differences"][0]["found"], "16");
    host.vmlife(["show", "vm", "--diff"])
        .refuses(2, "from which definition");
    host.vmlife(["show", "--diff", "/nonexistent.yaml"])
        .refuses(2, "No such file");
}

#[test]
fn the_next_run_is_told_where_it_will_be_otherwise() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "vm");
    let before = host.vmlife(["show", "vm", "-o", "json"]).succeeds().json();
    assert_eq!(
        before["vms"][0].get("nextRunChangedFields"),
        None,
        "{before}"
    );
    host.virsh(["setmaxmem", "vm", "32M", "--config"]);
    host.virsh(["desc", "vm", "another", "--config"]);
    let after = host.vmlife(["show", "vm", "-o", "json"]).succeeds().json();
    let vm = &after["vms"][0];
    assert_eq!(vm["nextRunConfigurationExists"], true);
    assert_eq!(
        vm["nextRunChangedFields"],
        serde_json::json!(["description", "memSizeMb"])
    );
    assert_eq!(vm["vmStatic"]["memSizeMb"], 16, "what runs");
    let next = host
        .vmlife(["show", "vm", "-o", "json", "--inactive"])
        .succeeds()
        .json();
    assert_eq!(
        next["vms"][0]["vmStatic"]["memSizeMb"], 32,
        "what is configured"
    );
    // A hibernated VM comes back as it was, so that the change waits on.
    host.vmlife(["hibernate", "vm"]).ends_with(0);
    let asleep = host.vmlife(["show", "vm", "-o", "json"]).succeeds().json();
    assert_eq!(asleep["vms"][0]["nextRunConfigurationExists"], true);
}

/// A domain with much for which the model has no field.
const FURNISHED: &str = "<domain type='qemu'><name>vm</name><memory unit='KiB'>30000</memory>
    <os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features>
    <cpu mode='custom'><model>qemu64</model><feature policy='require' name='aes'/></cpu>
    <clock offset='variable' adjustment='3600' basis='utc'/>
    <devices><serial type='pty'/><console type='pty'/><channel type='unix'><target type='virtio' name='a'/></channel>
    <disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>
    <graphics type='vnc' autoport='yes'/><video><model type='qxl' heads='1'/></video><interface type='user'/>
    <watchdog model='i6300esb' action='poweroff'/>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng></devices></domain>";

#[test]
fn whatever_somebody_changes_of_the_next_run_is_told_and_nothing_that_libvirt_adds() {
    let Some(host) = Session::start() else { return };
    let define = |xml: &str| {
        let file = host.write("vm.xml", xml);
        host.virsh(["define".as_ref(), file.as_os_str()]);
    };
    let changes = || {
        let shown = host.vmlife(["show", "vm", "-o", "json"]).succeeds().json();
        let vm = &shown["vms"][0];
        let exists = vm["nextRunConfigurationExists"].as_bool();
        assert_eq!(exists, vm.get("nextRunChangedFields").map(|_| true));
        let fields = vm["nextRunChangedFields"].as_array().cloned();
        fields.unwrap_or_default()
    };
    define(FURNISHED);
    host.virsh(["start", "vm"]);
    assert!(changes().is_empty(), "after its start: {:?}", changes());
    let kept = host.virsh(["dumpxml", "vm", "--inactive"]) + "\n";
    for (of, other, place) in [
        ("name='aes'", "name='pcid'", "domain/cpu/feature[pcid]"),
        ("<acpi/>", "", "domain/features/acpi"),
        (
            "action='poweroff'",
            "action='reset'",
            "domain/devices/watchdog@action",
        ),
        ("/dev/urandom", "/dev/random", "domain/devices/rng/backend"),
        ("<on_crash>destroy", "<on_crash>restart", "domain/on_crash"),
        (
            "adjustment='3600'",
            "adjustment='7200'",
            "domain/clock@adjustment",
        ),
        (
            " ram='65536'",
            " ram='131072'",
            "domain/devices/video/model@ram",
        ),
        (
            "</uuid>",
            "</uuid><metadata><x:y xmlns:x='urn:x'/></metadata>",
            "domain/metadata/y",
        ),
    ] {
        let edited = kept.replacen(of, other, 1);
        assert_ne!(edited, kept, "{of}");
        define(&edited);
        assert_eq!(changes(), [place], "{of}");
    }
    let (before, rest) = kept.split_once("<rng").expect("its beginning");
    let (_, after) = rest.split_once("</rng>").expect("its end");
    define(&format!("{before}{after}"));
    assert_eq!(changes(), ["domain/devices/rng"]);
    host.vmlife(["show", "vm"])
        .succeeds()
        .says("changes at the next boot: domain/devices/rng");
    define(&kept);

    let rng = host.write(
        "rng.xml",
        "<rng model='virtio'><backend model='random'>/dev/random</backend></rng>",
    );
    let disk = host.write("disk.raw", vec![0; 1 << 20]);
    let (rng, disk) = (rng.to_str().expect("text"), disk.to_str().expect("text"));
    for words in [
        &["attach-disk", "vm", disk, "sdb", "--targetbus", "scsi"][..],
        &["detach-disk", "vm", "sdb"],
    ] {
        host.virsh(words.iter().chain(&["--live", "--config"]));
        assert!(changes().is_empty(), "{words:?}: {:?}", changes());
    }
    host.virsh(["attach-device", "vm", rng, "--config"]);
    assert_eq!(changes(), ["domain/devices/rng"]);
    host.virsh(["detach-device", "vm", rng, "--config"]);
    host.vmlife(["hibernate", "vm"]).ends_with(0);
    assert!(changes().is_empty(), "hibernated: {:?}", changes());
    host.vmlife(["restore", "vm"]).ends_with(0);
    assert!(changes().is_empty(), "restored: {:?}", changes());
}

#[test]
fn of_a_disk_of_a_vm_that_is_off_no_more_is_told_than_is_known() {
    let Some(host) = Session::start() else { return };
    define_empty(&host, "vm");
    let path = |name: &str| host.path(&format!("data/{name}")).display().to_string();
    for (below, name) in [("", "base"), ("base", "middle"), ("middle", "top")] {
        let mut create = host.command("qemu-img");
        create.args(["create", "-q", "-f", "qcow2"]);
        if !below.is_empty() {
            create.args(["-F", "qcow2", "-b", &path(below)]);
        }
        let create = create.args([&path(name), "1M"]);
        Ran::of(create.output().expect("qemu-img runs")).ends_with(0);
    }
    let disk = |layers: &str| {
        format!(
            "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{}'/>{layers}
            <target dev='vda' bus='virtio'/></disk>",
            path("top")
        )
    };
    let shown = || host.vmlife(["show", "vm", "-o", "json"]).succeeds().json();
    let file = host.write("disk.xml", disk(""));
    let file = file.to_str().expect("text");
    host.virsh(["attach-device", "vm", file, "--config"]);
    let image = &shown()["vms"][0]["vmStatic"]["images"][0];
    assert_eq!(image["imageStatus"], "OK");
    assert!(image["actualSizeInBytes"].is_u64(), "{image}");
    let all = image.get("actualDiskWithSnapshotsSize");
    assert_eq!(all, None, "there are layers that nobody tells");

    host.virsh(["detach-disk", "vm", "vda", "--config"]);
    let layer = format!(
        "<backingStore type='file'><format type='qcow2'/><source file='{}'/></backingStore>",
        path("middle")
    );
    host.write("disk.xml", disk(&layer));
    host.virsh(["attach-device", "vm", file, "--config"]);
    let page = host.vmlife(["show", "vm"]).succeeds();
    let page = page.says("at least 1 layer below");
    assert!(!page.stdout.contains("missing"), "{page:?}");
    host.virsh(["start", "vm"]);
    let page = host.vmlife(["show", "vm"]).succeeds();
    assert!(page.says("2 layers below").stdout.contains("vda"));
    host.virsh(["destroy", "vm"]);

    for (file, note) in [("middle", "a layer below is missing"), ("top", "missing")] {
        let (from, to) = (path(file), path("away"));
        fs::rename(&from, &to).expect("it is moved");
        let page = host.vmlife(["show", "vm"]).ends_with(0).says(note);
        assert!(!page.stdout.contains("broken"), "{page:?}");
        let image = &shown()["vms"][0]["vmStatic"]["images"][0];
        let layer = match file {
            "top" => image,
            _ => &image["snapshots"][0],
        };
        assert_eq!(layer["imageStatus"], "ILLEGAL", "{image}");
        fs::rename(&to, &from).expect("it is moved back");
    }
}

#[test]
fn an_image_that_is_cut_short_tells_nothing_of_how_its_vm_is() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "vm");
    let image = host.path("vm.vmsave");
    let image = image.to_str().expect("text");
    host.vmlife(["hibernate", "vm", "--to", image]).ends_with(0);
    let whole = fs::read(image).expect("it is read");
    let cut = host.write("cut.vmsave", &whole[..whole.len() / 2]);
    let page = without_daemon(&["show", cut.to_str().expect("text")]).ends_with(0);
    assert!(page.says("vm: Unknown").stdout.contains("cut.vmsave"));
}

#[test]
fn of_the_next_run_nothing_of_this_one_is_told_but_the_state() {
    let Some(host) = Session::start() else { return };
    let xml = host.write("vm.xml", secretive("vm"));
    host.virsh(["define".as_ref(), xml.as_os_str()]);
    host.vmlife(["restore", "vm", "--or-start"]).ends_with(0);
    host.virsh(["setmaxmem", "vm", "32M", "--config"]);
    let now = host.vmlife(["show", "vm"]).succeeds();
    let now = now.says("\nusage\n").says("\nconsoles\n");
    now.says("16.00 MiB").says("pc-i440fx");
    let next = host.vmlife(["show", "vm", "--inactive"]).succeeds();
    let next = next.says("vm: Up (").says("memory         32.00 MiB");
    let next = next.says("changes at the next boot: memSizeMb");
    for word in ["usage", "CPU time", "consoles", "127.0.0.1", "host "] {
        assert!(!next.stdout.contains(&format!("\n{word}")), "{next:?}");
        assert!(!next.stdout.contains(&format!("\n  {word}")), "{next:?}");
    }
    let shown = host.vmlife(["show", "vm", "--inactive", "-o", "json"]);
    let shown = &shown.succeeds().json()["vms"][0];
    assert_eq!(shown.get("vmStatistics"), None, "{shown}");
    let dynamic = shown["vmDynamic"].as_object().expect("the state");
    let id = host.virsh(["domid", "vm"]);
    assert_eq!(dynamic["domainId"].to_string(), id);
    let told: Vec<_> = dynamic.keys().map(String::as_str).collect();
    let state = [
        "id",
        "status",
        "statusReason",
        "pauseStatus",
        "domainId",
        "persistent",
        "autostart",
        "lastStartTime",
        "bootTime",
    ];
    assert_eq!(
        told, state,
        "what libvirt says, and what the definition remembers"
    );
    // What is off is its own next run.
    host.virsh(["destroy", "vm"]);
    let off = |more: &[&str]| {
        let words = [&["show", "vm", "-o", "json"], more].concat();
        host.vmlife(words).succeeds().stdout
    };
    assert_eq!(off(&["--inactive"]), off(&[]));
}

#[test]
fn an_administrator_sees_what_libvirt_will_forget_and_what_it_starts_by_itself() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "kept");
    host.virsh(["autostart", "kept"]);
    define_empty(&host, "other");
    host.virsh(["create".as_ref(), transient(&host).as_os_str()]);
    let rows = [
        ("kept", true, true),
        ("other", true, false),
        ("passing", false, false),
    ];
    let all = host.vmlife(["show", "-o", "json"]).succeeds().json();
    for (at, (name, persistent, autostart)) in rows.into_iter().enumerate() {
        let judge = host.virsh(["dominfo", name]);
        let yes = |is_so, yes, no| if is_so { yes } else { no };
        let line = format!("Persistent:     {}", yes(persistent, "yes", "no"));
        assert!(judge.contains(&line), "{judge}");
        let line = format!("Autostart:      {}", yes(autostart, "enable", "disable"));
        assert!(judge.contains(&line), "{judge}");
        let one = host.vmlife(["show", name, "-o", "json"]).succeeds().json();
        for vm in [&one["vms"][0], &all["vms"][at]] {
            assert_eq!(vm["vmStatic"]["name"], name);
            assert_eq!(vm["vmDynamic"]["persistent"], persistent, "{vm}");
            assert_eq!(vm["vmDynamic"]["autostart"], autostart, "{vm}");
        }
        let page = host.vmlife(["show", name]).succeeds();
        let page = page.says(&format!("autostart      {}", yes(autostart, "yes", "no")));
        page.says(&format!(
            "persistent     {}",
            yes(persistent, "yes\n", "no: libvirt forgets it")
        ));
    }
    // It has no next run; but what it would be is told, without its run.
    let next = host.vmlife(["show", "passing", "--inactive"]).succeeds();
    assert!(!next.stdout.contains("usage"), "{next:?}");
}

/// A domain that libvirt does not keep.
fn transient(host: &Session) -> std::path::PathBuf {
    host.write("passing.xml", secretive("passing"))
}

#[test]
fn the_times_of_a_vms_runs_survive_in_both_of_its_definitions() {
    let Some(host) = Session::start() else { return };
    let id = define_empty(&host, "vm");
    let metadata = "<priority type='int'>7</priority><other>kept</other>";
    let ours = format!("<vm>{metadata}</vm>");
    let key = [
        "--uri",
        "urn:vmlife:vm:1",
        "--key",
        "vmlife",
        "--set",
        &ours,
    ];
    host.virsh(["metadata", "vm"].iter().chain(&key));
    host.vmlife(["restore", "vm", "--or-start"]).ends_with(0);
    let read = |which: &str| host.virsh(["metadata", "vm", "--uri", "urn:vmlife:vm:1", which]);
    for which in ["--live", "--config"] {
        let found = read(which);
        for word in ["<bootTime>", "<lastStartTime>", "kept", ">7<"] {
            assert!(found.contains(word), "{which}: {found}");
        }
    }
    let booted = |text: &str| text.split("bootTime>").nth(1).expect("a time").to_owned();
    let boot_time = booted(&read("--live"));
    host.vmlife(["hibernate", "vm"]).ends_with(0);
    assert!(read("--config").contains("<lastStopTime>"));
    let asleep = host.vmlife(["show", "vm", "-o", "json"]).succeeds().json();
    assert!(
        asleep["vms"][0]["vmDynamic"]["lastStopTime"].is_string(),
        "{asleep}"
    );
    assert_eq!(asleep["vms"][0]["vmStatic"]["priority"], 7);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    host.vmlife(["restore", "vm"]).ends_with(0);
    for which in ["--live", "--config"] {
        assert_eq!(
            booted(&read(which)),
            boot_time,
            "hibernation does not end a run"
        );
    }
    let awake = host.vmlife(["show", "vm", "-o", "json"]).succeeds().json();
    let dynamic = &awake["vms"][0]["vmDynamic"];
    assert!(
        dynamic["downtime"].as_u64().expect("a number") >= 1000,
        "{dynamic}"
    );
    assert!(awake["vms"][0]["vmStatistics"]["elapsedTime"].is_number());
    assert!(
        !host.images().iter().any(|file| file.contains(&id)),
        "it is used up"
    );
}

#[test]
fn the_times_of_a_run_are_told_of_that_run_only() {
    let Some(host) = Session::start() else { return };
    let id = define_empty(&host, "vm");
    let known = |name: &str| {
        let vm = host.vmlife(["show", name, "-o", "json"]).succeeds().json()["vms"][0].clone();
        let dynamic = &vm["vmDynamic"];
        let has = |field: &str| dynamic.get(field).is_some();
        let elapsed = vm["vmStatistics"].get("elapsedTime").is_some();
        let runs = dynamic["status"] == "Up";
        assert_eq!(elapsed, runs && has("lastStartTime"), "{dynamic}");
        [has("lastStartTime"), has("bootTime"), has("lastStopTime")]
    };
    let nothing = [false; 3];
    let number = || host.virsh(["domid", "vm"]);
    let image = host.path("vm.img");
    let image = image.to_str().expect("text");
    host.vmlife(["restore", "vm", "--or-start"]).ends_with(0);
    assert_eq!(known("vm"), [true, true, false]);
    host.restart();
    assert_eq!(known("vm"), [true, true, false], "it is the same run");

    // A copy of it takes the metadata along.
    let copy = host
        .virsh(["dumpxml", "vm"])
        .replace(&id, "6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a11");
    let copy = host.write("copy.xml", copy.replace("<name>vm<", "<name>copy<"));
    host.virsh(["define".as_ref(), copy.as_os_str()]);
    assert_eq!(known("copy"), nothing);

    // Saved and restored by others, while the daemon that begins to count anew gives it its old number.
    let before = number();
    host.virsh(["save", "vm", image]);
    assert_eq!(known("vm"), nothing);
    host.restart();
    host.virsh(["restore", image]);
    assert_eq!(number(), before);
    assert_eq!(known("vm"), nothing);
    host.vmlife(["hibernate", "vm"]).ends_with(0);
    assert_eq!(known("vm"), [false, false, true]);
    host.vmlife(["restore", "vm"]).ends_with(0);
    assert_eq!(
        known("vm"),
        [true, false, true],
        "nobody has told when it booted"
    );

    // Ended and started by others.
    host.virsh(["destroy", "vm"]);
    assert_eq!(known("vm"), nothing);
    host.virsh(["start", "vm"]);
    assert_eq!(known("vm"), nothing);
    host.virsh(["destroy", "vm"]);

    // Hibernated by vmlife, and restored by others.
    host.vmlife(["restore", "vm", "--or-start"]).ends_with(0);
    host.vmlife(["hibernate", "vm"]).ends_with(0);
    assert_eq!(known("vm"), [true, true, true]);
    let ours = host.image(&id);
    host.virsh(["restore".as_ref(), ours.as_os_str()]);
    assert_eq!(known("vm"), nothing);
}

#[test]
fn what_the_metadata_says_and_cannot_be_is_told_and_hides_no_vm() {
    let Some(host) = Session::start() else { return };
    define_empty(&host, "vm");
    let set = |xml: &str| {
        let key = ["--uri", "urn:vmlife:vm:1", "--key", "vmlife", "--set", xml];
        host.virsh(["metadata", "vm", "--config"].iter().chain(&key));
    };
    set(
        "<vm><priority>many</priority><vmGroupName>a</vmGroupName><vmDynamic><downtime>long</downtime></vmDynamic></vm>",
    );
    let ran = host.vmlife(["show", "vm", "-o", "json"]).ends_with(0);
    assert_eq!(ran.json()["vms"][0]["vmStatic"]["vmGroupName"], "a");
    for words in [
        "vm: its metadata is not read in <priority>: ",
        "<downtime>: ",
    ] {
        assert!(ran.stderr.contains(words), "{ran:?}");
    }
    host.vmlife(["show"]).succeeds();

    // What is not vmlife's stays, also in its namespace.
    set("<other><priority>50</priority></other>");
    let read = || host.virsh(["metadata", "vm", "--uri", "urn:vmlife:vm:1", "--config"]);
    let before = read();
    let started = host.vmlife(["restore", "vm", "--or-start"]).ends_with(0);
    let words = "an element that is not vmlife's stands in the namespace urn:vmlife:vm:1";
    assert!(started.stderr.contains(words), "{started:?}");
    assert_eq!(read(), before);
    host.vmlife(["show", "vm"]).succeeds();
}

#[test]
fn a_definition_with_open_secrets_draws_a_warning() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("vm.yaml");
    let text = "vmStatic:\n  name: vm\n  vmInit: { rootPassword: s3cret }\n";
    fs::write(&file, text).expect("it can be written");
    let file = file.to_str().expect("text");
    let open = vmlife(["show", file]).ends_with(0);
    assert!(open.stderr.contains("chmod 600"), "{open:?}");
    assert!(
        !open.stdout.contains("s3cret") && !open.stderr.contains("s3cret"),
        "{open:?}"
    );
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(file, mode).expect("a mode");
    vmlife(["show", file]).succeeds();
    vmlife(["show", file, "-o", "yaml", "--security-info"])
        .succeeds()
        .says("s3cret");
}

#[test]
fn no_form_shows_a_secret_of_domain_xml() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("vm.xml");
    let text = "<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>vm</name>
  <metadata><v:vm xmlns:v='urn:vmlife:vm:1'><v:vmInit><v:rootPassword>s3cret</v:rootPassword>
    <v:winKey>s3cret</v:winKey><v:authorizedKeys>s3cret</v:authorizedKeys></v:vmInit></v:vm></metadata>
  <memory unit='MiB'>64</memory>
  <os><type arch='x86_64'>hvm</type></os>
  <devices>
    <graphics type='vnc' passwd='s3cret'/>
    <disk type='network' device='disk'><source protocol='https' name='a' query='t=s3cret'><host name='me:s3cret@h'/></source><target dev='vda'/></disk>
    <disk type='network' device='disk'><source protocol='rbd' name='p/a:key=s3cret'><host name='h'/></source><target dev='vdb'/></disk>
    <disk type='network' device='cdrom'><source protocol='https' name='a?t=s3cret'><host name='me:s3cret@h'/></source><target dev='sda'/></disk>
  </devices>
  <qemu:commandline>
    <qemu:arg value='name=opt/com.coreos/config,string=s3cret'/>
    <qemu:env name='MY_TOKEN' value='s3cret'/>
  </qemu:commandline>
</domain>";
    fs::write(&file, text).expect("it can be written");
    let file = file.to_str().expect("text");
    for form in ["table", "wide", "json", "yaml", "xml", "name"] {
        let shown = vmlife(["show", file, "-o", form]).ends_with(0);
        assert!(!format!("{shown:?}").contains("s3cret"), "{shown:?}");
        assert!(shown.stderr.contains("chmod 600"), "{shown:?}");
    }
    let whole = vmlife(["show", file, "-o", "xml", "--security-info"]).ends_with(0);
    assert_eq!(whole.stdout, text);
}
