//! Events of containers by what became of each of their fields.
//!
//! One thread counts, any may read. So counting takes no locked instruction: there are some counters for each event.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::container::fields::{FIELDS, Field, Presence, presences};
use crate::container::{Outcome, Reason};
use crate::event::summary::FieldCount;

/// Present, inapplicable, and each reason.
const SLOTS: usize = 2 + Reason::ALL.len();

/// What was counted at one moment, by field and slot.
pub(super) type Fields = [[u64; SLOTS]; FIELDS];

/// The counters.
#[derive(Debug)]
pub(super) struct FieldCounts([[AtomicU64; SLOTS]; FIELDS]);

impl Default for FieldCounts {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Default::default()))
    }
}

impl FieldCounts {
    /// Counts an event. For one thread only: of two at the same time, one may be lost.
    pub(super) fn count(&self, outcome: &Outcome) {
        let Some(presences) = presences(outcome) else { return };
        for (slots, presence) in self.0.iter().zip(presences) {
            let slot = &slots[slot(presence)];
            slot.store(slot.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    }

    /// What was counted.
    pub(super) fn read(&self) -> Fields {
        std::array::from_fn(|field| std::array::from_fn(|slot| self.0[field][slot].load(Ordering::Relaxed)))
    }
}

/// Counts by the fields' words.
pub(super) fn told(counts: &Fields) -> BTreeMap<&'static str, FieldCount> {
    let count = |field: Field, presence| counts[field as usize][slot(presence)];
    Field::ALL
        .into_iter()
        .map(|field| {
            let missing = Reason::ALL
                .into_iter()
                .map(|reason| (reason, Presence::Missing(reason)));
            let told = FieldCount {
                present: count(field, Presence::Present),
                inapplicable: count(field, Presence::Inapplicable),
                missing: missing
                    .map(|(reason, presence)| (reason.as_str(), count(field, presence)))
                    .filter(|(_, count)| *count > 0)
                    .collect(),
            };
            (field.as_str(), told)
        })
        .collect()
}

fn slot(presence: Presence) -> usize {
    match presence {
        Presence::Present => 0,
        Presence::Inapplicable => 1,
        Presence::Missing(reason) => 2 + reason as usize,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::{Container, Kubernetes, Status};

    #[test]
    fn every_reason_has_a_slot_of_its_own() {
        let mut slots: Vec<usize> = Reason::ALL.map(|reason| slot(Presence::Missing(reason))).into();
        slots.extend([slot(Presence::Present), slot(Presence::Inapplicable)]);
        slots.sort_unstable();
        assert_eq!(slots, (0..SLOTS).collect::<Vec<_>>());
    }

    #[test]
    fn each_event_of_a_container_counts_once_in_each_field() {
        let counts = FieldCounts::default();
        let mut outcome = Outcome::host();
        counts.count(&outcome);
        outcome.metadata.status = Status::Complete;
        outcome.container = Some(Container {
            name: Some("app".to_owned()),
            ..Container::default()
        });
        outcome.kubernetes = Some(Kubernetes {
            namespace: Some("shop".to_owned()),
            ..Kubernetes::default()
        });
        for _ in 0..3 {
            counts.count(&outcome);
        }
        outcome.metadata.status = Status::Missing;
        outcome.metadata.reason = Some(Reason::RuntimeTimeout);
        outcome.container = None;
        counts.count(&outcome);
        counts.count(&Outcome::cgroup_unknown(1));
        let told = told(&counts.read());
        assert_eq!(told.len(), FIELDS);
        for (field, told) in &told {
            let all = told.present + told.inapplicable + told.missing.values().sum::<u64>();
            assert_eq!(all, 5, "{field}: {told:?}");
        }
        let name = &told["container.name"];
        assert_eq!(name.present, 3);
        let missing: Vec<_> = name.missing.iter().map(|(word, count)| (*word, *count)).collect();
        assert_eq!(missing, [("cgroup_unknown", 1), ("runtime_timeout", 1)]);
        assert_eq!(told["kubernetes.namespace"].present, 4);
        assert_eq!(told["kubernetes.pod.labels"].inapplicable, 3);
    }
}
