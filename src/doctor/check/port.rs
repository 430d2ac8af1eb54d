//! The port for probes: whether a prober gets an answer.

use serde_json::json;

use super::super::change::Change;
use super::super::facts::Facts;
use super::super::finding::Finding;
use super::super::registry::{Definition, Edge, Need, Weight};
use super::{agent, commands, no_agent};

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[Definition {
    id: "PIN-LIVE-008",
    area: "live",
    title: "Probes are answered",
    weight: Weight::Major,
    needs: &[Need::Agent],
    depends_on: &[Edge::Through("PIN-LIVE-001")],
    judge: Some(answered),
    offline: None,
    page: include_str!("../pages/PIN-LIVE-008.md"),
}];

/// What `/livez` answers.
const ANSWERS: [u16; 2] = [200, 503];

/// PIN-LIVE-008.
fn answered(facts: &Facts) -> Finding {
    let Some(agent) = agent(facts) else { return no_agent() };
    let bound = &agent.second.health_listen;
    let Some(probe) = &agent.probe else {
        return Finding::skipped(if bound.is_empty() {
            "health.listen names no address: probes and scrapers use the admin socket".to_owned()
        } else {
            format!("the agent listens at {bound}, in a network that may be another one than the doctor's")
        });
    };
    let address = probe.address;
    let (finding, observed) = match &probe.answer {
        // What it says is the matter of PIN-LIVE-004.
        Ok(status) if ANSWERS.contains(status) => (
            Finding::ok(format!("GET http://{address}/livez is answered with {status}")),
            json!(status),
        ),
        Ok(status) => (
            unanswered(
                facts,
                format!("GET http://{address}/livez is answered with {status}, as the agent never does"),
            ),
            json!(status),
        ),
        Err(why) => (
            unanswered(facts, format!("GET http://{address}/livez gets no answer: {why}")),
            json!(why),
        ),
    };
    finding.observed(observed.clone()).expected(json!(ANSWERS)).evidence(
        &facts.live,
        format!("GET http://{address}/livez"),
        observed,
    )
}

fn unanswered(facts: &Facts, summary: String) -> Finding {
    Finding::fail(summary)
        .impact(
            "The kubelet takes the agent for dead and ends it again and again; metrics are missing.",
            &["health"],
            &[],
        )
        .remedy(
            "The admin socket is answered and the port is not: something else has the address, a packet filter stands before it, or all 32 \
             connections are taken by who sends nothing. See who is connected, and start the agent anew.",
            &["ss -tnp sport = :9467", commands::log(facts.place), commands::restart(facts.place)],
        )
        .change(Change::node("agent", "restarted"))
}
