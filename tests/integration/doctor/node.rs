//! A node with a kubelet, and the doctor in the agent's pod on it: before the agent, as the pod's only program with all that
//! the pod is granted; and beside the running agent, by what `kubectl exec` does.

use std::time::{Duration, Instant};

use super::manifest::Manifest;
use super::report::Report;
use crate::daemonset;
use crate::lab::containerd::Containerd;
use crate::lab::kubelet::{DaemonPod, Kubelet};
use crate::lab::runtimes::Release;

/// What the agent says when it has started.
const WATCHING: &str = "without any capability";
/// How long that may take.
const STARTS: Duration = Duration::from_secs(180);
/// How the doctor is asked; a busy machine has more time than by default.
const DOCTOR: [&str; 7] = ["doctor", "--format", "json", "--timeout", "2m", "--live-timeout", "20s"];

/// The node's runtime, with the agent's image.
pub(super) fn start() -> Containerd {
    start_with(Release::installed().unwrap())
}

/// As [`start`], of any release.
pub(super) fn start_with(release: Release) -> Containerd {
    daemonset::node(release)
}

/// Its kubelet, with the agent's profile of seccomp where it should be.
pub(super) fn kubelet(lab: &Containerd) -> Kubelet<'_> {
    let kubelet = Kubelet::on(lab).unwrap();
    let setup = include_str!("../../../seccomp/agent-setup.json");
    kubelet.install_seccomp("pinhole/agent-setup.json", setup).unwrap();
    kubelet
}

/// The doctor as the pod's program, before any agent.
pub(super) fn cold(kubelet: &Kubelet<'_>, manifest: &Manifest, handler: &str) -> Report {
    let mut objects = manifest.objects();
    objects.container().unwrap().args = DOCTOR.map(str::to_owned).into();
    let said = kubelet.run(&objects, handler).unwrap().said().unwrap();
    kubelet.forget_pods().unwrap();
    let report = Report::read(&said.stdout, &format!("{}\n{}", said.reason, said.stderr), said.took);
    assert!(!said.stderr.contains("panicked"), "{}", said.stderr);
    report
}

/// What somebody sees who runs the doctor there as [`cold`] does, off a terminal.
pub(super) fn screen(kubelet: &Kubelet<'_>, manifest: &Manifest) -> String {
    let mut objects = manifest.objects();
    objects.container().unwrap().args = vec!["doctor".to_owned()];
    let said = kubelet.run(&objects, "runc").unwrap().said().unwrap();
    kubelet.forget_pods().unwrap();
    said.stdout
}

/// The agent, started, whether it then is ready or not.
pub(super) fn run<'a>(kubelet: &Kubelet<'a>, manifest: &Manifest, handler: &str) -> DaemonPod<'a> {
    let pod = kubelet.run(&manifest.objects(), handler).unwrap();
    if !pod.says(WATCHING, STARTS).unwrap() {
        panic!("the agent has ended: {}", pod.collect().unwrap().stderr);
    }
    pod
}

/// The doctor beside the agent.
pub(super) fn beside(pod: &DaemonPod<'_>) -> Report {
    beside_with(pod, &[])
}

/// As [`beside`], with more words.
pub(super) fn beside_with(pod: &DaemonPod<'_>, more: &[&str]) -> Report {
    let began = Instant::now();
    loop {
        let asked = Instant::now();
        let said = pod.exec(&[&["/agent"], &DOCTOR[..], more].concat()).unwrap();
        let report = Report::read(&said.stdout, &said.stderr, asked.elapsed());
        // An answer of the agent's that comes late is no answer.
        if report.mode() == "live" {
            return report;
        }
        let findings = report.findings();
        assert!(began.elapsed() < STARTS, "{findings}\n{}", pod.log().stderr());
    }
}

/// Ends the agent, which ends as it should.
pub(super) fn stop(kubelet: &Kubelet<'_>, pod: DaemonPod<'_>) {
    let ended = pod.stop().unwrap();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    kubelet.forget_pods().unwrap();
}
