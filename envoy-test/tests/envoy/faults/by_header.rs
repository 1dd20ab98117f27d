//! Faults that a client asks for by Envoy's request headers, where the configuration lets it. What is expected was seen
//! with Envoy's own filter.

mod passed;
mod shares;

use anyhow::Result;
use envoy_test::{Answer, Envoy, Listener, ListenerConfig, Test, module, tests};
use serde_json::{Value, json};

pub fn tests() -> Vec<Test> {
    [tests![delays, aborts, throughputs, percentages, all_at_once], passed::tests(), shares::tests()].concat()
}

const DELAY: &str = "x-envoy-fault-delay-request";
const ABORT: &str = "x-envoy-fault-abort-request";
const GRPC: &str = "x-envoy-fault-abort-grpc-request";
const LIMIT: &str = "x-envoy-fault-throughput-response";
const DELAY_SHARE: &str = "x-envoy-fault-delay-request-percentage";
const ABORT_SHARE: &str = "x-envoy-fault-abort-request-percentage";
const LIMIT_SHARE: &str = "x-envoy-fault-throughput-response-percentage";

const WHOLE: &str = "pointsman";
const SLIM: &str = "pointsman-fault-injection";

type Headers<'a> = &'a [(&'a str, &'a str)];

/// Some of the three kinds of faults, each by its headers.
fn fault(kinds: &[&str], percentage: &Value) -> Value {
    let one = |kind: &&str| {
        let measure = match *kind {
            "delay" => "headerDelay",
            "abort" => "headerAbort",
            _ => "headerLimit",
        };
        ((*kind).to_owned(), json!({measure: {}, "percentage": percentage}))
    };
    Value::Object(kinds.iter().map(one).collect())
}

async fn listener(envoy: &Envoy, name: &str, faults: Value) -> Result<Listener> {
    let mut policy = json!({"faults": faults});
    if name == WHOLE {
        policy["faultInjection"] = json!({"responseHeader": "x-fault"});
    }
    envoy.add_listener(ListenerConfig::new().module(module(name)?).policy(policy)).await
}

/// The protocols, and whether it is gRPC.
const FORMS: [(bool, bool); 3] = [(false, false), (true, false), (true, true)];

async fn send(listener: &Listener, headers: Headers<'_>, (http2, is_grpc): (bool, bool)) -> Result<Answer> {
    let request =
        if is_grpc { listener.post("/").header("content-type", "application/grpc") } else { listener.get("/") };
    let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    if http2 { request.http2() } else { request }.send().await
}

/// What is injected, as the response header says it, without the name.
fn told(answer: &Answer) -> String {
    answer.header("x-fault").unwrap_or_default().replace(" by own", "")
}

/// Sends all of them. With all three kinds in the one pass, which says by a response header what it did; and without the
/// throughput in the slim module, whose counters say it.
async fn expect(envoy: &Envoy, percentage: Value, rows: &[(Headers<'_>, &str)]) -> Result<()> {
    let own = json!([{"name": "own", "fault": fault(&["delay", "abort", "throughput"], &percentage)}]);
    let whole = listener(envoy, WHOLE, own).await?;
    // No other listener counts under this name.
    let label = format!("slim beside {}", whole.name());
    let slim = json!([{"name": label, "fault": fault(&["delay", "abort"], &percentage)}]);
    let slim = listener(envoy, SLIM, slim).await?;
    let mut counted = [0, 0];
    for (headers, expected) in rows {
        let abort = expected.split(", ").find_map(|fault| fault.strip_prefix("abort "));
        for form in FORMS {
            for listener in [&whole, &slim] {
                let answer = send(listener, headers, form).await?;
                let shown = format!("{form:?} {headers:?} {expected:?}: {answer}");
                check(&answer, abort, form.1, &shown);
                if listener.name() == whole.name() {
                    assert_eq!(told(&answer), *expected, "{shown}");
                }
            }
            counted[0] += u64::from(expected.starts_with("delay"));
            counted[1] += u64::from(abort.is_some());
        }
    }
    for (expected, kind) in counted.into_iter().zip(["delays", "aborts"]) {
        let counter = format!("wasmcustom.rule=.={label};.;pointsman_fault_{kind}_injected");
        assert_eq!(envoy.admin().stat(&counter).await?, expected, "{kind}");
    }
    Ok(())
}

/// The answer is that of such an abort, or the upstream's.
fn check(answer: &Answer, abort: Option<&str>, is_grpc: bool, shown: &str) {
    let (status, grpc_status) = match abort.map(|abort| (abort, abort.strip_prefix("grpc "))) {
        None => {
            assert_eq!((answer.status, answer.service().as_str()), (200, "default"), "{shown}");
            return;
        }
        Some((_, Some(number))) => ("200", number),
        Some(("404", None)) => ("404", "12"),
        Some((status @ ("429" | "503"), None)) => (status, "14"),
        Some((status, None)) => (status, "2"),
    };
    if is_grpc {
        assert_eq!((answer.status, answer.header("grpc-status").as_deref()), (200, Some(grpc_status)), "{shown}");
    } else {
        assert_eq!((answer.status.to_string().as_str(), answer.header("grpc-status")), (status, None), "{shown}");
    }
}

async fn delays(envoy: &Envoy) -> Result<()> {
    let given = |value: &'static str, expected: &'static str| (vec![(DELAY, value)], expected);
    let mut rows: Vec<(Vec<(&str, &str)>, &str)> = vec![
        given("1", "delay 1ms"),
        given("0010", "delay 10ms"),
        given("+10", "delay 10ms"),
        given(" 10", "delay 10ms"),
        given("10\t", "delay 10ms"),
        (vec![(DELAY, "10"), (DELAY, "80000")], "delay 10ms"),
        (vec![(DELAY, "10"), (DELAY, "abc")], "delay 10ms"),
        (vec![(DELAY, "abc"), (DELAY, "10")], ""),
        (vec![(DELAY, ""), (DELAY, "10")], ""),
        (vec![(DELAY_SHARE, "100")], ""),
        (vec![], ""),
    ];
    for none in
        ["", "0", "00", "+0", "-0", "-10", "+", "+ 10", "0x10", "10.0", "1e1", "10,20", "10;q=1", "1_0", "\"10\""]
    {
        rows.push(given(none, ""));
    }
    for none in ["abc", "9223372036854775808", "18446744073709551615", "18446744073709551616", "99999999999999999999"] {
        rows.push(given(none, ""));
    }
    let rows: Vec<_> = rows.iter().map(|(headers, expected)| (headers.as_slice(), *expected)).collect();
    expect(envoy, json!({"value": 100}), &rows).await
}

async fn aborts(envoy: &Envoy) -> Result<()> {
    let rows: &[(Headers<'_>, &str)] = &[
        (&[(ABORT, "200")], "abort 200"),
        (&[(ABORT, "204")], "abort 204"),
        (&[(ABORT, "304")], "abort 304"),
        (&[(ABORT, "429")], "abort 429"),
        (&[(ABORT, "599")], "abort 599"),
        (&[(ABORT, " +0503 ")], "abort 503"),
        (&[(ABORT, "100")], ""),
        (&[(ABORT, "199")], ""),
        (&[(ABORT, "600")], ""),
        (&[(ABORT, "-503")], ""),
        (&[(ABORT, "503,404")], ""),
        (&[(ABORT, "4294967799")], ""),
        (&[(ABORT, "503"), (ABORT, "404")], "abort 503"),
        (&[(ABORT, "600"), (ABORT, "404")], ""),
        (&[(GRPC, "0")], "abort grpc 0"),
        (&[(GRPC, "014")], "abort grpc 14"),
        (&[(GRPC, "16")], "abort grpc 16"),
        (&[(GRPC, "17")], "abort grpc 17"),
        (&[(GRPC, "4294967295")], "abort grpc 4294967295"),
        // Here Envoy's own takes the lower 32 bits, which is 0: no status that anybody could have meant.
        (&[(GRPC, "4294967296")], ""),
        (&[(GRPC, "-1")], ""),
        (&[(GRPC, "14.0")], ""),
        (&[(GRPC, "14"), (GRPC, "13")], "abort grpc 14"),
        // HTTP's first, if it is one.
        (&[(ABORT, "503"), (GRPC, "13")], "abort 503"),
        (&[(GRPC, "13"), (ABORT, "503")], "abort 503"),
        (&[(ABORT, "404"), (GRPC, "x")], "abort 404"),
        (&[(ABORT, "600"), (GRPC, "13")], "abort grpc 13"),
        (&[(ABORT, "abc"), (GRPC, "13")], "abort grpc 13"),
        (&[(ABORT, ""), (GRPC, "13")], "abort grpc 13"),
    ];
    expect(envoy, json!({"value": 100}), rows).await
}

async fn throughputs(envoy: &Envoy) -> Result<()> {
    let rows: &[(Headers<'_>, &str)] = &[
        (&[(LIMIT, "1000")], "throughput 1000 KiB/s"),
        (&[(LIMIT, " +1000")], "throughput 1000 KiB/s"),
        // Envoy's own computes in 64 bits, so that this limit becomes none at all or 0.
        (&[(LIMIT, "18014398509481984")], "throughput 18014398509481984 KiB/s"),
        (&[(LIMIT, "18446744073709551615")], "throughput 18446744073709551615 KiB/s"),
        (&[(LIMIT, "18446744073709551616")], ""),
        (&[(LIMIT, "0")], ""),
        (&[(LIMIT, "1.5")], ""),
        (&[(LIMIT, "1,2")], ""),
        (&[(LIMIT, "0"), (LIMIT, "1000")], ""),
    ];
    expect(envoy, json!({"value": 100}), rows).await
}

/// What is no number counts as if it were not there; a number is one in a hundred.
async fn percentages(envoy: &Envoy) -> Result<()> {
    for (share, is_hit) in [
        ("0", false),
        ("+0", false),
        (" 00 ", false),
        ("100", true),
        ("101", true),
        ("4294967295", true),
        ("4294967296", true),
        ("-1", true),
        ("0%", true),
        ("0.5", true),
        ("", true),
    ] {
        let told = |fault: &'static str| if is_hit { fault } else { "" };
        let rows: &[(Headers<'_>, &str)] = &[
            (&[(DELAY, "2"), (DELAY_SHARE, share)], told("delay 2ms")),
            (&[(ABORT, "503"), (ABORT_SHARE, share)], told("abort 503")),
            (&[(GRPC, "14"), (ABORT_SHARE, share)], told("abort grpc 14")),
            (&[(LIMIT, "1000"), (LIMIT_SHARE, share)], told("throughput 1000 KiB/s")),
            (&[(ABORT, "503"), (ABORT_SHARE, share), (ABORT_SHARE, "50")], told("abort 503")),
            // The percentage of another kind, and what is no header of Envoy's.
            (&[(ABORT, "503"), (DELAY_SHARE, "0"), ("x-envoy-fault-abort-grpc-request-percentage", "0")], "abort 503"),
        ];
        expect(envoy, json!({"numerator": 100}), rows).await?;
        let never: Vec<(Headers<'_>, &str)> = rows[..4].iter().map(|(headers, _)| (*headers, "")).collect();
        expect(envoy, json!({"value": 0}), &never).await?;
    }
    Ok(())
}

async fn all_at_once(envoy: &Envoy) -> Result<()> {
    let rows: &[(Headers<'_>, &str)] = &[
        (&[(DELAY, "5"), (ABORT, "503"), (LIMIT, "1000")], "delay 5ms, abort 503"),
        (&[(DELAY, "5"), (GRPC, "14")], "delay 5ms, abort grpc 14"),
        (&[(DELAY, "5"), (LIMIT, "1000")], "delay 5ms, throughput 1000 KiB/s"),
    ];
    expect(envoy, json!({"value": 100}), rows).await
}
