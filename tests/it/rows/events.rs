//! Events: what is published of a row, and to whom.

use rowcast::emitter::{Message, Target, Value as Packed, decode};
use serde_json::json;

use crate::support::{Env, PATIENCE, Running};

const TABLE: &str = "CREATE TABLE n (id INT AUTO_INCREMENT PRIMARY KEY, account BIGINT UNSIGNED, name VARCHAR(40), \
     price DECIMAL(20,4), at DATETIME(3), doc JSON, pic BLOB, yes BOOLEAN, f DOUBLE, d INT DEFAULT 3)";

#[tokio::test]
async fn an_event_carries_table_id_and_row_with_large_numbers_as_strings() {
    let env = Env::with_table(TABLE).await;
    let worker = Running::worker(&env, &[("ROWCAST_TABLE", "n")]);
    let heard = env.subscribe("socket.io#*").await;
    let full = r#"{"account":18446744073709551615,"name":"日本🚀","price":12.50,"at":"2024-02-29T23:59:59.5+01:00",
        "doc":{"n":9007199254740993,"list":[1.5,null]},"pic":"AP8=","yes":true,"f":0.1,"d":4}"#;
    assert_eq!(env.run(&[full]).await, []);
    assert_eq!(env.run(&[r#"{"account":9007199254740991}"#]).await, []);
    let rows = heard.rows(2).await;
    assert_eq!(
        rows[0],
        json!({"table": "n", "id": 1, "row": {
            "account": "18446744073709551615", "name": "日本🚀", "price": "12.5000", "at": "2024-02-29T22:59:59.5Z",
            "doc": {"n": "9007199254740993", "list": [1.5, null]}, "pic": [0, 255], "yes": 1, "f": 0.1, "d": 4,
        }})
    );
    assert_eq!(rows[1]["row"]["account"], 9_007_199_254_740_991_u64);
    // A column that the server filled in is not in the event: its value is not known here.
    assert_eq!((rows[1]["row"].get("d"), &rows[1]["row"]["name"]), (None, &json!(null)));
    let broadcast = &heard.broadcasts(2).await[0];
    let Packed::Map(data) = &broadcast.args[0] else { panic!("{broadcast:?}") };
    assert_eq!(data[2].1.get("pic"), Some(&Packed::Bin(vec![0, 255])));
    worker.stop().await;
}

/// In one script they would be more than Redis lets a subscriber have unread, and it would end the connection.
#[tokio::test]
async fn the_events_of_many_large_arrays_reach_their_subscribers_in_order() {
    let env = Env::with_table("CREATE TABLE n (id INT AUTO_INCREMENT PRIMARY KEY, a INT)").await;
    let heard = env.subscribe("socket.io#*").await;
    let array = |a: usize| format!("[{}]", vec![format!(r#"{{"a":{a}}}"#); 10_000].join(","));
    env.push_raw("", &(10..34).map(array).collect::<Vec<_>>()).await;
    let worker = Running::worker(&env, &[("ROWCAST_TABLE", "n"), ("ROWCAST_BATCH", "8")]);
    heard.at_least(240_000, PATIENCE).await;
    assert_eq!(env.count("n").await, 240_000);
    // A claim of eight is cut, and what goes back is taken before anything newer.
    let expected: Vec<String> = (10..34).map(|a| a.to_string()).collect();
    assert_eq!(env.lines("SELECT a FROM n GROUP BY a ORDER BY MIN(id)").await, expected);
    worker.stop().await;
}

#[tokio::test]
async fn the_bytes_are_those_of_the_official_format() {
    let env =
        Env::with_table("CREATE TABLE n (id INT AUTO_INCREMENT PRIMARY KEY, a INT, b VARCHAR(9))").await;
    let worker = Running::route(
        &env,
        "table='n'\ncolumns={a='a',b='b'}\nrooms=['{table}','acc:{a}']\nevent='made'\nnamespace='feed'",
    );
    let heard = env.subscribe("socket.io#*").await;
    assert_eq!(env.run(&[r#"{"a":-1,"b":"é"}"#]).await, []);
    let message = heard.exactly(1, PATIENCE).await.remove(0);
    assert_eq!(message.channel, "socket.io#/feed#");
    // What the emitter writes for the same call; that one is held against the official packages.
    let row = Packed::Map(vec![("a".into(), Packed::Int(-1)), ("b".into(), Packed::Str("é".into()))]);
    let data = Packed::Map(vec![
        ("table".into(), Packed::Str("n".into())),
        ("id".into(), Packed::Int(1)),
        ("row".into(), row),
    ]);
    let emitted = Target::new().of("feed").to(["n", "acc:-1"]).event("made", &data).unwrap();
    assert_eq!((emitted.channel, emitted.payload), (message.channel, message.payload));
    worker.stop().await;
}

#[tokio::test]
async fn rooms_come_from_templates_and_a_null_names_none() {
    let env = Env::with_table(TABLE).await;
    let worker = Running::routes(
        &env,
        "[[route]]\nqueue='{q}'\ntable='n'\nrooms=['{table}','acc:{account}','{name}','row:{id}','{{x}}']\n\
         columns={account='account',name='name',at='at',price='price'}\n\
         [[route]]\nqueue='{q}-null'\ntable='n'\nrooms=['acc:{account}']\n\
         [[route]]\nqueue='{q}-all'\ntable='n'\nrooms=[]\n\
         [[route]]\nqueue='{q}-quiet'\ntable='n'\npublish=false\n",
        &[],
    );
    let heard = env.subscribe("socket.io#*").await;
    assert_eq!(env.run(&[r#"{"account":7,"name":"n"}"#]).await, []);
    assert_eq!(env.run(&[r#"{"account":18446744073709551615}"#]).await, []);
    let told = heard.exactly(2, PATIENCE).await;
    let rooms: Vec<_> = heard.broadcasts(2).await.into_iter().map(|broadcast| broadcast.rooms).collect();
    // The same room by two templates is one room.
    assert_eq!(rooms[0], ["n", "acc:7", "row:1", "{x}"]);
    assert_eq!(rooms[1], ["n", "acc:18446744073709551615", "row:2", "{x}"]);
    assert_eq!(told[0].channel, "socket.io#/#");

    // A row whose only room is made of NULL is told to nobody: no room at all would be everybody.
    env.push_raw("-null", &[r#"{"name":"secret"}"#, r#"{"account":8}"#]).await;
    env.done_in("-null", 2).await;
    env.push_raw("-quiet", &[r#"{"account":8}"#]).await;
    env.done_in("-quiet", 1).await;
    env.push_raw("-all", &[r#"{"account":9}"#]).await;
    env.done_in("-all", 1).await;
    let told = heard.exactly(4, PATIENCE).await;
    assert_eq!((told[2].channel.as_str(), told[3].channel.as_str()), ("socket.io#/#acc:8#", "socket.io#/#"));
    assert_eq!(heard.broadcasts(4).await[3].rooms, Vec::<String>::new());
    assert_eq!(env.count("n").await, 6);
    worker.stop().await;
}

#[tokio::test]
async fn another_emitter_key_names_all_channels_and_the_default_none() {
    let env = Env::with_table(TABLE).await;
    let worker = Running::worker(&env, &[("ROWCAST_TABLE", "n"), ("ROWCAST_EMITTER_KEY", "my app")]);
    let heard = env.subscribe("*").await;
    assert_eq!(env.run(&[r#"{"account":1}"#, r#"{"account":2}"#]).await, []);
    worker.stop().await;
    let told = heard.exactly(2, PATIENCE).await;
    let accounts = told.iter().map(|message| {
        assert_eq!(message.channel, "my app#/#n#");
        let Message::Broadcast(event) = decode("my app", &message.channel, &message.payload).unwrap() else {
            panic!("{message:?}")
        };
        event.args[0].get("row").and_then(|row| row.get("account")).cloned()
    });
    assert_eq!(accounts.collect::<Vec<_>>(), [Some(Packed::Int(1)), Some(Packed::Int(2))]);
}

#[tokio::test]
async fn a_row_beyond_the_limit_of_an_event_is_told_by_its_table_and_id() {
    let env =
        Env::with_table("CREATE TABLE n (id INT AUTO_INCREMENT PRIMARY KEY, k INT, text LONGTEXT)").await;
    let route = "[[route]]\nqueue='{q}'\ntable='n'\nrooms=['k:{k}']\n";
    let worker = Running::routes(&env, route, &[("ROWCAST_MAX_JOB_BYTES", "12000000")]);
    let heard = env.subscribe("socket.io#*").await;
    // The limit is that of the whole message, so the text alone may be a little below it.
    let job = |k: u32, bytes: usize| format!(r#"{{"k":{k},"text":"{}"}}"#, "x".repeat(bytes));
    let jobs = [job(1, (8 << 20) - 1_000), job(2, 8 << 20), job(3, 9 << 20), job(4, 1)];
    assert_eq!(env.run(&jobs.each_ref().map(String::as_str)).await, []);
    let rows = heard.rows(4).await;
    assert_eq!(rows[0]["row"]["text"].as_str().map(str::len), Some((8 << 20) - 1_000));
    assert_eq!(rows[1], json!({"table": "n", "id": 2, "row": null}));
    assert_eq!(rows[2], json!({"table": "n", "id": 3, "row": null}));
    assert_eq!(rows[3], json!({"table": "n", "id": 4, "row": {"k": 4, "text": "x"}}));
    let channels: Vec<String> = heard.messages().into_iter().map(|message| message.channel).collect();
    assert_eq!(channels, [1, 2, 3, 4].map(|k| format!("socket.io#/#k:{k}#")));
    assert_eq!(env.lines("SELECT LENGTH(text) FROM n WHERE k = 3").await, [(9 << 20).to_string()]);
    worker.stop().await;
}

#[tokio::test]
async fn a_key_of_ones_own_is_where_the_channels_of_all_events_begin() {
    let env = Env::new().await;
    env.migrate().await;
    let worker = Running::worker(&env, &[("ROWCAST_EMITTER_KEY", "my app")]);
    let heard = env.subscribe("*").await;
    assert_eq!(env.run(&[r#"{"time":1,"stamp":"a"}"#]).await, []);
    let message = heard.exactly(1, PATIENCE).await.remove(0);
    assert_eq!(message.channel, "my app#/#pre_qqaccount#");
    let read = decode("my app", &message.channel, &message.payload).unwrap();
    assert!(matches!(read, Message::Broadcast(broadcast) if broadcast.rooms == ["pre_qqaccount"]));
    worker.stop().await;
}
