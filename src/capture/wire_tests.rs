//! The two declarations of the wire format agree. The oracle is bpftool's reading of the object's own BTF.

use std::process::Command;

use serde_json::Value;

use super::layouts;
use crate::capture::hook::Hook;
use crate::capture::prefilter;

/// The types of the compiled object, as bpftool sees them.
fn object_types() -> Vec<Value> {
    let output = Command::new("bpftool")
        .args([
            "--json",
            "btf",
            "dump",
            "file",
            concat!(env!("OUT_DIR"), "/agent.bpf.o"),
            "format",
            "raw",
        ])
        .output()
        .expect("bpftool runs (Debian package bpftool)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let dump: Value = serde_json::from_slice(&output.stdout).unwrap();
    dump["types"].as_array().unwrap().clone()
}

fn named<'a>(types: &'a [Value], kind: &str, name: &str) -> &'a Value {
    types
        .iter()
        .find(|entry| entry["kind"] == kind && entry["name"] == name)
        .unwrap_or_else(|| panic!("{kind} {name} is not in the object"))
}

/// What was recorded is read by later builds: a change of the layout is a new version.
#[test]
fn a_change_of_the_layout_raises_the_version() {
    let text = format!("{:?}", layouts());
    let sum = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    assert_eq!(
        (super::VERSION, sum),
        (2, 13_416_190_976_291_887_017),
        "raise wire::VERSION, and put the new sum here"
    );
}

#[test]
fn structures_agree_in_names_offsets_and_sizes() {
    let types = object_types();
    let layouts = [layouts(), prefilter::layouts()].concat();
    assert_eq!(layouts.len(), 16);
    for (name, size, fields) in layouts {
        let entry = named(&types, "STRUCT", name);
        assert_eq!(entry["size"].as_u64(), Some(size as u64), "size of {name}");
        let members: Vec<(String, usize)> = entry["members"]
            .as_array()
            .unwrap()
            .iter()
            .map(|member| {
                (
                    member["name"].as_str().unwrap().to_owned(),
                    member["bits_offset"].as_u64().unwrap() as usize / 8,
                )
            })
            .collect();
        let ours: Vec<(String, usize)> = fields
            .iter()
            .map(|(field, offset)| ((*field).to_owned(), *offset))
            .collect();
        assert_eq!(members, ours, "fields of {name}");
    }
}

/// Enumerations are compared by their source, because unused ones leave no trace in BTF.
#[test]
fn hooks_and_limits_agree() {
    let header = include_str!("../../ebpf/include/record.h");
    let hooks: Vec<&str> = header
        .split("enum hook {")
        .nth(1)
        .and_then(|rest| rest.split("};").next())
        .unwrap()
        .lines()
        .map(str::trim)
        .filter_map(|line| line.strip_prefix("HOOK_")?.strip_suffix(','))
        .collect();
    let mut ours: Vec<String> = Hook::all()
        .filter(|hook| hook.call().is_none())
        .map(|hook| hook.name().to_uppercase())
        .collect();
    ours.push("CALLS".to_owned());
    assert_eq!(hooks, ours);
    assert!(header.contains(&format!("\tHOOKS = {},", crate::capture::hook::ROOM)));
    for (name, value) in [
        ("ARGS_LIMIT", super::ARGS_LIMIT),
        ("PATH_LIMIT", super::PATH_LIMIT),
        ("ANCESTORS", super::ANCESTORS),
        ("COMM_SIZE", super::COMM_SIZE),
        ("TTY_SIZE", super::TTY_SIZE),
    ] {
        assert!(
            header.contains(&format!("#define {name} {value}\n")),
            "{name} is {value} on both sides"
        );
    }
    for (name, value) in [
        ("PATH_TRUNCATED", super::path_flag::TRUNCATED),
        ("PATH_DELETED", super::path_flag::DELETED),
        ("PATH_OUTSIDE_ROOT", super::path_flag::OUTSIDE_ROOT),
        ("PATH_PSEUDO", super::path_flag::PSEUDO),
        ("PATH_UNREADABLE", super::path_flag::UNREADABLE),
        ("PATH_SHARED", super::path_flag::SHARED),
        ("RECORD_ARGS_TRUNCATED", super::record_flag::ARGS_TRUNCATED),
        ("RECORD_ARGS_UNREADABLE", super::record_flag::ARGS_UNREADABLE),
        ("RECORD_PART_UNREADABLE", super::record_flag::PART_UNREADABLE),
        ("RECORD_PART_TRUNCATED", super::record_flag::PART_TRUNCATED),
        ("RECORD_NO_MEMORY", super::record_flag::NO_MEMORY),
        ("RECORD_ANCESTORS_TRUNCATED", super::record_flag::ANCESTORS_TRUNCATED),
        ("RECORD_EXE_UPPER_LAYER", super::record_flag::EXE_UPPER_LAYER),
        ("RECORD_CGROUP_TRUNCATED", super::record_flag::CGROUP_TRUNCATED),
        ("RECORD_CGROUP_UNREADABLE", super::record_flag::CGROUP_UNREADABLE),
        ("RECORD_EXE_LOWER_LAYER", super::record_flag::EXE_LOWER_LAYER),
        ("RECORD_EXE_UNWRITABLE", super::record_flag::EXE_UNWRITABLE),
    ] {
        assert!(
            header.contains(&format!("\t{name} = {value},\n")),
            "{name} is {value} on both sides"
        );
    }
}
