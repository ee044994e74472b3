//! All about one VM.

mod configuration;
mod tables;

use crate::entity::{
    Kibibytes, Percent, Secret, Vm, VmDynamic, VmPauseStatus, VmStatistics, VmStatus,
};
use crate::render::list::{agent, job, operating_system};
use crate::render::table::{Facts, indented, paragraph};
use crate::render::text::{View, harmless, seconds, state, state_style};
use crate::report::VmRef;
use crate::words::size;
use configuration::{configuration, first_boot};
use jiff::Timestamp;
use tables::{
    consoles, disk_rates, disks, file_systems, images, network_cards, network_rates, snapshot_tree,
};

/// A headline, what there is to heed, and sections; those with nothing in them are left out.
#[must_use]
pub(super) fn page(vm: &Vm, view: &View) -> String {
    let inner = View {
        width: view.width.map(|width| width.saturating_sub(2)),
        zone: view.zone.clone(),
        ..*view
    };
    let stat = &vm.vm_static;
    let dynamic = vm.vm_dynamic.as_ref();
    let statistics = vm.vm_statistics.as_ref();
    let run = dynamic.map_or_else(String::new, |dynamic| run(dynamic, &inner));
    let end = dynamic.map_or_else(String::new, |dynamic| end(dynamic, &inner));
    let (this, last) = if vm.status().is_active() {
        (run, end)
    } else {
        (String::new(), run + &end)
    };
    let sections = [
        ("", configuration(vm, &inner)),
        (
            "first boot",
            stat.vm_init
                .as_ref()
                .map_or_else(String::new, |init| first_boot(vm, init, &inner)),
        ),
        ("this run", this),
        ("last run", last),
        (
            "usage",
            statistics.map_or_else(String::new, |usage| self::usage(vm, usage, &inner)),
        ),
        (
            "guest",
            dynamic.map_or_else(String::new, |dynamic| guest(dynamic, &inner)),
        ),
        (
            "file systems",
            statistics.map_or_else(String::new, |usage| {
                file_systems(&usage.disks_usage, &inner)
            }),
        ),
        (
            "consoles",
            dynamic.map_or_else(String::new, |dynamic| consoles(dynamic, &inner)),
        ),
        ("disks", disks(&stat.images, &inner)),
        ("disk rates", disk_rates(&stat.images, &inner)),
        ("network cards", network_cards(&stat.interfaces, &inner)),
        ("network rates", network_rates(&stat.interfaces, &inner)),
        ("snapshots", snapshot_tree(vm, &inner)),
        ("images", images(&vm.saved_images, &inner)),
    ];
    let mut page = headline(vm, view);
    page += &indented(&notices(vm, &inner));
    for (title, body) in sections {
        if !body.is_empty() {
            page += &format!(
                "\n{title}{}{}",
                if title.is_empty() { "" } else { "\n" },
                indented(&body)
            );
        }
    }
    page
}

/// The name and the state, which may have a colour.
fn headline(vm: &Vm, view: &View) -> String {
    let since = vm
        .vm_dynamic
        .as_ref()
        .and_then(|dynamic| since(vm.status(), dynamic));
    let since = since.map(|at| format!(" · since {}", view.since(at)));
    let name = format!("{}: ", VmRef::from(vm));
    let state = state(vm);
    let line = format!("{name}{state}{}", since.unwrap_or_default());
    let text = paragraph(&line, view.width);
    let style = state_style(vm);
    let (name, state) = (harmless(&name), harmless(&state));
    match text
        .strip_prefix(&name)
        .and_then(|rest| rest.strip_prefix(&state))
    {
        Some(rest) if view.colored => format!("{name}{style}{state}{style:#}{rest}"),
        _ => text,
    }
}

/// Since when the VM is as it is, where that is known: nothing tells when it was paused.
fn since(status: VmStatus, dynamic: &VmDynamic) -> Option<Timestamp> {
    match status {
        VmStatus::Up if dynamic.status_reason != "unpaused" => dynamic.last_start_time,
        VmStatus::Down | VmStatus::Suspended => dynamic.last_stop_time,
        _ => None,
    }
}

/// What an administrator should see before all else.
fn notices(vm: &Vm, view: &View) -> String {
    let mut facts = Facts::default();
    facts.add("under way", job(vm));
    if let Some(lock) = &vm.lock_info {
        let whom = if lock.exclusive { "locked" } else { "in use" };
        let why: Vec<&str> = lock.messages.iter().map(String::as_str).collect();
        facts.add(
            whom,
            Some(if why.is_empty() {
                "by another".to_owned()
            } else {
                why.join(", ")
            }),
        );
    }
    if vm.next_run_configuration_exists || !vm.next_run_changed_fields.is_empty() {
        let fields: Vec<&str> = vm
            .next_run_changed_fields
            .iter()
            .map(String::as_str)
            .collect();
        let colon = if fields.is_empty() { "" } else { ": " };
        facts.add(
            "next run",
            Some(format!(
                "changes at the next boot{colon}{}",
                fields.join(", ")
            )),
        );
    }
    let before = vm.vm_dynamic.as_ref();
    let before = before.and_then(|dynamic| dynamic.memory_before_trim);
    facts.add(
        "trimmed",
        before.map(|before| {
            let before = size(before.bytes());
            format!("from {before} to be hibernated; vmlife gives that back when it restores or resumes it")
        }),
    );
    let waits = vm
        .vm_dynamic
        .as_ref()
        .is_some_and(VmDynamic::waits_for_group);
    facts.add(
        "group",
        waits.then_some(
            "it was paused only until its group is hibernated; resume or restore lets it run",
        ),
    );
    if vm.preview_snapshot {
        facts.add("preview", Some("it runs on a snapshot, for a look"));
    }
    facts.lines(view.width)
}

pub(super) fn secret(secret: &Secret) -> String {
    secret.revealed().unwrap_or("set (hidden)").to_owned()
}

fn run(dynamic: &VmDynamic, view: &View) -> String {
    let mut facts = Facts::default();
    facts.add("started", dynamic.last_start_time.map(|at| view.time(at)));
    // Hibernation does not end a run: only where the two differ, there is more to tell.
    let booted = dynamic
        .boot_time
        .filter(|_| dynamic.boot_time != dynamic.last_start_time);
    facts.add("booted", booted.map(|at| view.time(at)));
    let hibernated = Some(dynamic.downtime.0).filter(|time| *time > 0);
    #[expect(clippy::cast_precision_loss)] // It is rounded anyway.
    facts.add(
        "hibernated",
        hibernated.map(|time| format!("for {}", seconds(time as f64 / 1000.0))),
    );
    facts.add("paused by", paused_by(dynamic.pause_status));
    facts.add("host", dynamic.run_on_vds);
    facts.add("moving to", dynamic.migrating_to_vds);
    facts.add(
        "run once",
        dynamic.run_once.then_some("it is not quite as configured"),
    );
    facts.add(
        "volatile",
        dynamic
            .volatile_run
            .then_some("a reboot of the guest ends it"),
    );
    let watchdog = dynamic
        .last_watchdog_event
        .and_then(|at| Timestamp::from_second(at).ok());
    let watchdog = watchdog.map(|at| format!("fired {}", view.time(at)));
    facts.add(
        "watchdog",
        Some(joined(
            [watchdog, dynamic.last_watchdog_action.clone()],
            ", ",
        )),
    );
    facts.lines(view.width)
}

/// How the last run ended.
fn end(dynamic: &VmDynamic, view: &View) -> String {
    let mut facts = Facts::default();
    facts.add("stopped", dynamic.last_stop_time.map(|at| view.time(at)));
    let exit = [
        dynamic
            .exit_status
            .as_ref()
            .map(|status| status.word().to_owned()),
        dynamic
            .exit_reason
            .as_ref()
            .map(|reason| reason.word().to_owned()),
        dynamic.exit_message.clone(),
    ];
    facts.add("ended", Some(joined(exit, ", ")));
    facts.add("because", dynamic.stop_reason.as_ref());
    facts.lines(view.width)
}

fn paused_by(status: VmPauseStatus) -> Option<String> {
    let words = match status {
        VmPauseStatus::None => return None,
        VmPauseStatus::Noerr => "somebody's wish",
        VmPauseStatus::Postcopy => "a post-copy migration",
        VmPauseStatus::Eother => "an error",
        VmPauseStatus::Eio => "a disk that could not be read or written",
        VmPauseStatus::Enospc => "a disk without room",
        VmPauseStatus::Eperm => "a disk that could not be accessed",
    };
    Some(format!("{words} ({status})"))
}

fn usage(vm: &Vm, usage: &VmStatistics, view: &View) -> String {
    let percent = |share: u32| format!("{share} %");
    let of_host =
        |name: &str, share: Option<Percent>| share.map(|share| format!("{name} {:.1} %", share.0));
    let kib = |kib: Kibibytes| size(kib.0.saturating_mul(1024));
    let mut facts = Facts::default();
    let parts = [
        of_host("guest", usage.cpu_user),
        of_host("QEMU", usage.cpu_sys),
    ];
    let parts = Some(joined(parts, ", ")).filter(|parts| !parts.is_empty());
    let parts = parts.map(|parts| format!("({parts} of a host CPU)"));
    facts.add(
        "CPU",
        Some(joined([usage.usage_cpu_percent.map(percent), parts], " ")),
    );
    facts.add("CPU time", usage.cpu_time.map(|time| seconds(time.0)));
    let balloon = usage.balloon_current;
    let all = balloon
        .map(|all| all.0)
        .or_else(|| Some(vm.vm_static.mem_size_mb?.kib()));
    let used = all
        .zip(usage.guest_memory_free)
        .map(|(all, free)| Kibibytes(all.saturating_sub(free.0)));
    // Of what the balloon leaves, as the rest of the line.
    let of_all = used.zip(all).and_then(|(used, all)| {
        let percent = u128::from(used.0) * 100 / u128::from(all).max(1);
        u32::try_from(percent).ok()
    });
    let share = of_all.or(usage.usage_mem_percent).map(percent);
    let used = match (used, share) {
        (Some(used), Some(share)) => Some(format!("{} used ({share})", kib(used))),
        (Some(used), None) => Some(format!("{} used", kib(used))),
        (None, share) => share.map(|share| format!("{share} used")),
    };
    let free = usage
        .guest_memory_free
        .map(|free| format!("{} free", kib(free)));
    let files = usage
        .guest_memory_cached
        .map(|files| format!("{} in caches", kib(files)));
    facts.add("memory", Some(joined([used, free, files], ", ")));
    let left = balloon.map(|left| format!("leaves {} to the guest", kib(left)));
    facts.add("balloon", left);
    facts.add(
        "on the host",
        usage
            .balloon_rss
            .map(|rss| format!("{} of memory", kib(rss))),
    );
    facts.add("network", usage.usage_network_percent.map(percent));
    facts.add("migration", usage.migration_progress_percent.map(percent));
    facts.lines(view.width)
}

pub(super) fn guest(dynamic: &VmDynamic, view: &View) -> String {
    let mut facts = Facts::default();
    facts.add("agent", dynamic.qemu_guest_agent_status.as_ref().map(agent));
    facts.add(
        "oVirt agent",
        dynamic.ovirt_guest_agent_status.as_ref().map(agent),
    );
    facts.add(
        "host name",
        dynamic.fqdn.as_ref().or(dynamic.vm_host.as_ref()),
    );
    let arch = dynamic
        .guest_os_arch
        .as_ref()
        .map(|arch| arch.word().to_owned());
    facts.add("OS", Some(joined([operating_system(dynamic), arch], ", ")));
    facts.add("kernel", dynamic.guest_os_kernel_version.as_ref());
    let offset = dynamic.guest_os_timezone_offset.map(|minutes| {
        let (sign, all) = (if minutes < 0 { '-' } else { '+' }, minutes.unsigned_abs());
        format!("UTC{sign}{:02}:{:02}", all / 60, all % 60)
    });
    facts.add(
        "time zone",
        Some(joined(
            [dynamic.guest_os_timezone_name.clone(), offset],
            ", ",
        )),
    );
    facts.add("users", dynamic.guest_cur_user_name.as_ref());
    facts.add("addresses", dynamic.ip.as_ref());
    facts.lines(view.width)
}

pub(super) fn joined(words: impl IntoIterator<Item = Option<String>>, between: &str) -> String {
    let words = words.into_iter().flatten().filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(between)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Form, Showing};
    use crate::entity::sample;
    use crate::render::list::{columns, list};
    use crate::render::text::{at_width, treacherous};
    use serde_json::Value;

    #[test]
    fn a_page_tells_all() {
        assert_eq!(page(&sample(), &at_width(None)), WIDE);
    }

    #[test]
    fn a_page_fits_a_usual_terminal() {
        assert_eq!(page(&sample(), &at_width(Some(80))), USUAL);
    }

    #[test]
    fn what_there_is_nothing_of_takes_no_room() {
        let vm: Vm = serde_json::from_str(r#"{"vmStatic": {"name": "bare"}}"#).unwrap();
        assert_eq!(
            page(&vm, &at_width(Some(80))),
            "bare: as defined\n\n  vCPUs          1\n  boot order     disk\n"
        );
    }

    #[test]
    fn of_a_vm_that_is_off_the_last_run_is_told() {
        let mut vm = sample();
        let dynamic = vm.vm_dynamic.as_mut().unwrap();
        dynamic.status = VmStatus::Suspended;
        let page = page(&vm, &at_width(None));
        assert!(
            page.starts_with("web-1: Suspended · since 2026-03-01 11:00 (3 hours)\n"),
            "{page}"
        );
        assert!(
            !page.contains("\nthis run\n") && page.contains("\nlast run\n  started "),
            "{page}"
        );
    }

    #[test]
    fn a_secret_is_told_only_when_it_was_revealed() {
        let mut vm = sample();
        assert!(!page(&vm, &at_width(None)).contains("pa55word"));
        vm.reveal_secrets();
        let page = page(&vm, &at_width(None));
        assert!(page.contains("  password       pa55word\n"), "{page}");
        assert!(
            page.contains("script         runcmd:\n                 - reboot\n"),
            "{page}"
        );
    }

    fn all_columns() -> Showing {
        Showing {
            columns: columns().iter().collect(),
            ..Showing::default()
        }
    }

    #[test]
    fn the_state_has_a_colour_beside_which_a_hostile_name_stays_spelt_out() {
        let mut vm = sample();
        "web\u{1b}[31m: Up".clone_into(&mut vm.vm_static.name);
        let view = View {
            colored: true,
            ..at_width(Some(80))
        };
        let line = headline(&vm, &view);
        assert!(
            line.starts_with("web\\u{1b}[31m: Up: \u{1b}[32mUp (restored)\u{1b}[0m"),
            "{line:?}"
        );
    }

    #[test]
    fn nothing_overflows_a_narrow_terminal() {
        let (usual, all) = (Showing::default(), all_columns());
        for vm in [
            sample(),
            poisoned("漢字 漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字"),
        ] {
            let vms = [vm.clone(), vm];
            for width in [20, 40, 60, 80, 120] {
                let view = at_width(Some(width));
                let mut shown = page(&vms[0], &view);
                for (form, showing) in [
                    (Form::Wide, &usual),
                    (Form::Table, &usual),
                    (Form::Table, &all),
                ] {
                    shown += &list(&vms, form, showing, &view);
                }
                for line in shown.lines() {
                    let taken = taken_by(line);
                    assert!(
                        taken <= usize::from(width),
                        "{width}: {line:?} takes {taken}"
                    );
                }
            }
        }
    }

    #[test]
    fn no_text_from_outside_steers_the_terminal() {
        let showing = all_columns();
        for revealed in [false, true] {
            let mut vm = poisoned("x\u{1b}[2J\r\nERROR\u{202e}\u{9b}31m\u{200b}");
            if revealed {
                vm.reveal_secrets();
            }
            for width in [None, Some(80), Some(40)] {
                let view = at_width(width);
                let shown = page(&vm, &view) + &list(&[vm.clone()], Form::Table, &showing, &view);
                let bad = shown.chars().find(|it| *it != '\n' && treacherous(*it));
                assert_eq!(bad, None, "{shown}");
                assert!(shown.contains("\\u{1b}"), "{shown}");
                let forged = shown.lines().find(|line| line.starts_with("ERROR"));
                assert_eq!(forged, None, "{shown}");
            }
        }
    }

    /// The columns that a line takes, as they are counted for tables.
    fn taken_by(line: &str) -> usize {
        let mut table = comfy_table::Table::new();
        table.add_row([line]);
        table.column_max_content_widths()[0].into()
    }

    /// The sample with this text wherever any text may stand: values and keys.
    fn poisoned(text: &str) -> Vm {
        fn is_vm(value: &Value) -> bool {
            serde_json::from_value::<Vm>(value.clone()).is_ok()
        }
        let mut whole = serde_json::to_value(sample()).unwrap();
        let mut paths = Vec::new();
        walk(&whole, "", &mut paths);
        let mut hits = 0;
        // What is below comes first, so that a new key spoils no path.
        for path in paths.iter().rev() {
            for poison in [text.to_owned(), format!("Unknown({text})")] {
                let mut tried = whole.clone();
                let value = tried.pointer_mut(path).unwrap();
                if value.is_string() {
                    *value = poison.into();
                    if is_vm(&tried) {
                        (whole, hits) = (tried, hits + 1);
                        break;
                    }
                }
            }
            let (parent, key) = path.rsplit_once('/').unwrap();
            let mut tried = whole.clone();
            if let Some(Value::Object(fields)) = tried.pointer_mut(parent) {
                let value = fields.remove(key).unwrap();
                fields.insert(format!("{key}{text}"), value);
                if is_vm(&tried) {
                    (whole, hits) = (tried, hits + 1);
                }
            }
        }
        assert!(hits > 80, "only {hits} texts");
        serde_json::from_value(whole).unwrap()
    }

    fn walk(value: &Value, path: &str, paths: &mut Vec<String>) {
        let mut step = |name: &dyn std::fmt::Display, value| {
            let path = format!("{path}/{name}");
            paths.push(path.clone());
            walk(value, &path, paths);
        };
        match value {
            Value::Array(items) => items
                .iter()
                .enumerate()
                .for_each(|(at, item)| step(&at, item)),
            Value::Object(fields) => fields.iter().for_each(|(name, field)| step(name, field)),
            _ => {}
        }
    }

    const WIDE: &str = include_str!("../../../tests/pages/sample.txt");
    const USUAL: &str = include_str!("../../../tests/pages/sample-in-80-columns.txt");
}
