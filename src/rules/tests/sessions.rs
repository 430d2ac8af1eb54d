//! What a process belongs to: its session, its process group, its PID namespace.

use std::sync::Arc;

use super::scene::{Scene, key};
use crate::capture::record::Groups;

/// The process of a scene, in other groups.
fn changed(change: impl FnOnce(&mut Groups)) -> Scene {
    let mut scene = Scene::plain();
    change(Arc::make_mut(scene.process.as_mut().unwrap()).groups.as_mut().unwrap());
    scene
}

#[test]
fn a_session_is_called_by_its_leader() {
    Scene::plain().check(&[
        ("proc.sid", "20"),
        ("proc.sname", "'sshd'"),
        ("proc.sid.exe", "'sshd: me'"),
        ("proc.sid.exepath", "'/usr/sbin/sshd'"),
        ("proc.is_sid_leader", "false"),
        ("proc.pgid", "40"),
        ("proc.vpgid", "40"),
        ("proc.pgid.name", "'ls'"),
        ("proc.vpgid.exe", "'ls'"),
        ("proc.vpgid.exepath", "'/usr/bin/ls'"),
        ("proc.is_pgid_leader", "true"),
        ("proc.is_vpgid_leader", "true"),
        ("proc.pidns_init_start_ts", "1000000000"),
        ("evt.arg.pgid", "'40'"),
        ("evt.arg.vpgid", "'40'"),
    ]);
    let inner = changed(|groups| (groups.pgid, groups.vpgid) = (30, 7));
    inner.check(&[
        ("proc.pgid", "30"),
        ("proc.vpgid", "7"),
        ("proc.vpgid.name", "'bash'"),
        ("proc.is_vpgid_leader", "false"),
        ("evt.arg.pgid", "'30'"),
        ("evt.arg.vpgid", "'7'"),
    ]);
}

#[test]
fn a_leader_that_is_gone_is_remembered_by_those_below_it() {
    let mut scene = Scene::plain();
    scene.table.exit(&key(20));
    scene.check(&[("proc.sname", "'sshd'"), ("proc.sid.exepath", "'/usr/sbin/sshd'")]);
    // It is above nobody that is known.
    changed(|groups| (groups.sid, groups.pgid) = (77, 78)).check(&[
        ("proc.sid", "77"),
        ("proc.sname", "unknown: leader_unknown"),
        ("proc.sid.exe", "unknown: leader_unknown"),
        ("proc.pgid.exepath", "unknown: leader_unknown"),
    ]);
}

#[test]
fn a_kernel_thread_belongs_to_no_session() {
    changed(|groups| (groups.sid, groups.pgid) = (0, 0)).check(&[
        ("proc.sid", "0"),
        ("proc.sname", "absent"),
        ("proc.pgid.name", "absent"),
        ("proc.is_sid_leader", "false"),
    ]);
}

#[test]
fn what_was_not_read_of_a_session_is_unknown() {
    let fields = [
        "proc.sid",
        "proc.sname",
        "proc.sid.exe",
        "proc.vpgid",
        "proc.pgid",
        "proc.pgid.name",
        "proc.is_sid_leader",
        "proc.pidns_init_start_ts",
        "evt.arg.pgid",
    ];
    let mut scene = Scene::plain();
    Arc::make_mut(scene.process.as_mut().unwrap()).groups = None;
    scene.check(&fields.map(|field| (field, "unknown: session_unreadable")));
    scene.process = None;
    scene.check(&fields.map(|field| (field, "unknown: process_unknown")));
    changed(|groups| groups.pid_ns_start = None)
        .check(&[("proc.pidns_init_start_ts", "unknown: pid_namespace_unknown")]);
}
