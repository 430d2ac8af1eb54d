//! Takes out of a report what is nobody's business but the cluster's own, for an issue or for a stranger's eyes. A pure
//! function from report to report: every format can be made of either.
//!
//! Each value is one of three:
//!
//! * public: ids and titles of checks, numbers, times, versions, and whatever this program's own sources say. It stays.
//! * local: names of nodes, pods, namespaces, containers and images, ids, addresses, paths, and every word that is not
//!   known. It becomes a stand-in, `node-1` or `<id:3f6b…>`, the same one wherever it occurs in the report, so that it
//!   still shows what belongs together.
//! * secret: arguments, environments, labels, annotations. It goes.
//!
//! What may stay in sentences is decided by a list of what may, [`words`], and by no list of what may not: an error message of
//! the system or of a runtime can hold anything. Where keys tell what a value is, [`value`] goes by the keys.

mod names;
#[cfg(test)]
mod tests;
mod text;
mod value;
mod words;

use super::baseline::{Changed, Changes};
use super::past::{Field, Live};
use super::report::{Agent, Check, Confined, Evidence, Fix, Host, Impact, Profile, Remedy, Report, Suppressed, Word};
use names::{Kind, Names};
use text::Scrubber;

/// What stands where something secret was.
const REMOVED: &str = "<removed>";

/// The report without anything private.
#[must_use]
pub fn report(report: &Report) -> Report {
    let mut names = Names::default();
    // First all the names that keys tell, so that they are known in the sentences that stand before them.
    if let Some(node) = &report.host.node {
        names.stand_in(Kind::Node, node);
    }
    for check in &report.checks {
        let evidence = check.evidence.iter().map(|evidence| &evidence.value);
        for value in check.observed.iter().chain(&check.expected).chain(evidence) {
            value::learn(&mut names, value);
        }
    }
    Redaction(Scrubber::new(names)).report(report)
}

/// Text that is part of no report.
#[must_use]
pub fn text(text: &str) -> String {
    Scrubber::new(Names::default()).text(text)
}

/// JSON that is part of no report.
#[must_use]
pub fn json(value: &serde_json::Value) -> serde_json::Value {
    let mut names = Names::default();
    value::learn(&mut names, value);
    value::redact(&mut Scrubber::new(names), value)
}

struct Redaction(Scrubber);

/// Every field is named: one that is added has to say here what it is.
impl Redaction {
    fn report(&mut self, report: &Report) -> Report {
        let Report {
            schema_version,
            time,
            agent,
            host,
            profile,
            mode,
            confined,
            verdict,
            counts,
            fix_first,
            changes,
            checks,
            live,
            duration_us,
        } = report;
        Report {
            schema_version: *schema_version,
            time: self.text(time),
            agent: self.agent(agent),
            host: self.host(host),
            profile: self.profile(profile),
            mode: *mode,
            confined: confined.as_ref().map(|confined| self.confined(confined)),
            verdict: *verdict,
            counts: *counts,
            fix_first: fix_first.iter().map(|fix| self.fix(fix)).collect(),
            changes: changes.as_ref().map(|changes| self.changes(changes)),
            checks: checks.iter().map(|check| self.check(check)).collect(),
            live: live.as_ref().map(|live| self.live(live)),
            duration_us: *duration_us,
        }
    }

    fn agent(&mut self, agent: &Agent) -> Agent {
        Agent {
            version: self.text(&agent.version),
            running_version: self.optional(agent.running_version.as_deref()),
            pid: agent.pid,
            uptime_seconds: agent.uptime_seconds,
        }
    }

    fn host(&mut self, host: &Host) -> Host {
        let node = host.node.as_deref();
        Host {
            kernel: self.optional(host.kernel.as_deref()),
            arch: self.text(&host.arch),
            node: node.map(|node| self.0.names.stand_in(Kind::Node, node)),
            in_container: host.in_container,
        }
    }

    fn profile(&mut self, profile: &Profile) -> Profile {
        Profile {
            name: self.text(&profile.name),
            source: self.text(&profile.source),
            evidence: self.texts(&profile.evidence),
        }
    }

    fn confined(&mut self, confined: &Confined) -> Confined {
        Confined {
            in_force: confined.in_force,
            why: self.optional(confined.why.as_deref()),
        }
    }

    fn changes(&mut self, changes: &Changes) -> Changes {
        let node = changes.node.as_deref();
        Changes {
            since: self.text(&changes.since),
            version: self.text(&changes.version),
            node: node.map(|node| self.0.names.stand_in(Kind::Node, node)),
            counts: changes.counts,
            checks: changes.checks.iter().map(|changed| self.changed(changed)).collect(),
        }
    }

    fn changed(&mut self, changed: &Changed) -> Changed {
        Changed {
            id: self.word(&changed.id),
            change: changed.change,
            from: changed.from,
            to: changed.to,
        }
    }

    fn fix(&mut self, fix: &Fix) -> Fix {
        Fix {
            id: self.word(&fix.id),
            unblocks: fix.unblocks.iter().map(|id| self.word(id)).collect(),
            points: fix.points,
        }
    }

    fn check(&mut self, check: &Check) -> Check {
        let Check {
            id,
            area,
            title,
            status,
            summary,
            observed,
            expected,
            evidence,
            impact,
            remedy,
            blocked_by,
            suppressed,
            reason,
        } = check;
        Check {
            id: self.word(id),
            area: self.word(area),
            title: self.word(title),
            status: *status,
            summary: self.text(summary),
            observed: observed.as_ref().map(|value| value::redact(&mut self.0, value)),
            expected: expected.as_ref().map(|value| value::redact(&mut self.0, value)),
            evidence: evidence.iter().map(|evidence| self.evidence(evidence)).collect(),
            impact: impact.as_ref().map(|impact| self.impact(impact)),
            remedy: remedy.as_ref().map(|remedy| self.remedy(remedy)),
            blocked_by: blocked_by.as_ref().map(|id| self.word(id)),
            suppressed: suppressed.as_ref().map(|suppressed| self.suppressed(suppressed)),
            reason: self.optional(reason.as_deref()),
        }
    }

    fn evidence(&mut self, evidence: &Evidence) -> Evidence {
        Evidence {
            source: self.text(&evidence.source),
            value: value::redact(&mut self.0, &evidence.value),
            at: self.optional(evidence.at.as_deref()),
            duration_us: evidence.duration_us,
            view: evidence.view,
        }
    }

    fn impact(&mut self, impact: &Impact) -> Impact {
        Impact {
            text: self.text(&impact.text),
            features: self.texts(&impact.features),
            fields: self.texts(&impact.fields),
            rules: self.texts(&impact.rules),
        }
    }

    fn remedy(&mut self, remedy: &Remedy) -> Remedy {
        Remedy {
            text: self.text(&remedy.text),
            commands: self.texts(&remedy.commands),
            patch: remedy
                .patch
                .iter()
                .map(|change| value::change(&mut self.0, change))
                .collect(),
        }
    }

    fn suppressed(&mut self, suppressed: &Suppressed) -> Suppressed {
        Suppressed {
            reason: self.text(&suppressed.reason),
            until: self.text(&suppressed.until),
        }
    }

    fn live(&mut self, live: &Live) -> Live {
        Live {
            window_seconds: live.window_seconds,
            loss: live.loss.clone(),
            fields: live.fields.iter().map(|field| self.field(field)).collect(),
            loss_percent: live.loss_percent,
            complete_percent: live.complete_percent,
        }
    }

    fn field(&mut self, field: &Field) -> Field {
        let missing = field.missing.iter();
        Field {
            field: self.text(&field.field),
            present: field.present,
            inapplicable: field.inapplicable,
            missing: missing.map(|(reason, count)| (self.word(reason), *count)).collect(),
        }
    }

    fn text(&mut self, text: &str) -> String {
        self.0.text(text)
    }

    fn texts(&mut self, texts: &[String]) -> Vec<String> {
        texts.iter().map(|text| self.text(text)).collect()
    }

    fn optional(&mut self, text: Option<&str>) -> Option<String> {
        text.map(|text| self.text(text))
    }

    fn word(&mut self, word: &Word) -> Word {
        self.text(word).into()
    }
}
