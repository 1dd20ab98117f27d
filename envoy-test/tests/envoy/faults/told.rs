//! What can be seen of a fault: in the access log, in the metrics, in the response, and that it is none where it is only
//! counted.

use anyhow::Result;
use envoy_test::{Answer, Envoy, Listener, ListenerConfig, Reply, Test, module, routes, tests};
use serde_json::{Value, json};

use super::native::always;

pub fn tests() -> Vec<Test> {
    tests![in_the_access_log, in_the_metrics, in_the_response, shadows, a_shadow_of_all, an_explanation]
}

const WHOLE: &str = "pointsman";
const SLIM: &str = "pointsman-fault-injection";

/// The rule for that path has that fault.
fn rule(path: &str, fault: Value) -> Value {
    let route = json!([{"destination": {"host": "default"}}]);
    json!({"match": [{"uri": {"exact": path}}], "fault": always(fault), "route": route})
}

fn entry(name: &str, path: &str, fault: Value) -> Value {
    json!({"name": name, "match": [{"uri": {"exact": path}}], "fault": always(fault)})
}

fn abort() -> Value {
    json!({"abort": {"httpStatus": 503}})
}

fn delay() -> Value {
    json!({"delay": {"fixedDelay": "10ms"}})
}

/// With these rules, and one for the rest. No other test's VirtualService has that name.
fn service(name: &str, mut rules: Value) -> Value {
    rules.as_array_mut().unwrap().push(json!({"route": [{"destination": {"host": "default"}}]}));
    let metadata = json!({"name": name, "namespace": "shop"});
    let spec = json!({"hosts": ["*"], "http": rules});
    json!([{"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": metadata, "spec": spec}])
}

async fn listener(envoy: &Envoy, name: &str, policy: Value) -> Result<Listener> {
    envoy.add_listener(ListenerConfig::new().module(module(name)?).policy(policy)).await
}

async fn both(listener: &Listener, path: &str) -> Result<[Answer; 2]> {
    Ok([listener.get(path).send().await?, listener.get(path).http2().send().await?])
}

/// The details name the rule. There is no flag, which Envoy lets no filter set: its own has `FI`, and `DI` for a delay.
async fn in_the_access_log(envoy: &Envoy) -> Result<()> {
    let rules = json!([rule("/rule", abort()), rule("/delay", delay())]);
    let unnamed = json!({"match": [{"uri": {"exact": "/second"}}], "fault": always(abort())});
    let entries = json!([entry("an own name", "/own", abort()), unnamed]);
    for name in [WHOLE, SLIM] {
        let policy = json!({"virtualServices": service("logged", rules.clone()), "faults": entries});
        let listener = listener(envoy, name, policy).await?;
        for path in ["/rule", "/delay", "/own", "/second", "/none"] {
            both(&listener, path).await?;
        }
        let log = listener.access_log(10).await?;
        for (path, code, details) in [
            ("/rule", 503, "pointsman_fault_abort{shop/logged_http[0]}"),
            ("/delay", 200, "via_upstream"),
            ("/own", 503, "pointsman_fault_abort{an_own_name}"),
            ("/second", 503, "pointsman_fault_abort{faults[1]}"),
            ("/none", 200, "via_upstream"),
        ] {
            let lines: Vec<&Value> = log.iter().filter(|line| line["path"] == path).collect();
            assert_eq!(lines.len(), 2, "{log:?}");
            for line in lines {
                assert_eq!((&line["code"], &line["details"]), (&json!(code), &json!(details)), "{line}");
                assert!(line["flags"].is_null() || line["flags"] == "-", "{line}");
            }
        }
    }
    Ok(())
}

/// A label's counters and gauge, without those that are 0.
async fn counted(envoy: &Envoy, label: &str) -> Result<Vec<String>> {
    let prefix = format!("wasmcustom.rule=.={label};.;");
    let all = envoy.admin().stats(&prefix).await?;
    let some = all.iter().filter(|(_, count)| **count != 0);
    Ok(some.map(|(name, count)| format!("{}: {count}", name.trim_start_matches(&prefix))).collect())
}

async fn in_the_metrics(envoy: &Envoy) -> Result<()> {
    for name in [WHOLE, SLIM] {
        let all = json!({
            "delay": {"fixedDelay": "10ms"}, "abort": {"httpStatus": 503}, "throughput": {"limitKbps": 100_000},
        });
        let mut kinds: Vec<&str> = ["delay", "abort", "throughput"].into();
        kinds.truncate(if name == WHOLE { 3 } else { 2 });
        let fault = |kinds: &[&str]| -> Value {
            Value::Object(kinds.iter().map(|kind| ((*kind).to_owned(), all[*kind].clone())).collect())
        };
        let alone: Vec<Value> = kinds.iter().map(|kind| rule(&format!("/{kind}"), fault(&[kind]))).collect();
        let two = if name == WHOLE { ["delay", "throughput"] } else { ["delay", "abort"] };
        let (service_name, entry_name) = (format!("metrics of {name}"), format!("all of {name}"));
        let policy = json!({
            "virtualServices": service(&service_name.replace(' ', "-"), alone.into()),
            "faults": [entry(&entry_name, "/two", fault(&two))],
        });
        let listener = listener(envoy, name, policy).await?;
        for path in kinds.iter().copied().chain(["two", "none"]) {
            both(&listener, &format!("/{path}")).await?;
        }
        let counter = |kind: &str| match kind {
            "delay" => "pointsman_fault_delays_injected: 2",
            "abort" => "pointsman_fault_aborts_injected: 2",
            _ => "pointsman_fault_response_rl_injected: 2",
        };
        let mut expected: Vec<(String, Vec<&str>)> = Vec::new();
        for (number, kind) in kinds.iter().enumerate() {
            let label = format!("shop/{} http[{number}]", service_name.replace(' ', "-"));
            expected.push((label, vec![counter(kind)]));
        }
        let mut of_two: Vec<&str> = two.iter().map(|kind| counter(kind)).collect();
        of_two.sort_unstable();
        expected.push((entry_name, of_two));
        for (label, expected) in expected {
            // The gauge goes down when Envoy has done with the request, a moment after its answer.
            let settled = async || Ok((counted(envoy, &label).await? == expected).then_some(()));
            envoy.admin().until(&format!("{label} counts {expected:?}"), settled).await?;
        }
    }
    Ok(())
}

async fn in_the_response(envoy: &Envoy) -> Result<()> {
    let upstream = envoy.upstream("says").await?;
    upstream.script([Reply::status(200).header("x-fault", "the upstream's").body("a body")]);
    let slow = json!({"delay": {"fixedDelay": "10ms"}, "throughput": {"limitKbps": 64}});
    let both_of = json!({"delay": {"fixedDelay": "0.01s"}, "abort": {"grpcStatus": "ABORTED"}});
    let policy = json!({
        "faultInjection": {"responseHeader": "x-fault"},
        "virtualServices": service("says", json!([rule("/two", abort()), rule("/one", both_of)])),
        "faults": [entry("d", "/two", delay()), entry("slow", "/slow", slow)],
    });
    let config = ListenerConfig::new().module(module(WHOLE)?).policy(policy);
    let listener = envoy.add_listener(config.routes([routes::catch_all(upstream.name())])).await?;
    for (path, expected) in [
        ("/two", "delay 10ms by d, abort 503 by shop/says http[0]"),
        ("/one", "delay 10ms by shop/says http[1], abort grpc 10 by shop/says http[1]"),
        ("/slow", "delay 10ms by slow, throughput 64 KiB/s by slow"),
        // Only what this filter says of itself.
        ("/none", "the upstream's"),
    ] {
        for answer in both(&listener, path).await? {
            assert_eq!(answer.header_lines("x-fault"), [expected], "{path}: {answer}");
        }
    }
    Ok(())
}

/// Those in front of the one that is done are counted, and so is one where none is done.
async fn shadows(envoy: &Envoy) -> Result<()> {
    for name in [WHOLE, SLIM] {
        let named = |what: &str| format!("{what} in {name}");
        let shadow = |what: &str, fault: Value| {
            let mut entry = entry(&named(what), "/", fault);
            entry["shadow"] = json!(true);
            entry
        };
        let both_of = json!({"delay": {"fixedDelay": "1h"}, "abort": {"httpStatus": 500}});
        let entries =
            json!([shadow("shadow", both_of), entry(&named("done"), "/", abort()), shadow("behind", delay()),]);
        let listener = listener(envoy, name, json!({"faults": entries})).await?;
        for answer in both(&listener, "/").await? {
            assert_eq!(answer.status, 503);
        }
        let twice = ["pointsman_fault_shadow_aborts_injected: 2", "pointsman_fault_shadow_delays_injected: 2"];
        assert_eq!(counted(envoy, &named("shadow")).await?, twice);
        assert_eq!(counted(envoy, &named("behind")).await?, Vec::<String>::new());
        let settled = async || {
            Ok((counted(envoy, &named("done")).await? == ["pointsman_fault_aborts_injected: 2"]).then_some(()))
        };
        envoy.admin().until("only the last is done", settled).await?;
    }
    Ok(())
}

/// Of all faults, those of VirtualServices too.
async fn a_shadow_of_all(envoy: &Envoy) -> Result<()> {
    for name in [WHOLE, SLIM] {
        let (service_name, own) = (format!("shadow-{name}"), format!("own shadow {name}"));
        let policy = json!({
            "faultInjection": {"shadow": true, "maxActive": 0},
            "virtualServices": service(&service_name, json!([rule("/", abort())])),
            "faults": [entry(&own, "/", json!({"delay": {"fixedDelay": "1h"}}))],
        });
        let listener = listener(envoy, name, policy).await?;
        for answer in both(&listener, "/").await? {
            assert_eq!((answer.status, answer.service().as_str()), (200, "default"));
        }
        // A cap is for what is done.
        assert_eq!(counted(envoy, &own).await?, ["pointsman_fault_shadow_delays_injected: 2"]);
        let rule = format!("shop/{service_name} http[0]");
        assert_eq!(counted(envoy, &rule).await?, ["pointsman_fault_shadow_aborts_injected: 2"]);
    }
    Ok(())
}

/// An aborted request's answer explains where it would have gone.
async fn an_explanation(envoy: &Envoy) -> Result<()> {
    let policy = json!({
        "debug": {"header": "x-explain"},
        "virtualServices": service("explained", json!([rule("/abort", abort()), rule("/delay", delay())])),
    });
    let listener = listener(envoy, WHOLE, policy).await?;
    for (path, status, expected) in [
        ("/abort", 503, "shop/explained http[0].match[0] -> default"),
        ("/delay", 200, "shop/explained http[1].match[0] -> default"),
    ] {
        for http2 in [false, true] {
            let request = listener.get(path).header("x-explain", "1");
            let answer = if http2 { request.http2() } else { request }.send().await?;
            assert_eq!(answer.status, status);
            let explained = answer.header("x-explain").unwrap_or_default();
            assert!(explained.starts_with(expected), "{explained}");
        }
    }
    Ok(())
}
