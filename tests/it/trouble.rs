//! The daemon is in trouble, not the VM.

use super::support::guest::{Linux, boot_empty};
use super::support::session::{Process, Session};
use super::support::{Ran, eventually};
use std::fs;
use std::io;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A guest whose save and restore take long enough to be met in their midst.
fn large(host: &Session) -> Linux<'_> {
    Linux::boot(host, "vm", 384, "vmlife.random=256")
}

fn spawn(mut command: Command) -> Child {
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("vmlife runs")
}

fn end_of(child: Child) -> Ran {
    let ran = Ran::of(child.wait_with_output().expect("vmlife ends"));
    let ours = ["error: ", "warning: ", "  cause: ", "  hint: ", "vm: "];
    assert!(
        ran.stderr
            .lines()
            .all(|line| ours.iter().any(|begin| line.starts_with(begin))),
        "somebody else has printed: {ran:#?}"
    );
    ran
}

/// Waits until the vmlife that has lost its connection says so: it reads nothing else meanwhile.
fn is_reconnecting(child: &mut Child) -> impl FnOnce(Child) -> Ran + use<> {
    use std::io::{BufRead, BufReader, Read};
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut said = String::new();
    while !said.contains("the connection to libvirt is lost; trying again") {
        let count = stderr.read_line(&mut said).expect("text");
        assert!(count > 0, "it ended: {said}");
    }
    move |child| {
        stderr.read_to_string(&mut said).expect("text");
        let mut output = child.wait_with_output().expect("vmlife ends");
        output.stderr = said.into_bytes();
        Ran::of(output)
    }
}

#[test]
fn a_daemon_that_is_killed_in_a_save_and_comes_back_leaves_nothing_behind() {
    let Some(host) = Session::start() else { return };
    let guest = large(&host);
    let before = guest.last_tick();
    let mut saving = spawn(host.vmlife_command(["hibernate", "vm"]));
    let writer = eventually("the image is being written", || host.image_writer());
    writer.signal("STOP");
    host.kill_daemon();
    let end = is_reconnecting(&mut saving);
    writer.signal("CONT");
    host.start_daemon();
    let ran = end(saving).ends_with(10);
    assert!(
        ran.stderr
            .contains("error: vm could not be hibernated; it runs on"),
        "{ran:?}"
    );
    assert_eq!(host.virsh(["domstate", "vm"]), "running");
    assert_eq!(host.images(), [""; 0], "{ran:?}");
    guest.goes_on_after(&before);
}

#[test]
fn a_daemon_that_is_killed_when_the_image_is_whole_has_hibernated_the_vm_or_not() {
    let Some(host) = Session::start() else { return };
    let guest = large(&host);
    let (before, image) = (guest.last_tick(), host.image(&guest.id()));
    let daemon = host.daemon();
    let mut saving = spawn(host.vmlife_command(["hibernate", "vm"]));
    let began = Instant::now();
    let is_whole = || {
        let file = fs::File::open(&image).ok()?;
        let mut magic = [0; 16];
        io::Read::read_exact(&mut io::Read::take(file, 16), &mut magic).ok()?;
        (&magic == b"LibvirtQemudSave").then_some(())
    };
    // QEMU's end takes libvirt some tenths of a second.
    while is_whole().is_none() {
        assert!(began.elapsed() < Duration::from_secs(60), "it is not saved");
    }
    daemon.signal("KILL");
    let end = is_reconnecting(&mut saving);
    host.start_daemon();
    let ran = end(saving);
    if ran.code == 0 {
        assert!(ran.stdout.contains("vm is hibernated to"), "{ran:?}");
        assert_eq!(host.virsh(["domstate", "vm"]), "shut off");
        host.vmlife(["restore", "vm"]).succeeds();
    } else {
        let ran = ran.ends_with(10);
        assert!(ran.stderr.contains("it runs on"), "{ran:?}");
        assert!(ran.stderr.contains("marked as used"), "{ran:?}");
    }
    guest.goes_on_after(&before);
}

#[test]
fn a_daemon_that_is_killed_in_a_restore_and_comes_back_leaves_no_doubt() {
    let Some(host) = Session::start() else { return };
    let guest = large(&host);
    let before = guest.last_tick();
    host.vmlife(["hibernate", "-q", "vm"]).succeeds();
    let mut restoring = spawn(host.vmlife_command(["restore", "vm"]));
    eventually("QEMU runs", || host.pid_file("vm").exists().then_some(()));
    host.kill_daemon();
    let end = is_reconnecting(&mut restoring);
    host.start_daemon();
    let ran = end(restoring);
    // Where the memory was loaded already, the new daemon finds it so, and the rest is done.
    if ran.code != 0 {
        let ran = ran.ends_with(10);
        assert!(ran.stderr.contains("the image is still there"), "{ran:?}");
        assert!(!ran.stderr.contains("is not known"), "{ran:?}");
        host.vmlife(["show"]).succeeds().says("Suspended");
        host.vmlife(["restore", "vm"]).succeeds();
    }
    guest.goes_on_after(&before);
    assert_eq!(host.images(), [""; 0]);
}

#[test]
fn a_daemon_that_does_not_come_back_is_told_with_all_that_is_known() {
    let Some(host) = Session::start() else { return };
    let guest = large(&host);
    let (before, id) = (guest.last_tick(), guest.id());
    let saving = spawn(host.vmlife_command(["hibernate", "vm"]));
    let writer = eventually("the image is being written", || host.image_writer());
    writer.signal("STOP");
    let qemu = host.qemu("vm");
    host.kill_daemon();
    let ran = end_of(saving).ends_with(10);
    writer.signal("CONT");
    let known = format!(
        "vm may be hibernated or not: the connection to libvirt is lost; its QEMU is alive \
         (process {}), its image {} is incomplete",
        qemu.0,
        host.image(&id).display()
    );
    assert!(ran.stderr.contains(&known), "{ran:?}");
    host.start_daemon();
    guest.goes_on_after(&before);
    let ran = host.vmlife(["hibernate", "-q", "vm"]).ends_with(0);
    assert!(ran.stderr.contains("its incomplete image was removed"));
    host.vmlife(["restore", "vm"]).succeeds();
    guest.goes_on_after(&before);
}

#[test]
fn a_daemon_that_hangs_is_told_and_not_waited_for_beyond_the_time_limit() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "vm");
    let qemu = host.qemu("vm");
    qemu.signal("STOP");
    let daemon = host.daemon();
    let limited = spawn(host.vmlife_command(["hibernate", "vm", "--timeout", "4s"]));
    eventually("it is being saved", || {
        let control = host.virsh(["domcontrol", "vm"]);
        control.contains("background job").then_some(())
    });
    daemon.signal("STOP");
    let ran = end_of(limited).ends_with(10);
    daemon.signal("CONT");
    qemu.signal("CONT");
    assert!(
        ran.stderr
            .contains("warning: vm: libvirt has not answered for 10"),
        "{ran:?}"
    );
    assert!(
        ran.stderr.contains(
            "error: vm may still be hibernated: the time limit has passed, and libvirt has not answered"
        ),
        "{ran:?}"
    );
    let state = eventually("the job ends", || {
        Some(host.virsh(["domstate", "vm"])).filter(|state| state != "paused")
    });
    assert!(state == "running" || state == "shut off", "{state}");
}

#[test]
fn a_look_whose_daemon_falls_silent_or_dies_is_no_answer() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "vm");
    let look = ["show", "vm", "--sample", "1s"];
    let daemon = host.daemon();
    let silent = end_of(silent_after(&host, GET_ALL_DOMAIN_STATS, &look));
    daemon.signal("CONT");
    silent.refuses(10, "libvirt does not answer any more");
    let lost = silent_after(&host, GET_ALL_DOMAIN_STATS, &look);
    eventually("the daemon stands still", || {
        daemon.stands_still().then_some(())
    });
    daemon.signal("KILL");
    end_of(lost).refuses(10, "libvirt does not answer any more");
}

/// Stands between vmlife and its daemon, and can cut them off from each other.
struct Between {
    socket: PathBuf,
    open: Arc<Mutex<Vec<UnixStream>>>,
}

/// libvirt's calls, as the daemon's protocol numbers them.
const RESUME: u32 = 28;
const SET_METADATA: u32 = 264;
const RESTORE_FLAGS: u32 = 233;
const GET_ALL_DOMAIN_STATS: u32 = 344;

/// Hands on what a daemon answers; before the answer to this call, the daemon is made to stand still.
fn hand_on(mut from: UnixStream, mut to: UnixStream, call: u32, daemon: Process) -> io::Result<()> {
    use std::io::{Read, Write};
    loop {
        let mut length = [0; 4];
        from.read_exact(&mut length)?;
        let mut rest = vec![0; u32::from_be_bytes(length) as usize - 4];
        from.read_exact(&mut rest)?;
        // Program, version, procedure, and that it is a reply.
        if rest[8..12] == call.to_be_bytes() && rest[12..16] == 1_u32.to_be_bytes() {
            daemon.signal("STOP");
        }
        to.write_all(&length)?;
        to.write_all(&rest)?;
    }
}

/// The URI of a daemon that stands still as soon as it has carried out this call.
fn falls_silent_after(host: &Session, call: u32) -> String {
    let socket = host.path("tmp/silent");
    fs::remove_file(&socket).ok();
    let listener = UnixListener::bind(&socket).expect("a socket");
    host.hand_over(&socket, 0o600);
    let (server, daemon) = (host.path("run/libvirt/libvirt-sock"), host.daemon());
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = UnixStream::connect(&server) else {
                continue;
            };
            let copy = |one: &UnixStream| one.try_clone().expect("a socket");
            let (mut from, mut to) = (copy(&client), copy(&server));
            std::thread::spawn(move || io::copy(&mut from, &mut to));
            std::thread::spawn(move || hand_on(server, client, call, daemon));
        }
    });
    format!("qemu+unix:///session?socket={}", socket.display())
}

/// Begins a command with such a daemon.
fn silent_after(host: &Session, call: u32, words: &[&str]) -> Child {
    let uri = falls_silent_after(host, call);
    spawn(host.vmlife_command(words.iter().copied().chain(["-c", &uri])))
}

#[test]
fn a_daemon_that_falls_silent_when_the_guest_runs_again_holds_nobody_up() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "vm", 128, "");
    let before = guest.last_tick();
    host.vmlife(["hibernate", "-q", "vm"]).succeeds();
    let daemon = host.daemon();
    let ran = end_of(silent_after(
        &host,
        RESUME,
        &["restore", "vm", "--timeout", "5s"],
    ));
    daemon.signal("CONT");
    let ran = ran.ends_with(0);
    assert!(ran.stdout.contains("vm runs again"), "{ran:?}");
    assert!(ran.stderr.contains("does not answer any more"), "{ran:?}");
    guest.goes_on_after(&before);
    assert_eq!(host.images(), [""; 0]);
}

#[test]
fn a_time_limit_that_passes_just_between_load_and_run_leaves_the_image_as_it_was() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "vm", 128, "");
    let before = guest.last_tick();
    host.vmlife(["hibernate", "-q", "vm"]).succeeds();
    let daemon = host.daemon();
    let restoring = silent_after(&host, RESTORE_FLAGS, &["restore", "vm", "--timeout", "5s"]);
    // Longer than the limit, and not so long that the daemon is given up.
    std::thread::sleep(Duration::from_secs(7));
    daemon.signal("CONT");
    let ran = end_of(restoring).ends_with(124);
    assert!(ran.stderr.contains("is as it was"), "{ran:?}");
    assert_eq!(host.state("vm"), "shut off (destroyed)");
    host.vmlife(["restore", "vm"]).succeeds();
    guest.goes_on_after(&before);
}

#[test]
fn a_group_of_which_one_host_falls_silent_is_brought_back_on_the_others() {
    let (Some(here), Some(there)) = (Session::start(), Session::start()) else {
        return;
    };
    let guest = Linux::boot(&here, "a", 128, "");
    let before = guest.last_tick();
    boot_empty(&there, "b");
    let (uri, daemon) = (falls_silent_after(&there, SET_METADATA), there.daemon());
    let group = ["hibernate", "a", "b", "--together"];
    let hosts = ["-c", "qemu:///session", "-c", &uri];
    let ran = here.vmlife(group.iter().chain(&hosts));
    daemon.signal("CONT");
    let ran = ran.ends_with(10);
    assert!(ran.stderr.contains("a is as it was, since "), "{ran:?}");
    assert!(
        ran.stderr.contains(
            "; it was paused before, and was not brought back with its group, as libvirt does not answer"
        ),
        "{ran:?}"
    );
    guest.goes_on_after(&before);
    assert_eq!(here.images(), [""; 0]);
    assert_eq!(there.state("b"), "paused (user)");
    there.vmlife(["resume", "b"]).succeeds();
}

#[test]
fn a_group_of_which_one_qemu_hangs_is_brought_back_but_for_that() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "a", 128, "");
    let before = guest.last_tick();
    boot_empty(&host, "b");
    let qemu = host.qemu("b");
    qemu.signal("STOP");
    let group = ["hibernate", "a", "b", "--together", "--timeout", "8s"];
    let ran = host.vmlife(group);
    assert_eq!(host.state("a"), "running (unpaused)", "{ran:?}");
    let words = [
        "error: a is as it was, since b failed",
        "error: b may still be paused: the time limit has passed, and the call has not ended",
    ];
    assert!(
        words.iter().all(|words| ran.stderr.contains(words)),
        "{ran:?}"
    );
    ran.ends_with(1);
    qemu.signal("CONT");
    guest.goes_on_after(&before);
}

impl Between {
    fn listen(host: &Session) -> Self {
        let (socket, daemon) = (
            host.path("tmp/between"),
            host.path("run/libvirt/libvirt-sock"),
        );
        let listener = UnixListener::bind(&socket).expect("a socket");
        host.hand_over(&socket, 0o600);
        let open = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&open);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = UnixStream::connect(&daemon) else {
                    continue;
                };
                let both = || Some((client.try_clone().ok()?, server.try_clone().ok()?));
                let (Some((from, to)), Some((back, out))) = (both(), both()) else {
                    continue;
                };
                let pairs = [(from, to), (out, back)];
                for (mut from, mut to) in pairs {
                    std::thread::spawn(move || {
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
                all.lock().expect("a list").push(client);
            }
        });
        Self { socket, open }
    }

    fn command(&self, host: &Session, words: &[&str]) -> Command {
        let uri = format!("qemu+unix:///session?socket={}", self.socket.display());
        host.vmlife_command(words.iter().copied().chain(["-c", &uri]))
    }

    /// Cuts all that are connected now; the next ones may try again.
    fn cut(&self) {
        for client in self.open.lock().expect("a list").drain(..) {
            let _ = client.shutdown(Shutdown::Both);
        }
    }
}

#[test]
fn a_vmlife_that_is_cut_off_finds_out_how_it_ended() {
    let Some(host) = Session::start() else { return };
    let guest = large(&host);
    let (before, between) = (guest.last_tick(), Between::listen(&host));
    let mut saving = spawn(between.command(&host, &["hibernate", "vm"]));
    let writer = eventually("the image is being written", || host.image_writer());
    writer.signal("STOP");
    between.cut();
    let end = is_reconnecting(&mut saving);
    writer.signal("CONT");
    let ran = end(saving).ends_with(0);
    assert!(ran.stdout.contains("vm is hibernated to"), "{ran:?}");
    assert_eq!(host.state("vm"), "shut off (saved)");
    assert!(Path::new(&format!("{}.json", host.image(&guest.id()).display())).exists());

    let mut restoring = spawn(between.command(&host, &["restore", "vm"]));
    eventually("QEMU runs", || host.pid_file("vm").exists().then_some(()));
    between.cut();
    let ran = is_reconnecting(&mut restoring)(restoring).ends_with(0);
    assert!(ran.stdout.contains("vm runs again"), "{ran:?}");
    guest.goes_on_after(&before);
    assert_eq!(host.images(), [""; 0]);
}

#[test]
fn a_cut_off_vmlife_can_still_be_asked_to_cancel() {
    let Some(host) = Session::start() else { return };
    let guest = large(&host);
    let (before, between) = (guest.last_tick(), Between::listen(&host));
    let mut saving = spawn(between.command(&host, &["hibernate", "vm"]));
    let writer = eventually("the image is being written", || host.image_writer());
    writer.signal("STOP");
    between.cut();
    let end = is_reconnecting(&mut saving);
    // The connection it makes now is the one that tells.
    eventually("it is connected again", || {
        (!between.open.lock().expect("a list").is_empty()).then_some(())
    });
    Process(saving.id()).signal("INT");
    eventually("the job is aborted, and the writer waited for", || {
        std::thread::sleep(Duration::from_millis(500));
        Some(())
    });
    writer.signal("CONT");
    let ran = end(saving);
    if ran.code == 130 {
        assert!(
            ran.stderr
                .contains("vm was not hibernated, interrupted (INT); it runs on")
        );
        assert_eq!(host.images(), [""; 0]);
    } else {
        // The abort came too late.
        ran.ends_with(0);
        host.vmlife(["restore", "vm"]).succeeds();
    }
    guest.goes_on_after(&before);
}

#[test]
fn who_is_cut_off_and_told_twice_to_end_ends_as_the_first_time_says() {
    let Some(host) = Session::start() else { return };
    let guest = large(&host);
    let (before, between) = (guest.last_tick(), Between::listen(&host));
    let mut saving = spawn(between.command(&host, &["hibernate", "vm"]));
    let writer = eventually("the image is being written", || host.image_writer());
    writer.signal("STOP");
    between.cut();
    let end = is_reconnecting(&mut saving);
    eventually("it is connected again", || {
        (!between.open.lock().expect("a list").is_empty()).then_some(())
    });
    let vmlife = Process(saving.id());
    vmlife.signal("INT");
    // Sooner it would be the same wish.
    std::thread::sleep(Duration::from_millis(1500));
    vmlife.signal("TERM");
    let ran = end(saving).ends_with(130);
    assert!(
        ran.stderr
            .contains("error: vm may still be hibernated; it is being saved"),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("vmlife show"), "{ran:?}");
    writer.signal("CONT");
    let state = eventually("the job ends", || {
        Some(host.virsh(["domstate", "vm"])).filter(|state| state != "paused")
    });
    if state == "shut off" {
        host.vmlife(["restore", "vm"]).succeeds();
    }
    guest.goes_on_after(&before);
}

#[test]
fn a_daemon_that_is_killed_when_the_memory_is_loaded_lets_the_guest_run_all_the_same() {
    let Some(host) = Session::start() else { return };
    let guest = large(&host);
    let before = guest.last_tick();
    host.vmlife(["hibernate", "-q", "vm"]).succeeds();
    let mut restoring = spawn(host.vmlife_command(["restore", "vm"]));
    let vmlife = Process(restoring.id());
    eventually("QEMU runs", || host.pid_file("vm").exists().then_some(()));
    // It hears that the memory is loaded only when there is no daemon any more.
    vmlife.signal("STOP");
    eventually("it is loaded", || {
        let is_loaded = host.state("vm") == "paused (migrating)";
        (is_loaded && host.virsh(["domcontrol", "vm"]) == "ok").then_some(())
    });
    host.kill_daemon();
    vmlife.signal("CONT");
    let end = is_reconnecting(&mut restoring);
    host.start_daemon();
    let ran = end(restoring).ends_with(0);
    assert!(
        ran.stdout.contains("vm runs again, restored from"),
        "{ran:?}"
    );
    guest.goes_on_after(&before);
    assert_eq!(host.images(), [""; 0]);
}

#[test]
fn a_managed_save_whose_daemon_is_killed_leaves_nothing_that_would_be_started() {
    let Some(host) = Session::start() else { return };
    let guest = large(&host);
    let before = guest.last_tick();
    let file = host.path("c/libvirt/qemu/save/vm.save");
    let begin = || {
        let saving = spawn(host.vmlife_command(["hibernate", "vm", "--managed"]));
        // Of a pipe that QEMU has been given, and not yet been told to write to, nobody lets go but its end.
        let writer = eventually("the image is being written", || {
            let has_begun = file.metadata().is_ok_and(|found| found.len() > 4 << 20);
            has_begun.then(|| host.image_writer()).flatten()
        });
        writer.signal("STOP");
        host.kill_daemon();
        (saving, writer)
    };
    // It comes back.
    let (mut saving, writer) = begin();
    let end = is_reconnecting(&mut saving);
    writer.signal("CONT");
    host.start_daemon();
    let ran = end(saving).ends_with(10);
    assert!(
        ran.stderr
            .contains("error: vm could not be hibernated; it runs on"),
        "{ran:?}"
    );
    assert!(!file.exists(), "{ran:?}");
    guest.goes_on_after(&before);

    // It does not.
    eventually("its writer ends", || {
        host.image_writer().is_none().then_some(())
    });
    let before = guest.last_tick();
    let (saving, writer) = begin();
    let ran = end_of(saving).ends_with(10);
    writer.signal("CONT");
    let known = format!("its image {} is incomplete", file.display());
    assert!(
        ran.stderr.contains("vm may be hibernated or not") && ran.stderr.contains(&known),
        "{ran:?}"
    );
    host.start_daemon();
    guest.goes_on_after(&before);
    let shown = host.vmlife(["show", "vm"]).ends_with(0);
    assert!(
        shown.stdout.contains("vm: Up") && shown.stdout.contains("its save was interrupted"),
        "{shown:?}"
    );
    let before = guest.last_tick();
    let ran = host
        .vmlife(["hibernate", "-q", "vm", "--managed"])
        .ends_with(0);
    assert!(ran.stderr.contains("its earlier managed save"), "{ran:?}");
    host.vmlife(["restore", "vm"]).succeeds();
    guest.goes_on_after(&before);
}

#[test]
fn a_pause_and_a_resume_whose_daemon_is_killed_are_done_by_the_next_one() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "vm");
    for (verb, state) in [("pause", "paused (user)"), ("resume", "running (unpaused)")] {
        // QEMU does not answer, so that the call goes on until the daemon is gone.
        let qemu = host.qemu("vm");
        qemu.signal("STOP");
        let mut switching = spawn(host.vmlife_command([verb, "vm"]));
        eventually("libvirt asks QEMU", || {
            let control = host.virsh(["domcontrol", "vm"]);
            control.contains("occupied").then_some(())
        });
        host.kill_daemon();
        let end = is_reconnecting(&mut switching);
        qemu.signal("CONT");
        host.start_daemon();
        end(switching).ends_with(0);
        assert_eq!(host.state("vm"), state);
    }
}

#[test]
fn a_pause_whose_daemon_does_not_come_back_says_that_nobody_knows() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "vm");
    let qemu = host.qemu("vm");
    qemu.signal("STOP");
    let pausing = spawn(host.vmlife_command(["pause", "vm"]));
    eventually("libvirt asks QEMU", || {
        let control = host.virsh(["domcontrol", "vm"]);
        control.contains("occupied").then_some(())
    });
    host.kill_daemon();
    let ran = end_of(pausing).ends_with(10);
    qemu.signal("CONT");
    let known = format!(
        "vm may be paused or not: the connection to libvirt is lost; its QEMU is alive (process {})",
        qemu.0
    );
    assert!(ran.stderr.contains(&known), "{ran:?}");
    host.start_daemon();
    // What it was told before its daemon died, it does.
    let state = eventually("the daemon knows it again", || {
        Some(host.state("vm")).filter(|_| host.virsh(["domcontrol", "vm"]) == "ok")
    });
    assert!(
        state.starts_with("paused") || state.starts_with("running"),
        "{state}"
    );
}

#[test]
fn a_signal_while_the_daemon_hangs_cancels_when_it_answers_and_ends_the_wait_when_it_does_not() {
    let Some(host) = Session::start() else { return };
    let guest = large(&host);
    let before = guest.last_tick();
    let daemon = host.daemon();
    let begin = || {
        let saving = spawn(host.vmlife_command(["hibernate", "vm"]));
        let writer = eventually("the image is being written", || host.image_writer());
        writer.signal("STOP");
        daemon.signal("STOP");
        Process(saving.id()).signal("TERM");
        (saving, writer)
    };
    let (saving, writer) = begin();
    std::thread::sleep(Duration::from_millis(500));
    daemon.signal("CONT");
    eventually("the job is aborted, and the writer waited for", || {
        std::thread::sleep(Duration::from_millis(500));
        Some(())
    });
    writer.signal("CONT");
    let ran = end_of(saving).ends_with(143);
    assert!(
        ran.stderr
            .contains("vm was not hibernated, asked to end (TERM); it runs on"),
        "{ran:?}"
    );
    assert_eq!(host.images(), [""; 0]);
    guest.goes_on_after(&before);

    let before = guest.last_tick();
    let (saving, writer) = begin();
    let ran = end_of(saving).ends_with(143);
    assert!(
        ran.stderr.contains(
            "error: vm may still be hibernated: asked to end (TERM), and libvirt has not answered"
        ) && ran.stderr.contains("vmlife show vm"),
        "{ran:?}"
    );
    daemon.signal("CONT");
    writer.signal("CONT");
    // Of the abort that it was asked for and the save, one comes to its end.
    let state = eventually("the job ends", || {
        Some(host.virsh(["domstate", "vm"])).filter(|state| state != "paused")
    });
    if state == "shut off" {
        host.vmlife(["restore", "vm"]).succeeds();
    }
    guest.goes_on_after(&before);
}
