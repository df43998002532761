//! What clients were sent and have not taken yet, in bytes: one for whom too much is kept is behind.
//!
//! What is owed is counted without what frames it, and what is taken is counted with it; that little is forgotten
//! whenever nothing is owed any more. Answers to what a client says are not counted: they are bounded by how much it
//! may say. Events are shared by all whom they are for, so this is what a client holds back, and not what it costs.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use socketioxide::socket::Sid;

use super::adapter::Client;

/// The debts of all clients.
pub(super) struct Debts {
    /// With more than this a client is behind.
    most: u64,
    of: Mutex<HashMap<Sid, Arc<Debt>>>,
}

/// What one client is owed, in all its namespaces.
#[derive(Default)]
pub(super) struct Debt {
    owed: AtomicU64,
    paid: AtomicU64,
}

/// Stands in the request that opened a session, which the library keeps for as long: so a debt ends with its session.
#[derive(Default)]
pub(super) struct Debtor {
    pub(super) debt: Arc<Debt>,
    listed: OnceLock<(Arc<Debts>, Sid)>,
}

impl Debts {
    pub(super) fn new(most: u64) -> Arc<Self> {
        Arc::new(Self { most, of: Mutex::default() })
    }

    /// From now on this client's debt is known by its id.
    pub(super) fn list<'c>(self: &Arc<Self>, client: &'c Client) -> Option<&'c Arc<Debt>> {
        let debtor = client.req_parts().extensions.get::<Arc<Debtor>>()?;
        debtor.listed.get_or_init(|| {
            self.lock().insert(client.id, debtor.debt.clone());
            (self.clone(), client.id)
        });
        Some(&debtor.debt)
    }

    pub(super) fn of(&self, session: Sid) -> Option<Arc<Debt>> {
        self.lock().get(&session).cloned()
    }

    /// These clients were sent so many bytes. Returns those who were behind before that: so one event that is larger
    /// than what may be kept is no fault of theirs.
    pub(super) fn owe(&self, clients: &[Sid], bytes: u64) -> Vec<Sid> {
        let debts = self.lock();
        let of = |sid: &&Sid| debts.get(sid).is_some_and(|debt| debt.owe(bytes) > self.most);
        clients.iter().filter(of).copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Sid, Arc<Debt>>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Debt {
    /// Returns what was owed before.
    fn owe(&self, bytes: u64) -> u64 {
        self.owed.fetch_add(bytes, Ordering::Relaxed)
    }

    /// The client has taken so many bytes.
    pub(super) fn pay(&self, bytes: u64) {
        self.paid.fetch_add(bytes, Ordering::Relaxed);
        let less = |owed: u64| Some(owed.saturating_sub(bytes));
        // It always says what it becomes.
        self.owed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).ok();
    }

    /// All that the client has taken so far.
    pub(super) fn paid(&self) -> u64 {
        self.paid.load(Ordering::Relaxed)
    }
}

impl Drop for Debtor {
    fn drop(&mut self) {
        if let Some((debts, session)) = self.listed.get() {
            debts.lock().remove(session);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn debtor(debts: &Arc<Debts>) -> (Sid, Debtor) {
        let (sid, debtor) = (Sid::new(), Debtor::default());
        debts.lock().insert(sid, debtor.debt.clone());
        debtor.listed.set((debts.clone(), sid)).ok().unwrap();
        (sid, debtor)
    }

    #[test]
    fn one_event_may_be_larger_than_what_may_be_kept_and_the_next_one_finds_its_client_behind() {
        let debts = Debts::new(100);
        let ((slow, _slow), (fast, paying)) = (debtor(&debts), debtor(&debts));
        assert_eq!(debts.owe(&[slow, fast], 1_000), []);
        paying.debt.pay(950);
        assert_eq!(debts.owe(&[slow, fast], 1), [slow]);
        assert_eq!(debts.owe(&[Sid::new()], 1_000), [], "one that has gone");
    }

    #[test]
    fn a_debt_ends_with_its_session() {
        let debts = Debts::new(100);
        let (sid, session) = debtor(&debts);
        assert!(debts.of(sid).is_some());
        drop(session);
        assert!(debts.of(sid).is_none() && debts.lock().is_empty());
    }

    proptest! {
        #[test]
        fn whoever_takes_all_between_two_events_is_never_behind_and_whoever_takes_nothing_is(
            events in prop::collection::vec((1..200u64, 0..20u64), 1..50),
        ) {
            let debts = Debts::new(200);
            let ((stuck, _stuck), (reader, reading)) = (debtor(&debts), debtor(&debts));
            let mut all = 0;
            for (bytes, framing) in events {
                let behind = debts.owe(&[stuck, reader], bytes);
                prop_assert_eq!(behind, if all > 200 { vec![stuck] } else { vec![] });
                reading.debt.pay(bytes + framing);
                all += bytes;
            }
        }
    }
}
