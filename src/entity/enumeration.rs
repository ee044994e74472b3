//! The shapes that all entities share: oVirt's enumerations, and structures whose empty fields are
//! not written.

/// Declares an enumeration whose values carry oVirt's number and oVirt's word.
///
/// The word is what YAML and JSON hold; reading it ignores case, as oVirt's own parsers do, and takes
/// oVirt's number as well. The number is never written, since oVirt has renumbered some enumerations
/// between versions.
///
/// An `open` enumeration has one more value, `Other`: a word or number that oVirt has no name for, such
/// as a disk bus that only libvirt knows. It is written as `Unknown(word)`, and comes back as it went.
/// `=> "word"` gives libvirt's words where they differ from oVirt's in more than their case; the first
/// is the one that is written.
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

            /// The value of one of oVirt's numbers.
            #[must_use]
            pub fn from_code(code: i32) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.code() == code)
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

        $crate::entity::enumeration::ovirt_enum! { @serde $name [$($word),+] None }
    };

    (
        $(#[$meta:meta])*
        pub open enum $name:ident {
            $(
                $(#[$variant_meta:meta])*
                $variant:ident = $code:literal $word:literal
                $( => $libvirt:literal $(| $libvirt_too:literal)* )?,
            )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $( $(#[$variant_meta])* $variant, )+
            /// A word or number that oVirt has no name for.
            Other(String),
        }

        impl $name {
            /// Every value that has a name, in the order of the declaration.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )+ ];

            /// oVirt's number for this value, if it has one.
            #[must_use]
            pub fn code(&self) -> Option<i32> {
                match self {
                    $( Self::$variant => Some($code), )+
                    Self::Other(word) => word.parse().ok(),
                }
            }

            /// The value of one of oVirt's numbers; a number without a name is kept.
            #[must_use]
            pub fn from_code(code: i32) -> Option<Self> {
                let named = Self::ALL.iter().find(|value| value.code() == Some(code));
                Some(named.cloned().unwrap_or_else(|| Self::Other(code.to_string())))
            }

            /// oVirt's word for this value; of what has no name, the word that it came with.
            #[must_use]
            pub fn word(&self) -> &str {
                match self {
                    $( Self::$variant => $word, )+
                    Self::Other(word) => word,
                }
            }

            /// The value of a word, oVirt's or libvirt's, whatever its case. `Unknown(word)` is what has
            /// no name.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                $($(
                    if [$libvirt $(, $libvirt_too)*].contains(&word) {
                        return Some(Self::$variant);
                    }
                )?)+
                let named = Self::ALL.iter().find(|value| value.word().eq_ignore_ascii_case(word));
                named.cloned().or_else(|| {
                    let other = word.strip_prefix("Unknown(")?.strip_suffix(')')?;
                    Some(Self::from_libvirt(other))
                })
            }

            /// The value of one of libvirt's words; a word without a name is kept.
            #[must_use]
            pub fn from_libvirt(word: &str) -> Self {
                Self::from_word(word).unwrap_or_else(|| Self::Other(word.to_owned()))
            }

            /// libvirt's word for this value.
            #[must_use]
            #[allow(unreachable_patterns)]
            pub fn libvirt(&self) -> std::borrow::Cow<'_, str> {
                match self {
                    $($( Self::$variant => $libvirt.into(), )?)+
                    $( Self::$variant => $word.to_ascii_lowercase().into(), )+
                    Self::Other(word) => word.into(),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    Self::Other(word) => f.pad(&format!("Unknown({word})")),
                    named => f.pad(named.word()),
                }
            }
        }

        $crate::entity::enumeration::ovirt_enum! {
            @serde $name [$($word),+] Some(&[$($($libvirt, $($libvirt_too,)*)?)+])
        }
    };

    (@serde $name:ident [$($word:literal),+] $more:expr) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                const WORDS: &[&str] = &[$($word),+];
                $crate::entity::enumeration::word_or_code(deserializer, |found| match found {
                    Ok(word) => Self::from_word(word).ok_or(WORDS),
                    Err(code) => Self::from_code(code).ok_or(WORDS),
                })
            }
        }

        #[cfg(test)]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $crate::entity::enumeration::schema_of_words(generator, &[$($word),+], $more)
            }
        }
    };
}

pub(crate) use ovirt_enum;

/// Reads one of oVirt's words, or one of its numbers; `find` gives the value, or all right words.
pub(crate) fn word_or_code<'de, D: serde::Deserializer<'de>, T>(
    deserializer: D,
    find: impl Fn(Result<&str, i32>) -> Result<T, &'static [&'static str]>,
) -> Result<T, D::Error> {
    struct Visitor<F>(F);

    impl<T, F: Fn(Result<&str, i32>) -> Result<T, &'static [&'static str]>> serde::de::Visitor<'_>
        for Visitor<F>
    {
        type Value = T;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a word")
        }

        fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<T, E> {
            self.0(Ok(word)).map_err(|words| E::unknown_variant(word, words))
        }

        fn visit_i64<E: serde::de::Error>(self, code: i64) -> Result<T, E> {
            let found = i32::try_from(code).ok().map(|code| self.0(Err(code)));
            match found {
                Some(Ok(value)) => Ok(value),
                _ => Err(E::invalid_value(serde::de::Unexpected::Signed(code), &self)),
            }
        }

        fn visit_u64<E: serde::de::Error>(self, code: u64) -> Result<T, E> {
            self.visit_i64(i64::try_from(code).unwrap_or(i64::MAX))
        }
    }

    deserializer.deserialize_any(Visitor(find))
}

/// The words for completion, and what is read in their place. An open enumeration has `more` words.
#[cfg(test)]
pub(crate) fn schema_of_words(
    generator: &schemars::SchemaGenerator,
    words: &[&str],
    more: Option<&[&str]>,
) -> schemars::Schema {
    let any_case = |word: &&str| {
        word.chars()
            .map(|c| match (c.to_ascii_uppercase(), c.to_ascii_lowercase()) {
                (upper, lower) if upper != lower => format!("[{upper}{lower}]"),
                _ => c.to_string(),
            })
            .collect::<String>()
    };
    let mut forms = vec![serde_json::json!({ "type": "string", "enum": words })];
    let mut patterns: Vec<String> = more.iter().map(|_| r"Unknown\(.*\)".to_owned()).collect();
    if generator.contract().is_deserialize() {
        patterns.extend(words.iter().map(any_case));
        let more = more.unwrap_or_default().iter();
        patterns.extend(more.map(|word| word.replace('.', r"\.")));
        forms.push(serde_json::json!({ "type": "integer" }));
    }
    if !patterns.is_empty() {
        let pattern = format!("^({})$", patterns.join("|"));
        forms.push(serde_json::json!({ "type": "string", "pattern": pattern }));
    }
    schemars::json_schema!({ "anyOf": forms })
}

/// Declares a structure of the model: camelCase names, unknown keys refused, fields that hold their
/// type's default not written. A field with `= value` has that default instead, and is always written.
/// The schema hears of each field's attributes, since it must know its aliases.
macro_rules! entity {
    ($(#[$meta:meta])* pub struct $name:ident { $($body:tt)* }) => {
        $crate::entity::enumeration::entity! { @field [$(#[$meta])* $name] [] [] $($body)* }
    };

    // What is text must be written as text: a number or a null would lose how it was written.
    (@field [$($head:tt)*] [$($fields:tt)*] [$($defaults:tt)*]
        $(#[$meta:meta])* pub $field:ident: String, $($rest:tt)*
    ) => {
        $crate::entity::enumeration::entity! { @field [$($head)*]
            [$($fields)* $(#[$meta])*
                #[serde(skip_serializing_if = "crate::entity::enumeration::is_default")]
                #[serde(deserialize_with = "crate::entity::enumeration::text")]
                #[cfg_attr(test, schemars(extend("attributes" = [$(stringify!($meta)),*])))]
                pub $field: String,]
            [$($defaults)* $field: Default::default(),]
            $($rest)*
        }
    };

    (@field [$($head:tt)*] [$($fields:tt)*] [$($defaults:tt)*]
        $(#[$meta:meta])* pub $field:ident: Option<String>, $($rest:tt)*
    ) => {
        $crate::entity::enumeration::entity! { @field [$($head)*]
            [$($fields)* $(#[$meta])*
                #[serde(skip_serializing_if = "crate::entity::enumeration::is_default")]
                #[serde(deserialize_with = "crate::entity::enumeration::optional_text")]
                #[cfg_attr(test, schemars(extend("attributes" = [$(stringify!($meta)),*])))]
                pub $field: Option<String>,]
            [$($defaults)* $field: Default::default(),]
            $($rest)*
        }
    };

    (@field [$($head:tt)*] [$($fields:tt)*] [$($defaults:tt)*]
        $(#[$meta:meta])* pub $field:ident: $type:ty = $default:expr, $($rest:tt)*
    ) => {
        $crate::entity::enumeration::entity! { @field [$($head)*]
            [$($fields)* $(#[$meta])*
                #[cfg_attr(test, schemars(extend("attributes" = [$(stringify!($meta)),*])))]
                pub $field: $type,]
            [$($defaults)* $field: $default,]
            $($rest)*
        }
    };

    (@field [$($head:tt)*] [$($fields:tt)*] [$($defaults:tt)*]
        $(#[$meta:meta])* pub $field:ident: $type:ty, $($rest:tt)*
    ) => {
        $crate::entity::enumeration::entity! { @field [$($head)*]
            [$($fields)* $(#[$meta])*
                #[serde(skip_serializing_if = "crate::entity::enumeration::is_default")]
                #[cfg_attr(test, schemars(extend("attributes" = [$(stringify!($meta)),*])))]
                pub $field: $type,]
            [$($defaults)* $field: Default::default(),]
            $($rest)*
        }
    };

    (@field [$(#[$meta:meta])* $name:ident] [$($fields:tt)*] [$($defaults:tt)*]) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        #[serde(rename_all = "camelCase", deny_unknown_fields, default)]
        pub struct $name { $($fields)* }

        impl Default for $name {
            fn default() -> Self {
                Self { $($defaults)* }
            }
        }
    };
}

pub(crate) use entity;

/// Reads text. A reader that does not know its types takes a number or a null for text, too: then nobody
/// knows what was meant.
pub(crate) fn text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct Visitor;

    impl serde::de::Visitor<'_> for Visitor {
        type Value = String;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("text, which is quoted if it looks like something else")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }
    }

    deserializer.deserialize_any(Visitor)
}

/// The same, or nothing.
pub(crate) fn optional_text<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    struct Text(String);

    impl<'de> serde::Deserialize<'de> for Text {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            text(deserializer).map(Self)
        }
    }

    let text = <Option<Text> as serde::Deserialize>::deserialize(deserializer)?;
    Ok(text.map(|Text(text)| text))
}

/// Whether a field says nothing.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
