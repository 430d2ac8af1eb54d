use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use super::*;
use crate::container::testing::{Answer, Behaviour, Fake, fixture, settings};

const VERSION: &str = "/runtime.v1.RuntimeService/Version";
const OLD_VERSION: &str = "/runtime.v1alpha2.RuntimeService/Version";

fn state(socket: &Path) -> State {
    let mut candidates = probe(&settings(&[socket])).unwrap();
    assert_eq!(candidates.len(), 1);
    let candidate = candidates.remove(0);
    assert_eq!(candidate.socket, socket);
    assert_eq!(candidate.origin, Origin::Configured);
    candidate.state
}

#[test]
fn a_runtime_answers_with_its_name() {
    let dir = TempDir::new().unwrap();
    for (folder, name, version) in [
        ("containerd-1.6.20", "containerd", "1.6.20~ds1"),
        ("cri-o-1.36.3", "cri-o", "1.36.3"),
    ] {
        let fake = Fake::recorded(&dir.path().join(folder), folder);
        let expected = State::Answers {
            name: name.into(),
            version: version.into(),
            api: cri::Api::V1,
        };
        assert_eq!(state(fake.socket()), expected);
    }
}

#[test]
fn the_old_api_is_used_where_the_new_one_is_missing() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::start(&dir.path().join("socket"), Behaviour::Serve);
    fake.default(
        OLD_VERSION,
        Answer::Message(fixture("containerd-1.4.13", "Version.bin")),
    );
    let State::Answers { name, api, .. } = state(fake.socket()) else {
        panic!("no answer")
    };
    assert_eq!((name.as_str(), api), ("containerd", cri::Api::V1Alpha2));
    assert_eq!(fake.calls("Version"), 2);
}

#[test]
fn each_way_to_fail_has_its_class() {
    let dir = TempDir::new().unwrap();
    let path = |name: &str| dir.path().join(name);

    let State::Absent { error } = state(&path("nothing")) else {
        panic!("not absent")
    };
    assert_eq!(error, "ENOENT: No such file or directory");

    std::fs::write(path("file"), "").unwrap();
    assert_eq!(state(&path("file")), State::NotASocket);
    let below_file = state(&path("file/socket"));
    assert!(
        matches!(&below_file, State::Absent { error } if error.starts_with("ENOTDIR")),
        "{below_file:?}"
    );

    // The listener is gone, its file stays.
    drop(UnixListener::bind(path("stale")).unwrap());
    let State::Refused { error } = state(&path("stale")) else {
        panic!("not refused")
    };
    assert_eq!(error, "ECONNREFUSED: Connection refused");

    let long = path(&"x".repeat(200));
    assert!(
        matches!(state(&long), State::Refused { .. }),
        "a path that no socket address can hold"
    );

    let silent = Fake::start(&path("silent"), Behaviour::Silent);
    assert_eq!(state(silent.socket()), State::Timeout);

    for (name, bytes) in [
        (
            "http",
            b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".as_slice(),
        ),
        ("zeros", &[0; 64]),
        (
            "noise",
            b"\xff\xfe\xfd\xfc garbage that is no frame of HTTP/2 at all, and long enough to be read as one",
        ),
        ("closed", b""),
    ] {
        let garbage = Fake::start(&path(name), Behaviour::Garbage(bytes));
        let seen = state(garbage.socket());
        assert!(matches!(seen, State::NotGrpc { .. }), "{name}: {seen:?}");
    }

    let foreign = Fake::start(&path("foreign"), Behaviour::Serve);
    assert_eq!(state(foreign.socket()), State::CriUnimplemented { containerd: None });

    let docker = Fake::start(&path("docker"), Behaviour::Serve);
    let version = containerd_client::services::v1::VersionResponse {
        version: "1.7.24".into(),
        ..Default::default()
    };
    let version = prost::Message::encode_to_vec(&version);
    docker.default(
        "/containerd.services.version.v1.Version/Version",
        Answer::Message(version),
    );
    assert_eq!(
        state(docker.socket()),
        State::CriUnimplemented {
            containerd: Some("1.7.24".into())
        }
    );

    let starting = Fake::start(&path("starting"), Behaviour::Serve);
    starting.default(
        VERSION,
        Answer::Status(tonic::Code::Unknown, "server is not initialized yet"),
    );
    let expected = State::Failing {
        error: "Unknown: server is not initialized yet".into(),
    };
    assert_eq!(state(starting.socket()), expected);

    let hung = Fake::start(&path("hung"), Behaviour::Serve);
    hung.default(VERSION, Answer::Never);
    assert_eq!(state(hung.socket()), State::Timeout);
}

/// A real EACCES: the file system identity of this thread alone is changed, which takes its right to override modes.
#[test]
fn a_socket_that_may_not_be_used_says_permission() {
    let dir = TempDir::new().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let fake = Fake::recorded(&dir.path().join("socket"), "containerd-1.6.20");
    std::fs::set_permissions(fake.socket(), std::fs::Permissions::from_mode(0o600)).unwrap();
    let socket = fake.socket().to_owned();
    let seen = Arc::new(Mutex::new(None));
    let result = Arc::clone(&seen);
    std::thread::spawn(move || {
        if nix::unistd::geteuid().is_root() {
            nix::unistd::setfsuid(nix::unistd::Uid::from_raw(65532));
        } else {
            std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o000)).unwrap();
        }
        *result.lock().unwrap() = Some(state(&socket));
    })
    .join()
    .unwrap();
    let expected = State::Permission {
        error: "EACCES: Permission denied".into(),
    };
    assert_eq!(seen.lock().unwrap().take(), Some(expected));
    assert_eq!(fake.calls("Version"), 0);
}

#[test]
fn every_errno_of_connect_is_classified() {
    for (errno, class, reason) in [
        (Errno::ENOENT, "absent", Reason::NoRuntimeSocket),
        (Errno::ENOTDIR, "absent", Reason::NoRuntimeSocket),
        (Errno::EACCES, "permission", Reason::SocketPermission),
        (Errno::EPERM, "permission", Reason::SocketPermission),
        (Errno::ECONNREFUSED, "refused", Reason::SocketRefused),
        (Errno::EAGAIN, "timeout", Reason::RuntimeTimeout),
        (Errno::EPROTOTYPE, "refused", Reason::SocketRefused),
    ] {
        let source = io::Error::from_raw_os_error(errno as i32);
        let error = CallError::Connect {
            socket: "/run/x.sock".into(),
            source,
        };
        let state = State::from(&error);
        assert_eq!((state.as_str(), state.reason()), (class, Some(reason)), "{errno}");
        assert_eq!(error.reason(), reason, "{errno}");
    }
}

/// The candidates below a directory, and what the variable says.
fn below_dir(dir: &Path, endpoint: Option<&str>) -> Vec<(PathBuf, Origin)> {
    let mut settings = settings(&[]);
    settings.host_prefix = dir.to_owned();
    sockets_with(&settings, endpoint.map(OsString::from))
}

#[test]
fn well_known_paths_lie_below_the_host_prefix() {
    let dir = TempDir::new().unwrap();
    let found = below_dir(dir.path(), None);
    assert_eq!(found.len(), WELL_KNOWN.len());
    for ((socket, origin), place) in found.iter().zip(WELL_KNOWN) {
        assert_eq!(*socket, dir.path().join(&place.socket[1..]));
        assert_eq!(*origin, Origin::WellKnown(place.product));
    }
    assert_eq!(below(Path::new(""), "/run/x.sock"), Path::new("/run/x.sock"));
}

#[test]
fn one_socket_under_two_names_is_one_candidate() {
    let dir = TempDir::new().unwrap();
    for folder in ["run/containerd", "run/k3s/containerd"] {
        std::fs::create_dir_all(dir.path().join(folder)).unwrap();
    }
    let _listener = UnixListener::bind(dir.path().join("run/containerd/containerd.sock")).unwrap();
    std::os::unix::fs::symlink(
        "../../containerd/containerd.sock",
        dir.path().join("run/k3s/containerd/containerd.sock"),
    )
    .unwrap();
    let found = below_dir(dir.path(), None);
    assert_eq!(found.len(), WELL_KNOWN.len() - 1);
    assert!(
        !found
            .iter()
            .any(|(_, origin)| *origin == Origin::WellKnown("k3s, RKE2"))
    );
}

#[test]
fn what_crictl_is_set_to_comes_first_and_once() {
    let dir = TempDir::new().unwrap();
    std::fs::create_dir(dir.path().join("etc")).unwrap();
    let yaml = "runtime-endpoint: unix:///var/run/crio/crio.sock\nimage-endpoint: \"/opt/images.sock\"\n";
    std::fs::write(dir.path().join("etc/crictl.yaml"), yaml).unwrap();
    let found = below_dir(dir.path(), Some("unix:///run/mine.sock"));
    let expected = [
        // The variable is this process's own: no prefix.
        (PathBuf::from("/run/mine.sock"), Origin::CrictlEnvironment),
        // /var/run of a host is /run; and CRI-O's usual place is named already.
        (dir.path().join("run/crio/crio.sock"), Origin::CrictlYaml),
        (dir.path().join("opt/images.sock"), Origin::CrictlYaml),
        (
            dir.path().join("run/containerd/containerd.sock"),
            Origin::WellKnown("containerd"),
        ),
    ];
    assert_eq!(found[..4], expected);
    assert_eq!(found.len(), 3 + WELL_KNOWN.len() - 1);
    let mut settings = settings(&[Path::new("/x")]);
    settings.host_prefix = dir.path().to_owned();
    let only = sockets_with(&settings, Some("/run/mine.sock".into()));
    assert_eq!(only, [(PathBuf::from("/x"), Origin::Configured)]);
}

#[test]
fn a_file_below_no_prefix_is_taken_literally() {
    let path = |text: &str| of_host(Path::new(""), Path::new(text));
    assert_eq!(path("/var/run/crio/crio.sock"), Path::new("/var/run/crio/crio.sock"));
    let path = |text: &str| of_host(Path::new("/host"), Path::new(text));
    assert_eq!(path("/var/runtime/x.sock"), Path::new("/host/var/runtime/x.sock"));
}

#[test]
fn several_runtimes_are_all_reported() {
    let dir = TempDir::new().unwrap();
    let first = Fake::recorded(&dir.path().join("a"), "containerd-1.6.20");
    let second = Fake::recorded(&dir.path().join("b"), "cri-o-1.36.3");
    let absent = dir.path().join("c");
    let classes: Vec<_> = probe(&settings(&[first.socket(), &absent, second.socket()]))
        .unwrap()
        .iter()
        .map(|candidate| candidate.state.as_str())
        .collect();
    assert_eq!(classes, ["answers", "absent", "answers"]);
}

#[test]
fn a_candidate_reads_well_in_json() {
    let state = State::Permission {
        error: "EACCES: Permission denied".into(),
    };
    let origin = Origin::WellKnown("containerd");
    let candidate = Candidate::new(
        "/run/containerd/containerd.sock".into(),
        origin,
        state,
        Evidence::default(),
    );
    let expected = serde_json::json!({
        "socket": "/run/containerd/containerd.sock",
        "origin": {"well_known": "containerd"},
        "protocol": "grpc",
        "state": "permission",
        "error": "EACCES: Permission denied",
    });
    assert_eq!(serde_json::to_value(candidate).unwrap(), expected);
    assert_eq!(serde_json::to_value(Origin::CrictlYaml).unwrap(), "crictl_yaml");
}
