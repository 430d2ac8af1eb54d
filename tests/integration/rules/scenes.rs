//! For each rule of the stable file what it is about, done for real, and something that is nearly so.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::deeds;
use crate::lab::pod::PodContainer;
use crate::lab::tool;

/// Where the API server is, as far as the agent is told. Nothing listens there.
pub(super) const API_SERVER: &str = "10.96.0.1";
/// A public address (RFC 5737), which a network namespace of its own has.
const PUBLIC: &str = "203.0.113.7";
/// Where the containers see the directory of this test program.
pub(super) const MOUNT: &str = "/deeds";

/// What scenes play on.
pub(super) struct Stage<'a> {
    /// A directory of this machine.
    pub(super) dir: PathBuf,
    /// A container with CAP_SYS_ADMIN and CAP_SYS_MODULE, so that what asks for them is asked for.
    pub(super) capable: &'a PodContainer<'a>,
    /// An ordinary one.
    pub(super) plain: &'a PodContainer<'a>,
    /// Runs a container with a terminal, whose first process is this program, to its end.
    pub(super) with_terminal: &'a dyn Fn(&str),
    /// Puts a process into the cgroup of a privileged container; this machine cannot start one, as it lacks a capability.
    pub(super) privileged: &'a dyn Fn(&Path),
}

/// A rule, what triggers it once, and what nearly does.
pub(super) struct Scene {
    pub(super) rule: &'static str,
    pub(super) trigger: fn(&Stage<'_>),
    pub(super) near_miss: fn(&Stage<'_>),
    /// Whether it happens in a container.
    pub(super) contained: bool,
}

impl Stage<'_> {
    /// A shell script of this name, started as a program: its name is that of the process.
    fn script(&self, name: &str, text: &str) -> Command {
        let path = self.dir.join(name);
        fs::write(&path, format!("#!/bin/bash\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = Command::new(path);
        command.current_dir(&self.dir);
        command
    }

    fn run_script(&self, name: &str, text: &str) {
        tool::run(&mut self.script(name, text)).unwrap();
    }

    /// A file of this machine with a name of its own.
    fn file(&self, name: &str) -> String {
        let path = self.dir.join(name);
        if !path.exists() {
            // Not truncated, which would be a deed.
            fs::File::create_new(&path).unwrap();
        }
        path.display().to_string()
    }
}

/// Runs a command of this machine, however it ends.
fn host(words: &[&str]) {
    let mut command = Command::new(words[0]);
    command
        .args(&words[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().unwrap();
}

/// Runs a command in a container, however it ends.
fn inside(container: &PodContainer<'_>, words: &[&str]) {
    container.exec(words).unwrap();
}

/// A deed of the tests' own program on this machine.
fn deed(what: &str, with: &str) {
    tool::run(&mut deeds::here(what, with)).unwrap();
}

/// The same in a container.
fn deed_in(container: &PodContainer<'_>, what: &str, with: &str) {
    let program = std::env::current_exe().unwrap();
    let mounted = Path::new(MOUNT).join(program.file_name().unwrap());
    let words = deeds::words(&mounted, what, with);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = container.exec(&words).unwrap();
    assert_eq!(done.code, 0, "{what}: {done:?}");
}

fn busybox() -> String {
    tool::find("busybox", "busybox-static").unwrap().display().to_string()
}

/// bash as `ssh`, which connects in a network of its own where somebody listens.
fn ssh(to: &str, name: &str) {
    let script = format!(
        "ip link set lo up; ip addr add {PUBLIC}/32 dev lo; ip addr add 10.1.2.3/32 dev lo
        busybox nc -l -p 443 </dev/null >/dev/null & listener=$!
        until grep -qsE ':01BB 0+:0000 0A' /proc/net/tcp /proc/net/tcp6; do kill -0 $listener || exit 1; done
        (exec -a {name} bash -c 'exec 3<>/dev/tcp/{to}/443')
        kill $listener"
    );
    host(&["unshare", "--net", "bash", "-c", &script]);
}

/// All rules of the file, in its order.
pub(super) const SCENES: [Scene; 25] = [
    Scene {
        rule: "Directory traversal monitored file read",
        trigger: |_| host(&["cat", "/etc/../etc/../etc/hostname"]),
        near_miss: |_| host(&["cat", "/etc/../etc/hostname"]),
        contained: false,
    },
    Scene {
        rule: "Read sensitive file trusted after startup",
        // The rule leaves alone what has run for less than five seconds.
        trigger: |stage| stage.run_script("nginx", "sleep 5.2; read -r line </etc/shadow"),
        near_miss: |stage| stage.run_script("nginx", "sleep 5.2; read -r line </etc/passwd"),
        contained: false,
    },
    Scene {
        rule: "Read sensitive file untrusted",
        trigger: |_| host(&["cat", "/etc/shadow"]),
        near_miss: |_| host(&["bash", "-c", "read -r line </etc/shadow"]),
        contained: false,
    },
    Scene {
        rule: "Run shell untrusted",
        trigger: |stage| stage.run_script("httpd", "sh -c true; true"),
        near_miss: |stage| stage.run_script("httpx", "sh -c true; true"),
        contained: false,
    },
    Scene {
        rule: "System user interactive",
        trigger: |stage| stage.run_script("sshd", "setpriv --reuid 1 --clear-groups /bin/true; true"),
        near_miss: |stage| stage.run_script("sshx", "setpriv --reuid 1 --clear-groups /bin/true; true"),
        contained: false,
    },
    Scene {
        rule: "Terminal shell in container",
        trigger: |stage| (stage.with_terminal)("/bin/sh"),
        near_miss: |stage| (stage.with_terminal)("/bin/true"),
        contained: true,
    },
    Scene {
        rule: "Contact K8S API Server From Container",
        trigger: |stage| deed_in(stage.plain, "connect", &format!("{API_SERVER}:443")),
        near_miss: |stage| deed_in(stage.plain, "connect", "10.96.0.2:443"),
        contained: true,
    },
    Scene {
        rule: "Netcat Remote Code Execution in Container",
        trigger: |stage| inside(stage.plain, &["nc", "-w", "1", "127.0.0.1", "1", "-e", "/bin/true"]),
        near_miss: |stage| inside(stage.plain, &["nc", "-w", "1", "127.0.0.1", "1"]),
        contained: true,
    },
    Scene {
        rule: "Search Private Keys or Passwords",
        trigger: |_| host(&["grep", "-r", "BEGIN RSA PRIVATE", "/dev/null"]),
        near_miss: |_| host(&["grep", "-r", "BEGIN CERTIFICATE", "/dev/null"]),
        contained: false,
    },
    Scene {
        rule: "Clear Log Activities",
        trigger: |stage| host(&["bash", "-c", &format!(": >{}", stage.file("auth.log"))]),
        near_miss: |stage| host(&["bash", "-c", &format!(": >>{}", stage.file("auth.log"))]),
        contained: false,
    },
    Scene {
        rule: "Remove Bulk Data from Disk",
        trigger: |_| host(&["shred", "--version"]),
        near_miss: |_| host(&["cat", "--version"]),
        contained: false,
    },
    Scene {
        rule: "Create Symlink Over Sensitive Files",
        trigger: |stage| host(&["ln", "-s", "/etc", &stage.dir.join("link").to_string_lossy()]),
        near_miss: |stage| host(&["ln", "-s", "/etc/ssl", &stage.dir.join("other").to_string_lossy()]),
        contained: false,
    },
    Scene {
        rule: "Create Hardlink Over Sensitive Files",
        trigger: |stage| host(&["ln", "/etc/shadow", &stage.dir.join("hard").to_string_lossy()]),
        near_miss: |stage| host(&["ln", "/etc/passwd", &stage.dir.join("harder").to_string_lossy()]),
        contained: false,
    },
    Scene {
        rule: "Packet socket created in container",
        trigger: |stage| deed_in(stage.plain, "packet-socket", ""),
        near_miss: |stage| deed_in(stage.plain, "netlink-socket", ""),
        contained: true,
    },
    Scene {
        rule: "Redirect STDOUT/STDIN to Network Connection in Container",
        trigger: |stage| deed_in(stage.plain, "socket-onto-stdin", ""),
        near_miss: |stage| deed_in(stage.plain, "file-onto-stdin", ""),
        contained: true,
    },
    Scene {
        rule: "Linux Kernel Module Injection Detected",
        trigger: |stage| deed_in(stage.capable, "load-module", ""),
        near_miss: |stage| deed_in(stage.plain, "load-module", ""),
        contained: true,
    },
    Scene {
        rule: "Debugfs Launched in Privileged Container",
        trigger: |stage| {
            let program = stage.dir.join("debugfs");
            tool::copy_program("/bin/true".as_ref(), &program).unwrap();
            (stage.privileged)(&program);
        },
        near_miss: |stage| {
            let program = stage.dir.join("debugger");
            tool::copy_program("/bin/true".as_ref(), &program).unwrap();
            (stage.privileged)(&program);
        },
        contained: true,
    },
    Scene {
        rule: "Detect release_agent File Container Escapes",
        trigger: |stage| inside(stage.capable, &["sh", "-c", "echo /cmd >/tmp/release_agent"]),
        near_miss: |stage| inside(stage.plain, &["sh", "-c", "echo /cmd >/tmp/release_agent"]),
        contained: true,
    },
    Scene {
        rule: "PTRACE attached to process",
        trigger: |_| deed("attach", ""),
        // The other one of the two rules is about this.
        near_miss: |_| deed("trace-me", ""),
        contained: false,
    },
    Scene {
        rule: "PTRACE anti-debug attempt",
        trigger: |_| deed("trace-me", ""),
        near_miss: |_| deed("attach", ""),
        contained: false,
    },
    Scene {
        rule: "Find AWS Credentials",
        trigger: |_| host(&["find", "/dev/null", "-path", "/root/.aws/credentials"]),
        near_miss: |_| host(&["find", "/dev/null", "-path", "/root/.aws/config"]),
        contained: false,
    },
    Scene {
        rule: "Execution from /dev/shm",
        trigger: |_| host(&["bash", "/dev/shm/pinhole-is-not-there"]),
        near_miss: |_| host(&["bash", "/dev/shn/pinhole-is-not-there"]),
        contained: false,
    },
    Scene {
        rule: "Drop and execute new binary in container",
        trigger: |stage| {
            inside(
                stage.plain,
                &["sh", "-c", "cp /bin/busybox /tmp/dropped && exec /tmp/dropped true"],
            );
        },
        near_miss: |stage| inside(stage.plain, &["sh", "-c", "exec /bin/busybox true"]),
        contained: true,
    },
    Scene {
        rule: "Disallowed SSH Connection Non Standard Port",
        trigger: |_| ssh(PUBLIC, "ssh"),
        // To a private network.
        near_miss: |_| ssh("10.1.2.3", "ssh"),
        contained: false,
    },
    Scene {
        rule: "Fileless execution via memfd_create",
        trigger: |_| deed("memfd", &busybox()),
        near_miss: |_| deed("file", &busybox()),
        contained: false,
    },
];
