//! What is asked for: paths and queries.

use anyhow::Result;
use envoy_test::{Envoy, RawHttp2, Test, tests};

use super::policy::HOST;
use super::three::{Three, http1, http2, kind};
use super::vital::Vital;

pub fn tests() -> Vec<Test> {
    tests![empty_paths, the_whole_server, long_paths, paths_of_all_kinds, every_byte_in_a_path, thousands_of_parameters]
}

async fn empty_paths(envoy: &Envoy) -> Result<()> {
    let three = Three::new(envoy).await?;
    let vital = Vital::watch(envoy, &three.by_header);
    for target in ["", " ", "?", "?q=1&r=a", "#", "http://hostile.example", "http://hostile.example?q=1&r=a"] {
        three.ask("GET", target, HOST.as_bytes()).await?;
    }
    // No `:path` at all.
    for listener in [&three.by_header, &three.by_authority] {
        let lines: [(&[u8], &[u8]); 3] =
            [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", HOST.as_bytes())];
        let outcome = RawHttp2::open(listener.address()).await?.ask(&lines).await?;
        assert!(!(200..400).contains(&outcome.status()), "{outcome:?}");
    }
    three.check(envoy, &vital).await
}

async fn the_whole_server(envoy: &Envoy) -> Result<()> {
    let three = Three::new(envoy).await?;
    let vital = Vital::watch(envoy, &three.by_header);
    for method in ["OPTIONS", "GET", "PATCH", "HEAD"] {
        for outcome in three.ask(method, "*", HOST.as_bytes()).await? {
            // Envoy takes no path that does not begin with a slash, and in any other method not even this one; it asks
            // no filter.
            let is_known = method == "OPTIONS";
            assert!(
                matches!((is_known, outcome.status()), (true, 404) | (false, 0 | 400 | 404)),
                "{method}: {outcome:?}"
            );
        }
    }
    three.check(envoy, &vital).await
}

async fn long_paths(envoy: &Envoy) -> Result<()> {
    let three = Three::new(envoy).await?;
    let vital = Vital::watch(envoy, &three.by_header);
    for unit in [
        "/", "%", "/%", "%/", "%25", "%2f", "%2F/", "/..", "/./", "//", "%00", "%ff", "%C3%28", "/a", ";", "/%2e%2e/",
        "?", "&=",
    ] {
        for start in [
            "/",
            "/prefix/",
            "/regex/",
            "/re/",
            "/exact",
            "/folded/",
            "/redirect/",
            "/direct/",
            "/cors",
            "/sticky/query?u=",
        ] {
            // What a rule answers by itself, Envoy alone would not.
            let path = format!("{start}{}", unit.repeat(8192 / unit.len()));
            if matches!(start, "/redirect/" | "/direct/") {
                for listener in [&three.by_header, &three.by_authority] {
                    for outcome in [http1(listener, "GET", &path, HOST.as_bytes())] {
                        assert_ne!(outcome.await?.status(), 503, "{start} {unit}");
                    }
                    assert_ne!(http2(listener, "GET", &path, HOST.as_bytes()).await?.status(), 503, "{start} {unit}");
                }
            } else {
                three.ask("GET", path, HOST.as_bytes()).await?;
            }
        }
    }
    // What a rewrite makes of it: 2,000 matches.
    let path = format!("/regex{}", "/%ab".repeat(2000));
    let outcome = http1(&three.by_header, "GET", &path, HOST.as_bytes()).await?;
    let echo = outcome.echo();
    assert_eq!(
        echo.as_ref().and_then(|echo| echo.header("x-envoy-original-path")),
        Some(path.as_str()),
        "{}",
        kind(&outcome)
    );
    let rewritten = echo.map(|echo| echo.path).unwrap_or_default();
    assert_eq!(rewritten, format!("/-regex/regex{}", "/%ab-/%ab".repeat(2000)));
    three.check(envoy, &vital).await
}

async fn paths_of_all_kinds(envoy: &Envoy) -> Result<()> {
    let three = Three::new(envoy).await?;
    let vital = Vital::watch(envoy, &three.by_header);
    for target in [
        "x",
        "..",
        "/..",
        "/../..",
        "//",
        "///",
        "/.",
        "/%2e%2e",
        "/%2E%2E%2F",
        "\\",
        "/\\..\\",
        "/%5c",
        "/%00",
        "/%0a",
        "/%",
        "/%1",
        "/%zz",
        "/a b",
        "/a\tb",
        "/#",
        "/#?q=1",
        "/?#",
        "/?q=1#&r=a",
        "/;jsessionid=1",
        "/a//b",
        "/a/./b",
        "/:",
        "/@",
        "/http://x/",
        "/~",
        "/|",
        "/<>",
        "/\"",
        "/'",
        "/`",
        "/{}",
        "/^",
        "/[]",
        "/%F0%9F%92%A9",
        "/\u{7f}",
        "/?",
        "/??",
        "/?&",
        "/?&&&&",
        "/?=",
        "/?q",
        "/?q=&q=1",
        "/?q=1&q=2&r=a",
        "/?only#x",
        "/?%71=1&r=a",
        "/?q=1;r=a",
    ] {
        three.ask("GET", target, HOST.as_bytes()).await?;
    }
    three.check(envoy, &vital).await
}

/// As bytes: in HTTP/1 Envoy refuses most of them, in HTTP/2 they come through, and the rewrite puts them elsewhere.
async fn every_byte_in_a_path(envoy: &Envoy) -> Result<()> {
    let three = Three::new(envoy).await?;
    let vital = Vital::watch(envoy, &three.by_header);
    let mut through = 0;
    for byte in 0..=0xff {
        for path in [
            [b"/regex/a", &[byte][..], b"/b"].concat(),
            [b"/x?q=", &[byte][..]].concat(),
            [b"/folded/", &[byte][..]].concat(),
        ] {
            for listener in [&three.by_header, &three.by_authority] {
                for outcome in [
                    http1(listener, "GET", &path, HOST.as_bytes()).await?,
                    http2(listener, "GET", &path, HOST.as_bytes()).await?,
                ] {
                    // The upstream may refuse what Envoy sent it (502 and 400).
                    assert!(!matches!(outcome.status(), 500 | 503), "{}: {outcome:?}", path.escape_ascii());
                    through += usize::from(outcome.status() == 200);
                }
            }
        }
    }
    assert!(through > 500, "{through}");
    three.check(envoy, &vital).await
}

async fn thousands_of_parameters(envoy: &Envoy) -> Result<()> {
    let three = Three::new(envoy).await?;
    let vital = Vital::watch(envoy, &three.by_header);
    for (parameters, last, service) in [
        ("a=b&", "q=1&r=a", "hostile-alpha"),
        ("&", "only", "hostile-alpha"),
        ("q&", "q=1&r=a", "hostile-beta"),
        ("=&", "q=1&r=%a", "hostile-alpha"),
        ("%71=1&", "", "hostile-beta"),
        ("a[]=1&a[]=2&", "", "hostile-beta"),
        ("a==&&=&", "", "hostile-beta"),
    ] {
        let path = format!("/?{}{last}", parameters.repeat(5000));
        for outcome in three.ask("GET", &path, HOST.as_bytes()).await? {
            assert_eq!((outcome.status(), outcome.service().as_str()), (200, service), "{parameters} {last}");
        }
        // As the client's key.
        let path = format!("/sticky/query?{}u=1", parameters.repeat(5000));
        for outcome in three.ask("GET", &path, HOST.as_bytes()).await? {
            assert_eq!(outcome.status(), 200, "{parameters}");
        }
    }
    three.check(envoy, &vital).await
}
