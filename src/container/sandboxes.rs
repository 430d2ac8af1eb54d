//! What a runtime says of a pod's sandbox, shared for a moment between the lookups of the pod's containers: a pod of a
//! hundred containers that is met at once costs one call and not a hundred. Keeps nothing for longer, because labels
//! change.

use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::time::{Duration, Instant};

use k8s_cri::v1;
use lru::LruCache;
use tokio::sync::OnceCell;

use super::connection::CallError;

/// How long an answer is good for another container.
const MOMENT: Duration = Duration::from_secs(2);
/// How many are kept: more than lookups run at a time.
const KEPT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(63);

/// An answer, or the call that is being made for it.
type Shared = Rc<OnceCell<v1::PodSandboxStatus>>;

#[derive(Debug)]
pub(crate) struct Sandboxes {
    kept: RefCell<LruCache<String, (Instant, Shared)>>,
    clock: fn() -> Instant,
}

impl Sandboxes {
    pub(crate) fn new(clock: fn() -> Instant) -> Self {
        Self {
            kept: RefCell::new(LruCache::new(KEPT)),
            clock,
        }
    }

    /// The status of this sandbox: one that was got a moment ago, or what `ask` gets. A failure is not shared.
    pub(crate) async fn status(
        &self,
        id: &str,
        ask: impl Future<Output = Result<v1::PodSandboxStatus, CallError>>,
    ) -> Result<v1::PodSandboxStatus, CallError> {
        self.shared(id).get_or_try_init(|| ask).await.cloned()
    }

    fn shared(&self, id: &str) -> Shared {
        let now = (self.clock)();
        let mut kept = self.kept.borrow_mut();
        if let Some((made, shared)) = kept.get(id)
            && now.saturating_duration_since(*made) < MOMENT
        {
            return Rc::clone(shared);
        }
        let shared = Shared::default();
        kept.put(id.to_owned(), (now, Rc::clone(&shared)));
        shared
    }

    /// Gives everything up.
    pub(crate) fn forget(&self) {
        self.kept.borrow_mut().clear();
    }
}
