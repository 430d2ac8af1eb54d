//! What an event answers for fields of `fd.*`.

use pinhole_rules::field::Given;
use pinhole_rules::value::{Answer, Value};

use crate::rules::connection::{self, Connection, End, Side};
use crate::rules::descriptor::{self, Class, Name};
use crate::rules::fields::{bytes, named, number, owned, text};
use crate::rules::path;
use crate::rules::reasons;
use crate::rules::subject::Subject;

pub(super) fn class(subject: &Subject<'_>) -> Result<Option<Class>, &'static str> {
    match subject.descriptor() {
        Some(it) => descriptor::class(subject, it),
        None => Ok(None),
    }
}

pub(super) fn name<'s>(subject: &'s Subject<'_>) -> Name<'s> {
    subject.descriptor().map_or(Name::Absent, |it| it.name(subject))
}

/// What a field of sockets answers where there is no connection: nothing, unless it is not known what there is.
pub(super) fn without_connection<'s>(subject: &Subject<'_>) -> Answer<'s> {
    match class(subject) {
        Ok(_) => Answer::Absent,
        Err(why) => Answer::Unknown(why),
    }
}

pub(super) fn type_character<'s>(subject: &'s Subject<'_>, _: &Given) -> Answer<'s> {
    match class(subject) {
        Ok(Some(class)) => return text(class.character()),
        Err(why) => return Answer::Unknown(why),
        Ok(None) => {}
    }
    // Nothing was opened.
    match subject.call() {
        Some(call) if subject.descriptor().is_some() => text(match call.call.name {
            "accept" | "accept4" => return Answer::Unknown(reasons::DESCRIPTOR_UNREADABLE),
            "socket" => connection::class_of_family(descriptor::int(call, 0)).character(),
            _ if descriptor::descriptor_is_opened(call) => Class::File.character(),
            _ => Class::Other.character(),
        }),
        _ => Answer::Absent,
    }
}

pub(super) fn name_raw<'s>(subject: &'s Subject<'_>, _: &Given) -> Answer<'s> {
    use crate::capture::arg::Kind as Arg;
    let (Some(call), Some(_)) = (subject.call(), subject.descriptor()) else {
        return Answer::Absent;
    };
    if descriptor::descriptor_is_opened(call) {
        let index = call.call.args.iter().position(|arg| matches!(arg.kind, Arg::Path(_)));
        return match path::requested(call, index.unwrap_or(0)) {
            Ok(path) => bytes(path::single_slashes(path)),
            Err(no) => no.into(),
        };
    }
    match class(subject) {
        Ok(Some(Class::File | Class::Directory)) => Answer::Unknown(reasons::REQUEST_UNKNOWN),
        Ok(_) => Answer::Absent,
        Err(why) => Answer::Unknown(why),
    }
}

/// Where the last name of a path begins, after a slash that is not the last character.
fn last_name(path: &[u8]) -> Option<usize> {
    path.iter().rposition(|byte| *byte == b'/').map(|slash| slash + 1)
}

/// Whether the descriptor is a file, a directory, or was to be one.
fn is_file(subject: &Subject<'_>) -> Result<Option<Class>, &'static str> {
    match class(subject)? {
        Some(class @ (Class::File | Class::Directory)) => Ok(Some(class)),
        Some(_) => Ok(None),
        None => Ok(subject
            .call()
            .filter(|call| descriptor::descriptor_is_opened(call))
            .map(|_| Class::File)),
    }
}

pub(super) fn directory<'s>(subject: &'s Subject<'_>, _: &Given) -> Answer<'s> {
    let class = match is_file(subject) {
        Ok(Some(class)) => class,
        Ok(None) => return Answer::Absent,
        Err(why) => return Answer::Unknown(why),
    };
    match (class, name(subject)) {
        (Class::Directory, name) => named(name),
        (_, Name::Known(path)) => match last_name(&path) {
            Some(at) if at > 1 && at < path.len() => bytes(path[..at - 1].to_vec()),
            Some(at) if at > 1 => bytes(path.into_owned()),
            _ => text("/"),
        },
        (_, name) => named(name),
    }
}

pub(super) fn filename<'s>(subject: &'s Subject<'_>, _: &Given) -> Answer<'s> {
    match class(subject) {
        Ok(Some(Class::File)) => {}
        Ok(_) => return Answer::Absent,
        Err(why) => return Answer::Unknown(why),
    }
    match name(subject) {
        Name::Known(path) => match last_name(&path) {
            Some(at) if at < path.len() => bytes(path[at..].to_vec()),
            Some(_) => bytes(path.into_owned()),
            None => text("/"),
        },
        name => named(name),
    }
}

fn end<'s, 'e>(
    subject: &'s Subject<'e>,
    side: Side,
    answer: impl FnOnce(std::net::SocketAddr) -> Answer<'s>,
) -> Answer<'s> {
    match Connection::of(subject) {
        Some(connection) if connection.class().is_ip() => match connection.end(side) {
            End::Ip(address) => answer(address),
            End::Unknown(why) => Answer::Unknown(why),
            End::Unix(_) | End::Absent => Answer::Absent,
        },
        Some(_) => Answer::Absent,
        None => without_connection(subject),
    }
}

pub(super) fn address<'s>(subject: &'s Subject<'_>, side: Side) -> Answer<'s> {
    end(subject, side, |address| Answer::Known(Value::Address(address.ip())))
}

pub(super) fn port<'s>(subject: &'s Subject<'_>, side: Side) -> Answer<'s> {
    end(subject, side, |address| number(address.port().into()))
}

pub(super) fn port_text<'s>(subject: &'s Subject<'_>, side: Side) -> Answer<'s> {
    end(subject, side, |address| owned(address.port().to_string()))
}

/// The names of an address that are known.
pub(super) fn host_name<'s>(subject: &'s Subject<'_>, side: Side) -> Answer<'s> {
    let known = &subject.host.names;
    end(subject, side, |address| {
        if known.is_empty() {
            return Answer::Unknown(reasons::NAMES_NOT_RESOLVED);
        }
        let names: Vec<_> = known
            .iter()
            .filter(|(_, of)| *of == address.ip())
            .map(|(name, _)| Value::Text(name.as_bytes().into()))
            .collect();
        if names.is_empty() {
            Answer::Absent
        } else {
            Answer::Known(Value::List(names))
        }
    })
}

/// Something of both ends.
pub(super) fn both<'s>(subject: &'s Subject<'_>, value: fn(std::net::SocketAddr) -> Value<'s>) -> Answer<'s> {
    let Some(connection) = Connection::of(subject) else {
        return without_connection(subject);
    };
    if !connection.class().is_ip() {
        return Answer::Absent;
    }
    let mut values = Vec::with_capacity(2);
    let mut missing = None;
    for side in [Side::Local, Side::Remote] {
        match connection.end(side) {
            End::Ip(address) => values.push(value(address)),
            End::Unknown(why) => missing = Some(why),
            End::Unix(_) | End::Absent => {}
        }
    }
    match missing {
        Some(why) => Answer::Partly(values, why),
        None if values.is_empty() => Answer::Absent,
        None => Answer::Known(Value::List(values)),
    }
}

/// A text behind the id of the container.
pub(super) fn in_container<'s>(subject: &Subject<'_>, text: Answer<'s>) -> Answer<'s> {
    use crate::container::outcome::Status;
    let Answer::Known(Value::Text(text)) = text else {
        return text;
    };
    let metadata = &subject.outcome.metadata;
    let id = match (&subject.outcome.container, metadata.status) {
        (Some(container), _) => container.id.get(..12).unwrap_or(&container.id),
        (None, Status::Host) => "host",
        (None, _) => {
            let why = metadata
                .reason
                .map_or(reasons::PROCESS_UNKNOWN, crate::container::Reason::as_str);
            return Answer::Unknown(why);
        }
    };
    bytes([id.as_bytes(), b":", &text].concat())
}
