//! `evt.is_open_*`: how a file was opened.

use pinhole_rules::field::Given;
use pinhole_rules::value::{Answer, Value};

use super::answers::{call_name, returned};
use crate::capture::call::CallBody;
use crate::event::names::open::creates;
use crate::rules::fields::truth;
use crate::rules::params;
use crate::rules::reasons;
use crate::rules::subject::Subject;

/// The access mode among the flags.
pub(super) const ACCESS: i32 = libc::O_ACCMODE;

fn opens(subject: &Subject<'_>) -> bool {
    ["open", "openat", "openat2"].contains(&call_name(subject))
}

/// The flags of a call that opens.
fn flags(subject: &Subject<'_>) -> Result<i32, &'static str> {
    let flags = subject.files().0.as_ref().and_then(|file| file.flags);
    // More than an int is refused by the kernel.
    let flags = flags.map(|flags| i32::try_from(flags.bits & u64::from(u32::MAX >> 1)).unwrap_or(0));
    flags.ok_or(reasons::ARGUMENT_UNREADABLE)
}

pub(super) fn opened<'s>(subject: &'s Subject<'_>, so: fn(i32) -> bool) -> Answer<'s> {
    if !opens(subject) {
        return truth(false);
    }
    match flags(subject) {
        Ok(flags) => truth(so(flags)),
        Err(why) => Answer::Unknown(why),
    }
}

pub(super) fn is_open_exec<'s>(subject: &'s Subject<'_>, _: &Given) -> Answer<'s> {
    let executable = |call: &CallBody<'_>| match params::number(subject, "mode") {
        Answer::Known(Value::Number(mode)) => truth(mode & 0o111 != 0),
        Answer::Absent | Answer::Known(_) => truth(false),
        _ if call.ret == -i64::from(libc::EFAULT) => truth(false),
        Answer::Unknown(why) | Answer::Partly(_, why) => Answer::Unknown(why),
    };
    let Some(call) = subject.call() else {
        return truth(false);
    };
    match call.call.name {
        "creat" => executable(call),
        "open" | "openat" | "openat2" => match flags(subject) {
            Ok(flags) if creates(u64::from(flags.cast_unsigned())) => executable(call),
            Ok(_) => truth(false),
            Err(why) => Answer::Unknown(why),
        },
        _ => truth(false),
    }
}

pub(super) fn is_open_create<'s>(subject: &'s Subject<'_>, _: &Given) -> Answer<'s> {
    if !opens(subject) || returned(subject).is_none_or(|ret| ret < 0) {
        return truth(false);
    }
    match flags(subject) {
        Ok(flags) if flags & libc::O_TMPFILE == libc::O_TMPFILE => truth(true),
        Ok(flags) if flags & libc::O_CREAT == 0 => truth(false),
        Ok(flags) if flags & libc::O_EXCL != 0 => truth(true),
        Ok(_) => Answer::Unknown(reasons::CREATION_UNKNOWN),
        Err(why) => Answer::Unknown(why),
    }
}
