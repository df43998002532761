//! Signals as a channel of numbers. What a signal means is for whoever listens to say.

use std::io;

use signal_hook::{iterator::Signals, low_level::signal_name};
use tokio::sync::mpsc;

/// From now on these signals arrive in the channel, instead of ending the process.
///
/// They are read by a thread of their own, so that they are heard even when the runtime is stuck.
///
/// # Errors
/// When the system refuses a handler or the thread.
pub fn listen(signals: &[i32]) -> io::Result<mpsc::UnboundedReceiver<i32>> {
    let mut signals = Signals::new(signals)?;
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::Builder::new()
        .name("signals".into())
        .stack_size(64 * 1024)
        .spawn(move || signals.forever().take_while(|signal| sender.send(*signal).is_ok()).for_each(drop))?;
    Ok(receiver)
}

/// What a signal is called: `SIGTERM`.
pub fn name(signal: i32) -> &'static str {
    signal_name(signal).unwrap_or("a signal without a name")
}
