//! Loss: a ring that is too small for what the machine does in a moment, and the one that the report asks for.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::manifest::Manifest;
use super::node;
use super::report::Report;
use super::table::{NOTICES, look_for};
use crate::lab::tool;
use crate::lab::turn::Turn;

/// Opens in one burst: more than a ring of 64 KiB has room for, and far less than one of some MiB.
const BURST: u32 = 4000;
/// Between two of them: the agent has long read the former.
const PAUSE: Duration = Duration::from_millis(200);
/// So often a report's advice is followed.
const TRIES: u32 = 5;
/// So many bursts show whether a ring is large enough.
const ENOUGH: u32 = 10;

/// Files that are opened in bursts until it is dropped.
struct Bursts {
    stop: Arc<AtomicBool>,
    made: Arc<AtomicU32>,
    thread: Option<JoinHandle<()>>,
}

impl Bursts {
    fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let made = Arc::new(AtomicU32::new(0));
        let (told, count) = (Arc::clone(&stop), Arc::clone(&made));
        let thread = std::thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                for _ in 0..BURST {
                    drop(File::open("/dev/null").unwrap());
                }
                count.fetch_add(1, Ordering::Relaxed);
                // The pace, not a wait for anything.
                std::thread::sleep(PAUSE);
            }
        });
        Self {
            stop,
            made,
            thread: Some(thread),
        }
    }

    /// Until some more were made.
    fn wait_for_more(&self) {
        let before = self.made.load(Ordering::Relaxed);
        tool::poll("bursts", NOTICES, String::new, || {
            Ok((self.made.load(Ordering::Relaxed) >= before + ENOUGH).then_some(()))
        })
        .unwrap();
    }
}

impl Drop for Bursts {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

#[test]
fn a_tiny_ring_under_bursts_is_made_as_large_as_the_report_says() {
    let _turn = Turn::take().unwrap();
    let lab = node::start();
    let kubelet = node::kubelet(&lab);
    let mut manifest = Manifest::of("generic").patient();
    manifest.set("PINHOLE_CAPTURE_RING_SIZE", "64KiB");
    let bursts = Bursts::start();
    let pod = node::run(&kubelet, &manifest, "runc");
    let lossy = [("PIN-LOSS-001", "fail")];
    let mut report = look_for(&lossy, || node::beside(&pod));
    node::stop(&kubelet, pod);
    assert_eq!(report.roots(), lossy, "64 KiB under bursts\n{}", report.findings());
    // Where the agent gets no CPU for longer than the report could know, the next one asks for more.
    for _ in 0..TRIES {
        // On a busy machine it may ask for more than the manifest can give.
        let applied: Vec<_> = report
            .changes()
            .into_iter()
            .filter(|change| manifest.apply(change))
            .collect();
        assert!(!applied.is_empty(), "{}", report.findings());
        println!("  {applied:?}");
        let pod = node::run(&kubelet, &manifest, "runc");
        pod.wait_ready().unwrap();
        bursts.wait_for_more();
        report = node::beside(&pod);
        if !lost(&report) {
            report = look_for(&[], || node::beside(&pod));
        }
        node::stop(&kubelet, pod);
        if !lost(&report) {
            break;
        }
    }
    assert_eq!(
        report.roots(),
        [],
        "the ring that the report asks for\n{}",
        report.findings()
    );
}

/// Whether something was lost: that is told for an hour.
fn lost(report: &Report) -> bool {
    report.roots().iter().any(|(id, _)| id.starts_with("PIN-LOSS-"))
}
