//! A queue, its table and a listener: what each test plays on, and how it counts in the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use redis::aio::MultiplexedConnection;
use rowcast::{
    config::SecretUrl,
    emitter::{self, Value},
    queue::{Admin, Audit, DeadLetter, Form, Keys, Link},
};
use sqlx::mysql::MySqlPool;

use crate::support::{Env, Running, Subscriber, eventually, new_folder};

/// Longer than anything here takes on a busy machine.
pub(super) const LIMIT: Duration = Duration::from_secs(60);

/// A row, or what an event says of one: its id and its marker.
pub(super) type Row = (u64, String);

/// A test's surroundings with the default table, and a subscriber that hears all events.
pub(super) struct Scene {
    pub(super) env: Env,
    pub(super) keys: Keys,
    pub(super) admin: Admin,
    pub(super) pool: MySqlPool,
    pub(super) heard: Subscriber,
    redis: MultiplexedConnection,
    /// Created by the one process whose fault point was reached.
    fault: PathBuf,
}

impl Scene {
    pub(super) async fn new() -> Self {
        Self::on(Env::new().await).await
    }

    /// With servers of its own, to be killed.
    pub(super) async fn own_servers() -> Self {
        Self::on(Env::own_servers().await).await
    }

    async fn on(env: Env) -> Self {
        env.execute(include_str!("../../../migrations/20261120000001_checkpoints.sql")).await;
        env.execute(include_str!("../../../migrations/20261120000002_pre_qqaccount.sql")).await;
        let link = Link::new(&SecretUrl::new(&env.redis_url)).unwrap();
        Self {
            keys: Keys::new(&env.queue),
            admin: Admin::new(&env.queue, link),
            pool: env.pool().await,
            heard: env.subscribe("socket.io#*").await,
            redis: env.redis_connection().await,
            fault: new_folder("fault"),
            env,
        }
    }

    /// Runs `rowcast` on this queue. Leases are short and claims small, unless `variables` say otherwise.
    pub(super) fn run(&self, command: &str, variables: &[(&str, &str)]) -> Running {
        let mut all = vec![
            ("ROWCAST_LOG", "json"),
            ("REDIS_URL", self.env.redis_url.as_str()),
            ("DATABASE_URL", self.env.database_url.as_str()),
            ("ROWCAST_QUEUE", self.env.queue.as_str()),
            ("ROWCAST_BATCH", "10"),
            ("ROWCAST_LEASE_SECONDS", "2"),
            ("ROWCAST_WORKERS", "1"),
            ("ROWCAST_GATEWAYS", "0"),
        ];
        all.extend(variables);
        Running::spawn(command, &all)
    }

    /// A fault that happens in one process only: `kill` or `stop` when a place is reached for the count-th time.
    pub(super) fn fault(&self, place: &str, action: &str, count: u32) -> String {
        format!("{place}:{action}:{count}:{}", self.fault.display())
    }

    /// The file for a second fault of the same test.
    pub(super) fn second(&self) -> String {
        format!("{}-2", self.fault.display())
    }

    pub(super) async fn fault_happened(&self) {
        let look = async || if self.fault.exists() { Ok(()) } else { Err("not yet") };
        eventually(LIMIT, "the fault point is reached", look).await;
    }

    /// Pushes good jobs, each with its own marker.
    pub(super) async fn push(&self, jobs: std::ops::Range<usize>) {
        self.push_raw(&jobs.map(job).collect::<Vec<_>>()).await;
    }

    pub(super) async fn push_raw(&self, jobs: &[Vec<u8>]) {
        self.admin.push(jobs).await.unwrap();
    }

    /// All rows in the order of their ids.
    pub(super) async fn rows(&self) -> Vec<Row> {
        let select = "SELECT id, openid FROM pre_qqaccount ORDER BY id";
        sqlx::query_as(select).fetch_all(&self.pool).await.unwrap()
    }

    /// What the events of now tell; all that was published before this call is among them.
    pub(super) async fn events(&self) -> Vec<Row> {
        let marker = ulid::Ulid::generate().to_string();
        let publish = redis::cmd("PUBLISH").arg(format!("socket.io#{marker}")).arg(&marker).to_owned();
        publish.query_async::<()>(&mut self.redis.clone()).await.unwrap();
        let heard = eventually(LIMIT, "our own message is heard", async || {
            let heard = self.heard.messages();
            let came = heard.iter().any(|message| message.payload == marker.as_bytes());
            if came { Ok(heard) } else { Err(heard.len()) }
        });
        let heard = heard.await;
        let events = heard.iter().filter(|message| message.channel.starts_with("socket.io#/#"));
        events.map(|message| row_of(&message.channel, &message.payload)).collect()
    }

    pub(super) async fn audit(&self) -> Audit {
        self.admin.audit().await.unwrap()
    }

    /// Waits until nothing is in work any more; returns the counts.
    pub(super) async fn quiet(&self) -> Audit {
        eventually(LIMIT, "all jobs are done", async || {
            let audit = self.audit().await;
            let left = audit.waiting + audit.suspects + audit.in_flight;
            if left == 0 { Ok(audit) } else { Err(audit) }
        })
        .await
    }

    /// Waits for the end of the work, and checks that each of these good jobs has one row and one event with the
    /// row's id, that there are no others, and that the counts say so.
    pub(super) async fn each_once(&self, jobs: usize) {
        let audit = self.quiet().await;
        let rows = self.rows().await;
        let markers: Vec<&str> = rows.iter().map(|(_, marker)| marker.as_str()).collect();
        assert_eq!(sorted(&markers), sorted(&(0..jobs).map(marker).collect::<Vec<_>>()), "rows");
        assert_eq!(sorted(&self.events().await), sorted(&rows), "events and rows");
        assert_eq!((audit.inserted, audit.rows, audit.dead), (jobs as u64, jobs as u64, 0), "{audit:?}");
        assert_eq!(audit.difference(), 0, "{audit:?}");
    }

    /// The jobs in each Redis list.
    pub(super) async fn places(&self) -> BTreeMap<String, Vec<String>> {
        let mut redis = self.redis.clone();
        let mut places = BTreeMap::new();
        let keys = self.all_keys().await;
        for key in keys {
            let kind: String = redis::cmd("TYPE").arg(&key).query_async(&mut redis).await.unwrap();
            if kind != "list" {
                continue;
            }
            let list: Vec<Vec<u8>> =
                redis::cmd("LRANGE").arg(&key).arg(0).arg(-1).query_async(&mut redis).await.unwrap();
            let jobs = list.into_iter().map(|job| match key.as_str() {
                name if name == self.keys.suspects => text(job).split_once(' ').unwrap().1.to_owned(),
                name if name == self.keys.dead => text(DeadLetter::from_json(&job).unwrap().raw_bytes()),
                _ => text(job),
            });
            places.insert(key.clone(), jobs.collect());
        }
        places
    }

    /// Checks, while nobody works, that each of these good jobs is in exactly one Redis list, or in exactly one row;
    /// in both only when its claim is the one that the checkpoint says was committed, and is not settled yet.
    pub(super) async fn each_job_in_its_place(&self, jobs: usize) {
        let mut listed = Vec::new();
        let mut committed = Vec::new();
        let last: Vec<String> =
            self.checkpoints().await.iter().map(|(worker, seq)| self.keys.claim(worker, *seq)).collect();
        for (list, jobs) in self.places().await {
            if last.contains(&list) { committed.extend(jobs) } else { listed.extend(jobs) }
        }
        let rows = self.rows().await;
        let rows: Vec<String> =
            rows.iter().map(|(_, marker)| job(marker[2..].parse().unwrap())).map(text).collect();
        assert!(committed.iter().all(|job| rows.contains(job)), "{committed:?} {rows:?}");
        let all: Vec<String> = listed.into_iter().chain(rows).collect();
        assert_eq!(sorted(&all), sorted(&(0..jobs).map(job).map(text).collect::<Vec<_>>()));
    }

    pub(super) async fn dead_letters(&self) -> Vec<DeadLetter> {
        let letters = self.admin.dead_letters(0, 100_000, Form::Whole).await.unwrap();
        letters.iter().map(|(letter, _)| DeadLetter::from_json(letter).unwrap()).collect()
    }

    /// All keys but those of what happened to processes and of which queues there are, which stay whatever becomes of
    /// jobs.
    async fn all_keys(&self) -> Vec<String> {
        let mut redis = self.redis.clone();
        let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut redis).await.unwrap();
        let stays = |key: &String| key.starts_with("rowcast:history") || key == "rowcast:queues";
        keys.into_iter().filter(|key| !stays(key)).collect()
    }

    /// The keys that are there, but for the tombstones of workers that have left, and for how long the jobs of the last
    /// minute took.
    pub(super) async fn keys_left(&self) -> BTreeSet<String> {
        let keys = self.all_keys().await;
        let tomb = |key: &String| key.starts_with(self.keys.claim_prefix()) && key.ends_with(":0");
        keys.into_iter().filter(|key| !tomb(key) && *key != self.keys.delays).collect()
    }

    /// Which workers have a checkpoint, as everybody but them sees it.
    pub(super) async fn checkpoints(&self) -> Vec<(String, u64)> {
        let select = "SELECT worker_id, claim_seq FROM rowcast_checkpoints ORDER BY worker_id";
        sqlx::query_as(select).fetch_all(&self.pool).await.unwrap()
    }

    pub(super) async fn redis<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> T {
        command.query_async(&mut self.redis.clone()).await.unwrap()
    }

    /// Waits until a worker waits for jobs.
    pub(super) async fn blocks(&self) {
        self.blocked().await;
    }

    /// The number of the connection on which a worker waits for jobs, once there is one.
    pub(super) async fn blocked(&self) -> String {
        eventually(LIMIT, "a worker blocks", async || {
            let clients: String = self.redis(redis::cmd("CLIENT").arg("LIST")).await;
            let blocks = |line: &&str| line.contains("cmd=blmove") && line.contains("flags=b");
            let id =
                clients.lines().find(blocks).and_then(|line| line.strip_prefix("id=")?.split(' ').next());
            id.map(str::to_owned).ok_or_else(|| clients.clone())
        })
        .await
    }

    /// Hears again after a restart of Redis, and connects anew.
    pub(super) async fn listen_again(&mut self) {
        self.heard = self.env.subscribe("socket.io#*").await;
        self.redis = self.env.redis_connection().await;
        self.admin = Admin::new(&self.env.queue, Link::new(&SecretUrl::new(&self.env.redis_url)).unwrap());
    }
}

/// A good job.
pub(super) fn job(number: usize) -> Vec<u8> {
    format!(r#"{{"time":{number},"stamp":"{}"}}"#, marker(number)).into_bytes()
}

/// The marker of a good job in its row.
pub(super) fn marker(number: usize) -> String {
    format!("m-{number:05}")
}

fn text(job: Vec<u8>) -> String {
    String::from_utf8(job).unwrap()
}

pub(super) fn sorted<T: Ord + Clone>(values: &[T]) -> Vec<T> {
    let mut values = values.to_vec();
    values.sort();
    values
}

fn row_of(channel: &str, payload: &[u8]) -> Row {
    let message = emitter::decode("socket.io", channel, payload).unwrap();
    let emitter::Message::Broadcast(event) = message else { panic!("{message:?}") };
    assert_eq!(event.event, "row");
    let Some(Value::Int(id)) = event.args[0].get("id") else { panic!("{event:?}") };
    let marker = event.args[0].get("row").and_then(|row| row.get("openid")).and_then(Value::as_str);
    (*id as u64, marker.unwrap().to_owned())
}
