//! The keys of a definition, out of the schema that is made from the entities' documentation.

use super::roff::{Page, bold, italic};
use anyhow::Context;
use serde_json::{Map, Value};
use std::collections::{HashSet, VecDeque};

const SCHEMA: &str = include_str!("../definition.schema.json");

/// What of a document is told to libvirt; the rest is observed.
const CONFIGURED: [&str; 2] = ["vmStatic", "vmPayload"];

/// Writes all keys, in the order of the entities: what is configured first.
pub(crate) fn write(page: &mut Page) -> anyhow::Result<()> {
    let schema: Value = serde_json::from_str(SCHEMA).context("the schema is no JSON")?;
    let document = &schema["properties"];
    page.section("Keys of a document");
    keys(page, &schema, document, false);
    page.section("What is configured");
    let mut told = HashSet::new();
    for name in CONFIGURED {
        entities(page, &schema, name, &document[name], &mut told);
    }
    page.section("What is observed");
    page.markdown("`vmlife show -o yaml` and `-o json` print these. A definition may hold them; nothing of them is told to libvirt.");
    for (name, property) in document.as_object().into_iter().flatten() {
        entities(page, &schema, name, property, &mut told);
    }
    Ok(())
}

/// The entity at a place and those below it, each once.
fn entities(
    page: &mut Page,
    schema: &Value,
    place: &str,
    property: &Value,
    told: &mut HashSet<String>,
) {
    let mut next = VecDeque::from([(place.to_owned(), property.clone())]);
    while let Some((place, property)) = next.pop_front() {
        let (inner, steps) = inside(&property);
        let Some(entity) =
            reference(inner).filter(|name| schema["$defs"][name]["properties"].is_object())
        else {
            continue;
        };
        if property["deprecated"] == true || !told.insert(entity.to_owned()) {
            continue;
        }
        let place = place + &steps;
        let definition = &schema["$defs"][entity];
        page.subsection(&place);
        page.markdown(definition["description"].as_str().unwrap_or_default());
        let is_device = ["DiskImage", "VmNetworkInterface"].contains(&entity);
        keys(page, schema, &definition["properties"], is_device);
        let below = definition["properties"].as_object().into_iter().flatten();
        next.extend(below.map(|(name, property)| (format!("{place}.{name}"), property.clone())));
    }
}

fn keys(page: &mut Page, schema: &Value, properties: &Value, is_device: bool) {
    let properties = properties.as_object();
    let is_older = |property: &Value| property["deprecated"] == true;
    for (name, property) in properties
        .into_iter()
        .flatten()
        .filter(|(_, property)| !is_older(property))
    {
        let text = property["description"].as_str().unwrap_or_default();
        let (meaning, source) = text.split_once("Source: ").unwrap_or((text, ""));
        let mut text = meaning.trim().to_owned();
        if let Some(words) = words(schema, property) {
            text += &format!(" One of `{}`.", words.join("`, `"));
        }
        if let Some(default) = default(property) {
            text += &format!(" Default: `{default}`.");
        }
        if is_device && is_observed(source) {
            text += " It is observed, and not told to libvirt.";
        }
        if !source.is_empty() {
            text += &format!("\n\nIn libvirt: {source}");
        }
        let others = older_names(properties, name);
        if !others.is_empty() {
            text += &format!("\n\nAlso read as `{}`.", others.join("`, `"));
        }
        let kind = italic(&kind(schema, property));
        page.tagged(&format!("{}: {kind}", bold(name)), &text);
    }
}

/// Of a disk or network card that is what has its home neither in its XML nor in metadata. The unit tests hold the
/// library's own list of these to the same rule.
fn is_observed(source: &str) -> bool {
    let mut places = source.split('`').skip(1).step_by(2);
    let is_written = places.any(|place| {
        let is_of_device = place.starts_with("disk/") || place.starts_with("interface/");
        is_of_device && !place.starts_with("disk/backingStore")
    });
    !is_written && !source.contains("metadata")
}

fn older_names<'a>(properties: Option<&'a Map<String, Value>>, name: &str) -> Vec<&'a str> {
    let told = format!("Another name of `{name}`.");
    let others = properties.into_iter().flatten();
    let others = others.filter(|(_, property)| property["description"] == *told);
    others.map(|(other, _)| other.as_str()).collect()
}

/// A property without the choice to be null.
fn bare(property: &Value) -> &Value {
    let forms = property["anyOf"].as_array();
    let form = forms.and_then(|forms| forms.iter().find(|form| form["type"] != "null"));
    form.unwrap_or(property)
}

fn reference(property: &Value) -> Option<&str> {
    bare(property)["$ref"].as_str()?.strip_prefix("#/$defs/")
}

/// What lists and maps hold in the end, and the steps into them.
fn inside(property: &Value) -> (&Value, String) {
    let (next, step) = match (property.get("items"), of_map(property)) {
        (Some(entry), _) => (entry, "[]"),
        (_, Some(value)) => (value, ".KEY"),
        _ => return (property, String::new()),
    };
    let (inner, steps) = inside(next);
    (inner, step.to_owned() + &steps)
}

fn of_map(property: &Value) -> Option<&Value> {
    let patterns = property["patternProperties"].as_object();
    let others = property
        .get("additionalProperties")
        .filter(|others| others.is_object());
    patterns
        .and_then(|patterns| patterns.values().next())
        .or(others)
}

/// The words that a property takes, itself or each of its entries.
fn words<'a>(schema: &'a Value, property: &'a Value) -> Option<Vec<&'a str>> {
    let definition = &schema["$defs"][reference(inside(property).0)?];
    let listed = definition["enum"]
        .as_array()
        .or(bare(definition)["enum"].as_array())?;
    Some(listed.iter().filter_map(Value::as_str).collect())
}

/// What a property is if it is left out; `None` if it is absent then.
fn default(property: &Value) -> Option<String> {
    match (&property["default"], property["type"].as_str()) {
        (Value::String(word), _) => Some(word.clone()),
        (Value::Null, Some("boolean")) => Some("false".to_owned()),
        (Value::Null, Some("integer")) => Some("0".to_owned()),
        (Value::Null, _) => None,
        (other, _) => Some(other.to_string()),
    }
}

/// A property's type and unit.
fn kind(schema: &Value, property: &Value) -> String {
    if let Some(entry) = property.get("items") {
        let kind = kind(schema, entry);
        return format!("list, each {kind}");
    }
    if let Some(value) = of_map(property) {
        return format!("map, each {}", kind(schema, value));
    }
    if let Some(name) = reference(property) {
        let definition = &schema["$defs"][name];
        // Numbers with a unit, and secrets, say it themselves: "A number of MiB."
        let told = definition["description"].as_str();
        return match told.filter(|_| !definition["properties"].is_object()) {
            Some(told) => told
                .split(['.', ';'])
                .next()
                .unwrap_or_default()
                .replacen("A ", "a ", 1),
            None if definition["properties"].is_object() => "a map of the keys below".to_owned(),
            None => "a word".to_owned(),
        };
    }
    let property = bare(property);
    let types = property["type"]
        .as_array()
        .and_then(|types| types.first())
        .unwrap_or(&property["type"]);
    let is_uuid = property["pattern"]
        .as_str()
        .is_some_and(|pattern| pattern.contains("urn:uuid"));
    let kind = match (types.as_str(), property["format"].as_str()) {
        (Some("string"), _) if is_uuid => "a UUID",
        (Some("string"), Some("date-time")) => "a time",
        (Some("integer" | "number"), _) => "a number",
        (Some("boolean"), _) => "true or false",
        _ => "text",
    };
    match (property["minimum"].as_i64(), property["maximum"].as_i64()) {
        // Wider bounds are only those of what a computer can hold.
        (Some(least), Some(most)) if most < 1000 => format!("{kind}, {least} to {most}"),
        _ => kind.to_owned(),
    }
}
