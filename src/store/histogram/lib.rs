//! What openraft needs of a histogram, in half a kilobyte.
//!
//! openraft counts the sizes of its batches in histograms of the crate `base2histogram`, of which release 0.2.3 builds
//! look-up tables of every precision when the first one is made: 24 MB, which stay, and are more than all the rest of an
//! idle Gam. Nobody reads these counts in Gam, so the workspace puts this in the crate's place: the same names, as far as
//! openraft uses them, and one bucket for each power of two. The compiler says when openraft wants more. It can go once
//! a release of that crate builds only the table that is used.

use std::fmt;
use std::marker::PhantomData;

/// Zero, and values of 1 to 64 bits.
const BUCKETS: usize = 65;

/// How often values of each size were seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram<T = ()> {
    counts: [u64; BUCKETS],
    /// openraft names a type for marks on periods of time, and never makes any.
    marks: PhantomData<T>,
}

impl<T> Default for Histogram<T> {
    fn default() -> Histogram<T> {
        Histogram { counts: [0; BUCKETS], marks: PhantomData }
    }
}

impl<T> Histogram<T> {
    /// An empty one.
    #[must_use]
    pub fn new() -> Histogram<T> {
        Histogram::default()
    }

    /// Counts a value.
    pub fn record(&mut self, value: u64) {
        self.record_n(value, 1);
    }

    /// Counts a value so many times.
    pub fn record_n(&mut self, value: u64, times: u64) {
        self.counts[(u64::BITS - value.leading_zeros()) as usize] += times;
    }

    /// How many values were counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The smallest value that may stand at this place, in thousandths of the way from the smallest to the largest.
    fn permille(&self, place: u64) -> u64 {
        // Rounded up, and at least the first.
        let wanted = (self.total() * place).div_ceil(1000).max(1);
        let mut seen = 0;
        let reached = |count: &u64| {
            seen += count;
            seen >= wanted
        };
        self.counts.iter().position(reached).map_or(0, |bits| if bits == 0 { 0 } else { 1 << (bits - 1) })
    }

    /// The usual places.
    #[must_use]
    pub fn percentile_stats(&self) -> PercentileStats {
        PercentileStats {
            samples: self.total(),
            p0_1: self.permille(1),
            p1: self.permille(10),
            p5: self.permille(50),
            p10: self.permille(100),
            p50: self.permille(500),
            p90: self.permille(900),
            p99: self.permille(990),
            p99_9: self.permille(999),
        }
    }
}

/// A histogram in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it: p99_9 is the value below which 99.9 % lie")]
pub struct PercentileStats {
    pub samples: u64,
    pub p0_1: u64,
    pub p1: u64,
    pub p5: u64,
    pub p10: u64,
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p99_9: u64,
}

impl fmt::Display for PercentileStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} samples, half of them below {}, 99 % below {}", self.samples, self.p50, self.p99)
    }
}

/// Several histograms as text, one to a line.
#[derive(Debug, Clone, Default)]
pub struct AsciiChart {
    lines: Vec<String>,
}

impl AsciiChart {
    /// An empty one.
    #[must_use]
    pub fn new() -> AsciiChart {
        AsciiChart::default()
    }

    /// With one more line.
    #[must_use]
    pub fn add(mut self, name: &str, histogram: Histogram) -> AsciiChart {
        self.lines.push(format!("{name}: {}", histogram.percentile_stats()));
        self
    }
}

impl fmt::Display for AsciiChart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_to_a_power_of_two() {
        let mut histogram = Histogram::<()>::new();
        assert_eq!((histogram.percentile_stats().samples, histogram.percentile_stats().p99), (0, 0));
        for value in [0, 1, 5, 7, u64::MAX] {
            histogram.record(value);
        }
        let stats = histogram.percentile_stats();
        assert_eq!((stats.samples, stats.p0_1, stats.p50, stats.p99_9), (5, 0, 4, 1 << 63));
    }
}
