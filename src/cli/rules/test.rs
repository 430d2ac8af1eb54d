//! `agent rules test`: rules are asked about recorded events.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use crate::cli::args::RulesTestArgs;
use crate::cli::exit::Exit;
use crate::cli::{complain, say};
use crate::config::Loaded;
use crate::config::settings::Rules;
use crate::event::summary::RuleCount;
use crate::output::{Account, Format, Sink};
use crate::recording::{self, Reader, Replayed};
use crate::rules::subject::Host;
use crate::rules::{Detector, loaded};

/// Why the rules were not tried.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Rules(#[from] loaded::Error),
    #[error(transparent)]
    Recording(#[from] recording::Error),
    #[error("--expect {0}: no rule has this name{1}")]
    Stranger(String, String),
    #[error("cannot write the alerts: {0}")]
    Output(#[from] io::Error),
}

/// Tries them and prints the alerts, and then what became of each rule.
pub(super) fn run(arguments: &RulesTestArgs, rules: &Rules, settings: &Loaded) -> Exit {
    match attempt(arguments, rules, settings) {
        Ok(exit) => exit,
        Err(Error::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Success,
        Err(error) => {
            let exit = match error {
                Error::Output(_) => Exit::Internal,
                Error::Stranger(..) => Exit::Usage,
                Error::Rules(_) | Error::Recording(_) => Exit::Configuration,
            };
            complain(&error, exit)
        }
    }
}

fn attempt(arguments: &RulesTestArgs, rules: &Rules, settings: &Loaded) -> Result<Exit, Error> {
    // The settings name files, so there are rules.
    let Some(rules) = loaded::load(rules)? else {
        return Ok(Exit::Usage);
    };
    for warning in &rules.warnings {
        // Who cannot read standard error misses nothing that decides.
        let _ = writeln!(io::stderr(), "{warning}");
    }
    let written: Vec<String> = rules.sources.iter().map(|rule| rule.name.clone()).collect();
    let mut detector = Detector::new(rules);
    let expected = expected(&arguments.expect, &written)?;
    let mut reader = Reader::open(&arguments.recording)?;
    let host = Host {
        node: reader.beginning().node.clone(),
        ..Host::default()
    };
    let format = Format::of(settings.settings.output.format);
    let mut sink = Sink::new(io::stdout().lock(), format, Arc::new(Account::default()));
    let replayed = recording::replay(&mut reader, &mut detector, &host, |alert| {
        sink.alert(alert).map_err(Error::from)
    })?;
    sink.flush()?;
    drop(sink);
    let tallies = detector.tallies();
    let mut missed = missed(&expected, &detector, &tallies);
    if reader.is_cut() {
        let what = "the recording ends in the middle of a record: what followed is not in it";
        if expected.is_empty() {
            let _ = writeln!(io::stderr(), "warning: {what}");
        } else {
            missed.push(format!("expected a whole recording: {what}"));
        }
    }
    let page = account(&replayed, &detector, &tallies, &missed);
    // Alerts are for programs, the account is for people.
    let said = match format {
        Format::Text { .. } => say(page.as_bytes()),
        Format::Json | Format::Count => io::stderr().write_all(page.as_bytes()).map(|()| Exit::Success)?,
    };
    Ok(if missed.is_empty() { said } else { Exit::Findings })
}

/// How often rules are to alert: at least once, or exactly so often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Some,
    Exactly(u64),
}

const OTHERS: &str = "*";

fn expected(given: &[String], written: &[String]) -> Result<BTreeMap<String, Expected>, Error> {
    let mut expected = BTreeMap::new();
    for text in given {
        // A rule's name may have an equals sign in it, so the last one counts, and only before a number.
        let (name, count) = match text.rsplit_once('=').map(|(name, count)| (name, count.parse())) {
            Some((name, Ok(count))) => (name, Expected::Exactly(count)),
            _ => (text.as_str(), Expected::Some),
        };
        let names = || written.iter().map(String::as_str);
        if name != OTHERS && names().all(|known| known != name) {
            let help = pinhole_rules::problem::did_you_mean(name, names());
            let help = help.map(|help| format!("; {help}")).unwrap_or_default();
            return Err(Error::Stranger(name.to_owned(), help));
        }
        expected.insert(name.to_owned(), count);
    }
    Ok(expected)
}

/// What was expected of a rule and is not so.
fn missed(
    expected: &BTreeMap<String, Expected>,
    detector: &Detector,
    tallies: &BTreeMap<String, RuleCount>,
) -> Vec<String> {
    let mut missed = Vec::new();
    for name in detector.names() {
        let tally = tallies.get(name).copied().unwrap_or_default();
        let also = match tally.undecided {
            0 => String::new(),
            more => format!(", and {more} because it is unknown whether it holds"),
        };
        let wanted = expected.get(name).or_else(|| expected.get(OTHERS));
        match wanted {
            Some(Expected::Some) if tally.matched == 0 => {
                missed.push(format!("expected an alert of `{name}`: there is none{also}"));
            }
            // A rule that must not alert must not alert for any reason.
            Some(Expected::Exactly(wanted)) if *wanted != tally.matched || *wanted == 0 && tally.undecided > 0 => {
                missed.push(format!(
                    "expected {wanted} alerts of `{name}`: there are {}{also}",
                    tally.matched
                ));
            }
            _ => {}
        }
    }
    let evaluated: Vec<&str> = detector.names().collect();
    for (name, wanted) in expected {
        if name != OTHERS && *wanted != Expected::Exactly(0) && !evaluated.contains(&name.as_str()) {
            missed.push(format!(
                "expected alerts of `{name}`: it is not evaluated, as it is switched off or below rules.priority"
            ));
        }
    }
    missed
}

fn account(
    replayed: &Replayed,
    detector: &Detector,
    tallies: &BTreeMap<String, RuleCount>,
    missed: &[String],
) -> String {
    let mut page = format!(
        "{} events, {} of a type that a rule asks for, {} alerts\n",
        replayed.events, replayed.judged, replayed.alerts
    );
    for name in detector.names() {
        let Some(tally) = tallies.get(name) else { continue };
        page.push_str(&format!("  {:>6} x {name}", tally.matched));
        if tally.undecided + tally.held_back > 0 {
            let often = tally.undecided + tally.held_back;
            page.push_str(&format!(" (and {often} times undecided, because a value was unknown)"));
        }
        page.push('\n');
    }
    for line in missed {
        page.push_str(line);
        page.push('\n');
    }
    page
}
