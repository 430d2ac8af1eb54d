//! Facts of a running process, from `/proc`: what it still has now, in every thread.
//!
//! Status, mounts and sockets of any process can be read by anybody. Its namespaces can be read by itself, by root with
//! CAP_SYS_PTRACE, and by nobody else where it is not dumpable, as the agent; a process with the same mounts (`kubectl exec`)
//! has the same namespaces and may look at its own instead. What cannot be read is unknown, never assumed.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::facts::{Container, Facts, Filter, Known, Label, Phase};
use super::manifest::label_of_type;
use super::mounted::{self, Mount};
use crate::kubernetes::{HostMount, Port, capabilities};
use crate::privilege::Capabilities;
use crate::privilege::status::{self, SeccompMode, ThreadStatus};

/// Of a list of mounts or sockets; nodes with thousands of pods have some.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// Inode numbers of the first namespaces, the same on every kernel since 3.8 (`include/linux/proc_ns.h`).
const FIRST_PID: u64 = 0xEFFF_FFFC;
const FIRST_IPC: u64 = 0xEFFF_FFFF;
const FIRST_USER: u64 = 0xEFFF_FFFD;

/// Why a process could not be judged at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its privileges cannot be read.
    #[error("process {pid} cannot be judged: {source}")]
    Status {
        /// The process.
        pid: u32,
        /// Why.
        source: status::Error,
    },
    /// There is no such process, or it has just ended.
    #[error("there is no process {pid}")]
    Gone {
        /// The process.
        pid: u32,
    },
}

/// Looks at a process below `proc`, which is `/proc`.
///
/// # Errors
/// When there is no such process or its status cannot be read.
pub fn facts(proc: &Path, pid: u32) -> Result<Facts, Error> {
    let process = proc.join(pid.to_string());
    let threads = match status::threads(&process.join("task")) {
        Err(status::Error::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Err(Error::Gone { pid });
        }
        other => other.map_err(|source| Error::Status { pid, source })?,
    };
    let main = threads.first().ok_or(Error::Gone { pid })?;
    let sights = Sights::of(proc, &process);
    let host_network = sights.network();
    Ok(Facts {
        subject: format!("process {pid} ({})", main.name),
        source: format!("{} with {} threads", process.display(), threads.len()),
        phase: Phase::Running,
        containers: vec![container(&process, &threads, &sights)],
        host_pid: sights.first("pid", FIRST_PID),
        host_ipc: sights.first("ipc", FIRST_IPC),
        user_namespace: sights.first("user", FIRST_USER).map(|first| !first),
        token: sights
            .own
            .as_ref()
            .map(|mounts| mounted::token(mounts))
            .map_err(Clone::clone),
        rights: match &sights.own {
            Ok(mounts) if !mounted::token(mounts) => Ok((0, "no token is mounted".to_owned())),
            Ok(_) => Err("only the API server knows; judge the manifests".to_owned()),
            Err(why) => Err(why.clone()),
        },
        ports: ports(&process, &host_network),
        host_network,
    })
}

/// What can be seen of a process's surroundings.
struct Sights {
    /// Its namespaces, or those of this process where they are the same.
    namespaces: PathBuf,
    /// Its mounts.
    own: Known<Vec<Mount>>,
    /// The mounts of the host's first process, where `/proc` shows it.
    host: Option<Vec<Mount>>,
    /// `/proc`.
    proc: PathBuf,
}

impl Sights {
    fn of(proc: &Path, process: &Path) -> Self {
        let mounts = |process: &Path| read(&process.join("mountinfo")).map(|text| mounted::parse(&text));
        let (own, this) = (mounts(process), mounts(&proc.join("self")));
        let readable = fs::read_link(process.join("ns/pid")).is_ok();
        let same = matches!((&own, &this), (Ok(own), Ok(this)) if mounted::same_namespace(own, this));
        let namespaces = if !readable && same {
            proc.join("self/ns")
        } else {
            process.join("ns")
        };
        // In a PID namespace of its own, process 1 is not the host's.
        let in_first = matches!(inode(&proc.join("self/ns/pid")), Ok(FIRST_PID));
        Self {
            namespaces,
            own,
            host: in_first.then(|| mounts(&proc.join("1")).ok()).flatten(),
            proc: proc.to_owned(),
        }
    }

    fn first(&self, kind: &str, inode_of_first: u64) -> Known<bool> {
        inode(&self.namespaces.join(kind)).map(|inode| inode == inode_of_first)
    }

    /// The first network namespace has no fixed number before Linux 6.18, but it alone has some settings
    /// (`net/core/sysctl_net_core.c`, `net_core_table`), and `/proc/sys/net` shows those of whoever looks. On a node that is a
    /// container itself (kind) the node's network is not the first, and a pod in it looks like any other.
    fn network(&self) -> Known<bool> {
        let own = inode(&self.namespaces.join("net"))?;
        let this = inode(&self.proc.join("self/ns/net"))?;
        let this_is_first = self.proc.join("sys/net/core/netdev_max_backlog").exists();
        match (own == this, this_is_first) {
            (true, first) => Ok(first),
            (false, true) => Ok(false),
            (false, false) => inode(&self.proc.join("1/ns/net")).and_then(|first| match self.host {
                Some(_) => Ok(first == own),
                None => Err("the host's network namespace cannot be seen from here".to_owned()),
            }),
        }
    }

    /// Whether it has the host's own mounts: it is no container, or was told to leave it.
    fn on_host(&self) -> Option<bool> {
        let (Ok(own), Some(host)) = (&self.own, &self.host) else {
            return None;
        };
        Some(mounted::same_namespace(own, host))
    }

    fn host_mounts(&self) -> Known<Vec<HostMount>> {
        let own = self.own.as_ref().map_err(Clone::clone)?;
        if self.on_host() == Some(true) {
            return Ok(vec![HostMount {
                host: "/".to_owned(),
                at: "/".to_owned(),
                read_only: mounted::root_is_read_only(own).unwrap_or(false),
                bidirectional: false,
                volume: String::new(),
            }]);
        }
        Ok(mounted::host_mounts(own, self.host.as_deref()))
    }
}

fn container(process: &Path, threads: &[ThreadStatus], sights: &Sights) -> Container {
    let union = |set: fn(&ThreadStatus) -> Capabilities| {
        threads
            .iter()
            .fold(Capabilities::NONE, |all, thread| all.or(set(thread)))
    };
    let held = union(|thread| {
        thread
            .permitted
            .or(thread.effective)
            .or(thread.ambient)
            .or(thread.inheritable)
    });
    let no_new_privs = threads.iter().all(|thread| thread.no_new_privs);
    // With no_new_privs an execve gives nothing that the bounding set alone would allow (capabilities(7)); permitted-only file
    // capabilities within the permitted set are covered by that set.
    let reach = if no_new_privs {
        held
    } else {
        held.or(union(|thread| thread.bounding))
    };
    let unfiltered = threads.iter().any(|thread| thread.seccomp == SeccompMode::Disabled);
    let filters = threads
        .iter()
        .map(|thread| thread.seccomp_filters.unwrap_or(1))
        .min()
        .unwrap_or(0);
    let (apparmor, selinux) = labels(process);
    let writable_sys = sights
        .own
        .as_ref()
        .ok()
        .and_then(|mounts| mounted::sys_is_writable(mounts));
    Container {
        name: String::new(),
        privileged: match (sights.on_host(), writable_sys) {
            // On the host itself the question is which capabilities it has, and those have their rows.
            (Some(true), _) => Ok(false),
            (_, Some(writable)) => Ok(writable || (unfiltered && held == capabilities::all())),
            (_, None) => Ok(unfiltered && held == capabilities::all()),
        },
        capabilities: reach,
        root: match threads.iter().find(|thread| thread.uid.contains(&0)) {
            Some(_) => (true, "has uid 0".to_owned()),
            None => (
                false,
                format!("has uid {}", threads.first().map_or(0, |thread| thread.uid[1])),
            ),
        },
        root_group: {
            let found = threads
                .iter()
                .any(|thread| thread.gid.contains(&0) || thread.groups.contains(&0));
            (
                found,
                if found { "is in group 0" } else { "is not in group 0" }.to_owned(),
            )
        },
        no_new_privs,
        seccomp: match (unfiltered, filters) {
            (true, _) => Filter::None,
            // How narrow they are is not told, whoever installed them.
            (false, 1) => Filter::One("one filter".to_owned()),
            (false, _) => Filter::One(format!("{filters} filters, one on the other")),
        },
        apparmor,
        selinux,
        read_only_root: match (&sights.own, sights.on_host()) {
            (Err(why), _) => Err(why.clone()),
            (Ok(mounts), _) => mounted::root_is_read_only(mounts).ok_or_else(|| "it has no root mount".to_owned()),
        },
        mounts: sights.host_mounts(),
        image: Err("a process does not tell its image".to_owned()),
    }
}

/// Both modules write to the same file; AppArmor's labels have a mode in brackets or say unconfined, SELinux's have colons.
fn labels(process: &Path) -> (Label, Label) {
    let Ok(text) = read(&process.join("attr/current")) else {
        return (Label::Inactive, Label::Inactive);
    };
    let text = text.trim_end_matches(['\0', '\n']);
    let parts: Vec<&str> = text.split(':').collect();
    match parts.as_slice() {
        [_, _, kind, ..] if !text.ends_with(')') => (Label::Inactive, label_of_type(kind)),
        _ if text.is_empty() || text == "kernel" => (Label::Inactive, Label::Inactive),
        _ if text == "unconfined" || text.ends_with("(unconfined)") || text.ends_with("(complain)") => {
            (Label::Unconfined(text.to_owned()), Label::Inactive)
        }
        _ if text.starts_with("cri-containerd.apparmor.d")
            || text.starts_with("crio-default")
            || text.starts_with("docker-default") =>
        {
            (Label::Default(text.to_owned()), Label::Inactive)
        }
        _ => (Label::Own(text.to_owned()), Label::Inactive),
    }
}

/// Where anybody listens in its network, which is the pod's alone unless it is the host's.
fn ports(process: &Path, host_network: &Known<bool>) -> Known<Vec<Port>> {
    if *host_network == Ok(true) {
        return Err("in the host's network the ports cannot be told from those of others".to_owned());
    }
    let on_host = host_network.clone().unwrap_or(false);
    let mut found: Vec<Port> = Vec::new();
    for table in ["net/tcp", "net/tcp6"] {
        match read(&process.join(table)) {
            Ok(text) => {
                for number in listening(&text) {
                    if !found.iter().any(|port| port.number == number) {
                        found.push(Port {
                            name: None,
                            number,
                            on_host,
                        });
                    }
                }
            }
            // A kernel without IPv6 has no such file.
            Err(_) if table == "net/tcp6" => {}
            Err(why) => return Err(why),
        }
    }
    Ok(found)
}

/// Ports in state TCP_LISTEN (0A) of `/proc/net/tcp` or `tcp6`, other than on the loopback interface (proc_pid_net(5)).
fn listening(text: &str) -> impl Iterator<Item = i64> {
    text.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (address, port) = fields.nth(1)?.split_once(':')?;
        let state = fields.nth(1)?;
        // The last four bytes, in the processor's order: 127.0.0.1 in IPv4 and mapped, 1 in IPv6.
        let loopback = address.ends_with("0100007F") || address == "00000000000000000000000001000000";
        (state == "0A" && !loopback)
            .then(|| i64::from_str_radix(port, 16).ok())
            .flatten()
    })
}

/// The number in a link such as `pid:[4026531836]`.
fn inode(path: &Path) -> Known<u64> {
    let link = fs::read_link(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    link.to_str()
        .and_then(|link| link.split_once('[')?.1.strip_suffix(']')?.parse().ok())
        .ok_or_else(|| format!("{} names no namespace", path.display()))
}

fn read(path: &Path) -> Known<String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes))
        .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_read_and_loopback_is_left_out() {
        let text = "  sl  local_address rem_address   st tx_queue\n\
            0: 00000000:24FB 00000000:0000 0A 0\n\
            1: 0100007F:1538 00000000:0000 0A 0\n\
            2: 00000000:0050 00000000:0000 01 0\n\
            3: 00000000000000000000000000000000:1F90 0:0 0A 0\n";
        assert_eq!(listening(text).collect::<Vec<_>>(), [9467, 8080]);
    }

    #[test]
    fn this_process_is_judged_and_one_that_is_not_there_is_not() {
        let facts = facts(Path::new("/proc"), std::process::id()).unwrap();
        assert_eq!(facts.phase, Phase::Running);
        let own = status::own_thread().unwrap();
        assert_eq!(facts.containers[0].root.0, own.uid.contains(&0));
        assert_eq!(facts.containers[0].no_new_privs, own.no_new_privs);
        assert!(facts.host_pid.is_ok() && facts.containers[0].mounts.is_ok());
        let gone = super::facts(Path::new("/proc"), u32::MAX).unwrap_err();
        assert!(matches!(gone, Error::Gone { .. }), "{gone}");
    }
}
