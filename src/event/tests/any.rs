//! Whatever a process passes and whatever is read, there is an event.

use proptest::prelude::*;

use super::told;
use crate::capture::call::{Abi, CallBody, KernelNames, Of, Part, Peer, Socket, What};
use crate::capture::calls::CALLS;

fn what<'a>(kind: u8, bytes: &'a [u8], number: u64) -> What<'a> {
    let names = KernelNames {
        names: bytes,
        #[expect(clippy::cast_possible_truncation, reason = "any number will do")]
        flags: number as u32,
    };
    #[expect(clippy::cast_possible_truncation, reason = "any number will do")]
    match kind {
        0 => What::Text {
            bytes,
            truncated: number & 1 == 0,
        },
        1 => What::Bytes(bytes),
        2 => What::Unreadable,
        3 => What::Directory(names),
        4 => What::File {
            magic: [0, 0x6e73_6673, 0x5049_4446, 0x0904_1934, 0x5049_5045, 0x534f_434b][(number % 6) as usize],
            mode: (number >> 32) as u32,
            inode: number,
            path: names,
        },
        5 => What::NotOpen,
        _ => What::Socket(Box::new(Socket {
            family: number as u16,
            kind: (number >> 8) as u16,
            protocol: (number >> 16) as u16,
            state: (number >> 24) as u8,
            inode: number,
            source: Peer::of_sockaddr(bytes),
            destination: Peer::of_sockaddr(bytes),
        })),
    }
}

proptest! {
    #[test]
    fn any_arguments_and_parts_are_told(
        args in any::<[u64; 6]>(),
        small in any::<bool>(),
        ret in prop_oneof![-4200_i64..10, any::<i64>()],
        i386 in any::<bool>(),
        number in any::<u16>(),
        parts in prop::collection::vec((0_u8..8, 0_u8..8, prop::collection::vec(any::<u8>(), 0..80), any::<u64>()), 0..6),
    ) {
        for call in CALLS {
            let body = CallBody {
                call,
                abi: if i386 { Abi::I386 } else { Abi::Native },
                number,
                ret,
                // Small numbers are those that have names.
                args: if small { args.map(|arg| arg & 0x3f) } else { args },
                parts: parts
                    .iter()
                    .map(|(of, kind, bytes, number)| Part {
                        of: if *of > 6 { Of::Result } else { Of::Arg(*of) },
                        what: what(*kind, bytes, *number),
                    })
                    .collect(),
            };
            let (json, text) = told(body);
            prop_assert_eq!(json["syscall"]["name"].as_str(), Some(call.name));
            prop_assert!(!json.to_string().contains("null"), "{}", json);
            prop_assert_eq!(text.matches('\n').count(), 1, "{}", text);
            // Each argument is told, listed as unread, or has nothing to tell; never two of these.
            let syscall = &json["syscall"];
            let unread = syscall["unread"].as_array().cloned().unwrap_or_default();
            for name in unread {
                prop_assert!(syscall["args"][name.as_str().unwrap()].is_null(), "{}", syscall);
            }
        }
    }
}
