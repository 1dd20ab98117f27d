//! Hits that only the end of a request tells: tokens of a language model, bytes.

use anyhow::Result;
use envoy_test::rls::RateLimitRequest;
use envoy_test::{
    Envoy, Listener, ListenerConfig, RateLimitService, Reply, Request, Test, Upstream, UpstreamConfig, module, routes,
    tests,
};
use serde_json::{Value, json};

use crate::lab::*;

pub fn tests() -> Vec<Test> {
    tests![what_is_asked, a_debt, trailers, of_a_client_that_left, the_service_is_gone]
}

/// A listener whose requests go to that upstream.
async fn to(envoy: &Envoy, upstream: &Upstream, module_name: &str, limits: Value) -> Result<Listener> {
    let config = ListenerConfig::new().routes(routes::usual(upstream.name()));
    envoy.add_listener(config.module(module(module_name)?).policy(json!({"rateLimits": limits}))).await
}

fn by_header_of_response(upstream: &Upstream, name: &str) -> Value {
    with(by_user("", upstream, json!({})), json!({"hitsAddend": {"responseHeader": name}}))
}

/// The whole question's hits, and the descriptors' own.
fn hits(question: &RateLimitRequest) -> (u32, Vec<Option<u64>>) {
    (question.hits_addend, question.descriptors.iter().map(|descriptor| descriptor.hits_addend).collect())
}

/// First with no hits, and at the end with those of the response; which is 1, if it does not say.
async fn what_is_asked(envoy: &Envoy) -> Result<()> {
    for module in [WHOLE, SLIM] {
        let (stub, service) = stub(envoy).await?;
        let model = envoy.upstream("model").await?;
        let listener = to(envoy, &model, module, json!([by_header_of_response(&service, "Tokens")])).await?;
        let mut asked = 0;
        for (said, expected) in [
            (Some("7"), Some((7, None))),
            (Some("1000000000"), Some((1_000_000_000, None))),
            (Some("99999999999"), Some((1_000_000_000, None))),
            (Some("1"), Some((0, None))),
            (Some("-5"), Some((0, None))),
            (None, Some((0, None))),
            // There is nothing to tell.
            (Some("0"), None),
        ] {
            let reply = said.iter().fold(Reply::status(200), |reply, said| reply.header("tokens", said));
            model.script([reply]);
            let answer = listener.get("/").header("user", "a").header("tokens", "99").send().await?;
            assert_eq!(answer.status, 200);
            asked += if expected.is_some() { 2 } else { 1 };
            stub.was_asked(asked).await;
            all_is_over(envoy, &listener, &service).await?;
            let questions = stub.questions();
            assert_eq!(questions.len(), asked, "{module} {said:?}");
            let of_this = &questions[asked - if expected.is_some() { 2 } else { 1 }..];
            assert_eq!(hits(&of_this[0]), (0, vec![Some(0)]), "{module} {said:?}");
            if let Some((all, own)) = expected {
                assert_eq!(hits(&of_this[1]), (all, vec![own]), "{module} {said:?}");
                assert_eq!(of_this[0].descriptors[0].entries, of_this[1].descriptors[0].entries);
                assert_eq!(of_this[1].domain, DOMAIN);
            }
        }
    }
    Ok(())
}

async fn a_service_of(most: u32) -> Result<RateLimitService> {
    RateLimitService::start([json!({"domain": DOMAIN, "descriptors": [a_year(json!({"key": "user"}), most)]})]).await
}

/// Sends it, and waits until its hits are with the service; a request that is refused has none.
async fn charged(envoy: &Envoy, request: Request, listener: &Listener, service: &Upstream) -> Result<u16> {
    let before = calls(envoy, service).await?;
    let status = request.send().await?.status;
    if status == 200 {
        let both = async || Ok((calls(envoy, service).await? == before + 2).then_some(()));
        envoy.admin().until("the hits are told", both).await?;
    }
    all_is_over(envoy, listener, service).await?;
    Ok(status)
}

/// As long as the limit is not exceeded there may be more; what has exceeded it is paid first.
async fn a_debt(envoy: &Envoy) -> Result<()> {
    for module in [WHOLE, SLIM] {
        let ratelimit = a_service_of(10).await?;
        let service = envoy.add_upstream(ratelimit.upstream("ratelimit")).await?;
        let model = envoy.upstream("model").await?;
        model.script([Reply::status(200).header("tokens", "4")]);
        let listener = to(envoy, &model, module, json!([by_header_of_response(&service, "tokens")])).await?;
        let request = listener.get("/").header("user", "a");
        for (place, expected) in [200, 200, 200, 429, 429].into_iter().enumerate() {
            let status = charged(envoy, request.clone(), &listener, &service).await?;
            assert_eq!(status, expected, "{module} {place}:\n{}", ratelimit.log());
        }
        assert_eq!(charged(envoy, listener.get("/").header("user", "b"), &listener, &service).await?, 200);
        assert_eq!(model.requests(), 4, "{module}");
    }
    Ok(())
}

/// gRPC's, and those of any answer in HTTP/2.
async fn trailers(envoy: &Envoy) -> Result<()> {
    for module in [WHOLE, SLIM] {
        let ratelimit = a_service_of(10).await?;
        let service = envoy.add_upstream(ratelimit.upstream("ratelimit")).await?;
        let model = envoy.add_upstream(UpstreamConfig::new("model").http2()).await?;
        let limit = with(by_user("", &service, json!({})), json!({"hitsAddend": {"responseTrailer": "tokens"}}));
        let listener = to(envoy, &model, module, json!([limit])).await?;
        for (user, reply) in [
            ("a", Reply::grpc(0).trailer("tokens", "6")),
            ("b", Reply::status(200).trailer("tokens", "6")),
            // A header is no trailer.
            ("c", Reply::grpc(0).header("tokens", "1").trailer("tokens", "6")),
        ] {
            model.script([reply]);
            for expected in [200, 200, 429] {
                let request = listener.post("/").http2().header("user", user);
                let status = charged(envoy, request, &listener, &service).await?;
                assert_eq!(status, expected, "{module} {user}:\n{}", ratelimit.log());
            }
        }
    }
    Ok(())
}

/// It was served as far as anybody knows.
async fn of_a_client_that_left(envoy: &Envoy) -> Result<()> {
    for module in [WHOLE, SLIM] {
        let (stub, service) = stub(envoy).await?;
        let model = envoy.upstream("model").await?;
        model.script([Reply::status(200).held()]);
        let listener = to(envoy, &model, module, json!([by_header_of_response(&service, "tokens")])).await?;
        let mut client = envoy_test::RawHttp1::open(listener.address()).await?;
        client.write(b"GET / HTTP/1.1\r\nhost: h\r\nuser: a\r\n\r\n").await;
        model.arrived(1).await;
        drop(client);
        stub.was_asked(2).await;
        all_is_over(envoy, &listener, &service).await?;
        let asked: Vec<_> = stub.questions().iter().map(hits).collect();
        assert_eq!(asked, [(0, vec![Some(0)]), (0, vec![None])], "{module}");
    }
    Ok(())
}

/// What cannot be told is lost, and nobody waits for it.
async fn the_service_is_gone(envoy: &Envoy) -> Result<()> {
    for module in [WHOLE, SLIM] {
        let mut ratelimit = a_service_of(10).await?;
        let service = envoy.add_upstream(ratelimit.upstream("ratelimit")).await?;
        let model = envoy.upstream("model").await?;
        model.script([Reply::status(200).header("tokens", "9").held()]);
        let listener = to(envoy, &model, module, json!([by_header_of_response(&service, "tokens")])).await?;
        let request = listener.get("/").header("user", "a");
        let asking = tokio::spawn(request.clone().send());
        model.arrived(1).await;
        ratelimit.stop_service();
        model.release(10);
        assert_eq!(asking.await??.status, 200, "{module}");
        all_is_over(envoy, &listener, &service).await?;
        assert_eq!(request.clone().send().await?.status, 500, "{module}");
        ratelimit.start_service().await?;
        assert_eq!(charged(envoy, request, &listener, &service).await?, 200, "{module}");
    }
    Ok(())
}
