//! What thousands of containers leave in the agent: nothing. Real cgroups and processes, a runtime that tells recorded
//! answers about all of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cgroups;
use crate::event::{agent, assert_never_silently_null, balanced_hooks};
use crate::lab::agent::{Agent, Installed};
use crate::lab::error::{LabError, Result};
use crate::lab::replay::{Recording, Replay};
use crate::lab::tool;
use crate::lab::turn::Turn;

/// Whose answers are given.
const FOLDER: &str = "containerd-1.6.20";
const CONTAINER: &str = "web.app";
/// How many live at a time.
const HANDS: u64 = 4;
/// How many may have lived that nothing was told of yet. An agent that falls behind by more than its lookup budget rightly
/// says `lookup_pending`, and this load is several hundred containers a second.
const AHEAD: usize = 64;
/// How many cgroups that have gone the agent remembers at most (docs/architecture.md), and how many more containers it
/// may know besides: those that live and those of the recording's own list.
const REMEMBERED: u64 = 4096;
const BESIDES: u64 = 64;
/// In how many parts the memory is read after the first reading.
const PARTS: u64 = 5;
/// How long the containers of one part may take.
const LONGEST: Duration = Duration::from_secs(400);
/// How long the kernel may take to let go of a cgroup whose process was waited for.
const LETS_GO: Duration = Duration::from_secs(60);

/// A pod's cgroup, in the hierarchy that names containers.
fn pod_cgroup(replay: &Replay, recording: &Recording) -> PathBuf {
    let (root, _) = cgroups::hierarchies();
    let recorded = recording.cgroup(CONTAINER).unwrap();
    let (pod, _) = recorded.rsplit_once('/').unwrap();
    let below = format!("{}{pod}", replay.cgroup_root());
    let place = root.join(below.trim_start_matches('/'));
    fs::create_dir_all(&place).unwrap();
    place
}

/// As long as a real one, and no other's.
fn id(number: u64) -> String {
    format!("{number:016x}{:048x}", 0x5eed)
}

/// One container: its cgroup appears, a process enters it and executes a program that ends, and the cgroup goes.
fn live(pod: &Path, number: u64) -> Result<()> {
    let id = id(number);
    let cgroup = pod.join(&id);
    fs::create_dir(&cgroup).map_err(LabError::file("make", &cgroup))?;
    let enter = "echo 0 >\"$1\" && exec /bin/true \"$2\"";
    tool::run(
        Command::new("/bin/sh")
            .args(["-c", enter, "sh"])
            .arg(cgroup.join("cgroup.procs"))
            .arg(&id),
    )?;
    tool::poll("the end of a cgroup", LETS_GO, String::new, || {
        match fs::remove_dir(&cgroup) {
            Ok(()) => Ok(Some(())),
            Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => Ok(None),
            Err(source) => Err(LabError::file("remove", &cgroup)(source)),
        }
    })
}

/// Lets the containers of these numbers live, and judges what is told of them.
fn let_live(agent: &Agent<'_>, pod: &Path, numbers: std::ops::Range<u64>) {
    let mut told = vec![0_u8; usize::try_from(numbers.end - numbers.start).unwrap()];
    let mut left = told.len();
    let (more, wanted) = mpsc::channel();
    (0..AHEAD).for_each(|_| more.send(()).unwrap());
    let wanted = Mutex::new(wanted);
    let all = std::thread::scope(|scope| {
        // Gone with the judge, whichever way it goes: the hands then end.
        let more = more;
        for hand in 0..HANDS {
            let mine = numbers.clone().skip(usize::try_from(hand).unwrap());
            let mine = mine.step_by(usize::try_from(HANDS).unwrap());
            let wanted = &wanted;
            scope.spawn(move || {
                for number in mine {
                    // Nobody wants more once the judge has given up.
                    let Ok(()) = wanted.lock().unwrap().recv() else { return };
                    live(pod, number).unwrap();
                }
            });
        }
        agent
            .events()
            .take_until("an exec in each container", LONGEST, |fresh| {
                assert_never_silently_null(&fresh);
                for event in fresh.iter().filter(|event| event.get("container").is_some()) {
                    let number = judged(event);
                    if event["type"] == "process_exec" && numbers.contains(&number) {
                        let told = &mut told[usize::try_from(number - numbers.start).unwrap()];
                        *told += 1;
                        left -= usize::from(*told == 1);
                        // The last are too many, and nobody takes them.
                        let _ = more.send(());
                    }
                }
                left == 0
            })
    });
    agent.explained(all).unwrap();
    assert!(told.iter().all(|&told| told == 1), "an exec was told twice");
}

/// The number of the container of an event, which must be complete and its own.
fn judged(event: &Value) -> u64 {
    let id = event["container"]["id"].as_str().unwrap_or_default();
    assert_eq!(event["metadata"]["status"], "complete", "{event}");
    assert_eq!(event["container"]["name"], "app", "{event}");
    assert_eq!(event["kubernetes"]["pod"]["name"], "web", "{event}");
    let sandbox: String = id.chars().rev().collect();
    assert_eq!(event["container"]["pod_sandbox_id"], *sandbox, "{event}");
    if event["type"] == "process_exec" {
        assert_eq!(event["process"]["args"][1], id, "another's: {event}");
    }
    u64::from_str_radix(&id[..16], 16).unwrap()
}

/// What the agent has in memory, in KiB.
fn resident(agent: &Agent<'_>) -> u64 {
    let threads = agent.threads().unwrap();
    let said = threads[0]["VmRSS"].strip_suffix(" kB").unwrap();
    said.trim().parse().unwrap()
}

/// Lets so many containers live before the first reading, then up to `all`, and gives by how many KiB the agent grew.
fn growth(cache: u64, before: u64, all: u64) -> i64 {
    let _turn = Turn::take().unwrap();
    let recording = Recording::read(FOLDER).unwrap();
    let recording = Arc::new(recording.telling_the_same_of_everything(CONTAINER).unwrap());
    let replay = Replay::start(Arc::clone(&recording)).unwrap();
    let pod = pod_cgroup(&replay, &recording);
    let installed = Installed::new(agent()).unwrap().with_default_limits();
    let agent = installed
        .run([
            "--events=process".to_owned(),
            format!("--runtime-socket={}", replay.socket().display()),
            format!("--runtime-cache-size={cache}"),
            // So many containers a second as no runtime makes: at the usual share some events would not wait for theirs.
            "--runtime-wait-share=100%".to_owned(),
        ])
        .unwrap();
    let began = Instant::now();
    let_live(&agent, &pod, 0..before);
    let first = resident(&agent);
    // The way there, to tell what grows from what wavers.
    let mut readings = Vec::new();
    let mut from = before;
    for part in 1..=PARTS {
        let to = before + (all - before) * part / PARTS;
        let_live(&agent, &pod, from..to);
        readings.push(resident(&agent));
        from = to;
    }
    let last = *readings.last().unwrap();
    let took = began.elapsed();
    let stopped = agent.stop().unwrap();
    assert!(stopped.status.success(), "{}\n{}", stopped.status, stopped.stderr);
    assert_never_silently_null(&stopped.events);
    let summary = stopped.summary().expect("the last line is the summary");
    for (hook, [.., dropped]) in balanced_hooks(summary) {
        assert_eq!(dropped, 0, "{hook}: {summary}");
    }
    let lookups = &summary["lookups"];
    let most = cache.min(REMEMBERED + BESIDES);
    assert!(lookups["containers"].as_u64().unwrap() <= most, "{lookups}");
    println!(
        "{all} containers lived in {:.1} s: the agent had {first} KiB after {before}, then {readings:?}; from hook to \
         output {}; lookups {lookups}",
        took.as_secs_f64(),
        summary["latency_us"],
    );
    last.cast_signed() - first.cast_signed()
}

#[test]
fn two_thousand_lives_are_told_and_leave_little() {
    // Here some caches are still filling: what is remembered of a cgroup that has gone, for example.
    assert!(growth(64, 1000, 2000) < 2048, "KiB for a thousand containers");
}

#[test]
#[ignore = "`just test-runtimes` lets thirty-two thousand containers live"]
fn twenty_thousand_lives_leave_nothing() {
    // At the first reading as many gone cgroups are remembered as ever will be, and there is room in the caches for
    // thrice as many, which only the forgetting keeps free.
    assert!(
        growth(16_384, 12_000, 32_000) < 1024,
        "KiB for twenty thousand containers"
    );
}
