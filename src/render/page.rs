//! All about one VM.

use super::list::{agent, job, machine, operating_system, snapshots};
use super::table::{Facts, indented, paragraph, table};
use super::text::{View, seconds, state};
use crate::entity::{
    BiosType, BootSequence, Bytes, BytesPerSecond, DiskImage, FileSystemUsage, GraphicsInfo,
    ImageStatus, InitializationType, InterfaceStatus, Kibibytes, MigrationSupport, NumaTuneMode,
    Percent, SavedImage, Seconds, Secret, Snapshot, SnapshotStatus, Vm, VmDeviceGeneralType,
    VmDynamic, VmInit, VmInitNetwork, VmNetworkInterface, VmNumaNode, VmPauseStatus, VmStatic,
    VmStatistics, VmStatus, VmType,
};
use crate::words::{count, ranges, size};
use jiff::Timestamp;

/// Deeper than this, a tree of snapshots goes down without going right.
const DEEPEST: usize = 8;

/// A headline, what there is to heed, and sections; those with nothing in them are left out.
#[must_use]
pub(super) fn page(vm: &Vm, view: &View) -> String {
    let inner = View {
        width: view.width.map(|width| width.saturating_sub(2)),
        zone: view.zone.clone(),
        ..*view
    };
    let stat = &vm.vm_static;
    let dynamic = vm.vm_dynamic.as_ref();
    let statistics = vm.vm_statistics.as_ref();
    let run = dynamic.map_or_else(String::new, |dynamic| run(dynamic, &inner));
    let end = dynamic.map_or_else(String::new, |dynamic| end(dynamic, &inner));
    let (this, last) = if vm.status().is_active() {
        (run, end)
    } else {
        (String::new(), run + &end)
    };
    let sections = [
        ("", configuration(vm, &inner)),
        (
            "first boot",
            stat.vm_init
                .as_ref()
                .map_or_else(String::new, |init| first_boot(vm, init, &inner)),
        ),
        ("this run", this),
        ("last run", last),
        (
            "usage",
            statistics.map_or_else(String::new, |usage| self::usage(vm, usage, &inner)),
        ),
        (
            "guest",
            dynamic.map_or_else(String::new, |dynamic| guest(dynamic, &inner)),
        ),
        (
            "file systems",
            statistics.map_or_else(String::new, |usage| {
                file_systems(&usage.disks_usage, &inner)
            }),
        ),
        (
            "consoles",
            dynamic.map_or_else(String::new, |dynamic| consoles(dynamic, &inner)),
        ),
        ("disks", disks(&stat.images, &inner)),
        ("disk rates", disk_rates(&stat.images, &inner)),
        ("network cards", network_cards(&stat.interfaces, &inner)),
        ("network rates", network_rates(&stat.interfaces, &inner)),
        ("snapshots", snapshot_tree(vm, &inner)),
        ("images", images(&vm.saved_images, &inner)),
    ];
    let mut page = headline(vm, view);
    page += &indented(&notices(vm, &inner));
    for (title, body) in sections {
        if !body.is_empty() {
            page += &format!(
                "\n{title}{}{}",
                if title.is_empty() { "" } else { "\n" },
                indented(&body)
            );
        }
    }
    page
}

fn headline(vm: &Vm, view: &View) -> String {
    let since = vm
        .vm_dynamic
        .as_ref()
        .and_then(|dynamic| since(vm.status(), dynamic));
    let since = since.map(|at| format!(" · since {}", view.since(at)));
    let line = format!("{}: {}{}", vm.name(), state(vm), since.unwrap_or_default());
    paragraph(&line, view.width)
}

/// Since when the VM is as it is, where that is known: nothing tells when it was paused.
fn since(status: VmStatus, dynamic: &VmDynamic) -> Option<Timestamp> {
    match status {
        VmStatus::Up if dynamic.status_reason != "unpaused" => dynamic.last_start_time,
        VmStatus::Down | VmStatus::Suspended => dynamic.last_stop_time,
        _ => None,
    }
}

/// What an administrator should see before all else.
fn notices(vm: &Vm, view: &View) -> String {
    let mut facts = Facts::default();
    facts.add("under way", job(vm));
    if let Some(lock) = &vm.lock_info {
        let whom = if lock.exclusive { "locked" } else { "in use" };
        let why: Vec<&str> = lock.messages.iter().map(String::as_str).collect();
        facts.add(
            whom,
            Some(if why.is_empty() {
                "by another".to_owned()
            } else {
                why.join(", ")
            }),
        );
    }
    if vm.next_run_configuration_exists || !vm.next_run_changed_fields.is_empty() {
        let fields: Vec<&str> = vm
            .next_run_changed_fields
            .iter()
            .map(String::as_str)
            .collect();
        let colon = if fields.is_empty() { "" } else { ": " };
        facts.add(
            "next run",
            Some(format!(
                "changes at the next boot{colon}{}",
                fields.join(", ")
            )),
        );
    }
    if vm.preview_snapshot {
        facts.add("preview", Some("it runs on a snapshot, for a look"));
    }
    facts.lines(view.width)
}

fn configuration(vm: &Vm, view: &View) -> String {
    let stat = &vm.vm_static;
    let dynamic = vm.vm_dynamic.as_ref();
    let mut facts = Facts::default();
    facts.add("id", vm.id());
    facts.add("domain id", dynamic.and_then(|dynamic| dynamic.domain_id));
    facts.add("comment", Some(&stat.comment));
    facts.text("description", &stat.description);
    facts.add("memory", memory(stat));
    facts.add(
        "guaranteed",
        stat.min_allocated_mem.map(|memory| size(memory.bytes())),
    );
    facts.add("vCPUs", Some(vcpus(stat)));
    facts.add("CPU", cpu(vm));
    facts.add("pinning", pinning(stat));
    for node in &stat.v_numa_node_list {
        facts.add("NUMA", Some(numa_node(node)));
    }
    facts.add(
        "NUMA memory",
        stat.numa_tune_mode.as_ref().map(NumaTuneMode::word),
    );
    let arch = vm.cluster_arch.as_ref().map(ToString::to_string);
    facts.add(
        "machine",
        Some(joined([stat.domain_type.clone(), arch, machine(vm)], ", ")),
    );
    facts.add("firmware", stat.bios_type.as_ref().map(firmware));
    facts.add("TPM", stat.tpm_enabled.then_some("yes"));
    let order = dynamic.and_then(|dynamic| dynamic.boot_sequence.as_ref());
    let order = boot_order(order.unwrap_or(&stat.default_boot_sequence));
    let menu = stat.boot_menu_enabled.then(|| "else by a menu".to_owned());
    facts.add("boot order", Some(joined([Some(order), menu], ", ")));
    facts.add(
        "kernel",
        stat.kernel_url.as_ref().map(|path| path.display()),
    );
    facts.add(
        "initrd",
        stat.initrd_url.as_ref().map(|path| path.display()),
    );
    facts.add("parameters", stat.kernel_params.as_ref());
    let cd = dynamic.and_then(|dynamic| dynamic.current_cd.clone());
    let iso = stat
        .iso_path
        .as_ref()
        .map(|path| path.display().to_string());
    facts.add("CD", iso.or(cd));
    if let Some(payload) = &vm.vm_payload {
        let files: Vec<&str> = payload.files.keys().map(String::as_str).collect();
        let what = payload.device.as_deref().unwrap_or("files");
        facts.add("payload", Some(format!("{what}: {}", files.join(", "))));
    }
    facts.add(
        "I/O threads",
        Some(stat.num_of_io_threads).filter(|threads| *threads > 0),
    );
    facts.add(
        "serial log",
        stat.serial_log_path.as_ref().map(|path| path.display()),
    );
    let devices = stat
        .managed_device_map
        .values()
        .chain(&stat.unmanaged_device_list);
    for device in devices.filter(|it| it.general_type == Some(VmDeviceGeneralType::Hostdev)) {
        facts.add(
            "host device",
            device.host_device.as_ref().or(device.device.as_ref()),
        );
    }
    facts.add(
        "priority",
        Some(stat.priority).filter(|priority| *priority > 0),
    );
    facts.add("group", stat.vm_group_name.as_ref());
    facts.add("template", stat.original_template_name.as_ref());
    facts.add("tuned for", stat.vm_type.as_ref().map(VmType::word));
    facts.add("created", stat.creation_date.map(|at| view.time(at)));
    facts.add("properties", Some(&stat.custom_properties));
    facts.add("also", Some(flags(stat)));
    facts.lines(view.width)
}

fn memory(stat: &VmStatic) -> Option<String> {
    let memory = stat.mem_size_mb?;
    let most = stat.max_memory_size_mb.filter(|most| *most > memory);
    let most = most.map(|most| format!(" of at most {}", size(most.bytes())));
    Some(size(memory.bytes()) + &most.unwrap_or_default())
}

fn vcpus(stat: &VmStatic) -> String {
    let (plugged, most) = (stat.cpu_count(), stat.max_num_of_cpus());
    let mut words = plugged.to_string();
    if plugged < most {
        words += &format!(" of {most}");
    }
    let topology = [
        (stat.num_of_sockets, "socket"),
        (stat.cpu_per_socket, "core"),
        (stat.threads_per_cpu, "thread"),
    ];
    // Sockets of one core each are what everybody expects.
    if topology[1..].iter().any(|(number, _)| *number > 1) {
        let topology = topology.map(|(number, noun)| count(number as usize, noun));
        words += &format!(" ({})", topology.join(" x "));
    }
    words
}

fn cpu(vm: &Vm) -> Option<String> {
    let live = vm
        .vm_dynamic
        .as_ref()
        .and_then(|dynamic| dynamic.cpu_name.clone());
    let host = vm
        .vm_static
        .use_host_cpu_flags
        .then(|| "the host's own".to_owned());
    live.or_else(|| vm.vm_static.custom_cpu_name.clone())
        .or(host)
}

fn pinning(stat: &VmStatic) -> Option<String> {
    // oVirt's way to write it is dense: "0#0-3_1#4".
    let pinned = stat
        .cpu_pinning
        .as_ref()?
        .split('_')
        .map(|pin| match pin.split_once('#') {
            Some((vcpu, cpus)) => format!("vCPU {vcpu} on {cpus}"),
            None => pin.to_owned(),
        });
    Some(pinned.collect::<Vec<_>>().join("; "))
}

fn numa_node(node: &VmNumaNode) -> String {
    let hosts = Some(&node.vds_numa_node_list).filter(|hosts| !hosts.is_empty());
    let hosts = hosts.map(|hosts| format!("on host nodes {}", ranges(hosts)));
    let mode = node
        .numa_tune_mode
        .as_ref()
        .map(|mode| mode.word().to_owned());
    let vcpus = Some(ranges(&node.cpu_ids)).filter(|vcpus| !vcpus.is_empty());
    let parts = [
        vcpus.map(|vcpus| format!("vCPUs {vcpus}")),
        Some(size(node.mem_total.bytes())),
        hosts.map(|hosts| joined([Some(hosts), mode.map(|mode| format!("({mode})"))], " ")),
    ];
    format!("node {}: {}", node.index, joined(parts, ", "))
}

fn firmware(bios: &BiosType) -> &str {
    match bios {
        BiosType::I440fxSeaBios => "BIOS (i440FX)",
        BiosType::Q35SeaBios => "BIOS (Q35)",
        BiosType::Q35Ovmf => "UEFI (Q35)",
        BiosType::Q35SecureBoot => "UEFI with Secure Boot (Q35)",
        BiosType::Other(word) => word,
    }
}

fn boot_order(order: &BootSequence) -> String {
    if let BootSequence::Other(word) = order {
        return word.clone();
    }
    let devices = order.word().chars().map(|letter| match letter {
        'C' => "disk",
        'D' => "CD",
        _ => "network",
    });
    devices.collect::<Vec<_>>().join(", ")
}

/// What is so or not, in words.
fn flags(stat: &VmStatic) -> String {
    let flags = [
        (stat.auto_startup, "highly available"),
        (stat.stateless, "stateless"),
        (stat.run_and_pause, "starts paused"),
        (stat.delete_protected, "protected from removal"),
        (!stat.balloon_enabled, "no balloon"),
        (
            stat.migration_support == MigrationSupport::PinnedToHost,
            "cannot migrate",
        ),
        (
            stat.migration_support == MigrationSupport::ImplicitlyNonMigratable,
            "migrates by hand only",
        ),
    ];
    let flags = flags
        .into_iter()
        .filter(|(is_so, _)| *is_so)
        .map(|(_, words)| words);
    flags.collect::<Vec<_>>().join(", ")
}

fn first_boot(vm: &Vm, init: &VmInit, view: &View) -> String {
    let mut facts = Facts::default();
    let by = vm
        .initialization_type
        .as_ref()
        .map(InitializationType::word);
    let done = vm.vm_static.initialized.then_some("done");
    let how: Vec<&str> = by.into_iter().chain(done).collect();
    facts.add("by", Some(how.join(", ")));
    facts.add("host name", init.hostname.as_ref());
    facts.add("domain", init.domain.as_ref());
    facts.add("organization", init.org_name.as_ref());
    facts.add("time zone", init.time_zone.as_ref());
    facts.add("user", init.user_name.as_ref());
    let stored = init.password_already_stored.then(|| "kept".to_owned());
    facts.text(
        "password",
        &init
            .root_password
            .as_ref()
            .map(secret)
            .or(stored)
            .unwrap_or_default(),
    );
    for (name, value) in [
        ("SSH keys", &init.authorized_keys),
        ("product key", &init.win_key),
        ("script", &init.custom_script),
    ] {
        facts.text(name, &value.as_ref().map(secret).unwrap_or_default());
    }
    facts.add("DNS servers", init.dns_servers.as_ref());
    facts.add("DNS search", init.dns_search.as_ref());
    for network in &init.networks {
        facts.add("network", Some(first_network(network)));
    }
    let locales = [
        &init.system_locale,
        &init.user_locale,
        &init.ui_language,
        &init.input_locale,
    ];
    let mut locales: Vec<String> = locales.into_iter().flatten().cloned().collect();
    locales.dedup();
    facts.add("locale", Some(locales.join(", ")));
    facts.lines(view.width)
}

fn secret(secret: &Secret) -> String {
    secret.revealed().unwrap_or("set (hidden)").to_owned()
}

/// "eth0: 192.168.122.10, netmask 255.255.255.0, gateway 192.168.122.1".
fn first_network(network: &VmInitNetwork) -> String {
    let name = network.name.as_ref().map(|name| format!("{name}: "));
    let ipv4 = network.ip.as_deref().or(Some(network.boot_protocol.word()));
    let prefix = network.ipv6_prefix.map(|prefix| format!("/{prefix}"));
    let gateway = |gateway: &String| format!("gateway {gateway}");
    let parts = [
        ipv4.map(|address| name.unwrap_or_default() + address),
        network
            .netmask
            .as_ref()
            .map(|mask| format!("netmask {mask}")),
        network.gateway.as_ref().map(gateway),
        network
            .ipv6_address
            .as_ref()
            .map(|it| format!("{it}{}", prefix.unwrap_or_default())),
        network.ipv6_gateway.as_ref().map(gateway),
    ];
    joined(parts, ", ")
}

fn run(dynamic: &VmDynamic, view: &View) -> String {
    let mut facts = Facts::default();
    facts.add("started", dynamic.last_start_time.map(|at| view.time(at)));
    // Hibernation does not end a run: only where the two differ, there is more to tell.
    let booted = dynamic
        .boot_time
        .filter(|_| dynamic.boot_time != dynamic.last_start_time);
    facts.add("booted", booted.map(|at| view.time(at)));
    let hibernated = Some(dynamic.downtime.0).filter(|time| *time > 0);
    #[expect(clippy::cast_precision_loss)] // It is rounded anyway.
    facts.add(
        "hibernated",
        hibernated.map(|time| format!("for {}", seconds(time as f64 / 1000.0))),
    );
    facts.add("paused by", paused_by(dynamic.pause_status));
    facts.add("host", dynamic.run_on_vds);
    facts.add("moving to", dynamic.migrating_to_vds);
    facts.add(
        "run once",
        dynamic.run_once.then_some("it is not quite as configured"),
    );
    facts.add(
        "volatile",
        dynamic
            .volatile_run
            .then_some("a reboot of the guest ends it"),
    );
    let watchdog = dynamic
        .last_watchdog_event
        .and_then(|at| Timestamp::from_second(at).ok());
    let watchdog = watchdog.map(|at| format!("fired {}", view.time(at)));
    facts.add(
        "watchdog",
        Some(joined(
            [watchdog, dynamic.last_watchdog_action.clone()],
            ", ",
        )),
    );
    facts.lines(view.width)
}

/// How the last run ended.
fn end(dynamic: &VmDynamic, view: &View) -> String {
    let mut facts = Facts::default();
    facts.add("stopped", dynamic.last_stop_time.map(|at| view.time(at)));
    let exit = [
        dynamic
            .exit_status
            .as_ref()
            .map(|status| status.word().to_owned()),
        dynamic
            .exit_reason
            .as_ref()
            .map(|reason| reason.word().to_owned()),
        dynamic.exit_message.clone(),
    ];
    facts.add("ended", Some(joined(exit, ", ")));
    facts.add("because", dynamic.stop_reason.as_ref());
    facts.lines(view.width)
}

fn paused_by(status: VmPauseStatus) -> Option<String> {
    let words = match status {
        VmPauseStatus::None => return None,
        VmPauseStatus::Noerr => "somebody's wish",
        VmPauseStatus::Postcopy => "a post-copy migration",
        VmPauseStatus::Eother => "an error",
        VmPauseStatus::Eio => "a disk that could not be read or written",
        VmPauseStatus::Enospc => "a disk without room",
        VmPauseStatus::Eperm => "a disk that could not be accessed",
    };
    Some(format!("{words} ({status})"))
}

fn usage(vm: &Vm, usage: &VmStatistics, view: &View) -> String {
    let percent = |share: u32| format!("{share} %");
    let of_host =
        |name: &str, share: Option<Percent>| share.map(|share| format!("{name} {:.1} %", share.0));
    let kib = |kib: Kibibytes| size(kib.0.saturating_mul(1024));
    let mut facts = Facts::default();
    let parts = [
        of_host("guest", usage.cpu_user),
        of_host("QEMU", usage.cpu_sys),
    ];
    let parts = Some(joined(parts, ", ")).filter(|parts| !parts.is_empty());
    let parts = parts.map(|parts| format!("({parts} of a host CPU)"));
    facts.add(
        "CPU",
        Some(joined([usage.usage_cpu_percent.map(percent), parts], " ")),
    );
    facts.add("CPU time", usage.cpu_time.map(|time| seconds(time.0)));
    let balloon = usage.balloon_current;
    let all = balloon
        .map(|all| all.0)
        .or_else(|| Some(vm.vm_static.mem_size_mb?.kib()));
    let used = all
        .zip(usage.guest_memory_free)
        .map(|(all, free)| Kibibytes(all.saturating_sub(free.0)));
    let share = usage.usage_mem_percent.map(percent);
    let used = match (used, share) {
        (Some(used), Some(share)) => Some(format!("{} used ({share})", kib(used))),
        (Some(used), None) => Some(format!("{} used", kib(used))),
        (None, share) => share.map(|share| format!("{share} used")),
    };
    let free = usage
        .guest_memory_free
        .map(|free| format!("{} free", kib(free)));
    let files = usage
        .guest_memory_cached
        .map(|files| format!("{} in caches", kib(files)));
    facts.add("memory", Some(joined([used, free, files], ", ")));
    let left = balloon.map(|left| format!("leaves {} to the guest", kib(left)));
    facts.add("balloon", left);
    facts.add(
        "on the host",
        usage
            .balloon_rss
            .map(|rss| format!("{} of memory", kib(rss))),
    );
    facts.add("network", usage.usage_network_percent.map(percent));
    facts.add("migration", usage.migration_progress_percent.map(percent));
    facts.lines(view.width)
}

fn guest(dynamic: &VmDynamic, view: &View) -> String {
    let mut facts = Facts::default();
    facts.add("agent", dynamic.qemu_guest_agent_status.as_ref().map(agent));
    facts.add(
        "oVirt agent",
        dynamic.ovirt_guest_agent_status.as_ref().map(agent),
    );
    facts.add(
        "host name",
        dynamic.fqdn.as_ref().or(dynamic.vm_host.as_ref()),
    );
    let arch = dynamic
        .guest_os_arch
        .as_ref()
        .map(|arch| arch.word().to_owned());
    facts.add("OS", Some(joined([operating_system(dynamic), arch], ", ")));
    facts.add("kernel", dynamic.guest_os_kernel_version.as_ref());
    let offset = dynamic.guest_os_timezone_offset.map(|minutes| {
        let (sign, all) = (if minutes < 0 { '-' } else { '+' }, minutes.unsigned_abs());
        format!("UTC{sign}{:02}:{:02}", all / 60, all % 60)
    });
    facts.add(
        "time zone",
        Some(joined(
            [dynamic.guest_os_timezone_name.clone(), offset],
            ", ",
        )),
    );
    facts.add("users", dynamic.guest_cur_user_name.as_ref());
    facts.add("addresses", dynamic.ip.as_ref());
    facts.lines(view.width)
}

fn file_systems(systems: &[FileSystemUsage], view: &View) -> String {
    let rows = systems.iter().map(|system| {
        let Bytes(all) = system.total;
        let Bytes(used) = system.used;
        let percent = (u128::from(used) * 100).checked_div(u128::from(all));
        let percent = percent
            .map(|percent| format!(" ({percent} %)"))
            .unwrap_or_default();
        [
            system.path.clone(),
            system.fs.clone().unwrap_or_default(),
            size(all),
            size(used) + &percent,
        ]
    });
    filled(&["MOUNT", "FS", "SIZE", "USED"], rows, view)
}

fn consoles(dynamic: &VmDynamic, view: &View) -> String {
    let viewer = [
        dynamic.console_current_user_name.clone(),
        dynamic
            .client_ip
            .as_ref()
            .map(|address| format!("at {address}")),
    ];
    let rows = dynamic.graphics_infos.iter().map(|(kind, info)| {
        [
            kind.word().to_owned(),
            console_place(info),
            console_notes(info),
        ]
    });
    let table = filled(&["CONSOLE", "ADDRESS", "NOTES"], rows, view);
    let mut facts = Facts::default();
    facts.add("viewed by", Some(joined(viewer, " ")));
    facts.add("keyboard", dynamic.vnc_keyboard_layout.as_ref());
    joined([table, facts.lines(view.width)].map(Some), "\n")
}

fn console_place(info: &GraphicsInfo) -> String {
    let host = info.ip.as_deref().unwrap_or("?");
    // An IPv6 address has colons of its own.
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    let parts = [
        info.port.map(|port| format!("{host}:{port}")),
        info.tls_port.map(|port| format!("{host}:{port} (TLS)")),
        info.socket
            .as_ref()
            .map(|socket| socket.display().to_string()),
    ];
    joined(parts, ", ")
}

fn console_notes(info: &GraphicsInfo) -> String {
    let ticket = info
        .ticket
        .as_ref()
        .map(|ticket| format!("password {}", secret(ticket)));
    let until = info
        .ticket_valid_to
        .as_ref()
        .map(|until| format!("valid to {until}"));
    joined([ticket, until], ", ")
}

fn disks(disks: &[DiskImage], view: &View) -> String {
    let bytes = |bytes: Option<Bytes>| bytes.map(|bytes| size(bytes.0)).unwrap_or_default();
    let rows = disks.iter().map(|disk| {
        let place = disk.image_path.clone().unwrap_or_default();
        let servers = disk.source_hosts.join(", ");
        [
            disk.target_dev
                .clone()
                .unwrap_or_else(|| disk.disk_alias.clone()),
            disk.disk_interface
                .as_ref()
                .map(|bus| bus.libvirt().into_owned())
                .unwrap_or_default(),
            disk.volume_format
                .as_ref()
                .map(|format| format.libvirt().into_owned())
                .unwrap_or_default(),
            bytes(disk.size),
            bytes(disk.actual_size_in_bytes),
            if servers.is_empty() {
                place
            } else {
                format!("{place} at {servers}")
            },
            disk_notes(disk),
        ]
    });
    filled(
        &["DISK", "BUS", "FORMAT", "SIZE", "USED", "PATH", "NOTES"],
        rows,
        view,
    )
}

fn disk_notes(disk: &DiskImage) -> String {
    let layers = Some(disk.snapshots.len()).filter(|layers| *layers > 0);
    let word = |is_so: bool, word: &str| is_so.then(|| word.to_owned());
    let status = disk.image_status.as_ref();
    let guest = disk
        .logical_name
        .as_deref()
        .map(|name| name.trim_start_matches("/dev/"));
    let guest = guest.filter(|name| Some(*name) != disk.target_dev.as_deref());
    let notes = [
        status
            .filter(|status| **status == ImageStatus::Illegal)
            .map(|_| "broken".to_owned()),
        status
            .filter(|status| **status == ImageStatus::Locked)
            .map(|_| "locked".to_owned()),
        disk.progress.map(|percent| format!("job at {percent} %")),
        word(disk.plugged == Some(false), "not plugged in"),
        word(disk.boot, "boot"),
        word(disk.read_only, "read only"),
        word(disk.shareable, "shareable"),
        word(disk.is_lun(), "LUN"),
        layers.map(|layers| format!("{} below", count(layers, "layer"))),
        guest.map(|name| format!("{name} in the guest")),
    ];
    joined(notes, ", ")
}

fn disk_rates(disks: &[DiskImage], view: &View) -> String {
    let rate = |rate: Option<BytesPerSecond>| rate.map(|rate| format!("{}/s", size(rate.0)));
    let wait = |wait: Option<Seconds>| wait.map(|wait| format!("{:.1} ms", wait.0 * 1000.0));
    let rows = disks.iter().filter_map(|disk| {
        let cells = [
            rate(disk.read_rate),
            rate(disk.write_rate),
            wait(disk.read_latency),
            wait(disk.write_latency),
            wait(disk.flush_latency),
        ];
        let [read, write, reading, writing, flushing] = cells
            .iter()
            .any(Option::is_some)
            .then(|| cells.map(Option::unwrap_or_default))?;
        let name = disk
            .target_dev
            .clone()
            .unwrap_or_else(|| disk.disk_alias.clone());
        Some([name, read, write, reading, writing, flushing])
    });
    filled(
        &["DISK", "READ", "WRITTEN", "A READ", "A WRITE", "A FLUSH"],
        rows,
        view,
    )
}

fn network_cards(cards: &[VmNetworkInterface], view: &View) -> String {
    let rows = cards.iter().map(|card| {
        let statistics = card.statistics.as_ref();
        let is_up = match statistics.and_then(|statistics| statistics.status.as_ref()) {
            Some(InterfaceStatus::Up) => true,
            Some(InterfaceStatus::Down) => false,
            _ => card.linked,
        };
        let bytes = |bytes: Option<u64>| bytes.map(size).unwrap_or_default();
        let notes = [
            (card.plugged == Some(false)).then(|| "not plugged in".to_owned()),
            (card.synced == Some(false)).then(|| "not as configured".to_owned()),
            card.port_mirroring.then(|| "sees all traffic".to_owned()),
            card.logical_name
                .as_ref()
                .map(|name| format!("{name} in the guest")),
        ];
        [
            card.name.clone(),
            card.mac_address.clone().unwrap_or_default(),
            card.interface_type
                .as_ref()
                .map(|kind| kind.libvirt().into_owned())
                .unwrap_or_default(),
            card.network_name
                .clone()
                .or(card.source_type.clone())
                .unwrap_or_default(),
            if is_up { "up" } else { "down" }.to_owned(),
            card.addresses.join(", "),
            bytes(statistics.and_then(|statistics| statistics.received_bytes)),
            bytes(statistics.and_then(|statistics| statistics.transmitted_bytes)),
            joined(notes, ", "),
        ]
    });
    let header = [
        "NAME",
        "MAC",
        "TYPE",
        "NETWORK",
        "LINK",
        "ADDRESSES",
        "RX",
        "TX",
        "NOTES",
    ];
    filled(&header, rows, view)
}

fn network_rates(cards: &[VmNetworkInterface], view: &View) -> String {
    let percent = |share: Option<Percent>| {
        share
            .map(|share| format!("{:.1} %", share.0))
            .unwrap_or_default()
    };
    let rows = cards.iter().filter_map(|card| {
        let statistics = card.statistics.as_ref()?;
        statistics.receive_rate.or(statistics.transmit_rate)?;
        let lost = [
            (statistics.receive_drops, "in"),
            (statistics.transmit_drops, "out"),
        ];
        let lost =
            lost.map(|(lost, way)| Some(format!("{} {way}", lost.filter(|lost| *lost > 0)?)));
        Some([
            card.name.clone(),
            percent(statistics.receive_rate),
            percent(statistics.transmit_rate),
            joined(lost, ", "),
        ])
    });
    filled(&["NAME", "RECEIVING", "SENDING", "LOST"], rows, view)
}

/// The snapshots, each below the one that it was made upon.
fn snapshot_tree(vm: &Vm, view: &View) -> String {
    let all: Vec<&Snapshot> = snapshots(vm).collect();
    let rows = tree(&all).into_iter().map(|(snapshot, depth)| {
        let mark = if snapshot.current { " *" } else { "" };
        let locked = match &snapshot.status {
            Some(SnapshotStatus::Locked) => Some("locked".to_owned()),
            Some(SnapshotStatus::InPreview) => Some("in preview".to_owned()),
            _ => None,
        };
        [
            format!(
                "{:indent$}{}{mark}",
                "",
                snapshot.name,
                indent = depth.min(DEEPEST) * 2
            ),
            joined([snapshot.vm_state.clone(), locked], ", "),
            snapshot
                .creation_date
                .map(|at| view.time(at))
                .unwrap_or_default(),
            snapshot
                .memory
                .as_ref()
                .map(|path| path.display().to_string())
                .unwrap_or_default(),
            snapshot.description.clone().unwrap_or_default(),
        ]
    });
    filled(
        &["NAME", "STATE", "CREATED", "MEMORY", "DESCRIPTION"],
        rows,
        view,
    )
}

/// Each snapshot once, with its depth, children behind their parents. What says that it is its own
/// ancestor is shown at the left.
fn tree<'a>(all: &[&'a Snapshot]) -> Vec<(&'a Snapshot, usize)> {
    let parent = |snapshot: &Snapshot| {
        let name = snapshot.parent.as_deref()?;
        all.iter().position(|other| other.name == name)
    };
    let mut seen = vec![false; all.len()];
    let mut rows = Vec::new();
    let roots = (0..all.len()).filter(|index| parent(all[*index]).is_none());
    for root in roots.chain(0..all.len()) {
        let mut left = vec![(root, 0)];
        while let Some((index, depth)) = left.pop() {
            if std::mem::replace(&mut seen[index], true) {
                continue;
            }
            rows.push((all[index], depth));
            // The last one pushed is the first one shown.
            let children = (0..all.len())
                .rev()
                .filter(|child| parent(all[*child]) == Some(index));
            left.extend(children.map(|child| (child, depth + 1)));
        }
    }
    rows
}

fn images(images: &[SavedImage], view: &View) -> String {
    let rows = images.iter().map(|image| {
        let path = image.path.as_ref().map(|path| path.display().to_string());
        let after = match image.was_running {
            Some(true) => "runs on",
            Some(false) => "stays paused",
            None => "",
        };
        let verdict = match (&image.flaw, image.verified) {
            (Some(flaw), _) => flaw.clone(),
            (None, Some(true)) => format!("{}, verified", image.verdict),
            (None, _) => image.verdict.to_string(),
        };
        [
            path.unwrap_or_else(|| "managed by libvirt".to_owned()),
            image.size_bytes.map(size).unwrap_or_default(),
            image.saved_at.map(|at| view.age(at)).unwrap_or_default(),
            image.format.clone().unwrap_or_default(),
            verdict,
            image.unchecked.clone().unwrap_or_default(),
            after.to_owned(),
        ]
    });
    filled(
        &[
            "IMAGE",
            "SIZE",
            "AGE",
            "FORMAT",
            "VERDICT",
            "NOT CHECKED",
            "WHEN RESTORED",
        ],
        rows,
        view,
    )
}

/// A table without the columns that have nothing in any row; nothing at all without rows.
fn filled<const N: usize>(
    header: &[&str; N],
    rows: impl Iterator<Item = [String; N]>,
    view: &View,
) -> String {
    let rows: Vec<[String; N]> = rows.collect();
    let full: Vec<usize> = (0..N)
        .filter(|at| rows.iter().any(|row| !row[*at].is_empty()))
        .collect();
    if full.is_empty() {
        return String::new();
    }
    let header: Vec<&str> = full.iter().map(|at| header[*at]).collect();
    let cell = |text: &str| if text.is_empty() { "-" } else { text }.to_owned();
    let rows = rows
        .iter()
        .map(|row| full.iter().map(|at| cell(&row[*at])).collect());
    table(&header, true, rows.collect(), u16::MAX, view.width)
}

fn joined(words: impl IntoIterator<Item = Option<String>>, between: &str) -> String {
    let words = words.into_iter().flatten().filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(between)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::sample;
    use crate::render::list::{chosen, columns, list};
    use crate::render::text::treacherous;
    use jiff::tz::TimeZone;
    use serde_json::Value;

    fn at_width(width: Option<u16>) -> View {
        View {
            width,
            now: "2026-03-01T13:00:00Z".parse().unwrap(),
            zone: TimeZone::fixed(jiff::tz::offset(1)),
        }
    }

    #[test]
    fn a_page_tells_all() {
        assert_eq!(page(&sample(), &at_width(None)), WIDE);
    }

    #[test]
    fn a_page_fits_a_usual_terminal() {
        assert_eq!(page(&sample(), &at_width(Some(80))), USUAL);
    }

    #[test]
    fn what_there_is_nothing_of_takes_no_room() {
        let vm: Vm = serde_json::from_str(r#"{"vmStatic": {"name": "bare"}}"#).unwrap();
        assert_eq!(
            page(&vm, &at_width(Some(80))),
            "bare: as defined\n\n  vCPUs          1\n  boot order     disk\n"
        );
    }

    #[test]
    fn of_a_vm_that_is_off_the_last_run_is_told() {
        let mut vm = sample();
        let dynamic = vm.vm_dynamic.as_mut().unwrap();
        dynamic.status = VmStatus::Suspended;
        let page = page(&vm, &at_width(None));
        assert!(
            page.starts_with("web-1: Suspended · since 2026-03-01 11:00 (3 hours)\n"),
            "{page}"
        );
        assert!(
            !page.contains("\nthis run\n") && page.contains("\nlast run\n  started "),
            "{page}"
        );
    }

    #[test]
    fn a_secret_is_told_only_when_it_was_revealed() {
        let mut vm = sample();
        assert!(!page(&vm, &at_width(None)).contains("pa55word"));
        vm.reveal_secrets();
        let page = page(&vm, &at_width(None));
        assert!(page.contains("  password       pa55word\n"), "{page}");
        assert!(
            page.contains("script         runcmd:\n                 - reboot\n"),
            "{page}"
        );
    }

    #[test]
    fn a_tree_has_each_snapshot_once_whatever_their_parents_say() {
        let named = |name: &str, parent: &str| Snapshot {
            name: name.to_owned(),
            parent: Some(parent.to_owned()),
            ..Snapshot::default()
        };
        let all = [
            named("b", "a"),
            named("a", "gone"),
            named("c", "b"),
            named("self", "self"),
            named("x", "y"),
            named("y", "x"),
        ];
        let all: Vec<&Snapshot> = all.iter().collect();
        let shown: String = tree(&all)
            .into_iter()
            .map(|(snapshot, depth)| format!("{}{depth} ", snapshot.name))
            .collect();
        assert_eq!(shown, "a0 b1 c2 self0 x0 y1 ");
    }

    #[test]
    fn nothing_overflows_a_narrow_terminal() {
        let columns: Vec<_> = columns().iter().collect();
        for vm in [
            sample(),
            poisoned("漢字 漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字"),
        ] {
            let vms = [vm.clone(), vm];
            for width in [40, 60, 80, 120] {
                let view = at_width(Some(width));
                let mut shown = page(&vms[0], &view);
                shown += &list(&vms, &chosen(crate::cli::Form::Wide, &[]), true, &view);
                shown += &list(&vms, &columns, true, &view);
                for line in shown.lines() {
                    let taken = taken_by(line);
                    assert!(
                        taken <= usize::from(width),
                        "{width}: {line:?} takes {taken}"
                    );
                }
            }
        }
    }

    #[test]
    fn no_text_from_outside_steers_the_terminal() {
        let columns: Vec<_> = columns().iter().collect();
        for revealed in [false, true] {
            let mut vm = poisoned("x\u{1b}[2J\r\nERROR\u{202e}\u{9b}31m\u{200b}");
            if revealed {
                vm.reveal_secrets();
            }
            for width in [None, Some(80), Some(40)] {
                let view = at_width(width);
                let shown = page(&vm, &view) + &list(&[vm.clone()], &columns, true, &view);
                let bad = shown.chars().find(|it| *it != '\n' && treacherous(*it));
                assert_eq!(bad, None, "{shown}");
                assert!(shown.contains("\\u{1b}"), "{shown}");
                let forged = shown.lines().find(|line| line.starts_with("ERROR"));
                assert_eq!(forged, None, "{shown}");
            }
        }
    }

    /// The columns that a line takes, as they are counted for tables.
    fn taken_by(line: &str) -> usize {
        let mut table = comfy_table::Table::new();
        table.add_row([line]);
        table.column_max_content_widths()[0].into()
    }

    /// The sample with this text wherever any text may stand: values and keys.
    fn poisoned(text: &str) -> Vm {
        fn is_vm(value: &Value) -> bool {
            serde_json::from_value::<Vm>(value.clone()).is_ok()
        }
        let mut whole = serde_json::to_value(sample()).unwrap();
        let mut paths = Vec::new();
        walk(&whole, "", &mut paths);
        let mut hits = 0;
        // What is below comes first, so that a new key spoils no path.
        for path in paths.iter().rev() {
            for poison in [text.to_owned(), format!("Unknown({text})")] {
                let mut tried = whole.clone();
                let value = tried.pointer_mut(path).unwrap();
                if value.is_string() {
                    *value = poison.into();
                    if is_vm(&tried) {
                        (whole, hits) = (tried, hits + 1);
                        break;
                    }
                }
            }
            let (parent, key) = path.rsplit_once('/').unwrap();
            let mut tried = whole.clone();
            if let Some(Value::Object(fields)) = tried.pointer_mut(parent) {
                let value = fields.remove(key).unwrap();
                fields.insert(format!("{key}{text}"), value);
                if is_vm(&tried) {
                    (whole, hits) = (tried, hits + 1);
                }
            }
        }
        assert!(hits > 80, "only {hits} texts");
        serde_json::from_value(whole).unwrap()
    }

    fn walk(value: &Value, path: &str, paths: &mut Vec<String>) {
        let mut step = |name: &dyn std::fmt::Display, value| {
            let path = format!("{path}/{name}");
            paths.push(path.clone());
            walk(value, &path, paths);
        };
        match value {
            Value::Array(items) => items
                .iter()
                .enumerate()
                .for_each(|(at, item)| step(&at, item)),
            Value::Object(fields) => fields.iter().for_each(|(name, field)| step(name, field)),
            _ => {}
        }
    }

    const WIDE: &str = r"web-1: Up (restored) · since 2026-03-01 12:00 (2 hours)
  under way      save, 40 %
  locked         vmlife hibernate
  next run       changes at the next boot: images, memSizeMb
  preview        it runs on a snapshot, for a look

  id             6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a11
  domain id      7
  comment        shop
  description    The shop's front.
                 Ask Ada before touching it:
                     - it has customers
  memory         2.00 GiB of at most 4.00 GiB
  guaranteed     1.00 GiB
  vCPUs          2 of 8 (2 sockets x 2 cores x 2 threads)
  CPU            Skylake-Server,+pcid,-hle
  pinning        vCPU 0 on 0-3,^2; vCPU 1 on 4
  NUMA           node 0: vCPUs 0-3,7, 1.00 GiB, on host nodes 0-1 (strict)
  NUMA           node 1: vCPUs 4-6, 1.00 GiB
  NUMA memory    interleave
  machine        kvm, x86_64, pc-q35-7.2
  firmware       UEFI with Secure Boot (Q35)
  TPM            yes
  boot order     network, disk, else by a menu
  kernel         /boot/vmlinuz
  initrd         /boot/initrd.img
  parameters     console=ttyS0 quiet
  CD             /srv/iso/debian-12.iso
  payload        cdrom: meta-data, user-data
  I/O threads    1
  serial log     /var/log/web-1.log
  host device    pci_0000_01_00_0
  priority       50
  group          shop
  template       debian-12
  tuned for      Server
  created        2026-01-01 10:00 (8 weeks ago)
  properties     hugepages=1048576
  also           highly available, stateless, starts paused, protected from removal, no balloon, cannot migrate

first boot
  by             CloudInit, done
  host name      web-1
  domain         example.org
  time zone      Europe/Berlin
  user           ada
  password       set (hidden)
  SSH keys       set (hidden)
  script         set (hidden)
  DNS servers    192.168.122.1
  DNS search     example.org
  network        eth0: 192.168.122.10, netmask 255.255.255.0, gateway 192.168.122.1, 2001:db8::10/64, gateway 2001:db8::1
  locale         de_DE

this run
  started        2026-03-01 12:00 (2 hours ago)
  booted         2026-02-20 09:30 (9 days ago)
  hibernated     for 60 minutes
  paused by      somebody's wish (NOERR)
  host           0b2cbf5e-4f1e-4a3c-8f43-5a3f5a7c6d21
  run once       it is not quite as configured
  volatile       a reboot of the guest ends it
  watchdog       fired 2026-03-01 12:00 (2 hours ago), reset

last run
  stopped        2026-03-01 11:00 (3 hours ago)
  ended          Normal, SaveStateSucceeded, hibernated by vmlife
  because        new power supply

usage
  CPU            12 % (guest 20.5 %, QEMU 3.2 % of a host CPU)
  CPU time       2 hours
  memory         1.20 GiB used (60 %), 819.20 MiB free, 300.00 MiB in caches
  balloon        leaves 2.00 GiB to the guest
  on the host    1.50 GiB of memory
  network        2 %
  migration      40 %

guest
  agent          connected
  host name      web-1.example.org
  OS             Debian GNU/Linux 12 (bookworm), x86_64
  kernel         6.1.0-18-amd64
  time zone      CET, UTC+01:00
  users          ada, bob
  addresses      192.168.122.10 fe80::5054:ff:fe12:3456

file systems
  MOUNT      FS    SIZE        USED
  /          ext4  19.52 GiB   3.00 GiB (15 %)
  /boot/efi  vfat  510.98 MiB  6.00 MiB (1 %)

consoles
  CONSOLE  ADDRESS                       NOTES
  SPICE    [::1]:5901, [::1]:5902 (TLS)  -
  VNC      127.0.0.1:5900                password set (hidden), valid to 2026-03-02T00:00:00

  viewed by      ada at 192.168.122.1
  keyboard       de

disks
  DISK  BUS     FORMAT  SIZE       USED      PATH                                  NOTES
  vda   virtio  qcow2   20.00 GiB  3.20 GiB  /var/lib/libvirt/images/web-1.qcow2   boot, 2 layers below
  sda   scsi    raw     -          -         rbd/data at ceph-a:6789, ceph-b:6789  broken, not plugged in, read only, shareable, LUN, sdb in the guest

disk rates
  DISK  READ        WRITTEN     A READ  A WRITE  A FLUSH
  vda   1.00 MiB/s  2.00 MiB/s  0.4 ms  2.1 ms   10.5 ms

network cards
  NAME  MAC                TYPE    NETWORK  LINK  ADDRESSES                                RX          TX        NOTES
  nic1  52:54:00:12:34:56  virtio  default  up    192.168.122.10, fe80::5054:ff:fe12:3456  100.00 MiB  5.00 MiB  eth0 in the guest
  nic2  52:54:00:12:34:57  e1000e  user     down  -                                        -           -         not as configured

network rates
  NAME  RECEIVING  SENDING  LOST
  nic1  1.2 %      0.5 %    3 in

snapshots
  NAME          STATE            CREATED                          MEMORY          DESCRIPTION
  installed     shutoff          2026-01-01 11:00 (8 weeks ago)   -               fresh
    upgraded *  running, locked  2026-02-28 13:00 (25 hours ago)  internal        -
    tried       running          2026-02-01 13:00 (4 weeks ago)   /srv/tried.mem  another way

images
  IMAGE                                                               SIZE        AGE      FORMAT  VERDICT               NOT CHECKED                                    WHEN RESTORED
  /var/lib/vmlife/images/6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a11.vmsave  286.00 MiB  3 hours  raw     the VM has run since  whether its disks have changed cannot be told  runs on
  managed by libvirt                                                  -           -        -       good                  -                                              -
";
    const USUAL: &str = r"web-1: Up (restored) · since 2026-03-01 12:00 (2 hours)
  under way      save, 40 %
  locked         vmlife hibernate
  next run       changes at the next boot: images, memSizeMb
  preview        it runs on a snapshot, for a look

  id             6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a11
  domain id      7
  comment        shop
  description    The shop's front.
                 Ask Ada before touching it:
                     - it has customers
  memory         2.00 GiB of at most 4.00 GiB
  guaranteed     1.00 GiB
  vCPUs          2 of 8 (2 sockets x 2 cores x 2 threads)
  CPU            Skylake-Server,+pcid,-hle
  pinning        vCPU 0 on 0-3,^2; vCPU 1 on 4
  NUMA           node 0: vCPUs 0-3,7, 1.00 GiB, on host nodes 0-1 (strict)
  NUMA           node 1: vCPUs 4-6, 1.00 GiB
  NUMA memory    interleave
  machine        kvm, x86_64, pc-q35-7.2
  firmware       UEFI with Secure Boot (Q35)
  TPM            yes
  boot order     network, disk, else by a menu
  kernel         /boot/vmlinuz
  initrd         /boot/initrd.img
  parameters     console=ttyS0 quiet
  CD             /srv/iso/debian-12.iso
  payload        cdrom: meta-data, user-data
  I/O threads    1
  serial log     /var/log/web-1.log
  host device    pci_0000_01_00_0
  priority       50
  group          shop
  template       debian-12
  tuned for      Server
  created        2026-01-01 10:00 (8 weeks ago)
  properties     hugepages=1048576
  also           highly available, stateless, starts paused, protected from
                 removal, no balloon, cannot migrate

first boot
  by             CloudInit, done
  host name      web-1
  domain         example.org
  time zone      Europe/Berlin
  user           ada
  password       set (hidden)
  SSH keys       set (hidden)
  script         set (hidden)
  DNS servers    192.168.122.1
  DNS search     example.org
  network        eth0: 192.168.122.10, netmask 255.255.255.0, gateway
                 192.168.122.1, 2001:db8::10/64, gateway 2001:db8::1
  locale         de_DE

this run
  started        2026-03-01 12:00 (2 hours ago)
  booted         2026-02-20 09:30 (9 days ago)
  hibernated     for 60 minutes
  paused by      somebody's wish (NOERR)
  host           0b2cbf5e-4f1e-4a3c-8f43-5a3f5a7c6d21
  run once       it is not quite as configured
  volatile       a reboot of the guest ends it
  watchdog       fired 2026-03-01 12:00 (2 hours ago), reset

last run
  stopped        2026-03-01 11:00 (3 hours ago)
  ended          Normal, SaveStateSucceeded, hibernated by vmlife
  because        new power supply

usage
  CPU            12 % (guest 20.5 %, QEMU 3.2 % of a host CPU)
  CPU time       2 hours
  memory         1.20 GiB used (60 %), 819.20 MiB free, 300.00 MiB in caches
  balloon        leaves 2.00 GiB to the guest
  on the host    1.50 GiB of memory
  network        2 %
  migration      40 %

guest
  agent          connected
  host name      web-1.example.org
  OS             Debian GNU/Linux 12 (bookworm), x86_64
  kernel         6.1.0-18-amd64
  time zone      CET, UTC+01:00
  users          ada, bob
  addresses      192.168.122.10 fe80::5054:ff:fe12:3456

file systems
  MOUNT      FS    SIZE        USED
  /          ext4  19.52 GiB   3.00 GiB (15 %)
  /boot/efi  vfat  510.98 MiB  6.00 MiB (1 %)

consoles
  CONSOLE  ADDRESS                       NOTES
  SPICE    [::1]:5901, [::1]:5902 (TLS)  -
  VNC      127.0.0.1:5900                password set (hidden), valid to
                                         2026-03-02T00:00:00

  viewed by      ada at 192.168.122.1
  keyboard       de

disks
  DISK           vda
  BUS            virtio
  FORMAT         qcow2
  SIZE           20.00 GiB
  USED           3.20 GiB
  PATH           /var/lib/libvirt/images/web-1.qcow2
  NOTES          boot, 2 layers below

  DISK           sda
  BUS            scsi
  FORMAT         raw
  PATH           rbd/data at ceph-a:6789, ceph-b:6789
  NOTES          broken, not plugged in, read only, shareable, LUN, sdb in the
                 guest

disk rates
  DISK  READ        WRITTEN     A READ  A WRITE  A FLUSH
  vda   1.00 MiB/s  2.00 MiB/s  0.4 ms  2.1 ms   10.5 ms

network cards
  NAME           nic1
  MAC            52:54:00:12:34:56
  TYPE           virtio
  NETWORK        default
  LINK           up
  ADDRESSES      192.168.122.10, fe80::5054:ff:fe12:3456
  RX             100.00 MiB
  TX             5.00 MiB
  NOTES          eth0 in the guest

  NAME           nic2
  MAC            52:54:00:12:34:57
  TYPE           e1000e
  NETWORK        user
  LINK           down
  NOTES          not as configured

network rates
  NAME  RECEIVING  SENDING  LOST
  nic1  1.2 %      0.5 %    3 in

snapshots
  NAME          STATE            CREATED             MEMORY          DESCRIPTION
  installed     shutoff          2026-01-01 11:00    -               fresh
                                 (8 weeks ago)
    upgraded *  running, locked  2026-02-28 13:00    internal        -
                                 (25 hours ago)
    tried       running          2026-02-01 13:00    /srv/tried.mem  another way
                                 (4 weeks ago)

images
  IMAGE          /var/lib/vmlife/images/6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a11.vms
                 ave
  SIZE           286.00 MiB
  AGE            3 hours
  FORMAT         raw
  VERDICT        the VM has run since
  NOT CHECKED    whether its disks have changed cannot be told
  WHEN RESTORED  runs on

  IMAGE          managed by libvirt
  VERDICT        good
";
}
