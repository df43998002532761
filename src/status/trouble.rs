//! What is wrong, in sentences for whoever must act. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use time::OffsetDateTime;

use super::{Life, Queue, Slot, Status, Worker, advice, queue::Note};
use crate::{control::Unready, telemetry::clock};

/// Something that is wrong, or that a person should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// Whether rows do not go in because of it.
    pub grave: bool,
    /// What it is, and since when: a sentence.
    pub what: String,
    /// The reason, in the words of whoever gave it, as a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What to do: a sentence or two.
    pub advice: String,
}

/// A server or a route that workers wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitedFor {
    /// `MySQL`, `Redis`, or `the route`.
    pub server: String,
    /// Since when the first of them does, by the time of day, which is all that they tell: `12:03:04`.
    pub since: String,
    /// How it is said.
    pub trouble: Trouble,
}

impl Trouble {
    fn new(grave: bool, what: String, advice: impl Into<String>) -> Self {
        Self { grave, what, why: None, advice: advice.into() }
    }

    /// Redis does not answer; `known` when it has before.
    pub fn of_redis(since: OffsetDateTime, why: &str, known: bool) -> Self {
        let shown = if known { " What is shown below is of before." } else { "" };
        let what = format!("Waiting for Redis since {} UTC.{shown}", clock(since));
        Self { why: Some(sentence(why)), ..Self::new(true, what, advice::waited_for("Redis")) }
    }
}

impl Status {
    /// All that is wrong, what is worst first.
    pub fn troubles(&self) -> Vec<Trouble> {
        let mut troubles: Vec<Trouble> = self.waited_for().into_iter().map(|one| one.trouble).collect();
        troubles.extend(self.nobody_works());
        let of_queues = self.queues.iter().flat_map(|queue| queue.troubles(self.anybody_works()));
        troubles.extend(of_queues);
        troubles.extend(self.unready.iter().map(Slot::trouble));
        troubles.extend(self.lives().filter_map(|(role, life)| unheard(role, life)));
        troubles.sort_by_key(|trouble| !trouble.grave);
        troubles
    }

    /// The workers and the gateways, each with its role.
    pub fn lives(&self) -> impl Iterator<Item = (&'static str, &Life)> {
        let workers = self.workers.iter().map(|worker| ("worker", &worker.life));
        workers.chain(self.gateways.iter().map(|gateway| ("gateway", &gateway.life)))
    }

    fn anybody_works(&self) -> bool {
        self.workers.iter().any(|worker| worker.life.alive)
    }

    /// Whether a worker is at work and waits for nobody.
    pub fn anybody_goes_on(&self) -> bool {
        let goes_on = |life: &Life| life.alive && !life.silent && life.state.as_deref() == Some("working");
        self.workers.iter().any(|worker| goes_on(&worker.life))
    }

    /// Jobs that are in Redis and nowhere else yet, of these queues.
    fn jobs(&self, is_meant: impl Fn(&str) -> bool) -> u64 {
        let jobs = |queue: &Queue| queue.audit.waiting + queue.audit.suspects + queue.audit.in_flight;
        self.queues.iter().filter(|queue| is_meant(&queue.queue)).map(jobs).sum()
    }

    /// Servers and routes that workers wait for: once each, since the first of them does.
    pub fn waited_for(&self) -> Vec<WaitedFor> {
        let alive = || self.workers.iter().filter(|worker| worker.life.alive && !worker.life.silent);
        let mut waits: BTreeMap<&str, (&str, &str, Vec<&Worker>)> = BTreeMap::new();
        for worker in alive() {
            let Some((server, since, why)) = worker.life.waiting.as_deref().map(parts) else { continue };
            let (first, _, workers) = waits.entry(server).or_insert((since, why, Vec::new()));
            *first = since.min(first);
            workers.push(worker);
        }
        let all = alive().count();
        let trouble = |(server, (since, why, workers)): (&str, (&str, &str, Vec<&Worker>))| {
            let some = workers.len();
            let who = if some < all { format!(" ({some} of {all} workers)") } else { String::new() };
            let what = format!("Waiting for {server} since {since} UTC{who}: {}.", self.safe(&workers));
            let trouble =
                Trouble { why: Some(sentence(why)), ..Trouble::new(true, what, advice::waited_for(server)) };
            WaitedFor { server: server.to_owned(), since: since.to_owned(), trouble }
        };
        waits.into_iter().map(trouble).collect()
    }

    /// How many jobs are safe of the queues that these workers take jobs from.
    fn safe(&self, workers: &[&Worker]) -> String {
        let is_meant = |queue: &str| workers.iter().any(|worker| worker.takes(queue));
        let of = named(workers.iter().flat_map(|worker| worker.queues.iter().flatten()));
        match self.jobs(is_meant) {
            0 => format!("no job{of} waits"),
            1 => format!("1 job{of} is safe in Redis"),
            jobs => format!("{} jobs{of} are safe in Redis", thousands(jobs)),
        }
    }

    fn nobody_works(&self) -> Option<Trouble> {
        let jobs = match self.jobs(|_| true) {
            0 => "jobs that are pushed will wait in Redis".to_owned(),
            1 => "1 job waits in Redis".to_owned(),
            jobs => format!("{} jobs wait in Redis", thousands(jobs)),
        };
        let advice = "Start `rowcast up`, on any machine, with the same settings.";
        let trouble = || Trouble::new(true, format!("No worker runs: {jobs}."), advice);
        (!self.anybody_works()).then(trouble)
    }
}

impl Queue {
    fn troubles(&self, anybody_works: bool) -> Vec<Trouble> {
        let name = &self.queue;
        let mut troubles = Vec::new();
        if let Some(problem) = &self.problem {
            let what = format!("Queue {name:?} cannot be read.");
            let advice = "Something else uses the name of one of its keys. `rowcast check` says more.";
            troubles.push(Trouble { why: Some(sentence(problem)), ..Trouble::new(true, what, advice) });
        }
        if let Some(Note { what, advice }) = self.note.as_ref().filter(|_| anybody_works) {
            troubles.push(Trouble::new(true, sentence(what), sentence(advice)));
        }
        if self.audit.paused {
            let what = format!("Queue {name:?} is paused: {}.", jobs_wait(self.audit.waiting));
            troubles.push(Trouble::new(false, what, advice::paused(name)));
        }
        if self.audit.dead_letters > 0 {
            let letters = match self.audit.dead_letters {
                1 => "1 dead letter".to_owned(),
                letters => format!("{} dead letters", thousands(letters)),
            };
            let what = format!("Queue {name:?} has {letters}.");
            troubles.push(Trouble::new(false, what, advice::dead_letters(name)));
        }
        troubles
    }
}

impl Slot {
    /// Rows go in by other workers, if there are any; that none works is told by itself.
    fn trouble(&self) -> Trouble {
        let Unready { role, slot, why, .. } = &self.unready;
        let advice = advice::unready(&role.to_string(), *slot, self.host.as_deref());
        Trouble { why: Some(sentence(why)), ..Trouble::new(false, sentence(&self.what()), advice) }
    }

    /// `the gateway in slot 1 on db1 has not been ready since 12:03:04 UTC`.
    pub fn what(&self) -> String {
        let Unready { role, slot, since, .. } = &self.unready;
        let host = self.host.as_deref().map(|host| format!(" on {host}")).unwrap_or_default();
        format!("the {role} in slot {slot}{host} has not been ready since {} UTC", clock(time_of(*since)))
    }
}

/// A time in milliseconds since 1970.
fn time_of(ms: u64) -> OffsetDateTime {
    let seconds = i64::try_from(ms / 1_000).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn unheard(role: &str, life: &Life) -> Option<Trouble> {
    let at = |what: &str| {
        let host = life.host.as_deref().map(|host| format!(" on {host}")).unwrap_or_default();
        let pid = life.pid.map(|pid| format!(", process {pid},")).unwrap_or_default();
        format!("A {role}{host}{pid} {what}.")
    };
    let others = match role {
        "worker" => "others finish its claims",
        _ => "its clients connect again by themselves",
    };
    if !life.alive {
        let advice =
            format!("It is dead or stuck; {others}. Where no supervisor replaces it, start another one.");
        return Some(Trouble::new(
            false,
            at(&format!("is gone ({}): its lease has run out", life.id)),
            advice,
        ));
    }
    let silent = life.silent_ms.filter(|_| life.silent)?;
    let advice = format!("It is stopped or cut off from Redis. When its lease has run out, {others}.");
    Some(Trouble::new(false, at(&format!("has been silent for {} s", silent / 1_000)), advice))
}

/// ` of queue "message"`, ` of queues "a", "b" and 2 more`; nothing where no name is known.
fn named<'a>(queues: impl Iterator<Item = &'a String>) -> String {
    const SHOWN: usize = 3;
    let names: BTreeSet<&String> = queues.collect();
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("{name:?}")).collect();
    match (names.len(), shown.join(", ")) {
        (0, _) => String::new(),
        (1, shown) => format!(" of queue {shown}"),
        (..=SHOWN, shown) => format!(" of queues {shown}"),
        (all, shown) => format!(" of queues {shown} and {} more", all - SHOWN),
    }
}

/// Server, time and reason of what [`crate::telemetry::Outage::waiting`] says.
fn parts(waiting: &str) -> (&str, &str, &str) {
    let rest = waiting.strip_prefix("waiting for ").unwrap_or(waiting);
    let (server, rest) = rest.split_once(" since ").unwrap_or((rest, ""));
    let (since, why) = rest.split_once(", ").unwrap_or((rest, ""));
    (server, since, why)
}

/// How many jobs wait.
pub fn jobs_wait(jobs: u64) -> String {
    match jobs {
        0 => "no job waits".to_owned(),
        1 => "1 job waits".to_owned(),
        jobs => format!("{} jobs wait", thousands(jobs)),
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    let end = if text.ends_with(['.', '?']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

/// A number with commas: 41,220.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::{
        queue::{Audit, Member},
        route::Route,
        status::Cluster,
        telemetry::Outage,
    };

    fn worker(fields: &[(&str, &str)]) -> Member {
        let fields = fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Member { id: "01J".into(), fields, left: Duration::from_secs(15) }
    }

    fn troubles(workers: Vec<Member>, audit: Audit) -> Vec<Trouble> {
        let queues = vec![((&Route::original()).into(), Ok(audit))];
        Status::now(&Cluster { workers, gateways: Vec::new(), queues, windows: BTreeMap::new() }).troubles()
    }

    fn whats(workers: Vec<Member>, audit: Audit) -> Vec<String> {
        troubles(workers, audit).into_iter().map(|trouble| trouble.what).collect()
    }

    const WORKS: &[(&str, &str)] = &[("state", "working"), ("queues", r#"["message"]"#)];

    #[test]
    fn nothing_is_said_when_nothing_is_wrong() {
        assert_eq!(whats(vec![worker(WORKS)], Audit { waiting: 9, ..Audit::default() }), [""; 0]);
    }

    #[test]
    fn a_server_that_is_waited_for_is_told_once_with_what_is_safe() {
        let waits =
            |since: &str| worker(&[("waiting", &format!("waiting for MySQL since {since}, refused, again"))]);
        let audit = Audit { waiting: 41_000, suspects: 20, in_flight: 200, ..Audit::default() };
        let told = troubles(vec![waits("12:03:09"), waits("12:03:04")], audit.clone());
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].what, "Waiting for MySQL since 12:03:04 UTC: 41,220 jobs are safe in Redis.");
        assert_eq!(told[0].why.as_deref(), Some("Refused, again."));
        assert!(told[0].grave && told[0].advice.contains("do not restart rowcast"));
        let some = whats(vec![waits("12:03:09"), worker(WORKS)], audit);
        assert_eq!(
            some,
            ["Waiting for MySQL since 12:03:09 UTC (1 of 2 workers): 41,220 jobs are safe in Redis."]
        );
    }

    #[test]
    fn the_queues_of_those_who_wait_are_named_and_no_others_jobs_are_counted() {
        let waits = |queues: &str| {
            worker(&[("waiting", "waiting for MySQL since 12:03:09, refused"), ("queues", queues)])
        };
        let audit = || Audit { waiting: 7, ..Audit::default() };
        let told = whats(vec![waits(r#"["message"]"#)], audit());
        assert_eq!(
            told,
            ["Waiting for MySQL since 12:03:09 UTC: 7 jobs of queue \"message\" are safe in Redis."]
        );
        let told = whats(vec![waits(r#"["b", "a"]"#), worker(WORKS)], audit());
        let expected =
            "Waiting for MySQL since 12:03:09 UTC (1 of 2 workers): no job of queues \"a\", \"b\" waits.";
        assert_eq!(told, [expected]);
        let many = ["d", "c", "b", "a", "a"].map(str::to_owned);
        assert_eq!(named(many.iter()), " of queues \"a\", \"b\", \"c\" and 1 more");
    }

    #[test]
    fn a_slot_in_which_nothing_is_ready_is_told_with_why() {
        let unready = r#"[{"role":"gateway","slot":1,"since":43384000,"why":"cannot listen on x"}]"#;
        let fields = [WORKS, &[("supervisor", "1"), ("host", "db1"), ("unready", unready)]].concat();
        let told = troubles(vec![worker(&fields), worker(&fields)], Audit::default());
        assert_eq!(told.len(), 1, "it is one slot, whoever tells of it");
        assert_eq!(told[0].what, "The gateway in slot 1 on db1 has not been ready since 12:03:04 UTC.");
        assert_eq!(told[0].why.as_deref(), Some("Cannot listen on x."));
        assert!(told[0].advice.contains("`rowcast restart 1 --gateway --host db1`") && !told[0].grave);
    }

    #[test]
    fn what_a_worker_says_of_an_outage_is_taken_apart_as_it_was_put_together() {
        let mut outage = Outage::new("the route");
        outage.down(Instant::now(), "no table, it seems".to_owned());
        let waiting = outage.waiting().unwrap();
        let (server, since, why) = parts(&waiting);
        assert_eq!((server, since.len(), why), ("the route", "12:03:04".len(), "no table, it seems"));
    }

    #[test]
    fn jobs_without_a_worker_are_told_once() {
        let audit = || Audit { waiting: 2, claimed: 1, ..Audit::default() };
        assert_eq!(whats(Vec::new(), audit()), ["No worker runs: 2 jobs wait in Redis."]);
        let other = worker(&[("state", "working"), ("queues", r#"["orders"]"#)]);
        let told = troubles(vec![other], audit());
        assert_eq!(told[0].what, "Queue \"message\": 2 jobs wait and no worker takes them.");
        assert!(told[0].advice.starts_with("Start `rowcast up` with its route"), "{told:?}");
    }

    #[test]
    fn pauses_letters_and_silence_are_told_below_what_is_grave() {
        let audit = Audit { waiting: 1_234, dead_letters: 1, paused: true, ..Audit::default() };
        let silent = Member {
            left: Duration::from_secs(5),
            ..worker(&[("lease", "15000"), ("host", "a"), ("pid", "7")])
        };
        let waits = worker(&[("waiting", "waiting for the route since 1:02:03, no table")]);
        let told = whats(vec![silent, waits], audit);
        assert!(told[0].starts_with("Waiting for the route since 1:02:03 UTC"), "{told:?}");
        assert_eq!(told[1], "Queue \"message\" is paused: 1,234 jobs wait.");
        assert_eq!(told[2], "Queue \"message\" has 1 dead letter.");
        assert_eq!(told[3], "A worker on a, process 7, has been silent for 10 s.");
        let gone = whats(vec![worker(&[]), worker(WORKS)], Audit::default());
        assert_eq!(gone, ["A worker is gone (01J): its lease has run out."]);
    }

    #[test]
    fn numbers_have_commas() {
        assert_eq!(
            [0, 12, 999, 1_000, 41_220, 1_000_007].map(thousands).join(" "),
            "0 12 999 1,000 41,220 1,000,007"
        );
    }
}
