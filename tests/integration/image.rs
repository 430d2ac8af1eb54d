//! What `image/build` makes, and that a real runtime runs it with what a pod of the agent is granted.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::event::agent;
use crate::lab::agent_image::{AgentImage, agent_image, build_in, project};
use crate::lab::place::Place;
use crate::lab::tool;

/// The promise of its size, in bytes: what a node fetches, and what it unpacks.
const LIMIT: usize = 20_000_000;
/// `XATTR_NAME_CAPS` as the extended attribute of a tar entry, by the convention of Jörg Schilling's star that Docker's
/// layers took over (OCI image specification, layer.md, "Change Types": xattrs).
const CAPABILITIES: &str = "SCHILY.xattr.security.capability";

/// One entry of a layer.
#[derive(Debug)]
struct Entry {
    kind: tar::EntryType,
    mode: u32,
    owner: (u64, u64),
    modified: u64,
    attributes: BTreeMap<String, Vec<u8>>,
    data: Vec<u8>,
}

/// What is in a tar file, by name, in its order.
fn entries(tar: &[u8]) -> Vec<(String, Entry)> {
    let mut archive = tar::Archive::new(tar);
    let read = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_string_lossy().into_owned();
        let mut attributes = BTreeMap::new();
        for extension in entry.pax_extensions().unwrap().into_iter().flatten() {
            let extension = extension.unwrap();
            attributes.insert(extension.key().unwrap().to_owned(), extension.value_bytes().to_vec());
        }
        let header = entry.header();
        let (kind, mode) = (header.entry_type(), header.mode().unwrap());
        let owner = (header.uid().unwrap(), header.gid().unwrap());
        let modified = header.mtime().unwrap();
        let mut data = Vec::new();
        entry.read_to_end(&mut data).unwrap();
        (
            name,
            Entry {
                kind,
                mode,
                owner,
                modified,
                attributes,
                data,
            },
        )
    });
    read.collect()
}

fn sha256(data: &[u8]) -> String {
    Sha256::digest(data).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unpack(gzip: &[u8]) -> Vec<u8> {
    let place = Place::new().unwrap();
    let file = place.path().join("layer.gz");
    fs::write(&file, gzip).unwrap();
    let unpacked = tool::run(Command::new("gzip").args(["--decompress", "--stdout"]).arg(&file));
    unpacked.unwrap().stdout
}

/// An image, read from its archive as a runtime does; every blob's digest is checked.
struct Opened {
    config: Value,
    /// How many bytes a node fetches.
    fetched: usize,
    layer: Vec<(String, Entry)>,
}

impl Opened {
    fn read(image: &AgentImage) -> Self {
        let files: BTreeMap<String, Entry> = entries(&fs::read(&image.archive).unwrap()).into_iter().collect();
        let json = |name: &str| serde_json::from_slice::<Value>(&files[name].data).unwrap();
        let blob = |descriptor: &Value| -> &[u8] {
            let hex = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
            let data = &files[&format!("blobs/sha256/{hex}")].data;
            assert_eq!(sha256(data), hex);
            assert_eq!(descriptor["size"], data.len());
            data
        };
        let index = json("index.json");
        assert_eq!(json("oci-layout"), json!({"imageLayoutVersion": "1.0.0"}));
        assert_eq!(index["manifests"].as_array().unwrap().len(), 1, "{index}");
        assert_eq!(index["manifests"][0]["digest"], *image.digest, "{index}");
        let manifest: Value = serde_json::from_slice(blob(&index["manifests"][0])).unwrap();
        let config: Value = serde_json::from_slice(blob(&manifest["config"])).unwrap();
        assert_eq!(manifest["layers"].as_array().unwrap().len(), 1, "{manifest}");
        let packed = blob(&manifest["layers"][0]);
        let layer = unpack(packed);
        let blobs = files
            .iter()
            .filter(|(name, file)| name.starts_with("blobs/") && file.kind.is_file());
        assert_eq!(
            blobs.count(),
            3,
            "manifest, configuration, layer, and nothing of a step in between"
        );
        assert_eq!(
            config["rootfs"]["diff_ids"],
            json!([format!("sha256:{}", sha256(&layer))])
        );
        Self {
            config,
            fetched: packed.len(),
            layer: entries(&layer),
        }
    }

    fn entry(&self, name: &str) -> &Entry {
        &self.layer.iter().find(|(found, _)| found == name).unwrap().1
    }

    fn text(&self, name: &str) -> &str {
        std::str::from_utf8(&self.entry(name).data).unwrap()
    }
}

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
        image.fetched < LIMIT && unpacked < LIMIT,
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
            let sum = part["hashes"][0]["content"].as_str().unwrap();
            assert!(locked.contains(&format!("checksum = \"{sum}\"")), "{part}\n{locked}");
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
