//! Fields alone, for scripts.

use super::text::harmless;
use super::{escaped, filter};
use crate::entity::Vm;
use crate::field::{Field, plain};
use serde_json::Value;

/// A line for each VM, with the values of these fields.
pub(super) struct Values {
    fields: Vec<Field>,
    /// Whether a person's terminal must not be steered.
    is_terminal: bool,
    /// Those of the first VM: if there is no other one, its value is printed as it is.
    first: Option<Vec<Value>>,
    several: bool,
}

impl Values {
    pub(super) fn new(fields: Vec<Field>, is_terminal: bool) -> Self {
        Self {
            several: fields.len() > 1,
            fields,
            is_terminal,
            first: None,
        }
    }

    /// What is to be printed now that there is this VM, too.
    pub(super) fn add(&mut self, vm: &Vm) -> String {
        let written = filter::fields(vm);
        let values = self.fields.iter().map(|field| field.of(&written));
        let values: Vec<Value> = values.collect();
        if self.several {
            return self.line(&values);
        }
        match self.first.take() {
            None => {
                self.first = Some(values);
                String::new()
            }
            Some(first) => {
                self.several = true;
                self.line(&first) + &self.line(&values)
            }
        }
    }

    /// What is left to be printed.
    pub(super) fn end(self) -> String {
        let value = self.first.as_ref().and_then(|values| values.first());
        value.map_or_else(String::new, |value| match value {
            Value::String(text) if self.is_terminal => {
                let lines: Vec<String> = text.split('\n').map(harmless).collect();
                lines.join("\n") + "\n"
            }
            value => format!("{}\n", written(value)),
        })
    }

    /// Values apart by tabs; text in which there is one, or a line's end, is a string in JSON.
    fn line(&self, values: &[Value]) -> String {
        let cell = |value: &Value| match value {
            Value::String(text) if text.contains(char::is_control) => escaped(&value.to_string()),
            Value::String(text) if self.is_terminal => harmless(text),
            value => written(value),
        };
        let cells: Vec<String> = values.iter().map(cell).collect();
        cells.join("\t") + "\n"
    }
}

fn written(value: &Value) -> String {
    match value {
        Value::Array(_) | Value::Object(_) => escaped(&value.to_string()),
        other => plain(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vm(name: &str) -> Vm {
        let mut vm = Vm::default();
        name.clone_into(&mut vm.vm_static.name);
        vm
    }

    fn printed(fields: &[&str], names: &[&str], is_terminal: bool) -> String {
        let fields = fields.iter().map(|path| Field::parse(path).expect(path));
        let mut values = Values::new(fields.collect(), is_terminal);
        let lines: String = names.iter().map(|name| values.add(&vm(name))).collect();
        lines + &values.end()
    }

    #[test]
    fn one_value_is_printed_as_it_is_and_of_several_each_is_in_one_line() {
        let (name, ip) = ("vmStatic.name", "vmDynamic.ip");
        assert_eq!(printed(&[name], &["a\nb"], false), "a\nb\n");
        assert_eq!(printed(&[name], &["a\nb", "c"], false), "\"a\\nb\"\nc\n");
        assert_eq!(printed(&[ip], &["a"], false), "\n");
        assert_eq!(
            printed(&[name, ip], &["a\tb", "c"], false),
            "\"a\\tb\"\t\nc\t\n"
        );
        assert_eq!(printed(&[name], &[], false), "");
        assert_eq!(printed(&["vmStatic.images"], &["a"], false), "[]\n");
    }

    #[test]
    fn no_value_steers_a_terminal() {
        let hostile = "a\u{1b}[31m\nb\u{202e}";
        for (fields, names) in [
            (&["vmStatic.name"][..], &[hostile][..]),
            (&["vmStatic.name"], &[hostile, hostile]),
            (&["vmStatic.name", "vmStatic"], &[hostile]),
            (&["vmStatic"], &[hostile]),
        ] {
            let shown = printed(fields, names, true);
            assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown:?}");
        }
        assert_eq!(
            printed(&["vmStatic.name"], &[hostile], false),
            format!("{hostile}\n")
        );
    }
}
