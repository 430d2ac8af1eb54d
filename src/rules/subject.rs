//! An event as rules ask for it.

use std::cell::OnceCell;
use std::net::IpAddr;
use std::ops::Deref;

use jiff::Timestamp;
use pinhole_rules::catalogue::EventType;
use pinhole_rules::engine;
use pinhole_rules::field::Field;
use pinhole_rules::value::Answer;

use super::accounts::Accounts;
use super::catalogue::ROWS;
use super::descriptor::{self, Descriptor};
use super::fields;
use super::lineage::Commands;
use crate::capture::call::CallBody;
use crate::capture::record::{Body, Header, ProcessKey};
use crate::container::{Outcome, Selection};
use crate::event::BootClock;
use crate::event::shape::{File, Network};
use crate::event::value::Args;
use crate::event::{arguments, file, network};
use crate::process::{Process, ProcessTable};

/// What stays the same from event to event.
#[derive(Debug, Default)]
pub struct Host {
    /// The node's name.
    pub node: String,
    /// Names of users and groups of the host.
    pub accounts: Accounts,
    /// Names of addresses that are known without asking anybody, e.g. that of the API server. Where there is none, no
    /// address has a known name.
    pub names: Vec<(String, IpAddr)>,
    /// What is kept of containers' labels and mounts: of what is not, nobody knows whether it is there.
    pub(crate) selection: Selection,
}

/// What is known of an event.
#[derive(Debug, Clone, Copy)]
pub struct Known<'e> {
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
    /// The clock.
    pub clock: &'e BootClock,
    /// The number of the event since the start, from 1.
    pub number: u64,
}

/// An event, with all that was found out about it. Nothing is computed before a rule asks for it.
#[derive(Debug)]
pub struct Subject<'e> {
    known: Known<'e>,
    /// What stays the same.
    pub(super) host: &'e Host,
    lazy: Lazy<'e>,
}

impl<'e> Subject<'e> {
    /// The event of which this is known.
    #[must_use]
    pub fn new(known: Known<'e>, host: &'e Host) -> Self {
        let lazy = Lazy::default();
        Self { known, host, lazy }
    }

    /// When it happened.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.known.clock.utc(self.known.header.time)
    }

    /// The type of events that it is of, absent where a record is none for rules.
    #[must_use]
    pub fn event_type(&self) -> Option<EventType> {
        fields::type_of(self.known.header)
    }

    /// The system call, where it is one.
    pub(super) fn call(&self) -> Option<&'e CallBody<'e>> {
        match self.known.body {
            Body::Call(call) => Some(call),
            _ => None,
        }
    }

    /// What is told of the arguments of the system call.
    pub(super) fn args(&self) -> Option<&Args<'e>> {
        self.lazy.args.get_or_init(|| self.call().map(arguments::args)).as_ref()
    }

    /// The file that the system call was about, and the second one.
    pub(super) fn files(&self) -> &(Option<File<'e>>, Option<File<'e>>) {
        self.lazy.files.get_or_init(|| match (self.call(), self.args()) {
            (Some(call), Some(args)) => file::files(call, args),
            _ => (None, None),
        })
    }

    /// The connection that the system call was about.
    pub(super) fn network(&self) -> Option<&Network<'e>> {
        self.lazy
            .network
            .get_or_init(|| self.call().and_then(network::network))
            .as_ref()
    }

    /// Command lines.
    pub(super) fn commands(&self) -> &Commands {
        &self.lazy.commands
    }
}

impl<'e> Subject<'e> {
    /// The descriptor that the system call made or was given.
    pub(super) fn descriptor(&self) -> Option<&Descriptor<'e>> {
        self.lazy
            .descriptor
            .get_or_init(|| self.call().and_then(descriptor::of))
            .as_ref()
    }
}

impl<'e> Deref for Subject<'e> {
    type Target = Known<'e>;

    fn deref(&self) -> &Known<'e> {
        &self.known
    }
}

/// What several fields are made from, made once.
#[derive(Debug, Default)]
struct Lazy<'e> {
    args: OnceCell<Option<Args<'e>>>,
    files: OnceCell<(Option<File<'e>>, Option<File<'e>>)>,
    network: OnceCell<Option<Network<'e>>>,
    descriptor: OnceCell<Option<Descriptor<'e>>>,
    commands: Commands,
}

impl engine::Subject for Subject<'_> {
    fn answer(&self, field: &Field) -> Answer<'_> {
        match ROWS.get(usize::from(field.id.0)) {
            Some(row) => (row.answer)(self, &field.argument),
            None => Answer::Absent,
        }
    }
}
