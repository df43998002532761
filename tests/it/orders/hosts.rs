//! Several supervisors on one Redis.

use super::{order, reachable, start};
use crate::support::Env;

#[tokio::test]
async fn an_order_reaches_the_supervisor_that_is_named_and_without_a_name_all_are_listed() {
    let env = Env::new().await;
    env.migrate().await;
    let (one, other) = (start(&env, 1, &[]).await, start(&env, 1, &[]).await);
    let (its_id, other_id) = (reachable(&env, &one, 1).await, reachable(&env, &other, 1).await);
    let said = order(&env, "scale 2").await.ended(1).complains("several supervisors could be meant");
    let said = said.complains(&format!("{its_id} on ")).complains(&format!("{other_id} on "));
    said.complains(&format!("--host {its_id}")).complains(&format!("--host {other_id}"));
    // Both are on this machine, so its name says no more.
    let host = nix::unistd::gethostname().unwrap().into_string().unwrap();
    order(&env, &format!("scale 2 --host {host}")).await.ended(1).complains("several supervisors");
    order(&env, "scale 2 --host elsewhere").await.ended(1).complains("by the name \"elsewhere\"; there is");

    let json = order(&env, &format!("scale 3 --host {other_id} --json")).await.ended(0).json();
    assert_eq!((&json["supervisor"], &json["host"]), (&other_id.into(), &host.into()), "{json}");
    other.says("another number of workers is wanted", 1).await;
    order(&env, &format!("scale 2 --host {its_id}")).await.ended(0);
    let wanted = |up: &crate::support::Running| up.said("another number of workers")[0]["workers"].clone();
    assert_eq!((wanted(&one), wanted(&other)), (2.into(), 3.into()));
    assert_eq!((one.said("ordered").len(), other.said("ordered").len()), (1, 1));
    one.stop().await;
    other.stop().await;
}
