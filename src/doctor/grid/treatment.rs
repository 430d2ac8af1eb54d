//! What a change of a remedy does to a host: each grant, setting or part of the node governs some facts, and a change of it
//! makes those what they are on a host that is well. The interpreter knows grants and not cases: a remedy that names the
//! wrong one mends nothing.

use super::super::change::{Change, Op};
use super::super::facts::{Facts, LiveFacts};
use super::super::report::Remedy;

/// Makes the facts what the grant, setting or part of the node decides, as they are on the host `well`.
type Governs = fn(&mut Facts, &Facts);

const CONTAINER: &str = "/spec/template/spec/containers/0";

/// Grants of the manifest, by the beginning of their path, in the agent's container where it begins with a dot.
#[rustfmt::skip]
const MANIFEST: &[(&str, &str, Governs)] = &[
    ("DaemonSet", "./env", |facts, well| { facts.config = well.config.clone(); facts.live = well.live.clone(); }),
    ("DaemonSet", "./resources/limits/memory", |facts, well| facts.memory = well.memory.clone()),
    ("DaemonSet", "./resources/requests/cpu", |facts, well| facts.live = well.live.clone()),
    ("DaemonSet", "./volumeMounts/-", |facts, well| facts.live = well.live.clone()),
    ("DaemonSet", "/spec/template/spec/volumes/-", |_, _| {}),
    ("DaemonSet", "./securityContext/capabilities", |facts, well| { facts.process = well.process.clone(); facts.capture = well.capture.clone(); }),
];

/// Settings by their key.
#[rustfmt::skip]
const SETTINGS: &[(&str, Governs)] = &[
    ("profile", |facts, well| facts.profile = well.profile.clone()),
    ("log.target", |facts, well| { facts.log = well.log.clone(); facts.live = well.live.clone(); }),
    ("capture.ring_size", |facts, well| { facts.live = well.live.clone(); facts.memory = well.memory.clone(); }),
    ("capture.backend", |facts, well| { facts.capture = well.capture.clone(); facts.live = well.live.clone(); }),
    ("events", |facts, well| facts.live = well.live.clone()),
];

/// Parts of the node by their name.
#[rustfmt::skip]
const NODE: &[(&str, Governs)] = &[
    ("node image", |facts, well| { facts.kernel = well.kernel.clone(); facts.capture = well.capture.clone(); facts.runtimes = well.runtimes.clone(); }),
    ("kernel", |facts, well| { facts.capture = well.capture.clone(); facts.canary = well.canary.clone(); }),
    ("agent", restarted),
    ("doctor", |facts, well| facts.live = well.live.clone()),
    ("hooks of the agent", |facts, well| facts.live = well.live.clone()),
    ("configuration", |facts, well| facts.config = well.config.clone()),
    ("journald", |facts, well| { facts.log = well.log.clone(); facts.live = well.live.clone(); }),
    ("destination of the log", |facts, well| facts.live = well.live.clone()),
    ("directory of the admin socket", |facts, well| facts.live = well.live.clone()),
    ("disk of the output", |facts, well| facts.live = well.live.clone()),
    ("reader of the output", |facts, well| facts.live = well.live.clone()),
    ("memory of the node", |facts, well| facts.live = well.live.clone()),
    ("workloads", |facts, well| facts.live = well.live.clone()),
    ("CPU share of the agent", |facts, well| facts.live = well.live.clone()),
    ("container runtime", |facts, well| { facts.runtimes = well.runtimes.clone(); facts.live = well.live.clone(); facts.canary = well.canary.clone(); }),
];

/// An agent that was started anew reads its settings as they are now.
fn restarted(facts: &mut Facts, well: &Facts) {
    (facts.live, facts.canary) = (well.live.clone(), well.canary.clone());
    let Ok(LiveFacts::Answers(agent)) = &mut facts.live.value else {
        return;
    };
    agent.second.profile.clone_from(&facts.profile.name);
    for setting in &mut agent.second.settings {
        if let Some(now) = facts.config.setting(&setting.key) {
            (setting.value, setting.origin) = (now.value.clone(), now.origin.clone());
        }
    }
}

/// Applies every change of the remedy.
pub(super) fn apply(facts: &mut Facts, well: &Facts, remedy: &Remedy) {
    for change in &remedy.patch {
        let found: Option<Governs> = match change {
            Change::Manifest { kind, op, path, value } => {
                assert_eq!(value.is_none(), *op == Op::Remove, "{change:?}");
                assert!(path.starts_with('/'), "no JSON Pointer: {change:?}");
                let short = path.strip_prefix(CONTAINER).map(|rest| format!(".{rest}"));
                let path = short.as_ref().unwrap_or(path);
                MANIFEST
                    .iter()
                    .find(|(of, prefix, _)| of == kind && path.starts_with(prefix))
                    .map(|(_, _, governs)| *governs)
            }
            Change::Setting { key, .. } => SETTINGS.iter().find(|(of, _)| of == key).map(|(_, governs)| *governs),
            Change::Node { what, .. } => NODE.iter().find(|(of, _)| of == what).map(|(_, governs)| *governs),
        };
        let governs = found.unwrap_or_else(|| panic!("nothing is known of what this governs: {change:?}"));
        governs(facts, well);
    }
}
