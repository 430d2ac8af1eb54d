//! Which fields of an event of a container are there, and of those that are not, why each is not.
//!
//! `completeness` judges an outcome as a whole, by what is required of it. Here each field is judged by itself, the
//! optional ones too, so that the share of events with a field can be told, and what the rest lacks. Pure.

use super::outcome::{Kubernetes, Outcome, Pod, Reason, Status};

/// A field that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// `container.name`
    ContainerName,
    /// `container.image.reference`
    Image,
    /// `container.image.tag`
    ImageTag,
    /// `kubernetes.namespace`
    Namespace,
    /// `kubernetes.pod.name`
    PodName,
    /// `kubernetes.pod.uid`
    PodUid,
    /// `kubernetes.pod.labels`
    PodLabels,
}

/// How many fields are counted.
pub const FIELDS: usize = 7;

impl Field {
    /// Every field, in the order of events.
    pub const ALL: [Self; FIELDS] = [
        Self::ContainerName,
        Self::Image,
        Self::ImageTag,
        Self::Namespace,
        Self::PodName,
        Self::PodUid,
        Self::PodLabels,
    ];

    /// The word used in the summary and on the admin socket.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ContainerName => "container.name",
            Self::Image => "container.image",
            Self::ImageTag => "container.image.tag",
            Self::Namespace => "kubernetes.namespace",
            Self::PodName => "kubernetes.pod.name",
            Self::PodUid => "kubernetes.pod.uid",
            Self::PodLabels => "kubernetes.pod.labels",
        }
    }

    /// Why this field is missing where only the answer itself shows that it is.
    fn own_reason(self) -> Reason {
        match self {
            Self::ContainerName => Reason::AnswerUnusable,
            Self::Image | Self::ImageTag => Reason::ImageNameUnknown,
            Self::Namespace | Self::PodName | Self::PodUid | Self::PodLabels => Reason::SandboxUnknown,
        }
    }
}

/// What became of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It is there.
    Present,
    /// There is none: a sandbox has no image of its own, an image that was asked for by digest has no tag, a container
    /// outside Kubernetes no pod; or it is not wanted, as labels need not be.
    Inapplicable,
    /// It should be there.
    Missing(Reason),
}

/// What became of each field, in the order of [`Field::ALL`]. `None` for a process of the host, which has none of them.
///
/// Allocates nothing and looks at nothing but the outcome: cheap enough for every event.
#[must_use]
#[inline]
pub fn presences(outcome: &Outcome) -> Option<[Presence; FIELDS]> {
    let metadata = outcome.metadata;
    if metadata.status == Status::Host {
        return None;
    }
    let judge = Judge {
        status: metadata.status,
        reason: metadata.reason,
    };
    let container = outcome.container.as_ref();
    let image = container.and_then(|container| container.image.as_ref());
    let kubernetes = outcome.kubernetes.as_ref();
    let pod = kubernetes.and_then(|kubernetes: &Kubernetes| kubernetes.pod.as_ref());

    let named = image.is_some_and(|image| image.reference.is_some());
    let has_image = container.is_none_or(|container| container.sandbox != Some(true));
    let in_pod = kubernetes.is_some();
    let of_pod = |is: fn(&Pod) -> bool| pod.is_some_and(is);
    Some([
        judge.field(
            Field::ContainerName,
            container.is_some_and(|container| container.name.is_some()),
            has_image,
        ),
        judge.field(Field::Image, named, has_image),
        // Of an image whose name is known, it is known that it has no tag.
        judge.field(
            Field::ImageTag,
            image.is_some_and(|image| image.tag.is_some()),
            has_image && !named,
        ),
        judge.field(
            Field::Namespace,
            kubernetes.is_some_and(|kubernetes| kubernetes.namespace.is_some()),
            in_pod,
        ),
        judge.field(Field::PodName, of_pod(|pod| pod.name.is_some()), in_pod),
        judge.field(Field::PodUid, of_pod(|pod| pod.uid.is_some()), in_pod),
        judge.field(
            Field::PodLabels,
            of_pod(|pod| !pod.labels.is_empty()),
            // A lookup that broke off need not have come as far as the labels.
            in_pod && !matches!(judge.reason, None | Some(Reason::ImageNameUnknown)),
        ),
    ])
}

#[derive(Clone, Copy)]
struct Judge {
    status: Status,
    reason: Option<Reason>,
}

impl Judge {
    /// `due`: a container of this kind has it, if the runtime is to be believed.
    fn field(self, field: Field, is_there: bool, due: bool) -> Presence {
        if is_there {
            return Presence::Present;
        }
        match (self.status, self.reason) {
            // Nothing is known, so neither is what it lacks.
            (Status::Missing, Some(reason)) => Presence::Missing(reason),
            (Status::Partial, Some(reason)) if due => Presence::Missing(match reason {
                // The first gap that was seen, which need not be this field's.
                Reason::ImageNameUnknown | Reason::SandboxUnknown => field.own_reason(),
                // A step of the lookup failed.
                reason => reason,
            }),
            _ => Presence::Inapplicable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::outcome::{Container, Image, Metadata, Source};

    fn outcome(status: Status, reason: Option<Reason>) -> Outcome {
        let mut image = Image::default();
        image.name("registry.example/a:1");
        let container = Container {
            id: "id".into(),
            name: Some("app".into()),
            image: Some(image),
            sandbox: Some(false),
            ..Container::default()
        };
        let pod = Pod {
            name: Some("web".into()),
            uid: Some("uid".into()),
            labels: [("app".to_owned(), "web".to_owned())].into(),
            ..Pod::default()
        };
        let kubernetes = Kubernetes {
            namespace: Some("shop".into()),
            pod: Some(pod),
            ..Kubernetes::default()
        };
        Outcome {
            container: Some(container),
            kubernetes: Some(kubernetes),
            metadata: Metadata {
                status,
                reason,
                source: Some(Source::Cri),
                lookup_us: None,
                cgroup_id: None,
            },
        }
    }

    fn of(outcome: &Outcome, field: Field) -> Presence {
        let at = Field::ALL.iter().position(|listed| *listed == field).unwrap();
        presences(outcome).unwrap()[at]
    }

    fn all(outcome: &Outcome) -> Vec<Presence> {
        Field::ALL.iter().map(|field| of(outcome, *field)).collect()
    }

    fn container(outcome: &mut Outcome) -> &mut Container {
        outcome.container.as_mut().unwrap()
    }

    fn pod(outcome: &mut Outcome) -> &mut Pod {
        outcome.kubernetes.as_mut().unwrap().pod.as_mut().unwrap()
    }

    #[test]
    fn the_order_of_the_list_is_the_order_of_the_fields() {
        assert!(Field::ALL.is_sorted_by(|one, next| (*one as usize) + 1 == *next as usize));
        assert_eq!(Field::ALL[0] as usize, 0);
    }

    #[test]
    fn a_whole_outcome_has_them_all_and_the_host_has_none() {
        assert_eq!(all(&outcome(Status::Complete, None)), [Presence::Present; FIELDS]);
        assert_eq!(presences(&Outcome::host()), None);
    }

    #[test]
    fn what_a_complete_container_does_not_have_is_not_missing() {
        let mut tagless = outcome(Status::Complete, None);
        container(&mut tagless).image.as_mut().unwrap().tag = None;
        assert_eq!(of(&tagless, Field::ImageTag), Presence::Inapplicable);
        pod(&mut tagless).labels.clear();
        assert_eq!(of(&tagless, Field::PodLabels), Presence::Inapplicable);

        let mut sandbox = outcome(Status::Complete, None);
        container(&mut sandbox).sandbox = Some(true);
        container(&mut sandbox).image = None;
        container(&mut sandbox).name = None;
        assert_eq!(all(&sandbox)[..3], [Presence::Inapplicable; 3]);
        assert_eq!(all(&sandbox)[3..], [Presence::Present; 4]);

        let mut alone = outcome(Status::Complete, None);
        alone.kubernetes = None;
        assert_eq!(all(&alone)[..3], [Presence::Present; 3]);
        assert_eq!(all(&alone)[3..], [Presence::Inapplicable; 4]);
    }

    #[test]
    fn an_outcome_without_answer_lacks_all_but_the_words_of_the_path() {
        let reason = Reason::SocketPermission;
        let mut blind = outcome(Status::Missing, Some(reason));
        blind.container = Some(Container {
            id: "id".into(),
            ..Container::default()
        });
        let kubernetes = blind.kubernetes.as_mut().unwrap();
        kubernetes.namespace = None;
        kubernetes.pod = Some(Pod {
            uid: Some("uid".into()),
            ..Pod::default()
        });
        for field in Field::ALL {
            let expected = match field {
                Field::PodUid => Presence::Present,
                _ => Presence::Missing(reason),
            };
            assert_eq!(of(&blind, field), expected, "{field:?}");
        }
        // Without a path nobody knows whether there is a pod.
        let unnamed = Outcome::cgroup_unknown(1);
        assert_eq!(all(&unnamed), [Presence::Missing(Reason::CgroupUnknown); FIELDS]);
    }

    #[test]
    fn each_gap_has_the_reason_of_its_own_field() {
        let mut partial = outcome(Status::Partial, Some(Reason::SandboxUnknown));
        container(&mut partial).image = Some(Image::default());
        partial.kubernetes.as_mut().unwrap().namespace = None;
        pod(&mut partial).name = None;
        pod(&mut partial).labels.clear();
        assert_eq!(
            all(&partial),
            [
                Presence::Present,
                Presence::Missing(Reason::ImageNameUnknown),
                Presence::Missing(Reason::ImageNameUnknown),
                Presence::Missing(Reason::SandboxUnknown),
                Presence::Missing(Reason::SandboxUnknown),
                Presence::Present,
                Presence::Missing(Reason::SandboxUnknown),
            ]
        );
        let mut unnamed = outcome(Status::Partial, Some(Reason::ImageNameUnknown));
        container(&mut unnamed).image = None;
        pod(&mut unnamed).labels.clear();
        assert_eq!(of(&unnamed, Field::Image), Presence::Missing(Reason::ImageNameUnknown));
        assert_eq!(
            of(&unnamed, Field::PodLabels),
            Presence::Inapplicable,
            "the sandbox answered"
        );
    }

    #[test]
    fn a_step_that_failed_is_the_reason_of_what_it_would_have_told() {
        let mut partial = outcome(Status::Partial, Some(Reason::RuntimeTimeout));
        container(&mut partial).image = None;
        assert_eq!(of(&partial, Field::Image), Presence::Missing(Reason::RuntimeTimeout));
        assert_eq!(of(&partial, Field::ImageTag), Presence::Missing(Reason::RuntimeTimeout));
        assert_eq!(of(&partial, Field::PodName), Presence::Present);
        // A tag is no part of a name by digest, whatever else failed.
        let mut tagless = outcome(Status::Partial, Some(Reason::RuntimeTimeout));
        container(&mut tagless).image.as_mut().unwrap().tag = None;
        assert_eq!(of(&tagless, Field::ImageTag), Presence::Inapplicable);
    }

    #[test]
    fn a_container_outside_kubernetes_lacks_no_pod() {
        let mut alone = outcome(Status::Partial, Some(Reason::ImageNameUnknown));
        alone.kubernetes = None;
        container(&mut alone).image = None;
        assert_eq!(of(&alone, Field::Image), Presence::Missing(Reason::ImageNameUnknown));
        assert_eq!(all(&alone)[3..], [Presence::Inapplicable; 4]);
    }

    #[test]
    fn every_field_is_documented_and_no_other() {
        let page = include_str!("../../docs/events.md");
        let (_, section) = page.split_once("\n### Fields\n").unwrap();
        let section = section.split("\n#").next().unwrap();
        let rows: Vec<&str> = section
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
            .collect();
        assert_eq!(rows, Field::ALL.map(Field::as_str));
    }
}
