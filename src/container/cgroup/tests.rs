use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;

use super::*;

const ID: &str = "6b184b65683ad61531227008c0ec88141aba1fceac787ba12f36518ce24486fd";
const OUTER: &str = "b65fe2a99199800ca46632f7aca72139d48178f956b4032ed0c07b7c771e664a";
const UID: &str = "11111111-2222-3333-4444-555555555555";
const UID_: &str = "11111111_2222_3333_4444_555555555555";
const STATIC: &str = "5f0a1c9be2d34c6f8a7b6c5d4e3f2a10";

type Row = (
    &'static str,
    Option<&'static str>,
    Option<Manager>,
    Option<&'static str>,
    Option<Qos>,
);

/// Every layout that the runtimes and cgroup drivers are known to make; `<id>` and so on are filled in below.
#[test]
fn reads_every_known_layout() {
    use Manager::{Containerd, Crio, Docker, Podman};
    use Qos::{BestEffort, Burstable, Guaranteed};
    const NONE: Option<&str> = None;
    let rows: &[Row] = &[
        (
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<uid_>.slice/cri-containerd-<id>.scope",
            Some(ID),
            Some(Containerd),
            Some(UID),
            Some(Burstable),
        ),
        (
            "/kubepods.slice/kubepods-pod<uid_>.slice/cri-containerd-<id>.scope",
            Some(ID),
            Some(Containerd),
            Some(UID),
            Some(Guaranteed),
        ),
        (
            "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod<static>.slice/crio-<id>.scope",
            Some(ID),
            Some(Crio),
            Some(STATIC),
            Some(BestEffort),
        ),
        (
            "/kubepods/burstable/pod<uid>/<id>",
            Some(ID),
            None,
            Some(UID),
            Some(Burstable),
        ),
        (
            "/kubepods/besteffort/pod<uid>/<id>",
            Some(ID),
            None,
            Some(UID),
            Some(BestEffort),
        ),
        (
            "/kubepods/pod<static>/<id>",
            Some(ID),
            None,
            Some(STATIC),
            Some(Guaranteed),
        ),
        (
            "/kubepods/burstable/pod<uid>/crio-<id>",
            Some(ID),
            Some(Crio),
            Some(UID),
            Some(Burstable),
        ),
        (
            "/system.slice/containerd.service/kubepods-burstable-pod<uid_>.slice:cri-containerd:<id>",
            Some(ID),
            Some(Containerd),
            Some(UID),
            Some(Burstable),
        ),
        (
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<uid_>.slice/crio-<id>.scope/container",
            Some(ID),
            Some(Crio),
            Some(UID),
            Some(Burstable),
        ),
        (
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<uid_>.slice/crio-<id>.scope",
            Some(ID),
            Some(Crio),
            Some(UID),
            Some(Burstable),
        ),
        (
            "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod<uid_>.slice/cri-containerd-<id>.scope",
            Some(ID),
            Some(Containerd),
            Some(UID),
            Some(BestEffort),
        ),
        // Monitors are host processes, wherever they sit.
        (
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<uid_>.slice/crio-conmon-<id>.scope",
            NONE,
            None,
            Some(UID),
            Some(Burstable),
        ),
        ("/system.slice/crio-conmon-<id>.scope", NONE, None, None, None),
        (
            "/kubepods/burstable/pod<uid>/crio-conmon-<id>",
            NONE,
            None,
            Some(UID),
            Some(Burstable),
        ),
        ("/machine.slice/libpod-conmon-<id>.scope", NONE, None, None, None),
        // … unless a whole node runs inside a container.
        (
            "/system.slice/docker-<outer>.scope/system.slice/crio-conmon-<id>.scope",
            Some(OUTER),
            Some(Docker),
            None,
            None,
        ),
        ("/system.slice/docker-<id>.scope", Some(ID), Some(Docker), None, None),
        ("/docker/<id>", Some(ID), Some(Docker), None, None),
        (
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<uid_>.slice/docker-<id>.scope",
            Some(ID),
            Some(Docker),
            Some(UID),
            Some(Burstable),
        ),
        (
            "/machine.slice/libpod-<id>.scope/container",
            Some(ID),
            Some(Podman),
            None,
            None,
        ),
        (
            "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-<id>.scope/container",
            Some(ID),
            Some(Podman),
            None,
            None,
        ),
        (
            "/system.slice/web.service/libpod-payload-<id>",
            Some(ID),
            Some(Podman),
            None,
            None,
        ),
        ("/libpod_parent/libpod-<id>", Some(ID), Some(Podman), None, None),
        ("/libpod_parent/<id>", Some(ID), Some(Podman), None, None),
        ("/system.slice/<id>.service", NONE, None, None, None),
        (
            "/system.slice/nerdctl-<id>.scope",
            Some(ID),
            Some(Containerd),
            None,
            None,
        ),
        ("/default/<id>", Some(ID), None, None, None),
        ("/default/web", NONE, None, None, None),
        // Nested: the innermost container, in the innermost pod around it.
        (
            "/system.slice/docker-<outer>.scope/kubelet.slice/kubelet-kubepods.slice/\
             kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod<uid_>.slice/cri-containerd-<id>.scope",
            Some(ID),
            Some(Containerd),
            Some(UID),
            Some(Burstable),
        ),
        (
            "/system.slice/docker-<outer>.scope/kubepods/besteffort/pod<uid>/<id>",
            Some(ID),
            None,
            Some(UID),
            Some(BestEffort),
        ),
        (
            "/kubepods/burstable/pod<uid>/<outer>/docker/<id>",
            Some(ID),
            Some(Docker),
            Some(UID),
            Some(Burstable),
        ),
        // systemd inside a container.
        (
            "/kubepods.slice/kubepods-pod<uid_>.slice/cri-containerd-<id>.scope/init.scope",
            Some(ID),
            Some(Containerd),
            Some(UID),
            Some(Guaranteed),
        ),
        (
            "/kubepods.slice/kubepods-pod<uid_>.slice/cri-containerd-<id>.scope/system.slice/x.service",
            Some(ID),
            Some(Containerd),
            Some(UID),
            Some(Guaranteed),
        ),
        // A pod level inside a container that holds no container of its own says nothing about the one around it.
        (
            "/docker/<outer>/kubepods/burstable/pod<uid>",
            Some(OUTER),
            Some(Docker),
            None,
            None,
        ),
        // Seen from a private cgroup namespace.
        (
            "/../../kubepods-pod<uid_>.slice/cri-containerd-<id>.scope",
            Some(ID),
            Some(Containerd),
            Some(UID),
            Some(Guaranteed),
        ),
        ("/actions_job/<id>", Some(ID), None, None, None),
        ("/docker/<id>/syscont-cgroup-root", Some(ID), Some(Docker), None, None),
        // Ids of other forms are not guessed.
        ("/garden/<uid>", NONE, None, None, None),
        ("/", NONE, None, None, None),
        ("", NONE, None, None, None),
        ("/system.slice/containerd.service", NONE, None, None, None),
        ("/user.slice/user-0.slice/session-1.scope", NONE, None, None, None),
        ("/kubepods.slice/kubepods-burstable.slice", NONE, None, None, None),
    ];
    for (layout, id, manager, uid, qos) in rows {
        let path = layout
            .replace("<id>", ID)
            .replace("<outer>", OUTER)
            .replace("<uid_>", UID_)
            .replace("<uid>", UID)
            .replace("<static>", STATIC);
        let expected = CgroupIdentity {
            container_id: id.map(str::to_owned),
            manager: *manager,
            pod_uid: uid.map(str::to_owned),
            qos: *qos,
        };
        assert_eq!(identify(&path), expected, "{path}");
    }
}

#[test]
fn an_id_is_sixty_four_lowercase_digits_exactly() {
    assert!(is_container_id(ID));
    for wrong in [
        &ID[..63],
        &format!("{ID}0"),
        &ID.to_uppercase(),
        &ID.replace('6', "g"),
        "",
    ] {
        assert!(!is_container_id(wrong), "{wrong}");
        assert_eq!(identify(&format!("/kubepods/{wrong}")).container_id, None, "{wrong}");
    }
}

/// Every recorded `/proc/<pid>/cgroup`, against the ids that the runtime itself reported for that process.
#[test]
fn agrees_with_the_recorded_runtimes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cri");
    let mut checked = BTreeMap::<String, usize>::new();
    for folder in std::fs::read_dir(&root)
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| entry.path().is_dir())
    {
        let runtime = folder.file_name().into_string().unwrap();
        let ids: serde_json::Value =
            serde_json::from_slice(&std::fs::read(folder.path().join("ids.json")).unwrap()).unwrap();
        for file in std::fs::read_dir(folder.path()).unwrap().map(Result::unwrap) {
            let name = file.file_name().into_string().unwrap();
            let Some(subject) = name
                .strip_prefix("proc-cgroup.")
                .and_then(|rest| rest.strip_suffix(".txt"))
            else {
                continue;
            };
            let (pod, container) = subject.split_once('.').unwrap();
            let monitor = container.contains(".parent-");
            let expected = if monitor {
                None
            } else if container == "sandbox" {
                ids[pod]["sandbox_id"].as_str()
            } else {
                ids[pod]["containers"][container]["container_id"].as_str()
            };
            assert!(monitor || expected.is_some(), "{runtime}/{name}: not in ids.json");
            let text = std::fs::read_to_string(file.path()).unwrap();
            // On a hybrid machine the v2 line may stay at the root while the v1 lines tell.
            let paths: Vec<_> = text.lines().map(|line| line.splitn(3, ':').nth(2).unwrap()).collect();
            let told = paths.iter().filter(|path| **path != "/");
            assert!(told.clone().count() > 0, "{runtime}/{name}: no path");
            for path in told {
                let identity = identify(path);
                assert_eq!(identity.container_id.as_deref(), expected, "{runtime}/{name}: {path}");
                assert_eq!(
                    identity.pod_uid.is_some(),
                    expected.is_some(),
                    "{runtime}/{name}: {path}"
                );
                *checked.entry(runtime.clone()).or_default() += 1;
            }
        }
    }
    assert!(checked.len() >= 10, "too few runtimes in the fixtures: {checked:?}");
}

fn id() -> impl Strategy<Value = String> {
    "[0-9a-f]{64}"
}

fn uid() -> impl Strategy<Value = String> {
    "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32}"
}

/// What a container's cgroup is called, and in what.
#[derive(Debug, Clone)]
enum Leaf {
    /// `<slice of the pod>/<prefix>-<id>.scope`
    Scope(&'static str, Manager),
    /// `<directory of the pod>/<prefix><id>`
    Directory(&'static str, Option<Manager>),
    /// `<any parent>/<slice of the pod>:<prefix>:<id>`
    Mismatch(&'static str, Manager),
}

/// A container, and what it must be read as.
#[derive(Debug, Clone)]
struct Made {
    path: String,
    identity: CgroupIdentity,
}

fn parent() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "",
        "/kubelet",
        "/kubelet.slice",
        "/system.slice/k3s.service",
        "/a.slice/a-b.slice/a-b-c.slice",
        "/machine/qemu-1-x",
        "/../..",
    ])
}

fn leaf() -> impl Strategy<Value = Leaf> {
    prop::sample::select(vec![
        Leaf::Scope("cri-containerd", Manager::Containerd),
        Leaf::Scope("crio", Manager::Crio),
        Leaf::Scope("docker", Manager::Docker),
        Leaf::Directory("", None),
        Leaf::Directory("crio-", Some(Manager::Crio)),
        Leaf::Mismatch("cri-containerd", Manager::Containerd),
        Leaf::Mismatch("crio", Manager::Crio),
    ])
}

prop_compose! {
    fn in_pod()(
        parent in parent(),
        root in prop::sample::select(vec!["kubepods", "kubelet-kubepods"]),
        qos in prop::sample::select(vec![Qos::Guaranteed, Qos::Burstable, Qos::BestEffort]),
        uid in uid(),
        leaf in leaf(),
        id in id(),
    ) -> Made {
        let class = match qos {
            Qos::Guaranteed => None,
            Qos::Burstable => Some("burstable"),
            Qos::BestEffort => Some("besteffort"),
        };
        let stem = class.map_or_else(|| root.to_owned(), |class| format!("{root}-{class}"));
        let slice = format!("{stem}-pod{}.slice", uid.replace('-', "_"));
        let above = class.map_or_else(String::new, |_| format!("/{stem}.slice"));
        let (path, manager) = match leaf {
            Leaf::Scope(prefix, manager) => {
                (format!("{parent}/{root}.slice{above}/{slice}/{prefix}-{id}.scope"), Some(manager))
            }
            Leaf::Directory(prefix, manager) => {
                let class = class.map_or_else(String::new, |class| format!("/{class}"));
                (format!("{parent}/{root}{class}/pod{uid}/{prefix}{id}"), manager)
            }
            Leaf::Mismatch(prefix, manager) => (format!("{parent}/{slice}:{prefix}:{id}"), Some(manager)),
        };
        let identity = CgroupIdentity { container_id: Some(id), manager, pod_uid: Some(uid), qos: Some(qos) };
        Made { path, identity }
    }
}

prop_compose! {
    fn alone()(
        (before, after, manager) in prop::sample::select(vec![
            ("/system.slice/docker-", ".scope", Some(Manager::Docker)),
            ("/docker/", "", Some(Manager::Docker)),
            ("/system.slice/nerdctl-", ".scope", Some(Manager::Containerd)),
            ("/default/", "", None),
            ("/machine.slice/libpod-", ".scope", Some(Manager::Podman)),
            ("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-", ".scope", Some(Manager::Podman)),
            ("/system.slice/web.service/libpod-payload-", "", Some(Manager::Podman)),
            ("/libpod_parent/libpod-", "", Some(Manager::Podman)),
            ("/actions_job/", "", None),
        ]),
        id in id(),
    ) -> Made {
        let path = format!("{before}{id}{after}");
        Made { path, identity: CgroupIdentity { container_id: Some(id), manager, pod_uid: None, qos: None } }
    }
}

proptest! {
    #[test]
    fn never_panics(path in "\\PC{0,300}") {
        let _ = identify(&path);
    }

    #[test]
    fn never_panics_on_near_misses(path in "[/:._0-9a-fpodslicerun-]{0,300}") {
        let _ = identify(&path);
    }

    /// Parents, pods, leaves, what lies below, and one in another: what it was made of is read back, no more, no less.
    #[test]
    fn gives_back_what_a_path_was_made_of(
        outer in proptest::option::of((prop_oneof![in_pod(), alone()], prop::sample::select(vec!["", "/init.scope"]))),
        inner in prop_oneof![in_pod(), alone()],
        below in prop::sample::select(vec!["", "/container", "/init.scope", "/system.slice/x.service", "/a/b/c"]),
    ) {
        let around = outer.as_ref().map_or_else(String::new, |(outer, between)| format!("{}{between}", outer.path));
        let path = format!("{around}{}{below}", inner.path);
        let mut expected = inner.identity;
        // A container's own pod counts; else that of the container around it.
        if let (None, Some((outer, _))) = (&expected.pod_uid, &outer) {
            expected.pod_uid.clone_from(&outer.identity.pod_uid);
            expected.qos = outer.identity.qos;
        }
        prop_assert_eq!(&identify(&path), &expected, "{}", path);
        let claims = claims(&path, false);
        let mut identities = vec![expected];
        identities.extend(outer.map(|(outer, _)| outer.identity));
        let read: Vec<CgroupIdentity> = claims.containers.iter().map(|claim| claim.identity.clone()).collect();
        prop_assert_eq!(read, identities, "{}", path);
        prop_assert!(path.starts_with(claims.containers[0].cgroup.as_str()));
        prop_assert_eq!(path.len() - claims.containers[0].cgroup.len(), below.len());
    }
}

#[test]
fn every_container_is_named_innermost_first() {
    let path = format!("/system.slice/docker-{OUTER}.scope/kubepods/pod{UID}/{ID}/init.scope");
    let claims = claims(&path, false);
    assert!(!claims.cut);
    let [inner, outer] = claims.containers.as_slice() else {
        panic!("{claims:?}")
    };
    assert_eq!(inner.identity, identify(&path));
    assert_eq!(inner.cgroup, path.strip_suffix("/init.scope").unwrap());
    assert_eq!(outer.identity.container_id.as_deref(), Some(OUTER));
    assert_eq!(outer.identity.manager, Some(Manager::Docker));
    assert_eq!(outer.identity.pod_uid, None);
    assert_eq!(outer.cgroup, format!("/system.slice/docker-{OUTER}.scope"));
    for host in ["", "/", "/system.slice/x.service", &format!("/crio-conmon-{ID}.scope")] {
        assert_eq!(super::claims(host, false), Claims::default(), "{host}");
    }
}

/// However many ids somebody heaps up below a container, the container itself stays among those that are looked at.
#[test]
fn the_outermost_container_cannot_be_buried() {
    let heap: String = (0..8).map(|number| format!("/{number:064x}")).collect();
    let claims = claims(&format!("/kubepods/{OUTER}{heap}"), false);
    assert_eq!(claims.containers.len(), CLAIMS_LIMIT);
    let ids = claims
        .containers
        .iter()
        .map(|claim| claim.identity.container_id.clone().unwrap());
    let expected = [
        format!("{:064x}", 7),
        format!("{:064x}", 6),
        format!("{:064x}", 5),
        OUTER.to_owned(),
    ];
    assert_eq!(ids.collect::<Vec<_>>(), expected);
}
