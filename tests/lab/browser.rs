//! A browser without a screen, which opens pages that this process serves and says what it made of them.
//!
//! Nothing leaves the machine: names are not resolved, and a page that asks for something else is seen to ask.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use serde_json::Value;

use super::error::{LabError, Result};
use super::tool;

/// The names that distributions give it, with the whole browser last.
const PROGRAMS: &[&str] = &[
    "chromium-headless-shell",
    "headless_shell",
    "chromium",
    "chromium-browser",
];

/// What came of opening a page.
#[derive(Debug)]
pub(crate) struct Seen {
    /// What the script that looked at the page found.
    pub(crate) found: Value,
    /// Messages of the console.
    pub(crate) console: Vec<String>,
    /// Paths that the browser asked for.
    pub(crate) asked: Vec<String>,
}

/// Pages by their path. The first is opened; its script puts what it finds, as JSON, into the element `found`.
pub(crate) fn open(pages: &[(&'static str, String)], dark: bool) -> Result<Seen> {
    let program = PROGRAMS
        .iter()
        .find_map(|program| tool::find(program, "chromium-headless-shell").ok())
        .map_or_else(|| tool::find(PROGRAMS[0], "chromium-headless-shell"), Ok)?;
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|source| LabError::Start {
        program: "a server for pages".to_owned(),
        source,
    })?;
    let address = listener.local_addr().map_err(|source| LabError::Start {
        program: "a server for pages".to_owned(),
        source,
    })?;
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (log, served) = (Arc::clone(&asked), pages.to_vec());
    // It ends with the test's process.
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (log, served) = (Arc::clone(&log), served.clone());
            thread::spawn(move || answer(&stream, &served, &log));
        }
    });

    let home = tempfile::tempdir().map_err(|source| LabError::Start {
        program: "a folder for the browser".to_owned(),
        source,
    })?;
    let mut command = Command::new(program);
    command
        // It has root, which its sandbox does not allow, and sees nothing but pages of this test.
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--hide-scrollbars",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ])
        .args([
            "--enable-logging=stderr",
            "--virtual-time-budget=5000",
            "--window-size=1400,2400",
        ])
        .arg("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
        .arg(format!("--blink-settings=preferredColorScheme={}", u8::from(!dark)))
        .arg(format!("--user-data-dir={}", home.path().display()))
        .arg("--dump-dom")
        .arg(format!("http://{address}{}", pages[0].0));
    let output = tool::run(&mut command)?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let console = String::from_utf8_lossy(&output.stderr);
    let asked = asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(Seen {
        found: found(&printed),
        console: console
            .lines()
            .filter(|line| line.contains(":CONSOLE"))
            .map(str::to_owned)
            .collect(),
        asked,
    })
}

fn found(dom: &str) -> Value {
    let inside = dom
        .split_once("id=\"found\">")
        .and_then(|(_, rest)| rest.split_once("</"));
    let json = inside.map_or("", |(json, _)| json);
    let json = json.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    serde_json::from_str(&json).unwrap_or(Value::Null)
}

fn answer(stream: &TcpStream, pages: &[(&str, String)], log: &Mutex<Vec<String>>) -> Option<()> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next()?.ok()?;
    // The headers, up to the empty line.
    while lines.next()?.ok().is_some_and(|line| !line.is_empty()) {}
    let path = request.split(' ').nth(1)?.to_owned();
    let page = pages
        .iter()
        .find(|(known, _)| *known == path)
        .map(|(_, page)| page.as_str());
    log.lock().unwrap_or_else(PoisonError::into_inner).push(path);
    let (status, body) = page.map_or(("404 Not Found", ""), |page| ("200 OK", page));
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let mut stream = stream;
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body.as_bytes()).ok()
}
