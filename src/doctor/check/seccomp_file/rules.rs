//! What one seccomp profile admits of another one's rules.

use std::path::Path;

use serde_json::{Value, json};

use super::super::super::facts::manifests::{SeccompCondition, SeccompEntry, SeccompFile};
use super::super::super::offline::{Error, seccomp};
use crate::privilege::seccomp::AGENT_SETUP;

/// What the agent starts without, saying so, and what only the doctor in its container does.
const SOFT: [&str; 7] = [
    "landlock_create_ruleset",
    "landlock_add_rule",
    "landlock_restrict_self",
    "dup2",
    "dup3",
    "readlink",
    "readlinkat",
];

/// What only this architecture has: elsewhere the C library does without.
const OF_X86_64: [&str; 6] = ["arch_prctl", "dup2", "epoll_wait", "poll", "readlink", "unlink"];

/// Calls that let a process out of its container or at the whole node, with the capabilities that go with them or without:
/// other processes, namespaces and mounts, modules and other kernels, keys, clocks, and what has been the way to most of the
/// kernel's faults (user namespaces, io_uring, userfaultfd). Runtimes' default profiles withhold them, or admit them only with
/// a capability that the agent has not.
#[rustfmt::skip]
const DANGEROUS: &[&str] = &[
    "acct", "add_key", "clock_adjtime", "clock_settime", "create_module", "delete_module", "finit_module", "fsconfig",
    "fsmount", "fsopen", "fspick", "get_kernel_syms", "init_module", "io_uring_enter", "io_uring_register", "io_uring_setup",
    "ioperm", "iopl", "kcmp", "kexec_file_load", "kexec_load", "keyctl", "lookup_dcookie", "mknod", "mknodat", "mount",
    "mount_setattr", "move_mount", "open_by_handle_at", "open_tree", "perf_event_open", "pidfd_getfd", "pivot_root",
    "process_vm_readv", "process_vm_writev", "ptrace", "query_module", "quotactl", "quotactl_fd", "reboot", "request_key",
    "setdomainname", "sethostname", "setns", "settimeofday", "stime", "swapoff", "swapon", "syslog", "umount", "umount2",
    "unshare", "uselib", "userfaultfd", "vhangup", "vm86", "vm86old",
];

/// Whether an action lets the call pass.
pub(super) fn admits(action: &str) -> bool {
    matches!(action, "SCMP_ACT_ALLOW" | "SCMP_ACT_LOG")
}

/// Whether whatever is not listed passes.
pub(super) fn open(file: &SeccompFile) -> bool {
    admits(&file.default_action)
}

/// The profile that the agent needs.
pub(super) fn setup() -> Result<SeccompFile, Error> {
    let file = Path::new("agent-setup.json");
    let value: Value = serde_json::from_str(AGENT_SETUP).map_err(|error| Error::Seccomp {
        file: file.to_owned(),
        problem: error.to_string(),
    })?;
    seccomp::of(file, &value)
}

/// A call that is needed and not admitted.
pub(super) struct Lack {
    /// Its name.
    pub(super) name: String,
    /// Whether the agent starts all the same.
    pub(super) soft: bool,
    /// Entries that admit it.
    pub(super) entries: Vec<Value>,
}

/// What of `needed` this profile does not admit, by name.
pub(super) fn lacks(file: &SeccompFile, needed: &SeccompFile, architecture: Option<&str>) -> Vec<Lack> {
    let mut found: Vec<Lack> = Vec::new();
    for entry in &needed.entries {
        for name in &entry.names {
            let elsewhere = architecture == Some("arm64") && OF_X86_64.contains(&name.as_str());
            if elsewhere || covers(file, name, entry) {
                continue;
            }
            let mut admitted = json!({ "names": [name], "action": entry.action });
            if !entry.conditions.is_empty() {
                let conditions: Vec<Value> = entry.conditions.iter().map(written).collect();
                admitted["args"] = json!(conditions);
            }
            if let Some(errno) = entry.errno {
                admitted["errnoRet"] = json!(errno);
            }
            match found.iter_mut().find(|lack| lack.name == *name) {
                Some(lack) => lack.entries.push(admitted),
                None => found.push(Lack {
                    name: name.clone(),
                    soft: SOFT.contains(&name.as_str()),
                    entries: vec![admitted],
                }),
            }
        }
    }
    found
}

fn written(condition: &SeccompCondition) -> Value {
    let SeccompCondition {
        index,
        op,
        value,
        value_two,
    } = condition;
    json!({ "index": index, "op": op, "value": value, "valueTwo": value_two })
}

/// Whether the profile does with `name` what the needed entry does, or lets more of it pass.
fn covers(file: &SeccompFile, name: &str, needed: &SeccompEntry) -> bool {
    let all = || {
        let entries = file.entries.iter().filter(|entry| !entry.restricted);
        entries.filter(|entry| entry.names.iter().any(|one| one == name))
    };
    let denied = all().any(|entry| !admits(&entry.action) && entry.conditions.is_empty());
    let passes = all().any(|entry| admits(&entry.action) && wider(&entry.conditions, &needed.conditions));
    if passes && !denied {
        return true;
    }
    if admits(&needed.action) {
        return open(file) && !denied;
    }
    // To be refused with this errno, upon which the C library takes another way: any other one ends it.
    let own = all().find(|entry| !admits(&entry.action) && entry.conditions.is_empty());
    match own {
        Some(entry) => entry.action == "SCMP_ACT_ERRNO" && entry.errno.or(file.default_errno) == needed.errno,
        None if open(file) => true,
        None => file.default_action == "SCMP_ACT_ERRNO" && file.default_errno == needed.errno,
    }
}

/// Whether these conditions hold whenever the needed ones do.
fn wider(own: &[SeccompCondition], needed: &[SeccompCondition]) -> bool {
    own.iter().all(|one| needed.iter().any(|other| follows(one, other)))
}

/// Whether `own` holds wherever `needed` does.
fn follows(own: &SeccompCondition, needed: &SeccompCondition) -> bool {
    if own == needed {
        return true;
    }
    if own.index != needed.index {
        return false;
    }
    match needed.op.as_str() {
        "SCMP_CMP_EQ" => {
            let is = needed.value;
            match own.op.as_str() {
                "SCMP_CMP_EQ" => is == own.value,
                "SCMP_CMP_NE" => is != own.value,
                "SCMP_CMP_LT" => is < own.value,
                "SCMP_CMP_LE" => is <= own.value,
                "SCMP_CMP_GT" => is > own.value,
                "SCMP_CMP_GE" => is >= own.value,
                "SCMP_CMP_MASKED_EQ" => is & own.value == own.value_two,
                _ => false,
            }
        }
        "SCMP_CMP_MASKED_EQ" => {
            own.op == "SCMP_CMP_MASKED_EQ"
                && own.value & needed.value == own.value
                && needed.value_two & own.value == own.value_two
        }
        _ => false,
    }
}

/// Dangerous calls that the profile admits, in whatever way, and that the agent has no use for.
pub(super) fn dangerous(file: &SeccompFile) -> Vec<String> {
    let mut found: Vec<String> = file
        .entries
        .iter()
        .filter(|entry| admits(&entry.action))
        .flat_map(|entry| &entry.names)
        .filter(|name| DANGEROUS.contains(&name.as_str()))
        .cloned()
        .collect();
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(value: &Value) -> SeccompFile {
        seccomp::of(Path::new("profile.json"), value).unwrap()
    }

    fn names(value: &Value) -> Vec<String> {
        let found = lacks(&profile(value), &setup().unwrap(), None);
        found.into_iter().map(|lack| lack.name).collect()
    }

    #[test]
    fn the_agents_own_profile_lacks_nothing_and_one_that_refuses_everything_lacks_it_all() {
        assert_eq!(names(&serde_json::from_str(AGENT_SETUP).unwrap()), Vec::<String>::new());
        let all = names(&json!({ "defaultAction": "SCMP_ACT_ERRNO", "syscalls": [] }));
        let needed: usize = {
            let setup = setup().unwrap();
            let set: std::collections::BTreeSet<&String> =
                setup.entries.iter().flat_map(|entry| &entry.names).collect();
            set.len()
        };
        assert_eq!(all.len(), needed);
        assert_eq!(
            names(&json!({ "defaultAction": "SCMP_ACT_ALLOW" })),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_rule_counts_where_it_is_at_least_as_wide() {
        let with = |entry: Value| {
            let mut own: Value = serde_json::from_str(AGENT_SETUP).unwrap();
            let entries = own["syscalls"].as_array_mut().unwrap();
            let name = entry["names"][0].clone();
            for other in entries.iter_mut() {
                other["names"].as_array_mut().unwrap().retain(|one| *one != name);
            }
            entries.push(entry);
            names(&own)
        };
        let masked = |mask: u64| {
            json!({ "names": ["clone"], "action": "SCMP_ACT_ALLOW",
                    "args": [{ "index": 0, "op": "SCMP_CMP_MASKED_EQ", "value": mask, "valueTwo": 0 }] })
        };
        assert_eq!(with(masked(2_114_060_288)), Vec::<String>::new());
        // Less is looked at, so more passes; and the other way round.
        assert_eq!(with(masked(0x2000_0000)), Vec::<String>::new());
        assert_eq!(with(masked(2_114_060_288 | 1)), ["clone"]);
        let socket = |op: &str, value: u64| json!({ "names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{ "index": 0, "op": op, "value": value }] });
        assert_eq!(with(socket("SCMP_CMP_NE", 40)), Vec::<String>::new());
        assert_eq!(with(socket("SCMP_CMP_EQ", 1)), ["socket"]);
        assert_eq!(with(json!({ "names": ["bpf"], "action": "SCMP_ACT_ERRNO" })), ["bpf"]);
        let only_for = json!({ "names": ["bpf"], "action": "SCMP_ACT_ALLOW", "includes": { "caps": ["CAP_BPF"] } });
        assert_eq!(with(only_for), ["bpf"]);
        // Refused otherwise than as unknown, a C library does not try another way.
        assert_eq!(
            with(json!({ "names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1 })),
            ["clone3"]
        );
        assert_eq!(
            with(json!({ "names": ["clone3"], "action": "SCMP_ACT_ALLOW" })),
            Vec::<String>::new()
        );
    }

    #[test]
    fn the_agents_own_profile_admits_nothing_dangerous() {
        assert_eq!(dangerous(&setup().unwrap()), Vec::<String>::new());
    }
}
