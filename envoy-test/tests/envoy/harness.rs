//! The harness itself, without any module: what it claims to see is there, and what goes wrong is seen.

use std::time::Duration;

use anyhow::Result;
use envoy_test::{Envoy, ListenerConfig, Reply, Test, UpstreamConfig, routes, tests, visible};
use serde_json::json;

pub fn tests() -> Vec<Test> {
    tests![
        a_header_names_the_cluster,
        an_unknown_cluster_is_nobody,
        own_retries_end_the_routes_retries,
        a_mirror_gets_its_copy,
        http1_and_http2_carry_the_same,
        bytes_survive,
        raw_bytes_are_answered,
        a_connection_serves_several_requests,
        a_script_fails_and_then_succeeds,
        retries_go_to_another_endpoint,
        a_held_reply_waits_for_its_release,
        a_connection_that_breaks,
        grpc_trailers_arrive,
        a_refused_listener_says_why,
        an_unreadable_listener_harms_no_other,
        an_unreadable_cluster_harms_no_other,
    ]
}

async fn a_header_names_the_cluster(envoy: &Envoy) -> Result<()> {
    envoy.echoes(["reviews", "reviews-v2"]).await?;
    let listener = envoy.add_listener(ListenerConfig::new()).await?;
    assert_eq!(listener.get("/").send().await?.service(), "default");
    for cluster in ["reviews", "reviews-v2"] {
        let answer = listener.get("/").header("x-pointsman-cluster", cluster).send().await?;
        let echo = answer.echo();
        assert_eq!((answer.status, echo.service.as_str()), (200, cluster));
        assert_eq!(echo.header("x-pointsman-cluster"), None);
        assert_eq!(echo.header("x-envoy-expected-rq-timeout-ms"), None, "no timeout");
    }
    let log = listener.access_log(3).await?;
    assert_eq!((&log[0]["route"], &log[0]["cluster"]), (&json!("user"), &json!("default")));
    assert_eq!((&log[2]["route"], &log[2]["cluster"]), (&json!("pointsman"), &json!("reviews-v2")));
    Ok(())
}

async fn an_unknown_cluster_is_nobody(envoy: &Envoy) -> Result<()> {
    let listener = envoy.add_listener(ListenerConfig::new()).await?;
    let answer = listener.get("/x?y=1").header("x-pointsman-cluster", "nobody").send().await?;
    assert_eq!(answer.status, 503);
    let line = &listener.access_log(1).await?[0];
    assert_eq!((&line["flags"], &line["details"]), (&json!("NC"), &json!("cluster_not_found")));
    assert_eq!((&line["code"], &line["path"]), (&json!(503), &json!("/x?y=1")));
    Ok(())
}

async fn own_retries_end_the_routes_retries(envoy: &Envoy) -> Result<()> {
    let flaky = envoy.upstream("flaky").await?;
    let listener = envoy
        .add_listener(ListenerConfig::new().routes([
            routes::routed_with_own_retries(),
            routes::routed(),
            routes::catch_all("default"),
        ]))
        .await?;
    flaky.script([Reply::close()]);
    let request = listener.get("/").header("x-pointsman-cluster", flaky.name());
    assert_eq!(request.clone().header("x-pointsman-policy", "1").send().await?.status, 503);
    assert_eq!(listener.access_log(1).await?[0]["route"], "pointsman-policy");
    Ok(())
}

async fn a_mirror_gets_its_copy(envoy: &Envoy) -> Result<()> {
    let (primary, mirror) = (envoy.upstream("primary").await?, envoy.upstream("mirror").await?);
    let listener = envoy.add_listener(ListenerConfig::new()).await?;
    let request = listener.get("/").header("x-pointsman-cluster", primary.name());
    let answer = request.header("x-pointsman-mirror", mirror.name()).send().await?;
    assert_eq!(answer.service(), primary.name());
    mirror.arrived(1).await;
    Ok(())
}

async fn http1_and_http2_carry_the_same(envoy: &Envoy) -> Result<()> {
    let http2 = envoy.add_upstream(UpstreamConfig::new("http2").http2()).await?;
    let listener = envoy.add_listener(ListenerConfig::new().routes([routes::catch_all(http2.name())])).await?;
    let request = listener.request("PUT", "/a/b?c=d").host("example.com:81").header("k", "1").header("k", "2");
    for request in [request.clone().body("12345"), request.http2().body("12345")] {
        let echo = request.send().await?.echo();
        assert_eq!((echo.method.as_str(), echo.path.as_str()), ("PUT", "/a/b?c=d"));
        assert_eq!((echo.authority.as_str(), echo.body_length), ("example.com:81", 5));
        assert_eq!(echo.header_lines("k"), ["1", "2"]);
    }
    Ok(())
}

async fn bytes_survive(envoy: &Envoy) -> Result<()> {
    let upstream = envoy.upstream("bytes").await?;
    upstream.script([Reply::status(418).header("back", [b'a', 0xfe]).header("back", "b")]);
    let listener = envoy.add_listener(ListenerConfig::new().routes([routes::catch_all(upstream.name())])).await?;
    let answer = listener.get("/").header("there", [0xff, b'x']).send().await?;
    assert_eq!(answer.status, 418);
    assert_eq!(answer.echo().header("there"), Some("\u{ff}x"));
    assert_eq!(answer.header_lines("back"), ["a\u{fe}", "b"]);
    Ok(())
}

async fn raw_bytes_are_answered(envoy: &Envoy) -> Result<()> {
    let listener = envoy.add_listener(ListenerConfig::new()).await?;
    let whole = listener.send_raw("GET /../x HTTP/1.1\r\nhost: h\r\n\r\n").await?;
    assert!(whole.starts_with(b"HTTP/1.1 200 OK\r\n") && whole.ends_with(b"}"), "{}", visible(&whole));
    let refused = listener.send_raw(b"GET / HTTP/1.1\r\nhost: h\r\na\0b: c\r\n\r\n").await?;
    assert!(refused.starts_with(b"HTTP/1.1 400 "), "{}", visible(&refused));
    Ok(())
}

async fn a_connection_serves_several_requests(envoy: &Envoy) -> Result<()> {
    let listener = envoy.add_listener(ListenerConfig::new()).await?;
    for mut connection in [listener.connect().await?, listener.connect_http2().await?] {
        for path in ["/1", "/2"] {
            assert_eq!(connection.send(listener.get(path)).await?.echo().path, path);
        }
    }
    let connections = envoy.admin().stat(&format!("http.{}.downstream_cx_total", listener.name())).await?;
    assert_eq!(connections, 2);
    Ok(())
}

async fn a_script_fails_and_then_succeeds(envoy: &Envoy) -> Result<()> {
    let flaky = envoy.upstream("flaky").await?;
    flaky.script([Reply::status(500).times(2), Reply::status(200).body("mended").times(1)]);
    let listener = envoy.add_listener(ListenerConfig::new().routes([routes::catch_all(flaky.name())])).await?;
    let mut got = Vec::new();
    for _ in 0..4 {
        let answer = listener.get("/").send().await?;
        got.push((answer.status, answer.text() == "mended"));
    }
    assert_eq!(got, [(500, false), (500, false), (200, true), (200, false)]);
    assert_eq!(flaky.requests(), 4);
    Ok(())
}

async fn retries_go_to_another_endpoint(envoy: &Envoy) -> Result<()> {
    let pair = envoy.add_upstream(UpstreamConfig::new("pair").endpoints(2)).await?;
    pair.script([Reply::status(200).header("grpc-status", "14").times(1)]);
    let listener = envoy.add_listener(ListenerConfig::new()).await?;
    // `unavailable` is one of Istio's default retries.
    let answer = listener.get("/").header("x-pointsman-cluster", pair.name()).send().await?;
    assert_eq!((answer.header("grpc-status"), pair.requests()), (None, 2));
    assert_eq!(pair.connections(), 2, "each endpoint was asked");
    Ok(())
}

async fn a_held_reply_waits_for_its_release(envoy: &Envoy) -> Result<()> {
    let slow = envoy.upstream("slow").await?;
    slow.script([Reply::status(200).held().after(Duration::from_millis(1))]);
    let listener = envoy.add_listener(ListenerConfig::new().routes([routes::catch_all(slow.name())])).await?;
    let answer = tokio::spawn(listener.get("/").send());
    slow.arrived(1).await;
    assert!(!answer.is_finished());
    slow.release(1);
    assert_eq!(answer.await??.status, 200);
    Ok(())
}

async fn a_connection_that_breaks(envoy: &Envoy) -> Result<()> {
    let bad = envoy.upstream("bad").await?;
    bad.script([Reply::close().times(1), Reply::garbage("no HTTP\r\n\r\n").times(1)]);
    let listener = envoy.add_listener(ListenerConfig::new().routes([routes::catch_all(bad.name())])).await?;
    for _ in 0..2 {
        listener.get("/").send().await?;
    }
    assert_eq!(listener.get("/").send().await?.status, 200);
    let log = listener.access_log(3).await?;
    assert_eq!((&log[0]["code"], &log[0]["flags"]), (&json!(503), &json!("UC")));
    assert_eq!((&log[1]["code"], &log[1]["flags"]), (&json!(502), &json!("UPE")));
    Ok(())
}

async fn grpc_trailers_arrive(envoy: &Envoy) -> Result<()> {
    let grpc = envoy.add_upstream(UpstreamConfig::new("grpc").http2()).await?;
    grpc.script([Reply::status(200)
        .header("content-type", "application/grpc")
        .body(vec![0; 5])
        .trailer("grpc-status", "7")]);
    let listener = envoy.add_listener(ListenerConfig::new().routes([routes::catch_all(grpc.name())])).await?;
    let request = listener.post("/package.Service/Method").header("content-type", "application/grpc").http2();
    let answer = request.header("te", "trailers").body(vec![0; 5]).send().await?;
    assert_eq!(answer.trailers["grpc-status"], "7");
    Ok(())
}

async fn a_refused_listener_says_why(envoy: &Envoy) -> Result<()> {
    let broken = json!({"name": "broken", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
        "strict_check_headers": ["no-such-header"],
    }});
    let refused = envoy.add_listener(ListenerConfig::new().filter_before(broken)).await;
    let why = refused.expect_err("Envoy cannot like it").to_string();
    assert!(why.contains("strict_check_headers"), "{why}");
    Ok(())
}

async fn an_unreadable_listener_harms_no_other(envoy: &Envoy) -> Result<()> {
    let unreadable = envoy.add_listener(ListenerConfig::new().manager(json!({"no_such_field": 1}))).await;
    let why = unreadable.expect_err("Envoy cannot like it").to_string();
    assert!(why.contains("no_such_field"), "{why}");
    let listener = envoy.add_listener(ListenerConfig::new()).await?;
    assert_eq!(listener.get("/").send().await?.status, 200);
    Ok(())
}

async fn an_unreadable_cluster_harms_no_other(envoy: &Envoy) -> Result<()> {
    let unreadable = UpstreamConfig::new("unreadable").cluster(json!({"no_such_field": 1}));
    let why = envoy.add_upstream(unreadable).await.expect_err("Envoy cannot like it").to_string();
    assert!(why.contains("no_such_field"), "{why}");
    envoy.upstream("readable").await?;
    Ok(())
}
