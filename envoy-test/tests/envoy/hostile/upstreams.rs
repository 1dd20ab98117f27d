//! Upstreams that answer nonsense, or half, or not at all.

use std::collections::BTreeSet;

use anyhow::Result;
use envoy_test::{Envoy, Listener, RawHttp1, RawHttp2, Reply, Test, tests};
use serde_json::{Value, json};

use super::policy;
use super::raw_upstream::{End, RawUpstream, Script};
use super::three::{get_http2, kind};
use super::vital::Vital;

pub fn tests() -> Vec<Test> {
    tests![garbage, http2_garbage, clients_that_leave, upstreams_that_fail]
}

/// Two rules lead to that upstream, with operations that read and write the response.
fn policy_to(upstream: &str) -> Value {
    let back = "%RESP(x-odd)%%RESP(:status)%%RESP(content-type)%%UPSTREAM_HOST%";
    let response = json!({
        "set": {"x-back": back, "content-type": "%RESP(server)%"},
        "add": {"set-cookie": "%RESP(set-cookie)%"},
        "remove": ["x-odd"],
    });
    let headers = json!({"request": {"set": {"x-in": "%REQ(x-in)%"}}, "response": response});
    let route = json!([{"destination": {"host": upstream}}]);
    let rule = |retries: Value, path: &str| {
        let entry = json!({"uri": {"prefix": path}});
        json!({"match": [entry], "route": route, "headers": headers, "retries": retries})
    };
    policy::with_rules([
        rule(json!({}), "/raw/"),
        rule(json!({"attempts": 2, "retryOn": "5xx,reset,connect-failure,retriable-4xx"}), "/retried/"),
    ])
}

async fn listener(envoy: &Envoy, upstream: &str) -> Result<Listener> {
    envoy.echoes(["hostile-alpha", "hostile-beta", "hostile-shadow"]).await?;
    envoy.add_listener(policy::config(policy_to(upstream))?).await
}

/// To both rules in both protocols; the statuses of the answers, 0 for one that was broken off before its head.
async fn ask(listener: &Listener) -> Result<Vec<u16>> {
    let mut statuses = Vec::new();
    for path in ["/raw/x", "/retried/x"] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\nx-in: in\r\n\r\n", policy::HOST);
        statuses.push(RawHttp1::ask(listener.address(), request).await?.status());
        let lines = get_http2(path, &[(b"x-in", b"in")]);
        statuses.push(RawHttp2::open(listener.address()).await?.ask(&lines).await?.status());
    }
    Ok(statuses)
}

async fn garbage(envoy: &Envoy) -> Result<()> {
    let upstream = RawUpstream::start(Script { bytes: Vec::new(), end: End::Close }).await?;
    let cluster = upstream.cluster(envoy).await?;
    let (listener, bare) = (listener(envoy, cluster.name()).await?, policy::bare_to(envoy, cluster.name()).await?);
    let vital = Vital::watch(envoy, &listener);
    let long = format!("HTTP/1.1 200 OK\r\nx-odd: {}\r\ncontent-length: 0\r\n\r\n", "o".repeat(59_000));
    let longer = format!("HTTP/1.1 200 OK\r\nx-odd: {}\r\ncontent-length: 0\r\n\r\n", "o".repeat(600_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}content-length: 0\r\n\r\n", "x-odd: o\r\n".repeat(95));
    let every: Vec<u8> = (0x80..=0xff).collect();
    let every = [b"HTTP/1.1 200 OK\r\nx-odd: ", every.as_slice(), b"\r\nset-cookie: \xff\r\ncontent-length: 0\r\n\r\n"]
        .concat();
    let answers: [&[u8]; 30] = [
        b"",
        b"\0\0\0\0",
        b"garbage\r\n\r\n",
        b"HTTP/1.1",
        b"HTTP/1.1 200 OK\r\nx-odd: ",
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\nhalf",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n",
        b"HTTP/1.1 999 Odd\r\nx-odd: o\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 99 Odd\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 99999 Odd\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 abc Odd\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 000 Odd\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nx-odd: o\r\n\r\nuntil the end",
        b"HTTP/1.1 204 No\r\ncontent-length: 5\r\n\r\nthere",
        b"HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n",
        b"HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 103 Early\r\nx-odd: o\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 100 Go\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx-odd\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\xff: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx-odd: a\0b\r\n\r\n",
        &every,
        many.as_bytes(),
        long.as_bytes(),
        longer.as_bytes(),
    ];
    let mut seen = BTreeSet::new();
    for bytes in answers {
        let shown: String = bytes.escape_ascii().map(char::from).take(200).collect();
        upstream.set(bytes, End::Close);
        let expected = ask(&bare).await?;
        for (status, expected) in ask(&listener).await?.into_iter().zip(&expected) {
            // A connection that ends may be chosen once more before Envoy sees its end, with our module and without.
            let is_lost = status == 503 || *expected == 503;
            assert!(status == *expected || is_lost, "{shown}: {status}, expected {expected}");
        }
        seen.extend(expected.iter().copied());
        upstream.set(bytes, End::Reset);
        for (status, expected) in ask(&listener).await?.into_iter().zip(expected) {
            // The reset may come before what was sent is read.
            assert!(
                status == expected || matches!(status, 0 | 502 | 503),
                "{shown}, reset: {status}, expected {expected}"
            );
        }
        vital.signs().await?;
    }
    // Envoy has not simply refused all of them.
    assert!([200, 502, 503, 999].iter().all(|status| seen.contains(status)), "{seen:?}");
    vital.check().await
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [&[0, length[0], length[1], kind, flags, 0, 0, 0, stream][..], payload].concat()
}

async fn http2_garbage(envoy: &Envoy) -> Result<()> {
    let upstream = RawUpstream::start(Script { bytes: Vec::new(), end: End::Close }).await?;
    let cluster = upstream.http2_cluster(envoy).await?;
    let listener = listener(envoy, cluster.name()).await?;
    let vital = Vital::watch(envoy, &listener);
    let settings = frame(4, 0, 0, b"");
    let mut odd = vec![0x88];
    envoy_test::literal(&mut odd, b"x-odd", &(0x80..=0xff).collect::<Vec<u8>>());
    let mut upper = vec![0x88];
    envoy_test::literal(&mut upper, b"X-Odd", b"o");
    let mut trailers = Vec::new();
    envoy_test::literal(&mut trailers, b"x-odd", b"\xff");
    for (what, frames, expected) in [
        ("no HTTP/2", b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), &[502, 503][..]),
        ("nothing", Vec::new(), &[503]),
        ("settings alone", settings.clone(), &[503]),
        ("GOAWAY", [&settings[..], &frame(7, 0, 0, &[0; 8])].concat(), &[503]),
        ("GOAWAY with an error", [&settings[..], &frame(7, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 11])].concat(), &[503]),
        ("RST_STREAM", [&settings[..], &frame(3, 0, 1, &[0, 0, 0, 2])].concat(), &[503]),
        ("RST_STREAM, refused", [&settings[..], &frame(3, 0, 1, &[0, 0, 0, 7])].concat(), &[503]),
        ("another stream", [&settings[..], &frame(1, 5, 7, &[0x88])].concat(), &[502, 503]),
        ("not HPACK", [&settings[..], &frame(1, 5, 1, &[0xff; 40])].concat(), &[502, 503]),
        ("no status", [&settings[..], &frame(1, 5, 1, &trailers)].concat(), &[502, 503]),
        ("capitals", [&settings[..], &frame(1, 5, 1, &upper)].concat(), &[502, 503]),
        ("bytes", [&settings[..], &frame(1, 5, 1, &odd)].concat(), &[200]),
        ("half", [&settings[..], &frame(1, 4, 1, &[0x88]), &frame(0, 0, 1, b"half")].concat(), &[200]),
        (
            "reset within",
            [&settings[..], &frame(1, 4, 1, &[0x88]), &frame(3, 0, 1, &[0, 0, 0, 2])].concat(),
            &[200, 503],
        ),
        ("trailers", [&settings[..], &frame(1, 4, 1, &odd), &frame(1, 5, 1, &trailers)].concat(), &[200]),
        ("a frame of no type", [&settings[..], &frame(99, 255, 1, b"odd"), &frame(1, 5, 1, &[0x88])].concat(), &[200]),
        ("PUSH_PROMISE", [&settings[..], &frame(5, 4, 1, &[0, 0, 0, 2, 0x82])].concat(), &[502, 503]),
        ("a window too large", [&settings[..], &frame(8, 0, 0, &[0x7f, 255, 255, 255])].concat(), &[502, 503]),
    ] {
        for end in [End::Close, End::Reset] {
            upstream.set(&frames, end);
            for status in ask(&listener).await? {
                // A connection that ends may be chosen once more before Envoy sees its end.
                let is_lost = matches!((end, status), (End::Reset, 0 | 502 | 503) | (End::Close, 503));
                assert!(expected.contains(&status) || is_lost, "{what} {end:?}: {status}, expected {expected:?}");
            }
        }
        vital.signs().await?;
    }
    vital.check().await
}

/// While the upstream is at work, and before they have said everything.
async fn clients_that_leave(envoy: &Envoy) -> Result<()> {
    let slow = envoy.upstream("slow").await?;
    slow.script([Reply::status(200).held()]);
    let listener = listener(envoy, slow.name()).await?;
    let vital = Vital::watch(envoy, &listener);
    let request = format!("POST /raw/x HTTP/1.1\r\nhost: {}\r\ncontent-length: 3\r\n\r\nabc", policy::HOST);
    for round in 1..=10 {
        let mut one = RawHttp1::open(listener.address()).await?;
        one.write(request.as_bytes()).await;
        let mut two = RawHttp2::open(listener.address()).await?;
        let id = two.begin(&get_http2("/raw/x", &[]), true).await;
        let mut cancelled = RawHttp2::open(listener.address()).await?;
        let to_cancel = cancelled.begin(&get_http2("/retried/x", &[]), true).await;
        slow.arrived(round * 3).await;
        one.reset()?;
        cancelled.cancel(to_cancel).await;
        drop((two, id));
        // One that is there again at once.
        let answer = cancelled.ask(&get_http2("/direct/made", &[])).await?;
        assert_eq!(kind(&answer), "201");
    }
    // In the midst of the head, and of the body.
    for length in [1, 20, request.len() - 10, request.len() - 1] {
        let mut one = RawHttp1::open(listener.address()).await?;
        one.write(&request.as_bytes()[..length]).await;
        drop(one);
    }
    let mut two = RawHttp2::open(listener.address()).await?;
    let id = two.begin(&get_http2("/raw/x", &[]), false).await;
    two.data(id, b"half", false).await;
    drop(two);
    slow.release(1000);
    vital.check().await
}

/// A cluster that is unknown, has nobody, or refuses: answers of Envoy's own, on which the operations are made.
async fn upstreams_that_fail(envoy: &Envoy) -> Result<()> {
    let gone = RawUpstream::counting().await?;
    let cluster = gone.cluster(envoy).await?;
    for name in ["nobody-knows-it", cluster.name()] {
        let listener = listener(envoy, name).await?;
        let vital = Vital::watch(envoy, &listener);
        if name == cluster.name() {
            assert_eq!(ask(&listener).await?, [200; 4]);
        } else {
            assert_eq!(ask(&listener).await?, [503; 4]);
        }
        vital.check().await?;
    }
    let listener = listener(envoy, cluster.name()).await?;
    let vital = Vital::watch(envoy, &listener);
    drop(gone);
    // What is left of its connections is closed, new ones are refused.
    let refused = async || Ok((ask(&listener).await? == [503; 4]).then_some(()));
    envoy.admin().until("the upstream to be gone", refused).await?;
    vital.check().await
}
