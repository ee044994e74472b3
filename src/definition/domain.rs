//! The mapping between a domain's XML and the model: which field stands where. It serves for definition
//! files, for live domains and for the descriptions inside images, so that they agree.

use super::binding::{Binding, Direction, memory_of, put};
use super::devices;
use super::tree::{Element, Result};
use crate::entity::{
    BiosType, BootSequence, CpuPinningPolicy, GuestAgentStatus, MemorySize, MigrationSupport,
    NumaTuneMode, OriginType, SerialNumberPolicy, Vm, VmDynamic, VmNumaNode, VmPayload,
    VmResumeBehavior, VmStatic,
};
use crate::words::ranges;
use std::collections::BTreeSet;
use uuid::Uuid;

/// The namespace of oVirt's metadata in a domain.
const OVIRT: &str = "http://ovirt.org/vm/1.0";
/// The namespace of libosinfo's.
const LIBOSINFO: &str = "http://libosinfo.org/xmlns/libvirt/domain/1.0";

/// Ties a VM to its domain's XML, but for what stands in vmlife's own metadata.
///
/// # Errors
/// What cannot be what it should, with its place.
pub(super) fn bind(domain: &mut Element, direction: Direction, vm: &mut Vm) -> Result {
    let mut binding = Binding {
        element: domain,
        direction,
    };
    let binding = &mut binding;
    binding.field("os/type/@arch", &mut vm.cluster_arch)?;
    let configured = &mut vm.vm_static;
    bind_identity(binding, configured)?;
    bind_memory_and_cpus(binding, configured)?;
    bind_boot(binding, configured)?;
    devices::bind(binding, configured)?;
    bind_numa(binding, configured)?;
    bind_ovirt(binding, configured);
    devices::bind_payload(binding, vm, ovirt)?;
    if direction == Direction::Read {
        let domain = &*binding.element;
        devices::name_what_has_no_name(domain, ovirt(domain), &mut vm.vm_static);
        vm.vm_dynamic = domain
            .attribute("id")
            .is_some()
            .then(|| read_dynamic(domain, &vm.vm_static));
        vm.initialization_type = vm
            .vm_payload
            .as_ref()
            .and_then(VmPayload::initialization_type);
        vm.runtime_device_custom_properties = devices::custom_properties(domain, ovirt(domain));
        let disks = vm.vm_static.images.iter();
        vm.disk_map = disks
            .filter_map(|disk| Some((disk.id?, disk.as_disk())))
            .collect();
    }
    Ok(())
}

fn bind_identity(binding: &mut Binding<'_>, vm: &mut VmStatic) -> Result {
    binding.field("@type", &mut vm.domain_type)?;
    binding.field("name", &mut vm.name)?;
    binding.field("uuid", &mut vm.id)?;
    binding.field("title", &mut vm.comment)?;
    binding.field("description", &mut vm.description)?;
    binding.told(&mut vm.os_id, |domain| os_id(domain).unwrap_or_default());
    Ok(())
}

/// oVirt's number of the operating system that libosinfo's metadata names.
fn os_id(domain: &Element) -> Option<i32> {
    let metadata = domain.child("metadata")?.elements();
    let mut libosinfo = metadata.filter(|element| element.is_of(LIBOSINFO, "libosinfo"));
    let os = libosinfo
        .next()?
        .elements()
        .find(|element| element.is_of(LIBOSINFO, "os"))?;
    let id = os.attribute("id")?;
    let known = [
        ("redhat.com/rhel/7", 24),
        ("redhat.com/rhel/8", 30),
        ("redhat.com/rhel/9", 34),
        ("redhat.com/rhel/10", 39),
        ("microsoft.com/win/10", 27),
        ("microsoft.com/win/11", 36),
        ("ubuntu.com/ubuntu", 1257),
        ("debian.org/debian", 1301),
        ("microsoft.com", 0),
        ("", 5),
    ];
    known
        .iter()
        .find(|(part, _)| id.contains(part))
        .map(|(_, number)| *number)
}

fn bind_memory_and_cpus(binding: &mut Binding<'_>, vm: &mut VmStatic) -> Result {
    binding.by(
        &mut vm.max_memory_size_mb,
        |domain| domain.child("maxMemory").map(memory_of).transpose(),
        |domain, size| {
            let Some(size) = size else {
                return put(domain, "maxMemory", None, None);
            };
            let most = domain.ensure("maxMemory");
            if most.attribute("slots").is_none() {
                most.set_attribute("slots", Some("16"));
            }
            most.set_attribute("unit", Some("KiB"));
            most.set_text(&size.kib().to_string());
        },
    )?;
    binding.by(
        &mut vm.mem_size_mb,
        |domain| domain.child("memory").map(memory_of).transpose(),
        |domain, size| {
            let kib = size.map(|size| size.kib().to_string());
            // What was all of it stays all of it.
            let before = domain
                .child("memory")
                .and_then(|memory| memory_of(memory).ok());
            let current = domain
                .child("currentMemory")
                .and_then(|memory| memory_of(memory).ok());
            let both = current.is_some() && current == before;
            for name in ["memory", "currentMemory"]
                .into_iter()
                .take(if both { 2 } else { 1 })
            {
                put(domain, name, None, kib.as_deref());
                if kib.is_some() {
                    put(domain, name, Some("unit"), Some("KiB"));
                }
            }
        },
    )?;
    bind_cpus(binding, vm)
}

fn bind_cpus(binding: &mut Binding<'_>, vm: &mut VmStatic) -> Result {
    let mut topology = Topology {
        sockets: vm.num_of_sockets,
        cores: vm.cpu_per_socket,
        threads: vm.threads_per_cpu,
        plugged: vm.cpu_count(),
    };
    binding.by(&mut topology, Topology::of, |domain, topology| {
        topology.put(domain);
    })?;
    vm.num_of_sockets = topology.sockets;
    vm.cpu_per_socket = topology.cores;
    vm.threads_per_cpu = topology.threads;
    vm.num_of_cpus = (topology.plugged != vm.max_num_of_cpus()).then_some(topology.plugged);
    binding.field("iothreads", &mut vm.num_of_io_threads)?;
    binding.field("cputune/shares", &mut vm.cpu_shares)?;
    binding.flag(
        "cpu/@mode",
        "host-passthrough",
        None,
        &mut vm.use_host_cpu_flags,
    )?;
    binding.by(
        &mut vm.custom_cpu_name,
        |domain| Ok(cpu_name(domain)),
        |domain, name| put_cpu_name(domain, name.as_deref()),
    )?;
    binding.told(&mut vm.use_tsc_frequency, |domain| {
        let clock = domain.child("clock").into_iter();
        clock
            .flat_map(|clock| clock.children("timer"))
            .any(|timer| {
                timer.attribute("name") == Some("tsc") && timer.attribute("frequency").is_some()
            })
    });
    binding.by(
        &mut vm.cpu_pinning,
        |domain| {
            let tune = domain.child("cputune").into_iter();
            let pins: Vec<String> = tune
                .flat_map(|tune| tune.children("vcpupin"))
                .filter_map(|pin| {
                    Some(format!(
                        "{}#{}",
                        pin.attribute("vcpu")?,
                        pin.attribute("cpuset")?
                    ))
                })
                .collect();
            Ok((!pins.is_empty()).then(|| pins.join("_")))
        },
        |domain, pins| {
            let tune = domain.ensure("cputune");
            tune.remove(|element| element.is("vcpupin"));
            for (vcpu, cpuset) in pins
                .iter()
                .flat_map(|pins| pins.split('_'))
                .filter_map(|pin| pin.split_once('#'))
            {
                tune.append(
                    Element::new("vcpupin")
                        .with("vcpu", vcpu)
                        .with("cpuset", cpuset),
                );
            }
        },
    )
}

/// How vCPUs are laid out.
#[derive(PartialEq)]
struct Topology {
    sockets: u32,
    cores: u32,
    threads: u32,
    plugged: u32,
}

impl Topology {
    fn of(domain: &Element) -> Result<Self> {
        let number = |element: &Element, name: &str| -> Result<u32> {
            let is_optional = ["dies", "clusters"].contains(&name);
            let default = if is_optional { "1" } else { "" };
            let text = element.attribute(name).unwrap_or(default);
            text.parse().map_err(|_| {
                element.problem(format!(
                    "<{} {name}='{text}'> is not a number",
                    element.name()
                ))
            })
        };
        let (highest, plugged) = match domain.child("vcpu") {
            None => (1, 1),
            Some(vcpu) => {
                let text = vcpu.text();
                let highest = text.trim().parse().map_err(|_| {
                    vcpu.problem(format!("<vcpu> holds '{text}', which is not a number"))
                })?;
                match vcpu.attribute("current") {
                    Some(_) => (highest, number(vcpu, "current")?),
                    None => (highest, highest),
                }
            }
        };
        Ok(match domain.find("cpu/topology") {
            // oVirt knows neither dies nor clusters: their cores are the socket's.
            Some(topology) => Self {
                sockets: number(topology, "sockets")?,
                cores: number(topology, "dies")?
                    .saturating_mul(number(topology, "clusters")?)
                    .saturating_mul(number(topology, "cores")?),
                threads: number(topology, "threads")?,
                plugged,
            },
            None => Self {
                sockets: highest,
                cores: 1,
                threads: 1,
                plugged,
            },
        })
    }

    fn put(&self, domain: &mut Element) {
        let most = self
            .sockets
            .saturating_mul(self.cores)
            .saturating_mul(self.threads);
        let vcpu = domain.ensure("vcpu");
        vcpu.set_text(&most.to_string());
        let plugged = (self.plugged < most).then(|| self.plugged.to_string());
        vcpu.set_attribute("current", plugged.as_deref());
        let topology = domain.ensure("cpu/topology");
        topology.set_attribute("dies", None);
        topology.set_attribute("clusters", None);
        for (name, number) in [
            ("sockets", self.sockets),
            ("cores", self.cores),
            ("threads", self.threads),
        ] {
            topology.set_attribute(name, Some(&number.to_string()));
        }
    }
}

/// A CPU model with its features: `Skylake-Server,+pcid,-hle`.
pub(super) fn cpu_name(domain: &Element) -> Option<String> {
    let cpu = domain.child("cpu")?;
    let mut name = cpu.child("model")?.text().trim().to_owned();
    for feature in cpu.children("feature") {
        let sign = match feature.attribute("policy") {
            Some("disable" | "forbid") => '-',
            _ => '+',
        };
        name.push(',');
        name.push(sign);
        name += feature.attribute("name")?;
    }
    Some(name)
}

fn put_cpu_name(domain: &mut Element, name: Option<&str>) {
    let cpu = domain.ensure("cpu");
    cpu.remove(|element| element.is("feature") || element.is("model"));
    let Some(name) = name else { return };
    let mut words = name.split(',');
    if cpu.attribute("mode").is_none() {
        cpu.set_attribute("mode", Some("custom"));
        cpu.set_attribute("match", Some("exact"));
    }
    cpu.ensure("model")
        .set_text(words.next().unwrap_or_default());
    for word in words {
        let (policy, feature) = match word.strip_prefix('-') {
            Some(feature) => ("disable", feature),
            None => ("require", word.trim_start_matches('+')),
        };
        cpu.append(
            Element::new("feature")
                .with("policy", policy)
                .with("name", feature),
        );
    }
}

fn bind_boot(binding: &mut Binding<'_>, vm: &mut VmStatic) -> Result {
    binding.field("os/type/@machine", &mut vm.custom_emulated_machine)?;
    binding.by(
        &mut vm.bios_type,
        |domain| Ok(bios_type(domain)),
        |domain, wanted| put_bios_type(domain, wanted.as_ref()),
    )?;
    binding.field("os/kernel", &mut vm.kernel_url)?;
    binding.field("os/initrd", &mut vm.initrd_url)?;
    binding.field("os/cmdline", &mut vm.kernel_params)?;
    let boots_from_disk = vm.images.iter().any(|disk| disk.boot);
    binding.by(
        &mut vm.default_boot_sequence,
        |domain| Ok(boot_sequence(domain).unwrap_or(BootSequence::C)),
        |domain, sequence| {
            // Devices' own places in the order and the order of kinds exclude each other.
            if !boots_from_disk {
                put_boot_sequence(domain, sequence);
            }
        },
    )?;
    binding.flag(
        "os/bootmenu/@enable",
        "yes",
        Some("no"),
        &mut vm.boot_menu_enabled,
    )?;
    binding.by(
        &mut vm.custom_serial_number,
        |domain| Ok(serial_number(domain).map(Element::text)),
        |domain, serial| put_serial_number(domain, serial.as_deref()),
    )?;
    binding.by(
        &mut vm.serial_number_policy,
        |domain| {
            let mode = domain
                .find("os/smbios")
                .and_then(|smbios| smbios.attribute("mode"));
            Ok(match mode {
                Some("host") => Some(SerialNumberPolicy::HostId),
                Some("sysinfo") => serial_number(domain).map(|serial| {
                    let uuid = domain.child("uuid").map(Element::text);
                    if uuid.as_ref() == Some(&serial.text()) {
                        SerialNumberPolicy::VmId
                    } else {
                        SerialNumberPolicy::Custom
                    }
                }),
                _ => None,
            })
        },
        |domain, policy| match policy {
            Some(SerialNumberPolicy::HostId) => {
                put(domain, "os/smbios", Some("mode"), Some("host"));
            }
            Some(SerialNumberPolicy::VmId) => {
                if let Some(id) = domain.child("uuid").map(Element::text) {
                    put_serial_number(domain, Some(&id));
                }
            }
            Some(SerialNumberPolicy::Custom) if serial_number(domain).is_some() => {
                put(domain, "os/smbios", Some("mode"), Some("sysinfo"));
            }
            Some(_) => {}
            None => {
                if domain.child("os").is_some() {
                    domain.ensure("os").remove(|element| element.is("smbios"));
                }
            }
        },
    )
}

fn put_serial_number(domain: &mut Element, serial: Option<&str>) {
    let is_serial =
        |entry: &Element| entry.is("entry") && entry.attribute("name") == Some("serial");
    let Some(serial) = serial else {
        return domain.ensure("sysinfo/system").remove(is_serial);
    };
    put(domain, "sysinfo", Some("type"), Some("smbios"));
    let system = domain.ensure("sysinfo/system");
    system.remove(is_serial);
    let mut entry = Element::new("entry").with("name", "serial");
    entry.set_text(serial);
    system.append(entry);
    put(domain, "os/smbios", Some("mode"), Some("sysinfo"));
}

fn serial_number(domain: &Element) -> Option<&Element> {
    let mut entries = domain.find("sysinfo/system")?.children("entry");
    entries.find(|entry| entry.attribute("name") == Some("serial"))
}

fn bios_type(domain: &Element) -> Option<BiosType> {
    let os = domain.child("os")?;
    let machine = os.child("type")?.attribute("machine")?;
    let loader = os.child("loader");
    let is_uefi = os.attribute("firmware") == Some("efi")
        || loader.and_then(|loader| loader.attribute("type")) == Some("pflash");
    let is_secure = loader.and_then(|loader| loader.attribute("secure")) == Some("yes");
    if machine.contains("q35") {
        Some(match (is_uefi, is_secure) {
            (true, true) => BiosType::Q35SecureBoot,
            (true, false) => BiosType::Q35Ovmf,
            (false, _) => BiosType::Q35SeaBios,
        })
    } else if (machine == "pc" || machine.contains("i440fx")) && !is_uefi {
        Some(BiosType::I440fxSeaBios)
    } else {
        None
    }
}

fn put_bios_type(domain: &mut Element, wanted: Option<&BiosType>) {
    let (machine, is_uefi, is_secure) = match wanted {
        Some(BiosType::I440fxSeaBios) => ("pc", false, false),
        Some(BiosType::Q35SeaBios) => ("q35", false, false),
        Some(BiosType::Q35Ovmf) => ("q35", true, false),
        Some(BiosType::Q35SecureBoot) => ("q35", true, true),
        Some(BiosType::Other(_)) | None => return,
    };
    let kind = domain.ensure("os/type");
    let fits = |found: &str| found.contains("q35") == (machine == "q35");
    if !kind.attribute("machine").is_some_and(fits) {
        kind.set_attribute("machine", Some(machine));
    }
    let os = domain.ensure("os");
    os.set_attribute("firmware", is_uefi.then_some("efi"));
    os.remove(|element| {
        ["loader", "nvram", "firmware"]
            .iter()
            .any(|name| element.is(name))
    });
    if is_uefi {
        let word = if is_secure { "yes" } else { "no" };
        // libvirt takes no other word here when it chooses the firmware itself.
        if is_secure {
            os.ensure("loader").set_attribute("secure", Some(word));
        }
        let firmware = os.ensure("firmware");
        for name in ["secure-boot", "enrolled-keys"] {
            firmware.append(
                Element::new("feature")
                    .with("enabled", word)
                    .with("name", name),
            );
        }
    }
    if is_secure {
        put(domain, "features/smm", Some("state"), Some("on"));
    }
}

/// In which order devices are tried at boot, in oVirt's word.
fn boot_sequence(domain: &Element) -> Option<BootSequence> {
    let letter = |kind: &str| match kind {
        "hd" | "disk" | "lun" => Some('C'),
        "cdrom" => Some('D'),
        "network" | "interface" => Some('N'),
        _ => None,
    };
    let kinds = domain
        .child("os")
        .into_iter()
        .flat_map(|os| os.children("boot"));
    let mut letters: Vec<char> = kinds
        .filter_map(|boot| letter(boot.attribute("dev")?))
        .collect();
    if letters.is_empty() {
        let devices = domain
            .child("devices")
            .into_iter()
            .flat_map(Element::elements);
        let mut ordered: Vec<(u32, char)> = devices
            .filter_map(|device| {
                let order = device.child("boot")?.attribute("order")?.parse().ok()?;
                let kind = match device.name() {
                    "disk" => device.attribute("device").unwrap_or("disk"),
                    name => name,
                };
                Some((order, letter(kind)?))
            })
            .collect();
        ordered.sort_unstable();
        letters = ordered.into_iter().map(|(_, letter)| letter).collect();
    }
    let mut word = String::new();
    for letter in letters {
        if !word.contains(letter) {
            word.push(letter);
        }
    }
    BootSequence::from_word(&word)
}

fn put_boot_sequence(domain: &mut Element, sequence: &BootSequence) {
    for device in domain.ensure("devices").elements_mut() {
        device.remove(|element| element.is("boot"));
    }
    let os = domain.ensure("os");
    os.remove(|element| element.is("boot"));
    for letter in sequence.word().chars() {
        let kind = match letter {
            'C' => "hd",
            'D' => "cdrom",
            _ => "network",
        };
        os.append(Element::new("boot").with("dev", kind));
    }
}

fn bind_numa(binding: &mut Binding<'_>, vm: &mut VmStatic) -> Result {
    binding.by(&mut vm.v_numa_node_list, numa_nodes, |domain, nodes| {
        put_numa_nodes(domain, nodes);
    })?;
    binding.by(
        &mut vm.numa_tune_mode,
        |domain| {
            let mode = domain
                .find("numatune/memory")
                .and_then(|memory| memory.attribute("mode"));
            Ok(mode.map(NumaTuneMode::from_libvirt))
        },
        |domain, mode| {
            let there = domain.find("numatune/memory").is_some();
            match mode {
                None => put(domain, "numatune/memory", Some("mode"), None),
                Some(mode) => {
                    // Without nodes of the host, libvirt has no use for it.
                    let nodes = host_nodes(domain);
                    if !there && nodes.is_empty() {
                        return;
                    }
                    let memory = domain.ensure("numatune/memory");
                    memory.set_attribute("mode", Some(&mode.libvirt()));
                    if !there {
                        memory.set_attribute("nodeset", Some(&ranges(&nodes)));
                    }
                }
            }
        },
    )
}

/// The host's nodes that nodes of the guest are bound to.
fn host_nodes(domain: &Element) -> Vec<u32> {
    let nodes = domain
        .child("numatune")
        .into_iter()
        .flat_map(|tune| tune.children("memnode"))
        .filter_map(|node| numbers(node.attribute("nodeset")?).ok());
    let all: BTreeSet<u32> = nodes.flatten().collect();
    all.into_iter().collect()
}

fn numa_nodes(domain: &Element) -> Result<Vec<VmNumaNode>> {
    let mut nodes = Vec::new();
    let cells = domain
        .find("cpu/numa")
        .into_iter()
        .flat_map(|numa| numa.children("cell"));
    for (position, cell) in (0..).zip(cells) {
        let index = cell
            .attribute("id")
            .and_then(|id| id.parse().ok())
            .unwrap_or(position);
        let size = cell.attribute("memory").unwrap_or("0");
        let mem_total = MemorySize::parse(size, cell.attribute("unit"))
            .map_err(|problem| cell.problem(format!("<cell memory='...'>: {problem}")))?;
        let list = |text: Option<&str>| {
            numbers(text.unwrap_or_default()).map_err(|words| cell.problem(words))
        };
        let mut tuned = domain
            .child("numatune")
            .into_iter()
            .flat_map(|tune| tune.children("memnode"));
        let tuned = tuned
            .find(|node| node.attribute("cellid").and_then(|id| id.parse().ok()) == Some(index));
        nodes.push(VmNumaNode {
            id: None,
            index,
            cpu_ids: list(cell.attribute("cpus"))?,
            mem_total,
            vds_numa_node_list: list(tuned.and_then(|node| node.attribute("nodeset")))?,
            numa_tune_mode: tuned
                .and_then(|node| node.attribute("mode"))
                .map(NumaTuneMode::from_libvirt),
        });
    }
    Ok(nodes)
}

fn put_numa_nodes(domain: &mut Element, nodes: &[VmNumaNode]) {
    let numa = domain.ensure("cpu/numa");
    numa.remove(|element| element.is("cell"));
    for node in nodes {
        let mut cell = Element::new("cell")
            .with("id", &node.index.to_string())
            .with("memory", &node.mem_total.kib().to_string())
            .with("unit", "KiB");
        if !node.cpu_ids.is_empty() {
            cell.set_attribute("cpus", Some(&ranges(&node.cpu_ids)));
        }
        numa.append(cell);
    }
    if nodes.is_empty() {
        domain.ensure("cpu").remove(|element| element.is("numa"));
    }
    if domain.child("numatune").is_some()
        || nodes.iter().any(|node| !node.vds_numa_node_list.is_empty())
    {
        let tune = domain.ensure("numatune");
        tune.remove(|element| element.is("memnode"));
        for node in nodes
            .iter()
            .filter(|node| !node.vds_numa_node_list.is_empty())
        {
            let mode = node.numa_tune_mode.clone().unwrap_or(NumaTuneMode::Strict);
            tune.append(
                Element::new("memnode")
                    .with("cellid", &node.index.to_string())
                    .with("mode", &mode.libvirt())
                    .with("nodeset", &ranges(&node.vds_numa_node_list)),
            );
        }
    }
}

/// Which host CPUs each vCPU may run on, of `0#0-3,^2_1#4`, by vCPU.
pub(super) fn pins(text: &str) -> Result<Vec<(u32, Vec<u32>)>, String> {
    let mut all = Vec::new();
    for pin in text.split('_').filter(|_| !text.is_empty()) {
        let wrong = || format!("'{pin}' is not of the form VCPU#CPUS, such as 0#0-3,^2");
        let (vcpu, cpus) = pin.split_once('#').ok_or_else(wrong)?;
        let vcpu = vcpu.parse::<u32>().map_err(|_| wrong())?;
        let mut cpus = numbers(cpus).map_err(|_| wrong())?;
        cpus.sort_unstable();
        cpus.dedup();
        if cpus.is_empty() || all.iter().any(|(other, _)| *other == vcpu) {
            return Err(format!("vCPU {vcpu} has no host CPU, or is named twice"));
        }
        all.push((vcpu, cpus));
    }
    all.sort_unstable();
    Ok(all)
}

/// The numbers of `0-3,^2,8`.
pub(super) fn numbers(text: &str) -> Result<Vec<u32>, String> {
    let wrong = || format!("'{text}' is not a list of CPUs or nodes, such as 0-3,^2");
    let mut all = Vec::new();
    for part in text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let number = |word: &str| word.parse::<u32>().ok().filter(|number| *number < 1 << 16);
        if let Some(without) = part.strip_prefix('^') {
            let without = number(without).ok_or_else(wrong)?;
            all.retain(|found| *found != without);
        } else {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            all.extend(number(first).ok_or_else(wrong)?..=number(last).ok_or_else(wrong)?);
        }
    }
    Ok(all)
}

/// oVirt's metadata, if oVirt made the VM.
fn ovirt(domain: &Element) -> Option<&Element> {
    let mut metadata = domain.child("metadata")?.elements();
    metadata.find(|element| element.is_of(OVIRT, "vm"))
}

/// The text of an element of oVirt's metadata.
pub(super) fn ovirt_text(element: &Element, name: &str) -> Option<String> {
    let found = element
        .elements()
        .find(|element| element.is_of(OVIRT, name))?;
    Some(found.text().trim().to_owned())
}

/// What oVirt wrote of the VM. It is oVirt's: nothing is ever written there.
fn bind_ovirt(binding: &mut Binding<'_>, vm: &mut VmStatic) {
    if binding.direction == Direction::Write {
        return;
    }
    let Some(metadata) = ovirt(binding.element) else {
        return;
    };
    vm.origin = Some(OriginType::Ovirt);
    let text = |name| ovirt_text(metadata, name);
    let is_true = |name| text(name).map(|word| word.eq_ignore_ascii_case("true"));
    let guaranteed = text("minGuaranteedMemoryMb").or_else(|| text("memGuaranteedSize"));
    vm.min_allocated_mem = guaranteed
        .and_then(|mib| mib.parse().ok())
        .map(MemorySize::from_mib);
    vm.custom_compatibility_version = text("clusterVersion");
    vm.run_and_pause = is_true("launchPaused").unwrap_or(vm.run_and_pause);
    if let Some(behavior) = text("resumeBehavior") {
        vm.resume_behavior = VmResumeBehavior::from_libvirt(&behavior);
    }
    vm.cpu_pinning_policy = match text("cpuPolicy").as_deref() {
        Some("isolate-threads") => CpuPinningPolicy::IsolateThreads,
        Some(policy) => CpuPinningPolicy::from_libvirt(policy),
        None => CpuPinningPolicy::None,
    };
    let custom = metadata
        .elements()
        .find(|element| element.is_of(OVIRT, "custom"));
    let properties: Vec<String> = custom
        .into_iter()
        .flat_map(Element::elements)
        .map(|property| format!("{}={}", property.name(), property.text().trim()))
        .collect();
    vm.custom_properties = properties.join(";");
    for disk in &mut vm.images {
        let of_disk = |element: &&Element| {
            element.is_of(OVIRT, "device")
                && element.attribute("devtype") == Some("disk")
                && element.attribute("name").is_some()
                && element.attribute("name") == disk.target_dev.as_deref()
        };
        let Some(told) = metadata.elements().find(of_disk) else {
            continue;
        };
        let id = |name| ovirt_text(told, name).and_then(|text| text.parse::<Uuid>().ok());
        disk.id = id("imageID").or(disk.id);
        disk.image_id = id("volumeID");
        disk.storage_ids = id("domainID").into_iter().collect();
        disk.storage_pool_id = id("poolID");
        disk.logical_name = ovirt_text(told, "guestName");
    }
    for card in &mut vm.interfaces {
        let of_card = |element: &&Element| {
            let address = element.attribute("mac_address").map(str::to_lowercase);
            address.is_some() && address == card.mac_address
        };
        let told = metadata.elements().find(of_card);
        let mirrors = |told: &Element| {
            let mut parts = told.elements();
            parts.any(|part| part.is_of(OVIRT, "portMirroring"))
        };
        card.port_mirroring = told.is_some_and(mirrors);
    }
}

/// What the XML of a live domain tells beside what is configured.
fn read_dynamic(domain: &Element, configured: &VmStatic) -> VmDynamic {
    let agent = |name: &str| devices::agent_is_connected(domain, name);
    let status = |connected: bool| {
        if connected {
            GuestAgentStatus::Exists
        } else {
            GuestAgentStatus::DoesntExist
        }
    };
    let cd = configured.iso_path.as_ref();
    let mut dynamic = VmDynamic {
        id: configured.id,
        domain_id: domain.attribute("id").and_then(|id| id.parse().ok()),
        emulated_machine: configured.custom_emulated_machine.clone(),
        cpu_name: cpu_name(domain),
        runtime_name: Some(configured.name.clone()),
        current_sockets: Some(configured.num_of_sockets),
        current_cores_per_socket: Some(configured.cpu_per_socket),
        current_threads_per_core: Some(configured.threads_per_cpu),
        current_cpu_pinning: configured.cpu_pinning.clone(),
        current_numa_pinning: numa_pinning(domain),
        lease_info: domain
            .find("devices/lease/target")
            .map(|target| {
                let part = |name: &str| Some((name.to_owned(), target.attribute(name)?.to_owned()));
                ["path", "offset"].into_iter().filter_map(part).collect()
            })
            .unwrap_or_default(),
        acpi_enabled: domain
            .child("features")
            .map(|features| features.child("acpi").is_some()),
        utc_diff: domain
            .child("clock")
            .and_then(|clock| clock.attribute("adjustment")?.parse().ok()),
        boot_sequence: boot_sequence(domain),
        current_cd: cd.map(|cd| {
            cd.file_name()
                .unwrap_or(cd.as_os_str())
                .to_string_lossy()
                .into_owned()
        }),
        graphics_infos: devices::consoles(domain),
        vnc_keyboard_layout: configured.vnc_keyboard_layout.clone(),
        volatile_run: domain.child("on_reboot").map(Element::text).as_deref() == Some("destroy"),
        last_watchdog_action: domain
            .find("devices/watchdog")
            .and_then(|watchdog| watchdog.attribute("action"))
            .map(str::to_owned),
        ovirt_guest_agent_status: agent("ovirt-guest-agent.0").map(status),
        qemu_guest_agent_status: agent("org.qemu.guest_agent.0").map(status),
        ..VmDynamic::default()
    };
    if let Some(metadata) = ovirt(domain) {
        let text = |name| ovirt_text(metadata, name);
        let started = text("startTime").and_then(|text| super::binding::Scalar::read(&text).ok());
        dynamic.last_start_time = started;
        dynamic.boot_time = started;
        dynamic.exit_message = text("exitMessage");
        let code = |name| text(name).and_then(|text| text.parse().ok());
        dynamic.exit_status = code("exitCode").and_then(crate::entity::VmExitStatus::from_code);
        dynamic.exit_reason = code("exitReason").and_then(crate::entity::VmExitReason::from_code);
    }
    dynamic
}

/// Which of the host's nodes each NUMA node is bound to.
fn numa_pinning(domain: &Element) -> Option<String> {
    let nodes = domain.child("numatune")?.children("memnode");
    let nodes: Vec<String> = nodes
        .filter_map(|node| {
            let (cell, nodes) = (node.attribute("cellid")?, node.attribute("nodeset")?);
            Some(format!("{cell}#{nodes}"))
        })
        .collect();
    (!nodes.is_empty()).then(|| nodes.join("_"))
}

/// Whether it may migrate, as far as its devices tell.
pub(super) fn migration_support(devices: &Element) -> MigrationSupport {
    let is_bound = |device: &Element| {
        device.is("hostdev") && device.attribute("type") != Some("usb")
            || device.is("interface") && device.attribute("type") == Some("hostdev")
    };
    if devices.elements().any(is_bound) {
        MigrationSupport::PinnedToHost
    } else {
        MigrationSupport::Migratable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus_are_read_and_written() {
        assert_eq!(numbers("0-3,^2, 8").unwrap(), [0, 1, 3, 8]);
        assert_eq!(ranges(&[0, 1, 3, 8]), "0-1,3,8");
        for wrong in ["a", "3-b", "^x", "0-99999999999", "4294967295"] {
            assert!(numbers(wrong).is_err(), "{wrong}");
        }
        assert_eq!(numbers("").unwrap(), [0_u32; 0]);
    }
}
