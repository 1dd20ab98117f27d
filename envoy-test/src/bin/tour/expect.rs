//! What an answer should be.

use std::fmt;

use envoy_test::Answer;
use serde_json::Value;

use crate::front_proxy::EXPLAIN;

/// One thing that should be so. It displays as the sentence that says it.
#[derive(Debug, Clone, Copy)]
pub enum Expect {
    /// The service that answered.
    By(&'static str),
    /// The service that answered, and with which error.
    FailedBy(&'static str, u16),
    /// No service answered but the proxy, with this status.
    Proxy(u16),
    /// The body that the client got.
    Body(&'static str),
    /// The rule that decided, by its name.
    Rule(&'static str),
    /// Why no rule did.
    NoRule(&'static str),
    /// The client got this header; None: it did not.
    Client(&'static str, Option<&'static str>),
    /// The client got this header, with a number of seconds: at least one, and not more than that.
    Seconds(&'static str, u32),
    /// The client got this cookie, with these attributes.
    Cookie(&'static str, &'static str),
    /// The service got this header; None: it did not.
    Service(&'static str, Option<&'static str>),
    /// The path for which the service was asked.
    Path(&'static str),
    /// Client and service got the same of this header.
    Same(&'static str),
    /// How often the service was asked.
    Tries(u64),
    /// The service, when asked what it has received, tells of a request for this path with this header.
    Received(&'static str, &'static str, &'static str),
}

impl Expect {
    pub fn holds(self, answer: &Answer) -> bool {
        match self {
            Self::By(name) => Self::FailedBy(name, 200).holds(answer),
            Self::FailedBy(name, status) => answer.status == status && service(answer).as_deref() == Some(name),
            Self::Proxy(status) => answer.status == status && service(answer).is_none(),
            Self::Body(text) => answer.text() == text,
            Self::Rule(name) => decision(answer).contains(&format!("({name}) ->")),
            Self::NoRule(reason) => decision(answer).contains(reason),
            Self::Client(header, value) => answer.header(header).as_deref() == value,
            Self::Seconds(header, most) => {
                let seconds = answer.header(header).and_then(|value| value.parse().ok());
                seconds.is_some_and(|seconds: u32| (1..=most).contains(&seconds))
            }
            Self::Cookie(name, attributes) => {
                let lines = answer.header_lines("set-cookie");
                let is_it = |line: &String| line.starts_with(&format!("{name}=")) && line.ends_with(attributes);
                lines.iter().any(is_it)
            }
            Self::Service(header, value) => {
                told(answer).is_some_and(|request| request["headers"][header].as_str() == value)
            }
            Self::Path(path) => told(answer).is_some_and(|request| request["path"] == path),
            Self::Same(header) => {
                let both = told(answer).zip(answer.header(header));
                both.is_some_and(|(request, value)| request["headers"][header] == value)
            }
            Self::Tries(tries) => told(answer).is_some_and(|request| request["tries"] == tries),
            Self::Received(..) => self.received(answer).is_some(),
        }
    }

    /// What of the answer it is about, as the client saw it: header lines, or pieces of the service's JSON.
    pub fn evidence(self, answer: &Answer) -> Vec<String> {
        let lines = |name: &str| {
            let lines = answer.header_lines(name).into_iter();
            lines.map(|value| format!("{name}: {value}")).collect()
        };
        let piece = |name: &str, value: &Value| match value {
            Value::Null => Vec::new(),
            value => vec![format!("\"{name}\": {value}")],
        };
        let request = told(answer).unwrap_or_default();
        match self {
            Self::Client(header, _) | Self::Seconds(header, _) => lines(header),
            Self::Cookie(..) => lines("set-cookie"),
            Self::Service(header, _) => piece(header, &request["headers"][header]),
            Self::Path(_) => piece("path", &request["path"]),
            Self::Same(header) => [lines(header), piece(header, &request["headers"][header])].concat(),
            Self::Tries(_) => piece("tries", &request["tries"]),
            Self::Received(_, header, _) => {
                let received = self.received(answer).unwrap_or_default();
                let pieces = [piece("path", &received["path"]), piece(header, &received["headers"][header])];
                pieces.concat()
            }
            _ => Vec::new(),
        }
    }

    /// The request that a service tells of.
    fn received(self, answer: &Answer) -> Option<Value> {
        let Self::Received(path, header, value) = self else {
            return None;
        };
        let told = told(answer)?;
        let is_it = |request: &&Value| request["path"] == path && request["headers"][header] == value;
        told["latest"].as_array()?.iter().find(is_it).cloned()
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::By(name) => write!(f, "{name} answered"),
            Self::FailedBy(name, status) => write!(f, "{name} answered, with {status}"),
            Self::Proxy(status) => write!(f, "the proxy itself answered {status}"),
            Self::Body(text) => write!(f, "the client got {text:?}"),
            Self::Rule(name) => write!(f, "the rule {name} decided"),
            Self::NoRule(reason) => write!(f, "it says why: {reason}"),
            Self::Client(header, Some(value)) => write!(f, "the client got `{header}: {value}`"),
            Self::Client(header, None) => write!(f, "the client got no {header}"),
            Self::Seconds(header, most) => write!(f, "the client got `{header}`, of at most {most} seconds"),
            Self::Cookie(name, attributes) => write!(f, "the client got a cookie {name} with `{attributes}`"),
            Self::Service(header, Some(value)) => write!(f, "the service got `{header}: {value}`"),
            Self::Service(header, None) => write!(f, "the service got no {header}"),
            Self::Path(path) => write!(f, "the service was asked for {path}"),
            Self::Same(header) => write!(f, "client and service got the same {header}"),
            Self::Tries(tries) => write!(f, "the service was asked so often: {tries}"),
            Self::Received(path, header, value) => {
                write!(f, "the service was asked for {path} and got `{header}: {value}`")
            }
        }
    }
}

/// The name of the service that answered; None when it was Envoy.
pub fn service(answer: &Answer) -> Option<String> {
    Some(told(answer)?["service"].as_str()?.to_owned())
}

/// What decided. After it, behind a semicolon each, the explanation goes on with what did not, and why.
fn decision(answer: &Answer) -> String {
    let explanation = answer.header(EXPLAIN).unwrap_or_default();
    explanation.split(';').next().unwrap_or_default().to_owned()
}

/// What the service says in its answer: usually the request as it got it.
pub fn told(answer: &Answer) -> Option<Value> {
    serde_json::from_slice(&answer.body).ok()
}
