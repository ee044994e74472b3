//! What there is to be offered: VMs, hosts, labels, groups, columns, files.

use super::line::Line;
use crate::entity::{Vm, VmStatus};
use crate::field::Field;
use crate::hosts::Host;
use crate::hypervisor::{Access, Hypervisor};
use crate::image::begins_as_image;
use crate::interrupt::within;
use crate::inventory::{Depth, Inventory};
use crate::plan::{Decision, Verb, decide_as};
use crate::render::{self, harmless, state};
use crate::run::inventory;
use crate::select::{Others, Selection, is_file_name, select};
use clap_complete::engine::{CompletionCandidate, PathCompleter, ValueCompleter};
use glob::Pattern;
use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

type Candidates = Vec<CompletionCandidate>;

/// A host that does not answer at once leaves time for what the others tell.
const HOST_LIMIT: Duration = Duration::from_millis(90);

/// Something with a description, if it goes on from what was typed.
fn candidate(word: String, help: &str, current: &str) -> Option<CompletionCandidate> {
    let help = (!help.is_empty()).then(|| harmless(help).into());
    let is_begun = word.starts_with(current);
    is_begun.then(|| CompletionCandidate::new(word).help(help))
}

/// VMs to which the verb can be done, hosts before their names, and files.
pub(super) fn targets(line: &Line, current: &str) -> Candidates {
    if line.has("all") || current.starts_with('-') && !line.is_escaped {
        return Vec::new();
    }
    if line.has("images") {
        return folders(line, current);
    }
    let hosts = line.hosts();
    let names = hosts.iter().filter_map(|host| host.name.as_deref());
    let is_begun = |host: &str| current.starts_with(&format!("{host}/"));
    let on_host = names.clone().any(is_begun);
    let mut found = Vec::new();
    if !on_host && current.contains(['/', '.', '~']) {
        found.extend(definitions(line, current));
        if line.verb == Some(Verb::Show) {
            found.extend(images(line, current));
        }
    }
    if current.contains('/') && !on_host {
        return found;
    }
    let vms = vms(line, &line.selection(), Depth::State);
    let typed: Vec<String> = line.all("targets");
    let is_typed = |vm: &Vm, word: &String| {
        let id = vm.id().map(|id| id.to_string());
        typed.contains(word) || id.is_some_and(|id| typed.contains(&id))
    };
    for vm in &vms {
        let name = vm.name();
        let is_of_several = || vms.iter().filter(|other| other.name() == name).count() > 1;
        let word = match vm.host.as_deref() {
            Some(host) if on_host || is_of_several() => format!("{host}/{name}"),
            _ => name.to_owned(),
        };
        // Such a word would mean something else.
        let is_option = word.starts_with('-') && !line.is_escaped;
        let is_file = is_file_name(&word) && vm.host.is_none();
        if !is_option && !is_file && !is_typed(vm, &word) {
            found.extend(candidate(word, &state(vm), current));
        }
    }
    if !on_host {
        found.extend(names.filter_map(|host| candidate(format!("{host}/"), "host", current)));
    }
    // show NAME FIELD.
    if line.verb == Some(Verb::Show) && !typed.is_empty() && !current.is_empty() {
        found.extend(fields(line, current));
    }
    found
}

/// Fields of a VM.
pub(super) fn fields(_line: &Line, current: &str) -> Candidates {
    let paths = Field::beginning_with(current).into_iter();
    paths
        .filter_map(|path| candidate(path, "", current))
        .collect()
}

/// Running VMs by their numbers.
pub(super) fn numbers(line: &Line, current: &str) -> Candidates {
    let numbered = |vm: Vm| {
        let number = vm.vm_dynamic.as_ref()?.domain_id?.to_string();
        candidate(number, &format!("{}, {}", vm.name(), state(&vm)), current)
    };
    let vms = vms(line, &line.selection(), Depth::State);
    vms.into_iter().filter_map(numbered).collect()
}

/// Names that can be left out, as patterns of themselves.
pub(super) fn excluded(line: &Line, current: &str) -> Candidates {
    let vms = vms(line, &line.selection(), Depth::State);
    let names: BTreeMap<String, String> = vms
        .iter()
        .map(|vm| (Pattern::escape(vm.name()), state(vm)))
        .collect();
    let found = names
        .into_iter()
        .filter_map(|(name, state)| candidate(name, &state, current));
    found.collect()
}

/// Labels that VMs and hosts have, but for those on the line.
pub(super) fn labels(line: &Line, current: &str) -> Candidates {
    let typed: Vec<(String, String)> = line.all("labels");
    let mut found = BTreeSet::new();
    for vm in vms(line, &line.selection(), Depth::Definition) {
        found.extend(vm.vm_static.labels);
    }
    found.extend(line.hosts().into_iter().flat_map(|host| host.labels));
    let found = found.into_iter().filter(|label| !typed.contains(label));
    let words = found.map(|(key, value)| format!("{key}={value}"));
    words
        .filter_map(|word| candidate(word, "", current))
        .collect()
}

/// Groups that VMs are in, as patterns of themselves.
pub(super) fn groups(line: &Line, current: &str) -> Candidates {
    let typed: Vec<String> = line.all("groups");
    // Several are alternatives.
    let others = Selection {
        groups: Vec::new(),
        ..line.selection()
    };
    let vms = vms(line, &others, Depth::Definition);
    let found: BTreeSet<String> = vms
        .into_iter()
        .filter_map(|vm| vm.vm_static.vm_group_name)
        .collect();
    let words = found.iter().map(|group| Pattern::escape(group));
    let words = words.filter(|word| !typed.contains(word));
    words
        .filter_map(|word| candidate(word, "", current))
        .collect()
}

/// Columns that are not in the list yet, whatever their case.
pub(super) fn columns(line: &Line, current: &str) -> Candidates {
    let list = line
        .current
        .rsplit_once('=')
        .map_or(line.current.as_str(), |(_, list)| list);
    let is_in = |name: &str| {
        let mut chosen = list.split(',').rev().skip(1);
        chosen.any(|chosen| chosen.trim_start_matches('-').eq_ignore_ascii_case(name))
    };
    let begun = current.to_ascii_uppercase();
    let columns = render::columns()
        .iter()
        .filter(|column| !is_in(column.name));
    columns
        .filter_map(|column| candidate(column.name.to_owned(), column.help, &begun))
        .collect()
}

/// Columns to sort by; behind a - they have the greatest first.
pub(super) fn sort_keys(line: &Line, current: &str) -> Candidates {
    let (sign, begun) = match current.strip_prefix('-') {
        Some(begun) => ("-", begun),
        None => ("", current),
    };
    let columns = columns(line, begun).into_iter();
    columns.map(|column| column.add_prefix(sign)).collect()
}

/// Columns that a filter can be about.
pub(super) fn filters(_line: &Line, current: &str) -> Candidates {
    let begun = current.to_ascii_uppercase();
    let columns = render::columns().iter();
    columns
        .filter_map(|column| candidate(format!("{}=", column.name), column.help, &begun))
        .collect()
}

/// libvirts: those of this machine, and the aliases in libvirt's own configuration.
pub(super) fn uris(line: &Line, current: &str) -> Candidates {
    let typed: Vec<String> = line.all("connect");
    let settings = Settings::read();
    let aliases = settings.aliases.iter();
    let aliases = aliases.map(|(alias, uri)| (alias.as_str(), uri.as_str()));
    let known = [
        ("qemu:///system", "the daemon of this machine"),
        ("qemu:///session", "a daemon of your own"),
    ];
    let set = line.settled.iter();
    let hosts = set.flat_map(|settled| &settled.known_hosts);
    let hosts = hosts.filter_map(|host| {
        let uri = host.uri.as_deref().unwrap_or_default();
        Some((host.name.as_deref()?, uri))
    });
    let all = hosts
        .chain(aliases)
        .chain(known)
        .filter(|(word, _)| !typed.iter().any(|typed| typed == word));
    all.filter_map(|(word, help)| candidate(word.to_owned(), help, current))
        .collect()
}

/// Files that may list hosts.
pub(super) fn host_files(_line: &Line, current: &str) -> Candidates {
    files(current, |path| has_ending(path, &["yaml", "yml"]))
}

/// Files that may define VMs.
pub(super) fn definitions(_line: &Line, current: &str) -> Candidates {
    files(current, |path| has_ending(path, &["yaml", "yml", "xml"]))
}

/// Files that hold a VM's memory.
pub(super) fn images(_line: &Line, current: &str) -> Candidates {
    files(current, begins_as_image)
}

/// Folders.
pub(super) fn folders(_line: &Line, current: &str) -> Candidates {
    PathCompleter::dir().complete(OsStr::new(current))
}

fn files(current: &str, are: impl Fn(&Path) -> bool + Send + Sync + 'static) -> Candidates {
    PathCompleter::any()
        .filter(are)
        .complete(OsStr::new(current))
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    let ending = path.extension().and_then(OsStr::to_str);
    ending.is_some_and(|ending| endings.contains(&ending)) && path.is_file()
}

/// The VMs that are chosen and to which the verb can be done, by name. What does not answer at once has none.
fn vms(line: &Line, selection: &Selection, depth: Depth) -> Vec<Vm> {
    let Some(verb) = line.verb else {
        return Vec::new();
    };
    let (hosts, unreached) = open(line);
    let wishes = line.wishes();
    let others = Others {
        unreached,
        ..Others::default()
    };
    let Ok(selected) = select(&hosts, &others, selection, verb, wishes, depth) else {
        return Vec::new();
    };
    let mut vms = Vec::new();
    for (place, mut entry) in selected.entries {
        // Its metadata tell whether a VM that waits is meant to.
        let asks_more = matches!(verb, Verb::Hibernate | Verb::Restore)
            && entry.vm.status() == VmStatus::Paused;
        if let Some(machine) = entry.machine.as_ref().filter(|_| asks_more)
            && let Ok(vm) = hosts[place].observe(machine)
        {
            entry.vm = vm;
        }
        if let Decision::Do(_) = decide_as(verb, &entry.vm, wishes, line.running()) {
            vms.push(entry.vm);
        }
    }
    vms.sort_by(|a, b| a.name().cmp(b.name()));
    vms
}

/// Opens the hosts that are meant, all at once, to look only; and the names of those that do not answer.
fn open(line: &Line) -> (Vec<Arc<Inventory>>, Vec<String>) {
    let settings = Settings::read();
    let from = line.from();
    let open_one = |host: Host| {
        let name = host.name.clone().unwrap_or_default();
        let (from, settled) = (from.clone(), line.settled.clone());
        let opened = settings.asks_nobody(host.uri.as_deref()).then(|| {
            within(HOST_LIMIT, move || {
                let hypervisor = Hypervisor::open(host.uri.as_deref(), Access::ReadOnly).ok()?;
                inventory(hypervisor, host.name, host.labels, from, &*settled?).ok()
            })
        });
        opened.flatten().flatten().ok_or(name)
    };
    let opened: Vec<Result<Inventory, String>> = thread::scope(|scope| {
        let hosts = line.hosts().into_iter();
        let opening: Vec<_> = hosts.map(|host| scope.spawn(|| open_one(host))).collect();
        let opened = opening.into_iter().map(ScopedJoinHandle::join);
        opened.filter_map(Result::ok).collect()
    });
    let mut found = (Vec::new(), Vec::new());
    for host in opened {
        match host {
            Ok(inventory) => found.0.push(Arc::new(inventory)),
            Err(name) => found.1.push(name),
        }
    }
    found
}

/// What libvirt's own configuration says of connections.
#[derive(Debug, Default, PartialEq, Eq)]
struct Settings {
    aliases: Vec<(String, String)>,
    default: Option<String>,
}

impl Settings {
    /// Reads the file that libvirt would.
    fn read() -> Self {
        let folder = if rustix::process::geteuid().is_root() {
            Some("/etc".into())
        } else {
            let set = env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
            let set = set.filter(|path| path.is_absolute());
            set.or_else(|| Some(env::home_dir()?.join(".config")))
        };
        let text =
            folder.and_then(|folder| fs::read_to_string(folder.join("libvirt/libvirt.conf")).ok());
        text.map(|text| Self::parse(&text)).unwrap_or_default()
    }

    fn parse(text: &str) -> Self {
        let lines = text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'));
        let text: String = lines.flat_map(|line| [line, "\n"]).collect();
        let value_of = |key: &str| {
            let mut assignments = text.split(key).skip(1);
            assignments.find_map(|rest| rest.trim_start().strip_prefix('='))
        };
        let strings = |value: &str| -> Vec<String> {
            let parts = value.split('"').skip(1).step_by(2);
            parts.map(str::to_owned).collect()
        };
        let aliases = value_of("uri_aliases").and_then(|value| value.split(']').next());
        let aliases = aliases.map(strings).unwrap_or_default();
        let default = value_of("uri_default").and_then(|value| value.lines().next());
        Self {
            aliases: aliases
                .iter()
                .filter_map(|alias| alias.split_once('='))
                .map(|(alias, uri)| (alias.to_owned(), uri.to_owned()))
                .collect(),
            default: default.and_then(|value| strings(value).pop()),
        }
    }

    /// Whether a connection can be opened without anybody noticing: SSH may ask for a password, and each time it
    /// leaves a line in the other host's log.
    fn asks_nobody(&self, uri: Option<&str>) -> bool {
        let set = env::var("LIBVIRT_DEFAULT_URI").ok();
        let chosen = uri.map(str::to_owned).or(set.filter(|uri| !uri.is_empty()));
        let Some(chosen) = chosen.or_else(|| self.default.clone()) else {
            return true;
        };
        let alias = self.aliases.iter().find(|(alias, _)| *alias == chosen);
        let uri = alias.map_or(chosen.as_str(), |(_, uri)| uri);
        let transport = uri
            .split("://")
            .next()
            .and_then(|scheme| scheme.split_once('+'));
        !transport
            .is_some_and(|(_, transport)| matches!(transport, "ssh" | "libssh" | "libssh2" | "ext"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libvirts_own_configuration_is_understood() {
        let settings = Settings::parse(
            "#uri_aliases = [ \"no=qemu:///no\" ]\nuri_aliases = [\n  \"far=qemu+ssh://root@far/system\",\n \
             # \"old=x\",\n  \"near=qemu:///system\",\n]\nuri_default = \"far\"\n",
        );
        let aliases = [
            ("far", "qemu+ssh://root@far/system"),
            ("near", "qemu:///system"),
        ];
        let aliases = aliases.map(|(alias, uri)| (alias.to_owned(), uri.to_owned()));
        assert_eq!(settings.aliases, aliases);
        assert_eq!(settings.default.as_deref(), Some("far"));
        for (uri, is_silent) in [
            ("far", false),
            ("near", true),
            ("qemu+ssh://a/system", false),
            ("qemu+unix:///system", true),
            ("qemu+tls://a/system", true),
            ("test:///default", true),
        ] {
            assert_eq!(settings.asks_nobody(Some(uri)), is_silent, "{uri}");
        }
        assert_eq!(Settings::parse("nonsense ] = ["), Settings::default());
    }
}
