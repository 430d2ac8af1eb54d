//! An agent that is well, for tests to harm.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;

use super::facts::{Canary, Facts, Numbers, Source};
use super::monitor::Monitor;
use super::process::ProcessNumbers;
use crate::capture::HookSet;
use crate::config::Settings;
use crate::config::settings::Health;
use crate::container::{Answering, LookupStats, Now, Rank};
use crate::event::Summary;
use crate::event::loss::Counts;
use crate::event::summary::{MetadataCounts, Output, Rates, Reporting};
use crate::histogram::Histogram;
use crate::output::account::Said;

pub(crate) fn limits() -> Health {
    Settings::default().health
}

pub(crate) fn runtime(socket: &str, now: Now) -> Answering {
    Answering {
        socket: PathBuf::from(socket),
        name: "containerd".to_owned(),
        version: "1.7".to_owned(),
        has_answered: now == Now::Answers,
        now,
        rank: Rank::Answers,
        circuit_open: false,
        took: None,
    }
}

/// Ten seconds after the boot.
pub(crate) fn facts() -> Facts {
    Facts {
        at: Duration::from_secs(10),
        attached: HookSet::BASE,
        off: HookSet::NONE,
        canary: Some(Canary {
            age: Some(Duration::from_secs(1)),
            round_trip: Some(Duration::from_millis(2)),
        }),
        turn_age: Some(Duration::from_millis(5)),
        runtimes: vec![runtime("/run/containerd/containerd.sock", Now::Answers)],
        counts: Counts::default(),
        delivery: None,
    }
}

pub(crate) fn numbers() -> Numbers {
    let times = Histogram::default();
    times.record(Duration::from_micros(100));
    times.record(Duration::from_secs(60));
    Numbers {
        rules: None,
        summary: Summary {
            time: Timestamp::UNIX_EPOCH,
            node: "node".to_owned(),
            kind: "summary",
            capture: "full",
            backend: "trampoline",
            reporting: Reporting::default(),
            hooks: BTreeMap::new(),
            dispatcher: None,
            rates: Rates::default(),
            latency_us: times.quantiles(),
            metadata: MetadataCounts {
                status: BTreeMap::new(),
                reason: BTreeMap::new(),
                fields: BTreeMap::new(),
            },
            lookups: LookupStats::default(),
            rules: None,
            delivery: None,
            output: Output::default(),
        },
        output: Said::default(),
        profile: "generic".to_owned(),
        ring_size: 8 << 20,
        latency: times.spread(),
        lookups: times.spread(),
        runtimes: facts().runtimes,
        threads: Vec::new(),
        process: Some(ProcessNumbers::default()),
    }
}

/// The monitor of an agent that is well.
pub(crate) fn monitor() -> Arc<Monitor> {
    Arc::new(Monitor::new(Arc::new(Fixed(Mutex::new(facts()))), limits()))
}

/// A source of facts that can be changed.
pub(crate) struct Fixed(pub(crate) Mutex<Facts>);

impl Source for Fixed {
    fn facts(&self) -> Facts {
        self.0.lock().unwrap().clone()
    }

    fn numbers(&self) -> Numbers {
        numbers()
    }
}
