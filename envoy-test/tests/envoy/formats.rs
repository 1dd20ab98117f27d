//! Envoy's format strings in header values: what each command says, and at what point of a request's way.

use anyhow::Result;
use envoy_test::{Envoy, Listener, ListenerConfig, Reply, Test, UpstreamConfig, module, tests};
use serde_json::{Value, json};

pub fn tests() -> Vec<Test> {
    tests![
        commands_of_a_request,
        commands_of_a_response,
        levels_see_what_was_done_before,
        nothing_does_nothing,
        an_answer_without_an_upstream
    ]
}

async fn listener(envoy: &Envoy, rule: Value) -> Result<Listener> {
    envoy.echoes(["one"]).await?;
    let policy = json!({"virtualServices": [{"hosts": ["*"], "http": [rule]}]});
    envoy.add_listener(ListenerConfig::new().module(module("pointsman-routing")?).policy(policy)).await
}

/// Sets a header for each row, named by its number.
fn set(rows: &[(&str, String)]) -> Value {
    let name = |number| format!("x-{number}");
    rows.iter()
        .enumerate()
        .map(|(number, (format, _))| (name(number), json!(format)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

async fn commands_of_a_request(envoy: &Envoy) -> Result<()> {
    // Found out first: the rows name the port.
    let probe = listener(envoy, json!({"route": [{"destination": {"host": "one"}}]})).await?;
    let port = |listener: &Listener| listener.address().port().to_string();
    let rows = |port: &str| {
        [
            ("%REQ(a)%", "1".to_owned()),
            ("<%REQ(A)%|%REQ(b)%>", "<1|>".into()),
            ("%REQ(b?a)%", "1".into()),
            ("%REQ(empty?a)%.", ".".into()),
            ("%REQ(long):3%", "abc".into()),
            ("%REQ(:path)% %REQ(:METHOD)% %REQ(:authority)% %REQ(host)%", "/p?q=1 GET h:80 h:80".into()),
            ("%REQ(:path):2%", "/p".into()),
            ("100%% %%REQ(a)%%", "100% %REQ(a)%".into()),
            ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "127.0.0.1".into()),
            ("%DOWNSTREAM_LOCAL_ADDRESS%", format!("127.0.0.1:{port}")),
            ("%DOWNSTREAM_LOCAL_PORT%", port.to_owned()),
        ]
    };
    let ours = rows("");
    let rule = json!({"route": [{"destination": {"host": "one"}}], "headers": {"request": {"set": set(&ours)}}});
    let listener = listener(envoy, rule).await?;
    assert_ne!(port(&probe), port(&listener));
    for http2 in [false, true] {
        let request = listener.get("/p?q=1").host("h:80").header("a", "1").header("a", "2").header("empty", "");
        let request = request.header("long", "abcdef");
        let echo = if http2 { request.http2() } else { request }.send().await?.echo();
        for (number, (format, expected)) in rows(&port(&listener)).iter().enumerate() {
            assert_eq!(echo.header(&format!("x-{number}")), Some(expected.as_str()), "{format}");
        }
    }
    Ok(())
}

async fn commands_of_a_response(envoy: &Envoy) -> Result<()> {
    let upstream = envoy.upstream("one").await?;
    upstream.script([Reply::status(418).header("y", "1").header("y", "2").header("content-type", "a/b")]);
    let address = upstream.addresses()[0].to_string();
    let rows = [
        ("%RESP(y)%%RESP(Y):0%", "1".to_owned()),
        ("%RESP(:status)%", "418".into()),
        ("%RESP(z?content-type)%", "a/b".into()),
        ("%REQ(a)%%REQ(added)%", "1ours".into()),
        ("%REQ(x-envoy-original-path?:path)% %REQ(:path)%", "/p /new".into()),
        ("%UPSTREAM_HOST%", address),
        ("%PROTOCOL%", "HTTP/1.1".into()),
    ];
    let operations = json!({"request": {"set": {"added": "ours"}}, "response": {"set": set(&rows)}});
    let route = json!([{"destination": {"host": upstream.name()}}]);
    let listener = listener(
        envoy,
        json!({"rewrite": {"uri": "/new"}, "match": [{"uri": {"exact": "/p"}}], "route": route,
        "headers": operations}),
    )
    .await?;
    let answer = listener.get("/p").header("a", "1").send().await?;
    for (number, (format, expected)) in rows.iter().enumerate() {
        assert_eq!(answer.header(&format!("x-{number}")).as_ref(), Some(expected), "{format}");
    }
    let answer = listener.get("/p").http2().send().await?;
    assert_eq!(answer.header("x-6").as_deref(), Some("HTTP/2"));
    Ok(())
}

/// Within a level all values are computed when its removals are done and before it sets or adds anything.
async fn levels_see_what_was_done_before(envoy: &Envoy) -> Result<()> {
    let level = |name: &str| {
        json!({"request": {
            "remove": ["gone"], "set": {"a": name, "saw": "%REQ(a)%"}, "add": {"log": format!("{name}:%REQ(a)%:%REQ(gone)%")},
        }})
    };
    for (destinations, log, saw) in [(1, ["route:0:", "own:0:"], "0"), (2, ["own:0:", "route:own:"], "own")] {
        let mut route = vec![json!({"destination": {"host": "one"}, "weight": 1, "headers": level("own")})];
        route.extend((1..destinations).map(|_| json!({"destination": {"host": "nobody"}, "weight": 0})));
        let listener = listener(envoy, json!({"route": route, "headers": level("route")})).await?;
        let echo = listener.get("/").header("a", "0").header("gone", "x").send().await?.echo();
        assert_eq!((echo.header_lines("log"), echo.header_lines("saw")), (log.to_vec(), vec![saw]), "{destinations}");
    }
    Ok(())
}

/// A value of which nothing is left neither sets nor adds; what was removed stays removed.
async fn nothing_does_nothing(envoy: &Envoy) -> Result<()> {
    let operations = json!({
        "set": {"kept": "%REQ(none)%", "new": "%REQ(none)%"}, "add": {"more": "%REQ(none)%"}, "remove": ["gone"],
    });
    let both = json!({"request": operations, "response": {"set": {"y": "%REQ(none)%"}, "add": {"z": "%RESP(none)%"}}});
    let listener = listener(envoy, json!({"route": [{"destination": {"host": "one"}}], "headers": both})).await?;
    let request = listener.get("/").header("kept", "1").header("more", "1").header("gone", "1");
    let answer = request.send().await?;
    let echo = answer.echo();
    for (name, expected) in [("kept", vec!["1"]), ("more", vec!["1"]), ("new", vec![]), ("gone", vec![])] {
        assert_eq!(echo.header_lines(name), expected, "{name}");
    }
    assert_eq!((answer.header("y"), answer.header("z")), (None, None));
    Ok(())
}

/// Where Envoy knows no upstream it has not made the request's operations, and the response's do not see them.
async fn an_answer_without_an_upstream(envoy: &Envoy) -> Result<()> {
    let empty = envoy.add_upstream(UpstreamConfig::new("empty").endpoints(0)).await?;
    let slow = envoy.upstream("slow").await?;
    slow.script([Reply::status(200).held()]);
    for (host, status, seen) in [("nobody", 503, "0 /old"), (empty.name(), 503, "0 /old"), (slow.name(), 504, "1 /new")]
    {
        let operations = json!({
            "request": {"set": {"a": "1"}},
            "response": {"set": {"x": "%REQ(a)% %REQ(:path)%", "y": "%RESP(content-length)%%RESP(content-type)%"}},
        });
        let listener = listener(
            envoy,
            json!({"route": [{"destination": {"host": host}}], "headers": operations,
            "match": [{"uri": {"prefix": "/old"}}], "rewrite": {"uri": "/new"}, "timeout": "30ms"}),
        )
        .await?;
        let answer = listener.get("/old").header("a", "0").send().await?;
        assert_eq!((answer.status, answer.header("x").as_deref()), (status, Some(seen)), "{host}");
        assert_eq!(answer.header("y"), None, "{host}");
    }
    Ok(())
}
