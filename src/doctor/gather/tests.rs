//! The edge: files from a tree in a temporary directory, the agent behind a real socket, steps that hang and break.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{channel, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::json;

use super::super::facts::host::BuildFact;
use super::super::facts::{
    CanaryFact, ConfigFacts, Gap, LiveFacts, LiveFailure, LockdownFact, Mounted, Place, ProfileFacts, RunningAgent,
};
use super::super::report::{Mode, Status};
use super::super::{fixture, report};
use super::{
    CanarySeen, ColdCanary, Input, agents, canary, facts, gather, kernel, live, process, runtime, step::Steps,
};
use crate::config::Settings;
use crate::control::api::{GetContainersReply, GetContainersRequest, GetStatusReply, HeldContainer};
use crate::control::api::{Reporting, SetReportingRequest};
use crate::control::containers::Busy;
use crate::control::switch::Refused;
use crate::control::{Answers, Doors, ExecWatches, Handle, Peer, ReportSwitch, StatusSource, bind, spawn};
use crate::health;
use crate::platform::Confidence;
use tokio::sync::oneshot;

pub(super) fn tree(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    root
}

#[test]
fn lockdown_is_the_mode_in_brackets() {
    let read = |text: &str| kernel::read(tree(&[("sys/kernel/security/lockdown", text.as_bytes())]).path()).lockdown;
    assert_eq!(
        read("none [integrity] confidentiality\n"),
        LockdownFact::Mode("integrity".to_owned())
    );
    assert!(matches!(read("garbage\n"), LockdownFact::Unreadable(_)));
    assert_eq!(kernel::read(tree(&[]).path()).lockdown, LockdownFact::Absent);
}

#[test]
fn type_information_must_look_like_it() {
    let read = |content: &[u8]| kernel::read(tree(&[("sys/kernel/btf/vmlinux", content)]).path()).btf;
    let mut real = 0xeb9f_u16.to_ne_bytes().to_vec();
    real.extend([1, 0, 0, 0]);
    assert_eq!(read(&real), Ok(6));
    assert_eq!(read(b""), Ok(0));
    assert!(read(b"text").unwrap_err().message.contains("does not begin"));
    assert_eq!(
        kernel::read(tree(&[]).path()).btf.unwrap_err().errno,
        Some(libc::ENOENT)
    );
}

#[test]
fn what_is_out_of_sight_in_a_container_is_not_there() {
    let nothing = kernel::read(tree(&[]).path());
    assert_eq!((nothing.jit, nothing.build), (None, BuildFact::Absent));
    assert!(nothing.types.unwrap_err().contains("cannot be read"));
    let off = tree(&[
        ("proc/sys/net/core/bpf_jit_enable", b"0\n"),
        ("sys/kernel/btf/vmlinux", b"text"),
    ]);
    let off = kernel::read(off.path());
    assert_eq!(off.jit, Some(0));
    assert!(off.types.unwrap_err().contains("not known"));
}

#[test]
fn a_memory_limit_is_a_number_in_either_hierarchy() {
    let read = |path: &str, text: &str| process::memory_limit(tree(&[(path, text.as_bytes())]).path());
    let (v2, v1) = ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes");
    assert_eq!(read(v2, "134217728\n"), Some(128 << 20));
    assert_eq!(read(v2, "max\n"), None);
    assert_eq!(read(v1, "134217728\n"), Some(128 << 20));
    assert_eq!(read(v1, "9223372036854771712\n"), None);
    assert_eq!(process::memory_limit(tree(&[]).path()), None);
}

#[test]
fn this_kernel_and_this_process_are_readable() {
    let root = Path::new("/");
    assert_eq!(
        kernel::read(root).release,
        nix::sys::utsname::uname().unwrap().release().to_str().unwrap()
    );
    let own = process::read(root).unwrap();
    assert_eq!(own.uid, nix::unistd::geteuid().as_raw());
    assert!(own.gids.contains(&nix::unistd::getegid().as_raw()));
    let permitted = caps::read(None, caps::CapSet::Permitted).unwrap();
    assert_eq!(own.permitted.count_ones() as usize, permitted.len());
}

#[test]
fn the_own_status_gives_effective_ids_and_every_group_once() {
    let text = "Name:\tagent\nUid:\t0\t65532\t0\t0\nGid:\t0\t7\t0\t0\nGroups:\t0 7 \nThreads:\t1\nCapInh:\t0\nCapPrm:\tc000000000\n\
                CapEff:\t0\nCapBnd:\tff\nCapAmb:\t0\nNoNewPrivs:\t1\nSeccomp:\t2\n";
    let read = |text: &str| process::read(tree(&[("proc/self/status", text.as_bytes())]).path());
    let facts = read(text).unwrap();
    assert_eq!(
        (facts.uid, facts.gids.as_slice(), facts.permitted),
        (65532, &[0, 7][..], 0xc0_0000_0000)
    );
    assert!(facts.no_new_privs && facts.seccomp == 2);
    assert!(
        read(&text.replace("Seccomp", "Other"))
            .unwrap_err()
            .to_string()
            .contains("Seccomp")
    );
}

#[test]
fn the_own_container_is_found_in_every_form_of_cgroup_path() {
    let id = fixture::ID;
    let own = |text: String| runtime::own_cgroup(tree(&[("proc/self/cgroup", text.as_bytes())]).path()).unwrap();
    for path in [
        format!("0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-{id}.scope"),
        format!("12:pids:/kubepods/besteffort/pod1/{id}\n0::/"),
        format!("0::/machine.slice/crio-{id}.scope/container"),
    ] {
        assert_eq!(own(path.clone()).id.as_deref(), Some(id), "{path}");
    }
    let inner = "a".repeat(64);
    assert_eq!(own(format!("0::/docker/{id}/kubepods/{inner}")).id, Some(inner));
    let hidden = own("0::/\n".to_owned());
    assert_eq!((hidden.id, hidden.cgroup_leaf), (None, None));
    // A pod in a private cgroup namespace: its sandbox's id stands in its mounts.
    let mount = format!(
        "1 2 8:1 /var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/{id}/hostname /etc/hostname rw - ext4 /dev/sda rw\n"
    );
    let files = [
        ("proc/self/cgroup", b"0::/\n".as_slice()),
        ("proc/self/mountinfo", mount.as_bytes()),
    ];
    let pod = runtime::own_cgroup(tree(&files).path()).unwrap();
    assert_eq!((pod.id.as_deref(), pod.id_from), (Some(id), "/proc/self/mountinfo"));
    assert!(runtime::own_cgroup(tree(&[]).path()).is_err());
}

#[test]
fn agents_are_found_by_how_they_are_started_and_how_bare_they_are() {
    let bare = "Name:\tagent\nUid:\t7\t7\t7\t7\nGid:\t7\t7\t7\t7\nGroups:\t0 \nThreads:\t1\nCapInh:\t0\nCapPrm:\t0\nCapEff:\t0\n\
                CapBnd:\tc000000000\nCapAmb:\t0\nNoNewPrivs:\t1\nSeccomp:\t2\n";
    let privileged = bare.replace("CapPrm:\t0", "CapPrm:\tc000000000");
    let elsewhere = format!("0::/kubepods/pod1/{}", fixture::ID);
    let found = |cmdline: &str, status: &str, cgroup: &str| {
        let root = tree(&[
            ("proc/self/cgroup", b"0::/user.slice"),
            ("proc/4000001/cmdline", cmdline.as_bytes()),
            ("proc/4000001/cgroup", cgroup.as_bytes()),
            ("proc/4000001/task/4000001/status", status.as_bytes()),
        ]);
        agents::running(root.path())
    };
    let here = RunningAgent {
        pid: 4_000_001,
        elsewhere: None,
    };
    assert_eq!(
        found("/usr/bin/agent\0run\0", bare, "0::/system.slice/pinhole.service"),
        [here]
    );
    assert_eq!(
        found("agent\0run\0--output\0json\0", bare, &elsewhere)[0]
            .elsewhere
            .as_deref(),
        Some(fixture::ID)
    );
    assert_eq!(found("agent\0doctor\0", bare, "0::/"), []);
    assert_eq!(found("/opt/other/agent\0run\0", &privileged, "0::/"), []);
    assert_eq!(found("tail\0run\0", bare, "0::/"), []);
    assert_eq!(agents::running(tree(&[]).path()), []);
}

#[test]
fn the_place_is_told_by_markers() {
    assert_eq!(runtime::place(tree(&[]).path(), None), Place::Host);
    assert_eq!(
        runtime::place(tree(&[("run/.containerenv", b"")]).path(), None),
        Place::Container
    );
    let left_over = tree(&[(".dockerenv", b""), ("proc/self/ns/other", b"")]);
    std::os::unix::fs::symlink("cgroup:[4026531835]", left_over.path().join("proc/self/ns/cgroup")).unwrap();
    assert_eq!(runtime::place(left_over.path(), None), Place::Host);
    let secret = "var/run/secrets/kubernetes.io/serviceaccount/token";
    assert_eq!(runtime::place(tree(&[(secret, b"")]).path(), None), Place::Kubernetes);
}

#[test]
fn a_step_that_hangs_is_left_at_its_deadline() {
    let (release, held) = channel::<()>();
    let began = Instant::now();
    let steps = Steps::new(Duration::from_secs(60), &|_| {});
    let late = steps.start("hangs", Duration::from_millis(50), move || {
        let _ = held.recv();
        Ok(())
    });
    assert_eq!(late.finish().value, Err(Gap::Late(Duration::from_millis(50))));
    assert!(began.elapsed() < Duration::from_secs(5));
    drop(release);
}

#[test]
fn how_a_socket_comes_into_sight_is_told_by_the_own_mounts() {
    let list = b"1 0 8:1 / / rw - ext4 a rw\n\
                 2 1 0:1 /containerd/containerd.sock /run/alone.sock rw - tmpfs t rw\n\
                 3 1 0:1 /containerd/containerd.sock//deleted /run/gone.sock rw - tmpfs t rw\n\
                 4 1 0:1 /crio /run/crio rw - tmpfs t rw\n";
    let root = tree(&[("proc/self/mountinfo", list.as_slice())]);
    let mounts = runtime::own_mounts(root.path());
    for (socket, expected) in [
        ("/run/alone.sock", Mounted::Alone),
        ("/run/gone.sock", Mounted::Deleted),
        ("/run/crio/crio.sock", Mounted::Directory),
        ("/run/criox/crio.sock", Mounted::No),
        ("/run/other.sock", Mounted::No),
    ] {
        assert_eq!(runtime::mounted(&mounts, Path::new(socket)), expected, "{socket}");
    }
    assert!(runtime::own_mounts(tree(&[]).path()).is_empty());
}

/// A socket file's mode says nothing where a directory above it is closed to others.
#[test]
fn a_socket_is_open_to_everyone_where_its_directories_are() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::UnixListener;

    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("runtime");
    std::fs::create_dir(&directory).unwrap();
    let socket = directory.join("runtime.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    let set = |path: &Path, mode: u32| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    set(root.path(), 0o755);
    for (directory_mode, mode, open) in [
        (0o711, 0o666, true),
        (0o711, 0o660, false),
        (0o750, 0o666, false),
        (0o711, 0o662, true),
    ] {
        set(&directory, directory_mode);
        set(&socket, mode);
        let file = runtime::socket_file(&socket).unwrap();
        assert_eq!((file.mode, file.open), (mode, open), "{directory_mode:o} {mode:o}");
    }
    assert_eq!(runtime::socket_file(&directory.join("none")), None);
    // Nothing is closed to root, and to the owner of all of it.
    assert_eq!(runtime::closed_directory(&socket), None);
}

#[test]
fn a_step_that_breaks_down_is_a_gap() {
    let steps = Steps::new(Duration::from_secs(60), &|_| {});
    let crashed = steps.start("breaks", Duration::from_secs(5), || -> Result<(), Gap> {
        panic!("on purpose")
    });
    assert_eq!(crashed.finish().value, Err(Gap::Crashed));
}

/// Asks, and checks that whether an agent answers was told before the end.
fn ask(socket: &Path) -> live::Asked {
    let (heard, answers) = sync_channel(1);
    let asked = live::ask(socket, CANARY, &heard);
    drop(heard);
    let told = answers.recv().unwrap_or(false);
    assert_eq!(told, matches!(asked.live, LiveFacts::Answers(_)));
    asked
}

#[test]
fn the_socket_tells_what_is_wrong_with_the_agent() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("agent.sock");
    assert_eq!(ask(Path::new("")).live, LiveFacts::Disabled);
    assert!(matches!(ask(&path).live, LiveFacts::Absent { .. }));
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(matches!(
        ask(&path).live,
        LiveFacts::Broken {
            kind: LiveFailure::Stale,
            ..
        }
    ));
}

struct Fixed(GetStatusReply);

impl StatusSource for Fixed {
    fn containers(&self, question: GetContainersRequest) -> Result<oneshot::Receiver<GetContainersReply>, Busy> {
        let (sender, receiver) = oneshot::channel();
        let held = |id: &String| HeldContainer {
            id: id.clone(),
            ..HeldContainer::default()
        };
        let reply = GetContainersReply {
            containers: question.ids.iter().map(held).collect(),
            more: false,
        };
        sender.send(reply).map_err(|_| Busy)?;
        Ok(receiver)
    }

    fn status(&self) -> GetStatusReply {
        self.0.clone()
    }
}

impl ReportSwitch for Fixed {
    fn ask(&self, _: &SetReportingRequest, _: Peer) -> Result<oneshot::Receiver<Reporting>, Refused> {
        Err(Refused::Empty)
    }
}

struct TestAgent {
    _directory: tempfile::TempDir,
    socket: PathBuf,
    handle: Handle,
    watches: Arc<ExecWatches>,
}

fn test_agent() -> TestAgent {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("agent.sock");
    let watches = Arc::new(ExecWatches::new());
    let source = Arc::new(Fixed(fixture::status(1000)));
    let handle = spawn(
        Doors {
            admin: Some(bind(&socket).unwrap()),
            health: None,
        },
        Answers {
            source: Arc::clone(&source) as _,
            watches: Arc::clone(&watches),
            switch: source,
            monitor: health::fixture::monitor(),
        },
        Vec::new(),
    )
    .unwrap();
    TestAgent {
        _directory: directory,
        socket,
        handle,
        watches,
    }
}

#[test]
fn the_profile_is_the_running_agents_where_nobody_named_one_here() {
    let own = ProfileFacts {
        declared: false,
        name: "generic".to_owned(),
        ..input(PathBuf::new()).profile
    };
    let mut facts = fixture::live();
    let adopted = facts::profile_in_use(&own, &facts.live);
    assert_eq!((adopted.name.as_str(), adopted.declared), ("aks", true));
    assert!(
        adopted.source.contains("the running agent, by file"),
        "{}",
        adopted.source
    );
    assert_eq!(adopted.detected, own.detected);
    // Somebody named one here.
    let named = ProfileFacts {
        declared: true,
        ..own.clone()
    };
    assert_eq!(facts::profile_in_use(&named, &facts.live), named);
    // From elsewhere the platform looks as it looks from there.
    let host = ProfileFacts {
        detected: Ok(Some("standalone".to_owned())),
        ..own.clone()
    };
    fixture::agent(&mut facts).seen_as = Some(4711);
    assert_eq!(facts::profile_in_use(&host, &facts.live).detected, Ok(None));
    // The agent chose by itself.
    let settings = &mut fixture::agent(&mut facts).second.settings;
    settings.iter_mut().find(|it| it.key == "profile").unwrap().value = r#""auto""#.to_owned();
    assert_eq!(facts::profile_in_use(&own, &facts.live), own);
    assert_eq!(facts::profile_in_use(&own, &fixture::cold().live), own);
}

/// Stands in for the pipeline: the first watch that is armed gets its exec.
fn pipeline(watches: Arc<ExecWatches>) -> JoinHandle<()> {
    thread::spawn(move || {
        let until = Instant::now() + Duration::from_secs(10);
        while !watches.armed() {
            assert!(Instant::now() < until, "nobody armed a watch");
            thread::yield_now();
        }
        for token in watches.tokens() {
            let args = ["/bin/true".to_owned(), token];
            let event =
                json!({ "type": "process_exec", "process": { "args": args }, "metadata": { "status": "host" } });
            watches.offer(&args, || event.to_string());
        }
    })
}

#[test]
fn a_canary_that_is_seen_comes_back_with_its_event() {
    let agent = test_agent();
    let pipeline = pipeline(Arc::clone(&agent.watches));
    let asked = ask(&agent.socket);
    pipeline.join().unwrap();
    let LiveFacts::Answers(answer) = &asked.live else {
        panic!("{:?}", asked.live)
    };
    assert_eq!(answer.uid, Some(nix::unistd::geteuid().as_raw()));
    let Ok(CanaryFact::Seen { event, .. }) = asked.canary else {
        panic!("{:?}", asked.canary)
    };
    assert_eq!(event["metadata"]["status"], "host");
    agent.handle.stop();
}

#[test]
fn an_agent_that_does_not_see_the_canary_is_caught() {
    let agent = test_agent();
    let asked = ask(&agent.socket);
    assert!(matches!(&asked.live, LiveFacts::Answers(live) if live.window >= Duration::from_secs(1)));
    let Ok(CanaryFact::NotSeen { program, .. }) = asked.canary else {
        panic!("{:?}", asked.canary)
    };
    assert_eq!(program, "/bin/true");
    agent.handle.stop();
}

/// How long a canary may take here.
const CANARY: Duration = Duration::from_secs(3);

struct Cold(Result<Option<CanarySeen>, String>);

impl ColdCanary for Cold {
    fn run(&self, token: &str, _: Duration, start: &mut dyn FnMut()) -> Result<Option<CanarySeen>, String> {
        assert!(token.starts_with("pinhole-canary-"));
        start();
        self.0.clone()
    }
}

#[test]
fn a_canary_without_an_agent_tells_the_same_stories() {
    let event = json!({ "metadata": { "status": "complete" } });
    let cold = Cold(Ok(Some(CanarySeen {
        event: event.clone(),
        latency_us: 5,
    })));
    let seen = canary::run_cold(&cold, CANARY);
    assert_eq!(
        seen,
        CanaryFact::Seen {
            program: "/bin/true".to_owned(),
            latency_us: 5,
            event
        }
    );
    assert!(matches!(
        canary::run_cold(&Cold(Ok(None)), CANARY),
        CanaryFact::NotSeen { .. }
    ));
    let refused = canary::run_cold(&Cold(Err("no capability".to_owned())), CANARY);
    assert_eq!(
        refused,
        CanaryFact::NotWatched {
            message: "no capability".to_owned()
        }
    );
}

fn input(socket: PathBuf) -> Input {
    let mut settings = Settings::default();
    settings.control.socket = socket;
    let config = ConfigFacts {
        sources: vec!["defaults".to_owned()],
        lookup_budget: Duration::from_secs(1),
        call_timeout: Duration::from_secs(2),
        prefetch: true,
        ..ConfigFacts::default()
    };
    let profile = ProfileFacts {
        name: "generic".to_owned(),
        source: "default".to_owned(),
        declared: false,
        detected: Ok(None),
        confidence: Confidence::Guess,
        evidence: Vec::new(),
    };
    Input {
        settings,
        config,
        profile,
        suppressions: None,
        process: process::own(),
        live_timeout: CANARY,
        timeout: Duration::from_secs(30),
    }
}

#[test]
fn the_whole_doctor_examines_this_machine_with_a_running_agent() {
    let agent = test_agent();
    let pipeline = pipeline(Arc::clone(&agent.watches));
    let (time, facts) = gather(&input(agent.socket.clone()), &|_| {});
    pipeline.join().unwrap();
    let report = report(&facts, time, None);
    assert_eq!(report.mode, Mode::Live);
    let status = |id: &str| report.checks.iter().find(|check| check.id == id).unwrap().status;
    for id in [
        "PIN-KRN-001",
        "PIN-BTF-001",
        "PIN-LIVE-001",
        "PIN-LIVE-002",
        "PIN-META-001",
        "PIN-LOSS-002",
    ] {
        assert_eq!(status(id), Status::Ok, "{id}");
    }
    agent.handle.stop();
}

#[test]
fn the_whole_doctor_examines_this_machine_without_an_agent() {
    let directory = tempfile::tempdir().unwrap();
    let (time, facts) = gather(&input(directory.path().join("agent.sock")), &|_| {});
    let report = report(&facts, time, None);
    assert_eq!(report.mode, Mode::Cold);
    let live = report.checks.iter().find(|check| check.id == "PIN-LIVE-001").unwrap();
    assert_eq!(live.status, Status::Skipped);
    let canary = report.checks.iter().find(|check| check.id == "PIN-LIVE-002").unwrap();
    assert!(
        canary.status == Status::Ok || canary.blocked_by.as_deref() == Some("PIN-LIVE-001"),
        "{canary:?}"
    );
}
