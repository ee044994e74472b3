//! How VMs differ from their definitions.

use super::table::{indented, table};
use super::text::{View, harmless};
use crate::report::Difference;

/// For each VM whether it is as defined, and what is not.
#[must_use]
pub(super) fn diff(vms: &[String], differences: &[Difference], view: &View) -> String {
    let width = view.width.map(|width| width.saturating_sub(2));
    vms.iter()
        .map(|vm| {
            let mut rows = differences
                .iter()
                .filter(|found| found.vm == *vm)
                .peekable();
            if rows.peek().is_none() {
                return format!("{} is as defined\n", harmless(vm));
            }
            let dash = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
            let rows =
                rows.map(|row| vec![row.field.clone(), dash(&row.defined), dash(&row.found)]);
            let rows = table(
                &["FIELD", "DEFINED", "FOUND"],
                true,
                rows.collect(),
                u16::MAX,
                width,
            );
            format!("{} differs:\n{}", harmless(vm), indented(&rows))
        })
        .collect()
}

/// The names of the VMs that differ.
pub(super) fn differing<'a>(
    vms: &'a [String],
    differences: &'a [Difference],
) -> impl Iterator<Item = &'a str> {
    vms.iter()
        .map(String::as_str)
        .filter(|vm| differences.iter().any(|found| found.vm == *vm))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    #[test]
    fn each_vm_is_as_defined_or_not() {
        let vms = ["web-1", "web-2", "e\u{1b}vil"].map(str::to_owned);
        let difference =
            |vm: usize, field: &str, defined: Option<&str>, found: Option<&str>| Difference {
                vm: vms[vm].clone(),
                field: field.to_owned(),
                defined: defined.map(str::to_owned),
                found: found.map(str::to_owned),
            };
        let differences = [
            difference(0, "vmStatic.memSizeMb", Some("2048"), Some("4096")),
            difference(0, "vmStatic.comment", None, Some("shop")),
            difference(2, "vmStatic.comment", Some("\u{1b}[2J"), None),
        ];
        let view = View {
            width: Some(80),
            now: Timestamp::UNIX_EPOCH,
            zone: TimeZone::UTC,
            colored: false,
        };
        assert_eq!(
            diff(&vms, &differences, &view),
            "web-1 differs:\n\
            \x20 FIELD               DEFINED  FOUND\n\
            \x20 vmStatic.memSizeMb  2048     4096\n\
            \x20 vmStatic.comment    -        shop\n\
            web-2 is as defined\n\
            e\\u{1b}vil differs:\n\
            \x20 FIELD             DEFINED    FOUND\n\
            \x20 vmStatic.comment  \\u{1b}[2J  -\n"
        );
        let names: Vec<&str> = differing(&vms, &differences).collect();
        assert_eq!(names, ["web-1", "e\u{1b}vil"]);
    }
}
