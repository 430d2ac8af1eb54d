//! Which fields of Falco's rules hang on which keys of events.

/// Keys of events and the rule fields that are made of them; a key stands for those below it.
const FIELDS: &[(&str, &[&str])] = &[
    ("container.name", &["container.name"]),
    (
        "container.image",
        &[
            "container.image",
            "container.image.repository",
            "container.image.tag",
            "container.image.digest",
        ],
    ),
    ("container.id", &["container.id"]),
    ("container", &["container.*"]),
    ("kubernetes.namespace", &["k8s.ns.name"]),
    ("kubernetes.pod", &["k8s.pod.name", "k8s.pod.id", "k8s.pod.label"]),
    ("kubernetes", &["k8s.*"]),
    ("process.exe", &["proc.exepath"]),
    ("process.cwd", &["proc.cwd"]),
    ("process.args", &["proc.args", "proc.cmdline"]),
    ("process", &["proc.*"]),
    ("file.path", &["fd.name", "fs.path.name"]),
    ("file", &["fd.name", "fd.directory", "fs.path.*"]),
    ("network", &["fd.sip", "fd.cip", "fd.sport", "fd.cport", "fd.l4proto"]),
    ("syscall", &["evt.*"]),
];

/// The fields of rules that cannot be judged where these keys are absent or unreliable.
pub(super) fn that_use(keys: &[&str]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for key in keys {
        for (_, fields) in FIELDS.iter().filter(|(known, _)| known == key) {
            found.extend(fields.iter().map(|&field| field.to_owned()));
        }
    }
    found.dedup();
    found
}
