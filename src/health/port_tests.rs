use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;

use tokio::sync::oneshot;

use super::*;
use crate::health::fixture;

const SOON: Duration = Duration::from_secs(4);

/// The port on a thread of its own, as the control thread serves it.
struct Served {
    address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

fn served() -> Served {
    serve_on(bind("127.0.0.1:0".parse().unwrap()).unwrap())
}

fn serve_on(listener: TcpListener) -> Served {
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let monitor = fixture::monitor();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            tokio::select! { () = serve(listener, monitor) => {}, _ = stopped => {} }
        });
    });
    Served { address, _stop: stop }
}

impl Served {
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(2 * DEADLINE)).unwrap();
        stream
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

#[test]
fn a_probe_is_answered_and_the_connection_ends() {
    let served = served();
    let answer = served.ask("GET /readyz?verbose HTTP/1.1\r\nHost: here\r\n\r\n");
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\nready\n"),
        "{answer}"
    );
    let head = served.ask("HEAD /livez HTTP/1.1\r\nHost: here\r\n\r\n");
    assert!(
        head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
}

#[test]
fn what_is_no_request_of_bounded_size_is_refused() {
    let served = served();
    for request in [
        format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(2 * MOST_BYTES)),
        format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(MOST_HEADERS + 1)),
        "\u{1}\u{2}\r\n\r\n".to_owned(),
        // gRPC begins like this; there is none here.
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
    ] {
        let mut stream = served.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // The end may be a reset: what was sent was not all read.
        if let Err(error) = stream.read_to_end(&mut answer) {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        }
        assert!(
            !answer.starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
    assert!(served.ask("GET /livez HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200"));
}

/// More than there is room for, whose requests are all there before the first is accepted.
#[test]
fn who_asks_in_whole_is_answered_however_many_wait() {
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let waiting: Vec<TcpStream> = (0..2 * MOST)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(2 * DEADLINE)).unwrap();
            stream.write_all(b"GET /livez HTTP/1.1\r\n\r\n").unwrap();
            stream
        })
        .collect();
    let _served = serve_on(listener);
    for (number, mut stream) in waiting.into_iter().enumerate() {
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer);
        assert!(answer.starts_with("HTTP/1.1 200"), "{number}: {read:?} {answer}");
    }
}

/// More than there is room for, which all begin a request and go no further.
#[test]
fn those_who_dawdle_hold_nobody_up_and_are_sent_away() {
    let served = served();
    let mut dawdling: Vec<TcpStream> = (0..2 * MOST)
        .map(|_| {
            let mut stream = served.connect();
            stream.write_all(b"GET /readyz HTTP/1.1\r\nHo").unwrap();
            stream
        })
        .collect();
    let began = std::time::Instant::now();
    let answer = served.ask("GET /readyz HTTP/1.1\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(began.elapsed() < SOON, "nobody waits for a deadline");
    // The first was pushed out by those who came later, the last one's time runs out.
    let mut ended = |index: usize| {
        let mut rest = Vec::new();
        match dawdling[index].read_to_end(&mut rest) {
            Ok(_) => assert!(!rest.starts_with(b"HTTP/1.1 200")),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
    };
    ended(0);
    assert!(began.elapsed() < SOON);
    ended(2 * MOST - 1);
    assert!(began.elapsed() < 2 * DEADLINE);
}

#[test]
fn a_port_that_is_taken_names_itself() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = bind(address).unwrap_err().to_string();
    assert!(
        error.contains(&address.to_string()) && error.contains("health.listen"),
        "{error}"
    );
}
