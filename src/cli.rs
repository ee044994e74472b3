//! The command line, declared; what it means is decided elsewhere.

use crate::entity::MemorySize;
use crate::render::{Column, columns};
use clap::builder::{
    NonEmptyStringValueParser, PossibleValue, PossibleValuesParser, TypedValueParser,
};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::num::NonZeroU8;
use std::path::PathBuf;
use std::time::Duration;

/// Hibernate, restore, pause, resume and show libvirt virtual machines without losing one.
#[derive(Debug, Parser)]
#[command(
    name = "vmlife",
    version,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
#[command(
    after_help = "A TARGET is a VM's name, UUID or quoted glob ('web-*'), or a definition file in YAML \
    or libvirt XML\n(it contains a / or ends in .yaml, .yml or .xml; - is standard input).\n\n\
    Exit status: 0 done or already so, 1 failed, 2 usage or bad file, 3 some done and some failed,\n\
    4 no such VM or image, 5 its state forbids it, 6 it cannot be saved, 7 refused by a guard,\n\
    8 not enough space, 9 busy, 10 no connection or permission, 124 time limit,\n\
    129, 130, 143 cancelled by HUP, INT, TERM."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What goes for every verb.
    #[command(flatten)]
    pub common: Common,
}

/// What goes for every verb.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every verb")]
pub struct Common {
    /// The libvirt to talk to.
    #[arg(
        short,
        long,
        global = true,
        value_name = "URI",
        value_parser = NonEmptyStringValueParser::new(),
        help = "The libvirt to talk to (several: on several hosts); without it libvirt's own rules choose \
            (LIBVIRT_DEFAULT_URI ...)"
    )]
    pub connect: Vec<String>,
    /// A file in YAML that lists hosts: name, uri, labels
    #[arg(long, global = true, value_name = "FILE")]
    pub hosts: Option<PathBuf>,
    /// How the answer is written
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORM"
    )]
    pub output: Form,
    /// Only the answer and errors: no words, no progress
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say what is being done
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Give up after this time (such as 90s or 10m): a hibernation is cancelled
    #[arg(long, global = true, value_name = "TIME", value_parser = parse_time)]
    pub timeout: Option<Duration>,
}

/// Which VMs.
#[derive(Debug, Args)]
pub struct Targets {
    /// Names, UUIDs, quoted globs, or definition files
    #[arg(value_name = "TARGET", value_parser = NonEmptyStringValueParser::new())]
    pub targets: Vec<String>,
    /// A definition file that names VMs (may be given several times)
    #[arg(short, long = "file", value_name = "DEFINITION", value_parser = NonEmptyStringValueParser::new())]
    pub files: Vec<String>,
    /// A running VM by its domain id, which changes at every start
    #[arg(long = "id", value_name = "NUMBER")]
    pub numbers: Vec<u32>,
    /// Leave out the VMs whose name matches
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,
    /// Only VMs with this label (several: with all of them); alone it means all that have it
    #[arg(short = 'l', long = "selector", value_name = "KEY=VALUE", value_parser = parse_label)]
    pub labels: Vec<(String, String)>,
    /// Only VMs whose group's name (vmGroupName) matches; alone it means all of them
    #[arg(long = "group", value_name = "GLOB", value_parser = NonEmptyStringValueParser::new())]
    pub groups: Vec<String>,
}

/// Which VMs, and how strictly.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools)] // Each is a word of the command line.
pub struct Acting {
    /// Which VMs.
    #[command(flatten)]
    pub targets: Targets,
    /// All VMs that this can be done to
    #[arg(long)]
    pub all: bool,
    /// Only say what would be done
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Refuse (exit status 5) what is already so
    #[arg(long)]
    pub strict: bool,
    /// All of them as one, so that none finds another one missing: if one fails, none is changed
    #[arg(long)]
    pub together: bool,
    /// How many VMs are worked on at once
    #[arg(
        short,
        long,
        value_name = "NUMBER",
        help = "How many VMs are worked on at once; without it as many as processors and disk can do"
    )]
    pub jobs: Option<NonZeroU8>,
}

/// How an image is written or read.
#[derive(Debug, Args)]
pub struct Image {
    /// Let the VM run when it is restored, whatever it did before
    #[arg(long, conflicts_with = "paused")]
    pub running: bool,
    /// Let the VM stay paused when it is restored
    #[arg(long)]
    pub paused: bool,
    /// Go round the page cache of the daemon's host
    #[arg(long)]
    pub bypass_cache: bool,
    /// Use so many threads of QEMU at once (1 to 255); for sparse images only (libvirt 11.2)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    pub parallel_channels: Option<u8>,
}

/// In which format an image is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ImageFormat {
    /// The fastest that this libvirt, its QEMU and the file system support
    Auto,
    /// As it is
    Raw,
    /// Each page at its place, zero pages as holes; past the page cache
    Sparse,
    /// Compressed by gzip
    Gzip,
    /// Compressed by bzip2
    Bzip2,
    /// Compressed by xz
    Xz,
    /// Compressed by lzop
    Lzop,
    /// Compressed by zstd
    Zstd,
}

/// What is shown of VMs, and how.
#[derive(Clone, Debug, Default, Args)]
#[expect(clippy::struct_excessive_bools)] // Each is a word of the command line.
pub struct Showing {
    /// A list of these columns, separated by commas
    #[arg(
        long,
        value_name = "COLUMNS",
        value_delimiter = ',',
        ignore_case = true,
        value_parser = column_parser()
    )]
    pub columns: Vec<&'static Column>,
    /// Leave out the line above a list
    #[arg(long)]
    pub no_headers: bool,
    /// Look twice, so far apart (100ms to 1h), and show also rates: CPU, disks, network
    #[arg(long, value_name = "TIME", value_parser = parse_sample)]
    pub sample: Option<Duration>,
    /// What the next start will find, and the state; nothing of what runs now
    #[arg(long, conflicts_with = "migratable")]
    pub inactive: bool,
    /// The form that can move to another host
    #[arg(long)]
    pub migratable: bool,
    /// Only what differs from a definition: FILE's, else the one that names the VM
    #[arg(
        long,
        value_name = "FILE",
        // Else it would swallow the TARGET behind it.
        require_equals = true,
        conflicts_with = "columns",
        value_parser = NonEmptyStringValueParser::new()
    )]
    pub diff: Option<Option<String>>,
    /// List images, without a daemon: those in the folders that are named, else in the image place
    #[arg(long, conflicts_with_all = [
        "columns", "sample", "inactive", "migratable", "diff", "security_info", "files", "numbers"
    ])]
    pub images: bool,
    /// Read images, and compare them with their checksums; a damaged one makes the exit status 7
    #[arg(long, conflicts_with = "diff")]
    pub verify: bool,
    /// Show the list, and then what changes in it, as libvirt tells it, until Ctrl-C or --timeout
    #[arg(long, conflicts_with_all = [
        "sample", "inactive", "migratable", "diff", "images", "verify", "security_info"
    ])]
    pub watch: bool,
    /// Show passwords, keys and scripts, too; needs a connection that may do anything
    #[arg(long)]
    pub security_info: bool,
}

impl Showing {
    /// What clap cannot check: words that make no sense in this form.
    #[must_use]
    pub fn problem(&self, form: Form) -> Option<&'static str> {
        let is_list = matches!(form, Form::Table | Form::Wide);
        if !self.columns.is_empty() && !is_list {
            Some("--columns are those of a table, which -o asks not for")
        } else if self.watch && !is_list && form != Form::Jsonl {
            Some("--watch tells changes as -o table, wide or jsonl")
        } else if self.diff.is_some() && form == Form::Xml {
            Some("--diff has no form in XML")
        } else if self.images && form == Form::Xml {
            Some("--images has no form in XML; vmlife show -o xml FILE prints what an image holds")
        } else {
            None
        }
    }
}

/// A column by its name, whatever its case; the help lists them.
fn column_parser() -> impl TypedValueParser<Value = &'static Column> {
    let values = columns()
        .iter()
        .map(|column| PossibleValue::new(column.name).help(column.help));
    PossibleValuesParser::new(values).try_map(|name| {
        let found = columns()
            .iter()
            .find(|column| column.name.eq_ignore_ascii_case(&name));
        found.ok_or("there is no such column")
    })
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write the memory of VMs to files, and stop them
    #[command(alias = "save")]
    Hibernate {
        /// Which VMs.
        #[command(flatten)]
        acting: Acting,
        /// Where the image goes.
        #[arg(
            long,
            value_name = "FILE|DIR",
            help = "The image's file, or a folder for it, instead of the image place (that is VMLIFE_IMAGES, \
                else /var/lib/vmlife/images, for session connections $XDG_STATE_HOME/vmlife/images)"
        )]
        to: Option<PathBuf>,
        /// Let libvirt keep the image itself: whatever starts the VM next then restores it
        #[arg(long, conflicts_with_all = ["to", "image_format", "parallel_channels"])]
        managed: bool,
        /// How far the guests are shrunk first.
        #[arg(
            long,
            value_name = "SIZE",
            // Else it would swallow the TARGET behind it.
            require_equals = true,
            value_parser = MemorySize::parse_typed,
            help = "Shrink the guest's memory first by its balloon, to SIZE (such as 512M) or, without it, to what \
                the guest uses and a margin; a restore gives all back"
        )]
        trim: Option<Option<MemorySize>>,
        /// In which format, instead of the daemon's own choice (libvirt 11.2)
        #[arg(long, value_enum, value_name = "FORMAT")]
        image_format: Option<ImageFormat>,
        /// How the image is written.
        #[command(flatten)]
        image: Image,
        /// Read the image back, and note its checksum: a restore then finds whatever has changed in it
        #[arg(long)]
        checksum: bool,
        /// Save also against what a guard says, such as a VM that paused on an error of a disk
        #[arg(long)]
        force: bool,
        /// So much time (such as 5m) for all of them: the important ones first, and none that would not be done in it
        #[arg(long, value_name = "TIME", value_parser = parse_time, conflicts_with = "together")]
        within: Option<Duration>,
    },
    /// Bring hibernated VMs back exactly where they were
    Restore {
        /// Which VMs.
        #[command(flatten)]
        acting: Acting,
        /// An image that lies elsewhere; it tells itself whose it is
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
        /// How the image is read.
        #[command(flatten)]
        image: Image,
        /// Leave the image there, marked as used
        #[arg(long)]
        keep: bool,
        /// Boot a VM that has no image; one that libvirt does not know is defined first
        #[arg(long)]
        or_start: bool,
        /// Restore also against what a guard says: an image that was used, is stale (old memory over newer disks), or damaged
        #[arg(long)]
        force: bool,
        /// Restore nothing, but give the image up: it is removed, and what is in it is lost
        #[arg(long, conflicts_with_all = ["all", "keep", "or_start", "force", "running", "paused", "bypass_cache", "parallel_channels"])]
        discard: bool,
        /// Do not ask before an image is given up
        #[arg(long, requires = "discard")]
        yes: bool,
    },
    /// Freeze VMs: no CPU, no I/O, the memory stays allocated
    Pause {
        /// Which VMs.
        #[command(flatten)]
        acting: Acting,
    },
    /// Let paused VMs go on, and wake those that sleep
    #[command(alias = "unpause")]
    Resume {
        /// Which VMs.
        #[command(flatten)]
        acting: Acting,
    },
    /// List VMs, or describe one
    #[command(alias = "info")]
    Show {
        /// Which VMs.
        #[command(flatten)]
        targets: Targets,
        /// What of them.
        #[command(flatten)]
        showing: Showing,
    },
    /// Means two things, and so is none of ours.
    #[command(hide = true)]
    Suspend {
        /// Whatever else was typed.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
        rest: Vec<String>,
    },
}

/// The forms of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people
    #[default]
    Table,
    /// The same with more columns; of show: a list always
    Wide,
    /// For programs
    Json,
    /// For programs, a line of JSON for each VM as soon as it is there
    Jsonl,
    /// For programs and people; of show: definitions that load again
    Yaml,
    /// libvirt's own XML (show only)
    Xml,
    /// The names, a line each; of show --images: the files
    Name,
}

fn parse_label(text: &str) -> Result<(String, String), String> {
    let label = text.split_once('=').filter(|(key, _)| !key.is_empty());
    let (key, value) = label.ok_or("it is no label; such are tier=web")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Between two looks that are nearer to each other most counters stand still; nobody waits for longer than
/// that.
fn parse_sample(text: &str) -> Result<Duration, String> {
    let time = parse_time(text)?;
    if (Duration::from_millis(100)..=Duration::from_secs(3600)).contains(&time) {
        Ok(time)
    } else {
        Err("a sample takes 100ms to 1h".to_owned())
    }
}

fn parse_time(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let time: jiff::SignedDuration = text.parse().map_err(|_| {
        "it is no time; such are 30s, 10m, 1h30m, or a number of seconds".to_owned()
    })?;
    Duration::try_from(time).map_err(|_| "a time limit cannot be negative".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_declaration_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, seconds) in [
            ("90", 90),
            ("90s", 90),
            ("10m", 600),
            ("1h30m", 5400),
            ("0", 0),
        ] {
            assert_eq!(parse_time(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "soon", "-5s", "5 parsecs"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
        for (text, is_sample) in [
            ("100ms", true),
            ("1h", true),
            ("0", false),
            ("1000d", false),
        ] {
            assert_eq!(parse_sample(text).is_ok(), is_sample, "{text}");
        }
    }

    #[test]
    fn columns_are_read_whatever_their_case_and_wrong_ones_get_the_right_ones() {
        let parse = |words: &[&str]| Cli::try_parse_from(["vmlife", "show"].iter().chain(words));
        let cli = parse(&["--columns", "name,Cpu%", "vm"]).unwrap();
        let Command::Show { targets, showing } = cli.command else {
            panic!("it is show");
        };
        let names: Vec<&str> = showing.columns.iter().map(|column| column.name).collect();
        assert_eq!(names, ["NAME", "CPU%"]);
        assert_eq!(targets.targets, ["vm"]);
        assert!(showing.problem(Form::Json).is_some() && showing.problem(Form::Wide).is_none());
        let error = parse(&["--columns", "NAME,STAET"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let error = error.to_string();
        assert!(
            error.contains("'STAET'") && error.contains("'STATE'"),
            "{error}"
        );
        assert!(error.contains("[possible values: NAME, STATE,"), "{error}");
        assert!(parse(&["--columns", ""]).is_err());
    }

    #[test]
    fn a_difference_to_a_file_takes_no_target_for_it() {
        let parse = |words: &[&str]| {
            let cli = Cli::try_parse_from(["vmlife", "show"].iter().chain(words)).unwrap();
            match cli.command {
                Command::Show { targets, showing } => (showing.diff, targets.targets),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(parse(&["vm"]), (None, vec!["vm".to_owned()]));
        assert_eq!(
            parse(&["--diff", "vm.yaml"]),
            (Some(None), vec!["vm.yaml".to_owned()])
        );
        assert_eq!(
            parse(&["--diff=vm.yaml"]),
            (Some(Some("vm.yaml".to_owned())), vec![])
        );
    }
}
