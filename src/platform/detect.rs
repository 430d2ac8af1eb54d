//! Which profile fits: every profile's rules are held against the facts, weighed and told.
//!
//! A profile is chosen when its points make it likely and no other comes near. Otherwise it stays with the fallback of the
//! place, which assumes nothing: a guess is shown and never acted on.

use serde::Serialize;

use super::Facts;
use super::evidence::{Seen, kind, look, name};
use super::model::{CERTAIN, GUESS, LIKELY, Place};
use super::profile::{self, Profile};

/// Two candidates that are closer than this cannot be told apart.
const NEAR: i32 = GUESS;

/// How sure a detection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// Something speaks for it: shown, never acted on.
    Guess,
    /// Several signs together, none of which decides alone.
    Likely,
    /// A sign that no other platform has.
    Certain,
}

impl Confidence {
    /// What so many points are worth; none below [`GUESS`].
    #[must_use]
    pub fn of(points: i32) -> Option<Self> {
        match points {
            CERTAIN.. => Some(Self::Certain),
            LIKELY.. => Some(Self::Likely),
            GUESS.. => Some(Self::Guess),
            _ => None,
        }
    }

    /// The word that people and programs read.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Guess => "guess",
            Self::Likely => "likely",
            Self::Certain => "certain",
        }
    }
}

/// A sign that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sign {
    /// What was seen and what it means.
    pub text: String,
    /// What it is worth; negative where it speaks against the profile.
    pub points: i32,
}

/// A profile that the facts were held against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// Its name.
    pub profile: &'static str,
    /// All points together.
    pub points: i32,
    /// What they are worth.
    pub confidence: Option<Confidence>,
    /// What was seen that speaks for it, the weightiest first.
    pub speaks_for: Vec<Sign>,
    /// What was seen that speaks against it.
    pub speaks_against: Vec<Sign>,
    /// What would speak for it and is otherwise.
    pub otherwise: Vec<String>,
    /// What could not be seen from here.
    pub unseen: Vec<String>,
}

/// The profile that was chosen, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Detection {
    /// Name of the profile.
    pub profile: &'static str,
    /// How sure that is.
    pub confidence: Confidence,
    /// What the choice rests on; never empty.
    pub evidence: Vec<String>,
    /// Every profile that is possible in this place, the likeliest first.
    pub candidates: Vec<Candidate>,
}

impl Detection {
    /// What to tell whoever declared a profile that is another platform's.
    #[must_use]
    pub fn mismatch(&self, declared: &str) -> Option<String> {
        (!fits(declared, self.profile, self.confidence)).then(|| {
            format!(
                "the profile is {declared}, but the platform looks like {} ({}): {}",
                self.profile,
                self.confidence.as_str(),
                self.evidence.join("; ")
            )
        })
    }
}

/// The profiles of those places that are no platform anybody knows.
const ANY_KUBERNETES: &str = "generic";
const ANY_HOST: &str = "standalone";

/// Whether a declared profile is right where another one was detected: a guess contradicts nobody, and `generic` is made
/// for every Kubernetes.
#[must_use]
pub fn fits(declared: &str, detected: &str, confidence: Confidence) -> bool {
    declared == detected || confidence == Confidence::Guess || (declared == ANY_KUBERNETES && detected != ANY_HOST)
}

/// Chooses the profile that fits the facts.
///
/// # Errors
/// An embedded profile cannot be used: a broken build.
pub fn detect(facts: &Facts) -> Result<Detection, profile::Error> {
    profile::all().map(|profiles| choose(facts, profiles))
}

fn choose(facts: &Facts, profiles: &[Profile]) -> Detection {
    let signs = kubernetes(facts);
    let (place, fallback) = match signs.is_empty() {
        true => (Place::Host, ANY_HOST),
        false => (Place::Kubernetes, ANY_KUBERNETES),
    };
    let mut candidates: Vec<Candidate> = profiles
        .iter()
        .filter(|profile| profile.platform.detect.place == place)
        .map(|profile| weigh(profile, facts))
        .collect();
    // Stable: of equals the one that lists show first.
    candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.points));
    let mut evidence = signs;
    if place == Place::Host {
        evidence.push(
            "no sign of Kubernetes: KUBERNETES_SERVICE_HOST is not set, /var/lib/kubelet does not exist".to_owned(),
        );
    }
    let likely: Vec<&Candidate> = candidates.iter().filter(|one| one.points >= LIKELY).collect();
    let (profile, confidence) = match likely.as_slice() {
        [first, second, ..] if first.points - second.points < NEAR => {
            evidence.push(format!(
                "{} ({} points) and {} ({}) are too close to be told apart",
                first.profile, first.points, second.profile, second.points
            ));
            (fallback, Confidence::Guess)
        }
        [first, ..] => {
            evidence.extend(first.speaks_for.iter().map(|sign| sign.text.clone()));
            (first.profile, first.confidence.unwrap_or(Confidence::Guess))
        }
        [] => {
            evidence.push("no platform shows enough of itself".to_owned());
            (fallback, Confidence::Guess)
        }
    };
    Detection {
        profile,
        confidence,
        evidence,
        candidates,
    }
}

fn weigh(profile: &Profile, facts: &Facts) -> Candidate {
    let detect = &profile.platform.detect;
    let mut candidate = Candidate {
        profile: profile.name,
        points: detect.base,
        confidence: None,
        speaks_for: Vec::new(),
        speaks_against: Vec::new(),
        otherwise: Vec::new(),
        unseen: Vec::new(),
    };
    for rule in &detect.evidence {
        match look(rule, facts) {
            Seen::Holds(value) => {
                candidate.points = candidate.points.saturating_add(rule.weight);
                let sign = Sign {
                    text: format!("{} {}", name(&rule.fact, value), rule.says),
                    points: rule.weight,
                };
                match rule.weight > 0 {
                    true => candidate.speaks_for.push(sign),
                    false => candidate.speaks_against.push(sign),
                }
            }
            // What would only speak against it is no loss.
            _ if rule.weight < 0 => {}
            Seen::Other(value) => push_new(&mut candidate.otherwise, name(&rule.fact, value)),
            Seen::Nothing => push_new(&mut candidate.unseen, kind(&rule.fact)),
        }
    }
    candidate.speaks_for.sort_by_key(|sign| std::cmp::Reverse(sign.points));
    candidate.confidence = Confidence::of(candidate.points);
    candidate
}

fn push_new(list: &mut Vec<String>, text: String) {
    if !list.contains(&text) {
        list.push(text);
    }
}

fn kubernetes(facts: &Facts) -> Vec<String> {
    let mut evidence = Vec::new();
    if let Some(host) = &facts.kubernetes_service_host {
        evidence.push(format!("KUBERNETES_SERVICE_HOST={host}: this is a pod"));
    }
    if facts.kubelet {
        evidence.push("/var/lib/kubelet exists: this is a node".to_owned());
    }
    evidence
}

#[cfg(test)]
mod tests;
