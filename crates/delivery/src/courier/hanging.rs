//! A disk that hangs, for tests: a queue in a real directory, of which every call waits at a gate, as on a file system that is frozen.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use crate::alert::Alert;
use crate::queue::{Disk, PushError, Queue, Store};

/// After this a gate that nobody opens opens by itself, so that a test on a thread that hangs fails and does not hang itself.
const LONGEST: Duration = Duration::from_secs(20);

/// What a test holds of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Gate(Arc<(Mutex<Door>, Condvar)>);

#[derive(Debug, Default)]
struct Door {
    open: bool,
    /// Calls that wait.
    waiting: usize,
    /// Its queue is closed.
    gone: bool,
}

impl Gate {
    /// A queue behind a gate that is closed.
    pub(super) fn closed(directory: &Path, limit: u64, memory: usize) -> (Self, Queue) {
        let gate = Self::default();
        let store = Box::new(Gated {
            gate: gate.clone(),
            disk: Some(Disk::open(directory, limit).unwrap()),
        });
        (gate, Queue::Disk { store, memory })
    }

    pub(super) fn open(&self) {
        self.door().open = true;
        self.0.1.notify_all();
    }

    /// Waits until a call hangs.
    pub(super) fn hangs(&self) {
        self.wait(|door| door.waiting > 0);
    }

    /// Waits until the queue is closed.
    pub(super) fn is_gone(&self) {
        self.wait(|door| door.gone);
    }

    fn pass(&self) {
        self.door().waiting += 1;
        self.0.1.notify_all();
        self.wait(|door| door.open);
        let mut door = self.door();
        door.waiting -= 1;
        door.open = true;
    }

    fn wait(&self, until: impl Fn(&Door) -> bool) {
        let waited = self.0.1.wait_timeout_while(self.door(), LONGEST, |door| !until(door));
        drop(waited.unwrap());
    }

    fn door(&self) -> MutexGuard<'_, Door> {
        self.0.0.lock().unwrap()
    }
}

#[derive(Debug)]
struct Gated {
    gate: Gate,
    disk: Option<Disk>,
}

impl Gated {
    fn disk(&mut self) -> &mut Disk {
        self.gate.pass();
        self.disk.as_mut().unwrap()
    }
}

impl Store for Gated {
    fn push(&mut self, alert: &Arc<Alert>) -> Result<(), PushError> {
        self.disk().push(alert)
    }

    fn front(&mut self, count: usize) -> Vec<Arc<Alert>> {
        self.disk().front(count)
    }

    fn pop(&mut self, count: usize) {
        self.disk().pop(count);
    }

    fn len(&self) -> u64 {
        self.disk.as_ref().unwrap().len()
    }

    fn take_damaged(&mut self) -> u64 {
        self.disk.as_mut().unwrap().take_damaged()
    }
}

impl Drop for Gated {
    fn drop(&mut self) {
        self.disk = None;
        self.gate.door().gone = true;
        self.gate.0.1.notify_all();
    }
}
