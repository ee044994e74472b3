//! What there may be several of: disks, network cards, consoles, snapshots, images.

use super::{joined, secret};
use crate::entity::{
    Bytes, BytesPerSecond, DiskImage, FileSystemUsage, GraphicsInfo, ImageStatus, InterfaceStatus,
    Percent, SavedImage, Seconds, Snapshot, SnapshotStatus, Vm, VmBlockJob, VmBlockJobType,
    VmDynamic, VmNetworkInterface,
};
use crate::render::list::snapshots;
use crate::render::table::{Facts, table};
use crate::render::text::View;
use crate::words::{count, size};

/// Deeper than this, a tree of snapshots goes down without going right.
const DEEPEST: usize = 8;

pub(super) fn file_systems(systems: &[FileSystemUsage], view: &View) -> String {
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

pub(super) fn consoles(dynamic: &VmDynamic, view: &View) -> String {
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

pub(super) fn disks(disks: &[DiskImage], view: &View) -> String {
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
    let least = if disk.has_all_layers() {
        ""
    } else {
        "at least "
    };
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
            // Of a disk that is not in use nothing else is judged.
            .map(|_| {
                if disk.plugged.is_none() {
                    "missing"
                } else {
                    "broken"
                }
                .to_owned()
            }),
        word(
            disk.snapshots
                .iter()
                .any(|layer| layer.image_status == Some(ImageStatus::Illegal)),
            "a layer below is missing",
        ),
        status
            .filter(|status| **status == ImageStatus::Locked)
            .map(|_| "locked".to_owned()),
        disk.progress.map(|percent| match &disk.block_job {
            Some(job) => block_job(job, percent),
            None => format!("job at {percent} %"),
        }),
        word(disk.plugged == Some(false), "not plugged in"),
        word(disk.boot, "boot"),
        word(disk.read_only, "read only"),
        word(disk.shareable, "shareable"),
        word(disk.is_lun(), "LUN"),
        layers.map(|layers| format!("{least}{} below", count(layers, "layer"))),
        guest.map(|name| format!("{name} in the guest")),
    ];
    joined(notes, ", ")
}

/// "copy at 25 % (5.00 GiB of 20.00 GiB)".
fn block_job(job: &VmBlockJob, percent: u32) -> String {
    let kind = match &job.block_job_type {
        VmBlockJobType::Pull => "pull",
        VmBlockJobType::Copy => "copy",
        VmBlockJobType::Commit => "commit",
        VmBlockJobType::ActiveCommit => "commit of the uppermost layer",
        VmBlockJobType::Backup => "backup",
        VmBlockJobType::Unknown | VmBlockJobType::Other(_) => "job",
    };
    let (at, end) = (size(job.cursor_cur), size(job.cursor_end));
    format!("{kind} at {percent} % ({at} of {end})")
}

pub(super) fn disk_rates(disks: &[DiskImage], view: &View) -> String {
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

pub(super) fn network_cards(cards: &[VmNetworkInterface], view: &View) -> String {
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

pub(super) fn network_rates(cards: &[VmNetworkInterface], view: &View) -> String {
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
pub(super) fn snapshot_tree(vm: &Vm, view: &View) -> String {
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
pub(super) fn tree<'a>(all: &[&'a Snapshot]) -> Vec<(&'a Snapshot, usize)> {
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

pub(super) fn images(images: &[SavedImage], view: &View) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
