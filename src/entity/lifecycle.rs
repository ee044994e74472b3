//! What libvirt tells of the life of a VM as it happens.

/// A lifecycle event as libvirt numbers it (`virConnectDomainEventCallback`).
///
/// A newer libvirt may send numbers that have no name here: they are kept, and shown as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LifecycleEvent {
    /// `virDomainEventType`.
    pub event: i32,
    /// More of it, numbered anew within each type.
    pub detail: i32,
}

/// The types, each with its details, in the order of libvirt's numbers.
const WORDS: [(&str, &[&str]); 9] = [
    ("defined", &["added", "updated", "renamed", "from snapshot"]),
    ("undefined", &["removed", "renamed"]),
    (
        "started",
        &["booted", "migrated", "restored", "from snapshot", "wakeup"],
    ),
    (
        "suspended",
        &[
            "paused",
            "migrated",
            "I/O error",
            "watchdog",
            "restored",
            "from snapshot",
            "API error",
            "post-copy",
            "post-copy failed",
            "guest shutdown",
        ],
    ),
    (
        "resumed",
        &[
            "unpaused",
            "migrated",
            "from snapshot",
            "post-copy",
            "post-copy failed",
        ],
    ),
    (
        "stopped",
        &[
            "shutdown",
            "destroyed",
            "crashed",
            "migrated",
            "saved",
            "failed",
            "from snapshot",
        ],
    ),
    ("shutdown", &["finished", "guest request", "host request"]),
    ("suspended itself", &["memory", "disk"]),
    ("crashed", &["panicked", "crash loaded"]),
];

impl LifecycleEvent {
    /// The word for its type: "started".
    #[must_use]
    pub fn word(self) -> String {
        self.kind()
            .map_or_else(|| self.event.to_string(), |(word, _)| (*word).to_owned())
    }

    /// The word for the rest: "booted".
    #[must_use]
    pub fn detail_word(self) -> String {
        let detail = usize::try_from(self.detail).ok();
        self.kind()
            .and_then(|(_, details)| details.get(detail?))
            .map_or_else(|| self.detail.to_string(), |word| (*word).to_owned())
    }

    fn kind(self) -> Option<&'static (&'static str, &'static [&'static str])> {
        WORDS.get(usize::try_from(self.event).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_told_in_words_and_new_ones_in_numbers() {
        for ((event, detail), words) in [
            ((0, 0), ("defined", "added")),
            ((2, 2), ("started", "restored")),
            ((3, 4), ("suspended", "restored")),
            ((5, 4), ("stopped", "saved")),
            ((5, 99), ("stopped", "99")),
            ((77, 1), ("77", "1")),
            ((-1, -1), ("-1", "-1")),
        ] {
            let event = LifecycleEvent { event, detail };
            assert_eq!((&*event.word(), &*event.detail_word()), words, "{event:?}");
        }
    }
}
