//! What a person at a terminal sees, by way of util-linux's `script`, which makes one.

use super::support::guest::Linux;
use super::support::session::Session;
use super::support::{eventually, vmlife_command};
use std::process::Command;
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
