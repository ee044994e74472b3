//! What libvirt tells by itself, as it happens.

use super::ffi::{self, ConnectHandle, DomainHandle};
use super::{Hypervisor, Machine, Result};
use crate::entity::LifecycleEvent;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;
use virt::event::{event_register_default_impl, event_run_default_impl};

/// A daemon that says nothing is asked after so many seconds whether it is there ...
const KEEPALIVE_SECONDS: i32 = 5;
/// ... and given up when it has left so many questions open: after 20 s.
const KEEPALIVE_COUNT: u32 = 3;

/// Something that libvirt tells by itself.
#[derive(Debug)]
pub enum Notice {
    /// A domain lives another life now.
    Changed(Machine, LifecycleEvent),
    /// The connection is lost; nothing more will be told.
    Lost,
}

/// What libvirt tells of the domains of a connection.
#[derive(Debug)]
pub struct Notices {
    told: Receiver<Told>,
    connection: Arc<ConnectHandle>,
}

/// A notice as a callback passes it on.
#[derive(Debug)]
pub(super) enum Told {
    Changed(DomainHandle, LifecycleEvent),
    Lost,
}

impl Notices {
    /// The next one, if there is one within this time.
    #[must_use]
    pub fn next(&self, limit: Duration) -> Option<Notice> {
        Some(match self.told.recv_timeout(limit).ok()? {
            Told::Changed(domain, event) => {
                Notice::Changed(Machine::of(domain, &self.connection).ok()?, event)
            }
            Told::Lost => Notice::Lost,
        })
    }
}

/// Lets libvirt listen to its daemons all the time (`virEventRunDefaultImpl`), on a thread that lives as long as
/// the process. It counts for connections that are opened afterwards.
///
/// # Errors
/// What libvirt says.
pub fn listen_always() -> Result<()> {
    static LISTENS: OnceLock<Result<()>> = OnceLock::new();
    let begin = || {
        event_register_default_impl()?;
        thread::spawn(|| {
            loop {
                if event_run_default_impl().is_err() {
                    // It is tried again, but not without end at once.
                    thread::sleep(Duration::from_millis(100));
                }
            }
        });
        Ok(())
    };
    LISTENS.get_or_init(begin).clone()
}

impl Hypervisor {
    /// What is told from now on of all domains of the connection, and of its end: also if the daemon just falls
    /// silent, where the driver can see that. The connection has to have been opened after [`listen_always`]; it
    /// stays open then as long as the process lives.
    ///
    /// # Errors
    /// What libvirt says; also that the driver tells nothing by itself.
    pub fn notices(&self) -> Result<Notices> {
        let (sender, receiver) = mpsc::channel();
        ffi::tell_changes(&self.connection, sender.clone())?;
        ffi::tell_end(&self.connection, sender)?;
        // A driver within the process has no daemon.
        let _ = self
            .connection
            .set_keep_alive(KEEPALIVE_SECONDS, KEEPALIVE_COUNT);
        Ok(Notices {
            told: receiver,
            connection: Arc::clone(&self.connection),
        })
    }
}
