//! Tables and lists of facts. Whatever goes into them is made harmless here.

use super::text::harmless;
use anstyle::Style;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};
use std::fmt::Display;

/// Blanks between two columns.
pub(super) const GAP: usize = 2;
/// The columns that the name of a fact takes.
const LABEL: u16 = 13;

/// Rows beneath their header, which is left out if it is not wanted. Cells are wrapped where the width
/// asks for it, but words of up to `whole` columns stay in one piece, so that they can be read and
/// copied: where that cannot be, each row becomes a block of lines, a line for each cell that is more
/// than a dash.
#[must_use]
pub(super) fn table(
    header: &[&str],
    titled: bool,
    rows: Vec<Vec<String>>,
    whole: u16,
    width: Option<u16>,
) -> String {
    painted_table(header, titled, rows, whole, width, None)
}

/// The same; in blocks one cell of each row has a colour: that beneath this header, in the rows' order.
#[must_use]
pub(super) fn painted_table(
    header: &[&str],
    titled: bool,
    rows: Vec<Vec<String>>,
    whole: u16,
    width: Option<u16>,
    painted: Option<(&str, &[Style])>,
) -> String {
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|row| row.iter().map(|cell| harmless(cell)).collect())
        .collect();
    let mut table = plain();
    if titled {
        table.set_header(header);
    }
    table.add_rows(&rows);
    if let Some(width) = width {
        let words = longest_words(header, &rows);
        let needed: Vec<u16> = words.into_iter().map(|word| word.min(whole)).collect();
        let gaps = needed.len().saturating_sub(1) * GAP;
        if needed.iter().map(|need| usize::from(*need)).sum::<usize>() + gaps > width.into() {
            let block = |(place, row): (usize, Vec<String>)| {
                let facts = header.iter().copied().zip(row);
                let block = labelled(facts.filter(|(_, cell)| cell != "-"), Some(width));
                let style = painted.and_then(|(name, styles)| Some((name, *styles.get(place)?)));
                style.map_or_else(
                    || block.clone(),
                    |(name, style)| paint_fact(&block, name, style),
                )
            };
            let blocks: Vec<String> = rows.into_iter().enumerate().map(block).collect();
            return blocks.join("\n");
        }
        for (column, need) in table.column_iter_mut().zip(needed) {
            column.set_constraint(ColumnConstraint::LowerBoundary(padded(need)));
        }
    }
    lines(table, width)
}

/// A block in which the fact of this name has a colour.
fn paint_fact(block: &str, name: &str, style: Style) -> String {
    let lines = block.lines().map(|line| {
        let is_it = line.split(' ').next() == Some(name);
        match line.split_at_checked(usize::from(LABEL) + GAP) {
            Some((label, fact)) if is_it => format!("{label}{style}{fact}{style:#}\n"),
            _ => format!("{line}\n"),
        }
    });
    lines.collect()
}

/// The width of the longest word of each column.
fn longest_words(header: &[&str], rows: &[Vec<String>]) -> Vec<u16> {
    let mut words = plain();
    words.set_header(header);
    words.add_rows(
        rows.iter()
            .map(|row| row.iter().map(|cell| cell.replace(' ', "\n"))),
    );
    words.column_max_content_widths()
}

/// A width with the blanks on both sides, as a column has it.
fn padded(width: u16) -> Width {
    Width::Fixed(width.saturating_add(2))
}

/// Text of any length, within the width.
#[must_use]
pub(super) fn paragraph(text: &str, width: Option<u16>) -> String {
    let mut table = plain();
    table.add_row([harmless(text)]);
    lines(table, width)
}

/// What is known, each by its name; what is not known is left out.
#[derive(Default)]
pub(super) struct Facts(Vec<(&'static str, String)>);

impl Facts {
    /// Adds one, if there is something to tell.
    pub(super) fn add(&mut self, name: &'static str, value: Option<impl Display>) {
        let value = value.map(|value| harmless(&value.to_string()));
        self.0.extend(
            value
                .filter(|value| !value.is_empty())
                .map(|value| (name, value)),
        );
    }

    /// Adds one that may have lines of its own.
    pub(super) fn text(&mut self, name: &'static str, text: &str) {
        let lines: Vec<String> = text
            .trim_end()
            .lines()
            .map(|line| harmless(&line.replace('\t', "    ")))
            .collect();
        if !lines.is_empty() {
            self.0.push((name, lines.join("\n")));
        }
    }

    /// All of them, a line for each.
    #[must_use]
    pub(super) fn lines(self, width: Option<u16>) -> String {
        labelled(self.0, width)
    }
}

fn labelled<'a>(facts: impl IntoIterator<Item = (&'a str, String)>, width: Option<u16>) -> String {
    let mut table = plain();
    for (name, value) in facts {
        table.add_row([name.to_owned(), value]);
    }
    if let Some(names) = table.column_mut(0) {
        names.set_constraint(ColumnConstraint::Absolute(padded(LABEL)));
    }
    lines(table, width)
}

fn plain() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table
}

/// The table without the blanks that fill its last column and indent its first.
fn lines(mut table: Table, width: Option<u16>) -> String {
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(width.saturating_add(2));
    }
    table
        .lines()
        .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(&line).trim_end()))
        .collect()
}

/// The same lines, two blanks further right.
#[must_use]
pub(super) fn indented(text: &str) -> String {
    text.lines()
        .map(|line| match line {
            "" => "\n".to_owned(),
            line => format!("  {line}\n"),
        })
        .collect()
}
