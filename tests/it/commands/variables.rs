//! Variables that nobody reads: told by whoever might have read them, and no reason to stop.

use nix::sys::signal::Signal;

use super::run::{on, rowcast, run};
use crate::support::{Env, Running, running::empty_folder};

#[tokio::test]
async fn a_misspelt_variable_is_told_by_check_and_is_no_problem() {
    let env = Env::new().await;
    rowcast(&env, &["migrate"]).await.ended(0);
    let mut command = on(&env);
    command.arg("check").env("ROWCAST_TABEL", "orders").env("ROWCAST_COLOUR", "blue").env("ROWCAST_X", "");
    let ran = run(command).await.ended(0).says("No problems");
    let ran = ran.complains("ROWCAST_TABEL is not known; did you mean ROWCAST_TABLE?");
    let ran = ran.complains("ROWCAST_COLOUR is not known\n");
    assert_eq!(ran.err.lines().count(), 2, "{ran:?}");
}

#[tokio::test]
async fn a_supervisor_tells_of_each_misspelt_variable_once_for_all_its_workers_and_again_at_hup() {
    let env = Env::new().await;
    env.migrate().await;
    let folder = empty_folder();
    std::fs::write(folder.join(".env"), "ROWCAST_BATHC=7\n").unwrap();
    let variables = [
        ("REDIS_URL", env.redis_url.as_str()),
        ("DATABASE_URL", &env.database_url),
        ("ROWCAST_WORKERS", "2"),
        ("ROWCAST_WORKER", "3"),
        ("ROWCAST_LOG", "json"),
    ];
    let up = Running::in_folder(folder, &["up"], &variables);
    let told = |times: usize| {
        for name in ["ROWCAST_BATHC", "ROWCAST_WORKER"] {
            let lines = up.said(&format!("{name} is not known; did you mean ROWCAST_"));
            assert!(lines.len() == times && lines.iter().all(|line| line["level"] == "WARN"), "{lines:?}");
        }
    };
    up.says("online", 2).await;
    told(1);
    up.signal(Signal::SIGHUP);
    up.says("online", 4).await;
    told(2);
    up.stop().await;
}
