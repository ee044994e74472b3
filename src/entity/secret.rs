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
