//! What a message about a receiver must not repeat: the values of header fields, and what follows the host in its address. A receiver may
//! send them back, as gateways do to explain a refusal, and messages go to the log, the status and the summary.

use std::collections::BTreeMap;

use hyper::Uri;

use super::answer::{Answer, Verdict, words};
use crate::channel::Failure;
use crate::config::{Secret, shown};

/// Shorter texts are no secrets, and stand in many messages by chance.
const SECRET: usize = 6;

/// See the module.
#[derive(Debug)]
pub(in crate::channel) struct Discretion {
    url: String,
    /// The longest first, so that none is found as a part of another.
    secrets: Vec<Secret>,
}

impl Discretion {
    pub(super) fn new(uri: &Uri, url: &str, headers: &BTreeMap<String, Secret>) -> Self {
        let mut secrets: Vec<&str> = Vec::new();
        for value in headers.values().map(Secret::expose) {
            secrets.push(value);
            // The scheme of Authorization is none, but what it is used with may be sent back alone.
            secrets.extend(value.split_once(' ').map(|(_, rest)| rest));
        }
        if let Some(rest) = uri.path_and_query() {
            secrets.extend([rest.as_str(), rest.path()]);
            secrets.extend(rest.query());
        }
        secrets.retain(|secret| secret.len() >= SECRET);
        secrets.sort_unstable_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self {
            url: shown(url),
            secrets: secrets.into_iter().map(Secret::from).collect(),
        }
    }

    /// The receiver, for messages.
    pub(in crate::channel) fn url(&self) -> &str {
        &self.url
    }

    /// What a receiver says, fit for messages.
    pub(in crate::channel) fn words(&self, said: &str) -> String {
        let mut said = said.to_owned();
        for secret in self.secrets.iter().map(Secret::expose) {
            if said.contains(secret) {
                said = said.replace(secret, "(secret)");
            }
        }
        words(&said)
    }

    /// The failure that an answer is.
    pub(in crate::channel) fn refusal(&self, answer: &Answer, verdict: Verdict) -> Failure {
        let words = self.words(&String::from_utf8_lossy(&answer.body));
        answer.failure(&self.url, verdict, &words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn discretion(url: &str, fields: &[(&str, &str)]) -> Discretion {
        let headers = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Secret::from(*value)));
        Discretion::new(&url.parse().unwrap(), url, &headers.collect())
    }

    #[test]
    fn what_was_sent_is_not_repeated() {
        let it = discretion(
            "https://hooks.example:8443/services/T000/B000/hush?token=deadbeef",
            &[("Authorization", "Bearer quiet-please"), ("X-Tenant", "one")],
        );
        assert_eq!(it.url(), "https://hooks.example:8443/…");
        for (said, words) in [
            ("invalid: Bearer quiet-please", "invalid: (secret)"),
            ("token quiet-please is unknown", "token (secret) is unknown"),
            ("no /services/T000/B000/hush?token=deadbeef here", "no (secret) here"),
            ("no /services/T000/B000/hush here", "no (secret) here"),
            ("token=deadbeef", "(secret)"),
            ("one of one", "one of one"),
        ] {
            assert_eq!(it.words(said), words);
        }
    }

    #[test]
    fn a_secret_at_the_limit_of_what_is_told_is_not_cut_in_two() {
        let it = discretion("http://receiver/", &[("Authorization", &"s".repeat(300))]);
        let said = format!("{}{}", "a".repeat(150), "s".repeat(300));
        assert!(!it.words(&said).contains("ss"), "{}", it.words(&said));
        assert_eq!(it.url(), "http://receiver/");
    }
}
