//! A socket.io client that costs next to nothing: a WebSocket whose frames are looked at where they were read.
//!
//! A library's client would copy each message, and this process would be what is measured.

use anyhow::{Context as _, Result, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Larger than any message here, and than what a socket usually has.
const BUFFER: usize = 32 << 10;

/// A connection with a client of the namespace `/` on it.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// What of the buffer was read and not looked at yet.
    begin: usize,
    end: usize,
}

impl Client {
    /// Connects, and subscribes to a room.
    pub(crate) async fn connect(address: &str, room: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        // Idle ones hold no more than they need.
        let mut client = Self { stream, buffer: vec![0; 1024], begin: 0, end: 0 };
        client.upgrade(address).await?;
        client.expect("0{").await?;
        client.say("40").await?;
        client.expect("40{").await?;
        client.say(&format!("420[\"subscribe\",{room:?}]")).await?;
        client.expect("430[{\"ok\":true").await?;
        Ok(client)
    }

    async fn upgrade(&mut self, address: &str) -> Result<()> {
        let request = format!(
            "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        self.stream.write_all(request.as_bytes()).await?;
        loop {
            self.read().await?;
            let answer = &self.buffer[..self.end];
            if let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") {
                ensure!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(answer));
                self.begin = head + 4;
                return Ok(());
            }
        }
    }

    async fn expect(&mut self, start: &str) -> Result<()> {
        loop {
            match self.next()? {
                Some(b"2") => self.say("3").await?,
                Some(text) => {
                    let text = String::from_utf8_lossy(text);
                    ensure!(text.starts_with(start), "{text} instead of {start}");
                    return Ok(());
                }
                None => self.read().await?,
            }
        }
    }

    /// Sends a text frame. With a mask of zeros it is its own mask.
    async fn say(&mut self, text: &str) -> Result<()> {
        let length = u8::try_from(text.len()).ok().filter(|length| *length < 126).context("a short text")?;
        let frame = [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat();
        Ok(self.stream.write_all(&frame).await?)
    }

    /// Reads for ever, and gives each event's text to `heard`.
    pub(crate) async fn listen(mut self, mut heard: impl FnMut(&[u8])) -> Result<()> {
        loop {
            match self.next()? {
                Some(b"2") => self.say("3").await?,
                Some(text) => heard(text),
                None => self.read().await?,
            }
        }
    }

    /// The next frame's text, when all of it was read.
    fn next(&mut self) -> Result<Option<&[u8]>> {
        let frame = &self.buffer[self.begin..self.end];
        let (head, length) = match frame {
            [0x81, 126, high, low, ..] => (4, usize::from(u16::from_be_bytes([*high, *low]))),
            [0x81, 126, ..] | [0x81] | [] => return Ok(None),
            [0x81, length, ..] => (2, usize::from(*length)),
            [kind, ..] => anyhow::bail!("a frame of kind {kind:#x}"),
        };
        ensure!(length != 127, "a frame that is too large");
        if frame.len() < head + length {
            return Ok(None);
        }
        let text = self.begin + head;
        self.begin = text + length;
        Ok(Some(&self.buffer[text..text + length]))
    }

    async fn read(&mut self) -> Result<()> {
        self.buffer.copy_within(self.begin..self.end, 0);
        (self.begin, self.end) = (0, self.end - self.begin);
        if self.end == self.buffer.len() {
            self.buffer.resize(BUFFER, 0);
        }
        let read = self.stream.read(&mut self.buffer[self.end..]).await?;
        ensure!(read > 0, "the server has closed a connection");
        self.end += read;
        Ok(())
    }
}
