//! Whether work moves on: what tells a route that waits from one that is stuck.
//!
//! A request to a server has its own time limit, and a wait its own reason; while one is under way nothing stands
//! still. Between them there is only computing. So the time since the last of them ended is what a watcher looks at.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The progress of one route; its clones are the same.
#[derive(Debug, Clone)]
pub struct Progress(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    waits: usize,
    last: Instant,
}

/// A request or wait that is under way, until it is dropped.
#[derive(Debug)]
#[must_use = "the wait ends when this is dropped"]
pub struct Wait(Progress);

impl Progress {
    /// A request that has its own time limit, or a wait that has its own reason, begins.
    pub fn wait(&self) -> Wait {
        self.change(|state| state.waits += 1);
        Wait(self.clone())
    }

    /// How long nothing has moved: zero while a wait is under way.
    pub fn idle(&self) -> Duration {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.waits > 0 { Duration::ZERO } else { state.last.elapsed() }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        state.last = Instant::now();
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State { waits: 0, last: Instant::now() })))
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.0.change(|state| state.waits -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_stands_still_while_a_wait_is_under_way() {
        let progress = Progress::default();
        let (outer, inner) = (progress.wait(), progress.wait());
        drop(inner);
        std::thread::yield_now();
        assert_eq!(progress.idle(), Duration::ZERO);
        drop(outer);
        let before = progress.idle();
        while progress.idle() <= before {
            std::hint::spin_loop();
        }
    }
}
