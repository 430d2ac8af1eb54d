//! `agent doctor --explain`: walk, print, and say what was found again with the exit code.

use std::io;

use super::args::ReportFormat;
use super::doctor::look;
use super::exit::Exit;
use crate::config::{self, Loaded, Settings};
use crate::doctor::explain::{self, Error, Input, Target, Verdict};

const BUILT_IN: &str = "built-in default";

/// What is explained with which settings. Wrong ones are told, and the built-in ones used.
pub(super) fn input(target: Target, loaded: Result<Loaded, config::Error>) -> Input {
    match loaded {
        Ok(loaded) => {
            let source = |key: &str| loaded.origins.get(key).cloned().unwrap_or_else(|| BUILT_IN.to_owned());
            Input {
                target,
                socket_source: source("runtime.socket"),
                prefix_source: source("runtime.host_prefix"),
                settings: loaded.settings,
                problem: None,
            }
        }
        Err(error) => Input {
            target,
            settings: Settings::default(),
            socket_source: BUILT_IN.to_owned(),
            prefix_source: BUILT_IN.to_owned(),
            problem: Some(error.to_string()),
        },
    }
}

/// Explains: success where everything is known, findings where something is not, undetermined where nobody could be asked.
pub(super) fn run(input: &Input, format: ReportFormat) -> Exit {
    let facts = match explain::gather(input) {
        Ok(facts) => facts,
        Err(error @ Error::Ambiguous { .. }) => return super::complain(&error, Exit::Usage),
        Err(error @ Error::Resolver(_)) => return super::complain(&error, Exit::Internal),
    };
    let explanation = explain::explain(&facts);
    let page = match format {
        ReportFormat::Text => Ok(explain::text(&explanation, look())),
        ReportFormat::Json => serde_json::to_string_pretty(&explanation).map(|text| text + "\n"),
    };
    match page.map_err(io::Error::from) {
        Ok(page) => match super::say(page.as_bytes()) {
            Exit::Success => exit(explanation.verdict),
            failed => failed,
        },
        Err(error) => super::complain(&error, Exit::Internal),
    }
}

fn exit(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Complete => Exit::Success,
        Verdict::Partial | Verdict::Missing => Exit::Findings,
        Verdict::Undetermined => Exit::Undetermined,
    }
}
