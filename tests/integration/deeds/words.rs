//! The same argument in strace's words and in the agent's.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::lab::strace::unquote;

/// Whether both say the same. strace tells more of structures, adds comments to numbers without a name, and writes sets of
/// capabilities as shifts.
pub(super) fn same(ours: &Value, theirs: &str) -> bool {
    let theirs = uncommented(theirs);
    match ours {
        Value::Number(number) => theirs == number.to_string(),
        Value::String(ours) => {
            if theirs.starts_with('"') {
                return unquote(&theirs).as_deref() == Some(ours);
            }
            if theirs.starts_with("{sa_family=") {
                return address(&theirs).as_deref() == Some(ours);
            }
            flags(&theirs) == flags(ours)
        }
        // Of an array of messages the first is told.
        Value::Object(ours) => {
            let theirs = theirs.strip_prefix("[{msg_hdr=").unwrap_or(&theirs);
            ours.iter()
                .all(|(name, ours)| field(theirs, name).is_some_and(|theirs| same(ours, theirs)))
        }
        _ => false,
    }
}

/// Whether strace shows no more than where something is, because it could not read it, or that nothing was passed.
pub(super) fn is_pointer(theirs: &str) -> bool {
    theirs == "NULL" || theirs.starts_with("0x") && !theirs.contains(['|', ' '])
}

/// A set: the order of names is no promise.
fn flags(text: &str) -> BTreeSet<String> {
    text.replace("1<<CAP_", "CAP_").split('|').map(str::to_owned).collect()
}

/// `address:port`, or the path, with `@` before an abstract one.
fn address(theirs: &str) -> Option<String> {
    if let Some(path) = field(theirs, "sun_path") {
        return match path.strip_prefix('@') {
            Some(hidden) => Some(format!("@{}", unquote(hidden)?)),
            None => unquote(path),
        };
    }
    let between = |start: &str, end: &str| {
        let (_, rest) = theirs.split_once(start)?;
        Some(rest.split_once(end)?.0)
    };
    let port = between("_port=htons(", ")")?;
    match between("inet_addr(\"", "\"") {
        Some(ip) => Some(format!("{ip}:{port}")),
        None => Some(format!("[{}]:{port}", between("inet_pton(AF_INET6, \"", "\"")?)),
    }
}

/// The value of a field in `{name=value, ...}`.
fn field<'a>(structure: &'a str, name: &str) -> Option<&'a str> {
    let inner = structure.strip_prefix('{')?;
    let mut start = 0;
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, c) in inner.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            ',' | '}' if depth == 0 => {
                if let Some((found, value)) = inner[start..at].trim().split_once('=')
                    && found == name
                {
                    return Some(value);
                }
                start = at + 1;
            }
            '{' | '[' | '(' => depth += 1,
            '}' | ']' | ')' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn uncommented(text: &str) -> String {
    let mut text = text.to_owned();
    while let Some(start) = text.find(" /*") {
        let end = text[start..].find("*/").map_or(text.len(), |end| start + end + 2);
        text.replace_range(start..end, "");
    }
    text
}

#[test]
fn strace_is_understood() {
    let cases = [
        ("3", Value::from(3)),
        ("AT_FDCWD", "AT_FDCWD".into()),
        ("O_RDWR|O_CREAT", "O_CREAT|O_RDWR".into()),
        ("0x1 /* CLONE_??? */", "0x1".into()),
        (r#""a, \"b\"""#, "a, \"b\"".into()),
        (
            r#"{sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}"#,
            "127.0.0.1:80".into(),
        ),
        (
            r#"{sa_family=AF_INET6, sin6_port=htons(80), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "::1", &sin6_addr), sin6_scope_id=0}"#,
            "[::1]:80".into(),
        ),
        (r#"{sa_family=AF_UNIX, sun_path=@"hidden"}"#, "@hidden".into()),
        (
            r#"{effective=1<<CAP_CHOWN|1<<CAP_KILL, permitted=0, inheritable=0}"#,
            serde_json::json!({"effective": "CAP_CHOWN|CAP_KILL", "permitted": "0"}),
        ),
        (
            r#"[{msg_hdr={msg_name={sa_family=AF_UNIX, sun_path="/a,b"}, msg_namelen=7, msg_flags=0}, msg_len=0}]"#,
            serde_json::json!({"msg_name": "/a,b"}),
        ),
    ];
    for (theirs, ours) in cases {
        assert!(same(&ours, theirs), "{ours} and {theirs}");
    }
    assert!(!same(&"127.0.0.1:81".into(), cases_address()));
    assert!(!same(&Value::from(4), "3"));
    assert!(!same(&"O_RDWR".into(), "O_RDWR|O_CREAT"));
    assert!(is_pointer("0x8") && is_pointer("NULL") && !is_pointer("0x1|O_RDWR") && !is_pointer("\"0x8\""));
}

#[cfg(test)]
const fn cases_address() -> &'static str {
    r#"{sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}"#
}
