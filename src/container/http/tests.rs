use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use super::fake::{Answer, FakeDaemon};
use super::*;
use crate::container::outcome::Reason;

const TIMEOUT: Duration = Duration::from_millis(500);

fn run<T>(future: impl Future<Output = T>) -> T {
    crate::container::resolver::event_loop().unwrap().block_on(future)
}

fn client(socket: &Path) -> HttpClient {
    HttpClient::new(socket.to_owned(), TIMEOUT, Instant::now)
}

fn get(client: &HttpClient, path: &str) -> Result<Value, CallError> {
    run(client.get(path, Instant::now() + Duration::from_secs(5)))
}

#[test]
fn takes_measured_and_chunked_bodies() {
    let place = tempfile::tempdir().unwrap();
    let daemon = FakeDaemon::start(&place.path().join("s"));
    let body = format!(r#"{{"key":"{}"}}"#, "x".repeat(100_000)).into_bytes();
    daemon.on("/a", Answer::Json(200, body.clone()));
    daemon.on("/b", Answer::Chunked(body));
    // Measured by its end.
    daemon.on("/c", Answer::Raw(b"HTTP/1.1 200 OK\r\n\r\n{\"key\":1}".to_vec()));
    let client = client(daemon.socket());
    assert!(!client.has_answered());
    assert_eq!(get(&client, "/a").unwrap(), get(&client, "/b").unwrap());
    assert_eq!(get(&client, "/c").unwrap()["key"], 1);
    assert!(client.has_answered());
    assert_eq!(daemon.asked(), ["/a", "/b", "/c"]);
}

#[test]
fn every_failure_has_its_reason() {
    let place = tempfile::tempdir().unwrap();
    let daemon = FakeDaemon::start(&place.path().join("s"));
    let raw = |text: &str| Answer::Raw(text.as_bytes().to_vec());
    for (path, answer, reason) in [
        (
            "/error",
            Answer::Json(500, br#"{"message":"it broke"}"#.to_vec()),
            Reason::RuntimeError,
        ),
        (
            "/forbidden",
            Answer::Json(403, b"<html>".to_vec()),
            Reason::RuntimeError,
        ),
        (
            "/moved",
            raw("HTTP/1.1 301 Moved\r\nLocation: /error\r\nContent-Length: 0\r\n\r\n"),
            Reason::RuntimeError,
        ),
        ("/no-json", Answer::Json(200, b"hello".to_vec()), Reason::AnswerUnusable),
        ("/no-http", raw("220 mail.example ESMTP\r\n"), Reason::SocketProtocol),
        ("/nothing", raw(""), Reason::SocketProtocol),
        (
            "/broken-off",
            raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"),
            Reason::SocketProtocol,
        ),
        ("/silent", Answer::Silent, Reason::RuntimeTimeout),
    ] {
        daemon.on(path, answer);
        let error = get(&client(daemon.socket()), path).unwrap_err();
        assert_eq!(error.reason(), reason, "{path}: {error}");
    }
    let unknown = get(&client(daemon.socket()), "/unknown").unwrap_err();
    assert!(unknown.not_found(), "{unknown}");
    assert!(unknown.to_string().contains("No such thing"), "{unknown}");
}

#[test]
fn heads_and_bodies_are_bounded() {
    let place = tempfile::tempdir().unwrap();
    let daemon = FakeDaemon::start(&place.path().join("s"));
    daemon.on("/measured", Answer::Json(200, vec![b' '; BODY_LIMIT + 1]));
    daemon.on("/chunked", Answer::Chunked(vec![b' '; BODY_LIMIT + 1]));
    daemon.on(
        "/head",
        Answer::Endless(b"HTTP/1.1 200 OK\r\nfield: value\r\nfield: value\r\n"),
    );
    daemon.on("/line", Answer::Endless(b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"));
    for path in ["/measured", "/chunked"] {
        let error = get(&client(daemon.socket()), path).unwrap_err();
        assert_eq!(error.reason(), Reason::AnswerUnusable, "{path}: {error}");
        assert!(error.to_string().contains("exceeds"), "{error}");
    }
    for path in ["/head", "/line"] {
        let error = get(&client(daemon.socket()), path).unwrap_err();
        assert_eq!(error.reason(), Reason::SocketProtocol, "{path}: {error}");
    }
    let long = format!(r#"{{"message":"{}\u001b[31m"}}"#, "é".repeat(10_000));
    daemon.on("/words", Answer::Json(500, long.into_bytes()));
    let words = get(&client(daemon.socket()), "/words").unwrap_err().to_string();
    assert!(words.len() < 1000 && !words.contains('\u{1b}'), "{words}");
}

#[test]
fn sockets_that_cannot_be_connected_to() {
    let place = tempfile::tempdir().unwrap();
    let socket = place.path().join("s");
    let reason = |socket: &Path| get(&client(socket), "/").unwrap_err().reason();
    assert_eq!(reason(&socket), Reason::NoRuntimeSocket);
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert_eq!(reason(&socket), Reason::SocketRefused);
    if !nix::unistd::geteuid().is_root() {
        std::fs::set_permissions(&socket, Permissions::from_mode(0o0)).unwrap();
        assert_eq!(reason(&socket), Reason::SocketPermission);
    }
}

#[test]
fn a_silent_peer_is_left_alone() {
    let place = tempfile::tempdir().unwrap();
    let daemon = FakeDaemon::start(&place.path().join("s"));
    daemon.on("/", Answer::Silent);
    let client = HttpClient::new(daemon.socket().to_owned(), Duration::from_millis(50), Instant::now);
    for _ in 0..Breaker::FAILURES {
        assert_eq!(get(&client, "/").unwrap_err().reason(), Reason::RuntimeTimeout);
    }
    assert_eq!(get(&client, "/").unwrap_err().reason(), Reason::CircuitOpen);
    assert_eq!(daemon.asked().len(), Breaker::FAILURES as usize);
    client.forget();
    assert_eq!(get(&client, "/").unwrap_err().reason(), Reason::RuntimeTimeout);
}

#[test]
fn what_cannot_be_parsed_is_not_quoted() {
    let place = tempfile::tempdir().unwrap();
    let daemon = FakeDaemon::start(&place.path().join("s"));
    daemon.on("/", Answer::Json(200, br#"{"Id":["not-a-real-password"]}"#.to_vec()));
    #[derive(Debug, Deserialize)]
    struct Strict {
        #[serde(rename = "Id")]
        _id: u32,
    }
    let deadline = Instant::now() + Duration::from_secs(5);
    let error = run(client(daemon.socket()).get::<Strict>("/", deadline)).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("password"), "{error:?}");
}
