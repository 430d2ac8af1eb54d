//! From a record to an event.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use nix::sys::signal::Signal;

use super::clock::BootClock;
use super::flags::{error_name, family_name, open_flags, protocol_name};
use super::shape::{Args, Endpoint, Event, Exit, File, Kind, Network, ProcessView, Syscall};
use crate::capture::record::{Body, ConnectBody, Header, OpenBody, Peer, ProcessKey};
use crate::container::Outcome;
use crate::process::Process;

/// What an event is made of besides its record.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The node's name.
    pub node: &'a str,
    /// The clock.
    pub clock: &'a BootClock,
    /// The subject's entry in the process table.
    pub process: Option<&'a Arc<Process>>,
    /// How the lookup of its container went.
    pub outcome: &'a Arc<Outcome>,
    /// Events lost before this one.
    pub lost_before: u64,
}

/// Builds the event of a record, about the process `subject` (for a fork the child).
#[must_use]
pub fn build<'a>(header: &Header, subject: ProcessKey, body: &'a Body<'a>, context: Context<'a>) -> Event<'a> {
    let mut event = Event {
        time: context.clock.utc(header.time),
        node: context.node,
        kind: Kind::Syscall,
        process: ProcessView {
            key: subject,
            tid: if subject == header.process {
                header.tid
            } else {
                subject.pid
            },
            start_time: context.clock.utc(subject.start),
            process: context.process,
        },
        exit: None,
        syscall: None,
        file: None,
        network: None,
        outcome: context.outcome,
        lost_before: (context.lost_before > 0).then_some(context.lost_before),
    };
    match body {
        Body::Process(_) => event.kind = Kind::ProcessExec,
        Body::Fork { .. } => event.kind = Kind::ProcessFork,
        Body::Exit { status } => {
            event.kind = Kind::ProcessExit;
            event.exit = Some(exit(*status));
        }
        Body::Open(open) => {
            event.file = Some(file(open));
            event.syscall = Some(openat(open));
        }
        Body::Connect(call) => {
            event.network = Some(network(call));
            event.syscall = Some(connect(call));
        }
    }
    event
}

/// Decodes the status of `wait(2)`.
fn exit(status: i32) -> Exit {
    match status & 0x7f {
        0 => Exit {
            code: Some((status >> 8) & 0xff),
            signal: None,
        },
        number => Exit {
            code: None,
            signal: Some(Signal::try_from(number).map_or("SIGRT", Signal::as_str)),
        },
    }
}

fn openat<'a>(open: &'a OpenBody<'a>) -> Syscall<'a> {
    // A mode counts only where a file may be made.
    let creates = open.flags & (libc::O_CREAT | libc::O_TMPFILE & !libc::O_DIRECTORY).cast_unsigned() != 0;
    Syscall {
        name: "openat",
        ret: open.ret,
        error: error_name(open.ret),
        args: Args::Openat {
            dirfd: if open.dfd == libc::AT_FDCWD {
                Cow::Borrowed("AT_FDCWD")
            } else {
                Cow::Owned(open.dfd.to_string())
            },
            pathname: open.requested.as_deref(),
            flags: open_flags(open.flags),
            mode: creates.then(|| format!("{:#o}", open.mode).replacen("0o", "0", 1)),
        },
    }
}

fn file<'a>(open: &'a OpenBody<'a>) -> File<'a> {
    let mut notes = open
        .path
        .as_ref()
        .map(crate::capture::record::KernelPath::notes)
        .unwrap_or_default();
    if open.ret >= 0 && open.path.is_none() {
        notes.push("unreadable");
    }
    if open.requested.is_none() {
        notes.push("requested_unreadable");
    }
    if open.requested_truncated {
        notes.push("requested_truncated");
    }
    File {
        path: open.path.as_ref().map(|path| path.text.as_str()),
        requested_path: open.requested.as_deref(),
        flags: open_flags(open.flags),
        notes,
    }
}

fn connect<'a>(call: &'a ConnectBody<'a>) -> Syscall<'a> {
    let addr = call.requested.as_ref().map(|peer| match peer {
        Peer::Ip(address) => Cow::Owned(address.to_string()),
        Peer::Unix(path) => Cow::Borrowed(path.as_ref()),
    });
    Syscall {
        name: "connect",
        ret: call.ret,
        error: error_name(call.ret),
        args: Args::Connect { sockfd: call.fd, addr },
    }
}

/// The other end is the kernel's once the socket has one, and what was asked for otherwise.
fn network<'a>(call: &'a ConnectBody<'a>) -> Network<'a> {
    let ip = |address: &SocketAddr| Endpoint::Ip {
        address: address.ip(),
        port: address.port(),
    };
    Network {
        family: call.family.map(family_name),
        protocol: call.protocol.and_then(protocol_name),
        source: call.source.as_ref().map(ip),
        destination: match (&call.destination, &call.requested) {
            (Some(address), _) => Some(ip(address)),
            (None, Some(Peer::Ip(address))) => Some(ip(address)),
            (None, Some(Peer::Unix(path))) => Some(Endpoint::Unix { path }),
            (None, None) => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::capture::Hook;

    fn event(body: &Body<'_>, hook: Hook) -> Value {
        let key = ProcessKey {
            start: 1_000_000_000,
            exec_id: 3,
            pid: 42,
            reserved: 0,
        };
        let header = Header {
            hook,
            cpu: 0,
            tid: 43,
            time: 1_500_000_001,
            lost: 0,
            cgroup_id: 1,
            process: key,
        };
        let context = Context {
            node: "node-1",
            clock: &BootClock::at_epoch(),
            process: None,
            outcome: &Arc::new(Outcome::host()),
            lost_before: 2,
        };
        serde_json::to_value(build(&header, key, body, context)).unwrap()
    }

    #[test]
    fn a_failed_open_keeps_the_request_and_invents_no_path() {
        let open = Body::Open(OpenBody {
            ret: -2,
            dfd: -100,
            flags: 0o2_000_000,
            mode: 0o644,
            requested: Some("/nope".into()),
            requested_truncated: false,
            path: None,
        });
        assert_eq!(
            event(&open, Hook::Openat),
            json!({
                "time": "1970-01-01T00:00:01.500000001Z",
                "node": "node-1",
                "type": "syscall",
                "process": {"pid": 42, "tid": 43, "exec_id": "3b9aca00-2a-3", "start_time": "1970-01-01T00:00:01.000000000Z"},
                "syscall": {"name": "openat", "ret": -2, "error": "ENOENT",
                            "args": {"dirfd": "AT_FDCWD", "pathname": "/nope", "flags": "O_RDONLY|O_CLOEXEC"}},
                "file": {"requested_path": "/nope", "flags": "O_RDONLY|O_CLOEXEC"},
                "metadata": {"status": "host"},
                "lost_before": 2,
            })
        );
    }

    #[test]
    fn exits_tell_code_or_signal() {
        assert_eq!(
            event(&Body::Exit { status: 3 << 8 }, Hook::Exit)["exit"],
            json!({"code": 3})
        );
        assert_eq!(
            event(&Body::Exit { status: 9 }, Hook::Exit)["exit"],
            json!({"signal": "SIGKILL"})
        );
        assert_eq!(
            event(&Body::Exit { status: 11 | 0x80 }, Hook::Exit)["exit"],
            json!({"signal": "SIGSEGV"})
        );
    }

    #[test]
    fn the_kernels_address_wins_over_the_request() {
        let call = |destination| ConnectBody {
            ret: 0,
            fd: 3,
            family: Some(2),
            protocol: Some(6),
            requested: Some(Peer::Ip("10.0.0.1:80".parse().unwrap())),
            source: None,
            destination,
        };
        let known = event(
            &Body::Connect(call(Some("127.0.0.1:80".parse().unwrap()))),
            Hook::Connect,
        );
        assert_eq!(
            known["network"]["destination"],
            json!({"address": "127.0.0.1", "port": 80})
        );
        assert_eq!(known["syscall"]["args"], json!({"sockfd": 3, "addr": "10.0.0.1:80"}));
        let unknown = event(&Body::Connect(call(None)), Hook::Connect);
        assert_eq!(
            unknown["network"]["destination"],
            json!({"address": "10.0.0.1", "port": 80})
        );
        assert_eq!(unknown["network"]["protocol"], "tcp");
    }
}
