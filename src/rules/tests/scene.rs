//! An event with all that is known around it, and its answers as text.

use std::borrow::Cow;
use std::num::NonZeroUsize;
use std::sync::Arc;

use pinhole_rules::engine::Subject as _;
use pinhole_rules::value::{Answer, Value};

use crate::capture::Hook;
use crate::capture::record::{
    Body, CgroupPath, Credentials, Groups, Header, Inode, KernelPath, ProcessBody, ProcessKey,
};
use crate::container::Outcome;
use crate::event::BootClock;
use crate::process::{Process, ProcessTable};
use crate::rules::CATALOGUE;
use crate::rules::subject::{Host, Known, Subject};

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;

/// An event that is about to be asked.
pub(super) struct Scene {
    pub(super) header: Header,
    pub(super) table: ProcessTable,
    pub(super) process: Option<Arc<Process>>,
    pub(super) outcome: Outcome,
    pub(super) host: Host,
}

/// The identity of a process that started as many seconds after the boot as its id says.
pub(super) fn key(pid: u32) -> ProcessKey {
    ProcessKey {
        start: u64::from(pid) * SECOND,
        exec_id: 1,
        pid,
        reserved: 0,
    }
}

fn header(pid: u32) -> Header {
    Header {
        hook: Hook::EXEC,
        cpu: 0,
        tid: pid,
        time: u64::from(pid) * SECOND + 5,
        lost: 0,
        cgroup_id: 7,
        process: key(pid),
    }
}

/// A path.
pub(super) fn path(text: &str, flags: u32) -> KernelPath {
    KernelPath {
        text: text.to_owned(),
        flags,
    }
}

/// A process with these arguments.
pub(super) fn body(name: &'static str, exe: &str, args: &[&str]) -> ProcessBody<'static> {
    ProcessBody {
        name: Cow::Borrowed(name),
        exe: Some(path(exe, 0)),
        cwd: Some(path("/root", 0)),
        cgroup: CgroupPath {
            text: "/user.slice".to_owned(),
            ..CgroupPath::default()
        },
        args: args.iter().map(|&arg| arg.to_owned()).collect(),
        credentials: Credentials {
            uid: 1000,
            euid: 1000,
            gid: 100,
            egid: 100,
            loginuid: Some(1000),
            cap_effective: 0b11,
            ..Credentials::default()
        },
        tty: Some("pts3".to_owned()),
        exe_inode: Some(Inode {
            number: 4711,
            ctime: 39_000_000_000,
            mtime: -7,
            mode: 0o100_755,
            ..Inode::default()
        }),
        groups: Some(Groups {
            sid: 20,
            pgid: 40,
            vpgid: 40,
            pid_ns_level: 0,
            pid_ns_start: Some(SECOND),
        }),
        ..ProcessBody::default()
    }
}

impl Scene {
    /// The execution of a program by a process of the host, below `bash`, `sshd` and `systemd`.
    pub(super) fn of(mut body: ProcessBody<'static>) -> Self {
        let mut table = ProcessTable::new(NonZeroUsize::new(16).unwrap());
        let above = [(30, "bash"), (20, "sshd"), (1, "systemd")].map(|(pid, name)| (key(pid), name.to_owned()));
        let known = [
            (1, self::body("systemd", "/usr/lib/systemd/systemd", &["/sbin/init"])),
            (20, self::body("sshd", "/usr/sbin/sshd", &["sshd: me"])),
            (30, self::body("bash", "/usr/bin/bash", &["-bash", "-l"])),
        ];
        for (index, (pid, mut known)) in known.into_iter().enumerate() {
            known.ancestors = above[3 - index..].to_vec();
            table.describe(&header(pid), known);
        }
        if body.ancestors.is_empty() {
            body.ancestors = above.to_vec();
        }
        let header = header(40);
        let process = Some(table.describe(&header, body));
        Self {
            header,
            table,
            process,
            outcome: Outcome::host(),
            host: Host::default(),
        }
    }

    /// `ls -l /tmp`.
    pub(super) fn plain() -> Self {
        Self::of(body("ls", "/usr/bin/ls", &["ls", "-l", "/tmp"]))
    }

    /// Asks, with or without brackets.
    pub(super) fn ask(&self, field: &str) -> String {
        self.ask_of(&Body::Process(Box::default()), field)
    }

    /// Asks about what happened.
    pub(super) fn ask_of(&self, body: &Body<'_>, field: &str) -> String {
        let (name, argument) = match field.strip_suffix(']').and_then(|field| field.split_once('[')) {
            Some((name, argument)) => (name, Some(argument)),
            None => (field, None),
        };
        let field = CATALOGUE.field(name, argument).unwrap();
        self.with_body(body, |subject| shown(&subject.answer(&field)))
    }

    /// Hands the event over as rules see it.
    pub(super) fn with<T>(&self, see: impl FnOnce(&Subject<'_>) -> T) -> T {
        self.with_body(&Body::Process(Box::default()), see)
    }

    /// The same with what happened.
    pub(super) fn with_body<T>(&self, body: &Body<'_>, see: impl FnOnce(&Subject<'_>) -> T) -> T {
        let clock = BootClock::at_epoch();
        let known = Known {
            header: &self.header,
            body,
            key: self.header.process,
            process: self.process.as_deref(),
            table: &self.table,
            outcome: &self.outcome,
            clock: &clock,
            number: 1,
        };
        see(&Subject::new(known, &self.host))
    }

    /// Compares answers.
    pub(super) fn check(&self, wanted: &[(&str, &str)]) {
        for (field, answer) in wanted {
            assert_eq!(self.ask(field), *answer, "{field}");
        }
    }
}

fn shown(answer: &Answer<'_>) -> String {
    match answer {
        Answer::Known(value) => value_text(value),
        Answer::Absent => "absent".to_owned(),
        Answer::Unknown(why) => format!("unknown: {why}"),
        Answer::Partly(values, why) => format!("{}, then unknown: {why}", list(values)),
    }
}

fn value_text(value: &Value<'_>) -> String {
    match value {
        Value::Text(text) => format!("'{}'", String::from_utf8_lossy(text)),
        Value::Number(number) => number.to_string(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Address(address) => address.to_string(),
        Value::List(values) => list(values),
    }
}

fn list(values: &[Value<'_>]) -> String {
    values.iter().map(value_text).collect::<Vec<_>>().join(" ")
}
