//! A root file system for a virtual machine, as the `newc` archive that Linux unpacks at boot
//! (Documentation/driver-api/early-userspace/buffer-format.rst).

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use super::error::{LabError, Result};

const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const CHARACTER_DEVICE: u32 = 0o020_000;
const SYMBOLIC_LINK: u32 = 0o120_000;
/// Major and minor number of /dev/console, which the kernel opens before init can mount anything.
const CONSOLE: (u32, u32) = (5, 1);

/// The archive while it is being written.
pub(crate) struct Initramfs<'a> {
    path: &'a Path,
    file: BufWriter<File>,
    inode: u32,
}

/// What the archive says about one file.
struct Entry<'a> {
    name: &'a str,
    mode: u32,
    device: (u32, u32),
    data: &'a [u8],
}

impl<'a> Initramfs<'a> {
    /// Starts an archive with the directories that every system has, and the console.
    pub(crate) fn create(path: &'a Path) -> Result<Self> {
        let file = File::create(path).map_err(LabError::file("make", path))?;
        let mut archive = Self {
            path,
            file: BufWriter::new(file),
            inode: 0,
        };
        for dir in ["bin", "dev", "etc", "proc", "run", "sys", "tmp"] {
            archive.directory(dir)?;
        }
        archive.entry(&Entry {
            name: "dev/console",
            mode: CHARACTER_DEVICE | 0o600,
            device: CONSOLE,
            data: &[],
        })?;
        Ok(archive)
    }

    /// Adds a directory; its parent must be there already.
    pub(crate) fn directory(&mut self, name: &str) -> Result<()> {
        self.entry(&Entry {
            name,
            mode: DIRECTORY | 0o755,
            device: (0, 0),
            data: &[],
        })
    }

    /// Adds an executable file; its directory must be there already.
    pub(crate) fn program(&mut self, name: &str, data: &[u8]) -> Result<()> {
        self.entry(&Entry {
            name,
            mode: REGULAR | 0o755,
            device: (0, 0),
            data,
        })
    }

    /// Adds a file of this machine at the path that it has here, with the directories above it.
    pub(crate) fn copy(&mut self, path: &Path) -> Result<()> {
        let name = self.above(path)?;
        let data = std::fs::read(path).map_err(LabError::file("read", path))?;
        self.program(&name, &data)
    }

    /// Adds a symbolic link, with the directories above it.
    pub(crate) fn link(&mut self, path: &Path, target: &str) -> Result<()> {
        let name = self.above(path)?;
        self.entry(&Entry {
            name: &name,
            mode: SYMBOLIC_LINK | 0o777,
            device: (0, 0),
            data: target.as_bytes(),
        })
    }

    /// Makes the directories above a path; gives the path as the archive names it.
    fn above(&mut self, path: &Path) -> Result<String> {
        let name = path.strip_prefix("/").unwrap_or(path);
        let mut above: Vec<&Path> = name.ancestors().skip(1).collect();
        // The root is there; a directory that is given twice is made once.
        above.pop();
        for dir in above.iter().rev() {
            self.directory(&dir.to_string_lossy())?;
        }
        Ok(name.to_string_lossy().into_owned())
    }

    /// Ends the archive.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.entry(&Entry {
            name: "TRAILER!!!",
            mode: 0,
            device: (0, 0),
            data: &[],
        })?;
        self.file.flush().map_err(LabError::file("write", self.path))
    }

    fn entry(&mut self, entry: &Entry<'_>) -> Result<()> {
        self.inode += 1;
        let size = u32::try_from(entry.data.len()).map_err(|_| LabError::Place {
            why: format!("{} is too large for an initramfs", entry.name),
        })?;
        let name_size = u32::try_from(entry.name.len() + 1).unwrap_or(u32::MAX);
        // ino, mode, uid, gid, nlink, mtime, filesize, dev major/minor, rdev major/minor, namesize, check.
        let (major, minor) = entry.device;
        let fields = [
            self.inode, entry.mode, 0, 0, 1, 0, size, 0, 0, major, minor, name_size, 0,
        ];
        let write = |file: &mut BufWriter<File>| -> std::io::Result<()> {
            write!(file, "070701")?;
            for field in fields {
                write!(file, "{field:08x}")?;
            }
            write!(file, "{}\0", entry.name)?;
            pad(file, 110 + entry.name.len() + 1)?;
            file.write_all(entry.data)?;
            pad(file, entry.data.len())
        };
        write(&mut self.file).map_err(LabError::file("write", self.path))
    }
}

/// Both the header with its name and the data are padded to four bytes.
fn pad(file: &mut impl Write, length: usize) -> std::io::Result<()> {
    file.write_all(&[0; 3][..length.next_multiple_of(4) - length])
}
