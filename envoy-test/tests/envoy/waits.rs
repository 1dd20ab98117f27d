//! The pipeline's waits, with the test-only filter `waits` in front of the routing filter: delays, call-outs, clients
//! that leave, configurations that change meanwhile.

use anyhow::Result;
use envoy_test::{Envoy, Listener, ListenerConfig, Reply, Test, UpstreamConfig, test_module, tests};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

pub fn tests() -> Vec<Test> {
    tests![
        a_delay_resumes_where_it_stood,
        many_delays_at_once_all_end,
        a_body_waits_with_its_request,
        an_http_answer_arrives,
        an_http_call_fails,
        an_http_call_times_out,
        a_grpc_answer_arrives,
        a_grpc_call_fails,
        a_call_after_a_delay,
        a_reply_after_a_wait,
        a_client_leaves_while_delayed,
        a_client_leaves_during_a_call,
        a_request_that_waits_keeps_its_policy,
        envoys_own_answer_ends_a_wait,
    ]
}

/// The routing goes to `cluster`; before it, the request waits.
fn policy(waits: Value, cluster: &str) -> Value {
    json!({
        "waits": waits,
        "virtualServices": [{"hosts": ["*"], "http": [{"route": [{"destination": {"host": cluster}}]}]}],
    })
}

async fn listener(envoy: &Envoy, waits: Value) -> Result<Listener> {
    let config = ListenerConfig::new().module(test_module("waits")?).policy(policy(waits, "default"));
    envoy.add_listener(config).await
}

/// What the request has been through, as the upstream saw it.
async fn story(listener: &Listener) -> Result<String> {
    Ok(listener.get("/").send().await?.echo().header("x-waits").unwrap_or_default().to_owned())
}

async fn a_delay_resumes_where_it_stood(envoy: &Envoy) -> Result<()> {
    let listener = listener(envoy, json!({"delayMs": 5, "times": 3})).await?;
    for http2 in [false, true] {
        let request = listener.get("/a?b");
        let answer = if http2 { request.http2() } else { request }.send().await?;
        assert_eq!(answer.status, 200);
        let echo = answer.echo();
        // Edits from before and after the wait were written at the end, once.
        assert_eq!(echo.header("x-waits"), Some("delayed, delayed, delayed"));
        assert_eq!(answer.header_lines("x-waited"), ["delayed, delayed, delayed"]);
    }
    Ok(())
}

async fn many_delays_at_once_all_end(envoy: &Envoy) -> Result<()> {
    let listener = listener(envoy, json!({"delayMs": 30, "times": 2})).await?;
    let requests = (0..200).map(|index| tokio::spawn(listener.get(&format!("/{index}")).send()));
    for (index, request) in requests.collect::<Vec<_>>().into_iter().enumerate() {
        let answer = request.await??;
        assert_eq!((answer.status, answer.echo().path), (200, format!("/{index}")));
    }
    Ok(())
}

async fn a_body_waits_with_its_request(envoy: &Envoy) -> Result<()> {
    let listener = listener(envoy, json!({"delayMs": 20, "times": 1})).await?;
    let answer = listener.post("/").body(vec![b'x'; 3_000_000]).send().await?;
    assert_eq!((answer.status, answer.echo().body_length), (200, 3_000_000));
    Ok(())
}

async fn an_http_answer_arrives(envoy: &Envoy) -> Result<()> {
    let asked = envoy.upstream("asked").await?;
    asked.script([Reply::status(418).body("12345")]);
    let listener = listener(envoy, json!({"http": asked.name(), "timeoutMs": 5000})).await?;
    let answer = listener.get("/").send().await?;
    assert_eq!(answer.echo().header("x-waits"), Some("http 418 5"));
    assert_eq!(asked.requests(), 1);
    Ok(())
}

async fn an_http_call_fails(envoy: &Envoy) -> Result<()> {
    // A cluster that nobody has is refused at once; a broken connection fails later.
    let nobody = listener(envoy, json!({"http": "nobody", "timeoutMs": 5000})).await?;
    assert_eq!(story(&nobody).await?, "failed");
    let broken = envoy.upstream("broken").await?;
    broken.script([Reply::close()]);
    let listener = listener(envoy, json!({"http": broken.name(), "timeoutMs": 5000})).await?;
    let story = story(&listener).await?;
    // Envoy answers in the service's stead.
    assert!(story.starts_with("http 503 "), "{story}");
    Ok(())
}

async fn an_http_call_times_out(envoy: &Envoy) -> Result<()> {
    let slow = envoy.upstream("slow").await?;
    slow.script([Reply::status(200).held()]);
    let listener = listener(envoy, json!({"http": slow.name(), "timeoutMs": 30})).await?;
    let story = story(&listener).await?;
    assert!(story.starts_with("http 504 "), "{story}");
    Ok(())
}

async fn a_grpc_answer_arrives(envoy: &Envoy) -> Result<()> {
    let asked = envoy.add_upstream(UpstreamConfig::new("grpc").http2()).await?;
    let message = [&b"\0\0\0\0\x03"[..], b"\x0a\x01y"].concat();
    asked.script([Reply::status(200)
        .header("content-type", "application/grpc")
        .body(message)
        .trailer("grpc-status", "0")]);
    let listener = listener(envoy, json!({"grpc": asked.name(), "timeoutMs": 5000})).await?;
    assert_eq!(story(&listener).await?, "grpc 0 3");
    Ok(())
}

async fn a_grpc_call_fails(envoy: &Envoy) -> Result<()> {
    let refusing = envoy.add_upstream(UpstreamConfig::new("refusing").http2()).await?;
    refusing
        .script([Reply::status(200).header("content-type", "application/grpc").body("").trailer("grpc-status", "7")]);
    let refused = listener(envoy, json!({"grpc": refusing.name(), "timeoutMs": 5000})).await?;
    assert_eq!(story(&refused).await?, "grpc 7 0");

    let slow = envoy.add_upstream(UpstreamConfig::new("slow-grpc").http2()).await?;
    slow.script([Reply::status(200).held()]);
    let late = listener(envoy, json!({"grpc": slow.name(), "timeoutMs": 30})).await?;
    let late = story(&late).await?;
    assert!(late.starts_with("grpc "), "{late}");

    let nobody = listener(envoy, json!({"grpc": "nobody", "timeoutMs": 5000})).await?;
    assert_eq!(story(&nobody).await?, "failed");
    Ok(())
}

/// A call-out that is sent from a tick is answered at the root context.
async fn a_call_after_a_delay(envoy: &Envoy) -> Result<()> {
    let asked = envoy.upstream("asked").await?;
    asked.script([Reply::status(201).body("x")]);
    let grpc = envoy.add_upstream(UpstreamConfig::new("grpc").http2()).await?;
    grpc.script([Reply::status(200)
        .header("content-type", "application/grpc")
        .body(&b"\0\0\0\0\0"[..])
        .trailer("grpc-status", "0")]);
    let waits = json!({"delayMs": 3, "times": 1, "http": asked.name(), "grpc": grpc.name(), "timeoutMs": 5000});
    let listener = listener(envoy, waits).await?;
    let answer = listener.get("/").send().await?;
    assert_eq!(answer.echo().header("x-waits"), Some("delayed, http 201 1, grpc 0 0"));
    Ok(())
}

async fn a_reply_after_a_wait(envoy: &Envoy) -> Result<()> {
    let asked = envoy.upstream("asked").await?;
    let waits = json!({"delayMs": 3, "times": 1, "http": asked.name(), "timeoutMs": 5000, "reply": 403});
    let listener = listener(envoy, waits).await?;
    let answer = listener.get("/").send().await?;
    assert_eq!((answer.status, answer.text().as_str()), (403, "replied"));
    assert_eq!(answer.header_lines("x-replied"), ["yes"]);
    assert!(answer.header("x-waited").is_some_and(|story| story.starts_with("delayed, http 200")));
    let log = listener.access_log(1).await?;
    assert_eq!(log[0]["details"], "waits_replied", "{log:?}");
    Ok(())
}

/// Begins a request and waits until the module has it, which it has when the bytes were read.
async fn begin(listener: &Listener) -> Result<TcpStream> {
    let mut client = TcpStream::connect(listener.address()).await?;
    client.write_all(b"GET /left HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
    Ok(client)
}

async fn a_client_leaves_while_delayed(envoy: &Envoy) -> Result<()> {
    let listener = listener(envoy, json!({"delayMs": 300, "times": 1})).await?;
    let mark = listener.mark();
    for _ in 0..20 {
        drop(begin(&listener).await?);
    }
    let left = listener.access_log(20).await?;
    assert!(left.iter().all(|line| line["flags"] == "DC"), "{left:?}");
    // The worker is well: later requests wait and go on, past the deadlines of those that left.
    for _ in 0..3 {
        assert_eq!(listener.get("/").send().await?.status, 200);
    }
    assert_eq!(listener.log_since(mark), Vec::<String>::new());
    Ok(())
}

async fn a_client_leaves_during_a_call(envoy: &Envoy) -> Result<()> {
    let asked = envoy.upstream("asked").await?;
    asked.script([Reply::status(200).held().times(5)]);
    let listener = listener(envoy, json!({"http": asked.name(), "timeoutMs": 60000})).await?;
    let mark = listener.mark();
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(begin(&listener).await?);
    }
    asked.arrived(5).await;
    drop(clients);
    listener.access_log(5).await?;
    asked.release(5); // The answers come when nobody waits for them.
    for _ in 0..3 {
        assert_eq!(listener.get("/").send().await?.status, 200);
    }
    assert_eq!(listener.log_since(mark), Vec::<String>::new());
    Ok(())
}

async fn a_request_that_waits_keeps_its_policy(envoy: &Envoy) -> Result<()> {
    let (asked, new) = (envoy.upstream("asked").await?, envoy.upstream("new").await?);
    asked.script([Reply::status(200).held().times(2)]);
    let old_waits = json!({"http": asked.name(), "timeoutMs": 60000, "delayMs": 50, "times": 1});
    let listener = listener(envoy, old_waits).await?;
    let waiting = [0, 1].map(|_| tokio::spawn(listener.get("/old").send()));
    asked.arrived(2).await;
    listener.update_policy(policy(Value::Null, new.name())).await?.accepted();
    let answer = listener.get("/new").send().await?;
    assert_eq!((answer.service().as_str(), answer.echo().header("x-waits")), (new.name(), None));
    asked.release(2);
    for request in waiting {
        let answer = request.await??;
        assert_eq!((answer.status, answer.service().as_str()), (200, "default"));
    }
    // And one that is delayed across an update, whose root context's tick must go on.
    listener.update_policy(policy(json!({"delayMs": 400, "times": 1}), "default")).await?.accepted();
    let delayed = tokio::spawn(listener.get("/delayed").send());
    let active = format!("http.{}.downstream_rq_active", listener.name());
    let arrived = async || Ok((envoy.admin().stat(&active).await? == 1).then_some(()));
    envoy.admin().until("the request to be there", arrived).await?;
    listener.update_policy(policy(Value::Null, new.name())).await?.accepted();
    assert_eq!(delayed.await??.service(), "default");
    Ok(())
}

/// The stream's own time-out fires while the filter waits: the wait is over, and nothing is resumed later.
async fn envoys_own_answer_ends_a_wait(envoy: &Envoy) -> Result<()> {
    let config = ListenerConfig::new()
        .module(test_module("waits")?)
        .policy(policy(json!({"delayMs": 400, "times": 1}), "default"))
        .manager(json!({"request_timeout": "0.05s", "stream_idle_timeout": "0.05s"}));
    let listener = envoy.add_listener(config).await?;
    let mark = listener.mark();
    let answer = listener.get("/").send().await?;
    assert!(matches!(answer.status, 408 | 504), "{}", answer.status);
    listener.update_policy(policy(json!({"delayMs": 1, "times": 1}), "default")).await?.accepted();
    assert_eq!(listener.get("/").send().await?.status, 200);
    let problems: Vec<String> = listener.log_since(mark).into_iter().filter(|line| line.contains("[error]")).collect();
    assert_eq!(problems, Vec::<String>::new());
    Ok(())
}
