//! What a program really did, as strace saw it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::error::{LabError, Result};
use super::tool;

/// One system call that has returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    /// The thread that made it.
    pub(crate) pid: i64,
    /// Its name.
    pub(crate) name: String,
    /// Its arguments as strace writes them, strings still quoted.
    pub(crate) args: Vec<String>,
    /// What it returned: -1 with an error.
    pub(crate) ret: i64,
    /// The error's name, e.g. `ENOENT`.
    pub(crate) error: Option<String>,
}

impl Call {
    /// The string of an argument that is one.
    pub(crate) fn string(&self, index: usize) -> Option<String> {
        unquote(self.args.get(index)?)
    }

    /// The strings of an argument that is an array of them.
    pub(crate) fn strings(&self, index: usize) -> Option<Vec<String>> {
        let inner = self.args.get(index)?.strip_prefix('[')?.strip_suffix(']')?;
        split(inner).iter().map(|word| unquote(word)).collect()
    }
}

/// Runs a command under strace and gives what it and its children called, in the order of the calls' ends.
///
/// `output` is the file that strace writes; the command's own output is returned.
pub(crate) fn trace(calls: &str, output: &Path, command: &[&str]) -> Result<(Vec<Call>, Output)> {
    trace_with(&[], calls, output, command)
}

/// The same with more options.
pub(crate) fn trace_with(
    options: &[&str],
    calls: &str,
    output: &Path,
    command: &[&str],
) -> Result<(Vec<Call>, Output)> {
    let strace = tool::find("strace", "strace")?;
    let run = Command::new(strace)
        // -xx would hide what people read in a failed test; plain strings are unambiguous enough for ASCII paths.
        .args(["-f", "-qq", "-s", "65536", "-v", "-e", "signal=none", "-e"])
        .arg(format!("trace={calls}"))
        .args(options)
        .arg("-o")
        .arg(output)
        .arg("--")
        .args(command)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| LabError::Start {
            program: "strace".to_owned(),
            source,
        })?;
    let text = fs::read_to_string(output).map_err(LabError::file("read", output))?;
    Ok((parse(&text), run))
}

/// Understands `strace -f -o` lines, also calls that were interrupted by another thread's.
pub(crate) fn parse(text: &str) -> Vec<Call> {
    let mut unfinished: Vec<(i64, String)> = Vec::new();
    text.lines()
        .filter_map(|line| {
            let (pid, rest) = line.split_once(char::is_whitespace)?;
            let pid = pid.parse().ok()?;
            let rest = rest.trim_start();
            if let Some(start) = rest.strip_suffix("<unfinished ...>") {
                unfinished.push((pid, start.trim_end().to_owned()));
                return None;
            }
            if let Some((_, end)) = rest.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>")) {
                let at = unfinished.iter().position(|(owner, _)| *owner == pid)?;
                let (_, start) = unfinished.swap_remove(at);
                return call(pid, &format!("{start}{end}"));
            }
            call(pid, rest)
        })
        .collect()
}

fn call(pid: i64, text: &str) -> Option<Call> {
    let (name, rest) = text.split_once('(')?;
    // The last one: strings may hold the same characters.
    let (args, result) = rest.rsplit_once(" = ")?;
    let args = args.trim_end().strip_suffix(')')?;
    let mut words = result.split_whitespace();
    // With -y a descriptor has its path behind it: `3</etc/passwd>`.
    let ret = words.next()?.split('<').next()?.parse().ok()?;
    let error = words.next().filter(|word| word.starts_with('E')).map(str::to_owned);
    Some(Call {
        pid,
        name: name.to_owned(),
        args: split(args),
        ret,
        error,
    })
}

/// Splits at commas that are in no string and no bracket.
fn split(args: &str) -> Vec<String> {
    let (mut parts, mut current) = (Vec::new(), String::new());
    let (mut depth, mut quoted, mut escaped) = (0_u32, false, false);
    for c in args.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '[' | '{' | '(' if !quoted => depth += 1,
            ']' | '}' | ')' if !quoted => depth = depth.saturating_sub(1),
            ',' if !quoted && depth == 0 => {
                parts.push(std::mem::take(&mut current).trim().to_owned());
                continue;
            }
            _ => {}
        }
        current.push(c);
    }
    let last = current.trim();
    if !last.is_empty() {
        parts.push(last.to_owned());
    }
    parts
}

/// The text between the quotes, its escapes undone.
pub(crate) fn unquote(word: &str) -> Option<String> {
    let inner = word.strip_prefix('"')?.strip_suffix('"')?;
    let mut bytes = Vec::new();
    let mut rest = inner.bytes().peekable();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        match rest.next()? {
            b'n' => bytes.push(b'\n'),
            b't' => bytes.push(b'\t'),
            b'r' => bytes.push(b'\r'),
            b'v' => bytes.push(0x0b),
            b'f' => bytes.push(0x0c),
            digit @ b'0'..=b'7' => {
                let mut value = u32::from(digit - b'0');
                for _ in 0..2 {
                    match rest.peek() {
                        Some(&next @ b'0'..=b'7') => {
                            value = value * 8 + u32::from(next - b'0');
                            rest.next();
                        }
                        _ => break,
                    }
                }
                bytes.push(u8::try_from(value).ok()?);
            }
            other => bytes.push(other),
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
