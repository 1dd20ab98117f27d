//! Which buckets a request takes from, and which of them is told of.

use anyhow::Result;
use envoy_test::{Envoy, ListenerConfig, Request, Test, module, tests};
use serde_json::{Value, json};

use super::super::{WHOLE, bucket, descriptor, header, told, with};
use super::{Case, Judged, request};

pub fn tests() -> Vec<Test> {
    tests![
        one_and_the_default,
        any_value,
        the_slowest_first,
        what_was_taken_before_a_refusal,
        nobody_without_a_bucket,
        any_value_of_many,
    ]
}

/// A bucket with that many tokens in so many minutes.
fn rate(max_tokens: u32, tokens: u32, minutes: u32) -> Value {
    json!({"maxTokens": max_tokens, "tokensPerFill": tokens, "fillInterval": format!("{}s", minutes * 60)})
}

/// Requests by their headers `a` and `b`; a space is none.
fn by_headers(requests: &[&str]) -> Vec<Request> {
    let one = |headers: &&str| {
        let values = headers.chars().map(|value| value.to_string());
        let headers = ["a", "b"].into_iter().zip(values).filter(|(_, value)| value != " ");
        headers.fold(request("/", &[]), |request, (name, value)| request.header(name, value))
    };
    requests.iter().map(one).collect()
}

async fn one_and_the_default(envoy: &Envoy) -> Result<()> {
    let descriptors = || json!([descriptor("a", "1", &bucket(3)), descriptor("a", "2", &bucket(4))]);
    let requests = || by_headers(&["", "1", "1", "2", "1", "1", "3", "2", "", "1", "2", "", "2", "2"]);
    let mut cases = Vec::new();
    for always in [None, Some(true), Some(false)] {
        for size in [3, 6, 9, 100] {
            let local = json!({
                "tokenBucket": bucket(size), "descriptors": descriptors(), "alwaysConsumeDefaultTokenBucket": always,
            });
            cases.push(Case::new(local, json!([header("a")]), requests()));
        }
    }
    cases.push(Case::new(json!({"tokenBucket": bucket(3)}), Value::Null, by_headers(&["", "1", "", "2", ""])));
    Judged::new(envoy, cases).await?.same().await
}

async fn any_value(envoy: &Envoy) -> Result<()> {
    let any = || descriptor("a", "", &bucket(2));
    let exact = || descriptor("a", "1", &bucket(3));
    let requests = || by_headers(&["1", "1", "2", "1", "1", "2", "", "3", "2", "3", "3", "", "1"]);
    let both = |entries: [(&str, &str); 2]| {
        let entries = entries.map(|(key, value)| json!({"key": key, "value": value}));
        json!({"entries": entries, "tokenBucket": bucket(2)})
    };
    let pairs =
        || by_headers(&["11", "12", "11", "11", "21", "12", "2", " 2", "12", "22", "22", "22", "21", "21", "11"]);
    let case = |descriptors: Value, actions: Value, requests: Vec<Request>| {
        Case::new(json!({"tokenBucket": bucket(100), "descriptors": descriptors}), actions, requests)
    };
    let (a, ab) = (|| json!([header("a")]), || json!([header("a"), header("b")]));
    let cases = vec![
        case(json!([any()]), a(), requests()),
        case(json!([any(), exact()]), a(), requests()),
        case(json!([exact(), any()]), a(), requests()),
        case(json!([both([("a", ""), ("b", "")])]), ab(), pairs()),
        case(json!([both([("a", ""), ("b", "2")])]), ab(), pairs()),
        case(json!([both([("a", "1"), ("b", "")])]), ab(), pairs()),
        case(json!([both([("a", "1"), ("b", "")]), both([("a", "1"), ("b", "2")])]), ab(), pairs()),
        // Values and their ends are not to be mixed up.
        case(
            json!([both([("a", ""), ("b", "")])]),
            ab(),
            [("1", "23"), ("12", "3"), ("123", ""), ("", "123"), ("1", "23"), ("12", "3"), ("123", ""), ("1", "23")]
                .map(|(a, b)| request("/", &[("a", a), ("b", b)]))
                .into(),
        ),
    ];
    Judged::new(envoy, cases).await?.same().await
}

/// Two descriptors a request, each from a rate limit of its own.
fn of_both(a: &Value, b: &Value, default: &Value, requests: &[&str]) -> Case {
    let descriptors = json!([descriptor("a", "1", a), descriptor("b", "1", b)]);
    let local = json!({"tokenBucket": default, "descriptors": descriptors});
    Case::new(local, json!([header("a")]), by_headers(requests)).and(json!([header("b")]))
}

const BOTH: [&str; 14] = ["11", "11", "11", "11", "1", "1", " 1", " 1", " 1", " 1", "", "11", "1", " 1"];

async fn the_slowest_first(envoy: &Envoy) -> Result<()> {
    let mut cases = Vec::new();
    for (slow, fast) in [
        (rate(2, 2, 60), rate(4, 4, 30)),
        (rate(4, 1, 60), rate(2, 2, 30)),
        // Less than one a second, and the more so when whole numbers are counted.
        (rate(4, 1, 60), rate(2, 1, 6)),
        (rate(2, 100, 60), rate(4, 101, 60)),
        (rate(4, 3, 60), rate(2, 1, 10)),
        (rate(2, 3, 60), rate(4, 1, 10)),
    ] {
        // In either order.
        for (a, b) in [(&slow, &fast), (&fast, &slow)] {
            cases.push(of_both(a, b, &bucket(100), &BOTH));
        }
    }
    Judged::new(envoy, cases).await?.same().await
}

/// What refuses comes after what was taken already, and that is not given back.
async fn what_was_taken_before_a_refusal(envoy: &Envoy) -> Result<()> {
    let small_and_fast = of_both(&rate(9, 1, 60), &rate(1, 1, 6), &bucket(100), &BOTH);
    let default_is_last = of_both(&rate(9, 1, 60), &rate(9, 1, 6), &rate(2, 1, 120), &BOTH);
    Judged::new(envoy, vec![small_and_fast, default_is_last]).await?.same().await
}

/// Without a default bucket, a request that has no descriptor passes, and nothing is told of it. (Envoy wants a default
/// one on a route, so it is not asked here; its filter for all routes does the same.)
async fn nobody_without_a_bucket(envoy: &Envoy) -> Result<()> {
    let local = json!({"descriptors": [descriptor("a", "1", &bucket(1))]});
    let limit = json!({"actions": [header("a")], "local": local, "response": {"rateLimitHeaders": "DRAFT_VERSION_03"}});
    let always = json!({"default_value": {"numerator": 100}});
    let native = with(
        json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
            "stat_prefix": "native",
            "filter_enabled": always,
            "filter_enforced": always,
            "enable_x_ratelimit_headers": "DRAFT_VERSION_03",
            "rate_limits": [{"actions": [header("a")]}],
        }),
        local,
    );
    let native = json!({"name": "envoy.filters.http.local_ratelimit", "typed_config": native});
    let ours = ListenerConfig::new().module(module(WHOLE)?).policy(json!({"rateLimits": [limit]}));
    for config in [ours, ListenerConfig::new().filter_after(native)] {
        let listener = envoy.add_listener(config).await?;
        for (value, expected) in [(None, (200, false)), (Some("2"), (200, false)), (Some("1"), (200, true))] {
            let request = listener.get("/");
            let answer = value.into_iter().fold(request, |request, value| request.header("a", value)).send().await?;
            assert_eq!((answer.status, told(&answer)[0].is_some()), expected, "{value:?}");
        }
        assert_eq!(listener.get("/").header("a", "1").send().await?.status, 429);
        assert_eq!(listener.get("/").header("a", "2").send().await?.status, 200);
    }
    Ok(())
}

/// Each of five hundred has its own, however they come.
async fn any_value_of_many(envoy: &Envoy) -> Result<()> {
    let local = json!({"tokenBucket": bucket(8000), "descriptors": [descriptor("a", "", &bucket(2))]});
    let numbers = (0..500).chain((0..500).rev()).chain(0..500);
    let requests = numbers.map(|number: u32| request("/", &[("a", &number.to_string())]));
    Judged::new(envoy, vec![Case::new(local, json!([header("a")]), requests)]).await?.same().await
}
