//! Clients that want the module's end: as many headers as Envoy takes, as long as it takes them, of all bytes.

use anyhow::Result;
use envoy_test::{
    Connection, Envoy, EnvoyConfig, Listener, ListenerConfig, Mark, RawHttp1, Reply, Request, Test, routes, tests,
};
use serde_json::{Value, json};

use super::{WHOLE, bucket, by_header, descriptor, header, listener_like, statuses, then_refused, with};

pub fn tests() -> Vec<Test> {
    tests![
        a_thousand_headers,
        long_values,
        every_byte,
        targets_of_all_kinds,
        numbers_of_all_kinds,
        an_upstream_without_manners,
        addresses_of_all_kinds,
        clients_that_leave_at_once,
    ]
}

/// Every action there is, and every place from which hits come.
fn limits() -> Value {
    let any = |key: &str| json!({"key": key});
    let all = json!({
        "name": "all actions",
        "actions": [
            with(header("k"), json!({"requestHeaders": {"skipIfAbsent": true}})),
            {"remoteAddress": {}},
            {"maskedRemoteAddress": {"v4PrefixMaskLen": 8, "v6PrefixMaskLen": 8}},
            {"genericKey": {"descriptorValue": "v"}},
            {"headerValueMatch": {"descriptorValue": "v", "headers": [
                {"name": "m", "stringMatch": {"safeRegex": {"regex": "(a|b)*c"}}, "invertMatch": true},
            ], "expectMatch": false}},
            {"queryParameters": {"queryParameterName": "q", "descriptorKey": "q", "skipIfAbsent": true}},
            {"destinationCluster": {}},
            {"sourceCluster": {}},
            {"path": {"template": "/a/{b}/{**}", "variable": "b", "descriptorKey": "path", "skipIfAbsent": true}},
            {"jwtClaim": {"claim": "sub", "descriptorKey": "sub", "skipIfAbsent": true}},
        ],
        "local": {"descriptors": [{"entries": [
            any("k"), any("remote_address"), any("masked_remote_address"), any("generic_key"), any("header_match"),
            any("q"), any("destination_cluster"), any("source_cluster"), any("path"),
        ], "tokenBucket": bucket(1000)}]},
        "response": {"rateLimitHeaders": "DRAFT_VERSION_03"},
    });
    let query = json!({
        "name": "queries",
        "actions": [{"queryParameters": {"queryParameterName": "q", "descriptorKey": "q"}}],
        "local": {"descriptors": [descriptor("q", "", &bucket(2))]},
    });
    json!([
        all,
        with(by_header("k", &bucket(2)), json!({"name": "values"})),
        query,
        {"name": "hits", "local": {"tokenBucket": bucket(5000)}, "hitsAddend": {"requestHeader": "hits"}},
        {"name": "costs", "local": {"tokenBucket": bucket(5000)}, "hitsAddend": {"responseHeader": "cost"}},
        {"name": "late costs", "local": {"tokenBucket": bucket(5000)}, "hitsAddend": {"responseTrailer": "cost"}},
        {"name": "slots", "concurrency": 50},
    ])
}

/// An Envoy of one's own: it names no listener when a callback fails.
struct Scene {
    listener: Listener,
    mark: Mark,
    envoy: Envoy,
}

impl Scene {
    async fn new() -> Result<Self> {
        let envoy = EnvoyConfig::new().start().await?;
        let config = ListenerConfig::new().routes([routes::catch_all("default")]).manager(json!({
            "max_request_headers_kb": 8192, "common_http_protocol_options": {"max_headers_count": 4000},
            "http2_protocol_options": {"allow_metadata": false},
        }));
        // Large requests of ours come through to the upstream no more.
        let config = config.routes([
            json!({"match": {"prefix": "/to-upstream"}, "route": {"cluster": "default"}}),
            json!({"match": {"prefix": "/"}, "direct_response": {"status": 200}}),
        ]);
        let listener = listener_like(&envoy, config, WHOLE, limits()).await?;
        let mark = envoy.log().mark();
        Ok(Self { listener, mark, envoy })
    }

    /// The module has not failed, nothing was answered in its place, and limits are kept as before.
    async fn stays_well(self) -> Result<()> {
        let request = self.listener.get("/to-upstream").header("k", "an ordinary value");
        assert_eq!(statuses(&request, 3).await?, then_refused(2, 1));
        let bad = |entry: &String| {
            entry.contains("Function: proxy_on_") || entry.contains("[error]") || entry.contains("[critical]")
        };
        let bad: Vec<String> = self.envoy.log().since(self.mark).into_iter().filter(bad).collect();
        assert!(bad.is_empty(), "{bad:#?}");
        let counters = self.envoy.admin().stats(&format!("wasm.{}.vm_reload", self.listener.name())).await?;
        assert!(counters.len() >= 3 && counters.values().all(|count| *count == 0), "{counters:?}");
        Ok(())
    }
}

async fn a_thousand_headers(_: &Envoy) -> Result<()> {
    let scene = Scene::new().await?;
    for http2 in [false, true] {
        for name in ["x", "k", "hits", "m", "x-forwarded-for", "cookie"] {
            let request = (0..1000).fold(scene.listener.get("/"), |request, number| {
                let name = if name == "x" { format!("x-{number}") } else { name.to_owned() };
                request.header(&name, format!("{number}-{http2}"))
            });
            let mut connection = Connection::open(scene.listener.address(), http2).await?;
            for _ in 0..2 {
                assert_eq!(connection.send(request.clone()).await?.status, 200, "{name}");
            }
        }
    }
    scene.stays_well().await
}

/// Values that differ in their last byte alone are two, however long they are.
async fn long_values(_: &Envoy) -> Result<()> {
    let scene = Scene::new().await?;
    for length in [1000, 1023, 1024, 1025, 4000, 60_000, 100_000, 1_000_000] {
        let long = "x".repeat(length);
        for last in ["a", "b"] {
            let request = scene.listener.get("/").header("k", format!("{long}{last}"));
            assert_eq!(statuses(&request, 3).await?, then_refused(2, 1), "{length} {last}");
        }
        if length < 100_000 {
            for last in ["a", "b"] {
                let request = scene.listener.get(&format!("/?q={long}{last}"));
                assert_eq!(statuses(&request, 3).await?, then_refused(2, 1), "{length} {last}");
            }
        }
        // Not by their length, and not by the part that is kept of them.
        assert_eq!(scene.listener.get("/").header("k", &long).send().await?.status, 200);
        let long = long.replacen('x', "y", 1);
        assert_eq!(scene.listener.get("/").header("k", format!("{long}a")).send().await?.status, 200);
    }
    scene.stays_well().await
}

async fn every_byte(_: &Envoy) -> Result<()> {
    let scene = Scene::new().await?;
    let mut connections = [scene.listener.connect().await?, scene.listener.connect_http2().await?];
    for byte in (0x20..=0xff).filter(|byte| *byte != 0x7f) {
        let value = [b'v', byte, b'v'];
        let request = ["k", "hits", "m", "x-forwarded-for", "cookie", "user-agent"]
            .iter()
            .fold(scene.listener.get("/a/b/c"), |request, name| request.header(name, value));
        let mut statuses = Vec::new();
        // Each value has its bucket of two.
        for connection in [0, 1, 0] {
            statuses.push(connections[connection].send(request.clone()).await?.status);
        }
        assert_eq!(statuses, then_refused(2, 1), "{byte:#x}");
    }
    scene.stays_well().await
}

/// Paths and queries as they stand on the wire.
async fn targets_of_all_kinds(_: &Envoy) -> Result<()> {
    let scene = Scene::new().await?;
    for target in [
        "/",
        "/?",
        "/?q",
        "/?q=",
        "/?q=%",
        "/?q=%0",
        "/?q=%00%00",
        "/?q=%zz&q=%ff",
        "/?=&=&==&&&",
        "/?q=1&q=2&q=3",
        "/a//",
        "/a/b",
        "/a/b/",
        "/a/%2F/c",
        "/a/..%2f/c",
        "/a/;b=c/d",
        "/a/b/c?q=a?b?c",
        "http://h/a/b/c?q=x",
        "*",
        "//a/b/c",
        "/a/\\b/c",
    ] {
        for method in ["GET", "OPTIONS", "POST"] {
            for _ in 0..2 {
                let bytes = format!("{method} {target} HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n");
                let outcome = RawHttp1::ask(scene.listener.address(), bytes).await?;
                assert!(matches!(outcome.status(), 200 | 400 | 404 | 429 | 307), "{target}: {outcome:?}");
            }
        }
    }
    scene.stays_well().await
}

async fn numbers_of_all_kinds(_: &Envoy) -> Result<()> {
    let scene = Scene::new().await?;
    // Over HTTP/2 Envoy takes no value that is so long.
    let mut connection = scene.listener.connect().await?;
    let long = "9".repeat(100_000);
    for hits in
        ["", "0", "-0", "1e9", "NaN", "4294967295", "4294967296", "18446744073709551616", "٣", "1_000", " ", &long]
    {
        let expected = if hits.chars().all(|digit| digit.is_ascii_digit()) && hits.len() > 4 { 429 } else { 200 };
        assert_eq!(connection.send(scene.listener.get("/").header("hits", hits)).await?.status, expected, "{hits:.20}");
    }
    // What one request may have cost at most is owed, and no more can be.
    scene.stays_well().await
}

/// What it says of costs, it may say in any way.
async fn an_upstream_without_manners(_: &Envoy) -> Result<()> {
    let envoy = EnvoyConfig::new().start().await?;
    let upstream = envoy.add_upstream(envoy_test::UpstreamConfig::new("rude").http2()).await?;
    let config = ListenerConfig::new().routes([routes::catch_all(upstream.name())]);
    let costs =
        |hits: &str| json!({"name": hits, "local": {"tokenBucket": bucket(5000)}, "hitsAddend": {hits: "cost"}});
    let limits = json!([costs("responseHeader"), costs("responseTrailer"), {"name": "slots", "concurrency": 3}]);
    let listener = listener_like(&envoy, config, WHOLE, limits).await?;
    let mark = envoy.log().mark();
    let many = (0..500).fold(Reply::status(200), |reply, number| reply.header(&format!("x-{number}"), "y"));
    let many = (0..90).fold(many, |reply, number| reply.trailer(&format!("x-{number}"), [0xff]));
    let long = "7".repeat(5000);
    let replies = [
        many,
        Reply::status(200).header("cost", [0xff, 0xfe]).trailer("cost", [0x80]),
        Reply::status(200).header("cost", &long).trailer("cost", &long),
        Reply::status(204).header("cost", "0").trailer("cost", "0").body(""),
        Reply::status(599).header("cost", "-1").trailer("cost", ""),
        Reply::close(),
        Reply::garbage("\0\0\0"),
    ];
    for reply in replies {
        upstream.script([reply.times(1)]);
        let mut connection = listener.connect_http2().await?;
        // It is broken off, some of them are.
        let _ = connection.send(listener.get("/")).await;
    }
    // The long number was all there is, once more.
    let refused = async || Ok((listener.get("/").send().await?.status == 429).then_some(()));
    envoy.admin().until("the costs are taken", refused).await?;
    let bad = |entry: &String| entry.contains("Function: proxy_on_") || entry.contains("[critical]");
    let bad: Vec<String> = envoy.log().since(mark).into_iter().filter(bad).collect();
    assert!(bad.is_empty(), "{bad:#?}");
    Ok(())
}

async fn addresses_of_all_kinds(_: &Envoy) -> Result<()> {
    let scene = Scene::new().await?;
    let mut connection = scene.listener.connect().await?;
    let long = "1.2.3.4,".repeat(10_000);
    for address in [
        "",
        ",",
        "1",
        "::",
        "1.2.3.4.5",
        "fe80::1%%%",
        "fe80::1%",
        "[::1]:99999",
        "x, y, ::ffff:0:0",
        "256.1.1.1",
        &long,
    ] {
        let request = scene.listener.get("/").header("x-forwarded-for", address).header("k", format!("{address:.9}"));
        assert_eq!(connection.send(request).await?.status, 200, "{address:.20}");
    }
    scene.stays_well().await
}

/// In every state that a request can be in.
async fn clients_that_leave_at_once(_: &Envoy) -> Result<()> {
    let scene = Scene::new().await?;
    let request = "POST /to-upstream HTTP/1.1\r\nhost: h\r\nk: left\r\ncontent-length: 5\r\n\r\nhello";
    for length in 0..=request.len() {
        let mut client = RawHttp1::open(scene.listener.address()).await?;
        client.write(&request.as_bytes()[..length]).await;
        client.reset()?;
    }
    let none = async || {
        let active = format!("http.{}.downstream_rq_active", scene.listener.name());
        Ok((scene.envoy.admin().stat(&active).await? == 0).then_some(()))
    };
    scene.envoy.admin().until("all of them are over", none).await?;
    let ordinary: Request = scene.listener.get("/to-upstream");
    assert_eq!(statuses(&ordinary, 60).await?, [200; 60], "all slots are free");
    scene.stays_well().await
}
