//! Orders to a running supervisor, as a person gives them in a terminal: the real binary on both sides of a real Redis.

mod held_up;
mod history;
mod hosts;
mod http;
mod scaling;

use std::fs;

use serde_json::Value;

use crate::{
    commands::run::{Ran, rowcast},
    support::{
        Env, PATIENCE, Running, eventually,
        running::{pid, says},
    },
};

/// A supervisor with so many workers and no gateway, once all of them can be given orders.
async fn start(env: &Env, workers: u32, variables: &[(&str, &str)]) -> Running {
    let count = workers.to_string();
    let own = [("ROWCAST_QUEUE", env.queue.as_str()), ("ROWCAST_WORKERS", &count), ("ROWCAST_BATCH", "20")];
    let up = Running::on(env, "up", "", &[&own, variables].concat());
    reachable(env, &up, workers as usize).await;
    up
}

/// Waits until so many processes of this supervisor are listed in Redis, and returns its id.
async fn reachable(env: &Env, up: &Running, processes: usize) -> String {
    let id = up.line(|line| says(line, "the supervisor starts")).await["supervisor"].clone();
    eventually(PATIENCE, "its processes are listed", async || {
        let status = rowcast(env, &["status", "--json"]).await.ended(0).json();
        let all = ["workers", "gateways"].map(|role| status[role].as_array().unwrap().clone()).concat();
        let listed = all.iter().filter(|one| one["supervisor"] == id).count();
        if listed == processes { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
    // The log is read a little later than it is written.
    up.says("online", processes).await;
    id.as_str().unwrap().to_owned()
}

async fn order(env: &Env, arguments: &str) -> Ran {
    rowcast(env, &arguments.split(' ').collect::<Vec<_>>()).await
}

/// Waits until the processes of a role in the slots are these: slot, and whether it is another than before.
async fn replaced(up: &Running, role: &str, before: &[(u64, i32)], expected: &[(u64, bool)]) {
    eventually(PATIENCE, "the right processes run", async || {
        let now = up.slots_of(role, "online");
        let seen: Vec<(u64, bool)> = now.iter().map(|one| (one.0, !before.contains(one))).collect();
        if seen == expected { Ok(()) } else { Err((now, up.log())) }
    })
    .await;
}

#[tokio::test]
async fn restart_of_a_slot_replaces_the_process_in_it_and_no_other() {
    let env = Env::new().await;
    env.migrate().await;
    let up = start(&env, 3, &[]).await;
    let before = up.slots("online");
    let said = order(&env, "restart 2").await.ended(0);
    let old = before[1].1;
    let words =
        format!("worker 2 is replaced: a new process starts, and then process {old} finishes what it holds");
    said.says(&words);
    replaced(&up, "worker", &before, &[(1, false), (2, true), (3, false)]).await;
    let exits = up.said("exit");
    assert_eq!(exits.len(), 1, "{exits:?}");
    assert_eq!(
        (pid(&exits[0]), &exits[0]["code"], &exits[0]["reason"]),
        (old, &0.into(), &"rolling restart".into())
    );
    // The supervisor's log says who ordered what.
    let ordered = up.said("ordered: restart worker 2").remove(0);
    assert!(ordered["by"].as_str().unwrap().contains('@'), "{ordered}");
    up.stop().await;
}

#[tokio::test]
async fn restart_of_all_takes_one_after_the_other_and_has_each_successor_at_work_first() {
    let env = Env::new().await;
    env.migrate().await;
    let gateway = [("ROWCAST_GATEWAYS", "1"), ("ROWCAST_LISTEN", "127.0.0.1:0")];
    let up = start_all(&env, 2, &gateway).await;
    let (workers, gateways) = (up.slots("online"), up.slots_of("gateway", "online"));
    order(&env, "restart").await.ended(0).says("2 workers and 1 gateway will be replaced, one by one");
    replaced(&up, "worker", &workers, &[(1, true), (2, true)]).await;
    replaced(&up, "gateway", &gateways, &[(1, true)]).await;
    up.lines(3, |line| says(line, "exit")).await;
    let steps = up.lines(14, |line| line["worker"].is_string() && line["pid"].is_number()).await;
    let steps: Vec<&str> = steps.iter().map(|line| line["message"].as_str().unwrap()).collect();
    let one = ["fork", "online", "drain", "disconnect", "exit"];
    assert_eq!(
        steps[steps.len() - 10..],
        [one, one].concat(),
        "no worker before the one before it is replaced"
    );
    up.stop().await;
}

/// As [`start`], with a gateway too.
async fn start_all(env: &Env, workers: u32, variables: &[(&str, &str)]) -> Running {
    let count = workers.to_string();
    let own = [("ROWCAST_QUEUE", env.queue.as_str()), ("ROWCAST_WORKERS", &count)];
    let up = Running::on(env, "up", "", &[&own, variables].concat());
    reachable(env, &up, workers as usize + 1).await;
    up
}

#[tokio::test]
async fn a_gateway_is_restarted_by_its_own_slot() {
    let env = Env::new().await;
    env.migrate().await;
    let gateway = [("ROWCAST_GATEWAYS", "1"), ("ROWCAST_LISTEN", "127.0.0.1:0")];
    let up = start_all(&env, 1, &gateway).await;
    let (workers, gateways) = (up.slots("online"), up.slots_of("gateway", "online"));
    order(&env, "restart 1 --gateway").await.ended(0).says("gateway 1 is replaced");
    replaced(&up, "gateway", &gateways, &[(1, true)]).await;
    assert_eq!(up.slots("online"), workers);
    up.stop().await;
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_in_words_and_changes_nothing() {
    let env = Env::new().await;
    env.migrate().await;
    let up = start(&env, 2, &[]).await;
    let before = up.slots("fork");
    for (arguments, why) in [
        ("restart 9", "refuses: there is no worker 9; there are workers 1 to 2"),
        ("restart 0", "refuses: there is no worker 0"),
        ("restart 1 --gateway", "refuses: there is no gateway 1; this supervisor runs no gateway"),
        ("scale 0", "there can be from 1 to 512 workers, not 0; `rowcast pause` stops taking jobs"),
        ("scale 513", "there can be from 1 to 512 workers, not 513"),
        ("scale -2", "not 0"),
        ("scale +2147483647", "workers, not 2147483649"),
    ] {
        order(&env, arguments).await.ended(1).complains(why);
    }
    let json = order(&env, "restart 9 --json").await.ended(1).json();
    assert_eq!((&json["ok"], json["message"].as_str().is_some()), (&false.into(), true), "{json}");
    assert_eq!(up.slots("fork"), before);
    for arguments in ["scale many", "restart x", "restart --gateway", "scale", "scale 2 --wait 0"] {
        order(&env, arguments).await.ended(64);
    }
    up.stop().await;
}

#[tokio::test]
async fn reload_takes_a_changed_routes_file_and_says_when_it_is_refused() {
    let env = Env::new().await;
    env.migrate().await;
    let route = |rooms: &str| {
        let columns = "columns = { accountid = 'time', openid = 'stamp' }";
        format!(
            "[[route]]\nqueue = '{}'\ntable = 'pre_qqaccount'\n{columns}\nrooms = ['{rooms}']\n",
            env.queue
        )
    };
    let up = Running::on(&env, "up", &route("before"), &[("ROWCAST_WORKERS", "1")]);
    reachable(&env, &up, 1).await;
    let before = up.slots("online");
    let heard = env.subscribe("socket.io#/#*").await;

    fs::write(up.folder().join("routes.toml"), "[[route]]\nqueue = 1\n").unwrap();
    order(&env, "reload")
        .await
        .ended(1)
        .complains("refuses: the new configuration is refused: ROWCAST_ROUTES=");
    assert_eq!(up.slots("online"), before);

    fs::write(up.folder().join("routes.toml"), route("after")).unwrap();
    order(&env, "scale 2").await.ended(0).says("from 1 to 2 workers");
    let json = order(&env, "reload --json").await.ended(0).json();
    assert_eq!(json["ok"], true, "{json}");
    let told = "the configuration is read: from 2 to 1 worker; 1 worker will be replaced, one by one";
    assert_eq!(json["message"], told);
    replaced(&up, "worker", &before, &[(1, true)]).await;
    env.push(&[r#"{"time":1,"stamp":"a"}"#]).await;
    let channel = heard.exactly(1, PATIENCE).await.remove(0).channel;
    assert!(channel.contains("#after#"), "{channel}");
    up.stop().await;
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}
