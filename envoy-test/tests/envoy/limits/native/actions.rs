//! What each action makes of a request.

use anyhow::Result;
use envoy_test::{Envoy, ListenerConfig, Request, Test, tests};
use serde_json::{Value, json};

use super::super::{bucket, header};
use super::{Case, Judged, request};

pub fn tests() -> Vec<Test> {
    tests![headers, query_parameters, addresses, metadata, clusters, texts, more_than_one]
}

/// Which bucket a request takes from tells its value: each known one has a bucket of a size of its own, and every other
/// one a bucket for a single request. Without a descriptor it is the bucket for all.
fn values(action: Value, key: &str, known: &[&str], requests: Vec<Request>) -> Case {
    let entries = |value: &str| json!([{"key": key, "value": value}]);
    let exact = known.iter().zip(50..).map(|(value, size)| (*value, bucket(size)));
    let all = exact.chain([("", bucket(1))]);
    let all = all.map(|(value, bucket)| json!({"entries": entries(value), "tokenBucket": bucket}));
    let local = json!({"tokenBucket": bucket(1000), "descriptors": all.collect::<Vec<_>>()});
    // Whatever shares a bucket is refused the second time.
    Case::new(local, json!([action]), [requests.clone(), requests].concat())
}

fn paths(paths: &[&str]) -> Vec<Request> {
    paths.iter().map(|path| request(path, &[])).collect()
}

async fn headers(envoy: &Envoy) -> Result<()> {
    let lines: &[&[(&str, &str)]] = &[
        &[],
        &[("a", "1")],
        &[("a", "2")],
        &[("a", "")],
        &[("a", "1"), ("a", "2")],
        &[("a", "2"), ("a", "1")],
        &[("a", "1,2")],
        &[("a", "1"), ("a", "")],
        &[("a", ""), ("a", "1")],
        &[("A", "3")],
        &[("a", "sp ace")],
        &[("a", "tab\tbed")],
        &[("a", "x"), ("b", "y")],
    ];
    let of_a = || {
        let mut requests: Vec<Request> = lines.iter().map(|headers| request("/", headers)).collect();
        // What is no UTF-8 is a value as any.
        requests.extend([&b"\xff"[..], b"\xfe", b"\xc3\xa4"].map(|value| request("/", &[]).header("a", value)));
        requests
    };
    let joined: &[(&str, &[&str])] = &[
        ("accept", &["1", "2"]),
        ("user-agent", &["1", "2"]),
        ("cookie", &["a=1", "b=2"]),
        ("x-forwarded-for", &["1.1.1.1", "2.2.2.2"]),
        ("accept-language", &["1", "2"]),
        ("referer", &["/1", "/2"]),
        ("authorization", &["1", "2"]),
    ];
    let mut cases = vec![values(header("a"), "a", &["1", "1,2"], of_a()), values(header("A"), "A", &["1"], of_a())];
    for (name, lines) in joined {
        let two = lines.iter().fold(request("/", &[]), |request, line| request.header(name, line));
        let known = [lines[0].to_owned(), lines.join(","), lines.join("; ")];
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        cases.push(values(header(name), name, &known, vec![two, request("/", &[(name, lines[0])])]));
    }
    let pseudo = |name: &str, known: &str| values(header(name), name, &[known], paths(&["/", "/a?b=c", "/a"]));
    cases.extend([pseudo(":path", "/a?b=c"), pseudo(":method", "GET"), pseudo(":scheme", "http")]);
    for name in [":authority", "host"] {
        let hosts = ["localhost", "LOCALHOST", "a.example", "a.example:80"];
        let requests = hosts.map(|host| request("/", &[]).host(host));
        cases.push(values(header(name), name, &hosts[..2], requests.into()));
    }
    Judged::new(envoy, cases).await?.same().await
}

async fn query_parameters(envoy: &Envoy) -> Result<()> {
    let action = |name: &str| json!({"queryParameters": {"queryParameterName": name, "descriptorKey": "q"}});
    let asked = paths(&[
        "/",
        "/?",
        "/?a=x",
        "/?a=",
        "/?a",
        "/?=x",
        "/?a=%78",
        "/?a=x+y",
        "/?a=x%20y",
        "/?a=x%2By",
        "/?a=1&a=x",
        "/?a=x&a=1",
        "/?A=x",
        "/?b=1&a=7",
        "/?b=1&&a=8&",
        "/?%61=9",
        "/?a%20b=1",
        "/?a+b=1",
        "/?a=%zz",
        "/?a=%",
        "/?a=%7",
        "/?a=x;b=2",
        "/?a=%00",
        "/?a=%ff",
        "/?a=%C3%A4",
        "/?a=%26&b=1",
        "/?a=x=y",
        "/??a=z",
        "/?b?a=w",
        "/p?a=path",
        "/a=x",
    ]);
    let known = ["x", "x y", "x+y", "1", "%zz", "x=y", "&", "x;b=2"];
    let cases = vec![
        values(action("a"), "q", &known, asked.clone()),
        values(action("a b"), "q", &known, asked.clone()),
        values(action("A"), "q", &known, asked.clone()),
        values(action("?a"), "q", &known, asked),
    ];
    Judged::new(envoy, cases).await?.same().await
}

async fn addresses(envoy: &Envoy) -> Result<()> {
    let from = [
        "9.9.9.9",
        "9.9.9.9, 8.8.8.8",
        "8.8.8.9",
        "8.8.9.1",
        "::1",
        "::2",
        "2001:db8:1:2:3:4:5:6",
        "2001:db8:1:2::6",
        "2001:DB8:1:2:0:0:0:6",
        "2001:db8:1:3:3:4:5:6",
        "::ffff:1.2.3.4",
        "::1.2.3.4",
        "1.2.3.4",
        "fe80::1",
        "1.2.3.4:80",
        "[2001:db8::1]",
        "bogus",
        "0.0.0.0",
        "255.255.255.255",
    ];
    let requests = || from.iter().map(|address| request("/", &[("x-forwarded-for", address)])).collect::<Vec<_>>();
    let known = ["8.8.8.8", "127.0.0.1", "::1", "2001:db8:1:2::6", "::ffff:1.2.3.4"];
    let mut cases = vec![values(json!({"remoteAddress": {}}), "remote_address", &known, requests())];
    for (v4, v6, known) in [
        (Some(16), Some(64), ["9.9.0.0/16", "::/64", "2001:db8:1:2::/64"]),
        (Some(31), Some(127), ["8.8.8.8/31", "::2/127", "::ffff:1.2.3.4/127"]),
        (Some(1), Some(1), ["0.0.0.0/1", "128.0.0.0/1", "::/1"]),
        (Some(0), Some(0), ["0.0.0.0/0", "::/0", ""]),
        (Some(32), Some(128), ["9.9.9.9/32", "::1/128", "::1.2.3.4/128"]),
        (None, None, ["9.9.9.9/32", "::1/128", "::1.2.3.4/128"]),
        (Some(24), Some(104), ["127.0.0.0/24", "::/104", "::ffff:1.0.0.0/104"]),
    ] {
        let lengths = json!({"v4PrefixMaskLen": v4, "v6PrefixMaskLen": v6});
        let known: Vec<&str> = known.into_iter().filter(|known| !known.is_empty()).collect();
        let action = json!({"maskedRemoteAddress": lengths});
        cases.push(values(action, "masked_remote_address", &known, requests()));
    }
    Judged::new(envoy, cases).await?.same().await
}

/// A filter in front leaves it; the route has some, too.
async fn metadata(envoy: &Envoy) -> Result<()> {
    let dynamic = json!({
        "text": "text", "number": 5, "whole": 5.0, "truth": true, "nothing": null, "empty": "",
        "in": {"deep": "deep", "deeper": {"still": "still"}}, "list": ["a"], "umlaut": "ä",
    });
    let filter = json!({
        "name": "envoy.filters.http.set_metadata",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.set_metadata.v3.Config",
            "metadata": [{"metadata_namespace": "ns.of.it", "value": dynamic}],
        },
    });
    let of_route = json!({"text": "of the route", "in": {"deep": "deep in the route"}});
    let route = json!({
        "route": {"cluster": "default"}, "metadata": {"filter_metadata": {"ns.of.it": of_route, "other": {"text": "o"}}},
    });
    let action = |namespace: &str, path: &[&str], fields: Value| {
        let path: Vec<Value> = path.iter().map(|key| json!({"key": key})).collect();
        let key = json!({"key": namespace, "path": path});
        json!({"metadata": super::super::with(json!({"descriptorKey": "m", "metadataKey": key}), fields)})
    };
    let known = ["text", "5", "true", "deep", "still", "default", "of the route", "deep in the route", "ä", "o"];
    let case = |action: Value| values(action, "m", &known, paths(&["/"]));
    let paths: &[&[&str]] = &[
        &["text"],
        &["number"],
        &["whole"],
        &["truth"],
        &["nothing"],
        &["empty"],
        &["umlaut"],
        &["in"],
        &["in", "deep"],
        &["in", "deeper", "still"],
        &["in", "nothing"],
        &["text", "more"],
        &["list"],
        &["none"],
    ];
    // Some at a time: so many have values left open.
    for fields in [
        json!({}),
        json!({"defaultValue": "default"}),
        json!({"skipIfAbsent": true}),
        json!({"source": "ROUTE_ENTRY"}),
        json!({"source": "ROUTE_ENTRY", "defaultValue": "default"}),
    ] {
        let mut cases: Vec<Case> = paths.iter().map(|path| case(action("ns.of.it", path, fields.clone()))).collect();
        cases.extend(["other", "none"].map(|namespace| case(action(namespace, &["text"], fields.clone()))));
        let listener = ListenerConfig::new().filter_before(filter.clone());
        Judged::on(envoy, listener, route.clone(), cases).await?.same().await?;
    }
    Ok(())
}

async fn clusters(envoy: &Envoy) -> Result<()> {
    envoy.echoes(["other"]).await?;
    let known = ["default", "nobody", "envoy-test"];
    let of = |key: &str, action: Value, requests: Vec<Request>| values(action, key, &known, requests);
    let destination = |requests| of("destination_cluster", json!({"destinationCluster": {}}), requests);
    let source = || of("source_cluster", json!({"sourceCluster": {}}), paths(&["/"]));
    let by_header = |cluster: &str| request("/", &[("x-c", cluster)]);
    for route in [
        json!({"route": {"cluster": "default"}}),
        json!({"route": {"weighted_clusters": {"clusters": [{"name": "default", "weight": 1}]}}}),
        json!({"route": {"cluster_header": "x-c"}}),
        json!({"direct_response": {"status": 200}}),
        json!({"redirect": {"path_redirect": "/elsewhere"}}),
    ] {
        let chosen = ["default", "other", "default", "other"].map(by_header);
        let mut cases = vec![destination(chosen.into()), source()];
        if route["route"]["cluster_header"].is_null() {
            cases.push(destination(paths(&["/"])));
        }
        Judged::on(envoy, ListenerConfig::new(), route, cases).await?.same().await?;
    }
    Ok(())
}

async fn texts(envoy: &Envoy) -> Result<()> {
    let text = |value: &str, key: Value| json!({"genericKey": {"descriptorValue": value, "descriptorKey": key}});
    let cases = vec![
        values(text("v", Value::Null), "generic_key", &["v"], paths(&["/"])),
        values(text("v", json!("")), "generic_key", &["v"], paths(&["/"])),
        values(text("w", Value::Null), "generic_key", &["v"], paths(&["/"])),
        values(text("v", json!("k")), "k", &["v"], paths(&["/"])),
        values(text("v", json!("k")), "generic_key", &["v"], paths(&["/"])),
        values(text("ä €", json!("ü")), "ü", &["ä €"], paths(&["/"])),
    ];
    Judged::new(envoy, cases).await?.same().await
}

/// Entries in the order of the actions; one that is missing leaves no descriptor, or one without it.
async fn more_than_one(envoy: &Envoy) -> Result<()> {
    let entries = |entries: &[(&str, &str)], size: u32| {
        let entries: Vec<Value> = entries.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
        json!({"entries": entries, "tokenBucket": bucket(size)})
    };
    let requests = || {
        let lines: &[&[(&str, &str)]] = &[
            &[],
            &[("a", "1")],
            &[("b", "2")],
            &[("a", "1"), ("b", "2")],
            &[("b", "2"), ("a", "1")],
            &[("a", "1"), ("b", "3")],
            &[("a", "4"), ("b", "2")],
            &[("a", "5"), ("b", "3")],
            &[("a", ""), ("b", "2")],
            &[("a", "12"), ("b", "")],
            &[("a", "1"), ("b", "2"), ("a", "9")],
        ];
        [lines, lines].concat().into_iter().map(|headers| request("/", headers)).collect::<Vec<_>>()
    };
    let descriptors = || {
        json!([
            entries(&[("a", "1"), ("b", "2")], 20),
            entries(&[("b", "2"), ("a", "1")], 21),
            entries(&[("a", "1")], 22),
            entries(&[("b", "2")], 23),
            entries(&[("a", ""), ("b", "2")], 3),
            entries(&[("a", "5"), ("b", "")], 4),
            entries(&[("a", "1"), ("b", "2"), ("c", "3")], 24),
        ])
    };
    let optional = |name: &str| super::super::with(header(name), json!({"requestHeaders": {"skipIfAbsent": true}}));
    let case = |actions: Value| {
        let local = json!({"tokenBucket": bucket(1000), "descriptors": descriptors()});
        Case::new(local, actions, requests())
    };
    let query = json!({"queryParameters": {"queryParameterName": "none", "descriptorKey": "c", "skipIfAbsent": true}});
    let cases = vec![
        case(json!([header("a"), header("b")])),
        case(json!([header("b"), header("a")])),
        case(json!([header("a")])),
        case(json!([optional("a"), optional("b")])),
        case(json!([optional("a"), header("b")])),
        case(json!([header("a"), optional("b"), query])),
    ];
    Judged::new(envoy, cases).await?.same().await
}
