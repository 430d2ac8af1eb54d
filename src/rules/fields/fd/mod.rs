//! `fd.*`: the file or socket that a system call was about.

mod answers;

use pinhole_rules::field::{Argument, Definition, Kind, Several, Values};
use pinhole_rules::value::{Answer, Value};

use self::answers::{
    address, both, class, directory, filename, host_name, in_container, name, name_raw, port, port_text,
    type_character, without_connection,
};
use super::{Row, absent, named, never, number, one, owned, row, text, truth};
use crate::rules::connection::{Connection, Role, Side};
use crate::rules::descriptor::{Behind, Class};
use crate::rules::reasons;

const NO_DEVICE: &str = "the agent does not read numbers of devices";
const NO_TABLE: &str = "the agent keeps no table of a process's descriptors";
const NO_POLL: &str = "the agent does not watch poll";

/// A row for a field that the sides of a connection have.
macro_rules! sides {
    ($kind:ident, $answer:ident: $($name:literal $side:ident $from:literal;)*) => {
        [$(one($name, Kind::$kind, $from, |subject, _| $answer(subject, Side::$side)),)*]
    };
}

const ADDRESSES: [Row; 8] = sides! { Address, address:
    "fd.cip" Client "the client's address: connect and datagrams that are sent, this end; accept, the other one; unknown for other \
        calls on a connected socket";
    "fd.sip" Server "the server's address; of a bound or listening socket its own";
    "fd.lip" Local "the address of this end";
    "fd.rip" Remote "the address of the other end";
    "fd.cnet" Client "as `fd.cip`";
    "fd.snet" Server "as `fd.sip`";
    "fd.lnet" Local "as `fd.lip`";
    "fd.rnet" Remote "as `fd.rip`";
};
const PORTS: [Row; 4] = sides! { Number, port:
    "fd.cport" Client "the client's port";
    "fd.sport" Server "the server's port";
    "fd.lport" Local "the port of this end";
    "fd.rport" Remote "the port of the other end";
};
const PROTOCOLS: [Row; 4] = sides! { Text, port_text:
    "fd.cproto" Client "the client's port; ports have no names here";
    "fd.sproto" Server "the server's port";
    "fd.lproto" Local "the port of this end";
    "fd.rproto" Remote "the port of the other end";
};
const NAMES: [Row; 4] = [
    name_row("fd.cip.name", |subject, _| host_name(subject, Side::Client)),
    name_row("fd.sip.name", |subject, _| host_name(subject, Side::Server)),
    name_row("fd.lip.name", |subject, _| host_name(subject, Side::Local)),
    name_row("fd.rip.name", |subject, _| host_name(subject, Side::Remote)),
];

const fn name_row(name: &'static str, answer: super::Get) -> Row {
    row(
        name,
        Kind::Text,
        Several::Either,
        Argument::None,
        "the names of the address among those that the agent knows from its own surroundings (the API server's); no name server \
         is asked. Unknown where it knows none at all",
        answer,
    )
}

/// The addresses of either side.
pub(super) static ADDRESS_ROWS: &[Row] = &ADDRESSES;
/// The ports of either side.
pub(super) static PORT_ROWS: &[Row] = &PORTS;
/// The ports of either side, as text.
pub(super) static PROTOCOL_ROWS: &[Row] = &PROTOCOLS;
/// The names of either side's address.
pub(super) static NAME_ROWS: &[Row] = &NAMES;

/// The fields.
pub(super) static ROWS: &[Row] = &[
    one(
        "fd.num",
        Kind::Number,
        "the descriptor that was made or given; -1 where it was not made; of dup the new one",
        |subject, _| subject.descriptor().map_or(Answer::Absent, |it| number(it.number)),
    ),
    one(
        "fd.type",
        Kind::Text,
        "what is behind it, from the kernel's own file or socket",
        |subject, _| match class(subject) {
            Ok(Some(class)) => text(class.word()),
            Ok(None) => Answer::Absent,
            Err(why) => Answer::Unknown(why),
        },
    ),
    one(
        "fd.typechar",
        Kind::Text,
        "the same in a character; of a call that failed what it would have made",
        type_character,
    ),
    one(
        "fd.name",
        Kind::Text,
        "a file's path as the kernel resolved it, so that no symbolic link hides it; below `/proc/self` as it was asked for; \
         where nothing was opened or the kernel's memory cannot be read, the path that was asked for, made absolute. Both ends of \
         a connection, from the client to the server where that is known, else from this end; of unix sockets the path alone",
        |subject, _| named(name(subject)),
    ),
    one(
        "fd.nameraw",
        Kind::Text,
        "the path that was asked for, without doubled slashes; unknown of a file that was opened before",
        name_raw,
    ),
    one(
        "fd.directory",
        Kind::Text,
        "the directory in `fd.name`; of a directory itself",
        directory,
    ),
    one(
        "fd.filename",
        Kind::Text,
        "the last name in `fd.name`; absent for directories and where nothing was opened",
        filename,
    ),
    row(
        "fd.ip",
        Kind::Address,
        Several::Either,
        Argument::None,
        "the addresses of both ends",
        |subject, _| both(subject, |address| Value::Address(address.ip())),
    ),
    row(
        "fd.net",
        Kind::Address,
        Several::Either,
        Argument::None,
        "as `fd.ip`",
        |subject, _| both(subject, |address| Value::Address(address.ip())),
    ),
    row(
        "fd.port",
        Kind::Number,
        Several::Either,
        Argument::None,
        "the ports of both ends",
        |subject, _| both(subject, |address| Value::Number(address.port().into())),
    ),
    row(
        "fd.proto",
        Kind::Text,
        Several::Either,
        Argument::None,
        "the ports of both ends; ports have no names here",
        |subject, _| {
            both(subject, |address| {
                Value::Text(address.port().to_string().into_bytes().into())
            })
        },
    ),
    one(
        "fd.l4proto",
        Kind::Text,
        "`tcp`, `udp`, `icmp`, `raw`, from the kernel's socket",
        |subject, _| match Connection::of(subject).map(|it| it.protocol()) {
            Some(Ok(Some(word))) => text(word),
            Some(Err(why)) => Answer::Unknown(why),
            Some(Ok(None)) => Answer::Absent,
            None => without_connection(subject),
        },
    ),
    one(
        "fd.sockfamily",
        Kind::Text,
        "`ip` or `unix`",
        |subject, _| match class(subject) {
            Ok(Some(class)) if class.is_ip() => text("ip"),
            Ok(Some(Class::Unix)) => text("unix"),
            Ok(_) => Answer::Absent,
            Err(why) => Answer::Unknown(why),
        },
    ),
    one(
        "fd.is_server",
        Kind::Boolean,
        "so after accept and for a bound or listening socket; not after connect; unknown for other calls on a connected socket",
        |subject, _| match (class(subject), Connection::of(subject).map(|it| it.role())) {
            (Err(why), _) => Answer::Unknown(why),
            (Ok(None), _) => Answer::Absent,
            (Ok(Some(class)), Some(role)) if class.is_ip() => match role {
                Role::Server | Role::Listening => truth(true),
                Role::Client | Role::None => truth(false),
                Role::Unknown => Answer::Unknown(reasons::ROLE_UNKNOWN),
            },
            (Ok(Some(_)), _) => truth(false),
        },
    ),
    one(
        "fd.connected",
        Kind::Boolean,
        "the socket's own state when the call returned",
        |subject, _| match Connection::of(subject).map(|it| it.is_connected()) {
            Some(Some(connected)) => truth(connected),
            Some(None) => Answer::Unknown(reasons::DESCRIPTOR_UNREADABLE),
            None => match class(subject) {
                Ok(Some(_)) => truth(false),
                Ok(None) => Answer::Absent,
                Err(why) => Answer::Unknown(why),
            },
        },
    ),
    one(
        "fd.name_changed",
        Kind::Boolean,
        "so for connect, accept and bind that succeeded, and for a message from a socket without a connection, of which the first to \
         a destination is told (with `capture.flows` set to all of them, each)",
        |subject, _| match (class(subject), Connection::of(subject)) {
            (_, Some(connection)) => truth(connection.changed()),
            (Ok(Some(_)), None) => truth(false),
            (Ok(None), None) => Answer::Absent,
            (Err(why), None) => Answer::Unknown(why),
        },
    ),
    one(
        "fd.uid",
        Kind::Text,
        "the thread's id and the descriptor's number",
        |subject, _| {
            let number = subject.descriptor().map(|it| it.number);
            number.map_or(Answer::Absent, |number| {
                owned(format!("{}{number}", subject.header.tid))
            })
        },
    ),
    one(
        "fd.containername",
        Kind::Text,
        "the container's short id, a colon and `fd.name`",
        |subject, _| in_container(subject, named(name(subject))),
    ),
    one(
        "fd.containerdirectory",
        Kind::Text,
        "the container's short id, a colon and `fd.directory`",
        |subject, given| in_container(subject, directory(subject, given)),
    ),
    never("fd.dev", Kind::Number, Argument::None, NO_DEVICE),
    never("fd.dev.major", Kind::Number, Argument::None, NO_DEVICE),
    never("fd.dev.minor", Kind::Number, Argument::None, NO_DEVICE),
    one(
        "fd.ino",
        Kind::Number,
        "the number of the file's or socket's inode",
        |subject, _| match subject.descriptor().map(|it| it.behind) {
            Some(Behind::File { inode, .. }) => number(inode.cast_signed()),
            Some(Behind::Socket(socket)) => number(socket.inode.cast_signed()),
            Some(Behind::Unreadable | Behind::Plain(_)) => Answer::Unknown(reasons::DESCRIPTOR_UNREADABLE),
            Some(Behind::Nothing) | None => Answer::Absent,
        },
    ),
    never_list("fd.types", Kind::Text, Argument::OptionalIndex, NO_TABLE),
];

/// `fdlist.*`: the descriptors that a call waits for.
pub(super) static LISTS: &[Row] = &[
    never_list("fdlist.nums", Kind::Number, Argument::None, NO_POLL),
    never_list("fdlist.names", Kind::Text, Argument::None, NO_POLL),
    never_list("fdlist.cips", Kind::Address, Argument::None, NO_POLL),
    never_list("fdlist.sips", Kind::Address, Argument::None, NO_POLL),
    never_list("fdlist.cports", Kind::Number, Argument::None, NO_POLL),
    never_list("fdlist.sports", Kind::Number, Argument::None, NO_POLL),
];

/// A list of upstream's that has no value here.
const fn never_list(name: &'static str, kind: Kind, argument: Argument, why: &'static str) -> Row {
    Row {
        definition: Definition {
            name,
            kind,
            several: Several::List,
            argument,
            values: Values::Never(why),
        },
        from: "",
        answer: absent,
    }
}
