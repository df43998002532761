//! Fifty thousand rows to clients that are cut off at random, while workers, Redis and the gateway are killed.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{
    Gateway,
    client::{follow, report},
    free_port,
};
use crate::{
    interop::Node,
    support::{Env, PATIENCE, Running, eventually, random, running::send},
};

const ROOMS: (&str, &str) = ("ROWCAST_ROOMS", "{table},account:{accountid}");
const ACCOUNTS: usize = 5;

/// What happens after some jobs were pushed.
#[derive(Debug, Clone, Copy)]
enum Blow {
    /// A client loses its connection.
    Cut,
    Worker,
    Redis,
    Gateway,
    None,
}

/// How often each happens in a hundred steps.
const BLOWS: [(Blow, usize); 5] =
    [(Blow::Cut, 45), (Blow::Worker, 8), (Blow::Redis, 3), (Blow::Gateway, 2), (Blow::None, 42)];

/// The sockets, with the rooms that each follows.
const SOCKETS: [&str; 4] = [
    "websocket#pre_qqaccount",
    "websocket#account:1",
    "websocket#pre_qqaccount,account:2",
    "polling#account:3",
];
/// Which rows the rooms of these sockets have, in order.
const WHERE: [&str; 5] = ["1 = 1", "accountid = 1", "1 = 1", "accountid = 2", "accountid = 3"];

struct Storm {
    env: Env,
    up: Running,
    gateway: Gateway,
    listen: String,
    node: Node,
    random: fastrand::Rng,
}

impl Storm {
    async fn begin(random: fastrand::Rng) -> Self {
        let env = Env::new().await;
        env.migrate().await;
        let listen = format!("127.0.0.1:{}", free_port());
        let gateway = Gateway::start(&env, &[ROOMS, ("ROWCAST_LISTEN", &listen)]).await;
        let node = follow(&listen, &SOCKETS);
        // Claims are small, so that many are open at each blow.
        let workers = [
            ("ROWCAST_QUEUE", &*env.queue),
            ("ROWCAST_WORKERS", "2"),
            ("ROWCAST_BATCH", "50"),
            ("ROWCAST_LEASE_SECONDS", "2"),
        ];
        let up = Running::on(&env, "up", "", &[&[ROOMS], &workers[..]].concat());
        Self { env, up, gateway, listen, node, random }
    }

    async fn strike(&mut self, blow: Blow) {
        match blow {
            Blow::Cut => {
                let socket = self.random.usize(..SOCKETS.len());
                self.cut(socket).await;
            }
            Blow::Worker => {
                let workers = eventually(PATIENCE, "a worker to kill", async || {
                    Some(self.up.workers()).filter(|workers| !workers.is_empty()).ok_or("none")
                });
                let pid = self.random.choice(workers.await).unwrap();
                send(pid, Signal::SIGKILL);
                eventually(PATIENCE, "its end is noticed", async || {
                    if self.up.workers().contains(&pid) { Err(self.up.log()) } else { Ok(()) }
                })
                .await;
            }
            Blow::Redis => {
                self.env.redis.kill9().await.unwrap();
                self.pause(1_500).await;
                self.env.redis.restart().await.unwrap();
            }
            Blow::Gateway => {
                self.gateway.process.kill9().await;
                self.pause(500).await;
                let listen = ("ROWCAST_LISTEN", &*self.listen);
                self.gateway = Gateway::listening(&self.env, &[ROOMS, listen]).await;
            }
            Blow::None => {}
        }
    }

    async fn cut(&mut self, socket: usize) {
        self.node.tell(json!({"cut": socket})).await;
    }

    /// Lets things go on for some time; how long is part of the chance.
    async fn pause(&mut self, most: u64) {
        tokio::time::sleep(Duration::from_millis(self.random.u64(..most))).await;
    }

    /// Waits until all know that they have everything up to this id, after more than so many connects each. Returns
    /// how often each has connected.
    async fn all_have(&mut self, id: &str, connects: &[usize]) -> Vec<usize> {
        let live = |one: &Value| one["replayed"].as_array().unwrap().len();
        eventually(PATIENCE, "all clients have all rows", async || {
            let said = report(&mut self.node).await;
            let lives: Vec<usize> = said.iter().map(live).collect();
            let new = lives.iter().zip(connects).all(|(now, before)| now > before);
            if new && said.iter().all(|one| one["since"] == id) { Ok(lives) } else { Err(said) }
        })
        .await
    }

    /// The ids that each follower was given.
    async fn ids(&mut self) -> Vec<Vec<u64>> {
        self.node.tell(json!({"ids": true})).await;
        serde_json::from_value(self.node.line().await).unwrap()
    }

    /// The ids of the rows that it should have been given.
    async fn expected(&self, condition: &str) -> Vec<u64> {
        let select = format!("SELECT id FROM pre_qqaccount WHERE {condition} ORDER BY id");
        self.env.lines(&select).await.iter().map(|id| id.parse().unwrap()).collect()
    }

    async fn each_row_once(&mut self) {
        for (condition, given) in WHERE.iter().zip(self.ids().await) {
            let expected = self.expected(condition).await;
            assert!(given == expected, "{condition}: {}", differences(&given, &expected));
        }
        let said = report(&mut self.node).await;
        assert_eq!(times(&said, "twice"), 0, "{said:#?}");
    }
}

fn differences(given: &[u64], expected: &[u64]) -> String {
    let lost: Vec<_> = expected.iter().filter(|id| given.binary_search(id).is_err()).take(20).collect();
    let strange: Vec<_> = given.iter().filter(|id| expected.binary_search(id).is_err()).take(20).collect();
    format!("{} of {}, lost {lost:?}, never there {strange:?}", given.len(), expected.len())
}

fn times(said: &[Value], what: &str) -> u64 {
    said.iter().map(|one| one[what].as_u64().unwrap()).sum()
}

#[tokio::test]
async fn clients_that_are_cut_off_at_random_while_everything_is_killed_end_with_each_row_once() {
    each_row_once_in_a_storm(&mut random()).await;
}

/// One storm after the other, for the time that `ROWCAST_TEST_SECONDS` says.
#[tokio::test]
#[ignore = "it takes minutes: make storms"]
async fn a_campaign_of_storms_loses_and_doubles_no_row() {
    let seconds =
        std::env::var("ROWCAST_TEST_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(300);
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut random = random();
    while Instant::now() < end {
        each_row_once_in_a_storm(&mut random).await;
    }
}

async fn each_row_once_in_a_storm(random: &mut fastrand::Rng) {
    const JOBS: usize = 50_000;
    const STEPS: usize = 100;
    let mut blows: Vec<Blow> = BLOWS.iter().flat_map(|(blow, times)| vec![*blow; *times]).collect();
    random.shuffle(&mut blows);
    let mut storm = Storm::begin(random.fork()).await;
    let job = |n: usize| json!({"time": n % ACCOUNTS, "stamp": n.to_string()}).to_string();
    for (step, blow) in blows.into_iter().enumerate() {
        let jobs = step * JOBS / STEPS..(step + 1) * JOBS / STEPS;
        storm.env.push_raw("", &jobs.map(job).collect::<Vec<_>>()).await;
        storm.pause(250).await;
        storm.strike(blow).await;
    }
    storm.env.done(JOBS as u64).await;

    let last = storm.expected("1 = 1").await.last().unwrap().to_string();
    let connects = storm.all_have(&last, &[0; WHERE.len()]).await;
    storm.each_row_once().await;
    // Whoever comes back to where nothing is new gets nothing.
    for socket in 0..SOCKETS.len() {
        storm.cut(socket).await;
    }
    storm.all_have(&last, &connects).await;
    storm.each_row_once().await;
    let said = report(&mut storm.node).await;
    assert!(times(&said, "resent") > 0, "the package had nothing to tell apart: {said:#?}");
    let mut up = storm.up;
    assert!(up.said("exit").len() >= 8, "{:#?}", up.log());
    up.drain().await;
}
