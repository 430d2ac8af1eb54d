//! What is put into the kernel: modules, programs, rings.

use std::fs::File;
use std::io::Read;

use nix::errno::Errno;
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
use serde_json::json;

use super::super::actor::{Actor, copy_of};
use super::super::given::{Given, named, nowhere, null, number, raw};
use super::super::program::MODULE;
use super::files::none;

/// Kernels without modules have the calls all the same, and refuse them so.
const NO_MODULES: Errno = Errno::ENOSYS;

pub(super) fn modules(actor: &mut Actor) {
    loads(actor);
    let image = actor.bytes(&[0x7f; 64]);
    let words = actor.text("numdummies=0");
    actor.fails(
        "init_module",
        &[image, number(64), words.clone()],
        &[Errno::ENOEXEC, NO_MODULES],
    );
    actor.fails(
        "init_module",
        &[nowhere(), number(64), nowhere()],
        &[Errno::EFAULT, NO_MODULES],
    );
    actor.expects(json!({ "syscall": { "unread": ["param_values"], "args": { "param_values": null } } }));
    let path = actor.path("file");
    actor.prepares(|| std::fs::write(&path, "no module").unwrap());
    let name = actor.text("file");
    // Newer kernels refuse what could be written to.
    let file = number(actor.succeeds("open", &[name, named(libc::O_RDONLY, "O_RDONLY")]));
    // MODULE_INIT_IGNORE_MODVERSIONS
    let flags = named(1, "MODULE_INIT_IGNORE_MODVERSIONS");
    actor.fails(
        "finit_module",
        &[file, words.clone(), flags],
        &[Errno::ENOEXEC, Errno::EINVAL, NO_MODULES],
    );
    actor.expects(json!({ "file": { "path": path, "type": "regular" } }));
    actor.fails("finit_module", &[none(), words, raw(0)], &[Errno::EBADF, NO_MODULES]);
    let name = actor.text("no_such_module");
    let flags = named(libc::O_NONBLOCK, "O_NONBLOCK");
    actor.fails("delete_module", &[name, flags], &[Errno::ENOENT, NO_MODULES]);
    actor.fails("delete_module", &[nowhere(), raw(0)], &[Errno::EFAULT, NO_MODULES]);
}

/// Puts a module in and takes it out again, by both calls, where one is given.
fn loads(actor: &mut Actor) {
    let Some(path) = std::env::var_os(MODULE) else { return };
    let path = path.into_string().unwrap();
    let text = actor.text(&path);
    let file = actor.succeeds("open", &[text, named(libc::O_RDONLY, "O_RDONLY")]);
    let mut image = Vec::new();
    File::from(copy_of(file)).read_to_end(&mut image).unwrap();
    // It makes no device.
    let words = actor.text("numdummies=0");
    let (name, at_once) = (actor.text("dummy"), named(libc::O_NONBLOCK, "O_NONBLOCK"));
    let length = number(i64::try_from(image.len()).unwrap());
    let image = actor.bytes(&image);
    actor.succeeds("init_module", &[image, length, words.clone()]);
    actor.succeeds("delete_module", &[name.clone(), at_once.clone()]);
    actor.succeeds("finit_module", &[number(file), words, raw(0)]);
    actor.expects(json!({ "file": { "path": path, "type": "regular" } }));
    actor.succeeds("delete_module", &[name, at_once]);
}

/// `BPF_MAP_CREATE`, `BPF_MAP_LOOKUP_ELEM`, `BPF_PROG_LOAD`.
const CREATE: Command = (0, "BPF_MAP_CREATE");
const LOOK_UP: Command = (1, "BPF_MAP_LOOKUP_ELEM");
const LOAD: Command = (5, "BPF_PROG_LOAD");

type Command = (i64, &'static str);

fn command((number_of, name): Command, attributes: Given) -> [Given; 3] {
    [named(number_of, name), attributes, number(ATTRIBUTES as i64)]
}

/// How much of a `union bpf_attr` is passed.
const ATTRIBUTES: usize = 72;

/// The beginning of a `union bpf_attr`.
fn attributes(actor: &mut Actor, fields: &[(usize, &[u8])], told: serde_json::Value) -> Given {
    let mut bytes = [0; ATTRIBUTES];
    for (at, field) in fields {
        bytes[*at..at + field.len()].copy_from_slice(field);
    }
    Given {
        told: Some(told),
        ..actor.bytes(&bytes)
    }
}

pub(super) fn programs(actor: &mut Actor) {
    // Before Linux 5.11 what the agent has counts against root's limit; later there is none, so it does not matter when
    // this is refused.
    let _ = setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY);
    let word = u32::to_ne_bytes;
    // BPF_MAP_TYPE_ARRAY of one element of eight bytes.
    let array: &[(usize, &[u8])] = &[
        (0, &word(2)),
        (4, &word(4)),
        (8, &word(8)),
        (12, &word(1)),
        (28, b"deeds"),
    ];
    let map = attributes(
        actor,
        array,
        json!({ "map_type": "BPF_MAP_TYPE_ARRAY", "map_name": "deeds" }),
    );
    let given = command(CREATE, map);
    actor.succeeds("bpf", &given);
    let none = attributes(actor, &[(0, &word(2))], json!({ "map_type": "BPF_MAP_TYPE_ARRAY" }));
    let given = command(CREATE, none);
    actor.fails("bpf", &given, &[Errno::EINVAL]);

    // BPF_PROG_TYPE_SOCKET_FILTER: r0 = 0; exit.
    let instructions = actor
        .memory
        .put(&[0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]);
    let license = actor.memory.put(b"GPL\0");
    for (count, name) in [(2, "harmless"), (1, "endless")] {
        let fields: &[(usize, &[u8])] = &[
            (0, &word(1)),
            (4, &word(count)),
            (8, &instructions.to_ne_bytes()),
            (16, &license.to_ne_bytes()),
            (48, name.as_bytes()),
        ];
        let told = json!({ "prog_type": "BPF_PROG_TYPE_SOCKET_FILTER", "prog_name": name });
        let program = attributes(actor, fields, told);
        let given = command(LOAD, program);
        if count == 2 {
            actor.succeeds("bpf", &given);
        } else {
            // It does not end.
            actor.fails("bpf", &given, &[Errno::EINVAL]);
        }
    }
    let unknown = actor.bytes(&[0xff; ATTRIBUTES]);
    actor.fails("bpf", &command(LOOK_UP, unknown), &[Errno::EINVAL, Errno::EBADF]);
    actor.fails("bpf", &command(LOAD, nowhere()), &[Errno::EFAULT]);
    actor.expects(json!({ "syscall": { "unread": ["attr"], "args": { "attr": null } } }));
    actor.fails("bpf", &command(LOAD, null()), &[Errno::EFAULT]);
}

pub(super) fn rings(actor: &mut Actor) {
    let parameters = |actor: &mut Actor, flags: u32, words: &str| {
        let mut bytes = [0; 120];
        bytes[8..12].copy_from_slice(&flags.to_ne_bytes());
        Given {
            told: Some(json!({ "flags": words })),
            ..actor.bytes(&bytes)
        }
    };
    // IORING_SETUP_CLAMP
    let clamp = parameters(actor, 1 << 4, "IORING_SETUP_CLAMP");
    actor.succeeds("io_uring_setup", &[number(4), clamp]);
    let none = parameters(actor, 0, "0");
    actor.fails("io_uring_setup", &[number(0), none], &[Errno::EINVAL]);
    actor.fails("io_uring_setup", &[number(4), nowhere()], &[Errno::EFAULT]);
    actor.expects(json!({ "syscall": { "unread": ["params"], "args": { "params": null } } }));
}
