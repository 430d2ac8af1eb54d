//! `agent manifest` against the readers that it is made for: the official schemas of several Kubernetes versions, and kubectl.
//!
//! kubectl's dry run asks a cluster which kinds there are, even when it changes nothing (`--dry-run=client`). There is none
//! here, so [`Discovery`] answers exactly that, and that nothing exists yet. It has no schemas: those are the other test's.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::lab::tool;

/// Every platform that has objects, and what is worth another look beside it.
const VARIANTS: [&[&str]; 11] = [
    &["aks"],
    &["openshift"],
    &["eks"],
    &["gke"],
    &["k3s"],
    &["generic"],
    &[
        "gke",
        "--tolerate",
        "control-plane",
        "--pull-secret",
        "registry",
        "--namespace",
        "1234",
    ],
    &[
        "generic",
        "--seccomp",
        "localhost",
        "--with",
        "bundles,memlock",
        "--priority-class",
        "",
    ],
    &["openshift", "--with", "bundles,memlock", "--seccomp", "runtime-default"],
    &[
        "k3s",
        "--runtime-socket",
        "/run/k0s/containerd.sock",
        "--tolerate",
        "none",
    ],
    &[
        "aks",
        "--rules-configmap",
        "pinhole-rules",
        "--delivery-http-url",
        "http://falcosidekick.falco:2801/",
    ],
];

/// The oldest version whose schemas there are, the one that brought the AppArmor field, and the newest.
const VERSIONS: [&str; 3] = ["1.25.0", "1.30.0", "1.37.0"];

fn agent(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_agent"))
        .args(["manifest", "--profile"])
        .args(arguments)
        .output()
        .unwrap()
}

fn rendered(arguments: &[&str]) -> String {
    let output = agent(arguments);
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn objects(arguments: &[&str]) -> Vec<Value> {
    let text = rendered(&[arguments, &["--format", "json"]].concat());
    let list: Value = serde_json::from_str(&text).unwrap();
    list["items"].as_array().unwrap().clone()
}

/// Validates files, strictly: an unknown field is an error.
fn validate(version: &str, files: &[PathBuf]) -> Output {
    let store = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/schemas");
    assert!(
        store.join("installed").is_file(),
        "{} is not there: `./justw schemas` fetches it",
        store.display()
    );
    Command::new(tool::find("python3", "python3").unwrap())
        .env("PYTHONPATH", store)
        .args(["-m", "kubernetes_validate", "--strict", "--no-warn", "-k", version])
        .args(files)
        .output()
        .unwrap()
}

#[test]
fn every_object_passes_the_official_schemas() {
    let dir = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for (number, arguments) in VARIANTS.iter().enumerate() {
        for object in objects(arguments) {
            // OpenShift's own kind: a unit test of src/manifest compares it with its published definition.
            if object["kind"] == "SecurityContextConstraints" {
                continue;
            }
            let path = dir
                .path()
                .join(format!("{number}-{}.json", object["kind"].as_str().unwrap()));
            fs::write(&path, object.to_string()).unwrap();
            files.push((path, object));
        }
    }
    for version in VERSIONS {
        let files: Vec<PathBuf> = files
            .iter()
            .filter(|(_, object)| version != "1.25.0" || !object.to_string().contains("appArmorProfile"))
            .map(|(path, _)| path.clone())
            .collect();
        let output = validate(version, &files);
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(output.status.success(), "{version}:\n{said}");
        assert_eq!(
            said.matches(" passed for resource ").count(),
            files.len(),
            "{version}:\n{said}"
        );
    }
    // And the validator does refuse something.
    let wrong = dir.path().join("wrong.json");
    let mut object = objects(&["generic"]).pop().unwrap();
    object["spec"]["template"]["spec"]["securityContext"]["runAsUsr"] = json!(1);
    fs::write(&wrong, object.to_string()).unwrap();
    let output = validate("1.37.0", &[wrong]);
    assert!(
        !output.status.success() && String::from_utf8_lossy(&output.stdout).contains("runAsUsr"),
        "{output:?}"
    );
}

/// A cluster's answers to the questions which groups, versions and kinds there are; of any object, that it is not there.
struct Discovery {
    address: String,
}

/// Group and version, then name, kind and whether it lies in a namespace: as Kubernetes' and OpenShift's API servers say.
type Kinds = &'static [(&'static str, &'static str, bool)];
const KINDS: [(&str, Kinds); 5] = [
    (
        "v1",
        &[
            ("namespaces", "Namespace", false),
            ("serviceaccounts", "ServiceAccount", true),
            ("configmaps", "ConfigMap", true),
            ("resourcequotas", "ResourceQuota", true),
        ],
    ),
    ("apps/v1", &[("daemonsets", "DaemonSet", true)]),
    ("networking.k8s.io/v1", &[("networkpolicies", "NetworkPolicy", true)]),
    (
        "rbac.authorization.k8s.io/v1",
        &[("roles", "Role", true), ("rolebindings", "RoleBinding", true)],
    ),
    (
        "security.openshift.io/v1",
        &[("securitycontextconstraints", "SecurityContextConstraints", false)],
    ),
];

impl Discovery {
    /// Serves until the test's process ends.
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || Self::serve(&stream));
            }
        });
        Self { address }
    }

    fn serve(stream: &TcpStream) {
        let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        if reader.read_line(&mut line).is_err() {
            return;
        }
        let path = line
            .split(' ')
            .nth(1)
            .unwrap_or_default()
            .split('?')
            .next()
            .unwrap_or_default()
            .to_owned();
        while line.trim() != "" {
            line.clear();
            if reader.read_line(&mut line).is_err() {
                return;
            }
        }
        let body = Self::answer(&path);
        let status = if body.is_some() { "200 OK" } else { "404 Not Found" };
        let body = body
            .unwrap_or_else(|| json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}))
            .to_string();
        let mut stream = stream;
        // A client that has gone needs no answer.
        let _ = write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
    }

    fn answer(path: &str) -> Option<Value> {
        let groups = KINDS
            .iter()
            .filter_map(|(version, _)| version.split_once('/').map(|(group, short)| (group, short, version)));
        match path {
            "/api" => Some(json!({"kind": "APIVersions", "versions": ["v1"]})),
            "/apis" => {
                let groups: Vec<Value> = groups
                    .map(|(group, short, version)| {
                        let version = json!({"groupVersion": version, "version": short});
                        json!({"name": group, "versions": [version], "preferredVersion": version})
                    })
                    .collect();
                Some(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
            }
            _ => {
                let version = path.strip_prefix("/apis/").or_else(|| path.strip_prefix("/api/"))?;
                let (_, kinds) = KINDS.iter().find(|(known, _)| *known == version)?;
                let resources: Vec<Value> = kinds
                    .iter()
                    .map(|(name, kind, namespaced)| {
                        json!({"name": name, "singularName": "", "kind": kind, "namespaced": namespaced, "verbs": ["create", "get"]})
                    })
                    .collect();
                Some(
                    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources}),
                )
            }
        }
    }
}

/// Away from whoever runs the test: no configuration, no cache.
fn kubectl(home: &Path) -> Command {
    let mut command = Command::new(tool::find("kubectl", "kubernetes-client").unwrap());
    command.env("HOME", home).env("KUBECONFIG", "/dev/null");
    command
}

#[test]
fn kubectl_would_apply_every_object() {
    let server = Discovery::start();
    let home = tempfile::tempdir().unwrap();
    for arguments in VARIANTS {
        let file = home.path().join("manifest.yaml");
        fs::write(&file, rendered(arguments)).unwrap();
        let output = tool::run(
            kubectl(home.path())
                .arg("--server")
                .arg(format!("http://{}", server.address))
                .args([
                    "apply",
                    "--dry-run=client",
                    "--validate=false",
                    "--output=name",
                    "--filename",
                ])
                .arg(&file),
        )
        .unwrap();
        let applied: BTreeSet<String> = String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect();
        let expected: BTreeSet<String> = objects(arguments)
            .iter()
            .map(|object| {
                let kind = object["kind"].as_str().unwrap().to_lowercase();
                let group = object["apiVersion"].as_str().unwrap().split_once('/');
                let group = group.map_or(String::new(), |(group, _)| format!(".{group}"));
                format!("{kind}{group}/{}", object["metadata"]["name"].as_str().unwrap())
            })
            .collect();
        assert_eq!(applied, expected, "{arguments:?}");
    }
}

/// `--local` commands ask no cluster and decode into the types of Kubernetes' own API, as the API server does.
#[test]
fn kubectl_reads_the_pod_into_its_own_types() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("daemonset.json");
    for arguments in VARIANTS {
        let set = objects(arguments).pop().unwrap();
        assert_eq!(set["kind"], "DaemonSet");
        fs::write(&file, set.to_string()).unwrap();
        let set_image = |file: &Path| {
            tool::run(
                kubectl(home.path())
                    .args([
                        "set",
                        "image",
                        "--local",
                        "--output=json",
                        "agent=example/other:1",
                        "--filename",
                    ])
                    .arg(file),
            )
        };
        let output = set_image(&file).unwrap();
        let mut read: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            read["spec"]["template"]["spec"]["containers"][0]["image"],
            "example/other:1"
        );
        // What the types do not have would be gone by now; what they add is empty.
        read["spec"]["template"]["spec"]["containers"][0]["image"] =
            set["spec"]["template"]["spec"]["containers"][0]["image"].clone();
        assert_eq!(missing(&set, &read, ""), None, "{arguments:?}");

        let mut wrong = set;
        wrong["spec"]["template"]["spec"]["securityContext"]["runAsUser"] = json!("65532");
        fs::write(&file, wrong.to_string()).unwrap();
        assert!(set_image(&file).unwrap_err().to_string().contains("runAsUser"));
    }
}

/// The first path of `wanted` that `found` does not have with the same value. A false that is a type's default is not kept.
fn missing(wanted: &Value, found: &Value, path: &str) -> Option<String> {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => wanted.iter().find_map(|(key, value)| {
            let path = format!("{path}.{key}");
            match found.get(key) {
                Some(found) => missing(value, found, &path),
                None => (*value != json!(false)).then_some(path),
            }
        }),
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => wanted
            .iter()
            .zip(found)
            .enumerate()
            .find_map(|(index, (wanted, found))| missing(wanted, found, &format!("{path}[{index}]"))),
        _ => (wanted != found).then(|| format!("{path}: {wanted} became {found}")),
    }
}

#[test]
fn wrong_usage_is_told_on_standard_error_and_prints_no_object() {
    for (arguments, words) in [
        (&["standalone"][..], "outside Kubernetes"),
        (&["rke"], "rke"),
        (&["generic", "--namespace", "a b"], "--namespace"),
        (&["generic", "--runtime-socket", "/run/docker.sock"], "--runtime-socket"),
        (&["generic", "--with", "host-pid"], "host-pid"),
    ] {
        let output = agent(arguments);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        assert!(
            String::from_utf8_lossy(&output.stderr).contains(words),
            "{arguments:?}: {output:?}"
        );
        assert!(output.stdout.is_empty());
    }
}
