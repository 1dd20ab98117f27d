//! Who we are and who may steer: Envoy's node, as Istio fills it in, and clients that send what only we may say.

use std::time::Duration;

use anyhow::Result;
use envoy_test::{
    Answer, Envoy, EnvoyConfig, ListenerConfig, Reply, Request, Test, UpstreamConfig, module, routes, tests,
};
use serde_json::{Value, json};

pub fn tests() -> Vec<Test> {
    tests![
        a_client_cannot_name_a_cluster,
        a_client_cannot_steer_the_router,
        another_destination_header_is_as_safe,
        an_explanation_is_asked_for_by_name,
        a_sidecar_knows_its_node,
        a_gateway_trusts_nobody,
        existing_routes_choose_by_authority,
    ]
}

/// What Envoy's router reads of a request, and would obey.
const ROUTER_HEADERS: [(&str, &str); 10] = [
    ("x-envoy-hedge-on-per-try-timeout", "true"),
    ("x-envoy-max-retries", "7"),
    ("x-envoy-retriable-header-names", "x-again"),
    ("x-envoy-retriable-status-codes", "418"),
    ("x-envoy-retry-grpc-on", "internal"),
    ("x-envoy-retry-on", "5xx"),
    ("x-envoy-upstream-alt-stat-name", "other"),
    ("x-envoy-upstream-rq-per-try-timeout-ms", "7"),
    ("x-envoy-upstream-rq-timeout-alt-response", "true"),
    ("x-envoy-upstream-rq-timeout-ms", "7"),
];

fn to(cluster: &str) -> Value {
    json!({"hosts": ["*"], "http": [{"route": [{"destination": {"host": cluster}}]}]})
}

fn routing(policy: Value) -> Result<ListenerConfig> {
    Ok(ListenerConfig::new().module(module("pointsman-routing")?).policy(policy))
}

async fn both(request: Request) -> Result<[Answer; 2]> {
    Ok([request.clone().send().await?, request.http2().send().await?])
}

async fn a_client_cannot_name_a_cluster(envoy: &Envoy) -> Result<()> {
    envoy.echoes(["reviews", "secret"]).await?;
    let mut service = to("reviews");
    service["hosts"] = json!(["reviews"]);
    let listener = envoy.add_listener(routing(json!({"virtualServices": [service]}))?).await?;
    // Once where a rule says where to go, once where no VirtualService is for the host.
    for (host, expected) in [("reviews", "reviews"), ("other", "default")] {
        let request = listener.get("/").host(host);
        let request = request.header("x-pointsman-cluster", "secret").header("X-Pointsman-Cluster", "secret");
        for answer in both(request.header("x-pointsman-anything", "1").header("x-pointsmanage", "kept")).await? {
            let echo = answer.echo();
            assert_eq!((answer.status, echo.service.as_str()), (200, expected), "{host}");
            for name in ["x-pointsman-cluster", "x-pointsman-anything"] {
                assert_eq!(echo.header(name), None, "{host} {name}");
            }
            assert_eq!(echo.header("x-pointsmanage"), Some("kept"), "a name that only begins alike");
        }
    }
    Ok(())
}

/// Envoy calls requests of loopback addresses internal, and lets them steer its router.
fn all_are_internal() -> Value {
    json!({
        "internal_address_config": {"cidr_ranges": [{"address_prefix": "127.0.0.0", "prefix_len": 8}]},
        "use_remote_address": true,
    })
}

/// The upstream fails each request after a while, so that a retry would be one request more, and a time-out a 504.
async fn a_client_cannot_steer_the_router(envoy: &Envoy) -> Result<()> {
    let failing = envoy.upstream("failing").await?;
    failing.script([Reply::status(503).after(Duration::from_millis(50)).header("x-again", "1")]);
    let internal = || ListenerConfig::new().manager(all_are_internal());
    let policy = |trust: Value| json!({"virtualServices": [to(failing.name())], "trustClientRouterHeaders": trust});
    let with = |config: ListenerConfig, trust: Value| -> Result<ListenerConfig> {
        Ok(config.module(module("pointsman-routing")?).policy(policy(trust)))
    };
    for (config, steers) in [
        // What the headers do where nobody takes them out.
        (internal().routes([routes::catch_all(failing.name())]), true),
        (with(internal(), json!("internal"))?, true),
        (with(internal(), Value::Null)?, false),
        (with(internal(), json!("never"))?, false),
        // To say that one is internal is no help: Envoy says who is.
        (with(ListenerConfig::new(), json!("internal"))?, false),
    ] {
        let listener = envoy.add_listener(config).await?;
        for http2 in [false, true] {
            for header in ROUTER_HEADERS.map(Some).into_iter().chain([None]) {
                let mut request = listener.get("/").header("x-envoy-internal", "true");
                // Alone, or all of them.
                for (name, value) in ROUTER_HEADERS.into_iter().filter(|one| header.is_none_or(|header| *one == header))
                {
                    request = request.header(name, value);
                }
                let before = failing.requests();
                let status = if http2 { request.http2() } else { request }.send().await?.status;
                let is_steered = (status, failing.requests() - before) != (503, 1);
                // Some of the headers do nothing without another one.
                assert!(!is_steered || steers, "{listener:?} {header:?}: {status}");
                assert!(is_steered || header.is_some() || !steers, "{listener:?}: {status}");
            }
        }
    }
    Ok(())
}

async fn another_destination_header_is_as_safe(envoy: &Envoy) -> Result<()> {
    envoy.echoes(["reviews", "secret"]).await?;
    let mut service = to("reviews");
    service["hosts"] = json!(["reviews"]);
    let policy = json!({"virtualServices": [service], "destinations": {"header": "X-Own-Cluster"}});
    let route = json!({
        "match": {"prefix": "/", "headers": [{"name": "x-own-cluster", "present_match": true}]},
        "route": {"cluster_header": "x-own-cluster"},
    });
    let config = routing(policy)?.routes([route, routes::catch_all("default")]);
    let listener = envoy.add_listener(config).await?;
    for (host, expected) in [("reviews", "reviews"), ("other", "default")] {
        for answer in both(listener.get("/").host(host).header("X-OWN-cluster", "secret")).await? {
            assert_eq!(answer.service(), expected);
        }
    }
    Ok(())
}

async fn an_explanation_is_asked_for_by_name(envoy: &Envoy) -> Result<()> {
    envoy.echoes(["reviews"]).await?;
    let rules = json!({"name": "shop", "hosts": ["reviews"], "http": [
        {"match": [{"headers": {"end-user": {"exact": "jason"}}}], "route": [{"destination": {"host": "reviews"}}]},
        {"match": [{"uri": {"prefix": "/a"}}], "name": "all", "route": [{"destination": {"host": "reviews"}}]},
    ]});
    let policy = json!({"virtualServices": [rules], "debug": {"header": "X-Pointsman-Explain"}});
    let listener = envoy.add_listener(routing(policy)?).await?;
    for (host, path, status, explanation) in [
        ("reviews", "/a", 200, "shop http[1].match[0] (all) -> reviews; not shop http[0].match[0]: headers[end-user]"),
        (
            "reviews",
            "/b",
            404,
            "404: no rule matched; not shop http[0].match[0]: headers[end-user]; not shop http[1].match[0]: uri",
        ),
        ("other", "/a", 200, "no VirtualService for this host: passed on untouched"),
    ] {
        for answer in both(listener.get(path).host(host).header("x-pointsman-explain", "1")).await? {
            assert_eq!(answer.status, status);
            assert_eq!(answer.header_lines("x-pointsman-explain"), [explanation]);
            if status == 200 {
                assert_eq!(answer.echo().header("x-pointsman-explain"), None);
            }
        }
        let unasked = listener.get(path).host(host).send().await?;
        assert_eq!(unasked.header("x-pointsman-explain"), None, "nobody asked");
    }
    Ok(())
}

fn istio(id: &str) -> EnvoyConfig {
    let labels = json!({"app": "edge", "version": "v2", "long": "x".repeat(300), "empty": ""});
    let metadata = json!({"NAMESPACE": "edge-ns", "LABELS": labels, "ISTIO_VERSION": "1.30.0"});
    EnvoyConfig::new().bootstrap(json!({"node": {"id": id, "metadata": metadata}}))
}

/// Labels, namespace, names of clusters, and whom to trust: all from the node that pilot-agent writes.
async fn a_sidecar_knows_its_node(_: &Envoy) -> Result<()> {
    let envoy = istio("sidecar~127.0.0.1~edge.default~default.svc.cluster.local").start().await?;
    let rule = |cluster: &str, conditions: Value| {
        let destination = json!({"host": cluster, "subset": "v1", "port": {"number": 80}});
        json!({"match": [conditions], "route": [{"destination": destination}]})
    };
    let clusters = ["labels", "namespace", "trusted"];
    for name in clusters {
        let name = format!("outbound|80|v1|{name}.edge-ns.svc.cluster.local");
        envoy.echoes([name.as_str()]).await?;
    }
    let all = json!({"app": "edge", "version": "v2", "long": "x".repeat(300), "empty": ""});
    let policy = json!({"virtualServices": [
        {"hosts": ["a.com"], "http": [
            rule("wrong", json!({"sourceLabels": {"app": "edge", "version": "v1"}})),
            rule("wrong", json!({"sourceLabels": {"other": ""}})),
            rule("labels", json!({"sourceLabels": all})),
        ]},
        {"hosts": ["b.com"], "http": [
            rule("wrong", json!({"sourceNamespace": "default"})),
            rule("namespace", json!({"sourceNamespace": "edge-ns"})),
        ]},
        // A short host is a service of our own namespace.
        {"hosts": ["trusted"], "http": [rule("trusted", json!({}))]},
        {"hosts": ["gateway.com"], "gateways": ["edge"], "http": [rule("labels", json!({}))]},
    ], "gateway": "mesh"});
    let listener = envoy.add_listener(routing(policy)?).await?;
    for (host, service) in
        [("a.com", "labels"), ("b.com", "namespace"), ("trusted.edge-ns.svc.cluster.local", "trusted")]
    {
        let expected = format!("outbound|80|v1|{service}.edge-ns.svc.cluster.local");
        let answer = listener.get("/").host(host).send().await?;
        assert_eq!(answer.status, 200, "{host}: {answer}");
        assert_eq!(answer.service(), expected);
    }
    assert_eq!(listener.get("/").host("gateway.com").send().await?.service(), "default");

    // By default a sidecar lets its own workload steer the router: Envoy calls requests of internal addresses so.
    let failing = envoy.add_upstream(UpstreamConfig::new("outbound|80||failing.com").exact_name()).await?;
    failing.script([Reply::status(503)]);
    for (trust, internal, attempts) in
        [(Value::Null, true, 3), (Value::Null, false, 1), (json!("internal"), true, 3), (json!("never"), true, 1)]
    {
        let destination = json!({"host": "failing.com", "port": {"number": 80}});
        let service = json!({"hosts": ["*"], "http": [{"route": [{"destination": destination}]}]});
        let policy = json!({"virtualServices": [service], "trustClientRouterHeaders": trust});
        let mut config = routing(policy)?;
        if internal {
            config = config.manager(all_are_internal());
        }
        let listener = envoy.add_listener(config).await?;
        let before = failing.requests();
        let request = listener.get("/").header("x-envoy-retry-on", "5xx").header("x-envoy-max-retries", "2");
        assert_eq!(request.send().await?.status, 503);
        assert_eq!(failing.requests() - before, attempts, "{trust}, internal: {internal}");
    }
    Ok(())
}

async fn a_gateway_trusts_nobody(_: &Envoy) -> Result<()> {
    let envoy = istio("router~127.0.0.1~edge.default~default.svc.cluster.local").start().await?;
    let failing = envoy.add_upstream(UpstreamConfig::new("outbound|80||failing.com").exact_name()).await?;
    failing.script([Reply::status(503)]);
    let destination = json!({"host": "failing.com", "port": {"number": 80}});
    let policy = json!({"virtualServices": [{"hosts": ["*"], "http": [{"route": [{"destination": destination}]}]}]});
    let config = routing(policy)?.manager(all_are_internal());
    let listener = envoy.add_listener(config).await?;
    let request = listener.get("/").header("x-envoy-retry-on", "5xx").header("x-envoy-max-retries", "2");
    assert_eq!(request.send().await?.status, 503);
    assert_eq!(failing.requests(), 1);
    Ok(())
}

/// No EnvoyFilter, no header: the host is rewritten, and the routes that are there choose by it.
async fn existing_routes_choose_by_authority(envoy: &Envoy) -> Result<()> {
    envoy.echoes(["reviews", "ratings"]).await?;
    let host = |name: &str, cluster: &str, domains: &[&str]| json!({"name": name, "domains": domains, "routes": [routes::catch_all(cluster)]});
    let hosts = [
        host("reviews", "reviews", &["reviews.com", "reviews.com:*"]),
        host("ratings", "ratings", &["ratings.com:9080"]),
        host("rest", "default", &["*"]),
    ];
    let policy = json!({"destinations": {"by": "authority"}, "virtualServices": [{"hosts": ["shop.com"], "http": [
        {"match": [{"uri": {"prefix": "/ratings"}}],
            "route": [{"destination": {"host": "ratings.com", "port": {"number": 9080}}}]},
        {"route": [{"destination": {"host": "reviews.com"}, "headers": {"request": {"set": {"x-by": "us"}}}}]},
    ]}]});
    let config = routing(policy)?.manager(json!({"route_config": {"virtual_hosts": hosts}}));
    let listener = envoy.add_listener(config).await?;
    for (path, service, authority) in [("/", "reviews", "reviews.com"), ("/ratings/1", "ratings", "ratings.com:9080")] {
        // A client's own copy of what says which host it was shall not be believed.
        let request = listener.get(path).host("shop.com:80").header("x-envoy-original-host", "forged");
        for answer in both(request).await? {
            let echo = answer.echo();
            assert_eq!((echo.service.as_str(), echo.authority.as_str()), (service, authority));
            assert_eq!(echo.header_lines("x-envoy-original-host"), ["shop.com:80"]);
            assert_eq!(echo.header("x-by"), (service == "reviews").then_some("us"));
        }
    }
    let answer = listener.get("/").host("other.com").send().await?;
    assert_eq!((answer.service().as_str(), answer.echo().authority.as_str()), ("default", "other.com"));
    Ok(())
}
