//! The checks as data, in the order of the report. Each area keeps its definitions beside its judges; this is the only list
//! of areas there is.

use super::check::{
    btf, build, capability, capture, cgroup, clock, configuration, delivery, drift, hooks, kernel, landlock, ledger,
    live, log, loss, lsm, manifest, memory, metadata, mount, output, pace, port, privilege, profile, pulse, ready,
    records, resource, ring, rules, runtime, scc, seccomp, seccomp_file, suppression, version,
};
use super::facts::Facts;
use super::facts::manifests::Manifests;
use super::finding::Finding;

/// Ids of checks that no longer exist. An id is never given to another check.
pub const RETIRED: &[&str] = &[];

/// What a check has to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Files of `/proc` and `/sys`.
    Kernel,
    /// The doctor's own process.
    Process,
    /// Loading small programs.
    Capture,
    /// Sockets of container runtimes.
    Runtime,
    /// The admin socket of the running agent.
    Agent,
    /// Running a program.
    Exec,
    /// The settings.
    Settings,
    /// Manifests: nothing of any machine.
    Manifests,
}

impl Need {
    /// In words, as pages say it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Kernel => "files of /proc and /sys",
            Self::Process => "the doctor's own process",
            Self::Capture => "loading small programs",
            Self::Runtime => "sockets of container runtimes",
            Self::Agent => "the admin socket of the running agent",
            Self::Exec => "running a program",
            Self::Settings => "the settings",
            Self::Manifests => "manifests",
        }
    }
}

/// How a check hangs on another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// When the other one fails, judging this one is meaningless: it is skipped.
    Needs(&'static str),
    /// The facts come through the other one: when that one is not ok and this one has no verdict, it is skipped.
    Through(&'static str),
}

impl Edge {
    /// The check that this edge leads to.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Needs(id) | Self::Through(id) => id,
        }
    }
}

/// What hangs on a check that fails: it orders what is to be mended first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Something is dearer or more open than it need be.
    Minor,
    /// A promise of the agent does not hold: events lack their metadata, are lost, or privileges stand.
    Major,
    /// The agent does not work at all.
    Blocks,
}

impl Weight {
    /// Points in the ranking: one that blocks everything comes before any number of smaller ones on a page.
    #[must_use]
    pub fn points(self) -> u32 {
        match self {
            Self::Minor => 1,
            Self::Major => 10,
            Self::Blocks => 100,
        }
    }

    /// In words, as pages say it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Minor => "minor: something is dearer or more open than it need be",
            Self::Major => "major: a promise of the agent does not hold",
            Self::Blocks => "blocks: the agent does not work",
        }
    }
}

/// One check.
#[derive(Debug, Clone, Copy)]
pub struct Definition {
    /// Stable id.
    pub id: &'static str,
    /// Its area, the middle part of the id in words.
    pub area: &'static str,
    /// What it examines.
    pub title: &'static str,
    /// What hangs on it.
    pub weight: Weight,
    /// What it looks at.
    pub needs: &'static [Need],
    /// What it hangs on.
    pub depends_on: &'static [Edge],
    /// Facts of a machine to a verdict; absent where only manifests tell.
    pub judge: Option<fn(&Facts) -> Finding>,
    /// Manifests to a verdict; absent where they cannot tell.
    pub offline: Option<fn(&Manifests) -> Finding>,
    /// What it examines, why, and what mends it: Markdown, from which `docs/checks/` and `agent doctor explain` are made.
    pub page: &'static str,
}

/// Every check by area, in the order of the report.
pub const AREAS: &[&[Definition]] = &[
    configuration::CHECKS,
    suppression::CHECKS,
    log::CHECKS,
    drift::CHECKS,
    profile::CHECKS,
    version::CHECKS,
    kernel::CHECKS,
    build::CHECKS,
    btf::CHECKS,
    mount::CHECKS,
    cgroup::CHECKS,
    capability::CHECKS,
    seccomp::CHECKS,
    lsm::CHECKS,
    privilege::CHECKS,
    landlock::CHECKS,
    resource::CHECKS,
    capture::CHECKS,
    memory::CHECKS,
    hooks::CHECKS,
    runtime::CHECKS,
    live::CHECKS,
    pulse::CHECKS,
    ready::CHECKS,
    pace::CHECKS,
    clock::CHECKS,
    port::CHECKS,
    metadata::CHECKS,
    loss::CHECKS,
    ledger::CHECKS,
    records::CHECKS,
    output::CHECKS,
    rules::CHECKS,
    delivery::CHECKS,
    ring::CHECKS,
    manifest::CHECKS,
    scc::CHECKS,
    seccomp_file::CHECKS,
];

/// Every check, in the order of the report.
pub fn checks() -> impl Iterator<Item = &'static Definition> + Clone {
    AREAS.iter().copied().flatten()
}

/// The check with this id.
#[must_use]
pub fn find(id: &str) -> Option<&'static Definition> {
    checks().find(|definition| definition.id == id)
}
