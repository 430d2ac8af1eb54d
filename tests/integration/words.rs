//! The words for arguments are those of strace: this program makes hundreds of calls under strace, which lets none of
//! them happen, and each argument that the agent would tell is compared with what strace wrote.

use std::collections::BTreeSet;
use std::ffi::CStr;

use pinhole::capture::call::{Abi, CallBody, Of, Part, What};
use pinhole::capture::calls::{CALLS, Call};
use pinhole::event::arguments;
use pinhole::event::names::set::{FlagSet, Names};
use pinhole::event::names::{
    at, bpf, capability, clone, family, io_uring, memfd, message, module, mount, open, prctl, protocol, ptrace, rename,
    socket, umount,
};
use pinhole::event::value::{Told, Value};

use crate::lab::strace;

/// What is passed.
#[derive(Debug, Clone)]
enum Passed {
    Number(u64),
    Text(&'static CStr),
    Bytes(Vec<u8>),
}
use Passed::{Bytes, Number, Text};

#[derive(Debug)]
struct Case {
    call: &'static Call,
    args: Vec<Passed>,
}

fn case(name: &str, args: impl IntoIterator<Item = Passed>) -> Case {
    Case {
        call: CALLS.iter().find(|call| call.name == name).unwrap(),
        args: args.into_iter().collect(),
    }
}

const FDCWD: Passed = Number(0xffff_ff9c);
const PATH: Passed = Text(c"/no/such/file");
const NULL: Passed = Number(0);
/// No descriptor.
const NONE: Passed = Number(0xffff_ffff);

/// Names that strace 6.1 does not have or has otherwise.
const NOT_IN_STRACE: &[&str] = &[
    // It says FASYNC.
    "O_ASYNC",
    // Newer than it.
    "MFD_NOEXEC_SEAL",
    "MFD_EXEC",
    "IORING_SETUP_SINGLE_ISSUER",
    "IORING_SETUP_DEFER_TASKRUN",
    "IORING_SETUP_NO_MMAP",
    "IORING_SETUP_REGISTERED_FD_ONLY",
    "IORING_SETUP_NO_SQARRAY",
    "IORING_SETUP_HYBRID_IOPOLL",
    "PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG",
    "PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG",
    "PTRACE_SET_SYSCALL_INFO",
    "BPF_TOKEN_CREATE",
    "BPF_PROG_TYPE_NETFILTER",
    "BPF_MAP_TYPE_USER_RINGBUF",
    "BPF_MAP_TYPE_CGRP_STORAGE",
    "BPF_MAP_TYPE_ARENA",
];

fn known(names: Names) -> impl Iterator<Item = u64> {
    names
        .iter()
        .filter(|(name, _)| !NOT_IN_STRACE.contains(name))
        .map(|(_, number)| *number)
}

/// Each flag alone, all together, none, and one without a name.
fn flags(set: &FlagSet) -> Vec<u64> {
    let mut all: Vec<u64> = known(set.flags).collect();
    all.push(known(set.flags).fold(0, |all, flag| all | flag));
    all.push(0);
    let free = (0..26).map(|bit| 1 << bit).find(|bit| {
        set.choice.is_none_or(|(mask, _)| mask & bit == 0) && set.flags.iter().all(|(_, flag)| flag & bit == 0)
    });
    all.extend(free);
    all
}

fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    for bits in flags(&open::OPEN) {
        for access in 0..4 {
            let flags = Number(bits & !3 | access);
            all.push(case("open", [PATH, flags.clone(), Number(0o644)]));
            all.push(case("openat", [FDCWD, PATH, flags, Number(0)]));
        }
        all.push(case("openat", [Number(77), PATH, Number(bits), Number(0o17)]));
    }
    let how = |flags: u64, mode: u64, resolve: u64| {
        Bytes(
            [flags, mode, resolve]
                .iter()
                .flat_map(|word| word.to_ne_bytes())
                .collect(),
        )
    };
    for resolve in flags(&open::RESOLVE) {
        all.push(case("openat2", [FDCWD, PATH, how(2, 0, resolve), Number(24)]));
    }
    all.push(case("openat2", [FDCWD, PATH, how(0o101, 0o600, 0), Number(24)]));
    for bits in flags(&open::ALONE).into_iter().filter(|bits| bits & 3 == 0) {
        all.push(case("dup3", [NONE, NONE, Number(bits)]));
    }
    for bits in [0, libc::O_NONBLOCK, libc::O_TRUNC, libc::O_NONBLOCK | libc::O_TRUNC] {
        all.push(case("delete_module", [Text(c"none"), Number(bits as u64)]));
    }
    for bits in flags(&at::AT) {
        all.push(case("unlinkat", [FDCWD, PATH, Number(bits)]));
        all.push(case("linkat", [FDCWD, PATH, Number(7), Text(c"to"), Number(bits)]));
        all.push(case("fchownat", [FDCWD, PATH, NONE, Number(1000), Number(bits)]));
    }
    for bits in flags(&rename::RENAME) {
        all.push(case("renameat2", [FDCWD, PATH, FDCWD, Text(c"to"), Number(bits)]));
    }
    for mode in [0, 7, 0o17, 0o644, 0o4755, 0o177_777] {
        all.push(case("mkdir", [PATH, Number(mode)]));
        all.push(case("chmod", [PATH, Number(mode)]));
        all.push(case("fchmodat", [FDCWD, PATH, Number(mode)]));
        all.push(case("creat", [PATH, Number(mode)]));
    }
    sockets(&mut all);
    for bits in flags(&mount::MOUNT) {
        all.push(case("mount", [Text(c"a"), PATH, Text(c"tmpfs"), Number(bits), NULL]));
        let old = Number(bits & 0xffff | 0xc0ed_0000);
        all.push(case("mount", [NULL, PATH, NULL, old, NULL]));
    }
    for bits in flags(&umount::UMOUNT) {
        all.push(case("umount2", [PATH, Number(bits)]));
    }
    for bits in flags(&clone::CLONE) {
        all.push(case("unshare", [Number(bits)]));
    }
    for bits in flags(&memfd::MEMFD) {
        all.push(case("memfd_create", [Text(c"name"), Number(bits)]));
        all.push(case("memfd_create", [Text(c"name"), Number(bits | 21 << 26)]));
    }
    for bits in flags(&module::MODULE) {
        all.push(case("finit_module", [NONE, Text(c"a=1"), Number(bits)]));
    }
    for bits in flags(&io_uring::SETUP) {
        let mut params = [0_u32; 30];
        params[2] = u32::try_from(bits).unwrap();
        let params = Bytes(params.iter().flat_map(|word| word.to_ne_bytes()).collect());
        all.push(case("io_uring_setup", [Number(8), params]));
    }
    for number in (0..70).chain([u64::from(u32::MAX)]) {
        all.push(case("kill", [Number(0x7fff_fffe), Number(number)]));
        all.push(case("tgkill", [NONE, NONE, Number(number)]));
    }
    operations(&mut all);
    for ids in [[0, 5], [0xffff_ffff, 70_000]] {
        all.push(case("setreuid", ids.map(Number)));
        all.push(case("setregid", ids.map(Number)));
        all.push(case("chown", [PATH, Number(ids[0]), Number(ids[1])]));
    }
    all.push(case("symlinkat", [Text(c"target"), Number(9), Text(c"link")]));
    all.push(case("pivot_root", [Text(c"new"), Text(c"old")]));
    all
}

fn sockets(all: &mut Vec<Case>) {
    for family in known(family::FAMILIES).chain([99]) {
        all.push(case("socket", [Number(family), Number(5), NULL]));
    }
    for kind in known(socket::SOCKET.choice.unwrap().1).chain([0, 7]) {
        for bits in flags(&socket::SOCKET) {
            all.push(case("socket", [Number(1), Number(kind | bits & !0xf), Number(1)]));
        }
    }
    for (domain, family) in [(2, libc::AF_INET), (10, libc::AF_INET6), (16, libc::AF_NETLINK)] {
        for number in known(protocol::protocols(family).unwrap()).chain([300]) {
            all.push(case("socket", [Number(domain), Number(3), Number(number)]));
        }
    }
    for number in known(protocol::ETHERNET) {
        let wire = u16::try_from(number).unwrap().to_be();
        all.push(case("socket", [Number(17), Number(3), Number(wire.into())]));
    }
    for bits in flags(&socket::ACCEPT) {
        all.push(case("accept4", [NONE, NULL, NULL, Number(bits)]));
    }
    for bits in known(message::MESSAGE.flags).chain([0, 0x4040]) {
        all.push(case("sendto", [NONE, NULL, Number(5), Number(bits), NULL, NULL]));
    }
    all.push(case("listen", [NONE, Number(128)]));
}

fn operations(all: &mut Vec<Case>) {
    for operation in known(ptrace::OPERATIONS) {
        all.push(case("ptrace", [Number(operation), Number(0x7fff_fffe)]));
    }
    for (operation, names) in [
        (libc::PR_SET_DUMPABLE, &[0, 1, 2, 9][..]),
        (libc::PR_SET_KEEPCAPS, &[0, 1]),
        (libc::PR_SET_SECCOMP, &[0, 1]),
        (libc::PR_CAPBSET_DROP, &[0, 21, 40, 77]),
        (libc::PR_SET_SECUREBITS, &[0, 1, 0x2f, 0x100]),
        (libc::PR_SET_CHILD_SUBREAPER, &[1]),
        (libc::PR_SET_NO_NEW_PRIVS, &[1]),
        (libc::PR_SET_PTRACER, &[0, 42, u64::MAX]),
    ] {
        for word in names {
            let operation = Number(u64::try_from(operation).unwrap());
            all.push(case("prctl", [operation, Number(*word), NULL, NULL, NULL]));
        }
    }
    for word in known(prctl::words(47, 0)[..1].iter().find_map(names_of).unwrap()) {
        all.push(case("prctl", [Number(47), Number(word), Number(12), Number(3), NULL]));
    }
    for command in known(bpf::COMMANDS) {
        all.push(case("bpf", [Number(command), NULL, NULL]));
    }
    let attributes = |kind: u64, at: usize| {
        let mut bytes = vec![0; 120];
        bytes[..8].copy_from_slice(&kind.to_ne_bytes());
        bytes[at..at + 4].copy_from_slice(b"name");
        Bytes(bytes)
    };
    for kind in known(bpf::PROGRAM_TYPES) {
        all.push(case("bpf", [Number(5), attributes(kind, 48), Number(120)]));
    }
    for kind in known(bpf::MAP_TYPES) {
        all.push(case("bpf", [Number(0), attributes(kind, 28), Number(72)]));
    }
    for (_, version) in capability::VERSIONS {
        for set in [0, 1, 1 << 12 | 1 << 21, u32::MAX] {
            let words = |list: &[u32]| Bytes(list.iter().flat_map(|word| word.to_ne_bytes()).collect());
            let header = words(&[u32::try_from(*version).unwrap(), 7]);
            let data = if *version == 0x1998_0330 {
                words(&[set, 0, 1])
            } else {
                words(&[set, 0, 1, 1 << 7, 1, 0])
            };
            all.push(case("capset", [header, data]));
        }
    }
}

fn names_of(word: &prctl::Word) -> Option<Names> {
    match word {
        prctl::Word::Choice(names) => Some(names),
        _ => None,
    }
}

/// Not a test: what runs under strace.
#[test]
#[ignore = "makes system calls that only strace keeps from happening"]
fn made_under_strace() {
    assert_eq!(std::env::var("WORDS_UNDER_STRACE").as_deref(), Ok("yes"));
    let cases = cases();
    for case in [case("chdir", [Text(c"/begin")])]
        .iter()
        .chain(&cases)
        .chain([&self::case("chdir", [Text(c"/end")])])
    {
        let raw = |index: usize| match case.args.get(index) {
            None => 0,
            Some(Number(number)) => *number,
            Some(Text(text)) => text.as_ptr().addr() as u64,
            Some(Bytes(bytes)) => bytes.as_ptr().addr() as u64,
        };
        #[expect(unsafe_code, reason = "calls as they are, with arguments that no wrapper would pass")]
        // SAFETY: strace answers each call in the kernel's place, the pointers are to memory that is alive, and the files
        // of those that it lets through do not exist.
        unsafe {
            libc::syscall(
                libc::c_long::from(case.call.number.unwrap()),
                raw(0),
                raw(1),
                raw(2),
                raw(3),
                raw(4),
                raw(5),
            );
        }
    }
}

#[test]
fn arguments_are_told_in_the_words_of_strace() {
    let cases = cases();
    let names: BTreeSet<&str> = cases.iter().map(|case| case.call.name).chain(["chdir"]).collect();
    let list = names.iter().copied().collect::<Vec<_>>().join(",");
    let inject = format!("inject={}:error=EPERM", list.replace("openat,", ""));
    let dir = tempfile::tempdir().unwrap();
    let program = std::env::current_exe().unwrap();
    let (calls, output) = strace::trace_with(
        &["-E", "WORDS_UNDER_STRACE=yes", "-e", &inject],
        &list,
        &dir.path().join("strace"),
        &[
            program.to_str().unwrap(),
            "--exact",
            "words::made_under_strace",
            "--ignored",
            "--test-threads=1",
        ],
    )
    .unwrap();
    assert!(output.status.success(), "{output:?}");
    let begin = calls.iter().position(|call| call.name == "chdir").unwrap();
    let thread = calls[begin].pid;
    let made: Vec<&strace::Call> = calls[begin + 1..].iter().filter(|call| call.pid == thread).collect();
    assert_eq!(made[cases.len()].name, "chdir", "one call in the trace for each case");

    let (mut compared, mut differing) = (0, Vec::new());
    for (case, theirs) in cases.iter().zip(made) {
        assert_eq!(theirs.name, case.call.name);
        let body = body(case);
        for (index, (name, told)) in arguments::args(&body).iter().enumerate() {
            let Told::Value(value) = told else { continue };
            if differs_on_purpose(case, index) {
                continue;
            }
            let word = theirs
                .args
                .get(index)
                .unwrap_or_else(|| panic!("{name} is told: {theirs:?}"));
            if !same(value, word) {
                differing.push(format!("{name}: {value} of {theirs:?}"));
            }
            compared += 1;
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    println!("{compared} arguments of {} calls compared", cases.len());
    assert!(compared > 2000, "{compared}");
}

/// What strace tells otherwise and better left as it is: what follows an operation of ptrace, as registers, signals and the
/// like; protocols of families that nobody uses; the type of a file system where mount(2) does not look at it, as a pointer.
fn differs_on_purpose(case: &Case, index: usize) -> bool {
    let first = match case.args.first() {
        Some(Number(number)) => *number,
        _ => 0,
    };
    match case.call.name {
        "ptrace" => index > 1,
        "socket" => index == 2 && ![1, 2, 10, 16, 17].contains(&first),
        "mount" => index == 2,
        _ => false,
    }
}

fn body(case: &Case) -> CallBody<'_> {
    let mut body = CallBody {
        call: case.call,
        abi: Abi::Native,
        number: case.call.number.unwrap(),
        ret: -1,
        args: [0; 6],
        parts: Vec::new(),
    };
    for (index, passed) in case.args.iter().enumerate() {
        let what = match passed {
            Number(number) => {
                body.args[index] = *number;
                continue;
            }
            Text(text) => What::Text {
                bytes: text.to_bytes(),
                truncated: false,
            },
            Bytes(bytes) => What::Bytes(bytes),
        };
        body.args[index] = 0x1000;
        body.parts.push(Part {
            of: Of::Arg(u8::try_from(index).unwrap()),
            what,
        });
    }
    body
}

/// strace adds comments to numbers without a name, quotes strings, writes sets of capabilities as shifts, and tells more
/// of the structures.
fn same(ours: &Value<'_>, theirs: &str) -> bool {
    let theirs = &uncommented(theirs);
    match ours {
        Value::Text(text) => theirs.trim_matches('"') == text,
        Value::Fields(fields) => fields.iter().all(|(name, value)| {
            let Some((_, rest)) = theirs.split_once(&format!("{name}=")) else {
                return false;
            };
            let theirs = rest.split([',', '}']).next().unwrap_or(rest);
            same(value, theirs)
        }),
        // Their order is no promise.
        Value::Flags(flags) => {
            let words = |text: &str| text.split('|').map(str::to_owned).collect::<BTreeSet<String>>();
            words(theirs) == words(&flags.to_string())
        }
        other => theirs.replace("1<<CAP", "CAP") == other.to_string(),
    }
}

fn uncommented(text: &str) -> String {
    let mut text = text.to_owned();
    while let Some(start) = text.find(" /*") {
        let end = text[start..].find("*/").map_or(text.len(), |end| start + end + 2);
        text.replace_range(start..end, "");
    }
    text
}
