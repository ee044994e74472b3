//! The corpus: definitions with everything that is odd about them, good ones and bad ones.
//!
//! `tests/corpus/xml` and `tests/corpus/yaml` load; `bad` is refused; the `.txt` beside each file
//! has the place and the words that the message begins with; `found` is what the fuzzers found once, and is read without harm.

use super::support::{files_below, session::missing};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use vmlife::definition::{Definition, load, parse, read_domain, to_yaml, update};
use vmlife::entity::MemorySize;
use vmlife::image::Header;

/// libvirt's schema of domains. It comes with its library.
const SCHEMA: &str = "/usr/share/libvirt/schemas/domain.rng";

/// The files of a folder of the corpus with this ending, in order.
pub(crate) fn corpus(folder: &str, ending: &str) -> Vec<PathBuf> {
    let files = files_below(&format!("tests/corpus/{folder}"), ending);
    assert!(!files.is_empty(), "tests/corpus/{folder} is empty");
    files
}

/// The name of a file of the corpus, for messages and to tell its kind.
pub(crate) fn name(file: &Path) -> &str {
    let name = file.file_name().expect("a name");
    name.to_str().expect("the corpus has plain names")
}

/// All that a good file of the corpus defines.
#[track_caller]
fn loaded(file: &Path) -> Vec<Definition> {
    let path = file.to_str().expect("a plain path");
    load(path).unwrap_or_else(|error| panic!("{error}"))
}

/// Whether the schema here knows what the corpus has: that is libvirt 9.0's. What it does not know has
/// a name that begins with `newer-`.
pub(crate) fn schema_is_there() -> bool {
    let runs = |program: &str| {
        let mut command = Command::new(program);
        command.arg("--version").stderr(Stdio::null()).output().ok()
    };
    if runs("xmllint").is_none() {
        missing("xmllint");
        return false;
    }
    if !Path::new(SCHEMA).exists() {
        missing(SCHEMA);
        return false;
    }
    let version = runs("virsh").map(|ran| String::from_utf8_lossy(&ran.stdout).into_owned());
    let major = version.and_then(|version| version.split('.').next()?.trim().parse().ok());
    major.is_none_or(|major: u32| major >= 9)
}

#[test]
fn the_xml_of_the_corpus_is_valid_by_libvirts_own_schema() {
    if !schema_is_there() {
        return;
    }
    let mut files = corpus("xml", "xml");
    files.retain(|file| !name(file).starts_with("newer-"));
    assert_valid(&files);
}

/// These files are domains by libvirt's own schema.
#[track_caller]
pub(crate) fn assert_valid(files: &[PathBuf]) {
    let mut xmllint = Command::new("xmllint");
    xmllint.args(["--nonet", "--noout", "--relaxng", SCHEMA]);
    let ran = xmllint.args(files).output().expect("xmllint runs");
    let words = String::from_utf8_lossy(&ran.stderr);
    let (valid, flaws): (Vec<&str>, Vec<&str>) =
        words.lines().partition(|line| line.ends_with(" validates"));
    assert!(
        ran.status.success() && valid.len() == files.len(),
        "{flaws:#?}"
    );
}

#[test]
fn all_of_the_corpus_loads() {
    let mut wrong = Vec::new();
    for file in [corpus("xml", "xml"), corpus("yaml", "yaml")].concat() {
        match load(file.to_str().expect("a plain path")) {
            Ok(all) if all.is_empty() => wrong.push(format!("{}: nothing", name(&file))),
            Ok(_) => {}
            Err(error) => wrong.push(error.to_string()),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn all_xml_of_the_corpus_tells_a_name_and_a_size() {
    let mut wrong = corpus("xml", "xml");
    wrong.retain(|file| {
        let definitions = loaded(file);
        let vm = &definitions[0].vm.vm_static;
        definitions.len() != 1 || vm.name.is_empty() || vm.mem_size_mb.is_none()
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn comments_and_cdata_and_foreign_namespaces_are_seen_through() {
    let one = |file: &str| {
        let path = format!("tests/corpus/xml/{file}.xml");
        let path = super::support::project().join(path);
        loaded(&path).remove(0).vm.vm_static
    };
    let vm = one("comments-cdata-foreign-namespaces");
    assert_eq!(vm.name, "crm");
    let description = "before <b>bold</b> &  after ]]> end";
    assert_eq!(vm.description, description);
    assert_eq!(vm.mem_size_mb.map(MemorySize::kib), Some(1024));
    assert_eq!((vm.images.len(), vm.interfaces.len()), (1, 0));

    let vm = one("character-references-and-entities");
    assert_eq!(vm.name, "a & b <c> 'd' \"e\"");
    let description = "line one\nline two\r\n\ttab &amp; not an entity &#65;";
    assert_eq!(vm.description, description);
    assert_eq!(
        vm.kernel_params.as_deref(),
        Some("root=\"/dev/vda\" x='1' y=abc")
    );
    let disk = &vm.images[0];
    assert_eq!(
        disk.image_path.as_deref(),
        Some("/srv/vm/\u{5a0}\"'<>&x.img")
    );
    assert_eq!(disk.target_dev.as_deref(), Some("vda"));

    let vm = one("crlf-line-ends");
    assert_eq!(vm.description, "first line\nsecond line");
    let vm = one("namespace-with-another-prefix");
    assert_eq!(vm.priority, 75);
}

#[test]
fn what_loads_is_the_same_after_it_was_written_as_yaml() {
    let mut wrong = Vec::new();
    for file in [corpus("xml", "xml"), corpus("yaml", "yaml")].concat() {
        for definition in loaded(&file) {
            let vm = definition.vm;
            let yaml = to_yaml(&vm);
            match parse("/elsewhere/vm.yaml", &yaml) {
                // A secret is not written, and so is not known afterwards; that it is there is.
                Ok(again) if again.len() == 1 && to_yaml(&again[0].vm) == yaml => {}
                Ok(again) => {
                    let other = to_yaml(&again[0].vm);
                    let (one, other) = (yaml.lines(), other.lines());
                    let difference = one.zip(other).find(|(one, other)| one != other);
                    wrong.push(format!("{}: {difference:?}", name(&file)));
                }
                Err(error) => wrong.push(format!("{}: {error}\n{yaml}", name(&file))),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_string_in_yaml_is_what_it_says() {
    let strings = |file: &str| -> Vec<(String, String)> {
        let path = format!("tests/corpus/yaml/{file}.yaml");
        let path = super::support::project().join(path);
        let texts = loaded(&path).into_iter().map(|definition| {
            let vm = definition.vm.vm_static;
            (vm.name, vm.description)
        });
        texts.collect()
    };
    let own = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        let pairs = pairs.iter();
        pairs.map(|(a, b)| ((*a).into(), (*b).into())).collect()
    };
    assert_eq!(
        strings("strings-that-look-like-something-else"),
        own(&[
            ("no", "true"),
            ("007", "0o17"),
            ("2024-01-01", "2024-01-01T00:00:00Z"),
            ("null", "Null"),
            ("1e3", ".inf"),
            ("0x1F", "0b11"),
            ("~", ""),
            ("12:30:45", "1_000"),
            ("-", "- a list?"),
            ("=", "<<"),
            ("y", "OFF"),
            (".nan", "+1"),
        ])
    );
    assert_eq!(
        strings("strings-with-yaml-signs"),
        own(&[
            ("a: b", "c # no comment"),
            ("#1", " leading and trailing "),
            ("&anchor", "*alias"),
            ("!tag", "%directive"),
            ("[x]", "{y: z}"),
            ("it's", "it's \"quoted\""),
            (
                "tab\there",
                "bell\u{7} escape\u{1b} nul-free \u{85} \u{2028} \u{1f600}"
            ),
            ("@at", "`tick` | > ? ,"),
            ("---x", "--- \n...\n---"),
            ("trailing colon:", "?\n? key"),
        ])
    );
    assert_eq!(
        strings("multi-line-descriptions"),
        own(&[
            (
                "literal",
                "Serves the shop.\n  Indented further.\n\nAsk the shop team, please.\n"
            ),
            ("literal-without-last-line-break", "two\nlines"),
            ("literal-with-all-line-breaks", "  begins with blanks\n\n"),
            ("folded", "one line\nand another\n"),
            ("in-double-quotes", "first still first folded\nsecond\n"),
            ("in-single-quotes", "one\ntwo"),
        ])
    );
    assert_eq!(
        strings("crlf-and-bom"),
        own(&[("crlf", "two\nlines\n"), ("second", "")])
    );
    assert_eq!(
        strings("anchors-aliases-and-tags"),
        own(&[("anchored", "anchored"), ("second", "second")])
    );
}

#[test]
fn what_is_bad_is_refused_with_its_place() {
    let mut wrong = Vec::new();
    for file in [corpus("bad", "xml"), corpus("bad", "yaml")].concat() {
        let text = fs::read_to_string(&file).expect("a file");
        let words = format!("{}.txt", file.display());
        let words = fs::read_to_string(&words).unwrap_or_else(|error| panic!("{words}: {error}"));
        let told = match parse(name(&file), &text) {
            Ok(_) => "accepted".to_owned(),
            Err(error) => error.to_string(),
        };
        let expected = format!("{}:{}", name(&file), words.trim_end());
        if !told.starts_with(&expected) {
            wrong.push(format!("{told}\nshould be\n{expected}\n"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_fuzzers_found_is_read_without_harm() {
    let found = super::support::project().join("tests/corpus/found");
    for entry in fs::read_dir(found).expect("the folder is there") {
        let file = entry.expect("an entry").path();
        let bytes = fs::read(&file).expect("a file");
        let began = Instant::now();
        let _ = Header::read(&bytes[..], bytes.len() as u64);
        if let Ok(text) = str::from_utf8(&bytes) {
            for definition in parse("/v/vm", text).unwrap_or_default() {
                let yaml = to_yaml(&definition.vm);
                parse("/v/vm", &yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"));
                if text.trim_start().starts_with('<') {
                    let same = update(text, &definition.vm).expect("it was read");
                    assert_eq!(same, text, "{}", name(&file));
                }
                if let Ok(xml) = definition.domain_xml() {
                    read_domain(&xml).unwrap_or_else(|error| panic!("{error}\n{xml}"));
                }
            }
        }
        // A build without optimisation on a busy machine still needs far less.
        let took = began.elapsed();
        assert!(took < Duration::from_secs(5), "{} {took:?}", name(&file));
    }
}

/// The XML of the corpus as text.
fn texts() -> impl Iterator<Item = (PathBuf, String)> {
    corpus("xml", "xml").into_iter().map(|file| {
        let text = fs::read_to_string(&file).expect("text");
        let text = text
            .strip_prefix('\u{feff}')
            .map(str::to_owned)
            .unwrap_or(text);
        (file, text)
    })
}

#[test]
fn what_is_written_back_unchanged_keeps_every_byte_also_by_way_of_yaml() {
    let mut wrong = Vec::new();
    for (file, text) in texts() {
        let vm = read_domain(&text).expect("it loads");
        let yaml = to_yaml(&vm);
        let again = parse("/elsewhere/vm.yaml", &yaml)
            .expect("it loads")
            .remove(0)
            .vm;
        for (way, vm) in [("at once", &vm), ("by YAML", &again)] {
            let written = update(&text, vm).expect("it can be written");
            if written != text {
                let place = first_difference(&text, &written);
                wrong.push(format!("{} {way}: {place}", name(&file)));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn first_difference(one: &str, other: &str) -> String {
    let same = common(one.chars(), other.chars());
    let rest = |text: &str| {
        text.chars()
            .skip(same.saturating_sub(30))
            .take(120)
            .collect::<String>()
    };
    format!("{:?} became {:?}", rest(one), rest(other))
}

fn common(one: impl Iterator<Item = char>, other: impl Iterator<Item = char>) -> usize {
    one.zip(other)
        .take_while(|(one, other)| one == other)
        .count()
}

#[test]
fn an_edit_changes_nothing_but_what_it_is_about() {
    let mut wrong = Vec::new();
    for (file, text) in texts() {
        let old = read_domain(&text).expect("it loads");
        let mut vm = old.clone();
        vm.vm_static.description = "EDITED <&> text".to_owned();
        let written = update(&text, &vm).expect("it can be written");
        let (before, after) = (
            common(text.chars(), written.chars()),
            common(text.chars().rev(), written.chars().rev()),
        );
        let middle: String = written.chars().skip(before).collect();
        let edited = middle.chars().count().saturating_sub(after);
        // The new element, or the new text; the rest of the file is as it was.
        let is_small = edited <= "<description>EDITED &lt;&amp;&gt; text</description>".len() + 40;
        let read = read_domain(&written).expect("it loads");
        if !is_small || read != vm {
            wrong.push(format!(
                "{}: {}",
                name(&file),
                first_difference(&text, &written)
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
