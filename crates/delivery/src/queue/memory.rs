//! A queue in memory, bounded by what its alerts take.

use std::collections::VecDeque;
use std::sync::Arc;

use super::PushError;
use crate::alert::Alert;

/// See the module.
#[derive(Debug)]
pub(crate) struct Memory {
    alerts: VecDeque<Arc<Alert>>,
    bytes: usize,
    limit: usize,
}

impl Memory {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            alerts: VecDeque::new(),
            bytes: 0,
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
        }
    }

    pub(crate) fn push(&mut self, alert: &Arc<Alert>) -> Result<(), PushError> {
        let bytes = self.bytes.saturating_add(alert.size());
        if bytes > self.limit {
            return Err(PushError::Full);
        }
        self.bytes = bytes;
        self.alerts.push_back(Arc::clone(alert));
        Ok(())
    }

    pub(crate) fn front(&self, count: usize) -> Vec<Arc<Alert>> {
        self.alerts.iter().take(count).cloned().collect()
    }

    pub(crate) fn pop(&mut self, count: usize) {
        let count = count.min(self.alerts.len());
        let bytes: usize = self.alerts.drain(..count).map(|alert| alert.size()).sum();
        self.bytes -= bytes;
    }

    pub(crate) fn len(&self) -> u64 {
        self.alerts.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::tests::alert;

    #[test]
    fn it_is_bounded_and_keeps_the_oldest() {
        let size = alert(1).size();
        let mut queue = Memory::new(3 * size as u64);
        for number in 1..=3 {
            queue.push(&Arc::new(alert(number))).unwrap();
        }
        assert!(matches!(queue.push(&Arc::new(alert(4))), Err(PushError::Full)));
        assert_eq!(queue.front(2).len(), 2);
        assert_eq!(queue.len(), 3);
        queue.pop(2);
        assert_eq!(*queue.front(9)[0], alert(3));
        queue.push(&Arc::new(alert(4))).unwrap();
        queue.pop(9);
        assert_eq!((queue.len(), queue.bytes), (0, 0));
    }
}
