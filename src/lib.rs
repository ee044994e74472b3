//! vmlife hibernates, restores, pauses, resumes and shows libvirt's virtual machines.
//!
//! Its first law: a VM is never lost. After any command, any fault and any signal the guest either
//! runs on or lies whole in an image that restores it, and the tool says which, truthfully.
//!
//! # The way of the data
//!
//! ```text
//!  words             VMs              steps             outcomes          bytes
//! ┌─────┐  select  ┌───────┐  plan   ┌──────┐  execute  ┌────────┐ render ┌────────┐
//! │ cli ├─────────►│ Entry ├────────►│ Step ├──────────►│ Report ├───────►│ stdout │
//! └─────┘          └───▲───┘         └──────┘     │     └────────┘        └────────┘
//!                      │              pure        │ events ─────────────► stderr
//!    definition ───────┤                          ▼
//!    image ────────────┴── inventory ──────── hypervisor ──── libvirt, by URI
//! ```
//!
//! - [`config`] puts together what the command line, the environment and files say.
//! - [`entity`] is oVirt's model of a VM: data and rules, no input and no output.
//! - [`definition`] turns YAML and libvirt XML into it, and back.
//! - [`image`] knows the files that hold a VM's memory.
//! - [`payload`] makes the CD on which a new guest finds what it is told at its first boot.
//! - [`hypervisor`] is all that knows libvirt; in it, one file holds all unsafe code.
//! - [`observe`] fills in what else libvirt, the guest and the host tell of a VM.
//! - [`field`] names one field of a VM by its path.
//! - [`inventory`] puts together what libvirt and the image place know; [`select`] finds in it what
//!   the user means.
//! - [`guard`] lists what speaks against a save or a restore, and finds it before anything is touched.
//! - [`hooks`] are the user's own programs around what is done to a VM.
//! - [`plan`] decides, purely, what a verb means for a VM; [`execute`] does it; [`report`] holds what
//!   became of it; [`render`] prints it, and nothing else prints; [`journal`] notes it for later.
//! - [`cli`] declares the options; [`help`] has what `--help` and the man pages (`examples/manual`) tell
//!   beside them.
//!
//! # Example
//!
//! ```
//! use vmlife::entity::VmStatus;
//! use vmlife::hypervisor::{Access, Hypervisor};
//!
//! let hypervisor = Hypervisor::open(Some("test:///default"), Access::ReadWrite)?;
//! let machine = hypervisor.machine_by_name("test")?.expect("libvirt's test driver has it");
//! machine.suspend()?;
//! assert_eq!(machine.observe(Vec::new())?.status(), VmStatus::Paused);
//! # Ok::<(), vmlife::hypervisor::HypervisorError>(())
//! ```

#![recursion_limit = "512"]

pub mod cli;
mod complete;
pub mod config;
pub mod definition;
pub mod entity;
pub mod execute;
pub mod field;
pub mod guard;
pub mod help;
pub mod hooks;
pub mod hosts;
pub mod hypervisor;
pub mod image;
pub mod interrupt;
pub mod inventory;
pub mod journal;
pub mod observe;
pub mod order;
pub mod payload;
pub mod plan;
pub mod render;
pub mod report;
mod run;
#[cfg(test)]
mod schema;
pub mod select;
mod show;
mod virsh;
mod watch;
pub mod words;

pub use complete::complete;
pub use run::{refuse, run};
