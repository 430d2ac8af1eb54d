//! Loss: a ring that is too small for what the machine does in a moment, and the one that the report asks for.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::manifest::Manifest;
use super::node;
use super::table::Verdict;
use crate::lab::turn::Turn;

/// Opens in one burst: more than a ring of 64 KiB has room for, and far less than one of some MiB.
const BURST: u32 = 4000;
/// Between two of them: the agent has long read the former.
const PAUSE: Duration = Duration::from_millis(200);

/// Files that are opened in bursts until it is dropped.
struct Bursts {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Bursts {
    fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                for _ in 0..BURST {
                    drop(File::open("/dev/null").unwrap());
                }
                // The pace, not a wait for anything.
                std::thread::sleep(PAUSE);
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
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
    let mut manifest = Manifest::of("generic");
    manifest.set("PINHOLE_CAPTURE_RING_SIZE", "64KiB");
    let mut verdict = Verdict::default();
    let bursts = Bursts::start();
    let pod = node::run(&kubelet, &manifest, "runc");
    let lossy = &[("PIN-LOSS-001", "fail")];
    let mut report = None;
    let told = verdict.expect_soon("64 KiB under bursts", || node::beside(&pod), lossy);
    if told {
        report = Some(node::beside(&pod));
    }
    node::stop(&kubelet, pod);
    if let Some(report) = report {
        let changes = report.changes();
        assert!(!changes.is_empty(), "{}", report.findings());
        for change in changes {
            println!("  {change}");
            assert!(manifest.apply(change), "{change}");
        }
        let pod = node::run(&kubelet, &manifest, "runc");
        pod.wait_ready().unwrap();
        verdict.expect_soon("the ring that the report asks for", || node::beside(&pod), &[]);
        node::stop(&kubelet, pod);
    }
    drop(bursts);
    verdict.end();
}
