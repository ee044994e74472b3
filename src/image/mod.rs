//! Images of VMs' memory on disk: where they lie, what they are, what is known about them.

mod header;
mod place;
mod record;

pub use header::{Format, Header, HeaderError};
pub use place::{ImageFile, ImagePlace, PlaceError};
pub use record::{FileIdentity, Record};
