use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::capture::Hook;
use crate::capture::call::{Abi, CallBody, KernelNames, Of, Part, What};
use crate::capture::record::{CgroupPath, Credentials, KernelPath, ProcessKey};
use crate::container::{Container, Kubernetes, Metadata, Reason, Source, Status};
use crate::event::arguments::args;
use crate::event::file::files;
use crate::event::network::network;
use crate::event::{BootClock, Kind};
use crate::output::json;
use crate::process::{Ancestor, Line};

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z/]{0,12}", "\\PC{0,8}", "[\"\\\\\u{0}-\u{1f}é]{0,6}"]
}

fn key() -> impl Strategy<Value = ProcessKey> {
    (0..5_000_000_000_u64, 0..4_u64, 0..3_u32).prop_map(|(start, exec_id, pid)| ProcessKey {
        start,
        exec_id,
        pid,
        reserved: 0,
    })
}

fn path() -> impl Strategy<Value = Option<KernelPath>> {
    proptest::option::of((text(), 0..32_u32).prop_map(|(text, flags)| KernelPath { text, flags }))
}

prop_compose! {
    fn process()(
        key in key(),
        name in text(),
        exe in path(),
        cwd in path(),
        args in vec(text(), 0..4),
        [args_truncated, args_unreadable, exe_upper_layer] in any::<[bool; 3]>(),
        [uid, euid] in any::<[u32; 2]>(),
        loginuid in any::<Option<u32>>(),
        tty in proptest::option::of(text()),
        known in any::<bool>(),
        line in vec((key(), text(), proptest::option::of(text())), 0..3),
    ) -> Process {
        Process {
            key, name, exe, cwd, args: args.into(), args_truncated, args_unreadable, tty, exe_upper_layer,
            exe_lower_layer: false,
            exe_inode: None,
            groups: None,
            credentials: Credentials { uid, euid, loginuid, ..Credentials::default() },
            cgroup_id: 1,
            cgroup: Arc::new(CgroupPath::default()),
            ancestors: line
                .into_iter()
                .map(|(key, name, exe)| Ancestor { key, name: name.into(), exe: exe.map(Arc::from), args: None, args_truncated: false })
                .fold(if known { Line::TOP } else { Line::UNKNOWN }, |above, ancestor| Line::below(ancestor, above)),
        }
    }
}

prop_compose! {
    fn outcome()(
        id in proptest::option::of(text()),
        namespace in proptest::option::of(proptest::option::of(text())),
        reason in any::<bool>(),
        lookup_us in any::<Option<u64>>(),
    ) -> Outcome {
        Outcome {
            container: id.map(|id| Container { id, ..Container::default() }),
            kubernetes: namespace.map(|namespace| Kubernetes { namespace, ..Kubernetes::default() }),
            metadata: Metadata {
                status: if reason { Status::Partial } else { Status::Complete },
                reason: reason.then_some(Reason::SandboxUnknown),
                source: Some(Source::Cri),
                lookup_us,
                cgroup_id: lookup_us,
            },
        }
    }
}

/// One event in terms of a few processes and containers, so that they come again and make room for each other.
#[derive(Debug, Clone)]
struct Plan {
    time: i64,
    boot: u64,
    node: String,
    process: Option<usize>,
    stranger: Option<ProcessKey>,
    outcome: usize,
    tid: u32,
    deed: u8,
    word: String,
    ret: i64,
    lost_before: Option<u64>,
}

prop_compose! {
    fn plan()(
        // Few seconds, so that they repeat; some before 1970.
        time in prop_oneof![-3_000_000_000..3_000_000_000_i64, any::<i64>()],
        boot in 0..2_u64,
        (node, word) in (text(), text()),
        process in proptest::option::of(0..4_usize),
        stranger in proptest::option::weighted(0.1, key()),
        outcome in 0..4_usize,
        tid in any::<u32>(),
        deed in 0..5_u8,
        ret in any::<i64>(),
        lost_before in any::<Option<u64>>(),
    ) -> Plan {
        Plan { time, boot, node, process, stranger, outcome, tid, deed, word, ret, lost_before }
    }
}

/// A call that opens or connects something whose name is the plan's word.
fn body(plan: &Plan) -> CallBody<'_> {
    let word = plan.word.as_bytes();
    let (name, index) = if plan.deed == 3 { ("connect", 1) } else { ("openat", 1) };
    let asked = if plan.deed == 3 {
        What::Bytes(word)
    } else {
        What::Text {
            bytes: word,
            truncated: plan.deed == 1,
        }
    };
    let found = What::File {
        mode: libc::S_IFREG,
        inode: 1,
        magic: 0,
        path: KernelNames { names: word, flags: 2 },
    };
    CallBody {
        call: Hook::of_call(name).and_then(Hook::call).unwrap(),
        abi: Abi::Native,
        number: 0,
        ret: plan.ret,
        args: [3, 0, 0, 0, 0, 0],
        parts: vec![
            Part {
                of: Of::Arg(index),
                what: asked,
            },
            Part {
                of: Of::Result,
                what: found,
            },
        ],
    }
}

fn event<'a>(
    plan: &'a Plan,
    body: &'a CallBody<'a>,
    processes: &'a [Arc<Process>],
    outcomes: &'a [Arc<Outcome>],
) -> Event<'a> {
    let process = plan.process.map(|index| &processes[index]);
    let key = plan.stranger.or(process.map(|process| process.key));
    let key = key.unwrap_or(processes[0].key);
    let (file, target) = if plan.deed == 2 {
        files(body, &args(body))
    } else {
        (None, None)
    };
    Event {
        time: Timestamp::from_nanosecond(plan.time.into()).unwrap(),
        node: &plan.node,
        kind: if plan.deed == 0 {
            Kind::ProcessExit
        } else {
            Kind::Syscall
        },
        process: ProcessView {
            key,
            tid: plan.tid,
            // The calendar may be set while a process runs.
            start_time: BootClock::at_epoch().utc(key.start + plan.boot),
            process,
        },
        exit: (plan.deed == 0).then_some(Exit {
            code: Some(3),
            signal: None,
        }),
        syscall: (1..=3).contains(&plan.deed).then(|| Syscall {
            abi: body.abi,
            ret: plan.ret,
            error: (plan.ret < 0).then_some("ENOENT".into()),
            args: args(body),
        }),
        file,
        target,
        network: (plan.deed == 3).then(|| network(body)).flatten(),
        outcome: &outcomes[plan.outcome],
        lost_before: plan.lost_before,
    }
}

proptest! {
    #[test]
    fn what_is_spliced_is_what_serde_writes(
        processes in vec(process(), 4),
        outcomes in vec(outcome(), 4),
        plans in vec(plan(), 1..40),
        [few, small] in any::<[bool; 2]>(),
    ) {
        let processes: Vec<_> = processes.into_iter().map(Arc::new).collect();
        let outcomes: Vec<_> = outcomes.into_iter().map(Arc::new).collect();
        let mut writer = EventWriter::new();
        if few {
            writer.processes = Pieces::new(NonZeroUsize::MIN, PROCESS_BYTES);
        }
        if small {
            writer.outcomes = Pieces::new(OUTCOMES, 800);
        }
        let (mut spliced, mut plain) = (Vec::new(), Vec::new());
        for plan in &plans {
            let body = body(plan);
            let event = event(plan, &body, &processes, &outcomes);
            writer.append(&mut spliced, &event).unwrap();
            json::append(&mut plain, &event).unwrap();
        }
        prop_assert_eq!(String::from_utf8(spliced).unwrap(), String::from_utf8(plain).unwrap());
    }

    #[test]
    fn numbers_are_decimal(number in any::<u64>()) {
        let mut out = Vec::new();
        decimal(&mut out, number);
        prop_assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
    }
}
