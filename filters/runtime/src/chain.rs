//! The filters of a module, one after the other: a tuple of them.

use pointsman_filter::{Body, Filter, GrpcCall, Request, Response, Step, Uses, Wake};
use pointsman_host::Host;
use pointsman_http::HeaderMap;
use pointsman_routes::config::RuleParts;
use pointsman_routes::{Policy, Rules};
use pointsman_wire::Cursor;

/// A tuple of filters, in the order in which a request passes them.
pub trait Chain: Sized + 'static {
    /// What they keep about a request.
    type Streams: Default;

    /// What they read of a VirtualService's rule.
    type Rule: RuleParts;

    /// What they need of the proxy, together.
    const USES: Uses;

    /// The configuration's sections that some of them read, each once.
    fn sections() -> Vec<&'static str>;

    /// Configures each. All of them report what is wrong.
    fn configure(at: Cursor<'_>, policy: Policy<Self::Rule>) -> Option<Self>;

    /// See [`Filter::steers`].
    fn steers(&self, name: &[u8], request: &HeaderMap) -> bool;

    /// See [`Filter::needs_headers`].
    fn needs_headers(&self) -> bool;

    /// Runs the filters from that one on, which is woken by `wake`, until one says something else than
    /// [`Step::Continue`]; says which one that was.
    fn on_request(
        &self,
        from: usize,
        wake: Wake,
        streams: &mut Self::Streams,
        request: &mut Request,
        host: &mut dyn Host,
    ) -> (usize, Step);

    /// See [`Filter::has_more`].
    fn has_more(&self, streams: &Self::Streams) -> bool;

    /// See [`Filter::on_response`].
    fn on_response(&self, streams: &mut Self::Streams, request: &Request, response: &mut Response, host: &mut dyn Host);

    /// See [`Filter::wants_body`].
    fn wants_body(&self, streams: &Self::Streams) -> bool;

    /// See [`Filter::on_response_body`]. The longest hold counts.
    fn on_response_body(&self, streams: &mut Self::Streams, bytes: usize, host: &mut dyn Host) -> Body;

    /// See [`Filter::on_held`].
    fn on_held(&self, streams: &mut Self::Streams, host: &mut dyn Host) -> Body;

    /// See [`Filter::wants_trailers`].
    fn wants_trailers(&self, streams: &Self::Streams) -> bool;

    /// See [`Filter::on_response_trailers`].
    fn on_response_trailers(&self, streams: &mut Self::Streams, trailers: &HeaderMap);

    /// See [`Filter::on_end`].
    fn on_end(&self, streams: &mut Self::Streams, host: &mut dyn Host) -> Vec<GrpcCall>;

    /// See [`Filter::needs_beat`].
    fn needs_beat(&self, streams: &Self::Streams) -> bool;

    /// See [`Filter::on_beat`].
    fn on_beat(&self, host: &mut dyn Host);
}

const fn either(a: Uses, b: Uses) -> Uses {
    Uses {
        response: a.response || b.response,
        response_body: a.response_body || b.response_body,
        response_trailers: a.response_trailers || b.response_trailers,
        delay: a.delay || b.delay,
        http_call: a.http_call || b.http_call,
        grpc_call: a.grpc_call || b.grpc_call,
        beat: a.beat || b.beat,
    }
}

fn longer(a: Body, b: Body) -> Body {
    match (a, b) {
        (Body::Hold(a), Body::Hold(b)) => Body::Hold(a.max(b)),
        (hold @ Body::Hold(_), Body::Pass) | (Body::Pass, hold) => hold,
    }
}

macro_rules! chain {
    ($($filter:ident = $index:tt),+) => {
        impl<$($filter: Filter),+> Chain for ($($filter,)+) {
            type Streams = ($($filter::Stream,)+);
            type Rule = ($($filter::Rule,)+);

            const USES: Uses = {
                let uses = Uses::NONE;
                $(let uses = either(uses, $filter::USES);)+
                uses
            };

            fn sections() -> Vec<&'static str> {
                let mut all: Vec<&'static str> = Vec::new();
                $(all.extend($filter::SECTIONS.iter().filter(|name| !all.contains(name)).collect::<Vec<_>>());)+
                all
            }

            fn configure(at: Cursor<'_>, policy: Policy<Self::Rule>) -> Option<Self> {
                let Policy { here, rules } = policy;
                let mut parts = ($(Vec::<$filter::Rule>::new(),)+);
                let rules = rules.map(|rules| {
                    for part in rules.parts {
                        $(parts.$index.push(part.$index);)+
                    }
                    (rules.routes, rules.origins)
                });
                // All of them, so that all that is wrong is said.
                let filters = ($($filter::configure(at, Policy {
                    here: here.clone(),
                    rules: rules.clone().map(|(routes, origins)| Rules { routes, origins, parts: parts.$index }),
                }),)+);
                Some(($(filters.$index?,)+))
            }

            fn steers(&self, name: &[u8], request: &HeaderMap) -> bool {
                $(self.$index.steers(name, request))||+
            }

            fn needs_headers(&self) -> bool {
                $(self.$index.needs_headers())||+
            }

            fn on_request(
                &self,
                from: usize,
                wake: Wake,
                streams: &mut Self::Streams,
                request: &mut Request,
                host: &mut dyn Host,
            ) -> (usize, Step) {
                let mut wake = wake;
                let mut last = 0;
                $(
                    if from <= $index {
                        let wake = std::mem::replace(&mut wake, Wake::Arrived);
                        match self.$index.on_request(&mut streams.$index, wake, request, host) {
                            Step::Continue => last = $index,
                            step => return ($index, step),
                        }
                    }
                )+
                (last, Step::Continue)
            }

            fn has_more(&self, streams: &Self::Streams) -> bool {
                $(self.$index.has_more(&streams.$index))||+
            }

            fn on_response(
                &self,
                streams: &mut Self::Streams,
                request: &Request,
                response: &mut Response,
                host: &mut dyn Host,
            ) {
                $(self.$index.on_response(&mut streams.$index, request, response, host);)+
            }

            fn wants_body(&self, streams: &Self::Streams) -> bool {
                $(self.$index.wants_body(&streams.$index))||+
            }

            fn on_response_body(&self, streams: &mut Self::Streams, bytes: usize, host: &mut dyn Host) -> Body {
                let body = Body::Pass;
                $(let body = longer(body, self.$index.on_response_body(&mut streams.$index, bytes, host));)+
                body
            }

            fn on_held(&self, streams: &mut Self::Streams, host: &mut dyn Host) -> Body {
                let body = Body::Pass;
                $(let body = longer(body, self.$index.on_held(&mut streams.$index, host));)+
                body
            }

            fn wants_trailers(&self, streams: &Self::Streams) -> bool {
                $(self.$index.wants_trailers(&streams.$index))||+
            }

            fn on_response_trailers(&self, streams: &mut Self::Streams, trailers: &HeaderMap) {
                $(self.$index.on_response_trailers(&mut streams.$index, trailers);)+
            }

            fn on_end(&self, streams: &mut Self::Streams, host: &mut dyn Host) -> Vec<GrpcCall> {
                let mut calls = Vec::new();
                $(calls.extend(self.$index.on_end(&mut streams.$index, host));)+
                calls
            }

            fn needs_beat(&self, streams: &Self::Streams) -> bool {
                $(self.$index.needs_beat(&streams.$index))||+
            }

            fn on_beat(&self, host: &mut dyn Host) {
                $(self.$index.on_beat(host);)+
            }
        }
    };
}

chain!(A = 0);
chain!(A = 0, B = 1);
chain!(A = 0, B = 1, C = 2);
chain!(A = 0, B = 1, C = 2, D = 3);
chain!(A = 0, B = 1, C = 2, D = 3, E = 4);
chain!(A = 0, B = 1, C = 2, D = 3, E = 4, F = 5);
