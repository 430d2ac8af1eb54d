//! The steps that every container has in common: the settings, the sockets, and the search for what was asked for. Pure.

use serde_json::json;

use super::facts::{CandidateSeen, Facts, Lists, Live};
use super::report::{Evidence, Step, StepOutcome, micros};
use super::target::Target;
use super::walk;
use crate::container::{Origin, Reason};

/// In order.
pub(super) fn steps(facts: &Facts) -> Vec<Step> {
    vec![configuration(facts), sockets(facts), looking(facts), search(facts)]
}

/// Whether any runtime told what it has.
pub(super) fn anybody_listed(facts: &Facts) -> bool {
    let lists = facts.lists.iter().flat_map(|lists| &lists.lists);
    lists.into_iter().any(|list| list.listed.is_ok())
}

fn configuration(facts: &Facts) -> Step {
    let config = &facts.config;
    let settings = &config.runtime;
    let sockets: Vec<String> = settings.socket.iter().map(|path| path.display().to_string()).collect();
    let mut evidence = vec![
        Evidence::new(
            if sockets.is_empty() {
                format!(
                    "runtime.socket: none, so crictl's and the well-known paths are tried ({})",
                    config.socket_source
                )
            } else {
                format!("runtime.socket: {} ({})", sockets.join(", "), config.socket_source)
            },
            json!({ "key": "runtime.socket", "value": sockets, "source": config.socket_source }),
        ),
        Evidence::new(
            format!(
                "runtime.host_prefix: {:?} ({})",
                settings.host_prefix.display().to_string(),
                config.prefix_source
            ),
            json!({ "key": "runtime.host_prefix", "value": settings.host_prefix, "source": config.prefix_source }),
        ),
    ];
    let budgets = [
        ("runtime.call_timeout", settings.call_timeout),
        ("runtime.lookup_budget", settings.lookup_budget),
    ];
    evidence.extend(budgets.map(|(key, time)| {
        let time = humantime::format_duration(time).to_string();
        Evidence::new(format!("{key}: {time}"), json!({ "key": key, "value": time }))
    }));
    let bundles: Vec<String> = settings.bundles.iter().map(|path| path.display().to_string()).collect();
    if !bundles.is_empty() {
        let text = format!("runtime.bundles: {}", bundles.join(", "));
        evidence.push(Evidence::new(
            text,
            json!({ "key": "runtime.bundles", "value": bundles }),
        ));
    }
    match &config.problem {
        Some(problem) => Step::broke(
            "configuration",
            format!("the settings are wrong, the built-in ones were used: {problem}"),
        ),
        None => Step::ok(
            "configuration",
            format!("as `agent run` would have it, as uid {}", facts.uid),
        ),
    }
    .with(evidence)
}

fn sockets(facts: &Facts) -> Step {
    let usable = |seen: &&CandidateSeen| seen.candidate.state.reason().is_none();
    let answering = facts.candidates.iter().filter(usable).count();
    let present = facts
        .candidates
        .iter()
        .filter(|seen| seen.candidate.state.as_str() != "absent");
    let present = present.count();
    let all = facts.candidates.len();
    let said = format!("{all} candidates, {present} of them there, {answering} answering");
    let outcome = if answering > 0 {
        StepOutcome::Ok
    } else {
        StepOutcome::Broke
    };
    Step::new("sockets", outcome, said).with(facts.candidates.iter().map(candidate))
}

fn candidate(seen: &CandidateSeen) -> Evidence {
    let candidate = &seen.candidate;
    let (state, detail, evidence) = (
        candidate.state.as_str(),
        candidate.state.detail(),
        candidate.evidence.describe(),
    );
    let origin = match candidate.origin {
        Origin::WellKnown(product) => format!("well known for {product}"),
        other => other.as_str().to_owned(),
    };
    let mut text = format!("{}: {state}", candidate.socket.display());
    for more in [&detail, &evidence].into_iter().filter(|more| !more.is_empty()) {
        text.push_str(&format!("; {more}"));
    }
    text.push_str(&format!("; rank {}; {origin}", candidate.rank().as_str()));
    if let Some(file) = seen.file {
        text.push_str(&format!("; mode {:04o} uid {} gid {}", file.mode, file.uid, file.gid));
    }
    if let Some(took) = seen.took {
        text.push_str(&format!("; {}", walk::time(took)));
    }
    Evidence::new(
        text,
        json!({
            "socket": candidate.socket,
            "state": state,
            "detail": Some(detail).filter(|text| !text.is_empty()),
            "reason": candidate.state.reason(),
            "protocol": candidate.protocol.as_str(),
            "rank": candidate.rank().as_str(),
            "found": Some(evidence).filter(|text| !text.is_empty()),
            "origin": candidate.origin.as_str(),
            "mode": seen.file.map(|file| format!("{:04o}", file.mode)),
            "uid": seen.file.map(|file| file.uid),
            "gid": seen.file.map(|file| file.gid),
            "took_us": seen.took.map(micros),
        }),
    )
}

/// The calls by which the sockets were told apart.
fn looking(facts: &Facts) -> Step {
    walk::calls("probes", &facts.looking)
}

fn search(facts: &Facts) -> Step {
    const STEP: &str = "search";
    let Some(lists) = &facts.lists else {
        return Step::skipped(STEP, "a full id needs no search");
    };
    let found = facts.walks.len();
    let step = if lists.lists.is_empty() {
        let why = blame(facts);
        let said = match (&facts.live, found) {
            (Live::Answered { .. }, 1..) => {
                format!("no runtime can be asked what it has ({why}); the running agent knows {found}")
            }
            _ => format!("no runtime can be asked what it has ({why}); a full id could be explained all the same"),
        };
        Step::broke(STEP, said)
    } else if found == 0 {
        Step::broke(STEP, format!("{} is in no list{}", facts.target, hint(&facts.target)))
    } else {
        let more = if facts.more { ", of more that fit" } else { "" };
        Step::ok(STEP, format!("{} is {found} of the containers{more}", facts.target))
    };
    step.took(lists.took).with(listed(lists))
}

fn hint(target: &Target) -> &'static str {
    match target {
        Target::Name(_) => " (of an id, the first 6 digits are needed at least)",
        Target::Pod { .. } => " (it may run on another node)",
        Target::Id(_) | Target::Prefix(_) => "",
    }
}

/// The reasons of the candidates that are there, or that none is.
fn blame(facts: &Facts) -> String {
    let reasons = facts.candidates.iter().filter_map(|seen| {
        let reason = seen
            .candidate
            .state
            .reason()
            .filter(|reason| *reason != Reason::NoRuntimeSocket)?;
        Some(format!("{}: {}", seen.candidate.socket.display(), reason.as_str()))
    });
    let reasons: Vec<String> = reasons.collect();
    if reasons.is_empty() {
        Reason::NoRuntimeSocket.as_str().to_owned()
    } else {
        reasons.join(", ")
    }
}

fn listed(lists: &Lists) -> Vec<Evidence> {
    let mut evidence: Vec<Evidence> = lists
        .lists
        .iter()
        .map(|list| {
            let socket = list.socket.display();
            match &list.listed {
                Ok(listed) => Evidence::new(
                    format!("{socket} lists {} containers and sandboxes", listed.len()),
                    json!({ "socket": list.socket, "listed": listed.len() }),
                ),
                Err(error) => Evidence::new(
                    format!("{socket} does not list what it has: {error}"),
                    json!({ "socket": list.socket, "error": error }),
                ),
            }
        })
        .collect();
    evidence.extend(walk::calls("search", &lists.notes).evidence);
    evidence
}
