use pointsman_wire::{Resource, decode, resources};
use serde_json::{Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::source::From;
use super::*;

struct Section(Vec<Resource<Telemetry>>);

impl Decode for Section {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        resources(at).map(Self)
    }
}

#[track_caller]
fn read(value: &Value) -> Telemetry {
    let (section, report) = decode::<Section>(value);
    let section = section.unwrap_or_else(|| panic!("{value}: {:?}", report.errors()));
    section.0.into_iter().next().unwrap().spec
}

fn said(value: &Value) -> (Vec<String>, Vec<String>) {
    let (_, report) = decode::<Section>(value);
    let text = |list: &[pointsman_wire::Problem]| list.iter().map(ToString::to_string).collect();
    (text(report.errors()), text(report.warnings()))
}

/// From Istio's documents.
#[test]
fn whole_resources() {
    let telemetry = read(&json!({
        "apiVersion": "telemetry.istio.io/v1", "kind": "Telemetry", "metadata": {"name": "mesh", "namespace": "istio-system"},
        "spec": {
            "tracing": [{"providers": [{"name": "localtrace"}], "randomSamplingPercentage": 12.34}],
            "metrics": [{"providers": [{"name": "prometheus"}], "overrides": [
                {"match": {"metric": "REQUEST_COUNT", "mode": "CLIENT"}, "tagOverrides": {
                    "destination_port": {"value": "string(destination.port)"},
                    "response_code": {"operation": "REMOVE"},
                    "plan": {"operation": "UPSERT", "from": {"requestHeader": "X-Plan", "default": "none"}}}},
                {"match": {"metric": "ALL_METRICS"}, "disabled": true},
                {"disabled": false}]}],
            "accessLogging": [{"match": {"mode": "SERVER"}, "filter": {"expression": "response.code >= 400"}}]}}));
    assert_eq!(telemetry.tracing[0].sampling_per_10_000, Some(1234));
    assert_eq!(telemetry.tracing[0].mode(), Mode::ClientAndServer);
    let [first, second, third] = telemetry.metrics[0].overrides.as_slice() else { panic!() };
    let of = first.of.as_ref().unwrap();
    assert_eq!((of.metric, of.mode, first.disabled), (Selected::One(Standard::RequestCount), Mode::Client, None));
    let upsert =
        |from, default: Option<&str>| TagOverride::Upsert(Source { from, default: default.map(str::to_owned) });
    assert_eq!(
        first.tag_overrides["destination_port"],
        upsert(From::Expression("string(destination.port)".into()), None)
    );
    assert_eq!(first.tag_overrides["response_code"], TagOverride::Remove);
    assert_eq!(first.tag_overrides["plan"], upsert(From::RequestHeader(b"x-plan".as_slice().into()), Some("none")));
    assert_eq!((second.of.as_ref().unwrap().metric, second.disabled), (Selected::All, Some(true)));
    assert_eq!((third.of.is_none(), third.disabled), (true, Some(false)));
    let logging = &telemetry.access_logging[0];
    assert_eq!(
        (logging.mode(), logging.filter.as_ref().unwrap().expression.as_str()),
        (Mode::Server, "response.code >= 400")
    );
}

#[test]
fn ours() {
    let telemetry = read(&json!({
        "propagators": ["tracecontext", "b3multi"],
        "maxLabelSets": 10,
        "pathTemplates": ["/users/{id}"],
        "requestHeaders": {"X-Route": {"property": "xds.route_name"}},
        "responseHeaders": {"x-served-by": {"environment": "HOSTNAME", "default": "?"}},
        "accessLog": {"user": {"jwtClaim": ["https://a.b/user"]}, "form": {"pathTemplate": true}, "v": {"literal": ""}},
    }));
    let propagation = telemetry.propagators.unwrap().0;
    assert!(propagation.trace_context && propagation.b3_multi && !propagation.b3);
    assert_eq!(telemetry.max_label_sets, Some(10));
    assert_eq!(telemetry.request_headers["x-route"].from, From::Property(vec!["xds".into(), "route_name".into()]));
    assert_eq!(telemetry.response_headers["x-served-by"].default.as_deref(), Some("?"));
    assert_eq!(telemetry.access_log["user"].from, From::JwtClaim(vec!["https://a.b/user".into()]));
    assert_eq!(telemetry.access_log["form"].from, From::PathTemplate);
    assert_eq!(telemetry.access_log["v"].from, From::Literal(String::new()));
}

#[test]
fn what_is_wrong_is_said() {
    for (value, expected) in [
        (json!({"metric": []}), "metric: unknown field; did you mean `metrics`?"),
        (
            json!({"tracing": [{"randomSamplingPercentage": 101}]}),
            "tracing[0].randomSamplingPercentage: 101 is no percentage, expected 0 to 100",
        ),
        (
            json!({"tracing": [{"match": {"mode": "BOTH"}}]}),
            "tracing[0].match.mode: \"BOTH\" is no mode, expected CLIENT, SERVER or CLIENT_AND_SERVER",
        ),
        (json!({"propagators": []}), "propagators: names none: leave `tracing` out instead"),
        (
            json!({"propagators": ["w3c"]}),
            "propagators[0]: \"w3c\" is no propagator, expected tracecontext, b3 or b3multi",
        ),
        (json!({"maxLabelSets": 0}), "maxLabelSets: 0 is no number of label sets, expected 1 to 10000"),
        (
            json!({"metrics": [{"overrides": [{"match": {"metric": "REQUESTS"}}]}]}),
            "metrics[0].overrides[0].match.metric: \"REQUESTS\" is no metric, expected ALL_METRICS or one of REQUEST_COUNT, \
             REQUEST_DURATION, REQUEST_SIZE, RESPONSE_SIZE, GRPC_REQUEST_MESSAGES, GRPC_RESPONSE_MESSAGES",
        ),
        (
            json!({"metrics": [{"overrides": [{"tagOverrides": {"a": {}}}]}]}),
            "metrics[0].overrides[0].tagOverrides.a.value: is missing: what a label is, in CEL, such as `request.host`",
        ),
        (
            json!({"metrics": [{"overrides": [{"tagOverrides": {"a": {"operation": "REMOVE", "value": "x"}}}]}]}),
            "metrics[0].overrides[0].tagOverrides.a: is removed: it has no value then",
        ),
        (
            json!({"metrics": [{"overrides": [{"tagOverrides": {"a-b": {"value": "x"}}}]}]}),
            "metrics[0].overrides[0].tagOverrides.a-b: `a-b` is no label's name: letters, digits and `_`",
        ),
        (
            json!({"metrics": [{"overrides": [{"match": {"customMetric": "x"}}]}]}),
            "metrics[0].overrides[0].match.customMetric: is refused: there are Istio's standard metrics alone: use `metric`",
        ),
        (json!({"accessLogging": [{"filter": {}}]}), "accessLogging[0].filter.expression: is missing"),
        (
            json!({"accessLogging": [{"filter": {"expression": " "}}]}),
            "accessLogging[0].filter.expression: is empty, expected an expression in CEL",
        ),
        (
            json!({"accessLog": {"a.b": {"literal": "x"}}}),
            "accessLog[\"a.b\"]: `a.b` is no attribute's name: letters, digits and `_`",
        ),
        (
            json!({"accessLog": {"a": {"pathTemplate": false}}}),
            "accessLog.a: says nothing: `pathTemplate` is true, or there is another one",
        ),
        (json!({"accessLog": {"a": {"property": "a..b"}}}), "accessLog.a.property: has an empty step"),
        (json!({"requestHeaders": {"a b": {"literal": "x"}}}), "requestHeaders[\"a b\"]: `a b` is not a header's name"),
    ] {
        let (errors, _) = said(&value);
        assert_eq!(errors, [expected], "{value}");
    }
    let (errors, warnings) =
        said(&json!({"metrics": [{"overrides": [{"match": {"metric": "TCP_SENT_BYTES"}, "disabled": true}]}]}));
    assert_eq!(errors, [""; 0]);
    assert_eq!(
        warnings,
        ["metrics[0].overrides[0].match.metric: has no effect: a filter of requests counts no connections"]
    );
}
