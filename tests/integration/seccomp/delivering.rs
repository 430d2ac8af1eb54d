//! What the delivery process keeps, rule by rule: a copy of the real binary whose policy lacks one, delivering by the channels that the
//! rule is for until its process is killed.

use std::fs;
use std::io;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pinhole::control::Client;
use pinhole::control::api::Delivery;

use super::kept::with_policy;
use super::policy::{AGENT_DELIVERY, rules, without};
use super::rare;
use crate::delivery::receiver::{Receiver, free_port};
use crate::event::agent;
use crate::lab::agent::{ARRIVES, Agent, ENDS, Installed, threads_of};
use crate::lab::error::{LabError, Result};
use crate::lab::place::Place;
use crate::lab::tool;
use crate::lab::turn::Turn;

/// Rules for what this build on this machine cannot do, and why they are there.
const ELSEWHERE: [(&str, &str); 9] = [
    ("epoll_pwait", "arm64 has no epoll_wait"),
    ("ppoll", "arm64 has no poll"),
    (
        "fstat",
        "C libraries from glibc 2.33 on ask by it where this one asks by newfstatat",
    ),
    ("renameat", "arm64 has no rename"),
    ("renameat2", "the same, with newer C libraries"),
    ("unlinkat", "arm64 has no unlink"),
    ("clock_gettime", "only without a vDSO, see rare.rs"),
    ("clock_nanosleep", "a C library that waits for a lock"),
    (
        "exit_group",
        "the sensor does not tell how a process ended that had nothing more to do",
    ),
];

/// Whom the machine asks for names in this test.
const NAME_SERVER: &str = "127.77.0.1";
/// How long the agent is given to answer one call.
const CALL: Duration = Duration::from_secs(60);
/// More alerts than a segment of the smallest queue holds, and a file of the smallest size.
const ALERTS: usize = 160;

/// Answers that every name has this machine's address (RFC 1035, section 4).
fn answer_names() {
    let socket = UdpSocket::bind((NAME_SERVER, 53)).unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let question = &buffer[..length];
            // After the header: the name, its end, the kind of record and the class.
            let name = question[12..].iter().position(|byte| *byte == 0).unwrap();
            let end = 12 + name + 5;
            let kind = question[end - 3];
            // A and AAAA (RFC 3596): of several addresses the C library asks which the machine can reach.
            let addresses: &[&[u8]] = match kind {
                1 => &[&[127, 0, 0, 1]],
                28 => &[&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]],
                _ => &[],
            };
            let mut answer = question[..end].to_vec();
            answer[2..4].copy_from_slice(&[0x81, 0x80]);
            answer[6..12].copy_from_slice(&[0, u8::try_from(addresses.len()).unwrap(), 0, 0, 0, 0]);
            for address in addresses {
                answer.extend([
                    0xc0,
                    12,
                    0,
                    kind,
                    0,
                    1,
                    0,
                    0,
                    0,
                    0,
                    0,
                    u8::try_from(address.len()).unwrap(),
                ]);
                answer.extend(*address);
            }
            socket.send_to(&answer, from).unwrap();
        }
    });
}

/// Where alerts go.
struct Receivers {
    port: u16,
    _http: Receiver,
    resolv: std::path::PathBuf,
    _place: Place,
}

impl Receivers {
    fn new() -> Self {
        answer_names();
        let port = free_port();
        let place = Place::new().unwrap();
        let resolv = place.path().join("resolv.conf");
        // Without a domain: the C library looks for one in the machine's name.
        fs::write(&resolv, format!("nameserver {NAME_SERVER}\n")).unwrap();
        Self {
            port,
            _http: Receiver::start(port, None),
            resolv,
            _place: place,
        }
    }

    /// The channels that need one part of the work and as little else as can be.
    fn settings(&self, part: Option<&str>, run: &Path) -> String {
        let (port, run) = (self.port, run.display());
        match part {
            // The second receiver speaks no TLS: its channel fails, and reads its authorities again on SIGHUP.
            None | Some("network" | "network-alone") => format!(
                "[delivery.http]\nenabled = true\nurl = \"http://receiver.test:{port}/\"\nretry.first = \"100ms\"\n\
                 [delivery.otlp]\nenabled = true\nurl = \"https://127.0.0.1:{port}/\"\ntls.ca_file = \"{run}/ca.crt\"\n\
                 retry.first = \"100ms\"\nretry.longest = \"200ms\"\n"
            ),
            Some("files") => format!(
                "[delivery.file]\nenabled = true\npath = \"{run}/alerts.log\"\nmax_size = \"4KiB\"\nkeep = 1\n\
                 [delivery.http]\nenabled = true\nurl = \"http://127.0.0.1:{port}/\"\nqueue.directory = \"{run}/queue\"\n\
                 queue.disk = \"1MiB\"\n"
            ),
            Some("sockets") => format!("[delivery.syslog]\nenabled = true\ntarget = \"unix://{run}/log\"\n"),
            Some(other) => panic!("{other}"),
        }
    }

    /// Lets the agent live, with channels that need this part. True if its delivery process did, to the end.
    fn life(&self, binary: &Path, part: Option<&str>) -> Result<bool> {
        let mount = format!(
            "mount --bind '{}' /etc/resolv.conf && exec \"$@\"",
            self.resolv.display()
        );
        let unshare = tool::find("unshare", "util-linux")?;
        let entry = [
            &*unshare.to_string_lossy(),
            "--mount",
            "--",
            "/bin/sh",
            "-c",
            &mount,
            "sh",
        ];
        let installed = Installed::new(binary)?.behind(entry.map(str::to_owned).into());
        let run = installed.dir().join("run");
        let (config, socket) = (installed.dir().join("agent.toml"), run.join("log"));
        let rules = installed.dir().join("rules.yaml");
        let text = "- rule: Marked\n  desc: d\n  condition: evt.type=execve and proc.name=true and proc.args contains pinhole-mark\n  \
                    output: met %proc.cmdline\n  priority: WARNING\n";
        fs::write(&rules, text).unwrap();
        let authority = rcgen::generate_simple_self_signed(vec!["receiver.test".to_owned()]).unwrap();
        fs::write(run.join("ca.crt"), authority.cert.pem()).unwrap();
        let log = "log.level = \"info,pinhole::delivery=debug\"";
        let text = format!("rules.files = [{rules:?}]\n{log}\n{}", self.settings(part, &run));
        fs::write(&config, text).unwrap();
        // One of streams: datagrams are tried first, so it wants all that they want and more.
        let syslog = UnixListener::bind(&socket).unwrap();
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o777)).unwrap();
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = syslog.accept() {
                let _ = io::copy(&mut stream, &mut io::sink());
            }
        });
        let running = installed.spawn(["--config", config.to_str().unwrap()])?;
        // That of a queue on disk stays.
        let stay = if part == Some("files") { 2 } else { 1 };
        self.lives(&running, &installed, stay)
    }

    fn lives(&self, agent: &Agent<'_>, installed: &Installed, stay: usize) -> Result<bool> {
        let told = || -> Option<Delivery> {
            let mut client = Client::connect(&installed.control_socket(), CALL).ok()?;
            client.status(CALL).ok()?.delivery
        };
        // Whether it is over: it has ended, or the agent did not even start.
        let is_over = || Ok::<bool, LabError>(agent.ended()?.is_some() || told().is_some_and(|told| !told.running));
        let until = |what: &str, done: &dyn Fn() -> bool| -> Result<bool> {
            tool::poll(
                what,
                ARRIVES,
                || format!("{:?}\n{}", told(), agent.stderr()),
                || Ok((done() || is_over()?).then_some(())),
            )?;
            Ok(!is_over()?)
        };
        if !until("the start", &|| told().is_some_and(|told| told.running))? {
            return Ok(false);
        }
        let script = format!("for i in $(seq {ALERTS}); do /bin/true pinhole-mark-$i; done");
        tool::run(Command::new("/bin/sh").args(["-c", &script]))?;
        let all = |told: &Delivery| {
            let channels = told.channels.iter().filter(|(name, _)| *name != "otlp");
            let delivered = channels.map(|(_, it)| it.delivered);
            delivered.min() >= Some(ALERTS as u64)
        };
        if !until("the alerts", &|| told().as_ref().is_some_and(all))? {
            return Ok(false);
        }
        kill(agent.pid(), Signal::SIGHUP).map_err(LabError::system("kill"))?;
        let child = child_of(agent)?;
        for fault in [Signal::SIGSEGV, Signal::SIGBUS] {
            send(child, fault)?;
            if !until("the fault's handling", &|| !catches(child, fault))? {
                return Ok(false);
            }
        }
        send(child, Signal::SIGTERM)?;
        for _ in 0..3 {
            send(child, Signal::SIGSTOP)?;
            until("the stop", &|| state(child).is_none_or(|state| state == 'T'))?;
            send(child, Signal::SIGCONT)?;
        }
        // Threads without work end after ten seconds.
        if !until("the end of threads", &|| {
            threads(child).is_none_or(|threads| threads == stay)
        })? {
            return Ok(false);
        }
        if !until("its health", &|| told().is_some_and(|told| told.running))? {
            return Ok(false);
        }
        kill(agent.pid(), Signal::SIGTERM).map_err(LabError::system("kill"))?;
        agent.wait_ended(ENDS)?;
        let last = agent.events().all().pop().unwrap_or_default();
        // Its last word, with nothing left to do but to end.
        let said = agent.stderr().contains("the delivery process ends with the sensor");
        Ok(last["delivery"]["running"] == true && said)
    }
}

fn child_of(agent: &Agent<'_>) -> Result<Pid> {
    let path = format!("/proc/{0}/task/{0}/children", agent.pid());
    let text = fs::read_to_string(&path).map_err(LabError::file("read", Path::new(&path)))?;
    // One that has gone is none, and what is sent to it goes nowhere.
    Ok(Pid::from_raw(text.trim().parse().unwrap_or(i32::MAX)))
}

/// One that has ended meanwhile cannot be sent any.
fn send(to: Pid, signal: Signal) -> Result<()> {
    match kill(to, signal) {
        Ok(()) | Err(nix::Error::ESRCH) => Ok(()),
        Err(error) => Err(LabError::system("kill")(error)),
    }
}

fn threads(of: Pid) -> Option<usize> {
    threads_of(of.as_raw().unsigned_abs().into())
        .ok()
        .map(|threads| threads.len())
}

fn state(of: Pid) -> Option<char> {
    let threads = threads_of(of.as_raw().unsigned_abs().into()).ok()?;
    threads.first()?.get("State")?.chars().next()
}

fn catches(of: Pid, signal: Signal) -> bool {
    let caught = || {
        let threads = threads_of(of.as_raw().unsigned_abs().into()).ok()?;
        u64::from_str_radix(threads.first()?.get("SigCgt")?, 16).ok()
    };
    caught().is_some_and(|set| set & 1 << (signal as i32 - 1) != 0)
}

#[test]
fn without_any_one_rule_the_delivery_process_is_killed_at_its_work() {
    let _turn = Turn::take().unwrap();
    let original = fs::read(agent()).unwrap();
    let place = Place::new().unwrap();
    let changed = place.path().join("agent-without");
    let receivers = Receivers::new();
    let lives = |policy: &str, part: Option<&str>| {
        fs::write(&changed, with_policy(&original, AGENT_DELIVERY, policy)).unwrap();
        receivers.life(&changed, part).unwrap()
    };
    for part in [None, Some("files"), Some("sockets")] {
        assert!(lives(AGENT_DELIVERY, part), "with every rule it lives: {part:?}");
    }
    let mut unneeded = Vec::new();
    for rule in rules(AGENT_DELIVERY) {
        let label = &*rule.label;
        let is_rare = rare::rules_of_delivery().any(|rare| rare == label);
        if is_rare || label == "clone3" || ELSEWHERE.iter().any(|(known, _)| *known == label) {
            continue;
        }
        // Threads that have just written wait for more with a timeout, which goes on after a stop by that call.
        let part = match label {
            "restart_syscall" => Some("files"),
            _ => rule.part.as_deref(),
        };
        let lived = lives(&without(AGENT_DELIVERY, &rule), part);
        println!("{label} {part:?}: {}", if lived { "lives" } else { "killed" });
        if lived {
            unneeded.push(format!("{label} {part:?}"));
        }
    }
    assert!(unneeded.is_empty(), "rules that nothing needed: {unneeded:#?}");
}

/// A process that cannot begin is none, and then there is no agent.
#[test]
fn an_agent_whose_delivery_process_cannot_begin_does_not_start() {
    let _turn = Turn::take().unwrap();
    let original = fs::read(agent()).unwrap();
    let place = Place::new().unwrap();
    let changed = place.path().join("agent-without");
    let policy = rules(AGENT_DELIVERY);
    let rule = policy.iter().find(|rule| rule.label == "epoll_create1").unwrap();
    let lacking = with_policy(&original, AGENT_DELIVERY, &without(AGENT_DELIVERY, rule));
    fs::write(&changed, lacking).unwrap();
    let installed = Installed::new(&changed).unwrap();
    let rules = installed.dir().join("rules.yaml");
    fs::write(&rules, "[]\n").unwrap();
    let path = installed.dir().join("run/alerts.log");
    let left = installed
        .spawn([
            "--rules",
            rules.to_str().unwrap(),
            "--delivery-file-enabled",
            "true",
            "--delivery-file-path",
            path.to_str().unwrap(),
        ])
        .unwrap()
        .collect()
        .unwrap();
    assert_eq!(left.status.code(), Some(70), "{}", left.stderr);
    assert!(left.stderr.contains("SIGSYS"), "{}", left.stderr);
    assert!(left.events.is_empty());
}
