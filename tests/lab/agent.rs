//! The agent as a container runtime would run it: uid 65532, group 0 for the runtime's socket, a bounding set of exactly
//! CAP_BPF and CAP_PERFMON, and a binary whose file capabilities are those two, permitted only.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pinhole::control::client::Client;
use serde_json::Value;

use super::error::{LabError, Result};
use super::events::EventLog;
use super::place::Place;
use super::tool;

/// The user and group the agent runs as.
pub(crate) const AGENT_ID: u32 = 65532;
/// How long the agent may take to attach its hooks and answer on its admin socket.
pub(crate) const READY: Duration = Duration::from_secs(120);
/// How long an event may take from the kernel to the output, the lookup of its container included. The machine may be
/// busy with other tests; a missing event is what this ends.
pub(crate) const ARRIVES: Duration = Duration::from_secs(120);
/// How long the agent may take to end after it was asked to.
pub(crate) const ENDS: Duration = Duration::from_secs(60);

/// Lookups may take longer than an agent grants them by default: what a test asks for is whether they find, and its machine
/// may be busy.
const PATIENCE: &[(&str, &str)] = &[
    ("PINHOLE_RUNTIME_CALL_TIMEOUT", "20s"),
    ("PINHOLE_RUNTIME_LOOKUP_BUDGET", "20s"),
    ("PINHOLE_RUNTIME_WAIT_SHARE", "100%"),
];

/// A copy of the agent's binary with file capabilities, and a run directory that its user owns.
pub(crate) struct Installed {
    place: Place,
    groups: &'static str,
    bounding: &'static str,
    entry: Vec<String>,
    limits: &'static [(&'static str, &'static str)],
}

impl Installed {
    /// Copies the binary and gives it its file capabilities.
    pub(crate) fn new(binary: &Path) -> Result<Self> {
        Self::with_file_capabilities(binary, "cap_bpf,cap_perfmon=p")
    }

    /// As [`Self::new`] with other file capabilities (`=` for none).
    pub(crate) fn with_file_capabilities(binary: &Path, capabilities: &str) -> Result<Self> {
        let place = Place::new()?;
        let copy = place.path().join("agent");
        tool::copy_program(binary, &copy)?;
        tool::run(
            Command::new(tool::find("setcap", "libcap2-bin")?)
                .arg(capabilities)
                .arg(&copy),
        )?;
        let run = place.subdir("run")?;
        chown(&run, Some(AGENT_ID), Some(AGENT_ID)).map_err(LabError::file("change the owner of", &run))?;
        Ok(Self {
            place,
            groups: "0",
            bounding: "-all,+bpf,+perfmon",
            entry: Vec::new(),
            limits: PATIENCE,
        })
    }

    /// Lookups have the time that they have by default.
    pub(crate) fn with_default_limits(mut self) -> Self {
        self.limits = &[];
        self
    }

    /// Runs without the supplementary group that may use the runtime's socket.
    pub(crate) fn without_group(mut self) -> Self {
        self.groups = "65532";
        self
    }

    /// Runs with another bounding set, in the words of `setpriv --bounding-set`.
    pub(crate) fn with_bounding_set(mut self, bounding: &'static str) -> Self {
        self.bounding = bounding;
        self
    }

    /// Runs behind these words, e.g. `nsenter` into other namespaces.
    pub(crate) fn behind(mut self, entry: Vec<String>) -> Self {
        self.entry = entry;
        self
    }

    /// A directory for configuration files and the like, readable by the agent.
    pub(crate) fn dir(&self) -> &Path {
        self.place.path()
    }

    /// The path of the admin socket.
    pub(crate) fn control_socket(&self) -> PathBuf {
        self.place.path().join("run/agent.sock")
    }

    /// The command line that runs the agent with these arguments and nothing of the caller's environment but `PATH`.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Result<Command> {
        let id = AGENT_ID.to_string();
        let setpriv = tool::find("setpriv", "util-linux")?;
        let mut words = self.entry.iter().map(OsString::from).chain([setpriv.into_os_string()]);
        let mut command = Command::new(words.next().unwrap_or_default());
        command
            .args(words)
            .args(["--reuid", &id, "--regid", &id, "--groups", self.groups])
            .args([
                "--bounding-set",
                self.bounding,
                "--inh-caps=-all",
                "--ambient-caps=-all",
                "--",
            ])
            .arg(self.place.path().join("agent"))
            .args(args)
            .current_dir(self.place.path())
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("PINHOLE_CONTROL_SOCKET", self.control_socket())
            // The machine's journald, if any, is no place for a test's log.
            .env("PINHOLE_LOG_TARGET", "stderr")
            .stdin(Stdio::null());
        Ok(command)
    }

    /// Starts `agent run --output json` and waits until it answers on its admin socket.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Result<Agent<'_>> {
        let agent = self.spawn(args)?;
        agent.wait_ready()?;
        Ok(agent)
    }

    /// As [`Self::run`] in another format. One that is not JSON lines is not understood.
    pub(crate) fn run_as<S: AsRef<OsStr>>(&self, format: &str, args: impl IntoIterator<Item = S>) -> Result<Agent<'_>> {
        let agent = self.spawn_as(format, args)?;
        agent.wait_ready()?;
        Ok(agent)
    }

    /// Starts a command that [`Self::command`] made.
    pub(crate) fn start(&self, command: &mut Command) -> Result<Agent<'_>> {
        Agent::start(self, command)
    }

    /// As [`Self::run`], without waiting: for starts that are meant to fail.
    pub(crate) fn spawn<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Result<Agent<'_>> {
        self.spawn_as("json", args)
    }

    fn spawn_as<S: AsRef<OsStr>>(&self, format: &str, args: impl IntoIterator<Item = S>) -> Result<Agent<'_>> {
        let mut words: Vec<OsString> = ["run", "--output", format].map(OsString::from).into();
        words.extend(args.into_iter().map(|word| word.as_ref().to_owned()));
        let mut command = self.command(words)?;
        Agent::start(self, command.envs(self.limits.iter().copied()))
    }
}

/// Whether an agent answers on its admin socket. The socket is there earlier: connections wait until the hooks are
/// attached and the privileges dropped.
pub(crate) fn answers(socket: &Path) -> bool {
    let deadline = Duration::from_secs(1);
    Client::connect(socket, deadline).is_ok_and(|mut client| client.status(deadline).is_ok())
}

/// A running agent. Dropping it kills it.
pub(crate) struct Agent<'a> {
    installed: &'a Installed,
    child: Mutex<Child>,
    pid: Pid,
    events: Option<EventLog>,
    errors: Collected,
}

/// What a stopped agent left.
pub(crate) struct Stopped {
    pub(crate) status: ExitStatus,
    pub(crate) events: Vec<Value>,
    pub(crate) stderr: String,
}

impl Stopped {
    /// The last line of the run, which is its summary.
    pub(crate) fn summary(&self) -> Option<&Value> {
        self.events.last().filter(|event| event["type"] == "summary")
    }
}

impl<'a> Agent<'a> {
    fn start(installed: &'a Installed, command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| LabError::Start {
                program: tool::shown(command),
                source,
            })?;
        let events = child.stdout.take().map(|stdout: ChildStdout| EventLog::follow(stdout));
        let errors = Collected::follow(child.stderr.take());
        let pid = Pid::from_raw(child.id().cast_signed());
        Ok(Self {
            installed,
            child: Mutex::new(child),
            pid,
            events,
            errors,
        })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Its events.
    pub(crate) fn events(&self) -> &EventLog {
        self.events.as_ref().expect("present until the agent is stopped")
    }

    /// Waits for an event; when it does not come, the agent's state and log are part of the error.
    pub(crate) fn wait_for(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        self.explained(self.events().wait_for(what, ARRIVES, wanted))
    }

    /// Adds what is known of the agent to an error about its events.
    pub(crate) fn explained<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|error| match error {
            LabError::Deadline { what, within, context } => {
                let state = match self.ended() {
                    Ok(Some(status)) => format!("the agent has ended: {status}"),
                    Ok(None) => "the agent runs".to_owned(),
                    Err(error) => error.to_string(),
                };
                LabError::Deadline {
                    what,
                    within,
                    context: format!("{context}\n{state}; its log:\n{}", self.stderr()),
                }
            }
            other => other,
        })
    }

    /// What it logged so far.
    pub(crate) fn stderr(&self) -> String {
        self.errors.text()
    }

    /// Waits until the agent answers on its admin socket, which it does once the hooks are attached.
    pub(crate) fn wait_ready(&self) -> Result<()> {
        let socket = self.installed.control_socket();
        tool::poll(
            "the agent's readiness",
            READY,
            || self.stderr(),
            || {
                if let Some(status) = self.ended()? {
                    return Err(LabError::Failed {
                        command: "agent run".to_owned(),
                        status: status.to_string(),
                        output: self.stderr(),
                    });
                }
                Ok(answers(&socket).then_some(()))
            },
        )
    }

    /// Asks for a summary and waits for it.
    pub(crate) fn summary(&self) -> Result<Value> {
        let mark = self.events().len();
        kill(self.pid, Signal::SIGUSR1).map_err(LabError::system("kill"))?;
        self.events()
            .wait_from(mark, "a summary", ENDS, |event| event["type"] == "summary")
    }

    /// Ends the agent as Kubernetes does, and collects what it left.
    pub(crate) fn stop(self) -> Result<Stopped> {
        kill(self.pid, Signal::SIGTERM).map_err(LabError::system("kill"))?;
        self.collect()
    }

    /// Waits for the agent's end and collects what it left.
    pub(crate) fn collect(mut self) -> Result<Stopped> {
        let status = self.wait_ended(ENDS)?;
        let events = match self.events.take() {
            Some(events) => events.finish()?,
            None => Vec::new(),
        };
        Ok(Stopped {
            status,
            events,
            stderr: self.errors.finish(),
        })
    }

    /// Waits until the agent has ended by itself.
    pub(crate) fn wait_ended(&self, within: Duration) -> Result<ExitStatus> {
        tool::poll("the agent's end", within, || self.stderr(), || self.ended())
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&self) -> Result<Option<ExitStatus>> {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        child.try_wait().map_err(LabError::file("wait for", Path::new("agent")))
    }

    /// `/proc/<pid>/task/*/status` of every thread, by key.
    pub(crate) fn threads(&self) -> Result<Vec<BTreeMap<String, String>>> {
        threads_of(self.pid.as_raw().unsigned_abs().into())
    }
}

/// `/proc/<pid>/task/*/status` of every thread of a process, by key.
pub(crate) fn threads_of(pid: u64) -> Result<Vec<BTreeMap<String, String>>> {
    let tasks = PathBuf::from(format!("/proc/{pid}/task"));
    let mut threads = Vec::new();
    for entry in fs::read_dir(&tasks).map_err(LabError::file("list", &tasks))? {
        let path = entry.map_err(LabError::file("list", &tasks))?.path().join("status");
        match fs::read_to_string(&path) {
            Ok(text) => threads.push(
                text.lines()
                    .filter_map(|line| line.split_once(':'))
                    .map(|(key, value)| (key.to_owned(), value.trim().to_owned()))
                    .collect(),
            ),
            // A thread may end between the listing and the reading.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => {
                return Err(LabError::File {
                    operation: "read",
                    path,
                    source,
                });
            }
        }
    }
    Ok(threads)
}

impl Drop for Agent<'_> {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Already ended is what both calls report when there is nothing to do.
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// A stream that is read to its end on a thread of its own.
struct Collected {
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Collected {
    fn follow(source: Option<impl Read + Send + 'static>) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let writer = Arc::clone(&text);
        let reader = source.map(|mut source| {
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(count @ 1..) = source.read(&mut buffer) {
                    let piece = String::from_utf8_lossy(&buffer[..count]);
                    writer.lock().unwrap_or_else(PoisonError::into_inner).push_str(&piece);
                }
            })
        });
        Self { text, reader }
    }

    fn text(&self) -> String {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn finish(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        self.text()
    }
}
