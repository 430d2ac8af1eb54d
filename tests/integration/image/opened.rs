//! An image as a runtime reads it from its archive.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::lab::agent_image::AgentImage;
use crate::lab::place::Place;
use crate::lab::tool;

/// One entry of a layer.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) kind: tar::EntryType,
    pub(super) mode: u32,
    pub(super) owner: (u64, u64),
    pub(super) modified: u64,
    pub(super) attributes: BTreeMap<String, Vec<u8>>,
    pub(super) data: Vec<u8>,
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
pub(super) struct Opened {
    pub(super) config: Value,
    /// How many bytes a node fetches.
    pub(super) fetched: usize,
    pub(super) layer: Vec<(String, Entry)>,
}

impl Opened {
    pub(super) fn read(image: &AgentImage) -> Self {
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

    pub(super) fn entry(&self, name: &str) -> &Entry {
        &self.layer.iter().find(|(found, _)| found == name).unwrap().1
    }

    pub(super) fn text(&self, name: &str) -> &str {
        std::str::from_utf8(&self.entry(name).data).unwrap()
    }
}
