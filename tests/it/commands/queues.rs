//! What all commands for queues share, and `pause`, `resume` and `audit`.

use std::time::Duration;

use rowcast::{
    config::SecretUrl,
    queue::{Admin, Blame, Claimed, Limits, Link, Queue, When},
};

use super::run::{bare, on, rowcast, run};
use crate::support::{Env, Running};

const LIMITS: Limits = Limits { jobs: 100, bytes: 1 << 20 };

/// Every command that needs Redis alone.
const COMMANDS: [&[&str]; 8] = [
    &["status"],
    &["audit"],
    &["pause"],
    &["resume"],
    &["dead", "list"],
    &["dead", "show", "x"],
    &["dead", "purge", "--all", "--yes"],
    &["emit", "room", "event"],
];

pub(super) fn link(env: &Env) -> Link {
    Link::new(&SecretUrl::new(env.redis_url.clone())).unwrap()
}

#[tokio::test]
async fn a_redis_that_is_away_is_one_sentence_soon_and_without_the_password() {
    for arguments in COMMANDS {
        let mut command = bare();
        command.args(arguments).env("REDIS_URL", "redis://me:hunter2@127.0.0.1:1");
        let ran =
            run(command).await.ended(1).complains("Redis cannot be reached").complains("me:***@127.0.0.1:1");
        assert!(!ran.err.contains("hunter2") && ran.err.lines().count() == 1, "{arguments:?}: {ran:?}");
        assert!(ran.took < Duration::from_secs(10), "{ran:?}");
    }
}

#[tokio::test]
async fn a_redis_that_is_stuck_is_told_after_five_seconds() {
    let env = Env::new().await;
    env.redis.sigstop().unwrap();
    let ran = rowcast(&env, &["audit"]).await.ended(1).complains("Redis does not answer");
    env.redis.sigcont().unwrap();
    assert!(ran.took < Duration::from_secs(15), "{ran:?}");
}

#[tokio::test]
async fn bad_configuration_is_told_before_anything_is_connected() {
    for arguments in COMMANDS {
        let mut command = bare();
        command.args(arguments).env("REDIS_URL", "http://127.0.0.1:1");
        run(command).await.ended(64).complains("REDIS_URL").complains("expected redis://");
    }
}

#[tokio::test]
async fn an_empty_flag_is_a_mistake_and_not_the_default() {
    for arguments in COMMANDS {
        let mut command = bare();
        command.args(arguments).args(["--queue", ""]).env("REDIS_URL", "redis://127.0.0.1:1");
        run(command).await.ended(64).complains("--queue");
    }
}

#[tokio::test]
async fn a_wrong_password_is_told_as_such() {
    let env = Env::new().await;
    let mut connection = env.redis_connection().await;
    redis::cmd("CONFIG")
        .arg(&["SET", "requirepass", "right"])
        .query_async::<()>(&mut connection)
        .await
        .unwrap();
    let mut command = on(&env);
    command.arg("status").env("REDIS_URL", env.redis_url.replace("redis://", "redis://:hunter2@"));
    let ran = run(command).await.ended(1).complains("refuses the user or the password").complains("@ is %40");
    assert!(!ran.err.contains("hunter2"), "{ran:?}");
    rowcast(&env, &["status"]).await.ended(1).complains("wants a password").complains("redis://:password@");
}

#[tokio::test]
async fn a_paused_queue_gives_nothing_until_it_is_resumed() {
    let env = Env::new().await;
    let queue = Queue::new(&env.queue, "t", "W", link(&env));
    env.push(&["a"]).await;
    rowcast(&env, &["pause"]).await.ended(0).says("paused");
    assert!(matches!(queue.claim(1, LIMITS, When::Next).await.unwrap(), Claimed::Paused));
    rowcast(&env, &["resume"]).await.ended(0).says("goes on");
    assert!(matches!(queue.claim(1, LIMITS, When::Next).await.unwrap(), Claimed::Jobs(_)));
    rowcast(&env, &["resume"]).await.ended(0).says("was not paused");
}

#[tokio::test]
async fn a_queue_that_redis_knows_nothing_of_is_told_and_what_was_asked_is_done() {
    let env = Env::new().await;
    let told = format!("Redis knows nothing of queue {:?}", env.queue);
    for arguments in [&["audit", "--json"][..], &["dead", "list"], &["resume"], &["pause"]] {
        rowcast(&env, arguments).await.ended(0).complains(&told);
    }
    // The pause holds, for when there will be jobs; from then on Redis knows of the queue.
    let ran = rowcast(&env, &["resume"]).await.ended(0).says("goes on");
    assert_eq!(ran.err, "");
    let queue = Queue::new(&env.queue, "t", "W", link(&env));
    assert!(matches!(queue.claim(1, LIMITS, When::Next).await.unwrap(), Claimed::Empty));
    let ran = rowcast(&env, &["pause"]).await.ended(0).says("paused");
    assert_eq!(ran.err, "", "a worker waits for jobs");
}

#[tokio::test]
async fn of_a_routes_file_all_queues_are_meant_or_the_one_that_is_named() {
    let env = Env::new().await;
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.toml", env.database));
    std::fs::write(&path, "[[route]]\nqueue='a'\ntable='t'\n[[route]]\nqueue='b'\ntable='t'\n").unwrap();
    let with_file = |arguments: &[&str]| {
        let mut command = bare();
        command.args(arguments).env("REDIS_URL", &env.redis_url).env("ROWCAST_ROUTES", &path);
        run(command)
    };
    with_file(&["pause"]).await.ended(0).says("a: paused").says("b: paused");
    let resumed = with_file(&["resume", "--queue", "b"]).await.ended(0);
    assert_eq!(resumed.out, "b: goes on\n");
    with_file(&["resume", "--queue", "c"]).await.ended(64).complains("there are routes for a, b");
    std::fs::remove_file(path).unwrap();
}

#[tokio::test]
async fn an_audit_adds_up_and_one_that_does_not_fails() {
    let env = Env::new().await;
    let queue = Queue::new(&env.queue, "t", "W", link(&env));
    env.push(&["a", "b", "c"]).await;
    let Claimed::Jobs(claim) = queue.claim(1, LIMITS, When::Next).await.unwrap() else { panic!("no claim") };
    let audit = rowcast(&env, &["audit", "--json"]).await.ended(0).json();
    assert_eq!((&audit[0]["claimed"], &audit[0]["in_flight"]), (&3.into(), &3.into()), "{audit}");
    queue.hand_back(claim, Blame::Nobody).await.unwrap();
    rowcast(&env, &["audit"]).await.ended(0).says("+ handed back  3").says("It adds up.");

    let mut connection = env.redis_connection().await;
    let totals = Admin::new(&env.queue, link(&env));
    assert_eq!(totals.audit().await.unwrap().difference(), 0);
    let key = format!("{{{}}}:rowcast:totals", env.queue);
    redis::cmd("HINCRBY").arg(key).arg("claimed").arg(2).query_async::<()>(&mut connection).await.unwrap();
    rowcast(&env, &["audit"]).await.ended(1).says("does not add up: 2 jobs");
    let audit = rowcast(&env, &["audit", "--json"]).await.ended(1).json();
    assert_eq!(audit[0]["difference"], 2);
}

#[tokio::test]
async fn claims_that_the_index_has_lost_are_named_and_the_advice_has_them_rescued() {
    let env = Env::new().await;
    env.migrate().await;
    let worker = "01JD0000000000000000000000";
    let queue = Queue::new(&env.queue, "t", worker, link(&env));
    env.push(&[r#"{"time":1,"stamp":"a"}"#, r#"{"time":2,"stamp":"b"}"#]).await;
    let Claimed::Jobs(claim) = queue.claim(1, LIMITS, When::Next).await.unwrap() else { panic!("no claim") };
    claim.leave_open();
    let mut connection = env.redis_connection().await;
    let key = |name: &str| format!("{{{}}}:rowcast:{name}", env.queue);
    redis::cmd("DEL").arg(key("claims")).query_async::<()>(&mut connection).await.unwrap();
    // Another queue's list is not ours to name.
    let other = "{other}:rowcast:claim:01W:1";
    redis::cmd("RPUSH").arg(other).arg("x").query_async::<()>(&mut connection).await.unwrap();

    let list = key(&format!("claim:{worker}:1"));
    let json = rowcast(&env, &["audit", "--json"]).await.ended(1).json();
    let unknown = serde_json::json!(
        [{ "key": list, "claim": format!("{worker}:1"), "jobs": 2, "worker_alive": false }]
    );
    assert_eq!((&json[0]["difference"], &json[0]["unknown_claims"]), (&2.into(), &unknown));
    let ran = rowcast(&env, &["audit"]).await.ended(1).says("does not add up: 2 jobs");
    let ran = ran.says(&format!("2 jobs in {list}, which is not in the index (its worker is gone)"));
    let advice = ran.out.lines().find_map(|line| line.trim().strip_prefix("redis-cli ")).unwrap();
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &format!("redis-cli -p {} {advice}", env.redis.port())]);
    run(command).await.ended(0);

    let audit = rowcast(&env, &["audit", "--json"]).await.ended(0).json();
    assert_eq!((&audit[0]["in_flight"], &audit[0]["unknown_claims"]), (&2.into(), &serde_json::json!([])));
    let worker = Running::worker(&env, &[]);
    env.done(2).await;
    assert_eq!(env.count("pre_qqaccount").await, 2);
    worker.stop().await;
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_ends_the_command_quietly() {
    let env = Env::new().await;
    let line = format!("{} status --watch 1 | head -1", env!("CARGO_BIN_EXE_rowcast"));
    let mut command = std::process::Command::new("bash");
    command.args(["-c", &format!("set -o pipefail; {line}")]).env("REDIS_URL", &env.redis_url);
    command.current_dir(env!("CARGO_TARGET_TMPDIR"));
    let ran = run(command).await.ended(0);
    assert_eq!(ran.err, "");
}
