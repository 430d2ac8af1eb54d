//! The choice among the containers that a path names.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::asking::Terms;
use super::{BRIEFLY, Resolver};
use crate::container::cgroup::Claims;
use crate::container::outcome::{Outcome, Reason, Status};
use crate::container::placement::{self, Fit};

/// How long the container around counts where what may be in it is not asked for.
const HELD_OFF: Duration = Duration::from_secs(1);

/// What is said of a cgroup, and how long.
pub(super) struct Placed {
    pub(super) outcome: Arc<Outcome>,
    /// `None`: for good.
    pub(super) expires: Option<Instant>,
    /// A lookup that may change it is under way.
    pub(super) pending: bool,
}

impl Placed {
    pub(super) fn for_good(outcome: Arc<Outcome>) -> Self {
        Self {
            outcome,
            expires: None,
            pending: false,
        }
    }
}

impl Resolver {
    /// Which of the containers that a path names the process is in, from the outermost inwards.
    ///
    /// An inner one is believed if the runtime put it at that very path. Where the path merely ends like the runtime's,
    /// it is believed as long as no container around it is known: a node that itself runs in a container looks like that,
    /// and so does an imitation in somebody's own container, but only the latter's is known to the runtime that is asked.
    pub(super) fn place(&mut self, claims: &Claims, age: Duration) -> Placed {
        let mut inside: Option<(Arc<Outcome>, Option<Instant>)> = None;
        let mut reason = Reason::ContainerUnknown;
        let mut doubt = claims.cut.then_some(Reason::CgroupUnknown);
        let mut expires = None;
        let mut innermost = None;
        let mut pending = false;
        let left = self.budget.saturating_sub(age);
        for (index, claim) in claims.containers.iter().enumerate().rev() {
            let id = claim.identity.container_id.as_deref().unwrap_or_default();
            if let Some((_, until)) = &mut inside
                && !self.may_ask_below(id)
            {
                *until = earlier(*until, Some((self.clock)() + HELD_OFF));
                continue;
            }
            let terms = Terms {
                poll: match inside {
                    None if index == 0 => left,
                    _ => Duration::ZERO,
                },
                wait: left.max(BRIEFLY),
                charged: true,
            };
            let entry = self.lookup(id, claim.identity.manager, terms);
            pending |= entry.pending;
            expires = earlier(expires, entry.expires);
            if let Some(why) = entry.missing() {
                // It may become known yet, and would then be nearer to the process.
                if let Some((_, until)) = &mut inside {
                    *until = earlier(*until, entry.expires);
                }
                if why != Reason::ContainerUnknown {
                    reason = why;
                }
                if !entry.denied && inside.is_none() && index > 0 {
                    doubt = Some(why);
                }
                innermost = Some((claim, entry));
                continue;
            }
            let against = match placement::fit(&claim.cgroup, entry.cgroups_path.as_deref()) {
                Fit::Exact => None,
                Fit::Below | Fit::Unknown if inside.is_none() => doubt,
                Fit::Below | Fit::Unknown | Fit::Elsewhere => Some(Reason::CgroupMismatch),
            };
            if let Some(against) = against {
                let (cgroup, against) = (&claim.cgroup, against.as_str());
                tracing::debug!(id, cgroup, against, "the name of a cgroup is not believed");
            } else {
                let outcome = entry.seen_from(&claim.identity);
                let until = entry.expires.filter(|_| outcome.metadata.status != Status::Complete);
                inside = Some((outcome, until));
            }
            reason = against.unwrap_or(reason);
            innermost = Some((claim, entry));
        }
        if let Some((outcome, expires)) = inside {
            let pending = pending && expires.is_some();
            return Placed {
                outcome,
                expires,
                pending,
            };
        }
        let outcome = match innermost {
            Some((claim, entry)) => {
                let mut outcome = entry.seen_from(&claim.identity);
                if entry.missing() != Some(reason) {
                    Arc::make_mut(&mut outcome).not_believed(reason, entry.missing().is_some());
                }
                outcome
            }
            None => Arc::clone(&self.host),
        };
        Placed {
            outcome,
            expires,
            pending,
        }
    }

    /// Whether an id may be asked for that stands below a known container. One that somebody has asked for may.
    fn may_ask_below(&mut self, id: &str) -> bool {
        self.by_container.contains(id) || self.flights.of(id).is_some() || self.nested.take((self.clock)())
    }
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
