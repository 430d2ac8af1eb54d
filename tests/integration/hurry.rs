//! Containers that end as soon as they have begun: each is known by its own name, however many hurry at a time.

mod lives;

use std::collections::{HashMap, VecDeque};
use std::ffi::OsStr;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::event::{agent, assert_never_silently_null, balanced_hooks, is_exec};
use crate::lab::agent::{Agent, Installed};
use crate::lab::containerd::Containerd;
use crate::lab::error::Result;
use crate::lab::image;
use crate::lab::pod::{Pod, PodContainer, PodSpec};
use crate::lab::turn::Turn;

/// How many are made at a time, each in a pod of its own.
const HANDS: usize = 8;
/// How long one of them may take while the others are made.
const EACH: Duration = Duration::from_secs(10);
/// What there is besides: the sandboxes, the last events.
const BESIDES: Duration = Duration::from_secs(40);

/// How many ended containers of a pod are left: a kubelet collects them once a minute, and of each name all but the last.
const LEFT: usize = 8;

/// A container that ran.
struct Job {
    name: String,
    pod: String,
}

/// Makes `count` containers one after the other, waits for the end of each and removes the oldest as a kubelet does.
fn hurry(pod: &Pod<'_>, count: usize) -> Result<HashMap<String, Job>> {
    let mut jobs = HashMap::new();
    let mut ended = VecDeque::new();
    for number in 0..count {
        let name = format!("{}-{number}", pod.spec().name);
        let container = pod.create(&name, 0, &["/bin/true", &name])?;
        let id = container.id().to_owned();
        container.start()?;
        assert_eq!(container.wait_ended()?, 0, "{name}");
        ended.push_back(container);
        if ended.len() > LEFT {
            ended.pop_front().map(PodContainer::remove).transpose()?;
        }
        let pod = pod.spec().name.clone();
        jobs.insert(id, Job { name, pod });
    }
    ended.into_iter().try_for_each(PodContainer::remove)?;
    Ok(jobs)
}

/// What came of it.
struct Watched {
    /// By their ids.
    jobs: HashMap<String, Job>,
    /// The events of containers.
    events: Vec<Value>,
    took: Duration,
}

/// Takes all events while `count` containers hurry.
fn watch_them_hurry(agent: &Agent<'_>, pods: &[Pod<'_>], count: usize) -> Watched {
    let mut events = Vec::new();
    let mut execs = 0;
    let began = Instant::now();
    let within = u32::try_from(count / HANDS).unwrap() * EACH + BESIDES;
    let (jobs, took) = std::thread::scope(|scope| {
        let hands: Vec<_> = pods
            .iter()
            .map(|pod| scope.spawn(move || hurry(pod, count / HANDS)))
            .collect();
        let told = agent.events().take_until("an exec in each container", within, |fresh| {
            assert_never_silently_null(&fresh);
            for event in fresh.into_iter().filter(|event| event.get("container").is_some()) {
                execs += usize::from(event["type"] == "process_exec" && event["process"]["args"][0] == "/bin/true");
                events.push(event);
            }
            execs >= count
        });
        let jobs: HashMap<String, Job> = hands
            .into_iter()
            .flat_map(|hand| hand.join().unwrap().unwrap())
            .collect();
        let took = began.elapsed();
        agent.explained(told).unwrap();
        (jobs, took)
    });
    Watched { jobs, events, took }
}

/// Every event of each container is complete and has its own names.
fn assert_each_by_its_own_name(jobs: &HashMap<String, Job>, sandboxes: &[&str], events: &[Value]) {
    let mut execs: HashMap<&str, usize> = HashMap::new();
    for event in events {
        let container = &event["container"];
        let id = container["id"].as_str().unwrap_or_default();
        assert_eq!(event["metadata"]["status"], "complete", "{event}");
        assert!(event["metadata"].get("reason").is_none(), "{event}");
        let Some(job) = jobs.get(id) else {
            assert!(sandboxes.contains(&id), "a container that nobody made: {event}");
            continue;
        };
        assert_eq!(container["name"], *job.name, "{event}");
        assert_eq!(event["kubernetes"]["container"], *job.name, "{event}");
        assert_eq!(event["kubernetes"]["pod"]["name"], *job.pod, "{event}");
        assert_eq!(event["kubernetes"]["namespace"], "hurry", "{event}");
        assert_eq!(container["image"]["reference"], image::BUSYBOX, "{event}");
        // By which runc goes on in the container's cgroup, before it executes what was asked for.
        let of_runc = is_exec(event, &["runc", "init"]);
        if event["type"] == "process_exec" && !of_runc {
            assert!(
                is_exec(event, &["/bin/true", &job.name]),
                "not what was asked for: {event}"
            );
            *execs.entry(id).or_default() += 1;
        }
    }
    for (id, job) in jobs {
        assert_eq!(execs.get(&**id), Some(&1), "execs of {}", job.name);
    }
}

fn all_are_known(count: usize) {
    let _turn = Turn::take().unwrap();
    let lab = Containerd::start().unwrap();
    let installed = Installed::new(agent()).unwrap().with_default_limits();
    let socket = lab.socket();
    let arguments = ["--events", "process", "--runtime-socket"].map(AsRef::<OsStr>::as_ref);
    let agent = installed
        .run(arguments.into_iter().chain([socket.as_os_str()]))
        .unwrap();
    let pods: Vec<Pod<'_>> = (0..HANDS)
        .map(|hand| {
            let uid = format!("5b0f1c9a-8a3e-4a57-b8a3-90a5f1f0e{hand:03}");
            Pod::run(&lab, PodSpec::new("hurry", &format!("job-{hand}"), &uid)).unwrap()
        })
        .collect();
    let Watched { jobs, mut events, took } = watch_them_hurry(&agent, &pods, count);
    assert_eq!(jobs.len(), count);

    let stopped = agent.stop().unwrap();
    assert!(stopped.status.success(), "{}\n{}", stopped.status, stopped.stderr);
    let summary = stopped.summary().expect("the last line is the summary").clone();
    assert_never_silently_null(&stopped.events);
    let last = stopped.events.into_iter();
    events.extend(last.filter(|event| event.get("container").is_some()));
    let sandboxes: Vec<&str> = pods.iter().map(Pod::id).collect();
    assert_each_by_its_own_name(&jobs, &sandboxes, &events);
    for (hook, [.., dropped]) in balanced_hooks(&summary) {
        assert_eq!(dropped, 0, "{hook}: {summary}");
    }
    print_costs(&summary, count, took);
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn print_costs(summary: &Value, count: usize, took: Duration) {
    let lookups = &summary["lookups"];
    let number = |key: &str| lookups[key].as_u64().unwrap();
    let first = ["known", "joined", "asked"].map(|key| lookups["first"][key].as_u64().unwrap());
    let all: u64 = first.iter().sum();
    let [known, joined, asked] = first.map(|part| 100.0 * part as f64 / all as f64);
    println!(
        "{count} containers, {HANDS} at a time, {:.1} a second: lookups p50 {} us, p99 {} us; waited {} us in all, {} us at \
         most; first events {known:.1} % known, {joined:.1} % joined, {asked:.1} % asked; from hook to output p50 {} us, \
         p99 {} us, at most {} us",
        count as f64 / took.as_secs_f64(),
        number("p50_us"),
        number("p99_us"),
        number("waited_us"),
        number("longest_wait_us"),
        summary["latency_us"]["p50"],
        summary["latency_us"]["p99"],
        summary["latency_us"]["max"],
    );
    assert_eq!(number("overflowed"), 0, "{lookups}");
}

#[test]
fn a_hundred_short_lived_containers_are_all_known() {
    all_are_known(104);
}

#[test]
#[ignore = "`just test-runtimes` makes a thousand containers"]
fn a_thousand_short_lived_containers_are_all_known() {
    all_are_known(1000);
}
