//! A VM on its way from one daemon to another is both daemons', and nobody else's.

use super::support::eventually;
use super::support::guest::Linux;
use super::support::session::Session;
use std::process::Stdio;

#[test]
fn a_vm_that_migrates_is_busy_at_both_ends_and_goes_on_at_the_other() {
    let (Some(from), Some(to)) = (Session::start(), Session::start()) else {
        return;
    };
    let guest = Linux::boot(&from, "vm", 128, "vmlife.random=32");
    let before = guest.last_tick();
    let socket = to.path("run/libvirt/libvirt-sock");
    let uri = format!("qemu+unix:///session?socket={}", socket.display());
    let mut migration = from
        .command("virsh")
        .args(["migrate", "--live", "--unsafe", "--persistent", "vm", &uri])
        .args(["tcp://127.0.0.1", "--bandwidth", "1"])
        .stdout(Stdio::null())
        .spawn()
        .expect("virsh runs");
    eventually("its memory travels", || {
        let job = from.virsh(["domjobinfo", "vm"]);
        job.contains("Data processed:").then_some(())
    });
    for (host, status, progress) in [(&from, "MigratingFrom", true), (&to, "MigratingTo", false)] {
        let ran = host.vmlife(["show", "vm", "-o", "json"]).succeeds();
        let vm = &ran.json()["vms"][0];
        assert_eq!(vm["vmDynamic"]["status"], status);
        let percent = &vm["vmStatistics"]["migrationProgressPercent"];
        assert_eq!(percent.is_u64(), progress, "{vm}");
        for verb in ["pause", "resume", "hibernate", "restore"] {
            host.vmlife([verb, "vm"]).refuses(9, "it is being migrated");
        }
    }
    from.virsh(["migrate-setspeed", "vm", "1000"]);
    assert!(migration.wait().expect("it ends").success());
    assert_eq!(from.state("vm"), "shut off (migrated)");
    assert!(to.state("vm").starts_with("running"), "{}", to.state("vm"));
    guest.goes_on_after(&before);
    let before = guest.last_tick();
    to.vmlife(["hibernate", "vm"]).succeeds();
    to.vmlife(["restore", "vm"]).succeeds();
    guest.goes_on_after(&before);
}
