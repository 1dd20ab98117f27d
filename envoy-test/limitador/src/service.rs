//! `ShouldRateLimit`, by a limiter's judgement.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use envoy_test::rls::{self, HeaderValue, RateLimitRequest, RateLimitResponse};
use http::{Request, Response};
use hyper::body::Incoming;
use limitador::RateLimiter;
use limitador::limit::Context;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tonic::server::{Grpc, UnaryService};
use tonic_prost::ProstCodec;

/// Answers a call.
pub async fn answer(limiter: Arc<RateLimiter>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    if request.uri().path().strip_prefix('/') != Some(rls::METHOD) {
        return Ok(Status::unimplemented("there is only ShouldRateLimit").into_http());
    }
    let codec = ProstCodec::<RateLimitResponse, RateLimitRequest>::default();
    Ok(Grpc::new(codec).unary(ShouldRateLimit(limiter), request).await)
}

struct ShouldRateLimit(Arc<RateLimiter>);

impl UnaryService<RateLimitRequest> for ShouldRateLimit {
    type Response = RateLimitResponse;
    type Future = BoxFuture<tonic::Response<RateLimitResponse>, Status>;

    fn call(&mut self, request: tonic::Request<RateLimitRequest>) -> Self::Future {
        let answer = judged(&self.0, request.into_inner()).map(tonic::Response::new);
        Box::pin(std::future::ready(answer))
    }
}

/// One number of hits is for all descriptors: limitador does not read that of a descriptor.
fn judged(limiter: &RateLimiter, question: RateLimitRequest) -> Result<RateLimitResponse, Status> {
    if question.domain.is_empty() {
        return Ok(RateLimitResponse::default());
    }
    let entries = question.descriptors.into_iter().map(|descriptor| {
        descriptor.entries.into_iter().map(|entry| (entry.key, entry.value)).collect::<HashMap<_, _>>()
    });
    let mut context = Context::default();
    context.list_binding("descriptors".to_owned(), entries.collect());
    let hits = question.hits_addend.max(1).into();
    let judgement = limiter.check_rate_limited_and_update(&question.domain.into(), &context, hits);
    let mut judgement = judgement.map_err(|error| Status::unavailable(error.to_string()))?;
    let headers = judgement.response_header().into_iter().map(|(name, value)| HeaderValue::new(name, value));
    let mut response_headers_to_add: Vec<HeaderValue> = headers.collect();
    response_headers_to_add.sort_by(|one, other| one.key.cmp(&other.key));
    let overall_code = if judgement.limited { rls::OVER_LIMIT } else { rls::OK };
    Ok(RateLimitResponse { overall_code, response_headers_to_add, ..RateLimitResponse::default() })
}
