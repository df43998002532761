//! The worker: a stand-in that is ready and idle, until the real one takes its place.

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use ulid::Ulid;

use crate::config::Settings;

/// Who this worker is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The incarnation's own id.
    pub id: Ulid,
    /// The supervisor's place for it; none without a supervisor.
    pub slot: Option<u32>,
    /// Dead workers of the same place, to rescue before the first claim.
    pub predecessors: Vec<Ulid>,
}

/// What a worker tells about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Whether it has started.
    pub ready: bool,
    /// Jobs that it has settled.
    pub jobs: u64,
    /// Rows that it has inserted.
    pub rows: u64,
    /// Milliseconds since the route that has stood still for longest made a step.
    pub idle_ms: u64,
    /// The server it waits for, since when, and why.
    pub waiting: Option<String>,
    /// The predecessors whose claims are finished.
    pub rescued: Vec<Ulid>,
}

/// How a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It finished what it held.
    Drained,
    /// Another worker took it for dead and finished its claims.
    Fenced,
}

/// Runs until `stop`.
///
/// # Errors
/// None yet.
pub async fn run(
    _settings: Settings,
    _identity: Identity,
    reports: watch::Sender<Report>,
    stop: CancellationToken,
) -> anyhow::Result<Ended> {
    reports.send_modify(|report| report.ready = true);
    stop.cancelled().await;
    Ok(Ended::Drained)
}
