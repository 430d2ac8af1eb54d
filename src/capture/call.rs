//! One run of a system call: its arguments as the process passed them, and the parts that the kernel side read for it.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::calls::Call;
use super::record::{KernelPath, c_text};

/// One run of a system call.
#[derive(Debug)]
pub struct CallBody<'a> {
    /// Which call.
    pub call: &'static Call,
    /// How the process made it.
    pub abi: Abi,
    /// The number by which it was called, one of that way of calling.
    pub number: u16,
    /// What it returned: negated errno on failure.
    pub ret: i64,
    /// The arguments, as passed; what a 32-bit program passed is not sign-extended.
    pub args: [u64; 6],
    /// What was read for it, in the order of the reading.
    pub parts: Vec<Part<'a>>,
}

/// How a process enters the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Abi {
    /// The machine's own way.
    Native,
    /// The 32-bit way of x86, open to 64-bit programs too (`int 0x80`).
    I386,
}

/// Something that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<'a> {
    /// What it belongs to.
    pub of: Of,
    /// What it is.
    pub what: What<'a>,
}

/// What a part belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// An argument, by its index.
    Arg(u8),
    /// The descriptor that the call returned.
    Result,
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What<'a> {
    /// A string of the process.
    Text {
        /// Its bytes, without NUL.
        bytes: &'a [u8],
        /// It was longer than the limit.
        truncated: bool,
    },
    /// A structure or socket address of the process: as many bytes as it passed, up to the limit.
    Bytes(&'a [u8]),
    /// The process's memory could not be read.
    Unreadable,
    /// The directory from which a relative path starts.
    Directory(KernelNames<'a>),
    /// What is behind a descriptor: a file that is no socket.
    File {
        /// `st_mode`: type and permissions.
        mode: u32,
        /// The inode's number.
        inode: u64,
        /// Its path; pipes, anonymous inodes and namespaces have a name only or none.
        path: KernelNames<'a>,
    },
    /// What is behind a descriptor: a socket.
    Socket(Box<Socket<'a>>),
    /// There is no open file behind the descriptor.
    NotOpen,
}

/// A socket as the kernel has it when the call returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket<'a> {
    /// `AF_*`.
    pub family: u16,
    /// `SOCK_*`.
    pub kind: u16,
    /// `IPPROTO_*`.
    pub protocol: u16,
    /// `TCP_*` state; other protocols use TCP_ESTABLISHED (1) and TCP_CLOSE (7).
    pub state: u8,
    /// The inode's number, as in `/proc/<pid>/fd`.
    pub inode: u64,
    /// Its own end, absent when it has none.
    pub source: Option<Peer<'a>>,
    /// The other end, absent when it has none.
    pub destination: Option<Peer<'a>>,
}

/// An end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer<'a> {
    /// IPv4 or IPv6.
    Ip(SocketAddr),
    /// A unix socket; an abstract name begins with `@`, as in ss(8).
    Unix(Cow<'a, str>),
}

/// Names out of the kernel's trees, not yet put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelNames<'a> {
    /// NUL-ended, the last component first.
    pub names: &'a [u8],
    /// Bits of [`super::wire::path_flag`].
    pub flags: u32,
}

impl KernelNames<'_> {
    /// The path, absent where the kernel's structures could not be read.
    #[must_use]
    pub fn path(&self) -> Option<KernelPath> {
        KernelPath::of_names(self.names, self.flags)
    }
}

impl<'a> CallBody<'a> {
    /// What was read of an argument or the result.
    pub fn parts_of(&self, of: Of) -> impl Iterator<Item = &What<'a>> {
        self.parts
            .iter()
            .filter(move |part| part.of == of)
            .map(|part| &part.what)
    }
}

const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

impl<'a> Peer<'a> {
    /// Understands a `struct sockaddr` of a family that has addresses here: AF_INET, AF_INET6, AF_UNIX.
    #[must_use]
    pub fn of_sockaddr(bytes: &'a [u8]) -> Option<Self> {
        let (family, rest) = bytes.split_first_chunk::<2>()?;
        match u16::from_ne_bytes(*family) {
            AF_UNIX => Some(Self::Unix(unix_name(rest))),
            AF_INET => {
                let (port, rest) = rest.split_first_chunk::<2>()?;
                let (ip, _) = rest.split_first_chunk::<4>()?;
                Some(Self::ip(AF_INET, ip, u16::from_be_bytes(*port))?)
            }
            AF_INET6 => {
                let (port, rest) = rest.split_first_chunk::<2>()?;
                let ip = rest.get(4..20)?;
                Some(Self::ip(AF_INET6, ip, u16::from_be_bytes(*port))?)
            }
            _ => None,
        }
    }

    /// An address of that family, the first bytes of `address`.
    pub(super) fn ip(family: u16, address: &[u8], port: u16) -> Option<Self> {
        let ip = match family {
            AF_INET => IpAddr::V4(Ipv4Addr::from(*address.first_chunk::<4>()?)),
            AF_INET6 => IpAddr::V6(Ipv6Addr::from(*address.first_chunk::<16>()?)),
            _ => return None,
        };
        Some(Self::Ip(SocketAddr::new(ip.to_canonical(), port)))
    }
}

/// The name in a `sun_path`.
pub(super) fn unix_name(path: &[u8]) -> Cow<'_, str> {
    match path {
        [0, name @ ..] => Cow::Owned(format!("@{}", String::from_utf8_lossy(name).replace('\0', "@"))),
        name => c_text(name),
    }
}
