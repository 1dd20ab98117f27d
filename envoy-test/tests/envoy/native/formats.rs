//! Format strings in header operations.

use anyhow::Result;
use envoy_test::{Envoy, ListenerConfig, Reply, Test, Upstream, tests};
use serde_json::{Value, json};

use super::{Case, Pair, add, operations};

pub fn tests() -> Vec<Test> {
    tests![values, addresses, two_levels, answers_of_the_proxy, what_is_no_format]
}

/// A rule with one destination, or one of several, and both levels of operations, which are one level with one.
fn case(cluster: &str, route_level: &Value, own_level: &Value, alone: bool) -> Case {
    let mut destinations = vec![json!({"destination": {"host": cluster}, "weight": 1, "headers": own_level})];
    let mut route = if alone { operations(&[route_level, own_level]) } else { operations(&[route_level]) };
    if alone {
        route["route"] = json!({"cluster": cluster, "timeout": "0s"});
    } else {
        destinations.push(json!({"destination": {"host": "default"}, "weight": 0}));
        let mut weighted = operations(&[own_level]);
        add(&mut weighted, json!({"name": cluster, "weight": 1}));
        route["route"] = json!({"weighted_clusters": {"clusters": [weighted]}, "timeout": "0s"});
    }
    Case::new(json!({"route": destinations, "headers": route_level}), route)
}

/// An upstream whose answers have headers to read: two lines of one name, and an empty one.
async fn upstream(envoy: &Envoy) -> Result<Upstream> {
    let upstream = envoy.upstream("answers").await?;
    let reply = Reply::status(201).header("a", "up").header("a", "up 2").header("empty", "");
    upstream.script([reply.header("b", "bee").header("bytes", b"\xff\xfe")]);
    Ok(upstream)
}

/// What a request with these headers shows of a format, in operations on the request and on the response alike.
const VALUES: [(&str, &str); 31] = [
    ("plain", "plain"),
    ("100%%", "100%"),
    ("%%REQ(x)%%", "%REQ(x)%"),
    ("%REQ(x)%", "one"),
    ("%REQ(X)%", "one"),
    ("%REQ(x)%%REQ(y)%", "onewhy"),
    ("%REQ(x)%%%%REQ(y)%", "one%why"),
    ("<%REQ(x)%, \"%REQ(y)%\">", "<one, \"why\">"),
    ("a-%REQ(missing)%-b", "a--b"),
    ("%REQ(missing)%", ""),
    ("%REQ(missing)%%REQ(empty)%", ""),
    ("%REQ(missing?x)%", "one"),
    ("%REQ(x?y)%", "one"),
    ("%REQ(empty?x)%|", "|"),
    ("%REQ(missing?missing2)%|", "|"),
    ("%REQ(x):2%", "on"),
    ("%REQ(x):3%", "one"),
    ("%REQ(x):99%", "one"),
    ("%REQ(x):0%|", "|"),
    ("%REQ(missing?x):1%", "o"),
    ("%REQ(bytes)%", "\u{ff}\u{fe}"),
    ("%REQ(bytes):1%", "\u{ff}"),
    ("%REQ(many)%", "1"),
    ("%REQ(accept)%", "a,b"),
    ("%REQ(:path)%", "/p?q=1%25"),
    ("%REQ(:authority)%", "Shop:80"),
    ("%REQ(host)%", "Shop:80"),
    ("%REQ(:method)%", "GET"),
    ("%REQ(:scheme)%", "http"),
    ("%PROTOCOL%", "PROTOCOL"),
    ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "127.0.0.1"),
];

/// The same of the response.
const RESPONSE_VALUES: [(&str, &str); 9] = [
    ("%RESP(:status)%", "201"),
    ("%RESP(a)%", "up"),
    ("%RESP(A):1%", "u"),
    ("%RESP(missing?b)%", "bee"),
    ("%RESP(empty?b)%|", "|"),
    ("%RESP(bytes)%", "\u{ff}\u{fe}"),
    ("%RESP(x)%|%REQ(b)%", "|"),
    ("%REQ(x)%/%RESP(b)%", "one/bee"),
    ("%RESP(missing)%", ""),
];

async fn values(envoy: &Envoy) -> Result<()> {
    let upstream = upstream(envoy).await?;
    let name = |number: usize| format!("v-{number}");
    let sets = |values: &[(&str, &str)]| -> Value {
        values.iter().enumerate().map(|(number, (format, _))| (name(number), json!(format))).collect()
    };
    let in_response = [VALUES.as_slice(), &RESPONSE_VALUES].concat();
    let levels = json!({"request": {"set": sets(&VALUES)}, "response": {"set": sets(&in_response)}});
    let pair = Pair::new(envoy, vec![case(upstream.name(), &levels, &Value::Null, true)]).await?;
    for listener in [pair.ours, pair.theirs] {
        let mut request = listener.get("/p?q=1%25").host("Shop:80").header("case", "0").header("bytes", b"\xff\xfe");
        for (name, value) in
            [("x", "one"), ("y", "why"), ("empty", ""), ("many", "1"), ("many", "2"), ("accept", "a"), ("accept", "b")]
        {
            request = request.header(name, value);
        }
        for (answer, protocol) in
            [(request.clone().send().await?, "HTTP/1.1"), (request.http2().send().await?, "HTTP/2")]
        {
            let echo = answer.echo();
            for (number, (format, expected)) in in_response.iter().enumerate() {
                let expected = expected.replace("PROTOCOL", protocol);
                let expected: Vec<&str> =
                    Some(expected.as_str()).filter(|value| !value.is_empty()).into_iter().collect();
                assert_eq!(answer.header_lines(&name(number)), expected, "{format} in a response of {listener:?}");
                if number < VALUES.len() {
                    assert_eq!(echo.header_lines(&name(number)), expected, "{format} in a request to {listener:?}");
                }
            }
        }
    }
    Ok(())
}

async fn addresses(envoy: &Envoy) -> Result<()> {
    let upstream = upstream(envoy).await?;
    let remote = "%DOWNSTREAM_REMOTE_ADDRESS%=%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%:%DOWNSTREAM_REMOTE_PORT%";
    let local = "%DOWNSTREAM_LOCAL_ADDRESS%=%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%:%DOWNSTREAM_LOCAL_PORT%";
    let both = json!({"set": {"remote": remote, "local": local}});
    let mut levels = json!({"request": both, "response": both});
    levels["response"]["set"]["upstream"] = json!("%UPSTREAM_HOST%");
    let mut upstreams = Vec::new();
    let pair = Pair::new(envoy, vec![case(upstream.name(), &levels, &Value::Null, true)]).await?;
    for listener in [pair.ours, pair.theirs] {
        let answer = listener.get("/").header("case", "0").send().await?;
        let own = listener.address();
        assert_eq!(answer.header("local"), Some(format!("{own}={own}")));
        let remote = answer.header("remote").unwrap_or_default();
        let (whole, parts) = remote.split_once('=').unwrap_or_default();
        assert!(whole == parts && whole.starts_with("127.0.0.1:") && !whole.ends_with(':'), "{remote}");
        assert_ne!(whole, own.to_string());
        for name in ["remote", "local"] {
            assert_eq!(answer.echo().header(name), answer.header(name).as_deref());
        }
        upstreams.extend(answer.header("upstream"));
    }
    assert!(upstreams.len() == 2 && upstreams[0] == upstreams[1] && upstreams[0].starts_with("127.0.0.1:"));
    Ok(())
}

/// One level sees what it removes itself and all that the other has done, but nothing of what it sets and adds itself.
async fn two_levels(envoy: &Envoy) -> Result<()> {
    let upstream = upstream(envoy).await?;
    let levels = [
        json!({}),
        json!({"set": {"a": "%REQ(b)%", "b": "%REQ(a)%"}}),
        json!({"remove": ["a"], "set": {"b": "%REQ(a)%-%REQ(b)%"}}),
        json!({"add": {"a": "%REQ(a)%+", "b": "%REQ(missing)%"}}),
        json!({"remove": ["a", "b"], "add": {"a": "new %REQ(b?c)%"}, "set": {"c": "%REQ(a)%"}}),
        json!({"set": {"c": "%REQ(a?b):2%", "a": ""}, "add": {"c": "%REQ(c)%100%%", "a": "%REQ(empty)%"}}),
    ]
    .map(|request| {
        let response = request.to_string().replace("REQ(", "RESP(");
        json!({"request": request, "response": serde_json::from_str::<Value>(&response).unwrap_or_default()})
    });
    let mut cases = Vec::new();
    for (route, own) in levels.iter().flat_map(|route| levels.iter().map(move |own| (route, own))) {
        cases.extend([true, false].map(|alone| case(upstream.name(), route, own, alone)));
    }
    let pair = Pair::new(envoy, cases).await?;
    let headers: [&[(&str, &str)]; 3] = [&[], &[("b", "two"), ("a", "1"), ("a", "2")], &[("a", ""), ("c", "sea")]];
    let with = |headers: &[(&str, &str)]| {
        headers.iter().fold(pair.get("/"), |request, (name, value)| request.header(name, value))
    };
    pair.same(&headers.map(with)).await
}

/// The operations are made on what Envoy answers itself, too, and see that answer.
async fn answers_of_the_proxy(envoy: &Envoy) -> Result<()> {
    let broken = envoy.upstream("broken").await?;
    broken.script([Reply::close()]);
    let response = json!({"set": {
        "s": "%RESP(:status)%", "l": "%RESP(location)%", "t": "%RESP(content-type)%", "r": "%REQ(a)%", "e": "%RESP(a)%",
        "p": "%REQ(:path)%", "w": "%REQ(x)%", "u": "%UPSTREAM_HOST%",
    }});
    let levels = json!({"request": {"set": {"x": "seen %REQ(a)%", "a": "new"}}, "response": response});
    let mut cases = vec![
        case("nobody", &levels, &Value::Null, true),
        case("nobody", &levels, &levels, false),
        case(broken.name(), &levels, &Value::Null, true),
    ];
    for (rule, route) in [
        (
            json!({"directResponse": {"status": 200, "body": {"string": "text"}}}),
            json!({"direct_response": {"status": 200, "body": {"inline_string": "text"}}}),
        ),
        (json!({"directResponse": {"status": 404}}), json!({"direct_response": {"status": 404}})),
        (json!({"redirect": {"uri": "/n"}}), json!({"redirect": {"path_redirect": "/n"}})),
    ] {
        cases.push(Case::new(rule, route).with_headers(&json!({"response": response})));
    }
    let pair = Pair::new(envoy, cases).await?;
    pair.same(&[pair.get("/?q"), pair.get("/").header("a", "one").host("h:80")]).await
}

/// What Envoy refuses is refused, and so is what it would take and a filter could not compute.
async fn what_is_no_format(envoy: &Envoy) -> Result<()> {
    let ours = Pair::new(envoy, vec![case("default", &Value::Null, &Value::Null, true)]).await?.ours;
    for (format, is_envoys) in [
        ("%", true),
        ("100%", true),
        ("a%b", true),
        ("%REQ(x)", true),
        ("%REQ(x)%%", true),
        ("%FOO%", true),
        ("%PROTOCOL(x)%", true),
        ("%REQ(x?y?z)%", true),
        ("%HOSTNAME%", false),
        ("%RESPONSE_CODE%", false),
    ] {
        let levels = json!({"response": {"set": {"x-bad": format}}});
        let Case { rule, mut route } = case("default", &levels, &Value::Null, true);
        let policy = json!({"virtualServices": [{"hosts": ["*"], "http": [rule]}]});
        let why = ours.update_policy(policy).await?.rejected();
        assert!(why.contains("x-bad"), "{format}: {why}");
        route["match"] = json!({"prefix": "/"});
        let native = envoy.add_listener(ListenerConfig::new().routes([route])).await;
        assert_eq!(native.is_err(), is_envoys, "{format}");
    }
    Ok(())
}
