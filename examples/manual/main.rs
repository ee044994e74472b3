//! Writes the manual: man pages in roff, into a folder.
//!
//!     cargo run --quiet --example manual -- DIR
//!
//! Options and examples are those of `--help`, exit statuses those of the report, the keys of a definition those of
//! its schema. What else there is to say stands in the Markdown beside this file.

mod definition;
mod roff;

use anyhow::{Context, bail};
use clap::{Arg, Command, CommandFactory};
use roff::{Page, bold, escape, italic};
use std::env;
use std::fs;
use std::path::PathBuf;
use vmlife::cli::Cli;
use vmlife::help::{TOPICS, Topic, exit_statuses};

/// When the words of the manual last changed. The day on which it is built would be another one at each build.
const DATE: &str = "2026-11-29";

/// Sections that every command's page has; one with the same heading in a page's own file stands in its place.
const COMMON: &str = include_str!("common.md");
const DEFINITION: &str = include_str!("vmlife-definition.md");
const VIRSH: &str = include_str!("vmlife-virsh.md");

fn main() -> anyhow::Result<()> {
    let mut words = env::args_os().skip(1);
    let (Some(folder), None) = (words.next().map(PathBuf::from), words.next()) else {
        bail!("usage: manual DIR");
    };
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    for (name, roff) in pages()? {
        let file = folder.join(name);
        fs::write(&file, roff).with_context(|| format!("{} cannot be written", file.display()))?;
    }
    Ok(())
}

/// All pages, by the names of their files.
fn pages() -> anyhow::Result<Vec<(String, String)>> {
    let mut program = Cli::command();
    program.build();
    let mut pages = vec![
        ("vmlife-definition.5".to_owned(), of_definition()?),
        ("vmlife-virsh.7".to_owned(), of_virsh()),
    ];
    for topic in TOPICS {
        let verb = program.find_subcommand(topic.name);
        let (name, command) = match verb {
            Some(verb) => (format!("vmlife-{}", topic.name), verb),
            None => ("vmlife".to_owned(), &program),
        };
        pages.push((format!("{name}.1"), of_command(&name, &topic, command)));
    }
    Ok(pages)
}

fn of_command(name: &str, topic: &Topic, command: &Command) -> String {
    let about = command
        .get_about()
        .map(ToString::to_string)
        .unwrap_or_default();
    let mut page = Page::new(name, 1, DATE, &lower(&about));
    page.section("Synopsis");
    let usage = command.clone().render_usage().to_string();
    page.line(&escape(usage.trim_start_matches("Usage: ")));
    let own = own_words(topic.name);
    let own: Vec<_> = sections(own).collect();
    let told = |title: &str| own.iter().find(|(own, _)| *own == title).copied();
    page.section("Description");
    page.markdown(told("Description").map_or("", |(_, words)| words));
    page.section("Examples");
    for example in topic.examples {
        page.tagged(
            &escape(example.aim),
            &format!("```\n{}\n```", example.command),
        );
    }
    let verbs: Vec<&Command> = command
        .get_subcommands()
        .filter(|verb| !verb.is_hide_set())
        .collect();
    if !verbs.is_empty() {
        page.section("Verbs");
        for verb in verbs {
            let about = verb
                .get_about()
                .map(ToString::to_string)
                .unwrap_or_default();
            page.tagged(&bold(verb.get_name()), &format!("{}.", as_markdown(&about)));
        }
    }
    options(&mut page, command);
    for (title, words) in sections(topic.explanations) {
        page.section(title);
        page.markdown(words);
    }
    page.section("Exit status");
    for (code, meaning) in exit_statuses() {
        page.tagged(&bold(&code.to_string()), &as_markdown(meaning));
    }
    for (title, words) in own.iter().filter(|(title, _)| *title != "Description") {
        page.section(title);
        page.markdown(words);
    }
    for (title, words) in sections(COMMON).filter(|(title, _)| told(title).is_none()) {
        page.section(title);
        page.markdown(words);
    }
    see_also(&mut page, name);
    page.finish()
}

/// The options under their headings, as in the help.
fn options(page: &mut Page, command: &Command) {
    let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
    let mut shown: Vec<&Arg> = shown.collect();
    shown.sort_by_key(|arg| !arg.is_positional());
    let mut headings: Vec<Option<&str>> = Vec::new();
    for arg in &shown {
        if !headings.contains(&arg.get_help_heading()) {
            headings.push(arg.get_help_heading());
        }
    }
    headings.sort_by_key(Option::is_some);
    for heading in headings {
        page.section(heading.unwrap_or("Options"));
        for arg in shown.iter().filter(|arg| arg.get_help_heading() == heading) {
            page.tagged(&tag(arg), &meaning(arg));
        }
    }
}

/// How an option is typed.
fn tag(arg: &Arg) -> String {
    let short = arg.get_short().map(|short| format!("-{short}"));
    let long = arg.get_long().map(|long| format!("--{long}"));
    let names: Vec<String> = short.iter().chain(&long).map(|name| bold(name)).collect();
    let values = arg
        .get_value_names()
        .filter(|_| arg.get_action().takes_values());
    let value = values.map(|values| values.iter().map(|value| italic(value)).collect::<String>());
    let is_optional = arg
        .get_num_args()
        .is_some_and(|count| count.min_values() == 0);
    let value = match (value, names.is_empty()) {
        (None, _) => String::new(),
        (Some(value), true) => return format!("{value} \\&..."),
        (Some(value), false) if is_optional => format!("[={value}]"),
        (Some(value), false) => format!(" {value}"),
    };
    names.join(", ") + &value
}

/// What an option means: all that `--help` says, but each word that it takes as an item.
fn meaning(arg: &Arg) -> String {
    let help = arg
        .get_long_help()
        .or(arg.get_help())
        .map(ToString::to_string);
    let help = help.unwrap_or_default();
    let is_word = |line: &str| line.starts_with("  ") && arg.is_hide_possible_values_set();
    let mut text = String::new();
    for line in help
        .lines()
        .filter(|line| !line.is_empty() && !is_word(line))
    {
        let end = if line.ends_with(['.', ':']) { "" } else { "." };
        text += &format!("{}{end}\n\n", as_markdown(line));
    }
    let defaults = arg
        .get_default_values()
        .first()
        .filter(|_| arg.get_action().takes_values());
    for word in arg
        .get_possible_values()
        .iter()
        .filter(|_| arg.get_action().takes_values())
    {
        let help = word.get_help().map(|help| as_markdown(&help.to_string()));
        let is_default = defaults.is_some_and(|default| default == word.get_name());
        let default = if is_default { " (the default)" } else { "" };
        text += &format!(
            "\n- `{}`: {}{default}",
            word.get_name(),
            help.unwrap_or_default()
        );
    }
    text
}

/// Help is plain text, in which nothing is markup.
fn as_markdown(text: &str) -> String {
    let mut markdown = String::new();
    for character in text.chars() {
        if character.is_ascii_punctuation() {
            markdown.push('\\');
        }
        markdown.push(character);
    }
    markdown
}

fn lower(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(characters).collect()
}

fn own_words(name: &str) -> &'static str {
    match name {
        "hibernate" => include_str!("vmlife-hibernate.md"),
        "restore" => include_str!("vmlife-restore.md"),
        "pause" => include_str!("vmlife-pause.md"),
        "resume" => include_str!("vmlife-resume.md"),
        "show" => include_str!("vmlife-show.md"),
        _ => include_str!("vmlife.md"),
    }
}

/// The sections of a file, each with its heading.
fn sections(markdown: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let markdown = markdown.strip_prefix("# ").unwrap_or_default();
    markdown
        .split("\n# ")
        .filter_map(|section| section.split_once('\n'))
}

fn of_definition() -> anyhow::Result<String> {
    let about = "what names a virtual machine, and says what it is made of";
    let mut page = Page::new("vmlife-definition", 5, DATE, about);
    for (title, words) in sections(DEFINITION) {
        page.section(title);
        page.markdown(words);
    }
    definition::write(&mut page)?;
    see_also(&mut page, "vmlife-definition");
    Ok(page.finish())
}

fn of_virsh() -> String {
    let about = "commands of virsh, libvirt-guests and oVirt, and vmlife's for the same";
    let mut page = Page::new("vmlife-virsh", 7, DATE, about);
    for (title, words) in sections(VIRSH) {
        page.section(title);
        page.markdown(words);
    }
    see_also(&mut page, "vmlife-virsh");
    page.finish()
}

fn see_also(page: &mut Page, name: &str) {
    page.section("See also");
    let ours = [
        ("vmlife", 1),
        ("vmlife-hibernate", 1),
        ("vmlife-restore", 1),
        ("vmlife-pause", 1),
        ("vmlife-resume", 1),
        ("vmlife-show", 1),
        ("vmlife-definition", 5),
        ("vmlife-virsh", 7),
        ("virsh", 1),
    ];
    let others = ours.iter().filter(|(page, _)| *page != name);
    let others: Vec<String> = others
        .map(|(page, section)| format!("**{page}**({section})"))
        .collect();
    page.markdown(&others.join(", "));
}
