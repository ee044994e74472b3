//! What there is: the VMs that libvirt and the image place together know.

use crate::definition::{Definition, METADATA_NAMESPACE, Metadata, read_domain};
use crate::entity::{DomainState, OriginType, SavedImage, Verdict, Vm, VmDynamic, VmStatus};
use crate::hypervisor::{Access, Hypervisor, HypervisorError, Machine, Record, StatisticsGroups};
use crate::image::{ImageFile, ImagePlace, RunLogs, Since, is_forbidden};
use crate::interrupt::within;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io;
use std::iter::Peekable;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use std::vec;
use uuid::Uuid;

/// Of how many VMs libvirt is asked in one call: so few that what is known of them takes little memory, and so
/// many that a call for them takes little time.
pub(crate) const BATCH: usize = 200;
/// For so many another connection is worth its while.
const MANY: usize = 50;
/// How long a list waits for each QEMU to tell of its VM.
const LIST_LIMIT: Duration = Duration::from_secs(5);
/// How long after QEMU's end a hibernation is noted in the metadata, where nobody knows when its run began: its image
/// is flushed before that.
const NOTED_WITHIN: SignedDuration = SignedDuration::from_mins(2);

/// A connection, and the place for images that goes with it.
#[derive(Clone, Debug)]
pub struct Inventory {
    /// The connection.
    pub hypervisor: Arc<Hypervisor>,
    /// Where images lie, on the daemon's host.
    pub place: ImagePlace,
    /// Where libvirt keeps managed saves, on the daemon's host, if that is known.
    pub managed: Option<PathBuf>,
    /// Where libvirt notes what runs, on the daemon's host, if that is known.
    pub runs: Option<PathBuf>,
    /// Where libvirt logs what has run, on the daemon's host, if that is known.
    pub logs: Option<RunLogs>,
    /// An image that the user named, instead of the one in its place.
    pub from: Option<PathBuf>,
    /// Where the hooks lie that go with this connection, on this machine.
    pub hooks: Option<PathBuf>,
    /// What the host is called, if there are several.
    pub host: Option<String>,
    /// What its VMs are chosen by, beside their own labels.
    pub labels: BTreeMap<String, String>,
}

/// How closely VMs are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// No further than a decision needs: name, state, images. No QEMU is asked.
    State,
    /// As far as a usual line in a list tells: name, state, size, images. However many VMs there are,
    /// libvirt is asked a few times only.
    Line,
    /// The definition, too: one call for each VM.
    Definition,
    /// And the statistics: one call more for all of them.
    Statistics,
    /// Its run, its guest, and its snapshots, too: several calls for each VM.
    Run,
    /// All that libvirt and the guest can tell; of each disk, too.
    Whole,
}

/// One VM that was found.
#[derive(Clone, Debug)]
pub struct Entry {
    /// As it was last seen.
    pub vm: Vm,
    /// Its domain; absent if libvirt does not know it (any more).
    pub machine: Option<Machine>,
    /// The definition that named it.
    pub definition: Option<Box<Definition>>,
}

impl Inventory {
    /// What there is behind a connection.
    #[must_use]
    pub fn new(hypervisor: Hypervisor, place: ImagePlace, from: Option<PathBuf>) -> Self {
        Self {
            hypervisor: Arc::new(hypervisor),
            place,
            managed: None,
            runs: None,
            logs: None,
            hooks: None,
            from,
            host: None,
            labels: BTreeMap::new(),
        }
    }

    /// The same domain on a connection of its own that may write. Some things libvirt tells to such only: what the
    /// guest's agent knows, and secrets.
    ///
    /// # Errors
    /// What libvirt says, if there is no such connection to be had.
    pub fn writable(&self, machine: &Machine) -> Result<Machine, HypervisorError> {
        if self.hypervisor.access() == Access::ReadWrite {
            return Ok(machine.clone());
        }
        Hypervisor::open(Some(self.hypervisor.uri()), Access::ReadWrite)?.same(machine)
    }

    /// Whether image files can be looked at directly: the daemon is here, and it is one whose format
    /// we read.
    #[must_use]
    pub fn reads_images(&self) -> bool {
        self.hypervisor.is_local() && self.hypervisor.is_qemu()
    }

    /// The image file that a restore of this VM would take.
    #[must_use]
    pub fn image_path(&self, id: Uuid) -> PathBuf {
        self.from.clone().unwrap_or_else(|| self.place.file(id))
    }

    /// All VMs with a wanted name, by name: the domains, and those of which only an image is left. Beyond
    /// what the depth asks for, a VM costs a call only if it is in a state that a job can change.
    ///
    /// # Errors
    /// What libvirt says.
    pub fn list(
        &self,
        depth: Depth,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<Entry>, HypervisorError> {
        let mut entries = Vec::new();
        for batch in self.batches(depth, BATCH, wanted)? {
            entries.extend(batch?);
        }
        Ok(entries)
    }

    /// The same, so many at a time: that of many VMs not all need be kept.
    ///
    /// # Errors
    /// What libvirt says.
    pub fn batches(
        &self,
        depth: Depth,
        size: usize,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Batches<'_>, HypervisorError> {
        let mut machines = self.hypervisor.machines()?;
        let mut known: Vec<Uuid> = machines.iter().map(Machine::id).collect();
        known.sort_unstable();
        let orphans = self.orphans(&known);
        let mut orphans: Vec<_> = orphans.filter(|entry| wanted(entry.vm.name())).collect();
        orphans.sort_unstable_by(|a, b| place_of(a).cmp(&place_of(b)));
        machines.retain(|machine| wanted(machine.name()));
        machines.sort_unstable_by(|a, b| (a.name(), a.id()).cmp(&(b.name(), b.id())));
        Ok(Batches {
            inventory: self,
            depth,
            size,
            files: self.files()?,
            machines: machines.into_iter(),
            orphans: orphans.into_iter().peekable(),
            apart: None,
            beside: None,
        })
    }

    /// These VMs as they are now, by name; those that are no more are left out, unless an image is left.
    ///
    /// # Errors
    /// What libvirt says.
    pub fn look_again(
        &self,
        machines: Vec<Machine>,
        depth: Depth,
    ) -> Result<Vec<Entry>, HypervisorError> {
        let ids: Vec<Uuid> = machines.iter().map(Machine::id).collect();
        let mut batches = Batches {
            inventory: self,
            depth,
            size: usize::MAX,
            files: self.files()?,
            machines: machines.into_iter(),
            orphans: Vec::new().into_iter().peekable(),
            apart: None,
            beside: None,
        };
        let mut entries = batches.next().unwrap_or_else(|| Ok(Vec::new()))?;
        let is_found = |id: &Uuid| entries.iter().any(|entry| entry.vm.id() == Some(*id));
        let gone: Vec<Uuid> = ids.into_iter().filter(|id| !is_found(id)).collect();
        entries.extend(gone.into_iter().filter_map(|id| self.orphan(id)));
        Ok(entries)
    }

    /// The VM without the note that it is paused for its group, if its vCPUs have run since that was written.
    fn still_waiting(machine: &Machine, mut vm: Vm) -> Result<Vm, HypervisorError> {
        if let Some(dynamic) = &mut vm.vm_dynamic
            && dynamic.waits_for_group()
        {
            let ran = machine.vcpu_time()?;
            dynamic.paused_for_group = dynamic.paused_for_group.filter(|then| Some(*then) == ran);
        }
        Ok(vm)
    }

    /// Of which VMs there may be images.
    fn files(&self) -> Result<Files, HypervisorError> {
        let managed = self.hypervisor.machines_with_managed_save()?;
        // Where the place cannot be looked into, any VM may have an image there.
        let looks = self.looks_at(&self.place.file(Uuid::nil()));
        let in_place = looks.then(|| self.place.ids().into_iter().collect());
        Ok(Files {
            managed: managed.into_iter().collect(),
            in_place,
        })
    }

    /// All machines once more, on a connection of their own.
    fn machines_apart(&self) -> Result<HashMap<Uuid, Machine>, HypervisorError> {
        let machines = self.hypervisor.apart().machines()?.into_iter();
        Ok(machines.map(|machine| (machine.id(), machine)).collect())
    }

    /// A VM by what a list tells of it; none if it went away since.
    fn entry(
        &self,
        machine: Machine,
        record: &Record,
        depth: Depth,
        files: &Files,
    ) -> Result<Option<Entry>, HypervisorError> {
        let id = machine.id();
        let may_have_file = files.in_place.as_ref().is_none_or(|ids| ids.contains(&id));
        let file = may_have_file
            .then(|| self.file_image(id, Some(machine.name())))
            .flatten();
        let managed = files.managed.contains(&id);
        let managed = managed.then(|| self.managed_image(machine.name(), id));
        let images = file.into_iter().chain(managed).collect();
        let vm = match depth {
            Depth::State => machine
                .observe_state(record, images)
                .map(|vm| with_note(&machine, vm)),
            Depth::Line => machine
                .observe_line(record, images)
                .map(|vm| with_note(&machine, vm)),
            _ => machine.observe_record(record, images),
        };
        match vm.and_then(|vm| Self::still_waiting(&machine, self.of_this_run(&machine, vm))) {
            Ok(vm) => Ok(Some(Entry {
                vm,
                machine: Some(machine),
                definition: None,
            })),
            Err(error) if error.is_no_domain() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The VMs of which only an image is left, but for those that libvirt knows, whose UUIDs are in order. An
    /// image place that cannot be looked into has none.
    pub fn orphans(&self, known: &[Uuid]) -> impl Iterator<Item = Entry> {
        let ids = if self.reads_images() {
            self.place.ids()
        } else {
            Vec::new()
        };
        ids.into_iter()
            .filter(|id| known.binary_search(id).is_err())
            .filter_map(|id| self.orphan(id))
    }

    /// The VM of a domain, with its images.
    ///
    /// # Errors
    /// What libvirt says.
    pub fn observe(&self, machine: &Machine) -> Result<Vm, HypervisorError> {
        let look = || machine.observe(self.images_of(machine)?);
        let mut vm = look()?;
        let mut images = vm.saved_images.iter();
        if !vm.status().is_active() && images.any(|image| image.verdict == Verdict::Incomplete) {
            // A save may have come to its end between the look at the image and that at the VM.
            vm = look()?;
        }
        Self::still_waiting(machine, self.of_this_run(machine, vm))
    }

    fn images_of(&self, machine: &Machine) -> Result<Vec<SavedImage>, HypervisorError> {
        let mut images: Vec<SavedImage> = self
            .file_image(machine.id(), Some(machine.name()))
            .into_iter()
            .collect();
        if machine.has_managed_save()? {
            images.push(self.managed_image(machine.name(), machine.id()));
        }
        Ok(images)
    }

    /// The VM without the times of other runs than the one it is in or, if it sleeps, has slept since. Its
    /// metadata tell them, and whoever starts, ends, saves or restores it behind our back leaves those alone.
    fn of_this_run(&self, machine: &Machine, mut vm: Vm) -> Vm {
        vm.host.clone_from(&self.host);
        if let Some(missing) = self.missing_image(&vm) {
            // What is known of the run is what tells that it is missing.
            vm.saved_images.push(missing);
            return vm;
        }
        let given_up = self.given_up(&vm);
        let status = vm.status();
        let is_ovirts = vm.vm_static.origin == Some(OriginType::Ovirt);
        let saved_at = vm.restorable_image().and_then(|image| image.saved_at);
        let Some(dynamic) = &mut vm.vm_dynamic else {
            return vm;
        };
        let is_other = if status.is_active() {
            // oVirt's time is a little before that of the process, and is of a domain that lives once.
            let started = dynamic.last_start_time.filter(|_| !is_ovirts);
            started.is_some_and(|started| Some(started) < self.began(machine.name()))
        } else {
            // Of a VM that is off nobody tells whether it has run since, unless it sleeps.
            status != VmStatus::Suspended
                || saved_at.is_some_and(|saved_at| dynamic.last_stop_time < Some(saved_at))
        };
        if is_other {
            dynamic.forget_runs();
        }
        dynamic.image_given_up = given_up;
        if status == VmStatus::Suspended {
            dynamic.last_stop_time = saved_at.or(dynamic.last_stop_time);
        }
        vm
    }

    /// The image that a VM was hibernated to by the note in its metadata, if it is off, nobody knows that it has
    /// run since, and that image is not where it belongs. Whatever else lies there does not hide it, but for a
    /// managed save that was written later: then the VM has run since.
    fn missing_image(&self, vm: &Vm) -> Option<SavedImage> {
        let dynamic = vm.vm_dynamic.as_ref()?;
        let may_sleep = dynamic.status_reason == "unknown" || dynamic.was_saved();
        if vm.status() != VmStatus::Down || !may_sleep {
            return None;
        }
        let (path, at) = (dynamic.hibernated_to.clone()?, dynamic.last_stop_time?);
        let same = |other: &PathBuf| {
            let real = |path: &Path| self.looks_at(path).then(|| fs::canonicalize(path).ok());
            *other == path
                || real(other)
                    .flatten()
                    .is_some_and(|other| real(&path).flatten() == Some(other))
        };
        let knows_better = |image: &SavedImage| match &image.path {
            Some(other) => same(other),
            None => image.saved_at.is_none_or(|saved_at| saved_at > at),
        };
        if vm.saved_images.iter().any(knows_better) {
            return None;
        }
        let file = self.looks_at(&path).then(|| fs::metadata(&path).ok());
        let size_bytes = file.flatten().map(|file| file.len());
        let where_now = match size_bytes {
            Some(_) => "which is not its place",
            None => "which is not there now",
        };
        Some(SavedImage {
            verdict: Verdict::Missing,
            flaw: Some(format!(
                "the VM was hibernated at {at:.0} to {}, {where_now}",
                path.display()
            )),
            path: Some(path),
            saved_at: Some(at),
            size_bytes,
            ..SavedImage::default()
        })
    }

    /// When the image was given up that the VM was hibernated to, if it has not run since by libvirt's log.
    fn given_up(&self, vm: &Vm) -> Option<Timestamp> {
        let dynamic = vm
            .vm_dynamic
            .as_ref()
            .filter(|dynamic| dynamic.was_saved())?;
        let (given_up, stopped) = (dynamic.image_given_up?, dynamic.last_stop_time?);
        let logs = self.logs.as_ref().filter(|_| self.reads_images())?;
        let began = dynamic.last_start_time.filter(|began| *began < stopped);
        let saved = (began.unwrap_or(stopped - NOTED_WITHIN), stopped);
        let since = logs.since(&[vm.name()], vm.id()?, saved);
        (since == Since::NotStarted && given_up >= stopped).then_some(given_up)
    }

    /// When the QEMU of a VM was started, if that can be seen. A daemon that is restarted leaves the note
    /// of it as it is, though it may begin to count its domains anew.
    fn began(&self, name: &str) -> Option<Timestamp> {
        let runs = self.runs.as_ref().filter(|_| self.reads_images())?;
        let note = fs::metadata(runs.join(format!("{name}.pid"))).ok()?;
        Timestamp::try_from(note.modified().ok()?).ok()
    }

    /// A VM that libvirt does not know, and of which an image is left: a transient one that was
    /// hibernated, or one that was undefined since.
    #[must_use]
    pub fn orphan(&self, id: Uuid) -> Option<Entry> {
        let path = self.image_path(id);
        let (vm, image) = if self.looks_at(&path) {
            let mut file = self.inspect(&path, id, None)?;
            file.summary.doubt_if_started();
            (file.vm?, file.summary)
        } else {
            let xml = self.hypervisor.image_xml(path.to_str()?).ok()?;
            (read_domain(&xml).ok()?, self.file_image(id, None)?)
        };
        let status = match image.verdict {
            Verdict::Good => VmStatus::Suspended,
            _ => VmStatus::Down,
        };
        let vm = Vm {
            vm_dynamic: Some(absent(&vm, status)),
            saved_images: vec![image],
            host: self.host.clone(),
            ..vm
        };
        Some(Entry {
            vm,
            machine: None,
            definition: None,
        })
    }

    /// Whether this image file can be looked at directly.
    #[must_use]
    pub fn looks_at(&self, path: &Path) -> bool {
        self.reads_images() && !is_forbidden(path)
    }

    /// Looks at a file that should hold the memory of this VM, and at what libvirt's log tells of its runs. `name` is
    /// what libvirt calls it now.
    #[must_use]
    pub fn inspect(&self, path: &Path, id: Uuid, name: Option<&str>) -> Option<ImageFile> {
        let logs = self.logs.as_ref().filter(|_| self.reads_images());
        Some(ImageFile::inspect_of(path, id)?.with_logs(logs, name))
    }

    /// What lies where the image of this VM belongs.
    fn file_image(&self, id: Uuid, name: Option<&str>) -> Option<SavedImage> {
        let path = self.image_path(id);
        if self.looks_at(&path) {
            return self.inspect(&path, id, name).map(|image| image.summary);
        }
        let missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        if self.hypervisor.is_local() && fs::symlink_metadata(&path).as_ref().is_err_and(missing) {
            return None;
        }
        // Over a connection that may only read, the daemon tells nothing of images.
        if self.hypervisor.access() == Access::ReadOnly {
            return Some(unknown_image(&path));
        }
        self.image_seen_by_daemon(&path, id)
    }

    /// The file of a VM's managed save, if it can be looked at directly.
    #[must_use]
    pub fn managed_file(&self, name: &str) -> Option<PathBuf> {
        let path = self.managed.as_ref()?.join(format!("{name}.save"));
        self.looks_at(&path).then_some(path)
    }

    /// libvirt's own image of a VM. libvirt itself knows only that there was one; what it is worth tells its
    /// file, where that can be read.
    fn managed_image(&self, name: &str, id: Uuid) -> SavedImage {
        let unseen = SavedImage {
            managed: true,
            verdict: Verdict::Good,
            ..SavedImage::default()
        };
        let Some(path) = self.managed_file(name) else {
            return unseen;
        };
        let image = ImageFile::inspect_of(&path, id).map(|image| image.summary);
        image.map_or_else(
            || SavedImage {
                verdict: Verdict::Incomplete,
                flaw: Some(
                    "libvirt has noted a managed save of it, whose file is missing".to_owned(),
                ),
                ..unseen.clone()
            },
            |image| SavedImage {
                managed: true,
                path: None,
                ..image
            },
        )
    }

    /// What the daemon tells of an image that cannot be looked at from here.
    pub(crate) fn image_seen_by_daemon(&self, path: &Path, id: Uuid) -> Option<SavedImage> {
        let (verdict, flaw) = match self.hypervisor.image_xml(path.to_str()?) {
            Ok(xml) => match read_domain(&xml).ok().and_then(|vm| vm.id()) {
                Some(whose) if whose == id => (Verdict::Good, None),
                Some(_) => (
                    Verdict::Foreign,
                    Some("it holds the memory of another VM".to_owned()),
                ),
                None => (
                    Verdict::Damaged,
                    Some("its description is no VM's".to_owned()),
                ),
            },
            Err(error) if error.is_no_such_file() => return None,
            Err(error) if error.is_incomplete_image() => (
                Verdict::Incomplete,
                Some("its save was interrupted".to_owned()),
            ),
            Err(error) if error.is_no_image() => (Verdict::Damaged, Some(error.message)),
            Err(_) => return Some(unknown_image(path)),
        };
        Some(SavedImage {
            path: Some(path.to_path_buf()),
            verdict,
            flaw,
            ..SavedImage::default()
        })
    }
}

/// Of which VMs there may be images.
struct Files {
    /// libvirt's own.
    managed: HashSet<Uuid>,
    /// Those in the image place, if it can be looked into.
    in_place: Option<HashSet<Uuid>>,
}

/// All VMs that are wanted, by name and so many at a time.
pub struct Batches<'a> {
    inventory: &'a Inventory,
    depth: Depth,
    size: usize,
    files: Files,
    machines: vec::IntoIter<Machine>,
    orphans: Peekable<vec::IntoIter<Entry>>,
    /// All machines once more, on a connection that is not held up by a QEMU that hangs.
    apart: Option<HashMap<Uuid, Machine>>,
    /// And on one for half of the calls, where each machine takes some.
    beside: Option<HashMap<Uuid, Machine>>,
}

impl Batches<'_> {
    /// What a list tells of these domains, in one call. A QEMU that hangs would hold it up: then what needs
    /// none of them is asked.
    fn records(&mut self, batch: &[Machine]) -> Result<Vec<(Machine, Record)>, HypervisorError> {
        let state = StatisticsGroups::STATE;
        if self.depth != Depth::Line {
            // The definitions tell the rest, if it is wanted.
            return Machine::statistics_of(batch, state);
        }
        if self.apart.is_none() {
            let asked = batch.to_vec();
            let told = within(LIST_LIMIT, move || {
                let groups = state | StatisticsGroups::VCPU | StatisticsGroups::BALLOON;
                Machine::statistics_of(&asked, groups)
            });
            match told {
                Some(Ok(found)) => return Ok(found),
                Some(Err(_)) => return Machine::statistics_of(batch, state),
                // That call still waits: nothing more can be asked beside it.
                None => {}
            }
            self.apart = Some(self.inventory.machines_apart()?);
        }
        let apart = self.apart.as_ref();
        let same = |machine: &Machine| apart?.get(&machine.id()).cloned();
        let same: Vec<Machine> = batch.iter().filter_map(same).collect();
        Machine::statistics_of(&same, state)
    }

    /// The VMs of these records. Where each takes a call, half of them are asked for over another connection: libvirt
    /// writes one definition while another one is read.
    fn entries(&mut self, records: Vec<(Machine, Record)>) -> Result<Vec<Entry>, HypervisorError> {
        let is_much = self.depth >= Depth::Definition && records.len() >= MANY;
        if is_much && self.beside.is_none() && self.inventory.hypervisor.is_qemu() {
            self.beside = Some(self.inventory.machines_apart()?);
        }
        let beside = self.beside.as_ref().filter(|_| is_much);
        let (inventory, depth, files) = (self.inventory, self.depth, &self.files);
        let entry = |(machine, record): (Machine, Record)| {
            let found = inventory.entry(machine, &record, depth, files);
            found.transpose()
        };
        let Some(beside) = beside else {
            return records.into_iter().filter_map(entry).collect();
        };
        let mut first = records;
        let second = first.split_off(first.len() / 2);
        let on_the_other = |(machine, record): (Machine, Record)| {
            let same = beside.get(&machine.id()).cloned();
            let found = entry((same.unwrap_or_else(|| machine.clone()), record))?;
            Some(found.map(|entry| Entry {
                machine: Some(machine),
                ..entry
            }))
        };
        thread::scope(|scope| {
            let second = scope.spawn(|| second.into_iter().filter_map(on_the_other).collect());
            let first: Result<Vec<Entry>, _> = first.into_iter().filter_map(entry).collect();
            let second: Result<Vec<Entry>, _> =
                second.join().unwrap_or_else(|panic| resume_unwind(panic));
            Ok([first?, second?].into_iter().flatten().collect())
        })
    }

    fn batch(&mut self) -> Result<Vec<Entry>, HypervisorError> {
        let batch: Vec<Machine> = self.machines.by_ref().take(self.size).collect();
        let records = self.records(&batch)?;
        let mut entries = self.entries(records)?;
        let next = self.machines.as_slice().first();
        let comes_before = |entry: &Entry| {
            next.is_none_or(|next| place_of(entry) < (next.name(), Some(next.id())))
        };
        while let Some(orphan) = self.orphans.next_if(comes_before) {
            entries.push(orphan);
        }
        // In place: there can be many, and they are large.
        entries.sort_unstable_by(|a, b| place_of(a).cmp(&place_of(b)));
        Ok(entries)
    }
}

impl Iterator for Batches<'_> {
    type Item = Result<Vec<Entry>, HypervisorError>;

    fn next(&mut self) -> Option<Self::Item> {
        let is_over = self.machines.as_slice().is_empty() && self.orphans.peek().is_none();
        (!is_over).then(|| self.batch())
    }
}

/// Where a VM stands in a list.
fn place_of(entry: &Entry) -> (&str, Option<Uuid>) {
    (entry.vm.name(), entry.vm.id())
}

/// Adds to what a list tells the note of the image of a VM that is off, and which libvirt has saved, or of which
/// there is another image: of few others it would be missed, and it costs a call.
fn with_note(machine: &Machine, mut vm: Vm) -> Vm {
    if let Some(dynamic) = &mut vm.vm_dynamic
        && dynamic.status == VmStatus::Down
        && (dynamic.was_saved() || !vm.saved_images.is_empty())
    {
        let found = machine.own_metadata(METADATA_NAMESPACE, true);
        let noted = Metadata::recall(found.ok().flatten().as_deref());
        if noted.id == Some(machine.id()) && noted.last_stop_time >= noted.last_start_time {
            dynamic.hibernated_to = noted.hibernated_to;
            dynamic.last_stop_time = noted.last_stop_time;
            dynamic.last_start_time = noted.last_start_time;
            dynamic.image_given_up = noted.image_given_up;
        }
    }
    vm
}

/// What may lie there, and cannot be looked at.
fn unknown_image(path: &Path) -> SavedImage {
    SavedImage {
        path: Some(path.to_path_buf()),
        verdict: Verdict::Unreadable,
        flaw: Some("whether there is an image is not known".to_owned()),
        ..SavedImage::default()
    }
}

/// The observed part of a VM that libvirt does not know.
pub(crate) fn absent(vm: &Vm, status: VmStatus) -> VmDynamic {
    VmDynamic {
        id: vm.id(),
        status,
        status_reason: DomainState::ABSENT.reason_word(),
        ..VmDynamic::default()
    }
}
