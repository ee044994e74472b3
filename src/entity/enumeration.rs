//! The shape that all of oVirt's enumerations share: a value has a Rust name, oVirt's number and
//! oVirt's word.

/// Declares an enumeration whose values carry oVirt's number and oVirt's word.
///
/// The word is what YAML and JSON hold; reading it ignores case, as oVirt's own parsers do. The
/// number is never written, since oVirt has renumbered some enumerations between versions.
macro_rules! ovirt_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $( $(#[$variant_meta:meta])* $variant:ident = $code:literal $word:literal, )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $( $(#[$variant_meta])* $variant, )+
        }

        impl $name {
            /// Every value, in the order of the declaration.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )+ ];
            const WORDS: &'static [&'static str] = &[ $( $word, )+ ];

            /// oVirt's number for this value.
            #[must_use]
            pub const fn code(self) -> i32 {
                match self { $( Self::$variant => $code, )+ }
            }

            /// oVirt's word for this value, as it stands in YAML and JSON.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $( Self::$variant => $word, )+ }
            }

            /// The value of a word, whatever its case.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.word().eq_ignore_ascii_case(word))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.word())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.word())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = String::deserialize(deserializer)?;
                Self::from_word(&word)
                    .ok_or_else(|| serde::de::Error::unknown_variant(&word, Self::WORDS))
            }
        }
    };
}

pub(crate) use ovirt_enum;
