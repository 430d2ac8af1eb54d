//! What can be seen of a running agent without asking it: the file that it was started from, and its port for probes.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::super::facts::OsError;
use super::super::facts::live::{Binary, Probe};

/// A prober of Kubernetes waits one second where nothing else is said.
const PROBE: Duration = Duration::from_millis(500);
/// Of the answer: its first line is short.
const MAX_ANSWER: u64 = 512;
/// What the kernel adds to the name of a file that is no longer there (`d_path` of `fs/d_path.c`).
const DELETED: &str = " (deleted)";

/// Where the agent can be asked from here, by the address that its port is bound to; none where it has no port.
pub(super) fn probe_address(bound: &str) -> Option<SocketAddr> {
    let mut address: SocketAddr = bound.parse().ok()?;
    // Bound to every address: the nearest one.
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    Some(address)
}

/// Asks as a prober does.
pub(super) fn probe(address: SocketAddr) -> Probe {
    Probe {
        address,
        answer: get(address).map_err(|error| match error.kind() {
            // A read that runs into its deadline is reported as one that would block.
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                format!("no answer within {} ms", PROBE.as_millis())
            }
            _ => error.to_string(),
        }),
    }
}

fn get(address: SocketAddr) -> io::Result<u16> {
    let until = Instant::now() + 2 * PROBE;
    let mut stream = TcpStream::connect_timeout(&address, PROBE)?;
    stream.set_read_timeout(Some(PROBE))?;
    stream.set_write_timeout(Some(PROBE))?;
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    let mut limited = stream.take(MAX_ANSWER);
    let mut piece = [0; 128];
    while !answer.contains(&b'\n') && Instant::now() < until {
        match limited.read(&mut piece)? {
            0 => break,
            read => answer.extend_from_slice(&piece[..read]),
        }
    }
    let line = String::from_utf8_lossy(&answer);
    line.split(' ')
        .nth(1)
        .filter(|_| line.starts_with("HTTP/1."))
        .and_then(|word| word.trim_end().parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP"))
}

/// The file that the process was made of. Its link says when that is gone, which a package manager makes so when it puts a new
/// version in its place.
pub(super) fn binary(root: &Path, pid: u32) -> Result<Binary, OsError> {
    let read = || -> io::Result<Binary> {
        let link = root.join(format!("proc/{pid}/exe"));
        let target = fs::read_link(&link)?;
        let text = target.to_string_lossy();
        let replaced = text.ends_with(DELETED);
        let same = |own: fs::Metadata| -> io::Result<bool> {
            let its = fs::metadata(&link)?;
            Ok((its.dev(), its.ino()) == (own.dev(), own.ino()))
        };
        Ok(Binary {
            path: text.strip_suffix(DELETED).map_or_else(|| target.clone(), Into::into),
            replaced,
            own: same(fs::metadata(root.join("proc/self/exe"))?)?,
        })
    };
    read().map_err(|error| OsError::of(&error))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn every_address_is_asked_at_the_nearest_one() {
        let asked = |bound: &str| probe_address(bound).map(|address| address.to_string());
        assert_eq!(asked("0.0.0.0:9467").as_deref(), Some("127.0.0.1:9467"));
        assert_eq!(asked("[::]:9467").as_deref(), Some("[::1]:9467"));
        assert_eq!(asked("10.0.0.7:9467").as_deref(), Some("10.0.0.7:9467"));
        assert_eq!(asked(""), None);
    }

    /// Answers one request with these bytes, or with nothing and stays.
    fn server(answer: Option<&'static [u8]>) -> (SocketAddr, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answering = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            let read = stream.read(&mut request).unwrap();
            if let Some(answer) = answer {
                stream.write_all(answer).unwrap();
            } else {
                // Until the other one has had enough.
                let _ = stream.read(&mut request);
            }
            String::from_utf8_lossy(&request[..read]).into_owned()
        });
        (address, answering)
    }

    #[test]
    fn an_answer_is_its_status_whatever_comes_after() {
        let (address, answering) = server(Some(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"));
        assert_eq!(probe(address).answer, Ok(503));
        assert!(answering.join().unwrap().starts_with("GET /livez HTTP/1.1\r\n"));
        let (address, answering) = server(Some(b"SSH-2.0-OpenSSH_9.2\r\n"));
        assert_eq!(probe(address).answer, Err("the answer is not HTTP".to_owned()));
        answering.join().unwrap();
    }

    #[test]
    fn who_is_silent_or_gone_is_told_apart() {
        let (address, answering) = server(None);
        assert_eq!(probe(address).answer, Err("no answer within 500 ms".to_owned()));
        answering.join().unwrap();
        let refused = probe(address).answer.unwrap_err();
        assert!(refused.contains("refused"), "{refused}");
    }

    #[test]
    fn a_binary_that_was_replaced_is_known_by_its_link() {
        let own = binary(Path::new("/"), std::process::id()).unwrap();
        assert!(own.own && !own.replaced && own.path == std::env::current_exe().unwrap());
        let directory = tempfile::tempdir().unwrap();
        let copy = directory.path().join("sleeper");
        fs::copy("/bin/sleep", &copy).unwrap();
        let mut sleeper = std::process::Command::new(&copy).arg("60").spawn().unwrap();
        let there = binary(Path::new("/"), sleeper.id()).unwrap();
        fs::remove_file(&copy).unwrap();
        let gone = binary(Path::new("/"), sleeper.id()).unwrap();
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
        assert!(!there.own && !there.replaced && there.path == copy);
        assert!(gone.replaced && gone.path == copy, "{gone:?}");
        assert_eq!(binary(directory.path(), 1).unwrap_err().errno, Some(libc::ENOENT));
    }
}
