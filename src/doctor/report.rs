//! The report: what the doctor hands out, in every format. Plain data; it judges nothing.
//!
//! Its shape is published as `docs/doctor-report.schema.json`. It grows only by addition: no field is renamed, removed or
//! given another meaning within one [`SCHEMA_VERSION`]. A key without a value is absent, never null.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::baseline::Changes;
use super::change::Change;
use super::facts::View;
use super::past::Live;

/// A word of the registry, or one that was read in a report of another version.
pub type Word = Cow<'static, str>;

/// Version of the report's shape.
pub const SCHEMA_VERSION: u32 = 1;

/// Everything that the doctor found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// When the examination began, RFC 3339, UTC.
    pub time: String,
    /// The agent that was examined.
    pub agent: Agent,
    /// Where it was examined.
    pub host: Host,
    /// The platform profile in use.
    pub profile: Profile,
    /// Whether a running agent took part.
    pub mode: Mode,
    /// Whether the kernel held the doctor to reading while it looked; absent where it looked at no machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confined: Option<Confined>,
    /// The worst of all checks.
    pub verdict: Verdict,
    /// Checks by status.
    pub counts: Counts,
    /// What to mend first: findings by what they weigh and what waits for them, the heaviest first.
    #[serde(default)]
    pub fix_first: Vec<Fix>,
    /// What is different from a report that was saved earlier; absent where none was given. The exit code then counts only
    /// what is new or worse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<Changes>,
    /// Every check of the registry, in its order; none is left out.
    pub checks: Vec<Check>,
    /// What the running agent tells of its past.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<Live>,
    /// How long the examination took, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_us: Option<u64>,
}

/// A finding in the order in which mending pays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fix {
    /// The check.
    pub id: Word,
    /// Checks that could be judged again, because they wait for it.
    pub unblocks: Vec<Word>,
    /// The weight of both, in points.
    pub points: u32,
}

/// The agent that was examined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Agent {
    /// Version of the binary that examines.
    pub version: String,
    /// Version of the running agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_version: Option<String>,
    /// Process id of the running agent, as it sees itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Seconds since the running agent attached its hooks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uptime_seconds: Option<f64>,
}

/// Where the examination ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Kernel release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// Machine architecture.
    pub arch: String,
    /// Name of the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Whether the doctor runs in a container.
    pub in_container: bool,
}

/// The platform profile in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// Where the choice came from: default, file, environment, flag, detection.
    pub source: String,
    /// What speaks for it.
    pub evidence: Vec<String>,
}

/// Whether a running agent took part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The running agent answered.
    Live,
    /// No agent answered: judged from this process alone.
    Cold,
    /// Manifests were judged, and no machine.
    Offline,
}

/// Whether the kernel held the doctor to reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confined {
    /// The filter of `seccomp/agent-doctor.json` was in force before anything but the own process was looked at.
    pub in_force: bool,
    /// Why it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// The end of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Ok,
    /// Works, at a price or with a risk.
    Warn,
    /// Does not work.
    Fail,
    /// Could not be found out; never the same as ok.
    Unknown,
    /// Not judged: it does not apply here, or another check blocks it.
    Skipped,
}

impl Status {
    /// The word used in the report.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
            Self::Skipped => "skipped",
        }
    }
}

/// The worst of all checks; findings outweigh what is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Everything that applies is as it should be.
    Ok,
    /// At least one check warns.
    Warn,
    /// At least one check fails.
    Fail,
    /// No finding, but something could not be found out.
    Unknown,
}

/// Checks by status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// As they should be.
    pub ok: usize,
    /// With a warning.
    pub warn: usize,
    /// Failed.
    pub fail: usize,
    /// Not found out.
    pub unknown: usize,
    /// Not judged.
    pub skipped: usize,
    /// Findings that somebody has accepted for a time: counted here and not among those above.
    #[serde(default)]
    pub suppressed: usize,
}

/// One check and what it found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Stable id, never reused; `docs/doctor.md` has a section for each.
    pub id: Word,
    /// The area it belongs to.
    pub area: Word,
    /// What it examines.
    pub title: Word,
    /// How it ended.
    pub status: Status,
    /// One sentence: what was found.
    pub summary: String,
    /// The value that was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Value>,
    /// The value that was wanted, of the same form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Value>,
    /// Where the values come from.
    pub evidence: Vec<Evidence>,
    /// What suffers; on warn and fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impact: Option<Impact>,
    /// What mends it; on warn and fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<Remedy>,
    /// The id of the check whose failure blocks this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_by: Option<Word>,
    /// Accepted by somebody; the finding stays in the report and does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppressed: Option<Suppressed>,
    /// Why there is no verdict; on unknown and skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// That somebody accepts a finding, and how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppressed {
    /// Why.
    pub reason: String,
    /// The last day on which it holds, `YYYY-MM-DD`.
    pub until: String,
}

/// One value and where it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// A file, a system call, a call to the agent.
    pub source: String,
    /// What it said.
    pub value: Value,
    /// When it was read, RFC 3339, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// How long the reading took, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_us: Option<u64>,
    /// From where: this machine and process, the running agent, or a manifest.
    pub view: View,
}

/// What suffers from a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Impact {
    /// In one sentence.
    pub text: String,
    /// Features that suffer: capture, metadata, privilege, loss, doctor.
    pub features: Vec<String>,
    /// Keys of events that are absent or unreliable.
    pub fields: Vec<String>,
    /// Fields of Falco's rules that cannot be judged then: a rule that uses one of them is unknown where it hangs on it.
    #[serde(default)]
    pub rules: Vec<String>,
}

/// What mends a finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Remedy {
    /// In one or two sentences.
    pub text: String,
    /// Commands to run or lines of a manifest to set, as they are to be typed.
    pub commands: Vec<String>,
    /// The same as changes that a machine can make: of the profile's manifest, of a setting, or of the node.
    #[serde(default)]
    pub patch: Vec<Change>,
}

/// From which status on the exit code says "findings".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailOn {
    /// Warnings count.
    Warn,
    /// Only failures count.
    Fail,
}

impl Report {
    /// The exit code, the same for every format: 0 nothing at or above the threshold, 2 findings, 3 undetermined. Beside an
    /// earlier report it goes by what is new or worse.
    #[must_use]
    pub fn exit_code(&self, fail_on: FailOn) -> u8 {
        match &self.changes {
            Some(changes) => changes.counts.exit_code(fail_on),
            None => self.counts.exit_code(fail_on),
        }
    }

    /// Counts again, after checks have been suppressed.
    pub(super) fn recount(&mut self) {
        self.counts = Counts::of(&self.checks);
        self.verdict = self.counts.verdict();
        self.fix_first = super::graph::fix_first(&self.checks);
    }
}

impl Counts {
    /// Counts checks by status.
    #[must_use]
    pub fn of(checks: &[Check]) -> Self {
        let counts = |check: &&Check| check.suppressed.is_none();
        let count = |status| {
            checks
                .iter()
                .filter(counts)
                .filter(|check| check.status == status)
                .count()
        };
        Self {
            ok: count(Status::Ok),
            warn: count(Status::Warn),
            fail: count(Status::Fail),
            unknown: count(Status::Unknown),
            skipped: count(Status::Skipped),
            suppressed: checks.iter().filter(|check| check.suppressed.is_some()).count(),
        }
    }

    /// The verdict that follows.
    #[must_use]
    pub fn verdict(self) -> Verdict {
        match self {
            Self { fail: 1.., .. } => Verdict::Fail,
            Self { warn: 1.., .. } => Verdict::Warn,
            Self { unknown: 1.., .. } => Verdict::Unknown,
            _ => Verdict::Ok,
        }
    }

    /// The exit code, the same for every format: 0 nothing at or above the threshold, 2 findings, 3 undetermined.
    #[must_use]
    pub fn exit_code(self, fail_on: FailOn) -> u8 {
        exit_code(self.fail, self.warn, self.unknown, fail_on)
    }
}

/// The one place where findings become an exit code.
pub(super) fn exit_code(fail: usize, warn: usize, unknown: usize, fail_on: FailOn) -> u8 {
    let findings = match fail_on {
        FailOn::Warn => fail + warn,
        FailOn::Fail => fail,
    };
    match (findings, unknown) {
        (1.., _) => 2,
        (0, 1..) => 3,
        (0, 0) => 0,
    }
}
