//! What happens to a supervisor's children, for those who look from elsewhere: the events of the Node cluster.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use ulid::Ulid;

use super::Role;

/// Something that happened to a child, as it is told on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happening {
    /// Which of its supervisor's events this is, counted from 1.
    pub seq: u64,
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// What.
    pub what: Kind,
    /// What the child is.
    pub role: Role,
    /// Its slot.
    pub slot: u32,
    /// Its id.
    pub id: Ulid,
    /// Its process id.
    pub pid: Option<u32>,
    /// Of an exit: the reason, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Of a gateway that listens: where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddr>,
}

/// The events of the Node cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A process was started.
    Fork,
    /// It is at work.
    Online,
    /// It accepts connections.
    Listening,
    /// It has closed its control socket.
    Disconnect,
    /// It has ended.
    Exit,
}
