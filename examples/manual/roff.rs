//! A page of the manual in roff, by the macros of man(7), made of Markdown.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// No line is longer, as mandoc asks for.
const WIDTH: usize = 78;

/// A page that is being written.
pub(crate) struct Page {
    roff: String,
    /// Whether nothing stands yet below the last heading or tag, so that the next paragraph needs no macro.
    is_fresh: bool,
}

impl Page {
    /// Begins a page: its head, and what `apropos` finds.
    pub(crate) fn new(name: &str, section: u8, date: &str, about: &str) -> Self {
        let mut page = Self {
            roff: String::new(),
            is_fresh: true,
        };
        let title = name.to_uppercase();
        let version = env!("CARGO_PKG_VERSION");
        // The date would be none if its hyphens were escaped.
        page.roff += &format!(".TH {title} {section} {date} \"vmlife {version}\" vmlife\n");
        page.section("Name");
        page.filled(&format!("{} \\- {}", escape(name), escape(about)));
        page
    }

    /// A heading.
    pub(crate) fn section(&mut self, title: &str) {
        self.request("SH", &[&title.to_uppercase()]);
        self.is_fresh = true;
    }

    /// A heading below that.
    pub(crate) fn subsection(&mut self, title: &str) {
        self.request("SS", &[title]);
        self.is_fresh = true;
    }

    /// A term, in roff, and what there is to say about it, in Markdown.
    pub(crate) fn tagged(&mut self, tag: &str, markdown: &str) {
        self.request("TP", &[]);
        self.line(tag);
        if markdown.trim().is_empty() {
            // Else the next tag would be taken for this one's text.
            self.line("\\&");
        }
        self.is_fresh = true;
        self.written(markdown, true);
    }

    /// Markdown below a heading.
    pub(crate) fn markdown(&mut self, markdown: &str) {
        self.written(markdown, false);
    }

    /// A line that is not filled, in roff.
    pub(crate) fn line(&mut self, roff: &str) {
        // What begins with one of these is a request.
        if roff.starts_with(['.', '\'']) {
            self.roff += "\\&";
        }
        self.roff += roff;
        self.roff.push('\n');
        self.is_fresh = false;
    }

    /// The whole page.
    pub(crate) fn finish(self) -> String {
        self.roff
    }

    fn request(&mut self, name: &str, words: &[&str]) {
        self.roff += &format!(".{name}");
        for word in words {
            self.roff += &format!(" \"{}\"", escape(word));
        }
        self.roff.push('\n');
    }

    /// The next paragraph; one that belongs to a tag is indented as that one's text.
    fn paragraph(&mut self, is_tagged: bool) {
        if !self.is_fresh {
            self.request(if is_tagged { "IP" } else { "PP" }, &[]);
        }
    }

    fn filled(&mut self, roff: &str) {
        let mut line = String::new();
        for word in roff.split_whitespace() {
            if !line.is_empty() && line.len() + 1 + word.len() > WIDTH {
                self.line(&std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line += word;
        }
        if !line.is_empty() {
            self.line(&line);
        }
    }

    fn written(&mut self, markdown: &str, is_tagged: bool) {
        let (mut text, mut cells) = (String::new(), Vec::new());
        let (mut is_code, mut depth) = (false, 0_u32);
        for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
            match event {
                Event::Text(words) if is_code => {
                    for line in words.lines() {
                        self.line(&escape(line));
                    }
                }
                Event::Text(words) => text += &escape(&words),
                Event::Code(words) => text += &bold(&words),
                Event::SoftBreak => text.push(' '),
                Event::Start(Tag::Strong) => text += "\\fB",
                Event::Start(Tag::Emphasis) => text += "\\fI",
                Event::End(TagEnd::Strong | TagEnd::Emphasis) => text += "\\fR",
                Event::Start(Tag::Paragraph) => self.paragraph(is_tagged || depth > 0),
                Event::End(TagEnd::Paragraph | TagEnd::Item) => {
                    self.filled(&std::mem::take(&mut text));
                }
                Event::Start(Tag::List(_)) => {
                    depth += 1;
                    if is_tagged || depth > 1 {
                        self.request("RS", &[]);
                    }
                }
                Event::End(TagEnd::List(_)) => {
                    if is_tagged || depth > 1 {
                        self.request("RE", &[]);
                    }
                    depth -= 1;
                }
                Event::Start(Tag::Item) => {
                    self.roff += ".IP \\(bu 2\n";
                    self.is_fresh = true;
                }
                Event::Start(Tag::CodeBlock(_)) => {
                    self.paragraph(is_tagged);
                    self.roff += ".RS 4\n.nf\n";
                    is_code = true;
                }
                Event::End(TagEnd::CodeBlock) => {
                    self.roff += ".fi\n.RE\n";
                    is_code = false;
                }
                Event::Start(Tag::Heading { .. }) => text.clear(),
                Event::End(TagEnd::Heading(_)) => {
                    self.roff += &format!(".SS \"{}\"\n", std::mem::take(&mut text));
                    self.is_fresh = true;
                }
                Event::End(TagEnd::TableCell) => cells.push(std::mem::take(&mut text)),
                // What stands above the columns is for those who read the table itself.
                Event::End(TagEnd::TableHead) => cells.clear(),
                Event::End(TagEnd::TableRow) => self.row(&std::mem::take(&mut cells)),
                _ => {}
            }
        }
    }

    /// A row of a table as a term and its text: columns would be too narrow on a terminal.
    fn row(&mut self, cells: &[String]) {
        self.request("TP", &[]);
        self.line(cells.first().map_or("", String::as_str));
        for (place, cell) in cells
            .iter()
            .skip(1)
            .filter(|cell| !cell.is_empty())
            .enumerate()
        {
            if place > 0 {
                self.request("br", &[]);
            }
            self.filled(cell);
        }
    }
}

/// Plain text in roff, where some characters mean something else. A hyphen is one that can be copied into a shell.
pub(crate) fn escape(text: &str) -> String {
    let mut roff = String::new();
    for character in text.chars() {
        match character {
            '\\' => roff += "\\(rs",
            '-' => roff += "\\-",
            '\'' => roff += "\\(aq",
            '"' => roff += "\\(dq",
            '`' => roff += "\\(ga",
            '^' => roff += "\\(ha",
            '~' => roff += "\\(ti",
            other if other.is_ascii() => roff.push(other),
            other => roff += &format!("\\[u{:04X}]", u32::from(other)),
        }
    }
    roff
}

/// What is typed as it is.
pub(crate) fn bold(text: &str) -> String {
    format!("\\fB{}\\fR", escape(text))
}

/// What something else is typed for.
pub(crate) fn italic(text: &str) -> String {
    format!("\\fI{}\\fR", escape(text))
}
