//! What is told of a process besides its name: who is above it, what it became, and what its program is.

use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::process::{Command, Stdio};

use nix::unistd::dup;
use serde_json::{Value, json};

use crate::actor::{self, Role};
use crate::event::{agent, assert_nothing_dropped, exec_id_of, is_call, is_exec, of_type, pid_of};
use crate::lab::agent::{AGENT_ID, Installed};
use crate::lab::tool;
use crate::lab::turn::Turn;

/// The process ids above a process, the parent first, as `/proc` has them.
fn above(pid: u32) -> Vec<u64> {
    let parent = |pid: u64| -> u64 {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap();
        line.trim().parse().unwrap()
    };
    std::iter::successors(Some(parent(pid.into())), |pid| (*pid > 0).then(|| parent(*pid)))
        .take_while(|pid| *pid > 0)
        .collect()
}

#[test]
fn twenty_shells_in_a_row_are_all_ancestors_of_the_last() {
    const SHELLS: usize = 20;
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed.run(["--events", "process"]).unwrap();
    let script = installed.dir().join("chain");
    // Something is left to do after the child, so that no shell becomes its own child.
    fs::write(
        &script,
        "echo $$\nif [ $1 -gt 1 ]; then \"$SHELL\" sh \"$0\" $(($1 - 1)); else /bin/true chain-bottom; fi\n:\n",
    )
    .unwrap();
    let busybox = tool::find("busybox", "busybox-static").unwrap();
    let output = Command::new(&busybox)
        .arg("sh")
        .arg(&script)
        .arg(SHELLS.to_string())
        .env("SHELL", &busybox)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let said: Vec<u64> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| line.parse().unwrap())
        .collect();
    assert_eq!(said.len(), SHELLS);
    agent
        .wait_for("the last program's end", |event| {
            event["type"] == "process_exit" && event["process"]["args"] == json!(["/bin/true", "chain-bottom"])
        })
        .unwrap();
    let stopped = agent.stop().unwrap();
    assert_nothing_dropped(&stopped);

    let mut expected: Vec<u64> = said.iter().rev().copied().collect();
    expected.push(std::process::id().into());
    expected.extend(above(std::process::id()));
    for kind in ["process_exec", "process_exit"] {
        let last = of_type(&stopped.events, kind)
            .find(|event| event["process"]["args"] == json!(["/bin/true", "chain-bottom"]))
            .unwrap();
        let ancestors = last["process"]["ancestors"].as_array().unwrap();
        let told: Vec<u64> = ancestors.iter().map(|one| one["pid"].as_u64().unwrap()).collect();
        assert!(told.len() > SHELLS, "{last}");
        if last["process"].get("ancestors_truncated").is_some() {
            assert!(expected.starts_with(&told), "{told:?} of {expected:?}");
        } else {
            assert_eq!(told, expected, "{last}");
        }
        for (shell, pid) in ancestors.iter().zip(said.iter().rev()) {
            let exec = of_type(&stopped.events, "process_exec")
                .find(|event| pid_of(event) == *pid)
                .unwrap();
            assert_eq!(shell["exec_id"], exec_id_of(exec), "{last}");
            assert_eq!(shell["exe"], exec["process"]["exe"], "{last}");
        }
    }
}

#[test]
fn a_program_without_a_file_is_one_of_a_memfd() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed.run(["--events", "process"]).unwrap();
    // A name alone makes no memfd.
    let named = installed.dir().join("memfd:named");
    tool::copy_program("/bin/true".as_ref(), &named).unwrap();
    let mut actor = actor::command(Role::Memfd, installed.dir()).spawn().unwrap();
    assert!(actor.wait().unwrap().success());
    assert!(Command::new(&named).status().unwrap().success());
    let event = agent
        .wait_for("the exec of the memfd", |event| is_exec(event, &["true", "from-memfd"]))
        .unwrap();
    assert_eq!(event["process"]["exe"], "memfd:pinhole-actor", "{event}");
    assert_eq!(event["process"]["exe_notes"], json!(["pseudo", "memfd"]), "{event}");
    let path = named.to_str().unwrap();
    let event = agent
        .wait_for("the exec of the file", |event| is_exec(event, &[path]))
        .unwrap();
    assert_eq!(event["process"]["exe"], path, "{event}");
    assert!(event["process"].get("exe_notes").is_none(), "{event}");
}

#[test]
fn user_namespaces_are_told_where_they_are_not_the_first() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed.run(["--events", "process"]).unwrap();
    let unshare = tool::find("unshare", "util-linux").unwrap();
    let unshare = unshare.to_str().unwrap();
    for level in 0..3 {
        let token = format!("level-{level}");
        let inside = [
            "/bin/sh",
            "-c",
            "readlink /proc/self/ns/user; exec /bin/true $0",
            &token,
        ];
        let words: Vec<&str> = std::iter::repeat_n([unshare, "--user", "--map-root-user"], level)
            .flatten()
            .chain(inside)
            .collect();
        let output = Command::new(words[0]).args(&words[1..]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let link = String::from_utf8(output.stdout).unwrap();
        let inode: u64 = link
            .trim()
            .strip_prefix("user:[")
            .unwrap()
            .strip_suffix(']')
            .unwrap()
            .parse()
            .unwrap();
        let event = agent
            .wait_for("the exec inside", |event| is_exec(event, &["/bin/true", &token]))
            .unwrap();
        if level == 0 {
            assert!(event["process"].get("user_ns").is_none(), "{event}");
        } else {
            assert_eq!(
                event["process"]["user_ns"],
                json!({"inode": inode, "level": level}),
                "{event}"
            );
        }
    }
}

#[test]
fn who_changes_its_user_or_directory_is_told_as_it_is_then() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed.run(["--events", "file"]).unwrap();
    let place = installed.dir();
    fs::create_dir(place.join("below")).unwrap();
    let mut actor = actor::command(Role::Changes, place).spawn().unwrap();
    assert!(actor.wait().unwrap().success());
    let start = std::env::current_dir().unwrap();
    let (start, below) = (start.to_str().unwrap(), place.join("below"));
    let below = below.to_str().unwrap();
    for (name, cwd, uid) in [
        ("before", start, 0),
        ("after-chdir", below, 0),
        ("after-setuid", below, AGENT_ID),
    ] {
        let path = place.join(name);
        let event = agent
            .wait_for(name, |event| {
                is_call(event, "openat") && event["file"]["requested_path"] == *path.to_string_lossy()
            })
            .unwrap();
        let process = &event["process"];
        assert_eq!(
            (&process["cwd"], &process["uid"]),
            (&json!(cwd), &json!(uid)),
            "{event}"
        );
        let powerless = process["caps"]["effective"] == "0000000000000000";
        assert_eq!(powerless, uid != 0, "{event}");
        assert_eq!(process["ppid"], std::process::id(), "{event}");
    }
}

/// The kernel makes names up for what is in no directory; `/proc` has them too.
#[test]
fn descriptors_without_a_path_are_named_as_in_proc() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed.run(["--events", "file"]).unwrap();
    let (reader, _writer) = nix::unistd::pipe().unwrap();
    let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    let eventfd = nix::sys::eventfd::EventFd::new().unwrap();
    let epoll = nix::sys::epoll::Epoll::new(nix::sys::epoll::EpollCreateFlags::empty()).unwrap();
    let namespace = fs::File::open("/proc/self/ns/net").unwrap();
    let pidfd = pidfd_of_self();
    let null = fs::File::open("/dev/null").unwrap();
    let all = [
        (reader.as_fd(), "fifo"),
        (socket.as_fd(), "socket"),
        (eventfd.as_fd(), "anonymous"),
        (epoll.0.as_fd(), "anonymous"),
        (namespace.as_fd(), "namespace"),
        (pidfd.as_fd(), "anonymous"),
        (null.as_fd(), "character_device"),
    ];
    for (fd, kind) in all {
        let number = fd.as_raw_fd();
        let link = fs::read_link(format!("/proc/self/fd/{number}")).unwrap();
        // Which kind of namespace it is the call does not say.
        let name = link.to_str().unwrap().replace("net:[", "ns:[");
        drop(dup(fd).unwrap());
        let event = agent
            .wait_for("the dup", |event| {
                is_call(event, "dup")
                    && pid_of(event) == u64::from(std::process::id())
                    && event["syscall"]["args"]["oldfd"] == number
            })
            .unwrap();
        assert_eq!(event["file"]["path"], Value::from(name), "{event}");
        assert_eq!(event["file"]["type"], kind, "{event}");
        let notes = if kind == "character_device" {
            Value::Null
        } else {
            json!(["pseudo"])
        };
        assert_eq!(event["file"]["notes"], notes, "{event}");
    }
}

#[expect(unsafe_code, reason = "pidfd_open has no wrapper among the dependencies")]
fn pidfd_of_self() -> std::os::fd::OwnedFd {
    use std::os::fd::FromRawFd;
    // SAFETY: the call takes a process id and flags; what it returns belongs to nobody else.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, std::process::id(), 0);
        assert!(fd >= 0, "{}", std::io::Error::last_os_error());
        std::os::fd::OwnedFd::from_raw_fd(i32::try_from(fd).unwrap())
    }
}
