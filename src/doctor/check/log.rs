//! The agent's own log: whether it goes anywhere.

use serde_json::json;

use super::super::change::Change;
use super::super::facts::{Facts, LiveAgent, LogFacts, Place};
use super::super::finding::Finding;
use super::super::registry::{Definition, Need, Weight};
use super::{agent, commands, errno_name};
use crate::control::api::Log;
use crate::output::log::JOURNALD_SOCKET;

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[Definition {
    id: "PIN-CFG-002",
    area: "configuration",
    title: "The log has a destination",
    weight: Weight::Minor,
    needs: &[Need::Settings, Need::Agent],
    depends_on: &[],
    judge: Some(destination),
    offline: None,
    page: include_str!("../pages/PIN-CFG-002.md"),
}];

const JOURNALD: &str = "journald";
const EXPECTED: &str = "stderr, or a journald that answers";

/// PIN-CFG-002.
fn destination(facts: &Facts) -> Finding {
    match agent(facts) {
        Some(agent) => match &agent.second.log {
            Some(log) => running(facts, agent, log),
            None => Finding::skipped("the agent is of a version that does not tell where its log goes"),
        },
        None => would(facts),
    }
}

/// Where the running agent's log goes.
fn running(facts: &Facts, agent: &LiveAgent, log: &Log) -> Finding {
    // What the doctor finds at the path says something about the agent only where both see the same files.
    let gone = facts.log.value.as_ref().ok().filter(|_| agent.is_here());
    let gone = gone.and_then(|it| it.journald.as_ref().err());
    let lost = log.failures;
    let finding = if log.used == JOURNALD {
        match gone {
            Some(error) => no_journal(
                facts,
                Finding::fail(format!(
                    "the log goes to journald, which is gone ({}); {lost} messages were lost",
                    error.message
                )),
            ),
            None if lost > 0 => Finding::ok(format!(
                "the log goes to journald; {lost} messages were lost, as they are while it is restarted"
            )),
            None => Finding::ok("the log goes to journald"),
        }
    } else if lost > 0 {
        Finding::warn(format!(
            "{lost} messages of the log were lost: {} does not take them",
            log.used
        ))
        .impact(
            "What the agent says about itself is lost: why it lost events, what it was asked to change and by whom.",
            &["log"],
            &[],
        )
        .remedy(
            "Make room where standard error goes, or find out why nobody reads it. Or send the log to journald.",
            &[
                "df -h",
                "ls -l /proc/$(pidof agent)/fd/2",
                "PINHOLE_LOG_TARGET=journald",
            ],
        )
        .change(Change::node("destination of the log", "takes messages"))
    } else if log.wanted == "auto"
        && facts.place == Place::Host
        && gone.is_some_and(|error| error.errno == Some(libc::ECONNREFUSED))
    {
        // The socket's file is there and nobody listens: this host has a journal, and it is down.
        no_journal(
            facts,
            Finding::warn("journald is down, so that the log goes to standard error, where nobody may look for it"),
        )
    } else {
        Finding::ok(match log.why.as_str() {
            "" => format!("the log goes to {}", log.used),
            why => format!("the log goes to {}: {why}", log.used),
        })
    };
    let observed = json!({ "wanted": log.wanted, "used": log.used, "failures": lost, "why": log.why });
    finding
        .observed(observed.clone())
        .expected(EXPECTED)
        .evidence(&facts.live, "GetStatus log", observed)
}

/// Where that of an agent that were started here would go.
fn would(facts: &Facts) -> Finding {
    let LogFacts { target, journald } = match &facts.log.value {
        Ok(log) => log,
        Err(gap) => return Finding::gap(gap),
    };
    let said = match journald {
        Ok(()) => json!("answers"),
        Err(error) => json!(errno_name(error.errno)),
    };
    let finding = match (*target, journald) {
        (JOURNALD, Err(error)) => no_journal(
            facts,
            Finding::fail(format!(
                "log.target is journald, and {JOURNALD_SOCKET} cannot be used: {}",
                error.message
            )),
        ),
        ("auto", Ok(())) => Finding::ok("journald answers, and takes the log where standard error is no terminal"),
        ("auto", Err(_)) => Finding::ok("the log goes to standard error: no journald is in sight"),
        (target, _) => Finding::ok(format!("the log goes to {target}")),
    };
    finding
        .observed(json!({ "target": target, "journald": said }))
        .expected(EXPECTED)
        .evidence(&facts.log, format!("connect(2) to {JOURNALD_SOCKET}"), said)
}

fn no_journal(facts: &Facts, finding: Finding) -> Finding {
    finding
        .impact(
            "An agent that is told to use journald does not start without it; a running one says what it has to say to nobody.",
            &["log"],
            &[],
        )
        .remedy(
            "Start journald, or mount its socket's directory into the container, or let the agent choose where its log goes.",
            &match facts.place {
                Place::Kubernetes => [
                    "PINHOLE_LOG_TARGET=auto",
                    "volumeMounts:\n- {name: journal, mountPath: /run/systemd/journal, readOnly: true}",
                    commands::log(facts.place),
                ],
                Place::Container => [
                    "PINHOLE_LOG_TARGET=auto",
                    "--volume /run/systemd/journal:/run/systemd/journal:ro",
                    commands::log(facts.place),
                ],
                Place::Host => [
                    "systemctl start systemd-journald",
                    "PINHOLE_LOG_TARGET=auto",
                    "systemctl status systemd-journald",
                ],
            },
        )
        .change(match facts.place {
            Place::Host => Change::node("journald", "answers"),
            Place::Kubernetes | Place::Container => Change::setting("log.target", "auto"),
        })
}
