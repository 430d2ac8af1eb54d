//! A process that lives in namespaces of its own and takes everything with it when it ends.
//!
//! Killing the first process of a PID namespace kills all others in it, and its mounts go with its mount namespace: no
//! shim, container or overlay survives, however the lab ends.

use std::fs;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::error::{LabError, Result};
use super::tool;

/// What the process has for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Own {
    /// Mounts and processes: for what starts others.
    MountsAndProcesses,
    /// Mounts: for what must see the machine's processes, and starts none.
    Mounts,
}

/// The namespaced process. Dropping it ends it and waits until all of it is gone.
pub(crate) struct Contained {
    stop: Option<mpsc::Sender<()>>,
    keeper: Option<JoinHandle<()>>,
    outer: Pid,
}

impl Contained {
    /// Runs a shell script as the first process of new namespaces; what it writes goes to `log`.
    ///
    /// The script should end in `exec`.
    pub(crate) fn start(own: Own, script: &str, log: &Path) -> Result<Self> {
        let log_file = File::create(log).map_err(LabError::file("make", log))?;
        let log_twin = log_file.try_clone().map_err(LabError::file("share", log))?;
        let mut command = Command::new(tool::find("setpriv", "util-linux")?);
        // The kernel ends the process when the thread that started it dies: also when the tests are killed.
        command
            .args(["--pdeathsig", "KILL"])
            .arg(tool::find("unshare", "util-linux")?)
            .args(["--mount", "--fork", "--kill-child"])
            .args(match own {
                Own::MountsAndProcesses => ["--pid", "--mount-proc", "--"].as_slice(),
                Own::Mounts => &["--"],
            })
            .args(["/bin/sh", "-ec", script])
            // Nothing of cargo's environment, whose library path would lead into this project.
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            // Ctrl-C is for the one who started this, who then ends it in order.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log_file)
            .stderr(log_twin);

        // "Parent" means thread here, and the threads of tests end before the tests do: so one thread is the parent and
        // does nothing else.
        let (stop, stopped) = mpsc::channel::<()>();
        let (report, started) = mpsc::channel();
        let keeper = std::thread::spawn(move || match command.spawn() {
            Ok(child) => {
                let pid = Pid::from_raw(child.id().cast_signed());
                if report.send(Ok(pid)).is_ok() {
                    // Both a message and a dropped sender mean: stop.
                    let _ = stopped.recv();
                }
                end(child, pid);
            }
            Err(source) => {
                let _ = report.send(Err(LabError::Start {
                    program: "setpriv".to_owned(),
                    source,
                }));
            }
        });
        let outer = match started.recv() {
            Ok(result) => result?,
            Err(mpsc::RecvError) => {
                return Err(LabError::System {
                    call: "thread",
                    source: nix::Error::EAGAIN,
                });
            }
        };
        Ok(Self {
            stop: Some(stop),
            keeper: Some(keeper),
            outer,
        })
    }

    /// The first process inside, as the machine numbers it; absent before it started and after it ended.
    pub(crate) fn first_pid(&self) -> Option<Pid> {
        first_inside(self.outer)
    }
}

impl Drop for Contained {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(keeper) = self.keeper.take() {
            // A panic of the keeper has been printed already; there is nothing to add in a destructor.
            let _ = keeper.join();
        }
    }
}

/// Kills the first process inside, whose end the outer one waits for: by then the kernel has reaped all of the
/// namespace.
fn end(mut outer: Child, pid: Pid) -> Option<ExitStatus> {
    match first_inside(pid) {
        Some(inner) => {
            let _ = kill(inner, Signal::SIGKILL);
        }
        None => {
            let _ = outer.kill();
        }
    }
    outer.wait().ok()
}

fn first_inside(outer: Pid) -> Option<Pid> {
    let children = fs::read_to_string(format!("/proc/{outer}/task/{outer}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok().map(Pid::from_raw)
}
