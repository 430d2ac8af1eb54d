//! Posting to a receiver over HTTP/1.1, with TLS or without: one connection that is kept, bounded answers, and the judgement of what an
//! answer means for the alerts. Redirects are not followed: alerts go where they were told to.

mod answer;
mod client;
mod discretion;
mod tls;

pub(super) use answer::{Answer, Verdict};
pub(super) use client::Client;
pub use tls::TlsError;

#[cfg(test)]
pub(crate) mod server;
#[cfg(test)]
mod tests;
