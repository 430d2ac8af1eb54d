//! An event as rules ask for it.

use std::cell::OnceCell;

use pinhole_rules::engine;
use pinhole_rules::field::Field;
use pinhole_rules::value::Answer;

use super::accounts::Accounts;
use super::catalogue::ROWS;
use crate::capture::record::{Body, Header, ProcessKey};
use crate::container::Outcome;
use crate::event::BootClock;
use crate::event::shape::{File, Network};
use crate::event::value::Args;
use crate::process::{Process, ProcessTable};

/// What stays the same from event to event.
#[derive(Debug)]
pub struct Host {
    /// The node's name.
    pub node: String,
    /// Names of users and groups of the host.
    pub accounts: Accounts,
}

/// An event, with all that was found out about it. Nothing is computed before a rule asks for it.
#[derive(Debug)]
pub struct Subject<'e> {
    /// When, where, by which thread.
    pub header: &'e Header,
    /// What happened.
    pub body: &'e Body<'e>,
    /// Whom it is about: for a fork the child.
    pub key: ProcessKey,
    /// That process, absent where the table does not know it.
    pub process: Option<&'e Process>,
    /// The table, for ancestors.
    pub table: &'e ProcessTable,
    /// How the lookup of its container went.
    pub outcome: &'e Outcome,
    /// What stays the same.
    pub host: &'e Host,
    /// The clock.
    pub clock: &'e BootClock,
    /// The number of the event since the start, from 1.
    pub number: u64,
    lazy: Lazy<'e>,
}

/// What several fields are made from, made once.
#[derive(Debug, Default)]
struct Lazy<'e> {
    args: OnceCell<Option<Args<'e>>>,
    files: OnceCell<(Option<File<'e>>, Option<File<'e>>)>,
    network: OnceCell<Option<Network<'e>>>,
}

impl engine::Subject for Subject<'_> {
    fn answer(&self, field: &Field) -> Answer<'_> {
        match ROWS.get(usize::from(field.id.0)) {
            Some(row) => (row.answer)(self, &field.argument),
            None => Answer::Absent,
        }
    }
}
