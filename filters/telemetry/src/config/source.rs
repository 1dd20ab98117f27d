//! Where a value comes from.

use std::rc::Rc;

use pointsman_routes::config::HeaderName;
use pointsman_wire::{Cursor, Decode, check_one, list, message, optional};

use super::access_logging::read_expression;

/// A value's source, and what the value is where there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where it comes from.
    pub from: From,
    /// What it is otherwise; `None`: nothing.
    pub default: Option<String>,
}

/// See [`Source`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// The first line of that request header.
    RequestHeader(Rc<[u8]>),
    /// The first line of that response header.
    ResponseHeader(Rc<[u8]>),
    /// The first cookie of that name.
    Cookie(String),
    /// The first query parameter of that name.
    QueryParameter(String),
    /// A claim of a token that Envoy has checked, by the steps to it.
    JwtClaim(Vec<String>),
    /// An attribute of Envoy's, by the steps to it.
    Property(Vec<String>),
    /// Always that.
    Literal(String),
    /// A variable of the VM's environment.
    Environment(String),
    /// The form that the path has, of `pathTemplates`.
    PathTemplate,
    /// What Envoy makes of it, in CEL.
    Expression(String),
}

message! {
    /// As it is written: one of them.
    pub struct SourceFields = "Source" {
        /// The first line of a request header.
        request_header: Option<HeaderName> = "requestHeader",
        /// The first line of a response header.
        response_header: Option<HeaderName> = "responseHeader",
        /// The first cookie of a name.
        cookie: Option<String> = "cookie",
        /// The first query parameter of a name.
        query_parameter: Option<String> = "queryParameter",
        /// A claim of a token that Envoy has checked.
        jwt_claim: Vec<String> = "jwtClaim" as read_steps,
        /// An attribute of Envoy's.
        property: Vec<String> = "property" as read_steps,
        /// A text.
        literal: Option<String> = "literal",
        /// A variable of the VM's environment.
        environment: Option<String> = "environment",
        /// The form that the path has.
        path_template: bool = "pathTemplate",
        /// What Envoy makes of it, in CEL.
        expression: Option<String> = "expression" as read_expression_if_any,
        /// What it is otherwise.
        default: Option<String> = "default",
    }
    check check_source;
}

/// `a.b.c`, or a list of steps, where a step has a dot itself.
fn read_steps(at: Cursor<'_>) -> Option<Vec<String>> {
    let steps: Vec<String> = match at.value().as_str() {
        Some(text) => text.split('.').map(str::to_owned).collect(),
        None => list(at, String::decode)?,
    };
    if steps.iter().any(String::is_empty) { at.error("has an empty step") } else { Some(steps) }
}

pub(super) fn read_expression_if_any(at: Cursor<'_>) -> Option<Option<String>> {
    optional(at, read_expression)
}

fn check_source(at: Cursor<'_>, all_known: bool) {
    let all = [
        "requestHeader",
        "responseHeader",
        "cookie",
        "queryParameter",
        "jwtClaim",
        "property",
        "literal",
        "environment",
        "pathTemplate",
        "expression",
    ];
    check_one(at, all_known, &all);
}

impl Decode for Source {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        let fields = SourceFields::decode(at)?;
        let steps = |steps: Vec<String>| Some(steps).filter(|steps| !steps.is_empty());
        let from = [
            fields.request_header.map(|name| From::RequestHeader(name.0)),
            fields.response_header.map(|name| From::ResponseHeader(name.0)),
            fields.cookie.map(From::Cookie),
            fields.query_parameter.map(From::QueryParameter),
            steps(fields.jwt_claim).map(From::JwtClaim),
            steps(fields.property).map(From::Property),
            fields.literal.map(From::Literal),
            fields.environment.map(From::Environment),
            fields.path_template.then_some(From::PathTemplate),
            fields.expression.map(From::Expression),
        ];
        let from = from.into_iter().flatten().next();
        match from {
            Some(from) => Some(Self { from, default: fields.default }),
            None => at.error("says nothing: `pathTemplate` is true, or there is another one"),
        }
    }
}
