//! A process's own list of mounts (`/proc/self/mountinfo`), as far as this room needs it. Pure text work.

/// One line: proc_pid_mountinfo(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The directory or file of the file system that is mounted.
    pub root: String,
    /// Where it is mounted.
    pub point: String,
    /// The kind of file system.
    pub kind: String,
}

/// Reads a list of mounts; a line that is none is passed over.
pub fn parse(text: &str) -> impl Iterator<Item = Mount> {
    text.lines().filter_map(line)
}

fn line(line: &str) -> Option<Mount> {
    // Between the options and the dash stand as many optional fields as the kernel likes.
    let (mount, system) = line.split_once(" - ")?;
    let mut fields = mount.split(' ').skip(3);
    Some(Mount {
        root: unescape(fields.next()?),
        point: unescape(fields.next()?),
        kind: system.split(' ').next()?.to_owned(),
    })
}

/// The kernel writes blank, tab, newline and backslash as three octal digits (`seq_path`).
pub(crate) fn unescape(field: &str) -> String {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let octal = after.get(..3).filter(|_| first == b'\\');
        match octal.and_then(|digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_with_and_without_optional_fields() {
        let text = "1063 1040 0:44 /a\\040b /mnt\\134x rw,nosuid - tmpfs tmpfs rw\n\
                    1064 1040 8:1 / /etc/hosts rw shared:1 master:2 - ext4 /dev/sda1 rw,a - b\n\
                    no mount\n";
        let mounts: Vec<Mount> = parse(text).collect();
        let mount = |root: &str, point: &str, kind: &str| Mount {
            root: root.into(),
            point: point.into(),
            kind: kind.into(),
        };
        assert_eq!(
            mounts,
            [mount("/a b", "/mnt\\x", "tmpfs"), mount("/", "/etc/hosts", "ext4")]
        );
        assert_eq!(unescape("\\9\\04\\"), "\\9\\04\\");
    }
}
