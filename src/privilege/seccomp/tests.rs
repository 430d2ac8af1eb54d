//! The policy by reading it, and the compiled programs by running them: a small classic-BPF machine says what the filter
//! answers for any call, and `privilege/tests.rs` compares that with what the kernel does.

use seccompiler::sock_filter;

use super::*;
use crate::container::watch::MASK;

/// `AUDIT_ARCH_*` of `include/uapi/linux/audit.h`.
fn audit_arch(arch: TargetArch) -> u32 {
    match arch {
        TargetArch::x86_64 => 0xc000_003e,
        TargetArch::aarch64 => 0xc000_00b7,
        TargetArch::riscv64 => unreachable!("not compiled for"),
    }
}

/// Runs one program over one call, as the kernel would. Only the instructions that seccompiler emits.
fn run(program: &[sock_filter], arch: TargetArch, number: u32, args: [u64; 6]) -> u32 {
    let word = |offset: u32| match offset {
        0 => number,
        4 => audit_arch(arch),
        16.. => {
            let arg = args[(offset as usize - 16) / 8];
            (if offset.is_multiple_of(8) { arg } else { arg >> 32 }) as u32
        }
        _ => panic!("load from {offset}"),
    };
    let (mut accumulator, mut at) = (0_u32, 0_usize);
    loop {
        let instruction = &program[at];
        let skip = |taken| usize::from(if taken { instruction.jt } else { instruction.jf });
        at += 1;
        match instruction.code {
            0x20 => accumulator = word(instruction.k),
            0x54 => accumulator &= instruction.k,
            0x05 => at += instruction.k as usize,
            0x15 => at += skip(accumulator == instruction.k),
            0x25 => at += skip(accumulator > instruction.k),
            0x35 => at += skip(accumulator >= instruction.k),
            0x06 => return instruction.k,
            code => panic!("instruction {code:#x}"),
        }
    }
}

/// The verdict of the whole stack: the most severe action wins, which for the actions in use is the lowest as a signed
/// number (`include/uapi/linux/seccomp.h`).
pub(in crate::privilege) fn verdict(filter: &Filter, arch: TargetArch, number: u32, args: [u64; 6]) -> u32 {
    filter
        .programs
        .iter()
        .map(|program| run(program, arch, number, args))
        .min_by_key(|value| (value & libc::SECCOMP_RET_ACTION_FULL) as i32)
        .unwrap()
}

pub(in crate::privilege) const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
pub(in crate::privilege) const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;
pub(in crate::privilege) const EPERM: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;

fn agent_run(arch: TargetArch) -> Filter {
    Filter::compile_for(&Policy::parse(AGENT_RUN).unwrap(), arch).unwrap()
}

#[test]
fn dangerous_calls_kill_and_ordinary_ones_pass_on_both_architectures() {
    // Numbers of bpf, execve, ptrace, clone, perf_event_open, mount, setns, unshare, seccomp; then read, futex.
    for (arch, dangerous, ordinary, memfd_create) in [
        (
            TargetArch::x86_64,
            [321, 59, 101, 56, 298, 165, 308, 272, 317],
            [0, 202],
            319,
        ),
        (
            TargetArch::aarch64,
            [280, 221, 117, 220, 241, 40, 268, 97, 277],
            [63, 98],
            279,
        ),
    ] {
        let filter = agent_run(arch);
        for number in dangerous {
            assert_eq!(verdict(&filter, arch, number, [0; 6]), KILL, "{arch:?} {number}");
        }
        for number in ordinary {
            assert_eq!(verdict(&filter, arch, number, [0; 6]), ALLOW, "{arch:?} {number}");
        }
        assert_eq!(verdict(&filter, arch, memfd_create, [0; 6]), EPERM, "{arch:?}");
    }
}

#[test]
fn another_architecture_and_x32_kill() {
    let filter = agent_run(TargetArch::x86_64);
    assert_eq!(verdict(&filter, TargetArch::aarch64, 0, [0; 6]), KILL);
    assert_eq!(verdict(&filter, TargetArch::x86_64, 0x4000_0000, [0; 6]), KILL);
}

#[test]
fn arguments_decide() {
    let filter = agent_run(TargetArch::x86_64);
    let of = |number, args| verdict(&filter, TargetArch::x86_64, number, args);
    let openat = |flags: i32| of(257, [0, 0, flags as u64, 0, 0, 0]);
    assert_eq!(openat(libc::O_RDONLY | libc::O_CLOEXEC | libc::O_DIRECTORY), ALLOW);
    for flag in [
        libc::O_WRONLY,
        libc::O_RDWR,
        libc::O_CREAT,
        libc::O_TRUNC,
        libc::O_TMPFILE,
    ] {
        assert_eq!(openat(flag | libc::O_CLOEXEC), KILL, "{flag:#x}");
    }
    let socket = |family: i32| of(41, [family as u64, libc::SOCK_STREAM as u64, 0, 0, 0, 0]);
    assert_eq!(socket(libc::AF_UNIX), ALLOW);
    for family in [
        libc::AF_INET,
        libc::AF_INET6,
        libc::AF_NETLINK,
        libc::AF_PACKET,
        libc::AF_VSOCK,
    ] {
        assert_eq!(socket(family), KILL, "{family}");
    }
    for call in [9, 10] {
        let protection = |bits: i32| of(call, [0, 4096, bits as u64, 0, 0, 0]);
        assert_eq!(protection(libc::PROT_READ | libc::PROT_WRITE), ALLOW);
        assert_eq!(protection(libc::PROT_READ | libc::PROT_EXEC), KILL);
    }
    let tgkill = |signal: i32| of(234, [1, 1, signal as u64, 0, 0, 0]);
    assert_eq!((tgkill(libc::SIGABRT), tgkill(libc::SIGKILL)), (ALLOW, KILL));
    let sigaction = |signal: i32| of(13, [signal as u64, 0, 0, 8, 0, 0]);
    for signal in [libc::SIGSEGV, libc::SIGBUS] {
        assert_eq!(sigaction(signal), ALLOW, "{signal}");
    }
    assert_eq!((sigaction(libc::SIGSYS), sigaction(libc::SIGTERM)), (KILL, KILL));
    assert_eq!(of(302, [0, libc::RLIMIT_STACK.into(), 1, 0, 0, 0]), KILL, "prlimit64");
    let watch = |mask: u32| of(254, [3, 0, mask.into(), 0, 0, 0]);
    assert_eq!(watch(MASK.bits()), ALLOW);
    assert_eq!(watch(libc::IN_ACCESS), KILL);
    assert_eq!(watch(MASK.bits() | libc::IN_OPEN), KILL);
    assert_eq!(of(157, [libc::PR_SET_DUMPABLE as u64, 1, 0, 0, 0, 0]), KILL);
}

#[test]
fn names_of_another_architecture_are_skipped_and_typos_are_not() {
    let skipped = agent_run(TargetArch::aarch64).skipped().to_vec();
    assert!(skipped.contains(&"epoll_wait".to_owned()), "{skipped:?}");
    assert_eq!(agent_run(TargetArch::x86_64).skipped(), [""; 0]);
    let policy = Policy::parse(&with_entry(
        r#"{"names":["opnat"],"action":"SCMP_ACT_ALLOW","comment":"c"}"#,
    ))
    .unwrap();
    let error = Filter::compile_for(&policy, TargetArch::x86_64).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the seccomp policy names \"opnat\", which is no system call"
    );
}

fn with_entry(entries: &str) -> String {
    format!(r#"{{"defaultAction":"SCMP_ACT_KILL_PROCESS","architectures":[],"syscalls":[{entries}]}}"#)
}

#[test]
fn every_operator_means_what_the_specification_says() {
    for (op, value, two, holds, fails) in [
        ("EQ", 5, 0, vec![5], vec![4, 6, 5 | 1 << 40]),
        ("NE", 5, 0, vec![4, 6, 5 | 1 << 40], vec![5]),
        ("LT", 5, 0, vec![0, 4], vec![5, 6, 1 << 40]),
        ("LE", 5, 0, vec![4, 5], vec![6, 1 << 40]),
        ("GT", 5, 0, vec![6, 1 << 40], vec![4, 5]),
        ("GE", 5, 0, vec![5, 6, 1 << 40], vec![4]),
        ("MASKED_EQ", 6, 2, vec![2, 3, 10, 2 | 1 << 40], vec![0, 4, 6]),
    ] {
        let entry = format!(
            r#"{{"names":["close"],"action":"SCMP_ACT_ALLOW","comment":"c",
                "args":[{{"index":1,"op":"SCMP_CMP_{op}","value":{value},"valueTwo":{two}}}]}}"#
        );
        let filter = Filter::compile_for(&Policy::parse(&with_entry(&entry)).unwrap(), TargetArch::x86_64).unwrap();
        for (wanted, arguments) in [(ALLOW, holds), (KILL, fails)] {
            for argument in arguments {
                let got = verdict(&filter, TargetArch::x86_64, 3, [0, argument, 0, 0, 0, 0]);
                assert_eq!(got, wanted, "{op} {value} {two} with {argument:#x}");
            }
        }
    }
}

#[test]
fn unusable_policies_are_refused() {
    let allow = r#"{"names":["close"],"action":"SCMP_ACT_ALLOW","comment":"c"}"#;
    let when = r#"{"names":["close"],"action":"SCMP_ACT_ALLOW","comment":"c","args":[{"index":0,"op":"SCMP_CMP_EQ","value":1}]}"#;
    let refuse = r#"{"names":["close"],"action":"SCMP_ACT_ERRNO","errnoRet":1,"comment":"c"}"#;
    for (entries, part) in [
        (
            r#"{"names":["close"],"action":"SCMP_ACT_ALLOW"}"#.to_owned(),
            "no reason (comment) for close",
        ),
        (format!("{allow},{when}"), "close both always and under conditions"),
        (format!("{when},{allow}"), "close both always and under conditions"),
        (format!("{allow},{refuse}"), "SCMP_ACT_ERRNO entry for close"),
        (format!("{refuse},{allow}"), "SCMP_ACT_ERRNO entry for close"),
        (format!("{refuse},{when}"), "SCMP_ACT_ERRNO entry for close"),
        (format!("{when},{refuse}"), "SCMP_ACT_ERRNO entry for close"),
        (
            r#"{"names":["close"],"action":"SCMP_ACT_ERRNO","comment":"c"}"#.to_owned(),
            "needs errnoRet",
        ),
        (
            r#"{"names":["close"],"action":"SCMP_ACT_LOG","comment":"c"}"#.to_owned(),
            "SCMP_ACT_LOG",
        ),
        (
            r#"{"names":["close"],"action":"SCMP_ACT_ALLOW","comment":"c","excludes":{}}"#.to_owned(),
            "excludes",
        ),
    ] {
        let error = Policy::parse(&with_entry(&entries)).unwrap_err().to_string();
        assert!(error.contains(part), "{part:?} not in {error:?}");
    }
    let quiet = with_entry(allow).replace("KILL_PROCESS", "ERRNO");
    assert!(matches!(Policy::parse(&quiet), Err(policy::Error::Default)));
}

#[test]
fn a_filter_of_the_container_runtime_does_not_stand_in_for_the_agents_own() {
    let thread = |filters: Option<u32>, seccomp| ThreadStatus {
        seccomp,
        seccomp_filters: filters,
        ..status::own_thread().unwrap()
    };
    let installed = Installed {
        before: Some(1),
        own: 2,
    };
    let judge = |filters, seccomp| installed.judge(&[thread(Some(3), SeccompMode::Filter), thread(filters, seccomp)]);
    assert!(judge(Some(3), SeccompMode::Filter).is_ok());
    assert!(judge(Some(1), SeccompMode::Filter).is_err(), "the runtime's alone");
    assert!(judge(Some(0), SeccompMode::Disabled).is_err());
    // Before 5.9 the mode is all there is.
    assert!(judge(None, SeccompMode::Filter).is_ok());
    assert!(judge(None, SeccompMode::Disabled).is_err());
}

#[test]
fn the_doctors_policy_compiles_on_both_architectures_and_refuses_what_is_not_listed() {
    let policy = Policy::parse(AGENT_DOCTOR).unwrap();
    assert_eq!(policy.default, Otherwise::Refuse(libc::EPERM.unsigned_abs()));
    assert_eq!(Policy::parse(AGENT_RUN).unwrap().default, Otherwise::Kill);
    // mkdirat, unlinkat, mount, ptrace, io_uring_setup; then read, execve, bpf.
    for (arch, refused, allowed) in [
        (TargetArch::x86_64, [258, 263, 165, 101, 425], [0, 59, 321]),
        (TargetArch::aarch64, [34, 35, 40, 117, 425], [63, 221, 280]),
    ] {
        let filter = Filter::compile_for(&policy, arch).unwrap();
        for number in refused {
            assert_eq!(verdict(&filter, arch, number, [0; 6]), EPERM, "{arch:?} {number}");
        }
        for number in allowed {
            assert_eq!(verdict(&filter, arch, number, [0; 6]), ALLOW, "{arch:?} {number}");
        }
        // An unknown command reaches the kernel: by its answer the doctor tells who refuses bpf(2).
        assert_eq!(verdict(&filter, arch, allowed[2], [0x7fff_ffff, 0, 0, 0, 0, 0]), ALLOW);
    }
    assert!(
        policy.names().all(|name| !is_write(name)),
        "{:?}",
        policy.allowed.keys()
    );
}

/// Calls that change files whatever their arguments are.
fn is_write(name: &str) -> bool {
    const BEGINNINGS: [&str; 16] = [
        "mkdir",
        "rmdir",
        "unlink",
        "rename",
        "link",
        "symlink",
        "chmod",
        "fchmod",
        "chown",
        "fchown",
        "lchown",
        "mknod",
        "truncate",
        "ftruncate",
        "utime",
        "creat",
    ];
    BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
        || name.contains("setxattr")
        || name.contains("mount")
}

/// For container runtimes, never installed by the agent: so it is only a file.
const AGENT_SETUP: &str = include_str!("../../../seccomp/agent-setup.json");

#[test]
fn the_profile_for_the_start_allows_all_that_the_running_agent_may_do() {
    let profile: Value = serde_json::from_str(AGENT_SETUP).unwrap();
    assert_eq!(profile["defaultAction"], "SCMP_ACT_ERRNO");
    let entries = profile["syscalls"].as_array().unwrap();
    for entry in entries {
        assert!(entry["comment"].as_str().is_some_and(|why| !why.is_empty()), "{entry}");
        assert!(
            entry["action"] == "SCMP_ACT_ALLOW" || entry["names"] == json!(["clone3"]),
            "{entry}"
        );
        // A name that no architecture has would be a mistyped one.
        for name in names(entry) {
            let known = [TargetArch::x86_64, TargetArch::aarch64]
                .into_iter()
                .any(|arch| exists(name, arch));
            assert!(known, "{name}");
        }
    }
    // Both filters are in force in the end: what the agent keeps must pass the pod's as well, by the same condition or none.
    let kept = [AGENT_RUN, AGENT_DELIVERY].map(|policy| serde_json::from_str::<Value>(policy).unwrap());
    for entry in kept.iter().flat_map(|kept| kept["syscalls"].as_array().unwrap()) {
        for name in names(entry).filter(|_| entry["action"] == "SCMP_ACT_ALLOW") {
            let passes = |other: &&Value| {
                other["action"] == "SCMP_ACT_ALLOW"
                    && names(other).any(|known| known == name)
                    // A thread, which is all that the delivery process makes, has no namespace of its own.
                    && (other["args"].is_null() || other["args"] == entry["args"] || name == "clone")
            };
            assert!(entries.iter().any(|other| passes(&other)), "{name} of {entry}");
        }
    }
    for name in [
        "ptrace",
        "mount",
        "setns",
        "unshare",
        "perf_event_open",
        "init_module",
        "io_uring_setup",
    ] {
        assert!(!entries.iter().flat_map(names).any(|allowed| allowed == name), "{name}");
    }
}

/// The calls of the delivery process by their numbers on x86-64.
const DELIVERY_CALLS: [(&str, u32); 8] = [
    ("bpf", 321),
    ("execve", 59),
    ("wait4", 61),
    ("kill", 62),
    ("vfork", 58),
    ("ptrace", 101),
    ("accept4", 288),
    ("mount", 165),
];

#[test]
fn the_delivery_process_starts_programs_only_where_it_is_to() {
    const THREAD: u64 = (libc::CLONE_VM | libc::CLONE_THREAD) as u64;
    let every = [Part::Network, Part::Files, Part::Sockets];
    for parts in [&[][..], &every[..1], &every] {
        let policy = delivery_policy(parts).unwrap();
        assert_eq!(policy.default, Otherwise::Kill);
        let filter = Filter::compile_for(&policy, TargetArch::x86_64).unwrap();
        let of = |number, args| verdict(&filter, TargetArch::x86_64, number, args);
        for (name, number) in DELIVERY_CALLS {
            assert_eq!(of(number, [0; 6]), KILL, "{name}");
        }
        assert_eq!(of(56, [THREAD, 0, 0, 0, 0, 0]), ALLOW);
        assert_eq!(of(56, [libc::SIGCHLD as u64, 0, 0, 0, 0, 0]), KILL, "a process");
        Filter::compile_for(&policy, TargetArch::aarch64).unwrap();
    }
    let filter = Filter::compile_for(
        &delivery_policy(&[Part::Network, Part::Program]).unwrap(),
        TargetArch::x86_64,
    );
    let filter = filter.unwrap();
    let of = |number, args| verdict(&filter, TargetArch::x86_64, number, args);
    for (name, number) in DELIVERY_CALLS {
        let is_for_programs = ["execve", "wait4", "kill", "vfork", "accept4"].contains(&name);
        let wanted = if is_for_programs { ALLOW } else { EPERM };
        assert_eq!(of(number, [0; 6]), wanted, "{name}");
    }
    assert_eq!(of(56, [libc::SIGCHLD as u64, 0, 0, 0, 0, 0]), ALLOW);
    assert_eq!(of(56, [libc::CLONE_NEWUSER as u64, 0, 0, 0, 0, 0]), EPERM);
}

#[test]
fn the_delivery_process_reaches_what_its_channels_need() {
    let socket = |parts: &[Part], family: i32| {
        let filter = Filter::compile_for(&delivery_policy(parts).unwrap(), TargetArch::x86_64).unwrap();
        verdict(&filter, TargetArch::x86_64, 41, [family as u64, 1, 0, 0, 0, 0])
    };
    let open = |parts: &[Part], flags: i32| {
        let filter = Filter::compile_for(&delivery_policy(parts).unwrap(), TargetArch::x86_64).unwrap();
        verdict(&filter, TargetArch::x86_64, 257, [0, 0, flags as u64, 0, 0, 0])
    };
    assert_eq!((socket(&[], libc::AF_UNIX), socket(&[], libc::AF_INET)), (KILL, KILL));
    assert_eq!(socket(&[Part::Sockets], libc::AF_UNIX), ALLOW);
    assert_eq!(socket(&[Part::Sockets], libc::AF_INET), KILL);
    assert_eq!(socket(&[Part::Network], libc::AF_INET6), ALLOW);
    assert_eq!(socket(&[Part::Network, Part::Files], libc::AF_PACKET), KILL);
    // The C library asks nscd, and goes on without: where no channel has a unix socket, nobody reaches a runtime's.
    let eacces = libc::SECCOMP_RET_ERRNO | libc::EACCES.unsigned_abs();
    assert_eq!(socket(&[Part::Network, Part::NetworkAlone], libc::AF_UNIX), eacces);
    assert_eq!(socket(&[Part::Network, Part::NetworkAlone], libc::AF_INET), ALLOW);
    assert_eq!(socket(&[Part::Network, Part::Sockets], libc::AF_UNIX), ALLOW);
    let written = libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND;
    assert_eq!(
        (open(&[], libc::O_RDONLY), open(&[Part::Network], written)),
        (ALLOW, KILL)
    );
    assert_eq!(
        (
            open(&[Part::Files], written),
            open(&[Part::Files], libc::O_TMPFILE | libc::O_RDWR)
        ),
        (ALLOW, KILL)
    );
}

fn names(entry: &Value) -> impl Iterator<Item = &str> {
    entry["names"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}
