//! Structures of a process's memory, of which the kernel side reads the beginning. Each function gives nothing where the
//! bytes are too few for what it wants to tell.

use std::borrow::Cow;

use super::names::set::{FlagSet, Flags, Names, name_of};
use super::names::{bpf, capability, family, io_uring, open};
use super::value::{Told, Value};
use crate::capture::call::Peer;

type Fields<'a> = Vec<(&'static str, Value<'a>)>;

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn word(names: Names, number: u32) -> Value<'static> {
    name_of(names, number.into()).map_or(Value::Hex(number.into()), |name| Value::Word(Cow::Borrowed(name)))
}

fn flags(set: &'static FlagSet, bits: u64) -> Value<'static> {
    Value::Flags(Flags { set, bits })
}

/// A name in a field of fixed size; absent where it was not read or is empty.
fn name(bytes: &[u8], at: usize) -> Option<Value<'_>> {
    let field = bytes.get(at..at + 16)?;
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    (end > 0).then(|| Value::Text(String::from_utf8_lossy(&field[..end])))
}

/// `struct sockaddr`: address and port, a path, or of other families the family alone.
pub(super) fn address(bytes: &[u8]) -> Option<Told<'_>> {
    // The length was given as 0.
    if bytes.is_empty() {
        return Some(Told::Nothing);
    }
    let number = u16::from_ne_bytes(*bytes.first_chunk()?);
    Some(Told::Value(match Peer::of_sockaddr(bytes) {
        Some(Peer::Ip(address)) => Value::Ip(address),
        Some(Peer::Unix(path)) => Value::Text(path),
        None => Value::Word(family::family(number)),
    }))
}

/// `struct msghdr`, of which the kernel side gives the address that `msg_name` points to.
pub(super) fn message(bytes: &[u8]) -> Option<Told<'_>> {
    Some(match address(bytes)? {
        Told::Value(address) => Value::Fields(vec![("msg_name", address)]).into(),
        _ => Told::Nothing,
    })
}

/// The flags in a `struct open_how`.
pub(super) fn how_flags(bytes: &[u8]) -> Option<Flags> {
    Some(Flags {
        set: &open::OPEN,
        bits: u64_at(bytes, 0)?,
    })
}

/// `struct open_how` (`include/uapi/linux/openat2.h`).
pub(super) fn open_how(bytes: &[u8]) -> Option<Told<'_>> {
    let how = how_flags(bytes)?;
    let (mode, resolve) = (u64_at(bytes, 8)?, u64_at(bytes, 16)?);
    let mut fields: Fields<'_> = vec![("flags", Value::Flags(how))];
    if mode != 0 || open::creates(how.bits) {
        let octal = u16::try_from(mode).map_or(Value::Hex(mode), Value::Octal);
        fields.push(("mode", octal));
    }
    fields.push(("resolve", flags(&open::RESOLVE, resolve)));
    Some(Value::Fields(fields).into())
}

/// `struct __user_cap_header_struct` (`include/uapi/linux/capability.h`).
pub(super) fn capability_header(bytes: &[u8]) -> Option<Told<'_>> {
    let version = word(capability::VERSIONS, u32_at(bytes, 0)?);
    let pid = u32_at(bytes, 4)?.cast_signed();
    Some(Value::Fields(vec![("version", version), ("pid", Value::Signed(pid.into()))]).into())
}

/// `struct __user_cap_data_struct`: one, or two of which the second has the upper halves.
pub(super) fn capability_data(bytes: &[u8]) -> Option<Told<'_>> {
    let set = |at: usize| {
        let high = u32_at(bytes, at + 12).map_or(0, u64::from);
        Some(Value::Capabilities(capability::Set(
            high << 32 | u64::from(u32_at(bytes, at)?),
        )))
    };
    let fields = vec![("effective", set(0)?), ("permitted", set(4)?), ("inheritable", set(8)?)];
    Some(Value::Fields(fields).into())
}

/// `union bpf_attr` of BPF_PROG_LOAD (`include/uapi/linux/bpf.h`).
pub(super) fn bpf_program(bytes: &[u8]) -> Option<Told<'_>> {
    let mut fields: Fields<'_> = vec![("prog_type", word(bpf::PROGRAM_TYPES, u32_at(bytes, 0)?))];
    fields.extend(name(bytes, 48).map(|name| ("prog_name", name)));
    Some(Value::Fields(fields).into())
}

/// `union bpf_attr` of BPF_MAP_CREATE.
pub(super) fn bpf_map(bytes: &[u8]) -> Option<Told<'_>> {
    let mut fields: Fields<'_> = vec![("map_type", word(bpf::MAP_TYPES, u32_at(bytes, 0)?))];
    fields.extend(name(bytes, 28).map(|name| ("map_name", name)));
    Some(Value::Fields(fields).into())
}

/// `struct io_uring_params` (`include/uapi/linux/io_uring.h`).
pub(super) fn io_uring(bytes: &[u8]) -> Option<Told<'_>> {
    let set = flags(&io_uring::SETUP, u32_at(bytes, 8)?.into());
    Some(Value::Fields(vec![("flags", set)]).into())
}
