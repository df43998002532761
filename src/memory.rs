//! How much memory processes take, as the kernel counts it.

/// The resident memory of a process in bytes: `VmRSS` of proc(5); 0 when it is gone.
pub fn resident_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) << 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_this_process_is_a_plausible_number() {
        let bytes = resident_bytes(std::process::id());
        assert!((1 << 20..1 << 33).contains(&bytes), "{bytes}");
        assert_eq!(resident_bytes(u32::MAX), 0);
    }
}
