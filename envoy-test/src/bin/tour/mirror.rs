//! A mirror: the next version practises on copies, and nobody notices.

use anyhow::{Context as _, Result};
use envoy_test::Request;
use serde_json::Value;

use crate::asks::{Ask, GET};
use crate::binomial;
use crate::expect::{Expect::*, service, told};
use crate::front_proxy::FrontProxy;
use crate::show::Show;

const ORDERS: u32 = 400;
/// Asks the mirror itself.
const RECEIVED: Ask = Ask {
    why: "And what has the next version seen? Its developers may ask it:",
    host: "orders",
    path: "/received",
    headers: &[("x-version", "next")],
    expect: &[By("orders-next"), Rule("next")],
    ..GET
};

pub async fn run(front_proxy: &FrontProxy, show: &mut Show) -> Result<()> {
    show.chapter("A mirror: the next version gets a copy of every second order");
    let before = told(&RECEIVED.send(front_proxy).await?).context("the mirror's count")?;
    let mut connection = front_proxy.connect().await?;
    let mut right = 0;
    for order in 1..=ORDERS {
        let request = Request::new(front_proxy.address, "POST", &format!("/orders/{order}")).host("orders");
        let answer = connection.send(request).await?;
        right += u32::from(answer.status == 200 && service(&answer).as_deref() == Some("orders"));
    }
    show.say(&format!("{ORDERS} orders:"));
    show.command(&format!(
        "for i in $(seq {ORDERS}); do curl -s -X POST \"localhost:{}/orders/$i\" -H 'Host: orders'; done | grep -c '\"orders\"'",
        front_proxy.address.port()
    ));
    show.output(&right.to_string());
    show.check(right == ORDERS, "each was answered 200 by orders, none by its mirror");

    // A copy is on its way when its original is answered, but need not have arrived.
    let arrived = async || {
        let prefix = "cluster.orders-next.upstream_rq_";
        let stats = front_proxy.envoy.admin().stats(prefix).await?;
        let under_way = ["active", "pending_active"].map(|name| stats.get(&format!("{prefix}{name}")) != Some(&0));
        Ok((under_way == [false, false]).then_some(()))
    };
    front_proxy.envoy.admin().until("all copies have arrived", arrived).await?;
    let after = told(&RECEIVED.run(front_proxy, show).await?).context("the mirror's count")?;
    let copies = count(&after).saturating_sub(count(&before));
    let latest = after["latest"].as_array().and_then(|latest| latest.last());
    let latest = latest.context("the mirror has received nothing")?;
    show.output(&format!(
        "{copies} requests, the latest: {} {} with \"host\": {}",
        latest["method"], latest["path"], latest["headers"]["host"]
    ));
    binomial::check(show, copies, ORDERS, 0.5, "were copied");
    let is_one_of_ours = latest["path"].as_str().is_some_and(|path| path.starts_with("/orders/"));
    show.check(
        is_one_of_ours && latest["method"] == "POST" && latest["headers"]["host"] == "orders",
        "a copy has the original's method, path and Host",
    );
    Ok(())
}

fn count(told: &Value) -> u32 {
    told["requests"].as_u64().and_then(|count| u32::try_from(count).ok()).unwrap_or(0)
}
