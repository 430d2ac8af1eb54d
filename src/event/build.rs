//! From a record to an event.

use std::sync::Arc;

use nix::sys::signal::Signal;

use super::arguments::args;
use super::clock::BootClock;
use super::file::files;
use super::names::errno::error_name;
use super::network::network;
use super::shape::{Event, Exit, Kind, ProcessView, Syscall};
use crate::capture::record::{Body, Header, ProcessKey};
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
        target: None,
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
        Body::Call(call) => {
            let args = args(call);
            (event.file, event.target) = files(call, &args);
            event.network = network(call);
            event.syscall = Some(Syscall {
                abi: call.abi,
                ret: call.ret,
                error: error_name(call.ret),
                args,
            });
        }
    }
    event
}

/// The cgroup that an event is about.
#[must_use]
pub fn cgroup_id(header: &Header, body: &Body<'_>) -> u64 {
    match body {
        Body::Fork { child_cgroup_id, .. } => *child_cgroup_id,
        _ => header.cgroup_id,
    }
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
    fn exits_tell_code_or_signal() {
        assert_eq!(
            event(&Body::Exit { status: 3 << 8 }, Hook::EXIT)["exit"],
            json!({"code": 3})
        );
        assert_eq!(
            event(&Body::Exit { status: 9 }, Hook::EXIT)["exit"],
            json!({"signal": "SIGKILL"})
        );
        assert_eq!(
            event(&Body::Exit { status: 11 | 0x80 }, Hook::EXIT)["exit"],
            json!({"signal": "SIGSEGV"})
        );
    }
}
