//! How often the proxy is called. Calls are what a filter costs.

use pointsman_host::Node;
use rate_limit::RateLimit;
use routing::Routing;
use serde_json::{Value, json};

use super::*;
use crate::configuration;

fn routing(policy: Value) -> World<(Routing,)> {
    let (filters, report) = configuration::build(&policy, &Node::default());
    World::new(filters.unwrap_or_else(|| panic!("{report:?}")))
}

fn to(host: &str) -> Value {
    json!([{"destination": {"host": host}}])
}

/// A request for `b` with these headers, its response, and its end: what each of them costs.
#[track_caller]
fn costs(policy: &Value, headers: &[(&str, &str)], request: &str, response: &str, writes: &[&str]) {
    let mut world = routing(policy.clone());
    let pseudo = [(":authority", "b"), (":path", "/a?b"), (":method", "GET"), (":scheme", "http")];
    world.arrive(7, &[&pseudo, headers].concat());
    assert_eq!(world.calls(), request, "request: {policy}");
    assert_eq!(world.proxy.streams[&7].writes, writes);
    world.respond(7);
    assert_eq!(world.calls(), response, "response: {policy}");
    world.end(7);
    assert_eq!(world.calls(), "", "end: {policy}");
    assert_eq!(world.proxy.log, Vec::<String>::new());
    world.assert_empty();
}

fn policy(http: Value) -> Value {
    json!({"virtualServices": [{"hosts": ["b"], "http": http}]})
}

#[test]
fn a_plain_match() {
    let cluster = ["+x-pointsman-cluster=a"];
    costs(&policy(json!([{"route": to("a")}])), &[], "1 read, 1 write", "", &cluster);
    // However many conditions it took, and however the destination was chosen.
    let conditions = json!({"uri": {"regex": "/a|x.*"}, "headers": {"y": {}}, "queryParams": {"b": {}}});
    let weighted = json!([{"destination": {"host": "a"}, "weight": 1}, {"destination": {"host": "c"}, "weight": 1}]);
    let rules =
        json!([{"match": [{"uri": {"exact": "/"}}], "route": to("x")}, {"match": [conditions], "route": weighted}]);
    costs(&policy(rules), &[("y", "1")], "1 read, 1 write", "", &cluster);
}

#[test]
fn no_virtual_service() {
    let other = json!({"virtualServices": [{"hosts": ["a"], "http": [{"route": to("a")}]}]});
    costs(&other, &[], "1 read", "", &[]);
    costs(&json!({}), &[], "1 read", "", &[]);
    // What steers goes, whoever's request it is; the lines of one name at once.
    let forged = [("x-pointsman-cluster", "x"), ("x-pointsman-cluster", "y")];
    costs(&other, &forged, "1 read, 1 write", "", &["-x-pointsman-cluster"]);
}

#[test]
fn a_forged_header_is_overwritten_in_the_same_write() {
    let rules = policy(json!([{"route": to("a")}]));
    costs(&rules, &[("x-pointsman-cluster", "x")], "1 read, 1 write", "", &["x-pointsman-cluster=a"]);
}

#[test]
fn no_rule() {
    let rules = policy(json!([{"match": [{"uri": {"exact": "/x"}}], "route": to("a")}]));
    costs(&rules, &[("x-pointsman-cluster", "x")], "1 read, 1 reply", "", &[]);
}

#[test]
fn a_port() {
    let rules = policy(json!([{"match": [{"port": 80}], "route": to("a")}]));
    costs(&rules, &[], "1 property, 1 read, 1 write", "", &["+x-pointsman-cluster=a"]);
}

#[test]
fn header_operations() {
    let operations = json!({
        "request": {"set": {"new": "1", "there": "2"}, "remove": ["gone", "absent"], "add": {"there": "3"}},
        "response": {"set": {"a": "1"}, "remove": ["b"]},
    });
    let rules = policy(json!([{"route": to("a"), "headers": operations}]));
    // What is not there is not removed; a name that is set and added to takes a write for each line.
    let writes = ["-gone", "+new=1", "there=2", "+there=3", "+x-pointsman-cluster=a"];
    costs(&rules, &[("gone", "1"), ("there", "1"), ("there", "2")], "1 read, 5 write", "2 write", &writes);
}

#[test]
fn a_rewrite_of_the_host() {
    let rules = policy(json!([{"route": to("a"), "headers": {"request": {"set": {"Host": "h"}}}}]));
    let writes = ["+x-envoy-original-host=b", ":authority=h", "+x-pointsman-cluster=a"];
    costs(&rules, &[], "1 read, 3 write", "", &writes);
}

#[test]
fn an_explanation() {
    let mut rules = policy(json!([{"route": to("a")}]));
    rules["debug"] = json!({"header": "why"});
    costs(&rules, &[], "1 read, 1 write", "", &["+x-pointsman-cluster=a"]);
    costs(&rules, &[("why", "")], "1 read, 2 write", "1 write", &["-why", "+x-pointsman-cluster=a"]);
}

/// The clock is read when a wait begins; what else a wait costs is its tick.
#[test]
fn waits() {
    let mut world = World::new(filters(0));
    world.arrive(2, &[("x-0", "d5")]);
    assert_eq!(world.calls(), "2 clock, 1 read, 1 tick");
    world.arrive(3, &[("x-0", "d9")]);
    assert_eq!(world.calls(), "2 clock, 1 read", "the tick for the earlier one comes in time");
    world.advance(5 * MILLISECOND);
    assert_eq!(world.calls(), "2 clock, 1 resume, 1 select, 1 tick, 3 write");
    world.advance(4 * MILLISECOND);
    assert_eq!(world.calls(), "2 clock, 1 resume, 1 select, 1 tick, 3 write", "the last tick is the last");
    world.advance(1000 * MILLISECOND);
    assert_eq!(world.calls(), "");
    world.arrive(4, &[("x-0", "h")]);
    assert_eq!(world.calls(), "1 http call, 1 read, 2 select");
    world.answer(Call::Http(1), true);
    assert_eq!(world.calls(), "1 buffer, 1 read, 1 resume, 1 select, 3 write");
    world.assert_empty();
}

/// Nothing can be decided about a request that cannot be read, so it is not let through.
#[test]
fn an_unreadable_request() {
    let mut world = routing(policy(json!([{"route": to("a")}])));
    world.proxy.refused = "read";
    assert_eq!(world.arrive(2, &[(":authority", "b")]), Flow::Pause);
    assert_eq!(world.end(2), State::Answered(500));
    world.assert_empty();
}

/// The proxy refuses: it is logged, and nothing else happens.
#[test]
fn refusals_are_logged() {
    let rules = policy(json!([{"match": [{"uri": {"exact": "/a"}}], "route": to("a")}]));
    for (refused, path, expected) in [
        ("write", "/a", "the header x-pointsman-cluster could not be changed: Status(2)"),
        ("reply", "/b", "a request could not be answered: Status(2)"),
    ] {
        let mut world = routing(rules.clone());
        world.proxy.refused = refused;
        world.arrive(2, &[(":authority", "b"), (":path", path)]);
        assert_eq!(world.proxy.log, [expected]);
        world.end(2);
        world.assert_empty();
    }
    let mut world = World::new(filters(0));
    world.proxy.refused = "resume";
    world.arrive(2, &[("x-0", "d1")]);
    world.advance(MILLISECOND);
    assert_eq!(world.proxy.log, ["a request could not be resumed: Status(2)"]);
    world.end(2);
    world.assert_empty();
}

/// Before the first configuration there is nothing to be done.
#[test]
fn without_a_configuration() {
    let mut world = World::new(filters(0));
    world.worker = Worker::new(ROOT);
    assert_eq!(world.arrive(2, &[("x-0", "r")]), Flow::Continue);
    world.respond(2);
    world.end(2);
    assert_eq!(world.calls(), "");
}

/// A request under a limit: what the first one costs, and each one after it.
#[test]
fn limits() {
    let bucket = json!({"maxTokens": 2, "fillInterval": "3600s"});
    let by_header = json!([{"requestHeaders": {"headerName": "x", "descriptorKey": "x"}}]);
    let keyed = json!({"descriptors": [{"entries": [{"key": "x"}], "tokenBucket": bucket}]});
    let told = json!({"rateLimitHeaders": "DRAFT_VERSION_03"});
    for (limit, costs) in [
        // No header is read.
        (
            json!({"local": {"tokenBucket": bucket}}),
            ["2 cell, 1 clock, 2 set cell", "1 clock, 1 set cell", "2 clock, 1 metric, 1 reply"],
        ),
        (
            json!({"actions": by_header, "local": keyed}),
            [
                "3 cell, 1 clock, 1 read, 3 set cell",
                "1 clock, 1 read, 1 set cell",
                "1 cell, 2 clock, 1 metric, 1 read, 1 reply",
            ],
        ),
        (json!({"match": [{"headers": {"x": {"exact": "2"}}}], "local": {"tokenBucket": bucket}}), ["1 read"; 3]),
        (
            json!({"concurrency": 2}),
            [
                "2 cell, 4 clock, 2 set cell, 1 tick",
                "1 cell, 2 clock, 1 set cell",
                "1 cell, 2 clock, 1 metric, 1 reply",
            ],
        ),
        (
            json!({"local": {"tokenBucket": bucket}, "response": told}),
            ["2 cell, 1 clock, 2 set cell", "1 clock, 1 set cell", "2 clock, 1 metric, 1 reply"],
        ),
    ] {
        let policy = json!({"rateLimits": [limit]});
        let (filters, report) = configuration::build(&policy, &Node::default());
        let filters: (RateLimit,) = filters.unwrap_or_else(|| panic!("{report:?}"));
        let mut world = World::new(filters);
        for (context, expected) in (2..).zip(costs) {
            world.arrive(context, &[(":authority", "b"), (":path", "/"), ("x", "1")]);
            assert_eq!(world.calls(), expected, "{context}: {policy}");
        }
    }
}
