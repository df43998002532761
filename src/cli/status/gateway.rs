//! A gateway's line.

use super::{super::show::shown, life};
use crate::status::Gateway;

/// The titles of [`cells`].
pub(super) const TITLES: [&str; 9] =
    ["gateway", "host", "pid", "slot", "state", "up", "address", "connections", "memory"];

pub(super) fn cells(gateway: &Gateway) -> Vec<String> {
    let mut cells = life::cells(&gateway.life);
    let address = shown(gateway.address.as_deref().unwrap_or_default(), 60);
    cells.extend([address, life::in_digits(gateway.connections), life::memory(&gateway.life)]);
    cells
}
