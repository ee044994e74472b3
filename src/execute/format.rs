//! In which format an image is written, and how it is read.
//!
//! libvirt hands QEMU a second descriptor of the file, for direct I/O, only if the page cache is to be bypassed.
//! QEMU 10 keeps `direct-io` on once a sparse image was restored so, or a save into one was cancelled or failed;
//! without that descriptor the next save into a sparse image then kills it, and the VM with it (libvirt 11.3).
//! So a sparse image is always written past the page cache, and never read so.

use super::Run;
use crate::entity::Vm;
use crate::hypervisor::{ImageFlags, version_words};
use crate::image::{Format, ImageFile, Target};
use crate::report::{Event, Failure, Kind, VmRef};
use std::path::Path;
use std::sync::Arc;
use std::thread;

/// The first QEMU that writes a sparse image past the page cache.
const SPARSE_SINCE: u32 = 9_001_000;
/// More channels than this do not help: the disk is busy before.
const MOST_CHANNELS: usize = 4;

/// Which format is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatWish {
    /// The fastest that daemon, QEMU and file system support, else what the daemon is configured for.
    Auto,
    /// This one.
    Given(Format),
}

/// What the choice depends on.
#[derive(Clone, Copy, Debug)]
struct Means {
    takes_format: bool,
    libvirt: u32,
    qemu: u32,
    target: Target,
    cores: usize,
}

impl Run<'_> {
    /// How this VM's image is to be written to this file: found out before anything is touched.
    pub(super) fn writing(&mut self, subject: &VmRef, path: &Path) -> Result<ImageFlags, Failure> {
        let flags = self.options.flags;
        let Some(wish) = self.options.format else {
            return Ok(flags);
        };
        let means = self.means(subject, path)?;
        if wish == FormatWish::Auto {
            let (flags, why) = fastest(flags, &means);
            self.sink.emit(Event::Chosen(subject, &why));
            return Ok(flags);
        }
        given(wish, flags, &means)
    }

    fn means(&mut self, subject: &VmRef, path: &Path) -> Result<Means, Failure> {
        let hypervisor = Arc::clone(&self.inventory.hypervisor);
        let told = self.look(subject, move || {
            Ok(hypervisor
                .takes_image_format()
                .and_then(|takes| Ok((takes, hypervisor.versions()?))))
        })?;
        let (takes_format, (libvirt, qemu)) = told.map_err(|error| {
            error.failure("cannot be hibernated: what its libvirt can write is not known")
        })?;
        let folder = path.parent().filter(|_| self.inventory.looks_at(path));
        Ok(Means {
            takes_format,
            libvirt,
            qemu,
            target: folder.map_or(Target::UNKNOWN, Target::at),
            cores: thread::available_parallelism().map_or(1, Into::into),
        })
    }

    /// How an image of this VM is to be read from this file, or `None` for libvirt's managed save.
    pub(super) fn reading(
        &mut self,
        vm: &Vm,
        path: Option<&Path>,
        warnings: &mut Vec<String>,
    ) -> Result<ImageFlags, Failure> {
        let mut flags = self.options.flags;
        if !flags.bypass_cache && flags.channels.is_none() {
            return Ok(flags);
        }
        let format = match path {
            Some(path) if self.inventory.looks_at(path) => {
                ImageFile::inspect(path).and_then(|image| image.summary.format)
            }
            Some(_) => None,
            None => {
                let managed = vm.saved_images.iter().find(|image| image.managed);
                managed.and_then(|image| image.format.clone())
            }
        };
        let is_sparse = format.as_deref() == Some(Format::Sparse.word());
        if flags.channels.is_some() {
            let refusal = |why: &str| {
                let message = format!("cannot be restored by parallel channels: {why}");
                Failure::new(Kind::Usage, message).hint("without --parallel-channels it can")
            };
            if path.is_none() {
                return Err(refusal("libvirt reads its managed save by one"));
            }
            let hypervisor = Arc::clone(&self.inventory.hypervisor);
            let old = self.look(&VmRef::from(vm), move || {
                Ok(if hypervisor.takes_image_format()? {
                    None
                } else {
                    Some(hypervisor.versions()?.0)
                })
            })?;
            if let Some(libvirt) = old {
                return Err(refusal(&too_old(libvirt)));
            }
            if let Some(format) = format.filter(|_| !is_sparse) {
                return Err(refusal(&format!("its image is {format}, not sparse")));
            }
        }
        if flags.bypass_cache && is_sparse {
            flags.bypass_cache = false;
            warnings.push(
                "its image is sparse, and was not read past the page cache: QEMU might die when it is next saved so"
                    .to_owned(),
            );
        }
        Ok(flags)
    }

    /// What a save into a sparse image leaves behind in QEMU if it did not come to its end.
    pub(super) fn warn_after_failed(flags: ImageFlags) -> Option<String> {
        (flags.format == Some(Format::Sparse.word())).then(|| {
            "until it is next restored, save it with vmlife --image-format sparse or raw only: QEMU might die in \
             a sparse save that does not bypass the page cache"
                .to_owned()
        })
    }
}

/// A format that was named: as it is asked for, or a refusal.
fn given(wish: FormatWish, flags: ImageFlags, means: &Means) -> Result<ImageFlags, Failure> {
    let FormatWish::Given(format) = wish else {
        return Ok(flags);
    };
    let word = format.word();
    let refusal = |kind, why: &str| {
        let message = format!("cannot be hibernated as --image-format {word}: {why}");
        Failure::new(kind, message)
    };
    if !means.takes_format {
        let hint = format!(
            "without --image-format it is saved as save_image_format in qemu.conf says on the daemon's host{}",
            if format == Format::Sparse {
                ""
            } else {
                ": set that to the format"
            }
        );
        return Err(refusal(Kind::Usage, &too_old(means.libvirt)).hint(hint));
    }
    if format != Format::Sparse {
        return Ok(ImageFlags {
            format: Some(word),
            ..flags
        });
    }
    let why = if means.qemu < SPARSE_SINCE {
        format!(
            "that needs QEMU 9.1, and here is {}",
            version_words(means.qemu)
        )
    } else if means.target.direct == Some(false) {
        "its file system cannot be written to past the page cache, without which QEMU might die"
            .to_owned()
    } else if means.target.holes == Some(false) {
        "its file system cannot hold files with holes".to_owned()
    } else {
        return Ok(sparse(flags));
    };
    Err(refusal(Kind::CannotSave, &why)
        .hint("name another place with --to, or another --image-format"))
}

/// The fastest way, and why it is.
fn fastest(flags: ImageFlags, means: &Means) -> (ImageFlags, String) {
    let obstacle = if !means.takes_format {
        too_old(means.libvirt)
    } else if means.qemu < SPARSE_SINCE {
        format!(
            "QEMU {} writes no sparse image past the page cache (9.1 does)",
            version_words(means.qemu)
        )
    } else {
        match means.target {
            Target {
                direct: Some(true),
                holes: Some(true),
            } => {
                let channels = u8::try_from(means.cores.min(MOST_CHANNELS)).unwrap_or(1);
                let flags = sparse(ImageFlags {
                    channels: flags.channels.or((channels > 1).then_some(channels)),
                    ..flags
                });
                let by = flags
                    .channels
                    .map_or(String::new(), |count| format!(" by {count} channels"));
                let why = format!(
                    "is written sparse{by}, past the page cache: libvirt {}, QEMU {} and the file system can do it",
                    version_words(means.libvirt),
                    version_words(means.qemu)
                );
                return (flags, why);
            }
            Target::UNKNOWN => "what the file system can do is not known from here".to_owned(),
            Target {
                holes: Some(false), ..
            } => "the file system cannot hold files with holes".to_owned(),
            _ => "the file system cannot be written to past the page cache".to_owned(),
        }
    };
    let flags = ImageFlags {
        channels: None,
        ..flags
    };
    (
        flags,
        format!("is written as the daemon is configured: {obstacle}"),
    )
}

fn sparse(flags: ImageFlags) -> ImageFlags {
    ImageFlags {
        bypass_cache: true,
        format: Some(Format::Sparse.word()),
        ..flags
    }
}

fn too_old(libvirt: u32) -> String {
    let version = version_words(libvirt);
    format!("that needs libvirt 11.2 and its QEMU driver, and here is {version}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABLE: Target = Target {
        direct: Some(true),
        holes: Some(true),
    };
    const NEW: Means = Means {
        takes_format: true,
        libvirt: 11_003_000,
        qemu: 10_000_002,
        target: ABLE,
        cores: 8,
    };

    #[test]
    fn auto_writes_sparse_where_daemon_qemu_and_file_system_can_and_else_leaves_it_to_the_daemon() {
        let chosen = |means: Means| fastest(ImageFlags::default(), &means).0;
        let sparse = |channels| ImageFlags {
            bypass_cache: true,
            running: None,
            format: Some("sparse"),
            channels,
        };
        assert_eq!(chosen(NEW), sparse(Some(4)));
        assert_eq!(chosen(Means { cores: 2, ..NEW }), sparse(Some(2)));
        assert_eq!(chosen(Means { cores: 1, ..NEW }), sparse(None));
        let target = |direct, holes| Means {
            target: Target { direct, holes },
            ..NEW
        };
        for (means, why) in [
            (
                Means {
                    takes_format: false,
                    libvirt: 9_000_000,
                    ..NEW
                },
                "libvirt 11.2",
            ),
            (
                Means {
                    qemu: 8_002_002,
                    ..NEW
                },
                "QEMU 8.2.2",
            ),
            (target(Some(false), Some(true)), "past the page cache"),
            (target(Some(true), Some(false)), "holes"),
            (target(None, None), "not known from here"),
        ] {
            let asked = ImageFlags {
                channels: Some(3),
                ..ImageFlags::default()
            };
            let (flags, words) = fastest(asked, &means);
            assert_eq!(flags, ImageFlags::default(), "{words}");
            assert!(words.contains(why), "{words}");
        }
    }

    #[test]
    fn a_sparse_image_is_written_past_the_page_cache_or_not_at_all() {
        let given = |format, means| given(FormatWish::Given(format), ImageFlags::default(), &means);
        assert!(given(Format::Sparse, NEW).unwrap().bypass_cache);
        assert!(!given(Format::Raw, NEW).unwrap().bypass_cache);
        for (means, kind) in [
            (
                Means {
                    takes_format: false,
                    ..NEW
                },
                Kind::Usage,
            ),
            (
                Means {
                    qemu: 9_000_000,
                    ..NEW
                },
                Kind::CannotSave,
            ),
            (
                Means {
                    target: Target {
                        direct: Some(false),
                        ..ABLE
                    },
                    ..NEW
                },
                Kind::CannotSave,
            ),
        ] {
            assert_eq!(given(Format::Sparse, means).unwrap_err().kind, kind);
        }
        // Where it cannot be tried, libvirt finds out before QEMU is told anything.
        let unknown = Means {
            target: Target::UNKNOWN,
            ..NEW
        };
        assert!(given(Format::Sparse, unknown).is_ok());
    }
}
