//! Each command as a person or a script meets it: the real binary, real servers, exit codes, and what is printed.

mod check;
mod dead;
mod emit;
mod migrate;
mod mistaken;
mod push;
mod queues;
pub(crate) mod run;
mod sandbox;
mod status;
mod terminal;
mod variables;
