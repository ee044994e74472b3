//! Domain XML for other eyes: what is secret in it is hidden.

use super::metadata::METADATA_NAMESPACE;
use super::tree::{Document, Element, XmlError};
use crate::entity::Secret;

/// What is secret in vmlife's own metadata, by the names that are read there. A payload's files have names
/// of their own.
const OWN: [&str; 8] = [
    "authorizedKeys",
    "winKey",
    "winkey",
    "rootPassword",
    "rootPasswork",
    "customScript",
    "files",
    "ticket",
];

/// Hides what is secret in domain XML; all else keeps its bytes.
///
/// Secret are consoles' passwords, cookies, queries and passwords of network disks, the files of a payload,
/// what is handed to the guest by its firmware (cloud-init, Ignition), what vmlife's own metadata says
/// of a guest's initialization, and secrets on QEMU's own command line.
///
/// # Errors
/// If it is no XML: then nobody can tell what in it is secret.
pub fn redact(text: &str) -> Result<String, XmlError> {
    let mut document = Document::parse(text)?;
    hide(&mut document.root);
    Ok(document.to_string())
}

/// The secret in vmlife's own metadata whose text is known, by its name: there it would be kept by libvirt
/// for everybody who may look at the VM.
pub(super) fn kept_secret(text: &str) -> Option<String> {
    fn find(element: &Element) -> Option<String> {
        let name = own_name(element);
        if OWN.contains(&name) && hides_anything(element) {
            return Some(name.to_owned());
        }
        element.elements().find_map(find)
    }
    let document = Document::parse(text).ok()?;
    let metadata = document.root.child("metadata")?;
    let mut own = metadata.elements();
    find(own.find(|element| element.is_of(METADATA_NAMESPACE, "vm"))?)
}

/// Whether a placeholder stands where libvirt would take it for the secret itself.
pub(super) fn has_placeholder(text: &str) -> bool {
    fn has(element: &Element) -> bool {
        let mut values = element.attributes().map(|(_, value)| value.to_owned());
        values.any(|value| value.contains(Secret::HIDDEN))
            || element.text().contains(Secret::HIDDEN)
            || (element.elements()).any(|inner| !inner.is("metadata") && has(inner))
    }
    Document::parse(text).is_ok_and(|document| has(&document.root))
}

/// The field that an element of vmlife's metadata holds.
fn own_name(element: &Element) -> &str {
    element.attribute("key").unwrap_or(element.name())
}

fn hides_anything(element: &Element) -> bool {
    let text = element.text();
    !matches!(text.trim(), "" | Secret::HIDDEN) || element.elements().any(hides_anything)
}

fn hide(element: &mut Element) {
    if element.is_of(METADATA_NAMESPACE, "vm") {
        return hide_own(element);
    }
    let is_fwcfg = element.is("sysinfo") && element.attribute("type") == Some("fwcfg");
    let is_oem = element.is("oemStrings");
    match element.name() {
        "graphics" => hide_value(element, "passwd", |_| Secret::HIDDEN.to_owned()),
        // A payload's, in oVirt's metadata: base64.
        "payload" => hide_texts(element, "file"),
        "sysinfo" | "oemStrings" if is_fwcfg || is_oem => hide_texts(element, "entry"),
        "source" => {
            hide_value(element, "query", |_| Secret::HIDDEN.to_owned());
            let protocol = element.attribute("protocol").map(str::to_owned);
            if let Some(protocol) = protocol {
                hide_value(element, "name", |name| {
                    let place = Secret::hide_in_place(&format!("{protocol}:{name}"));
                    place[protocol.len() + 1..].to_owned()
                });
                for host in element.elements_mut().filter(|inner| inner.is("host")) {
                    hide_value(host, "name", Secret::hide_in_place);
                }
            }
        }
        "cookies" => hide_texts(element, "cookie"),
        "commandline" => {
            for argument in element.elements_mut() {
                let is_secret = argument.attribute("name").is_some_and(names_secret);
                hide_value(argument, "value", |value| {
                    if is_secret {
                        Secret::HIDDEN.to_owned()
                    } else {
                        hide_in_argument(value)
                    }
                });
            }
        }
        _ => {}
    }
    element.elements_mut().for_each(hide);
}

/// Hides what is secret in vmlife's own metadata.
fn hide_own(element: &mut Element) {
    if OWN.contains(&own_name(element)) {
        hide_all(element);
    } else {
        element.elements_mut().for_each(hide_own);
    }
}

fn hide_all(element: &mut Element) {
    hide_text(element);
    element.elements_mut().for_each(hide_all);
}

fn hide_texts(element: &mut Element, name: &str) {
    let inner = element.elements_mut();
    inner
        .filter(|inner| inner.name() == name)
        .for_each(hide_text);
}

fn hide_text(element: &mut Element) {
    if !matches!(element.text().trim(), "" | Secret::HIDDEN) {
        element.set_text(Secret::HIDDEN);
    }
}

/// Hides the secret in an attribute, if there is one.
fn hide_value(element: &mut Element, name: &str, hidden: impl FnOnce(&str) -> String) {
    let Some(value) = element.attribute(name) else {
        return;
    };
    let hidden = hidden(value);
    if hidden != value {
        element.set_attribute(name, Some(&hidden));
    }
}

/// Whether what a variable of QEMU's is called tells that its value is secret.
fn names_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let signs = ["SECRET", "TOKEN", "PASSWORD", "PASSWD", "KEY", "CREDENTIAL"];
    signs.iter().any(|sign| name.contains(sign))
}

/// An argument or variable of QEMU's without its secrets: an object that is one, a key, a password, a
/// cookie, or what the firmware hands to the guest.
fn hide_in_argument(value: &str) -> String {
    let bare = value.to_ascii_lowercase().replace(char::is_whitespace, "");
    let is_object = ["secret,", "qom-type=secret", "\"qom-type\":\"secret\""]
        .iter()
        .any(|sign| bare.contains(sign));
    let has_secret = is_object && bare.contains("data")
        || bare.contains("type=11,")
        || [
            "osk=",
            "password=",
            "passwd=",
            "cookie=",
            ":key=",
            "io.systemd.credential",
            "\"password\":",
            "\"cookie\":",
        ]
        .iter()
        .any(|sign| bare.contains(sign));
    // What the firmware hands over goes as far as the argument.
    let string = value
        .find(",string=")
        .map(|at| at + 1)
        .or_else(|| value.starts_with("string=").then_some(0));
    if has_secret {
        return Secret::HIDDEN.to_owned();
    }
    match string {
        Some(at) => format!("{}string={}", &value[..at], Secret::HIDDEN),
        None => Secret::hide_in_place(value),
    }
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
    fn secrets_in_our_own_metadata_are_hidden_wherever_they_stand() {
        let text = "<domain><metadata><v:vm xmlns:v='urn:vmlife:vm:1'><v:vmInit><v:hostname>h</v:hostname>\
<v:rootPassword>s3cret</v:rootPassword><v:customScript><![CDATA[a: s3cret]]></v:customScript>\
<v:entry key='winKey'>s3cret</v:entry><v:authorizedKeys><v:x>s3cret</v:x></v:authorizedKeys></v:vmInit>\
<v:vmPayload><v:volumeId>l</v:volumeId><v:files><v:entry key='a/b'>s3cret</v:entry></v:files></v:vmPayload>\
</v:vm></metadata></domain>";
        let hidden = redact(text).unwrap();
        assert!(!hidden.contains("s3cret"), "{hidden}");
        assert_eq!(hidden.matches(Secret::HIDDEN).count(), 5, "{hidden}");
        assert!(hidden.contains(">h<") && hidden.contains(">l<"));
        assert_eq!(redact(&hidden).unwrap(), hidden);
        assert_eq!(kept_secret(text).as_deref(), Some("rootPassword"));
        assert_eq!(kept_secret(&hidden), None);
        assert!(!has_placeholder(&hidden), "there it does no harm");
    }

    #[test]
    fn arguments_of_qemu_and_its_variables_are_shown_without_secrets() {
        let with = |inner: &str| {
            format!(
                "<domain><qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\
                 {inner}</qemu:commandline></domain>"
            )
        };
        for argument in [
            "secret,id=a,data=s3cret",
            "secret,data=s3cret,id=a",
            "qom-type=secret,id=b,data=s3cret",
            r#"{"qom-type": "secret","id":"x","data":"s3cret"}"#,
            r#"{"id":"x", "qom-type" : "secret","data":"s3cret"}"#,
            "name=opt/com.coreos/config,string={\"ignition\": \"s3cret\"}",
            "opt/x,string=s3cret",
            "type=11,value=io.systemd.credential.binary:foo=s3cret",
            "type=11,value=s3cret",
            "file=iscsi://user%s3cret@host/t/0",
            "driver=https,url=https://u:s3cret@h/x",
            "driver=https,url=https://h/x,cookie=s3cret",
            r#"{"driver":"https","url":"https://h/x","cookie":"s3cret"}"#,
            "file=rbd:pool/a:key=s3cret",
            "isa-applesmc,osk=s3cret",
        ] {
            let hidden = redact(&with(&format!("<qemu:arg value='{argument}'/>"))).unwrap();
            assert!(!hidden.contains("s3cret"), "{argument}: {hidden}");
        }
        for name in ["MY_TOKEN", "AWS_SECRET_ACCESS_KEY", "passwd", "CREDENTIALS"] {
            let hidden = redact(&with(&format!("<qemu:env name='{name}' value='s3cret'/>")));
            assert!(!hidden.unwrap().contains("s3cret"), "{name}");
        }
        for harmless in [
            "<qemu:arg value='-spice'/><qemu:arg value=\"port=5900,password-secret=x\"/>",
            "<qemu:arg value='secret,id=a,file=/k'/>",
            "<qemu:arg value='name=opt/x,file=/f'/>",
            "<qemu:arg value='virtio-net,mac=52:54:00:aa:bb:cc'/>",
            "<qemu:env name='LANG' value='C'/>",
        ] {
            let text = with(harmless);
            assert_eq!(redact(&text).unwrap(), text);
        }
        let hidden = redact(&with("<qemu:arg value='name=opt/x,string=s3cret'/>")).unwrap();
        assert!(hidden.contains(&format!("'name=opt/x,string={}'", Secret::HIDDEN)));
    }

    #[test]
    fn places_of_network_disks_are_shown_without_secrets() {
        let disk = |source: &str| {
            format!("<domain><devices><disk type='network'>{source}</disk></devices></domain>")
        };
        for source in [
            "<source protocol='https' name='a' query='token=s3cret'/>",
            "<source protocol='https' name='a?s3cret'/>",
            "<source protocol='rbd' name='pool/a:key=s3cret'/>",
            "<source protocol='https' name='a'><host name='user:s3cret@h'/></source>",
        ] {
            let hidden = redact(&disk(source)).unwrap();
            assert!(!hidden.contains("s3cret"), "{source}: {hidden}");
            assert!(has_placeholder(&hidden) && !has_placeholder(&disk(source)));
        }
        let open = disk("<source protocol='nbd' name='a?b'><host name='h' port=\"1\"/></source>");
        assert_eq!(redact(&open).unwrap(), open);
    }

    #[test]
    fn a_domain_without_secrets_comes_out_as_it_went_in() {
        let text = "<domain><devices><graphics type='vnc'/></devices></domain>";
        assert_eq!(redact(text).unwrap(), text);
    }
}
