//! `rowcast gateway`: one gateway, which holds browsers' connections.

use std::process::ExitCode;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use super::{Variables, reach};
use crate::{
    config::{GatewaySettings, SupervisorSettings},
    control::{Control, Role},
    gateway,
};

/// Run one gateway: hold browsers' connections, deliver events to their rooms
///
/// A socket.io server at http://ROWCAST_LISTEN/socket.io/, over WebSocket and long-polling, for clients of
/// socket.io 2, 3 and 4. It hears what rowcast's workers, official emitters and Node servers publish through Redis.
/// With DATABASE_URL, which it needs for nothing else, clients that were away get the rows that they missed.
/// /healthz answers while the process works; /readyz when it also hears Redis.
///
/// The first TERM or INT closes its connections in order, within ROWCAST_DRAIN_SECONDS; a second one ends it at
/// once. Clients connect again by themselves.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  rowcast gateway
  ROWCAST_LISTEN=0.0.0.0:8080 ROWCAST_PUBLIC=true rowcast gateway

Exit codes: 0 it was told to end and did, 1 it did not within ROWCAST_DRAIN_SECONDS or its address is taken,
64 bad configuration")]
pub struct Args {}

/// Runs one gateway to its end.
///
/// # Errors
/// A variable that cannot be used, an address that is taken, or a system that gives no thread.
pub fn run(_args: &Args, variables: &Variables) -> anyhow::Result<ExitCode> {
    let settings = GatewaySettings::from_vars(variables)?;
    let limits = SupervisorSettings::from_vars(variables)?;
    let stop = CancellationToken::new();
    let _control = Control::attend(Role::Gateway, false, limits.drain, stop.clone())
        .context("cannot listen to signals")?;
    reach::block_on(gateway::run(settings, stop))?;
    Ok(ExitCode::SUCCESS)
}
