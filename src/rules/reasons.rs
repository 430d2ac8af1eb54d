//! Why a field could not be found out, where it is not for want of a container's metadata: those reasons are
//! [`crate::container::Reason`]. Stable words; `docs/rules-fields.md` lists them.

/// The process is not in the table: its description was lost.
pub const PROCESS_UNKNOWN: &str = "process_unknown";
/// The line of ancestors breaks off below the one that was asked for.
pub const ANCESTORS_UNKNOWN: &str = "ancestors_unknown";
/// The kernel had no executable for the process any more when it was described, or never: it was ending, or is the kernel's.
pub const EXECUTABLE_UNKNOWN: &str = "executable_unknown";
/// Arguments could not be read from the process, or were no longer remembered.
pub const ARGUMENTS_UNREADABLE: &str = "arguments_unreadable";
/// Arguments are longer than what is kept of them.
pub const ARGUMENTS_TRUNCATED: &str = "arguments_truncated";
/// A path could not be read from the kernel.
pub const PATH_UNREADABLE: &str = "path_unreadable";
/// A path is longer than what is kept of it.
pub const PATH_TRUNCATED: &str = "path_truncated";
/// The number of the terminal's device does not follow from its name.
pub const TERMINAL_UNKNOWN: &str = "terminal_unknown";
/// No name is known for the number: it is a container's account, or the host's account files do not have it.
pub const ACCOUNT_UNKNOWN: &str = "account_unknown";
/// The cgroup's path is cut, or the process has moved to another since it was described.
pub const CGROUP_UNKNOWN: &str = "cgroup_unknown";
/// The runtime answered and did not tell it.
pub const NOT_TOLD: &str = "not_told";
/// The settings do not want it kept.
pub const NOT_KEPT: &str = "not_kept";
/// There are more labels than were kept.
pub const LABELS_TRUNCATED: &str = "labels_truncated";
/// There are more mounts than were kept.
pub const MOUNTS_TRUNCATED: &str = "mounts_truncated";
/// From where a relative path starts was not told.
pub const DIRECTORY_UNKNOWN: &str = "directory_unknown";
/// What is behind a descriptor could not be read.
pub const DESCRIPTOR_UNREADABLE: &str = "descriptor_unreadable";
/// How a file was named when it was opened is not known of a descriptor that is only used.
pub const REQUEST_UNKNOWN: &str = "request_unknown";
/// Which end of a connection is the client was settled before the event.
pub const ROLE_UNKNOWN: &str = "role_unknown";
/// The agent knows no names of addresses.
pub const NAMES_NOT_RESOLVED: &str = "names_not_resolved";
/// The argument is one that the agent does not read.
pub const ARGUMENT_NOT_READ: &str = "argument_not_read";
/// An argument of the system call could not be read.
pub const ARGUMENT_UNREADABLE: &str = "argument_unreadable";
/// An argument of the system call is longer than what is kept of it.
pub const ARGUMENT_TRUNCATED: &str = "argument_truncated";
/// Whether a file was there before it was opened is not known.
pub const CREATION_UNKNOWN: &str = "creation_unknown";
/// Whether a process may write its executable hangs on what is not captured.
pub const EXECUTABLE_FLAGS_UNKNOWN: &str = "executable_flags_unknown";
/// The executable's inode could not be read.
pub const INODE_UNREADABLE: &str = "inode_unreadable";
/// The session and the process group could not be read.
pub const SESSION_UNREADABLE: &str = "session_unreadable";
/// The leader of the session or the process group is not in the table.
pub const LEADER_UNKNOWN: &str = "leader_unknown";
/// The PID namespace has no first process any more, or its start could not be read.
pub const PID_NAMESPACE_UNKNOWN: &str = "pid_namespace_unknown";

/// The agent captures no such thing, of any event.
pub const NOT_CAPTURED: &str = "not_captured";

/// Every word of this module, with its meaning, in the order of the documentation.
pub const ALL: &[(&str, &str)] = &[
    (PROCESS_UNKNOWN, "the process's description was lost"),
    (
        ANCESTORS_UNKNOWN,
        "the line of ancestors breaks off: one of them ended before the agent could learn who was above it",
    ),
    (
        EXECUTABLE_UNKNOWN,
        "the kernel had no executable for the process when it was described: it was ending, or belongs to the kernel",
    ),
    (
        ARGUMENTS_UNREADABLE,
        "the arguments could not be read, or are not remembered of an ancestor",
    ),
    (ARGUMENTS_TRUNCATED, "the arguments are longer than what is kept"),
    (PATH_UNREADABLE, "the path could not be read from the kernel"),
    (PATH_TRUNCATED, "the path is longer than what is kept"),
    (
        TERMINAL_UNKNOWN,
        "there is a terminal, and its name does not tell the number of its device",
    ),
    (
        ACCOUNT_UNKNOWN,
        "the account belongs to a container or a user namespace, or the host's account files do not have it",
    ),
    (
        CGROUP_UNKNOWN,
        "the cgroup's path is cut, or the process moved since it was described",
    ),
    (NOT_TOLD, "the runtime knows the container and does not tell this"),
    (
        NOT_KEPT,
        "the settings do not want it kept: `metadata.labels`, `metadata.mounts`",
    ),
    (LABELS_TRUNCATED, "there are more labels than are kept"),
    (MOUNTS_TRUNCATED, "there are more mounts than are kept"),
    (
        DIRECTORY_UNKNOWN,
        "the directory from which a relative path starts was not told",
    ),
    (DESCRIPTOR_UNREADABLE, "what is behind the descriptor could not be read"),
    (
        REQUEST_UNKNOWN,
        "how the file was named when it was opened is not known of a descriptor that is only used",
    ),
    (
        ROLE_UNKNOWN,
        "which end of the connection is the client was settled before the event",
    ),
    (NAMES_NOT_RESOLVED, "the agent knows no names of addresses"),
    (ARGUMENT_NOT_READ, "the agent does not read this argument"),
    (ARGUMENT_UNREADABLE, "the argument of the system call could not be read"),
    (
        ARGUMENT_TRUNCATED,
        "the argument of the system call is longer than what is kept",
    ),
    (CREATION_UNKNOWN, "whether the file was there before is not known"),
    (
        EXECUTABLE_FLAGS_UNKNOWN,
        "whether the process may write its executable hangs on its supplementary groups, or on what its user namespace maps",
    ),
    (INODE_UNREADABLE, "the executable's inode could not be read"),
    (
        SESSION_UNREADABLE,
        "the session and the process group could not be read: the process was ending, or the kernel lets nobody look",
    ),
    (
        LEADER_UNKNOWN,
        "the leader of the session or the process group ended, or nothing was heard of it",
    ),
    (
        PID_NAMESPACE_UNKNOWN,
        "the first process of the PID namespace had ended, or could not be read",
    ),
    (
        NOT_CAPTURED,
        "the agent captures no such thing, of any event; only messages tell this word, a comparison with such a field is false",
    ),
];
