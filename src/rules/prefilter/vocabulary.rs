//! Which fields the kernel side can test, and how: what a value of a field says of the facts of a call.
//!
//! The kernel's answer and that of [`crate::rules::fields`] must be of one mind, or the kernel's must be that it cannot tell.

use std::sync::LazyLock;

use pinhole_rules::catalogue::EventType;
use pinhole_rules::engine::necessary::{Axis, Means, Part, Patterns, Values, Vocabulary, Word};
use pinhole_rules::field::Field;

use crate::capture::Hook;
use crate::capture::arg::{Bits, Kind};
use crate::capture::calls::{Call, Class, Result as Returns};
use crate::capture::prefilter::Fact;
use crate::event::names::open;
use crate::rules::catalogue::CATALOGUE;

static RESULT: Axis = Axis {
    name: "result",
    classes: &["failed", "in progress", "0 to 2", "more"],
    certain: true,
};
static ACCESS: Axis = Axis {
    name: "access",
    classes: &["O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"],
    certain: true,
};
static TRUNCATES: Axis = Axis {
    name: "O_TRUNC",
    classes: &["no", "yes"],
    certain: true,
};
static DESCRIPTOR: Axis = Axis {
    name: "descriptor",
    classes: &["internet", "others"],
    certain: false,
};
static PLACE: Axis = Axis {
    name: "where",
    classes: &["host", "container"],
    certain: false,
};
static PATH: Axis = Axis {
    name: "path",
    classes: &[],
    certain: false,
};
static REQUEST: Axis = Axis {
    name: "path asked for",
    classes: &[],
    certain: false,
};

/// Declares the values of a first argument that are told apart, all others being one.
macro_rules! values {
    ($axis:ident, $values:ident, $classes:ident, $what:literal: $($text:literal = $number:expr),*) => {
        static $axis: Axis = Axis { name: $what, classes: &[$($text,)* "others"], certain: true };
        static $values: &[(u32, &str)] = &[$(($number, $text)),*];
        static $classes: &[Values] = &[$(Values::Texts(&[$text]),)* Values::Others];
    };
}

// include/uapi/linux/ptrace.h
values!(OPERATION, OPERATIONS, OPERATION_CLASSES, "operation":
    "PTRACE_TRACEME" = 0, "PTRACE_POKETEXT" = 4, "PTRACE_POKEDATA" = 5, "PTRACE_CONT" = 7, "PTRACE_KILL" = 8,
    "PTRACE_SETREGS" = 13, "PTRACE_ATTACH" = 16, "PTRACE_SYSCALL" = 24, "PTRACE_SEIZE" = 0x4206);
// include/linux/socket.h
values!(DOMAIN, DOMAINS, DOMAIN_CLASSES, "domain":
    "AF_UNIX" = 1, "AF_INET" = 2, "AF_INET6" = 10, "AF_NETLINK" = 16, "AF_PACKET" = 17, "AF_ALG" = 38, "AF_VSOCK" = 40);

/// What the kernel side has of a call.
pub(super) struct Axes {
    /// The argument with the flags of open(2).
    pub(super) flags: Option<u8>,
    /// The argument with the path that was asked for.
    pub(super) text: Option<u8>,
    /// Values of the first argument.
    pub(super) values: &'static [(u32, &'static str)],
    /// Whether the first argument is a descriptor that may be a socket.
    pub(super) family: bool,
}

impl Axes {
    pub(super) fn of(hook: Hook) -> Self {
        let call = hook.call();
        let find = |wanted: fn(&Kind) -> bool| {
            let at = call?.args.iter().position(|arg| wanted(&arg.kind))?;
            // Those that the kernel side can choose from.
            u8::try_from(at).ok().filter(|at| *at < 3)
        };
        Self {
            flags: find(|kind| matches!(kind, Kind::Bits(Bits::Open))),
            text: find(|kind| matches!(kind, Kind::Path(_))).filter(|_| call.is_some_and(opens)),
            values: match call.map(|call| call.name) {
                Some("ptrace") => OPERATIONS,
                Some("socket") => DOMAINS,
                _ => &[],
            },
            family: call.is_some_and(has_descriptor),
        }
    }
}

/// Whether the call opens a file by its path.
fn opens(call: &Call) -> bool {
    call.result == Returns::Descriptor && call.args.iter().any(|arg| matches!(arg.kind, Kind::Path(_)))
}

/// Whether it is about the descriptor in its first argument, of which rules may ask for the kind of socket.
fn has_descriptor(call: &Call) -> bool {
    let given = call.args.first().is_some_and(|arg| arg.kind == Kind::Fd);
    given && (call.class == Class::Network || call.name.starts_with("dup"))
}

/// What the kernel side can test for a hook.
pub(super) struct Kernel {
    pub(super) hook: Hook,
}

const FILE: Patterns = Patterns {
    equal: true,
    name: true,
    begins: true,
    ends: true,
    contains: false,
};
const PARTS: Patterns = Patterns {
    equal: false,
    name: false,
    begins: false,
    ends: false,
    contains: true,
};

/// The flags of open(2) as rules read them.
static FLAGS: LazyLock<Vec<Word>> = LazyLock::new(|| {
    let words = open::words().map(|text| Word {
        text,
        axis: (text == "O_TRUNC").then_some(&TRUNCATES),
    });
    words.collect()
});

impl Vocabulary for Kernel {
    fn means(&self, _: EventType, field: &Field) -> Option<Means> {
        let call = self.hook.call()?;
        let axes = Axes::of(self.hook);
        let classes = |axis, values| Some(Means::Classes { axis, values });
        let path = |part| {
            opens(call).then_some(Means::Text {
                axis: &PATH,
                part,
                patterns: FILE,
                clean: true,
            })
        };
        match &*CATALOGUE.name(field) {
            "evt.rawres" => classes(
                &RESULT,
                &[
                    Values::Numbers(&[i64::MIN..=-116, -114..=-1]),
                    Values::Numbers(&[-115..=-115]),
                    Values::Numbers(&[0..=2]),
                    Values::Numbers(&[3..=i64::MAX]),
                ],
            ),
            "evt.res" => classes(
                &RESULT,
                &[
                    Values::Others,
                    Values::Texts(&["EINPROGRESS"]),
                    Values::Texts(&["SUCCESS"]),
                    Values::Texts(&["SUCCESS"]),
                ],
            ),
            "evt.failed" => classes(
                &RESULT,
                &[
                    Values::Truth(true),
                    Values::Truth(true),
                    Values::Truth(false),
                    Values::Truth(false),
                ],
            ),
            "fd.num" if call.result == Returns::Descriptor => classes(
                &RESULT,
                &[
                    Values::Numbers(&[-1..=-1]),
                    Values::Numbers(&[-1..=-1]),
                    Values::Numbers(&[0..=2]),
                    Values::Numbers(&[3..=i64::MAX]),
                ],
            ),
            // A failed one is about the descriptor that was given.
            "fd.num" if call.name.starts_with("dup") => classes(
                &RESULT,
                &[
                    Values::Numbers(&[i64::MIN..=i64::MAX]),
                    Values::Numbers(&[i64::MIN..=i64::MAX]),
                    Values::Numbers(&[0..=2]),
                    Values::Numbers(&[3..=i64::MAX]),
                ],
            ),
            "evt.is_open_read" if axes.flags.is_some() => classes(
                &ACCESS,
                &[
                    Values::Truth(true),
                    Values::Truth(false),
                    Values::Truth(true),
                    Values::Truth(true),
                ],
            ),
            "evt.is_open_write" if axes.flags.is_some() => classes(
                &ACCESS,
                &[
                    Values::Truth(false),
                    Values::Truth(true),
                    Values::Truth(true),
                    Values::Truth(false),
                ],
            ),
            "evt.arg.flags" if axes.flags.is_some() => Some(Means::Words {
                separator: b'|',
                words: &FLAGS,
            }),
            "evt.arg.request" if call.name == "ptrace" => classes(&OPERATION, OPERATION_CLASSES),
            "evt.arg.domain" if call.name == "socket" => classes(&DOMAIN, DOMAIN_CLASSES),
            "fd.type" if axes.family => classes(&DESCRIPTOR, &[Values::Texts(&["ipv4", "ipv6"]), Values::Others]),
            "fd.typechar" if axes.family => {
                classes(&DESCRIPTOR, &[Values::Texts(&["4", "6", "2", "3"]), Values::Others])
            }
            "container.id" | "container.full_id" => classes(&PLACE, &[Values::Texts(&["host"]), Values::Others]),
            "fd.name" | "fs.path.name" => path(Part::Whole),
            "fd.directory" => path(Part::Directory),
            "fd.filename" => path(Part::Name),
            "fd.nameraw" | "fs.path.nameraw" if axes.text.is_some() => Some(Means::Text {
                axis: &REQUEST,
                part: Part::Whole,
                patterns: PARTS,
                clean: false,
            }),
            _ => None,
        }
    }
}

/// The fact that a class is.
pub(super) fn fact(axis: &Axis, class: usize) -> Option<Fact> {
    let number = u8::try_from(class).ok()?;
    let last = class + 1 == axis.classes.len();
    Some(match axis.name {
        name if name == RESULT.name => [Fact::Failed, Fact::InProgress, Fact::Standard, Fact::More]
            .get(class)
            .copied()?,
        name if name == ACCESS.name => Fact::Access(number),
        name if name == TRUNCATES.name => [Fact::Keeps, Fact::Truncates].get(class).copied()?,
        name if name == DESCRIPTOR.name => [Fact::Internet, Fact::Else].get(class).copied()?,
        // The kernel side knows hosts' only.
        name if name == PLACE.name && class == 0 => Fact::Host,
        name if name == OPERATION.name || name == DOMAIN.name => {
            if last {
                Fact::OtherValue
            } else {
                Fact::Value(number)
            }
        }
        _ => return None,
    })
}

/// Whether the axis is the path of the file that was opened.
pub(super) fn is_path(axis: &Axis) -> bool {
    axis.name == PATH.name
}
