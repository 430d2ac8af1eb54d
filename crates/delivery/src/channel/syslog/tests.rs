use std::io::Read;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener};

use nix::sys::socket::{getsockopt, sockopt};
use tempfile::TempDir;

use super::*;
use crate::alert::tests::alert;

fn syslog(target: Target) -> Syslog {
    let settings = Settings {
        target,
        ..Settings::default()
    };
    Syslog::new(&settings, "node")
}

fn alerts(numbers: std::ops::Range<usize>) -> Vec<Arc<Alert>> {
    numbers.map(|number| Arc::new(alert(number))).collect()
}

#[tokio::test]
async fn the_daemon_of_this_machine_reads_its_own_dialect() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("log");
    let mut syslog = syslog(Target::Unix(path.clone()));
    assert!(syslog.deliver(&alerts(1..2)).await.is_err());
    for _ in 0..2 {
        // It is restarted in between.
        let daemon = UnixDatagram::bind(&path).unwrap();
        syslog.deliver(&alerts(1..3)).await.unwrap();
        for number in 1..3 {
            let mut buffer = [0; 2048];
            let read = daemon.recv(&mut buffer).unwrap();
            let text = std::str::from_utf8(&buffer[..read]).unwrap();
            assert!(text.starts_with("<12>Nov 14 22:13:20 pinhole-alert["), "{text}");
            assert!(text.ends_with(&format!("]: {}", alert(number).text)), "{text}");
        }
        std::fs::remove_file(&path).unwrap();
    }
}

#[tokio::test]
async fn a_stream_socket_is_one_too() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("log");
    let daemon = UnixListener::bind(&path).unwrap();
    let mut syslog = syslog(Target::Unix(path));
    syslog.deliver(&alerts(1..3)).await.unwrap();
    drop(syslog);
    let mut text = String::new();
    daemon.accept().unwrap().0.read_to_string(&mut text).unwrap();
    assert_eq!(text.matches('\0').count(), 2);
}

#[tokio::test]
async fn what_no_datagram_holds_is_refused_and_the_others_are_not() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("log");
    let daemon = UnixDatagram::bind(&path).unwrap();
    let mut syslog = syslog(Target::Unix(path));
    let mut large = alert(2);
    large.text = "x".repeat(1 << 20);
    let failure = syslog
        .deliver(&[Arc::new(alert(1)), Arc::new(large)])
        .await
        .unwrap_err();
    assert_eq!((failure.taken, failure.kind), (1, Kind::Refused));
    syslog.deliver(&alerts(3..4)).await.unwrap();
    let mut buffer = [0; 2048];
    daemon.recv(&mut buffer).unwrap();
    let read = daemon.recv(&mut buffer).unwrap();
    assert!(buffer[..read].ends_with(b"o 3"));
}

#[tokio::test]
async fn udp_is_rfc_5424_and_cut_where_it_must_be() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut syslog = syslog(Target::Udp(server.local_addr().unwrap().to_string()));
    let mut large = alert(2);
    large.text = "ä".repeat(100_000);
    syslog.deliver(&[Arc::new(alert(1)), Arc::new(large)]).await.unwrap();
    let mut buffer = vec![0; 70_000];
    let read = server.recv(&mut buffer).unwrap();
    let text = std::str::from_utf8(&buffer[..read]).unwrap();
    assert!(
        text.starts_with("<12>1 2023-11-14T22:13:20.123456Z node pinhole-alert "),
        "{text}"
    );
    let read = server.recv(&mut buffer).unwrap();
    assert!(read > 64_000 && std::str::from_utf8(&buffer[..read]).is_ok());
}

/// Where the next datagram comes from.
fn sender_to(server: &UdpSocket) -> SocketAddr {
    server.recv_from(&mut [0; 2048]).unwrap().1
}

async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn over_udp_the_name_is_looked_for_again_each_minute_and_stays_if_that_fails() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut syslog = syslog(Target::Udp(server.local_addr().unwrap().to_string()));
    syslog.deliver(&alerts(1..3)).await.unwrap();
    let first = sender_to(&server);
    assert_eq!(sender_to(&server), first);
    pass(RESOLVED).await;
    syslog.deliver(&alerts(3..5)).await.unwrap();
    let second = sender_to(&server);
    assert!(sender_to(&server) == second && second != first);

    syslog.target = Target::Udp("no such host:514".to_owned());
    pass(RESOLVED).await;
    syslog.deliver(&alerts(5..7)).await.unwrap();
    assert_eq!((sender_to(&server), sender_to(&server)), (second, second));
}

#[tokio::test]
async fn whoever_asks_to_open_anew_gets_a_new_connection() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut syslog = syslog(Target::Udp(server.local_addr().unwrap().to_string()));
    syslog.deliver(&alerts(1..2)).await.unwrap();
    let other = UdpSocket::bind("127.0.0.1:0").unwrap();
    other.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    // As if the name led elsewhere.
    syslog.target = Target::Udp(other.local_addr().unwrap().to_string());
    syslog.reopen().await.unwrap();
    syslog.deliver(&alerts(2..3)).await.unwrap();
    sender_to(&other);
}

#[tokio::test]
async fn over_tcp_a_receiver_that_vanished_is_noticed_in_time() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut syslog = syslog(Target::Tcp(server.local_addr().unwrap().to_string()));
    syslog.deliver(&alerts(1..2)).await.unwrap();
    let Some(Transport::Tcp(stream)) = &syslog.transport else {
        panic!("it is connected by TCP");
    };
    let time = getsockopt(stream, sockopt::TcpUserTimeout).unwrap();
    assert_eq!(time, transport::UNACKNOWLEDGED);
}

/// Reads messages with their length in front.
fn octets(mut text: &str) -> Vec<&str> {
    let mut messages = Vec::new();
    while let Some((length, rest)) = text.split_once(' ') {
        let (message, rest) = rest.split_at(length.parse().unwrap());
        messages.push(message);
        text = rest;
    }
    messages
}

#[tokio::test]
async fn tcp_counts_octets_and_notices_a_receiver_that_went() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut syslog = syslog(Target::Tcp(server.local_addr().unwrap().to_string()));
    syslog.deliver(&alerts(1..3)).await.unwrap();
    let (first, _) = server.accept().unwrap();
    drop(first);
    tokio::time::sleep(Duration::from_millis(50)).await;
    syslog.deliver(&alerts(3..5)).await.unwrap();
    drop(syslog);
    let mut text = String::new();
    server.accept().unwrap().0.read_to_string(&mut text).unwrap();
    let messages = octets(&text);
    assert_eq!(messages.len(), 2);
    assert!(messages[0].ends_with("o 3") && messages[1].ends_with("o 4"));
}

#[tokio::test]
async fn nobody_there_is_tried_again() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let failure = syslog(Target::Tcp(free.to_string()))
        .deliver(&alerts(1..2))
        .await
        .unwrap_err();
    assert_eq!((failure.taken, failure.kind), (0, Kind::Later(None)));
    assert!(failure.error.contains("refused"), "{}", failure.error);
}
