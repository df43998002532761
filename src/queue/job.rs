//! What can be a job at all. Pure.

use serde::de::IgnoredAny;

/// Whether a text is what routes take: a JSON object, or an array.
///
/// # Errors
/// What it is instead, in words.
pub fn check_job(job: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(job).map_err(|_| "it is not UTF-8".to_owned())?;
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| format!("it is not JSON ({error})"))?;
    if text.trim_start().starts_with(['{', '[']) {
        Ok(())
    } else {
        Err("it is JSON, but neither an object nor an array".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_refused_for_its_reason() {
        assert!(check_job(b"{\"a\":[1e400]}").is_ok() && check_job(b"[{}]").is_ok());
        assert!(check_job("[".repeat(100_000).as_bytes()).unwrap_err().contains("not JSON"));
        for (job, reason) in [(&b"{"[..], "not JSON"), (b"7", "neither"), (b"{\"a\":\"\xff\"}", "UTF-8")] {
            assert!(check_job(job).unwrap_err().contains(reason));
        }
    }
}
