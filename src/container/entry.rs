//! What is remembered of a container, and for how long.
//!
//! Complete answers are kept for good. What was not found, or only in part, is looked up again after a pause that
//! doubles from 250 ms to 30 s, or until a runtime becomes usable again; a container that was found once is not lost
//! by a retry that failed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cgroup::CgroupIdentity;
use super::completeness;
use super::flight::{Cause, Flight};
use super::lookup::Ending;
use super::outcome::{Container, Kubernetes, Metadata, Outcome, Pod, Reason, Source, Status};
use super::pacing::Backoff;
use super::runtime::Found;

pub(crate) const RETRY_FIRST: Duration = Duration::from_millis(250);
pub(crate) const RETRY_MOST: Duration = Duration::from_secs(30);

#[derive(Debug, Clone)]
pub(crate) struct ContainerEntry {
    /// As the runtime told it, nothing of any cgroup's path in it.
    pub(crate) outcome: Arc<Outcome>,
    pub(crate) gap: Option<Reason>,
    pub(crate) cgroups_path: Option<Arc<str>>,
    /// A runtime has answered properly that it does not know the id.
    pub(crate) denied: bool,
    /// `None`: for good.
    pub(crate) expires: Option<Instant>,
    /// The answer to its lookup is still out.
    pub(crate) pending: bool,
    /// An event has been told of it.
    pub(crate) told: bool,
    /// How often runtimes had become usable when it was last asked for.
    as_of: u64,
    /// Who wanted the lookup that this is from.
    pub(crate) cause: Cause,
    /// When this was learnt.
    pub(crate) learnt: Instant,
    pause: Backoff,
}

/// The lookup that an entry is from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) id: &'a str,
    pub(crate) cause: Cause,
    /// An event had asked for it.
    pub(crate) told: bool,
}

impl ContainerEntry {
    /// What is remembered after a lookup has ended. `recoveries`: how often runtimes have become usable by now.
    pub(crate) fn after(
        asked: Asked<'_>,
        ending: Ending,
        last: Option<Self>,
        (recoveries, now): (u64, Instant),
    ) -> Self {
        let Ending { result, cost, as_of } = ending;
        let Asked { id, cause, told } = asked;
        // What failed before a runtime came back says nothing about how long to wait since.
        let mut pause = last
            .as_ref()
            .filter(|last| last.as_of == as_of)
            .map_or(Backoff::new(RETRY_FIRST, RETRY_MOST), |entry| entry.pause);
        let told = told || last.as_ref().is_some_and(|last| last.told);
        let denied = last.as_ref().is_some_and(|last| last.denied);
        let mut entry = match (result, last) {
            (Err(_), Some(last)) if last.outcome.metadata.status == Status::Partial => last,
            (Err(reason), _) => Self {
                outcome: Arc::new(missing(id, reason).took(cost)),
                gap: None,
                cgroups_path: None,
                denied: denied || reason == Reason::ContainerUnknown,
                expires: None,
                pending: false,
                told,
                as_of,
                cause,
                learnt: now,
                pause,
            },
            (Ok(mut found), _) => Self {
                gap: found.gap,
                cgroups_path: found.cgroups_path.take().map(Arc::from),
                outcome: Arc::new(outcome_of(*found).took(cost)),
                denied: false,
                expires: None,
                pending: false,
                told,
                as_of,
                cause,
                learnt: now,
                pause,
            },
        };
        entry.told = told;
        entry.as_of = as_of;
        entry.expires = match entry.outcome.metadata.status {
            Status::Complete => None,
            // Nobody has seen the gap yet: the first event asks for what was missing a moment ago. And a runtime that came
            // back meanwhile may know it.
            _ if !told || as_of != recoveries => Some(now),
            _ => Some(now + pause.pause()),
        };
        entry.pause = pause;
        entry
    }

    /// What an event is told whose container's lookup did not end in time.
    pub(crate) fn pending(id: &str, flight: Option<&Flight>, last: Option<Self>, until: Instant) -> Self {
        let mut entry = last.unwrap_or_else(|| {
            let reason = flight.and_then(Flight::said).unwrap_or(Reason::LookupPending);
            let cost = flight.map(Flight::age).unwrap_or_default();
            Self {
                outcome: Arc::new(missing(id, reason).took(cost)),
                gap: None,
                cgroups_path: None,
                denied: reason == Reason::ContainerUnknown,
                expires: None,
                pending: true,
                told: true,
                as_of: 0,
                cause: Cause::Event,
                learnt: until,
                pause: Backoff::new(RETRY_FIRST, RETRY_MOST),
            }
        });
        entry.pending = true;
        entry.expires = Some(until);
        entry
    }

    /// Whether it need not be looked up again.
    pub(crate) fn is_fresh(&self, recoveries: u64, now: impl FnOnce() -> Instant) -> bool {
        self.expires.is_none_or(|at| self.as_of == recoveries && now() < at)
    }

    /// Why nothing is known of it.
    pub(crate) fn missing(&self) -> Option<Reason> {
        let metadata = &self.outcome.metadata;
        metadata.reason.filter(|_| metadata.status == Status::Missing)
    }

    /// The outcome for a process at this path: the path adds what no runtime told.
    pub(crate) fn seen_from(&self, identity: &CgroupIdentity) -> Arc<Outcome> {
        let known = &self.outcome;
        let missing = known.metadata.status == Status::Missing;
        if known.kubernetes.is_none() && !missing {
            return Arc::clone(known);
        }
        let kubernetes = told(known.kubernetes.clone(), identity);
        if kubernetes == known.kubernetes {
            return Arc::clone(known);
        }
        let mut outcome = Outcome {
            kubernetes,
            ..Outcome::clone(known)
        };
        if let Some(container) = outcome.container.as_ref().filter(|_| !missing) {
            let (status, reason) = completeness::judge(container, outcome.kubernetes.as_ref(), self.gap);
            outcome.metadata = Metadata {
                status,
                reason,
                ..outcome.metadata
            };
        }
        Arc::new(outcome)
    }
}

/// The class of service as the kernel's own path has it; the pod's uid only where the runtime gave none.
fn told(kubernetes: Option<Kubernetes>, identity: &CgroupIdentity) -> Option<Kubernetes> {
    let Some(uid) = &identity.pod_uid else {
        return kubernetes;
    };
    let mut kubernetes = kubernetes.unwrap_or_default();
    kubernetes.qos = identity.qos.or(kubernetes.qos);
    let pod = kubernetes.pod.get_or_insert_with(Pod::default);
    pod.uid.get_or_insert_with(|| uid.clone());
    Some(kubernetes)
}

fn outcome_of(found: Found) -> Outcome {
    let (status, reason) = completeness::judge(&found.container, found.kubernetes.as_ref(), found.gap);
    let metadata = Metadata {
        status,
        reason,
        source: Some(found.source),
        lookup_us: None,
        cgroup_id: None,
    };
    Outcome {
        metadata,
        container: Some(found.container),
        kubernetes: found.kubernetes,
    }
}

fn missing(id: &str, reason: Reason) -> Outcome {
    let container = Container {
        id: id.to_owned(),
        ..Container::default()
    };
    Outcome {
        metadata: Metadata {
            status: Status::Missing,
            reason: Some(reason),
            source: Some(Source::Cgroup),
            lookup_us: None,
            cgroup_id: None,
        },
        container: Some(container),
        kubernetes: None,
    }
}

impl Outcome {
    /// Makes it say why nothing is known. What a runtime told is another container's then, only the path's words stay.
    pub(crate) fn not_believed(&mut self, reason: Reason, words_of_the_path: bool) {
        self.metadata = Metadata {
            status: Status::Missing,
            reason: Some(reason),
            source: Some(Source::Cgroup),
            ..self.metadata
        };
        if !words_of_the_path {
            self.container = None;
            self.kubernetes = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(last: Option<ContainerEntry>, as_of: u64, recoveries: u64, now: Instant) -> ContainerEntry {
        let ending = Ending {
            result: Err(Reason::RuntimeTimeout),
            cost: Duration::ZERO,
            as_of,
        };
        let asked = Asked {
            id: "id",
            cause: Cause::Event,
            told: true,
        };
        ContainerEntry::after(asked, ending, last, (recoveries, now))
    }

    #[test]
    fn a_failure_holds_until_its_pause_is_over_or_a_runtime_comes_back() {
        let now = Instant::now();
        let entry = after(None, 3, 3, now);
        assert!(entry.is_fresh(3, || now));
        assert!(!entry.is_fresh(4, || now));
        assert!(!entry.is_fresh(3, || now + RETRY_FIRST));
    }

    /// A call that hung fails long after the others are answered again.
    #[test]
    fn a_failure_from_before_a_runtime_came_back_does_not_hold() {
        let now = Instant::now();
        let entry = after(None, 3, 4, now);
        assert_eq!(entry.expires, Some(now));
        // And the pauses begin anew.
        let entry = after(Some(entry), 4, 4, now);
        assert_eq!(entry.expires, Some(now + RETRY_FIRST));
        let entry = after(Some(entry), 4, 4, now);
        assert_eq!(entry.expires, Some(now + 2 * RETRY_FIRST));
    }
}
