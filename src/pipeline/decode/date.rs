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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_date_of_any_year_and_zone_is_the_same_instant_in_utc_or_none_at_the_ends_of_the_calendar(
            year in prop_oneof![Just(0), Just(9999), 1..9999],
            month in prop_oneof![Just(1), Just(12)],
            day in prop_oneof![Just(1), Just(31), 2..31],
            second in 0..86_400,
            hours in -23..=23,
        ) {
            let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
            let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{hours:+03}:00");
            match rfc3339(&text) {
                Some(utc) => prop_assert_eq!(
                    OffsetDateTime::parse(&utc, &Rfc3339).unwrap(),
                    OffsetDateTime::parse(&text, &Rfc3339).unwrap()
                ),
                None => prop_assert!(year == 0 || year == 9999, "{}", text),
            }
        }
    }
}
