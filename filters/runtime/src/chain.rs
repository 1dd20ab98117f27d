//! The filters of a module, one after the other: a tuple of them.

use pointsman_host::{Filter, Host, Node, Request, Response, Step, Uses, Wake};
use pointsman_http::HeaderMap;
use pointsman_wire::Cursor;

/// A tuple of filters, in the order in which a request passes them.
pub trait Chain: Sized + 'static {
    /// What they keep about a request.
    type Streams: Default;

    /// What they need of the proxy, together.
    const USES: Uses;

    /// The configuration's sections that some of them read.
    fn sections() -> Vec<&'static str>;

    /// Configures each. All of them report what is wrong.
    fn configure(at: Cursor<'_>, node: &Node) -> Option<Self>;

    /// See [`Filter::steers`].
    fn steers(&self, name: &[u8], request: &HeaderMap) -> bool;

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
}

const fn either(a: Uses, b: Uses) -> Uses {
    Uses {
        response: a.response || b.response,
        delay: a.delay || b.delay,
        http_call: a.http_call || b.http_call,
        grpc_call: a.grpc_call || b.grpc_call,
    }
}

const NOTHING: Uses = Uses { response: false, delay: false, http_call: false, grpc_call: false };

macro_rules! chain {
    ($($filter:ident = $index:tt),+) => {
        impl<$($filter: Filter),+> Chain for ($($filter,)+) {
            type Streams = ($($filter::Stream,)+);

            const USES: Uses = {
                let uses = NOTHING;
                $(let uses = either(uses, $filter::USES);)+
                uses
            };

            fn sections() -> Vec<&'static str> {
                [$($filter::SECTIONS),+].concat()
            }

            fn configure(at: Cursor<'_>, node: &Node) -> Option<Self> {
                let filters = ($($filter::configure(at, node),)+);
                Some(($(filters.$index?,)+))
            }

            fn steers(&self, name: &[u8], request: &HeaderMap) -> bool {
                $(self.$index.steers(name, request))||+
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
        }
    };
}

chain!(A = 0);
chain!(A = 0, B = 1);
chain!(A = 0, B = 1, C = 2);
chain!(A = 0, B = 1, C = 2, D = 3);
chain!(A = 0, B = 1, C = 2, D = 3, E = 4);
chain!(A = 0, B = 1, C = 2, D = 3, E = 4, F = 5);
