//! The tables against the system's headers: every name is compiled, and its number compared.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;

use super::set::{Flags, Names};
use super::*;

/// Each table with what a C program has to do to get at its names.
fn tables() -> Vec<Names> {
    vec![
        at::FLAGS,
        bpf::COMMANDS,
        bpf::PROGRAM_TYPES,
        bpf::MAP_TYPES,
        capability::CAPABILITIES,
        capability::VERSIONS,
        clone::FLAGS,
        errno::ERRORS,
        family::FAMILIES,
        io_uring::FLAGS,
        memfd::FLAGS,
        message::FLAGS,
        module::FLAGS,
        mount::FLAGS,
        mount::MAGIC,
        open::ACCESS,
        open::FLAGS,
        open::RESOLVES,
        prctl::OPERATIONS,
        prctl::AMBIENT,
        prctl::MM,
        prctl::SECCOMP,
        prctl::SECURE,
        protocol::INTERNET,
        protocol::NETLINK,
        protocol::ETHERNET,
        ptrace::OPERATIONS,
        rename::FLAGS,
        signal::SIGNALS,
        socket::FLAGS,
        socket::TYPES,
        umount::FLAGS,
    ]
}

/// The headers of the C library and the kernel that do not quarrel with each other.
const HEADERS: &str = "
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/if_ether.h>
#include <linux/io_uring.h>
#include <linux/memfd.h>
#include <linux/module.h>
#include <linux/netlink.h>
#include <linux/openat2.h>
#include <linux/prctl.h>
#include <linux/ptrace.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <asm/ptrace-abi.h>
#undef O_LARGEFILE
";

/// Names that the headers of Debian 12 do not have: most are newer than Linux 6.1, or internal to the kernel. The C library
/// declares O_LARGEFILE as 0 where every file is large, so it is taken out above.
const ELSEWHERE: &[&str] = &[
    "BPF_TOKEN_CREATE",
    "BPF_PROG_TYPE_NETFILTER",
    "BPF_MAP_TYPE_CGRP_STORAGE",
    "BPF_MAP_TYPE_ARENA",
    "IORING_SETUP_NO_MMAP",
    "IORING_SETUP_REGISTERED_FD_ONLY",
    "IORING_SETUP_NO_SQARRAY",
    "IORING_SETUP_HYBRID_IOPOLL",
    "MFD_NOEXEC_SEAL",
    "MFD_EXEC",
    // MSG_PROXY to glibc.
    "MSG_PROBE",
    "O_LARGEFILE",
    // A macro of its own, in a header that quarrels with netinet/in.h.
    "IPPROTO_L2TP",
    // PTRACE_PEEKUSR and PTRACE_POKEUSR there; these are the words of ptrace(2) and strace.
    "PTRACE_PEEKUSER",
    "PTRACE_POKEUSER",
    "PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG",
    "PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG",
    "PTRACE_SET_SYSCALL_INFO",
];

/// Numbers of names as the compiler sees them; names that it does not know are left out.
fn by_compiler(names: &[&str]) -> BTreeMap<String, u64> {
    let dir = tempfile::tempdir().unwrap();
    let (source, program) = (dir.path().join("names.c"), dir.path().join("names"));
    let mut unknown: Vec<String> = Vec::new();
    // Each round names some that do not exist.
    for _ in 0..3 {
        let mut text = HEADERS.to_owned() + "int main(void) {\n";
        for name in names.iter().filter(|name| !unknown.iter().any(|other| other == *name)) {
            writeln!(
                text,
                "printf(\"%s %llu\\n\", \"{name}\", (unsigned long long)(unsigned int)({name}));"
            )
            .unwrap();
        }
        std::fs::write(&source, text + "}\n").unwrap();
        let compiled = Command::new("clang")
            .args(["-w", "-ferror-limit=0", "-O0", "-o"])
            .args([&program, &source])
            .output()
            .unwrap();
        if compiled.status.success() {
            let output = Command::new(&program).output().unwrap();
            return String::from_utf8(output.stdout)
                .unwrap()
                .lines()
                .map(|line| {
                    let (name, number) = line.split_once(' ').unwrap();
                    (name.to_owned(), number.parse().unwrap())
                })
                .collect();
        }
        let errors = String::from_utf8(compiled.stderr).unwrap();
        let before = unknown.len();
        for line in errors.lines().filter(|line| line.contains("undeclared identifier '")) {
            unknown.push(line.split('\'').nth(1).unwrap().to_owned());
        }
        assert!(unknown.len() > before, "{errors}");
    }
    panic!("no end of unknown names: {unknown:?}");
}

#[test]
fn names_have_the_numbers_of_the_systems_headers() {
    let all: Vec<(&str, u64)> = tables().into_iter().flatten().copied().collect();
    let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    let theirs = by_compiler(&names);
    let mut unknown = Vec::new();
    for (name, number) in &all {
        match theirs.get(*name) {
            Some(theirs) => assert_eq!(number, theirs, "{name}"),
            None => unknown.push(*name),
        }
    }
    println!(
        "{} names compared, not in the headers: {unknown:?}",
        all.len() - unknown.len()
    );
    assert!(theirs.len() > 400, "{}", theirs.len());
    unknown.retain(|name| !ELSEWHERE.contains(name));
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn frequent_flags_are_what_they_would_be_put_together() {
    for (words, bits) in open::OPEN.frequent {
        static PLAIN: set::FlagSet = open::PARTS;
        let flags = Flags {
            set: &PLAIN,
            bits: *bits,
        };
        assert_eq!(flags.to_string(), *words);
    }
}

#[test]
fn no_number_has_two_names_and_no_name_two_numbers() {
    for table in tables() {
        for (index, (name, number)) in table.iter().enumerate() {
            for (other, theirs) in &table[..index] {
                assert_ne!(name, other);
                assert_ne!(number, theirs, "{name} and {other}");
            }
        }
    }
}
