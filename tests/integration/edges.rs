//! Where the kernel's view and the obvious one differ: each was a way to be told something wrong.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs;
use std::net::UdpSocket;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::event::{agent, is_call, is_exec};
use crate::lab::agent::Installed;
use crate::lab::tool;
use crate::lab::turn::Turn;

/// What the destination of a connect is called must come from the socket: one of IPv6 can be asked for an IPv4 address.
#[test]
fn an_ipv6_socket_connects_to_an_ipv4_address() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed.run(["--events", "network"]).unwrap();
    let listener = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let socket = UdpSocket::bind("[::]:0").unwrap();
    socket.connect(("127.0.0.1", port)).unwrap();
    let event = agent
        .wait_for("the connection", |event| {
            is_call(event, "connect") && event["network"]["destination"]["port"] == port
        })
        .unwrap();
    assert_eq!(
        event["network"]["destination"],
        json!({"address": "127.0.0.1", "port": port})
    );
    assert_eq!(event["network"]["family"], "AF_INET6", "{event}");
    assert_eq!(event["network"]["protocol"], "udp", "{event}");
}

/// All threads of a program that ends find nobody else alive, and yet it ended once.
#[test]
fn a_program_with_many_threads_ends_once() {
    const RUNS: usize = 40;
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed.run(["--events", "process"]).unwrap();
    // Go programs have threads of their own that are there when main returns.
    let runc = tool::find("runc", "runc").unwrap();
    let mut pids = Vec::new();
    for _ in 0..RUNS {
        let mut child = Command::new(&runc)
            .arg("--version")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        pids.push(u64::from(child.id()));
        assert!(child.wait().unwrap().success());
    }
    let stopped = agent.stop().unwrap();
    let mut exits: BTreeMap<u64, usize> = BTreeMap::new();
    for event in stopped.events.iter().filter(|event| event["type"] == "process_exit") {
        *exits.entry(event["process"]["pid"].as_u64().unwrap()).or_default() += 1;
    }
    for pid in pids {
        assert_eq!(exits.get(&pid), Some(&1), "exits of {pid}");
    }
}

/// A cgroup so deep that its container's name is out of sight is not "no container".
#[test]
fn a_container_cannot_hide_in_deep_cgroups() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed.run(["--events", "process"]).unwrap();
    let id = "0123456789abcdef".repeat(4);
    for (depth, status, known) in [(20, "missing", true), (40, "missing", false)] {
        let tree = Tree::make(&format!("pinhole-edges/{id}"), depth);
        let token = format!("depth-{depth}");
        tree.run(&["/bin/true", &token]);
        let event = agent
            .wait_for("an exec in a deep cgroup", |event| {
                is_exec(event, &["/bin/true", &token])
            })
            .unwrap();
        assert_eq!(event["metadata"]["status"], status, "{event}");
        assert!(event["metadata"]["reason"].is_string(), "{event}");
        assert_eq!(event["container"]["id"] == *id, known, "{event}");
    }
}

/// Nested cgroups in the hierarchy that names containers, removed again.
struct Tree {
    top: PathBuf,
    leaf: PathBuf,
}

impl Tree {
    fn make(name: &str, depth: usize) -> Self {
        let root = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"]
            .iter()
            .map(Path::new)
            .find(|root| root.join("cgroup.procs").exists())
            .expect("a cgroup hierarchy is mounted");
        let top = root.join(name.split('/').next().unwrap());
        let leaf = (0..depth).fold(root.join(name), |path, level| path.join(format!("level-{level}")));
        fs::create_dir_all(&leaf).unwrap();
        Self { top, leaf }
    }

    /// Runs a program whose shell moved itself into the leaf first.
    fn run(&self, program: &[&str]) {
        let script = format!("echo $$ > {}/cgroup.procs && exec \"$@\"", self.leaf.display());
        let status = Command::new("/bin/sh")
            .args(["-c", &script, "sh"])
            .args(program)
            .status()
            .unwrap();
        assert!(status.success());
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let mut path = self.leaf.clone();
        while path.starts_with(&self.top) && fs::remove_dir(&path).is_ok() {
            path.pop();
        }
    }
}

/// A reader that does not read makes the agent lose events, which it counts; it does not make it deaf.
#[test]
fn a_stalled_reader_does_not_keep_the_agent_from_ending() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let mut child = installed
        .command(["run", "--output", "json", "--events", "file"])
        .unwrap()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    while !crate::lab::agent::answers(&installed.control_socket()) {
        assert!(Instant::now() < deadline, "the agent answers");
        std::thread::sleep(Duration::from_millis(10));
    }
    for _ in 0..20_000 {
        drop(fs::File::open("/dev/null").unwrap());
    }
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(child.id().cast_signed()),
        nix::sys::signal::Signal::SIGTERM,
    )
    .unwrap();
    let asked = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if asked.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("the agent does not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let mut log = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut log).unwrap();
    assert_eq!(status.code(), Some(70), "{log}");
    assert!(log.contains("nobody reads"), "{log}");
}

/// An agent that lost descriptions describes again: after a flood through a tiny ring every process has a name.
#[test]
fn what_was_lost_in_a_flood_is_described_again() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed
        .run(["--events", "file", "--capture-ring-size", "64KiB"])
        .unwrap();
    for _ in 0..100_000 {
        drop(fs::File::open("/dev/null").unwrap());
    }
    let marker = format!("/no/such/marker-{}", std::process::id());
    // The pause between two introductions is a second; the marker is opened until it comes with its process.
    let deadline = Instant::now() + Duration::from_secs(120);
    let found: Value = loop {
        let _ = fs::File::open(&marker);
        let all = agent.events().all();
        let named = all
            .iter()
            .rev()
            .find(|event| event["file"]["requested_path"] == *marker && event["process"]["name"].is_string());
        if let Some(event) = named {
            break event.clone();
        }
        assert!(Instant::now() < deadline, "the test's own process is described");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(found["process"]["pid"], std::process::id(), "{found}");
    assert!(
        found["process"]["exe"].as_str().unwrap().contains("integration"),
        "{found}"
    );
}

/// Ids that the program below changes to, from this one on.
const IDS: u32 = 100_001;
const TURNS: u32 = 50;
const CHANGES: [&str; 4] = ["edges::changes_its_ids", "--exact", "--ignored", "--nocapture"];
const PLACE: &str = "PINHOLE_TEST_PLACE";

/// Between two events that are watched a process may change its ids more than once, and its new credentials may lie where
/// those lay that were told last.
#[test]
fn credentials_are_those_of_now_wherever_they_lie() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed.run(["--events", "file"]).unwrap();
    let place = "/no/such/place";
    let mut program = Command::new(std::env::current_exe().unwrap());
    tool::run(program.args(CHANGES).env(PLACE, place)).unwrap();
    let last = format!("{place}/{}", TURNS - 1);
    agent
        .wait_for("the last turn", |event| event["file"]["requested_path"] == *last)
        .unwrap();
    for turn in 0..TURNS {
        let path = format!("{place}/{turn}");
        let all = agent.events().all();
        let event = all.iter().find(|event| event["file"]["requested_path"] == *path);
        let event = event.unwrap_or_else(|| panic!("{path} is told"));
        assert_eq!(event["process"]["uid"], IDS + 2 * turn + 1, "{event}");
    }
    agent.stop().unwrap();
}

#[test]
#[ignore = "the program that the test above starts"]
fn changes_its_ids() {
    /// `MEMBARRIER_CMD_GLOBAL` (include/uapi/linux/membarrier.h): returns after a grace period of RCU, which is when old
    /// credentials are given back.
    const GLOBAL: i32 = 1;
    let Some(place) = std::env::var_os(PLACE).map(PathBuf::from) else {
        return;
    };
    caps::securebits::set_keepcaps(true).unwrap();
    let change = |uid: u32| {
        // SAFETY: no pointers; both calls concern this thread alone.
        #[expect(unsafe_code, reason = "the C library would change the ids of all threads")]
        unsafe {
            assert_eq!(libc::syscall(libc::SYS_setresuid, -1, 0, -1), 0);
            assert_eq!(libc::syscall(libc::SYS_setresuid, uid, 0, 0), 0);
            for _ in 0..2 {
                assert_eq!(libc::syscall(libc::SYS_membarrier, GLOBAL, 0, 0), 0);
            }
        }
    };
    for turn in 0..TURNS {
        change(IDS + 2 * turn);
        change(IDS + 2 * turn + 1);
        fs::File::open(place.join(turn.to_string())).unwrap_err();
    }
}

/// A directory may have two paths: going from the one to the other is a change of directory.
#[test]
fn the_working_directory_is_the_path_that_was_taken_last() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed.run(["--events", "file"]).unwrap();
    let [one, other] = ["one", "other"].map(|name| installed.dir().join(name));
    for path in [&one, &other] {
        fs::create_dir(path).unwrap();
    }
    let script = "mount --bind $0 $1; for at in $0 $1 $0; do cd $at; read line <no-such-file; done";
    let mut shell = Command::new("unshare");
    shell
        .args(["--mount", "bash", "-c", script])
        .args([&one, &other])
        .stderr(Stdio::null());
    shell.status().unwrap();
    let stopped = agent.stop().unwrap();
    let cwds: Vec<Option<&str>> = stopped
        .events
        .iter()
        .filter(|event| event["file"]["requested_path"] == "no-such-file")
        .map(|event| event["process"]["cwd"].as_str())
        .collect();
    assert_eq!(cwds, [&one, &other, &one].map(|path| path.to_str()));
}

/// Whoever is born into a user namespace of its own has every capability there, unlike its parent.
#[test]
fn a_child_in_a_user_namespace_of_its_own_is_not_what_its_parent_is() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed.run(["--events", "file"]).unwrap();
    let place = "/no/such/namespace";
    let mut program = Command::new(std::env::current_exe().unwrap());
    let words = [
        "edges::has_a_child_in_a_namespace",
        "--exact",
        "--ignored",
        "--nocapture",
    ];
    tool::run(program.args(words).env(PLACE, place).uid(65_534).gid(65_534)).unwrap();
    let child = agent
        .wait_for("the child", |event| {
            event["file"]["requested_path"] == format!("{place}/child")
        })
        .unwrap();
    let all = agent.events().all();
    let parent = all
        .iter()
        .find(|event| event["file"]["requested_path"] == format!("{place}/parent"));
    let effective = |event: &Value| {
        let caps = event["process"]["caps"]["effective"].as_str();
        u64::from_str_radix(caps.unwrap_or("0"), 16).unwrap()
    };
    assert_eq!(effective(parent.unwrap()), 0, "{parent:?}");
    assert_ne!(effective(&child), 0, "{child}");
}

#[test]
#[ignore = "the program that the test above starts"]
fn has_a_child_in_a_namespace() {
    let Some(place) = std::env::var_os(PLACE).map(PathBuf::from) else {
        return;
    };
    let path = |name: &str| CString::new(place.join(name).into_os_string().into_vec()).unwrap();
    let (parents, childs) = (path("parent"), path("child"));
    // SAFETY: the paths outlive both calls; the child, which has a copy of one thread, makes system calls and nothing else.
    #[expect(unsafe_code, reason = "fork(2) takes no flags")]
    let child = unsafe {
        assert_eq!(libc::open(parents.as_ptr(), libc::O_RDONLY), -1);
        let child = libc::syscall(libc::SYS_clone, libc::CLONE_NEWUSER | libc::SIGCHLD, 0, 0, 0, 0);
        if child == 0 {
            libc::open(childs.as_ptr(), libc::O_RDONLY);
            libc::_exit(0);
        }
        child
    };
    assert!(child > 0, "{}", std::io::Error::last_os_error());
    nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(i32::try_from(child).unwrap()), None).unwrap();
}

/// The file of a unix socket is a file to whoever opens it as a path, and lies where the kernel came to.
#[test]
fn a_sockets_file_that_is_opened_as_a_path_has_one() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed.run(["--events", "file"]).unwrap();
    let [place, link] = ["place", "link"].map(|name| installed.dir().join(name));
    fs::create_dir(&place).unwrap();
    std::os::unix::fs::symlink(&place, &link).unwrap();
    let _listener = UnixListener::bind(place.join("socket")).unwrap();
    let mut options = fs::OpenOptions::new();
    options.read(true).custom_flags(libc::O_PATH);
    options.open(link.join("socket")).unwrap();
    let requested = link.join("socket");
    let event = agent
        .wait_for("the open", |event| {
            event["file"]["requested_path"] == requested.to_str().unwrap()
        })
        .unwrap();
    assert_eq!(event["file"]["path"], place.join("socket").to_str().unwrap(), "{event}");
    assert_eq!(event["file"]["type"], "socket", "{event}");
}
