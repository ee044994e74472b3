//! README and examples say what is so.

use super::support::{files_below, project, vmlife};
use std::fs;
use vmlife::definition;
use vmlife::report::Kind;

#[test]
fn every_example_definition_loads() {
    let mut count = 0;
    for ending in ["yaml", "xml"] {
        for file in files_below("examples", ending) {
            if file.ends_with("config.yaml") {
                continue; // It holds settings.
            }
            definition::load(file.to_str().expect("text"))
                .unwrap_or_else(|error| panic!("{error}"));
            count += 1;
        }
    }
    assert!(count > 0);
}

#[test]
fn what_the_program_prints_in_json_fits_the_schema_of_reports() {
    let schema = fs::read(project().join("examples/report.schema.json")).expect("the schema");
    let schema = serde_json::from_slice(&schema).expect("JSON");
    let options = jsonschema::options().should_validate_formats(true);
    let validator = options.build(&schema).expect("a schema");
    for words in [
        ["show", "test"].as_slice(),
        &["show"],
        &["show", "nobody"],
        &["show", "--config"],
        &["pause", "test"],
        &["resume", "test", "--strict"],
        &["hibernate", "test", "-n", "--to", "/tmp/"],
        &["restore", "test", "nobody"],
    ] {
        let printed = vmlife(words.iter().copied().chain(["-o", "json"])).json();
        let flaws: Vec<_> = validator.iter_errors(&printed).collect();
        assert!(flaws.is_empty(), "{words:?}: {flaws:?}");
    }
}

#[test]
fn what_the_program_prints_in_lines_of_json_fits_the_schema_of_a_line() {
    let schema = fs::read(project().join("examples/line.schema.json")).expect("the schema");
    let schema = serde_json::from_slice(&schema).expect("JSON");
    let options = jsonschema::options().should_validate_formats(true);
    let validator = options.build(&schema).expect("a schema");
    let differing = "vmStatic: {name: test, memSizeMb: 77}";
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("vm.yaml");
    fs::write(&file, differing).expect("it can be written");
    let differences = format!("--diff={}", file.to_str().expect("text"));
    for words in [
        ["show"].as_slice(),
        &["show", "nobody"],
        &["show", "--config"],
        &["show", "test", &differences],
        &["pause", "test"],
        &["pause", "test", "-n"],
        &["resume", "test", "--strict"],
        &["pause", "nobody"],
    ] {
        let ran = vmlife(words.iter().copied().chain(["-o", "jsonl"]));
        assert!(!ran.stdout.is_empty(), "{ran:?}");
        for line in ran.stdout.lines() {
            let printed = serde_json::from_str(line).expect("a line is JSON");
            let flaws: Vec<_> = validator.iter_errors(&printed).collect();
            assert!(flaws.is_empty(), "{words:?}: {flaws:?}\n{line}");
        }
    }
}

#[test]
fn readme_tells_every_exit_code_and_both_commands() {
    let readme = fs::read_to_string(project().join("README.md")).expect("README.md");
    let signals = [Kind::Cancelled(1), Kind::Cancelled(15)];
    for kind in Kind::ALL.into_iter().chain(signals) {
        let code = kind.exit_code().to_string();
        let told = readme.lines().any(|line| {
            line.starts_with("| ")
                && line
                    .split('|')
                    .any(|cell| cell.split(", ").any(|word| word.trim() == code))
        });
        assert!(told, "README does not tell exit code {code}");
    }
    for command in ["sh examples/quickstart.sh", "sh tests/run.sh"] {
        assert!(readme.contains(command), "README does not name: {command}");
    }
}

#[test]
fn every_verb_helps() {
    for verb in ["hibernate", "restore", "pause", "resume", "show"] {
        vmlife([verb, "--help"]).succeeds().says("Usage: vmlife ");
    }
    vmlife(["--version"])
        .succeeds()
        .says(env!("CARGO_PKG_VERSION"));
}
