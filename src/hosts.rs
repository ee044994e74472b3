//! The hosts that a command is about: those of `-c`, and those of a file.

use crate::definition::from_yaml;
use crate::report::{Failure, Kind};
use crate::words::quoted;
use serde::Deserialize;
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;

/// A host, as the user names it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Host {
    /// What it is called. Nobody needs a name for the only one.
    pub name: Option<String>,
    /// How its libvirt is reached; without that libvirt's own rules choose.
    pub uri: Option<String>,
    /// What its VMs are chosen by, beside their own labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// A file of hosts.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    hosts: Vec<Host>,
}

/// The hosts that are meant: all that are named, or the one that libvirt chooses. If there are several, each has a
/// name. A word is a URI, or the name of a host that is `known`, or a glob that matches such names.
///
/// # Errors
/// A file that is wrong, or names that are not told apart.
pub fn hosts(words: &[String], file: Option<&Path>, known: &[Host]) -> Result<Vec<Host>, Failure> {
    let mut hosts: Vec<Host> = Vec::new();
    for word in words {
        let named = named(word, known);
        if named.is_empty() {
            hosts.push(Host {
                uri: Some(word.clone()),
                ..Host::default()
            });
        }
        // Named twice, it is still one.
        for host in named {
            if !hosts.contains(host) {
                hosts.push(host.clone());
            }
        }
    }
    if let Some(file) = file {
        hosts.extend(read(file)?);
    } else if hosts.is_empty() {
        return Ok(vec![Host::default()]);
    }
    if hosts.len() == 1 {
        hosts[0].name = None;
        return Ok(hosts);
    }
    let mut names = HashSet::new();
    for host in &mut hosts {
        let uri = host.uri.as_deref().unwrap_or_default();
        let of_uri = [name_of(uri), uri.to_owned()];
        let free = of_uri.iter().find(|name| !names.contains(*name));
        let name = host
            .name
            .get_or_insert_with(|| free.unwrap_or(&of_uri[1]).clone());
        if !names.insert(name.clone()) {
            let message = format!("two hosts are called {}", quoted(name));
            return Err(Failure::new(Kind::Usage, message));
        }
    }
    Ok(hosts)
}

/// The known hosts that a word means.
fn named<'a>(word: &str, known: &'a [Host]) -> Vec<&'a Host> {
    let those = |is_meant: &dyn Fn(&str) -> bool| -> Vec<&'a Host> {
        let names = |host: &&Host| host.name.as_deref().is_some_and(is_meant);
        known.iter().filter(names).collect()
    };
    let found = those(&|name| name == word);
    // A URI has a slash, which no name has.
    match glob::Pattern::new(word) {
        Ok(pattern) if found.is_empty() && !word.contains('/') => {
            those(&|name| pattern.matches(name))
        }
        _ => found,
    }
}

fn read(file: &Path) -> Result<Vec<Host>, Failure> {
    let wrong = |why: &dyn ToString| {
        let message = format!("the list of hosts {} cannot be read", file.display());
        Failure::new(Kind::Usage, message).because(&why.to_string())
    };
    let text = fs::read_to_string(file).map_err(|error| wrong(&error))?;
    let name = file.to_string_lossy();
    let File { hosts } = from_yaml(&name, &text).map_err(|error| wrong(&error))?;
    check(&hosts).map_err(|flaw| wrong(&flaw))?;
    if hosts.is_empty() {
        return Err(wrong(&"there is no host in it"));
    }
    Ok(hosts)
}

/// Whether each host of a list has what it is found by.
///
/// # Errors
/// What one lacks.
pub(crate) fn check(hosts: &[Host]) -> Result<(), String> {
    for host in hosts {
        let name = host.name.as_deref().unwrap_or_default();
        if name.is_empty() || name.contains('/') {
            return Err("each host needs a name, in which there is no slash".to_owned());
        }
        if host.uri.as_deref().unwrap_or_default().is_empty() {
            return Err(format!("the host {} needs a uri", quoted(name)));
        }
    }
    Ok(())
}

/// What a host is called that has no name: as its URI does, if that says so.
fn name_of(uri: &str) -> String {
    let (_, rest) = uri.split_once("://").unwrap_or(("", uri));
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let authority = authority.rsplit('@').next().unwrap_or_default();
    if authority.is_empty() {
        uri.to_owned()
    } else {
        authority.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uris(uris: &[&str]) -> Vec<String> {
        uris.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_only_host_needs_no_name_and_several_have_one() {
        assert_eq!(hosts(&[], None, &[]).unwrap(), [Host::default()]);
        let one = hosts(&uris(&["qemu:///system"]), None, &[]).unwrap();
        assert_eq!((one[0].name.as_deref(), one.len()), (None, 1));
        let three = [
            "qemu+ssh://root@a.example/system",
            "qemu+tls://b/system",
            "qemu:///system",
        ];
        let three = hosts(&uris(&three), None, &[]).unwrap();
        let names: Vec<_> = three
            .iter()
            .map(|host| host.name.as_deref().unwrap())
            .collect();
        assert_eq!(names, ["a.example", "b", "qemu:///system"]);
        let alike = hosts(
            &uris(&["qemu+ssh://a/system", "qemu+ssh://a/session"]),
            None,
            &[],
        )
        .unwrap();
        assert_eq!(alike[1].name.as_deref(), Some("qemu+ssh://a/session"));
        assert!(hosts(&uris(&["x", "x"]), None, &[]).is_err());
    }

    #[test]
    fn a_file_names_hosts_and_mistakes_in_it_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hosts.yaml");
        let read = |text: &str| {
            fs::write(&file, text).unwrap();
            hosts(&[], Some(&file), &[])
        };
        let found = read(
            "hosts:\n- {name: a, uri: 'qemu+ssh://a/system', labels: {site: north}}\n- {name: b, uri: 'qemu:///system'}\n",
        );
        let found = found.unwrap();
        assert_eq!(found[0].labels["site"], "north");
        assert_eq!(found[1].name.as_deref(), Some("b"));
        for (text, why) in [
            ("hosts: []", "there is no host in it"),
            ("hosts:\n- {name: a}", "needs a uri"),
            ("hosts:\n- {name: a/b, uri: x}", "no slash"),
            ("hosts:\n- {uri: x}", "needs a name"),
            (
                "hosts:\n- {name: a, uri: x, lables: {}}",
                "hosts.yaml:2:21: 'lables' is not known here; did you mean 'labels'?",
            ),
            ("a", "invalid type"),
        ] {
            let failure = read(text).unwrap_err();
            assert_eq!(failure.kind, Kind::Usage, "{text}");
            assert!(
                failure.cause.as_deref().unwrap().contains(why),
                "{failure:?}"
            );
        }
        let twice = "hosts:\n- {name: a, uri: x}\n- {name: a, uri: x}";
        let failure = read(twice).unwrap_err();
        assert_eq!(failure.message, "two hosts are called a");
    }
}
