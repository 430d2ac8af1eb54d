//! Bundles as runtimes wrote them: recorded ones of Docker and podman, and the specifications that containerd and CRI-O told
//! with their verbose answers, which are what they write into the bundle.

use std::os::unix::fs::{PermissionsExt, symlink};

use k8s_cri::v1;
use prost::Message;

use super::*;
use crate::config::settings::Settings;
use crate::container::outcome::{Qos, Reason, Source};
use crate::container::testing::fixture;
use crate::container::verbose::INFO;

const UID: &str = "11111111-2222-3333-4444-555555555555";

/// Where a runtime keeps its bundles, in a directory of the test.
struct Place {
    root: tempfile::TempDir,
    directory: PathBuf,
    storage: bool,
}

impl Place {
    fn containerd(namespace: &str) -> Self {
        Self::at(&format!("{TASKS}/{namespace}"), false)
    }

    fn storage() -> Self {
        Self::at("overlay-containers", true)
    }

    fn at(path: &str, storage: bool) -> Self {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join(path);
        fs::create_dir_all(&directory).unwrap();
        Self {
            root,
            directory,
            storage,
        }
    }

    fn file(&self, id: &str) -> PathBuf {
        let bundle = self.directory.join(id);
        let bundle = if self.storage { bundle.join("userdata") } else { bundle };
        fs::create_dir_all(&bundle).unwrap();
        bundle.join("config.json")
    }

    fn write(&self, id: &str, spec: &[u8]) {
        fs::write(self.file(id), spec).unwrap();
    }

    fn bundles(&self) -> Bundles {
        let (bundles, errors) = Bundles::try_open(std::slice::from_ref(&self.directory));
        assert!(errors.is_empty(), "{errors:?}");
        bundles
    }

    fn found(&self, id: &str) -> Found {
        let mut found = self.bundles().lookup(id).unwrap().expect(id);
        bounds::bound(&mut found, &wanted());
        found
    }
}

/// What the defaults keep of an answer.
fn wanted() -> Selection {
    Selection::new(&Settings::default().metadata)
}

fn spec_of(info: &str) -> Vec<u8> {
    let info: serde_json::Value = serde_json::from_str(info).unwrap();
    serde_json::to_vec(&info["runtimeSpec"]).unwrap()
}

fn container(folder: &str, name: &str) -> (String, Vec<u8>) {
    let bytes = fixture(folder, &format!("ContainerStatus.{name}.bin"));
    let answer = v1::ContainerStatusResponse::decode(bytes.as_slice()).unwrap();
    (answer.status.unwrap().id, spec_of(&answer.info[INFO]))
}

fn sandbox(folder: &str, name: &str) -> (String, Vec<u8>) {
    let bytes = fixture(folder, &format!("PodSandboxStatus.{name}.bin"));
    let answer = v1::PodSandboxStatusResponse::decode(bytes.as_slice()).unwrap();
    (answer.status.unwrap().id, spec_of(&answer.info[INFO]))
}

#[test]
fn containers_of_both_kubernetes_runtimes() {
    for (folder, place, runtime) in [
        ("containerd-2.1.9", Place::containerd("k8s.io"), "containerd"),
        ("cri-o-1.36.3", Place::storage(), "cri-o"),
    ] {
        let (id, spec) = container(folder, "web.app");
        assert!(String::from_utf8_lossy(&spec).contains("not-a-real-password"));
        place.write(&id, &spec);
        let found = place.found(&id);
        assert!(!format!("{found:?}").contains("not-a-real-password"));
        assert_eq!(found.source, Source::Bundle);
        assert_eq!(found.container.id, id);
        assert_eq!(found.container.name.as_deref(), Some("app"));
        assert_eq!(found.container.runtime.as_deref(), Some(runtime));
        assert_eq!(found.container.sandbox, Some(false));
        assert_eq!(found.container.pod_sandbox_id.as_ref().map(String::len), Some(64));
        let image = found.container.image.unwrap();
        assert_eq!(image.reference.as_deref(), Some("registry.example/shop/web:2.7.1"));
        let kubernetes = found.kubernetes.unwrap();
        assert_eq!(kubernetes.namespace.as_deref(), Some("shop"));
        assert_eq!(kubernetes.container.as_deref(), Some("app"));
        assert_eq!(kubernetes.qos, Some(Qos::Burstable));
        let pod = kubernetes.pod.unwrap();
        assert_eq!((pod.name.as_deref(), pod.uid.as_deref()), (Some("web"), Some(UID)));
        assert!(found.cgroups_path.unwrap().contains(&id));
    }
}

#[test]
fn crios_sandbox_tells_the_pods_labels() {
    let place = Place::storage();
    let (id, spec) = container("cri-o-1.36.3", "web.app");
    let (sandbox, of_sandbox) = sandbox("cri-o-1.36.3", "web");
    place.write(&id, &spec);
    place.write(&sandbox, &of_sandbox);
    for id in [&id, &sandbox] {
        let found = place.found(id);
        assert_eq!(found.container.pod_sandbox_id.as_ref(), Some(&sandbox));
        let pod = found.kubernetes.unwrap().pod.unwrap();
        let labels: Vec<_> = pod
            .labels
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        // Annotations, which stand beside the labels in the bundle, are none.
        assert_eq!(labels, [("app", "web"), ("tier", "front")]);
    }
    assert_eq!(place.found(&sandbox).container.sandbox, Some(true));
}

#[test]
fn kubernetes_is_believed_in_its_own_namespace_only() {
    let place = Place::containerd("default");
    let (id, spec) = container("containerd-2.1.9", "web.app");
    place.write(&id, &spec);
    let found = place.found(&id);
    assert_eq!((found.container.name, found.kubernetes), (None, None));
    assert_eq!(found.container.runtime_namespace.as_deref(), Some("default"));
}

#[test]
fn docker_and_podman_tell_where_a_container_is() {
    for (folder, place, runtime) in [
        ("docker-20.10.24", Place::containerd("moby"), "containerd"),
        ("podman-4.3.1", Place::storage(), "podman"),
    ] {
        let ids: BTreeMap<String, String> = serde_json::from_slice(&fixture(folder, "ids.json")).unwrap();
        let id = &ids["web"];
        place.write(id, &fixture(folder, "bundle.web.json"));
        let found = place.found(id);
        assert_eq!(found.container.runtime.as_deref(), Some(runtime));
        assert!(found.cgroups_path.as_ref().unwrap().ends_with(id.as_str()), "{found:?}");
        assert_eq!((&found.container.name, &found.kubernetes), (&None, &None));
        assert!(!format!("{found:?}").contains("not-a-real-password"));
    }
}

#[test]
fn what_no_runtime_told_keeps_its_reason() {
    let place = Place::containerd("k8s.io");
    let (id, spec) = container("containerd-2.1.9", "web.app");
    place.write(&id, &spec);
    let bundles = place.bundles();
    let found = bundles.found(&id, Reason::SocketPermission, &wanted()).unwrap();
    assert_eq!(found.gap, Some(Reason::SocketPermission));
    assert_eq!(
        bundles.found(&"0".repeat(64), Reason::SocketPermission, &wanted()),
        Err(Reason::SocketPermission)
    );
    place.write(&id, b"{");
    assert_eq!(
        bundles.found(&id, Reason::SocketPermission, &wanted()),
        Err(Reason::SocketPermission)
    );
    assert_eq!(
        Bundles::default().found(&id, Reason::NoRuntimeSocket, &wanted()),
        Err(Reason::NoRuntimeSocket)
    );
}

#[test]
fn namespaces_are_found_when_the_directory_is_opened() {
    let place = Place::containerd("k8s.io");
    let id = "a".repeat(64);
    place.write(&id, b"{}");
    let (bundles, errors) = Bundles::try_open(&[place.root.path().join(TASKS), place.root.path().join("absent")]);
    assert!(matches!(errors.as_slice(), [Error::Directory { .. }]), "{errors:?}");
    assert!(bundles.lookup(&id).unwrap().is_some());
}

#[test]
fn nothing_leads_out_and_nothing_is_too_large() {
    let id = "a".repeat(64);
    let secret = Place::containerd("elsewhere");
    secret.write(&id, b"{}");
    // The bundle is a link, and the file in it is.
    let place = Place::containerd("k8s.io");
    symlink(secret.directory.join(&id), place.directory.join(&id)).unwrap();
    assert!(matches!(place.bundles().lookup(&id), Err(Error::Read { .. })));
    let place = Place::containerd("k8s.io");
    symlink(secret.file(&id), place.file(&id)).unwrap();
    assert!(matches!(place.bundles().lookup(&id), Err(Error::Read { .. })));
    // A FIFO does not hold anything up.
    let place = Place::containerd("k8s.io");
    nix::unistd::mkfifo(&place.file(&id), nix::sys::stat::Mode::S_IRUSR).unwrap();
    assert!(matches!(place.bundles().lookup(&id), Err(Error::Unusable { .. })));
    let place = Place::containerd("k8s.io");
    let limit = usize::try_from(SPEC_LIMIT).unwrap();
    let mut spec = b"{}".to_vec();
    spec.resize(limit, b' ');
    place.write(&id, &spec);
    assert!(place.bundles().lookup(&id).unwrap().is_some());
    spec.push(b' ');
    place.write(&id, &spec);
    assert!(matches!(place.bundles().lookup(&id), Err(Error::TooLarge { .. })));
    place.write(&id, br#"{"annotations":{"a":["not-a-real-password"]}}"#);
    let error = place.bundles().lookup(&id).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("password"));
    for id in ["", "..", "../k8s.io", &"A".repeat(64), &"a".repeat(63)] {
        assert!(place.bundles().lookup(id).unwrap().is_none(), "{id}");
    }
    if !nix::unistd::geteuid().is_root() {
        fs::set_permissions(place.directory.join(&id), fs::Permissions::from_mode(0o0)).unwrap();
        assert!(matches!(place.bundles().lookup(&id), Err(Error::Read { .. })));
    }
}
