//! The file that a process runs: its inode, and whether the process may write it.

use std::sync::Arc;

use super::scene::{Scene, path};
use crate::capture::record::{Credentials, Inode};
use crate::capture::wire::path_flag;
use crate::process::Process;

const UNKNOWN: &str = "unknown: executable_flags_unknown";

/// A process of user 1000, with an executable that is root's.
fn changed(change: impl FnOnce(&mut Process)) -> Scene {
    let mut scene = Scene::plain();
    let process = Arc::make_mut(scene.process.as_mut().unwrap());
    process.credentials = Credentials {
        fsuid: 1000,
        fsgid: 100,
        ..Credentials::default()
    };
    change(process);
    scene
}

fn inode(process: &mut Process) -> &mut Inode {
    process.exe_inode.as_mut().unwrap()
}

#[test]
fn an_inode_has_a_number_and_times() {
    Scene::plain().check(&[
        ("proc.exe_ino", "4711"),
        ("proc.exe_ino.ctime", "39000000000"),
        ("proc.exe_ino.mtime", "-7"),
        ("proc.exe_ino.ctime_duration_proc_start", "1000000000"),
        ("proc.exe_ino.ctime_duration_pidns_start", "38000000000"),
        ("evt.arg.exe_ino", "'4711'"),
    ]);
    changed(|process| inode(process).ctime = 41_000_000_000)
        .check(&[("proc.exe_ino.ctime_duration_proc_start", "-1000000000")]);
    // Older than the namespace, as the files of an image are.
    changed(|process| inode(process).ctime = 1).check(&[("proc.exe_ino.ctime_duration_pidns_start", "absent")]);
    changed(|process| process.groups.as_mut().unwrap().pid_ns_start = None).check(&[(
        "proc.exe_ino.ctime_duration_pidns_start",
        "unknown: pid_namespace_unknown",
    )]);
}

#[test]
fn what_was_not_read_of_an_executable_is_unknown() {
    let fields = [
        "proc.exe_ino",
        "proc.exe_ino.ctime",
        "proc.exe_ino.mtime",
        "proc.exe_ino.ctime_duration_proc_start",
        "proc.exe_ino.ctime_duration_pidns_start",
        "proc.is_exe_writable",
        "evt.arg.flags",
        "evt.arg.exe_ino",
    ];
    let all = |scene: &Scene, answer: &str| scene.check(&fields.map(|field| (field, answer)));
    all(
        &changed(|process| process.exe_inode = None),
        "unknown: inode_unreadable",
    );
    let gone = changed(|process| {
        process.exe = None;
        process.exe_inode = None;
    });
    all(&gone, "unknown: executable_unknown");
    let mut lost = Scene::plain();
    lost.process = None;
    all(&lost, "unknown: process_unknown");
}

#[test]
fn whoever_owns_an_executable_or_has_leave_may_write_it() {
    let writable = |change: fn(&mut Process)| changed(change).ask("proc.is_exe_writable");
    assert_eq!(writable(|_| ()), "false");
    // The owner may give himself leave.
    assert_eq!(writable(|process| inode(process).uid = 1000), "true");
    assert_eq!(writable(|process| process.credentials.fsuid = 0), "true");
    assert_eq!(writable(|process| inode(process).mode = 0o100_757), "true");
    assert_eq!(
        writable(|process| (inode(process).mode, inode(process).gid) = (0o100_775, 100)),
        "true"
    );
    // He may be in the group all the same.
    assert_eq!(writable(|process| inode(process).mode = 0o100_775), UNKNOWN);
    assert_eq!(writable(|process| process.credentials.cap_effective = 1 << 1), "true");
    assert_eq!(writable(|process| process.credentials.cap_effective = 1 << 3), "true");
    assert_eq!(
        writable(|process| process.credentials.cap_effective = !(1 << 1 | 1 << 3)),
        "false"
    );
    // What the namespace maps is not known.
    let nested = |process: &mut Process| {
        process.credentials.cap_effective = 1 << 1;
        process.credentials.user_ns_level = 1;
    };
    assert_eq!(writable(nested), UNKNOWN);
}

#[test]
fn nobody_writes_what_is_read_only_or_nobodys() {
    for change in [
        (|inode: &mut Inode| inode.unwritable = true) as fn(&mut Inode),
        |inode| inode.uid = u32::MAX,
        |inode| inode.gid = u32::MAX,
    ] {
        let scene = changed(|process| {
            process.credentials.cap_effective = u64::MAX;
            inode(process).mode = 0o100_777;
            change(inode(process));
        });
        scene.check(&[("proc.is_exe_writable", "false"), ("evt.arg.flags", "'0'")]);
    }
}

#[test]
fn flags_are_upstreams_words() {
    let flags = |change: fn(&mut Process)| changed(change).ask("evt.arg.flags");
    assert_eq!(flags(|_| ()), "'0'");
    assert_eq!(flags(|process| inode(process).uid = 1000), "'EXE_WRITABLE'");
    assert_eq!(
        flags(|process| {
            inode(process).uid = 1000;
            process.exe_upper_layer = true;
        }),
        "'EXE_WRITABLE|EXE_UPPER_LAYER'"
    );
    assert_eq!(flags(|process| process.exe_lower_layer = true), "'EXE_LOWER_LAYER'");
    assert_eq!(
        flags(|process| process.exe = Some(path("memfd:x", path_flag::PSEUDO))),
        "'EXE_FROM_MEMFD'"
    );
    // What is known besides what is not.
    assert_eq!(
        flags(|process| {
            inode(process).mode = 0o100_775;
            process.exe_lower_layer = true;
        }),
        "'EXE_LOWER_LAYER', then unknown: executable_flags_unknown"
    );
    assert_eq!(flags(|process| inode(process).mode = 0o100_775), UNKNOWN);
    assert_eq!(
        flags(|process| process.exe = Some(path("", path_flag::UNREADABLE))),
        "unknown: path_unreadable"
    );
    changed(|process| process.exe_lower_layer = true).check(&[
        ("proc.is_exe_lower_layer", "true"),
        ("proc.is_exe_upper_layer", "false"),
    ]);
}
