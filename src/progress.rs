//! Whether work moves on: what tells a route that waits from one that is stuck, and a server that hangs from one that
//! answers.
//!
//! A request to a server has its own time limit, and a wait its own reason; while one is under way nothing stands
//! still. Between them there is only computing. So the time since the last of them ended is what a watcher looks at.
//! Of a server it looks at the time for which it has owed an answer: a time limit has to suit the slowest statement,
//! and people want to know sooner.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The progress of one route; its clones are the same.
#[derive(Debug, Clone)]
pub struct Progress(Arc<Mutex<State>>);

/// A server that requests go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Redis.
    Redis,
    /// MySQL or MariaDB.
    MySql,
}

#[derive(Debug)]
struct State {
    waits: usize,
    last: Instant,
    redis: Talk,
    mysql: Talk,
}

/// The requests to one server.
#[derive(Debug, Default)]
struct Talk {
    open: usize,
    /// Since when no request was served; it stays when the request was given up, or answered with what is no service.
    silent: Option<Instant>,
}

/// A request or wait that is under way, until it is dropped.
#[derive(Debug)]
#[must_use = "the wait ends when this is dropped"]
pub struct Wait(Progress);

/// A request to a server that is under way. Dropped without an answer it was given up.
#[derive(Debug)]
#[must_use = "the request ends when this is dropped"]
pub struct Request {
    to: Peer,
    wait: Wait,
}

impl Progress {
    /// A wait that has its own reason begins.
    pub fn wait(&self) -> Wait {
        self.change(|state| state.waits += 1);
        Wait(self.clone())
    }

    /// A request that has its own time limit begins.
    pub fn ask(&self, to: Peer) -> Request {
        let wait = self.wait();
        self.change(|state| {
            let talk = state.talk(to);
            if talk.open == 0 {
                talk.silent = Some(Instant::now());
            }
            talk.open += 1;
        });
        Request { to, wait }
    }

    /// How long nothing has moved: zero while a wait is under way.
    pub fn idle(&self) -> Duration {
        let state = self.lock();
        if state.waits > 0 { Duration::ZERO } else { state.last.elapsed() }
    }

    /// Since when a server has owed an answer to a request that is under way.
    pub fn owed(&self, by: Peer) -> Option<Instant> {
        let mut state = self.lock();
        let talk = state.talk(by);
        talk.silent.filter(|_| talk.open > 0)
    }

    /// Since when a server has been silent, or has served nothing; `None` when the last request was served.
    pub fn silent(&self, peer: Peer) -> Option<Instant> {
        self.lock().talk(peer).silent
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        state.last = Instant::now();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Progress {
    fn default() -> Self {
        let (redis, mysql) = (Talk::default(), Talk::default());
        Self(Arc::new(Mutex::new(State { waits: 0, last: Instant::now(), redis, mysql })))
    }
}

impl Request {
    /// The server has answered. Where other requests wait for it, its silence begins anew.
    pub fn answered(self) {
        let to = self.to;
        self.wait.0.change(|state| {
            let talk = state.talk(to);
            talk.silent = (talk.open > 1).then(Instant::now);
        });
    }
}

impl State {
    fn talk(&mut self, with: Peer) -> &mut Talk {
        match with {
            Peer::Redis => &mut self.redis,
            Peer::MySql => &mut self.mysql,
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.0.change(|state| state.waits -= 1);
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let to = self.to;
        self.wait.0.change(|state| state.talk(to).open -= 1);
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

    #[test]
    fn a_server_owes_an_answer_from_the_first_request_until_it_answers_one() {
        let progress = Progress::default();
        let (first, second) = (progress.ask(Peer::MySql), progress.ask(Peer::MySql));
        let began = progress.owed(Peer::MySql).unwrap();
        assert_eq!(progress.owed(Peer::Redis), None);
        second.answered();
        assert!(progress.owed(Peer::MySql).unwrap() >= began);
        first.answered();
        assert_eq!((progress.owed(Peer::MySql), progress.silent(Peer::MySql)), (None, None));
    }

    #[test]
    fn a_request_that_was_given_up_is_owed_no_more_and_its_silence_is_remembered() {
        let progress = Progress::default();
        let request = progress.ask(Peer::Redis);
        let began = progress.owed(Peer::Redis);
        drop(request);
        assert_eq!((progress.owed(Peer::Redis), progress.silent(Peer::Redis)), (None, began));
        assert!(progress.idle() < Duration::from_secs(60));
        progress.ask(Peer::Redis).answered();
        assert_eq!(progress.silent(Peer::Redis), None);
    }
}
