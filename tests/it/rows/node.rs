//! The rows of a running worker, as clients of a real socket.io server with the Redis adapter get them.

use serde_json::json;

use crate::{
    interop::Node,
    support::{Env, Running},
};

#[tokio::test]
async fn the_rows_of_a_worker_reach_the_clients_of_a_node_server_in_their_rooms() {
    let env = Env::new().await;
    env.migrate().await;
    let mut node =
        Node::start(&env.redis_url, &["/#pre_qqaccount", "/#account:7", "/#account:8", "/#"]).await;
    let rooms = [("ROWCAST_ROOMS", "{table},account:{accountid}")];
    let worker = Running::worker(&env, &rooms);
    let jobs = [r#"{"time":7,"stamp":"a🚀"}"#, r#"{"time":8,"stamp":7}"#, r#"{"time":9}"#];
    assert_eq!(env.run(&jobs).await.len(), 1);
    let row = |id: u64, account: u64, openid: &str| json!([{"table": "pre_qqaccount", "id": id, "row": {"accountid": account, "openid": openid}}]);
    // Each client gets its rows in order, and nothing of other rooms.
    let mut lines = Vec::new();
    for _ in 0..4 {
        let line = node.line().await;
        assert_eq!(line["event"], "row");
        lines.push((line["client"].as_str().unwrap().to_owned(), line["args"].to_string()));
    }
    lines.sort();
    let expected = [
        ("/#account:7", row(1, 7, "a🚀")),
        ("/#account:8", row(2, 8, "7")),
        ("/#pre_qqaccount", row(1, 7, "a🚀")),
        ("/#pre_qqaccount", row(2, 8, "7")),
    ];
    assert_eq!(lines, expected.map(|(client, args)| (client.to_owned(), args.to_string())));
    worker.stop().await;
}
