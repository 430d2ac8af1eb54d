//! The table itself: bounded, keyed by process id, checked by the full identity.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;

use super::image::{Ancestor, Process};
use super::line::{DEPTH, Line};
use crate::capture::record::{Body, CgroupPath, Header, KernelPath, ProcessBody, ProcessKey};

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
        let ancestors = self.line(&header.process, &body.ancestors, body.ancestors_truncated);
        let mut process = Process {
            key: header.process,
            name: body.name.into_owned(),
            exe: body.exe,
            exe_upper_layer: body.exe_upper_layer,
            exe_lower_layer: body.exe_lower_layer,
            exe_inode: body.exe_inode,
            cwd: body.cwd,
            args: body.args.into(),
            args_truncated: body.args_truncated,
            args_unreadable: body.args_unreadable,
            credentials: body.credentials,
            groups: body.groups,
            tty: body.tty,
            cgroup_id: header.cgroup_id,
            cgroup: Arc::new(body.cgroup),
            ancestors,
        };
        // A process that is described at its end has lost its memory; what was known of it before still holds.
        if process.exe.is_none()
            && let Some(before) = self.peek(&header.process)
        {
            process.exe.clone_from(&before.exe);
            process.exe_upper_layer = before.exe_upper_layer;
            process.exe_lower_layer = before.exe_lower_layer;
            process.exe_inode = before.exe_inode;
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

    /// The line of a process of which the kernel side told the nearest ancestors, and whether there are more. Those it
    /// did not tell come from what is known of the last that it told.
    fn line(&self, of: &ProcessKey, told: &[(ProcessKey, String)], more: bool) -> Line {
        // Mostly the line is what it was before the exec.
        let before = self
            .processes
            .peek(&of.pid)
            .filter(|before| before.key.start == of.start);
        if let Some(before) = before
            && self.still_holds(&before.ancestors, told, more)
        {
            return before.ancestors.clone();
        }
        let above = match told.last() {
            Some((last, _)) if more => self.above(last, DEPTH - told.len().min(DEPTH)),
            // More than none is a contradiction; what it means is that the line is not known.
            None if more => Line::UNKNOWN,
            _ => Line::TOP,
        };
        told.iter().rev().fold(above, |above, (key, name)| {
            let known = self.peek(key);
            let ancestor = Ancestor {
                key: *key,
                name: name.as_str().into(),
                exe: known.and_then(|known| exe_text(known)),
                args: known.and_then(|known| args_of(known)),
                args_truncated: known.is_some_and(|known| known.args_truncated),
            };
            Line::below(ancestor, above)
        })
    }

    /// Whether a line is the one that was told, and what it has beyond that is still so.
    fn still_holds(&self, line: &Line, told: &[(ProcessKey, String)], more: bool) -> bool {
        let mut known = line.iter();
        let mut told = told.iter();
        let same = told.all(|(key, name)| known.next().is_some_and(|one| one.key == *key && *one.name == **name));
        if !more {
            return same && known.next().is_none() && !line.is_cut();
        }
        // A line that was cut for want of knowledge may be told further by now.
        same && !line.is_cut() && known.all(|one| self.peek(&one.key).is_some())
    }

    /// The line of a process that is known, as far as those in it are. One that has ended has left its children to another,
    /// of whom nobody told: there the line ends.
    fn above(&self, process: &ProcessKey, most: usize) -> Line {
        let Some(nearest) = self.peek(process) else {
            return Line::UNKNOWN;
        };
        let mut below = vec![nearest];
        let end = loop {
            let Some(lowest) = below.last() else {
                break Line::UNKNOWN;
            };
            let Some(parent) = lowest.ancestors.first() else {
                break lowest.ancestors.clone();
            };
            // It may have executed a program since it was last named here.
            let known = self
                .processes
                .peek(&parent.key.pid)
                .filter(|known| known.key.start == parent.key.start);
            match known {
                Some(known) if below.len() <= most => below.push(known),
                _ => break Line::UNKNOWN,
            }
        };
        below.windows(2).rev().fold(end, |above, pair| {
            let link = ancestor(pair[1]);
            let before = &pair[0].ancestors;
            // What has not changed is shared.
            if before.first() == Some(&link) && before.above(1).is(&above) {
                before.clone()
            } else {
                Line::below(link, above)
            }
        })
    }

    /// Enters a child, which begins as what its caller is, below its parent, which with CLONE_PARENT is another process.
    /// None when the caller is unknown.
    pub fn fork(&mut self, caller: &ProcessKey, fork: &Fork<'_>) -> Option<Arc<Process>> {
        let caller = Arc::clone(self.get(caller)?);
        let line = if fork.parent == caller.key {
            Line::below(ancestor(&caller), caller.ancestors.clone())
        } else {
            // The parent stands somewhere in the caller's own line.
            caller.ancestors.from(&fork.parent)
        };
        let process = Arc::new(Process {
            key: fork.child,
            ancestors: line,
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

    /// As [`Self::get`], without keeping the process from being the next to make room.
    #[must_use]
    pub fn peek(&self, key: &ProcessKey) -> Option<&Arc<Process>> {
        self.processes.peek(&key.pid).filter(|process| process.key == *key)
    }

    /// Who has this process id now in the root PID namespace, as far as is known.
    #[must_use]
    pub fn now(&self, pid: u32) -> Option<&Arc<Process>> {
        self.processes.peek(&pid)
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

fn ancestor(process: &Process) -> Ancestor {
    Ancestor {
        key: process.key,
        name: process.name.as_str().into(),
        exe: exe_text(process),
        args: args_of(process),
        args_truncated: process.args_truncated,
    }
}

fn args_of(process: &Process) -> Option<Arc<[String]>> {
    (!process.args_unreadable).then(|| Arc::clone(&process.args))
}

fn exe_text(process: &Process) -> Option<Arc<str>> {
    process.exe.as_ref().and_then(KernelPath::known).map(Into::into)
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
