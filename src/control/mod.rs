//! The admin socket: what the running agent answers about itself, and the client that asks it.

/// Messages, client and server generated from `proto/pinhole.admin.v1.proto`.
#[allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated code")]
pub mod api {
    tonic::include_proto!("pinhole.admin.v1");
}
