//! What becomes of headers, as upstream and client see it.

use anyhow::Result;
use envoy_test::{Answer, Envoy, Listener, ListenerConfig, Reply, Request, Test, module, tests};
use serde_json::{Value, json};

pub fn tests() -> Vec<Test> {
    tests![
        the_upstream_sees_what_the_rule_says,
        levels_win_as_in_istio,
        the_client_sees_what_the_rule_says,
        envoys_own_answers_have_them_too,
        no_rule_does_nothing,
        the_host_is_rewritten,
        values_are_bytes,
    ]
}

async fn listener(envoy: &Envoy, http: Value) -> Result<Listener> {
    let policy = json!({"virtualServices": [{"hosts": ["shop"], "http": http}]});
    let config = ListenerConfig::new().module(module("pointsman-routing")?).policy(policy);
    envoy.add_listener(config).await
}

fn to(host: &str) -> Value {
    json!([{"destination": {"host": host}}])
}

async fn both(request: Request) -> Result<[Answer; 2]> {
    Ok([request.clone().send().await?, request.http2().send().await?])
}

async fn the_upstream_sees_what_the_rule_says(envoy: &Envoy) -> Result<()> {
    envoy.echoes(["one"]).await?;
    let operations = json!({
        "set": {"Set-New": "1", "set-one": "2", "set-many": "3", "set-empty": "", "user-agent": "ours"},
        "add": {"add-new": "1", "add-one": "2", "add-empty": "", "set-many": "100%%"},
        "remove": ["Gone", "many-gone", "absent", "accept"],
    });
    let listener = listener(envoy, json!([{"route": to("one"), "headers": {"request": operations}}])).await?;
    let mut request = listener.get("/").host("shop");
    for (name, value) in [
        ("set-one", "0"),
        ("set-many", "0"),
        ("SET-MANY", "00"),
        ("set-empty", "kept"),
        ("add-one", "0"),
        ("add-empty", "kept"),
        ("gone", "0"),
        ("many-gone", "0"),
        ("many-gone", "00"),
        ("accept", "x"),
        ("user-agent", "theirs"),
        ("other", "kept"),
    ] {
        request = request.header(name, value);
    }
    for answer in both(request).await? {
        let echo = answer.echo();
        for (name, expected) in [
            ("set-new", vec!["1"]),
            ("set-one", vec!["2"]),
            ("set-many", vec!["3", "100%"]),
            ("set-empty", vec!["kept"]),
            ("add-new", vec!["1"]),
            ("add-one", vec!["0", "2"]),
            ("add-empty", vec!["kept"]),
            ("gone", vec![]),
            ("many-gone", vec![]),
            ("accept", vec![]),
            ("user-agent", vec!["ours"]),
            ("other", vec!["kept"]),
        ] {
            assert_eq!(echo.header_lines(name), expected, "{name}");
        }
    }
    Ok(())
}

/// With one destination the destination wins, with several the route does.
async fn levels_win_as_in_istio(envoy: &Envoy) -> Result<()> {
    envoy.echoes(["one", "two"]).await?;
    let operations = |of: &str| json!({"set": {"x": of, of: "1"}});
    let headers = |of: &str| json!({"request": operations(of), "response": operations(of)});
    let destination = |host: &str, weight: u32| json!({"destination": {"host": host}, "weight": weight, "headers": headers("destination")});
    for (destinations, winner) in [
        (json!([destination("one", 0)]), "destination"),
        (json!([destination("one", 1), destination("two", 0)]), "route"),
    ] {
        let listener = listener(envoy, json!([{"route": destinations, "headers": headers("route")}])).await?;
        for answer in both(listener.get("/").host("shop").header("x", "0")).await? {
            assert_eq!(answer.echo().header_lines("x"), [winner]);
            assert_eq!(answer.header_lines("x"), [winner]);
            for both in ["route", "destination"] {
                assert_eq!((answer.echo().header(both), answer.header(both).as_deref()), (Some("1"), Some("1")));
            }
        }
    }
    Ok(())
}

async fn the_client_sees_what_the_rule_says(envoy: &Envoy) -> Result<()> {
    let upstream = envoy.upstream("answers").await?;
    let reply =
        Reply::status(201).header("set-many", "0").header("set-many", "00").header("gone", "0").header("gone", "00");
    upstream.script([reply.header("add-one", "0").header("server", "theirs").header("other", "kept")]);
    let operations = json!({
        "set": {"Set-Many": "1", "set-new": "2", "set-empty": "", "Host": "a-header-like-any"},
        "add": {"add-one": "3", "set-many": "4"},
        "remove": ["gone", "absent", "x-envoy-upstream-service-time"],
    });
    let listener =
        listener(envoy, json!([{"route": to(upstream.name()), "headers": {"response": operations}}])).await?;
    for answer in both(listener.get("/").host("shop")).await? {
        assert_eq!(answer.status, 201);
        for (name, expected) in [
            ("set-many", vec!["1", "4"]),
            ("set-new", vec!["2"]),
            ("set-empty", vec![]),
            ("host", vec!["a-header-like-any"]),
            ("add-one", vec!["0", "3"]),
            ("gone", vec![]),
            ("x-envoy-upstream-service-time", vec![]),
            ("other", vec!["kept"]),
        ] {
            assert_eq!(answer.header_lines(name), expected, "{name}");
        }
    }
    Ok(())
}

/// Once a rule has decided, also what Envoy answers itself: a cluster that nobody has, an upstream that breaks.
async fn envoys_own_answers_have_them_too(envoy: &Envoy) -> Result<()> {
    let broken = envoy.upstream("broken").await?;
    broken.script([Reply::close()]);
    let operations = json!({"response": {"set": {"x-rule": "1", "content-type": "text/ours"}, "remove": ["server"]}});
    // Envoy gives an answer without a body no content type, whatever an operation says.
    let answers = [
        ("nobody", "cluster_not_found", &[][..]),
        (broken.name(), "upstream_reset_before_response_started", &["text/ours"][..]),
    ];
    for (host, details, content_type) in answers {
        let listener = listener(envoy, json!([{"route": to(host), "headers": operations}])).await?;
        for answer in both(listener.get("/").host("shop")).await? {
            assert_eq!(answer.status, 503);
            assert_eq!(answer.header_lines("x-rule"), ["1"], "{answer}");
            assert_eq!(answer.header_lines("content-type"), content_type);
        }
        let log = listener.access_log(2).await?;
        assert!(log[0]["details"].as_str().unwrap().starts_with(details), "{log:?}");
    }
    Ok(())
}

async fn no_rule_does_nothing(envoy: &Envoy) -> Result<()> {
    envoy.echoes(["one"]).await?;
    let both_ways = json!({"request": {"set": {"x-rule": "1"}}, "response": {"set": {"x-rule": "1"}}});
    let rule = json!({"match": [{"uri": {"exact": "/x"}}], "route": to("one"), "headers": both_ways});
    let listener = listener(envoy, json!([rule])).await?;
    let answer = listener.get("/").host("shop").send().await?;
    assert_eq!((answer.status, answer.header("x-rule")), (404, None));
    let answer = listener.get("/x").host("other").send().await?;
    assert_eq!((answer.status, answer.header("x-rule")), (200, None));
    assert_eq!(answer.echo().header("x-rule"), None);
    Ok(())
}

async fn the_host_is_rewritten(envoy: &Envoy) -> Result<()> {
    envoy.echoes(["one"]).await?;
    for name in ["Host", ":authority"] {
        let operations = json!({"set": {name: "inner.com:81"}, "remove": ["x-envoy-original-host"]});
        let listener = listener(envoy, json!([{"route": to("one"), "headers": {"request": operations}}])).await?;
        let request = listener.get("/").host("Shop:80").header("x-envoy-original-host", "forged");
        for answer in both(request).await? {
            let echo = answer.echo();
            assert_eq!((echo.service.as_str(), echo.authority.as_str()), ("one", "inner.com:81"));
            // HTTP/2 clients send it in lower case or not: it is what the client sent.
            assert!(echo.header_lines("x-envoy-original-host") == ["Shop:80"], "{echo:?}");
        }
    }
    // An empty one is none.
    let operations = json!({"request": {"set": {"Host": ""}}});
    let listener = listener(envoy, json!([{"route": to("one"), "headers": operations}])).await?;
    for answer in both(listener.get("/").host("shop")).await? {
        let echo = answer.echo();
        assert_eq!((echo.authority.as_str(), echo.header("x-envoy-original-host")), ("shop", None));
    }
    Ok(())
}

async fn values_are_bytes(envoy: &Envoy) -> Result<()> {
    envoy.echoes(["one"]).await?;
    let operations = json!({"set": {"x-set": "é 1,2 \t\"'"}});
    let both_ways = json!({"request": operations, "response": operations});
    let listener = listener(envoy, json!([{"route": to("one"), "headers": both_ways}])).await?;
    for answer in both(listener.get("/").host("shop").header("other", b"\xff\xfe")).await? {
        assert_eq!(answer.header("x-set").as_deref(), Some("\u{c3}\u{a9} 1,2 \t\"'"));
        let echo = answer.echo();
        assert_eq!(
            (echo.header("x-set"), echo.header("other")),
            (Some("\u{c3}\u{a9} 1,2 \t\"'"), Some("\u{ff}\u{fe}"))
        );
    }
    Ok(())
}
