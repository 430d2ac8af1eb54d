//! Manifests of which one thing is broken, and the one finding that each must raise.

use serde_json::{Value, json};

use super::super::super::report::Status::{self, Fail, Warn};
use super::PROFILES;
use super::patched::Given;
use crate::privilege::seccomp::AGENT_SETUP;

pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) profiles: &'static [&'static str],
    pub(super) harm: fn(&mut Given),
    pub(super) root: (&'static str, Status),
    /// There is no patch: what would be right only somebody else knows.
    pub(super) unpatched: bool,
}

pub(super) fn cases() -> impl Iterator<Item = &'static Case> {
    [PRIVILEGE, HOST, SETTINGS, OBJECTS, CONSTRAINTS, SECCOMP]
        .into_iter()
        .flatten()
}

const ALL: &[&str] = &PROFILES;
const AKS: &[&str] = &["aks"];
const OPENSHIFT: &[&str] = &["openshift"];
/// With AppArmor on some nodes, and with a field for it.
const APPARMOR: &[&str] = &["aks", "gke", "k3s", "generic"];

const fn case(
    name: &'static str,
    profiles: &'static [&'static str],
    root: &'static str,
    status: Status,
    harm: fn(&mut Given),
) -> Case {
    Case {
        name,
        profiles,
        harm,
        root: (root, status),
        unpatched: false,
    }
}

fn remove(value: &mut Value, key: &str) {
    assert!(
        value.as_object_mut().unwrap().remove(key).is_some(),
        "{key} was not there"
    );
}

fn push(value: &mut Value, item: Value) {
    value.as_array_mut().unwrap().push(item);
}

/// A volume of the host, mounted at the same place.
fn host_path(given: &mut Given, name: &str, host: &str, at: &str) {
    push(
        &mut given.pod()["volumes"],
        json!({"name": name, "hostPath": {"path": host}}),
    );
    push(
        &mut given.container()["volumeMounts"],
        json!({"name": name, "mountPath": at, "readOnly": true}),
    );
}

fn index_of(list: &Value, name: &str) -> usize {
    list.as_array()
        .unwrap()
        .iter()
        .position(|item| item["name"] == name)
        .unwrap()
}

fn mount<'a>(given: &'a mut Given, name: &str) -> &'a mut Value {
    let mounts = &mut given.container()["volumeMounts"];
    let index = index_of(mounts, name);
    &mut mounts[index]
}

fn volume<'a>(given: &'a mut Given, name: &str) -> &'a mut Value {
    let volumes = &mut given.pod()["volumes"];
    let index = index_of(volumes, name);
    &mut volumes[index]
}

fn unmount(given: &mut Given, name: &str) {
    let mounts = &mut given.container()["volumeMounts"];
    let index = index_of(mounts, name);
    mounts.as_array_mut().unwrap().remove(index);
}

#[rustfmt::skip]
const PRIVILEGE: &[Case] = &[
    case("BPF is not added", ALL, "PIN-CAP-001", Fail, |g| g.security()["capabilities"]["add"] = json!(["PERFMON"])),
    case("nothing is added", ALL, "PIN-CAP-001", Fail, |g| remove(&mut g.security()["capabilities"], "add")),
    case("capabilities are not mentioned", ALL, "PIN-CAP-001", Fail, |g| remove(g.security(), "capabilities")),
    case("BPF is added and dropped", AKS, "PIN-CAP-001", Fail, |g| g.security()["capabilities"]["drop"] = json!(["ALL", "CAP_BPF"])),
    case("a user namespace", ALL, "PIN-CAP-001", Fail, |g| g.pod()["hostUsers"] = json!(false)),
    case("SYS_ADMIN is added", ALL, "PIN-CAP-002", Warn, |g| push(&mut g.security()["capabilities"]["add"], json!("SYS_ADMIN"))),
    case("nothing is dropped", ALL, "PIN-CAP-002", Warn, |g| remove(&mut g.security()["capabilities"], "drop")),
    case("privileged", ALL, "PIN-CAP-002", Fail, |g| g.security()["privileged"] = json!(true)),
    case("privileged, as the API server takes it", ALL, "PIN-CAP-002", Warn, |g| {
        g.security()["privileged"] = json!(true);
        g.security()["allowPrivilegeEscalation"] = json!(true);
    }),
    case("privilege escalation", ALL, "PIN-PRV-001", Warn, |g| g.security()["allowPrivilegeEscalation"] = json!(true)),
    case("nothing is said of escalation", ALL, "PIN-PRV-001", Warn, |g| remove(g.security(), "allowPrivilegeEscalation")),
    case("user 0 against runAsNonRoot", ALL, "PIN-PRV-003", Fail, |g| g.pod()["securityContext"]["runAsUser"] = json!(0)),
    case("user 0 in the container's own context", ALL, "PIN-PRV-003", Warn, |g| {
        g.security()["runAsUser"] = json!(0);
        g.security()["runAsNonRoot"] = json!(false);
    }),
    case("no user", ALL, "PIN-PRV-003", Warn, |g| {
        remove(&mut g.pod()["securityContext"], "runAsUser");
        remove(&mut g.pod()["securityContext"], "runAsNonRoot");
    }),
    case("no seccomp profile", AKS, "PIN-SEC-002", Warn, |g| remove(&mut g.pod()["securityContext"], "seccompProfile")),
    case("unconfined", ALL, "PIN-SEC-002", Warn, |g| g.security()["seccompProfile"] = json!({"type": "Unconfined"})),
    case("another SELinux type", OPENSHIFT, "PIN-LSM-001", Fail, |g| g.pod()["securityContext"]["seLinuxOptions"]["type"] = json!("container_t")),
    case("AppArmor unconfined", APPARMOR, "PIN-LSM-002", Warn, |g| g.security()["appArmorProfile"] = json!({"type": "Unconfined"})),
    case("AppArmor unconfined by annotation", AKS, "PIN-LSM-002", Warn, |g| {
        g.object("DaemonSet")["spec"]["template"]["metadata"]["annotations"]["container.apparmor.security.beta.kubernetes.io/agent"] = json!("unconfined");
    }),
    case("an AppArmor profile where there is no AppArmor", &["openshift", "eks"], "PIN-LSM-002", Fail, |g| {
        g.pod()["securityContext"]["appArmorProfile"] = json!({"type": "RuntimeDefault"});
    }),
    case("a writable root", ALL, "PIN-MNT-001", Warn, |g| g.security()["readOnlyRootFilesystem"] = json!(false)),
    case("nothing is said of the root", ALL, "PIN-MNT-001", Warn, |g| remove(g.security(), "readOnlyRootFilesystem")),
    case("the image is named by a tag", ALL, "PIN-MAN-004", Warn, |g| g.container()["image"] = json!("registry.example/pinhole-agent:1.0")).without_patch(),
];

#[rustfmt::skip]
const HOST: &[Case] = &[
    case("no place for the admin socket", ALL, "PIN-MNT-002", Fail, |g| unmount(g, "run")),
    case("no volume for it either", ALL, "PIN-MNT-002", Fail, |g| {
        unmount(g, "run");
        g.pod()["volumes"].as_array_mut().unwrap().retain(|volume| volume["name"] != "run");
    }),
    case("a read-only place for it", ALL, "PIN-MNT-002", Fail, |g| mount(g, "run")["readOnly"] = json!(true)),
    case("a ConfigMap in its place", AKS, "PIN-MNT-002", Fail, |g| {
        *volume(g, "run") = json!({"name": "run", "configMap": {"name": "pinhole-agent"}});
    }),
    case("the whole host", ALL, "PIN-MNT-003", Warn, |g| host_path(g, "host", "/", "/host")),
    case("the host's /proc", ALL, "PIN-MNT-003", Warn, |g| host_path(g, "proc", "/proc", "/host/proc")),
    case("two more, one of them used by another container", AKS, "PIN-MNT-003", Warn, |g| {
        host_path(g, "debug", "/sys/kernel/debug", "/sys/kernel/debug");
        host_path(g, "modules", "/lib/modules", "/lib/modules");
        push(&mut g.pod()["containers"], json!({"name": "side", "image": "side", "volumeMounts": [{"name": "debug", "mountPath": "/d"}]}));
    }),
    case("all of /run", ALL, "PIN-MNT-003", Warn, |g| {
        mount(g, "runtime")["mountPath"] = json!("/run");
        volume(g, "runtime")["hostPath"]["path"] = json!("/run");
    }),
    case("the runtime's directory, writable", ALL, "PIN-MNT-003", Warn, |g| remove(mount(g, "runtime"), "readOnly")),
    case("the runtime's directory, shared", ALL, "PIN-MNT-003", Warn, |g| mount(g, "runtime")["mountPropagation"] = json!("Bidirectional")),
    case("hostPID", ALL, "PIN-MNT-005", Warn, |g| g.pod()["hostPID"] = json!(true)),
    case("hostNetwork", ALL, "PIN-MNT-005", Warn, |g| g.pod()["hostNetwork"] = json!(true)),
    case("hostIPC", ALL, "PIN-MNT-005", Warn, |g| g.pod()["hostIPC"] = json!(true)),
    case("no socket", ALL, "PIN-RUN-001", Fail, |g| unmount(g, "runtime")),
    case("no socket and no volume", ALL, "PIN-RUN-001", Fail, |g| {
        unmount(g, "runtime");
        g.pod()["volumes"].as_array_mut().unwrap().retain(|volume| volume["name"] != "runtime");
    }),
    case("another directory of the host", ALL, "PIN-RUN-001", Fail, |g| volume(g, "runtime")["hostPath"]["path"] = json!("/run/somewhere")),
    case("another place in the container", ALL, "PIN-RUN-001", Fail, |g| mount(g, "runtime")["mountPath"] = json!("/host/runtime")),
    case("no group 0", ALL, "PIN-RUN-001", Fail, |g| g.pod()["securityContext"]["supplementalGroups"] = json!([])),
    case("no runtime, where none is required", AKS, "PIN-RUN-001", Warn, |g| {
        unmount(g, "runtime");
        push(&mut g.container()["env"], json!({"name": "PINHOLE_HEALTH_RUNTIME", "value": "optional"}));
    }),
    case("the socket as a file", ALL, "PIN-RUN-004", Warn, |g| {
        let socket = |directory: &Value| {
            let directory = directory.as_str().unwrap();
            let name = if directory.contains("crio") { "crio.sock" } else { "containerd.sock" };
            json!(format!("{directory}/{name}"))
        };
        let at = socket(&mount(g, "runtime")["mountPath"]);
        mount(g, "runtime")["mountPath"] = at.clone();
        volume(g, "runtime")["hostPath"] = json!({"path": at, "type": "Socket"});
    }),
    case("the socket as a subPath", AKS, "PIN-RUN-004", Warn, |g| {
        mount(g, "runtime")["mountPath"] = json!("/run/containerd/containerd.sock");
        mount(g, "runtime")["subPath"] = json!("containerd.sock");
    }),
    case("memory for half the kernel side", ALL, "PIN-BPF-003", Fail, |g| g.container()["resources"]["limits"]["memory"] = json!("16Mi")),
    case("memory that is short", ALL, "PIN-BPF-003", Warn, |g| g.container()["resources"]["limits"]["memory"] = json!("72Mi")),
    case("a ring that the memory does not hold", ALL, "PIN-BPF-003", Fail, |g| {
        push(&mut g.container()["env"], json!({"name": "PINHOLE_CAPTURE_RING_SIZE", "value": "256MiB"}));
    }),
    case("memory in a unit that there is not", AKS, "PIN-BPF-003", Fail, |g| g.container()["resources"]["limits"]["memory"] = json!("128MB")),
];

#[rustfmt::skip]
const SETTINGS: &[Case] = &[
    case("an unknown key in the file", ALL, "PIN-CFG-001", Fail, |g| g.settings("ring_size = \"8MiB\"")),
    case("a key of a section that is misspelt", AKS, "PIN-CFG-001", Fail, |g| g.settings("capture.ring_sise = \"8MiB\"")),
    case("a value outside its limits", AKS, "PIN-CFG-001", Fail, |g| g.settings("capture.ring_size = \"1KiB\"")),
    case("a file that is no TOML", ALL, "PIN-CFG-001", Fail, |g| g.settings("[capture")),
    case("a profile that there is not", AKS, "PIN-CFG-001", Fail, |g| {
        let file = &mut g.object("ConfigMap")["data"]["agent.toml"];
        *file = json!(file.as_str().unwrap().replace("\"aks\"", "\"asks\""));
    }),
    case("an unknown variable", ALL, "PIN-CFG-001", Fail, |g| {
        push(&mut g.container()["env"], json!({"name": "PINHOLE_RING_SIZE", "value": "8MiB"}));
    }),
    case("an unknown variable from a Secret", AKS, "PIN-CFG-001", Fail, |g| {
        push(&mut g.container()["env"], json!({"name": "PINHOLE_TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}));
    }),
    case("a variable with a wrong value", AKS, "PIN-CFG-001", Fail, |g| {
        push(&mut g.container()["env"], json!({"name": "PINHOLE_LOG_TARGET", "value": "syslog"}));
    }),
    case("an unknown flag", ALL, "PIN-CFG-001", Fail, |g| g.container()["args"] = json!(["run", "--ring", "8MiB"])),
    case("a flag with a wrong value", AKS, "PIN-CFG-001", Fail, |g| g.container()["args"] = json!(["run", "--capture-ring-size=1", "--log-level", "info"])),
    case("no name of the node", ALL, "PIN-CFG-004", Warn, |g| g.container()["env"] = json!([])),
    case("a fixed name of the node", ALL, "PIN-CFG-004", Warn, |g| g.container()["env"][0] = json!({"name": "NODE_NAME", "value": "node"})),
    case("the pod's name for the node's", AKS, "PIN-CFG-004", Warn, |g| g.container()["env"][0]["valueFrom"]["fieldRef"]["fieldPath"] = json!("metadata.name")),
    case("a fixed name in the file", AKS, "PIN-CFG-004", Warn, |g| g.settings("node.name = \"node\"")),
    case("another platform's profile in the file", AKS, "PIN-PRF-001", Warn, |g| {
        let file = &mut g.object("ConfigMap")["data"]["agent.toml"];
        *file = json!(file.as_str().unwrap().replace("\"aks\"", "\"eks\""));
    }),
    case("another platform's profile among the arguments", AKS, "PIN-PRF-001", Warn, |g| g.container()["args"] = json!(["run", "--profile", "gke"])),
    case("another platform's profile as a variable", AKS, "PIN-PRF-001", Warn, |g| {
        push(&mut g.container()["env"], json!({"name": "PINHOLE_PROFILE", "value": "eks"}));
    }),
];

#[rustfmt::skip]
const OBJECTS: &[Case] = &[
    case("no DaemonSet", ALL, "PIN-MAN-001", Fail, |g| g.remove("DaemonSet")),
    case("nothing at all", AKS, "PIN-MAN-001", Fail, |g| g.objects.clear()),
    case("a Deployment", ALL, "PIN-MAN-001", Warn, |g| {
        let object = g.object("DaemonSet");
        object["kind"] = json!("Deployment");
        object["spec"]["replicas"] = json!(3);
    }),
    case("two agents", AKS, "PIN-MAN-001", Warn, |g| {
        let mut other = g.object("DaemonSet").clone();
        other["metadata"]["name"] = json!("other");
        g.objects.push(other);
    }).without_patch(),
    case("a namespace that enforces baseline", ALL, "PIN-MAN-002", Fail, |g| {
        g.object("Namespace")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = json!("baseline");
    }),
    case("a namespace without labels", ALL, "PIN-MAN-002", Warn, |g| remove(&mut g.object("Namespace")["metadata"], "labels")),
    case("a level that there is not", AKS, "PIN-MAN-002", Fail, |g| {
        g.object("Namespace")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = json!("privledged");
    }),
    case("no ConfigMap", ALL, "PIN-MAN-003", Warn, |g| g.remove("ConfigMap")),
    case("no service account", ALL, "PIN-MAN-003", Warn, |g| g.remove("ServiceAccount")),
    case("a mount without its volume", ALL, "PIN-MAN-003", Fail, |g| {
        g.pod()["volumes"].as_array_mut().unwrap().retain(|volume| volume["name"] != "run");
    }),
    case("a mount of the socket without its volume", ALL, "PIN-MAN-003", Fail, |g| {
        g.pod()["volumes"].as_array_mut().unwrap().retain(|volume| volume["name"] != "runtime");
    }),
    case("a mount of something unknown", AKS, "PIN-MAN-003", Fail, |g| push(&mut g.container()["volumeMounts"], json!({"name": "x", "mountPath": "/x"}))),
    case("liveness asks what there is not", ALL, "PIN-MAN-005", Fail, |g| g.container()["livenessProbe"]["httpGet"]["path"] = json!("/healthz")),
    case("liveness asks for readiness", AKS, "PIN-MAN-005", Warn, |g| g.container()["livenessProbe"]["httpGet"]["path"] = json!("/readyz")),
    case("no readiness probe", AKS, "PIN-MAN-005", Warn, |g| remove(g.container(), "readinessProbe")),
    case("another port", ALL, "PIN-MAN-005", Fail, |g| g.container()["ports"][0]["containerPort"] = json!(8080)),
    case("a port without a name", AKS, "PIN-MAN-005", Fail, |g| g.container()["readinessProbe"]["httpGet"]["port"] = json!("http")),
    case("nobody listens", ALL, "PIN-MAN-005", Fail, |g| {
        let file = &mut g.object("ConfigMap")["data"]["agent.toml"];
        *file = json!(file.as_str().unwrap().replace("listen = ", "# listen = "));
    }),
    case("the agent listens to itself", AKS, "PIN-MAN-005", Fail, |g| {
        let file = &mut g.object("ConfigMap")["data"]["agent.toml"];
        *file = json!(file.as_str().unwrap().replace("0.0.0.0", "127.0.0.1"));
    }),
    case("a probe by gRPC", AKS, "PIN-MAN-005", Fail, |g| g.container()["livenessProbe"] = json!({"grpc": {"port": 9467}})),
];

fn scc(given: &mut Given) -> &mut Value {
    given.object("SecurityContextConstraints")
}

#[rustfmt::skip]
const CONSTRAINTS: &[Case] = &[
    case("no constraints", OPENSHIFT, "PIN-SCC-001", Warn, |g| g.remove("SecurityContextConstraints")),
    case("nobody may use them", OPENSHIFT, "PIN-SCC-001", Fail, |g| g.remove("RoleBinding")),
    case("constraints without BPF", OPENSHIFT, "PIN-SCC-001", Fail, |g| scc(g)["allowedCapabilities"] = json!(["PERFMON"])),
    case("constraints without capabilities", OPENSHIFT, "PIN-SCC-001", Fail, |g| scc(g)["allowedCapabilities"] = Value::Null),
    case("constraints that drop BPF", OPENSHIFT, "PIN-SCC-001", Fail, |g| scc(g)["requiredDropCapabilities"] = json!(["ALL", "BPF"])),
    case("constraints without hostPath", OPENSHIFT, "PIN-SCC-001", Fail, |g| scc(g)["allowHostDirVolumePlugin"] = json!(false)),
    case("constraints without emptyDir", OPENSHIFT, "PIN-SCC-001", Fail, |g| scc(g)["volumes"] = json!(["configMap", "hostPath"])),
    case("constraints for another user", OPENSHIFT, "PIN-SCC-001", Fail, |g| scc(g)["runAsUser"]["uid"] = json!(1000)),
    case("constraints for the namespace's users", OPENSHIFT, "PIN-SCC-001", Fail, |g| scc(g)["runAsUser"] = json!({"type": "MustRunAsRange"})),
    case("constraints for another group", OPENSHIFT, "PIN-SCC-001", Fail, |g| scc(g)["supplementalGroups"]["ranges"] = json!([{"min": 1, "max": 9}])),
    case("constraints for another type", OPENSHIFT, "PIN-SCC-001", Fail, |g| scc(g)["seLinuxContext"]["seLinuxOptions"]["type"] = json!("container_t")),
    case("constraints for another level", OPENSHIFT, "PIN-SCC-001", Fail, |g| remove(&mut scc(g)["seLinuxContext"]["seLinuxOptions"], "level")),
    case("constraints without the seccomp profile", OPENSHIFT, "PIN-SCC-001", Fail, |g| scc(g)["seccompProfiles"] = json!(["runtime/default"])),
    case("privileged containers", OPENSHIFT, "PIN-SCC-002", Warn, |g| scc(g)["allowPrivilegedContainer"] = json!(true)),
    case("escalation where nothing is said", OPENSHIFT, "PIN-SCC-002", Warn, |g| remove(scc(g), "allowPrivilegeEscalation")),
    case("the host's network", OPENSHIFT, "PIN-SCC-002", Warn, |g| scc(g)["allowHostNetwork"] = json!(true)),
    case("one capability more", OPENSHIFT, "PIN-SCC-002", Warn, |g| push(&mut scc(g)["allowedCapabilities"], json!("SYS_PTRACE"))),
    case("every capability", OPENSHIFT, "PIN-SCC-002", Warn, |g| scc(g)["allowedCapabilities"] = json!(["*"])),
    case("nothing to drop", OPENSHIFT, "PIN-SCC-002", Warn, |g| scc(g)["requiredDropCapabilities"] = json!([])),
    case("every volume", OPENSHIFT, "PIN-SCC-002", Warn, |g| scc(g)["volumes"] = json!(["*"])),
    case("any user", OPENSHIFT, "PIN-SCC-002", Warn, |g| scc(g)["runAsUser"] = json!({"type": "RunAsAny"})),
    case("any label", OPENSHIFT, "PIN-SCC-002", Warn, |g| scc(g)["seLinuxContext"] = json!({"type": "RunAsAny"})),
    case("any group", OPENSHIFT, "PIN-SCC-002", Warn, |g| {
        scc(g)["supplementalGroups"] = json!({"type": "RunAsAny"});
        scc(g)["fsGroup"] = json!({"type": "RunAsAny"});
    }),
    case("every seccomp profile", OPENSHIFT, "PIN-SCC-002", Warn, |g| scc(g)["seccompProfiles"] = json!(["*"])),
    case("no seccomp profile", OPENSHIFT, "PIN-SCC-002", Warn, |g| push(&mut scc(g)["seccompProfiles"], json!("unconfined"))),
    case("a writable root for all", OPENSHIFT, "PIN-SCC-002", Warn, |g| scc(g)["readOnlyRootFilesystem"] = json!(false)),
    case("everybody", OPENSHIFT, "PIN-SCC-002", Warn, |g| scc(g)["groups"] = json!(["system:authenticated"])),
];

/// The agent's profile without some calls.
fn without(given: &mut Given, gone: &[&str]) {
    let mut profile: Value = serde_json::from_str(AGENT_SETUP).unwrap();
    for entry in profile["syscalls"].as_array_mut().unwrap() {
        entry["names"]
            .as_array_mut()
            .unwrap()
            .retain(|name| !gone.contains(&name.as_str().unwrap()));
    }
    given.seccomp = Some(profile);
}

#[rustfmt::skip]
const SECCOMP: &[Case] = &[
    case("a profile without bpf", ALL, "PIN-SEC-003", Fail, |g| without(g, &["bpf"])),
    case("a profile without sockets", AKS, "PIN-SEC-003", Fail, |g| without(g, &["socket", "clone3"])),
    case("a profile that refuses bpf by name", AKS, "PIN-SEC-003", Fail, |g| {
        without(g, &["bpf"]);
        push(&mut g.seccomp.as_mut().unwrap()["syscalls"], json!({"names": ["ptrace", "bpf"], "action": "SCMP_ACT_KILL_PROCESS"}));
    }),
    case("a profile of before Landlock", AKS, "PIN-SEC-003", Warn, |g| {
        without(g, &["landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"]);
    }),
    case("the agent's own second filter", AKS, "PIN-SEC-003", Fail, |g| {
        g.seccomp = Some(serde_json::from_str(crate::privilege::seccomp::AGENT_RUN).unwrap());
    }),
    case("a profile with ptrace and mount", ALL, "PIN-SEC-004", Warn, |g| {
        without(g, &[]);
        push(&mut g.seccomp.as_mut().unwrap()["syscalls"], json!({"names": ["ptrace", "umask", "mount"], "action": "SCMP_ACT_ALLOW"}));
    }),
    case("a profile that only forbids", AKS, "PIN-SEC-004", Warn, |g| {
        g.seccomp = Some(json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["ptrace"], "action": "SCMP_ACT_ERRNO"}]}));
    }),
];

impl Case {
    const fn without_patch(self) -> Self {
        Self {
            unpatched: true,
            ..self
        }
    }
}
