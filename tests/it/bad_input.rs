//! Files that are wrong: one clear message with the place, exit code 2, nothing touched, no panic.

use super::support::{Ran, vmlife, vmlife_command};
use std::io::Write;
use std::process::Stdio;

/// What vmlife says of a definition file with this name and content.
fn with_file(name: &str, content: impl AsRef<[u8]>) -> Ran {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join(name), content).expect("the file can be written");
    let mut command = vmlife_command(["pause", &format!("./{name}")]);
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
