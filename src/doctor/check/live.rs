//! The running agent: whether it answers, and whether it sees what happens.

use std::path::Path;

use serde_json::json;

use super::super::change::{Change, Op};
use super::super::facts::{CanaryFact, Facts, LiveFacts, LiveFailure, Place, RunningAgent};
use super::super::finding::Finding;
use super::super::registry::{Definition, Edge, Need, Weight};
use super::super::report::Status;
use super::{agent, capture, output, pulse, runtime};
use crate::container::Reason;

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[
    Definition {
        id: "PIN-LIVE-001",
        area: "live",
        title: "The running agent answers",
        weight: Weight::Major,
        needs: &[Need::Agent],
        depends_on: &[],
        judge: Some(reachable),
        offline: None,
        page: include_str!("../pages/PIN-LIVE-001.md"),
    },
    Definition {
        id: "PIN-LIVE-002",
        area: "live",
        title: "A canary program is seen and enriched",
        weight: Weight::Major,
        needs: &[Need::Agent, Need::Exec],
        depends_on: &[Edge::Needs("PIN-BPF-001"), Edge::Through("PIN-LIVE-001")],
        judge: Some(canary),
        offline: None,
        page: include_str!("../pages/PIN-LIVE-002.md"),
    },
];

/// PIN-LIVE-001.
fn reachable(facts: &Facts) -> Finding {
    let live = match &facts.live.value {
        Ok(live) => live,
        Err(gap) => return Finding::gap(gap),
    };
    match live {
        LiveFacts::Answers(agent) => {
            let status = &agent.second;
            // Worth a word where it is not the user that the doctor runs as.
            let own = facts.process.value.as_ref().ok().map(|process| process.uid);
            let whose = match agent.uid {
                Some(uid) if own != Some(uid) => format!(" as uid {uid}"),
                _ => String::new(),
            };
            Finding::ok(format!(
                "agent {} answers{whose}, up {:.0} s",
                status.version, status.uptime_seconds
            ))
            .observed("answers")
            .expected("answers")
            .evidence(
                &facts.live,
                format!("GetStatus on {}", agent.socket.display()),
                json!({
                    "version": status.version, "pid": status.pid, "uptime_seconds": status.uptime_seconds,
                }),
            )
        }
        LiveFacts::Disabled => Finding::skipped("the admin socket is disabled: control.socket is empty"),
        LiveFacts::Absent { socket, agents } => absent(facts, socket, agents),
        LiveFacts::Broken { socket, kind, message } => {
            let restarted = || Some(Change::node("agent", "restarted"));
            let (word, change, text, commands): (_, _, _, &[&str]) = match kind {
                LiveFailure::Stale => (
                    "refused",
                    restarted(),
                    "The agent that made the socket is gone. Its last log lines say why.",
                    match facts.place {
                        Place::Kubernetes => &["kubectl -n pinhole logs POD --previous"],
                        _ => &["journalctl -t pinhole-agent --since -1h"],
                    },
                ),
                LiveFailure::Permission => (
                    "permission",
                    None,
                    "Run the doctor as the agent's user or group, for example inside its container.",
                    match facts.place {
                        Place::Kubernetes => &["kubectl -n pinhole exec POD -- /agent doctor"],
                        _ => &["sudo agent doctor"],
                    },
                ),
                LiveFailure::Timeout => (
                    "timeout",
                    restarted(),
                    "The agent accepts and does not answer: its control thread is stuck or starved of CPU.",
                    match facts.place {
                        Place::Kubernetes => &["kubectl -n pinhole top pod", "kubectl -n pinhole logs POD"],
                        _ => &["journalctl -t pinhole-agent --since -1h"],
                    },
                ),
                LiveFailure::Protocol => (
                    "protocol",
                    Some(Change::node("doctor", "of the agent's version")),
                    "Something else listens on this socket, or an agent of a version that this doctor does not understand. \
                     Use the doctor of the same version, inside the agent's container.",
                    &["agent --version"],
                ),
            };
            // What this process may not do says nothing about the agent.
            let finding = match kind {
                LiveFailure::Permission => Finding::unknown(message.clone()),
                _ => Finding::fail(message.clone()),
            };
            finding
                .observed(word)
                .expected("answers")
                .evidence(
                    &facts.live,
                    format!("admin socket {}", socket.display()),
                    message.clone(),
                )
                .impact(UNASKED, &["doctor"], &[])
                .remedy(text, commands)
                .changes(change)
        }
    }
}

/// No socket: because no agent runs, because one could not make it, or because it is another container's.
fn absent(facts: &Facts, socket: &Path, agents: &[RunningAgent]) -> Finding {
    let path = socket.display();
    let pids = |elsewhere: bool| -> Vec<u32> {
        agents
            .iter()
            .filter(|agent| agent.elsewhere.is_some() == elsewhere)
            .map(|agent| agent.pid)
            .collect()
    };
    let (here, elsewhere) = (pids(false), pids(true));
    let finding = if !here.is_empty() {
        Finding::fail(format!(
            "an agent runs here (pid {here:?}) without an admin socket at {path}"
        ))
        .remedy(
            "The agent could not make its admin socket, which its log says at its start, or it was given another one. \
                 Give it a directory that its user may write to, or name its socket.",
            match facts.place {
                Place::Kubernetes => &[
                    "volumes:\n- name: run\n  emptyDir: {medium: Memory}",
                    "volumeMounts:\n- {name: run, mountPath: /run/pinhole}",
                    "agent doctor --control-socket PATH",
                ],
                Place::Container => &[
                    "--tmpfs /run/pinhole:uid=65532,mode=0750",
                    "agent doctor --control-socket PATH",
                ],
                Place::Host => &["RuntimeDirectory=pinhole", "agent doctor --control-socket PATH"],
            },
        )
        .changes(directory(facts.place))
        .impact(UNASKED, &["doctor"], &[])
        .expected("answers")
    } else if !elsewhere.is_empty() {
        Finding::unknown(format!(
            "an agent runs in another container (pid {elsewhere:?}), and its admin socket is not in sight at {path}"
        ))
        .remedy(
            "Run the doctor in the agent's container.",
            match facts.place {
                Place::Host => &[
                    "nsenter --target PID --mount --pid /agent doctor",
                    "kubectl -n pinhole exec POD -- /agent doctor",
                ],
                Place::Kubernetes | Place::Container => &["kubectl -n pinhole exec POD -- /agent doctor"],
            },
        )
        .impact(UNASKED, &["doctor"], &[])
        .expected("answers")
    } else {
        return Finding::skipped(format!("no agent runs here: there is no socket at {path}"))
            .observed("absent")
            .evidence(&facts.live, format!("connect(2) to {path}"), "absent");
    };
    finding
        .observed(json!({ "socket": "absent", "agents": here, "agents_in_other_containers": elsewhere }))
        .evidence(&facts.live, format!("connect(2) to {path}"), "absent")
        .evidence(
            &facts.live,
            "/proc/*/cmdline and /proc/*/task/*/status",
            json!([here, elsewhere].concat()),
        )
}

/// What gives the agent a directory for its socket.
fn directory(place: Place) -> Vec<Change> {
    match place {
        Place::Kubernetes => vec![
            Change::pod(
                Op::Add,
                "/volumes/-",
                json!({ "name": "run", "emptyDir": { "medium": "Memory" } }),
            ),
            Change::container(
                Op::Add,
                "/volumeMounts/-",
                json!({ "name": "run", "mountPath": "/run/pinhole" }),
            ),
        ],
        Place::Container | Place::Host => vec![Change::node("directory of the admin socket", "writable by the agent")],
    }
}

const UNASKED: &str = "Nothing can be said about the running agent: losses and missing metadata stay unseen.";

/// PIN-LIVE-002.
fn canary(facts: &Facts) -> Finding {
    let canary = match &facts.canary.value {
        Ok(canary) => canary,
        Err(gap) => return Finding::gap(gap),
    };
    let not_seen = matches!(canary, CanaryFact::NotSeen { .. });
    if let Some(root) = deaf(facts).filter(|_| not_seen) {
        return Finding::skipped("the agent does not see its own canary either")
            .blocked_by(root)
            .observed("not seen");
    }
    match canary {
        CanaryFact::Seen {
            program,
            latency_us,
            event,
        } => seen(facts, program, *latency_us, event),
        CanaryFact::NotSeen { program, waited } => Finding::fail(format!(
            "{program} ran, and no event came within {} ms",
            waited.as_millis()
        ))
        .observed("not seen")
        .expected(EXPECTED)
        .evidence(&facts.canary, format!("exec of {program} with a token"), "not seen")
        .impact(
            "The agent runs and does not see what happens on the node.",
            &["capture"],
            &[],
        )
        .remedy(
            "See whether events are dropped (PIN-LOSS-001) and whether the pipeline is stuck: its log tells.",
            match facts.place {
                Place::Kubernetes => &["kubectl -n pinhole logs POD"],
                _ => &["journalctl -t pinhole-agent --since -1h"],
            },
        )
        .change(Change::node("agent", "restarted")),
        CanaryFact::NotRun { program, message } => Finding::unknown(format!("{program} could not be run: {message}")),
        CanaryFact::NotWatched { message } if agent(facts).is_some() => {
            Finding::unknown(format!("the agent could not watch for it: {message}"))
        }
        // Without an agent the doctor captured by itself, as the agent would: what failed there would fail in the agent.
        CanaryFact::NotWatched { message } => Finding::fail(format!("nothing could be captured for it: {message}"))
            .observed("not captured")
            .expected(EXPECTED)
            .evidence(&facts.canary, "a capture of the doctor's own", message.clone())
            .impact(
                "An agent that is started here ends for the same reason.",
                &["capture"],
                &[],
            )
            .remedy(
                "The message names the step that failed, and its cause where it is known.",
                &["agent run"],
            )
            .change(Change::node("kernel", "admits the step that the message names")),
    }
}

/// The check that tells why the agent sees nothing at all, where one does: that is one cause and not two.
fn deaf(facts: &Facts) -> Option<&'static str> {
    if output::holds_up(facts) {
        return Some(output::ID);
    }
    (pulse::canary(facts).status() == Status::Fail).then_some(pulse::ID)
}

/// The check that tells why the kernel names no cgroup, where the capture is reduced.
fn untold(facts: &Facts, why: Option<Reason>) -> Option<&'static str> {
    let reduced = capture::reduced(facts).filter(|_| why == Some(Reason::CgroupUnreadable))?;
    Some(reduced.root())
}

const EXPECTED: &str = "seen, with metadata.status other than missing";

fn seen(facts: &Facts, program: &str, latency_us: u64, event: &serde_json::Value) -> Finding {
    let status = event["metadata"]["status"].as_str();
    let reason = event["metadata"]["reason"].as_str();
    let mut observed = json!({ "latency_us": latency_us });
    for (key, word) in [("status", status), ("reason", reason)] {
        if let Some(word) = word {
            observed[key] = json!(word);
        }
    }
    let latency = format!("{}.{} ms", latency_us / 1000, latency_us % 1000 / 100);
    let finding = match status {
        Some("missing") | None => {
            let told = reason.map_or_else(
                || "and no metadata.status".to_owned(),
                |reason| format!("metadata missing: {reason}"),
            );
            // One cause, one finding: where no runtime answers, or another than the kubelet's, or too late, that is the root.
            let why = Reason::ALL.into_iter().find(|known| Some(known.as_str()) == reason);
            if let Some(root) = untold(facts, why).or_else(|| runtime::root_of(facts, why)) {
                return Finding::skipped(format!("canary seen after {latency}, {told}"))
                    .blocked_by(root)
                    .observed(observed)
                    .evidence(
                        &facts.canary,
                        format!("exec of {program} with a token"),
                        event["metadata"].clone(),
                    );
            }
            Finding::fail(format!("canary seen after {latency}, {told}"))
                .impact(
                    "Events of this container cannot be told apart.",
                    &["metadata"],
                    &["container", "kubernetes"],
                )
                .remedy(
                    "The reason names the step of the lookup that failed; docs/events.md explains each.",
                    &["agent doctor --format json", "agent doctor --explain CONTAINER"],
                )
                .change(Change::node("container runtime", "answers"))
        }
        Some(status) => Finding::ok(format!("canary seen after {latency}, metadata {status}")),
    };
    finding.observed(observed).expected(EXPECTED).evidence(
        &facts.canary,
        format!("exec of {program} with a token"),
        event["metadata"].clone(),
    )
}
