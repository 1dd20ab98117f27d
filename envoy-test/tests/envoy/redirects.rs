//! `redirect` and `directResponse`: what the client is answered, without any upstream.

use anyhow::Result;
use envoy_test::{Answer, Envoy, Listener, ListenerConfig, Request, Test, module, tests};
use serde_json::{Value, json};

pub fn tests() -> Vec<Test> {
    tests![
        locations,
        the_listeners_own_port,
        redirects_have_no_body,
        direct_responses,
        operations_on_them,
        answers_to_grpc
    ]
}

async fn listener(envoy: &Envoy, http: Value) -> Result<Listener> {
    let policy = json!({"virtualServices": [{"hosts": ["*"], "http": http}]});
    envoy.add_listener(ListenerConfig::new().module(module("pointsman-routing")?).policy(policy)).await
}

async fn both(request: Request) -> Result<[Answer; 2]> {
    Ok([request.clone().send().await?, request.http2().send().await?])
}

/// The rule, a host, a path, and the location.
async fn locations(envoy: &Envoy) -> Result<()> {
    let rows = [
        (json!({"uri": "/n"}), "h", "/a?q=1", "http://h/n?q=1"),
        (json!({"uri": "/n?x"}), "h:8080", "/a?q=1", "http://h:8080/n?x"),
        (json!({"uri": "n"}), "h", "/a", "http://h/n"),
        (json!({"uri": "/n#f"}), "h", "/a?q=1", "http://h/n#f?q=1"),
        (json!({"authority": "o:99"}), "h:80", "/a?q=1", "http://o:99/a?q=1"),
        (json!({"authority": "o:99", "port": 98}), "h", "/", "http://o:99:98/"),
        (json!({"port": 8443}), "h:8080", "/a", "http://h:8443/a"),
        (json!({"port": 8443}), "[::1]:80", "/a", "http://[::1]:8443/a"),
        (json!({"port": 80}), "h:8080", "/a", "http://h:8080/a"),
        (json!({"port": 443, "scheme": "https"}), "h:8080", "/a", "https://h:8080/a"),
        (json!({"scheme": "https"}), "h:80", "/a", "https://h/a"),
        (json!({"scheme": "https"}), "h:8080", "/a", "https://h:8080/a"),
        (json!({"scheme": "http"}), "h:80", "/a", "http://h:80/a"),
        (json!({"derivePort": "FROM_PROTOCOL_DEFAULT"}), "h:8080", "/a", "http://h:8080/a"),
        (json!({"prefixRewrite": "/n"}), "h", "/foo/bar?q", "http://h/nfoo/bar?q"),
    ];
    let rule = |(number, (redirect, ..)): (usize, &(Value, _, _, _))| json!({"match": [{"headers": {"row": {"exact": number.to_string()}}}], "redirect": redirect});
    let rules: Vec<Value> = rows.iter().enumerate().map(rule).collect();
    let listener = listener(envoy, rules.into()).await?;
    for (number, (redirect, host, path, expected)) in rows.iter().enumerate() {
        for answer in both(listener.get(path).host(host).header("row", number.to_string())).await? {
            assert_eq!(
                (answer.status, answer.header_lines("location")),
                (301, vec![(*expected).to_owned()]),
                "{redirect}"
            );
        }
    }
    Ok(())
}

async fn the_listeners_own_port(envoy: &Envoy) -> Result<()> {
    let rules = json!([{"redirect": {"derivePort": "FROM_REQUEST_PORT", "scheme": "https", "redirectCode": 308}}]);
    let listener = listener(envoy, rules).await?;
    let expected = format!("https://h:{}/a?b", listener.address().port());
    for answer in both(listener.get("/a?b").host("h:1")).await? {
        assert_eq!((answer.status, answer.header("location")), (308, Some(expected.clone())));
    }
    Ok(())
}

async fn redirects_have_no_body(envoy: &Envoy) -> Result<()> {
    for code in [0, 301, 302, 303, 307, 308] {
        let listener = listener(envoy, json!([{"redirect": {"uri": "/n", "redirectCode": code}}])).await?;
        for answer in both(listener.post("/").body("sent")).await? {
            assert_eq!(answer.status, if code == 0 { 301 } else { code });
            assert_eq!((answer.text().as_str(), answer.header("content-type")), ("", None));
        }
    }
    Ok(())
}

async fn direct_responses(envoy: &Envoy) -> Result<()> {
    for (answer, status, body, kind, location) in [
        (json!({"status": 503, "body": {"string": "100% %REQ(x)%"}}), 503, "100% %REQ(x)%", Some("text/plain"), None),
        (json!({"status": 200, "body": {"bytes": "aGk="}}), 200, "hi", Some("text/plain"), None),
        (json!({"status": 404}), 404, "", None, None),
        (json!({"status": 204}), 204, "", None, None),
        (json!({"status": 200, "body": {"string": ""}}), 200, "", None, None),
        // Envoy's router says where it is what was created or has moved: where it was.
        (json!({"status": 201}), 201, "", None, Some("http://h:80/a?b")),
        (json!({"status": 307, "body": {"string": "x"}}), 307, "x", Some("text/plain"), Some("http://h:80/a?b")),
    ] {
        let listener = listener(envoy, json!([{"directResponse": answer}])).await?;
        for got in both(listener.get("/a?b").host("h:80")).await? {
            assert_eq!((got.status, got.text().as_str()), (status, body), "{answer}");
            assert_eq!(got.header("content-type").as_deref(), kind, "{answer}");
            assert_eq!(got.header("location").as_deref(), location, "{answer}");
        }
        let head = listener.request("HEAD", "/").send().await?;
        assert_eq!((head.status, head.text().as_str()), (status, ""), "{answer}");
    }
    Ok(())
}

/// Envoy writes length and type of a body when the operations have been made; an operation may say another type, but
/// none where there is no body.
async fn operations_on_them(envoy: &Envoy) -> Result<()> {
    let text = json!({"directResponse": {"status": 418, "body": {"string": "tea"}}});
    let empty = json!({"redirect": {"uri": "/n"}});
    for (rule, operations, kind, seen) in [
        (&text, json!({"set": {"content-type": "a/b"}}), Some("a/b"), None),
        (&text, json!({"add": {"content-type": "a/b"}}), Some("a/b"), None),
        (&text, json!({"remove": ["content-type", "content-length"]}), Some("text/plain"), None),
        (&text, json!({"set": {"x": "%RESP(content-type)%%RESP(:status)%"}}), Some("text/plain"), Some("418")),
        (&empty, json!({"set": {"content-type": "a/b"}}), None, None),
        (&empty, json!({"set": {"x": "%RESP(location)%"}}), None, Some("http://h/n")),
        (&empty, json!({"set": {"location": "/o", "x": "%REQ(:path)%"}}), None, Some("/")),
    ] {
        let mut rule = rule.clone();
        rule["headers"] = json!({"response": operations});
        let listener = listener(envoy, json!([rule])).await?;
        for answer in both(listener.get("/").host("h")).await? {
            assert_eq!(answer.header_lines("content-type"), Vec::from_iter(kind), "{rule}");
            assert_eq!(answer.header("x").as_deref(), seen, "{rule}");
            assert!(matches!(answer.header("content-length").as_deref(), None | Some("0" | "3")), "{answer}");
        }
    }
    Ok(())
}

/// Envoy turns them into gRPC's own form.
async fn answers_to_grpc(envoy: &Envoy) -> Result<()> {
    let listener = listener(
        envoy,
        json!([{
            "directResponse": {"status": 503, "body": {"string": "a b%"}},
            "headers": {"response": {"set": {"x": "1", "content-type": "text/html"}}},
        }]),
    )
    .await?;
    let answer = listener.post("/").header("content-type", "application/grpc").http2().send().await?;
    assert_eq!((answer.status, answer.header("grpc-status").as_deref()), (200, Some("14")));
    assert_eq!(answer.header("grpc-message").as_deref(), Some("a b%25"));
    assert_eq!(answer.header_lines("content-type"), ["application/grpc"]);
    assert_eq!(answer.header("x").as_deref(), Some("1"));
    Ok(())
}
