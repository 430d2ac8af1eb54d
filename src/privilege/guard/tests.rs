//! What the guard finds, in statuses made up and in real processes whose threads keep what they should not.

use std::sync::mpsc;
use std::thread;

use caps::{CapSet, Capability};

use super::*;
use crate::privilege::Capabilities;
use crate::privilege::status::SeccompMode;
use crate::privilege::tests::{assert_played, start};

fn expected() -> Expected {
    Expected {
        uid: [65532; 4],
        gid: [65532; 4],
        filters: seccomp::Installed::NONE,
    }
}

fn good(tid: u32) -> ThreadStatus {
    ThreadStatus {
        tid,
        name: "control".to_owned(),
        threads: 2,
        uid: [65532; 4],
        gid: [65532; 4],
        groups: vec![0],
        inheritable: Capabilities::NONE,
        permitted: Capabilities::NONE,
        effective: Capabilities::NONE,
        bounding: Capabilities::of(&[Capability::CAP_BPF, Capability::CAP_PERFMON]),
        ambient: Capabilities::NONE,
        no_new_privs: true,
        seccomp: SeccompMode::Filter,
        seccomp_filters: Some(2),
    }
}

#[test]
fn each_thing_that_must_not_be_is_found_and_named() {
    let bpf = Capabilities::of(&[Capability::CAP_BPF]);
    type Harm = fn(&mut ThreadStatus, Capabilities);
    let cases: [(Harm, &str); 9] = [
        (
            |it, bpf| it.permitted = bpf,
            "thread 8 (control) still holds CAP_BPF in its permitted set",
        ),
        (
            |it, bpf| it.effective = bpf,
            "thread 8 (control) still holds CAP_BPF in its effective set",
        ),
        (
            |it, bpf| it.inheritable = bpf,
            "thread 8 (control) still holds CAP_BPF in its inheritable set",
        ),
        (
            |it, bpf| it.ambient = bpf,
            "thread 8 (control) still holds CAP_BPF in its ambient set",
        ),
        (
            |it, _| it.no_new_privs = false,
            "thread 8 (control) runs without no_new_privs",
        ),
        (
            |it, _| it.seccomp = SeccompMode::Disabled,
            "thread 8 (control) runs without the agent's seccomp filter",
        ),
        (
            |it, _| it.uid[1] = 0,
            "thread 8 (control) runs as uid [65532, 0, 65532, 65532] gid [65532, 65532, 65532, 65532], the agent as \
             uid [65532, 65532, 65532, 65532] gid [65532, 65532, 65532, 65532]",
        ),
        (
            |it, _| it.uid[3] = 0,
            "thread 8 (control) runs as uid [65532, 65532, 65532, 0] gid [65532, 65532, 65532, 65532], the agent as \
             uid [65532, 65532, 65532, 65532] gid [65532, 65532, 65532, 65532]",
        ),
        (
            |it, _| it.gid[2] = 0,
            "thread 8 (control) runs as uid [65532, 65532, 65532, 65532] gid [65532, 65532, 0, 65532], the agent as \
             uid [65532, 65532, 65532, 65532] gid [65532, 65532, 65532, 65532]",
        ),
    ];
    for (harm, words) in cases {
        let mut thread = good(8);
        harm(&mut thread, bpf);
        let violation = expected().judge(&[good(7), thread], 2).unwrap_err();
        assert!(violation.is_fatal());
        assert_eq!(violation.to_string(), words);
    }
}

#[test]
fn threads_may_end_and_none_may_come() {
    assert!(expected().judge(&[good(7), good(8)], 2).is_ok());
    assert!(expected().judge(&[good(7)], 1).is_ok());
    // The second one ended after its status was read.
    assert!(expected().judge(&[good(7), good(8)], 1).is_ok());
    let violation = expected().judge(&[good(7)], 2).unwrap_err();
    assert!(
        matches!(violation, Violation::Stranger { known: 1, running: 2 }),
        "{violation}"
    );
    assert_eq!(violation.to_string(), "2 threads run, and the agent started 1 of them");
}

#[test]
fn what_the_kernel_does_not_tell_is_no_violation() {
    let unreadable = status::parse(1, "").unwrap_err();
    assert!(!Violation::from(unreadable).is_fatal());
}

#[test]
fn a_thread_that_keeps_a_capability_is_found() {
    assert_played(&start("a thread keeps a capability"));
}

/// The second thread is there before the first one drops, so that it keeps what it has.
pub(in crate::privilege) fn play_keeper() {
    nix::sys::prctl::set_no_new_privs().unwrap();
    let (told, tid) = mpsc::channel();
    let (release, wait) = mpsc::channel::<()>();
    let keeper = thread::Builder::new()
        .name("keeper".to_owned())
        .spawn(move || {
            caps::set(None, CapSet::Effective, &[Capability::CAP_CHOWN].into()).unwrap();
            caps::set(None, CapSet::Permitted, &[Capability::CAP_CHOWN].into()).unwrap();
            told.send(nix::unistd::gettid()).unwrap();
            let _ = wait.recv();
        })
        .unwrap();
    let tid = tid.recv().unwrap();
    for set in [
        CapSet::Effective,
        CapSet::Permitted,
        CapSet::Inheritable,
        CapSet::Ambient,
    ] {
        caps::clear(None, set).unwrap();
    }
    let found = Guard::begin(seccomp::Installed::NONE, 2).unwrap_err();
    assert!(found.is_fatal());
    assert_eq!(
        found.to_string(),
        format!("thread {tid} (keeper) still holds CAP_CHOWN in its permitted set")
    );
    drop(release);
    keeper.join().unwrap();
}

/// Mode 2 by a filter that allows everything, because the agent's own lets no thread be made.
fn allow_everything() {
    const RETURN: u16 = 0x06;
    const ALLOW: u32 = 0x7fff_0000;
    let allow = seccompiler::sock_filter {
        code: RETURN,
        jt: 0,
        jf: 0,
        k: ALLOW,
    };
    seccompiler::apply_filter_all_threads(&[allow]).unwrap();
}

fn guarded() -> Guard {
    drop::drop_all().unwrap();
    allow_everything();
    let guard = Guard::begin(seccomp::Installed::NONE, 1).unwrap();
    assert_eq!(guard.checks(), 1);
    assert!(guard.age() < INTERVAL && !guard.is_due());
    guard
}

/// A thread that waits; it ends with what is given back.
fn stranger() -> mpsc::Sender<()> {
    let (release, wait) = mpsc::channel::<()>();
    thread::spawn(move || wait.recv());
    release
}

#[test]
fn a_thread_that_nobody_started_is_found() {
    assert_played(&start("a thread comes"));
}

pub(in crate::privilege) fn play_stranger() {
    let guard = guarded();
    guard.check().unwrap();
    assert_eq!(guard.checks(), 2);
    let release = stranger();
    let found = guard.check().unwrap_err();
    assert!(matches!(found, Violation::Stranger { known: 1, running: 2 }), "{found}");
    let anew = Guard::begin(seccomp::Installed::NONE, 1).unwrap_err();
    assert!(matches!(anew, Violation::Stranger { known: 1, running: 2 }), "{anew}");
    assert_eq!(guard.checks(), 2, "what found something does not count");
    drop(release);
    while guard.check().is_err() {
        thread::yield_now();
    }
}

#[test]
fn a_violation_ends_the_process_with_code_70() {
    let output = start("a thread comes to a running agent");
    assert_eq!(output.status.code(), Some(70), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("ERROR") && said.contains("2 threads run, and the agent started 1 of them"),
        "{said}"
    );
}

pub(in crate::privilege) fn play_end() {
    let log = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .finish();
    tracing::subscriber::with_default(log, || {
        let guard = guarded();
        crate::cli::run::verify(&guard);
        let _release = stranger();
        crate::cli::run::verify(&guard);
    });
}
