//! Addresses of the wrong server, or in the wrong words: one sentence each that says what is wrong and what is right.

use super::run::{Ran, bare, on, run};
use crate::support::{Env, Running};

async fn with(env: &Env, command: &str, variable: &str, value: &str) -> Ran {
    let mut it = on(env);
    it.arg(command).env(variable, value);
    let ran = run(it).await;
    assert!(!format!("{}{}", ran.out, ran.err).contains("?."), "{ran:?}");
    ran
}

#[tokio::test]
async fn a_redis_url_that_leads_to_mysql_is_told_as_such() {
    let env = Env::new().await;
    let place = format!("127.0.0.1:{}", env.sql_port);
    let ran = with(&env, "status", "REDIS_URL", &format!("redis://{place}")).await.ended(1);
    let ran = ran.complains("is no Redis").complains("MySQL perhaps").complains(&place);
    assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
    let ran = with(&env, "status", "REDIS_URL", &format!("rediss://{place}")).await.ended(1);
    ran.complains("speaks no TLS").complains("is redis://");
    let worker = Running::worker(&env, &[("REDIS_URL", &format!("redis://{place}"))]);
    let line = worker.says("waiting for Redis", 1).await.remove(0);
    assert!(line["reason"].as_str().unwrap().contains("is no Redis"), "{line}");
}

#[tokio::test]
async fn a_number_of_a_redis_database_that_is_not_there_is_told_without_a_librarys_words() {
    let env = Env::new().await;
    let url = format!("redis://127.0.0.1:{}/99999", env.redis.port());
    let ran = with(&env, "status", "REDIS_URL", &url).await.ended(1);
    let ran = ran.complains("refuses the database that REDIS_URL names by the number at its end (");
    assert!(!ran.err.contains("ResponseError"), "{ran:?}");
}

#[tokio::test]
async fn a_redis_without_tls_is_told_as_such() {
    let env = Env::new().await;
    let url = env.redis_url.replace("redis://", "rediss://");
    for command in ["status", "audit"] {
        let ran = with(&env, command, "REDIS_URL", &url).await.ended(1);
        ran.complains("does not answer to TLS").complains("REDIS_URL begins with redis://");
    }
}

#[tokio::test]
async fn a_database_url_that_leads_to_redis_is_told_as_such() {
    let env = Env::new().await;
    let url = format!("mysql://root:hunter2@127.0.0.1:{}/app", env.redis.port());
    let told =
        format!("127.0.0.1:{} does not answer within 5 s: it hangs, or it is no MySQL", env.redis.port());
    let ran = with(&env, "migrate", "DATABASE_URL", &url).await.ended(1).complains(&told);
    assert!(!ran.err.contains("hunter2"), "{ran:?}");
    with(&env, "check", "DATABASE_URL", &url).await.ended(1).says(&told);
}

#[tokio::test]
async fn an_address_without_a_scheme_is_told_with_what_is_right() {
    let mut command = bare();
    command.arg("status").env("REDIS_URL", "localhost:6379");
    run(command).await.ended(64).complains("has no scheme; expected redis://localhost:6379, or rediss://");
}
