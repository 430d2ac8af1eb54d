//! The judgement of each row, from facts alone.
//!
//! A pod is as exposed as the worst of its containers in each row: they share the node, and init containers have had their turn
//! with the volumes that the others trust.

use caps::Capability as C;

use super::facts::{Container, Facts, Filter, Known, Label, Phase};
use super::hostpath::{self, Class};
use super::rows::RANGE;
use super::score::{Judgement, Verdict};
use crate::kubernetes::HostMount;
use crate::privilege::Capabilities;

fn badness(badness: u8, found: impl Into<String>) -> Judgement {
    Judgement {
        verdict: Verdict::Badness(badness),
        found: found.into(),
    }
}

fn all_or_nothing(bad: bool, if_bad: &str, if_good: &str) -> Judgement {
    if bad {
        badness(RANGE, if_bad)
    } else {
        badness(0, if_good)
    }
}

fn known<T>(fact: &Known<T>, judge: impl FnOnce(&T) -> Judgement) -> Judgement {
    match fact {
        Ok(fact) => judge(fact),
        Err(why) => Judgement {
            verdict: Verdict::Unknown,
            found: why.clone(),
        },
    }
}

/// The worst of the containers; named where there are several. What is not known of one counts only where nothing is as bad
/// as can be in another.
fn worst(facts: &Facts, judge: impl Fn(&Container) -> Judgement) -> Judgement {
    let rank = |verdict: Verdict| match verdict {
        Verdict::Badness(RANGE) => 3 + u16::from(RANGE),
        Verdict::Unknown => 2 + u16::from(RANGE),
        Verdict::Badness(badness) => 1 + u16::from(badness),
        Verdict::NotApplicable => 0,
    };
    let mut worst: Option<(Judgement, &str)> = None;
    for container in &facts.containers {
        let judgement = judge(container);
        if worst
            .as_ref()
            .is_none_or(|(so_far, _)| rank(judgement.verdict) > rank(so_far.verdict))
        {
            worst = Some((judgement, &container.name));
        }
    }
    match worst {
        None => Judgement {
            verdict: Verdict::NotApplicable,
            found: "there is no container".to_owned(),
        },
        Some((mut judgement, name)) => {
            if facts.containers.len() > 1 && judgement.verdict != Verdict::Badness(0) {
                judgement.found = format!("container {name}: {}", judgement.found);
            }
            judgement
        }
    }
}

pub(super) fn privileged(facts: &Facts) -> Judgement {
    worst(facts, |container| {
        known(&container.privileged, |privileged| {
            all_or_nothing(*privileged, "is privileged", "is not privileged")
        })
    })
}

pub(super) fn root_user(facts: &Facts) -> Judgement {
    worst(facts, |container| {
        badness(if container.root.0 { RANGE } else { 0 }, &*container.root.1)
    })
}

pub(super) fn root_group(facts: &Facts) -> Judgement {
    worst(facts, |container| {
        badness(if container.root_group.0 { RANGE } else { 0 }, &*container.root_group.1)
    })
}

pub(super) fn escalation(facts: &Facts) -> Judgement {
    worst(facts, |container| {
        all_or_nothing(
            !container.no_new_privs,
            "no_new_privs is not set",
            "no_new_privs is set",
        )
    })
}

/// A user namespace takes the meaning from uid 0 and from capabilities; of somebody who has neither it takes little.
pub(super) fn user_namespace(facts: &Facts) -> Judgement {
    known(&facts.user_namespace, |own| {
        if *own {
            return badness(0, "has a user namespace of its own");
        }
        worst(facts, |container| {
            if container.root.0 {
                badness(RANGE, "its root is the host's root")
            } else if container.capabilities.is_empty() {
                badness(2, "its uid, without any capability, is one of the host's")
            } else {
                badness(5, "its capabilities hold on the host")
            }
        })
    })
}

pub(super) fn capability(facts: &Facts, asked: &[C]) -> Judgement {
    let asked = Capabilities::of(asked);
    worst(facts, |container| {
        let held = container.capabilities.and(asked);
        if held.is_empty() {
            badness(0, "not granted")
        } else {
            badness(RANGE, verb(facts.phase, held))
        }
    })
}

fn verb(phase: Phase, held: Capabilities) -> String {
    match phase {
        Phase::Start => format!("granted: {held}"),
        Phase::Running => format!("held, or within reach: {held}"),
    }
}

/// What has no row of its own, by its weight with systemd (CAP_CHECKPOINT_RESTORE is not there).
const REST: [(C, u32); 11] = [
    (C::CAP_SYS_BOOT, 100),
    (C::CAP_MAC_ADMIN, 100),
    (C::CAP_MAC_OVERRIDE, 100),
    (C::CAP_LINUX_IMMUTABLE, 75),
    (C::CAP_IPC_LOCK, 50),
    (C::CAP_SYS_CHROOT, 50),
    (C::CAP_CHECKPOINT_RESTORE, 50),
    (C::CAP_BLOCK_SUSPEND, 25),
    (C::CAP_WAKE_ALARM, 25),
    (C::CAP_LEASE, 25),
    (C::CAP_SYS_TTY_CONFIG, 25),
];

pub(super) fn other_capabilities(facts: &Facts) -> Judgement {
    worst(facts, |container| {
        let (mut weight, mut held) = (0, Vec::new());
        for (capability, each) in REST {
            if container.capabilities.has(capability) {
                weight += each;
                held.push(capability);
            }
        }
        // Weighs 500 as a whole; a capability that this build has no name for counts as all of it.
        let strange = container.capabilities.without(crate::kubernetes::capabilities::all());
        let tenths = if strange.is_empty() {
            (weight * 10_u32).div_ceil(500).min(10)
        } else {
            10
        };
        let all = Capabilities::of(&held).or(strange);
        if all.is_empty() {
            badness(0, "not granted")
        } else {
            badness(u8::try_from(tenths).unwrap_or(RANGE), verb(facts.phase, all))
        }
    })
}

/// The runtimes' profiles leave some 300 system calls; `bpf` and `perf_event_open` among them for who has the capabilities.
pub(super) fn seccomp(facts: &Facts) -> Judgement {
    worst(facts, |container| match &container.seccomp {
        Filter::None if facts.phase == Phase::Start => badness(RANGE, "no profile is named: unconfined by default"),
        Filter::None => badness(RANGE, "no filter"),
        Filter::One(what) => badness(3, what.clone()),
        Filter::Own(what) => badness(1, what.clone()),
    })
}

pub(super) fn apparmor(facts: &Facts) -> Judgement {
    worst(facts, |container| label(&container.apparmor))
}

pub(super) fn selinux(facts: &Facts) -> Judgement {
    worst(facts, |container| label(&container.selinux))
}

fn label(label: &Label) -> Judgement {
    match label {
        Label::Unconfined(what) => badness(RANGE, what.clone()),
        Label::Default(what) => badness(2, what.clone()),
        Label::Own(what) => badness(1, what.clone()),
        Label::Inactive => Judgement {
            verdict: Verdict::NotApplicable,
            found: "not active on this kernel".to_owned(),
        },
    }
}

pub(super) fn writable_root(facts: &Facts) -> Judgement {
    worst(facts, |container| {
        known(&container.read_only_root, |read_only| {
            all_or_nothing(!read_only, "is writable", "is read-only")
        })
    })
}

pub(super) fn host_pid(facts: &Facts) -> Judgement {
    known(&facts.host_pid, |shared| {
        all_or_nothing(*shared, "sees them all", "sees its own only")
    })
}

pub(super) fn host_network(facts: &Facts) -> Judgement {
    known(&facts.host_network, |shared| {
        all_or_nothing(*shared, "is in the host's network", "has a network of its own")
    })
}

pub(super) fn host_ipc(facts: &Facts) -> Judgement {
    known(&facts.host_ipc, |shared| {
        all_or_nothing(
            *shared,
            "shares the host's IPC namespace",
            "has an IPC namespace of its own",
        )
    })
}

/// The worst of the mounts, `judge` giving the badness of each.
fn mounts(facts: &Facts, good: &str, judge: impl Fn(&HostMount) -> Option<(u8, String)>) -> Judgement {
    worst(facts, |container| {
        known(&container.mounts, |mounts| {
            let worst = mounts.iter().filter_map(&judge).max_by_key(|(badness, _)| *badness);
            match worst {
                Some((tenths, found)) => badness(tenths, found),
                None => badness(0, good),
            }
        })
    })
}

fn how(mount: &HostMount) -> String {
    let access = if mount.read_only { "read-only" } else { "writable" };
    format!("{} of the host is mounted {access}", mount.host)
}

pub(super) fn runtime_socket(facts: &Facts) -> Judgement {
    mounts(facts, "none is mounted", |mount| {
        hostpath::runtime_socket(&mount.host).map(|socket| (RANGE, format!("{}: {socket} can be reached", how(mount))))
    })
}

pub(super) fn host_files(facts: &Facts) -> Judgement {
    mounts(facts, "none is mounted", |mount| {
        let path = hostpath::normal(&mount.host);
        let elsewhere = path != "/"
            && (["/proc", "/sys", "/dev"].iter().any(|top| hostpath::below(&path, top))
                || hostpath::runtime_socket(&path).is_some());
        if elsewhere {
            return None;
        }
        let tenths = match (hostpath::class(&path), mount.read_only) {
            (Class::Secrets | Class::System, false) => RANGE,
            (Class::Secrets, true) => 5,
            (Class::Other, false) => 3,
            (Class::System | Class::Other, true) => 1,
        };
        Some((tenths, how(mount)))
    })
}

pub(super) fn host_proc(facts: &Facts) -> Judgement {
    shown(facts, "/proc", 4)
}

pub(super) fn host_kernel(facts: &Facts) -> Judgement {
    shown(facts, "/sys", 3)
}

fn shown(facts: &Facts, top: &str, read_only: u8) -> Judgement {
    mounts(facts, "not mounted", |mount| {
        hostpath::shows(&mount.host, top).then(|| (if mount.read_only { read_only } else { RANGE }, how(mount)))
    })
}

/// The devices cgroup refuses what lies below a mounted `/dev`, unless the container is privileged; it does not refuse what is
/// no device, such as sockets there.
pub(super) fn host_devices(facts: &Facts) -> Judgement {
    let privileged = worst(facts, |container| {
        known(&container.privileged, |privileged| {
            all_or_nothing(*privileged, "a privileged container has them all", "none is mounted")
        })
    });
    let mounted = mounts(facts, "none is mounted", |mount| {
        hostpath::shows(&mount.host, "/dev").then(|| (3, format!("{}; the devices cgroup still counts", how(mount))))
    });
    match (privileged.verdict, mounted.verdict) {
        (Verdict::Badness(0), _) => mounted,
        (Verdict::Unknown, Verdict::Badness(tenths)) if tenths > 0 => mounted,
        _ => privileged,
    }
}

pub(super) fn propagation(facts: &Facts) -> Judgement {
    mounts(facts, "nothing that it mounts is seen outside", |mount| {
        mount
            .bidirectional
            .then(|| (RANGE, format!("{} with its mounts shared", how(mount))))
    })
}

pub(super) fn token(facts: &Facts) -> Judgement {
    known(&facts.token, |mounted| {
        all_or_nothing(*mounted, "is mounted", "is not mounted")
    })
}

pub(super) fn rights(facts: &Facts) -> Judgement {
    known(&facts.rights, |(tenths, found)| {
        badness((*tenths).min(RANGE), found.clone())
    })
}

pub(super) fn ports(facts: &Facts) -> Judgement {
    known(&facts.ports, |ports| {
        let Some(port) = ports.iter().max_by_key(|port| port.on_host) else {
            return badness(0, "no port");
        };
        let numbers: Vec<String> = ports.iter().map(|port| port.number.to_string()).collect();
        let numbers = numbers.join(", ");
        if port.on_host {
            badness(RANGE, format!("port {numbers}, on the node itself"))
        } else {
            badness(5, format!("port {numbers}, within the cluster's network"))
        }
    })
}

/// A tag may be moved to another image; a digest cannot.
pub(super) fn image(facts: &Facts) -> Judgement {
    worst(facts, |container| {
        known(&container.image, |image| {
            let name = image.rsplit('/').next().unwrap_or(image);
            match (
                image.contains("@sha256:") || image.contains("@sha512:"),
                name.split_once(':'),
            ) {
                (true, _) => badness(0, "pinned by digest"),
                (false, Some((_, tag))) if tag != "latest" => badness(5, format!("tag {tag}, which may be moved")),
                _ => badness(RANGE, "the newest, whatever that is"),
            }
        })
    })
}
