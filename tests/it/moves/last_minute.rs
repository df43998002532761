//! How long jobs took in the last minute: what is added, and what goes.

use std::collections::BTreeMap;

use rowcast::{
    config::SecretUrl,
    delay::{Until, Window},
    queue::{Keys, LastMinute, Link},
};

use crate::support::Env;

fn one_job(until: Until, bucket: usize) -> Window {
    let mut window = Window::default();
    window.add(until, bucket, 1);
    window
}

#[tokio::test]
async fn what_workers_add_is_added_up_and_what_is_too_old_or_of_a_time_to_come_goes() {
    let env = Env::new().await;
    let link = || Link::new(&SecretUrl::new(&env.redis_url)).unwrap();
    let (one, other) = (LastMinute::new(&env.queue, link()), LastMinute::new(&env.queue, link()));
    assert_eq!(one.read().await.unwrap(), Window::default());
    let key = Keys::new(&env.queue).delays;
    let mut redis = env.redis_connection().await;
    for field in ["7:commit:3", "99999999999:commit:3", "of another release"] {
        redis::cmd("HSET").arg(&key).arg(field).arg(5).exec_async(&mut redis).await.unwrap();
    }
    assert_eq!(one.read().await.unwrap(), Window::default());

    one.add(&one_job(Until::Commit, 3)).await.unwrap();
    other.add(&one_job(Until::Commit, 3)).await.unwrap();
    other.add(&one_job(Until::Publish, 4)).await.unwrap();
    let sum = [(Until::Commit, 3, 2), (Until::Publish, 4, 1)];
    assert_eq!(other.read().await.unwrap().each().collect::<Vec<_>>(), sum);
    let fields: BTreeMap<String, u64> =
        redis::cmd("HGETALL").arg(&key).query_async(&mut redis).await.unwrap();
    let now = |field: &String| field.ends_with(":commit:3") || field.ends_with(":publish:4");
    assert!(fields.keys().all(now) && fields.values().sum::<u64>() == 3, "{fields:?}");
    let left: i64 = redis::cmd("TTL").arg(&key).query_async(&mut redis).await.unwrap();
    assert!((1..=70).contains(&left), "without a job it goes by itself: {left}");
}
