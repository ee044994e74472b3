//! What libvirt's errors mean for a user.

use crate::report::{Failure, Kind, LibvirtErrorNumber};
use std::time::Duration;
use virt::error::Error;

/// An error of libvirt's, in its own words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct HypervisorError {
    /// libvirt's error number (`virErrorNumber`).
    pub code: u32,
    /// The part of libvirt that reports it (`virErrorDomain`).
    pub domain: u32,
    /// libvirt's own words.
    pub message: String,
}

impl From<Error> for HypervisorError {
    fn from(error: Error) -> Self {
        Self {
            code: error.code().to_raw(),
            domain: error.domain().to_raw(),
            message: error.message().to_owned(),
        }
    }
}

/// The numbers that decide something, under libvirt's names.
mod code {
    pub(super) const INTERNAL_ERROR: u32 = 1;
    pub(super) const NO_SUPPORT: u32 = 3;
    pub(super) const NO_CONNECT: u32 = 5;
    pub(super) const INVALID_ARG: u32 = 8;
    pub(super) const OPERATION_FAILED: u32 = 9;
    pub(super) const OPERATION_DENIED: u32 = 29;
    pub(super) const SYSTEM_ERROR: u32 = 38;
    pub(super) const RPC: u32 = 39;
    pub(super) const NO_DOMAIN: u32 = 42;
    pub(super) const NO_NETWORK: u32 = 43;
    pub(super) const AUTH_FAILED: u32 = 45;
    pub(super) const NO_STORAGE_POOL: u32 = 49;
    pub(super) const NO_STORAGE_VOL: u32 = 50;
    pub(super) const OPERATION_INVALID: u32 = 55;
    pub(super) const OPERATION_TIMEOUT: u32 = 68;
    pub(super) const ARGUMENT_UNSUPPORTED: u32 = 74;
    pub(super) const NO_DOMAIN_SNAPSHOT: u32 = 72;
    pub(super) const OPERATION_ABORTED: u32 = 78;
    pub(super) const AUTH_CANCELLED: u32 = 79;
    pub(super) const NO_DOMAIN_METADATA: u32 = 80;
    pub(super) const OPERATION_UNSUPPORTED: u32 = 84;
    pub(super) const RESOURCE_BUSY: u32 = 87;
    pub(super) const ACCESS_DENIED: u32 = 88;
    pub(super) const AUTH_UNAVAILABLE: u32 = 94;
}

/// `VIR_FROM_RPC`: the connection itself is in trouble.
const FROM_RPC: u32 = 7;

impl HypervisorError {
    /// What is said in the place of a daemon that has not answered for this time.
    #[must_use]
    pub fn silence(waited: Duration) -> Self {
        Self {
            code: code::RPC,
            domain: FROM_RPC,
            message: format!(
                "libvirt has not answered within {:.0} s",
                waited.as_secs_f64()
            ),
        }
    }

    /// What is said in the place of a call that this machine's own library is too old to have.
    #[must_use]
    pub fn no_call(name: &str) -> Self {
        Self {
            code: code::NO_SUPPORT,
            domain: 0,
            message: format!("libvirt's library on this machine has no {name}"),
        }
    }

    /// Whether the daemon does not take how an image is to be written or read: it does not know the parameter or
    /// the format, lacks the program, or its QEMU cannot do it. All of that it finds before it touches the VM.
    #[must_use]
    pub fn is_unsupported_image(&self) -> bool {
        let says = |words: &[&str]| words.iter().any(|word| self.message.contains(word));
        match self.code {
            code::ARGUMENT_UNSUPPORTED => says(&[
                "'image_format' not supported",
                "'parallel.channels' not supported",
            ]),
            code::INVALID_ARG => says(&["Parallel save is only supported"]),
            code::OPERATION_FAILED => says(&["Compression program for", "Invalid image_format"]),
            code::OPERATION_UNSUPPORTED => says(&["save image format"]),
            _ => false,
        }
    }

    /// Whether a name or UUID is not known.
    #[must_use]
    pub fn is_no_domain(&self) -> bool {
        self.code == code::NO_DOMAIN
    }

    /// Whether the driver or the daemon does not know the call at all.
    #[must_use]
    pub fn is_no_support(&self) -> bool {
        self.code == code::NO_SUPPORT
    }

    /// Whether it is the VM's state that forbids it.
    #[must_use]
    pub fn is_wrong_state(&self) -> bool {
        self.code == code::OPERATION_INVALID
    }

    /// Whether libvirt knows of a job that only the other end of the migration can tell of.
    #[must_use]
    pub fn is_told_at_source_only(&self) -> bool {
        self.code == code::OPERATION_UNSUPPORTED && self.message.contains("on the source host")
    }

    /// Whether the driver knows the call, but not the flags.
    #[must_use]
    pub fn is_unsupported_flag(&self) -> bool {
        self.code == code::INVALID_ARG && self.message.contains("unsupported flags")
    }

    /// Whether a domain has no metadata of the namespace that was asked for.
    #[must_use]
    pub fn is_no_metadata(&self) -> bool {
        self.code == code::NO_DOMAIN_METADATA
    }

    /// Whether a snapshot is not known.
    #[must_use]
    pub fn is_no_snapshot(&self) -> bool {
        self.code == code::NO_DOMAIN_SNAPSHOT
    }

    /// Whether libvirt's storage pools and volumes do not have what was asked for, or it has no such.
    #[must_use]
    pub fn is_no_storage(&self) -> bool {
        self.is_no_support() || [code::NO_STORAGE_POOL, code::NO_STORAGE_VOL].contains(&self.code)
    }

    /// Whether a network is not known.
    #[must_use]
    pub fn is_no_network(&self) -> bool {
        self.code == code::NO_NETWORK
    }

    /// Whether an emulator does not know a machine type.
    #[must_use]
    pub fn is_unknown_machine(&self) -> bool {
        self.code == code::INVALID_ARG && self.message.contains("is not supported by emulator")
    }

    /// Whether somebody aborted the job.
    #[must_use]
    pub fn is_aborted(&self) -> bool {
        self.code == code::OPERATION_ABORTED
    }

    /// Whether a job came to nothing, and libvirt does not tell why. So ends also one that was aborted, if its
    /// file was closed before QEMU had heard of that.
    #[must_use]
    pub fn is_unexplained(&self) -> bool {
        self.code == code::OPERATION_FAILED && self.message.ends_with("unexpectedly failed")
    }

    /// Whether libvirt says that it lost the VM's process while it talked to it. It may say so before it
    /// has taken note of that itself: the VM's state can be an old one for a moment.
    #[must_use]
    pub fn is_process_lost(&self) -> bool {
        [
            "from monitor",
            "closed the monitor",
            "to monitor",
            "QEMU monitor",
            "qemu monitor",
        ]
        .iter()
        .any(|words| self.message.contains(words))
    }

    /// Whether the connection, not the VM, is in trouble.
    #[must_use]
    pub fn is_connection_lost(&self) -> bool {
        self.domain == FROM_RPC
            && [code::INTERNAL_ERROR, code::SYSTEM_ERROR, code::RPC].contains(&self.code)
    }

    /// What kind of failure it is. libvirt's text decides only where its number leaves it open.
    #[must_use]
    pub fn kind(&self) -> Kind {
        let says = |words: &[&str]| words.iter().any(|word| self.message.contains(word));
        if self.is_connection_lost() {
            return Kind::Connection;
        }
        match self.code {
            code::NO_DOMAIN => Kind::NotFound,
            code::OPERATION_TIMEOUT | code::RESOURCE_BUSY => Kind::Busy,
            code::NO_CONNECT
            | code::OPERATION_DENIED
            | code::AUTH_FAILED
            | code::AUTH_CANCELLED
            | code::ACCESS_DENIED
            | code::AUTH_UNAVAILABLE => Kind::Connection,
            code::OPERATION_INVALID => Kind::State,
            code::SYSTEM_ERROR if says(&["Permission denied"]) => Kind::Connection,
            _ if says(&["No space left on device"]) => Kind::Space,
            _ if self.is_incomplete_image() || self.is_no_image() => Kind::Guard,
            _ if self.is_unsupported_image() => Kind::Usage,
            _ => Kind::Failed,
        }
    }

    /// What kind of failure it is when a save was tried: a device or the driver may be in the way.
    #[must_use]
    pub fn kind_of_save(&self) -> Kind {
        let says = |words: &[&str]| words.iter().any(|word| self.message.contains(word));
        match self.code {
            _ if self.is_unsupported_image() => Kind::Usage,
            code::NO_SUPPORT | code::OPERATION_UNSUPPORTED => Kind::CannotSave,
            code::OPERATION_INVALID if says(&["domain has active block job"]) => Kind::Busy,
            code::OPERATION_INVALID
                if says(&[
                    "cannot migrate domain",
                    "cannot migrate a domain",
                    "cannot migrate this domain",
                    "cannot be migrated",
                    "migration with",
                    "domain has 'invtsc'",
                    "domain has assigned non-USB",
                    "domain's dimm info",
                ]) =>
            {
                Kind::CannotSave
            }
            code::INTERNAL_ERROR if says(&["non-migratable device"]) => Kind::CannotSave,
            _ => self.kind(),
        }
    }

    /// Whether libvirt found no file where an image should be.
    #[must_use]
    pub fn is_no_such_file(&self) -> bool {
        self.code == code::SYSTEM_ERROR && self.message.ends_with("No such file or directory")
    }

    /// Whether libvirt found that a save had been interrupted.
    #[must_use]
    pub fn is_incomplete_image(&self) -> bool {
        self.code == code::OPERATION_FAILED && self.message.ends_with("save image is incomplete")
    }

    /// Whether libvirt found that a file is too short to be an image, such as an empty one.
    #[must_use]
    pub fn is_no_header(&self) -> bool {
        self.code == code::OPERATION_FAILED && self.message.contains("failed to read")
    }

    /// Whether libvirt found that a file is no image.
    #[must_use]
    pub fn is_no_image(&self) -> bool {
        self.code == code::OPERATION_FAILED
            && [
                "image magic is incorrect",
                "failed to read qemu header",
                "invalid header data length",
            ]
            .iter()
            .any(|words| self.message.contains(words))
    }

    /// The failure of a save, with libvirt's words and what to do next.
    #[must_use]
    pub fn save_failure(&self, message: impl Into<String>) -> Failure {
        let kind = self.kind_of_save();
        let hint = match kind {
            Kind::CannotSave => {
                Some("take the named device out of the VM, or shut the VM down instead")
            }
            _ if self.is_no_such_file() => Some(
                "the folder has to be on the daemon's host already: make it there, or name another with --to",
            ),
            _ => self.hint(),
        };
        Failure {
            kind,
            hint: hint.map(str::to_owned),
            ..self.failure(message)
        }
    }

    /// The failure of something that was tried, with libvirt's words and what to do next.
    #[must_use]
    pub fn failure(&self, message: impl Into<String>) -> Failure {
        let mut failure = Failure::new(self.kind(), message).because(self);
        failure.libvirt_error = Some(LibvirtErrorNumber {
            code: self.code,
            domain: self.domain,
        });
        failure.hint = self.hint().map(str::to_owned);
        failure
    }

    /// What to do next, where that can be told.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        let says = |words: &[&str]| words.iter().any(|word| self.message.contains(word));
        match self.kind() {
            Kind::Busy => Some("another job holds the VM: virsh domjobinfo tells about it"),
            Kind::Usage if says(&["Compression program"]) => Some(
                "install the program of that format on the daemon's host, or choose another --image-format",
            ),
            Kind::Usage => {
                Some("choose another --image-format; raw can be written by every libvirt")
            }
            Kind::Space => Some("make room, or name another place with --to"),
            Kind::Connection if self.code == code::OPERATION_DENIED => {
                Some("this needs a connection that may write")
            }
            Kind::Connection if self.code == code::ACCESS_DENIED => Some(
                "libvirt's access rules forbid it: a polkit rule that allows its action (org.libvirt.api...) is to be added in /etc/polkit-1/rules.d",
            ),
            Kind::Connection
                if [
                    code::AUTH_FAILED,
                    code::AUTH_CANCELLED,
                    code::AUTH_UNAVAILABLE,
                ]
                .contains(&self.code) =>
            {
                Some(
                    "join the group libvirt, or have a polkit rule in /etc/polkit-1/rules.d allow org.libvirt.unix.manage (show: org.libvirt.unix.monitor)",
                )
            }
            Kind::Connection if self.domain == FROM_RPC && says(&["Permission denied"]) => {
                Some("join the group libvirt, or use your own daemon: -c qemu:///session")
            }
            Kind::Connection if says(&["Failed to connect socket"]) => {
                Some("is the daemon running? Another connection is named with -c URI")
            }
            _ if says(&[
                "failed to initialize kvm",
                "does not support virt type 'kvm'",
                "domaintype=kvm",
            ]) =>
            {
                Some("this host cannot run KVM guests; domainType: qemu in the definition emulates")
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: u32, domain: u32, message: &str) -> HypervisorError {
        HypervisorError {
            code,
            domain,
            message: message.to_owned(),
        }
    }

    #[test]
    fn each_error_is_of_the_kind_that_its_exit_code_tells() {
        for (code, domain, message, kind) in [
            (
                42,
                10,
                "Domain not found: no domain with matching name 'x'",
                Kind::NotFound,
            ),
            (
                55,
                20,
                "Requested operation is not valid: domain is not running",
                Kind::State,
            ),
            (
                9,
                0,
                "operation failed: libvirt_iohelper: failure: Unable to write x: No space left on device",
                Kind::Space,
            ),
            (
                9,
                10,
                "operation failed: save image is incomplete",
                Kind::Guard,
            ),
            (
                68,
                0,
                "Timed out during operation: cannot acquire state change lock",
                Kind::Busy,
            ),
            (
                29,
                20,
                "operation forbidden: read only access prevents virDomainSave",
                Kind::Connection,
            ),
            (
                38,
                7,
                "Failed to connect socket to '/s': No such file or directory",
                Kind::Connection,
            ),
            (
                38,
                10,
                "Failed to create file '/x': Permission denied",
                Kind::Connection,
            ),
            (
                1,
                7,
                "internal error: client socket is closed",
                Kind::Connection,
            ),
            (1, 10, "internal error: anything", Kind::Failed),
        ] {
            assert_eq!(error(code, domain, message).kind(), kind, "{message}");
        }
    }

    #[test]
    fn a_save_that_something_in_the_vm_forbids_is_told_from_other_failures() {
        for (code, domain, message, kind) in [
            (
                55,
                10,
                "Requested operation is not valid: cannot migrate domain: x",
                Kind::CannotSave,
            ),
            (
                55,
                10,
                "Requested operation is not valid: domain has active block job",
                Kind::Busy,
            ),
            (
                84,
                10,
                "Operation not supported: cannot migrate a domain with <hostdev>",
                Kind::CannotSave,
            ),
            (
                1,
                10,
                "unable to execute QEMU command 'migrate': State blocked by non-migratable device '0'",
                Kind::CannotSave,
            ),
            (
                3,
                10,
                "this function is not supported by the connection driver: virDomainSaveFlags",
                Kind::CannotSave,
            ),
            (
                55,
                20,
                "Requested operation is not valid: domain 'migrate-me' is already active",
                Kind::State,
            ),
        ] {
            let error = error(code, domain, message);
            assert_eq!(error.kind_of_save(), kind, "{message}");
            assert_ne!(
                error.kind(),
                Kind::CannotSave,
                "only a save can fail like that"
            );
        }
    }

    #[test]
    fn who_is_refused_is_told_the_rule_that_would_let_him() {
        for (code, rule) in [
            (45, "org.libvirt.unix.manage"),
            (79, "org.libvirt.unix.manage"),
            (94, "org.libvirt.unix.manage"),
            (88, "org.libvirt.api"),
            (29, "a connection that may write"),
        ] {
            let failure = error(code, 60, "access denied: polkit").failure("cannot be paused");
            assert_eq!(failure.kind, Kind::Connection, "{code}");
            assert!(
                failure.hint.is_some_and(|hint| hint.contains(rule)),
                "{code}"
            );
        }
    }

    #[test]
    fn a_format_that_the_daemon_does_not_take_is_the_users_to_choose_anew() {
        for (code, message) in [
            (
                74,
                "argument unsupported: parameter 'image_format' not supported",
            ),
            (
                8,
                "invalid argument: Parallel save is only supported with the 'sparse' save image format",
            ),
            (
                9,
                "operation failed: Compression program for save image format in configuration file isn't available",
            ),
        ] {
            let failure = error(code, 10, message).save_failure("could not be hibernated");
            assert_eq!(failure.kind, Kind::Usage, "{message}");
            assert!(
                failure
                    .hint
                    .is_some_and(|hint| hint.contains("--image-format"))
            );
        }
    }

    #[test]
    fn a_job_that_failed_without_a_reason_is_told_from_one_that_has_one() {
        let ended = |message| error(9, 10, message).is_unexplained();
        assert!(ended(
            "operation failed: job 'domain save' unexpectedly failed"
        ));
        assert!(!ended(
            "operation failed: job 'domain save' failed: No space left on device"
        ));
    }

    #[test]
    fn a_path_in_libvirts_message_decides_nothing() {
        let missing = error(
            38,
            10,
            "Failed to open file '/magic/header': No such file or directory",
        );
        assert!(
            missing.is_no_such_file() && !missing.is_no_image() && !missing.is_incomplete_image()
        );
    }
}
