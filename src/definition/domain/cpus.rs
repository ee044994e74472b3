//! Memory, vCPUs, their model and pinning, and NUMA nodes.

use crate::definition::binding::{Binding, memory_of, put};
use crate::definition::tree::{Element, Result};
use crate::entity::{MemorySize, NumaTuneMode, VmNumaNode, VmStatic};
use crate::words::ranges;
use std::collections::{BTreeMap, BTreeSet, HashMap};

pub(super) fn bind_memory_and_cpus(binding: &mut Binding<'_>, vm: &mut VmStatic) -> Result {
    binding.by(
        &mut vm.max_memory_size_mb,
        |domain| domain.child("maxMemory").map(memory_of).transpose(),
        |domain, size| {
            let Some(size) = size else {
                return put(domain, "maxMemory", None, None);
            };
            let most = domain.ensure("maxMemory");
            if most.attribute("slots").is_none() {
                most.set_attribute("slots", Some("16"));
            }
            most.set_attribute("unit", Some("KiB"));
            most.set_text(&size.kib().to_string());
        },
    )?;
    binding.by(
        &mut vm.mem_size_mb,
        |domain| domain.child("memory").map(memory_of).transpose(),
        |domain, size| {
            let kib = size.map(|size| size.kib().to_string());
            // What was all of it stays all of it.
            let before = domain
                .child("memory")
                .and_then(|memory| memory_of(memory).ok());
            let current = domain
                .child("currentMemory")
                .and_then(|memory| memory_of(memory).ok());
            let both = current.is_some() && current == before;
            for name in ["memory", "currentMemory"]
                .into_iter()
                .take(if both { 2 } else { 1 })
            {
                put(domain, name, None, kib.as_deref());
                if kib.is_some() {
                    put(domain, name, Some("unit"), Some("KiB"));
                }
            }
        },
    )?;
    bind_cpus(binding, vm)
}

fn bind_cpus(binding: &mut Binding<'_>, vm: &mut VmStatic) -> Result {
    let mut topology = Topology {
        sockets: vm.num_of_sockets,
        cores: vm.cpu_per_socket,
        threads: vm.threads_per_cpu,
        plugged: vm.cpu_count(),
    };
    binding.by(&mut topology, Topology::of, |domain, topology| {
        topology.put(domain);
    })?;
    vm.num_of_sockets = topology.sockets;
    vm.cpu_per_socket = topology.cores;
    vm.threads_per_cpu = topology.threads;
    vm.num_of_cpus = (topology.plugged != vm.max_num_of_cpus()).then_some(topology.plugged);
    binding.field("iothreads", &mut vm.num_of_io_threads)?;
    binding.field("cputune/shares", &mut vm.cpu_shares)?;
    binding.flag(
        "cpu/@mode",
        "host-passthrough",
        None,
        &mut vm.use_host_cpu_flags,
    )?;
    binding.by(
        &mut vm.custom_cpu_name,
        |domain| Ok(cpu_name(domain)),
        |domain, name| put_cpu_name(domain, name.as_deref()),
    )?;
    binding.told(&mut vm.use_tsc_frequency, |domain| {
        let clock = domain.child("clock").into_iter();
        clock
            .flat_map(|clock| clock.children("timer"))
            .any(|timer| {
                timer.attribute("name") == Some("tsc") && timer.attribute("frequency").is_some()
            })
    });
    binding.by(
        &mut vm.cpu_pinning,
        |domain| {
            let tune = domain.child("cputune").into_iter();
            let pins: Vec<String> = tune
                .flat_map(|tune| tune.children("vcpupin"))
                .filter_map(|pin| {
                    Some(format!(
                        "{}#{}",
                        pin.attribute("vcpu")?,
                        pin.attribute("cpuset")?
                    ))
                })
                .collect();
            Ok((!pins.is_empty()).then(|| pins.join("_")))
        },
        |domain, pins| {
            let tune = domain.ensure("cputune");
            tune.remove(|element| element.is("vcpupin"));
            for (vcpu, cpuset) in pins
                .iter()
                .flat_map(|pins| pins.split('_'))
                .filter_map(|pin| pin.split_once('#'))
            {
                tune.append(
                    Element::new("vcpupin")
                        .with("vcpu", vcpu)
                        .with("cpuset", cpuset),
                );
            }
        },
    )
}

/// How vCPUs are laid out.
#[derive(PartialEq)]
struct Topology {
    sockets: u32,
    cores: u32,
    threads: u32,
    plugged: u32,
}

impl Topology {
    fn of(domain: &Element) -> Result<Self> {
        let number = |element: &Element, name: &str| -> Result<u32> {
            let is_optional = ["dies", "clusters"].contains(&name);
            let default = if is_optional { "1" } else { "" };
            let text = element.attribute(name).unwrap_or(default);
            text.parse().map_err(|_| {
                element.problem(format!(
                    "<{} {name}='{text}'> is not a number",
                    element.name()
                ))
            })
        };
        let (highest, plugged) = match domain.child("vcpu") {
            None => (1, 1),
            Some(vcpu) => {
                let text = vcpu.text();
                let highest = text.trim().parse().map_err(|_| {
                    vcpu.problem(format!("<vcpu> holds '{text}', which is not a number"))
                })?;
                match vcpu.attribute("current") {
                    Some(_) => (highest, number(vcpu, "current")?),
                    None => (highest, highest),
                }
            }
        };
        Ok(match domain.find("cpu/topology") {
            // oVirt knows neither dies nor clusters: their cores are the socket's.
            Some(topology) => Self {
                sockets: number(topology, "sockets")?,
                cores: number(topology, "dies")?
                    .saturating_mul(number(topology, "clusters")?)
                    .saturating_mul(number(topology, "cores")?),
                threads: number(topology, "threads")?,
                plugged,
            },
            None => Self {
                sockets: highest,
                cores: 1,
                threads: 1,
                plugged,
            },
        })
    }

    fn put(&self, domain: &mut Element) {
        let most = self
            .sockets
            .saturating_mul(self.cores)
            .saturating_mul(self.threads);
        let vcpu = domain.ensure("vcpu");
        vcpu.set_text(&most.to_string());
        let plugged = (self.plugged < most).then(|| self.plugged.to_string());
        vcpu.set_attribute("current", plugged.as_deref());
        let topology = domain.ensure("cpu/topology");
        topology.set_attribute("dies", None);
        topology.set_attribute("clusters", None);
        for (name, number) in [
            ("sockets", self.sockets),
            ("cores", self.cores),
            ("threads", self.threads),
        ] {
            topology.set_attribute(name, Some(&number.to_string()));
        }
    }
}

/// A CPU model with its features: `Skylake-Server,+pcid,-hle`.
pub(super) fn cpu_name(domain: &Element) -> Option<String> {
    let cpu = domain.child("cpu")?;
    let mut name = cpu.child("model")?.text().trim().to_owned();
    for feature in cpu.children("feature") {
        let sign = match feature.attribute("policy") {
            Some("disable" | "forbid") => '-',
            _ => '+',
        };
        name.push(',');
        name.push(sign);
        name += feature.attribute("name")?;
    }
    Some(name)
}

fn put_cpu_name(domain: &mut Element, name: Option<&str>) {
    let cpu = domain.ensure("cpu");
    cpu.remove(|element| element.is("feature") || element.is("model"));
    let Some(name) = name else { return };
    let mut words = name.split(',');
    if cpu.attribute("mode").is_none() {
        cpu.set_attribute("mode", Some("custom"));
        cpu.set_attribute("match", Some("exact"));
    }
    cpu.ensure("model")
        .set_text(words.next().unwrap_or_default());
    for word in words {
        let (policy, feature) = match word.strip_prefix('-') {
            Some(feature) => ("disable", feature),
            None => ("require", word.trim_start_matches('+')),
        };
        cpu.append(
            Element::new("feature")
                .with("policy", policy)
                .with("name", feature),
        );
    }
}

pub(super) fn bind_numa(binding: &mut Binding<'_>, vm: &mut VmStatic) -> Result {
    binding.by(&mut vm.v_numa_node_list, numa_nodes, |domain, nodes| {
        put_numa_nodes(domain, nodes);
    })?;
    binding.by(
        &mut vm.numa_tune_mode,
        |domain| {
            let mode = domain
                .find("numatune/memory")
                .and_then(|memory| memory.attribute("mode"));
            Ok(mode.map(NumaTuneMode::from_libvirt))
        },
        |domain, mode| {
            let there = domain.find("numatune/memory").is_some();
            match mode {
                None => put(domain, "numatune/memory", Some("mode"), None),
                Some(mode) => {
                    // Without nodes of the host, libvirt has no use for it.
                    let nodes = host_nodes(domain);
                    if !there && nodes.is_empty() {
                        return;
                    }
                    let memory = domain.ensure("numatune/memory");
                    memory.set_attribute("mode", Some(&mode.libvirt()));
                    if !there {
                        memory.set_attribute("nodeset", Some(&ranges(&nodes)));
                    }
                }
            }
        },
    )
}

/// The host's nodes that nodes of the guest are bound to.
fn host_nodes(domain: &Element) -> Vec<u32> {
    let nodes = domain
        .child("numatune")
        .into_iter()
        .flat_map(|tune| tune.children("memnode"))
        .filter_map(|node| numbers(node.attribute("nodeset")?).ok());
    let all: BTreeSet<u32> = nodes.flatten().collect();
    all.into_iter().collect()
}

fn numa_nodes(domain: &Element) -> Result<Vec<VmNumaNode>> {
    let mut nodes = Vec::new();
    let mut tuned = HashMap::new();
    let memory = domain.child("numatune").into_iter();
    for node in memory.flat_map(|tune| tune.children("memnode")) {
        let index = node.attribute("cellid").and_then(|id| id.parse().ok());
        tuned.entry(index).or_insert(node);
    }
    let mut count = 0;
    let cells = domain
        .find("cpu/numa")
        .into_iter()
        .flat_map(|numa| numa.children("cell"));
    for (position, cell) in (0..).zip(cells) {
        let index = cell
            .attribute("id")
            .and_then(|id| id.parse().ok())
            .unwrap_or(position);
        let size = cell.attribute("memory").unwrap_or("0");
        let mem_total = MemorySize::parse(size, cell.attribute("unit"))
            .map_err(|problem| cell.problem(format!("<cell memory='...'>: {problem}")))?;
        let list = |text: Option<&str>| {
            numbers(text.unwrap_or_default()).map_err(|words| cell.problem(words))
        };
        let tuned = tuned.get(&Some(index));
        let cpu_ids = list(cell.attribute("cpus"))?;
        let vds_numa_node_list = list(tuned.and_then(|node| node.attribute("nodeset")))?;
        count += cpu_ids.len() + vds_numa_node_list.len();
        if count > TOTAL_LIMIT {
            let words = format!("the NUMA nodes name more than {TOTAL_LIMIT} CPUs and nodes");
            return Err(cell.problem(words));
        }
        nodes.push(VmNumaNode {
            id: None,
            index,
            cpu_ids,
            mem_total,
            vds_numa_node_list,
            numa_tune_mode: tuned
                .and_then(|node| node.attribute("mode"))
                .map(NumaTuneMode::from_libvirt),
        });
    }
    Ok(nodes)
}

fn put_numa_nodes(domain: &mut Element, nodes: &[VmNumaNode]) {
    let numa = domain.ensure("cpu/numa");
    numa.remove(|element| element.is("cell"));
    for node in nodes {
        let mut cell = Element::new("cell")
            .with("id", &node.index.to_string())
            .with("memory", &node.mem_total.kib().to_string())
            .with("unit", "KiB");
        if !node.cpu_ids.is_empty() {
            cell.set_attribute("cpus", Some(&ranges(&node.cpu_ids)));
        }
        numa.append(cell);
    }
    if nodes.is_empty() {
        domain.ensure("cpu").remove(|element| element.is("numa"));
    }
    if domain.child("numatune").is_some()
        || nodes.iter().any(|node| !node.vds_numa_node_list.is_empty())
    {
        let tune = domain.ensure("numatune");
        tune.remove(|element| element.is("memnode"));
        for node in nodes
            .iter()
            .filter(|node| !node.vds_numa_node_list.is_empty())
        {
            let mode = node.numa_tune_mode.clone().unwrap_or(NumaTuneMode::Strict);
            tune.append(
                Element::new("memnode")
                    .with("cellid", &node.index.to_string())
                    .with("mode", &mode.libvirt())
                    .with("nodeset", &ranges(&node.vds_numa_node_list)),
            );
        }
    }
}

/// Which host CPUs each vCPU may run on, of `0#0-3,^2_1#4`, by vCPU.
pub(in crate::definition) fn pins(text: &str) -> Result<Vec<(u32, Vec<u32>)>, String> {
    let mut all = BTreeMap::new();
    let mut count = 0;
    for pin in text.split('_').filter(|_| !text.is_empty()) {
        let wrong = || format!("'{pin}' is not of the form VCPU#CPUS, such as 0#0-3,^2");
        let (vcpu, cpus) = pin.split_once('#').ok_or_else(wrong)?;
        let vcpu = vcpu.parse::<u32>().map_err(|_| wrong())?;
        let cpus = numbers(cpus).map_err(|_| wrong())?;
        count += cpus.len();
        if count > TOTAL_LIMIT {
            return Err(format!("it names more than {TOTAL_LIMIT} host CPUs"));
        }
        if cpus.is_empty() || all.insert(vcpu, cpus).is_some() {
            return Err(format!("vCPU {vcpu} has no host CPU, or is named twice"));
        }
    }
    Ok(all.into_iter().collect())
}

/// Numbers in a list are below this: so many CPUs or nodes has no host.
const NUMBER_LIMIT: u32 = 1 << 16;

/// As many numbers as a list may name, those that it names again counted.
const COUNT_LIMIT: usize = 1 << 18;

/// As many numbers as all pins or NUMA nodes together may name: each of 4,096 vCPUs may be free to run
/// on as many host CPUs.
const TOTAL_LIMIT: usize = 1 << 24;

/// The numbers of `0-3,^2,8`, each once, as libvirt has them.
pub(in crate::definition) fn numbers(text: &str) -> Result<Vec<u32>, String> {
    let wrong = || format!("'{text}' is not a list of CPUs or nodes, such as 0-3,^2");
    let mut all = BTreeSet::new();
    let mut count = 0;
    for part in text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let number = |word: &str| {
            let number = word.parse::<u32>().ok();
            number
                .filter(|number| *number < NUMBER_LIMIT)
                .ok_or_else(wrong)
        };
        if let Some(without) = part.strip_prefix('^') {
            all.remove(&number(without)?);
        } else {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let range = number(first)?..=number(last)?;
            count += range.clone().count();
            if count > COUNT_LIMIT {
                return Err(format!(
                    "a list names more than {COUNT_LIMIT} CPUs or nodes"
                ));
            }
            all.extend(range);
        }
    }
    Ok(all.into_iter().collect())
}

/// Which of the host's nodes each NUMA node is bound to.
pub(super) fn numa_pinning(domain: &Element) -> Option<String> {
    let nodes = domain.child("numatune")?.children("memnode");
    let nodes: Vec<String> = nodes
        .filter_map(|node| {
            let (cell, nodes) = (node.attribute("cellid")?, node.attribute("nodeset")?);
            Some(format!("{cell}#{nodes}"))
        })
        .collect();
    (!nodes.is_empty()).then(|| nodes.join("_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_without_measure_are_refused_before_they_take_up_memory() {
        assert!(numbers(&"0-65535,".repeat(500_000)).is_err());
        assert!(numbers(&format!("0-65535{}", ",^1".repeat(500_000))).is_ok());
        let all: Vec<String> = (0..65_536).map(|vcpu| format!("{vcpu}#0-65535")).collect();
        assert!(pins(&all.join("_")).unwrap_err().contains("host CPUs"));
        let few: Vec<String> = (0..65_536).map(|vcpu| format!("{vcpu}#7")).collect();
        assert_eq!(pins(&few.join("_")).unwrap().len(), 65_536);
    }

    #[test]
    fn lists_of_cpus_are_read_and_written() {
        assert_eq!(numbers("0-3,^2, 8").unwrap(), [0, 1, 3, 8]);
        assert_eq!(ranges(&[0, 1, 3, 8]), "0-1,3,8");
        for wrong in ["a", "3-b", "^x", "0-99999999999", "4294967295"] {
            assert!(numbers(wrong).is_err(), "{wrong}");
        }
        assert_eq!(numbers("").unwrap(), [0_u32; 0]);
        assert_eq!(numbers("8,0-2,1,^0").unwrap(), [1, 2, 8]);
    }
}
