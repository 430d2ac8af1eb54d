//! What `image/build` makes, and that real runtimes run it.

mod opened;
mod runs;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use serde_json::{Value, json};

use crate::event::agent;
use crate::lab::agent_image::{agent_image, build_in, project};
use crate::lab::place::Place;
use crate::lab::tool;
use opened::Opened;

/// The promise of its size, in bytes: what a node fetches.
const LIMIT: usize = 20_000_000;
/// What it unpacks, of the development build, which is hardly optimised and more than twice as large as a release.
const UNPACKED: usize = 32_000_000;
/// `XATTR_NAME_CAPS` as the extended attribute of a tar entry, by the convention of Jörg Schilling's star that Docker's
/// layers took over (OCI image specification, layer.md, "Change Types": xattrs).
const CAPABILITIES: &str = "SCHILY.xattr.security.capability";

fn opened() -> Opened {
    Opened::read(&agent_image(agent()).unwrap())
}

#[test]
fn the_image_holds_what_it_declares_and_nothing_else() {
    let image = opened();
    let held: Vec<_> = image
        .layer
        .iter()
        .map(|(name, entry)| (&**name, entry.mode & 0o7777))
        .collect();
    assert_eq!(
        held,
        [
            ("LICENSE", 0o644),
            ("LICENSE-GPL", 0o644),
            ("THIRD-PARTY", 0o644),
            ("agent", 0o755),
            ("sbom.cdx.json", 0o644),
        ]
    );
    let created = image.entry("agent").modified;
    for (name, entry) in &image.layer {
        assert!(entry.kind.is_file(), "{name}: {:?}", entry.kind);
        assert_eq!((entry.owner, entry.modified), ((0, 0), created), "{name}");
        let attributes: Vec<_> = entry.attributes.keys().collect();
        let expected: &[&str] = if name == "agent" { &[CAPABILITIES] } else { &[] };
        assert_eq!(attributes, expected, "{name}");
    }
    // No interpreter is named, so nothing else is needed to start it.
    let place = Place::new().unwrap();
    let binary = place.path().join("agent");
    fs::write(&binary, &image.entry("agent").data).unwrap();
    let headers = tool::run(Command::new("readelf").arg("--program-headers").arg(&binary)).unwrap();
    let headers = String::from_utf8_lossy(&headers.stdout).into_owned();
    assert!(headers.contains("LOAD") && !headers.contains("INTERP"), "{headers}");
    for license in ["LICENSE", "ebpf/LICENSE"].map(|name| fs::read_to_string(project().join(name)).unwrap()) {
        assert!([image.text("LICENSE"), image.text("LICENSE-GPL")].contains(&&*license));
    }
    let unpacked: usize = image.layer.iter().map(|(_, entry)| entry.data.len()).sum();
    assert!(
        image.fetched < LIMIT && unpacked < UNPACKED,
        "{} fetched, {unpacked} unpacked",
        image.fetched
    );
}

/// `struct vfs_cap_data` of include/uapi/linux/capability.h, decoded by hand because the library that reads it on a file
/// is the one that wrote it.
#[test]
fn the_binary_is_permitted_two_capabilities_and_starts_without_them() {
    let image = opened();
    let attribute = &image.entry("agent").attributes[CAPABILITIES];
    let words: Vec<u32> = attribute
        .chunks(4)
        .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
        .collect();
    let [magic, permitted_low, inheritable_low, permitted_high, inheritable_high] = words[..] else {
        panic!("{attribute:?}");
    };
    // VFS_CAP_REVISION_2, which no user namespace owns; VFS_CAP_FLAGS_EFFECTIVE, the lowest bit, is not set.
    assert_eq!(magic, 0x0200_0000);
    assert_eq!((inheritable_low, inheritable_high), (0, 0));
    let (perfmon, bpf) = (38, 39);
    let permitted = u64::from(permitted_high) << 32 | u64::from(permitted_low);
    assert_eq!(permitted, 1 << perfmon | 1 << bpf);
}

#[test]
fn the_configuration_is_that_of_the_agent() {
    let image = opened();
    let config = &image.config["config"];
    assert_eq!(image.config["os"], "linux");
    assert_eq!(config["User"], "65532:65532", "{config}");
    assert_eq!(config["Entrypoint"], json!(["/agent"]), "{config}");
    assert_eq!(config["Cmd"], json!(["run"]), "{config}");
    assert_eq!(config["ExposedPorts"], json!({"9467/tcp": {}}), "{config}");
    assert!(
        config.get("Env").is_none() && config.get("Volumes").is_none(),
        "{config}"
    );
    let labels = config["Labels"].as_object().unwrap();
    let label = |name: &str| labels[&format!("org.opencontainers.image.{name}")].as_str().unwrap();
    assert_eq!(labels.len(), 6, "{labels:?}");
    assert_eq!(label("title"), "pinhole-agent");
    assert_eq!(label("version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(label("licenses"), env!("CARGO_PKG_LICENSE"));
    assert_eq!(label("description"), env!("CARGO_PKG_DESCRIPTION"));
    assert_eq!(label("created"), image.config["created"]);
    assert!(label("revision").len() >= 40, "{labels:?}");
}

/// The list of parts against what cargo locked, which did not make it; the notices against the list.
#[test]
fn every_linked_part_is_listed_and_has_its_notice() {
    let image = opened();
    let list: Value = serde_json::from_str(image.text("sbom.cdx.json")).unwrap();
    assert_eq!(
        (&list["bomFormat"], &list["specVersion"]),
        (&json!("CycloneDX"), &json!("1.5"))
    );
    assert_eq!(list["metadata"]["component"]["name"], "agent");
    let parts = list["components"].as_array().unwrap();
    let known: BTreeSet<&str> = parts.iter().filter_map(|part| part["bom-ref"].as_str()).collect();
    let lock = fs::read_to_string(project().join("Cargo.lock")).unwrap();
    let mut linked = BTreeSet::new();
    for part in parts {
        let (name, version) = (part["name"].as_str().unwrap(), part["version"].as_str().unwrap());
        if part["scope"] == "required" {
            linked.insert((name, version));
        } else {
            assert_eq!(part["scope"], "excluded", "{part}");
        }
        assert!(part["licenses"][0]["expression"].is_string(), "{part}");
        if !["glibc", "rust-std"].contains(&name) {
            let locked = lock
                .split("[[package]]")
                .find(|package| package.contains(&format!("\nname = \"{name}\"\nversion = \"{version}\"\n")))
                .unwrap_or_else(|| panic!("not locked: {part}"));
            // A part of this project has no archive that could have a sum.
            if !name.starts_with("pinhole-") {
                let sum = part["hashes"][0]["content"].as_str().unwrap();
                assert!(locked.contains(&format!("checksum = \"{sum}\"")), "{part}\n{locked}");
            }
        }
    }
    for dependency in list["dependencies"].as_array().unwrap() {
        for name in dependency["dependsOn"].as_array().into_iter().flatten() {
            assert!(
                known.contains(name.as_str().unwrap()),
                "{name} of {dependency} is no part"
            );
        }
    }
    // What Cargo.toml asks for, all of it linked.
    let manifest = fs::read_to_string(project().join("Cargo.toml")).unwrap();
    let wanted = manifest
        .split("\n[")
        .find(|table| table.starts_with("dependencies]"))
        .unwrap();
    let wanted = wanted
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name);
    let wanted: Vec<&str> = wanted.filter(|name| !name.starts_with('#')).collect();
    assert!(wanted.len() > 20, "{wanted:?}");
    for name in wanted {
        assert!(
            linked.iter().any(|(found, _)| *found == name),
            "{name} is not in the list"
        );
    }

    let notices = image.text("THIRD-PARTY");
    let (table, texts) = notices.split_once("\n=====").unwrap();
    for (name, version) in linked.iter().filter(|(name, _)| !["glibc", "rust-std"].contains(name)) {
        assert!(
            table.contains(&format!("\n{name} {version}: ")),
            "{name} is not in the table"
        );
        let heading = |line: &str| line.starts_with("Of ") && line.contains(&format!(" {name} {version}"));
        assert!(texts.lines().any(heading), "{name} has no notice");
    }
    assert!(texts.contains("GNU LESSER GENERAL PUBLIC LICENSE") && texts.contains("The Rust Project"));
    // Nor does the machine that built it show.
    for text in [notices, image.text("sbom.cdx.json")] {
        assert!(!text.contains(&*project().to_string_lossy()) && !text.contains("/tmp/"));
    }
}

/// Another directory, another time zone, a moment later; what says when and of which commit is given.
#[test]
fn the_same_binary_gives_the_same_image_elsewhere() {
    let (here, there) = (Place::new().unwrap(), Place::new().unwrap());
    let copy = there.subdir("project").unwrap();
    there.subdir("project/ebpf").unwrap();
    for name in ["src", "tests", "examples"] {
        symlink(project().join(name), copy.join(name)).unwrap();
    }
    for name in ["Cargo.toml", "Cargo.lock", "LICENSE", "build.rs", "ebpf/LICENSE"] {
        fs::copy(project().join(name), copy.join(name)).unwrap();
    }
    for folder in ["image", "crates"] {
        let folders = [project().join(folder), copy.join(folder)];
        tool::run(Command::new("cp").arg("-R").args(folders)).unwrap();
    }

    let revision = "0123456789abcdef0123456789abcdef01234567";
    let path = format!(
        "{}:{}",
        std::env::var("PATH").unwrap(),
        project().join(".tools/bin").display()
    );
    let given = [
        ("SOURCE_DATE_EPOCH", "1700000000"),
        ("REVISION", revision),
        ("PATH", &path),
    ];
    let first = build_in(project(), agent(), &here.subdir("out").unwrap(), &given).unwrap();
    let elsewhere = [&given[..], &[("TZ", "Asia/Kolkata"), ("LC_ALL", "C.UTF-8")]].concat();
    let second = build_in(&copy, agent(), &there.subdir("out").unwrap(), &elsewhere).unwrap();
    assert!(first.digest.starts_with("sha256:"), "{}", first.said);
    assert_eq!(first.said, second.said);
    assert!(fs::read(&first.archive).unwrap() == fs::read(&second.archive).unwrap());

    let image = Opened::read(&first);
    assert_eq!(image.config["created"], "2023-11-14T22:13:20Z");
    assert_eq!(
        image.config["config"]["Labels"]["org.opencontainers.image.revision"],
        revision
    );
    assert_eq!(image.entry("agent").modified, 1_700_000_000);
}
