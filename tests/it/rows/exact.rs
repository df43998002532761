//! Values that the servers would change without a word: each is refused, or the event says what the table holds.

use std::collections::BTreeMap;

use rowcast::sandbox::Flavour;
use serde_json::Value;

use crate::support::{Env, Running};

const TABLE: &str = "CREATE TABLE n (id INT AUTO_INCREMENT PRIMARY KEY, k INT,
    v VARCHAR(3), latin VARCHAR(3) CHARACTER SET latin1, tiny TINYTEXT, c CHAR(3), raw VARCHAR(3),
    e ENUM('a','b') COLLATE utf8mb4_general_ci, digit ENUM('1','0','5'), odd ENUM('it''s','a\\\\b','e'),
    s SET('a','b','c') COLLATE utf8mb4_general_ci, bits SET('1','2','4'),
    day DATE, at DATETIME, at3 DATETIME(3), ts TIMESTAMP NULL, clock TIME, clock3 TIME(3), y YEAR,
    b64 BIT(64), b1 BIT(1), i INT, z INT(5) ZEROFILL, p DECIMAL(10,2), f FLOAT, f2 FLOAT(7,2), d DOUBLE, d2 DOUBLE(7,2),
    bin BINARY(3), varbin VARBINARY(3))";

/// A column, a value in JSON, and what the table and the event say of it; `None` for a dead letter.
type Case = (&'static str, &'static str, Option<&'static str>);

const CASES: &[Case] = &[
    ("v", r#""ab ""#, Some("ab ")),
    ("v", r#""abc ""#, None),
    ("v", r#""abc\t""#, None),
    ("v", r#""abc\n""#, None),
    ("v", r#""日本語 ""#, None),
    ("v", "1.50", None),
    ("v", "1.5", Some("1.5")),
    ("latin", r#""abc ""#, None),
    ("latin", r#""abc\u00a0""#, None),
    ("latin", r#""éé ""#, Some("éé ")),
    ("c", r#""abc  ""#, Some("abc")),
    ("c", r#""a ""#, Some("a")),
    ("c", r#""abc\t""#, None),
    ("raw", r#""YWJjICA=""#, None),
    ("raw", r#""YWIg""#, Some("ab ")),
    ("e", r#""a""#, Some("a")),
    ("e", r#""B ""#, Some("b")),
    ("e", r#""1""#, None),
    ("e", r#""0""#, None),
    ("e", r#"" +1""#, None),
    ("e", r#""""#, None),
    ("digit", r#""1""#, Some("1")),
    ("digit", r#""0""#, Some("0")),
    ("digit", r#""5""#, Some("5")),
    ("digit", r#""2""#, None),
    ("digit", r#""01""#, None),
    ("odd", r#""it's""#, Some("it's")),
    ("odd", r#""a\\b""#, Some("a\\b")),
    ("odd", r#""é""#, None),
    ("s", r#""b,A,b""#, Some("a,b")),
    ("s", r#""""#, Some("")),
    ("s", r#""a,""#, None),
    ("s", r#""3""#, None),
    ("s", r#""0""#, None),
    ("bits", r#""4""#, Some("4")),
    ("bits", r#""2,1""#, Some("1,2")),
    ("bits", r#""3""#, None),
    ("day", r#""2024-01-02""#, Some("2024-01-02")),
    ("day", r#""2024-01-02T23:30:00-01:00""#, Some("2024-01-03")),
    ("day", r#""2024-01-02 23:59:59.9999999""#, Some("2024-01-02")),
    ("day", r#""10:11:12""#, None),
    ("day", r#""20240102""#, None),
    ("day", r#""24-01-02""#, None),
    ("day", r#""2024.01.02""#, None),
    ("day", r#""2024-1-2""#, None),
    ("day", r#""2023-02-29T00:00:00+01:00""#, None),
    ("day", r#""2024-01-02 +00:00""#, None),
    ("at", r#""2024-01-02""#, Some("2024-01-02 00:00:00")),
    ("at", r#""2024-01-02T10:11""#, Some("2024-01-02 10:11:00")),
    ("at", r#""2024-01-02 10:11:12+02:00""#, Some("2024-01-02 08:11:12")),
    ("at", r#""2024-01-02T10:11:12.999999+01:00""#, Some("2024-01-02 09:11:12")),
    ("at", r#""9999-12-31 23:59:59.9""#, Some("9999-12-31 23:59:59")),
    ("at", r#""10:11:12""#, None),
    ("at", r#""20240102101112""#, None),
    ("at", r#""2024-01-02 10""#, None),
    ("at", r#""2024-01-02 10:11:12.""#, None),
    ("at3", r#""2024-01-02 10:11:12.9999""#, Some("2024-01-02 10:11:12.999")),
    ("at3", r#""2024-01-02 10:11:12.5""#, Some("2024-01-02 10:11:12.5")),
    ("ts", r#""2038-01-19T03:14:07.9Z""#, Some("2038-01-19 03:14:07")),
    ("ts", r#""24-01-02""#, None),
    ("clock", r#""9:05""#, Some("09:05:00")),
    ("clock", r#""-00:00:00.5""#, Some("00:00:00")),
    ("clock", r#""838:59:59.9""#, Some("838:59:59")),
    ("clock", r#""839:00:00""#, None),
    ("clock", r#""1112""#, None),
    ("clock", r#""""#, None),
    ("clock", r#""1.5""#, None),
    ("clock", r#""1 10:11:12""#, None),
    ("clock", r#""2024-01-02 10:11:12""#, None),
    ("clock", r#"":11:12""#, None),
    ("clock", r#""1e3""#, None),
    ("clock3", r#""10:11:12.9996""#, Some("10:11:12.999")),
    ("clock3", r#""10:11:12""#, Some("10:11:12.000")),
    ("y", "2024", Some("2024")),
    ("y", r#""2024""#, Some("2024")),
    ("y", "0", Some("0")),
    ("y", "1", None),
    ("y", r#""99""#, None),
    ("y", "true", None),
    ("b64", "-1", None),
    ("b64", "18446744073709551615", Some("18446744073709551615")),
    ("b1", "true", Some("1")),
    ("b1", "-1", None),
    ("i", "1.5", None),
    ("i", r#"" 12 ""#, Some("12")),
    ("z", "7", Some("7")),
    ("p", "1.005", None),
    ("p", "-0.0", Some("0.00")),
    ("f", "16777217", Some("16777216")),
    ("f", "1e-50", Some("0")),
    ("f2", "12345.678", Some("12345.68")),
    ("f2", "123456.7", None),
    ("d", "0.1", Some("0.1")),
    ("d2", "1.006", Some("1.01")),
    ("d2", "-1.006", Some("-1.01")),
    ("bin", r#""YWI=""#, Some("616200")),
    ("varbin", r#""YWJjIA==""#, None),
];

const MARIADB: &[Case] = &[
    ("u", r#""550E8400E29B41D4A716446655440000""#, Some("550e8400-e29b-41d4-a716-446655440000")),
    ("u", r#""550e8400""#, None),
    ("four", r#""1.2.3.4""#, Some("1.2.3.4")),
    ("four", r#""001.2.3.4""#, None),
    ("six", r#""2001:DB8:0:0:1::1""#, Some("2001:db8::1:0:0:1")),
    ("six", r#""1:0:2:3:4:5:6:7""#, Some("1::2:3:4:5:6:7")),
    ("six", r#""::102:304""#, Some("::1.2.3.4")),
];

#[tokio::test]
async fn a_value_is_in_the_table_as_its_event_says_or_in_a_dead_letter_that_names_its_column() {
    let env = Env::with_table(TABLE).await;
    let mut cases = CASES.to_vec();
    if env.flavour == Flavour::MariaDb {
        env.execute("ALTER TABLE n ADD u UUID, ADD four INET4, ADD six INET6").await;
        cases.extend(MARIADB);
    }
    let mut columns: Vec<&str> = cases.iter().map(|(column, ..)| *column).chain(["k", "tiny"]).collect();
    columns.sort_unstable();
    columns.dedup();
    let mapping = |column: &&str| match *column {
        "raw" => "raw={from='raw',as='base64'}".to_owned(),
        column => format!("{column}='{column}'"),
    };
    let mapped = columns.iter().map(mapping).collect::<Vec<_>>().join(",");
    let worker = Running::route(&env, &format!("table='n'\ncolumns={{{mapped}}}"));
    let heard = env.subscribe("socket.io#*").await;

    let jobs =
        cases.iter().enumerate().map(|(k, (column, json, _))| format!(r#"{{"k":{k},"{column}":{json}}}"#));
    let mut jobs: Vec<String> = jobs.collect();
    // 255 bytes are its length.
    let long = [("é".repeat(127) + " ", true), ("é".repeat(127) + "  ", false)];
    jobs.extend((0..).zip(&long).map(|(at, (text, _))| format!(r#"{{"k":{},"tiny":"{text}"}}"#, 1_000 + at)));
    let letters = env.run(&jobs.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let dead: BTreeMap<u64, Option<String>> = letters
        .iter()
        .map(|letter| {
            let job: Value = serde_json::from_slice(&letter.raw_bytes()).unwrap();
            (job["k"].as_u64().unwrap(), letter.column.clone())
        })
        .collect();
    let events = heard.rows(jobs.len() - dead.len()).await;
    let said = |k: u64, column: &str| {
        let event = events.iter().find(|event| event["row"]["k"] == k);
        event.map(|event| event["row"][column].clone())
    };

    for (k, &(column, json, expected)) in (0..).zip(&cases) {
        let case = format!("{column} {json}");
        let Some(expected) = expected else {
            assert_eq!(dead.get(&k).cloned().flatten().as_deref(), Some(column), "{case} is refused");
            continue;
        };
        assert_eq!(dead.get(&k), None, "{case} goes in");
        let held = env.lines(&format!("SELECT {} FROM n WHERE k = {k}", as_text(column))).await.remove(0);
        assert_eq!(plain(column, &held), expected, "{case}: the table");
        assert_eq!(in_sql(&said(k, column).expect("an event")), expected, "{case}: the event");
    }
    for (k, (text, goes_in)) in (1_000..).zip(&long) {
        assert_eq!(said(k, "tiny"), goes_in.then(|| Value::from(text.as_str())), "{text:?}");
        assert_eq!(dead.contains_key(&k), !goes_in, "{text:?}");
    }
    worker.stop().await;
}

/// A column as text that says all of its value.
fn as_text(column: &str) -> String {
    match column {
        "bin" => format!("HEX({column})"),
        // Otherwise the server writes six digits of a FLOAT.
        "f" | "f2" | "d" | "d2" => format!("CAST({column} * 1 AS CHAR)"),
        "b64" | "b1" => format!("CAST({column} + 0 AS CHAR)"),
        _ => format!("CAST({column} AS CHAR)"),
    }
}

/// What the server wrote, without zeros that say nothing.
fn plain(column: &str, text: &str) -> String {
    match column {
        "f" | "f2" => text.parse::<f32>().unwrap().to_string(),
        "i" | "z" | "y" => text.parse::<i64>().unwrap().to_string(),
        "at3" => text.trim_end_matches('0').to_owned(),
        _ => text.to_owned(),
    }
}

/// A value of an event as SQL would write it.
fn in_sql(value: &Value) -> String {
    match value {
        Value::String(text) if text.ends_with('Z') => text.trim_end_matches('Z').replacen('T', " ", 1),
        Value::String(text) => text.clone(),
        Value::Array(bytes) => bytes.iter().map(|byte| format!("{:02X}", byte.as_u64().unwrap())).collect(),
        // A whole one has no point.
        Value::Number(number) if number.is_f64() => number.as_f64().unwrap().to_string(),
        other => other.to_string(),
    }
}
