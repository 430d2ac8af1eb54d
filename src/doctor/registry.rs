//! The checks as data: one entry per check, in the order of the report. The only list of checks there is.

use super::facts::Facts;
use super::finding::Finding;
use super::judge::{capture, config, hooks, kernel, live, loss, memory, metadata, privilege, pulse, runtime};

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

/// One check.
#[derive(Debug, Clone, Copy)]
pub struct Definition {
    /// Stable id.
    pub id: &'static str,
    /// Its area, the middle part of the id in words.
    pub area: &'static str,
    /// What it examines.
    pub title: &'static str,
    /// What it looks at.
    pub needs: &'static [Need],
    /// What it hangs on.
    pub depends_on: &'static [Edge],
    /// Facts to verdict.
    pub judge: fn(&Facts) -> Finding,
}

use Edge::{Needs, Through};
use Need::{Agent, Capture, Exec, Kernel, Process, Runtime, Settings};

/// Every check, in the order of the report.
pub const CHECKS: &[Definition] = &[
    Definition {
        id: "PIN-CFG-001",
        area: "configuration",
        title: "The configuration loads",
        needs: &[Settings],
        depends_on: &[],
        judge: config::loads,
    },
    Definition {
        id: "PIN-PRF-001",
        area: "profile",
        title: "The profile fits the platform",
        needs: &[Settings],
        depends_on: &[],
        judge: config::profile,
    },
    Definition {
        id: "PIN-KRN-001",
        area: "kernel",
        title: "The kernel is new enough",
        needs: &[Kernel],
        depends_on: &[],
        judge: kernel::release,
    },
    Definition {
        id: "PIN-KRN-002",
        area: "kernel",
        title: "Lockdown lets programs read kernel memory",
        needs: &[Kernel, Capture, Agent],
        depends_on: &[],
        judge: kernel::lockdown,
    },
    Definition {
        id: "PIN-BTF-001",
        area: "kernel",
        title: "The kernel's type information is readable",
        needs: &[Kernel],
        depends_on: &[],
        judge: kernel::btf,
    },
    Definition {
        id: "PIN-CAP-001",
        area: "privilege",
        title: "The needed capabilities are held",
        needs: &[Process, Agent],
        depends_on: &[],
        judge: privilege::needed,
    },
    Definition {
        id: "PIN-CAP-002",
        area: "privilege",
        title: "No capability is held without need",
        needs: &[Process, Agent],
        depends_on: &[],
        judge: privilege::surplus,
    },
    Definition {
        id: "PIN-PRV-001",
        area: "privilege",
        title: "no_new_privs is set",
        needs: &[Process, Agent],
        depends_on: &[],
        judge: privilege::no_new_privs,
    },
    Definition {
        id: "PIN-PRV-002",
        area: "privilege",
        title: "Every thread of the agent runs under a seccomp filter",
        needs: &[Agent],
        depends_on: &[Through("PIN-LIVE-001")],
        judge: privilege::seccomp,
    },
    Definition {
        id: "PIN-PRV-003",
        area: "privilege",
        title: "The agent is not root",
        needs: &[Process, Agent],
        depends_on: &[],
        judge: privilege::non_root,
    },
    Definition {
        id: "PIN-BPF-001",
        area: "capture",
        title: "The base programs load",
        needs: &[Capture, Agent],
        depends_on: &[
            Needs("PIN-KRN-001"),
            Needs("PIN-KRN-002"),
            Needs("PIN-BTF-001"),
            Needs("PIN-CAP-001"),
        ],
        judge: capture::base,
    },
    Definition {
        id: "PIN-BPF-002",
        area: "capture",
        title: "A backend for system calls works",
        needs: &[Capture, Agent],
        depends_on: &[Needs("PIN-BPF-001"), Through("PIN-BPF-001")],
        judge: capture::backend,
    },
    Definition {
        id: "PIN-BPF-003",
        area: "capture",
        title: "The kernel side's memory fits",
        needs: &[Kernel, Settings],
        depends_on: &[],
        judge: memory::kernel_side,
    },
    Definition {
        id: "PIN-BPF-004",
        area: "capture",
        title: "All attached hooks report",
        needs: &[Agent],
        depends_on: &[Through("PIN-LIVE-001")],
        judge: hooks::reporting,
    },
    Definition {
        id: "PIN-RUN-001",
        area: "runtime",
        title: "A container runtime answers",
        needs: &[Runtime, Agent],
        depends_on: &[],
        judge: runtime::answers,
    },
    Definition {
        id: "PIN-RUN-002",
        area: "runtime",
        title: "The runtime speaks a current interface",
        needs: &[Runtime, Agent],
        depends_on: &[Needs("PIN-RUN-001"), Through("PIN-RUN-001")],
        judge: runtime::version,
    },
    Definition {
        id: "PIN-RUN-003",
        area: "runtime",
        title: "The runtime knows the agent's own container",
        needs: &[Runtime, Exec],
        depends_on: &[Needs("PIN-RUN-001"), Through("PIN-RUN-001")],
        judge: runtime::own_container,
    },
    Definition {
        id: "PIN-LIVE-001",
        area: "live",
        title: "The running agent answers",
        needs: &[Agent],
        depends_on: &[],
        judge: live::reachable,
    },
    Definition {
        id: "PIN-LIVE-002",
        area: "live",
        title: "A canary program is seen and enriched",
        needs: &[Agent, Exec],
        depends_on: &[Needs("PIN-BPF-001"), Through("PIN-LIVE-001")],
        judge: live::canary,
    },
    Definition {
        id: "PIN-LIVE-003",
        area: "live",
        title: "The agent's own canary comes through",
        needs: &[Agent],
        depends_on: &[Through("PIN-LIVE-001")],
        judge: pulse::canary,
    },
    Definition {
        id: "PIN-META-001",
        area: "metadata",
        title: "Events of containers carry complete metadata",
        needs: &[Agent],
        depends_on: &[Needs("PIN-RUN-001"), Through("PIN-LIVE-001")],
        judge: metadata::completeness,
    },
    Definition {
        id: "PIN-META-002",
        area: "metadata",
        title: "Container lookups are quick",
        needs: &[Agent],
        depends_on: &[Needs("PIN-RUN-001"), Through("PIN-LIVE-001")],
        judge: metadata::latency,
    },
    Definition {
        id: "PIN-LOSS-001",
        area: "loss",
        title: "No event is dropped",
        needs: &[Agent],
        depends_on: &[Through("PIN-LIVE-001")],
        judge: loss::drops,
    },
    Definition {
        id: "PIN-LOSS-002",
        area: "loss",
        title: "The ledger balances",
        needs: &[Agent],
        depends_on: &[Through("PIN-LIVE-001")],
        judge: loss::ledger,
    },
];

/// The check with this id.
#[must_use]
pub fn find(id: &str) -> Option<&'static Definition> {
    CHECKS.iter().find(|definition| definition.id == id)
}
