//! Numbers on the command line, refused in the words that variables are refused in. Pure.

use std::{
    fmt::Display,
    ops::{Bound, RangeBounds},
    str::FromStr,
};

/// Reads a number within bounds, whose lower one is a number.
pub(super) fn within<N, R>(range: R) -> impl Fn(&str) -> Result<N, String> + Clone
where
    N: FromStr + PartialOrd + Display,
    R: RangeBounds<N> + Clone,
{
    move |text| text.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| expected(&range))
}

fn expected<N: Display>(range: &impl RangeBounds<N>) -> String {
    match (range.start_bound(), range.end_bound()) {
        (Bound::Included(least), Bound::Included(most)) => {
            format!("expected a number from {least} to {most}")
        }
        (Bound::Included(least), _) => format!("expected a number, {least} or more"),
        _ => "expected a number".to_owned(),
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
