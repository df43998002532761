//! The questions that tests ask about what `rowcast` did: rows, dead letters, events.

use rowcast::{
    config::SecretUrl,
    emitter::{Broadcast, Message, decode},
    queue::{Admin, Audit, DeadLetter, Form, Link},
};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Row as _};

use super::{Env, PATIENCE, Subscriber, eventually};

impl Env {
    /// Creates rowcast's own tables, and the one of the default route.
    pub(crate) async fn migrate(&self) {
        self.execute(include_str!("../../../migrations/20261120000001_checkpoints.sql")).await;
        self.execute(include_str!("../../../migrations/20261120000002_pre_qqaccount.sql")).await;
    }

    /// A test's surroundings with rowcast's tables and one of its own.
    pub(crate) async fn with_table(table: &str) -> Self {
        let env = Self::new().await;
        env.migrate().await;
        env.execute(table).await;
        env
    }

    /// The admin's view of a queue; `""` is the test's own, anything else is appended to its name.
    pub(crate) fn admin(&self, suffix: &str) -> Admin {
        let link = Link::new(&SecretUrl::new(&self.redis_url)).unwrap();
        Admin::new(&format!("{}{suffix}", self.queue), link)
    }

    /// Waits until so many jobs of the test's queue have come to their end, and nothing is left over. The audit must
    /// add up.
    pub(crate) async fn done(&self, jobs: u64) -> Audit {
        self.done_in("", jobs).await
    }

    /// As [`Env::done`], for the queue with this suffix.
    pub(crate) async fn done_in(&self, suffix: &str, jobs: u64) -> Audit {
        let admin = self.admin(suffix);
        eventually(PATIENCE, &format!("{jobs} jobs of queue {suffix:?} are done"), async || {
            let audit = admin.audit().await.map_err(|error| error.to_string())?;
            let ended = audit.inserted + audit.duplicate + audit.dead;
            let left = audit.waiting + audit.suspects + audit.in_flight;
            if ended < jobs || left > 0 {
                return Err(format!("{audit:?}"));
            }
            assert_eq!((ended, audit.difference()), (jobs, 0), "{audit:?}");
            Ok(audit)
        })
        .await
    }

    /// Pushes raw jobs, the first one first.
    pub(crate) async fn push_raw(&self, suffix: &str, jobs: &[impl AsRef<[u8]>]) {
        self.admin(suffix).push(jobs).await.unwrap();
    }

    /// Pushes jobs, waits until they are done, and returns the dead letters of the queue, the oldest first.
    pub(crate) async fn run(&self, jobs: &[&str]) -> Vec<DeadLetter> {
        let before = self.admin("").audit().await.unwrap();
        self.push(jobs).await;
        self.done(before.inserted + before.duplicate + before.dead + jobs.len() as u64).await;
        self.letters("").await
    }

    /// The dead letters of a queue, the oldest first.
    pub(crate) async fn letters(&self, suffix: &str) -> Vec<DeadLetter> {
        let (admin, mut all) = (self.admin(suffix), Vec::new());
        loop {
            let page = admin.dead_letters(all.len() as u64, 100_000, Form::Whole).await.unwrap();
            if page.is_empty() {
                return all;
            }
            all.extend(page.iter().map(|(letter, _)| DeadLetter::from_json(letter).unwrap()));
        }
    }

    /// What a query returns, in the server's own text.
    pub(crate) async fn select(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let mut connection = self.sql_connection().await;
        let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut connection).await;
        let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let text = |bytes: Option<Vec<u8>>| bytes.map(|bytes| String::from_utf8(bytes).unwrap());
        rows.iter()
            .map(|row| (0..row.len()).map(|at| text(row.try_get_unchecked(at).unwrap())).collect())
            .collect()
    }

    /// What a query returns, one line for each row: values separated by `|`, NULL as it is called.
    pub(crate) async fn lines(&self, sql: &str) -> Vec<String> {
        let line = |row: Vec<Option<String>>| {
            let values = row.into_iter().map(|value| value.unwrap_or_else(|| "NULL".into()));
            values.collect::<Vec<_>>().join("|")
        };
        self.select(sql).await.into_iter().map(line).collect()
    }

    /// A number that the server counts, over all its connections.
    pub(crate) async fn status(&self, name: &str) -> u64 {
        self.select(&format!("SHOW GLOBAL STATUS LIKE '{name}'")).await[0][1]
            .as_ref()
            .unwrap()
            .parse()
            .unwrap()
    }
}

impl Subscriber {
    /// Waits for exactly so many messages, and reads them as broadcasts.
    pub(crate) async fn broadcasts(&self, count: usize) -> Vec<Broadcast> {
        let heard = self.exactly(count, PATIENCE).await;
        let read = heard.iter().map(|message| {
            match decode("socket.io", &message.channel, &message.payload).unwrap() {
                Message::Broadcast(broadcast) => broadcast,
                Message::Request(request) => panic!("a request: {request:?}"),
            }
        });
        read.collect()
    }

    /// Waits for exactly so many rows' events: the data of each, as JSON.
    pub(crate) async fn rows(&self, count: usize) -> Vec<Value> {
        let data = |broadcast: Broadcast| serde_json::to_value(&broadcast.args[0]).unwrap();
        self.broadcasts(count).await.into_iter().map(data).collect()
    }
}
