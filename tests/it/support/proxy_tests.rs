//! The proxy does what its orders say, seen through plain sockets and through real servers.

use std::time::Duration;

use sqlx::{Connection, Executor, MySqlConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Env, Proxy, Side, eventually, redis_connection, within};

const LIMIT: Duration = Duration::from_secs(10);

/// A server that sends everything back, and a proxy before it.
async fn echo() -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = socket.split();
                tokio::io::copy(&mut from, &mut to).await.ok();
            });
        }
    });
    Proxy::start(port).await
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap()
}

/// Sends bytes and returns the reply of the same length.
async fn ask(socket: &mut TcpStream, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    socket.write_all(bytes).await?;
    let mut reply = vec![0; bytes.len()];
    within(LIMIT, "an echo", socket.read_exact(&mut reply)).await?;
    Ok(reply)
}

#[tokio::test]
async fn bytes_and_ends_pass_through() {
    let proxy = echo().await;
    let mut socket = connect(&proxy).await;
    assert_eq!(ask(&mut socket, b"hello").await.unwrap(), b"hello");
    assert_eq!(proxy.open(), 1);
    let big = vec![7; 300_000];
    let (mut from, mut to) = socket.split();
    let mut back = Vec::new();
    let send = async {
        to.write_all(&big).await.unwrap();
        to.shutdown().await.unwrap();
    };
    within(LIMIT, "the echo's end", async { tokio::join!(send, from.read_to_end(&mut back)) })
        .await
        .1
        .unwrap();
    assert!(back == big);
    eventually(
        LIMIT,
        "the connection is over",
        async || if proxy.open() == 0 { Ok(()) } else { Err(proxy.open()) },
    )
    .await;
}

#[tokio::test]
async fn cut_all_cuts_what_is_open_and_takes_new_connections() {
    let proxy = echo().await;
    let (mut one, mut other) = (connect(&proxy).await, connect(&proxy).await);
    ask(&mut one, b"a").await.unwrap();
    ask(&mut other, b"b").await.unwrap();
    proxy.cut_all();
    assert!(ask(&mut one, b"a").await.is_err());
    assert!(ask(&mut other, b"b").await.is_err());
    assert_eq!(ask(&mut connect(&proxy).await, b"c").await.unwrap(), b"c");
}

#[tokio::test]
async fn cut_after_lets_exactly_that_many_bytes_pass() {
    for side in [Side::Client, Side::Server] {
        let proxy = echo().await;
        let mut socket = connect(&proxy).await;
        ask(&mut socket, b"before").await.unwrap();
        proxy.cut_after(side, 4);
        socket.write_all(b"123456").await.unwrap();
        let mut back = Vec::new();
        // A cut may look like an end or like an error.
        within(LIMIT, "the cut", socket.read_to_end(&mut back)).await.ok();
        let expected: &[u8] = if side == Side::Server { b"1234" } else { &back };
        assert_eq!(back, expected);
        assert!(b"1234".starts_with(&back));
        proxy.sprung(1, LIMIT).await;
        assert_eq!(ask(&mut connect(&proxy).await, b"whole again").await.unwrap(), b"whole again");
    }
}

#[tokio::test]
async fn held_bytes_wait_and_none_is_lost() {
    for side in [Side::Client, Side::Server] {
        let proxy = echo().await;
        let mut socket = connect(&proxy).await;
        ask(&mut socket, b"before").await.unwrap();
        proxy.hold(side);
        socket.write_all(b"held").await.unwrap();
        let mut reply = [0; 4];
        let early = tokio::time::timeout(Duration::from_millis(50), socket.read_exact(&mut reply)).await;
        assert!(early.is_err(), "the echo passed a proxy that holds {side:?}");
        proxy.release(side);
        within(LIMIT, "the held bytes", socket.read_exact(&mut reply)).await.unwrap();
        assert_eq!(&reply, b"held");
    }
}

#[tokio::test]
async fn refused_connections_fail_until_they_are_accepted_again() {
    let mut proxy = echo().await;
    let mut open = connect(&proxy).await;
    ask(&mut open, b"a").await.unwrap();
    proxy.refuse().await;
    let refused = TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    assert_eq!(ask(&mut open, b"b").await.unwrap(), b"b");
    proxy.accept().await;
    assert_eq!(ask(&mut connect(&proxy).await, b"c").await.unwrap(), b"c");
}

#[tokio::test]
async fn bytes_of_a_trap_are_found_across_packets() {
    let proxy = echo().await;
    let mut socket = connect(&proxy).await;
    proxy.lose_reply_to(b"COMMIT");
    assert_eq!(ask(&mut socket, b"xxCOM").await.unwrap(), b"xxCOM");
    assert!(ask(&mut socket, b"MIT").await.is_err());
    proxy.sprung(1, LIMIT).await;
}

#[tokio::test]
async fn a_commit_whose_reply_is_lost_is_done() {
    let env = Env::new().await;
    env.execute("CREATE TABLE t (id INT)").await;
    let proxy = Proxy::start(env.sql_port).await;
    let mut connection = MySqlConnection::connect(&proxy.url(&env.database_url)).await.unwrap();
    let mut transaction = connection.begin().await.unwrap();
    transaction.execute("INSERT INTO t VALUES (1)").await.unwrap();
    proxy.lose_reply_to(b"COMMIT");
    let error = within(LIMIT, "the end of COMMIT", transaction.commit()).await.unwrap_err();
    assert!(matches!(error, sqlx::Error::Io(_)), "{error:?}");
    proxy.sprung(1, LIMIT).await;
    assert_eq!(env.count("t").await, 1);
}

#[tokio::test]
async fn a_commit_whose_request_is_lost_is_not_done() {
    let env = Env::new().await;
    env.execute("CREATE TABLE t (id INT)").await;
    let proxy = Proxy::start(env.sql_port).await;
    let mut connection = MySqlConnection::connect(&proxy.url(&env.database_url)).await.unwrap();
    let mut transaction = connection.begin().await.unwrap();
    transaction.execute("INSERT INTO t VALUES (1)").await.unwrap();
    proxy.lose_request(b"COMMIT");
    assert!(within(LIMIT, "the end of COMMIT", transaction.commit()).await.is_err());
    // Waits for the row's lock, so that the old session has ended.
    env.execute("DELETE FROM t WHERE id = 2").await;
    assert_eq!(env.count("t").await, 0);
}

#[tokio::test]
async fn a_push_whose_reply_is_lost_is_in_the_queue() {
    let env = Env::new().await;
    let proxy = Proxy::start(env.redis.port()).await;
    let mut connection = redis_connection(&proxy.url(&env.redis_url)).await;
    proxy.lose_reply_to(b"LPUSH");
    let pushed = redis::cmd("LPUSH").arg(&env.queue).arg("job").query_async::<u64>(&mut connection).await;
    assert!(pushed.is_err());
    let mut direct = env.redis_connection().await;
    let length: u64 = redis::cmd("LLEN").arg(&env.queue).query_async(&mut direct).await.unwrap();
    assert_eq!(length, 1);
}
