//! The agent's own image, built by `image/build` as a release is, around the binary under test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::error::{LabError, Result};
use super::place::Place;
use super::tool;

/// What the image is called in the lab: it is not in any registry.
const REPOSITORY: &str = "registry.example/pinhole/agent";

/// The image of the agent, where it was built by somebody else: in a virtual machine there is nothing to build with.
pub(crate) const GIVEN: &str = "PINHOLE_LAB_AGENT_IMAGE";

/// An image of the agent in a file.
#[derive(Debug, Clone)]
pub(crate) struct AgentImage {
    /// An OCI layout as one archive, which `ctr images import`, `podman load` and `docker load` take.
    pub(crate) archive: PathBuf,
    /// What a pod's specification names.
    pub(crate) reference: String,
    /// The digest of its manifest, `sha256:…`.
    pub(crate) digest: String,
    /// What `image/build` printed: reference, digest, size.
    pub(crate) said: String,
}

/// The image of this binary, built once per test program. Stays in `target/lab/agent-image` after it, for the next one to
/// replace.
pub(crate) fn agent_image(binary: &Path) -> Result<AgentImage> {
    static BUILT: OnceLock<std::result::Result<AgentImage, String>> = OnceLock::new();
    BUILT
        .get_or_init(|| match std::env::var_os(GIVEN) {
            Some(archive) => Ok(AgentImage {
                archive: archive.into(),
                reference: reference(),
                digest: String::new(),
                said: String::new(),
            }),
            None => build_and_keep(binary).map_err(|error| error.to_string()),
        })
        .clone()
        .map_err(|output| LabError::Failed {
            command: "image/build".to_owned(),
            status: "once for all tests".to_owned(),
            output,
        })
}

/// The project whose test this is.
pub(crate) fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Builds the image of this binary by a project's `image/build`, with these variables in its environment.
pub(crate) fn build_in(project: &Path, binary: &Path, dir: &Path, environment: &[(&str, &str)]) -> Result<AgentImage> {
    let reference = reference();
    let output = tool::run(
        Command::new(project.join("image/build"))
            .args([binary, dir])
            .arg(&reference)
            .envs(environment.iter().copied()),
    )?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let digest = said.lines().nth(1).unwrap_or_default().to_owned();
    Ok(AgentImage {
        archive: dir.join("pinhole-agent.tar"),
        reference,
        digest,
        said,
    })
}

fn reference() -> String {
    format!("{REPOSITORY}:{}", env!("CARGO_PKG_VERSION"))
}

fn build_and_keep(binary: &Path) -> Result<AgentImage> {
    let place = Place::new()?;
    let built = build_in(project(), binary, place.path(), &[])?;
    let kept = project().join("target/lab/agent-image");
    fs::create_dir_all(&kept).map_err(LabError::file("make", &kept))?;
    // Another test program may be reading the former one: a renamed file takes its place in one step, and two of the same
    // binary are equal.
    let new = kept.join(format!("{}.new", std::process::id()));
    let archive = kept.join("pinhole-agent.tar");
    fs::copy(&built.archive, &new).map_err(LabError::file("copy", &built.archive))?;
    fs::rename(&new, &archive).map_err(LabError::file("rename", &new))?;
    Ok(AgentImage { archive, ..built })
}
