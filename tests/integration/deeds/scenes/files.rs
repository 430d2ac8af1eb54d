//! Files that are opened, and what is done to open ones.

use std::fs;
use std::os::unix::fs::symlink;

use nix::errno::Errno;
use serde_json::json;

use super::super::actor::Actor;
use super::super::given::{Given, here, named, nowhere, null, number, raw};

/// No descriptor.
pub(super) fn none() -> Given {
    number(-1)
}

/// Permission bits.
pub(super) fn mode(mode: u32) -> Given {
    named(mode, &format!("0{mode:02o}"))
}

fn read_only() -> Given {
    named(libc::O_RDONLY, "O_RDONLY")
}

/// The working directory, opened.
pub(super) fn place(actor: &mut Actor) -> Given {
    let path = actor.place();
    let place = actor.text(&path);
    let fd = actor.succeeds("open", &[place, named(libc::O_DIRECTORY, "O_RDONLY|O_DIRECTORY")]);
    actor.expects(json!({ "file": { "path": path, "type": "directory", "flags": "O_RDONLY|O_DIRECTORY" } }));
    number(fd)
}

/// A new file, opened for reading and writing.
pub(super) fn opened(actor: &mut Actor, name: &str) -> Given {
    let text = actor.text(name);
    let fd = actor.succeeds(
        "open",
        &[text, named(libc::O_RDWR | libc::O_CREAT, "O_RDWR|O_CREAT"), mode(0o640)],
    );
    actor.expects(found(name, &actor.path(name)));
    number(fd)
}

/// What was asked for and what was found.
fn found(requested: &str, path: &str) -> serde_json::Value {
    json!({ "file": { "requested_path": requested, "path": path, "type": "regular", "notes": null } })
}

pub(super) fn opening(actor: &mut Actor) {
    let (file, link, directory) = (actor.path("file"), actor.path("link"), actor.path("directory"));
    actor.prepares(|| {
        fs::write(&file, "content").unwrap();
        fs::create_dir(&directory).unwrap();
        symlink("directory/../file", &link).unwrap();
    });
    let name = actor.text("link");
    actor.succeeds("open", &[name.clone(), read_only()]);
    actor.expects(found("link", &file));
    actor.fails(
        "open",
        &[name, named(libc::O_NOFOLLOW, "O_RDONLY|O_NOFOLLOW")],
        &[Errno::ELOOP],
    );
    actor.asks("link");
    let name = actor.text("file/below");
    actor.fails("open", &[name, named(libc::O_WRONLY, "O_WRONLY")], &[Errno::ENOTDIR]);
    actor.asks("file/below");
    actor.fails("open", &[nowhere(), read_only()], &[Errno::EFAULT]);
    actor.expects(json!({ "file": { "requested_path": null, "notes": ["requested_unreadable"] } }));

    let name = actor.text("directory/./created");
    actor.succeeds("creat", &[name, mode(0o600)]);
    actor.expects(found("directory/./created", &actor.path("directory/created")));
    actor.expects(json!({ "file": { "flags": "O_WRONLY|O_CREAT|O_TRUNC" } }));
    let name = actor.text("directory");
    actor.fails("creat", &[name, mode(0o4755)], &[Errno::EISDIR]);
    actor.asks("directory");

    let place = place(actor);
    let name = actor.text("link");
    let flags = named(libc::O_RDWR | libc::O_CLOEXEC, "O_RDWR|O_CLOEXEC");
    actor.succeeds("openat", &[place.clone(), name, flags, raw(0)]);
    actor.expects(found("link", &file));
    let name = actor.text("new");
    let flags = named(
        libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_APPEND,
        "O_WRONLY|O_CREAT|O_EXCL|O_APPEND",
    );
    actor.succeeds("openat", &[here(), name.clone(), flags.clone(), mode(0o644)]);
    actor.expects(found("new", &actor.path("new")));
    actor.fails("openat", &[here(), name, flags, mode(0o644)], &[Errno::EEXIST]);
    actor.asks("new");
    let name = actor.text("missing");
    actor.fails(
        "openat",
        &[place.clone(), name.clone(), read_only(), raw(0)],
        &[Errno::ENOENT],
    );
    actor.asks("missing");
    actor.fails("openat", &[none(), name, read_only(), raw(0)], &[Errno::EBADF]);
    let absolute = actor.text("/dev/null");
    actor.succeeds("openat", &[none(), absolute, read_only(), raw(0)]);
    actor.expects(json!({ "file": { "path": "/dev/null", "type": "character_device", "directory": null } }));

    // RESOLVE_BENEATH
    let how = |flags: i32, mode: u64, resolve: u64| {
        [flags.cast_unsigned().into(), mode, resolve]
            .map(u64::to_ne_bytes)
            .concat()
    };
    let beneath = actor.bytes(&how(libc::O_RDWR, 0, 0x8));
    let name = actor.text("link");
    actor.succeeds("openat2", &[place.clone(), name, beneath.clone(), number(24)]);
    actor.expects(found("link", &file));
    actor.expects(json!({ "syscall": { "args": { "how": { "flags": "O_RDWR", "resolve": "RESOLVE_BENEATH" } } } }));
    let name = actor.text("../outside");
    actor.fails(
        "openat2",
        &[place.clone(), name.clone(), beneath, number(24)],
        &[Errno::EXDEV],
    );
    actor.asks("../outside");
    let creating = actor.bytes(&how(libc::O_CREAT | libc::O_WRONLY, 0o17_777, 0));
    actor.fails(
        "openat2",
        &[place.clone(), name.clone(), creating, number(24)],
        &[Errno::EINVAL],
    );
    actor.fails("openat2", &[place, name, nowhere(), number(24)], &[Errno::EFAULT]);
    actor.expects(json!({ "syscall": { "unread": ["how"], "args": { "how": null } } }));
}

pub(super) fn descriptors(actor: &mut Actor) {
    let path = actor.path("file");
    let file = opened(actor, "file");
    let behind = json!({ "file": { "path": path, "type": "regular" } });
    let copy = actor.succeeds("dup", std::slice::from_ref(&file));
    actor.expects(behind.clone());
    actor.fails("dup", &[none()], &[Errno::EBADF]);
    actor.expects(json!({ "file": null }));
    let target = number(copy + 10);
    actor.succeeds("dup2", &[file.clone(), target.clone()]);
    actor.expects(behind.clone());
    actor.succeeds("dup2", &[file.clone(), file.clone()]);
    actor.expects(behind.clone());
    actor.fails("dup2", &[number(copy + 99), target.clone()], &[Errno::EBADF]);
    let closing = named(libc::O_CLOEXEC, "O_CLOEXEC");
    actor.succeeds("dup3", &[file.clone(), target.clone(), closing.clone()]);
    actor.expects(behind.clone());
    actor.fails("dup3", &[file.clone(), file.clone(), closing], &[Errno::EINVAL]);
    actor.expects(behind);
    actor.fails(
        "dup3",
        &[file, target, named(libc::O_APPEND, "O_APPEND")],
        &[Errno::EINVAL],
    );

    let (pipe, _) = nix::unistd::pipe().unwrap();
    let inode = nix::sys::stat::fstat(&pipe).unwrap().st_ino;
    let pipe = number(std::os::fd::AsRawFd::as_raw_fd(&pipe).into());
    actor.succeeds("dup", &[pipe]);
    actor.expects(json!({ "file": { "path": format!("pipe:[{inode}]"), "type": "fifo" } }));
    let events = nix::sys::eventfd::EventFd::new().unwrap();
    actor.succeeds("dup", &[number(std::os::fd::AsRawFd::as_raw_fd(&events).into())]);
    actor.expects(json!({ "file": { "path": "anon_inode:[eventfd]", "type": "anonymous" } }));
    let socket = actor.succeeds(
        "socket",
        &[
            named(libc::AF_UNIX, "AF_UNIX"),
            named(libc::SOCK_DGRAM, "SOCK_DGRAM"),
            raw(0),
        ],
    );
    actor.succeeds("dup", &[number(socket)]);
    actor.expects(json!({ "file": { "type": "socket" }, "network": { "family": "AF_UNIX", "type": "dgram" } }));
}

pub(super) fn permissions(actor: &mut Actor) {
    let path = actor.path("file");
    let file = opened(actor, "file");
    let (name, missing) = (actor.text("file"), actor.text("missing"));
    actor.succeeds("chmod", &[name.clone(), mode(0o4711)]);
    actor.asks("file");
    actor.fails("chmod", &[missing.clone(), mode(0o777)], &[Errno::ENOENT]);
    actor.asks("missing");
    actor.succeeds("fchmod", &[file, mode(0o600)]);
    actor.expects(json!({ "file": { "path": path } }));
    actor.fails("fchmod", &[none(), mode(0o7)], &[Errno::EBADF]);
    let place = place(actor);
    actor.succeeds("fchmodat", &[place.clone(), name.clone(), mode(0o644)]);
    actor.asks("file");
    actor.fails("fchmodat", &[here(), missing.clone(), mode(0)], &[Errno::ENOENT]);
    actor.asks("missing");
    // Since Linux 6.6.
    let unfollowed = named(libc::AT_SYMLINK_NOFOLLOW, "AT_SYMLINK_NOFOLLOW");
    actor.makes("fchmodat2", &[place.clone(), name, mode(0o640), raw(0)]);
    actor.asks("file");
    actor.fails(
        "fchmodat2",
        &[place, missing, mode(0o640), unfollowed],
        &[Errno::ENOENT, Errno::ENOSYS],
    );
    actor.asks("missing");
}

pub(super) fn owners(actor: &mut Actor) {
    let path = actor.path("file");
    let file = opened(actor, "file");
    let (name, missing) = (actor.text("file"), actor.text("missing"));
    // As wide as the narrowest ids are, and "leave it".
    let (user, group, same) = (number(1001), number(2002), number(-1));
    for call in ["chown", "lchown"] {
        actor.succeeds(call, &[name.clone(), user.clone(), same.clone()]);
        actor.asks("file");
        actor.fails(call, &[missing.clone(), same.clone(), group.clone()], &[Errno::ENOENT]);
        actor.asks("missing");
    }
    actor.succeeds("fchown", &[file, same.clone(), group.clone()]);
    actor.expects(json!({ "file": { "path": path } }));
    actor.fails("fchown", &[none(), user.clone(), group.clone()], &[Errno::EBADF]);
    let place = place(actor);
    actor.succeeds("fchownat", &[place.clone(), name, user.clone(), group.clone(), raw(0)]);
    actor.asks("file");
    let unfollowed = named(libc::AT_SYMLINK_NOFOLLOW, "AT_SYMLINK_NOFOLLOW");
    actor.fails(
        "fchownat",
        &[place.clone(), missing, same, group.clone(), unfollowed],
        &[Errno::ENOENT],
    );
    actor.asks("missing");
    actor.fails("fchownat", &[place, null(), user, group, raw(0)], &[Errno::EFAULT]);
}
