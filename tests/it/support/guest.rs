//! Guests that can tell whether their memory is still theirs.

use super::session::Session;
use super::{eventually, project};
use std::fs;
use std::path::PathBuf;

/// What the Linux guest prints once a second: a nonce that exists in its memory only, and how often
/// it has printed before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tick {
    pub(crate) nonce: String,
    pub(crate) number: u64,
}

/// A real Linux in a virtual machine.
pub(crate) struct Linux<'a> {
    session: &'a Session,
    pub(crate) name: String,
    log: PathBuf,
}

impl<'a> Linux<'a> {
    /// Boots one with virsh, and waits for its first tick.
    pub(crate) fn boot(session: &'a Session, name: &str, memory: u32, parameters: &str) -> Self {
        let guest = Self::define(session, name, memory, parameters);
        session.virsh(["start", name]);
        guest.ticks_beyond(0);
        guest
    }

    /// Defines one with virsh.
    pub(crate) fn define(session: &'a Session, name: &str, memory: u32, parameters: &str) -> Self {
        let xml = session.write(
            &format!("{name}.xml"),
            Self::xml(session, name, memory, parameters),
        );
        session.virsh(["define".as_ref(), xml.as_os_str()]);
        Self {
            session,
            name: name.to_owned(),
            log: session.path(&format!("{name}.log")),
        }
    }

    /// Boots one whose balloon leaves the second of these sizes of the first to it, in MiB, and that has filled
    /// so much of that with a disk's pages, which it can drop.
    pub(crate) fn with_balloon(
        session: &'a Session,
        name: &str,
        (memory, current): (u32, u32),
        cache: u32,
    ) -> Self {
        let disk = session.write(&format!("{name}.img"), "");
        let file = fs::File::options().write(true).open(&disk);
        let length = u64::from(cache + 2) << 20;
        file.and_then(|file| file.set_len(length))
            .expect("a sparse file");
        let devices = format!(
            "<disk type='file' device='disk'><driver name='qemu' type='raw' cache='unsafe'/>
            <source file='{}'/><target dev='vda' bus='virtio'/></disk><memballoon model='virtio'/>",
            disk.display()
        );
        let xml = Self::xml(session, name, memory, &format!("vmlife.cache={cache}"))
            .replace("<memballoon model='none'/>", &devices)
            .replace(
                "</memory>",
                &format!("</memory><currentMemory unit='MiB'>{current}</currentMemory>"),
            );
        let xml = session.write(&format!("{name}.xml"), xml);
        session.virsh(["define".as_ref(), xml.as_os_str()]);
        session.virsh(["start", name]);
        let guest = Self::defined(session, name);
        guest.ticks_beyond(0);
        guest
    }

    /// Runs one that libvirt forgets when it ends.
    pub(crate) fn create(session: &'a Session, name: &str) -> Self {
        let xml = session.write(&format!("{name}.xml"), Self::xml(session, name, 128, ""));
        session.virsh(["create".as_ref(), xml.as_os_str()]);
        let guest = Self {
            session,
            name: name.to_owned(),
            log: session.path(&format!("{name}.log")),
        };
        guest.ticks_beyond(0);
        guest
    }

    /// One that a definition brings to life, which is to boot [`Linux::bring`]'s files and to log to
    /// `NAME.log`.
    pub(crate) fn defined(session: &'a Session, name: &str) -> Self {
        Self {
            session,
            name: name.to_owned(),
            log: session.path(&format!("{name}.log")),
        }
    }

    /// Boots one that has much of all that a guest can have: `tests/fields/rich.xml`, whose disks lie in
    /// the session's folder `data`.
    pub(crate) fn dressed(session: &'a Session, name: &str) -> Self {
        Self::bring(session);
        let folder = session.folder().to_str().expect("text");
        let xml = include_str!("../../fields/rich.xml").replace("FOLDER", folder);
        let file = session.write(&format!("{name}.xml"), xml);
        session.virsh(["define".as_ref(), file.as_os_str()]);
        session.vmlife(["restore", name, "--or-start"]).succeeds();
        let guest = Self::defined(session, name);
        guest.ticks_beyond(0);
        guest
    }

    /// Puts its kernel (`vmlinuz`) and its memory disk (`initrd.img`) into the session's folder.
    pub(crate) fn bring(session: &Session) {
        let built = project().join("target/guest");
        for file in ["vmlinuz", "initrd.img"] {
            if !session.path(file).exists() {
                session.bring(&built.join(file), file, 0o644);
            }
        }
    }

    fn xml(session: &Session, name: &str, memory: u32, parameters: &str) -> String {
        Self::bring(session);
        let folder = session.folder().display();
        format!(
            "<domain type='qemu'><name>{name}</name><memory unit='MiB'>{memory}</memory>
            <os><type arch='x86_64' machine='pc'>hvm</type><kernel>{folder}/vmlinuz</kernel>
            <initrd>{folder}/initrd.img</initrd>
            <cmdline>console=ttyS0 quiet panic=-1 cryptomgr.notests noreplace-smp nokaslr {parameters}</cmdline></os>
            <features><acpi/><apic/></features>
            <devices><serial type='file'><source path='{folder}/{name}.log' append='on'/></serial>
            <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
            <controller type='usb' model='none'/><memballoon model='none'/></devices></domain>"
        )
    }

    /// Its UUID.
    pub(crate) fn id(&self) -> String {
        self.session.virsh(["domuuid", &self.name])
    }

    /// What it has remarked so far.
    pub(crate) fn remarks(&self) -> Vec<String> {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let remarks = log.lines().filter_map(|line| line.strip_prefix("# "));
        remarks.map(str::to_owned).collect()
    }

    /// All that it has ticked so far.
    pub(crate) fn ticks(&self) -> Vec<Tick> {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let whole_lines = log.rsplit_once('\n').map_or("", |(lines, _)| lines);
        whole_lines
            .lines()
            .filter_map(|line| {
                let mut words = line.split_whitespace();
                let nonce = words.next().filter(|nonce| nonce.len() == 16)?;
                let number = words.next()?.parse().ok()?;
                Some(Tick {
                    nonce: nonce.to_owned(),
                    number,
                })
            })
            .collect()
    }

    /// Waits until it has ticked more often than this, and gives its last tick.
    #[track_caller]
    pub(crate) fn ticks_beyond(&self, number: u64) -> Tick {
        eventually("the guest ticks", || {
            self.ticks().pop().filter(|tick| tick.number > number)
        })
    }

    /// Its last tick.
    pub(crate) fn last_tick(&self) -> Tick {
        self.ticks().pop().expect("it has ticked")
    }

    /// Waits for more ticks than `before`, and sees that its memory was never another's: one nonce,
    /// and each number exactly once.
    #[track_caller]
    pub(crate) fn goes_on_after(&self, before: &Tick) {
        self.ticks_beyond(before.number + 1);
        let ticks = self.ticks();
        let others = ticks.iter().find(|tick| tick.nonce != before.nonce);
        assert_eq!(others, None, "the guest is another one than {before:?}");
        let numbers: Vec<u64> = ticks.iter().map(|tick| tick.number).collect();
        let expected: Vec<u64> = (1..=ticks.len() as u64).collect();
        assert_eq!(numbers, expected, "the guest did not go on where it was");
    }
}

/// A guest of no memory to speak of, which boots in no time: the firmware finds nothing to boot and waits.
/// It is for tests that are about states, not about memory.
pub(crate) fn boot_empty(session: &Session, name: &str) -> String {
    let id = define_empty(session, name);
    session.virsh(["start", &id]);
    id
}

/// The same, defined only.
pub(crate) fn define_empty(session: &Session, name: &str) -> String {
    let escaped = name.replace('&', "&amp;").replace('<', "&lt;");
    let xml = format!(
        "<domain type='qemu'><name>{escaped}</name><memory unit='MiB'>16</memory>
        <os><type arch='x86_64' machine='pc'>hvm</type></os>
        <devices><controller type='usb' model='none'/><memballoon model='none'/></devices></domain>"
    );
    let file = session.write("empty.xml", xml);
    session.virsh(["define".as_ref(), file.as_os_str()]);
    session.virsh(["domuuid", "--", name])
}
