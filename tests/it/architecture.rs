//! Who may name what: the rules of the crate's architecture, held.

use super::support::{files_below, project};
use std::fs;
use std::process::Command;

/// The files of `src` that contain one of these words, by their path below it.
fn files_with(words: &[&str]) -> Vec<String> {
    let source = project().join("src");
    files_below("src", "rs")
        .into_iter()
        .filter(|path| {
            let text = fs::read_to_string(path).expect("a source file");
            words.iter().any(|word| text.contains(word))
        })
        .map(|path| {
            path.strip_prefix(&source)
                .expect("below src")
                .display()
                .to_string()
        })
        .collect()
}

#[test]
fn only_the_boundary_names_libvirts_crate_and_one_file_is_unsafe() {
    for file in files_with(&["virt::", "use virt"]) {
        assert!(file.starts_with("hypervisor/"), "{file} names virt");
    }
    assert_eq!(
        files_with(&["unsafe {", "allow(unsafe_code)"]),
        ["hypervisor/ffi.rs"]
    );
}

#[test]
fn only_render_prints() {
    for file in files_with(&["stdout()", "stderr()", "println!", "print!("]) {
        assert!(file.starts_with("render/"), "{file} prints");
    }
}

#[test]
fn each_parser_is_known_by_one_place() {
    assert_eq!(files_with(&["roxmltree"]), ["definition/tree.rs"]);
    assert_eq!(files_with(&["serde_yaml"]), ["definition/yaml.rs"]);
    assert_eq!(
        files_with(&["clap::"]),
        [
            "cli.rs",
            "complete/line.rs",
            "complete/mod.rs",
            "complete/shell.rs",
            "config/options.rs"
        ]
    );
    assert_eq!(
        files_with(&["indicatif::ProgressBar", "indicatif::{"]),
        ["render/progress.rs"]
    );
}

#[test]
fn the_model_and_the_policy_do_nothing_but_think() {
    let thinks = |file: &str| {
        let guards = ["guard/mod.rs", "guard/save.rs", "guard/restore.rs"];
        file.starts_with("entity/")
            || file == "plan.rs"
            || file == "report.rs"
            || guards.contains(&file)
    };
    for file in files_with(&[
        "std::fs",
        "std::process",
        "std::env",
        "std::thread",
        "std::net",
    ]) {
        assert!(!thinks(&file), "{file} acts");
    }
    for file in files_with(&["crate::hypervisor", "crate::image", "crate::inventory"]) {
        assert!(!thinks(&file), "{file} looks");
    }
}

#[test]
fn the_top_level_is_as_agreed() {
    let listed = Command::new("git")
        .args(["ls-tree", "--name-only", "HEAD"])
        .current_dir(project())
        .output();
    let Some(listed) = listed.ok().filter(|listed| listed.status.success()) else {
        return; // An unpacked archive has no history to ask.
    };
    for name in String::from_utf8(listed.stdout).expect("text").lines() {
        let agreed = [
            "Cargo.toml",
            "Cargo.lock",
            "README.md",
            "LICENSE",
            "src",
            "tests",
            "examples",
            "completions",
        ];
        assert!(
            name.starts_with('.') || agreed.contains(&name),
            "{name} does not belong at the top level"
        );
    }
}

/// What the program needs of libvirt when it starts must be in the oldest libvirt that README names;
/// what is newer is to be looked up when it is called.
#[test]
fn the_program_starts_with_libvirt_8_0() {
    let program = env!("CARGO_BIN_EXE_vmlife");
    let symbols = Command::new("objdump")
        .args(["-T", program])
        .output()
        .expect("objdump runs");
    let symbols = String::from_utf8(symbols.stdout).expect("text");
    let mut seen = 0;
    for line in symbols.lines().filter(|line| line.contains("LIBVIRT_")) {
        let version = line.split("LIBVIRT_").nth(1).expect("a version");
        let version = version.split([')', ' ']).next().expect("a version");
        let parts: Vec<u32> = version
            .split('.')
            .map(|part| part.parse().expect("a number"))
            .collect();
        let oldest = vmlife::hypervisor::OLDEST_LIBVIRT.split('.');
        let oldest: Vec<u32> = oldest.map(|part| part.parse().expect("a number")).collect();
        assert!(parts <= oldest, "{line}");
        seen += 1;
    }
    assert!(
        seen > 10,
        "objdump shows what the program needs:\n{symbols}"
    );
}
