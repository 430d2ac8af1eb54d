//! A daemon for unit tests: it listens on a real unix socket and answers paths with recorded bodies, or fails in one of
//! the ways in which daemons fail. It notes what it is asked.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a path is answered with.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// A body with its length.
    Json(u16, Vec<u8>),
    /// The same in pieces, as Docker sends what it has not measured.
    Chunked(Vec<u8>),
    /// These bytes, then the end.
    Raw(Vec<u8>),
    /// These bytes, again and again.
    Endless(&'static [u8]),
    /// Nothing, for longer than anybody waits.
    Silent,
}

#[derive(Debug, Default)]
struct Shared {
    answers: HashMap<String, Answer>,
    asked: Vec<String>,
}

/// A daemon that runs until the test ends; what is not known is answered as Docker does, with status 404.
#[derive(Debug, Clone)]
pub(crate) struct FakeDaemon {
    socket: PathBuf,
    shared: Arc<Mutex<Shared>>,
}

impl FakeDaemon {
    pub(crate) fn start(socket: &Path) -> Self {
        let listener = UnixListener::bind(socket).unwrap();
        let daemon = Self {
            socket: socket.to_owned(),
            shared: Arc::default(),
        };
        let served = daemon.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let daemon = served.clone();
                std::thread::spawn(move || daemon.serve(stream));
            }
        });
        daemon
    }

    pub(crate) fn on(&self, path: &str, answer: Answer) {
        self.shared.lock().unwrap().answers.insert(path.to_owned(), answer);
    }

    /// Answers a path with a recorded body.
    pub(crate) fn replay(&self, path: &str, folder: &str, file: &str) {
        self.on(path, Answer::Chunked(recorded(folder, file)));
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.shared.lock().unwrap().asked.clone()
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Errors mean that the client has gone.
    fn serve(&self, mut stream: UnixStream) -> Option<()> {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).ok()?;
            request.push(byte[0]);
        }
        let head = String::from_utf8(request).unwrap();
        let mut words = head.split(' ');
        assert_eq!(words.next(), Some("GET"));
        let path = words.next().unwrap().to_owned();
        let answer = {
            let mut shared = self.shared.lock().unwrap();
            shared.asked.push(path.clone());
            shared.answers.get(&path).cloned()
        };
        let none = Answer::Json(404, br#"{"message":"No such thing"}"#.to_vec());
        match answer.unwrap_or(none) {
            Answer::Json(status, body) => {
                let length = body.len();
                write!(stream, "HTTP/1.1 {status} Word\r\nContent-Length: {length}\r\n\r\n").ok()?;
                stream.write_all(&body).ok()
            }
            Answer::Chunked(body) => {
                write!(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").ok()?;
                for piece in body.chunks(1000) {
                    write!(stream, "{:x}\r\n", piece.len()).ok()?;
                    stream.write_all(piece).ok()?;
                    stream.write_all(b"\r\n").ok()?;
                }
                stream.write_all(b"0\r\n\r\n").ok()
            }
            Answer::Raw(bytes) => stream.write_all(&bytes).ok(),
            Answer::Endless(bytes) => loop {
                stream.write_all(bytes).ok()?;
            },
            Answer::Silent => {
                // Until the client hangs up.
                stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
                stream.read_exact(&mut [0]).ok()
            }
        }
    }
}

/// A file of the recordings of a runtime that speaks HTTP.
pub(crate) fn recorded(folder: &str, file: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/cri")
        .join(folder)
        .join(file);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
