//! Health that means something: what makes the agent unready does so, is named, and lets it be ready again; and what it tells
//! a scraper is what Prometheus' own parser understands.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pinhole::control::Client;

use crate::event::agent;
use crate::lab::agent::{AGENT_ID, Agent, Installed};
use crate::lab::containerd::Containerd;
use crate::lab::error::Result;
use crate::lab::proxy::{Mode, Proxy};
use crate::lab::tool;
use crate::lab::turn::Turn;

/// How late a change of health may show: a heartbeat, a call that is not answered, the time a condition has to hold, and a
/// machine that is busy.
const SHOWS: Duration = Duration::from_secs(180);

/// How long the admin socket may take to answer.
const SOON: Duration = Duration::from_secs(30);

/// What curl gets on the admin socket: the status and the text.
pub(crate) fn curl(installed: &Installed, path: &str, header: &str) -> (u16, String) {
    let output = tool::run(
        Command::new(tool::find("curl", "curl").unwrap())
            .args(["--silent", "--max-time", "10", "--write-out", "\n%{http_code}"])
            .args(["--header", header, "--unix-socket"])
            .arg(installed.control_socket())
            .arg(format!("http://agent{path}")),
    )
    .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let (text, code) = said.rsplit_once('\n').unwrap();
    (code.parse().unwrap(), text.to_owned())
}

fn readyz(installed: &Installed) -> (u16, String) {
    curl(installed, "/readyz", "Accept: */*")
}

/// Waits until `/readyz` says so and the condition has this sign.
fn wait(agent: &Agent<'_>, installed: &Installed, condition: &str, sign: char) -> String {
    let code = if sign == '+' { 200 } else { 503 };
    let line = format!("[{sign}] {condition}: ");
    let context = || format!("{:?}\n{}", readyz(installed), agent.stderr());
    tool::poll(
        &format!("{line}and {code}"),
        SHOWS,
        context,
        || -> Result<Option<String>> {
            let (got, text) = readyz(installed);
            Ok((got == code && text.lines().any(|told| told.starts_with(&line))).then_some(text))
        },
    )
    .unwrap()
}

/// Only this one is not met.
fn only_unmet(text: &str, condition: &str) {
    let unmet: Vec<&str> = text.lines().filter(|line| line.starts_with("[-]")).collect();
    assert!(
        unmet.len() == 1 && unmet[0].starts_with(&format!("[-] {condition}: ")),
        "{text}"
    );
}

#[test]
fn a_runtime_that_hangs_makes_it_unready_until_it_answers() {
    let _turn = Turn::take().unwrap();
    let lab = Containerd::start().unwrap();
    let proxy = Proxy::start(&lab.socket()).unwrap();
    let installed = Installed::new(agent()).unwrap();
    let socket = proxy.socket();
    // No event asks for a container: what shows is found without one.
    let agent = installed
        .run(["--events", "none", "--runtime-socket", &*socket.to_string_lossy()])
        .unwrap();
    wait(&agent, &installed, "runtime", '+');
    proxy.switch(Mode::Hang);
    let text = wait(&agent, &installed, "runtime", '-');
    only_unmet(&text, "runtime");
    assert!(
        text.contains(&*socket.to_string_lossy()) && text.ends_with("\nnot ready\n"),
        "{text}"
    );
    assert_eq!(curl(&installed, "/livez", "Accept: */*").0, 200, "the pipeline goes on");
    let metrics = curl(&installed, "/metrics", "Accept: */*").1;
    assert!(
        metrics.contains(&format!("\npinhole_runtime_up{{socket=\"{}\"}} 0\n", socket.display())),
        "{metrics}"
    );
    proxy.switch(Mode::Pass);
    wait(&agent, &installed, "runtime", '+');
    let stopped = agent.stop().unwrap();
    assert!(stopped.status.success());
    assert!(
        stopped
            .stderr
            .contains("the agent is not ready: runtime: not answering"),
        "{}",
        stopped.stderr
    );
}

#[test]
fn a_canary_that_does_not_come_makes_it_unready_until_it_does() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed
        .run(["--health-runtime", "optional", "--health-canary", "3s"])
        .unwrap();
    wait(&agent, &installed, "canary", '+');
    let hooks = |word: &str| {
        let id = AGENT_ID.to_string();
        let mut command = Command::new(tool::find("setpriv", "util-linux").unwrap());
        command
            .args(["--reuid", &id, "--regid", &id, "--clear-groups", "--"])
            .arg(installed.dir().join("agent"))
            .args(["hooks", word, "canary", "--control-socket"])
            .arg(installed.control_socket())
            .env_clear();
        tool::run(&mut command).unwrap();
    };
    hooks("--off");
    let text = wait(&agent, &installed, "canary", '-');
    only_unmet(&text, "canary");
    assert!(
        text.contains("turned off: canary") && text.contains("health.canary allows 3s"),
        "{text}"
    );
    hooks("--on");
    wait(&agent, &installed, "canary", '+');
    assert!(agent.stop().unwrap().status.success());
}

/// Opens on every CPU until it is told to stop.
fn flood(stop: &Arc<AtomicBool>) -> Vec<std::thread::JoinHandle<()>> {
    let cpus = std::thread::available_parallelism().unwrap().get();
    let open = |stop: Arc<AtomicBool>| {
        move || {
            while !stop.load(Ordering::Relaxed) {
                drop(File::open("/dev/null").unwrap());
            }
        }
    };
    (0..cpus).map(|_| std::thread::spawn(open(Arc::clone(stop)))).collect()
}

#[test]
fn losses_make_it_unready_until_the_window_has_passed() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed
        .run([
            "--capture-ring-size",
            "64KiB",
            "--events",
            "file",
            "--health-runtime",
            "optional",
            "--health-loss-window",
            "5s",
            "--health-canary",
            "1h",
        ])
        .unwrap();
    // What else this machine opens would be too much for such a ring: nothing is told before the flood, nor after it.
    let report = |on: &[&str], off: &[&str]| {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let mut client = Client::connect(&installed.control_socket(), SOON).unwrap();
        client.set_reporting(&words(on), &words(off), SOON).unwrap();
    };
    report(&[], &["file"]);
    wait(&agent, &installed, "losses", '+');
    report(&["file"], &[]);
    let stop = Arc::new(AtomicBool::new(false));
    let flood = flood(&stop);
    let text = wait(&agent, &installed, "losses", '-');
    stop.store(true, Ordering::Relaxed);
    for thread in flood {
        thread.join().unwrap();
    }
    only_unmet(&text, "losses");
    assert!(text.contains("lost within 5s; health.loss is 1%"), "{text}");
    report(&[], &["file"]);
    wait(&agent, &installed, "losses", '+');
    assert!(agent.stop().unwrap().status.success());
}

/// What Prometheus' own client library for Python makes of a page: the number of families. It is strict with OpenMetrics.
fn parsed(page: &str, module: &str) -> usize {
    let script = format!(
        "import sys\nfrom prometheus_client.{module} import text_string_to_metric_families as parse\n\
         families = list(parse(sys.stdin.read()))\n\
         assert all(family.documentation for family in families)\nprint(len(families))\n"
    );
    // The distribution's own, which has the distribution's modules, whatever else is on the path.
    let mut child = Command::new("/usr/bin/python3")
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "install python3-prometheus-client, or the page is wrong: {}\n{page}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

#[test]
fn what_is_told_to_scrapers_is_understood_and_the_port_has_nothing_else() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    // A port that is free now.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let agent = installed
        .run(["--health-runtime", "optional", "--health-listen", &port.to_string()])
        .unwrap();
    wait(&agent, &installed, "canary", '+');
    let open = curl(
        &installed,
        "/metrics",
        "Accept: application/openmetrics-text;version=1.0.0",
    )
    .1;
    let text = curl(&installed, "/metrics", "Accept: text/plain;version=0.0.4").1;
    assert!(open.ends_with("# EOF\n") && !text.contains("# EOF"));
    let (open, text) = (parsed(&open, "openmetrics.parser"), parsed(&text, "parser"));
    assert!(open > 30 && open == text, "{open} and {text} families");

    let ask = |request: &str| {
        let mut stream = TcpStream::connect(port).unwrap();
        stream.set_read_timeout(Some(SHOWS)).unwrap();
        write!(stream, "{request} HTTP/1.1\r\nHost: agent\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(ask("GET /readyz").ends_with("\nready\n"));
    assert!(ask("GET /livez").starts_with("HTTP/1.1 200"));
    let metrics = ask("GET /metrics");
    for line in [
        "pinhole_ready 1",
        "pinhole_live 1",
        "pinhole_capabilities{set=\"effective\"} 0",
        "pinhole_capabilities{set=\"permitted\"} 0",
    ] {
        assert!(metrics.lines().any(|told| told == line), "{line} is not in {metrics}");
    }
    for word in [
        "process_open_fds ",
        "process_cpu_seconds_total ",
        "pinhole_canary_round_trip_seconds ",
    ] {
        assert!(metrics.contains(&format!("\n{word}")), "{word} is not in {metrics}");
    }
    assert!(ask("POST /pinhole.admin.v1.Admin/GetStatus").starts_with("HTTP/1.1 404"));
    assert!(ask("GET /containers").starts_with("HTTP/1.1 404"));
    // Two agents cannot have one port.
    let other = Installed::new(crate::event::agent()).unwrap();
    let refused = other
        .spawn(["--health-listen", &port.to_string()])
        .unwrap()
        .collect()
        .unwrap();
    assert_eq!(refused.status.code(), Some(78), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("cannot listen at health.listen"),
        "{}",
        refused.stderr
    );
    assert!(agent.stop().unwrap().status.success());
}
