//! What the library asks of libvirt, compared with what virsh says of the same domains.

use super::support::eventually;
use super::support::guest::{Linux, boot_empty, define_empty};
use super::support::session::Session;
use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};
use vmlife::entity::JobOperation;
use vmlife::hypervisor::{
    Access, AddressSource, ControlState, GuestGroups, Hypervisor, Machine, Record,
    StatisticsGroups, Value, XmlFlags,
};
use vmlife::report::Kind;

/// The session's daemon, from within this process. By its socket it takes also root.
fn open(host: &Session) -> Hypervisor {
    let socket = host.path("run/libvirt/libvirt-sock");
    let uri = format!("qemu+unix:///session?socket={}", socket.display());
    Hypervisor::open(Some(&uri), Access::ReadWrite).expect("the daemon answers")
}

fn machine(hypervisor: &Hypervisor, name: &str) -> Machine {
    let found = hypervisor.machine_by_name(name).expect("it answers");
    found.expect("it is there")
}

/// What virsh prints as lines of `key=value` or `key : value`.
fn pairs(lines: &str, separator: char) -> BTreeMap<String, String> {
    lines
        .lines()
        .filter_map(|line| line.split_once(separator))
        .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
        .collect()
}

/// A record as virsh prints it.
fn printed(record: &Record) -> BTreeMap<String, String> {
    record
        .iter()
        .map(|(key, value)| {
            let value = match value {
                Value::Integer(value) => value.to_string(),
                Value::Unsigned(value) => value.to_string(),
                Value::Float(value) => format!("{value:.6}"),
                Value::Boolean(value) => if *value { "yes" } else { "no" }.to_owned(),
                Value::Text(value) => value.clone(),
            };
            (key.to_owned(), value)
        })
        .collect()
}

/// The statistics of all domains.
fn statistics(hypervisor: &Hypervisor, groups: StatisticsGroups) -> Vec<(Machine, Record)> {
    let machines = hypervisor.machines().expect("it answers");
    Machine::statistics_of(&machines, groups).expect("it answers")
}

fn disk(host: &Session, name: &str) -> String {
    let path = host.write(name, vec![0; 1 << 20]);
    path.to_str().expect("text").to_owned()
}

#[test]
fn statistics_of_all_domains_are_those_of_virsh() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "on");
    define_empty(&host, "off");
    let image = disk(&host, "off.raw");
    host.virsh(["attach-disk", "off", &image, "vda", "--config"]);
    let hypervisor = open(&host);
    let groups = StatisticsGroups::STATE
        | StatisticsGroups::VCPU
        | StatisticsGroups::BALLOON
        | StatisticsGroups::BLOCK;

    let mut found = statistics(&hypervisor, groups);
    found.sort_by(|a, b| a.0.name().cmp(b.0.name()));
    let names: Vec<&str> = found.iter().map(|(machine, _)| machine.name()).collect();
    assert_eq!(names, ["off", "on"]);
    for (machine, record) in &found {
        assert_eq!(
            machine.id().to_string(),
            host.virsh(["domuuid", machine.name()])
        );
        assert_eq!(machine.domain_id().is_some(), machine.name() == "on");
        let said = host.virsh(["domstats", machine.name()]);
        let (said, ours) = (pairs(&said, '='), printed(record));
        for key in [
            "state.state",
            "state.reason",
            "vcpu.current",
            "vcpu.maximum",
            "balloon.current",
            "balloon.maximum",
            "block.count",
        ] {
            assert!(
                said.contains_key(key) && ours.get(key) == said.get(key),
                "{key}: {ours:?} is not {said:?}"
            );
        }
        let alone = machine.statistics(groups).expect("it answers");
        assert_eq!(
            alone.unsigned("balloon.maximum"),
            record.unsigned("balloon.maximum")
        );
    }
    assert_eq!(found[0].1.text("block.0.path"), Some(image.as_str()));

    host.virsh(["undefine", "off"]);
    let error = found[0].0.statistics(groups).expect_err("it is gone");
    assert!(error.is_no_domain(), "{error:?}");
}

#[test]
fn statistics_come_also_while_another_waits_for_qemu() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "vm");
    let hypervisor = open(&host);
    let vm = machine(&hypervisor, "vm");
    let control = vm.control().expect("it answers");
    assert_eq!(control.state, ControlState::Ok);

    let qemu = host.qemu("vm");
    qemu.signal("STOP");
    let mut waiting = host
        .command("virsh")
        .args(["domstats", "--vcpu", "vm"])
        .stdout(Stdio::null())
        .spawn()
        .expect("virsh runs");
    eventually("libvirt waits for QEMU", || {
        let control = vm.control().expect("it answers");
        (control.state == ControlState::Occupied && control.milliseconds > 0).then_some(())
    });
    let began = Instant::now();
    let record = vm
        .statistics(StatisticsGroups::default())
        .expect("it answers");
    assert_eq!(record.unsigned("vcpu.maximum"), Some(1));
    assert!(began.elapsed() < Duration::from_secs(10));
    qemu.signal("CONT");
    waiting.wait().expect("virsh ends");
}

#[test]
fn a_guest_tells_of_itself_what_it_tells_virsh() {
    let Some(host) = Session::start() else { return };
    Linux::boot(&host, "web", 128, "vmlife.agent");
    let hypervisor = open(&host);
    let web = machine(&hypervisor, "web");
    let told = eventually("the agent answers", || {
        web.guest_info(GuestGroups::default()).ok()
    });
    let said = pairs(&host.virsh(["guestinfo", "web"]), ':');
    assert_eq!(printed(&told), said);
    let some = web.guest_info(GuestGroups::OS | GuestGroups::HOSTNAME);
    let some = some.expect("the agent answers");
    assert_eq!(some.text("hostname"), told.text("hostname"));
    assert!(some.get("user.count").is_none() && told.get("user.count").is_some());

    let vcpus = web.guest_vcpus().expect("the agent answers");
    assert_eq!(
        printed(&vcpus),
        pairs(&host.virsh(["guestvcpus", "web"]), ':')
    );
    assert_eq!(vcpus.text("online"), Some("0"));

    let cards = web.interface_addresses(AddressSource::Agent);
    let names: Vec<String> = cards
        .expect("it answers")
        .into_iter()
        .map(|c| c.name)
        .collect();
    assert_eq!(names, ["lo"]);

    host.virsh(["suspend", "web"]);
    let error = web.guest_info(GuestGroups::OS).expect_err("it is paused");
    assert_eq!(error.kind(), Kind::State);
}

#[test]
fn the_snapshots_of_a_vm_are_those_that_virsh_lists() {
    let Some(host) = Session::start() else { return };
    define_empty(&host, "vm");
    let hypervisor = open(&host);
    let vm = machine(&hypervisor, "vm");
    assert_eq!(vm.snapshots(), Ok(Vec::new()));

    let definition = host.virsh(["dumpxml", "vm"]);
    for (name, parent) in [
        ("first", ""),
        ("then", "<parent><name>first</name></parent>"),
    ] {
        let xml = format!(
            "<domainsnapshot><name>{name}</name><state>shutoff</state>{parent}
            <creationTime>1700000000</creationTime>{definition}</domainsnapshot>"
        );
        let file = host.write("snapshot.xml", xml);
        let file = file.to_str().expect("text");
        host.virsh(["snapshot-create", "vm", file, "--redefine", "--current"]);
    }
    let mut found = vm.snapshots().expect("it answers");
    found.sort_by(|a, b| a.name.cmp(&b.name));
    let names: Vec<&str> = found.iter().map(|one| one.name.as_str()).collect();
    let listed = host.virsh(["snapshot-list", "vm", "--name"]);
    assert_eq!(names, listed.lines().collect::<Vec<_>>());
    for snapshot in &found {
        let current = host.virsh(["snapshot-current", "vm", "--name"]);
        assert_eq!(snapshot.is_current, snapshot.name == current);
        let xml = host.virsh(["snapshot-dumpxml", "vm", &snapshot.name]);
        assert_eq!(snapshot.xml.trim(), xml);
    }
}

#[test]
fn one_call_tells_of_which_vms_libvirt_holds_a_managed_save() {
    let Some(host) = Session::start() else { return };
    define_empty(&host, "off");
    let id = boot_empty(&host, "saved");
    let hypervisor = open(&host);
    assert_eq!(hypervisor.machines_with_managed_save(), Ok(Vec::new()));
    host.virsh(["managedsave", "saved"]);
    let found = hypervisor.machines_with_managed_save().expect("it answers");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].to_string(), id);
}

#[test]
fn a_definition_is_had_as_virsh_prints_it() {
    let Some(host) = Session::start() else { return };
    let hypervisor = open(&host);
    let vm = hypervisor
        .define(
            "<domain type='qemu'><name>vm</name><memory unit='MiB'>16</memory>
            <os><type arch='x86_64' machine='pc'>hvm</type></os>
            <devices><graphics type='vnc' passwd='geheim'/></devices></domain>",
        )
        .expect("it is well");
    for (inactive, migratable, secure) in [
        (false, false, false),
        (true, false, false),
        (false, true, false),
        (false, false, true),
        (true, true, true),
    ] {
        let mut words = vec!["dumpxml", "vm"];
        words.extend(inactive.then_some("--inactive"));
        words.extend(migratable.then_some("--migratable"));
        words.extend(secure.then_some("--security-info"));
        let flags = XmlFlags {
            inactive,
            migratable,
            secure,
        };
        let xml = vm.xml_of(flags).expect("it answers");
        assert_eq!(xml.trim(), host.virsh(&words));
        // libvirt takes an XML for another host for one with secrets.
        assert_eq!(xml.contains("geheim"), secure || migratable, "{flags:?}");
    }
    let capabilities = hypervisor.capabilities().expect("it answers");
    assert_eq!(capabilities.trim(), host.virsh(["capabilities"]));
}

#[test]
fn what_a_program_keeps_with_a_vm_is_kept() {
    const URI: &str = "urn:vmlife:test";
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "vm");
    let hypervisor = open(&host);
    let vm = machine(&hypervisor, "vm");
    assert_eq!(vm.own_metadata(URI, true), Ok(None));

    vm.set_own_metadata(URI, "own", Some("<note>1</note>"), false, true)
        .expect("it is kept");
    let kept = vm.own_metadata(URI, true).expect("it answers");
    let said = host.virsh(["metadata", "vm", "--uri", URI, "--config"]);
    assert_eq!(kept.as_deref().map(str::trim), Some(said.as_str()));
    assert_eq!(
        vm.own_metadata(URI, false),
        Ok(None),
        "only in the definition"
    );

    vm.set_own_metadata(URI, "own", Some("<note>2</note>"), true, true)
        .expect("it is kept");
    for config in [true, false] {
        let kept = vm.own_metadata(URI, config).expect("it answers");
        assert!(kept.is_some_and(|kept| kept.contains(">2<")), "{config}");
    }
    vm.set_own_metadata(URI, "own", None, true, true)
        .expect("it is taken away");
    assert_eq!(vm.own_metadata(URI, true), Ok(None));
    for text in ["\0", "a\0b"] {
        assert!(vm.own_metadata(text, true).is_err());
        assert!(vm.set_own_metadata(URI, text, None, false, true).is_err());
    }
}

#[test]
fn a_job_tells_all_that_libvirt_knows_of_it() {
    let Some(host) = Session::start() else { return };
    Linux::boot(&host, "vm", 384, "vmlife.random=256");
    let hypervisor = open(&host);
    let vm = machine(&hypervisor, "vm");
    assert_eq!(vm.job_record(), Ok(None));
    let mut saving = host
        .command("virsh")
        .args(["save", "vm"])
        .arg(host.path("vm.save"))
        .stdout(Stdio::null())
        .spawn()
        .expect("virsh runs");
    // Who writes the image stands still, so that the save lasts as long as we look.
    let writer = eventually("the image is being written", || host.image_writer());
    writer.signal("STOP");
    let record = eventually("the job has begun", || {
        let record = vm.job_record().expect("it answers")?;
        (record.unsigned("data_total")? > 0).then_some(record)
    });
    assert!(record.unsigned("memory_page_size").is_some(), "{record:?}");
    let job = vm.job().expect("it answers").expect("it runs");
    assert_eq!(job.operation, Some(JobOperation::Save));
    assert_eq!(Some(job.total), record.unsigned("data_total"));
    writer.signal("CONT");
    assert!(saving.wait().expect("virsh ends").success());
    let error = vm.control().expect_err("it is off");
    assert_eq!(error.kind(), Kind::State);
}

#[test]
fn the_job_of_a_disk_tells_how_far_it_is() {
    let Some(host) = Session::start() else { return };
    define_empty(&host, "vm");
    let (image, copy) = (disk(&host, "vm.raw"), host.path("copy.raw"));
    host.virsh(["attach-disk", "vm", &image, "vda", "--config"]);
    host.virsh(["start", "vm"]);
    let hypervisor = open(&host);
    let vm = machine(&hypervisor, "vm");
    assert_eq!(vm.block_job("vda"), Ok(None));
    assert!(vm.block_job("vdz").is_err());

    let copy = copy.to_str().expect("text");
    host.virsh([
        "blockcopy",
        "vm",
        "vda",
        copy,
        "--format",
        "raw",
        "--transient-job",
    ]);
    // It stays after the copy is made, until it is said which one counts.
    eventually("the copy is made", || {
        let job = vm.block_job("vda").expect("it answers");
        job.filter(|job| job.cursor_cur == job.cursor_end && job.cursor_end >= 1 << 20)
    });
    host.virsh(["blockjob", "vm", "vda", "--abort"]);
    assert_eq!(vm.block_job("vda"), Ok(None));
}

#[test]
fn an_image_is_found_in_its_pool() {
    let Some(host) = Session::start() else { return };
    let folder = host.path("data");
    let folder = folder.to_str().expect("text");
    let hypervisor = open(&host);
    let path = format!("{folder}/a.raw");
    assert_eq!(hypervisor.storage_pool_of(&path), Ok(None));
    assert_eq!(hypervisor.volume_xml(&path), Ok(None));

    host.virsh(["pool-create-as", "images", "dir", "--target", folder]);
    host.virsh(["vol-create-as", "images", "a.raw", "1M"]);
    let (name, id) = hypervisor
        .storage_pool_of(&path)
        .expect("it answers")
        .expect("there is a pool");
    assert_eq!(name, "images");
    assert_eq!(id.to_string(), host.virsh(["pool-uuid", "images"]));
    let xml = hypervisor.volume_xml(&path).expect("it answers");
    let said = host.virsh(["vol-dumpxml", &path]);
    assert_eq!(xml.as_deref().map(str::trim), Some(said.as_str()));
    for other in ["/nowhere/a.raw", "a.raw", "/", ""] {
        assert_eq!(hypervisor.storage_pool_of(other), Ok(None), "{other}");
        assert_eq!(hypervisor.volume_xml(other), Ok(None), "{other}");
    }
}

#[test]
fn a_driver_that_knows_less_says_so_and_nothing_breaks() {
    let hypervisor = Hypervisor::open(Some("test:///default"), Access::ReadWrite).expect("open");
    let test = machine(&hypervisor, "test");
    let all = statistics(&hypervisor, StatisticsGroups::default());
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].0.id(), test.id());
    assert_eq!(all[0].1.integer("state.state"), Some(1));
    // A machine outlives the answer that it came from, and the connection's own variable.
    drop(hypervisor);
    assert_eq!(all[0].0.state(), test.state());

    let cards = test.interface_addresses(AddressSource::Lease);
    let cards = cards.expect("it answers");
    assert_eq!(cards[0].name, "testnet0");
    assert_eq!(cards[0].mac.as_deref(), Some("aa:bb:cc:dd:ee:ff"));
    assert_eq!(cards[0].addresses, ["192.168.122.3"]);
    assert_eq!(test.snapshots(), Ok(Vec::new()));
    for error in [
        test.guest_info(GuestGroups::default()).expect_err("none"),
        test.guest_vcpus().expect_err("none"),
        test.job_record().expect_err("none"),
        test.block_job("vda").expect_err("none"),
    ] {
        assert!(error.is_no_support(), "{error:?}");
    }
}
