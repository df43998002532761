//! stub
pub mod decode;
pub mod events;
pub mod insert;
pub mod outcome;
