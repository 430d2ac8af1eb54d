//! One run of a system call: its arguments as the process passed them, and the parts that the kernel side read for it.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use zerocopy::FromBytes;

use super::calls::Call;
use super::record::{DecodeError, KernelPath, c_text, prefix, split};
use super::wire::{self, PART_OF_RESULT, part_kind, path_flag};

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
    /// The process's memory could not be read, or what is behind a descriptor.
    Unreadable,
    /// The directory from which a relative path starts.
    Directory(KernelNames<'a>),
    /// What is behind a descriptor: a file that is no socket.
    File {
        /// `st_mode`: type and permissions.
        mode: u32,
        /// The inode's number.
        inode: u64,
        /// Magic number of the file system (`include/uapi/linux/magic.h`), where the path says that it is no ordinary
        /// one; else 0.
        magic: u32,
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

/// More parts than any row of the table has.
const PARTS: u32 = 16;

impl<'a> CallBody<'a> {
    pub(super) fn decode(call: &'static Call, bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let (raw, mut rest) = prefix::<wire::CallRecord>(bytes)?;
        let mut parts = Vec::with_capacity(raw.part_count.min(PARTS) as usize);
        for _ in 0..raw.part_count.min(PARTS) {
            // Each part begins at a multiple of eight bytes of the record.
            let padding = (bytes.len() - rest.len()).next_multiple_of(8) - (bytes.len() - rest.len());
            rest = rest.get(padding..).ok_or(DecodeError::Short(bytes.len()))?;
            let (head, after) = prefix::<wire::Part>(rest)?;
            let (body, after) = split(after, head.size)?;
            parts.push(Part {
                of: match head.of {
                    PART_OF_RESULT => Of::Result,
                    index => Of::Arg(index),
                },
                what: What::decode(&head, body)?,
            });
            rest = after;
        }
        Ok(Self {
            call,
            abi: if raw.abi == 0 { Abi::Native } else { Abi::I386 },
            number: raw.number,
            ret: raw.ret,
            args: raw.args,
            parts,
        })
    }

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

impl<'a> What<'a> {
    fn decode(head: &wire::Part, body: &'a [u8]) -> Result<Self, DecodeError> {
        let unreadable = head.flags & path_flag::UNREADABLE != 0;
        Ok(match head.kind {
            part_kind::TEXT | part_kind::BYTES if unreadable => Self::Unreadable,
            part_kind::TEXT => Self::Text {
                bytes: body.strip_suffix(&[0]).unwrap_or(body),
                truncated: head.flags & path_flag::TRUNCATED != 0,
            },
            part_kind::BYTES => Self::Bytes(body),
            part_kind::DIRECTORY => Self::Directory(KernelNames {
                names: body,
                flags: head.flags,
            }),
            part_kind::FILE if unreadable && body.is_empty() => Self::Unreadable,
            part_kind::FILE => {
                let (file, names) = prefix::<wire::FilePart>(body)?;
                Self::File {
                    mode: file.mode,
                    inode: file.inode,
                    magic: file.magic,
                    path: KernelNames {
                        names,
                        flags: head.flags,
                    },
                }
            }
            part_kind::SOCKET if unreadable => Self::Unreadable,
            part_kind::SOCKET => Self::Socket(Box::new(Socket::decode(body)?)),
            part_kind::NOT_OPEN => Self::NotOpen,
            other => return Err(DecodeError::Part(other)),
        })
    }
}

impl<'a> Socket<'a> {
    fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let (raw, _) = wire::SocketPart::read_from_prefix(body).map_err(|_| DecodeError::Short(body.len()))?;
        let (source, rest) = split(&body[size_of::<wire::SocketPart>()..], raw.source_size.into())?;
        let (destination, _) = split(rest, raw.destination_size.into())?;
        let end = |address: &[u8; 16], port: u16, path: &'a [u8]| match raw.family {
            AF_UNIX => (!path.is_empty()).then(|| Peer::Unix(unix_name(path))),
            // An end without a port is none: a socket that is not bound, or not connected.
            family => match u16::from_be(port) {
                0 => None,
                port => Peer::ip(family, address, port),
            },
        };
        Ok(Self {
            family: raw.family,
            kind: raw.kind,
            protocol: raw.protocol,
            state: raw.state,
            inode: raw.inode,
            source: end(&raw.source, raw.source_port, source),
            destination: end(&raw.destination, raw.destination_port, destination),
        })
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_names() {
        assert_eq!(unix_name(b"/run/x.sock\0rest"), "/run/x.sock");
        assert_eq!(unix_name(b"\0abstract"), "@abstract");
        assert_eq!(unix_name(b""), "");
    }

    #[test]
    fn addresses_are_read_as_long_as_they_are() {
        let four = [2, 0, 0, 80, 127, 0, 0, 1];
        assert_eq!(
            Peer::of_sockaddr(&four),
            Some(Peer::Ip("127.0.0.1:80".parse().unwrap()))
        );
        assert_eq!(Peer::of_sockaddr(&four[..7]), None);
        assert_eq!(Peer::of_sockaddr(b"\x01\0/run/x\0"), Some(Peer::Unix("/run/x".into())));
        assert_eq!(Peer::of_sockaddr(&[16, 0, 0, 0]), None, "netlink has no such address");
    }
}
