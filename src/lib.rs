//! rowcast: LPUSH a JSON job to a Redis list, and it becomes exactly one MySQL row and exactly one socket.io event,
//! whatever crashes on the way.
//!
//! The modules stand in reading order.

pub mod backoff;
pub mod cli;
pub mod config;
pub mod control;
pub mod emitter;
pub mod route;
pub mod signals;
pub mod supervisor;
pub mod telemetry;
pub mod worker;
