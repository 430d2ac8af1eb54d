//! Events for people: one line each, time, place, process, deed.
//!
//! Whatever a process chose itself (arguments, paths, names) is escaped, so that it can neither forge lines nor steer
//! the terminal.

use std::fmt::{self, Write as _};
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use crate::container::{Metadata, Status};
use crate::event::shape::{Endpoint, Event, Kind};
use crate::event::{Summary, shape};

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

/// Appends an event.
///
/// # Errors
/// Never for memory; the signature is `Write`'s.
pub fn event(out: &mut Vec<u8>, event: &Event<'_>, colour: bool) -> io::Result<()> {
    if let Some(lost) = event.lost_before {
        writeln!(
            out,
            "{}",
            Styled(
                format_args!("-- {lost} events lost: the ring buffer was full --"),
                TROUBLE,
                colour
            )
        )?;
    }
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
    if let Some(exe) = &process.exe {
        write!(f, " {}", Safe(&exe.text))?;
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

fn syscall(f: &mut fmt::Formatter<'_>, event: &Event<'_>) -> fmt::Result {
    let Some(call) = &event.syscall else { return Ok(()) };
    f.write_str(call.name)?;
    if let Some(file) = &event.file {
        let asked = file.requested_path.unwrap_or("?");
        write!(f, " {}", Safe(asked))?;
        if let Some(path) = file.path.filter(|path| *path != asked) {
            write!(f, " ({})", Safe(path))?;
        }
        write!(f, " {}", file.flags)?;
    }
    if let Some(network) = &event.network {
        if let Some(protocol) = &network.protocol {
            write!(f, " {protocol}")?;
        }
        match &network.destination {
            Some(Endpoint::Ip { address, port }) => write!(f, " {}", std::net::SocketAddr::new(*address, *port))?,
            Some(Endpoint::Unix { path }) => write!(f, " unix:{}", Safe(path))?,
            None => write!(f, " {}", network.family.as_deref().unwrap_or("?"))?,
        }
    }
    match &call.error {
        Some(error) => write!(f, " = {error}"),
        None => write!(f, " = {}", call.ret),
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

/// Appends a summary.
///
/// # Errors
/// Never for memory; the signature is `Write`'s.
pub fn summary(out: &mut Vec<u8>, summary: &Summary, colour: bool) -> io::Result<()> {
    writeln!(
        out,
        "{}",
        Styled(format_args!("summary: backend {}", summary.backend), DEED, colour)
    )?;
    writeln!(
        out,
        "  {:<10} {:>10} {:>10} {:>10} {:>10}",
        "hook", "seen", "filtered", "delivered", "dropped"
    )?;
    for (name, line) in &summary.hooks {
        let text = format!(
            "  {name:<10} {:>10} {:>10} {:>10} {:>10}",
            line.seen, line.filtered, line.delivered, line.dropped
        );
        writeln!(out, "{}", Styled(text, TROUBLE, colour && line.dropped > 0))?;
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
    )
}

#[cfg(test)]
mod tests {
    use super::*;

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
