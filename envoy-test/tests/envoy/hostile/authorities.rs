//! Who is asked, and how: hosts, absolute forms, methods, and CONNECT.

use anyhow::Result;
use envoy_test::{Envoy, RawHttp1, RawHttp2, Test, routes, tests};
use serde_json::json;

use super::policy::{self, HOST};
use super::three::{Three, http1, kind};
use super::vital::Vital;

pub fn tests() -> Vec<Test> {
    tests![connect, absolute_forms, hosts_of_all_kinds, methods_of_all_kinds]
}

/// Where Envoy's routes do not take it, where they do, and where it is an upgrade like others.
async fn connect(envoy: &Envoy) -> Result<()> {
    let three = Three::new(envoy).await?;
    let vital = Vital::watch(envoy, &three.by_header);
    let connect: [(&[u8], &[u8]); 2] = [(b":method", b"CONNECT"), (b":authority", b"hostile.example:443")];
    for listener in [&three.by_header, &three.by_authority, &three.bare] {
        for target in ["hostile.example:443", "/", "*", "hostile.example", "http://hostile.example/", ":", "[::1]:1"] {
            let outcome = http1(listener, "CONNECT", target, HOST.as_bytes()).await?;
            assert!((400..500).contains(&outcome.status()), "{listener:?} {target}: {outcome:?}");
        }
        let outcome = RawHttp2::open(listener.address()).await?.ask(&connect).await?;
        assert!((400..500).contains(&outcome.status()), "{listener:?}: {outcome:?}");
    }
    // A tunnel: no rule is for a request without a path, and a host without policy is Envoy's routes' to decide about.
    let mut config = policy::config(policy::policy(policy::By::Header))?;
    let tunnel = json!({
        "name": "tunnel",
        "match": {"connect_matcher": {}},
        "route": {"cluster": "default", "upgrade_configs": [{"upgrade_type": "CONNECT", "connect_config": {}}]},
    });
    config = config.routes([[tunnel].to_vec(), routes::usual("default")].concat());
    let listener =
        envoy.add_listener(config.manager(json!({"upgrade_configs": [{"upgrade_type": "CONNECT"}]}))).await?;
    let through = Vital::watch(envoy, &listener);
    let outcome = http1(&listener, "CONNECT", "hostile.example:443", b"hostile.example:443").await?;
    assert_eq!(outcome.status(), 404, "{outcome:?}");
    assert_eq!(RawHttp2::open(listener.address()).await?.ask(&connect).await?.status(), 404);
    let mut tunnel = RawHttp1::open(listener.address()).await?;
    tunnel.write(b"CONNECT other.example:443 HTTP/1.1\r\nhost: other.example:443\r\n\r\n").await;
    let answer = tunnel.any_answer(true).await?;
    assert_eq!(answer.status(), 200, "{answer:?}");
    tunnel.write(b"GET /within HTTP/1.1\r\nhost: within\r\n\r\n").await;
    assert_eq!(tunnel.answer().await?.echo().map(|echo| echo.path), Some("/within".to_owned()));
    let mut two = RawHttp2::open(listener.address()).await?;
    let id = two.begin(&[(b":method", b"CONNECT"), (b":authority", b"other.example:443")], false).await;
    assert_eq!(two.status(id).await, 200);
    two.data(id, b"GET /within HTTP/1.1\r\nhost: within\r\n\r\n", false).await;
    let piece = two.piece(id).await.unwrap_or_default();
    assert!(piece.starts_with(b"HTTP/1.1 200 OK"), "{}", piece.escape_ascii());
    two.cancel(id).await;
    drop((tunnel, two));
    through.check().await?;
    three.check(envoy, &vital).await
}

async fn absolute_forms(envoy: &Envoy) -> Result<()> {
    let three = Three::new(envoy).await?;
    let vital = Vital::watch(envoy, &three.by_header);
    for (target, service, path) in [
        ("http://hostile.example/exact", "hostile-alpha", "/exact"),
        ("http://hostile.example:80/EXACT?x=y", "hostile-alpha", "/EXACT?x=y"),
        ("HTTP://HOSTILE.example/other", "hostile-beta", "/other"),
        ("http://a.hostile.example/", "hostile-alpha", "/"),
        ("http://other.example/exact", "default", "/exact"),
    ] {
        for listener in [&three.by_header, &three.by_authority] {
            let outcome = http1(listener, "GET", target, b"the-line-does-not-count").await?;
            let echo = outcome.echo();
            let seen = echo.as_ref().map(|echo| (echo.service.as_str(), echo.path.as_str()));
            assert_eq!(seen, Some((service, path)), "{target}: {outcome:?}");
        }
    }
    for target in [
        "http://",
        "http:///",
        "http://:80/",
        "http://@/",
        "http://user:pw@hostile.example/",
        "https://hostile.example/",
        "ftp://hostile.example/",
        "//hostile.example/",
        "http://[::1]/",
        "http://[::1",
        "http://hostile.example:/",
        "http://hostile.example:99999/",
        "http://\u{ff}/",
        "http:/hostile.example",
        "http://hostile.example#x",
    ] {
        three.ask("GET", target, HOST.as_bytes()).await?;
    }
    three.check(envoy, &vital).await
}

async fn hosts_of_all_kinds(envoy: &Envoy) -> Result<()> {
    let three = Three::new(envoy).await?;
    let vital = Vital::watch(envoy, &three.by_header);
    let long = format!("{}.hostile.example", "a.".repeat(20_000));
    for host in [
        "",
        ":",
        ":80",
        "hostile.example:",
        "hostile.example:x",
        "HOSTILE.EXAMPLE",
        "hostile.example.",
        ".hostile.example",
        "*.hostile.example",
        "*",
        "[::1]",
        "[::1]:80",
        "[",
        "]",
        "[]:",
        "a b",
        "a@hostile.example",
        "a,b",
        "%",
        "\u{e9}",
        "hostile.example:80:80",
        "-",
        "_",
        "a.hostile.example:99999999999999999999",
        long.as_str(),
    ] {
        let bytes: Vec<u8> = host.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        three.ask("GET", "/", &bytes).await?;
    }
    // HTTP/1.0 may say none, and HTTP/1.1 must.
    for request in [
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET /\r\n\r\n",
        "\r\n\r\nGET / HTTP/1.1\r\nhost: h\r\n\r\n",
    ] {
        let ours = RawHttp1::ask(three.by_header.address(), request).await?;
        let envoys = RawHttp1::ask(three.bare.address(), request).await?;
        assert_eq!(kind(&ours), kind(&envoys), "{request:?}");
    }
    three.check(envoy, &vital).await
}

async fn methods_of_all_kinds(envoy: &Envoy) -> Result<()> {
    let three = Three::new(envoy).await?;
    let vital = Vital::watch(envoy, &three.by_header);
    let long = "A".repeat(10_000);
    for method in [
        "HEAD", "POST", "PUT", "DELETE", "TRACE", "PATCH", "PURGE", "PRI", "get", "X", "", "G\u{e9}T", "GET\t", "GE T",
        "G:T", "M-SEARCH", "PROPFIND", &long,
    ] {
        three.ask(method, "/", HOST.as_bytes()).await?;
    }
    three.check(envoy, &vital).await
}
