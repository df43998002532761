//! What a person does to a queue: look, count, pause, push, and decide about dead letters.

use std::collections::BTreeMap;

use redis::{RedisResult, Value};
use serde::{Deserialize, Serialize};

use super::{Keys, Link, script::Script};

/// A queue, as an operator sees it.
#[derive(Debug, Clone)]
pub struct Admin {
    pub(super) keys: Keys,
    pub(super) link: Link,
}

/// All that the audit of a queue adds up, read in one instant. Counts are of jobs, but for `rows`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// Jobs that were moved to a claim, ever.
    pub claimed: u64,
    /// Jobs whose rows were inserted.
    pub inserted: u64,
    /// Jobs that were there already.
    pub duplicate: u64,
    /// Jobs that were rejected.
    pub dead: u64,
    /// Jobs whose claim was handed back.
    pub handed_back: u64,
    /// Rows inserted.
    pub rows: u64,
    /// Jobs in open claims.
    pub in_flight: u64,
    /// Jobs in the queue.
    pub waiting: u64,
    /// Jobs that a worker crashed on, and that wait to be claimed again.
    pub suspects: u64,
    /// Dead letters kept.
    pub dead_letters: u64,
    /// Whether the queue is paused.
    pub paused: bool,
    /// Milliseconds since the oldest open claim was made; `None` without one.
    pub oldest_claim_ms: Option<u64>,
}

/// So many bytes of dead letters are read at once, and one letter more at most where letters are large.
const READ_BYTES: u64 = 8 << 20;

/// How dead letters are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As they stand in the list.
    Whole,
    /// Without their jobs: what [`super::Facts`] reads.
    Facts,
}

/// What becomes of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Its job goes back to the queue.
    Retry,
    /// It is deleted.
    Purge,
}

impl Fate {
    /// What a letter was, in words.
    pub fn done(self) -> &'static str {
        match self {
            Self::Retry => "sent back",
            Self::Purge => "deleted",
        }
    }
}

/// A dead letter to be taken out of its list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Where it was read, the oldest being 0.
    pub place: u64,
    /// Its whole text.
    pub text: Vec<u8>,
    /// What goes to the queue for it, when it is retried.
    pub job: Vec<u8>,
}

impl Audit {
    /// Claimed less all that became of it: zero when nothing was lost and nothing counted twice.
    pub fn difference(&self) -> i128 {
        let became = [self.inserted, self.duplicate, self.dead, self.handed_back, self.in_flight];
        i128::from(self.claimed) - became.into_iter().map(i128::from).sum::<i128>()
    }

    /// Whether there is a job in any of its lists, a dead letter included.
    pub fn holds_jobs(&self) -> bool {
        self.waiting + self.suspects + self.in_flight + self.dead_letters > 0
    }
}

impl Admin {
    /// A queue by its name.
    pub fn new(queue: &str, link: Link) -> Self {
        Self { keys: Keys::new(queue), link }
    }

    /// Reads the counts.
    ///
    /// # Errors
    /// Any error of Redis.
    pub async fn audit(&self) -> RedisResult<Audit> {
        static SCRIPT: Script = Script::new(include_str!("audit.lua"));
        let Keys { queue, claims, suspects, dead, totals, paused, .. } = &self.keys;
        let mut call = SCRIPT.on(&self.link, &[totals, claims, queue, suspects, dead, paused]).await?;
        let reply: Vec<Value> = call.arg(self.keys.claim_prefix()).send().await?;
        read_audit(reply)
    }

    /// Whether Redis holds anything of this queue: a job, a worker that waits for one, a counter, a letter.
    ///
    /// # Errors
    /// Any error of Redis.
    pub async fn is_known(&self) -> RedisResult<bool> {
        let Keys { queue, claims, suspects, dead, totals, paused, .. } = &self.keys;
        let mut exists = redis::cmd("EXISTS");
        exists.arg(&[queue, claims, suspects, dead, totals, paused]);
        Ok(self.link.query::<u64>(&exists).await? > 0)
    }

    /// The key of the index of open claims.
    pub fn index(&self) -> &str {
        &self.keys.claims
    }

    /// Stops claims of this queue; what is claimed already is finished.
    ///
    /// # Errors
    /// Any error of Redis.
    pub async fn pause(&self) -> RedisResult<()> {
        self.link.query(redis::cmd("SET").arg(&self.keys.paused).arg(1)).await
    }

    /// Lets claims go on. Returns whether the queue was paused.
    ///
    /// # Errors
    /// Any error of Redis.
    pub async fn resume(&self) -> RedisResult<bool> {
        self.link.query(redis::cmd("DEL").arg(&self.keys.paused)).await
    }

    /// Pushes jobs as a producer does. Returns the queue's length.
    ///
    /// # Errors
    /// Any error of Redis.
    pub async fn push(&self, jobs: &[impl AsRef<[u8]>]) -> RedisResult<u64> {
        let mut command = redis::cmd("LPUSH");
        command.arg(&self.keys.queue);
        for job in jobs {
            command.arg(job.as_ref());
        }
        self.link.query(&command).await
    }

    /// How many jobs are in the queue.
    ///
    /// # Errors
    /// Any error of Redis.
    pub async fn length(&self) -> RedisResult<u64> {
        self.link.query(redis::cmd("LLEN").arg(&self.keys.queue)).await
    }

    /// How many dead letters are kept.
    ///
    /// # Errors
    /// Any error of Redis.
    pub async fn count_dead(&self) -> RedisResult<u64> {
        self.link.query(redis::cmd("LLEN").arg(&self.keys.dead)).await
    }

    /// Reads up to `count` dead letters from the oldest on, passing over `skip`; fewer where they are large. Returns
    /// the text of each, and how long its whole text is.
    ///
    /// # Errors
    /// Any error of Redis.
    pub async fn dead_letters(&self, skip: u64, count: u64, form: Form) -> RedisResult<Vec<(Vec<u8>, u64)>> {
        static SCRIPT: Script = Script::new(include_str!("letters.lua"));
        let mut call = SCRIPT.on(&self.link, &[&self.keys.dead]).await?;
        let form = if form == Form::Facts { "facts" } else { "whole" };
        call.arg(skip).arg(count).arg(READ_BYTES).arg(form).send().await
    }

    /// Takes dead letters out of their list, in one atomic step with what goes to the queue. Returns how many were
    /// there; for the others nothing is done.
    ///
    /// # Errors
    /// Any error of Redis; run it again.
    pub async fn take_dead(&self, fate: Fate, letters: &[Taken]) -> RedisResult<u64> {
        static SCRIPT: Script = Script::new(include_str!("take_dead.lua"));
        let mut call = SCRIPT.on(&self.link, &[&self.keys.dead, &self.keys.queue]).await?;
        for Taken { place, text, job } in letters {
            call.arg(place).arg(text).arg(if fate == Fate::Retry { "retry" } else { "purge" }).arg(job);
        }
        call.send().await
    }
}

fn read_audit(reply: Vec<Value>) -> RedisResult<Audit> {
    let mut values = reply.into_iter();
    let mut next = || values.next().unwrap_or(Value::Nil);
    let totals: BTreeMap<String, u64> = redis::from_redis_value(next())?;
    let total = |name: &str| totals.get(name).copied().unwrap_or(0);
    let mut audit = Audit {
        claimed: total("claimed"),
        inserted: total("inserted"),
        duplicate: total("duplicate"),
        dead: total("dead"),
        handed_back: total("handed_back"),
        rows: total("rows"),
        waiting: redis::from_redis_value(next())?,
        suspects: redis::from_redis_value(next())?,
        dead_letters: redis::from_redis_value(next())?,
        paused: redis::from_redis_value(next())?,
        ..Audit::default()
    };
    let (oldest, now): (u64, u64) = (redis::from_redis_value(next())?, redis::from_redis_value(next())?);
    audit.oldest_claim_ms = (oldest > 0).then(|| now.saturating_sub(oldest));
    let claims: Vec<Value> = values.collect();
    for pair in claims.chunks_exact(2) {
        let field: String = redis::from_redis_value(pair[0].clone())?;
        let jobs: u64 = redis::from_redis_value(pair[1].clone())?;
        // What has merely landed is not claimed yet: it counts as waiting.
        *(if field.ends_with(":0") { &mut audit.waiting } else { &mut audit.in_flight }) += jobs;
    }
    Ok(audit)
}
