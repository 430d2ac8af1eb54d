//! `k8s.*`: the pod.

use pinhole_rules::field::{Argument, Kind, Several};
use pinhole_rules::value::Answer;

use super::container::{ADDRESSES, DEPRECATED, lacking, missing, short};
use super::labels::Labels;
use super::{Row, never, one, row, text};
use crate::container::fields::Presence;
use crate::container::fields::presences;
use crate::container::{Field, Outcome, Pod, Status};
use crate::rules::subject::Subject;

/// The fields.
pub(super) static ROWS: &[Row] = &[
    one("k8s.pod.name", Kind::Text, "`kubernetes.pod.name`", |subject, _| {
        of_pod(subject.outcome, Field::PodName, |pod| pod.name.as_deref())
    }),
    one("k8s.ns.name", Kind::Text, "`kubernetes.namespace`", |subject, _| {
        let kubernetes = subject.outcome.kubernetes.as_ref();
        let namespace = kubernetes.and_then(|kubernetes| kubernetes.namespace.as_deref());
        namespace.map_or_else(|| missing(subject.outcome, Field::Namespace), text)
    }),
    one("k8s.pod.id", Kind::Text, "`kubernetes.pod.uid`", |subject, _| {
        of_pod(subject.outcome, Field::PodUid, |pod| pod.uid.as_deref())
    }),
    one("k8s.pod.uid", Kind::Text, "`kubernetes.pod.uid`", |subject, _| {
        of_pod(subject.outcome, Field::PodUid, |pod| pod.uid.as_deref())
    }),
    one(
        "k8s.pod.sandbox_id",
        Kind::Text,
        "the first 12 characters of `container.pod_sandbox_id`",
        |subject, _| sandbox(subject.outcome, short),
    ),
    one(
        "k8s.pod.full_sandbox_id",
        Kind::Text,
        "`container.pod_sandbox_id`",
        |subject, _| sandbox(subject.outcome, |id| id),
    ),
    label("k8s.pod.label", "`kubernetes.pod.labels`, as far as they are kept"),
    label("k8s.pod.label.", "likewise: the key behind the dot"),
    one(
        "k8s.pod.labels",
        Kind::Text,
        "`kubernetes.pod.labels` as `key:value`, with `, ` between them: those that are kept",
        |subject, _| labels(subject).map_or_else(|answer| answer, |labels| labels.all()),
    ),
    never("k8s.pod.ip", Kind::Text, Argument::None, ADDRESSES),
    never("k8s.pod.cni.json", Kind::Text, Argument::None, ADDRESSES),
    never("k8s.rc.name", Kind::Text, Argument::None, DEPRECATED),
    never("k8s.rc.id", Kind::Text, Argument::None, DEPRECATED),
    never("k8s.rc.label", Kind::Text, Argument::Key, DEPRECATED),
    never("k8s.rc.labels", Kind::Text, Argument::None, DEPRECATED),
    never("k8s.svc.name", Kind::Text, Argument::None, DEPRECATED),
    never("k8s.svc.id", Kind::Text, Argument::None, DEPRECATED),
    never("k8s.svc.label", Kind::Text, Argument::Key, DEPRECATED),
    never("k8s.svc.labels", Kind::Text, Argument::None, DEPRECATED),
    never("k8s.ns.id", Kind::Text, Argument::None, DEPRECATED),
    never("k8s.ns.label", Kind::Text, Argument::Key, DEPRECATED),
    never("k8s.ns.labels", Kind::Text, Argument::None, DEPRECATED),
    never("k8s.rs.name", Kind::Text, Argument::None, DEPRECATED),
    never("k8s.rs.id", Kind::Text, Argument::None, DEPRECATED),
    never("k8s.rs.label", Kind::Text, Argument::Key, DEPRECATED),
    never("k8s.rs.labels", Kind::Text, Argument::None, DEPRECATED),
    never("k8s.deployment.name", Kind::Text, Argument::None, DEPRECATED),
    never("k8s.deployment.id", Kind::Text, Argument::None, DEPRECATED),
    never("k8s.deployment.label", Kind::Text, Argument::Key, DEPRECATED),
    never("k8s.deployment.labels", Kind::Text, Argument::None, DEPRECATED),
];

/// A field of one label.
const fn label(name: &'static str, from: &'static str) -> Row {
    row(name, Kind::Text, Several::One, Argument::Key, from, |subject, given| {
        labels(subject).map_or_else(|answer| answer, |labels| labels.one(given))
    })
}

fn pod(outcome: &Outcome) -> Option<&Pod> {
    outcome.kubernetes.as_ref()?.pod.as_ref()
}

fn of_pod<'s>(outcome: &'s Outcome, field: Field, take: fn(&Pod) -> Option<&str>) -> Answer<'s> {
    let value = pod(outcome).and_then(take);
    value.map_or_else(|| missing(outcome, field), text)
}

fn sandbox<'s>(outcome: &'s Outcome, part: fn(&str) -> &str) -> Answer<'s> {
    let container = outcome.container.as_ref();
    match container.and_then(|container| container.pod_sandbox_id.as_deref()) {
        Some(id) => text(part(id)),
        // Outside of pods there is none.
        None if outcome.metadata.status == Status::Complete && outcome.kubernetes.is_none() => Answer::Absent,
        None => lacking(outcome),
    }
}

/// The pod's labels, or what is said where there is no pod.
fn labels<'s>(subject: &'s Subject<'_>) -> Result<Labels<'s>, Answer<'s>> {
    let outcome = subject.outcome;
    let unknown = match presences(outcome).map(|presences| presences[Field::PodLabels as usize]) {
        Some(Presence::Missing(reason)) => Some(reason.as_str()),
        _ => None,
    };
    match pod(outcome) {
        Some(pod) => Ok(Labels {
            kept: &pod.labels,
            truncated: pod.labels_truncated,
            selection: &subject.host.selection,
            unknown,
        }),
        None => Err(missing(outcome, Field::PodLabels)),
    }
}
