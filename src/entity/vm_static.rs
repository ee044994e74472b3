//! What is configured of a VM.

use super::enumeration::entity;
use super::{
    BiosType, BootSequence, ConsoleDisconnectAction, CpuPinningPolicy, DiskImage, DisplayType,
    GraphicsType, HostShutdownPolicy, MemorySize, MigrationSupport, Milliseconds, NumaTuneMode,
    OriginType, QuotaEnforcementTypeEnum, SerialNumberPolicy, SsoMethod, UsbPolicy, VmDevice,
    VmInit, VmNetworkInterface, VmNumaNode, VmResumeBehavior, VmType,
};
use jiff::Timestamp;
use serde::de::{Deserializer, Error, Unexpected, Visitor};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use uuid::Uuid;

entity! {
    /// oVirt's `VmStatic` (with its parent `VmBase`): the configuration, which survives power-off.
    pub struct VmStatic {
        /// The name. Source: `/domain/name`.
        pub name: String,
        /// The UUID. Absent in a definition that leaves the choice to libvirt. Source: `/domain/uuid`.
        pub id: Option<Uuid>,
        /// Free text. Source: `/domain/description`.
        pub description: String,
        /// A short remark. Source: `/domain/title`.
        pub comment: String,
        /// How the guest's code is run: `kvm`, `qemu` (emulated), `xen` … Not an oVirt field, since
        /// oVirt knows KVM only. A definition that does not say means `kvm`. Source: `/domain/@type`.
        pub domain_type: Option<String>,

        /// The memory, in MiB. Source: `/domain/memory`.
        pub mem_size_mb: Option<MemorySize>,
        /// The most memory that can be plugged in while it runs, in MiB. Source: `/domain/maxMemory`.
        pub max_memory_size_mb: Option<MemorySize>,
        /// The memory that is guaranteed to it, in MiB; none means all of it. Source:
        /// `ovirt-vm:minGuaranteedMemoryMb`, else metadata.
        pub min_allocated_mem: Option<MemorySize>,
        /// Whether the host may take memory back by a balloon. Source:
        /// `/domain/devices/memballoon/@model`.
        pub balloon_enabled: bool = true,
        /// CPU sockets. Source: `/domain/cpu/topology/@sockets`, else `/domain/vcpu`.
        pub num_of_sockets: u32 = 1,
        /// Cores of each socket. Source: `/domain/cpu/topology/@cores`.
        pub cpu_per_socket: u32 = 1,
        /// Threads of each core. Source: `/domain/cpu/topology/@threads`.
        pub threads_per_cpu: u32 = 1,
        /// vCPUs that are plugged in, where they are fewer than the topology has room for. oVirt
        /// computes it. Source: `/domain/vcpu/@current`.
        pub num_of_cpus: Option<u32>,
        /// Threads for disks' input and output. Source: `/domain/iothreads`.
        pub num_of_io_threads: u32,
        /// The CPU model asked for, with features added and taken away: `Skylake-Server,+pcid,-hle`.
        /// Source: `/domain/cpu/model`, `/domain/cpu/feature`.
        pub custom_cpu_name: Option<String>,
        /// Whether the guest sees the host's own CPU. Source: `/domain/cpu/@mode`.
        pub use_host_cpu_flags: bool,
        /// Whether its time stamp counter has a frequency of its own. Source:
        /// `/domain/clock/timer[@name='tsc']/@frequency`.
        pub use_tsc_frequency: bool,
        /// Which host CPUs each vCPU may run on: `0#0-3,^2_1#4`. Source:
        /// `/domain/cputune/vcpupin/@cpuset`.
        pub cpu_pinning: Option<String>,
        /// Who decides that. Source: `ovirt-vm:cpuPolicy`, else metadata.
        pub cpu_pinning_policy: CpuPinningPolicy = CpuPinningPolicy::None,
        /// Its share of CPU time among others; 0 is the default (512 low, 1024 medium, 2048 high).
        /// Source: `/domain/cputune/shares`.
        pub cpu_shares: u64,
        /// Its NUMA nodes. Source: `/domain/cpu/numa/cell`.
        #[serde(rename = "vNumaNodeList")]
        pub v_numa_node_list: Vec<VmNumaNode>,
        /// How its memory is placed on the host's nodes. Source: `/domain/numatune/memory/@mode`, else
        /// metadata.
        pub numa_tune_mode: Option<NumaTuneMode>,

        /// The machine type asked for; none means the hypervisor's default. Source:
        /// `/domain/os/type/@machine`.
        pub custom_emulated_machine: Option<String>,
        /// Chipset and firmware. Source: `/domain/os/type/@machine`, `/domain/os/@firmware`,
        /// `/domain/os/loader`.
        pub bios_type: Option<BiosType>,
        /// Whether it has a trusted platform module. oVirt keeps it as a device. Source:
        /// `/domain/devices/tpm`.
        pub tpm_enabled: bool,
        /// In which order devices are tried at boot. Source: `/domain/os/boot/@dev`, else the devices'
        /// `boot/@order`.
        pub default_boot_sequence: BootSequence = BootSequence::C,
        /// Whether a menu offers the choice. Source: `/domain/os/bootmenu/@enable`.
        pub boot_menu_enabled: bool,
        /// A kernel to boot without a boot loader. Source: `/domain/os/kernel`.
        pub kernel_url: Option<PathBuf>,
        /// That kernel's initial RAM disk. Source: `/domain/os/initrd`.
        pub initrd_url: Option<PathBuf>,
        /// That kernel's command line. Source: `/domain/os/cmdline`.
        pub kernel_params: Option<String>,
        /// The number of its operating system in oVirt's catalogue (0 another, 5 Linux, 27 Windows 10).
        /// Source: `/domain/metadata/libosinfo:libosinfo/libosinfo:os/@id`, else metadata.
        pub os_id: i32,
        /// Its time zone. Source: metadata.
        pub time_zone: Option<String>,
        /// Which serial number its firmware shows. Source: `/domain/os/smbios/@mode`, else metadata.
        pub serial_number_policy: Option<SerialNumberPolicy>,
        /// That number, if it is given. Source:
        /// `/domain/sysinfo/system/entry[@name='serial']`.
        pub custom_serial_number: Option<String>,

        /// The disks, each by its top layer; the layers below are in its `snapshots`. Source:
        /// `/domain/devices/disk[@device='disk' or @device='lun']`.
        pub images: Vec<DiskImage>,
        /// The disks that are files or volumes, without the layers below. Source: as `images`; it is
        /// not read from a definition.
        pub disk_list: Vec<DiskImage>,
        /// The CD in the first drive: a path, `volume:pool/volume`, or `protocol://host/name`. Source: `/domain/devices/disk[@device='cdrom']/source`.
        pub iso_path: Option<PathBuf>,
        /// The network cards. Source: `/domain/devices/interface`.
        pub interfaces: Vec<VmNetworkInterface>,
        /// Whether a network card has several queues. Source:
        /// `/domain/devices/interface/driver/@queues`.
        pub multi_queues_enabled: bool,
        /// Queues of its SCSI controller. Source:
        /// `/domain/devices/controller[@type='scsi']/driver/@queues`.
        pub virtio_scsi_multi_queues: u32,
        /// The consoles that the VM offers. oVirt keeps them as devices. Source:
        /// `/domain/devices/graphics/@type`.
        pub graphics_types: Vec<GraphicsType>,
        /// The video adapter. Source: the first `/domain/devices/video/model/@type`.
        pub default_display_type: Option<DisplayType>,
        /// Monitors. Source: `/domain/devices/video/model/@heads`, else the number of QXL adapters, else metadata.
        pub num_of_monitors: u32 = 1,
        /// Whether one QXL adapter serves all of them. Source: `/domain/devices/video/model/@heads`, else metadata.
        pub single_qxl_pci: bool,
        /// How VNC lays out keys. Source: `/domain/devices/graphics[@type='vnc']/@keymap`, else metadata.
        pub vnc_keyboard_layout: Option<String>,
        /// Whether USB devices can be redirected. Source: `/domain/devices/redirdev[@bus='usb']`.
        #[serde(alias = "UsbPolicy")]
        pub usb_policy: UsbPolicy = UsbPolicy::Disabled,
        /// Whether a smart card is passed through. Source: `/domain/devices/smartcard`.
        pub smartcard_enabled: bool,
        /// Whether files can be dragged into a SPICE console. Source:
        /// `/domain/devices/graphics[@type='spice']/filetransfer/@enable`, else metadata.
        pub spice_file_transfer_enabled: bool = true,
        /// Whether a SPICE console shares the clipboard. Source:
        /// `/domain/devices/graphics[@type='spice']/clipboard/@copypaste`, else metadata.
        pub spice_copy_paste_enabled: bool = true,
        /// A file to which everything goes that the first serial port prints. Not an oVirt field.
        /// Source: `/domain/devices/serial/log/@file`.
        pub serial_log_path: Option<PathBuf>,
        /// The devices that were asked for, by their UUID. Source: the elements of `/domain/devices`
        /// whose `alias/@name` begins with `ua-`; it is not read from a definition.
        pub managed_device_map: BTreeMap<Uuid, VmDevice>,
        /// All other devices. Source: the other elements of `/domain/devices`; it is not read from a
        /// definition.
        pub unmanaged_device_list: Vec<VmDevice>,

        /// How the guest is set up at its first boot. Source: metadata, but for its secrets.
        #[serde(alias = "VmInit")]
        pub vm_init: Option<VmInit>,
        /// Whether it has been run, so that `vmInit` is done with. Source: metadata.
        pub initialized: bool,
        /// How much the VM matters, 0 to 100: 1 low, 50 medium, 100 high. Source: metadata.
        #[serde(deserialize_with = "percent")]
        #[cfg_attr(test, schemars(range(min = 0, max = 100)))]
        pub priority: u32,
        /// Whether it is to be started when it was lost. oVirt's high availability, not libvirt's
        /// autostart. Source: metadata.
        pub auto_startup: bool,
        /// What becomes of it when the storage is back on whose error it paused. Source:
        /// `ovirt-vm:resumeBehavior`, else metadata.
        pub resume_behavior: VmResumeBehavior = VmResumeBehavior::AutoResume,
        /// The storage domain of its lease. Source: `/domain/devices/lease/lockspace`.
        pub lease_storage_domain_id: Option<Uuid>,
        /// Whether its disks go back to where they were when it is switched off. Source:
        /// `/domain/devices/disk/transient`.
        pub stateless: bool,
        /// Whether it starts paused. Source: `ovirt-vm:launchPaused`, else metadata.
        #[serde(alias = "runAdnPause")]
        pub run_and_pause: bool,
        /// Whether it must not be removed. Source: metadata.
        pub delete_protected: bool,
        /// Where it came from. Source: OVIRT if `ovirt-vm` metadata exists, else metadata.
        pub origin: Option<OriginType>,
        /// What it is tuned for. Source: metadata.
        pub vm_type: Option<VmType>,
        /// Its cluster. Source: metadata.
        pub cluster_id: Option<Uuid>,
        /// The version that its cluster is compatible with. Source: `ovirt-vm:clusterVersion`, else
        /// metadata.
        pub custom_compatibility_version: Option<String>,
        /// Which version that is, its cluster's or its own. Source: metadata.
        pub cluster_compatibility_version_origin: Option<String>,
        /// The provider that it came from. Source: metadata.
        pub provider_id: Option<Uuid>,
        /// Its namespace there. Source: metadata.
        pub namespace: Option<String>,
        /// Its group. Source: metadata.
        pub vm_group_id: Option<Uuid>,
        /// That group's name. Source: metadata.
        pub vm_group_name: Option<String>,
        /// What VMs are chosen by. Not an oVirt field. Source: metadata.
        pub labels: BTreeMap<String, String>,
        /// The VMs that it needs, by name or UUID: they are restored before it, and hibernated after it. Not an
        /// oVirt field. Source: metadata.
        pub depends_on: Vec<String>,
        /// What becomes of it when the host shuts down. Not an oVirt field. Source: metadata.
        pub host_shutdown_policy: Option<HostShutdownPolicy>,
        /// The template that it was made from. Source: metadata.
        #[serde(alias = "templateId")]
        pub vmt_guid: Option<Uuid>,
        /// The first template's name, kept by clones. Source: metadata.
        pub original_template_name: Option<String>,
        /// The first template's UUID. Source: metadata.
        pub original_template_guid: Option<Uuid>,
        /// Whether it follows its template's newest version. Source: metadata.
        pub use_latest_version: bool,
        /// What happens to the guest when its console's viewer leaves. Source: metadata.
        pub console_disconnect_action: ConsoleDisconnectAction = ConsoleDisconnectAction::LockScreen,
        /// After how many minutes. Source: metadata.
        pub console_disconnect_action_delay: u32,
        /// Whether another user may take over the console. Source: metadata.
        pub allow_console_reconnect: bool,
        /// How the guest's user is logged in. Source: metadata.
        pub sso_method: SsoMethod = SsoMethod::GuestAgent,
        /// The hosts that it should run on. Source: metadata.
        pub dedicated_vm_for_vds_list: Vec<Uuid>,
        /// Whether it goes back to its host when that returns; oVirt has given it up. Source: metadata.
        pub fail_back: bool,
        /// Whether it may migrate. Source: `PINNED_TO_HOST` if `/domain/devices/hostdev` passes through
        /// what is no USB device, else metadata.
        pub migration_support: MigrationSupport = MigrationSupport::Migratable,
        /// How it migrates. Source: metadata.
        pub migration_policy_id: Option<Uuid>,
        /// How long it may stand still then, in milliseconds. Source: metadata.
        pub migration_downtime: Option<Milliseconds>,
        /// Whether it is slowed down so that a migration can end. Source: metadata.
        pub auto_converge: Option<bool>,
        /// Whether a migration is compressed. Source: metadata.
        pub migrate_compressed: Option<bool>,
        /// Whether a migration is encrypted. Source: metadata.
        pub migrate_encrypted: Option<bool>,
        /// Connections that a migration uses. Source: metadata.
        pub parallel_migrations: Option<i32>,
        /// Whether a migration goes through libvirt's own connection. Source: metadata.
        pub tunnel_migration: Option<bool>,
        /// Its CPU quality of service; its effect is in `/domain/cputune`. Source: metadata.
        pub cpu_profile_id: Option<Uuid>,
        /// Its nice value on the host; oVirt has given it up. Source: metadata.
        pub nice_level: i32,
        /// Its quota. Source: metadata.
        pub quota_id: Option<Uuid>,
        /// That quota's name. Source: metadata.
        pub quota_name: Option<String>,
        /// Whether it is the default one. Source: metadata.
        pub quota_default: bool,
        /// How it is enforced. Source: metadata.
        pub quota_enforcement_type: Option<QuotaEnforcementTypeEnum>,
        /// Custom properties, `key=value;key=value`. Source: `ovirt-vm:custom`, else metadata.
        pub custom_properties: String,
        /// Those of them that an administrator has declared. Source: metadata.
        pub user_defined_properties: Option<String>,
        /// Those of them that oVirt has declared. Source: metadata.
        pub predefined_properties: Option<String>,
        /// Who made it. Source: metadata.
        pub created_by_user_id: Option<Uuid>,
        /// When it was made. Source: metadata.
        pub creation_date: Option<Timestamp>,
        /// How often its configuration was changed. Source: metadata.
        pub db_generation: u64,
        /// The OVF version that it was read from. Source: metadata.
        pub ovf_version: Option<String>,
        /// When it was exported. Source: metadata.
        pub export_date: Option<Timestamp>,
        /// Its small icon. Source: metadata.
        pub small_icon_id: Option<Uuid>,
        /// Its large icon. Source: metadata.
        pub large_icon_id: Option<Uuid>,
        /// Its instance type. Source: metadata.
        pub instance_type_id: Option<Uuid>,
        /// Its image type. Source: metadata.
        pub image_type_id: Option<Uuid>,
    }
}

/// A number from 0 to 100.
fn percent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    struct Percent;

    impl Visitor<'_> for Percent {
        type Value = u32;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number from 0 to 100")
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<u32, E> {
            let fitting = u32::try_from(number).ok().filter(|number| *number <= 100);
            fitting.ok_or_else(|| E::invalid_value(Unexpected::Unsigned(number), &self))
        }
    }

    deserializer.deserialize_u32(Percent)
}

impl VmStatic {
    /// The highest number of vCPUs: sockets × cores × threads.
    #[must_use]
    pub fn max_num_of_cpus(&self) -> u32 {
        self.num_of_sockets
            .saturating_mul(self.cpu_per_socket)
            .saturating_mul(self.threads_per_cpu)
    }

    /// The vCPUs that the guest has.
    #[must_use]
    pub fn cpu_count(&self) -> u32 {
        self.num_of_cpus.unwrap_or_else(|| self.max_num_of_cpus())
    }
}
