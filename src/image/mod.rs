//! Images of VMs' memory on disk: where they lie, what they are, what is known about them.

mod checksum;
mod claim;
mod disk;
mod header;
mod lock;
mod managed;
mod place;
mod record;
mod runs;
mod stream;
mod target;
mod user;

pub use checksum::{DAMAGED, checksum};
pub use claim::{Claim, WriteBack};
pub use disk::{Change, DiskIdentity, changes, writable_disks};
pub use header::{Format, Header, HeaderError};
pub use lock::{Holder, Lock, LockError, holder};
pub use managed::{managed_folder, run_folder};
pub use place::{
    ImageFile, ImagePlace, PlaceError, begins_as_image, is_forbidden, is_session, reserved_ending,
};
pub use record::{FileIdentity, Forced, Record, Usage};
pub use runs::{RunLogs, Since};
pub use target::Target;
pub(crate) use user::own_uid;

/// How files are opened: neither a link nor a FIFO, put there since we looked, can trap us.
const CAREFUL: i32 = libc::O_NOFOLLOW | libc::O_NONBLOCK;
