//! The file capabilities of the agent's own binary (`security.capability`, capabilities(7)). It reads; setting them is
//! the work of whoever builds the image or installs the package.

use std::ffi::CStr;
use std::io;

use super::Capabilities;

/// What the binary's inode grants on execve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileCapabilities {
    /// The binary has none.
    Absent,
    /// The binary has some.
    Present {
        /// The file's permitted set.
        permitted: Capabilities,
        /// Whether the file also asks for the effective bit; then the kernel refuses to exec it where a grant is missing.
        effective: bool,
    },
    /// The attribute could not be read or is of a version that is not known; the text says why.
    Unknown(String),
}

/// Reads the file capabilities of the running binary.
#[must_use]
pub fn of_own_binary() -> FileCapabilities {
    match read_attribute(c"/proc/self/exe") {
        Ok(None) => FileCapabilities::Absent,
        Ok(Some(bytes)) => parse(&bytes),
        Err(error) => FileCapabilities::Unknown(format!("cannot read security.capability of /proc/self/exe: {error}")),
    }
}

/// `None`: the file has no such attribute, or its file system keeps none.
#[expect(unsafe_code, reason = "neither nix nor caps reads an extended attribute")]
fn read_attribute(path: &CStr) -> io::Result<Option<Vec<u8>>> {
    // Larger than vfs_ns_cap_data, the largest form (24 bytes).
    let mut buffer = [0_u8; 64];
    // SAFETY: path and name are NUL-terminated, and the kernel writes at most buffer.len() bytes into buffer.
    let length = unsafe {
        libc::getxattr(
            path.as_ptr(),
            c"security.capability".as_ptr(),
            buffer.as_mut_ptr().cast(),
            buffer.len(),
        )
    };
    match usize::try_from(length) {
        Ok(length) => Ok(Some(buffer[..length].to_vec())),
        Err(_) => {
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                Some(libc::ENODATA | libc::EOPNOTSUPP) => Ok(None),
                _ => Err(error),
            }
        }
    }
}

/// `struct vfs_cap_data` of `include/uapi/linux/capability.h`: a word with version and flags, then permitted and
/// inheritable of the low 32 capabilities, then of the high 32 (from version 2 on), all little-endian.
fn parse(bytes: &[u8]) -> FileCapabilities {
    let words: Vec<u32> = bytes
        .as_chunks::<4>()
        .0
        .iter()
        .map(|word| u32::from_le_bytes(*word))
        .collect();
    let unknown = || {
        FileCapabilities::Unknown(format!(
            "security.capability has an unknown form of {} bytes",
            bytes.len()
        ))
    };
    let Some(magic) = words.first() else { return unknown() };
    let permitted = match (magic >> 24, words.as_slice()) {
        (1, [_, low, ..]) => u64::from(*low),
        (2 | 3, [_, low, _, high, ..]) => u64::from(*low) | u64::from(*high) << 32,
        _ => return unknown(),
    };
    FileCapabilities::Present {
        permitted: Capabilities::from_bits(permitted),
        effective: magic & 1 == 1,
    }
}

#[cfg(test)]
mod tests {
    use caps::Capability;

    use super::*;

    #[test]
    fn version_2_permitted_only() {
        // What setcap cap_bpf,cap_perfmon=p writes.
        let bytes = [0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(
            parse(&bytes),
            FileCapabilities::Present {
                permitted: Capabilities::of(&[Capability::CAP_BPF, Capability::CAP_PERFMON]),
                effective: false
            }
        );
    }

    #[test]
    fn other_forms_are_unknown_not_absent() {
        assert!(matches!(parse(&[]), FileCapabilities::Unknown(_)));
        assert!(matches!(parse(&[0, 0, 0, 9, 0, 0, 0, 0]), FileCapabilities::Unknown(_)));
        assert!(matches!(parse(&[0, 0, 0, 2, 0, 0, 0, 0]), FileCapabilities::Unknown(_)));
    }
}
