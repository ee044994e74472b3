//! Domain XML as a tree that forgets nothing: the only place that knows the parser.
//!
//! Each piece of the text is kept as it stands: comments, CDATA, foreign namespaces, quotes, blanks. What
//! is not changed is written back byte for byte; a change touches the bytes of one attribute, text or
//! element.

use super::DefinitionError;
use roxmltree::{Node as Parsed, NodeType, ParsingOptions};
use std::fmt::{self, Display, Write};

/// What is wrong with a piece of XML, and where in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct XmlError {
    line: u32,
    column: u32,
    problem: String,
}

impl XmlError {
    pub(super) fn of_file(self, file: &str) -> DefinitionError {
        DefinitionError {
            file: file.to_owned(),
            line: Some(self.line),
            column: Some(self.column),
            problem: self.problem,
        }
    }

    /// What is wrong, without the place.
    pub(super) fn into_words(self) -> String {
        self.problem
    }
}

/// What is wrong at an offset of a text that the finder does not have at hand.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) offset: usize,
    pub(super) words: String,
}

pub(super) type Result<T = (), E = Problem> = std::result::Result<T, E>;

impl Problem {
    /// The same, with its line and column in the text.
    pub(super) fn place(self, text: &str) -> XmlError {
        let before = text.get(..self.offset).unwrap_or_default();
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let line_begin = before.rfind('\n').map_or(0, |at| at + 1);
        XmlError {
            line: number(before.matches('\n').count() + 1),
            column: number(before[line_begin..].chars().count() + 1),
            problem: self.words,
        }
    }
}

/// A document: its root, and what stands before and after it.
#[derive(Clone, Debug)]
pub(super) struct Document {
    before: String,
    pub(super) root: Element,
    after: String,
}

impl Document {
    /// Takes a text apart.
    ///
    /// # Errors
    /// The first place where it is no XML. Document types are refused, and with them all entities but
    /// XML's own.
    pub(super) fn parse(text: &str) -> Result<Self, XmlError> {
        within_bounds(text).map_err(|problem| problem.place(text))?;
        let options = ParsingOptions {
            nodes_limit: 1_000_000,
            ..ParsingOptions::default()
        };
        let parsed = roxmltree::Document::parse_with_options(text, options)
            .map_err(|error| explain(&error, text))?;
        let root = parsed.root_element();
        let range = root.range();
        Ok(Self {
            before: text[..range.start].to_owned(),
            root: Element::of(root, text),
            after: text[range.end..].to_owned(),
        })
    }
}

impl Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.before, self.root, self.after)
    }
}

/// Elements in one another, attributes of one, and namespaces: more stand in no domain, and the parser's
/// time grows with their square.
const DEPTH_LIMIT: usize = 256;
const ATTRIBUTE_LIMIT: usize = 1000;
const NAMESPACE_LIMIT: usize = 256;

/// Looks that a text has no more of these than a parser can take, as far as it is XML at all.
fn within_bounds(text: &str) -> Result {
    let too_many = |rest: &str, limit: usize, what: &str| {
        let (offset, words) = (text.len() - rest.len(), format!("more than {limit} {what}"));
        Err(Problem { offset, words })
    };
    let (mut depth, mut namespaces) = (0_usize, 0_usize);
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        rest = &rest[at..];
        let skipped = [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>")]
            .into_iter()
            .find(|(begin, _)| rest.starts_with(begin));
        if let Some((_, end)) = skipped {
            rest = rest.find(end).map_or("", |at| &rest[at + end.len()..]);
            continue;
        }
        let mut quote = None;
        let mut attributes = 0;
        let end = rest.bytes().position(|byte| match (quote, byte) {
            (Some(open), byte) => {
                if open == byte {
                    quote = None;
                }
                false
            }
            (None, b'\'' | b'"') => {
                quote = Some(byte);
                false
            }
            (None, byte) => {
                attributes += usize::from(byte == b'=');
                byte == b'>'
            }
        });
        let tag = &rest[..end.unwrap_or(rest.len())];
        if attributes > ATTRIBUTE_LIMIT {
            return too_many(rest, ATTRIBUTE_LIMIT, "attributes in one element");
        }
        namespaces += tag.matches("xmlns").count();
        if namespaces > NAMESPACE_LIMIT {
            return too_many(rest, NAMESPACE_LIMIT, "namespaces");
        }
        if tag.starts_with("</") {
            depth = depth.saturating_sub(1);
        } else if !tag.ends_with('/') {
            depth += 1;
        }
        if depth > DEPTH_LIMIT {
            return too_many(rest, DEPTH_LIMIT, "elements in one another");
        }
        rest = &rest[tag.len()..];
    }
    Ok(())
}

/// Turns the parser's words into ours.
fn explain(error: &roxmltree::Error, text: &str) -> XmlError {
    let place = error.pos();
    let problem = match error {
        roxmltree::Error::DtdDetected => {
            "a document type (<!DOCTYPE ...>) is not accepted".to_owned()
        }
        roxmltree::Error::UnclosedRootNode => {
            let words = "the text ends before its root is closed".to_owned();
            let offset = text.trim_end_matches(['\n', '\r']).len();
            return Problem { offset, words }.place(text);
        }
        error => {
            let words = error.to_string();
            match words.rsplit_once(" at ") {
                // What follows is the place; it may be told within the sentence, too.
                Some((before, place)) if place.starts_with(|c: char| c.is_ascii_digit()) => {
                    let after = place.trim_start_matches(|c: char| c.is_ascii_digit() || c == ':');
                    format!("{before}{after}")
                }
                _ => words,
            }
        }
    };
    XmlError {
        line: place.row,
        column: place.col,
        problem,
    }
}

/// An element, with all that is in it.
#[derive(Clone, Debug)]
pub(super) struct Element {
    /// As it is written, with its prefix.
    name: String,
    namespace: Option<String>,
    attributes: Vec<Attribute>,
    /// What stands between the last attribute and the end of the tag.
    tail: String,
    children: Vec<Node>,
    /// The closing tag; an element that is written as empty has none.
    closing: Option<String>,
    /// Where it stood in the text that it was read from.
    offset: usize,
}

#[derive(Clone, Debug)]
struct Attribute {
    name: String,
    value: String,
    /// As it is written, with the blanks before it.
    raw: String,
}

#[derive(Clone, Debug)]
enum Node {
    Element(Element),
    Text {
        value: String,
        raw: String,
    },
    /// A comment or a processing instruction.
    Other(String),
}

impl Element {
    fn of(parsed: Parsed<'_, '_>, text: &str) -> Self {
        let range = parsed.range();
        let (name, attributes, tail, mut at) = take_apart_tag(parsed, text);
        let is_empty = tail.ends_with('/');
        let close_at = if is_empty {
            range.end
        } else {
            text[..range.end].rfind("</").unwrap_or(range.end)
        };
        let mut children = Vec::new();
        let mut value = String::new();
        let gap = |value: &mut String, from: usize, to: usize, children: &mut Vec<Node>| {
            if from < to {
                let (value, raw) = (std::mem::take(value), text[from..to].to_owned());
                children.push(Node::Text { value, raw });
            }
        };
        for child in parsed.children() {
            let range = child.range();
            match child.node_type() {
                NodeType::Text => value.push_str(child.text().unwrap_or_default()),
                kind => {
                    gap(&mut value, at, range.start, &mut children);
                    at = range.end;
                    children.push(match kind {
                        NodeType::Element => Node::Element(Self::of(child, text)),
                        _ => Node::Other(text[range].to_owned()),
                    });
                }
            }
        }
        gap(&mut value, at, close_at, &mut children);
        Self {
            name,
            namespace: parsed.tag_name().namespace().map(str::to_owned),
            attributes,
            tail,
            children,
            closing: (!is_empty).then(|| text[close_at..range.end].to_owned()),
            offset: range.start,
        }
    }

    /// A new one, empty.
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            namespace: None,
            attributes: Vec::new(),
            tail: "/".to_owned(),
            children: Vec::new(),
            closing: None,
            offset: 0,
        }
    }

    /// The same, in a namespace; its name has the prefix that stands for that.
    pub(super) fn in_namespace(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// The same, with an attribute.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.set_attribute(name, Some(value));
        self
    }

    /// A problem with it.
    pub(super) fn problem(&self, words: String) -> Problem {
        Problem {
            offset: self.offset,
            words,
        }
    }

    /// Its name without a prefix.
    pub(super) fn name(&self) -> &str {
        self.name.rsplit(':').next().unwrap_or_default()
    }

    /// Its prefix with the colon; empty if it has none.
    pub(super) fn prefix(&self) -> &str {
        self.name.strip_suffix(self.name()).unwrap_or_default()
    }

    /// Whether it is one of libvirt's own, and has this name. Elements of foreign namespaces are none.
    pub(super) fn is(&self, name: &str) -> bool {
        self.namespace.is_none() && self.name == name
    }

    /// Whether it is in this namespace, and has this name there.
    pub(super) fn is_of(&self, namespace: &str, name: &str) -> bool {
        self.namespace.as_deref() == Some(namespace) && self.name() == name
    }

    /// The elements in it, of whatever namespace.
    pub(super) fn elements(&self) -> impl DoubleEndedIterator<Item = &Self> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            _ => None,
        })
    }

    /// The same, to be changed.
    pub(super) fn elements_mut(&mut self) -> impl Iterator<Item = &mut Self> {
        self.children.iter_mut().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            _ => None,
        })
    }

    /// libvirt's elements of this name.
    pub(super) fn children<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.elements().filter(move |element| element.is(name))
    }

    /// The first of libvirt's elements of this name.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.elements().find(|element| element.is(name))
    }

    fn child_mut(&mut self, name: &str) -> Option<&mut Self> {
        self.elements_mut().find(|element| element.is(name))
    }

    /// The element at the end of a path such as `os/type`; an empty path is the element itself.
    pub(super) fn find(&self, path: &str) -> Option<&Self> {
        steps(path).try_fold(self, |element, name| element.child(name))
    }

    /// The same, made where it is missing.
    pub(super) fn ensure(&mut self, path: &str) -> &mut Self {
        steps(path).fold(self, |element, name| {
            if element.child(name).is_none() {
                element.append(Self::new(name));
            }
            element
                .child_mut(name)
                .expect("it was there, or was just made")
        })
    }

    /// The value of an attribute.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|attribute| attribute.name == name)
            .map(|attribute| attribute.value.as_str())
    }

    /// All attributes, but for those of namespaces.
    pub(super) fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes
            .iter()
            .filter(|attribute| !attribute.name.contains(':') && attribute.name != "xmlns")
            .map(|attribute| (attribute.name.as_str(), attribute.value.as_str()))
    }

    /// Sets an attribute, or takes it away.
    pub(super) fn set_attribute(&mut self, name: &str, value: Option<&str>) {
        let at = self
            .attributes
            .iter()
            .position(|attribute| attribute.name == name);
        match (at, value) {
            (Some(at), None) => {
                self.attributes.remove(at);
            }
            (at, Some(value)) => {
                let attribute = Attribute {
                    name: name.to_owned(),
                    value: value.to_owned(),
                    raw: format!(" {name}='{}'", Escaped(value)),
                };
                match at {
                    Some(at) => {
                        let blanks = self.attributes[at].raw.trim_start();
                        let blanks = self.attributes[at].raw.len() - blanks.len();
                        let raw = format!(
                            "{}{}",
                            &self.attributes[at].raw[..blanks],
                            &attribute.raw[1..]
                        );
                        self.attributes[at] = Attribute { raw, ..attribute };
                    }
                    None => self.attributes.push(attribute),
                }
            }
            (None, None) => {}
        }
    }

    /// Its text, as it stands.
    pub(super) fn text(&self) -> String {
        self.children
            .iter()
            .filter_map(|node| match node {
                Node::Text { value, .. } => Some(value.as_str()),
                _ => None,
            })
            .collect()
    }

    /// Replaces its text.
    pub(super) fn set_text(&mut self, text: &str) {
        let at = self
            .children
            .iter()
            .position(|node| matches!(node, Node::Text { .. }));
        self.children
            .retain(|node| !matches!(node, Node::Text { .. }));
        let node = Node::Text {
            value: text.to_owned(),
            raw: Escaped(text).to_string(),
        };
        let at = at.unwrap_or(0).min(self.children.len());
        self.children.insert(at, node);
        self.open();
    }

    /// Puts an element at the end, or beside what it belongs to, indented as its siblings are.
    pub(super) fn append(&mut self, element: Self) {
        let is_element = |node: &Node| matches!(node, Node::Element(_));
        // Of many devices each is appended: only what has a place among its like looks for that.
        let is_resource = RESOURCES.contains(&element.name());
        let is_beside =
            |node: &Node| matches!(node, Node::Element(other) if RESOURCES.contains(&other.name()));
        let nodes = &self.children;
        let beside = is_resource.then(|| nodes.iter().rposition(is_beside));
        let last = beside
            .flatten()
            .or_else(|| nodes.iter().rposition(is_element));
        let (indent, at) = match last {
            Some(last) => (self.blanks_before(last), last + 1),
            None => (None, 0),
        };
        self.open();
        let blanks = indent.map(|raw| Node::Text {
            value: raw.clone(),
            raw,
        });
        let nodes = blanks.into_iter().chain([Node::Element(element)]);
        self.children.splice(at..at, nodes);
    }

    /// Takes away libvirt's elements that are so, with the blanks before them.
    pub(super) fn remove(&mut self, is_so: impl Fn(&Self) -> bool) {
        let mut at = 0;
        while at < self.children.len() {
            match &self.children[at] {
                Node::Element(element) if is_so(element) => {
                    self.children.remove(at);
                    if at > 0 && is_blank(&self.children[at - 1]) {
                        at -= 1;
                        self.children.remove(at);
                    }
                }
                _ => at += 1,
            }
        }
    }

    fn blanks_before(&self, index: usize) -> Option<String> {
        match self.children.get(index.checked_sub(1)?)? {
            Node::Text { raw, .. } if raw.trim().is_empty() => Some(raw.clone()),
            _ => None,
        }
    }

    /// Makes room for content where it was written as empty.
    fn open(&mut self) {
        if self.closing.is_none() {
            self.closing = Some(format!("</{}>", self.name));
            self.tail.truncate(self.tail.len().saturating_sub(1));
            self.tail.truncate(self.tail.trim_end().len());
        }
    }
}

/// What a domain may use of its host. These stay together: libxml2, with which libvirt validates, does not
/// follow its schema where elements of two such groups alternate.
const RESOURCES: [&str; 8] = [
    "maxMemory",
    "memory",
    "currentMemory",
    "vcpu",
    "iothreads",
    "iothreadids",
    "cputune",
    "numatune",
];

fn steps(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|name| !name.is_empty())
}

fn is_blank(node: &Node) -> bool {
    matches!(node, Node::Text { raw, .. } if raw.trim().is_empty())
}

/// The name, the attributes, and what follows them up to `>`; and where the tag ends. The parser has
/// seen that it is well-formed.
fn take_apart_tag(parsed: Parsed<'_, '_>, text: &str) -> (String, Vec<Attribute>, String, usize) {
    let mut rest = &text[parsed.range().start + 1..];
    let end_of = |rest: &str, is_end: fn(char) -> bool| rest.find(is_end).unwrap_or(rest.len());
    let name_end = end_of(rest, |c| c.is_ascii_whitespace() || c == '/' || c == '>');
    let name = rest[..name_end].to_owned();
    rest = &rest[name_end..];
    let mut attributes = Vec::new();
    loop {
        let inner = rest.trim_start();
        if inner.starts_with(['/', '>']) || inner.is_empty() {
            break;
        }
        let name_end = end_of(inner, |c| c.is_ascii_whitespace() || c == '=');
        let name = &inner[..name_end];
        let value =
            inner[name_end..].trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '=');
        let quote = value.chars().next().unwrap_or('"');
        let length = value.get(1..).and_then(|value| value.find(quote));
        let end = rest.len() - value.len() + length.map_or(value.len(), |length| length + 2);
        attributes.push(Attribute {
            name: name.to_owned(),
            value: parsed.attribute(name).unwrap_or_default().to_owned(),
            raw: rest[..end].to_owned(),
        });
        rest = &rest[end..];
    }
    let tail_end = end_of(rest, |c| c == '>');
    let tail = rest[..tail_end].to_owned();
    let end = text.len() - rest.len() + tail_end + 1;
    (name, attributes, tail, end)
}

impl Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}", self.name)?;
        for attribute in &self.attributes {
            f.write_str(&attribute.raw)?;
        }
        write!(f, "{}>", self.tail)?;
        for child in &self.children {
            match child {
                Node::Element(element) => element.fmt(f)?,
                Node::Text { raw, .. } | Node::Other(raw) => f.write_str(raw)?,
            }
        }
        f.write_str(self.closing.as_deref().unwrap_or_default())
    }
}

/// Whether XML can hold a character at all.
pub(super) fn is_of_xml(character: char) -> bool {
    !matches!(character, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

/// Text made fit for XML: what has a meaning there is spelt out, what may not stand there is left
/// out.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '&' => f.write_str("&amp;")?,
                '\'' => f.write_str("&apos;")?,
                '"' => f.write_str("&quot;")?,
                // Bare, a parser would make blanks of them in an attribute.
                '\n' => f.write_str("&#10;")?,
                '\t' => f.write_str("&#9;")?,
                '\r' => f.write_str("&#13;")?,
                character if !is_of_xml(character) => {}
                character => f.write_char(character)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ODD: &str = "\u{feff}<?xml version='1.0'?>\n<!-- a -->\n<domain  type = \"kvm\"\n\t id='1' ><name\n>a&amp;b</name >\
        <x:y xmlns:x='urn:x' x:z='>'><!-- <b> --><![CDATA[<raw>]]>t<?pi x?></x:y ><devices ><disk a='1'/ ></devices></domain>\n<!-- z -->\n";

    fn odd() -> String {
        ODD.replace("/ >", " />")
    }

    #[test]
    fn what_is_not_changed_comes_back_byte_for_byte() {
        let document = Document::parse(&odd()).unwrap();
        assert_eq!(document.to_string(), odd());
        let root = &document.root;
        assert_eq!(root.attribute("type"), Some("kvm"));
        assert_eq!(root.child("name").unwrap().text(), "a&b");
        let foreign = root.elements().find(|element| element.is_of("urn:x", "y"));
        assert_eq!(foreign.unwrap().text(), "<raw>t");
        assert!(root.child("y").is_none(), "it is not libvirt's");
    }

    #[test]
    fn a_change_touches_its_own_bytes_only() {
        let mut document = Document::parse(&odd()).unwrap();
        document.root.set_attribute("type", Some("qemu"));
        assert_eq!(
            document.to_string(),
            odd().replace("type = \"kvm\"", "type='qemu'")
        );
        document.root.set_attribute("type", None);
        document.root.ensure("name").set_text("<c>\n");
        assert_eq!(
            document.to_string(),
            odd()
                .replace("  type = \"kvm\"", "")
                .replace("a&amp;b", "&lt;c&gt;&#10;")
        );
    }

    #[test]
    fn what_is_added_is_indented_like_its_siblings_and_what_goes_leaves_no_gap() {
        let text = "<domain>\n  <a/>\n  <b>\n    <c/>\n  </b>\n</domain>";
        let mut document = Document::parse(text).unwrap();
        document.root.ensure("b/d").set_attribute("e", Some("'"));
        document.root.append(Element::new("f"));
        assert_eq!(
            document.to_string(),
            "<domain>\n  <a/>\n  <b>\n    <c/>\n    <d e='&apos;'/>\n  </b>\n  <f/>\n</domain>"
        );
        document.root.remove(|element| element.is("b"));
        document.root.remove(|element| element.is("f"));
        assert_eq!(document.to_string(), "<domain>\n  <a/>\n</domain>");
        document.root.ensure("a").ensure("g").set_text("1");
        assert_eq!(
            document.to_string(),
            "<domain>\n  <a><g>1</g></a>\n</domain>"
        );
    }

    #[test]
    fn control_characters_never_reach_the_xml() {
        assert_eq!(Escaped("a\u{1b}[31m\u{0}b").to_string(), "a[31mb");
    }

    #[test]
    fn what_would_keep_the_parser_busy_for_minutes_is_refused_at_once() {
        let nested: String = (0..8000)
            .map(|n| format!("<a xmlns:n{n}='urn:{n}'>"))
            .collect();
        let attributes: String = (0..300_000).map(|n| format!(" a{n}='>'")).collect();
        for (text, problem) in [
            (
                "<a>".repeat(100_000),
                "more than 256 elements in one another",
            ),
            (nested, "more than 256 "),
            (
                format!("<a{attributes}/>"),
                "more than 1000 attributes in one element",
            ),
            ("<![CDATA[".repeat(100_000), ""),
            ("<a b='".repeat(100_000), ""),
        ] {
            let error = Document::parse(&text).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn a_place_is_a_line_and_a_column() {
        let error = Document::parse("<domain>\n  <a></b></domain>").unwrap_err();
        assert!(error.to_string().starts_with("line 2, column"), "{error}");
        let unclosed = Document::parse("<domain>\n<name>a</name>\n").unwrap_err();
        assert_eq!(
            unclosed.to_string(),
            "line 2, column 15: the text ends before its root is closed"
        );
    }
}
