//! How what comes on a connection is read: slowly, as is fit for what anybody may send, or freely while whoever is known
//! to be allowed sends it. And whether a request was answered before all of it had come.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::lines::Line;

/// Of one connection, whose requests come one after the other.
#[derive(Debug, Default)]
pub(super) struct Intake {
    freely: AtomicBool,
    rest: AtomicBool,
}

impl Intake {
    /// Another request has begun, of whom nothing is known.
    pub(super) fn begin(&self) {
        self.freely.store(false, Ordering::Relaxed);
        self.rest.store(false, Ordering::Relaxed);
    }

    /// Whether it is read without pauses.
    pub(super) fn is_free(&self) -> bool {
        self.freely.load(Ordering::Relaxed)
    }

    /// The request is answered, and what is still on its way of it is nobody's.
    pub(super) fn leave_rest(&self) {
        self.rest.store(true, Ordering::Relaxed);
    }

    /// Whether there is such a rest.
    pub(super) fn has_rest(&self) -> bool {
        self.rest.load(Ordering::Relaxed)
    }
}

/// While there is this, the connection is read freely; and then only the rest of a request that was not read whole.
pub(super) struct Freely(Arc<Line>);

impl Freely {
    pub(super) fn of(line: Arc<Line>) -> Self {
        line.intake.freely.store(true, Ordering::Relaxed);
        Self(line)
    }
}

impl Drop for Freely {
    fn drop(&mut self) {
        let Intake { freely, .. } = &self.0.intake;
        freely.store(self.0.intake.has_rest(), Ordering::Relaxed);
    }
}
