//! Real runtimes take the image and run it with what a pod of the agent is granted.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use k8s_cri::v1::security_profile::ProfileType;
use k8s_cri::v1::{Capability, ContainerConfig, ImageSpec, Int64Value, Mount, SecurityProfile};

use crate::event::agent;
use crate::lab::agent::{AGENT_ID, READY, answers};
use crate::lab::agent_image::{agent_image, build_in, project};
use crate::lab::containerd::Containerd;
use crate::lab::docker::Docker;
use crate::lab::place::Place;
use crate::lab::pod::{Pod, PodSpec};
use crate::lab::podman::Podman;
use crate::lab::runtimes::Release;
use crate::lab::tool;
use crate::lab::turn::Turn;

use super::opened::Opened;

const UID: &str = "5b0f1c9a-8a3e-4a57-b8a3-90a5f1f0c005";

/// What a pod of the agent is granted, as a kubelet asks for it; `directories` are (on this machine, in the container).
fn granted(pod: &Pod<'_>, name: &str, image: &str, args: &[&str], directories: &[(&Path, &str)]) -> ContainerConfig {
    let mut config = pod.plain(name, &[]);
    config.image = Some(ImageSpec {
        image: image.to_owned(),
        ..ImageSpec::default()
    });
    config.args = args.iter().map(|&word| word.to_owned()).collect();
    config.log_path = format!("{name}.log");
    config.mounts = directories
        .iter()
        .map(|(host, container)| Mount {
            host_path: host.to_string_lossy().into_owned(),
            container_path: (*container).to_owned(),
            ..Mount::default()
        })
        .collect();
    let id = || {
        Some(Int64Value {
            value: i64::from(AGENT_ID),
        })
    };
    let context = config
        .linux
        .as_mut()
        .and_then(|linux| linux.security_context.as_mut())
        .unwrap();
    context.run_as_user = id();
    context.run_as_group = id();
    context.supplemental_groups = vec![0];
    context.no_new_privs = true;
    context.readonly_rootfs = true;
    context.capabilities = Some(Capability {
        drop_capabilities: vec!["ALL".to_owned()],
        add_capabilities: vec!["BPF".to_owned(), "PERFMON".to_owned()],
        ..Capability::default()
    });
    context.seccomp = Some(SecurityProfile {
        profile_type: ProfileType::RuntimeDefault.into(),
        ..SecurityProfile::default()
    });
    config
}

#[test]
fn a_runtime_starts_it_with_two_capabilities_and_the_agent_gets_ready() {
    let _turn = Turn::take().unwrap();
    assert_gets_ready(Release::installed().unwrap());
}

#[test]
#[ignore = "`just test-runtimes` has all versions"]
fn containerds_of_other_generations_start_it() {
    let _turn = Turn::take().unwrap();
    for suite in ["bullseye", "trixie", "sid"] {
        assert_gets_ready(Release::of(suite).unwrap());
    }
}

#[test]
#[ignore = "`just test-runtimes` fetches Docker and installs podman"]
fn docker_and_podman_load_and_start_it() {
    let _turn = Turn::take().unwrap();
    let built = agent_image(agent()).unwrap();
    let archive = built.archive.to_str().unwrap();
    // Docker 20.10 does not know the two capabilities yet: without any the program starts as well.
    let command = ["run", "--rm", "--network=none", "--read-only", "--cap-drop=ALL"];
    let command = [&command[..], &["--security-opt=no-new-privileges"]].concat();
    let said = concat!("agent ", env!("CARGO_PKG_VERSION"), " (pinhole)\n");

    let docker = Docker::start().unwrap();
    docker.docker(&["load", "--input", archive]).unwrap();
    let below = format!("--cgroup-parent={}", docker.place().cgroup_root());
    let run = [&command[..], &[&below, &built.reference, "--version"]].concat();
    assert_eq!(docker.docker(&run).unwrap(), said);

    let podman = Podman::start().unwrap();
    podman.podman(&["load", "--input", archive]).unwrap();
    let below = format!("--cgroup-parent={}", podman.place().cgroup_root());
    let added = ["--cap-add=BPF", "--cap-add=PERFMON"];
    let run = [&command[..], &added, &[&below, &built.reference, "--version"]].concat();
    assert_eq!(podman.podman(&run).unwrap(), said);
}

/// As where a tool copied the image without extended attributes.
#[test]
fn without_its_file_capabilities_it_starts_and_says_so() {
    let _turn = Turn::take().unwrap();
    let place = Place::new().unwrap();
    let built = build_in(project(), agent(), place.path(), &[("FILE_CAPABILITIES", "")]).unwrap();
    assert!(Opened::read(&built).entry("agent").attributes.is_empty());
    let lab = Containerd::start().unwrap();
    let image = lab.import(&built).unwrap();
    let pod = Pod::run(&lab, PodSpec::new("pinhole", "pinhole-agent-x7k2p", UID)).unwrap();
    let container = pod.create_as(granted(&pod, "agent", &image, &[], &[])).unwrap();
    container.start().unwrap();
    let code = container.wait_ended().unwrap();
    let said = fs::read_to_string(pod.log_directory().join("agent.log")).unwrap();
    assert_eq!(code, 78, "{said}");
    assert!(said.contains("CAP_BPF") && said.contains("file capabilities"), "{said}");
    pod.remove().unwrap();
}

/// Runs it in a pod of this containerd with what the agent's pod is granted.
fn assert_gets_ready(release: Release) {
    let built = agent_image(agent()).unwrap();
    let lab = Containerd::start_version(release).unwrap();
    let image = lab.import(&built).unwrap();
    let pod = Pod::run(&lab, PodSpec::new("pinhole", "pinhole-agent-x7k2p", UID)).unwrap();

    // The image's own command is `run`.
    let version = pod
        .create_as(granted(&pod, "version", &image, &["--version"], &[]))
        .unwrap();
    version.start().unwrap();
    let code = version.wait_ended().unwrap();
    let said = fs::read_to_string(pod.log_directory().join("version.log")).unwrap();
    assert_eq!(code, 0, "{said}");
    assert!(
        said.trim_end()
            .ends_with(concat!("stdout F agent ", env!("CARGO_PKG_VERSION"), " (pinhole)")),
        "{said}"
    );

    let place = Place::new().unwrap();
    let run = place.subdir("run").unwrap();
    // As the kubelet makes an emptyDir (pkg/volume/emptydir, perm).
    fs::set_permissions(&run, fs::Permissions::from_mode(0o777)).unwrap();
    let socket = lab.socket();
    let directories = [(&*run, "/run/pinhole"), (socket.parent().unwrap(), "/run/containerd")];
    let container = pod
        .create_as(granted(&pod, "agent", &image, &[], &directories))
        .unwrap();
    container.start().unwrap();
    let log = || fs::read_to_string(pod.log_directory().join("agent.log")).unwrap_or_default();
    tool::poll("the agent's readiness", READY, log, || {
        Ok(answers(&run.join("agent.sock")).then_some(()))
    })
    .unwrap();

    // Only the container's first process is in it, by which every thread is found.
    let members = lab.processes_of(&pod.cgroup_of(&container)).unwrap();
    let [pid] = members[..] else { panic!("{members:?}") };
    let mut threads = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        for gone in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert!(
                status.contains(&format!("\n{gone}:\t0000000000000000\n")),
                "{gone}: {status}"
            );
        }
        for kept in [
            "Uid:\t65532\t65532\t65532\t65532",
            "Groups:\t0 65532",
            "NoNewPrivs:\t1",
            "Seccomp:\t2",
        ] {
            assert!(status.contains(&format!("\n{kept}")), "{kept}: {status}");
        }
        threads += 1;
    }
    assert!(threads >= 1);
    pod.remove().unwrap();
}
