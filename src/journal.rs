//! What happened, for those who look later: a structured line for each operation, in the host's journal.
//!
//! The journal takes datagrams of fields at a socket (systemd's native protocol), which no library is
//! needed for. It adds by itself which user and which unit it was. What cannot be noted never fails a command.

use crate::plan::Verb;
use crate::report::{Kind, Outcome};
use std::ffi::OsString;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

/// Where journald listens.
const SOCKET: &str = "/run/systemd/journal/socket";
/// By this the journal finds all operations: `journalctl MESSAGE_ID=...`.
const OPERATION: &str = "6a1f3c0c8d5e4b27a7e45a0f8f2d9b61";
/// No field is longer, so that all of them fit into one datagram.
const LENGTH_LIMIT: usize = 8 * 1024;

/// The fields of one operation, under the journal's names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry(Vec<(&'static str, String)>);

impl Entry {
    /// What there is to note of an outcome; `None` where nothing was tried.
    #[must_use]
    pub fn of(verb: Verb, uri: &str, outcome: &Outcome) -> Option<Self> {
        if outcome.kind == Kind::Done && !outcome.changed {
            return None;
        }
        let priority = match outcome.kind {
            Kind::Done if outcome.warnings.is_empty() => "6",
            Kind::Done => "4",
            _ => "3",
        };
        let cause = outcome.cause.as_ref().map(|cause| format!(": {cause}"));
        let message = format!(
            "{} {}{}",
            outcome.vm.name,
            outcome.message,
            cause.unwrap_or_default()
        );
        let number = outcome.libvirt_error;
        let fields = [
            ("MESSAGE", Some(message)),
            ("MESSAGE_ID", Some(OPERATION.to_owned())),
            ("PRIORITY", Some(priority.to_owned())),
            ("SYSLOG_IDENTIFIER", Some("vmlife".to_owned())),
            ("VMLIFE_VERB", Some(verb.word().to_owned())),
            ("VMLIFE_RESULT", Some(outcome.kind.word().to_owned())),
            ("VMLIFE_VM", Some(outcome.vm.name.clone())),
            ("VMLIFE_UUID", outcome.vm.id.map(|id| id.to_string())),
            ("VMLIFE_URI", Some(uri.to_owned())),
            (
                "VMLIFE_FROM",
                outcome.status_before.map(|status| status.to_string()),
            ),
            ("VMLIFE_TO", outcome.status.map(|status| status.to_string())),
            (
                "VMLIFE_SECONDS",
                outcome.seconds.map(|seconds| format!("{seconds:.3}")),
            ),
            (
                "VMLIFE_BYTES",
                outcome.size_bytes.map(|bytes| bytes.to_string()),
            ),
            (
                "VMLIFE_IMAGE",
                outcome
                    .image
                    .as_ref()
                    .map(|path| path.display().to_string()),
            ),
            (
                "VMLIFE_LIBVIRT_CODE",
                number.map(|number| number.code.to_string()),
            ),
            (
                "VMLIFE_LIBVIRT_DOMAIN",
                number.map(|number| number.domain.to_string()),
            ),
        ];
        Some(Self(
            fields
                .into_iter()
                .filter_map(|(name, value)| Some((name, bounded(value?))))
                .collect(),
        ))
    }

    /// As journald takes it: a value with a line break is told by its length, so that none can pass for
    /// further fields.
    fn datagram(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, value) in &self.0 {
            bytes.extend(name.as_bytes());
            if value.contains('\n') {
                bytes.push(b'\n');
                bytes.extend((value.len() as u64).to_le_bytes());
            } else {
                bytes.push(b'=');
            }
            bytes.extend(value.as_bytes());
            bytes.push(b'\n');
        }
        bytes
    }

    /// As one line of text.
    #[must_use]
    pub fn line(&self) -> String {
        let fields = self.0.iter().filter_map(|(name, value)| {
            let name = name.strip_prefix("VMLIFE_")?.to_ascii_lowercase();
            Some(format!("{name}={value:?}"))
        });
        fields.collect::<Vec<_>>().join(" ")
    }
}

/// The value, or so much of it as a field takes.
fn bounded(mut value: String) -> String {
    let mut ends = (0..=LENGTH_LIMIT.min(value.len())).rev();
    let end = ends.find(|at| value.is_char_boundary(*at));
    value.truncate(end.unwrap_or_default());
    value
}

/// The host's journal.
#[derive(Debug)]
pub struct Journal {
    socket: PathBuf,
}

impl Journal {
    /// The journal that `VMLIFE_JOURNAL` names by its socket, else the host's. An empty name means none.
    #[must_use]
    pub fn new(chosen: Option<OsString>) -> Self {
        Self {
            socket: chosen.map_or_else(|| Path::new(SOCKET).to_owned(), PathBuf::from),
        }
    }

    /// Notes an operation, and tells whether it could.
    #[must_use]
    pub fn note(&self, entry: &Entry) -> bool {
        let sent = UnixDatagram::unbound().and_then(|socket| {
            // A journal that is full must not hold us up.
            socket.set_nonblocking(true)?;
            socket.send_to(&entry.datagram(), &self.socket)
        });
        sent.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::VmStatus;
    use crate::report::{Failure, LibvirtErrorNumber, VmRef};

    fn outcome(name: &str) -> Outcome {
        let vm = VmRef {
            host: None,
            name: name.to_owned(),
            id: Some("6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a11".parse().unwrap()),
        };
        Outcome {
            changed: true,
            status_before: Some(VmStatus::Up),
            status: Some(VmStatus::Suspended),
            size_bytes: Some(4096),
            seconds: Some(1.5),
            image: Some("/v/a.vmsave".into()),
            ..Outcome::done(vm, "is hibernated to /v/a.vmsave")
        }
    }

    /// The fields of a datagram, read as journald reads them.
    fn fields(mut bytes: &[u8]) -> Vec<(String, String)> {
        let mut all = Vec::new();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        while !bytes.is_empty() {
            let line = bytes.iter().position(|byte| *byte == b'\n').unwrap();
            let name = bytes[..line].iter().position(|byte| *byte == b'=');
            let (name, value, rest) = if let Some(at) = name {
                (&bytes[..at], &bytes[at + 1..line], &bytes[line + 1..])
            } else {
                let (length, rest) = bytes[line + 1..].split_at(8);
                let length = u64::from_le_bytes(length.try_into().unwrap());
                let (value, rest) = rest.split_at(usize::try_from(length).unwrap());
                (&bytes[..line], value, &rest[1..])
            };
            all.push((text(name), text(value)));
            bytes = rest;
        }
        all
    }

    #[test]
    fn a_journal_hears_who_what_from_where_to_where_and_how_long() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let listener = UnixDatagram::bind(&socket).unwrap();
        let entry = Entry::of(Verb::Hibernate, "qemu:///system", &outcome("web-1")).unwrap();
        assert!(Journal::new(Some(socket.into())).note(&entry));
        let mut bytes = vec![0; 65536];
        let length = listener.recv(&mut bytes).unwrap();
        let fields = fields(&bytes[..length]);
        for (name, value) in [
            ("MESSAGE", "web-1 is hibernated to /v/a.vmsave"),
            ("PRIORITY", "6"),
            ("VMLIFE_VERB", "hibernate"),
            ("VMLIFE_RESULT", "done"),
            ("VMLIFE_FROM", "Up"),
            ("VMLIFE_TO", "Suspended"),
            ("VMLIFE_SECONDS", "1.500"),
            ("VMLIFE_BYTES", "4096"),
        ] {
            let found = fields.iter().find(|(found, _)| found == name);
            assert_eq!(
                found.map(|(_, value)| value.as_str()),
                Some(value),
                "{name}"
            );
        }
    }

    #[test]
    fn a_hostile_name_forges_no_field() {
        let name = "a\nPRIORITY=0\nVMLIFE_RESULT=done";
        let failed = Outcome {
            status_before: Some(VmStatus::Up),
            ..Outcome::failed(
                outcome(name).vm,
                Failure {
                    libvirt_error: Some(LibvirtErrorNumber {
                        code: 68,
                        domain: 0,
                    }),
                    ..Failure::new(Kind::Busy, "could not be hibernated")
                        .because(&"\u{1b}[2J".repeat(9000))
                },
            )
        };
        let entry = Entry::of(Verb::Hibernate, "qemu:///system", &failed).unwrap();
        let fields = fields(&entry.datagram());
        let all = |name: &str| {
            let found = fields.iter().filter(|(found, _)| found == name);
            found.map(|(_, value)| value.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(all("PRIORITY"), ["3"]);
        assert_eq!(all("VMLIFE_RESULT"), ["busy"]);
        assert_eq!(all("VMLIFE_VM"), [name]);
        assert_eq!(all("VMLIFE_LIBVIRT_CODE"), ["68"]);
        assert!(entry.datagram().len() < 32 * 1024);
        assert!(
            entry
                .line()
                .starts_with(r#"verb="hibernate" result="busy" vm="a\nPRIORITY=0"#)
        );
        assert!(!entry.line().contains(['\n', '\u{1b}']));
    }

    #[test]
    fn what_was_so_already_is_not_noted_and_no_journal_is_no_failure() {
        let already = Outcome {
            changed: false,
            ..outcome("a")
        };
        assert_eq!(Entry::of(Verb::Pause, "", &already), None);
        let entry = Entry::of(Verb::Pause, "", &outcome("a")).unwrap();
        assert!(!Journal::new(Some("".into())).note(&entry));
        assert!(!Journal::new(Some("/nowhere/at/all".into())).note(&entry));
    }
}
