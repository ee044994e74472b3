//! Lists of VMs: the columns there are, and the lists made of them.

use super::filter::{Filter, SortKey};
use super::table::{GAP, painted_table};
use super::text::{View, harmless, image, label_words, shortened, state, state_style};
use crate::cli::{Form, Showing};
use crate::entity::{DiskImage, GuestAgentStatus, Snapshot, SnapshotType, Vm, VmDynamic};
use crate::field::Field;
use crate::inventory::Depth;
use crate::report::VmRef;
use crate::words::size;
use anstyle::Style;
use jiff::Timestamp;
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
    /// What it is compared by.
    measure: Measure,
    /// What it tells of one VM, if there is something to tell.
    cell: fn(&Vm, &View) -> Option<String>,
}

/// What a column is compared by.
#[derive(Debug)]
pub(super) enum Measure {
    /// What it tells.
    Text,
    /// A number.
    Number(fn(&Vm) -> Option<f64>),
    /// A size, in bytes.
    Bytes(fn(&Vm) -> Option<u64>),
    /// A time.
    Time(fn(&Vm) -> Option<Timestamp>),
}

impl Column {
    /// What it tells of a VM, if there is something to tell.
    pub(super) fn text(&self, vm: &Vm, view: &View) -> Option<String> {
        (self.cell)(vm, view).filter(|cell| !cell.is_empty())
    }

    /// What it is compared by.
    pub(super) fn measure(&self) -> &Measure {
        &self.measure
    }

    /// The number that it is compared by, if it is not compared by its text: of a time its seconds since 1970.
    pub(super) fn number(&self, vm: &Vm) -> Option<f64> {
        match self.measure {
            Measure::Text => None,
            Measure::Number(of) => of(vm),
            Measure::Bytes(of) => of(vm).map(number),
            Measure::Time(of) => of(vm)
                .map(Timestamp::as_duration)
                .map(|it| it.as_secs_f64()),
        }
    }
}

/// A number to compare: of the largest the last digits do not count.
#[expect(clippy::cast_precision_loss)]
pub(super) fn number(number: u64) -> f64 {
    number as f64
}

/// The columns of a list that nobody has chosen any for.
const USUAL: [&str; 6] = ["NAME", "STATE", "ID", "VCPUS", "MEMORY", "IMAGE"];
/// What of them is left out first where the terminal is too narrow for all.
const SPARED: [&str; 3] = ["ID", "VCPUS", "MEMORY"];
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
/// So much is told at least of what is cut short.
const LEAST: usize = 12;

/// All columns there are.
static COLUMNS: [Column; 30] = [
    Column {
        name: "NAME",
        help: "The name",
        needs: Depth::Line,
        measure: Measure::Text,
        cell: |vm, _| Some(VmRef::from(vm).to_string()),
    },
    Column {
        name: "STATE",
        help: "The status, and libvirt's reason for it",
        needs: Depth::Line,
        measure: Measure::Text,
        cell: |vm, _| Some(state(vm)),
    },
    Column {
        name: "ID",
        help: "The number of the running domain",
        needs: Depth::Line,
        measure: Measure::Number(|vm| dynamic(vm)?.domain_id.map(f64::from)),
        cell: |vm, _| dynamic(vm)?.domain_id.map(|id| id.to_string()),
    },
    Column {
        name: "UUID",
        help: "The UUID",
        needs: Depth::Line,
        measure: Measure::Text,
        cell: |vm, _| vm.id().map(|id| id.to_string()),
    },
    Column {
        name: "VCPUS",
        help: "vCPUs that are plugged in",
        needs: Depth::Line,
        measure: Measure::Number(|vm| Some(f64::from(vm.vm_static.cpu_count()))),
        cell: |vm, _| Some(vm.vm_static.cpu_count().to_string()),
    },
    Column {
        name: "MEMORY",
        help: "The memory",
        needs: Depth::Line,
        measure: Measure::Bytes(|vm| Some(vm.vm_static.mem_size_mb?.bytes())),
        cell: |vm, _| vm.vm_static.mem_size_mb.map(|memory| size(memory.bytes())),
    },
    Column {
        name: "IMAGE",
        help: "The images of its memory: size, age, what is wrong with them",
        needs: Depth::Line,
        measure: Measure::Bytes(|vm| vm.saved_images.iter().filter_map(|it| it.size_bytes).max()),
        cell: |vm, view| words(vm.saved_images.iter().map(|found| image(found, view)), "; "),
    },
    Column {
        name: "CPU%",
        help: "Use of its vCPUs in percent; needs --sample",
        needs: Depth::Statistics,
        measure: Measure::Number(|vm| Some(vm.vm_statistics.as_ref()?.usage_cpu_percent?.into())),
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
        measure: Measure::Number(|vm| Some(vm.vm_statistics.as_ref()?.usage_mem_percent?.into())),
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
        measure: Measure::Number(|vm| {
            Some(vm.vm_statistics.as_ref()?.usage_network_percent?.into())
        }),
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
        measure: Measure::Text,
        cell: |vm, _| dynamic(vm)?.ip.clone(),
    },
    Column {
        name: "HOSTNAME",
        help: "The guest's host name",
        needs: Depth::Run,
        measure: Measure::Text,
        cell: |vm, _| dynamic(vm).and_then(|it| it.fqdn.clone().or(it.vm_host.clone())),
    },
    Column {
        name: "OS",
        help: "The guest's operating system",
        needs: Depth::Run,
        measure: Measure::Text,
        cell: |vm, _| dynamic(vm).and_then(operating_system),
    },
    Column {
        name: "AGENT",
        help: "Whether the QEMU guest agent is connected",
        needs: Depth::Definition,
        measure: Measure::Text,
        cell: |vm, _| dynamic(vm)?.qemu_guest_agent_status.as_ref().map(agent),
    },
    Column {
        name: "STARTED",
        help: "When it was last started or restored",
        needs: Depth::Definition,
        measure: Measure::Time(|vm| dynamic(vm)?.last_start_time),
        cell: |vm, view| dynamic(vm)?.last_start_time.map(|at| view.time(at)),
    },
    Column {
        name: "STOPPED",
        help: "When it last ended or was hibernated",
        needs: Depth::Definition,
        measure: Measure::Time(|vm| dynamic(vm)?.last_stop_time),
        cell: |vm, view| dynamic(vm)?.last_stop_time.map(|at| view.time(at)),
    },
    Column {
        name: "DISKS",
        help: "How many disks, and the size of all of them",
        needs: Depth::Statistics,
        measure: Measure::Number(|vm| Some(number(vm.vm_static.images.len() as u64))),
        cell: |vm, _| Some(disks(&vm.vm_static.images)),
    },
    Column {
        name: "NETWORKS",
        help: "What its network cards are plugged into",
        needs: Depth::Definition,
        measure: Measure::Text,
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
        measure: Measure::Text,
        cell: |vm, _| {
            let cards = vm.vm_static.interfaces.iter();
            words(cards.filter_map(|card| card.mac_address.clone()), ",")
        },
    },
    Column {
        name: "SNAPSHOTS",
        help: "How many snapshots",
        needs: Depth::Run,
        measure: Measure::Number(|vm| Some(number(snapshots(vm).count() as u64))),
        cell: |vm, _| Some(snapshots(vm).count().to_string()),
    },
    Column {
        name: "PRIORITY",
        help: "How much it matters, 0 to 100",
        needs: Depth::Definition,
        measure: Measure::Number(|vm| Some(vm.vm_static.priority.into())),
        cell: |vm, _| Some(vm.vm_static.priority.to_string()),
    },
    Column {
        name: "GROUP",
        help: "Its group",
        needs: Depth::Definition,
        measure: Measure::Text,
        cell: |vm, _| vm.vm_static.vm_group_name.clone(),
    },
    Column {
        name: "LABELS",
        help: "What it is chosen by",
        needs: Depth::Definition,
        measure: Measure::Text,
        cell: |vm, _| Some(label_words(&vm.vm_static)).filter(|words| !words.is_empty()),
    },
    Column {
        name: "POLICY",
        help: "What becomes of it when the host shuts down",
        needs: Depth::Definition,
        measure: Measure::Text,
        cell: |vm, _| {
            let policy = vm.vm_static.host_shutdown_policy;
            policy.map(|policy| policy.to_string())
        },
    },
    Column {
        name: "TEMPLATE",
        help: "The template that it was first made from",
        needs: Depth::Definition,
        measure: Measure::Text,
        cell: |vm, _| vm.vm_static.original_template_name.clone(),
    },
    Column {
        name: "MACHINE",
        help: "The machine type",
        needs: Depth::Definition,
        measure: Measure::Text,
        cell: |vm, _| machine(vm),
    },
    Column {
        name: "NEXT",
        help: "What changes at the next boot",
        needs: Depth::Run,
        measure: Measure::Text,
        cell: |vm, _| words(vm.next_run_changed_fields.iter().cloned(), ","),
    },
    Column {
        name: "JOB",
        help: "What is being done to it now",
        needs: Depth::Whole,
        measure: Measure::Text,
        cell: |vm, _| job(vm),
    },
    Column {
        name: "COMMENT",
        help: "A short remark",
        needs: Depth::Definition,
        measure: Measure::Text,
        cell: |vm, _| Some(vm.vm_static.comment.clone()),
    },
    Column {
        name: "DESCRIPTION",
        help: "The first line of its description",
        needs: Depth::Definition,
        measure: Measure::Text,
        cell: |vm, _| vm.vm_static.description.lines().next().map(str::to_owned),
    },
];

/// All columns there are.
#[must_use]
pub fn columns() -> &'static [Column] {
    &COLUMNS
}

/// How closely VMs must be looked at for this form and what is to be shown; `one`: whether the answer is
/// about one VM that was named, which gets a page.
#[must_use]
pub fn depth(form: Form, showing: &Showing, one: bool) -> Depth {
    let filters = showing.filters.iter().map(Filter::needs);
    let keys = showing.sort_by.iter().map(SortKey::needs);
    let fields = showing.fields.iter().map(Field::needs);
    let form = match form {
        _ if !showing.fields.is_empty() => Depth::Line,
        Form::Name | Form::Xml => Depth::Line,
        Form::Json | Form::Jsonl | Form::Yaml => Depth::Whole,
        Form::Table | Form::Wide if is_page(form, showing, one) => Depth::Whole,
        Form::Table | Form::Wide => {
            let needs = chosen(form, &showing.columns)
                .into_iter()
                .map(|column| column.needs);
            needs.max().unwrap_or(Depth::Line)
        }
    };
    filters.chain(keys).chain(fields).fold(form, Depth::max)
}

/// Whether a single VM gets a page: so it is unless a list was asked for.
pub(super) fn is_page(form: Form, showing: &Showing, one: bool) -> bool {
    one && form == Form::Table && showing.columns.is_empty() && showing.sort_by.is_empty()
}

/// The columns of a list: those that were asked for, else those of the form.
fn chosen(form: Form, columns: &[&'static Column]) -> Vec<&'static Column> {
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
    /// Whether nobody has asked for these columns, so that some may be left out.
    usual: bool,
    view: View,
    /// All cells, each with a line's end behind it, which is in none of them.
    text: String,
    /// The colour of each line's state, if there are any.
    styles: Vec<Style>,
    /// The widest cell of each column.
    widths: Vec<usize>,
}

impl List {
    pub(super) fn new(form: Form, showing: &Showing, view: View) -> Self {
        let columns = chosen(form, &showing.columns);
        let titled = !showing.no_headers;
        let header = columns.iter().map(|column| column.name.len());
        let widths = header.map(|width| if titled { width } else { 0 }).collect();
        Self {
            columns,
            titled,
            usual: form == Form::Table && showing.columns.is_empty(),
            view,
            text: String::new(),
            styles: Vec::new(),
            widths,
        }
    }

    /// Adds the line of a VM.
    pub(super) fn add(&mut self, vm: &Vm) {
        for (column, width) in self.columns.iter().zip(&mut self.widths) {
            let cell = column.text(vm, &self.view);
            let cell = harmless(cell.as_deref().unwrap_or("-"));
            *width = cell.width().max(*width);
            self.text.push_str(&cell);
            self.text.push('\n');
        }
        if self.view.colored {
            self.styles.push(state_style(vm));
        }
    }

    fn rows(&self) -> impl Iterator<Item = (Vec<&str>, Style)> {
        let mut cells = self.text.split_terminator('\n');
        let mut styles = self.styles.iter();
        let columns = self.columns.len();
        iter::from_fn(move || {
            let row: Vec<&str> = cells.by_ref().take(columns).collect();
            let style = styles.next().copied().unwrap_or_default();
            (!row.is_empty()).then_some((row, style))
        })
    }

    /// Writes all of it, as it fits the width, in this order if it is not that in which it was added.
    pub(super) fn write(&self, order: Option<&[usize]>, out: &mut dyn Write) -> io::Result<()> {
        let Some(order) = order else {
            return self.write_rows(self.rows(), out);
        };
        let rows: Vec<_> = self.rows().collect();
        let sorted = order.iter().filter_map(|place| rows.get(*place).cloned());
        self.write_rows(sorted, out)
    }

    fn write_rows<'a>(
        &'a self,
        rows: impl Iterator<Item = (Vec<&'a str>, Style)>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let places = self.shown();
        let some = |row: &[&'a str]| places.iter().map(|place| row[*place]).collect::<Vec<_>>();
        let names: Vec<&str> = self.columns.iter().map(|column| column.name).collect();
        let header = some(&names);
        let state = header.iter().position(|name| *name == "STATE");
        let room = self.view.width.map_or(usize::MAX, usize::from);
        if self.needed(&places) > room {
            let (rows, styles): (Vec<_>, Vec<_>) = rows
                .map(|(row, style)| {
                    let row = some(&row).into_iter().map(str::to_owned).collect();
                    (row, style)
                })
                .unzip();
            let painted = state.filter(|_| self.view.colored);
            let painted = painted.map(|state| (header[state], styles.as_slice()));
            let text = painted_table(&header, self.titled, rows, WHOLE, self.view.width, painted);
            return out.write_all(text.as_bytes());
        }
        let header = self.titled.then(|| (names.clone(), Style::new()));
        for (row, style) in header.into_iter().chain(rows) {
            let row = some(&row);
            let mut used = 0;
            // No blanks at the end of a line.
            let last = row
                .iter()
                .rposition(|cell| !cell.is_empty())
                .unwrap_or_default();
            for (index, (cell, place)) in row.iter().zip(&places).enumerate().take(last + 1) {
                let cell = shortened(cell, room - used);
                let style = if Some(index) == state {
                    style
                } else {
                    Style::new()
                };
                let blanks = if index == last {
                    0
                } else {
                    self.widths[*place].saturating_sub(cell.width()) + GAP
                };
                used += cell.width() + blanks;
                write!(out, "{style}{cell}{style:#}{:blanks$}", "")?;
            }
            writeln!(out)?;
        }
        Ok(())
    }

    /// The places of the columns that are shown. Where not all of them fit, and nobody has asked for them, some
    /// are left out, and the last one may be cut short.
    fn shown(&self) -> Vec<usize> {
        let mut places: Vec<usize> = (0..self.columns.len()).collect();
        let Some(width) = self.view.width.filter(|_| self.usual) else {
            return places;
        };
        for spared in SPARED.into_iter().chain(["IMAGE"]) {
            if self.needed(&places) <= width.into() {
                break;
            }
            places.retain(|place| self.columns[*place].name != spared);
        }
        places
    }

    /// The width that these columns take at least.
    fn needed(&self, places: &[usize]) -> usize {
        let widths = places.iter().map(|place| match self.columns[*place].name {
            "IMAGE" if self.usual => self.widths[*place].min(LEAST),
            _ => self.widths[*place],
        });
        widths.sum::<usize>() + places.len().saturating_sub(1) * GAP
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
pub(super) fn list(vms: &[Vm], form: Form, showing: &Showing, view: &View) -> String {
    let mut list = List::new(form, showing, view.clone());
    for vm in vms {
        list.add(vm);
    }
    let mut text = Vec::new();
    list.write(None, &mut text).expect("it can be written");
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
        let shown = |form, titled: bool| {
            let showing = Showing {
                no_headers: !titled,
                ..Showing::default()
            };
            list(&vms(), form, &showing, &at_width(None))
        };
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
            let words = format!("{form:?} {columns:?} {one}");
            let showing = Showing {
                columns,
                ..Showing::default()
            };
            assert_eq!(depth(form, &showing, one), needs, "{words}");
        }
    }

    #[test]
    fn what_chooses_and_sorts_vms_is_looked_at_too() {
        let showing = Showing {
            filters: vec![Filter::parse("LABELS=*").unwrap()],
            sort_by: vec![SortKey::parse("-CPU%").unwrap()],
            ..Showing::default()
        };
        assert_eq!(depth(Form::Name, &showing, false), Depth::Statistics);
        assert_eq!(
            depth(Form::Table, &showing, true),
            Depth::Statistics,
            "it is a list"
        );
        let showing = Showing {
            fields: vec![Field::parse("vmDynamic.status").unwrap()],
            ..Showing::default()
        };
        assert_eq!(depth(Form::Table, &showing, true), Depth::Line);
    }

    #[test]
    fn of_a_usual_list_that_does_not_fit_less_is_told() {
        let shown = |width| {
            list(
                &vms(),
                Form::Table,
                &Showing::default(),
                &at_width(Some(width)),
            )
        };
        assert_eq!(
            shown(80),
            "NAME   STATE          ID  VCPUS  MEMORY    IMAGE
web-1  Up (restored)  7   2      2.00 GiB  286.00 MiB, 3 hours old, used; manag…
bare   as defined     -   1      -         -
"
        );
        assert_eq!(
            shown(40),
            "NAME   STATE          IMAGE
web-1  Up (restored)  286.00 MiB, 3 hou…
bare   as defined     -
"
        );
        assert_eq!(
            shown(20),
            "NAME   STATE
web-1  Up (restored)
bare   as defined
"
        );
        assert_eq!(
            shown(17),
            "NAME   STATE\nweb-1  Up\n       (restored)\nbare   as defined\n"
        );
    }

    #[test]
    fn a_list_that_was_asked_for_and_does_not_fit_becomes_blocks() {
        let columns = chosen(Form::Table, &[]);
        let showing = Showing {
            columns,
            ..Showing::default()
        };
        assert_eq!(
            list(&vms(), Form::Table, &showing, &at_width(Some(40))),
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

    #[test]
    fn states_have_colours_and_nothing_is_moved_by_them() {
        let colored = |width| View {
            colored: true,
            ..at_width(width)
        };
        for (width, columns) in [
            (None, vec![]),
            (Some(30), vec![]),
            (Some(40), chosen(Form::Wide, &[])),
        ] {
            let showing = Showing {
                columns,
                ..Showing::default()
            };
            let painted = list(&vms(), Form::Table, &showing, &colored(width));
            assert!(
                painted.contains("\u{1b}[32mUp (restored)\u{1b}[0m"),
                "{painted}"
            );
            let plain = painted.replace("\u{1b}[32m", "").replace("\u{1b}[0m", "");
            assert_eq!(plain, list(&vms(), Form::Table, &showing, &at_width(width)));
        }
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
