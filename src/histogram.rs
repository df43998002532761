//! Measurements counted by size, as Prometheus wants them, in a short text that goes through the registry. Pure.

use std::fmt;

/// How many rows a claim had.
pub const ROWS: &[f64] = &[1.0, 4.0, 16.0, 64.0, 256.0, 1_024.0, 4_096.0, 16_384.0];
/// How long it took, in seconds. No bound is more than twice the one before, most are half as large again: so what lies
/// between two of them says something.
pub const SECONDS: &[f64] = &[
    0.000_25, 0.000_5, 0.000_75, 0.001, 0.001_5, 0.002, 0.003, 0.005, 0.007, 0.01, 0.015, 0.02, 0.03, 0.05,
    0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0,
    240.0, 360.0, 600.0,
];

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
        self.counts[bucket(self.bounds, size)] += 1;
        self.sum += size;
    }

    /// Adds all measurements of another one with the same bounds.
    pub fn add_all(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
        self.sum += other.sum;
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

/// The place among the counts of what is of this size: a measurement on a bound is below it.
pub fn bucket(bounds: &[f64], size: f64) -> usize {
    bounds.partition_point(|bound| *bound < size)
}

/// The size that this share of the measurements does not pass, as Prometheus' `histogram_quantile` tells it: as if they
/// were spread evenly between two bounds, the first of which is 0. What is above all bounds is told as the last of them.
/// `None` without a measurement.
pub fn quantile(bounds: &[f64], counts: &[u64], share: f64) -> Option<f64> {
    let total: u64 = counts.iter().sum();
    let rank = share * total as f64;
    let (mut below, mut lower) = (0.0, 0.0);
    for (&upper, &count) in bounds.iter().zip(counts).filter(|_| total > 0) {
        let count = count as f64;
        if count > 0.0 && below + count >= rank {
            return Some(lower + (upper - lower) * (rank - below) / count);
        }
        (below, lower) = (below + count, upper);
    }
    (total > 0).then_some(lower)
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
        let mut both = rows.clone();
        both.add_all(&rows);
        assert_eq!((both.buckets()[1].1, both.count(), both.sum()), (4, 8, 40_013.0));
    }

    #[test]
    fn no_bound_of_times_is_more_than_twice_the_one_before() {
        assert!(SECONDS.windows(2).all(|pair| pair[0] < pair[1] && pair[1] <= 2.0 * pair[0]));
    }

    #[test]
    fn a_quantile_lies_between_two_bounds_as_far_as_the_measurements_below_it_say() {
        const BOUNDS: &[f64] = &[1.0, 2.0, 4.0];
        let of = |counts: [u64; 4], share| quantile(BOUNDS, &counts, share);
        assert_eq!(of([0; 4], 0.5), None);
        // One alone may be anywhere between its bounds.
        assert_eq!((of([0, 1, 0, 0], 0.5), of([0, 1, 0, 0], 1.0)), (Some(1.5), Some(2.0)));
        assert_eq!((of([10, 0, 0, 0], 0.5), of([10, 0, 10, 0], 0.5)), (Some(0.5), Some(1.0)));
        assert_eq!((of([50, 0, 50, 0], 0.75), of([50, 0, 50, 0], 0.99)), (Some(3.0), Some(3.96)));
        assert_eq!((of([0, 0, 0, 7], 0.5), of([99, 0, 0, 1], 0.5)), (Some(4.0), Some(50.0 / 99.0)));
        assert_eq!((of([98, 0, 0, 2], 0.99), of([0, 0, 3, 0], 0.0)), (Some(4.0), Some(2.0)));
    }
}
