//! Is one in ten really one in ten?

use anyhow::{Result, bail};
use envoy_test::Request;

use crate::expect::service;
use crate::front_proxy::FrontProxy;
use crate::show::Show;

const REQUESTS: u32 = 1_000;
const SHARE: f64 = 0.1;
/// A fair canary fails the check in one of so many runs.
const ONE_RUN_IN: f64 = 1e6;

pub async fn run(front_proxy: &FrontProxy, show: &mut Show) -> Result<()> {
    show.chapter("A canary: 90 % to v1, 10 % to v2");
    let mut connection = front_proxy.connect().await?;
    let (mut old, mut new, mut mismarked) = (0, 0, 0);
    for _ in 0..REQUESTS {
        let answer = connection
            .send(Request::new(front_proxy.address, "GET", "/cart").host("shop"))
            .await?;
        let marked = answer.header("x-shop").as_deref() == Some("new");
        let is_new = match service(&answer).as_deref() {
            Some("shop-v1") => false,
            Some("shop-v2") => true,
            _ => bail!("GET /cart of shop was answered with {answer}"),
        };
        *(if is_new { &mut new } else { &mut old }) += 1;
        mismarked += u32::from(marked != is_new);
    }
    show.say(&format!("{REQUESTS} requests:"));
    show.command(&format!(
        "for i in $(seq {REQUESTS}); do curl -s 'localhost:{}/cart' -H 'Host: shop'; done | grep -c shop-v2",
        front_proxy.address.port()
    ));
    show.output(&format!("{new}\n({old} times shop-v1)"));
    let (low, high) = bounds(REQUESTS, SHARE, 1.0 / ONE_RUN_IN);
    let claim = format!(
        "{low} to {high} of {REQUESTS} went to v2 (binomial: a true 10 % leaves this range in at most one of {ONE_RUN_IN} runs)"
    );
    show.check((low..=high).contains(&new), &claim);
    show.check(
        mismarked == 0,
        "`x-shop: new`, which the rule sets for v2 alone, was on exactly its answers",
    );
    Ok(())
}

/// Where the number of hits among `n` draws lies, each with chance `p`, except with probability `miss` (half of it at
/// each end).
fn bounds(n: u32, p: f64, miss: f64) -> (u32, u32) {
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
