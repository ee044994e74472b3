//! Where two descriptions of a VM differ.

use super::domain::pins;
use super::metadata::{configured, place_of, subtract};
use crate::entity::Vm;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// A field that is otherwise than it was defined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deviation {
    /// The field, such as `vmStatic.images[vda].cache`.
    pub field: String,
    /// What the definition says; `None` where it says nothing.
    pub defined: Option<String>,
    /// What was found; `None` where there is nothing.
    pub found: Option<String>,
}

/// Where a VM is otherwise than a definition says. What the definition leaves open cannot differ; a
/// list that it gives is meant to be whole.
#[must_use]
pub fn deviations(defined: &Vm, found: &Vm) -> Vec<Deviation> {
    let mut all = Vec::new();
    let (wanted, there) = (configured(&defined.vm_static), configured(&found.vm_static));
    compare("vmStatic", &wanted, &there, &mut all);
    if let Some(wanted) = &defined.cluster_arch {
        let found = found.cluster_arch.as_ref();
        if found != Some(wanted) {
            all.push(Deviation {
                field: "clusterArch".to_owned(),
                defined: Some(wanted.to_string()),
                found: found.map(ToString::to_string),
            });
        }
    }
    all
}

fn compare(
    path: &str,
    wanted: &Map<String, Value>,
    there: &Map<String, Value>,
    all: &mut Vec<Deviation>,
) {
    for (name, value) in wanted {
        let field = format!("{path}.{name}");
        match (value, there.get(name)) {
            (Value::Object(wanted), found) if is_keyed(name) => {
                let empty = Map::new();
                let found = found.and_then(Value::as_object).unwrap_or(&empty);
                compare_entries(&field, wanted, found, all);
            }
            (Value::Object(wanted), Some(Value::Object(there))) => {
                compare(&field, wanted, there, all);
            }
            (wanted, Some(found)) if is_same(name, wanted, found) => {}
            (wanted, found) => all.push(Deviation {
                field,
                defined: Some(words(wanted)),
                found: found.map(words),
            }),
        }
    }
}

fn is_keyed(name: &str) -> bool {
    ["images", "interfaces", "vNumaNodeList"].contains(&name)
}

/// Compares lists by their keys; an entry that was defined without one is met by its place.
fn compare_entries(
    path: &str,
    wanted: &Map<String, Value>,
    there: &Map<String, Value>,
    all: &mut Vec<Deviation>,
) {
    let mut met = BTreeSet::new();
    for (key, entry) in wanted {
        let has_path = |(_, found): &(&String, &Value)| {
            let path = entry.get("imagePath");
            path.is_some() && found.get("imagePath") == path
        };
        let found = match place_of(key) {
            // libvirt keeps disks in an order of its own.
            Some(at) => there.iter().find(has_path).or_else(|| there.iter().nth(at)),
            None => there.get_key_value(key),
        };
        let field = format!("{path}[{key}]");
        match (entry, found) {
            (Value::Object(entry), Some((found_key, Value::Object(found)))) => {
                met.insert(found_key);
                compare(&field, entry, found, all);
            }
            (entry, _) => all.push(Deviation {
                field,
                defined: Some(words(entry)),
                found: None,
            }),
        }
    }
    for (key, entry) in there.iter().filter(|(key, _)| !met.contains(key)) {
        all.push(Deviation {
            field: format!("{path}[{key}]"),
            defined: None,
            found: Some(words(entry)),
        });
    }
}

/// Whether two values mean the same. libvirt writes out in full which version of a machine type it took,
/// which CPUs a list means, and which port a protocol has.
fn is_same(name: &str, wanted: &Value, found: &Value) -> bool {
    let texts = || Some((wanted.as_str()?, found.as_str()?));
    wanted == found
        || match name {
            "customEmulatedMachine" => texts().is_some_and(|(wanted, found)| {
                let version = match wanted {
                    "pc" => found.strip_prefix("pc-i440fx-"),
                    _ => found
                        .strip_prefix("pc-")
                        .unwrap_or(found)
                        .strip_prefix(wanted)
                        .and_then(|rest| rest.strip_prefix('-')),
                };
                version.is_some()
            }),
            "cpuPinning" => texts().is_some_and(|(wanted, found)| {
                pins(wanted).is_ok_and(|wanted| pins(found) == Ok(wanted))
            }),
            "sourceHosts" => {
                let hosts = |value: &Value| value.as_array().cloned().unwrap_or_default();
                let (wanted, found) = (hosts(wanted), hosts(found));
                let is_host = |(wanted, found): (&Value, &Value)| {
                    wanted
                        .as_str()
                        .zip(found.as_str())
                        .is_some_and(|(wanted, found)| is_host(wanted, found))
                };
                wanted.len() == found.len() && wanted.iter().zip(&found).all(is_host)
            }
            // A URL.
            "isoPath" => texts().is_some_and(|(wanted, found)| {
                let (wanted, found) = (wanted.split('/'), found.split('/'));
                wanted.clone().count() == found.clone().count()
                    && wanted.zip(found).enumerate().all(|(at, (wanted, found))| {
                        wanted == found || at == 2 && is_host(wanted, found)
                    })
            }),
            _ => false,
        }
}

/// Whether a server is the one that was meant; where no port was given, libvirt tells the protocol's.
fn is_host(wanted: &str, found: &str) -> bool {
    let port = found.strip_prefix(wanted);
    port.is_some_and(|port| port.is_empty() || port.starts_with(':'))
}

fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

/// The fields in which a live VM and its persistent definition differ: what its next boot changes.
#[must_use]
pub fn next_run_changes(live: &Vm, persistent: &Vm) -> BTreeSet<String> {
    let fields = |vm: &Vm| {
        let mut fields = configured(&vm.vm_static);
        // libvirt writes the CPU of a running domain out feature by feature.
        if let Some(Value::String(cpu)) = fields.get_mut("customCpuName") {
            *cpu = cpu.split(',').next().unwrap_or_default().to_owned();
        }
        if vm.vm_static.custom_cpu_name.is_none()
            || live.vm_static.use_host_cpu_flags != persistent.vm_static.use_host_cpu_flags
        {
            fields.remove("customCpuName");
        }
        for card in fields
            .get_mut("interfaces")
            .and_then(Value::as_object_mut)
            .into_iter()
            .flat_map(Map::values_mut)
        {
            // The host's device is made anew at each start.
            if let Value::Object(card) = card {
                card.remove("targetDev");
                card.remove("id");
            }
        }
        fields
    };
    let (live, persistent) = (fields(live), fields(persistent));
    let (mut now, mut then) = (live.clone(), persistent.clone());
    subtract(&mut now, &persistent);
    subtract(&mut then, &live);
    let mut changed: BTreeSet<String> = now.into_iter().chain(then).map(|(name, _)| name).collect();
    if !live.contains_key("customCpuName") || !persistent.contains_key("customCpuName") {
        changed.remove("customCpuName");
    }
    changed
}
