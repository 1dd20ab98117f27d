//! A policy, made of choices: mostly one that is accepted, with all that a VirtualService can say.

use std::cell::OnceCell;
use std::rc::Rc;

use pointsman_host::Node;
use pointsman_runtime::configuration::build;
use pointsman_wire as wire;
use serde_json::{Map, Value, json};

use crate::Filters;
use crate::choices::Choices;
use crate::configuration::sidecar;
use crate::pipeline::faults;
use crate::pipeline::limits::{self, Limits};
use crate::pipeline::words::{CHANGED, HOSTS, NAMES, PATHS, PATTERNS, TEXTS, WILD};

/// The header that asks for an explanation. No condition and no operation names it.
pub const WHY: &str = "x-why";

pub struct Policy {
    pub configuration: Value,
    pub node: Node,
    /// Which request header tells Envoy the cluster.
    pub header: &'static str,
    pub by_authority: bool,
    /// Whether there is a [`WHY`].
    pub explains: bool,
    /// Whether a client that Envoy counts as internal may steer the router.
    pub trusts_internal: bool,
    /// Whether every VirtualService has rules for every port and every proxy: then its hosts tell all.
    pub is_plain: bool,
    /// Whether a client may ask for some fault.
    pub has_faults_by_header: bool,
    /// What is known of its rate limits.
    pub limits: Limits,
    known: OnceCell<Rc<Filters>>,
}

impl Policy {
    /// The filters of a worker that has seen no request yet. None but limits remember those that they have seen.
    pub fn filters(&self) -> Rc<Filters> {
        let make = || {
            let configuration = wire::Value::from(&self.configuration);
            Rc::new(build(&configuration, &self.node).0.unwrap())
        };
        if self.configuration.get("rateLimits").is_some() { make() } else { self.known.get_or_init(make).clone() }
    }
}

pub fn text(choices: &mut Choices<'_>) -> &'static str {
    if choices.one_in(64) { choices.pick(&WILD) } else { choices.pick(&TEXTS) }
}

/// An object of the fields that were chosen.
pub fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let fields = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(fields.collect())
}

pub fn maybe(choices: &mut Choices<'_>, odds: usize, make: impl FnOnce(&mut Choices<'_>) -> Value) -> Option<Value> {
    if choices.one_in(odds) { Some(make(choices)) } else { None }
}

pub fn string_match(choices: &mut Choices<'_>) -> Value {
    match choices.below(4) {
        0 => json!({"exact": text(choices)}),
        1 => json!({"prefix": choices.pick(&["/", "a", "/a", "h", "https"])}),
        2 => json!({"regex": choices.pick(&PATTERNS)}),
        _ => json!({}),
    }
}

fn uri(choices: &mut Choices<'_>) -> Value {
    match choices.below(3) {
        0 => json!({"prefix": choices.pick(&PATHS)}),
        1 => json!({"exact": choices.pick(&PATHS)}),
        _ => json!({"regex": choices.pick(&PATTERNS)}),
    }
}

/// A map with up to `most` entries.
fn map(choices: &mut Choices<'_>, most: usize, names: &[&str], value: fn(&mut Choices<'_>) -> Value) -> Value {
    let entries = choices.list(most, |choices| (choices.pick(names).to_owned(), value(choices)));
    Value::Object(entries.into_iter().collect::<Map<_, _>>())
}

fn entry(choices: &mut Choices<'_>, is_plain: bool) -> Value {
    let anywhere = |odds: usize| if is_plain { 1_000_000 } else { odds };
    object([
        ("name", maybe(choices, 8, |choices| text(choices).into())),
        ("uri", maybe(choices, 2, uri)),
        ("method", maybe(choices, 6, |choices| json!({"exact": choices.pick(&["GET", "OPTIONS"])}))),
        ("scheme", maybe(choices, 8, string_match)),
        ("authority", maybe(choices, 8, string_match)),
        ("headers", maybe(choices, 3, |choices| map(choices, 2, &NAMES, string_match))),
        ("withoutHeaders", maybe(choices, 4, |choices| map(choices, 2, &NAMES, string_match))),
        ("queryParams", maybe(choices, 4, |choices| map(choices, 2, &["q", "x", "%20"], string_match))),
        ("ignoreUriCase", maybe(choices, 6, |_| true.into())),
        ("port", maybe_rare(choices, anywhere(4), |choices| choices.pick(&[80, 443]).into())),
        ("gateways", maybe_rare(choices, anywhere(6), |choices| json!([choices.pick(&["edge", "mesh", "n/edge"])]))),
        ("sourceNamespace", maybe_rare(choices, anywhere(8), |_| "shop".into())),
    ])
}

/// With odds beyond a byte's: never.
fn maybe_rare(choices: &mut Choices<'_>, odds: usize, make: impl FnOnce(&mut Choices<'_>) -> Value) -> Option<Value> {
    if odds > 256 { None } else { maybe(choices, odds, make) }
}

fn destination(choices: &mut Choices<'_>) -> Value {
    object([
        ("host", Some(choices.pick(&["a.com", "b.com", "reviews", "10.0.0.2", "::1"]).into())),
        ("subset", maybe(choices, 6, |choices| choices.pick(&["v1", "v2"]).into())),
        ("port", maybe(choices, 4, |choices| json!({"number": choices.pick(&[80, 9080])}))),
    ])
}

fn operations(choices: &mut Choices<'_>) -> Value {
    let values = |choices: &mut Choices<'_>| map(choices, 2, &CHANGED, |choices| text(choices).into());
    let of = |choices: &mut Choices<'_>| {
        object([
            ("set", maybe(choices, 2, values)),
            ("add", maybe(choices, 2, values)),
            ("remove", maybe(choices, 3, |choices| choices.list(2, |choices| choices.pick(&CHANGED)).into())),
        ])
    };
    object([("request", maybe(choices, 2, of)), ("response", maybe(choices, 2, of))])
}

fn weighted(choices: &mut Choices<'_>) -> Value {
    object([
        ("destination", Some(destination(choices))),
        ("weight", Some(choices.pick(&[1, 99, 0, 2_147_483_647]).into())),
        ("headers", maybe(choices, 4, operations)),
    ])
}

fn sticky(choices: &mut Choices<'_>) -> Value {
    match choices.below(4) {
        0 => json!({"httpHeaderName": choices.pick(&NAMES)}),
        1 => {
            json!({"httpCookie": {"name": choices.pick(&["a", "ab"]), "path": choices.pick(&["", "/", "/a b"]), "ttl": "60s"}})
        }
        2 => json!({"useSourceIp": true}),
        _ => json!({"httpQueryParameterName": "q"}),
    }
}

fn cors(choices: &mut Choices<'_>) -> Value {
    object([
        ("allowOrigins", maybe(choices, 2, |choices| choices.list(2, string_match).into())),
        ("allowOrigin", maybe(choices, 4, |choices| json!([text(choices)]))),
        ("allowMethods", maybe(choices, 2, |choices| json!([choices.pick(&["GET", "*"])]))),
        ("allowHeaders", maybe(choices, 2, |choices| json!([choices.pick(&["x", "*"])]))),
        ("exposeHeaders", maybe(choices, 2, |choices| json!([choices.pick(&NAMES[..4])]))),
        ("maxAge", maybe(choices, 4, |_| "1h".into())),
        ("allowCredentials", maybe(choices, 2, |_| true.into())),
        ("unmatchedPreflights", maybe(choices, 4, |_| "IGNORE".into())),
    ])
}

fn rewrite(choices: &mut Choices<'_>) -> Value {
    match choices.below(3) {
        0 => json!({"uri": choices.pick(&PATHS), "authority": text(choices)}),
        1 => json!({"authority": choices.pick(&["h.com", "h.com:80", "é", "h\r\nx: y"])}),
        _ => json!({"uriRegexRewrite": {
            "match": choices.pick(&PATTERNS), "rewrite": choices.pick(&["/x", r"\0\0", r"/\0\\", "é"]),
        }}),
    }
}

fn retries(choices: &mut Choices<'_>) -> Value {
    let attempts = choices.pick(&[2, 0, 5]);
    let mut odds = |odds| if attempts == 0 { None } else { Some(choices.one_in(odds)) };
    let (has_words, has_timeout) = (odds(2) == Some(true), odds(3) == Some(true));
    object([
        ("attempts", Some(attempts.into())),
        ("retryOn", has_words.then(|| choices.pick(&["5xx", "503,reset", "unavailable", ""]).into())),
        ("perTryTimeout", has_timeout.then(|| "250ms".into())),
    ])
}

fn answer(choices: &mut Choices<'_>) -> (&'static str, Value) {
    match choices.below(2) {
        0 => {
            let body = maybe(choices, 2, |choices| json!({"string": text(choices)}));
            (
                "directResponse",
                object([("status", Some(choices.pick(&[200, 201, 302, 503, 599]).into())), ("body", body)]),
            )
        }
        _ => (
            "redirect",
            object([
                ("uri", maybe(choices, 2, |choices| choices.pick(&PATHS).into())),
                ("authority", maybe(choices, 2, |choices| text(choices).into())),
                ("scheme", Some(choices.pick(&["https", "http"]).into())),
                ("port", maybe(choices, 4, |choices| choices.pick(&[443, 80, 8443]).into())),
                ("derivePort", maybe(choices, 6, |_| "FROM_REQUEST_PORT".into())),
                ("redirectCode", maybe(choices, 3, |choices| choices.pick(&[301, 308]).into())),
                ("prefixRewrite", maybe(choices, 6, |choices| choices.pick(&PATHS).into())),
            ]),
        ),
    }
}

fn rule(choices: &mut Choices<'_>, is_plain: bool) -> Value {
    let matches = choices.list(2, |choices| entry(choices, is_plain));
    let mut rule = object([
        ("name", maybe(choices, 4, |choices| text(choices).into())),
        ("match", Some(matches.into())),
        ("headers", maybe(choices, 3, operations)),
        ("corsPolicy", maybe(choices, 5, cors)),
        ("sticky", maybe(choices, 5, sticky)),
        ("timeout", maybe(choices, 5, |choices| choices.pick(&["1s", "0.5s", "1h30m"]).into())),
        ("retries", maybe(choices, 5, retries)),
        (
            "mirrors",
            maybe(choices, 6, |choices| {
                let mirror = |choices: &mut Choices<'_>| json!({"destination": destination(choices), "percentage": {"value": choices.pick(&[100.0, 0.5, 0.0])}});
                choices.list(3, mirror).into()
            }),
        ),
    ]);
    let fields = rule.as_object_mut().unwrap();
    if choices.one_in(4) {
        let (name, value) = answer(choices);
        fields.insert(name.into(), value);
    } else {
        let mut route = vec![weighted(choices)];
        route[0]["weight"] = 1.into();
        route.extend(choices.list(2, weighted));
        fields.insert("route".into(), route.into());
        fields.extend(maybe(choices, 4, rewrite).map(|rewrite| ("rewrite".to_owned(), rewrite)));
    }
    rule
}

fn virtual_service(choices: &mut Choices<'_>, is_plain: bool) -> Value {
    let hosts = json!([choices.pick(&HOSTS)]);
    let mut http = vec![rule(choices, is_plain)];
    http.extend(choices.list(3, |choices| rule(choices, is_plain)));
    let gateways = if is_plain { None } else { maybe(choices, 3, |choices| json!([choices.pick(&["edge", "mesh"])])) };
    let spec = object([("hosts", Some(hosts)), ("http", Some(http.into())), ("gateways", gateways)]);
    if choices.one_in(3) {
        return json!({
            "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
            "metadata": {"name": text(choices), "namespace": "shop"}, "spec": spec,
        });
    }
    spec
}

pub fn policy(choices: &mut Choices<'_>) -> Policy {
    let is_plain = !choices.one_in(4);
    let node = if !is_plain && choices.one_in(2) { sidecar() } else { Node::default() };
    let mut services = vec![virtual_service(choices, is_plain)];
    services.extend(choices.list(2, |choices| virtual_service(choices, is_plain)));
    let mut configuration = json!({"virtualServices": services});
    let mut insert = |name: &str, value: Value| configuration.as_object_mut().unwrap().insert(name.into(), value);

    let (mut header, mut by_authority) = ("x-pointsman-cluster", false);
    let destinations = match choices.below(6) {
        0 => json!({"defaultPort": 80}),
        1 => {
            by_authority = true;
            json!({"by": "authority"})
        }
        2 => {
            header = "x-cluster";
            json!({"header": "X-Cluster", "defaultPort": 80})
        }
        3 => {
            json!({"clusterName": choices.pick(&["{host}-{subset}", "a{port}{host}", "{host}é", "{host}\n"]), "defaultPort": 80})
        }
        _ => {
            let cluster = choices.pick(&["c", "c_1", "é", "c\r\nx-injected: 1", "\0"]);
            json!({"clusters": [{"host": "a.com", "cluster": cluster}], "defaultPort": 80})
        }
    };
    insert("destinations", destinations);
    let explains = choices.one_in(3);
    if explains {
        insert("debug", json!({"header": "X-Why"}));
    }
    let mut trusts_internal = node.is_istio();
    if let Some(trust) = maybe(choices, 3, |choices| choices.pick(&["never", "internal"]).into()) {
        trusts_internal = trust == "internal";
        insert("trustClientRouterHeaders", trust);
    }
    if !is_plain && choices.one_in(2) {
        insert("gateway", choices.pick(&["edge", "mesh", "n/edge"]).into());
    }
    let has_faults_by_header = faults::add(choices, &mut configuration);
    let limits = limits::add(choices, &mut configuration);
    Policy {
        configuration,
        node,
        header,
        by_authority,
        explains,
        trusts_internal,
        is_plain,
        has_faults_by_header,
        limits,
        known: OnceCell::new(),
    }
}
