//! Rule files on the disk: which ones there are, in their order, and their text, bounded.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pinhole_rules::source::Source;

/// A larger file is refused: the largest that upstream publishes has some hundred KiB.
pub const MAX_BYTES: u64 = 16 * 1024 * 1024;
/// So many files, those of directories counted.
pub const MAX_FILES: usize = 1024;

/// Why rule files cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory.
    #[error("cannot read the rules in {}: {source}", path.display())]
    Read {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A FIFO, a device.
    #[error("the rules in {} are no file and no directory", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// Nothing but a directory without rules, which is a mistake more often than a wish.
    #[error("the directory {} holds no *.yaml and no *.yml file, and there are no other rules", path.display())]
    Empty {
        /// The path.
        path: PathBuf,
    },
    /// A file is too large.
    #[error("the rule file {} is larger than {MAX_BYTES} bytes", path.display())]
    TooLarge {
        /// The path.
        path: PathBuf,
    },
    /// A file is no text.
    #[error("the rule file {} is not UTF-8: byte {at} begins no character", path.display())]
    NotText {
        /// The path.
        path: PathBuf,
        /// How many bytes before it are text.
        at: usize,
    },
    /// There are too many files.
    #[error("there are more than {MAX_FILES} rule files")]
    TooMany,
}

impl Error {
    /// Whether somebody keeps the agent out.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Read { source, .. } if source.kind() == io::ErrorKind::PermissionDenied)
    }
}

/// Files in their order, and why others cannot be had.
#[derive(Debug)]
pub struct Found<T> {
    /// Those that can.
    pub files: Vec<T>,
    /// What is wrong with the others.
    pub errors: Vec<Error>,
}

/// Reads these files, and those in these directories.
#[must_use]
pub fn read(paths: &[PathBuf]) -> Found<Arc<Source>> {
    let Found { files, mut errors } = list(paths);
    let mut read = Vec::with_capacity(files.len());
    for file in &files {
        match source(file) {
            Ok(source) => read.push(Arc::new(source)),
            Err(error) => errors.push(error),
        }
    }
    Found { files: read, errors }
}

/// The files, and those in the directories. There is an end where there are too many. A directory for one's own rules may be empty where
/// there are others: upstream is installed with such a one.
#[must_use]
pub fn list(paths: &[PathBuf]) -> Found<PathBuf> {
    let (mut all, mut errors) = (Vec::new(), Vec::new());
    let mut empty = None;
    for path in paths {
        match files(path) {
            Ok(files) if files.is_empty() => empty = empty.or(Some(path)),
            Ok(files) => all.extend(files),
            Err(error) => errors.push(error),
        }
        if all.len() > MAX_FILES {
            all.truncate(MAX_FILES);
            errors.push(Error::TooMany);
            break;
        }
    }
    if all.is_empty() && errors.is_empty() {
        errors.extend(empty.map(|path| Error::Empty { path: path.clone() }));
    }
    Found { files: all, errors }
}

/// The file, or the rule files of the directory by their names. Hidden ones are not rules: a ConfigMap keeps its versions in
/// such directories.
fn files(path: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    let kind = fs::metadata(path).map_err(failed)?;
    if kind.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    if !kind.is_dir() {
        return Err(Error::NotAFile { path: path.to_owned() });
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        if is_rules(&file) && is_file(&file)? {
            if found.len() == MAX_FILES {
                return Err(Error::TooMany);
            }
            found.push(file);
        }
    }
    found.sort();
    Ok(found)
}

/// Whether what a directory lists is a file. A link that leads nowhere, or to where one may not look, is rules that are missing.
fn is_file(path: &Path) -> Result<bool, Error> {
    match fs::metadata(path) {
        Ok(kind) => Ok(kind.is_file()),
        // Removed since it was listed.
        Err(error) if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(path).is_err() => Ok(false),
        Err(source) => Err(Error::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

fn is_rules(path: &Path) -> bool {
    let hidden = path
        .file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let yaml = path
        .extension()
        .is_some_and(|extension| extension == "yaml" || extension == "yml");
    yaml && !hidden
}

fn source(path: &Path) -> Result<Source, Error> {
    let failed = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Error::TooLarge { path: path.to_owned() });
    }
    let text = String::from_utf8(bytes).map_err(|error| Error::NotText {
        path: path.to_owned(),
        at: error.utf8_error().valid_up_to(),
    })?;
    Ok(Source {
        name: path.display().to_string(),
        text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_keep_their_order_and_directories_are_sorted() {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        fs::create_dir(path("rules.d")).unwrap();
        fs::create_dir(path("rules.d/..data")).unwrap();
        for name in [
            "rules.d/b.yaml",
            "rules.d/a.yml",
            "rules.d/.c.yaml",
            "rules.d/README.md",
            "z.txt",
        ] {
            fs::write(path(name), name).unwrap();
        }
        let Found { files: read, errors } = read(&[path("z.txt"), path("absent"), path("rules.d")]);
        assert_eq!(errors.len(), 1, "the others are read all the same: {errors:?}");
        let texts: Vec<&str> = read.iter().map(|source| source.text.as_str()).collect();
        assert_eq!(texts, ["z.txt", "rules.d/a.yml", "rules.d/b.yaml"]);
        assert_eq!(read[0].name, path("z.txt").display().to_string());
    }

    #[test]
    fn a_link_that_leads_nowhere_is_rules_that_are_missing() {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        fs::write(path("a.yaml"), "a").unwrap();
        std::os::unix::fs::symlink(path("gone"), path("b.yaml")).unwrap();
        std::os::unix::fs::symlink(path("b.yaml"), path("README")).unwrap();
        fs::create_dir(path("c.yaml")).unwrap();
        let errors = list(&[home.path().to_owned()]).errors;
        assert_eq!(errors.len(), 1);
        assert!(errors[0].to_string().contains("b.yaml: No such file"), "{}", errors[0]);
        fs::write(path("gone"), "b").unwrap();
        let found = list(&[home.path().to_owned()]);
        assert!(found.errors.is_empty() && found.files.len() == 2, "{found:?}");
    }

    #[test]
    fn a_directory_may_be_empty_where_there_are_other_rules() {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        fs::create_dir(path("rules.d")).unwrap();
        fs::write(path("a.yaml"), "a").unwrap();
        let found = list(&[path("a.yaml"), path("rules.d")]);
        assert!(found.errors.is_empty() && found.files == [path("a.yaml")], "{found:?}");
    }

    #[test]
    fn what_cannot_be_rules_is_named() {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        fs::create_dir(path("empty")).unwrap();
        fs::write(path("latin"), b"caf\xe9").unwrap();
        File::create(path("large")).unwrap().set_len(MAX_BYTES + 1).unwrap();
        nix::unistd::mkfifo(&path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        for (name, said) in [
            ("absent", "No such file"),
            ("empty", "holds no *.yaml"),
            ("latin", "byte 3 begins no character"),
            ("large", "is larger than"),
            ("fifo", "no file and no directory"),
        ] {
            let error = read(&[path(name)]).errors[0].to_string();
            assert!(error.contains(said) && error.contains(name), "{error}");
        }
    }
}
