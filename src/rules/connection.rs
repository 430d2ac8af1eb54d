//! The two ends of a connection, and which of them is the client, as upstream decides it.
//!
//! Upstream remembers from one event of a descriptor to the next who connected and who accepted. Here an event stands alone:
//! the call itself tells it (connect, accept, bind, listen), and datagrams go from the client to the server, as upstream guesses.
//! Of other calls on a connected socket it is not known.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use super::descriptor::{Behind, Class, Name};
use super::reasons;
use super::subject::Subject;
use crate::capture::call::Socket;
use crate::capture::calls::Class as Family;
use crate::event::shape::{Endpoint, Network};

/// `TCP_ESTABLISHED` and `TCP_LISTEN` (`include/net/tcp_states.h`); the first stands for other protocols' connections, too.
const ESTABLISHED: u8 = 1;
const LISTEN: u8 = 10;

/// A connection, or a socket without one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Connection<'s> {
    network: &'s Network<'s>,
    socket: Option<&'s Socket<'s>>,
    role: Role,
    changed: bool,
}

/// What this end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The one that connects.
    Client,
    /// The one that accepted.
    Server,
    /// It waits for clients; there is no other end.
    Listening,
    /// There is no other end.
    None,
    /// It was settled before this event.
    Unknown,
}

/// One of the two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The one that connects.
    Client,
    /// The one that is connected to.
    Server,
    /// This one.
    Local,
    /// The other one.
    Remote,
}

/// What is known of an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End<'s> {
    /// An address and a port.
    Ip(SocketAddr),
    /// A path.
    Unix(&'s str),
    /// There is none.
    Absent,
    /// It is not known why.
    Unknown(&'static str),
}

impl<'s> Connection<'s> {
    /// The connection that the event is about, absent where it is about none.
    pub(super) fn of(subject: &'s Subject<'_>) -> Option<Self> {
        let call = subject.call()?;
        let descriptor = subject.descriptor()?;
        let socket = match descriptor.behind {
            Behind::Socket(socket) => Some(socket),
            Behind::Unreadable | Behind::Nothing if call.call.class == Family::Network => None,
            _ => return None,
        };
        let network = subject.network()?;
        let name = call.call.name;
        let role = match name {
            "connect" => Role::Client,
            "accept" | "accept4" => Role::Server,
            "bind" | "listen" => Role::Listening,
            _ => role(name, socket, network),
        };
        let changed = match name {
            "connect" | "accept" | "accept4" | "bind" => call.ret >= 0 || call.ret == -i64::from(libc::EINPROGRESS),
            // The first message to a destination is what is told of messages. From a connected socket it changes nothing.
            _ if name.starts_with("send") => socket.is_some_and(|socket| socket.destination.is_none()),
            _ => false,
        };
        Some(Self {
            network,
            socket,
            role,
            changed,
        })
    }

    /// Upstream's type of the descriptor.
    pub(super) fn class(&self) -> Class {
        let ends = [&self.network.source, &self.network.destination];
        let address = ends.into_iter().flatten().find_map(|end| match end {
            Endpoint::Ip { address, .. } => Some(*address),
            Endpoint::Unix { .. } => None,
        });
        let class = match (address, self.socket) {
            // An IPv6 socket that talks to an IPv4 address counts as one of IPv4.
            (Some(IpAddr::V4(_)), _) => Class::Ipv4,
            (Some(IpAddr::V6(_)), _) => Class::Ipv6,
            (None, Some(socket)) => class_of_family(socket.family.into()),
            (None, None) => match self.network.family.as_deref() {
                Some("AF_UNIX") => Class::Unix,
                Some("AF_NETLINK") => Class::Netlink,
                _ => Class::Other,
            },
        };
        match class {
            Class::Ipv4 if self.role == Role::Listening => Class::Ipv4Server,
            Class::Ipv6 if self.role == Role::Listening => Class::Ipv6Server,
            class => class,
        }
    }

    /// What this end is.
    pub(super) fn role(&self) -> Role {
        self.role
    }

    /// Whether the event gave the descriptor another name.
    pub(super) fn changed(&self) -> bool {
        self.changed
    }

    /// Whether the socket is connected, absent where it could not be read.
    pub(super) fn is_connected(&self) -> Option<bool> {
        self.socket.map(|socket| socket.state == ESTABLISHED)
    }

    /// `tcp`, `udp`, `icmp` or `raw`, where it is one of them.
    ///
    /// # Errors
    /// The socket could not be read.
    pub(super) fn protocol(&self) -> Result<Option<&'static str>, &'static str> {
        if !self.class().is_ip() {
            return Ok(None);
        }
        let socket = self.socket.ok_or(reasons::DESCRIPTOR_UNREADABLE)?;
        Ok(match (i32::from(socket.kind), i32::from(socket.protocol)) {
            (libc::SOCK_RAW, _) => Some("raw"),
            (_, libc::IPPROTO_TCP | libc::IPPROTO_MPTCP) | (libc::SOCK_STREAM, 0) => Some("tcp"),
            (_, libc::IPPROTO_UDP) | (libc::SOCK_DGRAM, 0) => Some("udp"),
            (_, libc::IPPROTO_ICMP) => Some("icmp"),
            _ => None,
        })
    }

    /// An end.
    pub(super) fn end(&self, side: Side) -> End<'s> {
        let (this, other) = (&self.network.source, &self.network.destination);
        let end = match (side, self.role) {
            (Side::Local, _) | (Side::Client, Role::Client) | (Side::Server, Role::Server | Role::Listening) => this,
            (Side::Remote, _) | (Side::Client, Role::Server) | (Side::Server, Role::Client) => other,
            (Side::Client, Role::Listening) | (Side::Client | Side::Server, Role::None) => return End::Absent,
            (Side::Client | Side::Server, Role::Unknown) => return End::Unknown(reasons::ROLE_UNKNOWN),
        };
        match end {
            Some(Endpoint::Ip { address, port }) => End::Ip(SocketAddr::new(*address, *port)),
            Some(Endpoint::Unix { path }) => End::Unix(path),
            None if self.socket.is_some() => End::Absent,
            None => End::Unknown(reasons::DESCRIPTOR_UNREADABLE),
        }
    }

    /// The name of the descriptor: `10.0.0.1:4000->10.0.0.2:443`, from the client to the server where that is known, else from
    /// this end to the other; of a listening socket its address; the path of a unix socket.
    pub(super) fn name(&self) -> Name<'s> {
        let (from, to) = match self.role {
            Role::Server => (self.end(Side::Remote), self.end(Side::Local)),
            _ => (self.end(Side::Local), self.end(Side::Remote)),
        };
        let text = match (from, to) {
            (End::Unknown(why), _) | (_, End::Unknown(why)) => return Name::Unknown(why),
            (End::Ip(address), End::Absent) if self.role == Role::Listening => written(address),
            (End::Ip(from), End::Ip(to)) => format!("{}->{}", written(from), written(to)),
            (End::Ip(from), _) => format!("{}->{}", written(from), written(unspecified(from))),
            (_, End::Ip(to)) => format!("{}->{}", written(unspecified(to)), written(to)),
            (End::Unix(from), End::Unix(to)) => {
                return Name::Known(Cow::Borrowed(if to.is_empty() { from } else { to }.as_bytes()));
            }
            (End::Unix(path), _) | (_, End::Unix(path)) => return Name::Known(Cow::Borrowed(path.as_bytes())),
            (End::Absent, End::Absent) => return Name::Known(Cow::Borrowed(b"")),
        };
        Name::Known(Cow::Owned(text.into_bytes()))
    }
}

/// The role on calls that do not settle it.
fn role(name: &str, socket: Option<&Socket<'_>>, network: &Network<'_>) -> Role {
    let stream = socket.is_none_or(|socket| [libc::SOCK_STREAM, libc::SOCK_SEQPACKET].contains(&socket.kind.into()));
    if socket.is_some_and(|socket| socket.state == LISTEN) {
        Role::Listening
    } else if network.destination.is_none() {
        Role::None
    } else if name.starts_with("send") && !stream {
        Role::Client
    } else {
        Role::Unknown
    }
}

/// The type of a socket without an address.
pub(super) fn class_of_family(family: i32) -> Class {
    match family {
        libc::AF_INET => Class::Ipv4,
        libc::AF_INET6 => Class::Ipv6,
        libc::AF_UNIX => Class::Unix,
        libc::AF_NETLINK => Class::Netlink,
        _ => Class::Other,
    }
}

/// An address as upstream writes it: IPv6 without brackets.
pub(super) fn written(address: SocketAddr) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write!(text, "{}:{}", address.ip(), address.port());
    text
}

/// The address of an end that has none, in the family of the other.
fn unspecified(other: SocketAddr) -> SocketAddr {
    let ip = match other.ip() {
        IpAddr::V4(_) => IpAddr::from([0_u8; 4]),
        IpAddr::V6(_) => IpAddr::from([0_u8; 16]),
    };
    SocketAddr::new(ip, 0)
}
