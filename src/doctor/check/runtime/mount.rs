//! How a socket gets into the agent's container: the check of its mount, and the lines that bring its directory there.

use std::path::Path;

use serde_json::json;

use super::FIELDS;
use super::view::look;
use crate::doctor::change::{Change, Op};
use crate::doctor::facts::{Facts, Mounted, Place, RuntimeFact};
use crate::doctor::finding::Finding;

/// PIN-RUN-004.
pub(super) fn directory(facts: &Facts) -> Finding {
    if facts.place == Place::Host {
        return Finding::skipped("the doctor does not run in a container");
    }
    let seen = match look(facts) {
        Ok(seen) => seen,
        Err(gap) => return Finding::gap(gap),
    };
    let answering = seen.answering();
    if answering.is_empty() {
        return Finding::skipped("no runtime answers");
    }
    let observed: Vec<_> = answering
        .iter()
        .map(|runtime| json!({ "socket": runtime.socket.display().to_string(), "mounted_alone": runtime.mounted.is_alone() }))
        .collect();
    let finding = match answering.iter().find(|runtime| runtime.mounted.is_alone()) {
        None => Finding::ok("no socket that answers is mounted as a single file"),
        Some(runtime) => alone(facts.place, runtime),
    };
    finding
        .observed(json!(observed))
        .expected(json!({ "mounted_alone": false }))
        .evidence(&facts.runtimes, "/proc/self/mountinfo", json!(observed))
}

/// It answers, and will not once the runtime has been restarted: a mount of a file stays with the file that there was.
fn alone(place: Place, runtime: &RuntimeFact) -> Finding {
    let commands = lines(place, &runtime.socket);
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    Finding::warn(format!(
        "{} answers, and is mounted as a single file",
        runtime.socket.display()
    ))
    .impact(
        "When the runtime restarts it makes a new socket, and the mount keeps the old one: from then on events of new \
             containers carry no names, until the agent's own container is made anew.",
        &["metadata"],
        FIELDS,
    )
    .remedy("Mount the directory of the socket, not the socket.", &commands)
    .changes(changes(place, &runtime.socket, runtime.mounted))
}

fn directory_of(socket: &Path) -> &Path {
    socket
        .parent()
        .filter(|directory| directory.is_absolute())
        .unwrap_or_else(|| Path::new("/run/containerd"))
}

/// How to bring the directory of this socket into view, for people.
pub(super) fn lines(place: Place, socket: &Path) -> Vec<String> {
    let directory = directory_of(socket).display();
    let socket = socket.display();
    match place {
        Place::Kubernetes => vec![
            format!("volumes:\n- name: runtime\n  hostPath: {{path: {directory}, type: Directory}}"),
            format!("volumeMounts:\n- {{name: runtime, mountPath: {directory}, readOnly: true}}"),
            format!("args: [\"run\", \"--runtime-socket\", \"{socket}\"]"),
        ],
        Place::Container => vec![format!("--volume {directory}:{directory}:ro")],
        Place::Host => vec![
            "ls -l /run/containerd/containerd.sock /run/crio/crio.sock /run/k3s/containerd/containerd.sock /run/docker.sock \
             /run/podman/podman.sock"
                .to_owned(),
            "agent doctor --runtime-socket PATH".to_owned(),
        ],
    }
}

/// The same for machines. The first volume of the profiles' manifests, and the first mount, is that of the runtime.
pub(super) fn changes(place: Place, socket: &Path, mounted: Mounted) -> Vec<Change> {
    let directory = directory_of(socket).display().to_string();
    let source = json!({ "path": directory, "type": "Directory" });
    match place {
        Place::Kubernetes if mounted.is_alone() => vec![
            Change::pod(Op::Replace, "/volumes/0/hostPath", source),
            Change::container(Op::Replace, "/volumeMounts/0/mountPath", directory),
        ],
        Place::Kubernetes => vec![
            Change::pod(
                Op::Add,
                "/volumes/-",
                json!({ "name": "runtime-socket", "hostPath": source }),
            ),
            Change::container(
                Op::Add,
                "/volumeMounts/-",
                json!({ "name": "runtime-socket", "mountPath": directory, "readOnly": true }),
            ),
        ],
        Place::Container => vec![Change::node(
            "volumes of the agent's container",
            format!("{directory}:{directory}:ro"),
        )],
        Place::Host => vec![Change::node(
            "container runtime",
            format!("listens on {}", socket.display()),
        )],
    }
}
