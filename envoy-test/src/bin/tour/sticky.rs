//! Canaries that stick: whoever has seen one version stays with it, and the shares hold all the same.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use envoy_test::{Connection, Request};

use crate::asks::{Ask, GET};
use crate::binomial;
use crate::expect::{Expect::*, service};
use crate::front_proxy::{FrontProxy, sed};
use crate::show::Show;

const FIRST_VISIT: Ask = Ask {
    why: "A visitor without a cookie gets one, and a version of the shop:",
    host: "checkout",
    expect: &[Rule("visitors"), Cookie("visitor", "; Max-Age=86400; Path=/; HttpOnly")],
    ..GET
};
const VISITS: u32 = 50;
const USERS: u32 = 1_000;
/// A larger share of the users to v2.
const MORE: &[(&str, &str)] = &[("weight: 80", "weight: 60"), ("weight: 20", "weight: 40")];

pub async fn run(front_proxy: &FrontProxy, show: &mut Show) -> Result<()> {
    show.chapter("A canary that sticks: who has seen one version stays with it");
    let mut connection = front_proxy.connect().await?;
    visitor(front_proxy, &mut connection, show).await?;
    users(front_proxy, &mut connection, show).await
}

async fn visitor(front_proxy: &FrontProxy, connection: &mut Connection, show: &mut Show) -> Result<()> {
    let first = FIRST_VISIT.run(front_proxy, show).await?;
    let line = first.header("set-cookie").context("no cookie was issued")?;
    let cookie = line.split(';').next().unwrap_or_default();
    let mut seen = BTreeSet::from([service(&first)]);
    let mut again = 0;
    for _ in 0..VISITS {
        let request = Request::new(front_proxy.address, "GET", "/").host("checkout");
        let answer = connection.send(request.header("cookie", cookie)).await?;
        seen.insert(service(&answer));
        again += u32::from(answer.header("set-cookie").is_some());
    }
    show.say("The browser brings it along from now on:");
    show.command(&format!(
        "for i in $(seq {VISITS}); do {}; done | grep service | sort | uniq -c",
        curl(front_proxy, &format!("'cookie: {cookie}'"))
    ));
    let seen: Vec<String> = seen.into_iter().map(Option::unwrap_or_default).collect();
    show.output(&format!("{VISITS} times {}", seen.join(" or ")));
    show.check(seen.len() == 1, "it was the first visit's version every time");
    show.check(again == 0, "no second cookie was issued");
    Ok(())
}

async fn users(front_proxy: &FrontProxy, connection: &mut Connection, show: &mut Show) -> Result<()> {
    let command =
        format!("for i in $(seq {USERS}); do {}; done | grep -c shop-v2", curl(front_proxy, "\"x-user: user-$i\""));
    show.say(&format!("{USERS} users, who are known by a header, 20 % of them to v2:"));
    show.command(&command);
    let before = on_new(front_proxy, connection).await?;
    show.output(&before.len().to_string());
    check_share(show, &before, 0.2);

    show.say("Now 40 %, and the same users come back:");
    show.command(&format!("sed -i '{}' policy.yaml", sed(MORE)));
    let refused = front_proxy.edit_policy(MORE).await?;
    show.check(refused.is_none(), "Envoy took the new policy");
    show.command(&command);
    let after = on_new(front_proxy, connection).await?;
    show.output(&after.len().to_string());
    check_share(show, &after, 0.4);
    show.check(before.is_subset(&after), "whoever had v2 before has it now: only newcomers moved");
    front_proxy.restore_policy().await
}

/// Which of the users get the new version.
async fn on_new(front_proxy: &FrontProxy, connection: &mut Connection) -> Result<BTreeSet<u32>> {
    let mut new = BTreeSet::new();
    for user in 1..=USERS {
        let request = Request::new(front_proxy.address, "GET", "/").host("checkout");
        let answer = connection.send(request.header("x-user", format!("user-{user}"))).await?;
        if service(&answer).as_deref() == Some("shop-v2") {
            new.insert(user);
        }
    }
    Ok(new)
}

fn check_share(show: &mut Show, new: &BTreeSet<u32>, share: f64) {
    let hits = u32::try_from(new.len()).unwrap_or(u32::MAX);
    binomial::check(show, hits, USERS, share, "went to v2");
}

fn curl(front_proxy: &FrontProxy, header: &str) -> String {
    let port = front_proxy.address.port();
    format!("curl -s 'localhost:{port}/' -H 'Host: checkout' -H {header}")
}
