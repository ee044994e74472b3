//! A field of a VM, named by its path: `vmDynamic.status`, `vmStatic.images[0].imagePath`.

use crate::definition::{modern, wrong_word};
use crate::entity::Vm;
use crate::inventory::Depth;
use serde_json::{Map, Value, json};

/// The model is not as deep as that.
const DEEPEST: usize = 16;

/// Which field of a VM is meant. That there is such a one, the model itself has told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    steps: Vec<Step>,
}

/// A step of the way from the VM to a field.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// To a field of a structure, or an entry of a map.
    Key(String),
    /// To one entry of a list.
    At(usize),
    /// To all entries of a list.
    Each,
}

impl Field {
    /// Reads a path. `[0]` is the first entry of a list and `[]` all of them; the key of a map that has a dot in
    /// it stands in brackets, too: `vmStatic.labels[example.org/tier]`.
    ///
    /// # Errors
    /// A sentence, with the nearest right word where one is wrong.
    pub fn parse(path: &str) -> Result<Self, String> {
        let steps = steps(path)
            .filter(|steps| steps.len() <= DEEPEST)
            .ok_or("it is no path; such are vmDynamic.status and vmStatic.images[0].imagePath")?;
        for (at, step) in steps.iter().enumerate() {
            let above = &steps[..at];
            let is_list = objection(above, json!({})).is_some_and(|why| why.contains("a sequence"));
            match (step, is_list) {
                (Step::Key(_), true) => {
                    let list = words(above);
                    return Err(format!("{list} is a list; its first entry is {list}[0]"));
                }
                (Step::At(_) | Step::Each, false) => {
                    return Err(format!("{} is no list", words(above)));
                }
                _ => {}
            }
            let why = objection(&steps[..=at], Value::Null).unwrap_or_default();
            if let Some(better) = wrong_word(&why) {
                return Err(better);
            }
            if why.starts_with("invalid type: map") {
                return Err(format!("{} has no fields", words(above)));
            }
        }
        Ok(Self { steps })
    }

    /// Whether a word looks like a path: it begins with a field of a VM.
    #[must_use]
    pub fn is_like(word: &str) -> bool {
        let top = steps(word).and_then(|mut steps| steps.drain(..).next());
        top.is_some_and(|top| {
            objection(&[top], Value::Null).is_none_or(|why| wrong_word(&why).is_none())
        })
    }

    /// The paths that go on from what was typed of one, down to the fields of the structure that it is in and of those
    /// that are in that.
    #[must_use]
    pub fn beginning_with(typed: &str) -> Vec<String> {
        let above = typed.rsplit_once('.').map_or("", |(above, _)| above);
        let expand = |path: String| {
            let inner = fields_of(&path).into_iter();
            let inner: Vec<String> = inner.map(|name| format!("{path}.{name}")).collect();
            if inner.is_empty() { vec![path] } else { inner }
        };
        let paths = fields_of(above).into_iter().map(|name| match above {
            "" => name,
            _ => format!("{above}.{name}"),
        });
        let paths = paths.flat_map(expand);
        paths.filter(|path| path.starts_with(typed)).collect()
    }

    /// How closely a VM must be looked at for it to be known.
    #[must_use]
    pub fn needs(&self) -> Depth {
        let mut keys = self.steps.iter().map(|step| match step {
            Step::Key(key) => key.as_str(),
            Step::At(_) | Step::Each => "",
        });
        match (keys.next(), keys.next(), keys.next()) {
            (Some("host" | "savedImages"), ..)
            | (Some("vmStatic"), Some("id" | "name"), _)
            | (Some("vmDynamic"), Some("domainId" | "id" | "status" | "statusReason"), _) => {
                Depth::Line
            }
            // What devices are like, more than their definition tells.
            (Some("vmStatic"), Some("labels"), _) | (Some("vmStatic"), Some(_), None)
                if !objection(&self.steps, json!({}))
                    .is_some_and(|why| why.contains("a sequence")) =>
            {
                Depth::Definition
            }
            _ => Depth::Whole,
        }
    }

    /// Whether the domain's XML is meant, which costs a call.
    #[must_use]
    pub fn is_xml(&self) -> bool {
        self.steps == [Step::Key("domainXml".to_owned())]
    }

    /// What stands there in a VM that is written as JSON. Null is what is not known; what the model leaves out as
    /// it is empty, none or no is written in full.
    #[must_use]
    pub fn of(&self, vm: &Value) -> Value {
        self.below(Some(vm), 0)
    }

    fn below(&self, value: Option<&Value>, at: usize) -> Value {
        let Some(step) = self.steps.get(at) else {
            return value.cloned().unwrap_or_else(|| self.left_out());
        };
        let inner = match step {
            Step::Key(key) => value.and_then(|value| value.get(key)),
            Step::At(place) => value.and_then(|value| value.get(place)),
            Step::Each => {
                let entries = value.and_then(Value::as_array).into_iter().flatten();
                return entries
                    .map(|entry| self.below(Some(entry), at + 1))
                    .collect();
            }
        };
        let may_lack =
            || matches!(step, Step::At(_)) || objection(&self.steps[..=at], Value::Null).is_none();
        if inner.is_none() && may_lack() {
            return Value::Null;
        }
        self.below(inner, at + 1)
    }

    /// What a field holds that is not written.
    fn left_out(&self) -> Value {
        let fits = |value: &Value| objection(&self.steps, value.clone()).is_none();
        let is_word = || {
            let why = objection(&self.steps, json!("")).unwrap_or_default();
            !why.starts_with("invalid type")
        };
        let empty = [json!(false), json!({}), json!([])];
        match empty.into_iter().find(fits) {
            Some(empty) => empty,
            None if fits(&json!(0)) && !is_word() => json!(0),
            None => Value::Null,
        }
    }
}

/// A value for a script: text as it is, what is not known as nothing, the rest in JSON.
#[must_use]
pub fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The fields of the structure at this path, none if there is no structure.
fn fields_of(path: &str) -> Vec<String> {
    let Some(mut steps) = steps(path).or_else(|| path.is_empty().then(Vec::new)) else {
        return Vec::new();
    };
    steps.push(Step::Key(String::new()));
    let why = objection(&steps, Value::Null).unwrap_or_default();
    let known = why.strip_prefix("unknown field ``, expected ");
    let names = known.unwrap_or_default().split('`').skip(1).step_by(2);
    names.map(str::to_owned).collect()
}

fn steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = path;
    loop {
        let (key, after) = rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len()));
        if key.is_empty() {
            return None;
        }
        steps.push(Step::Key(modern(key).to_owned()));
        rest = after;
        while let Some(inner) = rest.strip_prefix('[') {
            let (inner, after) = inner.split_once(']')?;
            steps.push(match (inner, inner.parse()) {
                ("", _) => Step::Each,
                (_, Ok(place)) => Step::At(place),
                (key, Err(_)) => Step::Key(key.to_owned()),
            });
            rest = after;
        }
        match rest.strip_prefix('.') {
            Some(next) => rest = next,
            None => return rest.is_empty().then_some(steps),
        }
    }
}

/// The path of some steps.
fn words(steps: &[Step]) -> String {
    let words = steps.iter().map(|step| match step {
        Step::Key(key) => format!(".{key}"),
        Step::At(place) => format!("[{place}]"),
        Step::Each => "[]".to_owned(),
    });
    words.collect::<String>().trim_start_matches('.').to_owned()
}

/// What the model says against a value at this place.
fn objection(steps: &[Step], value: Value) -> Option<String> {
    let vm = steps.iter().rev().fold(value, |inner, step| match step {
        Step::Key(key) => Value::Object(Map::from_iter([(key.clone(), inner)])),
        Step::At(_) | Step::Each => json!([inner]),
    });
    let read = serde_json::from_value::<Vm>(vm);
    read.err().map(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::sample;

    #[test]
    fn a_path_leads_to_what_json_has_there() {
        let vm = serde_json::to_value(sample()).unwrap();
        for (path, pointer) in [
            ("vmStatic.name", "/vmStatic/name"),
            ("VmStatic.name", "/vmStatic/name"),
            ("vmDynamic.status", "/vmDynamic/status"),
            (
                "vmStatic.images[1].imagePath",
                "/vmStatic/images/1/imagePath",
            ),
            ("savedImages[0]", "/savedImages/0"),
            ("vmStatic", "/vmStatic"),
        ] {
            let found = Field::parse(path).expect(path).of(&vm);
            assert_eq!(Some(&found), vm.pointer(pointer), "{path}");
            assert!(!found.is_null(), "{path}");
        }
        let paths = Field::parse("vmStatic.images[].imagePath").unwrap().of(&vm);
        assert_eq!(paths.as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn a_path_that_was_begun_goes_on() {
        assert_eq!(
            Field::beginning_with("vmDynamic.statusR"),
            ["vmDynamic.statusReason"]
        );
        let deep = Field::beginning_with("vmStatic.images[0].imageP");
        assert_eq!(deep, ["vmStatic.images[0].imagePath"]);
        let all = Field::beginning_with("");
        assert!(all.contains(&"vmDynamic.status".to_owned()) && all.contains(&"host".to_owned()));
        for path in all {
            assert!(Field::parse(&path).is_ok(), "{path}");
        }
        for nothing in [
            "nothing",
            "vmDynamic.status.x",
            "vmDynamic..",
            "[",
            "vmStatic.images.i",
        ] {
            assert!(Field::beginning_with(nothing).is_empty(), "{nothing}");
        }
    }

    #[test]
    fn what_the_model_leaves_out_is_no_zero_or_empty_and_what_is_unknown_is_nothing() {
        let bare: Value =
            serde_json::from_str(r#"{"vmStatic": {"name": "a"}, "vmDynamic": {}}"#).unwrap();
        for (path, told) in [
            ("vmDynamic.asleep", "false"),
            ("nextRunConfigurationExists", "false"),
            ("vmStatic.images", "[]"),
            ("vmStatic.labels", "{}"),
            ("vmStatic.labels[a.b/c]", ""),
            ("vmStatic.images[0].imagePath", ""),
            ("vmStatic.images[].imagePath", "[]"),
            ("vmStatic.memSizeMb", ""),
            ("vmStatic.description", ""),
            ("vmDynamic.downtime", "0"),
            ("vmStatistics.usageCpuPercent", ""),
            ("vmStatistics", ""),
        ] {
            let found = Field::parse(path).expect(path).of(&bare);
            assert_eq!(plain(&found), told, "{path}");
        }
    }

    #[test]
    fn a_wrong_path_gets_the_nearest_right_word() {
        for (path, error) in [
            (
                "vmDynamic.staus",
                "'staus' is not known here; did you mean 'status'?",
            ),
            ("vmDynamc.status", "did you mean 'vmDynamic'?"),
            ("vmStatic.images[0].imagPath", "did you mean 'imagePath'?"),
            (
                "vmStatic.images.imagePath",
                "its first entry is vmStatic.images[0]",
            ),
            ("vmStatic[0]", "vmStatic is no list"),
            ("vmDynamic.status.x", "vmDynamic.status has no fields"),
            ("vmDynamic.status[0]", "vmDynamic.status is no list"),
            ("", "it is no path"),
            (".", "it is no path"),
            ("vmStatic.", "it is no path"),
            ("vmStatic.images[0", "it is no path"),
            ("vmStatic.images[0]x", "it is no path"),
        ] {
            let found = Field::parse(path).expect_err(path);
            assert!(found.contains(error), "{path}: {found}");
        }
        let deep = "vmStatic".to_owned() + &"[0]".repeat(100_000);
        Field::parse(&deep).expect_err("it is too deep");
    }

    #[test]
    fn only_what_begins_with_a_field_is_like_one() {
        for word in [
            "vmDynamic.status",
            "vmDynamic.staus",
            "snapshots",
            "savedImages[0]",
            "VmStatic",
        ] {
            assert!(Field::is_like(word), "{word}");
        }
        for word in [
            "web-1",
            "web.example.org",
            "vmdynamic.status",
            "",
            ".",
            "a[b",
            "./snapshots",
        ] {
            assert!(!Field::is_like(word), "{word}");
        }
    }

    #[test]
    fn no_more_is_looked_at_than_a_field_needs() {
        for (path, needs) in [
            ("vmStatic.name", Depth::Line),
            ("vmDynamic.status", Depth::Line),
            ("savedImages[0].path", Depth::Line),
            ("vmStatic.priority", Depth::Definition),
            ("vmStatic.labels.tier", Depth::Definition),
            ("vmStatic.images", Depth::Whole),
            ("vmStatic.images[0].size", Depth::Whole),
            ("vmStatic", Depth::Whole),
            ("vmDynamic.ip", Depth::Whole),
            ("vmStatistics.usageCpuPercent", Depth::Whole),
        ] {
            assert_eq!(Field::parse(path).unwrap().needs(), needs, "{path}");
        }
    }
}
