//! What policies are made of.

pub const HOSTS: [&str; 7] = ["b.com", "*", "*.b.com", "*", "a.b.com", "10.0.0.1", "reviews"];

pub const PATHS: [&str; 8] = ["/", "/a", "/a/b", "/A", "", "/a?x=1", "/a#f", "a"];

/// Also of headers that no request may show to anybody.
pub const NAMES: [&str; 20] = [
    "x",
    "y",
    "end-user",
    "cookie",
    "x-pointsman-secret",
    "x-pointsman-cluster",
    "x-pointsman-mirror",
    "x-cluster",
    "x-envoy-max-retries",
    "x-envoy-retry-on",
    "x-envoy-internal",
    "x-forwarded-proto",
    "content-type",
    "content-length",
    "origin",
    "set-cookie",
    ":path",
    ":method",
    "host",
    "X",
];

/// Of which a rule may change any in a request and in a response.
pub const CHANGED: [&str; 12] = [
    "x",
    "y",
    "end-user",
    "cookie",
    "x-pointsman-secret",
    "x-pointsman-mirror",
    "x-cluster",
    "content-type",
    "content-length",
    "origin",
    "set-cookie",
    "X",
];

pub const TEXTS: [&str; 14] = [
    "a",
    "b",
    "/a",
    "abc",
    "",
    "https://a.com",
    "%REQ(x)%",
    "id-%REQ(x-pointsman-secret?y):3%",
    "%DOWNSTREAM_REMOTE_ADDRESS%",
    "%PROTOCOL%%%",
    "%REQ(:path)%",
    "é",
    "a b",
    "%REQ(cookie)%;%REQ(x-envoy-max-retries)%",
];

/// What nobody means well.
pub const WILD: [&str; 10] = [
    "\r\nx-injected: 1",
    "\n",
    "\0",
    "a\u{7f}",
    "%",
    "%RESP(y)%",
    "%RESP(:status)%-%UPSTREAM_HOST%",
    "{host}",
    "*",
    "(",
];

pub const PATTERNS: [&str; 12] = [
    "a",
    ".*",
    "/a.*",
    "a|b",
    "/(a|b)(/.*)?",
    "[^/]+",
    "(?i)ABC",
    "^/a$",
    r"\w+",
    r".*[\x80-\xff].*",
    "(a*)(b*)c?",
    "a|",
];
