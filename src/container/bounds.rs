//! How much of what a runtime told is kept: every event carries it, and whoever makes a pod chooses most of it.
//!
//! What exceeds a limit is left out whole, because half a name is another name.

use std::collections::BTreeMap;

use super::outcome::{Image, Mount, Reason};
use super::runtime::Found;
use super::selection::Selection;

/// Labels per pod and per container, annotations per pod.
pub(crate) const LABELS: usize = 64;
/// Keys and values of these together, in bytes.
pub(crate) const LABELS_BYTES: usize = 8 << 10;
/// A key in bytes: Kubernetes allows a prefix of 253, a slash and a name of 63.
pub(crate) const LABEL_KEY: usize = 317;
/// A value in bytes. Kubernetes allows labels 63, other makers of pods do not count; annotations may be whole documents.
pub(crate) const LABEL_VALUE: usize = 1 << 10;
/// Mounts per container.
pub(crate) const MOUNTS: usize = 64;
/// Paths of a container's mounts together, in bytes.
pub(crate) const MOUNTS_BYTES: usize = 16 << 10;
/// A name or an id in bytes: Kubernetes allows 253.
pub(crate) const NAME: usize = 256;
/// An image's name, and each part of it, in bytes.
pub(crate) const IMAGE: usize = 4 << 10;
/// A path in bytes, as for the kernel.
const PATH: usize = 4 << 10;

/// Keeps the first in the order of their keys that are wanted and within the limits. Says whether some that are wanted
/// were left out.
fn labels(all: &mut BTreeMap<String, String>, wanted: impl Fn(&str) -> bool) -> bool {
    all.retain(|key, _| wanted(key));
    let count = all.len();
    all.retain(|key, value| key.len() <= LABEL_KEY && value.len() <= LABEL_VALUE);
    let mut room = LABELS_BYTES;
    let kept = all.iter().take(LABELS).take_while(|(key, value)| {
        let rest = room.checked_sub(key.len() + value.len());
        room = rest.unwrap_or(0);
        rest.is_some()
    });
    let kept = kept.count();
    if let Some(first_out) = all.keys().nth(kept).cloned() {
        all.split_off(&first_out);
    }
    all.len() < count
}

/// Keeps the first mounts that are within the limits, in the order of the runtime. Says whether some were left out.
fn mounts(all: &mut Vec<Mount>) -> bool {
    let count = all.len();
    let mut room = MOUNTS_BYTES;
    all.retain(|mount| mount.destination.len() <= PATH && mount.source.as_ref().is_none_or(|path| path.len() <= PATH));
    let kept = all.iter().take(MOUNTS).take_while(|mount| {
        let size = mount.destination.len() + mount.source.as_ref().map_or(0, String::len);
        let rest = room.checked_sub(size);
        room = rest.unwrap_or(0);
        rest.is_some()
    });
    all.truncate(kept.count());
    all.shrink_to_fit();
    all.len() < count
}

/// Leaves out what nobody wants and what is too long. A name that is then missing has a reason.
pub(crate) fn bound(found: &mut Found, selection: &Selection) {
    let mut fits = true;
    let mut limit = |text: &mut Option<String>, most: usize| {
        if text.as_ref().is_some_and(|text| text.len() > most) {
            *text = None;
            fits = false;
        }
    };
    let container = &mut found.container;
    container.labels_truncated |= labels(&mut container.labels, |key| selection.wants_label(key));
    if !selection.wants_mounts() {
        container.mounts = Vec::new();
    }
    container.mounts_truncated |= mounts(&mut container.mounts);
    limit(&mut container.name, NAME);
    limit(&mut container.runtime, NAME);
    limit(&mut container.runtime_namespace, NAME);
    limit(&mut container.pod_sandbox_id, NAME);
    if let Some(image) = &mut container.image {
        let Image {
            reference,
            repository,
            tag,
            digest,
            id,
        } = image;
        for part in [reference, repository, tag, digest, id] {
            limit(part, IMAGE);
        }
    }
    if let Some(kubernetes) = &mut found.kubernetes {
        limit(&mut kubernetes.namespace, NAME);
        limit(&mut kubernetes.container, NAME);
        if let Some(pod) = &mut kubernetes.pod {
            pod.labels_truncated |= labels(&mut pod.labels, |key| selection.wants_label(key));
            pod.annotations_truncated |= labels(&mut pod.annotations, |key| selection.wants_annotation(key));
            limit(&mut pod.name, NAME);
            limit(&mut pod.uid, NAME);
        }
    }
    limit(&mut found.cgroups_path, PATH);
    if !fits {
        found.gap.get_or_insert(Reason::AnswerUnusable);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::{self, Settings};
    use crate::container::outcome::{Container, Kubernetes, Pod, Propagation, Source};

    fn selection() -> Selection {
        Selection::new(&Settings::default().metadata)
    }

    fn kept(all: &[(String, String)]) -> (Vec<String>, bool) {
        let mut all = all.iter().cloned().collect();
        let truncated = labels(&mut all, |key| selection().wants_label(key));
        (all.into_keys().collect(), truncated)
    }

    fn numbered(count: usize, value: usize) -> Vec<(String, String)> {
        let label = |number| (format!("k{number:03}"), "v".repeat(value));
        (0..count).rev().map(label).collect()
    }

    #[test]
    fn labels_are_bounded_in_number_and_size() {
        let own = ("io.kubernetes.pod.name".to_owned(), "web".to_owned());
        let mut all = numbered(LABELS, 63);
        all.push(own);
        let (keys, truncated) = kept(&all);
        assert_eq!((keys.len(), truncated), (LABELS, false));
        let (keys, truncated) = kept(&numbered(LABELS + 1, 1));
        assert_eq!((keys.len(), truncated), (LABELS, true));
        assert_eq!((keys[0].as_str(), keys[63].as_str()), ("k000", "k063"));
        // 4 + 1020 bytes eight times are the limit exactly.
        let (keys, truncated) = kept(&numbered(8, 1020));
        assert_eq!((keys.len(), truncated), (8, false));
        let (keys, truncated) = kept(&numbered(9, 1020));
        assert_eq!((keys.len(), truncated), (8, true));
    }

    #[test]
    fn an_overlong_label_is_left_out_whole() {
        let label = |key: usize, value: usize| ("k".repeat(key), "v".repeat(value));
        assert_eq!(kept(&[label(LABEL_KEY, LABEL_VALUE)]).0.len(), 1);
        for overlong in [label(LABEL_KEY + 1, 1), label(1, LABEL_VALUE + 1)] {
            let (keys, truncated) = kept(&[overlong, ("other".to_owned(), String::new())]);
            assert_eq!((keys, truncated), (vec!["other".to_owned()], true));
        }
    }

    fn everything() -> Selection {
        Selection::new(&settings::Metadata {
            labels: vec!["app*".to_owned()],
            annotations: vec!["note*".to_owned()],
            mounts: true,
        })
    }

    fn mount(length: usize) -> Mount {
        Mount {
            destination: "d".repeat(length / 2),
            source: Some("s".repeat(length - length / 2)),
            read_only: true,
            propagation: Propagation::Private,
        }
    }

    fn with_mounts(all: Vec<Mount>, selection: &Selection) -> (usize, bool) {
        let mut found = Found {
            container: Container {
                mounts: all,
                ..Container::default()
            },
            kubernetes: None,
            cgroups_path: None,
            gap: None,
            source: Source::Cri,
        };
        bound(&mut found, selection);
        assert_eq!(found.gap, None, "mounts are no name");
        (found.container.mounts.len(), found.container.mounts_truncated)
    }

    #[test]
    fn mounts_are_kept_if_wanted_and_bounded() {
        assert_eq!(with_mounts(vec![mount(20)], &selection()), (0, false), "not wanted");
        for (count, length, kept, truncated) in [
            (MOUNTS, 20, MOUNTS, false),
            (MOUNTS + 1, 20, MOUNTS, true),
            (MOUNTS_BYTES / 1024, 1024, MOUNTS_BYTES / 1024, false),
            (MOUNTS_BYTES / 1024 + 1, 1024, MOUNTS_BYTES / 1024, true),
            (1, 2 * PATH, 1, false),
            (1, 2 * PATH + 1, 0, true),
        ] {
            let all = vec![mount(length); count];
            assert_eq!(
                with_mounts(all, &everything()),
                (kept, truncated),
                "{count} of {length}"
            );
        }
    }

    /// Which ones are wanted is judged before how many there is room for.
    #[test]
    fn what_is_not_wanted_takes_no_room() {
        let mut all: BTreeMap<String, String> = numbered(1000, 20).into_iter().collect();
        all.insert("note/1".into(), "kept".into());
        all.insert("zz".into(), "x".into());
        let pod = Pod {
            labels: all
                .iter()
                .map(|(key, value)| (format!("app{key}"), value.clone()))
                .collect(),
            annotations: all,
            ..Pod::default()
        };
        let kubernetes = Kubernetes {
            pod: Some(pod),
            ..Kubernetes::default()
        };
        let mut found = Found {
            container: Container::default(),
            kubernetes: Some(kubernetes),
            cgroups_path: None,
            gap: None,
            source: Source::Cri,
        };
        bound(&mut found, &everything());
        let pod = found.kubernetes.unwrap().pod.unwrap();
        assert_eq!(
            pod.annotations.into_iter().collect::<Vec<_>>(),
            [("note/1".into(), "kept".into())]
        );
        assert_eq!((pod.labels.len(), pod.labels_truncated), (LABELS, true));
        assert!(!pod.annotations_truncated);
    }

    #[test]
    fn names_that_are_too_long_are_missing_with_a_reason() {
        let found = |name: usize, image: usize| {
            let text = |length| Some("x".repeat(length));
            let image = Image {
                reference: text(image),
                repository: text(image),
                ..Image::default()
            };
            let container = Container {
                name: text(name),
                image: Some(image),
                ..Container::default()
            };
            let pod = Pod {
                name: text(name),
                ..Pod::default()
            };
            let kubernetes = Kubernetes {
                namespace: text(name),
                pod: Some(pod),
                ..Kubernetes::default()
            };
            let mut found = Found {
                container,
                kubernetes: Some(kubernetes),
                cgroups_path: None,
                gap: None,
                source: Source::Cri,
            };
            let before = found.clone();
            bound(&mut found, &selection());
            (before, found)
        };
        let (before, after) = found(NAME, IMAGE);
        assert_eq!(before, after);
        let (_, after) = found(NAME + 1, IMAGE);
        assert_eq!(
            (after.gap, &after.container.name),
            (Some(Reason::AnswerUnusable), &None)
        );
        let kubernetes = after.kubernetes.unwrap();
        assert_eq!((kubernetes.namespace, kubernetes.pod.unwrap().name), (None, None));
        let (_, after) = found(NAME, IMAGE + 1);
        assert_eq!(after.gap, Some(Reason::AnswerUnusable));
        assert_eq!(after.container.image, Some(Image::default()));
    }
}
