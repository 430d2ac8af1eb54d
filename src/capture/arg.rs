//! What an argument of a system call is: from it follows what the kernel side reads behind it, and how it is told.

/// One argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arg {
    /// Its name in the manual.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
}

/// An argument of a row of the table.
pub(super) const fn arg(name: &'static str, kind: Kind) -> Arg {
    Arg { name, kind }
}

/// What an argument is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A signed 32-bit number, told in decimal; AT_FDCWD by its name where the argument is a directory's descriptor.
    Int,
    /// An unsigned number of the machine's width: a size, a count, a length.
    Size,
    /// An address in a process, told in hexadecimal.
    Pointer,
    /// What the operation of prctl(2) decides about: nothing, a number, a word.
    Word,
    /// A pointer to what is not read: left out.
    Unread,
    /// A process, thread or process group: signed decimal.
    Pid,
    /// A user or group id: unsigned decimal, -1 for "leave it".
    Id,
    /// Permission bits, told in octal.
    Mode,
    /// Of several flags.
    Bits(Bits),
    /// One of several numbers.
    Choice(Choice),
    /// A socket's protocol, whose meaning depends on the domain, the first argument.
    Protocol,
    /// A string that is no path. Read.
    Text,
    /// What follows the operation of prctl(2): a string after PR_SET_NAME, else a [`Kind::Word`]. Read.
    Name,
    /// A path, relative to the descriptor in the argument given, else to the working directory. Read, and for a relative
    /// one the directory too.
    Path(Option<u8>),
    /// A descriptor. What is behind it is read.
    Fd,
    /// A socket address, as long as the argument given says. Read.
    Address(u8),
    /// A `struct msghdr`, of which the destination is read.
    Message,
    /// A `struct open_how`. Read.
    OpenHow,
    /// A capability header. Read.
    CapHeader,
    /// Capability sets. Read.
    CapData,
    /// The attributes of bpf(2), of which the beginning is read.
    Bpf,
    /// A `struct io_uring_params`, of which the beginning is read.
    IoUring,
}

/// Families of flags, each named in the headers after its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bits {
    /// `O_*`, the access mode among them.
    Open,
    /// `O_*` without an access mode.
    OpenAlone,
    /// `AT_*`.
    At,
    /// `RENAME_*`.
    Rename,
    /// `SOCK_*`: the type in the low bits, flags above.
    Socket,
    /// `SOCK_*`: flags alone.
    Accept,
    /// `MSG_*`.
    Message,
    /// `MS_*`.
    Mount,
    /// `MNT_*` and `UMOUNT_*`.
    Umount,
    /// `CLONE_*`.
    Clone,
    /// `MFD_*`.
    Memfd,
    /// `MODULE_INIT_*`.
    Module,
}

/// Families of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// `SIG*`.
    Signal,
    /// `PTRACE_*`.
    Ptrace,
    /// `PR_*`.
    Prctl,
    /// `AF_*`.
    Family,
    /// `BPF_*` commands.
    Bpf,
}
