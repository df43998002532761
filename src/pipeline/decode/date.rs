//! Dates: whatever a job writes, to one form in UTC. Pure.

use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

/// An RFC 3339 date and time, or SQL's own form (taken as UTC), to RFC 3339 in UTC.
pub(super) fn rfc3339(text: &str) -> Option<String> {
    let at = OffsetDateTime::parse(text, &Rfc3339)
        .or_else(|_| OffsetDateTime::parse(&format!("{}Z", text.replacen(' ', "T", 1)), &Rfc3339));
    utc_text(at.ok()?.to_offset(UtcOffset::UTC))
}

/// A date and time of the calendar that MySQL knows; what is finer than a microsecond is cut.
pub(super) fn utc_text(at: OffsetDateTime) -> Option<String> {
    if !(0..=9999).contains(&at.year()) {
        return None;
    }
    let (date, time) = (at.date(), at.time());
    let mut text = format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        date.year(),
        u8::from(date.month()),
        date.day(),
        time.hour(),
        time.minute(),
        time.second()
    );
    if time.microsecond() > 0 {
        text.push_str(format!(".{:06}", time.microsecond()).trim_end_matches('0'));
    }
    text.push('Z');
    Some(text)
}
