//! What is built in from elsewhere: where it comes from, and under which licences.
//!
//! Advisories are not looked at: their database is not on this machine, and a copy would soon be old. `cargo
//! audit` and `cargo deny check advisories` read Cargo.lock as it is.

use super::support::project;
use serde_json::Value;
use std::process::Command;

/// Whoever passes the program on need only name the authors.
const PERMISSIVE: [&str; 11] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Zlib",
];

/// Whose licence asks for more, which README tells of.
const WITH_A_CONDITION: [&str; 2] = ["virt", "virt-sys"];

/// All packages that are needed here, those of tests too, as Cargo.lock has them.
fn packages() -> Vec<Value> {
    // Those for other platforms are not downloaded.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let told = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(["--filter-platform", &platform])
        .current_dir(project())
        .output()
        .expect("cargo runs");
    assert!(told.status.success(), "{told:?}");
    let told: Value = serde_json::from_slice(&told.stdout).expect("it is JSON");
    told["packages"].as_array().expect("a list").clone()
}

/// Whether one of the choices that an SPDX expression leaves is permissive throughout. Of two in brackets that
/// are joined by AND, both brackets have to be.
fn is_permissive(licence: &str) -> bool {
    licence.split(" AND ").all(|part| {
        let part = part.trim_matches(['(', ')']);
        let mut choices = part.split(" OR ").flat_map(|choice| choice.split('/'));
        choices.any(|choice| PERMISSIVE.contains(&choice.trim()))
    })
}

#[test]
fn every_dependency_is_free_to_pass_on_and_the_exceptions_are_told() {
    let of_others: Vec<Value> = packages()
        .into_iter()
        .filter(|package| package["name"] != "vmlife")
        .collect();
    assert!(of_others.len() > 50, "{}", of_others.len());
    let mut conditions = Vec::new();
    for package in &of_others {
        let licence = package["license"].as_str().unwrap_or("none");
        let name = package["name"].as_str().expect("a name");
        if WITH_A_CONDITION.contains(&name) {
            conditions.push((name, licence));
        } else {
            assert!(is_permissive(licence), "{name} is under {licence}");
        }
    }
    assert_eq!(conditions, [("virt", "LGPL-2.1"), ("virt-sys", "LGPL-2.1")]);
    let readme = include_str!("../../README.md");
    assert!(readme.contains("under the LGPL 2.1"));
}

/// What is linked into the program: neither what only tests take nor what only builds take.
fn linked() -> Vec<String> {
    let told = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--edges", "normal"])
        .args(["--prefix", "none", "--format", "{p}|{l}|{r}"])
        .current_dir(project())
        .output()
        .expect("cargo runs");
    assert!(told.status.success(), "{told:?}");
    let told = String::from_utf8(told.stdout).expect("text");
    let mut lines: Vec<String> = told
        .lines()
        .filter(|line| !line.starts_with("vmlife ") && !line.contains("(proc-macro)"))
        .map(|line| {
            let mut fields = line.trim_end_matches(" (*)").split('|');
            let package = fields.next().expect("a package").trim_end_matches(" (*)");
            let licence = fields.next().expect("a licence");
            let home = fields.next().unwrap_or_default();
            format!("| {package} | {licence} | {home} |")
        })
        .collect();
    lines.sort();
    lines.dedup();
    lines
}

#[test]
fn the_licence_of_each_crate_in_the_program_is_listed() {
    let list = format!(
        "# What is linked into vmlife\n\nvmlife itself is under the MIT licence. The crates `virt` and \
         `virt-sys` are under the LGPL 2.1: whoever passes the program on offers its source as well, from \
         which it can be linked anew with another version of them; libvirt itself is loaded at run time.\n\n\
         | crate | licence | source |\n|---|---|---|\n{}\n",
        linked().join("\n")
    );
    let file = project().join("src/licences.md");
    if std::env::var_os("SNAPSHOTS").is_some_and(|wish| wish == "overwrite") {
        std::fs::write(&file, &list).expect("the file can be written");
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        kept == list,
        "src/licences.md is out of date: run the tests with SNAPSHOTS=overwrite"
    );
}

#[test]
fn the_version_tells_the_crate_that_calls_libvirt() {
    let packages = packages();
    let virt = packages.iter().find(|package| package["name"] == "virt");
    assert_eq!(
        virt.expect("it is there")["version"],
        vmlife::hypervisor::VIRT_CRATE
    );
}

#[test]
fn every_dependency_comes_from_the_public_registry_and_its_bytes_are_known() {
    for package in packages() {
        let source = package["source"].as_str();
        let is_ours = package["name"] == "vmlife";
        let registry = "registry+https://github.com/rust-lang/crates.io-index";
        assert_eq!(source, (!is_ours).then_some(registry), "{package}");
    }
    let lock = include_str!("../../Cargo.lock");
    let (entries, sums) = (
        lock.matches("[[package]]").count(),
        lock.matches("\nchecksum = ").count(),
    );
    assert_eq!(entries, sums + 1, "all but vmlife itself have a checksum");
}

#[test]
fn an_expression_of_licences_is_read() {
    for good in ["MIT", "GPL-3.0 OR MIT", "(MIT OR X) AND Zlib", "X/MIT"] {
        assert!(is_permissive(good), "{good}");
    }
    for bad in [
        "none",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "(MIT OR X) AND (Y OR Z)",
    ] {
        assert!(!is_permissive(bad), "{bad}");
    }
}
