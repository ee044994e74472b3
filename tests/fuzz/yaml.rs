//! Definitions in YAML: no text may make the reader panic; what it takes can be written and is then
//! the same, and what becomes domain XML of it is XML.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmlife::definition::{parse, read_domain, to_yaml};

fuzz_target!(|text: &str| {
    if text.trim_start().starts_with('<') {
        return; // the other target's
    }
    for definition in parse("/v/vm.yaml", text).unwrap_or_default() {
        let written = to_yaml(&definition.vm);
        let again = parse("/v/vm.yaml", &written).expect(&written);
        assert_eq!(again[0].vm, definition.vm, "{written}");
        if let Ok(xml) = definition.domain_xml() {
            read_domain(&xml).expect(&xml);
        }
    }
});
