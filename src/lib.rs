//! rowcast: LPUSH a JSON job to a Redis list, and it becomes exactly one MySQL row and exactly one socket.io event,
//! whatever crashes on the way.
//!
//! The modules stand in reading order.

pub mod backoff;
pub mod config;
pub mod emitter;
pub mod pipeline;
pub mod queue;
pub mod route;
pub mod sandbox;
pub mod store;
