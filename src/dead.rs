//! Dead letters, as `rowcast dead` and the dashboard go through them: page by page from the oldest on, grouped by what
//! they died of, and taken out of their list to be retried or purged.
//!
//! New ones arrive at the other end, so only those that were there at the start are touched: a job that is retried and
//! dies again is not retried for ever.
//!
//! It promises that no step takes long, however many letters there are: each asks Redis for a page of them, or has some
//! cut out. The latter takes longer the more older ones stay, because Redis finds what it cuts out by looking through
//! them: a tenth of a second or two behind a million.

mod find;
mod groups;
mod pages;
mod sweep;

pub use find::{find, whole};
pub use groups::{Counted, Group, Groups};
pub use pages::{Cursor, Entry};
pub use sweep::{Step, step, take};

/// Jobs that are sent back in a second, where nothing else is said. They go behind what waits, and before what comes:
/// many at once would hold up the jobs of now.
pub const PER_SECOND: u32 = 1_000;

/// Letters of one page, with their jobs; and those that are taken in one step.
pub const PAGE: u64 = 100;
