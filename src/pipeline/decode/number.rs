//! Numbers beyond what a machine's own types hold, digit by digit, so that nothing is rounded on the way. Pure.

use std::fmt;

/// A JSON number as its digits and the place of its point, without loss.
pub(super) struct Plain {
    negative: bool,
    /// Without leading and trailing zeros; empty for zero.
    digits: String,
    /// The number is 0.digits times ten to this power.
    point: i64,
}

impl Plain {
    /// `None` for what would take more than some hundred digits to write out.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let negative = whole.starts_with('-');
        let whole = whole.trim_start_matches('-');
        let all = format!("{whole}{fraction}");
        let digits = all.trim_start_matches('0');
        let mut point = whole.len() as i64 - (all.len() - digits.len()) as i64;
        let digits = digits.trim_end_matches('0').to_owned();
        if !digits.bytes().all(|b| b.is_ascii_digit()) || whole.is_empty() {
            return None;
        }
        if digits.is_empty() {
            return Some(Self { negative: false, digits, point: 0 });
        }
        point = point.checked_add(exponent.parse::<i64>().ok()?)?;
        ((-200..=200).contains(&point) && digits.len() <= 200).then_some(Self { negative, digits, point })
    }

    /// How many digits stand after the point.
    pub(super) fn scale(&self) -> usize {
        usize::try_from(self.digits.len() as i64 - self.point).unwrap_or(0)
    }

    /// The number times ten to a power, what is finer cut off; `None` when that is too large.
    pub(super) fn scaled(&self, power: usize) -> Option<i128> {
        let keep = self.point + power as i64;
        if keep > 30 {
            return None;
        }
        let keep = usize::try_from(keep).unwrap_or(0);
        let digits: String = self.digits.chars().chain(std::iter::repeat('0')).take(keep).collect();
        let value: i128 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
        Some(if self.negative { -value } else { value })
    }
}

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negative {
            f.write_str("-")?;
        }
        let (length, point) = (self.digits.len() as i64, self.point);
        if point <= 0 {
            let zeros = usize::try_from(-point).unwrap_or(0);
            let fraction = if length == 0 { "" } else { "." };
            return write!(f, "0{fraction}{}{}", "0".repeat(zeros), self.digits);
        }
        if point >= length {
            return write!(f, "{}{}", self.digits, "0".repeat((point - length) as usize));
        }
        let (whole, fraction) = self.digits.split_at(point as usize);
        write!(f, "{whole}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_plain_number_is_the_number_it_was_read_from(mantissa in any::<i64>(), exponent in -30i32..30) {
            let plain = Plain::parse(&format!("{mantissa}e{exponent}")).unwrap().to_string();
            let expected: f64 = format!("{mantissa}e{exponent}").parse().unwrap();
            prop_assert_eq!(plain.parse::<f64>().unwrap(), expected);
            prop_assert!(!plain.contains('e'));
        }
    }
}
