//! Definitions in libvirt's XML: no text may make the reader panic, what `show -o yaml` would print of it
//! loads again, and what is written back unchanged keeps its bytes, also by way of YAML.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmlife::definition::{parse, read_domain, redact, to_yaml, update};

fuzz_target!(|text: &str| {
    if !text.trim_start().starts_with('<') {
        return; // the other target's
    }
    for definition in parse("/v/vm.xml", text).unwrap_or_default() {
        let vm = definition.vm;
        let written = to_yaml(&vm);
        let again = parse("/v/vm.yaml", &written).expect(&written).remove(0).vm;
        assert_eq!(update(text, &vm).expect("it was read"), text);
        // A path that is relative is another one in another file.
        if to_yaml(&again) == written {
            assert_eq!(update(text, &again).expect("it was read"), text, "{written}");
        }
        let mut edited = vm.clone();
        edited.vm_static.description = "edited".to_owned();
        edited.vm_static.priority = 42;
        let update = update(text, &edited).expect("it was read");
        let read = read_domain(&update).expect(&update);
        assert_eq!(read.vm_static.description, "edited", "{update}");
        assert_eq!(read.vm_static.priority, 42, "{update}");
        redact(text).expect("it was read");
    }
});
