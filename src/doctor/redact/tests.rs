use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::names::Names;
use super::text::{Scrubber, WITHIN, of_a_word};
use super::*;
use crate::capture::Hook;
use crate::doctor::facts::{CanaryFact, Facts, Gap, LiveFacts, LiveFailure, OsError, RuntimeClass};
use crate::doctor::fixture::{agent, cold, live};
use crate::doctor::grid;
use crate::doctor::render::{Format, Look, render};
use crate::doctor::report::FailOn;

fn scrubbed(text: &str) -> String {
    Scrubber::new(Names::default()).text(text)
}

fn of(facts: &Facts) -> Report {
    crate::doctor::report(
        facts,
        "2026-01-02T03:04:05.678Z".to_owned(),
        Some("node-17.shop.example".to_owned()),
    )
}

#[test]
fn what_the_program_says_itself_stays() {
    for text in [
        "no agent runs here: there is no socket at /run/pinhole/agent.sock",
        "kernel 6.1.0-28-amd64; lockdown is integrity; 5.2 MiB of type information",
        "securityContext:\n  supplementalGroups: [0]",
        "containerd 1.7.24, CRI v1, up 62 s (PIN-RUN-001), 99 % within 9.5 ms",
        "kernels 5.14.0-427.13.1.el9_4.x86_64, 6.6.121.1-1.azl3, 6.1.85+, 5.10.0-0.deb10.16-amd64 and v1.30.4+k3s1",
        "the mode of /run/containerd/containerd.sock (0:0 0660) keeps out uid 65532 with groups [65532]",
        "Permission denied; EACCES; tp_btf/sched_process_exec; CAP_BPF and CAP_PERFMON",
        "2026-01-02T03:04:05.678Z, 2026-01-02, 1h30m, 16MiB, 0x1f",
    ] {
        assert_eq!(scrubbed(text), text);
    }
}

#[test]
fn what_is_not_known_becomes_a_stand_in_and_the_same_one_each_time() {
    let id = "3f6b2c91a0d4".repeat(6)[..64].to_owned();
    for (text, wanted) in [
        (
            "cannot reach 10.11.12.13:443, nor [fd00::1]",
            "cannot reach ip-1:443, nor [ip-2]",
        ),
        ("link 02:42:ac:11:00:02 is down", "link mac-1 is down"),
        (
            "pod shop/web-7d9c5b, again web-7d9c5b",
            "pod name-1/name-2, again name-2",
        ),
        ("read /home/alice/.kube/config", "read path-1"),
        (
            "/var/lib/kubelet/pods/hunter2/x.sock",
            "/var/lib/kubelet/pods/name-1/name-2",
        ),
        ("kernel 6.6.1-acme-7", "kernel 6.6.1-x-7"),
        (
            "GET http://127.0.0.1:9467/livez and http://10.0.0.1/x",
            "GET http://127.0.0.1:9467/livez and http://ip-1/x",
        ),
        ("read /boot/config-6.1.0-28-amd64", "read /boot/config-6.1.0-28-amd64"),
        ("node name ip-10-0-0-1.ec2.internal", "node name name-1"),
        (
            "image registry.acme.io/team/shop:1.2.3",
            "image name-1/name-2/name-3:1.2.3",
        ),
        ("write to alice@acme.io!", "write to name-1@name-2!"),
        ("DB_PASSWORD=hunter2 --token=s3cr3t", "name-1=name-2 --token=name-3"),
        ("ключ 🔑", "name-1 ?"),
        ("12345678901234567890", "name-1"),
        (
            &format!("container {id} of {}, {id}", &id[..12]),
            "container <id:3f6b…> of <id:3f6b…>, <id:3f6b…>",
        ),
        (&format!("cri-containerd-{id}.scope"), "cri-containerd-<id:3f6b…>.scope"),
        ("pod0b7c4a52-95a4-4d6f-9f0b-0a6b7ad3c1de", "name-1"),
        ("uid 0b7c4a52-95a4-4d6f-9f0b-0a6b7ad3c1de", "uid <id:0b7c…>"),
    ] {
        assert_eq!(scrubbed(text), wanted, "{text}");
        assert_eq!(scrubbed(wanted), wanted, "twice: {text}");
    }
}

#[test]
fn ids_that_begin_alike_are_told_apart() {
    let (one, two) = (format!("3f6b{}", "0".repeat(60)), format!("3f6b{}", "1".repeat(60)));
    assert_eq!(
        scrubbed(&format!("{one} {two} {one}")),
        "<id:3f6b…> <id:3f6b…-2> <id:3f6b…>"
    );
}

#[test]
fn keys_tell_what_a_value_is() {
    let event = json!({
        "type": "process_exec",
        "process": { "exe": "/usr/bin/zcurl", "args": ["zcurl", "-u", "hunter2"], "cwd": "/run/shop" },
        "container": { "id": "4f1c".repeat(16), "name": "shop", "image": { "name": "acme.io/shop:1", "tag": "1" } },
        "kubernetes": { "namespace": "shop", "pod": { "name": "web-0", "labels": { "team": "alpha" } } },
        "said": "pod web-0 of shop is at /run/web-0",
    });
    assert_eq!(
        json(&event),
        json!({
            "type": "process_exec",
            "process": { "exe": "/usr/bin/name-1", "args": REMOVED, "cwd": "/run/container-1" },
            "container": { "id": "<id:4f1c…>", "name": "container-1", "image": { "name": "image-1", "tag": "image-2" } },
            "kubernetes": { "namespace": "container-1", "pod": { "name": "pod-1", "labels": REMOVED } },
            "said": "pod pod-1 of container-1 is at /run/pod-1",
        })
    );
}

/// Where the word is one of the program's own, a sentence keeps it: it tells nothing there, and nobody could read the rest.
#[test]
fn a_name_that_is_an_ordinary_word_goes_where_a_key_tells_it_and_stays_in_sentences() {
    let value = json!({ "container": { "name": "agent" }, "said": "the agent answers" });
    assert_eq!(
        json(&value),
        json!({ "container": { "name": "container-1" }, "said": "the agent answers" })
    );
}

#[test]
fn the_node_is_not_named_and_redacting_again_changes_nothing() {
    for facts in [cold(), live()] {
        let mut report = of(&facts);
        report.checks[0].summary = "node-17.shop.example has /etc/pinhole/agent.toml".to_owned();
        let once = super::report(&report);
        assert_eq!(once.host.node.as_deref(), Some("node-1"));
        assert_eq!(once.checks[0].summary, "node-1 has /etc/pinhole/agent.toml");
        assert_eq!(super::report(&once), once);
    }
}

/// A redacted report that nobody can act upon would be of no use: of what the checks say about broken hosts nearly all stays. The
/// rest is what the fixtures made up.
#[test]
fn reports_can_still_be_read() {
    let mut all: BTreeSet<String> = BTreeSet::new();
    let mut lost: BTreeSet<String> = BTreeSet::new();
    let facts = grid::cases().into_iter().map(|case| {
        let mut facts = (case.start)();
        (case.harm)(&mut facts);
        facts
    });
    for facts in facts.chain([live()]) {
        let report = of(&facts);
        for (before, after) in report.checks.iter().zip(super::report(&report).checks) {
            let remedies = [before.remedy.as_ref(), after.remedy.as_ref()].map(|it| it.map(|it| it.text.clone()));
            let texts = |check: &Check, remedy: &Option<String>| {
                [Some(check.summary.clone()), check.reason.clone(), remedy.clone()]
            };
            let pairs = texts(before, &remedies[0]).into_iter().zip(texts(&after, &remedies[1]));
            for (before, after) in pairs {
                let (Some(before), Some(after)) = (before, after) else {
                    continue;
                };
                if after.contains("name-") {
                    lost.insert(format!("{before}\n  {after}"));
                }
                all.insert(before);
            }
        }
    }
    let told: Vec<&String> = lost.iter().collect();
    assert!(
        lost.len() * 20 < all.len(),
        "{} of {}: {told:#?}",
        lost.len(),
        all.len()
    );
}

/// Words of a kind that no source of this program has: no secret is one.
fn secret() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9]{4}zq[a-zA-Z0-9]{4,20}",
        "zq[a-z]{3,6}-[a-z0-9]{3,8}\\.[a-z]{4,8}",
        "[A-Za-z0-9]{3}Zq[A-Za-z0-9+/]{16,40}={0,2}",
        "zq[a-z]{4,8}[!#$%&*?@^~]{1,3}[a-zq]{5,9}",
        "[a-f0-9]{10}[a-f][0-9]{9}",
    ]
}

/// All strings but the words that the report's own shape has.
fn plant(value: &mut Value, key: &str, secret: &str) {
    match value {
        Value::String(_) if matches!(key, "mode" | "verdict" | "status" | "view" | "op" | "change") => {}
        Value::String(text) => *text = format!("{text} {secret}"),
        Value::Array(items) => items.iter_mut().for_each(|item| plant(item, key, secret)),
        Value::Object(map) => {
            map.iter_mut().for_each(|(key, value)| plant(value, key, secret));
            // Keys are free where values are.
            if matches!(key, "observed" | "expected" | "value" | "missing") && key != "missing" {
                map.insert(secret.to_owned(), json!(secret));
            }
        }
        _ => {}
    }
}

fn nowhere(report: &Report, secret: &str) {
    let redacted = super::report(report);
    let look = Look {
        color: false,
        unicode: true,
        width: 120,
    };
    for format in Format::ALL {
        let page = render(&redacted, format, FailOn::Fail, look).unwrap();
        assert!(!page.contains(secret), "{format:?}: {secret} in\n{page}");
    }
    // The page for an issue is redacted whether one thinks of it or not.
    let page = render(report, Format::Markdown, FailOn::Fail, look).unwrap();
    assert!(!page.contains(secret), "{secret} in\n{page}");
}

fn poisoned_facts(secret: &str) -> Vec<Facts> {
    let mut facts = cold();
    facts.config.problem = Some(format!("{secret}: invalid value for key {secret}={secret}"));
    facts.config.sources.push(format!("/etc/{secret}"));
    facts.profile.evidence.push(format!("node label {secret}={secret}"));
    facts.profile.source = format!("variable {secret}");
    facts.kernel.value.as_mut().unwrap().btf = Err(OsError {
        errno: Some(libc::EIO),
        message: secret.to_owned(),
    });
    facts.process = crate::doctor::facts::Gathered::gap(Gap::Refused(secret.to_owned()));
    let runtime = &mut facts.runtimes.value.as_mut().unwrap()[0];
    runtime.class = RuntimeClass::Failing;
    runtime.detail = format!("rpc error: desc = {secret}");
    runtime.socket = format!("/run/{secret}/x.sock").into();
    runtime.name = Some(secret.to_owned());
    facts.live.value = Ok(LiveFacts::Broken {
        socket: format!("/run/{secret}").into(),
        kind: LiveFailure::Protocol,
        message: secret.to_owned(),
    });
    facts.canary.value = Ok(CanaryFact::NotRun {
        program: format!("/{secret}"),
        message: secret.to_owned(),
    });
    let mut seen = live();
    let told = &mut agent(&mut seen).second;
    (told.node, told.version) = (secret.to_owned(), format!("1.0.0-{secret}"));
    told.runtimes[0].name = secret.to_owned();
    told.runtimes[0].evidence = secret.to_owned();
    told.metadata_reason.insert(secret.to_owned(), 5);
    told.metadata_fields.insert(secret.to_owned(), Default::default());
    told.threads[0].name = secret.to_owned();
    seen.canary.value = Ok(CanaryFact::Seen {
        program: "/bin/true".to_owned(),
        latency_us: 1,
        event: json!({
            "type": "process_exec",
            "process": { "args": [secret], "env": { secret: secret }, "exe": format!("/{secret}") },
            "container": { "name": secret, "labels": { secret: secret } },
            "metadata": { "status": "partial", "reason": secret },
        }),
    });
    vec![facts, seen]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, ..ProptestConfig::default() })]

    #[test]
    fn no_secret_is_in_any_format_wherever_it_was(secret in secret()) {
        for facts in poisoned_facts(&secret) {
            nowhere(&crate::doctor::report(&facts, String::new(), None), &secret);
        }
        let mut value = serde_json::to_value(of(&live())).unwrap();
        plant(&mut value, "", &secret);
        nowhere(&serde_json::from_value(value).unwrap(), &secret);
    }

    #[test]
    fn no_text_breaks_it(text in ".{0,200}") {
        let once = scrubbed(&text);
        prop_assert_eq!(scrubbed(&once), once.clone());
        let allowed = |c: char| !c.is_control() || c == '\n' || c == '\t';
        prop_assert!(once.chars().all(allowed));
    }
}

/// `PINHOLE_BLESS=1` collects the words anew. One that is missing costs a word in a redacted report, and gives nothing away.
#[test]
fn the_words_are_those_of_the_sources() {
    let said = said();
    let path = root().join("src/doctor/redact/words.txt");
    if std::env::var_os("PINHOLE_BLESS").is_some() {
        let lines: String = said.iter().map(|word| format!("{word}\n")).collect();
        fs::write(&path, lines).unwrap();
    }
    let text = fs::read_to_string(&path).unwrap();
    let listed: BTreeSet<String> = text.lines().map(str::to_owned).collect();
    let missing: Vec<&String> = said.difference(&listed).collect();
    assert!(
        missing.is_empty(),
        "PINHOLE_BLESS=1 cargo test --lib doctor::redact adds {missing:?}"
    );
    // What is written by hand would be no word of the sources.
    let foreign: Vec<&String> = listed.difference(&said).collect();
    assert!(
        foreign.len() * 10 < listed.len(),
        "stale, collect them anew: {foreign:?}"
    );
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every word of a sentence that the program may print.
fn said() -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut add = |text: &str| {
        for chunk in text.split(|c| !of_a_word(c)) {
            for part in chunk.split(|c| WITHIN.contains(c)).chain([chunk]) {
                let part = part.trim_matches(|c| "-.:".contains(c) || WITHIN.contains(c));
                if part.chars().any(char::is_alphabetic) && part.len() <= 40 && !part.contains(|c| WITHIN.contains(c)) {
                    words.insert(part.to_lowercase());
                }
            }
        }
    };
    let mut sources = Vec::new();
    for room in [
        "capture",
        "config",
        "container",
        "control",
        "doctor",
        "event",
        "health",
        "output",
        "pipeline",
        "platform",
        "privilege",
    ] {
        collect(&root().join("src").join(room), &mut sources);
    }
    sources.sort();
    for path in sources {
        let text = fs::read_to_string(&path).unwrap();
        match path.extension().and_then(|end| end.to_str()) {
            Some("rs") => literals(text.split("#[cfg(test)]").next().unwrap())
                .iter()
                .for_each(|text| add(text)),
            Some("md") => add(&text),
            _ => {}
        }
    }
    for platform in fs::read_dir(root().join("profiles")).unwrap() {
        if let Ok(text) = fs::read_to_string(platform.unwrap().path().join("platform.toml")) {
            add(&text);
        }
    }
    for errno in (1..134).map(nix::errno::Errno::from_raw) {
        add(errno.desc());
        add(&format!("{errno:?}"));
    }
    caps::all().iter().for_each(|capability| add(&capability.to_string()));
    Hook::all().for_each(|hook| add(hook.name()));
    words
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            if !["grid", "tests", "golden", "samples"].contains(&name.as_str()) {
                collect(&path, found);
            }
        } else if !name.contains("test") && !name.contains("fixture") {
            found.push(path);
        }
    }
}

/// What stands in quotes, without what is put in at `{}`.
fn literals(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(at) = rest.find(['"', '\'', '/']) {
        let (_, from) = rest.split_at(at);
        if from.starts_with("//") {
            rest = from.find('\n').map_or("", |end| &from[end..]);
        } else if from.starts_with("'\"'") || from.starts_with("'\\\"'") {
            rest = &from[3..];
        } else if let Some(inside) = from.strip_prefix('"') {
            let mut end = 0;
            let mut escaped = false;
            for (at, c) in inside.char_indices() {
                end = at;
                if !escaped && c == '"' {
                    break;
                }
                escaped = !escaped && c == '\\';
            }
            found.push(plain(&inside[..end]));
            rest = inside.get(end + 1..).unwrap_or("");
        } else {
            rest = &from[1..];
        }
    }
    found
}

fn plain(literal: &str) -> String {
    let mut text = String::new();
    let mut inside = 0_u32;
    for c in literal
        .replace("\\n", "\n")
        .replace("\\t", " ")
        .replace('\\', " ")
        .chars()
    {
        match c {
            '{' => inside += 1,
            '}' => {
                inside = inside.saturating_sub(1);
                text.push(' ');
            }
            c if inside == 0 => text.push(c),
            _ => {}
        }
    }
    text
}
