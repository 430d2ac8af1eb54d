//! The two calls that have records of their own, told as the others are. Goes away with those records.

use std::borrow::Cow;

use super::file::Notes;
use super::names::errno::error_name;
use super::names::family;
use super::names::open::{OPEN, creates};
use super::names::protocol::protocol_word;
use super::names::set::Flags;
use super::shape::{Endpoint, File, Network, Syscall};
use super::value::{Args, Told, Value};
use crate::capture::call::Abi;
use crate::capture::calls::{CALLS, Call};
use crate::capture::record::{ConnectBody, OpenBody, Peer};

fn call(name: &str) -> &'static Call {
    CALLS.iter().find(|call| call.name == name).unwrap_or(&CALLS[0])
}

fn flags(open: &OpenBody<'_>) -> Flags {
    Flags {
        set: &OPEN,
        bits: open.flags.into(),
    }
}

fn told<'a>(name: &str, ret: i64, values: [Told<'a>; 6]) -> Syscall<'a> {
    Syscall {
        abi: Abi::Native,
        ret,
        error: error_name(ret),
        args: Args {
            call: call(name),
            told: values,
        },
    }
}

pub(super) fn openat<'a>(open: &'a OpenBody<'a>) -> Syscall<'a> {
    let mut values = <[Told<'a>; 6]>::default();
    values[0] = Told::Value(if open.dfd == libc::AT_FDCWD {
        Value::Word(Cow::Borrowed("AT_FDCWD"))
    } else {
        Value::Decimal(open.dfd.into())
    });
    values[1] = match &open.requested {
        Some(path) if open.requested_truncated => Told::Cut(Value::Text(Cow::Borrowed(path))),
        Some(path) => Told::Value(Value::Text(Cow::Borrowed(path))),
        None => Told::Unread,
    };
    values[2] = Told::Value(Value::Flags(flags(open)));
    if creates(open.flags.into()) {
        #[expect(clippy::cast_possible_truncation, reason = "as the kernel does: umode_t")]
        let mode = open.mode as u16;
        values[3] = Told::Value(Value::Octal(mode));
    }
    told("openat", open.ret, values)
}

pub(super) fn file<'a>(open: &'a OpenBody<'a>) -> File<'a> {
    let mut notes = open
        .path
        .as_ref()
        .map_or(Notes::default(), |path| Notes::of_path(path.flags));
    if open.ret >= 0 && open.path.is_none() {
        notes.add(Notes::UNREADABLE);
    }
    if open.requested.is_none() {
        notes.add(Notes::REQUESTED_UNREADABLE);
    }
    if open.requested_truncated {
        notes.add(Notes::REQUESTED_TRUNCATED);
    }
    File {
        path: open.path.as_ref().map(|path| Cow::Borrowed(path.text.as_str())),
        requested_path: open.requested.as_deref().map(Cow::Borrowed),
        flags: Some(flags(open)),
        notes,
        ..File::default()
    }
}

pub(super) fn connect<'a>(call: &'a ConnectBody<'a>) -> Syscall<'a> {
    let mut values = <[Told<'a>; 6]>::default();
    values[0] = Told::Value(Value::Signed(call.fd.into()));
    values[1] = match &call.requested {
        Some(Peer::Ip(address)) => Told::Value(Value::Ip(*address)),
        Some(Peer::Unix(path)) => Told::Value(Value::Text(Cow::Borrowed(path))),
        None => Told::Nothing,
    };
    told("connect", call.ret, values)
}

/// The other end is the kernel's once the socket has one, and what was asked for otherwise.
pub(super) fn network<'a>(call: &'a ConnectBody<'a>) -> Network<'a> {
    let family = call.family.unwrap_or(0);
    Network {
        family: call.family.map(family::family),
        kind: None,
        protocol: call.protocol.and_then(|protocol| protocol_word(family, protocol)),
        source: call.source.map(Endpoint::of),
        destination: match (&call.destination, &call.requested) {
            (Some(address), _) => Some(Endpoint::of(*address)),
            (None, Some(Peer::Ip(address))) => Some(Endpoint::of(*address)),
            (None, Some(Peer::Unix(path))) => Some(Endpoint::Unix {
                path: Cow::Borrowed(path),
            }),
            (None, None) => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::build::{Context, build};
    use super::super::clock::BootClock;
    use super::super::tests::HEADER;
    use super::*;
    use crate::capture::Hook;
    use crate::capture::record::Body;
    use crate::container::Outcome;

    fn event(body: &Body<'_>, _: Hook) -> Value {
        let context = Context {
            node: "node-1",
            clock: &BootClock::at_epoch(),
            process: None,
            outcome: &Outcome::host(),
            lost_before: 2,
        };
        serde_json::to_value(build(&HEADER, HEADER.process, body, context)).unwrap()
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
