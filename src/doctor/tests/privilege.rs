//! Kernel and privilege, beyond the grid: who is blamed for a refusal.

use super::super::examine::examine;
use super::super::facts::host::BpfAnswer;
use super::super::facts::{Facts, Gap, Gathered, LockdownFact, Place};
use super::super::fixture::{CONTAINERD, absent, agent, cold, live, refusal};
use super::super::report::Status;
use super::{check, roots};
use crate::privilege::file::FileCapabilities;

#[test]
fn an_unreadable_lockdown_file_is_no_riddle_where_programs_load() {
    let mut facts = cold();
    facts.kernel.value.as_mut().unwrap().lockdown = LockdownFact::Absent;
    assert_eq!(check(&facts, "PIN-KRN-002").status, Status::Ok);
    facts.capture = Gathered::gap(Gap::Crashed);
    assert_eq!(check(&facts, "PIN-KRN-002").status, Status::Unknown);
    // What is unknown about lockdown does not hide what is known about loading.
    assert_eq!(check(&facts, "PIN-BPF-001").status, Status::Unknown);
}

#[test]
fn the_dispatcher_is_a_choice_with_a_price_not_a_fault() {
    let mut facts = cold();
    facts.capture.value.as_mut().unwrap().trampoline = Err(refusal("load fexit/__x64_sys_openat", libc::EPERM));
    let backend = check(&facts, "PIN-BPF-002");
    assert_eq!(backend.status, Status::Ok);
    assert_eq!(backend.observed.unwrap()["trampoline"]["errno"], "EPERM");
    assert!(backend.impact.unwrap().text.contains("1.6 times"));
}

#[test]
fn missing_capabilities_are_told_apart_by_their_cause() {
    let remedy = |facts: &Facts| {
        let remedy = check(facts, "PIN-CAP-001").remedy.unwrap();
        format!("{}\n{}", remedy.text, remedy.commands.join("\n"))
    };
    let mut facts = cold();
    let process = facts.process.value.as_mut().unwrap();
    process.permitted = 0;
    let ignored = remedy(&facts);
    assert!(
        ignored.contains("which the kernel ignored") && ignored.contains("findmnt"),
        "{ignored}"
    );
    facts.process.value.as_mut().unwrap().file = FileCapabilities::Absent;
    let bare = remedy(&facts);
    assert!(
        bare.contains("no file capabilities") && bare.contains("setcap"),
        "{bare}"
    );
    facts.place = Place::Host;
    assert!(remedy(&facts).contains("sudo setcap"));
    facts.place = Place::Kubernetes;
    facts.process.value.as_mut().unwrap().uid = 0;
    assert!(remedy(&facts).contains("taken from the permitted set of uid 0"));
    facts.process.value.as_mut().unwrap().bounding = 0;
    let withheld = remedy(&facts);
    assert!(
        withheld.contains("not in the bounding set") && withheld.contains("add: [BPF, PERFMON]"),
        "{withheld}"
    );
}

#[test]
fn a_low_limit_on_locked_memory_is_blamed_only_where_maps_count_against_it() {
    let mut facts = cold();
    let capture = facts.capture.value.as_mut().unwrap();
    capture.object = Err(refusal("create the maps", libc::EPERM));
    capture.memlock = Some(64 << 10);
    facts.kernel.value.as_mut().unwrap().release = "5.10.0-28-amd64".to_owned();
    let old = check(&facts, "PIN-RES-001").remedy.unwrap();
    assert!(old.text.contains("CAP_SYS_RESOURCE"), "{}", old.text);
    assert!(old.commands[0].contains("SYS_RESOURCE") && old.commands[2].contains("cap_sys_resource"));
    // Others are to be blamed where the limit does not count, or is none.
    facts.kernel.value.as_mut().unwrap().release = "5.11.0".to_owned();
    assert_eq!(check(&facts, "PIN-BPF-001").status, Status::Fail);
    facts.kernel.value.as_mut().unwrap().release = "5.10.0".to_owned();
    facts.capture.value.as_mut().unwrap().memlock = None;
    assert_eq!(check(&facts, "PIN-RES-001").status, Status::Ok);
    assert_eq!(check(&facts, "PIN-BPF-001").status, Status::Fail);
}

/// The words by which machines tell who refused.
#[test]
fn a_refusal_of_bpf_is_blamed_on_one() {
    let blamed = |harm: fn(&mut Facts)| {
        let mut facts = cold();
        harm(&mut facts);
        let found = examine(&facts).into_iter().filter(|check| check.status == Status::Fail);
        let causes: Vec<String> = found
            .filter_map(|check| Some(check.observed?["cause"].as_str()?.to_owned()))
            .collect();
        causes.join(" ")
    };
    assert_eq!(blamed(|_| {}), "");
    assert_eq!(
        blamed(|f| f.seccomp.value.as_mut().unwrap().unknown_command = BpfAnswer::Refused(libc::EPERM)),
        "seccomp_refused"
    );
    assert_eq!(
        blamed(|f| f.seccomp.value.as_mut().unwrap().unknown_command = BpfAnswer::Killed),
        "seccomp_refused"
    );
    assert_eq!(
        blamed(|f| {
            let probe = f.seccomp.value.as_mut().unwrap();
            (probe.unknown_command, probe.unprivileged_disabled) = (BpfAnswer::Refused(libc::ENOSYS), None);
        }),
        "kernel_lacks"
    );
    assert_eq!(
        blamed(|f| {
            let probe = f.seccomp.value.as_mut().unwrap();
            (probe.unknown_command, probe.capable) = (BpfAnswer::Refused(libc::EPERM), false);
        }),
        "capability_missing"
    );
    assert_eq!(
        blamed(|f| f.seccomp.value.as_mut().unwrap().map_create = Some(libc::EACCES)),
        "lsm_denied"
    );
    assert_eq!(
        blamed(|f| {
            f.capture.value.as_mut().unwrap().base = Err(refusal("load", libc::EINVAL));
            f.kernel.value.as_mut().unwrap().lockdown = LockdownFact::Absent;
        }),
        ""
    );
}

#[test]
fn one_capability_stands_in_for_both() {
    let mut facts = cold();
    facts.process.value.as_mut().unwrap().permitted = 1 << 21;
    assert_eq!(check(&facts, "PIN-CAP-001").status, Status::Ok);
    assert_eq!(roots(&facts), [("PIN-CAP-002", Status::Warn)]);
}

#[test]
fn a_running_agent_is_better_evidence_than_the_doctors_own_privileges() {
    let mut facts = live();
    let process = facts.process.value.as_mut().unwrap();
    (process.permitted, process.bounding, process.uid, process.no_new_privs) = (0, 0, 1000, false);
    facts.capture.value.as_mut().unwrap().base = Err(refusal("load", libc::EPERM));
    facts.runtimes = Gathered::known(vec![absent(CONTAINERD)]);
    assert_eq!(roots(&facts), []);
}

#[test]
fn a_shell_on_a_host_is_not_judged_as_if_it_were_the_agent() {
    let mut facts = cold();
    facts.place = Place::Host;
    let process = facts.process.value.as_mut().unwrap();
    (process.uid, process.permitted, process.no_new_privs, process.seccomp) = (0, (1 << 41) - 1, false, 0);
    assert_eq!(roots(&facts), []);
    assert_eq!(check(&facts, "PIN-CAP-002").status, Status::Skipped);
}

/// A kernel that cannot do it, or not all of it, is no fault of anybody who deploys the agent.
#[test]
fn what_the_kernels_landlock_lacks_is_told_and_is_no_finding() {
    for (abi, restricted) in [(0, "none"), (4, "partial"), (9, "full")] {
        let mut facts = live();
        let landlock = agent(&mut facts).second.landlock.as_mut().unwrap();
        (landlock.abi, landlock.restricted) = (abi, restricted.to_owned());
        landlock.why = format!("why it is {restricted}");
        let finding = super::super::check::landlock::closes_off(&facts);
        assert_eq!(finding.status(), Status::Ok, "{finding:?}");
        assert!(
            format!("{finding:?}").contains(&format!("why it is {restricted}")),
            "{finding:?}"
        );
    }
}
