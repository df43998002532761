//! What to do about what is wrong: the command, and where the dashboard has the same. Pure.
//!
//! Whoever looks and whoever is called read the same sentences.

/// About a server or a route that is waited for.
pub(super) fn waited_for(server: &str) -> &'static str {
    match server {
        "the route" => "Do what the reason says; `rowcast check` says more. The route goes on by itself.",
        "Redis" => "Mend Redis. Everything goes on by itself; do not restart rowcast.",
        _ => "Mend the database server. The workers go on by themselves; do not restart rowcast.",
    }
}

/// About a queue that is paused.
pub fn paused(queue: &str) -> String {
    format!("`rowcast resume --queue {queue}`, or Resume in the dashboard, lets it go on.")
}

/// About a queue with dead letters.
pub fn dead_letters(queue: &str) -> String {
    format!(
        "`rowcast dead list --queue {queue}` groups them by reason, and so does the dashboard under Dead letters. Mend \
         the table, the route or the producer; then retry or purge them there, or with `rowcast dead retry` or `purge`."
    )
}

/// About a slot whose process is replaced again and again.
pub fn crash_loop(role: &str, slot: u64, host: Option<&str>) -> String {
    let gateway = if role == "gateway" { " --gateway" } else { "" };
    let host = host.map(|host| format!(" --host {host}")).unwrap_or_default();
    format!(
        "The `exit` lines of the slot in its supervisor's log say why, and so does the dashboard under What happened \
         to processes. Where that is a limit of memory or of jobs, raise it, and have it read: `rowcast reload{host}`. \
         Whatever it was: `rowcast restart {slot}{gateway}{host}`, or Restart in the dashboard, tries the slot at once."
    )
}

/// About a slot in which nothing is ready.
pub(super) fn unready(role: &str, slot: u32, host: Option<&str>) -> String {
    let gateway = if role == "gateway" { " --gateway" } else { "" };
    let host = host.map(|host| format!(" --host {host}")).unwrap_or_default();
    format!(
        "Do what the reason says; where it is no more than an exit code, the lines of the slot in its supervisor's log \
         say more. The supervisor tries again by itself, and at once after `rowcast restart {slot}{gateway}{host}`."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_names_the_command_and_the_dashboard() {
        for (advice, command) in [
            (paused("q"), "`rowcast resume --queue q`"),
            (dead_letters("q"), "`rowcast dead list --queue q`"),
            (crash_loop("worker", 2, None), "`rowcast restart 2`"),
            (crash_loop("gateway", 1, Some("db1")), "`rowcast restart 1 --gateway --host db1`"),
        ] {
            assert!(advice.contains(command) && advice.contains("dashboard"), "{advice}");
        }
        assert!(crash_loop("worker", 2, Some("db1")).contains("`rowcast reload --host db1`"));
    }
}
