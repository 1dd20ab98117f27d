//! Limits that the proxy keeps itself.

use serde_json::json;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::fixture::{Fixture, configure};
use pointsman_filter::{Destination, Filter as _};

const SECOND: u64 = 1_000_000_000;

fn bucket(tokens: u32) -> serde_json::Value {
    json!({"maxTokens": tokens, "tokensPerFill": 1, "fillInterval": "10s"})
}

#[test]
fn who_is_over_is_told_when_to_come_again() {
    let mut fixture = Fixture::new(&json!({"rateLimits": [{"name": "all", "local": {"tokenBucket": bucket(2)}}]}));
    assert!(!fixture.filter.needs_headers());
    assert_eq!([fixture.ask("a/"), fixture.ask("b/x")], ["passes", "passes"]);
    fixture.host.now += SECOND / 2;
    let refused = fixture.begin("a/");
    let reply = refused.reply.as_ref().unwrap();
    assert_eq!((reply.status, reply.grpc_status, reply.body.as_slice()), (429, None, &b"local_rate_limited"[..]));
    assert_eq!(
        (reply.details.as_str(), refused.headers()),
        ("pointsman_rate_limited{all}", vec!["retry-after: 10".into()])
    );
    assert_eq!(fixture.metric("rate_limited", &[("limit", "all"), ("by", "local")]), 1);
    fixture.host.now += 10 * SECOND;
    assert_eq!([fixture.ask("a/"), fixture.ask("a/")], ["passes", "429 by all"]);
}

/// One request costs so many calls of the proxy and no more.
#[test]
fn what_it_costs() {
    let mut fixture = Fixture::new(&json!({"rateLimits": [{"local": {"tokenBucket": bucket(2)}}]}));
    fixture.ask("a/");
    let cells = || fixture.host.cells.borrow().keys().cloned().collect::<Vec<_>>();
    assert_eq!(cells(), ["rate-limit/bucket/0", "rate-limit/buckets"]);
    assert_eq!(*fixture.host.asked.borrow(), [""; 0]);
    assert_eq!(
        fixture.host.cells.borrow()["rate-limit/buckets"].version,
        1,
        "its place is looked up now and then alone"
    );
    assert!(fixture.host.metrics.borrow().is_empty(), "what passes is not counted");
    let mut live = fixture.begin("a/");
    assert!(!fixture.filter.has_more(&live.stream), "nothing is kept about it");
    assert_eq!(fixture.end(&mut live).len(), 0);
}

#[test]
fn which_limits_are_for_it() {
    let route = json!([{"destination": {"host": "a"}}]);
    let services = json!([{"hosts": ["a"], "http": [
        {"name": "one", "match": [{"uri": {"exact": "/1"}}], "route": route},
        {"name": "other", "match": [{"name": "m", "uri": {"prefix": "/2"}}, {"uri": {"exact": "/3"}}], "route": route},
    ]}]);
    let one = json!({"tokenBucket": bucket(1)});
    let limits = json!([
        {"name": "x", "match": [{"headers": {"x": {"exact": "1"}}}, {"uri": {"prefix": "/x"}}], "local": one},
        {"name": "other", "route": "other", "local": one},
    ]);
    let configuration = json!({"virtualServices": services, "rateLimits": limits});
    for (requests, expected) in [
        (["a/1", "a/1"], "passes"),
        (["a/2", "a/3"], "429 by other"),
        (["a/25", "a/2"], "429 by other"),
        (["b/2", "b/2"], "passes"),
        (["b/x", "c/ | x: 1"], "429 by x"),
        (["c/ | x: 2", "c/ | x: 2"], "passes"),
        (["a/2 | x: 1", "b/x"], "429 by x"),
        (["a/2 | x: 1", "a/2"], "429 by other"),
    ] {
        let mut fixture = Fixture::new(&configuration);
        assert!(fixture.filter.needs_headers());
        assert_eq!([fixture.ask(requests[0]), fixture.ask(requests[1])], ["passes", expected], "{requests:?}");
    }
    let (filter, errors, _) = configure(&json!({"rateLimits": [{"route": "one", "local": one}]}));
    assert!(filter.is_none());
    assert_eq!(errors, ["rateLimits[0].route: no rule of virtualServices that is in force here has the name `one`"]);
}

/// As in Envoy: descriptors before defaults, the slowest first; who is refused takes nothing of those behind.
#[test]
fn in_which_order() {
    let limit = |name: &str, tokens: u32, seconds: u32| {
        let bucket = json!({"maxTokens": tokens, "fillInterval": format!("{seconds}s")});
        json!({"name": name, "actions": [{"genericKey": {"descriptorValue": name}}], "response": {"rateLimitHeaders": "DRAFT_VERSION_03"},
            "local": {"descriptors": [{"entries": [{"key": "generic_key", "value": name}], "tokenBucket": bucket}]}})
    };
    let default = json!({"name": "default", "local": {"tokenBucket": {"maxTokens": 5, "fillInterval": "1000s"}}});
    let limits = json!([default, limit("fast", 9, 1), limit("slow", 2, 100)]);
    let mut fixture = Fixture::new(&json!({"rateLimits": limits}));
    for remaining in [1, 0] {
        let mut live = fixture.begin("a/");
        // Of the first that was taken from.
        let reset = if remaining == 0 { 100 } else { 0 };
        let expected = [
            "+x-ratelimit-limit: 2".to_owned(),
            format!("+x-ratelimit-remaining: {remaining}"),
            format!("+x-ratelimit-reset: {reset}"),
        ];
        assert_eq!(fixture.respond(&mut live, &[]), expected);
        fixture.end(&mut live);
    }
    let refused = fixture.begin("a/");
    assert_eq!(refused.outcome(), "429 by slow");
    let expected = ["x-ratelimit-limit: 2", "x-ratelimit-remaining: 0", "x-ratelimit-reset: 100", "retry-after: 100"];
    assert_eq!(refused.headers(), expected);
    // The two that passed have taken from all, and the one that did not from none.
    let left = |fixture: &mut Fixture| {
        let mut limits = limits.clone();
        limits.as_array_mut().unwrap().remove(2);
        let host = std::mem::take(&mut fixture.host);
        *fixture = Fixture { host, ..Fixture::new(&json!({"rateLimits": limits})) };
        (0..9).take_while(|_| fixture.ask("a/") == "passes").count()
    };
    assert_eq!(left(&mut fixture), 3);
}

#[test]
fn what_only_counts() {
    let limits = json!([
        {"name": "s", "shadow": true, "concurrency": 1, "local": {"tokenBucket": bucket(1)}},
        {"name": "r", "local": {"tokenBucket": bucket(2)}},
    ]);
    let mut fixture = Fixture::new(&json!({"rateLimits": limits}));
    let mut first = fixture.begin("a/");
    assert_eq!([fixture.ask("a/"), fixture.ask("a/")], ["passes", "429 by r"]);
    fixture.end(&mut first);
    assert_eq!(fixture.metric("shadow_rate_limited", &[("limit", "s"), ("by", "local")]), 2);
    assert_eq!(fixture.metric("shadow_rate_limited", &[("limit", "s"), ("by", "concurrency")]), 1);
    assert_eq!(fixture.metric("rate_limited", &[("limit", "s"), ("by", "local")]), 0);
}

#[test]
fn how_many_at_once() {
    let limits = json!([
        {"name": "two", "concurrency": 2, "response": {"status": 503, "body": "later", "headers": {"X-Busy": "yes"}}},
        {"name": "c", "match": [{"uri": {"exact": "/c"}}], "concurrency": 1},
    ]);
    let mut fixture = Fixture::new(&json!({"rateLimits": limits}));
    let mut first = fixture.begin("a/");
    let mut second = fixture.begin("a/c");
    let third = fixture.begin("a/");
    assert_eq!((third.outcome(), third.headers()), ("503 by two".into(), vec!["x-busy: yes".into()]));
    assert_eq!(third.reply.unwrap().body, b"later");
    fixture.end(&mut first);
    // It has a slot of the first limit and none of the second: none is lost.
    assert_eq!([fixture.ask("a/c"), fixture.ask("a/c")], ["429 by c", "429 by c"]);
    let mut fourth = fixture.begin("a/");
    assert_eq!(fixture.ask("a/"), "503 by two");
    assert!(fixture.filter.needs_beat(&fourth.stream));
    // Beats keep them while they last, however long.
    for _ in 0..20 {
        fixture.host.now += 10 * SECOND;
        fixture.filter.on_beat(&mut fixture.host);
    }
    // Another worker of the same proxy.
    let mut other = Fixture::new(&json!({"rateLimits": [{"name": "two", "concurrency": 3}]}));
    other.host = pointsman_host::FakeHost { vm: 2, ..fixture.host.clone() };
    let mut fifth = other.begin("a/");
    assert_eq!(other.ask("a/"), "429 by two");
    fixture.end(&mut second);
    fixture.end(&mut fourth);
    other.end(&mut fifth);
    assert_eq!(other.host.cells.borrow()["rate-limit/slots/0"].value, [0; 0]);
}

/// What a request costs turns out at its end.
#[test]
fn paid_at_the_end() {
    for (from, trailers) in [("responseHeader", false), ("responseTrailer", true)] {
        let limits = json!([{"name": "llm", "hitsAddend": {from: "X-Tokens"}, "local": {"tokenBucket": bucket(10)}}]);
        let mut fixture = Fixture::new(&json!({"rateLimits": limits}));
        let pay = |fixture: &mut Fixture, tokens: &str| {
            let mut live = fixture.begin("a/");
            let line = format!("x-tokens: {tokens}");
            let there = if tokens.is_empty() || trailers { vec![] } else { vec![line.as_str()] };
            fixture.respond(&mut live, &there);
            assert_eq!(fixture.filter.wants_trailers(&live.stream), trailers && live.reply.is_none());
            if trailers && !tokens.is_empty() {
                let map = pointsman_http::HeaderMap::serialize(&[("x-tokens", tokens)]);
                fixture.filter.on_response_trailers(&mut live.stream, &pointsman_http::HeaderMap::parse(map).unwrap());
            }
            fixture.end(&mut live);
            live.outcome()
        };
        assert_eq!([pay(&mut fixture, "9"), pay(&mut fixture, "0"), pay(&mut fixture, "")], ["passes"; 3], "{from}");
        // All is gone; no more is owed than fits in.
        assert_eq!([pay(&mut fixture, "1000000"), pay(&mut fixture, "1")], ["passes", "429 by llm"]);
        fixture.host.now += 99 * SECOND;
        assert_eq!(pay(&mut fixture, "1"), "429 by llm");
        fixture.host.now += SECOND;
        assert_eq!(pay(&mut fixture, "1"), "passes");
    }
    // A response without a body has no trailers: what they would say stands in its headers.
    let limits = json!([{"hitsAddend": {"responseTrailer": "n"}, "local": {"tokenBucket": bucket(5)}}]);
    let mut fixture = Fixture::new(&json!({"rateLimits": limits}));
    let mut live = fixture.begin("a/");
    fixture.respond(&mut live, &["n: 6"]);
    fixture.end(&mut live);
    assert_eq!(fixture.ask("a/"), "429 by rateLimits[0]");
}

#[test]
fn a_bucket_for_each_destination() {
    let limits = json!([{"actions": [{"destinationCluster": {}}], "local": {"descriptors": [
        {"entries": [{"key": "destination_cluster"}], "tokenBucket": bucket(1)}]}}]);
    let mut fixture = Fixture::new(&json!({"rateLimits": limits}));
    fixture.host.properties.insert("xds.cluster_name".into(), b"native".into());
    for (destination, expected) in [
        (Destination::OfProxy, "passes"),
        (Destination::Cluster(b"a".as_slice().into()), "passes"),
        (Destination::Cluster(b"b".as_slice().into()), "passes"),
        (Destination::Cluster(b"a".as_slice().into()), "429 by rateLimits[0]"),
        (Destination::Cluster(b"native".as_slice().into()), "429 by rateLimits[0]"),
        (Destination::NotKnown, "passes"),
        (Destination::NotKnown, "passes"),
    ] {
        fixture.destination = destination.clone();
        assert_eq!(fixture.ask("x/"), expected, "{destination:?}");
    }
}

/// What limits have counted outlives an update that does not change them, and nothing else does.
#[test]
fn through_updates() {
    let a = json!({"name": "a", "local": {"tokenBucket": bucket(1)}});
    let unnamed = |path: &str| json!({"match": [{"uri": {"prefix": path}}], "local": {"tokenBucket": bucket(1)}});
    let twice = json!([unnamed("/1"), unnamed("/1"), a]);
    let mut fixture = Fixture::new(&json!({"rateLimits": twice}));
    assert_eq!(fixture.ask("x/1"), "passes");
    for (limits, request, expected) in [
        (json!([a]), "x/", "429 by a"),
        (json!([unnamed("/2"), unnamed("/1")]), "x/1", "429 by rateLimits[1]"),
        (json!([unnamed("/2"), unnamed("/1")]), "x/2", "passes"),
        (json!([{"name": "b", "local": {"tokenBucket": bucket(1)}}]), "x/", "passes"),
        (json!([{"name": "a", "local": {"tokenBucket": bucket(2)}}]), "x/", "passes"),
        (json!([{"name": "a", "shadow": true, "local": {"tokenBucket": bucket(1)}}]), "x/", "passes"),
        (json!([{"name": "a", "response": {"status": 503}, "local": {"tokenBucket": bucket(1)}}]), "x/", "503 by a"),
    ] {
        let host = std::mem::take(&mut fixture.host);
        fixture = Fixture { host, ..Fixture::new(&json!({"rateLimits": limits})) };
        assert_eq!(fixture.ask(request), expected, "{limits}");
    }
}

/// All limits that there may be, changed all at once: none has to wait for its place.
#[test]
fn all_limits_change() {
    let limits = |tokens: u32| {
        let limit = |number: u32| {
            json!({"name": format!("l{number}"), "actions": [{"requestHeaders": {"headerName": "x", "descriptorKey": "x"}}],
                "local": {"descriptors": [{"entries": [{"key": "x"}], "tokenBucket": bucket(tokens)}]}})
        };
        json!({"rateLimits": (0..16).map(limit).collect::<Vec<_>>()})
    };
    let mut fixture = Fixture::new(&limits(5));
    assert_eq!(fixture.ask("a/ | x: 1"), "passes");
    let host = std::mem::take(&mut fixture.host);
    fixture = Fixture { host, ..Fixture::new(&limits(6)) };
    assert_eq!(fixture.ask("a/ | x: 1"), "passes");
    let mut too_many = limits(1);
    let mut one_more = too_many["rateLimits"][0].clone();
    one_more["name"] = json!("more");
    too_many["rateLimits"].as_array_mut().unwrap().push(one_more);
    let (filter, errors, _) = configure(&too_many);
    assert!(filter.is_none());
    assert_eq!(errors, ["rateLimits: has 17 descriptors that leave a value open, expected at most 16"]);
}

/// Nobody gets in because workers are in each other's way.
#[test]
fn denied_is_refused() {
    let limits = json!([{"name": "c", "concurrency": 9}, {"name": "b", "local": {"tokenBucket": bucket(9)}}]);
    let mut fixture = Fixture::new(&json!({"rateLimits": limits}));
    fixture.host.is_contended = true;
    assert_eq!(fixture.ask("a/"), "429 by b");
    assert_eq!(fixture.metric("contended", &[("limit", "b")]), 1);
    let mut fixture = Fixture::new(&json!({"rateLimits": [limits[0]]}));
    fixture.host.is_contended = true;
    assert_eq!(fixture.ask("a/"), "429 by c");
    assert_eq!(fixture.metric("contended", &[("limit", "c")]), 1);
}
