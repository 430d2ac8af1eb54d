//! The demonstration: a real pod on a private containerd, watched by the agent as a non-root user, judged by its doctor.
//!
//! Owns everything that it starts and removes it again, also when it fails or is interrupted. Its output is for people;
//! still, it fails when what it promises to show does not appear.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, sigaction};
use nix::unistd::Pid;

use lab::agent::{AGENT_ID, ARRIVES, ENDS, Installed, READY, answers};
use lab::containerd::Containerd;
use lab::error::{LabError, Result};
use lab::pod::{Pod, PodContainer, PodSpec};
use lab::tool;
use lab::turn::Turn;

#[expect(
    dead_code,
    reason = "the lab serves the tests too; the demonstration uses a part of it"
)]
#[path = "../tests/lab/mod.rs"]
mod lab;

const NAMESPACE: &str = "shop";
const POD: &str = "web-7d9c5b";
const UID: &str = "3f6d2b1e-8c4a-4d5f-9e60-7a1b2c3d4e5f";

/// Set by SIGINT and SIGTERM. Steps look at it before they begin and while they wait.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

extern "C" fn note_interrupt(_: i32) {
    INTERRUPTED.store(true, Ordering::SeqCst);
}

#[expect(unsafe_code, reason = "installing a signal handler")]
fn catch_interrupts() -> Result<()> {
    let action = SigAction::new(
        SigHandler::Handler(note_interrupt),
        SaFlags::SA_RESTART,
        SigSet::empty(),
    );
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        // SAFETY: the handler only stores to an atomic, which is async-signal-safe.
        unsafe { sigaction(signal, &action) }.map_err(LabError::system("sigaction"))?;
    }
    Ok(())
}

/// Why the demonstration ended early.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error("interrupted")]
    Interrupted,
    #[error(transparent)]
    Lab(#[from] LabError),
}

fn main() -> ExitCode {
    let started = Instant::now();
    // Everything that was started is dropped, which is removed, when this returns, whatever it returns.
    let result = catch_interrupts().map_err(Stop::from).and_then(|()| show());
    match result {
        Ok(()) => {
            step(&format!(
                "Everything is removed again. That took {:.1} s.",
                started.elapsed().as_secs_f64()
            ));
            ExitCode::SUCCESS
        }
        Err(Stop::Interrupted) => {
            step("Interrupted. Everything is removed again.");
            ExitCode::from(130)
        }
        Err(error) => {
            eprintln!("demo: {error}");
            step("Everything is removed again.");
            ExitCode::FAILURE
        }
    }
}

fn step(text: &str) {
    println!("\n\u{2500}\u{2500} {text}");
}

fn go_on() -> std::result::Result<(), Stop> {
    if INTERRUPTED.load(Ordering::SeqCst) {
        Err(Stop::Interrupted)
    } else {
        Ok(())
    }
}

fn show() -> std::result::Result<(), Stop> {
    let _turn = Turn::take_telling(|| println!("Waiting: tests or another demonstration run on this machine."))?;
    step("Starting a private containerd, with a busybox image made here.");
    let lab = Containerd::start()?;
    println!(
        "   containerd {} answers on {} (root:root 0660)",
        lab.version(),
        lab.socket().display()
    );

    go_on()?;
    step(&format!(
        "Starting the agent as user {AGENT_ID}, with CAP_BPF and CAP_PERFMON and nothing else."
    ));
    let installed = Installed::new(&agent_binary()?)?;
    let mut agent = Watched::start(&installed, &lab)?;
    agent.wait_ready()?;
    print_privileges(agent.pid)?;

    go_on()?;
    step(&format!(
        "Starting the pod {NAMESPACE}/{POD} through CRI, as a kubelet would, and working in it."
    ));
    println!(
        "   Shown: the agent's events of this pod. What runc does in it beforehand, and the rest of the node, is counted.\n"
    );
    let pod = Pod::run(&lab, PodSpec::new(NAMESPACE, POD, UID))?;
    let container = pod.start("app", &["/bin/sleep", "1000"])?;
    work(&container)?;
    agent.wait_printed("/etc/hostname")?;
    agent.wait_printed("last-of-the-demo")?;

    go_on()?;
    step("Asking the doctor, while the agent runs.");
    examine(&installed, &lab)?;

    go_on()?;
    step("Stopping the agent as Kubernetes would. Its last words are its account.");
    agent.stop()?;
    pod.remove()?;
    Ok(())
}

/// The binary beside which this example was built: `target/<host>/<profile>/examples/demo`.
fn agent_binary() -> Result<PathBuf> {
    let here = std::env::current_exe().map_err(LabError::file("find", "the demonstration itself".as_ref()))?;
    let agent = here
        .ancestors()
        .nth(2)
        .map(|profile| profile.join("agent"))
        .filter(|agent| agent.is_file());
    agent.ok_or_else(|| LabError::Place {
        why: "the agent is not built: run `./justw demo`".to_owned(),
    })
}

/// What the pod does: execute, open, connect.
fn work(container: &PodContainer<'_>) -> std::result::Result<(), Stop> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(LabError::file("listen on", "127.0.0.1".as_ref()))?;
    let address = listener
        .local_addr()
        .map_err(LabError::file("name", "the listening socket".as_ref()))?;
    let connect = format!("echo hello | /bin/nc 127.0.0.1 {}", address.port());
    // busybox's nc ends when its peer does, so the peer takes the connection and closes it.
    let acceptor = std::thread::spawn(move || drop(listener.accept()));
    let commands: [&[&str]; 4] = [
        &["cat", "/etc/hostname"],
        &[
            "sh",
            "-c",
            "echo secret > /tmp/report; /bin/cat /tmp/report /no/such/file",
        ],
        &["sh", "-c", &connect],
        &["true", "last-of-the-demo"],
    ];
    for command in commands {
        go_on()?;
        container.exec(command)?;
    }
    // Were there no connection, this one would end the wait. Whatever happened is shown by the agent, not here.
    drop(TcpStream::connect(address));
    let _ = acceptor.join();
    Ok(())
}

fn print_privileges(pid: Pid) -> Result<()> {
    let path = PathBuf::from(format!("/proc/{pid}/status"));
    let status = std::fs::read_to_string(&path).map_err(LabError::file("read", &path))?;
    let words = ["Uid", "CapPrm", "CapEff", "CapAmb", "NoNewPrivs", "Seccomp"];
    let shown: Vec<String> = status
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(key, _)| words.contains(key))
        .map(|(key, value)| format!("{key} {}", value.split_whitespace().next().unwrap_or_default()))
        .collect();
    println!("   attached; what the kernel says of it now: {}", shown.join(", "));
    Ok(())
}

fn examine(installed: &Installed, lab: &Containerd) -> Result<()> {
    let mut command = installed.command(["doctor".as_ref(), "--runtime-socket".as_ref(), lab.socket().as_os_str()])?;
    let status = command.status().map_err(|source| LabError::Start {
        program: tool::shown(&command),
        source,
    })?;
    match status.code() {
        Some(0) => println!("   the doctor found nothing to mend (exit code 0)"),
        Some(2) => println!("   the doctor has findings, above (exit code 2)"),
        Some(3) => println!("   the doctor could not determine everything, above (exit code 3)"),
        _ => {
            return Err(LabError::Failed {
                command: "agent doctor".to_owned(),
                status: status.to_string(),
                output: "its output is above".to_owned(),
            });
        }
    }
    Ok(())
}

/// What the agent has printed.
#[derive(Default)]
struct Printed {
    of_the_pod: Vec<String>,
    preparation: usize,
    others: usize,
    /// The account of the run: several lines, the last that are printed.
    account: Vec<String>,
}

/// The agent while its output is shown. Dropping it ends it.
struct Watched<'a> {
    installed: &'a Installed,
    child: Child,
    pid: Pid,
    printed: Arc<Mutex<Printed>>,
    reader: Option<JoinHandle<()>>,
}

impl<'a> Watched<'a> {
    fn start(installed: &'a Installed, lab: &Containerd) -> Result<Self> {
        let socket = lab.socket();
        let mut command = installed.command(["run", "--output", "text"].map(AsRef::<std::ffi::OsStr>::as_ref))?;
        command.arg("--runtime-socket").arg(socket);
        // Ctrl-C is for the demonstration, which then ends the agent in order.
        command
            .process_group(0)
            .env("PINHOLE_LOG_LEVEL", "warn")
            .stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|source| LabError::Start {
            program: tool::shown(&command),
            source,
        })?;
        let printed = Arc::new(Mutex::new(Printed::default()));
        let reader = child.stdout.take().map(|stdout| {
            let printed = Arc::clone(&printed);
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(std::io::Result::ok) {
                    let mut printed = printed.lock().unwrap_or_else(PoisonError::into_inner);
                    if line.contains(POD) && line.contains("runc") {
                        printed.preparation += 1;
                    } else if line.contains(POD) {
                        println!("   {line}");
                        printed.of_the_pod.push(line);
                    } else {
                        if line.contains("summary: ") {
                            printed.account.clear();
                        } else if printed.account.is_empty() {
                            printed.others += 1;
                            continue;
                        }
                        printed.account.push(line);
                    }
                }
            })
        });
        let pid = Pid::from_raw(child.id().cast_signed());
        Ok(Self {
            installed,
            child,
            pid,
            printed,
            reader,
        })
    }

    fn wait_ready(&mut self) -> std::result::Result<(), Stop> {
        let socket = self.installed.control_socket();
        self.wait("the agent's readiness", READY, |_| answers(&socket))
    }

    fn wait_printed(&mut self, word: &str) -> std::result::Result<(), Stop> {
        self.wait(&format!("an event with {word} of the pod"), ARRIVES, |printed| {
            printed.of_the_pod.iter().any(|line| line.contains(word))
        })
    }

    fn wait(
        &mut self,
        what: &str,
        within: Duration,
        holds: impl Fn(&Printed) -> bool,
    ) -> std::result::Result<(), Stop> {
        let outcome = tool::poll(
            what,
            within,
            || "the agent's messages are above".to_owned(),
            || {
                if let Ok(Some(status)) = self.child.try_wait() {
                    return Err(LabError::Failed {
                        command: "agent run".to_owned(),
                        status: status.to_string(),
                        output: "its messages are above".to_owned(),
                    });
                }
                let printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
                Ok((INTERRUPTED.load(Ordering::SeqCst) || holds(&printed)).then_some(()))
            },
        );
        // An interrupt ends the wait; whatever else went wrong at that moment is its consequence.
        go_on()?;
        Ok(outcome?)
    }

    fn stop(mut self) -> Result<()> {
        kill(self.pid, Signal::SIGTERM).map_err(LabError::system("kill"))?;
        let ended = tool::poll("the agent's end", ENDS, String::new, || {
            self.child
                .try_wait()
                .map_err(LabError::file("wait for", "the agent".as_ref()))
        })?;
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        let printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        for line in &printed.account {
            println!("   {line}");
        }
        println!(
            "   Shown: {} events of the pod. Not shown: {} of runc in it, {} lines about the rest of the node.",
            printed.of_the_pod.len(),
            printed.preparation,
            printed.others
        );
        if ended.success() {
            return Ok(());
        }
        Err(LabError::Failed {
            command: "agent run".to_owned(),
            status: ended.to_string(),
            output: "its messages are above".to_owned(),
        })
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        // Already ended is what both calls report when there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
