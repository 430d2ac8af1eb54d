//! What no packaged program does, and nothing else with it: this test program again, in a process of its own, on the host
//! or in a container that has it mounted. It is static.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{ForkResult, Pid, dup2_stdin, fexecve, fork};

use super::prefilter::wander::{furnish, wander};

const DEED: &str = "PINHOLE_DEED";
/// A file for the deed.
const WITH: &str = "PINHOLE_DEED_WITH";

/// The words of a command that does it, where this test program is at `program`.
pub(in crate::rules) fn words(program: &Path, deed: &str, with: &str) -> Vec<String> {
    let program = program.display().to_string();
    let mut words = vec!["env".to_owned(), format!("{DEED}={deed}"), format!("{WITH}={with}")];
    words.extend([&*program, "rules::deeds::act", "--exact", "--ignored", "--nocapture"].map(str::to_owned));
    words
}

/// The same on this machine.
pub(in crate::rules) fn here(deed: &str, with: &str) -> Command {
    let words = words(&std::env::current_exe().unwrap(), deed, with);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}

#[test]
#[ignore = "the program that other tests start"]
fn act() {
    let Ok(deed) = std::env::var(DEED) else { return };
    let with = PathBuf::from(std::env::var_os(WITH).unwrap_or_default());
    match &*deed {
        "attach" => attach(),
        "trace-me" => traced(),
        "memfd" => memfd(&with),
        "file" => file(&with),
        "socket-onto-stdin" => onto_stdin(true),
        "file-onto-stdin" => onto_stdin(false),
        "packet-socket" => raw(AddressFamily::Packet),
        "netlink-socket" => raw(AddressFamily::Netlink),
        "connect" => reach(&with),
        "load-module" => load(libc::SYS_finit_module),
        "wander" => wander(&with),
        "wander-anywhere" => {
            furnish(&with);
            wander(&with);
        }
        "unload-module" => load(libc::SYS_delete_module),
        other => panic!("no deed {other}"),
    }
}

/// PTRACE_ATTACH of a child, and nothing of what would read or change it.
fn attach() {
    let mut child = Command::new("/bin/sleep").arg("100").spawn().unwrap();
    let pid = Pid::from_raw(child.id().cast_signed());
    assert_eq!(trace(libc::PTRACE_ATTACH, pid.as_raw()), 0);
    waitpid(pid, Some(WaitPidFlag::__WALL)).unwrap();
    assert_eq!(trace(libc::PTRACE_DETACH, pid.as_raw()), 0);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// ptrace(2) of a process, 0 for none, with nothing more.
#[expect(unsafe_code, reason = "the system call itself is the deed")]
fn trace(request: libc::c_uint, pid: i32) -> libc::c_long {
    // SAFETY: none of the requests made here reads or writes memory.
    unsafe { libc::ptrace(request, pid, 0, 0) }
}

#[expect(unsafe_code, reason = "who asks to be traced is a process of its own")]
fn traced() {
    // SAFETY: the child makes two system calls and ends; it takes no lock that a thread of the parent may hold.
    match unsafe { fork() }.unwrap() {
        ForkResult::Parent { child } => {
            waitpid(child, None).unwrap();
        }
        ForkResult::Child => {
            let traced = trace(libc::PTRACE_TRACEME, 0);
            // SAFETY: ends the process without running what the parent registered.
            unsafe { libc::_exit(i32::from(traced != 0)) }
        }
    }
}

fn memfd(program: &Path) {
    let mut memory = File::from(memfd_create(c"pinhole-deed", MFdFlags::MFD_CLOEXEC).unwrap());
    std::io::copy(&mut File::open(program).unwrap(), &mut memory).unwrap();
    let never = fexecve(memory, &[c"true"], &[] as &[&std::ffi::CStr]).unwrap_err();
    panic!("{never}");
}

fn file(program: &Path) {
    assert!(Command::new(program).arg("true").status().unwrap().success());
}

/// One dup2 onto standard input: of a connection, or of a file.
fn onto_stdin(connection: bool) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    if connection {
        dup2_stdin(&stream).unwrap();
    } else {
        dup2_stdin(File::open("/etc/passwd").unwrap()).unwrap();
    }
}

fn raw(family: AddressFamily) {
    // Refused or not, it is told.
    let _ = socket(family, SockType::Raw, SockFlag::empty(), None);
}

/// Asks for a connection, which need not come about, to the address and port that are given.
fn reach(address: &Path) {
    let address: SocketAddr = address.to_str().unwrap().parse().unwrap();
    drop(TcpStream::connect_timeout(&address, Duration::from_millis(10)));
}

/// Neither has anything that could be loaded or taken out.
#[expect(unsafe_code, reason = "the system call itself is the deed")]
fn load(call: libc::c_long) {
    // SAFETY: no descriptor has this number, and the name of the module is a string with its end.
    let done = unsafe {
        libc::syscall(
            call,
            if call == libc::SYS_finit_module {
                -1
            } else {
                c"pinhole_none".as_ptr() as i64
            },
            c"".as_ptr(),
            0,
        )
    };
    assert_eq!(done, -1, "{}", Errno::last());
}
