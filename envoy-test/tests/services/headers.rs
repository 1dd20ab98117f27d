//! What a service adds to requests, responses and refusals: taken over, but for what would break or steer the proxy.

use anyhow::Result;
use envoy_test::rls::{HeaderValue, OK, OVER_LIMIT, RateLimitResponse};
use envoy_test::{
    Answer, Envoy, Listener, ListenerConfig, Reply, Test, Upstream, UpstreamConfig, module, routes, tests,
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::lab::*;

pub fn tests() -> Vec<Test> {
    tests![
        of_a_request,
        of_a_response,
        of_a_refusal,
        that_are_none,
        that_frame,
        that_say_where_to,
        that_steer,
        very_long
    ]
}

fn line(name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> HeaderValue {
    HeaderValue::new(name, value)
}

async fn of_a_request(envoy: &Envoy) -> Result<()> {
    for module in [WHOLE, SLIM] {
        let (stub, upstream) = stub(envoy).await?;
        let listener = listener(envoy, module, json!([by_user("", &upstream, json!({}))])).await?;
        let raw = HeaderValue { key: b"x-raw".to_vec(), raw_value: b"\xff\xfe".to_vec(), ..HeaderValue::default() };
        let request_headers_to_add = vec![line("X-Tier", "gold"), line("x-two", "1"), line("x-two", "2"), raw];
        let answer = RateLimitResponse { request_headers_to_add, ..RateLimitResponse::code(OK) };
        stub.script([Reply::rate_limits(&answer)]);
        for http2 in [false, true] {
            let request = listener.get("/").header("user", "a").header("x-two", "0");
            let answer = if http2 { request.http2() } else { request }.send().await?;
            let echo = answer.echo();
            assert_eq!(echo.header_lines("x-tier"), ["gold"], "{module}");
            assert_eq!(echo.header_lines("x-two"), ["0", "1", "2"], "{module}");
            assert_eq!(echo.header_lines("x-raw"), ["\u{ff}\u{fe}"], "{module}");
            assert_eq!(answer.header("x-tier"), None, "{module}");
        }
    }
    Ok(())
}

async fn of_a_response(envoy: &Envoy) -> Result<()> {
    for module_name in [WHOLE, SLIM] {
        let (stub, service) = stub(envoy).await?;
        let upstream = envoy.upstream("answers").await?;
        upstream.script([Reply::status(201).header("x-two", "0")]);
        let policy = json!({"rateLimits": [by_user("", &service, json!({}))]});
        let config = ListenerConfig::new().routes(routes::usual(upstream.name()));
        let listener = envoy.add_listener(config.module(module(module_name)?).policy(policy)).await?;
        let response_headers_to_add = vec![line("X-Tier", "gold"), line("x-two", "1"), line("x-two", "2")];
        let answer =
            RateLimitResponse { response_headers_to_add, raw_body: b"no".to_vec(), ..RateLimitResponse::code(OK) };
        stub.script([Reply::rate_limits(&answer)]);
        let answer = listener.get("/").header("user", "a").send().await?;
        assert_eq!((answer.status, answer.echo().header("x-tier")), (201, None), "{module_name}");
        assert_eq!(answer.header_lines("x-tier"), ["gold"], "{module_name}");
        assert_eq!(answer.header_lines("x-two"), ["0", "1", "2"], "{module_name}");
    }
    Ok(())
}

async fn of_a_refusal(envoy: &Envoy) -> Result<()> {
    for module in [WHOLE, SLIM] {
        let (stub, upstream) = stub(envoy).await?;
        let limit = by_user("", &upstream, json!({}));
        let plain = listener(envoy, module, json!([limit])).await?;
        let response = json!({"status": 420, "body": "ours", "headers": {"x-ours": "1", "Retry-After": "77"}});
        let unmarked = json!({"disableXEnvoyRatelimitedHeader": true});
        let ours = with(limit, json!({"response": response, "global": unmarked}));
        let dressed = listener(envoy, module, json!([ours])).await?;
        let response_headers_to_add =
            vec![line("X-Tier", "gold"), line("retry-after", "5"), line("x-two", "1"), line("x-two", "2")];
        let over = RateLimitResponse { response_headers_to_add, ..RateLimitResponse::code(OVER_LIMIT) };
        let worded = RateLimitResponse { raw_body: b"{\"wait\": 5}".to_vec(), ..over.clone() };
        for (listener, status, body, marked, wait) in
            [(&plain, 429, "", Some("true"), &["5"][..]), (&dressed, 420, "ours", None, &["5", "77"])]
        {
            for (answer, body) in [(&over, body), (&worded, "{\"wait\": 5}")] {
                stub.script([Reply::rate_limits(answer)]);
                let refused = listener.get("/").header("user", "a").send().await?;
                assert_eq!((refused.status, refused.text().as_str()), (status, body), "{module}");
                assert_eq!(refused.header("x-envoy-ratelimited").as_deref(), marked, "{module}");
                assert_eq!(refused.header_lines("x-tier"), ["gold"], "{module}");
                assert_eq!(refused.header_lines("x-two"), ["1", "2"], "{module}");
                assert_eq!(refused.header_lines("retry-after"), wait, "{module}");
                assert_eq!(refused.header("x-ours").is_some(), status == 420, "{module}");
            }
        }
    }
    Ok(())
}

/// With those lines a request passes and is refused, in both protocols; each time `x-sane`, the last of them, is there.
async fn judged(
    envoy: &Envoy,
    modules: &[&str],
    lines: &[HeaderValue],
    check: impl Fn(&str, &Answer) + Copy,
) -> Result<()> {
    for &module in modules {
        let (stub, upstream) = stub(envoy).await?;
        let listener = to_http2(envoy, module, json!([by_user("", &upstream, json!({}))])).await?;
        let mark = listener.mark();
        let sets = lines.iter().map(std::slice::from_ref).chain([lines]);
        for hostile in sets {
            let added = [hostile, &[line("x-sane", "yes")]].concat();
            for (code, status) in [(OK, 200), (OVER_LIMIT, 429)] {
                let answer = RateLimitResponse {
                    response_headers_to_add: added.clone(),
                    request_headers_to_add: added.clone(),
                    ..RateLimitResponse::code(code)
                };
                for http2 in [false, true] {
                    let what = format!("{module} http2: {http2}, {status}: {}", shown(hostile));
                    stub.script([Reply::rate_limits(&answer)]);
                    // Two on one connection: nothing of the first answer is left in it.
                    let mut connection = envoy_test::Connection::open(listener.address(), http2).await?;
                    for _ in 0..2 {
                        let request = listener.post("/there").header("user", "a").body("12345");
                        let answer = connection.send(request).await.map_err(|why| why.context(what.clone()))?;
                        assert_eq!(answer.status, status, "{what}: {answer}");
                        assert_eq!(answer.header_lines("x-sane"), ["yes"], "{what}: {answer}");
                        if status == 200 {
                            let echo = answer.echo();
                            assert_eq!(echo.header_lines("x-sane"), ["yes"], "{what}: {answer}");
                            let request = (&*echo.method, &*echo.path, &*echo.authority, echo.body_length);
                            assert_eq!(request, ("POST", "/there", "localhost", 5), "{what}: {answer}");
                        } else {
                            assert_eq!(answer.text(), "", "{what}");
                        }
                        check(&what, &answer);
                    }
                }
            }
        }
        let log = listener.log_since(mark);
        assert!(!log.iter().any(|line| line.contains("[error]") || line.contains("[critical]")), "{log:#?}");
    }
    Ok(())
}

/// HTTP/2 forbids more than HTTP/1 does, and those who speak it reset what they do not like.
async fn to_http2(envoy: &Envoy, module_name: &str, limits: Value) -> Result<Listener> {
    let upstream = UpstreamConfig::new("default-http2").exact_name().http2();
    // The tests share it.
    static UPSTREAM: OnceCell<Upstream> = OnceCell::const_new();
    let upstream = UPSTREAM.get_or_try_init(|| envoy.add_upstream(upstream)).await?;
    let config = ListenerConfig::new().routes(routes::usual(upstream.name()));
    envoy.add_listener(config.module(module(module_name)?).policy(json!({"rateLimits": limits}))).await
}

fn shown(lines: &[HeaderValue]) -> String {
    let part = |bytes: &[u8]| bytes[..bytes.len().min(40)].escape_ascii().to_string();
    lines.iter().map(|line| format!("{}: {}; ", part(&line.key), part(&line.value))).collect()
}

/// Nobody else's header names one of these words.
const WORD: &str = "hostile";

fn nothing_of_it(what: &str, answer: &Answer) {
    let mut lines: Vec<String> = answer.headers.iter().map(|line| format!("{line:?}")).collect();
    if answer.status == 200 {
        lines.extend(answer.echo().headers.iter().map(|line| format!("{line:?}")));
    }
    assert!(!lines.iter().any(|line| line.contains(WORD)), "{what}: {lines:#?}");
}

async fn that_are_none(envoy: &Envoy) -> Result<()> {
    let names: [&[u8]; 14] = [
        b"",
        b" ",
        b"hostile name",
        b"hostile:name",
        b"hostile\r\nname",
        b"hostile\0name",
        b"hostile\xff",
        "hostile-\u{e9}".as_bytes(),
        b":status",
        b":path",
        b":hostile",
        b"hostile(name)",
        b"\thostile",
        b"hostile\x7f",
    ];
    let values: [&[u8]; 6] =
        [b"hostile\r\nx-injected: 1", b"hostile\n", b"\rhostile", b"hostile\0", b"hostile\x01", b"hostile\x7f"];
    let names = names.map(|name| line(name, WORD));
    let values = values.map(|value| line("x-hostile", value));
    judged(envoy, &[WHOLE, SLIM], &[&names[..], &values].concat(), nothing_of_it).await
}

/// These say where a message ends, or what becomes of the connection.
async fn that_frame(envoy: &Envoy) -> Result<()> {
    let lines = [
        line("content-length", "3"),
        line("Content-Length", "99999"),
        line("transfer-encoding", "chunked"),
        line("connection", "close"),
        line("connection", "x-sane"),
        line("upgrade", "websocket"),
        line("keep-alive", "timeout=0"),
        line("proxy-connection", "close"),
        line("te", "trailers, hostile"),
    ];
    judged(envoy, &[WHOLE, SLIM], &lines, nothing_of_it).await
}

/// These choose the route, the host, or what Envoy does with the request; the operator has the word there.
async fn that_say_where_to(envoy: &Envoy) -> Result<()> {
    let lines = [
        line(":path", "/elsewhere"),
        line(":authority", "elsewhere"),
        line(":method", "DELETE"),
        line(":scheme", "https"),
        line("host", "elsewhere"),
        line("Host", "elsewhere"),
    ];
    judged(envoy, &[WHOLE, SLIM], &lines, |_, _| ()).await
}

/// Of the route, where the one of ours has none.
fn is_of_user(what: &str, answer: &Answer) {
    let is_so = || answer.echo().header("x-envoy-expected-rq-timeout-ms") == Some("15000");
    assert!(answer.status != 200 || is_so(), "{what}: {answer}");
}

/// These are ours, whichever of our modules stands behind; and where we route, the router's are, too. A service may set
/// them no more than a client.
async fn that_steer(envoy: &Envoy) -> Result<()> {
    let ours = [line("x-pointsman-cluster", "elsewhere"), line("X-Pointsman-Policy", "elsewhere")];
    judged(envoy, &[WHOLE, SLIM], &ours, is_of_user).await?;
    judged(envoy, &[WHOLE], &[line("x-envoy-upstream-rq-timeout-ms", "1")], is_of_user).await
}

/// Up to 16 KiB in all: the first that fit.
async fn very_long(envoy: &Envoy) -> Result<()> {
    let too_long = vec![b'v'; 20_000];
    let lines = [line("x-hostile", too_long.clone()), line(vec![b'n'; 20_000], WORD), line("x-empty", "")];
    judged(envoy, &[WHOLE, SLIM], &lines, nothing_of_it).await
}
