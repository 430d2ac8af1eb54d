//! What events answer, on constructed ones.

mod accounts;
mod calls;
mod catalogue;
mod containers;
mod descriptors;
mod documented;
mod events;
mod executables;
mod identity;
mod processes;
mod run;
mod scene;
mod sessions;
mod sockets;
