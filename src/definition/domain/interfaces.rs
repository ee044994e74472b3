//! Network cards.

use super::device_list::alias_id;
use crate::definition::binding::{Binding, put};
use crate::definition::tree::Result;
use crate::entity::{VmInterfaceType, VmNetworkInterface};

pub(super) fn bind_interface(binding: &mut Binding<'_>, card: &mut VmNetworkInterface) -> Result {
    binding.field("@type", &mut card.source_type)?;
    binding.by(
        &mut card.mac_address,
        |element| {
            let address = element
                .child("mac")
                .and_then(|mac| mac.attribute("address"));
            Ok(address.map(str::to_lowercase))
        },
        |element, address| put(element, "mac", Some("address"), address.as_deref()),
    )?;
    binding.by(
        &mut card.network_name,
        |element| {
            let source = element.child("source");
            let mut keys = ["network", "bridge", "dev"].into_iter();
            Ok(source.and_then(|source| {
                keys.find_map(|key| source.attribute(key))
                    .map(str::to_owned)
            }))
        },
        |element, network| {
            let key = match element.attribute("type") {
                Some("bridge") => "bridge",
                None | Some("network") => "network",
                _ => "dev",
            };
            put(element, "source", Some(key), network.as_deref());
        },
    )?;
    binding.by(
        &mut card.interface_type,
        |element| {
            let model = element
                .child("model")
                .and_then(|model| model.attribute("type"));
            Ok(match model {
                Some(model) => Some(VmInterfaceType::from_libvirt(model)),
                None if element.attribute("type") == Some("hostdev") => {
                    Some(VmInterfaceType::PciPassthrough)
                }
                None => None,
            })
        },
        |element, model| {
            let word = match model {
                Some(VmInterfaceType::PciPassthrough) => None,
                model => model.as_ref().map(VmInterfaceType::libvirt),
            };
            put(element, "model", Some("type"), word.as_deref());
        },
    )?;
    binding.by(
        &mut card.linked,
        |element| {
            let state = element
                .child("link")
                .and_then(|link| link.attribute("state"));
            Ok(state != Some("down"))
        },
        |element, linked| {
            put(
                element,
                "link",
                Some("state"),
                Some(if *linked { "up" } else { "down" }),
            );
        },
    )?;
    binding.told(&mut card.target_dev, |element| {
        element
            .child("target")
            .and_then(|target| target.attribute("dev"))
            .map(str::to_owned)
    });
    binding.told(&mut card.id, alias_id);
    Ok(())
}
