//! A filter that waits in every way there is, as its configuration says, before the routing filter: it exercises the
//! pipeline in a real Envoy.

use std::rc::Rc;
use std::time::Duration;

use pointsman_filter::{Answer, Filter, GrpcCall, HttpCall, LocalReply, Request, Response, Step, Uses, Wake};
use pointsman_host::Host;
use pointsman_routes::Policy;
use pointsman_wire::{Cursor, Decode, message};

pointsman_runtime::module!(Waits, routing::Routing);

message! {
    /// What each request does before it goes on, in this order, each if it is set.
    pub struct Config = "waits" {
        /// It stands for so many milliseconds, once more for each of `times`.
        delay_ms: u32 = "delayMs",
        /// How often it stands.
        times: u32 = "times",
        /// It asks this cluster over HTTP.
        http: Option<String> = "http",
        /// It asks this cluster over gRPC.
        grpc: Option<String> = "grpc",
        /// How long an answer may take.
        timeout_ms: u32 = "timeoutMs",
        /// Then it is answered with this status.
        reply: u32 = "reply",
    }
}

/// See the module.
pub struct Waits(Option<Config>);

/// What the request has been through, as text for the upstream and for the response.
#[derive(Default)]
pub struct Stream {
    delays: u32,
    asked: u32,
    story: Vec<String>,
}

impl Filter for Waits {
    const NAME: &'static str = "waits";
    const SECTIONS: &'static [&'static str] = &["waits"];
    const USES: Uses = Uses { response: true, delay: true, http_call: true, grpc_call: true, ..Uses::NONE };
    type Rule = ();
    type Stream = Stream;

    fn configure(at: Cursor<'_>, _: Policy<()>) -> Option<Self> {
        at.field("waits", Option::<Config>::decode_or_absent).map(Self)
    }

    fn on_request(&self, stream: &mut Stream, wake: Wake, request: &mut Request, _: &mut dyn Host) -> Step {
        let Some(config) = &self.0 else { return Step::Continue };
        match wake {
            Wake::Arrived => {}
            Wake::Delayed => stream.story.push("delayed".into()),
            Wake::Answered(Answer::Failed) => stream.story.push("failed".into()),
            Wake::Answered(Answer::Http { headers, body }) => {
                let status = String::from_utf8_lossy(headers.first(b":status").unwrap_or(b"?")).into_owned();
                stream.story.push(format!("http {status} {}", body.len()));
            }
            Wake::Answered(Answer::Grpc { status, message }) => {
                stream.story.push(format!("grpc {status} {}", message.len()));
            }
        }
        if stream.delays < config.times {
            stream.delays = stream.delays.saturating_add(1);
            return Step::Delay(Duration::from_millis(config.delay_ms.into()));
        }
        let timeout = Duration::from_millis(config.timeout_ms.into());
        let asked = stream.asked;
        stream.asked = asked.saturating_add(1);
        let headers = [(":method", "POST"), (":path", "/ask"), (":authority", "waits")];
        match (asked, &config.http, &config.grpc) {
            (0, Some(cluster), _) => {
                return Step::HttpCall(HttpCall {
                    cluster: cluster.clone(),
                    headers: headers.map(|(name, value)| (name.into(), value.into())).into(),
                    body: b"body".into(),
                    timeout,
                });
            }
            (0, None, Some(cluster)) | (1, Some(_), Some(cluster)) => {
                return Step::GrpcCall(GrpcCall {
                    cluster: cluster.clone(),
                    service: "test.Waits".into(),
                    method: "Ask".into(),
                    message: b"\x0a\x01x".into(),
                    timeout,
                });
            }
            _ => {}
        }
        request.edits.set(Rc::from(&b"x-waits"[..]), Rc::from(stream.story.join(", ").as_bytes()));
        match config.reply {
            0 => Step::Continue,
            status => Step::Reply(LocalReply {
                status,
                headers: vec![(b"x-replied".into(), b"yes".into())],
                body: b"replied".into(),
                details: "waits replied".into(),
                ..LocalReply::default()
            }),
        }
    }

    fn has_more(&self, stream: &Stream) -> bool {
        !stream.story.is_empty()
    }

    fn on_response(&self, stream: &mut Stream, _: &Request, response: &mut Response, _: &mut dyn Host) {
        response.edits.set(Rc::from(&b"x-waited"[..]), Rc::from(stream.story.join(", ").as_bytes()));
    }
}
