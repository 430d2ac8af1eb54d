//! `proc.*` and `thread.*`.

use std::sync::Arc;

use super::scene::{Scene, body, key, path};
use crate::capture::wire::path_flag;
use crate::process::{Line, Process};

/// The process of a scene, changed.
fn changed(change: impl FnOnce(&mut Process)) -> Scene {
    let mut scene = Scene::plain();
    change(Arc::make_mut(scene.process.as_mut().unwrap()));
    scene
}

#[test]
fn a_process_and_its_image() {
    Scene::plain().check(&[
        ("proc.name", "'ls'"),
        ("proc.exe", "'ls'"),
        ("proc.exepath", "'/usr/bin/ls'"),
        ("proc.args", "'-l /tmp'"),
        ("proc.args[0]", "'-l'"),
        ("proc.args[1]", "'/tmp'"),
        ("proc.args[2]", "absent"),
        ("proc.args[4294967295]", "absent"),
        ("proc.cmdline", "'ls -l /tmp'"),
        ("proc.exeline", "'ls -l /tmp'"),
        ("proc.cmdnargs", "2"),
        ("proc.cmdlenargs", "6"),
        ("proc.cwd", "'/root/'"),
        ("proc.pid", "40"),
        ("proc.duration", "5"),
        ("proc.pid.ts", "40000000000"),
        ("proc.is_exe_upper_layer", "false"),
        ("proc.is_exe_from_memfd", "false"),
        ("thread.tid", "40"),
        ("thread.ismain", "true"),
        ("thread.nametid", "'ls40'"),
        ("thread.cap_effective", "'CAP_CHOWN CAP_DAC_OVERRIDE'"),
        ("thread.cap_permitted", "''"),
        ("thread.cgroup.cpu", "'/user.slice'"),
        (
            "thread.cgroups",
            "'cpuset=/user.slice cpu=/user.slice cpuacct=/user.slice io=/user.slice memory=/user.slice'",
        ),
    ]);
}

#[test]
fn ancestors_by_level_and_all_of_them() {
    Scene::plain().check(&[
        ("proc.pname", "'bash'"),
        ("proc.pexe", "'-bash'"),
        ("proc.pexepath", "'/usr/bin/bash'"),
        ("proc.pcmdline", "'bash -l'"),
        ("proc.ppid", "30"),
        ("proc.ppid.duration", "10000000005"),
        ("proc.ppid.ts", "30000000000"),
        ("proc.aname[0]", "'ls'"),
        ("proc.aname[2]", "'sshd'"),
        ("proc.aname[3]", "'systemd'"),
        ("proc.aname[4]", "absent"),
        ("proc.aname", "'bash' 'sshd' 'systemd'"),
        ("proc.aexe[3]", "'/sbin/init'"),
        ("proc.aexepath[2]", "'/usr/sbin/sshd'"),
        ("proc.acmdline", "'bash -l' 'sshd' 'systemd'"),
        ("proc.aargs[1]", "'-l'"),
        ("proc.apid", "30 20 1"),
        ("proc.loginshellid", "30"),
    ]);
}

#[test]
fn the_first_process_has_no_parent_and_that_is_known() {
    changed(|process| process.ancestors = Line::TOP).check(&[
        ("proc.pname", "absent"),
        ("proc.pcmdline", "absent"),
        ("proc.ppid.duration", "absent"),
        ("proc.ppid", "0"),
        ("proc.aname", "absent"),
        ("proc.loginshellid", "absent"),
    ]);
}

#[test]
fn a_line_that_breaks_off_leaves_open_what_is_above() {
    let scene = changed(|process| {
        let parent = process.ancestors.first().unwrap().clone();
        process.ancestors = Line::below(parent, Line::UNKNOWN);
    });
    scene.check(&[
        ("proc.pname", "'bash'"),
        ("proc.aname[2]", "unknown: ancestors_unknown"),
        ("proc.aname", "'bash', then unknown: ancestors_unknown"),
        ("proc.loginshellid", "unknown: ancestors_unknown"),
    ]);
    changed(|process| process.ancestors = Line::UNKNOWN).check(&[
        ("proc.ppid", "unknown: ancestors_unknown"),
        ("proc.aname", "unknown: ancestors_unknown"),
    ]);
}

#[test]
fn an_ancestor_that_is_gone_is_remembered() {
    let mut scene = Scene::plain();
    scene.table.exit(&key(30));
    scene.check(&[("proc.pcmdline", "'bash -l'"), ("proc.pexepath", "'/usr/bin/bash'")]);
    let mut scene = changed(|process| {
        let mut parent = process.ancestors.first().unwrap().clone();
        parent.args = None;
        parent.exe = Some("of/a/cut/path".into());
        process.ancestors = Line::below(parent, Line::TOP);
    });
    // What the table still has it tells.
    scene.check(&[("proc.pexe", "'-bash'")]);
    scene.table.exit(&key(30));
    scene.check(&[
        ("proc.pname", "'bash'"),
        ("proc.pexe", "unknown: arguments_unreadable"),
        ("proc.pexepath", "unknown: path_truncated"),
    ]);
}

#[test]
fn arguments_that_are_cut_are_known_as_far_as_they_are_whole() {
    changed(|process| process.args_truncated = true).check(&[
        ("proc.exe", "'ls'"),
        ("proc.args[0]", "'-l'"),
        ("proc.args[1]", "unknown: arguments_truncated"),
        ("proc.args[2]", "unknown: arguments_truncated"),
        ("proc.args", "unknown: arguments_truncated"),
        ("proc.cmdline", "unknown: arguments_truncated"),
        ("proc.exeline", "unknown: arguments_truncated"),
        ("proc.cmdnargs", "unknown: arguments_truncated"),
    ]);
    let unread = changed(|process| {
        process.args = Arc::new([]);
        process.args_unreadable = true;
    });
    unread.check(&[
        ("proc.exe", "unknown: arguments_unreadable"),
        ("proc.cmdline", "unknown: arguments_unreadable"),
    ]);
    changed(|process| process.args = Arc::new([])).check(&[
        ("proc.exe", "''"),
        ("proc.args", "''"),
        ("proc.cmdline", "'ls'"),
    ]);
}

#[test]
fn paths_that_are_not_whole_are_unknown() {
    let with = |flags| changed(|process| process.exe = Some(path("memfd:x", flags)));
    with(path_flag::PSEUDO).check(&[("proc.exepath", "'memfd:x'"), ("proc.is_exe_from_memfd", "true")]);
    with(path_flag::TRUNCATED).check(&[
        ("proc.exepath", "unknown: path_truncated"),
        ("proc.is_exe_upper_layer", "false"),
    ]);
    with(path_flag::UNREADABLE).check(&[
        ("proc.exepath", "unknown: path_unreadable"),
        ("proc.is_exe_from_memfd", "unknown: path_unreadable"),
        ("proc.is_exe_upper_layer", "unknown: path_unreadable"),
    ]);
    let gone = changed(|process| {
        process.exe = None;
        process.cwd = None;
    });
    gone.check(&[
        ("proc.exepath", "unknown: executable_unknown"),
        ("proc.cwd", "unknown: path_unreadable"),
    ]);
    changed(|process| process.cwd = Some(path("/", 0))).check(&[("proc.cwd", "'/'")]);
}

#[test]
fn terminals_have_the_numbers_of_their_devices() {
    let on = |name: Option<&str>| changed(|process| process.tty = name.map(str::to_owned)).ask("proc.tty");
    assert_eq!(on(None), "0");
    assert_eq!(on(Some("pts0")), "34816");
    assert_eq!(on(Some("pts300")), "35116");
    assert_eq!(on(Some("tty1")), "1025");
    assert_eq!(on(Some("ttyS0")), "1088");
    assert_eq!(on(Some("console")), "1281");
    for name in ["", "7", "pts", "ttyX0", "pts99999999", "pts-1"] {
        assert_eq!(on(Some(name)), "unknown: terminal_unknown", "{name}");
    }
}

#[test]
fn a_process_that_moved_is_in_no_known_cgroup() {
    let mut scene = Scene::plain();
    scene.header.cgroup_id = 8;
    scene.check(&[("thread.cgroup.cpu", "unknown: cgroup_unknown")]);
    changed(|process| Arc::make_mut(&mut process.cgroup).cut = true)
        .check(&[("thread.cgroups", "unknown: cgroup_unknown")]);
}

#[test]
fn of_a_process_that_is_not_in_the_table_the_ids_are_known() {
    let mut scene = Scene::of(body("x", "/x", &["x"]));
    scene.process = None;
    scene.header.tid = 41;
    scene.check(&[
        ("proc.pid", "40"),
        ("thread.tid", "41"),
        ("thread.ismain", "false"),
        ("proc.duration", "5"),
        ("proc.name", "unknown: process_unknown"),
        ("proc.cmdline", "unknown: process_unknown"),
        ("proc.pcmdline", "unknown: process_unknown"),
        ("proc.aname", "unknown: process_unknown"),
        ("proc.aname[0]", "unknown: process_unknown"),
        ("proc.tty", "unknown: process_unknown"),
        ("proc.is_exe_from_memfd", "unknown: process_unknown"),
        ("thread.cap_effective", "unknown: process_unknown"),
        ("user.name", "unknown: process_unknown"),
        ("user.loginuid", "unknown: process_unknown"),
        ("group.gid", "unknown: process_unknown"),
    ]);
}
