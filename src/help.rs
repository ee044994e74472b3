//! What `--help` and the manual tell beside the options: examples, explanations, and what an exit status means.

use crate::report::Kind;

/// How help is put together: examples first, then the options, then the explanations.
pub const TEMPLATE: &str = "\
{about-with-newline}
{usage-heading} {usage}

{before-help}{all-args}{after-help}";

/// A command line, and what it is for.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// What it is for, without a full stop.
    pub aim: &'static str,
    /// The command line, for a shell.
    pub command: &'static str,
}

/// What there is to say about the program or a verb.
#[derive(Clone, Copy, Debug)]
pub struct Topic {
    /// The verb, or the program's name.
    pub name: &'static str,
    /// The everyday first.
    pub examples: &'static [Example],
    /// Explanations in Markdown: headings, paragraphs and lists.
    pub explanations: &'static str,
}

const fn example(command: &'static str, aim: &'static str) -> Example {
    Example { aim, command }
}

/// The program as a whole; its examples are the everyday jobs.
pub const VMLIFE: Topic = Topic {
    name: "vmlife",
    examples: &[
        example("vmlife hibernate --all", "Hibernate all before a reboot"),
        example("vmlife restore --all", "Wake all that sleep"),
        example(
            "vmlife hibernate web-1 --to /mnt/web-1.vmsave",
            "Put the image on another disk",
        ),
        example("vmlife hibernate web-1 --trim", "Shrink the guest first"),
        example("vmlife show --filter STATE=Suspended", "See what is asleep"),
        example(
            "vmlife restore -c URI --from FILE",
            "Move it to another host",
        ),
        example(
            "vmlife show web-1 --exit-state",
            "Ask whether it is running",
        ),
        example(
            "vmlife hibernate --all -l nightly=yes -q",
            "At night, from cron, by a label",
        ),
        example("vmlife pause web-1", "Hold still for a snapshot"),
        example(
            "vmlife hibernate --group 'shop*' --together",
            "Hibernate a group as one",
        ),
        example("vmlife restore --discard web-1", "Give an image up"),
    ],
    explanations: include_str!("help/vmlife.md"),
};

/// The verb `hibernate`.
pub const HIBERNATE: Topic = Topic {
    name: "hibernate",
    examples: &[
        example("vmlife hibernate web-1", "Memory to disk, VM off"),
        example(
            "vmlife hibernate --all --within 5m",
            "Before the host goes down",
        ),
        example(
            "vmlife hibernate web-1 --to /mnt/web-1.vmsave",
            "Put the image on another disk",
        ),
        example("vmlife hibernate web-1 --trim", "Shrink the guest first"),
        example(
            "vmlife hibernate web-1 --dry-run",
            "Only look whether it can be done, how big it gets and how long it takes",
        ),
        example(
            "vmlife hibernate --all -l nightly=yes --timeout 1h -q",
            "At night, from cron: all that run and have a label",
        ),
        example(
            "vmlife hibernate --group 'shop*' --together",
            "A group that must not miss one another",
        ),
        example(
            "vmlife hibernate web-1 --managed",
            "Into libvirt's own image, as virsh managedsave: virsh start wakes it, too",
        ),
        example(
            "vmlife hibernate web-1 --to /mnt/shared/web-1.vmsave",
            "To move it: restore --from wakes it on another host",
        ),
    ],
    explanations: include_str!("help/hibernate.md"),
};

/// The verb `restore`.
pub const RESTORE: Topic = Topic {
    name: "restore",
    examples: &[
        example("vmlife restore web-1", "Back where it was"),
        example("vmlife restore --all", "Wake all that sleep"),
        example("vmlife restore --from /mnt/web-1.vmsave", "This image"),
        example("vmlife restore --discard web-1", "Give the image up"),
        example(
            "vmlife restore -c qemu+ssh://root@host-2/system --from /mnt/shared/web-1.vmsave",
            "Wake it on another host, which sees the image and the disks",
        ),
        example(
            "vmlife restore web-1 --paused",
            "Load it, but let it stay paused; vmlife resume lets it go on",
        ),
        example(
            "vmlife restore --or-start web-1.yaml",
            "Whatever it takes to have it run: wake it, boot it, define it",
        ),
        example(
            "vmlife restore --discard web-1 --yes",
            "Give the image up, in a script",
        ),
    ],
    explanations: include_str!("help/restore.md"),
};

/// The verb `pause`.
pub const PAUSE: Topic = Topic {
    name: "pause",
    examples: &[
        example("vmlife pause web-1", "Freeze it, in memory"),
        example(
            "vmlife pause web-1 db-1 --together",
            "Before a storage snapshot",
        ),
        example("vmlife pause --all --exclude 'db-*'", "All but these"),
        example("vmlife pause --group 'shop*'", "A group"),
        example(
            "vmlife pause web-1 && lvcreate -s -n web-1-now vg0/web-1; vmlife resume web-1",
            "Take a snapshot of the storage while nothing is written",
        ),
    ],
    explanations: include_str!("help/pause.md"),
};

/// The verb `resume`.
pub const RESUME: Topic = Topic {
    name: "resume",
    examples: &[
        example("vmlife resume web-1", "Let it go on"),
        example("vmlife resume --all", "All that are paused"),
        example("vmlife resume web-1 --strict", "Fail if it runs already"),
        example(
            "vmlife resume web-1 --wait",
            "Wait until the guest's agent answers",
        ),
    ],
    explanations: include_str!("help/resume.md"),
};

/// The verb `show`.
pub const SHOW: Topic = Topic {
    name: "show",
    examples: &[
        example("vmlife show", "All VMs, and their state"),
        example("vmlife show web-1", "A page about one"),
        example("vmlife show --images", "Images: whose, how old, how big"),
        example("vmlife show web-1 --exit-state", "Is it running?"),
        example(
            "vmlife show -o wide --watch",
            "A list that follows what happens",
        ),
        example(
            "vmlife show --columns NAME,STATE,IP,GROUP",
            "A list of one's own",
        ),
        example(
            "vmlife show -o name --filter STATE=Suspended",
            "The names of those that sleep, in a script",
        ),
        example(
            "vmlife show web-1 vmStatic.memSizeMb",
            "One value, in a script",
        ),
        example(
            "vmlife show web-1 -o yaml --inactive > web-1.yaml",
            "A definition to keep",
        ),
        example(
            "vmlife show --diff web-1.yaml",
            "Is the VM still as its definition says?",
        ),
        example(
            "vmlife show -o xml /mnt/web-1.vmsave",
            "The domain's XML in an image",
        ),
    ],
    explanations: include_str!("help/show.md"),
};

/// Everything that has a page, the program first.
pub const TOPICS: [Topic; 6] = [VMLIFE, HIBERNATE, RESTORE, PAUSE, RESUME, SHOW];

impl Topic {
    /// The first examples, a line each, as `-h` tells them.
    #[must_use]
    pub fn in_lines(&self, count: usize) -> String {
        let examples = &self.examples[..count.min(self.examples.len())];
        let width = examples.iter().map(|example| example.command.len()).max();
        let width = width.unwrap_or_default();
        let line = |example: &Example| format!("\n  {:<width$}  {}", example.command, example.aim);
        format!("Examples:{}", examples.iter().map(line).collect::<String>())
    }

    /// All examples, as `--help` tells them.
    #[must_use]
    pub fn in_full(&self) -> String {
        let entry = |example: &Example| format!("\n  {}:\n      {}", example.aim, example.command);
        format!(
            "Examples:{}",
            self.examples.iter().map(entry).collect::<String>()
        )
    }

    /// What `--help` tells below the options.
    #[must_use]
    pub fn explained(&self) -> String {
        let status = |(code, meaning)| format!("\n  {code:<3}  {meaning}");
        let statuses: String = exit_statuses().map(status).collect();
        format!("{}\n\nExit status:{statuses}", plain(self.explanations))
    }
}

/// Each exit status, and what it means.
pub fn exit_statuses() -> impl Iterator<Item = (u8, &'static str)> {
    let mut statuses: Vec<_> = Kind::ALL
        .into_iter()
        .chain([Kind::Cancelled(1), Kind::Cancelled(15)])
        .map(|kind| (kind.exit_code(), kind.meaning()))
        .collect();
    statuses.sort_unstable();
    statuses.into_iter()
}

/// Markdown as plain text: a paragraph is a line, which whoever prints it wraps.
fn plain(markdown: &str) -> String {
    let mut text = String::new();
    for paragraph in markdown.split("\n\n").map(str::trim) {
        if let Some(heading) = paragraph.strip_prefix("# ") {
            text += &format!("\n{heading}:");
        } else {
            let lines = paragraph.replace('\n', " ").replace('`', "");
            text += &format!("\n  {lines}\n");
        }
    }
    text.trim().to_owned()
}
