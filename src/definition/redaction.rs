//! What a VM says for other eyes: what is secret in it is hidden.

use super::METADATA_NAMESPACE;
use super::tree::{Document, Element, XmlError};
use crate::entity::{DiskImage, Secret, Vm};
use std::path::PathBuf;

/// Hides what is secret in domain XML; all else keeps its bytes.
///
/// Secret are consoles' passwords, cookies and passwords of network disks, the files of a payload, what is
/// handed to the guest by its firmware (cloud-init, Ignition), secrets on QEMU's own command line, and those
/// that somebody has put into vmlife's metadata.
///
/// # Errors
/// If it is no XML: then nobody can tell what in it is secret.
pub fn redact(text: &str) -> Result<String, XmlError> {
    let mut document = Document::parse(text)?;
    hide(&mut document.root);
    Ok(document.to_string())
}

/// Hides passwords and keys in the places of a VM's disks and CDs, which are else shown as they are.
pub fn redact_places(vm: &mut Vm) {
    let configured = &mut vm.vm_static;
    let snapshots = vm.snapshots.iter_mut();
    let disks = (configured.images.iter_mut())
        .chain(&mut configured.disk_list)
        .chain(snapshots.flat_map(|snapshot| &mut snapshot.disk_images));
    disks.for_each(redact_disk);
    if let Some(path) = &mut configured.iso_path {
        *path = PathBuf::from(redacted_place(&path.to_string_lossy()));
    }
}

fn redact_disk(disk: &mut DiskImage) {
    for text in [&mut disk.image_path, &mut disk.parent_id]
        .into_iter()
        .flatten()
    {
        *text = redacted_place(text);
    }
    disk.snapshots.iter_mut().for_each(redact_disk);
}

/// Names of vmInit's secrets, in vmlife's metadata.
const SECRETS: [&str; 4] = ["rootPassword", "customScript", "winKey", "authorizedKeys"];

fn hide(element: &mut Element) {
    let is_fwcfg = element.is("sysinfo") && element.attribute("type") == Some("fwcfg");
    let is_oem = element.is("oemStrings");
    let is_own = element.is_of(METADATA_NAMESPACE, element.name());
    match element.name() {
        name if is_own && SECRETS.contains(&name) => hide_text(element),
        "files" if is_own => element.elements_mut().for_each(hide_text),
        "graphics" if element.attribute("passwd").is_some() => {
            element.set_attribute("passwd", Some(Secret::HIDDEN));
        }
        // A payload's, in oVirt's metadata: base64.
        "payload" => hide_texts(element, "file"),
        "sysinfo" | "oemStrings" if is_fwcfg || is_oem => hide_texts(element, "entry"),
        "cookies" => hide_texts(element, "cookie"),
        "source" => {
            if element.attribute("query").is_some() {
                element.set_attribute("query", Some(Secret::HIDDEN));
            }
            for attribute in ["name", "file"] {
                let place = element.attribute(attribute).map(str::to_owned);
                let hidden = place.as_deref().map(redacted_place);
                if hidden != place {
                    element.set_attribute(attribute, hidden.as_deref());
                }
            }
        }
        "commandline" => {
            for argument in element.elements_mut() {
                let is_secret = argument.attribute("value").is_some_and(holds_secret)
                    || argument.attribute("name").is_some_and(names_secret);
                if is_secret {
                    argument.set_attribute("value", Some(Secret::HIDDEN));
                }
            }
        }
        _ => {}
    }
    element.elements_mut().for_each(hide);
}

fn hide_text(element: &mut Element) {
    if !element.text().trim().is_empty() {
        element.set_text(Secret::HIDDEN);
    }
}

fn hide_texts(element: &mut Element, name: &str) {
    for inner in element.elements_mut().filter(|inner| inner.name() == name) {
        hide_text(inner);
    }
}

/// A place without the password in its URL (`user:password@host`) and without RBD's key.
fn redacted_place(place: &str) -> String {
    let mut text = place.to_owned();
    if let Some(range) = password_of(&text) {
        text.replace_range(range, Secret::HIDDEN);
    }
    if let Some(at) = text.find(":key=") {
        let begin = at + ":key=".len();
        let end = text[begin..].find(':').map_or(text.len(), |at| begin + at);
        text.replace_range(begin..end, Secret::HIDDEN);
    }
    text
}

/// Where in a URL a password stands: between `user:` (for iSCSI `user%`) and `@`.
fn password_of(text: &str) -> Option<std::ops::Range<usize>> {
    let begin = text.find("://")? + 3;
    let host = text[begin..].find('/').map_or(text.len(), |at| begin + at);
    let end = begin + text[begin..host].rfind('@')?;
    let sign = begin + text[begin..end].find([':', '%'])?;
    Some(sign + 1..end).filter(|range| !range.is_empty())
}

/// Whether an argument of QEMU's carries a secret: an object that is one, a file of the firmware's, a
/// credential, a key, or a password.
fn holds_secret(value: &str) -> bool {
    let compact: String = value.chars().filter(|sign| !sign.is_whitespace()).collect();
    let compact = compact.to_ascii_lowercase();
    let says = |signs: &[&str]| signs.iter().any(|sign| compact.contains(sign));
    compact.starts_with("secret,") && says(&["data="])
        || says(&["qom-type=secret", "\"qom-type\":\"secret\""])
        || says(&["name="]) && says(&[",string="])
        || says(&[
            "io.systemd.credential",
            "osk=",
            "password=",
            "passwd=",
            "cookie=",
        ])
        || password_of(&compact).is_some()
}

/// Whether a variable of QEMU's environment has the name of a secret.
fn names_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["SECRET", "TOKEN", "PASS", "KEY", "CREDENTIAL"]
        .iter()
        .any(|sign| name.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_is_hidden_and_the_rest_keeps_its_bytes() {
        let text = "<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <metadata><o:vm xmlns:o='http://ovirt.org/vm/1.0'><o:device><o:payload><o:file path='a'>c2VjcmV0</o:file></o:payload></o:device></o:vm></metadata>
  <sysinfo type='fwcfg'><entry name='opt/x'>s3cret</entry></sysinfo>
  <devices><graphics type='vnc'  passwd=\"s3cret\"/></devices>
  <qemu:commandline><qemu:arg value='-object'/><qemu:arg value='secret,id=a,data=s3cret'/></qemu:commandline>
</domain>";
        let hidden = redact(text).unwrap();
        assert!(
            !hidden.contains("s3cret") && !hidden.contains("c2VjcmV0"),
            "{hidden}"
        );
        let shown = hidden
            .replacen(Secret::HIDDEN, "c2VjcmV0", 1)
            .replacen(Secret::HIDDEN, "s3cret", 1)
            .replacen(&format!("'{}'", Secret::HIDDEN), "\"s3cret\"", 1)
            .replacen(Secret::HIDDEN, "secret,id=a,data=s3cret", 1);
        assert_eq!(shown, text);
    }

    #[test]
    fn secrets_are_hidden_wherever_they_stand() {
        for (inside, secret) in [
            (
                "<metadata><v:vm xmlns:v='urn:vmlife:vm:1'><v:vmInit><v:rootPassword>s3cret</v:rootPassword></v:vmInit></v:vm></metadata>",
                "s3cret",
            ),
            (
                "<metadata><v:vm xmlns:v='urn:vmlife:vm:1'><v:vmPayload><v:files><v:entry key='a'>s3cret</v:entry></v:files></v:vmPayload></v:vm></metadata>",
                "s3cret",
            ),
            (
                "<devices><disk type='network'><source protocol='https' name='x' query='token=s3cret'/></disk></devices>",
                "s3cret",
            ),
            (
                "<devices><disk type='network'><source protocol='rbd' name='pool/img:id=a:key=s3cret:mon_host=b'/></disk></devices>",
                "s3cret",
            ),
            (
                "<devices><disk type='network'><source file='https://ann:s3cret@host/x'/></disk></devices>",
                "s3cret",
            ),
        ] {
            let text = format!("<domain>{inside}</domain>");
            let hidden = redact(&text).unwrap();
            assert!(
                !hidden.contains(secret) && hidden.contains(Secret::HIDDEN),
                "{hidden}"
            );
        }
        for value in [
            "name=opt/com.coreos/config,string=s3cret",
            "{\"qom-type\": \"secret\", \"id\": \"a\", \"data\": \"s3cret\"}",
            "qom-type=secret,id=a,data=s3cret",
            "type=11,value=io.systemd.credential:a=s3cret",
            "file=iscsi://ann%s3cret@host/iqn/0",
            "file.driver=https,file.cookie=s3cret",
        ] {
            assert!(holds_secret(value), "{value}");
        }
        for value in [
            "virtio-net,netdev=a",
            "secret0",
            "file=https://host/a@b",
            "password-secret=sec0",
            "name=vm,debug-threads=on",
        ] {
            assert!(!holds_secret(value), "{value}");
        }
        assert!(names_secret("AWS_SECRET_ACCESS_KEY") && !names_secret("QEMU_AUDIO_DRV"));
        assert_eq!(redacted_place("rbd:pool/img"), "rbd:pool/img");
    }

    #[test]
    fn a_domain_without_secrets_comes_out_as_it_went_in() {
        let text = "<domain><devices><graphics type='vnc'/></devices></domain>";
        assert_eq!(redact(text).unwrap(), text);
    }
}
