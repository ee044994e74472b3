//! Domain XML for other eyes: what is secret in it is hidden.

use super::tree::{Document, Element, XmlError};
use crate::entity::Secret;

/// Hides what is secret in domain XML; all else keeps its bytes.
///
/// Secret are consoles' passwords, cookies of network disks, the files of a payload, what is handed to the
/// guest by its firmware (cloud-init, Ignition), and secrets on QEMU's own command line.
///
/// # Errors
/// If it is no XML: then nobody can tell what in it is secret.
pub fn redact(text: &str) -> Result<String, XmlError> {
    let mut document = Document::parse(text)?;
    hide(&mut document.root);
    Ok(document.to_string())
}

fn hide(element: &mut Element) {
    let is_fwcfg = element.is("sysinfo") && element.attribute("type") == Some("fwcfg");
    let is_oem = element.is("oemStrings");
    match element.name() {
        "graphics" if element.attribute("passwd").is_some() => {
            element.set_attribute("passwd", Some(Secret::HIDDEN));
        }
        // A payload's, in oVirt's metadata: base64.
        "payload" => hide_texts(element, "file"),
        "sysinfo" | "oemStrings" if is_fwcfg || is_oem => hide_texts(element, "entry"),
        "cookies" => hide_texts(element, "cookie"),
        "commandline" => {
            for argument in element.elements_mut() {
                let is_secret = argument.attribute("value").is_some_and(holds_secret);
                if is_secret {
                    argument.set_attribute("value", Some(Secret::HIDDEN));
                }
            }
        }
        _ => {}
    }
    element.elements_mut().for_each(hide);
}

fn hide_texts(element: &mut Element, name: &str) {
    for inner in element.elements_mut().filter(|inner| inner.name() == name) {
        if !inner.text().trim().is_empty() {
            inner.set_text(Secret::HIDDEN);
        }
    }
}

/// Whether an argument or variable of QEMU's carries a secret: an object that is one, a key, or a
/// password.
fn holds_secret(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    value.starts_with("secret,") && value.contains("data=")
        || ["osk=", "password=", "passwd=", "\"qom-type\":\"secret\""]
            .iter()
            .any(|sign| value.contains(sign))
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
    fn a_domain_without_secrets_comes_out_as_it_went_in() {
        let text = "<domain><devices><graphics type='vnc'/></devices></domain>";
        assert_eq!(redact(text).unwrap(), text);
    }
}
