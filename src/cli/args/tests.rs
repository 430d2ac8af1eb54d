use std::time::Duration;

use clap::CommandFactory;

use super::*;
use crate::cli::exit::Exit;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::parse_arguments(std::iter::once("agent").chain(line.split_whitespace()))
}

fn overrides(line: &str) -> Overrides {
    match parse(line).unwrap().command {
        Command::Run(run) => run.overrides,
        Command::Doctor(doctor) => doctor.overrides,
        Command::Hooks(hooks) => hooks.overrides,
        Command::Exposure(exposure) => exposure.overrides,
        Command::Rules(RulesCommand::Check(check)) => check.overrides,
        Command::Rules(RulesCommand::Test(test)) => test.overrides,
        Command::Rules(RulesCommand::Fields { .. })
        | Command::Profile(_)
        | Command::Manifest(_)
        | Command::Seccomp { .. } => panic!("no settings"),
    }
}

#[test]
fn the_declaration_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_setting_has_a_flag_on_every_command_that_has_settings_and_its_value_arrives() {
    for command in [
        "run",
        "doctor",
        "hooks",
        "exposure",
        "rules check",
        "rules test --recording x",
    ] {
        for key in KEYS {
            let value = key.choices.last().copied().unwrap_or("1");
            for flag in std::iter::once(key.flag).chain(key.alias) {
                let found = overrides(&format!("{command} --{flag} {value}"));
                assert_eq!(found.values[key.name], [value], "{flag}");
                assert_eq!(found.values.len(), 1);
            }
        }
    }
}

#[test]
fn lists_are_repeated_or_separated_by_commas() {
    let found = overrides("run --runtime-socket /a --runtime-socket /b,/c --events process,file --config x.toml");
    assert_eq!(found.values["runtime.socket"], ["/a", "/b", "/c"]);
    assert_eq!(found.values["events"], ["process", "file"]);
    assert_eq!(found.config, Some(PathBuf::from("x.toml")));
}

#[test]
fn the_doctor_has_its_own_flags() {
    let Command::Doctor(doctor) = parse("doctor --format json --fail-on warn --live-timeout 250ms")
        .unwrap()
        .command
    else {
        panic!("not the doctor")
    };
    assert_eq!((doctor.format, doctor.fail_on), (DoctorFormat::Json, FailOn::Warn));
    assert_eq!(doctor.live_timeout, Duration::from_millis(250));
}

#[test]
fn wrong_usage_is_64_and_help_is_0() {
    for line in [
        "",
        "fly",
        "run --no-such-flag",
        "run --capture-backend kprobe",
        "run --events process,teapot",
        "run --profile rke",
        "run --log-level info --log-level debug",
        "doctor --fail-on never",
        "doctor --live-timeout soon",
        "profile",
        "profile show rke",
    ] {
        assert_eq!(Exit::from(&parse(line).unwrap_err()), Exit::Usage, "{line:?}");
    }
    for line in [
        "--help",
        "-h",
        "--version",
        "run --help",
        "doctor -h",
        "profile --help",
        "help run",
    ] {
        assert_eq!(Exit::from(&parse(line).unwrap_err()), Exit::Success, "{line:?}");
    }
    assert_eq!(Exit::Usage.code(), 64);
}

#[test]
fn help_teaches() {
    let text = parse("run --help").unwrap_err().to_string();
    // Lines are wrapped and indented.
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for key in KEYS {
        for part in [format!("--{}", key.flag), key.variable(), format!("Key: {}", key.name)] {
            assert!(words.contains(&part), "{part} is not in the help");
        }
    }
    for heading in ["Platform:", "Events:", "Capture:", "Container runtimes:", "Operation:"] {
        assert!(text.contains(heading), "{heading}");
    }
    assert!(
        parse("--help")
            .unwrap_err()
            .to_string()
            .contains("78 wrong configuration")
    );
}

#[test]
fn the_live_test_takes_as_long_as_an_agent_accepts() {
    let parse = |time: &str| Cli::parse_arguments(["agent", "doctor", "--live-timeout", time]);
    for good in ["1ms", "5s", "30s"] {
        assert!(parse(good).is_ok(), "{good}");
    }
    for bad in ["0s", "999us", "30001ms", "1h", "soon"] {
        assert_eq!(
            parse(bad).unwrap_err().kind(),
            clap::error::ErrorKind::ValueValidation,
            "{bad}"
        );
    }
}

#[test]
fn what_is_to_be_explained_is_understood_at_once_and_excludes_what_does_not_apply() {
    let target = |line: &str| match parse(line).unwrap().command {
        Command::Doctor(doctor) => doctor.explain,
        _ => panic!("another command"),
    };
    assert_eq!(target("doctor"), None);
    let pod = target("doctor --explain shop/web --format json").unwrap();
    assert_eq!(pod.to_string(), "shop/web");
    for line in [
        "doctor --explain a/b/c/d",
        "doctor --explain docker://web",
        "doctor --explain shop/web --fail-on warn",
        "doctor --explain shop/web --live-timeout 1s",
    ] {
        assert_eq!(Exit::from(&parse(line).unwrap_err()), Exit::Usage, "{line}");
    }
}

#[test]
fn the_doctors_tools_are_told_from_its_examination() {
    let doctor = |line: &str| match parse(line).unwrap().command {
        Command::Doctor(doctor) => doctor,
        _ => panic!("another command"),
    };
    assert!(doctor("doctor --fail-on warn").tool.is_none());
    let waits = doctor("doctor --wait 90s --baseline b.json --suppress s.toml");
    assert_eq!(waits.wait, Some(Duration::from_secs(90)));
    assert_eq!(
        (waits.baseline, waits.suppress),
        (Some("b.json".into()), Some("s.toml".into()))
    );
    let Some(DoctorTool::Explain(explain)) = doctor("doctor explain PIN-RUN-001 --format markdown").tool else {
        panic!("another tool")
    };
    assert_eq!(
        (explain.id.as_deref(), explain.format),
        (Some("PIN-RUN-001"), PageFormat::Markdown)
    );
    let Some(DoctorTool::Bundle(bundle)) = doctor("doctor bundle --max-size 1MiB --profile aks").tool else {
        panic!("another tool")
    };
    assert_eq!(
        (bundle.max_size, bundle.redact, bundle.list),
        (1 << 20, Redact::On, false)
    );
    assert_eq!(bundle.overrides.values["profile"], ["aks"]);
    let Some(DoctorTool::Merge(merge)) = doctor("doctor merge a.json b.json --fail-on warn").tool else {
        panic!("another tool")
    };
    assert_eq!((merge.files.len(), merge.fail_on), (2, FailOn::Warn));
    for line in [
        "doctor --wait 90s explain",
        "doctor --format json merge a.json",
        "doctor --wait 0s",
        "doctor --wait 25h",
        "doctor --explain shop/web --baseline b.json",
        "doctor --explain shop/web --wait 1m",
        "doctor --manifest a.yaml --wait 1m",
        "doctor bundle --list --file b.tar",
        "doctor bundle --max-size 1KiB",
        "doctor bundle --redact some",
        "doctor merge",
        "doctor explain PIN-RUN-001 PIN-RUN-002",
        "doctor teapot",
    ] {
        assert_eq!(Exit::from(&parse(line).unwrap_err()), Exit::Usage, "{line}");
    }
    let help = parse("doctor --help").unwrap_err().to_string();
    for part in [
        "--wait",
        "--baseline",
        "--suppress",
        "explain",
        "bundle",
        "merge",
        "agent doctor --wait 2m",
    ] {
        assert!(help.contains(part), "{part}: {help}");
    }
}

#[test]
fn a_manifest_needs_a_platform_and_grants_nothing_extra_unless_asked() {
    let manifest = |line: &str| match parse(line).unwrap().command {
        Command::Manifest(manifest) => manifest,
        _ => panic!("another command"),
    };
    let plain = manifest("manifest --profile aks");
    assert_eq!(
        (plain.namespace.as_str(), plain.image.as_str()),
        ("pinhole", manifest::IMAGE)
    );
    assert!(plain.with.is_empty() && plain.seccomp.is_none() && plain.apparmor.is_none() && plain.tolerate.is_none());
    let full =
        manifest("manifest --profile generic --with bundles,memlock --seccomp localhost --tolerate control-plane");
    assert_eq!(full.with, [manifest::Extra::Bundles, manifest::Extra::Memlock]);
    assert_eq!(full.tolerate, Some(manifest::Tolerate::ControlPlane));
    for line in [
        "manifest",
        "manifest --profile auto",
        "manifest --profile aks --with privileged",
        "manifest --profile aks --seccomp unconfined",
        "manifest --profile aks --apparmor unconfined",
        "seccomp",
        "seccomp none",
    ] {
        assert_eq!(Exit::from(&parse(line).unwrap_err()), Exit::Usage, "{line}");
    }
}

/// What an option costs has to be read before it is chosen.
#[test]
fn what_costs_privilege_says_so_in_the_help() {
    let text = parse("manifest --help").unwrap_err().to_string();
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for extra in <manifest::Extra as ValueEnum>::value_variants() {
        let value = extra.to_possible_value().unwrap();
        let help = value.get_help().unwrap().to_string();
        assert!(help.contains("Costs: "), "{help}");
        let first = help.split_whitespace().take(6).collect::<Vec<_>>().join(" ");
        assert!(words.contains(&first), "{first}");
    }
}
