//! The connection that a system call was about: the kernel's socket first, then what was asked for.

use std::borrow::Cow;

use super::arguments::asked;
use super::names::{family, protocol, socket};
use super::shape::{Endpoint, Network};
use crate::capture::arg::Kind;
use crate::capture::call::{CallBody, Peer, Socket, What};

/// The connection; absent where the call has none and none was asked for.
#[must_use]
pub fn network<'a>(body: &'a CallBody<'a>) -> Option<Network<'a>> {
    let socket = body.parts.iter().find_map(|part| match &part.what {
        What::Socket(socket) => Some(&**socket),
        _ => None,
    });
    let asked = asked(body);
    if socket.is_none() && asked.is_none() {
        return None;
    }
    let family = socket
        .map(|socket| socket.family)
        .or(asked.as_ref().map(|(family, _)| *family));
    // An empty unix name is none: bind(2) with it asks the kernel for one.
    let named = |peer: &Peer<'_>| !matches!(peer, Peer::Unix(path) if path.is_empty());
    let asked = asked.and_then(|(_, peer)| peer).filter(named).map(endpoint);
    let source = socket.and_then(|socket| socket.source.as_ref()).map(known);
    let destination = socket.and_then(|socket| socket.destination.as_ref()).map(known);
    // bind(2) asks for this end, the others for the other one.
    let (source, destination) = match asked {
        Some(asked) if body.call.name == "bind" => (source.or(Some(asked)), destination),
        Some(asked) if goes_where_asked(body, socket) => (source, Some(asked)),
        asked => (source, destination.or(asked)),
    };
    Some(Network {
        family: family.map(family::family),
        kind: socket.map(|socket| {
            socket::type_word(socket.kind).map_or_else(|| Cow::Owned(socket.kind.to_string()), Cow::Borrowed)
        }),
        protocol: socket.and_then(|socket| protocol::protocol_word(socket.family, socket.protocol)),
        source,
        destination,
    })
}

/// Whether a datagram with an address of its own was sent: it goes there even from a connected socket. A stream goes
/// where it is connected to.
fn goes_where_asked(body: &CallBody<'_>, socket: Option<&Socket<'_>>) -> bool {
    let sends = body
        .call
        .args
        .iter()
        .any(|arg| matches!(arg.kind, Kind::Message | Kind::Address(5)));
    let stream = [libc::SOCK_STREAM, libc::SOCK_SEQPACKET];
    sends && socket.is_some_and(|socket| !stream.contains(&socket.kind.into()))
}

fn known<'a>(peer: &'a Peer<'a>) -> Endpoint<'a> {
    match peer {
        Peer::Ip(address) => Endpoint::of(*address),
        Peer::Unix(path) => Endpoint::Unix {
            path: Cow::Borrowed(path),
        },
    }
}

fn endpoint(peer: Peer<'_>) -> Endpoint<'_> {
    match peer {
        Peer::Ip(address) => Endpoint::of(address),
        Peer::Unix(path) => Endpoint::Unix { path },
    }
}
