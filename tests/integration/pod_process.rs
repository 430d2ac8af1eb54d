//! The pod's process on other kernels: the container that a real containerd made of the DaemonSet, run in virtual machines
//! by a real runc or crun, under the AppArmor profile that containerd gives to every container, on a kernel that is set as
//! strictly as distributions set theirs.

use std::fs;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::daemonset::{manifest, node};
use crate::event::{agent, is_exec};
use crate::lab::kernels::Kernel;
use crate::lab::kubelet::Kubelet;
use crate::lab::place::Place;
use crate::lab::runtimes::Release;
use crate::lab::tool;
use crate::lab::turn::Turn;
use crate::lab::vm::{Finished, Machine};

/// What containerd names its profile.
const PROFILE: &str = "cri-containerd.apparmor.d";
/// What the specification binds that is no file.
const DIRECTORIES: [&str; 4] = ["/run/containerd", "/etc/pinhole", "/run/pinhole", "/dev/shm"];

/// The OCI specification of the agent's container, as containerd made it of the kubelet's calls.
fn specification() -> Value {
    static MADE: OnceLock<Value> = OnceLock::new();
    MADE.get_or_init(|| {
        let _turn = Turn::take().unwrap();
        let lab = node(Release::installed().unwrap());
        let pod = Kubelet::on(&lab).unwrap().create(&manifest("generic"), "runc").unwrap();
        pod.oci().unwrap()
    })
    .clone()
}

/// Where a node differs from the one that the specification was made on.
fn moved(mut oci: Value, suite: &str, cgroup: u8, memlock: bool) -> (Value, Vec<String>) {
    let mut files = Vec::new();
    for mount in oci["mounts"].as_array_mut().unwrap() {
        if mount["type"] == "bind" {
            let inside = mount["destination"].as_str().unwrap().to_owned();
            mount["source"] = json!(format!("/node{inside}"));
            if !DIRECTORIES.contains(&&*inside) {
                files.push(inside);
            }
        }
    }
    // The sandbox's, which a container of its own does not have here: new ones instead.
    let namespaces = oci["linux"]["namespaces"].as_array_mut().unwrap();
    for namespace in &mut *namespaces {
        namespace.as_object_mut().unwrap().remove("path");
    }
    if cgroup == 2 {
        // containerd does so on version 2 (pkg/cri/server/container_create_linux.go, containerSpec).
        namespaces.push(json!({"type": "cgroup"}));
    }
    if cgroup == 1 && !["bullseye", "bookworm"].contains(&suite) {
        // From 6.12 on Debian's kernels have no memory controller of version 1, and runc refuses a limit that it cannot set.
        oci["linux"]["resources"].as_object_mut().unwrap().remove("memory");
    }
    oci["root"]["path"] = json!("rootfs");
    // containerd does so where the kernel has AppArmor (pkg/cri/server, generateApparmorSpecOpts).
    oci["process"]["apparmorProfile"] = json!(PROFILE);
    if memlock {
        for set in ["bounding", "effective", "permitted"] {
            let set = oci["process"]["capabilities"][set].as_array_mut().unwrap();
            set.push(json!("CAP_SYS_RESOURCE"));
        }
    }
    (oci, files)
}

/// The profile, compiled for the kernels of the matrix.
fn compiled(place: &Place) -> std::path::PathBuf {
    let parser = tool::find("apparmor_parser", "apparmor").unwrap();
    let source = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/apparmor/cri-containerd.apparmor.d"
    );
    let binary = place.path().join("apparmor");
    // Of the features of upstream kernels, not of this machine's kernel, which may have no AppArmor.
    tool::run(
        Command::new(parser)
            .args([
                "--skip-kernel-load",
                "--skip-cache",
                "--features-file",
                "/etc/apparmor.d/abi/3.0",
            ])
            .args(["--ofile".as_ref(), binary.as_os_str(), source.as_ref()]),
    )
    .unwrap();
    binary
}

/// Runs the container on this kernel.
fn run(suite: &str, cgroup: u8, runtime: &str, memlock: bool) -> Finished {
    let place = Place::new().unwrap();
    let (oci, files) = moved(specification(), suite, cgroup, memlock);
    let written = place.path().join("specification");
    fs::write(&written, oci.to_string()).unwrap();
    let settings = place.path().join("settings");
    fs::write(&settings, &manifest("generic").config_maps[0].data["agent.toml"]).unwrap();
    let capabilities = if memlock {
        "cap_bpf,cap_perfmon,cap_sys_resource=p"
    } else {
        "cap_bpf,cap_perfmon=p"
    };
    let scenario = format!(
        "RUNTIME={runtime}\nCAPABILITIES={capabilities}\nDIRECTORIES='{}'\nFILES='{}'\n{}",
        DIRECTORIES.join(" "),
        files.join(" "),
        include_str!("../lab/node.sh")
    );
    let tools = [
        ("runc", "runc", "runc"),
        ("crun", "crun", "crun"),
        ("setcap", "setcap", "libcap2-bin"),
    ];
    let machine = Machine::new(Kernel::of(suite).unwrap())
        .program("agent", agent())
        .file("specification", &written)
        .file("settings", &settings)
        .file("apparmor", &compiled(&place))
        .parameter("security=apparmor")
        .parameter("lsm=lockdown,capability,yama,apparmor")
        .parameter("lockdown=integrity")
        .parameter(&format!("lab.cgroup={cgroup}"));
    tools
        .iter()
        .filter(|(name, ..)| *name == "setcap" || *name == runtime)
        .fold(machine, |machine, (name, tool, package)| {
            let path = tool::find(tool, package).unwrap();
            machine.dynamic_program(name, &path).unwrap()
        })
        .run(&scenario)
        .unwrap()
}

fn watches(suite: &str, cgroup: u8, runtime: &str) {
    // Linux 5.10 counts maps against a limit that only this capability lifts.
    let memlock = suite == "bullseye";
    let finished = run(suite, cgroup, runtime, memlock);
    let all = &finished.output;
    assert_eq!(finished.code, 0, "{all}\n{}", finished.console);
    assert!(all.contains("LOCKDOWN none [integrity] confidentiality"), "{all}");
    assert!(all.contains("PARANOID 4 2"), "{all}");
    let (before, events) = all.split_once("\nEVENTS\n").unwrap();
    let (events, log) = events.split_once("LOG\n").unwrap();

    let threads: Vec<&str> = before.split("THREAD ").skip(1).collect();
    assert!(threads.len() >= 2, "pipeline and control: {before}");
    let held = if memlock {
        "000000c001000000"
    } else {
        "000000c000000000"
    };
    for thread in threads {
        let mut lines = thread
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        assert_eq!(
            lines.next().as_deref(),
            Some(&*format!("{PROFILE} (enforce)")),
            "{thread}"
        );
        let lines: Vec<String> = lines.collect();
        let none = "0000000000000000";
        for wanted in [
            "Uid: 65532 65532 65532 65532".to_owned(),
            format!("CapInh: {none}"),
            format!("CapPrm: {none}"),
            format!("CapEff: {none}"),
            format!("CapBnd: {held}"),
            format!("CapAmb: {none}"),
            "NoNewPrivs: 1".to_owned(),
            "Seccomp: 2".to_owned(),
        ] {
            assert!(lines.contains(&wanted), "{wanted} in {thread}");
        }
    }
    // The container's own cgroup, by the version that was asked for.
    let unified = before.lines().any(|line| line.starts_with("CGROUP 0::/"));
    assert_eq!(unified, cgroup == 2, "{before}");
    assert!(before.contains("/kubepods/burstable/pod"), "{before}");

    let events: Vec<Value> = events
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let canary = events
        .iter()
        .find(|event| is_exec(event, &["/bin/true", "the-canary"]))
        .unwrap();
    assert_eq!(canary["metadata"], json!({"status": "host"}), "{canary}");
    assert_eq!(canary["node"], "node-1.example", "{canary}");
    assert!(log.contains("without any capability"), "{log}");
    assert!(!log.contains("DENIED"), "AppArmor had something to refuse: {log}");
    crate::event::balanced_hooks(events.last().unwrap());
}

macro_rules! on {
    ($($(#[$attribute:meta])* $name:ident: $suite:literal, $cgroup:literal, $runtime:literal;)*) => {$(
        #[test]
        $(#[$attribute])*
        fn $name() {
            watches($suite, $cgroup, $runtime);
        }
    )*};
}

on! {
    linux_5_10_cgroup_1: "bullseye", 1, "runc";
    newest_linux_cgroup_2: "sid", 2, "runc";
    #[ignore = "`just test-kernels`"]
    linux_5_10_cgroup_2: "bullseye", 2, "runc";
    #[ignore = "`just test-kernels`"]
    linux_6_1_cgroup_1: "bookworm", 1, "runc";
    #[ignore = "`just test-kernels`"]
    linux_6_1_cgroup_2: "bookworm", 2, "runc";
    #[ignore = "`just test-kernels`"]
    linux_6_1_cgroup_2_by_crun: "bookworm", 2, "crun";
    #[ignore = "`just test-kernels`"]
    linux_6_12_cgroup_1: "bookworm-backports", 1, "runc";
    #[ignore = "`just test-kernels`"]
    linux_6_12_cgroup_2: "bookworm-backports", 2, "runc";
    #[ignore = "`just test-kernels`"]
    newest_linux_cgroup_1: "sid", 1, "runc";
    #[ignore = "`just test-kernels`"]
    newest_linux_cgroup_2_by_crun: "sid", 2, "crun";
}

#[test]
#[ignore = "`just test-kernels`"]
fn linux_5_10_without_the_capability_for_its_limit_says_so() {
    let finished = run("bullseye", 2, "runc", false);
    assert_eq!(finished.code, 78, "{}", finished.output);
    for words in [
        "RLIMIT_MEMLOCK",
        "65536 bytes",
        "CAP_SYS_RESOURCE",
        "cap_sys_resource=p",
    ] {
        assert!(finished.output.contains(words), "{words}: {}", finished.output);
    }
}
