//! A judge who finds everything in order must be able to find otherwise.

use serde_json::{Value, json};

use super::{Circumstances, Deed, Verdict, judge};

const CIRCUMSTANCES: Circumstances = Circumstances {
    all_flows: false,
    attached: false,
};
const STRACE: &str = concat!(
    "7 chdir(\"/tmp\") = 0\n",
    "7 getpid() = 7\n",
    "7 open(\"no\", O_RDONLY) = -1 ENOENT (No such file or directory)\n",
    "7 prctl(PR_GET_NAME, \"name\") = 0\n",
);

fn deeds() -> Vec<Deed> {
    let deed = |call: &str, ret: i64, error: Option<&str>, args: Value, expected: Value| {
        json!({
            "scene": "scene", "way": "native", "tid": 7, "call": call, "abi": null, "ret": ret, "error": error,
            "args": args, "repeated": false, "expected": expected,
        })
    };
    let lines = [
        deed(
            "chdir",
            0,
            None,
            json!({"path": "/tmp"}),
            json!({"process": {"cwd": "/tmp"}}),
        ),
        deed(
            "open",
            -2,
            Some("ENOENT"),
            json!({"flags": "O_RDONLY"}),
            json!({"file": {"path": null}}),
        ),
        deed("prctl", 0, None, json!({}), json!({})),
    ];
    let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
    Deed::read(&lines.join("\n"))
}

fn events() -> Vec<Value> {
    vec![
        json!({"type": "syscall", "process": {"tid": 7, "cwd": "/tmp"},
            "syscall": {"name": "chdir", "ret": 0, "args": {"path": "/tmp"}}}),
        json!({"type": "process_fork", "process": {"tid": 7}}),
        json!({"type": "syscall", "process": {"tid": 7}, "file": {"requested_path": "no"},
            "syscall": {"name": "open", "ret": -2, "error": "ENOENT", "args": {"pathname": "no", "flags": "O_RDONLY"}}}),
        json!({"type": "syscall", "process": {"tid": 8}, "syscall": {"name": "open", "ret": 3, "args": {}}}),
    ]
}

type Change = fn(&mut Vec<Value>);

fn of(change: impl FnOnce(&mut Vec<Value>)) -> Verdict {
    let mut events = events();
    change(&mut events);
    judge(&deeds(), STRACE, &events, CIRCUMSTANCES)
}

#[test]
fn three_equal_accounts_are_accepted() {
    assert_eq!(of(|_| ()), Verdict::default());
}

#[test]
fn what_is_not_told_is_found_and_must_be_accounted_for() {
    let verdict = of(|events| drop(events.remove(2)));
    assert_eq!((verdict.wrong.len(), verdict.untold.len()), (0, 1), "{verdict:?}");
    let summary = |missed: u64| json!({"hooks": {"open": {"dropped": 0}}, "dispatcher": {"missed": missed}});
    verdict.accept(&summary(1), 3);
    assert!(std::panic::catch_unwind(|| verdict.accept(&summary(0), 3)).is_err());
}

#[test]
fn what_is_told_otherwise_is_found() {
    let cases: [(&str, Change); 7] = [
        ("another word", |events| {
            events[2]["syscall"]["args"]["flags"] = "O_RDWR".into();
        }),
        ("an argument is missing", |events| {
            events[2]["syscall"]["args"] = json!({"flags": "O_RDONLY"});
        }),
        ("an argument too many", |events| {
            events[2]["syscall"]["args"]["mode"] = "0644".into();
        }),
        ("a path that cannot be", |events| {
            events[2]["file"]["path"] = "/tmp/no".into();
        }),
        ("another process state", |events| {
            events[0]["process"]["cwd"] = "/".into();
        }),
        ("another way in", |events| events[0]["syscall"]["abi"] = "i386".into()),
        ("told twice", |events| {
            let again = events[2].clone();
            events.push(again);
        }),
    ];
    for (what, change) in cases {
        let verdict = of(change);
        assert!(!verdict.wrong.is_empty(), "{what} was not found");
    }
}
