//! Workers that come and go while jobs come in: recycled, or replaced by ones with another configuration.

use std::fs;

use nix::sys::signal::Signal;

use crate::support::{Env, PATIENCE, Running};

const JOBS: usize = 6_000;

/// Pushes all jobs, some at a time.
async fn push(env: &Env, range: std::ops::Range<usize>) {
    let jobs: Vec<String> = range.map(|n| format!(r#"{{"time":{n},"stamp":"{n}"}}"#)).collect();
    for some in jobs.chunks(200) {
        env.push_raw("", some).await;
    }
}

async fn assert_each_once(env: &Env) {
    let counts = env.lines("SELECT COUNT(*), COUNT(DISTINCT accountid) FROM pre_qqaccount").await;
    assert_eq!(counts, [format!("{JOBS}|{JOBS}")]);
}

#[tokio::test]
async fn workers_that_have_done_their_number_of_jobs_are_replaced_and_no_job_is_lost_or_doubled() {
    let env = Env::new().await;
    env.migrate().await;
    let heard = env.subscribe("socket.io#/#*").await;
    let limits = [("ROWCAST_MAX_JOBS", "500"), ("ROWCAST_BATCH", "50"), ("ROWCAST_WORKERS", "2")];
    let queue = [("ROWCAST_QUEUE", env.queue.as_str())];
    let up = Running::on(&env, "up", "", &[&limits[..], &queue].concat());
    up.says("online", 2).await;
    // A worker tells how far it is every two seconds, so jobs come until some have been replaced.
    let mut pushed = 0;
    while pushed < JOBS {
        push(&env, pushed..pushed + JOBS / 4).await;
        pushed += JOBS / 4;
        env.done(pushed as u64).await;
        let replaced = up.lines(pushed * 4 / JOBS, |line| line["reason"] == "job limit").await;
        assert!(replaced.iter().all(|line| line["message"] == "drain" || line["code"] == 0), "{replaced:#?}");
    }
    assert_each_once(&env).await;
    heard.exactly(JOBS, PATIENCE).await;
    let log = up.log();
    assert!(!log.iter().any(|line| line.contains("retry_ms")), "no failure: {log:#?}");
    up.stop().await;
}

#[tokio::test]
async fn hup_with_a_changed_route_under_load_loses_and_doubles_nothing() {
    let env = Env::new().await;
    env.migrate().await;
    let heard = env.subscribe("socket.io#/#*").await;
    let route = |rooms: &str| {
        let columns = "columns = { accountid = 'time', openid = 'stamp' }";
        format!("[[route]]\nqueue = '{{q}}'\ntable = 'pre_qqaccount'\n{columns}\nrooms = ['{rooms}']\n")
    };
    let limits = [("ROWCAST_BATCH", "20"), ("ROWCAST_WORKERS", "2")];
    let up = Running::on(&env, "up", &route("before"), &limits);
    up.says("online", 2).await;
    let pushing = push(&env, 0..JOBS);
    let reloading = async {
        heard.at_least(JOBS / 10, PATIENCE).await;
        let file = up.folder().join("routes.toml");
        fs::write(file, route("after").replace("{q}", &env.queue)).unwrap();
        up.signal(Signal::SIGHUP);
        up.says("exit", 2).await;
    };
    tokio::join!(pushing, reloading);
    // Some more for those with the new route, should the old ones have done all.
    env.done(JOBS as u64).await;
    assert_each_once(&env).await;
    let channels = heard.exactly(JOBS, PATIENCE).await;
    let before = channels.iter().filter(|message| message.channel.contains("#before#")).count();
    assert!(before >= JOBS / 10, "{before}");
    env.push_raw("", &[r#"{"time":-1,"stamp":"last"}"#]).await;
    env.done(JOBS as u64 + 1).await;
    let last = heard.exactly(JOBS + 1, PATIENCE).await.pop().unwrap();
    assert!(last.channel.contains("#after#"), "{}", last.channel);
    let exits = up.said("exit");
    assert!(exits.iter().all(|line| line["reason"] == "rolling restart" && line["code"] == 0), "{exits:#?}");
    up.stop().await;
}
