//! Numbers that know their unit.

/// Declares a number with a unit. It is written as the bare number that oVirt has there.
macro_rules! unit {
    ($(#[$meta:meta])* pub struct $name:ident($number:ty);) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        #[serde(transparent)]
        pub struct $name(pub $number);
    };
}

unit! {
    /// A number of bytes.
    pub struct Bytes(u64);
}

unit! {
    /// A number of KiB.
    pub struct Kibibytes(u64);
}

unit! {
    /// A number of seconds.
    pub struct Seconds(f64);
}

unit! {
    /// A number of milliseconds.
    pub struct Milliseconds(u64);
}

unit! {
    /// A share of a hundred, with fractions.
    pub struct Percent(f64);
}

unit! {
    /// A number of bytes in each second.
    pub struct BytesPerSecond(u64);
}
