//! Every field of which libvirt or a guest tells, compared with what virsh prints: `tests/fields/table.txt`
//! says how. What cannot be known is absent.

use super::support::guest::{Linux, boot_empty, define_empty};
use super::support::session::Session;
use super::support::{Ran, eventually, project, vmlife};
use jiff::Timestamp;
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::iter;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use vmlife::payload::Payload;

const TABLE: &str = include_str!("../fields/table.txt");
const FIELDS: &str = include_str!("../../src/entity/fields.md");

/// What can be asked of a field.
#[derive(Clone, Copy, Debug)]
enum Claim {
    /// It is what the judge says.
    Same,
    /// The judge says that something is so, for which this is the model's word.
    Word(&'static str),
    /// It is not negative and not more than the judge says.
    AtMost,
    /// It is about what the judge says: it goes up and down while it is asked.
    About,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    field: &'static str,
    question: &'static str,
    claim: Claim,
}

/// The rows of a section of the table.
fn section(name: &str) -> Vec<Row> {
    let (_, rest) = TABLE
        .split_once(&format!("\n[{name}]\n"))
        .unwrap_or_else(|| panic!("the table has a section {name}"));
    let rows = rest.split("\n[").next().expect("the first part");
    let lines = rows.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let (field, question) = line.split_once(' ').expect("a field and a question");
            let question = question.trim();
            let (question, claim) = if let Some((question, word)) = question.split_once(" => ") {
                (question, Claim::Word(word))
            } else if let Some(question) = question.strip_prefix("< ") {
                (question, Claim::AtMost)
            } else if let Some(question) = question.strip_prefix("~ ") {
                (question, Claim::About)
            } else {
                (question, Claim::Same)
            };
            Row {
                field,
                question,
                claim,
            }
        })
        .collect()
}

/// The names of the sections.
fn sections() -> impl Iterator<Item = &'static str> {
    let names = TABLE.lines().filter_map(|line| line.strip_prefix('['));
    names.map(|name| name.trim_end_matches(']'))
}

/// The fields of the table of fields, with their sources.
fn documented() -> impl Iterator<Item = (&'static str, &'static str)> {
    FIELDS.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, path, _, _, source, _] = cells[..] else {
            return None;
        };
        Some((path.strip_prefix('`')?.strip_suffix('`')?, source))
    })
}

/// The steps of a path: names, and `#` for an entry of a list.
fn steps(path: &str) -> Vec<&str> {
    path.split(['.', '['])
        .map(|step| if step.ends_with(']') { "#" } else { step })
        .collect()
}

/// Whether a path is of this documented field, or of a part of it.
fn is_of(path: &str, documented: &str) -> bool {
    let (path, documented) = (steps(path), steps(documented));
    let same = |(step, wanted): (&&str, &&str)| *wanted == "*" || step == wanted;
    path.len() >= documented.len() && path.iter().zip(&documented).all(same)
}

#[test]
fn each_field_with_a_source_is_compared_or_excepted_for_a_reason() {
    let (excepted, compared): (Vec<&str>, Vec<&str>) =
        sections().partition(|name| *name == "exceptions");
    assert_eq!(excepted.len(), 1);
    let compared: Vec<Row> = compared.into_iter().flat_map(section).collect();
    let excepted = section("exceptions");
    let covers = |rows: &[Row], field: &str| rows.iter().any(|row| is_of(row.field, field));
    let of_exception = |field: &str| excepted.iter().any(|row| is_of(field, row.field));
    let mut missing = Vec::new();
    let mut judged = 0;
    for (field, source) in documented() {
        let is_ours = source == "metadata" || source.starts_with("metadata, but");
        if covers(&compared, field) {
            judged += 1;
            assert!(
                !of_exception(field),
                "{field} is compared, and so no exception"
            );
        } else if !is_ours && !of_exception(field) {
            missing.push(format!("{field}: {source}"));
        }
    }
    assert!(missing.is_empty(), "nobody judges {missing:#?}");
    assert!(judged > 200, "{judged}");
    for row in compared.iter().chain(&excepted) {
        let is_known = documented().any(|(field, _)| is_of(row.field, field));
        assert!(is_known, "{} is no field", row.field);
    }
}

/// What vmlife says of a field; a list in words, or how many entries there are.
fn told(vm: &Value, field: &str) -> Option<String> {
    let mut value = vm.clone();
    for step in field.split('.') {
        let (name, at) = match step.strip_suffix(']').and_then(|step| step.split_once('[')) {
            Some((name, at)) => (name, at.parse::<usize>().ok()),
            None => (step, None),
        };
        value = match &value {
            Value::String(xml) if name == "count" => {
                let xml = roxmltree::Document::parse(xml).expect("XML");
                let elements = xml.root_element().descendants();
                (elements.filter(roxmltree::Node::is_element).count() - 1).into()
            }
            Value::Object(fields) if name == "*" => fields.values().next()?.clone(),
            value => value.get(name)?.clone(),
        };
        if let Some(at) = at {
            value = value.get(at)?.clone();
        }
    }
    let text = |value: &Value| match value {
        Value::String(text) => match text.parse::<Timestamp>() {
            Ok(time) => seconds(time).to_string(),
            Err(_) => text.clone(),
        },
        other => other.to_string(),
    };
    Some(match &value {
        Value::Array(entries) if entries.iter().any(Value::is_object) => entries.len().to_string(),
        Value::Array(entries) => entries.iter().map(text).collect::<Vec<_>>().join(" "),
        Value::Object(fields) => fields.len().to_string(),
        value => text(value),
    })
}

fn seconds(time: Timestamp) -> f64 {
    time.as_duration().as_secs_f64()
}

/// A text as a number: also a time, and a size in bytes.
fn number(text: &str) -> Option<f64> {
    let time = text.parse().map(seconds);
    time.ok().or_else(|| text.parse().ok())
}

/// Asks xmllint all questions about a document at once.
fn judge(document: &str, questions: impl Iterator<Item = &'static str>) -> Vec<String> {
    const BETWEEN: &str = "¦";
    let questions: Vec<String> = questions
        .map(|question| format!("string({question})"))
        .collect();
    let all = format!("concat({},'')", questions.join(&format!(",'{BETWEEN}',")));
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    std::io::Write::write_all(&mut file, document.as_bytes()).expect("written");
    let output = Command::new("xmllint")
        .args(["--huge", "--xpath", &all])
        .arg(file.path())
        .output();
    let ran = Ran::of(output.expect("xmllint runs"));
    assert!(ran.code == 0, "{}\n{document}", ran.stderr);
    let answers = ran
        .stdout
        .strip_suffix('\n')
        .unwrap_or(&ran.stdout)
        .split(BETWEEN);
    answers.map(|answer| answer.trim().to_owned()).collect()
}

/// Compares what vmlife says of a VM with what virsh said before and after, row by row.
#[track_caller]
fn compare(name: &str, before: &str, vm: &Value, after: &str) {
    let both = format!("<both>{before}{after}</both>");
    let rows = section(name);
    let (bounds, values): (Vec<Row>, Vec<Row>) = rows
        .into_iter()
        .partition(|row| matches!(row.claim, Claim::AtMost));
    let ask = |document: &str, rows: &[Row]| {
        judge(
            document,
            rows.iter().map(|row| row.question).chain(["'end'"]),
        )
    };
    let (first, last, most) = (
        ask(before, &values),
        ask(after, &values),
        ask(&both, &bounds),
    );
    let values = values.into_iter().zip(first.into_iter().zip(last));
    let bounds = bounds
        .into_iter()
        .zip(iter::repeat("0".to_owned()).zip(most));
    let mut wrong = Vec::new();
    for (row, (first, last)) in values.chain(bounds) {
        let Some(found) = told(vm, row.field) else {
            wrong.push(format!(
                "{} is absent; {first:?}, {last:?}: {}",
                row.field, row.question
            ));
            continue;
        };
        let is_right = match row.claim {
            Claim::Word(word) => first == "true" && last == "true" && found == word,
            Claim::About => lies_between(&found, &first, &last, 0.05),
            _ => lies_between(&found, &first, &last, 0.0),
        };
        if !is_right {
            wrong.push(format!(
                "{} is {found:?}, not {first:?} to {last:?}: {}",
                row.field, row.question
            ));
        }
    }
    assert!(wrong.is_empty(), "of {name} vmlife is wrong: {wrong:#?}");
}

fn lies_between(found: &str, first: &str, last: &str, share: f64) -> bool {
    const ROUNDING: f64 = 0.001;
    if first.is_empty() {
        return false;
    }
    match (number(found), number(first), number(last)) {
        (Some(found), Some(first), Some(last)) => {
            let slack = ROUNDING + share * found;
            found >= first.min(last) - slack && found <= first.max(last) + slack
        }
        _ => found == first || found == last,
    }
}

/// A text as the content of an element.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// virsh, whose answers become a document.
struct Virsh<'a> {
    ask: &'a dyn Fn(&[&str]) -> Ran,
    document: String,
}

impl Virsh<'_> {
    /// What it prints, or nothing where it has no answer.
    fn says(&self, words: &[&str]) -> String {
        let ran = (self.ask)(words);
        if ran.code == 0 {
            ran.stdout.trim().to_owned()
        } else {
            String::new()
        }
    }

    fn element(&mut self, name: &str, content: &str) {
        write!(self.document, "<{name}>{content}</{name}>").expect("a String takes all");
    }

    fn text(&mut self, name: &str, words: &[&str]) {
        let said = self.says(words);
        self.element(name, &escaped(&said));
    }

    /// XML, with its elements' prefixes taken away.
    fn xml(&mut self, words: &[&str]) -> String {
        let said = self.says(words);
        let plain = ["ovirt-vm:", "libosinfo:", "vmlife:"]
            .iter()
            .fold(said, |said, prefix| {
                said.replace(&format!("<{prefix}"), "<")
                    .replace(&format!("</{prefix}"), "</")
            });
        plain
            .trim_start_matches("<?xml version='1.0' encoding='UTF-8'?>")
            .to_owned()
    }

    /// Lines of keys and values.
    fn pairs(&mut self, name: &str, words: &[&str], separator: char) {
        let said = self.says(words);
        let pairs = said.lines().filter_map(|line| line.split_once(separator));
        let elements: String = pairs
            .map(|(key, value)| (key.trim(), escaped(value.trim())))
            .filter(|(key, _)| !key.contains(' ') && !key.is_empty())
            .map(|(key, value)| format!("<{key}>{value}</{key}>"))
            .collect();
        self.element(name, &elements);
    }
}

/// All that virsh says of a VM.
fn said(ask: &dyn Fn(&[&str]) -> Ran, vm: &str) -> String {
    let mut virsh = Virsh {
        ask,
        document: String::new(),
    };
    let live = virsh.xml(&["dumpxml", "--security-info", vm]);
    let kept = virsh.xml(&["dumpxml", "--inactive", vm]);
    virsh.document += &live;
    virsh.element("inactive", &kept);
    virsh.text("state", &["domstate", "--reason", vm]);
    virsh.text("control", &["domcontrol", vm]);
    virsh.pairs(
        "stats",
        &["domstats", "--raw", "--backing", "--nowait", vm],
        '=',
    );
    virsh.pairs("blkinfo", &["domblkinfo", vm, "vda"], ':');
    virsh.text("info", &["dominfo", vm]);
    virsh.pairs("job", &["domjobinfo", "--rawstats", vm], ':');
    let host = virsh.xml(&["capabilities"]);
    virsh.document += &host;
    for line in virsh.says(&["domblkerror", vm]).lines() {
        if let Some((disk, kind)) = line.split_once(": ") {
            write!(virsh.document, "<disk-error disk='{disk}' kind='{kind}'/>")
                .expect("a String takes all");
        }
    }
    if live.contains("state='connected'") && virsh.says(&["domstate", vm]) == "running" {
        virsh.pairs("agent", &["guestinfo", vm], ':');
        virsh.pairs("vcpus", &["guestvcpus", vm], ':');
        let cards = virsh.says(&["domifaddr", "--full", "--source", "agent", vm]);
        let mut found: Vec<Vec<&str>> = cards
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        found.retain(|words| words.len() == 4 && live.contains(words[1]));
        found.sort_by_key(|words| words[2].to_owned());
        for words in found {
            let address = words[3].split('/').next().expect("a first part");
            write!(
                virsh.document,
                "<address name='{}'>{address}</address>",
                words[0]
            )
            .expect("a String takes all");
        }
    }
    for line in virsh.says(&["domblklist", vm]).lines() {
        if let Some((target, path)) = line.trim().split_once(char::is_whitespace) {
            let volume = virsh.xml(&["vol-dumpxml", path.trim()]);
            virsh.document += &volume;
            let _ = target;
        }
    }
    virsh.text("pool-name", &["pool-list", "--name"]);
    let pool = virsh.says(&["pool-list", "--name"]);
    if !pool.is_empty() {
        virsh.text("pool-uuid", &["pool-uuid", &pool]);
    }
    for snapshot in virsh
        .says(&["snapshot-list", "--name", "--topological", vm])
        .lines()
    {
        let snapshot = virsh.xml(&["snapshot-dumpxml", "--security-info", vm, snapshot]);
        virsh.document += &snapshot;
    }
    virsh.text("snapshot-current", &["snapshot-current", "--name", vm]);
    let job = virsh.says(&["blockjob", "--raw", vm, "vda"]);
    let job: String = job
        .lines()
        .filter_map(|line| line.trim().split_once('='))
        .map(|(key, value)| format!("<{key}>{value}</{key}>"))
        .collect();
    virsh.element("blockjob", &job);
    let now = seconds(Timestamp::now());
    virsh.element("now", &now.to_string());
    if let Some((_, rest)) = live.split_once("<lastStartTime>") {
        let time = rest.split('<').next().and_then(number).expect("a time");
        virsh.element("last-start", &time.to_string());
    }
    format!("<v>{}</v>", virsh.document)
}

impl Session {
    /// All that virsh says of a VM of this session.
    fn said(&self, vm: &str) -> String {
        let ask = |words: &[&str]| {
            let mut command = self.command("virsh");
            Ran::of(command.arg("-q").args(words).output().expect("virsh runs"))
        };
        said(&ask, vm)
    }

    /// All that vmlife shows of a VM.
    fn shown(&self, vm: &str, more: &[&str]) -> Value {
        let words = [&["show", vm, "-o", "json"], more].concat();
        self.vmlife(words).succeeds().json()["vms"][0].clone()
    }
}

/// A CD's image, to be mounted.
fn cd(session: &Session, name: &str) {
    let payload = Payload {
        label: "ROOM".to_owned(),
        files: [("chair".to_owned(), b"to sit on".to_vec())].into(),
    };
    let path = session.path(name);
    vmlife::payload::write(&path, &payload).expect("it is written");
    session.hand_over(&path, 0o644);
}

fn qemu_img(session: &Session, words: &str) {
    let mut command = session.command("qemu-img");
    command
        .args(words.split(' '))
        .current_dir(session.path("data"));
    Ran::of(command.output().expect("qemu-img runs")).ends_with(0);
}

#[test]
fn every_field_of_a_rich_guest_is_what_virsh_and_the_guest_say() {
    let Some(host) = Session::start() else { return };
    cd(&host, "data/room.iso");
    cd(&host, "data/other.iso");
    qemu_img(&host, "create -q -f qcow2 base.qcow2 8M");
    qemu_img(&host, "create -q -f qcow2 -b base.qcow2 -F qcow2 top.qcow2");
    qemu_img(
        &host,
        "convert -f raw -O qcow2 -o compat=0.10 room.iso room.qcow2",
    );
    let data = host.path("data");
    let data = data.to_str().expect("text");
    host.virsh(["pool-create-as", "images", "dir", "--target", data]);
    let guest = Linux::dressed(&host, "rich");
    eventually("the agent answers", || {
        host.shown("rich", &[])["vmDynamic"]["fqdn"]
            .as_str()
            .map(drop)
    });
    let tick = guest.last_tick();
    host.vmlife(["hibernate", "rich"]).succeeds();
    std::thread::sleep(Duration::from_millis(100));
    host.vmlife(["restore", "rich"]).succeeds();
    guest.goes_on_after(&tick);
    let first = "55555555-0000-4000-8000-000000000001";
    host.virsh(["snapshot-create-as", "rich", first, "The first"]);
    std::thread::sleep(Duration::from_secs(1));
    host.virsh(["snapshot-create-as", "rich", "second"]);
    let other = format!("{data}/other.iso");
    host.virsh([
        "change-media",
        "rich",
        "sda",
        &other,
        "--update",
        "--config",
    ]);
    eventually("the agent answers again", || {
        host.shown("rich", &[])["vmDynamic"]["fqdn"]
            .as_str()
            .map(drop)
    });

    let before = host.said("rich");
    let vm = host.shown("rich", &["--sample", "3s", "--security-info"]);
    let after = host.said("rich");
    compare("rich", &before, &vm, &after);
    let birth = "v/volume[1]/target/timestamps/btime";
    let birth = judge(&after, [birth].into_iter()).remove(0);
    let known = told(&vm, "vmStatic.images[0].creationDate");
    assert_eq!(
        known.as_deref().and_then(number),
        number(&birth).filter(|birth| *birth > 0.0),
        "0 is no time"
    );
}

#[test]
fn every_field_that_only_another_host_has_is_what_libvirt_says() {
    let node = project().join("tests/fields/host.xml");
    let uri = format!("test://{}", node.display());
    let ask = |words: &[&str]| {
        let mut virsh = Command::new("virsh");
        let virsh = virsh.args(["-q", "-c", &uri]).args(words);
        Ran::of(virsh.output().expect("virsh runs"))
    };
    for name in ["foreign", "sleeper"] {
        let before = said(&ask, name);
        let ran = vmlife(["-c", &uri, "show", name, "-o", "json", "--security-info"]);
        let vm = &ran.succeeds().json()["vms"][0];
        compare(name, &before, vm, &said(&ask, name));
    }
}

#[test]
fn a_disk_that_is_being_copied_tells_how_far_that_is() {
    let Some(host) = Session::start() else { return };
    define_empty(&host, "copied");
    let image = host.write("disk.raw", vec![1; 4 << 20]);
    host.virsh([
        "attach-disk",
        "copied",
        image.to_str().expect("text"),
        "vda",
        "--config",
    ]);
    host.virsh(["start", "copied"]);
    let copy = host.path("copy.raw");
    let copy = copy.to_str().expect("text");
    host.virsh([
        "blockcopy",
        "copied",
        "vda",
        copy,
        "--transient-job",
        "--bandwidth",
        "1",
    ]);
    eventually("some of it is copied", || {
        let job = host.virsh(["blockjob", "--raw", "copied", "vda"]);
        (!job.contains("cur=0")).then_some(())
    });
    let before = host.said("copied");
    let vm = host.shown("copied", &[]);
    compare("copied", &before, &vm, &host.said("copied"));
}

#[test]
fn a_disk_that_is_used_is_as_large_as_libvirt_says_and_its_layers_are_not_guessed() {
    let Some(host) = Session::start() else { return };
    define_empty(&host, "vm");
    let data = host.path("data");
    // Half of it is a hole; all of the other one, which lies below a layer.
    let part = host.write("data/part.raw", vec![1; 1 << 20]);
    for (file, length) in [(&part, 2 << 20), (&data.join("hole.raw"), 4 << 20)] {
        let file = fs::OpenOptions::new().create(true).append(true).open(file);
        let file = file.expect("a file");
        file.set_len(length).expect("it grows");
    }
    host.hand_over(&data.join("hole.raw"), 0o644);
    qemu_img(&host, "create -q -f qcow2 -b hole.raw -F raw top.qcow2");
    for (file, target, format) in [("top.qcow2", "vda", "qcow2"), ("part.raw", "vdb", "raw")] {
        let path = data.join(file);
        let path = path.to_str().expect("text");
        let form = ["--subdriver", format, "--config"];
        host.virsh(["attach-disk", "vm", path, target].iter().chain(&form));
    }
    host.virsh(["start", "vm"]);
    let sizes_of = |vm: &Value| {
        let images = vm["vmStatic"]["images"].as_array().cloned();
        let images = images.expect("there are disks").into_iter();
        let size = |disk: &Value, name: &str| disk[name].as_u64();
        let sizes = images.map(|disk| {
            ["size", "actualSizeInBytes", "apparentSizeInBytes"].map(|name| size(&disk, name))
        });
        sizes.collect::<Vec<_>>()
    };
    let judged = ["vda", "vdb"].map(|disk| {
        let said = host.virsh(["domblkinfo", "vm", disk]);
        let words: Vec<_> = said.split_whitespace().collect();
        [1, 3, 5].map(|at| words[at].parse::<u64>().ok())
    });
    assert_eq!(judged[1], [Some(2 << 20), Some(1 << 20), Some(2 << 20)]);
    let vm = host.shown("vm", &[]);
    assert_eq!(sizes_of(&vm), judged);
    let images = &vm["vmStatic"]["images"];
    assert_eq!(images[1]["volumeType"], "Sparse");
    assert_eq!(images[1]["actualDiskWithSnapshotsSize"], 1 << 20);
    // libvirt tells 4 MiB here of a file that takes up nothing.
    let layer = &images[0]["snapshots"][0];
    assert_eq!(layer["size"], 4 << 20, "{layer}");
    assert_eq!(layer.get("actualSizeInBytes"), None, "{layer}");
    assert_eq!(images[0].get("actualDiskWithSnapshotsSize"), None);
    // The next run has the same files.
    let next = host.shown("vm", &["--inactive"]);
    assert_eq!(sizes_of(&next), judged);

    let qemu = host.qemu("vm");
    qemu.signal("STOP");
    let began = Instant::now();
    let ran = host.vmlife(["show", "vm", "-o", "json"]).ends_with(0);
    let took = began.elapsed();
    qemu.signal("CONT");
    assert!(took < Duration::from_secs(12), "{took:?}");
    assert!(ran.stderr.contains("vm: nothing is known of"), "{ran:?}");
    let vm = &ran.json()["vms"][0];
    let unknown = vm["vmStatic"]["images"][1].get("actualSizeInBytes");
    assert_eq!(unknown, None, "{vm}");
}

#[test]
fn each_kind_of_a_disks_job_is_told_by_its_name() {
    let Some(host) = Session::start() else { return };
    define_empty(&host, "vm");
    qemu_img(&host, "create -q -f qcow2 base.qcow2 64M");
    let layers = [
        ("base", "middle", "write 0 32M"),
        ("middle", "top", "write 32M 32M"),
    ];
    for (below, layer, data) in layers {
        qemu_img(
            &host,
            &format!("create -q -f qcow2 -b {below}.qcow2 -F qcow2 {layer}.qcow2"),
        );
        let mut write = host.command("qemu-io");
        let write = write.args(["-f", "qcow2", "-c", data]);
        let write = write.arg(host.path(&format!("data/{layer}.qcow2")));
        Ran::of(write.output().expect("qemu-io runs")).ends_with(0);
    }
    let path = |layer: &str| {
        host.path(&format!("data/{layer}.qcow2"))
            .display()
            .to_string()
    };
    let top = path("top");
    let disk = ["attach-disk", "vm", &top, "vda", "--subdriver", "qcow2"];
    host.virsh(disk.iter().chain(&["--config"]));
    host.virsh(["start", "vm"]);
    let (base, middle) = (path("base"), path("middle"));
    let jobs: [(&[&str], _, _, _, _); 3] = [
        (
            &["blockpull", "vm", "vda", "--base", &base],
            "Block Pull",
            "PULL",
            "vda takes in the layers below it",
            "pull at ",
        ),
        (
            &["blockcommit", "vm", "vda", "--top", &middle],
            "Block Commit",
            "COMMIT",
            "a layer of vda is being committed",
            "commit at ",
        ),
        (
            &["blockcommit", "vm", "vda", "--active"],
            "Active Block Commit",
            "ACTIVE_COMMIT",
            "vda is being committed",
            "commit of the uppermost layer at ",
        ),
    ];
    for (command, said, kind, words, note) in jobs {
        host.virsh(command.iter().chain(&["--bandwidth", "1"]));
        let shown = host.shown("vm", &[]);
        let page = host.vmlife(["show", "vm"]).succeeds();
        let job = host.virsh(["blockjob", "--raw", "vm", "vda"]);
        assert!(job.contains(&format!("type={said}")), "{job}");
        assert_eq!(shown["backgroundOperationDescription"], words, "{shown}");
        let disk = &shown["vmStatic"]["images"][0];
        assert_eq!(disk["blockJob"]["blockJobType"], kind, "{disk}");
        assert!(
            job.contains(&format!("end={}", disk["blockJob"]["cursorEnd"])),
            "{job}"
        );
        page.says(words).says(note);
        host.virsh(["blockjob", "vm", "vda", "--abort"]);
        assert_eq!(
            host.shown("vm", &[]).get("backgroundOperationDescription"),
            None
        );
    }
}

#[test]
fn a_guest_that_is_being_saved_tells_how_far_that_is() {
    let Some(host) = Session::start() else { return };
    Linux::boot(&host, "saving", 256, "vmlife.random=128");
    let mut saving = host
        .command("virsh")
        .args(["save", "saving"])
        .arg(host.path("saving.save"))
        .stdout(Stdio::null())
        .spawn()
        .expect("virsh runs");
    let writer = eventually("the image is being written", || host.image_writer());
    writer.signal("STOP");
    eventually("the job knows how much there is", || {
        let vm = host.shown("saving", &[]);
        vm["backgroundOperationProgress"].as_u64().map(drop)
    });
    let before = host.said("saving");
    let vm = host.shown("saving", &[]);
    let after = host.said("saving");
    writer.signal("CONT");
    assert!(saving.wait().expect("virsh ends").success());
    compare("saving", &before, &vm, &after);
}

#[test]
fn a_disk_whose_storage_has_gone_is_told() {
    let Some(host) = Session::start() else { return };
    Linux::bring(&host);
    let image = host.write("disk.raw", vec![0; 1 << 20]);
    let socket = host.path("nbd.sock");
    let mut server = host
        .command("qemu-nbd")
        .args(["--persistent", "--format", "raw", "--socket"])
        .args([&socket, &image])
        .spawn()
        .expect("qemu-nbd runs");
    eventually("the storage is there", || socket.exists().then_some(()));
    let guest = Linux::define(&host, "broken", 128, "vmlife.counter=/dev/vda");
    let disk = format!(
        "<disk type='network'><driver name='qemu' type='raw' error_policy='stop'/>
        <source protocol='nbd'><host transport='unix' socket='{}'/></source>
        <target dev='vda' bus='virtio'/></disk>",
        socket.display()
    );
    let disk = host.write("disk.xml", disk);
    let disk = disk.to_str().expect("text");
    host.virsh(["attach-device", "broken", disk, "--config"]);
    host.virsh(["start", "broken"]);
    guest.ticks_beyond(0);
    server.kill().expect("it is killed");
    server.wait().expect("it ends");
    eventually("the guest is stopped", || {
        (host.state("broken") == "paused (I/O error)").then_some(())
    });
    let before = host.said("broken");
    let vm = host.shown("broken", &[]);
    compare("broken", &before, &vm, &host.said("broken"));
}

#[test]
fn an_image_is_what_lies_there() {
    let Some(host) = Session::start() else { return };
    let id = boot_empty(&host, "hibernated");
    host.vmlife(["hibernate", "hibernated"]).succeeds();
    let path = host.image(&id);
    let file = fs::metadata(&path).expect("the image is there");
    let time = file.modified().expect("a time").try_into().expect("a time");
    let file = format!(
        "<file path='{}' bytes='{}' time='{}'/></v>",
        path.display(),
        file.len(),
        seconds(time)
    );
    let said = host.said("hibernated").replace("</v>", &file);
    compare("hibernated", &said, &host.shown("hibernated", &[]), &said);

    boot_empty(&host, "managed");
    host.virsh(["managedsave", "managed"]);
    let said = host.said("managed");
    compare("managed", &said, &host.shown("managed", &[]), &said);
}

/// The fields with a source of this kind.
fn fields_of(source: &str) -> Vec<&'static str> {
    let all = documented().filter(|(_, told)| told.contains(source));
    all.map(|(field, _)| field).collect()
}

/// None of these fields has a value.
#[track_caller]
fn are_absent<'a>(vm: &Value, fields: impl IntoIterator<Item = &'a &'a str>) {
    for field in fields {
        let field = field.replace("[]", "[0]");
        // A disk has other sources of its name, and a card's addresses are also the host's to tell.
        let told = told(vm, &field);
        assert_eq!(told, None, "{field} is invented");
    }
}

#[test]
fn what_cannot_be_known_is_absent() {
    let Some(host) = Session::start() else { return };
    let of_agent = [
        fields_of("virDomainGetGuestInfo"),
        fields_of("virDomainGetGuestVcpus"),
        fields_of("virDomainInterfaceAddresses"),
    ]
    .concat();
    assert!(of_agent.len() > 20, "{of_agent:?}");
    let of_run = [
        fields_of("of the live domain"),
        fields_of("two samples"),
        fields_of("`cpu.time`"),
        fields_of("`balloon."),
        fields_of("virDomainGetJobStats"),
        fields_of("virDomainGetControlInfo"),
        fields_of("virDomainGetID"),
        fields_of("virConnectGetCapabilities"),
        fields_of("`net.N"),
        fields_of("block.N.rd"),
    ]
    .concat();
    let of_run: Vec<&str> = of_run
        .into_iter()
        .filter(|field| !["vmDynamic.status", "snapshots[].status"].contains(field))
        .collect();
    assert!(of_run.len() > 30, "{of_run:?}");
    Linux::define(&host, "guest", 128, "vmlife.agent");
    let off = host.shown("guest", &["--sample", "100ms"]);
    are_absent(&off, of_agent.iter().chain(&of_run));

    // Before its agent answers.
    host.virsh(["start", "guest", "--paused"]);
    let paused = host.shown("guest", &[]);
    are_absent(&paused, &of_agent);
    assert_eq!(paused["vmDynamic"]["qemuGuestAgentStatus"], "DoesntExist");

    // While it cannot: it is not even asked.
    host.virsh(["resume", "guest"]);
    eventually("the agent answers", || {
        host.shown("guest", &[])["vmDynamic"]["guestOs"]
            .as_str()
            .map(drop)
    });
    host.virsh(["suspend", "guest"]);
    let began = Instant::now();
    let paused = host.shown("guest", &[]);
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(paused["vmDynamic"]["qemuGuestAgentStatus"], "Exists");
    are_absent(&paused, &of_agent);
}

#[test]
fn an_agent_that_does_not_answer_holds_up_nobody() {
    let Some(host) = Session::start() else { return };
    Linux::boot(&host, "guest", 128, "vmlife.agent");
    let os = || {
        host.shown("guest", &[])["vmDynamic"]["guestOs"]
            .as_str()
            .map(drop)
    };
    eventually("the agent answers", os);
    // It stops itself: the channel stays connected.
    let stop = r#"{"execute": "guest-exec", "arguments": {"path": "/bin/sh",
        "arg": ["-c", "kill -STOP $PPID"]}}"#;
    host.virsh(["qemu-agent-command", "guest", stop]);
    let known = "warning: guest: nothing is known of what its guest's agent tells: ";
    eventually("it is silent", || {
        let began = Instant::now();
        let ran = host.vmlife(["show", "guest", "-o", "json"]).ends_with(0);
        let took = began.elapsed();
        assert!(took < Duration::from_secs(9), "{took:?}");
        let vm = &ran.json()["vms"][0];
        let is_told = ran.stderr.starts_with(known);
        assert_eq!(vm["vmDynamic"]["guestOs"].is_null(), is_told, "{ran:?}");
        assert_eq!(vm["vmDynamic"]["qemuGuestAgentStatus"], "Exists");
        vm["vmDynamic"]["guestOs"].is_null().then_some(())
    });
    let began = Instant::now();
    host.vmlife(["show"]).succeeds().says("Up (booted)");
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn a_qemu_that_hangs_holds_up_neither_the_list_nor_others() {
    let Some(host) = Session::start() else { return };
    for name in ["hangs", "runs"] {
        boot_empty(&host, name);
    }
    let in_time = |words: &[&str]| {
        let began = Instant::now();
        let ran = host.vmlife(words);
        let took = began.elapsed();
        assert!(took < Duration::from_secs(12), "{words:?} took {took:?}");
        ran.ends_with(0)
    };
    let qemu = host.qemu("hangs");
    qemu.signal("STOP");
    let list = in_time(&["show"]).stdout;
    for name in ["hangs", "runs"] {
        let line = list.lines().find(|line| line.starts_with(name));
        assert!(
            line.is_some_and(|line| line.contains("Up (booted)")),
            "{list}"
        );
    }
    in_time(&["show", "runs"]).says("runs");
    let told = in_time(&["show", "hangs"]).says("hangs").stderr;
    let known = "warning: hangs: nothing is known of what only its QEMU can tell: it has been busy";
    assert!(told.starts_with(known), "{told}");
    qemu.signal("CONT");
    let vm = eventually("all is well", || {
        let vm = host.shown("hangs", &[]);
        vm["vmStatistics"]["balloonRss"].is_u64().then_some(vm)
    });
    assert_eq!(vm["vmDynamic"]["status"], "Up");
}
