//! `rowcast check --alert`, and the receiver of the README.

use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use ring::hmac;
use tokio::{net::TcpStream, process::Command};

use super::{super::free_port, Answer, Receiver, SECRET};
use crate::{
    commands::run::{Ran, on, rowcast, run},
    docs::{block, read},
    faults::tls::authority,
    interop::{Node, require_node},
    support::{Env, PATIENCE, eventually, request_of},
};

async fn check(env: &Env, variables: &[(&str, &str)]) -> Ran {
    let mut command = on(env);
    command.args(["check", "--alert"]).envs(variables.iter().copied());
    run(command).await
}

#[tokio::test]
async fn a_check_sends_a_test_where_it_is_asked_to_and_says_what_was_answered() {
    let env = Env::new().await;
    rowcast(&env, &["migrate"]).await.ended(0);
    let receiver = Receiver::start().await;
    let url = ("ROWCAST_ALERT_URL", &*receiver.url);
    let mut plain = on(&env);
    plain.arg("check").envs([url]);
    run(plain).await.ended(0);
    assert_eq!(receiver.calls().len(), 0, "by itself it sends nothing");

    let told =
        check(&env, &[url]).await.ended(0).says("ok       alert: a test was sent, without a signature: ");
    let told = told.says("answers 200 OK, and says: as it was told");
    assert!(!told.out.contains("/hook"), "{told:?}");
    let call = &receiver.calls()[0];
    assert_eq!((call.signature.as_deref(), &call.body["kind"]), (None, &"test".into()));

    receiver.will([Answer::Status(403), Answer::Redirect]);
    check(&env, &[url, SECRET]).await.ended(1).says("PROBLEM  alert: a test was sent, signed: ").says("403");
    check(&env, &[url]).await.ended(1).says("307 Temporary Redirect").says("redirects are not followed");
    assert!(receiver.calls()[1].signature.is_some());
    let nobody = ("ROWCAST_ALERT_URL", "http://127.0.0.1:1/hidden");
    let told = check(&env, &[nobody]).await.ended(1).says("http://127.0.0.1:1 cannot be called: ");
    assert!(told.out.contains("onnection refused") && !told.out.contains("hidden"), "{told:?}");
    check(&env, &[]).await.ended(64).complains("ROWCAST_ALERT_URL: is not set");
    // What speaks no TLS, or whose certificate nobody has signed.
    let tls = receiver.url.replace("http://", "https://");
    check(&env, &[("ROWCAST_ALERT_URL", &tls)]).await.ended(1).says("cannot be called: ");
}

#[tokio::test]
async fn the_readmes_receiver_takes_what_is_signed_once_and_refuses_what_is_old_or_forged() {
    let env = Env::new().await;
    rowcast(&env, &["migrate"]).await.ended(0);
    require_node();
    let address = format!("127.0.0.1:{}", free_port());
    let program = block(&read("README.md"), "js", "x-rowcast-signature");
    let program = program.replace("9000", address.rsplit(':').next().unwrap());
    let mut command = Command::new("node");
    command.args(["--input-type=module", "-e", &program]).env(SECRET.0, SECRET.1);
    let mut node = Node::of(command);
    eventually(PATIENCE, "it listens", async || TcpStream::connect(&address).await.map(drop)).await;

    let url = format!("http://{address}/");
    check(&env, &[("ROWCAST_ALERT_URL", &url), SECRET])
        .await
        .ended(0)
        .says("signed: ")
        .says("answers 200 OK");
    let told = node.line().await;
    let text = "This is a test of rowcast's alerts: nothing is wrong.";
    assert_eq!((&told["state"], &told["text"]), (&"begins".into(), &text.into()));
    check(&env, &[("ROWCAST_ALERT_URL", &url)]).await.ended(1).says("answers 401");
    let other = ("ROWCAST_ALERT_SECRET", "another secret of the tests, long enough as well");
    check(&env, &[("ROWCAST_ALERT_URL", &url), other]).await.ended(1).says("answers 401");

    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.1.as_bytes());
    let post = async |time: u64, signed: u64, id: &str| {
        let body = format!(r#"{{"id":"{id}","state":"begins","text":"{id}"}}"#);
        let tag = hmac::sign(&key, format!("{signed}.{body}").as_bytes());
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let head = format!("X-Rowcast-Signature: t={time},v1={hex}\r\nContent-Length: {}\r\n", body.len());
        let answer = request_of(&address, &format!("POST / HTTP/1.0\r\n{head}\r\n{body}")).await;
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(post(now - 600, now - 600, "old").await, "401");
    assert_eq!(post(now, now - 600, "made to look new").await, "401");
    assert_eq!(post(now, now, "one").await, "200");
    assert_eq!(post(now, now, "one").await, "200");
    assert_eq!(post(now, now, "two").await, "200");
    assert_eq!((&node.line().await["text"], &node.line().await["text"]), (&"one".into(), &"two".into()));
}

/// A server with TLS, as small as Node has one.
const OVER_TLS: &str = r#"
    import { readFileSync } from "node:fs";
    import { createServer } from "node:https";
    const [key, cert] = ["server.key", "server.pem"].map((name) => readFileSync(process.env.FOLDER + "/" + name));
    const server = createServer({ key, cert }, (request, response) => request.resume().on("end", () => response.end("over TLS")));
    server.listen(0, "127.0.0.1", () => console.log(JSON.stringify(server.address().port)));
"#;

#[tokio::test]
async fn over_tls_the_receiver_is_checked_against_the_authority_that_is_named() {
    let env = Env::new().await;
    rowcast(&env, &["migrate"]).await.ended(0);
    require_node();
    let (ours, other) = (authority(), authority());
    let mut command = Command::new("node");
    command.args(["--input-type=module", "-e", OVER_TLS]).env("FOLDER", &ours);
    let mut node = Node::of(command);
    let url = format!("https://127.0.0.1:{}/", node.line().await);
    let url = ("ROWCAST_ALERT_URL", &*url);
    let file = |folder: &Path| folder.join("ca.pem").to_str().unwrap().to_owned();
    let (ours_file, other_file) = (file(&ours), file(&other));
    let ca = |file| ("ROWCAST_ALERT_CA", file);
    check(&env, &[url, ca(&*ours_file)]).await.ended(0).says("answers 200 OK, and says: over TLS");
    check(&env, &[url, ca(&*other_file)]).await.ended(1).says("cannot be called: invalid peer certificate");
    check(&env, &[url]).await.ended(1).says("cannot be called: invalid peer certificate");
    for (url, file, problem) in [
        (url, "/dev/null", "expected a file of certificates in PEM"),
        (url, "/does/not/exist", "cannot be read"),
        (("ROWCAST_ALERT_URL", "http://127.0.0.1:1/"), &*ours_file, "is not https://"),
    ] {
        check(&env, &[url, ca(file)]).await.ended(64).complains("ROWCAST_ALERT_CA=").complains(problem);
    }
    for folder in [ours, other] {
        std::fs::remove_dir_all(folder).unwrap();
    }
}
