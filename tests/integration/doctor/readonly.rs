//! The doctor changes nothing: what strace saw of it, what became of the files around it, and what happens where the kernel does
//! not hold it to that.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use seccompiler::{SeccompAction, SeccompFilter, SeccompRule};
use serde_json::Value;

use crate::event::agent;
use crate::lab::agent::{AGENT_ID, Installed};
use crate::lab::place::Place;
use crate::lab::strace::{self, Call};
use crate::lab::turn::Turn;

/// Calls that were seen of the doctor and its canary and change nothing but the process itself. Whatever else succeeds is told.
const HARMLESS: &[&str] = &[
    "access",
    "arch_prctl",
    "brk",
    "capget",
    "capset",
    "clone",
    "close",
    "connect",
    "dup2",
    "dup3",
    "epoll_create1",
    "epoll_ctl",
    "epoll_pwait",
    "epoll_wait",
    "eventfd2",
    "execve",
    "exit",
    "exit_group",
    "faccessat",
    "faccessat2",
    "fcntl",
    "fstat",
    "fstatfs",
    "futex",
    "getcwd",
    "getpid",
    "getppid",
    "getrandom",
    "getsockname",
    "getsockopt",
    "gettid",
    "getxattr",
    "geteuid",
    "getuid",
    "getgid",
    "getegid",
    "getgroups",
    "inotify_add_watch",
    "inotify_init1",
    "inotify_rm_watch",
    "ioctl",
    "lseek",
    "lstat",
    "newfstatat",
    "poll",
    "ppoll",
    "prctl",
    "prlimit64",
    "readlink",
    "readlinkat",
    "recvfrom",
    "recvmsg",
    "rseq",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sched_getaffinity",
    "sched_yield",
    "seccomp",
    "set_robust_list",
    "set_tid_address",
    "setsockopt",
    "shutdown",
    "sigaltstack",
    "socket",
    "stat",
    "statfs",
    "statx",
    "sysinfo",
    "uname",
    "wait4",
    "clock_nanosleep",
    "clock_gettime",
    "nanosleep",
    "restart_syscall",
];
/// Calls that write to a descriptor.
const WRITES: &[&str] = &["write", "writev", "sendto", "sendmsg"];
/// What is traced: everything but what is called thousands of times and reads, and bpf(2), whose programs strace would print.
const TRACED: &str = "!read,readv,pread64,getdents64,mmap,munmap,mremap,mprotect,madvise,bpf";

/// What a directory holds: kind, mode, owner, size, times and content of every entry.
fn snapshot(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(path) = open.pop() {
        let data = fs::symlink_metadata(&path).unwrap();
        let content = if data.is_file() {
            fs::read(&path).unwrap()
        } else {
            Vec::new()
        };
        let summed = content
            .iter()
            .fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
        let told = format!(
            "{:o} {}:{} {} {} {} {summed:x}",
            data.mode(),
            data.uid(),
            data.gid(),
            data.size(),
            data.mtime_nsec(),
            data.ctime_nsec()
        );
        if data.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        found.insert(path, told);
    }
    found
}

/// A successful call that changes something, or may.
fn changes(call: &Call) -> bool {
    if call.ret < 0 {
        return false;
    }
    let writable = |flags: &str| {
        ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"]
            .iter()
            .any(|flag| flags.contains(flag))
    };
    match call.name.as_str() {
        "openat" => writable(&call.args[2]),
        "open" => writable(&call.args[1]),
        // strace -y says what the descriptor is.
        name if WRITES.contains(&name) => {
            let to = &call.args[0];
            let stream = to.starts_with("1<") || to.starts_with("2<");
            let inner = ["<pipe:", "<socket:", "<UNIX", "<TCP", "<anon_inode:"]
                .iter()
                .any(|kind| to.contains(kind));
            !stream && !inner
        }
        name => !HARMLESS.contains(&name),
    }
}

/// The doctor under strace, and its calls from the moment on at which it is confined: what setpriv and the loader did before is
/// theirs, and so is what the doctor did to read its own process status.
fn traced(installed: &Installed, arguments: &[&str]) -> (Vec<Call>, Output) {
    let place = Place::new().unwrap();
    let command = installed.command(arguments).unwrap();
    let words: Vec<String> = [command.get_program()]
        .into_iter()
        .chain(command.get_args())
        .map(|word| word.to_str().unwrap().to_owned())
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let socket = format!("PINHOLE_CONTROL_SOCKET={}", installed.control_socket().display());
    let options = [
        "-y",
        "-s",
        "64",
        "-e",
        "abbrev=all",
        "-E",
        &socket,
        "-E",
        "PINHOLE_LOG_TARGET=stderr",
    ];
    strace::trace_with(&options, TRACED, &place.path().join("strace"), &words)
        .map(|(calls, output)| {
            // The last filter of the stack is the one after which nothing passes any more.
            let confined = calls.iter().rposition(|call| call.name == "seccomp" && call.ret == 0);
            let from = confined.unwrap_or_else(|| panic!("never confined: {output:?}"));
            (calls[from + 1..].to_vec(), output)
        })
        .unwrap()
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn status<'a>(report: &'a Value, id: &str) -> &'a str {
    let checks = report["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["id"] == id);
    check
        .and_then(|check| check["status"].as_str())
        .unwrap_or_else(|| panic!("no {id}: {report}"))
}

#[test]
fn nothing_is_written_but_the_report_whether_or_not_an_agent_runs() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let examine = |arguments: &[&str]| {
        let before = snapshot(installed.dir());
        let (calls, output) = traced(&installed, arguments);
        let after = snapshot(installed.dir());
        assert_eq!(before, after, "{arguments:?}");
        let wrong: Vec<&Call> = calls.iter().filter(|call| changes(call)).collect();
        assert!(wrong.is_empty(), "{arguments:?}: {wrong:#?}");
        // The oracle sees the doctor at work: it opens, connects and runs its canary.
        for name in ["openat", "socket", "execve"] {
            assert!(
                calls.iter().any(|call| call.name == name && call.ret >= 0),
                "{arguments:?}: no {name}"
            );
        }
        output
    };
    let cold = report(&examine(&["doctor", "--format", "json"]));
    assert_eq!(
        (&cold["mode"], &cold["confined"]["in_force"]),
        (&"cold".into(), &true.into())
    );
    // The capabilities of the file are raised and used under the filter, and the canary runs under it.
    for id in ["PIN-CAP-001", "PIN-BPF-001", "PIN-BPF-002", "PIN-LIVE-002"] {
        assert_eq!(status(&cold, id), "ok", "{cold:#}");
    }
    let list = examine(&["doctor", "bundle", "--list"]);
    assert_eq!(list.status.code(), Some(0), "{list:?}");
    assert!(
        String::from_utf8_lossy(&list.stdout).contains("report.json"),
        "{list:?}"
    );

    let running = installed.run(["--events", "process"]).unwrap();
    let (calls, output) = traced(&installed, &["doctor", "--format", "json"]);
    let live = report(&output);
    assert_eq!(
        (&live["mode"], status(&live, "PIN-LIVE-002")),
        (&"live".into(), "ok"),
        "{live:#}"
    );
    let wrong: Vec<&Call> = calls.iter().filter(|call| changes(call)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(running.stop().unwrap().status.success());
}

/// A filter that a runtime may have set: it refuses seccomp(2) as a kernel without it would.
fn without_seccomp(command: &mut Command) {
    let rules = [(libc::SYS_seccomp, Vec::<SeccompRule>::new())].into();
    let refused = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let arch = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, arch).unwrap();
    let program: seccompiler::BpfProgram = filter.try_into().unwrap();
    let apply = move || seccompiler::apply_filter(&program).map_err(|error| io::Error::other(error.to_string()));
    #[expect(unsafe_code, reason = "what runs between fork and exec has no safe interface")]
    // SAFETY: the closure makes two system calls and allocates only where they fail.
    unsafe {
        command.pre_exec(apply);
    }
}

#[test]
fn a_doctor_that_cannot_confine_itself_examines_all_the_same_and_says_so() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let mut command = Command::new(installed.dir().join("agent"));
    command.args(["doctor", "--format", "json"]).env_clear();
    command.env("PINHOLE_CONTROL_SOCKET", installed.control_socket());
    without_seccomp(&mut command);
    let said = report(&command.output().unwrap());
    assert_eq!(said["confined"]["in_force"], false, "{said:#}");
    let why = said["confined"]["why"].as_str().unwrap();
    assert!(why.contains("seccomp") && why.contains("not implemented"), "{why}");
    assert_eq!(status(&said, "PIN-BPF-001"), "ok", "{said:#}");

    let mut command = Command::new(installed.dir().join("agent"));
    command
        .arg("doctor")
        .env_clear()
        .env("PINHOLE_CONTROL_SOCKET", installed.control_socket());
    without_seccomp(&mut command);
    let page = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert!(page.contains("not confined to reading: "), "{page}");
}

#[test]
fn the_bundle_is_its_owners_alone_and_overwrites_nothing() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let path = installed.dir().join("run/doctor.tar");
    let pack = || {
        let path = path.to_str().unwrap();
        installed
            .command(["doctor", "bundle", "--file", path])
            .unwrap()
            .output()
            .unwrap()
    };
    let first = pack();
    assert_eq!(first.status.code(), Some(0), "{first:?}");
    let data = fs::metadata(&path).unwrap();
    assert_eq!((data.mode() & 0o7777, data.uid()), (0o600, AGENT_ID));
    let names: Vec<String> = tar::Archive::new(fs::File::open(&path).unwrap())
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .collect();
    for name in [
        "manifest.json",
        "report.json",
        "report.txt",
        "settings.json",
        "hooks.json",
        "profile.json",
        "versions.json",
    ] {
        assert!(names.contains(&format!("pinhole-doctor/{name}")), "{names:?}");
    }
    // Hashes are no ids of containers, and the names of hooks nobody's secret.
    let inside = |name: &str| {
        let mut archive = tar::Archive::new(fs::File::open(&path).unwrap());
        let mut entries = archive.entries().unwrap().map(|entry| entry.unwrap());
        let wanted = format!("pinhole-doctor/{name}");
        let entry = entries
            .find(|entry| entry.path().unwrap() == Path::new(&wanted))
            .unwrap();
        serde_json::from_reader::<_, Value>(entry).unwrap()
    };
    let hash = inside("versions.json")["seccomp_sha256"]["agent-run.json"]
        .as_str()
        .unwrap()
        .len();
    assert_eq!(hash, 64);
    assert!(
        inside("hooks.json")
            .to_string()
            .contains(r#""tracepoint":"sched_process_exec""#)
    );
    let content = fs::read(&path).unwrap();
    let second = pack();
    assert_eq!(second.status.code(), Some(64), "{second:?}");
    assert!(
        String::from_utf8_lossy(&second.stderr).contains("nothing is overwritten"),
        "{second:?}"
    );
    assert_eq!(fs::read(&path).unwrap(), content);

    // Where nothing can be written at all, as in the agent's own pod: through standard output.
    let piped = installed
        .command(["doctor", "bundle", "--file", "-"])
        .unwrap()
        .output()
        .unwrap();
    assert_eq!(piped.status.code(), Some(0), "{piped:?}");
    assert!(tar::Archive::new(piped.stdout.as_slice()).entries().unwrap().count() >= 7);
}
