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
    /// No service answered but Envoy, with this status.
    Refused(u16),
    /// The rule that decided, by its name.
    Rule(&'static str),
    /// Why no rule did.
    NoRule(&'static str),
    /// The client got this header; None: it did not.
    Client(&'static str, Option<&'static str>),
    /// The service got this header; None: it did not.
    Service(&'static str, Option<&'static str>),
}

impl Expect {
    pub fn holds(self, answer: &Answer) -> bool {
        match self {
            Self::By(name) => answer.status == 200 && service(answer).as_deref() == Some(name),
            Self::Refused(status) => answer.status == status && service(answer).is_none(),
            Self::Rule(name) => decision(answer).contains(&format!("({name}) ->")),
            Self::NoRule(reason) => decision(answer).contains(reason),
            Self::Client(header, value) => answer.header(header).as_deref() == value,
            Self::Service(header, value) => {
                echoed(answer).is_some_and(|echo| echo["headers"][header].as_str() == value)
            }
        }
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::By(name) => write!(f, "{name} answered"),
            Self::Refused(status) => write!(f, "refused with {status}, no service was asked"),
            Self::Rule(name) => write!(f, "the rule {name} decided"),
            Self::NoRule(reason) => write!(f, "it says why: {reason}"),
            Self::Client(header, Some(value)) => write!(f, "the client got `{header}: {value}`"),
            Self::Client(header, None) => write!(f, "the client got no {header}"),
            Self::Service(header, Some(value)) => write!(f, "the service got `{header}: {value}`"),
            Self::Service(header, None) => write!(f, "the service got no {header}"),
        }
    }
}

/// The name of the service that answered; None when it was Envoy.
pub fn service(answer: &Answer) -> Option<String> {
    Some(echoed(answer)?["service"].as_str()?.to_owned())
}

/// What decided. After it, behind a semicolon each, the explanation goes on with what did not, and why.
fn decision(answer: &Answer) -> String {
    let explanation = answer.header(EXPLAIN).unwrap_or_default();
    explanation.split(';').next().unwrap_or_default().to_owned()
}

/// The request as the service got it.
fn echoed(answer: &Answer) -> Option<Value> {
    serde_json::from_slice(&answer.body).ok()
}
