//! What is observed of a VM.

use super::enumeration::entity;
use super::{
    ArchitectureType, BootSequence, GraphicsInfo, GraphicsType, GuestAgentStatus, MemorySize,
    Milliseconds, OsType, SessionState, VmExitReason, VmExitStatus, VmPauseStatus, VmStatus,
};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::PathBuf;
use uuid::Uuid;

entity! {
    /// oVirt's `VmDynamic`: the state of a VM at run time. What cannot be known is absent.
    pub struct VmDynamic {
        /// The VM's UUID, the same as in the static part. Source: `/domain/uuid`.
        pub id: Option<Uuid>,
        /// Where the VM is in its life. Source: `virDomainGetState`, `virDomainGetJobStats`,
        /// `virDomainGetControlInfo` and the images.
        pub status: VmStatus = VmStatus::Unassigned,
        /// libvirt's own words for the reason of its state, as virsh prints them. Not an oVirt field.
        /// Source: `virDomainGetState`.
        pub status_reason: String,
        /// Why it is paused. Source: `virDomainGetState`, `virDomainGetDiskErrors`.
        pub pause_status: VmPauseStatus = VmPauseStatus::None,
        /// Whether the guest put itself to sleep (ACPI S3), so that a wake-up, not a resume, helps. Not
        /// an oVirt field: oVirt shows such a VM as paused. Source: libvirt's state `pmsuspended`.
        pub asleep: bool,
        /// libvirt's number of the running domain; it changes at every start. Not an oVirt field.
        /// Source: `virDomainGetID`.
        pub domain_id: Option<u32>,
        /// Whether libvirt keeps its definition when it ends; if not, it is transient, and an image of it
        /// has the only one. Not an oVirt field. Source: `virDomainIsPersistent`, of several VMs
        /// `virConnectListAllDomains`.
        pub persistent: Option<bool>,
        /// Whether libvirt starts it with the host. Not an oVirt field: `autoStartup` is its high
        /// availability. Source: `virDomainGetAutostart`, of several VMs `virConnectListAllDomains`.
        pub autostart: Option<bool>,
        /// The host that it runs on. Source: `virConnectGetCapabilities`, `/capabilities/host/uuid`.
        pub run_on_vds: Option<Uuid>,
        /// The host that it migrates to; libvirt does not tell. Source: metadata.
        pub migrating_to_vds: Option<Uuid>,

        /// When it was last started or restored; absent if others than vmlife did that. Source: metadata,
        /// else `ovirt-vm:startTime`.
        pub last_start_time: Option<Timestamp>,
        /// When it was last hibernated; absent if it may have run since in a run that vmlife does not know.
        /// Source: metadata.
        pub last_stop_time: Option<Timestamp>,
        /// The image file that it was last hibernated to, until vmlife does something else with it. Not an
        /// oVirt field. Source: metadata.
        pub hibernated_to: Option<PathBuf>,
        /// When the image that it was last hibernated to was given up (`restore --discard`): then it sleeps nowhere,
        /// although libvirt says still that it was saved. Absent if it may have run since by libvirt's log. Not an
        /// oVirt field. Source: metadata.
        pub image_given_up: Option<Timestamp>,
        /// The memory that the guest had, in MiB, before `hibernate --trim` shrank it, until it has been given back.
        /// Not an oVirt field. Source: metadata.
        pub memory_before_trim: Option<MemorySize>,
        /// That it was paused only until its group goes on as one (`--together`), so that it is to run again, whatever
        /// became of that command: how long its vCPUs had run and been ready to, in nanoseconds. If they ran since,
        /// somebody let it run, and it is absent. Not an oVirt field. Source: metadata.
        pub paused_for_group: Option<u64>,
        /// When this run of the guest began; hibernation does not end a run. It is absent if others than
        /// vmlife started or restored it: whether that was the same run nobody tells. Source: metadata, else
        /// `ovirt-vm:startTime`.
        #[serde(alias = "dateTime")]
        pub boot_time: Option<Timestamp>,
        /// How long it has been hibernated in this run, in milliseconds. Source: metadata.
        #[serde(alias = "osTime")]
        pub downtime: Milliseconds,
        /// How its last run ended. Source: `virDomainGetState`, else `ovirt-vm:exitCode`.
        pub exit_status: Option<VmExitStatus>,
        /// Why its last run ended. Source: `virDomainGetState`, else `ovirt-vm:exitReason`.
        pub exit_reason: Option<VmExitReason>,
        /// That in words. Source: metadata, else `ovirt-vm:exitMessage`.
        pub exit_message: Option<String>,
        /// What the administrator said when he ended it. Source: metadata.
        pub stop_reason: Option<String>,
        /// Whether this run differs from what is configured. Source: the live XML beside the persistent
        /// one, else metadata.
        pub run_once: bool,
        /// Whether a reboot of the guest ends this run. Source: `/domain/on_reboot`.
        pub volatile_run: bool,

        /// The machine type in use. Source: `/domain/os/type/@machine` of the live domain.
        pub emulated_machine: Option<String>,
        /// The CPU in use: `Skylake-Server,+pcid,-hle`. Source: `/domain/cpu` of the live domain.
        pub cpu_name: Option<String>,
        /// The name that it was started with. Source: `/domain/name` of the live domain.
        pub runtime_name: Option<String>,
        /// CPU sockets now. Source: `/domain/cpu/topology/@sockets` of the live domain, else its
        /// `/domain/vcpu`.
        pub current_sockets: Option<u32>,
        /// Cores of each socket now. Source: `/domain/cpu/topology/@cores` of the live domain.
        pub current_cores_per_socket: Option<u32>,
        /// Threads of each core now. Source: `/domain/cpu/topology/@threads` of the live domain.
        pub current_threads_per_core: Option<u32>,
        /// Which host CPUs each vCPU may run on now: `0#0-3,^2_1#4`. Source:
        /// `/domain/cputune/vcpupin/@cpuset` of the live domain.
        pub current_cpu_pinning: Option<String>,
        /// Which of the host's nodes each NUMA node is bound to now: `0#0-1_1#2`. Source:
        /// `/domain/numatune/memnode/@nodeset` of the live domain.
        pub current_numa_pinning: Option<String>,
        /// Where its lease is: `path` and `offset`. Source: `/domain/devices/lease/target`.
        pub lease_info: BTreeMap<String, String>,
        /// CPUs that the guest uses. Source: `virDomainGetGuestVcpus`.
        pub guest_cpu_count: Option<u32>,
        /// Whether the guest is offered ACPI. Source: `/domain/features/acpi`.
        pub acpi_enabled: Option<bool>,
        /// How far the guest's hardware clock is from UTC, in seconds. Source:
        /// `/domain/clock/@adjustment`.
        pub utc_diff: Option<i64>,
        /// In which order devices were tried when it booted. Source: `/domain/os/boot/@dev` of the live
        /// domain, else its devices' `boot/@order`.
        pub boot_sequence: Option<BootSequence>,
        /// The CD in the first drive, without its folder. Source:
        /// `/domain/devices/disk[@device='cdrom']/source` of the live domain.
        pub current_cd: Option<String>,
        /// The consoles that a viewer can open now. Source: `/domain/devices/graphics` of the live
        /// domain.
        pub graphics_infos: BTreeMap<GraphicsType, GraphicsInfo>,
        /// How VNC lays out keys now. Source: `/domain/devices/graphics[@type='vnc']/@keymap` of the
        /// live domain.
        pub vnc_keyboard_layout: Option<String>,
        /// The address of the console's viewer; libvirt tells it by an event only. Source: metadata.
        #[serde(alias = "cliientIp")]
        pub client_ip: Option<String>,
        /// The last user of the console. Source: metadata.
        #[serde(alias = "consoleCurrentName")]
        pub console_current_user_name: Option<String>,
        /// That user's UUID. Source: metadata.
        pub console_user_id: Option<Uuid>,
        /// When its watchdog last fired, in seconds since 1970; libvirt tells it by an event only.
        /// Source: metadata.
        pub last_watchdog_event: Option<i64>,
        /// What the watchdog does. Source: `/domain/devices/watchdog/@action`.
        pub last_watchdog_action: Option<String>,

        /// Whether oVirt's old guest agent is connected. Source:
        /// `/domain/devices/channel/target[@name='ovirt-guest-agent.0']/@state`.
        pub ovirt_guest_agent_status: Option<GuestAgentStatus>,
        /// Whether the QEMU guest agent is connected. Source:
        /// `/domain/devices/channel/target[@name='org.qemu.guest_agent.0']/@state`.
        pub qemu_guest_agent_status: Option<GuestAgentStatus>,
        /// The guest's addresses, separated by blanks, IPv4 first. Source:
        /// `virDomainInterfaceAddresses`: the agent's, else the leases', else the host's ARP table.
        #[serde(alias = "vmIp")]
        pub ip: Option<String>,
        /// A number that changes when the guest's network cards change. Source:
        /// `virDomainInterfaceAddresses`, the agent's.
        pub guest_agent_nics_hash: Option<i32>,
        /// The guest's host name. Source: `virDomainGetGuestInfo`, `hostname`.
        #[serde(alias = "vmFQDN", alias = "vmFqdn")]
        pub fqdn: Option<String>,
        /// The same; oVirt's older field. Source: `virDomainGetGuestInfo`, `hostname`.
        pub vm_host: Option<String>,
        /// The users who are logged in, separated by commas. Source: `virDomainGetGuestInfo`,
        /// `user.N.name`.
        pub guest_cur_user_name: Option<String>,
        /// The guest's desktop session. Source: `virDomainGetGuestInfo`, `user.count`.
        #[serde(alias = "sessionTime")]
        pub session: Option<SessionState>,
        /// The kernel's release, of Windows its name. Source: `virDomainGetGuestInfo`,
        /// `os.kernel-release`, `os.pretty-name`.
        pub guest_os: Option<String>,
        /// The family of the operating system. Source: `virDomainGetGuestInfo`, `os.id`.
        pub guest_os_type: Option<OsType>,
        /// Its version. Source: `virDomainGetGuestInfo`, `os.version-id`, of Windows
        /// `os.kernel-version`.
        pub guest_os_version: Option<String>,
        /// Its distribution. Source: `virDomainGetGuestInfo`, `os.name`.
        pub guest_os_distribution: Option<String>,
        /// Its code name. Source: `virDomainGetGuestInfo`, `os.variant`, of Windows `os.pretty-name`.
        pub guest_os_codename: Option<String>,
        /// Its architecture. Source: `virDomainGetGuestInfo`, `os.machine`.
        pub guest_os_arch: Option<ArchitectureType>,
        /// Its kernel. Source: `virDomainGetGuestInfo`, `os.kernel-release`.
        pub guest_os_kernel_version: Option<String>,
        /// Its time zone. Source: `virDomainGetGuestInfo`, `timezone.name`.
        pub guest_os_timezone_name: Option<String>,
        /// That zone's distance from UTC, in minutes. Source: `virDomainGetGuestInfo`,
        /// `timezone.offset`.
        pub guest_os_timezone_offset: Option<i64>,
        /// The kernel, as oVirt lists it among applications. Source: `virDomainGetGuestInfo`,
        /// `os.kernel-release`.
        pub app_list: Option<String>,
        /// The memory that the guest asked for, in MiB; nothing tells it. Source: metadata.
        pub guest_requested_memory: Option<MemorySize>,
        /// Containers in the guest; only oVirt's old agent told of them. Source: metadata.
        pub guest_containers: Vec<GuestContainer>,
    }
}

entity! {
    /// oVirt's `GuestContainer`: a container in the guest.
    pub struct GuestContainer {
        /// Its number. Source: metadata.
        pub id: Option<String>,
        /// Its names. Source: metadata.
        pub names: Vec<String>,
        /// Its image. Source: metadata.
        pub image: Option<String>,
        /// What it runs. Source: metadata.
        pub command: Option<String>,
        /// How it is. Source: metadata.
        pub status: Option<String>,
    }
}

impl VmDynamic {
    /// Whether the QEMU guest agent is connected.
    #[must_use]
    pub fn has_agent(&self) -> bool {
        self.qemu_guest_agent_status == Some(GuestAgentStatus::Exists)
    }

    /// Whether libvirt remembers that it saved the VM. That proves nothing about an image, and is
    /// forgotten with the daemon's end; it is reason enough for care.
    #[must_use]
    pub fn was_saved(&self) -> bool {
        self.status == VmStatus::Down && self.status_reason == "saved"
    }

    /// Whether its guest ran, a save of it failed, and libvirt could not let it run again: libvirt's reason for
    /// the pause is the save still, and no job goes on.
    #[must_use]
    pub fn is_left_by_save(&self) -> bool {
        self.status == VmStatus::Paused && self.status_reason == "saving"
    }

    /// Whether it stands still only because a command for its group has not come to its end.
    #[must_use]
    pub fn waits_for_group(&self) -> bool {
        self.status == VmStatus::Paused
            && self.paused_for_group.is_some()
            && ["user", "migrating"].contains(&self.status_reason.as_str())
    }

    /// Leaves out when it was started, stopped and booted: that is known of another run than the one in
    /// question.
    pub fn forget_runs(&mut self) {
        self.boot_time = None;
        self.downtime = Milliseconds::default();
        self.last_start_time = None;
        self.last_stop_time = None;
        self.hibernated_to = None;
        self.image_given_up = None;
    }
}
