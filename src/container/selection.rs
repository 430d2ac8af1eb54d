//! What of an answer the agent keeps at all: the labels, annotations and mounts that the settings want.
//!
//! Judged once, where an answer is taken, so that what is not wanted is neither in memory nor in an event. It refuses to
//! limit sizes: that is `bounds`.

use crate::config::settings;

/// What `kubectl apply` notes on objects: their whole specification, with the environment of their containers.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Labels that runtimes and the kubelet make themselves; what they say has keys of its own in events.
const OWN: &str = "io.kubernetes.";

/// The wishes of `settings::Metadata`, ready to be asked. By default nothing is wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selection {
    labels: Vec<Pattern>,
    annotations: Vec<Pattern>,
    mounts: bool,
}

/// A key, or the beginning of keys.
#[derive(Debug, Clone)]
enum Pattern {
    Is(String),
    Begins(String),
}

impl Selection {
    pub(crate) fn new(settings: &settings::Metadata) -> Self {
        let patterns = |texts: &[String]| texts.iter().map(|text| Pattern::parse(text)).collect();
        Self {
            labels: patterns(&settings.labels),
            annotations: patterns(&settings.annotations),
            mounts: settings.mounts,
        }
    }

    /// Whether a label of a pod or a container is wanted.
    pub(crate) fn wants_label(&self, key: &str) -> bool {
        !key.starts_with(OWN) && self.labels.iter().any(|pattern| pattern.fits(key))
    }

    /// Whether an annotation of a pod is wanted.
    pub(crate) fn wants_annotation(&self, key: &str) -> bool {
        key != LAST_APPLIED && self.annotations.iter().any(|pattern| pattern.fits(key))
    }

    /// Whether mounts are wanted.
    pub(crate) fn wants_mounts(&self) -> bool {
        self.mounts
    }
}

impl Pattern {
    fn parse(text: &str) -> Self {
        match text.strip_suffix('*') {
            Some(beginning) => Self::Begins(beginning.to_owned()),
            None => Self::Is(text.to_owned()),
        }
    }

    fn fits(&self, key: &str) -> bool {
        match self {
            Self::Is(whole) => key == whole,
            Self::Begins(beginning) => key.starts_with(beginning.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(labels: &[&str], annotations: &[&str]) -> Selection {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        Selection::new(&settings::Metadata {
            labels: owned(labels),
            annotations: owned(annotations),
            mounts: false,
        })
    }

    #[test]
    fn a_key_is_wanted_whole_or_by_its_beginning() {
        let some = selection(&["app", "example.com/*"], &["team", "*"]);
        for (key, wanted) in [
            ("app", true),
            ("apps", false),
            ("ap", false),
            ("example.com/tier", true),
            ("example.com/", true),
            ("example.com", false),
            ("", false),
        ] {
            assert_eq!(some.wants_label(key), wanted, "{key}");
        }
        assert!(some.wants_annotation("anything"));
        let none = selection(&[], &[]);
        assert!(!none.wants_label("app") && !none.wants_annotation("team"));
    }

    #[test]
    fn what_the_runtimes_note_for_themselves_is_no_label() {
        let all = selection(&["*", "io.kubernetes.pod.name"], &["*"]);
        assert!(!all.wants_label("io.kubernetes.pod.name"));
        assert!(all.wants_label("app.kubernetes.io/name"));
        assert!(all.wants_annotation("io.kubernetes.pod.terminationGracePeriod"));
    }

    /// It holds the environment of every container of the pod.
    #[test]
    fn the_specification_that_kubectl_notes_is_never_kept() {
        let all = selection(&[], &["*", LAST_APPLIED, "kubectl.kubernetes.io/*"]);
        assert!(!all.wants_annotation(LAST_APPLIED));
        assert!(all.wants_annotation("kubectl.kubernetes.io/restartedAt"));
    }

    #[test]
    fn the_default_keeps_labels_and_nothing_else() {
        let selection = Selection::new(&settings::Settings::default().metadata);
        assert!(selection.wants_label("app") && !selection.wants_annotation("app") && !selection.wants_mounts());
    }
}
