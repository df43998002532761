//! Dates: whatever a job writes, to one form in UTC. Pure.

use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

/// A date and time as RFC 3339 has it, with or without a zone (`+0200` is one too, which many libraries write), or without
/// its seconds, or a date alone, which is its midnight. Without a zone it is UTC. Any other form the servers would read
/// in a way of their own: `10:11:12` is a day of 2010 to them.
pub(super) fn instant(text: &str) -> Option<OffsetDateTime> {
    let text = text.trim();
    // A leap second would become another one.
    if text.get(17..19) == Some("60") {
        return None;
    }
    let parse = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
    let zone = text.rfind(['Z', 'z', '+', '-']).filter(|at| *at > 10);
    let at = match (text.as_bytes().get(10), text.len(), zone) {
        (None, 10, None) => parse(&format!("{text}T00:00:00Z")),
        (Some(b'T' | b't' | b' '), 16, None) => parse(&format!("{text}:00Z")),
        (Some(b'T' | b't' | b' '), _, None) => parse(&format!("{text}Z")),
        (Some(b'T' | b't' | b' '), length, Some(zone)) if length - zone == 5 => {
            let (hours, minutes) = text.split_at_checked(zone + 3)?;
            parse(&format!("{hours}:{minutes}"))
        }
        (Some(b'T' | b't' | b' '), _, Some(_)) => parse(text),
        _ => None,
    };
    // The last hours of the year 9999 elsewhere are beyond every calendar here.
    at?.checked_to_offset(UtcOffset::UTC)
}

/// A date and time of the calendar that MySQL knows, with so many digits of a second's fraction; what is finer is cut,
/// and zeros at the end are left out.
pub(super) fn utc_text(at: OffsetDateTime, digits: usize) -> Option<String> {
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
    if digits > 0 && at.microsecond() > 0 {
        let whole = text.len();
        text.push('.');
        push_digits(&mut text, at.microsecond(), 6);
        text.truncate(whole + 1 + digits.min(6));
        text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
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

    #[test]
    fn a_date_in_a_form_that_cannot_be_misread_is_utc_and_any_other_is_none() {
        let read = |text: &str, digits| instant(text).and_then(|at| utc_text(at, digits));
        for (text, digits, utc) in [
            ("2024-01-02", 0, "2024-01-02T00:00:00Z"),
            (" 2024-01-02 ", 0, "2024-01-02T00:00:00Z"),
            ("2024-01-02 10:11", 0, "2024-01-02T10:11:00Z"),
            ("2024-01-02T10:11:12", 0, "2024-01-02T10:11:12Z"),
            ("2024-01-02t10:11:12z", 0, "2024-01-02T10:11:12Z"),
            ("2024-01-02 10:11:12+02:00", 0, "2024-01-02T08:11:12Z"),
            ("2024-01-02T10:11:12+0230", 0, "2024-01-02T07:41:12Z"),
            ("2024-01-02T10:11:12.5-0000", 1, "2024-01-02T10:11:12.5Z"),
            ("2024-01-02T10:11:12.9999999Z", 6, "2024-01-02T10:11:12.999999Z"),
            ("2024-01-02 10:11:12.9999", 3, "2024-01-02T10:11:12.999Z"),
            ("2024-01-02 10:11:12.0009", 3, "2024-01-02T10:11:12Z"),
            ("9999-12-31 23:59:59.9", 0, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(read(text, digits).as_deref(), Some(utc), "{text}");
        }
        for text in [
            "",
            "soon",
            "10:11:12",
            "20240102",
            "240102",
            "24-01-02",
            "2024.01.02",
            "2024/1/2",
            "2024-1-2",
            "2024^01^02",
            "999-01-01",
            "12024-01-01",
            "2024-001-02",
            "20240102101112",
            "2024-01-02 10",
            "2024-01-02_10:11:12",
            "2024-01-02x10:11:12Z",
            "2024-01-02  10:11:12",
            "2024-01-02 10:11:12 +02:00",
            "2024-01-02 10:11:12.",
            "2024-01-02T10:11+01:00",
            "2024-01-02T10:11+0100",
            "2024-01-02T10:11:12+日本",
            "2024-01-02T10:11:12Z0100",
            "2024-01-02 24:00:00",
            "2016-12-31T23:59:60Z",
            "2023-02-29",
            "2023-02-29T00:00:00+01:00",
            "2024-00-01",
            "0000-00-00",
            "２０２４-01-02",
            "日本日本",
        ] {
            assert_eq!(read(text, 6), None, "{text}");
        }
    }

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
            match instant(&text).and_then(|at| utc_text(at, 6)) {
                Some(utc) => prop_assert_eq!(
                    OffsetDateTime::parse(&utc, &Rfc3339).unwrap(),
                    OffsetDateTime::parse(&text, &Rfc3339).unwrap()
                ),
                None => prop_assert!(year == 0 || year == 9999, "{}", text),
            }
        }
    }
}
