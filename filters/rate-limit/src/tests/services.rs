//! Limits that a service keeps.

use serde_json::{Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::fixture::Fixture;
use crate::near_cache::MOST;
use crate::rls::tests::messages::{
    DescriptorStatus, Duration, HeaderValue, OK, OVER_LIMIT as OVER, RateLimit, RateLimitRequest, RateLimitResponse,
};
use pointsman_filter::Destination;

const SECOND: u64 = 1_000_000_000;

fn global() -> Value {
    json!({"domain": "edge", "cluster": "ratelimit"})
}

/// A limit by that request header.
fn by(header: &str) -> Value {
    json!({"name": header, "global": global(),
        "actions": [{"requestHeaders": {"headerName": header, "descriptorKey": header}}]})
}

fn status(code: i32, remaining: u32, reset: i64) -> DescriptorStatus {
    let limit = RateLimit { requests_per_unit: 10, unit: 2, name: String::new().into() };
    let reset = Duration { seconds: reset, nanos: 0 };
    DescriptorStatus { code, current_limit: Some(limit), limit_remaining: remaining, duration_until_reset: Some(reset) }
}

fn answer(statuses: &[DescriptorStatus]) -> RateLimitResponse {
    let is_over = statuses.iter().any(|status| status.code == OVER);
    let overall_code = if is_over { OVER } else { OK };
    RateLimitResponse { overall_code, statuses: statuses.to_vec(), ..RateLimitResponse::default() }
}

fn line(key: &str, value: &str) -> HeaderValue {
    HeaderValue::new(key, value)
}

/// `k=v,k=v*hits; …*hits`.
fn shown(request: &RateLimitRequest) -> String {
    let descriptors = request.descriptors.iter().map(|descriptor| {
        let entries = descriptor.entries.iter().map(|entry| format!("{}={}", entry.key, entry.value));
        let hits = descriptor.hits_addend.map(|hits| format!("*{hits}")).unwrap_or_default();
        entries.collect::<Vec<_>>().join(",") + &hits
    });
    let all = descriptors.collect::<Vec<_>>().join("; ");
    if request.hits_addend == 0 { all } else { format!("{all} *{}", request.hits_addend) }
}

/// One call for all limits of a service; another for another one, and for those that only count.
#[test]
fn what_is_asked() {
    let with = |header: &str, change: &dyn Fn(&mut Value)| {
        let mut limit = by(header);
        change(&mut limit);
        limit
    };
    let limits = json!([
        by("a"),
        with("b", &|limit| limit["global"]["domain"] = json!("other")),
        with("c", &|limit| limit["shadow"] = json!(true)),
        with("d", &|limit| limit["hitsAddend"] = json!({"requestHeader": "n"})),
        with("e", &|limit| limit["hitsAddend"] = json!({"responseHeader": "n"})),
        with("f", &|limit| limit["hitsAddend"] = json!({"number": 3})),
        with("g", &|limit| limit["hitsAddend"] = json!({"number": 3})),
    ]);
    for (request, expected) in [
        ("x/", vec![]),
        ("x/ | a: 1", vec!["a=1"]),
        ("x/ | b: 1 | a: 2", vec!["a=2", "b=1"]),
        ("x/ | c: 1", vec!["c=1"]),
        ("x/ | a: 1 | c: 1 | d: 1", vec!["a=1; d=1", "c=1"]),
        ("x/ | a: 1 | d: 1 | n: 5", vec!["a=1; d=1*5"]),
        ("x/ | d: 1 | n: 5", vec!["d=1 *5"]),
        ("x/ | d: 1 | n: 0", vec!["d=1*0"]),
        ("x/ | e: 1", vec!["e=1*0"]),
        ("x/ | f: 1 | g: 1", vec!["f=1; g=1 *3"]),
        ("x/ | f: 1 | a: 1", vec!["a=1; f=1*3"]),
    ] {
        let mut fixture = Fixture::new(&json!({"rateLimits": limits}));
        fixture.answers = vec![answer(&[]); 9];
        assert!(fixture.begin(request).reply.is_none());
        assert_eq!(fixture.asked.iter().map(shown).collect::<Vec<_>>(), expected, "{request}");
    }
}

#[test]
fn what_its_answer_means() {
    let mut limit = by("a");
    limit["response"] = json!({"rateLimitHeaders": "DRAFT_VERSION_03", "rateLimitedAsResourceExhausted": true});
    let mut fixture = Fixture::new(&json!({"rateLimits": [limit, by("b")]}));
    let mut named = status(OK, 7, 30);
    named.current_limit.as_mut().unwrap().name = "per-b".into();
    let lines = vec![
        line("X-Plan", "gold"),
        line("content-length", "1"),
        line(":path", "/"),
        line("bad name", "x"),
        line("X-Pointsman-Mirror", "x"),
    ];
    let hostile = vec![line("Host", "evil"), line("x-split", "a\r\nb: c")];
    fixture.answers = vec![RateLimitResponse {
        request_headers_to_add: [lines.clone(), hostile].concat(),
        response_headers_to_add: lines.clone(),
        ..answer(&[status(OK, 9, 20), named])
    }];
    let mut live = fixture.begin("x/ | a: 1 | b: 2");
    assert_eq!((live.outcome(), live.written()), ("passes".into(), vec!["+x-plan: gold".into()]));
    let expected = [
        "+x-plan: gold",
        "+x-ratelimit-limit: 10, 10;w=60, 10;w=60;name=\"per-b\"",
        "+x-ratelimit-remaining: 7",
        "+x-ratelimit-reset: 30",
    ];
    assert_eq!(fixture.respond(&mut live, &[]), expected);
    assert_eq!(fixture.end(&mut live), []);

    fixture.answers = vec![RateLimitResponse {
        response_headers_to_add: lines,
        raw_body: b"no".to_vec(),
        ..answer(&[status(OVER, 0, 20)])
    }];
    let refused = fixture.begin("x/ | a: 3");
    let reply = refused.reply.as_ref().unwrap();
    assert_eq!((refused.outcome(), reply.body.as_slice(), reply.grpc_status), ("429 by a".into(), &b"no"[..], Some(8)));
    let expected = [
        "x-plan: gold",
        "x-envoy-ratelimited: true",
        "x-ratelimit-limit: 10, 10;w=60",
        "x-ratelimit-remaining: 0",
        "x-ratelimit-reset: 20",
        "retry-after: 20",
    ];
    assert_eq!(refused.headers(), expected);

    // What cannot stand in a header, or is no window, is not told.
    for name in ["x\"\r\nset-cookie: a=b", "\\", "ü", &"x".repeat(129)] {
        let mut named = status(OVER, 0, i64::MAX);
        named.current_limit.as_mut().unwrap().name = name.into();
        fixture.answers = vec![answer(&[named])];
        let expected = [
            "x-envoy-ratelimited: true",
            "x-ratelimit-limit: 10, 10;w=60",
            "x-ratelimit-remaining: 0",
            "x-ratelimit-reset: 0",
        ];
        assert_eq!(fixture.begin("x/ | a: 4").headers(), expected, "{name}");
    }

    // Without statuses nobody knows which one; without a body there is none.
    fixture.answers = vec![RateLimitResponse { overall_code: OVER, ..RateLimitResponse::default() }];
    let refused = fixture.begin("x/ | b: 3");
    let reply = refused.reply.as_ref().unwrap();
    assert_eq!((refused.outcome(), reply.body.as_slice(), reply.grpc_status), ("429 by b".into(), &b""[..], None));
    assert_eq!(refused.headers(), ["x-envoy-ratelimited: true"]);
    assert_eq!(fixture.metric("rate_limited", &[("limit", "b"), ("by", "global")]), 1);
}

#[test]
fn without_an_answer() {
    for (deny, shadow, expected) in
        [(false, false, "passes"), (true, false, "503 by a"), (true, true, "passes"), (false, true, "passes")]
    {
        let mut limit = by("a");
        limit["shadow"] = json!(shadow);
        limit["global"]["failureModeDeny"] = json!(deny);
        limit["global"]["statusOnError"] = json!(503);
        let mut fixture = Fixture::new(&json!({"rateLimits": [limit]}));
        assert_eq!(fixture.ask("x/ | a: 1"), expected, "{deny} {shadow}");
        let domain = [("domain", "edge")];
        assert_eq!(fixture.metric("service_errors", &domain), 1);
        assert_eq!(fixture.metric("failure_mode_allowed", &domain), i64::from(expected == "passes"));
    }
}

/// What was refused is refused without a call until its limit counts anew, and not an instant longer.
#[test]
fn what_is_remembered() {
    let mut fixture = Fixture::new(&json!({"rateLimits": [by("a"), by("b")]}));
    fixture.host.wall = 100 * SECOND + SECOND / 4;
    fixture.answers = vec![
        RateLimitResponse {
            response_headers_to_add: vec![line("RateLimit-Reset", "20"), line("x", "20")],
            ..answer(&[status(OK, 3, 20), status(OVER, 0, 20)])
        },
        answer(&[status(OK, 5, 10)]),
        answer(&[status(OK, 5, 10)]),
    ];
    assert_eq!(fixture.ask("x/ | a: 1 | b: 1"), "429 by b");
    fixture.host.now += 5 * SECOND;
    let again = fixture.begin("x/ | b: 1");
    let expected = ["ratelimit-reset: 15", "x: 20", "x-envoy-ratelimited: true", "retry-after: 15"];
    assert_eq!((again.outcome(), again.headers()), ("429 by b".into(), expected.map(String::from).to_vec()));
    assert_eq!(fixture.ask("x/ | b: 1 | a: 7"), "429 by b");
    assert_eq!(fixture.asked.len(), 1);
    // Who is not over it is asked about; and the same value of another header is another descriptor.
    assert_eq!([fixture.ask("x/ | a: 1"), fixture.asked.len().to_string()], ["passes", "2"]);
    // Its clock's 20 seconds end a quarter of a second before ours do.
    fixture.host.now += 14 * SECOND + SECOND * 3 / 4 - 1;
    assert_eq!([fixture.ask("x/ | b: 1"), fixture.asked.len().to_string()], ["429 by b", "2"]);
    fixture.host.now += 1;
    assert_eq!([fixture.ask("x/ | b: 1"), fixture.asked.len().to_string()], ["passes", "3"]);
    assert_eq!(fixture.metric("rate_limited", &[("limit", "b"), ("by", "global")]), 4);
}

/// Fewer hits than were too many may still fit.
#[test]
fn hits_and_what_is_remembered() {
    let mut limit = by("a");
    limit["hitsAddend"] = json!({"requestHeader": "n"});
    let mut fixture = Fixture::new(&json!({"rateLimits": [limit]}));
    fixture.answers = vec![answer(&[status(OVER, 3, 20)]), answer(&[status(OK, 0, 20)])];
    for (hits, expected, asked) in [(5, "429 by a", 1), (5, "429 by a", 1), (6, "429 by a", 1), (4, "passes", 2)] {
        assert_eq!(fixture.ask(&format!("x/ | a: 1 | n: {hits}")), expected);
        assert_eq!(fixture.asked.len(), asked);
    }
}

/// Not for ever: whoever keeps the limits may have changed them. And not what is no window at all.
#[test]
fn how_long_it_is_remembered() {
    for (reset, remembered) in [(5, 5), (600, 600), (86_400, 600), (366 * 86_400, 600), (1_790_000_000, 0)] {
        for by_header in [false, true] {
            let mut fixture = Fixture::new(&json!({"rateLimits": [by("a")]}));
            let mut over = answer(&[status(OVER, 0, reset)]);
            if by_header {
                over.statuses.clear();
                over.response_headers_to_add = vec![line("x-ratelimit-reset", &reset.to_string())];
            }
            fixture.answers = vec![over; 3];
            for second in [0, remembered - 1, remembered] {
                fixture.host.now = u64::try_from(1000 + second).unwrap() * SECOND;
                assert_eq!(fixture.ask("x/ | a: 1"), "429 by a");
                let expected = if second < remembered || second == 0 { 1 } else { 2 };
                assert_eq!(fixture.asked.len(), if remembered == 0 { fixture.asked.len() } else { expected });
            }
            assert_eq!(fixture.asked.len(), if remembered == 0 { 3 } else { 2 }, "{reset}");
        }
    }
}

/// Limitador has no statuses, but a header.
#[test]
fn remembered_by_a_header() {
    let mut fixture = Fixture::new(&json!({"rateLimits": [by("a"), by("b")]}));
    let over = RateLimitResponse {
        overall_code: OVER,
        response_headers_to_add: vec![line("X-RateLimit-Reset", "9")],
        ..RateLimitResponse::default()
    };
    let over = || over.clone();
    fixture.answers = vec![over(), answer(&[]), answer(&[]), over(), answer(&[])];
    for (request, expected, asked) in [
        ("x/ | a: 1 | b: 1", "429 by a", 1),
        ("x/ | a: 1 | b: 1", "429 by a", 1),
        // One of the two was over it, but which?
        ("x/ | a: 1", "passes", 2),
        ("x/ | b: 1", "passes", 3),
        ("x/ | b: 2", "429 by b", 4),
        ("x/ | b: 2", "429 by b", 4),
        ("x/ | b: 2 | a: 1", "429 by b", 4),
        ("x/ | b: 3", "passes", 5),
    ] {
        assert_eq!(fixture.ask(request), expected, "{request}");
        assert_eq!(fixture.asked.len(), asked, "{request}");
    }
}

#[test]
fn memory_is_bounded() {
    let mut fixture = Fixture::new(&json!({"rateLimits": [by("a")]}));
    let known = |fixture: &mut Fixture, key: usize, reset| {
        let before = fixture.asked.len();
        fixture.answers = vec![answer(&[status(OVER, 0, reset)])];
        assert_eq!(fixture.ask(&format!("x/ | a: {key}")), "429 by a");
        fixture.asked.len() == before
    };
    let forgotten = |fixture: &Fixture| fixture.metric("near_cache_forgotten", &[("domain", "edge")]);
    for key in 0..MOST {
        assert!(!known(&mut fixture, key, if key == 7 { 50 } else { 100 }));
    }
    assert!(known(&mut fixture, 7, 100));
    assert_eq!(forgotten(&fixture), 0);
    // The one that would have ended first.
    assert!(!known(&mut fixture, MOST, 100));
    assert_eq!(forgotten(&fixture), 1);
    assert!(known(&mut fixture, 8, 100) && known(&mut fixture, MOST, 100) && !known(&mut fixture, 7, 100));
    // Those that are over go first, and are nobody's loss.
    fixture.host.now += 100 * SECOND;
    assert!(!known(&mut fixture, MOST + 1, 100));
    assert_eq!(forgotten(&fixture), 2);
    // What is long is not kept.
    fixture.answers = vec![RateLimitResponse { raw_body: vec![b'x'; 3000], ..answer(&[status(OVER, 0, 9)]) }; 2];
    let asked = fixture.asked.len();
    assert_eq!([fixture.ask("x/ | a: long"), fixture.ask("x/ | a: long")], ["429 by a", "429 by a"]);
    assert_eq!(fixture.asked.len(), asked + 2);
}

/// What a request costs is told at its end, about the same descriptor.
#[test]
fn paid_at_the_end() {
    let mut limit = by("a");
    limit["hitsAddend"] = json!({"responseHeader": "tokens"});
    let mut fixture = Fixture::new(&json!({"rateLimits": [limit]}));
    for (headers, expected) in
        [(vec!["tokens: 25"], vec!["a=1 *25"]), (vec![], vec!["a=1"]), (vec!["tokens: 0"], vec![])]
    {
        fixture.answers = vec![answer(&[status(OK, 1, 1)])];
        let mut live = fixture.begin("x/ | a: 1");
        fixture.respond(&mut live, &headers);
        assert_eq!(fixture.end(&mut live).iter().map(shown).collect::<Vec<_>>(), expected);
    }
    // One call for all limits of a service.
    let mut both = by("a");
    both["hitsAddend"] = json!({"responseHeader": "tokens"});
    let mut other = by("b");
    other["hitsAddend"] = json!({"responseTrailer": "rows"});
    fixture = Fixture::new(&json!({"rateLimits": [both, other, by("c")]}));
    fixture.answers = vec![answer(&[])];
    let mut live = fixture.begin("x/ | a: 1 | b: 2 | c: 3");
    fixture.respond(&mut live, &["tokens: 25", "rows: 7"]);
    assert_eq!(fixture.end(&mut live).iter().map(shown).collect::<Vec<_>>(), ["a=1*25; b=2*7"]);
    // Who was refused pays nothing.
    fixture.answers = vec![answer(&[status(OVER, 0, 100)])];
    let mut live = fixture.begin("x/ | a: 1");
    assert_eq!((live.outcome(), fixture.end(&mut live).len()), ("429 by a".into(), 0));
}

/// The slots of a request that a service refuses are free at once.
#[test]
fn slots_of_the_refused() {
    let mut limit = by("a");
    limit["concurrency"] = json!(1);
    let mut fixture = Fixture::new(&json!({"rateLimits": [limit]}));
    fixture.destination = Destination::NotKnown;
    fixture.answers = vec![answer(&[status(OVER, 0, 0)]), answer(&[status(OK, 0, 0)]), answer(&[status(OK, 0, 0)])];
    let refused = fixture.begin("x/ | a: 1");
    assert_eq!(refused.outcome(), "429 by a");
    let live = fixture.begin("x/ | a: 1");
    assert_eq!([live.outcome(), fixture.ask("x/ | a: 1")], ["passes", "429 by a"]);
}
