//! Probes by HTTP, asked in the pod's own network as a kubelet asks them over the pod's address
//! (pkg/probe/http/request.go, http.go).

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};

use super::super::daemon::POD_ADDRESS;
use super::super::error::{LabError, Result};
use super::spec::{Container, PortRef, Probe};

/// What is read of an answer: pkg/probe/http/http.go, maxRespBodyLength, and its head.
const MOST: u64 = 16 * 1024;

/// What came of a probe.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// The status of HTTP; absent when nothing answered.
    pub(crate) code: Option<u16>,
    /// The answer, or why there is none.
    pub(crate) text: String,
}

impl Answer {
    /// From 200 to 399: pkg/probe/http/http.go, DoHTTPProbe.
    pub(crate) fn succeeded(&self) -> bool {
        self.code.is_some_and(|code| (200..400).contains(&code))
    }
}

/// Asks once, in the network of the process `pid`.
pub(crate) fn ask(pid: u64, container: &Container, probe: &Probe) -> Result<Answer> {
    if probe.http_get.scheme.as_deref().is_some_and(|scheme| scheme != "HTTP") {
        return Err(LabError::pod("only probes by HTTP are translated"));
    }
    let port = match &probe.http_get.port {
        PortRef::Number(number) => *number,
        PortRef::Name(name) => {
            let port = container.ports.iter().find(|port| port.name == *name);
            port.ok_or_else(|| LabError::pod(format!("a probe names the unknown port {name}")))?
                .container_port
        }
    };
    let within = Duration::from_secs(probe.timeout_seconds.unwrap_or(1));
    get(pid, port, &probe.http_get.path, within)
}

/// Asks for any path on a port of the pod.
pub(crate) fn get(pid: u64, port: u16, path: &str, within: Duration) -> Result<Answer> {
    let network = format!("/proc/{pid}/ns/net");
    let namespace = File::open(&network).map_err(LabError::file("open", Path::new(&network)))?;
    let path = path.to_owned();
    // A thread of its own, because it cannot leave that network again.
    let asked = std::thread::spawn(move || {
        setns(namespace, CloneFlags::CLONE_NEWNET).map_err(std::io::Error::from)?;
        let address = SocketAddr::new(POD_ADDRESS.parse().map_err(std::io::Error::other)?, port);
        let mut stream = TcpStream::connect_timeout(&address, within)?;
        stream.set_read_timeout(Some(within))?;
        stream.set_write_timeout(Some(within))?;
        let head = "User-Agent: kube-probe/1.32\r\nAccept: */*\r\nConnection: close";
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n{head}\r\n\r\n")?;
        let mut answer = String::new();
        stream.take(MOST).read_to_string(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    });
    Ok(match asked.join() {
        Ok(Ok(text)) => Answer {
            code: text.split(' ').nth(1).and_then(|code| code.parse().ok()),
            text,
        },
        Ok(Err(error)) => Answer {
            code: None,
            text: error.to_string(),
        },
        Err(_) => return Err(LabError::pod("the probe's thread panicked")),
    })
}
