use super::*;
use crate::cli::Command;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

/// An environment and two files, that of the user and that of the system.
struct Stage {
    folder: tempfile::TempDir,
    variables: BTreeMap<&'static str, &'static str>,
}

impl Stage {
    fn new(user: &str, system: &str, variables: &[(&'static str, &'static str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("user.yaml", user), ("system.yaml", system)] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let variables = variables.iter().copied().collect();
        Self { folder, variables }
    }

    fn settle(&self, words: &str) -> Result<Settled, Failure> {
        let variable = |name: &str| self.variables.get(name).map(OsString::from);
        let files = ["user.yaml", "system.yaml"].map(|name| self.folder.path().join(name));
        let sources = Sources {
            variable: &variable,
            files: files.into(),
            required: true,
        };
        settle(&line(words), &sources, goes)
    }

    #[track_caller]
    fn refuses(&self, words: &str) -> String {
        let failure = self.settle(words).map(drop).expect_err(words);
        assert_eq!(failure.kind, Kind::Usage);
        let folder = self.folder.path().display().to_string();
        failure.message.replace(&format!("{folder}/"), "")
    }
}

fn line(words: &str) -> CommandLine {
    CommandLine::read(["vmlife"].into_iter().chain(words.split(' '))).unwrap()
}

/// A rule that the declaration of the command line does not tell.
fn goes(cli: &Cli) -> Result<(), Failure> {
    match &cli.command {
        Command::Hibernate { managed, trim, .. } if managed.is_some() && trim.is_some() => {
            Err(Failure::new(Kind::Usage, "they exclude each other"))
        }
        _ => Ok(()),
    }
}

/// What a command line comes to: its time limit, and whether a checksum is made.
fn outcome(settled: &Settled) -> (Option<u64>, bool) {
    let is_checked = match &settled.cli.command {
        Command::Hibernate { checksum, .. } => *checksum,
        _ => false,
    };
    let limit = settled.cli.common.timeout;
    (limit.as_ref().map(Duration::as_secs), is_checked)
}

#[test]
fn the_command_line_is_stronger_than_the_environment_and_that_than_the_user_and_he_than_the_system()
{
    let system = "timeout: 4\nhibernate: {checksum: true}";
    let of = |user: &str, variables: &[_], words: &str| {
        outcome(&Stage::new(user, system, variables).settle(words).unwrap())
    };
    let variables = [("VMLIFE_TIMEOUT", "2")];
    assert_eq!(of("", &[], "hibernate a"), (Some(4), true));
    assert_eq!(of("timeout: 3", &[], "hibernate a"), (Some(3), true));
    assert_eq!(of("timeout: 3", &variables, "hibernate a"), (Some(2), true));
    let said = of("timeout: 3", &variables, "hibernate --timeout 1 a");
    assert_eq!(said, (Some(1), true));
    // Also before the verb.
    let said = of("timeout: 3", &variables, "--timeout 1 hibernate a");
    assert_eq!(said, (Some(1), true));
    // A verb is meant more than all of them, but the user is above the system all the same.
    let both = "timeout: 3\nhibernate: {timeout: 5}";
    assert_eq!(of(both, &[], "hibernate a"), (Some(5), true));
    assert_eq!(of(both, &[], "pause a"), (Some(3), false));
    let system = "hibernate: {timeout: 4}";
    let settled = Stage::new("timeout: 3", system, &[]).settle("hibernate a");
    assert_eq!(outcome(&settled.unwrap()).0, Some(3));
    // An empty variable is none.
    let settled = Stage::new("timeout: 3", "", &[("VMLIFE_TIMEOUT", "")]).settle("pause a");
    assert_eq!(outcome(&settled.unwrap()).0, Some(3));
}

#[test]
fn what_is_set_can_be_undone() {
    let of = |user: &str, variables: &[_], words: &str| {
        let system = "timeout: 4\nhibernate: {checksum: true}\nshow: {no-headers: true}";
        Stage::new(user, system, variables).settle(words).unwrap()
    };
    assert!(!outcome(&of("", &[], "hibernate a --no-checksum")).1);
    assert!(!outcome(&of("checksum: false", &[], "hibernate a")).1);
    assert!(!outcome(&of("", &[("VMLIFE_CHECKSUM", "no")], "hibernate a")).1);
    assert_eq!(outcome(&of("", &[], "--no-timeout pause a")).0, None);
    assert!(outcome(&of("", &[], "hibernate a --no-checksum --checksum")).1);
    for (words, is_bare) in [("show", true), ("show --headers", false)] {
        let Command::Show { showing, .. } = of("", &[], words).cli.command else {
            panic!("it is show");
        };
        assert_eq!(showing.no_headers, is_bare, "{words}");
    }
}

#[test]
fn what_cannot_go_with_something_stronger_gives_way() {
    let of = |user: &str, words: &str| Stage::new(user, "", &[]).settle(words).unwrap();
    let settled = of("verbose: true", "-q pause a");
    assert!(settled.cli.common.quiet && !settled.cli.common.verbose);
    let told = &settled.gave_way[0];
    assert!(told.contains("user.yaml:1:10 gives way: "), "{told}");
    let managed = |settled: &Settled| match &settled.cli.command {
        Command::Hibernate { managed, trim, .. } => (managed.is_some(), trim.is_some()),
        _ => panic!("it is hibernate"),
    };
    assert_eq!(
        managed(&of("trim: true", "hibernate a --managed")),
        (true, false)
    );
    assert_eq!(
        managed(&of("managed: true", "hibernate a --trim")),
        (false, true)
    );
    // Between variable, user and system as well.
    let stage = Stage::new("managed: true", "trim: true", &[]);
    assert_eq!(
        managed(&stage.settle("hibernate a").unwrap()),
        (true, false)
    );
    let stage = Stage::new("managed: true", "", &[("VMLIFE_TRIM", "512M")]);
    assert_eq!(
        managed(&stage.settle("hibernate a").unwrap()),
        (false, true)
    );
    // Which hosts are meant is one thing, however it is said.
    let settled = of("connect: test:///x", "pause a --hosts racks.yaml");
    assert_eq!(settled.cli.common.connect, [""; 0]);
    let settled = of("jobs: 2", "-q pause a");
    assert!(settled.cli.common.quiet);
    // A command line that is wrong by itself is so in the form that is set.
    let settled = of("output: json", "hibernate a --managed --trim");
    assert_eq!(settled.cli.common.output, crate::cli::Form::Json);
}

#[test]
fn one_source_that_contradicts_itself_is_mistaken() {
    let flaw = Stage::new("quiet: true\nverbose: true", "", &[]).refuses("pause a");
    assert!(flaw.starts_with("user.yaml:2:10: "), "{flaw}");
    assert!(
        flaw.contains("'--quiet'") && flaw.contains("'--verbose'"),
        "{flaw}"
    );
    let flaw = Stage::new("", "managed: true\ntrim: true", &[]).refuses("hibernate a");
    assert!(flaw.ends_with("they exclude each other"), "{flaw}");
}

#[test]
fn words_are_put_behind_the_verb_wherever_that_stands() {
    for words in [
        "show",
        "-c show show",
        "-c show info -- show",
        "-qc show show show",
        "--connect=show --timeout 5 show show -o wide",
        "hibernate hibernate",
        "-o json save --to /x -- -a",
    ] {
        let line = line(words);
        let cli = line.with(&["--jobs=3".into()]);
        assert_eq!(cli.is_ok(), line.verb() == "hibernate", "{words}");
        let cli = line.with(&["--progress=none".into()]).expect(words);
        let plain = format!("{:?}", line.cli()).replace("progress: Auto", "progress: None");
        assert_eq!(format!("{cli:?}"), plain, "{words}");
    }
}

#[test]
fn mistakes_in_a_file_have_a_place_and_the_right_word() {
    for (text, flaw) in [
        (
            "\nchekcsum: true",
            "2:1: 'chekcsum' is not known here; did you mean 'checksum'?",
        ),
        (
            "hibernate:\n  chekcsum: 1",
            "2:3: 'chekcsum' is not known here; did you mean 'checksum'?",
        ),
        (
            "hibernte: {}",
            "1:1: 'hibernte' is not known here; did you mean 'hibernate'?",
        ),
        (
            "bypass_cache: true",
            "1:1: 'bypass_cache' is not known here; did you mean 'bypass-cache'?",
        ),
        (
            "restore: {checksum: true}",
            "'checksum' is no option of restore, but one of hibernate",
        ),
        ("jobs: x", "1:7: invalid value 'x' for '--jobs <NUMBER>'"),
        (
            "restore: {timeout: 0}",
            "1:20: invalid value '0' for '--timeout <TIME>': a time limit of 0",
        ),
        (
            "hibernate: {checksum: maybe}",
            "1:23: checksum is true or false",
        ),
        ("jobs: 1\njobs: 2", "2:1: duplicate field `jobs`"),
        (
            "jobs:",
            "1:6: jobs: invalid type: unit value, expected a value, or a list of values",
        ),
        ("jobs: [1]", "1:7: jobs has one value, no list"),
        ("show:\n  columns:\n  - NAEM", "3:3: invalid value 'NAEM'"),
        ("images: srv", "1:9: images is a folder, by its whole path"),
        (
            "hosts: [{name: a, uri: x, lables: {}}]",
            "1:27: 'lables' is not known here; did you mean 'labels'?",
        ),
        ("hosts: [{name: a}]", "1:8: the host a needs a uri"),
        (
            "hosts: [{name: a, uri: x}, {name: a, uri: y}]",
            "1:28: two hosts are called a",
        ),
        (
            "- jobs",
            "1:1: invalid type: sequence, expected a map of settings",
        ),
        ("jobs: 1\n---\njobs: 2", "more than one document"),
        ("jobs: 1\n\tx: 2", "2:1: found a tab character"),
        ("jobs: {a: 1}", "1:7: jobs: invalid type: map"),
        (&"[".repeat(100_000), "nested too deeply"),
    ] {
        // Also for a verb that it does not matter to.
        let told = Stage::new(text, "", &[]).refuses("show");
        let is_placed = told.starts_with("user.yaml:");
        assert!(is_placed && told.contains(flaw), "{told}");
    }
    for nothing in ["", "# nothing\n", "---\n", "hibernate:\nshow:\n"] {
        Stage::new(nothing, "", &[]).settle("show").expect(nothing);
    }
    let bomb = (1..30).fold("a0: &a0 [x, x]\n".to_owned(), |text, n| {
        let inner = vec![format!("*a{}", n - 1); 9].join(", ");
        text + &format!("a{n}: &a{n} [{inner}]\n")
    });
    Stage::new(&bomb, "", &[]).refuses("show");
}

#[test]
fn a_wrong_variable_is_told_by_its_name() {
    let told = Stage::new("", "", &[("VMLIFE_JOBS", "x")]).refuses("pause a");
    assert!(told.starts_with("VMLIFE_JOBS: invalid value 'x'"), "{told}");
    // It says nothing about show, which has no such option.
    Stage::new("", "", &[("VMLIFE_JOBS", "x")])
        .settle("show")
        .unwrap();
    let near = [
        "VMLIFE_TIMEOT",
        "VMLIFE_CONFIG",
        "VMLIFE_HOST_NOTE",
        "VMLIFE_JOURNAL",
        "HOME",
        "VMLIFE_QQQ",
    ];
    let slips = slips(&line("show"), near.into_iter().map(OsString::from));
    assert_eq!(
        slips,
        ["VMLIFE_TIMEOT is no variable of vmlife's; did you mean VMLIFE_TIMEOUT?"]
    );
}

#[test]
fn what_only_a_command_line_says_is_neither_taken_from_a_file_nor_from_a_variable() {
    let all = line("show");
    for (name, why) in UNSETTABLE {
        let (verb, option) = all
            .option(name)
            .unwrap_or_else(|| panic!("there is no {name}"));
        for text in [
            format!("{name}: true"),
            format!("{}: {{{name}: true}}", verb.word()),
        ] {
            // These keys are a list and a place of their own.
            if ["hosts", "images"].contains(name) && !text.contains('{') {
                continue;
            }
            let told = Stage::new(&text, "", &[]).refuses("show");
            assert!(told.ends_with(why), "{told}");
        }
        if option.has_variable() {
            let variable: &'static str = option.variable().leak();
            let told =
                Stage::new("", "", &[(variable, "1")]).refuses(&format!("{} a", verb.word()));
            assert!(told.starts_with(variable) && told.ends_with(why), "{told}");
        }
    }
}

#[test]
fn nothing_that_is_inherited_makes_all_mean_more() {
    let hosts = "hosts: [{name: r1, uri: 'test:///a'}, {name: r2, uri: 'test:///b'}]\n";
    for (text, words, names) in [
        ("connect: [r1, r2]", "pause --all", None),
        ("connect: 'r*'", "pause --all", None),
        ("show: {connect: 'r*'}", "show", Some(vec!["r1", "r2"])),
        ("show: {connect: 'r*'}", "pause --all", Some(vec![])),
        ("connect: r1", "pause --all -c r?", Some(vec!["r1", "r2"])),
        (
            "connect: r1",
            "pause --all -c r2 -c r*",
            Some(vec!["r2", "r1"]),
        ),
        ("connect: r1", "pause --all", Some(vec![])),
    ] {
        let settled = Stage::new(&(hosts.to_owned() + text), "", &[])
            .settle(words)
            .unwrap();
        let verb = if words.starts_with("show") {
            Verb::Show
        } else {
            Verb::Pause
        };
        let meant = settled.hosts(verb);
        let found = meant.as_ref().ok().map(|hosts| {
            let names = hosts.iter().filter_map(|host| host.name.as_deref());
            names.collect::<Vec<_>>()
        });
        assert_eq!(found, names, "{text} {words}");
        if let Err(failure) = meant {
            assert!(
                failure.message.contains("user.yaml:2:10: several hosts"),
                "{failure:?}"
            );
        }
    }
}

#[test]
fn a_file_that_others_may_write_is_not_heeded() {
    let stage = Stage::new("timeout: 5", "", &[]);
    let file = stage.folder.path().join("user.yaml");
    for mode in [0o666, 0o664, 0o602] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let told = stage.refuses("show");
        assert!(
            told.contains("others than its owner may write to it"),
            "{told}"
        );
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    stage.settle("show").unwrap();
    fs::remove_file(&file).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &file,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    assert!(stage.refuses("show").contains("it is no regular file"));
    fs::remove_file(&file).unwrap();
    assert!(stage.refuses("show").contains("there is no user.yaml"));
}

#[test]
fn the_example_holds_settings() {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/config.yaml"));
    let stage = Stage::new(&text.unwrap(), "", &[]);
    let settled = stage.settle("hibernate web").unwrap();
    assert_eq!(outcome(&settled), (Some(1800), true));
    let place = settled.variable("VMLIFE_IMAGES");
    assert_eq!(place.as_deref(), Some(Path::new("/srv/vmlife/images")));
    let looked = stage.settle("show").unwrap();
    assert_eq!(looked.hosts(Verb::Show).unwrap().len(), 2);
}

/// README's tables: what can be set, and what cannot.
fn tables() -> [String; 2] {
    let line = line("show");
    let mut names: Vec<&str> = Vec::new();
    let mut settable = "| key | variable | verbs |\n|---|---|---|\n".to_owned();
    for option in Verb::ALL
        .iter()
        .rev()
        .flat_map(|verb| line.options(verb.word()))
    {
        if option.objection().is_some() || names.contains(&option.name()) {
            continue;
        }
        names.push(option.name());
        let verbs = Verb::ALL.map(Verb::word);
        let having: Vec<&str> = (verbs.into_iter())
            .filter(|verb| line.option_of(verb, option.name()).is_some())
            .collect();
        let having = match having.len() {
            5 => "all".to_owned(),
            _ => having.join(", "),
        };
        let (name, variable) = (option.name(), option.variable());
        settable += &format!("| `{name}` | `{variable}` | {having} |\n");
    }
    settable += "| `images`: the image place | `VMLIFE_IMAGES` | all |\n";
    let mut unsettable = "| not to be set | because |\n|---|---|\n".to_owned();
    let mut reasons: Vec<&str> = UNSETTABLE.iter().map(|(_, why)| *why).collect();
    reasons.sort_unstable();
    reasons.dedup();
    for reason in reasons {
        let same = UNSETTABLE.iter().filter(|(_, why)| *why == reason);
        let names: Vec<String> = same.map(|(name, _)| format!("`--{name}`")).collect();
        unsettable += &format!("| {} | {reason} |\n", names.join(", "));
    }
    [settable, unsettable]
}

/// A new option has to be put into one of the tables by whoever makes it: that it can be set is a decision.
#[test]
fn readme_tells_of_each_option_whether_it_can_be_set() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let mut readme = fs::read_to_string(&file).unwrap();
    for table in tables() {
        let head = table.lines().next().unwrap();
        let start = readme
            .find(head)
            .unwrap_or_else(|| panic!("README has no table {head}"));
        let length = readme[start..]
            .find("\n\n")
            .map_or(readme.len() - start, |end| end + 1);
        if std::env::var_os("SNAPSHOTS").is_some_and(|wish| wish == "overwrite") {
            readme.replace_range(start..start + length, &table);
            fs::write(&file, &readme).unwrap();
        } else {
            let kept = &readme[start..start + length];
            assert!(
                kept == table,
                "README is out of date: run the tests with SNAPSHOTS=overwrite\n{table}"
            );
        }
    }
}
