//! Types of events, and the hooks that tell them.

use super::run::Run;
use super::scene::Scene;
use crate::capture::calls::CALLS;
use crate::capture::record::Body;
use crate::capture::{Hook, HookSet};
use crate::rules::CATALOGUE;
use crate::rules::fields::{EVENTS, hooks, type_of};

#[test]
fn a_type_is_seen_where_a_hook_tells_it_and_only_there() {
    for (number, event) in CATALOGUE.events() {
        assert_eq!(event.never.is_none(), hooks(number) != HookSet::NONE, "{}", event.name);
    }
    for call in CALLS {
        assert!(EVENTS.iter().any(|event| event.name == call.name), "{}", call.name);
    }
    let mut names: Vec<_> = EVENTS.iter().map(|event| event.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), EVENTS.len(), "a name is there twice");
}

#[test]
fn what_fails_is_told_by_a_hook_of_its_own() {
    let hooks_of = |name| hooks(CATALOGUE.event(name).unwrap());
    let call = |name| Hook::of_call(name).unwrap();
    assert_eq!(hooks_of("execve"), HookSet::NONE.with(Hook::EXEC).with(call("execve")));
    assert_eq!(hooks_of("clone"), HookSet::NONE.with(Hook::FORK));
    assert_eq!(hooks_of("procexit"), HookSet::NONE.with(Hook::EXIT));
    assert_eq!(hooks_of("openat"), HookSet::NONE.with(call("openat")));
}

#[test]
fn a_record_has_the_type_of_its_hook() {
    let mut header = Scene::plain().header;
    assert_eq!(type_of(&header), CATALOGUE.event("execve"));
    header.hook = Hook::SNAPSHOT;
    assert_eq!(type_of(&header), None, "a description is no event");
    header.hook = Hook::of_call("bpf").unwrap();
    assert_eq!(type_of(&header), CATALOGUE.event("bpf"));
}

#[test]
fn an_execution_tells_itself() {
    let mut scene = Scene::plain();
    scene.check(&[
        ("evt.num", "1"),
        ("evt.type", "'execve'"),
        ("syscall.type", "'execve'"),
        ("evt.type.is.execve", "1"),
        ("evt.type.is.open", "0"),
        ("evt.category", "'process'"),
        ("evt.res", "'SUCCESS'"),
        ("evt.rawres", "0"),
        ("evt.failed", "false"),
        ("evt.time", "'00:00:40.000000005'"),
        ("evt.time.s", "'00:00:40'"),
        ("evt.datetime", "'1970-01-01 00:00:40.000000005'"),
        ("evt.datetime.s", "'1970-01-01 00:00:40'"),
        ("evt.time.iso8601", "'1970-01-01T00:00:40.000000005+0000'"),
        ("evt.rawtime", "40000000005"),
        ("evt.rawtime.s", "40"),
        ("evt.rawtime.ns", "5"),
        ("evt.source", "'syscall'"),
        ("evt.arg.exe", "'ls'"),
        ("evt.arg.pid", "'40'"),
        ("evt.rawarg.ptid", "30"),
        ("evt.arg.env", "unknown: argument_not_read"),
        ("evt.arg.whence", "absent"),
        ("evt.arg[1]", "'ls'"),
        ("evt.arg[5]", "'30'"),
        ("evt.arg[7]", "unknown: argument_not_read"),
        ("evt.arg[31]", "absent"),
        ("evt.arg.args", "'-l./tmp.'"),
        (
            "evt.args",
            "'res=0 exe=ls args=-l./tmp. tid=40 pid=40 ptid=30 cwd=/root comm=ls vpgid=40 loginuid=1000 flags=EXE_WRITABLE \
             cap_inheritable=0x0 cap_permitted=0x0 cap_effective=0x3 exe_ino=4711 uid=1000 trusted_exepath=/usr/bin/ls pgid=40 \
             gid=100'",
        ),
        ("evt.arg.flags", "'EXE_WRITABLE'"),
        ("fd.name", "absent"),
        ("fd.num", "absent"),
        ("fs.path.name", "absent"),
        ("evt.is_open_read", "false"),
    ]);
    scene.host.node = "node-1".to_owned();
    scene.check(&[("evt.hostname", "'node-1'")]);
}

#[test]
fn an_end_tells_how() {
    let mut scene = Scene::plain();
    scene.header.hook = Hook::EXIT;
    for (field, answer) in [
        ("evt.type", "'procexit'"),
        ("syscall.type", "absent"),
        ("evt.res", "absent"),
        ("evt.arg.sig", "'SIGKILL'"),
        ("evt.rawarg.sig", "9"),
        ("evt.args", "'status=137 ret=0 sig=SIGKILL core=1'"),
    ] {
        assert_eq!(scene.ask_of(&Body::Exit { status: 0x89 }, field), answer, "{field}");
    }
}

#[test]
fn categories_are_those_of_upstream() {
    for (call, category) in [
        ("kill", "'signal'"),
        ("unlink", "'file'"),
        ("setuid", "'user'"),
        ("chroot", "'process'"),
        ("bpf", "'other'"),
        ("socket", "'net'"),
    ] {
        Run::of(call, -1, &[]).check(&[
            ("evt.category", category),
            ("evt.failed", "true"),
            ("evt.res", "'EPERM'"),
        ]);
    }
}
