//! The one integration-test binary.

#![allow(clippy::unwrap_used, reason = "In a test the panic is the report, in its helpers too.")]

mod commands;
mod docs;
mod exactly_once;
mod faults;
mod gateway;
mod interop;
mod model;
mod moves;
mod orders;
mod rows;
mod sandbox;
mod supervisor;
mod support;
