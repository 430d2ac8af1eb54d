use std::borrow::Cow;

use super::*;
use crate::capture::Hook;
use crate::capture::record::{Credentials, KernelPath};
use crate::capture::wire::ANCESTORS;

fn key(pid: u32, exec_id: u64) -> ProcessKey {
    ProcessKey {
        start: 1000 + u64::from(pid),
        exec_id,
        pid,
        reserved: 0,
    }
}

fn header(process: ProcessKey, cgroup_id: u64) -> Header {
    Header {
        hook: Hook::EXEC,
        cpu: 0,
        tid: process.pid,
        time: 0,
        lost: 0,
        cgroup_id,
        process,
    }
}

fn body(exe: &str, ancestors: Vec<(ProcessKey, String)>) -> ProcessBody<'static> {
    ProcessBody {
        name: Cow::Borrowed("name"),
        exe: Some(KernelPath {
            text: exe.to_owned(),
            flags: 0,
        }),
        cwd: None,
        cgroup: CgroupPath {
            text: "/pod/container".to_owned(),
            cut: false,
            unreadable: false,
        },
        args: vec![exe.to_owned()],
        args_truncated: false,
        args_unreadable: false,
        credentials: Credentials::default(),
        tty: None,
        ancestors,
        ancestors_truncated: false,
        ..ProcessBody::default()
    }
}

fn child(child: ProcessKey, parent: ProcessKey) -> Fork<'static> {
    Fork {
        child,
        parent,
        cgroup_id: 7,
        cgroup: None,
    }
}

fn table(capacity: usize) -> ProcessTable {
    ProcessTable::new(NonZeroUsize::new(capacity).unwrap())
}

#[test]
fn a_child_is_what_its_parent_was_until_it_executes() {
    let mut table = table(8);
    table.describe(&header(key(1, 1), 7), body("/sbin/init", Vec::new()));
    let child = table.fork(&key(1, 1), &child(key(2, 1), key(1, 1))).unwrap();
    assert_eq!(child.exe.as_ref().unwrap().text, "/sbin/init");
    assert_eq!(child.ancestors.first().unwrap().key, key(1, 1));
    let exec = table.describe(
        &header(key(2, 2), 7),
        body("/bin/sh", vec![(key(1, 1), "init".to_owned())]),
    );
    assert_eq!(exec.ancestors.first().unwrap().exe.as_deref(), Some("/sbin/init"));
    assert!(table.get(&key(2, 1)).is_none(), "the image before the exec is gone");
    assert!(table.exit(&key(2, 2)).is_some());
    assert!(table.exit(&key(2, 2)).is_none());
}

#[test]
fn a_reused_pid_is_another_process() {
    let mut table = table(8);
    table.describe(&header(key(2, 1), 7), body("/bin/old", Vec::new()));
    let reused = ProcessKey {
        start: 99_999,
        ..key(2, 1)
    };
    assert!(table.get(&reused).is_none());
    assert!(table.fork(&reused, &child(key(3, 1), reused)).is_none());
}

#[test]
fn a_child_may_be_born_into_another_cgroup_and_below_another_parent() {
    let mut table = table(8);
    table.describe(&header(key(1, 1), 7), body("/sbin/init", Vec::new()));
    table.fork(&key(1, 1), &child(key(2, 1), key(1, 1))).unwrap();
    let elsewhere = CgroupPath {
        text: "/elsewhere".to_owned(),
        cut: false,
        unreadable: false,
    };
    let sibling = Fork {
        cgroup_id: 8,
        cgroup: Some(&elsewhere),
        ..child(key(3, 1), key(1, 1))
    };
    let sibling = table.fork(&key(2, 1), &sibling).unwrap();
    assert_eq!(sibling.ancestors.first().unwrap().key, key(1, 1), "CLONE_PARENT");
    assert_eq!((sibling.cgroup_id, &*sibling.cgroup), (8, &elsewhere));
    let stranger = table.fork(&key(2, 1), &child(key(4, 1), key(99, 1))).unwrap();
    assert!(
        stranger.ancestors.is_empty() && stranger.ancestors.is_cut(),
        "no parent is invented"
    );
}

#[test]
fn a_description_without_memory_does_not_erase_what_was_known() {
    let mut table = table(8);
    table.describe(&header(key(2, 1), 7), body("/bin/sh", Vec::new()));
    let dying = ProcessBody {
        exe: None,
        args: Vec::new(),
        ..body("", Vec::new())
    };
    let process = table.describe(&header(key(2, 1), 8), dying);
    assert_eq!(process.exe.as_ref().unwrap().text, "/bin/sh");
    assert_eq!((process.args.len(), process.cgroup_id), (1, 8));
}

#[test]
fn memory_and_lines_of_ancestors_are_bounded() {
    let mut table = table(4);
    table.describe(&header(key(1, 1), 7), body("/sbin/init", Vec::new()));
    for pid in 2..100 {
        let child = table
            .fork(&key(pid - 1, 1), &child(key(pid, 1), key(pid - 1, 1)))
            .unwrap();
        assert!(child.ancestors.len() <= DEPTH);
        assert_eq!(child.ancestors.first().unwrap().key, key(pid - 1, 1));
    }
    assert_eq!(table.len(), 4);
}

/// The chain 1, 2, …, `depth`, each known, as the kernel side tells the last of them.
fn told(depth: u32, of: impl Fn(u32) -> ProcessKey) -> (Vec<(ProcessKey, String)>, bool) {
    let above: Vec<_> = (1..depth).rev().map(|pid| (of(pid), "name".to_owned())).collect();
    let more = above.len() > ANCESTORS;
    (above.into_iter().take(ANCESTORS).collect(), more)
}

fn describe(table: &mut ProcessTable, process: ProcessKey, depth: u32, of: impl Fn(u32) -> ProcessKey) -> Arc<Process> {
    let (ancestors, ancestors_truncated) = told(depth, of);
    let body = ProcessBody {
        ancestors_truncated,
        ..body("/bin/sh", ancestors)
    };
    table.describe(&header(process, 7), body)
}

fn pids_above(process: &Process) -> Vec<u32> {
    process.ancestors.iter().map(|one| one.key.pid).collect()
}

/// A chain of that many, each executing a program after it was made.
fn chain(depth: u32) -> ProcessTable {
    let mut table = table(512);
    for pid in 1..=depth {
        if pid > 1 {
            table
                .fork(&key(pid - 1, 2), &child(key(pid, 1), key(pid - 1, 2)))
                .unwrap();
        }
        describe(&mut table, key(pid, 2), pid, |pid| key(pid, 2));
    }
    table
}

#[test]
fn ancestors_beyond_those_told_come_from_the_table() {
    for depth in [1, 2, 8, 9, 10, 20, 64, 65] {
        let mut table = chain(depth);
        let last = table.get(&key(depth, 2)).unwrap();
        assert_eq!(pids_above(last), (1..depth).rev().collect::<Vec<_>>(), "{depth}");
        assert!(!last.ancestors.is_cut(), "{depth}");
        assert!(last.ancestors.iter().all(|one| one.exe.is_some()));
    }
    let mut table = chain(66);
    let last = table.get(&key(66, 2)).unwrap();
    assert_eq!(pids_above(last), (2..66).rev().collect::<Vec<_>>());
    assert!(last.ancestors.is_cut(), "there is one more");
}

#[test]
fn one_who_was_never_seen_to_be_made_has_a_whole_line_too() {
    let mut table = chain(20);
    let stranger = describe(&mut table, key(21, 5), 21, |pid| key(pid, 2));
    assert_eq!(pids_above(&stranger), (1..21).rev().collect::<Vec<_>>());
    assert!(!stranger.ancestors.is_cut());
    let lone = describe(&mut ProcessTable::new(NonZeroUsize::MIN), key(21, 5), 21, |pid| {
        key(pid, 2)
    });
    assert_eq!(
        (lone.ancestors.len(), lone.ancestors.is_cut()),
        (ANCESTORS, true),
        "nobody above is known"
    );
}

#[test]
fn siblings_share_what_is_above_them() {
    let mut table = chain(20);
    let parent = table.get(&key(20, 2)).unwrap().ancestors.clone();
    let line = |table: &mut ProcessTable, pid| {
        table.fork(&key(20, 2), &child(key(pid, 1), key(20, 2))).unwrap();
        describe(table, key(pid, 2), 21, |pid| key(pid, 2)).ancestors.clone()
    };
    let (one, other) = (line(&mut table, 30), line(&mut table, 31));
    assert!(one.above(1).is(&parent) && other.above(1).is(&parent));
    let stranger = describe(&mut table, key(40, 5), 21, |pid| key(pid, 2));
    assert!(stranger.ancestors.above(ANCESTORS).is(parent.above(ANCESTORS - 1)));
}

#[test]
fn a_line_ends_where_an_ancestor_has_ended_beyond_those_told() {
    let mut table = chain(20);
    table.exit(&key(5, 2)).unwrap();
    let last = describe(&mut table, key(20, 3), 20, |pid| key(pid, 2));
    assert_eq!(
        pids_above(&last),
        (6..20).rev().collect::<Vec<_>>(),
        "who took over is not known"
    );
    assert!(last.ancestors.is_cut());
    // The kernel side tells the nearest as they are.
    let near = describe(&mut table, key(20, 4), 20, |pid| key(pid, 2));
    assert_eq!(near.ancestors.first().unwrap().key, key(19, 2));
}

#[test]
fn an_ancestor_that_executed_another_program_is_named_as_it_is_now() {
    let mut table = chain(20);
    describe(&mut table, key(5, 3), 5, |pid| key(pid, 2));
    let now = |pid| key(pid, if pid == 5 { 3 } else { 2 });
    let last = describe(&mut table, key(20, 3), 20, now);
    let keys: Vec<ProcessKey> = last.ancestors.iter().map(|one| one.key).collect();
    assert_eq!(keys, (1..20).rev().map(now).collect::<Vec<_>>());
    assert!(!last.ancestors.is_cut());
}

#[test]
fn an_ancestor_that_renamed_itself_is_called_by_its_new_name() {
    let mut table = chain(3);
    let renamed = vec![(key(2, 2), "new".to_owned()), (key(1, 2), "name".to_owned())];
    let process = table.describe(&header(key(3, 2), 7), body("/bin/sh", renamed));
    assert_eq!(&*process.ancestors.first().unwrap().name, "new");
}
