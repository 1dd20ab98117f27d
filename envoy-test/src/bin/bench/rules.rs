//! Policies of many rules, in the words of Istio and in those of Envoy.

use envoy_test::routes;
use serde_json::{Value, json};

use crate::variants::{CHOSEN, USER};

/// What the rules look at.
#[derive(Clone, Copy)]
pub enum Kind {
    /// A header's whole value.
    Header,
    /// A header by a regular expression of which no index knows anything.
    HeaderRegex,
    /// The path: half of them all of it, half its beginning.
    Path,
    /// The path by a regular expression that has to be run: all begin alike, and how they end is not said.
    PathRegex,
}

/// So many rules, of which only the last is right: one that takes another is found out.
#[derive(Clone, Copy)]
pub struct Rules(pub Kind, pub usize);

/// What the request has that the last rules ask for.
pub const PATH: &str = "/api/v1/reviews/1000";
pub const END_USER: &str = "user-1000";

impl Rules {
    /// As a policy for that host.
    pub fn policy(self, host: &str) -> Value {
        let rule = |number: usize| {
            let text = self.text(number);
            let condition = match self.0 {
                Kind::Header => json!({"headers": {"end-user": {"exact": text}}}),
                Kind::HeaderRegex => json!({"headers": {"end-user": {"regex": text}}}),
                Kind::Path if number.is_multiple_of(2) => json!({"uri": {"exact": text}}),
                Kind::Path => json!({"uri": {"prefix": text}}),
                Kind::PathRegex => json!({"uri": {"regex": text}}),
            };
            json!({"match": [condition], "route": [{"destination": {"host": destination(number)}}]})
        };
        json!({"virtualServices": [{"hosts": [host], "http": self.numbers().map(rule).collect::<Vec<_>>()}]})
    }

    /// As routes of Envoy, each with what ours has besides.
    pub fn routes(self) -> Vec<Value> {
        let route = |number: usize| {
            let text = self.text(number);
            let condition = match self.0 {
                Kind::Header => header(json!({"exact": text})),
                Kind::HeaderRegex => header(json!({"safe_regex": {"regex": text}})),
                Kind::Path if number.is_multiple_of(2) => json!({"path": text}),
                Kind::Path => json!({"prefix": text}),
                Kind::PathRegex => json!({"safe_regex": {"regex": text}}),
            };
            let mut route = routes::routed();
            route["name"] = json!(format!("rule-{number}"));
            route["match"] = condition;
            if let Some(action) = route["route"].as_object_mut() {
                action.remove("cluster_header");
                action.insert("cluster".to_owned(), json!(destination(number)));
            }
            route
        };
        self.numbers().map(route).chain([routes::catch_all(USER)]).collect()
    }

    /// Of the last rule, it is 0.
    fn numbers(self) -> impl Iterator<Item = usize> {
        (0..self.1).rev()
    }

    fn text(self, number: usize) -> String {
        let other = number + 1000;
        match self.0 {
            Kind::Header => format!("user-{other}"),
            Kind::HeaderRegex => format!("[a-z]+-{other}"),
            Kind::Path => format!("/api/v1/reviews/{other}"),
            Kind::PathRegex => format!("/api/v[0-9]/reviews/{other}[a-z]*"),
        }
    }
}

fn header(matcher: Value) -> Value {
    json!({"prefix": "/", "headers": [{"name": "end-user", "string_match": matcher}]})
}

fn destination(number: usize) -> &'static str {
    if number == 0 { CHOSEN } else { USER }
}
