//! Changes of who a process is: the process's next event must show them.

use caps::CapSet;
use nix::errno::Errno;
use serde_json::{Value, json};

use super::super::actor::{Actor, Way};
use super::super::given::{Given, number, raw};

const KEEP: i64 = -1;

fn ids(numbers: &[i64]) -> Vec<Given> {
    numbers.iter().copied().map(number).collect()
}

/// What the call's own event must already show, as every later one.
fn is_now(actor: &mut Actor, who: &Value) {
    actor.expects(json!({ "process": who }));
}

pub(super) fn groups_and_users(actor: &mut Actor) {
    // The oldest calls take ids of 16 bits.
    let list = match actor.way {
        Way::I386 => actor.bytes(&[2001_u16, 2002].map(u16::to_ne_bytes).concat()),
        _ => actor.bytes(&[2001_u32, 2002].map(u32::to_ne_bytes).concat()),
    };
    actor.succeeds("setgroups", &[number(2), list.clone()]);
    actor.succeeds("setgid", &ids(&[1001]));
    is_now(actor, &json!({ "gid": 1001, "egid": null, "uid": 0 }));
    actor.succeeds("setregid", &ids(&[1002, KEEP]));
    is_now(actor, &json!({ "gid": 1002, "egid": 1001 }));
    actor.succeeds("setresgid", &ids(&[KEEP, 1003, 1004]));
    is_now(actor, &json!({ "gid": 1002, "egid": 1003 }));
    // Gives the one before.
    let before = actor.succeeds("setfsgid", &ids(&[1005]));
    assert_eq!(before, 1003, "the effective one, as nothing else was said");

    actor.succeeds("setfsuid", &ids(&[1006]));
    actor.succeeds("setfsuid", &ids(&[0]));
    actor.succeeds("setreuid", &ids(&[1007, KEEP]));
    is_now(actor, &json!({ "uid": 1007, "euid": 0 }));
    actor.succeeds("setresuid", &ids(&[1008, KEEP, KEEP]));
    is_now(actor, &json!({ "uid": 1008, "euid": 0 }));
    actor.succeeds("setuid", &ids(&[1009]));
    let nobody = json!({ "uid": 1009, "euid": null, "gid": 1002, "egid": 1003 });
    is_now(actor, &nobody);

    // Now it is nobody who may.
    for (call, numbers) in [
        ("setuid", &[0][..]),
        ("setgid", &[0]),
        ("setreuid", &[0, KEEP]),
        ("setregid", &[KEEP, 0]),
        ("setresuid", &[KEEP, 0, KEEP]),
        ("setresgid", &[KEEP, KEEP, 0]),
    ] {
        actor.fails(call, &ids(numbers), &[Errno::EPERM]);
        is_now(actor, &nobody);
    }
    actor.fails("setgroups", &[number(2), list], &[Errno::EPERM]);
    is_now(actor, &nobody);
}

/// `_LINUX_CAPABILITY_VERSION_3`.
const VERSION: u32 = 0x2008_0522;
/// Numbers of `include/uapi/linux/capability.h`: `CAP_CHOWN`, `CAP_SYS_BOOT`, `CAP_WAKE_ALARM`.
const GIVEN_UP: [u32; 3] = [0, 22, 35];

pub(super) fn capabilities(actor: &mut Actor) {
    let set = |which| {
        caps::read(None, which)
            .unwrap()
            .iter()
            .fold(0, |set, one| set | one.bitmask())
    };
    let (permitted, inheritable) = (set(CapSet::Permitted), set(CapSet::Inheritable));
    let less = GIVEN_UP
        .iter()
        .fold(permitted, |set, capability| set & !(1 << capability));
    let header = actor.bytes(&[VERSION, 0].map(u32::to_ne_bytes).concat());
    let header = Given {
        told: Some(json!({ "version": "_LINUX_CAPABILITY_VERSION_3", "pid": 0 })),
        ..header
    };
    let mut data = |effective: u64, permitted: u64| {
        let halves = [0, 32].map(|shift| {
            [effective, permitted, inheritable].map(|set| {
                #[expect(clippy::cast_possible_truncation, reason = "one half at a time")]
                let half = (set >> shift) as u32;
                half.to_ne_bytes()
            })
        });
        actor.bytes(&halves.as_flattened().concat())
    };
    let (fewer, all, empty) = (data(less, less), data(permitted, permitted), data(0, less));
    let shown = |effective: u64| json!({ "caps": { "effective": format!("{effective:016x}"), "permitted": format!("{less:016x}") } });
    actor.succeeds("capset", &[header.clone(), fewer]);
    is_now(actor, &shown(less));
    actor.fails("capset", &[header.clone(), all], &[Errno::EPERM]);
    is_now(actor, &shown(less));
    actor.succeeds("capset", &[header, empty.clone()]);
    is_now(actor, &shown(0));
    let unknown = actor.bytes(&[0x1234_5678, 0_u32].map(u32::to_ne_bytes).concat());
    actor.fails("capset", &[unknown, empty], &[Errno::EINVAL]);
    actor.fails("capset", &[raw(8), raw(8)], &[Errno::EFAULT]);
    is_now(actor, &shown(0));
}
