//! Envoy's own time-outs while a request is delayed: they come as ever, once, and of the fault nothing is left.

use std::time::{Duration, Instant};

use anyhow::Result;
use envoy_test::{Envoy, Listener, ListenerConfig, Outcome, RawHttp1, RawHttp2, Test, module, tests};
use serde_json::{Value, json};

use super::native::always;

pub fn tests() -> Vec<Test> {
    tests![the_stream_is_idle, the_request_takes_too_long, the_stream_takes_too_long, a_slow_answer, the_client_leaves]
}

const DELAY: Duration = Duration::from_millis(500);

/// A request with the header `long` is delayed for that long, and then aborted; others are delayed a little.
fn policy(label: &str) -> Value {
    let delay = format!("{}s", DELAY.as_secs_f32());
    let long = json!({"delay": {"fixedDelay": delay}, "abort": {"httpStatus": 418}});
    let short = always(json!({"delay": {"fixedDelay": "0.005s"}}));
    json!({"faults": [
        {"name": label, "match": [{"headers": {"long": {}}}], "fault": always(long)},
        {"name": format!("{label}, short"), "fault": short},
    ]})
}

/// Has the access log say so.
fn which() -> Value {
    json!({"long": "%REQ(LONG)%"})
}

/// How often that was counted.
async fn counted(envoy: &Envoy, label: &str, what: &str) -> Result<u64> {
    envoy.admin().stat(&format!("wasmcustom.rule=.={label};.;pointsman_fault_{what}")).await
}

/// Other requests go through until the delay would have been over, and nothing more comes of it.
async fn nothing_is_left(envoy: &Envoy, listener: &Listener, label: &str, start: Instant, requests: u64) -> Result<()> {
    let gone = async || Ok((counted(envoy, label, "active_faults").await? == 0).then_some(()));
    envoy.admin().until(&format!("no request of {label} is active"), gone).await?;
    // A worker deals with all that is due whenever it ticks, and these, on whichever worker, make it tick.
    while start.elapsed() < DELAY * 2 {
        for request in [listener.get("/"), listener.get("/").http2()] {
            // On a slow machine their time may be up, too.
            request.send().await?;
        }
    }
    let served = async || Ok((listener.get("/").send().await?.status == 200).then_some(()));
    envoy.admin().until(&format!("{label} serves"), served).await?;
    assert_eq!(counted(envoy, label, "delays_injected").await?, requests, "{label}");
    assert_eq!(counted(envoy, label, "aborts_injected").await?, 0, "{label}");
    assert_eq!(counted(envoy, label, "active_faults").await?, 0, "{label}");
    let short = format!("{label}, short");
    let gone = async || Ok((counted(envoy, &short, "active_faults").await? == 0).then_some(()));
    envoy.admin().until(&format!("no request of {short} is active"), gone).await?;
    Ok(())
}

/// Both modules, on a listener with such a connection manager: what a request gets whose body has ended, and one whose
/// body has not, and what Envoy says of both.
async fn end(envoy: &Envoy, manager: Value, whole: (u16, &str), partial: (u16, &str), details: &str) -> Result<()> {
    for name in ["pointsman", "pointsman-fault-injection"] {
        let config = ListenerConfig::new().module(module(name)?).manager(manager.clone()).access_log(which());
        let label = format!("{details} {name}");
        let listener = envoy.add_listener(config.policy(policy(&label))).await?;
        let (mark, start) = (listener.mark(), Instant::now());
        let (answered, one, unfinished, two) = tokio::join!(
            listener.get("/").header("long", "1").send(),
            listener.post("/").header("long", "1").body("x").http2().send(),
            RawHttp1::ask(listener.address(), "POST / HTTP/1.1\r\nhost: h\r\nlong: 1\r\ncontent-length: 9\r\n\r\n1"),
            unfinished(&listener),
        );
        for answer in [answered?, one?] {
            assert_eq!((answer.status, answer.text().as_str()), whole, "{label}: {answer}");
        }
        for outcome in [unfinished?, two?] {
            let Outcome::Answer(answer) = &outcome else { panic!("{label}: {outcome:?}") };
            let text = String::from_utf8_lossy(&answer.body);
            assert_eq!((answer.status, text.as_ref()), partial, "{label}: {answer:?}");
        }
        nothing_is_left(envoy, &listener, &label, start, 4).await?;
        let log = listener.access_log(4).await?;
        let long: Vec<&Value> = log.iter().filter(|line| line["long"] == "1").collect();
        assert!(long.len() == 4 && long.iter().all(|line| line["details"] == details), "{label}: {long:?}");
        let problems: Vec<String> =
            listener.log_since(mark).into_iter().filter(|line| line.contains("[error]")).collect();
        assert_eq!(problems, Vec::<String>::new(), "{label}");
    }
    Ok(())
}

/// What comes of a request over HTTP/2 that never ends.
async fn unfinished(listener: &Listener) -> Result<Outcome> {
    let mut two = RawHttp2::open(listener.address()).await?;
    let lines: [(&[u8], &[u8]); 5] =
        [(b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"h"), (b":path", b"/"), (b"long", b"1")];
    let id = two.begin(&lines, false).await;
    two.data(id, b"1", false).await;
    two.outcome(id).await
}

async fn the_stream_is_idle(envoy: &Envoy) -> Result<()> {
    let manager = json!({"stream_idle_timeout": "0.1s"});
    end(envoy, manager, (504, "stream timeout"), (408, "stream timeout"), "stream_idle_timeout").await
}

async fn the_request_takes_too_long(envoy: &Envoy) -> Result<()> {
    let manager = json!({"request_timeout": "0.1s"});
    end(envoy, manager, (504, "request timeout"), (408, "request timeout"), "request_overall_timeout").await
}

async fn the_stream_takes_too_long(envoy: &Envoy) -> Result<()> {
    let manager = json!({"common_http_protocol_options": {"max_stream_duration": "0.1s"}});
    let both = "downstream duration timeout";
    end(envoy, manager, (504, both), (408, both), "max_duration_timeout").await
}

/// Envoy's answer is still under way when the delay would be over: it stays the only one. The slim module, which is not
/// called for responses, has to find out by itself.
async fn a_slow_answer(envoy: &Envoy) -> Result<()> {
    let text = "x".repeat(4_000);
    let manager = json!({
        "request_timeout": "0.1s",
        "local_reply_config": {"body_format": {"text_format_source": {"inline_string": text}}},
    });
    let slow = json!({
        "name": "envoy.filters.http.fault",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
            "response_rate_limit": {"fixed_limit": {"limit_kbps": 2}, "percentage": {"numerator": 100}},
        },
    });
    for name in ["pointsman", "pointsman-fault-injection"] {
        let label = format!("slow answer {name}");
        let config = ListenerConfig::new().module(module(name)?).manager(manager.clone()).filter_before(slow.clone());
        let listener = envoy.add_listener(config.policy(policy(&label))).await?;
        let (mark, start) = (listener.mark(), Instant::now());
        let long = listener.get("/").header("long", "1");
        let (one, two) = tokio::join!(long.clone().send(), long.http2().send());
        for answer in [one?, two?] {
            assert_eq!((answer.status, answer.text()), (504, text.clone()), "{label}");
        }
        assert!(start.elapsed() > DELAY, "it was not slow enough to see anything");
        assert_eq!(counted(envoy, &label, "aborts_injected").await?, 0, "{label}");
        let gone = async || Ok((counted(envoy, &label, "active_faults").await? == 0).then_some(()));
        envoy.admin().until(&format!("no request of {label} is active"), gone).await?;
        let problems: Vec<String> =
            listener.log_since(mark).into_iter().filter(|line| line.contains("[error]")).collect();
        assert_eq!(problems, Vec::<String>::new(), "{label}");
    }
    Ok(())
}

/// No answer at all comes of it, and as little is left.
async fn the_client_leaves(envoy: &Envoy) -> Result<()> {
    for name in ["pointsman", "pointsman-fault-injection"] {
        let label = format!("left {name}");
        let config = ListenerConfig::new().module(module(name)?).policy(policy(&label));
        let listener = envoy.add_listener(config.access_log(which())).await?;
        let start = Instant::now();
        let mut two = RawHttp2::open(listener.address()).await?;
        let lines: [(&[u8], &[u8]); 5] =
            [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"h"), (b":path", b"/"), (b"long", b"1")];
        let id = two.begin(&lines, true).await;
        let mut one = RawHttp1::open(listener.address()).await?;
        one.write(b"GET / HTTP/1.1\r\nhost: h\r\nlong: 1\r\n\r\n").await;
        let active = async || Ok((counted(envoy, &label, "active_faults").await? == 2).then_some(()));
        envoy.admin().until("both wait", active).await?;
        two.cancel(id).await;
        one.reset()?;
        nothing_is_left(envoy, &listener, &label, start, 2).await?;
        let log = listener.access_log(2).await?;
        let codes = log.iter().filter(|line| line["long"] == "1").map(|line| line["code"].to_string());
        assert_eq!(codes.collect::<Vec<_>>(), ["0", "0"], "{label}");
    }
    Ok(())
}
