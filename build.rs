//! Compiles the eBPF programs with clang and the admin protocol with protoc, and reads the profiles as the agent will. What
//! is missing on the machine is named with its package.

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

// What the agent reads profiles with; most of what it declares nobody looks at here.
#[allow(dead_code, unreachable_pub)]
#[path = "src/platform/model.rs"]
mod model;

fn main() -> Result<(), Box<dyn Error>> {
    check_profiles()?;
    compile_protocol()?;
    compile_programs()
}

/// A profile that the agent could not use is no reason to fail on a node: it fails here.
fn check_profiles() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=src/platform/model.rs");
    for directory in std::fs::read_dir("profiles")? {
        let path = directory?.path().join("platform.toml");
        // profiles/objects has none.
        if path.is_file() {
            println!("cargo::rerun-if-changed={}", path.display());
            model::Platform::parse(&std::fs::read_to_string(&path)?)
                .map_err(|problem| format!("{} cannot be used: {problem}", path.display()))?;
        }
    }
    Ok(())
}

fn compile_protocol() -> Result<(), Box<dyn Error>> {
    let protoc = env::var_os("PROTOC").unwrap_or_else(|| "protoc".into());
    if Command::new(&protoc).arg("--version").output().is_err() {
        return Err(
            "protoc is needed to build and was not found: install protobuf-compiler (Debian, Ubuntu, Fedora), \
                    protoc (Alpine) or protobuf (Arch), or run ./justw build, which does"
                .into(),
        );
    }
    tonic_prost_build::configure()
        // The doctor's bundle holds the status as JSON.
        .type_attribute(".", "#[derive(serde::Serialize)]")
        .compile_protos(&["proto/pinhole.admin.v1.proto"], &["proto"])?;
    Ok(())
}

fn compile_programs() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=ebpf");
    println!("cargo::rerun-if-changed=proto");
    println!("cargo::rerun-if-env-changed=PINHOLE_CLANG");
    // The same sources twice; ebpf/include/get.h says what the second is for.
    compile_object("agent.bpf.o", None)?;
    compile_object("reduced.bpf.o", Some("-DPINHOLE_REDUCED"))
}

fn compile_object(name: &str, define: Option<&str>) -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?).join(name);
    let target = env::var("CARGO_CFG_TARGET_ARCH")?;
    let arch = match target.as_str() {
        "x86_64" => "x86",
        "aarch64" => "arm64",
        other => return Err(format!("no eBPF support for {other} yet: see ebpf/include/arch.h").into()),
    };
    let clang = env::var_os("PINHOLE_CLANG").unwrap_or_else(|| "clang".into());
    let output = Command::new(&clang)
        .args([
            "-target",
            "bpf",
            "-O2",
            "-g",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-Iebpf",
            "-Iebpf/include",
        ])
        .args(kernel_headers(&target))
        // BTF names source files: not those of the machine that compiled them.
        .arg(format!("-ffile-prefix-map={}=.", env::var("CARGO_MANIFEST_DIR")?))
        .arg(format!("-D__TARGET_ARCH_{arch}"))
        .args(define)
        .args(["-c", "ebpf/agent.bpf.c", "-o"])
        .arg(&out)
        .output()
        .map_err(|error| {
            format!(
                "cannot run {}: {error}. It compiles the eBPF programs: install clang and libbpf-dev (Debian, Ubuntu; \
                 clang and libbpf-devel on Fedora, clang and libbpf-dev on Alpine, clang and libbpf on Arch), or run \
                 ./justw build, which does",
                clang.to_string_lossy()
            )
        })?;
    if !output.status.success() {
        let log = String::from_utf8_lossy(&output.stderr);
        if log.contains("bpf/bpf_") && log.contains("file not found") {
            return Err(
                "libbpf's headers were not found: install libbpf-dev (Debian, Ubuntu, Alpine), libbpf-devel \
                        (Fedora) or libbpf (Arch), or run ./justw build, which does"
                    .into(),
            );
        }
        return Err(format!("the eBPF programs do not compile:\n{log}").into());
    }
    // Debug information that only people need makes up most of the object; BTF stays.
    match Command::new(strip_beside(Path::new(&clang)))
        .arg("-g")
        .arg(&out)
        .status()
    {
        Ok(status) if status.success() => {}
        _ => println!("cargo::warning=llvm-strip not found (package llvm): the binary carries eBPF debug information"),
    }
    Ok(())
}

/// Debian keeps `asm/types.h` below a directory named after the architecture, which clang does not search when it
/// compiles for another target.
fn kernel_headers(target: &str) -> Vec<String> {
    let multiarch = format!("/usr/include/{target}-linux-gnu");
    if Path::new(&multiarch).is_dir() {
        vec![format!("-I{multiarch}")]
    } else {
        Vec::new()
    }
}

/// `clang-19` comes with `llvm-strip-19`.
fn strip_beside(clang: &Path) -> PathBuf {
    let name = clang
        .file_name()
        .map(|name| name.to_string_lossy().replace("clang", "llvm-strip"));
    clang.with_file_name(name.unwrap_or_else(|| "llvm-strip".to_owned()))
}
