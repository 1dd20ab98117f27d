//! Services that let a request wait, and clients that do not.

use anyhow::Result;
use envoy_test::rls::{OVER_LIMIT, RateLimitResponse};
use envoy_test::{Envoy, RawHttp1, RawHttp2, Reply, Test, tests};
use serde_json::{Value, json};

use crate::lab::*;

pub fn tests() -> Vec<Test> {
    tests![
        within_the_time,
        beyond_the_time,
        a_late_answer,
        the_second_of_two,
        a_client_that_leaves,
        a_crowd_that_leaves,
        an_update
    ]
}

fn over() -> Reply {
    Reply::rate_limits(&RateLimitResponse::code(OVER_LIMIT))
}

/// The answer decides, however long it took.
async fn within_the_time(envoy: &Envoy) -> Result<()> {
    for module in [WHOLE, SLIM] {
        let (stub, upstream) = stub(envoy).await?;
        let listener = listener(envoy, module, json!([by_user("", &upstream, json!({}))])).await?;
        stub.script([Reply::rate_limits(&RateLimitResponse::code(1)).held().times(1), over().held().times(1)]);
        for (number, expected) in [200, 429].into_iter().enumerate() {
            let asking = tokio::spawn(listener.get("/").header("user", "a").send());
            stub.was_asked(number + 1).await;
            assert!(!asking.is_finished());
            stub.release(1);
            assert_eq!(asking.await??.status, expected, "{module}");
        }
    }
    Ok(())
}

/// The service never answers at all: without a time of its own, a limit has Envoy's 20 ms.
async fn beyond_the_time(envoy: &Envoy) -> Result<()> {
    for module in [WHOLE, SLIM] {
        for timeout in [Value::Null, json!("0.005s")] {
            for (deny, expected) in [(true, 500), (false, 200)] {
                let (stub, upstream) = stub(envoy).await?;
                let limit = by_user("", &upstream, json!({"timeout": timeout, "failureModeDeny": deny}));
                let listener = listener(envoy, module, json!([limit])).await?;
                stub.script([over().held()]);
                let request = listener.get("/").header("user", "a");
                assert_eq!(statuses(&request, 3).await?, [expected; 3], "{module} {timeout} {deny}");
                all_is_over(envoy, &listener, &upstream).await?;
            }
        }
    }
    Ok(())
}

/// What comes after the time is for nobody; least of all for the next request.
async fn a_late_answer(envoy: &Envoy) -> Result<()> {
    for module in [WHOLE, SLIM] {
        let (stub, upstream) = stub(envoy).await?;
        let limit = by_user("", &upstream, json!({"timeout": "0.05s", "failureModeDeny": false}));
        let listener = listener(envoy, module, json!([limit])).await?;
        let mut connection = listener.connect().await?;
        let request = listener.get("/").header("user", "a");
        stub.script([over().held().times(1)]);
        assert_eq!(connection.send(request.clone()).await?.status, 200);
        stub.release(1);
        for _ in 0..5 {
            assert_eq!(connection.send(request.clone()).await?.status, 200, "{module}");
        }
        all_is_over(envoy, &listener, &upstream).await?;
    }
    Ok(())
}

/// One service after the other: each has its time, and the first that refuses is the last that is asked.
async fn the_second_of_two(envoy: &Envoy) -> Result<()> {
    for module in [WHOLE, SLIM] {
        let (first, one) = stub(envoy).await?;
        let (second, two) = stub(envoy).await?;
        let limits = json!([by_user("", &one, json!({})), by_user("", &two, json!({"timeout": "0.02s"}))]);
        let listener = listener(envoy, module, limits).await?;
        let request = listener.get("/").header("user", "a");
        assert_eq!((request.clone().send().await?.status, first.asked(), second.asked()), (200, 1, 1), "{module}");
        second.script([over().held().times(1)]);
        assert_eq!((request.clone().send().await?.status, first.asked(), second.asked()), (500, 2, 2), "{module}");
        second.script([over().times(1)]);
        assert_eq!((request.clone().send().await?.status, first.asked(), second.asked()), (429, 3, 3), "{module}");
        first.script([over().times(1)]);
        assert_eq!((request.clone().send().await?.status, first.asked(), second.asked()), (429, 4, 3), "{module}");
        first.script([Reply::grpc_error(14).times(1)]);
        assert_eq!((request.send().await?.status, first.asked(), second.asked()), (500, 5, 3), "{module}");
    }
    Ok(())
}

/// Its question is answered all the same, for nobody.
async fn a_client_that_leaves(envoy: &Envoy) -> Result<()> {
    const HEAD: [(&[u8], &[u8]); 5] =
        [(b":method", b"GET"), (b":path", b"/"), (b":scheme", b"http"), (b":authority", b"h"), (b"user", b"a")];
    for module in [WHOLE, SLIM] {
        let (stub, upstream) = stub(envoy).await?;
        let listener = listener(envoy, module, json!([by_user("", &upstream, json!({}))])).await?;
        let under_way = format!("http.{}.downstream_rq_active", listener.name());
        let is_gone = async || Ok((envoy.admin().stat(&under_way).await? == 0).then_some(()));
        let gone = async || envoy.admin().until("the request is gone", is_gone).await;
        stub.script([over().held().times(3)]);

        let mut closes = RawHttp1::open(listener.address()).await?;
        closes.write(b"GET / HTTP/1.1\r\nhost: h\r\nuser: a\r\n\r\n").await;
        stub.was_asked(1).await;
        drop(closes);
        gone().await?;

        let mut resets = RawHttp1::open(listener.address()).await?;
        resets.write(b"POST / HTTP/1.1\r\nhost: h\r\nuser: a\r\ncontent-length: 9\r\n\r\n1234").await;
        stub.was_asked(2).await;
        resets.reset()?;
        gone().await?;

        let mut cancels = RawHttp2::open(listener.address()).await?;
        let stream = cancels.begin(&HEAD, true).await;
        stub.was_asked(3).await;
        cancels.cancel(stream).await;
        gone().await?;

        assert_eq!(cancels.ask(&HEAD).await?.status(), 200, "{module}");
        stub.release(3);
        all_is_over(envoy, &listener, &upstream).await?;
        assert_eq!(cancels.ask(&HEAD).await?.status(), 200, "{module}");
        assert_eq!(statuses(&listener.get("/").header("user", "a"), 3).await?, [200; 3], "{module}");
        assert_eq!(stub.asked(), 8, "{module}");
    }
    Ok(())
}

/// Some leave and some stay, on both workers; those that stay are answered.
async fn a_crowd_that_leaves(envoy: &Envoy) -> Result<()> {
    const CLIENTS: usize = 60;
    for module in [WHOLE, SLIM] {
        let (stub, upstream) = stub(envoy).await?;
        let listener = listener(envoy, module, json!([by_user("", &upstream, json!({}))])).await?;
        stub.script([over().held()]);
        let mut clients = Vec::new();
        for client in 0..CLIENTS {
            let mut connection = RawHttp1::open(listener.address()).await?;
            connection.write(format!("GET / HTTP/1.1\r\nhost: h\r\nuser: {client}\r\n\r\n").as_bytes()).await;
            clients.push(connection);
        }
        stub.was_asked(CLIENTS).await;
        let (mut stay, mut leave) = (Vec::new(), Vec::new());
        for (place, client) in clients.into_iter().enumerate() {
            if place % 3 == 0 { stay.push(client) } else { leave.push(client) }
        }
        drop(leave);
        let name = format!("http.{}.downstream_rq_active", listener.name());
        let gone = async || Ok((envoy.admin().stat(&name).await? == stay.len() as u64).then_some(()));
        envoy.admin().until("those that leave are gone", gone).await?;
        stub.release(CLIENTS);
        for mut client in stay {
            assert_eq!(client.answer().await?.status(), 429, "{module}");
        }
        all_is_over(envoy, &listener, &upstream).await?;
    }
    Ok(())
}

/// A request that waits when its limit is gone is answered by what it has asked.
async fn an_update(envoy: &Envoy) -> Result<()> {
    for module in [WHOLE, SLIM] {
        let (stub, upstream) = stub(envoy).await?;
        let listener = listener(envoy, module, json!([by_user("", &upstream, json!({}))])).await?;
        stub.script([over().held()]);
        let asking = tokio::spawn(listener.get("/").header("user", "a").send());
        stub.was_asked(1).await;
        listener.update_policy(json!({"rateLimits": []})).await?.accepted();
        assert_eq!(listener.get("/").header("user", "a").send().await?.status, 200);
        stub.release(1);
        assert_eq!(asking.await??.status, 429, "{module}");
        all_is_over(envoy, &listener, &upstream).await?;
    }
    Ok(())
}
