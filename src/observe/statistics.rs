//! Statistics, as libvirt counts them, into the model.

use crate::entity::{
    Bytes, BytesPerSecond, DiskImage, ImageStatus, InterfaceStatus, Kibibytes, MemorySize, Percent,
    Seconds, Vm, VmNetworkInterface, VmNetworkStatistics, VmStatistics, VolumeFormat, VolumeType,
};
use crate::hypervisor::{BlockInfo, Record};
use jiff::Timestamp;
use std::time::Duration;

/// What the guest has told of its memory so long ago is no news.
const STALE_SECONDS: i64 = 120;

/// An earlier sample, and how long ago it was taken.
#[derive(Clone, Copy)]
pub(super) struct Before<'a> {
    pub(super) record: &'a Record,
    pub(super) ago: Duration,
}

/// Fills in what a record of `virConnectGetAllDomainStats` tells of a VM; rates need an earlier one.
pub(super) fn apply(vm: &mut Vm, now: &Record, before: Option<Before<'_>>) {
    let memory_kib = vm.vm_static.mem_size_mb.map(MemorySize::kib);
    let is_active = vm.status().is_active();
    for disk in &mut vm.vm_static.images {
        apply_to_disk(disk, now, before, is_active);
    }
    // Of a domain that is off the counters mean nothing.
    if !is_active {
        return;
    }
    for card in &mut vm.vm_static.interfaces {
        apply_to_card(card, now, before);
    }
    let statistics = vm.vm_statistics.get_or_insert_with(VmStatistics::default);
    statistics.id = vm.vm_static.id;
    apply_cpu(statistics, now, before, vm.vm_static.cpu_count());
    apply_memory(statistics, now, memory_kib);
    let busiest = vm.vm_static.interfaces.iter().filter_map(|card| {
        let counted = card.statistics.as_ref()?;
        Some(counted.receive_rate?.0.max(counted.transmit_rate?.0))
    });
    statistics.usage_network_percent = busiest.map(whole).max();
}

/// A percentage without its fraction, 100 at most.
fn whole(percent: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is between 0 and 100"
    )]
    let whole = percent.clamp(0.0, 100.0) as u32;
    whole
}

#[expect(
    clippy::cast_precision_loss,
    reason = "no counter of libvirt's needs 53 bits of precision"
)]
fn float(number: u64) -> f64 {
    number as f64
}

/// How much a counter grew; one that was reset did not.
fn growth(now: &Record, before: Before<'_>, key: &str) -> Option<u64> {
    Some(
        now.unsigned(key)?
            .saturating_sub(before.record.unsigned(key)?),
    )
}

fn per_second(now: &Record, before: Option<Before<'_>>, key: &str) -> Option<f64> {
    let before = before?;
    Some(float(growth(now, before, key)?) / before.ago.as_secs_f64())
}

fn apply_cpu(statistics: &mut VmStatistics, now: &Record, before: Option<Before<'_>>, vcpus: u32) {
    const NANOSECONDS: f64 = 1e9;
    statistics.cpu_time = now
        .unsigned("cpu.time")
        .map(|time| Seconds(float(time) / NANOSECONDS));
    let percent = |key: &str| Some(per_second(now, before, key)? / NANOSECONDS * 100.0);
    let threads = (0..now.unsigned("vcpu.maximum").unwrap_or_default().min(10_000))
        .filter_map(|number| percent(&format!("vcpu.{number}.time")));
    let guest: f64 = threads.sum();
    let Some(all) = percent("cpu.time") else {
        return;
    };
    statistics.cpu_user = Some(Percent(guest));
    statistics.cpu_sys = Some(Percent((all - guest).max(0.0)));
    statistics.usage_cpu_percent = Some(whole(all.max(guest) / f64::from(vcpus.max(1))));
}

fn apply_memory(statistics: &mut VmStatistics, now: &Record, memory_kib: Option<u64>) {
    let kib = |key| now.unsigned(key).map(Kibibytes);
    statistics.balloon_current = kib("balloon.current");
    statistics.balloon_rss = kib("balloon.rss");
    // Without the guest's driver the rest is not the guest's; and where nobody asks it at intervals
    // (`memballoon/stats/@period`), its only answer is that of its boot.
    let told = now.integer("balloon.last-update").unwrap_or_default();
    if Timestamp::now().as_second().saturating_sub(told) > STALE_SECONDS {
        return;
    }
    statistics.guest_memory_unused = kib("balloon.unused");
    statistics.guest_memory_cached = kib("balloon.disk_caches");
    let caches = now.unsigned("balloon.disk_caches").unwrap_or_default();
    let free = now
        .unsigned("balloon.unused")
        .map(|unused| unused.saturating_add(caches));
    statistics.guest_memory_free = free.map(Kibibytes);
    if let (Some(free), Some(all)) = (free, memory_kib.filter(|all| *all > 0)) {
        statistics.usage_mem_percent = Some(whole(100.0 - float(free) / float(all) * 100.0));
    }
}

/// The numbers under which a list of libvirt's has an entry of this name.
fn numbers_of(record: &Record, group: &str, name: Option<&str>) -> Vec<u64> {
    let count = record
        .unsigned(&format!("{group}.count"))
        .unwrap_or_default();
    (0..count.min(10_000))
        .filter(|number| name.is_some() && record.text(&format!("{group}.{number}.name")) == name)
        .collect()
}

fn apply_to_card(card: &mut VmNetworkInterface, now: &Record, before: Option<Before<'_>>) {
    let Some(number) = numbers_of(now, "net", card.target_dev.as_deref())
        .first()
        .copied()
    else {
        return;
    };
    let key = |name: &str| format!("net.{number}.{name}");
    let count = |name: &str| now.unsigned(&key(name));
    let rate = |name: &str| {
        let bits = per_second(now, before, &key(name))? * 8.0;
        let speed = f64::from(card.speed.filter(|speed| *speed > 0)?) * 1e6;
        Some(Percent(bits / speed * 100.0))
    };
    card.statistics = Some(VmNetworkStatistics {
        status: Some(if card.linked {
            InterfaceStatus::Up
        } else {
            InterfaceStatus::Down
        }),
        received_bytes: count("rx.bytes"),
        transmitted_bytes: count("tx.bytes"),
        receive_drops: count("rx.drop"),
        transmit_drops: count("tx.drop"),
        receive_rate: rate("rx.bytes"),
        transmit_rate: rate("tx.bytes"),
        sample_time: before.map(|before| Seconds(before.ago.as_secs_f64())),
        ..VmNetworkStatistics::default()
    });
}

/// Fills in how large a disk of a running domain is. Of the layers below it nobody tells.
pub(super) fn apply_block_info(disk: &mut DiskImage, info: BlockInfo) {
    apply_sizes(
        disk,
        Some(info.capacity),
        Some(info.allocation),
        Some(info.physical),
    );
    sum_up_layers(disk);
}

fn apply_sizes(
    image: &mut DiskImage,
    capacity: Option<u64>,
    allocation: Option<u64>,
    physical: Option<u64>,
) {
    let is_device = image.source_type.as_deref() == Some("block");
    let actual = if is_device { physical } else { allocation };
    image.size = capacity.map(Bytes);
    image.actual_size_in_bytes = actual.map(Bytes);
    image.apparent_size_in_bytes = physical.map(Bytes);
    // What is allocated of a QCOW2 can be more than its capacity: it holds snapshots, too.
    let grows = image.volume_format == Some(VolumeFormat::Cow);
    image.volume_type = actual.zip(capacity).map(|(actual, capacity)| {
        if grows || actual < capacity {
            VolumeType::Sparse
        } else {
            VolumeType::Preallocated
        }
    });
}

fn sum_up_layers(disk: &mut DiskImage) {
    let layers = disk
        .snapshots
        .iter()
        .map(|layer| layer.actual_size_in_bytes);
    let all: Option<u64> = [disk.actual_size_in_bytes]
        .into_iter()
        .chain(layers)
        .map(|size| size.map(|size| size.0))
        .sum();
    disk.actual_disk_with_snapshots_size = all.filter(|_| disk.has_all_layers()).map(Bytes);
}

fn apply_to_disk(disk: &mut DiskImage, now: &Record, before: Option<Before<'_>>, is_active: bool) {
    // libvirt lists the layers of a disk under one name, the top one first.
    let numbers = numbers_of(now, "block", disk.target_dev.as_deref());
    let Some(number) = numbers.first() else {
        return;
    };
    // Of a running domain the allocation is how far QEMU has written, and the physical size mostly, but not
    // always, what the file takes up: see `apply_block_info`.
    let sizes = |image: &mut DiskImage, number: u64| {
        let size = |name: &str| now.unsigned(&format!("block.{number}.{name}"));
        let on_host = |name| size(name).filter(|_| !is_active);
        apply_sizes(
            image,
            size("capacity"),
            on_host("allocation"),
            on_host("physical"),
        );
    };
    sizes(disk, *number);
    for (layer, number) in disk.snapshots.iter_mut().zip(&numbers[1..]) {
        sizes(layer, *number);
    }
    sum_up_layers(disk);
    disk.image_status = disk
        .image_status
        .take()
        .or(disk.size.map(|_| ImageStatus::Ok));
    let key = |name: &str| format!("block.{number}.{name}");
    disk.read_ops = now.unsigned(&key("rd.reqs"));
    disk.write_ops = now.unsigned(&key("wr.reqs"));
    let rate = |name: &str| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a growth is not negative, and no disk is that fast"
        )]
        per_second(now, before, &key(name)).map(|rate| BytesPerSecond(rate as u64))
    };
    disk.read_rate = rate("rd.bytes");
    disk.write_rate = rate("wr.bytes");
    let latency = |kind: &str| {
        let before = before?;
        let requests =
            growth(now, before, &key(&format!("{kind}.reqs"))).filter(|count| *count > 0)?;
        let nanoseconds = growth(now, before, &key(&format!("{kind}.times")))?;
        Some(Seconds(float(nanoseconds) / float(requests) / 1e9))
    };
    disk.read_latency = latency("rd");
    disk.write_latency = latency("wr");
    disk.flush_latency = latency("fl");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::{VmDynamic, VmInterfaceType, VmStatic, VmStatus};
    use crate::hypervisor::Value;

    fn record(values: &[(&str, u64)], names: &[(&str, &str)]) -> Record {
        let values = values
            .iter()
            .map(|(key, value)| ((*key).to_owned(), Value::Unsigned(*value)));
        let names = names
            .iter()
            .map(|(key, name)| ((*key).to_owned(), Value::Text((*name).to_owned())));
        Record::new(values.chain(names))
    }

    fn running() -> Vm {
        Vm {
            vm_static: VmStatic {
                mem_size_mb: Some(MemorySize::from_mib(1024)),
                num_of_sockets: 2,
                images: vec![DiskImage {
                    target_dev: Some("vda".into()),
                    snapshots: vec![DiskImage::default()],
                    ..DiskImage::default()
                }],
                interfaces: vec![VmNetworkInterface {
                    target_dev: Some("vnet0".into()),
                    interface_type: Some(VmInterfaceType::Rtl8139),
                    speed: Some(100),
                    ..VmNetworkInterface::default()
                }],
                ..VmStatic::default()
            },
            vm_dynamic: Some(VmDynamic {
                status: VmStatus::Up,
                ..VmDynamic::default()
            }),
            ..Vm::default()
        }
    }

    #[test]
    fn rates_are_what_grew_between_two_samples() {
        let names = [("net.0.name", "vnet0"), ("block.0.name", "vda")];
        let counts = [("net.count", 1), ("block.count", 1)];
        let at = |values: &[(&str, u64)]| record(&[&counts, values].concat(), &names);
        let before = at(&[
            ("cpu.time", 1_000_000_000),
            ("vcpu.maximum", 2),
            ("vcpu.0.time", 500_000_000),
            ("net.0.rx.bytes", 1000),
            ("net.0.tx.bytes", 0),
            ("block.0.rd.bytes", 4096),
            ("block.0.rd.reqs", 1),
            ("block.0.rd.times", 1_000_000),
        ]);
        let now = at(&[
            ("cpu.time", 3_000_000_000),
            ("vcpu.maximum", 2),
            ("vcpu.0.time", 1_900_000_000),
            ("net.0.rx.bytes", 2_501_000),
            ("net.0.tx.bytes", 0),
            ("block.0.rd.bytes", 12_288),
            ("block.0.rd.reqs", 3),
            ("block.0.rd.times", 5_000_000),
        ]);
        let mut vm = running();
        let ago = Duration::from_secs(2);
        apply(
            &mut vm,
            &now,
            Some(Before {
                record: &before,
                ago,
            }),
        );
        let statistics = vm.vm_statistics.unwrap();
        assert_eq!(statistics.cpu_user, Some(Percent(70.0)));
        assert_eq!(statistics.cpu_sys, Some(Percent(30.0)));
        assert_eq!(statistics.usage_cpu_percent, Some(50));
        assert_eq!(statistics.usage_network_percent, Some(10));
        let disk = &vm.vm_static.images[0];
        assert_eq!(disk.read_rate, Some(BytesPerSecond(4096)));
        assert_eq!(disk.read_latency, Some(Seconds(0.002)));
        assert_eq!(disk.write_latency, None, "there was nothing to measure");
    }

    #[test]
    fn one_sample_gives_counts_and_no_rates() {
        let now = record(&[("cpu.time", 1_000_000_000)], &[]);
        let mut vm = running();
        apply(&mut vm, &now, None);
        let statistics = vm.vm_statistics.unwrap();
        assert_eq!(statistics.cpu_time, Some(Seconds(1.0)));
        assert_eq!(statistics.cpu_user, None);
        assert_eq!(statistics.usage_cpu_percent, None);
    }

    #[test]
    fn what_a_guest_without_a_balloon_driver_cannot_tell_is_absent() {
        let mut vm = running();
        let stale = [
            ("balloon.current", 1_048_576),
            ("balloon.unused", 7),
            ("balloon.last-update", 0),
        ];
        apply(&mut vm, &record(&stale, &[]), None);
        let statistics = vm.vm_statistics.take().unwrap();
        assert_eq!(statistics.balloon_current, Some(Kibibytes(1_048_576)));
        assert_eq!(statistics.guest_memory_unused, None);
        let just_now = Timestamp::now().as_second().unsigned_abs();
        let of_boot = [
            ("balloon.unused", 7),
            ("balloon.last-update", just_now - 3600),
        ];
        apply(&mut vm, &record(&of_boot, &[]), None);
        let statistics = vm.vm_statistics.take().unwrap();
        assert_eq!(statistics.guest_memory_unused, None, "that was an hour ago");
        let told = [
            ("balloon.unused", 524_288),
            ("balloon.disk_caches", 262_144),
            ("balloon.last-update", just_now),
        ];
        apply(&mut vm, &record(&told, &[]), None);
        let statistics = vm.vm_statistics.unwrap();
        assert_eq!(statistics.guest_memory_free, Some(Kibibytes(786_432)));
        assert_eq!(statistics.usage_mem_percent, Some(25));
    }

    #[test]
    fn the_layers_of_a_disk_have_sizes_of_their_own() {
        let now = record(
            &[
                ("block.count", 2),
                ("block.0.capacity", 1000),
                ("block.0.allocation", 10),
                ("block.0.physical", 20),
                ("block.1.capacity", 1000),
                ("block.1.allocation", 1000),
            ],
            &[("block.0.name", "vda"), ("block.1.name", "vda")],
        );
        let mut vm = running();
        vm.vm_dynamic = None;
        apply(&mut vm, &now, None);
        let unknown = vm.vm_static.images[0].actual_disk_with_snapshots_size;
        assert_eq!(unknown, None, "there may be more layers");
        vm.vm_static.images[0].snapshots[0].volume_format = Some(VolumeFormat::Raw);
        apply(&mut vm, &now, None);
        let disk = &vm.vm_static.images[0];
        assert_eq!(disk.size, Some(Bytes(1000)));
        assert_eq!(disk.volume_type, Some(VolumeType::Sparse));
        assert_eq!(
            disk.snapshots[0].volume_type,
            Some(VolumeType::Preallocated)
        );
        assert_eq!(disk.actual_disk_with_snapshots_size, Some(Bytes(1010)));
        assert_eq!(vm.vm_statistics, None, "it is off");
    }

    #[test]
    fn of_a_disk_in_use_the_counters_tell_no_size_on_the_host() {
        let now = record(
            &[
                ("block.count", 2),
                ("block.0.capacity", 1000),
                ("block.0.allocation", 0),
                ("block.0.physical", 10),
                ("block.1.capacity", 1000),
                ("block.1.physical", 1000),
            ],
            &[("block.0.name", "vda"), ("block.1.name", "vda")],
        );
        let mut vm = running();
        apply(&mut vm, &now, None);
        let disk = &mut vm.vm_static.images[0];
        assert_eq!(disk.size, Some(Bytes(1000)));
        assert_eq!(disk.actual_size_in_bytes, None);
        let info = BlockInfo {
            capacity: 1000,
            allocation: 10,
            physical: 400,
        };
        apply_block_info(disk, info);
        assert_eq!(disk.actual_size_in_bytes, Some(Bytes(10)));
        assert_eq!(disk.apparent_size_in_bytes, Some(Bytes(400)));
        assert_eq!(disk.snapshots[0].size, Some(Bytes(1000)));
        assert_eq!(disk.snapshots[0].actual_size_in_bytes, None);
        assert_eq!(disk.actual_disk_with_snapshots_size, None);
        disk.snapshots.clear();
        disk.plugged = Some(true);
        disk.source_type = Some("block".to_owned());
        apply_block_info(disk, info);
        assert_eq!(disk.actual_disk_with_snapshots_size, Some(Bytes(400)));
    }
}
