//! What the tables show of a worker or a gateway, whichever it is.

use super::super::show::{ago, shown};
use crate::status::Life;

/// What parts an outage from its reason in what is written: `waiting for MySQL since 12:03:04, it is full`.
const REASON: &str = ", ";

/// The cells that both tables begin with: id, host, pid, slot, state, up.
pub(super) fn cells(life: &Life) -> Vec<String> {
    vec![
        life.id.clone(),
        shown(life.host.as_deref().unwrap_or_default(), 60),
        in_digits(life.pid),
        in_digits(life.slot),
        state_in_words(life),
        life.uptime_ms.map_or_else(String::new, ago),
    ]
}

/// The cell that both tables end with.
pub(super) fn memory(life: &Life) -> String {
    life.memory.map_or_else(String::new, |bytes| format!("{:.1} MiB", bytes as f64 / 1_048_576.0))
}

/// What it waits for, in all its words; `None` while it works, is silent or gone.
pub(super) fn reason(life: &Life) -> Option<String> {
    let waiting = life.waiting.as_ref().filter(|_| life.alive && !life.silent)?;
    Some(shown(waiting.split_once(REASON)?.1, 10_000))
}

fn state_in_words(life: &Life) -> String {
    match (&life.waiting, &life.state) {
        _ if !life.alive => "gone: its lease has run out".to_owned(),
        _ if life.silent => format!("silent for {}", ago(life.silent_ms.unwrap_or_default())),
        // The reason stands below the tables.
        (Some(waiting), _) => shown(waiting.split_once(REASON).map_or(waiting, |(what, _)| what), 70),
        (None, Some(state)) => shown(state, 20),
        (None, None) => String::new(),
    }
}

/// A number's cell.
pub(super) fn in_digits(number: Option<u64>) -> String {
    number.map_or_else(String::new, |number| number.to_string())
}
