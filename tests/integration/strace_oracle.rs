//! What the agent tells about a program is what strace saw of the same run: executed files and their arguments, opened
//! paths, flags, results, destinations.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::path::Path;

use serde_json::Value;

use crate::event::{agent, is_call, is_exec};
use crate::lab::agent::Installed;
use crate::lab::strace::{self, Call};
use crate::lab::tool;
use crate::lab::turn::Turn;

/// An observation in a form that both sides can be brought into.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Exec {
        file: String,
        args: Vec<String>,
    },
    Open {
        path: String,
        flags: BTreeSet<String>,
        ret: Result<i64, String>,
    },
    Connect {
        to: String,
        ret: Result<i64, String>,
    },
}

/// The same program seen twice: by strace, and by the agent, as events of the process ids that strace names.
fn compare(script: &str) -> Vec<Seen> {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let busybox = tool::find("busybox", "busybox-static").unwrap();
    let busybox = busybox.to_str().unwrap();
    let agent = installed.run(["--events", "process,file,network"]).unwrap();
    let trace = installed.dir().join("strace");
    let marker = format!("end-{}", std::process::id());
    let script = script.replace("busybox", busybox) + "\n" + &format!("{busybox} true {marker}\n");
    let (calls, output) = strace::trace("execve,openat,connect", &trace, &[busybox, "sh", "-c", &script]).unwrap();
    assert!(output.status.success(), "{output:?}");
    agent
        .wait_for("the script's last command", |event| {
            is_exec(event, &[busybox, "true", &marker])
        })
        .unwrap();
    let events = agent.stop().unwrap().events;

    let pids: BTreeSet<i64> = calls.iter().map(|call| call.pid).collect();
    let mut all = Vec::new();
    for pid in pids {
        let by_strace: Vec<Seen> = calls
            .iter()
            .filter(|call| call.pid == pid)
            .filter_map(seen_by_strace)
            .collect();
        let by_agent: Vec<Seen> = events
            .iter()
            .filter(|event| event["process"]["tid"].as_i64() == Some(pid))
            .filter_map(seen_by_agent)
            .collect();
        // strace itself forks the first process, which is that process's only event before its first exec.
        assert_eq!(
            by_agent,
            by_strace,
            "of process {pid}; strace:\n{}",
            fs::read_to_string(&trace).unwrap()
        );
        all.extend(by_strace);
    }
    all
}

fn seen_by_strace(call: &Call) -> Option<Seen> {
    let ret = match &call.error {
        None => Ok(call.ret),
        Some(error) => Err(error.clone()),
    };
    match &*call.name {
        // An exec that failed executed nothing, so there is no event of it.
        "execve" => ret.is_ok().then(|| Seen::Exec {
            file: resolved(&call.string(0).unwrap()),
            args: call.strings(1).unwrap(),
        }),
        "openat" => Some(Seen::Open {
            path: call.string(1).unwrap(),
            flags: words(&call.args[2]),
            ret,
        }),
        "connect" => Some(Seen::Connect {
            to: destination(&call.args[1]),
            ret,
        }),
        other => panic!("not asked for: {other}"),
    }
}

fn seen_by_agent(event: &Value) -> Option<Seen> {
    let ret = || match event["syscall"]["error"].as_str() {
        None => Ok(event["syscall"]["ret"]
            .as_i64()
            .unwrap_or_else(|| panic!("no result: {event}"))),
        Some(error) => Err(error.to_owned()),
    };
    let text = |value: &Value| {
        value
            .as_str()
            .unwrap_or_else(|| panic!("no text where wanted: {event}"))
            .to_owned()
    };
    if event["type"] == "process_exec" {
        let args = event["process"]["args"].as_array().unwrap();
        return Some(Seen::Exec {
            file: text(&event["process"]["exe"]),
            args: args.iter().map(text).collect(),
        });
    }
    if is_call(event, "openat") {
        if ret().is_ok() {
            // Resolved in the kernel: compared with what the file system says about the name asked for.
            let (asked, found) = (text(&event["file"]["requested_path"]), text(&event["file"]["path"]));
            let cwd = text(&event["process"]["cwd"]);
            let expected = fs::canonicalize(Path::new(&cwd).join(&asked)).unwrap();
            assert_eq!(Path::new(&found), expected, "{event}");
        }
        return Some(Seen::Open {
            path: text(&event["file"]["requested_path"]),
            flags: words(&text(&event["file"]["flags"])),
            ret: ret(),
        });
    }
    if is_call(event, "connect") {
        let to = &event["network"]["destination"];
        let to = match to["path"].as_str() {
            Some(path) => format!("unix {path}"),
            None => format!("ip {} {}", text(&to["address"]), to["port"]),
        };
        return Some(Seen::Connect { to, ret: ret() });
    }
    None
}

fn resolved(path: &str) -> String {
    fs::canonicalize(path).unwrap().to_string_lossy().into_owned()
}

fn words(flags: &str) -> BTreeSet<String> {
    flags.split('|').map(str::to_owned).collect()
}

/// From `{sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}` and its like.
fn destination(address: &str) -> String {
    let between = |start: &str, end: &str| {
        let (_, rest) = address.split_once(start)?;
        Some(rest.split_once(end)?.0.to_owned())
    };
    if let Some(path) = between("sun_path=\"", "\"") {
        return format!("unix {path}");
    }
    let port = between("_port=htons(", ")").unwrap_or_else(|| panic!("not understood: {address}"));
    let host = between("inet_addr(\"", "\"").or_else(|| between("inet_pton(AF_INET6, \"", "\""));
    format!(
        "ip {} {port}",
        host.unwrap_or_else(|| panic!("not understood: {address}"))
    )
}

#[test]
fn executed_programs_are_what_strace_saw() {
    let seen = compare(
        "busybox echo 'two words' '' \"$(printf 'a\\tb')\" >/dev/null
         busybox sh -c 'busybox true inner; exit 0' name first second
         busybox no-such-applet 2>/dev/null
         /no/such/program 2>/dev/null
         true",
    );
    let execs = seen.iter().filter(|one| matches!(one, Seen::Exec { .. })).count();
    assert!(execs >= 6, "{seen:#?}");
    let odd = ["echo", "two words", "", "a\tb"];
    assert!(
        seen.iter()
            .any(|one| matches!(one, Seen::Exec { args, .. } if args[1..] == odd)),
        "{seen:#?}"
    );
}

#[test]
fn opened_files_are_what_strace_saw() {
    let seen = compare(
        "cd /tmp
         busybox cat /etc/hostname /proc/version >/dev/null
         busybox cat /no/such/file 2>/dev/null
         busybox cat ./../etc/hostname >/dev/null
         cd /etc; busybox cat hostname >/dev/null
         busybox cat /etc/hostname/below 2>/dev/null
         echo x >/dev/null",
    );
    let opens: Vec<&Seen> = seen.iter().filter(|one| matches!(one, Seen::Open { .. })).collect();
    let failed = |error: &str| {
        opens
            .iter()
            .any(|one| matches!(one, Seen::Open { ret: Err(found), .. } if found == error))
    };
    assert!(failed("ENOENT") && failed("ENOTDIR"), "{opens:#?}");
    let relative = |wanted: &str| {
        opens
            .iter()
            .any(|one| matches!(one, Seen::Open { path, .. } if path == wanted))
    };
    assert!(relative("./../etc/hostname") && relative("hostname"), "{opens:#?}");
    assert!(
        opens
            .iter()
            .any(|one| matches!(one, Seen::Open { flags, .. } if flags.contains("O_CREAT"))),
        "{opens:#?}"
    );
}

#[test]
fn connections_are_what_strace_saw() {
    let four = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let six = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).unwrap();
    let (four_port, six_port) = (four.local_addr().unwrap().port(), six.local_addr().unwrap().port());
    // Bound and closed again: nobody listens there.
    let refused = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let closer = std::thread::spawn(move || {
        drop(four.accept());
        drop(six.accept());
    });
    let seen = compare(&format!(
        "busybox nc -w 2 127.0.0.1 {four_port} </dev/null
         busybox nc -w 2 ::1 {six_port} </dev/null
         busybox nc -w 2 127.0.0.1 {refused} </dev/null 2>/dev/null
         busybox nc local:/no/such/socket </dev/null 2>/dev/null
         true"
    ));
    closer.join().unwrap();
    let connected = |wanted: &str| {
        seen.iter().find_map(|one| match one {
            Seen::Connect { to, ret } if to == wanted => Some(ret.clone()),
            _ => None,
        })
    };
    assert_eq!(
        connected(&format!("ip 127.0.0.1 {four_port}")),
        Some(Ok(0)),
        "{seen:#?}"
    );
    assert_eq!(connected(&format!("ip ::1 {six_port}")), Some(Ok(0)), "{seen:#?}");
    let refused = connected(&format!("ip 127.0.0.1 {refused}"));
    assert_eq!(refused, Some(Err("ECONNREFUSED".to_owned())), "{seen:#?}");
}
