//! Events for people: one line each, time, place, process, deed.
//!
//! Whatever a process chose itself (arguments, paths, names) is escaped, so that it can neither forge lines nor steer
//! the terminal.

use std::fmt::{self, Write as _};
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use pinhole_delivery::Alert as Worded;
use pinhole_priority::Priority;

use crate::capture::record::KernelPath;
use crate::container::{Metadata, Status};
use crate::delivery::Delivered;
use crate::event::shape::{Endpoint, Event, Kind, Network};
use crate::event::summary::Rate;
use crate::event::value::{Told, Value};
use crate::event::{Loss, Summary, shape};
use crate::rules::Alert;

const DIM: Style = Style::new().dimmed();
const PLACE: Style = AnsiColor::Cyan.on_default();
const DEED: Style = Style::new().bold();
const TROUBLE: Style = AnsiColor::Red.on_default();

/// Bytes of arguments on a line; JSON has them all.
const ARGUMENTS_SHOWN: usize = 400;

/// A piece of text in a style, when colours are wanted.
struct Styled<T>(T, Style, bool);

impl<T: fmt::Display> fmt::Display for Styled<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.2 {
            write!(f, "{}{}{}", self.1.render(), self.0, self.1.render_reset())
        } else {
            self.0.fmt(f)
        }
    }
}

/// A line of its own where events were lost before what follows.
fn lost(out: &mut Vec<u8>, before: Option<u64>, colour: bool) -> io::Result<()> {
    let Some(lost) = before else { return Ok(()) };
    let text = format_args!("-- {lost} events lost: the ring buffer was full --");
    writeln!(out, "{}", Styled(text, TROUBLE, colour))
}

/// Appends an event.
///
/// # Errors
/// Never for memory; the signature is `Write`'s.
pub fn event(out: &mut Vec<u8>, event: &Event<'_>, colour: bool) -> io::Result<()> {
    lost(out, event.lost_before, colour)?;
    let time = event.time.strftime("%H:%M:%S%.6f");
    write!(
        out,
        "{} {} ",
        Styled(time, DIM, colour),
        Styled(Place(event), PLACE, colour)
    )?;
    let process = event.process.process;
    let name = process.map_or("?", |process| process.name.as_str());
    write!(out, "{}[{}] ", Safe(name), event.process.key.pid)?;
    writeln!(
        out,
        "{}{}",
        Styled(Deed(event), DEED, colour),
        Styled(Shortfall(event.outcome.metadata), TROUBLE, colour)
    )
}

/// Appends an alert.
///
/// # Errors
/// Never for memory; the signature is `Write`'s.
pub fn alert(out: &mut Vec<u8>, alert: &Alert<'_>, colour: bool) -> io::Result<()> {
    lost(out, alert.pinhole.lost_before, colour)?;
    let style = if alert.priority <= Priority::Warning {
        TROUBLE
    } else {
        DEED
    };
    writeln!(
        out,
        "{} {}",
        Styled(Safe(&alert.output), style, colour),
        Styled(format_args!("[{}]", Safe(alert.rule)), DIM, colour)
    )
}

/// Appends an alert that is in words already.
///
/// # Errors
/// Never for memory; the signature is `Write`'s.
pub fn worded(out: &mut Vec<u8>, alert: &Worded, colour: bool) -> io::Result<()> {
    writeln!(
        out,
        "{} {}",
        Styled(Safe(&alert.text), TROUBLE, colour),
        Styled(format_args!("[{}]", Safe(&alert.rule)), DIM, colour)
    )
}

/// Where: `namespace/pod:container`, the beginning of the container's id, or `host`.
struct Place<'a>(&'a Event<'a>);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(container) = &self.0.outcome.container else {
            return f.write_str(if self.0.outcome.metadata.status == Status::Host {
                "host"
            } else {
                "unknown"
            });
        };
        let pod = self.0.outcome.kubernetes.as_ref().and_then(|kubernetes| {
            Some((
                kubernetes.namespace.as_deref()?,
                kubernetes.pod.as_ref()?.name.as_deref()?,
            ))
        });
        if let Some((namespace, pod)) = pod {
            write!(f, "{}/{}:", Safe(namespace), Safe(pod))?;
        }
        let short = container.id.get(..12).unwrap_or(&container.id);
        let fallback = if container.sandbox == Some(true) {
            "(sandbox)"
        } else {
            short
        };
        write!(f, "{}", Safe(container.name.as_deref().unwrap_or(fallback)))?;
        match container.image.as_ref().and_then(|image| image.reference.as_deref()) {
            Some(image) => write!(f, " ({})", Safe(image)),
            None => Ok(()),
        }
    }
}

/// What is missing, and why.
struct Shortfall(Metadata);

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.reason {
            Some(reason) => write!(f, "  [metadata {}: {}]", self.0.status.as_str(), reason.as_str()),
            None => Ok(()),
        }
    }
}

/// What was done.
struct Deed<'a>(&'a Event<'a>);

impl fmt::Display for Deed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event = self.0;
        match event.kind {
            Kind::ProcessExec => exec(f, event),
            Kind::ProcessFork => f.write_str("fork"),
            Kind::ProcessExit => match event.exit {
                Some(shape::Exit { code: Some(code), .. }) => write!(f, "exit {code}"),
                Some(shape::Exit {
                    signal: Some(signal), ..
                }) => write!(f, "killed by {signal}"),
                _ => f.write_str("exit"),
            },
            Kind::Syscall => syscall(f, event),
        }
    }
}

fn exec(f: &mut fmt::Formatter<'_>, event: &Event<'_>) -> fmt::Result {
    f.write_str("exec")?;
    let Some(process) = event.process.process else {
        return Ok(());
    };
    if let Some(exe) = process.exe.as_ref().and_then(KernelPath::known) {
        write!(f, " {}", Safe(exe))?;
    }
    let mut room = ARGUMENTS_SHOWN;
    for argument in process.args.iter().skip(1) {
        let Some(left) = room.checked_sub(argument.len() + 1) else {
            return f.write_str(" …");
        };
        room = left;
        write!(f, " {}", Quoted(argument))?;
    }
    if process.args_truncated {
        f.write_str(" …")
    } else {
        Ok(())
    }
}

/// As strace writes it, then what the kernel made of it.
fn syscall(f: &mut fmt::Formatter<'_>, event: &Event<'_>) -> fmt::Result {
    let Some(call) = &event.syscall else { return Ok(()) };
    write!(f, "{}(", call.name())?;
    let told = call.args.iter().filter(|(_, told)| !matches!(told, Told::Nothing));
    for (index, (_, told)) in told.enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        match told {
            Told::Value(value) => argument(f, value)?,
            Told::Cut(value) => {
                argument(f, value)?;
                f.write_str("…")?;
            }
            Told::Nothing | Told::Unread => f.write_char('?')?,
        }
    }
    match &call.error {
        Some(error) => write!(f, ") = -1 {error}")?,
        None => write!(f, ") = {}", call.ret)?,
    }
    if let Some(file) = &event.file
        && let Some(path) = &file.path
        && file.requested_path != file.path
    {
        write!(f, " ({})", Safe(path))?;
    }
    match &event.network {
        Some(network) => connection(f, network),
        None => Ok(()),
    }
}

fn argument(f: &mut fmt::Formatter<'_>, value: &Value<'_>) -> fmt::Result {
    match value {
        Value::Text(text) => {
            let shown = text.floor_char_boundary(ARGUMENTS_SHOWN);
            let more = if shown < text.len() { "…" } else { "" };
            write!(f, "\"{}\"{more}", Safe(&text[..shown].replace('"', "\\\"")))
        }
        Value::Fields(fields) => {
            f.write_char('{')?;
            for (index, (name, value)) in fields.iter().enumerate() {
                write!(f, "{}{name}=", if index > 0 { ", " } else { "" })?;
                argument(f, value)?;
            }
            f.write_char('}')
        }
        other => write!(f, "{other}"),
    }
}

/// ` (tcp 10.0.0.1:4000 -> 10.0.0.2:80)`
fn connection(f: &mut fmt::Formatter<'_>, network: &Network<'_>) -> fmt::Result {
    let words = [
        network.protocol.as_deref(),
        network.kind.as_deref(),
        network.family.as_deref(),
    ];
    write!(f, " ({}", words.into_iter().flatten().next().unwrap_or("?"))?;
    if let Some(source) = &network.source {
        write!(f, " {}", End(source))?;
    }
    if let Some(destination) = &network.destination {
        write!(f, " -> {}", End(destination))?;
    }
    f.write_char(')')
}

/// One end of a connection.
struct End<'a>(&'a Endpoint<'a>);

impl fmt::Display for End<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Endpoint::Ip { address, port } => std::net::SocketAddr::new(*address, *port).fmt(f),
            Endpoint::Unix { path } => write!(f, "unix:{}", Safe(path)),
        }
    }
}

/// Text of unknown origin: control characters are written as escapes.
struct Safe<'a>(&'a str);

impl fmt::Display for Safe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Directional overrides are no control characters, yet they make text read as something else.
        let hostile = |c: char| {
            c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        for piece in self.0.split_inclusive(hostile) {
            match piece.char_indices().next_back() {
                Some((at, last)) if hostile(last) => write!(f, "{}{}", &piece[..at], last.escape_default())?,
                _ => f.write_str(piece)?,
            }
        }
        Ok(())
    }
}

/// An argument as one would type it.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| c.is_alphanumeric() || "_-+=./:,@%^~".contains(c);
        if !self.0.is_empty() && self.0.chars().all(plain) {
            return f.write_str(self.0);
        }
        f.write_char('\'')?;
        write!(f, "{}", Safe(&self.0.replace('\'', r"'\''")))?;
        f.write_char('\'')
    }
}

/// Appends a loss.
///
/// # Errors
/// Never for memory; the signature is `Write`'s.
pub fn loss(out: &mut Vec<u8>, loss: &Loss, colour: bool) -> io::Result<()> {
    let hooks: Vec<String> = loss
        .hooks
        .iter()
        .map(|(hook, counts)| format!("{hook} {}", counts.dropped))
        .collect();
    let mut text = format!(
        "-- loss: {} of {} events dropped since {} ({:.3} %: {})",
        loss.all.dropped,
        loss.all.dropped.saturating_add(loss.all.delivered),
        loss.window.from.strftime("%H:%M:%S%.6f"),
        loss.share * 100.0,
        hooks.join(", "),
    );
    if let Some(share) = loss.ring.peak_share {
        write!(text, ", ring up to {:.0} % full", share * 100.0).map_err(io::Error::other)?;
    }
    writeln!(
        out,
        "{} {}",
        Styled(loss.time.strftime("%H:%M:%S%.6f"), DIM, colour),
        Styled(format_args!("{text} --"), TROUBLE, colour)
    )
}

/// What became of alerts, a line for each channel.
fn channels(out: &mut Vec<u8>, delivery: &Delivered, colour: bool) -> io::Result<()> {
    for (name, account) in &delivery.channels {
        let [delivered, failed, dropped] = [account.delivered, account.failed, account.dropped];
        write!(
            out,
            "  channel {name}: delivered {delivered}, failed {failed}, dropped {dropped}, waiting {}",
            account.waiting
        )?;
        match &account.last_error {
            Some(error) => writeln!(out, " (last error: {})", Safe(error))?,
            None => writeln!(out)?,
        }
    }
    if delivery.lost > 0 || !delivery.running {
        let ended = if delivery.running {
            ""
        } else {
            "; the delivery process has ended"
        };
        let text = format!(
            "  {} alerts could not be handed over to the channels{ended}",
            delivery.lost
        );
        writeln!(out, "{}", Styled(text, TROUBLE, colour))?;
    }
    Ok(())
}

/// Appends a summary.
///
/// # Errors
/// Never for memory; the signature is `Write`'s.
pub fn summary(out: &mut Vec<u8>, summary: &Summary, colour: bool) -> io::Result<()> {
    writeln!(
        out,
        "{}",
        Styled(
            format_args!("summary: capture {}, backend {}", summary.capture, summary.backend),
            DEED,
            colour
        )
    )?;
    writeln!(
        out,
        "  {:<17} {:>10} {:>10} {:>10} {:>10}",
        "hook", "seen", "filtered", "delivered", "dropped"
    )?;
    // Dozens of hooks may be attached; a person wants to know of those that something happened at.
    let quiet = summary.hooks.values().filter(|line| line.seen == 0).count();
    for (name, line) in summary.hooks.iter().filter(|(_, line)| line.seen > 0) {
        let text = format!(
            "  {name:<17} {:>10} {:>10} {:>10} {:>10}",
            line.seen, line.filtered, line.delivered, line.dropped
        );
        writeln!(out, "{}", Styled(text, TROUBLE, colour && line.dropped > 0))?;
    }
    if quiet > 0 {
        writeln!(out, "  and {quiet} more that saw nothing")?;
    }
    if !summary.reporting.off.is_empty() {
        let text = format!("  turned off: {}", summary.reporting.off.join(", "));
        writeln!(out, "{}", Styled(text, TROUBLE, colour))?;
    }
    let list = |counts: &std::collections::BTreeMap<&'static str, u64>| {
        counts
            .iter()
            .map(|(word, count)| format!("{word} {count}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    write!(out, "  metadata: {}", list(&summary.metadata.status))?;
    if !summary.metadata.reason.is_empty() {
        write!(out, " (reasons: {})", list(&summary.metadata.reason))?;
    }
    let lookups = summary.lookups;
    writeln!(
        out,
        "\n  lookups: {}, median {} µs, p99 {} µs",
        lookups.count, lookups.p50_us, lookups.p99_us
    )?;
    let latency = summary.latency_us;
    writeln!(
        out,
        "  hook to output: median {} µs, p90 {} µs, p99 {} µs, longest {} µs",
        latency.p50_us, latency.p90_us, latency.p99_us, latency.max_us
    )?;
    let rates = summary.rates;
    let rate = |rate: Rate| format!("{:.0} ({:.0} dropped)", rate.seen, rate.dropped);
    writeln!(
        out,
        "  events per second: {} over 10 s, {} over 1 min, {} over 1 h",
        rate(rates.ten_seconds),
        rate(rates.minute),
        rate(rates.hour)
    )?;
    for (name, count) in summary.rules.iter().flatten() {
        write!(out, "  rule {}: matched {}", Safe(name), count.matched)?;
        let unknown = count.undecided + count.held_back;
        if unknown > 0 {
            write!(out, ", undecided {unknown} times ({} alerted)", count.undecided)?;
        }
        if count.limited > 0 {
            write!(out, ", {} of its alerts held back by the limit", count.limited)?;
        }
        writeln!(out)?;
    }
    if let Some(delivery) = &summary.delivery {
        channels(out, delivery, colour)?;
    }
    if summary.output.lost_lines > 0 {
        let text = format!(
            "  {} lines were lost before this one, because there was no room for them",
            summary.output.lost_lines
        );
        writeln!(out, "{}", Styled(text, TROUBLE, colour))?;
    }
    let missed = summary.hooks.iter().map(|(name, line)| (*name, line.missed));
    let dispatcher = summary
        .dispatcher
        .map(|dispatcher| ("dispatcher", Some(dispatcher.missed)));
    for (name, missed) in missed.chain(dispatcher).filter(|(_, missed)| *missed > Some(0)) {
        let text = format!("  the kernel skipped {} runs of {name}", missed.unwrap_or_default());
        writeln!(out, "{}", Styled(text, TROUBLE, colour))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::event::loss::{Counts, Ring, Window};
    use crate::event::summary::Rates;

    #[test]
    fn a_loss_is_one_line_with_or_without_the_rings_fill() {
        let counts = |dropped| Counts {
            seen: 100,
            delivered: 75,
            dropped,
        };
        let mut lost = Loss {
            time: Timestamp::from_second(61).unwrap(),
            node: "node-1".to_owned(),
            kind: "loss",
            window: Window {
                from: Timestamp::from_second(60).unwrap(),
                to: Timestamp::from_second(61).unwrap(),
            },
            all: counts(25),
            share: 0.25,
            hooks: [("exit", counts(1)), ("openat", counts(24))].into(),
            ring: Ring {
                size: 4096,
                peak: Some(4055),
                peak_share: Some(0.99),
            },
            rates: Rates::default(),
        };
        let line = |lost: &Loss| {
            let mut out = Vec::new();
            loss(&mut out, lost, false).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            line(&lost),
            "00:01:01.000000 -- loss: 25 of 100 events dropped since 00:01:00.000000 (25.000 %: exit 1, openat 24), ring up to \
             99 % full --\n"
        );
        (lost.ring.peak, lost.ring.peak_share) = (None, None);
        assert!(line(&lost).ends_with("openat 24) --\n"), "{}", line(&lost));
        let json = serde_json::to_value(&lost).unwrap();
        assert_eq!(json["dropped"], 25);
        assert_eq!(json["hooks"]["exit"]["dropped"], 1);
        assert_eq!(json["ring"], serde_json::json!({"size": 4096}), "absent, never null");
    }

    #[test]
    fn hostile_text_neither_forges_lines_nor_steers_the_terminal() {
        assert_eq!(Safe("a\nb\x1b[31mc").to_string(), r"a\nb\u{1b}[31mc");
        assert_eq!(Safe("x\u{202e}y").to_string(), r"x\u{202e}y");
        assert_eq!(Quoted("it's").to_string(), r"'it'\''s'");
        assert_eq!(Quoted("a\nb").to_string(), r"'a\nb'");
        assert_eq!(Quoted("").to_string(), "''");
        assert_eq!(Quoted("/etc/hostname").to_string(), "/etc/hostname");
    }
}
