//! What is configured of a VM.

use super::{DiskImage, DisplayType, GraphicsType, MemorySize, VmNetworkInterface};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use uuid::Uuid;

/// oVirt's `VmStatic` (with its parent `VmBase`): the configuration, which survives power-off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct VmStatic {
    /// The name. Source: `/domain/name`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The UUID. Absent in a definition that leaves the choice to libvirt. Source: `/domain/uuid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// Free text. Source: `/domain/description`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The memory, in MiB. Source: `/domain/memory`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mem_size_mb: Option<MemorySize>,
    /// The most memory that can be plugged in while it runs, in MiB. Source: `/domain/maxMemory`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_memory_size_mb: Option<MemorySize>,
    /// CPU sockets. Source: `/domain/cpu/topology/@sockets`, else `/domain/vcpu`.
    pub num_of_sockets: u32,
    /// Cores of each socket. Source: `/domain/cpu/topology/@cores`.
    pub cpu_per_socket: u32,
    /// Threads of each core. Source: `/domain/cpu/topology/@threads`.
    pub threads_per_cpu: u32,
    /// vCPUs that are plugged in, where they are fewer than the topology has room for. oVirt
    /// computes it. Source: `/domain/vcpu/@current`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_of_cpus: Option<u32>,
    /// How the guest's code is run: `kvm`, `qemu` (emulated), `xen` … Not an oVirt field, since
    /// oVirt knows KVM only. A definition that does not say means `kvm`. Source: `/domain/@type`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain_type: Option<String>,
    /// The machine type asked for; none means the hypervisor's default. Source:
    /// `/domain/os/type/@machine`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_emulated_machine: Option<String>,
    /// How much the VM matters, 0 to 100: 1 low, 50 medium, 100 high. Source: vmlife's own metadata,
    /// `/domain/metadata/vmlife:vm/vmlife:priority`.
    #[serde(skip_serializing_if = "is_zero")]
    pub priority: u32,
    /// The disks. Source: `/domain/devices/disk[@device='disk' or @device='lun']`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<DiskImage>,
    /// The CD in the first drive. Source: `/domain/devices/disk[@device='cdrom']/source`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iso_path: Option<PathBuf>,
    /// The network interfaces. Source: `/domain/devices/interface`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<VmNetworkInterface>,
    /// The video adapter. Source: the first `/domain/devices/video/model/@type`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_display_type: Option<DisplayType>,
    /// The consoles that the VM offers. oVirt keeps them as devices. Source:
    /// `/domain/devices/graphics/@type`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub graphics_types: Vec<GraphicsType>,
    /// A kernel to boot without a boot loader. Source: `/domain/os/kernel`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_url: Option<PathBuf>,
    /// That kernel's initial RAM disk. Source: `/domain/os/initrd`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initrd_url: Option<PathBuf>,
    /// That kernel's command line. Source: `/domain/os/cmdline`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_params: Option<String>,
    /// A file to which everything goes that the first serial port prints. Not an oVirt field.
    /// Source: `/domain/devices/serial/log/@file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial_log_path: Option<PathBuf>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands out references"
)]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Default for VmStatic {
    /// oVirt's defaults: everything empty, one socket with one core and one thread.
    fn default() -> Self {
        Self {
            name: String::new(),
            id: None,
            description: String::new(),
            mem_size_mb: None,
            max_memory_size_mb: None,
            num_of_sockets: 1,
            cpu_per_socket: 1,
            threads_per_cpu: 1,
            num_of_cpus: None,
            domain_type: None,
            custom_emulated_machine: None,
            priority: 0,
            images: Vec::new(),
            iso_path: None,
            interfaces: Vec::new(),
            default_display_type: None,
            graphics_types: Vec::new(),
            kernel_url: None,
            initrd_url: None,
            kernel_params: None,
            serial_log_path: None,
        }
    }
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
