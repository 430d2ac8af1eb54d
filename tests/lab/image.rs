//! Container images made of one static busybox, as OCI archives: no registry is asked for anything.

use std::fs;
use std::fs::File;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{EntryType, Header};

use super::error::{LabError, Result};
use super::tool;

/// The image of the container that holds a pod's namespaces.
pub(crate) const PAUSE: &str = "registry.example/pinhole/pause:1";
/// What runs in it: a pause that sleeps. busybox looks at the name it was called by, so the command names the applet.
pub(crate) const PAUSE_COMMAND: [&str; 2] = ["/bin/sleep", "2147483647"];
/// The image of the containers under test.
pub(crate) const BUSYBOX: &str = "registry.example/pinhole/busybox:1.36";
/// [`BUSYBOX`] without its tag.
pub(crate) const BUSYBOX_REPOSITORY: &str = "registry.example/pinhole/busybox";
/// The tag of [`BUSYBOX`].
pub(crate) const BUSYBOX_TAG: &str = "1.36";

/// The repository of an image that is only ever named by its digest, see [`Names`].
pub(crate) const SIDECAR_REPOSITORY: &str = "registry.example/pinhole/sidecar";

/// The image that [`write_agent_without_capabilities`] writes.
const BARE_AGENT: &str = "registry.example/pinhole/agent-without-capabilities:1";

/// What the images are called, and the digests of their manifests.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    /// [`BUSYBOX_REPOSITORY`] with its digest and no tag.
    pub(crate) busybox: String,
    /// The digest in it, `sha256:…`.
    pub(crate) busybox_digest: String,
    /// [`SIDECAR_REPOSITORY`] with its digest and no tag.
    pub(crate) sidecar: String,
    /// The digest in it.
    pub(crate) sidecar_digest: String,
}

/// Writes one OCI archive with all images.
pub(crate) fn write_archive(path: &Path) -> Result<Names> {
    let busybox = tool::find("busybox", "busybox-static")?;
    let binary = fs::read(&busybox).map_err(LabError::file("read", &busybox))?;
    let listing = tool::run(Command::new(&busybox).arg("--list"))?;
    let applets = String::from_utf8_lossy(&listing.stdout).into_owned();

    let mut archive = OciArchive::create(path)?;
    let pause = layer(&binary, &["sleep"])?;
    archive.add(&pause, &PAUSE_COMMAND, |_| PAUSE.to_owned())?;
    let full = layer(&binary, &applets.lines().collect::<Vec<_>>())?;
    let busybox_digest = archive.add(&full, &["/bin/sh"], |_| BUSYBOX.to_owned())?;
    // Another command, so that it is another image.
    let by_digest = |digest: &str| format!("{SIDECAR_REPOSITORY}@{digest}");
    let sidecar_digest = archive.add(&full, &["/bin/sleep", "1000"], by_digest)?;
    archive.finish()?;
    Ok(Names {
        busybox: format!("{BUSYBOX_REPOSITORY}@{busybox_digest}"),
        busybox_digest,
        sidecar: by_digest(&sidecar_digest),
        sidecar_digest,
    })
}

/// Writes an image of the agent whose binary has no file capabilities, and is otherwise as it should be.
pub(crate) fn write_agent_without_capabilities(path: &Path, binary: &Path) -> Result<&'static str> {
    let stripped = path.with_extension("stripped");
    tool::run(
        Command::new(tool::find("strip", "binutils")?)
            .arg("-o")
            .arg(&stripped)
            .arg(binary),
    )?;
    let data = fs::read(&stripped).map_err(LabError::file("read", &stripped))?;
    let mut tar = tar::Builder::new(Vec::new());
    let layer = entry(&mut tar, EntryType::Regular, "agent", 0o755, &data).and_then(|()| tar.into_inner());
    let layer = layer.map_err(LabError::file("write a layer for", path))?;
    let mut archive = OciArchive::create(path)?;
    archive.add(&layer, &["/agent", "run"], |_| BARE_AGENT.to_owned())?;
    archive.finish()?;
    Ok(BARE_AGENT)
}

/// A root file system. Applets are hard links, as in the well-known busybox images, so that each has a path of its own.
fn layer(busybox: &[u8], applets: &[&str]) -> Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    let broken = LabError::file("write a layer for", Path::new("busybox"));
    (|| {
        for dir in ["bin/", "dev/", "etc/", "proc/", "sys/", "tmp/", "root/", "var/"] {
            entry(
                &mut tar,
                EntryType::Directory,
                dir,
                if dir == "tmp/" { 0o1777 } else { 0o755 },
                &[],
            )?;
        }
        entry(&mut tar, EntryType::Regular, "bin/busybox", 0o755, busybox)?;
        for applet in applets.iter().filter(|applet| **applet != "busybox") {
            let mut header = header(EntryType::Link, 0o755, 0);
            tar.append_link(&mut header, format!("bin/{applet}"), "bin/busybox")?;
        }
        entry(
            &mut tar,
            EntryType::Regular,
            "etc/passwd",
            0o644,
            b"root:x:0:0:root:/root:/bin/sh\n",
        )?;
        entry(&mut tar, EntryType::Regular, "etc/group", 0o644, b"root:x:0:\n")?;
        tar.into_inner()
    })()
    .map_err(broken)
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    // Zero times and owners: the same input gives the same digest.
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

fn entry<W: std::io::Write>(
    tar: &mut tar::Builder<W>,
    kind: EntryType,
    path: &str,
    mode: u32,
    data: &[u8],
) -> std::io::Result<()> {
    tar.append_data(&mut header(kind, mode, data.len() as u64), path, data)
}

/// An OCI image layout in a tar file.
struct OciArchive<'a> {
    path: &'a Path,
    tar: tar::Builder<File>,
    manifests: Vec<Value>,
    /// The blobs that are there already: images share layers.
    blobs: Vec<String>,
}

impl<'a> OciArchive<'a> {
    fn create(path: &'a Path) -> Result<Self> {
        let file = File::create(path).map_err(LabError::file("make", path))?;
        let mut archive = Self {
            path,
            tar: tar::Builder::new(file),
            manifests: Vec::new(),
            blobs: Vec::new(),
        };
        archive.write(
            "oci-layout",
            &encode("the layout", &json!({"imageLayoutVersion": "1.0.0"}))?,
        )?;
        Ok(archive)
    }

    /// Adds an image, whose name may hold its digest. Gives the digest.
    fn add(&mut self, layer: &[u8], command: &[&str], name: impl FnOnce(&str) -> String) -> Result<String> {
        let layer_digest = self.blob(layer)?;
        let config = json!({
            "architecture": architecture(),
            "os": "linux",
            "config": {"Cmd": command, "Env": ["PATH=/bin"], "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
        });
        let config = encode("an image configuration", &config)?;
        let config_digest = self.blob(&config)?;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor("application/vnd.oci.image.config.v1+json", &config_digest, config.len()),
            "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", &layer_digest, layer.len())],
        });
        let manifest = encode("an image manifest", &manifest)?;
        let digest = self.blob(&manifest)?;
        let mut described = descriptor("application/vnd.oci.image.manifest.v1+json", &digest, manifest.len());
        // containerd takes the full name from its own annotation, because the standard one may hold a tag alone; podman
        // knows no other.
        let name = name(&digest);
        described["annotations"] = json!({"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name});
        self.manifests.push(described);
        Ok(digest)
    }

    fn finish(mut self) -> Result<()> {
        let index = json!({"schemaVersion": 2, "manifests": std::mem::take(&mut self.manifests)});
        self.write("index.json", &encode("the index", &index)?)?;
        self.tar.finish().map_err(LabError::file("finish", self.path))
    }

    fn blob(&mut self, data: &[u8]) -> Result<String> {
        let hex: String = Sha256::digest(data).iter().map(|byte| format!("{byte:02x}")).collect();
        if !self.blobs.contains(&hex) {
            self.write(&format!("blobs/sha256/{hex}"), data)?;
            self.blobs.push(hex.clone());
        }
        Ok(format!("sha256:{hex}"))
    }

    fn write(&mut self, name: &str, data: &[u8]) -> Result<()> {
        entry(&mut self.tar, EntryType::Regular, name, 0o644, data).map_err(LabError::file("write", self.path))
    }
}

fn descriptor(media_type: &str, digest: &str, size: usize) -> Value {
    json!({"mediaType": media_type, "digest": digest, "size": size})
}

fn encode(what: &'static str, value: &Value) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|source| LabError::Encode { what, source })
}

/// The name that images use for this machine's architecture.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
