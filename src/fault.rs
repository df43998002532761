//! Fault points: named places where a test can kill or stop the process. Without the feature `fault-points`, which no
//! release has, they are nothing.
//!
//! `ROWCAST_FAULT=place:action[:count[:file]]`, several separated by commas. The action happens at the count-th time
//! that the place is reached: `kill` ends the process as `kill -9` does, `stop` stops it as SIGSTOP does. With a file
//! it happens in one process only: in whichever creates the file. `ROWCAST_FAULT_POISON=text` kills a process that
//! decodes a job with this text in it.

/// The variables that are read here.
#[cfg(not(feature = "fault-points"))]
pub const NAMES: [&str; 0] = [];

/// Reached a place.
#[cfg(not(feature = "fault-points"))]
#[inline]
pub fn point(_place: &str) {}

/// About to decode these jobs.
#[cfg(not(feature = "fault-points"))]
#[inline]
pub fn poison(_jobs: &[Vec<u8>]) {}

#[cfg(feature = "fault-points")]
pub use armed::{NAMES, point, poison};

#[cfg(feature = "fault-points")]
mod armed {
    use std::{
        fs::OpenOptions,
        sync::{
            LazyLock,
            atomic::{AtomicU32, Ordering},
        },
    };

    use nix::sys::signal::{Signal, raise};

    /// The variables that are read here.
    pub const NAMES: [&str; 2] = ["ROWCAST_FAULT", "ROWCAST_FAULT_POISON"];

    struct Fault {
        place: String,
        signal: Signal,
        count: u32,
        file: Option<String>,
        reached: AtomicU32,
    }

    static FAULTS: LazyLock<Vec<Fault>> = LazyLock::new(|| {
        let text = std::env::var(NAMES[0]).unwrap_or_default();
        text.split(',').filter_map(parse).collect()
    });
    static POISON: LazyLock<Option<String>> = LazyLock::new(|| std::env::var(NAMES[1]).ok());

    fn parse(text: &str) -> Option<Fault> {
        let mut parts = text.splitn(4, ':');
        let place = parts.next().filter(|place| !place.is_empty())?.to_owned();
        let signal = if parts.next() == Some("stop") { Signal::SIGSTOP } else { Signal::SIGKILL };
        let count = parts.next().and_then(|count| count.parse().ok()).unwrap_or(1);
        Some(Fault {
            place,
            signal,
            count,
            file: parts.next().map(str::to_owned),
            reached: AtomicU32::new(0),
        })
    }

    /// Reached a place.
    pub fn point(place: &str) {
        for fault in FAULTS.iter().filter(|fault| fault.place == place) {
            if fault.reached.fetch_add(1, Ordering::Relaxed) + 1 == fault.count && is_first(fault) {
                tracing::warn!(place, signal = %fault.signal, "fault point");
                raise(fault.signal).ok();
            }
        }
    }

    fn is_first(fault: &Fault) -> bool {
        fault
            .file
            .as_ref()
            .is_none_or(|file| OpenOptions::new().write(true).create_new(true).open(file).is_ok())
    }

    /// About to decode these jobs.
    pub fn poison(jobs: &[Vec<u8>]) {
        let Some(poison) = POISON.as_ref() else { return };
        if jobs.iter().any(|job| String::from_utf8_lossy(job).contains(poison.as_str())) {
            raise(Signal::SIGKILL).ok();
        }
    }
}
