//! The table of settings: for each key its flag, its environment variable, its help and what it allows. The command
//! line, the environment and every error message are made from it; a test compares it with [`super::Settings`].

mod delivery;

use serde_json::Value;

use super::Settings;

/// One setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The key in the file, sections separated by dots.
    pub name: &'static str,
    /// `runtime.host_prefix` is `runtime-host-prefix`, without the dashes before it.
    pub flag: &'static str,
    /// A second, shorter flag.
    pub alias: Option<&'static str>,
    /// What stands for the value in help texts.
    pub value_name: &'static str,
    /// One line of help.
    pub help: &'static str,
    /// What a person needs to know to choose a value; follows the line above.
    pub long_help: &'static str,
    /// The allowed values.
    pub allowed: &'static str,
    /// The complete list of values, where there is one.
    pub choices: &'static [&'static str],
    /// Heading in help texts.
    pub heading: &'static str,
}

impl Key {
    /// `runtime.host_prefix` is `PINHOLE_RUNTIME_HOST_PREFIX`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("{VARIABLE_PREFIX}{}", self.name.replace('.', "_").to_ascii_uppercase())
    }

    /// The built-in default.
    #[must_use]
    pub fn default(&self) -> Value {
        let defaults = serde_json::to_value(Settings::default()).unwrap_or_default();
        defaults
            .pointer(&format!("/{}", self.name.replace('.', "/")))
            .cloned()
            .unwrap_or_default()
    }

    /// Whether the setting is a list or a table, so that its flag may be repeated and its text is split at commas.
    #[must_use]
    pub fn is_list(&self) -> bool {
        matches!(self.default(), Value::Array(_) | Value::Object(_))
    }

    /// Whether its value is shown nowhere.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.name.ends_with(".headers")
    }

    /// A value of it as it may be shown.
    #[must_use]
    pub fn shown(&self, value: Value) -> Value {
        match value {
            Value::String(url) if self.name.ends_with(".url") => pinhole_delivery::config::shown(&url).into(),
            value => value,
        }
    }

    /// Whether most do well without setting it, so that the short help leaves it out.
    #[must_use]
    pub fn is_detail(&self) -> bool {
        delivery::is_detail(self)
    }
}

/// What the names of all environment variables begin with.
pub const VARIABLE_PREFIX: &str = "PINHOLE_";

/// The key of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

const PLATFORM: &str = "Platform";
const EVENTS: &str = "Events";
const RULES: &str = "Rules";
const CAPTURE: &str = "Capture";
const RUNTIME: &str = "Container runtimes";
const METADATA: &str = "Metadata of events";
const OPERATION: &str = "Operation";
const HEALTH: &str = "Health";

/// Every setting, in the order of help texts.
pub const KEYS: [Key; GENERAL.len() + delivery::KEYS.len()] = joined();

/// All but those of `delivery`.
const GENERAL: [Key; 42] = [
    Key {
        name: "profile",
        flag: "profile",
        alias: None,
        value_name: "NAME",
        help: "Platform profile, a layer of settings over the built-in defaults",
        long_help: "auto looks at the host and chooses; `agent profile detect` says what it chose and why, `agent \
            profile show NAME` what a profile sets.",
        allowed: "auto, aks, openshift, eks, gke, k3s, generic or standalone",
        choices: &["auto", "aks", "openshift", "eks", "gke", "k3s", "generic", "standalone"],
        heading: PLATFORM,
    },
    Key {
        name: "node.name",
        flag: "node-name",
        alias: None,
        value_name: "NAME",
        help: "Name of this node in events",
        long_help: "Without it: the variable NODE_NAME, which a pod gets from spec.nodeName by the downward API, else \
            the host's name.",
        allowed: "a name of 1 to 253 characters",
        choices: &[],
        heading: PLATFORM,
    },
    Key {
        name: "events",
        flag: "events",
        alias: None,
        value_name: "LIST",
        help: "Which events to print, separated by commas",
        long_help: "Only what is printed is captured, apart from the process life cycle, which everything else is \
            attributed to. A system call of a class that is not listed costs nothing where the kernel allows it.",
        allowed: "process, file, network, privilege, module, or all or none alone",
        choices: &["process", "file", "network", "privilege", "module", "all", "none"],
        heading: EVENTS,
    },
    Key {
        name: "output.format",
        flag: "output-format",
        alias: Some("output"),
        value_name: "FORMAT",
        help: "Format of events on standard output",
        long_help: "json is one object per line and nothing else; auto is text on a terminal and json elsewhere. \
            count writes no event, only summaries as JSON: for finding out what a node would yield.",
        allowed: "auto, json, text or count",
        choices: &["auto", "json", "text", "count"],
        heading: EVENTS,
    },
    Key {
        name: "rules.files",
        flag: "rules-files",
        alias: Some("rules"),
        value_name: "PATH",
        help: "Rule file in Falco's language, or a directory of them; may be repeated, or separated by commas",
        long_help: "Files are read in the order given, those of a directory (*.yaml, *.yml) in the order of their names; later \
            ones amend earlier ones. The rules decide what is captured, and alerts are all that is printed unless events says \
            otherwise. `agent rules check` says what is wrong with files before they are used.",
        allowed: "paths",
        choices: &[],
        heading: RULES,
    },
    Key {
        name: "rules.matching",
        flag: "rules-matching",
        alias: None,
        value_name: "WHICH",
        help: "Whether an event can raise the alerts of several rules",
        long_help: "first: only that of the first rule that holds, in the order of the files; all: those of all. Falco's \
            rule_matching.",
        allowed: "first or all",
        choices: &["first", "all"],
        heading: RULES,
    },
    Key {
        name: "rules.priority",
        flag: "rules-priority",
        alias: None,
        value_name: "PRIORITY",
        help: "The least urgent priority of rules that are evaluated",
        long_help: "Rules that are less urgent are left out, and so is what only they would have captured.",
        allowed: "emergency, alert, critical, error, warning, notice, informational or debug",
        choices: &[
            "emergency",
            "alert",
            "critical",
            "error",
            "warning",
            "notice",
            "informational",
            "debug",
        ],
        heading: RULES,
    },
    Key {
        name: "rules.unknown",
        flag: "rules-unknown",
        alias: None,
        value_name: "CHOICE",
        help: "What to do where metadata that could not be found out decides whether a rule holds",
        long_help: "alert raises an alert that says so, once per container and rule; hold only counts. Both are in the summary.",
        allowed: "alert or hold",
        choices: &["alert", "hold"],
        heading: RULES,
    },
    Key {
        name: "rules.unknown_alert",
        flag: "rules-unknown-alert",
        alias: None,
        value_name: "RULE",
        help: "Rule of which such an outcome raises an alert, whatever rules.unknown says; may be repeated",
        long_help: "",
        allowed: "names of rules",
        choices: &[],
        heading: RULES,
    },
    Key {
        name: "rules.unknown_hold",
        flag: "rules-unknown-hold",
        alias: None,
        value_name: "RULE",
        help: "Rule of which such an outcome is only counted, whatever rules.unknown says; may be repeated",
        long_help: "",
        allowed: "names of rules",
        choices: &[],
        heading: RULES,
    },
    Key {
        name: "rules.prefilter",
        flag: "rules-prefilter",
        alias: None,
        value_name: "CHOICE",
        help: "Whether the kernel side keeps back system calls that no rule can match",
        long_help: "They are counted as filtered, and cost a fraction of what others do. Calls that are printed or recorded are \
            told all the same. `agent rules check` says what is kept back.",
        allowed: "true or false",
        choices: &["true", "false"],
        heading: RULES,
    },
    Key {
        name: "rules.append_output",
        flag: "rules-append-output",
        alias: None,
        value_name: "TEMPLATE",
        help: "What is appended to the output of every rule",
        long_help: "Text with fields such as %container.id, which are in output_fields too. Empty for nothing. By default the \
            container and the pod, as Falco's container plugin suggests.",
        allowed: "text with fields",
        choices: &[],
        heading: RULES,
    },
    Key {
        name: "record.file",
        flag: "record-file",
        alias: Some("record"),
        value_name: "FILE",
        help: "Record what the kernel tells into this file, for `agent rules test`",
        long_help: "All that is captured, before any rule is asked: also what is not printed. Arguments of processes are in it, so \
            it is readable for its owner alone. The file must not exist.",
        allowed: "a path, or empty for none",
        choices: &[],
        heading: RULES,
    },
    Key {
        name: "record.limit",
        flag: "record-limit",
        alias: None,
        value_name: "SIZE",
        help: "The size at which the recording ends; the agent goes on",
        long_help: "",
        allowed: "64KiB to 1TiB, for example 1GiB",
        choices: &[],
        heading: RULES,
    },
    Key {
        name: "capture.backend",
        flag: "capture-backend",
        alias: None,
        value_name: "BACKEND",
        help: "How system calls are hooked",
        long_help: "trampoline hooks each watched system call, the others cost nothing; some kernels refuse it. \
            dispatcher looks at the exit of every system call and runs everywhere. auto tries them in this order.",
        allowed: "auto, trampoline or dispatcher",
        choices: &["auto", "trampoline", "dispatcher"],
        heading: CAPTURE,
    },
    Key {
        name: "capture.flows",
        flag: "capture-flows",
        alias: None,
        value_name: "WHICH",
        help: "Which messages of sendto, sendmsg and sendmmsg are told",
        long_help: "first tells the first message of each socket to each destination, all tells every one.",
        allowed: "first or all",
        choices: &["first", "all"],
        heading: CAPTURE,
    },
    Key {
        name: "capture.ring_size",
        flag: "capture-ring-size",
        alias: None,
        value_name: "SIZE",
        help: "Size of the ring buffer between kernel and agent",
        long_help: "Rounded up to a power of two. A larger one bridges longer bursts; what does not fit is lost, and \
            counted. An eighth is kept for the life of processes and of cgroups.",
        allowed: "64KiB to 1GiB, for example 8MiB",
        choices: &[],
        heading: CAPTURE,
    },
    Key {
        name: "capture.batch",
        flag: "capture-batch",
        alias: None,
        value_name: "TIME",
        help: "How long events may wait so that the agent is woken for many at once",
        long_help: "0s wakes it for every event, which slows the load many times over.",
        allowed: "0s to 1s, for example 5ms",
        choices: &[],
        heading: CAPTURE,
    },
    Key {
        name: "capture.processes",
        flag: "capture-processes",
        alias: None,
        value_name: "COUNT",
        help: "How many processes are remembered",
        long_help: "A process that was forgotten is described anew by the kernel with its next event.",
        allowed: "256 to 4194304",
        choices: &[],
        heading: CAPTURE,
    },
    Key {
        name: "loss.threshold",
        flag: "loss-threshold",
        alias: None,
        value_name: "SHARE",
        help: "Share of events that must have been lost within a second for a loss event",
        long_help: "0% is any. What stays below is told with the next loss event or at the end, and shows in lost_before, in \
            the summary and in the doctor. The first loss is always told.",
        allowed: "0% to 100% with at most four decimals, for example 0.1%",
        choices: &[],
        heading: CAPTURE,
    },
    Key {
        name: "loss.burst",
        flag: "loss-burst",
        alias: None,
        value_name: "COUNT",
        help: "How many loss events there may be before loss.interval limits them",
        long_help: "One is added to what is left of the burst for each interval that passes.",
        allowed: "1 to 10000",
        choices: &[],
        heading: CAPTURE,
    },
    Key {
        name: "loss.interval",
        flag: "loss-interval",
        alias: None,
        value_name: "TIME",
        help: "After the burst, one loss event in this time, which sums up what was held back",
        long_help: "",
        allowed: "1s to 1day, for example 1m",
        choices: &[],
        heading: CAPTURE,
    },
    Key {
        name: "runtime.socket",
        flag: "runtime-socket",
        alias: None,
        value_name: "PATH",
        help: "Socket of a container runtime; may be repeated, or separated by commas",
        long_help: "A path, or unix:// and a path. Without it the sockets that crictl is set to and the well-known paths of \
            containerd, CRI-O and others are tried.",
        allowed: "absolute paths of at most 107 bytes",
        choices: &[],
        heading: RUNTIME,
    },
    Key {
        name: "runtime.host_prefix",
        flag: "runtime-host-prefix",
        alias: None,
        value_name: "PATH",
        help: "Where the host's root directory is mounted; goes before the well-known paths and a profile's",
        long_help: "Sockets given with --runtime-socket are taken as they are. The platform is detected below it too.",
        allowed: "an absolute path, or empty for none",
        choices: &[],
        heading: RUNTIME,
    },
    Key {
        name: "runtime.bundles",
        flag: "runtime-bundles",
        alias: None,
        value_name: "DIR",
        help: "Directory of OCI bundles, read where no runtime tells; may be repeated, or separated by commas",
        long_help: "Such as /run/containerd/io.containerd.runtime.v2.task or /run/containers/storage/overlay-containers. \
            Only root may look into them, and what they tell is never complete.",
        allowed: "absolute paths",
        choices: &[],
        heading: RUNTIME,
    },
    Key {
        name: "runtime.call_timeout",
        flag: "runtime-call-timeout",
        alias: None,
        value_name: "TIME",
        help: "Deadline of one call to a runtime",
        long_help: "Calls run beside the pipeline: how long an event waits is runtime.lookup_budget, and an answer that \
            comes later is there for the next event. A runtime that misses the deadline repeatedly is left alone for a \
            while.",
        allowed: "1ms to 30s, for example 2s",
        choices: &[],
        heading: RUNTIME,
    },
    Key {
        name: "runtime.lookup_budget",
        flag: "runtime-lookup-budget",
        alias: None,
        value_name: "TIME",
        help: "How long an event may wait for its container's metadata, all calls together",
        long_help: "Counted from the event. After that it is printed with the reason why metadata is missing, and the \
            lookup goes on.",
        allowed: "1ms to 1m, for example 1s",
        choices: &[],
        heading: RUNTIME,
    },
    Key {
        name: "runtime.wait_share",
        flag: "runtime-wait-share",
        alias: None,
        value_name: "SHARE",
        help: "Share of its time that the agent may wait for container runtimes, all events together",
        long_help: "Beyond it events are printed without waiting. 0% never waits: what is not known yet is missing in the \
            first events of a container.",
        allowed: "0% to 100% with at most four decimals, for example 25%",
        choices: &[],
        heading: RUNTIME,
    },
    Key {
        name: "runtime.cache_size",
        flag: "runtime-cache-size",
        alias: None,
        value_name: "COUNT",
        help: "How many containers are remembered",
        long_help: "",
        allowed: "16 to 1048576",
        choices: &[],
        heading: RUNTIME,
    },
    Key {
        name: "runtime.prefetch",
        flag: "runtime-prefetch",
        alias: None,
        value_name: "CHOICE",
        help: "Whether containers are looked up when their cgroup appears, before their first event",
        long_help: "Takes two more hooks, on cgroups that are made and removed; one that is removed is forgotten. Without them \
            a container is looked up with its first event, which waits for the answer.",
        allowed: "true or false",
        choices: &["true", "false"],
        heading: RUNTIME,
    },
    Key {
        name: "metadata.labels",
        flag: "metadata-labels",
        alias: None,
        value_name: "LIST",
        help: "Which labels of pods and containers events tell, separated by commas",
        long_help: "Each is a key, or the beginning of keys and a *. What is not listed is not kept at all. The labels \
            that begin with io.kubernetes. never are: what they say has keys of its own.",
        allowed: "at most 64 keys of at most 317 bytes, with a * at the end at most",
        choices: &[],
        heading: METADATA,
    },
    Key {
        name: "metadata.annotations",
        flag: "metadata-annotations",
        alias: None,
        value_name: "LIST",
        help: "Which annotations of pods events tell, separated by commas",
        long_help: "Each is a key, or the beginning of keys and a *. Annotations may hold whole documents, with secrets in \
            them, so name what you need. kubectl's copy of the last applied configuration is never told.",
        allowed: "at most 64 keys of at most 317 bytes, with a * at the end at most",
        choices: &[],
        heading: METADATA,
    },
    Key {
        name: "metadata.mounts",
        flag: "metadata-mounts",
        alias: None,
        value_name: "BOOL",
        help: "Whether events tell what is mounted into their container",
        long_help: "With every event of the container: a few hundred bytes to 16 KiB each.",
        allowed: "true or false",
        choices: &["false", "true"],
        heading: METADATA,
    },
    Key {
        name: "control.socket",
        flag: "control-socket",
        alias: None,
        value_name: "PATH",
        help: "The running agent's admin socket, which `agent doctor` asks",
        long_help: "Its directory must be writable for the agent. Empty disables it.",
        allowed: "an absolute path of at most 107 bytes, or empty for none",
        choices: &[],
        heading: OPERATION,
    },
    Key {
        name: "health.listen",
        flag: "health-listen",
        alias: None,
        value_name: "ADDRESS",
        help: "Where /livez, /readyz and /metrics are served over HTTP, beside the admin socket",
        long_help: "Address and port, such as 0.0.0.0:9467 or [::]:9467. Whoever reaches the port can read them; they hold no \
            events, no names of containers and no secrets. Empty opens no port.",
        allowed: "an address and a port from 1 to 65535, or empty for none",
        choices: &[],
        heading: HEALTH,
    },
    Key {
        name: "health.runtime",
        flag: "health-runtime",
        alias: None,
        value_name: "NEED",
        help: "Whether the agent is ready without a container runtime",
        long_help: "With required it is not ready before a runtime has answered. With optional it is. Once one has answered, \
            that one has to answer either way.",
        allowed: "required or optional",
        choices: &["required", "optional"],
        heading: HEALTH,
    },
    Key {
        name: "health.canary",
        flag: "health-canary",
        alias: None,
        value_name: "TIME",
        help: "How old the last canary may be for the agent to be ready",
        long_help: "Each second the agent makes an event itself, which has to come back through the whole pipeline.",
        allowed: "2s to 1h, for example 15s",
        choices: &[],
        heading: HEALTH,
    },
    Key {
        name: "health.loss",
        flag: "health-loss",
        alias: None,
        value_name: "SHARE",
        help: "Share of events lost within health.loss_window from which on the agent is not ready",
        long_help: "0% is any loss.",
        allowed: "0% to 100% with at most four decimals, for example 1%",
        choices: &[],
        heading: HEALTH,
    },
    Key {
        name: "health.loss_window",
        flag: "health-loss-window",
        alias: None,
        value_name: "TIME",
        help: "The time over which health.loss is taken",
        long_help: "So long after the last loss the agent is ready again.",
        allowed: "1s to 1h, for example 1m",
        choices: &[],
        heading: HEALTH,
    },
    Key {
        name: "health.stall",
        flag: "health-stall",
        alias: None,
        value_name: "TIME",
        help: "How long a turn of the pipeline may take before the agent counts as dead",
        long_help: "A turn waits for runtimes for a second or two, and for whoever reads standard output as long as that takes. \
            Kubernetes restarts a container that is not alive.",
        allowed: "1s to 1h, for example 30s",
        choices: &[],
        heading: HEALTH,
    },
    Key {
        name: "log.level",
        flag: "log-level",
        alias: None,
        value_name: "LEVEL",
        help: "How much the agent logs",
        long_help: "A level, or a list with levels per module such as info,pinhole::container=debug.",
        allowed: "off, error, warn, info, debug or trace, and module=level pairs, separated by commas",
        choices: &[],
        heading: OPERATION,
    },
    Key {
        name: "log.target",
        flag: "log-target",
        alias: None,
        value_name: "TARGET",
        help: "Where the agent logs to",
        long_help: "auto is journald when its socket is there and standard error is no terminal, else stderr. Events \
            never go there.",
        allowed: "auto, stderr or journald",
        choices: &["auto", "stderr", "journald"],
        heading: OPERATION,
    },
];

const fn joined() -> [Key; GENERAL.len() + delivery::KEYS.len()] {
    let mut all = [GENERAL[0]; GENERAL.len() + delivery::KEYS.len()];
    let mut at = 0;
    while at < all.len() {
        all[at] = match at.checked_sub(GENERAL.len()) {
            None => GENERAL[at],
            Some(at) => delivery::KEYS[at],
        };
        at += 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_derived_from_the_key() {
        let key = find("runtime.host_prefix").unwrap();
        assert_eq!(key.variable(), "PINHOLE_RUNTIME_HOST_PREFIX");
        for key in KEYS {
            assert_eq!(key.flag, key.name.replace(['.', '_'], "-"));
        }
    }

    /// The keys of the settings themselves, as they serialise.
    fn leaves(above: &str, value: &Value) -> Vec<String> {
        match value {
            // An empty one is a table that whoever configures fills.
            Value::Object(fields) if !fields.is_empty() => fields
                .iter()
                .flat_map(|(name, value)| {
                    leaves(
                        &format!("{above}{}{name}", if above.is_empty() { "" } else { "." }),
                        value,
                    )
                })
                .collect(),
            _ => vec![above.to_owned()],
        }
    }

    #[test]
    fn every_setting_is_in_the_table_and_nothing_else() {
        let mut settings = leaves("", &serde_json::to_value(Settings::default()).unwrap());
        let mut table: Vec<String> = KEYS.iter().map(|key| key.name.to_owned()).collect();
        settings.sort();
        table.sort();
        assert_eq!(table, settings);
    }

    #[test]
    fn the_documentation_lists_every_key_with_its_variable() {
        let page = include_str!("../../docs/configuration.md");
        for key in KEYS {
            let row = format!("| `{}` | `--{}` | `{}` |", key.name, key.flag, key.variable());
            assert!(page.contains(&row), "docs/configuration.md lacks the row {row}");
        }
    }

    #[test]
    fn no_two_keys_share_a_flag_or_a_variable() {
        let flags = KEYS
            .iter()
            .map(|key| key.flag.to_owned())
            .chain(KEYS.iter().filter_map(|key| key.alias.map(str::to_owned)));
        let variables = KEYS.iter().map(Key::variable);
        for names in [flags.collect::<Vec<_>>(), variables.collect()] {
            let unique: std::collections::BTreeSet<_> = names.iter().collect();
            assert_eq!(unique.len(), names.len());
        }
    }

    #[test]
    fn the_profile_choices_are_the_profiles() {
        let names: Vec<&str> = std::iter::once("auto")
            .chain(crate::platform::profile::names())
            .collect();
        assert_eq!(find("profile").unwrap().choices, names);
    }
}
