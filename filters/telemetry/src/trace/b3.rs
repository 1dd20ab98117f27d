//! Zipkin's B3, in its one header or in its many.

use std::rc::Rc;

use pointsman_http::{Edits, HeaderMap};

use super::ids::{Digits, Hex, SpanId, TraceId};
use super::{Context, Parent, Propagators};

const ONE: &[u8] = b"b3";
const TRACE: &[u8] = b"x-b3-traceid";
const SPAN: &[u8] = b"x-b3-spanid";
const PARENT: &[u8] = b"x-b3-parentspanid";
const SAMPLED: &[u8] = b"x-b3-sampled";
const FLAGS: &[u8] = b"x-b3-flags";

/// A context as it came. It may be a decision alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct B3 {
    /// Whose child the request is.
    pub parent: Option<Parent>,
    /// Whether it is sampled.
    pub sampled: Option<bool>,
    /// Whether it is sampled whatever anybody thinks of it.
    pub debug: bool,
}

impl B3 {
    /// That of a request; the one header goes before the many.
    pub fn of(headers: &HeaderMap) -> Self {
        headers.first(ONE).and_then(Self::parse).unwrap_or_else(|| Self::of_many(headers))
    }

    /// `TRACE-SPAN`, `TRACE-SPAN-DECISION`, `TRACE-SPAN-DECISION-PARENT`, or a decision.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let mut parts = line.trim_ascii().split(|byte| *byte == b'-');
        let (first, span, decision, parent) = (parts.next()?, parts.next(), parts.next(), parts.next());
        let Some(span) = span else { return Decision::parse(first).map(|decision| Self::new(None, Some(decision))) };
        let is_parent = |parent| SpanId::parse(parent, Digits::Any).is_some();
        if parts.next().is_some() || !parent.is_none_or(is_parent) {
            return None;
        }
        let ids = (TraceId::parse(first, Digits::Any)?, SpanId::parse(span, Digits::Any)?);
        let decision = match decision {
            None => None,
            Some(decision) => Some(Decision::parse(decision)?),
        };
        Some(Self::new(Some(ids), decision))
    }

    fn of_many(headers: &HeaderMap) -> Self {
        let trace = headers.first(TRACE).and_then(|text| TraceId::parse(text, Digits::Any));
        let span = headers.first(SPAN).and_then(|text| SpanId::parse(text, Digits::Any));
        let is_debug = headers.first(FLAGS) == Some(b"1");
        let decision = if is_debug { Some(Decision::Debug) } else { headers.first(SAMPLED).and_then(Decision::parse) };
        Self::new(trace.zip(span), decision)
    }

    fn new(ids: Option<(TraceId, SpanId)>, decision: Option<Decision>) -> Self {
        let sampled = decision.map(|decision| decision != Decision::No);
        let debug = decision == Some(Decision::Debug);
        let parent = ids.map(|(trace, span)| Parent { trace, span, sampled, debug, random: false });
        Self { parent, sampled, debug }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    No,
    Yes,
    Debug,
}

impl Decision {
    /// Old clients say it in words.
    fn parse(text: &[u8]) -> Option<Self> {
        match text {
            b"0" => Some(Self::No),
            b"1" => Some(Self::Yes),
            b"d" => Some(Self::Debug),
            _ if text.eq_ignore_ascii_case(b"false") => Some(Self::No),
            _ if text.eq_ignore_ascii_case(b"true") => Some(Self::Yes),
            _ => None,
        }
    }
}

/// Says the context as the propagators do. What is not said any more is taken out: it would contradict.
pub fn write(context: &Context, headers: &HeaderMap, propagators: Propagators, edits: &mut Edits) {
    if !propagators.b3 && !propagators.b3_multi {
        return;
    }
    let (trace, span) = (context.trace_id(), context.span_id());
    let parent = context.parent.map(|parent| Hex(&parent.0).to_string());
    let decision = match (context.debug, context.sampled) {
        (true, _) => "d",
        (false, true) => "1",
        (false, false) => "0",
    };
    let mut say = |name: &[u8], is_said: bool, text: Option<Rc<[u8]>>| match text.filter(|_| is_said) {
        Some(text) => edits.set(name.into(), text),
        None if headers.has(name) => edits.remove(name.into()),
        None => {}
    };
    let behind = parent.as_ref().map(|parent| format!("-{parent}")).unwrap_or_default();
    say(ONE, propagators.b3, Some(format!("{trace}-{span}-{decision}{behind}").as_bytes().into()));
    let many = propagators.b3_multi;
    say(TRACE, many, Some(trace.as_bytes().into()));
    say(SPAN, many, Some(span.as_bytes().into()));
    say(PARENT, many, parent.map(|parent| parent.as_bytes().into()));
    // Debug says that it is sampled.
    let sampled: &[u8] = if context.sampled { b"1" } else { b"0" };
    say(SAMPLED, many, Some(sampled.into()).filter(|_| !context.debug));
    say(FLAGS, many, Some(b"1".as_slice().into()).filter(|_| context.debug));
}
