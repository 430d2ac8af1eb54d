//! The pipeline: one thread that takes records from the ring and sends events out, in order.
//!
//! There is no queue between the two: the ring is the queue, and what does not fit there is counted by the kernel side.
//! Because the lookup of a container's metadata happens here, before the event is written, no event can overtake it.

mod alerting;
mod calendar;
pub mod canary;
mod complaints;
pub mod driver;
mod field_counts;
mod held;
mod latency;
pub mod loss;
mod lost_before;
pub mod pulse;
mod rates;
pub mod reporting;
mod ring;
pub mod signals;
mod status;
mod told;
pub mod vitals;
mod window;

pub use alerting::Alerting;
pub use driver::{Error, Pipeline};
pub use loss::Losses;
pub use lost_before::LostCount;
pub use pulse::Pulse;
pub use reporting::Reporting;
pub use vitals::Vitals;
