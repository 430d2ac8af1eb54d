//! Whether a process may be in the container whose id its cgroup's name bears: the kernel's path against the runtime's.
//!
//! Whoever may make cgroups below its own (a privileged container, Docker in a pod) chooses their names, so a name alone
//! proves nothing. The OCI specification's `linux.cgroupsPath` says where the runtime put the container; it comes in two
//! forms, and a runtime that itself runs in a container writes it relative to that. Pure.

/// How the two paths agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// The same path from the root: nobody else can have made this cgroup.
    Exact,
    /// The same path below something: a nested node, a delegated subtree, or an imitation by somebody out there.
    Below,
    /// The runtime does not say where the container is.
    Unknown,
    /// The container is somewhere else.
    Elsewhere,
}

/// Compares `cgroup`, the kernel's path up to and with the level that bears the id, with the runtime's `cgroupsPath`.
pub(crate) fn fit(cgroup: &str, runtimes: Option<&str>) -> Fit {
    let Some(runtimes) = runtimes else {
        return Fit::Unknown;
    };
    let mut levels = segments(cgroup);
    if let Some((slice, prefix, name)) = systemd(runtimes) {
        let Some(leaf) = levels.next_back() else {
            return Fit::Elsewhere;
        };
        // Told in systemd's form to a runtime that makes plain directories: it takes the whole for a directory's name.
        if leaf == runtimes {
            return Fit::Below;
        }
        let scope = leaf.strip_suffix(".scope").and_then(|stem| stem.strip_suffix(name));
        let lead = scope.map(|lead| lead.strip_suffix('-').unwrap_or(lead));
        if lead != Some(prefix) {
            return Fit::Elsewhere;
        }
        return ends_with(levels, slices(slice));
    }
    let mut expected = segments(runtimes).peekable();
    if expected.peek().is_none() {
        return Fit::Unknown;
    }
    ends_with(levels, expected)
}

/// `slice:prefix:name`.
fn systemd(path: &str) -> Option<(&str, &str, &str)> {
    let mut parts = path.split(':');
    let found = (parts.next()?, parts.next()?, parts.next()?);
    (parts.next().is_none() && !path.contains('/') && !found.2.is_empty()).then_some(found)
}

fn ends_with<'a, S: AsRef<str>>(
    mut levels: impl DoubleEndedIterator<Item = &'a str>,
    expected: impl DoubleEndedIterator<Item = S>,
) -> Fit {
    for wanted in expected.rev() {
        if levels.next_back() != Some(wanted.as_ref()) {
            return Fit::Elsewhere;
        }
    }
    match levels.next_back() {
        None => Fit::Exact,
        Some(_) => Fit::Below,
    }
}

fn segments(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

/// A slice's path, outermost first: `a-b.slice` lies in `a.slice`. The root is `-.slice`; none is left to the runtime.
fn slices(slice: &str) -> impl DoubleEndedIterator<Item = String> {
    let stem = slice.strip_suffix(".slice").unwrap_or(slice);
    let stem = if stem == "-" { "" } else { stem };
    let dashes = stem.match_indices('-').map(|(at, _)| at);
    let ends: Vec<usize> = dashes.chain((!stem.is_empty()).then_some(stem.len())).collect();
    ends.into_iter().map(|end| format!("{}.slice", &stem[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "6b184b65683ad61531227008c0ec88141aba1fceac787ba12f36518ce24486fd";
    const OTHER: &str = "b65fe2a99199800ca46632f7aca72139d48178f956b4032ed0c07b7c771e664a";

    fn judge(cgroup: &str, runtimes: &str) -> Fit {
        let fill = |text: &str| text.replace("<id>", ID).replace("<other>", OTHER);
        fit(&fill(cgroup), Some(&fill(runtimes)))
    }

    #[test]
    fn both_forms_of_every_driver() {
        let burstable = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice";
        for (cgroup, runtimes, fit) in [
            // systemd
            (
                format!("{burstable}/cri-containerd-<id>.scope"),
                "kubepods-burstable-pod1_2.slice:cri-containerd:<id>",
                Fit::Exact,
            ),
            (
                format!("{burstable}/crio-<id>.scope"),
                "kubepods-burstable-pod1_2.slice:crio:<id>",
                Fit::Exact,
            ),
            (
                format!("/docker/<other>{burstable}/crio-<id>.scope"),
                "kubepods-burstable-pod1_2.slice:crio:<id>",
                Fit::Below,
            ),
            (
                "/system.slice/docker-<id>.scope".into(),
                "system.slice:docker:<id>",
                Fit::Exact,
            ),
            ("/docker-<id>.scope".into(), "-.slice:docker:<id>", Fit::Exact),
            ("/system.slice/<id>.scope".into(), "system.slice::<id>", Fit::Exact),
            ("/machine.slice/libpod-<id>.scope".into(), ":libpod:<id>", Fit::Below),
            (
                format!("{burstable}/cri-containerd-<other>.scope/cri-containerd-<id>.scope"),
                "kubepods-burstable-pod1_2.slice:cri-containerd:<id>",
                Fit::Elsewhere,
            ),
            (
                "/kubepods.slice/kubepods-pod3.slice/cri-containerd-<id>.scope".into(),
                "kubepods-burstable-pod1_2.slice:cri-containerd:<id>",
                Fit::Elsewhere,
            ),
            (
                format!("{burstable}/crio-<id>.scope"),
                "kubepods-burstable-pod1_2.slice:cri-containerd:<id>",
                Fit::Elsewhere,
            ),
            (
                "/cri-containerd-<id>.scope".into(),
                "kubepods-burstable-pod1_2.slice:cri-containerd:<id>",
                Fit::Elsewhere,
            ),
            // The kubelet says systemd, the runtime makes directories.
            (
                "/system.slice/containerd.service/kubepods-burstable-pod1_2.slice:cri-containerd:<id>".into(),
                "kubepods-burstable-pod1_2.slice:cri-containerd:<id>",
                Fit::Below,
            ),
            // cgroupfs
            (
                "/kubepods/burstable/pod1-2/<id>".into(),
                "/kubepods/burstable/pod1-2/<id>",
                Fit::Exact,
            ),
            (
                "/kubepods/burstable/pod1-2/crio-<id>".into(),
                "kubepods/burstable/pod1-2/crio-<id>",
                Fit::Exact,
            ),
            (
                "/docker/<other>/kubelet/kubepods/pod1-2/<id>".into(),
                "/kubelet/kubepods/pod1-2/<id>",
                Fit::Below,
            ),
            ("/docker/<id>".into(), "/docker/<id>", Fit::Exact),
            (
                "/kubepods/burstable/pod3-4/<other>/<id>".into(),
                "/kubepods/burstable/pod1-2/<id>",
                Fit::Elsewhere,
            ),
            ("/pod1-2/<id>".into(), "/kubepods/burstable/pod1-2/<id>", Fit::Elsewhere),
            // Nothing that could be compared.
            ("/docker/<id>".into(), "", Fit::Unknown),
            ("/docker/<id>".into(), "/", Fit::Unknown),
        ] {
            assert_eq!(judge(&cgroup, runtimes), fit, "{cgroup} against {runtimes}");
        }
        assert_eq!(super::fit("/docker/x", None), Fit::Unknown);
    }

    #[test]
    fn slices_lie_in_each_other() {
        let path = |slice: &str| slices(slice).collect::<Vec<_>>().join("/");
        assert_eq!(path("a-b-c.slice"), "a.slice/a-b.slice/a-b-c.slice");
        assert_eq!(path("system.slice"), "system.slice");
        assert_eq!((path("-.slice"), path("")), (String::new(), String::new()));
    }

    proptest::proptest! {
        #[test]
        fn never_panics(cgroup in "[/:.a-c-]{0,60}", runtimes in "[/:.a-c-]{0,60}|\\PC{0,40}") {
            let _ = fit(&cgroup, Some(&runtimes));
        }
    }
}
