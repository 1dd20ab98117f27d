//! Rate limits: so many requests for each key, costs that turn out at the end, a limit that only counts.

use anyhow::Result;
use envoy_test::{Connection, Request};

use crate::asks::{Ask, GET};
use crate::expect::Expect::*;
use crate::front_proxy::{FrontProxy, sed};
use crate::show::Show;

const SEARCH: Ask = Ask {
    host: "catalog",
    path: "/search?q=shoes",
    headers: &[("x-api-key", "ann")],
    expect: &[By("catalog"), Client("x-ratelimit-remaining", Some("2"))],
    ..GET
};
const SEARCHES: &[Ask] = &[
    Ask { why: "Three searches an hour for each API key. The first leaves two ...", ..SEARCH },
    Ask {
        why: "... the second one ...",
        expect: &[By("catalog"), Client("x-ratelimit-remaining", Some("1"))],
        ..SEARCH
    },
    Ask {
        why: "... the third none ...",
        expect: &[By("catalog"), Client("x-ratelimit-remaining", Some("0"))],
        ..SEARCH
    },
    REFUSED,
    Ask { why: "Another key has searches of its own.", headers: &[("x-api-key", "bob")], ..SEARCH },
];
const REFUSED: Ask = Ask {
    why: "... and the fourth is one too many. The answer says when to come again.",
    expect: &[Proxy(429), Body("local_rate_limited"), Seconds("retry-after", 1200)],
    ..SEARCH
};

const CHAT: Ask = Ask {
    why: "What an answer costs, the service says when it has given it: 400 of the 1,000 tokens that there are.",
    host: "catalog",
    path: "/chat",
    expect: &[By("catalog"), Client("x-tokens-used", Some("400"))],
    ..GET
};
const CHATS: &[Ask] = &[
    CHAT,
    Ask { why: "Another 400 ...", ..CHAT },
    Ask { why: "... and again, since 200 were left.", ..CHAT },
    Ask {
        why: "Now the bucket owes 200: until they have come, nobody is let in.",
        expect: &[Proxy(429), Seconds("retry-after", 720)],
        ..CHAT
    },
];

const BROWSE: Ask = Ask { host: "catalog", path: "/browse", ..GET };
const BROWSES: u32 = 5;
const SHADOW: &str = "pointsman_rate_limit_shadow_rate_limited";

/// An edit that has nothing to do with limits, and one of the limit itself.
const OTHER: &[(&str, &str)] = &[("maxActive: 50", "maxActive: 40")];
const MORE: &[(&str, &str)] = &[("maxTokens: 3,", "maxTokens: 30,")];

pub async fn run(front_proxy: &FrontProxy, show: &mut Show) -> Result<()> {
    show.chapter("Rate limits");
    for ask in SEARCHES.iter().chain(CHATS) {
        ask.run(front_proxy, show).await?;
    }
    shadow(front_proxy, show).await?;

    show.say("What was counted outlives an edit of something else:");
    edit(front_proxy, show, OTHER).await?;
    Ask { why: "The key still has no search left.", ..REFUSED }.run(front_proxy, show).await?;
    show.say("A limit that is changed begins anew:");
    edit(front_proxy, show, MORE).await?;
    Ask {
        why: "30 an hour, of which this is the first.",
        expect: &[By("catalog"), Client("x-ratelimit-remaining", Some("29"))],
        ..SEARCH
    }
    .run(front_proxy, show)
    .await?;
    front_proxy.restore_policy().await
}

async fn shadow(front_proxy: &FrontProxy, show: &mut Show) -> Result<()> {
    let mut connection = front_proxy.connect().await?;
    let before = would_be(front_proxy).await?;
    let mut passed = 0;
    for _ in 0..BROWSES {
        passed += u32::from(browse(front_proxy, &mut connection).await? == 200);
    }
    show.say(&format!("Would two an hour be too few? A limit in shadow mode counts, and lets all {BROWSES} pass:"));
    show.command(&format!("for i in $(seq {BROWSES}); do {}; done", BROWSE.curl(front_proxy.address.port())));
    show.output(&format!("{passed} times 200"));
    show.check(passed == BROWSES, "none was refused");
    // It is Envoy's to say what the workers have counted.
    let counted = front_proxy.envoy.admin().until("the metric says so", async || {
        let counted = would_be(front_proxy).await? - before;
        Ok((counted >= u64::from(BROWSES) - 2).then_some(counted))
    });
    let counted = counted.await?;
    show.command(&format!("curl -s ADMIN/stats | grep {SHADOW}"));
    show.output(&counted.to_string());
    show.check(counted == u64::from(BROWSES) - 2, "but it would have refused all but two");
    Ok(())
}

async fn browse(front_proxy: &FrontProxy, connection: &mut Connection) -> Result<u16> {
    let request = Request::new(front_proxy.address, BROWSE.method, BROWSE.path).host(BROWSE.host);
    Ok(connection.send(request).await?.status)
}

/// How many requests the limit would have refused.
async fn would_be(front_proxy: &FrontProxy) -> Result<u64> {
    let metrics = front_proxy.envoy.admin().stats("wasmcustom.").await?;
    Ok(metrics.iter().filter(|(name, _)| name.contains(SHADOW)).map(|(_, count)| count).sum())
}

async fn edit(front_proxy: &FrontProxy, show: &mut Show, edits: &[(&str, &str)]) -> Result<()> {
    show.command(&format!("sed -i '{}' policy.yaml", sed(edits)));
    let refused = front_proxy.edit_policy(edits).await?;
    show.check(refused.is_none(), "Envoy took the new policy");
    Ok(())
}
