//! The table itself: bounded, keyed by process id, checked by the full identity.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;

use super::image::{Ancestor, Process};
use crate::capture::record::{Body, CgroupPath, Header, KernelPath, ProcessBody, ProcessKey};
use crate::capture::wire::ANCESTORS;

/// What the fork hook tells of a child.
#[derive(Debug, Clone, Copy)]
pub struct Fork<'a> {
    /// The child.
    pub child: ProcessKey,
    /// Its parent.
    pub parent: ProcessKey,
    /// Its cgroup.
    pub cgroup_id: u64,
    /// The path of that cgroup, where it is another than the caller's.
    pub cgroup: Option<&'a CgroupPath>,
}

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

    /// Follows one record. Gives the process that it is about, which for a fork is the child, and what is now known of it;
    /// of a body that describes a process the description is taken out.
    pub fn follow(&mut self, header: &Header, body: &mut Body<'_>) -> (ProcessKey, Option<Arc<Process>>) {
        match body {
            Body::Process(told) => {
                let told = std::mem::take(&mut **told);
                (header.process, Some(self.describe(header, told)))
            }
            Body::Fork {
                child,
                parent,
                child_cgroup_id,
                cgroup,
            } => {
                let fork = Fork {
                    child: *child,
                    parent: *parent,
                    cgroup_id: *child_cgroup_id,
                    cgroup: cgroup.as_ref(),
                };
                (*child, self.fork(&header.process, &fork))
            }
            Body::Exit { .. } => (header.process, self.exit(&header.process)),
            Body::Call(_) => (header.process, self.get(&header.process).cloned()),
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
        let mut process = Process {
            key: header.process,
            name: body.name.into_owned(),
            exe: body.exe,
            cwd: body.cwd,
            args: body.args,
            args_truncated: body.args_truncated,
            args_unreadable: body.args_unreadable,
            credentials: body.credentials,
            tty: body.tty,
            cgroup_id: header.cgroup_id,
            cgroup: Arc::new(body.cgroup),
            ancestors,
            ancestors_truncated: body.ancestors_truncated,
        };
        // A process that is described at its end has lost its memory; what was known of it before still holds.
        if process.exe.is_none()
            && let Some(before) = self.peek(&header.process)
        {
            process.exe.clone_from(&before.exe);
            process.args.clone_from(&before.args);
            process.args_truncated = before.args_truncated;
            process.args_unreadable = before.args_unreadable;
            if process.cwd.as_ref().and_then(KernelPath::known).is_none() {
                process.cwd.clone_from(&before.cwd);
            }
        }
        let process = Arc::new(process);
        self.processes.put(header.process.pid, Arc::clone(&process));
        process
    }

    /// Enters a child, which begins as what its caller is, below its parent, which with CLONE_PARENT is another process.
    /// None when the caller is unknown.
    pub fn fork(&mut self, caller: &ProcessKey, fork: &Fork<'_>) -> Option<Arc<Process>> {
        let caller = Arc::clone(self.get(caller)?);
        let mut truncated = caller.ancestors_truncated;
        let line: Vec<Ancestor> = if fork.parent == caller.key {
            let above = Ancestor {
                key: caller.key,
                name: caller.name.clone(),
                exe: exe_text(&caller),
            };
            truncated |= caller.ancestors.len() == ANCESTORS;
            std::iter::once(above)
                .chain(caller.ancestors.iter().cloned())
                .take(ANCESTORS)
                .collect()
        } else {
            // The parent stands somewhere in the caller's own line.
            let from = caller.ancestors.iter().position(|ancestor| ancestor.key == fork.parent);
            truncated |= from.is_none();
            caller.ancestors[from.unwrap_or(caller.ancestors.len())..].to_vec()
        };
        let process = Arc::new(Process {
            key: fork.child,
            ancestors: line.into(),
            ancestors_truncated: truncated,
            cgroup_id: fork.cgroup_id,
            cgroup: fork
                .cgroup
                .map_or_else(|| Arc::clone(&caller.cgroup), |cgroup| Arc::new(cgroup.clone())),
            ..Process::clone(&caller)
        });
        self.processes.put(fork.child.pid, Arc::clone(&process));
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
    process.exe.as_ref().and_then(KernelPath::known).map(Into::into)
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
            exe_upper_layer: false,
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
        assert_eq!(sibling.ancestors[0].key, key(1, 1), "CLONE_PARENT");
        assert_eq!((sibling.cgroup_id, &*sibling.cgroup), (8, &elsewhere));
        let stranger = table.fork(&key(2, 1), &child(key(4, 1), key(99, 1))).unwrap();
        assert!(
            stranger.ancestors.is_empty() && stranger.ancestors_truncated,
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
            assert!(child.ancestors.len() <= ANCESTORS);
            assert_eq!(child.ancestors[0].key, key(pid - 1, 1));
        }
        assert_eq!(table.len(), 4);
    }
}
