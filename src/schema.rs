//! What the documents may hold, told to editors (JSON Schemas) and to people (the table of all
//! fields). Both are made from the entities and their documentation; the tests compare what is kept,
//! and overwrite it if `SNAPSHOTS=overwrite`.

use crate::entity::Vm;
use crate::report::{
    Answer, Change, Difference, Differences, Images, Line, ListedImage, OutcomeLine, Report,
    Setting, Settings,
};
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Names of types for people; an entity's or enumeration's is its own.
const WORDS: [(&str, &str); 8] = [
    ("Bytes", "bytes"),
    ("BytesPerSecond", "bytes per second"),
    ("Kibibytes", "KiB"),
    ("MemorySize", "MiB"),
    ("Milliseconds", "milliseconds"),
    ("Percent", "percent"),
    ("Seconds", "seconds"),
    ("Secret", "secret text"),
];

/// A UUID in any of the forms that are read.
const UUID: &str = concat!(
    r"^([0-9A-Fa-f]{32}|(urn:uuid:)?[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
    r"|\{[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\})$",
);

/// A name that libvirt allows; one that is empty is none, which may be so where there is a UUID.
const NAME: &str = r"^(?!\.{1,2}$)[^/\n\r\u0000]*$";

const INTRODUCTION: &str = "\
# Fields

This table is made from the documentation of the fields: `SNAPSHOTS=overwrite cargo test` renews it.

A path begins at the [`Vm`]: `[]` is each entry of a list, `*` each key of a map. An entity that stands at
several places has its rows at the first one. The sources are:

- a path such as `/domain/name`, or one that begins at a device's element: the XML of
  `virDomainGetXMLDesc`;
- a name with dots, such as `cpu.time` or `block.N.capacity`: a key of `virConnectGetAllDomainStats`;
- `virDomainGetGuestInfo`, with the names of its parameters: the QEMU guest agent's answer;
- another function of libvirt, by its name;
- `ovirt-vm:`: oVirt's element in `/domain/metadata`, which only a VM of oVirt's making has;
- metadata: vmlife's own element in `/domain/metadata`, of the namespace `urn:vmlife:vm:1`.

What cannot be known is absent.
";

/// The schema of one document of a definition file.
fn definition() -> Value {
    let settings = SchemaSettings::draft2020_12().for_deserialize();
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<Vm>()
        .to_value();
    tidy(&mut schema, &Contract::Read);
    schema["title"] = "vmlife: a definition of a VM".into();
    schema["description"] =
        "What names a VM, and says what it is made of. An editor with the YAML \
        language server checks and completes a definition whose first line is: \
        # yaml-language-server: $schema=definition.schema.json"
            .into();
    schema["anyOf"] = json!([{ "required": ["vmStatic"] }, { "required": ["VmStatic"] }]);
    schema["$defs"]["VmStatic"]["anyOf"] = json!([{ "required": ["name"], "properties": { "name": { "minLength": 1 } } }, { "required": ["id"] }]);
    schema["$defs"]["VmStatic"]["properties"]["name"]["pattern"] = NAME.into();
    schema["$defs"]["VmStatic"]["properties"]["managedDeviceMap"]["propertyNames"] =
        json!({ "pattern": UUID });
    schema["properties"]["diskMap"]["propertyNames"] = json!({ "pattern": UUID });
    schema
}

/// The schema of what `-o json` prints.
fn report() -> Value {
    let mut generator = SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator();
    let mut one_of = |schema: fn(&mut SchemaGenerator) -> schemars::Schema| schema(&mut generator);
    let acted = one_of(SchemaGenerator::subschema_for::<Report>);
    let shown = one_of(SchemaGenerator::subschema_for::<Answer<'_>>);
    let listed = one_of(SchemaGenerator::subschema_for::<Images<'_>>);
    let compared = one_of(SchemaGenerator::subschema_for::<Differences<'_>>);
    let set = one_of(SchemaGenerator::subschema_for::<Settings<'_>>);
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "vmlife: what -o json prints",
        "description": "The report of a verb that acts, the answer of show, the images or settings that it lists, or the differences that it found.",
        "oneOf": [acted, shown, listed, compared, set],
        "$defs": generator.take_definitions(true),
    });
    tidy(&mut schema, &Contract::Written);
    schema
}

/// The schema of a line of what `-o jsonl` prints.
fn line() -> Value {
    let mut generator = SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator();
    let mut one_of = |schema: fn(&mut SchemaGenerator) -> schemars::Schema| schema(&mut generator);
    let acted = one_of(SchemaGenerator::subschema_for::<OutcomeLine<'_>>);
    let shown = one_of(SchemaGenerator::subschema_for::<Line<'_, Vm>>);
    let listed = one_of(SchemaGenerator::subschema_for::<Line<'_, ListedImage>>);
    let compared = one_of(SchemaGenerator::subschema_for::<Line<'_, Difference>>);
    let set = one_of(SchemaGenerator::subschema_for::<Line<'_, Setting>>);
    let changed = one_of(SchemaGenerator::subschema_for::<Change>);
    let failed = one_of(SchemaGenerator::subschema_for::<Report>);
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "vmlife: a line of what -o jsonl prints",
        "description": "What became of a VM, a VM that is shown, an image or setting that is listed, a difference that was found, or a change that was watched; at last the report of a command that failed as a whole.",
        "oneOf": [acted, shown, listed, compared, set, changed, failed],
        "$defs": generator.take_definitions(true),
    });
    tidy(&mut schema, &Contract::Written);
    schema
}

/// Whether a document is read or written.
#[derive(PartialEq)]
enum Contract {
    Read,
    Written,
}

/// Makes a generated schema fit: aliases are read, and nulls are never written.
fn tidy(schema: &mut Value, contract: &Contract) {
    match schema {
        Value::Array(schemas) => schemas.iter_mut().for_each(|schema| tidy(schema, contract)),
        Value::Object(fields) => {
            if let Some(Value::String(text)) = fields.get_mut("description") {
                *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            }
            bound(fields);
            // Only these two formats are JSON Schema's own.
            let is_own = |format: &Value| format == "uuid" || format == "date-time";
            // A field may have that name, too.
            if fields
                .get("format")
                .is_some_and(|format| format.is_string() && !is_own(format))
            {
                fields.remove("format");
            }
            if *contract == Contract::Read && fields.get("format").is_some_and(|it| it == "uuid") {
                fields.remove("format");
                fields.insert("pattern".to_owned(), UUID.into());
            }
            // What a part begins with is told at its own fields.
            if fields.get("default").is_some_and(Value::is_object) {
                fields.remove("default");
            }
            if *contract == Contract::Written {
                without_null(fields);
            }
            if let Some(Value::Object(properties)) = fields.get_mut("properties") {
                name_aliases(properties, contract);
            }
            fields
                .values_mut()
                .for_each(|schema| tidy(schema, contract));
        }
        _ => {}
    }
}

/// A format that says how many bits a number has becomes bounds, which every validator knows.
fn bound(schema: &mut Map<String, Value>) {
    let bounds = match schema.get("format").and_then(Value::as_str) {
        Some("uint8") => (0, u8::MAX.into()),
        Some("uint16") => (0, u16::MAX.into()),
        Some("uint32") => (0, u32::MAX.into()),
        Some("int32") => (i32::MIN.into(), i32::MAX.into()),
        _ => return,
    };
    for (name, bound) in [("minimum", bounds.0), ("maximum", bounds.1)] {
        let bound: i64 = bound;
        schema
            .entry(name.to_owned())
            .or_insert_with(|| bound.into());
    }
}

fn without_null(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [one] = types.as_slice() {
            schema["type"] = one.clone();
        }
    }
    if let Some(Value::Array(forms)) = schema.get_mut("anyOf") {
        forms.retain(|form| form["type"] != "null");
        if let [Value::Object(one)] = forms.as_slice() {
            let one = one.clone();
            schema.remove("anyOf");
            schema.extend(one);
        }
    }
    if schema.get("default") == Some(&Value::Null) {
        schema.remove("default");
    }
}

/// Older and misspelt names that serde reads stand beside the right ones, as deprecated.
fn name_aliases(properties: &mut Map<String, Value>, contract: &Contract) {
    let mut aliases = Map::new();
    for (name, property) in properties
        .iter_mut()
        .filter(|(_, property)| property.is_object())
    {
        let attributes = property
            .as_object_mut()
            .expect("a schema")
            .shift_remove("attributes");
        for attribute in attributes
            .iter()
            .flat_map(|all| all.as_array().into_iter().flatten())
        {
            let text = attribute.as_str().expect("an attribute's text");
            if !text.starts_with("serde") {
                continue;
            }
            for alias in text.split("alias = \"").skip(1) {
                let alias = alias.split('"').next().expect("an alias");
                let mut schema = property.clone();
                schema["description"] = format!("Another name of `{name}`.").into();
                schema["deprecated"] = true.into();
                aliases.insert(alias.to_owned(), schema);
            }
        }
    }
    if *contract == Contract::Read {
        properties.extend(aliases);
    }
}

/// A field of the model.
struct Field {
    /// The entity that has it.
    entity: String,
    /// Where it stands, from the VM on.
    path: String,
    /// Its type, for people.
    kind: String,
    /// What it means.
    meaning: String,
    /// Where its value comes from.
    source: String,
}

/// Every field of every entity, at the first place of that entity.
fn fields() -> Vec<Field> {
    let schema = report();
    let mut fields = Vec::new();
    for (entity, places) in entities(&schema) {
        for (name, property) in properties(&schema, &entity) {
            let text = property["description"].as_str().unwrap_or_default();
            let (meaning, source) = text.split_once("Source: ").unwrap_or((text, ""));
            fields.push(Field {
                path: below(&places[0], name),
                kind: words_of(property),
                meaning: meaning.trim().to_owned(),
                source: source.trim_end_matches('.').to_owned(),
                entity: entity.clone(),
            });
        }
    }
    fields
}

/// The entities in the order of their first places, each with all its places.
fn entities(schema: &Value) -> Vec<(String, Vec<String>)> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    let mut next = VecDeque::from([("Vm".to_owned(), String::new())]);
    while let Some((entity, place)) = next.pop_front() {
        if let Some((_, places)) = found.iter_mut().find(|(name, _)| *name == entity) {
            places.push(place);
            continue;
        }
        for (name, property) in properties(schema, &entity) {
            let (inner, steps) = inside(property);
            if let Some(inner) = reference(inner).filter(|inner| is_entity(schema, inner)) {
                next.push_back((inner.to_owned(), below(&place, name) + &steps));
            }
        }
        found.push((entity, vec![place]));
    }
    found
}

fn below(place: &str, name: &str) -> String {
    let dot = if place.is_empty() { "" } else { "." };
    format!("{place}{dot}{name}")
}

fn properties<'a>(
    schema: &'a Value,
    entity: &str,
) -> impl Iterator<Item = (&'a String, &'a Value)> {
    let properties = schema["$defs"][entity]["properties"].as_object();
    properties.into_iter().flatten()
}

fn is_entity(schema: &Value, name: &str) -> bool {
    schema["$defs"][name]["properties"].is_object()
}

fn reference(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.strip_prefix("#/$defs/")
}

/// What lists and maps hold in the end, and the steps into them.
fn inside(schema: &Value) -> (&Value, String) {
    let (next, step) = match (schema.get("items"), of_map(schema)) {
        (Some(entry), _) => (entry, "[]"),
        (_, Some(value)) => (value, ".*"),
        _ => return (schema, String::new()),
    };
    let (inner, steps) = inside(next);
    (inner, step.to_owned() + &steps)
}

/// What the values of a map are.
fn of_map(schema: &Value) -> Option<&Value> {
    let patterns = schema.get("patternProperties").and_then(Value::as_object);
    let others = schema
        .get("additionalProperties")
        .filter(|others| others.is_object());
    patterns
        .and_then(|patterns| patterns.values().next())
        .or(others)
}

/// A type for people.
fn words_of(schema: &Value) -> String {
    if let Some(name) = reference(schema) {
        let words = WORDS.iter().find(|(known, _)| *known == name);
        // The name of one that has documentation of its own is a link to it.
        return words.map_or_else(|| format!("[`{name}`]"), |(_, words)| (*words).to_owned());
    }
    if let Some(entry) = schema.get("items") {
        let kind = if schema["uniqueItems"] == true {
            "set"
        } else {
            "list"
        };
        return format!("{kind} of {}", words_of(entry));
    }
    if let Some(value) = of_map(schema) {
        return format!("map of {}", words_of(value));
    }
    let kind = schema["type"].as_str().unwrap_or_default();
    match (kind, schema["format"].as_str()) {
        ("string", Some("uuid")) => "UUID".to_owned(),
        ("string", Some("date-time")) => "time".to_owned(),
        ("string", _) => "text".to_owned(),
        ("integer" | "number", _) => "number".to_owned(),
        ("boolean", _) => "yes or no".to_owned(),
        _ => panic!("no words for {schema}"),
    }
}

/// The sources of an entity's fields, by their names.
pub(crate) fn sources(entity: &str) -> BTreeMap<String, String> {
    let of_entity = fields().into_iter().filter(|field| field.entity == entity);
    of_entity
        .map(|field| {
            let name = field.path.rsplit('.').next().expect("a name").to_owned();
            (name, field.source)
        })
        .collect()
}

/// The table of all fields, and the words of the enumerations.
fn table() -> String {
    let schema = report();
    let fields = fields();
    let mut text = INTRODUCTION.to_owned();
    for (entity, places) in entities(&schema) {
        text += &format!("\n## {entity}\n\n");
        if !places[0].is_empty() {
            let places: Vec<String> = places.iter().map(|place| format!("`{place}`")).collect();
            text += &format!("At {}.\n\n", places.join(", "));
        }
        text += "| path | type | meaning | source |\n|---|---|---|---|\n";
        for field in fields.iter().filter(|field| field.entity == entity) {
            let cells = [&field.kind, &field.meaning, &field.source];
            let cells = cells.map(|cell| cell.replace('|', "\\|")).join(" | ");
            text += &format!("| `{}` | {cells} |\n", field.path);
        }
    }
    text += "\n## Words\n\nThey are read whatever their case, and so are oVirt's numbers. Where oVirt's words are not all \
             that can be, another one is written as `Unknown(word)`.\n\n| type | words |\n|---|---|\n";
    for (name, schema) in schema["$defs"].as_object().expect("definitions") {
        let open = schema["anyOf"][0]["enum"].as_array();
        let words = open.or(schema["enum"].as_array());
        // The kinds of a report's end are not the model's.
        if let Some(words) = words.filter(|_| name != "Kind") {
            let words: Vec<_> = words.iter().filter_map(Value::as_str).collect();
            text += &format!("| {name} | `{}` |\n", words.join("`, `"));
        }
    }
    text
}

mod tests {
    use super::*;
    use crate::definition;
    use crate::entity::*;
    use std::fs;
    use std::path::Path;

    fn project() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR"))
    }

    /// The lines of a list that is kept beside the tests, in their columns.
    fn kept_list(name: &str) -> Vec<Vec<String>> {
        let text = fs::read_to_string(project().join("tests").join(name)).expect(name);
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .map(|line| line.split('\t').map(str::to_owned).collect())
            .collect()
    }

    fn validator(schema: &Value) -> jsonschema::Validator {
        let options = jsonschema::options().should_validate_formats(true);
        options.build(schema).expect("a schema")
    }

    /// What is wrong with a document, by a schema.
    fn flaws(validator: &jsonschema::Validator, document: &Value) -> Vec<String> {
        let errors = validator.iter_errors(document);
        errors
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect()
    }

    #[test]
    fn what_is_kept_is_what_the_entities_say() {
        let pretty = |schema: &Value| serde_json::to_string_pretty(schema).expect("JSON") + "\n";
        for (name, made) in [
            ("examples/definition.schema.json", pretty(&definition())),
            ("examples/report.schema.json", pretty(&report())),
            ("examples/line.schema.json", pretty(&line())),
            ("src/entity/fields.md", table()),
        ] {
            let file = project().join(name);
            if std::env::var_os("SNAPSHOTS").is_some_and(|wish| wish == "overwrite") {
                fs::write(&file, &made).expect("the file can be written");
            }
            let kept = fs::read_to_string(&file).unwrap_or_default();
            assert!(
                kept == made,
                "{name} is out of date: run the tests with SNAPSHOTS=overwrite"
            );
        }
    }

    #[test]
    fn every_definition_that_is_kept_fits_the_schema() {
        let validator = validator(&definition());
        let mut count = 0;
        for folder in ["examples", "tests/corpus/yaml"] {
            for entry in fs::read_dir(project().join(folder)).into_iter().flatten() {
                let path = entry.expect("an entry").path();
                if path.extension().is_none_or(|ending| ending != "yaml")
                    || path.ends_with("config.yaml")
                {
                    continue;
                }
                let text = fs::read_to_string(&path).expect("text");
                for document in
                    definition::yaml_values(&text).filter(|document| !document.is_null())
                {
                    assert_eq!(flaws(&validator, &document), [""; 0], "{}", path.display());
                    count += 1;
                }
                let is_example = folder == "examples";
                let editor = "# yaml-language-server: $schema=definition.schema.json\n";
                assert!(
                    !is_example || text.starts_with(editor),
                    "{}",
                    path.display()
                );
            }
        }
        assert!(count > 0);
    }

    #[test]
    fn a_vm_that_says_all_it_can_fits_both_schemas() {
        let schema = report();
        let mut vm = json!({});
        for field in fields() {
            let sample = sample(&schema, &property(&schema, &field.path));
            put(&mut vm, &field.path, sample);
        }
        let vm: Vm = serde_json::from_value(vm).expect("every field can be read");
        let written = serde_json::to_value(&vm).expect("JSON");
        assert_eq!(flaws(&validator(&definition()), &written), [""; 0]);
        let answer = Answer {
            schema_version: Report::SCHEMA_VERSION,
            vms: &[vm],
        };
        let answer = serde_json::to_value(&answer).expect("JSON");
        assert_eq!(flaws(&validator(&report()), &answer), [""; 0]);
    }

    #[test]
    fn both_schemas_take_words_as_the_program_does() {
        let validator = validator(&definition());
        for word in ["Spice", "vnc", "Unknown(sdl)", "VNC"]
            .map(Value::from)
            .into_iter()
            .chain([json!(1)])
        {
            let document = json!({ "vmStatic": { "name": "a", "graphicsTypes": [word], "memSizeMb": 1.5,
                "images": [{ "volumeFormat": "qcow2" }] } });
            assert_eq!(flaws(&validator, &document), [""; 0]);
            serde_json::from_value::<Vm>(document).expect("the program reads it");
        }
    }

    #[test]
    fn what_the_program_refuses_the_schema_refuses() {
        let validator = validator(&definition());
        for wrong in [
            json!({}),
            json!({ "vmStatic": {} }),
            json!({ "vmStatic": { "name": "a", "memSizeMB": 5 } }),
            json!({ "vmStatic": { "name": "a", "memSizeMb": "much" } }),
            json!({ "vmStatic": { "name": "a", "id": "17" } }),
            json!({ "vmStatic": { "name": "a", "id": "{6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a11" } }),
            json!({ "vmStatic": { "name": "a", "id": "6f2b1d0e-5b0e4d0e-9d53-0c7f7b7d2a11" } }),
            json!({ "vmStatic": { "name": "" } }),
            json!({ "vmStatic": { "name": "a/b" } }),
            json!({ "vmStatic": { "name": ".." } }),
            json!({ "vmStatic": { "name": "a\nb" } }),
            json!({ "vmStatic": { "name": "a", "priority": 500 } }),
            json!({ "vmStatic": { "name": "a", "numOfSockets": 5_000_000_000_u64 } }),
            json!({ "vmStatic": { "name": "a", "numOfSockets": -1 } }),
            json!({ "vmStatic": { "name": "a", "osId": 3_000_000_000_u64 } }),
            json!({ "vmStatic": { "name": "a", "managedDeviceMap": { "x": {} } } }),
            json!({ "vmStatic": { "name": "a" }, "diskMap": { "x": {} } }),
            json!({ "vmStatic": { "name": "a", "images": [{ "volumeFormat": "COWS" }] } }),
            json!({ "vmStatic": { "name": "a", "images": {} } }),
            json!({ "vmStatic": { "name": "a" }, "vmDynamic": { "status": "Unknown(x)" } }),
            json!({ "vmStatic": { "name": "a" }, "vmDynamic": { "graphicsInfos": { "sdl": {} } } }),
        ] {
            assert_ne!(flaws(&validator, &wrong), [""; 0], "{wrong}");
            let text = crate::definition::to_yaml(&wrong);
            definition::parse("f", &text).expect_err(&text);
        }
    }

    #[test]
    fn a_report_fits_its_schema_and_another_thing_does_not() {
        use crate::plan::{Step, Verb};
        use crate::report::{Failure, Kind, Outcome, VmRef};
        let vm = || VmRef {
            host: None,
            name: "web".to_owned(),
            id: Some(uuid::Uuid::nil()),
        };
        let failure = || {
            Failure::new(Kind::Cancelled(2), "no")
                .hint("wait")
                .because(&"he")
                .warned(vec!["!".to_owned()])
        };
        let mut done = Outcome::done(vm(), "saved");
        (done.step, done.status, done.seconds) =
            (Some(Step::Save), Some(VmStatus::Suspended), Some(0.5));
        (done.image, done.size_bytes) = (Some("/v".into()), Some(7));
        let report_of = |results| Report {
            results,
            ..Report::of_failure(Verb::Hibernate, failure())
        };
        let written = serde_json::to_value(report_of(vec![done, Outcome::failed(vm(), failure())]));
        let written = written.expect("JSON");
        let validator = validator(&report());
        assert_eq!(flaws(&validator, &written), [""; 0]);
        for (name, value) in [
            ("verb", json!("sleep")),
            ("results", json!(5)),
            ("dryRun", Value::Null),
        ] {
            let mut wrong = written.clone();
            wrong[name] = value;
            assert_ne!(flaws(&validator, &wrong), [""; 0], "{name}");
        }
    }

    #[test]
    fn every_form_of_a_uuid_that_is_read_fits_and_no_other() {
        let validator = validator(&definition());
        let plain = "6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a11";
        let bare = plain.replace('-', "");
        for id in [
            plain.to_owned(),
            plain.to_uppercase(),
            bare.clone(),
            format!("{{{plain}}}"),
            format!("urn:uuid:{plain}"),
            format!("urn:uuid:{bare}"),
            format!("{{{bare}}}"),
            format!("{plain}}}"),
            format!("urn:uuid:{{{plain}}}"),
        ] {
            let document = json!({ "vmStatic": { "name": "", "id": id } });
            let is_read = serde_json::from_value::<Vm>(document.clone()).is_ok();
            assert_eq!(flaws(&validator, &document).is_empty(), is_read, "{id}");
        }
    }

    #[test]
    fn the_older_names_are_known_as_such() {
        let schema = definition();
        let entities = schema["$defs"].as_object().expect("entities").values();
        let all: Vec<(&str, &Value)> = entities
            .chain([&schema])
            .filter_map(|entity| entity["properties"].as_object())
            .flatten()
            .map(|(name, property)| (name.as_str(), property))
            .collect();
        let is_older = |property: &Value| property["deprecated"] == true;
        let right: BTreeSet<&str> = all
            .iter()
            .filter(|(_, property)| !is_older(property))
            .map(|(name, _)| *name)
            .collect();
        let older: BTreeSet<(&str, &str)> = all
            .iter()
            .filter(|(name, property)| is_older(property) && !right.contains(name))
            .map(|(name, property)| {
                let words = property["description"].as_str().expect("a description");
                (*name, words.split('`').nth(1).expect("the right name"))
            })
            .collect();
        assert!(definition::OLDER_NAMES.iter().eq(&older), "{older:#?}");
    }

    #[test]
    fn every_field_has_a_meaning_and_a_source() {
        for field in fields() {
            assert!(!field.meaning.is_empty(), "{} has no meaning", field.path);
            assert!(!field.source.is_empty(), "{} has no source", field.path);
        }
    }

    #[test]
    fn every_field_of_ovirt_has_a_home_here_and_its_older_names_load() {
        let (fields, schema) = (fields(), report());
        let validator = validator(&definition());
        for line in kept_list("seed-fields.txt") {
            let [seed, path] = line.as_slice() else {
                panic!("{line:?} is not a name and a path")
            };
            assert!(
                fields.iter().any(|field| field.path == *path),
                "{seed}: there is no {path}"
            );
            let (Some((_, older)), name) = (seed.rsplit_once('.'), path.rsplit('.').next()) else {
                continue;
            };
            if Some(older) == name {
                continue;
            }
            let older_path = match path.rsplit_once('.') {
                Some((place, _)) => format!("{place}.{older}"),
                None => older.to_owned(),
            };
            let value = sample(&schema, &property(&schema, path));
            let load = |path: &str| {
                let mut document = json!({});
                put(&mut document, path, value.clone());
                let configured = if document.get("VmStatic").is_some() {
                    "VmStatic"
                } else {
                    "vmStatic"
                };
                put(&mut document, &format!("{configured}.name"), "a".into());
                assert_eq!(flaws(&validator, &document), [""; 0], "{seed}");
                serde_json::from_value::<Vm>(document)
                    .unwrap_or_else(|error| panic!("{seed}: {error}"))
            };
            assert_eq!(load(&older_path), load(path), "{seed}");
        }
    }

    /// The schema of a field of the model.
    fn property(schema: &Value, path: &str) -> Value {
        let mut place = json!({ "$ref": "#/$defs/Vm" });
        for step in path.split('.') {
            let (name, is_list) = list_step(step);
            place = match name {
                "*" => of_map(&place).expect("a map").clone(),
                name => resolve(schema, &place)["properties"][name].clone(),
            };
            if is_list {
                place = place["items"].clone();
            }
        }
        assert!(!place.is_null(), "there is no {path}");
        place
    }

    fn list_step(step: &str) -> (&str, bool) {
        step.strip_suffix("[]")
            .map_or((step, false), |name| (name, true))
    }

    /// What a reference stands for, and the first of several forms.
    fn resolve(schema: &Value, place: &Value) -> Value {
        let place = reference(place).map_or(place, |name| &schema["$defs"][name]);
        place.get("anyOf").map_or(place, |forms| &forms[0]).clone()
    }

    /// Some value that fits.
    fn sample(schema: &Value, place: &Value) -> Value {
        let place = resolve(schema, place);
        let kind = place["type"].as_str();
        if let Some(words) = place["enum"].as_array() {
            return words.last().expect("a word").clone();
        }
        match (kind, place["format"].as_str()) {
            (Some("string"), Some("uuid")) => "6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a11".into(),
            (Some("string"), Some("date-time")) => "2026-01-02T03:04:05Z".into(),
            (Some("string"), _) if place.get("pattern").is_some() => {
                "6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a11@6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a12".into()
            }
            (Some("string"), _) => "text".into(),
            (Some("number"), _) => 1.5.into(),
            (Some("integer"), _) => 7.into(),
            (Some("boolean"), _) => true.into(),
            (Some("array"), _)
                if reference(&place["items"]).is_some_and(|name| is_entity(schema, name)) =>
            {
                json!([])
            }
            (Some("array"), _) => json!([sample(schema, &place["items"])]),
            (Some("object"), _) => json!({}),
            _ => panic!("no sample of {place}"),
        }
    }

    /// Puts a value at a path; a map gets a key that fits.
    fn put(document: &mut Value, path: &str, value: Value) {
        let mut place = document;
        let mut walked = String::new();
        for step in path.split('.') {
            let (name, is_list) = list_step(step);
            let key = match name {
                "*" if walked.ends_with("graphicsInfos") => "VNC",
                "*" => "6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a11",
                name => name,
            };
            place = &mut place[key];
            walked += name;
            if is_list {
                if place.get(0).is_none() {
                    *place = json!([{}]);
                }
                place = &mut place[0];
            }
        }
        if place.is_null() {
            *place = value;
        }
    }

    #[test]
    fn every_enumeration_of_ovirt_has_its_values_and_numbers() {
        macro_rules! values {
            ($($name:ident)+) => {
                BTreeMap::from([$((
                    stringify!($name),
                    $name::ALL.iter().map(|value| (value.word().to_owned(), Option::<i32>::from(value.code()))).collect::<Vec<_>>(),
                )),+])
            };
        }
        let all = values! {
            ArchitectureType BiosType BootSequence CloudInitNetworkProtocol ConsoleDisconnectAction
            CpuPinningPolicy DiskBackup DiskBackupMode DiskContentType DiskInterface DiskStorageType
            DisplayType GraphicsType GuestAgentStatus ImageStatus InitializationType InterfaceStatus
            Ipv4BootProtocol Ipv6BootProtocol MigrationSupport NumaTuneMode OriginType OsType
            PropagateErrors QcowCompat QuotaEnforcementTypeEnum ScsiGenericIO SerialNumberPolicy
            SessionState SnapshotStatus SnapshotType SsoMethod UsbPolicy VmDeviceGeneralType
            VmEntityType VmExitReason VmExitStatus VmInterfaceType VmPauseStatus VmResumeBehavior
            VmStatus VmType VolumeClassification VolumeFormat VolumeType
        };
        let mut count = 0;
        for line in kept_list("seed-enums.txt") {
            let [name, code, word] = line.as_slice() else {
                panic!("{line:?} has not three columns")
            };
            let values = all
                .get(name.as_str())
                .unwrap_or_else(|| panic!("there is no {name}"));
            let found = values.iter().find(|(known, _)| known == word);
            let (_, found) = found.unwrap_or_else(|| panic!("{name} has no {word}"));
            assert_eq!(
                *found,
                Some(code.parse().expect("a number")),
                "{name} {word}"
            );
            count += 1;
        }
        assert_eq!(
            count,
            all.values().map(Vec::len).sum::<usize>(),
            "the list is whole"
        );
    }
}
