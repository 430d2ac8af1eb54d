//! `container.*`: the container that it runs in.
//!
//! `host` outside of containers, where every field but id, name and type is absent. What a container lacks is unknown for
//! the reason of its `metadata`, unless a container of its kind has none.

use pinhole_rules::field::{Argument, Kind, Several};
use pinhole_rules::value::Answer;

use super::labels::Labels;
use super::mounts::{self, Part};
use super::proc::start_of;
use super::{Row, looked, never, number, one, row, session, text, truth};
use crate::container::fields::{Presence, presences};
use crate::container::{Container, Field, Image, Outcome, Reason, Status};
use crate::rules::lineage::Looked;
use crate::rules::reasons;
use crate::rules::subject::Subject;

/// The fields.
pub(super) static ROWS: &[Row] = &[
    one(
        "container.id",
        Kind::Text,
        "the first 12 characters of `container.id`, else `host`; unknown where the cgroup's name is not believed",
        |subject, _| id(subject.outcome, short),
    ),
    one(
        "container.full_id",
        Kind::Text,
        "`container.id`, else `host`",
        |subject, _| id(subject.outcome, |id| id),
    ),
    one(
        "container.name",
        Kind::Text,
        "`container.name`, else `host`; upstream names sandboxes, too",
        |subject, _| {
            on_host(subject.outcome).unwrap_or_else(|| {
                judged(subject.outcome, Field::ContainerName, |container| {
                    container.name.as_deref()
                })
            })
        },
    ),
    one(
        "container.image",
        Kind::Text,
        "`container.image.reference`",
        |subject, _| {
            judged(subject.outcome, Field::Image, |container| {
                container.image.as_ref()?.reference.as_deref()
            })
        },
    ),
    one(
        "container.image.id",
        Kind::Text,
        "`container.image.id` without `sha256:`",
        |subject, _| {
            image(subject.outcome, |image| {
                let id = image.id.as_deref()?;
                Some(id.strip_prefix("sha256:").unwrap_or(id))
            })
        },
    ),
    one(
        "container.type",
        Kind::Text,
        "`container.runtime`, else `host`",
        |subject, _| {
            on_host(subject.outcome).unwrap_or_else(|| {
                let runtime = container(subject.outcome).and_then(|container| container.runtime.as_deref());
                runtime.map_or_else(|| lacking(subject.outcome), text)
            })
        },
    ),
    one(
        "container.privileged",
        Kind::Boolean,
        "`container.privileged`; upstream says `false` where it is not known",
        |subject, _| {
            let privileged = container(subject.outcome).and_then(|container| container.privileged);
            privileged.map_or_else(|| lacking(subject.outcome), truth)
        },
    ),
    one(
        "container.mounts",
        Kind::Text,
        "`container.mounts` as `source:dest:mode:rdwr:propagation`, with commas between them; the mode is never told",
        |subject, _| mounts::all(subject),
    ),
    mount("container.mount", |subject, given| {
        mounts::one(subject, given, Part::Whole)
    }),
    mount("container.mount.source", |subject, given| {
        mounts::one(subject, given, Part::Source)
    }),
    mount("container.mount.dest", |subject, given| {
        mounts::one(subject, given, Part::Destination)
    }),
    mount("container.mount.mode", |subject, given| {
        mounts::one(subject, given, Part::Mode)
    }),
    mount("container.mount.rdwr", |subject, given| {
        mounts::one(subject, given, Part::Writable)
    }),
    mount("container.mount.propagation", |subject, given| {
        mounts::one(subject, given, Part::Propagation)
    }),
    one(
        "container.image.repository",
        Kind::Text,
        "`container.image.repository`; absent of the host and of sandboxes, where upstream has an empty text",
        |subject, _| {
            judged(subject.outcome, Field::Image, |container| {
                container.image.as_ref()?.repository.as_deref()
            })
        },
    ),
    one(
        "container.image.tag",
        Kind::Text,
        "`container.image.tag`; absent where upstream has an empty text",
        |subject, _| {
            judged(subject.outcome, Field::ImageTag, |container| {
                container.image.as_ref()?.tag.as_deref()
            })
        },
    ),
    one(
        "container.image.digest",
        Kind::Text,
        "`container.image.digest`",
        |subject, _| image(subject.outcome, |image| image.digest.as_deref()),
    ),
    never("container.healthcheck", Kind::Text, Argument::None, DEPRECATED),
    never("container.liveness_probe", Kind::Text, Argument::None, DEPRECATED),
    never("container.readiness_probe", Kind::Text, Argument::None, DEPRECATED),
    one(
        "container.start_ts",
        Kind::Number,
        "when the runtime started the container, in nanoseconds since 1970, where it had when it was asked; else, as upstream has it, \
         `proc.pidns_init_start_ts`, unless that is the host's",
        |subject, _| looked(started(subject), number),
    ),
    one(
        "container.duration",
        Kind::Number,
        "nanoseconds from `container.start_ts` to the event",
        |subject, _| {
            let now = start_of(subject, subject.header.time);
            looked(started(subject), |start| number(now.saturating_sub(start)))
        },
    ),
    never("container.ip", Kind::Text, Argument::None, ADDRESSES),
    never("container.cni.json", Kind::Text, Argument::None, ADDRESSES),
    never("container.host_pid", Kind::Boolean, Argument::None, NAMESPACES),
    never("container.host_network", Kind::Boolean, Argument::None, NAMESPACES),
    never("container.host_ipc", Kind::Boolean, Argument::None, NAMESPACES),
    label("container.label", "`container.labels`, as far as they are kept"),
    label("container.label.", "likewise: the key behind the dot"),
    one(
        "container.labels",
        Kind::Text,
        "`container.labels` as `key:value`, with `, ` between them: those that are kept",
        |subject, _| labels(subject).map_or(Answer::Absent, |labels| labels.all()),
    ),
];

pub(super) const DEPRECATED: &str = "upstream gives it no value any more";
pub(super) const ADDRESSES: &str = "the lookup does not ask for addresses";
const NAMESPACES: &str = "the lookup does not ask which namespaces are shared with the host";

/// How upstream calls what is no container.
const HOST: &str = "host";
/// Characters of a short id.
const SHORT: usize = 12;

/// A field of one mount.
const fn mount(name: &'static str, answer: super::Get) -> Row {
    let from = "one of `container.mounts`, by its place or by a path with `*` and `?`";
    row(name, Kind::Text, Several::One, Argument::Key, from, answer)
}

/// A field of one label.
const fn label(name: &'static str, from: &'static str) -> Row {
    row(name, Kind::Text, Several::One, Argument::Key, from, |subject, given| {
        labels(subject).map_or(Answer::Absent, |labels| labels.one(given))
    })
}

/// The beginning of an id.
pub(super) fn short(id: &str) -> &str {
    id.get(..SHORT).unwrap_or(id)
}

fn on_host<'s>(outcome: &Outcome) -> Option<Answer<'s>> {
    (outcome.metadata.status == Status::Host).then(|| text(HOST))
}

fn container(outcome: &Outcome) -> Option<&Container> {
    outcome.container.as_ref()
}

/// What is said of a field that a container lacks, though one of its kind may have it.
pub(super) fn lacking<'s>(outcome: &Outcome) -> Answer<'s> {
    match (outcome.metadata.status, outcome.metadata.reason) {
        (Status::Host, _) => Answer::Absent,
        (_, Some(reason)) => Answer::Unknown(reason.as_str()),
        (_, None) => Answer::Unknown(reasons::NOT_TOLD),
    }
}

/// What is said of a field that the outcome lacks and that is judged by itself: absent where a container of its kind has
/// none.
pub(super) fn missing<'s>(outcome: &Outcome, field: Field) -> Answer<'s> {
    match presences(outcome).map(|presences| presences[field as usize]) {
        None | Some(Presence::Inapplicable) => Answer::Absent,
        Some(Presence::Missing(reason)) => Answer::Unknown(reason.as_str()),
        Some(Presence::Present) => Answer::Unknown(reasons::NOT_TOLD),
    }
}

fn judged<'s>(outcome: &'s Outcome, field: Field, take: fn(&Container) -> Option<&str>) -> Answer<'s> {
    let value = container(outcome).and_then(take);
    value.map_or_else(|| missing(outcome, field), text)
}

/// A part of the image that need not exist: only of a sandbox is it certain that there is none.
fn image<'s>(outcome: &'s Outcome, take: fn(&Image) -> Option<&str>) -> Answer<'s> {
    let container = container(outcome);
    let value = container.and_then(|container| take(container.image.as_ref()?));
    match value {
        Some(value) => text(value),
        None if container.is_some_and(|container| container.sandbox == Some(true)) => Answer::Absent,
        None => lacking(outcome),
    }
}

fn id<'s>(outcome: &'s Outcome, part: fn(&str) -> &str) -> Answer<'s> {
    if let Some(host) = on_host(outcome) {
        return host;
    }
    match container(outcome) {
        // Whoever may make cgroups chose this name.
        Some(_) if outcome.metadata.reason == Some(Reason::CgroupMismatch) => lacking(outcome),
        Some(container) => text(part(&container.id)),
        None => lacking(outcome),
    }
}

/// When the container started. A lookup often comes before that, at the making of the cgroup.
fn started(subject: &Subject<'_>) -> Looked<i64> {
    let outcome = subject.outcome;
    if outcome.metadata.status == Status::Host {
        return Ok(None);
    }
    let why = outcome.metadata.reason.map_or(reasons::NOT_TOLD, Reason::as_str);
    let container = container(outcome).ok_or(why)?;
    if container.started_at.is_some() {
        return Ok(container.started_at);
    }
    // In the host's PID namespace the first process is the host's.
    if session::groups(subject)?.pid_ns_level == 0 {
        return Err(why);
    }
    session::namespace_start(subject).map(Some)
}

/// The container's own labels. None of the host.
fn labels<'s>(subject: &'s Subject<'_>) -> Option<Labels<'s>> {
    static NONE: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
    let outcome = subject.outcome;
    if outcome.metadata.status == Status::Host {
        return None;
    }
    let kept = container(outcome).map_or(&NONE, |container| &container.labels);
    Some(Labels {
        kept,
        truncated: container(outcome).is_some_and(|container| container.labels_truncated),
        selection: &subject.host.selection,
        // They come all at once.
        unknown: outcome.metadata.reason.filter(|_| kept.is_empty()).map(Reason::as_str),
    })
}
