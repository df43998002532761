//! Requests over HTTP, each on a connection of its own.

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{PATIENCE, within};

/// What a request that brings JSON has in its head.
pub(crate) const JSON: &str = "Content-Type: application/json\r\n";

/// What a request is answered with by whoever listens there, until the connection ends.
pub(crate) async fn request_of(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    within(PATIENCE, "the end of the answer", stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status and the whole answer to a POST with these lines in its head.
pub(crate) async fn post(address: &str, path: &str, head: &str, body: &str) -> (u16, String) {
    let length = body.len();
    let request = format!("POST {path} HTTP/1.0\r\nContent-Length: {length}\r\n{head}\r\n{body}");
    let answer = request_of(address, &request).await;
    (status(&answer), answer)
}

/// The status of an answer.
pub(crate) fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{answer:?}"))
}

/// The JSON of an answer.
pub(crate) fn json_of(answer: &str) -> Value {
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON: {answer}"))
}
