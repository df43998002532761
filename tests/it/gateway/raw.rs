//! Clients made by hand: single frames of WebSocket, single requests of long-polling.

use base64::Engine as _;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

use super::Gateway;
use crate::support::{PATIENCE, within};

/// What stands between two packets of long-polling.
const SEPARATOR: char = '\u{1e}';

/// A session of long-polling, each request on a connection of its own.
pub(super) struct Polling<'g> {
    gateway: &'g Gateway,
    query: String,
}

impl<'g> Polling<'g> {
    /// Opens a session; also returns what it is greeted with.
    pub(super) async fn open(gateway: &'g Gateway) -> (Self, Value) {
        let query = "EIO=4&transport=polling";
        let (status, body) = http(gateway, "GET", query, "").await;
        assert!(status == 200 && body.starts_with('0'), "{status} {body}");
        let greeting: Value = serde_json::from_str(&body[1..]).unwrap();
        let query = format!("{query}&sid={}", greeting["sid"].as_str().unwrap());
        (Self { gateway, query }, greeting)
    }

    /// A session whose client is connected, and has answered the first ping.
    pub(super) async fn connected(gateway: &'g Gateway) -> Self {
        let (session, _) = Self::open(gateway).await;
        session.say("40").await;
        // The first ping comes at once, and nothing then comes by itself for ten seconds.
        let (mut connected, mut pinged) = (false, false);
        while !(connected && pinged) {
            let (status, body) = session.get().await;
            assert_eq!(status, 200, "{body}");
            connected |= body.split(SEPARATOR).any(|packet| packet.starts_with("40{"));
            pinged |= body.split(SEPARATOR).any(|packet| packet == "2");
        }
        session.say("3").await;
        session
    }

    pub(super) async fn get(&self) -> (u16, String) {
        http(self.gateway, "GET", &self.query, "").await
    }

    /// Comes for what is queued, and does not wait for the answer.
    pub(super) async fn ask(&self) -> TcpStream {
        let mut stream = TcpStream::connect(&self.gateway.address).await.unwrap();
        stream.write_all(request("GET", &self.query, "").as_bytes()).await.unwrap();
        stream
    }

    pub(super) async fn post(&self, body: &str) -> (u16, String) {
        http(self.gateway, "POST", &self.query, body).await
    }

    /// Sends packets.
    pub(super) async fn say(&self, packets: &str) {
        assert_eq!(self.post(packets).await, (200, "ok".to_owned()), "{packets}");
    }

    /// Comes for what is queued, until there is a packet that begins like this. Returns the packets but for pings,
    /// which it answers.
    pub(super) async fn until(&self, packet: &str) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        while !all.iter().any(|one| one.starts_with(packet)) {
            let (status, body) = self.get().await;
            assert_eq!(status, 200, "before {packet}: {body}");
            for one in body.split(SEPARATOR) {
                if one == "2" { self.say("3").await } else { all.push(one.to_owned()) }
            }
        }
        all
    }

    /// Asks to go on with WebSocket.
    pub(super) async fn web_socket(&self) -> Result<Socket, u16> {
        Socket::ask(self.gateway, &self.web_socket_query()).await
    }

    /// What it asks for a WebSocket with.
    pub(super) fn web_socket_query(&self) -> String {
        self.query.replace("polling", "websocket")
    }

    /// Goes on with WebSocket.
    pub(super) async fn upgrade(&self) -> Socket {
        self.upgrade_on(TcpStream::connect(&self.gateway.address).await.unwrap()).await
    }

    /// As [`Polling::upgrade`], on a connection that is there already.
    pub(super) async fn upgrade_on(&self, stream: TcpStream) -> Socket {
        let mut socket = Socket::ask_on(stream, &self.web_socket_query()).await.unwrap();
        socket.send("2probe").await;
        assert_eq!(socket.text().await, "3probe");
        // An empty answer ends a request that may be waiting.
        assert_eq!(self.get().await, (200, "6".to_owned()));
        socket.send("5").await;
        socket
    }
}

/// What a request to the socket.io server is answered with: the status and the body.
pub(super) async fn http(gateway: &Gateway, method: &str, query: &str, body: &str) -> (u16, String) {
    status_and_body(&gateway.request(&request(method, query, body)).await)
}

/// What comes for a [`Polling::ask`].
pub(super) async fn answer(mut waiting: TcpStream) -> (u16, String) {
    let mut answer = String::new();
    within(PATIENCE, "the end of the answer", waiting.read_to_string(&mut answer)).await.unwrap();
    status_and_body(&answer)
}

fn request(method: &str, query: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} /socket.io/?{query} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: text/plain;charset=UTF-8\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

fn status_and_body(answer: &str) -> (u16, String) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {answer:?}"));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// A WebSocket.
pub(super) struct Socket {
    stream: BufReader<TcpStream>,
}

/// What comes on it.
#[derive(Debug, PartialEq)]
pub(super) enum Frame {
    Text(String),
    Binary(Vec<u8>),
}

impl Socket {
    /// Asks for one.
    ///
    /// # Errors
    /// The status of the answer that is none.
    pub(super) async fn ask(gateway: &Gateway, query: &str) -> Result<Self, u16> {
        Self::ask_on(TcpStream::connect(&gateway.address).await.unwrap(), query).await
    }

    /// As [`Socket::ask`], on a connection that is there already.
    pub(super) async fn ask_on(stream: TcpStream, query: &str) -> Result<Self, u16> {
        let key = base64::engine::general_purpose::STANDARD.encode([7; 16]);
        let request = format!(
            "GET /socket.io/?{query} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        );
        let mut stream = BufReader::new(stream);
        stream.get_mut().write_all(request.as_bytes()).await.unwrap();
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let read = within(PATIENCE, "the head of the answer", stream.read_line(&mut head)).await.unwrap();
            assert_ne!(read, 0, "the answer ends: {head}");
        }
        match head.split(' ').nth(1).unwrap().parse().unwrap() {
            101 => Ok(Self { stream }),
            other => Err(other),
        }
    }

    /// A session of WebSocket; also returns what it is greeted with.
    pub(super) async fn open(gateway: &Gateway) -> (Self, Value) {
        let mut socket = Self::ask(gateway, "EIO=4&transport=websocket").await.unwrap();
        let greeting = socket.greeting().await;
        (socket, greeting)
    }

    async fn greeting(&mut self) -> Value {
        let greeting = self.text().await;
        assert!(greeting.starts_with('0'), "{greeting}");
        serde_json::from_str(&greeting[1..]).unwrap()
    }

    /// A session whose client is connected.
    pub(super) async fn connected(gateway: &Gateway) -> Self {
        Self::open(gateway).await.0.enter().await
    }

    /// As [`Socket::connected`], on a connection that is there already.
    pub(super) async fn connected_on(stream: TcpStream) -> Self {
        let mut socket = Self::ask_on(stream, "EIO=4&transport=websocket").await.unwrap();
        socket.greeting().await;
        socket.enter().await
    }

    async fn enter(mut self) -> Self {
        self.send("40").await;
        let answer = self.text().await;
        assert!(answer.starts_with("40{\"sid\":"), "{answer}");
        self
    }

    pub(super) async fn send(&mut self, text: &str) {
        self.send_bytes(&text_frame(text)).await;
    }

    pub(super) async fn send_binary(&mut self, bytes: &[u8]) {
        self.send_bytes(&frame(0x82, bytes)).await;
    }

    /// Sends whatever bytes, as far as the server takes them.
    pub(super) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).await.ok();
    }

    /// The next frame; nothing when the connection ends, or is told to.
    pub(super) async fn frame(&mut self) -> Option<Frame> {
        within(PATIENCE, "a frame or the end", async {
            let first = self.stream.read_u8().await.ok()?;
            let length = match self.stream.read_u8().await.ok()? {
                126 => self.stream.read_u16().await.ok()?.into(),
                127 => self.stream.read_u64().await.ok()?,
                short => short.into(),
            };
            let mut payload = vec![0; length as usize];
            self.stream.read_exact(&mut payload).await.ok()?;
            match first & 0x0f {
                1 => Some(Frame::Text(String::from_utf8(payload).unwrap())),
                2 => Some(Frame::Binary(payload)),
                8 => None,
                other => panic!("a frame of kind {other}"),
            }
        })
        .await
    }

    /// The next frame that is no ping; those are answered.
    pub(super) async fn next(&mut self) -> Frame {
        loop {
            match self.frame().await.expect("a frame, and not the end") {
                Frame::Text(text) if text == "2" => self.send("3").await,
                frame => return frame,
            }
        }
    }

    /// As [`Socket::next`], where it is text.
    pub(super) async fn text(&mut self) -> String {
        match self.next().await {
            Frame::Text(text) => text,
            other => panic!("{other:?}"),
        }
    }

    /// Waits for the end of the connection, and answers no pings.
    pub(super) async fn ends(&mut self) {
        while self.frame().await.is_some() {}
    }
}

/// A text in a WebSocket frame.
pub(super) fn text_frame(text: &str) -> Vec<u8> {
    frame(0x81, text.as_bytes())
}

/// A WebSocket frame with this first byte, masked with zeros.
pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..126 => frame.push(0x80 | short as u8),
        middle @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(middle as u16).to_be_bytes());
        }
        long => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}
