//! The deeds, grouped so that what one scene changes of its process does not harm another.
//!
//! Each scene runs in a process and an empty directory of its own, as root, once for each way into the kernel that its
//! calls have.

mod executing;
mod files;
mod identity;
mod kernel;
mod names;
mod namespaces;
mod network;
mod process;

use super::actor::{Actor, Way};

/// A scene: its name, what is done, by which ways.
pub(super) struct Scene {
    pub(super) name: &'static str,
    pub(super) play: fn(&mut Actor),
    pub(super) ways: &'static [Way],
}

const TWO: &[Way] = &[Way::Native, Way::I386];
/// Also by the numbers of 32-bit calls with wide ids.
const THREE: &[Way] = &[Way::Native, Way::I386, Way::I386Wide];
/// Also through socketcall(2).
const SOCKETS: &[Way] = &[Way::Native, Way::I386, Way::SocketCall];

macro_rules! scenes {
    ($($room:ident::$play:ident $ways:ident),* $(,)?) => {
        /// All of them.
        pub(super) const ALL: &[Scene] = &[$(Scene { name: stringify!($play), play: $room::$play, ways: $ways }),*];
    };
}

scenes! {
    process::signals TWO,
    process::tracing TWO,
    process::itself TWO,
    process::directories TWO,
    executing::by_path TWO,
    executing::by_descriptor TWO,
    executing::from_memory TWO,
    files::opening TWO,
    files::descriptors TWO,
    files::permissions TWO,
    files::owners THREE,
    names::links TWO,
    names::renames TWO,
    names::making TWO,
    network::streams SOCKETS,
    network::datagrams SOCKETS,
    network::unix SOCKETS,
    namespaces::mounts_and_unmounts TWO,
    namespaces::roots TWO,
    namespaces::joining TWO,
    identity::groups_and_users THREE,
    identity::capabilities TWO,
    kernel::modules TWO,
    kernel::programs TWO,
    kernel::rings TWO,
}
