//! How the running kernel was built: `/proc/config.gz` (CONFIG_IKCONFIG_PROC), or the file that distributions put beside it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

use super::super::facts::host::BuildFact;

/// A configuration has some 300 KiB, packed some 70.
const MAX_BYTES: u64 = 4 << 20;
/// What the agent leans on, and what changes how it works.
pub const OPTIONS: [&str; 8] = [
    "CONFIG_BPF_SYSCALL",
    "CONFIG_BPF_EVENTS",
    "CONFIG_DEBUG_INFO_BTF",
    "CONFIG_CGROUPS",
    "CONFIG_SECCOMP_FILTER",
    "CONFIG_BPF_JIT",
    "CONFIG_BPF_JIT_ALWAYS_ON",
    "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS",
];

/// Reads the first of the files that is there, for the kernel with this release.
#[must_use]
pub fn read(root: &Path, release: &str) -> BuildFact {
    let files = [
        "proc/config.gz".to_owned(),
        format!("boot/config-{release}"),
        format!("lib/modules/{release}/config"),
    ];
    let mut found = BuildFact::Absent;
    for file in files {
        match text(&root.join(&file)) {
            Ok(text) => match options(&text) {
                Some(options) => {
                    let file = PathBuf::from(format!("/{file}"));
                    return BuildFact::Read { file, options };
                }
                None => found = BuildFact::Unreadable(format!("/{file} is no configuration of a kernel")),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => found = BuildFact::Unreadable(format!("/{file}: {error}")),
        }
    }
    found
}

fn text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    let file = File::open(path)?.take(MAX_BYTES);
    if path.extension().is_some_and(|extension| extension == "gz") {
        GzDecoder::new(file).take(MAX_BYTES).read_to_end(&mut bytes)?;
    } else {
        let mut file = file;
        file.read_to_end(&mut bytes)?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Lines are `CONFIG_X=y`; what is not set stands in a comment or not at all. None where there is no such line.
fn options(text: &str) -> Option<BTreeMap<String, String>> {
    let mut lines = text.lines().filter_map(|line| line.split_once('=')).peekable();
    while lines.next_if(|(name, _)| !name.starts_with("CONFIG_")).is_some() {}
    lines.peek()?;
    let set = lines.filter(|(name, _)| OPTIONS.contains(name));
    Some(set.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const TEXT: &str =
        "# Linux\nCONFIG_BPF=y\nCONFIG_BPF_SYSCALL=y\n# CONFIG_BPF_EVENTS is not set\nCONFIG_CMDLINE=\"a=b\"\n";

    #[test]
    fn both_files_tell_what_is_set() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(read(root.path(), "6.1.0"), BuildFact::Absent);
        fs::create_dir(root.path().join("boot")).unwrap();
        fs::create_dir(root.path().join("proc")).unwrap();
        let options: BTreeMap<String, String> = [("CONFIG_BPF_SYSCALL".to_owned(), "y".to_owned())].into();
        fs::write(root.path().join("boot/config-6.1.0"), TEXT).unwrap();
        let of = |file: &str| BuildFact::Read {
            file: file.into(),
            options: options.clone(),
        };
        assert_eq!(read(root.path(), "6.1.0"), of("/boot/config-6.1.0"));
        // Another kernel's file is nobody's.
        assert_eq!(read(root.path(), "6.1.1"), BuildFact::Absent);
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(TEXT.as_bytes()).unwrap();
        fs::write(root.path().join("proc/config.gz"), packed.finish().unwrap()).unwrap();
        assert_eq!(read(root.path(), "6.1.0"), of("/proc/config.gz"));
    }

    #[test]
    fn what_is_no_configuration_sets_nothing() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("proc")).unwrap();
        fs::write(root.path().join("proc/config.gz"), "no gzip").unwrap();
        assert!(matches!(read(root.path(), "6.1.0"), BuildFact::Unreadable(_)));
        fs::create_dir(root.path().join("boot")).unwrap();
        fs::write(root.path().join("boot/config-6.1.0"), "a page of a proxy\n").unwrap();
        assert!(matches!(read(root.path(), "6.1.0"), BuildFact::Unreadable(_)));
    }
}
