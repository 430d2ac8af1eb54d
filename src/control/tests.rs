//! The socket, the server and the client together, over a real socket in a temporary directory.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::TryRecvError;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::api::{
    GetContainersReply, GetContainersRequest, GetStatusReply, HeldContainer, HookCounters, Reporting,
    SetReportingRequest,
};
use super::client::{Client, Error};
use super::containers::Busy;
use super::duties::Duty;
use super::peer::Peer;
use super::server::{Answers, Doors, Handle, StatusSource, spawn};
use super::switch::{Refused, ReportSwitch};
use super::watch::{ArmError, ExecWatches, MAX_WATCHES};
use super::{bind, connection};
use crate::health::fixture;

const SOON: Duration = Duration::from_secs(5);
const BRIEF: Duration = Duration::from_millis(300);

#[derive(Default)]
struct Counting(AtomicU64);

impl StatusSource for Counting {
    fn containers(&self, question: GetContainersRequest) -> Result<oneshot::Receiver<GetContainersReply>, Busy> {
        let (sender, receiver) = oneshot::channel();
        let held = |id: &String| HeldContainer {
            id: id.clone(),
            ..HeldContainer::default()
        };
        let reply = GetContainersReply {
            containers: question.ids.iter().map(held).collect(),
            more: false,
        };
        sender.send(reply).map_err(|_| Busy)?;
        Ok(receiver)
    }

    fn status(&self) -> GetStatusReply {
        let asked = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        let hooks = [(
            "openat".to_owned(),
            HookCounters {
                seen: asked,
                ..HookCounters::default()
            },
        )]
        .into();
        GetStatusReply {
            version: "1.2.3".to_owned(),
            pid: 7,
            hooks,
            ..GetStatusReply::default()
        }
    }
}

/// Grants what begins with `y` after a while, leaves what begins with `l` waiting, refuses all else.
#[derive(Default)]
struct Granting(std::sync::Mutex<Vec<(Peer, tokio::sync::oneshot::Sender<Reporting>)>>);

impl ReportSwitch for Granting {
    fn ask(&self, wish: &SetReportingRequest, by: Peer) -> Result<tokio::sync::oneshot::Receiver<Reporting>, Refused> {
        let (granted, answer) = tokio::sync::oneshot::channel();
        match wish.off.first().and_then(|word| word.chars().next()) {
            Some('y') => {
                let off = wish.off.clone();
                thread::spawn(move || granted.send(Reporting { off }));
            }
            Some('l') => self.0.lock().unwrap().push((by, granted)),
            Some('b') => return Err(Refused::NotAttached("bpf".to_owned())),
            _ => return Err(Refused::Empty),
        }
        Ok(answer)
    }
}

struct Served {
    switch: Arc<Granting>,
    _directory: tempfile::TempDir,
    path: PathBuf,
    watches: Arc<ExecWatches>,
    handle: Handle,
}

fn answers(watches: &Arc<ExecWatches>, switch: &Arc<Granting>) -> Answers {
    Answers {
        source: Arc::new(Counting::default()),
        watches: Arc::clone(watches),
        switch: Arc::clone(switch) as _,
        monitor: fixture::monitor(),
    }
}

fn served() -> Served {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run/agent.sock");
    let watches = Arc::new(ExecWatches::new());
    let switch = Arc::new(Granting::default());
    let handle = spawn(
        Doors {
            admin: Some(bind(&path).unwrap()),
            health: None,
        },
        answers(&watches, &switch),
        Vec::new(),
    )
    .unwrap();
    Served {
        switch,
        _directory: directory,
        path,
        watches,
        handle,
    }
}

fn args(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

#[test]
fn status_travels_over_the_socket() {
    let served = served();
    let mut client = Client::connect(&served.path, SOON).unwrap();
    let first = client.status(SOON).unwrap();
    let second = client.status(SOON).unwrap();
    assert_eq!(
        (first.version.as_str(), first.pid, first.hooks["openat"].seen),
        ("1.2.3", 7, 1)
    );
    assert_eq!(second.hooks["openat"].seen, 2);
    // Whoever makes the status says nothing of health: the conditions are those of the monitor that serves the probes.
    let names: Vec<_> = first.conditions.iter().map(|it| (&*it.name, &*it.met)).collect();
    assert_eq!(
        names,
        ["hooks", "canary", "runtime", "losses", "delivery", "pipeline"].map(|name| (name, "yes"))
    );
    let peer = client.peer().unwrap();
    assert_eq!(peer.uid, nix::unistd::geteuid().as_raw());
    assert_eq!(peer.pid, i32::try_from(std::process::id()).ok());
    assert!(served.handle.is_serving());
}

#[test]
fn a_change_is_answered_once_it_is_in_force_and_says_who_asked() {
    let served = served();
    let mut client = Client::connect(&served.path, SOON).unwrap();
    let words = |word: &str| [word.to_owned()];
    assert_eq!(client.set_reporting(&[], &words("yes"), SOON).unwrap().off, ["yes"]);
    let error = client.set_reporting(&[], &[], SOON).unwrap_err();
    assert!(matches!(error, Error::Rejected { .. }), "{error}");
    let error = client.set_reporting(&[], &words("bpf"), SOON).unwrap_err();
    assert!(error.to_string().contains("bpf is not attached"), "{error}");
    let too_many = vec!["yes".to_owned(); 129];
    let error = client.set_reporting(&[], &too_many, SOON).unwrap_err();
    assert!(matches!(error, Error::Rejected { .. }), "{error}");
    // The pipeline is held up: the caller gives up, and its wish with it.
    let error = client.set_reporting(&[], &words("late"), BRIEF).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Timeout {
                call: "SetReporting",
                ..
            }
        ),
        "{error}"
    );
    let (by, waiting) = served.switch.0.lock().unwrap().remove(0);
    wait_until(|| waiting.is_closed());
    assert_eq!(by.uid, nix::unistd::geteuid().as_raw());
    assert_eq!(by.pid, i32::try_from(std::process::id()).ok());
}

#[test]
fn only_root_and_the_agents_own_user_may_change_anything() {
    let peer = |uid| Peer {
        uid,
        gid: 65532,
        pid: None,
    };
    assert!(peer(0).may_change(65532) && peer(65532).may_change(65532));
    assert!(!peer(65533).may_change(65532), "the group may ask only");
}

#[test]
fn a_watch_delivers_the_first_match_only_and_disarms() {
    let served = served();
    let mut client = Client::connect(&served.path, SOON).unwrap();
    let watches = Arc::clone(&served.watches);
    assert!(!watches.armed());
    let event = client
        .watch_exec("pinhole-canary-4711", SOON, || {
            assert!(watches.armed());
            watches.offer(&args(&["/bin/true", "other"]), || unreachable!("made only on a match"));
            watches.offer(&args(&["/bin/true", "x=pinhole-canary-4711"]), || {
                unreachable!("a part is no match")
            });
            watches.offer(&args(&["/bin/true", "pinhole-canary-4711"]), || r#"{"n":1}"#.to_owned());
            watches.offer(&args(&["/bin/true", "pinhole-canary-4711"]), || {
                unreachable!("the watch is over")
            });
        })
        .unwrap();
    assert_eq!(event, r#"{"n":1}"#);
    assert!(!watches.armed());
}

#[test]
fn a_watch_without_event_ends_at_its_deadline_and_disarms() {
    let served = served();
    let mut client = Client::connect(&served.path, SOON).unwrap();
    let start = Instant::now();
    let error = client.watch_exec("pinhole-canary-4711", BRIEF, || {}).unwrap_err();
    assert!(matches!(error, Error::Timeout { call: "WatchExec", .. }), "{error}");
    assert!(start.elapsed() < SOON);
    wait_until(|| !served.watches.armed());
}

#[test]
fn a_watch_is_disarmed_when_the_client_goes_away() {
    let served = served();
    let path = served.path.clone();
    let (armed, told) = std::sync::mpsc::channel();
    let asker = thread::spawn(move || {
        let mut client = Client::connect(&path, SOON).unwrap();
        // The panic ends the client in the middle of the call.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            client.watch_exec("pinhole-canary-4711", Duration::from_secs(30), || {
                std::panic::panic_any(())
            })
        }));
        armed.send(()).unwrap();
    });
    told.recv_timeout(SOON).unwrap();
    asker.join().unwrap();
    wait_until(|| !served.watches.armed());
}

#[test]
fn bad_watch_requests_are_rejected_with_the_rule() {
    let served = served();
    let mut client = Client::connect(&served.path, SOON).unwrap();
    for (token, deadline) in [
        ("password-of-somebody", SOON),
        ("pinhole-canary-", SOON),
        ("pinhole-canary-with blank", SOON),
        ("pinhole-canary-4711", Duration::from_secs(3600)),
    ] {
        let error = client.watch_exec(token, deadline, || unreachable!()).unwrap_err();
        assert!(matches!(error, Error::Rejected { .. }), "{error}");
    }
    assert!(!served.watches.armed());
}

#[test]
fn watches_are_bounded() {
    let watches = Arc::new(ExecWatches::new());
    let mut armed: Vec<_> = (0..MAX_WATCHES)
        .map(|n| watches.arm(&format!("pinhole-canary-{n:04}")).unwrap())
        .collect();
    assert_eq!(watches.arm("pinhole-canary-more").unwrap_err(), ArmError::Full);
    armed.pop();
    watches.arm("pinhole-canary-more").unwrap();
    drop(armed);
    assert!(!watches.armed());
}

#[test]
fn the_client_tells_the_ways_to_fail_apart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("agent.sock");
    assert!(matches!(
        Client::connect(&path, SOON).unwrap_err(),
        Error::Absent { .. }
    ));
    drop(UnixListener::bind(&path).unwrap());
    assert!(matches!(
        Client::connect(&path, SOON).unwrap_err(),
        Error::Refused { .. }
    ));
}

#[test]
fn a_silent_peer_ends_in_a_timeout() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("agent.sock");
    let _silent = UnixListener::bind(&path).unwrap();
    let start = Instant::now();
    let error = Client::connect(&path, BRIEF)
        .and_then(|mut client| client.status(BRIEF))
        .unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    assert!(start.elapsed() < SOON);
}

#[test]
fn a_peer_that_talks_garbage_is_a_protocol_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("agent.sock");
    let garbage = UnixListener::bind(&path).unwrap();
    let peer = thread::spawn(move || {
        for stream in garbage.incoming().take(2) {
            let mut stream = stream.unwrap();
            // The other end may be gone already: the first connection only looks who listens.
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\nthis is no gRPC at all, sorry");
            let _ = stream.read(&mut [0; 64]);
        }
    });
    let error = Client::connect(&path, SOON)
        .and_then(|mut client| client.status(SOON))
        .unwrap_err();
    assert!(matches!(error, Error::Protocol { .. }), "{error}");
    peer.join().unwrap();
}

#[test]
fn silent_peers_do_not_keep_the_agent_from_answering() {
    let served = served();
    let silent: Vec<_> = (0..connection::MAX_CONNECTIONS - 2)
        .map(|_| std::os::unix::net::UnixStream::connect(&served.path).unwrap())
        .collect();
    assert_eq!(
        Client::connect(&served.path, SOON).unwrap().status(SOON).unwrap().pid,
        7
    );
    drop(silent);
}

#[test]
fn places_are_given_back() {
    let served = served();
    for _ in 0..connection::MAX_CONNECTIONS * 3 {
        assert_eq!(
            Client::connect(&served.path, SOON).unwrap().status(SOON).unwrap().pid,
            7
        );
    }
}

#[test]
fn bind_makes_the_directory_and_sets_the_mode() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run/agent.sock");
    let _listener = bind(&path).unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o660);
    let deep = directory.path().join("a/b/agent.sock");
    let error = bind(&deep).unwrap_err();
    assert!(matches!(error, bind::Error::Directory { .. }), "{error}");
    assert!(!directory.path().join("a").exists());
}

#[test]
fn bind_takes_over_only_what_is_proven_stale() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("agent.sock");
    let living = bind(&path).unwrap();
    assert!(matches!(bind(&path).unwrap_err(), bind::Error::InUse { .. }));
    drop(living);
    drop(bind(&path).unwrap());

    let file = directory.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    assert!(matches!(bind(&file).unwrap_err(), bind::Error::NotASocket { .. }));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
    assert!(Path::new(&file).exists());
}

#[test]
fn a_listener_that_never_accepts_is_in_use_and_does_not_hold_the_start_up() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("agent.sock");
    let busy = bind(&path).unwrap();
    let mut waiting = Vec::new();
    // Until the backlog is full; a connect that waits is proof of it.
    nix::sys::socket::listen(&busy, nix::sys::socket::Backlog::new(1).unwrap()).unwrap();
    for _ in 0..8 {
        let path = path.clone();
        waiting.push(thread::spawn(move || std::os::unix::net::UnixStream::connect(path)));
    }
    wait_until(|| waiting.iter().filter(|connection| connection.is_finished()).count() >= 2);
    let began = Instant::now();
    assert!(matches!(bind(&path).unwrap_err(), bind::Error::InUse { .. }));
    assert!(began.elapsed() < SOON);
    drop(busy);
    for connection in waiting {
        // Those that waited are refused now.
        let _ = connection.join();
    }
}

#[test]
fn a_stopped_server_leaves_a_socket_that_refuses() {
    let served = served();
    served.handle.stop();
    assert!(matches!(
        Client::connect(&served.path, SOON).unwrap_err(),
        Error::Refused { .. }
    ));
    drop(bind(&served.path).unwrap());
}

fn wait_until(condition: impl Fn() -> bool) {
    let until = Instant::now() + SOON;
    while !condition() {
        assert!(Instant::now() < until, "the condition did not come true in time");
        thread::yield_now();
    }
}

#[test]
fn a_question_about_containers_is_answered_or_rejected_with_the_rule() {
    let served = served();
    let mut client = Client::connect(&served.path, SOON).unwrap();
    let question = |ids: usize| GetContainersRequest {
        ids: vec!["a".repeat(64); ids],
        ..GetContainersRequest::default()
    };
    // As many full ids as may be fit into a request.
    let reply = client.containers(question(64), SOON).unwrap();
    assert_eq!(reply.containers.len(), 64);
    let rejected = client.containers(question(0), SOON).unwrap_err();
    assert!(
        matches!(
            rejected,
            Error::Rejected {
                call: "GetContainers",
                ..
            }
        ),
        "{rejected}"
    );
}

/// What curl sends to a unix socket.
fn http(path: &Path, request: &str) -> String {
    let mut stream = std::os::unix::net::UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    write!(stream, "{request} HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn probes_and_metrics_are_answered_beside_grpc() {
    let served = served();
    let ready = http(&served.path, "GET /readyz");
    assert!(
        ready.starts_with("HTTP/1.1 200") && ready.ends_with("\nready\n"),
        "{ready}"
    );
    assert!(http(&served.path, "GET /metrics").contains("\npinhole_ready 1\n"));
    assert!(http(&served.path, "GET /nothing").starts_with("HTTP/1.1 404"));
    assert!(http(&served.path, "POST /readyz").starts_with("HTTP/1.1 405"));
    let mut client = Client::connect(&served.path, SOON).unwrap();
    assert_eq!(client.status(SOON).unwrap().pid, 7);
}

#[test]
fn the_thread_does_its_duties_where_nobody_can_ask() {
    let (done, told) = std::sync::mpsc::channel();
    let handle = spawn(
        Doors::default(),
        answers(&Arc::new(ExecWatches::new()), &Arc::new(Granting::default())),
        vec![Duty::new(move || _ = done.send(()))],
    )
    .unwrap();
    told.recv_timeout(SOON).unwrap();
    assert!(handle.is_serving());
    handle.stop();
    let more = told.try_iter().count();
    assert_eq!(
        told.try_recv(),
        Err(TryRecvError::Disconnected),
        "the thread has ended, after {more} more"
    );
}
