//! Mounts, roots and namespaces: each scene begins by leaving the machine's.

use std::fs;

use nix::errno::Errno;
use serde_json::json;

use super::super::actor::Actor;
use super::super::given::{Given, named, null, number, raw};
use super::files::none;

/// Leaves the machine's mounts, so that none of what follows can be seen there.
fn secludes(actor: &mut Actor) {
    actor.succeeds("unshare", &[named(libc::CLONE_NEWNS, "CLONE_NEWNS")]);
    let root = actor.text("/");
    #[expect(clippy::cast_possible_wrap, reason = "flags")]
    let flags = (libc::MS_REC | libc::MS_PRIVATE) as i64;
    actor.succeeds(
        "mount",
        &[null(), root, null(), named(flags, "MS_REC|MS_PRIVATE"), null()],
    );
    actor.expects(json!({ "file": { "requested_path": "/" }, "syscall": { "args": { "source": null } } }));
}

fn mounts(actor: &mut Actor, on: &str, flags: Given) {
    let [source, target, kind] = ["deeds", on, "tmpfs"].map(|text| actor.text(text));
    actor.succeeds("mount", &[source, target, kind, flags, null()]);
    actor.expects(json!({ "file": { "requested_path": on } }));
}

fn bits(flags: u64, words: &str) -> Given {
    named(flags.cast_signed(), words)
}

pub(super) fn mounts_and_unmounts(actor: &mut Actor) {
    let on = actor.path("on");
    actor.prepares(|| fs::create_dir(&on).unwrap());
    actor.fails("unshare", &[raw(0x1)], &[Errno::EINVAL]);
    secludes(actor);
    mounts(
        actor,
        "on",
        bits(
            libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC,
            "MS_NOSUID|MS_NODEV|MS_NOEXEC",
        ),
    );
    actor.asks("on");
    let [source, on, missing, kind] = ["none", "on", "missing", "no-such-fs"].map(|text| actor.text(text));
    actor.fails(
        "mount",
        &[source.clone(), on.clone(), kind, raw(0), null()],
        &[Errno::ENODEV],
    );
    actor.asks("on");
    let bind = bits(libc::MS_BIND | libc::MS_REC, "MS_BIND|MS_REC");
    actor.fails(
        "mount",
        &[on.clone(), missing.clone(), null(), bind, null()],
        &[Errno::ENOENT],
    );
    actor.asks("missing");
    actor.succeeds("umount2", &[on.clone(), named(libc::MNT_DETACH, "MNT_DETACH")]);
    actor.asks("on");
    actor.fails("umount2", &[on, raw(0)], &[Errno::EINVAL]);
    actor.asks("on");
    actor.fails(
        "umount2",
        &[missing, named(libc::MNT_FORCE, "MNT_FORCE")],
        &[Errno::ENOENT],
    );
    actor.asks("missing");
}

pub(super) fn roots(actor: &mut Actor) {
    let outer = actor.path("outer");
    actor.prepares(|| fs::create_dir(&outer).unwrap());
    secludes(actor);
    // The first root of a machine without disk cannot be put away: pivot_root(2) wants one that is mounted on something.
    mounts(actor, &outer, raw(0));
    actor.prepares(|| fs::create_dir_all(format!("{outer}/inner")).unwrap());
    let missing = actor.text("missing");
    actor.fails("chroot", &[missing], &[Errno::ENOENT]);
    actor.asks("missing");
    let root = actor.text(&outer);
    actor.succeeds("chroot", &[root]);
    actor.expects(json!({ "file": { "requested_path": outer } }));
    mounts(actor, "/inner", raw(0));
    actor.prepares(|| fs::create_dir("/inner/old").unwrap());
    let [inner, old] = ["/inner", "/inner/old"].map(|path| actor.text(path));
    actor.fails("pivot_root", &[old.clone(), inner.clone()], &[Errno::EINVAL]);
    actor.expects(json!({
        "file": { "requested_path": "/inner/old" }, "target": { "requested_path": "/inner" },
    }));
    actor.succeeds("pivot_root", &[inner, old]);
    actor.expects(json!({
        "file": { "requested_path": "/inner" }, "target": { "requested_path": "/inner/old" },
    }));
    // Paths are told as the process sees them: below its new root.
    let name = actor.text("/made");
    actor.succeeds("creat", &[name, super::files::mode(0o600)]);
    actor.expects(json!({ "file": { "path": "/made", "requested_path": "/made" } }));
}

pub(super) fn joining(actor: &mut Actor) {
    let names = actor.text("/proc/self/ns/uts");
    let own = actor.succeeds("open", &[names, named(libc::O_RDONLY, "O_RDONLY")]);
    let inode = fs::metadata("/proc/self/ns/uts").unwrap();
    let inode = std::os::unix::fs::MetadataExt::ino(&inode);
    let both = named(libc::CLONE_NEWUTS | libc::CLONE_NEWIPC, "CLONE_NEWUTS|CLONE_NEWIPC");
    actor.succeeds("unshare", &[both]);
    let kind = || named(libc::CLONE_NEWUTS, "CLONE_NEWUTS");
    actor.succeeds("setns", &[number(own), kind()]);
    actor.expects(json!({ "file": { "path": format!("uts:[{inode}]"), "type": "namespace" } }));
    actor.fails(
        "setns",
        &[number(own), named(libc::CLONE_NEWNET, "CLONE_NEWNET")],
        &[Errno::EINVAL],
    );
    actor.fails("setns", &[none(), kind()], &[Errno::EBADF]);
    actor.expects(json!({ "file": null }));
}
