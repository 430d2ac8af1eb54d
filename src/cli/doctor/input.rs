//! What the doctor is told about the settings that `agent run` would have.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::config::load::DETECTED;
use crate::config::{self, Loaded, Settings};
use crate::doctor::facts::{ConfigFacts, ProfileFacts};
use crate::doctor::gather::Input;
use crate::platform::Detection;

/// Of settings that loaded.
#[must_use]
pub fn input(loaded: Loaded, live_timeout: Duration) -> Input {
    let sources: BTreeSet<String> = loaded.origins.into_values().collect();
    let (declared, detection) = (!loaded.profile.is_detected(), loaded.profile.detection);
    Input {
        config: ConfigFacts {
            sources: sources.into_iter().collect(),
            problem: None,
            lookup_budget: loaded.settings.runtime.lookup_budget,
        },
        profile: ProfileFacts {
            name: loaded.profile.name.to_owned(),
            declared,
            source: loaded.profile.source,
            detected: Ok(Some(detection.profile.to_owned())),
            confidence: detection.confidence,
            evidence: detection.evidence,
        },
        settings: loaded.settings,
        live_timeout,
    }
}

/// The same where the settings are wrong: the built-in defaults, and what is wrong.
#[must_use]
pub fn without_settings(error: &config::Error, detection: Detection, live_timeout: Duration) -> Input {
    let settings = Settings::default();
    Input {
        config: ConfigFacts {
            sources: vec!["built-in default".to_owned()],
            problem: Some(error.to_string()),
            lookup_budget: settings.runtime.lookup_budget,
        },
        profile: ProfileFacts {
            name: detection.profile.to_owned(),
            declared: false,
            source: DETECTED.to_owned(),
            detected: Ok(Some(detection.profile.to_owned())),
            confidence: detection.confidence,
            evidence: detection.evidence,
        },
        settings,
        live_timeout,
    }
}
