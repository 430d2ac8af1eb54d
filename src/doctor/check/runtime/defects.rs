//! Versions of runtimes that are known to do something wrong that matters to the agent.

use serde_json::{Value, json};

use super::view::look;
use crate::doctor::change::Change;
use crate::doctor::facts::{Facts, RuntimeFact};
use crate::doctor::finding::Finding;

/// Major, minor and patch.
type Version = (u32, u32, u32);

/// What is known of some versions of a runtime.
struct Defect {
    /// The runtime's name for itself.
    runtime: &'static str,
    /// The first version that has it; absent where nobody told.
    from: Option<Version>,
    /// The first version that no longer has it; absent where nobody told.
    until: Option<Version>,
    /// Where it was reported.
    source: &'static [&'static str],
    /// What it does, and what that costs the agent.
    costs: &'static str,
    /// Nothing the agent does makes up for it.
    felt: bool,
}

/// Those that were reported with the version that has them. What the agent makes up for is told and is no finding.
const DEFECTS: &[Defect] = &[
    Defect {
        runtime: "containerd",
        from: Some((2, 3, 0)),
        until: Some((2, 3, 1)),
        source: &[
            "falcosecurity/plugins#1353",
            "falcosecurity/falco#3874",
            "falcosecurity/falco#3960",
        ],
        costs: "the verbose answer about a sandbox has no runtimeSpec, so where the sandbox's cgroup should be is not known: \
                a cgroup elsewhere that bears its id cannot be told from its own",
        felt: true,
    },
    Defect {
        runtime: "containerd",
        from: None,
        until: None,
        source: &["kubernetes/kubernetes#115199", "containerd/containerd#8408"],
        costs: "an image that was pulled by digest, or whose name was moved, is told by its digest alone, and of several names \
                of one image any may be told; the agent looks for the name that was asked for in the container's own annotations first",
        felt: false,
    },
    Defect {
        runtime: "cri-o",
        from: None,
        until: None,
        source: &["falcosecurity/libs#402"],
        costs: "a container is not found until it is fully created; the agent asks again within runtime.lookup_budget",
        felt: false,
    },
    Defect {
        runtime: "cri-o",
        from: None,
        until: Some((1, 29, 0)),
        source: &["cri-o/cri-o#7149"],
        costs: "of several names of one image any may be told; the agent takes the one that was asked for from the container's annotations",
        felt: false,
    },
    Defect {
        runtime: "docker",
        from: None,
        until: Some((22, 6, 0)),
        source: &["moby/moby#43987"],
        costs: "its own seccomp profile refuses bpf(2) without CAP_SYS_ADMIN: an agent that runs in one of its containers needs a \
                profile of its own (agent seccomp setup)",
        felt: false,
    },
];

impl Defect {
    fn has(&self, runtime: &RuntimeFact) -> bool {
        let Some(version) = runtime.version.as_deref().and_then(parse) else {
            return self.runtime_is(runtime) && self.from.is_none() && self.until.is_none();
        };
        self.runtime_is(runtime)
            && self.from.is_none_or(|from| version >= from)
            && self.until.is_none_or(|until| version < until)
    }

    fn runtime_is(&self, runtime: &RuntimeFact) -> bool {
        runtime.name.as_deref() == Some(self.runtime)
    }
}

/// The numbers at the beginning of a version: `v1.7.24`, `1.6.20~ds1`, `20.10.24+dfsg1`.
fn parse(text: &str) -> Option<Version> {
    let mut numbers = text.trim_start_matches('v').split('.').map(|part| {
        let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part[..end].parse::<u32>().ok()
    });
    let major = numbers.next()??;
    let mut next = || numbers.next().flatten().unwrap_or(0);
    Some((major, next(), next()))
}

/// PIN-RUN-010.
pub(super) fn known(facts: &Facts) -> Finding {
    let seen = match look(facts) {
        Ok(seen) => seen,
        Err(gap) => return Finding::gap(gap),
    };
    let answering = seen.answering();
    if answering.is_empty() {
        return Finding::skipped("no runtime answers");
    }
    let found: Vec<(&RuntimeFact, &Defect)> = answering
        .iter()
        .flat_map(|runtime| {
            DEFECTS
                .iter()
                .filter(|defect| defect.has(runtime))
                .map(|defect| (*runtime, defect))
        })
        .collect();
    let named = |runtime: &RuntimeFact| {
        let word = |word: &Option<String>| word.clone().unwrap_or_else(|| "?".to_owned());
        format!("{} {}", word(&runtime.name), word(&runtime.version))
    };
    let finding = match found.iter().find(|(_, defect)| defect.felt) {
        Some((runtime, defect)) => Finding::warn(format!("{}: {}", named(runtime), defect.costs))
            .impact(
                format!("Reported in {}.", defect.source.join(", ")),
                &["metadata"],
                &["container", "kubernetes"],
            )
            .remedy(
                "Use another version of the runtime, as a newer image of the node has it.",
                &["crictl version"],
            )
            .change(Change::node(
                "version of the container runtime",
                "one without the defect",
            )),
        None => {
            let names: Vec<String> = answering.iter().map(|runtime| named(runtime)).collect();
            Finding::ok(format!(
                "nothing known of {} that the agent does not make up for",
                names.join(", ")
            ))
        }
    };
    let observed: Vec<Value> = found
        .iter()
        .map(|(runtime, defect)| {
            json!({
                "runtime": named(runtime),
                "source": defect.source,
                "costs": defect.costs,
                "made_up_for": !defect.felt,
            })
        })
        .collect();
    finding
        .observed(json!(observed))
        .expected("no defect that the agent cannot make up for")
        .evidence(
            &seen.clock,
            seen.source,
            json!(answering.iter().map(|runtime| named(runtime)).collect::<Vec<_>>()),
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::fixture::containerd;

    #[test]
    fn versions_are_read_as_runtimes_write_them() {
        for (text, version) in [
            ("v1.7.24", Some((1, 7, 24))),
            ("1.6.20~ds1", Some((1, 6, 20))),
            ("20.10.24+dfsg1", Some((20, 10, 24))),
            ("2.3", Some((2, 3, 0))),
            ("1.31.0-dev", Some((1, 31, 0))),
            ("", None),
            ("unknown", None),
        ] {
            assert_eq!(parse(text), version, "{text}");
        }
    }

    #[test]
    fn only_the_versions_that_have_it_are_blamed() {
        let of = |name: &str, version: &str| {
            let runtime = RuntimeFact {
                name: Some(name.to_owned()),
                version: Some(version.to_owned()),
                ..containerd()
            };
            DEFECTS.iter().any(|defect| defect.felt && defect.has(&runtime))
        };
        assert!(of("containerd", "v2.3.0") && of("containerd", "2.3.0-rc.1"));
        for version in ["v2.2.9", "2.3.1", "1.6.20~ds1", "v1.7.24", "2.1.4", "?"] {
            assert!(!of("containerd", version), "{version}");
        }
        assert!(!of("cri-o", "2.3.0"));
    }

    #[test]
    fn every_defect_says_where_it_was_reported() {
        for defect in DEFECTS {
            assert!(!defect.source.is_empty());
            for source in defect.source {
                let (project, number) = source.split_once('#').unwrap();
                assert!(project.contains('/') && number.parse::<u32>().is_ok(), "{source}");
            }
        }
    }
}
