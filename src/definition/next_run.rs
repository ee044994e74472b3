//! What the next run of a VM will have otherwise where the model has no field for it: all in which the XML
//! of what runs and the persistent definition differ, but for what libvirt itself adds to what runs.
//!
//! Where it cannot be told whether somebody or libvirt made the difference, there is none.

use super::binding::memory_of;
use super::difference::{changed_fields, identity};
use super::metadata::METADATA_NAMESPACE;
use super::tree::{Document, Element, XmlError};
use crate::entity::Vm;
use std::collections::BTreeSet;

/// What the next boot of a VM changes: the fields in which the VM that runs, or that its image holds, and
/// its persistent definition differ; and of what is in none of them the places at which their XML does, such as
/// `domain/devices/rng` or `domain/devices/watchdog@action`. Of XML that is none there are no places.
#[must_use]
pub fn next_run_changes(
    (live, live_xml): (&Vm, &str),
    (persistent, persistent_xml): (&Vm, &str),
) -> BTreeSet<String> {
    let mut changes = changed_fields(live, persistent);
    // QEMU is given whole MiB.
    let whole_mib = |vm: &Vm| Some(vm.vm_static.mem_size_mb?.kib().div_ceil(1024));
    if whole_mib(live) == whole_mib(persistent) {
        changes.remove("memSizeMb");
    }
    let Ok([live, persistent]) = comparable(live_xml, persistent_xml, persistent) else {
        return changes;
    };
    if is_minimum(&persistent) {
        changes.remove("customCpuName");
    }
    // libvirt chooses the firmware when the VM starts.
    let is_chosen = |domain: &Element| domain.find("os/loader").is_some();
    let has_choice = persistent
        .child("os")
        .is_some_and(|os| os.attribute("firmware").is_some());
    if has_choice && is_chosen(&live) {
        changes.remove("biosType");
    }
    let mut places = BTreeSet::new();
    compare("domain", &live, &persistent, &mut places);
    let is_told = |place: &String| {
        let mut told = TOLD_WHOLE.iter();
        told.any(|(field, of)| changes.contains(*field) && place.starts_with(of))
    };
    places.retain(|place| !is_told(place));
    changes.extend(places);
    changes
}

/// The XML of both, the second one with the fields of the first: what differs still is in none of them.
fn comparable(live: &str, persistent: &str, configured: &Vm) -> Result<[Element; 2], XmlError> {
    let mut wish = super::read_domain(live)?;
    // The CPU of what runs is written out in full, and is compared by itself.
    let (wished, configured) = (&mut wish.vm_static, &configured.vm_static);
    wished
        .custom_cpu_name
        .clone_from(&configured.custom_cpu_name);
    wished.use_host_cpu_flags = configured.use_host_cpu_flags;
    let (persistent, _) = super::written(persistent, &wish)?;
    Ok([
        Document::parse(live)?.root,
        Document::parse(&persistent)?.root,
    ])
}

/// Whether a CPU is only to be at least so, and is the host's when it runs.
fn is_minimum(domain: &Element) -> bool {
    let cpu = domain.child("cpu");
    cpu.is_some_and(|cpu| cpu.attribute("match") == Some("minimum"))
}

/// Fields that tell of whole devices.
const TOLD_WHOLE: [(&str, &str); 2] = [
    ("images", "domain/devices/disk"),
    ("interfaces", "domain/devices/interface"),
];

/// Of so many that may be meant the first that is the same is taken, else the first.
const LIKE_LIMIT: usize = 16;

/// What is of the run, or libvirt's own to choose.
const OF_RUN: [&str; 7] = [
    "alias",
    "backingStore",
    "currentMemory",
    "mirror",
    "privateData",
    "seclabel",
    "vcpus",
];

/// Elements that say the same where they are missing as where there is nothing in them to compare.
const BARE: [&str; 3] = ["cpu", "features", "metadata"];

/// Elements that libvirt adds to what runs, or fills in there.
const ADDED: [&str; 13] = [
    "address",
    "cbitpos",
    "cookies",
    "current",
    "driver",
    "listen",
    "loader",
    "nvram",
    "reducedPhysBits",
    "resource",
    "smm",
    "source",
    "target",
];

/// Attributes that libvirt adds to what runs.
const FILLED_IN: [&str; 23] = [
    "address",
    "adjustment",
    "basis",
    "bridge",
    "bus",
    "connected",
    "dev",
    "device",
    "id",
    "index",
    "listen",
    "mode",
    "name",
    "passwd",
    "passwdValidTo",
    "path",
    "port",
    "portid",
    "socket",
    "state",
    "template",
    "tlsPort",
    "tty",
];

/// What libvirt takes from elsewhere for the run: from a network, or from what it knows of firmware.
fn resolved(path: &str, persistent: &Element) -> &'static [&'static str] {
    let is_network = persistent.attribute("type") == Some("network");
    match path {
        "domain/os" if persistent.attribute("firmware").is_some() => {
            &["firmware", "loader", "nvram"]
        }
        _ if persistent.is("interface") && is_network => &[
            "bandwidth",
            "mtu",
            "port",
            "source",
            "type",
            "virtualport",
            "vlan",
        ],
        _ => &[],
    }
}

fn is_compared(path: &str, element: &Element) -> bool {
    let is_of_device = path.starts_with("domain/devices/");
    let is_place = is_of_device && element.is("address") && !path.ends_with("/source");
    // What is plugged in or out leaves these as it finds them; and the XML in an image leaves out what every
    // VM has.
    let is_of_bus = element.is("controller")
        && matches!(
            element.attribute("type"),
            Some("pci" | "usb" | "virtio-serial")
        );
    let is_of_every = match element.name() {
        "input" => element.attribute("bus") == Some("ps2"),
        "audio" => true,
        _ => false,
    };
    !is_place
        && !is_of_bus
        && !is_of_every
        && !OF_RUN.iter().any(|name| element.is(name))
        && !element.is_of(METADATA_NAMESPACE, "vm")
}

fn compare(path: &str, live: &Element, persistent: &Element, places: &mut BTreeSet<String>) {
    let sizes = [live, persistent].map(|element| memory_of(element).ok());
    if live.attribute("unit").is_some() && sizes[0].is_some() && sizes[0] == sizes[1] {
        return;
    }
    // Of an empty drive libvirt tells no more what it is to hold; that is in a field.
    if path.starts_with("domain/devices/") && live.is("disk") && is_empty(live) {
        return;
    }
    if path == "domain/cpu" {
        compare_features(live, persistent, places);
    } else {
        compare_attributes(path, live, persistent, places);
        let texts = [live, persistent].map(|element| element.text().trim().to_owned());
        let is_added = texts[1].is_empty() && ADDED.contains(&live.name());
        if texts[0] != texts[1] && !is_added {
            places.insert(path.to_owned());
        }
    }
    let others = resolved(path, persistent);
    let is_compared = |element: &&Element| {
        let is_of_cpu = path == "domain/cpu" && !["topology", "numa"].contains(&element.name());
        is_compared(path, element) && !is_of_cpu && !others.contains(&element.name())
    };
    let [mut there, mut left] = [live, persistent]
        .map(|element| element.elements().filter(is_compared).collect::<Vec<_>>());
    let bare = BARE.map(Element::new);
    for bare in bare.iter().filter(|_| path == "domain") {
        let lacks = |elements: &[&Element]| !elements.iter().any(|other| other.is(bare.name()));
        match (lacks(&there), lacks(&left)) {
            (true, false) => there.push(bare),
            (false, true) => left.push(bare),
            _ => {}
        }
    }
    for child in there {
        let inside = place_of(path, child);
        let alike = |(_, other): &(usize, &&Element)| {
            other.name() == child.name() && identity(other) == identity(child)
        };
        let mut first = None;
        for (at, other) in left.iter().enumerate().filter(alike).take(LIKE_LIMIT) {
            let mut found = BTreeSet::new();
            compare(&inside, child, other, &mut found);
            let is_same = found.is_empty();
            if is_same || first.is_none() {
                first = Some((at, found));
            }
            if is_same {
                break;
            }
        }
        if let Some((at, found)) = first {
            left.remove(at);
            places.extend(found);
        } else if path == "domain/devices" || !ADDED.contains(&child.name()) {
            places.insert(inside);
        }
    }
    places.extend(left.iter().map(|element| place_of(path, element)));
}

/// Whether a drive has no disk in it.
fn is_empty(drive: &Element) -> bool {
    drive.child("source").is_none_or(|source| {
        let mut names = source.attributes().map(|(name, _)| name);
        source.elements().next().is_none()
            && names.all(|name| ["index", "startupPolicy"].contains(&name))
    })
}

fn place_of(path: &str, element: &Element) -> String {
    match identity(element) {
        Some(key) => format!("{path}/{}[{key}]", element.name()),
        None => format!("{path}/{}", element.name()),
    }
}

fn compare_attributes(
    path: &str,
    live: &Element,
    persistent: &Element,
    places: &mut BTreeSet<String>,
) {
    let others = resolved(path, persistent);
    let names = |element| Element::attributes(element).map(|(name, _)| name);
    let names: BTreeSet<&str> = names(live).chain(names(persistent)).collect();
    for name in names.into_iter().filter(|name| !others.contains(name)) {
        let is_same = match (name, live.attribute(name), persistent.attribute(name)) {
            (name, Some(_), None) => FILLED_IN.contains(&name),
            // Any port will do; libvirt makes all clocks of one kind, and follows what the guest does to its own
            // and to its drives.
            (_, _, Some("-1"))
            | ("offset", Some("variable"), Some("utc" | "localtime"))
            | ("adjustment", _, Some("reset"))
            | ("tray", ..) => true,
            ("adjustment", Some(now), Some(then)) => is_same_time(now, then),
            (_, now, then) => now == then,
        };
        if !is_same {
            places.insert(format!("{path}@{name}"));
        }
    }
}

/// Whether two clocks are as far from the host's, but for what a guest corrects.
fn is_same_time(now: &str, then: &str) -> bool {
    const CORRECTED_SECONDS: u64 = 60;
    let seconds = |text: &str| text.parse::<i64>();
    match (seconds(now), seconds(then)) {
        (Ok(now), Ok(then)) => now.abs_diff(then) < CORRECTED_SECONDS,
        _ => now == then,
    }
}

/// A CPU that runs is told with all features that QEMU gave it or could not give it. That of another mode is in
/// a field.
fn compare_features(live: &Element, persistent: &Element, places: &mut BTreeSet<String>) {
    let is_minimum = persistent.attribute("match") == Some("minimum");
    if is_minimum || live.attribute("mode") != persistent.attribute("mode") {
        return;
    }
    let model = |cpu: &Element| {
        cpu.child("model")
            .map(|model| model.text().trim().to_owned())
    };
    if model(persistent).is_some() && model(live) != model(persistent) {
        places.insert("domain/cpu/model".to_owned());
    }
    let policy = |cpu: &Element, name| {
        let mut features = cpu.children("feature");
        let feature = features.find(|feature| feature.attribute("name") == Some(name))?;
        Some(feature.attribute("policy").unwrap_or("require") != "disable")
    };
    let is_in_full = live.attribute("check") == Some("full");
    for feature in live
        .children("feature")
        .chain(persistent.children("feature"))
    {
        let name = feature.attribute("name").unwrap_or_default();
        let wanted = persistent
            .children("feature")
            .find(|other| other.attribute("name") == Some(name));
        let wanted = wanted.map(|wanted| wanted.attribute("policy").unwrap_or("require"));
        let is_same = match (policy(live, name), wanted) {
            (_, Some("optional")) => true,
            // What QEMU cannot give is off.
            (is_on, Some("require" | "force")) => is_on.is_some(),
            (is_on, Some(_)) => is_on != Some(true),
            (_, None) => is_in_full,
        };
        if !is_same {
            places.insert(place_of("domain/cpu", feature));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::read_domain;

    const LIVE: &str = "<domain type='qemu' id='1'><name>a</name><memory unit='KiB'>65536</memory>
        <os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>
        <features><acpi/></features>
        <cpu mode='custom' match='exact' check='full'><model fallback='forbid'>qemu64</model>
        <feature policy='require' name='aes'/><feature policy='require' name='hypervisor'/><feature policy='disable' name='svm'/></cpu>
        <clock offset='variable' adjustment='3601' basis='utc'/><on_crash>destroy</on_crash>
        <devices><disk type='file' device='cdrom'><driver name='qemu'/><target dev='sda' bus='sata' tray='open'/></disk>
        <controller type='usb' index='0'/>
        <console type='pty' tty='/dev/pts/1'><source path='/dev/pts/1'/><target type='serial' port='0'/><alias name='c'/></console>
        <watchdog model='i6300esb' action='reset'><alias name='w'/><address type='pci' slot='0x01'/></watchdog>
        <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
        <rng model='virtio'><backend model='random'>/dev/random</backend></rng></devices>
        <seclabel type='dynamic' model='dac' relabel='yes'><label>+1:+1</label></seclabel></domain>";

    const PERSISTENT: &str = "<domain type='qemu'><name>a</name><memory unit='KiB'>65000</memory>
        <os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>
        <features><acpi/></features>
        <cpu mode='custom' match='exact' check='none'><model fallback='allow'>qemu64</model>
        <feature policy='require' name='aes'/><feature policy='require' name='svm'/></cpu>
        <clock offset='variable' adjustment='3600' basis='utc'/><on_crash>destroy</on_crash>
        <devices><disk type='file' device='cdrom'><driver name='qemu' type='raw'/><target dev='sda' bus='sata'/></disk>
        <console type='pty'><target type='serial' port='0'/></console>
        <rng model='virtio'><backend model='random'>/dev/random</backend></rng>
        <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
        <watchdog model='i6300esb' action='reset'><address type='pci' slot='0x02'/></watchdog>
        <audio id='1' type='none'/></devices></domain>";

    fn changes(live: &str, persistent: &str) -> Vec<String> {
        let [one, other] = [live, persistent].map(|xml| read_domain(xml).unwrap());
        let changes = next_run_changes((&one, live), (&other, persistent));
        changes.into_iter().collect()
    }

    #[test]
    fn what_libvirt_adds_to_what_runs_is_no_change() {
        assert_eq!(changes(LIVE, PERSISTENT), [""; 0]);
        let at_least = PERSISTENT.replace("match='exact'", "match='minimum'");
        let more = LIVE.replace(">qemu64<", ">Nehalem<");
        assert_eq!(changes(&more, &at_least), [""; 0]);
        let efi = PERSISTENT.replace("<os>", "<os firmware='efi'>");
        let loader = "<loader readonly='yes' type='pflash'>/f</loader><nvram>/n</nvram></os>";
        assert_eq!(changes(&LIVE.replace("</os>", loader), &efi), [""; 0]);
    }

    #[test]
    fn what_is_in_no_field_is_told_by_its_place() {
        for (of, other, place) in [
            ("<acpi/>", "", "domain/features/acpi"),
            ("<acpi/>", "<acpi/><pae/>", "domain/features/pae"),
            ("'aes'", "'avx'", "domain/cpu/feature[avx]"),
            ("3600", "7200", "domain/clock@adjustment"),
            (">destroy", ">restart", "domain/on_crash"),
            ("'reset'", "'poweroff'", "domain/devices/watchdog@action"),
            (">/dev/random", ">/dev/hwrng", "domain/devices/rng/backend"),
            (
                "<name>",
                "<metadata><y xmlns='urn:x'/></metadata><name>",
                "domain/metadata/y",
            ),
            ("KiB'>65000", "KiB'>70000", "memSizeMb"),
        ] {
            let changed = PERSISTENT.replacen(of, other, 1);
            assert_ne!(changed, PERSISTENT);
            assert_eq!(changes(LIVE, &changed), [place], "{of}");
        }
        let fewer = "<rng model='virtio'><backend model='random'>/dev/random</backend></rng>";
        let fewer = PERSISTENT.replace(fewer, "");
        assert_eq!(changes(LIVE, &fewer), ["domain/devices/rng"]);
    }
}
