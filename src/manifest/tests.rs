use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::*;
use crate::platform::profile;

mod grants;
mod scc;

/// The profiles that have objects.
fn profiles() -> impl Iterator<Item = &'static str> {
    profile::all()
        .unwrap()
        .iter()
        .filter(|profile| profile.platform.kubernetes.is_some())
        .map(|profile| profile.name)
}

fn objects(profile: &str, options: &Options) -> Vec<Value> {
    let list = as_list(profile, options).unwrap();
    list["items"].as_array().unwrap().clone()
}

fn object(profile: &str, options: &Options, kind: &str) -> Value {
    let found: Vec<Value> = objects(profile, options)
        .into_iter()
        .filter(|object| object["kind"] == kind)
        .collect();
    assert_eq!(found.len(), 1, "{kind} of {profile}");
    found[0].clone()
}

fn pod(profile: &str, options: &Options) -> Value {
    object(profile, options, "DaemonSet")["spec"]["template"]["spec"].clone()
}

fn with(extra: Extra) -> Options {
    Options {
        with: vec![extra],
        ..Options::default()
    }
}

/// `profiles/<name>/manifest.yaml` is what `agent manifest --profile <name>` prints, for people without the binary. With
/// PINHOLE_BLESS in the environment the files are written anew.
#[test]
fn the_manifests_of_the_tree_are_what_is_rendered() {
    for name in profiles() {
        let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "profiles", name, "manifest.yaml"]
            .iter()
            .collect();
        let rendered = render(name, &Options::default()).unwrap();
        if std::env::var_os("PINHOLE_BLESS").is_some() {
            fs::write(&path, &rendered).unwrap();
        }
        let kept = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == rendered,
            "{} is not what is rendered: PINHOLE_BLESS=1 cargo test --lib manifest::",
            path.display()
        );
    }
}

#[test]
fn a_host_outside_kubernetes_has_no_manifest() {
    let error = render("standalone", &Options::default()).unwrap_err();
    assert!(
        error.is_usage() && error.to_string().contains("outside Kubernetes"),
        "{error}"
    );
    assert!(render("rke", &Options::default()).unwrap_err().is_usage());
}

/// The least privileged pod, field by field and nothing beside.
#[test]
fn the_pod_is_the_least_privileged_one_on_every_platform() {
    for name in profiles() {
        let pod = pod(name, &Options::default());
        for namespace in ["hostPID", "hostNetwork", "hostIPC"] {
            assert_eq!(pod[namespace], json!(false), "{name} {namespace}");
        }
        assert_eq!(pod["automountServiceAccountToken"], json!(false));
        assert_eq!(pod["enableServiceLinks"], json!(false));
        let context = &pod["securityContext"];
        assert_eq!(context["runAsUser"], json!(65532));
        assert_eq!(context["runAsGroup"], json!(65532));
        assert_eq!(context["runAsNonRoot"], json!(true));
        assert_eq!(context["supplementalGroups"], json!([0]));
        assert_eq!(context["seccompProfile"], json!({"type": "RuntimeDefault"}));
        assert_eq!(context.get("fsGroup"), None);
        assert_eq!(context.get("sysctls"), None);

        let containers = pod["containers"].as_array().unwrap();
        assert_eq!(containers.len(), 1);
        assert_eq!(pod.get("initContainers"), None);
        let container = &containers[0];
        assert_eq!(container["name"], json!("agent"));
        let mut inner = container["securityContext"].clone();
        if let Some(seccomp) = inner.as_object_mut().unwrap().remove("seccompProfile") {
            let localhost = json!({"type": "Localhost", "localhostProfile": "pinhole/agent-setup.json"});
            assert_eq!(seccomp, localhost, "{name}");
        }
        assert_eq!(
            inner,
            json!({
                "privileged": false,
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": {"drop": ["ALL"], "add": ["BPF", "PERFMON"]},
            }),
            "{name}"
        );

        let volumes = pod["volumes"].as_array().unwrap();
        let of_the_host: Vec<&Value> = volumes
            .iter()
            .filter(|volume| volume.get("hostPath").is_some())
            .collect();
        let directory = &profile::get(name)
            .unwrap()
            .platform
            .kubernetes
            .as_ref()
            .unwrap()
            .runtime_directory;
        assert_eq!(of_the_host.len(), 1, "{name}");
        assert_eq!(
            of_the_host[0]["hostPath"],
            json!({"path": directory, "type": "Directory"})
        );
        let kinds: Vec<&str> = volumes
            .iter()
            .flat_map(|volume| volume.as_object().unwrap().keys())
            .filter(|key| *key != "name")
            .map(String::as_str)
            .collect();
        assert_eq!(kinds, ["hostPath", "configMap", "emptyDir"]);
        for mount in container["volumeMounts"].as_array().unwrap() {
            let writable = mount["name"] == "run";
            assert_eq!(
                mount.get("readOnly"),
                (!writable).then_some(&json!(true)),
                "{name} {mount}"
            );
            assert_eq!(mount.get("mountPropagation"), None);
        }
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            assert_eq!(container[probe]["httpGet"]["port"], json!("health"), "{probe}");
        }
        assert_eq!(container["ports"][0]["containerPort"], json!(HEALTH_PORT));
        assert_eq!(container["ports"][0].get("hostPort"), None);
    }
}

#[test]
fn only_openshift_has_permissions_and_they_are_to_use_its_constraints() {
    let special = [
        "ClusterRole",
        "ClusterRoleBinding",
        "Role",
        "RoleBinding",
        "SecurityContextConstraints",
    ];
    for name in profiles().filter(|name| *name != "openshift") {
        for object in objects(name, &Options::default()) {
            assert!(!special.contains(&object["kind"].as_str().unwrap()), "{name}: {object}");
        }
    }
    let options = Options {
        namespace: "watch".to_owned(),
        ..Options::default()
    };
    let role = object("openshift", &options, "Role");
    assert_eq!(role["metadata"]["namespace"], "watch");
    assert_eq!(
        role["rules"],
        json!([{
            "apiGroups": ["security.openshift.io"],
            "resources": ["securitycontextconstraints"],
            "resourceNames": ["pinhole-agent"],
            "verbs": ["use"],
        }])
    );
    let binding = object("openshift", &options, "RoleBinding");
    assert_eq!(
        binding["subjects"],
        json!([{"kind": "ServiceAccount", "name": "pinhole-agent", "namespace": "watch"}])
    );
}

/// One that is named and absent would leave the pod waiting.
#[test]
fn what_the_pod_names_is_among_the_objects() {
    for name in profiles() {
        let options = Options::default();
        let pod = pod(name, &options);
        let account = object(name, &options, "ServiceAccount");
        assert_eq!(account["metadata"]["name"], pod["serviceAccountName"]);
        assert_eq!(account["automountServiceAccountToken"], json!(false));
        let settings = object(name, &options, "ConfigMap");
        assert_eq!(settings["metadata"]["name"], pod["volumes"][1]["configMap"]["name"]);
        let namespace = object(name, &options, "Namespace");
        for object in objects(name, &options) {
            if let Some(place) = object["metadata"].get("namespace") {
                assert_eq!(place, &namespace["metadata"]["name"], "{name} {}", object["kind"]);
            }
        }
        let set = object(name, &options, "DaemonSet");
        let labels = &set["spec"]["template"]["metadata"]["labels"];
        for (key, value) in set["spec"]["selector"]["matchLabels"].as_object().unwrap() {
            assert_eq!(labels[key], *value);
        }
    }
}

/// The agent itself has to understand what the ConfigMap holds.
#[test]
fn the_settings_load_and_name_the_profile() {
    for name in profiles() {
        for options in [
            Options::default(),
            with(Extra::Bundles),
            Options {
                runtime_socket: Some("/run/k0s/containerd.sock".to_owned()),
                ..Options::default()
            },
        ] {
            let map = object(name, &options, "ConfigMap");
            let text = map["data"]["agent.toml"].as_str().unwrap();
            let settings: Value = toml::from_str(text).unwrap();
            assert_eq!(settings["profile"], name);
            assert_eq!(settings["health"]["listen"], "0.0.0.0:9467");
            let socket = options.runtime_socket.as_ref().map(|socket| json!([socket]));
            assert_eq!(settings["runtime"].get("socket"), socket.as_ref());
        }
    }
}

#[test]
fn rule_files_are_mounted_and_named() {
    let with_rules = Options {
        rules_configmap: Some("pinhole-rules".to_owned()),
        ..Options::default()
    };
    for name in profiles() {
        let map = object(name, &with_rules, "ConfigMap");
        let settings: Value = toml::from_str(map["data"]["agent.toml"].as_str().unwrap()).unwrap();
        let pod = &object(name, &with_rules, "DaemonSet")["spec"]["template"]["spec"];
        let of_rules = |list: &Value| {
            list.as_array()
                .unwrap()
                .iter()
                .find(|it| it["name"] == "rules")
                .cloned()
        };
        let mount = of_rules(&pod["containers"][0]["volumeMounts"]).unwrap();
        assert_eq!(settings["rules"]["files"], json!([mount["mountPath"]]), "{name}");
        assert_eq!(mount["readOnly"], true, "{name}");
        let volume = of_rules(&pod["volumes"]).unwrap();
        assert_eq!(volume["configMap"]["name"], "pinhole-rules", "{name}");
        let without = &object(name, &Options::default(), "DaemonSet")["spec"]["template"]["spec"];
        assert_eq!(of_rules(&without["volumes"]), None, "{name}");
    }
    let bad = Options {
        rules_configmap: Some("Rules {{ user }}".to_owned()),
        ..Options::default()
    };
    let refused = render("generic", &bad);
    assert!(matches!(
        refused,
        Err(Error::Value {
            option: "--rules-configmap",
            ..
        })
    ));
}

#[test]
fn a_receiver_of_alerts_is_let_out_to_and_nobody_else() {
    let options = |url: &str| Options {
        delivery_http_url: Some(url.to_owned()),
        ..Options::default()
    };
    let sidekick = options("http://falcosidekick.falco:2801/");
    for name in profiles() {
        let map = object(name, &sidekick, "ConfigMap");
        let settings: Value = toml::from_str(map["data"]["agent.toml"].as_str().unwrap()).unwrap();
        let http = &settings["delivery"]["http"];
        assert_eq!(
            (&http["enabled"], &http["url"]),
            (&json!(true), &json!("http://falcosidekick.falco:2801/"))
        );
        let egress = &object(name, &sidekick, "NetworkPolicy")["spec"]["egress"];
        let ports = |protocol: &str, port: u16| json!({"protocol": protocol, "port": port});
        let wanted = json!([{"ports": [ports("TCP", 2801)]}, {"ports": [ports("UDP", 53), ports("TCP", 53)]}]);
        assert_eq!(*egress, wanted, "{name}");
        let closed = &object(name, &Options::default(), "NetworkPolicy")["spec"]["egress"];
        assert_eq!(*closed, json!([]), "{name}");
    }
    let port =
        |url: &str| object("generic", &options(url), "NetworkPolicy")["spec"]["egress"][0]["ports"][0]["port"].clone();
    assert_eq!(
        (port("https://h/x?y=z"), port("http://[::1]:9/")),
        (json!(443), json!(9))
    );
    for bad in [
        "",
        "falcosidekick:2801",
        "ftp://h/",
        "http://h/\"\nx: y",
        "http://h/ x",
        "http://user@h/",
        "http://h/{{ user }}",
    ] {
        let refused = render("generic", &options(bad));
        assert!(
            matches!(
                refused,
                Err(Error::Value {
                    option: "--delivery-http-url",
                    ..
                })
            ),
            "{bad:?}"
        );
    }
}

#[test]
fn another_setting_starts_the_agents_anew() {
    let annotation = |options: &Options| {
        object("generic", options, "DaemonSet")["spec"]["template"]["metadata"]["annotations"]["checksum/config"]
            .clone()
    };
    let socket = Options {
        runtime_socket: Some("/run/crio/crio.sock".to_owned()),
        ..Options::default()
    };
    assert_ne!(annotation(&Options::default()), annotation(&socket));
    assert_eq!(annotation(&Options::default()), annotation(&Options::default()));
}

#[test]
fn a_runtime_elsewhere_is_mounted_where_it_is() {
    let options = Options {
        runtime_socket: Some("/run/k0s/containerd.sock".to_owned()),
        ..Options::default()
    };
    let pod = pod("generic", &options);
    assert_eq!(pod["volumes"][0]["hostPath"]["path"], "/run/k0s");
    assert_eq!(pod["containers"][0]["volumeMounts"][0]["mountPath"], "/run/k0s");
}

#[test]
fn bundles_cost_user_0_and_on_crio_a_directory() {
    let containerd = pod("generic", &with(Extra::Bundles));
    assert_eq!(containerd["securityContext"]["runAsUser"], json!(0));
    assert_eq!(containerd["securityContext"]["runAsNonRoot"], json!(false));
    assert_eq!(containerd["volumes"].as_array().unwrap().len(), 3);
    let crio = pod("openshift", &with(Extra::Bundles));
    assert_eq!(
        crio["volumes"][1]["hostPath"]["path"],
        "/run/containers/storage/overlay-containers"
    );
    let bundles = |profile: &str, options: &Options| {
        let map = object(profile, options, "ConfigMap");
        let settings: Value = toml::from_str(map["data"]["agent.toml"].as_str().unwrap()).unwrap();
        settings["runtime"]["bundles"][0].as_str().unwrap().to_owned()
    };
    let options = with(Extra::Bundles);
    assert_eq!(
        bundles("generic", &options),
        "/run/containerd/io.containerd.runtime.v2.task"
    );
    assert_eq!(
        bundles("k3s", &options),
        "/run/k3s/containerd/io.containerd.runtime.v2.task"
    );
    assert_eq!(
        bundles("openshift", &options),
        "/run/containers/storage/overlay-containers"
    );
    let constraints = object("openshift", &options, "SecurityContextConstraints");
    assert_eq!(constraints["runAsUser"], json!({"type": "MustRunAs", "uid": 0}));
}

#[test]
fn memlock_is_one_more_capability() {
    let pod = pod("openshift", &with(Extra::Memlock));
    let add = &pod["containers"][0]["securityContext"]["capabilities"]["add"];
    assert_eq!(*add, json!(["BPF", "PERFMON", "SYS_RESOURCE"]));
    let constraints = object("openshift", &with(Extra::Memlock), "SecurityContextConstraints");
    assert_eq!(constraints["allowedCapabilities"], *add);
}

#[test]
fn choices_arrive() {
    let options = Options {
        image:
            "registry.example/a/pinhole-agent@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
                .to_owned(),
        tolerate: Some(Tolerate::None),
        priority_class: String::new(),
        pull_secrets: vec!["one".to_owned(), "2".to_owned()],
        seccomp: Some(Seccomp::Localhost("operator/pinhole/agent.json".to_owned())),
        apparmor: Some(Apparmor::RuntimeDefault),
        ..Options::default()
    };
    let pod = pod("gke", &options);
    assert_eq!(pod["containers"][0]["image"], options.image);
    assert_eq!(pod.get("tolerations"), None);
    assert_eq!(pod.get("priorityClassName"), None);
    assert_eq!(pod["imagePullSecrets"], json!([{"name": "one"}, {"name": "2"}]));
    assert_eq!(
        pod["securityContext"]["appArmorProfile"],
        json!({"type": "RuntimeDefault"})
    );
    let seccomp = &pod["containers"][0]["securityContext"]["seccompProfile"];
    assert_eq!(seccomp["localhostProfile"], "operator/pinhole/agent.json");
    let quotas = |options: &Options| {
        objects("gke", options)
            .iter()
            .filter(|object| object["kind"] == "ResourceQuota")
            .count()
    };
    assert_eq!((quotas(&options), quotas(&Options::default())), (0, 1));
    let control_plane = Options {
        tolerate: Some(Tolerate::ControlPlane),
        ..Options::default()
    };
    assert_eq!(
        super::tests::pod("generic", &control_plane)["tolerations"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

/// Nothing that is given can end a line, begin a key, or mount what is not the runtime's.
#[test]
fn values_that_cannot_be_are_refused() {
    let changed = |change: fn(&mut Options, String), value: &str| {
        let mut options = Options::default();
        change(&mut options, value.to_owned());
        render("generic", &options)
    };
    let namespace = |value: &str| changed(|options, value| options.namespace = value, value);
    let image = |value: &str| changed(|options, value| options.image = value, value);
    let class = |value: &str| changed(|options, value| options.priority_class = value, value);
    let secret = |value: &str| changed(|options, value| options.pull_secrets = vec![value], value);
    let socket = |value: &str| changed(|options, value| options.runtime_socket = Some(value), value);
    let long = "a".repeat(64);
    for bad in [
        "",
        "Pinhole",
        "a.b",
        "-a",
        "a-",
        "a\nb",
        "a b",
        &long,
        "default",
        "kube-system",
        "openshift",
        "openshift-etcd",
    ] {
        assert!(
            matches!(
                namespace(bad),
                Err(Error::Value {
                    option: "--namespace",
                    ..
                })
            ),
            "{bad:?}"
        );
    }
    for bad in [
        "",
        "a b",
        "a\nb",
        "a\"",
        "{{ user }}",
        "-a",
        "a#b",
        "Registry",
        "a/B/c",
        "a@sha256:0123",
        "a@md5:0123",
        "a/",
    ] {
        assert!(
            matches!(image(bad), Err(Error::Value { option: "--image", .. })),
            "{bad:?}"
        );
    }
    for bad in ["a b", "A", "a..b"] {
        assert!(class(bad).is_err() && secret(bad).is_err(), "{bad:?}");
    }
    assert!(secret("").is_err());
    for bad in [
        "run/a/a.sock",
        "/a.sock",
        "/run/docker.sock",
        "/var/run/docker.sock",
        "/run/../etc/a.sock",
        "/run//a.sock",
        "/run/a b/c.sock",
        "/run/pinhole/agent.sock",
        "",
    ] {
        assert!(
            matches!(
                socket(bad),
                Err(Error::Value {
                    option: "--runtime-socket",
                    ..
                })
            ),
            "{bad:?}"
        );
    }
    for good in ["1234", "true", "null"] {
        let rendered = namespace(good).unwrap();
        let read = as_list(
            "generic",
            &Options {
                namespace: good.to_owned(),
                ..Options::default()
            },
        )
        .unwrap();
        assert_eq!(read["items"][0]["metadata"]["name"], good, "{rendered}");
    }
    assert!(Seccomp::parse("localhost").is_ok() && Seccomp::parse("operator/x.json").is_ok());
    for bad in ["", "unconfined", "/etc/x.json", "../x.json", "a\n.json"] {
        assert!(Seccomp::parse(bad).is_err(), "{bad:?}");
    }
}

/// A template that nobody renders is forgotten.
#[test]
fn every_template_is_used() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/objects");
    let kinds: std::collections::BTreeSet<String> = profiles()
        .flat_map(|name| objects(name, &Options::default()))
        .map(|object| object["kind"].as_str().unwrap().to_lowercase())
        .collect();
    for file in fs::read_dir(directory).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let kind = name.strip_suffix(".yaml").unwrap();
        let kind = if kind == "scc" {
            "securitycontextconstraints"
        } else {
            kind
        };
        assert!(kinds.contains(kind), "{name}");
    }
}
