//! What a definition must say, and must not, so that a domain can be made of it. Each complaint names the
//! field; what only a daemon can know is left to libvirt.

use super::domain::{is_elsewhere, pins};
use super::tree::is_of_xml;
use crate::entity::{
    BiosType, DiskImage, GraphicsType, MemorySize, Secret, SerialNumberPolicy, UsbPolicy, Vm,
    VmNetworkInterface, VmStatic,
};
use serde_json::Value;

/// No hypervisor has more vCPUs (QEMU knows some thousands at most), and each of them takes up memory
/// here, too.
const CPU_LIMIT: u32 = 65_536;

/// Looks for the first thing in the way of a domain.
///
/// # Errors
/// A sentence.
pub(super) fn check(vm: &Vm) -> Result<(), String> {
    let configured = &vm.vm_static;
    if configured.name.is_empty() {
        return Err("it has no name, which a new VM needs".to_owned());
    }
    check_memory(configured)?;
    check_cpus(configured)?;
    check_nodes(configured)?;
    check_boot(configured)?;
    check_consoles(configured)?;
    for (number, disk) in configured.images.iter().enumerate() {
        check_disk(disk).map_err(|problem| format!("images[{number}].{problem}"))?;
    }
    let mut first = (0_u32..)
        .zip(&configured.images)
        .filter(|(_, disk)| disk.boot);
    if let (Some((one, _)), Some((other, _))) = (first.next(), first.next()) {
        return Err(format!(
            "images[{one}] and images[{other}] both have boot: true; a VM boots from one disk first"
        ));
    }
    for (number, card) in configured.interfaces.iter().enumerate() {
        check_card(card).map_err(|problem| format!("interfaces[{number}].{problem}"))?;
    }
    check_places(configured)?;
    let value = serde_json::to_value(vm).map_err(|error| error.to_string())?;
    check_text("", &value)
}

/// What `show` has hidden of a place is not known, and must not be taken for a part of it.
fn check_places(vm: &VmStatic) -> Result<(), String> {
    let iso = vm.iso_path.iter().map(|path| path.to_string_lossy());
    let iso = iso.map(|place| ("isoPath".to_owned(), place));
    let of_disks = vm.images.iter().enumerate().flat_map(|(number, disk)| {
        let hosts = disk.source_hosts.iter().map(|host| ("sourceHosts", host));
        let path = disk.image_path.iter().map(|path| ("imagePath", path));
        let name = move |field| format!("images[{number}].{field}");
        path.chain(hosts)
            .map(move |(field, place)| (name(field), place.into()))
    });
    match iso
        .chain(of_disks)
        .find(|(_, place)| place.contains(Secret::HIDDEN))
    {
        Some((field, _)) => Err(format!(
            "the secret in {field} is not known: only its placeholder is here"
        )),
        None => Ok(()),
    }
}

fn check_memory(vm: &VmStatic) -> Result<(), String> {
    let memory = vm.mem_size_mb.unwrap_or_default();
    if memory == MemorySize::default() {
        return Err("it has no memSizeMb, which a new VM needs".to_owned());
    }
    match vm.max_memory_size_mb {
        Some(most) if most < memory => Err("maxMemorySizeMb is less than memSizeMb".to_owned()),
        _ => Ok(()),
    }
}

fn check_cpus(vm: &VmStatic) -> Result<(), String> {
    for (field, number) in [
        ("numOfSockets", vm.num_of_sockets),
        ("cpuPerSocket", vm.cpu_per_socket),
        ("threadsPerCpu", vm.threads_per_cpu),
    ] {
        if number == 0 {
            return Err(format!("{field} is 0"));
        }
    }
    let (plugged, most) = (vm.cpu_count(), vm.max_num_of_cpus());
    if most > CPU_LIMIT {
        return Err(format!(
            "numOfSockets x cpuPerSocket x threadsPerCpu is more than {CPU_LIMIT}, which no hypervisor has"
        ));
    }
    if plugged == 0 || plugged > most {
        return Err(format!(
            "numOfCpus is {plugged}, outside of 1 to {most} (numOfSockets x cpuPerSocket x threadsPerCpu)"
        ));
    }
    if vm.cpu_shares != 0 && !(2..=262_144).contains(&vm.cpu_shares) {
        return Err("cpuShares is outside of 2 to 262144".to_owned());
    }
    let pins = pins(vm.cpu_pinning.as_deref().unwrap_or_default())
        .map_err(|problem| format!("cpuPinning: {problem}"))?;
    match pins.iter().find(|(vcpu, _)| *vcpu >= most) {
        Some((vcpu, _)) => Err(format!("cpuPinning: there is no vCPU {vcpu}, only {most}")),
        None => Ok(()),
    }
}

fn check_nodes(vm: &VmStatic) -> Result<(), String> {
    let nodes = &vm.v_numa_node_list;
    if nodes.is_empty() {
        return Ok(());
    }
    let mut indices: Vec<u32> = nodes.iter().map(|node| node.index).collect();
    indices.sort_unstable();
    if (0..)
        .zip(&indices)
        .any(|(expected, index)| *index != expected)
    {
        return Err("vNumaNodeList: the index of its nodes is not 0, 1, 2 ...".to_owned());
    }
    let mut cpus: Vec<u32> = nodes
        .iter()
        .flat_map(|node| &node.cpu_ids)
        .copied()
        .collect();
    cpus.sort_unstable();
    let most = vm.max_num_of_cpus();
    if !cpus.iter().copied().eq(0..most) {
        return Err(format!(
            "vNumaNodeList: its cpuIds do not name each of the {most} vCPUs once"
        ));
    }
    if nodes.iter().any(|node| node.mem_total.kib() == 0) {
        return Err("vNumaNodeList: a node has no memTotal".to_owned());
    }
    let total = nodes
        .iter()
        .fold(0_u64, |sum, node| sum.saturating_add(node.mem_total.kib()));
    if Some(total) != vm.mem_size_mb.map(MemorySize::kib) {
        return Err(
            "vNumaNodeList: the memTotal of its nodes do not add up to memSizeMb".to_owned(),
        );
    }
    Ok(())
}

fn check_boot(vm: &VmStatic) -> Result<(), String> {
    if let (Some(bios), Some(machine)) = (&vm.bios_type, &vm.custom_emulated_machine) {
        let is_q35 = bios.word().starts_with("Q35");
        if !matches!(bios, BiosType::Other(_)) && is_q35 != machine.contains("q35") {
            return Err(format!(
                "biosType {bios} does not fit to customEmulatedMachine {machine}"
            ));
        }
    }
    if vm.kernel_url.is_none() && (vm.initrd_url.is_some() || vm.kernel_params.is_some()) {
        return Err("initrdUrl and kernelParams mean nothing without kernelUrl".to_owned());
    }
    if vm.serial_number_policy == Some(SerialNumberPolicy::Custom)
        && vm.custom_serial_number.is_none()
    {
        return Err("serialNumberPolicy is CUSTOM, but there is no customSerialNumber".to_owned());
    }
    Ok(())
}

/// What goes to the viewer goes there by SPICE.
fn check_consoles(vm: &VmStatic) -> Result<(), String> {
    let needing = [
        ("smartcardEnabled", vm.smartcard_enabled),
        ("usbPolicy", vm.usb_policy == UsbPolicy::EnabledNative),
    ];
    let has_spice = vm.graphics_types.contains(&GraphicsType::Spice);
    match needing.iter().find(|(_, wanted)| *wanted && !has_spice) {
        Some((field, _)) => Err(format!("{field} needs SPICE among graphicsTypes")),
        None => Ok(()),
    }
}

fn check_disk(disk: &DiskImage) -> Result<(), String> {
    let kind = disk.source_type.as_deref().unwrap_or("file");
    let path = disk.image_path.as_deref().unwrap_or_default();
    if path.is_empty() {
        return Err("imagePath is missing".to_owned());
    }
    let (sign, form) = match kind {
        "file" | "block" | "dir" => ("", ""),
        "network" => (":", "protocol:name"),
        "volume" => ("/", "pool/volume"),
        _ => {
            return Err(format!(
                "sourceType is {kind}; a definition in YAML knows file, block, dir, network and volume"
            ));
        }
    };
    if matches!(kind, "file" | "block") && is_elsewhere(path) {
        return Err(format!(
            "imagePath '{path}' is no path of a file; a disk of the network needs sourceType: network, \
             imagePath: protocol:name and sourceHosts, and a file of such a name is written ./{path}"
        ));
    }
    if !path.contains(sign) {
        return Err(format!("imagePath '{path}' is not of the form {form}"));
    }
    let name = disk.target_dev.as_deref().unwrap_or("vda");
    let prefixes = ["fd", "hd", "sd", "vd", "xvd", "ubd"];
    let is_target = name
        .chars()
        .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        && prefixes.iter().any(|prefix| {
            name.strip_prefix(prefix)
                .is_some_and(|rest| !rest.is_empty())
        });
    if !is_target {
        return Err(format!(
            "targetDev '{name}' is no name of a disk, such as vda"
        ));
    }
    let serial = disk.serial.as_deref().unwrap_or_default();
    let is_safe = |letter: char| letter.is_ascii_alphanumeric() || "-_ .+&:/".contains(letter);
    if !serial.chars().all(is_safe) {
        return Err(format!(
            "serial '{serial}' has other signs than letters, digits and -_ .+&:/"
        ));
    }
    Ok(())
}

fn check_card(card: &VmNetworkInterface) -> Result<(), String> {
    let kind = card.source_type.as_deref().unwrap_or("network");
    match kind {
        "user" | "ethernet" => {}
        "network" | "bridge" | "direct" if card.network_name.is_some() => {}
        "network" | "bridge" | "direct" => {
            return Err(format!(
                "networkName is missing, which a card of sourceType {kind} needs"
            ));
        }
        _ => {
            return Err(format!(
                "sourceType is {kind}; a definition in YAML knows network, bridge, direct, user and ethernet"
            ));
        }
    }
    let Some(address) = &card.mac_address else {
        return Ok(());
    };
    let bytes: Option<Vec<u8>> = address
        .split(':')
        .map(|byte| {
            u8::from_str_radix(byte, 16)
                .ok()
                .filter(|_| byte.len() == 2)
        })
        .collect();
    match bytes.as_deref() {
        Some([first, _, _, _, _, _]) if first % 2 == 0 => Ok(()),
        Some([_, _, _, _, _, _]) => Err(format!(
            "macAddress '{address}' is one of many, not of one card"
        )),
        _ => Err(format!(
            "macAddress '{address}' is not one, such as 52:54:00:12:34:56"
        )),
    }
}

/// No text anywhere holds what XML cannot.
fn check_text(path: &str, value: &Value) -> Result<(), String> {
    let inside = |name: &str| match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    };
    let check = |path: &str, text: &str| match text.chars().find(|sign| !is_of_xml(*sign)) {
        Some(sign) => Err(format!(
            "{path} holds the character {sign:?}, which XML cannot"
        )),
        None => Ok(()),
    };
    match value {
        Value::String(text) => check(path, text),
        Value::Array(entries) => (0..)
            .zip(entries)
            .try_for_each(|(at, entry): (u32, _)| check_text(&format!("{path}[{at}]"), entry)),
        Value::Object(fields) => fields.iter().try_for_each(|(name, value)| {
            check(path, name)?;
            check_text(&inside(name), value)
        }),
        _ => Ok(()),
    }
}
