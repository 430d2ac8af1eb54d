//! Profiles, beyond the grid: what they are told by, their thresholds and limits.

use super::super::facts::{Gathered, MemoryFacts};
use super::super::fixture::{agent, cold, live};
use super::super::report::Status;
use super::check;
use crate::capture::memory::{Estimate, Sizes};
use crate::config::{Overrides, Sources, load};
use crate::platform::{Confidence, profile};

#[test]
fn a_guess_contradicts_nobody_and_generic_fits_every_kubernetes() {
    let mut facts = cold();
    facts.profile.detected = Ok(Some("openshift".to_owned()));
    facts.profile.confidence = Confidence::Guess;
    assert_eq!(check(&facts, "PIN-PRF-001").status, Status::Ok);
    facts.profile.confidence = Confidence::Certain;
    facts.profile.name = "generic".to_owned();
    assert_eq!(check(&facts, "PIN-PRF-001").status, Status::Ok);
    facts.profile.detected = Ok(Some("standalone".to_owned()));
    assert_eq!(check(&facts, "PIN-PRF-001").status, Status::Warn);
}

/// CRI-O answers later than containerd, and its profile says so.
#[test]
fn the_thresholds_are_those_of_the_profile() {
    let mut facts = live();
    agent(&mut facts).second.lookups.as_mut().unwrap().p99_us = 400_000;
    assert_eq!(check(&facts, "PIN-META-002").status, Status::Warn);
    facts.profile.name = "openshift".to_owned();
    assert_eq!(check(&facts, "PIN-META-002").status, Status::Ok);
}

/// The doctor itself must not warn of what the profiles' manifests set.
#[test]
fn the_memory_limits_of_the_profiles_hold_the_kernel_side_and_the_agent() {
    for profile in profile::all().unwrap() {
        let settings = load(
            &Overrides {
                config: None,
                values: [("profile", vec![profile.name.to_owned()])].into(),
            },
            &Sources::default(),
        )
        .unwrap()
        .settings;
        let resources = &profile.platform.resources;
        let mebibytes = |text: &str| text.strip_suffix("Mi").unwrap().parse::<u64>().unwrap() << 20;
        for (cpus, limit) in [
            (4, &resources.memory_request),
            (resources.cpus, &resources.memory_limit),
        ] {
            let sizes = Sizes {
                cpus: cpus as usize,
                ring: u32::try_from(settings.capture.ring_size.as_u64()).unwrap(),
                processes: settings.capture.processes,
            };
            let mut facts = cold();
            facts.memory = Gathered::known(MemoryFacts {
                cpus: u64::from(cpus),
                per_cpu: 0,
                maps: Estimate::of(sizes).unwrap().maps,
                limit: Some(mebibytes(limit)),
            });
            let check = check(&facts, "PIN-BPF-003");
            assert_eq!(check.status, Status::Ok, "{}: {}", profile.name, check.summary);
        }
    }
}

#[test]
fn an_unknown_platform_is_no_fault() {
    let mut facts = cold();
    facts.profile.detected = Ok(None);
    assert_eq!(check(&facts, "PIN-PRF-001").status, Status::Skipped);
    facts.profile.declared = false;
    assert_eq!(check(&facts, "PIN-PRF-001").status, Status::Ok);
}
