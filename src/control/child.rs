//! Who a child is, as the supervisor tells it, and what it tells about itself.

use std::{fmt, net::SocketAddr};

use serde::{Deserialize, Serialize};
use tracing::Span;
use ulid::Ulid;

/// What kind of child this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// `rowcast worker`.
    Worker,
    /// `rowcast gateway`.
    Gateway,
}

/// Who a child is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The incarnation's own id.
    pub id: Ulid,
    /// Its supervisor; none without one.
    pub supervisor: Option<Ulid>,
    /// The supervisor's place for it; none without a supervisor.
    pub slot: Option<u32>,
    /// How many the supervisor has started in this place before; none without a supervisor.
    pub restarts: Option<u64>,
    /// Dead workers of the same place, to rescue before the first claim. A gateway leaves nothing to rescue.
    pub predecessors: Vec<Ulid>,
}

/// What a child tells about itself. What does not concern its role stays at the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Whether it has started.
    pub ready: bool,
    /// The server it waits for, since when, and why.
    pub waiting: Option<String>,
    /// For how many milliseconds the route that has stood still for longest has done so; waits do not count.
    pub idle_ms: u64,
    /// Jobs that a worker has finished.
    pub jobs: u64,
    /// Rows that it has inserted.
    pub rows: u64,
    /// The predecessors of whom nothing is left: their claims are finished, or a gateway's lease is taken.
    pub rescued: Vec<Ulid>,
    /// Where a gateway listens.
    pub address: Option<SocketAddr>,
    /// How many connections it holds open.
    pub connections: u64,
}

impl Identity {
    /// What every line of this child's log stands in: its role, and its place where it has one.
    pub fn span(&self, role: Role) -> Span {
        let slot = self.slot;
        // At the level of errors, so that no filter takes it from a line that is written.
        match role {
            Role::Worker => tracing::error_span!("worker", slot),
            Role::Gateway => tracing::error_span!("gateway", slot),
        }
    }
}

impl fmt::Display for Role {
    /// The command that runs it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Worker => "worker",
            Self::Gateway => "gateway",
        })
    }
}
