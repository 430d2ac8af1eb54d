//! A receiver for tests: a real one, over a real socket, that answers as it is told and notes what came. It is written on plain
//! threads and reads HTTP by itself, so that it shares nothing with what it tests but rustls.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What the receiver does with one request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// A status with further header lines and a body.
    Status(u16, &'static str, Vec<u8>),
    /// It closes the connection instead.
    Close,
    /// It says nothing for so long, then closes.
    Silence(Duration),
    /// 200, then it closes though it did not say so.
    OkThenClose,
    /// An answer without an end.
    Endless,
    /// 200 and half a body, then nothing for so long, then it closes.
    Half(Duration),
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Which connection it came on, from 0.
    pub(crate) connection: usize,
    pub(crate) line: String,
    pub(crate) headers: Vec<String>,
    pub(crate) body: Vec<u8>,
    /// How many certificates the client showed.
    pub(crate) certificates: usize,
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    answers: VecDeque<Answer>,
    seen: Vec<Seen>,
}

impl Server {
    /// Gives these answers, then 200.
    pub(crate) fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::start_with(answers, None)
    }

    pub(crate) fn start_tls(config: ServerConfig) -> Self {
        Self::start_with([], Some(Arc::new(config)))
    }

    fn start_with(answers: impl IntoIterator<Item = Answer>, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let shared = Arc::new(Mutex::new(Shared {
            answers: answers.into_iter().collect(),
            seen: Vec::new(),
        }));
        let server = Self {
            address: listener.local_addr().unwrap(),
            shared,
        };
        let accepting = server.clone();
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let (server, tls) = (accepting.clone(), tls.clone());
                thread::spawn(move || server.accept(stream.unwrap(), number, tls));
            }
        });
        server
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.lock().unwrap().seen.clone()
    }

    fn accept(&self, stream: TcpStream, number: usize, tls: Option<Arc<ServerConfig>>) {
        match tls {
            None => {
                let mut reader = BufReader::new(stream);
                while self.converse(&mut reader, number, |_| 0).unwrap_or(false) {}
            }
            Some(config) => {
                let connection = ServerConnection::new(config).unwrap();
                let mut reader = BufReader::new(StreamOwned::new(connection, stream));
                let shown = |stream: &StreamOwned<ServerConnection, TcpStream>| {
                    stream.conn.peer_certificates().map_or(0, <[_]>::len)
                };
                while self.converse(&mut reader, number, shown).unwrap_or(false) {}
            }
        }
    }

    /// One request and its answer. False once the connection is over.
    fn converse<S: Read + Write>(
        &self,
        reader: &mut BufReader<S>,
        connection: usize,
        certificates: impl Fn(&S) -> usize,
    ) -> io::Result<bool> {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(false);
            }
            match line.trim_end() {
                "" => break,
                line => head.push(line.to_owned()),
            }
        }
        let length = head.iter().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        reader.read_exact(&mut body)?;
        let seen = Seen {
            connection,
            line: head.remove(0),
            headers: head,
            body,
            certificates: certificates(reader.get_ref()),
        };
        let answer = {
            let mut shared = self.shared.lock().unwrap();
            shared.seen.push(seen);
            shared.answers.pop_front()
        };
        let stream = reader.get_mut();
        match answer.unwrap_or(Answer::Status(200, "", Vec::new())) {
            Answer::Status(status, headers, body) => {
                let length = body.len();
                write!(
                    stream,
                    "HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\r\n"
                )?;
                stream.write_all(&body)?;
                stream.flush()?;
                return Ok(true);
            }
            Answer::Close => {}
            Answer::Silence(time) => thread::sleep(time),
            Answer::OkThenClose => {
                write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")?;
                stream.flush()?;
            }
            Answer::Half(time) => {
                write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nha")?;
                stream.flush()?;
                thread::sleep(time);
            }
            Answer::Endless => {
                write!(stream, "HTTP/1.1 200 OK\r\n\r\n")?;
                while stream.write_all(&[b'x'; 4096]).is_ok() {}
            }
        }
        Ok(false)
    }
}
