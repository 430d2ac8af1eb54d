//! Three accounts of one run held against each other: the program's, strace's and the agent's.
//!
//! Per thread, in order, and complete: every call of the table that strace saw must be told, but for what the table says is
//! not; nothing else may be told; and the program's deeds are exactly those calls.

use std::collections::{BTreeMap, BTreeSet};

use pinhole::capture::arg::Kind;
use pinhole::capture::calls::{CALLS, Told};
use serde_json::Value;

use super::account::Deed;
use super::actor::call;
use super::words::{is_pointer, same};
use crate::lab::strace::{self, Call};
use crate::lost::lost;

/// What was asked for, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Circumstances {
    /// Every message is told, not the first of each flow.
    pub(super) all_flows: bool,
    /// Calls that the kernel does not have cannot be told: there is nothing to attach to.
    pub(super) attached: bool,
}

/// Calls that never succeed where no module is loaded, and why.
const WITHOUT_MODULES: &[(&str, &str)] = &[
    (
        "init_module",
        "a module would have to be built for each kernel; this machine's takes none",
    ),
    ("finit_module", "likewise"),
    ("delete_module", "likewise: there is none to remove"),
];
/// Calls that never fail here, and why.
const NEVER_FAIL: &[(&str, &str)] = &[
    (
        "setfsuid",
        "it has no errors: the result is the id before, whatever happens",
    ),
    ("setfsgid", "likewise"),
];
/// Calls that are newer than the strace of the lab or some kernel: told, and compared with the program's account alone.
const UNKNOWN_TO_STRACE: &[&str] = &["fchmodat2"];

/// What three accounts differ in, line by line.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// What cannot be.
    wrong: Vec<String>,
    /// What was done and not told.
    untold: Vec<String>,
}

impl Verdict {
    /// Accepts nothing that is wrong, and no more that is untold than the agent's own account says was lost: the kernel
    /// skips a program that a task was preempted in, and counts that.
    pub(super) fn accept(&self, summary: &Value, deeds: usize) {
        let lines = |lines: &[String]| lines.join("\n");
        assert!(
            self.wrong.is_empty(),
            "{} of {deeds} deeds:\n{}",
            self.wrong.len(),
            lines(&self.wrong)
        );
        let lost = lost(summary);
        assert!(
            self.untold.len() as u64 <= lost,
            "{} of {deeds} deeds untold, {lost} lost:\n{}\n{summary}",
            self.untold.len(),
            lines(&self.untold)
        );
        // Of the addresses of messages none is bad, and many are not given.
        let unread = &summary["hooks"]["sendto"]["unreadable"];
        assert!(
            unread.as_u64().unwrap_or(0) == 0,
            "{unread} messages had an address that could not be read"
        );
        println!("{deeds} deeds, {} of them lost and counted", self.untold.len());
        for untold in &self.untold {
            println!("  {}", untold.split(": next is").next().unwrap_or(untold));
        }
    }
}

/// Holds the accounts against each other.
pub(super) fn judge(deeds: &[Deed], strace: &str, events: &[Value], circumstances: Circumstances) -> Verdict {
    let mut verdict = Verdict::default();
    let calls = watched(strace);
    let by_thread = deeds.iter().fold(BTreeMap::<i64, Vec<&Deed>>::new(), |mut all, deed| {
        all.entry(deed.tid).or_default().push(deed);
        all
    });
    for (tid, deeds) in by_thread {
        let theirs: Vec<&Call> = calls.iter().filter(|call| call.pid == tid).collect();
        let ours: Vec<&Value> = events
            .iter()
            .filter(|event| event["process"]["tid"] == tid)
            .filter(|event| event["type"] == "syscall" || event["type"] == "process_exec")
            .collect();
        thread(&deeds, &theirs, &ours, circumstances, &mut verdict);
    }
    verdict
}

/// strace's calls that are in the table; a number that strace has no name for is looked up there.
fn watched(strace: &str) -> Vec<Call> {
    strace::parse(strace)
        .into_iter()
        .filter_map(|mut made| {
            if let Some(number) = made.name.strip_prefix("syscall_0x") {
                let number = u16::from_str_radix(number, 16).ok();
                let row = CALLS.iter().find(|call| call.number == number)?;
                row.name.clone_into(&mut made.name);
            }
            let known = |name: &str| CALLS.iter().any(|call| call.name == name);
            // The calls of i386 with wide ids have names of their own: chown32.
            if let Some(name) = made.name.strip_suffix("32").filter(|name| known(name)) {
                made.name = name.to_owned();
            }
            known(&made.name).then_some(made)
        })
        .collect()
}

/// One thread's accounts.
fn thread(deeds: &[&Deed], theirs: &[&Call], ours: &[&Value], circumstances: Circumstances, verdict: &mut Verdict) {
    let Verdict { wrong, untold } = verdict;
    let mut ours = ours.iter().copied().peekable();
    for (index, made) in theirs.iter().enumerate() {
        // What follows an exec is another program's doing.
        let deed = deeds.get(index).copied();
        let title = deed.map_or_else(|| format!("{} after the last deed", made.name), Deed::title);
        if let Some(deed) = deed
            && (&deed.call, deed.ret.max(-1), &deed.error) != (&made.name, made.ret, &made.error)
        {
            wrong.push(format!("{title}: strace saw something else: {made:?}"));
            return;
        }
        if !is_told(deed, made, circumstances) {
            continue;
        }
        // Where the same call came to the same end more than once, its arguments say which of them it is.
        let is_anothers = |event: &Value| {
            !fits(event, made)
                && theirs[index + 1..]
                    .iter()
                    .any(|later| is_of(event, later) && fits(event, later))
        };
        let Some(event) = ours.next_if(|event| is_of(event, made) && !is_anothers(event)) else {
            let next = ours.peek().map_or_else(|| "nothing".to_owned(), ToString::to_string);
            untold.push(format!("{title}: next is {next}"));
            continue;
        };
        if event["type"] == "syscall" {
            let found = compared(event, made);
            wrong.extend(
                found
                    .iter()
                    .map(|what| format!("{title}: {what}\n  event: {event}\n  strace: {made:?}")),
            );
        }
        if let Some(deed) = deed {
            let found = stated(event, deed);
            wrong.extend(found.iter().map(|what| format!("{title}: {what}\n  event: {event}")));
        }
    }
    if deeds.len() > theirs.len() {
        wrong.push(format!("{}: not seen by strace", deeds[theirs.len()].title()));
    }
    wrong.extend(ours.map(|event| format!("{}: told and not done: {event}", deeds[0].title())));
}

/// Whether the agent has to tell it.
fn is_told(deed: Option<&Deed>, made: &Call, circumstances: Circumstances) -> bool {
    if circumstances.attached && made.error.as_deref() == Some("ENOSYS") && UNKNOWN_TO_STRACE.contains(&&*made.name) {
        return false;
    }
    match call(&made.name).told {
        // A success is told as the process's new image.
        Told::All | Told::Failures => true,
        Told::FirstOfFlow => circumstances.all_flows || !deed.is_some_and(|deed| deed.repeated),
        Told::Selected(_) => TOLD_OPERATIONS.contains(&made.args[0].as_str()),
    }
}

/// The operations of prctl(2) that are told, in strace's words: the table has them as numbers.
const TOLD_OPERATIONS: &[&str] = &[
    "PR_SET_DUMPABLE",
    "PR_SET_KEEPCAPS",
    "PR_SET_NAME",
    "PR_SET_SECCOMP",
    "PR_CAPBSET_DROP",
    "PR_SET_SECUREBITS",
    "PR_SET_MM",
    "PR_SET_CHILD_SUBREAPER",
    "PR_SET_NO_NEW_PRIVS",
    "PR_CAP_AMBIENT",
    "PR_SET_PTRACER",
];

/// Whether the event is the one of this call, as far as name and outcome tell.
fn is_of(event: &Value, made: &Call) -> bool {
    if event["type"] == "process_exec" {
        return made.name.starts_with("execve") && made.ret == 0;
    }
    let told = &event["syscall"];
    let error = told["error"].as_str();
    // The kernel returns the error negated, the C library -1.
    let ret = told["ret"]
        .as_i64()
        .map(|ret| if error.is_some() { ret.max(-1) } else { ret });
    told["name"] == *made.name && ret == Some(made.ret) && error == made.error.as_deref()
}

/// Whether nothing that is told of the call differs from strace's account.
fn fits(event: &Value, made: &Call) -> bool {
    event["type"] != "syscall" || compared(event, made).is_empty()
}

/// The arguments against strace's.
fn compared(event: &Value, made: &Call) -> Vec<String> {
    if UNKNOWN_TO_STRACE.contains(&&*made.name) {
        return Vec::new();
    }
    let told = &event["syscall"];
    let unread: Vec<&str> = told["unread"]
        .as_array()
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let args = &told["args"];
    let row = call(&made.name);
    let mut wrong = Vec::new();
    for (index, arg) in row.args.iter().enumerate() {
        let (ours, theirs) = (args.get(arg.name), made.args.get(index));
        let ok = match (ours, theirs) {
            _ if arg.kind == Kind::Unread => ours.is_none(),
            (Some(ours), Some(theirs)) => same(ours, theirs) || differs_on_purpose(made, index),
            // What could not be read is listed; what is NULL, or has no meaning with this operation, is left out.
            (None, Some(theirs)) if is_pointer(theirs) => {
                theirs == "NULL" || unread.contains(&arg.name) || differs_on_purpose(made, index)
            }
            (None, Some(_)) => differs_on_purpose(made, index),
            // strace leaves out what the call does not look at.
            (Some(_), None) => differs_on_purpose(made, index),
            (None, None) => true,
        };
        if !ok {
            wrong.push(format!("{}: {ours:?}, strace {theirs:?}", arg.name));
        }
    }
    let names: BTreeSet<&str> = row.args.iter().map(|arg| arg.name).collect();
    for name in args.as_object().into_iter().flat_map(|args| args.keys()) {
        if !names.contains(name.as_str()) {
            wrong.push(format!("{name} is no argument"));
        }
    }
    wrong
}

/// What the agent tells otherwise than strace, and why that is as well.
fn differs_on_purpose(made: &Call, index: usize) -> bool {
    match (&*made.name, index) {
        // Only what is loaded or made is looked into.
        ("bpf", 1) => !matches!(&*made.args[0], "BPF_PROG_LOAD" | "BPF_MAP_CREATE"),
        // The type of a file system is not looked at when nothing new is mounted; strace then shows a pointer or nothing.
        ("mount", 2) => true,
        // What an operation does not take is left out.
        ("ptrace", 2 | 3) | ("prctl", 2..) => true,
        // The kernel answers an unknown version by its own, which is there when the call has returned.
        ("capset", _) => made.args[0].contains("_???"),
        // Of a message without an address nothing is told.
        ("sendmsg" | "sendmmsg", 1) => made.args[1].contains("msg_name=NULL"),
        _ => false,
    }
}

/// The event against what the program stated.
fn stated(event: &Value, deed: &Deed) -> Vec<String> {
    let mut wrong = Vec::new();
    if event["type"] == "syscall" {
        let told = &event["syscall"];
        if told.get("abi").and_then(Value::as_str) != deed.abi.as_deref() {
            wrong.push(format!("abi {:?}, not {:?}", told.get("abi"), deed.abi));
        }
        if told["ret"] != deed.ret {
            wrong.push(format!("ret {}, not {}", told["ret"], deed.ret));
        }
        for (name, value) in &deed.args {
            let stated_otherwise = deed.expected["syscall"]["args"].get(name).is_some();
            if !stated_otherwise && told["args"].get(name) != Some(value) {
                wrong.push(format!("{name} is {}, not {value}", told["args"][name]));
            }
        }
    }
    differences("", event, &deed.expected, &mut wrong);
    wrong
}

fn differences(at: &str, found: &Value, expected: &Value, wrong: &mut Vec<String>) {
    if let Value::Object(keys) = expected {
        for (key, expected) in keys {
            let at = format!("{at}.{key}");
            match found.get(key) {
                None if expected.is_null() => {}
                None if expected
                    .as_object()
                    .is_some_and(|keys| keys.values().all(Value::is_null)) => {}
                None => wrong.push(format!("{at} is absent, not {expected}")),
                Some(found) => differences(&at, found, expected, wrong),
            }
        }
    } else if found != expected {
        wrong.push(format!("{at} is {found}, not {expected}"));
    }
}

/// What was not done: every call of the table must be made in success and in failure, the ways of 32-bit programs included.
pub(super) fn left_undone(deeds: &[Deed], native_only: bool, modules: bool) -> Vec<String> {
    let excused = |list: &[(&str, &str)], name: &str| list.iter().any(|(call, _)| *call == name);
    let abis: &[Option<&str>] = if native_only { &[None] } else { &[None, Some("i386")] };
    let mut undone = Vec::new();
    for row in CALLS.iter().filter(|row| row.number.is_some()) {
        // The kernel is older than the call.
        let mut made = deeds.iter().filter(|deed| deed.call == row.name).peekable();
        if UNKNOWN_TO_STRACE.contains(&row.name)
            && made.peek().is_some()
            && made.all(|deed| deed.error.as_deref() == Some("ENOSYS"))
        {
            continue;
        }
        for abi in abis {
            let of = |failed: bool| {
                deeds
                    .iter()
                    .any(|deed| deed.call == row.name && deed.abi.as_deref() == *abi && deed.error.is_some() == failed)
            };
            if !of(false) && (modules || !excused(WITHOUT_MODULES, row.name)) {
                undone.push(format!("{} {abi:?}: no success", row.name));
            }
            if !of(true) && !excused(NEVER_FAIL, row.name) {
                undone.push(format!("{} {abi:?}: no failure", row.name));
            }
        }
    }
    undone
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
