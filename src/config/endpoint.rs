//! How a unix socket is written: as a path, or as the endpoint that Kubernetes' tools take for one (`unix:///path`).
//!
//! It owns the notation, and looks at no file.

/// The scheme that the kubelet and `crictl` write before a path.
const SCHEME: &str = "unix://";

/// The path of an endpoint.
#[must_use]
pub fn path_of(endpoint: &str) -> &str {
    endpoint.strip_prefix(SCHEME).unwrap_or(endpoint)
}
