//! Files that are wrong: one clear message with the place, exit code 2, nothing touched, no panic.

use super::support::{Ran, vmlife, vmlife_command};
use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// What vmlife says of a definition file with this name and content.
fn with_file(name: &str, content: impl AsRef<[u8]>) -> Ran {
    to_words(&["pause"], name, content)
}

/// What it says of one that is only to be thought through: whether a VM could be started of it.
fn rehearsed(name: &str, content: impl AsRef<[u8]>) -> Ran {
    to_words(&["restore", "--or-start", "--dry-run"], name, content)
}

fn to_words(words: &[&str], name: &str, content: impl AsRef<[u8]>) -> Ran {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join(name), content).expect("the file can be written");
    let mut command = vmlife_command(words.iter().copied().chain([format!("./{name}").as_str()]));
    Ran::of(
        command
            .current_dir(folder.path())
            .output()
            .expect("vmlife runs"),
    )
}

#[test]
fn yaml_that_is_wrong_is_refused_with_its_place() {
    for (content, error) in [
        (
            "vmStatic:\n  name: test\n  nmae: x\n",
            "./vm.yaml:3:3: 'nmae' is not known here; did you mean 'name'?",
        ),
        (
            "vmStatic:\n  name: test\n  memSizeMb: lots\n",
            "./vm.yaml:3:14: vmStatic.memSizeMb: invalid type",
        ),
        (
            "vmStatic:\n  name: test\n  memSizeMb: 1024.7\n",
            "expected a whole number of MiB",
        ),
        (
            "vmStatic:\n  name: test\n  priority: 500\n",
            "./vm.yaml:3:13: vmStatic.priority: invalid value: integer `500`, expected a number from 0 to 100",
        ),
        (
            "vmStatic:\n  name: test\n  vmInit: {rootPasswrk: x}\n",
            "did you mean 'rootPassword'?",
        ),
        (
            "vmStatic:\n  name: test\n  name: test\n",
            "./vm.yaml:3:3: vmStatic: duplicate field `name`",
        ),
        (
            "vmStatic:\n\tname: test\n",
            "./vm.yaml:2:1: YAML is indented with spaces; here stands a tab",
        ),
        ("", "./vm.yaml:1:1: it holds no definition"),
        (
            "vmStatic: {name: a/b}\n",
            "./vm.yaml:1:1: the name \"a/b\" contains a '/'",
        ),
        (
            "vmStatic: {name: ..}\n",
            "./vm.yaml:1:1: the name \"..\" is a folder's",
        ),
        ("vmStatic: {name: \"a\\nb\"}\n", "contains a line break"),
        ("vmStatic: {name: test\n", "./vm.yaml:2:1: "),
        (
            "vmStatic: {name: test}\n---\nvmStatic: {nam: x}\n",
            "./vm.yaml:3:12: 'nam' is not known",
        ),
    ] {
        with_file("vm.yaml", content).refuses(2, error);
    }
}

#[test]
fn an_alias_bomb_and_a_file_of_100_mb_end_quickly() {
    let mut bomb = "a: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..40 {
        let inner = vec![format!("*a{}", level - 1); 9].join(", ");
        bomb += &format!("b{level}: &a{level} [{inner}]\n");
    }
    bomb += "vmStatic: *a39\n";
    with_file("vm.yaml", &bomb).ends_with(2);
    with_file("vm.yaml", bomb.replace("a: ", "vmStatic: ")).ends_with(2);
    let line = "# nothing to see here, and much of it\n";
    let big = line.repeat(100_000_000 / line.len());
    with_file("vm.yaml", big).refuses(2, "./vm.yaml: it is longer than 4 MiB");
    with_file("vm.yaml", "[".repeat(4_000_000)).refuses(2, "brackets are open here");
}

#[test]
fn aliases_of_a_long_text_and_numbers_without_measure_end_quickly() {
    let uses = "{diskDescription: *q}, ".repeat(10_000);
    let bomb = format!(
        "vmStatic: {{name: a, description: &q {}, images: [{uses}]}}\n",
        "x".repeat(1 << 20)
    );
    with_file("vm.yaml", bomb).refuses(2, "its aliases multiply without measure");
    let memory = "name: a, memSizeMb: 64, maxMemorySizeMb: 128";
    for (wrong, words) in [
        ("numOfSockets: 4294967295", "is more than 65536"),
        ("cpuPerSocket: 70000", "is more than 65536"),
        (
            "cpuPinning: '0#0-4294967295'",
            "is not of the form VCPU#CPUS",
        ),
    ] {
        rehearsed("vm.yaml", format!("vmStatic: {{{memory}, {wrong}}}\n")).refuses(2, words);
    }
}

#[test]
fn ten_thousand_disks_are_no_burden() {
    let disks: String = (0..10_000)
        .map(|number| format!("  - {{imagePath: /d/{number}.img}}\n"))
        .collect();
    let text = format!("vmStatic:\n  name: many\n  memSizeMb: 64\n  images:\n{disks}");
    let began = Instant::now();
    rehearsed("vm.yaml", text)
        .ends_with(0)
        .says("would be started");
    assert!(
        began.elapsed() < Duration::from_secs(120),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn what_cannot_be_started_is_not_said_to_be() {
    for (wrong, words) in [
        ("vmStatic: {name: a}", "it has no memSizeMb"),
        (
            "{vmStatic: {name: a, memSizeMb: 64}, vmPayload: {files: {a: 'not base64 SECRET'}}}",
            "is not base64",
        ),
        (
            "vmStatic: {name: a, memSizeMb: 64, images: [{imagePath: a, boot: true}, {imagePath: b, boot: true}]}",
            "images[0] and images[1] both have boot: true",
        ),
        (
            "vmStatic: {name: a, memSizeMb: 64, images: [{imagePath: 'https://h/x'}]}",
            "needs sourceType: network",
        ),
        (
            "vmStatic: {name: a, memSizeMb: 64, images: [{imagePath: 'rbd:x/y'}]}",
            "needs sourceType: network",
        ),
    ] {
        let ran = rehearsed("vm.yaml", wrong).ends_with(2);
        assert!(ran.stderr.contains(words), "{ran:#?}");
        assert!(
            !ran.stderr.contains("SECRET") && !ran.stdout.contains("would be"),
            "{ran:#?}"
        );
    }
    rehearsed("vm.yaml", "vmStatic: {name: a, memSizeMb: 64}")
        .succeeds()
        .says("would be started");
}

#[test]
fn two_devices_with_one_target_and_two_definitions_of_one_vm_are_refused() {
    let device = |kind: &str| {
        format!("<disk type='file' device='{kind}'><target dev='hda' bus='ide'/></disk>\n")
    };
    for (one, other) in [("disk", "cdrom"), ("cdrom", "cdrom"), ("disk", "floppy")] {
        let text = format!(
            "<domain><name>test</name><devices>\n{}{}</devices></domain>",
            device(one),
            device(other)
        );
        with_file("vm.xml", text).refuses(2, "./vm.xml:3:");
    }
    with_file("vm.yaml", "vmStatic: {name: a}\n---\nvmStatic: {name: a}\n").refuses(
        2,
        "./vm.yaml:3:1: the definition in line 1 has the same name: a",
    );
    let id = "id: 6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a11";
    with_file(
        "vm.yaml",
        format!("vmStatic: {{name: a, {id}}}\n---\nvmStatic: {{name: a}}\n"),
    )
    .refuses(2, "has the same name: a");
}

#[test]
fn xml_that_is_wrong_is_refused_with_its_place() {
    for (content, error) in [
        (
            "<domain>\n<name>test</name>\n",
            "./vm.xml:2:18: the text ends before its root is closed",
        ),
        ("<domain>\n<name>test</nam></domain>", "./vm.xml:2:11: "),
        (
            "<!DOCTYPE domain SYSTEM 'file:///etc/passwd'>\n<domain/>",
            "./vm.xml:1:1: a document type",
        ),
        (
            "<!DOCTYPE d [<!ENTITY e 'x'>]><domain><name>&e;</name></domain>",
            "a document type",
        ),
        ("<domain><name>&e;</name></domain>", "./vm.xml:1:15: "),
        (
            "<network><name>test</name></network>",
            "./vm.xml:1:1: the root is <network>",
        ),
        ("<domain/>", "./vm.xml:1:1: it names no VM"),
        (
            "<domain><name>test</name><uuid>12</uuid></domain>",
            "./vm.xml:1:26: <uuid>: '12' is not a UUID",
        ),
    ] {
        with_file("vm.xml", content).refuses(2, error);
    }
    with_file("vm.xml", format!("<domain>{}", "<a>".repeat(100_000))).ends_with(2);
}

#[test]
fn files_that_are_no_text_or_no_files_are_refused() {
    with_file("vm.yaml", b"vmStatic:\n  name: \xff\xfe\n")
        .refuses(2, "./vm.yaml:2: this is not text in UTF-8");
    with_file("vm.yaml", [0_u8; 100]).ends_with(2);
    with_file("saved.yaml", b"LibvirtQemudSave").refuses(2, "it is an image of a VM's memory");
    vmlife(["pause", "/tmp/"]).refuses(2, "it is not a regular file");
    vmlife(["pause", "/dev/zero"]).refuses(2, "it is not a regular file");
    vmlife(["pause", "./no.yaml"]).refuses(2, "error: ./no.yaml: No such file or directory");
}

#[test]
fn a_definition_that_contradicts_libvirt_is_an_error_and_no_guess() {
    let id = "6695eb01-f6a4-8304-79aa-97f2502e193f";
    let other = "6695eb01-f6a4-8304-79aa-97f2502e1930";
    with_file("vm.yaml", format!("vmStatic: {{name: tset, id: {id}}}")).refuses(
        2,
        "./vm.yaml:1:1: it says 'tset', but libvirt calls the VM with its id 'test'",
    );
    with_file("vm.yaml", format!("vmStatic: {{name: test, id: {other}}}"))
        .refuses(2, &format!("libvirt's VM 'test' has another id, {id}"));
    with_file("vm.yaml", "vmStatic: {name: unheard-of}")
        .refuses(4, "libvirt knows no VM 'unheard-of'");
}

#[test]
fn definitions_name_vms_in_yaml_xml_several_documents_and_on_standard_input() {
    with_file(
        "vm.yaml",
        "---\nvmStatic: {name: test}\n---\nvmStatic: {id: 6695eb01-f6a4-8304-79aa-97f2502e193f}\n",
    )
    .succeeds()
    .says("test is paused\n");
    with_file(
        "vm.xml",
        "<?xml version='1.0'?>\n<!-- mine -->\n<domain><name>test</name></domain>",
    )
    .succeeds()
    .says("test is paused\n");
    let mut child = vmlife_command(["pause", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("vmlife runs");
    let mut input = child.stdin.take().expect("a pipe");
    input
        .write_all(b"vmStatic: {name: test}\n")
        .expect("it reads");
    drop(input);
    Ran::of(child.wait_with_output().expect("it ends"))
        .succeeds()
        .says("test is paused\n");
}
