//! `agent profile`: which profiles there are, what they set, and which one fits here.

use std::fmt::Write as _;

use serde::Serialize;

use super::args::{DetectArgs, ProfileCommand, ReportFormat};
use super::exit::Exit;
use super::{complain, say};
use crate::config::{self, Overrides, Sources};
use crate::platform::detect::Candidate;
use crate::platform::{Detection, detect, profile};

/// Prints what was asked for.
pub fn run(command: &ProfileCommand) -> Exit {
    match command {
        ProfileCommand::List => match profile::all() {
            Ok(profiles) => say(list(profiles).as_bytes()),
            Err(error) => complain(&error, Exit::Internal),
        },
        ProfileCommand::Show { name, platform } => match profile::get(name) {
            Ok(profile) if *platform => say(profile.platform_text.as_bytes()),
            Ok(profile) => say(profile.settings.as_bytes()),
            Err(error) => complain(&error, Exit::Usage),
        },
        ProfileCommand::Detect(arguments) => detected(arguments),
    }
}

fn list(profiles: &[profile::Profile]) -> String {
    profiles.iter().fold(String::new(), |mut page, profile| {
        let _ = writeln!(page, "{:<12} {}", profile.name, profile.summary);
        page
    })
}

/// What `agent profile detect` found.
#[derive(Debug, Serialize)]
struct Report {
    schema_version: u32,
    #[serde(flatten)]
    detection: Detection,
    /// The profile that the settings lead to.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_use: Option<InUse>,
}

#[derive(Debug, Serialize)]
struct InUse {
    profile: &'static str,
    source: String,
    /// What is wrong with it here.
    #[serde(skip_serializing_if = "Option::is_none")]
    mismatch: Option<String>,
}

fn detected(arguments: &DetectArgs) -> Exit {
    let sources = Sources::of_this_process();
    // Settings that are wrong do not keep anybody from knowing where they are.
    let (mut facts, chosen) = match config::load(&Overrides::default(), &sources) {
        Ok(loaded) => (loaded.facts, Some(loaded.profile)),
        Err(error) => {
            complain(&error, Exit::Configuration);
            (sources.facts, None)
        }
    };
    for label in &arguments.node_label {
        facts.add_labels(label);
    }
    if let Some(node) = &arguments.node {
        facts.node_name = Some(node.clone());
    }
    let detection = match detect(&facts) {
        Ok(detection) => detection,
        Err(error) => return complain(&error, Exit::Internal),
    };
    let report = Report {
        schema_version: 1,
        in_use: chosen.map(|chosen| InUse {
            profile: if chosen.is_detected() {
                detection.profile
            } else {
                chosen.name
            },
            mismatch: if chosen.is_detected() {
                None
            } else {
                detection.mismatch(chosen.name)
            },
            source: chosen.source,
        }),
        detection,
    };
    match arguments.format {
        ReportFormat::Text => say(text(&report).as_bytes()),
        ReportFormat::Json => match serde_json::to_string_pretty(&report) {
            Ok(json) => say(format!("{json}\n").as_bytes()),
            Err(error) => complain(&error, Exit::Internal),
        },
    }
}

/// The profile's name is the first word, for scripts.
fn text(report: &Report) -> String {
    let detection = &report.detection;
    let mut page = format!("{} ({})\n", detection.profile, detection.confidence.as_str());
    for line in &detection.evidence {
        let _ = writeln!(page, "  because {line}");
    }
    if let Some(in_use) = &report.in_use {
        let _ = match &in_use.mismatch {
            Some(mismatch) => writeln!(page, "\nmismatch: {mismatch} ({} says so)", in_use.source),
            None => writeln!(page, "\nin use: {} ({})", in_use.profile, in_use.source),
        };
    }
    let _ = writeln!(
        page,
        "\nPoints: 100 are certain, 50 likely, 20 a guess, which is not acted on."
    );
    for candidate in &detection.candidates {
        describe(&mut page, candidate);
    }
    page
}

fn describe(page: &mut String, candidate: &Candidate) {
    let worth = candidate
        .confidence
        .map_or("no candidate", |confidence| confidence.as_str());
    let _ = writeln!(page, "\n{:<12} {:>4}  {worth}", candidate.profile, candidate.points);
    for sign in candidate.speaks_for.iter().chain(&candidate.speaks_against) {
        let _ = writeln!(page, "  {:>+5}  {}", sign.points, sign.text);
    }
    for (what, list) in [
        ("is otherwise", &candidate.otherwise),
        ("not seen here", &candidate.unseen),
    ] {
        if !list.is_empty() {
            let _ = writeln!(page, "         {what}: {}", list.join(", "));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::Facts;

    fn report(declared: Option<&'static str>) -> Report {
        let facts = Facts {
            kubernetes_service_host: Some("10.0.0.1".to_owned()),
            kernel_release: Some("5.15.0-1079-azure".to_owned()),
            sockets: vec!["/run/containerd/containerd.sock".into()],
            ..Facts::default()
        };
        let detection = detect(&facts).unwrap();
        Report {
            schema_version: 1,
            in_use: declared.map(|profile| InUse {
                profile,
                source: "flag --profile".to_owned(),
                mismatch: detection.mismatch(profile),
            }),
            detection,
        }
    }

    #[test]
    fn the_text_shows_every_candidate_with_what_speaks_for_and_against_it() {
        let page = text(&report(None));
        assert!(
            page.starts_with("aks (likely)\n  because KUBERNETES_SERVICE_HOST=10.0.0.1"),
            "{page}"
        );
        for part in [
            "aks            50  likely",
            "    +40  kernel 5.15.0-1079-azure is a kernel that Ubuntu or Azure Linux builds for Azure",
            "openshift     -60  no candidate",
            "    -60  socket /run/containerd/containerd.sock",
            "is otherwise: kernel 5.15.0-1079-azure",
            "not seen here: ",
        ] {
            assert!(page.contains(part), "{part:?} is not in\n{page}");
        }
    }

    #[test]
    fn a_declared_profile_of_another_platform_is_a_mismatch_and_generic_is_none() {
        let page = text(&report(Some("eks")));
        assert!(
            page.contains("mismatch: the profile is eks, but the platform looks like aks (likely)"),
            "{page}"
        );
        let page = text(&report(Some("generic")));
        assert!(page.contains("in use: generic (flag --profile)"), "{page}");
        let json = serde_json::to_value(report(Some("eks"))).unwrap();
        assert_eq!(
            (&json["profile"], &json["confidence"]),
            (&"aks".into(), &"likely".into())
        );
        assert_eq!(json["candidates"][0]["speaks_for"][0]["points"], 40);
        assert!(json["in_use"]["mismatch"].is_string());
    }
}
