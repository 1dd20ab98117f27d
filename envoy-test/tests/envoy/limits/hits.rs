//! What a request costs turns out at its end: what the response says is taken from the bucket then.

use anyhow::{Result, ensure};
use envoy_test::{
    Answer, Connection, Envoy, Listener, ListenerConfig, RawHttp1, Reply, Test, Upstream, UpstreamConfig, routes, tests,
};
use serde_json::{Value, json};

use super::{SLIM, WHOLE, bucket, descriptor, header, listener_like, told, with};

pub fn tests() -> Vec<Test> {
    tests![
        a_response_header,
        a_response_trailer,
        a_trailer_of_grpc,
        trailers_among_the_headers,
        of_each_value,
        more_than_there_was,
        a_client_that_leaves_early,
        a_client_that_leaves_late,
        answers_of_envoy,
        what_is_refused_costs_nothing,
        under_a_new_policy,
        a_shadow_pays_as_well,
    ]
}

const LEFT: u32 = 100;

/// A listener with one bucket, from which a response takes what its header or trailer `x-cost` says.
struct Scene {
    listener: Listener,
    upstream: Upstream,
    connection: Connection,
    /// How many tokens there were when somebody looked.
    before: Option<u32>,
}

fn limit(hits: &str, bucket: &Value) -> Value {
    json!({
        "name": "costs", "local": {"tokenBucket": bucket}, "hitsAddend": {hits: "x-cost"},
        "response": {"rateLimitHeaders": "DRAFT_VERSION_03"},
    })
}

impl Scene {
    async fn new(envoy: &Envoy, module: &str, limits: Value, http2: bool) -> Result<Self> {
        let config = UpstreamConfig::new("costs");
        let upstream = envoy.add_upstream(if http2 { config.http2() } else { config }).await?;
        let config = ListenerConfig::new().routes([
            json!({"match": {"path": "/direct"}, "direct_response": {"status": 200}}),
            routes::catch_all(upstream.name()),
        ]);
        let listener = listener_like(envoy, config, module, limits).await?;
        let connection = listener.connect_http2().await?;
        Ok(Self { listener, upstream, connection, before: None })
    }

    /// The answer to a request, for which the upstream has that reply.
    async fn answer(&mut self, reply: Reply) -> Result<Answer> {
        self.upstream.script([reply.times(1)]);
        self.connection.send(self.listener.get("/")).await
    }

    /// Waits until that many tokens are left: what is taken at the end of a response is so when the client has it already.
    /// Until then there are as many as before.
    async fn left(&mut self, envoy: &Envoy, expected: u32) -> Result<()> {
        let before = self.before.replace(expected);
        let taken = async || {
            // To look costs nothing.
            let left = self.look().await?;
            ensure!(left == expected || before.is_none_or(|before| left == before), "{left} and not {expected} left");
            Ok((left == expected).then_some(()))
        };
        envoy.admin().until(&format!("{expected} are left"), taken).await
    }

    async fn look(&mut self) -> Result<u32> {
        let answer = self.answer(free()).await?;
        ensure!(answer.status == 200, "{answer}");
        Ok(told(&answer)[1].as_deref().unwrap_or_default().parse()?)
    }
}

fn free() -> Reply {
    Reply::status(200).header("x-cost", "0").trailer("x-cost", "0")
}

/// What it says, and what it costs.
const COSTS: [(&[&str], u32); 13] = [
    (&["5"], 5),
    (&["0"], 0),
    (&[], 1),
    (&["abc"], 1),
    (&["-3"], 1),
    (&["1.5"], 1),
    (&[""], 1),
    (&["2", "3"], 2),
    (&["007"], 7),
    (&["0", "9"], 0),
    (&["+4"], 1),
    (&["0x10"], 1),
    (&["1"], 1),
];

async fn a_response_header(envoy: &Envoy) -> Result<()> {
    for (module, http2) in [(WHOLE, false), (SLIM, true)] {
        let limits = json!([limit("responseHeader", &bucket(LEFT))]);
        let mut scene = Scene::new(envoy, module, limits, http2).await?;
        let mut left = LEFT;
        for (lines, cost) in COSTS {
            let reply = lines.iter().fold(Reply::status(200), |reply, line| reply.header("x-cost", line));
            assert_eq!(scene.answer(reply).await?.status, 200);
            left -= cost;
            scene.left(envoy, left).await.map_err(|error| error.context(format!("after {lines:?}")))?;
        }
        // Of an answer that says that it failed, too.
        assert_eq!(scene.answer(Reply::status(503).header("x-cost", "2")).await?.status, 503);
        scene.left(envoy, left - 2).await?;
    }
    Ok(())
}

async fn a_response_trailer(envoy: &Envoy) -> Result<()> {
    for module in [WHOLE, SLIM] {
        let limits = json!([limit("responseTrailer", &bucket(LEFT))]);
        let mut scene = Scene::new(envoy, module, limits, true).await?;
        let mut left = LEFT;
        for (lines, cost) in COSTS {
            let reply = Reply::status(200).trailer("x-other", "8");
            let reply = lines.iter().fold(reply, |reply, line| reply.trailer("x-cost", line));
            let answer = scene.answer(reply).await?;
            assert_eq!((answer.status, answer.trailers.get_all("x-cost").iter().count()), (200, lines.len()));
            left -= cost;
            scene.left(envoy, left).await.map_err(|error| error.context(format!("after {lines:?}")))?;
        }
        // A client of HTTP/1 that does not want them gets none, and pays all the same.
        scene.upstream.script([Reply::status(200).trailer("x-cost", "6").times(1)]);
        assert_eq!(scene.listener.get("/").send().await?.status, 200);
        scene.left(envoy, left - 6).await?;
    }
    Ok(())
}

async fn a_trailer_of_grpc(envoy: &Envoy) -> Result<()> {
    let limits = json!([limit("responseTrailer", &bucket(10))]);
    let mut scene = Scene::new(envoy, WHOLE, limits, true).await?;
    let call = scene.listener.post("/package.Service/Method").header("content-type", "application/grpc");
    let call = call.header("te", "trailers").body(vec![0; 5]);
    for (status, cost, left) in [(0, "4", 6), (7, "3", 3)] {
        scene.upstream.script([Reply::grpc(status).trailer("x-cost", cost).times(1)]);
        let answer = scene.connection.send(call.clone()).await?;
        assert_eq!(answer.trailers["grpc-status"], status.to_string());
        scene.left(envoy, left).await?;
    }
    scene.upstream.script([Reply::grpc(0).trailer("x-cost", "9").times(1), Reply::grpc(0)]);
    assert_eq!(scene.connection.send(call.clone()).await?.trailers["grpc-status"], "0");
    // It owes six now, and is told so in gRPC's way.
    let refused = async || {
        let answer = scene.connection.send(call.clone()).await?;
        Ok((answer.header("grpc-status").as_deref() == Some("14")).then_some(answer))
    };
    let answer = envoy.admin().until("the hits are taken", refused).await?;
    assert_eq!(answer.header("grpc-message").as_deref(), Some("local_rate_limited"));
    assert_eq!((answer.status, told(&answer)[1].as_deref()), (200, Some("0")));
    Ok(())
}

/// A call of gRPC's that fails at once has nothing but headers, and what would be its trailers stands there.
async fn trailers_among_the_headers(envoy: &Envoy) -> Result<()> {
    let limits = json!([limit("responseTrailer", &bucket(LEFT))]);
    let mut scene = Scene::new(envoy, SLIM, limits, true).await?;
    let reply = Reply::status(200).header("content-type", "application/grpc").header("grpc-status", "5").body("");
    assert_eq!(scene.answer(reply.header("x-cost", "7")).await?.header("grpc-status").as_deref(), Some("5"));
    scene.left(envoy, LEFT - 7).await
}

/// The bucket is that which the request was held against, whatever the response says.
async fn of_each_value(envoy: &Envoy) -> Result<()> {
    let keyed = json!({
        "actions": [header("user")],
        "local": {"descriptors": [descriptor("user", "", &bucket(10))], "tokenBucket": bucket(50)},
    });
    let limits = json!([with(limit("responseHeader", &bucket(50)), keyed)]);
    let mut scene = Scene::new(envoy, WHOLE, limits, false).await?;
    let mut ask = async |user: &str, reply: Reply| {
        scene.upstream.script([reply.times(1)]);
        scene.connection.send(scene.listener.get("/").header("user", user)).await
    };
    for (user, cost) in [("a", "4"), ("b", "6"), ("a", "3"), ("c", "10")] {
        assert_eq!(ask(user, Reply::status(200).header("x-cost", cost).header("user", "z")).await?.status, 200);
    }
    for (user, expected) in [("a", "3"), ("b", "4"), ("z", "10")] {
        let left = async || {
            let answer = ask(user, Reply::status(200).header("x-cost", "0")).await?;
            Ok((told(&answer)[1].as_deref() == Some(expected)).then_some(()))
        };
        envoy.admin().until(&format!("{user} has {expected} left"), left).await?;
    }
    // All there was is taken, and no more is owed: a request that costs nothing passes still.
    assert_eq!(ask("c", Reply::status(200).header("x-cost", "1")).await?.status, 200);
    let refused = async || Ok((ask("c", free()).await?.status == 429).then_some(()));
    envoy.admin().until("c is in debt", refused).await
}

/// It owes the rest; but never more than fits in, so that it is over some time.
async fn more_than_there_was(envoy: &Envoy) -> Result<()> {
    let quick = json!({"maxTokens": 10, "tokensPerFill": 1, "fillInterval": "0.05s"});
    for (hits, module) in [("responseHeader", WHOLE), ("responseTrailer", SLIM)] {
        let mut scene = Scene::new(envoy, module, json!([limit(hits, &quick)]), true).await?;
        for cost in ["15", "1000000000", "4294967296", "99999999999999999999999"] {
            let reply = Reply::status(200).header("x-cost", cost).trailer("x-cost", cost);
            assert_eq!(scene.answer(reply).await?.status, 200);
            let refused = async || {
                let answer = scene.answer(free()).await?;
                Ok((answer.status == 429).then_some(answer))
            };
            let answer = envoy.admin().until("it is in debt", refused).await?;
            assert_eq!(told(&answer)[1].as_deref(), Some("0"));
            assert_eq!(answer.header("retry-after").as_deref(), Some("1"), "{answer}");
            let passes = async || Ok((scene.answer(free()).await?.status == 200).then_some(()));
            envoy.admin().until("it has paid its debt", passes).await?;
            let full = async || Ok((scene.look().await? == 10).then_some(()));
            envoy.admin().until("it is full", full).await?;
        }
    }
    Ok(())
}

/// Nobody knows what it would have cost: it costs one.
async fn a_client_that_leaves_early(envoy: &Envoy) -> Result<()> {
    for hits in ["responseHeader", "responseTrailer"] {
        let mut scene = Scene::new(envoy, WHOLE, json!([limit(hits, &bucket(LEFT))]), false).await?;
        scene.upstream.script([Reply::status(200).held().times(1)]);
        let mut client = RawHttp1::open(scene.listener.address()).await?;
        client.write(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
        scene.upstream.arrived(1).await;
        client.reset()?;
        if hits == "responseHeader" {
            scene.left(envoy, LEFT - 1).await?;
        } else {
            // There are no trailers over HTTP/1 that would make a look free, so a look tells of the looks before it, too.
            let one = async || {
                let answer = scene.answer(free()).await?;
                Ok((told(&answer)[1].as_deref() != Some("100")).then_some(()))
            };
            envoy.admin().until("the hit is taken", one).await?;
        }
    }
    Ok(())
}

/// The headers were there, and so it pays what they say, although it reads no more.
async fn a_client_that_leaves_late(envoy: &Envoy) -> Result<()> {
    let mut scene = Scene::new(envoy, SLIM, json!([limit("responseHeader", &bucket(LEFT))]), false).await?;
    // More than the buffers on the way take.
    scene.upstream.script([Reply::status(200).header("x-cost", "30").body(vec![b'x'; 64 << 20]).times(1)]);
    let mut client = RawHttp1::open(scene.listener.address()).await?;
    client.write(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
    let head = client.read(17).await?;
    assert!(head.starts_with(b"HTTP/1.1 200 OK\r\n"));
    client.reset()?;
    scene.left(envoy, LEFT - 30).await
}

/// They say nothing of costs: one.
async fn answers_of_envoy(envoy: &Envoy) -> Result<()> {
    let mut scene = Scene::new(envoy, WHOLE, json!([limit("responseHeader", &bucket(LEFT))]), false).await?;
    assert_eq!(scene.connection.send(scene.listener.get("/direct")).await?.status, 200);
    scene.left(envoy, LEFT - 1).await?;
    assert_eq!(scene.answer(Reply::close()).await?.status, 503);
    scene.left(envoy, LEFT - 2).await
}

/// Neither that which refuses, nor another one, nor one that lets pass before another refuses.
async fn what_is_refused_costs_nothing(envoy: &Envoy) -> Result<()> {
    let never = json!({"match": [{"uri": {"exact": "/never"}}], "local": {"tokenBucket": bucket(1)}});
    let limits = json!([limit("responseHeader", &bucket(LEFT)), never]);
    let mut scene = Scene::new(envoy, WHOLE, limits, false).await?;
    scene.upstream.script([Reply::status(200).header("x-cost", "3").times(1)]);
    assert_eq!(scene.connection.send(scene.listener.get("/never")).await?.status, 200);
    for _ in 0..20 {
        assert_eq!(scene.connection.send(scene.listener.get("/never")).await?.status, 429);
    }
    scene.left(envoy, LEFT - 3).await
}

/// A request that has begun under one policy pays under it when there is another.
async fn under_a_new_policy(envoy: &Envoy) -> Result<()> {
    let old = json!([limit("responseHeader", &bucket(LEFT))]);
    let mut scene = Scene::new(envoy, WHOLE, old, false).await?;
    scene.upstream.script([Reply::status(200).header("x-cost", "40").held().times(1)]);
    let request = scene.listener.get("/");
    let waiting = tokio::spawn(async move { request.send().await });
    scene.upstream.arrived(1).await;
    let new = with(limit("responseHeader", &bucket(LEFT)), json!({"response": {"status": 503}}));
    scene.listener.update_policy(json!({"rateLimits": [new]})).await?.accepted();
    scene.left(envoy, LEFT).await?;
    scene.upstream.release(1);
    assert_eq!(waiting.await??.status, 200);
    scene.left(envoy, LEFT - 40).await
}

async fn a_shadow_pays_as_well(envoy: &Envoy) -> Result<()> {
    let shadow = with(limit("responseHeader", &bucket(10)), json!({"name": "shadow that pays", "shadow": true}));
    let mut scene = Scene::new(envoy, WHOLE, json!([shadow]), false).await?;
    assert_eq!(scene.answer(Reply::status(200).header("x-cost", "11")).await?.status, 200);
    let counted = async || {
        assert_eq!(scene.answer(free()).await?.status, 200);
        let count = super::counted(envoy, "shadow_rate_limited", "shadow that pays", "local").await?;
        Ok((count > 0).then_some(()))
    };
    envoy.admin().until("the shadow is in debt", counted).await
}
