//! Images of VMs' memory on disk: where they lie, what they are, what is known about them.

mod header;
mod lock;
mod place;
mod record;

pub use header::{Format, Header, HeaderError};
pub use lock::{Holder, Lock, LockError, holder};
pub use place::{ImageFile, ImagePlace, PlaceError, is_forbidden, is_session};
pub use record::{FileIdentity, Record, Usage};

/// How files are opened: neither a link nor a FIFO, put there since we looked, can trap us.
const CAREFUL: i32 = libc::O_NOFOLLOW | libc::O_NONBLOCK;
