//! Who else may connect to a runtime.

use serde_json::{Value, json};

use crate::doctor::change::Change;
use crate::doctor::facts::{Facts, RuntimeClass, RuntimeFact, SocketFile};
use crate::doctor::finding::Finding;

/// PIN-RUN-009.
pub(super) fn to_everyone(facts: &Facts) -> Finding {
    let runtimes = match &facts.runtimes.value {
        Ok(runtimes) => runtimes,
        Err(gap) => return Finding::gap(gap),
    };
    let seen: Vec<(&RuntimeFact, SocketFile)> = runtimes
        .iter()
        .filter(|runtime| !matches!(runtime.class, RuntimeClass::Absent | RuntimeClass::NotASocket))
        .filter_map(|runtime| Some((runtime, runtime.file?)))
        .collect();
    if seen.is_empty() {
        return Finding::skipped("no socket of a runtime is in sight of this process");
    }
    let finding = match seen.iter().find(|(_, file)| file.open) {
        None => Finding::ok("only the owner and the group of each socket may connect"),
        Some((runtime, file)) => {
            let socket = runtime.socket.display();
            Finding::warn(format!("everybody may connect to {socket} (mode {:04o})", file.mode))
                .impact(
                    "Whoever may connect to a container runtime can start a privileged container: every user of the node, and \
                     every pod that can see the socket, is root there.",
                    &["privilege"],
                    &[],
                )
                .remedy(
                    "Take write permission away from others; the agent connects by the group. containerd sets owner and group in \
                     [grpc] of its configuration, Docker by SocketMode and SocketGroup of docker.socket.",
                    &[&format!("chmod o-rwx {socket}"), &format!("ls -l {socket}")],
                )
                .change(Change::node("mode of the runtime's socket", "0660"))
        }
    };
    let observed: Vec<Value> = seen
        .iter()
        .map(|(runtime, file)| {
            json!({
                "socket": runtime.socket.display().to_string(),
                "mode": format!("{:04o}", file.mode),
                "uid": file.uid,
                "gid": file.gid,
                "open_to_everyone": file.open,
            })
        })
        .collect();
    finding
        .observed(json!(observed))
        .expected(json!({ "open_to_everyone": false }))
        .evidence(
            &facts.runtimes,
            "stat of each socket and the directories above it",
            json!(observed),
        )
}
