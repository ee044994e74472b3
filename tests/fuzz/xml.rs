//! Definitions in libvirt's XML: no text may make the reader panic, and what `show -o yaml` would
//! print of it loads again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmlife::definition::{parse, to_yaml};

fuzz_target!(|text: &str| {
    if !text.trim_start().starts_with('<') {
        return; // the other target's
    }
    for definition in parse("/v/vm.xml", text).unwrap_or_default() {
        let written = to_yaml(&definition.vm);
        let again = parse("/v/vm.yaml", &written).expect(&written);
        assert_eq!(again[0].vm.name(), definition.vm.name(), "{written}");
        assert_eq!(again[0].vm.id(), definition.vm.id(), "{written}");
    }
});
