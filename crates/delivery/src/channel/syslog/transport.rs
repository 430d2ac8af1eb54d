//! The sockets that syslog goes through.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UdpSocket, UnixDatagram, UnixStream};

use crate::channel::resolve;
use crate::config::Target;

/// The largest message by UDP, in bytes: what fits a datagram. A longer one is cut, which RFC 5426, section 3.2 allows.
const DATAGRAM: usize = 65_000;
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long what was written over TCP may stay unacknowledged, in milliseconds: the other end has vanished then. Left to itself, the
/// kernel would try for about a quarter of an hour (tcp(7), `tcp_retries2`), and all that time messages would pass for delivered.
pub(super) const UNACKNOWLEDGED: u32 = 30_000;

pub(super) enum Transport {
    Datagram(UnixDatagram),
    Stream(UnixStream),
    Udp(UdpSocket),
    Tcp(TcpStream),
}

/// Why a message was not taken.
#[derive(Debug)]
pub(super) enum SendError {
    /// It never will be.
    TooLarge,
    /// The connection is of no use any more.
    Broken(io::Error),
}

impl Transport {
    pub(super) async fn connect(target: &Target) -> io::Result<Self> {
        match target {
            Target::Unix(path) => unix(path).await,
            Target::Udp(address) => udp(address).await.map(Self::Udp),
            Target::Tcp(address) => {
                let (host, port) = resolve::split(address).ok_or(io::ErrorKind::InvalidInput)?;
                let stream = resolve::connect(host, port, CONNECT).await?;
                setsockopt(&stream, sockopt::TcpUserTimeout, &UNACKNOWLEDGED)?;
                Ok(Self::Tcp(stream))
            }
        }
    }

    pub(super) async fn send(&mut self, message: &str) -> Result<(), SendError> {
        let sent = match self {
            Self::Datagram(socket) => socket.send(message.as_bytes()).await.map(|_| ()),
            Self::Udp(socket) => {
                let cut = message.floor_char_boundary(DATAGRAM);
                socket.send(&message.as_bytes()[..cut]).await.map(|_| ())
            }
            // As the C library ends messages on a stream.
            Self::Stream(stream) => stream.write_all(&[message.as_bytes(), b"\0"].concat()).await,
            Self::Tcp(stream) => {
                is_open(stream).map_err(SendError::Broken)?;
                let framed = format!("{} {message}", message.len());
                stream.write_all(framed.as_bytes()).await
            }
        };
        sent.map_err(|error| match error.raw_os_error() {
            Some(code) if code == Errno::EMSGSIZE as i32 => SendError::TooLarge,
            _ => SendError::Broken(error),
        })
    }
}

/// Syslog is never answered, so what can be read is the end, or is thrown away.
fn is_open(stream: &TcpStream) -> io::Result<()> {
    let mut buffer = [0; 512];
    for _ in 0..8 {
        match stream.try_read(&mut buffer) {
            Ok(0) => return Err(io::Error::new(io::ErrorKind::BrokenPipe, "the other end has closed")),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn unix(path: &Path) -> io::Result<Transport> {
    let socket = UnixDatagram::unbound()?;
    match socket.connect(path) {
        Ok(()) => Ok(Transport::Datagram(socket)),
        Err(error) if error.raw_os_error() == Some(Errno::EPROTOTYPE as i32) => {
            UnixStream::connect(path).await.map(Transport::Stream)
        }
        Err(error) => Err(error),
    }
}

async fn udp(address: &str) -> io::Result<UdpSocket> {
    let (host, port) = resolve::split(address).ok_or(io::ErrorKind::InvalidInput)?;
    let addresses = resolve::resolve(host, port).await?;
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in addresses {
        let own: SocketAddr = match address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(own).await?;
        match socket.connect(address).await {
            Ok(()) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}
