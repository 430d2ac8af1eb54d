//! What the running agent tells of itself, against what it was given and what others say of it.

use std::fs;
use std::time::SystemTime;

use pinhole::control::client::Client;

use crate::event::agent;
use crate::lab::agent::{ARRIVES, Installed};
use crate::lab::error::Result;
use crate::lab::tool;
use crate::lab::turn::Turn;

#[test]
fn the_status_agrees_with_what_the_agent_was_given_and_the_kernel_says() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let listen = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let agent = installed
        .run([
            "--events",
            "file",
            "--health-runtime",
            "optional",
            "--health-listen",
            &listen,
            "--capture-ring-size",
            "1MiB",
        ])
        .unwrap();
    let ask = || Client::connect(&installed.control_socket(), ARRIVES)?.status(ARRIVES);
    // With two readings and a canary there is something to tell.
    let status = tool::poll(
        "readings",
        ARRIVES,
        || agent.stderr(),
        || -> Result<_> {
            let _ = fs::File::open("/nonexistent/read-by-the-agent");
            let status = ask().unwrap();
            Ok(
                (status.history.len() > 3 && status.canary_age_ms.is_some() && status.hooks["openat"].delivered > 9)
                    .then_some(status),
            )
        },
    )
    .unwrap();

    let conditions: Vec<_> = status.conditions.iter().map(|it| (&*it.name, &*it.check)).collect();
    assert_eq!(
        conditions,
        [
            ("hooks", "PIN-BPF-004"),
            ("canary", "PIN-LIVE-003"),
            ("runtime", "PIN-RUN-001"),
            ("losses", "PIN-LOSS-001"),
            ("delivery", "PIN-DLV-001"),
            ("pipeline", "PIN-LIVE-003"),
        ]
    );

    let ages: Vec<u64> = status.history.iter().map(|it| it.age_ms).collect();
    assert!(
        ages.is_sorted_by(|one, next| one >= next) && ages.last() == Some(&0),
        "{ages:?}"
    );
    let (first, last) = (&status.history[0], status.history.last().unwrap());
    assert_eq!((first.seen, first.host), (0, 0), "the beginning");
    assert!(last.seen >= status.hooks["openat"].seen && last.host > 9, "{last:?}");

    // The agent is younger than a window.
    let window = status.window.as_ref().unwrap();
    assert_eq!(window.hooks, status.hooks);
    assert_eq!(window.metadata_status, status.metadata_status);
    assert!(
        (window.seconds - status.uptime_seconds).abs() < 5.0,
        "{}",
        window.seconds
    );

    let ring = status.ring.unwrap();
    assert_eq!((ring.size, ring.burst_dropped, ring.needed_bytes), (1 << 20, 0, 0));
    let average = ring.average_record_bytes.unwrap();
    assert!((100..8192).contains(&average), "{ring:?}");
    assert!(
        ring.fill_max_bytes >= ring.window_fill_max_bytes && ring.fill_max_bytes <= Some(ring.size),
        "{ring:?}"
    );

    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_nanos();
    let apart = now.abs_diff(u128::from(status.unix_time_ns.unsigned_abs()));
    assert!(apart < ARRIVES.as_nanos() && status.clock_steps == 0, "{apart} ns");

    let setting = |key: &str| status.settings.iter().find(|it| it.key == key).unwrap();
    assert_eq!(setting("capture.ring_size").value, "\"1.0 MiB\"");
    assert_eq!(setting("capture.ring_size").origin, "flag --capture-ring-size");
    assert_eq!(setting("log.target").origin, "environment variable PINHOLE_LOG_TARGET");
    let log = status.log.as_ref().unwrap();
    assert_eq!(
        (&*log.wanted, &*log.used, &*log.why, log.failures),
        ("stderr", "stderr", "", 0)
    );
    assert_eq!(status.health_listen, listen);

    let process = status.process.unwrap();
    let said = fs::read_to_string(format!("/proc/{}/status", agent.pid())).unwrap();
    let line = said.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(
        process.peak_rss_bytes <= Some(peak * 1024) && process.peak_rss_bytes > Some(peak * 512),
        "{process:?}"
    );
    assert!(
        process.rss_bytes > 0 && process.cpu_seconds > 0.0 && process.open_fds > 5,
        "{process:?}"
    );
    assert!(agent.stop().unwrap().status.success());
}
