//! A slot in which nothing is ready, for those who look from elsewhere: nothing in it can tell of itself.

use serde::{Deserialize, Serialize};

use super::Role;

/// A slot that has had no process at work since it failed, though one is wanted in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unready {
    /// What is to run in it.
    pub role: Role,
    /// Its number.
    pub slot: u32,
    /// Since when, in milliseconds since 1970.
    pub since: u64,
    /// Why the last that was tried is not ready, in words.
    pub why: String,
}
