//! TIME: hours, minutes and seconds of a clock or of a span, to the one form that the column gives back. Pure.

/// `12:34:56.5`, `9:05` and `-838:59:59`, with so many digits of a second's fraction; what is finer is cut. Any other
/// form the servers would read in a way of their own: `1112` is eleven minutes to them.
pub(super) fn clock(text: &str, digits: usize) -> Option<String> {
    let text = text.trim();
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |text| (true, text));
    let (hours, rest) = text.split_once(':')?;
    let (minutes, seconds) = rest.split_once(':').unwrap_or((rest, "0"));
    let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let [hours, minutes, seconds] = [number(hours, 3)?, number(minutes, 2)?, number(seconds, 2)?];
    if minutes > 59 || seconds > 59 || !is_digits(fraction) {
        return None;
    }
    let mut clock = format!("{hours:02}:{minutes:02}:{seconds:02}");
    if digits > 0 {
        clock.push('.');
        clock.extend(fraction.chars().chain(std::iter::repeat('0')).take(digits));
    }
    let is_nothing = !clock.bytes().any(|byte| (b'1'..=b'9').contains(&byte));
    Some(if negative && !is_nothing { format!("-{clock}") } else { clock })
}

/// A number of at most so many digits.
fn number(text: &str, most: usize) -> Option<u16> {
    if text.len() > most || !is_digits(text) {
        return None;
    }
    text.parse().ok()
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_the_form_that_its_column_gives_back_or_is_none() {
        for (text, digits, kept) in [
            ("12:34:56", 0, "12:34:56"),
            ("-838:59:59", 0, "-838:59:59"),
            (" 9:5:3 ", 0, "09:05:03"),
            ("010:11:12", 0, "10:11:12"),
            ("11:12", 0, "11:12:00"),
            ("10:11:12.5", 3, "10:11:12.500"),
            ("10:11:12.99999999", 3, "10:11:12.999"),
            ("10:11:12.999", 0, "10:11:12"),
            ("-00:00:00.5", 0, "00:00:00"),
            ("-00:00:00.5", 1, "-00:00:00.5"),
        ] {
            assert_eq!(clock(text, digits).as_deref(), Some(kept), "{text}");
        }
        for text in [
            "",
            "11",
            "1112",
            "111213",
            "1.5",
            "1 10:11:12",
            "noon",
            "10:60:00",
            "10:11:60",
            "10:11:",
            ":11:12",
            "10::12",
            "10:11:12.",
            "10:11:12Z",
            "+10:11:12",
            "--1:00:00",
            "1000:00:00",
            "10:111:00",
            "１0:11:12",
            "2024-01-02 10:11:12",
            "2024-01-02T10:11:12Z",
            "10:11:12:13",
            "1e3",
        ] {
            assert_eq!(clock(text, 0), None, "{text}");
        }
    }
}
