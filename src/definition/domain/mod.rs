//! The mapping between a domain's XML and the model: which field stands where. It serves for definition
//! files, for live domains and for the descriptions inside images, so that they agree.

mod boot;
mod consoles;
mod cpus;
mod device_list;
mod devices;
mod disks;
mod interfaces;
mod payload;

pub(super) use cpus::{numbers, pins};
pub(super) use disks::is_elsewhere;

use crate::definition::binding::{Binding, Direction};
use crate::definition::tree::{Element, Result};
use crate::entity::{
    CpuPinningPolicy, GuestAgentStatus, MemorySize, OriginType, Vm, VmDynamic, VmPayload,
    VmResumeBehavior, VmStatic,
};
use boot::{bind_boot, bind_boot_sequence, boot_sequence};
use cpus::{bind_memory_and_cpus, bind_numa, cpu_name, numa_pinning};
use std::collections::HashMap;
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
    bind_boot_sequence(binding, configured)?;
    bind_numa(binding, configured)?;
    bind_ovirt(binding, configured);
    payload::bind_payload(binding, vm, ovirt)?;
    if direction == Direction::Read {
        let domain = &*binding.element;
        device_list::name_what_has_no_name(domain, ovirt(domain), &mut vm.vm_static);
        vm.vm_dynamic = domain
            .attribute("id")
            .is_some()
            .then(|| read_dynamic(domain, &vm.vm_static));
        vm.initialization_type = vm
            .vm_payload
            .as_ref()
            .and_then(VmPayload::initialization_type);
        vm.runtime_device_custom_properties = device_list::custom_properties(domain, ovirt(domain));
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

/// oVirt's metadata, if oVirt made the VM.
pub(super) fn ovirt(domain: &Element) -> Option<&Element> {
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
    let (mut disks, mut cards) = (HashMap::new(), HashMap::new());
    for element in metadata.elements() {
        let is_disk =
            element.is_of(OVIRT, "device") && element.attribute("devtype") == Some("disk");
        if let Some(target) = element.attribute("name").filter(|_| is_disk) {
            disks.entry(target).or_insert(element);
        }
        if let Some(address) = element.attribute("mac_address") {
            cards.entry(address.to_lowercase()).or_insert(element);
        }
    }
    for disk in &mut vm.images {
        let target = disk.target_dev.as_deref();
        let Some(told) = target.and_then(|target| disks.get(target)) else {
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
        let told = card.mac_address.as_ref();
        let told = told.and_then(|address| cards.get(address));
        let mirrors = |told: &&Element| {
            let mut parts = told.elements();
            parts.any(|part| part.is_of(OVIRT, "portMirroring"))
        };
        card.port_mirroring = told.is_some_and(mirrors);
    }
}

/// What the XML of a live domain tells beside what is configured.
fn read_dynamic(domain: &Element, configured: &VmStatic) -> VmDynamic {
    let agent = |name: &str| consoles::agent_is_connected(domain, name);
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
        graphics_infos: consoles::consoles(domain),
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
