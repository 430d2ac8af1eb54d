//! The shape of an event. Field order is the order of keys in JSON; `docs/events.md` documents each.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde::ser::{SerializeSeq, SerializeStruct, Serializer};

use super::clock::rfc3339;
use super::file::Notes;
use super::names::set::Flags;
use super::value::Args;
use crate::capture::call::Abi;
use crate::capture::record::{KernelPath, ProcessKey};
use crate::container::Outcome;
use crate::process::image::exec_id;
use crate::process::{Line, Process};

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
    /// The second file: where something was moved, linked or put to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<File<'a>>,
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
#[derive(Debug)]
pub struct Syscall<'a> {
    /// How the process made it.
    pub abi: Abi,
    /// What it returned: negative for an error.
    pub ret: i64,
    /// The error's name.
    pub error: Option<Cow<'static, str>>,
    /// The call and its arguments by their names in the manual page.
    pub args: Args<'a>,
}

impl Syscall<'_> {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.args.call.name
    }
}

impl Serialize for Syscall<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("syscall", 7)?;
        out.serialize_field("name", self.name())?;
        if self.abi == Abi::I386 {
            out.serialize_field("abi", "i386")?;
        }
        out.serialize_field("ret", &self.ret)?;
        if let Some(error) = &self.error {
            out.serialize_field("error", error)?;
        }
        out.serialize_field("args", &self.args)?;
        for (key, listed) in [("unread", self.args.unread()), ("truncated", self.args.truncated())] {
            if !listed.is_empty() {
                out.serialize_field(key, &listed)?;
            }
        }
        out.end()
    }
}

/// A file.
#[derive(Debug, Default, Serialize)]
pub struct File<'a> {
    /// What it is, resolved by the kernel; absent where nothing was opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Cow<'a, str>>,
    /// What was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_path: Option<Cow<'a, str>>,
    /// From where a relative request starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// What kind of file it is.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    /// The flags by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flags: Option<Flags>,
    /// What the paths do not tell.
    #[serde(skip_serializing_if = "Notes::is_empty")]
    pub notes: Notes,
}

/// A connection.
#[derive(Debug, Serialize)]
pub struct Network<'a> {
    /// The address family by name, absent when it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<Cow<'static, str>>,
    /// The socket's type.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Cow<'static, str>>,
    /// The protocol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Cow<'static, str>>,
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
        address: IpAddr,
        /// The port.
        port: u16,
    },
    /// A unix socket.
    Unix {
        /// Its path; an abstract name begins with `@`.
        path: Cow<'a, str>,
    },
}

impl Endpoint<'_> {
    /// An end of an IP connection.
    #[must_use]
    pub const fn of(address: SocketAddr) -> Self {
        Self::Ip {
            address: address.ip(),
            port: address.port(),
        }
    }
}

struct Rfc3339(Timestamp);

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        rfc3339(&self.0, serializer)
    }
}

impl Serialize for ProcessView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("process", 25)?;
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
    if let Some(exe) = &process.exe {
        serialize_path("exe", "exe_notes", exe, &exe_notes(process, exe), out)?;
    }
    if process.args_unreadable {
        out.serialize_field("args_unreadable", &true)?;
    } else {
        out.serialize_field("args", &process.args)?;
    }
    if process.args_truncated {
        out.serialize_field("args_truncated", &true)?;
    }
    if let Some(cwd) = &process.cwd {
        serialize_path("cwd", "cwd_notes", cwd, &cwd.notes(), out)?;
    }
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
    if credentials.user_ns_level > 0 {
        let namespace = UserNamespace {
            inode: credentials.user_ns,
            level: credentials.user_ns_level,
        };
        out.serialize_field("user_ns", &namespace)?;
    }
    out.serialize_field("ancestors", &Ancestors(&process.ancestors))?;
    if process.ancestors.is_cut() {
        out.serialize_field("ancestors_truncated", &true)?;
    }
    Ok(())
}

fn serialize_path<S: SerializeStruct>(
    key: &'static str,
    notes_key: &'static str,
    path: &KernelPath,
    notes: &[&'static str],
    out: &mut S,
) -> Result<(), S::Error> {
    if let Some(text) = path.known() {
        out.serialize_field(key, text)?;
    }
    if !notes.is_empty() {
        out.serialize_field(notes_key, notes)?;
    }
    Ok(())
}

/// What the executable's path does not tell.
fn exe_notes(process: &Process, exe: &KernelPath) -> Vec<&'static str> {
    let mut notes = exe.notes();
    if process.exe_upper_layer {
        notes.push("upper_layer");
    }
    if process.exe_is_memfd() {
        notes.push("memfd");
    }
    notes
}

/// A user namespace that is not the initial one.
#[derive(Serialize)]
struct UserNamespace {
    inode: u32,
    level: u32,
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

struct Ancestors<'a>(&'a Line);

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
        for one in self.0.iter() {
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
