//! Which of the headers that ask for faults have an effect, and which go on to the upstream: only those of a kind that
//! the configuration lets this request ask for. Envoy's own lets them all pass.

use anyhow::Result;
use envoy_test::{Answer, Envoy, Test, tests};
use serde_json::{Value, json};

use super::{ABORT, ABORT_SHARE, DELAY, DELAY_SHARE, FORMS, GRPC, LIMIT, LIMIT_SHARE, SLIM, WHOLE, fault, listener};
use super::{send, told};
use crate::faults::native::always;

pub fn tests() -> Vec<Test> {
    tests![off, each_alone, only_where_it_applies]
}

/// All seven. No abort, because then no upstream could tell; the grpc one is repeated.
const ALL: [(&str, &str); 8] = [
    (DELAY, "7"),
    (DELAY_SHARE, "100"),
    (ABORT, "418"),
    (GRPC, "14"),
    (GRPC, "13"),
    (ABORT_SHARE, "0"),
    (LIMIT, "1000"),
    (LIMIT_SHARE, "100"),
];

/// Which of them the upstream saw.
fn arrived(answer: &Answer) -> Vec<(String, String)> {
    let lines = answer.echo().headers.into_iter().filter(|(name, _)| name.starts_with("x-envoy-fault-"));
    let mut lines: Vec<_> = lines.collect();
    lines.sort();
    lines
}

fn those(names: &[&str]) -> Vec<(String, String)> {
    let lines = ALL.iter().filter(|(name, _)| names.contains(name));
    let mut lines: Vec<_> = lines.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    lines.sort();
    lines
}

/// Nothing that a client says has an effect where no fault is by header, and the upstream hears nothing of it.
async fn off(envoy: &Envoy) -> Result<()> {
    let fixed = json!({"abort": {"httpStatus": 503, "percentage": {"value": 0}}});
    for name in [WHOLE, SLIM] {
        for faults in [json!([]), json!([{"name": "own", "fault": fixed}])] {
            let listener = listener(envoy, name, faults).await?;
            for form in FORMS {
                let share = [(ABORT_SHARE, "100")];
                let headers: Vec<_> = ALL.into_iter().filter(|(name, _)| *name != ABORT_SHARE).chain(share).collect();
                let answer = send(&listener, &headers, form).await?;
                assert_eq!((arrived(&answer), told(&answer)), (vec![], String::new()), "{name} {answer}");
            }
        }
    }
    // And of a fixed one they change nothing.
    for name in [WHOLE, SLIM] {
        let fault = always(json!({"abort": {"httpStatus": 503}}));
        let listener = listener(envoy, name, json!([{"fault": fault}])).await?;
        for form in FORMS {
            let answer = send(&listener, &ALL, form).await?;
            let status = if form.1 { 200 } else { 503 };
            assert_eq!(answer.status, status, "{name} {answer}");
        }
    }
    Ok(())
}

async fn each_alone(envoy: &Envoy) -> Result<()> {
    for (kind, told_of, names) in [
        ("delay", "delay 7ms", &[DELAY, DELAY_SHARE][..]),
        ("abort", "", &[ABORT, GRPC, ABORT_SHARE]),
        ("throughput", "throughput 1000 KiB/s", &[LIMIT, LIMIT_SHARE]),
    ] {
        for name in [WHOLE, SLIM] {
            if (name, kind) == (SLIM, "throughput") {
                continue;
            }
            let faults = json!([{"name": "own", "fault": fault(&[kind], &json!({"value": 100}))}]);
            let listener = listener(envoy, name, faults).await?;
            for form in FORMS {
                let answer = send(&listener, &ALL, form).await?;
                assert_eq!(arrived(&answer), those(names), "{name} {kind}");
                assert_eq!(told(&answer), if name == WHOLE { told_of } else { "" }, "{name} {kind}");
                // Without its percentage the abort is done, and it alone.
                let headers: Vec<_> = ALL.into_iter().filter(|(name, _)| *name != ABORT_SHARE).collect();
                let answer = send(&listener, &headers, form).await?;
                let is_aborted = answer.status == 418 || answer.header("grpc-status").is_some();
                assert_eq!(is_aborted, kind == "abort", "{name} {kind} {answer}");
            }
        }
    }
    Ok(())
}

/// Another rule's being by header is no licence.
async fn only_where_it_applies(envoy: &Envoy) -> Result<()> {
    let entry = |name: &str, kind: &str| -> Value {
        let chosen = json!([{"headers": {"which": {"exact": name}}}]);
        json!({"name": name, "match": chosen, "fault": fault(&[kind], &json!({"value": 100}))})
    };
    for name in [WHOLE, SLIM] {
        let listener = listener(envoy, name, json!([entry("delay", "delay"), entry("abort", "abort")])).await?;
        for (which, names) in
            [("delay", &[DELAY, DELAY_SHARE][..]), ("abort", &[ABORT, GRPC, ABORT_SHARE]), ("none", &[])]
        {
            let headers: Vec<_> = [("which", which)].into_iter().chain(ALL).collect();
            for form in FORMS {
                let answer = send(&listener, &headers, form).await?;
                assert_eq!(arrived(&answer), those(names), "{name} {which}");
            }
        }
    }
    Ok(())
}
