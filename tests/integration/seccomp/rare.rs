//! What a healthy agent on a healthy machine does not do, each in a process of its own with and without the rule for it:
//! this test binary again, under the agent's filter.

use std::collections::HashMap;
use std::hint::black_box;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::Signal;
use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};
use pinhole::privilege::seccomp::Filter;
use pinhole::privilege::seccomp::policy::Policy;
use tokio::sync::oneshot;

use super::policy::{AGENT_DELIVERY, AGENT_RUN, rules, without};
use crate::event::agent;
use crate::lab::journal::Journal;
use crate::lab::kernels::Kernel;
use crate::lab::vm::Machine;

const DEED: &str = "PINHOLE_SECCOMP_TEST_DEED";
const LACKING: &str = "PINHOLE_SECCOMP_TEST_LACKING";
/// Set where it is the delivery process's filter that the deed is done under.
const DELIVERY: &str = "PINHOLE_SECCOMP_TEST_DELIVERY";

/// The rules that are shown to be needed here.
pub(super) const RULES: [&str; 11] = [
    "mmap 4",
    "munmap",
    "mremap",
    "brk",
    "getrandom",
    "gettid",
    "getcwd",
    "lseek",
    "tgkill 6",
    "memfd_create",
    "clock_gettime",
];

/// What is done, the rules that it needs, and how it ends with all of them.
const DEEDS: [(&str, &[&str], Option<Signal>); 5] = [
    ("memory", &["mmap 4", "munmap", "mremap", "brk"], None),
    ("hash", &["getrandom"], None),
    ("panic", &["gettid", "getcwd", "lseek"], None),
    ("abort", &["tgkill 6"], Some(Signal::SIGABRT)),
    ("journal", &["memfd_create"], None),
];

/// Not a test of its own: where a process that the test below starts does its deed.
#[test]
fn deed() {
    let Ok(deed) = std::env::var(DEED) else { return };
    let (whole, parts) = match std::env::var_os(DELIVERY) {
        Some(_) => (AGENT_DELIVERY, &["network", "files", "sockets"][..]),
        None => (AGENT_RUN, &[][..]),
    };
    let policy = match std::env::var(LACKING) {
        Ok(lacking) => {
            let rule = rules(whole).into_iter().find(|rule| rule.label == lacking).unwrap();
            without(whole, &rule)
        }
        Err(_) => whole.to_owned(),
    };
    let filter = Filter::compile(&Policy::parse_parts(&policy, parts).unwrap()).unwrap();
    match &*deed {
        "memory" => {
            filter.install().unwrap();
            // Small pieces come from the heap, which grows by brk; large ones are mapped, moved and given back.
            let small: Vec<Box<[u8; 512]>> = (0..8192).map(|_| Box::new([1; 512])).collect();
            let mut large = vec![1_u8; 8 << 20];
            large.resize(32 << 20, 2);
            black_box((small, large));
        }
        "hash" => {
            // A thread's first table takes its seed from the kernel; the control thread's first is made when it is asked.
            let ((go, wait), (begin, begun)) = (oneshot::channel::<()>(), oneshot::channel::<()>());
            let thread = std::thread::spawn(move || {
                begin.send(()).unwrap();
                wait.blocking_recv().unwrap();
                HashMap::from([(1, 2)])[&1]
            });
            begun.blocking_recv().unwrap();
            filter.install().unwrap();
            go.send(()).unwrap();
            assert_eq!(thread.join().unwrap(), 2);
        }
        "panic" => {
            filter.install().unwrap();
            assert!(std::panic::catch_unwind(|| panic!("on purpose")).is_err());
        }
        "large entry" => {
            let (here, _there) = UnixDatagram::pair().unwrap();
            filter.install().unwrap();
            let file = memfd_create("entry", MFdFlags::MFD_ALLOW_SEALING).unwrap();
            fcntl(&file, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_GROW)).unwrap();
            let rights = [file.as_raw_fd()];
            let message = [ControlMessage::ScmRights(&rights)];
            let flags = MsgFlags::empty();
            sendmsg::<UnixAddr>(here.as_raw_fd(), &[], &message, flags, None).unwrap();
        }
        "abort" => {
            filter.install().unwrap();
            std::process::abort();
        }
        "journal" => {
            use tracing_subscriber::layer::SubscriberExt;
            let subscriber = tracing_subscriber::registry().with(tracing_journald::layer().unwrap());
            let long = "x".repeat(1 << 20);
            tracing::subscriber::with_default(subscriber, || {
                filter.install().unwrap();
                tracing::info!("{long}");
            });
        }
        other => panic!("{other}"),
    }
    std::process::exit(0);
}

fn play(deed: &str, lacking: Option<&str>, entry: &[String]) -> Output {
    ended(&mut stage(deed, lacking, entry))
}

fn ended(command: &mut Command) -> Output {
    command.output().unwrap()
}

fn stage(deed: &str, lacking: Option<&str>, entry: &[String]) -> Command {
    let own = std::env::current_exe().unwrap();
    let mut words = entry.iter().map(Into::into).chain([own.into_os_string()]);
    let mut command = Command::new(words.next().unwrap());
    command
        .args(words)
        .args(["--exact", "seccomp::rare::deed", "--nocapture", "--test-threads=1"])
        .env(DEED, deed)
        // One heap, that of the main thread, which grows by brk: a test's own thread would have another.
        .env("MALLOC_ARENA_MAX", "1")
        .env("RUST_BACKTRACE", "1");
    if let Some(lacking) = lacking {
        command.env(LACKING, lacking);
    }
    command
}

/// What the delivery process seldom does, and the rules that it needs.
const DELIVERY_DEEDS: [(&str, &[&str], Option<Signal>); 5] = [
    ("memory", &["munmap", "mremap", "brk"], None),
    ("hash", &["getrandom"], None),
    ("panic", &["gettid", "getcwd", "lseek"], None),
    ("abort", &["getpid", "tgkill 6"], Some(Signal::SIGABRT)),
    ("large entry", &["memfd_create", "fcntl 1033", "sendmsg"], None),
];

/// The rules of the delivery process that are shown to be needed here.
pub(super) fn rules_of_delivery() -> impl Iterator<Item = &'static str> {
    DELIVERY_DEEDS.iter().flat_map(|(_, needs, _)| needs.iter().copied())
}

#[test]
fn what_is_rare_needs_its_rules_in_the_delivery_process() {
    for (deed, needs, ends) in DELIVERY_DEEDS {
        let with = ended(stage(deed, None, &[]).env(DELIVERY, "1"));
        let signal = ends.map(|signal| signal as i32);
        assert_eq!(with.status.signal(), signal, "{deed}: {with:?}");
        for rule in needs {
            let output = ended(stage(deed, Some(rule), &[]).env(DELIVERY, "1"));
            assert_eq!(
                output.status.signal(),
                Some(libc::SIGSYS),
                "{deed} without {rule}: {output:?}"
            );
        }
    }
}

#[test]
fn what_is_rare_needs_its_rules() {
    let journal = Journal::start().unwrap();
    let inside = journal.entry().unwrap();
    let mut shown = vec!["clock_gettime"];
    for (deed, needs, ends) in DEEDS {
        let entry = if deed == "journal" { &*inside } else { &[] };
        let with = play(deed, None, entry);
        assert_eq!(
            with.status.signal(),
            ends.map(|signal| signal as i32),
            "{deed}: {with:?}"
        );
        assert!(ends.is_some() || with.status.success(), "{deed}: {with:?}");
        for rule in needs {
            let output = play(deed, Some(rule), entry);
            assert_eq!(
                output.status.signal(),
                Some(libc::SIGSYS),
                "{deed} without {rule}: {output:?}"
            );
            shown.push(rule);
        }
    }
    shown.sort_unstable();
    let mut all = RULES;
    all.sort_unstable();
    assert_eq!(shown, all);
}

/// Where the kernel offers no vDSO, each look at a clock is a system call.
#[test]
fn without_a_vdso_clocks_are_asked_by_system_call() {
    let rule = rules(AGENT_RUN)
        .into_iter()
        .find(|rule| rule.label == "clock_gettime")
        .unwrap();
    let place = crate::lab::place::Place::new().unwrap();
    let lacking = place.path().join("agent-lacking");
    let original = std::fs::read(agent()).unwrap();
    std::fs::write(
        &lacking,
        super::kept::with_policy(&original, AGENT_RUN, &without(AGENT_RUN, &rule)),
    )
    .unwrap();
    let machine = Machine::new(Kernel::of("bookworm").unwrap())
        .parameter("vdso=0")
        .program("agent", agent())
        .program("agent-lacking", &lacking);
    let finished = machine
        .run(
            "for agent in agent agent-lacking; do\n\
             chmod 755 /bin/$agent\n\
             : >/tmp/$agent.log\n\
             PINHOLE_CONTROL_SOCKET=/tmp/$agent.sock $agent run --output count >/tmp/out 2>/tmp/$agent.log &\n\
             until grep -q 'without any capability' /tmp/$agent.log || ! kill -0 $!; do usleep 50000; done\n\
             kill -TERM $!\n\
             wait $!\n\
             echo \"$agent $?\"\n\
             done\n",
        )
        .unwrap();
    assert!(finished.output.contains("agent 0\n"), "{finished:?}");
    assert!(finished.output.contains("agent-lacking 159\n"), "SIGSYS: {finished:?}");
}
