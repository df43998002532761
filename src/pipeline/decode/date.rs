//! Dates: whatever a job writes, to one form in UTC. Pure.

use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

/// An RFC 3339 date and time, or SQL's own form (taken as UTC), to RFC 3339 in UTC.
pub(super) fn rfc3339(text: &str) -> Option<String> {
    let at = OffsetDateTime::parse(text, &Rfc3339)
        .or_else(|_| OffsetDateTime::parse(&format!("{}Z", text.replacen(' ', "T", 1)), &Rfc3339));
    // The last hours of the year 9999 elsewhere are beyond every calendar here.
    utc_text(at.ok()?.checked_to_offset(UtcOffset::UTC)?)
}

/// A date and time of the calendar that MySQL knows; what is finer than a microsecond is cut.
pub(super) fn utc_text(at: OffsetDateTime) -> Option<String> {
    if !(0..=9999).contains(&at.year()) {
        return None;
    }
    let mut text = String::with_capacity("2026-01-31T23:59:59.123456Z".len());
    push_digits(&mut text, at.year().unsigned_abs(), 4);
    let parts = [
        ('-', u8::from(at.month())),
        ('-', at.day()),
        ('T', at.hour()),
        (':', at.minute()),
        (':', at.second()),
    ];
    for (before, part) in parts {
        text.push(before);
        push_digits(&mut text, part.into(), 2);
    }
    if at.microsecond() > 0 {
        text.push('.');
        push_digits(&mut text, at.microsecond(), 6);
        text.truncate(text.trim_end_matches('0').len());
    }
    text.push('Z');
    Some(text)
}

/// A number with so many digits. Every row with a date comes here, and `format!` takes ten times as long.
fn push_digits(text: &mut String, number: u32, digits: u32) {
    text.extend((0..digits).rev().map(|at| char::from(b'0' + (number / 10_u32.pow(at) % 10) as u8)));
}
