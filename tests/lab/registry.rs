//! A registry of images on the loopback: reads only, for as long as it is there. What is pulled from it has the digest
//! that a registry gives, which an imported image has not.
//!
//! Serves the blobs of an OCI archive under any repository's name. Protocol: OCI distribution specification 1.0, the
//! endpoints of the category "pull"; one request per connection.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use super::error::{LabError, Result};

/// How long a client may take to say what it wants, or to take it.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest request, in bytes.
const REQUEST_LIMIT: u64 = 16 << 10;
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const BLOB: &str = "application/octet-stream";

/// The running registry.
pub(crate) struct Registry {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Registry {
    /// Serves the images of an OCI archive.
    pub(crate) fn serve(archive: &Path) -> Result<Self> {
        let blobs = Arc::new(Blobs::read(archive)?);
        let broken = || LabError::file("listen on the loopback for", Path::new("a registry"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(broken())?;
        let address = listener.local_addr().map_err(broken())?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let blobs = Arc::clone(&blobs);
                // A client that goes away in the middle is told by its own error.
                std::thread::spawn(move || drop(blobs.answer(&stream)));
            }
        });
        Ok(Self {
            address,
            stop,
            thread: Some(thread),
        })
    }

    /// The name of an image here, in place of the registry that `name` has: `registry.example/shop/web:1` there.
    pub(crate) fn name(&self, name: &str) -> String {
        let (_, path) = name.split_once('/').unwrap_or(("", name));
        format!("{}/{path}", self.address)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the thread, which looks at the flag then.
        drop(TcpStream::connect_timeout(&self.address, PATIENCE));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Blobs {
    by_digest: HashMap<String, Vec<u8>>,
    /// The digests of the manifests by their images' tags: no two images of the lab share one.
    by_tag: HashMap<String, String>,
}

impl Blobs {
    fn read(archive: &Path) -> Result<Self> {
        let broken = || LabError::file("read", archive);
        let mut blobs = Self {
            by_digest: HashMap::new(),
            by_tag: HashMap::new(),
        };
        let mut tar = tar::Archive::new(File::open(archive).map_err(broken())?);
        for entry in tar.entries().map_err(broken())? {
            let mut entry = entry.map_err(broken())?;
            let path = entry.path().map_err(broken())?.to_string_lossy().into_owned();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(broken())?;
            if let Some(hex) = path.strip_prefix("blobs/sha256/") {
                blobs.by_digest.insert(format!("sha256:{hex}"), bytes);
            } else if path == "index.json" {
                let index: Value = serde_json::from_slice(&bytes).map_err(|error| broken()(error.into()))?;
                for manifest in index["manifests"].as_array().into_iter().flatten() {
                    let name = manifest["annotations"]["org.opencontainers.image.ref.name"].as_str();
                    if let (Some((_, tag)), Some(digest)) =
                        (name.and_then(|name| name.rsplit_once(':')), manifest["digest"].as_str())
                    {
                        blobs.by_tag.insert(tag.to_owned(), digest.to_owned());
                    }
                }
            }
        }
        Ok(blobs)
    }

    /// Reads one request, and answers it.
    fn answer(&self, stream: &TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut head = Vec::new();
        for line in BufReader::new(stream.take(REQUEST_LIMIT)).lines() {
            match line? {
                line if line.is_empty() => break,
                line => head.push(line),
            }
        }
        let mut words = head.first().map_or("", String::as_str).split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let found = self.find(path);
        let (status, kind, digest, body) = match &found {
            Some((kind, digest, body)) => ("200 OK", *kind, *digest, *body),
            None => ("404 Not Found", "application/json", "", b"{\"errors\":[]}".as_slice()),
        };
        let mut stream = stream;
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nDocker-Content-Digest: {digest}\r\n\
             Docker-Distribution-Api-Version: registry/2.0\r\nConnection: close\r\n\r\n",
            body.len()
        )?;
        if method != "HEAD" {
            stream.write_all(body)?;
        }
        stream.flush()
    }

    /// The media type, the digest and the bytes of what a path names.
    fn find(&self, path: &str) -> Option<(&'static str, &str, &[u8])> {
        if path.trim_end_matches('/') == "/v2" {
            return Some(("application/json", "", b"{}"));
        }
        let (rest, reference) = path.rsplit_once('/')?;
        let (kind, digest) = match rest.rsplit_once('/')?.1 {
            "manifests" => (MANIFEST, self.by_tag.get(reference).map_or(reference, String::as_str)),
            "blobs" => (BLOB, reference),
            _ => return None,
        };
        let (digest, bytes) = self.by_digest.get_key_value(digest)?;
        Some((kind, digest, bytes))
    }
}
