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
    /// The rest is of somebody who is known.
    known: AtomicBool,
}

impl Intake {
    /// Another request has begun, of whom nothing is known.
    pub(super) fn begin(&self) {
        for flag in [&self.freely, &self.rest, &self.known] {
            flag.store(false, Ordering::Relaxed);
        }
    }

    /// Whether it is read without pauses.
    pub(super) fn is_free(&self) -> bool {
        self.freely.load(Ordering::Relaxed)
    }

    /// The request is answered, and what is still on its way of it is nobody's.
    pub(super) fn leave_rest(&self) {
        self.rest.store(true, Ordering::Relaxed);
    }

    /// At the connection's end: whether there is such a rest. It is read as its request was.
    pub(super) fn drain(&self) -> bool {
        self.freely.store(self.known.load(Ordering::Relaxed), Ordering::Relaxed);
        self.rest.load(Ordering::Relaxed)
    }
}

/// While there is this, the connection is read freely.
pub(super) struct Freely(Arc<Line>);

impl Freely {
    pub(super) fn of(line: Arc<Line>) -> Self {
        line.intake.freely.store(true, Ordering::Relaxed);
        Self(line)
    }
}

impl Drop for Freely {
    fn drop(&mut self) {
        let Intake { freely, rest, known } = &self.0.intake;
        freely.store(false, Ordering::Relaxed);
        known.store(rest.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}
