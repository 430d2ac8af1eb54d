//! Sockets: on the loopback device, on ports that the kernel chooses, and in the actor's directory.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use nix::errno::Errno;
use serde_json::{Value, json};

use super::super::actor::{Actor, copy_of, sockaddr};
use super::super::given::{Given, named, null, number, raw};
use super::files::none;

const NONBLOCKING_STREAM: i32 = libc::SOCK_STREAM | libc::SOCK_NONBLOCK;

fn socket(actor: &mut Actor, family: i32, kind: i32) -> i64 {
    let families = [
        (libc::AF_INET, "AF_INET"),
        (libc::AF_INET6, "AF_INET6"),
        (libc::AF_UNIX, "AF_UNIX"),
    ];
    let (_, family_name) = families.iter().find(|(number, _)| *number == family).unwrap();
    let kinds = [
        (libc::SOCK_STREAM, "SOCK_STREAM", "stream"),
        (NONBLOCKING_STREAM, "SOCK_STREAM|SOCK_NONBLOCK", "stream"),
        (
            libc::SOCK_DGRAM | libc::SOCK_CLOEXEC,
            "SOCK_DGRAM|SOCK_CLOEXEC",
            "dgram",
        ),
        (libc::SOCK_SEQPACKET, "SOCK_SEQPACKET", "seqpacket"),
    ];
    let (_, words, kind_name) = kinds.iter().find(|(number, ..)| *number == kind).unwrap();
    let made = actor.succeeds("socket", &[named(family, family_name), named(kind, words), raw(0)]);
    let protocol = match (family, kind_name) {
        (libc::AF_UNIX, _) => Value::Null,
        (_, &"stream") => "tcp".into(),
        _ => "udp".into(),
    };
    actor.expects(json!({ "network": {
        "family": family_name, "type": kind_name, "protocol": protocol, "source": null, "destination": null,
    }}));
    made
}

/// The ends as the library sees them; it does not mind what kind of socket it is.
fn seen(socket: i64) -> UdpSocket {
    copy_of(socket).into()
}

fn own(socket: i64) -> SocketAddr {
    seen(socket).local_addr().unwrap()
}

fn peer(socket: i64) -> SocketAddr {
    seen(socket).peer_addr().unwrap()
}

fn end(address: SocketAddr) -> Value {
    json!({ "address": address.ip().to_string(), "port": address.port() })
}

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// What must be told of a socket that is connected.
fn expects_ends(actor: &mut Actor, socket: i64) {
    let (source, destination) = (own(socket), peer(socket));
    actor.expects(json!({ "network": {
        "family": if source.is_ipv4() { "AF_INET" } else { "AF_INET6" },
        "source": end(source), "destination": end(destination),
    }}));
}

/// A bound socket that listens.
fn listener(actor: &mut Actor, ip: std::net::IpAddr) -> i64 {
    let family = if ip.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let socket = socket(actor, family, NONBLOCKING_STREAM);
    let [to, length] = actor.address((ip, 0).into());
    actor.succeeds("bind", &[number(socket), to, length]);
    actor.expects(json!({ "network": { "source": end(own(socket)), "destination": null, "protocol": "tcp" } }));
    actor.succeeds("listen", &[number(socket), number(5)]);
    actor.expects(json!({ "network": { "source": end(own(socket)), "type": "stream" } }));
    socket
}

fn client(actor: &mut Actor, to: SocketAddr) -> i64 {
    let family = if to.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let client = socket(actor, family, libc::SOCK_STREAM);
    let [address, length] = actor.address(to);
    actor.succeeds("connect", &[number(client), address, length]);
    expects_ends(actor, client);
    client
}

pub(super) fn streams(actor: &mut Actor) {
    actor.fails(
        "socket",
        &[
            named(libc::AF_INET, "AF_INET"),
            named(libc::SOCK_SEQPACKET, "SOCK_SEQPACKET"),
            raw(0),
        ],
        &[Errno::ESOCKTNOSUPPORT],
    );
    actor.expects(json!({ "network": null }));
    let listens = listener(actor, Ipv4Addr::LOCALHOST.into());
    let at = own(listens);
    let other = socket(actor, libc::AF_INET, libc::SOCK_STREAM);
    let [taken, length] = actor.address(at);
    actor.fails(
        "bind",
        &[number(other), taken.clone(), length.clone()],
        &[Errno::EADDRINUSE],
    );
    actor.fails("bind", &[none(), taken.clone(), length.clone()], &[Errno::EBADF]);
    actor.fails("listen", &[none(), number(1)], &[Errno::EBADF]);
    actor.expects(json!({ "network": null }));

    actor.fails("accept", &[number(listens), null(), null()], &[Errno::EAGAIN]);
    let first = client(actor, at);
    let accepted = actor.succeeds("accept", &[number(listens), null(), null()]);
    expects_ends(actor, accepted);
    assert_eq!(
        (peer(accepted), own(accepted)),
        (own(first), at),
        "they found each other"
    );
    let second = client(actor, at);
    let closing = named(libc::SOCK_CLOEXEC, "SOCK_CLOEXEC");
    let accepted = actor.succeeds("accept4", &[number(listens), null(), null(), closing.clone()]);
    expects_ends(actor, accepted);
    actor.fails("accept4", &[number(listens), null(), null(), closing], &[Errno::EAGAIN]);
    actor.fails("accept4", &[number(listens), null(), null(), raw(0)], &[Errno::EAGAIN]);

    // Bound and not listening: nobody answers.
    let silent = socket(actor, libc::AF_INET, libc::SOCK_STREAM);
    let [to, length] = actor.address(local(0));
    actor.succeeds("bind", &[number(silent), to, length.clone()]);
    let refused = own(silent);
    let [to, _] = actor.address(refused);
    let third = socket(actor, libc::AF_INET, libc::SOCK_STREAM);
    actor.fails(
        "connect",
        &[number(third), to.clone(), length.clone()],
        &[Errno::ECONNREFUSED],
    );
    actor.expects(json!({ "network": { "destination": end(refused) } }));
    actor.fails("connect", &[none(), to.clone(), length.clone()], &[Errno::EBADF]);
    actor.expects(json!({ "network": { "destination": end(refused), "protocol": null } }));
    actor.fails("connect", &[number(second), to, length.clone()], &[Errno::EISCONN]);
    expects_ends(actor, second);
    actor.fails("connect", &[number(third), raw(8), length.clone()], &[Errno::EFAULT]);
    actor.expects(json!({ "syscall": { "unread": ["addr"], "args": { "addr": null } } }));

    // Where a stream goes is where it is connected to. The flow of a message is its socket and that.
    let data = actor.bytes(b"data");
    let quiet = named(libc::MSG_NOSIGNAL, "MSG_NOSIGNAL");
    let sends = [number(first), data.clone(), number(4), quiet.clone(), null(), number(0)];
    actor.succeeds("sendto", &sends);
    expects_ends(actor, first);
    actor.succeeds("sendto", &sends);
    actor.repeats();
    expects_ends(actor, first);
    actor.fails(
        "sendto",
        &[none(), data.clone(), number(4), quiet.clone(), taken, length],
        &[Errno::EBADF],
    );
    actor.expects(json!({ "network": { "destination": end(at) } }));
    let unconnected = socket(actor, libc::AF_INET, libc::SOCK_STREAM);
    let sends = [number(unconnected), data, number(4), quiet, null(), number(0)];
    actor.fails("sendto", &sends, &[Errno::EPIPE]);
    actor.expects(json!({ "network": { "destination": null, "type": "stream" } }));

    let listens = listener(actor, Ipv6Addr::LOCALHOST.into());
    client(actor, own(listens));
}

/// A `struct msghdr` with one piece of data, as the way into the kernel wants it.
fn message(actor: &mut Actor, to: Option<&[u8]>) -> Vec<u64> {
    let data = actor.memory.put(b"message");
    let pieces = actor.pointers(&[data, 7]).raw;
    let (name, length) = to.map_or((0, 0), |to| (actor.memory.put(to), to.len() as u64));
    // msg_namelen is an int in the room of a word.
    vec![name, length, pieces, 1, 0, 0, 0]
}

fn message_to(actor: &mut Actor, to: Option<SocketAddr>) -> Given {
    let bytes = to.map(sockaddr);
    let words = message(actor, bytes.as_deref());
    let header = actor.pointers(&words);
    Given {
        told: to.map(|to| json!({ "msg_name": to.to_string() })),
        ..header
    }
}

/// An array of two `struct mmsghdr`.
fn messages_to(actor: &mut Actor, to: SocketAddr) -> Given {
    let bytes = sockaddr(to);
    let mut words = Vec::new();
    for _ in 0..2 {
        words.extend(message(actor, Some(&bytes)));
        // msg_len, in the room of a word.
        words.push(0);
    }
    let array = actor.pointers(&words);
    Given {
        told: Some(json!({ "msg_name": to.to_string() })),
        ..array
    }
}

pub(super) fn datagrams(actor: &mut Actor) {
    let datagram = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
    let bound = |actor: &mut Actor| {
        let socket = socket(actor, libc::AF_INET, datagram);
        let [to, length] = actor.address(local(0));
        actor.succeeds("bind", &[number(socket), to, length]);
        actor.expects(json!({ "network": { "source": end(own(socket)), "protocol": "udp" } }));
        socket
    };
    let (one, two) = (bound(actor), bound(actor));
    let (to_one, to_two) = (own(one), own(two));
    let data = actor.bytes(b"datagram");
    let quiet = || named(libc::MSG_DONTWAIT, "MSG_DONTWAIT");
    let from = bound(actor);
    let goes =
        |to: SocketAddr| json!({ "network": { "source": end(own(from)), "destination": end(to), "protocol": "udp" } });
    for (to, repeated) in [(to_one, false), (to_one, true), (to_two, false), (to_one, true)] {
        let [address, length] = actor.address(to);
        actor.succeeds(
            "sendto",
            &[number(from), data.clone(), number(8), quiet(), address, length],
        );
        actor.expects(goes(to));
        if repeated {
            actor.repeats();
        }
    }
    let from = bound(actor);
    let goes =
        |to: SocketAddr| json!({ "network": { "source": end(own(from)), "destination": end(to), "protocol": "udp" } });
    for (to, repeated) in [(to_one, false), (to_one, true), (to_two, false)] {
        let message = message_to(actor, Some(to));
        actor.succeeds("sendmsg", &[number(from), message, quiet()]);
        actor.expects(goes(to));
        if repeated {
            actor.repeats();
        }
    }
    let nowhere = message_to(actor, None);
    actor.fails("sendmsg", &[number(from), nowhere, quiet()], &[Errno::EDESTADDRREQ]);
    actor.expects(json!({ "network": { "source": end(own(from)), "destination": null } }));
    let message = message_to(actor, Some(to_one));
    actor.fails("sendmsg", &[none(), message, quiet()], &[Errno::EBADF]);
    actor.expects(json!({ "network": { "destination": end(to_one), "type": null } }));

    let from = bound(actor);
    let both = messages_to(actor, to_two);
    let sent = actor.succeeds("sendmmsg", &[number(from), both.clone(), number(2), quiet()]);
    assert_eq!(sent, 2, "both messages");
    actor.expects(json!({ "network": { "source": end(own(from)), "destination": end(to_two) } }));
    actor.succeeds("sendmmsg", &[number(from), both.clone(), number(1), quiet()]);
    actor.repeats();
    actor.fails("sendmmsg", &[none(), both, number(2), quiet()], &[Errno::EBADF]);

    // A connected socket of datagrams has a destination of its own.
    let [to, length] = actor.address(to_one);
    actor.succeeds("connect", &[number(from), to, length]);
    expects_ends(actor, from);
    actor.succeeds("sendto", &[number(from), data, number(8), raw(0), null(), number(0)]);
    expects_ends(actor, from);
}

pub(super) fn unix(actor: &mut Actor) {
    let (path, hidden) = (actor.path("socket"), format!("@pinhole-deeds-{}", actor.tid()));
    for (name, kind) in [(&path, libc::SOCK_STREAM), (&hidden, libc::SOCK_SEQPACKET)] {
        let listens = socket(actor, libc::AF_UNIX, kind);
        let [at, length] = actor.unix_address(name);
        actor.succeeds("bind", &[number(listens), at.clone(), length.clone()]);
        actor.expects(json!({ "network": { "family": "AF_UNIX", "source": { "path": name }, "protocol": null } }));
        let refused = socket(actor, libc::AF_UNIX, kind);
        actor.fails(
            "connect",
            &[number(refused), at.clone(), length.clone()],
            &[Errno::ECONNREFUSED],
        );
        actor.expects(json!({ "network": { "destination": { "path": name }, "source": null } }));
        actor.succeeds("listen", &[number(listens), number(1)]);
        actor.expects(json!({ "network": { "source": { "path": name } } }));
        let client = socket(actor, libc::AF_UNIX, kind);
        actor.succeeds("connect", &[number(client), at.clone(), length.clone()]);
        actor.expects(json!({ "network": { "destination": { "path": name }, "source": null } }));
        actor.succeeds("accept4", &[number(listens), null(), null(), raw(0)]);
        actor.expects(json!({ "network": { "source": { "path": name }, "family": "AF_UNIX" } }));
        actor.fails("bind", &[number(refused), at, length], &[Errno::EADDRINUSE]);
    }
    let nobody = actor.path("nobody");
    let lost = socket(actor, libc::AF_UNIX, libc::SOCK_STREAM);
    let [to, length] = actor.unix_address(&nobody);
    actor.fails("connect", &[number(lost), to, length], &[Errno::ENOENT]);
    actor.expects(json!({ "network": { "destination": { "path": nobody } } }));
}
