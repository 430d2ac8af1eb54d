//! Every line that grants something says why: the rendered text is walked, line by line.

use serde_json::Value;

use super::*;

/// Keys that grant by being there with a value other than false, and the words in which a list's entries grant.
const GRANTING_KEYS: [&str; 17] = [
    "pod-security.kubernetes.io/enforce",
    "privileged",
    "allowPrivilegeEscalation",
    "allowPrivilegedContainer",
    "allowHostDirVolumePlugin",
    "allowHostPID",
    "allowHostNetwork",
    "allowHostIPC",
    "allowHostPorts",
    "hostPID",
    "hostNetwork",
    "hostIPC",
    "hostPort",
    "hostPath",
    "supplementalGroups",
    "localhostProfile",
    "add",
];

/// One line of the rendered text.
struct Line<'a> {
    number: usize,
    /// The key, where it has one, without the hyphen of a list.
    key: &'a str,
    /// Behind the key, or the entry of a list.
    value: &'a str,
    /// Its own comment, or those right above it.
    comment: String,
    /// Whether an entry of a list begins here.
    entry: bool,
    /// The keys of the lines that it is within, outermost first.
    within: Vec<&'a str>,
}

fn lines(text: &str) -> Vec<Line<'_>> {
    let mut found = Vec::new();
    let mut above = String::new();
    let mut within: Vec<(usize, &str)> = Vec::new();
    // The text of a ConfigMap is no YAML of the object.
    let mut literal: Option<usize> = None;
    for (index, line) in text.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        if literal.is_some_and(|outer| indent > outer || line.is_empty()) {
            continue;
        }
        literal = None;
        let content = line.trim_start();
        if content == "---" {
            within.clear();
            above.clear();
            continue;
        }
        if let Some(comment) = content.strip_prefix('#') {
            above += comment;
            continue;
        }
        let (content, own) = content.split_once(" # ").unwrap_or((content, ""));
        let entry = content.strip_prefix("- ");
        let (key, value) = match entry.unwrap_or(content).split_once(':') {
            Some((key, value)) if value.is_empty() || value.starts_with(' ') => (key, value.trim()),
            _ => ("", entry.unwrap_or(content)),
        };
        let depth = if entry.is_some() { indent + 2 } else { indent };
        while within
            .last()
            .is_some_and(|(outer, _)| *outer >= if entry.is_some() { indent + 1 } else { indent })
        {
            within.pop();
        }
        found.push(Line {
            number: index + 1,
            key,
            value,
            entry: entry.is_some(),
            comment: format!("{above}{own}"),
            within: within.iter().map(|(_, key)| *key).collect(),
        });
        if !key.is_empty() {
            within.push((depth, key));
        }
        if value == "|" {
            literal = Some(indent);
        }
        above.clear();
    }
    found
}

impl Line<'_> {
    fn grants(&self) -> bool {
        let parent = self.within.last().copied().unwrap_or_default();
        let by_key =
            GRANTING_KEYS.contains(&self.key) && self.value != "false" && !(self.key == "add" && self.value.is_empty());
        let capability = matches!(parent, "add" | "allowedCapabilities") && self.key.is_empty();
        let user = matches!(self.key, "runAsUser" | "uid") && self.value == "0"
            || self.key == "runAsNonRoot" && self.value == "false";
        let selinux = self.key == "type" && self.value.ends_with("_t");
        let volume = parent == "volumes" && self.value == "hostPath";
        let permission = matches!(self.key, "verbs" | "roleRef");
        let tolerated = parent == "tolerations" && self.entry;
        let class = self.key == "priorityClassName";
        by_key || capability || user || selinux || volume || permission || tolerated || class
    }

    /// Whether the comment, or that of the object as a whole, says what happens otherwise.
    fn explained(&self, all: &str) -> bool {
        let comment = self.comment.to_lowercase();
        comment.contains("without") || (matches!(self.key, "roleRef") && all.to_lowercase().contains("without"))
    }
}

fn variants() -> Vec<Options> {
    vec![
        Options::default(),
        with(Extra::Bundles),
        with(Extra::Memlock),
        Options {
            with: vec![Extra::Bundles, Extra::Memlock],
            seccomp: Some(Seccomp::Localhost(Seccomp::INSTALLED.to_owned())),
            apparmor: Some(Apparmor::RuntimeDefault),
            tolerate: Some(Tolerate::ControlPlane),
            ..Options::default()
        },
    ]
}

#[test]
fn every_line_that_grants_says_what_breaks_without_it() {
    for name in profiles() {
        for options in variants() {
            let text = render(name, &options).unwrap();
            let mut grants = 0;
            for document in text.split("\n---\n") {
                for line in lines(document).iter().filter(|line| line.grants()) {
                    grants += 1;
                    assert!(
                        line.explained(document),
                        "{name}, line {} of:\n{document}\n{}: {} has no comment that says what breaks without it",
                        line.number,
                        line.key,
                        line.value
                    );
                }
            }
            // enforce, group 0, two capabilities, the directory, tolerations, the class.
            assert!(grants >= 7, "{name}: the walk found only {grants} grants");
        }
    }
}

/// The walk has to see through the layouts that templates use: a comment taken away has to be missed.
#[test]
fn a_grant_without_a_comment_is_found() {
    let text = render("openshift", &with(Extra::Bundles)).unwrap();
    let unexplained = |text: &str| {
        text.split("\n---\n")
            .map(|document| {
                lines(document)
                    .iter()
                    .filter(|line| line.grants() && !line.explained(""))
                    .count()
            })
            .sum::<usize>()
    };
    let bare: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .map(|line| format!("{}\n", line.split(" # ").next().unwrap()))
        .collect();
    let roles = 1;
    assert_eq!(
        unexplained(&text),
        roles,
        "those that the object's own comment explains"
    );
    let all: usize = text
        .split("\n---\n")
        .map(|document| lines(document).iter().filter(|line| line.grants()).count())
        .sum();
    assert_eq!(unexplained(&bare), all);
    let value: Value = serde_saphyr::from_str(bare.split("---\n").nth(1).unwrap()).unwrap();
    assert_eq!(value["kind"], "Namespace");
}

/// A walk that goes by keys would pass over a grant that it does not know: so the pod has no key beside these.
#[test]
fn there_is_no_key_that_the_walk_does_not_know() {
    const HARMLESS: [&str; 10] = [
        "runAsGroup",
        "runAsUser",
        "runAsNonRoot",
        "seccompProfile",
        "appArmorProfile",
        "seLinuxOptions",
        "readOnlyRootFilesystem",
        "capabilities",
        "privileged",
        "allowPrivilegeEscalation",
    ];
    for name in profiles() {
        for options in variants() {
            let pod = pod(name, &options);
            for context in [&pod["securityContext"], &pod["containers"][0]["securityContext"]] {
                for key in context.as_object().unwrap().keys() {
                    assert!(
                        HARMLESS.contains(&key.as_str()) || GRANTING_KEYS.contains(&key.as_str()),
                        "{key}"
                    );
                }
            }
        }
    }
}
