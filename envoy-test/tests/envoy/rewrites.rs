//! `rewrite`: what the upstream is asked for, and who sees which path and host.

use anyhow::Result;
use envoy_test::{Answer, Envoy, Listener, ListenerConfig, Request, Test, module, tests};
use serde_json::{Value, json};

pub fn tests() -> Vec<Test> {
    tests![
        what_matched_is_replaced,
        every_match_of_a_regex_is_replaced,
        a_path_may_become_anything,
        the_original_is_told,
        hosts_are_rewritten_level_by_level,
        who_sees_what,
    ]
}

async fn listener(envoy: &Envoy, http: Value) -> Result<Listener> {
    envoy.echoes(["one", "two"]).await?;
    let policy = json!({"virtualServices": [{"hosts": ["*"], "http": http}]});
    envoy.add_listener(ListenerConfig::new().module(module("pointsman-routing")?).policy(policy)).await
}

fn to(host: &str) -> Value {
    json!([{"destination": {"host": host}}])
}

async fn both(request: Request) -> Result<[Answer; 2]> {
    Ok([request.clone().send().await?, request.http2().send().await?])
}

/// Each row is a rule of its own, chosen by a header: condition, rewrite, and what becomes of paths.
type Rows<'a> = &'a [(Value, Value, &'a [(&'a str, &'a str)])];

async fn check(envoy: &Envoy, rows: Rows<'_>) -> Result<()> {
    let rule = |(number, (condition, rewrite, _)): (usize, &(Value, Value, _))| {
        let mut condition = condition.clone();
        condition["headers"] = json!({"row": {"exact": number.to_string()}});
        json!({"match": [condition], "rewrite": rewrite, "route": to("one")})
    };
    let rules: Vec<Value> = rows.iter().enumerate().map(rule).collect();
    let listener = listener(envoy, rules.into()).await?;
    for (number, (condition, rewrite, paths)) in rows.iter().enumerate() {
        for (path, expected) in *paths {
            for answer in both(listener.get(path).header("row", number.to_string())).await? {
                assert_eq!(answer.status, 200, "{condition} {rewrite} {path}: {answer}");
                assert_eq!(answer.echo().path, *expected, "{condition} {rewrite} {path}");
                assert_eq!(answer.echo().header("x-envoy-original-path"), Some(*path));
            }
        }
    }
    Ok(())
}

async fn what_matched_is_replaced(envoy: &Envoy) -> Result<()> {
    check(
        envoy,
        &[
            (json!({"uri": {"prefix": "/foo"}}), json!({"uri": "/"}), &[("/foo/bar?q=1", "//bar?q=1"), ("/foo", "/")]),
            (json!({"uri": {"prefix": "/foo/"}}), json!({"uri": "/"}), &[("/foo/bar", "/bar")]),
            (json!({"uri": {"prefix": "/FOO"}, "ignoreUriCase": true}), json!({"uri": "/x"}), &[("/foo/b", "/x/b")]),
            (json!({"uri": {"exact": "/foo"}}), json!({"uri": "/x"}), &[("/foo?a=/foo", "/x?a=/foo")]),
            (json!({"uri": {"regex": "/f.*"}}), json!({"uri": "/x"}), &[("/foo/bar?q", "/x?q")]),
            (json!({}), json!({"uri": "/x"}), &[("/a", "/xa"), ("/", "/x")]),
        ],
    )
    .await
}

async fn every_match_of_a_regex_is_replaced(envoy: &Envoy) -> Result<()> {
    let regex = |pattern: &str, by: &str| json!({"uriRegexRewrite": {"match": pattern, "rewrite": by}});
    check(
        envoy,
        &[
            (json!({}), regex("^/api/(v\\d)/(.*)$", "/\\2/\\1"), &[("/api/v1/x?q=/api/v1/y", "/x/v1?q=/api/v1/y")]),
            (json!({}), regex("o", "0"), &[("/foo", "/f00"), ("/none", "/n0ne")]),
            (json!({}), regex("x*$", "-"), &[("/axx", "/a-")]),
        ],
    )
    .await
}

/// Envoy sends on what has no leading slash; its routes have to match it all the same.
async fn a_path_may_become_anything(envoy: &Envoy) -> Result<()> {
    let rules = json!([{"rewrite": {"uri": "x"}, "route": to("one")}]);
    let listener = listener(envoy, rules).await?;
    let raw = listener.send_raw("GET /?q=1 HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await?;
    let status = String::from_utf8_lossy(&raw).lines().next().unwrap_or_default().to_owned();
    // The upstream may well refuse such a path, but it is who decides.
    assert!(!status.contains("404"), "{status}");
    Ok(())
}

/// A client's own copies of the two headers are not believed where there is a rewrite.
async fn the_original_is_told(envoy: &Envoy) -> Result<()> {
    let rules = json!([
        {"match": [{"uri": {"prefix": "/path"}}], "rewrite": {"uri": "/new"}, "route": to("one")},
        {"match": [{"uri": {"prefix": "/host"}}], "rewrite": {"authority": "new.com"}, "route": to("one")},
        {"match": [{"uri": {"prefix": "/both"}}], "rewrite": {"uri": "/new", "authority": "new.com:99"}, "route": to("one")},
        {"route": to("one")},
    ]);
    let listener = listener(envoy, rules).await?;
    for (path, new_path, host, original_path, original_host) in [
        ("/path?q", "/new?q", "old.com:80", "/path?q", "forged"),
        ("/host", "/host", "new.com", "forged", "old.com:80"),
        ("/both", "/new", "new.com:99", "/both", "old.com:80"),
        ("/none", "/none", "old.com:80", "forged", "forged"),
    ] {
        let request = listener.get(path).host("old.com:80");
        let request = request.header("x-envoy-original-path", "forged").header("x-envoy-original-host", "forged");
        for answer in both(request).await? {
            let echo = answer.echo();
            assert_eq!((echo.path.as_str(), echo.authority.as_str()), (new_path, host));
            assert_eq!(echo.header_lines("x-envoy-original-path"), [original_path], "{path}");
            assert_eq!(echo.header_lines("x-envoy-original-host"), [original_host], "{path}");
        }
    }
    Ok(())
}

/// Of several destinations, one rewrites the host before the rule does, and Envoy then takes that for the original.
async fn hosts_are_rewritten_level_by_level(envoy: &Envoy) -> Result<()> {
    let own = json!({"request": {"set": {"Host": "own.com"}}});
    let one = json!([{"destination": {"host": "one"}, "headers": own}]);
    let mut two = one.clone();
    two[0]["weight"] = json!(1);
    two.as_array_mut().unwrap().push(json!({"destination": {"host": "two"}, "weight": 0}));
    let by_route = json!({"authority": "route.com"});
    let seen = json!({"request": {"set": {"x-seen": "%REQ(:authority)%"}}});
    for (route, rewrite, host, original, seen_host) in [
        (&one, Value::Null, "own.com", Some("old.com"), "old.com"),
        (&one, by_route.clone(), "route.com", Some("old.com"), "old.com"),
        (&two, Value::Null, "own.com", None, "own.com"),
        (&two, by_route.clone(), "route.com", Some("own.com"), "own.com"),
    ] {
        let listener = listener(envoy, json!([{"rewrite": rewrite, "route": route, "headers": seen}])).await?;
        for answer in both(listener.get("/").host("old.com")).await? {
            let echo = answer.echo();
            assert_eq!((echo.service.as_str(), echo.authority.as_str()), ("one", host), "{rewrite} {route}");
            assert_eq!(echo.header("x-envoy-original-host"), original, "{rewrite} {route}");
            assert_eq!(echo.header("x-seen"), Some(seen_host), "{rewrite} {route}");
        }
    }
    Ok(())
}

/// Operations on the request see it as it came; those on the response, and the log, as it was sent.
async fn who_sees_what(envoy: &Envoy) -> Result<()> {
    let rules = json!([{
        "rewrite": {"uri": "/new", "authority": "new.com"}, "route": to("one"),
        "headers": {
            "request": {"set": {"x-seen": "%REQ(:path)% %REQ(:authority)% [%REQ(x-envoy-original-path)%]"}},
            "response": {"set": {"x-sent": "%REQ(:path)% %REQ(:authority)% [%REQ(x-envoy-original-path)%]"}},
        },
    }]);
    let listener = listener(envoy, rules).await?;
    for answer in both(listener.get("/").host("old.com")).await? {
        assert_eq!(answer.echo().header("x-seen"), Some("/ old.com []"));
        assert_eq!(answer.header("x-sent").as_deref(), Some("/new new.com [/]"));
    }
    let log = listener.access_log(2).await?;
    assert!(log.iter().all(|line| line["path"] == "/new"), "{log:?}");
    Ok(())
}
