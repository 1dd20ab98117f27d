//! `redirect` and `directResponse`.

use anyhow::Result;
use envoy_test::{Connection, Envoy, ListenerConfig, Test, Tls, tests};
use serde_json::{Value, json};

use super::{Case, Pair};

pub fn tests() -> Vec<Test> {
    tests![locations, over_tls, prefixes, codes, direct_responses, details]
}

fn redirect(ours: Value, theirs: Value) -> Case {
    Case::new(json!({"redirect": ours}), json!({"redirect": theirs}))
}

async fn locations(envoy: &Envoy) -> Result<()> {
    let cases = [
        (json!({"uri": "/n"}), json!({"path_redirect": "/n"})),
        (json!({"uri": "n"}), json!({"path_redirect": "n"})),
        (json!({"uri": "/n?x"}), json!({"path_redirect": "/n?x"})),
        (json!({"uri": "/n?"}), json!({"path_redirect": "/n?"})),
        (json!({"uri": "/n#f"}), json!({"path_redirect": "/n#f"})),
        (json!({"uri": "//n"}), json!({"path_redirect": "//n"})),
        (json!({"authority": "o"}), json!({"host_redirect": "o"})),
        (json!({"authority": "O:99"}), json!({"host_redirect": "O:99"})),
        (json!({"authority": "o:99", "port": 98}), json!({"host_redirect": "o:99", "port_redirect": 98})),
        (
            json!({"authority": "[::1]:80", "scheme": "https"}),
            json!({"host_redirect": "[::1]:80", "scheme_redirect": "https"}),
        ),
        (json!({"scheme": "https"}), json!({"scheme_redirect": "https"})),
        (json!({"scheme": "http"}), json!({"scheme_redirect": "http"})),
        (json!({"port": 8443}), json!({"port_redirect": 8443})),
        // istiod leaves out what is the scheme's own port.
        (json!({"port": 443}), json!({"port_redirect": 443})),
        (json!({"port": 80, "scheme": "https"}), json!({"port_redirect": 80, "scheme_redirect": "https"})),
        (json!({"port": 443, "scheme": "http"}), json!({"port_redirect": 443, "scheme_redirect": "http"})),
        (json!({"port": 443, "scheme": "https"}), json!({"scheme_redirect": "https"})),
        (json!({"port": 80, "scheme": "http"}), json!({"scheme_redirect": "http"})),
        (json!({"port": 80}), json!({})),
        (json!({"derivePort": "FROM_PROTOCOL_DEFAULT"}), json!({})),
        (
            json!({"derivePort": "FROM_PROTOCOL_DEFAULT", "scheme": "https", "uri": "/n", "authority": "o"}),
            json!({"scheme_redirect": "https", "path_redirect": "/n", "host_redirect": "o"}),
        ),
    ];
    let pair = Pair::new(envoy, cases.map(|(ours, theirs)| redirect(ours, theirs)).into()).await?;
    let mut requests = Vec::new();
    for host in ["h", "H:80", "h:443", "h:8080", "[::1]", "[::1]:80", "[::1]:443", "h:"] {
        let request = pair.get("/a/b?q=1?2").host(host);
        requests.push(request.clone());
        requests.extend(["http", "https"].map(|scheme| request.clone().header("x-forwarded-proto", scheme)));
    }
    requests.extend(["/", "/?", "//a", "/%41?%41"].map(|path| pair.get(path)));
    pair.same(&requests).await
}

/// The scheme is the connection's, and what istiod leaves out is the port of that scheme.
async fn over_tls(envoy: &Envoy) -> Result<()> {
    let rows = [
        (json!({"uri": "/n"}), json!({"path_redirect": "/n"}), "h:443", "https://h:443/n"),
        (json!({"port": 443}), json!({}), "h:8443", "https://h:8443/a"),
        (json!({"port": 80}), json!({"port_redirect": 80}), "h:8443", "https://h:80/a"),
        (json!({"scheme": "https"}), json!({"scheme_redirect": "https"}), "h:443", "https://h:443/a"),
        (json!({"scheme": "http"}), json!({"scheme_redirect": "http"}), "h:443", "http://h/a"),
        (json!({"scheme": "http"}), json!({"scheme_redirect": "http"}), "h:80", "http://h:80/a"),
        (
            json!({"scheme": "http", "port": 443}),
            json!({"scheme_redirect": "http", "port_redirect": 443}),
            "h",
            "http://h:443/a",
        ),
    ];
    let cases = rows.iter().map(|(ours, theirs, ..)| redirect(ours.clone(), theirs.clone())).collect();
    let tls = Tls::new(["h"])?;
    let pair = Pair::on(envoy, ListenerConfig::new().tls(&tls), cases).await?;
    for listener in [&pair.ours, &pair.theirs] {
        for (number, (ours, _, host, expected)) in rows.iter().enumerate() {
            let request = listener.get("/a").host(host).header("case", number.to_string());
            let answer = Connection::open_tls(listener.address(), "h", &tls).await?.send(request).await?;
            assert_eq!(answer.header_lines("location"), [*expected], "{ours} of {listener:?}");
        }
    }
    Ok(())
}

async fn prefixes(envoy: &Envoy) -> Result<()> {
    let mut cases = Vec::new();
    for (condition, matches) in [
        (json!({"uri": {"prefix": "/foo"}}), json!({"prefix": "/foo"})),
        (
            json!({"uri": {"prefix": "/FOO/"}, "ignoreUriCase": true}),
            json!({"prefix": "/FOO/", "case_sensitive": false}),
        ),
        (json!({}), json!({"prefix": "/"})),
    ] {
        for to in ["/", "/n", "/n/", "n", "/n?x=1", "/n#f"] {
            let mut case = redirect(json!({"prefixRewrite": to}), json!({"prefix_rewrite": to}));
            case.rule["match"] = condition.clone();
            case.route["match"] = matches.clone();
            cases.push(case);
        }
    }
    let pair = Pair::new(envoy, cases).await?;
    pair.same(&["/foo", "/foo/", "/foo/bar?q=1", "/foobar", "/Foo/?a?b", "/"].map(|path| pair.get(path))).await
}

async fn codes(envoy: &Envoy) -> Result<()> {
    let codes = [
        (0, "MOVED_PERMANENTLY"),
        (301, "MOVED_PERMANENTLY"),
        (302, "FOUND"),
        (303, "SEE_OTHER"),
        (307, "TEMPORARY_REDIRECT"),
        (308, "PERMANENT_REDIRECT"),
    ];
    let headers = json!({"response": {"set": {"x": "1", "location": "/ours"}, "add": {"y": "%REQ(:path)%"}}});
    let cases = codes.map(|(code, name)| {
        let (uri, path) =
            (json!({"uri": "/n", "redirectCode": code}), json!({"path_redirect": "/n", "response_code": name}));
        [redirect(uri.clone(), path.clone()), redirect(uri, path).with_headers(&headers)]
    });
    let pair = Pair::new(envoy, cases.concat()).await?;
    let post = pair.ours.post("/a").body("sent");
    let grpc = pair.ours.post("/a").header("content-type", "application/grpc");
    pair.same(&[pair.get("/a?q"), pair.ours.request("HEAD", "/"), post, grpc]).await
}

async fn direct_responses(envoy: &Envoy) -> Result<()> {
    let operations = [
        json!({}),
        json!({"set": {"content-type": "a/b", "x": "%RESP(content-type)%%RESP(:status)%"}}),
        json!({"add": {"content-type": "a/b", "server": "ours", "date": "ours"}, "remove": ["content-length"]}),
        json!({"remove": ["content-type", "location", "server", "date"], "add": {"set-cookie": "a=1"}}),
    ];
    let mut cases = Vec::new();
    for (status, body) in [
        (200, "text"),
        (200, ""),
        (201, ""),
        (204, ""),
        (302, "moved"),
        (304, ""),
        (404, "100% %REQ(x)%"),
        (418, "\u{e9} a\tb\n\"c\""),
        (429, ""),
        (503, "a b%"),
        (599, "{}"),
    ] {
        for operations in &operations {
            let ours = json!({"directResponse": {"status": status, "body": {"string": body}}});
            let theirs = json!({"direct_response": {"status": status, "body": {"inline_string": body}}});
            cases.push(Case::new(ours, theirs).with_headers(&json!({"response": operations})));
        }
    }
    // The same bytes in both.
    let ours = json!({"directResponse": {"status": 200, "body": {"bytes": "/wBhCg=="}}});
    cases.push(Case::new(ours, json!({"direct_response": {"status": 200, "body": {"inline_bytes": "/wBhCg=="}}})));
    let pair = Pair::new(envoy, cases).await?;
    let post = pair.ours.post("/a").body("sent");
    let grpc = pair.ours.post("/a").header("content-type", "application/grpc");
    pair.same(&[pair.get("/a?q").host("h:80"), pair.ours.request("HEAD", "/"), post, grpc]).await
}

/// The access log says which rule answered.
async fn details(envoy: &Envoy) -> Result<()> {
    let direct = json!({"status": 503});
    let cases = vec![
        redirect(json!({"uri": "/n"}), json!({"path_redirect": "/n"})),
        Case::new(json!({"directResponse": direct}), json!({"direct_response": direct})),
    ];
    let pair = Pair::new(envoy, cases).await?;
    for (number, expected) in [
        "pointsman_redirect{virtualServices[0]_http[0].match[0]}",
        "pointsman_direct_response{virtualServices[0]_http[1].match[0]}",
    ]
    .into_iter()
    .enumerate()
    {
        pair.get("/").header("case", number.to_string()).send().await?;
        assert_eq!(pair.ours.access_log(number + 1).await?[number]["details"], expected);
    }
    Ok(())
}
