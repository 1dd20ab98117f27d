//! Header lines: their values' bytes, their names, how many, how often the same, how long.

use anyhow::Result;
use envoy_test::{Envoy, Outcome, RawHttp1, RawHttp2, Test, tests};

use super::policy::{self, HOST};
use super::raw_upstream::RawUpstream;
use super::three::{get_http2, kind};
use super::vital::Vital;

pub fn tests() -> Vec<Test> {
    tests![
        every_byte_in_every_value,
        every_byte_in_a_name,
        names_of_all_kinds,
        repeated_lines,
        cookies_of_all_kinds,
        a_thousand_lines,
        a_long_value,
        a_long_name,
    ]
}

/// What the policy reads, or Envoy does.
const READ: [&str; 22] = [
    "x-in",
    "x-exact",
    "x-prefix",
    "x-regex",
    "x-present",
    "x-not",
    "x-user",
    "x-explain",
    "cookie",
    "origin",
    "referer",
    "user-agent",
    "accept",
    "authorization",
    "grpc-timeout",
    "content-type",
    "access-control-request-method",
    "access-control-request-headers",
    "x-forwarded-for",
    "x-request-id",
    "x-pointsman-cluster",
    "traceparent",
];

/// A request line, the host's line, and these lines.
fn http1(path: &str, lines: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut bytes = format!("GET {path} HTTP/1.1\r\nhost: {HOST}\r\n").into_bytes();
    for (name, value) in lines {
        bytes.extend([name, &b": "[..], value, b"\r\n"].concat());
    }
    bytes.extend(b"\r\n");
    bytes
}

/// Bytes as the echo shows them.
fn shown(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

async fn every_byte_in_every_value(envoy: &Envoy) -> Result<()> {
    let listener = policy::listener(envoy).await?;
    let by_authority = policy::listener_by_authority(envoy).await?;
    for listener in [&listener, &by_authority] {
        let vital = Vital::watch(envoy, listener);
        let mut one = RawHttp1::open(listener.address()).await?;
        let mut two = RawHttp2::open(listener.address()).await?;
        for byte in 0x80..=0xff {
            let value = [b'a', byte, b'='];
            let all: Vec<(&[u8], &[u8])> = READ.iter().map(|name| (name.as_bytes(), &value[..])).collect();
            one.write(&http1("/", &all)).await;
            for outcome in [one.answer().await?, two.ask(&get_http2("/", &all)).await?] {
                let Some(echo) = outcome.echo() else { panic!("{byte:#x}: {outcome:?}") };
                // That `x-present` is there is a condition which holds, and `x-not` does not hinder it.
                assert_eq!((outcome.status(), echo.service.as_str()), (200, "hostile-alpha"), "{byte:#x}");
                assert_eq!(echo.header("x-exact"), Some(shown(&value).as_str()), "{byte:#x}");
                assert_eq!(echo.header("x-pointsman-cluster"), None, "{byte:#x}");
            }
            // Without it the path decides, and with it who reads the values.
            let rest: Vec<(&[u8], &[u8])> = all.into_iter().filter(|line| line.0 != b"x-present").collect();
            for path in ["/", "/prefix/x", "/cors", "/sticky/header", "/sticky/cookie", "/package.Service/x"] {
                one.write(&http1(path, &rest)).await;
                for outcome in [one.answer().await?, two.ask(&get_http2(path, &rest)).await?] {
                    assert_eq!(outcome.status(), 200, "{byte:#x} {path}: {outcome:?}");
                    assert!(outcome.service().starts_with("hostile-"), "{byte:#x} {path}: {outcome:?}");
                }
            }
        }
        // Each by itself.
        for line in READ.iter().flat_map(|name| [b"\x80", b"\xc3", b"\xff"].map(|value| (name.as_bytes(), &value[..])))
        {
            one.write(&http1("/", &[line])).await;
            for outcome in [one.answer().await?, two.ask(&get_http2("/", &[line])).await?] {
                let service = if line.0 == b"x-present" { "hostile-alpha" } else { "hostile-beta" };
                assert_eq!((outcome.status(), outcome.service().as_str()), (200, service), "{line:?}: {outcome:?}");
            }
        }
        // Written, too: to the upstream and to the client.
        for byte in 0x80..=0xff {
            let value = [byte, b'x'];
            one.write(&http1("/regex/a", &[(b"x-in", &value)])).await;
            let outcome = one.answer().await?;
            let copy = outcome.echo().and_then(|echo| echo.header("x-copy").map(str::to_owned));
            assert_eq!(copy, Some(format!("<{}>", shown(&value))), "{byte:#x}: {outcome:?}");
            assert_eq!(outcome.header("x-copy"), Some(format!("<{}|200>", shown(&value))), "{byte:#x}");
        }
        vital.check().await?;
    }
    Ok(())
}

/// A name may have the bytes of a token; whatever else is refused by Envoy, and by Envoy alone.
async fn every_byte_in_a_name(envoy: &Envoy) -> Result<()> {
    let (listener, bare) = (policy::listener(envoy).await?, policy::bare(envoy).await?);
    let vital = Vital::watch(envoy, &listener);
    let (mut passed, mut refused) = (0, 0);
    for byte in 0..=0xff {
        for name in [vec![byte], vec![b'x', byte, b'y'], [b"x-pointsman-", &[byte][..]].concat()] {
            let lines = [(name.as_slice(), &b"v"[..])];
            let request = http1("/", &lines);
            let [ours, envoys] = [&listener, &bare].map(|listener| RawHttp1::ask(listener.address(), &request));
            let (ours, envoys) = (ours.await?, envoys.await?);
            assert_eq!(ours.status(), envoys.status(), "HTTP/1 {name:?}: {ours:?} and {envoys:?}");
            *(if ours.status() == 200 { &mut passed } else { &mut refused }) += 1;
            let request = get_http2("/", &lines);
            let ours = RawHttp2::open(listener.address()).await?.ask(&request).await?;
            let envoys = RawHttp2::open(bare.address()).await?.ask(&request).await?;
            assert_eq!(kind(&ours), kind(&envoys), "HTTP/2 {name:?}: {ours:?} and {envoys:?}");
        }
    }
    // A token's characters are 77, in one letter case 51: neither all pass nor none.
    assert!(passed > 3 * 70 && refused > 3 * 140, "{passed} passed, {refused} were refused");
    vital.check().await
}

async fn names_of_all_kinds(envoy: &Envoy) -> Result<()> {
    let (listener, bare) = (policy::listener(envoy).await?, policy::bare(envoy).await?);
    let vital = Vital::watch(envoy, &listener);
    for line in [
        ": v",
        ":method: POST",
        ":path: /x",
        ":authority: other",
        ":status: 200",
        ":: v",
        ":x",
        "x",
        "x :v",
        " x: v",
        "x:",
        "x: ",
        "x:\t",
        "x: \0",
        "x: a\rb",
        "x: a\nb: c",
        "host: other",
        "content-length: x",
        "content-length: -1",
        "content-length: 0\r\ncontent-length: 1",
        "transfer-encoding: gzip",
        "transfer-encoding: chunked, chunked",
        "x-pointsman-: v",
        "x-pointsman-cluster: v",
        "X-POINTSMAN-CLUSTER: v",
        "x-pointsman-mirror-2:",
        "x-envoy-:",
        "x-envoy-original-path: /\u{ff}",
        "x-envoy-upstream-rq-timeout-ms: \u{80}",
        "x-envoy-internal: true",
        "connection: x-exact, x-present",
        "connection: host",
        "te: x",
        "proxy-connection: close",
        "keep-alive: 5",
        "expect: something",
        "upgrade: h2c",
        "upgrade: \u{ff}",
        "forwarded: for=\"",
        "@request.auth.claims.group: admin",
        "x-explain: 1\r\nx-explain: 2",
        "x-explain:",
        "x-forwarded-proto: \u{e9}",
        "x-forwarded-host: ,",
    ] {
        let request = format!("GET / HTTP/1.1\r\nhost: {HOST}\r\n{line}\r\n\r\n");
        let ours = RawHttp1::ask(listener.address(), &request).await?;
        let envoys = RawHttp1::ask(bare.address(), &request).await?;
        assert_eq!(kind(&ours), kind(&envoys), "{line:?}: {ours:?} and {envoys:?}");
    }
    vital.check().await
}

async fn repeated_lines(envoy: &Envoy) -> Result<()> {
    let listener = policy::listener(envoy).await?;
    let vital = Vital::watch(envoy, &listener);
    for (repeated, value, last, service) in [
        ("x-exact", "wrong", "right", "hostile-alpha"),
        ("x-exact", "wrong", "wrong", "hostile-beta"),
        ("x-prefix", "left-", "right-", "hostile-alpha"),
        ("x-present", "", "no", "hostile-beta"),
        ("x-in", "again", "", "hostile-beta"),
        ("x-gone", "", "", "hostile-beta"),
        ("x-explain", "1", "", "hostile-beta"),
        ("accept", "x", "", "hostile-beta"),
        ("origin", "http://page.com", "", "hostile-beta"),
        ("x-envoy-retry-on", "5xx", "", "hostile-beta"),
        ("x-pointsman-cluster", "default", "hostile-shadow", "hostile-beta"),
    ] {
        // The upstream itself refuses more than a hundred lines.
        let mut lines: Vec<(&[u8], &[u8])> = vec![(repeated.as_bytes(), value.as_bytes()); 60];
        lines.push((repeated.as_bytes(), last.as_bytes()));
        if repeated == "x-present" {
            lines.push((b"x-not", b"this is no, no"));
        }
        let one = RawHttp1::ask(listener.address(), http1("/", &lines)).await?;
        let two = RawHttp2::open(listener.address()).await?.ask(&get_http2("/", &lines)).await?;
        for outcome in [one, two] {
            assert_eq!((outcome.status(), outcome.service().as_str()), (200, service), "{repeated}: {outcome:?}");
        }
    }
    // Repeated pseudo headers are HTTP/2's to refuse.
    for name in [&b":path"[..], b":method", b":authority", b":scheme", b":protocol", b":unknown", b":status"] {
        let mut two = RawHttp2::open(listener.address()).await?;
        let outcome = two.ask(&get_http2("/", &[(name, b"/x")])).await?;
        assert!(!(200..400).contains(&outcome.status()), "{}: {outcome:?}", shown(name));
    }
    vital.check().await
}

async fn cookies_of_all_kinds(envoy: &Envoy) -> Result<()> {
    let listener = policy::listener(envoy).await?;
    let vital = Vital::watch(envoy, &listener);
    let long = format!("{}beta=yes", "a=b; ".repeat(4000));
    for (cookie, tester) in [
        ("beta=yes", true),
        ("a=b; beta=yes;", true),
        (&long, true),
        ("beta=", false),
        ("beta", false),
        ("", false),
        (";;;;", false),
        ("=", false),
        ("u", false),
        ("u=", false),
        ("u=\"", false),
        ("u=\"\"", false),
        ("u==;u", false),
        ("\u{ff}=\u{80}; u=\u{e9}", false),
        (";beta=\u{e9}", true),
        ("u=\t", false),
        ("u=a,b; c", false),
    ] {
        let bytes: Vec<u8> = cookie.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        for path in ["/", "/sticky/cookie"] {
            // As a line, as many lines, and as HTTP/2's crumbs.
            let crumbs: Vec<(&[u8], &[u8])> =
                bytes.split(|byte| *byte == b';').map(|crumb| (&b"cookie"[..], crumb)).collect();
            let crumbs = &crumbs[crumbs.len().saturating_sub(60)..];
            let mut two = RawHttp2::open(listener.address()).await?;
            let outcomes = [
                RawHttp1::ask(listener.address(), http1(path, &[(b"cookie", &bytes)])).await?,
                RawHttp1::ask(listener.address(), http1(path, crumbs)).await?,
                two.ask(&get_http2(path, &[(b"cookie", &bytes)])).await?,
                two.ask(&get_http2(path, crumbs)).await?,
            ];
            for (index, outcome) in outcomes.iter().enumerate() {
                assert_eq!(outcome.status(), 200, "{cookie:?} {path} {index}: {outcome:?}");
                if index == 0 && path == "/" {
                    let service = if tester { "hostile-alpha" } else { "hostile-beta" };
                    assert_eq!(outcome.service(), service, "{cookie:?} {outcome:?}");
                }
            }
        }
    }
    vital.check().await
}

/// The last one is seen, and all of them arrive with what is written to them.
async fn a_thousand_lines(envoy: &Envoy) -> Result<()> {
    let listener = policy::listener(envoy).await?;
    let vital = Vital::watch(envoy, &listener);
    let upstream = RawUpstream::counting().await?;
    let cluster = upstream.cluster(envoy).await?;
    let route = serde_json::json!([{"destination": {"host": cluster.name()}}]);
    let change =
        serde_json::json!({"request": {"set": {"x-500": "changed"}, "remove": ["x-999"], "add": {"x-0": "added"}}});
    let rules =
        serde_json::json!({"virtualServices": [{"hosts": ["*"], "http": [{"route": route, "headers": change}]}]});
    let counted = envoy.add_listener(policy::config(rules)?).await?;
    let names: Vec<String> = (0..1000).map(|number| format!("x-{number}")).collect();
    let mut lines: Vec<(&[u8], &[u8])> = names.iter().map(|name| (name.as_bytes(), &b"1"[..])).collect();
    for listener in [&listener, &counted] {
        lines.push((b"x-last", b"last"));
        let one = RawHttp1::ask(listener.address(), http1("/direct/x", &lines)).await?;
        let two = RawHttp2::open(listener.address()).await?.ask(&get_http2("/direct/x", &lines)).await?;
        let status = if std::ptr::eq(listener, &counted) { 200 } else { 418 };
        assert_eq!((one.status(), two.status()), (status, status), "{one:?} {two:?}");
        lines.pop();
    }
    for head in upstream.heads() {
        assert!(head.lines().filter(|line| line.starts_with("x-")).count() > 1000, "{head}");
        assert!(head.contains("\r\nx-500: changed\r\n") && head.contains("\r\nx-0: added\r\n"), "{head}");
        assert!(!head.contains("\r\nx-999:") && head.contains("\r\nx-998: 1\r\n"), "{head}");
    }
    assert_eq!(upstream.heads().len(), 2);
    // More than the listener takes is Envoy's to refuse.
    let many: Vec<(&[u8], &[u8])> = vec![(b"x-exact", b"right"); 7000];
    let one = RawHttp1::ask(listener.address(), http1("/", &many)).await?;
    let two = RawHttp2::open(listener.address()).await?.ask(&get_http2("/", &many)).await?;
    assert_eq!(one.status(), 431, "{one:?}");
    assert!(matches!(two, Outcome::Reset(_)), "{two:?}");
    Vital::watch(envoy, &counted).signs().await?;
    vital.check().await
}

async fn a_long_value(envoy: &Envoy) -> Result<()> {
    let listener = policy::listener(envoy).await?;
    let vital = Vital::watch(envoy, &listener);
    let long = [b"right-".to_vec(), vec![b'b'; 60 * 1024], b"c 12".to_vec()].concat();
    for name in ["x-exact", "x-prefix", "x-regex", "x-in", "x-present", "x-user", "cookie", "origin", "grpc-timeout"] {
        let lines = [(name.as_bytes(), long.as_slice())];
        for path in ["/", "/sticky/header", "/cors"] {
            let service = if matches!(name, "x-prefix" | "x-present") { "hostile-alpha" } else { "" };
            // HTTP/2's upstream would be another matter; this one takes it.
            let one = RawHttp1::ask(listener.address(), http1(path, &lines)).await?;
            let two = RawHttp2::open(listener.address()).await?.ask(&get_http2(path, &lines)).await?;
            for outcome in [one, two] {
                assert_eq!(outcome.status(), 200, "{name} {path}: {}", kind(&outcome));
                assert!(outcome.service().starts_with(service), "{name} {path}: {}", outcome.service());
                let echo = outcome.echo();
                let arrived = echo.and_then(|echo| echo.header(name).map(str::len));
                assert!(arrived >= Some(long.len()), "{name} {path}: {arrived:?}");
            }
        }
    }
    vital.check().await
}

async fn a_long_name(envoy: &Envoy) -> Result<()> {
    let listener = policy::listener(envoy).await?;
    let vital = Vital::watch(envoy, &listener);
    for prefix in ["x", "x-pointsman-", "x-envoy-"] {
        let name = format!("{prefix}{}", "n".repeat(60 * 1024));
        let lines = [(name.as_bytes(), &b"v"[..])];
        let one = RawHttp1::ask(listener.address(), http1("/direct/made", &lines)).await?;
        let two = RawHttp2::open(listener.address()).await?.ask(&get_http2("/direct/made", &lines)).await?;
        assert_eq!((kind(&one).as_str(), kind(&two).as_str()), ("201", "201"), "{prefix}");
    }
    vital.check().await
}
