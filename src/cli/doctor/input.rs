//! What the doctor is told: the settings that `agent run` would have, what somebody accepts, and what this process was given.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::config::load::DETECTED;
use crate::config::{self, Effective, Loaded, Overrides, Settings, Sources};
use crate::doctor::facts::{ConfigFacts, Gathered, ProcessFacts, ProfileFacts, SettingFact};
use crate::doctor::gather::Input;
use crate::doctor::suppress::Suppressions;
use crate::platform::{self, Detection, detect};

/// What does not come from the settings.
#[derive(Debug, Clone)]
pub(super) struct Given {
    /// What this process was given, read before it was confined.
    pub(super) process: Gathered<ProcessFacts>,
    /// What somebody accepts.
    pub(super) suppressions: Option<Suppressions>,
    /// How long the canary's event may take.
    pub(super) live_timeout: Duration,
    /// How long everything together may take.
    pub(super) timeout: Duration,
}

/// Why there is nothing to tell.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The mistake is on the command line.
    #[error(transparent)]
    Usage(config::Error),
    /// The profiles that are part of the agent cannot be used.
    #[error(transparent)]
    Profile(#[from] platform::profile::Error),
}

/// The input of one examination. Wrong settings are a finding of the doctor, not the end of it: it goes on with the defaults.
pub(super) fn input(overrides: &Overrides, given: &Given) -> Result<Input, Error> {
    let sources = Sources::of_this_process();
    match config::load(overrides, &sources) {
        Ok(loaded) => Ok(of_settings(loaded, given)),
        Err(error) if error.is_usage() => Err(Error::Usage(error)),
        Err(error) => Ok(without_settings(&error, &detect(&sources.facts)?, given)),
    }
}

fn of_settings(loaded: Loaded, given: &Given) -> Input {
    let sources: BTreeSet<&String> = loaded.origins.values().collect();
    let detection = &loaded.profile.detection;
    let profile = ProfileFacts {
        name: loaded.profile.name.to_owned(),
        declared: !loaded.profile.is_detected(),
        source: loaded.profile.source.clone(),
        ..detected(detection)
    };
    let config = ConfigFacts {
        sources: sources.into_iter().cloned().collect(),
        file: loaded.file.as_ref().map(|file| file.display().to_string()),
        settings: config::effective(&loaded).into_iter().map(setting).collect(),
        ..facts_of(&loaded.settings)
    };
    told(loaded.settings, config, profile, given)
}

/// The same where the settings are wrong: the built-in defaults, and what is wrong.
fn without_settings(error: &config::Error, detection: &Detection, given: &Given) -> Input {
    let settings = Settings::default();
    let config = ConfigFacts {
        sources: vec!["built-in default".to_owned()],
        problem: Some(error.to_string()),
        ..facts_of(&settings)
    };
    told(settings, config, detected(detection), given)
}

fn told(settings: Settings, config: ConfigFacts, profile: ProfileFacts, given: &Given) -> Input {
    Input {
        settings,
        config,
        profile,
        suppressions: given.suppressions.clone(),
        process: given.process.clone(),
        live_timeout: given.live_timeout,
        timeout: given.timeout,
    }
}

fn facts_of(settings: &Settings) -> ConfigFacts {
    ConfigFacts {
        sources: Vec::new(),
        problem: None,
        lookup_budget: settings.runtime.lookup_budget,
        call_timeout: settings.runtime.call_timeout,
        prefetch: settings.runtime.prefetch,
        file: None,
        settings: Vec::new(),
    }
}

fn setting(it: Effective) -> SettingFact {
    SettingFact {
        key: it.key.to_owned(),
        value: it.value,
        origin: it.origin,
    }
}

fn detected(detection: &Detection) -> ProfileFacts {
    ProfileFacts {
        name: detection.profile.to_owned(),
        declared: false,
        source: DETECTED.to_owned(),
        detected: Ok(Some(detection.profile.to_owned())),
        confidence: detection.confidence,
        evidence: detection.evidence.clone(),
    }
}
