//! Is one in ten really one in ten?

use anyhow::{Result, bail};
use envoy_test::Request;

use crate::binomial;
use crate::expect::service;
use crate::front_proxy::FrontProxy;
use crate::show::Show;

const REQUESTS: u32 = 1_000;

pub async fn run(front_proxy: &FrontProxy, show: &mut Show) -> Result<()> {
    show.chapter("A canary: 90 % to v1, 10 % to v2");
    let mut connection = front_proxy.connect().await?;
    let (mut old, mut new, mut mismarked) = (0, 0, 0);
    for _ in 0..REQUESTS {
        let answer = connection.send(Request::new(front_proxy.address, "GET", "/cart").host("shop")).await?;
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
    binomial::check(show, new, REQUESTS, 0.1, "went to v2");
    show.check(mismarked == 0, "`x-shop: new`, which the rule sets for v2 alone, was on exactly its answers");
    Ok(())
}
