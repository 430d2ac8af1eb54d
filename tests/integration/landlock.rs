//! What Landlock keeps from the agent, on real kernels: a thread restricts itself as the agent does and then tries what must
//! fail and what must go on working. No file of `/proc` tells of Landlock, so trying is the only proof.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread;

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::{Pid, getpid, getppid, gettid};

use pinhole::privilege::landlock::{Landlocked, NEWEST, Needs, Restricted, restrict};

use crate::lab::kernels::Kernel;
use crate::lab::vm::Machine;

/// Where the proof makes its files; set where it is to be made.
const PLACE: &str = "PINHOLE_LANDLOCK_PLACE";
/// How the line begins that says what was in force.
const SAYS: &str = "@@landlock ";
/// The proof as the runner of these tests calls it.
const PROOF: [&str; 4] = ["landlock::proof", "--exact", "--ignored", "--nocapture"];

/// What was in force where the proof was made.
fn said(output: &str) -> (u32, &str) {
    let line = output.lines().find_map(|line| Some(line.split_once(SAYS)?.1));
    let (abi, restricted) = line
        .and_then(|line| line.split_once(' '))
        .unwrap_or_else(|| panic!("{output}"));
    (abi.parse().unwrap(), restricted)
}

#[test]
fn the_running_kernel_refuses_what_is_closed_off() {
    let place = tempfile::tempdir().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(PROOF)
        .env(PLACE, place.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    said(&told);
}

fn in_a_machine(suite: &str) -> (u32, String) {
    let this = std::env::current_exe().unwrap();
    let machine = Machine::new(Kernel::of(suite).unwrap()).program("proof", &this);
    let script = format!("mkdir /tmp/place\n{PLACE}=/tmp/place proof {} 2>&1", PROOF.join(" "));
    let finished = machine.run(&script).unwrap();
    assert_eq!(finished.code, 0, "{}\n{}", finished.output, finished.console);
    let (abi, restricted) = said(&finished.output);
    (abi, restricted.to_owned())
}

#[test]
fn linux_5_10_has_none_and_that_is_no_refusal() {
    assert_eq!(in_a_machine("bullseye"), (0, "none".to_owned()));
}

#[test]
fn linux_6_1_closes_off_files() {
    assert_eq!(in_a_machine("bookworm"), (2, "partial".to_owned()));
}

#[test]
fn linux_6_12_closes_off_ports_and_abstract_sockets_too() {
    assert_eq!(in_a_machine("bookworm-backports"), (6, "partial".to_owned()));
}

#[test]
fn the_newest_linux_closes_off_all_that_is_known() {
    let (abi, restricted) = in_a_machine("sid");
    assert!(abi >= NEWEST, "{abi}");
    assert_eq!(restricted, "full");
}

#[test]
#[ignore = "the program that other tests start"]
fn proof() {
    let Some(place) = std::env::var_os(PLACE).map(PathBuf::from) else {
        return;
    };
    let landlocked = Proof::prepare(&place).restricted();
    println!("\n{SAYS}{} {}", landlocked.abi, landlocked.restricted.as_str());
}

fn refused<T>(what: &str, attempt: io::Result<T>) {
    let errno = attempt.err().and_then(|error| error.raw_os_error());
    assert!(
        errno == Some(libc::EACCES) || errno == Some(libc::EPERM),
        "{what} must be refused, and gave {errno:?}"
    );
}

/// What is there before: files, sockets that others listen on, and a thread that is not restricted.
struct Proof {
    bundles: PathBuf,
    secret: PathBuf,
    runtime: PathBuf,
    other: PathBuf,
    tcp: TcpListener,
    abstract_name: SocketAddr,
    /// Kept open for as long as the proof goes on.
    _listeners: Vec<UnixListener>,
}

impl Proof {
    fn prepare(place: &Path) -> Self {
        let bundles = place.join("bundles");
        fs::create_dir_all(bundles.join("id")).unwrap();
        fs::write(bundles.join("id/config.json"), "{}").unwrap();
        fs::write(place.join("secret"), "secret").unwrap();
        for directory in ["run/runtime", "elsewhere"] {
            fs::create_dir_all(place.join(directory)).unwrap();
        }
        let (runtime, other) = (
            place.join("run/runtime/runtime.sock"),
            place.join("elsewhere/other.sock"),
        );
        let name = SocketAddr::from_abstract_name(format!("pinhole-proof-{}", getpid())).unwrap();
        Self {
            _listeners: vec![
                UnixListener::bind(&runtime).unwrap(),
                UnixListener::bind(&other).unwrap(),
                UnixListener::bind_addr(&name).unwrap(),
            ],
            bundles,
            secret: place.join("secret"),
            runtime,
            other,
            tcp: TcpListener::bind("127.0.0.1:0").unwrap(),
            abstract_name: name,
        }
    }

    fn restricted(&self) -> Landlocked {
        let (ask, asked) = mpsc::channel::<Ask>();
        let (done, answered) = mpsc::channel();
        // Made before, so outside.
        thread::spawn(move || {
            for ask in asked {
                done.send(ask.answer()).unwrap();
            }
        });
        let outside = |wish| {
            ask.send(wish).unwrap();
            answered.recv().unwrap()
        };
        nix::sys::prctl::set_no_new_privs().unwrap();
        let landlocked = restrict(&Needs {
            read: vec![self.bundles.clone()],
            sockets: vec![self.runtime.clone()],
        });
        assert!(!landlocked.refused, "{landlocked:?}");
        if landlocked.restricted != Restricted::None {
            self.files();
            outside(Ask::ForgetNames);
            self.what_is_needed_still_works();
        }
        if landlocked.abi >= 4 {
            let address = self.tcp.local_addr().unwrap();
            refused("a TCP connection", TcpStream::connect(address));
            refused("a TCP port", TcpListener::bind("127.0.0.1:0"));
            // The port for health is bound before, and answers.
            outside(Ask::Connect(address));
            self.tcp.accept().unwrap();
        }
        if landlocked.abi >= 6 {
            refused("an abstract socket", UnixStream::connect_addr(&self.abstract_name));
            assert_eq!(kill(getppid(), None), Err(Errno::EPERM));
            assert_eq!(kill(Pid::from_raw(1), None), Err(Errno::EPERM));
        }
        UnixStream::connect(&self.runtime).unwrap();
        // As a runtime that starts anew and makes its directory again.
        let anew = outside(Ask::Restart(self.runtime.clone()));
        UnixStream::connect(&self.runtime).unwrap();
        drop(anew);
        if landlocked.abi >= 9 {
            refused("another's socket", UnixStream::connect(&self.other));
        }
        drop(ask);
        landlocked
    }

    fn files(&self) {
        let config = self.bundles.join("id/config.json");
        for path in [
            &self.secret,
            Path::new("/etc/hostname"),
            Path::new("/proc/1/status"),
            Path::new("/proc/sys/kernel/osrelease"),
        ] {
            assert!(fs::metadata(path).is_ok(), "{} is there to be seen", path.display());
            refused(&format!("reading {}", path.display()), File::open(path));
        }
        let around = Path::new("/proc/self/root").join(self.secret.strip_prefix("/").unwrap());
        refused("the way around by /proc/self/root", File::open(around));
        refused("the list of what lies elsewhere", fs::read_dir("/"));
        refused("a new file", File::create(self.bundles.join("new")));
        refused("writing", OpenOptions::new().write(true).open(&config));
        refused("removing", fs::remove_file(&config));
        refused("renaming", fs::rename(&config, self.bundles.join("id/other")));
        refused("a new directory", fs::create_dir(self.bundles.join("more")));
        refused("a socket file", UnixListener::bind(self.bundles.join("socket")));
        refused(
            "a symbolic link",
            std::os::unix::fs::symlink("/", self.bundles.join("link")),
        );
        refused("a program", Command::new("/bin/true").status());
    }

    fn what_is_needed_still_works(&self) {
        assert_eq!(fs::read_to_string(self.bundles.join("id/config.json")).unwrap(), "{}");
        for path in [
            "/proc/self/status",
            "/proc/thread-self/status",
            "/proc/self/mountinfo",
            "/proc/self/cgroup",
        ] {
            assert!(
                !fs::read_to_string(path)
                    .unwrap_or_else(|error| panic!("{path}: {error}"))
                    .is_empty()
            );
        }
        assert!(fs::read_to_string(format!("/proc/self/task/{}/status", gettid())).is_ok());
        assert!(fs::read_dir("/proc/self/task").unwrap().count() > 1);
        // For the stack that a panic prints.
        File::open(std::env::current_exe().unwrap()).unwrap();
    }
}

/// What is asked of the thread that is not restricted.
enum Ask {
    /// The kernel is to free every name and inode that nobody holds.
    ForgetNames,
    /// A connection from outside.
    Connect(std::net::SocketAddr),
    /// The directory of this socket is made anew, and the socket in it.
    Restart(PathBuf),
}

impl Ask {
    /// What has to stay open.
    fn answer(self) -> Option<UnixListener> {
        match self {
            Self::ForgetNames => fs::write("/proc/sys/vm/drop_caches", "2").unwrap(),
            Self::Connect(address) => drop(TcpStream::connect(address).unwrap()),
            Self::Restart(socket) => {
                let directory = socket.parent().unwrap();
                fs::remove_dir_all(directory).unwrap();
                fs::create_dir(directory).unwrap();
                return Some(UnixListener::bind(socket).unwrap());
            }
        }
        None
    }
}
