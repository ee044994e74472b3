//! The moments in which an image is whole, and it and its record are made durable.

use super::support::guest::Linux;
use super::support::session::{Process, Session};
use super::support::{Ran, eventually};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A disk that is slow in one of the flushes that vmlife asks for: the one with this number makes the file
/// `SLOW_DISK_AT` and lasts until that is removed.
const SLOW_DISK: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int fsync(int file)
{
    static int number;
    const char *at = getenv("SLOW_DISK_AT");

    if (__atomic_add_fetch(&number, 1, __ATOMIC_SEQ_CST) == atoi(getenv("SLOW_DISK"))) {
        close(open(at, O_CREAT | O_WRONLY, 0600));
        while (!access(at, F_OK))
            usleep(1000);
    }
    return syscall(SYS_fsync, file);
}
"#;

struct SlowDisk<'a> {
    host: &'a Session,
    library: PathBuf,
    at: PathBuf,
}

impl<'a> SlowDisk<'a> {
    fn of(host: &'a Session) -> Self {
        let source = host.write("slow.c", SLOW_DISK);
        let library = host.path("slow.so");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-o"]).arg(&library);
        let made = compiler.arg(&source).status().expect("cc runs");
        assert!(made.success(), "the library is made");
        host.hand_over(&library, 0o755);
        Self {
            host,
            library,
            at: host.path("tmp/slow"),
        }
    }

    /// Hibernates the VM until the flush with this number is asked for; or to the end if there are not so many.
    fn hibernate_until(&self, number: u32) -> Result<Child, Ran> {
        let mut saving = self
            .host
            .command("env")
            .arg(format!("LD_PRELOAD={}", self.library.display()))
            .arg(format!("SLOW_DISK={number}"))
            .arg(format!("SLOW_DISK_AT={}", self.at.display()))
            .arg(self.host.path("vmlife"))
            .args(["hibernate", "vm", "-q"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("vmlife runs");
        let stands = eventually("it waits for the disk, or has ended", || {
            let ended = saving.try_wait().expect("it is our child").is_some();
            (ended || self.at.exists()).then(|| self.at.exists())
        });
        if stands {
            Ok(saving)
        } else {
            Err(end_of(saving))
        }
    }

    fn goes_on(&self) {
        fs::remove_file(&self.at).expect("it is there");
    }
}

fn end_of(saving: Child) -> Ran {
    Ran::of(saving.wait_with_output().expect("vmlife ends"))
}

#[test]
fn a_vmlife_that_is_killed_between_image_and_record_leaves_an_image_that_counts() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "vm", 128, "");
    let (disk, image) = (SlowDisk::of(&host), host.image(&guest.id()));
    let record = PathBuf::from(format!("{}.json", image.display()));
    let mut halves = 0;
    for number in 1.. {
        let before = guest.last_tick();
        let mut saving = match disk.hibernate_until(number) {
            Ok(saving) => saving,
            Err(ran) => {
                ran.succeeds();
                assert!(number > 4, "image, folder, record, folder: {number}");
                break;
            }
        };
        saving.kill().expect("it is there");
        saving.wait().expect("it is dead");
        disk.goes_on();
        let half = host.images().into_iter().any(|name| name.contains("half"));
        if half {
            halves += 1;
            assert!(!record.exists(), "half a record is none");
        }
        // Before the save it has made its folder durable.
        if image.exists() {
            assert_eq!(host.state("vm"), "shut off (saved)", "{number}");
            let shown = host.vmlife(["show", "vm"]).succeeds();
            shown.says("vm: Suspended").says("good");
            host.vmlife(["hibernate", "vm"])
                .succeeds()
                .says("already hibernated");
            host.vmlife(["restore", "vm"]).succeeds();
        } else {
            host.vmlife(["show", "vm"]).succeeds().says("vm: Up");
        }
        guest.goes_on_after(&before);
        let left = host.images();
        assert!(!left.iter().any(|name| name.contains("vmsave")), "{left:?}");
    }
    assert_eq!(halves, 1, "the record itself was met");
}

#[test]
fn signals_while_image_and_record_are_made_durable_change_nothing_that_was_told() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "vm", 128, "");
    let (disk, image) = (SlowDisk::of(&host), host.image(&guest.id()));
    let record = PathBuf::from(format!("{}.json", image.display()));
    host.vmlife(["hibernate", "vm"]).succeeds();
    host.vmlife(["restore", "vm"]).succeeds();
    for number in 1.. {
        for insists in [false, true] {
            let before = guest.last_tick();
            let Ok(saving) = disk.hibernate_until(number) else {
                assert!(number > 4, "image, folder, record, folder: {number}");
                return;
            };
            let process = Process(saving.id());
            process.signal("TERM");
            if insists {
                std::thread::sleep(Duration::from_millis(1200));
                process.signal("TERM");
            } else {
                std::thread::sleep(Duration::from_millis(200));
                disk.goes_on();
            }
            let ran = end_of(saving).ends_with(0);
            assert!(ran.stdout.contains("vm is hibernated to"), "{ran:?}");
            assert!(
                ran.stderr.contains(
                    "it was hibernated before the cancel took effect (asked to end (TERM))"
                ),
                "{ran:?}"
            );
            let left = "have reached the disk is not known";
            assert_eq!(ran.stderr.contains(left), insists, "{number}: {ran:?}");
            if insists {
                disk.goes_on();
            } else {
                assert!(record.exists(), "{number}");
            }
            host.vmlife(["show"]).succeeds().says("Suspended");
            host.vmlife(["restore", "vm"]).succeeds();
            guest.goes_on_after(&before);
            assert_eq!(host.images(), [""; 0]);
        }
    }
}
