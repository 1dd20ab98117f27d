use super::*;
use pointsman_wire::decode;
use serde_json::{Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn cors(policy: &Value) -> Cors {
    Cors::new(&decode::<CorsPolicy>(policy).0.unwrap())
}

fn full() -> Cors {
    cors(&json!({
        "allowOrigins": [{"exact": "http://x"}, {"prefix": "http://p"}, {"regex": "http://r."}],
        "allowMethods": ["GET", "POST"],
        "allowHeaders": ["a", "B"],
        "exposeHeaders": ["c", "d"],
        "maxAge": "1m30s",
        "allowCredentials": true,
    }))
}

fn request(method: &str, lines: &[(&str, &str)]) -> HeaderMap {
    let lines = [&[(":method", method)], lines].concat();
    HeaderMap::parse(HeaderMap::serialize(&lines)).unwrap()
}

/// A preflight's answer, without the common prefix of the names.
fn preflight(cors: &Cors, lines: &[(&str, &str)]) -> Option<String> {
    let reply = cors.preflight(&request("OPTIONS", lines))?;
    assert_eq!((reply.status, reply.body.len()), (200, 0));
    let line = |(name, value): &(Vec<u8>, Vec<u8>)| {
        let name = name.strip_prefix(b"access-control-").unwrap();
        format!("{}={}", name.escape_ascii(), value.escape_ascii())
    };
    Some(reply.headers.iter().map(line).collect::<Vec<_>>().join(" "))
}

/// The answer to another request, which brings all three headers and a fourth.
fn actual(cors: &Cors, lines: &[(&str, &str)]) -> Option<String> {
    let edits = cors.actual(&request("GET", lines))?;
    let upstream = ["allow-origin", "allow-credentials", "expose-headers", "allow-methods"];
    let lines: Vec<_> = upstream.iter().map(|name| (format!("access-control-{name}"), "up")).collect();
    let headers = HeaderMap::parse(HeaderMap::serialize(&lines)).unwrap();
    let now = |(name, _): &(String, &str)| edits.first(name.as_bytes(), &headers).unwrap().escape_ascii().to_string();
    Some(lines.iter().map(now).collect::<Vec<_>>().join(" "))
}

const ASKS: (&str, &str) = ("access-control-request-method", "PUT");

#[test]
fn preflights() {
    let told = "allow-credentials=true allow-methods=GET,POST allow-headers=a,B max-age=90 expose-headers=c,d";
    for (origin, answered) in [
        ("http://x", true),
        ("http://p", true),
        ("http://px", true),
        ("http://r1", true),
        ("http://X", false),
        ("http://xy", false),
        ("http://r", false),
        ("*", false),
        ("null", false),
        ("http://x,http://x", false), // two lines
        ("http://p,http://x", true),
        ("", false),
    ] {
        let expected = answered.then(|| format!("allow-origin={origin} {told}"));
        assert_eq!(preflight(&full(), &[("origin", origin), ASKS]), expected, "{origin}");
    }
}

#[test]
fn what_is_no_preflight() {
    let origin = ("origin", "http://x");
    for lines in [&[origin][..], &[ASKS], &[origin, ("access-control-request-method", "")], &[]] {
        assert_eq!(preflight(&full(), lines), None, "{lines:?}");
    }
    assert_eq!(full().preflight(&request("GET", &[origin, ASKS])), None);
    assert_eq!(full().preflight(&request("options", &[origin, ASKS])), None);
}

/// What is not set is not said.
#[test]
fn a_small_policy() {
    let lines = [("origin", "http://x"), ASKS];
    for policy in [
        json!({"allowOrigins": [{"exact": "http://x"}]}),
        json!({"allowOrigins": [{"exact": "http://x"}], "allowCredentials": false}),
        json!({"allowOrigin": ["http://x"]}),
    ] {
        assert_eq!(preflight(&cors(&policy), &lines).as_deref(), Some("allow-origin=http://x"));
        assert_eq!(actual(&cors(&policy), &lines).as_deref(), Some("http://x up up up"));
    }
    let nobody = cors(&json!({"allowMethods": ["GET"]}));
    assert_eq!((preflight(&nobody, &lines), actual(&nobody, &lines)), (None, None));
}

/// allowOrigin is not looked at beside allowOrigins.
#[test]
fn the_deprecated_list() {
    let both = cors(&json!({"allowOrigins": [{"exact": "http://x"}], "allowOrigin": ["http://y"]}));
    assert!(actual(&both, &[("origin", "http://x")]).is_some());
    assert!(actual(&both, &[("origin", "http://y")]).is_none());
}

/// Whatever matches `*`, matches any origin; the origin is said, never `*`.
#[test]
fn any_origin() {
    for origins in [
        json!({"allowOrigins": [{"exact": "*"}]}),
        json!({"allowOrigins": [{"prefix": "*"}]}),
        json!({"allowOrigins": [{"regex": ".*"}]}),
        json!({"allowOrigins": [{"regex": "\\*"}]}),
        json!({"allowOrigin": ["http://x", "*"]}),
    ] {
        let lines = [("origin", "http://y"), ASKS];
        assert_eq!(preflight(&cors(&origins), &lines).as_deref(), Some("allow-origin=http://y"), "{origins}");
        assert_eq!(actual(&cors(&origins), &lines).as_deref(), Some("http://y up up up"), "{origins}");
    }
}

/// IGNORE: told everything but whether it may. An origin must have been sent for that.
#[test]
fn unmatched_preflights() {
    let policy = |word: &str| {
        cors(&json!({
            "allowOrigins": [{"exact": "http://x"}],
            "allowMethods": ["GET"],
            "allowHeaders": ["a"],
            "exposeHeaders": ["c"],
            "maxAge": "90s",
            "allowCredentials": true,
            "unmatchedPreflights": word,
        }))
    };
    let other = [("origin", "http://y"), ASKS];
    for word in ["FORWARD", "UNSPECIFIED"] {
        assert_eq!(preflight(&policy(word), &other), None);
    }
    let told = "allow-credentials=true allow-methods=GET allow-headers=a max-age=90";
    assert_eq!(preflight(&policy("IGNORE"), &other).as_deref(), Some(told));
    for lines in [&[("origin", ""), ASKS][..], &[ASKS], &[("origin", "http://y")]] {
        assert_eq!(preflight(&policy("IGNORE"), lines), None, "{lines:?}");
    }
    assert_eq!(actual(&policy("IGNORE"), &other), None);
}

/// To `*`, and to nothing else, the client is told what it asked for.
#[test]
fn wildcards() {
    let headers = ("access-control-request-headers", "x-a, x-b");
    for (allow, lines, expected) in [
        ("*", &[("origin", "o"), ASKS, headers][..], "allow-methods=PUT allow-headers=x-a, x-b"),
        ("*", &[("origin", "o"), ASKS], "allow-methods=PUT allow-headers="),
        ("GET", &[("origin", "o"), ASKS, headers], "allow-methods=GET allow-headers=GET"),
    ] {
        let cors = cors(&json!({"allowOrigins": [{"exact": "o"}], "allowMethods": [allow], "allowHeaders": [allow]}));
        assert_eq!(preflight(&cors, lines), Some(format!("allow-origin=o {expected}")));
    }
}

#[test]
fn other_requests() {
    for (lines, expected) in [
        (&[("origin", "http://x")][..], Some("http://x true c,d up")),
        (&[("origin", "http://x"), ASKS], Some("http://x true c,d up")),
        (&[("origin", "http://y")], None),
        (&[("origin", "")], None),
        (&[], None),
    ] {
        assert_eq!(actual(&full(), lines).as_deref(), expected, "{lines:?}");
    }
}

#[test]
fn origins_are_bytes() {
    let line: [(&[u8], &[u8]); 1] = [(b"origin", b"http://p\xff")];
    let edits = full().actual(&HeaderMap::parse(HeaderMap::serialize(&line)).unwrap()).unwrap();
    assert_eq!(edits.first(ALLOW_ORIGIN, &HeaderMap::default()), Some(&b"http://p\xff"[..]));
}
