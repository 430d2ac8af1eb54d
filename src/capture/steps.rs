//! What the kernel side is told before it is loaded: for each call what to read and which runs to tell, and which hook
//! belongs to which number. All of it follows from the table of calls.
//!
//! The numbers are those of `enum step_kind` and `enum told` in `ebpf/hooks/call.h`.

use super::arg::Kind;
use super::calls::{Call, Result, Told};
use super::hook::{HookSet, ROOM};

/// `STEPS` and `SELECTED` of the kernel side.
const STEPS: usize = 4;
const SELECTED: usize = 12;
/// `SYSCALLS`: more numbers than any architecture has.
pub(super) const NUMBERS: usize = 512;
/// `SOCKETCALLS`.
const SOCKETCALLS: usize = 32;
/// What `aux` says when there is no other argument.
const NO_ARGUMENT: u8 = 255;
/// `socketcall(2)` of i386.
const SOCKETCALL: u16 = 102;
/// PR_SET_NAME (`include/uapi/linux/prctl.h`), after which a string follows.
const PR_SET_NAME: u8 = 15;

/// `enum step_kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum StepKind {
    Text = 1,
    TextIf,
    Path,
    Bytes,
    Message,
    Descriptor,
    Result,
    Cwd,
}

/// `struct step`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub(super) struct Step {
    kind: u8,
    arg: u8,
    aux: u8,
    limit: u8,
}

/// `struct call_spec`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(super) struct Spec {
    steps: [Step; STEPS],
    told: u32,
    selected: [u32; SELECTED],
}

impl Spec {
    const NONE: Self = Self {
        steps: [Step {
            kind: 0,
            arg: 0,
            aux: 0,
            limit: 0,
        }; STEPS],
        told: 0,
        selected: [0; SELECTED],
    };
}

// SAFETY: plain integers in C layout without padding: every bit pattern is valid and every byte is initialised.
#[expect(unsafe_code, reason = "constants are handed to the loader as bytes")]
unsafe impl aya::Pod for Spec {}

/// Which messages of a socket are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flows {
    /// The first to each destination.
    First,
    /// Each.
    All,
}

/// The constants for a set of hooks.
#[derive(Debug)]
pub(super) struct Constants {
    pub(super) specs: Box<[Spec; ROOM]>,
    pub(super) native: [u8; NUMBERS],
    pub(super) i386: [u8; NUMBERS],
    pub(super) socketcalls: [u8; SOCKETCALLS],
    /// A bit for each number that any of them has.
    pub(super) watched: [u64; NUMBERS / 64],
}

impl Constants {
    pub(super) fn of(hooks: HookSet, flows: Flows) -> Self {
        let mut all = Self {
            specs: Box::new([Spec::NONE; ROOM]),
            native: [0; NUMBERS],
            i386: [0; NUMBERS],
            socketcalls: [0; SOCKETCALLS],
            watched: [0; NUMBERS / 64],
        };
        for (hook, call) in hooks.calls() {
            all.specs[hook.index()] = spec(call, flows);
            if let Some(number) = call.number {
                all.native[usize::from(number)] = hook.wire();
                all.watch(number);
            }
            if cfg!(target_arch = "x86_64") {
                for number in call.i386 {
                    all.i386[usize::from(*number)] = hook.wire();
                    all.watch(*number);
                }
                for code in socketcalls(call.name) {
                    all.socketcalls[code] = hook.wire();
                    all.watch(SOCKETCALL);
                }
            }
        }
        all
    }

    fn watch(&mut self, number: u16) {
        self.watched[usize::from(number / 64)] |= 1 << (number % 64);
    }
}

/// The codes of a call behind `socketcall(2)` (`include/uapi/linux/net.h`). send is sendto without a destination.
pub(super) fn socketcalls(name: &str) -> impl Iterator<Item = usize> {
    const CODES: [(&str, usize); 10] = [
        ("socket", 1),
        ("bind", 2),
        ("connect", 3),
        ("listen", 4),
        ("accept", 5),
        ("sendto", 9),
        ("sendto", 11),
        ("sendmsg", 16),
        ("accept4", 18),
        ("sendmmsg", 20),
    ];
    CODES
        .into_iter()
        .filter_map(move |(call, code)| (call == name).then_some(code))
}

fn spec(call: &Call, flows: Flows) -> Spec {
    let mut spec = Spec::NONE;
    let result = match call.result {
        Result::Number => None,
        Result::Descriptor => Some(StepKind::Result),
        Result::Directory => Some(StepKind::Cwd),
    };
    let args = call
        .args
        .iter()
        .zip(0..)
        .filter_map(|(arg, index)| step(arg.kind, index, call.result != Result::Number));
    let result = result.map(|kind| Step {
        kind: kind as u8,
        arg: NO_ARGUMENT,
        aux: NO_ARGUMENT,
        limit: 0,
    });
    for (index, step) in args.chain(result).enumerate() {
        spec.steps[index] = step;
    }
    spec.told = match call.told {
        Told::All => 0,
        Told::Failures => 1,
        Told::FirstOfFlow if flows == Flows::All => 0,
        Told::FirstOfFlow => 2,
        Told::Selected(values) => {
            // The rest repeats the first, so that it selects nothing else.
            spec.selected = std::array::from_fn(|index| values.get(index).copied().unwrap_or(values[0]));
            3
        }
    };
    spec
}

fn step(kind: Kind, arg: u8, result: bool) -> Option<Step> {
    let step = |kind: StepKind, aux: Option<u8>, limit| {
        Some(Step {
            kind: kind as u8,
            arg,
            aux: aux.unwrap_or(NO_ARGUMENT),
            limit,
        })
    };
    match kind {
        Kind::Text => step(StepKind::Text, None, 0),
        Kind::Name => step(StepKind::TextIf, None, PR_SET_NAME),
        Kind::Path(dirfd) => step(StepKind::Path, dirfd, u8::from(result)),
        Kind::Address(size) => step(StepKind::Bytes, Some(size), 0),
        // struct open_how; struct __user_cap_header_struct; two struct __user_cap_data_struct.
        Kind::OpenHow => step(StepKind::Bytes, None, 24),
        Kind::CapHeader => step(StepKind::Bytes, None, 8),
        Kind::CapData => step(StepKind::Bytes, None, 24),
        // Up to the names of programs and maps, as long as the process says that its structure is.
        Kind::Bpf => step(StepKind::Bytes, Some(arg + 1), 0),
        // entries and flags.
        Kind::IoUring => step(StepKind::Bytes, None, 12),
        Kind::Message => step(StepKind::Message, None, 0),
        Kind::Fd => step(StepKind::Descriptor, None, 0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::calls::CALLS;

    #[test]
    fn every_call_fits_the_kernel_side() {
        let all = Constants::of(HookSet::BASE.with_calls(|_| true), Flows::First);
        for (hook, call) in HookSet::BASE.with_calls(|_| true).calls() {
            if let Some(number) = call.number {
                assert_eq!(
                    all.native[usize::from(number)],
                    hook.wire(),
                    "{}: a number used twice",
                    call.name
                );
            }
            for number in call.i386 {
                assert_eq!(
                    all.i386[usize::from(*number)],
                    hook.wire(),
                    "{}: a number used twice",
                    call.name
                );
            }
            assert!(call.args.len() <= 6, "{}", call.name);
            if let Told::Selected(values) = call.told {
                assert!((1..=SELECTED).contains(&values.len()), "{}", call.name);
            }
        }
        let mut names: Vec<&str> = CALLS.iter().map(|call| call.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CALLS.len(), "a call has two rows");
    }

    #[test]
    fn the_kernel_side_numbers_the_steps_alike() {
        let header = include_str!("../../ebpf/hooks/call.h");
        let kinds: Vec<&str> = header
            .split_once("enum step_kind {")
            .and_then(|(_, rest)| rest.split_once("};"))
            .unwrap()
            .0
            .split(',')
            .filter_map(|part| part.trim().lines().last()?.trim().strip_prefix("STEP_"))
            .collect();
        let ours = [
            StepKind::Text,
            StepKind::TextIf,
            StepKind::Path,
            StepKind::Bytes,
            StepKind::Message,
            StepKind::Descriptor,
            StepKind::Result,
            StepKind::Cwd,
        ];
        assert_eq!(kinds[0], "END");
        for kind in ours {
            let name = format!("{kind:?}").to_uppercase();
            assert_eq!(kinds[kind as usize].replace('_', ""), name);
        }
        assert_eq!(kinds.len(), ours.len() + 1);
    }

    #[test]
    fn only_what_is_watched_has_a_bit() {
        let hooks = HookSet::BASE.with_calls(|call| call.name == "openat");
        let all = Constants::of(hooks, Flows::First);
        let watched: u32 = all.watched.iter().map(|word| word.count_ones()).sum();
        assert_eq!(watched, 1 + u32::from(cfg!(target_arch = "x86_64")));
        let none = Constants::of(HookSet::BASE, Flows::First);
        assert_eq!(none.watched, [0; NUMBERS / 64]);
    }
}
