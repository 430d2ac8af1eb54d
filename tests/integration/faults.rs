//! A runtime that fails: nothing is lost, every event says why it lacks what it lacks, nobody waits longer than stated, and
//! all is well again as soon as the runtime is.
//!
//! The containers are real ones of a real containerd, which are started past what fails: only the agent meets the fault.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::event::{agent, assert_never_silently_null, assert_nothing_dropped, is_call, is_exec};
use crate::lab::agent::{ARRIVES, Agent, Installed, Stopped};
use crate::lab::containerd::Containerd;
use crate::lab::pod::{Pod, PodContainer, PodSpec};
use crate::lab::proxy::{Mode, Proxy};
use crate::lab::turn::Turn;

const UID: &str = "5b0f1c9a-8a3e-4a57-b8a3-90a5f1f0c0fa";
/// Executes something every few hundredths of a second: an event that wants its container each time.
const TICKING: [&str; 3] = ["/bin/sh", "-c", "while true; do sleep 0.03; done"];
/// Opens per second of the steady load.
const PACE: u64 = 2_500;
/// `runtime.lookup_budget` as it is by default.
const BUDGET: Duration = Duration::from_secs(1);
/// What a clock on a busy machine may add.
const SLACK: Duration = Duration::from_millis(250);
/// How long after the fault's end the containers may remain unknown: a call that was hanging then, and a pause.
const RECOVERS: Duration = Duration::from_secs(8);

/// Files that are opened at a steady pace, by this process, until it is dropped.
struct Load {
    path: PathBuf,
    stop: Arc<AtomicBool>,
    opened: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    fn start(path: &Path) -> Self {
        fs::write(path, "").unwrap();
        // To make the file is to open it.
        let (stop, opened) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(1)));
        let (path, told, count) = (path.to_owned(), Arc::clone(&stop), Arc::clone(&opened));
        let file = path.clone();
        let thread = std::thread::spawn(move || {
            let began = Instant::now();
            while !told.load(Ordering::Relaxed) {
                let due = u64::try_from(began.elapsed().as_millis()).unwrap() * PACE / 1000;
                while count.load(Ordering::Relaxed) < due {
                    drop(fs::File::open(&file).unwrap());
                    count.fetch_add(1, Ordering::Relaxed);
                }
                // The pace, not a wait for anything.
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        Self {
            path,
            stop,
            opened,
            thread: Some(thread),
        }
    }

    /// How often the file was opened, all in all.
    fn end(&mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        self.opened.load(Ordering::Relaxed)
    }

    fn is_open(&self, event: &Value) -> bool {
        is_call(event, "openat") && event["file"]["requested_path"] == *self.path.to_string_lossy()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// One way to fail.
struct Fault {
    name: &'static str,
    begin: fn(&mut Proxy),
    end: fn(&mut Proxy),
    /// What an event may say of a container that started meanwhile.
    reasons: &'static [&'static str],
    /// The one that it must say before the fault ends; none where the container becomes known in spite of the fault.
    until: Option<&'static str>,
}

fn pass(proxy: &mut Proxy) {
    proxy.switch(Mode::Pass);
}

/// The agent, the load, and one container that was known before.
struct Scene<'a> {
    agent: Agent<'a>,
    load: Load,
    before: PodContainer<'a>,
    began: Instant,
}

fn of_container<'a>(id: &'a str) -> impl Fn(&Value) -> bool + 'a {
    move |event| event["type"] == "process_exec" && event["container"]["id"] == id
}

fn is_complete(event: &Value) -> bool {
    event["metadata"]["status"] == "complete"
}

impl<'a> Scene<'a> {
    fn set(installed: &'a Installed, proxy: &Proxy, pod: &Pod<'a>, attempt: u32) -> Self {
        let began = Instant::now();
        let arguments = ["--events", "process,file", "--runtime-socket"].map(AsRef::<OsStr>::as_ref);
        let agent = installed
            .run(arguments.into_iter().chain([proxy.socket().as_os_str()]))
            .unwrap();
        let load = Load::start(&installed.dir().join(format!("load-{attempt}")));
        let before = pod.create("before", attempt, &["/bin/sleep", "1000"]).unwrap();
        before.start().unwrap();
        let first = agent
            .wait_for("a container before the fault", of_container(before.id()))
            .unwrap();
        assert!(is_complete(&first), "{first}");
        Self {
            agent,
            load,
            before,
            began,
        }
    }

    /// What was known before the fault is known during it.
    fn knows_what_it_knew(&self) {
        let said = self.before.exec(&["/bin/true", "during"]).unwrap();
        assert_eq!(said.code, 0, "{said:?}");
        let event = self
            .agent
            .wait_for("an exec during the fault", |event| {
                is_exec(event, &["/bin/true", "during"])
            })
            .unwrap();
        assert!(is_complete(&event), "{event}");
    }

    /// Ends it. Nothing was lost, and no wait was longer than stated.
    fn strike(mut self) -> (Stopped, Value) {
        let opened = self.load.end();
        let ran = self.began.elapsed();
        let stopped = self.agent.stop().unwrap();
        assert!(stopped.status.success(), "{}\n{}", stopped.status, stopped.stderr);
        assert_never_silently_null(&stopped.events);
        assert_nothing_dropped(&stopped);
        let told = stopped.events.iter().filter(|event| self.load.is_open(event)).count();
        assert_eq!(told as u64, opened, "every open is told");
        let summary = stopped.summary().expect("the last line is the summary").clone();
        let micros = |key: &str| Duration::from_micros(summary["lookups"][key].as_u64().unwrap());
        assert!(micros("longest_wait_us") <= BUDGET + SLACK, "{summary}");
        // The share is a quarter; two budgets may be waited in advance.
        assert!(micros("waited_us") <= 2 * BUDGET + ran / 4 + SLACK, "{summary}");
        let latest = Duration::from_micros(summary["latency_us"]["max"].as_u64().unwrap());
        assert!(latest <= 2 * BUDGET, "{summary}");
        (stopped, summary)
    }
}

fn meets(fault: &Fault, installed: &Installed, proxy: &mut Proxy, pod: &Pod<'_>, attempt: u32) {
    let scene = Scene::set(installed, proxy, pod, attempt);
    (fault.begin)(proxy);
    let mark = scene.agent.events().len();
    let during = pod.create("during", attempt, &TICKING).unwrap();
    during.start().unwrap();
    let id = during.id().to_owned();
    let is_ours = of_container(&id);
    let wait = |mark: usize, what: &str, wanted: &dyn Fn(&Value) -> bool| {
        let what = format!("{}: {what}", fault.name);
        let found = scene.agent.events().wait_from(mark, &what, ARRIVES, wanted);
        scene.agent.explained(found).unwrap()
    };
    match fault.until {
        Some(reason) => wait(mark, reason, &|event| {
            is_ours(event) && event["metadata"]["reason"] == reason
        }),
        None => wait(mark, "its metadata", &|event| is_ours(event) && is_complete(event)),
    };
    scene.knows_what_it_knew();
    let (ended, mark) = (Instant::now(), scene.agent.events().len());
    (fault.end)(proxy);
    wait(mark, "its metadata after the end", &|event| {
        is_ours(event) && is_complete(event)
    });
    let recovered = ended.elapsed();
    let after = pod.create("after", attempt, &["/bin/sleep", "1000"]).unwrap();
    after.start().unwrap();
    let first = wait(mark, "a container after the end", &of_container(after.id()));
    assert!(is_complete(&first), "{}: {first}", fault.name);

    let (stopped, summary) = scene.strike();
    for event in stopped
        .events
        .iter()
        .filter(|event| is_ours(event) && !is_complete(event))
    {
        let reason = event["metadata"]["reason"].as_str().unwrap_or_default();
        assert!(fault.reasons.contains(&reason), "{}: {event}", fault.name);
    }
    // It never gets lost again once it is known.
    let mut statuses = stopped.events.iter().filter(|event| is_ours(event)).map(is_complete);
    assert!(
        !statuses
            .by_ref()
            .skip_while(|complete| !complete)
            .any(|complete| !complete)
    );
    assert!(recovered < RECOVERS, "{}: {recovered:?}", fault.name);
    let lookups = &summary["lookups"];
    println!(
        "{:<28} known again after {:>5} ms  longest wait {:>7} us  waited {:>8} us  latency p99 {:>7} us  max {:>8} us",
        fault.name,
        recovered.as_millis(),
        lookups["longest_wait_us"].as_u64().unwrap(),
        lookups["waited_us"].as_u64().unwrap(),
        summary["latency_us"]["p99"].as_u64().unwrap(),
        summary["latency_us"]["max"].as_u64().unwrap(),
    );
    for container in [during, after] {
        container.remove().unwrap();
    }
}

fn meet_all(faults: &[Fault]) {
    let _turn = Turn::take().unwrap();
    let lab = Containerd::start().unwrap();
    let mut proxy = Proxy::start(&lab.socket()).unwrap();
    let installed = Installed::new(agent()).unwrap().with_default_limits();
    let pod = Pod::run(&lab, PodSpec::new("shop", "web-7d9c5b", UID)).unwrap();
    for (attempt, fault) in (0..).zip(faults) {
        meets(fault, &installed, &mut proxy, &pod, attempt);
    }
    pod.remove().unwrap();
}

#[test]
fn that_cannot_be_reached() {
    meet_all(&[
        Fault {
            name: "socket removed",
            begin: |proxy| proxy.remove().unwrap(),
            end: |proxy| proxy.listen().unwrap(),
            reasons: &["no_runtime_socket", "lookup_pending"],
            until: Some("no_runtime_socket"),
        },
        Fault {
            name: "mode 0600",
            begin: |proxy| proxy.permit(0o600).unwrap(),
            end: |proxy| proxy.permit(0o660).unwrap(),
            reasons: &["socket_permission", "lookup_pending"],
            until: Some("socket_permission"),
        },
        Fault {
            name: "hang",
            begin: |proxy| proxy.switch(Mode::Hang),
            end: pass,
            reasons: &["lookup_pending", "runtime_timeout", "circuit_open"],
            until: Some("lookup_pending"),
        },
    ]);
}

#[test]
fn that_breaks_off() {
    meet_all(&[
        Fault {
            name: "garbage",
            begin: |proxy| proxy.switch(Mode::Garbage),
            end: pass,
            reasons: &["socket_protocol", "circuit_open", "lookup_pending"],
            until: Some("socket_protocol"),
        },
        Fault {
            name: "reset within an answer",
            begin: |proxy| proxy.switch(Mode::Reset),
            end: pass,
            reasons: &["socket_protocol", "circuit_open", "lookup_pending"],
            until: Some("socket_protocol"),
        },
    ]);
}

#[test]
#[ignore = "`just test-runtimes` has the time"]
fn that_answers_otherwise_than_usual() {
    meet_all(&[
        Fault {
            name: "500 ms per call",
            begin: |proxy| proxy.switch(Mode::Slow(Duration::from_millis(500))),
            end: pass,
            reasons: &["lookup_pending"],
            until: None,
        },
        Fault {
            name: "not found for 300 ms",
            begin: |proxy| proxy.switch(Mode::Late(Duration::from_millis(300))),
            end: pass,
            // Its sandbox is asked for after it, and is late as well.
            reasons: &["lookup_pending", "container_unknown", "sandbox_unknown"],
            until: None,
        },
        Fault {
            name: "answers of 4 MiB",
            begin: |proxy| proxy.switch(Mode::Padded(4 << 20)),
            end: pass,
            reasons: &["lookup_pending"],
            until: None,
        },
        Fault {
            name: "answers of 17 MiB",
            begin: |proxy| proxy.switch(Mode::Padded(17 << 20)),
            end: pass,
            reasons: &["lookup_pending", "answer_unusable"],
            until: Some("answer_unusable"),
        },
        Fault {
            name: "another runtime",
            begin: |proxy| proxy.switch(Mode::Empty),
            end: pass,
            reasons: &["lookup_pending", "container_unknown"],
            until: Some("container_unknown"),
        },
    ]);
}

/// Long enough that the calls time out and the runtime is left alone.
#[test]
#[ignore = "`just test-runtimes` has the time"]
fn that_hangs_for_long() {
    meet_all(&[Fault {
        name: "hang until left alone",
        begin: |proxy| proxy.switch(Mode::Hang),
        end: pass,
        reasons: &["lookup_pending", "runtime_timeout", "circuit_open"],
        until: Some("circuit_open"),
    }]);
}
