//! Whose files are trusted.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;

/// The users as whom the system's daemon runs QEMU, where it writes to file servers that know no root.
const QEMU: [&str; 2] = ["libvirt-qemu", "qemu"];

/// The user as whom this process acts.
pub(crate) fn own_uid() -> Option<u32> {
    Some(fs::metadata("/proc/self").ok()?.uid())
}

/// The name of a user, or his number where he has none.
pub(super) fn user_name(uid: u32) -> String {
    let number = uid.to_string();
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut words = line.split(':');
        let name = words.next()?;
        (words.nth(1)? == number).then(|| name.to_owned())
    });
    name.unwrap_or(number)
}

/// Who else may have written an image. What it says libvirt does, with libvirt's rights: it names the host's files
/// and devices that the VM gets.
pub(super) fn stranger(image: &Metadata) -> Option<String> {
    if image.mode() & 0o002 != 0 {
        return Some("everybody may write to it".to_owned());
    }
    let owner = image.uid();
    if owner == 0 || own_uid() == Some(owner) {
        return None;
    }
    let owner = user_name(owner);
    (!QEMU.contains(&owner.as_str())).then(|| format!("it is another user's, {owner}'s"))
}
