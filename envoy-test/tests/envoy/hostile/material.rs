//! What mutated requests are made of.

/// Method, target and lines.
type Sound = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// A sound request for each rule of the policy.
pub const SOUND: [Sound; 20] = [
    ("GET", "/eXact", &[]),
    ("GET", "/folded/a/b?c=d", &[("x-in", "in")]),
    ("GET", "/re/abc%20/x.html", &[]),
    ("GET", "/", &[("x-exact", "right"), ("x-in", "in")]),
    ("GET", "/a", &[("x-prefix", "right-or-so"), ("accept", "*/*")]),
    ("GET", "/b", &[("x-regex", "ababcxy 123")]),
    ("GET", "/c", &[("x-present", "1"), ("x-not", "yes")]),
    ("GET", "/d", &[("cookie", "a=b; beta=yes; c=d")]),
    ("GET", "/e?a=b&q=1&r=abc&q=2", &[]),
    ("PATCH", "/f?only", &[("content-type", "text/plain")]),
    ("GET", "/claims/x", &[("authorization", "Bearer abc.def.ghi")]),
    ("GET", "/sticky/cookie", &[("cookie", "x=y; u=\"0123\"; z=")]),
    ("GET", "/sticky/header/x", &[("x-user", "jason")]),
    ("GET", "/sticky/query?a&u=jason&b=%41", &[("x-forwarded-for", "192.0.2.1, 192.0.2.2")]),
    ("GET", "/redirect/a?b=c", &[("x-in", "in")]),
    ("GET", "/direct/x", &[("x-last", "last"), ("x-in", "in")]),
    ("POST", "/prefix/a/b?c", &[("x-in", "in"), ("x-gone", "1"), ("user-agent", "them"), ("cookie", "a=b")]),
    ("GET", "/regex/a%20b/c%2fd?e", &[("x-other", "other"), ("x-in", "in"), ("x-explain", "1")]),
    (
        "OPTIONS",
        "/cors",
        &[
            ("origin", "https://a.page.com:80"),
            ("access-control-request-method", "PUT"),
            ("access-control-request-headers", "x-a, x-b"),
        ],
    ),
    (
        "POST",
        "/package.Service/Method",
        &[("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "20S")],
    ),
];

/// What may stand in a method's place.
pub const METHODS: [&str; 10] = ["GET", "HEAD", "POST", "PUT", "OPTIONS", "TRACE", "CONNECT", "PATCH", "PURGE", "get"];

/// Names of headers that the policy reads, or Envoy obeys.
pub const NAMES: [&str; 36] = [
    "x-exact",
    "x-prefix",
    "x-regex",
    "x-present",
    "x-not",
    "x-never",
    "cookie",
    "x-user",
    "x-in",
    "x-other",
    "x-explain",
    "origin",
    "access-control-request-method",
    "grpc-timeout",
    "content-type",
    "te",
    "host",
    "x-pointsman-cluster",
    "x-pointsman-mirror",
    "x-pointsman-",
    "x-envoy-original-path",
    "x-envoy-retry-on",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-internal",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-request-id",
    "traceparent",
    "connection",
    "upgrade",
    "expect",
    "content-length",
    "transfer-encoding",
    ":path",
    "via",
    "x-panic",
];

/// Values that mean something to somebody.
pub const VALUES: [&str; 28] = [
    "",
    " ",
    "*",
    "%",
    "%REQ(x-in)%",
    "%%",
    "0",
    "-1",
    "1",
    "99999999999999999999",
    "right",
    "right-",
    "admin",
    "no",
    "yes",
    "last",
    "application/grpc",
    "application/grpc+proto",
    "application/grpc-web",
    "1S",
    "99999999H",
    "close",
    "upgrade",
    "websocket",
    "100-continue",
    "chunked",
    "https://page.com",
    ",",
];

/// What paths, queries and cookies are made of.
pub const PIECES: [&str; 36] = [
    "/", "//", "/.", "/..", "/%2e%2e/", "%2f", "%", "%2", "%zz", "%00", "%ff", "%C3%28", "?", "&", "&&", "=", "==",
    "#", ";", "%20", "\"", "|", ",", ":", "@", "\\", "q=1", "r=a", "u=", "u=\"", "only", "beta=", "/exact", "/re/",
    ".html", "+",
];
