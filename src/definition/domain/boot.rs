//! What a VM boots with: machine and firmware, order, kernel, and the serial number it tells.

use crate::definition::binding::{Binding, put};
use crate::definition::tree::{Element, Result};
use crate::entity::{BiosType, BootSequence, SerialNumberPolicy, VmStatic};

pub(super) fn bind_boot(binding: &mut Binding<'_>, vm: &mut VmStatic) -> Result {
    binding.field("os/type/@machine", &mut vm.custom_emulated_machine)?;
    binding.by(
        &mut vm.bios_type,
        |domain| Ok(bios_type(domain)),
        |domain, wanted| put_bios_type(domain, wanted.as_ref()),
    )?;
    binding.field("os/kernel", &mut vm.kernel_url)?;
    binding.field("os/initrd", &mut vm.initrd_url)?;
    binding.field("os/cmdline", &mut vm.kernel_params)?;
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

/// Ties the boot sequence to the order of kinds, else of devices: after the devices, of which some may be
/// new.
pub(super) fn bind_boot_sequence(binding: &mut Binding<'_>, vm: &mut VmStatic) -> Result {
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
pub(super) fn boot_sequence(domain: &Element) -> Option<BootSequence> {
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
