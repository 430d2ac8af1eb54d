//! What the files of cases use.

pub(super) use std::time::Duration;

pub(super) use super::super::facts::{
    CanaryFact, Gap, Gathered, LiveFailure, LockdownFact, OsError, Place, RuntimeClass,
};
pub(super) use super::super::fixture::{CONTAINERD, absent, agent, cold, live, refusal};
pub(super) use super::super::report::Status;
pub(super) use super::Case;
pub(super) use super::harm::*;
