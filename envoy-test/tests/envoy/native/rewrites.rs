//! `rewrite`: paths, hosts, the headers that tell the original, and what operations and the access log see of it.

use anyhow::Result;
use envoy_test::{Envoy, Test, tests};
use serde_json::{Value, json};

use super::{Case, Pair};

pub fn tests() -> Vec<Test> {
    tests![paths, regexes, hosts, odd_results, no_rematching]
}

/// What operations see: of the request the original, of the response what was sent.
fn seen() -> Value {
    let both = json!({"set": {"seen": "%REQ(:path)% %REQ(:authority)% %REQ(x-envoy-original-path)% %REQ(x-envoy-original-host)%"}});
    json!({"request": both, "response": both})
}

/// The rule's condition and rewrite, and Envoy's.
fn case(condition: Value, rewrite: Value, matches: Value, action: Value) -> Case {
    let mut route = json!({"match": matches, "route": {"cluster": "default", "timeout": "0s"}});
    super::add(&mut route["route"], action);
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
    pair.same(&requests).await
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
        for to in ["/", "/x", "/x/", "/x?y=1", "/x#y", "//", "/%2Fx"] {
            cases.push(case(uri.clone(), json!({"uri": to}), matches.clone(), json!({"prefix_rewrite": to})));
        }
    }
    same(envoy, cases, &["/foo", "/foo/", "/foo/bar", "/foo/bar?q=/foo", "/foobar?", "/Foo?a?b", "/"]).await
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

/// Envoy sends on what has no leading slash, or a new query.
async fn odd_results(envoy: &Envoy) -> Result<()> {
    let cases = ["x", "?", "?y=1", "x/"].map(|to| {
        case(json!({"uri": {"prefix": "/"}}), json!({"uri": to}), json!({"prefix": "/"}), json!({"prefix_rewrite": to}))
    });
    same(envoy, cases.into(), &["/a?q=1", "/"]).await
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
    let module = envoy_test::module("pointsman-routing")?;
    let listener = envoy.add_listener(envoy_test::ListenerConfig::new().module(module).policy(policy)).await?;
    for (path, service, new) in [("/one", "one", "/two"), ("/two?q", "two", "/one?q")] {
        let request = listener.get(path).host("a");
        for answer in [request.clone().send().await?, request.http2().send().await?] {
            assert_eq!((answer.service().as_str(), answer.echo().path.as_str()), (service, new));
        }
    }
    Ok(())
}
