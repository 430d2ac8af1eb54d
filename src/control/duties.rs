//! What the control thread does by itself, whether anybody asks it or not.

use std::fmt;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

/// One thing to be done each second, beginning at once. It is called on the control thread, which serves nobody meanwhile:
/// it must not block.
pub struct Duty(Box<dyn FnMut() + Send>);

impl Duty {
    /// A duty that is done by calling this.
    pub fn new(work: impl FnMut() + Send + 'static) -> Self {
        Self(Box::new(work))
    }
}

impl fmt::Debug for Duty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Duty")
    }
}

/// How often each duty is done.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// Does the duties, in order, for ever. What was missed while the thread was held up is not made up for.
pub(super) async fn each_second(duties: Vec<Duty>) {
    each(INTERVAL, duties).await;
}

async fn each(period: Duration, mut duties: Vec<Duty>) {
    let mut periods = interval(period);
    periods.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        periods.tick().await;
        for Duty(work) in &mut duties {
            work();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn the_duties_are_done_in_order_at_once_and_again_and_again() {
        let (done, mut told) = mpsc::unbounded_channel();
        let duty = |name: &'static str| {
            let done = done.clone();
            Duty::new(move || done.send(name).unwrap())
        };
        let duties = vec![duty("first"), duty("second")];
        let mut order = Vec::new();
        tokio::select! {
            () = each(Duration::from_millis(1), duties) => unreachable!("they never end"),
            _ = async { while order.len() < 6 { order.push(told.recv().await.unwrap()); } } => {}
        }
        assert_eq!(order, ["first", "second"].repeat(3));
    }

    #[tokio::test]
    async fn the_first_time_is_at_once() {
        let (done, mut told) = mpsc::unbounded_channel();
        let duties = vec![Duty::new(move || done.send(()).unwrap())];
        tokio::select! {
            () = each(Duration::from_secs(3600), duties) => unreachable!("they never end"),
            once = told.recv() => assert_eq!(once, Some(())),
        }
    }
}
