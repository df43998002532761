//! Measurements counted by size, as Prometheus wants them, in a short text that goes through the registry. Pure.

use std::fmt;

/// How many rows a claim had.
pub const ROWS: &[f64] = &[1.0, 4.0, 16.0, 64.0, 256.0, 1_024.0, 4_096.0, 16_384.0];
/// How long it took, in seconds.
pub const SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Measurements by size.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    bounds: &'static [f64],
    /// So many measurements up to each bound and above the one before, and at last those above all bounds.
    counts: Vec<u64>,
    sum: f64,
}

impl Histogram {
    /// Without a measurement.
    pub fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len() + 1], sum: 0.0 }
    }

    /// Adds a measurement.
    pub fn add(&mut self, size: f64) {
        let bucket = self.bounds.partition_point(|bound| *bound < size);
        self.counts[bucket] += 1;
        self.sum += size;
    }

    /// Reads the text back; `None` when it is not that of a histogram with these bounds.
    pub fn parse(bounds: &'static [f64], text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let sum = words.next()?.parse().ok()?;
        let counts: Vec<u64> = words.map(|word| word.parse().ok()).collect::<Option<_>>()?;
        (counts.len() == bounds.len() + 1).then_some(Self { bounds, counts, sum })
    }

    /// The sum of all measurements.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Each bound with the number of measurements above the one before and up to it; the last bound is without end.
    pub fn buckets(&self) -> Vec<(f64, u64)> {
        self.bounds.iter().copied().chain([f64::MAX]).zip(self.counts.iter().copied()).collect()
    }
}

impl fmt::Display for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.sum)?;
        self.counts.iter().try_for_each(|count| write!(f, " {count}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measurement_on_a_bound_is_below_it_and_the_text_is_read_back() {
        let mut rows = Histogram::new(ROWS);
        for size in [1.0, 1.5, 4.0, 20_000.0] {
            rows.add(size);
        }
        let buckets = rows.buckets();
        assert_eq!(buckets[..3], [(1.0, 1), (4.0, 2), (16.0, 0)]);
        assert_eq!((buckets[8].1, rows.count(), rows.sum()), (1, 4, 20_006.5));
        assert_eq!(Histogram::parse(ROWS, &rows.to_string()), Some(rows.clone()));
        for bad in ["", "1", "x 0 0", &SECONDS.len().to_string(), &format!("{rows} 1")] {
            assert_eq!(Histogram::parse(ROWS, bad), None, "{bad:?}");
        }
    }
}
