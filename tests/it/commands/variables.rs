//! Variables that nobody reads: told by whoever might have read them, and no reason to stop.

use nix::sys::signal::Signal;

use super::run::{bare, on, rowcast, run};
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

#[tokio::test]
async fn a_slip_in_the_name_of_an_address_is_told_before_the_address_is_missed() {
    let mut command = bare();
    command
        .arg("check")
        .env("DATABSE_URL", "mysql://root:hunter2@127.0.0.1:1/app")
        .env("REDIS_ULR", "redis://a");
    let ran = run(command).await.ended(64).complains("DATABASE_URL: is not set");
    let ran = ran.complains("DATABSE_URL is not known; did you mean DATABASE_URL?");
    let ran = ran.complains("REDIS_ULR is not known; did you mean REDIS_URL?");
    assert!(!ran.err.contains("hunter2"), "{ran:?}");
    // Where the right one is given, the other is nobody's mistake.
    let mut command = bare();
    command.args(["status", "--redis-url", "redis://127.0.0.1:1"]).env("REDIS_ULR", "redis://a");
    let ran = run(command).await.ended(1);
    assert!(!ran.err.contains("REDIS_ULR"), "{ran:?}");
}

#[tokio::test]
async fn settings_prints_a_file_that_rowcast_reads() {
    let mut command = bare();
    command.arg("settings");
    let printed = run(command).await.ended(0).says("#ROWCAST_WORKERS=auto").out;
    let folder = empty_folder();
    std::fs::write(folder.join(".env"), printed.replace("127.0.0.1:3306", "127.0.0.1:1")).unwrap();
    let mut command = bare();
    command.arg("migrate").current_dir(&folder);
    let ran = run(command).await.ended(1).complains("DATABASE_URL is mysql://root:***@127.0.0.1:1/app");
    assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
    std::fs::remove_dir_all(folder).unwrap();
}
