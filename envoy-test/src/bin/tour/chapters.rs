//! The requests of the tour that speak for themselves, as a table.

use crate::asks::{Ask, GET};
use crate::expect::Expect::*;

/// Requests that show one thing.
pub struct Chapter {
    pub title: &'static str,
    pub asks: &'static [Ask],
}

pub const CHAPTERS: &[Chapter] = &[
    Chapter {
        title: "A header chooses the version of a service",
        asks: &[
            Ask {
                why: "Without the header: the service that everybody gets.",
                host: "microservice-b",
                expect: &[By("microservice-b"), Rule("default")],
                ..GET
            },
            Ask {
                why: "With it, each developer gets their own version.",
                host: "microservice-b",
                headers: &[("microservice-b-router", "dev1")],
                expect: &[By("microservice-b-dev1"), Rule("dev1")],
                ..GET
            },
            Ask {
                why: "The same for dev2 ...",
                host: "microservice-b",
                path: "/orders?id=7",
                headers: &[("microservice-b-router", "dev2")],
                expect: &[By("microservice-b-dev2"), Rule("dev2")],
                ..GET
            },
            Ask {
                why: "... and dev3.",
                host: "microservice-b",
                headers: &[("microservice-b-router", "dev3")],
                expect: &[By("microservice-b-dev3"), Rule("dev3")],
                ..GET
            },
            Ask {
                why: "A value that no rule knows is no reason to fail.",
                host: "microservice-b",
                headers: &[("microservice-b-router", "dev9")],
                expect: &[By("microservice-b"), Rule("default")],
                ..GET
            },
        ],
    },
    Chapter {
        title: "Matches by cookie and path, and changes to headers",
        asks: &[
            Ask {
                why: "Testers, known by a cookie, always get the new shop.",
                host: "shop",
                path: "/cart",
                headers: &[("cookie", "theme=dark; beta=yes")],
                expect: &[By("shop-v2"), Rule("testers")],
                ..GET
            },
            Ask {
                why: "The rule for everybody else removes and sets headers, of the request and of the response.",
                host: "shop.example.com",
                path: "/items/7",
                headers: &[("x-internal-user", "root")],
                expect: &[
                    Rule("canary"),
                    Service("x-internal-user", None),
                    Service("x-entrance", Some("front-proxy")),
                    Client("x-powered-by", None),
                ],
                ..GET
            },
            Ask {
                why: "A host that has rules, but none for this path: 404, as in Istio.",
                host: "shop",
                path: "/admin",
                expect: &[Proxy(404), NoRule("no rule matched")],
                ..GET
            },
        ],
    },
    Chapter {
        title: "Paths and hosts are rewritten",
        asks: &[
            Ask {
                why: "The service's own paths have no /v1, and it has another name. Its caller is told the request's number.",
                host: "api.example.com",
                path: "/v1/items/7?colour=blue",
                expect: &[
                    By("catalog"),
                    Rule("v1"),
                    Path("/items/7?colour=blue"),
                    Service("host", Some("catalog.internal")),
                    Service("x-envoy-original-path", Some("/v1/items/7?colour=blue")),
                    Same("x-request-id"),
                ],
                ..GET
            },
            Ask {
                why: "By a regular expression, with what it has captured.",
                host: "api.example.com",
                path: "/users/ann/items/7?colour=blue",
                expect: &[By("catalog"), Rule("users"), Path("/items/7/of/ann?colour=blue")],
                ..GET
            },
        ],
    },
    Chapter {
        title: "Answers without a service",
        asks: &[
            Ask {
                why: "A redirect to another host, by https, which keeps the method.",
                host: "api.example.com",
                path: "/docs?page=2",
                expect: &[Proxy(308), Rule("docs"), Client("location", Some("https://docs.example.com/api/?page=2"))],
                ..GET
            },
            Ask {
                why: "A file that no service needs to have.",
                host: "api.example.com",
                path: "/robots.txt",
                expect: &[Proxy(200), Rule("robots"), Body("User-agent: *\nDisallow: /\n")],
                ..GET
            },
        ],
    },
    Chapter {
        title: "Pages of other hosts (CORS)",
        asks: &[
            Ask {
                why: "Before it lets a page of the shop change an item, a browser asks: the preflight.",
                method: "OPTIONS",
                host: "api.example.com",
                path: "/v1/items/7",
                headers: &[("origin", "https://shop.example.com"), ("access-control-request-method", "PUT")],
                expect: &[
                    Proxy(200),
                    Rule("v1"),
                    Client("access-control-allow-origin", Some("https://shop.example.com")),
                    Client("access-control-allow-methods", Some("GET,PUT")),
                    Client("access-control-allow-headers", Some("content-type")),
                    Client("access-control-allow-credentials", Some("true")),
                    Client("access-control-max-age", Some("86400")),
                ],
                ..GET
            },
            Ask {
                why: "Then it asks in earnest, and the page may see the answer.",
                method: "PUT",
                host: "api.example.com",
                path: "/v1/items/7",
                headers: &[("origin", "https://shop.example.com")],
                expect: &[
                    By("catalog"),
                    Rule("v1"),
                    Client("access-control-allow-origin", Some("https://shop.example.com")),
                    Client("access-control-expose-headers", Some("x-request-id")),
                ],
                ..GET
            },
            Ask {
                why: "A page of a stranger may not: the browser shows it nothing.",
                host: "api.example.com",
                path: "/v1/items/7",
                headers: &[("origin", "https://example.com.evil.test")],
                expect: &[By("catalog"), Rule("v1"), Client("access-control-allow-origin", None)],
                ..GET
            },
        ],
    },
    Chapter {
        title: "Time-outs and retries",
        asks: &[
            Ask {
                why: "The reports take 2 seconds, and the rule waits for 250 ms.",
                host: "reports",
                path: "/year",
                expect: &[Proxy(504), Rule("patience"), Body("upstream request timeout")],
                ..GET
            },
            Ask {
                why: "The service was told how long it has.",
                host: "reports",
                path: "/received",
                expect: &[By("reports"), Received("/year", "x-envoy-expected-rq-timeout-ms", "250")],
                in_time: true,
                ..GET
            },
            Ask {
                why: "The rates fail twice before they succeed. The rule tries again, up to three times.",
                host: "rates",
                path: "/prices",
                expect: &[By("rates"), Rule("insist"), Tries(3)],
                ..GET
            },
            Ask {
                why: "A client cannot ask for less of it, or for more ...",
                host: "rates",
                path: "/prices",
                headers: &[("x-envoy-max-retries", "0")],
                expect: &[By("rates"), Rule("insist"), Tries(3)],
                ..GET
            },
            Ask {
                why: "... and without such a rule, Istio's default: a 503 is an answer.",
                host: "rates",
                headers: &[("x-envoy-retry-on", "5xx")],
                expect: &[FailedBy("rates", 503), Rule("default"), Tries(1)],
                ..GET
            },
        ],
    },
    Chapter {
        title: "Faults on purpose",
        asks: &[
            Ask {
                why: "What if the catalog were down? Only who asks to see it does, and the answer says what it was ...",
                host: "catalog",
                headers: &[("x-chaos", "yes")],
                expect: &[Proxy(503), Body("fault filter abort"), Client("x-fault", Some("abort 503 by catalog-down"))],
                ..GET
            },
            Ask {
                why: "... for everybody else it is up.",
                host: "catalog",
                expect: &[By("catalog"), Client("x-fault", None)],
                ..GET
            },
            Ask {
                why: "And if orders were slow? `fault` in a VirtualService, unchanged.",
                host: "orders",
                headers: &[("x-chaos", "yes")],
                expect: &[By("orders"), Client("x-fault", Some("delay 400ms by default/orders http[1]"))],
                ..GET
            },
            Ask {
                why: "A client cannot ask for faults in Envoy's own headers, unless the policy lets it.",
                host: "catalog",
                headers: &[("x-envoy-fault-abort-request", "418")],
                expect: &[By("catalog"), Service("x-envoy-fault-abort-request", None)],
                ..GET
            },
        ],
    },
    Chapter {
        title: "What has no policy is left alone, and nobody chooses for you",
        asks: &[
            Ask {
                why: "No VirtualService has this host: the request takes the route that was there before Pointsman.",
                host: "catalog",
                expect: &[By("catalog"), NoRule("no VirtualService"), Client("x-powered-by", Some("services.py"))],
                ..GET
            },
            Ask {
                why: "A client that names a destination itself gets nowhere with it, without a policy ...",
                host: "catalog",
                headers: &[("x-pointsman-cluster", "shop-v2")],
                expect: &[By("catalog"), Service("x-pointsman-cluster", None)],
                ..GET
            },
            Ask {
                why: "... or with one.",
                host: "microservice-b",
                headers: &[("x-pointsman-cluster", "catalog")],
                expect: &[By("microservice-b"), Rule("default")],
                ..GET
            },
        ],
    },
];
