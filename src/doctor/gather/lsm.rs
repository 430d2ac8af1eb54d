//! The security modules, by the label of the own process and what `/sys` shows of them.

use std::fs;
use std::path::Path;

use super::super::facts::host::LsmFacts;

/// Reads what is in sight below `root`. Nothing of it need be there.
#[must_use]
pub fn read(root: &Path) -> LsmFacts {
    LsmFacts {
        label: label(root),
        selinux_enforcing: one(root, "sys/fs/selinux/enforce").and_then(|text| match text.as_str() {
            "1" => Some(true),
            "0" => Some(false),
            _ => None,
        }),
        apparmor: one(root, "sys/module/apparmor/parameters/enabled").map(|text| text == "Y"),
    }
}

/// Where no module keeps labels the kernel answers EINVAL; before a policy is loaded SELinux says `kernel`.
fn label(root: &Path) -> Option<String> {
    let text = one(root, "proc/self/attr/current")?;
    (!text.is_empty() && text != "kernel").then_some(text)
}

fn one(root: &Path, path: &str) -> Option<String> {
    let text = fs::read_to_string(root.join(path)).ok()?;
    Some(text.trim_end_matches(['\0', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::tests::tree;
    use super::*;

    #[test]
    fn labels_and_modes_are_what_the_files_say() {
        assert_eq!(read(tree(&[]).path()), LsmFacts::default());
        let fedora = tree(&[
            ("proc/self/attr/current", b"system_u:system_r:container_t:s0:c1,c2\0"),
            ("sys/fs/selinux/enforce", b"1"),
        ]);
        assert_eq!(
            read(fedora.path()),
            LsmFacts {
                label: Some("system_u:system_r:container_t:s0:c1,c2".to_owned()),
                selinux_enforcing: Some(true),
                apparmor: None,
            }
        );
        let ubuntu = tree(&[
            ("proc/self/attr/current", b"cri-containerd.apparmor.d (enforce)\n"),
            ("sys/module/apparmor/parameters/enabled", b"Y\n"),
        ]);
        assert_eq!(read(ubuntu.path()).apparmor, Some(true));
        assert_eq!(
            read(ubuntu.path()).label.as_deref(),
            Some("cri-containerd.apparmor.d (enforce)")
        );
    }
}
