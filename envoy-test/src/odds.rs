//! What chance does, for tests of what is shared out by chance.

/// Where the number of hits among `n` draws lies, each with chance `p`, except with probability `miss` (half of it at
/// each end).
pub fn bounds(n: u32, p: f64, miss: f64) -> (u32, u32) {
    let end = |p: f64| {
        // The chance of so many hits, as a logarithm: none at all among many has one too small for an f64.
        let (mut chance, mut so_far, mut hits) = (f64::from(n) * (1.0 - p).ln(), 0.0, 0);
        loop {
            so_far += chance.exp();
            if so_far > miss / 2.0 || hits == n {
                return hits;
            }
            chance += (f64::from(n - hits) / f64::from(hits + 1) * p / (1.0 - p)).ln();
            hits += 1;
        }
    };
    // The upper end of the hits is the lower end of the misses.
    (end(p), n - end(1.0 - p))
}

#[cfg(test)]
mod tests {
    use super::bounds;

    #[test]
    fn bounds_are_those_of_the_tables() {
        // Ten coins: 0 or 10 heads have a chance of 2/1024, 0, 1, 9 or 10 of 22/1024.
        assert_eq!(bounds(10, 0.5, 0.021), (1, 9));
        assert_eq!(bounds(10, 0.5, 0.022), (2, 8));
        assert_eq!(bounds(10, 0.5, 0.0), (0, 10));
        // Two-sided 95 %: scipy.stats.binom.ppf([0.025, 0.975], 1000, 0.1).
        assert_eq!(bounds(1000, 0.1, 0.05), (82, 119));
    }
}
