//! The limits of settings that their types do not express.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use bytesize::ByteSize;

use super::keys;
use super::settings::{EventClass, Settings};

/// The longest path that fits a socket address, without the terminating NUL (`sun_path` is 108 bytes).
pub const MAX_SOCKET_PATH: usize = 107;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// Items of a list of keys.
const MAX_PATTERNS: usize = 64;
/// The longest key of a label or annotation: a prefix of 253 bytes, a slash and a name of 63.
const MAX_PATTERN: usize = 317;

/// A setting outside its limits. What is allowed is in [`super::keys`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key.
    pub key: &'static str,
    /// What is wrong with its value.
    pub problem: String,
}

/// Checks every limit.
///
/// # Errors
/// The first setting that is outside its limits.
pub fn validate(settings: &Settings) -> Result<(), Problem> {
    events(&settings.events)?;
    if let Some(name) = &settings.node.name
        && (name.is_empty() || name.chars().count() > 253 || name.chars().any(char::is_control))
    {
        return problem("node.name", "it is empty, too long, or holds control characters");
    }
    level(&settings.log.level)?;
    let capture = &settings.capture;
    within(
        "capture.ring_size",
        capture.ring_size,
        ByteSize::kib(64),
        ByteSize::gib(1),
    )?;
    within(
        "record.limit",
        settings.record.limit,
        ByteSize::kib(64),
        ByteSize::tib(1),
    )?;
    within("capture.processes", capture.processes, 256, 4_194_304)?;
    within("loss.burst", settings.loss.burst, 1, 10_000)?;
    within("runtime.cache_size", settings.runtime.cache_size, 16, 1_048_576)?;
    for (key, value, shortest, longest) in [
        ("capture.batch", capture.batch, Duration::ZERO, Duration::from_secs(1)),
        (
            "loss.interval",
            settings.loss.interval,
            Duration::from_secs(1),
            Duration::from_secs(24 * 60 * 60),
        ),
        (
            "runtime.call_timeout",
            settings.runtime.call_timeout,
            Duration::from_millis(1),
            Duration::from_secs(30),
        ),
        (
            "runtime.lookup_budget",
            settings.runtime.lookup_budget,
            Duration::from_millis(1),
            Duration::from_secs(60),
        ),
        ("health.canary", settings.health.canary, Duration::from_secs(2), HOUR),
        (
            "health.loss_window",
            settings.health.loss_window,
            Duration::from_secs(1),
            HOUR,
        ),
        ("health.stall", settings.health.stall, Duration::from_secs(1), HOUR),
    ] {
        within(key, value, shortest, longest)?;
    }
    for path in &settings.runtime.socket {
        socket("runtime.socket", path)?;
    }
    if !settings.runtime.bundles.iter().all(|path| path.is_absolute()) {
        return problem("runtime.bundles", "a path is not absolute");
    }
    if !settings.control.socket.as_os_str().is_empty() {
        socket("control.socket", &settings.control.socket)?;
    }
    listen(settings)?;
    delivery(settings)?;
    patterns("metadata.labels", &settings.metadata.labels)?;
    patterns("metadata.annotations", &settings.metadata.annotations)?;
    let prefix = &settings.runtime.host_prefix;
    if !prefix.as_os_str().is_empty() && !prefix.is_absolute() {
        return problem("runtime.host_prefix", "it is not absolute");
    }
    Ok(())
}

fn problem<T>(key: &'static str, text: impl Into<String>) -> Result<T, Problem> {
    Err(Problem {
        key,
        problem: text.into(),
    })
}

fn within<T: PartialOrd + Copy>(key: &'static str, value: T, low: T, high: T) -> Result<(), Problem> {
    if value < low {
        return problem(key, "it is too small");
    }
    if value > high {
        return problem(key, "it is too large");
    }
    Ok(())
}

/// The limits are those of the crate that delivers; the words for what is allowed are in the table of keys.
fn delivery(settings: &Settings) -> Result<(), Problem> {
    let delivery = &settings.delivery;
    if let Err(invalid) = delivery.validate() {
        return Err(Problem {
            key: keys::find(&invalid.key).map_or("delivery", |key| key.name),
            problem: invalid.problem,
        });
    }
    if !settings.rules.files.is_empty() && !delivery.stdout && !delivery.has_channels() {
        return problem("delivery.stdout", "no channel is on, so alerts would go nowhere");
    }
    Ok(())
}

fn listen(settings: &Settings) -> Result<(), Problem> {
    let health = &settings.health;
    match health.address() {
        Some(address) if address.port() > 0 => Ok(()),
        Some(_) => problem("health.listen", "the port is 0"),
        None if health.listen.is_empty() => Ok(()),
        None => problem(
            "health.listen",
            format!("{:?} is no address with a port", health.listen),
        ),
    }
}

fn events(classes: &[EventClass]) -> Result<(), Problem> {
    if classes.is_empty() {
        return problem("events", "the list is empty; write none to print no events");
    }
    if classes.len() > 1
        && classes
            .iter()
            .any(|class| matches!(class, EventClass::All | EventClass::None))
    {
        return problem("events", "all and none stand alone");
    }
    Ok(())
}

/// Stricter than the filter's own parser, to which a mistyped level is the name of a module with everything enabled.
fn level(text: &str) -> Result<(), Problem> {
    for directive in text.split(',') {
        let level = directive.rsplit_once('=').map_or(directive, |(_, level)| level);
        if !["off", "error", "warn", "info", "debug", "trace"].contains(&level.to_ascii_lowercase().as_str()) {
            return problem("log.level", format!("{level:?} is no level"));
        }
    }
    match tracing_subscriber::EnvFilter::try_new(text) {
        Ok(_) => Ok(()),
        Err(error) => problem("log.level", error.to_string()),
    }
}

fn patterns(key: &'static str, patterns: &[String]) -> Result<(), Problem> {
    if patterns.len() > MAX_PATTERNS {
        return problem(key, format!("the list has {} items", patterns.len()));
    }
    for pattern in patterns {
        let beginning = pattern.strip_suffix('*').unwrap_or(pattern);
        if pattern.is_empty() {
            return problem(key, "an item is empty");
        }
        if beginning.contains('*') {
            return problem(key, format!("{pattern:?} has a * that is not its end"));
        }
        if pattern.len() > MAX_PATTERN {
            return problem(key, format!("an item has {} bytes", pattern.len()));
        }
        if pattern
            .chars()
            .any(|letter| letter.is_control() || letter.is_whitespace())
        {
            return problem(key, format!("{pattern:?} holds spaces or control characters"));
        }
    }
    Ok(())
}

fn socket(key: &'static str, path: &Path) -> Result<(), Problem> {
    if !path.is_absolute() {
        return problem(key, format!("{} is not absolute", path.display()));
    }
    let length = path.as_os_str().as_bytes().len();
    if length > MAX_SOCKET_PATH {
        return problem(key, format!("{} has {length} bytes", path.display()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_of(change: impl FnOnce(&mut Settings)) -> Option<&'static str> {
        let mut settings = Settings::default();
        change(&mut settings);
        validate(&settings).err().map(|problem| problem.key)
    }

    #[test]
    fn the_defaults_are_within_the_limits() {
        assert_eq!(validate(&Settings::default()), Ok(()));
    }

    #[test]
    fn each_limit_holds_at_its_edge() {
        for (bytes, ok) in [(65536, true), (65535, false), (1 << 30, true), ((1 << 30) + 1, false)] {
            assert_eq!(
                key_of(|s| s.capture.ring_size = ByteSize(bytes)).is_none(),
                ok,
                "{bytes}"
            );
        }
        for (millis, ok) in [(0, false), (1, true), (60_000, true), (60_001, false)] {
            assert_eq!(
                key_of(|s| s.runtime.lookup_budget = Duration::from_millis(millis)).is_none(),
                ok,
                "{millis}"
            );
        }
        for (length, ok) in [(MAX_SOCKET_PATH, true), (MAX_SOCKET_PATH + 1, false)] {
            let path = format!("/{}", "x".repeat(length - 1));
            assert_eq!(
                key_of(|s| s.runtime.socket = vec![path.into()]).is_none(),
                ok,
                "{length}"
            );
        }
        assert_eq!(key_of(|s| s.capture.processes = 255), Some("capture.processes"));
        for (burst, ok) in [(0, false), (1, true), (10_000, true), (10_001, false)] {
            assert_eq!(key_of(|s| s.loss.burst = burst).is_none(), ok, "{burst}");
        }
        for (seconds, ok) in [(0, false), (1, true), (86_400, true), (86_401, false)] {
            assert_eq!(
                key_of(|s| s.loss.interval = Duration::from_secs(seconds)).is_none(),
                ok,
                "{seconds}"
            );
        }
        assert_eq!(key_of(|s| s.runtime.cache_size = 0), Some("runtime.cache_size"));
        assert_eq!(
            key_of(|s| s.capture.batch = Duration::from_secs(2)),
            Some("capture.batch")
        );
        assert_eq!(
            key_of(|s| s.runtime.call_timeout = Duration::ZERO),
            Some("runtime.call_timeout")
        );
        assert_eq!(
            key_of(|s| s.control.socket = "run/agent.sock".into()),
            Some("control.socket")
        );
        assert_eq!(key_of(|s| s.control.socket = "".into()), None);
        for (listen, ok) in [
            ("", true),
            ("0.0.0.0:9467", true),
            ("[::1]:9467", true),
            ("127.0.0.1:0", false),
            (":9467", false),
            ("9467", false),
            ("localhost:9467", false),
            ("0.0.0.0:65536", false),
        ] {
            let found = key_of(|s| s.health.listen = listen.to_owned());
            assert_eq!(found, Some("health.listen").filter(|_| !ok), "{listen}");
        }
        for (seconds, ok) in [(1, false), (2, true), (3600, true), (3601, false)] {
            let found = key_of(|s| s.health.canary = Duration::from_secs(seconds));
            assert_eq!(found, Some("health.canary").filter(|_| !ok), "{seconds}");
        }
        for (seconds, ok) in [(0, false), (1, true), (3600, true), (3601, false)] {
            let found = key_of(|s| s.health.loss_window = Duration::from_secs(seconds));
            assert_eq!(found, Some("health.loss_window").filter(|_| !ok), "{seconds}");
            let found = key_of(|s| s.health.stall = Duration::from_secs(seconds));
            assert_eq!(found, Some("health.stall").filter(|_| !ok), "{seconds}");
        }
        assert_eq!(
            key_of(|s| s.runtime.host_prefix = "host".into()),
            Some("runtime.host_prefix")
        );
        assert_eq!(key_of(|s| s.node.name = Some(String::new())), Some("node.name"));
    }

    #[test]
    fn all_and_none_stand_alone() {
        assert_eq!(key_of(|s| s.events = vec![]), Some("events"));
        assert_eq!(key_of(|s| s.events = vec![EventClass::None]), None);
        assert_eq!(
            key_of(|s| s.events = vec![EventClass::All, EventClass::File]),
            Some("events")
        );
    }

    #[test]
    fn patterns_are_keys_or_their_beginnings() {
        for (pattern, ok) in [
            ("*", true),
            ("app", true),
            ("example.com/*", true),
            ("", false),
            ("*app", false),
            ("a*b", false),
            ("a**", false),
            ("a b", false),
            (&"x".repeat(MAX_PATTERN), true),
            (&"x".repeat(MAX_PATTERN + 1), false),
        ] {
            for key in ["metadata.labels", "metadata.annotations"] {
                let found = key_of(|s| match key {
                    "metadata.labels" => s.metadata.labels = vec![pattern.to_owned()],
                    _ => s.metadata.annotations = vec![pattern.to_owned()],
                });
                assert_eq!(found, Some(key).filter(|_| !ok), "{pattern}");
            }
        }
        for (count, ok) in [(0, true), (MAX_PATTERNS, true), (MAX_PATTERNS + 1, false)] {
            let found = key_of(|s| s.metadata.labels = vec!["a".to_owned(); count]);
            assert_eq!(found.is_none(), ok, "{count}");
        }
    }

    #[test]
    fn a_mistyped_level_is_found() {
        assert_eq!(key_of(|s| s.log.level = "inof".into()), Some("log.level"));
        assert_eq!(
            key_of(|s| s.log.level = "info,pinhole::container=loud".into()),
            Some("log.level")
        );
        assert_eq!(key_of(|s| s.log.level = "warn,pinhole::container=debug".into()), None);
    }
}
