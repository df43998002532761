//! A connection to Redis that comes back by itself, and never repeats a command by itself.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, Cmd, FromRedisValue, IntoConnectionInfo, RedisError, RedisResult,
    ServerErrorKind, TlsCertificates, aio::MultiplexedConnection, io::tcp::TcpSettings,
};

use crate::{
    config::SecretUrl,
    progress::{Peer, Progress},
};

/// How long a reply may take: above the longest block, below the patience of whoever watches the worker.
pub(super) const RESPONSE: Duration = Duration::from_secs(12);
const CONNECT: Duration = Duration::from_secs(5);
/// After so long without a reply people are told; longer than a blocking move.
pub const SLOW: Duration = Duration::from_secs(8);

/// A connection to one server, shared by its clones. It connects at the first use, and anew after an error.
#[derive(Clone)]
pub struct Link {
    client: Client,
    /// See [`silence`].
    silence: &'static str,
    live: Arc<Mutex<Option<Live>>>,
    progress: Progress,
}

#[derive(Clone)]
struct Live {
    connection: MultiplexedConnection,
    id: i64,
    /// Redis 7 and later knows flags on scripts.
    modern: bool,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Link")
    }
}

impl Link {
    /// Takes the address; nothing is connected yet.
    ///
    /// # Errors
    /// An address that cannot be read.
    pub fn new(url: &SecretUrl) -> RedisResult<Self> {
        let (client, silence) = (client(url)?, silence(url));
        Ok(Self { client, silence, live: Arc::default(), progress: Progress::default() })
    }

    /// The same connection, whose requests count as the progress of this route.
    #[must_use]
    pub fn watched(mut self, progress: &Progress) -> Self {
        self.progress = progress.clone();
        self
    }

    /// A second connection to the same server.
    pub fn another(&self) -> Self {
        Self { live: Arc::default(), ..self.clone() }
    }

    /// Sends a command, connecting first where that is needed.
    ///
    /// # Errors
    /// Any error of Redis. After one that leaves the connection in doubt the next call makes a new one.
    pub async fn query<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        self.ask(async |connection| command.query_async(connection).await).await
    }

    /// Publishes a message. Returns how many subscribers heard it: of servers, each is one.
    ///
    /// # Errors
    /// As [`Link::query`]; after one it is not known whether the message was published.
    pub async fn publish(&self, channel: &str, payload: &[u8]) -> RedisResult<u64> {
        self.query(redis::cmd("PUBLISH").arg(channel).arg(payload)).await
    }

    /// Sends several commands at once.
    ///
    /// # Errors
    /// As [`Link::query`].
    pub async fn pipeline<T: FromRedisValue>(&self, pipeline: &redis::Pipeline) -> RedisResult<T> {
        self.ask(async |connection| pipeline.query_async(connection).await).await
    }

    /// Whether the server knows flags on scripts.
    pub(super) async fn is_modern(&self) -> RedisResult<bool> {
        Ok(self.live().await?.modern)
    }

    /// The server's number for this connection, while there is one.
    pub(super) fn client_id(&self) -> Option<i64> {
        self.lock().as_ref().map(|live| live.id)
    }

    /// Asks something with a library's own function, connecting first where that is needed.
    pub(super) async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&mut MultiplexedConnection) -> RedisResult<T>,
    ) -> RedisResult<T> {
        let request = self.progress.ask(Peer::Redis);
        let mut live = self.live().await?;
        let result = question(&mut live.connection).await;
        match &result {
            Err(error) if is_lost(error) => self.forget(&live),
            _ => request.answered(),
        }
        result
    }

    async fn live(&self) -> RedisResult<Live> {
        if let Some(live) = self.lock().clone() {
            return Ok(live);
        }
        let request = self.progress.ask(Peer::Redis);
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(RESPONSE));
        let connected = self.client.get_multiplexed_async_connection_with_config(&config).await;
        let mut connection = connected.map_err(|error| match error.is_timeout() {
            true => std::io::Error::new(std::io::ErrorKind::TimedOut, self.silence).into(),
            false => error,
        })?;
        let id = redis::cmd("CLIENT").arg("ID").query_async(&mut connection).await?;
        let info: String = redis::cmd("INFO").arg("server").query_async(&mut connection).await?;
        let live = Live { connection, id, modern: is_modern(&info) };
        *self.lock() = Some(live.clone());
        request.answered();
        Ok(live)
    }

    fn forget(&self, lost: &Live) {
        let mut live = self.lock();
        if live.as_ref().is_some_and(|live| live.id == lost.id) {
            *live = None;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether an error leaves it in doubt what became of a request, and of the connection.
pub fn is_lost(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_timeout()
        || error.is_unrecoverable_error()
        || error.is_connection_dropped()
}

/// A client for this address; nothing is connected yet.
///
/// # Errors
/// An address that cannot be read.
pub fn client(url: &SecretUrl) -> RedisResult<Client> {
    // A request must not wait for the acknowledgement of the one before it.
    let tcp = TcpSettings::default().set_nodelay(true);
    let server = url.expose().into_connection_info()?.set_tcp_settings(tcp);
    match url.authorities() {
        None => Client::open(server),
        Some(pem) => {
            let trust = TlsCertificates { client_tls: None, root_cert: Some(pem.as_bytes().to_vec()) };
            Client::build_with_tls(server, trust)
        }
    }
}

/// What is wrong with a Redis that takes connections and says nothing on them, in words for whoever must act on it.
pub fn silence(url: &SecretUrl) -> &'static str {
    match url.expose().starts_with("rediss://") {
        true => {
            "Redis does not answer to TLS: it hangs, or knows none, and then REDIS_URL begins with redis://"
        }
        false => NO_ANSWER,
    }
}

const NO_ANSWER: &str = "Redis does not answer";

fn is_modern(info: &str) -> bool {
    let version = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
    let major = version.and_then(|version| version.split('.').next()?.trim().parse::<u32>().ok());
    major.is_some_and(|major| major >= 7)
}

/// Whether an error is of a kind that Redis names by this code, such as `WRONGTYPE`. Inside a script or a pipeline the
/// code is in the text only.
pub fn has_code(error: &RedisError, code: &str) -> bool {
    let is_in = |text: String| text.split(|c: char| !c.is_ascii_uppercase()).any(|word| word == code);
    error.code() == Some(code) || is_in(error.to_string())
}

/// What is wrong, in words for whoever must act on it.
pub fn describe(error: &RedisError) -> String {
    let detail = error.to_string();
    let is = |code: &str| has_code(error, code);
    match error.kind() {
        redis::ErrorKind::Server(ServerErrorKind::BusyLoading) => "Redis is loading its data".into(),
        redis::ErrorKind::Server(ServerErrorKind::ReadOnly) => {
            format!("Redis is a read-only replica; point REDIS_URL at the primary ({detail})")
        }
        _ if is("NOAUTH") => {
            format!("Redis wants a password: put it into REDIS_URL, redis://:password@host:port ({detail})")
        }
        // Redis has the same word for both, and the library a kind of its own.
        _ if is("WRONGPASS") || error.kind() == redis::ErrorKind::AuthenticationFailed => {
            "Redis refuses the user or the password in REDIS_URL; special characters of a password must be \
             percent-encoded there, @ is %40"
                .into()
        }
        // Its words, between those of the library.
        _ if detail.contains("refused to switch database") => {
            let why = detail.rsplit(": ").next().unwrap_or_default();
            format!("Redis refuses the database that REDIS_URL names by the number at its end ({why})")
        }
        _ if is("WRONGTYPE") => {
            format!(
                "the queue's key, or one of its companions, is of another type: something else uses its name; \
                 `rowcast check` names it ({detail})"
            )
        }
        _ if is("OOM") => format!("Redis is out of memory ({detail})"),
        _ if is("NOPERM") => format!("the user in REDIS_URL lacks a right ({detail})"),
        _ if detail.contains("invalid peer certificate") => {
            format!(
                "the certificate of Redis is not trusted ({detail}); \
                 one that a private authority has signed needs that authority in ROWCAST_REDIS_CA"
            )
        }
        _ if error.is_timeout() && detail.starts_with(NO_ANSWER) => detail,
        _ if error.is_timeout() => NO_ANSWER.into(),
        // The library quotes what it could not read, on several lines.
        redis::ErrorKind::Parse if detail.contains("Parse error") => {
            "what answers where REDIS_URL says is no Redis; that is the port of another server, MySQL perhaps"
                .into()
        }
        _ if detail.contains("received corrupt message") => format!(
            "what answers where REDIS_URL says speaks no TLS ({detail}); a Redis without TLS is \
             redis://"
        ),
        _ if error.is_io_error() => {
            format!("Redis cannot be reached ({detail}); it should run where REDIS_URL says")
        }
        _ => detail,
    }
}
