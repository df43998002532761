//! `rowcast push`: what arrives, in which order, and what is said when it does not.

use std::time::Duration;

use super::{
    run::{bare, on, rowcast, run_with},
    terminal::Terminal,
};
use crate::support::{Env, Proxy, eventually};

const LIMIT: Duration = Duration::from_secs(20);

async fn queue(env: &Env) -> Vec<Vec<u8>> {
    let mut connection = env.redis_connection().await;
    let mut jobs: Vec<Vec<u8>> =
        redis::cmd("LRANGE").arg(&env.queue).arg(0).arg(-1).query_async(&mut connection).await.unwrap();
    jobs.reverse();
    jobs
}

fn push(env: &Env, arguments: &[&str]) -> std::process::Command {
    let mut command = on(env);
    command.arg("push").args(arguments);
    command
}

#[tokio::test]
async fn every_line_becomes_a_job_in_order_and_byte_for_byte() {
    let env = Env::new().await;
    let lines: Vec<String> = (0..2_500).map(|n| format!("{{\"time\":{n}}}")).collect();
    let input = [lines.join("\n\n").as_bytes(), b"\n \xff raw \r\n"].concat();
    run_with(push(&env, &[]), &input).await.ended(0).says("pushed 2501 jobs");
    let mut expected: Vec<Vec<u8>> = lines.iter().map(|line| line.clone().into_bytes()).collect();
    expected.push(b" \xff raw ".to_vec());
    assert_eq!(queue(&env).await, expected);
}

#[tokio::test]
async fn at_a_terminal_it_is_said_what_is_waited_for() {
    let env = Env::new().await;
    let mut terminal = Terminal::start(&env, "push");
    terminal.shows("one on each line, and Ctrl-D at the end", 1).await;
    terminal.types(b"{}\n\x04");
    let shown = terminal.ended(0).await;
    assert!(shown.contains("pushed 1 job"), "{shown:?}");
    assert_eq!(queue(&env).await, [b"{}"]);
    let ran = run_with(push(&env, &[]), b"{}\n").await.ended(0);
    assert!(!ran.err.contains("Ctrl-D"), "{ran:?}");
}

#[tokio::test]
async fn a_file_is_pushed_and_a_missing_one_is_named() {
    let env = Env::new().await;
    let path = format!("{}/{}.ndjson", env!("CARGO_TARGET_TMPDIR"), env.database);
    std::fs::write(&path, "{\"a\":1}\n{\"a\":2}").unwrap();
    rowcast(&env, &["push", "--check", &path]).await.ended(0).says("pushed 2 jobs");
    std::fs::remove_file(&path).unwrap();
    rowcast(&env, &["push", &path]).await.ended(64).complains("cannot be read").complains(&path);
    rowcast(&env, &["push", "/tmp"]).await.ended(64).complains("directory");
}

#[tokio::test]
async fn a_dash_is_standard_input_and_a_file_of_that_name_is_reached_by_its_folder() {
    let env = Env::new().await;
    run_with(push(&env, &["-"]), b"{\"a\":1}\n").await.ended(0).says("pushed 1 job");
    run_with(push(&env, &["--check", "-"]), b"nope\n").await.ended(1).complains("line 1: it is not JSON");
    assert_eq!(queue(&env).await, [b"{\"a\":1}"]);
    run_with(push(&env, &["./-"]), b"{}\n").await.ended(64).complains("\"./-\": cannot be read");
}

#[tokio::test]
async fn check_names_the_lines_that_are_no_jobs_and_pushes_nothing() {
    let env = Env::new().await;
    let input = b"{\"a\":1}\n\nnope\n{\"a\":2}\n7\n";
    let ran = run_with(push(&env, &["--check"]), input).await.ended(1);
    ran.complains("line 3: it is not JSON").complains("line 5: it is JSON, but neither");
    assert!(queue(&env).await.is_empty());
    run_with(push(&env, &["--check"]), b"{\"a\":1}\n[{\"a\":2}]\n").await.ended(0).says("pushed 2 jobs");
}

#[tokio::test]
async fn a_queue_that_is_long_enough_is_waited_for() {
    let env = Env::new().await;
    env.push(&["a", "b", "c"]).await;
    let pushing = tokio::spawn(run_with(push(&env, &["--limit-queue", "2"]), b"1\n2\n3\n"));
    let mut connection = env.redis_connection().await;
    for taken in ["a", "b", "c", "1", "2", "3"] {
        eventually(LIMIT, "a job comes, and never too many", async || {
            let length: u64 = redis::cmd("LLEN").arg(&env.queue).query_async(&mut connection).await.unwrap();
            assert!(length <= 4, "{length} jobs");
            let job: Option<String> =
                redis::cmd("RPOP").arg(&env.queue).query_async(&mut connection).await.unwrap();
            job.ok_or(length).map(|job| assert_eq!(job, taken))
        })
        .await;
    }
    pushing.await.unwrap().ended(0).says("pushed 3 jobs");
}

#[tokio::test]
async fn a_lost_connection_says_what_is_certain_and_from_where_to_go_on() {
    let env = Env::new().await;
    let proxy = Proxy::start(env.redis.port()).await;
    let mut command = push(&env, &[]);
    command.env("REDIS_URL", format!("redis://127.0.0.1:{}", proxy.port()));
    // The second batch carries this job.
    proxy.lose_reply_to(b"marked");
    let lines: Vec<String> =
        (1..=2_500).map(|n| if n == 1_500 { "marked".into() } else { format!("{{\"n\":{n}}}") }).collect();
    let ran = run_with(command, lines.join("\n").as_bytes()).await.ended(1);
    ran.complains("1000 jobs pushed for certain")
        .complains("lines 1001 to 2000 may be")
        .complains("tail -n +1001");
    assert_eq!(queue(&env).await.len(), 2_000);
}

#[tokio::test]
async fn a_refusal_of_redis_leaves_nothing_in_doubt() {
    let env = Env::new().await;
    let mut connection = env.redis_connection().await;
    redis::cmd("SET").arg(&env.queue).arg("mine").query_async::<()>(&mut connection).await.unwrap();
    run_with(push(&env, &[]), b"{}\n")
        .await
        .ended(1)
        .complains("is of another type")
        .complains("nothing from line 1 on");
}

#[tokio::test]
async fn of_several_routes_one_must_be_chosen() {
    let path = format!("{}/several-{}.toml", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    std::fs::write(&path, "[[route]]\nqueue='a'\ntable='t'\n[[route]]\nqueue='b'\ntable='t'\n").unwrap();
    let mut command = bare();
    command.arg("push").env("ROWCAST_ROUTES", &path);
    run_with(command, b"{}\n").await.ended(64).complains("choose one with --queue: a, b");
    std::fs::remove_file(path).unwrap();
}
