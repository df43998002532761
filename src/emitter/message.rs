//! What a channel and a message say, once they are read; [`decode`](super::decode()) makes them.
//!
//! Integer rooms are their digits here: a reader's rooms are strings. Values are as they came.

use super::Value;

/// What a channel is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelKind {
    /// Events for clients.
    Broadcast,
    /// Requests between servers, and from emitters to servers.
    Request,
    /// Servers' answers to requests.
    Response,
}

/// A channel's name, taken apart. Reading it is enough to drop a message for a room without members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channel<'c> {
    /// What it is for.
    pub kind: ChannelKind,
    /// The namespace, with its slash.
    pub nsp: &'c str,
    /// On a broadcast channel, the one room that the message is for; a name may contain `#`.
    pub room: Option<&'c str>,
}

impl<'c> Channel<'c> {
    /// None when the channel is not one of this prefix. A namespace ends at the first `#`.
    pub fn parse(key: &str, channel: &'c str) -> Option<Self> {
        let rest = channel.strip_prefix(key)?;
        let (kind, rest) = if let Some(rest) = rest.strip_prefix("-request#") {
            (ChannelKind::Request, rest)
        } else if let Some(rest) = rest.strip_prefix("-response#") {
            (ChannelKind::Response, rest)
        } else {
            (ChannelKind::Broadcast, rest.strip_prefix('#')?)
        };
        let (nsp, room) = rest.split_once('#').unwrap_or((rest, ""));
        let room = room.strip_suffix('#').unwrap_or(room);
        nsp.starts_with('/').then_some(Self { kind, nsp, room: (!room.is_empty()).then_some(room) })
    }
}

/// A message of an emitter or of another server.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// An event for clients. A server that wants their acknowledgements sends it as a request, and waits for an answer
    /// from every process that is subscribed to the request channel; to the clients it is an event like any other.
    Broadcast(Broadcast),
    /// A request to servers.
    Request(Request),
}

/// An event for the clients of a namespace.
#[derive(Clone, Debug, PartialEq)]
pub struct Broadcast {
    /// Who sent it: `emitter`, or a server's own identity.
    pub uid: String,
    /// The namespace.
    pub nsp: String,
    /// Only sockets in these rooms; all sockets when there are none. Integer rooms as their digits.
    pub rooms: Vec<String>,
    /// No socket in these rooms.
    pub except: Vec<String>,
    /// How to deliver it.
    pub flags: Flags,
    /// The event's name.
    pub event: String,
    /// Its arguments.
    pub args: Vec<Value>,
}

/// How a broadcast is delivered. Other flags of the protocol do not concern the receiver, and are ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// May be dropped for a client that is not ready.
    pub volatile: bool,
    /// Whether to compress, when the sender said so.
    pub compress: Option<bool>,
}

/// A request to the servers of a namespace.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// The sockets in `rooms` and not in `except` join `joined`.
    Join {
        /// As in [`Broadcast::rooms`].
        rooms: Vec<String>,
        /// As in [`Broadcast::except`].
        except: Vec<String>,
        /// The rooms to join.
        joined: Vec<String>,
    },
    /// The sockets in `rooms` and not in `except` leave `left`.
    Leave {
        /// As in [`Broadcast::rooms`].
        rooms: Vec<String>,
        /// As in [`Broadcast::except`].
        except: Vec<String>,
        /// The rooms to leave.
        left: Vec<String>,
    },
    /// The sockets in `rooms` and not in `except` are disconnected.
    Disconnect {
        /// As in [`Broadcast::rooms`].
        rooms: Vec<String>,
        /// As in [`Broadcast::except`].
        except: Vec<String>,
        /// Whether to close the connection under the socket as well.
        close: bool,
    },
    /// An event for the servers themselves.
    ServerSideEmit {
        /// Who sent it.
        uid: String,
        /// Set when the sender waits for an answer.
        request_id: Option<String>,
        /// The event's name.
        event: String,
        /// Its arguments.
        args: Vec<Value>,
    },
    /// A question of a server to the others (who is connected, which rooms exist); the sender waits for an answer from
    /// every process that is subscribed to the request channel.
    Question {
        /// The request's type: 0, 1, 5 and whatever later adapters add.
        kind: u64,
        /// What the answer refers to.
        request_id: Option<String>,
    },
}

/// Why a message was not understood. Log it and go on: nothing is wrong with the reader.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not a channel of this prefix, or one for servers' answers.
    #[error("the channel {0:?} carries no broadcasts and no requests under this prefix")]
    Channel(String),
    /// Neither MessagePack nor JSON.
    #[error("the message is not readable: {0}")]
    Unreadable(String),
    /// A server with `createShardedAdapter`.
    #[error(
        "the message is of the sharded Redis adapter, which emitters and the classic adapter cannot talk to; \
         use createAdapter on the Node servers"
    )]
    Sharded,
    /// Readable, and not a message.
    #[error("the message is not one of an emitter or an adapter: {0}")]
    Shape(&'static str),
    /// The namespace of the channel and that of the packet differ; Node servers ignore such a message too.
    #[error("the message for the namespace {packet:?} came on the channel of {channel:?}")]
    Namespace {
        /// The namespace of the channel.
        channel: String,
        /// The namespace in the packet.
        packet: String,
    },
}
