//! The rows and the figures. `PINHOLE_BLESS=1` writes the golden files and the tables of docs/exposure.md anew.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::facts::{Facts, Phase};
use super::rows::ROWS;
use super::score::{Line, Report};
use super::{assess, manifest, render};
use crate::doctor::render::Look;
use crate::kubernetes::{self, read::parse};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/exposure")
}

/// The pods that are compared, and what they are called in the page.
const COMPARED: [(&str, &str); 5] = [
    ("ours.yaml", "Pinhole"),
    ("falco-default.yaml", "Falco 0.44, default"),
    ("falco-least-privileged.yaml", "Falco 0.44, least privileged"),
    ("tetragon-default.yaml", "Tetragon 1.4, default"),
    ("tetragon-least.yaml", "Tetragon 1.4, least settings"),
];

fn fixture(file: &str) -> Facts {
    let objects = kubernetes::read(&fixtures().join(file)).unwrap();
    let mut facts = manifest::facts(&objects);
    assert_eq!(facts.len(), 1, "{file}");
    let mut facts = facts.remove(0);
    facts.source = facts.source.replace(&format!("{}/", fixtures().display()), "");
    facts
}

fn report(file: &str) -> Report {
    assess(&fixture(file))
}

fn row<'a>(report: &'a Report, id: &str) -> &'a Line {
    report.rows.iter().find(|row| row.id == id).unwrap()
}

/// The same pod with one text replaced by another; what is replaced must be there.
fn changed(from: &str, to: &str) -> Report {
    let text = fs::read_to_string(fixtures().join("ours.yaml")).unwrap();
    assert!(text.contains(from), "{from}");
    let objects = parse(Path::new("ours.yaml"), text.replace(from, to).as_bytes()).unwrap();
    assess(&manifest::facts(&objects)[0])
}

const CONTEXT: &str = "allowPrivilegeEscalation: false";
const SPEC: &str = "      serviceAccountName: pinhole-agent\n";
const ADD: &str = "add: [BPF, PERFMON]";
const VOLUME: &str = "hostPath: {path: /run/containerd, type: Directory}";

/// One change of our pod, the row that it moves, and the badness it moves it to, in tenths.
fn changes() -> Vec<(String, String, &'static str, f64)> {
    let change = |from: &str, to: &str, row, to_badness| (from.to_owned(), to.to_owned(), row, to_badness);
    let mut all = vec![
        change("readOnlyRootFilesystem: true", "privileged: true", "privileged", 1.0),
        change("readOnlyRootFilesystem: true", "privileged: true", "host-devices", 1.0),
        change(
            "readOnlyRootFilesystem: true",
            "readOnlyRootFilesystem: false",
            "writable-root",
            1.0,
        ),
        change("runAsUser: 65532", "runAsUser: 0", "root-user", 1.0),
        change("runAsUser: 65532", "runAsUser: 0", "user-namespace", 1.0),
        change(ADD, "add: []", "user-namespace", 0.2),
        change(SPEC, &format!("{SPEC}      hostUsers: false\n"), "user-namespace", 0.0),
        change("supplementalGroups: [0]", "supplementalGroups: [1]", "root-group", 0.0),
        change(CONTEXT, "allowPrivilegeEscalation: true", "privilege-escalation", 1.0),
        change(
            "seccompProfile: {type: RuntimeDefault}",
            "fsGroup: 65532",
            "seccomp",
            1.0,
        ),
        change(
            "{type: RuntimeDefault}\n      containers",
            "{type: Localhost, localhostProfile: a.json}\n      containers",
            "seccomp",
            0.1,
        ),
        change(
            "appArmorProfile: {type: RuntimeDefault}",
            "appArmorProfile: {type: Unconfined}",
            "apparmor",
            1.0,
        ),
        change(
            CONTEXT,
            &format!("{CONTEXT}\n            seLinuxOptions: {{type: spc_t}}"),
            "selinux",
            1.0,
        ),
        change(
            CONTEXT,
            &format!("{CONTEXT}\n            seLinuxOptions: {{type: pinhole_t}}"),
            "selinux",
            0.1,
        ),
        change(SPEC, &format!("{SPEC}      hostPID: true\n"), "host-pid", 1.0),
        change(SPEC, &format!("{SPEC}      hostNetwork: true\n"), "host-network", 1.0),
        change(SPEC, &format!("{SPEC}      hostNetwork: true\n"), "ports", 1.0),
        change("            - {name: health, containerPort: 9467}\n", "", "ports", 0.0),
        change(SPEC, &format!("{SPEC}      hostIPC: true\n"), "host-ipc", 1.0),
        change(VOLUME, "emptyDir: {}", "runtime-socket", 0.0),
        change(
            "automountServiceAccountToken: false\n      sec",
            "automountServiceAccountToken: true\n      sec",
            "token",
            1.0,
        ),
        change("agent:0.1.0", "agent", "image", 1.0),
        change("agent:0.1.0", &format!("agent@sha256:{}", "0".repeat(64)), "image", 0.0),
        change(
            "readOnly: true}\n            - {name: config",
            "mountPropagation: Bidirectional}\n            - {name: config",
            "mount-propagation",
            1.0,
        ),
    ];
    for (capability, row, badness) in [
        ("SYS_ADMIN", "cap-sys-admin", 1.0),
        ("SETPCAP", "cap-set-id", 1.0),
        ("SYS_PTRACE", "cap-sys-ptrace", 1.0),
        ("SYS_TIME", "cap-sys-time", 1.0),
        ("NET_ADMIN", "cap-net-admin", 1.0),
        ("SYS_RAWIO", "cap-sys-rawio", 1.0),
        ("SYS_MODULE", "cap-sys-module", 1.0),
        ("CHOWN", "cap-file-owner", 1.0),
        ("DAC_READ_SEARCH", "cap-file-access", 1.0),
        ("AUDIT_WRITE", "cap-audit", 1.0),
        ("SYSLOG", "cap-syslog", 1.0),
        ("SYS_RESOURCE", "cap-resource", 1.0),
        ("MKNOD", "cap-mknod", 1.0),
        ("KILL", "cap-kill", 1.0),
        ("NET_RAW", "cap-net", 1.0),
        ("SYS_CHROOT", "cap-rest", 0.1),
        ("SYS_BOOT", "cap-rest", 0.2),
    ] {
        all.push(change(ADD, &format!("add: [BPF, PERFMON, {capability}]"), row, badness));
    }
    all.push(change(ADD, "add: [PERFMON]", "cap-bpf", 0.0));
    all.push(change(ADD, "add: [BPF]", "cap-perfmon", 0.0));
    for (path, row, badness) in [
        ("/", "host-files", 0.5),
        ("/", "host-proc", 0.4),
        ("/", "host-kernel", 0.3),
        ("/", "host-devices", 0.3),
        ("/", "runtime-socket", 1.0),
        ("/var/run/crio/crio.sock", "runtime-socket", 1.0),
        ("/etc", "host-files", 0.5),
        ("/usr", "host-files", 0.1),
        ("/var/log", "host-files", 0.1),
        ("/proc/sys", "host-proc", 0.4),
        ("/sys/fs/bpf", "host-kernel", 0.3),
        ("/dev", "host-devices", 0.3),
    ] {
        all.push(change(VOLUME, &format!("hostPath: {{path: {path}}}"), row, badness));
    }
    all
}

#[test]
fn each_setting_moves_its_row() {
    let ours = report("ours.yaml");
    let mut moved = BTreeSet::new();
    for (from, to, id, badness) in changes() {
        let changed = changed(&from, &to);
        let (before, after) = (row(&ours, id), row(&changed, id));
        assert_eq!(after.badness, Some(badness), "{id} after {to}: {}", after.found);
        if before.badness != after.badness {
            moved.insert(id);
        }
    }
    // What needs more than one change, or other objects, has tests of its own.
    let all: BTreeSet<&str> = ROWS.iter().map(|row| row.id).filter(|id| *id != "rights").collect();
    assert_eq!(moved, all);
}

#[test]
fn writable_mounts_are_worse_than_read_only_ones() {
    for (path, id, badness) in [
        ("/etc", "host-files", 1.0),
        ("/opt", "host-files", 1.0),
        ("/var/log", "host-files", 0.3),
        ("/proc", "host-proc", 1.0),
        ("/sys/fs/bpf", "host-kernel", 1.0),
    ] {
        let text = fs::read_to_string(fixtures().join("ours.yaml")).unwrap();
        let text = text
            .replace(VOLUME, &format!("hostPath: {{path: {path}}}"))
            .replace("mountPath: /run/containerd, readOnly: true", "mountPath: /x");
        let objects = parse(Path::new("x"), text.as_bytes()).unwrap();
        let report = assess(&manifest::facts(&objects)[0]);
        assert_eq!(row(&report, id).badness, Some(badness), "{path}");
    }
}

#[test]
fn rights_count_where_there_is_a_token() {
    let rights = |token: bool, binding: &str, verbs: &str, resources: &str| {
        let (cluster, subject) = (
            binding.starts_with("Cluster"),
            "{kind: ServiceAccount, name: a, namespace: n}",
        );
        let role = if cluster { "ClusterRole" } else { "Role" };
        let text = format!(
            "kind: Pod\nmetadata: {{name: p, namespace: n}}\nspec: {{serviceAccountName: a, automountServiceAccountToken: {token}, \
             containers: [{{name: c}}]}}\n---\nkind: {role}\nmetadata: {{name: r, namespace: n}}\nrules: [{{verbs: {verbs}, \
             resources: {resources}}}]\n---\nkind: {binding}\nmetadata: {{name: b, namespace: n}}\nroleRef: {{kind: {role}, name: r}}\n\
             subjects: [{subject}]\n"
        );
        let objects = parse(Path::new("x"), text.as_bytes()).unwrap();
        row(&assess(&manifest::facts(&objects)[0]), "rights").badness
    };
    for (token, binding, verbs, resources, expected) in [
        (false, "ClusterRoleBinding", "['*']", "['*']", 0.0),
        (true, "ClusterRoleBinding", "['*']", "['*']", 1.0),
        (true, "ClusterRoleBinding", "[create]", "[pods/exec]", 1.0),
        (true, "ClusterRoleBinding", "[list]", "[secrets]", 1.0),
        (true, "ClusterRoleBinding", "[patch]", "[events]", 0.7),
        (true, "ClusterRoleBinding", "[get, list, watch]", "[pods]", 0.4),
        (true, "RoleBinding", "[create]", "[pods]", 0.7),
        (true, "RoleBinding", "[get]", "[secrets]", 0.7),
        (true, "RoleBinding", "[update]", "[configmaps]", 0.4),
        (true, "RoleBinding", "[get]", "[configmaps]", 0.2),
        (true, "RoleBinding", "[use]", "[securitycontextconstraints]", 0.1),
    ] {
        assert_eq!(
            rights(token, binding, verbs, resources),
            Some(expected),
            "{binding} {verbs} {resources}"
        );
    }
}

#[test]
fn a_role_from_elsewhere_is_unknown_and_counts_at_most() {
    let text = "kind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: i}]}\n---\nkind: ClusterRoleBinding\n\
                metadata: {name: b}\nroleRef: {kind: ClusterRole, name: elsewhere}\nsubjects: [{kind: ServiceAccount, name: default}]\n";
    let judge = |text: &str| {
        let objects = parse(Path::new("x"), text.as_bytes()).unwrap();
        assess(&manifest::facts(&objects)[0])
    };
    let unknown = judge(text);
    assert_eq!(row(&unknown, "rights").status, "unknown");
    assert!(unknown.at_most > unknown.exposure, "{unknown:?}");
    let admin = judge(&text.replace("elsewhere", "cluster-admin"));
    assert_eq!(row(&admin, "rights").badness, Some(1.0));
    assert_eq!((admin.exposure, admin.at_most), (unknown.at_most, unknown.at_most));
}

#[test]
fn the_worst_container_counts_and_is_named() {
    let text = "kind: Pod\nmetadata: {name: p}\nspec:\n  initContainers: [{name: first, securityContext: {privileged: true}}]\n  \
                containers: [{name: c, securityContext: {privileged: false}}]\n";
    let objects = parse(Path::new("x"), text.as_bytes()).unwrap();
    let report = assess(&manifest::facts(&objects)[0]);
    assert_eq!(row(&report, "privileged").found, "container first: is privileged");
}

#[test]
fn ids_are_unique_and_words_are_there() {
    let ids: BTreeSet<&str> = ROWS.iter().map(|row| row.id).collect();
    assert_eq!(ids.len(), ROWS.len());
    for row in &ROWS {
        assert!(
            !row.why.is_empty() && !row.lower.is_empty() && row.weight > 0,
            "{}",
            row.id
        );
        assert!(row.title.len() <= 38, "{}: does not fit the column", row.id);
    }
}

#[test]
fn the_scale_ends_at_0_and_10() {
    let mut facts = fixture("falco-default.yaml");
    let worst = parse(
        Path::new("x"),
        b"kind: Pod\nmetadata: {name: p}\nspec:\n  hostPID: true\n  hostNetwork: true\n  hostIPC: true\n  volumes: [{name: r, hostPath: {path: /}}]\n  \
          containers:\n  - name: c\n    ports: [{containerPort: 1}]\n    securityContext: {privileged: true, runAsUser: 0}\n    image: i\n    \
          volumeMounts: [{name: r, mountPath: /r, mountPropagation: Bidirectional}]\n---\nkind: ClusterRoleBinding\nmetadata: {name: b}\n\
          roleRef: {kind: ClusterRole, name: cluster-admin}\nsubjects: [{kind: ServiceAccount, name: default}]\n",
    )
    .unwrap();
    let report = assess(&manifest::facts(&worst)[0]);
    assert_eq!(
        (report.exposure, report.word),
        (10.0, "DANGEROUS"),
        "{:#?}",
        report.rows.last()
    );
    facts.containers.clear();
    facts.user_namespace = Ok(true);
    facts.token = Ok(false);
    facts.rights = Ok((0, String::new()));
    facts.ports = Ok(Vec::new());
    let report = assess(&facts);
    assert_eq!((report.exposure, report.word), (0.0, "PERFECT"));
}

#[test]
fn contributions_add_up_to_the_score() {
    for (file, _) in COMPARED {
        let report = report(file);
        let sum: f64 = report.rows.iter().map(|row| row.contribution).sum();
        // The score is rounded up to a tenth, each contribution to the nearest hundredth.
        let slack = 0.005 * 40.0;
        assert!(
            sum <= report.exposure + slack && sum > report.exposure - 0.1 - slack,
            "{file}: {sum} {}",
            report.exposure
        );
    }
}

/// A pod that has given everything up is credited with it only by what the process shows.
#[test]
fn what_is_dropped_after_the_start_shows_in_the_process_alone() {
    let start = fixture("ours.yaml");
    let mut running = start.clone();
    running.phase = Phase::Running;
    running.containers[0].capabilities = crate::privilege::Capabilities::NONE;
    running.containers[0].seccomp = super::facts::Filter::One("3 filters, one on the other".to_owned());
    let (start, running) = (assess(&start), assess(&running));
    assert!(running.exposure < start.exposure);
    assert!(running.exposure <= 1.0, "{}", running.exposure);
}

fn bless(path: &Path, text: &str) {
    if std::env::var_os("PINHOLE_BLESS").is_some() {
        fs::write(path, text).unwrap();
    }
    let agreed = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(text, agreed, "{}", path.display());
}

#[test]
fn reports_are_as_agreed() {
    let plain = Look {
        color: false,
        unicode: false,
        width: 100,
    };
    for (file, _) in COMPARED {
        let name = file.trim_end_matches(".yaml");
        bless(
            &fixtures().join(format!("{name}.txt")),
            &render::text(&report(file), plain),
        );
    }
    let json = serde_json::to_string_pretty(&report("ours.yaml")).unwrap() + "\n";
    bless(&fixtures().join("ours.json"), &json);
}

#[test]
fn names_do_not_steer_a_terminal() {
    let mut facts = fixture("ours.yaml");
    facts.subject = "a\u{1b}[2J\nb".to_owned();
    facts.containers[0].root.1 = "\u{7}".to_owned();
    let page = render::text(
        &assess(&facts),
        Look {
            color: false,
            unicode: true,
            width: 100,
        },
    );
    assert!(
        !page.contains(['\u{1b}', '\u{7}']) && page.contains("a\u{fffd}[2J\u{fffd}b"),
        "{page}"
    );
}

/// The text between two marks of a page.
fn with_table(page: &str, mark: &str, table: &str) -> String {
    let (open, close) = (format!("<!-- {mark} -->\n"), format!("<!-- end of {mark} -->"));
    let (before, rest) = page.split_once(&open).unwrap();
    let (_, after) = rest.split_once(&close).unwrap();
    format!("{before}{open}{table}{close}{after}")
}

#[test]
fn the_page_shows_the_rows_and_the_scores() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/exposure.md");
    let page = fs::read_to_string(&path).unwrap();
    let mut rows =
        String::from("| Row | Weight | In systemd | Why it matters | What lowers it |\n|---|---|---|---|---|\n");
    for row in &ROWS {
        let systemd = row
            .systemd
            .map_or_else(String::new, |name| format!("`{}`", name.replace('|', "\\|")));
        writeln!(
            rows,
            "| `{}` | {} | {systemd} | {} | {} |",
            row.id, row.weight, row.why, row.lower
        )
        .unwrap();
    }
    let reports: Vec<Report> = COMPARED.iter().map(|(file, _)| report(file)).collect();
    let mut scores = String::from("| |");
    for (_, name) in COMPARED {
        write!(scores, " {name} |").unwrap();
    }
    scores.push_str("\n|---|");
    scores.push_str(&"---|".repeat(COMPARED.len()));
    scores.push_str("\n| **score** |");
    for report in &reports {
        write!(scores, " **{:.1} {}** |", report.exposure, report.word).unwrap();
    }
    scores.push('\n');
    for each in &ROWS {
        write!(scores, "| `{}` |", each.id).unwrap();
        for report in &reports {
            let line = row(report, each.id);
            match line.status {
                "exposed" => write!(scores, " {:.2} |", line.contribution).unwrap(),
                "ok" => scores.push_str(" |"),
                other => write!(scores, " {other} |").unwrap(),
            }
        }
        scores.push('\n');
    }
    bless(&path, &with_table(&with_table(&page, "rows", &rows), "scores", &scores));
}
