//! From a host and a port to a connection.
//!
//! Names are resolved by the C library, on a thread of the runtime. That works in a static binary, measured with glibc 2.36: files
//! and DNS are built into it, and `/etc/resolv.conf` and `/etc/hosts` are all it reads besides. What else `nsswitch.conf` names
//! (mdns, systemd's resolver) is looked for as a shared library and passed over where there is none. A resolver of our own would be 60
//! crates more.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

/// How many of a name's addresses are tried.
const ADDRESSES: usize = 4;

/// The addresses of `HOST:PORT`, the preferred one first.
pub(super) async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let addresses: Vec<_> = lookup_host((bare.unwrap_or(host), port))
        .await?
        .take(ADDRESSES)
        .collect();
    match addresses.is_empty() {
        true => Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("{host} has no address"),
        )),
        false => Ok(addresses),
    }
}

/// A connection to the first address that answers. Each is given its share of the time, so that one which is silent leaves some
/// for the others.
pub(super) async fn connect(host: &str, port: u16, time: Duration) -> io::Result<TcpStream> {
    let addresses = resolve(host, port).await?;
    let share = time / u32::try_from(addresses.len()).unwrap_or(1).max(1);
    let mut last = io::Error::from(io::ErrorKind::TimedOut);
    for address in addresses {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = io::Error::new(error.kind(), format!("{address}: {error}")),
            Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, format!("{address} does not answer")),
        }
    }
    Err(last)
}

/// Host and port of `HOST:PORT`.
pub(super) fn split(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    Some((host, port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_and_both_kinds_of_addresses() {
        for host in ["127.0.0.1", "[::1]", "localhost"] {
            let addresses = resolve(host, 514).await.unwrap();
            assert!(addresses[0].ip().is_loopback());
        }
        assert!(resolve("no such host", 1).await.is_err());
        assert_eq!(split("[::1]:514"), Some(("[::1]", 514)));
        assert_eq!(split("host"), None);
    }
}
