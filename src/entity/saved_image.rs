//! An image of a VM's memory, as it lies on disk.

use super::enumeration::{entity, ovirt_enum};
use jiff::Timestamp;
use std::path::PathBuf;

ovirt_enum! {
    /// What an image is worth. Not an oVirt enumeration.
    pub enum Verdict {
        /// Whole, of this VM, and not used yet: it can be restored.
        Good = 0 "good",
        /// Its save was interrupted.
        Incomplete = 1 "incomplete",
        /// Its header or its description cannot be right.
        Damaged = 2 "damaged",
        /// It holds the memory of another VM.
        Foreign = 3 "foreign",
        /// The VM has run since, from it or without it: its disks have moved on.
        Used = 4 "used",
        /// Something speaks against it that cannot be decided: a restore of it began, and nobody knows
        /// whether the guest ran; or it seems to be cut short.
        Doubtful = 6 "doubtful",
        /// The VM's disks have changed since it was saved.
        Stale = 7 "stale",
        /// vmlife wrote it, and nobody has used it up since that vmlife knows of; but it is not there.
        Missing = 8 "missing",
        /// Others may have written it.
        Untrusted = 9 "untrusted",
        /// It cannot be read from here.
        Unreadable = 5 "unreadable",
    }
}

entity! {
    /// An image of a VM's memory: a file of ours or of `virsh save`, or libvirt's managed save.
    pub struct SavedImage {
        /// Where it lies, on the daemon's host. Absent for a managed save: libvirt does not tell.
        /// Source: the image place.
        pub path: Option<PathBuf>,
        /// Whether libvirt manages it: the next start of the VM restores it. Source:
        /// `virDomainHasManagedSaveImage`.
        pub managed: bool,
        /// What it is worth. Source: the image's header and the record beside it.
        pub verdict: Verdict = Verdict::Unreadable,
        /// What is wrong with it, if something is, or to be said of it. Source: as the verdict.
        pub flaw: Option<String>,
        /// Its length, in bytes. Source: the file.
        pub size_bytes: Option<u64>,
        /// When it was written. Source: the file's time of modification.
        pub saved_at: Option<Timestamp>,
        /// When the VM was last started since, other than by a restore of it that was given up. Absent if that is
        /// not known. Source: libvirt's log of the VM.
        pub started_since: Option<Timestamp>,
        /// Whether the guest ran when it was saved, and so runs on when it is restored. Source: the
        /// image's header.
        pub was_running: Option<bool>,
        /// How the memory is stored: `raw`, `sparse`, or the program that compressed it. Source: the
        /// image's header.
        pub format: Option<String>,
        /// Whether libvirt kept a definition of the VM when it was saved; if not, the image has the only
        /// one. Source: the record beside the image.
        pub persistent: Option<bool>,
        /// Its checksum, `blake3:` and 64 hexadecimal digits. Source: the record beside the image.
        pub checksum: Option<String>,
        /// Whether its checksum was just found to be right. Source: `show --verify`.
        pub verified: Option<bool>,
        /// What could not be checked of it, as a sentence. Source: the record beside the image.
        pub unchecked: Option<String>,
    }
}

impl SavedImage {
    /// Of a VM that does not run: doubts an image if the VM was started since.
    pub fn doubt_if_started(&mut self) {
        if let (Verdict::Good, Some(at)) = (self.verdict, self.started_since) {
            self.verdict = Verdict::Doubtful;
            self.flaw = Some(format!(
                "by libvirt's log the VM was started since, at {at:.0}"
            ));
        }
    }
}
