//! Redis: the only owner of list keys. Every move of a job is one atomic command or one script.
//!
//! A [`Queue`] is one route's queue as one worker sees it. It promises that a job is at any instant in exactly one
//! list, and that a request which is repeated after a lost reply changes nothing a second time. It does not decide
//! when to claim, what a job means, or whether a claim was committed.

mod admin;
mod alert_book;
mod events;
mod history;
mod inspect;
mod job;
mod keys;
mod last_minute;
mod letter;
mod link;
mod mark;
mod onlookers;
mod orders;
mod registry;
mod script;

use std::time::Instant;

use redis::{Cmd, RedisError, RedisResult};

pub use admin::{Admin, Audit, Fate, Form, Taken};
pub use alert_book::AlertBook;
pub use events::Events;
pub use history::{Entry, History};
pub use inspect::{RedisFacts, UnknownClaim, WrongType};
pub use job::check_job;
pub use keys::Keys;
pub use last_minute::LastMinute;
pub use letter::{DeadLetter, Facts, Raw};
pub use link::{Link, SLOW, client, describe, has_code, is_lost, silence};
pub use mark::{Mark, Marks};
pub use onlookers::Onlookers;
pub use orders::Orders;
pub use registry::{Member, Registry, about, host};
use script::{Call, Script};

/// One route's queue, as one worker sees it.
#[derive(Debug, Clone)]
pub struct Queue {
    keys: Keys,
    table: String,
    worker: String,
    link: Link,
    /// Blocking moves have a connection of their own: whoever blocks holds up all that follows.
    blocking: Link,
}

/// The most that one claim takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Jobs.
    pub jobs: usize,
    /// Bytes of jobs; one job may pass it.
    pub bytes: usize,
}

/// Whether a claim is made ahead of its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// No other claim is in hand.
    Next,
    /// Another claim is in hand: no suspects, and no blocking afterwards.
    Ahead,
}

/// What a request for a claim brought.
#[derive(Debug)]
pub enum Claimed {
    /// Jobs.
    Jobs(Claim),
    /// The queue is empty: block until a job comes.
    Empty,
    /// The queue is paused: ask again later.
    Paused,
    /// The claim of this number has ended, though not by this worker: it was rescued.
    Stale,
}

/// Jobs that were moved to a claim list, oldest first, and not settled yet.
///
/// It ends by [`Queue::settle`] or [`Queue::hand_back`], each of which consumes it. Dropped without either it says
/// so in the log: its jobs then wait in Redis until the claim is rescued.
#[derive(Debug)]
pub struct Claim {
    /// The claim's number, counting up per worker and route.
    pub seq: u64,
    /// How many workers have crashed on each of its jobs: above zero they are suspects, and above one it holds a single
    /// one.
    pub crashes: u32,
    /// The jobs' raw bytes.
    pub jobs: Vec<Vec<u8>>,
    /// When its jobs came here.
    pub made: Instant,
    ended: bool,
}

/// A claim with its committed outcome, ready to be settled.
#[derive(Debug)]
pub struct Settlement {
    /// The claim.
    pub claim: Claim,
    /// Jobs whose rows were inserted.
    pub inserted: usize,
    /// Jobs that were there already.
    pub duplicate: usize,
    /// Rows inserted.
    pub rows: usize,
    /// The lowest and the highest id that the server counted for them.
    pub ids: Option<(u64, u64)>,
    /// One dead letter for each rejected job, as JSON text.
    pub letters: Vec<String>,
    /// The events of the inserted rows.
    pub events: Events,
}

/// Who is to blame for a claim that is handed back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// A worker crashed while it held the jobs: they become suspects.
    Crashed,
    /// It was a shutdown, a server that was down, a fence.
    Nobody,
}

/// How long a blocking move waits; a lost connection can hold a job back no longer than this.
const BLOCK_SECONDS: u32 = 5;
// Otherwise every blocking move on a quiet queue would look like a lost connection.
const _: () = assert!((BLOCK_SECONDS as u64) < link::RESPONSE.as_secs());

impl Queue {
    /// The queue of one route, which fills this table, for one worker.
    pub fn new(queue: &str, table: &str, worker: &str, link: Link) -> Self {
        let blocking = link.another();
        Self { keys: Keys::new(queue), table: table.to_owned(), worker: worker.to_owned(), link, blocking }
    }

    /// Claims up to the limits, or finds again what claim `seq` holds already.
    ///
    /// # Errors
    /// Any error of Redis; the claim may have been made nevertheless, so ask again with the same `seq`.
    pub async fn claim(&self, seq: u64, limits: Limits, when: When) -> RedisResult<Claimed> {
        let (call, jobs) = self.request(&self.link, seq, limits, when).await?;
        let (reply, jobs) = call.send_and(&jobs).await?;
        Ok(read_claim(seq, reply, jobs))
    }

    /// Blocks until a job lands for this worker or some seconds pass, and then claims. Both are one request, so that a
    /// lone job does not wait for the way there and back between them. `None` when nothing is known of the claim: ask
    /// for it, with the same `seq`.
    /// To end it early call [`Queue::wake`] and await it: a job may be on its way.
    ///
    /// # Errors
    /// Any error of Redis but the loss of the connection, after which the claim may have been made nevertheless: then
    /// the next request looks, on its own connection.
    pub async fn wait_and_claim(&self, seq: u64, limits: Limits) -> RedisResult<Option<Claimed>> {
        let connected = self.blocking.client_id().is_some();
        let (call, jobs) = self.request(&self.blocking, seq, limits, When::Next).await?;
        let mut block = redis::cmd("BLMOVE");
        block.arg(&self.keys.queue).arg(self.keys.claim(&self.worker, 0)).arg("RIGHT").arg("RIGHT");
        block.arg(BLOCK_SECONDS);
        match call.send_between(&block, &jobs).await {
            Ok((reply, jobs)) => Ok(Some(read_claim(seq, reply, jobs))),
            // This worker's tombstone, or a queue that is no list: the next request says which. Or a server that was
            // restarted, and does not know the script.
            Err(error) if has_code(&error, "WRONGTYPE") || has_code(&error, "NOSCRIPT") => Ok(None),
            // It may have died while this worker was busy, and Redis be back long since.
            Err(error) if connected && error.is_connection_dropped() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A call of the script that claims, and the command that reads what it has claimed.
    async fn request<'a>(
        &self,
        link: &'a Link,
        seq: u64,
        limits: Limits,
        when: When,
    ) -> RedisResult<(Call<'a>, Cmd)> {
        static SCRIPT: Script = Script::new(include_str!("queue/claim.lua"));
        let claim = self.keys.claim(&self.worker, seq);
        let landing = self.keys.claim(&self.worker, 0);
        let Keys { queue, claims, suspects, totals, paused, highest, .. } = &self.keys;
        let keys: [&str; 8] = [queue, &claim, claims, suspects, totals, paused, &landing, highest];
        let mut call = SCRIPT.on(link, &keys).await?;
        call.arg(&self.worker).arg(seq).arg(limits.jobs).arg(limits.bytes);
        call.arg(if when == When::Ahead { "ahead" } else { "next" }).arg(&self.table);
        let mut jobs = redis::cmd("LRANGE");
        jobs.arg(&claim).arg(0).arg(-1);
        Ok((call, jobs))
    }

    /// Ends a blocking move of this worker, if there is one.
    ///
    /// # Errors
    /// Any error of Redis; the move then ends by its own time limit.
    pub async fn wake(&self) -> RedisResult<()> {
        let Some(client) = self.blocking.client_id() else { return Ok(()) };
        self.link.query(redis::cmd("CLIENT").arg("UNBLOCK").arg(client)).await
    }

    /// Settles a committed claim. Returns whether this call did it, or somebody had done so before.
    ///
    /// # Errors
    /// Any error of Redis, with the settlement given back: run it again, it is published once however often.
    pub async fn settle(&self, settlement: Settlement) -> Result<bool, (Settlement, RedisError)> {
        match self.settle_for(&self.worker, &settlement).await {
            Ok(first) => {
                settlement.claim.end();
                Ok(first)
            }
            Err(error) => Err((settlement, error)),
        }
    }

    /// Hands an uncommitted claim back to its queue. Returns how many jobs it held.
    ///
    /// # Errors
    /// Any error of Redis, with the claim given back.
    pub async fn hand_back(&self, claim: Claim, blame: Blame) -> Result<u64, (Claim, RedisError)> {
        match self.hand_back_for(&self.worker, claim.seq, blame).await {
            Ok(count) => {
                claim.end();
                Ok(count)
            }
            Err(error) => Err((claim, error)),
        }
    }

    /// Takes this worker out of the index, after its last claim has ended; what landed for it goes back.
    ///
    /// # Errors
    /// Any error of Redis; run it again.
    pub async fn leave(&self) -> RedisResult<u64> {
        self.leave_for(&self.worker).await
    }

    /// The keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }
}

/// What a rescuer does to another worker's claims.
impl Queue {
    /// The workers that the index knows, of whatever host.
    ///
    /// # Errors
    /// Any error of Redis.
    pub async fn indexed_workers(&self) -> RedisResult<Vec<String>> {
        let fields: Vec<String> = self.link.query(redis::cmd("HKEYS").arg(&self.keys.claims)).await?;
        let mut workers: Vec<String> =
            fields.iter().map(|field| field.split(':').next().unwrap_or_default().to_owned()).collect();
        workers.sort_unstable();
        workers.dedup();
        Ok(workers)
    }

    /// The numbers of a worker's open claims, in order; 0 is its landing list.
    ///
    /// # Errors
    /// Any error of Redis.
    pub async fn list_open_claims(&self, worker: &str) -> RedisResult<Vec<u64>> {
        let fields: Vec<String> = self.link.query(redis::cmd("HKEYS").arg(&self.keys.claims)).await?;
        let mut open: Vec<u64> = fields
            .iter()
            .filter_map(|field| field.split_once(':').filter(|(owner, _)| *owner == worker)?.1.parse().ok())
            .collect();
        open.sort_unstable();
        Ok(open)
    }

    /// Reads a worker's open claim; `None` when it has ended.
    ///
    /// # Errors
    /// Any error of Redis.
    pub async fn read_claim(&self, worker: &str, seq: u64) -> RedisResult<Option<Claim>> {
        let key = self.keys.claim(worker, seq);
        let jobs: Vec<Vec<u8>> = self.link.query(redis::cmd("LRANGE").arg(key).arg(0).arg(-1)).await?;
        let field = format!("{worker}:{seq}");
        let entry: Option<String> =
            self.link.query(redis::cmd("HGET").arg(&self.keys.claims).arg(field)).await?;
        let crashes = entry.and_then(|entry| entry.split(':').nth(1)?.parse().ok()).unwrap_or(0);
        Ok((!jobs.is_empty()).then_some(Claim { seq, crashes, jobs, made: Instant::now(), ended: false }))
    }

    /// Settles another worker's committed claim.
    ///
    /// # Errors
    /// Any error of Redis; run it again.
    pub async fn settle_for(&self, worker: &str, settlement: &Settlement) -> RedisResult<bool> {
        static SCRIPT: Script = Script::new(include_str!("queue/settle.lua"));
        let Settlement { claim, letters, events, .. } = settlement;
        let list = self.keys.claim(worker, claim.seq);
        let Keys { queue, claims, dead, totals, highest, .. } = &self.keys;
        let mut call = SCRIPT.on(&self.link, &[&list, claims, dead, totals, queue, highest]).await?;
        call.arg(format!("{worker}:{}", claim.seq)).arg(claim.jobs.len());
        call.arg(settlement.inserted).arg(settlement.duplicate).arg(settlement.rows).arg(&self.table);
        match settlement.ids {
            Some((lowest, highest)) => call.arg(lowest).arg(highest),
            None => call.arg("").arg(""),
        };
        call.arg(letters.len()).arg(letters);
        for group in events.groups() {
            let payloads = group.payloads();
            call.arg(group.channel).arg(payloads.len());
            for payload in payloads {
                call.arg(payload);
            }
        }
        call.send().await
    }

    /// Hands another worker's uncommitted claim back.
    ///
    /// # Errors
    /// Any error of Redis; run it again.
    pub async fn hand_back_for(&self, worker: &str, seq: u64, blame: Blame) -> RedisResult<u64> {
        static SCRIPT: Script = Script::new(include_str!("queue/hand_back.lua"));
        let list = self.keys.claim(worker, seq);
        let Keys { queue, claims, suspects, totals, .. } = &self.keys;
        let mut call = SCRIPT.on(&self.link, &[&list, claims, queue, suspects, totals]).await?;
        call.arg(format!("{worker}:{seq}"));
        call.arg(if blame == Blame::Crashed { "crashed" } else { "nobody" }).send().await
    }

    /// Takes another worker out of the index, after all its claims have ended; what landed for it goes back, and
    /// nothing that it still has on its way takes a job any more.
    ///
    /// # Errors
    /// Any error of Redis; run it again.
    pub async fn leave_for(&self, worker: &str) -> RedisResult<u64> {
        static SCRIPT: Script = Script::new(include_str!("queue/leave.lua"));
        let landing = self.keys.claim(worker, 0);
        let mut call = SCRIPT.on(&self.link, &[&landing, &self.keys.claims, &self.keys.queue]).await?;
        call.arg(worker).send().await
    }
}

impl Claim {
    /// Leaves the claim open on purpose: whether it was committed is for a rescuer to find out.
    pub fn leave_open(mut self) {
        self.ended = true;
    }

    fn end(mut self) {
        self.ended = true;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.ended && !std::thread::panicking() {
            tracing::warn!(
                claim.seq = self.seq,
                jobs = self.jobs.len(),
                "a claim was dropped unsettled; its jobs wait in Redis to be rescued"
            );
        }
    }
}

/// Reads the replies of a claim and of the list that it filled.
fn read_claim(seq: u64, (state, crashes): (String, u32), jobs: Vec<Vec<u8>>) -> Claimed {
    match state.as_str() {
        "claimed" => Claimed::Jobs(Claim { seq, crashes, jobs, made: Instant::now(), ended: false }),
        "empty" => Claimed::Empty,
        "paused" => Claimed::Paused,
        _ => Claimed::Stale,
    }
}
