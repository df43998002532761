//! How a gateway stands.

use serde::Serialize;

use super::life::{Life, number, text};
use crate::queue::Member;

/// A gateway. A field that it did not write is missing.
#[derive(Debug, Serialize)]
pub struct Gateway {
    /// Who it is and how it is.
    #[serde(flatten)]
    pub life: Life,
    /// Where it listens.
    pub address: Option<String>,
    /// How many connections it holds open.
    pub connections: Option<u64>,
}

impl Gateway {
    /// What a gateway says of itself, at a time in milliseconds since 1970.
    pub fn new(member: &Member, now: u64) -> Self {
        Self {
            life: Life::new(member, now),
            address: text(member, "address"),
            connections: number(member, "connections"),
        }
    }
}
