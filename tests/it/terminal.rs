//! What a person at a terminal sees, by way of util-linux's `script`, which makes one.

use super::support::guest::{Linux, define_empty};
use super::support::session::Session;
use super::support::{eventually, vmlife_command};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Runs a command line of the shell on a terminal of this width, and gives all that it shows.
fn on_terminal(mut shell: Command, line: &str, columns: u16) -> String {
    let line = format!("stty cols {columns} rows 24; {line}");
    let ran = shell
        .args(["-qec", &line, "/dev/null"])
        .output()
        .expect("script runs");
    String::from_utf8(ran.stdout).expect("text")
}

#[test]
fn a_hibernation_shows_a_bar_and_what_it_does_at_the_end() {
    let Some(host) = Session::start() else { return };
    Linux::boot(&host, "vm", 384, "vmlife.random=256");
    let vmlife = host.path("vmlife");
    let mut script = host.command("script");
    script.env("TERM", "xterm");
    // The image's writer stands still for a moment: on a busy machine the save might be over before it
    // was looked at.
    let line = format!("{} hibernate vm", vmlife.display());
    let terminal = std::thread::spawn(move || on_terminal(script, &line, 100));
    let writer = eventually("the image is being written", || host.image_writer());
    writer.signal("STOP");
    std::thread::sleep(Duration::from_secs(2));
    writer.signal("CONT");
    let shown = terminal.join().expect("script runs");
    assert!(shown.contains("vm: hibernating"), "{shown:?}");
    assert!(shown.contains(" %  "), "{shown:?}");
    assert!(shown.contains(" written"), "{shown:?}");
    assert!(shown.contains("finishing"), "{shown:?}");
    let last = shown.trim_end().lines().last().unwrap_or_default();
    assert!(
        last.contains("vm is hibernated to /"),
        "the bar makes room for the answer: {shown:?}"
    );
}

#[test]
fn neither_a_pipe_nor_quiet_sees_a_bar() {
    let Some(host) = Session::start() else { return };
    Linux::boot(&host, "vm", 128, "");
    let ran = host.vmlife(["hibernate", "vm"]).succeeds();
    assert!(
        !ran.stdout.contains('\r') && !ran.stdout.contains('\u{1b}'),
        "{ran:?}"
    );
    host.vmlife(["restore", "vm"]).succeeds();
    let mut script = host.command("script");
    script.env("TERM", "xterm");
    let line = format!("{} hibernate -q vm", host.path("vmlife").display());
    let shown = on_terminal(script, &line, 100);
    assert!(
        !shown.contains('\u{1b}') && shown.lines().count() == 1,
        "{shown:?}"
    );
}

#[test]
fn a_table_fits_a_narrow_terminal() {
    let program = vmlife_command([""; 0]).get_program().to_owned();
    let mut script = Command::new("script");
    script
        .env("TERM", "xterm")
        .env("LIBVIRT_DEFAULT_URI", "test:///default");
    let line = format!("{} show test", program.display());
    let shown = on_terminal(script, &line, 40);
    assert!(
        shown
            .lines()
            .skip_while(|line| !line.contains("disks"))
            .all(|line| line.trim_end().chars().count() <= 40),
        "{shown}"
    );
}

#[test]
fn no_name_steers_a_terminal_in_any_form() {
    let program = vmlife_command([""; 0]).get_program().to_owned();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("vm.yaml");
    let text = r#"vmStatic: {name: "a\e[31m\u202e\u009b31mz", description: "\u2066\u009b"}"#;
    std::fs::write(&file, text).expect("it can be written");
    for form in ["name", "json", "yaml", "table", "wide"] {
        let line = format!(
            "{} show {} -o {form}",
            program.display(),
            file.to_str().expect("text")
        );
        let shown = on_terminal(Command::new("script"), &line, 80);
        assert!(shown.contains("31m"), "{shown:?}");
        for hostile in ['\u{1b}', '\u{9b}', '\u{202e}', '\u{2066}'] {
            assert!(!shown.contains(hostile), "{form}: {shown:?}");
        }
    }
}

#[test]
fn a_watched_list_is_drawn_anew_where_it_stands() {
    let Some(host) = Session::start() else { return };
    define_empty(&host, "vm");
    let shown = host.path("tmp/shown");
    let line = format!(
        "stty cols 60 rows 10; {} show --watch --timeout 60s",
        host.path("vmlife").display()
    );
    let mut watching = host
        .command("script")
        .env("TERM", "xterm")
        .args(["-qefc", &line])
        .arg(&shown)
        .stdout(Stdio::null())
        .spawn()
        .expect("script runs");
    let read = || std::fs::read_to_string(&shown).unwrap_or_default();
    let told = |words: &str| eventually(words, || read().contains(words).then(read));
    assert!(!told("Down").contains("\u{1b}["), "{:?}", read());
    host.virsh(["start", "vm"]);
    // The line above the list, the VM's own, and nothing else.
    assert!(
        told("Up (booted)").contains("\u{1b}[2A\u{1b}[J"),
        "{:?}",
        read()
    );
    for number in 0..12 {
        define_empty(&host, &format!("a{number}"));
    }
    let all = told("... of 13 VMs");
    let last = all.rsplit("\u{1b}[J").next().expect("a drawing");
    assert_eq!(last.lines().count(), 9, "{last:?}");
    // `script` passes its own end on.
    super::support::session::Process(watching.id()).signal("TERM");
    watching.wait().expect("it ends");
}
