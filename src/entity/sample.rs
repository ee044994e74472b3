//! A VM of which much is known, for tests.

use super::Vm;

/// A running web server with something in nearly every field that is shown.
pub(crate) fn sample() -> Vm {
    serde_json::from_str(SAMPLE).expect("the sample is a VM")
}

const SAMPLE: &str = r#"{
  "vmStatic": {
    "name": "web-1",
    "id": "6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a11",
    "description": "The shop's front.\nAsk Ada before touching it:\n\t- it has customers\n",
    "comment": "shop",
    "domainType": "kvm",
    "memSizeMb": 2048,
    "maxMemorySizeMb": 4096,
    "minAllocatedMem": 1024,
    "balloonEnabled": false,
    "numOfSockets": 2,
    "cpuPerSocket": 2,
    "threadsPerCpu": 2,
    "numOfCpus": 2,
    "numOfIoThreads": 1,
    "customCpuName": "Skylake-Server",
    "cpuPinning": "0#0-3,^2_1#4",
    "vNumaNodeList": [
      { "index": 0, "cpuIds": [0, 1, 2, 3, 7], "memTotal": 1024, "vdsNumaNodeList": [0, 1], "numaTuneMode": "strict" },
      { "index": 1, "cpuIds": [4, 5, 6], "memTotal": 1024 }
    ],
    "numaTuneMode": "interleave",
    "customEmulatedMachine": "q35",
    "biosType": "Q35_SECURE_BOOT",
    "tpmEnabled": true,
    "defaultBootSequence": "CDN",
    "bootMenuEnabled": true,
    "kernelUrl": "/boot/vmlinuz",
    "initrdUrl": "/boot/initrd.img",
    "kernelParams": "console=ttyS0 quiet",
    "images": [
      {
        "diskAlias": "system", "imagePath": "/var/lib/libvirt/images/web-1.qcow2", "plugged": true, "targetDev": "vda",
        "diskInterface": "VirtIO", "volumeFormat": "COW", "boot": true,
        "size": 21474836480, "actualSizeInBytes": 3435973836,
        "snapshots": [ { "imagePath": "/var/lib/libvirt/images/web-1.base" }, { "imagePath": "/srv/base.qcow2" } ],
        "imageStatus": "LOCKED", "progress": 25,
        "blockJob": { "blockJobType": "COPY", "cursorCur": 5368709120, "cursorEnd": 21474836480 },
        "readRate": 1048576, "writeRate": 2097152, "readLatency": 0.0004, "writeLatency": 0.0021, "flushLatency": 0.0105
      },
      {
        "diskAlias": "data", "imagePath": "rbd/data", "sourceType": "network",
        "sourceHosts": ["ceph-a:6789", "ceph-b:6789"], "targetDev": "sda", "diskInterface": "VirtIO_SCSI",
        "volumeFormat": "RAW", "diskStorageType": "LUN", "readOnly": true, "shareable": true,
        "plugged": false, "logicalName": "/dev/sdb", "imageStatus": "ILLEGAL"
      }
    ],
    "isoPath": "/srv/iso/debian-12.iso",
    "interfaces": [
      {
        "name": "nic1", "macAddress": "52:54:00:12:34:56", "type": "pv", "networkName": "default",
        "addresses": ["192.168.122.10", "fe80::5054:ff:fe12:3456"], "logicalName": "eth0",
        "statistics": {
          "status": "UP", "receivedBytes": 104857600, "transmittedBytes": 5242880,
          "receiveRate": 1.25, "transmitRate": 0.5, "receiveDrops": 3
        }
      },
      { "name": "nic2", "macAddress": "52:54:00:12:34:57", "type": "e1000e", "sourceType": "user", "linked": false, "synced": false }
    ],
    "serialLogPath": "/var/log/web-1.log",
    "unmanagedDeviceList": [ { "type": "hostdev", "device": "pci", "hostDevice": "pci_0000_01_00_0" } ],
    "vmInit": {
      "hostname": "web-1", "domain": "example.org", "timeZone": "Europe/Berlin",
      "authorizedKeys": "ssh-ed25519 AAAA ada", "userName": "ada", "rootPassword": "pa55word",
      "customScript": "runcmd:\n- reboot", "dnsServers": "192.168.122.1", "dnsSearch": "example.org",
      "networks": [
        {
          "name": "eth0", "bootProtocol": "STATIC_IP", "ip": "192.168.122.10", "netmask": "255.255.255.0",
          "gateway": "192.168.122.1", "ipv6Address": "2001:db8::10", "ipv6Prefix": 64, "ipv6Gateway": "2001:db8::1"
        }
      ],
      "systemLocale": "de_DE"
    },
    "initialized": true,
    "priority": 50,
    "autoStartup": true,
    "stateless": true,
    "runAndPause": true,
    "deleteProtected": true,
    "migrationSupport": "PINNED_TO_HOST",
    "vmType": "Server",
    "vmGroupName": "shop",
    "originalTemplateName": "debian-12",
    "customProperties": "hugepages=1048576",
    "creationDate": "2026-01-01T09:00:00Z"
  },
  "clusterArch": "x86_64",
  "vmDynamic": {
    "status": "Up",
    "statusReason": "restored",
    "pauseStatus": "NOERR",
    "domainId": 7,
    "persistent": true,
    "autostart": false,
    "runOnVds": "0b2cbf5e-4f1e-4a3c-8f43-5a3f5a7c6d21",
    "lastStartTime": "2026-03-01T11:00:00Z",
    "lastStopTime": "2026-03-01T10:00:00Z",
    "bootTime": "2026-02-20T08:30:00Z",
    "downtime": 3600000,
    "exitStatus": "Normal",
    "exitReason": "SaveStateSucceeded",
    "exitMessage": "hibernated by vmlife",
    "stopReason": "new power supply",
    "runOnce": true,
    "volatileRun": true,
    "emulatedMachine": "pc-q35-7.2",
    "cpuName": "Skylake-Server,+pcid,-hle",
    "bootSequence": "NC",
    "graphicsInfos": {
      "SPICE": { "ip": "::1", "port": 5901, "tlsPort": 5902 },
      "VNC": { "ip": "127.0.0.1", "port": 5900, "ticket": "pa55word", "ticketValidTo": "2026-03-02T00:00:00" }
    },
    "vncKeyboardLayout": "de",
    "clientIp": "192.168.122.1",
    "consoleCurrentUserName": "ada",
    "lastWatchdogEvent": 1772362800,
    "lastWatchdogAction": "reset",
    "qemuGuestAgentStatus": "Exists",
    "ip": "192.168.122.10 fe80::5054:ff:fe12:3456",
    "fqdn": "web-1.example.org",
    "guestCurUserName": "ada, bob",
    "guestOsVersion": "12",
    "guestOsDistribution": "Debian GNU/Linux",
    "guestOsCodename": "bookworm",
    "guestOsArch": "x86_64",
    "guestOsKernelVersion": "6.1.0-18-amd64",
    "guestOsTimezoneName": "CET",
    "guestOsTimezoneOffset": 60
  },
  "vmStatistics": {
    "cpuUser": 20.5,
    "cpuSys": 3.25,
    "usageCpuPercent": 12,
    "cpuTime": 5400.0,
    "usageMemPercent": 60,
    "guestMemoryFree": 838860,
    "guestMemoryCached": 307200,
    "balloonCurrent": 2097152,
    "balloonRss": 1572864,
    "usageNetworkPercent": 2,
    "migrationProgressPercent": 40,
    "disksUsage": [
      { "path": "/", "fs": "ext4", "total": 20957446144, "used": 3221225472 },
      { "path": "/boot/efi", "fs": "vfat", "total": 535805952, "used": 6291456 }
    ]
  },
  "vmPayload": { "device": "cdrom", "volumeId": "cidata", "files": { "meta-data": "eA==", "user-data": "eA==" } },
  "snapshots": [
    {
      "name": "installed", "type": "REGULAR", "vmState": "shutoff",
      "description": "fresh", "creationDate": "2026-01-01T10:00:00Z"
    },
    {
      "name": "upgraded", "parent": "installed", "current": true, "type": "REGULAR", "status": "LOCKED",
      "vmState": "running", "creationDate": "2026-02-28T12:00:00Z", "memory": "internal"
    },
    {
      "name": "tried", "parent": "installed", "type": "REGULAR", "vmState": "running",
      "description": "another way", "creationDate": "2026-02-01T12:00:00Z", "memory": "/srv/tried.mem"
    },
    { "type": "ACTIVE", "description": "Active VM" }
  ],
  "initializationType": "CloudInit",
  "nextRunChangedFields": ["memSizeMb", "images"],
  "nextRunConfigurationExists": true,
  "previewSnapshot": true,
  "lockInfo": { "exclusive": true, "messages": ["vmlife hibernate"] },
  "backgroundOperationProgress": 40,
  "backgroundOperationDescription": "save",
  "savedImages": [
    {
      "path": "/var/lib/vmlife/images/6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a11.vmsave", "verdict": "used",
      "flaw": "the VM has run since", "sizeBytes": 299892736, "savedAt": "2026-03-01T10:00:00Z", "wasRunning": true,
      "format": "raw", "persistent": true, "checksum": "blake3:00", "verified": true,
      "unchecked": "whether its disks have changed cannot be told"
    },
    { "managed": true, "verdict": "good" }
  ]
}"#;
