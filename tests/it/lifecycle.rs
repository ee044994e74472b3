//! The verbs on real guests under a real daemon, judged by virsh and by the guests themselves.

use super::support::eventually;
use super::support::guest::{Linux, boot_empty, define_empty};
use super::support::session::Session;
use std::time::Duration;

#[test]
fn hibernated_memory_comes_back() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "web", 128, "");
    let id = guest.id();
    let before = guest.ticks_beyond(1);

    host.vmlife(["hibernate", "web"])
        .succeeds()
        .says("web is hibernated to ");
    assert_eq!(host.state("web"), "shut off (saved)");
    assert_eq!(host.virsh(["list", "--name"]), "");
    assert!(host.image(&id).exists());
    let asleep = guest.last_tick();
    host.vmlife(["show"]).succeeds().says("Suspended");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(guest.last_tick(), asleep, "it ticked while it was off");

    host.vmlife(["restore", "web"])
        .succeeds()
        .says("web runs again, restored from ");
    assert_eq!(host.state("web"), "running (unpaused)");
    guest.goes_on_after(&before);
    guest.goes_on_after(&asleep);
    assert_eq!(host.images(), [""; 0], "a used image is of no use");
}

#[test]
fn virsh_restores_what_vmlife_saved_and_the_other_way_round() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "db", 128, "");
    let id = guest.id();
    let image = host.image(&id);

    let before = guest.last_tick();
    host.vmlife(["hibernate", "db"]).succeeds();
    host.virsh(["restore".as_ref(), image.as_os_str()]);
    guest.goes_on_after(&before);
    // virsh leaves the image lying there. The VM has gone on since, so that it may be replaced.
    let ran = host.vmlife(["hibernate", "db"]).ends_with(0);
    assert!(
        ran.stderr.contains("its earlier image was removed"),
        "{ran:?}"
    );
    host.vmlife(["restore", "db"]).succeeds();

    let file = host.path("by-virsh.save");
    let before = guest.ticks_beyond(before.number + 2);
    host.virsh(["save".as_ref(), "db".as_ref(), file.as_os_str()]);
    host.vmlife(["restore".as_ref(), "--from".as_ref(), file.as_os_str()])
        .succeeds()
        .says("db runs again");
    guest.goes_on_after(&before);
    assert!(!file.exists(), "a used image is of no use");
}

#[test]
fn a_paused_guest_stands_still_and_goes_on() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "web", 128, "");
    host.vmlife(["pause", "web"])
        .succeeds()
        .says("web is paused\n");
    assert_eq!(host.state("web"), "paused (user)");
    let frozen = guest.last_tick();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(guest.last_tick(), frozen);
    host.vmlife(["pause", "web"])
        .succeeds()
        .says("web is already paused\n");
    host.vmlife(["resume", "web"])
        .succeeds()
        .says("web runs on; its clock stood still meanwhile\n");
    assert_eq!(host.state("web"), "running (unpaused)");
    guest.goes_on_after(&frozen);
}

#[test]
fn a_guest_comes_back_as_it_was_unless_asked_otherwise() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "vm");
    host.vmlife(["pause", "vm"]).succeeds();
    host.vmlife(["hibernate", "vm"]).succeeds();
    host.vmlife(["show", "vm"]).succeeds().says("stays paused");
    host.vmlife(["restore", "vm"])
        .succeeds()
        .says("vm is back, paused");
    assert_eq!(host.virsh(["domstate", "vm"]), "paused");
    host.vmlife(["show"])
        .succeeds()
        .says("Paused (restored, not resumed)");
    for (hibernate, restore, state) in [
        ("--running", None, "running"),
        ("--paused", None, "paused"),
        ("--running", Some("--paused"), "paused"),
        ("--paused", Some("--running"), "running"),
    ] {
        host.vmlife(["hibernate", "vm", hibernate]).succeeds();
        host.vmlife(["restore", "vm"].into_iter().chain(restore))
            .succeeds();
        assert_eq!(
            host.virsh(["domstate", "vm"]),
            state,
            "{hibernate} {restore:?}"
        );
    }
}

#[test]
fn an_image_goes_where_it_is_told_to_and_comes_from_where_it_is() {
    let Some(host) = Session::start() else { return };
    let id = boot_empty(&host, "vm");
    let (file, folder) = (host.path("tmp/a file"), host.path("tmp"));
    for (to, image) in [
        (file.clone(), file.clone()),
        (folder.clone(), folder.join(format!("{id}.vmsave"))),
    ] {
        host.vmlife([
            "hibernate".as_ref(),
            "vm".as_ref(),
            "--bypass-cache".as_ref(),
            "--to".as_ref(),
            to.as_os_str(),
        ])
        .succeeds()
        .says(image.to_str().unwrap());
        assert!(image.exists());
        host.vmlife(["restore", "vm"])
            .refuses(4, "which is not its place");
        host.vmlife(["restore", "vm", "--or-start"])
            .refuses(7, "which is not its place");
        host.vmlife([
            "restore".as_ref(),
            "vm".as_ref(),
            "--from".as_ref(),
            image.as_os_str(),
        ])
        .succeeds();
        assert!(!image.exists());
    }
}

#[test]
fn a_kept_image_is_marked_as_used_and_refused_the_second_time() {
    let Some(host) = Session::start() else { return };
    let id = boot_empty(&host, "vm");
    host.vmlife(["hibernate", "vm"]).succeeds();
    host.vmlife(["restore", "vm", "--keep"])
        .succeeds()
        .says("(kept, marked as used)");
    assert!(host.image(&id).exists());
    host.virsh(["destroy", "vm"]);
    host.vmlife(["show", "vm"])
        .succeeds()
        .says("vm: Down (destroyed)")
        .says("the VM has run since, from ");
    host.vmlife(["restore", "vm"])
        .refuses(7, "the VM has run since");
    assert_eq!(host.virsh(["domstate", "vm"]), "shut off");
    let ran = host.vmlife(["restore", "vm", "--force"]).ends_with(0);
    let words = "--force overrode this: the VM has run since";
    assert!(ran.stderr.contains(words), "{ran:?}");
    assert_eq!(host.virsh(["domstate", "vm"]), "running");
}

#[test]
fn a_vm_that_libvirt_forgets_is_not_lost() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::create(&host, "passing");
    let before = guest.last_tick();
    host.vmlife(["hibernate", "passing"]).succeeds();
    assert_eq!(host.virsh(["list", "--all", "--name"]), "");
    host.vmlife(["show"])
        .succeeds()
        .says("passing")
        .says("Suspended");
    host.vmlife(["hibernate", "passing"])
        .succeeds()
        .says("is already hibernated");
    let definition = host.write("passing.yaml", "vmStatic: {name: passing, memSizeMb: 128}");
    let restore = [
        "restore".as_ref(),
        definition.as_os_str(),
        "--or-start".as_ref(),
    ];
    let ran = host.vmlife(restore).ends_with(0).says("passing runs again");
    assert!(
        ran.stderr.contains("libvirt has no definition of it"),
        "{ran:?}"
    );
    guest.goes_on_after(&before);
}

#[test]
fn a_definition_is_enough_to_start_a_vm_and_to_name_it() {
    let Some(host) = Session::start() else { return };
    let yaml = host.write(
        "two.yaml",
        "vmStatic:\n  name: one\n  memSizeMb: 16\n  domainType: qemu\n  priority: 7\n---\n\
         vmStatic:\n  name: two & <co>\n  memSizeMb: 16\n  numOfSockets: 2\n  domainType: qemu\n",
    );
    let yaml = yaml.to_str().unwrap();
    host.vmlife(["restore", yaml])
        .refuses(4, "libvirt knows no VM 'one'");
    let ran = host.vmlife(["restore", "--or-start", yaml]).ends_with(0);
    assert_eq!(ran.stdout.matches(" is started").count(), 2, "{ran:?}");
    assert_eq!(ran.stderr, "2 VMs: 2 done\n");
    assert_eq!(host.virsh(["domstate", "two & <co>"]), "running");
    assert!(
        host.virsh(["dumpxml", "one"])
            .contains("<vmlife:priority type=\"int\">7</vmlife:priority>")
    );
    assert!(
        host.virsh(["dumpxml", "two & <co>"])
            .contains("sockets='2'")
    );
    host.vmlife(["hibernate", yaml]).ends_with(0);
    assert_eq!(host.virsh(["list", "--name"]), "");
    host.vmlife(["restore", "--or-start", "--paused", yaml])
        .ends_with(0);
    assert_eq!(
        host.virsh(["list", "--name", "--state-paused"])
            .lines()
            .count(),
        2
    );
    host.vmlife(["resume", "-f", yaml]).ends_with(0);
    assert_eq!(
        host.virsh(["list", "--name", "--state-running"])
            .lines()
            .count(),
        2
    );

    let xml = host.write(
        "three.xml",
        "<!-- mine --><domain type='qemu'><name>three</name><title>kept</title>\
         <memory unit='MiB'>16</memory><os><type arch='x86_64'>hvm</type></os></domain>",
    );
    host.vmlife([
        "restore".as_ref(),
        "--or-start".as_ref(),
        "--paused".as_ref(),
        xml.as_os_str(),
    ])
    .succeeds()
    .says("three is started, paused");
    assert!(
        host.virsh(["dumpxml", "three"])
            .contains("<title>kept</title>")
    );
}

#[test]
fn libvirts_own_managed_save_is_restored_too() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "web", 128, "");
    let before = guest.last_tick();
    host.virsh(["managedsave", "web"]);
    host.vmlife(["show"])
        .succeeds()
        .says("Suspended")
        .says("managed by libvirt");
    host.vmlife(["hibernate", "web"])
        .succeeds()
        .says("is already hibernated");
    host.vmlife(["restore", "web"])
        .succeeds()
        .says("restored from libvirt's managed save");
    guest.goes_on_after(&before);
}

#[test]
fn many_vms_end_in_the_order_asked_and_a_failure_of_one_stops_no_other() {
    let Some(host) = Session::start() else { return };
    boot_empty(&host, "b");
    define_empty(&host, "off");
    boot_empty(&host, "a");
    let ran = host
        .vmlife(["pause", "b", "off", "a", "-j", "1"])
        .ends_with(3);
    assert_eq!(ran.stdout, "b is paused\na is paused\n");
    assert_eq!(
        ran.stderr,
        "error: off cannot be paused: it is off\n3 VMs: 2 done, 1 failed\n"
    );
    host.vmlife(["resume", "--all"]).ends_with(0);
    let ran = host.vmlife(["hibernate", "--all", "-q"]).succeeds();
    assert_eq!(ran.stdout.lines().count(), 2);
    host.vmlife(["restore", "?", "--quiet", "-o", "name", "-j1"])
        .succeeds()
        .says("a\nb\n");
    assert_eq!(host.virsh(["list", "--name"]).lines().count(), 2);
}

#[test]
fn names_that_look_like_options_numbers_or_globs_are_found() {
    let Some(host) = Session::start() else { return };
    for name in [
        "--help",
        "7",
        "a*b",
        "web[1]",
        "it's \"quoted\"",
        "$(touch x)",
        "ünï 漢字",
        ";rm -rf ~",
        "a\\b",
    ] {
        let id = boot_empty(&host, name);
        host.vmlife(["pause", "--", name]).succeeds();
        assert_eq!(host.virsh(["domstate", &id]), "paused", "{name}");
        let ran = host.vmlife(["show", "-o", "json", "--", name]).succeeds();
        assert_eq!(ran.json()["vms"][0]["vmStatic"]["name"], name);
        host.vmlife(["hibernate", "-o", "name", "--", name])
            .succeeds()
            .says(name);
        assert!(host.image(&id).exists(), "{name}");
        host.vmlife(["restore", "--", name]).succeeds();
        host.virsh(["destroy", &id]);
    }
}

#[test]
fn an_image_outlives_the_daemon() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "web", 128, "");
    let before = guest.last_tick();
    host.vmlife(["hibernate", "web"]).succeeds();
    host.restart();
    // libvirt has forgotten that it saved the VM; the image has not.
    assert_eq!(host.state("web"), "shut off (unknown)");
    host.vmlife(["show"]).succeeds().says("Suspended");
    host.vmlife(["restore", "web"]).succeeds();
    guest.goes_on_after(&before);
}

#[test]
fn a_guest_that_suspended_itself_is_woken_up() {
    let Some(host) = Session::start() else {
        return;
    };
    let guest = Linux::boot(&host, "web", 128, "vmlife.agent");
    eventually("the agent answers", || {
        let ping = ["qemu-agent-command", "web", "{\"execute\":\"guest-ping\"}"];
        let answered = host
            .command("virsh")
            .args(ping)
            .output()
            .expect("virsh runs");
        answered.status.success().then_some(())
    });
    let before = guest.last_tick();
    host.virsh(["dompmsuspend", "web", "mem"]);
    eventually("it sleeps", || {
        (host.virsh(["domstate", "web"]) == "pmsuspended").then_some(())
    });
    host.vmlife(["show"])
        .succeeds()
        .says("Paused (suspended itself)");
    host.vmlife(["pause", "web"])
        .refuses(5, "the guest suspended itself");
    host.vmlife(["hibernate", "web"])
        .refuses(5, "the guest suspended itself");
    host.vmlife(["restore", "web"])
        .succeeds()
        .says("is already there");
    host.vmlife(["resume", "web"])
        .succeeds()
        .says("web is awake");
    assert_eq!(host.virsh(["domstate", "web"]), "running");
    guest.goes_on_after(&before);
}
