//! What a VM is made of, and what its guest is told at its first boot.

use super::{joined, secret};
use crate::entity::{
    BiosType, BootSequence, InitializationType, MigrationSupport, NumaTuneMode, Vm,
    VmDeviceGeneralType, VmDynamic, VmInit, VmInitNetwork, VmNumaNode, VmStatic, VmType,
};
use crate::render::list::machine;
use crate::render::table::Facts;
use crate::render::text::{View, label_words};
use crate::words::{count, ranges, size};

pub(super) fn configuration(vm: &Vm, view: &View) -> String {
    let stat = &vm.vm_static;
    let dynamic = vm.vm_dynamic.as_ref();
    let mut facts = Facts::default();
    facts.add("id", vm.id());
    facts.add("domain id", dynamic.and_then(|dynamic| dynamic.domain_id));
    facts.add("persistent", dynamic.and_then(persistent));
    let autostart = dynamic.and_then(|dynamic| dynamic.autostart);
    facts.add(
        "autostart",
        autostart.map(|is_so| if is_so { "yes" } else { "no" }),
    );
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
        // Of a CD that is made already only its place is known.
        let names = Some(files.join(", ")).filter(|names| !names.is_empty());
        let path = payload.image_path.as_ref();
        let where_or_what = names.or(path.map(|path| path.display().to_string()));
        facts.add(
            "payload",
            Some(joined([Some(what.to_owned()), where_or_what], ": ")),
        );
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
    facts.add("labels", Some(label_words(stat)));
    facts.add("depends on", Some(stat.depends_on.join(", ")));
    let policy = stat.host_shutdown_policy.as_ref();
    facts.add("host's shutdown", policy.map(|policy| policy.word()));
    facts.add("template", stat.original_template_name.as_ref());
    facts.add("tuned for", stat.vm_type.as_ref().map(VmType::word));
    facts.add("created", stat.creation_date.map(|at| view.time(at)));
    facts.add("properties", Some(&stat.custom_properties));
    facts.add("also", Some(flags(stat)));
    facts.lines(view.width)
}

fn persistent(dynamic: &VmDynamic) -> Option<&'static str> {
    Some(if dynamic.persistent? {
        "yes"
    } else {
        "no: libvirt forgets it when it ends; its image then has its only definition"
    })
}

pub(super) fn memory(stat: &VmStatic) -> Option<String> {
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

pub(super) fn pinning(stat: &VmStatic) -> Option<String> {
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

pub(super) fn firmware(bios: &BiosType) -> &str {
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

pub(super) fn first_boot(vm: &Vm, init: &VmInit, view: &View) -> String {
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
