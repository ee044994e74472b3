//! `show` for every day: what is chosen, in which order, in which colours and widths, and single values.

use super::support::guest::{boot_empty, define_empty};
use super::support::session::Session;
use super::support::{Ran, eventually, vmlife, vmlife_command};
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

/// What `show` with these words prints on a terminal of this width with these variables.
fn on_terminal(columns: u16, variables: &[(&str, &str)], words: &str) -> String {
    let vmlife = vmlife_command([""; 0]).get_program().to_owned();
    let line = format!(
        "stty cols {columns} rows 24; {} show {words}",
        vmlife.display()
    );
    let mut script = Command::new("script");
    script
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("TERM", "xterm")
        .env("LIBVIRT_DEFAULT_URI", "test:///default")
        .env("VMLIFE_IMAGES", "/nonexistent")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .args(["-qec", &line, "/dev/null"]);
    let ran = script.output().expect("script runs");
    String::from_utf8(ran.stdout)
        .expect("text")
        .replace("\r\n", "\n")
}

/// VMs in all the states that an administrator meets: off, paused, hibernated, running.
fn four_states(host: &Session) {
    define_empty(host, "a-off");
    for name in ["b-paused", "c-asleep", "d-up"] {
        boot_empty(host, name);
    }
    host.virsh(["suspend", "b-paused"]);
    host.vmlife(["hibernate", "c-asleep"]).succeeds();
}

fn label(host: &Session, name: &str, labels: &str) {
    let xml = format!("<vm><labels>{labels}</labels></vm>");
    let set = ["--uri", "urn:vmlife:vm:1", "--key", "vmlife", "--set", &xml];
    host.virsh(["metadata", name, "--config"].iter().chain(&set));
}

#[test]
fn vms_in_all_states_are_filtered_and_sorted_in_every_form() {
    let Some(host) = Session::start() else { return };
    four_states(&host);
    // By value, not by text.
    host.virsh(["setmaxmem", "a-off", "128M", "--config"]);
    let names = |words: &[&str]| {
        let words = ["show", "-o", "name"].iter().chain(words);
        let ran = host.vmlife(words).ends_with(0);
        ran.stdout.lines().collect::<Vec<_>>().join(" ")
    };
    for (filter, found) in [
        ("STATE=Down", "a-off"),
        ("STATE=paused", "b-paused"),
        ("STATE=Suspended", "c-asleep"),
        ("STATE=Up (booted)", "d-up"),
        ("vmDynamic.status!=Up", "a-off b-paused c-asleep"),
        ("ID>0", "b-paused d-up"),
        ("MEMORY>16MiB", "a-off"),
        ("IMAGE=*old", "c-asleep"),
        ("savedImages[].verdict=good", "c-asleep"),
        ("vmStatic.memSizeMb<=16", "b-paused c-asleep d-up"),
        ("vmDynamic.persistent=true", "a-off b-paused c-asleep d-up"),
    ] {
        assert_eq!(names(&["--filter", filter]), found, "{filter}");
    }
    assert_eq!(names(&["--filter", "ID>0", "--filter", "STATE=Up"]), "d-up");
    assert_eq!(names(&["?-*", "--filter", "STATE=Up"]), "d-up");
    for (order, found) in [
        (
            &["--sort-by=MEMORY,-NAME"][..],
            "d-up c-asleep b-paused a-off",
        ),
        (&["--sort-by", "-MEMORY"], "a-off b-paused c-asleep d-up"),
        (
            &["--sort-by", "NAME", "--reverse"],
            "d-up c-asleep b-paused a-off",
        ),
        (
            &["--sort-by", "vmDynamic.status"],
            "a-off b-paused c-asleep d-up",
        ),
        (&["--sort-by", "-ID"], "d-up b-paused a-off c-asleep"),
    ] {
        assert_eq!(names(order), found, "{order:?}");
    }
    let chosen = ["--filter", "STATE!=Suspended", "--sort-by", "-NAME"];
    for form in ["table", "wide"] {
        let words = ["show", "--no-headers", "-o", form];
        let list = host.vmlife(words.iter().chain(&chosen)).succeeds().stdout;
        let first = list
            .lines()
            .map(|line| line.split(' ').next().expect("a name"));
        assert_eq!(first.collect::<Vec<_>>(), ["d-up", "b-paused", "a-off"]);
    }
    let json = host
        .vmlife(["show", "-o", "json"].iter().chain(&chosen))
        .succeeds()
        .json();
    let found = json["vms"].as_array().expect("a list").iter();
    let found: Vec<_> = found
        .map(|vm| vm["vmStatic"]["name"].as_str().expect("text"))
        .collect();
    assert_eq!(found, ["d-up", "b-paused", "a-off"]);
    let lines = host
        .vmlife(["show", "-o", "jsonl", "--filter", "STATE=Up"])
        .succeeds();
    assert!(
        lines.stdout.lines().count() == 1 && lines.stdout.contains("\"d-up\""),
        "{lines:?}"
    );
    let none = host
        .vmlife(["show", "-o", "json", "--filter", "NAME=nobody"])
        .ends_with(0);
    assert_eq!(none.json()["vms"], serde_json::json!([]));
    assert_eq!(none.stderr, "no VM is as --filter says\n");
}

#[test]
fn a_single_value_is_printed_for_scripts() {
    let Some(host) = Session::start() else { return };
    four_states(&host);
    let value = |words: &[&str]| host.vmlife(["show"].iter().chain(words)).succeeds().stdout;
    assert_eq!(value(&["d-up", "vmDynamic.status"]), "Up\n");
    assert_eq!(
        value(&["?-*", "vmDynamic.status"]),
        "Down\nPaused\nSuspended\nUp\n"
    );
    assert_eq!(
        value(&["b-paused", "d-up", "vmStatic.name", "vmDynamic.domainId"]),
        format!(
            "b-paused\t{}\nd-up\t{}\n",
            host.virsh(["domid", "b-paused"]),
            host.virsh(["domid", "d-up"])
        )
    );
    // What is not known is an empty line, what is not so is told.
    assert_eq!(value(&["d-up", "vmDynamic.ip"]), "\n");
    assert_eq!(value(&["d-up", "vmDynamic.autostart"]), "false\n");
    assert_eq!(value(&["d-up", "vmStatic.images"]), "[]\n");
    let xml = value(&["a-off", "domainXml"]);
    assert!(
        xml.starts_with("<domain") && xml.contains("<name>a-off</name>"),
        "{xml}"
    );
    // Whatever is looked at less closely is told as if it were looked at wholly.
    let json = host.vmlife(["show", "-o", "json"]).succeeds().json();
    for part in ["vmStatic", "vmDynamic"] {
        for vm in json["vms"].as_array().expect("a list") {
            for (key, known) in vm[part].as_object().expect("fields") {
                if !(known.is_string() || known.is_number() || known.is_boolean()) {
                    continue;
                }
                let name = vm["vmStatic"]["name"].as_str().expect("text");
                if name != "d-up" && name != "c-asleep" {
                    continue;
                }
                let told = value(&[name, &format!("{part}.{key}")]);
                let known = known
                    .as_str()
                    .map_or_else(|| known.to_string(), str::to_owned);
                assert_eq!(told, format!("{known}\n"), "{name} {part}.{key}");
            }
        }
    }
    // A VM may be called so.
    define_empty(&host, "vmDynamic.status");
    let list = value(&["d-up", "vmDynamic.status"]);
    assert!(
        list.contains("NAME") && list.contains("vmDynamic.status"),
        "{list}"
    );
    assert_eq!(value(&["d-up", "--field", "vmDynamic.status"]), "Up\n");
}

#[test]
fn a_value_that_cannot_be_told_is_a_mistake_with_the_right_word() {
    for (words, code, error) in [
        (
            &["test", "vmDynamic.staus"][..],
            2,
            "did you mean 'status'?",
        ),
        (
            &["test", "--field", "vmDynamc.status"],
            2,
            "did you mean 'vmDynamic'?",
        ),
        (
            &["test", "vmStatic.images.size"],
            2,
            "its first entry is vmStatic.images[0]",
        ),
        (
            &["nobody", "vmDynamic.status"],
            4,
            "there is no VM 'nobody'",
        ),
        (
            &["vmDynamic.status"],
            4,
            "there is no VM 'vmDynamic.status'",
        ),
        (
            &["test", "vmDynamic.status", "-o", "wide"],
            2,
            "in no form of -o",
        ),
        (
            &["--sort-by", "MEMORY", "-o", "jsonl"],
            2,
            "as soon as it is there",
        ),
        (&["--sort-by", "MEMROY"], 2, "did you mean MEMORY"),
        (&["--filter", "STAET=Up"], 2, "did you mean STATE"),
        (&["--filter", "VCPUS>many"], 2, "is no number"),
        (&["--reverse"], 2, "--sort-by"),
    ] {
        let ran = vmlife(["show"].iter().chain(words)).ends_with(code);
        assert!(ran.stderr.contains(error), "{words:?}: {ran:?}");
    }
    for more in [
        &["--sort-by", "NAME"][..],
        &["--field", "vmDynamic.status"],
        &["--pager"],
    ] {
        let ran = vmlife(["show", "--watch"].iter().chain(more)).ends_with(2);
        assert!(ran.stderr.contains("cannot be used with"), "{ran:?}");
    }
}

#[test]
fn a_field_of_a_file_needs_no_daemon_and_tells_no_secret() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("vm.yaml");
    let text = "vmStatic: {name: vm, memSizeMb: 64, isoPath: 'https://me:s3cret@h/a.iso', vmInit: {rootPassword: s3cret}}";
    fs::write(&file, text).expect("it can be written");
    let file = file.to_str().expect("text");
    let show = |words: &[&str]| {
        let mut command = vmlife_command(["show", file].iter().chain(words));
        command.env(
            "LIBVIRT_DEFAULT_URI",
            "qemu+unix:///system?socket=/nonexistent",
        );
        Ran::of(command.output().expect("vmlife runs"))
            .ends_with(0)
            .stdout
    };
    assert_eq!(show(&["vmStatic.memSizeMb"]), "64\n");
    for field in [
        "vmStatic.vmInit.rootPassword",
        "vmStatic.isoPath",
        "vmStatic",
    ] {
        assert!(!show(&[field]).contains("s3cret"), "{field}");
    }
    for guess in [
        "vmStatic.isoPath=*s3cret*",
        "vmStatic.vmInit.rootPassword=s3cret",
    ] {
        assert_eq!(show(&["-o", "name", "--filter", guess]), "", "{guess}");
    }
    let open = ["--security-info", "vmStatic.vmInit.rootPassword"];
    assert_eq!(show(&open), "s3cret\n");
}

#[test]
fn the_exit_state_is_that_of_systemctl() {
    let Some(host) = Session::start() else { return };
    four_states(&host);
    for (words, code, told) in [
        (&["d-up"][..], 0, "Up\n"),
        (&["b-paused"], 3, "Paused\n"),
        (&["c-asleep"], 3, "Suspended\n"),
        (&["a-off"], 3, "Down\n"),
        (&["d-up", "a-off"], 3, "Up\nDown\n"),
        (&["d-up", "d-up"], 0, "Up\n"),
        (&["-q", "d-up"], 0, ""),
        (&["-q", "a-off"], 3, ""),
    ] {
        let ran = host
            .vmlife(["show", "--exit-state"].iter().chain(words))
            .ends_with(code);
        assert_eq!(
            (ran.stdout.as_str(), ran.stderr.as_str()),
            (told, ""),
            "{words:?}"
        );
    }
    host.vmlife(["show", "--exit-state", "nobody"])
        .refuses(4, "there is no VM");
    host.vmlife(["show", "--exit-state", "--filter", "NAME=nobody"])
        .refuses(4, "no VM");
    let nowhere = ["-c", "qemu+unix:///system?socket=/nonexistent"];
    host.vmlife(["show", "--exit-state", "d-up"].iter().chain(&nowhere))
        .ends_with(10);
}

#[test]
fn states_are_coloured_where_a_person_wants_it_and_nowhere_else() {
    const UP: &str = "\u{1b}[32mUp\u{1b}[0m";
    for (variables, words, colored) in [
        (&[][..], "", true),
        (&[], "test", true),
        (&[], "-o wide", true),
        (&[("NO_COLOR", "1")], "", false),
        (&[("NO_COLOR", "1")], "--color always", true),
        (&[("NO_COLOR", "")], "", true),
        (&[("TERM", "dumb")], "", false),
        (&[("TERM", "dumb"), ("CI", "true")], "", false),
        (&[("TERM", "dumb"), ("CLICOLOR_FORCE", "1")], "", true),
        (&[("CLICOLOR", "0")], "", false),
        (&[], "--color never", false),
        (&[("CLICOLOR_FORCE", "1")], "-o json", false),
        (&[("CLICOLOR_FORCE", "1")], "--color always -o jsonl", false),
        (&[], "--color always -o yaml", false),
        (&[], "--color always -o xml", false),
        (&[], "--color always -o name", false),
        (&[], "--color always test vmDynamic.status", false),
    ] {
        let shown = on_terminal(80, variables, words);
        assert_eq!(
            shown.contains(UP),
            colored,
            "{variables:?} {words}: {shown:?}"
        );
        assert_eq!(
            shown.contains('\u{1b}'),
            colored,
            "{variables:?} {words}: {shown:?}"
        );
    }
    let piped = |words: &[&str]| vmlife(["show"].iter().chain(words)).succeeds().stdout;
    assert!(!piped(&[]).contains('\u{1b}') && piped(&["--color", "always"]).contains(UP));
    let mut forced = vmlife_command(["show"]);
    let forced = Ran::of(
        forced
            .env("CLICOLOR_FORCE", "1")
            .output()
            .expect("vmlife runs"),
    );
    assert!(forced.stdout.contains(UP), "{forced:?}");
}

#[test]
fn a_hostile_name_stays_spelt_out_beside_colours() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("vm.yaml");
    let text = r#"{vmStatic: {name: "a\e[31m\u009b\u202eUp"}, vmDynamic: {status: Up}}"#;
    fs::write(&file, text).expect("it can be written");
    let file = file.display();
    for words in [
        "",
        "-o wide",
        "--columns NAME,STATE,DESCRIPTION",
        "--sort-by NAME",
    ] {
        for columns in [20, 80, 300] {
            let shown = on_terminal(columns, &[], &format!("{file} {words}"));
            let state = "\u{1b}[32m";
            let told = shown.split_whitespace().collect::<String>();
            assert!(told.contains("a\\u{1b}[31m"), "{shown:?}");
            let plain = shown.replace(state, "").replace("\u{1b}[0m", "");
            assert!(
                !plain.contains(['\u{1b}', '\u{9b}', '\u{202e}']),
                "{words} {columns}: {shown:?}"
            );
        }
    }
}

#[test]
fn a_list_fits_the_terminal_and_a_pipe_has_no_end() {
    for columns in [20, 80, 300] {
        for words in ["", "-o wide", "test", "--columns NAME,STATE,UUID,IP"] {
            let shown = on_terminal(columns, &[("NO_COLOR", "1")], words);
            let widest = shown
                .lines()
                .map(|line| line.chars().count())
                .max()
                .expect("a line");
            assert!(widest <= usize::from(columns), "{columns} {words}: {shown}");
            assert!(shown.contains("test") && shown.contains("Up"), "{shown}");
        }
    }
    let narrow = on_terminal(20, &[("NO_COLOR", "1")], "");
    assert_eq!(narrow, "NAME  STATE  IMAGE\ntest  Up     -\n");
    let mut wide = vmlife_command(["show", "-o", "wide"]);
    let wide = Ran::of(wide.env("COLUMNS", "20").output().expect("vmlife runs"));
    assert_eq!(wide.stdout.lines().count(), 2, "{wide:?}");
}

#[test]
fn columns_that_are_set_for_lists_leave_the_page_about_one_vm_alone() {
    let set = [("VMLIFE_COLUMNS", "NAME,VCPUS")];
    let list = on_terminal(80, &set, "");
    assert!(list.starts_with("NAME  VCPUS\n"), "{list}");
    let page = on_terminal(80, &set, "test");
    assert!(page.starts_with("test: "), "{page}");
    for words in ["test --columns NAME", "'te*'"] {
        let list = on_terminal(80, &set, words);
        assert!(list.starts_with("NAME"), "{words}: {list}");
    }
}

#[test]
fn a_pager_shows_the_answer_if_it_is_asked_for_on_a_terminal() {
    let folder = tempfile::tempdir().expect("a folder");
    let seen = folder.path().join("seen");
    let pager = format!("cat >{}; echo \"LESS=$LESS\"", seen.display());
    let shown_by = |words: &str| {
        let shown = on_terminal(80, &[("PAGER", &pager)], words);
        (shown, fs::read_to_string(&seen).unwrap_or_default())
    };
    assert!(shown_by("").0.contains("NAME"), "it was not asked for");
    assert!(!Path::exists(&seen));
    let (shown, read) = shown_by("--pager");
    assert_eq!(shown, "LESS=FRX\n");
    assert!(
        read.contains("test  \u{1b}[32mUp\u{1b}[0m"),
        "colours pass: {read:?}"
    );
    let ours = on_terminal(80, &[("PAGER", &pager), ("LESS", "S")], "--pager");
    assert_eq!(ours, "LESS=S\n");
    // Who has read enough is no failure.
    let line = on_terminal(80, &[("PAGER", "true")], "--pager test; echo $?");
    assert_eq!(line, "0\n");
    let nowhere = [("PAGER", "/nonexistent/pager 2>/dev/null")];
    let plain = on_terminal(80, &nowhere, "--pager; echo $?");
    let words = "warning: PAGER cannot be run: the answer is printed without it\nNAME";
    assert!(plain.contains(words) && plain.ends_with("0\n"), "{plain}");
    for none in ["", "cat"] {
        assert!(on_terminal(80, &[("PAGER", none)], "--pager").contains("NAME"));
    }
    let mut piped = vmlife_command(["show", "--pager"]);
    let piped = Ran::of(piped.env("PAGER", "false").output().expect("vmlife runs"));
    assert!(
        piped.succeeds().stdout.starts_with("NAME"),
        "a pipe has no pager"
    );
}

#[test]
fn what_is_watched_is_chosen_also_when_it_comes_or_changes_later() {
    let Some(host) = Session::start() else { return };
    define_empty(&host, "web-1");
    label(&host, "web-1", "<tier>web</tier>");
    define_empty(&host, "db");
    let watch = |words: &[&str]| {
        let mut child = host
            .vmlife_command(["show", "--watch", "--timeout", "60s"].iter().chain(words))
            .stdout(Stdio::piped())
            .spawn()
            .expect("vmlife runs");
        let mut stdout = child.stdout.take().expect("a pipe");
        let told = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
        let lines = std::sync::Arc::clone(&told);
        let reader = std::thread::spawn(move || {
            let mut some = [0; 4096];
            while let Ok(length @ 1..) = stdout.read(&mut some) {
                *lines.lock().expect("it is free") += &String::from_utf8_lossy(&some[..length]);
            }
        });
        (child, reader, told)
    };
    let by_label = watch(&["-l", "tier=web"]);
    let by_state = watch(&["--filter", "STATE=Paused"]);
    let tells = |(.., told): &(_, _, std::sync::Arc<std::sync::Mutex<String>>), words: &str| {
        eventually(words, || {
            told.lock()
                .expect("it is free")
                .contains(words)
                .then_some(())
        });
    };
    tells(&by_label, "web-1  Down");
    tells(&by_state, "NAME");
    let labelled = "<metadata><v:vm xmlns:v='urn:vmlife:vm:1'><v:labels><v:tier>web</v:tier></v:labels></v:vm></metadata>";
    let file = host.write(
        "web-2.xml",
        format!(
            "<domain type='qemu'><name>web-2</name>{labelled}<memory unit='MiB'>16</memory>
            <os><type arch='x86_64' machine='pc'>hvm</type></os>
            <devices><controller type='usb' model='none'/><memballoon model='none'/></devices></domain>"
        ),
    );
    host.virsh(["define".as_ref(), file.as_os_str()]);
    tells(&by_label, "web-2  new -> Down");
    define_empty(&host, "db-2");
    host.virsh(["start", "db"]);
    host.virsh(["start", "web-2"]);
    tells(&by_label, "web-2  Down -> Up");
    host.virsh(["suspend", "db"]);
    tells(&by_state, "db  new -> Paused");
    host.virsh(["resume", "db"]);
    // It leaves: that is the last that is told of it.
    tells(&by_state, "db  Paused -> Up");
    host.virsh(["destroy", "db"]);
    host.virsh(["suspend", "web-2"]);
    tells(&by_state, "web-2  new -> Paused");
    for ((mut child, reader, told), without) in [(by_label, "db"), (by_state, "web-1")] {
        super::support::session::Process(child.id()).signal("TERM");
        child.wait().expect("it ends");
        reader.join().expect("all is read");
        let told = told.lock().expect("it is free");
        assert!(
            !told.contains(without) && !told.contains("Up -> Down"),
            "{told}"
        );
    }
}

#[test]
fn a_vm_that_was_named_and_is_left_out_is_told_of() {
    let Some(host) = Session::start() else { return };
    for (name, tier) in [("web", "front"), ("db", "back")] {
        boot_empty(&host, name);
        label(&host, name, &format!("<tier>{tier}</tier>"));
        let live = format!("<vm><labels><tier>{tier}</tier></labels></vm>");
        let set = [
            "--uri",
            "urn:vmlife:vm:1",
            "--key",
            "vmlife",
            "--set",
            &live,
            "--live",
        ];
        host.virsh(["metadata", name].iter().chain(&set));
    }
    let none = host.vmlife(["hibernate", "web", "-l", "tier=back"]);
    none.refuses(4, "no VM that is named has the label tier=back");
    assert_eq!(host.state("web"), "running (booted)");
    let some = host
        .vmlife(["pause", "web", "db", "-l", "tier=back"])
        .ends_with(0);
    assert_eq!(
        some.stderr,
        "web is left out: it has not the label tier=back\n"
    );
    assert_eq!(host.state("web"), "running (booted)");
    assert_eq!(host.state("db"), "paused (user)");
    // A pattern means those that have it.
    host.vmlife(["resume", "*", "-l", "tier=back"]).succeeds();
}

#[test]
fn a_vm_that_exists_gets_labels_and_a_group_as_the_manual_says() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "web-1");
    let manual = include_str!("../../examples/manual/vmlife-definition.md");
    let (_, section) = manual
        .split_once("# Labels and groups of a VM that exists")
        .expect("the section");
    let blocks: Vec<&str> = section.split("```").skip(1).step_by(2).collect();
    let (command, xml) = (blocks[0].trim(), blocks[1].trim_start_matches("xml"));
    let xml = host.write("typed.xml", xml);
    let mut shell = host.command("env");
    shell
        .arg(format!("EDITOR=cp {}", xml.display()))
        .args(["sh", "-c", command]);
    Ran::of(shell.output().expect("virsh runs")).ends_with(0);
    let named = |words: &[&str]| {
        let all = ["show", "-o", "name"].iter().chain(words);
        host.vmlife(all).succeeds().stdout
    };
    for state in ["running", "shut off"] {
        assert_eq!(host.virsh(["domstate", "web-1"]), state);
        assert_eq!(named(&["-l", "nightly=yes", "-l", "tier=web"]), "web-1\n");
        assert_eq!(named(&["--group", "shop"]), "web-1\n");
        if state == "running" {
            host.virsh(["destroy", "web-1"]);
        }
    }
}

#[test]
fn list_and_page_agree_on_an_image_that_lies_elsewhere() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "vm");
    let image = host.path("tmp/elsewhere.vmsave");
    let image = image.to_str().expect("text");
    host.vmlife(["hibernate", "vm", "--to", image]).ends_with(0);
    let list = || host.vmlife(["show"]).succeeds();
    assert!(
        !list()
            .says("old, not in its place")
            .stdout
            .contains("missing")
    );
    host.vmlife(["show", "vm"])
        .ends_with(0)
        .says("which is not its place");
    fs::remove_file(image).expect("it can go");
    list().says("missing");
    host.vmlife(["show", "vm"])
        .ends_with(0)
        .says("which is not there now");
}
