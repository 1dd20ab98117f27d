//! The requests of the tour, as a table, and how one of them is shown.

use anyhow::Result;
use envoy_test::{Answer, Request};

use crate::expect::{self, Expect, Expect::*};
use crate::front_proxy::{EXPLAIN, FrontProxy};
use crate::show::Show;

/// Requests that show one thing.
pub struct Chapter {
    pub title: &'static str,
    pub asks: &'static [Ask],
}

/// A GET, and what it should bring.
pub struct Ask {
    pub why: &'static str,
    pub host: &'static str,
    pub path: &'static str,
    pub headers: &'static [(&'static str, &'static str)],
    pub expect: &'static [Expect],
}

pub const CHAPTERS: &[Chapter] = &[
    Chapter {
        title: "A header chooses the version of a service",
        asks: &[
            Ask {
                why: "Without the header: the service that everybody gets.",
                host: "microservice-b",
                path: "/",
                headers: &[],
                expect: &[By("microservice-b"), Rule("default")],
            },
            Ask {
                why: "With it, each developer gets their own version.",
                host: "microservice-b",
                path: "/",
                headers: &[("microservice-b-router", "dev1")],
                expect: &[By("microservice-b-dev1"), Rule("dev1")],
            },
            Ask {
                why: "The same for dev2 ...",
                host: "microservice-b",
                path: "/orders?id=7",
                headers: &[("microservice-b-router", "dev2")],
                expect: &[By("microservice-b-dev2"), Rule("dev2")],
            },
            Ask {
                why: "... and dev3.",
                host: "microservice-b",
                path: "/",
                headers: &[("microservice-b-router", "dev3")],
                expect: &[By("microservice-b-dev3"), Rule("dev3")],
            },
            Ask {
                why: "A value that no rule knows is no reason to fail.",
                host: "microservice-b",
                path: "/",
                headers: &[("microservice-b-router", "dev9")],
                expect: &[By("microservice-b"), Rule("default")],
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
            },
            Ask {
                why: "A host that has rules, but none for this path: 404, as in Istio.",
                host: "shop",
                path: "/admin",
                headers: &[],
                expect: &[Refused(404), NoRule("no rule matched")],
            },
        ],
    },
    Chapter {
        title: "What has no policy is left alone, and nobody chooses for you",
        asks: &[
            Ask {
                why: "No VirtualService has this host: the request takes the route that was there before Pointsman.",
                host: "catalog",
                path: "/",
                headers: &[],
                expect: &[
                    By("catalog"),
                    NoRule("no VirtualService"),
                    Client("x-powered-by", Some("services.py")),
                ],
            },
            Ask {
                why: "A client that names a destination itself gets nowhere with it, without a policy ...",
                host: "catalog",
                path: "/",
                headers: &[("x-pointsman-cluster", "shop-v2")],
                expect: &[By("catalog"), Service("x-pointsman-cluster", None)],
            },
            Ask {
                why: "... or with one.",
                host: "microservice-b",
                path: "/",
                headers: &[("x-pointsman-cluster", "catalog")],
                expect: &[By("microservice-b"), Rule("default")],
            },
        ],
    },
];

impl Ask {
    pub async fn run(&self, front_proxy: &FrontProxy, show: &mut Show) -> Result<()> {
        show.say(self.why);
        show.command(&self.curl(front_proxy.address.port()));
        let answer = self.request(front_proxy).send().await?;
        show.output(&summary(&answer));
        for expect in self.expect {
            show.check(expect.holds(&answer), &expect.to_string());
        }
        Ok(())
    }

    pub fn request(&self, front_proxy: &FrontProxy) -> Request {
        let request = Request::new(front_proxy.address, "GET", self.path)
            .host(self.host)
            .header(EXPLAIN, "yes");
        self.headers
            .iter()
            .fold(request, |request, (name, value)| request.header(name, value))
    }

    /// The same as a command to type.
    pub fn curl(&self, port: u16) -> String {
        let mut headers = format!("-H 'Host: {}'", self.host);
        for (name, value) in self.headers.iter().chain(&[(EXPLAIN, "yes")]) {
            headers.push_str(&format!(" -H '{name}: {value}'"));
        }
        format!("curl -i 'localhost:{port}{}' {headers}", self.path)
    }
}

/// Who answered, and why it was this one.
fn summary(answer: &Answer) -> String {
    let by = match expect::service(answer) {
        Some(service) => format!("from {service}"),
        None => format!("from Envoy {}", answer.text()),
    };
    let explained = answer.header_lines(EXPLAIN);
    // One line for what decided, and one for each rule that did not.
    let lines = explained
        .iter()
        .map(|line| format!("\n{EXPLAIN}: {}", line.replace("; ", ";\n  ")));
    format!("{} {}{}", answer.status, by.trim_end(), lines.collect::<String>())
}
