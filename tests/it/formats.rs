//! The formats of an image: all on a daemon that can be asked for them (libvirt 11.2), the refusal on others.

use super::support::guest::Linux;
use super::support::session::Session;
use std::fs::OpenOptions;

/// Whether this session's daemon takes a format.
fn takes_formats(host: &Session) -> bool {
    let told = host.virsh(["version", "--daemon"]);
    let version = told.split("daemon: ").nth(1).expect("the daemon's version");
    let parts: Vec<u32> = version
        .split_whitespace()
        .next()
        .expect("a version")
        .split('.')
        .map(|part| part.parse().expect("a number"))
        .collect();
    parts >= vec![11, 2, 0]
}

fn has(program: &str) -> bool {
    std::path::Path::new("/usr/bin").join(program).exists()
}

#[test]
fn memory_comes_back_in_each_format_or_none_is_taken_and_nothing_touched() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "web", 128, "");
    let image = host.image(&guest.id());
    let is_new = takes_formats(&host);
    for format in ["raw", "sparse", "gzip", "bzip2", "xz", "lzop", "zstd"] {
        let before = guest.last_tick();
        let ran = host.vmlife(["hibernate", "web", "--image-format", format]);
        if !is_new {
            let ran = ran.refuses(2, "that needs libvirt 11.2");
            assert!(ran.stderr.contains("save_image_format"), "{ran:?}");
            assert!(!image.exists() && host.state("web").starts_with("running"));
            continue;
        }
        if !["raw", "sparse"].contains(&format) && !has(format) {
            ran.refuses(2, "it runs on");
            assert!(!image.exists());
            guest.goes_on_after(&before);
            continue;
        }
        ran.succeeds().says("web is hibernated to ");
        host.vmlife(["show", "--images"]).succeeds().says(format);
        host.vmlife(["restore", "web"]).succeeds();
        guest.goes_on_after(&before);
    }
}

#[test]
fn auto_takes_the_fastest_that_there_is_and_says_why() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "web", 128, "");
    let before = guest.last_tick();
    let ran = host.vmlife(["hibernate", "web", "--image-format", "auto", "-v"]);
    let ran = ran.ends_with(0);
    let record = host.image(&guest.id()).with_extension("vmsave.json");
    let record = std::fs::read_to_string(record).expect("a record");
    if ran.stderr.contains("is written sparse") {
        assert!(takes_formats(&host));
        assert!(record.contains("\"imageFormat\": \"sparse\""), "{record}");
        assert!(record.contains("\"bypassCache\": true"), "{record}");
    } else {
        let words = "is written as the daemon is configured";
        assert!(ran.stderr.contains(words), "{ran:?}");
        assert!(record.contains("\"imageFormat\": \"raw\""), "{record}");
    }
    host.vmlife(["restore", "web"]).succeeds();
    guest.goes_on_after(&before);
}

#[test]
fn channels_are_for_sparse_images_and_for_daemons_that_know_them() {
    let Some(host) = Session::start() else { return };
    let guest = Linux::boot(&host, "web", 128, "");
    let is_new = takes_formats(&host);
    let channels = ["--parallel-channels", "2"];
    let hibernate = |words: &[&str]| host.vmlife([&["hibernate", "web"], words].concat());
    let restore = |words: &[&str]| host.vmlife([&["restore", "web"], words].concat());
    for words in [&[][..], &["--image-format", "zstd"], &["--managed"]] {
        hibernate(&[words, &channels].concat()).ends_with(2);
    }
    let before = guest.last_tick();
    hibernate(&[]).succeeds();
    let why = if is_new {
        "is raw, not sparse"
    } else {
        "that needs libvirt 11.2"
    };
    restore(&channels).refuses(2, why);
    restore(&[]).succeeds();
    guest.goes_on_after(&before);
    let sparse = ["--image-format", "sparse", "--parallel-channels", "2"];
    if !is_new {
        hibernate(&sparse).refuses(2, "that needs libvirt 11.2");
        return;
    }
    let before = guest.last_tick();
    hibernate(&sparse).succeeds();
    restore(&channels).succeeds();
    guest.goes_on_after(&before);
}

/// QEMU 10 dies in a sparse save through the page cache after a restore or a save past it.
#[test]
fn one_sparse_save_after_another_does_not_kill_the_vm_whatever_came_in_between() {
    let Some(host) = Session::start() else { return };
    if !takes_formats(&host) {
        return;
    }
    let guest = Linux::boot(&host, "web", 256, "vmlife.random=64");
    let save = |words: &[&str]| {
        host.vmlife([&["hibernate", "web", "--image-format", "sparse"], words].concat())
    };
    let channels = ["--parallel-channels", "2"];
    for restored in [
        &["--bypass-cache"][..],
        &["--bypass-cache", "--parallel-channels", "2"],
    ] {
        for saved in [&[][..], &channels] {
            let before = guest.last_tick();
            save(saved).succeeds();
            let ran = host
                .vmlife([&["restore", "web"], restored].concat())
                .ends_with(0);
            assert!(
                ran.stderr.contains("not read past the page cache"),
                "{ran:?}"
            );
            guest.goes_on_after(&before);
        }
    }
    // What virsh does next is not in our hands.
    let before = guest.last_tick();
    let file = host.path("by-virsh.save");
    let words = [
        "save",
        "web",
        file.to_str().expect("text"),
        "--image-format",
        "sparse",
    ];
    host.virsh(words);
    host.vmlife(["restore", "--from", file.to_str().expect("text")])
        .succeeds();
    guest.goes_on_after(&before);
    // A save that fails half-way, in QEMU.
    let before = guest.last_tick();
    let process = host.qemu("web");
    let limit = format!("--fsize={}:", 1024 * 1024);
    let pid = process.0.to_string();
    let limited = host
        .command("prlimit")
        .args(["--pid", &pid, &limit])
        .status();
    assert!(limited.expect("prlimit runs").success());
    let ran = save(&[]).ends_with(1);
    assert!(ran.stderr.contains("it runs on"), "{ran:?}");
    assert!(ran.stderr.contains("until it is next restored"), "{ran:?}");
    assert_eq!(host.images(), [""; 0]);
    let limited = host
        .command("prlimit")
        .args(["--pid", &pid, "--fsize=unlimited:"])
        .status();
    assert!(limited.expect("prlimit runs").success());
    save(&channels).succeeds();
    host.vmlife(["restore", "web"]).succeeds();
    guest.goes_on_after(&before);
}

#[test]
fn a_sparse_image_that_is_cut_short_is_refused_and_one_with_its_holes_is_whole() {
    let Some(host) = Session::start() else { return };
    if !takes_formats(&host) {
        return;
    }
    let guest = Linux::boot(&host, "web", 128, "");
    let before = guest.last_tick();
    let id = guest.id();
    host.vmlife(["hibernate", "web", "--image-format", "sparse", "--checksum"])
        .succeeds();
    let whole = host.image(&id);
    let copy = host.path("copy.vmsave");
    let length = std::fs::metadata(&whole).expect("an image").len();
    for cut in [1, 100, 200_000, length / 2, length - 2_000_000] {
        std::fs::copy(&whole, &copy).expect("a copy");
        host.hand_over(&copy, 0o600);
        let file = OpenOptions::new().write(true).open(&copy).expect("a file");
        file.set_len(length - cut).expect("a shorter file");
        host.vmlife(["restore", "--from", copy.to_str().expect("text")])
            .refuses(7, "cut short");
    }
    host.vmlife(["show", "--images", "--verify"])
        .succeeds()
        .says("good");
    host.vmlife(["restore", "web"]).succeeds();
    guest.goes_on_after(&before);
}
