//! The keys that tokens are checked with, and what else the settings say of tokens.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process::Command,
};

use super::{
    super::{Gateway, ask, spawned},
    NAME, clients, refusals,
    tokens::{self, KeyPair, SECRET, now, secret, signed, token},
};
use crate::support::{Env, PATIENCE, Running, within};

#[tokio::test]
async fn tokens_of_a_private_key_are_checked_with_its_public_key_alone() {
    let env = Env::new().await;
    let claims = json!({"exp": now() + 60, "rooms": ["a"]});
    for (own, other) in [(KeyPair::rsa(), KeyPair::rsa()), (KeyPair::p256(), KeyPair::p256())] {
        let file = own.public_file();
        let gateway = Gateway::start(&env, &[("ROWCAST_JWT_PUBLIC_KEY", file.to_str().unwrap())]).await;
        let mut node = clients(&gateway, &["--transport", "websocket"], &[("/#", &own.sign(&claims))]).await;
        assert_eq!(ask(&mut node, "/#", json!(["subscribe", "a"])).await["ok"], true);
        assert_eq!(ask(&mut node, "/#", json!(["subscribe", "b"])).await["code"], "forbidden");

        let pem = std::fs::read(&file).unwrap();
        let text = String::from_utf8(pem.clone()).unwrap();
        let tricks = [
            ("/#der", tokens::hs256(&claims, &own.public_der())),
            ("/#other", other.sign(&claims)),
            ("/#pem", tokens::hs256(&claims, &pem)),
            ("/#trimmed", tokens::hs256(&claims, text.trim().as_bytes())),
            ("/#unsigned", signed(&json!({"alg": "none"}), &claims, |_| Vec::new())),
            ("/#wrong", own.sign_as("HS256", &claims)),
        ];
        let tricks: Vec<(&str, &str)> =
            tricks.iter().map(|(client, token)| (*client, token.as_str())).collect();
        for line in refusals(&gateway, &["--transport", "websocket"], &tricks).await {
            assert!(line.contains("bad_token: th"), "{line}");
        }
    }
}

#[tokio::test]
async fn what_contradicts_itself_or_is_no_key_is_bad_configuration_and_no_secret_is_shown() {
    let env = Env::new().await;
    let private = KeyPair::p256();
    let private = private.private_file();
    let small = KeyPair::small_rsa();
    let small = small.public_file();
    for (variables, named, problem) in [
        (vec![(NAME, &SECRET[..31])], NAME, "has 31 bytes"),
        (vec![(NAME, SECRET), ("ROWCAST_PUBLIC", "true")], "ROWCAST_PUBLIC=\"true\"", "unset one"),
        (
            vec![("ROWCAST_JWT_PUBLIC_KEY", private.to_str().unwrap())],
            "ROWCAST_JWT_PUBLIC_KEY=",
            "private key",
        ),
        (vec![("ROWCAST_JWT_PUBLIC_KEY", small.to_str().unwrap())], "ROWCAST_JWT_PUBLIC_KEY=", "2048 bits"),
        (vec![("ROWCAST_LISTEN", "0.0.0.0:0")], "ROWCAST_LISTEN=", "set ROWCAST_JWT_SECRET"),
    ] {
        let mut process = Running::on(&env, "gateway", "", &variables);
        assert_eq!(process.ended().await.code(), Some(64), "{variables:?}");
        let log = process.whole_log().await.join(" ");
        assert!(log.contains(named) && log.contains(problem), "{log}");
        assert!(!log.contains(&SECRET[..31]), "{log}");
    }
}

#[tokio::test]
async fn tokens_of_another_audience_or_issuer_are_refused() {
    let env = Env::new().await;
    let variables = [(NAME, SECRET), ("ROWCAST_JWT_AUDIENCE", "rowcast"), ("ROWCAST_JWT_ISSUER", "shop")];
    let gateway = Gateway::start(&env, &variables).await;
    let of = |aud: &str, iss: &str| secret(&json!({"exp": now() + 60, "rooms": [], "aud": aud, "iss": iss}));
    let (aud, iss) = (of("other", "shop"), of("rowcast", "other"));
    let told = refusals(&gateway, &[], &[("/#aud", &aud), ("/#iss", &iss), ("/#none", &token(&[]))]).await;
    for (line, expected) in told.iter().zip(["token's aud", "token's iss", "token has no "]) {
        assert!(line.contains("bad_token: the ") && line.contains(expected), "{line}");
    }
    clients(&gateway, &[], &[("/#", &of("rowcast", "shop"))]).await;
}

#[tokio::test]
async fn a_secret_that_is_no_text_does_not_leave_the_doors_open() {
    let env = Env::new().await;
    let mut command = Command::new("/usr/bin/env");
    // Behind `env`, because the variables of the command itself are set anew.
    let secret = [NAME.as_bytes(), b"=", &[0xff; 40]].concat();
    command.arg(OsStr::from_bytes(&secret)).args([env!("CARGO_BIN_EXE_rowcast"), "gateway"]);
    let (_gateway, address) = spawned(&env, &mut command).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /socket.io/?EIO=3&transport=polling HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    within(PATIENCE, "the answer", stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 401 ") && answer.contains("no_token: "), "{answer}");
}
