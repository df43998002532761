//! Workers that come and go by order while jobs come in.

use super::{order, start};
use crate::support::{Env, PATIENCE, eventually};

const JOBS: usize = 4_000;

#[tokio::test]
async fn scaling_up_and_down_under_load_loses_and_doubles_no_job() {
    let env = Env::new().await;
    env.migrate().await;
    let heard = env.subscribe("socket.io#/#*").await;
    let up = start(&env, 2, &[]).await;
    let pushing = async {
        for some in (0..JOBS).collect::<Vec<_>>().chunks(100) {
            let jobs: Vec<String> = some.iter().map(|n| format!(r#"{{"time":{n},"stamp":"{n}"}}"#)).collect();
            env.push_raw("", &jobs).await;
        }
    };
    let run = async |count: usize| {
        eventually(PATIENCE, "so many workers run", async || {
            let slots = up.slots("online");
            if slots.len() == count { Ok(()) } else { Err(slots) }
        })
        .await;
    };
    let scaling = async {
        heard.at_least(JOBS / 20, PATIENCE).await;
        order(&env, "scale 4").await.ended(0).says("from 2 to 4 workers");
        run(4).await;
        order(&env, "scale -3").await.ended(0).says("from 4 to 1 worker");
        run(1).await;
        order(&env, "scale +1").await.ended(0).says("from 1 to 2 workers");
        run(2).await;
        order(&env, "scale 2").await.ended(0).says("2 workers already");
    };
    tokio::join!(pushing, scaling);
    env.done(JOBS as u64).await;
    let counts = env.lines("SELECT COUNT(*), COUNT(DISTINCT accountid) FROM pre_qqaccount").await;
    assert_eq!(counts, [format!("{JOBS}|{JOBS}")]);
    heard.exactly(JOBS, PATIENCE).await;
    let exits = up.said("exit");
    let in_order = |line: &serde_json::Value| line["code"] == 0 && line["reason"] == "fewer workers wanted";
    assert!(exits.len() == 3 && exits.iter().all(in_order), "{exits:#?}");
    up.stop().await;
}

/// As with TTIN and TTOU.
#[tokio::test]
async fn a_restart_keeps_the_number_of_workers_and_a_reload_brings_back_the_configured_one() {
    let env = Env::new().await;
    env.migrate().await;
    let up = start(&env, 1, &[]).await;
    order(&env, "scale 2").await.ended(0);
    order(&env, "restart").await.ended(0).says("2 workers will be replaced");
    order(&env, "reload").await.ended(0).says("read: from 2 to 1 worker; 1 worker will be replaced");
    eventually(PATIENCE, "one worker is left", async || {
        let slots = up.slots("fork");
        if slots.len() == 1 { Ok(()) } else { Err(slots) }
    })
    .await;
    up.stop().await;
}
