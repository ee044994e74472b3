//! Consoles: graphics, video, and the agent's channel beside them.

use crate::definition::binding::{Binding, put};
use crate::definition::tree::{Element, Result};
use crate::entity::{GraphicsInfo, GraphicsType, Secret, VmStatic};
use std::collections::BTreeMap;
use std::path::PathBuf;

pub(super) fn bind_console(binding: &mut Binding<'_>, vm: &mut VmStatic) -> Result {
    let of = |devices: &Element, kind: &'static str| -> Option<Element> {
        devices
            .children("graphics")
            .find(|device| device.attribute("type") == Some(kind))
            .cloned()
    };
    let set =
        |devices: &mut Element, kind: &str, path: &str, attribute: &str, text: Option<&str>| {
            for device in devices
                .elements_mut()
                .filter(|device| device.is("graphics"))
            {
                if device.attribute("type") == Some(kind) {
                    put(device, path, Some(attribute), text);
                }
            }
        };
    binding.by(
        &mut vm.vnc_keyboard_layout,
        |devices| Ok(of(devices, "vnc").and_then(|vnc| vnc.attribute("keymap").map(str::to_owned))),
        |devices, layout| set(devices, "vnc", "", "keymap", layout.as_deref()),
    )?;
    for (field, path, attribute) in [
        (
            &mut vm.spice_file_transfer_enabled,
            "filetransfer",
            "enable",
        ),
        (&mut vm.spice_copy_paste_enabled, "clipboard", "copypaste"),
    ] {
        binding.by(
            field,
            |devices| {
                let spice = of(devices, "spice");
                let word = spice
                    .as_ref()
                    .and_then(|spice| spice.child(path)?.attribute(attribute));
                Ok(word != Some("no"))
            },
            |devices, wanted| {
                set(
                    devices,
                    "spice",
                    path,
                    attribute,
                    Some(if *wanted { "yes" } else { "no" }),
                );
            },
        )?;
    }
    binding.by(
        &mut vm.num_of_monitors,
        |devices| {
            let heads = |video: &Element| video.child("model")?.attribute("heads")?.parse().ok();
            let most = devices
                .children("video")
                .filter_map(heads)
                .max()
                .unwrap_or(1);
            let adapters = devices
                .children("video")
                .filter(|video| is_qxl(video))
                .count();
            Ok(most.max(u32::try_from(adapters).unwrap_or(1)))
        },
        |devices, monitors| {
            // Others have one at most.
            let has_heads = |kind| matches!(kind, Some("qxl" | "virtio"));
            let model = devices.find("video/model");
            if model.is_some_and(|model| has_heads(model.attribute("type"))) {
                put(
                    devices,
                    "video/model",
                    Some("heads"),
                    Some(&monitors.to_string()),
                );
            }
        },
    )?;
    binding.told(&mut vm.single_qxl_pci, |devices| {
        let mut adapters = devices.children("video").filter(|video| is_qxl(video));
        let heads = |video: &Element| {
            video
                .child("model")?
                .attribute("heads")?
                .parse::<u32>()
                .ok()
        };
        let single = adapters
            .next()
            .and_then(heads)
            .is_some_and(|heads| heads > 1);
        single && adapters.next().is_none()
    });
    Ok(())
}

fn is_qxl(video: &Element) -> bool {
    video
        .child("model")
        .and_then(|model| model.attribute("type"))
        == Some("qxl")
}

pub(super) fn graphics_types(devices: &Element) -> Vec<GraphicsType> {
    let mut kinds = Vec::new();
    for device in devices.children("graphics") {
        let kind = GraphicsType::from_libvirt(device.attribute("type").unwrap_or_default());
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
}

/// The consoles that a viewer can open.
pub(super) fn consoles(domain: &Element) -> BTreeMap<GraphicsType, GraphicsInfo> {
    let devices = domain.child("devices").into_iter();
    devices
        .flat_map(|devices| devices.children("graphics"))
        .filter_map(|console| {
            let kind = GraphicsType::from_libvirt(console.attribute("type")?);
            let port = |name| {
                console
                    .attribute(name)?
                    .parse::<u16>()
                    .ok()
                    .filter(|port| *port > 0)
            };
            let listen = |name: &str| {
                let inside = console
                    .child("listen")
                    .and_then(|listen| listen.attribute(name));
                inside.map(str::to_owned)
            };
            let info = GraphicsInfo {
                ip: listen("address").or(console.attribute("listen").map(str::to_owned)),
                port: port("port"),
                tls_port: port("tlsPort"),
                socket: listen("socket")
                    .or(console.attribute("socket").map(str::to_owned))
                    .map(PathBuf::from),
                ticket: console.attribute("passwd").map(Secret::new),
                ticket_valid_to: console.attribute("passwdValidTo").map(str::to_owned),
            };
            let is_open = info.port.is_some() || info.tls_port.is_some() || info.socket.is_some();
            is_open.then_some((kind, info))
        })
        .collect()
}

/// Whether an agent's channel is connected; `None` without such a channel, or where it is not told.
pub(super) fn agent_is_connected(domain: &Element, name: &str) -> Option<bool> {
    let mut targets = domain
        .child("devices")?
        .children("channel")
        .filter_map(|channel| channel.child("target"));
    let target = targets.find(|target| target.attribute("name") == Some(name))?;
    Some(target.attribute("state")? == "connected")
}
