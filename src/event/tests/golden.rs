//! Each call in success and in failure, as JSON and as text, compared with a file that people have read.

use std::fmt::Write as _;

use serde_json::Value;

use super::{sample, told};
use crate::capture::calls::CALLS;

#[test]
fn every_call_is_told_as_agreed() {
    let mut lines = String::new();
    for call in CALLS {
        for succeeds in [true, false] {
            let (json, text) = told(sample::run(call, succeeds));
            let line = text.split_once("[42] ").unwrap().1;
            lines += line;
            let keys = ["syscall", "file", "target", "network"];
            for key in keys.into_iter().filter(|key| !json[*key].is_null()) {
                // Keys in alphabetical order: their order in an event is no promise.
                writeln!(lines, "    {key} {}", Value::clone(&json[key])).unwrap();
            }
        }
    }
    let agreed = include_str!("golden.txt");
    for (at, (ours, theirs)) in lines.lines().zip(agreed.lines()).enumerate() {
        assert_eq!(ours, theirs, "line {} of golden.txt; all lines:\n{lines}", at + 1);
    }
    assert_eq!(lines.len(), agreed.len(), "all lines:\n{lines}");
}
