//! A full node: hundreds of containers that were there before the agent.

use std::time::{Duration, Instant};

use super::{assert_all_complete, watch};
use crate::event::{agent, is_exec};
use crate::lab::agent::{Agent, Installed};
use crate::lab::containerd::Containerd;
use crate::lab::error::Result;
use crate::lab::pod::{Pod, PodContainer, PodSpec};
use crate::lab::tool;
use crate::lab::turn::Turn;

const PODS: usize = 10;
const CONTAINERS: usize = 50;
/// How many requests for containers are made at a time.
const HANDS: usize = 4;
/// How long making them all may take.
const MADE: Duration = Duration::from_secs(400);
/// How long the agent may take to know them all, with nothing happening in any of them.
const KNOWN: Duration = Duration::from_secs(120);

/// Starts the containers of a pod, several at a time: the runtime is what takes the time.
fn fill<'a>(pod: &Pod<'a>, until: Instant) -> Result<Vec<PodContainer<'a>>> {
    std::thread::scope(|scope| {
        let hands: Vec<_> = (0..HANDS)
            .map(|hand| {
                scope.spawn(move || {
                    (hand..CONTAINERS)
                        .step_by(HANDS)
                        .map(|index| {
                            assert!(Instant::now() < until, "not made within {MADE:?}");
                            pod.start(&format!("c{index}"), &["/bin/sleep", "10000"])
                        })
                        .collect::<Result<Vec<_>>>()
                })
            })
            .collect();
        let filled: Result<Vec<_>> = hands.into_iter().map(|hand| hand.join().unwrap()).collect();
        Ok(filled?.into_iter().flatten().collect())
    })
}

#[test]
#[ignore = "`just test-runtimes` makes five hundred containers"]
fn five_hundred_containers_are_known_before_they_do_anything() {
    let _turn = Turn::take().unwrap();
    let lab = Containerd::start().unwrap();
    let began = Instant::now();
    let pods: Vec<Pod<'_>> = (0..PODS)
        .map(|index| {
            let uid = format!("5b0f1c9a-8a3e-4a57-b8a3-90a5f1f0d{index:03}");
            Pod::run(&lab, PodSpec::new("crowd", &format!("pod-{index}"), &uid)).unwrap()
        })
        .collect();
    let crowd: Vec<Vec<PodContainer<'_>>> = pods.iter().map(|pod| fill(pod, began + MADE).unwrap()).collect();
    let made: usize = crowd.iter().map(Vec::len).sum();
    assert_eq!(made, PODS * CONTAINERS);
    println!(
        "{made} containers in {PODS} pods made in {:.1} s",
        began.elapsed().as_secs_f64()
    );

    let installed = Installed::new(agent()).unwrap();
    let started = Instant::now();
    let agent = watch(&installed, &lab.socket()).unwrap();
    let ready = started.elapsed();
    let wanted = u64::try_from(made + PODS).unwrap();
    let known = tool::poll(
        "knowledge of all containers",
        KNOWN,
        || agent.stderr(),
        || {
            let lookups = agent.summary()?["lookups"].clone();
            let known = lookups["containers"].as_u64().filter(|known| *known >= wanted);
            // One that is being asked for is counted among them only when the answer is there.
            Ok(known.filter(|_| lookups["in_flight"] == 0))
        },
    )
    .unwrap();
    println!(
        "{known} known {:.2} s after the agent's start; ready after {:.2} s",
        started.elapsed().as_secs_f64(),
        ready.as_secs_f64()
    );

    // The first event of one in each pod needs no runtime any more.
    let first_known = |agent: &Agent<'_>| agent.summary().unwrap()["lookups"]["first"]["known"].as_u64().unwrap();
    let before = first_known(&agent);
    let mut ids = Vec::new();
    for (pod, containers) in pods.iter().zip(&crowd) {
        let container = &containers[CONTAINERS / 2];
        let said = container.exec(&["/bin/true", &pod.spec().name]).unwrap();
        assert_eq!(said.code, 0, "{said:?}");
        let event = agent
            .wait_for(&pod.spec().name, |event| {
                is_exec(event, &["/bin/true", &pod.spec().name])
            })
            .unwrap();
        assert_eq!(event["container"]["id"], container.id(), "{event}");
        let name = container.status().unwrap().metadata.unwrap_or_default().name;
        assert_eq!(event["container"]["name"], *name, "{event}");
        assert_eq!(event["kubernetes"]["pod"]["name"], *pod.spec().name, "{event}");
        ids.push(container.id());
    }
    let known_first = usize::try_from(first_known(&agent) - before).unwrap();
    assert!(
        known_first >= PODS,
        "only {known_first} of {PODS} were known before their first event"
    );
    assert_all_complete("five hundred containers", agent, &ids);
}
