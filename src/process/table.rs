//! The table itself: bounded, keyed by process id, checked by the full identity.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;

use super::image::{Ancestor, Process};
use crate::capture::record::{Header, ProcessBody, ProcessKey};
use crate::capture::wire::ANCESTORS;

/// The processes that are known.
#[derive(Debug)]
pub struct ProcessTable {
    processes: LruCache<u32, Arc<Process>>,
}

impl ProcessTable {
    /// A table for at most `capacity` processes; the one not heard of for longest makes room.
    #[must_use]
    pub fn new(capacity: NonZeroUsize) -> Self {
        Self {
            processes: LruCache::new(capacity),
        }
    }

    /// Enters what an exec or a snapshot told.
    pub fn describe(&mut self, header: &Header, body: ProcessBody<'_>) -> Arc<Process> {
        let ancestors = body
            .ancestors
            .into_iter()
            .map(|(key, name)| Ancestor {
                exe: self.peek(&key).and_then(|known| exe_text(known)),
                key,
                name,
            })
            .collect();
        let process = Arc::new(Process {
            key: header.process,
            name: body.name.into_owned(),
            exe: body.exe,
            cwd: body.cwd,
            args: body.args,
            args_truncated: body.args_truncated,
            credentials: body.credentials,
            tty: body.tty,
            cgroup_id: header.cgroup_id,
            cgroup: body.cgroup.into(),
            ancestors,
        });
        self.processes.put(header.process.pid, Arc::clone(&process));
        process
    }

    /// Enters a child, which begins as what its parent is. None when the parent is unknown: the kernel side then
    /// describes the child with its first event.
    pub fn fork(&mut self, parent: &ProcessKey, child: ProcessKey, cgroup_id: u64) -> Option<Arc<Process>> {
        let parent = Arc::clone(self.get(parent)?);
        let above = Ancestor {
            key: parent.key,
            name: parent.name.clone(),
            exe: exe_text(&parent),
        };
        let ancestors = std::iter::once(above)
            .chain(parent.ancestors.iter().cloned())
            .take(ANCESTORS)
            .collect();
        let process = Arc::new(Process {
            key: child,
            ancestors,
            ..Process::clone(&parent)
        });
        // In another cgroup the parent's path would be a lie; a snapshot follows.
        if cgroup_id == parent.cgroup_id {
            self.processes.put(child.pid, Arc::clone(&process));
        }
        Some(process)
    }

    /// Takes a process out, for its last event.
    pub fn exit(&mut self, key: &ProcessKey) -> Option<Arc<Process>> {
        self.get(key)?;
        self.processes.pop(&key.pid)
    }

    /// The process, if the table knows exactly this image of it.
    pub fn get(&mut self, key: &ProcessKey) -> Option<&Arc<Process>> {
        self.processes.get(&key.pid).filter(|process| process.key == *key)
    }

    fn peek(&self, key: &ProcessKey) -> Option<&Arc<Process>> {
        self.processes.peek(&key.pid).filter(|process| process.key == *key)
    }

    /// How many processes are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.processes.len()
    }

    /// Whether none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.processes.is_empty()
    }
}

fn exe_text(process: &Process) -> Option<Arc<str>> {
    process.exe.as_ref().map(|path| path.text.as_str().into())
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::capture::Hook;
    use crate::capture::record::{Credentials, KernelPath};

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
            hook: Hook::Exec,
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
            cgroup: "/pod/container".to_owned(),
            args: vec![exe.to_owned()],
            args_truncated: false,
            args_unreadable: false,
            credentials: Credentials::default(),
            tty: None,
            ancestors,
        }
    }

    fn table(capacity: usize) -> ProcessTable {
        ProcessTable::new(NonZeroUsize::new(capacity).unwrap())
    }

    #[test]
    fn a_child_is_what_its_parent_was_until_it_executes() {
        let mut table = table(8);
        table.describe(&header(key(1, 1), 7), body("/sbin/init", Vec::new()));
        let child = table.fork(&key(1, 1), key(2, 1), 7).unwrap();
        assert_eq!(child.exe.as_ref().unwrap().text, "/sbin/init");
        assert_eq!(child.ancestors[0].key, key(1, 1));
        let exec = table.describe(
            &header(key(2, 2), 7),
            body("/bin/sh", vec![(key(1, 1), "init".to_owned())]),
        );
        assert_eq!(exec.ancestors[0].exe.as_deref(), Some("/sbin/init"));
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
        assert!(table.fork(&reused, key(3, 1), 7).is_none());
    }

    #[test]
    fn a_child_in_another_cgroup_waits_for_its_snapshot() {
        let mut table = table(8);
        table.describe(&header(key(1, 1), 7), body("/sbin/init", Vec::new()));
        assert!(table.fork(&key(1, 1), key(2, 1), 8).is_some());
        assert!(table.get(&key(2, 1)).is_none());
    }

    #[test]
    fn memory_and_lines_of_ancestors_are_bounded() {
        let mut table = table(4);
        table.describe(&header(key(1, 1), 7), body("/sbin/init", Vec::new()));
        for pid in 2..100 {
            let child = table.fork(&key(pid - 1, 1), key(pid, 1), 7).unwrap();
            assert!(child.ancestors.len() <= ANCESTORS);
            assert_eq!(child.ancestors[0].key, key(pid - 1, 1));
        }
        assert_eq!(table.len(), 4);
    }
}
