//! Why a candidate does not answer, and what mends that.

use serde_json::json;

use super::permission::{self, Blame};
use super::{mount, view};
use crate::container::Protocol;
use crate::doctor::change::Change;
use crate::doctor::check::cause::Cause;
use crate::doctor::facts::{Facts, Mounted, Place, RuntimeClass, RuntimeFact};

/// What is said of a candidate that does not answer.
pub(super) struct Advice {
    pub(super) summary: String,
    pub(super) text: String,
    pub(super) commands: Vec<String>,
    pub(super) changes: Vec<Change>,
}

/// Why the candidate does not answer, where that is clear.
pub(super) fn cause(candidate: &RuntimeFact, facts: &Facts) -> Option<Cause> {
    Some(match candidate.class {
        RuntimeClass::Absent => Cause::SocketAbsent,
        RuntimeClass::NotASocket => Cause::NotASocket,
        RuntimeClass::Refused if candidate.mounted == Mounted::Deleted => Cause::SocketReplaced,
        RuntimeClass::Refused => Cause::SocketStale,
        RuntimeClass::Timeout => Cause::Silent,
        RuntimeClass::Failing => Cause::PeerError,
        RuntimeClass::NotGrpc | RuntimeClass::CriUnimplemented => Cause::OtherPeer,
        RuntimeClass::Permission => match permission::blame(candidate, facts) {
            Blame::Mode { .. } | Blame::Directory { .. } => Cause::FileMode,
            Blame::Unmapped => Cause::UserNamespace,
            Blame::Module => Cause::LsmDenied,
            Blame::Unclear => return None,
        },
        RuntimeClass::OldApi | RuntimeClass::Answers => return None,
    })
}

/// What is said of it. `None` where it answers.
pub(super) fn of(candidate: &RuntimeFact, facts: &Facts) -> Option<Advice> {
    let socket = candidate.socket.display();
    let mount = || mount::lines(facts.place, &candidate.socket);
    let mounting = || mount::changes(facts.place, &candidate.socket, candidate.mounted);
    let advice = |summary: String, text: &str, commands: Vec<String>, changes: Vec<Change>| Advice {
        summary,
        text: text.to_owned(),
        commands,
        changes,
    };
    let runtime = |value: &str| vec![Change::node("container runtime", value)];
    // What the settings name can be named differently; a usual place is in the node's hands.
    let renaming = || {
        if candidate.is_configured() {
            vec![Change::setting("runtime.socket", json!([]))]
        } else {
            runtime(&format!("listens on {socket}"))
        }
    };
    Some(match candidate.class {
        RuntimeClass::Absent if candidate.mounted == Mounted::Directory && facts.place != Place::Host => advice(
            format!("there is no {socket}, in a directory that is mounted"),
            "The runtime is down, or another one than this is the node's: name its socket and mount its directory.",
            mount(),
            renaming(),
        ),
        RuntimeClass::Absent => advice(
            format!("there is no {socket}"),
            "Mount the directory of the runtime's socket (not the socket itself: its file dies with the runtime's restart), \
             or name the socket if it is at an unusual path.",
            mount(),
            mounting(),
        ),
        RuntimeClass::NotASocket => advice(
            format!("{socket} is not a socket"),
            "Name the socket itself, and mount its directory.",
            mount(),
            renaming(),
        ),
        RuntimeClass::Permission => permission::advice(candidate, facts),
        RuntimeClass::Refused if candidate.mounted.is_alone() => advice(
            if candidate.mounted == Mounted::Deleted {
                format!("{socket} is mounted as a single file, and the runtime has made a new one since")
            } else {
                format!("nobody listens on {socket}, which is mounted as a single file")
            },
            "The mount keeps the file that there was when the container was made. Mount the directory of the socket, not the \
             socket, and make the container anew.",
            mount(),
            mounting(),
        ),
        RuntimeClass::Refused => advice(
            format!("nobody listens on {socket}"),
            "The file outlived its runtime. If the runtime runs, the container sees an old file: mount the directory of the \
             socket, not the socket, and restart the pod.",
            mount(),
            runtime("running"),
        ),
        RuntimeClass::Timeout => advice(
            format!("{socket} accepts and does not answer"),
            "The runtime hangs, or the socket belongs to a service that waits for something else.",
            vec![
                "systemctl status containerd crio docker podman".to_owned(),
                "journalctl -u containerd -u crio -u docker -u podman --since -10m".to_owned(),
            ],
            runtime("restarted"),
        ),
        RuntimeClass::Failing => advice(
            format!("the runtime on {socket} answers with an error: {}", candidate.detail),
            "A runtime that has just been started does so for a moment; otherwise its own log tells why.",
            vec!["journalctl -u containerd -u crio -u docker -u podman --since -10m".to_owned()],
            runtime("answers without an error"),
        ),
        RuntimeClass::NotGrpc if candidate.protocol == Protocol::Http.as_str() => advice(
            format!("the peer on {socket} does not answer as Docker and podman do"),
            "A socket of the name docker.sock or podman.sock is spoken to in the Docker Engine API, any other in gRPC. Name \
             the runtime's own socket.",
            mount(),
            renaming(),
        ),
        RuntimeClass::NotGrpc => advice(
            format!("the peer on {socket} is not a container runtime's gRPC service"),
            "Name the runtime's socket. Docker's and podman's are known by their names, docker.sock and podman.sock: under \
             another name they are taken for what speaks gRPC.",
            mount(),
            renaming(),
        ),
        RuntimeClass::CriUnimplemented if !candidate.answers() => advice(
            format!("the peer on {socket} serves neither CRI nor containerd's own API"),
            "Name the socket that the kubelet uses; without Kubernetes, that of containerd, Docker or podman.",
            mount(),
            renaming(),
        ),
        RuntimeClass::CriUnimplemented | RuntimeClass::OldApi | RuntimeClass::Answers => return None,
    })
}

/// The one of several candidates that none answers of which most can be learnt: it came furthest. Among equals the first,
/// which is the likeliest here.
pub(super) fn furthest<'a>(seen: &'a view::Seen<'_>) -> Option<&'a RuntimeFact> {
    let silent = seen.candidates.iter().filter(|candidate| !candidate.answers());
    silent.rev().max_by_key(|candidate| candidate.class)
}
