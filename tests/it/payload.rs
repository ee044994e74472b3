//! What a new guest is told when it boots for the first time, read by the guest itself.

use super::support::guest::Linux;
use super::support::session::Session;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use vmlife::{definition, payload};

const PASSWORD: &str = "pa55-w0rd";

/// The definition of a guest that reads its CD, in a file of this mode.
fn definition(host: &Session, name: &str, rest: &str, mode: u32) -> PathBuf {
    Linux::bring(host);
    let folder = host.folder().display();
    let text = format!(
        "vmStatic:
  name: {name}
  id: 6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a11
  domainType: qemu
  memSizeMb: 160
  kernelUrl: {folder}/vmlinuz
  initrdUrl: {folder}/initrd.img
  kernelParams: console=ttyS0 quiet panic=-1 cryptomgr.notests noreplace-smp nokaslr vmlife.payload
  serialLogPath: {folder}/{name}.log
{rest}"
    );
    let path = host.write(&format!("{name}.yaml"), text);
    host.hand_over(&path, mode);
    path
}

fn sha256(bytes: &[u8]) -> String {
    let mut program = Command::new("sha256sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("sha256sum runs");
    let mut input = program.stdin.take().expect("a pipe");
    input.write_all(bytes).expect("it reads");
    drop(input);
    let output = program.wait_with_output().expect("it ends").stdout;
    String::from_utf8(output).expect("text")[..64].to_owned()
}

/// What the guest is to find: all of it, and nothing else.
fn expected(yaml: &str) -> Vec<String> {
    let definition = definition::load(yaml).expect("it loads").remove(0);
    let payload = payload::files(&definition.vm)
        .expect("it is right")
        .expect("there is something to tell");
    let files = payload.files.iter();
    let mut remarks = vec![format!("payload label {}", payload.label)];
    remarks.extend(files.map(|(path, bytes)| format!("payload file {path} {}", sha256(bytes))));
    remarks
}

#[test]
fn a_new_guest_finds_what_its_definition_tells_it_and_nobody_else_does() {
    let Some(host) = Session::start() else { return };
    let more = format!(
        "  vmInit:
    hostname: web.example.org
    rootPassword: {PASSWORD}
    networks: [{{ name: eth0, bootProtocol: DHCP }}]
    customScript: |
      write_files: [{{ path: /etc/motd, content: {PASSWORD} }}]
"
    );
    let yaml = definition(&host, "web", &more, 0o600);
    let yaml = yaml.to_str().expect("text");
    let started = host
        .vmlife(["restore", "--or-start", "-v", yaml])
        .ends_with(0);
    assert!(!started.stderr.contains("warning"), "{started:?}");
    let guest = Linux::defined(&host, "web");
    guest.ticks_beyond(0);

    let mut remarks = expected(yaml);
    remarks.push("payload hostname web.example.org".to_owned());
    assert_eq!(guest.remarks(), remarks);
    let image = host.image(&guest.id()).with_extension("payload.iso");
    let permissions = fs::metadata(&image).expect("the CD").permissions();
    assert_eq!(permissions.mode() & 0o777, 0o600);

    let mut told = vec![started.stdout, started.stderr];
    told.push(host.virsh(["dumpxml", "--security-info", "web"]));
    for form in ["yaml", "json", "xml", "table"] {
        told.push(host.vmlife(["show", "-o", form, "web"]).succeeds().stdout);
    }
    assert!(
        told.iter().all(|text| !text.contains(PASSWORD)),
        "{told:#?}"
    );
    assert!(
        told[3].contains("initializationType: CloudInit"),
        "{}",
        told[3]
    );
    assert!(
        !told[3].contains("isoPath"),
        "the payload is no ISO: {}",
        told[3]
    );

    // Its CD comes along.
    let before = guest.last_tick();
    host.vmlife(["hibernate", "web"]).succeeds();
    host.vmlife(["restore", "web"]).succeeds();
    guest.goes_on_after(&before);
    assert!(image.exists());
}

#[test]
fn files_of_ones_own_are_on_the_cd_and_an_open_definition_draws_a_warning() {
    let Some(host) = Session::start() else { return };
    let long = "a-name-that-is-longer-than-eight-and-three.Conf";
    let more = format!(
        "vmPayload:
  volumeId: My Files
  files: {{ deep/er/{long}: aGVsbG8K, empty: '' }}
"
    );
    let yaml = definition(&host, "own", &more, 0o644);
    let yaml = yaml.to_str().expect("text");
    let started = host.vmlife(["restore", "--or-start", yaml]).ends_with(0);
    let warning = format!("holds secrets, and others than its owner may use it: chmod 600 {yaml}");
    assert!(started.stderr.contains(&warning), "{started:?}");
    let guest = Linux::defined(&host, "own");
    guest.ticks_beyond(0);
    assert_eq!(guest.remarks(), expected(yaml));
    assert!(!host.virsh(["dumpxml", "own"]).contains("aGVsbG8K"));
    assert!(guest.remarks()[1].starts_with(&format!("payload file deep/er/{long} ")));
}

#[test]
fn what_comes_to_nothing_leaves_no_cd() {
    let Some(host) = Session::start() else { return };
    let init = format!("  vmInit: {{ rootPassword: {PASSWORD} }}\n");
    let restore = |yaml: &PathBuf| {
        let words = ["restore".as_ref(), "--or-start".as_ref(), yaml.as_os_str()];
        let ran = host.vmlife(words);
        assert!(!ran.stderr.contains(PASSWORD) && !ran.stdout.contains(PASSWORD));
        ran
    };
    let isos = || {
        host.images()
            .into_iter()
            .filter(|name| name.contains("payload") || name.starts_with('.'))
    };
    // libvirt refuses the one, QEMU the other.
    let unknown = format!("{init}  customEmulatedMachine: abacus\n");
    restore(&definition(&host, "unknown", &unknown, 0o600)).ends_with(1);
    assert_eq!(isos().count(), 0);
    let missing = format!("{init}  images: [ {{ imagePath: /nowhere/disk.raw }} ]\n");
    restore(&definition(&host, "missing", &missing, 0o600)).ends_with(1);
    assert_eq!(isos().count(), 0);
    assert_eq!(host.virsh(["list", "--all", "--name"]), "");
    // These are not even tried.
    for (more, words) in [
        (
            "  vmInit: {rootPassword: (hidden; --security-info shows it)}\n",
            "rootPassword",
        ),
        (
            "  vmInit: {}\nvmPayload: {files: {a: ''}}\n",
            "exclude each other",
        ),
        (
            "vmPayload: {files: {../../x: ''}}\n",
            "no path inside the CD",
        ),
        (
            "vmPayload: {imagePath: /x/6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a12.payload.iso}\n",
            "the CD of another VM",
        ),
        (
            "  vmInit: {}\ninitializationType: Sysprep\n",
            "not supported",
        ),
    ] {
        let ran = restore(&definition(&host, "wrong", more, 0o600)).ends_with(2);
        assert!(ran.stderr.contains(words), "{ran:?}");
    }
    assert_eq!(isos().count(), 0);
}

#[test]
fn a_secret_in_the_metadata_of_domain_xml_is_refused() {
    let Some(host) = Session::start() else { return };
    let text = format!(
        "<domain type='qemu'><name>told</name><memory unit='MiB'>64</memory>
<metadata><v:vm xmlns:v='urn:vmlife:vm:1'><v:vmInit><v:rootPassword>{PASSWORD}</v:rootPassword></v:vmInit></v:vm></metadata>
<os><type>hvm</type></os></domain>"
    );
    let path = host.write("told.xml", text);
    host.hand_over(&path, 0o600);
    let words = ["restore".as_ref(), "--or-start".as_ref(), path.as_os_str()];
    let ran = host.vmlife(words).ends_with(2);
    assert!(ran.stderr.contains("rootPassword"), "{ran:?}");
    assert!(!format!("{ran:?}").contains(PASSWORD), "{ran:?}");
    assert_eq!(host.virsh(["list", "--all", "--name"]), "");
}

#[test]
fn what_cloud_init_has_no_use_for_draws_a_warning() {
    let Some(host) = Session::start() else { return };
    let yaml = definition(
        &host,
        "windows",
        "  vmInit: {hostname: h, orgName: o}\n",
        0o600,
    );
    let words = ["restore".as_ref(), "--or-start".as_ref(), yaml.as_os_str()];
    let started = host.vmlife(words).ends_with(0);
    let warning = "the guest is not told of vmInit.orgName: cloud-init has no use for it";
    assert!(started.stderr.contains(warning), "{started:?}");
    assert!(!started.stderr.contains("hostname"), "{started:?}");
}
