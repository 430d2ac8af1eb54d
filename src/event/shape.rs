//! The shape of an event. Field order is the order of keys in JSON; `docs/events.md` documents each.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde::ser::{SerializeSeq, SerializeStruct, Serializer};

use super::clock::rfc3339;
use crate::capture::record::{KernelPath, ProcessKey};
use crate::container::Outcome;
use crate::process::image::exec_id;
use crate::process::{Ancestor, Process};

/// One event.
#[derive(Debug, Serialize)]
pub struct Event<'a> {
    /// When the kernel saw it.
    #[serde(serialize_with = "rfc3339")]
    pub time: Timestamp,
    /// The node's name.
    pub node: &'a str,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Who did it.
    pub process: ProcessView<'a>,
    /// For an exit: how it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
    /// For a system call: which, and what came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub syscall: Option<Syscall<'a>>,
    /// The file it was about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<File<'a>>,
    /// The connection it was about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<Network<'a>>,
    /// Where it happened: `container`, `kubernetes`, and how complete these two are: `metadata`.
    #[serde(flatten)]
    pub outcome: &'a Arc<Outcome>,
    /// How many events were lost since the last one that was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost_before: Option<u64>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A program was executed.
    ProcessExec,
    /// A process was made; `process` is the child.
    ProcessFork,
    /// A process ended.
    ProcessExit,
    /// A system call returned.
    Syscall,
}

/// Who did it, as the table knows it at the moment of the event.
#[derive(Debug)]
pub struct ProcessView<'a> {
    /// Identity, from the event itself.
    pub key: ProcessKey,
    /// The thread.
    pub tid: u32,
    /// Start of the process.
    pub start_time: Timestamp,
    /// The rest, absent when the process is not in the table.
    pub process: Option<&'a Arc<Process>>,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Exit {
    /// The exit status, absent when a signal ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// The signal that ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<&'static str>,
}

/// A system call.
#[derive(Debug, Serialize)]
pub struct Syscall<'a> {
    /// Its name.
    pub name: &'static str,
    /// What it returned: negative for an error.
    pub ret: i64,
    /// The error's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The arguments by their names in the manual page.
    pub args: Args<'a>,
}

/// Arguments of a system call.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Args<'a> {
    /// `openat(2)`.
    Openat {
        /// The directory descriptor; `AT_FDCWD` for the working directory.
        dirfd: Cow<'static, str>,
        /// The path as it was passed, absent when it could not be read.
        #[serde(skip_serializing_if = "Option::is_none")]
        pathname: Option<&'a str>,
        /// The flags by name.
        flags: String,
        /// The mode in octal, when a file may be created.
        #[serde(skip_serializing_if = "Option::is_none")]
        mode: Option<String>,
    },
    /// `connect(2)`.
    Connect {
        /// The descriptor.
        sockfd: i32,
        /// The address asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        addr: Option<Cow<'a, str>>,
    },
}

/// A file.
#[derive(Debug, Serialize)]
pub struct File<'a> {
    /// What was opened, resolved by the kernel; absent when nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<&'a str>,
    /// What was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_path: Option<&'a str>,
    /// The flags by name.
    pub flags: String,
    /// What the paths do not tell: truncated, deleted, outside_root, pseudo, unreadable, requested_truncated.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<&'static str>,
}

/// A connection.
#[derive(Debug, Serialize)]
pub struct Network<'a> {
    /// The address family by name, absent when it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// The protocol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// This end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Endpoint<'a>>,
    /// The other end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<Endpoint<'a>>,
}

/// One end of a connection.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Endpoint<'a> {
    /// IPv4 or IPv6.
    Ip {
        /// The address.
        address: std::net::IpAddr,
        /// The port.
        port: u16,
    },
    /// A unix socket.
    Unix {
        /// Its path; an abstract name begins with `@`.
        path: &'a str,
    },
}

struct Rfc3339(Timestamp);

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        rfc3339(&self.0, serializer)
    }
}

impl Serialize for ProcessView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("process", 24)?;
        out.serialize_field("pid", &self.key.pid)?;
        out.serialize_field("tid", &self.tid)?;
        out.serialize_field("exec_id", &exec_id(&self.key))?;
        out.serialize_field("start_time", &Rfc3339(self.start_time))?;
        if let Some(process) = self.process {
            serialize_known(process, &mut out)?;
        }
        out.end()
    }
}

fn serialize_known<S: SerializeStruct>(process: &Process, out: &mut S) -> Result<(), S::Error> {
    if let Some(parent) = process.ancestors.first() {
        out.serialize_field("ppid", &parent.key.pid)?;
        out.serialize_field("parent_exec_id", &exec_id(&parent.key))?;
    }
    out.serialize_field("name", &process.name)?;
    serialize_path("exe", "exe_notes", process.exe.as_ref(), out)?;
    if process.args_unreadable {
        out.serialize_field("args_unreadable", &true)?;
    } else {
        out.serialize_field("args", &process.args)?;
    }
    if process.args_truncated {
        out.serialize_field("args_truncated", &true)?;
    }
    serialize_path("cwd", "cwd_notes", process.cwd.as_ref(), out)?;
    let credentials = &process.credentials;
    out.serialize_field("uid", &credentials.uid)?;
    out.serialize_field("gid", &credentials.gid)?;
    if credentials.euid != credentials.uid {
        out.serialize_field("euid", &credentials.euid)?;
    }
    if credentials.egid != credentials.gid {
        out.serialize_field("egid", &credentials.egid)?;
    }
    if let Some(loginuid) = credentials.loginuid {
        out.serialize_field("loginuid", &loginuid)?;
    }
    if let Some(session) = credentials.session_id {
        out.serialize_field("session_id", &session)?;
    }
    if let Some(tty) = &process.tty {
        out.serialize_field("tty", tty)?;
    }
    out.serialize_field("caps", &Capabilities(process))?;
    out.serialize_field("ancestors", &Ancestors(&process.ancestors))?;
    if process.ancestors_truncated {
        out.serialize_field("ancestors_truncated", &true)?;
    }
    Ok(())
}

fn serialize_path<S: SerializeStruct>(
    key: &'static str,
    notes_key: &'static str,
    path: Option<&KernelPath>,
    out: &mut S,
) -> Result<(), S::Error> {
    let Some(path) = path else { return Ok(()) };
    out.serialize_field(key, &path.text)?;
    if path.flags != 0 {
        out.serialize_field(notes_key, &path.notes())?;
    }
    Ok(())
}

/// Capability sets in the notation of `/proc/<pid>/status`.
struct Capabilities<'a>(&'a Process);

impl Serialize for Capabilities<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let credentials = &self.0.credentials;
        let mut out = serializer.serialize_struct("caps", 3)?;
        out.serialize_field("effective", &format_args!("{:016x}", credentials.cap_effective))?;
        out.serialize_field("permitted", &format_args!("{:016x}", credentials.cap_permitted))?;
        out.serialize_field("inheritable", &format_args!("{:016x}", credentials.cap_inheritable))?;
        out.end()
    }
}

struct Ancestors<'a>(&'a [Ancestor]);

impl Serialize for Ancestors<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct View<'a> {
            pid: u32,
            exec_id: String,
            name: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            exe: Option<&'a str>,
        }
        let mut out = serializer.serialize_seq(Some(self.0.len()))?;
        for one in self.0 {
            out.serialize_element(&View {
                pid: one.key.pid,
                exec_id: exec_id(&one.key),
                name: &one.name,
                exe: one.exe.as_deref(),
            })?;
        }
        out.end()
    }
}
