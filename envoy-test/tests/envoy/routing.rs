//! Where requests go: VirtualService's conditions, hosts, weights and ports on a real Envoy, over HTTP/1 and HTTP/2.

use anyhow::Result;
use envoy_test::{Answer, Envoy, Listener, ListenerConfig, Request, Test, module, routes, tests};
use serde_json::{Value, json};

pub fn tests() -> Vec<Test> {
    tests![
        conditions_decide,
        header_conditions_are_those_of_envoy,
        the_most_specific_host_decides,
        no_rule_matches,
        no_virtual_service_leaves_all_as_it_was,
        weights_share_requests_out,
        the_port_is_that_of_the_listener,
        regular_expressions_are_of_bytes,
        long_requests_are_routed,
        bodies_and_upgrades_pass,
    ]
}

async fn listener(envoy: &Envoy, policy: Value) -> Result<Listener> {
    envoy.echoes(["one", "two", "one-v1"]).await?;
    let config = ListenerConfig::new().module(module("pointsman-routing")?).policy(policy);
    envoy.add_listener(config).await
}

fn to(host: &str) -> Value {
    json!([{"destination": {"host": host}}])
}

fn shop(http: Value) -> Value {
    json!({"virtualServices": [{"name": "shop", "hosts": ["shop"], "http": http}]})
}

async fn both(request: Request) -> Result<[Answer; 2]> {
    Ok([request.clone().send().await?, request.http2().send().await?])
}

async fn conditions_decide(envoy: &Envoy) -> Result<()> {
    let to_v1 = json!([{"destination": {"host": "one", "subset": "v1"}}]);
    let listener = listener(
        envoy,
        shop(json!([
            {"match": [{"uri": {"exact": "/exact"}}, {"headers": {"End-User": {"exact": "jason"}}}], "route": to("two")},
            {"match": [{"method": {"exact": "POST"}, "queryParams": {"v": {"regex": "[12]"}}}], "route": to_v1},
            {"match": [{"uri": {"prefix": "/p"}, "withoutHeaders": {"x-old": {}}}], "route": to("one")},
        ])),
    )
    .await?;
    let get = |path: &str| listener.get(path).host("shop");
    for (request, expected) in [
        (get("/exact?q"), "two"),
        (get("/other").header("end-user", "jason"), "two"),
        (get("/other").header("end-user", "x").header("end-user", "jason"), "two"),
        (listener.post("/?v=2").host("SHOP:80"), "one-v1"),
        (get("/page"), "one"),
    ] {
        for answer in both(request.header("x-pointsman-cluster", "two")).await? {
            assert_eq!((answer.status, answer.service().as_str()), (200, expected));
            let echo = answer.echo();
            assert_eq!(echo.header("x-pointsman-cluster"), None, "it is Envoy's to read, and nobody else's");
            assert_eq!(echo.header("x-envoy-expected-rq-timeout-ms"), None, "no timeout is Istio's default");
        }
    }
    for request in [get("/page").header("x-old", ""), listener.post("/?v=3").host("shop"), get("/Exact")] {
        assert_eq!(both(request).await?.map(|answer| answer.status), [404, 404]);
    }
    let log = listener.access_log(1).await?;
    assert_eq!((&log[0]["cluster"], &log[0]["route"]), (&json!("two"), &json!("pointsman")));
    Ok(())
}

/// The same conditions as Envoy's own matchers, by what istiod makes of them: the same requests are let through.
async fn header_conditions_are_those_of_envoy(envoy: &Envoy) -> Result<()> {
    envoy.echoes(["one", "two"]).await?;
    let string = |matcher: Value| json!({"string_match": matcher});
    let inverted =
        |matcher: Value| json!({"string_match": matcher, "invert_match": true, "treat_missing_header_as_empty": true});
    let regex = |regex: &str| json!({"safe_regex": {"regex": regex}});
    let conditions = [
        ("x", false, json!({"exact": "a"}), string(json!({"exact": "a"}))),
        ("x", false, json!({"exact": ""}), string(json!({"exact": ""}))),
        ("x", false, json!({"prefix": "a"}), string(json!({"prefix": "a"}))),
        ("x", false, json!({"regex": "a.?"}), string(regex("a.?"))),
        ("x", false, json!({}), json!({"present_match": true})),
        ("x", true, json!({"exact": "a"}), inverted(json!({"exact": "a"}))),
        ("x", true, json!({"exact": ""}), inverted(json!({"exact": ""}))),
        ("x", true, json!({"regex": ".*"}), inverted(regex(".*"))),
        ("x", true, json!({}), json!({"present_match": true, "invert_match": true})),
        ("host", false, json!({"exact": "shop:80"}), string(json!({"exact": "shop:80"}))),
        ("host", true, json!({"exact": "shop:80"}), inverted(json!({"exact": "shop:80"}))),
        ("accept", false, json!({"exact": "a,b"}), string(json!({"exact": "a,b"}))),
        ("cookie", false, json!({"exact": "a=1"}), string(json!({"exact": "a=1"}))),
        (":path", false, json!({"prefix": "/?q"}), string(json!({"prefix": "/?q"}))),
    ];
    let requests: [&[(&str, &[u8])]; 10] = [
        &[],
        &[("x", b"")],
        &[("x", b"a")],
        &[("x", b"ab")],
        &[("x", b"b")],
        &[("x", b"b"), ("x", b"a")],
        &[("x", b"a,b")],
        &[("x", b"a\xff")],
        &[("accept", b"a"), ("accept", b"b")],
        &[("cookie", b"a=1"), ("cookie", b"b=2")],
    ];
    let mut different = Vec::new();
    for (name, without, ours, theirs) in conditions {
        let field = if without { "withoutHeaders" } else { "headers" };
        let policy = json!({"virtualServices": [{"hosts": ["*"], "http": [
            {"match": [{field: {name: ours}}], "route": to("one")},
            {"route": to("two")},
        ]}]});
        let module = listener(envoy, policy).await?;
        let mut matcher = theirs.clone();
        matcher["name"] = json!(name);
        let mut own = routes::catch_all("one");
        own["match"]["headers"] = json!([matcher]);
        let native = envoy.add_listener(ListenerConfig::new().routes([own, routes::catch_all("two")])).await?;
        for host in ["shop", "shop:80"] {
            for headers in requests {
                for path in ["/", "/?q"] {
                    let mut services = Vec::new();
                    for listener in [&module, &native] {
                        let mut request = listener.get(path).host(host);
                        for (name, value) in headers {
                            request = request.header(name, value);
                        }
                        services.push(both(request).await?.map(|answer| answer.service()));
                    }
                    if services[0] != services[1] {
                        different.push(format!("{field} {name} {theirs}: {host}{path} {headers:?}: {services:?}"));
                    }
                }
            }
        }
    }
    assert_eq!(different, Vec::<String>::new());
    Ok(())
}

async fn the_most_specific_host_decides(envoy: &Envoy) -> Result<()> {
    let policy = json!({"virtualServices": [
        {"hosts": ["*.shop.com"], "http": [{"route": to("one")}]},
        {"hosts": ["a.shop.com", "fd00::1"], "http": [{"route": to("two")}]},
    ]});
    let listener = listener(envoy, policy).await?;
    for (host, expected) in [
        ("a.shop.com", "two"),
        ("A.Shop.COM:8080", "two"),
        ("b.shop.com", "one"),
        ("c.b.shop.com", "one"),
        ("shop.com", "default"),
        ("a.shop.com.", "default"),
        ("[fd00::1]:80", "two"),
        ("[fd00::1]", "two"),
    ] {
        for answer in both(listener.get("/").host(host)).await? {
            assert_eq!(answer.service(), expected, "{host}");
        }
    }
    Ok(())
}

/// As Envoy's own 404 where it has a virtual host but no route, with details that say whose it was.
async fn no_rule_matches(envoy: &Envoy) -> Result<()> {
    let mut policy = shop(json!([{"match": [{"uri": {"exact": "/x"}}], "route": to("one")}]));
    policy["virtualServices"][0]["namespace"] = json!("n s");
    let listener = listener(envoy, policy).await?;
    for answer in both(listener.get("/").host("shop")).await? {
        assert_eq!((answer.status, answer.text().as_str()), (404, ""));
    }
    for line in listener.access_log(2).await? {
        assert_eq!((&line["code"], &line["details"]), (&json!(404), &json!("pointsman_no_rule_matched{n_s/shop}")));
    }
    Ok(())
}

async fn no_virtual_service_leaves_all_as_it_was(envoy: &Envoy) -> Result<()> {
    let with = listener(envoy, shop(json!([{"route": to("one")}]))).await?;
    let without = envoy.add_listener(ListenerConfig::new()).await?;
    let own = |name: &str| name.starts_with("x-request-id");
    for http2 in [false, true] {
        let mut echoes = Vec::new();
        for listener in [&with, &without] {
            let request = listener.post("/a?b=c").host("other:80").header("x", b"\xff").header("x", "").body("body");
            let answer = if http2 { request.http2() } else { request }.send().await?;
            let mut echo = answer.echo();
            echo.headers.retain(|(name, _)| !own(name));
            echoes.push(echo);
        }
        assert_eq!(echoes[0], echoes[1]);
    }
    Ok(())
}

async fn weights_share_requests_out(envoy: &Envoy) -> Result<()> {
    const REQUESTS: u32 = 4000;
    let destinations = json!([
        {"destination": {"host": "one"}, "weight": 3}, {"destination": {"host": "two"}, "weight": 1},
        {"destination": {"host": "one", "subset": "v1"}, "weight": 0},
    ]);
    let listener = listener(envoy, shop(json!([{"route": destinations}]))).await?;
    let mut hits = 0;
    // Two connections, for two workers.
    for http2 in [false, true] {
        let mut connection = if http2 { listener.connect_http2().await? } else { listener.connect().await? };
        for _ in 0..REQUESTS / 2 {
            match connection.send(listener.get("/").host("shop")).await?.service().as_str() {
                "two" => hits += 1,
                "one" => {}
                other => panic!("{other} has no weight"),
            }
        }
    }
    // Hoeffding: a true quarter is off by more in fewer than one of 10^9 runs.
    let margin = (f64::from(REQUESTS) * (2.0 / 1e-9_f64).ln() / 2.0).sqrt();
    let expected = f64::from(REQUESTS) / 4.0;
    assert!((f64::from(hits) - expected).abs() < margin, "{hits}, expected {expected} ± {margin}");
    Ok(())
}

async fn the_port_is_that_of_the_listener(envoy: &Envoy) -> Result<()> {
    let listener = listener(envoy, json!({})).await?;
    let port = listener.address().port();
    let rules = json!([{"match": [{"port": port}], "route": to("one")}]);
    listener.update_policy(shop(rules)).await?.accepted();
    assert_eq!(listener.get("/").host("shop:1").send().await?.service(), "one");
    // No rule is left at this port: then there is no VirtualService either, and nothing is answered 404.
    let rules = json!([{"match": [{"port": port - 1}], "route": to("one")}]);
    listener.update_policy(shop(rules)).await?.accepted();
    let answer = listener.get("/").host(&format!("shop:{}", port - 1)).send().await?;
    assert_eq!(answer.service(), "default");
    Ok(())
}

async fn regular_expressions_are_of_bytes(envoy: &Envoy) -> Result<()> {
    let listener = listener(
        envoy,
        shop(json!([
            {"match": [{"headers": {"x": {"regex": "caf."}}}], "route": to("one")},
            {"match": [{"headers": {"x": {"regex": "caf.."}}}], "route": to("two")},
        ])),
    )
    .await?;
    for (value, expected) in [(&b"caf\xe9"[..], "one"), ("café".as_bytes(), "two"), (b"caf\xff\xff", "two")] {
        for answer in both(listener.get("/").host("shop").header("x", value)).await? {
            assert_eq!(answer.service(), expected, "{value:?}");
            assert_eq!(answer.echo().header("x").unwrap().chars().count(), value.len());
        }
    }
    Ok(())
}

/// As many headers, and as long ones, as Envoy takes.
async fn long_requests_are_routed(envoy: &Envoy) -> Result<()> {
    let rules = shop(json!([{"match": [{"headers": {"x-99": {"regex": "y.*z"}}}], "route": to("one")}]));
    let listener = listener(envoy, rules).await?;
    let mut request = listener.get(&format!("/{}", "p".repeat(8000))).host("shop");
    for index in 0..90 {
        request = request.header(&format!("x-{index}"), "v".repeat(400));
    }
    for answer in both(request.header("x-99", format!("y{}z", "\u{e9}".repeat(4000)))).await? {
        assert_eq!((answer.status, answer.service().as_str()), (200, "one"));
    }
    Ok(())
}

async fn bodies_and_upgrades_pass(envoy: &Envoy) -> Result<()> {
    let listener = listener(envoy, shop(json!([{"route": to("one")}]))).await?;
    for answer in both(listener.post("/").host("shop").body(vec![b'x'; 3_000_000])).await? {
        assert_eq!((answer.service().as_str(), answer.echo().body_length), ("one", 3_000_000));
    }
    for method in ["HEAD", "OPTIONS", "DELETE", "PATCH"] {
        let answer = listener.request(method, "/").host("shop").send().await?;
        assert_eq!(answer.status, 200, "{method}");
    }
    // A path that is none, and no host at all: nothing to decide by, and nothing breaks.
    for raw in ["OPTIONS * HTTP/1.1\r\nhost: shop\r\n\r\n", "GET / HTTP/1.1\r\nhost:\r\n\r\n"] {
        listener.send_raw(raw).await?;
    }
    assert_eq!(listener.get("/").host("shop").send().await?.service(), "one");
    Ok(())
}
