//! What the kernel side takes is computed right: compared with what bpftool says that the kernel allocated.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use pinhole::capture::memory::Estimate;
use serde_json::Value;

use crate::event::agent;
use crate::lab::agent::{Agent, Installed};
use crate::lab::{tool, turn::Turn};

/// What the computation may be off by: heads of maps, and what the allocator rounds up.
const TOLERANCE: u64 = 8192;

#[test]
fn the_kernel_allocates_what_was_computed() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    for (ring, bytes, processes) in [("1MiB", 1 << 20, 4096), ("8MiB", 8 << 20, 40_000)] {
        let agent = installed
            .run([
                format!("--capture-ring-size={ring}"),
                format!("--capture-processes={processes}"),
            ])
            .unwrap();
        let computed = Estimate::here(bytes, processes).unwrap();
        let real = maps_of(&agent);
        for (name, real) in &real {
            let computed = computed.maps.get(name).copied().unwrap_or_default();
            assert!(
                computed.abs_diff(*real) <= TOLERANCE + real / 100,
                "{name}: computed {computed}, bpftool says {real}"
            );
        }
        let missing: Vec<&String> = computed.maps.keys().filter(|name| !real.contains_key(*name)).collect();
        assert!(missing.is_empty(), "computed and not there: {missing:?} in {real:?}");
        agent.stop().unwrap();
    }
}

/// `bytes_memlock` of every map that the agent holds, by name.
fn maps_of(agent: &Agent<'_>) -> BTreeMap<String, u64> {
    let fds = fs::read_dir(format!("/proc/{}/fdinfo", agent.pid())).unwrap();
    let ids = fds.filter_map(|entry| {
        let text = fs::read_to_string(entry.unwrap().path()).ok()?;
        let id = text.lines().find_map(|line| line.strip_prefix("map_id:"))?;
        Some(id.trim().to_owned())
    });
    let bpftool = tool::find("bpftool", "bpftool").unwrap();
    ids.collect::<std::collections::BTreeSet<String>>()
        .into_iter()
        .map(|id| {
            let output = tool::run(Command::new(&bpftool).args(["-j", "map", "show", "id", &id])).unwrap();
            let map: Value = serde_json::from_slice(&output.stdout).unwrap();
            let name = map["name"].as_str().unwrap().to_owned();
            (name, map["bytes_memlock"].as_u64().unwrap())
        })
        .collect()
}
