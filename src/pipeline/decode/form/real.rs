//! FLOAT and DOUBLE.

/// A column of floating point numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Real {
    single: bool,
    /// FLOAT(7,2) keeps two digits after the point.
    decimals: Option<i32>,
}

impl Real {
    pub(super) fn of(type_name: &str, size: Option<&str>) -> Self {
        let decimals = size.and_then(|size| size.split_once(',')?.1.parse().ok());
        Self { single: type_name == "float", decimals }
    }

    /// The number that the column gives back, which is the one that events say; itself where it is beyond the
    /// column's range.
    pub(in super::super) fn kept(&self, value: f64) -> f64 {
        let value = self.decimals.map_or(value, |decimals| {
            // As the servers do it.
            let (whole, power) = (value.floor(), 10_f64.powi(decimals));
            whole + ((value - whole) * power).round_ties_even() / power
        });
        let single = value as f32;
        if !self.single || !single.is_finite() {
            return value;
        }
        single.to_string().parse().unwrap_or(value)
    }
}
