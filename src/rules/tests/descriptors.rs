//! Files behind descriptors.

use super::run::{CWD, Run, directory, file, regular, text};
use crate::capture::call::What;
use crate::capture::wire::path_flag;

#[test]
fn a_symbolic_link_hides_no_file() {
    Run::of("openat", 3, &[CWD, 1, 0])
        .read(1, text("/tmp//harmless"))
        .behind(regular("shadow\0etc\0"))
        .check(&[
            ("fd.name", "'/etc/shadow'"),
            ("fd.nameraw", "'/tmp/harmless'"),
            ("fd.directory", "'/etc'"),
            ("fd.filename", "'shadow'"),
            ("fd.num", "3"),
            ("fd.type", "'file'"),
            ("fd.typechar", "'f'"),
            ("fd.ino", "12"),
            ("fd.uid", "'403'"),
            ("fd.containername", "'host:/etc/shadow'"),
            ("fd.connected", "false"),
            ("fd.ip", "absent"),
            ("fd.sip.name", "absent"),
            ("fs.path.name", "'/etc/shadow'"),
            ("fs.path.nameraw", "'/tmp//harmless'"),
        ]);
}

#[test]
fn what_a_process_reads_of_itself_is_named_as_every_process_names_it() {
    let status = |path: &'static str, names: &'static str| {
        Run::of("open", 3, &[1, 0]).read(0, text(path)).behind(regular(names))
    };
    status("/proc/self/../self/status", "status\x0042\0proc\0").check(&[("fd.name", "'/proc/self/status'")]);
    status("/proc/42/status", "status\x0042\0proc\0").check(&[("fd.name", "'/proc/42/status'")]);
    status("/proc/self/exe", "sh\0bin\0").check(&[("fd.name", "'/bin/sh'")]);
}

#[test]
fn directories_are_their_own() {
    Run::of("open", 3, &[1, 0])
        .read(0, text("/etc"))
        .behind(file(0o040_755, "etc\0", 0))
        .check(&[
            ("fd.type", "'directory'"),
            ("fd.typechar", "'d'"),
            ("fd.directory", "'/etc'"),
            ("fd.filename", "absent"),
        ]);
    Run::of("open", 3, &[1, 0])
        .read(0, text("/vmlinuz"))
        .behind(regular("vmlinuz\0"))
        .check(&[("fd.directory", "'/'"), ("fd.filename", "'vmlinuz'")]);
}

#[test]
fn where_the_kernel_tells_nothing_the_request_counts() {
    Run::of("openat", 3, &[CWD, 1, 0])
        .read(1, text("../etc/passwd"))
        .read(1, directory("srv\0"))
        .behind(What::Unreadable)
        .check(&[("fd.name", "'/etc/passwd'"), ("fd.typechar", "'f'"), ("fd.num", "3")]);
    Run::of("openat", 3, &[CWD, 1, 0o200_000])
        .read(1, text("/etc"))
        .behind(What::Unreadable)
        .check(&[("fd.typechar", if cfg!(target_arch = "x86_64") { "'d'" } else { "'f'" })]);
    Run::of("openat", 3, &[CWD, 1, 0])
        .read(1, text("/x"))
        .behind(file(0o100_644, "passwd\0", path_flag::TRUNCATED))
        .check(&[
            ("fd.name", "unknown: path_truncated"),
            ("fd.directory", "unknown: path_truncated"),
        ]);
    Run::of("fchmod", 0, &[3, 0o644]).read(0, What::Unreadable).check(&[
        ("fd.name", "unknown: descriptor_unreadable"),
        ("fd.typechar", "unknown: descriptor_unreadable"),
        ("fs.path.name", "unknown: descriptor_unreadable"),
    ]);
}

#[test]
fn descriptors_that_are_used_have_no_request() {
    Run::of("fchmod", 0, &[3, 0o644])
        .read(0, regular("data\0srv\0"))
        .check(&[
            ("fd.num", "3"),
            ("fd.name", "'/srv/data'"),
            ("fd.nameraw", "unknown: request_unknown"),
            ("fs.path.name", "'/srv/data'"),
            ("evt.arg.fd", "'<f>/srv/data'"),
        ]);
    Run::of("fchmod", -9, &[77, 0]).read(0, What::NotOpen).check(&[
        ("fd.num", "77"),
        ("fd.name", "absent"),
        ("fd.type", "absent"),
        ("fd.typechar", "'o'"),
    ]);
}

#[test]
fn files_without_a_file_system_have_types_of_their_own() {
    for (name, kind, character) in [
        ("[eventfd]\0", "'event'", "'e'"),
        ("inotify\0", "'inotify'", "'i'"),
        ("[io_uring]\0", "'io_uring'", "'r'"),
        ("bpf-map\0", "'bpf'", "'b'"),
        ("what\0", "'<NA>'", "'o'"),
    ] {
        Run::of("dup", 4, &[3])
            .read(0, file(0o600, name, path_flag::PSEUDO))
            .check(&[("fd.type", kind), ("fd.typechar", character), ("fd.num", "4")]);
    }
    Run::of("memfd_create", 4, &[1, 0])
        .read(0, text("x"))
        .behind(file(0o100_777, "memfd:x\0", path_flag::PSEUDO))
        .check(&[("fd.type", "'memfd'"), ("evt.arg.name", "'x'")]);
    Run::of("bpf", 5, &[0, 1, 1]).check(&[
        ("fd.type", "'bpf'"),
        ("fd.num", "5"),
        ("evt.arg.cmd", "'BPF_MAP_CREATE'"),
    ]);
    Run::of("bpf", 0, &[1, 1, 1]).check(&[("fd.type", "absent"), ("fd.num", "-1")]);
}

#[test]
fn calls_without_a_descriptor_have_none() {
    Run::of("unlink", 0, &[1]).read(0, text("/srv/data")).check(&[
        ("fd.name", "absent"),
        ("fd.num", "absent"),
        ("fd.typechar", "absent"),
    ]);
}
