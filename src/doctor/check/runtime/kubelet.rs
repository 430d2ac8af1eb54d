//! Whether the runtimes that answer are those that matter: the kubelet's, with its pods, and the one that runs the agent.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::view::{Seen, has_pods, is_own, look, named_canary};
use super::{FIELDS, STANDALONE, mount};
use crate::container::discovery::WELL_KNOWN;
use crate::doctor::change::Change;
use crate::doctor::facts::{Facts, Mounted, Place, RuntimeFact};
use crate::doctor::finding::Finding;
use crate::platform::profile;

const PODS: &str = "PIN-RUN-007";
const NO_KUBELET: &str = "no kubelet is expected here: the profile is standalone";
const IMPACT: &str = "The sockets belong to another runtime than the kubelet's: every pod would be unknown.";
const ADVICE: &str = "Name the socket that the kubelet uses, and mount its directory. On k3s, for example, a Docker \
                      installation leaves a containerd without pods at the usual path.";

fn is_kubernetes(facts: &Facts) -> bool {
    facts.place == Place::Kubernetes || facts.profile.name != STANDALONE
}

/// PIN-RUN-003.
pub(super) fn own_container(facts: &Facts) -> Finding {
    if facts.place == Place::Host {
        return Finding::skipped("the doctor does not run in a container");
    }
    if let Some(event) = named_canary(facts) {
        return Finding::ok("the agent names this container")
            .observed(json!({ "id": event["container"]["id"], "name": event["container"]["name"] }))
            .expected("known")
            .evidence(&facts.canary, "the canary's event", event["container"].clone());
    }
    let own = match &facts.own.value {
        Ok(own) => own,
        Err(gap) => return Finding::gap(gap),
    };
    let Some(id) = &own.id else {
        let leaf = own.cgroup_leaf.as_deref().unwrap_or("/");
        return Finding::unknown("neither the own cgroup nor the own mounts tell the container's id").evidence(
            &facts.own,
            "/proc/self/cgroup",
            leaf,
        );
    };
    let runtimes = match &facts.runtimes.value {
        Ok(runtimes) => runtimes,
        Err(gap) => {
            return Finding::gap(gap)
                .observed(id.clone())
                .evidence(&facts.own, own.id_from, id.clone());
        }
    };
    let known_by: Vec<&RuntimeFact> = runtimes.iter().filter(|runtime| runtime.own.is_some()).collect();
    let finding = match known_by.first() {
        Some(runtime) => Finding::ok(format!("{} knows it", runtime.socket.display())),
        None => wrong(
            facts,
            Finding::fail("no runtime that answers knows this container"),
            &look_or_none(facts),
        ),
    };
    let sockets: Vec<String> = known_by
        .iter()
        .map(|runtime| runtime.socket.display().to_string())
        .collect();
    finding
        .observed(json!({ "id": id, "known_by": sockets }))
        .expected("known")
        .evidence(&facts.own, own.id_from, id.clone())
        .evidence(
            &facts.runtimes,
            "runtimes that know the own container or sandbox",
            json!(sockets),
        )
}

fn look_or_none(facts: &Facts) -> Vec<PathBuf> {
    look(facts).map_or_else(|_| Vec::new(), |seen| sockets(&seen.answering()))
}

fn sockets(runtimes: &[&RuntimeFact]) -> Vec<PathBuf> {
    runtimes.iter().map(|runtime| runtime.socket.clone()).collect()
}

/// PIN-RUN-006.
pub(super) fn is_kubelets(facts: &Facts) -> Finding {
    if !is_kubernetes(facts) {
        return Finding::skipped(NO_KUBELET);
    }
    let seen = match look(facts) {
        Ok(seen) => seen,
        Err(gap) => return Finding::gap(gap),
    };
    let answering = seen.answering();
    let with_pods = answering
        .iter()
        .filter(|runtime| has_pods(runtime, facts.place) == Some(true));
    let with_pods: Vec<&RuntimeFact> = with_pods.copied().collect();
    let own = answering.iter().find(|runtime| is_own(runtime));
    let id = facts.own.value.as_ref().ok().and_then(|own| own.id.as_ref());
    let finding = match (&answering[..], own) {
        ([], _) => return Finding::skipped("no runtime answers"),
        (_, Some(own)) => Finding::ok(format!("{} runs the agent's own container", own.socket.display())),
        _ if named_canary(facts).is_some() => Finding::ok("the agent names the container that the doctor runs in"),
        ([only], None) => Finding::ok(format!("{} alone answers", only.socket.display())),
        _ if with_pods.is_empty() => return Finding::skipped("none that answers has pods").blocked_by(PODS),
        _ if facts.place != Place::Host && id.is_some() => wrong(
            facts,
            Finding::fail(format!(
                "{} runtimes answer, and none knows this container: none is the kubelet's",
                answering.len()
            )),
            &sockets(&answering),
        ),
        _ if facts.place == Place::Host || with_pods.len() == 1 => Finding::ok(format!(
            "{} has pods, and is asked first",
            with_pods
                .first()
                .map_or(Path::new(""), |runtime| &runtime.socket)
                .display()
        )),
        _ => Finding::unknown(format!(
            "{} runtimes have pods, and the id of this container is hidden: which one is the kubelet's cannot be told",
            with_pods.len()
        )),
    };
    counted(finding, facts, &seen).expected("the runtime that runs the agent's own pod answers")
}

/// PIN-RUN-007.
pub(super) fn pods(facts: &Facts) -> Finding {
    if !is_kubernetes(facts) {
        return Finding::skipped(NO_KUBELET);
    }
    let seen = match look(facts) {
        Ok(seen) => seen,
        Err(gap) => return Finding::gap(gap),
    };
    let answering = seen.answering();
    if answering.is_empty() {
        return Finding::skipped("no runtime answers");
    }
    let has = |runtime: &&&RuntimeFact| has_pods(runtime, facts.place) == Some(true) || is_own(runtime);
    let counts = |runtime: &&RuntimeFact| has_pods(runtime, facts.place).is_some();
    let finding = if let Some(runtime) = answering.iter().find(has) {
        Finding::ok(match runtime.pods {
            Some(1) => format!("1 pod at {}", runtime.socket.display()),
            Some(count) if count > 0 => format!("{count} pods at {}", runtime.socket.display()),
            _ => format!("pods are at {}", runtime.socket.display()),
        })
    } else if !answering.iter().any(counts) {
        return Finding::skipped("no runtime that answers tells of pods");
    } else if facts.place == Place::Kubernetes {
        // The pod that the doctor runs in is none of theirs.
        let summary = match &answering[..] {
            [only] => format!("{} has no pod at all, and this is one", only.socket.display()),
            all => format!("none of {} runtimes has a pod, and this is one", all.len()),
        };
        wrong(facts, Finding::fail(summary), &sockets(&answering))
    } else {
        let finding = Finding::warn("the runtime has no pod: it is not the kubelet's, or the node has none yet");
        wrong(facts, finding, &sockets(&answering))
    };
    counted(finding, facts, &seen).expected("at least one pod")
}

fn counted(finding: Finding, facts: &Facts, seen: &Seen<'_>) -> Finding {
    let each = seen.answering().into_iter().map(|runtime| {
        let mut value = json!({ "socket": runtime.socket.display().to_string() });
        if let Some(pods) = runtime.pods {
            value["pods"] = json!(pods);
        } else if let Some(some) = has_pods(runtime, facts.place) {
            value["has_pods"] = json!(some);
        }
        if is_own(runtime) {
            value["runs_the_agent"] = json!(true);
        }
        value
    });
    let each: Vec<Value> = each.collect();
    finding
        .observed(json!(each))
        .evidence(&seen.clock, seen.source, json!(each))
}

/// The runtimes that answer are not the kubelet's: which may be.
fn wrong(facts: &Facts, finding: Finding, answering: &[PathBuf]) -> Finding {
    let mut commands = vec!["ps -o args= -C kubelet | tr ' ' '\\n' | grep container-runtime-endpoint".to_owned()];
    let socket = kubelets_socket(facts, answering);
    if let Some(socket) = &socket
        && facts.place != Place::Host
    {
        commands.extend(mount::lines(facts.place, socket));
    }
    let lines: Vec<&str> = commands.iter().map(String::as_str).collect();
    let finding = finding.impact(IMPACT, &["metadata"], FIELDS).remedy(ADVICE, &lines);
    match socket {
        Some(socket) => finding
            .changes(if facts.place == Place::Host {
                Vec::new()
            } else {
                mount::changes(facts.place, &socket, Mounted::No)
            })
            .change(Change::setting("runtime.socket", json!([socket.display().to_string()]))),
        // Every well-known one is looked at then.
        None => finding.change(Change::setting("runtime.socket", json!([]))),
    }
}

/// Where the kubelet's socket is, as far as the platform tells: that of the profile that fits, if it does not answer here.
fn kubelets_socket(facts: &Facts, answering: &[PathBuf]) -> Option<PathBuf> {
    let detected = facts.profile.detected.as_ref().ok().and_then(Option::as_deref);
    let names = [detected, Some(&facts.profile.name)];
    names.into_iter().flatten().find_map(|name| {
        let platform = &profile::get(name).ok()?.platform;
        let directory = &platform.kubernetes.as_ref()?.runtime_directory;
        let place = WELL_KNOWN
            .iter()
            .find(|place| Path::new(place.socket).parent() == Some(Path::new(directory)))?;
        let socket = PathBuf::from(place.socket);
        (!answering.contains(&socket)).then_some(socket)
    })
}
