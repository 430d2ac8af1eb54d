//! PIN-MAN-005: whether what the kubelet asks is what the agent answers, where the agent listens.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::super::super::change::Change;
use super::super::super::facts::manifests::{AgentPod, Manifests};
use super::super::super::finding::Finding;
use super::super::offline::patch::put;
use super::super::offline::{Read, agent, settings_unknown};
use crate::health::answer::PATHS;
use crate::manifest::HEALTH_PORT;

/// Each probe, what it is to ask, and whether it belongs to every pod.
const PROBES: [(&str, &str, bool); 3] = [
    ("startupProbe", "/livez", false),
    ("livenessProbe", "/livez", true),
    ("readinessProbe", "/readyz", true),
];

/// What is wrong, how bad that is, and what mends it.
struct Flaw {
    fails: bool,
    said: String,
    changes: Vec<Change>,
}

/// PIN-MAN-005.
pub(super) fn judge(manifests: &Manifests) -> Finding {
    let agent = match agent(manifests) {
        Ok(agent) => agent,
        Err(finding) => return *finding,
    };
    if let Some(unknown) = settings_unknown(manifests) {
        return unknown;
    }
    let health = &manifests.settings.settings.health;
    let listen = health.address();
    let (mut flaws, mut asked) = (Vec::new(), Vec::new());
    let port = listen.map_or(HEALTH_PORT, |address| address.port());
    for (name, path, wanted) in PROBES {
        let pointer = agent.in_container(&format!("/{name}"));
        match agent.object.at(&pointer) {
            Some(probe) => {
                asked.push(json!({ "probe": name, "asks": what(probe) }));
                flaws.extend(flaw(agent, &pointer, name, path, probe, listen));
            }
            None if wanted => flaws.push(Flaw {
                fails: false,
                said: format!("there is no {name}"),
                changes: vec![put(&agent.object, &pointer, probe(path, port))],
            }),
            None => {}
        }
    }
    // Nobody is there, or nobody but the container itself: one flaw, whatever asks.
    let deaf = listen.is_none_or(|address| address.ip().is_loopback());
    if deaf && (!asked.is_empty() || !flaws.is_empty()) {
        let said = match listen {
            None => "health.listen is empty: nobody answers the kubelet's probes".to_owned(),
            Some(address) => format!("health.listen is {address}, where the kubelet does not come"),
        };
        let address = format!("0.0.0.0:{}", asked_port(agent).unwrap_or(port));
        let fails = !asked.is_empty();
        flaws.insert(
            0,
            Flaw {
                fails,
                said,
                changes: vec![Change::setting("health.listen", address)],
            },
        );
    }
    let said: Vec<&str> = flaws.iter().map(|flaw| flaw.said.as_str()).collect();
    let finding = if flaws.is_empty() {
        Finding::ok(format!(
            "the probes ask /livez and /readyz on port {port}, where the agent listens"
        ))
    } else if flaws.iter().any(|flaw| flaw.fails) {
        Finding::fail(said.join("; ")).impact(
            "The kubelet takes the agent for dead and starts it again and again, or for never ready.",
            &["capture"],
            &[],
        )
    } else {
        Finding::warn(said.join("; ")).impact(
            "An agent that stands still, or sees nothing, is left as it is and counts as healthy.",
            &["capture"],
            &[],
        )
    };
    let finding = match flaws.is_empty() {
        true => finding,
        false => finding
            .remedy(
                "Ask /livez whether it has to be started again and /readyz whether it sees what it should, where it listens.",
                &[
                    &format!("livenessProbe:\n  httpGet: {{path: /livez, port: {port}}}"),
                    &format!("readinessProbe:\n  httpGet: {{path: /readyz, port: {port}}}"),
                ],
            )
            .changes(flaws.into_iter().flat_map(|flaw| flaw.changes)),
    };
    let probes = PROBES.map(|(name, ..)| agent.in_container(&format!("/{name}")));
    probes.iter().fold(
        finding
            .observed(json!({ "probes": asked, "listen": health.listen }))
            .expected(json!({ "liveness": "/livez", "readiness": "/readyz", "port": port })),
        |finding, pointer| {
            let said = agent.object.at(pointer).map_or_else(|| "absent".to_owned(), what);
            finding.told(&agent.object, pointer, said)
        },
    )
}

fn probe(path: &str, port: u16) -> Value {
    json!({ "httpGet": { "path": path, "port": port }, "periodSeconds": 10, "timeoutSeconds": 2, "failureThreshold": 3 })
}

/// What a probe asks, in a few words.
fn what(probe: &Value) -> String {
    if probe["httpGet"].is_object() {
        let port = match &probe["httpGet"]["port"] {
            Value::String(name) => name.clone(),
            other => other.to_string(),
        };
        return format!("{} on port {port}", probe["httpGet"]["path"].as_str().unwrap_or("/"));
    }
    let kinds = ["exec", "grpc", "tcpSocket"];
    kinds
        .into_iter()
        .find(|kind| probe[*kind].is_object())
        .unwrap_or("nothing")
        .to_owned()
}

fn flaw(
    agent: &AgentPod,
    pointer: &str,
    name: &str,
    path: &str,
    probe_of: &Value,
    listen: Option<SocketAddr>,
) -> Vec<Flaw> {
    let object = &agent.object;
    let get = &probe_of["httpGet"];
    if !get.is_object() {
        // A program in the container, or whether anybody accepts: less than could be asked, and still answered.
        return match probe_of["grpc"].is_object() {
            false => Vec::new(),
            true => vec![Flaw {
                fails: true,
                said: format!("{name} asks by gRPC, which the agent's port does not speak"),
                changes: vec![put(
                    object,
                    pointer,
                    probe(path, listen.map_or(HEALTH_PORT, |address| address.port())),
                )],
            }],
        };
    }
    let mut flaws = Vec::new();
    let asked = get["path"].as_str().unwrap_or("/");
    let set = |key: &str, value: Value| vec![put(object, &format!("{pointer}/httpGet/{key}"), value)];
    // Whether it may start at all is whether it lives: with /readyz a start waits for the runtime too.
    if asked != path && !(name == "startupProbe" && asked == "/readyz") {
        let known = PATHS.contains(&asked);
        flaws.push(Flaw {
            fails: !known,
            said: match known {
                true => format!("{name} asks {asked} and not {path}"),
                false => format!("{name} asks {asked}, which the agent does not have"),
            },
            changes: set("path", json!(path)),
        });
    }
    if get["scheme"]
        .as_str()
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("HTTPS"))
    {
        flaws.push(Flaw {
            fails: true,
            said: format!("{name} asks by HTTPS, which the agent does not speak"),
            changes: set("scheme", json!("HTTP")),
        });
    }
    let Some(listen) = listen else { return flaws };
    let port = listen.port();
    match declared(agent, &get["port"]) {
        Some((number, _)) if number == u64::from(port) => {}
        Some((number, place)) => flaws.push(Flaw {
            fails: true,
            said: format!("{name} asks port {number}, and the agent listens on {port}"),
            changes: match place {
                Some(place) => vec![put(object, &place, port)],
                None => set("port", json!(port)),
            },
        }),
        None => flaws.push(Flaw {
            fails: true,
            said: format!("{name} asks a port that the container does not name"),
            changes: set("port", json!(port)),
        }),
    }
    flaws
}

/// The number of a probe's port; and where that stands, if it is named.
fn declared(agent: &AgentPod, port: &Value) -> Option<(u64, Option<String>)> {
    if let Some(number) = port.as_u64() {
        return Some((number, None));
    }
    let list = agent.in_container("/ports");
    let mut ports = agent.object.items(&list).enumerate();
    let (index, found) = ports.find(|(_, one)| one["name"].is_string() && one["name"] == *port)?;
    Some((
        found["containerPort"].as_u64()?,
        Some(format!("{list}/{index}/containerPort")),
    ))
}

/// The port that the first probe asks.
fn asked_port(agent: &AgentPod) -> Option<u16> {
    PROBES.iter().find_map(|(name, ..)| {
        let port = agent.object.at(&agent.in_container(&format!("/{name}/httpGet/port")))?;
        u16::try_from(declared(agent, port)?.0).ok()
    })
}
