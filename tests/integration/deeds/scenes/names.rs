//! Names that are made, moved and removed.

use std::fs;

use nix::errno::Errno;
use serde_json::json;

use super::super::actor::Actor;
use super::super::given::{here, named, number, raw};
use super::files::{mode, none, place};

/// What two relative paths must be told as.
fn asks_two(actor: &mut Actor, first: &str, second: &str) {
    actor.asks(first);
    actor.expects(json!({ "target": { "requested_path": second, "directory": actor.place() } }));
}

pub(super) fn links(actor: &mut Actor) {
    let file = actor.path("file");
    actor.prepares(|| fs::write(&file, "").unwrap());
    let place = place(actor);
    let [file, soft, soft2, hard, hard2, missing] =
        ["file", "soft", "soft2", "hard", "hard2", "missing"].map(|name| actor.text(name));
    let text = actor.text("no such target");
    actor.succeeds("symlink", &[text.clone(), soft.clone()]);
    actor.asks("soft");
    actor.fails("symlink", &[text.clone(), soft.clone()], &[Errno::EEXIST]);
    actor.asks("soft");
    actor.succeeds("symlinkat", &[text.clone(), place.clone(), soft2]);
    actor.asks("soft2");
    actor.fails("symlinkat", &[text, here(), soft.clone()], &[Errno::EEXIST]);

    actor.succeeds("link", &[file.clone(), hard.clone()]);
    asks_two(actor, "file", "hard");
    actor.fails("link", &[missing.clone(), hard.clone()], &[Errno::ENOENT]);
    asks_two(actor, "missing", "hard");
    actor.succeeds("linkat", &[here(), file.clone(), place.clone(), hard2.clone(), raw(0)]);
    asks_two(actor, "file", "hard2");
    let following = named(libc::AT_SYMLINK_FOLLOW, "AT_SYMLINK_FOLLOW");
    actor.fails(
        "linkat",
        &[place.clone(), soft.clone(), here(), missing.clone(), following],
        &[Errno::ENOENT],
    );
    asks_two(actor, "soft", "missing");

    actor.succeeds("unlink", &[hard]);
    actor.asks("hard");
    actor.fails("unlink", std::slice::from_ref(&missing), &[Errno::ENOENT]);
    actor.asks("missing");
    actor.succeeds("unlinkat", &[place.clone(), hard2, raw(0)]);
    actor.asks("hard2");
    let directory = named(libc::AT_REMOVEDIR, "AT_REMOVEDIR");
    actor.fails("unlinkat", &[here(), file, directory], &[Errno::ENOTDIR]);
    actor.asks("file");
    actor.fails("unlinkat", &[none(), soft, raw(0)], &[Errno::EBADF]);
}

pub(super) fn renames(actor: &mut Actor) {
    let (one, taken) = (actor.path("one"), actor.path("taken"));
    actor.prepares(|| {
        fs::write(&one, "").unwrap();
        fs::write(&taken, "").unwrap();
    });
    let place = place(actor);
    let [one, two, three, taken, missing] = ["one", "two", "three", "taken", "missing"].map(|name| actor.text(name));
    actor.succeeds("rename", &[one.clone(), two.clone()]);
    asks_two(actor, "one", "two");
    actor.fails("rename", &[missing.clone(), two.clone()], &[Errno::ENOENT]);
    asks_two(actor, "missing", "two");
    actor.succeeds("renameat", &[place.clone(), two.clone(), here(), three.clone()]);
    asks_two(actor, "two", "three");
    actor.fails(
        "renameat",
        &[here(), missing, place.clone(), one.clone()],
        &[Errno::ENOENT],
    );
    asks_two(actor, "missing", "one");
    let keeping = named(libc::RENAME_NOREPLACE, "RENAME_NOREPLACE");
    actor.succeeds("renameat2", &[place.clone(), three, place.clone(), one.clone(), raw(0)]);
    asks_two(actor, "three", "one");
    actor.fails(
        "renameat2",
        &[place.clone(), one.clone(), here(), taken.clone(), keeping],
        &[Errno::EEXIST],
    );
    asks_two(actor, "one", "taken");
    let exchanging = named(libc::RENAME_EXCHANGE, "RENAME_EXCHANGE");
    actor.makes("renameat2", &[place.clone(), one, place, taken, exchanging]);
    asks_two(actor, "one", "taken");
}

pub(super) fn making(actor: &mut Actor) {
    let place = place(actor);
    let [one, two, deep] = ["one", "two", "missing/deep"].map(|name| actor.text(name));
    actor.succeeds("mkdir", &[one.clone(), mode(0o700)]);
    actor.asks("one");
    actor.fails("mkdir", &[one.clone(), mode(0o1777)], &[Errno::EEXIST]);
    actor.asks("one");
    actor.succeeds("mkdirat", &[place.clone(), two.clone(), mode(0o755)]);
    actor.asks("two");
    actor.fails("mkdirat", &[here(), deep.clone(), mode(0o755)], &[Errno::ENOENT]);
    actor.asks("missing/deep");
    actor.succeeds("rmdir", std::slice::from_ref(&one));
    actor.asks("one");
    actor.fails("rmdir", &[one], &[Errno::ENOENT]);
    actor.asks("one");
    let directory = named(libc::AT_REMOVEDIR, "AT_REMOVEDIR");
    actor.succeeds("unlinkat", &[place, two, directory]);
    actor.asks("two");
    actor.fails("mkdirat", &[number(-1), deep, mode(0o755)], &[Errno::EBADF]);
}
