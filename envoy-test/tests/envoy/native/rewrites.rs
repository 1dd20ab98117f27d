//! `rewrite`: paths, hosts, the headers that tell the original, and what operations and the access log see of it.

use anyhow::Result;
use envoy_test::{Envoy, EnvoyConfig, ListenerConfig, Test, module, tests};
use serde_json::{Value, json};

use super::{Case, Pair, add};

pub fn tests() -> Vec<Test> {
    tests![paths, regexes, hosts, hosts_by_operations, odd_results, fragments, no_rematching]
}

/// What operations see: of the request the original, of the response what was sent.
fn seen() -> Value {
    let both = json!({"set": {
        "seen": "%REQ(:path)% %REQ(:authority)%", "original": "%REQ(x-envoy-original-path)% %REQ(x-envoy-original-host)%",
    }});
    json!({"request": both, "response": both})
}

/// The rule's condition and rewrite, and Envoy's.
fn case(condition: Value, rewrite: Value, matches: Value, action: Value) -> Case {
    let mut route = json!({"match": matches, "route": {"cluster": "default", "timeout": "0s"}});
    add(&mut route["route"], action);
    let rule = json!({"match": condition, "rewrite": rewrite, "route": [{"destination": {"host": "default"}}]});
    Case::new(rule, route).with_headers(&seen())
}

async fn same(envoy: &Envoy, cases: Vec<Case>, paths: &[&str]) -> Result<()> {
    let pair = Pair::new(envoy, cases).await?;
    let request = |path: &&str| pair.get(path).host("old.com:80");
    let forged =
        pair.get(paths[0]).header("x-envoy-original-path", "/forged").header("x-envoy-original-host", "forged");
    let mut requests: Vec<_> = paths.iter().map(request).collect();
    requests.push(forged);
    pair.same(&requests).await?;
    pair.same_log(&requests).await
}

async fn paths(envoy: &Envoy) -> Result<()> {
    let mut cases = Vec::new();
    for (uri, matches) in [
        (json!({"uri": {"prefix": "/foo"}}), json!({"prefix": "/foo"})),
        (json!({"uri": {"prefix": "/foo/"}}), json!({"prefix": "/foo/"})),
        (json!({"uri": {"prefix": "/FOO"}, "ignoreUriCase": true}), json!({"prefix": "/FOO", "case_sensitive": false})),
        (json!({"uri": {"prefix": "/"}}), json!({"prefix": "/"})),
        (json!({"uri": {"exact": "/foo/bar"}}), json!({"path": "/foo/bar"})),
        (json!({"uri": {"exact": "/FOO"}, "ignoreUriCase": true}), json!({"path": "/FOO", "case_sensitive": false})),
        (json!({"uri": {"regex": "/f.*"}}), json!({"safe_regex": {"regex": "/f.*"}})),
        (json!({}), json!({"prefix": "/"})),
    ] {
        for to in ["/", "/x", "/x/", "/x?y=1", "/x#y"] {
            cases.push(case(uri.clone(), json!({"uri": to}), matches.clone(), json!({"prefix_rewrite": to})));
        }
    }
    same(envoy, cases, &["/foo", "/foo/", "/foo/bar", "/foo/bar?q=/foo", "/Foo?a?b", "/"]).await
}

async fn regexes(envoy: &Envoy) -> Result<()> {
    let rows = [
        ("^/api/(v\\d)/(.*)$", "/\\2/\\1"),
        ("o", "0"),
        ("/", "/_"),
        ("x*", "-"),
        ("(/)(a)(b)?", "\\1\\3\\0"),
        ("(.*)", "\\\\\\1"),
        (".*(z?)", "\\1"),
        ("b.", "[\\0]"),
        ("(?i)AXB", "c?d"),
        ("$", "/end"),
        ("^", "/begin"),
        ("a|ab", "<\\0>"),
    ];
    let cases = rows.map(|(pattern, by)| {
        let action = json!({"regex_rewrite": {"pattern": {"regex": pattern}, "substitution": by}});
        case(json!({}), json!({"uriRegexRewrite": {"match": pattern, "rewrite": by}}), json!({"prefix": "/"}), action)
    });
    same(envoy, cases.into(), &["/axb?axb", "/", "/api/v1/x?q=/api/v1/y", "/foo/boo", "/ab/ab/", "/a%20b"]).await
}

async fn hosts(envoy: &Envoy) -> Result<()> {
    let cases = ["new.com", "New.com:99", "old.com:80", "[::1]:80"].map(|host| {
        let action = json!({"host_rewrite_literal": host, "prefix_rewrite": "/n"});
        let both = json!({"authority": host, "uri": "/n"});
        [
            case(json!({}), json!({"authority": host}), json!({"prefix": "/"}), json!({"host_rewrite_literal": host})),
            case(json!({"uri": {"prefix": "/a"}}), both, json!({"prefix": "/a"}), action),
        ]
    });
    same(envoy, cases.concat(), &["/a/b?q", "/"]).await
}

/// An operation on the host is a rewrite of it: the rule's own, the rule's operation, the destination's.
async fn hosts_by_operations(envoy: &Envoy) -> Result<()> {
    let operation = |name: &str, host: Option<&str>| json!({"request": {"set": host.map(|host| json!({name: host}))}});
    let mut cases = Vec::new();
    for (rewrite, of_rule, of_own) in [
        (None, Some("rule.com"), None),
        (None, None, Some("own.com:1")),
        (None, Some("rule.com"), Some("own.com:1")),
        (Some("rewrite.com"), None, Some("own.com:1")),
    ] {
        for alone in [true, false] {
            let mut destinations = vec![json!({"destination": {"host": "default"}, "weight": 1})];
            destinations[0]["headers"] = operation("host", of_own);
            let mut rule = json!({"headers": operation(":authority", of_rule)});
            rule["rewrite"] = rewrite.map_or(Value::Null, |host| json!({"authority": host}));
            let route_host = rewrite.or(of_rule);
            let mut route = json!({"route": {"timeout": "0s"}});
            if alone {
                add(&mut route["route"], json!({"cluster": "default"}));
                route["route"]["host_rewrite_literal"] = json!(route_host.or(of_own));
            } else {
                destinations.push(json!({"destination": {"host": "one"}, "weight": 0}));
                let weighted = json!({"name": "default", "weight": 1, "host_rewrite_literal": of_own});
                add(&mut route["route"], json!({"weighted_clusters": {"clusters": [weighted]}}));
                route["route"]["host_rewrite_literal"] = json!(route_host);
            }
            rule["route"] = json!(destinations);
            cases.push(Case::new(rule, route));
        }
    }
    same(envoy, cases, &["/a?q"]).await
}

/// Envoy sends on what has no leading slash, or a new query.
async fn odd_results(envoy: &Envoy) -> Result<()> {
    let cases = ["x", "?", "?y=1", "x/"].map(|to| {
        case(json!({"uri": {"prefix": "/"}}), json!({"uri": to}), json!({"prefix": "/"}), json!({"prefix_rewrite": to}))
    });
    same(envoy, cases.into(), &["/a?q=1", "/"]).await
}

/// Envoy refuses them as it comes; as Istio starts it, it cuts them off before any filter sees them.
async fn fragments(_: &Envoy) -> Result<()> {
    let flags = json!({"envoy.reloadable_features.http_reject_path_with_fragment": false});
    let runtime = json!({"layered_runtime": {"layers": [{"name": "istio", "static_layer": flags}]}});
    let envoy = EnvoyConfig::new().bootstrap(runtime).start().await?;
    let cases = vec![
        case(
            json!({"uri": {"exact": "/a"}}),
            json!({"uri": "/x"}),
            json!({"path": "/a"}),
            json!({"prefix_rewrite": "/x"}),
        ),
        case(
            json!({"uri": {"prefix": "/"}}),
            json!({"uri": "/x"}),
            json!({"prefix": "/"}),
            json!({"prefix_rewrite": "/x"}),
        ),
    ];
    let pair = Pair::new(&envoy, cases).await?;
    for (case, path, expected) in [(0, "/a#f", "/x"), (0, "/a#f?q", "/x"), (1, "/a?q#f", "/xa?q"), (1, "/#", "/x")] {
        for listener in [&pair.ours, &pair.theirs] {
            let request = format!("GET {path} HTTP/1.1\r\nhost: h\r\ncase: {case}\r\n\r\n");
            let answer = String::from_utf8_lossy(&listener.send_raw(request).await?).into_owned();
            assert!(answer.contains(&format!("\"path\":\"{expected}\"")), "{path} to {listener:?}: {answer}");
        }
    }
    Ok(())
}

/// The rule is found once: what the rewrite makes of path and host finds no other.
async fn no_rematching(envoy: &Envoy) -> Result<()> {
    envoy.echoes(["one", "two"]).await?;
    let rule = |uri: &str, rewrite: Value, host: &str| json!({"match": [{"uri": {"prefix": uri}}], "rewrite": rewrite, "route": [{"destination": {"host": host}}]});
    let policy = json!({"virtualServices": [
        {"hosts": ["a"], "http": [
            rule("/one", json!({"uri": "/two", "authority": "b"}), "one"),
            rule("/two", json!({"uri": "/one"}), "two"),
        ]},
        {"hosts": ["b"], "http": [{"directResponse": {"status": 418}}]},
    ]});
    let config = ListenerConfig::new().module(module("pointsman-routing")?).policy(policy);
    let listener = envoy.add_listener(config).await?;
    for (path, service, new) in [("/one", "one", "/two"), ("/two?q", "two", "/one?q")] {
        let request = listener.get(path).host("a");
        for answer in [request.clone().send().await?, request.http2().send().await?] {
            assert_eq!((answer.service().as_str(), answer.echo().path.as_str()), (service, new));
        }
    }
    Ok(())
}
