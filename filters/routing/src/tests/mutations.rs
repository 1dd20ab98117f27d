//! A configuration with every field that is honoured, and every single thing in it made wrong.

mod kinds;

use std::collections::BTreeSet;

use pointsman_host::Node;
use pointsman_wire::{Class, Message};
use serde_json::{Value, json};

use super::{Fixture, configure, rules, sidecar, to};
use crate::config;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn everything() -> Value {
    let operations = |name: &str| {
        json!({
            "request": {"set": {"x-set": name, "Host": "h.com"}, "add": {"x-add": "100%%"}, "remove": ["x-remove"]},
            "response": {"set": {"y-set": name}, "add": {"y-add": "1"}, "remove": ["y-remove"]},
        })
    };
    let text = json!({"exact": "a"});
    let full = json!({
        "name": "entry", "uri": {"prefix": "/a"}, "scheme": text, "method": {"regex": "GET|HEAD"}, "authority": text,
        "headers": {"x": {"exact": "1"}, ":path": {}}, "withoutHeaders": {"y": {"regex": "*"}},
        "queryParams": {"q": {"prefix": "1"}}, "ignoreUriCase": true, "port": 80, "gateways": ["edge", "mesh"],
        "sourceLabels": {"app": "web"}, "sourceNamespace": "shop",
    });
    let destination = |weight: u32| {
        json!({
            "destination": {"host": "a.com", "subset": "v1", "port": {"number": 80}}, "weight": weight,
            "headers": operations("destination"),
        })
    };
    let mirror = json!({"host": "m.com", "subset": "v1", "port": {"number": 80}});
    let http = json!([
        {
            "name": "rule", "match": [full, {}], "route": [destination(1), destination(1)],
            "headers": operations("route"), "rewrite": {"uri": "/x"}, "timeout": "1s",
            "retries": {
                "attempts": 3, "perTryTimeout": "1s", "retryOn": "503", "retryRemoteLocalities": false,
                "retryIgnorePreviousHosts": true,
            },
            "mirror": mirror, "mirrorPercentage": {"value": 0.5},
            "corsPolicy": {
                "allowOrigins": [{"prefix": "https://a."}], "allowMethods": ["GET"], "allowHeaders": ["x"],
                "exposeHeaders": ["y"], "maxAge": "24h", "allowCredentials": true, "unmatchedPreflights": "IGNORE",
            },
            "sticky": {"httpCookie": {"name": "c", "path": "/", "ttl": "0s"}},
        },
        {
            "match": [{"uri": {"prefix": "/b"}}], "route": [destination(1), destination(1)],
            "rewrite": {"authority": "x.com", "uriRegexRewrite": {"match": "^/(.)", "rewrite": "/\\1"}},
            "headers": null, "mirrorPercent": 5, "mirrors": [{"destination": mirror, "percentage": {"value": 100}}],
            "corsPolicy": {"allowOrigin": ["https://a.com"]}, "sticky": {"httpHeaderName": "x"},
        },
        {"route": [destination(1), destination(1)], "sticky": {"useSourceIp": true}},
        {"route": [destination(1), destination(1)], "sticky": {"httpQueryParameterName": "q"}},
        {
            "match": [{"uri": {"prefix": "/c"}}],
            "redirect": {"prefixRewrite": "/d", "authority": "x.com", "derivePort": "FROM_REQUEST_PORT"},
        },
        {"redirect": {"uri": "/d", "port": 443, "scheme": "https", "redirectCode": 308}},
        {"directResponse": {"status": 200, "body": {"string": "ok"}}},
        {"directResponse": {"status": 200, "body": {"bytes": "b2s="}}},
    ]);
    json!({
        "gateway": "n/edge",
        "virtualServices": [
            {
                "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
                "metadata": {"name": "vs", "namespace": "n", "creationTimestamp": "2026-01-01T00:00:00Z"},
                "spec": {"hosts": ["a.com", "*.b.com"], "gateways": ["edge"], "http": http},
            },
            {"kind": "List", "items": []},
            {"name": "bare", "namespace": "n", "hosts": ["*.c.com"], "gateways": ["edge"], "http": [{"route": to("a.com")}]},
        ],
        "destinations": {
            "header": "X-Cluster", "clusterName": "{host}-{subset}-{port}", "defaultPort": 80,
            "clusters": [{"host": "b.com", "subset": "v1", "port": 80, "cluster": "c"}],
        },
        "trustClientRouterHeaders": "internal",
        "debug": {"header": "x-explain"},
    })
}

/// All places in the tree, as JSON pointers.
fn places(value: &Value, here: &str, all: &mut Vec<String>) {
    all.push(here.to_owned());
    let escaped = |name: &str| name.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(name, value)| places(value, &format!("{here}/{}", escaped(name)), all))
        }
        Value::Array(list) => list.iter().enumerate().for_each(|(i, value)| places(value, &format!("{here}/{i}"), all)),
        _ => {}
    }
}

#[test]
fn it_is_accepted_without_a_word() {
    let (_, errors, warnings) = configure(&everything(), &sidecar());
    assert_eq!(errors, Vec::<String>::new());
    let note = "no effect here: apiVersion (networking.istio.io/v1: all versions mean the same)";
    assert_eq!(warnings, [format!("virtualServices[0]: {note}")]);
    let outcome = Fixture::at(&everything(), &sidecar()).ask("a.com/");
    assert!(
        outcome.starts_with("passes; :authority: h.com; :path: /x; x-add: 100%, 100%; x-cluster: a.com-v1-80; "),
        "{outcome}"
    );
}

/// So that a new field cannot be forgotten here: it has every honoured field of every message.
#[test]
fn nothing_is_missing_in_it() {
    fn honoured<T: Message>() -> impl Iterator<Item = &'static str> {
        T::FIELDS.iter().filter(|field| field.class == Class::Honoured).map(|field| field.name)
    }
    let mut all = Vec::new();
    places(&everything(), "", &mut all);
    let used: BTreeSet<&str> = all.iter().filter_map(|place| place.rsplit('/').next()).collect();
    let expected = honoured::<pointsman_routes::config::VirtualService<((),)>>()
        .chain(["name", "match"])
        .chain(honoured::<config::HttpRoute>())
        .chain(honoured::<pointsman_routes::config::HttpMatchRequest>())
        .chain(honoured::<config::HttpRewrite>())
        .chain(honoured::<config::HttpRedirect>())
        .chain(honoured::<config::HttpDirectResponse>())
        .chain(honoured::<config::HttpBody>())
        .chain(honoured::<config::HttpRetry>())
        .chain(honoured::<config::HttpMirror>())
        .chain(honoured::<config::Percent>())
        .chain(honoured::<config::CorsPolicy>())
        .chain(honoured::<config::StickyFields>())
        .chain(honoured::<config::HttpCookie>())
        .chain(honoured::<config::HttpRouteDestination>())
        .chain(honoured::<config::Destination>())
        .chain(honoured::<config::PortSelector>())
        .chain(honoured::<config::Headers>())
        .chain(honoured::<config::HeaderOperations>())
        .chain(honoured::<config::Destinations>().filter(|field| *field != "by")) // excludes the others
        .chain(honoured::<config::ClusterOverride>())
        .chain(honoured::<config::Debug>());
    let missing: Vec<_> = expected.filter(|field| !used.contains(field)).collect();
    assert_eq!(missing, Vec::<&str>::new());
}

/// Whatever stands in any place: no panic, and each error says where.
#[test]
fn anything_in_any_place() {
    let long = "x".repeat(5000);
    let wrong = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(0.5),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1e300),
        json!(""),
        json!(long),
        json!("%"),
        json!("%%"),
        json!("\r\n\0"),
        json!("*"),
        json!("{host}{"),
        json!("é"),
        json!("(?"),
        json!([]),
        json!([null]),
        json!(["", ""]),
        json!([[7]]),
        json!({}),
        json!({"": null}),
        json!({"exact": null}),
        json!({"kind": "List"}),
        json!({"kind": "List", "items": 1}),
        json!({"spec": 1}),
    ];
    let mut all = Vec::new();
    places(&everything(), "", &mut all);
    assert!(all.len() > 100, "{}", all.len());
    let _compiled = configure(&everything(), &sidecar()); // Its regexes are then compiled once.
    for place in &all {
        for value in &wrong {
            let mut configuration = everything();
            *configuration.pointer_mut(place).unwrap() = value.clone();
            let (_, errors, _) = configure(&configuration, &sidecar());
            let is_located = |error: &String| error.split_once(": ").is_some_and(|(path, _)| !path.contains(' '));
            let lost = errors.iter().find(|error| !place.is_empty() && !is_located(error));
            assert_eq!(lost, None, "{place} {value}");
        }
    }
}

/// No field is that of which `[[7]]` would be a value; and nothing is silently ignored.
#[test]
fn what_no_place_takes_is_refused_at_that_place() {
    let mut all = Vec::new();
    places(&everything(), "", &mut all);
    for place in all.iter().filter(|place| !place.is_empty()) {
        let mut configuration = everything();
        *configuration.pointer_mut(place).unwrap() = json!([[7]]);
        let (_, errors, _) = configure(&configuration, &Node::default());
        let parent = place.rsplit_once('/').unwrap().0;
        let section = place.split('/').nth(1).unwrap();
        assert!(!errors.is_empty(), "{place} is ignored");
        assert!(errors.iter().all(|error| error.starts_with(section)), "{place}: {errors:?}");

        // A name that nobody knows, beside it: of a message a wrong name, of a map a wrong value.
        let mut configuration = everything();
        let Some(map) = configuration.pointer_mut(parent).and_then(Value::as_object_mut) else {
            continue;
        };
        if parent.is_empty() || parent.ends_with("/metadata") {
            continue; // the runtime's to check; the API server's bookkeeping
        }
        map.insert("zzz".into(), json!([[7]]));
        let (_, errors, _) = configure(&configuration, &Node::default());
        assert!(errors.iter().any(|error| error.contains(".zzz")), "{place}: {errors:?}");
    }
}

#[test]
fn all_errors_at_once_in_their_order() {
    let policy = json!({
        "gateway": "a b",
        "virtualServices": [
            {"hosts": ["a b", "*"], "htttp": [], "http": [
                {"match": [{"uri": {"exact": 1}, "headers": {"a b": {"exat": "1"}}}, 7],
                    "route": [{"destination": {"host": "a"}, "weight": -1}, {"weight": 1}]},
                {"timeout": "1s"},
            ]},
            {"kind": "Gateway"},
        ],
        "destinations": {"defaultPort": "x"},
    });
    let (_, errors, _) = configure(&policy, &Node::default());
    assert_eq!(
        errors,
        [
            "gateway: is no gateway's name; leave it out if the rules of every gateway are ours",
            "virtualServices[0].htttp: unknown field; did you mean `http`?",
            "virtualServices[0].hosts[0]: `a b` is no host: its labels are of letters, digits and `-` (not first or last), \
             at most 63 of them",
            "virtualServices[0].http[0].match[0].uri.exact: 1 is a number, expected a string: put it in quotes",
            "virtualServices[0].http[0].match[0].headers[\"a b\"].exat: unknown field; did you mean `exact`?",
            "virtualServices[0].http[0].match[0].headers[\"a b\"]: `a b` is not a header's name",
            "virtualServices[0].http[0].match[1]: 7 is a number, expected an object such as {uri: …}",
            "virtualServices[0].http[0].route[0].weight: -1 is not a weight, expected 0 or more",
            "virtualServices[0].http[0].route[1].destination: is missing",
            "virtualServices[0].http[1]: does nothing: it needs one of route, redirect and directResponse",
            "virtualServices[1].kind: `Gateway` is another kind of resource, expected `VirtualService`: take it out",
            "destinations.defaultPort: \"x\" is a string, expected a whole number",
        ]
    );
}

/// What has no effect is said, once a resource for what the API server adds.
#[test]
fn warnings() {
    let mut policy = rules(json!([
        {"match": [{"statPrefix": "x", "headers": {"uri": {"exact": "/"}}}], "route": to("a")},
    ]));
    policy["virtualServices"][0]["exportTo"] = json!(["."]);
    policy["virtualServices"][0]["tcp"] = json!([{}]);
    policy["virtualServices"].as_array_mut().unwrap().push(json!({
        "apiVersion": "networking.istio.io/v1beta1", "kind": "VirtualService", "status": {"x": 1},
        "metadata": {"name": "a", "uid": "1", "labels": {"a": "b"}, "managedFields": [1]},
        "spec": {"hosts": ["a"], "gateways": ["other"], "http": [{"route": to("a")}]},
    }));
    policy["gateway"] = json!("edge");
    policy["virtualServices"][0]["gateways"] = json!(["edge"]);
    let (_, errors, warnings) = configure(&policy, &Node::default());
    assert_eq!(errors, Vec::<String>::new());
    assert_eq!(
        warnings,
        [
            "virtualServices[0].exportTo: has no effect: a filter runs the policy that it is given, of whichever namespace",
            "virtualServices[0].tcp: has no effect: this filter sees HTTP alone; TCP is for Envoy's own tcp_proxy",
            "virtualServices[0].http[0].match[0].statPrefix: has no effect: a filter has no Envoy route whose statistics \
             it could name",
            "virtualServices[0].http[0].match[0].headers.uri: this matches a header named uri; the field `uri` stands \
             beside `headers`",
            "virtualServices[1]: no effect here: apiVersion (networking.istio.io/v1beta1: all versions mean the same), \
             metadata.labels, metadata.managedFields, metadata.uid, status",
            "virtualServices[1].spec: has no effect: it is not bound to the gateway `edge`",
        ]
    );
}

/// As `kubectl get -o yaml` prints one, several, or a bare spec: all mean the same.
#[test]
fn the_forms_of_a_resource() {
    let spec = json!({"hosts": ["b"], "http": [{"match": [{"uri": {"exact": "/a"}}], "route": to("a")}]});
    let whole = json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "vs"}, "spec": spec});
    let mut bare = spec.clone();
    bare["name"] = json!("vs");
    for services in [
        json!([whole]),
        json!({"apiVersion": "v1", "kind": "List", "items": [whole]}),
        json!([{"apiVersion": "networking.istio.io/v1", "kind": "VirtualServiceList", "items": [whole]}]),
        whole.clone(),
        json!([bare]),
        bare.clone(),
    ] {
        Fixture::new(&json!({"virtualServices": services})).check(&[
            ("b/a", "a"),
            ("b/b", "404 pointsman_no_rule_matched{vs}"),
            ("c/", "passes"),
        ]);
    }
}
