//! Who refused to connect: the mode of the socket, that of a directory above it, or a security module.

use serde_json::json;

use super::advice::Advice;
use crate::doctor::change::{Change, Op};
use crate::doctor::facts::{Facts, Place, ProcessFacts, RuntimeFact, SocketFile};

/// What an id is shown as that has no number in the user namespace of whoever looks (`/proc/sys/kernel/overflowuid`).
const UNMAPPED: u32 = 65534;

/// Who refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Blame {
    /// The mode of the socket does not let this process write, which connect(2) needs (`unix(7)`).
    Mode(SocketFile),
    /// A directory does not let it through.
    Directory { path: String, file: SocketFile },
    /// The owner is nobody in this user namespace.
    Unmapped,
    /// Mode and directories would let it in, so something else refused.
    Module,
    /// Neither could be seen, or it was not this process that was refused.
    Unclear,
}

/// Owner, group and others are tried in that order and the first that fits decides, as the kernel does it
/// (`acl_permission_check`, `fs/namei.c`); CAP_DAC_OVERRIDE passes every mode, and CAP_DAC_READ_SEARCH that of directories.
pub(super) fn blame(candidate: &RuntimeFact, facts: &Facts) -> Blame {
    const DAC_OVERRIDE: u64 = 1 << 1;
    const DAC_READ_SEARCH: u64 = 1 << 2;
    const WRITE: u32 = 0o2;
    const SEARCH: u32 = 0o1;
    let Ok(process) = &facts.process.value else {
        return Blame::Unclear;
    };
    let holds = |capabilities: u64| process.effective & capabilities != 0;
    if let Some(closed) = &candidate.closed {
        return if !holds(DAC_OVERRIDE | DAC_READ_SEARCH) && !admits(closed.file, process, SEARCH) {
            Blame::Directory {
                path: closed.path.display().to_string(),
                file: closed.file,
            }
        } else {
            Blame::Module
        };
    }
    let Some(file) = candidate.file else {
        return Blame::Unclear;
    };
    if admits(file, process, WRITE) {
        Blame::Module
    } else if file.uid == UNMAPPED && process.uid == 0 {
        // There no capability of this process counts for the file either.
        Blame::Unmapped
    } else if holds(DAC_OVERRIDE) {
        Blame::Module
    } else {
        Blame::Mode(file)
    }
}

fn admits(file: SocketFile, process: &ProcessFacts, wanted: u32) -> bool {
    let shift = if process.uid == file.uid {
        6
    } else if process.gids.contains(&file.gid) {
        3
    } else {
        0
    };
    file.mode >> shift & wanted != 0
}

/// What is said of a candidate that refuses.
pub(super) fn advice(candidate: &RuntimeFact, facts: &Facts) -> Advice {
    let socket = candidate.socket.display().to_string();
    let process = facts.process.value.as_ref().ok();
    match (blame(candidate, facts), process) {
        (Blame::Mode(SocketFile { mode, uid, gid, .. }), Some(process)) => Advice {
            summary: format!(
                "the mode of {socket} ({uid}:{gid} {mode:04o}) keeps out uid {} with groups {:?}",
                process.uid, process.gids
            ),
            ..group(facts.place, gid, &socket)
        },
        (Blame::Directory { path, file }, Some(process)) => Advice {
            summary: format!(
                "the mode of the directory {path} ({}:{} {:04o}) keeps uid {} with groups {:?} from {socket}",
                file.uid, file.gid, file.mode, process.uid, process.gids
            ),
            ..group(facts.place, file.gid, &path)
        },
        (Blame::Unmapped, _) => Advice {
            summary: format!("{socket} belongs to a user of the host that has no number in this user namespace"),
            text: "Root in a user namespace of its own is nobody on the host. Run the agent in the host's user namespace: \
                   bpf(2) needs that, too."
                .to_owned(),
            commands: match facts.place {
                Place::Kubernetes => vec!["spec:\n  hostUsers: true".to_owned()],
                Place::Container => vec!["--userns host".to_owned()],
                Place::Host => vec!["cat /proc/self/uid_map".to_owned()],
            },
            changes: vec![match facts.place {
                Place::Kubernetes => Change::pod(Op::Add, "/hostUsers", true),
                _ => Change::node("user namespace of the agent's container", "the host's"),
            }],
        },
        (Blame::Module, Some(process)) => module(facts.place, &socket, process.label.as_deref()),
        _ => Advice {
            summary: format!("no permission to connect to {socket}: {}", candidate.detail),
            text: "Give the agent the group that owns the socket. If it has it, a security module refuses: look for a denial."
                .to_owned(),
            commands: match facts.place {
                Place::Kubernetes => vec!["securityContext:\n  supplementalGroups: [0]".to_owned()],
                _ => vec![format!("ls -l {socket}"), "dmesg | grep -iE 'apparmor|avc'".to_owned()],
            },
            changes: vec![groups(facts.place, 0)],
        },
    }
}

fn groups(place: Place, gid: u32) -> Change {
    match place {
        Place::Kubernetes => Change::pod(Op::Add, "/securityContext/supplementalGroups", json!([gid])),
        Place::Container | Place::Host => Change::node("groups of the agent", gid),
    }
}

fn group(place: Place, gid: u32, path: &str) -> Advice {
    Advice {
        summary: String::new(),
        text: format!(
            "Give the agent the group that owns {path} ({gid}){}; no capability is needed. Whoever has the group can command the \
             runtime: the agent only asks it, and nobody else should be let into its pod.",
            match place {
                Place::Kubernetes => ", in the security context of the pod, not of the container",
                Place::Container | Place::Host => "",
            }
        ),
        commands: match place {
            Place::Kubernetes => vec![format!("securityContext:\n  supplementalGroups: [{gid}]")],
            Place::Container => vec![format!("--group-add {gid}")],
            Place::Host => vec![format!("setpriv --groups {gid} agent doctor"), format!("ls -ld {path}")],
        },
        changes: vec![groups(place, gid)],
    }
}

fn module(place: Place, socket: &str, label: Option<&str>) -> Advice {
    // `user:role:type:level` with SELinux, `profile (mode)` with AppArmor.
    let is_selinux = label.is_some_and(|label| label.matches(':').count() >= 2);
    let is_apparmor = label.is_some() && !is_selinux;
    let selinux = "securityContext:\n  seLinuxOptions: {type: spc_t}".to_owned();
    let apparmor = "securityContext:\n  appArmorProfile: {type: Unconfined}".to_owned();
    Advice {
        summary: format!(
            "a security module refuses {socket}{}: its mode would let this process in",
            label.map(|label| format!(" to {label}")).unwrap_or_default()
        ),
        text: "On OpenShift the type container_t may not connect to the runtime: use the profile's security context \
               constraint, which gives spc_t or a type of its own. With AppArmor use a profile that allows the connection."
            .to_owned(),
        commands: match place {
            Place::Kubernetes if is_selinux => vec![selinux],
            Place::Kubernetes if is_apparmor => vec![apparmor],
            Place::Kubernetes => vec![selinux, apparmor],
            _ => vec!["ausearch -m AVC -c agent".to_owned(), "dmesg | grep -iE 'apparmor|avc'".to_owned()],
        },
        changes: match place {
            Place::Kubernetes if is_selinux => {
                vec![Change::pod(Op::Add, "/securityContext/seLinuxOptions", json!({ "type": "spc_t" }))]
            }
            Place::Kubernetes if is_apparmor => vec![Change::pod(
                Op::Add,
                "/securityContext/appArmorProfile",
                json!({ "type": "Unconfined" }),
            )],
            _ => vec![Change::node("security module", format!("lets the agent connect to {socket}"))],
        },
    }
}
