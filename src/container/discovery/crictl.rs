//! What `crictl` is told on this node: its file and its variable name the socket that the node's owner means.
//!
//! The file is YAML, and what is read of it are two keys at its top level whose values are plain or quoted words, which
//! is how `crictl config` writes them. No YAML library is in this binary; one for two words of a file that is written by
//! whoever set up the node would be more to trust than this line reader. What it does not understand it passes over.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::config::endpoint;
use crate::config::validate::MAX_SOCKET_PATH;

/// Where `crictl` looks for its file.
pub(super) const FILE: &str = "/etc/crictl.yaml";
/// The variable that counts more than the file, for `crictl` (cri-tools, `cmd/crictl/main.go`).
pub(super) const VARIABLE: &str = "CONTAINER_RUNTIME_ENDPOINT";
/// The file has five lines; more than this is not read.
const FILE_LIMIT: u64 = 64 << 10;

/// The sockets that a file names, runtime first; none where it cannot be read, which is usual.
pub(super) fn sockets_of(file: &Path) -> Vec<PathBuf> {
    let mut text = Vec::new();
    match File::open(file).and_then(|file| file.take(FILE_LIMIT).read_to_end(&mut text)) {
        Ok(_) => parse(&String::from_utf8_lossy(&text)),
        Err(error) => {
            tracing::debug!(file = %file.display(), %error, "crictl's configuration is not used");
            Vec::new()
        }
    }
}

fn parse(text: &str) -> Vec<PathBuf> {
    let mut sockets = Vec::new();
    for key in ["runtime-endpoint", "image-endpoint"] {
        // Of a key that stands twice the last counts.
        let value = text.lines().filter_map(|line| value_of(line, key)).next_back();
        if let Some(socket) = value.and_then(socket)
            && !sockets.contains(&socket)
        {
            sockets.push(socket);
        }
    }
    sockets
}

/// The socket of an endpoint as `crictl` takes it: `unix:///path` or the bare path. Others (`tcp`, `npipe`) are not ours.
pub(super) fn socket(value: &str) -> Option<PathBuf> {
    let path = endpoint::path_of(value);
    (path.starts_with('/') && path.len() <= MAX_SOCKET_PATH).then(|| PathBuf::from(path))
}

/// The value of a key at the top level: not indented, a comment behind it cut off, quotes removed.
fn value_of<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let value = line.strip_prefix(key)?.trim_start().strip_prefix(':')?;
    // Without a space the colon belongs to the word.
    if !value.starts_with([' ', '\t']) {
        return None;
    }
    let value = value.trim();
    for quote in ['"', '\''] {
        if let Some(rest) = value.strip_prefix(quote) {
            return rest.split_once(quote).map(|(word, _)| word);
        }
    }
    let end = value.find(" #").unwrap_or(value.len());
    Some(value[..end].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        parse(text).iter().map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn what_crictl_writes_is_read() {
        let text = "runtime-endpoint: \"unix:///run/k3s/containerd/containerd.sock\"\nimage-endpoint: \"\"\n\
                    timeout: 0\ndebug: false\npull-image-on-create: false\ndisable-pull-on-run: false\n";
        assert_eq!(paths(text), ["/run/k3s/containerd/containerd.sock"]);
    }

    #[test]
    fn what_people_write_is_read() {
        for (text, expected) in [
            (
                "runtime-endpoint: /run/crio/crio.sock\r\n",
                &["/run/crio/crio.sock"][..],
            ),
            ("runtime-endpoint : 'unix:///run/a.sock' # ours\n", &["/run/a.sock"]),
            ("runtime-endpoint: unix:///run/a.sock # ours\n", &["/run/a.sock"]),
            (
                "image-endpoint: unix:///run/b.sock\nruntime-endpoint: unix:///run/a.sock\n",
                &["/run/a.sock", "/run/b.sock"],
            ),
            (
                "runtime-endpoint: unix:///run/a.sock\nimage-endpoint: unix:///run/a.sock\n",
                &["/run/a.sock"],
            ),
            (
                "runtime-endpoint: /run/a.sock\nruntime-endpoint: /run/b.sock\n",
                &["/run/b.sock"],
            ),
        ] {
            assert_eq!(paths(text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_socket_is_passed_over() {
        let long = format!("runtime-endpoint: /{}\n", "x".repeat(107));
        for text in [
            "",
            "# runtime-endpoint: /run/a.sock\n",
            "  runtime-endpoint: /run/a.sock\n",
            "runtime-endpoints: /run/a.sock\n",
            "runtime-endpoint:/run/a.sock\n",
            "runtime-endpoint:\n",
            "runtime-endpoint: \"/run/a.sock\n",
            "runtime-endpoint: tcp://127.0.0.1:3735\n",
            "runtime-endpoint: unix://run/a.sock\n",
            "runtime-endpoint: npipe:////./pipe/containerd\n",
            "\0\0\0",
            &long,
        ] {
            assert_eq!(paths(text), [""; 0], "{text:?}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_or_endless_names_nothing_more() {
        assert!(sockets_of(Path::new("/nonexistent/crictl.yaml")).is_empty());
        assert!(sockets_of(Path::new("/dev/zero")).is_empty());
    }
}
