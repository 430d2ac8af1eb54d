//! Every recorded container of every recorded runtime, against the scenario.

use super::scenario::{CONTAINERS, FOLDERS, Made, Served, files, has, ids, pod_made};
use super::*;
use crate::container::placement::{Fit, fit};

#[test]
fn every_folder_of_the_fixtures_is_in_the_grid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cri");
    let entries = std::fs::read_dir(root).unwrap().map(Result::unwrap);
    let recorded = entries.filter(|entry| entry.path().join("ContainerStatus.web.app.bin").exists());
    let mut recorded: Vec<String> = recorded.map(|entry| entry.file_name().into_string().unwrap()).collect();
    recorded.sort();
    assert_eq!(recorded, FOLDERS.map(|folder| folder.name));
}

fn made(file: &str) -> &'static Made {
    let found = CONTAINERS.iter().find(|made| made.file == file);
    found.unwrap_or_else(|| panic!("{file} is not in the scenario"))
}

#[test]
fn every_recorded_container_is_told_as_it_was_made() {
    let mut checked = 0;
    for folder in FOLDERS {
        let ids = ids(folder);
        for file in files(folder, "ContainerStatus.", ".bin") {
            let case = format!("{} {file}", folder.name);
            let made = made(&file);
            let served = Served::new(folder);
            let id = served.container(&file);
            let sandbox = served.sandbox(made.pod());
            let found = served.ask(&id).unwrap().unwrap();

            let container = &found.container;
            let in_ids = &ids[made.pod()]["containers"][made.in_ids()]["container_id"];
            assert_eq!(Some(container.id.as_str()), in_ids.as_str(), "{case}");
            assert_eq!(container.name.as_deref(), Some(made.name), "{case}");
            assert_eq!(container.runtime.as_deref(), Some(folder.runtime), "{case}");
            assert_eq!(container.restart_count, Some(made.restart_count), "{case}");
            assert_eq!(
                (container.privileged, container.sandbox),
                (Some(false), Some(false)),
                "{case}"
            );
            let in_ids = &ids[made.pod()]["sandbox_id"];
            assert_eq!(container.pod_sandbox_id.as_deref(), in_ids.as_str(), "{case}");
            assert_eq!(container.image, Some(made.image(folder)), "{case}");
            assert!(container.labels.is_empty() && container.mounts.is_empty(), "{case}");

            let pod = pod_made(made.pod());
            let kubernetes = found.kubernetes.as_ref().unwrap();
            assert_eq!(kubernetes.namespace.as_deref(), Some(pod.namespace), "{case}");
            assert_eq!(kubernetes.container.as_deref(), Some(made.name), "{case}");
            assert_eq!(kubernetes.qos, Some(pod.qos), "{case}");
            let told = kubernetes.pod.as_ref().unwrap();
            assert_eq!(told.name.as_deref(), Some(pod.name), "{case}");
            assert_eq!(told.uid.as_deref(), Some(pod.uid), "{case}");
            assert!(told.annotations.is_empty(), "{case}");

            // Not every sandbox was recorded: the container's own labels name its pod all the same.
            let named = container.image.as_ref().unwrap().reference.is_some();
            let expected = match (sandbox.is_some(), named) {
                (false, _) => (Status::Partial, Some(Reason::SandboxUnknown)),
                (true, false) => (Status::Partial, Some(Reason::ImageNameUnknown)),
                (true, true) => (Status::Complete, None),
            };
            assert_eq!(judge(container, Some(kubernetes), found.gap), expected, "{case}");
            if sandbox.is_some() {
                assert_eq!(told.labels, pod.labels(), "{case}");
            }
            checked += 1;
        }
    }
    assert!(checked >= 100, "{checked} containers");
}

#[test]
fn every_recorded_sandbox_is_told_as_it_was_made() {
    let mut checked = 0;
    for folder in FOLDERS {
        let ids = ids(folder);
        for key in files(folder, "PodSandboxStatus.", ".bin") {
            let case = format!("{} {key}", folder.name);
            let served = Served::new(folder);
            let id = served.sandbox(&key).unwrap();
            let found = served.ask(&id).unwrap().unwrap();
            assert_eq!(Some(id.as_str()), ids[&key]["sandbox_id"].as_str(), "{case}");
            let container = &found.container;
            assert_eq!(
                (container.sandbox, container.restart_count),
                (Some(true), None),
                "{case}"
            );
            assert_eq!((&container.image, &container.name), (&None, &None), "{case}");
            let pod = pod_made(&key);
            let kubernetes = found.kubernetes.as_ref().unwrap();
            assert_eq!(kubernetes.namespace.as_deref(), Some(pod.namespace), "{case}");
            let told = kubernetes.pod.as_ref().unwrap();
            assert_eq!(told.name.as_deref(), Some(pod.name), "{case}");
            assert_eq!(told.uid.as_deref(), Some(pod.uid), "{case}");
            assert_eq!(told.labels, pod.labels(), "{case}");
            let verdict = judge(container, Some(kubernetes), found.gap);
            assert_eq!(verdict, (Status::Complete, None), "{case}");
            checked += 1;
        }
    }
    assert!(checked >= 40, "{checked} sandboxes");
}

/// Where the runtime says that it put a container, against where the kernel has its process.
#[test]
fn every_recorded_cgroup_is_where_its_runtime_says() {
    let mut checked = 0;
    for folder in FOLDERS {
        for subject in files(folder, "proc-cgroup.", ".txt") {
            let served = Served::new(folder);
            let id = match subject.split_once('.').unwrap() {
                (_, parent) if parent.contains(".parent-") => continue,
                (pod, "sandbox") => served.sandbox(pod),
                _ if has(folder, &format!("ContainerStatus.{subject}.bin")) => Some(served.container(&subject)),
                _ => None,
            };
            // Of some the cgroup was recorded only.
            let Some(id) = id else { continue };
            let found = served.ask(&id).unwrap().unwrap();
            let text = String::from_utf8(fixture(folder.name, &format!("proc-cgroup.{subject}.txt"))).unwrap();
            let paths = text.lines().map(|line| line.splitn(3, ':').nth(2).unwrap());
            for path in paths.filter(|path| *path != "/") {
                let case = format!("{} {subject}: {path}", folder.name);
                let claims = cgroup::claims(path, false);
                let [claim] = claims.containers.as_slice() else {
                    panic!("{case}: {claims:?}")
                };
                let expected = if folder.name.ends_with("driver-mismatch") {
                    Fit::Below
                } else {
                    Fit::Exact
                };
                assert_eq!(fit(&claim.cgroup, found.cgroups_path.as_deref()), expected, "{case}");
                checked += 1;
            }
        }
    }
    assert!(checked >= 300, "{checked} paths");
}
