//! Processes acting on each other and on themselves.

use nix::errno::Errno;
use serde_json::json;

use super::super::actor::Actor;
use super::super::given::{named, nowhere, null, number, raw};
use super::super::kernel;

/// No kernel gives out so high a process id.
const NOBODY: i64 = 0x7fff_fffe;

fn urgent() -> super::super::given::Given {
    // Ignored by everybody who did not ask for it.
    named(libc::SIGURG, "SIGURG")
}

pub(super) fn signals(actor: &mut Actor) {
    let me = i64::from(actor.tid());
    actor.succeeds("kill", &[number(me), urgent()]);
    actor.succeeds("kill", &[number(me), named(0, "0")]);
    actor.fails(
        "kill",
        &[number(NOBODY), named(libc::SIGKILL, "SIGKILL")],
        &[Errno::ESRCH],
    );
    actor.fails("kill", &[number(me), raw(65)], &[Errno::EINVAL]);
    let group = kernel::fork_unfollowed();
    actor.succeeds("kill", &[number(group.into()), named(libc::SIGTERM, "SIGTERM")]);
    kernel::wait(group, 0);
    actor.fails(
        "kill",
        &[number(-NOBODY), named(libc::SIGHUP, "SIGHUP")],
        &[Errno::ESRCH],
    );
    actor.succeeds("tkill", &[number(me), urgent()]);
    actor.fails(
        "tkill",
        &[number(-1), named(libc::SIGUSR1, "SIGUSR1")],
        &[Errno::EINVAL],
    );
    actor.succeeds("tgkill", &[number(me), number(me), urgent()]);
    actor.fails(
        "tgkill",
        &[number(me), number(NOBODY), named(libc::SIGUSR2, "SIGUSR2")],
        &[Errno::ESRCH],
    );
}

pub(super) fn tracing(actor: &mut Actor) {
    let other = kernel::fork_unfollowed();
    actor.succeeds(
        "ptrace",
        &[
            named(libc::PTRACE_ATTACH, "PTRACE_ATTACH"),
            number(other.into()),
            null(),
            null(),
        ],
    );
    kernel::wait(other, libc::__WALL);
    actor.succeeds(
        "ptrace",
        &[
            named(libc::PTRACE_DETACH, "PTRACE_DETACH"),
            number(other.into()),
            null(),
            null(),
        ],
    );
    actor.fails(
        "ptrace",
        &[
            named(libc::PTRACE_SEIZE, "PTRACE_SEIZE"),
            number(NOBODY),
            null(),
            null(),
        ],
        &[Errno::ESRCH],
    );
    // Not traced by this process, or not any more.
    actor.fails(
        "ptrace",
        &[
            named(libc::PTRACE_POKETEXT, "PTRACE_POKETEXT"),
            number(other.into()),
            null(),
            raw(1),
        ],
        &[Errno::ESRCH],
    );

    let (here, there) = (actor.memory.put(b"written"), actor.memory.put(b"-------"));
    let local = actor.pointers(&[here, 7]);
    let remote = actor.pointers(&[there, 7]);
    let vectors = |pid: i64| {
        [
            number(pid),
            local.clone(),
            number(1),
            remote.clone(),
            number(1),
            number(0),
        ]
    };
    let me = i64::from(actor.tid());
    let written = actor.succeeds("process_vm_writev", &vectors(me));
    assert_eq!((written, actor.memory.get(there)), (7, *b"written"), "it did write");
    actor.fails("process_vm_writev", &vectors(NOBODY), &[Errno::ESRCH]);
    actor.succeeds("kill", &[number(other.into()), named(libc::SIGKILL, "SIGKILL")]);
    kernel::wait(other, 0);
}

pub(super) fn itself(actor: &mut Actor) {
    let name = actor.text("a deed");
    actor.succeeds("prctl", &[named(libc::PR_SET_NAME, "PR_SET_NAME"), name]);
    actor.fails(
        "prctl",
        &[named(libc::PR_SET_NAME, "PR_SET_NAME"), nowhere()],
        &[Errno::EFAULT],
    );
    actor.expects(json!({ "syscall": { "unread": ["arg2"], "args": { "arg2": null } } }));
    actor.succeeds("prctl", &[named(libc::PR_SET_DUMPABLE, "PR_SET_DUMPABLE"), raw(1)]);
    actor.fails(
        "prctl",
        &[named(libc::PR_SET_DUMPABLE, "PR_SET_DUMPABLE"), raw(7)],
        &[Errno::EINVAL],
    );
    // Nobody learns anything from it, so it is not told.
    let room = actor.bytes(&[0; 16]);
    actor.succeeds("prctl", &[named(libc::PR_GET_NAME, "PR_GET_NAME"), room]);
    actor.fails(
        "prctl",
        &[named(libc::PR_CAPBSET_DROP, "PR_CAPBSET_DROP"), raw(99)],
        &[Errno::EINVAL],
    );
    actor.succeeds(
        "prctl",
        &[
            named(libc::PR_SET_NO_NEW_PRIVS, "PR_SET_NO_NEW_PRIVS"),
            raw(1),
            null(),
            null(),
            null(),
        ],
    );
    actor.succeeds(
        "prctl",
        &[named(libc::PR_SET_CHILD_SUBREAPER, "PR_SET_CHILD_SUBREAPER"), raw(1)],
    );

    let name = actor.text("secret");
    actor.succeeds("memfd_create", &[name, named(libc::MFD_CLOEXEC, "MFD_CLOEXEC")]);
    actor.expects(json!({ "file": { "path": "memfd:secret", "type": "regular" } }));
    let name = actor.text("wrong");
    actor.fails(
        "memfd_create",
        &[name, named(libc::MFD_ALLOW_SEALING | 0x800, "MFD_ALLOW_SEALING|0x800")],
        &[Errno::EINVAL],
    );
    actor.fails("memfd_create", &[nowhere(), raw(0)], &[Errno::EFAULT]);
    actor.expects(json!({ "syscall": { "unread": ["name"], "args": { "name": null } } }));
}

pub(super) fn directories(actor: &mut Actor) {
    let (below, file) = (actor.path("below"), actor.path("file"));
    actor.prepares(|| {
        std::fs::create_dir(&below).unwrap();
        std::fs::write(&file, "").unwrap();
    });
    let name = actor.text("below");
    actor.succeeds("chdir", &[name]);
    actor.expects(json!({ "file": { "requested_path": "below" }, "process": { "cwd": actor.path("below") } }));
    let name = actor.text("no/such");
    actor.fails("chdir", &[name], &[Errno::ENOENT]);
    // The next event has the new working directory.
    actor.expects(json!({
        "file": { "requested_path": "no/such", "directory": actor.path("below") },
        "process": { "cwd": actor.path("below") },
    }));
    let name = actor.text(&actor.path("file"));
    actor.fails("chdir", &[name], &[Errno::ENOTDIR]);

    let path = actor.place();
    let place = actor.text(&path);
    let fd = actor.succeeds("open", &[place, named(libc::O_PATH, "O_RDONLY|O_PATH"), raw(0)]);
    actor.succeeds("fchdir", &[number(fd)]);
    actor.expects(json!({ "file": { "path": path, "type": "directory" } }));
    actor.fails("fchdir", &[number(-1)], &[Errno::EBADF]);
    actor.expects(json!({ "process": { "cwd": path }, "file": null }));
    let file = actor.text("file");
    let file = actor.succeeds("open", &[file, named(libc::O_RDONLY, "O_RDONLY")]);
    actor.fails("fchdir", &[number(file)], &[Errno::ENOTDIR]);
    actor.expects(json!({ "file": { "path": actor.path("file"), "type": "regular" } }));
}
