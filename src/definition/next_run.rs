//! What the next run of a VM will have otherwise where the model has no field for it: all in which the XML
//! of what runs and the persistent definition differ, but for what libvirt itself adds to what runs.
//!
//! Where it cannot be told whether somebody or libvirt made the difference, there is none.

use super::binding::memory_of;
use super::difference::identity;
use super::metadata::METADATA_NAMESPACE;
use super::tree::{Document, Element, XmlError};
use std::collections::BTreeSet;

/// Where the XML of a VM that runs, or of its image, and that of its persistent definition differ in what is
/// in none of the fields: places such as `domain/devices/rng` or `domain/devices/watchdog@action`.
/// `changed_fields` are those that differ.
///
/// # Errors
/// If one of the XMLs is none.
pub fn next_run_places(
    live_xml: &str,
    persistent_xml: &str,
    changed_fields: &BTreeSet<String>,
) -> Result<BTreeSet<String>, XmlError> {
    let mut wish = super::read_domain(live_xml)?;
    let configured = super::read_domain(persistent_xml)?.vm_static;
    // The CPU of what runs is written out in full, and is compared by itself.
    wish.vm_static.custom_cpu_name = configured.custom_cpu_name;
    wish.vm_static.use_host_cpu_flags = configured.use_host_cpu_flags;
    // In this the fields are as they run: what differs still is in none of them.
    let (persistent_xml, _) = super::written(persistent_xml, &wish)?;
    let live = Document::parse(live_xml)?;
    let persistent = Document::parse(&persistent_xml)?;
    let mut places = BTreeSet::new();
    compare("domain", &live.root, &persistent.root, &mut places);
    let is_told = |place: &String| {
        let mut told = TOLD_WHOLE.iter();
        told.any(|(field, of)| changed_fields.contains(*field) && place.starts_with(of))
    };
    places.retain(|place| !is_told(place));
    Ok(places)
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

/// Elements that libvirt adds to what runs, or fills in there.
const ADDED: [&str; 14] = [
    "address",
    "cbitpos",
    "cookies",
    "cpu",
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
const FILLED_IN: [&str; 24] = [
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
    "tray",
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
    // What is plugged in or out leaves these as it finds them, and the XML in an image some out.
    let is_of_bus = element.is("controller")
        && matches!(
            element.attribute("type"),
            Some("pci" | "usb" | "virtio-serial")
        );
    !is_place
        && !is_of_bus
        && !OF_RUN.iter().any(|name| element.is(name))
        && !element.is_of(METADATA_NAMESPACE, "vm")
}

fn compare(path: &str, live: &Element, persistent: &Element, places: &mut BTreeSet<String>) {
    let sizes = [live, persistent].map(|element| memory_of(element).ok());
    if live.attribute("unit").is_some() && sizes[0].is_some() && sizes[0] == sizes[1] {
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
    let mut left: Vec<&Element> = persistent.elements().filter(is_compared).collect();
    for child in live.elements().filter(is_compared) {
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
            // Any port will do.
            (_, _, Some("-1")) => true,
            // libvirt makes all of these one kind, and follows what the guest does to its clock.
            ("offset", Some("variable"), Some("utc" | "localtime")) => true,
            ("adjustment", _, Some("reset")) => true,
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
    if live.attribute("mode") != persistent.attribute("mode") {
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
