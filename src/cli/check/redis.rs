//! Redis: what it promises to keep, what it allows, and whether the queues' keys are free for them.

use std::collections::BTreeSet;

use super::{
    super::{reach, show::count},
    finding::Findings,
};
use crate::{
    config::{Fanout, Settings},
    emitter::Target,
    queue::{Admin, Audit, Link, RedisFacts, Registry, describe, host},
    route::Route,
    status::{self, Worker},
};

const ABOUT: &str = "redis";

/// Connects and judges the server.
pub(super) async fn check(settings: &Settings) -> (Option<Link>, Findings) {
    let mut found = Findings::default();
    let link = match reach::redis(&settings.redis_url).await {
        Ok(link) => link,
        Err(error) => {
            found.problem(ABOUT, format!("{error:#}"));
            return (None, found);
        }
    };
    match RedisFacts::read(&link).await {
        Ok(facts) => {
            found.ok(ABOUT, format!("Redis {} at {}", facts.version, settings.redis_url));
            judge(&facts, &mut found);
        }
        Err(error) => found.problem(ABOUT, describe(&error)),
    }
    if settings.publish.fanout == Fanout::Local {
        check_fanout(settings, &link, &mut found).await;
    }
    (Some(link), found)
}

/// Rows that go past Redis reach the gateways of their own supervisor alone, and marks are of a queue, whoever works on
/// it.
async fn check_fanout(settings: &Settings, link: &Link, found: &mut Findings) {
    const PAST: &str = "rows go past it (ROWCAST_FANOUT=local), to the gateways of the same `rowcast up`";
    let registries = [Registry::of_gateways(link.clone()), Registry::new(link.clone())];
    let mut members = Vec::new();
    for registry in registries {
        match registry.members().await {
            Ok(more) => members.push(more),
            Err(error) => return found.problem(ABOUT, describe(&error)),
        }
    }
    let [gateways, workers] = members.as_slice() else { return };
    let here = host();
    let hosts = gateways.iter().filter_map(|member| member.fields.get("host"));
    let elsewhere: BTreeSet<&str> = hosts.map(String::as_str).filter(|name| *name != here).collect();
    if !elsewhere.is_empty() {
        let elsewhere = Vec::from_iter(elsewhere).join(", ");
        let text = format!(
            "{PAST}: the gateways on {elsewhere} hear none of them; set ROWCAST_FANOUT=redis, and they hear all"
        );
        found.warning(ABOUT, text);
    }
    for route in &settings.routes {
        let workers = workers.iter().filter(|member| Worker::new(member, 0).takes(&route.queue));
        let supervisors: BTreeSet<Option<&String>> =
            workers.map(|member| member.fields.get("supervisor")).collect();
        if supervisors.len() > 1 {
            let text = format!(
                "{PAST}, and this queue has workers of several: the rows of one are neither heard nor caught up on by \
                 browsers of another; set ROWCAST_FANOUT=redis, or run one `rowcast up`"
            );
            found.warning(&route.queue, text);
        }
    }
    if !found.0.iter().any(|finding| finding.text.starts_with(PAST)) {
        found.ok(ABOUT, PAST);
    }
}

fn judge(facts: &RedisFacts, found: &mut Findings) {
    let version: Vec<u32> = facts.version.split('.').map_while(|part| part.parse().ok()).collect();
    if version < vec![6, 2] {
        let text = format!("version {} is too old; BLMOVE came with 6.2", facts.version);
        found.problem(ABOUT, text);
    }
    if facts.replica {
        found.problem(ABOUT, "it is a read-only replica; point REDIS_URL at the primary");
    }
    if facts.cluster {
        found.problem(
            ABOUT,
            "it is a node of a Cluster, whose redirections rowcast does not follow; use a server of its own",
        );
    }
    judge_persistence(facts, found);
    judge_eviction(facts, found);
}

fn judge_persistence(facts: &RedisFacts, found: &mut Findings) {
    match (facts.append_only, facts.append_fsync.as_deref()) {
        (true, Some("always")) => {
            let text = "appendfsync always: every job survives a crash of Redis or of its machine, and none is done \
                        twice";
            found.ok(ABOUT, text);
        }
        (true, fsync) => {
            let fsync = fsync.unwrap_or("unknown, CONFIG is not allowed");
            found.warning(ABOUT, format!(
                "appendonly is on, appendfsync is {fsync}: a crash of Redis alone loses nothing, but when its machine \
                 crashes the last second (more with `no`) can be lost or done again; a dedupe column keeps a route \
                 exact even then; CONFIG SET appendfsync always is exact everywhere"
            ));
        }
        (false, _) => {
            let kept = match facts.snapshots {
                Some(false) => "nothing is kept",
                _ => "what came after the last snapshot is lost, and what was done since is done again",
            };
            found.warning(ABOUT, format!(
                "appendonly is off: when Redis crashes or restarts, {kept}; CONFIG SET appendonly yes, and put it \
                 into redis.conf"
            ));
        }
    }
}

fn judge_eviction(facts: &RedisFacts, found: &mut Findings) {
    let RedisFacts { eviction, max_memory, .. } = facts;
    match (eviction.as_str(), max_memory) {
        ("noeviction" | "", _) => found.ok(ABOUT, "noeviction: a full Redis refuses new jobs and drops none"),
        (policy, 0) => found.warning(ABOUT, format!(
            "maxmemory-policy {policy} could drop jobs once maxmemory is set (it is not); \
             CONFIG SET maxmemory-policy noeviction"
        )),
        (policy, _) if policy.starts_with("allkeys") => found.problem(ABOUT, format!(
            "maxmemory-policy {policy} drops whole queues when memory is out; CONFIG SET maxmemory-policy noeviction"
        )),
        (policy, _) => found.warning(ABOUT, format!(
            "maxmemory-policy {policy} drops no jobs, but workers' leases when memory is out, so that they are taken \
             for dead; CONFIG SET maxmemory-policy noeviction"
        )),
    }
}

/// Judges one queue's keys and rights. Returns its oldest job.
pub(super) async fn check_queue(
    route: &Route,
    link: &Link,
    settings: &Settings,
    found: &mut Findings,
) -> Option<Vec<u8>> {
    let admin = Admin::new(&route.queue, link.clone());
    match admin.wrong_types().await {
        Ok(wrong) if !wrong.is_empty() => {
            for key in wrong {
                found.problem(&route.queue, format!(
                    "key {:?} is a {} and must be a {}: something else uses its name; rename one of the two",
                    key.key, key.found, key.expected
                ));
            }
            return None;
        }
        Ok(_) => {}
        Err(error) => found.problem(&route.queue, format!("cannot look at its keys: {}", describe(&error))),
    }
    check_rights(&admin, route, settings, found).await;
    match admin.audit().await {
        Ok(audit) => {
            let paused = if audit.paused { ", paused" } else { "" };
            let letters = count(audit.dead_letters, "dead letter");
            let text = format!("{} waiting, {letters}{paused}", audit.waiting);
            found.ok(&route.queue, text);
            check_workers(route, audit, link, found).await;
        }
        // The trial of rights has told it.
        Err(error) => tracing::debug!("no audit: {error}"),
    }
    // Without it there is no sample to show; what is wrong has been told above.
    admin.oldest().await.ok().flatten()
}

/// Warns of a queue that nobody takes jobs from. Before the first job and the first worker that is as it should be.
async fn check_workers(route: &Route, audit: Audit, link: &Link, found: &mut Findings) {
    // Whether the registry can be read, the trial of rights has told.
    let members = Registry::new(link.clone()).members().await.unwrap_or_default();
    let workers: Vec<Worker> = members.iter().map(|member| Worker::new(member, 0)).collect();
    let is_new = audit == Audit::default() && !workers.iter().any(|worker| worker.life.alive);
    if let Some(note) = status::Queue::new(&route.into(), &Ok(audit), &workers).note.filter(|_| !is_new) {
        found.warning(&route.queue, note.to_string());
    }
}

async fn check_rights(admin: &Admin, route: &Route, settings: &Settings, found: &mut Findings) {
    // A whole message, because a server that hears half of one dies; of a namespace that nobody has.
    let target = Target::new().with_key(&settings.publish.key).of("/rowcast-check");
    let event = match target.event_args("check", &()) {
        Ok(event) => event,
        Err(error) => return found.problem(&route.queue, error.to_string()),
    };
    for (what, tried) in admin.try_rights(&event.channel, &event.payload).await {
        if let Err(error) = tried {
            found.problem(&route.queue, format!("cannot {what}: {}", describe(&error)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::finding::Level, *};

    fn levels(change: impl FnOnce(&mut RedisFacts)) -> Vec<(Level, String)> {
        let mut facts = RedisFacts {
            version: "7.0.15".into(),
            append_only: true,
            append_fsync: Some("always".into()),
            eviction: "noeviction".into(),
            ..RedisFacts::default()
        };
        change(&mut facts);
        let mut found = Findings::default();
        judge(&facts, &mut found);
        found.0.into_iter().map(|finding| (finding.level, finding.text)).collect()
    }

    #[test]
    fn the_exact_guarantee_of_the_persistence_is_said() {
        assert!(levels(|_| ()).iter().all(|(level, _)| *level == Level::Ok));
        let everysec = levels(|facts| facts.append_fsync = Some("everysec".into()));
        assert!(everysec[0].0 == Level::Warning && everysec[0].1.contains("last second"));
        let none = levels(|facts| facts.append_only = false);
        assert!(none[0].0 == Level::Warning && none[0].1.contains("appendonly yes"));
    }

    #[test]
    fn a_server_that_may_drop_or_refuse_jobs_is_a_problem() {
        let problem = |change: fn(&mut RedisFacts)| levels(change).iter().any(|(l, _)| *l == Level::Problem);
        assert!(problem(|facts| facts.version = "6.0.16".into()));
        assert!(problem(|facts| facts.replica = true));
        assert!(problem(|facts| (facts.eviction, facts.max_memory) = ("allkeys-lru".into(), 1)));
        assert!(!problem(|facts| (facts.eviction, facts.max_memory) = ("volatile-lru".into(), 1)));
        assert!(!problem(|facts| facts.version = "10.0".into()));
    }
}
