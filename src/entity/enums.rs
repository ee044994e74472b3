//! oVirt's enumerations, with its words and its numbers.

use super::enumeration::ovirt_enum;

ovirt_enum! {
    /// oVirt's `VmType`: what a VM is tuned for.
    pub open enum VmType {
        /// A desktop.
        Desktop = 0 "Desktop",
        /// A server.
        Server = 1 "Server",
        /// As near to the bare machine as can be.
        HighPerformance = 2 "HighPerformance",
    }
}

ovirt_enum! {
    /// oVirt's `VmBlockJobType`: what a job does to a disk. The last two are libvirt's only, with its
    /// numbers.
    pub open enum VmBlockJobType {
        /// Nobody knows.
        Unknown = 0 "UNKNOWN",
        /// What is in the layers below is fetched into the uppermost one.
        Pull = 1 "PULL",
        /// All of it is copied to another place.
        Copy = 2 "COPY",
        /// What is in a layer is written into one below.
        Commit = 3 "COMMIT",
        /// The same with the layer that the guest writes to.
        ActiveCommit = 4 "ACTIVE_COMMIT",
        /// It is backed up.
        Backup = 5 "BACKUP",
    }
}

ovirt_enum! {
    /// oVirt's `OriginType`: where a VM came from.
    pub open enum OriginType {
        /// Red Hat Virtualization.
        Rhev = 0 "RHEV",
        /// `VMware`.
        Vmware = 1 "VMWARE",
        /// Xen.
        Xen = 2 "XEN",
        /// oVirt.
        Ovirt = 3 "OVIRT",
        /// Found on a host.
        External = 4 "EXTERNAL",
        /// oVirt's own engine.
        HostedEngine = 5 "HOSTED_ENGINE",
        /// oVirt's own engine, managed by itself.
        ManagedHostedEngine = 6 "MANAGED_HOSTED_ENGINE",
        /// libvirt with KVM.
        Kvm = 7 "KVM",
        /// A physical machine.
        PhysicalMachine = 8 "PHYSICAL_MACHINE",
        /// Hyper-V.
        Hyperv = 9 "HYPERV",
        /// `KubeVirt`.
        Kubevirt = 10 "KUBEVIRT",
    }
}

ovirt_enum! {
    /// oVirt's `UsbPolicy`: whether USB devices can be redirected.
    pub open enum UsbPolicy {
        /// They cannot.
        Disabled = 1 "DISABLED",
        /// They can, by SPICE.
        EnabledNative = 2 "ENABLED_NATIVE" => "ENABLED_NATIVE" | "Enabled" | "ENABLED_LEGACY",
    }
}

ovirt_enum! {
    /// oVirt's `ConsoleDisconnectAction`: what happens to the guest when its console's viewer leaves.
    pub open enum ConsoleDisconnectAction {
        /// Nothing.
        None = 0 "NONE",
        /// Its screen is locked.
        LockScreen = 1 "LOCK_SCREEN",
        /// Its user is logged out.
        Logout = 2 "LOGOUT",
        /// It is shut down.
        Shutdown = 3 "SHUTDOWN",
        /// It is rebooted.
        Reboot = 4 "REBOOT",
    }
}

ovirt_enum! {
    /// oVirt's `SsoMethod`: how the guest's user is logged in.
    pub open enum SsoMethod {
        /// By himself.
        None = 0 "none",
        /// By the guest agent.
        GuestAgent = 1 "guest_agent",
    }
}

ovirt_enum! {
    /// oVirt's `MigrationSupport`: whether a VM may migrate.
    pub open enum MigrationSupport {
        /// By itself or by hand.
        Migratable = 0 "MIGRATABLE",
        /// By hand only.
        ImplicitlyNonMigratable = 1 "IMPLICITLY_NON_MIGRATABLE",
        /// Never.
        PinnedToHost = 2 "PINNED_TO_HOST",
    }
}

ovirt_enum! {
    /// oVirt's `NumaTuneMode`: how memory is placed on the host's NUMA nodes.
    pub open enum NumaTuneMode {
        /// On these nodes only.
        Strict = 0 "strict",
        /// On these nodes in turn.
        Interleave = 1 "interleave",
        /// On these nodes while there is room.
        Preferred = 2 "preferred",
    }
}

ovirt_enum! {
    /// oVirt's `BootSequence`: in which order devices are tried at boot: C disk, D CD, N network.
    pub open enum BootSequence {
        /// Disk.
        C = 0 "C",
        /// Cd, then disk.
        Dc = 1 "DC",
        /// Network.
        N = 2 "N",
        /// Disk, then cd, then network.
        Cdn = 3 "CDN",
        /// Disk, then network, then cd.
        Cnd = 4 "CND",
        /// Cd, then disk, then network.
        Dcn = 5 "DCN",
        /// Cd, then network, then disk.
        Dnc = 6 "DNC",
        /// Network, then disk, then cd.
        Ncd = 7 "NCD",
        /// Network, then cd, then disk.
        Ndc = 8 "NDC",
        /// Disk, then cd.
        Cd = 9 "CD",
        /// Cd.
        D = 10 "D",
        /// Disk, then network.
        Cn = 11 "CN",
        /// Cd, then network.
        Dn = 12 "DN",
        /// Network, then disk.
        Nc = 13 "NC",
        /// Network, then cd.
        Nd = 14 "ND",
    }
}

ovirt_enum! {
    /// oVirt's `QuotaEnforcementTypeEnum`: how a quota is enforced.
    pub open enum QuotaEnforcementTypeEnum {
        /// Not at all.
        Disabled = 0 "DISABLED",
        /// By a warning.
        SoftEnforcement = 1 "SOFT_ENFORCEMENT",
        /// By a refusal.
        HardEnforcement = 2 "HARD_ENFORCEMENT",
    }
}

ovirt_enum! {
    /// oVirt's `VmResumeBehavior`: what becomes of a VM that paused on an I/O error, when its storage is back.
    pub open enum VmResumeBehavior {
        /// It is resumed.
        AutoResume = 0 "AUTO_RESUME",
        /// It stays paused.
        LeavePaused = 1 "LEAVE_PAUSED",
        /// It is ended if it was paused too long, else resumed.
        Kill = 2 "KILL",
    }
}

ovirt_enum! {
    /// oVirt's `SerialNumberPolicy`: which serial number the guest sees in its firmware.
    pub open enum SerialNumberPolicy {
        /// The host's UUID.
        HostId = 0 "HOST_ID",
        /// The VM's UUID.
        VmId = 1 "VM_ID",
        /// One that is given.
        Custom = 2 "CUSTOM",
    }
}

ovirt_enum! {
    /// oVirt's `BiosType`: chipset and firmware.
    pub open enum BiosType {
        /// i440FX with a BIOS.
        I440fxSeaBios = 1 "I440FX_SEA_BIOS",
        /// Q35 with a BIOS.
        Q35SeaBios = 2 "Q35_SEA_BIOS",
        /// Q35 with UEFI.
        Q35Ovmf = 3 "Q35_OVMF",
        /// Q35 with UEFI and Secure Boot.
        Q35SecureBoot = 4 "Q35_SECURE_BOOT",
    }
}

ovirt_enum! {
    /// oVirt's `CpuPinningPolicy`: who decides which host CPUs a VM runs on.
    pub open enum CpuPinningPolicy {
        /// Nobody.
        None = 0 "NONE",
        /// The administrator, vCPU by vCPU.
        Manual = 1 "MANUAL",
        /// oVirt, which fits the VM to the host.
        ResizeAndPinNuma = 2 "RESIZE_AND_PIN_NUMA",
        /// oVirt: each vCPU has a host CPU of its own.
        Dedicated = 3 "DEDICATED",
        /// oVirt: each vCPU has a host core of its own.
        IsolateThreads = 4 "ISOLATE_THREADS",
    }
}

ovirt_enum! {
    /// oVirt's `InitializationType`: how initialization data reaches the guest.
    pub open enum InitializationType {
        /// Not at all.
        None = 0 "None",
        /// By a floppy for Windows Sysprep.
        Sysprep = 1 "Sysprep",
        /// By a CD for cloud-init.
        CloudInit = 2 "CloudInit",
        /// By a CD for Ignition.
        Ignition = 3 "Ignition",
    }
}

ovirt_enum! {
    /// oVirt's `Ipv4BootProtocol`: how a network card gets its IPv4 address.
    pub open enum Ipv4BootProtocol {
        /// Not at all.
        None = 0 "NONE",
        /// By DHCP.
        Dhcp = 1 "DHCP",
        /// It is given.
        StaticIp = 2 "STATIC_IP",
    }
}

ovirt_enum! {
    /// oVirt's `Ipv6BootProtocol`: how a network card gets its IPv6 address.
    pub open enum Ipv6BootProtocol {
        /// Not at all.
        None = 0 "NONE",
        /// By DHCP.
        Dhcp = 1 "DHCP",
        /// By router advertisements.
        Autoconf = 2 "AUTOCONF",
        /// By both.
        PolyDhcpAutoconf = 3 "POLY_DHCP_AUTOCONF",
        /// It is given.
        StaticIp = 4 "STATIC_IP",
    }
}

ovirt_enum! {
    /// oVirt's `CloudInitNetworkProtocol`: in which form cloud-init is told of the network.
    pub open enum CloudInitNetworkProtocol {
        /// As `network_data.json`.
        OpenstackMetadata = 0 "OPENSTACK_METADATA",
        /// As Debian's interfaces file.
        Eni = 1 "ENI",
    }
}

ovirt_enum! {
    /// oVirt's `OsType`: the family of the guest's operating system.
    pub open enum OsType {
        /// Windows.
        Windows = 0 "Windows",
        /// Linux.
        Linux = 1 "Linux",
        /// Another.
        Another = 2 "Other",
    }
}

ovirt_enum! {
    /// oVirt's `GuestAgentStatus`: whether a guest agent is there.
    pub open enum GuestAgentStatus {
        /// It is not.
        DoesntExist = 0 "DoesntExist",
        /// It is.
        Exists = 1 "Exists",
        /// It is, and too old.
        UpdateNeeded = 2 "UpdateNeeded",
    }
}

ovirt_enum! {
    /// oVirt's `SessionState`: the guest's desktop session.
    pub open enum SessionState {
        /// Nobody can tell.
        Unknown = 0 "Unknown",
        /// A user is logged on.
        UserLoggedOn = 1 "UserLoggedOn",
        /// Its screen is locked.
        Locked = 2 "Locked",
        /// Its user is at work.
        Active = 3 "Active",
        /// Nobody is logged on.
        LoggedOff = 4 "LoggedOff",
    }
}

ovirt_enum! {
    /// oVirt's `VmExitStatus`: how a VM's last run ended.
    pub open enum VmExitStatus {
        /// As it should.
        Normal = 0 "Normal",
        /// By an error.
        Error = 1 "Error",
        /// Nobody can tell.
        Unknown = 2 "Unknown",
    }
}

ovirt_enum! {
    /// oVirt's `VmExitReason`: why a VM's last run ended.
    pub open enum VmExitReason {
        /// Nobody can tell.
        Unknown = -1 "Unknown",
        /// As it should.
        Success = 0 "Success",
        /// Some error.
        GenericError = 1 "GenericError",
        /// QEMU vanished.
        LostQemuConnection = 2 "LostQEMUConnection",
        /// It could not be started.
        LibvirtStartFailed = 3 "LibvirtStartFailed",
        /// It went to another host.
        MigrationSucceeded = 4 "MigrationSucceeded",
        /// It was hibernated.
        SaveStateSucceeded = 5 "SaveStateSucceeded",
        /// It was switched off from outside.
        AdminShutdown = 6 "AdminShutdown",
        /// It was shut down from inside.
        UserShutdown = 7 "UserShutdown",
        /// Its migration failed.
        MigrationFailed = 8 "MigrationFailed",
        /// libvirt lost it.
        LibvirtDomainMissing = 9 "LibvirtDomainMissing",
        /// It was ended when vdsm started.
        DestroyedOnStartup = 10 "DestroyedOnStartup",
        /// The host was shut down.
        HostShutdown = 11 "HostShutdown",
        /// Its post-copy migration failed.
        PostcopyMigrationFailed = 12 "PostcopyMigrationFailed",
        /// It rebooted, which ends a volatile run.
        DestroyedOnReboot = 13 "DestroyedOnReboot",
        /// It was paused for too long.
        DestroyedOnResume = 14 "DestroyedOnResume",
    }
}

ovirt_enum! {
    /// oVirt's `SnapshotStatus`: what is going on with a snapshot.
    pub open enum SnapshotStatus {
        /// Nothing.
        Ok = 0 "OK",
        /// It is being made, reverted to or removed.
        Locked = 1 "LOCKED",
        /// The VM runs on it for a look.
        InPreview = 2 "IN_PREVIEW",
    }
}

ovirt_enum! {
    /// oVirt's `SnapshotType`: what a snapshot is for.
    pub open enum SnapshotType {
        /// Somebody made it.
        Regular = 0 "REGULAR",
        /// It stands for the present.
        Active = 1 "ACTIVE",
        /// What a stateless VM goes back to.
        Stateless = 2 "STATELESS",
        /// The present, while another is looked at.
        Preview = 3 "PREVIEW",
        /// The configuration of the next run.
        NextRun = 4 "NEXT_RUN",
    }
}

ovirt_enum! {
    /// oVirt's `ImageStatus`: the state of a volume.
    pub open enum ImageStatus {
        /// Not known.
        Unassigned = 0 "Unassigned",
        /// It can be used.
        Ok = 1 "OK",
        /// It is being worked on.
        Locked = 2 "LOCKED",
        /// It is missing or broken.
        Illegal = 4 "ILLEGAL",
    }
}

ovirt_enum! {
    /// oVirt's `VolumeType`: whether a volume's space is set aside.
    pub open enum VolumeType {
        /// Not known.
        Unassigned = 0 "Unassigned",
        /// All of it.
        Preallocated = 1 "Preallocated",
        /// As it is needed.
        Sparse = 2 "Sparse",
    }
}

ovirt_enum! {
    /// oVirt's `VolumeFormat`: the format of a volume's bytes.
    pub open enum VolumeFormat {
        /// Neither of the others.
        Unassigned = 3 "Unassigned",
        /// qcow2.
        Cow = 4 "COW" => "qcow2",
        /// The plain bytes of the disk.
        Raw = 5 "RAW",
    }
}

ovirt_enum! {
    /// oVirt's `VolumeClassification`: which layer of a disk a volume is.
    pub open enum VolumeClassification {
        /// The top one, which is written to.
        Volume = 0 "Volume",
        /// One below it.
        Snapshot = 1 "Snapshot",
        /// None.
        Invalid = 2 "Invalid",
    }
}

ovirt_enum! {
    /// oVirt's `DiskInterface`: the bus on which the guest sees a disk; oVirt knows these by name only.
    pub open enum DiskInterface {
        /// `ide`.
        Ide = 0 "IDE",
        /// `scsi`, on a virtio controller.
        VirtioScsi = 1 "VirtIO_SCSI" => "scsi",
        /// `virtio`.
        Virtio = 2 "VirtIO",
        /// `scsi`, on a POWER controller.
        SpaprVscsi = 3 "SPAPR_VSCSI" => "scsi",
        /// `sata`.
        Sata = 4 "SATA",
    }
}

ovirt_enum! {
    /// oVirt's `DiskStorageType`: what a disk is made of.
    pub open enum DiskStorageType {
        /// A file or volume.
        Image = 0 "IMAGE",
        /// A device, or a network's target.
        Lun = 1 "LUN",
        /// A volume of Cinder.
        Cinder = 2 "CINDER",
        /// A volume of a storage driver.
        ManagedBlockStorage = 3 "MANAGED_BLOCK_STORAGE",
        /// A claim of Kubernetes.
        Kubernetes = 4 "KUBERNETES",
    }
}

ovirt_enum! {
    /// oVirt's `DiskContentType`: what a disk holds.
    pub open enum DiskContentType {
        /// A guest's data.
        Data = 0 "DATA",
        /// Definitions.
        OvfStore = 1 "OVF_STORE",
        /// A guest's memory.
        MemoryDumpVolume = 2 "MEMORY_DUMP_VOLUME",
        /// What belongs to a guest's memory.
        MemoryMetadataVolume = 3 "MEMORY_METADATA_VOLUME",
        /// A CD.
        Iso = 4 "ISO",
        /// oVirt's own engine.
        HostedEngine = 5 "HOSTED_ENGINE",
        /// That engine's locks.
        HostedEngineSanlock = 6 "HOSTED_ENGINE_SANLOCK",
        /// That engine's metadata.
        HostedEngineMetadata = 7 "HOSTED_ENGINE_METADATA",
        /// That engine's configuration.
        HostedEngineConfiguration = 8 "HOSTED_ENGINE_CONFIGURATION",
        /// What a backup sets aside.
        BackupScratch = 9 "BACKUP_SCRATCH",
    }
}

ovirt_enum! {
    /// oVirt's `PropagateErrors`: whether the guest hears of a disk's errors.
    pub open enum PropagateErrors {
        /// No: the VM is paused.
        Off = 0 "Off",
        /// Yes.
        On = 1 "On",
    }
}

ovirt_enum! {
    /// oVirt's `QcowCompat`: the version of a qcow2 volume.
    pub open enum QcowCompat {
        /// Not known, or no qcow2.
        Undefined = 0 "Undefined",
        /// Version 2.
        Qcow2V2 = 1 "QCOW2_V2" => "0.10",
        /// Version 3.
        Qcow2V3 = 2 "QCOW2_V3" => "1.1",
    }
}

ovirt_enum! {
    /// oVirt's `ScsiGenericIO`: which SCSI commands a guest may send.
    pub open enum ScsiGenericIO {
        /// Harmless ones.
        Filtered = 1 "FILTERED",
        /// All.
        Unfiltered = 2 "UNFILTERED",
    }
}

ovirt_enum! {
    /// oVirt's `DiskBackup`: whether a disk is backed up incrementally.
    pub open enum DiskBackup {
        /// No.
        None = 0 "None",
        /// Yes: checkpoints of it exist.
        Incremental = 1 "Incremental",
    }
}

ovirt_enum! {
    /// oVirt's `DiskBackupMode`: how a disk is backed up.
    pub open enum DiskBackupMode {
        /// All of it.
        Full = 0 "Full",
        /// What has changed.
        Incremental = 1 "Incremental",
    }
}

ovirt_enum! {
    /// oVirt's `VmEntityType`: what a disk belongs to.
    pub open enum VmEntityType {
        /// A VM.
        Vm = 0 "VM",
        /// A template.
        Template = 1 "TEMPLATE",
        /// An instance type.
        InstanceType = 2 "INSTANCE_TYPE",
        /// An image type.
        ImageType = 3 "IMAGE_TYPE",
    }
}

ovirt_enum! {
    /// oVirt's `VmInterfaceType`: the network card that the guest sees.
    pub open enum VmInterfaceType {
        /// Realtek 8139, then virtio; oVirt has given it up.
        Rtl8139Pv = 0 "rtl8139_pv",
        /// Realtek 8139.
        Rtl8139 = 1 "rtl8139",
        /// Intel e1000.
        E1000 = 2 "e1000",
        /// virtio.
        Pv = 3 "pv" => "virtio" | "virtio-transitional" | "virtio-non-transitional",
        /// POWER virtual LAN.
        SpaprVlan = 4 "spaprVlan" => "spapr-vlan",
        /// A host's card, passed through.
        PciPassthrough = 5 "pciPassthrough",
        /// Intel e1000e.
        E1000e = 6 "e1000e",
    }
}

ovirt_enum! {
    /// oVirt's `InterfaceStatus`: whether a network card's cable is plugged in.
    pub open enum InterfaceStatus {
        /// Not known.
        None = 0 "NONE",
        /// It is.
        Up = 1 "UP",
        /// It is not.
        Down = 2 "DOWN",
    }
}

ovirt_enum! {
    /// oVirt's `DisplayType`: the video adapter; compare words, not numbers: oVirt renumbered it.
    pub open enum DisplayType {
        /// Cirrus.
        Cirrus = 0 "cirrus",
        /// QXL.
        Qxl = 1 "qxl",
        /// VGA, and virtio, which oVirt counts as VGA.
        Vga = 2 "vga" => "vga" | "virtio",
        /// Bochs.
        Bochs = 3 "bochs",
        /// No adapter.
        None = 4 "none",
    }
}

ovirt_enum! {
    /// oVirt's `VmDeviceGeneralType`: the class of a device.
    pub open enum VmDeviceGeneralType {
        /// A disk, CD or floppy.
        Disk = 0 "disk",
        /// A network card.
        Interface = 1 "interface",
        /// A video adapter.
        Video = 2 "video",
        /// A console for a viewer.
        Graphics = 3 "graphics",
        /// A sound card.
        Sound = 4 "sound",
        /// A bus.
        Controller = 5 "controller",
        /// The memory balloon.
        Balloon = 6 "balloon" => "memballoon",
        /// A channel between host and guest.
        Channel = 7 "channel",
        /// A redirected USB device; oVirt's older word.
        Redir = 8 "redir",
        /// A redirected USB device.
        Redirdev = 9 "redirdev",
        /// A serial console.
        Console = 10 "console",
        /// A source of randomness.
        Rng = 11 "rng",
        /// A smart card.
        Smartcard = 12 "smartcard",
        /// A watchdog.
        Watchdog = 13 "watchdog",
        /// A host's device, passed through.
        Hostdev = 14 "hostdev",
        /// A memory module.
        Memory = 15 "memory",
        /// A trusted platform module.
        Tpm = 16 "tpm",
        /// A mediated device, such as a virtual GPU.
        Mdev = 17 "mdev",
    }
}

ovirt_enum! {
    /// What becomes of a VM when its host shuts down. Not an oVirt enumeration.
    pub enum HostShutdownPolicy {
        /// It is hibernated.
        Hibernate = 0 "hibernate",
        /// Its guest is asked to shut down.
        ShutDown = 1 "shutDown",
        /// It is left alone.
        Leave = 2 "leave",
    }
}
