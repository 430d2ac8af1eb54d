//! Words of processes that are as long as they may be, longer, or no text at all.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{Mode, mkdirat};
use serde_json::{Value, json};

use crate::event::{agent, is_call};
use crate::lab::agent::{Agent, Installed};
use crate::lab::tool;
use crate::lab::turn::Turn;

/// `ARGS_LIMIT` of docs/events.md.
const ARGS: usize = 16384;
/// A path of the kernel, with its NUL (PATH_MAX).
const PATH: usize = 4096;

fn busybox() -> PathBuf {
    tool::find("busybox", "busybox-static").unwrap()
}

fn has_note(notes: &Value, word: &str) -> bool {
    notes
        .as_array()
        .is_some_and(|notes| notes.iter().any(|note| note == word))
}

/// Runs a program to its end and gives the event of its exec.
fn exec_of(agent: &Agent<'_>, command: &mut Command) -> Value {
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let pid = child.id();
    assert!(child.wait().unwrap().success());
    let event = agent
        .wait_for("an exec", |event| {
            event["type"] == "process_exec" && event["process"]["pid"] == pid
        })
        .unwrap();
    assert_eq!(event["process"]["ppid"], std::process::id(), "{event}");
    event
}

/// `true` with these arguments, and what must be told of them.
fn check_args(agent: &Agent<'_>, given: &[OsString]) {
    let busybox = busybox();
    let event = exec_of(agent, Command::new(&busybox).arg("true").args(given));
    let words = [busybox.as_os_str(), OsStr::new("true")]
        .into_iter()
        .chain(given.iter().map(OsString::as_os_str));
    let whole: Vec<u8> = words.flat_map(|word| [word.as_bytes(), b"\0"].concat()).collect();
    let cut = whole.len() > ARGS;
    let expected = &whole[..whole.len().min(ARGS)];
    let expected = expected.strip_suffix(b"\0").unwrap_or(expected);
    let expected: Vec<String> = expected
        .split(|byte| *byte == 0)
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect();
    let args: Vec<&str> = event["process"]["args"]
        .as_array()
        .unwrap()
        .iter()
        .map(|arg| arg.as_str().unwrap())
        .collect();
    assert!(
        args == expected,
        "of {} bytes in {} arguments: {}",
        whole.len(),
        given.len(),
        event.to_string().chars().take(2000).collect::<String>()
    );
    assert_eq!(
        event["process"].get("args_truncated"),
        cut.then_some(&json!(true)),
        "of {} bytes",
        whole.len()
    );
}

#[test]
fn arguments_are_exact_to_their_limit_and_flagged_beyond() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed.run(["--events", "process"]).unwrap();
    let before = busybox().as_os_str().len() + 1 + "true".len() + 1;
    let pattern = |size: usize| -> OsString {
        (0..size)
            .map(|at| char::from(b'a' + (at % 23) as u8))
            .collect::<String>()
            .into()
    };
    // With the NUL the longest argument that Linux takes (MAX_ARG_STRLEN), 128 KiB.
    check_args(&agent, &[pattern(128 * 1024 - 1)]);
    for size in [ARGS - before - 2, ARGS - before - 1, ARGS - before, ARGS - before + 1] {
        check_args(&agent, &[pattern(size)]);
    }
    let many: Vec<OsString> = (0..20_000).map(|number| format!("{number}").into()).collect();
    check_args(&agent, &many);
    check_args(&agent, &vec![OsString::new(); 20_000]);
    // Two bytes each, and the limit falls between them.
    let wide = "\u{e4}".repeat(ARGS);
    check_args(&agent, &[wide.clone().into()]);
    check_args(&agent, &[format!("x{wide}").into()]);
}

/// Bytes that are no text, and text that could be taken for something else.
const ODD: &[&[u8]] = &[
    b"\xff\xfe\xfd",
    b"caf\xe9",
    b"\xed\xa0\x80",
    b"cut \xf0\x9f\x92",
    b"\"},{\"type\":\"x\"",
    b"line\nline\r\ttab\x1b[31m\x7f",
    b"\xc2\x80\xe2\x80\xae\xef\xbb\xbf",
];

#[test]
fn arguments_that_are_no_text_are_replaced_and_flag_nothing_else() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed.run(["--events", "process"]).unwrap();
    let given: Vec<OsString> = ODD.iter().map(|odd| OsString::from_vec(odd.to_vec())).collect();
    check_args(&agent, &given);
    let stopped = agent.stop().unwrap();
    assert!(stopped.status.success(), "{}", stopped.stderr);
}

#[test]
fn names_that_are_no_text_are_replaced_everywhere() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed.run(["--events", "process,file,network"]).unwrap();
    for odd in ODD {
        // No directory has such a name.
        let name = [*odd, b"-name-beyond-a-task"].concat();
        let name = OsStr::from_bytes(&name);
        let shown = name.to_string_lossy();
        let place = installed.dir().join(name);
        fs::create_dir(&place).unwrap();
        let program = place.join("busybox");
        fs::copy(busybox(), &program).unwrap();
        let event = exec_of(&agent, Command::new(&program).arg("true").current_dir(&place));
        let process = &event["process"];
        assert_eq!(process["cwd"], *place.to_string_lossy(), "{event}");
        assert_eq!(process["exe"], *program.to_string_lossy(), "{event}");

        // The task's name is cut by the kernel, wherever that falls.
        let odd_program = place.join(name);
        fs::rename(&program, &odd_program).unwrap();
        let event = exec_of(&agent, Command::new(&odd_program).arg0("busybox").arg("true"));
        let comm = &name.as_bytes()[..15];
        assert_eq!(event["process"]["name"], *String::from_utf8_lossy(comm), "{event}");

        drop(fs::File::open(&odd_program).unwrap());
        let opened = agent
            .wait_for("the open", |event| {
                is_call(event, "openat")
                    && event["process"]["pid"] == std::process::id()
                    && event["file"]["requested_path"] == *odd_program.to_string_lossy()
                    && event["syscall"]["ret"].as_i64() >= Some(0)
                    && event["file"]["flags"] == "O_RDONLY|O_CLOEXEC"
            })
            .unwrap();
        assert_eq!(opened["file"]["path"], opened["file"]["requested_path"], "{opened}");
        assert!(opened["file"].get("notes").is_none(), "{opened}");

        let socket = Path::new("/no/such").join(name);
        UnixStream::connect(&socket).unwrap_err();
        agent
            .wait_for("the connection", |event| {
                is_call(event, "connect") && event["network"]["destination"]["path"] == *format!("/no/such/{shown}")
            })
            .unwrap();
    }
    let stopped = agent.stop().unwrap();
    assert!(stopped.status.success(), "{}", stopped.stderr);
}

/// The event of an open by this process that asked for this, or for the beginning of it.
fn open_of(agent: &Agent<'_>, asked: &str) -> Value {
    agent
        .wait_for("the open", |event| {
            is_call(event, "openat")
                && event["process"]["pid"] == std::process::id()
                && event["file"]["requested_path"]
                    .as_str()
                    .is_some_and(|told| told == asked || (told.len() >= PATH - 1 && asked.starts_with(told)))
        })
        .unwrap()
}

#[test]
fn a_requested_path_is_exact_to_its_limit_and_flagged_beyond() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed.run(["--events", "file"]).unwrap();
    for (size, taken) in [
        (PATH - 2, true),
        (PATH - 1, true),
        (PATH, false),
        (PATH + 1, false),
        (3 * PATH, false),
    ] {
        let name = format!("file-{size}");
        let file = installed.dir().join(&name);
        fs::write(&file, "").unwrap();
        let start = installed.dir().to_str().unwrap();
        // Slashes are one, however many.
        let asked = format!("{start}{}{name}", "/".repeat(size - start.len() - name.len()));
        assert_eq!(asked.len(), size);
        assert_eq!(fs::File::open(&asked).is_ok(), taken, "{size}");
        let event = open_of(&agent, &asked);
        let told = event["file"]["requested_path"].as_str().unwrap();
        let cut = has_note(&event["file"]["notes"], "requested_truncated");
        if taken {
            assert_eq!(told, asked);
            assert!(!cut, "{size}: {event}");
            assert_eq!(event["file"]["path"], *file.to_str().unwrap());
        } else {
            assert_eq!(event["syscall"]["error"], "ENAMETOOLONG", "{event}");
            assert!(cut, "{size}: {event}");
            assert!(event["file"].get("path").is_none(), "{event}");
        }
    }
}

/// Directories one in the other, made from the inside: their paths may be longer than any call takes.
struct Nest {
    /// Each with the path that it would have.
    levels: Vec<(OwnedFd, String)>,
}

impl Nest {
    fn make(start: &Path, name: &str, depth: usize) -> Self {
        let mut path = start.to_str().unwrap().to_owned();
        let mut levels: Vec<(OwnedFd, String)> =
            vec![(open(start, OFlag::O_DIRECTORY, Mode::empty()).unwrap(), path.clone())];
        for _ in 0..depth {
            let (above, _) = levels.last().unwrap();
            mkdirat(above, name, Mode::S_IRWXU).unwrap();
            let level = openat(above, name, OFlag::O_DIRECTORY, Mode::empty()).unwrap();
            path = format!("{path}/{name}");
            levels.push((level, path.clone()));
        }
        Self { levels }
    }
}

/// Whether a path that was told is the whole, or else its end and said to be cut. Gives whether it is the whole.
fn assert_whole_or_flagged(told: &Value, notes: &Value, real: &str) -> bool {
    let told = told.as_str().unwrap();
    if has_note(notes, "truncated") {
        assert!(!told.starts_with('/'), "{told} begins in the middle");
        assert!(real.ends_with(&format!("/{told}")), "{told} is no end of {real}");
        let (components, bytes) = (told.split('/').count(), told.len());
        assert!(
            components >= 90 || bytes + 256 > PATH,
            "cut at {components} components and {bytes} bytes for no reason"
        );
        false
    } else {
        assert_eq!(told, real, "{notes}");
        // The tests run on threads, so a request that starts from a directory by its descriptor may be unconfirmed.
        let others = notes.as_array().map(Vec::as_slice).unwrap_or_default();
        assert!(others.iter().all(|note| note == "unconfirmed"), "{notes}");
        true
    }
}

#[test]
fn paths_too_deep_or_too_long_are_flagged_and_all_others_whole() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed.run(["--events", "process,file"]).unwrap();
    for (name, depth) in [("d".to_owned(), 130), ("n".repeat(255), 20), ("m".repeat(60), 80)] {
        let nest = Nest::make(installed.dir(), &name, depth);
        let mut whole = Vec::new();
        for (level, (directory, path)) in nest.levels.iter().enumerate() {
            let leaf = format!("leaf-{}-{level}", name.len());
            drop(openat(directory, &*leaf, OFlag::O_CREAT | OFlag::O_WRONLY, Mode::S_IRUSR).unwrap());
            let event = open_of(&agent, &leaf);
            let real = format!("{path}/{leaf}");
            whole.push(assert_whole_or_flagged(
                &event["file"]["path"],
                &event["file"]["notes"],
                &real,
            ));
        }
        let shown = whole.iter().take_while(|whole| **whole).count();
        assert!(
            shown > 10 && shown < whole.len() && !whole[shown..].contains(&true),
            "up to a depth, which is {shown} of {}",
            whole.len()
        );

        // A program and a working directory down there.
        let (_, deepest) = nest
            .levels
            .iter()
            .rfind(|(_, path)| path.len() + "/busybox".len() < PATH)
            .unwrap();
        let program = format!("{deepest}/busybox");
        fs::copy(busybox(), &program).unwrap();
        let event = exec_of(&agent, Command::new(&program).arg("true").current_dir(deepest));
        let process = &event["process"];
        let exe = assert_whole_or_flagged(&process["exe"], &process["exe_notes"], &program);
        let cwd = assert_whole_or_flagged(&process["cwd"], &process["cwd_notes"], deepest);
        if name.len() == 1 {
            assert!(!exe && !cwd, "{event}");
        }
    }
}
