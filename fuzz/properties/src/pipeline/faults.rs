//! Faults, made of choices.

use serde_json::{Value, json};

use super::policy::{maybe, object, string_match};
use super::words::NAMES;
use crate::choices::Choices;

fn percentage(choices: &mut Choices<'_>) -> Value {
    match choices.below(4) {
        0 => json!({"numerator": choices.below(101)}),
        1 => json!({"value": 0.0001}),
        _ => json!({"value": 100}),
    }
}

fn fault(choices: &mut Choices<'_>) -> Value {
    let with =
        |choices: &mut Choices<'_>, name: &str, value: Value| json!({name: value, "percentage": percentage(choices)});
    let delay = maybe(choices, 2, |choices| match choices.one_in(3) {
        true => with(choices, "headerDelay", json!({})),
        false => with(choices, "fixedDelay", "1ms".into()),
    });
    let abort = match choices.below(4) {
        0 => with(choices, "headerAbort", json!({})),
        1 => with(choices, "grpcStatus", "UNAVAILABLE".into()),
        _ => {
            let status = choices.pick(&[200, 204, 503, 599]);
            with(choices, "httpStatus", status.into())
        }
    };
    let throughput = maybe(choices, 3, |choices| with(choices, "limitKbps", 1.into()));
    object([("delay", delay), ("abort", Some(abort)), ("throughput", throughput)])
}

/// Adds them, here and there; says whether a client may ask for some.
pub fn add(choices: &mut Choices<'_>, configuration: &mut Value) -> bool {
    for service in configuration["virtualServices"].as_array_mut().unwrap() {
        let spec = if service.get("spec").is_some() { &mut service["spec"] } else { service };
        for rule in spec["http"].as_array_mut().unwrap() {
            if choices.one_in(4) {
                rule["fault"] = fault(choices);
            }
        }
    }
    if choices.one_in(2) {
        let faults = choices.list(4, |choices| {
            let entry = json!({"uri": {"prefix": choices.pick(&["/", "/a"])}});
            let when = maybe(choices, 3, |choices| json!({"headers": {choices.pick(&NAMES): string_match(choices)}}));
            object([
                ("match", maybe(choices, 2, |_| json!([entry]))),
                ("fault", Some(fault(choices))),
                ("shadow", maybe(choices, 3, |_| true.into())),
                ("when", when),
                (
                    "endTime",
                    maybe(choices, 4, |choices| choices.pick(&["1970-01-01T00:00:00Z", "2400-01-01T00:00:00Z"]).into()),
                ),
            ])
        });
        configuration["faults"] = faults.into();
    }
    if choices.one_in(3) {
        configuration["faultInjection"] = object([
            ("maxActive", maybe(choices, 3, |choices| choices.below(2).into())),
            // Any other share depends on the requests before.
            ("maxPercentage", maybe(choices, 3, |_| json!({"value": 100}))),
            ("shadow", maybe(choices, 4, |_| true.into())),
            ("responseHeader", maybe(choices, 2, |_| "x-fault".into())),
        ]);
    }
    let text = configuration.to_string();
    text.contains("headerDelay") || text.contains("headerAbort")
}
