//! What goes with a VM on its way: hooks before and after, and the wait for its guest.

use super::Options;
use super::fleet::Ear;
use crate::entity::{Vm, VmStatus};
use crate::hooks::{Hook, Hooks, Trouble, When};
use crate::hypervisor::Machine;
use crate::interrupt::{Interrupt, cause_word};
use crate::inventory::Inventory;
use crate::plan::{Step, Verb};
use crate::report::{Clock, Event, Failure, Kind, Outcome, VmRef};
use std::sync::Arc;

/// Those who go with the VMs of a host.
#[derive(Clone)]
pub(super) struct Company<'a> {
    pub inventory: Arc<Inventory>,
    pub options: &'a Options,
    pub interrupt: &'a Interrupt,
    pub ear: Ear<'a>,
}

/// Whether hooks are run around it.
pub(super) fn has_hooks(step: Step) -> bool {
    !matches!(step, Step::Discard | Step::Show)
}

impl Company<'_> {
    /// Runs what is to come before, and has the guest lock its desktops. Whatever fails of the hooks keeps the VM
    /// from being touched. Tells whether time has passed, so that the VM may be another one now.
    pub(super) fn before(
        &self,
        vm: &Vm,
        step: Step,
        machine: Option<&Machine>,
        warnings: &mut Vec<String>,
    ) -> Result<bool, Failure> {
        let (hooks, untrusted) = self.hooks(When::Pre);
        warnings.extend(untrusted);
        let subject = VmRef::from(vm);
        let facts = self.facts(When::Pre, &subject, vm.status());
        for hook in &hooks {
            let Some(trouble) = self.run(&subject, When::Pre, hook, &facts, self.interrupt) else {
                continue;
            };
            let Trouble {
                how,
                last_words,
                cancelled,
            } = trouble;
            let (kind, words) = cancelled.map_or_else(
                || (Kind::Guard, format!("its pre hook {hook} {how}")),
                |cause| {
                    (
                        cause,
                        format!("{} in its pre hook {hook}", cause_word(cause)),
                    )
                },
            );
            let failure = Failure::not_attempted(kind, words);
            return Err(if last_words.is_empty() {
                failure
            } else {
                failure.because(&last_words.join("\n"))
            });
        }
        let locks = self.options.lock_desktop && step == Step::Save && vm.status() == VmStatus::Up;
        if let Some(machine) = machine.filter(|_| locks) {
            warnings.extend(self.lock_desktop(machine).err());
        }
        Ok(!hooks.is_empty() || locks)
    }

    /// Runs what is to come after. It tells of troubles only, since nothing is changed by them.
    pub(super) fn after(&self, outcome: &mut Outcome) {
        // Of those that are not run `before` has told.
        let (hooks, _) = self.hooks(When::Post);
        if hooks.is_empty() {
            return;
        }
        let before = outcome.status_before.unwrap_or(VmStatus::Unknown);
        let mut facts = self.facts(When::Post, &outcome.vm, before);
        facts.extend([
            ("VMLIFE_RESULT", outcome.kind.word().to_owned()),
            ("VMLIFE_EXIT", outcome.kind.exit_code().to_string()),
            ("VMLIFE_CHANGED", outcome.changed.to_string()),
            ("VMLIFE_MESSAGE", outcome.message.clone()),
        ]);
        facts.extend(
            outcome
                .status
                .map(|status| ("VMLIFE_STATUS", status.to_string())),
        );
        let image = outcome.image.as_ref();
        facts.extend(image.map(|image| ("VMLIFE_IMAGE", image.display().to_string())));
        // After a cancel there may be more to clear up than else.
        let heedless = self.interrupt.heedless();
        for hook in &hooks {
            let trouble = self.run(&outcome.vm, When::Post, hook, &facts, &heedless);
            outcome.warnings.extend(trouble.map(
                |Trouble {
                     how, last_words, ..
                 }| {
                    let words: Vec<String> = [format!("its post hook {hook} {how}")]
                        .into_iter()
                        .chain((!last_words.is_empty()).then(|| last_words.join("; ")))
                        .collect();
                    words.join(": ")
                },
            ));
        }
    }

    /// Which hooks would be run, for a dry run, and what is said of those that are not.
    pub(super) fn named(&self) -> (Option<String>, Vec<String>) {
        let (pre, warnings) = self.hooks(When::Pre);
        let (post, _) = self.hooks(When::Post);
        let list = |when: &str, hooks: &[Hook]| {
            let names: Vec<String> = hooks.iter().map(ToString::to_string).collect();
            (!names.is_empty()).then(|| format!("{when} it {} would be run", names.join(", ")))
        };
        let lists = [list("before", &pre), list("after", &post)];
        let words: Vec<String> = lists.into_iter().flatten().collect();
        ((!words.is_empty()).then(|| words.join("; ")), warnings)
    }

    fn hooks(&self, when: When) -> (Vec<Hook>, Vec<String>) {
        let hooks: &Hooks = &self.options.hooks;
        hooks.of(when, self.inventory.hooks.as_deref())
    }

    fn facts(&self, when: When, vm: &VmRef, before: VmStatus) -> Vec<(&'static str, String)> {
        let mut facts = vec![
            ("VMLIFE_HOOK", when.word().to_owned()),
            ("VMLIFE_VERB", self.options.verb.word().to_owned()),
            ("VMLIFE_NAME", vm.name.clone()),
            ("VMLIFE_URI", self.inventory.hypervisor.uri().to_owned()),
            ("VMLIFE_STATUS_BEFORE", before.to_string()),
        ];
        facts.extend(vm.id.map(|id| ("VMLIFE_UUID", id.to_string())));
        facts.extend(vm.host.clone().map(|host| ("VMLIFE_HOST", host)));
        facts
    }

    fn run(
        &self,
        subject: &VmRef,
        when: When,
        hook: &Hook,
        facts: &[(&'static str, String)],
        interrupt: &Interrupt,
    ) -> Option<Trouble> {
        let when = when.word();
        self.ear
            .emit(Event::Hook(subject, &format!("{when} hook {hook}")));
        let ran = hook.run(facts, self.options.hooks.limit, interrupt);
        for line in &ran.said {
            self.ear
                .emit(Event::Hook(subject, &format!("{when} hook {hook}: {line}")));
        }
        ran.trouble
    }

    /// Whether there is more to do for the guest of a VM once this has become of it: to wait for it, or to set its
    /// clock, unless it is known to have no agent.
    pub(super) fn attends(&self, outcome: &Outcome) -> bool {
        let wakes = matches!(self.options.verb, Verb::Restore | Verb::Resume)
            && !self.options.dry_run
            && !self.options.wishes.discard
            && outcome.kind == Kind::Done;
        let may_have_agent = |clock: Clock| clock.had_agent != Some(false);
        wakes && (self.options.wait.is_some() || outcome.clock.is_some_and(may_have_agent))
    }
}
