//! rowcast: LPUSH a JSON job to a Redis list, and it becomes exactly one MySQL row and exactly one socket.io event,
//! whatever crashes on the way.
//!
//! The modules stand in reading order.

// What the user gives.
pub mod cli;
pub mod config;
pub mod route;

// The processes.
pub mod supervisor;
pub mod control;
pub mod signals;
pub mod worker;
pub mod gateway;
pub mod liaison;

// The life of a job.
pub mod pipeline;
pub mod queue;
pub mod store;
pub mod emitter;
pub mod fanout;

// What people are shown and told, and what they do.
pub mod status;
pub mod alert;
pub mod dead;

// What people order.
pub mod orders;

// What all of them use.
pub mod backoff;
pub mod progress;
pub mod spelling;
pub mod memory;
pub mod glob;
pub mod fault;
pub mod histogram;
pub mod delay;
pub mod telemetry;
pub mod sandbox;
