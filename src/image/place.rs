//! The folder in which images lie, and the files in it.

use super::record::{FileIdentity, Usage};
use super::user::stranger;
use super::{
    CAREFUL, DAMAGED, Forced, Header, HeaderError, Record, RunLogs, Since, changes, checksum,
};
use crate::definition::{is_xml, read_domain};
use crate::entity::{SavedImage, Secret, Verdict, Vm};
use crate::payload::FILE_SUFFIX;
use jiff::{SignedDuration, Timestamp};
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// What every image begins with.
const BEGIN: &[u8; 12] = b"LibvirtQemud";
/// The ending of an image's name.
pub(super) const SUFFIX: &str = "vmsave";
/// So long after the last byte of an image QEMU may still write to its disks.
const QEMU_ENDS: SignedDuration = SignedDuration::from_secs(30);
/// The clocks of hosts and file servers do not differ more than this.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(10);
/// The folder of the system's daemon.
const SYSTEM: &str = "/var/lib/vmlife/images";

/// Why the place cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// No folder can be told for a session connection.
    #[error("neither XDG_STATE_HOME nor HOME is set, so the image place is unknown")]
    NoHome,
    /// What the user chose depends on the folder that he happens to be in.
    #[error("VMLIFE_IMAGES is '{}': it must be a whole path", .0.display())]
    Relative(PathBuf),
    /// Anybody could put an image there, or take one away.
    #[error("the image place {} may be written to by everybody: chmod o-w mends that", .0.display())]
    Open(PathBuf),
    /// The folder cannot be made or entered.
    #[error("the image place {} cannot be used: {error}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the file system says.
        error: io::Error,
    },
}

/// The folder in which images lie; one VM's image is `<uuid>.vmsave` in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImagePlace {
    folder: PathBuf,
}

impl ImagePlace {
    /// A folder of the user's choice.
    #[must_use]
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The place that belongs to a connection: `VMLIFE_IMAGES`, else `/var/lib/vmlife/images` for the
    /// system's daemon and `$XDG_STATE_HOME/vmlife/images` for a user's own.
    ///
    /// # Errors
    /// If a user's own is asked for and nothing tells where his home is, or `VMLIFE_IMAGES` is no
    /// whole path.
    pub fn of_connection(
        uri: &str,
        variable: impl Fn(&str) -> Option<PathBuf>,
    ) -> Result<Self, PlaceError> {
        let set = |name| variable(name).filter(|path: &PathBuf| path.is_absolute());
        let chosen = variable("VMLIFE_IMAGES").filter(|path| !path.as_os_str().is_empty());
        let folder = if let Some(folder) = chosen {
            if folder.is_relative() {
                return Err(PlaceError::Relative(folder));
            }
            folder
        } else if is_session(uri) {
            set("XDG_STATE_HOME")
                .or_else(|| Some(set("HOME")?.join(".local/state")))
                .ok_or(PlaceError::NoHome)?
                .join("vmlife/images")
        } else {
            PathBuf::from(SYSTEM)
        };
        Ok(Self { folder })
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the image of this VM lies.
    #[must_use]
    pub fn file(&self, id: Uuid) -> PathBuf {
        self.folder.join(format!("{id}.{SUFFIX}"))
    }

    /// Makes the folder, closed to all others, if it is not there.
    ///
    /// # Errors
    /// What the file system says.
    pub fn prepare(&self) -> Result<(), PlaceError> {
        let unusable = |error| PlaceError::Folder {
            folder: self.folder.clone(),
            error,
        };
        if self.folder.is_dir() {
            return self.closed();
        }
        let made: Vec<&Path> = self
            .folder
            .ancestors()
            .take_while(|path| !path.exists())
            .collect();
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)
            .map_err(unusable)?;
        // Each new name outlives a power cut only once the folder that holds it is flushed.
        made.into_iter().try_for_each(sync_folder).map_err(unusable)
    }

    /// Whether the folder, if it is there, is closed to those who are neither its owner nor in its group.
    ///
    /// # Errors
    /// If it is not.
    pub fn closed(&self) -> Result<(), PlaceError> {
        let found = self.folder.metadata();
        let is_open =
            found.is_ok_and(|found| found.is_dir() && found.permissions().mode() & 0o002 != 0);
        if is_open {
            return Err(PlaceError::Open(self.folder.clone()));
        }
        Ok(())
    }

    /// The file that is locked while somebody works on this VM.
    #[must_use]
    pub fn lock_file(&self, id: Uuid) -> PathBuf {
        self.folder.join(format!("{id}.lock"))
    }

    /// Where the CD lies on which this VM finds what its guest is told at its first boot.
    #[must_use]
    pub fn payload_file(&self, id: Uuid) -> PathBuf {
        self.folder.join(format!("{id}{FILE_SUFFIX}"))
    }

    /// Lets QEMU pass through the folder to a payload: unlike images, which the daemon opens for it, QEMU
    /// opens a CD itself, and that of the system's daemon is another user. What lies in the folder stays
    /// closed, and so does its list. A folder of the user's choice is his to open.
    ///
    /// # Errors
    /// What the file system says.
    pub fn let_qemu_pass(&self) -> io::Result<()> {
        if self.folder != Path::new(SYSTEM) {
            return Ok(());
        }
        for folder in self.folder.ancestors().take(2) {
            let mut mode = folder.metadata()?.permissions();
            if mode.mode() & 0o011 != 0o011 {
                mode.set_mode(mode.mode() | 0o011);
                fs::set_permissions(folder, mode)?;
            }
        }
        Ok(())
    }

    /// The UUIDs for which an image lies here. What cannot be looked at has none.
    #[must_use]
    pub fn ids(&self) -> Vec<Uuid> {
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return Vec::new();
        };
        let mut ids: Vec<Uuid> = entries
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                name.strip_suffix(&format!(".{SUFFIX}"))?.parse().ok()
            })
            .collect();
        ids.sort_unstable();
        ids
    }
}

/// Whether the connection of this URI is to a user's own daemon.
#[must_use]
pub fn is_session(uri: &str) -> bool {
    let path = uri.split_once("://").map_or("", |(_, rest)| rest);
    let path = path.split('?').next().unwrap_or_default();
    path.split_once('/')
        .is_some_and(|(_, path)| path == "session")
}

/// An image file on this machine, as far as it can be looked into.
#[derive(Debug)]
pub struct ImageFile {
    /// Where it lies.
    pub path: PathBuf,
    /// The VM whose memory it holds, as it was configured then.
    pub vm: Option<Vm>,
    /// That as domain XML, with its secrets.
    pub xml: Option<Secret>,
    /// What the model shows of it.
    pub summary: SavedImage,
    /// What its record tells, if there is one that is about it.
    pub record: Option<Record>,
    identity: FileIdentity,
    logs: Option<RunLogs>,
    /// The VM's name now, if libvirt knows it.
    name_now: Option<String>,
    /// Whether nothing speaks against it but that a restore of it began.
    is_doubted_for_its_mark: bool,
}

impl ImageFile {
    /// Looks at a file; what is wrong with it becomes its verdict. `None` if there is no file, or
    /// none that may be seen.
    #[must_use]
    pub fn inspect(path: &Path) -> Option<Self> {
        let seen = fs::symlink_metadata(path).ok()?;
        let identity = FileIdentity::from(&seen);
        let summary = SavedImage {
            path: Some(path.to_path_buf()),
            verdict: Verdict::Good,
            size_bytes: Some(seen.len()),
            saved_at: seen
                .modified()
                .ok()
                .and_then(|time| Timestamp::try_from(time).ok()),
            ..SavedImage::default()
        };
        let mut image = Self {
            path: path.to_path_buf(),
            vm: None,
            xml: None,
            summary,
            record: None,
            identity,
            logs: None,
            name_now: None,
            is_doubted_for_its_mark: false,
        };
        if let Err((verdict, flaw)) = image.examine(&seen) {
            image.summary.verdict = verdict;
            image.summary.flaw = Some(flaw);
        }
        Some(image)
    }

    /// The images in a folder, by name: files that begin as images do, those that are named so, and those beside
    /// which there is a record. An image whose name says that it is one VM's, and which is another's, is foreign.
    ///
    /// # Errors
    /// What the file system says of the folder.
    pub fn in_folder(folder: &Path) -> io::Result<Vec<Self>> {
        let mut paths: Vec<PathBuf> = fs::read_dir(folder)?
            .map(|entry| Ok(entry?.path()))
            .collect::<io::Result<_>>()?;
        paths.sort_unstable();
        let is_named_so = |path: &PathBuf| path.extension().is_some_and(|end| end == SUFFIX);
        Ok(paths
            .into_iter()
            .filter(|path| {
                let has_record = || !matches!(Record::beside(path), Ok(None));
                is_named_so(path) || begins_as_image(path) || has_record()
            })
            .filter_map(|path| {
                let named_so = path.file_stem().filter(|_| is_named_so(&path));
                match named_so.and_then(|stem| stem.to_str()?.parse().ok()) {
                    Some(id) => Self::inspect_of(&path, id),
                    None => Self::inspect(&path),
                }
            })
            .collect())
    }

    /// Reads the whole image, and compares it with its checksum. `watch` hears how far that is, and says
    /// whether to go on; what it stopped or could not be read has not been verified, nor has what has no checksum.
    ///
    /// # Errors
    /// What the file system says.
    pub fn verify(summary: &mut SavedImage, watch: impl FnMut(u64) -> bool) -> io::Result<()> {
        let (Some(path), Some(recorded)) = (&summary.path, &summary.checksum) else {
            return Ok(());
        };
        let Some(found) = checksum(path, watch)? else {
            return Ok(());
        };
        let is_right = found == *recorded;
        summary.verified = Some(is_right);
        if !is_right {
            summary.verdict = Verdict::Damaged;
            summary.flaw = Some(DAMAGED.to_owned());
        }
        Ok(())
    }

    /// Looks at a file that should hold the memory of this VM.
    #[must_use]
    pub fn inspect_of(path: &Path, id: Uuid) -> Option<Self> {
        let mut image = Self::inspect(path)?;
        let whose = image.vm.as_ref().and_then(Vm::id);
        if let (Some(vm), true) = (&image.vm, whose.is_some_and(|whose| whose != id)) {
            image.summary.verdict = Verdict::Foreign;
            image.summary.flaw = Some(format!(
                "it holds the memory of another VM, {:?}",
                vm.name()
            ));
            if image.record.is_none() {
                image.expect_recorded();
            }
        }
        Some(image)
    }

    /// The record beside it, if that is about this file, and it has not been touched since.
    #[must_use]
    pub fn record(&self) -> Option<Record> {
        self.record
            .clone()
            .filter(|record| record.image == self.identity)
    }

    /// Notes beside the image what is being done with it. Gives the record as it was, for
    /// [`ImageFile::unmark`].
    ///
    /// # Errors
    /// What the file system says, or that something else is where the record belongs.
    pub fn mark(&self, usage: Usage) -> io::Result<Option<Record>> {
        self.mark_forced(usage, &[])
    }

    /// The same, against what guards said.
    ///
    /// # Errors
    /// As [`ImageFile::mark`].
    pub fn mark_forced(&self, usage: Usage, forced: &[Forced]) -> io::Result<Option<Record>> {
        let before = Record::of(&self.path, self.identity, self.id())?;
        let vm = self.vm.as_ref();
        let fresh = || Record {
            schema_version: Record::SCHEMA_VERSION,
            name: vm.map(|vm| vm.name().to_owned()).unwrap_or_default(),
            id: self.id(),
            saved_at: self.summary.saved_at.unwrap_or_default(),
            status_before: None,
            was_running: self.summary.was_running,
            persistent: None,
            emulated_machine: vm.and_then(|vm| vm.vm_static.custom_emulated_machine.clone()),
            uri: None,
            host: None,
            libvirt_version: None,
            hypervisor_version: None,
            seconds: None,
            image_format: None,
            parallel_channels: None,
            bypass_cache: None,
            image: self.identity,
            checksum: None,
            disks: None,
            untold_disks: Vec::new(),
            firmware: Vec::new(),
            next_disks: Vec::new(),
            memory_before_trim: None,
            had_agent: None,
            forced: Vec::new(),
            usage: None,
            known_start: None,
            is_open: false,
        };
        let mut record = Record {
            usage: Some(usage),
            known_start: None,
            ..before.clone().unwrap_or_else(fresh)
        };
        record.forced.extend_from_slice(forced);
        record.store(&self.path)?;
        Ok(before)
    }

    /// Looks into libvirt's logs of the VM, too, under the name that it had and the one that it has now: whether it was
    /// started since.
    #[must_use]
    pub fn with_logs(mut self, logs: Option<&RunLogs>, name: Option<&str>) -> Self {
        self.logs = logs.cloned();
        self.name_now = name.map(str::to_owned);
        let record = self.record.as_ref();
        match self.since() {
            Since::Started(started) => {
                let known = record.and_then(Record::known_start);
                self.summary.started_since = Some(started).filter(|at| Some(*at) > known);
            }
            // A restore of it was cut off before it began.
            Since::NotStarted if self.summary.verdict == Verdict::Doubtful => {
                let began = |usage| matches!(usage, Usage::RestoreBegan(_));
                if record.and_then(|record| record.usage).is_some_and(began)
                    && self.is_doubted_for_its_mark
                {
                    self.summary.verdict = Verdict::Good;
                    self.summary.flaw = None;
                }
            }
            Since::NotStarted | Since::Unknown => {}
        }
        self
    }

    /// What libvirt's logs tell of the time since the VM's memory was written here.
    fn since(&self) -> Since {
        let (Some(written), Some(vm), Some(logs)) = (self.summary.saved_at, &self.vm, &self.logs)
        else {
            return Since::Unknown;
        };
        let saved = match &self.record {
            // A copy is younger than what it holds.
            Some(record) if record.image != self.identity => {
                let at = record.saved_at.min(written);
                (at, at)
            }
            // The file's time is that of its server, the record's is ours.
            Some(record) if record.saved_at <= written + CLOCKS_DIFFER => {
                (written, written.max(record.saved_at))
            }
            _ => (written, written),
        };
        let names: Vec<&str> = [vm.name()]
            .into_iter()
            .chain(self.name_now.as_deref().filter(|now| *now != vm.name()))
            .collect();
        logs.since(&names, self.id(), saved)
    }

    /// Notes that the guest has not run from it, although libvirt ended the VM by force, or its log has a start.
    ///
    /// # Errors
    /// As [`ImageFile::mark`].
    pub fn mark_as_not_run(&self) -> io::Result<()> {
        let known_start = match self.since() {
            Since::Started(at) => Some(at),
            Since::NotStarted | Since::Unknown => None,
        };
        self.mark(Usage::NotRunSince(Timestamp::now()))?;
        if known_start.is_none() {
            return Ok(());
        }
        self.note(|record| record.known_start = known_start)
    }

    /// Takes a mark back, as the guest has not run from it: the record is again as [`ImageFile::mark`] found it.
    ///
    /// # Errors
    /// What the file system says.
    pub fn unmark(&self, before: Option<&Record>) -> io::Result<()> {
        // What was in doubt before is in doubt still.
        let was_good =
            self.summary.verdict == Verdict::Good && self.summary.started_since.is_none();
        if was_good && matches!(self.since(), Since::Started(_)) {
            return self.mark_as_not_run();
        }
        match before {
            Some(record) => record.store(&self.path),
            None => self.remove_record(),
        }
    }

    /// Where the file has a hole, if that is wrong. libvirt writes a raw image from its begin to its end, so
    /// that a fresh one has none; copies may.
    #[must_use]
    pub fn first_hole(&self) -> Option<u64> {
        let is_raw = self.summary.format.as_deref() == Some("raw");
        let file = is_raw.then(|| File::open(&self.path).ok()).flatten()?;
        let hole = rustix::fs::seek(&file, rustix::fs::SeekFrom::Hole(0)).ok()?;
        // There is always one at the end.
        Some(hole).filter(|hole| *hole < self.identity.size_bytes)
    }

    /// Makes sure that the image outlives a power cut: libvirt flushes neither its final header nor
    /// the folder.
    ///
    /// # Errors
    /// What the file system says.
    pub fn flush(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()?;
        sync_folder(&self.path)
    }

    /// Writes the record of a fresh save.
    ///
    /// # Errors
    /// What the file system says.
    pub fn store(&self, record: &Record) -> io::Result<()> {
        record.store(&self.path)
    }

    /// What tells this file from another one in its place.
    #[must_use]
    pub const fn identity(&self) -> FileIdentity {
        self.identity
    }

    /// Writes something more into its record.
    ///
    /// # Errors
    /// What the file system says, or that there is no record of it.
    pub fn note(&self, change: impl FnOnce(&mut Record)) -> io::Result<()> {
        let record = Record::of(&self.path, self.identity, self.id())?;
        let mut record = record.ok_or_else(|| io::Error::other("its record has gone"))?;
        change(&mut record);
        record.store(&self.path)
    }

    /// Removes the image and its record.
    ///
    /// # Errors
    /// What the file system says, or that another file has taken the image's place. The record goes
    /// last, so that an image that stays keeps its mark.
    pub fn remove(&self) -> io::Result<()> {
        if FileIdentity::from(&fs::symlink_metadata(&self.path)?) != self.identity {
            return Err(io::Error::other("it has changed since it was looked at"));
        }
        fs::remove_file(&self.path)?;
        self.remove_record()?;
        sync_folder(&self.path)
    }

    /// The same with what is left of a save. QEMU may hold that open as long as it lives, so that it is emptied,
    /// too: else it would take the room for as long.
    ///
    /// # Errors
    /// As [`ImageFile::remove`].
    pub fn remove_unfinished(&self) -> io::Result<()> {
        let file = OpenOptions::new()
            .write(true)
            .custom_flags(CAREFUL)
            .open(&self.path);
        self.remove()?;
        file.and_then(|file| file.set_len(0))
    }

    /// The VM's UUID, or none's if the image does not tell.
    fn id(&self) -> Uuid {
        self.vm.as_ref().and_then(Vm::id).unwrap_or_default()
    }

    fn remove_record(&self) -> io::Result<()> {
        if let Ok(Some(_)) = Record::beside(&self.path) {
            fs::remove_file(Record::path_of(&self.path))?;
        }
        Record::discard_half(&self.path)
    }

    /// Fills in what the file and its record tell of it, and says what is wrong with it.
    fn examine(&mut self, seen: &Metadata) -> Result<(), (Verdict, String)> {
        if !seen.is_file() {
            return Err((Verdict::Damaged, "it is not a regular file".to_owned()));
        }
        if let Err(flaw) = self.examine_content(seen) {
            self.expect_recorded();
            return Err(flaw);
        }
        let heeded = self.heed_record();
        if let Some(words) = stranger(seen) {
            self.is_doubted_for_its_mark = false;
            let words = format!("{words}, so that what it is made of may be forged");
            return heeded.and(Err((Verdict::Untrusted, words)));
        }
        heeded
    }

    /// What is not whole does not tell that the record beside it is its own: its checksum counts all the same.
    fn expect_recorded(&mut self) {
        let beside = Record::beside(&self.path).ok().flatten();
        self.summary.checksum = beside.and_then(|record| record.checksum);
    }

    /// Fills in what the file tells of itself, and says why it is not whole.
    fn examine_content(&mut self, seen: &Metadata) -> Result<(), (Verdict, String)> {
        let unusable = |error| match error {
            HeaderError::Io(error) if error.kind() == io::ErrorKind::PermissionDenied => (
                Verdict::Unreadable,
                "it may not be read from here".to_owned(),
            ),
            error => (Verdict::Damaged, error.to_string()),
        };
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(CAREFUL)
            .open(&self.path)
            .map_err(|error| unusable(error.into()))?;
        let header = Header::read(io::BufReader::new(&file), seen.len()).map_err(unusable)?;
        let is_cut_short = header.complete && {
            let looked = header.is_cut_short(&file, seen.len());
            looked.map_err(|error| unusable(error.into()))?
        };
        self.summary.was_running = Some(header.was_running);
        self.summary.format = Some(header.format.word().to_owned());
        self.vm = header.xml.expose().and_then(|xml| read_domain(xml).ok());
        self.xml = Some(header.xml);
        if !header.complete {
            return Err((Verdict::Incomplete, "its save was interrupted".to_owned()));
        }
        if self.vm.as_ref().is_none_or(|vm| vm.id().is_none()) {
            return Err((Verdict::Damaged, "its description is no VM's".to_owned()));
        }
        if !header.cookie.is_empty() && !is_xml(&header.cookie) {
            return Err((Verdict::Damaged, "its cookie is no XML".to_owned()));
        }
        if is_cut_short {
            return Err((
                Verdict::Doubtful,
                "it seems to be cut short: its memory does not end as QEMU ends it".to_owned(),
            ));
        }
        Ok(())
    }

    /// What the record beside it says against it.
    fn heed_record(&mut self) -> Result<(), (Verdict, String)> {
        self.record = Record::of(&self.path, self.identity, self.id())
            .map_err(|error| (Verdict::Doubtful, error.to_string()))?;
        let record = self.record.as_ref();
        self.summary.checksum = record.and_then(|record| record.checksum.clone());
        self.summary.persistent = record.and_then(|record| record.persistent);
        let usage = record.and_then(|record| record.usage);
        if let Some(Usage::LeftBehind(at)) = usage {
            let words = format!("the VM has run since, from {at:.0} on");
            return Err((Verdict::Used, words));
        }
        let (changed, untold) = self.changed_disks();
        self.summary.unchecked = untold;
        if !changed.is_empty() {
            let words = format!(
                "it is stale: {}; old memory over newer disks destroys file systems",
                changed.join(", ")
            );
            return Err((Verdict::Stale, words));
        }
        if let Some(path) = self.written_since() {
            let words = format!(
                "its disk {path} was written to after it was saved: old memory over newer disks destroys file systems"
            );
            return Err((Verdict::Doubtful, words));
        }
        if let Some(Usage::RestoreBegan(at)) = usage {
            let words =
                format!("a restore of it began at {at:.0}, and nobody knows whether the guest ran");
            self.is_doubted_for_its_mark = true;
            return Err((Verdict::Doubtful, words));
        }
        if let Some(Usage::NotRunSince(at)) = usage {
            // libvirt does not tell whether it was ended by force once more since: its disks do.
            let disks = self.vm.iter().flat_map(|vm| &vm.vm_static.images);
            let mut paths = disks.filter_map(|disk| disk.image_path.as_deref());
            if let Some(path) = paths.find(|path| has_changed_since(Path::new(path), at)) {
                let words =
                    format!("its disk {path} has changed since {at:.0}, so that it has run");
                return Err((Verdict::Doubtful, words));
            }
            // No flaw, but worth a word: see `Machine::observe`.
            self.summary.flaw = Some(format!(
                "good; libvirt says that the VM was ended, but the guest has not run since {at:.0}"
            ));
        }
        Ok(())
    }

    /// A disk that was written to after the save by the clock alone, and when. That tells where no record can.
    fn written_since(&self) -> Option<String> {
        let record = self.record.as_ref();
        let vouches = record.is_some_and(|record| record.doubt(self.identity).is_none());
        let saved_at = self.summary.saved_at.filter(|_| !vouches)?;
        let saved_at = record.map_or(saved_at, |record| record.saved_at.min(saved_at));
        let disks = self.vm.iter().flat_map(|vm| &vm.vm_static.images);
        let own = disks.filter(|disk| !disk.read_only && !disk.shareable);
        let mut paths = own.filter_map(|disk| disk.image_path.as_deref());
        // QEMU writes until its end, which comes after that of the save.
        let last = saved_at + QEMU_ENDS;
        let path = paths.find(|path| {
            let path = Path::new(path);
            path.is_file() && has_changed_since(path, last) && are_of_one_clock(&self.path, path)
        })?;
        Some(path.to_owned())
    }

    /// The disks that are not as the save left them, and what cannot be told of that.
    fn changed_disks(&self) -> (Vec<String>, Option<String>) {
        let cannot_tell = |which: &str, why: &str| {
            Some(format!(
                "whether {which} changed since it was saved cannot be told{why}"
            ))
        };
        let disks = self.vm.iter().flat_map(|vm| &vm.vm_static.images);
        let has_disks = disks.into_iter().any(|disk| !disk.read_only);
        let doubt = match &self.record {
            Some(record) => record.doubt(self.identity),
            None if Record::beside(&self.path).is_ok_and(|found| found.is_some()) => {
                Some("the record beside it is about another image")
            }
            None => Some("it has no record"),
        };
        let compared = self
            .record
            .as_ref()
            .filter(|record| doubt.is_none() || record.is_of_this_host())
            .map(|record| changes(record.disks.as_deref().unwrap_or_default()));
        let (changed, hidden) = compared.unwrap_or_default();
        match (&self.record, doubt) {
            // Also where the record is in doubt: it can vouch for nothing then, and still tell of a change.
            _ if !changed.is_empty() => (changed, None),
            (_, Some(why)) if has_disks => (
                Vec::new(),
                cannot_tell("its disks have", &format!(": {why}")),
            ),
            (Some(record), None) => {
                let untold: Vec<&str> = record
                    .untold_disks
                    .iter()
                    .chain(&hidden)
                    .map(String::as_str)
                    .collect();
                let untold = match untold.as_slice() {
                    [] => None,
                    [one] => cannot_tell(&format!("its disk {one} has"), ""),
                    all => cannot_tell(&format!("its disks {} have", all.join(", ")), ""),
                };
                (changed, untold)
            }
            _ => (Vec::new(), None),
        }
    }
}

/// The ending of a file's name, if it is one that vmlife's own files beside images have.
#[must_use]
pub fn reserved_ending(path: &Path) -> Option<&'static str> {
    let name = path.as_os_str().as_encoded_bytes();
    let mut endings = [".lock", Record::SUFFIX, Record::HALF_SUFFIX].into_iter();
    endings.find(|ending| name.ends_with(ending.as_bytes()))
}

/// Whether a regular file begins as images do.
#[must_use]
pub fn begins_as_image(path: &Path) -> bool {
    let mut begin = [0; BEGIN.len()];
    let is_regular = path.symlink_metadata().is_ok_and(|found| found.is_file());
    let opened = || {
        OpenOptions::new()
            .read(true)
            .custom_flags(CAREFUL)
            .open(path)
    };
    is_regular
        && opened().is_ok_and(|mut file| file.read_exact(&mut begin).is_ok())
        && begin == *BEGIN
}

fn has_changed_since(path: &Path, at: Timestamp) -> bool {
    let changed = fs::metadata(path).and_then(|found| found.modified());
    changed.is_ok_and(|changed| Timestamp::try_from(changed).is_ok_and(|changed| changed > at))
}

/// Whether both files' times are told by the kernel of this host, and not by a server of its own clock.
fn are_of_one_clock(one: &Path, other: &Path) -> bool {
    // NFS, SMB, CIFS, SMB2, Ceph, FUSE, 9P, GFS2, OCFS2, Lustre: linux/magic.h and their own sources.
    const SERVED: [u32; 10] = [
        0x6969,
        0x517b,
        0xff53_4d42,
        0xfe53_4d42,
        0x00c3_6400,
        0x6573_5546,
        0x0102_1997,
        0x0116_1970,
        0x7461_636f,
        0x0bd0_0bd0,
    ];
    let is_here = |path| {
        let found = rustix::fs::statfs(path);
        // The kernel's type has other widths elsewhere; the numbers have 32 bits.
        found.is_ok_and(|found| {
            !SERVED
                .iter()
                .any(|kind| i128::from(*kind) == i128::from(found.f_type) & 0xffff_ffff)
        })
    };
    is_here(one) && is_here(other)
}

/// Whether we may not look at this file, which then only the daemon can do: the file system will not
/// say that it exists, or will not let us read it.
#[must_use]
pub fn is_forbidden(path: &Path) -> bool {
    let denied = |error: io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    match fs::symlink_metadata(path) {
        Err(error) => denied(error),
        Ok(found) if found.is_file() => OpenOptions::new()
            .read(true)
            .custom_flags(CAREFUL)
            .open(path)
            .is_err_and(denied),
        Ok(_) => false,
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_connection_has_its_place() {
        let variables = |set: &'static [(&str, &str)]| {
            move |name: &str| {
                set.iter()
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| value.into())
            }
        };
        let home: &[(&str, &str)] = &[("HOME", "/home/u")];
        let state: &[(&str, &str)] = &[("HOME", "/home/u"), ("XDG_STATE_HOME", "/state")];
        let chosen: &[(&str, &str)] = &[("VMLIFE_IMAGES", "/big")];
        for (uri, set, folder) in [
            ("qemu:///system", home, "/var/lib/vmlife/images"),
            ("qemu+ssh://root@far/system", home, "/var/lib/vmlife/images"),
            (
                "qemu:///session",
                home,
                "/home/u/.local/state/vmlife/images",
            ),
            (
                "qemu+unix:///session?socket=/s",
                state,
                "/state/vmlife/images",
            ),
            ("qemu:///session", chosen, "/big"),
            ("test:///default", home, "/var/lib/vmlife/images"),
        ] {
            assert_eq!(
                ImagePlace::of_connection(uri, variables(set))
                    .unwrap()
                    .folder(),
                folder
            );
        }
        assert!(ImagePlace::of_connection("qemu:///session", variables(&[])).is_err());
        let relative = variables(&[("VMLIFE_IMAGES", "images"), ("HOME", "/home/u")]);
        assert!(ImagePlace::of_connection("qemu:///session", relative).is_err());
    }

    #[test]
    fn a_mark_is_read_back_and_dies_with_its_image() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.vmsave");
        fs::write(&path, "anything").unwrap();
        let image = ImageFile::inspect(&path).unwrap();
        assert_eq!(image.summary.verdict, Verdict::Damaged);
        let usage = Usage::LeftBehind(Timestamp::now());
        assert_eq!(image.mark(usage).unwrap(), None);
        let marked = Record::of(&path, image.identity, Uuid::nil())
            .unwrap()
            .unwrap();
        assert_eq!(marked.usage, Some(usage));
        image.unmark(None).unwrap();
        assert_eq!(Record::beside(&path).unwrap(), None);
        image.mark(usage).unwrap();
        fs::write(&path, "another image").unwrap();
        assert!(image.remove().is_err(), "it is another file now");
        let other = ImageFile::inspect(&path).unwrap();
        assert_eq!(
            Record::of(&path, other.identity, Uuid::nil()).unwrap(),
            None
        );
        other.remove().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_no_record_is_neither_overwritten_nor_removed_and_a_newer_one_is_heeded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.vmsave");
        fs::write(&path, "anything").unwrap();
        let image = ImageFile::inspect(&path).unwrap();
        fs::write(Record::path_of(&path), "{\"mine\": 1}").unwrap();
        assert!(image.mark(Usage::LeftBehind(Timestamp::now())).is_err());
        image.remove().unwrap();
        assert_eq!(
            fs::read_to_string(Record::path_of(&path)).unwrap(),
            "{\"mine\": 1}"
        );
        fs::write(Record::path_of(&path), "{\"schemaVersion\": 99}").unwrap();
        assert!(Record::beside(&path).is_err());
    }

    #[test]
    fn neither_a_link_nor_a_folder_is_taken_for_an_image() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("l.vmsave");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        for path in [&link, folder.path()] {
            let image = ImageFile::inspect(path).unwrap();
            assert_eq!(
                image.summary.flaw.as_deref(),
                Some("it is not a regular file")
            );
        }
    }
}
