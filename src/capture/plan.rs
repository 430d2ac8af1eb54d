//! Which hooks are loaded, and who asked for each: rules and outputs name events, this makes hooks of them.

use super::calls::Class;
use super::hook::{Hook, HookSet};

/// The hooks that are loaded, each with the reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    hooks: HookSet,
    reasons: Vec<(Hook, String)>,
}

impl Default for Plan {
    fn default() -> Self {
        let mut plan = Self {
            hooks: HookSet::BASE,
            reasons: Vec::new(),
        };
        plan.ask(HookSet::BASE, "the process table, always");
        plan
    }
}

/// Who wants the hooks on cgroups.
pub const PREFETCH: &str = "runtime.prefetch: containers are looked up before their first event";
/// Who wants the hook of the canary.
pub const CANARY: &str = "the agent's health, always: it renames a thread of its own and waits for the record of it";

impl Plan {
    /// Adds hooks and who wants them.
    pub fn ask(&mut self, hooks: HookSet, why: &str) {
        for hook in hooks.iter() {
            self.hooks = self.hooks.with(hook);
            self.reasons.push((hook, why.to_owned()));
        }
    }

    /// What is loaded.
    #[must_use]
    pub fn hooks(&self) -> HookSet {
        self.hooks
    }

    /// Each hook with the reasons for it, in wire order.
    pub fn reasons(&self) -> impl Iterator<Item = (Hook, Vec<&str>)> {
        self.hooks.iter().map(|hook| {
            let whys = self
                .reasons
                .iter()
                .filter(move |(of, _)| *of == hook)
                .map(|(_, why)| why.as_str());
            (hook, whys.collect())
        })
    }
}

impl HookSet {
    /// The hooks of a class of events. Those of the process life cycle belong to [`Class::Process`].
    #[must_use]
    pub fn of_class(class: Class) -> Self {
        let calls = Self::NONE.with_calls(|call| call.class == class);
        match class {
            Class::Process => calls.with(Hook::EXEC).with(Hook::FORK).with(Hook::EXIT),
            _ => calls,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_asked_is_the_process_life_cycle_and_nothing_else() {
        let plan = Plan::default();
        assert_eq!(plan.hooks(), HookSet::BASE);
        assert_eq!(plan.hooks().calls().count(), 0);
        assert!(!plan.hooks().contains(Hook::CGROUP_MKDIR));
    }

    #[test]
    fn each_reason_is_kept() {
        let mut plan = Plan::default();
        plan.ask(HookSet::of_class(Class::Module), "events: module");
        plan.ask(HookSet::NONE.with(Hook::of_call("bpf").unwrap()), "a rule");
        let (_, whys) = plan.reasons().find(|(hook, _)| hook.name() == "bpf").unwrap();
        assert_eq!(whys, ["events: module", "a rule"]);
        assert!(plan.hooks().contains(Hook::EXEC) && !plan.hooks().contains(Hook::of_call("openat").unwrap()));
    }
}
