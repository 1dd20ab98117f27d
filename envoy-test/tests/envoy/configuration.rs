//! How a policy reaches the modules, what is said of a wrong one, and that the old one serves on.

use std::fs;

use anyhow::Result;
use envoy_test::{Envoy, Listener, ListenerConfig, Policy, Test, module, tests};
use serde_json::{Value, json};

pub fn tests() -> Vec<Test> {
    tests![
        struct_and_json_text_mean_the_same,
        numbers_in_yaml_are_numbers,
        no_configuration_lets_everything_through,
        a_wrong_configuration_is_no_listener,
        a_wrong_update_leaves_the_old_policy_serving,
        what_is_no_configuration_is_refused,
        what_has_no_effect_is_logged,
        a_list_of_resources_as_kubectl_prints_it,
        the_full_module_routes_as_the_slim_one,
        many_rules_are_loaded,
        updates_lose_no_request,
    ]
}

fn rules(http: Value) -> Value {
    json!({"virtualServices": [{"name": "shop", "hosts": ["*"], "http": http}]})
}

fn to(host: &str) -> Value {
    json!([{"destination": {"host": host}}])
}

async fn listener(envoy: &Envoy, policy: impl Into<Policy>) -> Result<Listener> {
    envoy.echoes(["one", "two"]).await?;
    envoy.add_listener(ListenerConfig::new().module(module("pointsman-routing")?).policy(policy)).await
}

/// A Struct knows doubles alone, JSON text has whole numbers.
async fn struct_and_json_text_mean_the_same(envoy: &Envoy) -> Result<()> {
    let destinations = json!([
        {"destination": {"host": "one", "port": {"number": 8080}}, "weight": 100},
        {"destination": {"host": "two"}, "weight": 0},
    ]);
    let mut policy = rules(json!([{
        "match": [{"uri": {"prefix": "/é"}, "ignoreUriCase": true, "headers": {"x": {"regex": "\\d+"}}}],
        "route": destinations, "headers": {"response": {"set": {"x-via": "100%%"}}},
    }]));
    policy["destinations"] = json!({"clusterName": "{host}", "defaultPort": 65535});
    let text = serde_json::to_string_pretty(&policy)?;
    for policy in [policy.into(), text.as_str().into(), Policy::Bytes(text.clone().into())] {
        let listener = listener(envoy, policy).await?;
        let answer = listener.get("/%C3%A9").header("x", "12").send().await?;
        assert_eq!(answer.status, 404, "nothing is decoded");
        let answer = listener.get("/x").send().await?;
        assert_eq!(answer.status, 404);
    }
    let policy = rules(json!([{"match": [{"headers": {"x": {"regex": "\\d+"}}}], "route": destinations,
        "headers": {"response": {"set": {"x-via": "100%%"}}}}]));
    let text = policy.to_string();
    for policy in [policy.into(), text.as_str().into(), Policy::Bytes(text.clone().into())] {
        let listener = listener(envoy, policy).await?;
        let answer = listener.get("/").header("x", "12").send().await?;
        assert_eq!((answer.service().as_str(), answer.header("x-via").as_deref()), ("one", Some("100%")));
        assert_eq!(listener.get("/").header("x", "a").send().await?.status, 404);
    }
    Ok(())
}

/// Envoy takes a number for text where it reads YAML, if it has a point.
async fn numbers_in_yaml_are_numbers(envoy: &Envoy) -> Result<()> {
    envoy.echoes(["one", "two"]).await?;
    let mirror = envoy.upstream("mirror").await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("policy.yaml");
    let text = format!(
        "resources:
- '@type': type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig
  name: numbers-in-yaml
  typed_config:
    '@type': type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
    config:
      name: numbers-in-yaml
      vm_config:
        vm_id: numbers-in-yaml
        runtime: envoy.wasm.runtime.v8
        code: {{local: {{filename: {module}}}}}
      configuration:
        '@type': type.googleapis.com/google.protobuf.Struct
        value:
          destinations: {{defaultPort: 8080.0}}
          virtualServices:
          - hosts: ['*']
            http:
            - match: [{{uri: {{prefix: /half}}}}]
              route: [{{destination: {{host: one}}}}]
              mirror: {{host: two}}
              mirrorPercentage: {{value: 0.5}}
            - route:
              - {{destination: {{host: one}}, weight: 1.0}}
              - {{destination: {{host: two}}, weight: 0.0}}
              mirror: {{host: {mirror}}}
              mirrorPercentage: {{value: 100.0}}
",
        module = module("pointsman-routing")?.display(),
        mirror = mirror.name(),
    );
    fs::write(&file, text)?;
    let filter = json!({"name": "numbers-in-yaml", "config_discovery": {
        "config_source": {"path_config_source": {"path": file}},
        "type_urls": ["type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"],
    }});
    let listener = envoy.add_listener(ListenerConfig::new().filter_before(filter)).await?;
    assert_eq!(listener.get("/").send().await?.service(), "one");
    mirror.arrived(1).await;
    assert_eq!(listener.get("/half").send().await?.service(), "one");
    Ok(())
}

async fn no_configuration_lets_everything_through(envoy: &Envoy) -> Result<()> {
    for policy in [Policy::Absent, json!({}).into(), "".into(), "{}".into(), json!({"virtualServices": []}).into()] {
        let listener = listener(envoy, policy).await?;
        let mark = listener.mark();
        let answer = listener.get("/").host("shop").header("x-pointsman-cluster", "one").send().await?;
        assert_eq!(answer.service(), "default");
        assert_eq!(listener.log_since(mark), Vec::<String>::new());
    }
    Ok(())
}

fn wrong() -> (Value, [&'static str; 5]) {
    let policy = json!({
        "virtualServices": [
            {"hosts": ["shop"], "http": [
                {"match": [{"uri": {"exat": "/"}}, {"headers": {"x": {"exact": 1}}}], "route": to("one")},
                {"route": [{"destination": {"host": "one"}, "weight": -5}]},
            ]},
        ],
        "virtualService": [],
        "rateLimits": [{"x": 1}],
    });
    let errors = [
        "rateLimits: this module has no filter for it; pointsman.wasm and pointsman-rate-limit.wasm have",
        "virtualService: unknown field; did you mean `virtualServices`?",
        "virtualServices[0].http[0].match[0].uri.exat: unknown field; did you mean `exact`?",
        "virtualServices[0].http[0].match[1].headers.x.exact: 1 is a number, expected a string: put it in quotes",
        "virtualServices[0].http[1].route[0].weight: -5 is not a weight, expected 0 or more",
    ];
    (policy, errors)
}

/// Each error stands in a line of its own, once, and is an error of the log.
#[track_caller]
fn says(log: &str, errors: &[&str]) {
    for error in errors {
        let lines: Vec<&str> = log.lines().filter(|line| line.ends_with(&format!("pointsman: {error}"))).collect();
        assert!(!lines.is_empty(), "{error} is not said in\n{log}");
        assert!(lines.iter().all(|line| line.contains("][error][wasm]")), "{lines:?}");
    }
    let count = format!("pointsman: the configuration is refused, errors: {}", errors.len());
    assert!(log.lines().any(|line| line.ends_with(&count)), "{count}\n{log}");
}

async fn a_wrong_configuration_is_no_listener(envoy: &Envoy) -> Result<()> {
    let (policy, errors) = wrong();
    let text = policy.to_string();
    for policy in [policy.into(), text.as_str().into()] {
        let refused: Result<_> = listener(envoy, Policy::clone(&policy)).await;
        says(&format!("{:?}", refused.expect_err("it is wrong")), &errors);
    }
    Ok(())
}

async fn a_wrong_update_leaves_the_old_policy_serving(envoy: &Envoy) -> Result<()> {
    let listener = listener(envoy, rules(json!([{"route": to("one")}]))).await?;
    let (policy, errors) = wrong();
    says(&listener.update_policy(policy).await?.rejected(), &errors);
    for http2 in [false, true] {
        let request = listener.get("/");
        let answer = if http2 { request.http2() } else { request }.send().await?;
        assert_eq!(answer.service(), "one");
    }
    listener.update_policy(rules(json!([{"route": to("two")}]))).await?.accepted();
    assert_eq!(listener.get("/").send().await?.service(), "two");
    Ok(())
}

async fn what_is_no_configuration_is_refused(envoy: &Envoy) -> Result<()> {
    let listener = listener(envoy, json!({})).await?;
    let deep = format!("{{\"virtualServices\": {}1{}}}", "[".repeat(2000), "]".repeat(2000));
    for (policy, reason) in [
        (
            Policy::from("virtualServices:\n- hosts: [a]"),
            "neither JSON text nor a google.protobuf.Struct; YAML goes into",
        ),
        ("{\"virtualServices\": [}".into(), "not JSON: expected value at line 1 column 22"),
        ("[]".into(), "a list, expected an object"),
        ("7".into(), "7 is a number, expected an object"),
        (deep.as_str().into(), "not JSON: recursion limit exceeded"),
        (Policy::Bytes(b"\n\xff\xff\xff".to_vec()), "not UTF-8: "),
        (Policy::Bytes(b"\0".to_vec()), "neither JSON text nor a google.protobuf.Struct; YAML goes into"),
    ] {
        let log = listener.update_policy(policy).await?.rejected();
        assert!(log.contains(&format!("pointsman: {reason}")) || log.contains(&format!("refused: {reason}")), "{log}");
        assert_eq!(listener.get("/").send().await?.service(), "default");
    }
    Ok(())
}

async fn what_has_no_effect_is_logged(envoy: &Envoy) -> Result<()> {
    let listener = listener(envoy, json!({})).await?;
    let mut policy = rules(json!([{"route": to("one")}]));
    policy["virtualServices"][0]["exportTo"] = json!(["."]);
    let log = listener.update_policy(policy).await?.accepted();
    let warning = "pointsman: virtualServices[0].exportTo: has no effect: ";
    let line = log.lines().find(|line| line.contains(warning)).expect("a warning");
    assert!(line.contains("][warning][wasm]"), "{line}");
    assert_eq!(listener.get("/").send().await?.service(), "one");
    Ok(())
}

async fn a_list_of_resources_as_kubectl_prints_it(envoy: &Envoy) -> Result<()> {
    let resource = |name: &str, host: &str, created: &str, path: &str| {
        json!({
            "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
            "metadata": {
                "name": name, "namespace": "n", "creationTimestamp": created, "uid": "1", "resourceVersion": "7",
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}, "generation": 3,
            },
            "spec": {"hosts": ["shop"], "http": [{"match": [{"uri": {"prefix": path}}], "route": to(host)}]},
        })
    };
    let items =
        [resource("young", "two", "2026-02-01T00:00:00Z", "/a"), resource("old", "one", "2026-01-01T00:00:00Z", "/ab")];
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items, "metadata": {"resourceVersion": ""}});
    let listener = listener(envoy, json!({"virtualServices": [list]})).await?;
    for (path, expected) in [("/abc", "one"), ("/a", "two")] {
        assert_eq!(listener.get(path).host("shop").send().await?.service(), expected);
    }
    Ok(())
}

async fn the_full_module_routes_as_the_slim_one(envoy: &Envoy) -> Result<()> {
    envoy.echoes(["one"]).await?;
    for name in ["pointsman", "pointsman-routing"] {
        let policy = rules(json!([{"route": to("one")}]));
        let listener = envoy.add_listener(ListenerConfig::new().module(module(name)?).policy(policy)).await?;
        assert_eq!(listener.get("/").send().await?.service(), "one");
    }
    Ok(())
}

async fn many_rules_are_loaded(envoy: &Envoy) -> Result<()> {
    let rule = |index: u32| json!({"match": [{"uri": {"exact": format!("/{index}")}}], "route": to("one")});
    let mut all: Vec<Value> = (0..3000).map(rule).collect();
    all.push(json!({"match": [{"uri": {"prefix": "/last"}}], "route": to("two")}));
    let listener = listener(envoy, rules(json!(all))).await?;
    for (path, expected) in [("/0", "one"), ("/2999", "one"), ("/last", "two")] {
        assert_eq!(listener.get(path).send().await?.service(), expected);
    }
    assert_eq!(listener.get("/3000").send().await?.status, 404);
    Ok(())
}

/// Requests without a pause while the policy changes, for good and for bad: each goes where one of the two says.
async fn updates_lose_no_request(envoy: &Envoy) -> Result<()> {
    let policy = |host: &str| rules(json!([{"route": to(host)}]));
    let listener = listener(envoy, policy("one")).await?;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let client = {
        let (mut connection, request) = (listener.connect().await?, listener.get("/"));
        tokio::spawn(async move {
            let mut count = 0u32;
            while !*stopped.borrow() {
                let answer = connection.send(request.clone()).await?;
                assert!(["one", "two"].contains(&answer.service().as_str()), "{answer}");
                count += 1;
            }
            anyhow::Ok(count)
        })
    };
    for round in 0..6 {
        listener.update_policy(policy(["two", "one"][round % 2])).await?.accepted();
        listener.update_policy(json!({"virtualServices": 5})).await?.rejected();
    }
    stop.send(true)?;
    assert!(client.await?? > 0);
    Ok(())
}
