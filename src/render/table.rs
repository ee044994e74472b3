//! Tables and pages for people.

use super::text::{age, harmless, image, state};
use crate::entity::Vm;
use crate::words::size;
use comfy_table::{ContentArrangement, Table, presets};

/// One line for each VM.
#[must_use]
pub(super) fn list(vms: &[Vm], width: Option<u16>) -> String {
    let mut table = table(&["NAME", "STATE", "ID", "VCPUS", "MEMORY", "IMAGE"], width);
    for vm in vms {
        let dynamic = vm.vm_dynamic.as_ref();
        let id = dynamic.and_then(|dynamic| dynamic.domain_id);
        let images: Vec<String> = vm.saved_images.iter().map(image).collect();
        table.add_row([
            harmless(vm.name()),
            harmless(&state(vm)),
            id.map_or_else(dash, |id| id.to_string()),
            vm.vm_static.cpu_count().to_string(),
            vm.vm_static
                .mem_size_mb
                .map_or_else(dash, |memory| size(memory.bytes())),
            if images.is_empty() {
                dash()
            } else {
                images.join("; ")
            },
        ]);
    }
    lines(&table)
}

fn dash() -> String {
    "-".to_owned()
}

fn table(header: &[&str], width: Option<u16>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(width);
    }
    table.set_header(header);
    table
}

/// The table without the blanks that fill its last column and indent its first.
fn lines(table: &Table) -> String {
    table
        .lines()
        .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(&line).trim_end()))
        .collect()
}

/// All about one VM.
#[must_use]
pub(super) fn page(vm: &Vm, width: Option<u16>) -> String {
    let mut page = format!("{}: {}\n\n", harmless(vm.name()), harmless(&state(vm)));
    page += &facts(&general_facts(vm));
    let disks = vm.vm_static.images.iter().map(|disk| {
        [
            disk.target_dev.clone().unwrap_or_else(dash),
            disk.disk_interface
                .as_ref()
                .map_or_else(dash, |bus| bus.to_string()),
            disk.volume_format
                .as_ref()
                .map_or_else(dash, |format| format.to_string()),
            disk.image_path.clone().unwrap_or_else(dash),
            if disk.read_only {
                "read only".to_owned()
            } else {
                String::new()
            },
        ]
    });
    page += &section(
        "disks",
        &["DISK", "BUS", "FORMAT", "PATH", ""],
        disks,
        width,
    );
    let interfaces = vm.vm_static.interfaces.iter().map(|interface| {
        [
            interface.name.clone(),
            interface.mac_address.clone().unwrap_or_else(dash),
            interface
                .interface_type
                .as_ref()
                .map_or_else(dash, |kind| kind.to_string()),
            interface
                .network_name
                .clone()
                .or(interface.source_type.clone())
                .unwrap_or_else(dash),
            if interface.linked { "up" } else { "down" }.to_owned(),
        ]
    });
    page += &section(
        "interfaces",
        &["NAME", "MAC", "TYPE", "NETWORK", "LINK"],
        interfaces,
        width,
    );
    let images = vm.saved_images.iter().map(|image| {
        let after = match image.was_running {
            Some(true) => "runs on",
            Some(false) => "stays paused",
            None => "-",
        };
        [
            image.path.as_ref().map_or_else(
                || "managed by libvirt".to_owned(),
                |path| path.display().to_string(),
            ),
            image.size_bytes.map_or_else(dash, size),
            image.saved_at.map_or_else(dash, age),
            image
                .flaw
                .clone()
                .unwrap_or_else(|| image.verdict.to_string()),
            after.to_owned(),
        ]
    });
    page += &section(
        "images",
        &["IMAGE", "SIZE", "AGE", "VERDICT", "WHEN RESTORED"],
        images,
        width,
    );
    page
}

fn general_facts(vm: &Vm) -> Vec<(&'static str, String)> {
    let stat = &vm.vm_static;
    let mut facts = Vec::new();
    let mut fact = |name, value: Option<String>| facts.extend(value.map(|value| (name, value)));
    fact("id", vm.id().map(|id| id.to_string()));
    let dynamic = vm.vm_dynamic.as_ref();
    fact(
        "domain id",
        dynamic
            .and_then(|dynamic| dynamic.domain_id)
            .map(|id| id.to_string()),
    );
    fact(
        "description",
        Some(stat.description.clone()).filter(|text| !text.is_empty()),
    );
    fact(
        "memory",
        stat.mem_size_mb.map(|memory| size(memory.bytes())),
    );
    let most = stat.max_num_of_cpus();
    let cpus = match stat.cpu_count() {
        plugged if plugged < most => format!("{plugged} of {most}"),
        plugged => plugged.to_string(),
    };
    fact("vCPUs", Some(cpus));
    let machine = dynamic
        .and_then(|dynamic| dynamic.emulated_machine.clone())
        .or(stat.custom_emulated_machine.clone());
    let kind = [
        stat.domain_type.clone(),
        vm.cluster_arch.as_ref().map(|arch| arch.to_string()),
        machine,
    ];
    let kind: Vec<String> = kind.into_iter().flatten().collect();
    fact(
        "machine",
        Some(kind.join(", ")).filter(|kind| !kind.is_empty()),
    );
    fact(
        "priority",
        Some(stat.priority.to_string()).filter(|_| stat.priority > 0),
    );
    fact(
        "kernel",
        stat.kernel_url
            .as_ref()
            .map(|path| path.display().to_string()),
    );
    fact(
        "initrd",
        stat.initrd_url
            .as_ref()
            .map(|path| path.display().to_string()),
    );
    fact("parameters", stat.kernel_params.clone());
    fact(
        "CD",
        stat.iso_path
            .as_ref()
            .map(|path| path.display().to_string()),
    );
    fact(
        "serial log",
        stat.serial_log_path
            .as_ref()
            .map(|path| path.display().to_string()),
    );
    for (kind, info) in dynamic
        .into_iter()
        .flat_map(|dynamic| &dynamic.graphics_infos)
    {
        let address = info.ip.as_deref().unwrap_or("?");
        let ports = [("", info.port), (" (TLS)", info.tls_port)];
        for (how, port) in ports
            .into_iter()
            .filter_map(|(how, port)| Some((how, port?)))
        {
            fact("console", Some(format!("{kind} at {address}:{port}{how}")));
        }
    }
    facts
}

fn facts(facts: &[(&str, String)]) -> String {
    facts
        .iter()
        .map(|(name, value)| format!("  {name:<12} {}\n", harmless(value)))
        .collect()
}

fn section<const N: usize>(
    name: &str,
    header: &[&str; N],
    rows: impl Iterator<Item = [String; N]>,
    width: Option<u16>,
) -> String {
    let mut table = table(header, width.map(|width| width.saturating_sub(2)));
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return String::new();
    }
    for row in rows {
        table.add_row(row.map(|cell| harmless(&cell)));
    }
    let body: String = lines(&table)
        .lines()
        .map(|line| format!("  {line}\n"))
        .collect();
    format!("\n{name}\n{body}")
}
