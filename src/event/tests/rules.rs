//! What the plain runs of [`super::sample`] do not show.

use serde_json::{Value, json};

use super::{sample, told};
use crate::capture::call::{Abi, CallBody, KernelNames, Of, Part, Peer, Socket, What};
use crate::capture::calls::{CALLS, Call};
use crate::capture::wire::path_flag;

fn call(name: &str) -> &'static Call {
    CALLS.iter().find(|call| call.name == name).unwrap()
}

fn run<'a>(name: &str, ret: i64, args: &[u64], parts: Vec<(Of, What<'a>)>) -> CallBody<'a> {
    let mut body = CallBody {
        call: call(name),
        abi: Abi::Native,
        number: call(name).number.unwrap(),
        ret,
        args: [0; 6],
        parts: parts.into_iter().map(|(of, what)| Part { of, what }).collect(),
    };
    body.args[..args.len()].copy_from_slice(args);
    body
}

fn args(body: CallBody<'_>) -> Value {
    told(body).0["syscall"]["args"].clone()
}

fn text(bytes: &[u8]) -> What<'_> {
    What::Text {
        bytes,
        truncated: false,
    }
}

#[test]
fn calls_of_32_bit_programs_are_named_and_their_numbers_have_a_sign() {
    let mut body = run("kill", 0, &[0xffff_fffe, 9], Vec::new());
    body.abi = Abi::I386;
    let (json, _) = told(body);
    assert_eq!(json["syscall"]["abi"], "i386");
    assert_eq!(json["syscall"]["args"], json!({"pid": -2, "sig": "SIGKILL"}));
    // What stands in the upper half of a register does not count there.
    let mut body = run("setgroups", 0, &[0xdead_0000_0000_0003, 0], Vec::new());
    body.abi = Abi::I386;
    assert_eq!(args(body), json!({"size": 3}));
}

#[test]
fn ids_of_the_old_calls_are_16_bits_wide() {
    let set = |number: u16, ids: &[u64]| {
        let mut body = run("setresuid", 0, ids, Vec::new());
        body.abi = Abi::I386;
        body.number = number;
        args(body)
    };
    // What is above the 16 bits is not looked at, and their -1 is the wide one's.
    assert_eq!(
        set(164, &[0xffff_ffff, 0x1_0005, 0xffff]),
        json!({"ruid": -1, "euid": 5, "suid": -1})
    );
    assert_eq!(
        set(208, &[0xffff_ffff, 0x1_0005, 0xffff]),
        json!({"ruid": -1, "euid": 0x1_0005, "suid": 0xffff})
    );
}

#[test]
fn what_could_not_be_read_is_listed_and_what_was_cut_too() {
    let (json, line) = told(run(
        "openat",
        -14,
        &[7, 0x1000, 0],
        vec![(Of::Arg(1), What::Unreadable)],
    ));
    assert_eq!(
        json["syscall"],
        json!({"name": "openat", "ret": -14, "error": "EFAULT", "args": {"dirfd": "7", "flags": "O_RDONLY"},
            "unread": ["pathname"]})
    );
    assert_eq!(
        json["file"],
        json!({"flags": "O_RDONLY", "notes": ["requested_unreadable"]})
    );
    assert!(line.ends_with("openat(7, ?, O_RDONLY) = -1 EFAULT\n"), "{line}");

    let cut = What::Text {
        bytes: b"aaa",
        truncated: true,
    };
    let (json, line) = told(run("chdir", -36, &[0x1000], vec![(Of::Arg(0), cut)]));
    assert_eq!(json["syscall"]["args"], json!({"path": "aaa"}));
    assert_eq!(json["syscall"]["truncated"], json!(["path"]));
    assert_eq!(
        json["file"],
        json!({"requested_path": "aaa", "notes": ["requested_truncated"]})
    );
    assert!(line.contains("chdir(\"aaa\"…) = -1 ENAMETOOLONG"), "{line}");

    // A structure that is shorter than what is told of it.
    let short = run(
        "capset",
        -14,
        &[0x1000, 0x1000],
        vec![(Of::Arg(0), What::Bytes(&[1, 2]))],
    );
    assert_eq!(told(short).0["syscall"]["unread"], json!(["hdrp", "datap"]));
}

#[test]
fn what_was_not_given_is_neither_told_nor_unread() {
    let (json, _) = told(run(
        "mount",
        0,
        &[0, 0x1000, 0, 0x44000, 0],
        vec![(Of::Arg(0), What::Unreadable), (Of::Arg(1), text(b"/"))],
    ));
    assert_eq!(
        json["syscall"],
        json!({"name": "mount", "ret": 0, "args": {"target": "/", "mountflags": "MS_REC|MS_PRIVATE"}})
    );
    let (json, _) = told(run("sendto", 5, &[3, 0x1000, 5], vec![(Of::Arg(0), sample::socket())]));
    assert!(json["syscall"]["unread"].is_null(), "{json}");
    assert_eq!(json["network"]["destination"]["address"], "10.0.0.2");
}

#[test]
fn a_mode_is_told_only_where_a_file_may_be_made() {
    let open = |flags: u64| {
        args(run(
            "open",
            -2,
            &[0x1000, flags, 0o4755],
            vec![(Of::Arg(0), text(b"f"))],
        ))
    };
    assert_eq!(open(0), json!({"pathname": "f", "flags": "O_RDONLY"}));
    assert_eq!(open(0o100)["mode"], "04755");
    assert_eq!(open(0o20_200_001)["mode"], "04755");
    assert_eq!(open(0o200_000)["mode"], Value::Null);
}

#[test]
fn operations_decide_about_what_follows() {
    let prctl = |list: &[u64]| args(run("prctl", 0, list, Vec::new()));
    assert_eq!(
        prctl(&[4, 1, 7, 7]),
        json!({"op": "PR_SET_DUMPABLE", "arg2": "SUID_DUMP_USER"})
    );
    assert_eq!(
        prctl(&[24, 21]),
        json!({"op": "PR_CAPBSET_DROP", "arg2": "CAP_SYS_ADMIN"})
    );
    assert_eq!(
        prctl(&[47, 2, 12]),
        json!({"op": "PR_CAP_AMBIENT", "arg2": "PR_CAP_AMBIENT_RAISE", "arg3": "CAP_NET_ADMIN", "arg4": "0", "arg5": "0"})
    );
    assert_eq!(prctl(&[47, 4, 0])["arg3"], "0");
    assert_eq!(
        prctl(&[0x5961_6d61, u64::MAX]),
        json!({"op": "PR_SET_PTRACER", "arg2": "PR_SET_PTRACER_ANY"})
    );
    let ptrace = |list: &[u64]| args(run("ptrace", 0, list, Vec::new()));
    assert_eq!(ptrace(&[0, 9, 9, 9]), json!({"op": "PTRACE_TRACEME"}));
    assert_eq!(ptrace(&[16, 9, 9, 9]), json!({"op": "PTRACE_ATTACH", "pid": 9}));
    assert_eq!(
        ptrace(&[4, 9, 0, 0x55]),
        json!({"op": "PTRACE_POKETEXT", "pid": 9, "addr": "NULL", "data": "0x55"})
    );
    // Of other commands the attributes are not told.
    let attributes = What::Bytes(&[0; 64]);
    assert_eq!(
        args(run("bpf", 0, &[1, 0x1000, 64], vec![(Of::Arg(1), attributes)])),
        json!({"cmd": "BPF_MAP_LOOKUP_ELEM", "size": 64})
    );
}

fn file(mode: u32, inode: u64, names: &'static [u8], flags: u32) -> What<'static> {
    file_of(0, mode, inode, names, flags)
}

fn file_of(magic: u32, mode: u32, inode: u64, names: &'static [u8], flags: u32) -> What<'static> {
    What::File {
        magic,
        mode,
        inode,
        path: KernelNames { names, flags },
    }
}

#[test]
fn descriptors_are_named_as_in_proc() {
    let dup = |what| told(run("dup", 4, &[3], vec![(Of::Arg(0), what)])).0["file"].clone();
    let pseudo = |path: &str, kind: &str| json!({"path": path, "type": kind, "notes": ["pseudo"]});
    assert_eq!(
        dup(file_of(0x5049_5045, 0o010_600, 77, b"", path_flag::PSEUDO)),
        pseudo("pipe:[77]", "fifo")
    );
    assert_eq!(
        dup(file_of(0x534f_434b, 0o140_777, 78, b"", path_flag::PSEUDO)),
        pseudo("socket:[78]", "socket")
    );
    assert_eq!(
        dup(file_of(0x0904_1934, 0o600, 8, b"[eventfd]\0", path_flag::PSEUDO)),
        pseudo("anon_inode:[eventfd]", "anonymous")
    );
    // Since Linux 6.16 these have a type inside the kernel.
    assert_eq!(
        dup(file_of(0x0904_1934, 0o100_600, 8, b"inotify\0", path_flag::PSEUDO)),
        pseudo("anon_inode:inotify", "anonymous")
    );
    // Before Linux 6.9, and since.
    for (magic, names, flags) in [
        (0x0904_1934, &b"[pidfd]\0"[..], path_flag::PSEUDO),
        (0x5049_4446, b"", path_flag::OUTSIDE_ROOT),
    ] {
        assert_eq!(
            dup(file_of(magic, 0o700, 9, names, flags)),
            pseudo("anon_inode:[pidfd]", "anonymous")
        );
    }
    // Of a memory file system that nobody mounted; secretmem looks like an anonymous inode in all but its magic number.
    assert_eq!(
        dup(file_of(
            0x0102_1994,
            0o100_777,
            8,
            b"memfd:x\0",
            path_flag::PSEUDO | path_flag::DELETED
        )),
        json!({"path": "memfd:x", "type": "regular", "notes": ["deleted", "pseudo"]})
    );
    assert_eq!(
        dup(file_of(0x5345_434d, 0o100_600, 8, b"secretmem\0", path_flag::PSEUDO)),
        pseudo("secretmem", "regular")
    );
    let namespace = || file_of(0x6e73_6673, 0o100_444, 4_026_531_840, b"", path_flag::OUTSIDE_ROOT);
    assert_eq!(dup(namespace()), pseudo("ns:[4026531840]", "namespace"));
    // A file with the mode and the number of a namespace's, at the root of a tree that is mounted elsewhere, is none.
    assert_eq!(
        dup(file(0o100_444, 4_026_531_840, b"", path_flag::OUTSIDE_ROOT)),
        json!({"path": "/", "type": "regular", "notes": ["outside_root"]})
    );
    assert_eq!(
        dup(file(0o020_666, 5, b"null\0dev\0", 0)),
        json!({"path": "/dev/null", "type": "character_device"})
    );
    // Replaced while it was looked at.
    assert_eq!(
        dup(file_of(0x5049_5045, 0o010_600, 77, b"", path_flag::UNREADABLE)),
        json!({"type": "fifo", "notes": ["unreadable"]})
    );
    let joined = run("setns", 0, &[3, 0x20000], vec![(Of::Arg(0), namespace())]);
    assert_eq!(told(joined).0["file"], pseudo("mnt:[4026531840]", "namespace"));
}

#[test]
fn a_socket_is_a_file_to_calls_on_files_only() {
    let (json, _) = told(run("dup", 4, &[3], vec![(Of::Arg(0), sample::socket())]));
    assert_eq!(
        json["file"],
        json!({"path": "socket:[99]", "type": "socket", "notes": ["pseudo"]})
    );
    assert_eq!(json["network"]["protocol"], "tcp");
    let (json, _) = told(run("listen", 0, &[3, 5], vec![(Of::Arg(0), sample::socket())]));
    assert!(json["file"].is_null(), "{json}");
    // And no socket is no connection.
    let (json, _) = told(run("listen", -88, &[3, 5], vec![(Of::Arg(0), sample::file())]));
    assert_eq!(json["file"]["path"], "/srv/data");
    assert!(json["network"].is_null(), "{json}");
}

fn datagrams(destination: Option<&str>) -> What<'static> {
    What::Socket(Box::new(Socket {
        family: 2,
        kind: 2,
        protocol: 17,
        state: 7,
        inode: 99,
        source: None,
        destination: destination.map(|address| Peer::Ip(address.parse().unwrap())),
    }))
}

#[test]
fn a_datagram_goes_where_it_is_addressed() {
    let address = [2, 0, 0, 53, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    let sent = |socket| {
        let parts = vec![(Of::Arg(0), socket), (Of::Arg(4), What::Bytes(&address))];
        told(run("sendto", 5, &[3, 0x1000, 5, 0, 0x1000, 16], parts)).0["network"].clone()
    };
    let there = json!({"family": "AF_INET", "type": "dgram", "protocol": "udp",
        "destination": {"address": "192.0.2.1", "port": 53}});
    assert_eq!(sent(datagrams(None)), there);
    assert_eq!(sent(datagrams(Some("10.9.9.9:1"))), there);
    assert_eq!(sent(sample::socket())["destination"]["address"], "10.0.0.2");
}

#[test]
fn addresses_of_each_family() {
    let connect = |address: &[u8]| {
        let body = run(
            "connect",
            -9,
            &[3, 0x1000, 16],
            vec![(Of::Arg(1), What::Bytes(address))],
        );
        let (json, _) = told(body);
        (json["syscall"]["args"]["addr"].clone(), json["network"].clone())
    };
    assert_eq!(
        connect(b"\x01\0/run/x.sock\0"),
        (
            json!("/run/x.sock"),
            json!({"family": "AF_UNIX", "destination": {"path": "/run/x.sock"}})
        )
    );
    assert_eq!(connect(b"\x01\0\0hidden").0, "@hidden");
    let mut six = vec![10, 0, 1, 187, 0, 0, 0, 0];
    six.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
    assert_eq!(
        connect(&six),
        (
            json!("[2001:db8::1]:443"),
            json!({"family": "AF_INET6", "destination": {"address": "2001:db8::1", "port": 443}})
        )
    );
    assert_eq!(
        connect(&[16, 0, 0, 0, 1, 0, 0, 0]),
        (json!("AF_NETLINK"), json!({"family": "AF_NETLINK"}))
    );
    assert_eq!(connect(&[]), (Value::Null, Value::Null));
}

#[test]
fn directories_are_told_with_what_is_not_known_of_them() {
    let gone = KernelNames {
        names: b"old\0",
        flags: path_flag::DELETED,
    };
    let parts = vec![(Of::Arg(1), text(b"f")), (Of::Arg(1), What::Directory(gone))];
    let (json, _) = told(run("mkdirat", -2, &[5, 0x1000, 0], parts));
    assert_eq!(
        json["file"],
        json!({"requested_path": "f", "directory": "/old", "notes": ["directory_deleted"]})
    );
    assert_eq!(json["syscall"]["args"]["mode"], "000");
}

#[test]
fn an_opened_file_that_was_gone_before_it_could_be_looked_at_is_noted() {
    let parts = vec![(Of::Arg(1), text(b"f")), (Of::Result, What::NotOpen)];
    let (json, _) = told(run("openat", 5, &[0xffff_ff9c, 0x1000, 0], parts));
    assert_eq!(
        json["file"],
        json!({"requested_path": "f", "flags": "O_RDONLY", "notes": ["unreadable"]})
    );
}
