//! From the arguments of a system call, as the process passed them, to what is told of them.
//!
//! One function per [`Kind`]. Numbers and words are decided here; structures of a process's memory are understood in
//! [`super::structures`].

use std::borrow::Cow;

use super::names::set::{FlagSet, Flags, Names, name_of};
use super::names::{
    at, bpf, clone, family, memfd, message, module, mount, open, prctl, protocol, ptrace, rename, signal, socket,
    umount,
};
use super::structures;
use super::value::{Args, Told, Value};
use crate::capture::arg::{Bits, Choice, Kind};
use crate::capture::call::{Abi, CallBody, Of, Peer, What};

/// What is told of the arguments.
#[must_use]
pub fn args<'a>(body: &'a CallBody<'a>) -> Args<'a> {
    let mut args = Args {
        call: body.call,
        told: Default::default(),
    };
    for (index, (arg, told)) in body.call.args.iter().zip(&mut args.told).enumerate() {
        *told = tell(Argument { body, index }, arg.kind);
    }
    args
}

/// One argument of one run.
#[derive(Clone, Copy)]
pub(super) struct Argument<'a> {
    pub(super) body: &'a CallBody<'a>,
    pub(super) index: usize,
}

fn tell(arg: Argument<'_>, kind: Kind) -> Told<'_> {
    match kind {
        Kind::Int => int(arg).into(),
        Kind::Size => Value::Unsigned(arg.raw()).into(),
        Kind::Pointer => pointer(arg),
        Kind::Word => word(arg),
        Kind::Unread => Told::Nothing,
        Kind::Pid => pid(arg),
        Kind::Id => id(arg).into(),
        Kind::Mode => mode(arg),
        Kind::Bits(family) => Value::Flags(bits(arg, family)).into(),
        Kind::Choice(family) => choice(arg, family).into(),
        Kind::Protocol => protocol(arg).into(),
        Kind::Text | Kind::Path(_) => text(arg),
        Kind::Name => name(arg),
        Kind::Fd => Value::Signed(arg.int().into()).into(),
        Kind::Address(_) => arg.structure(structures::address),
        Kind::Message => arg.structure(structures::message),
        Kind::OpenHow => arg.structure(structures::open_how),
        Kind::CapHeader => arg.structure(structures::capability_header),
        Kind::CapData => arg.structure(structures::capability_data),
        Kind::Bpf => attributes(arg),
        Kind::IoUring => arg.structure(structures::io_uring),
    }
}

impl<'a> Argument<'a> {
    /// As it was passed, as wide as the process's words are.
    pub(super) fn raw(self) -> u64 {
        let raw = self.body.args.get(self.index).copied().unwrap_or(0);
        match self.body.abi {
            Abi::Native => raw,
            Abi::I386 => raw & u64::from(u32::MAX),
        }
    }

    /// What the kernel makes of it where it expects an `int`.
    pub(super) fn int(self) -> i32 {
        self.unsigned().cast_signed()
    }

    #[expect(clippy::cast_possible_truncation, reason = "as the kernel does")]
    fn unsigned(self) -> u32 {
        self.raw() as u32
    }

    fn sibling(self, index: usize) -> Self {
        Self { index, ..self }
    }

    /// What was read of it.
    fn parts(self) -> impl Iterator<Item = &'a What<'a>> {
        let of = u8::try_from(self.index).map_or(Of::Result, Of::Arg);
        self.body.parts_of(of)
    }

    /// The bytes that were read of it.
    pub(super) fn bytes(self) -> Option<&'a [u8]> {
        self.parts().find_map(|what| match what {
            What::Bytes(bytes) => Some(*bytes),
            _ => None,
        })
    }

    /// Whether it is a directory from which the path in another argument starts.
    fn is_directory(self) -> bool {
        let starts_here = |kind| matches!(kind, Kind::Path(Some(index)) if usize::from(index) == self.index);
        self.body.call.args.iter().any(|arg| starts_here(arg.kind))
    }

    /// A structure behind the pointer, of which `understand` makes nothing when it is too short.
    fn structure(self, understand: fn(&'a [u8]) -> Option<Told<'a>>) -> Told<'a> {
        match self.bytes() {
            Some(bytes) => understand(bytes).unwrap_or(Told::Unread),
            None if self.raw() == 0 => Told::Nothing,
            None => Told::Unread,
        }
    }
}

fn int(arg: Argument<'_>) -> Value<'static> {
    match arg.int() {
        at::FDCWD if arg.is_directory() => Value::Word(Cow::Borrowed("AT_FDCWD")),
        number if arg.is_directory() => Value::Decimal(number.into()),
        number => Value::Signed(number.into()),
    }
}

/// Addresses are arguments of ptrace only, whose operation decides whether they count.
fn pointer(arg: Argument<'_>) -> Told<'static> {
    let operation = arg.sibling(0).raw();
    if arg.body.call.args[0].kind == Kind::Choice(Choice::Ptrace) && !ptrace::takes_data(operation) {
        return Told::Nothing;
    }
    Value::Address(arg.raw()).into()
}

fn pid(arg: Argument<'_>) -> Told<'static> {
    let operation = arg.sibling(0).raw();
    if arg.body.call.args[0].kind == Kind::Choice(Choice::Ptrace) && !ptrace::takes_process(operation) {
        return Told::Nothing;
    }
    Value::Signed(arg.int().into()).into()
}

fn word(arg: Argument<'_>) -> Told<'static> {
    let operation = u64::from(arg.sibling(0).unsigned());
    let raw = arg.raw();
    let names = |names: Names| name_of(names, raw).map_or(Value::Hex(raw), |name| Value::Word(Cow::Borrowed(name)));
    let position = arg.index.saturating_sub(1);
    match prctl::words(operation, arg.sibling(1).raw()).get(position) {
        // Unsigned, as in strace; more than an i64 holds is nobody's number.
        Some(prctl::Word::Number) => i64::try_from(raw).map_or(Value::Hex(raw), Value::Decimal).into(),
        Some(prctl::Word::Process) if arg.int() == -1 => Value::Word(Cow::Borrowed("PR_SET_PTRACER_ANY")).into(),
        Some(prctl::Word::Process) => Value::Decimal(arg.int().into()).into(),
        Some(prctl::Word::Choice(family)) => names(family).into(),
        Some(prctl::Word::Bits(set)) => Value::Flags(Flags { set, bits: raw }).into(),
        Some(prctl::Word::Raw | prctl::Word::Text) => Value::Hex(raw).into(),
        None => Told::Nothing,
    }
}

/// -1 is how the calls that take several ids are told to leave one alone.
fn id(arg: Argument<'_>) -> Value<'static> {
    let narrow = arg.body.abi == Abi::I386 && arg.body.call.narrow_ids(arg.body.number);
    let (id, none) = if narrow {
        (arg.unsigned() & 0xffff, 0xffff)
    } else {
        (arg.unsigned(), u32::MAX)
    };
    if id == none {
        Value::Signed(-1)
    } else {
        Value::Signed(id.into())
    }
}

/// The mode of the calls that open counts only where a file may be made.
fn mode(arg: Argument<'_>) -> Told<'static> {
    let flags = arg.index.checked_sub(1).map(|index| arg.sibling(index));
    if let Some(flags) = flags
        && arg.body.call.args[flags.index].kind == Kind::Bits(Bits::Open)
        && !open::creates(flags.raw())
    {
        return Told::Nothing;
    }
    #[expect(clippy::cast_possible_truncation, reason = "as the kernel does: umode_t")]
    Value::Octal(arg.raw() as u16).into()
}

fn bits(arg: Argument<'_>, family: Bits) -> Flags {
    let set: &'static FlagSet = match family {
        Bits::Open => &open::OPEN,
        Bits::OpenAlone => &open::ALONE,
        Bits::At => &at::AT,
        Bits::Rename => &rename::RENAME,
        Bits::Socket => &socket::SOCKET,
        Bits::Accept => &socket::ACCEPT,
        Bits::Message => &message::MESSAGE,
        Bits::Mount => &mount::MOUNT,
        Bits::Umount => &umount::UMOUNT,
        Bits::Clone => &clone::CLONE,
        Bits::Memfd => &memfd::MEMFD,
        Bits::Module => &module::MODULE,
    };
    Flags {
        set,
        bits: arg.unsigned().into(),
    }
}

/// The flags of a call that opens, where they are an argument of their own.
pub(super) fn open_flags(body: &CallBody<'_>) -> Option<Flags> {
    let index = body
        .call
        .args
        .iter()
        .position(|arg| arg.kind == Kind::Bits(Bits::Open))?;
    Some(bits(Argument { body, index }, Bits::Open))
}

fn choice(arg: Argument<'_>, family: Choice) -> Value<'static> {
    let number = arg.unsigned();
    let names = match family {
        Choice::Signal => return Value::Word(signal::signal(arg.int())),
        Choice::Ptrace => ptrace::OPERATIONS,
        Choice::Prctl => prctl::OPERATIONS,
        Choice::Family => family::FAMILIES,
        Choice::Bpf => bpf::COMMANDS,
    };
    name_of(names, number.into()).map_or(Value::Hex(number.into()), |name| Value::Word(Cow::Borrowed(name)))
}

fn protocol(arg: Argument<'_>) -> Value<'static> {
    let number = arg.int();
    let domain = arg.sibling(0).int();
    if domain == libc::AF_PACKET
        && let Ok(protocol) = u16::try_from(number)
    {
        return Value::Ethernet(u16::from_be(protocol));
    }
    match protocol::protocols(domain) {
        Some(names) => name_of(names, arg.unsigned().into()).map_or(Value::Hex(arg.unsigned().into()), |name| {
            Value::Word(Cow::Borrowed(name))
        }),
        None => Value::Decimal(arg.unsigned().into()),
    }
}

fn text(arg: Argument<'_>) -> Told<'_> {
    let found = arg.parts().find_map(|what| match what {
        What::Text { bytes, truncated } => Some((*bytes, *truncated)),
        _ => None,
    });
    match found {
        Some((bytes, truncated)) => {
            let value = Value::Text(String::from_utf8_lossy(bytes));
            if truncated {
                Told::Cut(value)
            } else {
                Told::Value(value)
            }
        }
        // A path has to be there; other texts may be left out.
        None if arg.raw() == 0 && arg.body.call.args[arg.index].kind == Kind::Text => Told::Nothing,
        None => Told::Unread,
    }
}

fn name(arg: Argument<'_>) -> Told<'_> {
    match prctl::words(arg.sibling(0).unsigned().into(), 0) {
        [prctl::Word::Text, ..] => text(arg),
        _ => word(arg),
    }
}

fn attributes(arg: Argument<'_>) -> Told<'_> {
    match arg.sibling(0).int() {
        bpf::PROG_LOAD => arg.structure(structures::bpf_program),
        bpf::MAP_CREATE => arg.structure(structures::bpf_map),
        _ => Told::Nothing,
    }
}

/// The socket address that the process named, with its family.
pub(super) fn asked<'a>(body: &'a CallBody<'a>) -> Option<(u16, Option<Peer<'a>>)> {
    let index = body
        .call
        .args
        .iter()
        .position(|arg| matches!(arg.kind, Kind::Address(_) | Kind::Message))?;
    let bytes = Argument { body, index }.bytes()?;
    let family = u16::from_ne_bytes(*bytes.first_chunk()?);
    Some((family, Peer::of_sockaddr(bytes)))
}
