//! Seccomp profiles as files, before they are put on nodes: whether the agent can start under them, and whether they keep
//! anything away.
//!
//! What the agent needs is `seccomp/agent-setup.json`, of which tests show that every rule is needed. A rule of another
//! profile counts where it is at least as wide; what holds only for some kernels or capabilities does not, because runtimes
//! differ in whether they look at that.

mod rules;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::change::{Change, Op};
use super::super::facts::manifests::{Manifests, SeccompFile};
use super::super::finding::Finding;
use super::super::registry::{Definition, Need, Weight};
use super::offline::of_manifests;
use rules::{Lack, dangerous, lacks, open, setup};

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[
    Definition {
        id: "PIN-SEC-003",
        area: "seccomp",
        title: "The seccomp profile admits what the agent needs",
        weight: Weight::Blocks,
        needs: &[Need::Manifests],
        depends_on: &[],
        judge: None,
        offline: Some(admits),
        page: include_str!("../pages/PIN-SEC-003.md"),
    },
    Definition {
        id: "PIN-SEC-004",
        area: "seccomp",
        title: "The seccomp profile admits no more than the agent needs",
        weight: Weight::Minor,
        needs: &[Need::Manifests],
        depends_on: &[],
        judge: None,
        offline: Some(surplus),
        page: include_str!("../pages/PIN-SEC-004.md"),
    },
];

/// What a patch of a file's contents is called.
const KIND: &str = "seccomp";

/// The files that matter: the one that the pod names, where one has its name, else all.
fn files(manifests: &Manifests) -> Vec<&SeccompFile> {
    let named = manifests
        .agent
        .as_ref()
        .and_then(|agent| match &agent.container.security.seccomp {
            crate::kubernetes::Profile::Localhost(path) => path.rsplit('/').next(),
            _ => None,
        });
    let own: Vec<&SeccompFile> = manifests
        .seccomp
        .iter()
        .filter(|file| file.file.file_name().and_then(|name| name.to_str()) == named && named.is_some())
        .collect();
    if own.is_empty() {
        manifests.seccomp.iter().collect()
    } else {
        own
    }
}

/// PIN-SEC-003.
fn admits(manifests: &Manifests) -> Finding {
    let files = files(manifests);
    if files.is_empty() {
        return Finding::skipped("no seccomp profile is among the files");
    }
    let architecture = manifests.agent.as_ref().and_then(|agent| {
        let selector = agent.in_pod("/nodeSelector/kubernetes.io~1arch");
        agent.object.at(&selector)?.as_str()
    });
    let needed = match setup() {
        Ok(needed) => needed,
        Err(error) => return Finding::unknown(error.to_string()),
    };
    let (mut observed, mut worst) = (BTreeMap::new(), None::<(&SeccompFile, Vec<Lack>)>);
    for file in files {
        let found = lacks(file, &needed, architecture);
        let names: Vec<&str> = found.iter().map(|lack| lack.name.as_str()).collect();
        observed.insert(file.file.display().to_string(), json!(names));
        let fatal = |found: &[Lack]| found.iter().filter(|lack| !lack.soft).count();
        let worse =
            |(_, so_far): &(&SeccompFile, Vec<Lack>)| (fatal(&found), found.len()) > (fatal(so_far), so_far.len());
        if worst.as_ref().is_none_or(worse) {
            worst = Some((file, found));
        }
    }
    let Some((file, found)) = worst else {
        return Finding::skipped("no seccomp profile is among the files");
    };
    let name = file.file.display();
    let listed = |soft: bool| -> Vec<&str> {
        let of_kind = found.iter().filter(|lack| lack.soft == soft);
        of_kind.map(|lack| lack.name.as_str()).collect()
    };
    let (fatal, soft) = (listed(false), listed(true));
    let finding = match (fatal.is_empty(), soft.is_empty()) {
        (true, true) => Finding::ok(format!("{name} admits what the agent does from its start on")),
        (true, false) => Finding::warn(format!("{name} refuses {}", soft.join(", "))).impact(
            "The agent starts, and cannot close off files and ports to itself, or agent doctor in its container sees less.",
            &["privilege", "doctor"],
            &[],
        ),
        (false, _) => Finding::fail(format!("{name} refuses {}", fatal.join(", "))).impact(
            "The container does not start, or the agent ends at its start.",
            &["capture"],
            &[],
        ),
    };
    let finding = match found.is_empty() {
        true => finding,
        false => finding
            .remedy(
                "Admit them, or take the profile that the agent prints.",
                &["agent seccomp setup >agent-setup.json"],
            )
            .changes(opened(file, &found)),
    };
    observed.iter().fold(
        finding.observed(json!(observed)).expected(json!([])),
        |finding, (file, lacks)| finding.evidence(&of_manifests(), format!("{file}, what it refuses"), lacks.clone()),
    )
}

/// Entries that admit what is missing; names are taken out of entries that refuse them, because two actions for one call
/// are an error to libseccomp.
fn opened(file: &SeccompFile, found: &[Lack]) -> Vec<Change> {
    let missing = |name: &str| found.iter().any(|lack| lack.name == name);
    let mut changes = without(file, |entry, name| !rules::admits(&entry.action) && missing(name));
    for lack in found {
        changes.extend(
            lack.entries
                .iter()
                .map(|entry| Change::manifest(KIND, Op::Add, "/syscalls/-", entry.clone())),
        );
    }
    changes
}

/// Takes names out of entries. An entry without names is none to libseccomp.
fn without(
    file: &SeccompFile,
    goes: impl Fn(&super::super::facts::manifests::SeccompEntry, &str) -> bool,
) -> Vec<Change> {
    let mut changes = Vec::new();
    for (index, entry) in file.entries.iter().enumerate() {
        for (place, name) in entry.names.iter().enumerate().rev() {
            if goes(entry, name) {
                let path = format!("/syscalls/{index}/names/{place}");
                changes.push(Change::manifest(KIND, Op::Remove, &path, Value::Null));
            }
        }
    }
    changes
}

/// PIN-SEC-004.
fn surplus(manifests: &Manifests) -> Finding {
    let files = files(manifests);
    if files.is_empty() {
        return Finding::skipped("no seccomp profile is among the files");
    }
    let mut observed = BTreeMap::new();
    let (mut said, mut changes) = (Vec::new(), Vec::new());
    for file in files {
        let name = file.file.display();
        let found = if open(file) {
            said.push(format!(
                "{name} admits whatever it does not list ({})",
                file.default_action
            ));
            let own = serde_json::from_str::<Value>(crate::privilege::seccomp::AGENT_SETUP).ok();
            changes.extend(own.map(|own| Change::manifest(KIND, Op::Add, "", own)));
            json!(file.default_action)
        } else {
            let found = dangerous(file);
            if !found.is_empty() {
                said.push(format!("{name} admits {}", found.join(", ")));
                changes.extend(without(file, |entry, call| {
                    rules::admits(&entry.action) && found.iter().any(|one| one == call)
                }));
            }
            json!(found)
        };
        observed.insert(name.to_string(), found);
    }
    let finding = if said.is_empty() {
        Finding::ok("nothing that takes over a node is admitted")
    } else {
        Finding::warn(said.join("; "))
            .impact(
                "Until the agent's own filter is in force, whoever takes it over has these calls of the kernel.",
                &["privilege"],
                &[],
            )
            .remedy(
                "Take them out, or take the profile that the agent prints.",
                &["agent seccomp setup >agent-setup.json"],
            )
            .changes(changes)
    };
    observed.iter().fold(
        finding.observed(json!(observed)).expected(json!([])),
        |finding, (file, found)| finding.evidence(&of_manifests(), format!("{file}, what it admits"), found.clone()),
    )
}
