//! `rowcast gateway`: one gateway, which holds browsers' connections.

use std::process::ExitCode;

use anyhow::Context as _;

use super::{Variables, child::Child};
use crate::{
    config::GatewaySettings,
    control::{self, Role},
    fanout::FromWorkers,
    gateway::{self, Place},
};

/// Run one gateway: hold browsers' connections, deliver events to their rooms
///
/// A socket.io server at http://ROWCAST_LISTEN/socket.io/, over WebSocket and long-polling, for clients of
/// socket.io 2, 3 and 4. It hears what rowcast's workers, official emitters and Node servers publish through Redis,
/// and under `rowcast up` with ROWCAST_FANOUT=local also what its workers hand on past it.
/// With ROWCAST_JWT_SECRET or ROWCAST_JWT_PUBLIC_KEY, clients need a token that lists their rooms; without, it listens
/// on loopback addresses only, unless ROWCAST_PUBLIC=true says that everybody may see everything.
/// With DATABASE_URL, which it needs for nothing else, clients that were away get the rows that they missed.
/// /healthz answers while the process works; /readyz when it also hears Redis. The dashboard is at /, and what programs
/// ask is under /api/ and /metrics.
///
/// This is the process that `rowcast up` runs ROWCAST_GATEWAYS of. On its own it suits an engine that restarts
/// processes by itself.
///
/// The first TERM or INT: /readyz says no, nobody is let in any more, and clients lose their connections one after the
/// other, within half of ROWCAST_DRAIN_SECONDS and at most 5 seconds. They connect again by themselves. A second one
/// ends it at once.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  rowcast gateway
  ROWCAST_LISTEN=0.0.0.0:8080 ROWCAST_JWT_SECRET=\"$(cat secret)\" rowcast gateway
  ROWCAST_LISTEN=0.0.0.0:8080 ROWCAST_PUBLIC=true rowcast gateway

Exit codes: 0 it was told to end and did, 1 it did not within ROWCAST_DRAIN_SECONDS or its address
is taken, 64 bad configuration")]
pub struct Args {}

/// Runs one gateway to its end.
///
/// # Errors
/// A variable that cannot be used, an address that is taken, or a system that gives no thread.
pub fn run(_args: &Args, variables: &Variables) -> anyhow::Result<ExitCode> {
    let settings = GatewaySettings::from_vars(variables)?;
    let mut child = Child::begin(Role::Gateway, &settings.publish, variables)?;
    let listener = child.supervised.then(control::listener).transpose();
    let listener = listener.context("cannot use the listening socket that the supervisor hands down")?;
    let (identity, drain, talk) = (child.identity.clone(), child.limits.drain, child.control.talk());
    let (fanout, stop) = (child.fanout.take(), child.stop.clone());
    let ended = child.live(async |reports| {
        let from_workers = fanout.map(FromWorkers::new).transpose()?;
        gateway::run(settings, Place { identity, listener, drain, reports, talk, from_workers }, stop).await
    });
    child.control.bye(ended.is_ok());
    ended.map(|()| ExitCode::SUCCESS)
}
