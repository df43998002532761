//! `rowcast check`: every problem has its line and its remedy, all at once, and nothing is changed.

use std::time::Duration;

use serde_json::Value;

use super::run::{Ran, bare, on, rowcast, run};
use crate::support::Env;

async fn migrated() -> Env {
    let env = Env::new().await;
    rowcast(&env, &["migrate"]).await.ended(0);
    env
}

async fn redis_says(env: &Env, words: &[&str]) {
    let mut connection = env.redis_connection().await;
    redis::cmd(words[0]).arg(&words[1..]).query_async::<()>(&mut connection).await.unwrap();
}

/// The findings with this level.
fn findings(ran: &Ran, level: &str) -> Vec<Value> {
    let report = ran.json();
    let all = report["findings"].as_array().unwrap();
    all.iter().filter(|finding| finding["level"] == level).cloned().collect()
}

/// Runs a statement of the report, as a person would.
async fn fix(env: &Env, ran: &Ran) {
    for finding in findings(ran, "problem") {
        if let Some(statement) = finding["fix"].as_str() {
            env.execute(statement).await;
        }
    }
}

#[tokio::test]
async fn a_good_set_up_is_fine_and_the_oldest_job_is_shown_as_it_would_go_in() {
    let env = migrated().await;
    env.push(&[r#"{"time":7,"stamp":"first"}"#, r#"{"time":8,"stamp":"second"}"#]).await;
    let ran = rowcast(&env, &["check"]).await.ended(0).says("appendfsync always").says("No problems.");
    let ran = ran
        .says("accountid = 7")
        .says("openid = 'first'")
        .says("rooms: pre_qqaccount")
        .says("would be inserted; nothing was");
    assert!(!ran.out.contains("PROBLEM") && !ran.out.contains("second"), "{ran:?}");
    assert_eq!(env.count("pre_qqaccount").await, 0);
    assert_eq!(env.count("rowcast_checkpoints").await, 0);
    rowcast(&env, &["audit"]).await.ended(0).says("claimed      0");
    rowcast(&env, &["status"]).await.ended(0).says("No worker runs");
}

#[tokio::test]
async fn who_does_not_hear_rows_that_go_past_redis_is_told() {
    let env = migrated().await;
    let check = async || {
        let mut command = on(&env);
        command.arg("check").env("ROWCAST_FANOUT", "local").env("ROWCAST_GATEWAYS", "1");
        run(command).await.ended(0)
    };
    check().await.says("ok       redis: rows go past it (ROWCAST_FANOUT=local), to the gateways of the same");
    // What a gateway on another host says of itself.
    redis_says(&env, &["SADD", "rowcast:gateways", "01J00000000000000000000000"]).await;
    redis_says(&env, &["HSET", "rowcast:gateway:01J00000000000000000000000", "host", "elsewhere"]).await;
    check().await.says("warning  redis: rows go past it").says("the gateways on elsewhere hear none of them");
    // And what the workers of two supervisors say.
    for supervisor in ["01J00000000000000000000001", "01J00000000000000000000002"] {
        let queues = format!("[{:?}]", env.queue);
        redis_says(&env, &["SADD", "rowcast:workers", supervisor]).await;
        let key = format!("rowcast:worker:{supervisor}");
        redis_says(&env, &["HSET", &key, "supervisor", supervisor, "queues", &queues]).await;
        let ran = check().await;
        assert_eq!(
            ran.out.contains("this queue has workers of several"),
            supervisor.ends_with('2'),
            "{ran:?}"
        );
    }
}

#[tokio::test]
async fn a_route_that_names_no_column_of_its_table_is_told_that_and_nothing_else() {
    let env = migrated().await;
    env.execute("CREATE TABLE e (id INT AUTO_INCREMENT PRIMARY KEY, n INT)").await;
    let mut command = on(&env);
    command.arg("check").env("ROWCAST_TABLE", "e").env("ROWCAST_COLUMNS", "nn=n");
    let ran = run(command).await.ended(1).says("has no column \"nn\"").says("1 problem.");
    assert!(!ran.out.contains("SQL syntax"), "{ran:?}");
}

#[tokio::test]
async fn both_servers_away_are_both_told_soon_and_without_passwords() {
    let mut command = bare();
    command.arg("check").env("REDIS_URL", "redis://:hunter2@127.0.0.1:1");
    command.env("DATABASE_URL", "mysql://root:hunter2@127.0.0.1:1/app");
    let ran =
        run(command).await.ended(1).says("PROBLEM  redis: Redis cannot be reached").says("PROBLEM  mysql: ");
    assert!(!ran.out.contains("hunter2") && ran.out.contains("2 problems."), "{ran:?}");
    assert!(ran.took < Duration::from_secs(12), "{ran:?}");
    let mut command = bare();
    command.arg("check");
    run(command).await.ended(64).complains("DATABASE_URL");
}

/// Nothing is connected: the servers are not there.
#[tokio::test]
async fn what_up_would_refuse_is_refused_with_the_same_words() {
    let routes = format!("{}/check-{}.toml", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    std::fs::write(&routes, "[[route]]\nqueue='a'\ntable='t'\n").unwrap();
    let cases = [
        [("ROWCAST_GATEWAYS", "many"), ("", "")],
        [("ROWCAST_LISTEN", "8080"), ("", "")],
        [("ROWCAST_LISTEN", "0.0.0.0:8080"), ("", "")],
        [("ROWCAST_WORKERS", "three"), ("", "")],
        [("ROWCAST_JWT_SECRET", "short"), ("", "")],
        [("ROWCAST_ORIGINS", "app.example"), ("", "")],
        [("ROWCAST_ALERT_URL", "hooks.example/hidden"), ("", "")],
        [("ROWCAST_ALERT_SECRET", "short"), ("", "")],
        [("ROWCAST_ROUTES", &routes), ("ROWCAST_QUEUE", "a")],
    ];
    for [(name, value), beside] in cases {
        let ran = async |subcommand: &str| {
            let mut command = bare();
            command.arg(subcommand).env("REDIS_URL", "redis://127.0.0.1:1");
            command.env("DATABASE_URL", "mysql://root@127.0.0.1:1/app").env(name, value);
            command.envs([beside].into_iter().filter(|(name, _)| !name.is_empty()));
            run(command).await.ended(64).complains(name)
        };
        assert_eq!(ran("check").await.err, ran("up").await.err);
    }
    std::fs::remove_file(routes).unwrap();
}

#[tokio::test]
async fn a_database_without_migrations_says_what_creates_them() {
    let env = Env::new().await;
    let ran = rowcast(&env, &["check"]).await.ended(1);
    let ran = ran.says("migrations are missing: 20261120000001 checkpoints").says("run `rowcast migrate`");
    // What it proposes for the default table is what the migration makes.
    let proposed = ran.out.split_once("CREATE TABLE").map(|(_, rest)| format!("CREATE TABLE{rest}")).unwrap();
    env.execute(proposed.split_once(';').unwrap().0).await;
    let made = migrated().await;
    let table = async |env: &Env| env.select("SHOW CREATE TABLE pre_qqaccount").await;
    assert_eq!(table(&env).await, table(&made).await);
    env.execute(&format!("DROP DATABASE `{}`", env.database)).await;
    rowcast(&env, &["check"]).await.ended(1).says("`rowcast migrate` creates it");
}

#[tokio::test]
async fn the_default_routes_table_is_missed_by_the_default_route_alone() {
    let env = migrated().await;
    env.execute("DROP TABLE pre_qqaccount").await;
    env.execute("DELETE FROM _sqlx_migrations WHERE description = 'pre qqaccount'").await;
    env.execute("CREATE TABLE orders (a INT)").await;
    let ran = rowcast(&env, &["check", "--table", "orders"]).await.ended(0).says("No problems.");
    assert!(!ran.out.contains("qqaccount"), "{ran:?}");
    rowcast(&env, &["check"]).await.ended(1).says("migrations are missing: 20261120000002 pre qqaccount");
}

#[tokio::test]
async fn what_redis_may_lose_or_forbid_is_told() {
    let env = migrated().await;
    redis_says(&env, &["CONFIG", "SET", "appendonly", "no"]).await;
    redis_says(&env, &["CONFIG", "SET", "maxmemory", "100mb"]).await;
    redis_says(&env, &["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    let ran = rowcast(&env, &["check"]).await.ended(1).says("appendonly is off");
    ran.says("PROBLEM  redis: maxmemory-policy allkeys-lru drops whole queues");

    let rights = [
        "ACL",
        "SETUSER",
        "weak",
        "on",
        ">hunter2",
        "~*",
        "&*",
        "+@all",
        "-publish",
        "-blmove",
        "-client|unblock",
        "-sort",
    ];
    redis_says(&env, &rights).await;
    let mut command = on(&env);
    command
        .args(["check", "--json"])
        .env("REDIS_URL", env.redis_url.replace("redis://", "redis://weak:hunter2@"));
    let ran = run(command).await.ended(1);
    let told: Vec<String> =
        findings(&ran, "problem").iter().map(|f| f["text"].as_str().unwrap().to_owned()).collect();
    for right in ["BLMOVE", "PUBLISH", "CLIENT UNBLOCK", "SORT"] {
        assert!(told.iter().any(|text| text.contains(&format!("({right}): "))), "no {right} in {told:?}");
    }
    assert!(!ran.out.contains("hunter2"), "{ran:?}");
}

#[tokio::test]
async fn a_key_of_somebody_else_is_named() {
    let env = migrated().await;
    redis_says(&env, &["SET", &env.queue, "mine"]).await;
    rowcast(&env, &["check"]).await.ended(1).says("is a string and must be a list");
}

#[tokio::test]
async fn a_missing_table_is_guessed_from_a_sample_and_its_statement_works() {
    let env = migrated().await;
    let sample = r#"{"ref":"a-1","n":3,"at":"2026-01-31T23:59:59Z","meta":{"x":[1]},"price":1.5}"#;
    let check = async || {
        let mut command = on(&env);
        command.args(["check", "--json", "--sample", sample]);
        command.env("ROWCAST_TABLE", "orders").env("ROWCAST_DEDUPE", "ref");
        command.env("ROWCAST_ROOMS", "{table},n:{n},at:{ref}");
        run(command).await
    };
    let ran = check().await.ended(1);
    assert_eq!(findings(&ran, "problem").len(), 1, "{ran:?}");
    fix(&env, &ran).await;
    let ran = check().await.ended(0);
    let report = ran.json();
    assert_eq!(report["samples"][0]["outcome"], "inserted", "{ran:?}");
    assert_eq!(report["samples"][0]["rooms"][0][0], "orders");
    assert!(!ran.out.contains("catch up"), "its rooms can be read back: {ran:?}");
}

#[tokio::test]
async fn all_that_is_wrong_with_a_table_is_told_at_once_and_its_statements_work() {
    let env = migrated().await;
    env.execute(
        "CREATE TABLE odd (id INT AUTO_INCREMENT PRIMARY KEY, ref VARCHAR(50), day DECIMAL(9,2), \
         must INT NOT NULL) ENGINE = MyISAM",
    )
    .await;
    let check = async || {
        let mut command = on(&env);
        command.args(["check", "--json", "--sample", r#"{"ref":"a","n":3}"#]);
        command
            .env("ROWCAST_TABLE", "odd")
            .env("ROWCAST_DEDUPE", "ref")
            .env("ROWCAST_COLUMNS", "ref=ref,n=n,m=m,day=day as hex");
        run(command).await
    };
    let ran = check().await.ended(1);
    let problems = findings(&ran, "problem");
    assert_eq!(problems.len(), 6, "engine, two columns, unique key, conversion, a column not fed: {ran:?}");
    assert!(ran.out.contains("decimal(9,2), and its conversion hex makes bytes"), "{ran:?}");
    fix(&env, &ran).await;
    env.execute("ALTER TABLE odd MODIFY day VARBINARY(9), MODIFY must INT NOT NULL DEFAULT 0").await;
    check().await.ended(0);
}

#[tokio::test]
async fn a_job_that_would_die_is_a_problem_with_the_reason() {
    let env = migrated().await;
    let long = format!("{{\"time\":1,\"stamp\":\"{}\"}}", "x".repeat(500));
    let samples = [(long.as_str(), "(1406)"), ("nope", "(not_json)"), (r#"{"time":1}"#, "openid")];
    for (sample, reason) in samples {
        rowcast(&env, &["check", "--sample", sample])
            .await
            .ended(1)
            .says("would become a dead letter")
            .says(reason);
    }
    assert_eq!(env.count("pre_qqaccount").await, 0);
}

#[tokio::test]
async fn a_user_without_rights_is_told_which() {
    let env = Env::own_servers().await;
    rowcast(&env, &["migrate"]).await.ended(0);
    for host in ["127.0.0.1", "localhost"] {
        env.execute(&format!("CREATE USER weak@{host} IDENTIFIED BY 'hunter2'")).await;
        env.execute(&format!("GRANT SELECT ON `{}`.* TO weak@{host}", env.database)).await;
    }
    let mut command = on(&env);
    command.arg("check");
    command.env("DATABASE_URL", format!("mysql://weak:hunter2@127.0.0.1:{}/{}", env.sql_port, env.database));
    let ran =
        run(command).await.ended(1).says("cannot use rowcast_checkpoints").says("cannot insert into table");
    assert!(!ran.out.contains("hunter2"), "{ran:?}");
}

#[tokio::test]
async fn rooms_that_browsers_could_not_catch_up_on_are_warned_of_with_what_would_help() {
    let env = migrated().await;
    env.execute("CREATE TABLE n (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20), price DECIMAL(9,2))")
        .await;
    let check = async |variables: &[(&str, &str)]| {
        let mut command = on(&env);
        command
            .args(["check", "--json", "--table", "n"])
            .env("ROWCAST_ROOMS", "{table},name:{name},p:{price}");
        command.envs(variables.iter().copied());
        run(command).await.ended(0)
    };
    let told = |ran: &Ran| -> Vec<String> {
        let warnings = findings(ran, "warning");
        let texts = warnings.iter().map(|finding| finding["text"].as_str().unwrap().to_owned());
        texts.filter(|text| text.contains("catch up")).collect()
    };
    let warnings = told(&check(&[]).await);
    let [index, kind] = warnings.as_slice() else { panic!("{warnings:#?}") };
    assert!(
        index.contains("rooms \"name:{name}\": no index of table n begins with name; ALTER TABLE"),
        "{index}"
    );
    assert!(kind.contains("rooms \"p:{price}\": column price is a decimal(9,2)"), "{kind}");
    env.execute(index.split_once("; ").unwrap().1).await;
    assert_eq!(told(&check(&[]).await), std::slice::from_ref(kind));
    // Where nobody is to catch up, nobody is told.
    assert_eq!(told(&check(&[("ROWCAST_GATEWAYS", "0")]).await), Vec::<String>::new());
}

#[tokio::test]
async fn a_misspelt_column_is_told_with_the_one_that_was_meant() {
    let env = migrated().await;
    let ran = rowcast(&env, &["check", "--columns", "acountid=time,openid=stamp"]).await.ended(1);
    let ran = ran.says("has no column \"acountid\"; it has id, accountid, openid; did you mean accountid?");
    assert!(!ran.out.contains("ADD COLUMN"), "what was meant is there: {ran:?}");
}

#[tokio::test]
async fn a_misspelt_table_is_told_with_the_one_that_was_meant_and_another_with_what_creates_it() {
    let env = migrated().await;
    env.execute("CREATE TABLE orders (id INT AUTO_INCREMENT PRIMARY KEY, a INT)").await;
    let sample = ["--sample", r#"{"a":1}"#];
    let check = async |table: &str| {
        rowcast(&env, &[&["check", "--table", table], &sample[..]].concat()).await.ended(1)
    };
    let ran = check("ordres").await.says("table ordres does not exist").says("; did you mean orders?");
    assert!(!ran.out.contains("CREATE TABLE"), "what was meant is there: {ran:?}");
    let ran = check("customers").await.says("no right to it; create it\n").says("CREATE TABLE `customers`");
    assert!(!ran.out.contains("rowcast migrate"), "it creates no such table: {ran:?}");
    env.execute("DROP TABLE orders, pre_qqaccount").await;
    rowcast(&env, &["check"]).await.ended(1).says("; create it; `rowcast migrate` does, unless it has");
}
