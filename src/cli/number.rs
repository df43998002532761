//! Numbers on the command line, refused in the words that variables are refused in. Pure.

use std::{
    fmt::Display,
    ops::{RangeBounds, RangeFrom, RangeInclusive},
    str::FromStr,
};

/// Reads a number within bounds.
pub(super) fn within<N, R>(range: R) -> impl Fn(&str) -> Result<N, String> + Clone
where
    N: FromStr + PartialOrd,
    R: Bounds<N> + Clone,
{
    move |text| text.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| range.expected())
}

/// Bounds, of which the lower one is always a number.
pub(super) trait Bounds<N>: RangeBounds<N> {
    fn expected(&self) -> String;
}

impl<N: Display> Bounds<N> for RangeInclusive<N> {
    fn expected(&self) -> String {
        format!("expected a number from {} to {}", self.start(), self.end())
    }
}

impl<N: Display> Bounds<N> for RangeFrom<N> {
    fn expected(&self) -> String {
        format!("expected a number, {} or more", self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_cannot_be_used_is_told_with_what_can() {
        assert_eq!(within(1..=300)("300"), Ok(300));
        for text in ["x", "", "0", "301", "-1", "1.5", "99999999999999999999"] {
            assert_eq!(within(1_u64..=300)(text), Err("expected a number from 1 to 300".to_owned()));
        }
        assert_eq!(within(1_u32..)("0"), Err("expected a number, 1 or more".to_owned()));
    }
}
