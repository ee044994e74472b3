//! Lists of VMs: the columns there are, and the lists made of them.

use super::table::{GAP, table};
use super::text::{View, harmless, image, label_words, state};
use crate::cli::Form;
use crate::entity::{DiskImage, GuestAgentStatus, Snapshot, SnapshotType, Vm, VmDynamic};
use crate::inventory::Depth;
use crate::report::VmRef;
use crate::words::size;
use std::io::{self, Write};
use std::iter;
use unicode_width::UnicodeWidthStr;

/// What a list can tell of each VM.
#[derive(Debug)]
pub struct Column {
    /// What it is called, and what stands above it.
    pub name: &'static str,
    /// What it tells.
    pub help: &'static str,
    /// How closely a VM must be looked at for it.
    pub needs: Depth,
    /// What it tells of one VM, if there is something to tell.
    cell: fn(&Vm, &View) -> Option<String>,
}

/// The columns of a list that nobody has chosen any for.
const USUAL: [&str; 6] = ["NAME", "STATE", "ID", "VCPUS", "MEMORY", "IMAGE"];
/// What the wide list has beyond them.
const MORE: [&str; 9] = [
    "UUID",
    "CPU%",
    "MEM%",
    "IP",
    "DISKS",
    "SNAPSHOTS",
    "PRIORITY",
    "GROUP",
    "DESCRIPTION",
];

/// Longer words are broken, before a list becomes no list.
const WHOLE: u16 = 20;

/// All columns there are.
static COLUMNS: [Column; 30] = [
    Column {
        name: "NAME",
        help: "The name",
        needs: Depth::Line,
        cell: |vm, _| Some(VmRef::from(vm).to_string()),
    },
    Column {
        name: "STATE",
        help: "The status, and libvirt's reason for it",
        needs: Depth::Line,
        cell: |vm, _| Some(state(vm)),
    },
    Column {
        name: "ID",
        help: "The number of the running domain",
        needs: Depth::Line,
        cell: |vm, _| dynamic(vm)?.domain_id.map(|id| id.to_string()),
    },
    Column {
        name: "UUID",
        help: "The UUID",
        needs: Depth::Line,
        cell: |vm, _| vm.id().map(|id| id.to_string()),
    },
    Column {
        name: "VCPUS",
        help: "vCPUs that are plugged in",
        needs: Depth::Line,
        cell: |vm, _| Some(vm.vm_static.cpu_count().to_string()),
    },
    Column {
        name: "MEMORY",
        help: "The memory",
        needs: Depth::Line,
        cell: |vm, _| vm.vm_static.mem_size_mb.map(|memory| size(memory.bytes())),
    },
    Column {
        name: "IMAGE",
        help: "The images of its memory: size, age, what is wrong with them",
        needs: Depth::Line,
        cell: |vm, view| words(vm.saved_images.iter().map(|found| image(found, view)), "; "),
    },
    Column {
        name: "CPU%",
        help: "Use of its vCPUs in percent; needs --sample",
        needs: Depth::Statistics,
        cell: |vm, _| {
            vm.vm_statistics
                .as_ref()?
                .usage_cpu_percent
                .map(|it| it.to_string())
        },
    },
    Column {
        name: "MEM%",
        help: "Use of its memory in percent",
        needs: Depth::Statistics,
        cell: |vm, _| {
            vm.vm_statistics
                .as_ref()?
                .usage_mem_percent
                .map(|it| it.to_string())
        },
    },
    Column {
        name: "NET%",
        help: "Use of its busiest network card in percent; needs --sample",
        needs: Depth::Statistics,
        cell: |vm, _| {
            vm.vm_statistics
                .as_ref()?
                .usage_network_percent
                .map(|it| it.to_string())
        },
    },
    Column {
        name: "IP",
        help: "The guest's addresses",
        needs: Depth::Run,
        cell: |vm, _| dynamic(vm)?.ip.clone(),
    },
    Column {
        name: "HOSTNAME",
        help: "The guest's host name",
        needs: Depth::Run,
        cell: |vm, _| dynamic(vm).and_then(|it| it.fqdn.clone().or(it.vm_host.clone())),
    },
    Column {
        name: "OS",
        help: "The guest's operating system",
        needs: Depth::Run,
        cell: |vm, _| dynamic(vm).and_then(operating_system),
    },
    Column {
        name: "AGENT",
        help: "Whether the QEMU guest agent is connected",
        needs: Depth::Definition,
        cell: |vm, _| dynamic(vm)?.qemu_guest_agent_status.as_ref().map(agent),
    },
    Column {
        name: "STARTED",
        help: "When it was last started or restored",
        needs: Depth::Definition,
        cell: |vm, view| dynamic(vm)?.last_start_time.map(|at| view.time(at)),
    },
    Column {
        name: "STOPPED",
        help: "When it last ended or was hibernated",
        needs: Depth::Definition,
        cell: |vm, view| dynamic(vm)?.last_stop_time.map(|at| view.time(at)),
    },
    Column {
        name: "DISKS",
        help: "How many disks, and the size of all of them",
        needs: Depth::Statistics,
        cell: |vm, _| Some(disks(&vm.vm_static.images)),
    },
    Column {
        name: "NETWORKS",
        help: "What its network cards are plugged into",
        needs: Depth::Definition,
        cell: |vm, _| {
            let cards = vm.vm_static.interfaces.iter();
            words(
                cards.filter_map(|card| card.network_name.clone().or(card.source_type.clone())),
                ",",
            )
        },
    },
    Column {
        name: "MAC",
        help: "The hardware addresses of its network cards",
        needs: Depth::Definition,
        cell: |vm, _| {
            let cards = vm.vm_static.interfaces.iter();
            words(cards.filter_map(|card| card.mac_address.clone()), ",")
        },
    },
    Column {
        name: "SNAPSHOTS",
        help: "How many snapshots",
        needs: Depth::Run,
        cell: |vm, _| Some(snapshots(vm).count().to_string()),
    },
    Column {
        name: "PRIORITY",
        help: "How much it matters, 0 to 100",
        needs: Depth::Definition,
        cell: |vm, _| Some(vm.vm_static.priority.to_string()),
    },
    Column {
        name: "GROUP",
        help: "Its group",
        needs: Depth::Definition,
        cell: |vm, _| vm.vm_static.vm_group_name.clone(),
    },
    Column {
        name: "LABELS",
        help: "What it is chosen by",
        needs: Depth::Definition,
        cell: |vm, _| Some(label_words(&vm.vm_static)).filter(|words| !words.is_empty()),
    },
    Column {
        name: "POLICY",
        help: "What becomes of it when the host shuts down",
        needs: Depth::Definition,
        cell: |vm, _| {
            let policy = vm.vm_static.host_shutdown_policy;
            policy.map(|policy| policy.to_string())
        },
    },
    Column {
        name: "TEMPLATE",
        help: "The template that it was first made from",
        needs: Depth::Definition,
        cell: |vm, _| vm.vm_static.original_template_name.clone(),
    },
    Column {
        name: "MACHINE",
        help: "The machine type",
        needs: Depth::Definition,
        cell: |vm, _| machine(vm),
    },
    Column {
        name: "NEXT",
        help: "What changes at the next boot",
        needs: Depth::Run,
        cell: |vm, _| words(vm.next_run_changed_fields.iter().cloned(), ","),
    },
    Column {
        name: "JOB",
        help: "What is being done to it now",
        needs: Depth::Whole,
        cell: |vm, _| job(vm),
    },
    Column {
        name: "COMMENT",
        help: "A short remark",
        needs: Depth::Definition,
        cell: |vm, _| Some(vm.vm_static.comment.clone()),
    },
    Column {
        name: "DESCRIPTION",
        help: "The first line of its description",
        needs: Depth::Definition,
        cell: |vm, _| vm.vm_static.description.lines().next().map(str::to_owned),
    },
];

/// All columns there are.
#[must_use]
pub fn columns() -> &'static [Column] {
    &COLUMNS
}

/// How closely VMs must be looked at for this form and these columns; `one`: whether the answer is
/// about one VM that was named, which gets a page.
#[must_use]
pub fn depth(form: Form, columns: &[&'static Column], one: bool) -> Depth {
    match form {
        Form::Name | Form::Xml => Depth::Line,
        Form::Json | Form::Jsonl | Form::Yaml => Depth::Whole,
        Form::Table | Form::Wide if is_page(form, columns, one) => Depth::Whole,
        Form::Table | Form::Wide => {
            let needs = chosen(form, columns).into_iter().map(|column| column.needs);
            needs.max().unwrap_or(Depth::Line)
        }
    }
}

/// Whether a single VM gets a page: so it is unless a list was asked for.
pub(super) fn is_page(form: Form, columns: &[&'static Column], one: bool) -> bool {
    one && form == Form::Table && columns.is_empty()
}

/// The columns of a list: those that were asked for, else those of the form.
pub(super) fn chosen(form: Form, columns: &[&'static Column]) -> Vec<&'static Column> {
    if !columns.is_empty() {
        return columns.to_vec();
    }
    let more = MORE.iter().filter(|_| form == Form::Wide);
    let names = USUAL.iter().chain(more);
    names
        .filter_map(|name| COLUMNS.iter().find(|column| column.name == *name))
        .collect()
}

/// One line for each VM, of which nothing else is kept: there can be many. What there is nothing to tell of is
/// a dash, so that scripts can count.
pub(super) struct List {
    columns: Vec<&'static Column>,
    titled: bool,
    view: View,
    /// All cells, each with a line's end behind it, which is in none of them.
    text: String,
    /// The widest cell of each column.
    widths: Vec<usize>,
}

impl List {
    pub(super) fn new(columns: Vec<&'static Column>, titled: bool, view: View) -> Self {
        let header = columns.iter().map(|column| column.name.len());
        let widths = header.map(|width| if titled { width } else { 0 }).collect();
        Self {
            columns,
            titled,
            view,
            text: String::new(),
            widths,
        }
    }

    /// Adds the line of a VM.
    pub(super) fn add(&mut self, vm: &Vm) {
        for (column, width) in self.columns.iter().zip(&mut self.widths) {
            let cell = (column.cell)(vm, &self.view).filter(|cell| !cell.is_empty());
            let cell = harmless(cell.as_deref().unwrap_or("-"));
            *width = cell.width().max(*width);
            self.text.push_str(&cell);
            self.text.push('\n');
        }
    }

    fn rows(&self) -> impl Iterator<Item = Vec<&str>> {
        let mut cells = self.text.split_terminator('\n');
        let columns = self.columns.len();
        iter::from_fn(move || {
            let row: Vec<&str> = cells.by_ref().take(columns).collect();
            (!row.is_empty()).then_some(row)
        })
    }

    /// Writes all of it, as it fits the width.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let gaps = self.widths.len().saturating_sub(1) * GAP;
        let whole = self.widths.iter().sum::<usize>() + gaps;
        let header: Vec<&str> = self.columns.iter().map(|column| column.name).collect();
        if self.view.width.is_some_and(|width| whole > width.into()) {
            let rows = self
                .rows()
                .map(|row| row.into_iter().map(str::to_owned).collect());
            let text = table(&header, self.titled, rows.collect(), WHOLE, self.view.width);
            return out.write_all(text.as_bytes());
        }
        for row in self.titled.then_some(header).into_iter().chain(self.rows()) {
            // No blanks at the end of a line.
            let last = row
                .iter()
                .rposition(|cell| !cell.is_empty())
                .unwrap_or_default();
            for (index, (cell, width)) in row.iter().zip(&self.widths).enumerate().take(last + 1) {
                let blanks = if index == last {
                    0
                } else {
                    width - cell.width() + GAP
                };
                write!(out, "{cell}{:blanks$}", "")?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}

fn dynamic(vm: &Vm) -> Option<&VmDynamic> {
    vm.vm_dynamic.as_ref()
}

fn words(words: impl Iterator<Item = String>, between: &str) -> Option<String> {
    let words: Vec<String> = words.collect();
    Some(words.join(between)).filter(|text| !text.is_empty())
}

fn disks(images: &[DiskImage]) -> String {
    let sizes: Vec<u64> = images
        .iter()
        .filter_map(|disk| Some(disk.size?.0))
        .collect();
    let all = sizes
        .iter()
        .fold(0_u64, |all, one| all.saturating_add(*one));
    match images.len() {
        count if sizes.is_empty() => count.to_string(),
        count => format!("{count} ({})", size(all)),
    }
}

/// The snapshots that somebody made; those that stand for the present and the next run are none of them.
pub(super) fn snapshots(vm: &Vm) -> impl Iterator<Item = &Snapshot> {
    let is_made = |snapshot: &&Snapshot| {
        !matches!(
            snapshot.snapshot_type,
            Some(SnapshotType::Active | SnapshotType::NextRun)
        )
    };
    vm.snapshots.iter().filter(is_made)
}

/// The machine type in use, else the one that is asked for.
pub(super) fn machine(vm: &Vm) -> Option<String> {
    let live = dynamic(vm).and_then(|dynamic| dynamic.emulated_machine.clone());
    live.or_else(|| vm.vm_static.custom_emulated_machine.clone())
}

/// "Debian GNU/Linux 12 (bookworm)".
pub(super) fn operating_system(dynamic: &VmDynamic) -> Option<String> {
    let codename = dynamic.guest_os_codename.as_ref();
    let parts = [
        dynamic.guest_os_distribution.clone(),
        dynamic.guest_os_version.clone(),
        codename.map(|name| format!("({name})")),
    ];
    words(parts.into_iter().flatten(), " ").or_else(|| dynamic.guest_os.clone())
}

/// Whether a guest agent is there, in words.
pub(super) fn agent(status: &GuestAgentStatus) -> String {
    match status {
        GuestAgentStatus::Exists => "connected".to_owned(),
        GuestAgentStatus::DoesntExist => "not connected".to_owned(),
        GuestAgentStatus::UpdateNeeded => "connected, too old".to_owned(),
        GuestAgentStatus::Other(word) => word.clone(),
    }
}

/// "save, 40 %".
pub(super) fn job(vm: &Vm) -> Option<String> {
    let percent = vm
        .background_operation_progress
        .map(|percent| format!("{percent} %"));
    words(
        [vm.background_operation_description.clone(), percent]
            .into_iter()
            .flatten(),
        ", ",
    )
}

/// A whole list.
#[cfg(test)]
pub(super) fn list(vms: &[Vm], columns: &[&'static Column], titled: bool, view: &View) -> String {
    let mut list = List::new(columns.to_vec(), titled, view.clone());
    for vm in vms {
        list.add(vm);
    }
    let mut text = Vec::new();
    list.write(&mut text).expect("it can be written");
    String::from_utf8(text).expect("text")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::sample;
    use crate::render::text::at_width;

    fn vms() -> [Vm; 2] {
        let bare = serde_json::from_str(r#"{"vmStatic": {"name": "bare"}}"#).unwrap();
        [sample(), bare]
    }

    #[test]
    fn every_vm_has_every_column_also_where_there_is_nothing_to_tell() {
        let shown = |form, titled| list(&vms(), &chosen(form, &[]), titled, &at_width(None));
        assert_eq!(shown(Form::Table, true), USUAL_LIST);
        assert_eq!(shown(Form::Wide, true), WIDE_LIST);
        let bare = shown(Form::Table, false);
        assert_eq!(
            bare.lines().next(),
            Some(
                "web-1  Up (restored)  7  2  2.00 GiB  286.00 MiB, 3 hours old, used; managed by libvirt"
            )
        );
        assert_eq!(bare.lines().count(), 2);
    }

    #[test]
    fn the_columns_of_the_lists_exist_and_no_two_are_alike() {
        assert_eq!(chosen(Form::Wide, &[]).len(), USUAL.len() + MORE.len());
        for column in columns() {
            let alike = columns().iter().filter(|other| other.name == column.name);
            assert_eq!(alike.count(), 1, "{}", column.name);
        }
    }

    #[test]
    fn only_what_needs_it_is_looked_at_closely() {
        let column = |name: &str| columns().iter().find(|column| column.name == name).unwrap();
        for (form, columns, one, needs) in [
            (Form::Table, vec![], false, Depth::Line),
            (Form::Table, vec![], true, Depth::Whole),
            (Form::Name, vec![], true, Depth::Line),
            (Form::Xml, vec![], true, Depth::Line),
            (Form::Wide, vec![], false, Depth::Run),
            (Form::Json, vec![], false, Depth::Whole),
            (
                Form::Table,
                vec![column("NAME"), column("UUID")],
                true,
                Depth::Line,
            ),
            (
                Form::Table,
                vec![column("NAME"), column("MAC")],
                false,
                Depth::Definition,
            ),
            (
                Form::Table,
                vec![column("MAC"), column("DISKS")],
                false,
                Depth::Statistics,
            ),
            (
                Form::Wide,
                vec![column("NAME"), column("IP")],
                false,
                Depth::Run,
            ),
        ] {
            assert_eq!(
                depth(form, &columns, one),
                needs,
                "{form:?} {columns:?} {one}"
            );
        }
    }

    #[test]
    fn a_list_that_does_not_fit_becomes_blocks() {
        assert_eq!(
            list(&vms(), &chosen(Form::Table, &[]), true, &at_width(Some(40))),
            r"NAME           web-1
STATE          Up (restored)
ID             7
VCPUS          2
MEMORY         2.00 GiB
IMAGE          286.00 MiB, 3 hours old,
               used; managed by libvirt

NAME           bare
STATE          as defined
VCPUS          1
"
        );
    }

    const USUAL_LIST: &str = r"NAME   STATE          ID  VCPUS  MEMORY    IMAGE
web-1  Up (restored)  7   2      2.00 GiB  286.00 MiB, 3 hours old, used; managed by libvirt
bare   as defined     -   1      -         -
";
    const WIDE_LIST: &str = r"NAME   STATE          ID  VCPUS  MEMORY    IMAGE                                              UUID                                  CPU%  MEM%  IP                                      DISKS          SNAPSHOTS  PRIORITY  GROUP  DESCRIPTION
web-1  Up (restored)  7   2      2.00 GiB  286.00 MiB, 3 hours old, used; managed by libvirt  6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a11  12    60    192.168.122.10 fe80::5054:ff:fe12:3456  2 (20.00 GiB)  3          50        shop   The shop's front.
bare   as defined     -   1      -         -                                                  -                                     -     -     -                                       0              0          0         -      -
";
}
