//! The command line on libvirt's test driver, which lives in the process and needs nothing.

use super::support::{Ran, vmlife, vmlife_command};
use std::fs::{File, OpenOptions};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const TEST_VM: &str = "6695eb01-f6a4-8304-79aa-97f2502e193f";

#[test]
fn a_vm_is_found_by_name_uuid_number_glob_and_each_once() {
    for words in [
        &["test"][..],
        &[TEST_VM],
        &["--id", "1"],
        &["te*"],
        &["test", TEST_VM, "t?st", "--id", "1"],
        &["--all"],
    ] {
        let ran = vmlife(["pause", "-o", "name"].iter().chain(words)).succeeds();
        assert_eq!(ran.stdout, "test\n", "{words:?}");
    }
}

#[test]
fn what_is_excluded_is_left_alone() {
    let ran = vmlife(["pause", "--all", "--exclude", "t*"]).ends_with(0);
    assert_eq!(ran.stdout, "");
    assert_eq!(ran.stderr, "no VM can be paused\n");
}

#[test]
fn an_unknown_name_gets_the_nearest_ones() {
    let ran = vmlife(["pause", "tset"]).refuses(4, "there is no VM 'tset'");
    assert!(ran.stderr.contains("did you mean 'test'?"), "{ran:?}");
    vmlife(["pause", "zzz"]).refuses(4, "vmlife show lists all VMs");
    vmlife(["show", "zzz"]).refuses(4, "there is no VM 'zzz'");
    vmlife(["show", "x*"]).refuses(4, "no VM's name matches 'x*'");
    vmlife(["show", "--id", "77"]).refuses(4, "number 77");
    vmlife(["show", "00000000-0000-0000-0000-000000000001"]).refuses(4, "there is no VM");
}

#[test]
fn one_unknown_name_keeps_all_others_untouched_and_all_unknown_ones_are_told() {
    vmlife(["pause", "test", "a", "b"]).refuses(4, "there is no VM 'a' or 'b'");
}

#[test]
fn hostile_names_are_names() {
    for name in [
        "..",
        "it's",
        "\"quoted\"",
        "$(reboot)",
        "a b",
        "\u{1b}[31m",
        "%s%n",
        "'; rm -rf ~",
    ] {
        let ran = vmlife(["pause", "--", name]).refuses(4, "there is no VM");
        assert!(!ran.stderr.contains('\u{1b}'), "{ran:?}");
    }
    vmlife(["pause", "--", "-rf"]).refuses(4, "'-rf'");
    vmlife(["pause", "a/b"]).refuses(2, "No such file or directory");
    vmlife(["pause", "../../etc/passwd.yaml"]).refuses(2, "No such file or directory");
}

#[test]
fn what_is_already_so_is_success_unless_strict() {
    vmlife(["resume", "test"])
        .succeeds()
        .says("test already runs");
    vmlife(["restore", "test"])
        .succeeds()
        .says("test already runs");
    vmlife(["resume", "test", "--strict"]).refuses(5, "already runs");
}

#[test]
fn a_dry_run_says_what_it_would_do() {
    vmlife(["pause", "test", "--dry-run"])
        .succeeds()
        .says("test would be paused");
    let ran = vmlife(["hibernate", "test", "-n", "--to", "/tmp/", "-o", "json"]).succeeds();
    let report = ran.json();
    assert_eq!(report["dryRun"], true);
    assert_eq!(report["results"][0]["step"], "save");
    assert_eq!(report["results"][0]["changed"], false);
    assert_eq!(
        report["results"][0]["image"],
        format!("/tmp/{TEST_VM}.vmsave")
    );
}

#[test]
fn the_report_in_json_tells_success_and_failure_apart() {
    let report = vmlife(["pause", "test", "-o", "json"]).succeeds().json();
    assert_eq!(report["schemaVersion"], 1);
    assert_eq!(report["verb"], "pause");
    let result = &report["results"][0];
    assert_eq!(
        (&result["name"], &result["id"]),
        (&"test".into(), &TEST_VM.into())
    );
    assert_eq!(
        (&result["kind"], &result["changed"], &result["status"]),
        (&"done".into(), &true.into(), &"Paused".into())
    );
    let ran = vmlife(["resume", "test", "--strict", "-o", "json"]).ends_with(5);
    assert_eq!(ran.json()["results"][0]["kind"], "state");
    assert!(
        ran.stderr.starts_with("error: test already runs"),
        "{ran:?}"
    );
}

#[test]
fn show_lists_vms_and_describes_one() {
    let list = vmlife(["show"]).succeeds().stdout;
    assert_eq!(
        list,
        "NAME  STATE  ID  VCPUS  MEMORY    IMAGE\ntest  Up     1   2      8.00 GiB  -\n"
    );
    vmlife(["show", "test"])
        .succeeds()
        .says("test: Up\n")
        .says("/guest/diskimage1")
        .says("aa:bb:cc:dd:ee:ff");
    vmlife(["info", "test", "-o", "name"])
        .succeeds()
        .says("test\n");
    assert_eq!(
        vmlife(["show", "-o", "json"]).json()["vms"][0]["vmStatic"]["memSizeMb"],
        8192
    );
    vmlife(["show", "test", "-o", "xml"])
        .succeeds()
        .says("<domain type='test' id='1'>");
    vmlife(["show", "-o", "xml"])
        .succeeds()
        .says("<domains>\n<domain type='test'");
}

#[test]
fn what_show_prints_as_yaml_is_a_definition_of_that_vm() {
    let yaml = vmlife(["show", "-o", "yaml"]).succeeds().stdout;
    let file = tempfile::Builder::new()
        .suffix(".yaml")
        .tempfile()
        .expect("a file");
    std::fs::write(file.path(), &yaml).expect("it can be written");
    let again = vmlife([
        "show".as_ref(),
        file.path().as_os_str(),
        "-o".as_ref(),
        "yaml".as_ref(),
    ]);
    assert_eq!(again.succeeds().stdout, yaml);
}

#[test]
fn words_that_make_no_sense_are_usage_errors() {
    for (words, error) in [
        (&["pause"][..], "which VM?"),
        (&["pause", "test", "--all"], "exclude each other"),
        (&["pause", "test", "-o", "xml"], "-o xml is for show only"),
        (
            &["restore", "a", "b", "--from", "/x"],
            "--from names one image",
        ),
        (
            &["pause", "x", "--exclude", "[", "--all"],
            "exclude each other",
        ),
        (
            &["pause", "--exclude", "[", "--all"],
            "'[' is not a pattern",
        ),
        (&["pause", ""], "a value is required"),
        (
            &["hibernate", "x", "--running", "--paused"],
            "cannot be used with",
        ),
        (&["pause", "x", "--timeout", "soon"], "it is no time"),
        (&["explode", "x"], "unrecognized subcommand"),
        (&["--nonsense"], "unexpected argument"),
    ] {
        let ran = vmlife(words).ends_with(2);
        assert!(
            ran.stderr.contains(error) && ran.stdout.is_empty(),
            "{words:?}: {ran:?}"
        );
    }
    assert_eq!(vmlife([""; 0]).ends_with(2).stdout, "");
}

#[test]
fn suspend_means_two_things_and_so_nothing() {
    let ran = vmlife(["suspend", "test", "--now"]).refuses(2, "'suspend' means two things");
    assert!(
        ran.stderr.contains("vmlife pause") && ran.stderr.contains("vmlife hibernate"),
        "{ran:?}"
    );
}

#[test]
fn fingers_that_know_virsh_find_their_words() {
    vmlife(["save", "test", "-n", "--to", "/tmp/"])
        .succeeds()
        .says("would be hibernated");
    vmlife(["unpause", "test"]).succeeds().says("already runs");
}

#[test]
fn a_connection_that_is_none_is_told_at_once() {
    for (uri, error) in [
        (
            "qemu+unix:///session?socket=/nonexistent/sock",
            "Failed to connect socket",
        ),
        ("nonsense:///x", "cannot be reached"),
        ("test:///etc/passwd", "Start tag expected"),
    ] {
        let began = Instant::now();
        let ran =
            vmlife(["-c", uri, "show"]).refuses(10, &format!("libvirt at {uri} cannot be reached"));
        assert!(ran.stderr.contains(error), "{ran:?}");
        assert!(began.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn a_reader_that_leaves_is_no_failure_and_a_full_disk_is_one() {
    // A pipe that nobody reads: `vmlife show | head -0`.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let ended = vmlife_command(["show"])
        .stdout(writer)
        .output()
        .expect("vmlife runs");
    assert_eq!((ended.status.code(), ended.stderr.len()), (Some(0), 0));
    let full = OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("/dev/full");
    let ended = vmlife_command(["show"])
        .stdout(full)
        .output()
        .expect("vmlife runs");
    assert_eq!(ended.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("No space left on device"));
}

#[test]
fn help_on_a_full_disk_is_a_failure_and_without_a_reader_none() {
    for words in [&["-h"][..], &["pause", "--help"], &["--version"]] {
        let full = OpenOptions::new().write(true).open("/dev/full");
        let mut command = vmlife_command(words);
        command.stdout(full.expect("/dev/full"));
        let ran = Ran::of(command.output().expect("vmlife runs")).ends_with(1);
        assert!(ran.stderr.contains("No space left on device"), "{ran:?}");
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = vmlife_command(words);
        let ran = command.stdout(writer).output().expect("vmlife runs");
        assert_eq!((ran.status.code(), ran.stderr.len()), (Some(0), 0));
    }
}

#[test]
fn a_line_that_cannot_be_read_is_told_in_the_form_it_asks_for() {
    for words in [
        &["pause", "--timeout", "x", "web-1", "-o", "jsonl"][..],
        &["-o", "table", "pause", "--tmeout", "1s", "-qojsonl"],
        &[
            "pause", "--jobs", "0", "--output", "jsonl", "--", "-o", "xml",
        ],
    ] {
        let ran = vmlife(words).ends_with(2);
        assert_eq!(ran.stdout.lines().count(), 1, "{ran:?}");
        let report = ran.json();
        assert_eq!(report["verb"], "pause", "{ran:?}");
        assert_eq!(report["error"]["kind"], "usage", "{ran:?}");
        let message = report["error"]["message"].as_str().expect("words");
        assert!(
            message.contains("--t") || message.contains("--jobs"),
            "{ran:?}"
        );
        assert!(ran.stderr.contains(message), "{ran:?}");
    }
    let ran = vmlife(["paws", "web-1", "-o", "json"]).ends_with(2);
    let hint = ran.json()["error"]["hint"].to_string();
    assert!(hint.contains("'pause'"), "{ran:?}");
    let ran = vmlife(["pause", "--progress", "json", "--stict", "a"]).ends_with(2);
    for line in ran.stderr.lines() {
        serde_json::from_str::<serde_json::Value>(line).expect("a line of JSON");
    }
    assert!(ran.stderr.contains("'--stict'"), "{ran:?}");
    // For people it is the parser's own.
    let ran = vmlife(["pause", "--stict", "a"]).refuses(2, "Usage: vmlife pause");
    assert!(ran.stderr.contains("tip: "), "{ran:?}");
}

#[test]
fn whoever_knows_virsh_is_told_what_there_is_in_its_stead() {
    for (word, instead) in [
        ("list", "vmlife show lists all VMs; see vmlife-virsh(7)"),
        ("managedsave", "vmlife hibernate NAME --managed"),
        ("start", "vmlife restore NAME"),
        (
            "destroy",
            "it stays virsh's: virsh destroy; see vmlife-virsh(7)",
        ),
    ] {
        let ran = vmlife([word, "web-1", "--live"]).refuses(2, instead);
        assert!(!ran.stderr.contains("similar"), "{ran:?}");
    }
    let ran = vmlife(["-o", "json", "dominfo", "web-1"]).ends_with(2);
    assert_eq!(ran.json()["error"]["kind"], "usage");
    vmlife(["-h"]).succeeds().says("vmlife-virsh");
    vmlife(["--help"]).succeeds().says("vmlife-virsh(7)");
}

#[test]
fn with_streams_that_are_closed_it_does_its_work_and_its_exit_status_tells() {
    let program = env!("CARGO_BIN_EXE_vmlife");
    let closed = |line: &str| {
        let mut shell = Command::new("sh");
        let line = format!("exec {program} --no-config -c test:///default {line}");
        shell
            .args(["-c", &line])
            .env_clear()
            .env("VMLIFE_JOURNAL", "");
        let ended = shell.output().expect("sh runs");
        (ended.status.code(), ended.stdout.len() + ended.stderr.len())
    };
    for (line, code) in [
        ("pause test >&-", 0),
        ("pause test 2>&-", 0),
        ("pause test <&- >&- 2>&-", 0),
        ("show >&- 2>&-", 0),
        ("resume test --strict <&- >&- 2>&-", 5),
        ("show nobody >&- 2>&-", 4),
        ("no-such-verb >&- 2>&-", 2),
        ("--version >&- 2>&-", 0),
    ] {
        let (ended, said) = closed(line);
        assert_eq!(ended, Some(code), "{line}");
        assert!(
            said == 0 || !line.contains("2>&-") || !line.contains(" >&-"),
            "{line}"
        );
    }
}

#[test]
fn in_each_locale_it_says_the_same() {
    let said = |locale: &str| {
        let mut command = vmlife_command(["show", "test"]);
        command.env("LC_ALL", locale).env("LANG", locale);
        let ended = command.output().expect("vmlife runs");
        assert_eq!(ended.status.code(), Some(0), "{locale}");
        String::from_utf8(ended.stdout).expect("text")
    };
    let plain = said("C");
    for locale in ["C.UTF-8", "de_DE.UTF-8", "tr_TR.UTF-8", "nonsense"] {
        assert_eq!(said(locale), plain, "{locale}");
    }
}

#[test]
fn without_any_environment_and_input_it_works_as_in_cron() {
    let mut command = vmlife_command(["--no-config", "-c", "test:///default", "pause", "test"]);
    command.env_clear().stdin(Stdio::null());
    let ended = command.output().expect("vmlife runs");
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(ended.stdout, b"test is paused\n");
    let mut command = vmlife_command(["show"]);
    command.stdout(
        File::options()
            .append(true)
            .open("/dev/null")
            .expect("/dev/null"),
    );
    assert!(command.status().expect("vmlife runs").success());
}

/// libvirt's own log of the client's calls tells how the connection was opened.
#[test]
fn show_opens_a_connection_that_may_only_look() {
    let opened_by = |verb| {
        let mut command = vmlife_command([verb, "test"]);
        command
            .env("LIBVIRT_LOG_FILTERS", "1:libvirt")
            .env("LIBVIRT_LOG_OUTPUTS", "1:stderr");
        let log = command.output().expect("vmlife runs").stderr;
        let log = String::from_utf8(log).expect("text");
        (
            log.contains("virConnectOpenReadOnly:"),
            log.contains("virConnectOpen:"),
        )
    };
    assert_eq!(opened_by("show"), (true, false));
    assert_eq!(opened_by("pause"), (false, true));
}

/// The test driver can be told the state of its domains, each state libvirt has among them.
#[test]
fn every_state_of_libvirts_is_shown_and_each_verb_has_its_answer() {
    let mut node = "<node>".to_owned();
    for state in 1..=7 {
        node += &format!(
            "<domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>\
             <test:runstate>{state}</test:runstate><name>state{state}</name><memory>1</memory>\
             <os><type>hvm</type></os></domain>"
        );
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("node.xml");
    std::fs::write(&file, node + "</node>").expect("it can be written");
    let uri = format!("test://{}", file.display());
    //                     shown                       pause resume hibernate restore
    for (state, shown, codes) in [
        (1, "Up", [0, 0, 0, 0]),
        (2, "Up", [0, 0, 0, 0]),
        (3, "Paused", [0, 0, 0, 0]),
        (4, "PoweringDown", [0, 0, 5, 0]),
        (5, "Down", [5, 5, 5, 4]),
        (6, "Down", [5, 5, 5, 4]),
        (7, "Paused (suspended itself)", [5, 1, 5, 0]),
    ] {
        let name = format!("state{state}");
        vmlife(["-c", &uri, "show", &name])
            .succeeds()
            .says(&format!("{name}: {shown}"));
        for (verb, code) in ["pause", "resume", "hibernate", "restore"]
            .into_iter()
            .zip(codes)
        {
            let mut command = vmlife_command(["-c", &uri, verb, &name]);
            if verb == "hibernate" {
                command
                    .arg("--to")
                    .arg(folder.path().join(format!("{name}.vmsave")));
            }
            let ended = command.output().expect("vmlife runs");
            assert_eq!(ended.status.code(), Some(code), "{verb} {name}: {ended:?}");
        }
    }
}

#[test]
fn nobody_waits_for_a_sample_for_days() {
    for time in ["24000h", "61m", "0", "99ms"] {
        vmlife(["-c", "test:///default", "show", "test", "--sample", time])
            .refuses(2, "100ms to 1h");
    }
}
