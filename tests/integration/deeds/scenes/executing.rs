//! Programs that are executed: a success is told as the process's new image, a failure as the call.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use nix::errno::Errno;
use serde_json::json;

use super::super::actor::Actor;
use super::super::given::{Given, here, named, nowhere, null, number, raw};
use crate::lab::tool;

/// Puts a copy of a static program into the actor's directory.
fn program(actor: &Actor, name: &str) -> String {
    // Found by stat(2), which is no deed.
    let busybox = tool::find("busybox", "busybox-static").unwrap();
    let path = actor.path(name);
    actor.prepares(|| {
        fs::copy(&busybox, &path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    });
    path
}

fn vectors(actor: &mut Actor) -> [Given; 2] {
    [actor.words(&["true", "a deed", ""]), actor.words(&["DEED=done"])]
}

fn image(path: &str) -> serde_json::Value {
    json!({ "process": { "exe": path, "args": ["true", "a deed", ""] } })
}

pub(super) fn by_path(actor: &mut Actor) {
    let path = program(actor, "runs");
    let [argv, envp] = vectors(actor);
    let missing = actor.text("missing/program");
    actor.fails("execve", &[missing, argv.clone(), envp.clone()], &[Errno::ENOENT]);
    actor.asks("missing/program");
    let place = actor.text(&actor.place());
    actor.fails("execve", &[place, null(), null()], &[Errno::EACCES]);
    actor.fails("execve", &[nowhere(), null(), null()], &[Errno::EFAULT]);
    actor.expects(json!({
        "syscall": { "unread": ["pathname"], "args": { "pathname": null } },
        "file": { "notes": ["requested_unreadable"], "requested_path": null },
    }));
    let runs = actor.text("./runs");
    actor.becomes("execve", &[runs, argv, envp], image(&path));
}

pub(super) fn by_descriptor(actor: &mut Actor) {
    let path = program(actor, "runs");
    let [argv, envp] = vectors(actor);
    let missing = actor.text("missing");
    actor.fails(
        "execveat",
        &[here(), missing, argv.clone(), envp.clone(), raw(0)],
        &[Errno::ENOENT],
    );
    actor.asks("missing");
    let place = actor.text(&actor.place());
    let place = actor.succeeds("open", &[place, named(libc::O_DIRECTORY, "O_RDONLY|O_DIRECTORY")]);
    let runs = actor.text("runs");
    actor.fails(
        "execveat",
        &[number(place), runs.clone(), null(), null(), raw(0x1)],
        &[Errno::EINVAL],
    );
    actor.expects(json!({ "file": { "requested_path": "runs", "directory": actor.place() } }));
    actor.becomes(
        "execveat",
        &[
            number(place),
            runs,
            argv,
            envp,
            named(libc::AT_SYMLINK_NOFOLLOW, "AT_SYMLINK_NOFOLLOW"),
        ],
        image(&path),
    );
}

/// A program that is in no directory.
pub(super) fn from_memory(actor: &mut Actor) {
    let path = program(actor, "copied");
    let name = actor.text("runs");
    let memory = actor.succeeds("memfd_create", &[name, raw(0)]);
    actor.prepares(|| {
        fs::copy(&path, format!("/proc/self/fd/{memory}")).unwrap();
    });
    let [argv, envp] = vectors(actor);
    let empty = actor.text("");
    actor.becomes(
        "execveat",
        &[
            number(memory),
            empty,
            argv,
            envp,
            named(libc::AT_EMPTY_PATH, "AT_EMPTY_PATH"),
        ],
        json!({ "process": { "args": ["true", "a deed", ""], "exe": "memfd:runs", "exe_notes": ["pseudo", "memfd"] } }),
    );
}
