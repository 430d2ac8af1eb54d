use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use bytesize::ByteSize;
use proptest::prelude::*;

use super::*;
use crate::config::settings::{EventClass, RuntimeNeed};

/// A root directory with the default file holding `text`, if any.
fn root(text: Option<&str>) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    if let Some(text) = text {
        fs::create_dir_all(root.path().join("etc/pinhole")).unwrap();
        fs::write(root.path().join("etc/pinhole/agent.toml"), text).unwrap();
    }
    root
}

fn try_load(
    file: Option<&str>,
    environment: &[(&str, &str)],
    flags: &[(&'static str, &[&str])],
) -> Result<Loaded, Error> {
    let root = root(file);
    let sources = Sources {
        environment: environment
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect(),
        root: root.path().to_owned(),
        facts: platform::Facts::default(),
    };
    let values = flags
        .iter()
        .map(|(key, values)| (*key, values.iter().map(ToString::to_string).collect()))
        .collect();
    load(&Overrides { config: None, values }, &sources)
}

fn message(file: Option<&str>, environment: &[(&str, &str)], flags: &[(&'static str, &[&str])]) -> String {
    try_load(file, environment, flags).unwrap_err().to_string()
}

/// What holds where nothing is given: the profile of a host outside Kubernetes sets one thing.
fn standalone() -> Settings {
    let mut settings = Settings::default();
    settings.health.runtime = RuntimeNeed::Optional;
    settings
}

#[test]
fn nothing_given_means_the_defaults_and_the_detected_profile() {
    let loaded = try_load(None, &[("PATH", "/bin"), ("HOME", "/")], &[]).unwrap();
    assert_eq!(loaded.settings, standalone());
    assert_eq!(loaded.file, None);
    assert_eq!(loaded.profile.name, "standalone");
    assert_eq!(loaded.profile.source, "detected");
    assert!(!loaded.profile.detection.evidence.is_empty());
    assert_eq!(loaded.origins.len(), KEYS.len());
    for (key, origin) in &loaded.origins {
        let expected = match &**key {
            "health.runtime" => "profile standalone",
            _ => DEFAULT_ORIGIN,
        };
        assert_eq!(origin, expected, "{key}");
    }
}

#[test]
fn each_layer_overrides_the_one_below() {
    let file = "profile = 'openshift'\n[capture]\nring_size = '32MiB'\nbatch = '5ms'\nprocesses = 1000\n";
    let environment = [("PINHOLE_CAPTURE_BATCH", "6ms"), ("PINHOLE_CAPTURE_PROCESSES", "2000")];
    let loaded = try_load(Some(file), &environment, &[("capture.processes", &["3000"])]).unwrap();
    let capture = &loaded.settings.capture;
    assert_eq!(loaded.settings.runtime.socket, [PathBuf::from("/run/crio/crio.sock")]);
    assert_eq!(capture.ring_size, ByteSize::mib(32));
    assert_eq!(capture.batch.as_millis(), 6);
    assert_eq!(capture.processes, 3000);
    let origin = |key: &str| loaded.origins[key].clone();
    assert_eq!(origin("runtime.cache_size"), DEFAULT_ORIGIN);
    assert_eq!(origin("runtime.socket"), "profile openshift");
    assert!(origin("capture.ring_size").starts_with("file ") && origin("capture.ring_size").ends_with("agent.toml"));
    assert_eq!(origin("capture.batch"), "environment variable PINHOLE_CAPTURE_BATCH");
    assert_eq!(origin("capture.processes"), "flag --capture-processes");
    assert_eq!(loaded.profile.name, "openshift");
    assert!(loaded.profile.source.starts_with("file "), "{:?}", loaded.profile);
    assert!(loaded.file.is_some());
}

#[test]
fn the_highest_layer_that_names_a_profile_chooses_it() {
    let environment = [("PINHOLE_PROFILE", "aks")];
    let loaded = try_load(Some("profile = 'openshift'"), &environment, &[]).unwrap();
    assert_eq!(
        (loaded.profile.name, loaded.profile.source.as_str()),
        ("aks", "environment variable PINHOLE_PROFILE")
    );
    let loaded = try_load(Some("profile = 'openshift'"), &environment, &[("profile", &["auto"])]).unwrap();
    assert_eq!(
        (loaded.profile.name, loaded.profile.source.as_str()),
        ("standalone", "detected")
    );
}

#[test]
fn every_setting_can_be_set_by_file_variable_and_flag() {
    for key in KEYS {
        // A value of the right type that is not the default, and that no profile sets.
        let text = match (key.name, key.default()) {
            ("profile", _) => "generic",
            ("events", _) => "module,network",
            ("delivery.syslog.facility", _) => "17",
            ("delivery.syslog.target", _) => "udp://h:514",
            ("delivery.patience", _) => "7ms",
            (_, serde_json::Value::Object(_)) => "name=value",
            (name, _) if name.starts_with("delivery.") && key.value_name == "SIZE" => "5.0 MiB",
            (name, _) if name.starts_with("delivery.") && key.value_name == "TIME" => "7m",
            (name, _) if name.ends_with(".priority") => "error",
            (_, serde_json::Value::Number(_)) => "4242",
            ("capture.ring_size" | "record.limit", _) => "4.0 MiB",
            ("rules.priority", _) => "error",
            ("capture.batch" | "runtime.call_timeout" | "runtime.lookup_budget", _) => "7ms",
            ("loss.threshold" | "runtime.wait_share" | "health.loss", _) => "2.5%",
            ("loss.interval" | "health.canary" | "health.loss_window" | "health.stall", _) => "7m",
            ("health.listen", _) => "[::1]:9467",
            ("health.runtime", _) => "required",
            ("log.level", _) => "debug",
            _ => key.choices.last().copied().unwrap_or("/some/where"),
        };
        let toml = match key.default() {
            serde_json::Value::Number(_) | serde_json::Value::Bool(_) => text.to_owned(),
            serde_json::Value::Array(_) => {
                format!(
                    "[{}]",
                    text.split(',')
                        .map(|item| format!("{item:?}"))
                        .collect::<Vec<_>>()
                        .join(",")
                )
            }
            serde_json::Value::Object(_) => "{name = 'value'}".to_owned(),
            _ => format!("{text:?}"),
        };
        // What else a channel needs.
        let more = match key.name {
            "delivery.http.enabled" => Some(("PINHOLE_DELIVERY_HTTP_URL", "http://h/")),
            "delivery.otlp.enabled" => Some(("PINHOLE_DELIVERY_OTLP_URL", "http://h/")),
            "delivery.program.enabled" => Some(("PINHOLE_DELIVERY_PROGRAM_COMMAND", "/bin/cat")),
            _ => None,
        };
        let more: Vec<_> = more.into_iter().collect();
        let by_file = try_load(Some(&format!("{} = {toml}", key.name)), &more, &[]).unwrap();
        let by_variable = try_load(None, &[&more[..], &[(&key.variable(), text)]].concat(), &[]).unwrap();
        let by_flag = try_load(None, &more, &[(key.name, &[text])]).unwrap();
        assert_eq!(by_file.settings, by_variable.settings, "{}", key.name);
        assert_eq!(by_file.settings, by_flag.settings, "{}", key.name);
        assert_ne!(by_file.settings, standalone(), "{}", key.name);
        assert_eq!(by_flag.origins[key.name], format!("flag --{}", key.flag));
    }
}

#[test]
fn what_is_neither_true_nor_false_is_refused_wherever_it_stands() {
    for value in ["yes", "1", "True", ""] {
        let file = format!("metadata.mounts = {value:?}");
        let results = [
            try_load(Some(&file), &[], &[]),
            try_load(None, &[("PINHOLE_METADATA_MOUNTS", value)], &[]),
            try_load(None, &[], &[("metadata.mounts", &[value])]),
        ];
        for result in results {
            let message = result.unwrap_err().to_string();
            assert!(
                message.contains("metadata.mounts") && message.contains("true or false"),
                "{message}"
            );
        }
    }
}

#[test]
fn lists_in_text_split_at_commas_and_flags_repeat() {
    let loaded = try_load(None, &[("PINHOLE_RUNTIME_SOCKET", "/a, /b")], &[]).unwrap();
    assert_eq!(
        loaded.settings.runtime.socket,
        [PathBuf::from("/a"), PathBuf::from("/b")]
    );
    let loaded = try_load(
        Some("runtime.socket = ['/x']"),
        &[],
        &[("runtime.socket", &["/a", "/b,/c"])],
    )
    .unwrap();
    assert_eq!(loaded.settings.runtime.socket, ["/a", "/b", "/c"].map(PathBuf::from));
    let loaded = try_load(Some("profile = 'aks'"), &[("PINHOLE_RUNTIME_SOCKET", "")], &[]).unwrap();
    assert!(loaded.settings.runtime.socket.is_empty(), "the well-known paths again");
    let loaded = try_load(
        Some("runtime.socket = ['unix:///x']"),
        &[],
        &[("runtime.socket", &["unix:///a,/b"])],
    )
    .unwrap();
    assert_eq!(loaded.settings.runtime.socket, ["/a", "/b"].map(PathBuf::from));
    let loaded = try_load(None, &[("PINHOLE_EVENTS", "none")], &[]).unwrap();
    assert_eq!(loaded.settings.events, [EventClass::None]);
}

#[test]
fn the_node_name_of_the_downward_api_is_below_the_file() {
    let variables = [("NODE_NAME", "node-7")];
    let loaded = try_load(None, &variables, &[]).unwrap();
    assert_eq!(loaded.settings.node.name.as_deref(), Some("node-7"));
    assert_eq!(loaded.origins["node.name"], "environment variable NODE_NAME");
    let loaded = try_load(Some("[node]\nname = 'other'"), &variables, &[]).unwrap();
    assert_eq!(loaded.settings.node.name.as_deref(), Some("other"));
    assert_eq!(
        try_load(None, &[("NODE_NAME", "")], &[]).unwrap().settings.node.name,
        None
    );
}

#[test]
fn unknown_keys_are_named_with_the_nearest() {
    let text = message(Some("[capture]\nringsize = '8MiB'"), &[], &[]);
    assert!(
        text.starts_with("unknown key capture.ringsize in file ") && text.contains("agent.toml"),
        "{text}"
    );
    assert!(text.ends_with("; did you mean capture.ring_size?"), "{text}");
    let text = message(Some("[kitchen]\nsink = 1"), &[], &[]);
    assert!(
        text.starts_with("unknown key kitchen in file ") && !text.contains("did you mean"),
        "{text}"
    );
    let text = message(Some("log = 'info'"), &[], &[]);
    assert!(
        text.contains("log in file") && text.contains("write [log] and its keys below"),
        "{text}"
    );
}

#[test]
fn unknown_variables_are_named_with_the_nearest() {
    assert_eq!(
        message(None, &[("PINHOLE_RUNTIME_SOKET", "/x")], &[]),
        "unknown environment variable PINHOLE_RUNTIME_SOKET; did you mean PINHOLE_RUNTIME_SOCKET?"
    );
    assert_eq!(
        message(None, &[("PINHOLE_", "")], &[]),
        "unknown environment variable PINHOLE_"
    );
}

#[test]
fn variables_of_a_service_with_our_name_are_not_ours() {
    let variables = [
        ("PINHOLE_AGENT_SERVICE_HOST", "10.0.0.7"),
        ("PINHOLE_AGENT_SERVICE_PORT_METRICS", "9090"),
        ("PINHOLE_AGENT_PORT", "tcp://10.0.0.7:9090"),
        ("PINHOLE_AGENT_PORT_9090_TCP_ADDR", "10.0.0.7"),
        ("PINHOLE_PORT_9090_TCP", "tcp://10.0.0.7:9090"),
    ];
    assert_eq!(try_load(None, &variables, &[]).unwrap().settings, standalone());
}

#[test]
fn bad_values_name_key_value_source_and_what_is_allowed() {
    let file = |text| message(Some(text), &[], &[]);
    for (text, parts) in [
        (
            file("capture.processes = 'many'"),
            [
                "capture.processes = \"many\" from file",
                "expected u32",
                "256 to 4194304",
            ],
        ),
        (
            file("capture.processes = -1"),
            ["capture.processes = -1 from file", "-1", "256 to 4194304"],
        ),
        (
            file("events = ['process', 'teapot']"),
            ["events = [\"process\",\"teapot\"] from file", "teapot", "network"],
        ),
        (
            file("log.level = 3"),
            ["log.level = 3 from file", "expected a string", "debug"],
        ),
        (
            file("profile = 3"),
            ["profile = 3 from file", "expected a string", "openshift"],
        ),
        (
            message(None, &[("PINHOLE_CAPTURE_BACKEND", "kprobe")], &[]),
            [
                "capture.backend = \"kprobe\" from environment variable PINHOLE_CAPTURE_BACKEND",
                "kprobe",
                "dispatcher",
            ],
        ),
        (
            message(None, &[("PINHOLE_CAPTURE_RING_SIZE", "lots")], &[]),
            [
                "capture.ring_size = \"lots\" from environment variable",
                "lots",
                "for example 8MiB",
            ],
        ),
        (
            message(None, &[], &[("runtime.call_timeout", &["5 parsecs"])]),
            [
                "runtime.call_timeout = \"5 parsecs\" from flag --runtime-call-timeout",
                "unknown time unit",
                "500ms",
            ],
        ),
        (
            message(None, &[], &[("capture.ring_size", &["2GiB"])]),
            [
                "capture.ring_size = \"2GiB\" from flag --capture-ring-size",
                "too large",
                "64KiB to 1GiB",
            ],
        ),
    ] {
        for part in parts {
            assert!(text.contains(part), "{part:?} is not in {text:?}");
        }
    }
}

#[test]
fn a_bad_flag_is_wrong_usage_and_a_bad_file_is_not() {
    assert!(
        try_load(None, &[], &[("capture.batch", &["x"])])
            .unwrap_err()
            .is_usage()
    );
    assert!(!try_load(Some("capture.batch = 'x'"), &[], &[]).unwrap_err().is_usage());
}

#[test]
fn an_unknown_profile_is_named_with_its_source() {
    let text = message(None, &[("PINHOLE_PROFILE", "rke")], &[]);
    assert!(
        text.contains("environment variable PINHOLE_PROFILE") && text.contains("aks, openshift, eks"),
        "{text}"
    );
}

#[test]
fn unreadable_files_name_path_and_cause() {
    let named = |path: &Path| {
        let overrides = Overrides {
            config: Some(path.to_owned()),
            ..Overrides::default()
        };
        load(
            &overrides,
            &Sources {
                root: PathBuf::from("/nonexistent"),
                ..Sources::default()
            },
        )
        .unwrap_err()
        .to_string()
    };
    let directory = tempfile::tempdir().unwrap();
    let text = named(&directory.path().join("absent.toml"));
    assert!(text.contains("absent.toml") && text.contains("os error 2"), "{text}");
    let text = named(directory.path());
    assert!(text.contains("is not a regular file"), "{text}");
    let large = directory.path().join("large.toml");
    fs::write(&large, vec![b'#'; usize::try_from(MAX_FILE_BYTES).unwrap() + 1]).unwrap();
    assert!(named(&large).contains("larger than 1048576 bytes"));
    let binary = directory.path().join("binary.toml");
    fs::write(&binary, [0xff, 0xfe]).unwrap();
    assert!(named(&binary).contains("utf-8"));
    let broken = directory.path().join("broken.toml");
    fs::write(&broken, "[capture]\nring_size = \n").unwrap();
    let text = named(&broken);
    assert!(
        text.contains("broken.toml is not valid TOML: line 2, column 13: "),
        "{text}"
    );
    fs::write(&broken, "[delivery.http]\nheaders = { Authorization = \"hush }\n").unwrap();
    let text = named(&broken);
    assert!(text.contains("line 2") && !text.contains("hush"), "{text}");
}

#[test]
fn the_file_can_be_named_by_a_variable_and_the_flag_wins() {
    let directory = tempfile::tempdir().unwrap();
    let (by_variable, by_flag) = (directory.path().join("v.toml"), directory.path().join("f.toml"));
    fs::write(&by_variable, "node.name = 'v'").unwrap();
    fs::write(&by_flag, "node.name = 'f'").unwrap();
    let environment = vec![(FILE_VARIABLE.into(), by_variable.clone().into_os_string())];
    let sources = Sources {
        environment,
        root: PathBuf::from("/nonexistent"),
        ..Sources::default()
    };
    let loaded = load(&Overrides::default(), &sources).unwrap();
    assert_eq!(
        (loaded.settings.node.name.as_deref(), loaded.file),
        (Some("v"), Some(by_variable))
    );
    let overrides = Overrides {
        config: Some(by_flag),
        ..Overrides::default()
    };
    assert_eq!(
        load(&overrides, &sources).unwrap().settings.node.name.as_deref(),
        Some("f")
    );
}

#[test]
fn an_empty_variable_names_no_file() {
    let sources = Sources {
        environment: vec![(FILE_VARIABLE.into(), "".into())],
        root: PathBuf::from("/nonexistent"),
        ..Sources::default()
    };
    assert_eq!(load(&Overrides::default(), &sources).unwrap().file, None);
}

#[test]
fn only_a_regular_file_is_read_and_a_fifo_does_not_hold_the_start_up() {
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for path in [fifo, directory.path().to_owned(), PathBuf::from("/dev/zero")] {
        let overrides = Overrides {
            config: Some(path.clone()),
            ..Overrides::default()
        };
        let error = load(&overrides, &Sources::default()).unwrap_err().to_string();
        assert!(
            error.contains("not a regular file") && error.contains(&*path.to_string_lossy()),
            "{error}"
        );
    }
}

#[test]
fn a_variable_that_is_no_text_is_named() {
    let environment = vec![("PINHOLE_NODE_NAME".into(), OsString::from_vec(vec![0xff]))];
    let sources = Sources {
        environment,
        root: PathBuf::from("/nonexistent"),
        ..Sources::default()
    };
    let text = load(&Overrides::default(), &sources).unwrap_err().to_string();
    assert_eq!(text, "environment variable PINHOLE_NODE_NAME is not valid UTF-8");
}

#[test]
fn every_embedded_profile_loads_and_chooses_no_profile_itself() {
    for profile in profile::all().unwrap() {
        let loaded = try_load(None, &[], &[("profile", &[profile.name])]).unwrap();
        assert_eq!(loaded.profile.name, profile.name);
        let layer = Layer::parse(String::new(), profile.settings).unwrap();
        assert!(!layer.dict.contains_key("profile"), "{}", profile.name);
        let differs = loaded
            .origins
            .values()
            .any(|origin| *origin == format!("profile {}", profile.name));
        assert_eq!(differs, !layer.dict.is_empty(), "{}", profile.name);
        // What is set and what is expected are the same socket.
        let expected = profile.platform.expect.socket.iter().map(PathBuf::from);
        assert_eq!(
            loaded.settings.runtime.socket,
            expected.collect::<Vec<_>>(),
            "{}",
            profile.name
        );
    }
}

#[test]
fn a_named_profile_of_another_platform_is_a_mismatch() {
    let load = |name: &str| try_load(None, &[], &[("profile", &[name])]).unwrap().profile;
    assert!(load("standalone").mismatch().is_none());
    let text = load("aks").mismatch().unwrap();
    assert!(
        text.starts_with("the profile is aks, but the platform looks like standalone (likely): "),
        "{text}"
    );
}

proptest! {
    #[test]
    fn no_file_makes_it_panic(text in "(\\[[a-z.]{1,12}\\]\n)?([a-z._]{1,12} ?= ?[-a-z0-9'\"\\[\\],]{0,12}\n){0,4}") {
        let _ = try_load(Some(&text), &[], &[]);
    }

    #[test]
    fn no_value_of_any_variable_makes_it_panic(index in 0..KEYS.len(), value in "\\PC{0,40}") {
        let key = &KEYS[index];
        if let Err(error) = try_load(None, &[(&key.variable(), &value)], &[]) {
            prop_assert!(error.to_string().contains(&key.variable()), "{error}");
        }
    }
}

/// A profile names sockets as the host has them; a path that somebody gave is taken as it is.
#[test]
fn the_host_prefix_goes_before_a_profiles_sockets_only() {
    let prefix = ("PINHOLE_RUNTIME_HOST_PREFIX", "/host");
    let sockets = |file: &str, environment: &[(&str, &str)]| {
        let loaded = try_load(Some(file), environment, &[]).unwrap();
        assert_eq!(loaded.settings.runtime.host_prefix, PathBuf::from("/host"));
        loaded.settings.runtime.socket
    };
    for (profile, socket) in [
        ("aks", "/host/run/containerd/containerd.sock"),
        ("openshift", "/host/run/crio/crio.sock"),
    ] {
        let file = format!("profile = '{profile}'");
        assert_eq!(sockets(&file, &[prefix]), [PathBuf::from(socket)]);
    }
    let given = ("PINHOLE_RUNTIME_SOCKET", "/run/a.sock");
    assert_eq!(
        sockets("profile = 'aks'", &[prefix, given]),
        [PathBuf::from("/run/a.sock")]
    );
    assert!(sockets("profile = 'generic'", &[prefix]).is_empty());
}

#[test]
fn the_profile_is_detected_by_what_lies_below_the_host_prefix() {
    let root = root(Some("[runtime]\nhost_prefix = '/host'\n"));
    fs::create_dir_all(root.path().join("host/etc")).unwrap();
    fs::write(root.path().join("host/etc/os-release"), "ID=rhcos\n").unwrap();
    let facts = platform::Facts {
        kubernetes_service_host: Some("10.0.0.1".to_owned()),
        ..platform::Facts::default()
    };
    let sources = Sources {
        environment: Vec::new(),
        root: root.path().to_owned(),
        facts,
    };
    let loaded = load(&Overrides::default(), &sources).unwrap();
    assert_eq!(loaded.profile.name, "openshift");
    assert_eq!(
        loaded.settings.runtime.socket,
        [PathBuf::from("/host/run/crio/crio.sock")]
    );
}

#[test]
fn mistakes_in_delivery_name_the_key_and_secrets_are_not_repeated() {
    let file = "rules.files = ['/r']\ndelivery.stdout = false\n";
    let text = message(Some(file), &[], &[]);
    assert!(
        text.contains("delivery.stdout = false") && text.contains("go nowhere"),
        "{text}"
    );
    for url in ["ftp://x/hush", "https://hush:hush@x/", "hush"] {
        let text = message(
            Some(&format!("[delivery.http]\nenabled = true\nurl = '{url}'\n")),
            &[],
            &[],
        );
        assert!(text.contains("delivery.http.url") && !text.contains("hush"), "{text}");
    }
    let file = "[delivery.http]\nenabled = true\nurl = 'http://h/'\n[delivery.http.headers]\nAuthorization = \"hush\\u0001\"\n";
    let text = message(Some(file), &[], &[]);
    assert!(
        text.contains("delivery.http.headers") && !text.contains("hush"),
        "{text}"
    );
    let text = message(None, &[("PINHOLE_DELIVERY_HTTP_HEADERS", "hush")], &[]);
    assert!(
        text.contains("PINHOLE_DELIVERY_HTTP_HEADERS") && !text.contains("hush"),
        "{text}"
    );
    let loaded = try_load(None, &[("PINHOLE_DELIVERY_HTTP_HEADERS", "A=hush, B = x=y")], &[]).unwrap();
    let headers = &loaded.settings.delivery.http.headers;
    assert_eq!((headers["A"].expose(), headers["B"].expose()), ("hush", "x=y"));
    let told = crate::config::effective(&loaded);
    let told = told.iter().find(|it| it.key == "delivery.http.headers").unwrap();
    assert_eq!(told.value, r#"{"A" = "(secret)", "B" = "(secret)"}"#);
    let loaded = try_load(
        None,
        &[("PINHOLE_DELIVERY_HTTP_URL", "https://h:1/hooks/hush?t=hush")],
        &[],
    )
    .unwrap();
    let told = crate::config::effective(&loaded);
    let told = told.iter().find(|it| it.key == "delivery.http.url").unwrap();
    assert_eq!(told.value, r#""https://h:1/…""#);
}

/// Every limit of the crate that delivers has a row here, by which it is told.
#[test]
fn limits_of_delivery_are_told_by_their_keys() {
    let mut settings = standalone();
    settings.delivery.limit.burst = 0;
    assert_eq!(validate(&settings).unwrap_err().key, "delivery.limit.burst");
}
