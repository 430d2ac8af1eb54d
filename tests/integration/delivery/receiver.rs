//! A receiver over HTTP that keeps what it got, on plain threads, with or without TLS.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    /// The first line and the header fields.
    pub(crate) head: Vec<String>,
    pub(crate) body: Value,
}

/// See the module.
pub(crate) struct Receiver {
    got: Arc<Mutex<Vec<Got>>>,
}

/// A port of this machine that nobody listens at.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Receiver {
    /// Answers each request with 200.
    pub(crate) fn start(port: u16, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let got = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&got);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (keep, tls) = (Arc::clone(&keep), tls.clone());
                thread::spawn(move || match tls {
                    None => converse(BufReader::new(stream), &keep),
                    Some(config) => {
                        let connection = ServerConnection::new(config).unwrap();
                        let stream: StreamOwned<ServerConnection, TcpStream> = StreamOwned::new(connection, stream);
                        converse(BufReader::new(stream), &keep)
                    }
                });
            }
        });
        Self { got }
    }

    /// What came so far.
    pub(crate) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn converse<S: Read + Write>(mut stream: BufReader<S>, keep: &Mutex<Vec<Got>>) -> io::Result<()> {
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Ok(());
            }
            match line.trim_end() {
                "" => break,
                line => head.push(line.to_owned()),
            }
        }
        let length = head.iter().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        stream.read_exact(&mut body)?;
        // Null for what is no JSON.
        let body = serde_json::from_slice(&body).unwrap_or_default();
        keep.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Got { head, body });
        stream
            .get_mut()
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
        stream.get_mut().flush()?;
    }
}
