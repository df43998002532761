//! Alerts are sent: by one gateway of all, for as long as it can, and with nothing waiting for it.
//!
//! Every gateway reads how the cluster stands. The one that holds the lease in Redis compares that with the alerts that
//! are open, which are kept in Redis too: so neither another sender nor a restart of all makes a second beginning, and
//! whoever is there then tells the end. A message that is not taken is tried again for some minutes with the same id.
//!
//! That Redis itself is away is told by each gateway for itself, because nothing can be shared then; and one that is
//! restarted meanwhile knows nothing of what the one before it told.

mod entry;
mod post;

use std::{
    cell::RefCell,
    collections::BTreeMap,
    convert::Infallible,
    future::pending,
    time::{Duration, Instant},
};

use redis::RedisResult;
use tokio::{sync::Notify, time::timeout};

use super::series::{Series, Sight};
use crate::{
    alert::{Alert, Facts, Hook, Judge},
    config::HookSettings,
    queue::{AlertBook, Link, describe},
};
use entry::Entry;
use post::{Outcome, Parcel, Post};

/// For how long a gateway is the one that sends; it says so again every two seconds.
const LEASE: Duration = Duration::from_secs(10);
/// How long the book may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// What sends alerts.
pub(super) struct Alerts {
    me: String,
    book: AlertBook,
    hook: Option<Hook>,
    post: RefCell<Post>,
    judges: RefCell<Judges>,
    news: Notify,
}

#[derive(Default)]
struct Judges {
    of_all: Judge,
    of_redis: Judge,
}

impl Alerts {
    /// Of the gateway with this id. Without settings it sends nothing.
    ///
    /// # Errors
    /// Authorities that cannot be read.
    pub(super) fn new(settings: Option<&HookSettings>, redis: &Link, me: String) -> anyhow::Result<Self> {
        Ok(Self {
            me,
            book: AlertBook::new(redis.another()),
            hook: settings.map(Hook::new).transpose()?,
            post: RefCell::new(Post::new(settings.map_or(1, |settings| settings.per_minute), Instant::now())),
            judges: RefCell::default(),
            news: Notify::new(),
        })
    }

    /// Looks and sends, for ever.
    pub(super) async fn keep(&self, series: &Series) -> Infallible {
        match &self.hook {
            None => pending().await,
            Some(hook) => tokio::join!(self.look(series), self.send(hook)).0,
        }
    }

    async fn look(&self, series: &Series) -> Infallible {
        let mut sights = series.sights();
        loop {
            if sights.changed().await.is_err() {
                return pending().await;
            }
            let sight = sights.borrow_and_update().clone();
            self.look_at_redis(&sight);
            let read = match &sight.cluster {
                Some(facts) => timeout(PATIENCE, self.look_at(facts, sight.at)).await,
                None => Ok(Ok(false)),
            };
            match read {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) => self.post.borrow_mut().of_all.clear(),
                failed => {
                    self.post.borrow_mut().of_all.clear();
                    let why = failed.ok().and_then(Result::err).map(|error| describe(&error));
                    tracing::debug!(why, "the book of alerts cannot be read or written");
                }
            }
            self.news.notify_one();
        }
    }

    /// Redis, as this gateway sees it.
    fn look_at_redis(&self, sight: &Sight) {
        let mut post = self.post.borrow_mut();
        let open = post.of_redis.iter().map(|(key, entry)| (key.clone(), entry.alert.clone())).collect();
        for change in self.judges.borrow_mut().of_redis.judge(&open, &sight.redis, sight.at) {
            post.of_redis.insert(change.key, Entry::new(change.alert));
        }
    }

    /// What all gateways see. Says whether this is the one that sends.
    async fn look_at(&self, facts: &Facts, now: u64) -> RedisResult<bool> {
        if !self.book.lead(&self.me, LEASE).await? {
            return Ok(false);
        }
        let mut entries = Entry::all(self.book.read().await?);
        self.settle_again(&mut entries).await?;
        let open = entries.iter().map(|(key, (_, entry))| (key.clone(), entry.alert.clone())).collect();
        let changes = self.judges.borrow_mut().of_all.judge(&open, facts, now);
        for change in changes {
            let before = entries.remove(&change.key);
            let after = Entry::after(before.as_ref().map(|(_, entry)| entry), change.alert);
            let text = after.as_ref().map(Entry::text);
            let before = before.as_ref().map(|(text, _)| &**text);
            if self.book.replace(&change.key, before, text.as_deref()).await?
                && let (Some(text), Some(entry)) = (text, after)
            {
                entries.insert(change.key, (text, entry));
            }
        }
        entries.retain(|_, (_, entry)| !entry.told);
        self.post.borrow_mut().of_all = entries;
        Ok(true)
    }

    /// Writes down what was sent while the book could not be written.
    async fn settle_again(&self, entries: &mut BTreeMap<String, (String, Entry)>) -> RedisResult<()> {
        let sent = self.post.borrow_mut().sent_of(entries);
        for parcel in sent {
            let after = parcel.entry.settled();
            let text = after.as_ref().map(Entry::text);
            self.book.replace(&parcel.key, parcel.before.as_deref(), text.as_deref()).await?;
            match (text, after) {
                (Some(text), Some(entry)) => drop(entries.insert(parcel.key, (text, entry))),
                _ => drop(entries.remove(&parcel.key)),
            }
        }
        Ok(())
    }

    async fn send(&self, hook: &Hook) -> Infallible {
        loop {
            let next = self.post.borrow_mut().next(Instant::now());
            match next {
                Ok(parcel) => self.deliver(hook, parcel).await,
                Err(wait) => {
                    timeout(wait, self.news.notified()).await.ok();
                }
            }
        }
    }

    async fn deliver(&self, hook: &Hook, mut parcel: Parcel) {
        let allowed = self.post.borrow_mut().may_send(&parcel, Instant::now());
        let left_out = self.post.borrow().left_out;
        let outcome = match allowed {
            false => Outcome::LeftOut,
            true => match attempt(hook, &parcel.entry.alert, left_out).await {
                Ok(()) => Outcome::Taken { left_out },
                Err(why) => Outcome::Refused(why),
            },
        };
        let settled = self.post.borrow_mut().ended(&mut parcel, outcome, Instant::now());
        // Of Redis nothing is written down: there is nowhere.
        if !settled || parcel.before.is_none() {
            return;
        }
        let after = parcel.entry.settled().map(|entry| entry.text());
        let written = self.book.replace(&parcel.key, parcel.before.as_deref(), after.as_deref());
        // Where this fails the next look tries it again.
        timeout(PATIENCE, written).await.ok();
    }
}

/// One try.
///
/// # Errors
/// Why it was not taken.
async fn attempt(hook: &Hook, alert: &Alert, left_out: u64) -> Result<(), String> {
    let now = time::OffsetDateTime::now_utc().unix_timestamp().max(0) as u64;
    match hook.send(alert.body(left_out), now).await {
        Ok(answer) if answer.status.is_success() => Ok(()),
        Ok(answer) => Err(format!("{} answers {}", hook.url(), answer.status)),
        Err(error) => Err(format!("{error:#}")),
    }
}
