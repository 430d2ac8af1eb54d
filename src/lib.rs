//! Pinhole: container runtime security through the smallest possible opening.
//!
//! The modules follow the path of an event, in this order:
//! [`capture`] (kernel hooks, ring buffer, loss ledger) → [`process`] (who did it) → [`container`] (where it ran) →
//! [`event`] (what is told) → [`rules`] (what is an alert) → [`delivery`] (where alerts go) → [`output`] (how it is written). [`pipeline`] drives that path on one thread.
//! [`histogram`] is what two of them measure with, [`recording`] keeps what went that way.
//! Around it: [`config`] and [`platform`] decide the settings, [`privilege`] gives up every right after the start,
//! [`control`] answers questions about the running agent, [`health`] says whether it works, [`doctor`] judges all of it,
//! [`manifest`] says how to deploy it, [`exposure`] what that opens, [`kubernetes`] reads what others deploy, [`cli`] is the
//! front door.
//!
//! `docs/architecture.md` is the map.

pub mod capture;
pub mod cli;
pub mod config;
pub mod container;
pub mod control;
pub mod delivery;
pub mod doctor;
pub mod event;
pub mod exposure;
pub mod health;
pub mod histogram;
pub mod kubernetes;
pub mod manifest;
pub mod output;
pub mod pipeline;
pub mod platform;
pub mod privilege;
pub mod process;
pub mod recording;
pub mod rules;
