//! Text that is not for every eye.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A password, key, ticket or script.
///
/// It is never shown: `Debug` and every writer print [`Secret::HIDDEN`] in its place, until somebody
/// who was asked for it calls [`Secret::reveal`]. Where that placeholder is read back, there is a
/// secret whose text is not known: nothing is changed by it.
#[derive(Clone, Default)]
pub struct Secret {
    text: Option<String>,
    revealed: bool,
}

impl Secret {
    /// What stands in the place of a secret.
    pub const HIDDEN: &'static str = "(hidden; --security-info shows it)";

    /// A secret whose text is known.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            text: (text != Self::HIDDEN).then_some(text),
            revealed: false,
        }
    }

    /// The text itself, for whom it is meant. `None` if it was read from its placeholder.
    #[must_use]
    pub fn expose(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// From now on it may be written out.
    pub fn reveal(&mut self) {
        self.revealed = true;
    }

    /// From now on it may not be written out.
    pub fn hide(&mut self) {
        self.revealed = false;
    }

    /// The place of a disk or CD without what only its owner may know: the password and the query of a
    /// URL, and Ceph's key. All else stands as it stood.
    #[must_use]
    pub fn hide_in_place(place: &str) -> String {
        if place.starts_with('/') {
            return place.to_owned();
        }
        let hidden = hide_passwords(place);
        let hidden = hide_between(&hidden, ":key=", |c| matches!(c, ':' | ',' | '"'));
        // Only of a protocol's name is it a query; a file may be called so.
        let is_url = ["http", "https", "ftp", "ftps"].iter().any(|protocol| {
            hidden
                .strip_prefix(protocol)
                .is_some_and(|rest| rest.starts_with(':'))
        });
        match hidden.split_once('?') {
            Some((name, query)) if is_url && !query.is_empty() => {
                format!("{name}?{}", Self::HIDDEN)
            }
            _ => hidden,
        }
    }

    /// A libvirt's URI, or another text, without the passwords in it. They are shown to nobody.
    #[must_use]
    pub fn hide_in_uri(text: &str) -> String {
        hide_passwords(text).replace(Self::HIDDEN, "(hidden)")
    }

    /// The text, if it may be written out.
    #[must_use]
    pub fn revealed(&self) -> Option<&str> {
        self.text.as_deref().filter(|_| self.revealed)
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.revealed().unwrap_or(Self::HIDDEN))
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::enumeration::text(deserializer).map(Self::new)
    }
}

/// Hides the password in each `user:password@server` and, as iSCSI has it, `user%password@server`.
fn hide_passwords(text: &str) -> String {
    let is_end = |c: char| matches!(c, '/' | ',' | '"' | '\'' | '?' | '#') || c.is_whitespace();
    let parts = text.split_inclusive(is_end).map(|part| {
        let Some((user, server)) = part.rsplit_once('@') else {
            return part.to_owned();
        };
        match user.find([':', '%']) {
            Some(at) if at + 1 < user.len() => {
                format!("{}{}@{server}", &user[..=at], Secret::HIDDEN)
            }
            _ => part.to_owned(),
        }
    });
    parts.collect()
}

/// Hides what follows each sign, as far as the end of its value.
fn hide_between(text: &str, sign: &str, is_end: impl Fn(char) -> bool) -> String {
    let mut parts = text.split(sign);
    let mut hidden = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut before = ' ';
        // A backslash takes its meaning from the character after it.
        let end = part.char_indices().find_map(|(at, c)| {
            let ends = is_end(c) && before != '\\';
            before = c;
            ends.then_some(at)
        });
        hidden += sign;
        hidden += Secret::HIDDEN;
        hidden += &part[end.unwrap_or(part.len())..];
    }
    hidden
}

#[cfg(test)]
impl schemars::JsonSchema for Secret {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "description": "A secret; vmlife writes a placeholder in its place." })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_shown_without_its_password_key_or_query() {
        for (place, shown) in [
            ("https://me:s3cret@h/a.iso", "https://me:*@h/a.iso"),
            ("https://me:s3@cret@h:8/a", "https://me:*@h:8/a"),
            ("https://a:s3cret@h,b:s3cret@i/n", "https://a:*@h,b:*@i/n"),
            ("iscsi://me%s3cret@h/t/0", "iscsi://me%*@h/t/0"),
            ("me:s3cret@h", "me:*@h"),
            (
                "rbd:pool/a:id=x:key=s3\\:cret:mon=h",
                "rbd:pool/a:id=x:key=*:mon=h",
            ),
            ("rbd:a:key=s3cret", "rbd:a:key=*"),
            ("https:a?token=s3cret", "https:a?*"),
            ("https://h/a?token=s3cret&x=1", "https://h/a?*"),
        ] {
            let hidden = Secret::hide_in_place(place);
            assert_eq!(hidden, shown.replace('*', Secret::HIDDEN), "{place}");
            assert_eq!(Secret::hide_in_place(&hidden), hidden, "once is enough");
        }
        for place in [
            "/v/what?.iso",
            "/v/me:or@home/a:key=b.img",
            "ssh://me@h/a",
            "https://h:443/a",
            "iqn.2013-07.com.example:target/1",
            "",
        ] {
            assert_eq!(Secret::hide_in_place(place), place);
        }
    }

    #[test]
    fn a_secret_is_shown_to_nobody_until_it_is_revealed() {
        let mut secret = Secret::new("pa55word");
        let json = serde_json::to_string(&secret).unwrap();
        assert!(!json.contains("pa55word") && !format!("{secret:?}").contains("pa55word"));
        let read: Secret = serde_json::from_str(&json).unwrap();
        assert_eq!(read.expose(), None, "the placeholder is no password");
        secret.reveal();
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"pa55word\"");
        assert!(!format!("{secret:?}").contains("pa55word"));
    }
}
