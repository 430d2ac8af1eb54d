//! Every loss is counted and attributed: seen = delivered + filtered + dropped, per hook, exactly.

use std::fs::File;
use std::process::Command;
use std::time::{Duration, Instant};

use pinhole::control::client::Client;
use serde_json::Value;

use crate::event::{agent, balanced_hooks, is_call};
use crate::lab::agent::{ARRIVES, Installed};
use crate::lab::turn::Turn;

const FLOOD: u64 = 200_000;

#[test]
fn a_flood_through_a_tiny_ring_is_accounted_for() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed
        .run(["--capture-ring-size", "64KiB", "--events", "process,file,network"])
        .unwrap();
    for _ in 0..FLOOD {
        drop(File::open("/dev/null").unwrap());
    }
    // In the middle of a run a hook may have been seen and not accounted for yet, never the other way round.
    let middle = agent.summary().unwrap();
    for (hook, line) in middle["hooks"].as_object().unwrap() {
        let count = |key: &str| line[key].as_u64().unwrap();
        assert!(
            count("seen") >= count("filtered") + count("delivered") + count("dropped"),
            "{hook}: {middle}"
        );
    }
    let stopped = agent.stop().unwrap();
    let summary = stopped.summary().expect("the last line is the summary");
    let hooks = balanced_hooks(summary);
    let (_, [seen, _, delivered, dropped]) = *hooks
        .iter()
        .find(|(name, _)| name == "openat")
        .unwrap_or_else(|| panic!("no openat in {summary}"));
    assert!(seen >= FLOOD, "{summary}");
    assert!(
        dropped > 0,
        "so tiny a ring must overflow, or this test shows nothing: {summary}"
    );
    let printed = stopped.events.iter().filter(|event| is_call(event, "openat")).count();
    assert_eq!(printed as u64, delivered, "delivered is what was printed: {summary}");

    // Events say how many were lost before them; only losses after the last event cannot be told by one.
    let told: u64 = stopped
        .events
        .iter()
        .filter_map(|event| event["lost_before"].as_u64())
        .sum();
    let lost: u64 = hooks.iter().map(|(_, [.., dropped])| dropped).sum();
    assert!(told > 0 && told <= lost, "told {told} of {lost}: {summary}");

    // So do loss events, all of them: with the default limits, and by hook.
    let losses = losses(&stopped.events);
    assert_eq!(sum(&losses, "dropped"), lost, "{losses:?}: {summary}");
    for (hook, [.., dropped]) in &hooks {
        let told: u64 = losses
            .iter()
            .filter_map(|loss| loss["hooks"][hook]["dropped"].as_u64())
            .sum();
        assert_eq!(told, *dropped, "{hook}: {losses:?}: {summary}");
    }
    for pair in losses.windows(2) {
        let text = |loss: &Value, key: &str| loss["window"][key].as_str().unwrap().to_owned();
        assert!(text(pair[0], "to") <= text(pair[1], "from"), "{losses:?}");
    }
    assert!(summary["rates"]["1h"]["dropped"].as_f64().unwrap() > 0.0, "{summary}");
    assert!(
        stopped.stderr.contains("events were lost, for the first time"),
        "{}",
        stopped.stderr
    );
}

fn losses(events: &[Value]) -> Vec<&Value> {
    events.iter().filter(|event| event["type"] == "loss").collect()
}

fn sum(losses: &[&Value], key: &str) -> u64 {
    losses.iter().map(|loss| loss[key].as_u64().unwrap()).sum()
}

/// Opens until the ledger says that more than `before` was dropped, and returns how much: how much opening that takes
/// depends on the machine, and what is delivered has to be read by this test as well.
fn flood_until_dropped(installed: &Installed, before: u64) -> u64 {
    let patience = Instant::now() + ARRIVES;
    let mut client = Client::connect(&installed.control_socket(), ARRIVES).unwrap();
    loop {
        for _ in 0..FLOOD / 10 {
            drop(File::open("/dev/null").unwrap());
        }
        let status = client.status(ARRIVES).unwrap();
        let dropped = status.hooks.values().map(|line| line.dropped).sum();
        if dropped > before {
            return dropped;
        }
        assert!(Instant::now() < patience, "the ring does not overflow: {status:?}");
    }
}

/// Opens per ring size, over all CPUs, and processes and cgroups that come and go meanwhile.
const STORM: u64 = 1_000_000;
const PROCESSES: u64 = 300;
/// The longest that somebody may wait for an exec on the admin socket.
const LONGEST_WATCH: Duration = Duration::from_secs(30);
/// What the room that the smallest ring keeps free holds with certainty, however long the reader gets no CPU.
const AT_ONCE: u64 = 5;

#[test]
fn a_storm_of_opens_on_every_cpu_costs_no_process_and_no_cgroup() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let cpus = std::thread::available_parallelism().unwrap().get() as u64;
    let mut dropped = 0;
    for ring in ["64KiB", "512KiB", "8MiB"] {
        let agent = installed
            .run_as("count", ["--capture-ring-size", ring, "--events", "process,file"])
            .unwrap();
        let before = processes();
        std::thread::scope(|scope| {
            for _ in 0..cpus {
                scope.spawn(|| {
                    for _ in 0..STORM / cpus {
                        drop(File::open("/dev/null").unwrap());
                    }
                });
            }
            let mut reader = Client::connect(&installed.control_socket(), ARRIVES).unwrap();
            for made in 1..=PROCESSES {
                let token = format!("pinhole-canary-storm-{made:04}");
                let run = || assert!(Command::new("/bin/true").arg(&token).status().unwrap().success());
                crate::cgroups::come_and_go("storm");
                if made % AT_ONCE == 0 {
                    reader.watch_exec(&token, LONGEST_WATCH, run).unwrap();
                } else {
                    run();
                }
            }
        });
        let stopped = agent.stop().unwrap();
        // The room that is kept free is for a node's processes; those of other tests come beside ours.
        let others = (processes() - before).saturating_sub(PROCESSES + cpus);
        let summary = stopped.summary().expect("the last line is the summary");
        let hooks = balanced_hooks(summary);
        let of = |wanted: &str| hooks.iter().find(|(name, _)| name == wanted).unwrap().1;
        let [seen, .., lost] = of("openat");
        assert!(seen >= STORM / cpus * cpus, "{ring}: {summary}");
        dropped += lost;
        for hook in ["exec", "fork", "exit", "cgroup_mkdir", "cgroup_rmdir"] {
            let [_, _, delivered, lost] = of(hook);
            assert!(delivered >= PROCESSES, "{ring}, {hook}: {summary}");
            assert!(
                lost <= others,
                "{ring}, {hook}, with {others} processes of others: {summary}"
            );
        }
        assert!(of("snapshot")[3] <= others, "{ring}: {summary}");
    }
    assert!(dropped > 0, "no ring overflowed, so nothing had to be kept free");
}

/// How many processes and threads were made since the machine started (`proc_stat(5)`).
fn processes() -> u64 {
    let stat = std::fs::read_to_string("/proc/stat").unwrap();
    let line = stat.lines().find_map(|line| line.strip_prefix("processes ")).unwrap();
    line.parse().unwrap()
}

#[test]
fn the_first_loss_is_never_silent_and_the_rest_is_told_at_the_end() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    // Settings under which no other loss is ever told before the end.
    let agent = installed
        .run([
            "--capture-ring-size=64KiB",
            "--events=process,file",
            "--loss-threshold=100%",
            "--loss-burst=1",
            "--loss-interval=1h",
        ])
        .unwrap();
    let dropped = flood_until_dropped(&installed, 0);
    let first = agent.wait_for("a loss event", |event| event["type"] == "loss").unwrap();
    flood_until_dropped(&installed, dropped.max(first["dropped"].as_u64().unwrap()));
    let stopped = agent.stop().unwrap();
    let summary = stopped.summary().expect("the last line is the summary");
    let dropped: u64 = balanced_hooks(summary).iter().map(|(_, [.., dropped])| dropped).sum();
    let losses = losses(&stopped.events);
    assert_eq!(losses.len(), 2, "the first one, and the rest at the end: {losses:?}");
    assert_eq!(*losses[0], first);
    assert_eq!(sum(&losses, "dropped"), dropped, "{losses:?}: {summary}");
    for loss in &losses {
        let number = |key: &str| loss[key].as_f64().unwrap();
        let share = number("dropped") / (number("dropped") + number("delivered"));
        assert!((number("share") - share).abs() < 1e-5, "{loss}");
        assert_eq!(loss["ring"]["size"], 65_536, "{loss}");
        assert!(loss["window"]["from"].as_str().unwrap() < loss["window"]["to"].as_str().unwrap());
    }
    let warned = |words: &str| stopped.stderr.lines().filter(|line| line.contains(words)).count();
    assert_eq!(warned("events were lost, for the first time"), 1, "{}", stopped.stderr);
    assert!(
        stopped
            .stderr
            .lines()
            .any(|line| line.contains("WARN") && line.contains("lost"))
    );
}

#[test]
fn without_pressure_nothing_is_lost() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed.run(["--events", "process,file,network"]).unwrap();
    let path = installed.dir().join("watched");
    std::fs::write(&path, "").unwrap();
    for _ in 0..100 {
        drop(File::open(&path).unwrap());
    }
    // What the admin socket tells of a running agent.
    agent
        .wait_for("an open", |event| event["file"]["path"].as_str() == path.to_str())
        .unwrap();
    let deadline = ARRIVES;
    let mut client = Client::connect(&installed.control_socket(), deadline).unwrap();
    let status = client.status(deadline).unwrap();
    assert!(status.hooks["exec"].missed.is_some(), "{status:?}");
    assert!(status.latency.unwrap().count > 0, "{status:?}");
    for window in ["10s", "1m", "1h"] {
        let rate = status.rates[window];
        assert!(
            rate.seconds > 0.0 && rate.seen > 0.0 && rate.delivered > 0.0,
            "{status:?}"
        );
        assert!(rate.dropped.abs() < f64::EPSILON, "{status:?}");
    }
    let stopped = agent.stop().unwrap();
    let summary = stopped.summary().expect("the last line is the summary");
    for (hook, [.., dropped]) in balanced_hooks(summary) {
        assert_eq!(dropped, 0, "{hook}: {summary}");
    }
    let ours = |event: &&serde_json::Value| event["file"]["path"].as_str() == path.to_str() && is_call(event, "openat");
    // One to write it, and those of the loop.
    assert_eq!(stopped.events.iter().filter(ours).count(), 101, "{summary}");
    assert!(losses(&stopped.events).is_empty(), "{summary}");

    // Every printed event, and nothing else, has a time from its hook to the output.
    let latency = |key: &str| summary["latency_us"][key].as_u64().unwrap();
    let printed = stopped.events.iter().filter(|event| event["type"] != "summary").count();
    assert_eq!(latency("count"), printed as u64, "{summary}");
    assert!(
        latency("p50") <= latency("p90") && latency("p90") <= latency("p99"),
        "{summary}"
    );
    assert!(latency("p99") <= latency("max") && latency("max") > 0, "{summary}");

    // This kernel counts skipped runs, by program: the hooks with one of their own say so, and the dispatcher where it is used.
    for hook in ["exec", "fork", "exit"] {
        assert!(summary["hooks"][hook]["missed"].is_u64(), "{summary}");
    }
    assert!(summary["hooks"]["snapshot"].get("missed").is_none(), "{summary}");
    let dispatched = summary["backend"] == "dispatcher";
    assert_eq!(summary["dispatcher"]["missed"].is_u64(), dispatched, "{summary}");
    assert_eq!(summary["hooks"]["openat"]["missed"].is_u64(), !dispatched, "{summary}");
}
