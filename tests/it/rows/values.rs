//! Values: a column holds what the job said, or the job is rejected.

use rowcast::sandbox::Flavour;

use crate::support::{Env, Running};

/// A table with a column of every kind.
pub(crate) const KINDS: &str = "CREATE TABLE kinds (
    id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY,
    i8 TINYINT, i16 SMALLINT, i24 MEDIUMINT, i32 INT, i64 BIGINT,
    u8 TINYINT UNSIGNED, u16 SMALLINT UNSIGNED, u24 MEDIUMINT UNSIGNED, u32 INT UNSIGNED, u64 BIGINT UNSIGNED,
    price DECIMAL(38,10), f FLOAT, d DOUBLE, c CHAR(5), v VARCHAR(100), t TEXT,
    latin VARCHAR(20) CHARACTER SET latin1, size ENUM('small','large'), flags SET('a','b','c'), doc JSON,
    bin BINARY(4), varbin VARBINARY(10), picture BLOB,
    day DATE, at DATETIME, at3 DATETIME(3), at6 DATETIME(6), ts TIMESTAMP NULL, ts6 TIMESTAMP(6) NULL,
    clock TIME, clock3 TIME(3), y YEAR, bit1 BIT(1), bit64 BIT(64),
    plus_one BIGINT GENERATED ALWAYS AS (i32 + 1) STORED, twice BIGINT GENERATED ALWAYS AS (i32 * 2) VIRTUAL)";

/// A job with a value for each of them.
pub(crate) const EVERY_KIND: &str = r#"{"i8":-128,"i16":-32768,"i24":-8388608,"i32":-2147483648,"i64":-9223372036854775808,
    "u8":255,"u16":65535,"u24":16777215,"u32":4294967295,"u64":18446744073709551615,
    "price":1234567890123456789012345678.0123456789,"f":0.1,"d":0.1,"c":"añb","v":"日本🚀","t":"line\n\u0000\"quoted\"",
    "latin":"é","size":"large","flags":"a,c","doc":{"a": [1, 2.5, "é"], "b": null},
    "bin":"AAEC/w==","varbin":"AAD/","picture":"iVBORw0KGgo=",
    "day":"2024-02-29","at":"2024-02-29T23:59:59+02:00","at3":"2024-02-29T23:59:59.123Z",
    "at6":"2024-02-29T23:59:59.123456Z","ts":"2024-02-29T23:59:59-01:30","ts6":"2024-02-29 23:59:59.000001",
    "clock":"-838:59:59","clock3":"12:34:56.789","y":2024,"bit1":1,"bit64":18446744073709551615}"#;

#[tokio::test]
async fn every_kind_of_column_holds_exactly_what_the_job_said() {
    let env = Env::with_table(KINDS).await;
    let worker = Running::worker(&env, &[("ROWCAST_TABLE", "kinds")]);
    assert_eq!(env.run(&[EVERY_KIND]).await, []);
    let numbers = "SELECT i8, i16, i24, i32, i64, u8, u16, u24, u32, u64, price, f, d FROM kinds";
    assert_eq!(
        env.lines(numbers).await,
        ["-128|-32768|-8388608|-2147483648|-9223372036854775808|255|65535|16777215|4294967295|\
          18446744073709551615|1234567890123456789012345678.0123456789|0.1|0.1"]
    );
    let texts = "SELECT c, v, HEX(t), latin, HEX(latin), size, flags, doc FROM kinds";
    assert_eq!(
        env.lines(texts).await,
        [r#"añb|日本🚀|6C696E650A002271756F74656422|é|E9|large|a,c|{"a": [1, 2.5, "é"], "b": null}"#]
    );
    let bytes = "SELECT HEX(bin), HEX(varbin), HEX(picture), bit1+0, bit64+0 FROM kinds";
    assert_eq!(env.lines(bytes).await, ["000102FF|0000FF|89504E470D0A1A0A|1|18446744073709551615"]);
    let times = "SELECT day, at, at3, at6, ts, ts6, clock, clock3, y, plus_one, twice FROM kinds";
    assert_eq!(
        env.lines(times).await,
        ["2024-02-29|2024-02-29 21:59:59|2024-02-29 23:59:59.123|2024-02-29 23:59:59.123456|\
          2024-03-01 01:29:59|2024-02-29 23:59:59.000001|-838:59:59|12:34:56.789|2024|-2147483647|-4294967296"]
    );
    worker.stop().await;
}

#[tokio::test]
async fn a_double_is_bit_equal_and_a_decimal_keeps_each_digit() {
    let env =
        Env::with_table("CREATE TABLE n (id INT AUTO_INCREMENT PRIMARY KEY, d DOUBLE, p DECIMAL(38,10))")
            .await;
    let worker = Running::worker(&env, &[("ROWCAST_TABLE", "n")]);
    let doubles =
        ["0.1", "1e308", "5e-324", "-0.3333333333333333", "123456789.12345679", "2.2250738585072014e-308"];
    let jobs: Vec<String> = doubles.iter().map(|d| format!(r#"{{"d":{d},"p":"-0.0000000001"}}"#)).collect();
    assert_eq!(env.run(&jobs.iter().map(String::as_str).collect::<Vec<_>>()).await, []);
    let mut connection = env.sql_connection().await;
    let stored: Vec<f64> =
        sqlx::query_scalar("SELECT d FROM n ORDER BY id").fetch_all(&mut connection).await.unwrap();
    let expected: Vec<u64> = doubles.iter().map(|d| d.parse::<f64>().unwrap().to_bits()).collect();
    assert_eq!(stored.iter().map(|d| d.to_bits()).collect::<Vec<_>>(), expected);
    assert_eq!(env.lines("SELECT DISTINCT p FROM n").await, ["-0.0000000001"]);

    // The same number in other words; and what would be rounded is refused.
    let letters = env.run(&[r#"{"p":1.25e2}"#, r#"{"p":1.00000000001}"#]).await;
    assert_eq!(env.lines("SELECT p FROM n WHERE d IS NULL").await, ["125.0000000000"]);
    assert_eq!((letters[0].code.as_str(), letters[0].column.as_deref()), ("not_exact", Some("p")));
    worker.stop().await;
}

#[tokio::test]
async fn a_named_conversion_reads_times_bytes_and_json() {
    let env = Env::with_table(
        "CREATE TABLE n (id INT AUTO_INCREMENT PRIMARY KEY, s DATETIME(6), ms DATETIME(3), us TIMESTAMP(6) NULL, \
         day DATE, doc TEXT, pic VARCHAR(20), hash BINARY(2))",
    )
    .await;
    let worker = Running::route(
        &env,
        r#"table = "n"
        columns = { s = { from = "s", as = "unix_s" }, ms = { from = "ms", as = "unix_ms" },
            us = { from = "us", as = "unix_us" }, day = { from = "ms", as = "unix_ms" },
            doc = { from = "doc", as = "json" }, pic = { from = "pic", as = "base64" },
            hash = { from = "hash", as = "hex" } }"#,
    );
    let job = r#"{"s":1700000000.25,"ms":1700000000123,"us":"1700000000123456","doc":{"a": [1,2.50]},"pic":"aGk","hash":"00fF"}"#;
    let bad = r#"{"s":"soon"}"#;
    let letters = env.run(&[job, bad, "{}"]).await;
    assert_eq!(
        env.lines("SELECT s, ms, us, day, doc, pic, HEX(hash) FROM n ORDER BY id").await,
        [
            "2023-11-14 22:13:20.250000|2023-11-14 22:13:20.123|2023-11-14 22:13:20.123456|2023-11-14|\
             {\"a\": [1,2.50]}|hi|00FF",
            "NULL|NULL|NULL|NULL|NULL|NULL|NULL",
        ]
    );
    assert_eq!(
        (letters.len(), letters[0].code.as_str(), letters[0].column.as_deref()),
        (1, "bad_value", Some("s"))
    );
    worker.stop().await;
}

#[tokio::test]
async fn a_boolean_is_a_number_and_json_a_document_where_the_column_takes_one() {
    let env = Env::with_table(
        "CREATE TABLE n (id INT AUTO_INCREMENT PRIMARY KEY, yes BOOLEAN, no BIT(1), text VARCHAR(9), doc JSON, \
         day DATE)",
    )
    .await;
    let worker = Running::worker(&env, &[("ROWCAST_TABLE", "n")]);
    let letters = env
        .run(&[
            r#"{"yes":true,"no":false,"text":true,"doc":true}"#,
            r#"{"doc":"text","text":12.50}"#,
            r#"{"doc":[[]],"text":"t"}"#,
            r#"{"doc":null}"#,
            r#"{"text":{"a":1}}"#,
            r#"{"day":true}"#,
        ])
        .await;
    assert_eq!(
        env.lines("SELECT yes, no+0, text, doc FROM n ORDER BY id").await,
        ["1|0|1|true", "NULL|NULL|12.50|\"text\"", "NULL|NULL|t|[[]]", "NULL|NULL|NULL|NULL"]
    );
    let codes: Vec<_> = letters.iter().map(|l| (l.code.as_str(), l.column.as_deref().unwrap())).collect();
    assert_eq!(codes, [("wrong_type", "text"), ("wrong_type", "day")]);
    worker.stop().await;
}

#[tokio::test]
async fn an_absent_key_takes_the_default_and_null_is_null() {
    let env = Env::with_table(
        "CREATE TABLE n (id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(9) DEFAULT 'dflt', b INT NOT NULL DEFAULT 7, \
         made TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, made3 DATETIME(3) DEFAULT CURRENT_TIMESTAMP(3), plain INT)",
    )
    .await;
    let worker = Running::worker(&env, &[("ROWCAST_TABLE", "n")]);
    let letters = env
        .run(&[
            "{}",
            r#"{"a":null,"made3":null}"#,
            r#"{"a":"x","b":1,"made":"2020-01-01T00:00:00Z","made3":null,"plain":5}"#,
            r#"{"b":null}"#,
            r#"{"id":50,"plain":6}"#,
            "{}",
        ])
        .await;
    let now = "ABS(TIMESTAMPDIFF(SECOND, made, UTC_TIMESTAMP())) < 100";
    let rows =
        env.lines(&format!("SELECT a, b, {now}, made3 IS NULL, plain FROM n ORDER BY plain, id")).await;
    let mut expected = ["dflt|7|1|0|NULL", "dflt|7|1|0|NULL", "NULL|7|1|1|NULL", "x|1|0|1|5", "dflt|7|1|0|6"];
    let mut rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    rows.sort_unstable();
    expected.sort_unstable();
    assert_eq!(rows, expected);
    let codes: Vec<_> = letters.iter().map(|l| (l.code.as_str(), l.column.as_deref())).collect();
    assert_eq!(codes, [("1048", Some("b"))]);
    assert_eq!(env.lines("SELECT plain FROM n WHERE id = 50").await, ["6"]);
    worker.stop().await;
}

#[tokio::test]
async fn a_value_that_the_column_cannot_take_names_its_code_and_column() {
    let env = Env::with_table(
        "CREATE TABLE n (id INT AUTO_INCREMENT PRIMARY KEY, s VARCHAR(3), i TINYINT, u INT UNSIGNED, d DATE, \
         at DATETIME, e ENUM('x'), latin VARCHAR(9) CHARACTER SET latin1, p DECIMAL(4,1), y YEAR, b BINARY(2), \
         doc JSON, checked INT CHECK (checked > 0), must INT NOT NULL DEFAULT 0, t TIME, v VARCHAR(9), f FLOAT, \
         bits BIT(3))",
    )
    .await;
    let worker = Running::route(
        &env,
        "table = \"n\"\ncolumns = { s='s', i='i', u='u', d='d', at='at', e='e', latin='latin', p='p', y='y', b='b', \
         doc='doc', checked='checked', must='must', t='t', v={ from='v', as='base64' }, f='f', bits='bits' }",
    );
    let forty = "1".repeat(40);
    let (deep, forty) = (
        format!(r#"{{"doc":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000)),
        format!(r#"{{"u":{forty}}}"#),
    );
    // MySQL does not say which column it is.
    let latin = if env.flavour == Flavour::MariaDb { ("1366", Some("latin")) } else { ("3988", None) };
    let cases = [
        (r#"{"s":"long"}"#, "1406", Some("s")),
        (r#"{"i":128}"#, "1264", Some("i")),
        (r#"{"u":-1}"#, "1264", Some("u")),
        (&forty, "1264", Some("u")),
        (r#"{"i":1e400}"#, "out_of_range", Some("i")),
        (r#"{"i":1.5}"#, "not_exact", Some("i")),
        (r#"{"i":"one"}"#, "wrong_type", Some("i")),
        (r#"{"i":[1]}"#, "wrong_type", Some("i")),
        (r#"{"d":"2023-02-29"}"#, "bad_value", Some("d")),
        (r#"{"d":"soon"}"#, "bad_value", Some("d")),
        (r#"{"d":20240229}"#, "wrong_type", Some("d")),
        (r#"{"at":"2023-02-29T00:00:00Z"}"#, "bad_value", Some("at")),
        (r#"{"at":"0000-00-00 00:00:00"}"#, "bad_value", Some("at")),
        (r#"{"e":"y"}"#, "bad_value", Some("e")),
        (r#"{"e":1}"#, "wrong_type", Some("e")),
        (r#"{"latin":"日"}"#, latin.0, latin.1),
        (r#"{"p":12345}"#, "1264", Some("p")),
        (r#"{"y":1800}"#, "1264", Some("y")),
        (r#"{"b":"AAAA"}"#, "1406", Some("b")),
        (r#"{"b":"*"}"#, "bad_value", Some("b")),
        (&deep, "bad_value", Some("doc")),
        (r#"{"doc":"\ud800"}"#, "bad_value", Some("doc")),
        (r#"{"s":"\ud800"}"#, "bad_value", Some("s")),
        (r#"{"must":null}"#, "1048", Some("must")),
        (r#"{"t":"noon"}"#, "bad_value", Some("t")),
        (r#"{"v":"/w=="}"#, "1366", Some("v")),
        (r#"{"f":1e39}"#, "1264", Some("f")),
        (r#"{"bits":8}"#, "1406", Some("bits")),
        (r#"{"checked":0}"#, if env.flavour == Flavour::MariaDb { "4025" } else { "3819" }, None),
    ];
    let mut jobs: Vec<&str> = cases.iter().flat_map(|(job, ..)| [*job, r#"{"must":1}"#]).collect();
    jobs.push(r#"{"s":"end"}"#);
    let letters = env.run(&jobs).await;
    let found: Vec<_> = letters
        .iter()
        .map(|letter| {
            (String::from_utf8(letter.raw_bytes()).unwrap(), letter.code.as_str(), letter.column.as_deref())
        })
        .collect();
    let expected: Vec<_> =
        cases.iter().map(|(job, code, column)| (job.to_string(), *code, *column)).collect();
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
    assert!(letters.iter().all(|letter| !letter.reason.is_empty() && letter.reason.len() < 700));
    assert_eq!(env.count("n").await as usize, cases.len() + 1, "the others went in");
    worker.stop().await;
}
