//! What events answer, on constructed ones.

mod accounts;
mod catalogue;
mod containers;
mod documented;
mod identity;
mod processes;
mod scene;
