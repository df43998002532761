//! What goes in, exactly: values, keys, duplicates, ids and events, from LPUSH to the table and to the subscriber.

mod duplicates;
mod events;
mod exact;
mod ids;
mod keys;
mod node;
pub(crate) mod values;
