//! From words to VMs. Every word is resolved before the first VM is touched.

use crate::definition::{self, Definition, read_domain};
use crate::entity::{Secret, Verdict, Vm, VmStatus};
use crate::field::Field;
use crate::hypervisor::{Access, Hypervisor, HypervisorError};
use crate::image::ImageFile;
use crate::interrupt::within;
use crate::inventory::{Depth, Entry, Inventory, absent};
use crate::plan::{Decision, Verb, Wishes, decide};
use crate::report::{Failure, Kind, SilentHost, VmRef};
use crate::run::CONNECT_LIMIT;
use crate::words::{either, nearest};
use glob::Pattern;
use std::collections::{BTreeMap, HashSet};
use std::fmt::{self, Display, Formatter};
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;
use uuid::Uuid;

/// What the user typed to say which VMs he means.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Names, UUIDs, globs and definition files.
    pub targets: Vec<String>,
    /// Definition files that were named as such.
    pub files: Vec<String>,
    /// libvirt's numbers of running domains.
    pub numbers: Vec<u32>,
    /// All that the verb applies to.
    pub all: bool,
    /// Globs of names to leave out.
    pub exclude: Vec<String>,
    /// Labels that a VM must have, all of them.
    pub labels: Vec<(String, String)>,
    /// Globs of groups, of which its own must match one.
    pub groups: Vec<String>,
    /// Whether a glob may stand for nothing yet.
    pub awaits: bool,
}

impl Selection {
    /// Whether it names nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.all && !self.names() && !self.filters()
    }

    /// Whether it names VMs one by one.
    #[must_use]
    pub fn names(&self) -> bool {
        !(self.targets.is_empty() && self.files.is_empty() && self.numbers.is_empty())
    }

    /// Whether labels or groups choose among VMs.
    #[must_use]
    pub fn filters(&self) -> bool {
        !(self.labels.is_empty() && self.groups.is_empty())
    }

    /// Whether this is the name of a host of which no VM can be meant: each word names its host, and this one is not
    /// among those. It need not be asked then, nor answer. What is to be shown may have fields between its VMs.
    #[must_use]
    pub fn passes_by(&self, host: &str, hosts: &[&str], verb: Verb) -> bool {
        let names_other = |word: &String| {
            let of = word.rsplit_once('/').map(|(of, _)| of);
            of.is_some_and(|of| of != host && hosts.contains(&of))
        };
        let is_field =
            |word: &String| verb == Verb::Show && word.contains('.') && Field::is_like(word);
        let [first, rest @ ..] = self.targets.as_slice() else {
            return false;
        };
        let is_more = self.all || self.filters();
        let is_more = is_more || !(self.files.is_empty() && self.numbers.is_empty());
        let mut rest = rest.iter();
        !is_more && names_other(first) && rest.all(|word| names_other(word) || is_field(word))
    }

    /// Whether labels and groups choose this one.
    pub(crate) fn chooses(
        &self,
        vm: &Vm,
        of_host: &BTreeMap<String, String>,
        groups: &[Pattern],
    ) -> bool {
        let configured = &vm.vm_static;
        let has = |(key, value): &(String, String)| {
            let own = configured.labels.get(key).or_else(|| of_host.get(key));
            own == Some(value)
        };
        let group = configured.vm_group_name.as_deref().unwrap_or_default();
        let is_in = groups.iter().any(|pattern| pattern.matches(group));
        self.labels.iter().all(has) && (groups.is_empty() || is_in)
    }
}

/// A word, understood as far as that goes without looking.
enum Word {
    Definition(Box<Definition>),
    Id(Uuid),
    Number(u32),
    Name(String),
}

impl Display for Word {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Definition(definition) => write!(f, "'{}'", definition.vm.name()),
            Self::Id(id) => write!(f, "{id}"),
            Self::Number(number) => write!(f, "number {number}"),
            Self::Name(name) => write!(f, "'{name}'"),
        }
    }
}

impl Word {
    /// Whether it may stand for several VMs of a host.
    fn is_pattern(&self) -> bool {
        matches!(self, Self::Name(name) if is_glob(name))
    }

    /// The VM of that name on a host, if it names one.
    fn named_on(&self, host: &str) -> Option<VmRef> {
        let (name, id) = match self {
            Self::Id(id) => (id.to_string(), Some(*id)),
            Self::Name(name) if !self.is_pattern() => (name.clone(), None),
            Self::Number(number) => (number.to_string(), None),
            Self::Name(_) | Self::Definition(_) => return None,
        };
        let host = Some(host.to_owned());
        Some(VmRef { host, name, id })
    }

    /// A word that names one VM may not be found on several hosts: which one is meant would be a guess.
    fn is_of_one(&self, found: &[(usize, Entry)]) -> Result<(), Failure> {
        if found.len() < 2 || self.is_pattern() {
            return Ok(());
        }
        let is_known = |entry: &Entry| entry.machine.is_some() || !entry.vm.saved_images.is_empty();
        let known = found.iter().filter(|(_, entry)| is_known(entry));
        let names: Vec<String> = known
            .map(|(_, entry)| VmRef::from(&entry.vm).to_string())
            .collect();
        let failure = if names.is_empty() {
            let message = format!("no host knows {self}, so that it is not told where to boot it");
            Failure::new(Kind::Usage, message).hint("name one host with -c")
        } else {
            let message = format!("{self} stands for several VMs: {}", names.join(", "));
            Failure::new(Kind::Usage, message).hint("name one of them so, or one host with -c")
        };
        Err(failure)
    }
}

/// How long one of several hosts may take to tell what it has.
const HOST_LIMIT: Duration = Duration::from_secs(30);

/// What was found on the hosts that answer.
#[derive(Debug, Default)]
pub struct Selected {
    /// The VMs, each with the place of its host, each once, in the order asked.
    pub entries: Vec<(usize, Entry)>,
    /// The places of hosts that did not answer, and why.
    pub silent: Vec<(usize, Failure)>,
    /// Words about VMs that were named one by one, and are left out for their labels or group.
    pub left_out: Vec<String>,
    /// What was named one by one of hosts that did not answer.
    pub out_of_reach: Vec<VmRef>,
}

/// What one host has of what is meant.
struct Found {
    /// For each word.
    of_words: Vec<Vec<Entry>>,
    /// What is meant without being named.
    unnamed: Vec<Entry>,
    /// What `--all` does not mean, as there is nothing to do to it.
    rest: Vec<Entry>,
}

/// What is looked for, and how closely.
struct Look {
    /// The words, each with the host that it names, if it names one.
    words: Vec<(Option<String>, Word)>,
    selection: Selection,
    verb: Verb,
    wishes: Wishes,
    depth: Depth,
}

/// The hosts that are not asked: what only an image tells of may be theirs.
#[derive(Clone, Default)]
pub struct Others {
    /// The names of those that could not be reached.
    pub unreached: Vec<String>,
    /// Those that no word names.
    pub passed_by: Vec<PassedBy>,
}

/// A host of which no VM is meant. It is asked only whether a VM that an image tells of is its own.
#[derive(Clone)]
pub struct PassedBy {
    name: String,
    uri: Option<String>,
    opened: Arc<OnceLock<Option<Arc<Hypervisor>>>>,
}

impl PassedBy {
    /// The host of that name that is reached there.
    #[must_use]
    pub fn new(name: String, uri: Option<String>) -> Self {
        let opened = Arc::default();
        Self { name, uri, opened }
    }

    /// Why what was not found may be its own, if it was asked for that and does not answer.
    fn away(&self) -> Option<SilentHost> {
        let is_away = self.opened.get()?.is_none();
        let why = Failure::new(Kind::Connection, "it does not answer");
        is_away.then(|| SilentHost::new(Some(&self.name), why))
    }

    /// Whether it has a VM of this UUID, if it tells.
    fn has(&self, id: Uuid) -> Option<bool> {
        let open = || {
            let uri = self.uri.clone();
            let opened = within(CONNECT_LIMIT, move || {
                Hypervisor::open(uri.as_deref(), Access::ReadOnly)
            });
            opened.and_then(Result::ok).map(Arc::new)
        };
        let hypervisor = Arc::clone(self.opened.get_or_init(open).as_ref()?);
        let found = within(HOST_LIMIT, move || hypervisor.machine_by_id(id))?;
        found.ok().map(|machine| machine.is_some())
    }
}

/// Finds the VMs that are meant, each once, in the order asked; all of them may be looked at as closely
/// as a list needs.
///
/// # Errors
/// A word that stands for nothing (with the nearest names), or for VMs on several hosts; a file that is wrong, or
/// a definition that contradicts libvirt. A host that does not answer is one if it is the only one.
pub fn select(
    hosts: &[Arc<Inventory>],
    others: &Others,
    selection: &Selection,
    verb: Verb,
    wishes: Wishes,
    depth: Depth,
) -> Result<Selected, Failure> {
    let exclude = patterns(&selection.exclude)?;
    let groups = patterns(&selection.groups)?;
    // What chooses among VMs stands in their definitions.
    let least = if selection.filters() {
        Depth::Definition
    } else {
        Depth::State
    };
    let look = Arc::new(Look {
        words: read_words(selection, hosts, &others.unreached)?,
        selection: selection.clone(),
        verb,
        wishes,
        depth: depth.max(least),
    });
    let words = &look.words;
    let mut selected = Selected::default();
    let (mut found, silent) = ask_all(hosts, &look)?;
    selected.silent = silent;
    let all_answer = others.unreached.is_empty() && selected.silent.is_empty();
    let answers_not = |name: &String| {
        let mut silent = selected.silent.iter();
        others.unreached.contains(name)
            || silent.any(|(place, _)| hosts[*place].host.as_ref() == Some(name))
    };
    let silent: Vec<usize> = selected.silent.iter().map(|(place, _)| *place).collect();
    let (mut unknown, mut named) = (Vec::new(), Vec::new());
    let mut out_of_reach = Vec::new();
    for (number, (host, word)) in words.iter().enumerate() {
        if let Some(host) = host.as_ref().filter(|host| answers_not(host)) {
            let named = word.named_on(host);
            let named = named.filter(|vm| !exclude.iter().any(|pattern| pattern.matches(&vm.name)));
            out_of_reach.extend(named.filter(|vm| !out_of_reach.contains(vm)));
            continue;
        }
        let mut of_word = Vec::new();
        for (place, found) in &mut found {
            let entries = std::mem::take(&mut found.of_words[number]);
            of_word.extend(entries.into_iter().map(|entry| (*place, entry)));
        }
        without_images_of_others(&mut of_word, hosts, others, &silent, all_answer);
        if of_word.is_empty() && !(selection.awaits && word.is_pattern()) {
            unknown.push(word);
        }
        word.is_of_one(&of_word)?;
        if !word.is_pattern() {
            named.extend(
                of_word
                    .iter()
                    .map(|(place, entry)| (*place, VmRef::from(&entry.vm))),
            );
        }
        selected.entries.extend(of_word);
    }
    if !unknown.is_empty() {
        let failure = not_found(hosts, &unknown, &selected.silent)?;
        let away = others.passed_by.iter().find_map(PassedBy::away);
        return Err(match away {
            Some(host) => host.may_have(failure),
            None => failure,
        });
    }
    selected.out_of_reach = out_of_reach;
    let (mut unnamed, mut rest) = (Vec::new(), Vec::new());
    for (place, found) in found {
        let on_host = |entry| (place, entry);
        unnamed.extend(found.unnamed.into_iter().map(on_host));
        rest.extend(found.rest.into_iter().map(on_host));
    }
    without_images_of_others(&mut unnamed, hosts, others, &silent, all_answer);
    if verb == Verb::Restore {
        selected
            .left_out
            .extend(without_images_from_elsewhere(&mut unnamed, hosts));
    }
    selected.entries.extend(unnamed);
    let chooses = |(place, entry): &(usize, Entry)| {
        let of_host = &hosts[*place].labels;
        selection.chooses(&entry.vm, of_host, &groups)
    };
    let is_any = !selected.entries.is_empty();
    selected.entries.retain(chooses);
    let is_none_chosen = selected.entries.is_empty() && !rest.iter().any(chooses);
    if is_none_chosen && selection.filters() && (is_any || !selection.names()) && all_answer {
        return Err(none_chosen(selection, selection.names()));
    }
    named.retain(|(place, vm)| {
        let mut chosen = selected.entries.iter();
        !chosen.any(|(of, entry)| of == place && VmRef::from(&entry.vm) == *vm)
    });
    for (_, vm) in named {
        let words = format!("{vm} is left out: it has not {}", wanted_words(selection));
        selected.left_out.push(words);
    }
    without_excluded(&mut selected.entries, &exclude);
    Ok(selected)
}

/// Leaves out what is excluded, and what was found more than once.
fn without_excluded(entries: &mut Vec<(usize, Entry)>, exclude: &[Pattern]) {
    let mut seen = HashSet::new();
    entries.retain(|(place, entry)| {
        let excluded = exclude
            .iter()
            .any(|pattern| pattern.matches(entry.vm.name()));
        let is_new = seen.insert((*place, entry.vm.id(), entry.vm.name().to_owned()));
        is_new && !excluded
    });
}

/// Several daemons see the images in one place. Of a VM that only its image knows on some of them, those are left out
/// if another one knows it, whatever it does there, and all but the first if none does. As long as one does not answer,
/// it may be that one's, and run there: then only the record beside it can tell whose it is.
fn without_images_of_others(
    found: &mut Vec<(usize, Entry)>,
    hosts: &[Arc<Inventory>],
    not_asked: &Others,
    silent: &[usize],
    all_answer: bool,
) {
    let folder = |place: usize| hosts[place].place.folder();
    let mut seen = HashSet::new();
    found.retain(|(place, entry)| {
        if entry.machine.is_some() || entry.vm.saved_images.is_empty() {
            return true;
        }
        let others = (0..hosts.len()).filter(|other| {
            other != place && !silent.contains(other) && folder(*other) == folder(*place)
        });
        let mut is_sure = all_answer;
        for other in others {
            let (hypervisor, id) = (Arc::clone(&hosts[other].hypervisor), entry.vm.id());
            let known = id.map(|id| within(HOST_LIMIT, move || hypervisor.machine_by_id(id)));
            match known {
                Some(Some(Ok(Some(_)))) => return false,
                Some(Some(Ok(None))) | None => {}
                Some(_) => is_sure = false,
            }
        }
        if let Some(id) = entry.vm.id() {
            for has in on_each(&not_asked.passed_by, |other| other.has(id)) {
                match has {
                    Some(true) => return false,
                    Some(false) => {}
                    None => is_sure = false,
                }
            }
        }
        let is_its = saved_from(entry).as_deref() == Some(hosts[*place].hypervisor.uri());
        (is_sure || is_its) && seen.insert((folder(*place), entry.vm.id()))
    });
}

/// Leaves out those that nobody has named, that only an image knows, and whose image was saved by another daemon: that one
/// may know them. Gives what is to be said of that.
fn without_images_from_elsewhere(
    unnamed: &mut Vec<(usize, Entry)>,
    hosts: &[Arc<Inventory>],
) -> Vec<String> {
    let mut left_out = Vec::new();
    unnamed.retain(|(place, entry)| {
        let host = &hosts[*place];
        // Who names the image has named it.
        let is_unnamed = host.from.is_none() && entry.machine.is_none();
        let from = saved_from(entry).filter(|_| is_unnamed);
        let Some(from) = from.filter(|from| from != host.hypervisor.uri()) else {
            return true;
        };
        let from = Secret::hide_in_uri(&from);
        let vm = VmRef::from(&entry.vm);
        left_out.push(format!("{vm} is left out: it was hibernated from {from}"));
        false
    });
    left_out
}

/// The connection that the image of a VM was saved by, if its record tells.
fn saved_from(entry: &Entry) -> Option<String> {
    let mut images = entry.vm.saved_images.iter();
    let path = images.find_map(|image| image.path.as_deref())?;
    ImageFile::inspect(path)?.record?.uri
}

/// What each host has of what is meant, and the places of those of several that do not answer, with the reason.
#[expect(clippy::type_complexity)] // It is taken apart at once.
fn ask_all(
    hosts: &[Arc<Inventory>],
    look: &Arc<Look>,
) -> Result<(Vec<(usize, Found)>, Vec<(usize, Failure)>), Failure> {
    let (mut found, mut silent) = (Vec::new(), Vec::new());
    let ask = |host: &Arc<Inventory>| {
        if hosts.len() == 1 {
            return find(host, look);
        }
        let (host, look) = (Arc::clone(host), Arc::clone(look));
        within(HOST_LIMIT, move || find(&host, &look)).unwrap_or_else(|| {
            let silence = format!("it has not answered within {} s", HOST_LIMIT.as_secs());
            Err(Failure::new(Kind::Connection, silence))
        })
    };
    for (place, answer) in on_each(hosts, ask).into_iter().enumerate() {
        match answer {
            Ok(one) => found.push((place, one)),
            Err(failure) if hosts.len() > 1 && failure.kind == Kind::Connection => {
                silent.push((place, failure));
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok((found, silent))
}

/// Asks all hosts at once.
fn on_each<H: Sync, T: Send>(hosts: &[H], ask: impl Fn(&H) -> T + Sync) -> Vec<T> {
    if let [only] = hosts {
        return vec![ask(only)];
    }
    let ask = &ask;
    thread::scope(|scope| {
        let asked: Vec<_> = hosts
            .iter()
            .map(|host| scope.spawn(move || ask(host)))
            .collect();
        let answers = asked.into_iter().map(ScopedJoinHandle::join);
        answers
            .map(|answer| answer.unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    })
}

/// What a host has of what is meant.
fn find(inventory: &Arc<Inventory>, look: &Look) -> Result<Found, Failure> {
    let selection = &look.selection;
    let (verb, wishes, depth) = (look.verb, look.wishes, look.depth);
    let (mut unnamed, mut rest) = (Vec::new(), Vec::new());
    if let Some(path) = &inventory.from {
        let owner = owner_of_image(inventory, path)?;
        if selection.is_empty() {
            unnamed.push(owner);
        }
    }
    let mut of_words = Vec::new();
    for (host, word) in &look.words {
        let is_here = host.is_none() || *host == inventory.host;
        of_words.push(if is_here {
            resolve(inventory, word, verb, wishes, depth)?
        } else {
            Vec::new()
        });
    }
    let is_chosen_only = selection.filters() && !selection.names() && inventory.from.is_none();
    if selection.all || is_chosen_only {
        let all = inventory
            .list(depth, |_| true)
            .map_err(|error| listing_failed(&error))?;
        let is_meant = |entry: &Entry| !selection.all || is_among_all(verb, &entry.vm, wishes);
        let (meant, others) = all.into_iter().partition::<Vec<_>, _>(is_meant);
        unnamed.extend(meant);
        rest = others;
    }
    Ok(Found {
        of_words,
        unnamed,
        rest,
    })
}

/// The labels and groups that are asked for.
fn wanted_words(selection: &Selection) -> String {
    let labels = selection.labels.iter();
    let labels = labels.map(|(key, value)| format!("the label {key}={value}"));
    let groups = selection.groups.iter();
    let groups = groups.map(|group| format!("the group '{group}'"));
    let wanted: Vec<String> = labels.chain(groups).collect();
    wanted.join(" and ")
}

/// No VM has these labels, and is in these groups; `named`: none of those that were named.
fn none_chosen(selection: &Selection, named: bool) -> Failure {
    let which = if named { "VM that is named" } else { "VM" };
    let message = format!("no {which} has {}", wanted_words(selection));
    Failure::new(Kind::NotFound, message)
        .hint("vmlife show --columns NAME,LABELS,GROUP lists what they have")
}

/// Whether `--all` means this VM, too: what the verb can be done to, and what it should be done to and
/// cannot. Who hibernates all VMs before the host goes down must hear of one that stays up.
fn is_among_all(verb: Verb, vm: &Vm, wishes: Wishes) -> bool {
    match decide(verb, vm, wishes) {
        Decision::Do(_) => true,
        Decision::Already(_) => false,
        Decision::Refuse(failure) => match failure.kind {
            // One that is missing is missed.
            Kind::NotFound => !vm.saved_images.is_empty(),
            Kind::State => match verb {
                Verb::Hibernate => vm.status().is_active(),
                // One that was loaded and waits.
                Verb::Restore => vm.status() == VmStatus::Paused,
                _ => false,
            },
            // What was left behind is no loss, unless the memory is missing.
            Kind::Guard => {
                let is = |verdict| vm.saved_images.iter().any(|image| image.verdict == verdict);
                is(Verdict::Missing) || !is(Verdict::Used)
            }
            _ => true,
        },
    }
}

/// The VM whose memory an image holds: the image tells.
fn owner_of_image(inventory: &Inventory, path: &Path) -> Result<Entry, Failure> {
    let nothing =
        |kind, why: String| Failure::new(kind, format!("the image {}: {why}", path.display()));
    let id = if inventory.looks_at(path) {
        let missing = || nothing(Kind::NotFound, "there is no such file".to_owned());
        let image = ImageFile::inspect(path).ok_or_else(missing)?;
        let flaw = image.summary.flaw.unwrap_or_default();
        image
            .vm
            .and_then(|vm| vm.id())
            .ok_or_else(|| nothing(Kind::Guard, flaw))?
    } else {
        let path = path.to_str().unwrap_or_default();
        let xml = inventory.hypervisor.image_xml(path).map_err(|error| {
            let kind = if error.is_no_such_file() {
                Kind::NotFound
            } else {
                error.kind()
            };
            nothing(kind, "the daemon cannot read it".to_owned()).because(&error)
        })?;
        let vm = read_domain(&xml).map_err(|error| nothing(Kind::Guard, error.to_string()))?;
        vm.id()
            .ok_or_else(|| nothing(Kind::Guard, "its description is no VM's".to_owned()))?
    };
    let found = machine_entry(inventory, inventory.hypervisor.machine_by_id(id))?;
    found
        .or_else(|| inventory.orphan(id))
        .ok_or_else(|| nothing(Kind::Guard, "its VM cannot be told".to_owned()))
}

pub(crate) fn patterns(globs: &[String]) -> Result<Vec<Pattern>, Failure> {
    globs
        .iter()
        .map(|glob| {
            Pattern::new(glob).map_err(|error| {
                Failure::new(Kind::Usage, format!("'{glob}' is not a pattern")).because(&error.msg)
            })
        })
        .collect()
}

/// The words, each with the host that it names, if it names one: "rack-1/web".
fn read_words(
    selection: &Selection,
    hosts: &[Arc<Inventory>],
    unreached: &[String],
) -> Result<Vec<(Option<String>, Word)>, Failure> {
    let numbers = selection.numbers.iter().copied().map(Word::Number);
    let mut words: Vec<(Option<String>, Word)> = numbers.map(|word| (None, word)).collect();
    let read = |file: &str| -> Result<Vec<(Option<String>, Word)>, Failure> {
        let definitions = definition::load(file).map_err(|error| {
            let failure = Failure::new(Kind::Usage, error.to_string());
            // A VM may have such a name, though no slash can be in it.
            if error.line.is_none() && !file.contains('/') && file != "-" {
                failure.hint("this word means a file; a VM of this name can be named by its UUID")
            } else {
                failure
            }
        })?;
        Ok(definitions
            .into_iter()
            .map(|definition| (None, Word::Definition(Box::new(definition))))
            .collect())
    };
    let is_host = |name: &str| {
        hosts.iter().any(|host| host.host.as_deref() == Some(name))
            || unreached.iter().any(|host| host == name)
    };
    for target in &selection.targets {
        let on_host = target.rsplit_once('/').filter(|(host, _)| is_host(host));
        let (host, target) = on_host.map_or((None, target.as_str()), |(host, target)| {
            (Some(host.to_owned()), target)
        });
        if host.is_none() && is_file_name(target) {
            words.extend(read(target)?);
        } else if let Some(id) = written_uuid(target) {
            words.push((host, Word::Id(id)));
        } else {
            words.push((host, Word::Name(target.to_owned())));
        }
    }
    for file in &selection.files {
        words.extend(read(file)?);
    }
    Ok(words)
}

/// A UUID in the form that libvirt writes; the other forms may as well be names.
fn written_uuid(word: &str) -> Option<Uuid> {
    Uuid::try_parse(word)
        .ok()
        .filter(|id| id.hyphenated().to_string().eq_ignore_ascii_case(word))
}

/// No VM's name contains a slash, so that a slash makes a file; so does the usual ending.
#[must_use]
pub fn is_file_name(target: &str) -> bool {
    let ending = Path::new(target)
        .extension()
        .and_then(|ending| ending.to_str());
    target == "-" || target.contains('/') || matches!(ending, Some("yaml" | "yml" | "xml"))
}

/// The VMs that a word stands for; none if it stands for nothing.
fn resolve(
    inventory: &Inventory,
    word: &Word,
    verb: Verb,
    wishes: Wishes,
    depth: Depth,
) -> Result<Vec<Entry>, Failure> {
    let entry = match word {
        Word::Number(number) => {
            machine_entry(inventory, inventory.hypervisor.machine_by_number(*number))?
        }
        Word::Id(id) => match machine_entry(inventory, inventory.hypervisor.machine_by_id(*id))? {
            None => match inventory.orphan(*id) {
                None => return by_name_or_glob(inventory, &id.to_string(), depth),
                found => found,
            },
            found => found,
        },
        Word::Definition(definition) => {
            Some(resolve_definition(inventory, definition, verb, wishes)?)
        }
        Word::Name(name) => {
            match machine_entry(inventory, inventory.hypervisor.machine_by_name(name))? {
                None => return by_name_or_glob(inventory, name, depth),
                found => found,
            }
        }
    };
    Ok(entry.into_iter().collect())
}

fn machine_entry(
    inventory: &Inventory,
    machine: Result<Option<crate::hypervisor::Machine>, HypervisorError>,
) -> Result<Option<Entry>, Failure> {
    let found = machine.and_then(|machine| match machine {
        None => Ok(None),
        Some(machine) => match inventory.observe(&machine) {
            Ok(vm) => Ok(Some(Entry {
                vm,
                machine: Some(machine),
                definition: None,
            })),
            Err(error) if error.is_no_domain() => Ok(None),
            Err(error) => Err(error),
        },
    });
    found.map_err(|error| listing_failed(&error))
}

pub(crate) fn listing_failed(error: &HypervisorError) -> Failure {
    error.failure("libvirt could not be asked for its VMs")
}

/// No domain has this very name: it may be a pattern, or the name of a VM that only an image knows.
fn by_name_or_glob(inventory: &Inventory, name: &str, depth: Depth) -> Result<Vec<Entry>, Failure> {
    let pattern = Pattern::new(name).ok().filter(|_| is_glob(name));
    let matches = |found: &str| {
        found == name
            || pattern
                .as_ref()
                .is_some_and(|pattern| pattern.matches(found))
    };
    let mut found = inventory
        .list(depth, matches)
        .map_err(|error| listing_failed(&error))?;
    let exact = |entry: &Entry| entry.vm.name() == name;
    if found.iter().any(exact) {
        found.retain(exact);
    }
    Ok(found)
}

/// Whether a word is a pattern; what is none is meant as a name.
fn is_glob(word: &str) -> bool {
    word.contains(['*', '?', '[']) && Pattern::new(word).is_ok()
}

fn not_found(
    hosts: &[Arc<Inventory>],
    unknown: &[&Word],
    silent: &[(usize, Failure)],
) -> Result<Failure, Failure> {
    let words: Vec<String> = unknown.iter().map(ToString::to_string).collect();
    let globs = unknown
        .iter()
        .all(|word| matches!(word, Word::Name(name) if is_glob(name)));
    let message = if globs {
        format!("no VM's name matches {}", either(&words))
    } else {
        format!("there is no VM {}", either(&words))
    };
    if let [(place, failure), ..] = silent {
        let silent = SilentHost::new(hosts[*place].host.as_deref(), failure.clone());
        return Ok(silent.may_have(Failure::new(Kind::NotFound, message)));
    }
    let mut all = Vec::new();
    for listed in on_each(hosts, |host| host.list(Depth::Line, |_| true)) {
        all.extend(listed.map_err(|error| listing_failed(&error))?);
    }
    let names: Vec<&str> = all.iter().map(|entry| entry.vm.name()).collect();
    let near: Vec<String> = unknown
        .iter()
        .filter_map(|word| match word {
            Word::Name(name) => Some(nearest(name, names.iter().copied())),
            _ => None,
        })
        .flatten()
        .map(|name| format!("'{name}'"))
        .collect();
    let failure = Failure::new(Kind::NotFound, message);
    Ok(if near.is_empty() {
        let uris: Vec<&str> = hosts.iter().map(|host| host.hypervisor.uri()).collect();
        failure.hint(format!("vmlife show lists all VMs of {}", uris.join(", ")))
    } else {
        failure.hint(format!("did you mean {}?", either(&near)))
    })
}

/// The VM that a definition names. Where it gives name and UUID, both must be those of one domain.
fn resolve_definition(
    inventory: &Inventory,
    definition: &Definition,
    verb: Verb,
    wishes: Wishes,
) -> Result<Entry, Failure> {
    let (name, id) = (definition.vm.name(), definition.vm.id());
    let by_id = match id {
        Some(id) => machine_entry(inventory, inventory.hypervisor.machine_by_id(id))?,
        None => None,
    };
    let by_name = match name {
        "" => None,
        name => machine_entry(inventory, inventory.hypervisor.machine_by_name(name))?,
    };
    let contradiction = |problem: String| {
        Failure::new(Kind::Usage, definition.origin.error(problem).to_string())
            .hint("leave out the name or the id, whichever is wrong")
    };
    let found = match (by_id, by_name) {
        (Some(entry), _) if !name.is_empty() && entry.vm.name() != name => {
            return Err(contradiction(format!(
                "it says '{name}', but libvirt calls the VM with its id '{}'",
                entry.vm.name()
            )));
        }
        (None, Some(entry)) if id.is_some() => {
            let other = entry.vm.id().unwrap_or_default();
            return Err(contradiction(format!(
                "libvirt's VM '{name}' has another id, {other}"
            )));
        }
        (Some(entry), _) | (None, Some(entry)) => Some(entry),
        // Its image may be all that is left of it: then booting it anew would be a loss.
        (None, None) => match id {
            Some(id) => inventory.orphan(id),
            None => inventory.orphans(&[]).find(|entry| entry.vm.name() == name),
        },
    };
    if let Some(entry) = found {
        return Ok(Entry {
            definition: Some(Box::new(definition.clone())),
            ..entry
        });
    }
    if verb == Verb::Restore && wishes.or_start {
        let vm = Vm {
            vm_dynamic: Some(absent(&definition.vm, VmStatus::Down)),
            saved_images: Vec::new(),
            host: inventory.host.clone(),
            ..definition.vm.clone()
        };
        return Ok(Entry {
            vm,
            machine: None,
            definition: Some(Box::new(definition.clone())),
        });
    }
    let which = match (name, id) {
        ("", Some(id)) => id.to_string(),
        (name, _) => format!("'{name}'"),
    };
    let problem = format!("libvirt knows no VM {which}");
    Err(
        Failure::new(Kind::NotFound, definition.origin.error(problem).to_string())
            .hint("restore --or-start defines it and boots it"),
    )
}
