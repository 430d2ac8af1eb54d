use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use caps::Capability;
use nix::time::{ClockId, clock_gettime};
use proptest::prelude::*;

use super::capabilities::{RUNTIME_DEFAULT, all, granted};
use super::read::{MAX_BYTES, parse};
use super::{Container, Error, Objects, Profile, Security};
use crate::privilege::Capabilities;

fn read(text: &str) -> Objects {
    parse(Path::new("pod.yaml"), text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn refusal(text: &str) -> String {
    parse(Path::new("pod.yaml"), text.as_bytes()).unwrap_err().to_string()
}

/// A pod of one container with these two contexts.
fn container(pod: &str, own: &str) -> Container {
    let text = format!(
        "{{kind: Pod, metadata: {{name: p}}, spec: {{securityContext: {pod}, \
         containers: [{{name: c, securityContext: {own}}}]}}}}"
    );
    read(&text).workloads[0].pod.containers[0].clone()
}

fn security(pod: &str, own: &str) -> Security {
    container(pod, own).security
}

#[test]
fn the_containers_context_counts_before_the_pods() {
    let both = security(
        "{runAsUser: 1, runAsGroup: 2, runAsNonRoot: true}",
        "{runAsUser: 0, runAsNonRoot: false}",
    );
    assert_eq!(
        (both.run_as_user, both.run_as_group, both.run_as_non_root),
        (Some(0), Some(2), false)
    );
    let profiles = security(
        "{seccompProfile: {type: RuntimeDefault}, seLinuxOptions: {type: a_t}}",
        "{seccompProfile: {type: Localhost, localhostProfile: x.json}, seLinuxOptions: {type: b_t}}",
    );
    assert_eq!(profiles.seccomp, Profile::Localhost("x.json".to_owned()));
    assert_eq!(profiles.selinux_type.as_deref(), Some("b_t"));
    assert_eq!(
        security("{seccompProfile: {type: RuntimeDefault}}", "{}").seccomp,
        Profile::RuntimeDefault
    );
    assert_eq!(
        security("{supplementalGroups: [0, 7], fsGroup: 9}", "{}").supplemental_groups,
        [0, 7, 9]
    );
}

#[test]
fn what_is_not_said_is_what_the_runtime_does() {
    let nothing = security("{}", "{}");
    assert_eq!(nothing.capabilities, Capabilities::of(&RUNTIME_DEFAULT));
    assert!(!nothing.no_new_privs && !nothing.read_only_root && !nothing.privileged);
    assert_eq!((nothing.seccomp, nothing.apparmor), (Profile::Unset, Profile::Unset));
    assert_eq!((nothing.run_as_user, nothing.selinux_type), (None, None));
    assert!(security("{}", "{allowPrivilegeEscalation: false}").no_new_privs);
    assert!(!security("{}", "{allowPrivilegeEscalation: true}").no_new_privs);
}

#[test]
fn a_privileged_container_is_not_confined_whatever_else_is_said() {
    let security = security(
        "{seccompProfile: {type: RuntimeDefault}}",
        "{privileged: true, capabilities: {drop: [ALL]}}",
    );
    assert_eq!(security.capabilities, all());
    assert_eq!(
        (security.seccomp, security.apparmor),
        (Profile::Unconfined, Profile::Unconfined)
    );
}

#[test]
fn capabilities_are_added_and_dropped_as_containerd_does() {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let set = |add: &[&str], drop: &[&str]| granted(&names(add), &names(drop));
    let two = Capabilities::of(&[Capability::CAP_BPF, Capability::CAP_PERFMON]);
    assert_eq!(set(&["BPF", "cap_perfmon"], &["ALL"]), Some(two));
    assert_eq!(set(&["BPF"], &["all", "BPF"]), Some(Capabilities::NONE));
    assert_eq!(
        set(&["ALL"], &["SYS_ADMIN"]),
        Some(all().without(Capabilities::of(&[Capability::CAP_SYS_ADMIN])))
    );
    assert_eq!(set(&["BPFF"], &[]), None);
}

#[test]
fn apparmor_is_read_from_field_and_annotation() {
    let pod = |annotation: &str, pod: &str, own: &str| {
        let text = format!(
            "kind: DaemonSet\nmetadata: {{name: d}}\nspec:\n  template:\n    metadata: {{annotations: \
             {{container.apparmor.security.beta.kubernetes.io/c: {annotation}}}}}\n    spec: {{securityContext: {pod}, \
             containers: [{{name: c, securityContext: {own}}}]}}"
        );
        read(&text).workloads[0].pod.containers[0].security.apparmor.clone()
    };
    assert_eq!(pod("unconfined", "{}", "{}"), Profile::Unconfined);
    assert_eq!(
        pod("localhost/x", "{appArmorProfile: {type: RuntimeDefault}}", "{}"),
        Profile::Localhost("x".to_owned())
    );
    assert_eq!(
        pod("unconfined", "{}", "{appArmorProfile: {type: RuntimeDefault}}"),
        Profile::RuntimeDefault
    );
}

#[test]
fn pods_are_found_in_all_that_makes_them_and_in_lists() {
    let pod = "{metadata: {labels: {a: b}}, spec: {hostPID: true, containers: [{name: c}]}}";
    let objects = read(&format!(
        "# only a comment\n---\nkind: DaemonSet\nmetadata: {{name: a, namespace: n}}\nspec: {{template: {pod}}}\n---\n\
         kind: CronJob\nmetadata: {{name: b}}\nspec: {{jobTemplate: {{spec: {{template: {pod}}}}}}}\n---\n\
         kind: List\nitems:\n- {{kind: Pod, metadata: {{name: c}}, spec: {{containers: []}}}}\n\
         - {{kind: Secret, metadata: {{name: s}}, data: {{password: aGlkZGVu}}}}\n- {{kind: ConfigMap, metadata: {{name: m}}}}\n"
    ));
    let names: Vec<(&str, &str, bool)> = objects
        .workloads
        .iter()
        .map(|workload| (&*workload.kind, &*workload.name, workload.pod.host_pid))
        .collect();
    assert_eq!(
        names,
        [("DaemonSet", "a", true), ("CronJob", "b", true), ("Pod", "c", false)]
    );
    assert_eq!(objects.workloads[2].source.path, "items[0]");
    assert_eq!(
        (objects.others, objects.config_maps.len()),
        (vec!["Secret".to_owned()], 1)
    );
    let json = "{\n\t\"kind\": \"PodList\",\n\t\"items\": [{\"kind\": \"Pod\", \"spec\": {\"containers\": []}}]\n}";
    assert_eq!(read(json).workloads.len(), 1);
}

#[test]
fn mounts_ports_probes_and_sidecars() {
    let objects = read(
        "kind: Pod\nmetadata: {name: p}\nspec:\n  hostUsers: false\n  serviceAccountName: a\n  automountServiceAccountToken: false\n  \
         volumes:\n  - {name: run, hostPath: {path: /run/}}\n  - {name: e, emptyDir: {}}\n  initContainers:\n  \
         - {name: i}\n  - {name: s, restartPolicy: Always}\n  containers:\n  - name: c\n    command: [/agent]\n    args: [run]\n    \
         env: [{name: TOKEN, value: hidden}]\n    ports: [{containerPort: 80}, {name: h, containerPort: 81, hostPort: 81}]\n    \
         livenessProbe: {httpGet: {path: /livez, port: 80}}\n    readinessProbe: {exec: {command: [x]}}\n    volumeMounts:\n    \
         - {name: run, mountPath: /r, subPath: containerd, readOnly: true}\n    - {name: run, mountPath: /s, mountPropagation: Bidirectional}\n    \
         - {name: e, mountPath: /e}\n",
    );
    let pod = &objects.workloads[0].pod;
    assert!(pod.user_namespace && pod.automount_token == Some(false) && pod.service_account == "a");
    let roles: Vec<(&str, bool)> = pod.containers.iter().map(|c| (&*c.name, c.init)).collect();
    assert_eq!(roles, [("i", true), ("s", false), ("c", false)]);
    let main = &pod.containers[2];
    assert_eq!(main.command, ["/agent", "run"]);
    assert_eq!(main.variables, ["TOKEN"]);
    let ports: Vec<(i64, bool)> = main.ports.iter().map(|port| (port.number, port.on_host)).collect();
    assert_eq!(ports, [(80, false), (81, true)]);
    assert_eq!(
        main.probes,
        [
            ("livenessProbe", "/livez".to_owned()),
            ("readinessProbe", "exec".to_owned())
        ]
    );
    let mounts: Vec<(&str, bool, bool)> = main
        .host_mounts
        .iter()
        .map(|mount| (&*mount.host, mount.read_only, mount.bidirectional))
        .collect();
    assert_eq!(mounts, [("/run/containerd", true, false), ("/run/", false, true)]);
    assert_eq!(main.other_mounts, [("/e".to_owned(), "e".to_owned())]);
    assert!(
        !format!("{objects:?}").contains("hidden"),
        "values of variables are not kept"
    );
}

#[test]
fn constraints_of_openshift() {
    let objects = read(
        "kind: SecurityContextConstraints\nmetadata: {name: s}\nallowHostDirVolumePlugin: true\nallowHostPID: false\n\
         allowedCapabilities: [BPF]\nrequiredDropCapabilities: [ALL]\nseccompProfiles: ['*']\nvolumes: [hostPath]\n\
         runAsUser: {type: MustRunAs, uid: 65532}\n",
    );
    let constraints = &objects.constraints[0];
    // Escalation is allowed where nothing is said.
    assert_eq!(
        constraints.allows,
        ["allowPrivilegeEscalation", "allowHostDirVolumePlugin"]
    );
    assert_eq!(
        constraints.strategies,
        [("runAsUser".to_owned(), "MustRunAs".to_owned())]
    );
}

#[test]
fn errors_name_file_document_path_and_cause() {
    for (text, expected) in [
        (
            "kind: Pod\nspec: {containers: [{name: 7}]}",
            "pod.yaml: document 1: spec.containers[0].name must be a string, not a number",
        ),
        (
            "kind: A\n---\nspec: {}",
            "pod.yaml: document 2: kind must be a string, not absent",
        ),
        (
            "- 1",
            "pod.yaml: document 1: the document must be a mapping, not a list",
        ),
        (
            "kind: DaemonSet\nspec: {}",
            "pod.yaml: document 1: the document must be a workload with a pod template, not a mapping",
        ),
        (
            "kind: Pod\nspec: {containers: [{name: c, securityContext: {capabilities: {add: [BPFF]}}}]}",
            "pod.yaml: document 1: spec.containers[0].securityContext.capabilities must be names of capabilities, not a mapping",
        ),
        (
            "kind: Pod\nspec: {containers: [{name: c, securityContext: {privileged: 'secret-word'}}]}",
            "pod.yaml: document 1: spec.containers[0].securityContext.privileged must be true or false, not another string",
        ),
    ] {
        assert_eq!(refusal(text), expected, "{text}");
    }
    let syntax = refusal("kind: A\n---\nkind: [secret-word\n");
    assert!(
        syntax.starts_with("pod.yaml: document 2: ") && !syntax.contains("secret-word"),
        "{syntax}"
    );
    assert!(
        super::read(Path::new("/nowhere/x.yaml"))
            .unwrap_err()
            .to_string()
            .starts_with("/nowhere/x.yaml: cannot be read")
    );
}

/// What somebody hands in who wants the reader to burn time or memory.
fn hostile() -> Vec<(&'static str, String)> {
    let mut bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (from, to) in "abcdefghijklm".chars().zip("bcdefghijklmn".chars()) {
        let _ = writeln!(bomb, "{to}: &{to} [{}]", vec![format!("*{from}"); 10].join(","));
    }
    let full = usize::try_from(MAX_BYTES).unwrap();
    vec![
        ("aliases", format!("{bomb}kind: Pod\n")),
        ("lists in lists", "[".repeat(full)),
        ("mappings in mappings", "{a: ".repeat(full / 4)),
        (
            "indentation",
            (0..2000).fold(String::new(), |text, n| text + &" ".repeat(n) + "a:\n"),
        ),
        ("items", format!("kind: Pod\nspec: [{}1]", "1,".repeat(full / 2 - 30))),
        ("documents", "--- 1\n".repeat(full / 6)),
        ("objects", "--- {kind: A}\n".repeat(full / 14)),
        (
            "keys",
            (0..full / 12).fold(String::new(), |text, n| text + &format!("k{n}: 1\n")),
        ),
        (
            "anchors",
            (0..full / 24).fold(String::new(), |text, n| text + &format!("- &a{n} 1\n")),
        ),
        ("tags", "!a ".repeat(full / 3)),
        ("quotes", format!("kind: \"{}", "\\u0041".repeat(full / 6 - 10))),
        ("10 MB", "a: b\n".repeat(2_000_000)),
    ]
}

/// What this thread has computed: a busy machine takes longer without the reader's doing.
fn spent() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}

#[test]
fn hostile_files_end_within_a_second() {
    for (name, text) in hostile() {
        let began = spent();
        let result = parse(Path::new("x.yaml"), text.as_bytes());
        let took = spent() - began;
        assert!(result.is_err(), "{name} was read");
        assert!(took < Duration::from_secs(1), "{name} took {took:?}");
    }
    let large = "x".repeat(10_000_000);
    assert!(matches!(
        parse(Path::new("x"), large.as_bytes()),
        Err(Error::TooLarge { .. })
    ));
}

proptest! {
    #[test]
    fn no_text_brings_the_reader_down(text in "(kind: (Pod|DaemonSet)\n)?(spec:|  containers:|\n|- |a|: |\\{|\\}|\\[|\\]|&a|\\*a|'|\"|#|---|!|\\||>|\t){0,40}") {
        let _ = parse(Path::new("x.yaml"), text.as_bytes());
    }

    #[test]
    fn no_bytes_bring_the_reader_down(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(Path::new("x.yaml"), &bytes);
    }
}
