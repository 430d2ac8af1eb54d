//! Arguments of system calls with upstream's names.

use super::run::{CWD, Run, directory, regular, text};
use crate::capture::call::What;

#[test]
fn an_open_tells_flags_and_paths() {
    Run::of("openat", 3, &[CWD, 0x1000, 0o2_000_101, 0o755])
        .read(1, text("./x//data"))
        .read(1, directory("srv\0"))
        .behind(regular("data\0x\0srv\0"))
        .check(&[
            ("evt.arg.fd", "'<f>/srv/x/data'"),
            ("evt.arg.dirfd", "'AT_FDCWD'"),
            ("evt.arg.name", "'/srv/x/data'"),
            ("evt.rawarg.name", "'./x//data'"),
            ("evt.arg.flags", "'O_WRONLY|O_CREAT|O_CLOEXEC'"),
            ("evt.arg.mode", "'0755'"),
            ("evt.rawarg.mode", "493"),
            ("evt.rawarg.fd", "3"),
            ("evt.arg[0]", "'<f>/srv/x/data'"),
            ("evt.arg[name]", "'/srv/x/data'"),
            ("evt.arg[7]", "absent"),
            ("evt.arg.ino", "'12'"),
            ("evt.arg.dev", "unknown: argument_not_read"),
            (
                "evt.args",
                "'fd=3(<f>/srv/x/data) dirfd=-100(AT_FDCWD) name=/srv/x/data flags=O_WRONLY|O_CREAT|O_CLOEXEC mode=0755 ino=12'",
            ),
            ("evt.abspath", "'/srv/x/data'"),
            ("evt.is_open_read", "false"),
            ("evt.is_open_write", "true"),
            ("evt.is_open_exec", "true"),
            ("evt.is_open_create", "unknown: creation_unknown"),
        ]);
}

/// Of what was opened the kernel side does not tell from where: the working directory is known.
#[test]
fn a_relative_path_of_an_open_file_starts_at_the_working_directory() {
    let opened = |base: u64| {
        Run::of("openat", 3, &[base, 0x1000, 0, 0])
            .read(1, text("x/../secret"))
            .behind(regular("secret\0root\0"))
    };
    opened(CWD).check(&[
        ("evt.arg.name", "'/root/secret'"),
        ("evt.abspath", "'/root/secret'"),
        ("evt.arg[2]", "'/root/secret'"),
    ]);
    opened(7).check(&[("evt.arg.name", "unknown: directory_unknown")]);
    let failed = Run::of("openat", -2, &[CWD, 0x1000, 0, 0]).read(1, text("secret"));
    failed.check(&[("evt.arg.name", "unknown: directory_unknown")]);
}

#[test]
fn access_modes_and_makings_are_told_apart() {
    for (flags, read, write, made) in [
        (0, "true", "false", "false"),
        (2, "true", "true", "false"),
        (0o301, "false", "true", "true"),
        (0o1001, "false", "true", "false"),
    ] {
        Run::of("open", 3, &[1, flags, 0])
            .read(0, text("/srv/data"))
            .behind(regular("data\0srv\0"))
            .check(&[
                ("evt.is_open_read", read),
                ("evt.is_open_write", write),
                ("evt.is_open_create", made),
            ]);
    }
    Run::of("openat2", 3, &[CWD, 1, 1, 24]).check(&[("evt.is_open_read", "unknown: argument_unreadable")]);
}

#[test]
fn an_open_that_fails_tells_why() {
    Run::of("openat", -2, &[CWD, 1, 0])
        .read(1, text("/etc/../root/x"))
        .check(&[
            ("evt.res", "'ENOENT'"),
            ("evt.rawres", "-2"),
            ("evt.arg.fd", "'ENOENT'"),
            ("evt.count.error", "1"),
            ("evt.count.error.file", "1"),
            ("evt.count.error.net", "absent"),
            ("fd.num", "-1"),
            ("fd.type", "absent"),
            ("fd.typechar", "'f'"),
            ("fd.name", "'/root/x'"),
            ("fd.nameraw", "'/etc/../root/x'"),
            ("fd.directory", "'/root'"),
            ("fd.filename", "absent"),
        ]);
}

/// Whoever passes a wrong pointer, or a descriptor that is none, opens nothing: no rule hangs on what that would have been.
#[test]
fn a_call_that_the_kernel_could_not_read_names_nothing() {
    let none = [
        ("fd.name", "absent"),
        ("fd.nameraw", "absent"),
        ("fs.path.name", "absent"),
        ("fs.path.nameraw", "absent"),
        ("evt.arg.name", "absent"),
        ("evt.rawarg.name", "absent"),
        ("evt.abspath", "absent"),
    ];
    Run::of("openat", -i64::from(libc::EFAULT), &[CWD, 1, 0, 0]).check(&none);
    let relative = Run::of("openat", -i64::from(libc::EBADF), &[999, 0x1000, 0, 0]).read(1, text("shadow"));
    relative.check(&[
        ("fd.name", "absent"),
        ("fs.path.name", "absent"),
        ("evt.abspath", "absent"),
        ("fd.nameraw", "'shadow'"),
    ]);
    // Where the kernel could, and the agent could not, it stays unknown.
    let unread = Run::of("openat", -i64::from(libc::ENOENT), &[CWD, 0x1000, 0, 0]);
    unread.check(&[
        ("fd.name", "unknown: path_unreadable"),
        ("fd.nameraw", "unknown: path_unreadable"),
    ]);
}

#[test]
fn links_tell_what_rules_ask() {
    Run::of("symlinkat", 0, &[1, CWD, 1])
        .read(0, text("/etc/shadow"))
        .read(2, text("link"))
        .read(2, directory("tmp\0"))
        .check(&[
            ("evt.arg.target", "'/etc/shadow'"),
            ("evt.arg.linkpath", "'/tmp/link'"),
            ("evt.arg.linkdirfd", "'AT_FDCWD'"),
            ("evt.abspath", "'/tmp/link'"),
            ("fs.path.source", "'/tmp/link'"),
            ("fs.path.sourceraw", "'link'"),
            ("fs.path.target", "'/etc/shadow'"),
            ("fs.path.name", "absent"),
        ]);
    let links = |ret| {
        Run::of("link", ret, &[1, 1])
            .read(0, text("/etc//shadow"))
            .read(1, text("/tmp/x"))
    };
    links(0).check(&[
        ("evt.arg.oldpath", "'/etc/shadow'"),
        ("evt.rawarg.oldpath", "'/etc//shadow'"),
        ("fs.path.source", "'/tmp/x'"),
        ("fs.path.target", "'/etc/shadow'"),
    ]);
    links(-1).check(&[("evt.arg.oldpath", "'/etc/shadow'"), ("fs.path.target", "absent")]);
}

#[test]
fn what_is_cut_or_unread_is_not_known() {
    let cut = What::Text {
        bytes: b"/etc/shad",
        truncated: true,
    };
    Run::of("unlink", 0, &[1]).read(0, cut).check(&[
        ("evt.arg.path", "unknown: path_truncated"),
        ("fs.path.name", "unknown: path_truncated"),
        ("evt.args", "'res=0', then unknown: path_truncated"),
    ]);
    Run::of("unlink", 0, &[1])
        .read(0, What::Unreadable)
        .check(&[("evt.arg.path", "unknown: path_unreadable")]);
    Run::of("unlink", 0, &[1])
        .read(0, text("x"))
        .read(0, What::Unreadable)
        .check(&[
            ("evt.arg.path", "unknown: directory_unknown"),
            ("fs.path.nameraw", "'x'"),
        ]);
}

#[test]
fn words_are_those_of_upstream() {
    Run::of("ptrace", 0, &[16, 42]).check(&[("evt.arg.request", "'PTRACE_ATTACH'"), ("evt.arg.pid", "'42'")]);
    Run::of("ptrace", 0, &[6, 42]).check(&[("evt.arg.request", "'PTRACE_POKEUSR'")]);
    Run::of("chmod", 0, &[1, 0o4755]).read(0, text("/bin/x")).check(&[
        (
            "evt.arg.mode",
            "'S_IXOTH|S_IROTH|S_IXGRP|S_IRGRP|S_IXUSR|S_IWUSR|S_IRUSR|S_ISUID'",
        ),
        ("evt.arg.filename", "'/bin/x'"),
        ("fs.path.name", "'/bin/x'"),
    ]);
    Run::of("mount", 0, &[1, 1, 1, 0x5000])
        .read(0, text("proc"))
        .read(1, text("/mnt"))
        .read(2, text("proc"))
        .check(&[
            ("evt.arg.flags", "'BIND|REC'"),
            ("evt.arg.dev", "'proc'"),
            ("evt.arg.dir", "'/mnt'"),
            ("fs.path.source", "'/root/proc'"),
            ("fs.path.target", "'/mnt'"),
        ]);
    Run::of("socket", -1, &[17, 3, 0x0300]).check(&[("evt.arg.domain", "'AF_PACKET'"), ("fd.typechar", "'o'")]);
    Run::of("kill", 0, &[42, 9]).check(&[
        ("evt.arg.sig", "'SIGKILL'"),
        ("evt.args", "'res=0 pid=42 sig=9(SIGKILL)'"),
    ]);
    Run::of("setuid", 0, &[0]).check(&[("evt.arg.uid", "'root'"), ("evt.rawarg.uid", "0")]);
    Run::of("setuid", 0, &[1000]).check(&[("evt.arg.uid", "'1000'")]);
    Run::of("prctl", 0, &[15, 1])
        .read(1, text("worker"))
        .check(&[("evt.arg.option", "'PR_SET_NAME'"), ("evt.arg.arg2_str", "'worker'")]);
}
