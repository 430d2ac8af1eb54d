//! The limits of settings that their types do not express.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use bytesize::ByteSize;
use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};

use super::{Delivery, Queue, Retry, Secret, Tls};

/// A setting outside its limits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}; allowed: {allowed}")]
pub struct Invalid {
    /// The key, from `delivery` on.
    pub key: String,
    /// What is wrong with its value.
    pub problem: String,
    /// What would be right.
    pub allowed: String,
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

pub(super) fn delivery(delivery: &Delivery) -> Result<(), Invalid> {
    // A frame that is larger than the buffer would never be handed over.
    size("delivery.buffer", delivery.buffer, ByteSize::kib(512), ByteSize::gib(1))?;
    time("delivery.patience", delivery.patience, Duration::ZERO, SECOND)?;
    time("delivery.grace", delivery.grace, Duration::ZERO, 10 * MINUTE)?;
    let limit = &delivery.limit;
    time("delivery.limit.per", limit.per, Duration::from_millis(1), 24 * HOUR)?;
    time("delivery.limit.report", limit.report, SECOND, 24 * HOUR)?;
    number("delivery.limit.burst", limit.burst, 1, 1_000_000)?;
    number("delivery.limit.rate", limit.rate, 0, 1_000_000)?;

    for (channel, enabled, queue) in [
        ("file", delivery.file.enabled, delivery.file.queue),
        ("journald", delivery.journald.enabled, delivery.journald.queue),
        ("syslog", delivery.syslog.enabled, delivery.syslog.queue),
        ("program", delivery.program.enabled, delivery.program.queue),
    ] {
        if enabled {
            memory(&format!("delivery.{channel}.queue"), queue)?;
        }
    }
    if delivery.file.enabled {
        let file = &delivery.file;
        absolute("delivery.file.path", &file.path)?;
        if file.max_size.as_u64() > 0 {
            size(
                "delivery.file.max_size",
                file.max_size,
                ByteSize::kib(4),
                ByteSize::tib(1),
            )?;
        }
        number("delivery.file.keep", file.keep, 0, 1000)?;
    }
    if delivery.journald.enabled {
        absolute("delivery.journald.socket", &delivery.journald.socket)?;
    }
    if delivery.syslog.enabled {
        number("delivery.syslog.facility", delivery.syslog.facility.into(), 0, 23)?;
    }
    if delivery.program.enabled {
        let program = &delivery.program;
        match program.command.first() {
            Some(path) => absolute("delivery.program.command", Path::new(path))?,
            None => {
                let allowed = "a list of an absolute path and arguments";
                return invalid("delivery.program.command", "it is empty", allowed);
            }
        }
        time(
            "delivery.program.timeout",
            program.timeout,
            Duration::from_millis(10),
            HOUR,
        )?;
    }
    if delivery.http.enabled {
        let http = &delivery.http;
        remote("delivery.http", &http.url, &http.headers, http.batch)?;
        waits("delivery.http", http.connect_timeout, http.timeout, &http.retry)?;
        queue("delivery.http", &http.queue)?;
        tls("delivery.http", &http.url, &http.tls)?;
    }
    if delivery.otlp.enabled {
        let otlp = &delivery.otlp;
        remote("delivery.otlp", &otlp.url, &otlp.headers, otlp.batch)?;
        waits("delivery.otlp", otlp.connect_timeout, otlp.timeout, &otlp.retry)?;
        queue("delivery.otlp", &otlp.queue)?;
        tls("delivery.otlp", &otlp.url, &otlp.tls)?;
        if otlp.resource.len() > 64 {
            return invalid("delivery.otlp.resource", "too many attributes", "at most 64");
        }
    }
    // Two queues in one directory would take each other's segments for their own.
    let directory = &delivery.http.queue.directory;
    let both = delivery.http.enabled && delivery.otlp.enabled && !directory.as_os_str().is_empty();
    if both && *directory == delivery.otlp.queue.directory {
        let problem = "it is that of delivery.http.queue, too";
        return invalid("delivery.otlp.queue.directory", problem, "a directory of its own");
    }
    Ok(())
}

fn invalid<T>(key: &str, problem: impl Into<String>, allowed: impl Into<String>) -> Result<T, Invalid> {
    Err(Invalid {
        key: key.to_owned(),
        problem: problem.into(),
        allowed: allowed.into(),
    })
}

fn number(key: &str, value: u32, low: u32, high: u32) -> Result<(), Invalid> {
    match (low..=high).contains(&value) {
        true => Ok(()),
        false => invalid(key, format!("{value} is out of range"), format!("{low} to {high}")),
    }
}

fn size(key: &str, value: ByteSize, low: ByteSize, high: ByteSize) -> Result<(), Invalid> {
    match (low..=high).contains(&value) {
        true => Ok(()),
        false => invalid(key, format!("{value} is out of range"), format!("{low} to {high}")),
    }
}

fn memory(key: &str, value: ByteSize) -> Result<(), Invalid> {
    size(key, value, ByteSize::kib(64), ByteSize::gib(1))
}

fn time(key: &str, value: Duration, low: Duration, high: Duration) -> Result<(), Invalid> {
    let shown = humantime::format_duration;
    match (low..=high).contains(&value) {
        true => Ok(()),
        false => invalid(
            key,
            format!("{} is out of range", shown(value)),
            format!("{} to {}", shown(low), shown(high)),
        ),
    }
}

fn absolute(key: &str, path: &Path) -> Result<(), Invalid> {
    match path.is_absolute() {
        true => Ok(()),
        false => invalid(
            key,
            format!("{:?} is not absolute", path.display().to_string()),
            "an absolute path",
        ),
    }
}

fn remote(section: &str, url: &str, headers: &BTreeMap<String, Secret>, batch: u32) -> Result<(), Invalid> {
    let key = format!("{section}.url");
    let allowed = "http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH]";
    // The address is not repeated where it may hold a password.
    let Ok(uri) = url.parse::<Uri>() else {
        return invalid(&key, "it is no address", allowed);
    };
    match (uri.scheme_str(), uri.authority()) {
        (Some("http" | "https"), Some(authority)) if authority.as_str().contains('@') => {
            return invalid(&key, "it holds a user", "a header field Authorization instead");
        }
        (Some("http" | "https"), Some(_)) => {}
        _ => return invalid(&key, "it is no address of a web server", allowed),
    }
    let key = format!("{section}.headers");
    if headers.len() > 32 {
        return invalid(&key, format!("{} fields", headers.len()), "at most 32");
    }
    for (name, value) in headers {
        let own = [
            "host",
            "content-length",
            "content-type",
            "transfer-encoding",
            "connection",
        ];
        if HeaderName::try_from(name.as_str()).is_err() || own.contains(&name.to_ascii_lowercase().as_str()) {
            return invalid(
                &key,
                format!("{name:?} cannot be set"),
                "names of header fields, without those that belong to the connection",
            );
        }
        if HeaderValue::from_str(value.expose()).is_err() {
            return invalid(&key, format!("the value of {name:?} cannot be sent"), "visible ASCII");
        }
    }
    number(&format!("{section}.batch"), batch, 1, 4096)
}

fn waits(section: &str, connect: Duration, answer: Duration, retry: &Retry) -> Result<(), Invalid> {
    let shortest = Duration::from_millis(10);
    time(&format!("{section}.connect_timeout"), connect, shortest, 5 * MINUTE)?;
    time(&format!("{section}.timeout"), answer, shortest, 5 * MINUTE)?;
    time(&format!("{section}.retry.first"), retry.first, shortest, HOUR)?;
    time(&format!("{section}.retry.longest"), retry.longest, retry.first, HOUR)?;
    time(
        &format!("{section}.retry.give_up"),
        retry.give_up,
        Duration::ZERO,
        7 * 24 * HOUR,
    )
}

fn queue(section: &str, queue: &Queue) -> Result<(), Invalid> {
    if queue.directory.as_os_str().is_empty() {
        return memory(&format!("{section}.queue.memory"), queue.memory);
    }
    absolute(&format!("{section}.queue.directory"), &queue.directory)?;
    let key = format!("{section}.queue.disk");
    size(&key, queue.disk, ByteSize::mib(1), ByteSize::tib(1))
}

fn tls(section: &str, url: &str, tls: &Tls) -> Result<(), Invalid> {
    let is_plain = url.parse::<Uri>().is_ok_and(|uri| uri.scheme_str() == Some("http"));
    for (name, path) in [
        ("ca_file", &tls.ca_file),
        ("certificate", &tls.certificate),
        ("key", &tls.key),
    ] {
        if path.as_os_str().is_empty() {
            continue;
        }
        let key = format!("{section}.tls.{name}");
        // Whoever sets it believes that the receiver is checked.
        if is_plain {
            let problem = format!("{section}.url is http://, which is sent without TLS");
            return invalid(&key, problem, "none with http://, or an address of https://");
        }
        absolute(&key, path)?;
    }
    match (tls.certificate.as_os_str().is_empty(), tls.key.as_os_str().is_empty()) {
        (false, true) => invalid(
            &format!("{section}.tls.key"),
            "it is empty",
            "the key of the certificate",
        ),
        (true, false) => invalid(
            &format!("{section}.tls.certificate"),
            "it is empty",
            "the certificate of the key",
        ),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_of(change: impl FnOnce(&mut Delivery)) -> String {
        let mut settings = Delivery::default();
        settings.http.enabled = true;
        settings.http.url = "https://receiver:2801/".to_owned();
        settings.otlp.enabled = true;
        settings.otlp.url = "http://collector:4318/v1/logs".to_owned();
        settings.file.enabled = true;
        settings.program.enabled = true;
        settings.program.command = vec!["/bin/cat".to_owned()];
        settings.validate().unwrap();
        change(&mut settings);
        settings
            .validate()
            .map_or_else(|invalid| invalid.key, |()| String::new())
    }

    #[test]
    fn limits_name_the_key() {
        let headers = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), Secret::from(value))]);
        assert_eq!(key_of(|s| s.buffer = ByteSize(0)), "delivery.buffer");
        assert_eq!(key_of(|s| s.patience = 2 * SECOND), "delivery.patience");
        assert_eq!(key_of(|s| s.limit.burst = 0), "delivery.limit.burst");
        assert_eq!(key_of(|s| s.file.path = "x".into()), "delivery.file.path");
        assert_eq!(key_of(|s| s.file.max_size = ByteSize(1)), "delivery.file.max_size");
        assert_eq!(key_of(|s| s.file.max_size = ByteSize(0)), "");
        assert_eq!(key_of(|s| s.program.command.clear()), "delivery.program.command");
        for url in ["", "receiver", "ftp://x", "http://", "https://user:pw@x/", "/x"] {
            assert_eq!(key_of(|s| s.http.url = url.to_owned()), "delivery.http.url", "{url}");
        }
        assert_eq!(key_of(|s| s.http.batch = 0), "delivery.http.batch");
        for bad in [headers("Host", "x"), headers("a b", "x"), headers("a", "x\ny")] {
            assert_eq!(key_of(|s| s.http.headers = bad), "delivery.http.headers");
        }
        assert_eq!(
            key_of(|s| s.http.tls.key = "/k".into()),
            "delivery.http.tls.certificate"
        );
        assert_eq!(
            key_of(|s| s.otlp.tls.ca_file = "/ca".into()),
            "delivery.otlp.tls.ca_file"
        );
        let plain = |s: &mut Delivery| {
            s.http.url = "HTTP://receiver/".to_owned();
            (s.http.tls.certificate, s.http.tls.key) = ("/c".into(), "/k".into());
        };
        assert_eq!(key_of(plain), "delivery.http.tls.certificate");
        assert_eq!(
            key_of(|s| s.otlp.retry.longest = Duration::ZERO),
            "delivery.otlp.retry.longest"
        );
        assert_eq!(
            key_of(|s| s.http.queue.directory = "q".into()),
            "delivery.http.queue.directory"
        );
        let same = |s: &mut Delivery| {
            s.http.queue.directory = "/q".into();
            s.otlp.queue.directory = "/q".into();
        };
        assert_eq!(key_of(same), "delivery.otlp.queue.directory");
    }

    #[test]
    fn what_is_off_is_not_judged() {
        let mut settings = Delivery::default();
        settings.http.url = "nonsense".to_owned();
        settings.file.path = "relative".into();
        settings.validate().unwrap();
    }

    #[test]
    fn an_error_says_what_is_allowed() {
        let settings = Delivery {
            grace: HOUR,
            ..Delivery::default()
        };
        let error = settings.validate().unwrap_err().to_string();
        assert_eq!(error, "delivery.grace: 1h is out of range; allowed: 0s to 10m");
    }
}
