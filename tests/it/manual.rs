//! Help and man pages tell all there is, fit where they are read, and name nothing that does not work.

use super::support::session::missing;
use super::support::{files_below, project, vmlife, vmlife_command};
use clap::{Arg, Command as Declared, CommandFactory, Parser};
use std::fs;
use std::path::Path;
use std::process::Command;
use vmlife::cli::Cli;
use vmlife::help::{TOPICS, VMLIFE, exit_statuses};

const VERBS: [&str; 5] = ["hibernate", "restore", "pause", "resume", "show"];

/// The program with all that a verb inherits.
fn declared() -> Declared {
    let mut program = Cli::command();
    program.build();
    program
}

fn shown(command: &Declared) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| !arg.is_hide_set())
}

/// The man pages, written as whoever makes a package writes them.
fn manual() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let written = Command::new(env!("CARGO"))
        .args([
            "run",
            "--quiet",
            "--locked",
            "--offline",
            "--example",
            "manual",
            "--",
        ])
        .arg(folder.path())
        .current_dir(project())
        .output()
        .expect("cargo runs");
    assert!(written.status.success(), "{written:?}");
    folder
}

/// A page as a reader finds it, without its line breaks; `None` where mandoc is missing.
fn read(page: &Path) -> Option<String> {
    let mandoc = Command::new("mandoc")
        .args(["-Tutf8", "-Owidth=1000"])
        .arg(page)
        .output();
    let Ok(mandoc) = mandoc else {
        missing("mandoc");
        return None;
    };
    let text = String::from_utf8(mandoc.stdout).expect("text");
    // Bold and italic are typed twice, for a terminal.
    let mut plain = String::new();
    for character in text.chars() {
        if character == '\u{8}' {
            plain.pop();
        } else {
            plain.push(character);
        }
    }
    Some(plain)
}

#[test]
fn the_man_pages_are_whole_and_mandoc_has_nothing_to_say_against_them() {
    let folder = manual();
    let page = |name: &str| folder.path().join(name);
    let program = declared();
    for name in ["vmlife.1", "vmlife-definition.5", "vmlife-virsh.7"] {
        assert!(page(name).is_file(), "{name}");
    }
    let mut count = 0;
    for entry in fs::read_dir(folder.path()).expect("the folder can be read") {
        let path = entry.expect("an entry").path();
        let Ok(lint) = Command::new("mandoc")
            .args(["-Tlint", "-Wall"])
            .arg(&path)
            .output()
        else {
            return missing("mandoc");
        };
        assert!(lint.status.success() && lint.stdout.is_empty(), "{lint:?}");
        let roff = fs::read_to_string(&path).expect("text");
        for own in [
            project().to_str().expect("text"),
            "/home/",
            "/root/",
            "target/debug",
        ] {
            assert!(!roff.contains(own), "{} names {own}", path.display());
        }
        count += 1;
    }
    assert_eq!(count, TOPICS.len() + 2);
    for verb in VERBS {
        let Some(text) = read(&page(&format!("vmlife-{verb}.1"))) else {
            return;
        };
        for section in [
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "EXAMPLES",
            "OPTIONS",
            "EXIT STATUS",
            "FILES",
            "ENVIRONMENT",
            "SECURITY",
            "DIFFERENCES FROM VIRSH",
            "SEE ALSO",
        ] {
            let found = text.lines().any(|line| line == section);
            assert!(found, "vmlife-{verb}(1) has no {section}");
        }
        for arg in shown(program.find_subcommand(verb).expect("a verb")) {
            let told = match arg.get_long() {
                Some(long) => text.contains(&format!("--{long}")),
                None => text.contains(arg.get_id().as_str().to_uppercase().trim_end_matches('S')),
            };
            assert!(told, "vmlife-{verb}(1) does not tell {}", arg.get_id());
            for word in arg.get_possible_values() {
                let told = !arg.get_action().takes_values()
                    || text.contains(&format!("{}:", word.get_name()));
                assert!(
                    told,
                    "vmlife-{verb}(1) does not tell {} {}",
                    arg.get_id(),
                    word.get_name()
                );
            }
        }
        for (code, meaning) in exit_statuses() {
            assert!(
                text.contains(&format!("     {code} ")) && text.contains(meaning),
                "{code}"
            );
        }
    }
    let overview = read(&page("vmlife.1")).expect("mandoc is there");
    for verb in VERBS {
        assert!(overview.contains(&format!("vmlife-{verb}(1)")));
    }
}

#[test]
fn the_page_of_definitions_has_every_key_of_the_schema() {
    let folder = manual();
    let Some(text) = read(&folder.path().join("vmlife-definition.5")) else {
        return;
    };
    let schema = fs::read(project().join("examples/definition.schema.json")).expect("the schema");
    let schema: serde_json::Value = serde_json::from_slice(&schema).expect("JSON");
    let definitions = schema["$defs"].as_object().expect("definitions");
    let mut count = 0;
    for keys in definitions.values().chain([&schema]) {
        for (key, about) in keys["properties"].as_object().into_iter().flatten() {
            let told = if about["deprecated"] == true {
                text.contains(key)
            } else {
                text.contains(&format!(" {key}: "))
            };
            assert!(told, "vmlife-definition(5) does not tell {key}");
            count += 1;
        }
    }
    assert!(count > 300, "{count}");
    // The default, the unit and the words of one of each kind.
    for told in [
        "numOfSockets: a number",
        "Default: 1.",
        "memSizeMb: a number of MiB",
        "ENABLED_NATIVE",
        "0 to 100",
    ] {
        assert!(text.contains(told), "{told}");
    }
}

#[test]
fn every_option_and_verb_has_words_of_its_own() {
    let program = declared();
    for command in program
        .get_subcommands()
        .filter(|verb| !verb.is_hide_set())
        .chain([&program])
    {
        let verb = command.get_name();
        assert!(command.get_about().is_some(), "{verb}");
        for arg in shown(command) {
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            assert!(
                !help.trim().is_empty(),
                "{verb} {} has no help",
                arg.get_id()
            );
        }
        let told = verb == "help"
            || TOPICS
                .iter()
                .any(|topic| topic.name == verb && !topic.examples.is_empty());
        assert!(told, "{verb} has no examples");
    }
}

#[test]
fn short_help_is_a_screen_and_a_line_for_each_option() {
    let help = |words: &[&str], columns: &str| {
        let ran = vmlife_command(words)
            .env("COLUMNS", columns)
            .output()
            .expect("vmlife runs");
        assert!(
            ran.status.success() && ran.stderr.is_empty(),
            "{words:?}: {ran:?}"
        );
        String::from_utf8(ran.stdout).expect("text")
    };
    let overview = help(&["-h"], "80");
    let lines = overview.lines().count();
    assert!(
        (24..=40).contains(&lines),
        "{lines} lines; hide_short_help takes out what is rarely used:\n{overview}"
    );
    let program = declared();
    for words in [
        &["-h"][..],
        &["hibernate", "-h"],
        &["restore", "-h"],
        &["pause", "-h"],
        &["resume", "-h"],
        &["show", "-h"],
    ] {
        let text = help(words, "80");
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{words:?}: {line}");
            // What goes on below its beginning stands in the column of the explanations.
            let indent = line.len() - line.trim_start().len();
            assert!(
                indent < 12 || line.trim_start().starts_with("--"),
                "{words:?}: it takes two lines: {line}"
            );
        }
        let (examples, options) = (text.find("\nExamples:\n"), text.find("\nOptions:\n"));
        assert!(examples.is_some() && examples < options, "{text}");
        let topic = TOPICS
            .iter()
            .find(|topic| topic.name == words[0])
            .unwrap_or(&VMLIFE);
        for example in &topic.examples[..3] {
            let told = text
                .lines()
                .any(|line| line.contains(example.command) && line.ends_with(example.aim));
            assert!(
                told,
                "{words:?} does not tell in a line: {}",
                example.command
            );
        }
        let command = program.find_subcommand(words[0]).unwrap_or(&program);
        for arg in shown(command).filter(|arg| !arg.is_hide_short_help_set()) {
            let told = arg
                .get_long()
                .is_none_or(|long| text.contains(&format!("--{long}")));
            assert!(told, "{words:?} does not tell {}", arg.get_id());
        }
    }
    for verb in VERBS
        .into_iter()
        .map(|verb| vec![verb, "--help"])
        .chain([vec!["--help"]])
    {
        assert!(
            help(&verb, "300")
                .lines()
                .all(|line| line.chars().count() <= 100),
            "{verb:?}"
        );
        for columns in ["20", "80", "300", "0", "none"] {
            let text = help(&verb, columns);
            let (examples, options) = (text.find("Examples:"), text.find("Options:"));
            assert!(examples.is_some() && examples < options, "{text}");
            let command = program.find_subcommand(verb[0]).unwrap_or(&program);
            for arg in shown(command) {
                let told = arg
                    .get_long()
                    .is_none_or(|long| text.contains(&format!("--{long}")));
                assert!(told, "{verb:?} does not tell {}", arg.get_id());
            }
        }
        let text = help(&verb, "100");
        let lines: Vec<String> = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        for (code, meaning) in exit_statuses() {
            let told = format!("{code} {meaning}");
            assert!(lines.contains(&told), "{verb:?} does not tell: {told}");
        }
    }
}

/// The command lines of the program in a line of the shell, each as its words.
fn commands(line: &str) -> Vec<Vec<String>> {
    let line = line.replace(';', " ;");
    let words = shlex::split(&line).expect("the quotes are closed");
    let commands = words.split(|word| ["|", "&&", ";"].contains(&word.as_str()));
    let commands = commands.map(|words| {
        let words = words.iter().take_while(|word| *word != ">");
        words.cloned().collect::<Vec<_>>()
    });
    commands
        .filter(|words| words.first().is_some_and(|word| word == "vmlife"))
        .collect()
}

/// What is written as code in a Markdown file and begins with the program's name.
fn commands_in(markdown: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_block = false;
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            is_block = !is_block;
        } else if is_block {
            let line = line.trim_start().trim_start_matches("$ ");
            found.extend(line.starts_with("vmlife ").then(|| line.to_owned()));
        } else {
            let code = line.split('`').skip(1).step_by(2);
            found.extend(
                code.filter(|code| code.starts_with("vmlife "))
                    .map(str::to_owned),
            );
        }
    }
    found
}

#[test]
fn every_command_that_help_manual_or_readme_names_is_one() {
    let mut lines: Vec<String> = TOPICS
        .iter()
        .flat_map(|topic| topic.examples)
        .map(|example| example.command.to_owned())
        .collect();
    let pages = ["examples/manual", "src/help"].map(|folder| files_below(folder, "md"));
    for file in pages
        .into_iter()
        .flatten()
        .chain([project().join("README.md")])
    {
        lines.extend(commands_in(&fs::read_to_string(file).expect("text")));
    }
    assert!(lines.len() > 80, "{}", lines.len());
    let mut wrong = Vec::new();
    for line in lines {
        // Brackets say what may be left out, and VERB stands for any.
        let line = line.replace(['[', ']'], "").replace("VERB", "show");
        for words in commands(&line.replace("...", "")) {
            let error = Cli::try_parse_from(&words).err();
            // Help is no mistake.
            let error = error.filter(|error| error.exit_code() != 0);
            wrong.extend(error.map(|error| format!("{line}: {error}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_command_line_with_a_wrong_option_would_be_found() {
    let words = commands("vmlife show 'a b' > c | less; vmlife pause");
    assert_eq!(
        words,
        [vec!["vmlife", "show", "a b"], vec!["vmlife", "pause"]]
    );
    assert!(Cli::try_parse_from(&commands("vmlife show --nonsense")[0]).is_err());
    assert_eq!(
        commands_in("`vmlife a`, b `c`\n```console\n$ vmlife d\n```"),
        ["vmlife a", "vmlife d"]
    );
}

#[test]
fn the_ten_everyday_jobs_of_readme_are_found_from_help() {
    let readme = fs::read_to_string(project().join("README.md")).expect("README.md");
    let (_, jobs) = readme
        .split_once("## Ten everyday jobs")
        .expect("the section");
    let (jobs, _) = jobs.split_once("\n## ").expect("another section");
    let rows: Vec<&str> = jobs
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains("`vmlife "))
        .collect();
    assert_eq!(rows.len(), 10);
    let mut helps = vmlife(["--help"]).succeeds().stdout;
    for verb in VERBS {
        helps += &vmlife([verb, "--help"]).succeeds().stdout;
    }
    for command in rows.iter().flat_map(|row| commands_in(row)) {
        let told = helps.lines().any(|line| line.trim() == command);
        assert!(told, "help does not tell: {command}");
    }
    for example in VMLIFE.examples {
        assert!(
            jobs.contains(example.command),
            "README does not tell: {}",
            example.command
        );
    }
}

#[test]
fn readme_says_of_an_exit_status_what_help_says() {
    let readme = fs::read_to_string(project().join("README.md")).expect("README.md");
    let readme = readme.replace('`', "");
    for (code, meaning) in exit_statuses() {
        let (meaning, code) = match meaning.strip_prefix("cancelled by ") {
            Some(_) => ("cancelled by HUP, INT, TERM", "129, 130, 143".to_owned()),
            None => (meaning, code.to_string()),
        };
        let row = format!("| {code} | {meaning} |");
        assert!(readme.contains(&row), "README does not tell: {row}");
    }
}
