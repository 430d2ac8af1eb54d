//! What the agent ends with: one meaning per code, the same for every command and output format.

use std::process::ExitCode;

/// How a command ended. The codes from 64 on are those of BSD's sysexits.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// 0: it did what was asked, and found nothing to complain about.
    Success = 0,
    /// 2: the doctor has findings at or above the threshold.
    Findings = 2,
    /// 3: the doctor could not determine enough to give a verdict.
    Undetermined = 3,
    /// 64: the command line is wrong.
    Usage = 64,
    /// 70: the agent itself failed.
    Internal = 70,
    /// 78: the configuration is wrong or a privilege is missing; the message says what to change.
    Configuration = 78,
}

impl Exit {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl From<&clap::Error> for Exit {
    /// Help and version are what was asked for; everything else that clap says is wrong usage.
    fn from(error: &clap::Error) -> Self {
        if error.use_stderr() { Self::Usage } else { Self::Success }
    }
}

impl From<&crate::config::Error> for Exit {
    fn from(error: &crate::config::Error) -> Self {
        if error.is_usage() {
            Self::Usage
        } else {
            Self::Configuration
        }
    }
}

impl From<&crate::privilege::capabilities::Error> for Exit {
    /// A missing grant is for the person who deploys the agent to mend; a refusal by the kernel is not.
    fn from(error: &crate::privilege::capabilities::Error) -> Self {
        match error {
            crate::privilege::capabilities::Error::Missing(_) => Self::Configuration,
            _ => Self::Internal,
        }
    }
}
