//! Values in the form in which their column gives them back, so that an event says the same live and read back.

use std::borrow::Cow;

use super::Target;

/// A CHAR column gives no spaces back at the end, whoever put them there.
pub(super) fn unpadded(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => text.trim_end_matches(' ').into(),
        Cow::Owned(mut text) => {
            text.truncate(text.trim_end_matches(' ').len());
            text.into()
        }
    }
}

/// A BINARY column fills up with zeros what is shorter than it.
pub(super) fn filled(target: &Target, mut bytes: Vec<u8>) -> Vec<u8> {
    let length =
        target.type_name.strip_prefix("binary(").and_then(|rest| rest.strip_suffix(')')?.parse().ok());
    bytes.resize(length.unwrap_or(0).max(bytes.len()), 0);
    bytes
}

/// A FLOAT column keeps single precision: the number that it gives back, which is the one that the events say.
pub(super) fn as_kept(target: &Target, value: f64) -> f64 {
    let single = value as f32;
    if !target.type_name.starts_with("float") || !single.is_finite() {
        return value;
    }
    single.to_string().parse().unwrap_or(value)
}

/// Digits with as many after the point as the column has; there are not more.
pub(super) fn padded(mut digits: String, scale: u32) -> String {
    let fraction = digits.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    if fraction == 0 && scale > 0 {
        digits.push('.');
    }
    digits.extend(std::iter::repeat_n('0', (scale as usize).saturating_sub(fraction)));
    digits
}
