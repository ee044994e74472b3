//! A config drive of `OpenStack`'s kind, which cloud-init and Ignition read.
//!
//! Sources: cloud-init's documentation of its `ConfigDrive` data source, `OpenStack`'s of the config
//! drive and of `network_data.json`, and what oVirt's engine puts there for the same `VmInit`. What that adds
//! for cloud-init before 17.1, a command that edits the guest's own list of data sources, is left out:
//! since then the label tells cloud-init where to look.

use super::{Payload, known};
use crate::definition::{to_yaml, yaml_flaw};
use crate::entity::{
    CloudInitNetworkProtocol, Ipv4BootProtocol, Ipv6BootProtocol, Secret, Vm, VmInit, VmInitNetwork,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// By this label both know the CD.
const LABEL: &str = "config-2";
/// Where the network's configuration lies if it is Debian's file.
const ENI: &str = "/content/0000";

/// cloud-init's: what the entity says becomes `#cloud-config`, and the script is more of it.
pub(super) fn cloud_init(vm: &Vm, init: &VmInit) -> Result<Payload, String> {
    let data = user_data(init)?;
    config_drive(vm, init, data)
}

/// Ignition's: the script is all of the user data, and the rest is as cloud-init has it.
pub(super) fn ignition(vm: &Vm, init: &VmInit) -> Result<Payload, String> {
    let script = text(init.custom_script.as_ref(), "customScript")?
        .ok_or("Ignition needs vmInit.customScript, its configuration in JSON")?;
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(script) {
        // Its own words could quote what is in there.
        return Err(format!(
            "vmInit.customScript is not JSON, in its line {}",
            error.line()
        ));
    }
    config_drive(vm, init, script.to_owned())
}

/// The fields that are for Sysprep and Windows alone, or have nowhere to go.
pub(super) fn beyond_cloud_init(init: &VmInit) -> Vec<&'static str> {
    let texts = [
        ("domain", &init.domain),
        ("activeDirectoryOU", &init.active_directory_ou),
        ("orgName", &init.org_name),
        ("inputLocale", &init.input_locale),
        ("uiLanguage", &init.ui_language),
        ("systemLocale", &init.system_locale),
        ("userLocale", &init.user_locale),
        // A guest searches by way of a card.
        (
            "dnsSearch",
            if init.networks.is_empty() {
                &init.dns_search
            } else {
                &None
            },
        ),
    ];
    let texts = texts
        .into_iter()
        .filter(|(_, text)| given(text.as_ref()).is_some())
        .map(|(field, _)| field);
    texts
        .chain(init.win_key.is_some().then_some("winKey"))
        .collect()
}

/// The same, and what cloud-init is told beside the script.
pub(super) fn beyond_ignition(init: &VmInit) -> Vec<&'static str> {
    let more = [
        ("userName", given(init.user_name.as_ref()).is_some()),
        ("rootPassword", init.root_password.is_some()),
        ("timeZone", given(init.time_zone.as_ref()).is_some()),
        ("regenerateKeys", init.regenerate_keys.is_some()),
    ];
    let more = more.into_iter().filter(|(_, is_given)| *is_given);
    let mut fields = beyond_cloud_init(init);
    fields.extend(more.map(|(field, _)| field));
    fields
}

fn config_drive(vm: &Vm, init: &VmInit, user_data: String) -> Result<Payload, String> {
    let mut meta = json!({
        "launch_index": 0,
        "availability_zone": "nova",
        // The data is here: cloud-init can set up the network before there is one.
        "meta": { "dsmode": "local", "essential": "false", "role": "server" },
    });
    let mut files = BTreeMap::new();
    let mut put = |path: &str, text: String| {
        files.insert(format!("openstack{path}"), text.into_bytes());
    };
    // A guest takes another UUID for another machine, and begins anew.
    if let Some(id) = vm.id() {
        meta["uuid"] = id.to_string().into();
    }
    if let Some(name) = host_name(vm, init) {
        meta["hostname"] = name.into();
        meta["name"] = name.into();
    }
    if let Some(keys) = text(init.authorized_keys.as_ref(), "authorizedKeys")? {
        meta["public_keys"] = lines(keys);
    }
    match &init.cloud_init_network_protocol {
        None | Some(CloudInitNetworkProtocol::OpenstackMetadata) => {
            let data = network_data(vm, init)?;
            // cloud-init fails over an empty one.
            if !data.is_empty() {
                put("/latest/network_data.json", pretty(&data.into()));
            }
        }
        Some(CloudInitNetworkProtocol::Eni) => {
            let interfaces = interfaces(init)?;
            if !interfaces.is_empty() {
                meta["network_config"] = json!({ "content_path": ENI, "name": "network_config" });
                put(ENI, interfaces);
            }
        }
        Some(other) => {
            return Err(format!(
                "vmInit.cloudInitNetworkProtocol {other} is not known"
            ));
        }
    }
    put("/latest/meta_data.json", pretty(&meta));
    put("/latest/user_data", user_data);
    Ok(Payload {
        label: LABEL.to_owned(),
        files,
    })
}

/// The host name that was given, else the VM's name where it can be one.
fn host_name<'a>(vm: &'a Vm, init: &'a VmInit) -> Option<&'a str> {
    let fits = |name: &&str| {
        let is_label = |label: &str| {
            !label.is_empty()
                && label.len() < 64
                && !label.starts_with('-')
                && !label.ends_with('-')
                && (label.bytes()).all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        name.split('.').all(is_label)
    };
    given(init.hostname.as_ref()).or_else(|| Some(vm.name()).filter(fits))
}

/// `#cloud-config`: what follows from the fields, then the script. What the script says itself is not
/// said before it: a key that stands twice is no YAML, though cloud-init would take the second one.
fn user_data(init: &VmInit) -> Result<String, String> {
    let script = text(init.custom_script.as_ref(), "customScript")?.unwrap_or_default();
    let mut config = Map::new();
    let mut put = |key: &str, value: Value| config.insert(key.to_owned(), value);
    put(
        "user",
        given(init.user_name.as_ref()).unwrap_or("root").into(),
    );
    if let Some(password) = text(init.root_password.as_ref(), "rootPassword")? {
        put("password", password.into());
    }
    put("chpasswd", json!({ "expire": false }));
    put("ssh_pwauth", true.into());
    put("disable_root", false.into());
    if let Some(regenerate) = init.regenerate_keys {
        put("ssh_deletekeys", regenerate.into());
    }
    if let Some(zone) = given(init.time_zone.as_ref()) {
        put("timezone", zone.into());
    }
    put(
        "output",
        json!({ "all": ">> /var/log/cloud-init-output.log" }),
    );
    config.retain(|key, _| {
        let says = |line: &str| {
            line.strip_prefix(key)
                .is_some_and(|rest| rest.starts_with(':'))
        };
        !script.lines().any(says)
    });
    let data = format!("#cloud-config\n{}{script}", to_yaml(&config));
    let Some(line) = yaml_flaw(&data) else {
        return Ok(data);
    };
    let count = script.lines().count();
    let line = (line + count).saturating_sub(data.lines().count());
    Err(format!(
        "vmInit.customScript is no cloud-config, a mapping in YAML: look near its line {}",
        line.clamp(1, count.max(1))
    ))
}

/// `OpenStack`'s description of the network: each card that has an address of some kind, its addresses,
/// and the name servers.
fn network_data(vm: &Vm, init: &VmInit) -> Result<Map<String, Value>, String> {
    let (mut links, mut networks) = (Vec::new(), Vec::new());
    for (index, card) in init.networks.iter().enumerate() {
        let field = format!("vmInit.networks[{index}]");
        let name = card_name(card, &field)?;
        if card.start_on_boot == Some(false) {
            return Err(format!(
                "{field}.startOnBoot is false, which only cloudInitNetworkProtocol ENI can say"
            ));
        }
        let before = networks.len();
        for addresses in [ipv4(card, &field)?, ipv6(card, &field)?] {
            let Some(mut network) = addresses else {
                continue;
            };
            network["id"] = format!("{name}-{}", networks.len() - before).into();
            network["link"] = name.into();
            for (key, words) in [
                ("dns_nameservers", &init.dns_servers),
                ("dns_search", &init.dns_search),
            ] {
                if let Some(words) = given(words.as_ref()) {
                    network[key] = words.split_whitespace().collect();
                }
            }
            networks.push(network);
        }
        if networks.len() > before {
            let mut link = json!({ "id": name, "name": name, "type": "vif" });
            if let Some(address) = hardware_address(vm, name) {
                link["ethernet_mac_address"] = address.into();
            }
            links.push(link);
        }
    }
    let services: Vec<Value> = name_servers(init)?
        .into_iter()
        .map(|server| json!({ "type": "dns", "address": server }))
        .collect();
    let parts = [
        ("links", links),
        ("networks", networks),
        ("services", services),
    ];
    Ok(parts
        .into_iter()
        .filter(|(_, part)| !part.is_empty())
        .map(|(name, part)| (name.to_owned(), part.into()))
        .collect())
}

/// The address of the card that the guest is to call so: the one of that name, else of `eth0` the one
/// called `nic1`, and so on. `None` if the definition leaves it to libvirt.
fn hardware_address<'a>(vm: &'a Vm, name: &str) -> Option<&'a str> {
    let cards = &vm.vm_static.interfaces;
    let own = cards.iter().find(|card| card.name == name);
    let by_number = || {
        let number: usize = name.strip_prefix("eth")?.parse().ok()?;
        let called = format!("nic{}", number.checked_add(1)?);
        let named = cards.iter().find(|card| card.name == called);
        named.or_else(|| cards.get(number).filter(|card| card.name.is_empty()))
    };
    own.or_else(by_number)?.mac_address.as_deref()
}

fn ipv4(card: &VmInitNetwork, field: &str) -> Result<Option<Value>, String> {
    Ok(Some(match &card.boot_protocol {
        Ipv4BootProtocol::None => return Ok(None),
        Ipv4BootProtocol::Dhcp => json!({ "type": "ipv4_dhcp" }),
        Ipv4BootProtocol::StaticIp => {
            let (ip, netmask, gateway) = static_ipv4(card, field)?;
            let mut network = json!({ "type": "ipv4", "ip_address": ip });
            for (key, value) in [("netmask", netmask), ("gateway", gateway)] {
                if let Some(value) = value {
                    network[key] = value.into();
                }
            }
            network
        }
        other @ Ipv4BootProtocol::Other(_) => {
            return Err(format!("{field}.bootProtocol {other} is not known"));
        }
    }))
}

fn ipv6(card: &VmInitNetwork, field: &str) -> Result<Option<Value>, String> {
    Ok(Some(match &card.ipv6_boot_protocol {
        Ipv6BootProtocol::None => return Ok(None),
        Ipv6BootProtocol::Dhcp | Ipv6BootProtocol::PolyDhcpAutoconf => {
            json!({ "type": "ipv6_dhcpv6-stateful" })
        }
        Ipv6BootProtocol::Autoconf => json!({ "type": "ipv6_slaac" }),
        Ipv6BootProtocol::StaticIp => {
            let ip =
                address::<Ipv6Addr>(card.ipv6_address.as_ref(), &format!("{field}.ipv6Address"))?
                    .ok_or_else(|| format!("{field} is STATIC_IP and has no ipv6Address"))?;
            let mut network = json!({ "type": "ipv6", "ip_address": ip });
            if let Some(prefix) = card.ipv6_prefix {
                if prefix > 128 {
                    return Err(format!("{field}.ipv6Prefix is more than 128"));
                }
                network["netmask"] = prefix.to_string().into();
            }
            let gateway = format!("{field}.ipv6Gateway");
            if let Some(gateway) = address::<Ipv6Addr>(card.ipv6_gateway.as_ref(), &gateway)? {
                network["gateway"] = gateway.into();
            }
            network
        }
        other @ Ipv6BootProtocol::Other(_) => {
            return Err(format!("{field}.ipv6BootProtocol {other} is not known"));
        }
    }))
}

/// The address, its network mask and its gateway.
fn static_ipv4<'a>(
    card: &'a VmInitNetwork,
    field: &str,
) -> Result<(&'a str, Option<&'a str>, Option<&'a str>), String> {
    let ip = address::<Ipv4Addr>(card.ip.as_ref(), &format!("{field}.ip"))?
        .ok_or_else(|| format!("{field} is STATIC_IP and has no ip"))?;
    let prefix =
        given(card.netmask.as_ref()).filter(|text| text.parse().is_ok_and(|bits: u8| bits <= 32));
    let netmask = match prefix {
        None => address::<Ipv4Addr>(card.netmask.as_ref(), &format!("{field}.netmask"))?,
        prefix => prefix,
    };
    let gateway = address::<Ipv4Addr>(card.gateway.as_ref(), &format!("{field}.gateway"))?;
    Ok((ip, netmask, gateway))
}

/// Debian's `/etc/network/interfaces`, which cloud-init translates for others. As with oVirt it is for
/// IPv4.
fn interfaces(init: &VmInit) -> Result<String, String> {
    let mut text = String::new();
    let servers = name_servers(init)?.join(" ");
    let search = given(init.dns_search.as_ref()).unwrap_or_default();
    let search = search.split_whitespace().collect::<Vec<_>>().join(" ");
    for (index, card) in init.networks.iter().enumerate() {
        let field = format!("vmInit.networks[{index}]");
        let name = card_name(card, &field)?;
        if card.ipv6_boot_protocol != Ipv6BootProtocol::None {
            return Err(format!(
                "{field}: cloudInitNetworkProtocol ENI is for IPv4 only; OPENSTACK_METADATA has IPv6, too"
            ));
        }
        let mut options = Vec::new();
        let method = match &card.boot_protocol {
            Ipv4BootProtocol::None => "manual",
            Ipv4BootProtocol::Dhcp => "dhcp",
            Ipv4BootProtocol::StaticIp => {
                let (ip, netmask, gateway) = static_ipv4(card, &field)?;
                options.push(("address", ip));
                options.extend(netmask.map(|netmask| ("netmask", netmask)));
                options.extend(gateway.map(|gateway| ("gateway", gateway)));
                "static"
            }
            other @ Ipv4BootProtocol::Other(_) => {
                return Err(format!("{field}.bootProtocol {other} is not known"));
            }
        };
        options.extend([
            ("dns-nameservers", servers.as_str()),
            ("dns-search", &search),
        ]);
        if card.start_on_boot != Some(false) {
            text += &format!("auto {name}\n");
        }
        text += &format!("iface {name} inet {method}\n");
        for (key, value) in options.iter().filter(|(_, value)| !value.is_empty()) {
            text += &format!("  {key} {value}\n");
        }
    }
    Ok(text)
}

/// The name of a card in the guest: Linux allows 15 bytes, without blanks and slashes.
fn card_name<'a>(card: &'a VmInitNetwork, field: &str) -> Result<&'a str, String> {
    let name = card.name.as_deref().unwrap_or_default();
    let fits = (1..16).contains(&name.len())
        && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/');
    if fits {
        Ok(name)
    } else {
        Err(format!("{field}.name {name:?} can be no network card's"))
    }
}

fn name_servers(init: &VmInit) -> Result<Vec<&str>, String> {
    let servers = init.dns_servers.as_deref().unwrap_or_default();
    servers
        .split_whitespace()
        .map(|server| match server.parse::<IpAddr>() {
            Ok(_) => Ok(server),
            Err(_) => Err(format!("vmInit.dnsServers: {server:?} is no IP address")),
        })
        .collect()
}

/// An address, if there is one; it is checked, and stays as it is written.
fn address<'a, T: FromStr>(
    text: Option<&'a String>,
    field: &str,
) -> Result<Option<&'a str>, String> {
    match given(text) {
        Some(text) if text.parse::<T>().is_err() => {
            Err(format!("{field}: {text:?} is no such address"))
        }
        text => Ok(text),
    }
}

/// The text of a secret, if there is one that says something.
fn text<'a>(secret: Option<&'a Secret>, field: &str) -> Result<Option<&'a str>, String> {
    let text = secret
        .map(|secret| known(secret.expose(), &format!("vmInit.{field}")))
        .transpose()?;
    Ok(text.filter(|text| !text.is_empty()))
}

/// As in oVirt an empty text says nothing.
fn given(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

fn lines(text: &str) -> Value {
    text.split(['\n', '\r'])
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect()
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

#[cfg(test)]
mod tests {
    use super::super::files;
    use super::*;
    use crate::definition::parse;

    const WHOLE: &str = "
vmStatic:
  name: web-1
  id: 6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a11
  interfaces:
    - { name: nic1, macAddress: '52:54:00:00:00:01' }
    - { name: nic2 }
  vmInit:
    hostname: web.example.org
    userName: admin
    rootPassword: 'no: #1 \"pass\"'
    timeZone: Europe/Berlin
    regenerateKeys: true
    authorizedKeys: |
      ssh-ed25519 AAAA one@host

      ssh-rsa BBBB two
    dnsServers: 192.0.2.53 2001:db8::53
    dnsSearch: example.org  example.net
    networks:
      - { name: eth0, startOnBoot: true, bootProtocol: STATIC_IP, ip: 192.0.2.10, netmask: 255.255.255.0, gateway: 192.0.2.1,
          ipv6BootProtocol: STATIC_IP, ipv6Address: '2001:db8::10', ipv6Prefix: 64, ipv6Gateway: '2001:db8::1' }
      - { name: eth1, bootProtocol: DHCP, ipv6BootProtocol: AUTOCONF }
      - { name: eth2, ipv6BootProtocol: DHCP }
      - { name: eth3 }
    customScript: |
      packages: [htop]
      timezone: UTC
";

    fn vm(text: &str) -> Vm {
        parse("vm.yaml", text).unwrap().remove(0).vm
    }

    fn file(payload: &Payload, path: &str) -> String {
        String::from_utf8(payload.files[&format!("openstack/{path}")].clone()).unwrap()
    }

    fn json_of(payload: &Payload, path: &str) -> Value {
        serde_json::from_str(&file(payload, path)).unwrap()
    }

    fn complaint(init: &str) -> String {
        let text = format!("vmStatic: {{name: v, vmInit: {init}}}");
        files(&vm(&text)).unwrap_err()
    }

    #[test]
    fn cloud_init_gets_all_that_the_entity_says() {
        let payload = files(&vm(WHOLE)).unwrap().unwrap();
        assert_eq!(payload.label, "config-2");
        assert_eq!(
            payload.files.keys().collect::<Vec<_>>(),
            [
                "openstack/latest/meta_data.json",
                "openstack/latest/network_data.json",
                "openstack/latest/user_data"
            ]
        );
        assert_eq!(
            json_of(&payload, "latest/meta_data.json"),
            json!({
                "uuid": "6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a11",
                "hostname": "web.example.org",
                "name": "web.example.org",
                "public_keys": ["ssh-ed25519 AAAA one@host", "ssh-rsa BBBB two"],
                "launch_index": 0,
                "availability_zone": "nova",
                "meta": { "dsmode": "local", "essential": "false", "role": "server" },
            })
        );
        let data = file(&payload, "latest/user_data");
        assert!(data.starts_with("#cloud-config\n"), "{data}");
        assert!(
            data.ends_with("packages: [htop]\ntimezone: UTC\n"),
            "{data}"
        );
        assert_eq!(
            crate::definition::yaml_values(&data).next().unwrap(),
            json!({
                "user": "admin",
                "password": "no: #1 \"pass\"",
                "chpasswd": { "expire": false },
                "ssh_pwauth": true,
                "disable_root": false,
                "ssh_deletekeys": true,
                "output": { "all": ">> /var/log/cloud-init-output.log" },
                "packages": ["htop"],
                "timezone": "UTC",
            })
        );
    }

    #[test]
    fn network_data_is_openstacks() {
        let payload = files(&vm(WHOLE)).unwrap().unwrap();
        let (servers, search) = (
            ["192.0.2.53", "2001:db8::53"],
            ["example.org", "example.net"],
        );
        let with_names = |mut network: Value| {
            network["dns_nameservers"] = json!(servers);
            network["dns_search"] = json!(search);
            network
        };
        let network = |id: &str, link: &str, kind: &str| {
            with_names(json!({ "id": id, "link": link, "type": kind }))
        };
        assert_eq!(
            json_of(&payload, "latest/network_data.json"),
            json!({
                "links": [
                    { "id": "eth0", "name": "eth0", "type": "vif", "ethernet_mac_address": "52:54:00:00:00:01" },
                    { "id": "eth1", "name": "eth1", "type": "vif" },
                    { "id": "eth2", "name": "eth2", "type": "vif" },
                ],
                "networks": [
                    with_names(json!({ "id": "eth0-0", "link": "eth0", "type": "ipv4",
                        "ip_address": "192.0.2.10", "netmask": "255.255.255.0", "gateway": "192.0.2.1" })),
                    with_names(json!({ "id": "eth0-1", "link": "eth0", "type": "ipv6",
                        "ip_address": "2001:db8::10", "netmask": "64", "gateway": "2001:db8::1" })),
                    network("eth1-0", "eth1", "ipv4_dhcp"),
                    network("eth1-1", "eth1", "ipv6_slaac"),
                    network("eth2-0", "eth2", "ipv6_dhcpv6-stateful"),
                ],
                "services": [
                    { "type": "dns", "address": "192.0.2.53" },
                    { "type": "dns", "address": "2001:db8::53" },
                ],
            })
        );
    }

    #[test]
    fn eni_is_debians_file() {
        let text = "vmStatic: {name: My VM, vmInit: {cloudInitNetworkProtocol: ENI, dnsServers: 192.0.2.53, networks: [
            {name: eth0, bootProtocol: STATIC_IP, ip: 192.0.2.10, netmask: '24', gateway: 192.0.2.1},
            {name: eth1, bootProtocol: DHCP, startOnBoot: false}]}}";
        let payload = files(&vm(text)).unwrap().unwrap();
        assert_eq!(
            file(&payload, "content/0000"),
            "auto eth0\niface eth0 inet static\n  address 192.0.2.10\n  netmask 24\n  gateway 192.0.2.1\n  \
             dns-nameservers 192.0.2.53\niface eth1 inet dhcp\n  dns-nameservers 192.0.2.53\n"
        );
        let meta = json_of(&payload, "latest/meta_data.json");
        assert_eq!(
            meta["network_config"],
            json!({ "content_path": "/content/0000", "name": "network_config" })
        );
        assert_eq!(meta["hostname"], Value::Null, "'My VM' is no host's name");
        assert_eq!(payload.files.len(), 3);
    }

    #[test]
    fn the_least_is_enough_and_the_vms_name_is_the_hosts() {
        let payload = files(&vm("vmStatic: {name: web-1, vmInit: {}}"))
            .unwrap()
            .unwrap();
        assert_eq!(payload.files.len(), 2);
        assert_eq!(
            json_of(&payload, "latest/meta_data.json")["hostname"],
            "web-1"
        );
        let data = crate::definition::yaml_values(&file(&payload, "latest/user_data"))
            .next()
            .unwrap();
        assert_eq!(data["user"], "root");
        assert_eq!(data.get("password"), None);
    }

    #[test]
    fn ignition_gets_its_script_as_it_is() {
        let text = "{initializationType: Ignition, vmStatic: {name: v, vmInit: {customScript: '{\"ignition\": {\"version\": \"3.4.0\"}}'}}}";
        let payload = files(&vm(text)).unwrap().unwrap();
        assert_eq!(
            file(&payload, "latest/user_data"),
            "{\"ignition\": {\"version\": \"3.4.0\"}}"
        );
        let error = files(&vm(&text.replace("3.4.0\\\"", "s3cret"))).map(drop);
        assert_eq!(error, Ok(()));
        let error = files(&vm(&text.replace("{\"ignition\"", "{s3cret"))).unwrap_err();
        assert_eq!(error, "vmInit.customScript is not JSON, in its line 1");
        let error = files(&vm(
            "{initializationType: Ignition, vmStatic: {name: v, vmInit: {}}}",
        ));
        assert!(error.unwrap_err().contains("needs vmInit.customScript"));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_field_and_without_a_secret() {
        for (init, words) in [
            (
                "{rootPassword: '(hidden; --security-info shows it)'}",
                "text of vmInit.rootPassword",
            ),
            (
                "{customScript: '(hidden; --security-info shows it)'}",
                "vmInit.customScript",
            ),
            (
                "{customScript: \"a: 1\\ns3cret\\n\"}",
                "a mapping in YAML: look near its line 2",
            ),
            (
                "{customScript: '#!/bin/sh\n\n  s3cret'}",
                "vmInit.customScript is no cloud-config, a mapping",
            ),
            (
                "{networks: [{name: eth 0}]}",
                "vmInit.networks[0].name \"eth 0\"",
            ),
            ("{networks: [{}]}", "vmInit.networks[0].name \"\""),
            (
                "{networks: [{name: e, bootProtocol: STATIC_IP}]}",
                "has no ip",
            ),
            (
                "{networks: [{name: e, bootProtocol: STATIC_IP, ip: 10.0.0}]}",
                "networks[0].ip: \"10.0.0\"",
            ),
            (
                "{networks: [{name: e, bootProtocol: STATIC_IP, ip: 10.0.0.1, netmask: '33'}]}",
                ".netmask",
            ),
            (
                "{networks: [{name: e, ipv6BootProtocol: STATIC_IP, ipv6Address: '::1', ipv6Prefix: 129}]}",
                "128",
            ),
            (
                "{networks: [{name: e, bootProtocol: DHCP, startOnBoot: false}]}",
                "startOnBoot",
            ),
            ("{dnsServers: 'a b'}", "vmInit.dnsServers: \"a\""),
            (
                "{cloudInitNetworkProtocol: ENI, networks: [{name: e, ipv6BootProtocol: DHCP}]}",
                "IPv4 only",
            ),
        ] {
            let error = complaint(init);
            assert!(error.contains(words), "{init}: {error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
