//! A plausible run of each call: what a process would pass, and what the kernel side would read.

use crate::capture::arg::{Arg, Bits, Choice, Kind};
use crate::capture::call::{Abi, CallBody, KernelNames, Of, Part, Peer, Socket, What};
use crate::capture::calls::{Call, Class, Result as Returns};

/// `/srv`, leaf first.
const SRV: KernelNames<'static> = KernelNames {
    names: b"srv\0",
    flags: 0,
};

/// `struct sockaddr_in` of 192.0.2.1:443.
const ADDRESS: &[u8] = &[2, 0, 1, 187, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0];

/// One run of the call, which succeeds or fails with EPERM.
pub(super) fn run(call: &'static Call, succeeds: bool) -> CallBody<'static> {
    let mut body = CallBody {
        call,
        abi: Abi::Native,
        number: call.number.unwrap_or(0),
        ret: if succeeds { 0 } else { -1 },
        args: [0; 6],
        parts: Vec::new(),
    };
    for (index, arg) in call.args.iter().enumerate() {
        body.args[index] = passed(call, arg);
        let of = Of::Arg(u8::try_from(index).unwrap());
        let read = read(call, arg, succeeds);
        body.parts.extend(read.into_iter().map(|what| Part { of, what }));
    }
    if call.result == Returns::Descriptor && succeeds {
        body.ret = 7;
        let what = if call.class == Class::Network { socket() } else { file() };
        body.parts.push(Part { of: Of::Result, what });
    }
    body
}

fn passed(call: &Call, arg: &Arg) -> u64 {
    let signed = |number: i64| number.cast_unsigned();
    match arg.kind {
        Kind::Int if arg.name == "newdirfd" => 5,
        Kind::Int if arg.name.ends_with("dirfd") => 0xffff_ff9c,
        Kind::Int => 4,
        Kind::Size => 24,
        Kind::Pid => signed(-42),
        Kind::Id if arg.name.starts_with('s') || arg.name == "group" => 0xffff_ffff,
        Kind::Id => 1000,
        Kind::Mode => 0o644,
        Kind::Fd => 3,
        Kind::Bits(family) => match family {
            // O_WRONLY|O_CREAT
            Bits::Open => 0o101,
            // O_CLOEXEC
            Bits::OpenAlone => 0o2_000_000,
            // AT_EMPTY_PATH
            Bits::At => 0x1000,
            // RENAME_NOREPLACE
            Bits::Rename => 1,
            // SOCK_STREAM|SOCK_CLOEXEC
            Bits::Socket => 0o2_000_001,
            // SOCK_CLOEXEC|SOCK_NONBLOCK
            Bits::Accept => 0o2_004_000,
            // MSG_NOSIGNAL
            Bits::Message => 0x4000,
            // MS_BIND|MS_REC
            Bits::Mount => 0x5000,
            // MNT_DETACH
            Bits::Umount => 2,
            // CLONE_NEWNS
            Bits::Clone => 0x20000,
            // MFD_CLOEXEC
            Bits::Memfd => 1,
            // MODULE_INIT_IGNORE_VERMAGIC
            Bits::Module => 2,
        },
        Kind::Choice(family) => match family {
            // SIGKILL
            Choice::Signal => 9,
            // PTRACE_SEIZE
            Choice::Ptrace => 0x4206,
            // PR_SET_NAME
            Choice::Prctl => 15,
            // AF_INET
            Choice::Family => 2,
            // BPF_PROG_LOAD
            Choice::Bpf => 5,
        },
        // IPPROTO_TCP
        Kind::Protocol => 6,
        Kind::Unread if call.name == "mount" => 0,
        Kind::Unread
        | Kind::Word
        | Kind::Pointer
        | Kind::Text
        | Kind::Name
        | Kind::Path(_)
        | Kind::Address(_)
        | Kind::Message
        | Kind::OpenHow
        | Kind::CapHeader
        | Kind::CapData
        | Kind::Bpf
        | Kind::IoUring => 0x7ffc_1000,
    }
}

fn read(call: &Call, arg: &Arg, succeeds: bool) -> Vec<What<'static>> {
    let text = |bytes| {
        vec![What::Text {
            bytes,
            truncated: false,
        }]
    };
    match arg.kind {
        Kind::Path(_) if arg.name == "newpath" || arg.name == "put_old" => text(b"/to"),
        Kind::Path(_) => {
            let mut parts = text(b"from");
            parts.push(What::Directory(SRV));
            parts
        }
        Kind::Text | Kind::Name => text(b"some text"),
        Kind::Fd if call.class == Class::Network && succeeds => vec![socket()],
        Kind::Fd if succeeds => vec![file()],
        Kind::Fd => vec![What::NotOpen],
        Kind::Address(_) | Kind::Message => vec![What::Bytes(ADDRESS)],
        // O_RDWR|O_CREAT, 0600, RESOLVE_BENEATH
        Kind::OpenHow => vec![What::Bytes(&[
            0o102, 0, 0, 0, 0, 0, 0, 0, 0x80, 1, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0,
        ])],
        // Version 3, this process
        Kind::CapHeader => vec![What::Bytes(&[0x22, 5, 8, 0x20, 0, 0, 0, 0])],
        // CAP_CHOWN and CAP_BPF effective, CAP_CHOWN permitted
        Kind::CapData => vec![What::Bytes(&[
            1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ])],
        // BPF_PROG_TYPE_KPROBE named "probe"
        Kind::Bpf => vec![What::Bytes(
            b"\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0probe\0\0\0\0\0\0\0\0\0\0\0",
        )],
        // IORING_SETUP_SQPOLL
        Kind::IoUring => vec![What::Bytes(&[0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0])],
        _ => Vec::new(),
    }
}

/// `/srv/data`
pub(super) fn file() -> What<'static> {
    What::File {
        magic: 0,
        mode: 0o100_644,
        inode: 12,
        path: KernelNames {
            names: b"data\0srv\0",
            flags: 0,
        },
    }
}

/// A TCP connection.
pub(super) fn socket() -> What<'static> {
    What::Socket(Box::new(Socket {
        family: 2,
        kind: 1,
        protocol: 6,
        state: 1,
        inode: 99,
        source: Some(Peer::Ip("10.0.0.1:4000".parse().unwrap())),
        destination: Some(Peer::Ip("10.0.0.2:443".parse().unwrap())),
    }))
}
