//! Tables of broken hosts: how each is made, what the doctor must find there and nothing else, and that its remedy mends it.

use std::time::{Duration, Instant};

use super::manifest::Manifest;
use super::node;
use super::report::Report;
use crate::lab::containerd::Containerd;
use crate::lab::kubelet::Kubelet;

/// How long a running agent may take to notice that something changed: a call that hangs, a window, a pause, a busy machine.
pub(super) const NOTICES: Duration = Duration::from_secs(180);

/// A pod that lacks one thing, or has one too many.
pub(super) struct Case {
    /// What is wrong, as a name.
    pub(super) name: &'static str,
    /// Makes it so.
    pub(super) harm: fn(&mut Manifest, &Kubelet<'_>),
    /// The roots: id and status.
    pub(super) roots: &'static [(&'static str, &'static str)],
    /// Whether the report's own changes to the manifest mend it; where they do not, they are the node's.
    pub(super) mends: Mends,
}

/// Who can mend it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mends {
    /// The manifest, by the report's changes, all of them applied.
    Manifest,
    /// Somebody else, who has to be asked for by the report's words.
    Words(&'static str),
}

/// What a table came to: everything that is not as it should be, for all cases at once.
#[derive(Default)]
pub(super) struct Verdict(Vec<String>);

impl Verdict {
    /// Notes a report whose roots are others than these.
    pub(super) fn expect(&mut self, name: &str, report: &Report, roots: &[(&str, &str)]) -> bool {
        let is_right = report.roots() == roots;
        println!(
            "{} {name}: {:?} ({} ms)",
            if is_right { "+" } else { "-" },
            report.roots(),
            report.took.as_millis()
        );
        if !is_right {
            self.note(format!("{name}: expected {roots:?}, found\n{}", report.findings()));
        }
        is_right
    }

    /// As [`Self::expect`], once the agent has noticed: looks again until then.
    pub(super) fn expect_soon(&mut self, name: &str, look: impl FnMut() -> Report, roots: &[(&str, &str)]) -> bool {
        let began = Instant::now();
        let report = look_for(roots, look);
        self.expect(
            &format!("{name} (after {} s)", began.elapsed().as_secs()),
            &report,
            roots,
        )
    }

    /// Notes anything else that is wrong.
    pub(super) fn note(&mut self, text: String) {
        self.0.push(text);
    }

    /// Tells all that was noted.
    pub(super) fn end(self) {
        assert!(self.0.is_empty(), "\n{}", self.0.join("\n"));
    }
}

/// Looks until these are the roots, or for long enough.
pub(super) fn look_for(roots: &[(&str, &str)], mut look: impl FnMut() -> Report) -> Report {
    let began = Instant::now();
    loop {
        let report = look();
        if report.roots() == roots || began.elapsed() > NOTICES {
            return report;
        }
        println!("  not yet: {:?} ({} s)", report.roots(), began.elapsed().as_secs());
    }
}

/// Runs the doctor before the agent in each pod of a table, and once more in the mended one.
pub(super) fn cold(lab: &Containerd, profile: &str, cases: &[Case]) {
    let kubelet = node::kubelet(lab);
    let mut verdict = Verdict::default();
    for case in cases {
        let mut manifest = Manifest::of(profile).patient();
        (case.harm)(&mut manifest, &kubelet);
        let report = node::cold(&kubelet, &manifest, "runc");
        if !verdict.expect(case.name, &report, case.roots) {
            continue;
        }
        treat(&mut verdict, case, &kubelet, manifest, &report);
    }
    verdict.end();
}

fn treat(verdict: &mut Verdict, case: &Case, kubelet: &Kubelet<'_>, mut manifest: Manifest, report: &Report) {
    match case.mends {
        Mends::Manifest => {
            let changes = report.changes();
            for change in &changes {
                if !manifest.apply(change) {
                    verdict.note(format!("{}: no change of the manifest: {change}", case.name));
                }
            }
            if changes.is_empty() {
                verdict.note(format!("{}: no change is named\n{}", case.name, report.findings()));
                return;
            }
            let mended = node::cold(kubelet, &manifest, "runc");
            verdict.expect(&format!("{}, mended", case.name), &mended, &[]);
        }
        Mends::Words(words) => {
            let remedies: Vec<String> = report
                .roots()
                .iter()
                .map(|(id, _)| report.check(id)["remedy"].to_string())
                .collect();
            if !remedies.iter().any(|remedy| remedy.contains(words)) {
                verdict.note(format!("{}: {words:?} is not in {remedies:?}", case.name));
            }
        }
    }
}
