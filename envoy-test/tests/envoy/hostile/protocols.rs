//! What HTTP can do besides requests and answers: gRPC, trailers, upgrades, `100 Continue`.

use anyhow::Result;
use envoy_test::{Envoy, RawHttp1, RawHttp2, Reply, Test, UpstreamConfig, tests};
use serde_json::{Value, json};

use super::policy::{self, HOST};
use super::raw_upstream::{End, RawUpstream, Script};
use super::three::{get_http2, kind};
use super::vital::Vital;

pub fn tests() -> Vec<Test> {
    tests![grpc, trailers, a_websocket, a_websocket_over_http2, continued, frames_of_all_kinds]
}

fn to(prefix: &str, host: &str, headers: Value, rewrite: Value) -> Value {
    let route = json!([{"destination": {"host": host}}]);
    json!({"match": [{"uri": {"prefix": prefix}}], "route": route, "headers": headers, "rewrite": rewrite})
}

async fn grpc(envoy: &Envoy) -> Result<()> {
    let service = envoy.add_upstream(UpstreamConfig::new("grpc").http2()).await?;
    service.script([Reply::grpc(0)]);
    let to = |host: &str| json!([{"destination": {"host": host}}]);
    let known = json!({
        "match": [{"uri": {"prefix": "/package.Service/"}}], "route": to(service.name()), "timeout": "20s",
        "retries": {"attempts": 2, "retryOn": "unavailable,cancelled"},
    });
    let unknown = json!({
        "match": [{"uri": {"prefix": "/nobody.Service/"}}], "route": to("nobody-knows-it"),
        "headers": {"response": {"set": {"grpc-message": "%REQ(x-in)%", "x-status": "%RESP(grpc-status)%"}}},
    });
    let policy = policy::with_rules([known, unknown]);
    let listener = envoy.add_listener(policy::config(policy)?).await?;
    let vital = Vital::watch(envoy, &listener);
    let mut two = RawHttp2::open(listener.address()).await?;
    for timeout in [
        "",
        "1S",
        "99999999H",
        "99999999n",
        "999999999S",
        "-1S",
        "1",
        "S",
        "1\u{e9}",
        "0S",
        "1 S",
        "18446744073709551616H",
    ] {
        let timeout: Vec<u8> = timeout.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        for (kind, path) in [
            (&b"application/grpc"[..], "/package.Service/Method"),
            (b"application/grpc+\xff", "/package.Service/"),
            (b"application/grpc;x", "/package.Service/%"),
            (b"application/grpc", "/nobody.Service/Method"),
            (b"application/grpc-web", "/nobody.Service/Method"),
        ] {
            let lines = [
                (&b"content-type"[..], kind),
                (b"te", b"trailers"),
                (b"grpc-timeout", &timeout),
                (b"x-in", b"\x80%\xff"),
            ];
            let outcome = two.ask_with(&get_http2(path, &lines), Some(b"\0\0\0\0\x02{}"), &[]).await?;
            // Envoy's own answer to gRPC is a 200, too; a time-out that is over at once is one such.
            let expected = if kind.ends_with(b"-web") { 503 } else { 200 };
            assert_eq!(outcome.status(), expected, "{path} {}: {outcome:?}", timeout.escape_ascii());
        }
    }
    // Half a message, a message that is none, and none.
    for body in [&b"\0\0\0\0\xff{"[..], b"\xff\xff\xff\xff\xff", b"", b"\0"] {
        let lines =
            get_http2("/package.Service/Method", &[(b"content-type", b"application/grpc"), (b"te", b"trailers")]);
        assert_eq!(kind(&two.ask_with(&lines, Some(body), &[]).await?), "200");
    }
    vital.check().await
}

async fn trailers(envoy: &Envoy) -> Result<()> {
    let service = envoy.add_upstream(UpstreamConfig::new("trailing").http2()).await?;
    service.script([Reply::status(200)
        .trailer("x-in", [0x80, 0xff])
        .trailer("x-pointsman-cluster", "x")
        .trailer("x-explain", "1")]);
    let headers = json!({"response": {"set": {"x-in": "%REQ(x-in)%"}}});
    let policy = policy::with_rules([to("/trailing", service.name(), headers, Value::Null)]);
    envoy.echoes(["hostile-alpha", "hostile-beta", "hostile-shadow"]).await?;
    let listener = envoy.add_listener(policy::config(policy)?).await?;
    let vital = Vital::watch(envoy, &listener);
    for path in ["/trailing", "/prefix/x", "/", "/redirect/x", "/direct/made"] {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {HOST}\r\ntransfer-encoding: chunked\r\ntrailer: x-exact\r\n\r\n\
             3\r\nabc\r\n0\r\nx-exact: right\r\nx-explain: 1\r\nx-pointsman-cluster: default\r\n\r\n"
        );
        let one = RawHttp1::ask(listener.address(), &request).await?;
        let mut two = RawHttp2::open(listener.address()).await?;
        let trailers: [(&[u8], &[u8]); 3] =
            [(b"x-exact", b"right"), (b"x-in", b"\xff"), (b"x-pointsman-cluster", b"default")];
        let two = two.ask_with(&get_http2(path, &[(b"te", b"trailers")]), Some(b"abc"), &trailers).await?;
        for outcome in [one, two] {
            let expected: (u16, &str) = match path {
                "/trailing" => (200, service.name()),
                "/redirect/x" => (308, ""),
                "/direct/made" => (201, ""),
                // A trailer is no header: no rule sees it.
                _ => (200, "hostile-beta"),
            };
            assert_eq!((outcome.status(), outcome.service().as_str()), expected, "{path}: {outcome:?}");
        }
    }
    // Trailers that are none.
    for trailer in [&b": x"[..], b"\xff: x", b"x", b":path: /x", b"content-length: 5", b"x: \0"] {
        let head = format!("POST / HTTP/1.1\r\nhost: {HOST}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n");
        RawHttp1::ask(listener.address(), [head.as_bytes(), trailer, b"\r\n\r\n"].concat()).await?;
        vital.signs().await?;
    }
    for trailer in
        [(&b":path"[..], &b"/x"[..]), (b"X", b"x"), (b"", b""), (b"\xff", b"\xff"), (b"connection", b"close")]
    {
        RawHttp2::open(listener.address()).await?.ask_with(&get_http2("/", &[]), Some(b"abc"), &[trailer]).await?;
        vital.signs().await?;
    }
    vital.check().await
}

const SWITCHING: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nx-odd: \xff\r\n\r\n";

async fn a_websocket(envoy: &Envoy) -> Result<()> {
    let upstream = RawUpstream::start(Script { bytes: SWITCHING.to_vec(), end: End::EchoBytes }).await?;
    let cluster = upstream.cluster(envoy).await?;
    let headers = json!({"response": {"set": {"x-back": "%RESP(x-odd)%%RESP(:status)%"}}});
    let policy = policy::with_rules([to("/socket", cluster.name(), headers, json!({"uri": "/new"}))]);
    envoy.echoes(["hostile-alpha", "hostile-beta", "hostile-shadow"]).await?;
    let listener = envoy.add_listener(policy::config(policy)?).await?;
    let vital = Vital::watch(envoy, &listener);
    let request = |path: &str| {
        format!("GET {path} HTTP/1.1\r\nhost: {HOST}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n")
    };
    for _ in 0..3 {
        let mut socket = RawHttp1::open(listener.address()).await?;
        socket.write(request("/socket").as_bytes()).await;
        let answer = socket.any_answer(false).await?;
        assert_eq!(answer.status(), 101, "{answer:?}");
        assert_eq!(answer.header("x-back").as_deref(), Some("\u{ff}101"));
        socket.write(b"\x81\x05hello\0\xff").await;
        assert_eq!(socket.read(9).await?, b"\x81\x05hello\0\xff");
        socket.reset()?;
    }
    assert!(upstream.heads().iter().all(|head| head.starts_with("GET /new HTTP/1.1\r\n")), "{:?}", upstream.heads());
    // An upstream that does not want to, and rules that answer.
    for (path, status) in [("/", 200), ("/redirect/x", 308), ("/direct/made", 201)] {
        let mut socket = RawHttp1::open(listener.address()).await?;
        socket.write(request(path).as_bytes()).await;
        assert_eq!(socket.any_answer(false).await?.status(), status, "{path}");
    }
    // Not one that the listener is told to do.
    let other = request("/socket").replace("websocket", "something-else");
    assert_eq!(RawHttp1::ask(listener.address(), other).await?.status(), 403);
    vital.check().await
}

/// As RFC 8441 has it: an extended CONNECT.
async fn a_websocket_over_http2(envoy: &Envoy) -> Result<()> {
    let upstream = RawUpstream::start(Script { bytes: SWITCHING.to_vec(), end: End::EchoBytes }).await?;
    let cluster = upstream.cluster(envoy).await?;
    let policy = policy::with_rules([to("/socket", cluster.name(), Value::Null, json!({"uri": "/new"}))]);
    envoy.echoes(["hostile-alpha", "hostile-beta", "hostile-shadow"]).await?;
    let listener = envoy.add_listener(policy::config(policy)?).await?;
    let vital = Vital::watch(envoy, &listener);
    let lines = |path: &'static [u8], protocol: &'static [u8]| -> [(&'static [u8], &'static [u8]); 5] {
        [
            (b":method", b"CONNECT"),
            (b":protocol", protocol),
            (b":scheme", b"http"),
            (b":authority", HOST.as_bytes()),
            (b":path", path),
        ]
    };
    let mut two = RawHttp2::open(listener.address()).await?;
    let id = two.begin(&lines(b"/socket", b"websocket"), false).await;
    assert_eq!(two.status(id).await, 200);
    two.data(id, b"\x81\x05hello", false).await;
    assert_eq!(two.piece(id).await.as_deref(), Some(&b"\x81\x05hello"[..]));
    two.cancel(id).await;
    for (path, protocol) in
        [(&b"/socket"[..], &b"something-else"[..]), (b"/socket", b""), (b"", b"websocket"), (b"/\xff", b"\xff")]
    {
        let mut two = RawHttp2::open(listener.address()).await?;
        let id = two.begin(&lines(path, protocol), false).await;
        let status = two.status(id).await;
        assert!(status == 0 || (400..500).contains(&status), "{}: {status}", path.escape_ascii());
    }
    vital.check().await
}

async fn continued(envoy: &Envoy) -> Result<()> {
    let listener = policy::listener(envoy).await?;
    let vital = Vital::watch(envoy, &listener);
    for path in ["/prefix/x", "/", "/sticky/cookie"] {
        let mut one = RawHttp1::open(listener.address()).await?;
        let head = format!("POST {path} HTTP/1.1\r\nhost: {HOST}\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n");
        one.write(head.as_bytes()).await;
        assert_eq!(one.any_answer(false).await?.status(), 100, "{path}");
        one.write(b"12345").await;
        let answer = one.any_answer(false).await?;
        assert_eq!((answer.status(), answer.echo().map(|echo| echo.body_length)), (200, Some(5)), "{path}");
        let lines = get_http2(path, &[(b"expect", b"100-continue")]);
        let answer = RawHttp2::open(listener.address()).await?.ask_with(&lines, Some(b"12345"), &[]).await?;
        assert_eq!((answer.status(), answer.echo().map(|echo| echo.body_length)), (200, Some(5)), "{path}");
    }
    // Answered by a rule: the body is not wanted. And a client that does not wait.
    for (path, status) in [("/redirect/x", 308), ("/direct/made", 201)] {
        let request =
            format!("POST {path} HTTP/1.1\r\nhost: {HOST}\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n12345");
        assert_eq!(RawHttp1::ask(listener.address(), request).await?.status(), status);
    }
    // The upstream's own, and what it says early.
    let upstream = RawUpstream::start(Script {
        bytes: [
            &b"HTTP/1.1 100 Go\r\nx-odd: \xff\r\n\r\n"[..],
            b"HTTP/1.1 103 Early\r\nlink: \xff\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        ]
        .concat(),
        end: End::Close,
    })
    .await?;
    let cluster = upstream.cluster(envoy).await?;
    let headers = json!({"response": {"set": {"x-back": "%RESP(:status)%"}}});
    let policy = policy::with_rules([to("/raw", cluster.name(), headers, Value::Null)]);
    let listener = envoy.add_listener(policy::config(policy)?.manager(json!({"proxy_100_continue": true}))).await?;
    let through = Vital::watch(envoy, &listener);
    let request =
        format!("POST /raw HTTP/1.1\r\nhost: {HOST}\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n12345");
    let answer = RawHttp1::ask(listener.address(), request).await?;
    assert_eq!((answer.status(), answer.header("x-back").as_deref()), (200, Some("200")), "{answer:?}");
    through.check().await?;
    vital.check().await
}

/// HTTP/2 that is none: it is Envoy's to refuse, and only that connection's end.
async fn frames_of_all_kinds(envoy: &Envoy) -> Result<()> {
    let listener = policy::listener(envoy).await?;
    let vital = Vital::watch(envoy, &listener);
    let mut block = Vec::new();
    for (name, value) in get_http2("/", &[(b"x-in", b"in")]) {
        envoy_test::literal(&mut block, name, value);
    }
    let frame = |kind: u8, flags: u8, stream: u8, payload: &[u8]| {
        let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
        [&[0, length[0], length[1], kind, flags, 0, 0, 0, stream][..], payload].concat()
    };
    for frames in [
        frame(1, 5, 1, &[0xff; 60]),
        frame(1, 5, 2, &block),
        frame(1, 5, 0, &block),
        [frame(1, 1, 1, &block), frame(0, 1, 1, b"x")].concat(),
        [frame(1, 4, 1, &block), frame(8, 0, 1, &[0; 4])].concat(),
        [frame(1, 5, 1, &block), frame(1, 5, 1, &block)].concat(),
        [frame(1, 4, 1, &block), frame(3, 0, 1, &[0; 4])].concat(),
        frame(9, 4, 1, &block),
        frame(5, 4, 1, &block),
        frame(4, 0, 0, &[0; 5]),
        frame(6, 0, 0, &[0; 7]),
        frame(200, 255, 255, b"x"),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        [frame(1, 0, 1, &block[..block.len() / 2]), frame(9, 4, 1, &block[block.len() / 2..]), frame(0, 1, 1, b"")]
            .concat(),
    ] {
        let mut two = RawHttp2::open(listener.address()).await?;
        two.write(&frames).await;
        // Behind it a request, on the same connection, whose number is high enough.
        two.write(&frame(1, 5, 101, &block)).await;
        two.outcome(101).await?;
        vital.signs().await?;
    }
    // Who says that no more will come, and goes on, may wait for ever.
    let mut two = RawHttp2::open(listener.address()).await?;
    two.write(&[frame(7, 0, 0, &[0; 8]), frame(1, 5, 101, &block)].concat()).await;
    drop(two);
    vital.check().await
}
