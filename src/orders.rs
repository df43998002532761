//! An order to a running supervisor, from wherever Redis can be reached: found in the registries, given, waited for.
//!
//! What it promises: whoever asks is told within the time that they gave, and four seconds more, whether the order is
//! carried out, was refused, was taken by nobody, or that this is not known; and an order that is said to have been
//! taken by nobody is never carried out.

use std::{collections::BTreeMap, time::Duration};

use redis::{RedisError, RedisResult};
use serde::Serialize;
use tokio::time::{Instant, sleep, timeout_at};
use ulid::Ulid;

use crate::{
    control::{Answer, Command, Order},
    queue::{Link, Member, Orders, Registry, describe, is_lost},
};

/// How long a supervisor is waited for where nobody says how long.
pub const WAIT: Duration = Duration::from_secs(10);

/// How often the answer is looked for.
const EVERY: Duration = Duration::from_millis(100);
/// An order counts a little longer than it is waited for, so that who takes it back finds it there.
const MARGIN: Duration = Duration::from_secs(1);
/// An order that was taken is answered at once, or not at all.
const TAKEN: Duration = Duration::from_secs(3);

/// What a supervisor said to an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// Whether it is carried out; else it was refused, and nothing has changed.
    pub ok: bool,
    /// The supervisor's words.
    pub message: String,
    /// The supervisor's machine.
    pub host: String,
    /// The supervisor's id.
    pub supervisor: String,
}

/// Why no supervisor has said anything. Each is a sentence that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Unheard {
    /// None runs, or not where it was looked for.
    #[error("{0}")]
    Nobody(String),
    /// Several do, and none was named.
    #[error(
        "several supervisors could be meant: {all}; name one by its host, or by its id where a host has several"
    )]
    Several {
        /// All of them, with their hosts.
        all: String,
        /// What each can be named by.
        names: Vec<String>,
    },
    /// It was there, and did not take the order in time. It will not be carried out.
    #[error("{0}")]
    NotTaken(String),
    /// It took the order, and its answer did not come.
    #[error("{0}")]
    NoAnswer(String),
    /// Redis is away, or refuses.
    #[error("{}", describe(.0))]
    Redis(#[from] RedisError),
}

/// A supervisor, as its children tell of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Supervisor {
    id: String,
    host: String,
}

/// Gives an order and waits for what comes of it. `name` is a host or a supervisor's id; it may be left out where only
/// one supervisor runs.
///
/// # Errors
/// See [`Unheard`].
pub async fn give(
    link: &Link,
    name: Option<&str>,
    by: String,
    command: Command,
    wait: Duration,
) -> Result<Told, Unheard> {
    let end = Instant::now() + wait;
    let all = timeout_at(end, supervisors(link)).await.unwrap_or_else(|_| Err(silent()))?;
    let Supervisor { id: supervisor, host } = choose(&all, name)?;
    let orders = Orders::new(link.clone());
    let order = Order { id: Ulid::generate(), by, command };
    let text = serde_json::json!(order).to_string();
    let counts = end.saturating_duration_since(Instant::now()) + MARGIN;
    let given = timeout_at(end, orders.give(&supervisor, &text, counts)).await;
    match given.unwrap_or_else(|_| Err(silent())) {
        // A refusal; of what had no answer it is not known whether it was given.
        Err(error) if !is_lost(&error) => return Err(Unheard::Redis(error)),
        given => given.map_err(|error| lost(&host, &error))?,
    }
    let answer = async {
        Ok(match answer(&orders, order.id, end).await? {
            Some(answer) => Ok(answer),
            None if orders.take_back(&supervisor, &text).await? => Err(not_taken(&host, wait)),
            None => answer(&orders, order.id, end + TAKEN).await?.ok_or_else(|| no_answer(&host)),
        })
    };
    let told = timeout_at(end + MARGIN + TAKEN, answer).await.unwrap_or_else(|_| Err(silent()));
    let Answer { accepted, message, .. } = told.unwrap_or_else(|error| Err(lost(&host, &error)))?;
    Ok(Told { ok: accepted, message, host, supervisor })
}

/// The answer, if it comes until then.
async fn answer(orders: &Orders, order: Ulid, end: Instant) -> RedisResult<Option<Answer>> {
    loop {
        if let Some(text) = orders.answer_to(order).await? {
            return Ok(serde_json::from_str(&text).ok());
        }
        if Instant::now() >= end {
            return Ok(None);
        }
        sleep(EVERY).await;
    }
}

/// What is said of a Redis that has taken too long.
fn silent() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}

/// The supervisors of which a child lives.
async fn supervisors(link: &Link) -> RedisResult<Vec<Supervisor>> {
    let mut members = Registry::new(link.clone()).members().await?;
    members.extend(Registry::of_gateways(link.clone()).members().await?);
    Ok(of(&members))
}

fn of(members: &[Member]) -> Vec<Supervisor> {
    let named = |member: &Member| {
        let field = |name| member.fields.get(name).filter(|text| !text.is_empty()).cloned();
        Some((field("supervisor")?, field("host").unwrap_or_default()))
    };
    // By host, and by id where one host has several.
    let all: BTreeMap<String, String> = members.iter().filter_map(named).collect();
    let mut all: Vec<Supervisor> = all.into_iter().map(|(id, host)| Supervisor { id, host }).collect();
    all.sort_by(|one, other| (&one.host, &one.id).cmp(&(&other.host, &other.id)));
    all
}

fn choose(all: &[Supervisor], name: Option<&str>) -> Result<Supervisor, Unheard> {
    let meant = |one: &&Supervisor| name.is_none_or(|name| one.host == name || one.id == name);
    let meant: Vec<Supervisor> = all.iter().filter(meant).cloned().collect();
    match (meant.as_slice(), name) {
        ([one], _) => Ok(one.clone()),
        ([], _) if all.is_empty() => Err(Unheard::Nobody(
            "no supervisor is there to take the order: `rowcast up` runs nowhere on this Redis, or all processes of \
             it hang or are cut off; workers that run without it are restarted by whoever started them"
                .to_owned(),
        )),
        ([], name) => Err(Unheard::Nobody(format!(
            "no supervisor is there by the name {:?}; there is {}",
            name.unwrap_or_default(),
            listed(all)
        ))),
        (several, _) => {
            Err(Unheard::Several { all: listed(several), names: several.iter().map(|one| one.name(all)).collect() })
        }
    }
}

impl Supervisor {
    /// What tells it from all others: its host, or its id where the host has several.
    fn name(&self, all: &[Self]) -> String {
        let is_alone = all.iter().filter(|one| one.host == self.host).count() == 1;
        if is_alone && !self.host.is_empty() { self.host.clone() } else { self.id.clone() }
    }
}

fn listed(all: &[Supervisor]) -> String {
    let one = |Supervisor { id, host }: &Supervisor| format!("{id} on {host}");
    all.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn not_taken(host: &str, wait: Duration) -> Unheard {
    Unheard::NotTaken(format!(
        "no process of the supervisor on {host} took the order within {} s, and it is taken back: nothing was done; \
         they all hang, are cut off from Redis, or have just been killed with their supervisor",
        wait.as_secs()
    ))
}

fn no_answer(host: &str) -> Unheard {
    Unheard::NoAnswer(format!(
        "a process of the supervisor on {host} took the order, and no answer came: that process ended, or the \
         supervisor hangs; see in its log, or with `rowcast status`, whether it was done"
    ))
}

fn lost(host: &str, error: &RedisError) -> Unheard {
    Unheard::NoAnswer(format!(
        "the order for the supervisor on {host} was sent, and then {}; see in its log, or with `rowcast status`, \
         whether it was done",
        describe(error)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(supervisor: &str, host: &str) -> Member {
        let fields = [("supervisor", supervisor), ("host", host)];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Member { id: Ulid::generate().to_string(), fields, left: Duration::from_secs(9) }
    }

    fn chosen(all: &[Supervisor], name: Option<&str>) -> Result<String, String> {
        choose(all, name).map(|one| one.id).map_err(|error| error.to_string())
    }

    #[test]
    fn the_one_that_is_meant_is_found_by_its_host_or_id_and_else_all_are_named() {
        let mut gone = member("", "");
        gone.fields.clear();
        let members = [member("2", "b"), member("1", "a"), member("2", "b"), member("", "c"), gone];
        let all = of(&members);
        assert_eq!(all.len(), 2, "a worker without a supervisor, and one that is gone, name none");
        assert_eq!(chosen(&all, Some("a")), Ok("1".to_owned()));
        assert_eq!(chosen(&all, Some("2")), Ok("2".to_owned()));
        assert_eq!(chosen(&all[..1], None), Ok("1".to_owned()));
        assert!(chosen(&all, None).unwrap_err().contains("could be meant: 1 on a, 2 on b; name one by"));
        assert!(chosen(&all, Some("x")).unwrap_err().ends_with("by the name \"x\"; there is 1 on a, 2 on b"));
        assert!(
            chosen(&[], Some("a")).unwrap_err().starts_with("no supervisor is there to take the order: ")
        );
        let twins = of(&[member("1", "a"), member("2", "a")]);
        assert!(chosen(&twins, Some("a")).unwrap_err().contains("1 on a, 2 on a"));
        let names = |members: &[Member]| match choose(&of(members), None) {
            Err(Unheard::Several { names, .. }) => names,
            other => panic!("{other:?}"),
        };
        assert_eq!(names(&[member("1", "a"), member("2", "a"), member("3", "b")]), ["1", "2", "b"]);
    }
}
