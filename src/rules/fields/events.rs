//! The types of events.

use pinhole_rules::catalogue::Event;

/// Every type of events of upstream's system calls, in the order of its number.
pub static EVENTS: &[Event] = &[];
