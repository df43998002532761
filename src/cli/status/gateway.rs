//! A gateway's line.

use serde::Serialize;

use super::{
    super::show::shown,
    life::{Life, in_digits, number, text},
};
use crate::queue::Member;

/// The titles of [`GatewayLine::cells`].
pub(super) const TITLES: [&str; 9] =
    ["gateway", "host", "pid", "slot", "state", "up", "address", "connections", "memory"];

/// A gateway's line. A field that it did not write is missing.
#[derive(Debug, Serialize)]
pub(super) struct GatewayLine {
    #[serde(flatten)]
    life: Life,
    address: Option<String>,
    connections: Option<u64>,
}

impl GatewayLine {
    pub(super) fn new(member: &Member, now: u64) -> Self {
        Self {
            life: Life::new(member, now),
            address: text(member, "address"),
            connections: number(member, "connections"),
        }
    }

    /// Who it is and how it is.
    pub(super) fn life(&self) -> &Life {
        &self.life
    }

    pub(super) fn cells(&self) -> Vec<String> {
        let mut cells = self.life.cells();
        let address = shown(self.address.as_deref().unwrap_or_default(), 60);
        cells.extend([address, in_digits(self.connections), self.life.memory()]);
        cells
    }
}
