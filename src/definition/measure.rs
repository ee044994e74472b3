//! How much a document of YAML is with all that its aliases stand for. They cost next to nothing to
//! write, and the parser counts how often they are followed, not how long that is which they stand for.
//! And whether something in it is tagged as binary, which the parser reads as text.

use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use std::fmt;

/// A document is no longer than this with all that its aliases stand for, in bytes.
const ALIAS_LIMIT: usize = 64 * 1024 * 1024;

/// Why a document is refused that is.
pub(super) const BEYOND_MEASURE: &str = "aliases without measure";

/// Why a document is refused with something in it that is tagged as binary.
pub(super) const IS_BINARY: &str = "binary data";

/// The same text for [`measure`], in which what is tagged as binary has a tag that can be seen: of YAML's own
/// tags the parser tells nothing, of others it does. All places stay. `None` if nothing in it looks like that.
pub(super) fn with_visible_tags(text: &str) -> Option<String> {
    let (own, other) = ("tag:yaml.org,2002:", "!ag:yaml.org,2002:");
    let may_be = text.contains("binary") && (text.contains("!!binary") || text.contains(own));
    let visible = |line: &str| {
        if line.starts_with("%TAG") {
            line.replace(own, other)
        } else {
            line.replace("!!binary", "!_binary")
                .replace(&format!("!<{own}"), &format!("!<{other}"))
        }
    };
    may_be.then(|| text.split_inclusive('\n').map(visible).collect())
}

/// Whether aliases may be in it: they need an anchor.
pub(super) fn has_aliases(text: &str) -> bool {
    text.contains('&') && text.contains('*')
}

/// Reads a document to its end with all that its aliases stand for, and keeps nothing. `number` is how
/// long its numbers may be: the parser does not tell how one was written, and a field of text takes it
/// as it was.
///
/// # Errors
/// The parser's own, or one that ends with [`BEYOND_MEASURE`] or [`IS_BINARY`].
pub(super) fn measure<'de, D: Deserializer<'de>>(
    document: D,
    number: usize,
) -> Result<(), D::Error> {
    let mut left = ALIAS_LIMIT;
    Measure {
        left: &mut left,
        number,
    }
    .deserialize(document)
}

/// The length of the longest number that a text may hold.
pub(super) fn longest_number(text: &str) -> usize {
    let digits = text.as_bytes().split(|byte| !byte.is_ascii_hexdigit());
    digits.map(<[u8]>::len).max().unwrap_or_default()
}

/// Takes each value off what is left.
struct Measure<'a> {
    left: &'a mut usize,
    /// What is taken off for a number.
    number: usize,
}

impl Measure<'_> {
    fn again(&mut self) -> Measure<'_> {
        Measure {
            left: self.left,
            number: self.number,
        }
    }

    fn take<E: de::Error>(&mut self, bytes: usize) -> Result<(), E> {
        // A value has a size even if it has no text.
        let left = self.left.checked_sub(bytes.saturating_add(1));
        *self.left = left.ok_or_else(|| E::custom(BEYOND_MEASURE))?;
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Measure<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, document: D) -> Result<(), D::Error> {
        document.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Measure<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_unit<E: de::Error>(mut self) -> Result<(), E> {
        self.take(0)
    }

    fn visit_bool<E: de::Error>(mut self, _: bool) -> Result<(), E> {
        self.take(0)
    }

    fn visit_i64<E: de::Error>(mut self, _: i64) -> Result<(), E> {
        self.take(self.number)
    }

    fn visit_u64<E: de::Error>(mut self, _: u64) -> Result<(), E> {
        self.take(self.number)
    }

    fn visit_i128<E: de::Error>(mut self, _: i128) -> Result<(), E> {
        self.take(self.number)
    }

    fn visit_u128<E: de::Error>(mut self, _: u128) -> Result<(), E> {
        self.take(self.number)
    }

    fn visit_f64<E: de::Error>(mut self, _: f64) -> Result<(), E> {
        self.take(self.number)
    }

    fn visit_str<E: de::Error>(mut self, text: &str) -> Result<(), E> {
        self.take(text.len())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut entries: A) -> Result<(), A::Error> {
        self.take(0)?;
        while entries.next_element_seed(self.again())?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<(), A::Error> {
        self.take(0)?;
        while entries.next_key_seed(self.again())?.is_some() {
            entries.next_value_seed(self.again())?;
        }
        Ok(())
    }

    /// A value with a tag.
    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<(), A::Error> {
        let (tag, value) = tagged.variant::<String>()?;
        if matches!(tag.as_str(), "_binary" | "ag:yaml.org,2002:binary") {
            return Err(de::Error::custom(IS_BINARY));
        }
        value.newtype_variant_seed(self)
    }
}
