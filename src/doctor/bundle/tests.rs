use std::io::Read;

use serde_json::{Value, json};

use super::*;

const TIME: &str = "2026-01-02T03:04:05.678Z";

fn file(name: &'static str, bytes: usize) -> File {
    File {
        name,
        about: "something",
        bytes: vec![b'x'; bytes],
    }
}

fn pack(files: Vec<File>, max: u64) -> Bundle {
    Bundle::pack(files, Vec::new(), TIME, true, max).unwrap()
}

fn bytes(bundle: &Bundle) -> Vec<u8> {
    let mut out = Vec::new();
    bundle.write(&mut out).unwrap();
    out
}

#[test]
fn the_archive_holds_each_file_and_a_manifest_that_fits_them() {
    let bundle = pack(vec![file("report.json", 700), file("report.txt", 3)], MAX_BYTES);
    let written = bytes(&bundle);
    assert_eq!(written.len() as u64, bundle.size());
    let mut archive = tar::Archive::new(written.as_slice());
    let mut found = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let header = entry.header().clone();
        assert_eq!(
            (
                header.mode().unwrap(),
                header.uid().unwrap(),
                header.gid().unwrap(),
                header.mtime().unwrap()
            ),
            (0o600, 0, 0, 1_767_323_045)
        );
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        found.push((entry.path().unwrap().display().to_string(), content));
    }
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "pinhole-doctor/manifest.json",
            "pinhole-doctor/report.json",
            "pinhole-doctor/report.txt"
        ]
    );
    let manifest: Value = serde_json::from_slice(&found[0].1).unwrap();
    assert_eq!(
        manifest["files"][1],
        json!({
            "name": "report.txt", "about": "something", "bytes": 3,
            // printf xxx | sha256sum
            "sha256": "cd2eb0837c9b4c962c22d2ff8b5441b7b45805887f051d39bf133b583baf6860",
        })
    );
    assert_eq!(manifest["redacted"], true);
    assert_eq!(found[1].1, vec![b'x'; 700]);
}

#[test]
fn the_same_content_gives_the_same_bytes() {
    let bundle = || bytes(&pack(vec![file("a", 1000), file("b", 0)], MAX_BYTES));
    assert_eq!(bundle(), bundle());
}

#[test]
fn what_does_not_fit_is_left_out_and_said() {
    for max in [MIN_BYTES, 45_000, 100_000, MAX_BYTES] {
        let files = vec![file("large", 30_000), file("huge", 5 << 20), file("small", 100)];
        let bundle = pack(files, max);
        let written = bytes(&bundle).len() as u64;
        assert_eq!(written, bundle.size());
        assert!(written <= max, "{written} of {max}");
        let kept: Vec<&str> = bundle.files.iter().map(|file| file.name).collect();
        assert_eq!(kept.contains(&"large"), max > 40_000, "{max}: {kept:?}");
        assert!(kept.contains(&"small"), "what comes later may still fit: {kept:?}");
        let huge = bundle.left_out.iter().find(|left| left.name == "huge").unwrap();
        assert!(huge.reason.contains("5242880 bytes, more than 4194304"), "{huge:?}");
        let manifest: Value = serde_json::from_slice(&bundle.files[0].bytes).unwrap();
        assert_eq!(manifest["left_out"].as_array().unwrap().len(), bundle.left_out.len());
    }
}
