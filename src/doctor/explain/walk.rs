//! The steps of one container's lookup, from the notes that it made. Pure.

use std::time::Duration;

use serde_json::json;

use super::facts::Walk;
use super::report::{Evidence, Step, StepOutcome, micros};
use crate::container::fields::{Field, Presence, presences};
use crate::container::trace::{Call, Note, Place, Said, Taken, VerboseSeen};
use crate::container::{Outcome, Status};

/// In order.
pub(super) fn steps(walk: &Walk) -> Vec<Step> {
    vec![
        order(walk),
        calls("calls", &walk.notes),
        replies(walk),
        compared(walk),
        verbose(walk),
        pod(walk),
        sandbox(walk),
        image(walk),
        cgroup(walk),
        fallbacks(walk),
        fields(&walk.outcome),
        metadata(walk),
    ]
}

/// A time, as people read it.
pub(super) fn time(time: Duration) -> String {
    let micros = time.as_micros();
    match micros {
        0..1_000 => format!("{micros} us"),
        1_000..10_000_000 => format!("{}.{} ms", micros / 1_000, micros / 100 % 10),
        _ => format!("{}.{} s", micros / 1_000_000, micros / 100_000 % 10),
    }
}

fn notes(walk: &Walk) -> impl DoubleEndedIterator<Item = &Note> {
    walk.notes.entries.iter().map(|entry| &entry.note)
}

fn order(walk: &Walk) -> Step {
    const STEP: &str = "order";
    let Some(order) = notes(walk).find_map(|note| match note {
        Note::Round { order } => Some(order),
        _ => None,
    }) else {
        return Step::skipped(STEP, "nobody was asked");
    };
    let rounds = notes(walk).filter(|note| matches!(note, Note::Round { .. })).count();
    let again = if rounds > 1 {
        format!("; everybody was asked {rounds} times, because the container might still have been in the making")
    } else {
        String::new()
    };
    let step = match order.first() {
        Some(first) if first.usable => Step::ok(
            STEP,
            format!("{} first: {}{again}", first.socket.display(), because(first)),
        ),
        _ => Step::broke(STEP, format!("no runtime can be asked{again}")),
    };
    step.with(order.iter().map(|place| {
        Evidence::new(
            format!("{}: {}", place.socket.display(), because(place)),
            json!({
                "socket": place.socket, "usable": place.usable, "named_by_cgroup": place.managed,
                "rank": place.rank.as_str(), "found_the_last": place.favourite,
            }),
        )
    }))
}

fn because(place: &Place) -> String {
    let mut words = vec![
        if place.usable {
            "it answers"
        } else {
            "it cannot be asked, so it comes last"
        }
        .to_owned(),
    ];
    if place.managed {
        words.push("the cgroup's name points at it".to_owned());
    }
    words.push(format!("rank {}", place.rank.as_str()));
    if place.favourite && place.usable {
        words.push(
            "among equals the one that found the last container, or the first in the order of the settings".to_owned(),
        );
    }
    words.join(", ")
}

/// Every call; those that are alike on one line.
pub(super) fn calls(step: &'static str, taken: &Taken) -> Step {
    struct Line<'a> {
        call: &'a Call,
        at: Duration,
        took: Duration,
        times: u32,
    }
    let mut lines: Vec<Line<'_>> = Vec::new();
    for entry in &taken.entries {
        let Note::Call(call) = &entry.note else { continue };
        let alike = |line: &&mut Line<'_>| {
            let other = line.call;
            (&other.socket, &other.method, &other.namespace, &other.outcome)
                == (&call.socket, &call.method, &call.namespace, &call.outcome)
        };
        if let Some(line) = lines.iter_mut().find(alike) {
            line.times += 1;
            line.took += call.took;
        } else {
            lines.push(Line {
                call,
                at: entry.at,
                took: call.took,
                times: 1,
            });
        }
    }
    if lines.is_empty() {
        return Step::skipped(step, "no call was made");
    }
    let failed = lines
        .iter()
        .filter(|line| line.call.outcome.as_ref().is_err_and(|failure| !failure.not_found));
    let failed = failed.map(|line| line.times).sum::<u32>();
    let all = lines.iter().map(|line| line.times).sum::<u32>();
    let total: Duration = lines.iter().map(|line| line.took).sum();
    let dropped = match taken.dropped {
        0 => String::new(),
        more => format!("; {more} more notes did not fit"),
    };
    let (outcome, said) = match failed {
        0 => (StepOutcome::Ok, format!("{all} calls{dropped}")),
        _ => (
            StepOutcome::Broke,
            format!("{all} calls, {failed} of them without an answer{dropped}"),
        ),
    };
    // That a socket is absent or serves no CRI is what probes are for.
    let outcome = if step == "probes" { StepOutcome::Ok } else { outcome };
    Step::new(step, outcome, said).took(total).with(lines.into_iter().map(|line| {
        let Line { call, at, took, times } = line;
        let namespace = call.namespace.as_ref().map(|name| format!(" in namespace {name}")).unwrap_or_default();
        let repeated = if times > 1 { format!(", {times} times") } else { String::new() };
        let came = match &call.outcome {
            Ok(size) => format!("{size} bytes"),
            Err(failure) if failure.not_found => "not found".to_owned(),
            Err(failure) => format!("{}: {}", failure.reason.as_str(), failure.text),
        };
        Evidence::new(
            format!("{}{namespace} on {}: {came}, {}{repeated}", call.method, call.socket.display(), time(took)),
            json!({
                "method": call.method, "socket": call.socket, "namespace": call.namespace,
                "at_us": micros(at), "took_us": micros(took), "times": times,
                "bytes": call.outcome.as_ref().ok(),
                "not_found": call.outcome.as_ref().err().filter(|failure| failure.not_found).map(|_| true),
                "reason": call.outcome.as_ref().err().filter(|failure| !failure.not_found).map(|failure| failure.reason),
                "error": call.outcome.as_ref().err().map(|failure| &failure.text),
            }),
        )
    }))
}

/// What each runtime said in the end.
fn replies(walk: &Walk) -> Step {
    const STEP: &str = "answers";
    let mut last: Vec<(&std::path::Path, &Said)> = Vec::new();
    for note in notes(walk) {
        if let Note::Reply { socket, said } = note {
            match last.iter_mut().find(|(known, _)| known == socket) {
                Some(known) => known.1 = said,
                None => last.push((socket, said)),
            }
        }
    }
    let evidence = last.iter().map(|(socket, said)| {
        let shown = socket.display();
        match said {
            Said::Found { source, gap, .. } => Evidence::new(
                match gap {
                    Some(gap) => format!("{shown} knows it; on the way broke: {}", gap.as_str()),
                    None => format!("{shown} knows it"),
                },
                json!({ "socket": socket, "said": "found", "source": source, "gap": gap }),
            ),
            Said::Unknown { .. } => Evidence::new(
                format!("{shown} does not know it"),
                json!({ "socket": socket, "said": "unknown" }),
            ),
            Said::Failed { reason, text, patient } => {
                let why = if text.is_empty() {
                    "not tried, because of what is known of its socket"
                } else {
                    text
                };
                let patient = if *patient { "; it may just be starting" } else { "" };
                Evidence::new(
                    format!("{shown}: {}: {why}{patient}", reason.as_str()),
                    json!({ "socket": socket, "said": "failed", "reason": reason, "error": text }),
                )
            }
        }
    });
    let found = last.iter().find(|(_, said)| matches!(said, Said::Found { .. }));
    let step = match found {
        Some((socket, _)) => Step::ok(STEP, format!("{} knows it", socket.display())),
        None if last.is_empty() => Step::skipped(STEP, "nobody was asked"),
        None => {
            let reason = walk.outcome.metadata.reason.map_or("", |reason| reason.as_str());
            Step::broke(STEP, format!("no runtime told of it: {reason}"))
        }
    };
    step.with(evidence)
}

fn compared(walk: &Walk) -> Step {
    const STEP: &str = "id";
    let all: Vec<_> = notes(walk)
        .filter_map(|note| match note {
            Note::Compared {
                method,
                asked,
                answered,
            } => Some((method, asked, answered)),
            _ => None,
        })
        .collect();
    let step = if all.is_empty() {
        Step::skipped(STEP, "no answer to compare with the id")
    } else if all.iter().any(|(_, asked, answered)| asked != answered) {
        Step::broke(STEP, "an answer is about something else, and is not used")
    } else {
        Step::ok(STEP, "every answer is about the id that was asked for")
    };
    step.with(all.into_iter().map(|(method, asked, answered)| {
        let verdict = if asked == answered { "same" } else { "another" };
        Evidence::new(
            format!("{method}: asked for {asked:.12}, answered for {answered:.12}: {verdict}"),
            json!({ "method": method, "asked": asked, "answered": answered, "same": asked == answered }),
        )
    }))
}

fn verbose(walk: &Walk) -> Step {
    const STEP: &str = "verbose";
    let seen = notes(walk).find_map(|note| match note {
        Note::Verbose { method, seen } if *seen != VerboseSeen::NotAsked => Some((method, *seen)),
        _ => None,
    });
    let too_large = notes(walk).find_map(|note| match note {
        Note::Call(call) => Some(call).filter(|call| call.outcome.as_ref().is_err_and(|failure| failure.too_large)),
        _ => None,
    });
    if let Some(call) = too_large {
        let said = "the answer with the verbose part is too large, so it was asked for again without: whether the container is \
                    privileged, its cgroup and more are not known";
        let evidence = json!({ "method": call.method, "too_large": true });
        return Step::broke(STEP, said).with([Evidence::new(format!("{} was too large", call.method), evidence)]);
    }
    let Some((method, seen)) = seen else {
        return Step::skipped(STEP, "no CRI answered for this id");
    };
    let (outcome, said, word) = match seen {
        VerboseSeen::Whole | VerboseSeen::NotAsked => (StepOutcome::Ok, "it came and can be read", "whole"),
        VerboseSeen::WithoutSpec => (
            StepOutcome::Broke,
            "it came without the OCI specification, as of a sandbox that is being made or removed: the cgroup is not known",
            "without_spec",
        ),
        VerboseSeen::Absent => (StepOutcome::Broke, "it was asked for and did not come", "absent"),
        VerboseSeen::Unreadable => (StepOutcome::Broke, "it came and cannot be read", "unreadable"),
    };
    Step::new(STEP, outcome, said).with([Evidence::new(
        format!("{method}: {}", word.replace('_', " ")),
        json!({ "method": method, "verbose": word }),
    )])
}

fn pod(walk: &Walk) -> Step {
    const STEP: &str = "pod";
    let mut evidence = Vec::new();
    for note in notes(walk) {
        let (origin, identity) = match note {
            Note::Labels { identity } => ("the container's labels", identity.clone()),
            Note::Pod { identity } => (
                "the sandbox",
                identity.clone().map(|word| Some(word).filter(|word| !word.is_empty())),
            ),
            _ => continue,
        };
        let shown = identity.each_ref().map(|word| word.as_deref().unwrap_or("nothing"));
        let [namespace, name, uid] = &identity;
        evidence.push(Evidence::new(
            format!("{origin}: namespace {}, pod {}, uid {}", shown[0], shown[1], shown[2]),
            json!({ "from": origin, "namespace": namespace, "pod": name, "uid": uid }),
        ));
    }
    evidence.dedup();
    let step = match (&walk.outcome.kubernetes, walk.outcome.metadata.status) {
        (_, Status::Missing) => Step::skipped(STEP, "nothing came as far as this"),
        (None, _) => Step::skipped(STEP, "no kubelet made it, so it has no pod"),
        (Some(kubernetes), _) => {
            let pod = kubernetes.pod.as_ref();
            let (name, uid) = (
                pod.and_then(|pod| pod.name.as_ref()),
                pod.and_then(|pod| pod.uid.as_ref()),
            );
            match (&kubernetes.namespace, name, uid) {
                (Some(namespace), Some(name), Some(uid)) => Step::ok(STEP, format!("{namespace}/{name}, uid {uid}")),
                _ => Step::broke(STEP, "the pod's namespace, name and uid are not all known"),
            }
        }
    };
    step.with(evidence)
}

fn sandbox(walk: &Walk) -> Step {
    const STEP: &str = "sandbox";
    let asked = notes(walk).filter_map(|note| match note {
        Note::Sandbox { id, error } => Some((id, error)),
        _ => None,
    });
    let asked: Vec<_> = asked.collect();
    let evidence = asked.iter().map(|(id, error)| {
        let came = error.as_deref().unwrap_or("known");
        Evidence::new(format!("{id}: {came}"), json!({ "sandbox": id, "error": error }))
    });
    let evidence: Vec<Evidence> = evidence.collect();
    let container = walk.outcome.container.as_ref();
    let step = if walk.outcome.metadata.status == Status::Missing {
        Step::skipped(STEP, "nothing came as far as this")
    } else if container.is_some_and(|container| container.sandbox == Some(true)) {
        Step::ok(STEP, "it is the sandbox itself")
    } else if walk.outcome.kubernetes.is_none() {
        Step::skipped(STEP, "a container without a pod has none")
    } else {
        match (
            container.and_then(|container| container.pod_sandbox_id.as_ref()),
            asked.last(),
        ) {
            (_, Some((_, Some(error)))) => Step::broke(STEP, format!("it is not known: {error}")),
            (Some(id), _) => Step::ok(STEP, id.clone()),
            (None, _) => Step::broke(STEP, "no answer told which it is"),
        }
    };
    step.with(evidence)
}

fn image(walk: &Walk) -> Step {
    const STEP: &str = "image";
    let mut evidence = Vec::new();
    for note in notes(walk) {
        let Note::Image { names, chosen } = note else { continue };
        for (index, (place, name)) in names.iter().enumerate() {
            let verdict = match chosen {
                _ if name.is_empty() => "empty",
                Some(chosen) if *chosen == index => "taken: the first that is a name",
                Some(chosen) if *chosen < index => "not needed: a better one was taken",
                _ => "no name that is without doubt, or an id only",
            };
            // Most places are empty in most answers.
            if !name.is_empty() {
                evidence.push(Evidence::new(
                    format!("{place}: {name}: {verdict}"),
                    json!({ "place": place, "name": name, "taken": *chosen == Some(index) }),
                ));
            }
        }
    }
    let container = walk.outcome.container.as_ref();
    let image = container.and_then(|container| container.image.as_ref());
    let step = if walk.outcome.metadata.status == Status::Missing {
        Step::skipped(STEP, "nothing came as far as this")
    } else if container.is_some_and(|container| container.sandbox == Some(true)) {
        Step::skipped(STEP, "a sandbox has no image of its own")
    } else {
        match image.and_then(|image| image.reference.as_ref()) {
            Some(name) => Step::ok(STEP, name.clone()),
            None => Step::broke(STEP, "the runtime has no name for it"),
        }
    };
    step.with(evidence)
}

fn cgroup(walk: &Walk) -> Step {
    const STEP: &str = "cgroup";
    let told = notes(walk).rev().find_map(|note| match note {
        Note::Reply {
            said: Said::Found { cgroups_path, .. },
            ..
        } => Some(cgroups_path),
        _ => None,
    });
    match told {
        Some(Some(path)) => Step::ok(STEP, path.clone()).with([Evidence::new(
            "the runtime keeps it there; a cgroup of its name elsewhere is not believed",
            json!({ "cgroups_path": path }),
        )]),
        Some(None) => Step::skipped(
            STEP,
            "no answer told where its cgroup is, so a cgroup of its name is believed anywhere",
        ),
        None => Step::skipped(STEP, "nothing came as far as this"),
    }
}

fn fallbacks(walk: &Walk) -> Step {
    const STEP: &str = "fallbacks";
    let mut evidence: Vec<Evidence> = Vec::new();
    let mut used = false;
    for note in notes(walk) {
        let one = match note {
            Note::Fallback { socket, to, because } => Evidence::new(
                format!("{to} on {}: {because}", socket.display()),
                json!({ "fallback": to, "socket": socket, "because": because }),
            ),
            Note::Bundles { directories: 0, .. } => Evidence::new(
                "no directory of bundles is open (runtime.bundles)",
                json!({ "fallback": "bundles", "directories": 0 }),
            ),
            Note::Bundles { directories, found } => {
                used |= *found == Ok(true);
                let came = match found {
                    Ok(true) => "it has one",
                    Ok(false) => "it has none",
                    Err(error) => error,
                };
                Evidence::new(
                    format!("bundles in {directories} directories: {came}"),
                    json!({ "fallback": "bundles", "directories": directories, "found": found.as_ref().ok(), "error": found.as_ref().err() }),
                )
            }
            _ => continue,
        };
        if !evidence.contains(&one) {
            evidence.push(one);
        }
    }
    let metadata = walk.outcome.metadata;
    let source = metadata
        .source
        .map(|source| json!(source).as_str().unwrap_or_default().to_owned());
    let source = source.unwrap_or_default();
    let step = if evidence.is_empty() {
        Step::skipped(STEP, "not needed")
    } else if metadata.status == Status::Missing {
        Step::broke(STEP, "none of them knows it")
    } else if used || source == "containerd" {
        Step::ok(STEP, format!("the answer is from {source}"))
    } else {
        Step::skipped(STEP, format!("tried; the answer is from {source}"))
    };
    step.with(evidence)
}

fn fields(outcome: &Outcome) -> Step {
    const STEP: &str = "fields";
    let Some(judged) = presences(outcome) else {
        return Step::skipped(STEP, "a process of the host has none");
    };
    let mut missing = Vec::new();
    let mut evidence = Vec::new();
    for (field, presence) in Field::ALL.into_iter().zip(judged) {
        let name = field.as_str();
        let (text, word, reason) = match presence {
            Presence::Present => (format!("{name}: present"), "present", None),
            Presence::Inapplicable => (format!("{name}: there is none to tell"), "inapplicable", None),
            Presence::Missing(reason) => {
                missing.push(name);
                (format!("{name}: missing, {}", reason.as_str()), "missing", Some(reason))
            }
        };
        evidence.push(Evidence::new(
            text,
            json!({ "field": name, "is": word, "reason": reason }),
        ));
    }
    // These are not counted, but required of a container in a pod.
    let container = outcome.container.as_ref();
    let others = [
        ("container.runtime", container.is_some_and(|it| it.runtime.is_some())),
        (
            "container.privileged",
            container.is_some_and(|it| it.privileged.is_some()),
        ),
        (
            "container.pod_sandbox_id",
            container.is_some_and(|it| it.pod_sandbox_id.is_some()),
        ),
        (
            "kubernetes.container",
            outcome.kubernetes.as_ref().is_some_and(|it| it.container.is_some()),
        ),
    ];
    for (name, present) in others {
        let word = if present { "present" } else { "absent" };
        evidence.push(Evidence::new(
            format!("{name}: {word}"),
            json!({ "field": name, "is": word }),
        ));
    }
    let step = if missing.is_empty() {
        Step::ok(STEP, "every field that there is to tell is told")
    } else {
        Step::broke(STEP, format!("missing: {}", missing.join(", ")))
    };
    step.with(evidence)
}

fn metadata(walk: &Walk) -> Step {
    const STEP: &str = "metadata";
    let metadata = walk.outcome.metadata;
    let reason = metadata
        .reason
        .map(|reason| format!(", {}", reason.as_str()))
        .unwrap_or_default();
    let said = format!("status {}{reason}", metadata.status.as_str());
    let values = json!({ "metadata": metadata });
    let text = json!(metadata).to_string();
    match metadata.status {
        Status::Complete | Status::Host => Step::ok(STEP, said),
        Status::Partial | Status::Missing => Step::broke(STEP, said),
    }
    .took(walk.took)
    .with([Evidence::new(format!("an event would carry {text}"), values)])
}
