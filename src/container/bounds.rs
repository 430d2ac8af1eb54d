//! How much of what a runtime told is kept: every event carries it, and whoever makes a pod chooses most of it.
//!
//! What exceeds a limit is left out whole, because half a name is another name.

use std::collections::BTreeMap;

use super::outcome::{Image, Reason};
use super::runtime::Found;

/// Labels per pod.
pub(crate) const LABELS: usize = 64;
/// Keys and values of a pod's labels together, in bytes.
pub(crate) const LABELS_BYTES: usize = 8 << 10;
/// A label's key in bytes: Kubernetes allows a prefix of 253, a slash and a name of 63.
pub(crate) const LABEL_KEY: usize = 317;
/// A label's value in bytes. Kubernetes allows 63, other makers of pods do not count.
pub(crate) const LABEL_VALUE: usize = 1 << 10;
/// A name or an id in bytes: Kubernetes allows 253.
pub(crate) const NAME: usize = 256;
/// An image's name, and each part of it, in bytes.
pub(crate) const IMAGE: usize = 4 << 10;
/// A path in bytes, as for the kernel.
const PATH: usize = 4 << 10;

/// The first labels in the order of their keys that are within the limits, and whether some were left out. Those of the
/// runtimes themselves are not counted.
pub(crate) fn labels<'a>(all: impl Iterator<Item = (&'a String, &'a String)>) -> (BTreeMap<String, String>, bool) {
    let sorted: BTreeMap<&String, &String> = all.filter(|(key, _)| !key.starts_with("io.kubernetes.")).collect();
    let count = sorted.len();
    let mut room = LABELS_BYTES;
    let kept: BTreeMap<String, String> = sorted
        .into_iter()
        .filter(|(key, value)| key.len() <= LABEL_KEY && value.len() <= LABEL_VALUE)
        .take(LABELS)
        .take_while(|(key, value)| {
            let rest = room.checked_sub(key.len() + value.len());
            room = rest.unwrap_or(0);
            rest.is_some()
        })
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let truncated = kept.len() < count;
    (kept, truncated)
}

/// Leaves out what is too long. What is then missing has a reason.
pub(crate) fn bound(found: &mut Found) {
    let mut fits = true;
    let mut limit = |text: &mut Option<String>, most: usize| {
        if text.as_ref().is_some_and(|text| text.len() > most) {
            *text = None;
            fits = false;
        }
    };
    let container = &mut found.container;
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
    use crate::container::outcome::{Container, Kubernetes, Pod, Source};

    fn kept(all: &[(String, String)]) -> (Vec<String>, bool) {
        let (kept, truncated) = labels(all.iter().map(|(key, value)| (key, value)));
        (kept.into_keys().collect(), truncated)
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
            bound(&mut found);
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
