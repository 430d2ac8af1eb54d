//! `SIG*`.

use std::borrow::Cow;

use super::set::{Names, name_of, of_libc};

/// The first real-time signal to the kernel; the C library keeps some for itself.
const FIRST_REAL_TIME: i32 = 32;
const LAST_REAL_TIME: i32 = 64;

/// The name of a signal; a number that is none stays a number, 0 too, which only asks whether a process is there.
#[must_use]
pub fn signal(number: i32) -> Cow<'static, str> {
    match u64::try_from(number).ok().and_then(|number| name_of(SIGNALS, number)) {
        Some(name) => Cow::Borrowed(name),
        None if number == FIRST_REAL_TIME => Cow::Borrowed("SIGRTMIN"),
        None if (FIRST_REAL_TIME..=LAST_REAL_TIME).contains(&number) => {
            Cow::Owned(format!("SIGRT_{}", number - FIRST_REAL_TIME))
        }
        None => Cow::Owned(number.to_string()),
    }
}

pub(super) const SIGNALS: Names = of_libc![
    SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGKILL, SIGUSR1, SIGSEGV, SIGUSR2, SIGPIPE,
    SIGALRM, SIGTERM, SIGSTKFLT, SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGXCPU, SIGXFSZ,
    SIGVTALRM, SIGPROF, SIGWINCH, SIGIO, SIGPWR, SIGSYS,
];
