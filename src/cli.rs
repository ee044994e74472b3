//! The command line, declared; what it means is decided elsewhere. Of an option's words the first paragraph is what
//! `-h` tells, in a line; all of them are told by `--help` and the manual.

#![expect(
    clippy::doc_markdown,
    reason = "help shows the words as they stand here"
)]

use crate::entity::MemorySize;
use crate::field::Field;
use crate::help;
use crate::render::{Column, Filter, SortKey, column, columns};
use clap::builder::{
    NonEmptyStringValueParser, PossibleValue, PossibleValuesParser, TypedValueParser,
};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::num::NonZeroU8;
use std::path::PathBuf;
use std::time::Duration;

/// Hibernate, restore, pause, resume and show libvirt VMs without losing one.
#[derive(Debug, Parser)]
#[command(
    name = "vmlife",
    version,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100,
    help_template = help::TEMPLATE,
    before_help = help::VMLIFE.in_lines(usize::MAX),
    before_long_help = help::VMLIFE.in_full(),
    after_help = "More: vmlife VERB -h, vmlife VERB --help, man vmlife-VERB, man vmlife-virsh",
    after_long_help = help::VMLIFE.explained()
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
#[expect(clippy::struct_excessive_bools)] // Each is a word of the command line.
pub struct Common {
    /// The libvirt to talk to; several times: several hosts
    ///
    /// Such as qemu:///system or qemu+ssh://root@host/system. Without it libvirt's own rules choose:
    /// LIBVIRT_DEFAULT_URI, else uri_default of libvirt.conf, else what it finds. Of several hosts the VMs are called
    /// host/name.
    #[arg(
        short,
        long,
        global = true,
        value_name = "URI",
        value_parser = NonEmptyStringValueParser::new()
    )]
    pub connect: Vec<String>,
    /// A file in YAML that lists hosts: name, uri, labels
    #[arg(long, global = true, value_name = "FILE")]
    pub hosts: Option<PathBuf>,
    /// Print table, wide, json, jsonl, yaml, xml or name
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORM",
        hide_possible_values = true,
        hide_default_value = true,
        long_help = with_words("How the answer is written on standard output:", words_of::<Form>())
    )]
    pub output: Form,
    /// Tell progress as auto, plain, json or none
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORM",
        hide_possible_values = true,
        hide_short_help = true,
        hide_default_value = true,
        long_help = with_words("How progress is told on standard error:", words_of::<ProgressForm>())
    )]
    pub progress: ProgressForm,
    /// Colour states: auto, always or never
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        hide_possible_values = true,
        hide_short_help = true,
        hide_default_value = true,
        long_help = with_words(
            "Whether states have colours; NO_COLOR, CLICOLOR_FORCE and TERM are heeded:",
            words_of::<Color>()
        )
    )]
    pub color: Color,
    /// Only the answer and errors: no words, no progress
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say what is being done
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Give up after a time such as 90s, 10m or 1h30m
    ///
    /// A hibernation or restore that is not done by then is cancelled, as by Ctrl-C: the VM is as it was before. The
    /// exit status is 124.
    #[arg(long, global = true, value_name = "TIME", value_parser = parse_limit)]
    pub timeout: Option<Duration>,
    /// Never ask anything
    ///
    /// As where there is no terminal: what would be asked is refused (status 2), unless --yes says it beforehand.
    #[arg(long, global = true, hide_short_help = true)]
    pub no_input: bool,
    /// Heed no file of settings
    ///
    /// Neither the user's nor the system's (see CONFIGURATION in the manual).
    #[arg(long, global = true)]
    pub no_config: bool,
}

/// Which VMs.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which VMs")]
pub struct Targets {
    /// Names, UUIDs, globs ('web-*'), definition files
    ///
    /// A glob has to be quoted, so that the shell leaves it alone. A word is a definition file, in YAML or libvirt's
    /// XML, if it contains a / or ends in .yaml, .yml or .xml; - is standard input. Every word is resolved before the
    /// first VM is touched.
    #[arg(value_name = "TARGET", display_order = 0, value_parser = NonEmptyStringValueParser::new())]
    pub targets: Vec<String>,
    /// A definition file that names VMs
    ///
    /// May be given several times, and may have any name.
    #[arg(short, long = "file", value_name = "DEFINITION", value_parser = NonEmptyStringValueParser::new())]
    pub files: Vec<String>,
    /// A running VM by its number, libvirt's domain id
    ///
    /// It is another one at every start, so that a script had better use the name or UUID.
    #[arg(long = "id", value_name = "NUMBER")]
    pub numbers: Vec<u32>,
    /// Leave out the VMs whose name matches
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,
    /// Only VMs with this label; alone: all that have it
    ///
    /// Given several times, it means the VMs with all of these labels. A VM gets its labels in its definition: labels:
    /// { tier: web }.
    #[arg(short = 'l', long = "selector", value_name = "KEY=VALUE", value_parser = parse_label)]
    pub labels: Vec<(String, String)>,
    /// Only VMs whose group matches; alone: all of them
    ///
    /// The group is vmGroupName of the VM's definition.
    #[arg(long = "group", value_name = "GLOB", value_parser = NonEmptyStringValueParser::new())]
    pub groups: Vec<String>,
}

/// Which VMs, and how strictly.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools)] // Each is a word of the command line.
pub struct Acting {
    /// All VMs that this can be done to
    #[arg(long, help_heading = "Which VMs")]
    pub all: bool,
    /// Only say what would be done
    ///
    /// All guards are asked, and no VM is touched.
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Refuse (exit status 5) what is already so
    ///
    /// Without it that is a success, which changes nothing.
    #[arg(long)]
    pub strict: bool,
    /// All of them as one: if one fails, none is changed
    ///
    /// So that no member of a cluster finds another one missing: all are paused before the first is saved, and none
    /// runs before the last is restored.
    #[arg(long)]
    pub together: bool,
    /// How many VMs are worked on at once
    ///
    /// Without it as many as processors and disk can do.
    #[arg(short, long, value_name = "NUMBER")]
    pub jobs: Option<NonZeroU8>,
    /// What is run around each VM.
    #[command(flatten)]
    pub hooks: HookArgs,
    /// Which VMs. Their heading would go on for what comes after it.
    #[command(flatten)]
    pub targets: Targets,
}

/// What is run around what is done to a VM.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Hooks")]
pub struct HookArgs {
    /// A command to run before each VM is touched
    ///
    /// For a shell. It tells by its exit status whether the VM may be touched. What it finds in its environment stands
    /// in the manual.
    #[arg(long, value_name = "COMMAND", value_parser = NonEmptyStringValueParser::new())]
    pub pre: Vec<String>,
    /// A command to run after each VM was touched
    ///
    /// For a shell. If it fails, that is a warning only.
    #[arg(long, value_name = "COMMAND", value_parser = NonEmptyStringValueParser::new())]
    pub post: Vec<String>,
    /// How long a hook may take
    #[arg(long, value_name = "TIME", value_parser = parse_limit, default_value = "60s")]
    pub hook_limit: Duration,
    /// Run none of the hooks' folder
    ///
    /// That is /etc/vmlife/hooks.d, for session connections $XDG_CONFIG_HOME/vmlife/hooks.d.
    #[arg(long)]
    pub no_hooks: bool,
}

/// How guests wake up.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Waking up")]
pub struct WakingArgs {
    /// Leave the guest's clock alone
    ///
    /// Else its agent sets it, which is told, and nothing fails for it.
    #[arg(long)]
    pub no_clock: bool,
    /// Wait until the guest is there (agent, ip)
    #[arg(
        long,
        hide_possible_values = true,
        hide_default_value = true,
        long_help = with_words("Wait until the guest is there; without a word until its agent answers:", words_of::<WaitFor>()),
        value_enum,
        value_name = "FOR",
        num_args = 0..=1,
        // Else it would swallow the TARGET behind it.
        require_equals = true,
        default_value_t,
        default_missing_value = "agent"
    )]
    pub wait: WaitFor,
    /// How long each VM is waited for
    ///
    /// What has not come then makes the exit status 124, and the VM runs on.
    #[arg(long, value_name = "TIME", value_parser = parse_limit, default_value = "2m")]
    pub wait_limit: Duration,
}

/// What of a guest is waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum WaitFor {
    /// That its agent answers
    Agent,
    /// That it has an IP address, by a lease, its agent or the host's ARP table
    Ip,
    /// For nothing
    #[default]
    None,
}

/// How an image is written or read.
#[derive(Debug, Args)]
pub struct Image {
    /// Let the VM run when it is restored
    ///
    /// Whatever it did before. Without this and --paused it comes back as it was.
    #[arg(long, conflicts_with = "paused")]
    pub running: bool,
    /// Let the VM stay paused when it is restored
    #[arg(long)]
    pub paused: bool,
    /// Go round the page cache of the daemon's host
    #[arg(long)]
    pub bypass_cache: bool,
    /// Use N threads of QEMU; for sparse images only
    ///
    /// 1 to 255. It needs libvirt 11.2. Any number reads what any wrote.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    pub parallel_channels: Option<u8>,
}

/// In which format an image is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ImageFormat {
    /// The fastest that libvirt, QEMU and the file system support
    Auto,
    /// As it is
    Raw,
    /// Each page at its place, zeros as holes; past the page cache
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
    /// A list of these, such as NAME,STATE,IP
    #[arg(
        long,
        value_name = "COLUMNS",
        value_delimiter = ',',
        ignore_case = true,
        value_parser = column_parser(),
        hide_possible_values = true,
        long_help = with_words("A list of these columns, separated by commas:", column_words())
    )]
    pub columns: Vec<&'static Column>,
    /// Leave out the line above a list
    #[arg(long)]
    pub no_headers: bool,
    /// Sort by columns or fields
    ///
    /// They are separated by commas; -COLUMN has the greatest first. What is not known comes last.
    #[arg(
        long,
        value_name = "COLUMNS",
        value_delimiter = ',',
        allow_hyphen_values = true,
        value_parser = SortKey::parse
    )]
    pub sort_by: Vec<SortKey>,
    /// Sort the other way round
    #[arg(long, requires = "sort_by")]
    pub reverse: bool,
    /// Only VMs that are so (STATE=Up)
    ///
    /// Several: all of it. KEY is a column or a field such as vmDynamic.status, VALUE a glob whatever its case; also
    /// KEY!=VALUE and, of numbers, sizes and times, KEY>VALUE, >=, <, <=.
    #[arg(long = "filter", value_name = "KEY=VALUE", value_parser = Filter::parse)]
    pub filters: Vec<Filter>,
    /// Print this field alone
    ///
    /// A line for each VM; several fields are apart by tabs. show NAME FIELD does so, too.
    #[arg(long = "field", value_name = "FIELD", value_parser = Field::parse)]
    pub fields: Vec<Field>,
    /// Print the state; 0 if it runs, else 3
    ///
    /// Of several VMs the states, a line each, and 0 if all of them run. With -q nothing is printed.
    #[arg(long, conflicts_with_all = [
        "columns", "sort_by", "fields", "diff", "images", "verify", "watch", "sample"
    ])]
    pub exit_state: bool,
    /// Show the answer with PAGER, or less
    ///
    /// If it goes to a terminal.
    #[arg(long, conflicts_with = "watch")]
    pub pager: bool,
    /// Look twice, so far apart, and show rates, too
    ///
    /// 100ms to 1h. Rates are those of CPU, disks and network.
    #[arg(long, value_name = "TIME", value_parser = parse_sample)]
    pub sample: Option<Duration>,
    /// What the next start finds, and the state
    ///
    /// Nothing is shown of what runs now. With -o yaml that is the form of a definition to keep.
    #[arg(long, conflicts_with = "migratable")]
    pub inactive: bool,
    /// The form of the XML that can move to another host
    #[arg(long)]
    pub migratable: bool,
    /// Only what differs from a definition
    ///
    /// FILE's, else the one that names the VM. If there is a difference the exit status is 1.
    #[arg(
        long,
        value_name = "FILE",
        // Else it would swallow the TARGET behind it.
        require_equals = true,
        conflicts_with_all = ["columns", "sort_by", "filters", "fields"],
        value_parser = NonEmptyStringValueParser::new()
    )]
    pub diff: Option<Option<String>>,
    /// List images: what is asleep, since when, how big
    ///
    /// No daemon is asked. TARGETs are folders then; without one it is the image place.
    #[arg(long, conflicts_with_all = [
        "columns", "sort_by", "filters", "fields", "sample", "inactive", "migratable", "diff", "security_info",
        "files", "numbers"
    ])]
    pub images: bool,
    /// Read images, and compare them with their checksums
    ///
    /// A damaged one makes the exit status 7.
    #[arg(long, conflicts_with = "diff")]
    pub verify: bool,
    /// Show the list, and then what changes in it
    ///
    /// As libvirt tells it, until Ctrl-C or --timeout.
    #[arg(long, conflicts_with_all = [
        "sample", "inactive", "migratable", "diff", "images", "verify", "security_info", "sort_by", "fields"
    ])]
    pub watch: bool,
    /// Show passwords, keys and scripts, too
    ///
    /// It needs a connection that may do anything.
    #[arg(long)]
    pub security_info: bool,
    /// List what options are set to, and where
    ///
    /// By a file, by a variable of the environment, or built in. No daemon is asked.
    #[arg(long, conflicts_with_all = [
        "targets", "files", "numbers", "exclude", "labels", "groups", "columns", "sample", "inactive", "migratable",
        "diff", "images", "verify", "watch", "security_info"
    ])]
    pub config: bool,
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
        } else if self.config && form == Form::Xml {
            Some("--config has no form in XML")
        } else if !self.sort_by.is_empty() && form == Form::Jsonl {
            Some(
                "-o jsonl prints each VM as soon as it is there, before all are known to be sorted; -o json sorts",
            )
        } else if (self.exit_state || !self.fields.is_empty()) && form != Form::Table {
            Some("a FIELD and --exit-state are printed as they are, in no form of -o")
        } else if !self.fields.is_empty() && !self.columns.is_empty() {
            Some("--columns make a list, which a FIELD is not")
        } else {
            None
        }
    }
}

/// The words that an option takes.
fn words_of<T: ValueEnum + 'static>() -> impl Iterator<Item = PossibleValue> {
    T::value_variants()
        .iter()
        .filter_map(ValueEnum::to_possible_value)
}

fn column_words() -> impl Iterator<Item = PossibleValue> {
    let word = |column: &Column| PossibleValue::new(column.name).help(column.help);
    columns().iter().map(word)
}

/// What an option means, and each word that it takes. clap's own list of them would take a line of `-h` and more.
fn with_words(meaning: &str, words: impl Iterator<Item = PossibleValue>) -> String {
    let words: Vec<PossibleValue> = words.collect();
    let width = words.iter().map(|word| word.get_name().len()).max();
    let width = width.unwrap_or_default();
    let line = |word: &PossibleValue| {
        let help = word.get_help().map(ToString::to_string);
        format!(
            "\n  {:<width$}  {}",
            word.get_name(),
            help.unwrap_or_default()
        )
    };
    format!("{meaning}\n{}", words.iter().map(line).collect::<String>())
}

/// A column by its name, whatever its case; the help lists them.
fn column_parser() -> impl TypedValueParser<Value = &'static Column> {
    PossibleValuesParser::new(column_words())
        .try_map(|name| column(&name).ok_or("there is no such column"))
}

/// How many examples of a verb `-h` tells.
const SHORT: usize = 4;

/// Of which VMs libvirt keeps the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Managed {
    /// Of all.
    All,
    /// Of those that it starts with the host.
    Autostart,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write the memory of VMs to files, and stop them
    #[command(
        alias = "save",
        help_template = help::TEMPLATE,
        before_help = help::HIBERNATE.in_lines(SHORT),
        before_long_help = help::HIBERNATE.in_full(),
        after_long_help = help::HIBERNATE.explained()
    )]
    Hibernate {
        /// Write the image to this file or folder
        ///
        /// In a folder it is called UUID.vmsave. Without it the image goes to the image place: the folder that
        /// VMLIFE_IMAGES names, else /var/lib/vmlife/images, for session connections
        /// $XDG_STATE_HOME/vmlife/images. An image that lies elsewhere is restored by restore --from.
        #[arg(long, value_name = "FILE|DIR")]
        to: Option<PathBuf>,
        /// Let libvirt keep the image (virsh managedsave)
        ///
        /// Whatever starts the VM next then restores it. WHICH is all, or autostart: that of VMs only which libvirt starts
        /// with the host, since it would boot them without it. All others go to the image place.
        #[arg(
            long,
            value_enum,
            value_name = "WHICH",
            hide_possible_values = true,
            num_args = 0..=1,
            require_equals = true,
            default_missing_value = "all",
            conflicts_with = "to"
        )]
        managed: Option<Managed>,
        /// Shrink the guest's memory first: a small image
        ///
        /// By its balloon, to SIZE (such as 512M) or, without it, to what the guest uses and a margin. A restore gives
        /// all back.
        #[arg(
            long,
            value_name = "SIZE",
            // Else it would swallow the TARGET behind it.
            require_equals = true,
            value_parser = MemorySize::parse_typed
        )]
        trim: Option<Option<MemorySize>>,
        /// auto, raw, sparse, gzip, bzip2, xz, lzop or zstd
        #[arg(
            long,
            value_enum,
            value_name = "FORMAT",
            hide_possible_values = true,
            long_help = with_words(
                "In which format the image is written, instead of the daemon's own choice. It needs libvirt 11.2:",
                words_of::<ImageFormat>()
            )
        )]
        image_format: Option<ImageFormat>,
        /// How the image is written.
        #[command(flatten)]
        image: Image,
        /// Read the image back, and note its checksum
        ///
        /// A restore then finds whatever has changed in the image, before the VM is touched.
        #[arg(long)]
        checksum: bool,
        /// Save even against what a guard says
        ///
        /// Such as a VM that paused on an error of a disk. What is overridden is told, and recorded.
        #[arg(long)]
        force: bool,
        /// A budget for all: the important ones first
        ///
        /// Such as 5m. None is begun that would not be done in it; what did not fit runs on, and makes the exit status
        /// 124.
        #[arg(long, value_name = "TIME", value_parser = parse_limit, conflicts_with = "together")]
        within: Option<Duration>,
        /// Have the guest's agent lock its desktops first
        ///
        /// By loginctl lock-sessions. Where it cannot, that is told, and the VM is hibernated all the same.
        #[arg(long, conflicts_with = "together")]
        lock_desktop: bool,
        /// Which VMs.
        #[command(flatten)]
        acting: Acting,
    },
    /// Bring hibernated VMs back exactly where they were
    #[command(
        help_template = help::TEMPLATE,
        before_help = help::RESTORE.in_lines(SHORT),
        before_long_help = help::RESTORE.in_full(),
        after_long_help = help::RESTORE.explained()
    )]
    Restore {
        /// Restore this image; it tells itself whose it is
        ///
        /// One that lies elsewhere than in the image place, such as virsh save's.
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
        /// How the image is read.
        #[command(flatten)]
        image: Image,
        /// Leave the image there, marked as used
        ///
        /// Without it the image is removed when the VM is back, as its disks move on.
        #[arg(long)]
        keep: bool,
        /// Boot a VM that has no image
        ///
        /// One that libvirt does not know is defined first, if the TARGET is a definition.
        #[arg(long)]
        or_start: bool,
        /// Restore even against what a guard says
        ///
        /// Such as that the image was used, or is stale: old memory over newer disks destroys file systems.
        #[arg(long)]
        force: bool,
        /// Restore nothing: give the image up
        ///
        /// It is removed, and what is in it is lost. It asks at a terminal; elsewhere it needs --yes.
        #[arg(long, conflicts_with_all = ["all", "keep", "or_start", "force", "running", "paused", "bypass_cache", "parallel_channels"])]
        discard: bool,
        /// Do not ask before an image is given up
        #[arg(long, requires = "discard")]
        yes: bool,
        /// Which VMs.
        #[command(flatten)]
        acting: Acting,
        /// How the guests wake up: the last, as what follows would stand below its heading.
        #[command(flatten)]
        waking: WakingArgs,
    },
    /// Freeze VMs: no CPU, no I/O, the memory stays allocated
    #[command(
        help_template = help::TEMPLATE,
        before_help = help::PAUSE.in_lines(SHORT),
        before_long_help = help::PAUSE.in_full(),
        after_long_help = help::PAUSE.explained()
    )]
    Pause {
        /// Which VMs.
        #[command(flatten)]
        acting: Acting,
    },
    /// Let paused VMs go on, and wake those that sleep
    #[command(
        alias = "unpause",
        help_template = help::TEMPLATE,
        before_help = help::RESUME.in_lines(SHORT),
        before_long_help = help::RESUME.in_full(),
        after_long_help = help::RESUME.explained()
    )]
    Resume {
        /// Which VMs.
        #[command(flatten)]
        acting: Acting,
        /// How the guests wake up.
        #[command(flatten)]
        waking: WakingArgs,
    },
    /// List VMs, or describe one
    #[command(
        alias = "info",
        help_template = help::TEMPLATE,
        before_help = help::SHOW.in_lines(SHORT),
        before_long_help = help::SHOW.in_full(),
        after_long_help = help::SHOW.explained()
    )]
    Show {
        /// What of them.
        #[command(flatten)]
        showing: Showing,
        /// Which VMs.
        #[command(flatten)]
        targets: Targets,
    },
    /// Means two things, and so is none of ours.
    #[command(hide = true)]
    Suspend {
        /// Whatever else was typed.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
        rest: Vec<String>,
    },
}

/// The forms of progress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ProgressForm {
    /// Bars on a terminal, a line now and then elsewhere
    #[default]
    Auto,
    /// A line now and then
    Plain,
    /// For programs: a line of JSON for each event and other words
    Json,
    /// Not at all
    None,
}

/// When an answer has colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal that can do it
    #[default]
    Auto,
    /// Also in a pipe
    Always,
    /// Not at all
    Never,
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
    /// For programs: a line of JSON for each VM, once it is there
    Jsonl,
    /// For both; of show: definitions that load again
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

fn parse_limit(text: &str) -> Result<Duration, String> {
    let time = parse_time(text)?;
    if time.is_zero() {
        return Err("a time limit of 0 leaves no time for anything".to_owned());
    }
    Ok(time)
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
