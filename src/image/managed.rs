//! Where libvirt keeps the images that it manages itself, and what runs.

use super::place::is_session;
use std::path::PathBuf;

/// The folder of the managed saves of a local daemon: a VM's is `<name>.save` in it. libvirt does not tell,
/// but it has no setting either. `None` if it follows from a home that is not known.
#[must_use]
pub fn managed_folder(uri: &str, variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    if !is_session(uri) {
        return Some(PathBuf::from("/var/lib/libvirt/qemu/save"));
    }
    let set = |name| variable(name).filter(|path: &PathBuf| path.is_absolute());
    let settings = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")))?;
    Some(settings.join("libvirt/qemu/save"))
}

/// The folder where a local daemon notes what runs: a VM's is `<name>.pid` in it, which is written when its
/// QEMU starts, and then left alone until that ends. `None` if it follows from a variable that is not set.
#[must_use]
pub fn run_folder(uri: &str, variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    if !is_session(uri) {
        return Some(PathBuf::from("/run/libvirt/qemu"));
    }
    let runtime = variable("XDG_RUNTIME_DIR").filter(|path| path.is_absolute())?;
    Some(runtime.join("libvirt/qemu/run"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_daemon_has_its_folder() {
        let home = |name: &str| (name == "HOME").then(|| "/home/u".into());
        for (uri, folder) in [
            ("qemu:///system", Some("/var/lib/libvirt/qemu/save")),
            ("qemu:///session", Some("/home/u/.config/libvirt/qemu/save")),
        ] {
            assert_eq!(managed_folder(uri, home), folder.map(PathBuf::from));
        }
        assert_eq!(managed_folder("qemu:///session", |_| None), None);
        let runtime = |name: &str| (name == "XDG_RUNTIME_DIR").then(|| "/run/user/7".into());
        let session = run_folder("qemu:///session", runtime);
        assert_eq!(session, Some("/run/user/7/libvirt/qemu/run".into()));
        let system = run_folder("qemu:///system", runtime);
        assert_eq!(system, Some("/run/libvirt/qemu".into()));
    }
}
