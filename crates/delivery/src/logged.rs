//! For tests of what is logged.

use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::subscriber::{DefaultGuard, set_default};
use tracing::{Dispatch, Metadata, Subscriber, span};

/// The messages of this thread, from here on until it is dropped.
pub(crate) struct Logged {
    log: Log,
    _default: DefaultGuard,
    // With one alone, another test's thread, which has none, could have lines taken for wanted by nobody.
    _second: Dispatch,
}

impl Logged {
    pub(crate) fn begin() -> Self {
        let log = Log::default();
        Self {
            _second: Dispatch::new(Log::default()),
            _default: set_default(log.clone()),
            log,
        }
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.log.0.lock().unwrap().clone()
    }
}

/// What was logged meanwhile.
pub(crate) fn logged(work: impl FnOnce()) -> String {
    let logged = Logged::begin();
    work();
    logged.lines().join("\n")
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0.lock().unwrap().push(format!("{value:?}"));
        }
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
