//! Somebody who wants a change stopped while it runs.

use pgward_pg::error::Error as PgError;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// From the client that asks to the backend that is signalled, also on a busy machine.
const UNDER_WAY: Duration = Duration::from_millis(200);

type Cancel = Box<dyn Fn() -> Result<(), PgError> + Send>;

/// Handed to [`crate::apply`], and kept by whoever may ask.
#[derive(Clone, Default)]
pub struct Interrupt(Arc<Asked>);

#[derive(Default)]
struct Asked {
    asked: AtomicBool,
    /// Cancels what runs in production; `None` where nothing does that may be stopped.
    cancel: Mutex<Option<Cancel>>,
}

impl Interrupt {
    /// Cancels the statement that runs now, and lets no other begin. May be asked again: between
    /// two statements a request to cancel meets none. Says whether there is still one to ask.
    pub fn ask(&self) -> bool {
        self.0.asked.store(true, Ordering::SeqCst);
        let cancel = self.running();
        // Who cannot be reached is asked again.
        let _ = cancel.as_ref().map(|cancel| cancel());
        cancel.is_some()
    }

    /// Has somebody asked?
    pub fn is_asked(&self) -> bool {
        self.0.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn begin(&self, cancel: impl Fn() -> Result<(), PgError> + Send + 'static) {
        *self.running() = Some(Box::new(cancel));
    }

    /// From now on nothing is cancelled: what was done is cleared away and undone, or kept.
    pub(crate) fn end(&self) {
        *self.running() = None;
        if self.is_asked() {
            // A request under way meets an idle session, not the statement that comes next.
            std::thread::sleep(UNDER_WAY);
        }
    }

    fn running(&self) -> MutexGuard<'_, Option<Cancel>> {
        self.0.cancel.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interrupt").field("asked", &self.is_asked()).finish()
    }
}
