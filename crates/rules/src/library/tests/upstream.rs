//! The stable rule file of falcosecurity/rules, which is data of others and not part of this repository.

use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{load, problems, written};
use crate::source::Source;
use pinhole_priority::Priority;

/// The file that `PINHOLE_FALCO_RULES` names, or one beside a directory that holds the checkout.
fn stable() -> Option<PathBuf> {
    if let Some(named) = env::var_os("PINHOLE_FALCO_RULES") {
        return Some(named.into());
    }
    let beside = |directory: &Path| directory.join("shared/falco-rules/falco_rules.yaml");
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(beside)
        .find(|file| file.is_file())
}

#[test]
fn the_stable_file_loads_unchanged() {
    let Some(path) = stable() else {
        // Past the capture of a test that passes: who runs it must see that it showed nothing.
        let skipped =
            "SKIPPED the_stable_file_loads_unchanged: no falco_rules.yaml is here; PINHOLE_FALCO_RULES names one\n";
        std::io::stderr()
            .write_all(skipped.as_bytes())
            .expect("a place for messages");
        return;
    };
    let text = std::fs::read_to_string(&path).expect("a rule file");
    let library = load(
        &[Arc::new(Source {
            name: "falco_rules.yaml".to_owned(),
            text: text.clone(),
        })],
        &["syscall"],
    );
    assert!(library.problems.is_empty(), "{:#?}", problems(&library));
    assert_eq!(library.rules.len(), 25);
    assert!(
        library
            .rules
            .iter()
            .all(|rule| rule.enabled && rule.source == "syscall")
    );
    let count = |priority: Priority| library.rules.iter().filter(|rule| rule.priority == priority).count();
    assert_eq!(
        [
            Priority::Critical,
            Priority::Warning,
            Priority::Notice,
            Priority::Informational
        ]
        .map(count),
        [3, 14, 7, 1]
    );
    assert_eq!(
        library.engine.map(|version| version.to_string()).as_deref(),
        Some("0.57.0")
    );
    assert_eq!(
        library
            .plugins
            .iter()
            .flatten()
            .map(|plugin| plugin.name.as_str())
            .collect::<Vec<_>>(),
        ["container"]
    );

    let named = |name: &str| {
        library
            .rules
            .iter()
            .find(|rule| rule.name == name)
            .expect("a rule of this name")
    };
    assert_eq!(
        written(&named("Redirect STDOUT/STDIN to Network Connection in Container").condition),
        "(evt.type in (dup, dup2, dup3) and container.id != host and evt.rawres in (0, 1, 2) and \
         fd.type in (\"ipv4\", \"ipv6\") and not evt.num = 0)"
    );
    assert_eq!(
        written(&named("Disallowed SSH Connection Non Standard Port").condition),
        "(((evt.type = connect or (evt.type in (sendto, sendmsg) and fd.l4proto != tcp and fd.connected = false and \
         fd.name_changed = true)) and (fd.typechar = 4 or fd.typechar = 6) and (fd.ip != \"0.0.0.0\" and \
         fd.net != \"127.0.0.0/8\" and not fd.snet in (\"10.0.0.0/8\", \"172.16.0.0/12\", \"192.168.0.0/16\")) and \
         (evt.rawres >= 0 or evt.res = EINPROGRESS)) and proc.exe endswith ssh and fd.l4proto = tcp and \
         fd.sport in (80, 8080, 88, 443, 8443, 53, 4444))"
    );
    let untrusted = written(&named("Read sensitive file untrusted").condition);
    assert!(
        untrusted.contains("login, systemd, \"(systemd)\", systemd-logind"),
        "{untrusted}"
    );

    // Every word of the outputs and conditions stands where it is said to stand.
    for rule in &library.rules {
        for (at, _) in rule.output.as_str().match_indices('%') {
            assert_eq!(rule.output.span(at..at + 1).text(), "%", "{}", rule.name);
        }
        assert!(rule.condition.span.range.end <= text.len());
        assert!(rule.span.text().contains(&rule.name));
    }
}
