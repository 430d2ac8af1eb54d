//! One rule of a profile held against the facts: it holds, it does not, or nothing can be seen of it.

use super::facts::Facts;
use super::model::{Rule, Subject};

/// What became of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen<'a> {
    /// It holds, for this value.
    Holds(&'a str),
    /// The fact is known, and it is another.
    Other(&'a str),
    /// The fact is not known here.
    Nothing,
}

/// Holds a rule against the facts.
pub(super) fn look<'a>(rule: &Rule, facts: &'a Facts) -> Seen<'a> {
    let values = values(&rule.fact, facts);
    match values.iter().find(|value| holds(rule, value)) {
        Some(value) => Seen::Holds(value),
        None => values.first().map_or(Seen::Nothing, |value| Seen::Other(value)),
    }
}

fn values<'a>(subject: &Subject, facts: &'a Facts) -> Vec<&'a str> {
    let one = |value: &'a Option<String>| value.as_deref().into_iter().collect();
    let of = |value: Option<&'a String>| value.map(String::as_str).into_iter().collect();
    match subject {
        Subject::KernelRelease => one(&facts.kernel_release),
        Subject::OsRelease(key) => of(facts.os_release.get(key)),
        Subject::Dmi(file) => of(facts.dmi.get(file)),
        Subject::Socket => facts.sockets.iter().filter_map(|path| path.to_str()).collect(),
        Subject::File => facts.files.iter().filter_map(|path| path.to_str()).collect(),
        Subject::Lsm => facts.lsms.iter().map(String::as_str).collect(),
        Subject::ApiServer => one(&facts.kubernetes_service_host),
        Subject::NodeName => one(&facts.node_name),
        Subject::NodeLabel(key) => of(facts.node_labels.get(key)),
    }
}

fn holds(rule: &Rule, value: &str) -> bool {
    let any = |wanted: &[String], test: fn(&str, &str) -> bool| wanted.iter().any(|wanted| test(value, wanted));
    let patterns = [&rule.is, &rule.starts, &rule.ends, &rule.contains];
    patterns.iter().all(|list| list.is_empty())
        || any(&rule.is, |value, wanted| value == wanted)
        || any(&rule.starts, |value, wanted| value.starts_with(wanted))
        || any(&rule.ends, |value, wanted| value.ends_with(wanted))
        || any(&rule.contains, |value, wanted| value.contains(wanted))
}

/// The fact in words, with its value.
pub(super) fn name(subject: &Subject, value: &str) -> String {
    match subject {
        Subject::KernelRelease => format!("kernel {value}"),
        Subject::OsRelease(key) => format!("os-release {key}={value}"),
        Subject::Dmi(file) => format!("DMI {file} {value:?}"),
        Subject::Socket => format!("socket {value}"),
        Subject::File => value.to_owned(),
        Subject::Lsm => format!("security module {value}"),
        Subject::ApiServer => format!("API server {value}"),
        Subject::NodeName => format!("node name {value}"),
        Subject::NodeLabel(key) => format!("node label {key}={value}"),
    }
}

/// The fact in words, without a value.
pub(super) fn kind(subject: &Subject) -> String {
    match subject {
        Subject::KernelRelease => "the kernel's release".to_owned(),
        Subject::OsRelease(key) => format!("os-release {key} of the node"),
        Subject::Dmi(file) => format!("DMI {file}"),
        Subject::Socket => "a runtime's socket".to_owned(),
        Subject::File => "files of the node".to_owned(),
        Subject::Lsm => "security modules".to_owned(),
        Subject::ApiServer => "KUBERNETES_SERVICE_HOST".to_owned(),
        Subject::NodeName => "NODE_NAME".to_owned(),
        Subject::NodeLabel(key) => format!("node label {key}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Rule {
        toml::from_str(&format!("{text}\nweight = 1\nsays = 'x'")).unwrap()
    }

    #[test]
    fn a_rule_holds_does_not_or_sees_nothing() {
        let facts = Facts {
            kernel_release: Some("5.15.0-1079-azure".to_owned()),
            node_labels: [("a".to_owned(), String::new())].into(),
            lsms: vec!["yama".to_owned(), "selinux".to_owned()],
            ..Facts::default()
        };
        for (text, seen) in [
            (
                "fact = 'kernel-release'\nends = ['-gcp', '-azure']",
                Seen::Holds("5.15.0-1079-azure"),
            ),
            (
                "fact = 'kernel-release'\nstarts = ['5.15.']",
                Seen::Holds("5.15.0-1079-azure"),
            ),
            (
                "fact = 'kernel-release'\ncontains = ['.el']\nis = ['5.15']",
                Seen::Other("5.15.0-1079-azure"),
            ),
            ("fact = 'node-label:a'", Seen::Holds("")),
            ("fact = 'node-label:b'", Seen::Nothing),
            ("fact = 'lsm'\nis = ['selinux']", Seen::Holds("selinux")),
            ("fact = 'lsm'\nis = ['apparmor']", Seen::Other("yama")),
            ("fact = 'dmi:sys_vendor'\nis = ['x']", Seen::Nothing),
        ] {
            assert_eq!(look(&rule(text), &facts), seen, "{text}");
        }
    }
}
