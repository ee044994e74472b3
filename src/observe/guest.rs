//! What the guest tells of itself, into the model.

use crate::entity::{
    ArchitectureType, Bytes, FileSystemUsage, OsType, SessionState, Vm, VmStatistics,
};
use crate::hypervisor::{GuestInterface, Record};
use std::net::IpAddr;

/// Fills in what `virDomainGetGuestInfo` tells. An absent key is something that the agent does not
/// know, or does not tell.
pub(super) fn apply(vm: &mut Vm, info: &Record) {
    let text = |key: &str| info.text(key).map(str::to_owned);
    let Some(dynamic) = &mut vm.vm_dynamic else {
        return;
    };
    // So a guest without a name calls itself.
    let host_name = text("hostname").filter(|name| name != "(none)");
    dynamic.vm_host.clone_from(&host_name);
    dynamic.fqdn =
        host_name.filter(|name| !["localhost", "localhost.localdomain"].contains(&name.as_str()));
    let id = info.text("os.id");
    let is_windows = id == Some("mswindows");
    let of_family = |linux: &str, windows: Option<&str>| match (is_windows, windows) {
        (false, _) => text(linux),
        (true, Some(windows)) => text(windows),
        (true, None) => None,
    };
    dynamic.guest_os_type = id.map(|_| {
        if is_windows {
            OsType::Windows
        } else {
            OsType::Linux
        }
    });
    dynamic.guest_os = of_family("os.kernel-release", Some("os.pretty-name"));
    dynamic.guest_os_version = of_family("os.version-id", Some("os.kernel-version"));
    dynamic.guest_os_distribution = of_family("os.name", None);
    dynamic.guest_os_codename = of_family("os.variant", Some("os.pretty-name"));
    dynamic.guest_os_kernel_version = of_family("os.kernel-release", None);
    dynamic.guest_os_arch = info.text("os.machine").map(ArchitectureType::from_libvirt);
    dynamic.app_list =
        of_family("os.kernel-release", None).map(|release| format!("kernel-{release}"));
    dynamic.guest_os_timezone_name = text("timezone.name");
    dynamic.guest_os_timezone_offset = info.integer("timezone.offset").map(|seconds| seconds / 60);
    let users = info.unsigned("user.count");
    dynamic.session = users.map(|count| match count {
        0 => SessionState::LoggedOff,
        _ => SessionState::UserLoggedOn,
    });
    let names: Vec<String> = entries(users)
        .filter_map(|number| {
            let name = info.text(&format!("user.{number}.name"))?;
            Some(match info.text(&format!("user.{number}.domain")) {
                Some(domain) => format!("{name}@{domain}"),
                None => name.to_owned(),
            })
        })
        .collect();
    dynamic.guest_cur_user_name = (!names.is_empty()).then(|| names.join(", "));
    let file_systems: Vec<FileSystemUsage> = entries(info.unsigned("fs.count"))
        .filter_map(|number| {
            let key = |name: &str| format!("fs.{number}.{name}");
            Some(FileSystemUsage {
                path: info.text(&key("mountpoint"))?.to_owned(),
                fs: info.text(&key("fstype")).map(str::to_owned),
                total: Bytes(info.unsigned(&key("total-bytes"))?),
                used: Bytes(info.unsigned(&key("used-bytes"))?),
            })
        })
        .collect();
    if !file_systems.is_empty() {
        let statistics = vm.vm_statistics.get_or_insert_with(VmStatistics::default);
        statistics.disks_usage = file_systems;
    }
    for disk in &mut vm.vm_static.images {
        let found = entries(info.unsigned("disk.count")).find_map(|number| {
            let alias = info.text(&format!("disk.{number}.alias"));
            let name = info.text(&format!("disk.{number}.name"))?;
            (alias.is_some() && alias == disk.target_dev.as_deref()).then(|| name.to_owned())
        });
        disk.logical_name = disk.logical_name.take().or(found);
    }
}

/// The numbers of a list's entries.
fn entries(count: Option<u64>) -> std::ops::Range<u64> {
    0..count.unwrap_or_default().min(10_000)
}

/// Fills in the addresses that the guest has. The agent names the guest's own cards, of which some are
/// not the VM's: those are passed over.
pub(super) fn apply_addresses(vm: &mut Vm, found: &[GuestInterface], is_agent: bool) {
    let mut all: Vec<IpAddr> = Vec::new();
    for card in &mut vm.vm_static.interfaces {
        let same = |found: &&GuestInterface| {
            let mac = found.mac.as_deref().map(str::to_lowercase);
            mac.is_some() && mac == card.mac_address && !is_internal(&found.name)
        };
        let Some(found) = found.iter().find(same) else {
            continue;
        };
        let addresses: Vec<IpAddr> = found
            .addresses
            .iter()
            .filter_map(|text| address(text))
            .collect();
        card.addresses = addresses.iter().map(ToString::to_string).collect();
        if is_agent {
            card.logical_name = Some(found.name.clone());
        }
        all.extend(addresses);
    }
    // IPv4 first, otherwise as the guest lists them.
    all.sort_by_key(IpAddr::is_ipv6);
    let words: Vec<String> = all.iter().map(ToString::to_string).collect();
    if let Some(dynamic) = &mut vm.vm_dynamic {
        dynamic.ip = (!words.is_empty()).then(|| words.join(" "));
        if is_agent {
            dynamic.guest_agent_nics_hash = Some(hash(found));
        }
    }
}

/// Whether one of these cards has an address by which others can reach the guest.
pub(crate) fn is_reachable(found: &[GuestInterface]) -> bool {
    let cards = found.iter().filter(|card| !is_internal(&card.name));
    let mut addresses = cards
        .flat_map(|card| &card.addresses)
        .filter_map(|text| address(text));
    addresses.any(|address| match address {
        IpAddr::V4(it) => !(it.is_loopback() || it.is_link_local() || it.is_unspecified()),
        IpAddr::V6(it) => !(it.is_loopback() || it.is_unicast_link_local() || it.is_unspecified()),
    })
}

/// An address without the zone and the length of its network.
fn address(text: &str) -> Option<IpAddr> {
    text.split(['%', '/']).next()?.parse().ok()
}

/// Whether the guest has this card for its own use.
fn is_internal(name: &str) -> bool {
    let numbered = |prefix: &str, digit: fn(char) -> bool| {
        name.strip_prefix(prefix)
            .is_some_and(|rest| rest.chars().all(digit))
    };
    name.starts_with("Loopback")
        || numbered("lo", |c| c.is_ascii_digit())
        || numbered("tun", |c| c.is_ascii_digit())
        || numbered("veth", |c| c.is_ascii_hexdigit())
}

/// A number that changes when the guest's cards do (FNV-1a).
fn hash(found: &[GuestInterface]) -> i32 {
    let mut hash = 0x811c_9dc5_u32;
    for card in found {
        let words = [card.name.as_str(), card.mac.as_deref().unwrap_or_default()];
        for word in words
            .into_iter()
            .chain(card.addresses.iter().map(String::as_str))
        {
            for byte in word.bytes().chain([0]) {
                hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
            }
        }
    }
    hash.cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::{DiskImage, VmDynamic, VmNetworkInterface, VmStatic};
    use crate::hypervisor::Value;

    fn info(texts: &[(&str, &str)], numbers: &[(&str, u64)]) -> Record {
        let texts = texts
            .iter()
            .map(|(key, text)| ((*key).to_owned(), Value::Text((*text).to_owned())));
        let numbers = numbers
            .iter()
            .map(|(key, number)| ((*key).to_owned(), Value::Unsigned(*number)));
        Record::new(texts.chain(numbers))
    }

    fn vm() -> Vm {
        Vm {
            vm_static: VmStatic {
                images: vec![DiskImage {
                    target_dev: Some("vda".into()),
                    ..DiskImage::default()
                }],
                interfaces: vec![VmNetworkInterface {
                    mac_address: Some("52:54:00:00:00:01".into()),
                    ..VmNetworkInterface::default()
                }],
                ..VmStatic::default()
            },
            vm_dynamic: Some(VmDynamic::default()),
            ..Vm::default()
        }
    }

    #[test]
    fn linux_and_windows_put_the_same_things_in_different_places() {
        let mut linux = vm();
        apply(
            &mut linux,
            &info(
                &[
                    ("os.id", "debian"),
                    ("os.name", "Debian GNU/Linux"),
                    ("os.version-id", "12"),
                    ("os.kernel-release", "6.1.0"),
                    ("os.machine", "x86_64"),
                    ("hostname", "web-1"),
                    ("disk.0.alias", "vda"),
                    ("disk.0.name", "/dev/vda"),
                ],
                &[("user.count", 0), ("disk.count", 1)],
            ),
        );
        let dynamic = linux.vm_dynamic.unwrap();
        assert_eq!(dynamic.guest_os.as_deref(), Some("6.1.0"));
        assert_eq!(dynamic.guest_os_version.as_deref(), Some("12"));
        assert_eq!(
            dynamic.guest_os_distribution.as_deref(),
            Some("Debian GNU/Linux")
        );
        assert_eq!(dynamic.guest_os_arch, Some(ArchitectureType::X86_64));
        assert_eq!(dynamic.session, Some(SessionState::LoggedOff));
        assert_eq!(dynamic.fqdn.as_deref(), Some("web-1"));
        assert_eq!(
            linux.vm_static.images[0].logical_name.as_deref(),
            Some("/dev/vda")
        );
        let mut windows = vm();
        apply(
            &mut windows,
            &info(
                &[
                    ("os.id", "mswindows"),
                    ("os.pretty-name", "Windows 10 Pro"),
                    ("os.kernel-version", "10.0"),
                    ("user.0.name", "ann"),
                    ("user.0.domain", "CORP"),
                ],
                &[("user.count", 1)],
            ),
        );
        let dynamic = windows.vm_dynamic.unwrap();
        assert_eq!(dynamic.guest_os.as_deref(), Some("Windows 10 Pro"));
        assert_eq!(dynamic.guest_os_distribution, None);
        assert_eq!(dynamic.guest_cur_user_name.as_deref(), Some("ann@CORP"));
    }

    #[test]
    fn an_agent_that_tells_nothing_invents_nothing() {
        let mut silent = vm();
        apply(&mut silent, &Record::default());
        assert_eq!(silent, vm());
    }

    #[test]
    fn a_guest_is_reachable_by_an_address_that_others_can_use() {
        let card = |name: &str, addresses: &[&str]| GuestInterface {
            name: name.into(),
            mac: None,
            addresses: addresses.iter().map(|it| (*it).to_owned()).collect(),
        };
        for (cards, is) in [
            (vec![], false),
            (vec![card("lo", &["127.0.0.1"]), card("eth0", &[])], false),
            (
                vec![card("eth0", &["fe80::1%eth0", "169.254.3.4", "0.0.0.0"])],
                false,
            ),
            (vec![card("veth12ab", &["172.17.0.1"])], false),
            (vec![card("eth0", &["fe80::1", "10.0.0.5/24"])], true),
            (vec![card("vnet0", &["2001:db8::5"])], true),
        ] {
            assert_eq!(is_reachable(&cards), is, "{cards:?}");
        }
    }

    #[test]
    fn addresses_are_those_of_the_vms_own_cards_ipv4_first() {
        let card = |name: &str, mac: &str, addresses: &[&str]| GuestInterface {
            name: name.into(),
            mac: Some(mac.into()),
            addresses: addresses
                .iter()
                .map(|address| (*address).to_owned())
                .collect(),
        };
        let found = [
            card("lo", "00:00:00:00:00:00", &["127.0.0.1"]),
            card("veth12ab", "52:54:00:00:00:01", &["172.17.0.1"]),
            card("docker0", "02:42:00:00:00:01", &["172.17.0.1"]),
            card(
                "eth0",
                "52:54:00:00:00:01",
                &["fe80::1%eth0", "10.0.0.5", "rubbish"],
            ),
        ];
        let mut vm = vm();
        apply_addresses(&mut vm, &found, true);
        let dynamic = vm.vm_dynamic.as_ref().unwrap();
        assert_eq!(dynamic.ip.as_deref(), Some("10.0.0.5 fe80::1"));
        assert_eq!(
            vm.vm_static.interfaces[0].logical_name.as_deref(),
            Some("eth0")
        );
        let before = dynamic.guest_agent_nics_hash;
        apply_addresses(&mut vm, &found[3..], true);
        assert_ne!(vm.vm_dynamic.unwrap().guest_agent_nics_hash, before);
    }
}
