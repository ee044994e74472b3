//! Which of the VMs that are found are shown, and in which order.

use super::list::{Column, Measure, columns, number};
use super::text::View;
use crate::entity::{MemorySize, Vm};
use crate::field::{Field, plain};
use crate::inventory::Depth;
use crate::words::{either, nearest};
use glob::{MatchOptions, Pattern};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;
use std::cmp::Ordering;

/// What VMs are chosen or sorted by: a column, whatever its case, or a field.
#[derive(Clone, Debug)]
enum Key {
    Column(&'static Column),
    Field(Field),
}

impl Key {
    fn parse(word: &str) -> Result<Self, String> {
        if let Some(column) = column(word) {
            return Ok(Self::Column(column));
        }
        if word.contains(['.', '[']) || Field::is_like(word) {
            return Field::parse(word).map(Self::Field);
        }
        let near = nearest(word, columns().iter().map(|column| column.name));
        Err(if near.is_empty() {
            let all: Vec<&str> = columns().iter().map(|column| column.name).collect();
            format!(
                "there is no such column, and no such field; columns are {}",
                all.join(", ")
            )
        } else {
            format!("there is no such column; did you mean {}?", either(&near))
        })
    }

    fn needs(&self) -> Depth {
        match self {
            Self::Column(column) => column.needs,
            Self::Field(field) => field.needs(),
        }
    }

    /// All that a VM has there; of a list each entry.
    fn told(&self, vm: &Vm, view: &View) -> Vec<Told> {
        match self {
            Self::Column(column) => vec![Told {
                text: column.text(vm, view).unwrap_or_default(),
                number: column.number(vm),
            }],
            Self::Field(field) => match field.of(&fields(vm)) {
                Value::Array(entries) if !entries.is_empty() => {
                    entries.iter().map(Told::of).collect()
                }
                Value::Array(_) => vec![Told::of(&Value::Null)],
                other => vec![Told::of(&other)],
            },
        }
    }
}

/// A column by its name, whatever its case.
pub(crate) fn column(name: &str) -> Option<&'static Column> {
    columns()
        .iter()
        .find(|column| column.name.eq_ignore_ascii_case(name))
}

/// A VM as its fields, which tell no more than it would be shown of.
pub(super) fn fields(vm: &Vm) -> Value {
    serde_json::to_value(vm).unwrap_or_default()
}

/// What a VM has.
struct Told {
    text: String,
    number: Option<f64>,
}

impl Told {
    fn of(value: &Value) -> Self {
        let text = plain(value);
        let time = || text.parse::<Timestamp>().ok().map(seconds);
        let number = value
            .as_f64()
            .or_else(|| time().filter(|_| value.is_string()));
        Self { text, number }
    }

    /// What is known comes before what is not, in whatever order.
    fn rank(self) -> Rank {
        match (self.number, self.text) {
            (Some(number), _) => Rank::Number(number),
            (None, text) if text.is_empty() => Rank::Nothing,
            (None, text) => Rank::Text(text),
        }
    }
}

fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

/// What is said of a VM that is to be shown: "STATE=Up", "VCPUS>2", "vmStatic.labels.tier!=web".
#[derive(Clone, Debug)]
pub struct Filter {
    key: Key,
    sign: Sign,
    pattern: Pattern,
    /// The value as a number, if it is one.
    number: Option<f64>,
}

/// How something compares to what is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Is,
    IsNot,
    Below,
    AtMost,
    Above,
    AtLeast,
}

/// The signs, the longer first.
const SIGNS: [(&str, Sign); 6] = [
    ("!=", Sign::IsNot),
    ("<=", Sign::AtMost),
    (">=", Sign::AtLeast),
    ("=", Sign::Is),
    ("<", Sign::Below),
    (">", Sign::Above),
];

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// A sentence: there is no such key (with the nearest), or the value is no number, size or time where it has
    /// to be one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let at = text.find(['=', '!', '<', '>']);
        let found = at.and_then(|at| {
            let (key, rest) = text.split_at(at);
            let mut signs = SIGNS.iter();
            let (word, sign) = signs.find(|(word, _)| rest.starts_with(word))?;
            Some((key, *sign, &rest[word.len()..]))
        });
        let (key, sign, value) = found
            .filter(|(key, ..)| !key.is_empty())
            .ok_or("it is no filter; such are STATE=Up, 'VCPUS>2' and vmStatic.labels.tier!=web")?;
        let key = Key::parse(key)?;
        let pattern = Pattern::new(value)
            .map_err(|error| format!("'{value}' is no pattern: {}", error.msg))?;
        let number = match read_number(&key, value) {
            Err(why) if !matches!(sign, Sign::Is | Sign::IsNot) => return Err(why),
            read => read.ok(),
        };
        Ok(Self {
            key,
            sign,
            pattern,
            number,
        })
    }

    /// How closely a VM must be looked at to be judged.
    #[must_use]
    pub fn needs(&self) -> Depth {
        self.key.needs()
    }

    /// Whether a VM is as it says; of a list, whether one of its entries is.
    pub(super) fn is_met_by(&self, vm: &Vm, view: &View) -> bool {
        let told = self.key.told(vm, view);
        let mut told = told.iter();
        let compared = |told: &Told| Some(told.number?.total_cmp(&self.number?));
        match self.sign {
            Sign::Is => told.any(|told| self.is(told)),
            Sign::IsNot => !told.any(|told| self.is(told)),
            Sign::Below => told.any(|told| compared(told).is_some_and(Ordering::is_lt)),
            Sign::AtMost => told.any(|told| compared(told).is_some_and(Ordering::is_le)),
            Sign::Above => told.any(|told| compared(told).is_some_and(Ordering::is_gt)),
            Sign::AtLeast => told.any(|told| compared(told).is_some_and(Ordering::is_ge)),
        }
    }

    /// What stands in brackets at the end, such as the reason of a state, may be left out.
    fn is(&self, told: &Told) -> bool {
        let options = MatchOptions {
            case_sensitive: false,
            ..MatchOptions::default()
        };
        let matches = |text: &str| self.pattern.matches_with(text, options);
        let short = told.text.split_once(" (").map(|(short, _)| short);
        matches(&told.text)
            || short.is_some_and(matches)
            || told.number.is_some() && told.number == self.number
    }
}

/// A value as the number that a key is compared by.
fn read_number(key: &Key, value: &str) -> Result<f64, String> {
    let plain = |what: &str| {
        let read = value
            .trim()
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite());
        read.ok_or_else(|| format!("'{value}' is no number, and {what}"))
    };
    match key {
        Key::Column(column) => match column.measure() {
            Measure::Text => Err(format!(
                "{} is text, which is compared by = and != alone",
                column.name
            )),
            Measure::Number(_) => plain("this column has numbers"),
            Measure::Bytes(_) => MemorySize::parse_typed(value).map(|size| number(size.bytes())),
            Measure::Time(_) => read_time(value).ok_or_else(|| {
                format!("'{value}' is no time; such are 2026-03-01 and '2026-03-01 12:00'")
            }),
        },
        Key::Field(_) => match read_time(value) {
            // Of a field nobody tells the unit but its name.
            None => plain("a field is compared with a plain one, in its own unit, or with a time"),
            Some(time) => Ok(time),
        },
    }
}

fn read_time(text: &str) -> Option<f64> {
    let at = text.parse::<Timestamp>().ok().or_else(|| {
        let local: DateTime = text.parse().ok()?;
        Some(local.to_zoned(TimeZone::system()).ok()?.timestamp())
    });
    at.map(seconds)
}

/// What VMs are sorted by: "MEMORY", or the greatest first: "-MEMORY".
#[derive(Clone, Debug)]
pub struct SortKey {
    key: Key,
    descending: bool,
}

/// Where a VM stands by one key.
#[derive(Clone, Debug)]
pub(super) enum Rank {
    Number(f64),
    Text(String),
    Nothing,
}

impl SortKey {
    /// Reads a key.
    ///
    /// # Errors
    /// A sentence: there is no such column or field, with the nearest.
    pub fn parse(text: &str) -> Result<Self, String> {
        let name = text.strip_prefix('-');
        Ok(Self {
            key: Key::parse(name.unwrap_or(text))?,
            descending: name.is_some(),
        })
    }

    /// How closely a VM must be looked at to be sorted.
    #[must_use]
    pub fn needs(&self) -> Depth {
        self.key.needs()
    }

    pub(super) fn rank(&self, vm: &Vm, view: &View) -> Rank {
        let told = self.key.told(vm, view).into_iter().next();
        told.map_or(Rank::Nothing, Told::rank)
    }

    /// Numbers by their value; what is not known is the last in either direction.
    fn compare(&self, one: &Rank, other: &Rank, reverse: bool) -> Ordering {
        let order = match (one, other) {
            (Rank::Nothing, Rank::Nothing) => return Ordering::Equal,
            (Rank::Nothing, _) => return Ordering::Greater,
            (_, Rank::Nothing) => return Ordering::Less,
            (Rank::Number(one), Rank::Number(other)) => one.total_cmp(other),
            (Rank::Text(one), Rank::Text(other)) => one.cmp(other),
            (Rank::Number(_), Rank::Text(_)) => Ordering::Less,
            (Rank::Text(_), Rank::Number(_)) => Ordering::Greater,
        };
        if self.descending == reverse {
            order
        } else {
            order.reverse()
        }
    }
}

/// The places of VMs in their order, by their ranks. What is alike stays as it came.
pub(super) fn order(keys: &[SortKey], reverse: bool, ranks: &[Vec<Rank>]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..ranks.len()).collect();
    places.sort_by(|one, other| {
        let pairs = ranks[*one].iter().zip(&ranks[*other]);
        let orders = keys
            .iter()
            .zip(pairs)
            .map(|(key, (one, other))| key.compare(one, other, reverse));
        orders.fold(Ordering::Equal, Ordering::then)
    });
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::sample;
    use crate::render::text::at_width;

    fn vm(name: &str, memory: u64, status: &str) -> Vm {
        let text = format!(
            r#"{{"vmStatic": {{"name": "{name}", "memSizeMb": {memory}, "labels": {{"tier": "{name}"}}}},
            "vmDynamic": {{"status": "{status}", "statusReason": "user"}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_filter_says_how_a_column_or_a_field_is() {
        let view = at_width(None);
        for (text, is_met) in [
            ("STATE=Up", true),
            ("state=up (restored)", true),
            ("STATE=U*", true),
            ("STATE=Down", false),
            ("STATE!=Down", true),
            ("VCPUS=2", true),
            ("VCPUS>2", false),
            ("VCPUS>=2", true),
            ("VCPUS<10", true),
            ("MEMORY=2GiB", true),
            ("MEMORY>1G", true),
            ("MEMORY<512", false),
            ("MEMORY<=2048", true),
            ("STARTED>2020-01-01", true),
            ("STARTED<2020-01-01", false),
            ("NET%>5", false),
            ("AGENT=", false),
            ("vmDynamic.status=Up", true),
            ("vmDynamic.status!=Up", false),
            ("vmStatic.memSizeMb=2048", true),
            ("vmStatic.memSizeMb>1e3", true),
            ("vmStatic.images[].imagePath=*web-1*", true),
            ("vmStatic.images[].imagePath!=*web-1*", false),
            ("vmStatic.images[7].imagePath=", true),
            ("vmDynamic.asleep=false", true),
            ("vmDynamic.lastStartTime>2020-01-01", true),
        ] {
            let filter = Filter::parse(text).expect(text);
            assert_eq!(filter.is_met_by(&sample(), &view), is_met, "{text}");
        }
    }

    #[test]
    fn a_filter_of_nothing_is_told_with_the_nearest_right_word() {
        for (text, error) in [
            ("STAET=Up", "did you mean STATE or STARTED?"),
            ("vmDynamic.staus=Up", "did you mean 'status'?"),
            ("zzz=1", "columns are NAME, STATE"),
            ("STATE", "it is no filter"),
            ("=Up", "it is no filter"),
            ("STATE!Up", "it is no filter"),
            ("NAME=[", "is no pattern"),
            ("NAME>a", "NAME is text"),
            ("VCPUS>many", "'many' is no number"),
            ("VCPUS>NaN", "'NaN' is no number"),
            ("MEMORY>much", "is not a size"),
            ("STARTED>soon", "'soon' is no time"),
            ("vmStatic.memSizeMb>2GiB", "in its own unit"),
        ] {
            let found = Filter::parse(text).expect_err(text);
            assert!(found.contains(error), "{text}: {found}");
        }
    }

    #[test]
    fn numbers_are_sorted_by_their_value_and_what_is_unknown_comes_last() {
        let vms = [
            vm("a", 1024, "Up"),
            vm("b", 900, "Down"),
            serde_json::from_str(r#"{"vmStatic": {"name": "c"}}"#).unwrap(),
            vm("d", 10240, "Up"),
        ];
        let view = at_width(None);
        let sorted = |words: &[&str], reverse| {
            let keys: Vec<SortKey> = words
                .iter()
                .map(|word| SortKey::parse(word).expect(word))
                .collect();
            let ranks: Vec<Vec<Rank>> = vms
                .iter()
                .map(|vm| keys.iter().map(|key| key.rank(vm, &view)).collect())
                .collect();
            let names = order(&keys, reverse, &ranks)
                .into_iter()
                .map(|place| vms[place].name());
            names.collect::<String>()
        };
        for (words, reverse, names) in [
            (&["MEMORY"][..], false, "badc"),
            (&["-memory"], false, "dabc"),
            (&["MEMORY"], true, "dabc"),
            (&["vmStatic.memSizeMb"], false, "badc"),
            (&["STATE", "-NAME"], false, "bdac"),
            (&["STATE", "-NAME"], true, "cadb"),
            (&["CPU%"], false, "abcd"),
        ] {
            let found = sorted(words, reverse);
            // What has no state is "as defined".
            assert_eq!(found, names, "{words:?} {reverse}");
        }
    }
}
