//! Mirrors: who gets a copy of a request, and what the copy says.

use anyhow::Result;
use envoy_test::{Echo, Envoy, Listener, ListenerConfig, Reply, Test, Upstream, bounds, module, tests};
use serde_json::{Value, json};

pub fn tests() -> Vec<Test> {
    tests![
        a_percentage_decides,
        up_to_three_get_a_copy,
        each_is_drawn_by_itself,
        a_share_is_copied,
        the_copy_is_what_is_sent,
        a_copy_that_fails_harms_nobody,
        a_request_is_copied_once_however_often_it_is_tried,
        what_is_not_routed_is_not_copied,
        a_client_cannot_ask_for_a_copy,
    ]
}

async fn listener(envoy: &Envoy, rule: Value) -> Result<Listener> {
    envoy.echoes(["one"]).await?;
    let policy = json!({"virtualServices": [{"hosts": ["shop"], "http": [rule]}]});
    envoy.add_listener(ListenerConfig::new().module(module("pointsman-routing")?).policy(policy)).await
}

/// What is routed to `one`, with these fields besides.
fn to_one(mut fields: Value) -> Value {
    fields["route"] = json!([{"destination": {"host": "one"}}]);
    fields
}

fn host(upstream: &Upstream) -> Value {
    json!({"host": upstream.name()})
}

/// A member of `mirrors`.
fn share(upstream: &Upstream, percentage: u32) -> Value {
    json!({"destination": host(upstream), "percentage": {"value": percentage}})
}

/// How many copies an upstream has got of requests that are answered: Envoy begins a copy before it answers, so those
/// that are not there yet are still under way.
async fn copies(envoy: &Envoy, mirror: &Upstream) -> Result<usize> {
    let cluster = format!("cluster.{}.", mirror.name());
    let none_is_under_way = async || {
        let stats = envoy.admin().stats(&cluster).await?;
        let active = |name: &str| stats.get(&format!("{cluster}upstream_rq_{name}")).copied().unwrap_or(0);
        Ok((active("active") + active("pending_active") == 0).then_some(()))
    };
    envoy.admin().until("all copies have been sent", none_is_under_way).await?;
    Ok(mirror.requests())
}

/// Sends requests that `one` answers, over both protocols.
async fn send(listener: &Listener, requests: u32) -> Result<()> {
    for http2 in [false, true] {
        let mut connection = if http2 { listener.connect_http2().await? } else { listener.connect().await? };
        for _ in 0..requests / 2 {
            let answer = connection.send(listener.get("/").host("shop")).await?;
            assert_eq!((answer.status, answer.service().as_str()), (200, "one"));
        }
    }
    Ok(())
}

async fn a_percentage_decides(envoy: &Envoy) -> Result<()> {
    for (percentage, expected) in [
        (json!({}), 6),
        (json!({"mirrorPercentage": {"value": 100}}), 6),
        (json!({"mirrorPercentage": {"value": 0}}), 0),
        (json!({"mirrorPercent": 100}), 6),
        (json!({"mirrorPercent": 0}), 0),
        (json!({"mirrorPercent": 0, "mirrorPercentage": {"value": 100}}), 6),
    ] {
        let copy = envoy.upstream("copy").await?;
        let mut rule = to_one(percentage.clone());
        rule["mirror"] = host(&copy);
        let listener = listener(envoy, rule).await?;
        send(&listener, 6).await?;
        assert_eq!(copies(envoy, &copy).await?, expected, "{percentage}");
    }
    Ok(())
}

async fn up_to_three_get_a_copy(envoy: &Envoy) -> Result<()> {
    let (a, b, c) = (envoy.upstream("a").await?, envoy.upstream("b").await?, envoy.upstream("c").await?);
    let all = [&a, &b, &c].map(|copy| json!({"destination": host(copy)}));
    for most in 0..=3 {
        let before = [a.requests(), b.requests(), c.requests()];
        let listener = listener(envoy, to_one(json!({"mirrors": all[..most]}))).await?;
        send(&listener, 4).await?;
        for (place, (copy, before)) in [&a, &b, &c].into_iter().zip(before).enumerate() {
            let expected = if place < most { 4 } else { 0 };
            assert_eq!(copies(envoy, copy).await? - before, expected, "{place} of {most}");
        }
    }
    Ok(())
}

/// One that is drawn gets its copy also when one before it is not.
async fn each_is_drawn_by_itself(envoy: &Envoy) -> Result<()> {
    for percentages in [[0, 100, 0], [0, 0, 100], [100, 0, 100], [0, 100, 100], [0, 0, 0]] {
        let all = [envoy.upstream("a").await?, envoy.upstream("b").await?, envoy.upstream("c").await?];
        let mirrors: Vec<Value> =
            all.iter().zip(percentages).map(|(copy, percentage)| share(copy, percentage)).collect();
        let listener = listener(envoy, to_one(json!({"mirrors": mirrors}))).await?;
        send(&listener, 4).await?;
        for (copy, percentage) in all.iter().zip(percentages) {
            assert_eq!(copies(envoy, copy).await?, if percentage == 100 { 4 } else { 0 }, "{percentages:?}");
        }
    }
    Ok(())
}

async fn a_share_is_copied(envoy: &Envoy) -> Result<()> {
    const REQUESTS: u32 = 400;
    let all = [envoy.upstream("a").await?, envoy.upstream("b").await?];
    let mirrors = [share(&all[0], 25), share(&all[1], 75)];
    let listener = listener(envoy, to_one(json!({"mirrors": mirrors}))).await?;
    send(&listener, REQUESTS).await?;
    for (copy, chance) in all.iter().zip([0.25, 0.75]) {
        let (least, most) = bounds(REQUESTS, chance, 1e-9);
        let copies = u32::try_from(copies(envoy, copy).await?)?;
        assert!((least..=most).contains(&copies), "{copies} of {REQUESTS}, expected {least} to {most}");
    }
    Ok(())
}

/// Whose header operations and rewrites have been done, and whose host has no `-shadow`.
async fn the_copy_is_what_is_sent(envoy: &Envoy) -> Result<()> {
    let copy = envoy.upstream("copy").await?;
    let set = |name: &str| json!({"request": {"set": {name: "1"}, "remove": ["gone"]}});
    let listener = listener(
        envoy,
        json!({
            "match": [{"uri": {"prefix": "/old"}}],
            "route": [{"destination": {"host": "one"}, "headers": set("x-destination")}],
            "rewrite": {"uri": "/new", "authority": "inner.com"},
            "headers": set("x-rule"),
            "timeout": "9s",
            "mirror": host(&copy),
        }),
    )
    .await?;
    for (request, http2) in [(listener.post("/old/x?q"), false), (listener.post("/old/x?q"), true)] {
        let request =
            request.host("shop").header("gone", "1").header("x", b"\xff").header("x", "2").body(vec![b'x'; 300_000]);
        let sent = if http2 { request.http2() } else { request }.send().await?.echo();
        copies(envoy, &copy).await?;
        let copied = copy.last_request().unwrap();
        assert_eq!(copied.header("x-envoy-internal"), Some("true"));
        // What Envoy itself says of each: the copy is sent in pieces, by Envoy, and has no time-out of the rule.
        let framing = [
            "content-length",
            "transfer-encoding",
            "x-envoy-expected-rq-timeout-ms",
            "x-envoy-internal",
            "x-forwarded-for",
        ];
        let own = |echo: &Echo| -> Vec<_> {
            let mut lines = echo.headers.clone();
            lines.retain(|(name, _)| !framing.contains(&name.as_str()));
            lines.sort();
            lines
        };
        assert_eq!(own(&copied), own(&sent));
        assert_eq!(
            (copied.path.as_str(), copied.authority.as_str(), copied.body_length),
            ("/new/x?q", "inner.com", 300_000)
        );
        assert_eq!(
            (copied.header("x-rule"), copied.header("x-destination"), copied.header("gone")),
            (Some("1"), Some("1"), None)
        );
    }
    Ok(())
}

async fn a_copy_that_fails_harms_nobody(envoy: &Envoy) -> Result<()> {
    let (broken, slow, well) =
        (envoy.upstream("broken").await?, envoy.upstream("slow").await?, envoy.upstream("well").await?);
    broken.script([Reply::status(503).times(2), Reply::garbage("nonsense").times(2), Reply::close()]);
    slow.script([Reply::status(200).held()]);
    for bad in [json!({"host": "nobody"}), host(&broken), host(&slow)] {
        let before = well.requests();
        let mirrors = json!([{"destination": bad}, {"destination": host(&well)}]);
        let listener = listener(envoy, to_one(json!({"mirrors": mirrors}))).await?;
        let mark = listener.mark();
        send(&listener, 6).await?;
        // Nor the other mirror.
        assert_eq!(copies(envoy, &well).await? - before, 6, "{bad}");
        assert_eq!(listener.log_since(mark), Vec::<String>::new());
    }
    assert_eq!(copies(envoy, &broken).await?, 6, "a copy is not tried again");
    slow.arrived(6).await;
    Ok(())
}

async fn a_request_is_copied_once_however_often_it_is_tried(envoy: &Envoy) -> Result<()> {
    let (flaky, copy) = (envoy.upstream("flaky").await?, envoy.upstream("copy").await?);
    let listener = listener(
        envoy,
        json!({
            "route": [{"destination": host(&flaky)}],
            "retries": {"attempts": 3, "retryOn": "503"},
            "mirror": host(&copy),
        }),
    )
    .await?;
    for tries in 1..=4 {
        flaky.script([Reply::status(503).times(tries - 1)]);
        let (tried, copied) = (flaky.requests(), copy.requests());
        let answer = listener.post("/").host("shop").body("body").send().await?;
        assert_eq!((answer.service().as_str(), flaky.requests() - tried), (flaky.name(), tries));
        assert_eq!(copies(envoy, &copy).await? - copied, 1, "{tries} tries");
    }
    Ok(())
}

async fn what_is_not_routed_is_not_copied(envoy: &Envoy) -> Result<()> {
    let copy = envoy.upstream("copy").await?;
    for (action, content, status) in
        [("redirect", json!({"uri": "/x"}), 301), ("directResponse", json!({"status": 418}), 418)]
    {
        let listener = listener(envoy, json!({action: content, "mirror": host(&copy)})).await?;
        assert_eq!(listener.get("/").host("shop").send().await?.status, status);
    }
    let rule = to_one(json!({"match": [{"uri": {"exact": "/x"}}], "mirror": host(&copy)}));
    let listener = listener(envoy, rule).await?;
    assert_eq!(listener.get("/").host("shop").send().await?.status, 404);
    assert_eq!(listener.get("/").host("other").send().await?.service(), "default");
    assert_eq!(copies(envoy, &copy).await?, 0);
    Ok(())
}

async fn a_client_cannot_ask_for_a_copy(envoy: &Envoy) -> Result<()> {
    let (own, copy) = (envoy.upstream("own").await?, envoy.upstream("copy").await?);
    for (fields, expected) in [(json!({}), 0), (json!({"mirror": host(&own)}), 3)] {
        let listener = listener(envoy, to_one(fields)).await?;
        for host in ["shop", "other"] {
            let mut request = listener.get("/").host(host);
            for name in ["x-pointsman-mirror", "x-pointsman-mirror-2", "X-Pointsman-Mirror-3"] {
                request = request.header(name, copy.name());
            }
            for _ in 0..3 {
                assert_eq!(request.clone().send().await?.status, 200);
            }
        }
        assert_eq!(copies(envoy, &own).await?, expected, "not of what is for another host either");
        assert_eq!(copies(envoy, &copy).await?, 0);
    }
    Ok(())
}
