//! Settings of the environment and of files, as the finished program heeds them.

use super::support::guest::Linux;
use super::support::session::{Session, missing};
use super::support::{Ran, project, vmlife_command};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// vmlife with this file, on libvirt's test driver.
fn with_file(text: &str, variables: &[(&str, &str)], words: &[&str]) -> Ran {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.yaml");
    fs::write(&file, text).expect("it can be written");
    let mut command = vmlife_command(words);
    command
        .env("VMLIFE_CONFIG", &file)
        .envs(variables.iter().copied());
    Ran::of(command.output().expect("vmlife runs"))
}

/// The value of a setting, and where it comes from.
fn setting<'a>(listed: &'a Value, name: &str) -> (&'a Value, &'a Value) {
    let settings = listed["settings"].as_array().expect("a list");
    let found = settings.iter().find(|setting| setting["name"] == name);
    let found = found.unwrap_or_else(|| panic!("{name} is listed"));
    (&found["values"], &found["source"])
}

#[test]
fn a_file_changes_what_is_printed_and_the_command_line_is_stronger() {
    let json = with_file("output: json", &[], &["pause", "test"]).succeeds();
    assert_eq!(json.json()["results"][0]["status"], "Paused");
    let name = ["pause", "test", "-o", "name"];
    let name = with_file("output: json", &[], &name).succeeds();
    assert_eq!(name.stdout, "test\n");
    let name = with_file(
        "output: json",
        &[("VMLIFE_OUTPUT", "name")],
        &["pause", "test"],
    );
    assert_eq!(name.succeeds().stdout, "test\n");
    let columns = "show: {columns: [NAME, STATE], no-headers: true}";
    assert_eq!(
        with_file(columns, &[], &["show"]).succeeds().stdout,
        "test  Up\n"
    );
    // Columns make no sense in JSON, which is no reason to refuse it.
    with_file(columns, &[], &["show", "-o", "json"])
        .succeeds()
        .json();
    // Nor do they, or a form, with a field.
    let field = ["show", "test", "vmDynamic.status"];
    for (text, variables) in [
        (columns, &[][..]),
        ("output: xml", &[]),
        ("", &[("VMLIFE_COLUMNS", "NAME")]),
        (columns, &[("VMLIFE_OUTPUT", "json")]),
    ] {
        assert_eq!(with_file(text, variables, &field).succeeds().stdout, "Up\n");
    }
    with_file(
        columns,
        &[],
        &["show", "-o", "json", "test", "vmDynamic.status"],
    )
    .ends_with(2);
    with_file("verbose: true", &[], &["-q", "pause", "test"]).succeeds();
    let ran = with_file("verbose: true", &[], &["pause", "test"]).ends_with(0);
    assert!(ran.stderr.contains("virDomainSuspend"), "{ran:?}");
}

#[test]
fn a_mistake_in_a_file_or_variable_is_told_before_anything_is_done() {
    let ran = with_file("hibernate:\n  chekcsum: true", &[], &["pause", "test"]);
    let ran = ran.refuses(2, "config.yaml:2:3: 'chekcsum' is not known here");
    assert!(ran.stderr.contains("did you mean 'checksum'?"), "{ran:?}");
    with_file("jobs: 0", &[], &["pause", "test"]).refuses(2, "config.yaml:1:7: invalid value '0'");
    with_file("", &[("VMLIFE_JOBS", "0")], &["pause", "test"])
        .refuses(2, "VMLIFE_JOBS: invalid value '0'");
    with_file("force: true", &[], &["pause", "test"])
        .refuses(2, "config.yaml:1:1: 'force' is for the command line alone");
    // In the form that is asked for.
    let ran = with_file("jobs: 0", &[], &["pause", "test", "-o", "json"]).ends_with(2);
    assert_eq!(ran.json()["error"]["kind"], "usage");
    // Help helps all the same.
    with_file("jobs: 0", &[], &["pause", "--help"]).succeeds();
}

#[test]
fn an_inherited_variable_neither_forces_nor_pretends_anything() {
    for (variable, words) in [
        ("VMLIFE_FORCE", ["hibernate", "test"]),
        ("VMLIFE_DRY_RUN", ["pause", "test"]),
        ("VMLIFE_ALL", ["pause", "test"]),
        ("VMLIFE_EXCLUDE", ["pause", "test"]),
        ("VMLIFE_DISCARD", ["restore", "test"]),
        ("VMLIFE_YES", ["restore", "test"]),
        ("VMLIFE_FROM", ["restore", "test"]),
        ("VMLIFE_HOSTS", ["show", "test"]),
    ] {
        with_file("", &[(variable, "1")], &words).refuses(2, &format!("{variable} is set"));
    }
    with_file("", &[("VMLIFE_FORCE", "")], &["pause", "test"]).succeeds();
    with_file("", &[("VMLIFE_FORCE", "1")], &["pause", "test"]).succeeds();
}

#[test]
fn where_each_value_comes_from_is_told_without_a_daemon() {
    let text = "timeout: 30m\nconnect: nonsense:///x\nhibernate: {checksum: true}\nshow: {timeout: 5s}\n\
        hosts:\n- {name: r1, uri: 'qemu+ssh://root:s3cret@r1/system'}\n";
    let words = ["show", "--config", "--progress", "none"];
    let variables = [("VMLIFE_JOBS", "3"), ("VMLIFE_TIMEOT", "1")];
    let list = with_file(text, &variables, &words).ends_with(0);
    for line in [
        ["connect", "nonsense:///x", "/config.yaml:2"],
        ["hibernate.timeout", "30m", "/config.yaml:1"],
        ["show.timeout", "5s", "/config.yaml:4"],
        ["show.progress", "none", "command line"],
        ["pause.progress", "auto", "built in"],
        ["checksum", "true", "/config.yaml:3"],
        ["jobs", "3", "environment VMLIFE_JOBS"],
        ["trim", "-", "built in"],
        ["images", "/nonexistent", "environment VMLIFE_IMAGES"],
        [
            "hosts.r1",
            "qemu+ssh://root:(hidden)@r1/system",
            "/config.yaml:6",
        ],
    ] {
        let is_listed = |listed: &str| {
            let source = listed.split_whitespace().collect::<Vec<_>>().join(" ");
            source.starts_with(&format!("{} {} ", line[0], line[1])) && source.ends_with(line[2])
        };
        assert!(list.stdout.lines().any(is_listed), "{line:?}: {list:?}");
    }
    assert!(
        list.stderr.contains("did you mean VMLIFE_TIMEOUT?"),
        "{list:?}"
    );
    let json = with_file(text, &[], &["show", "--config", "-o", "json"]).succeeds();
    assert!(!json.stdout.contains("s3cret"), "{json:?}");
    let listed = json.json();
    let (values, source) = setting(&listed, "checksum");
    assert_eq!(
        (values, &source["kind"]),
        (&serde_json::json!(["true"]), &"file".into())
    );
    assert_eq!(
        (&source["line"], &source["column"]),
        (&3.into(), &23.into())
    );
    let nothing = with_file("", &[], &["show", "--config", "-o", "json"]).json();
    let (values, source) = setting(&nothing, "connect");
    assert_eq!(
        (&values[0], &source["variable"]),
        (&"test:///default".into(), &"LIBVIRT_DEFAULT_URI".into())
    );
    with_file(text, &[], &["show", "--config", "-o", "yaml"])
        .succeeds()
        .says("name: checksum");
    with_file(text, &[], &["show", "--config", "-o", "name"])
        .succeeds()
        .says("hibernate.timeout\n");
    with_file(text, &[], &["show", "--config", "-o", "jsonl"])
        .succeeds()
        .says("\"schemaVersion\":1");
    with_file(text, &[], &["show", "--config", "-o", "xml"]).refuses(2, "no form in XML");
}

#[test]
fn a_password_in_a_uri_of_a_file_is_not_told_when_it_cannot_be_reached() {
    let ran = with_file("connect: nonsense://me:s3cret@h/x", &[], &["show"]);
    let ran = ran.refuses(
        10,
        "libvirt at nonsense://me:(hidden)@h/x cannot be reached",
    );
    assert!(!ran.stderr.contains("s3cret"), "{ran:?}");
}

#[test]
fn hosts_of_a_file_are_called_by_their_names() {
    let hosts =
        "hosts:\n- {name: r1, uri: 'test:///default'}\n- {name: r2, uri: 'test:///default'}\n";
    let list = |words: &[&str]| with_file(hosts, &[], words).succeeds().stdout;
    assert_eq!(
        list(&["show", "-c", "r*", "-o", "name"]),
        "r1/test\nr2/test\n"
    );
    assert_eq!(list(&["show", "-c", "r1", "-o", "name"]), "test\n");
    assert_eq!(
        list(&["pause", "-c", "r*", "r2/test", "-o", "name"]),
        "r2/test\n"
    );
    // The list itself chooses none.
    assert_eq!(list(&["show", "-o", "name"]), "test\n");
    let several = format!("{hosts}connect: [r1, r2]");
    with_file(&several, &[], &["pause", "--all"]).refuses(2, "several hosts are set");
    with_file(&several, &[("VMLIFE_CONNECT", "r1")], &["pause", "--all"]).succeeds();
    with_file(&several, &[], &["show"])
        .succeeds()
        .says("r2/test");
}

/// What is in /etc of this machine is below what the test sets.
#[test]
fn the_users_file_is_found_and_can_be_left_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |home: Option<&str>, words: &[&str]| {
        let mut command = vmlife_command(words);
        command.env_remove("VMLIFE_CONFIG");
        if let Some(variable) = home {
            command.env(variable, folder.path());
        }
        Ran::of(command.output().expect("vmlife runs"))
    };
    for (variable, place) in [("XDG_CONFIG_HOME", "vmlife"), ("HOME", ".config/vmlife")] {
        let file = folder.path().join(place).join("config.yaml");
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        fs::write(&file, "jobs: 7").expect("it can be written");
        let listed = run(Some(variable), &["show", "--config", "-o", "json"])
            .succeeds()
            .json();
        let (values, source) = setting(&listed, "jobs");
        assert_eq!(values[0], "7", "{variable}");
        assert_eq!(source["file"], file.to_str().expect("text"));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).expect("a mode");
        run(Some(variable), &["pause", "test"]).refuses(2, "others than its owner may write to it");
        run(Some(variable), &["--no-config", "pause", "test"]).succeeds();
        fs::remove_file(&file).expect("it can be removed");
    }
    run(None, &["--no-config", "pause", "test"]).succeeds();
    let mut command = vmlife_command(["show"]);
    command.env("VMLIFE_CONFIG", folder.path().join("absent.yaml"));
    Ran::of(command.output().expect("vmlife runs")).refuses(2, "VMLIFE_CONFIG: there is no ");
    // Nobody is told to change a device.
    command.env("VMLIFE_CONFIG", "/dev/null");
    let ran = Ran::of(command.output().expect("vmlife runs"));
    let ran = ran.refuses(2, "/dev/null are not heeded: it is no regular file");
    let hint = "VMLIFE_CONFIG= (empty), means no file";
    assert!(
        ran.stderr.contains(hint) && !ran.stderr.contains("chmod"),
        "{ran:?}"
    );
}

/// In a space of its own, where /etc holds nothing but this file.
#[test]
fn the_systems_file_is_below_the_users_and_is_not_heeded_if_others_may_write_it() {
    let separate = |script: &str, folder: &Path| {
        let mut command = Command::new("unshare");
        let prepare = "mount -t tmpfs tmpfs /etc && mkdir /etc/vmlife && printf 'jobs: 5\\ntimeout: 9s\\n' \
            >/etc/vmlife/config.yaml && export LIBVIRT_DEFAULT_URI=test:///default VMLIFE_JOURNAL= &&";
        command.args(["-rm", "sh", "-c", &format!("{prepare} {script}")]);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
            .env("HOME", folder);
        command.env("VMLIFE", env!("CARGO_BIN_EXE_vmlife"));
        command.output().map(Ran::of)
    };
    let folder = tempfile::tempdir().expect("a folder");
    match separate("true", folder.path()) {
        Ok(ran) if ran.code == 0 => {}
        // Some containers do not let one have it.
        Ok(_) => return missing("a space of its own (unshare)"),
        Err(_) => return missing("unshare"),
    }
    let file = folder.path().join(".config/vmlife/config.yaml");
    fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
    fs::write(&file, "jobs: 7").expect("it can be written");
    let ran = separate("\"$VMLIFE\" show --config -o json", folder.path()).expect("it runs");
    let listed = ran.succeeds().json();
    assert_eq!(setting(&listed, "jobs").0[0], "7");
    let (values, source) = setting(&listed, "timeout");
    assert_eq!(
        (&values[0], &source["file"]),
        (&"9s".into(), &"/etc/vmlife/config.yaml".into())
    );
    let script = "chmod g+w /etc/vmlife/config.yaml && exec \"$VMLIFE\" pause test";
    let ran = separate(script, folder.path()).expect("it runs");
    ran.refuses(2, "the settings in /etc/vmlife/config.yaml are not heeded");
}

#[test]
fn the_example_is_read_by_the_program() {
    let text = fs::read_to_string(project().join("examples/config.yaml")).expect("the example");
    let ran = with_file(
        &text,
        &[],
        &["pause", "-c", "test:///default", "test", "-o", "name"],
    );
    assert_eq!(ran.succeeds().stdout, "test\n");
    let words = ["show", "--config", "-o", "json"];
    let listed = with_file(&text, &[], &words).succeeds().json();
    assert_eq!(setting(&listed, "checksum").0[0], "true");
}

#[test]
fn what_a_file_sets_for_a_verb_changes_what_happens_to_a_guest() {
    let Some(session) = Session::start() else {
        return;
    };
    let guest = Linux::boot(&session, "web", 128, "");
    let place = session.path("data/images");
    let text = format!(
        "images: {}\nhibernate: {{checksum: true}}\nrestore: {{keep: true}}\n",
        place.display()
    );
    let file = session.write("settings.yaml", text);
    let run = |words: &[&str]| {
        let mut command = session.vmlife_command(words);
        command.env("VMLIFE_CONFIG", &file);
        Ran::of(command.output().expect("vmlife runs"))
    };
    let before = guest.last_tick();
    run(&["hibernate", "web"]).succeeds();
    assert_eq!(session.state("web"), "shut off (saved)");
    let image = place.join(format!("{}.vmsave", guest.id()));
    assert!(
        image.exists() && session.images().is_empty(),
        "it lies where the file says"
    );
    let shown = run(&["show", "web", "-o", "json"]).succeeds().json();
    let saved = &shown["vms"][0]["savedImages"][0];
    assert!(saved["checksum"].is_string(), "it was made: {saved}");
    run(&["restore", "web"]).succeeds();
    guest.goes_on_after(&before);
    assert!(image.exists(), "it was kept");
    // The next one is told otherwise, and replaces the one that was kept, with a word.
    run(&["hibernate", "web", "--no-checksum"]).ends_with(0);
    let shown = run(&["show", "web", "-o", "json"]).succeeds().json();
    let saved = &shown["vms"][0]["savedImages"][0];
    assert!(
        saved.is_object() && saved.get("checksum").is_none(),
        "{saved}"
    );
    run(&["restore", "web", "--no-keep"]).succeeds();
    assert!(!image.exists(), "it was used up");
    assert!(session.state("web").starts_with("running"));
}
