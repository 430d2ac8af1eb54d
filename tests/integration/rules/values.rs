//! What rules are told of an executable, a session and a process group is what other system calls tell of them.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::event::{agent, assert_nothing_dropped};
use crate::lab::agent::Installed;
use crate::lab::tool;
use crate::lab::turn::Turn;

/// Whom nobody knows here.
const NOBODY: u32 = 65534;

fn rules(program: &Path) -> String {
    format!(
        r#"
- rule: Ran
  desc: The program of this test was executed.
  condition: evt.type=execve and proc.exepath={}
  output: >
    %proc.args %proc.ppid %proc.pid.ts %evt.arg.flags %proc.is_exe_writable %proc.exe_ino %proc.exe_ino.ctime %proc.exe_ino.mtime
    %proc.exe_ino.ctime_duration_proc_start %proc.sid %proc.sname %proc.sid.exe %proc.sid.exepath %proc.pgid %proc.pgid.name
    %proc.is_sid_leader %proc.is_pgid_leader %proc.vpgid %proc.pidns_init_start_ts %container.start_ts
  priority: NOTICE
"#,
        program.display()
    )
}

fn number(fields: &Value, name: &str) -> i64 {
    fields[name].as_i64().unwrap_or_else(|| panic!("{name}: {fields}"))
}

/// The words but that for the layer: where this machine keeps its files is its own business.
fn flags(fields: &Value) -> Vec<&str> {
    let words = fields["evt.arg.flags"].as_str().unwrap().split('|');
    words.filter(|word| !word.ends_with("_LAYER") && *word != "0").collect()
}

#[test]
fn an_executable_and_its_session_are_told_as_the_kernel_has_them() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let (rules_file, program) = (installed.dir().join("rules.yaml"), installed.dir().join("values"));
    tool::copy_program(&tool::find("true", "coreutils").unwrap(), &program).unwrap();
    fs::write(&rules_file, rules(&program)).unwrap();
    let running = installed
        .run(["--rules", rules_file.to_str().unwrap(), "--rules-matching", "all"])
        .unwrap();
    let told = |command: &mut Command, argument: &str| {
        tool::run(command).unwrap();
        let alert = running.wait_for(argument, |event| event["output_fields"]["proc.args"] == argument);
        alert.unwrap()
    };

    // sh leads a session and a group of its own; what it starts is in both.
    let line = format!("{} in-a-session; exit 0", program.display());
    let mut command = Command::new("setsid");
    command.args(["--wait", "/bin/sh", "-c", &line]);
    let alert = told(&mut command, "in-a-session");
    let fields = &alert["output_fields"];
    let file = fs::metadata(&program).unwrap();
    assert_eq!(
        number(fields, "proc.exe_ino"),
        i64::try_from(file.ino()).unwrap(),
        "{fields}"
    );
    let ctime = file.ctime() * 1_000_000_000 + file.ctime_nsec();
    assert_eq!(number(fields, "proc.exe_ino.ctime"), ctime, "{fields}");
    let mtime = file.mtime() * 1_000_000_000 + file.mtime_nsec();
    assert_eq!(number(fields, "proc.exe_ino.mtime"), mtime, "{fields}");
    let (age, started) = (
        number(fields, "proc.exe_ino.ctime_duration_proc_start"),
        number(fields, "proc.pid.ts"),
    );
    assert_eq!(started - age, ctime, "{fields}");
    assert!(age > 0, "{fields}");
    assert_eq!(flags(fields), ["EXE_WRITABLE"], "{fields}");
    assert_eq!(fields["proc.is_exe_writable"], true, "{fields}");

    assert_eq!(fields["proc.sid"], fields["proc.ppid"], "{fields}");
    assert_eq!(fields["proc.pgid"], fields["proc.ppid"], "{fields}");
    assert_eq!(fields["proc.sname"], "sh", "{fields}");
    assert_eq!(fields["proc.sid.exe"], "/bin/sh", "{fields}");
    assert_eq!(fields["proc.pgid.name"], "sh", "{fields}");
    assert!(
        fields["proc.sid.exepath"].as_str().unwrap().starts_with('/'),
        "{fields}"
    );
    assert_eq!(fields["proc.is_sid_leader"], false, "{fields}");
    assert_eq!(fields["proc.is_pgid_leader"], false, "{fields}");
    assert!(number(fields, "proc.vpgid") > 0, "{fields}");
    assert!(number(fields, "proc.pidns_init_start_ts") < started, "{fields}");
    assert!(fields["container.start_ts"].is_null(), "{fields}");
    assert!(alert["pinhole"].get("missing").is_none(), "{alert}");

    // In a group of its own, which is the first thing in a PID namespace that it is not the first of.
    let line = format!("{} in-a-namespace; exit 0", program.display());
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "setsid", "--wait", "/bin/sh", "-c", &line]);
    let alert = told(&mut command, "in-a-namespace");
    let fields = &alert["output_fields"];
    let vpgid = number(fields, "proc.vpgid");
    assert!((1..10).contains(&vpgid), "{fields}");
    assert!(number(fields, "proc.pgid") > vpgid, "{fields}");
    let first = number(fields, "proc.pidns_init_start_ts");
    assert!(first > ctime && first < number(fields, "proc.pid.ts"), "{fields}");

    // Somebody who neither owns it nor may overrule its owner, before and after it is everybody's.
    for (mode, wanted) in [(0o755, &[][..]), (0o757, &["EXE_WRITABLE"][..])] {
        fs::set_permissions(&program, Permissions::from_mode(mode)).unwrap();
        let argument = format!("by-nobody-{mode:o}");
        let mut command = Command::new(&program);
        command.arg(&argument).uid(NOBODY).gid(NOBODY).process_group(0);
        let alert = told(&mut command, &argument);
        let fields = &alert["output_fields"];
        assert_eq!(flags(fields), wanted, "{fields}");
        assert_eq!(fields["proc.is_exe_writable"], !wanted.is_empty(), "{fields}");
        assert_eq!(fields["proc.is_pgid_leader"], true, "{fields}");
        assert_eq!(fields["proc.pgid.name"], "values", "{fields}");
    }
    let stopped = running.stop().unwrap();
    assert!(stopped.status.success(), "{}\n{}", stopped.status, stopped.stderr);
    assert_nothing_dropped(&stopped);
}
