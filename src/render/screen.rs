//! A list on a terminal that stays up to date: it is drawn anew where it stands.

use super::list::List;
use super::text::{View, cut};
use crate::cli::{Form, Showing};
use crate::entity::Vm;
use crate::words::count;
use std::collections::BTreeMap;
use uuid::Uuid;

/// The list, and what of it stands on the terminal.
pub(super) struct Screen {
    form: Form,
    showing: Showing,
    vms: BTreeMap<(String, Option<Uuid>), Vm>,
    drawn: Option<Drawn>,
}

/// What was drawn last.
struct Drawn {
    lines: usize,
    width: u16,
    height: u16,
}

impl Screen {
    pub(super) fn new(form: Form, showing: Showing) -> Self {
        Self {
            form,
            showing,
            vms: BTreeMap::new(),
            drawn: None,
        }
    }

    /// Puts a VM into the list, in its former place if it has one.
    pub(super) fn put(&mut self, vm: Vm) {
        self.remove(vm.id());
        self.vms.insert((vm.name().to_owned(), vm.id()), vm);
    }

    /// Takes a VM out of the list.
    pub(super) fn remove(&mut self, id: Option<Uuid>) {
        self.vms.retain(|(_, known), _| *known != id);
    }

    /// Leaves what was drawn as it is: something else is written below it.
    pub(super) fn leave(&mut self) {
        self.drawn = None;
    }

    /// What draws the list in the place of what was drawn last, on a terminal of this many columns and lines. It
    /// ends at the beginning of a line, so that whatever ends the program leaves the terminal as it should be.
    pub(super) fn draw(&mut self, view: View, height: u16) -> String {
        let width = view.width.unwrap_or(u16::MAX);
        // The last line is the cursor's.
        let room = usize::from(height).saturating_sub(1).max(1);
        let mut list = List::new(self.form, &self.showing, view);
        self.vms.values().take(room).for_each(|vm| list.add(vm));
        let mut text = Vec::new();
        // Writing to a Vec cannot fail.
        let _ = list.write(None, &mut text);
        let text = String::from_utf8_lossy(&text);
        let mut lines: Vec<&str> = text.lines().collect();
        let rest = format!("... of {}", count(self.vms.len(), "VM"));
        if lines.len() > room {
            lines.truncate(room - 1);
            lines.push(&rest);
        }
        let mut out = match &self.drawn {
            // Another size has broken or moved the lines: nobody knows where they are.
            Some(drawn) if (drawn.width, drawn.height) != (width, height) => {
                "\u{1b}[H\u{1b}[J".to_owned()
            }
            Some(drawn) if drawn.lines > 0 => {
                format!("\u{1b}[{}A\u{1b}[J", drawn.lines.min(room))
            }
            _ => String::new(),
        };
        for line in &lines {
            out += &cut(line, width.into());
            out.push('\n');
        }
        self.drawn = Some(Drawn {
            lines: lines.len(),
            width,
            height,
        });
        out
    }

    /// Whether the terminal has another size than when the list was drawn.
    pub(super) fn is_of_other_size(&self, view: &View, height: u16) -> bool {
        let width = view.width.unwrap_or(u16::MAX);
        let drawn = self.drawn.as_ref();
        drawn.is_some_and(|drawn| (drawn.width, drawn.height) != (width, height))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::list::columns;
    use crate::render::text::at_width;

    fn vm(name: &str) -> Vm {
        let text = format!(
            r#"{{"vmStatic": {{"name": "{name}", "id": "{}"}}}}"#,
            id(name)
        );
        serde_json::from_str(&text).unwrap()
    }

    fn id(name: &str) -> Uuid {
        Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes())
    }

    #[test]
    fn the_list_is_drawn_where_it_stood_and_never_runs_out_of_the_terminal() {
        let showing = Showing {
            columns: vec![&columns()[0]],
            ..Showing::default()
        };
        let mut screen = Screen::new(Form::Table, showing);
        for name in ["c", "a", "b"] {
            screen.put(vm(name));
        }
        let mut draw = |change: &mut dyn FnMut(&mut Screen), width, height| {
            change(&mut screen);
            screen.draw(at_width(Some(width)), height)
        };
        assert_eq!(draw(&mut |_| {}, 40, 24), "NAME\na\nb\nc\n");
        assert_eq!(
            draw(&mut |screen| screen.remove(Some(id("b"))), 40, 24),
            "\u{1b}[4A\u{1b}[JNAME\na\nc\n"
        );
        // Three lines and the cursor's.
        assert_eq!(
            draw(&mut |screen| screen.put(vm("b")), 40, 4),
            "\u{1b}[H\u{1b}[JNAME\na\n... of 3 VMs\n"
        );
        assert_eq!(
            draw(&mut |_| {}, 40, 4),
            "\u{1b}[3A\u{1b}[JNAME\na\n... of 3 VMs\n"
        );
        assert_eq!(
            draw(&mut |_| {}, 7, 4),
            "\u{1b}[H\u{1b}[JNAME\na\n... of \n"
        );
        assert_eq!(draw(&mut |_| {}, 7, 1), "\u{1b}[H\u{1b}[J... of \n");
        assert_eq!(draw(&mut |_| {}, 7, 1), "\u{1b}[1A\u{1b}[J... of \n");
    }
}
