//! Events for programs: a line of JSON each, on standard error.

use crate::report::{Event, Outcome, Progress, Report, VmRef};
use serde::Serialize;

/// An event, or words that are none.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventLine<'a> {
    schema_version: u32,
    event: &'static str,
    /// How many VMs there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    vms: Option<usize>,
    /// Whose it is: `name`, `id`, and `host` if there are several.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    vm: Option<&'a VmRef>,
    /// What libvirt is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    call: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    passed_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    written_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    /// The same as an element of `results`.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'a Outcome>,
}

impl<'a> EventLine<'a> {
    fn new(event: &'static str) -> Self {
        Self {
            schema_version: Report::SCHEMA_VERSION,
            event,
            ..Self::default()
        }
    }

    fn about(event: &'static str, vm: &'a VmRef) -> Self {
        Self {
            vm: Some(vm),
            ..Self::new(event)
        }
    }

    fn how_far(event: &'static str, vm: &'a VmRef, progress: Progress) -> Self {
        Self {
            total_bytes: Some(progress.total),
            passed_bytes: Some(progress.passed),
            written_bytes: Some(progress.written),
            ..Self::about(event, vm)
        }
    }

    /// Words for people, which somebody may want to keep.
    pub(super) fn words(text: &'a str) -> Self {
        Self {
            text: Some(text),
            ..Self::new("message")
        }
    }
}

impl<'a> From<Event<'a>> for EventLine<'a> {
    fn from(event: Event<'a>) -> Self {
        let told = |event, vm, text| Self {
            text: Some(text),
            ..Self::about(event, vm)
        };
        match event {
            Event::Begun(vms) => Self {
                vms: Some(vms),
                ..Self::new("begun")
            },
            Event::Started(vm, step) => Self {
                call: Some(step.call()),
                ..Self::about("started", vm)
            },
            Event::Progress(vm, progress) => Self::how_far("progress", vm, progress),
            Event::Checking(vm, progress) => Self::how_far("checking", vm, progress),
            Event::Finishing(vm) => Self::about("finishing", vm),
            Event::Unchecked(vm, text) => told("unchecked", vm, text),
            Event::Chosen(vm, text) => told("chosen", vm, text),
            Event::Cancelling(vm, text) => told("cancelling", vm, text),
            Event::Silent(vm, time) => Self {
                seconds: Some(time.as_secs_f64()),
                ..Self::about("silent", vm)
            },
            Event::Reconnecting(vm) => Self::about("reconnecting", vm),
            Event::Waiting(vm, text) => told("waiting", vm, text),
            Event::Hook(vm, text) => told("hook", vm, text),
            Event::Over(vm) => Self::about("over", vm),
            Event::Finished(outcome) => Self {
                outcome: Some(outcome),
                ..Self::about("finished", &outcome.vm)
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Step;
    use serde_json::json;

    #[test]
    fn an_event_has_what_it_is_about_and_no_more() {
        let vm = VmRef {
            host: None,
            name: "web".to_owned(),
            id: None,
        };
        let line = |event| serde_json::to_value(EventLine::from(event)).unwrap();
        assert_eq!(
            line(Event::Started(&vm, Step::Save)),
            json!({ "schemaVersion": 1, "event": "started", "name": "web", "call": "virDomainSaveFlags" })
        );
        let progress = Progress {
            total: 3,
            passed: 2,
            written: 1,
        };
        assert_eq!(
            line(Event::Progress(&vm, progress)),
            json!({ "schemaVersion": 1, "event": "progress", "name": "web", "totalBytes": 3, "passedBytes": 2, "writtenBytes": 1 })
        );
        assert_eq!(
            line(Event::Begun(7)),
            json!({ "schemaVersion": 1, "event": "begun", "vms": 7 })
        );
        let outcome = Outcome::done(vm.clone(), "is paused");
        assert_eq!(
            line(Event::Finished(&outcome))["outcome"]["message"],
            "is paused"
        );
    }
}
