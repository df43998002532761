//! What the tests stand on: real servers, connections that break when told to, waits that end.
//!
//! - [`Env`]: a test's own database and Redis. `Env::new()` for most, `Env::own_servers()` to kill and restart them.
//! - [`eventually`]: waits for a condition, and fails with what it saw last.
//! - [`Proxy`]: stands before a server, and cuts, holds or loses what goes through.
//! - [`Subscriber`]: collects what is published.
//! - [`request_of`] and [`post`]: requests over HTTP.
//! - [`Running`]: the real program as a process; an [`Env`] then answers what became of the jobs.

#![allow(dead_code, reason = "a toolbox: not every test run needs each tool")]

mod answers;
mod env;
mod http;
mod proxy;
mod proxy_tests;
mod random;
pub(crate) mod running;
mod servers;
mod subscriber;
mod wait;

pub(crate) use env::Env;
pub(crate) use http::{JSON, json_of, post, request_of, status};
pub(crate) use proxy::{Proxy, Side};
pub(crate) use random::random;
pub(crate) use running::{PATIENCE, Running, hears, said};
pub(crate) use servers::{new_folder, own_redis, redis_connection, sql_binary, template};
pub(crate) use subscriber::Subscriber;
pub(crate) use wait::{eventually, within};
