//! Keys: which go to which column, and what becomes of the others.

use crate::support::{Env, Running};

const TABLE: &str = "CREATE TABLE n (id INT AUTO_INCREMENT PRIMARY KEY, a INT, b VARCHAR(20), extra JSON)";

#[tokio::test]
async fn without_a_mapping_keys_go_to_the_columns_of_their_name() {
    let env = Env::with_table(TABLE).await;
    let worker = Running::worker(&env, &[("ROWCAST_TABLE", "n")]);
    assert_eq!(env.run(&[r#"{"b":"x","a":1,"other":{"deep":[1]}}"#, r#"{"a":2}"#]).await, []);
    assert_eq!(env.lines("SELECT a, b FROM n ORDER BY id").await, ["1|x", "2|NULL"]);
    worker.stop().await;
}

#[tokio::test]
async fn the_default_route_is_that_of_the_original_system() {
    let env = Env::new().await;
    env.migrate().await;
    let worker = Running::worker(&env, &[("ROWCAST_QUEUE", "message")]);
    let mut connection = env.redis_connection().await;
    let job = r#"{"time":1,"stamp":"a"}"#;
    redis::cmd("LPUSH").arg("message").arg(job).query_async::<u64>(&mut connection).await.unwrap();
    crate::support::eventually(crate::support::PATIENCE, "one row", async || {
        let rows = env.lines("SELECT accountid, openid FROM pre_qqaccount").await;
        if rows == ["1|a"] { Ok(()) } else { Err(rows) }
    })
    .await;
    worker.stop().await;
}

#[tokio::test]
async fn a_pointer_reaches_into_the_job() {
    let env = Env::with_table(TABLE).await;
    let worker =
        Running::route(&env, "table='n'\ncolumns = { a = '/meta/ids/1', b = '/a~1b/~0', extra = '/meta' }");
    let letters = env
        .run(&[
            r#"{"meta":{"ids":[1,2]},"a/b":{"~":"x"}}"#,
            r#"{"meta":{"ids":[1]}}"#,
            r#"{"meta":7}"#,
            r#"{"meta":{"ids":[0,"no"]}}"#,
        ])
        .await;
    assert_eq!(
        env.lines("SELECT a, b, extra FROM n ORDER BY id")
            .await
            .iter()
            .map(|l| l.replace(' ', ""))
            .collect::<Vec<_>>(),
        [r#"2|x|{"ids":[1,2]}"#, r#"NULL|NULL|{"ids":[1]}"#, "NULL|NULL|7"]
    );
    assert_eq!((letters.len(), letters[0].column.as_deref()), (1, Some("a")));
    worker.stop().await;
}

#[tokio::test]
async fn unknown_keys_are_ignored_rejected_or_collected() {
    let env = Env::with_table(TABLE).await;
    let worker = Running::routes(
        &env,
        "[[route]]\nqueue='{q}'\ntable='n'\ncolumns={a='a'}\n\
         [[route]]\nqueue='{q}-reject'\ntable='n'\ncolumns={a='a'}\nunknown='reject'\n\
         [[route]]\nqueue='{q}-column'\ntable='n'\nunknown={column='extra'}\n",
        &[],
    );
    let job = r#"{"x":{"y":[1.50]},"a":1,"\u0064":"é"}"#;
    for suffix in ["", "-reject", "-column"] {
        env.push_raw(suffix, &[job, r#"{"a":2}"#]).await;
        env.done_in(suffix, 2).await;
    }
    let letters = env.letters("-reject").await;
    assert_eq!(
        (letters.len(), letters[0].code.as_str(), letters[0].raw_bytes()),
        (1, "unknown_key", job.into())
    );
    assert!(env.letters("").await.is_empty() && env.letters("-column").await.is_empty());
    let collected = env.lines("SELECT extra FROM n WHERE extra IS NOT NULL").await;
    let collected: serde_json::Value = serde_json::from_str(&collected.concat()).unwrap();
    assert_eq!(collected, serde_json::json!({"x": {"y": [1.5]}, "d": "é"}));
    assert_eq!(env.count("n").await, 5);
    worker.stop().await;
}

#[tokio::test]
async fn an_array_goes_in_whole_or_not_at_all() {
    let env = Env::with_table(TABLE).await;
    let worker = Running::worker(&env, &[("ROWCAST_TABLE", "n"), ("ROWCAST_COLUMNS", "a=a,b=b")]);
    let heard = env.subscribe("socket.io#*").await;
    let too_long = "x".repeat(21);
    let bad_value = format!(r#"[{{"a":10}},{{"a":11,"b":"{too_long}"}},{{"a":12}}]"#);
    let letters = env
        .run(&[
            r#"[{"a":1,"b":"x"},{"a":2},{"b":"z"}]"#,
            &bad_value,
            r#"{"a":3}"#,
            r#"[{"a":20},7]"#,
            r#"[{"a":21},{"a":"no"}]"#,
            "[]",
            r#"[{"a":4}]"#,
        ])
        .await;
    assert_eq!(
        env.lines("SELECT a, b FROM n ORDER BY a, b").await,
        ["NULL|z", "1|x", "2|NULL", "3|NULL", "4|NULL"]
    );
    let codes: Vec<_> = letters.iter().map(|letter| letter.code.as_str()).collect();
    assert_eq!(codes, ["1406", "not_an_object", "wrong_type", "not_an_object"]);
    let audit = env.done(7).await;
    assert_eq!((audit.inserted, audit.rows, audit.dead), (3, 5, 4));
    heard.rows(5).await;
    worker.stop().await;
}

#[tokio::test]
async fn many_routes_of_one_worker_go_to_their_own_tables_and_databases() {
    let (env, other) = (Env::with_table(TABLE).await, Env::new().await);
    let elsewhere = format!("{}.`odd ``name`", other.database);
    env.execute(&format!("CREATE TABLE {elsewhere} (`ke y` INT, `sel``ect` INT)")).await;
    let routes = format!(
        "[[route]]\nqueue='{{q}}'\ntable='n'\ncolumns={{a='x'}}\n\
         [[route]]\nqueue='{{q}}-original'\ntable='pre_qqaccount'\ncolumns={{accountid='time',openid='stamp'}}\n\
         [[route]]\nqueue='{{q}}-other'\ntable='{}.odd `name'\ncolumns={{'ke y'='x','sel`ect'='y'}}\n",
        other.database
    );
    let worker = Running::routes(&env, &routes, &[]);
    env.push_raw("", &[r#"{"x":1}"#]).await;
    env.push_raw("-original", &[r#"{"time":2,"stamp":"b"}"#]).await;
    env.push_raw("-other", &[r#"{"x":3,"y":4}"#]).await;
    for suffix in ["", "-original", "-other"] {
        env.done_in(suffix, 1).await;
    }
    assert_eq!(env.lines("SELECT a FROM n").await, ["1"]);
    assert_eq!(env.lines("SELECT accountid, openid FROM pre_qqaccount").await, ["2|b"]);
    assert_eq!(env.lines(&format!("SELECT * FROM {elsewhere}")).await, ["3|4"]);
    worker.stop().await;
}
