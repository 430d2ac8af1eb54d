//! Which capabilities a container is granted: the runtime's own set, with what the manifest adds and drops.

use caps::Capability;

use crate::privilege::Capabilities;

/// What containerd grants where nothing is said (`pkg/oci/spec.go`, `defaultUnixCaps`; since 1.0). CRI-O grants nine of
/// these (`default_capabilities`: no MKNOD, NET_RAW, AUDIT_WRITE, SETFCAP and SYS_CHROOT). A manifest does not say on which
/// runtime it will run, so the larger set counts.
pub const RUNTIME_DEFAULT: [Capability; 14] = [
    Capability::CAP_CHOWN,
    Capability::CAP_DAC_OVERRIDE,
    Capability::CAP_FSETID,
    Capability::CAP_FOWNER,
    Capability::CAP_MKNOD,
    Capability::CAP_NET_RAW,
    Capability::CAP_SETGID,
    Capability::CAP_SETUID,
    Capability::CAP_SETFCAP,
    Capability::CAP_SETPCAP,
    Capability::CAP_NET_BIND_SERVICE,
    Capability::CAP_SYS_CHROOT,
    Capability::CAP_KILL,
    Capability::CAP_AUDIT_WRITE,
];

/// Every capability there is.
#[must_use]
pub fn all() -> Capabilities {
    Capabilities::of(&caps::all().into_iter().collect::<Vec<_>>())
}

/// The set that the names in `add` and `drop` leave, in the order of containerd (`internal/cri/server/container_create.go`):
/// ALL added, ALL dropped, each added, each dropped. `None`: a name that is no capability, which no runtime accepts.
#[must_use]
pub fn granted(add: &[String], drop: &[String]) -> Option<Capabilities> {
    let is_all = |name: &String| name.eq_ignore_ascii_case("ALL");
    let mut set = Capabilities::of(&RUNTIME_DEFAULT);
    if add.iter().any(is_all) {
        set = all();
    }
    if drop.iter().any(is_all) {
        set = Capabilities::NONE;
    }
    for name in add.iter().filter(|name| !is_all(name)) {
        set = set.or(named(name)?);
    }
    for name in drop.iter().filter(|name| !is_all(name)) {
        set = set.without(named(name)?);
    }
    Some(set)
}

/// Kubernetes writes the names without `CAP_`; runtimes accept both, in any case.
fn named(name: &str) -> Option<Capabilities> {
    let name = name.to_ascii_uppercase();
    let name = name.strip_prefix("CAP_").unwrap_or(&name);
    let capability: Capability = format!("CAP_{name}").parse().ok()?;
    Some(Capabilities::of(&[capability]))
}
