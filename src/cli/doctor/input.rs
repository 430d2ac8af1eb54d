//! What the doctor is told about the settings that `agent run` would have.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::cli::args::DoctorArgs;
use crate::config::load::DETECTED;
use crate::config::{self, Effective, Loaded, Settings};
use crate::doctor::facts::{ConfigFacts, ProfileFacts, SettingFact};
use crate::doctor::gather::Input;
use crate::platform::Detection;

/// How long the examination may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// The canary's event.
    live: Duration,
    /// Everything together.
    total: Duration,
}

impl From<&DoctorArgs> for Times {
    fn from(arguments: &DoctorArgs) -> Self {
        Self {
            live: arguments.live_timeout,
            total: arguments.timeout,
        }
    }
}

/// Of settings that loaded.
#[must_use]
pub(super) fn input(loaded: Loaded, times: Times) -> Input {
    let effective = config::effective(&loaded).into_iter().map(setting).collect();
    let sources: BTreeSet<String> = loaded.origins.into_values().collect();
    let (declared, detection) = (!loaded.profile.is_detected(), loaded.profile.detection);
    Input {
        config: ConfigFacts {
            sources: sources.into_iter().collect(),
            problem: None,
            lookup_budget: loaded.settings.runtime.lookup_budget,
            call_timeout: loaded.settings.runtime.call_timeout,
            prefetch: loaded.settings.runtime.prefetch,
            file: loaded.file.as_ref().map(|file| file.display().to_string()),
            settings: effective,
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
        live_timeout: times.live,
        timeout: times.total,
    }
}

fn setting(it: Effective) -> SettingFact {
    SettingFact {
        key: it.key.to_owned(),
        value: it.value,
        origin: it.origin,
    }
}

/// The same where the settings are wrong: the built-in defaults, and what is wrong.
#[must_use]
pub(super) fn without_settings(error: &config::Error, detection: Detection, times: Times) -> Input {
    let settings = Settings::default();
    Input {
        config: ConfigFacts {
            sources: vec!["built-in default".to_owned()],
            problem: Some(error.to_string()),
            lookup_budget: settings.runtime.lookup_budget,
            call_timeout: settings.runtime.call_timeout,
            prefetch: settings.runtime.prefetch,
            file: None,
            settings: Vec::new(),
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
        live_timeout: times.live,
        timeout: times.total,
    }
}
