//! Waits that end: with what was waited for, or with a failure that says what was there instead.

use std::fmt::Debug;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

/// Between two looks.
const POLL: Duration = Duration::from_millis(10);

/// Looks again and again until `look` returns `Ok`, and returns that value. After the deadline it fails, naming
/// `what` and the last thing seen (the `Err`).
///
/// ```ignore
/// let rows = eventually(10 * SECOND, "all rows are there", async || {
///     let rows = env.count("pre_qqaccount").await;
///     if rows == 3 { Ok(rows) } else { Err(format!("{rows} rows")) }
/// })
/// .await;
/// ```
#[track_caller]
pub(crate) fn eventually<T, S: Debug>(
    deadline: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Result<T, S>,
) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        let end = Instant::now() + deadline;
        let mut seen = None;
        loop {
            // A look that hangs is as bad as one that never succeeds.
            match timeout(end.saturating_duration_since(Instant::now()), look()).await {
                Ok(Ok(value)) => return value,
                Ok(Err(last)) => seen = Some(last),
                Err(_) => {
                    panic!("{caller}: not within {deadline:?}: {what}; the last look hung; before: {seen:?}")
                }
            }
            if Instant::now() >= end {
                panic!("{caller}: not within {deadline:?}: {what}; seen last: {seen:?}");
            }
            sleep(POLL).await;
        }
    }
}

/// Awaits something that must come by itself; fails naming `what`.
#[track_caller]
pub(crate) fn within<T>(
    deadline: Duration,
    what: &str,
    future: impl Future<Output = T>,
) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        match timeout(deadline, future).await {
            Ok(value) => value,
            Err(_) => panic!("{caller}: not within {deadline:?}: {what}"),
        }
    }
}

#[tokio::test]
async fn eventually_returns_what_it_waited_for() {
    let mut looks = 0;
    let value = eventually(Duration::from_secs(5), "three looks", async || {
        looks += 1;
        if looks == 3 { Ok(looks) } else { Err(looks) }
    });
    assert_eq!(value.await, 3);
}

#[tokio::test]
#[should_panic(expected = "not within 30ms: pigs fly; seen last: Some(\"none flew\")")]
async fn eventually_fails_naming_what_it_waited_for_and_what_it_saw() {
    eventually(Duration::from_millis(30), "pigs fly", async || Err::<(), _>("none flew")).await;
}

#[tokio::test]
#[should_panic(expected = "not within 30ms: an answer; the last look hung")]
async fn eventually_ends_when_a_look_hangs() {
    let hang = async || std::future::pending::<Result<(), ()>>().await;
    eventually(Duration::from_millis(30), "an answer", hang).await;
}

#[tokio::test]
#[should_panic(expected = "not within 30ms: the end of time")]
async fn within_fails_naming_what_did_not_come() {
    within(Duration::from_millis(30), "the end of time", std::future::pending::<()>()).await;
}
