//! Live rows and rows that are read back have the same values, in whatever form the job wrote them.

use serde_json::{Value, json};

use super::{Gateway, ask};
use crate::{
    interop::Node,
    rows::values::{EVERY_KIND, KINDS},
    support::{Env, Running},
};

/// The same columns once more, with values that the table gives back in another form than JSON commonly has.
const OTHER_FORMS: [&str; 5] = [
    r#"{"i8":true,"i16":"12","i24":1e3,"i32":-0,"i64":1.0,"price":1.5,"f":16777217.25,"d":3,"c":"ab  ","v":12.50}"#,
    r#"{"price":-0,"f":0.123456789,"d":1e21,"t":true,"v":"  x ","c":false,"flags":"","bin":"AA==","varbin":"AA"}"#,
    r#"{"price":"7","f":true,"d":true,"bit1":false,"bit64":1,"u64":0,"day":"2024-02-29T23:30:00-01:00"}"#,
    r#"{"price":125e-1,"at":"2024-02-29 23:59:59","at3":"2024-02-29T23:59:59.120Z","at6":"2024-02-29T23:59:59.5Z"}"#,
    r#"{"price":-0.0000000001,"f":-1e-7,"d":5e-324,"doc":[1.50,{"b":1,"a":9007199254740993}],"latin":"ÿ","y":1999}"#,
];

/// The next so many rows that are heard, in the order of their ids.
async fn rows(node: &mut Node, count: usize) -> Vec<Value> {
    let mut rows: Vec<Value> = Vec::new();
    while rows.len() < count {
        let line = node.line().await;
        rows.extend((line["event"] == "row").then(|| line["args"][0].clone()));
    }
    rows.sort_by_key(|row| row["id"].as_u64());
    rows
}

#[tokio::test]
async fn a_row_that_is_read_back_has_the_values_of_its_live_event_in_whatever_form_the_job_wrote_them() {
    let env = Env::with_table(KINDS).await;
    let table = ("ROWCAST_TABLE", "kinds");
    let gateway = Gateway::start(&env, &[table]).await;
    let worker = Running::worker(&env, &[table]);
    let (mut node, _) = gateway.clients(&["--transport", "websocket", "/#live", "/#again"]).await;
    assert_eq!(ask(&mut node, "/#live", json!(["subscribe", "kinds"])).await["ok"], true);
    assert_eq!(env.run(&[&[EVERY_KIND], &OTHER_FORMS[..]].concat()).await, []);
    let count = OTHER_FORMS.len() + 1;
    let live = rows(&mut node, count).await;
    let since = json!({"client": "/#again", "emit": ["subscribe", {"room": "kinds", "since": 0}]});
    node.tell(since).await;
    let again = rows(&mut node, count).await;
    for (live, again) in live.iter().zip(&again) {
        assert_eq!(live["id"], again["id"]);
        for (column, value) in live["row"].as_object().unwrap() {
            assert_eq!(value, &again["row"][column], "{column} of row {}", live["id"]);
        }
    }
    let at = |row: usize, column: &str| live[row]["row"][column].clone();
    assert_eq!(
        [at(1, "price"), at(2, "price"), at(4, "price")],
        ["1.5000000000", "0.0000000000", "12.5000000000"]
    );
    assert_eq!(
        (at(1, "c"), at(2, "c"), at(2, "t"), at(1, "f")),
        (json!("ab"), json!("0"), json!("1"), json!(16_777_218))
    );
    worker.stop().await;
}
