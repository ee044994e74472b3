//! Memory sizes, with libvirt's rules for units.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A size of memory. libvirt counts in KiB, oVirt in MiB: kept in KiB, written as a number of MiB,
/// with a fraction only where the KiB ask for one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemorySize {
    kib: u64,
}

/// The most that libvirt takes: its bytes must fit into a signed number. So a fraction of MiB holds
/// every size exactly.
const MOST_KIB: u64 = 1 << 53;

impl MemorySize {
    /// So many KiB.
    #[must_use]
    pub const fn from_kib(kib: u64) -> Self {
        Self { kib }
    }

    /// So many MiB.
    #[must_use]
    pub const fn from_mib(mib: u64) -> Self {
        Self {
            kib: mib.saturating_mul(1024),
        }
    }

    /// In KiB.
    #[must_use]
    pub const fn kib(self) -> u64 {
        self.kib
    }

    /// In bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.kib.saturating_mul(1024)
    }

    /// Reads a size as it is typed, a whole number with its unit: `512M`, `2 GiB`. Units are those of
    /// [`MemorySize::parse`]; a number alone is one of MiB, as in definitions.
    ///
    /// # Errors
    /// As [`MemorySize::parse`].
    pub fn parse_typed(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let end = text.find(|character: char| !character.is_ascii_digit());
        let (number, unit) = text.split_at(end.unwrap_or(text.len()));
        let unit = unit.trim_start();
        if number.is_empty() {
            return Err(format!("'{text}' is not a size"));
        }
        Self::parse(number, Some(if unit.is_empty() { "MiB" } else { unit }))
    }

    /// Reads a number and a unit as libvirt does (`<memory unit='...'>`): no unit means KiB, "KB"
    /// is 1000 bytes, "K" and "KiB" are 1024, and what is no whole KiB is rounded up.
    ///
    /// # Errors
    /// A sentence, if the number or the unit is none or the size is beyond all bounds.
    pub fn parse(number: &str, unit: Option<&str>) -> Result<Self, String> {
        let number = number.trim();
        let value: u128 = number
            .parse()
            .map_err(|_| format!("'{number}' is not a size"))?;
        let unit = unit.unwrap_or("KiB");
        let factor: u128 = match unit.to_ascii_lowercase().as_str() {
            "b" | "byte" | "bytes" => 1,
            "kb" => 1000,
            "k" | "kib" => 1 << 10,
            "mb" => 1_000_000,
            "m" | "mib" => 1 << 20,
            "gb" => 1_000_000_000,
            "g" | "gib" => 1 << 30,
            "tb" => 1_000_000_000_000,
            "t" | "tib" => 1 << 40,
            "pb" => 1_000_000_000_000_000,
            "p" | "pib" => 1 << 50,
            "eb" => 1_000_000_000_000_000_000,
            "e" | "eib" => 1 << 60,
            _ => {
                return Err(format!(
                    "'{unit}' is not a unit; libvirt knows b, KB, KiB, MB, MiB, GB, GiB, TB, TiB, PB, PiB, EB, EiB"
                ));
            }
        };
        value
            .checked_mul(factor)
            .and_then(|bytes| u64::try_from(bytes.div_ceil(1024)).ok())
            .filter(|kib| *kib <= MOST_KIB)
            .map(Self::from_kib)
            .ok_or_else(|| format!("{number} {unit} is more than a computer can have"))
    }
}

impl Serialize for MemorySize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.kib.is_multiple_of(1024) {
            serializer.serialize_u64(self.kib / 1024)
        } else {
            // Exact: 1/1024 is a power of two, and there are no more than 2^53 KiB.
            #[expect(clippy::cast_precision_loss)]
            serializer.serialize_f64(self.kib as f64 / 1024.0)
        }
    }
}

impl<'de> Deserialize<'de> for MemorySize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Mebibytes;

        impl de::Visitor<'_> for Mebibytes {
            type Value = MemorySize;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a whole number of MiB")
            }

            fn visit_u64<E: de::Error>(self, mib: u64) -> Result<MemorySize, E> {
                match mib.checked_mul(1024) {
                    Some(kib) if kib <= MOST_KIB => Ok(MemorySize::from_kib(kib)),
                    _ => Err(E::invalid_value(de::Unexpected::Unsigned(mib), &self)),
                }
            }

            fn visit_f64<E: de::Error>(self, mib: f64) -> Result<MemorySize, E> {
                let kib = mib * 1024.0;
                #[expect(clippy::cast_precision_loss, reason = "a power of two")]
                if kib.fract() == 0.0 && (0.0..=MOST_KIB as f64).contains(&kib) {
                    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                    Ok(MemorySize::from_kib(kib as u64))
                } else {
                    Err(E::invalid_value(de::Unexpected::Float(mib), &self))
                }
            }
        }

        deserializer.deserialize_any(Mebibytes)
    }
}

#[cfg(test)]
impl schemars::JsonSchema for MemorySize {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "MemorySize".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "number", "minimum": 0, "description": "A number of MiB." })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_those_of_libvirt() {
        for (number, unit, kib) in [
            ("131072", None, 131_072),
            ("128", Some("MiB"), 131_072),
            ("128", Some("M"), 131_072),
            ("1", Some("KB"), 1),
            ("2048", Some("b"), 2),
            ("1", Some("bytes"), 1),
            ("2", Some("G"), 2_097_152),
            ("1", Some("TiB"), 1 << 30),
            ("1", Some("PiB"), 1 << 40),
        ] {
            assert_eq!(
                MemorySize::parse(number, unit).unwrap().kib(),
                kib,
                "{number} {unit:?}"
            );
        }
    }

    #[test]
    fn a_size_is_typed_with_its_unit_and_without_one_it_is_in_mib() {
        for (text, kib) in [
            ("512M", 524_288),
            ("2 GiB", 2_097_152),
            ("300", 307_200),
            ("1024k", 1024),
        ] {
            assert_eq!(MemorySize::parse_typed(text).unwrap().kib(), kib, "{text}");
        }
        for text in ["", "G", "-1", "1.5G", "12 parsecs"] {
            assert!(MemorySize::parse_typed(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_whole_kib_is_told_to_be_no_whole_number_of_mib() {
        let error = serde_json::from_str::<MemorySize>("1024.7").unwrap_err();
        assert!(error.to_string().contains("expected a whole number of MiB"));
        assert_eq!(
            serde_json::from_str::<MemorySize>("0.5").unwrap().kib(),
            512
        );
    }

    #[test]
    fn rubbish_and_excess_are_refused() {
        for (number, unit) in [
            ("-5", None),
            ("", None),
            ("12", Some("furlong")),
            ("340282366920938463463374607431768211455", Some("T")),
            ("9223372036854775809", Some("b")),
            ("9007199254740993", None),
        ] {
            assert!(
                MemorySize::parse(number, unit).is_err(),
                "{number} {unit:?}"
            );
        }
    }

    #[test]
    fn a_size_comes_back_as_it_went_in() {
        for kib in [0, 1, 1024, 131_072, 1_000_000, MOST_KIB - 1, MOST_KIB] {
            let size = MemorySize::from_kib(kib);
            let text = serde_json::to_string(&size).unwrap();
            assert_eq!(
                serde_json::from_str::<MemorySize>(&text).unwrap(),
                size,
                "{text}"
            );
        }
    }
}
