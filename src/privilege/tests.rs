//! Real processes on the running kernel. A test starts this very test binary again, tells it by an environment variable
//! which role to play, and judges how it ended. The role runs in a fork of its own, because only a process with a single
//! thread may drop capabilities, and the test harness always has more.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};

use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

use super::seccomp::tests::{ALLOW, EPERM, KILL, verdict};
use super::seccomp::{self, AGENT_RUN, Filter, policy::Policy};
use super::{Capabilities, capabilities, drop, status};

const ROLE: &str = "PINHOLE_PRIVILEGE_TEST_ROLE";
const ENTRY: &str = "privilege::tests::role_entry";

/// Not a test of its own: where a process that one of the tests below started begins to play its role.
#[test]
fn role_entry() {
    let Ok(role) = std::env::var(ROLE) else { return };
    match in_fork(|| play(&role)) {
        WaitStatus::Exited(_, code) => std::process::exit(code),
        WaitStatus::Signaled(_, signal, _) => {
            println!("ended by {signal}");
            std::process::exit(1);
        }
        other => panic!("{other:?}"),
    }
}

/// Runs `body` in a child process with a single thread and returns how that ended. A panic ends it with code 101.
#[expect(unsafe_code, reason = "fork is unsafe beside other threads")]
pub(super) fn in_fork(body: impl FnOnce() + std::panic::UnwindSafe) -> WaitStatus {
    // SAFETY: the other threads of the harness wait for this one and hold no lock that the child needs: glibc makes its
    // allocator usable after fork, and the child ends by _exit.
    match unsafe { fork() }.unwrap() {
        ForkResult::Parent { child } => waitpid(child, None).unwrap(),
        ForkResult::Child => {
            let code = if std::panic::catch_unwind(body).is_ok() { 0 } else { 101 };
            // SAFETY: ends this process without running the harness's exit handlers.
            unsafe { libc::_exit(code) }
        }
    }
}

fn command(program: &Path, role: &str) -> Command {
    let mut command = Command::new(program);
    command
        .args(["--exact", ENTRY, "--nocapture", "--test-threads=1"])
        .env(ROLE, role);
    command
}

/// Runs the role with a temporary directory that is removed afterwards, whatever the role is able to do then.
pub(super) fn start(role: &str) -> Output {
    let temporary = tempfile::tempdir().unwrap();
    command(&std::env::current_exe().unwrap(), role)
        .env("TMPDIR", temporary.path())
        .output()
        .unwrap()
}

pub(super) fn assert_played(output: &Output) {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{:?}\n{}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    assert_eq!(output.status.signal(), None);
}

fn play(role: &str) {
    match role {
        "drop" => play_drop(),
        "start as 65532" => play_start(),
        "missing" => play_missing(),
        "workload" => play_workload(),
        "every system call" => play_every_system_call(),
        "arguments" => play_arguments(),
        "confined" => super::confinement_tests::play(),
        "a thread keeps a capability" => super::guard::tests::play_keeper(),
        "a thread comes" => super::guard::tests::play_stranger(),
        "a thread comes to a running agent" => super::guard::tests::play_end(),
        "abort" => {
            seccomp::install().unwrap();
            std::process::abort();
        }
        "fault" => {
            seccomp::install().unwrap();
            fault();
        }
        other => panic!("unknown role {other}"),
    }
}

fn own() -> status::ThreadStatus {
    let mut threads = status::own_threads().unwrap();
    assert_eq!(threads.len(), 1);
    threads.remove(0)
}

fn needed() -> Capabilities {
    Capabilities::of(&capabilities::NEEDED)
}

#[test]
fn root_keeps_exactly_what_is_needed_and_then_nothing() {
    assert_played(&start("drop"));
}

fn play_drop() {
    let before = own();
    assert!(
        before.permitted.has(caps::Capability::CAP_SETPCAP),
        "run the tests as root: {}",
        before.permitted
    );
    let grant = capabilities::check().unwrap();
    assert_eq!(grant.capabilities, needed());
    assert!(!grant.surplus.is_empty());
    capabilities::raise(&grant).unwrap();
    let raised = own();
    assert_eq!((raised.permitted, raised.effective), (needed(), needed()));
    assert!(raised.inheritable.is_empty() && raised.ambient.is_empty());
    assert!(
        raised.bounding.is_empty(),
        "CAP_SETPCAP was held, so nothing may be left: {}",
        raised.bounding
    );
    assert!(drop::verify().is_err(), "two capabilities are held");
    drop::drop_all().unwrap();
    let after = own();
    for set in [
        after.permitted,
        after.effective,
        after.inheritable,
        after.ambient,
        after.bounding,
    ] {
        assert!(set.is_empty(), "{after:?}");
    }
    assert!(after.no_new_privs);
    assert!(!nix::sys::prctl::get_dumpable().unwrap());
    assert_eq!(after.uid[1], 0, "still root by number, and yet:");
    assert!(capabilities::check().is_err());
    assert!(
        caps::raise(None, caps::CapSet::Permitted, caps::Capability::CAP_BPF).is_err(),
        "nothing comes back"
    );
    seccomp::install().unwrap().verify().unwrap();
    drop::verify().unwrap();
}

/// A copy of this binary that uid 65532 may run, with these file capabilities.
fn copy_with(directory: &Path, file_capabilities: &str) -> std::path::PathBuf {
    let copy = directory.join("agent");
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    if !file_capabilities.is_empty() {
        let set = Command::new("setcap")
            .arg(file_capabilities)
            .arg(&copy)
            .output()
            .unwrap();
        assert!(set.status.success(), "{set:?}");
    }
    copy
}

/// As a container runtime starts it: uid 65532, the given bounding set, nothing else.
fn start_as_65532(program: &Path, bounding: &str, role: &str) -> Output {
    let inner = command(program, role);
    as_65532(bounding)
        .arg(inner.get_program())
        .args(inner.get_args())
        .env(ROLE, role)
        .output()
        .unwrap()
}

/// A command line that lacks the program to run.
fn as_65532(bounding: &str) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", "65532", "--regid", "65532", "--groups", "0"])
        .args(["--inh-caps", "-all", "--bounding-set", bounding])
        .current_dir("/");
    command
}

#[test]
fn a_non_root_user_with_file_capabilities_starts_and_drops() {
    let directory = tempfile::tempdir().unwrap();
    let program = copy_with(directory.path(), "cap_bpf,cap_perfmon=p");
    assert_played(&start_as_65532(&program, "-all,+bpf,+perfmon", "start as 65532"));
}

fn play_start() {
    let before = own();
    assert_eq!((before.uid, before.groups.as_slice()), ([65532; 4], [0].as_slice()));
    assert_eq!((before.permitted, before.effective), (needed(), Capabilities::NONE));
    let grant = capabilities::check().unwrap();
    assert!(grant.surplus.is_empty());
    capabilities::raise(&grant).unwrap();
    let raised = own();
    assert_eq!(
        (raised.permitted, raised.effective, raised.bounding),
        (needed(), needed(), needed())
    );
    drop::drop_all().unwrap();
    let after = own();
    for set in [after.permitted, after.effective, after.inheritable, after.ambient] {
        assert!(set.is_empty(), "{after:?}");
    }
    assert_eq!(
        after.bounding,
        needed(),
        "without CAP_SETPCAP it stays what the runtime set"
    );
    // Not dumpable and without any right, the own status is still readable.
    seccomp::install().unwrap().verify().unwrap();
    drop::verify().unwrap();
}

#[test]
fn what_is_missing_is_told_apart_on_a_real_process() {
    let directory = tempfile::tempdir().unwrap();
    for (file_capabilities, bounding, missing, cause) in [
        (
            "",
            "-all,+bpf,+perfmon",
            "CAP_BPF and CAP_PERFMON are missing",
            "the binary has no file capabilities",
        ),
        (
            "cap_bpf,cap_perfmon=p",
            "-all",
            "CAP_BPF and CAP_PERFMON are missing",
            "not in the bounding set",
        ),
        (
            "cap_bpf,cap_perfmon=p",
            "-all,+bpf",
            "CAP_PERFMON is missing",
            "not in the bounding set",
        ),
        (
            "cap_bpf=p",
            "-all,+bpf,+perfmon",
            "CAP_PERFMON is missing",
            "not among the binary's file capabilities",
        ),
    ] {
        let program = copy_with(directory.path(), file_capabilities);
        let output = start_as_65532(&program, bounding, "missing");
        assert_played(&output);
        let text = String::from_utf8_lossy(&output.stdout);
        for part in [missing, cause, "add: [BPF, PERFMON]"] {
            assert!(
                text.contains(part),
                "{file_capabilities:?} {bounding}: {part:?} not in\n{text}"
            );
        }
        std::fs::remove_file(program).unwrap();
    }
    let program = copy_with(directory.path(), "cap_bpf,cap_perfmon=p");
    // A second setpriv, because the first one keeps its own capabilities until it starts a program; what is permitted
    // already is not gained, and no_new_privs does not take it.
    let inner = command(&program, "missing");
    let output = as_65532("-all,+bpf,+perfmon")
        .args(["setpriv", "--no-new-privs"])
        .arg(inner.get_program())
        .args(inner.get_args())
        .env(ROLE, "missing")
        .output()
        .unwrap();
    assert_played(&output);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("which the kernel ignored") && text.contains("or no_new_privs was set"),
        "{text}"
    );
}

fn play_missing() {
    println!("{}", capabilities::check().unwrap_err());
}

#[test]
fn ordinary_work_goes_on_under_the_filter() {
    assert_played(&start("workload"));
}

/// What the agent does after its start: threads that talk, Tokio on unix sockets, /proc, memory, clocks, the journal.
fn play_workload() {
    use std::io::{Read, Write};
    use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

    let directory = tempfile::tempdir().unwrap();
    let journal = UnixDatagram::bind(directory.path().join("journal")).unwrap();
    let log = UnixDatagram::unbound().unwrap();
    let admin = UnixListener::bind(directory.path().join("admin")).unwrap();
    admin.set_nonblocking(true).unwrap();
    let path = directory.path().join("admin");
    let (ask, asked) = tokio::sync::oneshot::channel::<u32>();
    let (installed, wait) = tokio::sync::oneshot::channel::<()>();
    let (ready, waited) = std::sync::mpsc::sync_channel::<()>(1);
    let event_loop = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let runtime = event_loop();
    let control = std::thread::Builder::new()
        .name("control".to_owned())
        .spawn(move || {
            let runtime = event_loop();
            let listener = {
                let _inside = runtime.enter();
                tokio::net::UnixListener::from_std(admin).unwrap()
            };
            ready.send(()).unwrap();
            wait.blocking_recv().unwrap();
            runtime.block_on(async {
                use tokio::io::AsyncWriteExt;
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                stream.write_all(b"pong").await.unwrap();
            });
            asked.blocking_recv().unwrap()
        })
        .unwrap();
    waited.recv().unwrap();

    seccomp::install().unwrap().verify().unwrap();
    assert_eq!(
        status::own_threads().unwrap().len(),
        2,
        "TSYNC covers the thread that existed"
    );
    installed.send(()).unwrap();

    let mut answer = String::new();
    UnixStream::connect(&path).unwrap().read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "pong");
    let late = runtime.block_on(async {
        tokio::time::timeout(std::time::Duration::from_millis(5), std::future::pending::<()>()).await
    });
    assert!(late.is_err());
    ask.send(7).unwrap();
    assert_eq!(control.join().unwrap(), 7);

    log.send_to(b"MESSAGE=hello\n", directory.path().join("journal"))
        .unwrap();
    assert_eq!(journal.recv(&mut [0; 64]).unwrap(), 14);
    assert_eq!(status::own_thread().unwrap().seccomp, status::SeccompMode::Filter);
    assert!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777 != 0);
    let mut large = vec![1_u8; 64 << 20];
    large.resize(96 << 20, 2);
    drop(large);
    assert_eq!(std::collections::HashMap::from([(1, 2)])[&1], 2);
    std::thread::sleep(std::time::Duration::from_millis(1));
    writeln!(std::io::stderr(), "written").unwrap();
    // Only the process that started this one can still remove the directory.
    std::mem::forget(directory);
    // A defect must still be able to speak: the message and, with RUST_BACKTRACE, the stack.
    assert!(std::panic::catch_unwind(|| panic!("on purpose")).is_err());
}

#[test]
fn an_abort_is_an_abort_under_the_filter() {
    let output = start("abort");
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("ended by SIGABRT"),
        "{output:?}"
    );
}

/// Reads where nothing is mapped.
#[expect(unsafe_code, reason = "a memory fault on purpose")]
fn fault() {
    // SAFETY: none: the process is meant to end here, by SIGSEGV.
    let _ = unsafe { std::ptr::with_exposed_provenance::<u8>(8).read_volatile() };
}

#[test]
fn a_memory_fault_is_reported_as_such_under_the_filter() {
    let output = start("fault");
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("ended by SIGSEGV"),
        "{output:?}"
    );
}

#[test]
fn the_kernel_kills_exactly_what_the_policy_does_not_list() {
    assert_played(&start("every system call"));
}

fn filter() -> Filter {
    Filter::compile(&Policy::parse(AGENT_RUN).unwrap()).unwrap()
}

pub(super) fn native() -> seccompiler::TargetArch {
    std::env::consts::ARCH.try_into().unwrap()
}

#[expect(unsafe_code, reason = "the test makes system calls by number")]
pub(super) fn system_call(number: u32, args: [u64; 6]) -> i64 {
    // SAFETY: only called in a process that ends afterwards, under a filter for calls that it kills or refuses before they take
    // effect, or with arguments that outlive the call.
    unsafe {
        libc::syscall(
            libc::c_long::from(number),
            args[0],
            args[1],
            args[2],
            args[3],
            args[4],
            args[5],
        )
    }
}

/// Makes one call under the filter and compares what the kernel does with the verdict that was computed.
fn attempt(filter: &Filter, what: &str, number: u32, args: [u64; 6]) {
    let expected = verdict(filter, native(), number, args);
    let filter = std::panic::AssertUnwindSafe(filter);
    let ended = in_fork(move || {
        filter.install().unwrap();
        let result = system_call(number, args);
        let errno = nix::errno::Errno::last_raw();
        assert!(
            expected == EPERM && result == -1 && errno == libc::EPERM,
            "{result} {errno}"
        );
    });
    match (expected, &ended) {
        (KILL, WaitStatus::Signaled(_, Signal::SIGSYS, _)) | (EPERM, WaitStatus::Exited(_, 0)) => {}
        _ => panic!("{what} ({number}): expected {expected:#x}, ended as {ended:?}"),
    }
}

fn play_every_system_call() {
    let filter = filter();
    let mut killed = 0;
    // Beyond the last number that any kernel has today (below 480), in the x32 range, and nonsense.
    for number in (0..520).chain([0x4000_0000, 0x4000_003b, u32::MAX - 1]) {
        // x86-64's uretprobe and uprobe are passed by every seccomp filter (Linux 6.14 and 6.18), because a probe that
        // somebody else placed makes them; called by hand they do nothing but fail.
        if cfg!(target_arch = "x86_64") && [335, 336].contains(&number) {
            continue;
        }
        let args = [u64::MAX; 6];
        if verdict(&filter, native(), number, args) == ALLOW {
            continue;
        }
        attempt(&filter, "system call", number, args);
        killed += 1;
    }
    assert!(killed > 400, "{killed}");
}

#[test]
fn dangerous_calls_end_in_sigsys() {
    assert_played(&start("arguments"));
}

fn play_arguments() {
    let filter = filter();
    let path = c"/proc/self/comm".as_ptr() as u64;
    let rwx = (libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC) as u64;
    let here = libc::AT_FDCWD as u64;
    for (what, number, args) in [
        ("bpf", libc::SYS_bpf, [0; 6]),
        ("execve", libc::SYS_execve, [path, 0, 0, 0, 0, 0]),
        ("execveat", libc::SYS_execveat, [here, path, 0, 0, 0, 0]),
        ("ptrace", libc::SYS_ptrace, [libc::PTRACE_TRACEME.into(), 0, 0, 0, 0, 0]),
        ("clone", libc::SYS_clone, [libc::SIGCHLD as u64, 0, 0, 0, 0, 0]),
        ("clone3", libc::SYS_clone3, [0; 6]),
        ("perf_event_open", libc::SYS_perf_event_open, [0; 6]),
        ("mount", libc::SYS_mount, [path, path, 0, 0, 0, 0]),
        ("setns", libc::SYS_setns, [0; 6]),
        ("unshare", libc::SYS_unshare, [0; 6]),
        ("seccomp", libc::SYS_seccomp, [1, 0, 0, 0, 0, 0]),
        ("capset", libc::SYS_capset, [0; 6]),
        ("setuid", libc::SYS_setuid, [0; 6]),
        ("kill", libc::SYS_kill, [0; 6]),
        ("io_uring_setup", libc::SYS_io_uring_setup, [1, 0, 0, 0, 0, 0]),
        ("process_vm_writev", libc::SYS_process_vm_writev, [0; 6]),
        (
            "socket(AF_INET)",
            libc::SYS_socket,
            [libc::AF_INET as u64, libc::SOCK_STREAM as u64, 0, 0, 0, 0],
        ),
        (
            "openat(O_WRONLY)",
            libc::SYS_openat,
            [here, path, libc::O_WRONLY as u64, 0, 0, 0],
        ),
        (
            "openat(O_RDWR)",
            libc::SYS_openat,
            [here, path, libc::O_RDWR as u64, 0, 0, 0],
        ),
        ("openat2", libc::SYS_openat2, [here, path, 0, 0, 0, 0]),
        (
            "mmap(PROT_EXEC)",
            libc::SYS_mmap,
            [
                0,
                4096,
                rwx,
                (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64,
                u64::MAX,
                0,
            ],
        ),
        ("mprotect(PROT_EXEC)", libc::SYS_mprotect, [0, 0, rwx, 0, 0, 0]),
        ("pkey_mprotect", libc::SYS_pkey_mprotect, [0; 6]),
        (
            "prctl(PR_SET_DUMPABLE)",
            libc::SYS_prctl,
            [libc::PR_SET_DUMPABLE as u64, 1, 0, 0, 0, 0],
        ),
        (
            "tgkill(SIGKILL)",
            libc::SYS_tgkill,
            [0, 0, libc::SIGKILL as u64, 0, 0, 0],
        ),
    ] {
        let number = u32::try_from(number).unwrap();
        assert_eq!(verdict(&filter, native(), number, args), KILL, "{what}");
        attempt(&filter, what, number, args);
    }
    let memfd = u32::try_from(libc::SYS_memfd_create).unwrap();
    attempt(&filter, "memfd_create", memfd, [c"x".as_ptr() as u64, 0, 0, 0, 0, 0]);
}
