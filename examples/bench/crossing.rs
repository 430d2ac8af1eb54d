//! How much of what happens crosses into user space with Falco's stable rules, with prefilters and without: while a package
//! is built, while a web server works, while containers start.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::agent::Agent;
use crate::lab::containerd::Containerd;
use crate::lab::place::Place;
use crate::lab::pod::{Pod, PodSpec};
use crate::lab::tool;
use crate::lab::turn::Turn;
use crate::rules::stable;
use crate::table::{Form, Table};
use crate::{Bench, Result};

/// The calls that open files.
const OPENS: [&str; 4] = ["open", "openat", "openat2", "creat"];
const REQUESTS: u32 = 20_000;
const CONTAINERS: usize = 20;
const PACKAGE: &str = "target/lab/loads/hello";
/// How long a web server may take to listen.
const LISTENS: Duration = Duration::from_secs(10);

pub(crate) fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let Some(copy) = stable(bench, table)? else {
        return Ok(());
    };
    let _turn = Turn::take()?;
    let place = Place::new()?;
    let lab = Containerd::start()?;
    let server = Server::start(place.path())?;
    let loads: [(&str, &dyn Fn() -> Result<()>); 3] = [
        ("a package build", &|| build(place.path())),
        ("a web server under load", &|| server.work()),
        ("a storm of containers", &|| storm(&lab)),
    ];
    let percent = Form::of("%", 2);
    for (name, load) in loads {
        for prefilter in ["true", "false"] {
            let args = [
                "--output",
                "count",
                "--rules",
                copy.to_str().ok_or("no text")?,
                "--rules-prefilter",
                prefilter,
                "--runtime-socket",
                lab.socket().to_str().ok_or("no text")?,
            ]
            .map(str::to_owned);
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let agent = Agent::start(&bench.installed, &args)?;
            let before = counts(&agent)?;
            load()?;
            let after = counts(&agent)?;
            agent.stop()?;
            let share =
                |at: usize| 100.0 * (after[at].1 - before[at].1) as f64 / (after[at].0 - before[at].0).max(1) as f64;
            let how = if prefilter == "true" { "" } else { ", no prefilter" };
            let goal = if prefilter == "true" && name.contains("package") {
                percent.at_most(5.0)
            } else {
                percent
            };
            table.figure(&format!("opens that cross, {name}{how}"), goal, &[share(0)]);
            table.figure(&format!("calls that cross, {name}{how}"), percent, &[share(1)]);
            table.remark(
                "  of so many opens and calls",
                &format!("{} {}", after[0].0 - before[0].0, after[1].0 - before[1].0),
            );
        }
    }
    Ok(())
}

/// How many were seen and delivered: of opens, and of all system calls.
fn counts(agent: &Agent) -> Result<[(u64, u64); 2]> {
    agent.mark()?;
    let mut counts = [(0, 0); 2];
    for (hook, line) in agent.status()?.hooks {
        let opens = OPENS.contains(&hook.as_str());
        let is_call = pinhole::capture::Hook::of_call(&hook).is_some();
        for (of, counts) in [opens, is_call].into_iter().zip(&mut counts) {
            if of {
                counts.0 += line.seen;
                counts.1 += line.delivered;
            }
        }
    }
    Ok(counts)
}

fn build(place: &Path) -> Result<()> {
    let source = Path::new(PACKAGE);
    if !source.is_dir() {
        return Err(format!("{PACKAGE} is missing: tests/lab/loads fetches it").into());
    }
    let copy = place.join("hello");
    let _ = fs::remove_dir_all(&copy);
    tool::run(Command::new("cp").arg("-r").arg(source).arg(&copy))?;
    let mut build = Command::new("dpkg-buildpackage");
    tool::run(
        build
            .args(["--build=binary", "--unsigned-source", "--unsigned-changes", "-d"])
            .current_dir(&copy),
    )?;
    Ok(())
}

/// A web server of its own. Dropping it ends it.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(place: &Path) -> Result<Self> {
        // Free a moment ago.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let root: PathBuf = place.join("www");
        fs::create_dir(&root)?;
        fs::write(root.join("index.html"), "x".repeat(4096))?;
        let (place, root) = (place.display(), root.display());
        let settings = format!(
            "daemon off; pid {place}/pid; error_log {place}/error; worker_processes 1; events {{}}\n\
             http {{ access_log {place}/access; server {{ listen 127.0.0.1:{port}; root {root}; }} }}\n"
        );
        let file = format!("{place}/nginx.conf");
        fs::write(&file, settings)?;
        let child = Command::new("nginx")
            .args(["-c", &file])
            .stderr(Stdio::null())
            .spawn()?;
        let deadline = Instant::now() + LISTENS;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if Instant::now() > deadline {
                return Err("nginx does not listen".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let url = format!("http://127.0.0.1:{port}/index.html");
        Ok(Self { child, url })
    }

    /// A connection for each request.
    fn work(&self) -> Result<()> {
        tool::run(Command::new("ab").args(["-q", "-c", "8", "-n", &REQUESTS.to_string(), &self.url]))?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its worker ends with it.
        let id = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        let _ = nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

fn storm(lab: &Containerd) -> Result<()> {
    let pod = Pod::run(
        lab,
        PodSpec::new("shop", "storm", "3a0c1b7e-0000-4000-8000-000000005709"),
    )?;
    for at in 0..CONTAINERS {
        pod.start(&format!("app-{at}"), &["/bin/sleep", "1000"])?;
    }
    Ok(pod.remove()?)
}
