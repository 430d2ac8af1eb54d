//! Whatever is wrong around the agent, it says so in time: bad configuration ends it with a message and a code, a bad
//! runtime becomes a reason in the events.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::event::{agent, assert_never_silently_null, is_exec};
use crate::lab::agent::{ENDS, Installed};
use crate::lab::containerd::Containerd;
use crate::lab::pod::{Pod, PodSpec};
use crate::lab::turn::Turn;

/// Runs the agent with arguments that it must refuse; gives what it said.
fn refused(installed: &Installed, args: &[&str], environment: &[(&str, &str)], code: i32) -> String {
    let mut command = installed.command(args).unwrap();
    command.envs(environment.iter().copied());
    let started = Instant::now();
    let output: Output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(started.elapsed() < ENDS, "it took {:?}: {said}", started.elapsed());
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    assert!(
        output.stdout.is_empty(),
        "{args:?}: {}",
        String::from_utf8_lossy(&output.stdout)
    );
    assert!(!said.contains("panicked"), "{said}");
    said
}

fn assert_names(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
}

fn with_file(installed: &Installed, text: &str) -> String {
    let path = installed.dir().join("agent.toml");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn an_unknown_key_is_named_with_its_file() {
    let installed = Installed::new(agent()).unwrap();
    let file = with_file(&installed, "[capture]\nring_sise = \"1MiB\"\n");
    let said = refused(&installed, &["run", "--config", &file], &[], 78);
    assert_names(&said, &["ring_sise", "ring_size", &file]);
}

#[test]
fn a_value_of_the_wrong_type_is_named_with_its_file() {
    let installed = Installed::new(agent()).unwrap();
    let file = with_file(&installed, "[runtime]\ncache_size = \"many\"\n");
    let said = refused(&installed, &["run", "--config", &file], &[], 78);
    assert_names(&said, &["runtime.cache_size", "many", &file]);
}

#[test]
fn a_file_that_is_no_toml_is_named() {
    let installed = Installed::new(agent()).unwrap();
    let file = with_file(&installed, "[capture\n");
    let said = refused(&installed, &["run", "--config", &file], &[], 78);
    assert_names(&said, &[&file]);
}

#[test]
fn a_bad_environment_variable_is_named() {
    let installed = Installed::new(agent()).unwrap();
    let said = refused(&installed, &["run"], &[("PINHOLE_RUNTIME_CALL_TIMEOUT", "soon")], 78);
    assert_names(&said, &["PINHOLE_RUNTIME_CALL_TIMEOUT", "soon"]);
}

#[test]
fn an_unreadable_file_is_named_with_the_cause() {
    let installed = Installed::new(agent()).unwrap();
    let file = with_file(&installed, "");
    // Root's own, and the agent is not root.
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let said = refused(&installed, &["run", "--config", &file], &[], 78);
    assert_names(&said, &[&file, "ermission denied"]);
}

#[test]
fn a_missing_file_is_named() {
    let installed = Installed::new(agent()).unwrap();
    let said = refused(&installed, &["run", "--config", "/no/such/agent.toml"], &[], 78);
    assert_names(&said, &["/no/such/agent.toml"]);
}

#[test]
fn an_unknown_profile_is_named_with_the_known_ones() {
    let installed = Installed::new(agent()).unwrap();
    let known = ["no-such-profile", "aks", "openshift"];
    // A wrong word on the command line is a usage error, the same word in the environment a configuration error.
    assert_names(
        &refused(&installed, &["run", "--profile", "no-such-profile"], &[], 64),
        &known,
    );
    let said = refused(&installed, &["run"], &[("PINHOLE_PROFILE", "no-such-profile")], 78);
    assert_names(&said, &known);
    assert_names(&said, &["PINHOLE_PROFILE"]);
}

#[test]
fn an_unknown_flag_is_a_usage_error() {
    let installed = Installed::new(agent()).unwrap();
    let said = refused(&installed, &["run", "--no-such-flag"], &[], 64);
    assert_names(&said, &["--no-such-flag"]);
}

const UID: &str = "9d1c7b52-2f0e-4a43-8a53-0a1b2c3d4e5f";

/// What the events of a container say when the agent is pointed at `socket`. The container runs on a real containerd,
/// which the agent is not told about.
fn whereabouts_by(installed: &Installed, socket: &Path) -> (Value, Vec<Value>) {
    let lab = Containerd::start().unwrap();
    let pod = Pod::run(&lab, PodSpec::new("shop", "web-0", UID)).unwrap();
    let agent = installed
        .run(["--runtime-socket".as_ref(), socket.as_os_str()])
        .unwrap();
    let container = pod.start("app", &["/bin/sleep", "1000"]).unwrap();
    // More than one, so that what is remembered of a failure is exercised too.
    for round in ["first", "second", "last"] {
        assert_eq!(container.exec(&["true", round]).unwrap().code, 0);
    }
    let first = agent
        .wait_for("the first event", |event| is_exec(event, &["true", "first"]))
        .unwrap();
    agent
        .wait_for("the last event", |event| is_exec(event, &["true", "last"]))
        .unwrap();
    let stopped = agent.stop().unwrap();
    assert!(stopped.status.success(), "{}\n{}", stopped.status, stopped.stderr);
    assert!(!stopped.stderr.contains("panicked"), "{}", stopped.stderr);
    assert_never_silently_null(&stopped.events);
    let inside: Vec<Value> = stopped
        .events
        .into_iter()
        .filter(|event| event["container"]["id"] == container.id())
        .collect();
    assert!(!inside.is_empty());
    for event in &inside {
        // What the cgroup path tells is told, whatever the runtime does.
        assert_eq!(event["metadata"]["status"], "missing", "{event}");
        assert_eq!(event["kubernetes"]["pod"]["uid"], UID, "{event}");
        assert_eq!(event["kubernetes"]["qos"], "burstable", "{event}");
    }
    (first, inside)
}

fn reasons(events: &[Value]) -> Vec<&str> {
    let mut reasons: Vec<&str> = events
        .iter()
        .filter_map(|event| event["metadata"]["reason"].as_str())
        .collect();
    reasons.sort_unstable();
    reasons.dedup();
    reasons
}

#[test]
fn without_a_socket_the_events_say_so() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let (_, events) = whereabouts_by(&installed, &installed.dir().join("absent.sock"));
    assert_eq!(reasons(&events), ["no_runtime_socket"]);
}

#[test]
fn without_the_right_to_connect_the_events_say_so() {
    let _turn = Turn::take().unwrap();
    let other = Containerd::start().unwrap();
    let installed = Installed::new(agent()).unwrap().without_group();
    let (_, events) = whereabouts_by(&installed, &other.socket());
    assert_eq!(reasons(&events), ["socket_permission"]);
}

#[test]
fn a_socket_that_nobody_listens_to_is_told() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let path = installed.dir().join("dead.sock");
    drop(UnixListener::bind(&path).unwrap());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let (_, events) = whereabouts_by(&installed, &path);
    assert_eq!(reasons(&events), ["socket_refused"]);
}

/// A server that does the wrong thing with every connection, until it is dropped.
struct Wrong {
    path: PathBuf,
    stop: Option<mpsc::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Wrong {
    fn listen(path: PathBuf, mut serve: impl FnMut(UnixStream) -> Option<UnixStream> + Send + 'static) -> Self {
        let listener = UnixListener::bind(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let mut held = Vec::new();
            for connection in listener.incoming() {
                if stopped.try_recv() != Err(mpsc::TryRecvError::Empty) {
                    return;
                }
                held.extend(serve(connection.unwrap()));
            }
        });
        Self {
            path,
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Wrong {
    fn drop(&mut self) {
        drop(self.stop.take());
        // Wakes the thread, which then sees that it should end.
        drop(UnixStream::connect(&self.path));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

#[test]
fn a_runtime_that_never_answers_costs_a_bounded_time() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let server = Wrong::listen(installed.dir().join("silent.sock"), Some);
    let (first, events) = whereabouts_by(&installed, &server.path);
    let told = reasons(&events);
    assert!(
        told.iter()
            .all(|reason| ["runtime_timeout", "circuit_open"].contains(reason)),
        "{told:?}"
    );
    // The default budget of a lookup is one second; the rest is for a busy machine.
    let cost = Duration::from_micros(first["metadata"]["lookup_us"].as_u64().unwrap());
    assert!(cost < Duration::from_secs(3), "{cost:?}: {first}");
}

#[test]
fn garbage_on_the_socket_is_told() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let server = Wrong::listen(installed.dir().join("garbage.sock"), |mut connection| {
        // The peer may already have gone, which is its right.
        let _ = connection.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n\0\xff\xfe{garbage}");
        None
    });
    let (_, events) = whereabouts_by(&installed, &server.path);
    let told = reasons(&events);
    assert!(
        told.iter()
            .all(|reason| ["socket_protocol", "circuit_open"].contains(reason)),
        "{told:?}"
    );
}
