//! One field of a domain is changed, whatever domain it is: it says so then, it is still a domain, and the
//! rest of it is as it was.

use super::definitions::{assert_valid, corpus, name, schema_is_there};
use std::fs;
use std::path::PathBuf;
use vmlife::definition::{deviations, read_domain, update};
use vmlife::entity::{
    BiosType, BootSequence, CpuPinningPolicy, DiskImage, DisplayType, GraphicsType, MemorySize,
    NumaTuneMode, OriginType, SerialNumberPolicy, UsbPolicy, Vm, VmInterfaceType,
    VmNetworkInterface, VmNumaNode, VmResumeBehavior, VmStatic,
};

type Edit = (&'static str, fn(&mut VmStatic));

/// Another value for a field, or for fields that go together.
const EDITS: &[Edit] = &[
    ("name", |vm| vm.name = "another & <one>".into()),
    ("id", |vm| {
        vm.id = "6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2aff".parse().ok();
    }),
    ("description", |vm| vm.description = "two\nlines".into()),
    ("comment", |vm| vm.comment = "a remark".into()),
    ("no description", |vm| vm.description.clear()),
    ("domainType", |vm| vm.domain_type = Some("qemu".into())),
    ("memSizeMb", |vm| {
        vm.mem_size_mb = Some(MemorySize::from_mib(777));
    }),
    ("maxMemorySizeMb", |vm| {
        vm.max_memory_size_mb = Some(MemorySize::from_mib(1 << 20));
    }),
    ("no maxMemorySizeMb", |vm| vm.max_memory_size_mb = None),
    ("balloonEnabled", |vm| {
        vm.balloon_enabled = !vm.balloon_enabled;
    }),
    ("topology", |vm| {
        (vm.num_of_sockets, vm.cpu_per_socket, vm.threads_per_cpu) = (4, 3, 2);
        vm.num_of_cpus = Some(5);
    }),
    ("numOfIoThreads", |vm| vm.num_of_io_threads += 3),
    ("customCpuName", |vm| {
        vm.custom_cpu_name = Some("Nehalem,+aes,-vmx".into());
    }),
    ("no customCpuName", |vm| vm.custom_cpu_name = None),
    ("useHostCpuFlags", |vm| {
        vm.use_host_cpu_flags = !vm.use_host_cpu_flags;
    }),
    ("cpuPinning", |vm| vm.cpu_pinning = Some("0#1-2".into())),
    ("no cpuPinning", |vm| vm.cpu_pinning = None),
    ("cpuPinningPolicy", |vm| {
        vm.cpu_pinning_policy = CpuPinningPolicy::Dedicated;
    }),
    ("cpuShares", |vm| vm.cpu_shares = 777),
    ("no cpuShares", |vm| vm.cpu_shares = 0),
    ("vNumaNodeList", |vm| {
        vm.v_numa_node_list = vec![VmNumaNode {
            cpu_ids: vec![0],
            mem_total: MemorySize::from_mib(64),
            vds_numa_node_list: vec![0],
            numa_tune_mode: Some(NumaTuneMode::Preferred),
            ..VmNumaNode::default()
        }];
    }),
    ("no vNumaNodeList", |vm| vm.v_numa_node_list.clear()),
    ("numaTuneMode", |vm| {
        vm.numa_tune_mode = Some(NumaTuneMode::Interleave);
    }),
    ("customEmulatedMachine", |vm| {
        vm.custom_emulated_machine = Some("pc-q35-7.0".into());
        vm.bios_type = Some(BiosType::Q35SeaBios);
    }),
    ("biosType", |vm| {
        vm.custom_emulated_machine = Some("q35".into());
        vm.bios_type = Some(BiosType::Q35SecureBoot);
    }),
    ("tpmEnabled", |vm| vm.tpm_enabled = !vm.tpm_enabled),
    ("defaultBootSequence", |vm| {
        vm.default_boot_sequence = BootSequence::Ndc;
    }),
    ("bootMenuEnabled", |vm| {
        vm.boot_menu_enabled = !vm.boot_menu_enabled;
    }),
    ("kernelUrl", |vm| {
        vm.kernel_url = Some("/a/kernel".into());
        vm.initrd_url = Some("/an/initrd".into());
        vm.kernel_params = Some("quiet".into());
    }),
    ("no kernelUrl", |vm| {
        vm.kernel_url = None;
        vm.initrd_url = None;
        vm.kernel_params = None;
    }),
    ("osId", |vm| vm.os_id = 27),
    ("timeZone", |vm| vm.time_zone = Some("Etc/GMT".into())),
    ("customSerialNumber", |vm| {
        vm.custom_serial_number = Some("4711".into());
        vm.serial_number_policy = Some(SerialNumberPolicy::Custom);
    }),
    ("serialNumberPolicy", |vm| {
        vm.serial_number_policy = Some(SerialNumberPolicy::HostId);
    }),
    ("isoPath", |vm| vm.iso_path = Some("/a/cd.iso".into())),
    ("isoPath on the web", |vm| {
        vm.iso_path = Some("https://example.org:443/cd.iso".into());
    }),
    ("no isoPath", |vm| vm.iso_path = None),
    ("images", |vm| {
        vm.images.push(DiskImage {
            disk_alias: "new.raw".into(),
            image_path: Some("/a/new.raw".into()),
            source_type: Some("file".into()),
            target_dev: Some("vdzz".into()),
            disk_interface: Some(vmlife::entity::DiskInterface::Virtio),
            volume_format: Some(vmlife::entity::VolumeFormat::Raw),
            ..DiskImage::default()
        });
    }),
    ("no images", |vm| vm.images.clear()),
    ("images' driver", |vm| {
        for disk in &mut vm.images {
            disk.cache = Some("none".into());
            disk.read_only = !disk.read_only;
            disk.pass_discard = true;
        }
    }),
    ("images' serial", |vm| {
        for disk in &mut vm.images {
            disk.serial = Some("4711".into());
        }
    }),
    ("interfaces", |vm| {
        vm.interfaces.push(VmNetworkInterface {
            name: "another".into(),
            mac_address: Some("52:54:00:ff:ff:fe".into()),
            interface_type: Some(VmInterfaceType::E1000),
            source_type: Some("bridge".into()),
            network_name: Some("br7".into()),
            ..VmNetworkInterface::default()
        });
    }),
    ("no interfaces", |vm| vm.interfaces.clear()),
    ("interfaces' cables", |vm| {
        for card in &mut vm.interfaces {
            card.linked = !card.linked;
            card.name.push('x');
        }
    }),
    ("graphicsTypes", |vm| {
        vm.graphics_types = vec![GraphicsType::Vnc, GraphicsType::Spice];
    }),
    ("no graphicsTypes", |vm| vm.graphics_types.clear()),
    ("defaultDisplayType", |vm| {
        vm.default_display_type = Some(DisplayType::Bochs);
    }),
    ("numOfMonitors", |vm| vm.num_of_monitors = 3),
    ("vncKeyboardLayout", |vm| {
        vm.vnc_keyboard_layout = Some("de".into());
    }),
    ("usbPolicy", |vm| {
        vm.usb_policy = match vm.usb_policy {
            UsbPolicy::Disabled => UsbPolicy::EnabledNative,
            _ => UsbPolicy::Disabled,
        };
    }),
    ("smartcardEnabled", |vm| {
        vm.smartcard_enabled = !vm.smartcard_enabled;
    }),
    ("spiceFileTransferEnabled", |vm| {
        vm.spice_file_transfer_enabled = false;
    }),
    ("spiceCopyPasteEnabled", |vm| {
        vm.spice_copy_paste_enabled = false;
    }),
    ("serialLogPath", |vm| {
        vm.serial_log_path = Some("/a/serial.log".into());
    }),
    ("priority", |vm| vm.priority = 99),
    ("stateless", |vm| vm.stateless = true),
    ("resumeBehavior", |vm| {
        vm.resume_behavior = VmResumeBehavior::Kill;
    }),
    ("origin", |vm| vm.origin = Some(OriginType::Xen)),
    ("customProperties", |vm| vm.custom_properties = "a=b".into()),
];

/// What only a machine with firmware has: a container has none of it, nor has a guest of Xen's own kind.
const OF_FIRMWARE: [&str; 7] = [
    "customEmulatedMachine",
    "biosType",
    "defaultBootSequence",
    "bootMenuEnabled",
    "kernelUrl",
    "customSerialNumber",
    "serialNumberPolicy",
];

/// Without what follows from the rest.
fn said(mut vm: Vm) -> VmStatic {
    let vm = &mut vm.vm_static;
    vm.single_qxl_pci = false;
    // These mean nothing where there is no such device.
    vm.stateless &= vm.images.iter().any(|disk| !disk.read_only);
    vm.multi_queues_enabled &= !vm.interfaces.is_empty() && vm.cpu_count() > 1;
    if vm.interfaces.is_empty() {
        vm.default_boot_sequence = BootSequence::C;
    }
    vm.disk_list.clear();
    vm.managed_device_map.clear();
    vm.unmanaged_device_list.clear();
    for disk in &mut vm.images {
        disk.id = None;
        disk.plugged = None;
        disk.disk_storage_type = None;
        disk.volume_classification = None;
        disk.active = None;
        disk.snapshots.clear();
        disk.parent_id = None;
    }
    for card in &mut vm.interfaces {
        card.id = None;
        card.plugged = None;
        card.speed = None;
        card.vm_id = None;
        card.vm_name = None;
    }
    vm.clone()
}

/// Each file of the corpus with each edit: its text, the edited model, and the edited text.
fn edited() -> impl Iterator<Item = (PathBuf, &'static str, String, Vm, String)> {
    corpus("xml", "xml").into_iter().flat_map(|file| {
        let text = fs::read_to_string(&file).expect("text");
        let text = text.trim_start_matches('\u{feff}').to_owned();
        let old = read_domain(&text).expect("it loads");
        let has_firmware = text.contains(">hvm</");
        let edits = EDITS
            .iter()
            .filter(move |(field, _)| has_firmware || !OF_FIRMWARE.contains(field));
        edits.filter_map(move |(field, edit)| {
            let mut vm = old.clone();
            edit(&mut vm.vm_static);
            match update(&text, &vm) {
                Ok(edited) => Some((file.clone(), *field, text.clone(), vm, edited)),
                Err(error) => {
                    let refused = format!("{field} cannot be written");
                    let is_known = CONTRADICTED.contains(field);
                    let words = error.to_string();
                    assert!(
                        is_known && words.contains(&refused),
                        "{}: {words}",
                        file.display()
                    );
                    None
                }
            }
        })
    })
}

#[test]
fn whatever_is_edited_of_whatever_domain_it_says_so_then_and_the_rest_is_as_it_was() {
    let mut wrong = Vec::new();
    for (file, field, text, vm, edited) in edited() {
        let place = format!("{}: {field}", name(&file));
        let found = read_domain(&edited).unwrap_or_else(|error| panic!("{place}: {error}"));
        let (wanted, found) = (said(vm), said(found));
        if wanted != found {
            let [wanted, found] = [wanted, found].map(|vm_static| Vm {
                vm_static,
                ..Vm::default()
            });
            let there = [deviations(&wanted, &found), deviations(&found, &wanted)].concat();
            wrong.push(format!("{place}: {there:?}"));
        }
        // What is removed takes its lines along.
        let lost = lines_lost(&text, &edited);
        let replaces = field.starts_with("no ") || REPLACING.contains(&field);
        if !replaces && text.lines().count() > 1 && lost > LINES_TOUCHED {
            wrong.push(format!("{place}: {lost} lines are lost\n{edited}"));
        }
    }
    assert!(wrong.is_empty(), "{}: {}", wrong.len(), wrong.join("\n"));
}

/// What other elements of the same XML can contradict: libosinfo's, oVirt's, and a disk that is to be the first.
const CONTRADICTED: [&str; 4] = ["osId", "defaultBootSequence", "origin", "customProperties"];

/// These take whole elements away, or put others in their place.
const REPLACING: [&str; 8] = [
    "customCpuName",
    "cpuPinning",
    "vNumaNodeList",
    "tpmEnabled",
    "isoPath",
    "isoPath on the web",
    "graphicsTypes",
    "smartcardEnabled",
];

/// No more lines change where something is set or added.
const LINES_TOUCHED: usize = 8;

/// How many lines of a text are not in another.
fn lines_lost(text: &str, other: &str) -> usize {
    let mut there: Vec<&str> = other.lines().collect();
    let mut is_lost = |line: &&str| match there.iter().position(|other| other == line) {
        Some(at) => {
            there.swap_remove(at);
            false
        }
        None => true,
    };
    text.lines().filter(|line| is_lost(line)).count()
}

#[test]
fn whatever_is_edited_of_whatever_domain_it_stays_valid_by_libvirts_own_schema() {
    if !schema_is_there() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    // Every third will do: each edit is seen on twenty domains then, and xmllint is slow.
    let some = edited().step_by(3);
    let known = some.filter(|(file, ..)| !name(file).starts_with("newer-"));
    let write = |(number, (file, .., edited)): (usize, (PathBuf, _, _, _, String))| {
        let path = folder.path().join(format!("{number}-{}", name(&file)));
        fs::write(&path, edited).expect("a file");
        path
    };
    let files: Vec<PathBuf> = known.enumerate().map(write).collect();
    assert_valid(&files);
}
