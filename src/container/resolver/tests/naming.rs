//! Names of cgroups are anybody's: which of them are believed.

use super::*;
use crate::container::entry::{RETRY_FIRST, RETRY_MOST};

/// A node's runtime with a container `web.app`, and one `db.db` whose processes may make cgroups below their own.
pub(super) fn with_a_suspect(dir: &TempDir) -> (Fake, String, String) {
    let fake = Fake::recorded(&dir.path().join("socket"), FOLDER);
    let victim = fake.container(FOLDER, "web.app");
    fake.sandbox(FOLDER, "web");
    let suspect = fake.container(FOLDER, "db.db");
    fake.sandbox(FOLDER, "db");
    let suspect = format!("/kubepods/pod44444444-aaaa-4bbb-8ccc-000000000004/{suspect}");
    (fake, victim, suspect)
}

/// Names of cgroups are free for whoever may make them: nobody is shown as another container, in whatever order and
/// under whatever name it is tried.
#[test]
fn a_cgroup_named_after_another_container_is_seen_through() {
    for victim_first in [false, true] {
        let dir = TempDir::new().unwrap();
        let (fake, victim, suspect) = with_a_suspect(&dir);
        let mut resolver = resolver(&[fake.socket()]);
        if victim_first {
            assert_eq!(name(&resolver.resolve(99, Some(&path(&victim)))), Some("app"));
        }
        let unknown = "0".repeat(64);
        for (cgroup, imitation) in [
            format!("/cri-containerd-{victim}.scope"),
            format!("/{victim}"),
            format!("/{victim}/init.scope"),
            // The whole path of the other container, made anew below the own one.
            path(&victim),
            format!("/docker/{unknown}{}", path(&victim)),
            format!("/{unknown}/{unknown}/{unknown}/{unknown}/{unknown}/{victim}"),
        ]
        .into_iter()
        .enumerate()
        {
            let outcome = resolver.resolve(cgroup as u64, Some(&format!("{suspect}{imitation}")));
            assert_eq!(name(&outcome), Some("db"), "{imitation}");
            let kubernetes = outcome.kubernetes.as_ref().unwrap();
            assert_eq!(kubernetes.qos, Some(Qos::Guaranteed), "{imitation}");
            assert_eq!(kubernetes.pod.as_ref().unwrap().name.as_deref(), Some("db-0"));
        }
        // Nothing of it sticks to the container that was imitated.
        let outcome = resolver.resolve(100, Some(&path(&victim)));
        assert_eq!(name(&outcome), Some("app"));
        assert_eq!(outcome.kubernetes.as_ref().unwrap().qos, Some(Qos::Burstable));
    }
}

/// A runtime that does not say where a container is (a verbose answer too large to take) does not prove a name.
#[test]
fn a_name_that_cannot_be_checked_does_not_beat_a_known_container() {
    let dir = TempDir::new().unwrap();
    let (fake, victim, suspect) = with_a_suspect(&dir);
    let terse = fixture(FOLDER, "ContainerStatus-terse.web.app.bin");
    fake.on(CONTAINER_STATUS, &victim, Answer::Message(terse));
    let mut resolver = resolver(&[fake.socket()]);
    let outcome = resolver.resolve(1, Some(&format!("{suspect}{}", path(&victim))));
    assert_eq!(name(&outcome), Some("db"));
    // Where nothing speaks against it, it stands.
    let outcome = resolver.resolve(2, Some(&path(&victim)));
    assert_eq!(outcome.container.as_ref().unwrap().name.as_deref(), Some("app"));
}

/// An id that nobody knows sheds no identity: the container around it counts, at once and until the inner is known.
#[test]
fn below_a_known_container_an_unknown_id_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let (fake, _, suspect) = with_a_suspect(&dir);
    let mut resolver = resolver(&[fake.socket()]);
    let nested = format!("{suspect}/docker/{UNKNOWN}");
    let outcome = resolver.resolve(1, Some(&nested));
    assert_eq!(name(&outcome), Some("db"));
    let asked = |id: &str| fake.all_calls().iter().filter(|(_, key)| key == id).count();
    // Once as a container and once as a sandbox: nothing was waited for.
    assert_eq!(asked(UNKNOWN), 2);
    resolver.resolve(1, None);
    assert_eq!(asked(UNKNOWN), 2);
    skip(RETRY_FIRST);
    assert_eq!(name(&resolver.resolve(1, None)), Some("db"));
    assert_eq!(asked(UNKNOWN), 4);
    // Of a path that is not recorded whole, the container may be in the part that is missing.
    let deep = resolver.resolve_aged(2, Some(cut("/a/a/a")), || Duration::ZERO);
    assert_eq!(*deep, Outcome::cgroup_unknown(2));
}

#[test]
fn a_container_elsewhere_is_no_container_here() {
    let dir = TempDir::new().unwrap();
    let (fake, victim, suspect) = with_a_suspect(&dir);
    let mut resolver = resolver(&[fake.socket()]);
    let outcome = resolver.resolve(1, Some(&format!("/system.slice/cri-containerd-{victim}.scope")));
    assert_eq!(missing(&outcome), Some(Reason::CgroupMismatch));
    assert_eq!((&outcome.container, &outcome.kubernetes), (&None, &None));
    let deep = format!("{}{}", "/a".repeat(9), path(&victim));
    let outcome = resolver.resolve_aged(2, Some(cut(&deep)), || Duration::ZERO);
    assert_eq!(missing(&outcome), Some(Reason::CgroupUnknown));
    assert_eq!(outcome.container, None);
    // The container around cannot be asked for: then nobody knows.
    let outer = suspect.rsplit('/').next().unwrap();
    fake.on(CONTAINER_STATUS, outer, Answer::Status(Code::Internal, "not now"));
    let imitation = format!("{suspect}{}", path(&victim));
    let outcome = resolver.resolve(3, Some(&imitation));
    assert_eq!(missing(&outcome), Some(Reason::RuntimeError));
    assert_eq!(outcome.container, None);
    fake.container(FOLDER, "db.db");
    skip(RETRY_FIRST);
    assert_eq!(name(&resolver.resolve(3, None)), Some("db"));
}

/// A node that runs in a container: its runtime knows the pods' containers and not the node's.
#[test]
fn a_nested_node_is_no_imitation() {
    let dir = TempDir::new().unwrap();
    let (fake, inner, _) = with_a_suspect(&dir);
    let mut resolver = resolver(&[fake.socket()]);
    let outcome = resolver.resolve(1, Some(&format!("/docker/{UNKNOWN}{}", path(&inner))));
    assert_eq!(name(&outcome), Some("app"));
    assert_eq!(outcome.kubernetes.as_ref().unwrap().qos, Some(Qos::Burstable));
    let calls = fake.all_calls().len();
    skip(10 * RETRY_MOST);
    resolver.resolve(1, None);
    assert_eq!(fake.all_calls().len(), calls, "complete is for good");
    // Its own processes belong to the outer container, which only the host's runtime knows.
    let outcome = resolver.resolve(2, Some(&format!("/docker/{UNKNOWN}/system.slice/kubelet.service")));
    assert_eq!(missing(&outcome), Some(Reason::ContainerUnknown));
    assert_eq!(outcome.container.as_ref().unwrap().id, UNKNOWN);
    // Once unknown to this runtime it stays so, though it cannot be asked just now.
    fake.on(CONTAINER_STATUS, UNKNOWN, Answer::Status(Code::Internal, "not now"));
    skip(10 * RETRY_MOST);
    let outcome = resolver.resolve(3, Some(&format!("/docker/{UNKNOWN}{}/init.scope", path(&inner))));
    assert_eq!(name(&outcome), Some("app"));
}

#[test]
fn an_unreadable_name_is_told_apart_from_a_long_one() {
    let mut resolver = resolver(&[]);
    let unreadable = CgroupName {
        unreadable: true,
        ..cut("/")
    };
    let outcome = resolver.resolve_aged(3, Some(unreadable), || Duration::ZERO);
    assert_eq!(outcome.metadata.reason, Some(Reason::CgroupUnreadable));
    assert_eq!(outcome.metadata.cgroup_id, Some(3));
    let unknown = resolver.resolve_aged(4, Some(cut("/")), || Duration::ZERO);
    assert_eq!(unknown.metadata.reason, Some(Reason::CgroupUnknown));
    let host = resolver.resolve(5, Some("/"));
    assert_eq!(host.metadata.cgroup_id, None);
}
